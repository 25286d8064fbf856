//! A vector with few nonzeros: dense values, and the indices that may be
//! nonzero.
//!
//! Invariant: a value whose index is not listed is zero; no index is listed
//! twice. Listed values may be zero.

use crate::sparse::{Index, index};

/// Share of listed indices from which a loop over all values is faster, one in
/// so many.
const DENSE: usize = 4;

/// Stands for a value that cancelled to zero while its index is listed, so
/// that adding to it does not list the index again. Below every tolerance.
const CANCELLED: f64 = 1e-100;

/// Dense values and the indices that may be nonzero.
#[derive(Clone, Debug, Default)]
pub(crate) struct SparseVector {
    /// By index.
    pub(crate) values: Vec<f64>,
    /// Superset of the nonzero positions, without duplicates.
    pub(crate) indices: Vec<Index>,
}

impl SparseVector {
    /// Zeros.
    pub(crate) fn new(n: usize) -> Self {
        Self {
            values: vec![0.0; n],
            indices: Vec::new(),
        }
    }

    /// Back to zeros.
    #[inline]
    pub(crate) fn clear(&mut self) {
        if self.is_dense() {
            self.values.fill(0.0);
        } else {
            for &i in &self.indices {
                self.values[i as usize] = 0.0;
            }
        }
        self.indices.clear();
    }

    /// Becomes a copy of `other`, of the same length.
    pub(crate) fn copy(&mut self, other: &Self) {
        if self.is_dense() || other.is_dense() {
            self.values.copy_from_slice(&other.values);
        } else {
            for &i in &self.indices {
                self.values[i as usize] = 0.0;
            }
            for &i in &other.indices {
                self.values[i as usize] = other.values[i as usize];
            }
        }
        self.indices.clone_from(&other.indices);
    }

    /// Adds `value` to entry `i`.
    #[inline]
    pub(crate) fn add(&mut self, i: usize, value: f64) {
        let slot = &mut self.values[i];
        if *slot == 0.0 {
            self.indices.push(index(i));
        }
        *slot += value;
        if *slot == 0.0 {
            *slot = CANCELLED;
        }
    }

    /// Sets entry `i`.
    #[inline]
    pub(crate) fn set(&mut self, i: usize, value: f64) {
        let slot = &mut self.values[i];
        if *slot == 0.0 {
            self.indices.push(index(i));
        }
        *slot = if value == 0.0 { CANCELLED } else { value };
    }

    /// Whether a loop over all values is faster than one over the indices.
    #[inline]
    pub(crate) fn is_dense(&self) -> bool {
        self.indices.len() * DENSE > self.values.len()
    }

    /// Lists the nonzeros anew, from the values alone.
    pub(super) fn list_again(&mut self) {
        // Every index is written, and counted where its value is not zero: no
        // branch to predict.
        self.indices.resize(self.values.len(), 0);
        let mut count = 0;
        for (i, &value) in (0..).zip(&self.values) {
            self.indices[count] = i;
            count += usize::from(value != 0.0);
        }
        self.indices.truncate(count);
    }
}
