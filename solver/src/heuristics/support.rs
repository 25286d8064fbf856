//! What heuristics share: locks, fractional columns, completion by the LP.

use super::Context;
use crate::lp::{Lp, LpLimits, LpStatus};
use crate::mip::Mip;
use crate::tol;
use crate::work::Budget;

/// How many rows may break when a column moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Locks {
    pub(super) down: usize,
    pub(super) up: usize,
}

impl Locks {
    /// Of column `j`.
    pub(super) fn of(mip: &Mip, j: usize) -> Self {
        let mut locks = Self::default();
        for (i, a) in mip.by_column.iter(j) {
            let (has_lower, has_upper) =
                (mip.row_lower[i].is_finite(), mip.row_upper[i].is_finite());
            let (rising, falling) = if a > 0.0 {
                (has_upper, has_lower)
            } else {
                (has_lower, has_upper)
            };
            locks.up += usize::from(rising);
            locks.down += usize::from(falling);
        }
        locks
    }

    /// Whether a column that some rounding cannot break goes up by the other
    /// one, to the nearest integer where neither can; none where both can.
    /// Roundings that break nothing are left to the end of a dive.
    pub(super) fn against(self, part: f64) -> Option<bool> {
        match (self.down, self.up) {
            (0, 0) => Some(part > 0.5),
            (0, _) => Some(true),
            (_, 0) => Some(false),
            _ => None,
        }
    }
}

/// Integer columns whose value is not integral, with it.
pub(super) fn fractional(mip: &Mip, x: &[f64]) -> Vec<(usize, f64)> {
    x.iter()
        .enumerate()
        .filter(|&(j, &value)| mip.integer[j] && (value - value.round()).abs() > tol::INTEGRALITY)
        .map(|(j, &value)| (j, value))
        .collect()
}

/// `x` with its integer columns rounded to the nearest integers.
pub(super) fn rounded(mip: &Mip, x: &[f64]) -> Vec<f64> {
    x.iter()
        .zip(&mip.integer)
        .map(|(&value, &integer)| if integer { value.round() } else { value })
        .collect()
}

/// `x`, if it is feasible and better than `cutoff`.
pub(super) fn accept(mip: &Mip, x: Vec<f64>, cutoff: f64) -> Option<Vec<f64>> {
    (mip.objective(&x) < cutoff && mip.is_feasible(&x)).then_some(x)
}

/// The best point with the integers of `point`: fixes them in `lp` and solves
/// for the rest. The LP's bounds and basis are the caller's to restore.
pub(super) fn complete(
    mip: &Mip,
    lp: &mut Lp,
    point: &[f64],
    cutoff: f64,
    iterations: u64,
    budget: &mut Budget,
) -> Option<Vec<f64>> {
    for (j, &value) in point.iter().enumerate() {
        if mip.integer[j] {
            let value = value.round();
            if value < mip.lower[j] || value > mip.upper[j] {
                return None;
            }
            lp.set_col_bounds(j, value, value);
        }
    }
    let limits = LpLimits {
        iterations,
        cutoff: cutoff - mip.offset,
        ..LpLimits::default()
    };
    if lp.solve(&limits, budget) != LpStatus::Optimal {
        return None;
    }
    budget.spend_entries(mip.by_row.nonzeros());
    accept(mip, rounded(mip, lp.x()), cutoff)
}

/// Runs `work` and restores the domain's level and the LP's bounds, basis and
/// answer afterwards.
pub(super) fn restoring<T>(
    context: &mut Context<'_>,
    budget: &mut Budget,
    work: impl FnOnce(&mut Context<'_>, &mut Budget) -> T,
) -> T {
    sync(context);
    let (checkpoint, level) = (context.lp.checkpoint(), context.domain.level());
    budget.spend_entries(context.lp.columns() + context.lp.rows());
    let result = work(context, budget);
    context.domain.pop_to(level);
    sync(context);
    context.lp.rollback(&checkpoint);
    result
}

/// Gives the LP the domain's bounds.
pub(super) fn sync(context: &mut Context<'_>) {
    let lp = &mut *context.lp;
    context
        .domain
        .drain_changed(|j, lower, upper| lp.set_col_bounds(j, lower, upper));
}
