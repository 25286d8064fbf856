//! What a caller may hear and say while a solve runs.

use crate::outcome::LogEvent;

/// Callbacks of a solve, all on the caller's thread. Their time counts, and a
/// slow one delays the return; the path of the search does not depend on them,
/// except that [`Observer::should_stop`] ends it.
pub trait Observer {
    /// Something happened.
    fn log(&mut self, _event: &LogEvent) {}

    /// A better point was found (`point[j]`: value of column j).
    fn incumbent(&mut self, _point: &[f64], _objective: f64) {}

    /// Whether to stop now, with what there is; asked every few milliseconds.
    fn should_stop(&mut self) -> bool {
        false
    }
}

/// Hears nothing.
impl Observer for () {}

/// Hears the log.
pub(crate) struct Logger<'a>(pub(crate) &'a mut dyn FnMut(&LogEvent));

impl Observer for Logger<'_> {
    fn log(&mut self, event: &LogEvent) {
        (self.0)(event);
    }
}
