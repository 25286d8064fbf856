//! Bounds, costs, rows and columns that come and go; bases and checkpoints.

use std::sync::Arc;

use super::problem::{Problem, is_crossed};
use super::solve::Answer;
use super::state::State;
use super::{Basis, Checkpoint, Lp, LpRow, VarStatus};
use crate::mip::Mip;
use crate::sparse::{Index, Matrix};
use crate::work::Budget;

/// A column to be added; `terms` are `(row, coefficient)`.
#[cfg(test)]
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LpColumn {
    pub(crate) terms: Vec<(Index, f64)>,
    pub(crate) cost: f64,
    pub(crate) lower: f64,
    pub(crate) upper: f64,
}

impl Lp {
    /// The relaxation of `mip` with the slack basis. Where the budget is over
    /// before it is made, it is not that; then nothing can be solved either.
    pub(crate) fn new(mip: &Mip, budget: &mut Budget) -> Self {
        let problem = Problem::new(mip, budget);
        let state = State::new(&problem);
        Self {
            problem,
            state,
            answer: Answer::default(),
            iterations: 0,
        }
    }

    /// Number of columns.
    pub(crate) fn columns(&self) -> usize {
        self.problem.n()
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.problem.m()
    }

    /// Lower bounds of the columns.
    pub(crate) fn col_lower(&self) -> &[f64] {
        &self.problem.col_lower
    }

    /// Upper bounds of the columns.
    pub(crate) fn col_upper(&self) -> &[f64] {
        &self.problem.col_upper
    }

    /// Costs of the columns.
    pub(crate) fn cost(&self) -> &[f64] {
        &self.problem.cost
    }

    /// Lower sides of the rows.
    pub(crate) fn row_lower(&self) -> &[f64] {
        &self.problem.row_lower
    }

    /// Upper sides of the rows.
    pub(crate) fn row_upper(&self) -> &[f64] {
        &self.problem.row_upper
    }

    /// Columns and coefficients of row `i`.
    pub(crate) fn row(&self, i: usize) -> (&[Index], &[f64]) {
        self.problem.row(i)
    }

    /// Rows and coefficients of column `j`.
    #[cfg(test)]
    pub(crate) fn column(&self, j: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let (n, scale) = (self.problem.n(), &self.problem.scale);
        self.problem
            .by_column
            .iter(j)
            .map(move |(i, a)| (i, a * scale[n + i] / scale[j]))
    }

    /// Changes the bounds of column `j`.
    pub(crate) fn set_col_bounds(&mut self, j: usize, lower: f64, upper: f64) {
        let problem = &mut self.problem;
        let was_crossed = is_crossed(problem.col_lower[j], problem.col_upper[j]);
        problem.col_lower[j] = lower;
        problem.col_upper[j] = upper;
        self.take_bounds(j, was_crossed, is_crossed(lower, upper));
    }

    fn take_bounds(&mut self, v: usize, was_crossed: bool, is_crossed: bool) {
        self.problem.crossed -= usize::from(was_crossed);
        self.problem.crossed += usize::from(is_crossed);
        let (lower, upper) = self.problem.bounds(v);
        let state = &mut self.state;
        #[expect(clippy::float_cmp, reason = "unchanged bits need no work")]
        if state.lower[v] != lower || state.upper[v] != upper {
            state.lower[v] = lower;
            state.upper[v] = upper;
            state.moved.push(crate::sparse::index(v));
        }
    }

    /// Changes the cost of column `j`.
    pub(crate) fn set_cost(&mut self, j: usize, cost: f64) {
        let change = (cost - self.problem.cost[j]) * self.problem.scale[j];
        self.problem.cost[j] = cost;
        self.state.cost[j] += change;
        if self.state.status[j] == VarStatus::Basic {
            self.state.is_dual_stale = true;
        } else {
            self.state.d[j] += change;
            self.state.objective += change * self.state.x[j];
        }
    }

    /// Adds `rows`; their logicals become basic.
    pub(crate) fn add_rows(&mut self, rows: &[LpRow], budget: &mut Budget) {
        if rows.is_empty() {
            return;
        }
        let problem = &mut self.problem;
        let (plain, scaled) = (
            Arc::make_mut(&mut problem.rows),
            Arc::make_mut(&mut problem.by_row),
        );
        for row in rows {
            let scale = row_scale(
                row.terms
                    .iter()
                    .map(|&(j, a)| a * problem.scale[j as usize]),
            );
            plain.push(row.terms.iter().copied());
            scaled.push(
                row.terms
                    .iter()
                    .map(|&(j, a)| (j, a * problem.scale[j as usize] * scale)),
            );
            problem.row_lower.push(row.lower);
            problem.row_upper.push(row.upper);
            problem.scale.push(1.0 / scale);
        }
        problem.count_crossed();
        let columns = problem.by_row.transpose_within(problem.n(), budget);
        problem.by_column = Arc::new(columns);
        let old = self.state.head.len();
        self.state.resize(&self.problem);
        for i in old..self.problem.m() {
            self.state.enter(self.problem.n() + i, i);
            self.state.weight[i] = 1.0;
        }
    }

