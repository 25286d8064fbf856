//! Relaxation-enforced neighbourhood: the points that round the relaxation.
//!
//! Integer columns that are integral in the relaxation are fixed there, the
//! others may take the two nearest integers. The sub-MIP finds the best
//! rounding of the relaxation, where it ends within its limits.
//!
//! Source: T. Berthold 2014, "RENS, the optimal rounding".

use super::Context;
use super::neighbourhood::search;
use crate::tol;
use crate::work::Budget;

/// Share of the integer columns to be fixed at least.
const FIXED: f64 = 0.5;

/// Searches around the context's relaxation.
pub(super) fn run(context: &mut Context<'_>, ticks: u64, budget: &mut Budget) -> Option<Vec<f64>> {
    let x = context.lp.x().to_vec();
    if x.len() != context.mip.columns() {
        return None;
    }
    let range = |j: usize| {
        let nearest = x[j].round();
        Some(if (x[j] - nearest).abs() <= tol::INTEGRALITY {
            (nearest, nearest)
        } else {
            (x[j].floor(), x[j].ceil())
        })
    };
    search(context, FIXED, range, ticks, budget)
}
