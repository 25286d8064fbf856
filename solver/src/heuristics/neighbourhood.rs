//! A part of the problem around a point, solved as a sub-MIP.
//!
//! Columns are fixed, or their bounds narrowed, in a copy of the problem; local
//! branching adds a row in place of that. Where columns are fixed, the part has to be much smaller than the whole to be worth a search, so at least
//! a given share of the integer columns that have a choice must be fixed. With
//! an incumbent of objective z, only points are of interest that are better by
//! a share of the gap to the relaxation's objective b:
//!
//! ```text
//! cutoff = z - GAIN (z - b)
//! ```

use super::support::accept;
use super::{Context, SubLimits};
use crate::mip::Mip;
use crate::work::Budget;

/// Share of the gap by which a sub-MIP must improve the incumbent.
const GAIN: f64 = 0.01;

/// Nodes of a sub-MIP at most.
const NODES: u64 = 500;

/// Searches the points whose integer column j lies within `range(j)`; at least
/// `share` of those that have a choice must be fixed.
pub(super) fn search(
    context: &mut Context<'_>,
    share: f64,
    range: impl Fn(usize) -> Option<(f64, f64)>,
    ticks: u64,
    budget: &mut Budget,
) -> Option<Vec<f64>> {
    let mip = &**context.mip;
    let mut part = mip.clone();
    let (mut free, mut fixed) = (0_u32, 0_u32);
    for j in 0..mip.columns() {
        if !mip.integer[j] {
            continue;
        }
        let is_open = mip.lower[j] < mip.upper[j];
        if let Some((lower, upper)) = range(j) {
            part.lower[j] = lower.max(mip.lower[j]);
            part.upper[j] = upper.min(mip.upper[j]);
            if part.lower[j] > part.upper[j] {
                return None;
            }
        }
        if is_open {
            free += 1;
            fixed += u32::from(part.lower[j] >= part.upper[j]);
        }
    }
    budget.spend_entries(mip.columns() + mip.by_row.nonzeros());
    if f64::from(fixed) < share * f64::from(free) || fixed == 0 {
        return None;
    }
    explore(context, &part, ticks, budget)
}

/// Searches `part`, the context's problem or a restriction of it.
pub(super) fn explore(
    context: &mut Context<'_>,
    part: &Mip,
    ticks: u64,
    budget: &mut Budget,
) -> Option<Vec<f64>> {
    let mip = &**context.mip;
    let relaxation = context.lp.objective() + mip.offset;
    let mut cutoff = context.cutoff;
    if let Some((_, best)) = context.incumbent {
        let gap = best - relaxation;
        if gap > 0.0 {
            cutoff = cutoff.min(best - GAIN * gap);
        }
    }
    let limits = SubLimits {
        nodes: NODES,
        ticks,
        cutoff,
    };
    let point = (context.sub_mip)(part, limits, budget)?;
    (point.len() == mip.columns())
        .then_some(point)
        .and_then(|point| accept(mip, point, context.cutoff))
}
