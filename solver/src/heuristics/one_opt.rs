//! Shifts of single integers of a feasible point.
//!
//! Each integer column whose cost says so is moved as far as the rows allow,
//! those with the largest gain first, until nothing moves. Where the problem
//! has continuous columns, they are then optimised by the LP.
//!
//! Source: T. Achterberg 2007, section 9.3.1.

use super::Context;
use super::support::{accept, complete, restoring};
use crate::mip::Mip;
use crate::tol;
use crate::work::Budget;

/// Passes over the columns at most.
const PASSES: usize = 10;

/// Largest step: beyond it a sum of whole steps is no longer exact.
const LONGEST: f64 = 1e9;

/// Improves the context's incumbent.
pub(super) fn run(context: &mut Context<'_>, _ticks: u64, budget: &mut Budget) -> Option<Vec<f64>> {
    let mip = &**context.mip;
    let mut point = context.incumbent?.0.to_vec();
    let has_moved = improve(mip, &mut point, budget);
    let is_mixed = mip.integers() < mip.columns();
    if !has_moved {
        return None;
    }
    let moved = accept(mip, point.clone(), context.cutoff);
    if !is_mixed {
        return moved;
    }
    let cutoff = moved
        .as_ref()
        .map_or(context.cutoff, |point| mip.objective(point));
    let better = restoring(context, budget, |context, budget| {
        let limit = 100 + context.lp.rows() as u64;
        complete(context.mip, context.lp, &point, cutoff, limit, budget)
    });
    better.or(moved)
}

/// Moves single integers of `x`, a feasible point, as long as that improves it;
/// whether any moved.
pub(super) fn improve(mip: &Mip, x: &mut [f64], budget: &mut Budget) -> bool {
    let mut activity: Vec<f64> = (0..mip.rows()).map(|i| mip.activity(i, x)).collect();
    budget.spend_entries(mip.by_row.nonzeros());
    let mut order: Vec<usize> = (0..mip.columns())
        .filter(|&j| mip.integer[j] && mip.cost[j] != 0.0)
        .collect();
    order.sort_by(|&a, &b| (mip.cost[b].abs().total_cmp(&mip.cost[a].abs())).then(a.cmp(&b)));
    let mut has_moved = false;
    for _ in 0..PASSES {
        let mut moved = false;
        for &j in &order {
            if budget.is_over() {
                return false;
            }
            budget.spend_entries(1 + mip.by_column.count(j));
            let step = step(mip, j, x[j], &activity);
            if step == 0.0 {
                continue;
            }
            x[j] += step;
            for (i, a) in mip.by_column.iter(j) {
                activity[i] += a * step;
            }
            moved = true;
        }
        has_moved |= moved;
        if !moved {
            break;
        }
    }
    has_moved
}

/// The longest whole step of column `j` that improves the objective and breaks
/// nothing.
fn step(mip: &Mip, j: usize, value: f64, activity: &[f64]) -> f64 {
    let direction = if mip.cost[j] > 0.0 { -1.0 } else { 1.0 };
    let mut room = if direction > 0.0 {
        mip.upper[j] - value
    } else {
        value - mip.lower[j]
    };
    for (i, a) in mip.by_column.iter(j) {
        if room < 1.0 - tol::INTEGRALITY {
            return 0.0;
        }
        let slope = a * direction;
        let slack = if slope > 0.0 {
            mip.row_upper[i] - activity[i]
        } else {
            activity[i] - mip.row_lower[i]
        };
        room = room.min(slack.max(0.0) / slope.abs());
    }
    let whole = (room + tol::ENGINE_FEASIBILITY).floor();
    if (1.0..=LONGEST).contains(&whole) {
        direction * whole
    } else {
        0.0
    }
}
