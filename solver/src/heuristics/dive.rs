//! The driver of all dives.
//!
//! A dive goes down one path of the tree without leaving nodes behind: it
//! rounds fractional columns of the relaxation one after the other, propagates
//! each rounding, and solves the relaxation again. A [`Rule`] says which
//! column comes first and where it goes; everything else is here:
//!
//! - Between two relaxations up to an eighth of the fractional columns are
//!   rounded, so that a dive takes tens of relaxations, not thousands. Columns
//!   that propagation has moved away from the relaxation's value are skipped.
//! - Where the first rounding after a relaxation contradicts, or the
//!   relaxation after it is infeasible or beyond the cutoff, the roundings since
//!   the last relaxation are taken back and the first one is reversed, once;
//!   if this fails too, the dive ends.
//! - An integral relaxation ends it: the integers are fixed at the rounded
//!   values and, if rounding broke a row, the rest is solved again.
//! - Each relaxation is also rounded by locks (`rounding.rs`).
//!
//! Source: T. Achterberg 2007, "Constraint Integer Programming", section 9.2.

use super::support::{accept, complete, fractional, restoring, rounded, sync};
use super::{Context, rounding};
use crate::lp::{LpLimits, LpStatus};
use crate::work::Budget;

/// Fractional columns rounded between two relaxations: one, and one for each
/// of so many.
const SHARE: usize = 8;

/// Relaxations of a dive at most.
const RELAXATIONS: usize = 400;

/// A column to round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Choice {
    pub(super) column: usize,
    /// Its value in the relaxation.
    pub(super) value: f64,
    pub(super) is_up: bool,
    /// Smaller comes first; ties go to the smaller column.
    pub(super) rank: (u8, f64),
}

/// Ranks the fractional columns.
pub(super) type Rule<'r> = dyn FnMut(&Context<'_>, usize, f64) -> Choice + 'r;

/// Dives from the context's relaxation.
pub(super) fn dive(
    context: &mut Context<'_>,
    rule: &mut Rule<'_>,
    ticks: u64,
    budget: &mut Budget,
) -> Option<Vec<f64>> {
    if context.lp.x().len() != context.mip.columns() {
        return None;
    }
    let end = budget.ticks().saturating_add(ticks);
    restoring(context, budget, |context, budget| {
        down(context, rule, end, budget)
    })
}

fn down(
    context: &mut Context<'_>,
    rule: &mut Rule<'_>,
    end: u64,
    budget: &mut Budget,
) -> Option<Vec<f64>> {
    for _ in 0..RELAXATIONS {
        let mip = &**context.mip;
        let candidates = fractional(mip, context.lp.x());
        budget.spend_entries(mip.columns());
        if candidates.is_empty() {
            return leaf(context, budget);
        }
        if let Some(point) = rounding::by_locks(context, &candidates, budget) {
            return Some(point);
        }
        let mut choices: Vec<Choice> = candidates
            .iter()
            .map(|&(j, value)| rule(context, j, value))
            .collect();
        budget.spend_entries(
            candidates
                .iter()
                .map(|&(j, _)| mip.by_column.count(j))
                .sum(),
        );
        choices.sort_by(|a, b| {
            (a.rank.0.cmp(&b.rank.0))
                .then(a.rank.1.total_cmp(&b.rank.1))
                .then(a.column.cmp(&b.column))
        });
        let first = choices[0];
        let level = context.domain.level();
        let is_down = descend(context, &choices, budget) && relax(context, end, budget)?;
        if is_down {
            continue;
        }
        context.domain.pop_to(level);
        let reversed = Choice {
            is_up: !first.is_up,
            ..first
        };
        if !(round(context, &reversed, budget) && relax(context, end, budget)?) {
            return None;
        }
    }
    None
}

/// Rounds choices in order; false if already the first one contradicts.
fn descend(context: &mut Context<'_>, choices: &[Choice], budget: &mut Budget) -> bool {
    if !round(context, &choices[0], budget) {
        return false;
    }
    let mut left = choices.len() / SHARE;
    for choice in &choices[1..] {
        if left == 0 || budget.is_over() {
            break;
        }
        let (l, u) = (
            context.domain.lower()[choice.column],
            context.domain.upper()[choice.column],
        );
        if choice.value <= l || choice.value >= u {
            continue;
        }
        let level = context.domain.level();
        if !round(context, choice, budget) {
            context.domain.pop_to(level);
            break;
        }
        left -= 1;
    }
    true
}

/// Rounds one column on a level of its own and propagates.
fn round(context: &mut Context<'_>, choice: &Choice, budget: &mut Budget) -> bool {
    let domain = &mut *context.domain;
    domain.push_level();
    let is_kept = if choice.is_up {
        domain.tighten_lower(choice.column, choice.value.ceil())
    } else {
        domain.tighten_upper(choice.column, choice.value.floor())
    };
    is_kept && domain.propagate(budget)
}

/// Solves the relaxation at the domain's bounds: whether something of interest
/// is left, nothing if the dive has to end.
fn relax(context: &mut Context<'_>, end: u64, budget: &mut Budget) -> Option<bool> {
    if budget.ticks() >= end || budget.is_over() {
        return None;
    }
    sync(context);
    let limits = LpLimits {
        iterations: iterations(context),
        cutoff: context.cutoff - context.mip.offset,
        ticks: end.saturating_sub(budget.ticks()),
    };
    match context.lp.solve(&limits, budget) {
        LpStatus::Optimal => Some(true),
        LpStatus::Infeasible | LpStatus::Cutoff => Some(false),
        LpStatus::Unbounded | LpStatus::IterationLimit | LpStatus::Stopped | LpStatus::Trouble => {
            None
        }
    }
}

/// Simplex iterations of one relaxation: far more than a few roundings need.
fn iterations(context: &Context<'_>) -> u64 {
    500 + 2 * (context.lp.rows() + context.lp.columns()) as u64
}

/// The relaxation is integral.
fn leaf(context: &mut Context<'_>, budget: &mut Budget) -> Option<Vec<f64>> {
    let mip = &**context.mip;
    let point = rounded(mip, context.lp.x());
    budget.spend_entries(mip.by_row.nonzeros());
    if let Some(point) = accept(mip, point.clone(), context.cutoff) {
        return Some(point);
    }
    let limit = iterations(context);
    complete(mip, context.lp, &point, context.cutoff, limit, budget)
}
