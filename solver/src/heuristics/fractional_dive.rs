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
    let locks = Locks::of(context.mip, column);
    let part = value - value.floor();
    let (class, is_up) = match (locks.down, locks.up) {
        (0, 0) => (1, part > 0.5),
        (0, _) => (1, true),
        (_, 0) => (1, false),
        _ => (0, part > 0.5),
    };
    Choice {
        column,
        value,
        is_up,
        rank: (class, if is_up { 1.0 - part } else { part }),
    }
}
