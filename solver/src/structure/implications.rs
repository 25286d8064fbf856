//! Variable bounds: bounds of a column that depend on a binary.
//!
//! ```text
//! x_j <= a z + b     or     x_j >= a z + b,     z binary
//! ```
//!
//! They come from rows with one unfixed binary z: for `sum_k a_k x_k + d z <= u`
//! and a column j with a_j > 0, with every other column at the end that makes
//! its term least (sum m),
//!
//! ```text
//! x_j <= (u - m) / a_j - (d / a_j) z
//! ```
//!
//! and likewise for the other signs. Rows of two columns are the special case
//! m = 0. A bound is kept if for z = 0 or z = 1 it is tighter than the column's
//! own, and tilted so that for the other value it is the column's own: with a
//! large coefficient of z (a "big M") the row's own bound is slack wherever z is
//! fractional, the tilted one is a cut. Rows of two binaries give one for each.
//!
//! Source: M. Savelsbergh 1994, "Preprocessing and probing techniques for mixed
//! integer programming problems", section 2.3 (implications); H. Marchand, L.
//! Wolsey 2001 (their use in aggregation).

use crate::mip::Mip;
use crate::sparse::{Index, index};
use crate::tol;
use crate::work::Budget;

/// `a z + b` for the binary column z.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct VarBound {
    pub(crate) binary: Index,
    pub(crate) a: f64,
    pub(crate) b: f64,
}

impl VarBound {
    /// The bound where the binary is `z`.
    pub(crate) fn at(&self, z: f64) -> f64 {
        self.a * z + self.b
    }
}

/// By how much of the column's width (or 1) a variable bound must be tighter
/// than the column's own bound to be kept: weaker ones are round-off.
const LEAST_GAIN: f64 = 1e-3;

/// Coefficients of z above this say nothing that floating point can use.
const LARGEST: f64 = 1e9;

/// Variable bounds by column.
#[derive(Clone, Debug, Default)]
pub(crate) struct VariableBounds {
    lower: Vec<Vec<VarBound>>,
    upper: Vec<Vec<VarBound>>,
    count: usize,
}

impl VariableBounds {
    /// What the rows of `mip` state.
    pub(crate) fn of(mip: &Mip, budget: &mut Budget) -> Self {
        let mut bounds = Self {
            lower: vec![Vec::new(); mip.columns()],
            upper: vec![Vec::new(); mip.columns()],
            count: 0,
        };
        for i in 0..mip.rows() {
            budget.spend_entries(mip.by_row.count(i) + 1);
            if budget.is_over() {
                break;
            }
            bounds.add_row(mip, i);
        }
        bounds
    }

    /// Number of variable bounds.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Variable lower bounds of column `j`.
    pub(crate) fn lower(&self, j: usize) -> &[VarBound] {
        &self.lower[j]
    }

    /// Variable upper bounds of column `j`.
    pub(crate) fn upper(&self, j: usize) -> &[VarBound] {
        &self.upper[j]
    }

    /// Adds `x_j <= a z + b` (`upper`) or `x_j >= a z + b`, tilted, if it is
    /// tighter than the column's own bound for one value of z.
    pub(crate) fn add(&mut self, mip: &Mip, j: usize, bound: VarBound, upper: bool) {
        let (own, sign) = if upper {
            (mip.upper[j], 1.0)
        } else {
            (mip.lower[j], -1.0)
        };
        // No weaker than the column's own bound for either value of z.
        let tighter = |p: f64, q: f64| if upper { p.min(q) } else { p.max(q) };
        let (zero, one) = (tighter(bound.at(0.0), own), tighter(bound.at(1.0), own));
        let bound = VarBound {
            binary: bound.binary,
            a: one - zero,
            b: zero,
        };
        let (tightest, own) = ((sign * zero).min(sign * one), sign * own);
        let width = mip.upper[j] - mip.lower[j];
        let gain = LEAST_GAIN * if width.is_finite() { width } else { 1.0 };
        let usable = bound.a.abs() <= LARGEST && bound.b.abs() <= LARGEST && bound.a != 0.0;
        if !usable || tightest > own - gain.max(tol::FEASIBILITY) {
            return;
        }
        let list = if upper {
            &mut self.upper[j]
        } else {
            &mut self.lower[j]
        };
        // Of two bounds by the same binary, one that is nowhere weaker wins.
        for known in list.iter_mut() {
            if known.binary == bound.binary {
                let tighter = |p: &VarBound, q: &VarBound| {
                    sign * p.at(0.0) <= sign * q.at(0.0) && sign * p.at(1.0) <= sign * q.at(1.0)
                };
                if tighter(known, &bound) {
                    return;
                }
                if tighter(&bound, known) {
                    *known = bound;
                    return;
                }
            }
        }
        list.push(bound);
        self.count += 1;
    }

