//! A crash basis: a start with fewer logicals that have to leave anyway.
//!
//! The logical of an equation is fixed, so it is in no optimal basis but a
//! degenerate one. A column takes its place where
//!
//! - it has no cost, or no bounds: with `c_B = 0` the multipliers stay zero and
//!   the reduced costs are the costs, as with the slack basis, so that nothing
//!   is lost for the dual simplex; a column without bounds has to be basic;
//! - no column chosen before has an entry in its row: the chosen columns and
//!   rows then form a triangle, so that the basis is regular;
//! - its entry there is no small one of its column ([`PIVOT`]), so that the
//!   triangle is well conditioned.
//!
//! Rows with the fewest columns to choose from come first.
//!
//! Source: R. Bixby 1992, "Implementing the simplex method: the initial basis",
//! ORSA Journal on Computing 4.

use super::problem::Problem;
use super::state::State;
use super::{Lp, VarStatus};
use crate::work::Budget;

/// Least entry of a chosen column, over its largest.
const PIVOT: f64 = 0.01;

impl Lp {
    /// Starts the next solve from the crash basis. Columns chosen.
    pub(crate) fn crash(&mut self, budget: &mut Budget) -> usize {
        let chosen = choose(&self.problem, &self.state, budget);
        let n = self.problem.n();
        self.state.slack_basis(&self.problem);
        for &(row, column) in &chosen {
            self.state.leave(n + row, VarStatus::Lower);
            self.state.enter(column, row);
        }
        self.state.reset_costs(&self.problem);
        chosen.len()
    }
}

/// Equations and the columns that take their logicals' places.
fn choose(problem: &Problem, state: &State, budget: &mut Budget) -> Vec<(usize, usize)> {
    let (n, m) = (problem.n(), problem.m());
    budget.spend_entries(2 * problem.by_row.nonzeros() + n + m);
    let is_free = |j: usize| state.lower[j].is_infinite() && state.upper[j].is_infinite();
    let candidates: Vec<bool> = (0..n)
        .map(|j| is_free(j) || (problem.cost[j] == 0.0 && state.lower[j] < state.upper[j]))
        .collect();
    let largest: Vec<f64> = (0..n)
        .map(|j| {
            problem
                .by_column
                .iter(j)
                .fold(0.0, |m, (_, a)| f64::max(m, a.abs()))
        })
        .collect();
    let count = |i: usize| {
        problem
            .by_row
            .iter(i)
            .filter(|&(j, _)| candidates[j])
            .count()
    };
    let mut rows: Vec<(usize, usize)> = (0..m)
        .filter(|&i| state.lower[n + i] >= state.upper[n + i])
        .map(|i| (count(i), i))
        .filter(|&(count, _)| count > 0)
        .collect();
    rows.sort_unstable();
    // Fewer bounds first: such columns are the likelier to stay.
    let bounds = |j: usize| {
        usize::from(state.lower[j].is_finite()) + usize::from(state.upper[j].is_finite())
    };
    let mut is_blocked = vec![false; m];
    let mut is_chosen = vec![false; n];
    let mut chosen = Vec::new();
    for (_, i) in rows {
        if is_blocked[i] {
            continue;
        }
        let best = problem
            .by_row
            .iter(i)
            .filter(|&(j, a)| candidates[j] && !is_chosen[j] && a.abs() >= PIVOT * largest[j])
            .map(|(j, _)| (bounds(j), problem.by_column.iter(j).count(), j))
            .min();
        if let Some((.., j)) = best {
            is_chosen[j] = true;
            for (k, _) in problem.by_column.iter(j) {
                is_blocked[k] = true;
            }
            chosen.push((i, j));
        }
    }
    chosen
}
