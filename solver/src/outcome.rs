//! What a solve returns.

use std::time::Duration;

use crate::basis::Basis;
use crate::technique::Technique;
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
#[non_exhaustive]
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
    /// Nodes that are open: created and not yet solved or cut off.
    pub open: u64,
}

/// Rows, columns, integer columns and nonzeros of a problem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Integer columns, binaries included.
    pub integers: usize,
    /// Nonzero coefficients in the rows.
    pub nonzeros: usize,
}

/// What one technique, or one kind of what it does, came to in a solve. The
/// searches that heuristics start within are not counted.
///
/// | technique | found | used |
/// |-|-|-|
/// | presolve, by kind of reduction | applied | the same |
/// | cuts | cuts found | those put into the relaxation |
/// | heuristics | points found | those that became the incumbent |
/// | propagation, cliques, conflicts | bounds tightened, by what implied them; clauses learned | the same |
/// | reduced costs | bounds tightened | the same |
/// | reliability | children tried | tries that tightened or closed their node |
/// | restarts | columns that were fixed | the same |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// The technique.
    pub technique: Technique,
    /// Which part of it; empty for the technique as such.
    pub kind: &'static str,
    /// How often it ran; 0 where that is not counted apart.
    pub calls: u64,
    /// What came of it.
    pub found: u64,
    /// How much of that had an effect.
    pub used: u64,
    /// Work it took, in ticks (about one nonzero touched each); 0 where it is
    /// not counted apart.
    pub ticks: u64,
}

impl Applied {
    pub(crate) fn none(technique: Technique, kind: &'static str) -> Self {
        Self {
            technique,
            kind,
            calls: 0,
            found: 0,
            used: 0,
            ticks: 0,
        }
    }
}

/// Where a solve is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moment {
    /// Time since the start of the solve.
    pub elapsed: Duration,
    /// Work so far.
    pub counters: Counters,
    /// The dual bound.
    pub bound: Option<f64>,
    /// Objective of the best point.
    pub incumbent: Option<f64>,
}

/// A line of the solve's log.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LogEvent {
    /// The start point was not feasible and is ignored.
    StartRefused {
        /// What the check found.
        reason: String,
    },
    /// The basis to start from is of another number of columns or rows and is
    /// ignored.
    BasisRefused {
        /// What does not fit.
        reason: String,
    },
    /// Presolve is done.
    Presolved {
        /// What is left.
        size: Size,
        /// When.
        at: Moment,
    },
    /// The root relaxation is solved; `at.bound` is what it gave.
    Root {
        /// When.
        at: Moment,
    },
    /// A better point was found; `at.incumbent` is its objective.
    Incumbent {
        /// Its objective.
        objective: f64,
        /// What found it.
        source: &'static str,
        /// When.
        at: Moment,
    },
    /// The dual bound moved.
    Bound {
        /// The bound.
        bound: f64,
        /// When.
        at: Moment,
    },
    /// Nothing new for a while ([`tol::PROGRESS_S`] seconds); handed to the
    /// observer, not kept in [`Outcome::events`].
    Progress {
        /// Now.
        at: Moment,
    },
}

/// The answer of a solve. Values are in the caller's own sense.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
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
    /// The optimal basis of the first root relaxation, before cuts: columns and
    /// rows that presolve removed are unknown. There once that relaxation is a
    /// part of [`Counters::work`]; none where it was not needed (presolve or
    /// propagation settled the model) or has no optimum, and from the microlp engine.
    pub basis: Option<Basis>,
    /// What it cost.
    pub counters: Counters,
    /// What the status alone does not say, for a user to read: which bounds
    /// cross, why the engine gave up.
    pub reason: Option<String>,
    /// What each technique did, as far as it was reported.
    pub applied: Vec<Applied>,
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
            LogEvent::Incumbent { at, .. } => Some(at.elapsed),
            _ => None,
        })
    }

    /// The primal integral, in seconds: the primal gap to `best` integrated
    /// over the time of the solve, where `best` is the optimum if it is known
    /// or else the objective of the best point found. Small is good: a solve
    /// that has the optimum from the start has 0, one that never finds a point
    /// its whole time.
    ///
    /// The primal gap of a point with objective z is 1 before there is one and
    /// where z and `best` differ in sign, 0 where both are 0, and otherwise
    /// |best - z| / max(|best|, |z|) (T. Berthold 2013, "Measuring the impact
    /// of primal heuristics", Operations Research Letters 41).
    #[must_use]
    pub fn primal_integral(&self, best: Option<f64>) -> f64 {
        let total = self.elapsed.as_secs_f64();
        let Some(best) = best.or(self.objective) else {
            return total;
        };
        let mut integral = 0.0;
        let (mut since, mut gap) = (0.0, 1.0);
        for event in &self.events {
            if let LogEvent::Incumbent { objective, at, .. } = event {
                let now = at.elapsed.as_secs_f64().min(total);
                integral += gap * (now - since);
                (since, gap) = (now, primal_gap(best, *objective));
            }
        }
        integral + gap * (total - since)
    }

    /// |objective - bound| / max(|objective|, 1e-10); 0 when equal; none where
    /// one of the two does not exist.
    #[must_use]
    pub fn gap(&self) -> Option<f64> {
        let (objective, bound) = (self.objective?, self.bound?);
        Some(relative_gap(objective, bound))
    }
}

/// Berthold's primal gap, in [0, 1].
fn primal_gap(best: f64, objective: f64) -> f64 {
    let largest = best.abs().max(objective.abs());
    if best * objective < 0.0 {
        1.0
    } else if largest > 0.0 {
        (best - objective).abs() / largest
    } else {
        0.0
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primal_integral_adds_up_steps() {
        let at = |seconds| Moment {
            elapsed: Duration::from_secs(seconds),
            ..Moment::default()
        };
        let incumbent = |objective, seconds| LogEvent::Incumbent {
            objective,
            source: "test",
            at: at(seconds),
        };
        let mut outcome = Outcome {
            status: Status::TimeLimit,
            point: None,
            objective: Some(10.0),
            bound: None,
            basis: None,
            counters: Counters::default(),
            reason: None,
            applied: vec![],
            events: vec![incumbent(-5.0, 1), incumbent(40.0, 3), incumbent(10.0, 7)],
            elapsed: Duration::from_secs(10),
        };
        // 1 s without a point, 2 s of another sign, 4 s at |10 - 40| / 40, then 0.
        let integral = 1.0 + 2.0 + 4.0 * 0.75;
        assert!((outcome.primal_integral(None) - integral).abs() < 1e-12);
        // 8 in place of 10: 3 s of 1, 4 s at 32/40, 3 s at 2/10.
        let integral = 3.0 + 4.0 * 0.8 + 3.0 * 0.2;
        assert!((outcome.primal_integral(Some(8.0)) - integral).abs() < 1e-12);
        outcome.events.clear();
        outcome.objective = None;
        assert!((outcome.primal_integral(None) - 10.0).abs() < 1e-12);
    }
}
