//! The basis matrix B (m x m) in factors, B = L R U up to permutations.
//!
//! L comes from the factorisation ([`markowitz`]), R is the row transformations
//! of Forrest-Tomlin updates, U is upper triangular in the order
//! [`Factor::order`]. All three are kept by *row*: pivot k of the factorisation
//! is (row r, position p), and U's column of position p is called r. Positions
//! appear only at the surface ([`Factor::ftran`], [`Factor::btran`]).
//!
//! **Forrest-Tomlin update** (J. Forrest and J. Tomlin 1972, "Updated triangular
//! factors of the basis to maintain sparsity in the product form simplex
//! method"). Column r of U becomes the spike s = R^-1 L^-1 a. Row r is
//! eliminated with multipliers mu from the rows after it, mu^T U' = row r,
//! which adds the transformation x_r -= sum_c mu_c x_c to R; r goes to the end
//! of the order, with the new diagonal s_r - sum_c mu_c s_c. In exact
//! arithmetic that is alpha_r times the old diagonal, alpha = B^-1 a, which
//! tells how good the update is.

mod lines;
mod markowitz;
#[cfg(test)]
mod tests;
mod triangular;

use std::sync::Arc;

use self::lines::Lines;
use self::triangular::{DENSITY_WEIGHT, NONE, Search, TINY, solve};
use crate::lp::sparse_vector::SparseVector;
use crate::sparse::{Index, index};

/// Default of the threshold in partial pivoting.
const THRESHOLD: f64 = 0.1;

/// Relative difference of the two values of an update's diagonal above which
/// the update is not trusted.
const AGREEMENT: f64 = 1e-6;

/// An update whose diagonal is below this is singular.
const LEAST_DIAGONAL: f64 = 1e-11;

/// Growth of U and R over the fresh factors at which to factorise anew.
const GROWTH: usize = 3;

/// Most updates on one factorisation.
const UPDATES: usize = 200;

/// Columns of the basis by position.
pub(crate) trait BasisColumns {
    /// Entries `(row, value)` of the column at `position`.
    fn column(&self, position: usize, entry: &mut dyn FnMut(usize, f64));
}

/// How a factorisation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Factored {
    /// The factors are those of the basis.
    Ok,
    /// The columns at these positions depend on others: replace each by the
    /// logical of the row beside it.
    Singular {
        /// `(position, row)`.
        replacements: Vec<(usize, usize)>,
    },
    /// The budget is over.
    Stopped,
}

/// How an update ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Updated {
    /// The factors are those of the changed basis.
    Ok,
    /// They are not to be trusted: factorise again.
    Unstable,
    /// They are right, but long: factorise again.
    Full,
}

/// Running densities of results. Columns for an update and other right-hand
/// sides differ much, and so each has its own.
#[derive(Clone, Debug, Default)]
struct Densities {
    /// L and U, by whether the result is kept for an update.
    forward: [[f64; 2]; 2],
    /// U and L transposed.
    backward: [f64; 2],
    /// Multipliers of updates.
    row: f64,
}

/// Share of a running density that stays when a solve in order replaces one by
/// search: such a solve does not know its part of the result, so the search is
/// tried again after a while.
const FORGET: f64 = 0.98;

/// L.
#[derive(Clone, Debug, Default)]
struct Lower {
    /// Line r takes multiples of x_r from others.
    columns: Lines,
    rows: Lines,
    /// Rows with a nonempty line in `columns`, in pivot order.
    order: Vec<Index>,
    /// Rows with a nonempty line in `rows`, in reverse pivot order.
    rows_order: Vec<Index>,
}

