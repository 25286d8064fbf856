//! Reliability branching with strong branching for the unproven.
//!
//! Binary columns with at least [`RELIABLE`] observations in both directions
//! count by their pseudocosts. What a unit of a general integer is worth differs
//! from value to value, so its mean says little: such columns are tried at
//! every node, while [`GENERAL_SHARE`] lasts (bell3a: 13,000 nodes for 26,000;
//! bell5, gesa3 and qnet1 gain likewise). The others are tried, best score first: both children
//! are propagated and their relaxation re-solved within an iteration limit,
//! from the node's basis ([`Lp::checkpoint`]). The search for a better
//! candidate ends after [`LOOKAHEAD`] tries in a row without one, and strong
//! branching as a whole keeps to a share of the ticks that node relaxations
//! take.
//!
//! A child that is infeasible, or cannot be better than the cutoff, tightens
//! the node: its opposite is all that is left.
//!
//! Source: T. Achterberg, T. Koch, A. Martin 2005, "Branching rules revisited",
//! Operations Research Letters 33.

use super::pseudocost::{Pseudocosts, Side};
use crate::lp::{Lp, LpLimits, LpStatus};
use crate::propagation::{Domain, Reason};
use crate::tally::Effort;
use crate::work::Budget;

/// Observations in both directions that make a pseudocost reliable.
const RELIABLE: u32 = 8;

/// Tries in a row without improvement that end the look for a better column.
const LOOKAHEAD: u32 = 8;

/// Most candidates tried at a node.
const MOST_TRIES: usize = 100;

/// Share of the ticks of node relaxations that strong branching may take,
/// besides [`START_RELAXATIONS`] times those of the root relaxation and
/// [`START_TICKS`].
const SHARE: f64 = 0.5;
const START_RELAXATIONS: f64 = 10.0;
const START_TICKS: f64 = 3e6;

/// The same for columns that are not binary.
const GENERAL_SHARE: f64 = 1.0;
const GENERAL_START_TICKS: f64 = 3e7;

/// Iteration limit of one try: so many times the mean of the relaxations solved
/// again so far, within a range. Fewer leave the first pseudocosts, which decide
/// the top of the tree, to chance where the relaxation is degenerate (qiu).
const TIMES: f64 = 6.0;
const ITERATIONS: (u64, u64) = (10, 500);

/// Least relative improvement of a score that counts as one.
const BETTER: f64 = 1e-6;

/// What is looked at: a node whose relaxation is solved.
pub(crate) struct Scope<'a> {
    pub(crate) lp: &'a mut Lp,
    pub(crate) domain: &'a mut Domain,
    pub(crate) pseudocosts: &'a mut Pseudocosts,
    /// Integer columns with fractional values.
    pub(crate) fractional: &'a [(usize, f64)],
    /// Objective of the relaxation, in the LP's terms.
    pub(crate) objective: f64,
    /// From which objective on a child is of no interest, in the LP's terms.
    pub(crate) cutoff: f64,
    /// Mean iterations of a node.
    pub(crate) mean_iterations: f64,
    /// Whether children are propagated.
    pub(crate) propagate: bool,
}

/// What follows from looking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Decision {
    /// Branch on that column at that value; `down` and `up` are expected gains.
    Branch {
        column: usize,
        value: f64,
        down: f64,
        up: f64,
    },
    /// Bounds of the node were tightened: it is to be propagated and solved
    /// again.
    Tightened,
    /// Nothing is left of the node.
    Infeasible,
    /// The budget is over.
    Stopped,
}

/// Effort so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reliability {
    strong_ticks: u64,
    /// Simplex iterations in strong branching.
    pub(crate) iterations: u64,
    /// Since last asked; its ticks too.
    effort: Effort,
}

/// What a try of one child gave.
enum Try {
    Gain(f64),
    /// Solved only in part.
    AtLeast(f64),
    Pruned,
    Nothing,
}

