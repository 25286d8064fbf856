//! The binaries of a [`Mixed`] row, complemented so that all weights are
//! positive: what cover cuts are made of.

use super::params;
use super::row::{Mixed, Term, Valid};

/// A binary of the row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) weight: f64,
    /// At the relaxation's solution, complemented where the item is.
    pub(super) value: f64,
    /// Position among the row's integers.
    pub(super) at: usize,
    is_complemented: bool,
}

impl Item {
    /// Gives the item the coefficient `g` in `valid`.
    pub(super) fn put(&self, g: f64, valid: &mut Valid) {
        valid.integers[self.at] = if self.is_complemented {
            valid.rhs -= g;
            -g
        } else {
            g
        };
    }
}

/// The binaries of `mixed`, and the side once they are complemented.
pub(super) fn items(mixed: &Mixed) -> (Vec<Item>, f64) {
    let mut side = mixed.rhs;
    let mut items = Vec::with_capacity(mixed.integers.len());
    for (at, term) in mixed.integers.iter().enumerate() {
        if !term.is_binary() {
            continue;
        }
        let is_complemented = term.coefficient < 0.0;
        let mut value = term.value;
        if is_complemented {
            side -= term.coefficient;
            value = 1.0 - value;
        }
        items.push(Item {
            weight: term.coefficient.abs(),
            value,
            at,
            is_complemented,
        });
    }
    (items, side)
}

/// The other terms of `mixed`: general integers, which count as continuous, and
/// the continuous ones.
pub(super) fn others(mixed: &Mixed) -> impl Iterator<Item = &Term> {
    let integers = mixed.integers.iter().filter(|term| !term.is_binary());
    integers.chain(&mixed.continuous)
}

/// Puts `valid` in the place of `best` if it is violated enough, and more.
pub(super) fn keep_better(mixed: &Mixed, valid: Valid, best: &mut Option<(Valid, f64)>) {
    let efficacy = mixed.efficacy(&valid);
    if efficacy >= params::LEAST_EFFICACY
        && best.as_ref().is_none_or(|(_, known)| efficacy > *known)
    {
        *best = Some((valid, efficacy));
    }
}
