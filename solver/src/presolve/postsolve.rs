//! The way back from the reduced problem to the original one.

use crate::mip::Mip;
use crate::sparse::{Index, index};

/// Undoes the reductions, last first.
#[derive(Clone, Debug)]
pub(crate) struct Postsolve {
    /// By reduced column: the original column.
    kept: Vec<Index>,
    /// Number of original columns.
    columns: usize,
}

impl Postsolve {
    pub(super) fn identity(mip: &Mip) -> Self {
        Self {
            kept: (0..mip.columns()).map(index).collect(),
            columns: mip.columns(),
        }
    }

    /// The original point of the reduced point `x`.
    pub(crate) fn restore(&self, x: &[f64]) -> Vec<f64> {
        let mut full = vec![0.0; self.columns];
        for (&j, &value) in self.kept.iter().zip(x) {
            full[j as usize] = value;
        }
        full
    }

    /// The reduced point of the original point `full`; best effort, it may be
    /// infeasible where a reduction cut `full` off.
    pub(crate) fn reduce(&self, full: &[f64]) -> Vec<f64> {
        self.kept.iter().map(|&j| full[j as usize]).collect()
    }

    /// By reduced column: the original column.
    pub(crate) fn kept(&self) -> &[Index] {
        &self.kept
    }
}
