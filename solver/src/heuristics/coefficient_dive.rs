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
    let (class, is_up) = match (locks.down, locks.up) {
        (0, 0) => (1, part > 0.5),
        (0, _) => (1, true),
        (_, 0) => (1, false),
        (down, up) => (0, up < down || (up == down && part > 0.5)),
    };
    let distance = if is_up { 1.0 - part } else { part };
    #[expect(clippy::cast_precision_loss, reason = "a rank")]
    let locks = if class == 0 {
        locks.down.min(locks.up) as f64
    } else {
        0.0
    };
    Choice {
        column,
        value,
        is_up,
        // Locks first: a distance is below 1.
        rank: (class, locks + distance),
    }
}
