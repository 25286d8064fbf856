//! What a solve returns.

use std::time::Duration;

use crate::tol;

/// Why a solve ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Proved within min(gap_relative, 1e-6).
    Optimal,
    /// A looser `gap_relative` or `gap_absolute` ended the search.
    GapReached,
    /// Wall clock or work limit.
    TimeLimit,
    /// Node limit.
    NodeLimit,
    /// LP-iteration limit.
    IterationLimit,
    /// Memory limit.
    MemoryLimit,
    /// The stop flag was raised.
    Interrupted,
    /// No feasible point (better than the cutoff, where one was given).
    Infeasible,
    /// The objective has no bound.
    Unbounded,
    /// One of the two.
    InfeasibleOrUnbounded,
    /// The engine gave up; no claim is made.
    NumericalTrouble,
}

impl Status {
    /// The status as the command line and its JSON spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Optimal => "optimal",
            Self::GapReached => "gap_reached",
            Self::TimeLimit => "time_limit",
            Self::NodeLimit => "node_limit",
            Self::IterationLimit => "iteration_limit",
            Self::MemoryLimit => "memory_limit",
            Self::Interrupted => "interrupted",
            Self::Infeasible => "infeasible",
            Self::Unbounded => "unbounded",
            Self::InfeasibleOrUnbounded => "infeasible_or_unbounded",
            Self::NumericalTrouble => "numerical_trouble",
        }
    }
}

/// What a solve cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Deterministic measure of work: the same input, start, seed and work
    /// limit stop at the same place with the same answer, whatever the clock
    /// did. 0: nothing but what is known without an engine (start point,
    /// trivial bound, crossed bounds); 1: the root relaxation too; then one
    /// for each further node.
    pub work: u64,
    /// Branch-and-bound nodes, the root included.
    pub nodes: u64,
    /// Simplex iterations, those of the engine's own verified work; 0 where
    /// the engine ended in an error that does not tell.
    pub lp_iterations: u64,
}

/// A line of the solve's log.
#[derive(Clone, Debug, PartialEq)]
pub enum LogEvent {
    /// A better point was found.
    Incumbent {
        /// Its objective.
        objective: f64,
        /// What found it.
        source: &'static str,
        /// Nodes so far.
        nodes: u64,
        /// Time since the start of the solve.
        elapsed: Duration,
    },
    /// The start point was not feasible and is ignored.
    StartRefused {
        /// What the check found.
        reason: String,
    },
    /// The dual bound moved.
    Bound {
        /// The bound.
        bound: f64,
        /// Nodes so far.
        nodes: u64,
        /// Time since the start of the solve.
        elapsed: Duration,
    },
}

/// The answer of a solve. Values are in the caller's own sense.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Why it ended.
    pub status: Status,
    /// The best point found (`point[j]`: value of column j), feasible for the
    /// caller's own rows and bounds.
    pub point: Option<Vec<f64>>,
    /// Its objective.
    pub objective: Option<f64>,
    /// A valid bound on every point's objective.
    pub bound: Option<f64>,
    /// What it cost.
    pub counters: Counters,
    /// What the status alone does not say, for a user to read: which bounds
    /// cross, why the engine gave up.
    pub reason: Option<String>,
    /// What happened, in order.
    pub events: Vec<LogEvent>,
    /// Time from the call to the return.
    pub elapsed: Duration,
}

impl Outcome {
    /// Time from the call to the first feasible point; none without one.
    #[must_use]
    pub fn first_incumbent(&self) -> Option<Duration> {
        self.events.iter().find_map(|event| match event {
            LogEvent::Incumbent { elapsed, .. } => Some(*elapsed),
            _ => None,
        })
    }

    /// |objective - bound| / max(|objective|, 1e-10); 0 when equal; none where
    /// one of the two does not exist.
    #[must_use]
    pub fn gap(&self) -> Option<f64> {
        let (objective, bound) = (self.objective?, self.bound?);
        Some(relative_gap(objective, bound))
    }
}

/// |objective - bound| / max(|objective|, 1e-10); 0 when equal.
pub(crate) fn relative_gap(objective: f64, bound: f64) -> f64 {
    let distance = (objective - bound).abs();
    if distance > 0.0 {
        distance / objective.abs().max(tol::GAP_DENOMINATOR)
    } else {
        0.0
    }
}