/// The factors of a basis matrix.
#[derive(Clone, Debug, Default)]
pub(crate) struct Factor {
    m: usize,
    /// Entries of at least this share of their column's largest may be pivots.
    threshold: f64,
    /// L, which updates leave alone; shared with what [`Factor::keep`] keeps.
    lower: Arc<Lower>,
    /// R: `(row, start)` of each transformation, entries in one store.
    updates: Vec<(Index, usize)>,
    update_rows: Vec<Index>,
    update_values: Vec<f64>,
    /// U by columns and by rows, without the diagonal.
    upper_columns: Lines,
    upper_rows: Lines,
    diagonal: Vec<f64>,
    /// Rows in U's order; `NONE` where one has moved on.
    order: Vec<Index>,
    place: Vec<Index>,
    row_of: Vec<Index>,
    position_of: Vec<Index>,
    /// Whether each position is called like its row.
    is_aligned: bool,
    /// Entries of the fresh factors.
    fresh: usize,
    /// L^-1 and R^-1 applied to the last column kept for an update.
    spike: Vec<(Index, f64)>,
    work: SparseVector,
    multipliers: SparseVector,
    search: Search,
    /// Running densities of results.
    density: Densities,
    ticks: u64,
    scratch: markowitz::Scratch,
}

impl Factor {
    /// The factors of the slack basis, all columns -e_i.
    pub(crate) fn new(m: usize) -> Self {
        let mut factor = Self {
            m,
            threshold: THRESHOLD,
            work: SparseVector::new(m),
            multipliers: SparseVector::new(m),
            ..Self::default()
        };
        factor.begin();
        for i in 0..m {
            factor.order.push(index(i));
            factor.row_of[i] = index(i);
            factor.position_of[i] = index(i);
            factor.diagonal[i] = -1.0;
        }
        factor.finish();
        factor.is_aligned = true;
        factor
    }

    /// Work done so far.
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Becomes the factors that `other` is, with the memory that is there.
    /// Scratch, densities and ticks are left alone; L is shared.
    pub(crate) fn keep(&mut self, other: &Self) {
        self.m = other.m;
        self.lower = Arc::clone(&other.lower);
        self.updates.clone_from(&other.updates);
        self.update_rows.clone_from(&other.update_rows);
        self.update_values.clone_from(&other.update_values);
        self.upper_columns.clone_from(&other.upper_columns);
        self.upper_rows.clone_from(&other.upper_rows);
        self.diagonal.clone_from(&other.diagonal);
        self.order.clone_from(&other.order);
        self.place.clone_from(&other.place);
        self.row_of.clone_from(&other.row_of);
        self.position_of.clone_from(&other.position_of);
        self.is_aligned = other.is_aligned;
        self.fresh = other.fresh;
    }

    /// Empty factors.
    fn begin(&mut self) {
        let m = self.m;
        if Arc::get_mut(&mut self.lower).is_none() {
            self.lower = Arc::default();
        }
        let lower = Arc::make_mut(&mut self.lower);
        lower.columns.reset(m);
        lower.order.clear();
        self.upper_columns.reset(m);
        self.updates.clear();
        self.update_rows.clear();
        self.update_values.clear();
        self.order.clear();
        self.diagonal.clear();
        self.diagonal.resize(m, 0.0);
        self.row_of.clear();
        self.row_of.resize(m, NONE);
        self.position_of.clear();
        self.position_of.resize(m, NONE);
        self.spike.clear();
        self.is_aligned = false;
    }

    /// Renames each position to its pivot's row, which spares the solves a
    /// permutation. Returns the new name by old position; the caller must
    /// reorder all that it keeps by position.
    pub(crate) fn align(&mut self) -> Vec<Index> {
        let renamed = self.row_of.clone();
        for (i, name) in (0..).zip(self.row_of.iter_mut()) {
            *name = i;
        }
        self.position_of.copy_from_slice(&self.row_of);
        self.is_aligned = true;
        renamed
    }

    /// The copies that a complete factorisation needs.
    fn finish(&mut self) {
        let Lower {
            columns,
            rows,
            rows_order,
            ..
        } = Arc::make_mut(&mut self.lower);
        rows.transpose_of(columns, false);
        rows_order.clear();
        let nonempty = |row: &&Index| !rows.get(**row as usize).0.is_empty();
        rows_order.extend(self.order.iter().rev().filter(nonempty));
        self.upper_rows.transpose_of(&self.upper_columns, true);
        self.place.clear();
        self.place.resize(self.m, 0);
        for (at, &row) in self.order.iter().enumerate() {
            self.place[row as usize] = index(at);
        }
        self.search.reset(self.m);
        self.fresh = self.upper_columns.stored();
    }

