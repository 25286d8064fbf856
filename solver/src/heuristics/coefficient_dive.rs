//! Dive on locks: the column that a rounding breaks the fewest rows by goes
//! that way.
//!
//! Source: T. Achterberg 2007, section 9.2.1.

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
    let against = locks.against(part);
    let safer = locks.up < locks.down || (locks.up == locks.down && part > 0.5);
    let is_up = against.unwrap_or(safer);
    let distance = if is_up { 1.0 - part } else { part };
    // None where a rounding breaks nothing.
    #[expect(clippy::cast_precision_loss, reason = "a rank")]
    let fewest = locks.down.min(locks.up) as f64;
    Choice {
        column,
        value,
        is_up,
        // Locks first: a distance is below 1.
        rank: (u8::from(against.is_some()), fewest + distance),
    }
}
