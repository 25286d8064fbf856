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

/// Share of the ticks of relaxations that learning may take.
const SHARE: f64 = 0.1;

/// Least |coefficient|, relative to the largest, that is kept in the row; what
/// is dropped is put to its side at the bound that is best for it.
const TINY: f64 = 1e-11;

/// Share of the ticks of relaxations that propagating clauses may take before
/// there is room for fewer of them.
const PROPAGATING_SHARE: f64 = 0.1;

impl Tree<'_> {
    /// Drops clauses where there are too many for what they cost.
    pub(super) fn tidy_clauses(&mut self) {
        if self.domain.has_many_clauses() {
            let ticks = self.relaxation_ticks - self.tidied_ticks;
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "an effort limit"
            )]
            let allowed = (PROPAGATING_SHARE * ticks as f64) as u64;
            self.tidied_ticks = self.relaxation_ticks;
            self.domain.tidy_clauses(allowed);
        }
    }

    /// After propagation found a contradiction.
    pub(super) fn learn_from_propagation(&mut self, budget: &mut Budget) {
        if self.may_learn() {
            let before = budget.ticks();
            let learned = self.domain.learn();
            budget.spend_entries(learned.touched);
            self.count_clause(learned.is_clause, budget.ticks() - before);
        }
    }

    fn may_learn(&self) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "an effort limit")]
        let is_spent = self.learning_ticks as f64 > SHARE * self.relaxation_ticks as f64;
        !is_spent && self.params.techniques.has(Technique::Conflicts)
    }

    fn count_clause(&mut self, is_learned: bool, ticks: u64) {
        self.learning_ticks += ticks;
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
        if !self.may_learn() || self.domain.level() == 0 {
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
                let learned = self.domain.learn_from_row(&terms, side);
                budget.spend_entries(learned.touched);
                is_learned = learned.is_clause;
            }
        }
        self.count_clause(is_learned, budget.ticks() - before);
    }
}