    /// Solves B x = v. In: by row; out: by position. `keep_for_update` keeps
    /// what [`Factor::update`] needs of the column v.
    pub(crate) fn ftran(&mut self, v: &mut SparseVector, keep_for_update: bool) {
        let mut is_listed = !v.is_dense();
        let kind = usize::from(keep_for_update);
        self.ticks += solve(
            &self.lower.columns,
            None,
            self.lower.order.iter(),
            v,
            &mut is_listed,
            &mut self.search,
            &mut self.density.forward[kind][0],
        );
        self.apply_updates(v, is_listed);
        if keep_for_update {
            self.keep_spike(v, is_listed);
        }
        self.ticks += solve(
            &self.upper_columns,
            Some(&self.diagonal),
            self.order.iter().rev(),
            v,
            &mut is_listed,
            &mut self.search,
            &mut self.density.forward[kind][1],
        );
        if !self.is_aligned {
            Self::permute(v, &mut self.work, is_listed, &self.position_of);
        } else if !is_listed {
            v.list_again();
        }
        if !is_listed {
            let result = v.indices.len() as f64 / self.m.max(1) as f64;
            let [lower, upper] = &mut self.density.forward[kind];
            *upper += DENSITY_WEIGHT * (result - *upper);
            *lower *= FORGET;
        }
    }

    /// Solves B^T y = v. In: by position; out: by row.
    pub(crate) fn btran(&mut self, v: &mut SparseVector) {
        if !self.is_aligned {
            let is_listed = !v.is_dense();
            Self::permute(v, &mut self.work, is_listed, &self.row_of);
        }
        let mut is_listed = !v.is_dense();
        self.ticks += solve(
            &self.upper_rows,
            Some(&self.diagonal),
            self.order.iter(),
            v,
            &mut is_listed,
            &mut self.search,
            &mut self.density.backward[0],
        );
        self.apply_updates_transposed(v, is_listed);
        self.ticks += solve(
            &self.lower.rows,
            None,
            self.lower.rows_order.iter(),
            v,
            &mut is_listed,
            &mut self.search,
            &mut self.density.backward[1],
        );
        if !is_listed {
            v.list_again();
            let result = v.indices.len() as f64 / self.m.max(1) as f64;
            let [upper, lower] = &mut self.density.backward;
            *lower += DENSITY_WEIGHT * (result - *lower);
            *upper *= FORGET;
        }
    }

