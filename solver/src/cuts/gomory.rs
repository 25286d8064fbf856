//! Gomory mixed integer cuts.
//!
//! For an integer variable that is basic at a fraction, its tableau row
//! (`rho = e_p' B^-1` as weights on the rows) is a base inequality whose
//! nonbasic variables all sit at bounds: rounded with divisor 1 it is violated
//! by the fraction. Activities of integral rows count as integer. Positions of
//! the largest fractions first; sparse rows alone. The tableau row also goes
//! through the other cut-generating functions, with variable bounds.
//!
//! The multipliers need not be exact: whatever they are, the base inequality
//! holds, and violation is measured afterwards.
//!
//! Source: R. Gomory 1960; numerics after W. Cook, S. Dash, R. Fukasawa,
//! M. Goycoolea 2009, "Numerically safe Gomory mixed-integer cuts", INFORMS J.
//! Computing 21.

use super::params;
use super::pass::Pass;
use super::row::{Preference, Scratch};
use crate::technique::Technique;

/// Weights below this share of the largest are left out of an aggregation.
const LEAST_WEIGHT: f64 = 1e-10;

/// Largest over least weight of rows in one aggregation.
const WEIGHT_RANGE: f64 = 1e7;

/// A tableau row: weights on the rows.
pub(crate) type Weights = Vec<(usize, f64)>;

/// Drops weights that are round-off; none where they range too widely.
pub(crate) fn tidy(mut weights: Weights) -> Option<Weights> {
    let largest = weights.iter().fold(0.0_f64, |m, (_, w)| m.max(w.abs()));
    weights.retain(|(_, w)| w.abs() > LEAST_WEIGHT * largest);
    let least = weights
        .iter()
        .fold(f64::INFINITY, |m, (_, w)| m.min(w.abs()));
    (!weights.is_empty() && largest <= WEIGHT_RANGE * least).then_some(weights)
}

/// Finds cuts of tableau rows.
pub(crate) fn separate(pass: &mut Pass<'_, '_>, rows: &[Weights]) {
    let frame = pass.frame;
    let mut scratch = Scratch::default();
    scratch.resize(frame.variables());
    for weights in rows {
        if pass.is_spent() {
            return;
        }
        for &(i, w) in weights {
            frame.add_row(i, w, &mut scratch);
        }
        let terms = scratch.take();
        pass.budget.spend_entries(4 * terms.len());
        let largest = terms.iter().fold(0.0_f64, |m, (_, a)| m.max(a.abs()));
        if largest > params::LARGEST_BOUND {
            continue;
        }
        pass.round_base(&terms, Technique::Gomory);
        pass.separate_base(&terms, Preference::Closest, Technique::Gomory);
    }
}
