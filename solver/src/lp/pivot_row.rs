//! One row of the tableau: alpha_j = rho a_j for nonbasic columns, -rho_i for
//! nonbasic logicals.
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
    /// Fills `row` from `rho`.
    pub(super) fn compute_row(&mut self, problem: &Problem, budget: &mut Budget) {
        let n = problem.n();
        let row = &mut self.row;
        for &v in &row.index {
            row.value[v as usize] = 0.0;
        }
        row.index.clear();
        let entries = length(&self.rho);
        #[expect(clippy::cast_precision_loss, reason = "counts")]
        let is_dense = entries as f64 > params::BY_COLUMNS * problem.m() as f64;
        let mut work = entries;
        if is_dense {
            let rho = &self.rho.values;
            for j in 0..n {
                if self.status[j] == VarStatus::Basic {
                    continue;
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
            });
            let (value, status) = (&mut row.value, &self.status);
            row.index.retain(|&j| {
                let j = j as usize;
                let keep = status[j] != VarStatus::Basic && value[j].abs() > params::DROP;
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
        budget.spend_entries(work + row.index.len());
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
