//! The problem as the engine works on it: minimized, by rows and by columns.
//!
//! ```text
//! minimize    offset + sum_j cost_j x_j
//! subject to  row_lower_i <= sum_j a_ij x_j <= row_upper_i
//!             lower_j <= x_j <= upper_j,   x_j integer for j in I
//! ```
//!
//! Bounds and sides of magnitude [`tol::INFINITE`] and more are infinite here;
//! integer columns have integral bounds. The caller's [`Model`] is the input;
//! presolve and sub-MIPs make further ones. `offset` is internal: it lacks the
//! caller's constant (see [`crate::bound::Space`]) and collects what presolve
//! fixes.

use crate::bound::Space;
use crate::model::Model;
use crate::sparse::{Matrix, index};
use crate::tol;

/// A mixed integer program, minimized.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Mip {
    pub(crate) offset: f64,
    /// By column.
    pub(crate) cost: Vec<f64>,
    pub(crate) lower: Vec<f64>,
    pub(crate) upper: Vec<f64>,
    pub(crate) integer: Vec<bool>,
    /// By row.
    pub(crate) row_lower: Vec<f64>,
    pub(crate) row_upper: Vec<f64>,
    /// Entries by row (minor index: column) and by column (minor: row).
    pub(crate) by_row: Matrix,
    pub(crate) by_column: Matrix,
}

impl Mip {
    /// The caller's model, seen from inside.
    pub(crate) fn of(model: &Model) -> Self {
        let space = Space::of(model);
        let mut mip = Self::default();
        for column in model.columns() {
            let (mut lower, mut upper) = (open(column.lower), open(column.upper));
            if column.integer {
                lower = (lower - tol::FEASIBILITY).ceil();
                upper = (upper + tol::FEASIBILITY).floor();
            }
            mip.cost.push(space.cost(column.cost));
            mip.lower.push(lower);
            mip.upper.push(upper);
            mip.integer.push(column.integer);
        }
        for row in model.rows() {
            mip.row_lower.push(open(row.lower));
            mip.row_upper.push(open(row.upper));
            mip.by_row
                .push(row.coefficients.iter().map(|&(j, a)| (index(j), a)));
        }
        mip.by_column = mip.by_row.transpose(mip.cost.len());
        mip
    }

    /// Number of columns.
    pub(crate) fn columns(&self) -> usize {
        self.cost.len()
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.row_lower.len()
    }

    /// Number of integer columns.
    pub(crate) fn integers(&self) -> usize {
        self.integer.iter().filter(|&&integer| integer).count()
    }

    /// Whether column `j` takes only 0 and 1.
    pub(crate) fn is_binary(&self, j: usize) -> bool {
        self.integer[j] && self.lower[j] >= 0.0 && self.upper[j] <= 1.0
    }

    /// Objective of `x`, offset included.
    pub(crate) fn objective(&self, x: &[f64]) -> f64 {
        self.offset + self.cost.iter().zip(x).map(|(c, x)| c * x).sum::<f64>()
    }

    /// Value of row `i` at `x`.
    pub(crate) fn activity(&self, i: usize, x: &[f64]) -> f64 {
        self.by_row.iter(i).map(|(j, a)| a * x[j]).sum()
    }

    /// Whether `x` meets every row, bound and integrality within
    /// [`tol::ENGINE_FEASIBILITY`] (relative to a row's largest term where that
    /// is above 1). A cheap filter; the one door is [`crate::check`].
    pub(crate) fn is_feasible(&self, x: &[f64]) -> bool {
        let columns = (0..self.columns()).all(|j| {
            x[j] >= self.lower[j] - tol::ENGINE_FEASIBILITY
                && x[j] <= self.upper[j] + tol::ENGINE_FEASIBILITY
                && (!self.integer[j] || (x[j] - x[j].round()).abs() <= tol::INTEGRALITY)
        });
        columns
            && (0..self.rows()).all(|i| {
                let (mut activity, mut largest) = (0.0_f64, 1.0_f64);
                for (j, a) in self.by_row.iter(i) {
                    activity += a * x[j];
                    largest = largest.max((a * x[j]).abs());
                }
                let slack = tol::ENGINE_FEASIBILITY * largest;
                activity >= self.row_lower[i] - slack && activity <= self.row_upper[i] + slack
            })
    }

    /// Appends a row; `by_column` is stale until [`Mip::finish`].
    pub(crate) fn push_row(
        &mut self,
        terms: impl IntoIterator<Item = (crate::sparse::Index, f64)>,
        lower: f64,
        upper: f64,
    ) {
        self.by_row.push(terms);
        self.row_lower.push(lower);
        self.row_upper.push(upper);
    }

    /// Rebuilds `by_column` after rows were pushed.
    pub(crate) fn finish(&mut self) {
        self.by_column = self.by_row.transpose(self.columns());
    }
}

/// `value`, infinite from [`tol::INFINITE`] on.
pub(crate) fn open(value: f64) -> f64 {
    if value.abs() >= tol::INFINITE {
        f64::INFINITY.copysign(value)
    } else {
        value
    }
}
