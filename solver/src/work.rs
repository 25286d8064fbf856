//! The budget of a solve: deterministic ticks, and the clock that may end it.
//!
//! Everything that takes time spends **ticks** (one tick: about one nonzero
//! touched, a few nanoseconds). Limits that steer the search (strong branching,
//! separation, heuristics, sub-MIPs) are limits on ticks, so that the path
//! depends on the input alone. Simplex iterations are counted beside them, for
//! the caller's limit on those. The clock is looked at every [`LOOK`] ticks; once
//! it is over, or the caller has gone, [`Budget::is_over`] stays true and all
//! code unwinds as fast as it can: what it returns is dropped and never
//! reported.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock::Clock;

/// Ticks between two looks at the clock: some 20 microseconds.
const LOOK: u64 = 10_000;

/// Ticks spent, and whether to go on. Passed down by `&mut`.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    clock: Option<Clock>,
    abandoned: Arc<AtomicBool>,
    ticks: u64,
    next_look: u64,
    /// Simplex iterations done, and how many there may be.
    iterations: u64,
    most_iterations: u64,
    over: bool,
}

impl Budget {
    pub(crate) fn new(clock: Clock, abandoned: Arc<AtomicBool>) -> Self {
        Self {
            clock: Some(clock),
            abandoned,
            ticks: 0,
            next_look: 0,
            iterations: 0,
            most_iterations: u64::MAX,
            over: false,
        }
    }

    /// Without a clock: never over.
    pub(crate) fn unlimited() -> Self {
        Self {
            clock: None,
            abandoned: Arc::new(AtomicBool::new(false)),
            ticks: 0,
            next_look: 0,
            iterations: 0,
            most_iterations: u64::MAX,
            over: false,
        }
    }

    /// Counts `ticks`.
    pub(crate) fn spend(&mut self, ticks: u64) {
        self.ticks += ticks;
    }

    /// Counts the work of touching `entries` nonzeros.
    pub(crate) fn spend_entries(&mut self, entries: usize) {
        self.ticks += entries as u64;
    }

    /// Ticks spent so far.
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Ends with the simplex iteration that makes them `most`.
    pub(crate) fn with_iterations(mut self, most: u64) -> Self {
        self.most_iterations = most;
        self
    }

    /// Counts a simplex iteration.
    pub(crate) fn iterate(&mut self) {
        self.iterations += 1;
        self.over |= self.iterations >= self.most_iterations;
    }

    /// Simplex iterations so far.
    pub(crate) fn iterations(&self) -> u64 {
        self.iterations
    }

    /// Whether it is the iterations that are used up, at a place that the clock
    /// had no part in.
    pub(crate) fn is_out_of_iterations(&self) -> bool {
        self.iterations > 0 && self.iterations >= self.most_iterations
    }

    /// Whether to unwind now. Cheap: looks at the clock every [`LOOK`] ticks.
    pub(crate) fn is_over(&mut self) -> bool {
        if self.ticks >= self.next_look && !self.over {
            self.next_look = self.ticks + LOOK;
            self.over = self.abandoned.load(Ordering::Relaxed)
                || self.clock.is_some_and(|clock| clock.is_over());
        }
        self.over
    }
}
