//! Local branching: the points at most a few flips away from the incumbent.
//!
//! With the incumbent x' and the binaries B that have a choice, the sub-MIP is
//! the problem with one more row,
//!
//! ```text
//! sum_{j in B: x'_j = 0} x_j + sum_{j in B: x'_j = 1} (1 - x_j) <= RADIUS
//! ```
//!
//! Nothing is fixed: unlike in the other neighbourhoods every binary may
//! change, but few at once. Columns that are no binaries are free.
//!
//! Source: M. Fischetti, A. Lodi 2003, "Local branching".

use super::Context;
use super::neighbourhood::explore;
use crate::sparse::{Index, index};
use crate::work::Budget;

/// Flips: Fischetti and Lodi find 10 to 20 to be effective.
const RADIUS: u32 = 10;

/// Least binaries, in flips, for which the row leaves out most points.
const LEAST_TIMES: u32 = 3;

/// Searches around the context's incumbent.
pub(super) fn run(context: &mut Context<'_>, ticks: u64, budget: &mut Budget) -> Option<Vec<f64>> {
    let mip = &**context.mip;
    let incumbent = context.incumbent?.0;
    let binaries = (0..mip.columns()).filter(|&j| mip.is_binary(j) && mip.lower[j] < mip.upper[j]);
    let mut ones = 0_u32;
    let row: Vec<(Index, f64)> = binaries
        .map(|j| {
            let is_one = incumbent[j] > 0.5;
            ones += u32::from(is_one);
            (index(j), if is_one { -1.0 } else { 1.0 })
        })
        .collect();
    budget.spend_entries(mip.columns());
    if row.len() < (LEAST_TIMES * RADIUS) as usize {
        return None;
    }
    let mut part = mip.clone();
    part.push_row(row, f64::NEG_INFINITY, f64::from(RADIUS) - f64::from(ones));
    part.finish();
    budget.spend_entries(2 * part.by_row.nonzeros());
    explore(context, &part, ticks, budget)
}