    /// The column at `position` becomes the one kept by the last
    /// [`Factor::ftran`], whose result there was `alpha`.
    pub(crate) fn update(&mut self, position: usize, alpha: f64) -> Updated {
        let row = self.row_of[position] as usize;
        let label = index(row);
        let expected = alpha * self.diagonal[row];
        // Row r leaves U; its multipliers.
        self.multipliers.clear();
        let (columns, values) = self.upper_rows.get(row);
        for (&column, &value) in columns.iter().zip(values) {
            self.upper_columns.remove(column as usize, label);
            self.multipliers.add(column as usize, value);
        }
        self.upper_rows.clear(row);
        let mut is_listed = !self.multipliers.is_dense();
        self.ticks += solve(
            &self.upper_rows,
            Some(&self.diagonal),
            self.order[self.place[row] as usize + 1..].iter(),
            &mut self.multipliers,
            &mut is_listed,
            &mut self.search,
            &mut self.density.row,
        );
        if !is_listed {
            self.multipliers.list_again();
            self.density.row *= FORGET;
        }
        // Column r leaves U; the spike comes.
        for &i in self.upper_columns.get(row).0 {
            self.upper_rows.remove(i as usize, label);
        }
        let mut diagonal = 0.0;
        for &(i, value) in &self.spike {
            if i == label {
                diagonal += value;
            } else {
                self.upper_rows.push(i as usize, label, value);
                diagonal -= self.multipliers.values[i as usize] * value;
            }
        }
        let spike = self.spike.iter().copied().filter(|&(i, _)| i != label);
        self.upper_columns.set(row, spike);
        self.diagonal[row] = diagonal;
        self.order[self.place[row] as usize] = NONE;
        self.place[row] = index(self.order.len());
        self.order.push(label);
        if !self.multipliers.indices.is_empty() {
            self.updates.push((label, self.update_rows.len()));
            for &c in &self.multipliers.indices {
                let value = self.multipliers.values[c as usize];
                if value.abs() > TINY {
                    self.update_rows.push(c);
                    self.update_values.push(value);
                }
            }
        }
        self.ticks += (self.spike.len() + self.multipliers.indices.len()) as u64;
        let scale = diagonal.abs().max(expected.abs());
        if diagonal.abs() < LEAST_DIAGONAL || (diagonal - expected).abs() > AGREEMENT * scale {
            return Updated::Unstable;
        }
        let stored = self.upper_columns.stored() + self.update_rows.len();
        if self.order.len() >= self.m + UPDATES || stored > GROWTH * (self.fresh + self.m) {
            return Updated::Full;
        }
        Updated::Ok
    }

    /// v = R^-1 v: each transformation in turn.
    fn apply_updates(&mut self, v: &mut SparseVector, is_listed: bool) {
        for (at, &(row, start)) in self.updates.iter().enumerate() {
            let end = self.update_end(at);
            let rows = &self.update_rows[start..end];
            let values = &self.update_values[start..end];
            let sum: f64 = rows
                .iter()
                .zip(values)
                .map(|(&c, mu)| mu * v.values[c as usize])
                .sum();
            if sum != 0.0 {
                if is_listed {
                    v.add(row as usize, -sum);
                } else {
                    v.values[row as usize] -= sum;
                }
            }
        }
        self.ticks += self.update_rows.len() as u64;
    }

    /// v = R^-T v: the transposed transformations, last first.
    fn apply_updates_transposed(&mut self, v: &mut SparseVector, is_listed: bool) {
        let mut touched = self.updates.len();
        for at in (0..self.updates.len()).rev() {
            let (row, start) = self.updates[at];
            let x = v.values[row as usize];
            if x == 0.0 {
                continue;
            }
            let end = self.update_end(at);
            touched += end - start;
            for (&c, mu) in self.update_rows[start..end]
                .iter()
                .zip(&self.update_values[start..end])
            {
                if is_listed {
                    v.add(c as usize, -mu * x);
                } else {
                    v.values[c as usize] -= mu * x;
                }
            }
        }
        self.ticks += touched as u64;
    }

    fn update_end(&self, at: usize) -> usize {
        self.updates
            .get(at + 1)
            .map_or(self.update_rows.len(), |&(_, next)| next)
    }

    fn keep_spike(&mut self, v: &SparseVector, is_listed: bool) {
        self.spike.clear();
        let mut keep = |i: usize| {
            let value = v.values[i];
            if value.abs() > TINY {
                self.spike.push((index(i), value));
            }
        };
        if is_listed {
            v.indices.iter().for_each(|&i| keep(i as usize));
        } else {
            (0..v.values.len()).for_each(keep);
        }
    }

    /// Moves entry i of `v` to `to[i]`; lists the result.
    fn permute(v: &mut SparseVector, work: &mut SparseVector, is_listed: bool, to: &[Index]) {
        work.indices.clear();
        let mut place = |i: usize| {
            let value = std::mem::take(&mut v.values[i]);
            if value != 0.0 {
                let target = to[i];
                work.values[target as usize] = value;
                work.indices.push(target);
            }
        };
        if is_listed {
            v.indices.iter().for_each(|&i| place(i as usize));
        } else {
            (0..to.len()).for_each(place);
        }
        v.indices.clear();
        std::mem::swap(v, work);
    }
}
