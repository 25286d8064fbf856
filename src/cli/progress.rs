//! A line on stderr that is written over, where stderr is a terminal.
#![expect(clippy::disallowed_methods, reason = "looks at the clock: an edge")]

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Time between two looks of the line.
const BLINK: Duration = Duration::from_millis(200);

/// The line; see the module's documentation.
pub(super) struct Progress {
    is_on: bool,
    start: Instant,
    shown: Duration,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            is_on: std::io::stderr().is_terminal(),
            start: Instant::now(),
            shown: Duration::ZERO,
        }
    }

    /// Shows what `text` makes of the time since the start, if it is time again.
    pub(super) fn show(&mut self, text: impl FnOnce(Duration) -> String) {
        let elapsed = self.start.elapsed();
        if !self.is_on || elapsed < self.shown + BLINK {
            return;
        }
        self.shown = elapsed;
        let _ = write!(std::io::stderr(), "\r{}\x1b[K", text(elapsed));
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        if self.is_on && self.shown > Duration::ZERO {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
