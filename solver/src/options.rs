//! What a solve is asked to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::technique::Techniques;

/// Which engine solves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// The default engine of this release.
    #[default]
    Branchcut,
    /// The microlp crate.
    Microlp,
}

/// Set from another thread (a signal handler, a shell) to end a solve early.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Asks the solve to stop.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the solve was asked to stop.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Options of a solve. `Options::default()` proves optimality without limits.
#[derive(Clone, Debug)]
pub struct Options {
    /// The engine.
    pub engine: Engine,
    /// Wall-clock limit, from the call of `solve`; none: no limit.
    pub time_limit: Option<Duration>,
    /// Stop at this work count (see [`crate::Counters::work`]).
    pub work_limit: Option<u64>,
    /// Stop after this many nodes.
    pub node_limit: Option<u64>,
    /// Stop at this relative gap, |objective - bound| / max(|objective|, 1e-10).
    pub gap_relative: f64,
    /// Stop at this absolute gap.
    pub gap_absolute: f64,
    /// Only points strictly better than this are of interest.
    pub cutoff: Option<f64>,
    /// A start point, `start[j]` the value of column j; checked, not trusted.
    pub start: Option<Vec<f64>>,
    /// Seed of every random choice.
    pub seed: u64,
    /// Threads to use.
    pub threads: usize,
    /// Techniques of the own engine that are on.
    pub techniques: Techniques,
    /// A known optimal point of the model, for tests: the own engine panics
    /// where a cut, fixing or prune loses it while its objective is still
    /// better than the incumbent's. Only sound with
    /// [`crate::Technique::DualReductions`], `Symmetry` and `Dominated` off.
    pub debug_solution: Option<Vec<f64>>,
    /// Ends the solve early.
    pub stop: StopFlag,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            engine: Engine::default(),
            time_limit: None,
            work_limit: None,
            node_limit: None,
            gap_relative: 0.0,
            gap_absolute: 0.0,
            cutoff: None,
            start: None,
            seed: 0,
            threads: 1,
            techniques: Techniques::default(),
            debug_solution: None,
            stop: StopFlag::default(),
        }
    }
}
