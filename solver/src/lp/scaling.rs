//! Row and column factors that bring the entries of a matrix near to one.
//!
//! Pivoting rules and tolerances compare entries of different rows and columns
//! as if they had one unit. Alternately each row, then each column, is divided
//! by the geometric mean of its least and largest entry, a few times; then each
//! column's largest entry is brought to one. (A. Curtis and J. Reid 1972, "On
//! the automatic scaling of matrices for Gaussian elimination"; J. Tomlin 1975,
//! "On scaling linear programming problems".)
//!
//! Factors are powers of two, so scaling rounds nothing. An entry counts by its
//! binary exponent alone: integers are exact and the same on every machine.

use crate::sparse::Matrix;
use crate::work::Budget;

/// Matrices with all entries within these are left as they are: models of
/// counts and decisions, whose solutions are then read without round-off.
const WELL_SCALED: (f64, f64) = (0.2, 5.0);

/// Passes over rows and columns; later ones change little.
const PASSES: usize = 4;

/// Largest exponent of a factor: beyond it, tolerances in scaled units mean
/// nothing in the caller's.
const LARGEST: i32 = 20;

/// Exponents `(of rows, of columns)` to scale `rows` (over `columns` columns)
/// with: `a_ij 2^(r_i + c_j)`. Whatever there is where the budget is over.
pub(super) fn exponents(
    rows: &Matrix,
    columns: usize,
    budget: &mut Budget,
) -> (Vec<i32>, Vec<i32>) {
    let m = rows.len();
    let (mut by_row, mut by_column) = (vec![0; m], vec![0; columns]);
    let is_well = |a: f64| a == 0.0 || (WELL_SCALED.0..=WELL_SCALED.1).contains(&a.abs());
    budget.spend_entries(rows.nonzeros());
    if (0..m).all(|i| rows.get(i).1.iter().all(|&a| is_well(a))) {
        return (by_row, by_column);
    }
    for pass in 0..=PASSES {
        let mut spans = vec![Span::EMPTY; columns];
        for (i, row) in by_row.iter_mut().enumerate() {
            budget.spend_entries(2 * rows.count(i));
            if budget.is_over() {
                return (vec![0; m], vec![0; columns]);
            }
            let mut span = Span::EMPTY;
            for (j, a) in rows.iter(i) {
                span.add(exponent(a) + by_column[j]);
            }
            *row = limited(-span.middle());
            for (j, a) in rows.iter(i) {
                spans[j].add(exponent(a) + *row);
            }
        }
        for (exponent, span) in by_column.iter_mut().zip(&spans) {
            let centre = if pass == PASSES {
                span.largest()
            } else {
                span.middle()
            };
            *exponent = limited(-centre);
        }
    }
    (by_row, by_column)
}

/// 2^`exponent`, for exponents of normal numbers.
pub(super) fn power(exponent: i32) -> f64 {
    debug_assert!((-1022..=1023).contains(&exponent));
    #[expect(clippy::cast_sign_loss, reason = "positive in the range above")]
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

fn limited(exponent: i32) -> i32 {
    exponent.clamp(-LARGEST, LARGEST)
}

/// Rounded-down binary logarithm of |a|.
fn exponent(a: f64) -> i32 {
    let biased = ((a.to_bits() >> 52) & 0x7ff) as i32;
    biased - 1023
}

/// Least and largest exponent of a line.
#[derive(Clone, Copy, Debug)]
struct Span {
    least: i32,
    most: i32,
}

impl Span {
    const EMPTY: Self = Self {
        least: i32::MAX,
        most: i32::MIN,
    };

    fn add(&mut self, exponent: i32) {
        self.least = self.least.min(exponent);
        self.most = self.most.max(exponent);
    }

    /// Exponent of the geometric mean of the extremes; 0 where empty.
    fn middle(self) -> i32 {
        if self.most < self.least {
            0
        } else {
            (self.least + self.most).div_euclid(2)
        }
    }

    fn largest(self) -> i32 {
        if self.most < self.least { 0 } else { self.most }
    }
}

#[cfg(test)]
mod tests {
    use super::{exponents, power};
    use crate::sparse::Matrix;
    use crate::work::Budget;

    fn matrix(rows: &[&[(u32, f64)]]) -> Matrix {
        let mut matrix = Matrix::default();
        for row in rows {
            matrix.push(row.iter().copied());
        }
        matrix
    }

    #[test]
    fn small_coefficients_stay_as_they_are() {
        let rows = matrix(&[&[(0, 1.0), (1, -3.0)], &[(0, 0.5), (2, 5.0)], &[]]);
        assert_eq!(
            exponents(&rows, 3, &mut Budget::unlimited()),
            (vec![0; 3], vec![0; 3])
        );
    }

    #[test]
    fn products_of_factors_are_undone() {
        // a_ij = 2^(i * 7 - 5) * 2^(3 - 4 j): a rank one pattern becomes all ones.
        let entry = |i: i32, j: i32| power(i * 7 - 5) * power(3 - 4 * j);
        let mut rows = Matrix::default();
        for i in 0..3 {
            rows.push((0..4).map(|j: i32| (j.unsigned_abs(), entry(i, j))));
        }
        let (r, c) = exponents(&rows, 4, &mut Budget::unlimited());
        for i in 0..3_i32 {
            for j in 0..4_i32 {
                let (row, column) = (i.unsigned_abs() as usize, j.unsigned_abs() as usize);
                let scaled = entry(i, j) * power(r[row]) * power(c[column]);
                assert!((scaled - 1.0).abs() < 1e-12, "{i} {j} {scaled}");
            }
        }
    }

    #[test]
    fn the_spread_shrinks_and_factors_are_limited() {
        let rows = matrix(&[
            &[(0, 1e6), (1, 2e3), (2, 1.0)],
            &[(0, 5e4), (2, 1e-3)],
            &[(1, 1e-30), (3, 1e30)],
        ]);
        let (r, c) = exponents(&rows, 4, &mut Budget::unlimited());
        assert!(r.iter().chain(&c).all(|e| e.abs() <= 20));
        // Column 0's largest entry is in [1, 2).
        let largest = (1e6 * power(r[0])).max(5e4 * power(r[1])) * power(c[0]);
        assert!((1.0..2.0).contains(&largest), "{largest}");
    }

    #[test]
    fn powers_are_exact() {
        for (exponent, expected) in [(0, 1.0), (3, 8.0), (-2, 0.25), (20, 1_048_576.0)] {
            assert_eq!(power(exponent).to_bits(), f64::to_bits(expected));
        }
    }
}
