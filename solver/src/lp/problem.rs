//! The caller's data, and the scaled matrices that the simplex method reads.
//!
//! With row factors R and column factors C, both powers of two (exact):
//!
//! ```text
//! a~_ij = R_i a_ij C_j,   x_v = s_v x~_v,   c~_v = s_v c_v,   d_v = d~_v / s_v
//! s_j = C_j for column j,   s_(n+i) = 1 / R_i for r_i,   y_i = R_i y~_i
//! ```

use std::sync::Arc;

use super::scaling;
use crate::mip::Mip;
use crate::sparse::{Index, Matrix};
use crate::work::Budget;

/// A linear program in the caller's units, and its scaled matrix.
#[derive(Clone, Debug, Default)]
pub(super) struct Problem {
    pub(super) cost: Vec<f64>,
    pub(super) col_lower: Vec<f64>,
    pub(super) col_upper: Vec<f64>,
    pub(super) row_lower: Vec<f64>,
    pub(super) row_upper: Vec<f64>,
    /// The caller's matrix by rows.
    pub(super) rows: Arc<Matrix>,
    /// The scaled matrix by rows and by columns.
    pub(super) by_row: Arc<Matrix>,
    pub(super) by_column: Arc<Matrix>,
    /// s_v by variable.
    pub(super) scale: Vec<f64>,
    /// Number of variables whose bounds are crossed.
    pub(super) crossed: usize,
}

/// Bounds crossed by less than this, relative, are equal.
const CROSSED: f64 = 1e-9;

/// Whether there is nothing between these bounds.
pub(super) fn is_crossed(lower: f64, upper: f64) -> bool {
    lower > upper + CROSSED * lower.abs().max(1.0)
}

impl Problem {
    /// Where the budget is over before it is done, entries are missing.
    pub(super) fn new(mip: &Mip, budget: &mut Budget) -> Self {
        let mut problem = Self {
            cost: mip.cost.clone(),
            col_lower: mip.lower.clone(),
            col_upper: mip.upper.clone(),
            row_lower: mip.row_lower.clone(),
            row_upper: mip.row_upper.clone(),
            rows: Arc::new(mip.by_row.map_within(budget, |_, _, a| a)),
            ..Self::default()
        };
        let (rows, columns) = scaling::exponents(&problem.rows, problem.n(), budget);
        let factors = columns.iter().map(|&c| scaling::power(c));
        problem.scale = factors
            .chain(rows.iter().map(|&r| scaling::power(-r)))
            .collect();
        problem.rebuild(budget);
        problem.count_crossed();
        problem
    }

    /// Sets [`Problem::crossed`].
    pub(super) fn count_crossed(&mut self) {
        let count = |lower: &[f64], upper: &[f64]| {
            let pairs = lower.iter().zip(upper);
            pairs.filter(|&(&l, &u)| is_crossed(l, u)).count()
        };
        self.crossed =
            count(&self.col_lower, &self.col_upper) + count(&self.row_lower, &self.row_upper);
    }

    /// Number of columns.
    #[inline]
    pub(super) fn n(&self) -> usize {
        self.cost.len()
    }

    /// Number of rows.
    #[inline]
    pub(super) fn m(&self) -> usize {
        self.row_lower.len()
    }

    /// Number of variables, logicals included.
    #[inline]
    pub(super) fn variables(&self) -> usize {
        self.n() + self.m()
    }

    /// Makes the scaled matrices anew from the caller's rows.
    pub(super) fn rebuild(&mut self, budget: &mut Budget) {
        let (n, scale) = (self.n(), &self.scale);
        #[expect(clippy::float_cmp, reason = "powers of two")]
        let is_scaled = scale.iter().any(|&s| s != 1.0);
        self.by_row = if is_scaled {
            let scaled = |i: usize, j: usize, a: f64| a / scale[n + i] * scale[j];
            Arc::new(self.rows.map_within(budget, scaled))
        } else {
            Arc::clone(&self.rows)
        };
        self.by_column = Arc::new(self.by_row.transpose_within(n, budget));
    }

    /// Bounds of variable `v` in scaled units.
    pub(super) fn bounds(&self, v: usize) -> (f64, f64) {
        let n = self.n();
        let (lower, upper) = if v < n {
            (self.col_lower[v], self.col_upper[v])
        } else {
            (self.row_lower[v - n], self.row_upper[v - n])
        };
        (lower / self.scale[v], upper / self.scale[v])
    }

    /// Cost of variable `v` in scaled units.
    #[inline]
    pub(super) fn cost(&self, v: usize) -> f64 {
        if v < self.n() {
            self.cost[v] * self.scale[v]
        } else {
            0.0
        }
    }

    /// Calls `entry` with each entry of the scaled column of variable `v`.
    #[inline]
    pub(super) fn each(&self, v: usize, mut entry: impl FnMut(usize, f64)) {
        let n = self.n();
        if v < n {
            let (indices, values) = self.by_column.get(v);
            for (&i, &a) in indices.iter().zip(values) {
                entry(i as usize, a);
            }
        } else {
            entry(v - n, -1.0);
        }
    }

    /// Number of entries of the column of variable `v`.
    #[inline]
    pub(super) fn count(&self, v: usize) -> usize {
        if v < self.n() {
            self.by_column.count(v)
        } else {
            1
        }
    }

    /// Entries of the caller's row `i`.
    pub(super) fn row(&self, i: usize) -> (&[Index], &[f64]) {
        self.rows.get(i)
    }
}
