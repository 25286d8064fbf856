//! Crossover: what good points share.
//!
//! Integer columns on which the incumbent and another good point agree are
//! fixed there; the sub-MIP looks for the best child of both. Good points that
//! were found in different ways share what matters, and differ where there is
//! still something to gain. Which of the earlier incumbents is the other parent
//! changes from run to run with the seed.
//!
//! Source: E. Rothberg 2007, "An evolutionary algorithm for polishing mixed
//! integer programming solutions"; T. Berthold 2006, "Primal heuristics for
//! mixed integer programs", section 3.3.

use super::Context;
use super::neighbourhood::search;
use crate::splitmix::mix;
use crate::work::Budget;

/// Share of the integer columns to be fixed at least.
const FIXED: f64 = 0.5;

/// Searches what the context's incumbent and an earlier one leave open.
pub(super) fn run(context: &mut Context<'_>, ticks: u64, budget: &mut Budget) -> Option<Vec<f64>> {
    let incumbent = context.incumbent?.0;
    let earlier = context.earlier;
    let choice = mix(context.seed).checked_rem(earlier.len() as u64)?;
    let other = earlier.iter().zip(0..).find(|&(_, k)| k == choice)?.0;
    let range = |j: usize| {
        let value = incumbent[j].round();
        ((other[j] - value).abs() < 0.5).then_some((value, value))
    };
    search(context, FIXED, range, ticks, budget)
}
