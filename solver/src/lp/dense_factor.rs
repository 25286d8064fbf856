//! A dense inverse of the basis: simple, for problems of a few hundred rows.

use crate::sparse::Index;
use crate::work::Budget;

/// Dense values and the indices that may be nonzero.
#[derive(Clone, Debug, Default)]
pub(crate) struct SparseVector {
    pub(crate) values: Vec<f64>,
    pub(crate) indices: Vec<Index>,
}

impl SparseVector {
    pub(crate) fn new(n: usize) -> Self {
        Self {
            values: vec![0.0; n],
            indices: Vec::new(),
        }
    }

    pub(crate) fn clear(&mut self) {
        for &i in &self.indices {
            self.values[i as usize] = 0.0;
        }
        self.indices.clear();
    }

    pub(crate) fn add(&mut self, i: usize, value: f64) {
        if self.values[i] == 0.0 {
            self.indices.push(crate::sparse::index(i));
        }
        self.values[i] += value;
        if self.values[i] == 0.0 {
            self.values[i] = 1e-100;
        }
    }

    pub(crate) fn set(&mut self, i: usize, value: f64) {
        self.add(i, value - self.values[i]);
    }

    pub(crate) fn is_dense(&self) -> bool {
        false
    }
}

/// Columns of the basis by position.
pub(crate) trait BasisColumns {
    /// Entries `(row, value)` of the column at `position`.
    fn column(&self, position: usize, entry: &mut dyn FnMut(usize, f64));
}

/// How a factorisation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Factored {
    Ok,
    Singular { replacements: Vec<(usize, usize)> },
    Stopped,
}

/// How an update ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Updated {
    Ok,
    Unstable,
    Full,
}

/// The inverse.
#[derive(Clone, Debug, Default)]
pub(crate) struct Factor {
    m: usize,
    inverse: Vec<f64>,
    kept: Vec<f64>,
    spent: u64,
}

impl Factor {
    pub(crate) fn new(m: usize) -> Self {
        let mut inverse = vec![0.0; m * m];
        for i in 0..m {
            inverse[i * m + i] = -1.0;
        }
        Self {
            m,
            inverse,
            kept: vec![0.0; m],
            spent: 0,
        }
    }

    pub(crate) fn ticks(&self) -> u64 {
        self.spent
    }

    pub(crate) fn factorize(&mut self, columns: &dyn BasisColumns, _: &mut Budget) -> Factored {
        let m = self.m;
        // [B | I] by rows: row r of B, then the identity.
        let mut b = vec![0.0; m * m];
        for position in 0..m {
            columns.column(position, &mut |row, value| b[row * m + position] += value);
        }
        let mut inv = vec![0.0; m * m];
        for i in 0..m {
            inv[i * m + i] = 1.0;
        }
        let mut used = vec![false; m];
        let mut pivot_row = vec![usize::MAX; m];
        let mut open = Vec::new();
        for p in 0..m {
            let mut best = (1e-9, usize::MAX);
            for r in 0..m {
                if !used[r] && b[r * m + p].abs() > best.0 {
                    best = (b[r * m + p].abs(), r);
                }
            }
            let r = best.1;
            if r == usize::MAX {
                open.push(p);
                continue;
            }
            used[r] = true;
            pivot_row[p] = r;
            let pivot = 1.0 / b[r * m + p];
            for k in 0..m {
                b[r * m + k] *= pivot;
                inv[r * m + k] *= pivot;
            }
            for i in 0..m {
                let f = b[i * m + p];
                if i != r && f != 0.0 {
                    for k in 0..m {
                        b[i * m + k] -= f * b[r * m + k];
                        inv[i * m + k] -= f * inv[r * m + k];
                    }
                }
            }
        }
        if !open.is_empty() {
            let rows = (0..m).filter(|&r| !used[r]);
            return Factored::Singular {
                replacements: open.iter().copied().zip(rows).collect(),
            };
        }
        for p in 0..m {
            let r = pivot_row[p];
            self.inverse[p * m..(p + 1) * m].copy_from_slice(&inv[r * m..(r + 1) * m]);
        }
        Factored::Ok
    }

    pub(crate) fn ftran(&mut self, v: &mut SparseVector, keep_for_update: bool) {
        let m = self.m;
        let mut out = vec![0.0; m];
        for (p, out) in out.iter_mut().enumerate() {
            for &r in &v.indices {
                *out += self.inverse[p * m + r as usize] * v.values[r as usize];
            }
        }
        if keep_for_update {
            self.kept.copy_from_slice(&out);
        }
        v.clear();
        for (p, &value) in out.iter().enumerate() {
            if value.abs() > 1e-14 {
                v.set(p, value);
            }
        }
        self.spent += (m * m) as u64;
    }

    pub(crate) fn btran(&mut self, v: &mut SparseVector) {
        let m = self.m;
        let mut out = vec![0.0; m];
        for &p in &v.indices {
            let value = v.values[p as usize];
            for (out, a) in out.iter_mut().zip(&self.inverse[p as usize * m..]) {
                *out += value * a;
            }
        }
        v.clear();
        for (r, &value) in out.iter().enumerate() {
            if value.abs() > 1e-14 {
                v.set(r, value);
            }
        }
        self.spent += (m * m) as u64;
    }

    pub(crate) fn update(&mut self, position: usize, alpha: f64) -> Updated {
        let m = self.m;
        let mut row: Vec<f64> = self.inverse[position * m..(position + 1) * m].to_vec();
        for value in &mut row {
            *value /= alpha;
        }
        for i in 0..m {
            let f = self.kept[i];
            if i != position && f != 0.0 {
                for (a, b) in self.inverse[i * m..(i + 1) * m].iter_mut().zip(&row) {
                    *a -= f * b;
                }
            }
        }
        self.inverse[position * m..(position + 1) * m].copy_from_slice(&row);
        Updated::Ok
    }
}