    fn add_row(&mut self, mip: &Mip, i: usize) {
        let is_free_binary = |j: usize| mip.is_binary(j) && mip.lower[j] < mip.upper[j];
        let mut binaries = mip.by_row.iter(i).filter(|&(j, _)| is_free_binary(j));
        let Some(first) = binaries.next() else {
            return;
        };
        let second = binaries.next();
        let count = mip.by_row.count(i);
        if second.is_some() && count > 2 || count < 2 {
            return;
        }
        for (z, d) in [Some(first), second].into_iter().flatten() {
            for (sign, side) in [(1.0, mip.row_upper[i]), (-1.0, -mip.row_lower[i])] {
                if side < f64::INFINITY {
                    self.add_side(mip, i, sign, side, (z, d));
                }
            }
        }
    }

    /// The bounds by z of `sum sign a x <= side`.
    fn add_side(&mut self, mip: &Mip, i: usize, sign: f64, side: f64, (z, d): (usize, f64)) {
        let (mut least, mut open) = (0.0_f64, 0_usize);
        let term = |j: usize, a: f64| {
            if sign * a > 0.0 {
                sign * a * mip.lower[j]
            } else {
                sign * a * mip.upper[j]
            }
        };
        for (j, a) in mip.by_row.iter(i) {
            if j != z {
                let term = term(j, a);
                if term.is_finite() {
                    least += term;
                } else {
                    open += 1;
                }
            }
        }
        if open > 1 {
            return;
        }
        for (j, a) in mip.by_row.iter(i) {
            if j == z {
                continue;
            }
            let own = term(j, a);
            let others = match (own.is_finite(), open) {
                (true, 0) => least - own,
                (false, 1) => least,
                _ => continue,
            };
            let bound = VarBound {
                binary: index(z),
                a: -d / a,
                b: (side - others) / (sign * a),
            };
            self.add(mip, j, bound, sign * a > 0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_charge_rows_give_variable_bounds() {
        // x0, x1 in [0, 10], z binary. x0 + 2 x1 - 6 z <= 0 and x1 + 3 z >= 2.
        let mut mip = Mip::default();
        for integer in [false, false, true] {
            mip.cost.push(0.0);
            mip.lower.push(0.0);
            mip.upper.push(if integer { 1.0 } else { 10.0 });
            mip.integer.push(integer);
        }
        mip.push_row([(0, 1.0), (1, 2.0), (2, -6.0)], f64::NEG_INFINITY, 0.0);
        mip.push_row([(1, 1.0), (2, 3.0)], 2.0, f64::INFINITY);
        mip.finish();
        let bounds = VariableBounds::of(&mip, &mut Budget::unlimited());
        let bound = |a, b| VarBound { binary: 2, a, b };
        assert_eq!(bounds.upper(0), [bound(6.0, 0.0)]);
        assert_eq!(bounds.upper(1), [bound(3.0, 0.0)]);
        // x1 >= 2 - 3 z, tilted to x1 >= 0 at z = 1.
        assert_eq!(bounds.lower(1), [bound(-2.0, 2.0)]);
        assert!(bounds.lower(0).is_empty() && bounds.lower(2).is_empty());
        assert_eq!(bounds.len(), 3);
    }

    #[test]
    fn a_slack_variable_bound_is_tilted_to_the_own_bound() {
        // x0 in [2, 50], x1 >= 4, z binary: x0 - x1 >= 3 - 90 (1 - z) says
        // x0 >= 7 where z = 1, and where z = 0 no more than x0 >= 2; it says
        // x1 <= 47 where z = 1 and x1 <= 137 else. Nothing bounds x1 above.
        let mut mip = Mip {
            cost: vec![0.0; 3],
            lower: vec![2.0, 4.0, 0.0],
            upper: vec![50.0, f64::INFINITY, 1.0],
            integer: vec![false, false, true],
            ..Mip::default()
        };
        mip.push_row([(0, 1.0), (1, -1.0), (2, -90.0)], -87.0, f64::INFINITY);
        mip.finish();
        let bounds = VariableBounds::of(&mip, &mut Budget::unlimited());
        let bound = |a, b| VarBound { binary: 2, a, b };
        assert_eq!(bounds.lower(0), [bound(5.0, 2.0)]);
        assert_eq!(bounds.upper(1), [bound(-90.0, 137.0)]);
        assert_eq!(bounds.len(), 2);
    }
}
