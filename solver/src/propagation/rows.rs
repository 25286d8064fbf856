//! Propagation of one row by its activity bounds.
//!
//! For row i, with the minimal activity
//!
//! ```text
//! min_i = sum_{a_ij > 0} a_ij l_j + sum_{a_ij < 0} a_ij u_j
//! ```
//!
//! and max_i accordingly, the side sum_j a_ij x_j <= U_i gives for each column
//!
//! ```text
//! a_ij > 0:  x_j <= l_j + (U_i - min_i) / a_ij
//! a_ij < 0:  x_j >= u_j + (U_i - min_i) / a_ij
//! ```
//!
//! and a contradiction where min_i > U_i. Infinite terms are counted, not
//! summed: with one of them only its own column can be tightened. The
//! incremental sums decide whether a row is worth a look; what is claimed
//! comes from a fresh sum, with its round-off added.
//!
//! Integer bounds are rounded. A continuous bound is moved only where that is
//! a good part of the range ([`WORTH`]), and not to values so large that the
//! bound would mean nothing ([`LARGE`]).

use crate::propagation::domain::{Domain, Reason};
use crate::sparse::{Index, index};
use crate::tol;

/// Least share of its range by which a continuous bound is moved; smaller
/// steps make chains of tiny changes.
const WORTH: f64 = 0.1;

/// The same for integer columns of a range above [`WIDE`]: two of them that
/// push each other along would take a visit for each unit.
const WORTH_INTEGER: f64 = 0.05;
const WIDE: f64 = 64.0;

/// Least absolute step of a continuous bound.
const STEP: f64 = 1e-4;

/// Continuous bounds of larger magnitude are not taken from rows.
const LARGE: f64 = 1e8;

/// Integer bounds of larger magnitude are not taken from rows: beyond, a
/// rounded value is no longer certain.
const LARGE_INTEGER: f64 = 1e13;

/// Bounds of a row's activity: finite part and number of infinite terms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Activity {
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) min_infinite: u32,
    pub(super) max_infinite: u32,
}

impl Activity {
    /// A bound of a column with coefficient `a` moves from `old` to `new`.
    #[inline]
    pub(super) fn shift(&mut self, a: f64, is_upper: bool, old: f64, new: f64) {
        let (sum, infinite) = if (a > 0.0) == is_upper {
            (&mut self.max, &mut self.max_infinite)
        } else {
            (&mut self.min, &mut self.min_infinite)
        };
        match (old.is_finite(), new.is_finite()) {
            (true, true) => *sum += a * (new - old),
            (false, true) => {
                *sum += a * new;
                *infinite -= 1;
            }
            (true, false) => {
                *sum -= a * old;
                *infinite += 1;
            }
            (false, false) => {}
        }
    }
}

impl Domain {
    /// Coefficients of row `i`, the objective for i = number of rows.
    pub(super) fn terms(&self, i: usize) -> (&[Index], &[f64]) {
        if i == self.mip.rows() {
            (&self.cost_indices, &self.cost_values)
        } else {
            self.mip.by_row.get(i)
        }
    }

    /// Sides of row `i`, of the objective for i = number of rows.
    pub(super) fn sides(&self, i: usize) -> (f64, f64) {
        if i == self.mip.rows() {
            (f64::NEG_INFINITY, self.cutoff)
        } else {
            (self.mip.row_lower[i], self.mip.row_upper[i])
        }
    }

    /// Activity of row `i` summed anew, and the largest |a_j| (u_j - l_j).
    pub(super) fn activity_from_scratch(&self, i: usize) -> (Activity, f64) {
        let mut activity = Activity::default();
        let mut reach = 0.0_f64;
        let (columns, values) = self.terms(i);
        for (&j, &a) in columns.iter().zip(values) {
            let (l, u) = (self.lower[j as usize], self.upper[j as usize]);
            let (low, high) = if a > 0.0 { (l, u) } else { (u, l) };
            if low.is_finite() {
                activity.min += a * low;
            } else {
                activity.min_infinite += 1;
            }
            if high.is_finite() {
                activity.max += a * high;
            } else {
                activity.max_infinite += 1;
            }
            reach = reach.max(a.abs() * (u - l));
        }
        (activity, reach)
    }

