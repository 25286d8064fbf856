//! Dive on fractionality: the column nearest to an integer goes there.
//!
//! Columns that some direction cannot break come last and go the other way,
//! since rounding them is left to the end.
//!
//! Source: T. Achterberg 2007, section 9.2.2.

use super::Context;
use super::dive::{Choice, dive};
use super::support::Locks;
use crate::work::Budget;

/// Dives from the context's relaxation.
pub(super) fn run(context: &mut Context<'_>, ticks: u64, budget: &mut Budget) -> Option<Vec<f64>> {
    dive(context, &mut choose, ticks, budget)
}

fn choose(context: &Context<'_>, column: usize, value: f64) -> Choice {
    let part = value - value.floor();
    let against = Locks::of(context.mip, column).against(part);
    let is_up = against.unwrap_or(part > 0.5);
    Choice {
        column,
        value,
        is_up,
        rank: (
            u8::from(against.is_some()),
            if is_up { 1.0 - part } else { part },
        ),
    }
}
