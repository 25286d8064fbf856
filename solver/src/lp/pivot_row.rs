//! One row of the tableau: alpha_j = rho a_j for nonbasic columns, -rho_i for
//! nonbasic logicals. Fixed columns are left out: they do not enter, and their
//! reduced costs are computed when they are freed ([`State::fresh_d`]).
//!
//! Sparse rho: the rows of its entries are added up. Dense rho: one dot product
//! for each nonbasic column.

use super::VarStatus;
use super::params;
use super::problem::Problem;
use super::state::{State, each_entry, length};
use crate::sparse::index;
use crate::work::Budget;

/// Stands for a sum that cancelled to zero while its index is listed.
const CANCELLED: f64 = 1e-100;

impl State {
    /// Fills `row` from `rho`. It is not complete where the budget is over after.
    pub(super) fn compute_row(&mut self, problem: &Problem, budget: &mut Budget) {
        let n = problem.n();
        let row = &mut self.row;
        for &v in &row.index {
            row.value[v as usize] = 0.0;
        }
        row.index.clear();
        let mut work = length(&self.rho);
        let mut spent = 0;
        let mut in_rows = 0;
        each_entry!(self.rho, |i, _value| {
            in_rows += problem.by_row.count(i);
        });
        if in_rows > problem.by_row.nonzeros() / params::BY_COLUMNS {
            let rho = &self.rho.values;
            for (j, &way) in self.way[..n].iter().enumerate() {
                if way == 0 {
                    continue;
                }
                if work >= spent + params::LOOK {
                    budget.spend_entries(work - spent);
                    spent = work;
                    if budget.is_over() {
                        break;
                    }
                }
                let (indices, values) = problem.by_column.get(j);
                let mut sum = 0.0;
                for (&i, &a) in indices.iter().zip(values) {
                    sum += a * rho[i as usize];
                }
                work += indices.len();
                if sum.abs() > params::DROP {
                    row.value[j] = sum;
                    row.index.push(index(j));
                }
            }
        } else {
            each_entry!(self.rho, |i, rho| {
                let (indices, values) = problem.by_row.get(i);
                for (&j, &a) in indices.iter().zip(values) {
                    let slot = &mut row.value[j as usize];
                    if *slot == 0.0 {
                        row.index.push(j);
                    }
                    let sum = *slot + rho * a;
                    *slot = if sum == 0.0 { CANCELLED } else { sum };
                }
                work += indices.len();
                if work >= spent + params::LOOK {
                    budget.spend_entries(work - spent);
                    spent = work;
                    if budget.is_over() {
                        break;
                    }
                }
            });
            let (value, way) = (&mut row.value, &self.way);
            row.index.retain(|&j| {
                let j = j as usize;
                let keep = way[j] != 0 && value[j].abs() > params::DROP;
                if !keep {
                    value[j] = 0.0;
                }
                keep
            });
        }
        each_entry!(self.rho, |i, rho| {
            if self.status[n + i] != VarStatus::Basic && rho.abs() > params::DROP {
                row.value[n + i] = -rho;
                row.index.push(index(n + i));
            }
        });
        budget.spend_entries(work.saturating_sub(spent) + row.index.len());
    }

    /// Moves the reduced costs by the dual step `theta` along `row`.
    pub(super) fn update_dual(&mut self, theta: f64, budget: &mut Budget) {
        if theta != 0.0 {
            for &v in &self.row.index {
                self.d[v as usize] -= theta * self.row.value[v as usize];
            }
        }
        budget.spend_entries(self.row.index.len());
    }
}