    /// Whether row `i` may give something by its upper (lower) side.
    #[inline]
    pub(super) fn may_propagate(&self, i: usize, upper_side: bool) -> bool {
        let (lower, upper) = self.sides(i);
        let activity = &self.activity[i];
        if upper_side {
            upper.is_finite()
                && activity.min_infinite <= 1
                && (activity.min_infinite == 1 || upper - activity.min < self.reach[i])
        } else {
            lower.is_finite()
                && activity.max_infinite <= 1
                && (activity.max_infinite == 1 || activity.max - lower < self.reach[i])
        }
    }

    /// Tightens what row `i` implies; the entries touched. A contradiction is
    /// left in `self.conflict`.
    pub(super) fn propagate_row(&mut self, i: usize) -> usize {
        let mut touched = 0;
        for upper_side in [true, false] {
            if self.conflict.is_none() && self.may_propagate(i, upper_side) {
                touched += 2 * self.terms(i).0.len();
                self.propagate_side(i, upper_side);
            }
        }
        touched + 1
    }

    fn propagate_side(&mut self, i: usize, upper_side: bool) {
        let (lower, upper) = self.sides(i);
        // The side as  sum_j sign a_j x_j <= side.
        let (sign, side) = if upper_side {
            (1.0, upper)
        } else {
            (-1.0, -lower)
        };
        let (mut min, mut infinite, mut magnitude) = (0.0, 0_u32, side.abs());
        let (columns, values) = self.terms(i);
        for (&j, &a) in columns.iter().zip(values) {
            let j = j as usize;
            let a = sign * a;
            let at = if a > 0.0 {
                self.lower[j]
            } else {
                self.upper[j]
            };
            if at.is_finite() {
                min += a * at;
                magnitude += (a * at).abs();
            } else {
                infinite += 1;
            }
        }
        let round_off = tol::ROUND_OFF * magnitude;
        if infinite == 0 && min > side + tol::FEASIBILITY + round_off {
            self.conflict = Some(Reason::Row(index(i)));
            self.crossed = None;
            return;
        }
        if infinite > 1 {
            return;
        }
        let slack = side - min + round_off;
        let count = columns.len();
        for k in 0..count {
            let (columns, values) = self.terms(i);
            let (j, a) = (columns[k] as usize, sign * values[k]);
            let (l, u) = (self.lower[j], self.upper[j]);
            let base = if a > 0.0 { l } else { u };
            let bound = if base.is_finite() {
                if infinite > 0 || slack >= a.abs() * (u - l) {
                    continue;
                }
                base + slack / a
            } else if infinite == 1 {
                slack / a
            } else {
                continue;
            };
            if !self.is_worth(j, a > 0.0, bound) {
                continue;
            }
            if !self.tighten(j, a > 0.0, bound, Reason::Row(index(i))) {
                return;
            }
        }
    }

    /// Whether moving that bound of column `j` to `bound` is worth the work.
    fn is_worth(&self, j: usize, is_upper: bool, bound: f64) -> bool {
        let (l, u) = (self.lower[j], self.upper[j]);
        let old = if is_upper { u } else { l };
        if self.mip.integer[j] {
            let step = if is_upper { old - bound } else { bound - old };
            return bound.abs() <= LARGE_INTEGER
                && (u - l <= WIDE || !old.is_finite() || step > WORTH_INTEGER * (u - l));
        }
        if bound.abs() > LARGE {
            return false;
        }
        if !old.is_finite() {
            return true;
        }
        let step = if is_upper { old - bound } else { bound - old };
        let range = u - l;
        step > STEP * old.abs().max(1.0).min(range.max(STEP))
            && (!range.is_finite() || step > WORTH * range)
    }
}
