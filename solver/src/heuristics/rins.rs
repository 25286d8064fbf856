//! Relaxation-induced neighbourhood: what incumbent and relaxation share.
//!
//! Integer columns on which both agree are fixed. The incumbent is good at what
//! is feasible, the relaxation at what is cheap; where they differ is where to
//! look for better points.
//!
//! Source: E. Danna, E. Rothberg, C. Le Pape 2005, "Exploring relaxation
//! induced neighborhoods to improve MIP solutions".

use super::Context;
use super::neighbourhood::search;
use crate::tol;
use crate::work::Budget;

/// Share of the integer columns to be fixed at least.
const FIXED: f64 = 0.3;

/// Searches around the context's incumbent and relaxation.
pub(super) fn run(context: &mut Context<'_>, ticks: u64, budget: &mut Budget) -> Option<Vec<f64>> {
    let x = context.lp.x().to_vec();
    let incumbent = context.incumbent?.0.to_vec();
    if x.len() != context.mip.columns() {
        return None;
    }
    let range = |j: usize| {
        let value = incumbent[j].round();
        ((x[j] - value).abs() <= tol::INTEGRALITY).then_some((value, value))
    };
    search(context, FIXED, range, ticks, budget)
}