    /// Keeps the rows marked in `keep` only. Rows whose logical is nonbasic may
    /// go too; the basis is then completed.
    pub(crate) fn delete_rows(&mut self, keep: &[bool], budget: &mut Budget) {
        let n = self.problem.n();
        let (mut basis, weights) = (self.state.basis(n), self.state.weights_by_variable());
        let mut by_variable = weights[..n].to_vec();
        let problem = &mut self.problem;
        by_variable.extend(kept(&weights[n..], keep));
        let mut rows = Matrix::default();
        for i in (0..problem.m()).filter(|&i| keep[i]) {
            let (indices, values) = problem.rows.get(i);
            rows.push(indices.iter().copied().zip(values.iter().copied()));
            budget.spend_entries(indices.len());
        }
        problem.rows = Arc::new(rows);
        problem.row_lower = kept(&problem.row_lower, keep).collect();
        problem.row_upper = kept(&problem.row_upper, keep).collect();
        let scale: Vec<f64> = kept(&problem.scale[n..], keep).collect();
        problem.scale.truncate(n);
        problem.scale.extend(scale);
        problem.rebuild(budget);
        problem.count_crossed();
        basis.rows = kept(&basis.rows, keep).collect();
        self.rebase(&basis, &by_variable);
    }

    /// Adds `columns`, nonbasic. The search has no use for it yet.
    #[cfg(test)]
    pub(crate) fn add_columns(&mut self, columns: &[LpColumn]) {
        let n = self.problem.n();
        let (mut basis, mut weights) = (self.state.basis(n), self.state.weights_by_variable());
        let problem = &mut self.problem;
        let mut extra: Vec<Vec<(Index, f64)>> = vec![Vec::new(); problem.m()];
        for (k, column) in columns.iter().enumerate() {
            for &(i, a) in &column.terms {
                extra[i as usize].push((crate::sparse::index(n + k), a));
            }
            problem.cost.push(column.cost);
            problem.col_lower.push(column.lower);
            problem.col_upper.push(column.upper);
            basis.columns.push(VarStatus::Lower);
            weights.insert(n, 1.0);
            let scaled = column
                .terms
                .iter()
                .map(|&(i, a)| a / problem.scale[n + k + i as usize]);
            let scale = row_scale(scaled);
            problem.scale.insert(n + k, scale);
        }
        let mut rows = Matrix::default();
        for (i, extra) in extra.into_iter().enumerate() {
            let old = problem
                .rows
                .iter(i)
                .map(|(j, a)| (crate::sparse::index(j), a));
            rows.push(old.chain(extra).collect::<Vec<_>>());
        }
        problem.rows = Arc::new(rows);
        problem.rebuild(&mut Budget::unlimited());
        problem.count_crossed();
        self.rebase(&basis, &weights);
    }

    /// Starts again with the changed problem, `basis` and weights by variable.
    fn rebase(&mut self, basis: &Basis, weights: &[f64]) {
        self.state = State::new(&self.problem);
        self.state.set_basis(&self.problem, basis);
        for (p, &v) in self.state.head.iter().enumerate() {
            self.state.weight[p] = weights[v as usize];
        }
    }

    /// The current basis.
    pub(crate) fn basis(&self) -> Basis {
        self.state.basis(self.problem.n())
    }

    /// Starts the next solve from `basis`; a singular one is repaired.
    pub(crate) fn set_basis(&mut self, basis: &Basis) {
        if *basis != self.basis() {
            self.state.set_basis(&self.problem, basis);
        }
    }

    /// The current bounds, basis, factors, weights and answer.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let mut state = State::default();
        state.keep(&self.state);
        Checkpoint {
            col_lower: self.problem.col_lower.clone(),
            col_upper: self.problem.col_upper.clone(),
            row_lower: self.problem.row_lower.clone(),
            row_upper: self.problem.row_upper.clone(),
            crossed: self.problem.crossed,
            state,
            answer: self.answer.clone(),
        }
    }

    /// Back to `checkpoint`, taken with the same rows, columns and costs.
    pub(crate) fn rollback(&mut self, checkpoint: &Checkpoint) {
        let problem = &mut self.problem;
        problem.col_lower.clone_from(&checkpoint.col_lower);
        problem.col_upper.clone_from(&checkpoint.col_upper);
        problem.row_lower.clone_from(&checkpoint.row_lower);
        problem.row_upper.clone_from(&checkpoint.row_upper);
        problem.crossed = checkpoint.crossed;
        self.state.keep(&checkpoint.state);
        self.answer.keep(&checkpoint.answer);
    }
}

/// The entries of `values` that are marked.
fn kept<'a, T: Copy>(values: &'a [T], keep: &'a [bool]) -> impl Iterator<Item = T> + 'a {
    values
        .iter()
        .zip(keep)
        .filter(|&(_, &keep)| keep)
        .map(|(&value, _)| value)
}

/// The power of two that brings the geometric mean of the least and the largest
/// magnitude nearest to one.
fn row_scale(values: impl Iterator<Item = f64>) -> f64 {
    let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
    for value in values.map(f64::abs).filter(|&value| value > 0.0) {
        least = least.min(value);
        most = most.max(value);
    }
    if most == 0.0 {
        return 1.0;
    }
    (-(0.5 * (least.log2() + most.log2())).round()).exp2()
}
