//! Dive towards the incumbent: the column nearest to its value there goes
//! towards it.
//!
//! Source: E. Danna, E. Rothberg, C. Le Pape 2005, "Exploring relaxation
//! induced neighborhoods to improve MIP solutions".

use super::Context;
use super::dive::{Choice, dive};
use crate::work::Budget;

/// Dives from the context's relaxation; needs an incumbent.
pub(super) fn run(context: &mut Context<'_>, ticks: u64, budget: &mut Budget) -> Option<Vec<f64>> {
    let incumbent = context.incumbent?.0.to_vec();
    let mut choose = |_: &Context<'_>, column: usize, value: f64| {
        let is_up = value < incumbent[column];
        let part = value - value.floor();
        Choice {
            column,
            value,
            is_up,
            rank: (0, if is_up { 1.0 - part } else { part }),
        }
    };
    dive(context, &mut choose, ticks, budget)
}
