//! Clauses from pruned nodes.
//!
//! A relaxation that is infeasible, or no better than the limit, is a
//! contradiction of one row. With Farkas multipliers y,
//!
//! ```text
//! (A^T y) x = sum_i y_i r_i <= sum_i max_{r_i} y_i r_i
//! ```
//!
//! fails for all x in the bounds; with duals y and the objective limit z,
//!
//! ```text
//! (c - A^T y) x = c x - sum_i y_i r_i <= z - sum_i min_{r_i} y_i r_i
//! ```
//!
//! does. Both rows hold for every point of interest, whatever the node.

use super::tree::Tree;
use crate::sparse::{Index, index};
use crate::tally::Effort;
use crate::technique::Technique;
use crate::work::Budget;

/// Share of the ticks of relaxations that learning from them may take.
const SHARE: f64 = 0.1;

/// Ticks to learn from one contradiction of propagation, about.
const LEARNING: usize = 100;

/// Least |coefficient|, relative to the largest, that is kept in the row; what
/// is dropped is put to its side at the bound that is best for it.
const TINY: f64 = 1e-11;

impl Tree<'_> {
    /// After propagation found a contradiction.
    pub(super) fn learn_from_propagation(&mut self, budget: &mut Budget) {
        if self.params.techniques.has(Technique::Conflicts) {
            budget.spend_entries(LEARNING);
            let is_learned = self.domain.learn();
            self.count_clause(is_learned, LEARNING as u64);
        }
    }

    fn count_clause(&mut self, is_learned: bool, ticks: u64) {
        let effort = Effort {
            calls: 1,
            found: u64::from(is_learned),
            used: u64::from(is_learned),
            ticks,
        };
        self.count(Technique::Conflicts, effort);
    }

    /// After the LP was found infeasible or at the limit.
    pub(super) fn learn_from_relaxation(&mut self, budget: &mut Budget) {
        #[expect(clippy::cast_precision_loss, reason = "an effort limit")]
        let is_spent = self.learning_ticks as f64 > SHARE * self.relaxation_ticks as f64;
        if is_spent || !self.params.techniques.has(Technique::Conflicts) || self.domain.level() == 0
        {
            return;
        }
        let before = budget.ticks();
        let mut is_learned = false;
        let mut dense = vec![0.0; self.mip.columns()];
        let mut side;
        if let Some(y) = self.lp.farkas() {
            side = 0.0;
            for (i, &y) in y.iter().enumerate() {
                if y != 0.0 {
                    let most = if y > 0.0 {
                        self.lp.row_upper()[i]
                    } else {
                        self.lp.row_lower()[i]
                    };
                    side += y * most;
                    let (columns, values) = self.lp.row(i);
                    for (&j, &a) in columns.iter().zip(values) {
                        dense[j as usize] += y * a;
                    }
                    budget.spend_entries(columns.len());
                }
            }
            if !side.is_finite() {
                // The other sign is the proof then.
                side = 0.0;
                for (i, &y) in y.iter().enumerate() {
                    if y != 0.0 {
                        let least = if y > 0.0 {
                            self.lp.row_lower()[i]
                        } else {
                            self.lp.row_upper()[i]
                        };
                        side -= y * least;
                    }
                }
                for value in &mut dense {
                    *value = -*value;
                }
            }
        } else if self.limit.is_finite() {
            side = self.lp_cutoff();
            dense.copy_from_slice(self.lp.cost());
            for (i, &y) in self.lp.duals().iter().enumerate() {
                let least = if y > 0.0 {
                    self.lp.row_lower()[i]
                } else {
                    self.lp.row_upper()[i]
                };
                if y != 0.0 && least.is_finite() {
                    side -= y * least;
                    let (columns, values) = self.lp.row(i);
                    for (&j, &a) in columns.iter().zip(values) {
                        dense[j as usize] -= y * a;
                    }
                    budget.spend_entries(columns.len());
                }
            }
        } else {
            return;
        }
        budget.spend_entries(2 * dense.len());
        if side.is_finite() {
            let largest = dense.iter().fold(0.0_f64, |most, a| most.max(a.abs()));
            let mut terms: Vec<(Index, f64)> = Vec::new();
            for (j, &a) in dense.iter().enumerate() {
                if a.abs() > TINY * largest {
                    terms.push((index(j), a));
                } else if a != 0.0 {
                    let at = if a > 0.0 {
                        self.mip.lower[j]
                    } else {
                        self.mip.upper[j]
                    };
                    side -= a * at;
                }
            }
            if side.is_finite() {
                is_learned = self.domain.learn_from_row(&terms, side);
            }
        }
        let ticks = budget.ticks() - before;
        self.learning_ticks += ticks;
        self.count_clause(is_learned, ticks);
    }
}
