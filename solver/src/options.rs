//! What a solve is asked to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::basis::Basis;
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

impl From<Arc<AtomicBool>> for StopFlag {
    /// A flag that something else, such as a signal handler, raises.
    fn from(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }
}

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

/// Options of a solve. `Options::default()` proves optimality without limits;
/// the rest is set by name:
///
/// ```
/// use std::time::Duration;
/// use branchcut::{Options, Technique, Techniques};
///
/// let options = Options::default()
///     .with_time_limit(Duration::from_millis(100))
///     .with_gap_relative(1e-4)
///     .with_techniques(Techniques::default().without(Technique::Gomory));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The engine.
    pub engine: Engine,
    /// Wall-clock limit, from the call of `solve`; none: no limit.
    pub time_limit: Option<Duration>,
    /// Stop at this work count (see [`crate::Counters::work`]).
    pub work_limit: Option<u64>,
    /// Stop after this many nodes.
    pub node_limit: Option<u64>,
    /// Stop after this many simplex iterations.
    pub lp_iteration_limit: Option<u64>,
    /// Stop once the process holds this many bytes of memory (its resident
    /// set, of which the model, the search and the caller's own data are
    /// parts). Looked at every few milliseconds, so a little more may be held
    /// for a moment. Without effect where the kernel does not tell.
    pub memory_limit: Option<u64>,
    /// Stop at this relative gap, |objective - bound| / max(|objective|, 1e-10).
    pub gap_relative: f64,
    /// Stop at this absolute gap.
    pub gap_absolute: f64,
    /// Only points strictly better than this are of interest.
    pub cutoff: Option<f64>,
    /// A start point, `start[j]` the value of column j; checked, not trusted.
    pub start: Option<Vec<f64>>,
    /// A basis for the first root relaxation to start from, such as
    /// [`crate::Outcome::basis`] of a model like this one. One for another number
    /// of columns or rows is refused ([`crate::LogEvent::BasisRefused`]); one with
    /// too few or too many basic, or a singular one, is repaired. The own
    /// engine's alone.
    pub basis: Option<Basis>,
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
            lp_iteration_limit: None,
            memory_limit: None,
            gap_relative: 0.0,
            gap_absolute: 0.0,
            cutoff: None,
            start: None,
            basis: None,
            seed: 0,
            threads: 1,
            techniques: Techniques::default(),
            debug_solution: None,
            stop: StopFlag::default(),
        }
    }
}

impl Options {
    /// Solves with `engine`. See [`Options::engine`].
    #[must_use]
    pub fn with_engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Stops after `limit` of wall-clock time. See [`Options::time_limit`].
    #[must_use]
    pub fn with_time_limit(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.time_limit = limit.into();
        self
    }

    /// Stops at this work count. See [`Options::work_limit`].
    #[must_use]
    pub fn with_work_limit(mut self, limit: impl Into<Option<u64>>) -> Self {
        self.work_limit = limit.into();
        self
    }

    /// Stops after `limit` nodes. See [`Options::node_limit`].
    #[must_use]
    pub fn with_node_limit(mut self, limit: impl Into<Option<u64>>) -> Self {
        self.node_limit = limit.into();
        self
    }

    /// Stops after `limit` simplex iterations. See [`Options::lp_iteration_limit`].
    #[must_use]
    pub fn with_lp_iteration_limit(mut self, limit: impl Into<Option<u64>>) -> Self {
        self.lp_iteration_limit = limit.into();
        self
    }

    /// Stops once the process holds `bytes`. See [`Options::memory_limit`].
    #[must_use]
    pub fn with_memory_limit(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.memory_limit = bytes.into();
        self
    }

    /// Stops at this relative gap. See [`Options::gap_relative`].
    #[must_use]
    pub fn with_gap_relative(mut self, gap: f64) -> Self {
        self.gap_relative = gap;
        self
    }

    /// Stops at this absolute gap. See [`Options::gap_absolute`].
    #[must_use]
    pub fn with_gap_absolute(mut self, gap: f64) -> Self {
        self.gap_absolute = gap;
        self
    }

    /// Looks only for points strictly better than `cutoff`. See [`Options::cutoff`].
    #[must_use]
    pub fn with_cutoff(mut self, cutoff: impl Into<Option<f64>>) -> Self {
        self.cutoff = cutoff.into();
        self
    }

    /// Starts from this point, if it is feasible. See [`Options::start`].
    #[must_use]
    pub fn with_start(mut self, start: impl Into<Option<Vec<f64>>>) -> Self {
        self.start = start.into();
        self
    }

    /// Starts the first root relaxation from this basis. See [`Options::basis`].
    #[must_use]
    pub fn with_basis(mut self, basis: impl Into<Option<Basis>>) -> Self {
        self.basis = basis.into();
        self
    }

    /// Seeds every random choice. See [`Options::seed`].
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Uses this many threads. See [`Options::threads`].
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Uses these techniques alone. See [`Options::techniques`].
    #[must_use]
    pub fn with_techniques(mut self, techniques: Techniques) -> Self {
        self.techniques = techniques;
        self
    }

    /// Panics where the search loses `point`; for tests. See [`Options::debug_solution`].
    #[must_use]
    pub fn with_debug_solution(mut self, point: impl Into<Option<Vec<f64>>>) -> Self {
        self.debug_solution = point.into();
        self
    }

    /// Ends when `stop` is raised. See [`Options::stop`].
    #[must_use]
    pub fn with_stop(mut self, stop: StopFlag) -> Self {
        self.stop = stop;
        self
    }
}
