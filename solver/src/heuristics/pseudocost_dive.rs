//! Dive on pseudocosts: a column goes where the objective is expected to rise
//! less; first those for which that is clearest.
//!
//! Source: T. Achterberg 2007, section 9.2.4.

use super::Context;
use super::dive::{Choice, dive};
use super::support::Locks;
use crate::branching::Side;
use crate::work::Budget;

/// Parts below and above which the nearer integer is taken without asking.
const CLEAR: [f64; 2] = [0.3, 0.7];

/// Dives from the context's relaxation.
pub(super) fn run(context: &mut Context<'_>, ticks: u64, budget: &mut Budget) -> Option<Vec<f64>> {
    dive(context, &mut choose, ticks, budget)
}

fn choose(context: &Context<'_>, column: usize, value: f64) -> Choice {
    let locks = Locks::of(context.mip, column);
    let part = value - value.floor();
    let down = context.pseudocosts.unit_gain(column, Side::Down);
    let up = context.pseudocosts.unit_gain(column, Side::Up);
    let is_up = if part < CLEAR[0] {
        false
    } else if part > CLEAR[1] {
        true
    } else {
        up < down
    };
    let ratio = if is_up {
        part.sqrt() * (1.0 + down) / (1.0 + up)
    } else {
        (1.0 - part).sqrt() * (1.0 + up) / (1.0 + down)
    };
    Choice {
        column,
        value,
        is_up,
        rank: (u8::from(locks.down == 0 || locks.up == 0), -ratio),
    }
}
