//! A dual bound that round-off cannot break.
//!
//! For any multipliers y (by row) and d = c - A^T y, weak duality gives for all
//! x within its bounds and A x within its sides
//!
//! ```text
//! c x = sum_i y_i (A x)_i + sum_j d_j x_j
//!    >= sum_i (y_i > 0 ? y_i row_lower_i : y_i row_upper_i) + sum_j min(d_j l_j, d_j u_j)
//! ```
//!
//! so y need not be optimal, or even dual feasible (A. Neumaier and O.
//! Shcherbina 2004, "Safe bounds in linear and mixed-integer linear
//! programming"). y is set to zero where its side is infinite. d_j is computed
//! with a bound e_j on its round-off, and the least of the interval
//! `[d_j - e_j, d_j + e_j]` counts; the sums lose a bound on their own.
//!
//! **What is not rigorous.** Where a bound of a column is infinite, a d_j that
//! is wrong by at most [`DUAL_ZERO`] relative to its terms counts as zero: the
//! multipliers of a floating-point basis are not better than that. A larger one
//! gives no bound.

use super::Lp;

/// Relative to the sum of the terms of d_j and one (in the units of the scaled
/// problem where those are coarser): reduced costs up to this on an infinite
/// bound are zero.
const DUAL_ZERO: f64 = 1e-7;

/// Round-off of one operation.
const EPSILON: f64 = f64::EPSILON;

impl Lp {
    /// A bound on the objective (without [`crate::mip::Mip::offset`]) of every
    /// point that meets the rows and `lower <= x <= upper`, from the duals of
    /// the last solve; `-inf` if they give none.
    pub(crate) fn safe_bound(&self, lower: &[f64], upper: &[f64]) -> f64 {
        bound(
            (&self.problem.by_column, &self.problem.scale),
            (&self.problem.row_lower, &self.problem.row_upper),
            |j| self.problem.cost[j],
            (lower, upper),
            self.duals(),
            |j, size| DUAL_ZERO * (size + (1.0 / self.problem.scale[j]).max(1.0)),
        )
        .low()
    }
}

/// The bound of the module text, as a sum with its error. `zero(j, s)`: a
/// reduced cost of j up to this, of terms whose magnitudes sum up to s, is zero
/// on an infinite bound. The matrix is by columns and scaled; factors are powers
/// of two, so that d_j in the caller's units is what it would be without.
pub(super) fn bound(
    (columns, scale): (&crate::sparse::Matrix, &[f64]),
    (row_lower, row_upper): (&[f64], &[f64]),
    cost: impl Fn(usize) -> f64,
    (lower, upper): (&[f64], &[f64]),
    y: &[f64],
    zero: impl Fn(usize, f64) -> f64,
) -> Total {
    let n = lower.len();
    // Multipliers of the scaled rows that count.
    let mut multipliers = vec![0.0; y.len()];
    let mut total = Total::default();
    for (i, &y) in y.iter().enumerate() {
        if y == 0.0 {
            continue;
        }
        let side = if y > 0.0 { row_lower[i] } else { row_upper[i] };
        if !side.is_finite() {
            continue;
        }
        total.add(y * side);
        multipliers[i] = y * scale[n + i];
    }
    for j in 0..n {
        if lower[j] == 0.0 && upper[j] == 0.0 {
            continue;
        }
        let c = cost(j);
        let (mut d, mut size) = (c * scale[j], (c * scale[j]).abs());
        let (indices, values) = columns.get(j);
        for (&i, &a) in indices.iter().zip(values) {
            let term = a * multipliers[i as usize];
            d -= term;
            size += term.abs();
        }
        let (d, size) = (d / scale[j], size / scale[j]);
        #[expect(clippy::cast_precision_loss, reason = "the length of a column")]
        let terms = indices.len() as f64 + 2.0;
        let error = terms * EPSILON * size;
        let (mut low, mut high) = (d - error, d + error);
        // min over d in [low, high] and x in [lower, upper] of d x.
        let at = |d: f64, x: f64| if d == 0.0 { 0.0 } else { d * x };
        let zero = zero(j, size);
        if upper[j] == f64::INFINITY && low < 0.0 && low >= -zero {
            (low, high) = (0.0, high.max(0.0));
        }
        if lower[j] == f64::NEG_INFINITY && high > 0.0 && high <= zero {
            (low, high) = (low.min(0.0), 0.0);
        }
        let least = [
            at(low, lower[j]),
            at(low, upper[j]),
            at(high, lower[j]),
            at(high, upper[j]),
        ]
        .into_iter()
        .fold(f64::INFINITY, f64::min);
        if least == f64::NEG_INFINITY || least.is_nan() {
            return Total::NONE;
        }
        total.add(least);
    }
    total
}

