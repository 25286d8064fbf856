//! The clock, and the only file of the library that reads it.
#![expect(
    clippy::disallowed_methods,
    reason = "a solve's time limit is wall-clock time"
)]

use std::time::{Duration, Instant};

/// When a solve started and when it must end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    deadline: Option<Instant>,
}

impl Clock {
    /// Starts now. A limit too long to add to the clock is none.
    pub(crate) fn start(limit: Option<Duration>) -> Self {
        let start = Instant::now();
        Self {
            start,
            deadline: limit.and_then(|limit| start.checked_add(limit)),
        }
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Time to the deadline; zero once it has passed, none without one.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Whether the deadline has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }
}