/// The column whose value is farthest from integers; ties to the first.
pub(crate) fn most_fractional(scope: &Scope<'_>) -> Decision {
    let mut best: Option<(f64, usize, f64)> = None;
    for &(j, value) in scope.fractional {
        let distance = (value - value.floor()).min(value.ceil() - value);
        if best.is_none_or(|(most, ..)| distance > most) {
            best = Some((distance, j, value));
        }
    }
    best.map_or(Decision::Infeasible, |(_, column, value)| {
        branch(scope, column, value)
    })
}

fn branch(scope: &Scope<'_>, column: usize, value: f64) -> Decision {
    Decision::Branch {
        column,
        value,
        down: scope.pseudocosts.gain(column, Side::Down, value),
        up: scope.pseudocosts.gain(column, Side::Up, value),
    }
}

impl Reliability {
    /// Chooses among the fractional columns. `relaxation_ticks` are those of
    /// node relaxations so far, `root_ticks` those of the root's.
    pub(crate) fn select(
        &mut self,
        scope: &mut Scope<'_>,
        relaxation_ticks: u64,
        root_ticks: u64,
        budget: &mut Budget,
    ) -> Decision {
        budget.spend_entries(4 * scope.fractional.len());
        #[expect(clippy::cast_precision_loss, reason = "an effort limit")]
        let allowed =
            SHARE * relaxation_ticks as f64 + START_RELAXATIONS * root_ticks as f64 + START_TICKS;
        #[expect(clippy::cast_precision_loss, reason = "an effort limit")]
        let used = self.strong_ticks as f64;
        // Less is demanded of pseudocosts as the allowance is used up.
        let reliable = if used >= allowed {
            0
        } else if used > 0.5 * allowed {
            RELIABLE / 2
        } else {
            RELIABLE
        };
        #[expect(clippy::cast_precision_loss, reason = "an effort limit")]
        let allowed_general = GENERAL_SHARE * relaxation_ticks as f64 + GENERAL_START_TICKS;
        let reliable_general = if used >= allowed_general {
            reliable
        } else {
            u32::MAX
        };
        let mut best: Option<(f64, Decision)> = None;
        let mut unproven: Vec<(f64, usize, f64)> = Vec::new();
        for &(j, value) in scope.fractional {
            let score = scope.pseudocosts.score(j, value);
            let range = scope.domain.root_upper()[j] - scope.domain.root_lower()[j];
            let enough = if range > 1.0 {
                reliable_general
            } else {
                reliable
            };
            if scope.pseudocosts.reliability(j) >= enough {
                if best.is_none_or(|(most, _)| score > most) {
                    best = Some((score, branch(scope, j, value)));
                }
            } else {
                unproven.push((score, j, value));
            }
        }
        if unproven.is_empty() {
            return best.map_or(Decision::Infeasible, |(_, decision)| decision);
        }
        unproven.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        unproven.truncate(MOST_TRIES);
        let before = budget.ticks();
        let decision = self.try_unproven(scope, best, &unproven, budget);
        let ticks = budget.ticks() - before;
        self.strong_ticks += ticks;
        self.effort.calls += 1;
        self.effort.ticks += ticks;
        self.effort.used += u64::from(matches!(
            decision,
            Decision::Tightened | Decision::Infeasible
        ));
        decision
    }

    /// What strong branching did since last asked.
    pub(crate) fn take_effort(&mut self) -> Effort {
        std::mem::take(&mut self.effort)
    }