/// A sum with the magnitude of its terms.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Total {
    sum: f64,
    correction: f64,
    magnitude: f64,
    terms: f64,
    /// The largest magnitude of a term.
    pub(super) largest: f64,
}

impl Total {
    /// No bound.
    const NONE: Self = Self {
        sum: f64::NEG_INFINITY,
        correction: 0.0,
        magnitude: 0.0,
        terms: 0.0,
        largest: 0.0,
    };

    /// Neumaier's compensated addition.
    fn add(&mut self, term: f64) {
        let next = self.sum + term;
        self.correction += if self.sum.abs() >= term.abs() {
            (self.sum - next) + term
        } else {
            (term - next) + self.sum
        };
        self.sum = next;
        self.magnitude += term.abs();
        self.largest = self.largest.max(term.abs());
        self.terms += 1.0;
    }

    /// A value that the exact sum of the exact terms is not below: each term
    /// was rounded once, the compensated sum loses two units and a second
    /// order term.
    pub(super) fn low(&self) -> f64 {
        let second = self.terms * self.terms * EPSILON * EPSILON;
        let value = self.sum + self.correction;
        if value.is_nan() || value == f64::NEG_INFINITY {
            return f64::NEG_INFINITY;
        }
        value - (2.0 * EPSILON + second) * self.magnitude - 2.0 * EPSILON * value.abs()
    }
}

#[cfg(test)]
mod tests {
    use crate::sparse::Matrix;

    const FREE: f64 = f64::INFINITY;

    type Pair<'a> = (&'a [f64], &'a [f64]);

    fn bound(rows: &Matrix, sides: Pair<'_>, cost: &[f64], bounds: Pair<'_>, y: &[f64]) -> f64 {
        let (columns, scale) = (rows.transpose(cost.len()), [1.0; 4]);
        super::bound(
            (&columns, &scale),
            sides,
            |j| cost[j],
            bounds,
            y,
            |_, size| super::DUAL_ZERO * (1.0 + size),
        )
        .low()
    }

    /// min x + y, x + y >= 1 and x - y >= 0, 0 <= x, y <= 1.
    fn rows() -> Matrix {
        let mut rows = Matrix::default();
        rows.push([(0, 1.0), (1, 1.0)]);
        rows.push([(0, 1.0), (1, -1.0)]);
        rows
    }

    #[test]
    fn optimal_duals_give_the_optimum_and_others_less() {
        let sides = (&[1.0, 0.0][..], &[FREE, FREE][..]);
        let bounds = (&[0.0, 0.0][..], &[1.0, 1.0][..]);
        let at = |y: &[f64]| bound(&rows(), sides, &[1.0, 1.0], bounds, y);
        // y = (1, 0): d = 0, bound 1. y = (3, 0): 3 - 2 - 2 = -1.
        // y = (0, 1): d = (0, 2): 0. y = 0: 0.
        for (y, expected) in [
            ([1.0, 0.0], 1.0),
            ([3.0, 0.0], -1.0),
            ([0.0, 1.0], 0.0),
            ([0.0, 0.0], 0.0),
        ] {
            let found = at(&y);
            assert!(
                found <= expected && found > expected - 1e-12,
                "{y:?} {found}"
            );
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "exact: no term is left")]
    fn infinite_sides_and_bounds_are_respected() {
        let sides = (&[1.0, 0.0][..], &[FREE, FREE][..]);
        let open = (&[0.0, 0.0][..], &[FREE, FREE][..]);
        // A negative multiplier on a row without an upper side is dropped.
        assert_eq!(bound(&rows(), sides, &[1.0, 1.0], open, &[-1.0, 0.0]), 0.0);
        // d = (-1, -1) on columns without an upper bound: no bound.
        let none = bound(&rows(), sides, &[1.0, 1.0], open, &[2.0, 0.0]);
        assert_eq!(none, f64::NEG_INFINITY);
        // Round-off on such a column is forgiven.
        let y = [1.0 + 1e-9, 0.0];
        assert!((bound(&rows(), sides, &[1.0, 1.0], open, &y) - 1.0).abs() < 1e-8);
    }
}