    fn try_unproven(
        &mut self,
        scope: &mut Scope<'_>,
        mut best: Option<(f64, Decision)>,
        unproven: &[(f64, usize, f64)],
        budget: &mut Budget,
    ) -> Decision {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small and positive"
        )]
        let iterations = ((TIMES * scope.mean_iterations) as u64).clamp(ITERATIONS.0, ITERATIONS.1);
        let checkpoint = scope.lp.checkpoint();
        let mut failures = 0;
        for &(_, j, value) in unproven {
            let mut gains = [0.0; 2];
            let mut pruned = [false; 2];
            for (slot, side) in [Side::Down, Side::Up].into_iter().enumerate() {
                let before = scope.lp.iterations();
                self.effort.found += 1;
                let outcome = try_child(scope, j, value, side, iterations, budget);
                self.iterations += scope.lp.iterations().saturating_sub(before);
                scope.lp.rollback(&checkpoint);
                if budget.is_over() {
                    return Decision::Stopped;
                }
                let distance = match side {
                    Side::Down => value - value.floor(),
                    Side::Up => value.ceil() - value,
                };
                let expected = scope.pseudocosts.gain(j, side, value);
                match outcome {
                    Try::Gain(gain) => {
                        scope.pseudocosts.observe(j, side, distance, gain);
                        gains[slot] = gain;
                    }
                    Try::AtLeast(gain) => gains[slot] = gain.max(expected),
                    Try::Pruned => pruned[slot] = true,
                    Try::Nothing => gains[slot] = expected,
                }
                scope.pseudocosts.observe_child(j, side, pruned[slot]);
            }
            match pruned {
                [true, true] => return Decision::Infeasible,
                [true, false] => {
                    scope.domain.tighten(j, false, value.ceil(), Reason::Other);
                    return Decision::Tightened;
                }
                [false, true] => {
                    scope.domain.tighten(j, true, value.floor(), Reason::Other);
                    return Decision::Tightened;
                }
                [false, false] => {}
            }
            let [down, up] = gains;
            let score = scope.pseudocosts.score_of(j, down, up);
            if best.is_none_or(|(most, _)| score > most * (1.0 + BETTER)) {
                let decision = Decision::Branch {
                    column: j,
                    value,
                    down,
                    up,
                };
                best = Some((score, decision));
                failures = 0;
            } else {
                failures += 1;
                if failures >= LOOKAHEAD {
                    break;
                }
            }
        }
        best.map_or(Decision::Infeasible, |(_, decision)| decision)
    }
}

/// Solves one child. The domain is as before afterwards; the LP is left for
/// the caller to roll back.
fn try_child(
    scope: &mut Scope<'_>,
    j: usize,
    value: f64,
    side: Side,
    iterations: u64,
    budget: &mut Budget,
) -> Try {
    scope.domain.push_level();
    let start = scope.domain.trail().len();
    let mut alive = match side {
        Side::Down => scope.domain.tighten_upper(j, value.floor()),
        Side::Up => scope.domain.tighten_lower(j, value.ceil()),
    };
    if scope.propagate {
        alive = alive && scope.domain.propagate(budget);
        let inferences = scope.domain.trail().len().saturating_sub(start + 1);
        scope.pseudocosts.observe_inferences(j, side, inferences);
    }
    let outcome = if alive {
        let lp = &mut *scope.lp;
        scope
            .domain
            .drain_changed(|j, l, u| lp.set_col_bounds(j, l, u));
        let limits = LpLimits {
            iterations,
            cutoff: scope.cutoff,
            ..LpLimits::default()
        };
        let status = scope.lp.solve(&limits, budget);
        let gain = || (scope.lp.objective() - scope.objective).max(0.0);
        match status {
            LpStatus::Optimal => {
                if scope.cutoff.is_finite()
                    && scope.lp.objective() >= scope.cutoff
                    && bound(scope) >= scope.cutoff
                {
                    Try::Pruned
                } else {
                    Try::Gain(gain())
                }
            }
            LpStatus::Infeasible => Try::Pruned,
            LpStatus::Cutoff if bound(scope) >= scope.cutoff => Try::Pruned,
            LpStatus::Cutoff => Try::AtLeast((scope.cutoff - scope.objective).max(0.0)),
            LpStatus::IterationLimit => Try::AtLeast(gain()),
            LpStatus::Unbounded | LpStatus::Stopped | LpStatus::Trouble => Try::Nothing,
        }
    } else {
        Try::Pruned
    };
    scope.domain.pop_level();
    scope.domain.drain_changed(|_, _, _| {});
    outcome
}

/// What the LP proves.
fn bound(scope: &Scope<'_>) -> f64 {
    scope
        .lp
        .safe_bound(scope.domain.lower(), scope.domain.upper())
}
