//! What a separator gets: the round's frame, scratch space, a limit on ticks,
//! and the place to put what it finds.

use super::cut::{Cut, clean};
use super::row::{Frame, Mixed, Preference, Scratch, Valid};
use super::{flow_cover, knapsack_cover, mir};
use crate::sparse::Index;
use crate::technique::{Technique, Techniques};
use crate::work::Budget;

/// One separator's turn in one round.
pub(crate) struct Pass<'r, 'a> {
    pub(crate) frame: &'r Frame<'a>,
    pub(crate) scratch: &'r mut Scratch,
    pub(crate) budget: &'r mut Budget,
    pub(crate) techniques: Techniques,
    /// Tick count at which to stop.
    pub(crate) limit: u64,
    pub(crate) is_local: bool,
    pub(crate) found: Vec<Cut>,
}

impl Pass<'_, '_> {
    /// Whether to stop.
    pub(crate) fn is_spent(&mut self) -> bool {
        self.budget.ticks() >= self.limit || self.budget.is_over()
    }

    /// Takes an inequality over the columns if it makes a good cut.
    pub(crate) fn offer(&mut self, terms: Vec<(Index, f64)>, rhs: f64, source: Technique) -> bool {
        self.budget.spend_entries(4 * terms.len());
        let cut = clean(self.frame, terms, rhs, source, self.is_local);
        let is_cut = cut.is_some();
        self.found.extend(cut);
        is_cut
    }

    /// Takes a valid inequality of `mixed`.
    fn offer_valid(&mut self, mixed: &Mixed, valid: &Valid, source: Technique) -> bool {
        let (terms, rhs) = self.frame.restore(mixed, valid, self.scratch);
        self.offer(terms, rhs, source)
    }

    /// Tries the cut-generating functions on the equation `sum terms = 0` over
    /// columns and activities, in both directions; whether any gave a cut.
    /// The best function's cut is taken, for each direction. `rounding` is what mixed integer rounding is counted as.
    pub(crate) fn separate_base(
        &mut self,
        terms: &[(Index, f64)],
        preference: Preference,
        rounding: Technique,
    ) -> bool {
        let mut is_cut = false;
        for sign in [1.0, -1.0] {
            self.budget.spend_entries(4 * terms.len());
            let mixed = self.frame.substitute(terms, sign, preference, self.scratch);
            if let Some(mixed) = mixed {
                is_cut |= self.separate_mixed(&mixed, rounding);
            }
        }
        is_cut
    }

    fn separate_mixed(&mut self, mixed: &Mixed, rounding: Technique) -> bool {
        let mut found: Vec<(Valid, f64, Technique)> = Vec::new();
        let mut keep = |cut: Option<(Valid, f64)>, source| {
            found.extend(cut.map(|(valid, efficacy)| (valid, efficacy, source)));
        };
        // Tableau rows are dense, and rounding is what they are made for.
        let has_covers = rounding != Technique::Gomory;
        if has_covers && self.techniques.has(Technique::KnapsackCover) {
            let cut = knapsack_cover::separate(mixed, self.budget);
            keep(cut, Technique::KnapsackCover);
        }
        if has_covers && self.techniques.has(Technique::FlowCover) {
            let cut = flow_cover::separate(mixed, self.budget);
            keep(cut, Technique::FlowCover);
        }
        if self.techniques.has(rounding) {
            keep(mir::separate(mixed, self.budget), rounding);
        }
        let best = found.iter().fold(0.0_f64, |m, cut| m.max(cut.1));
        let mut is_cut = false;
        for (valid, efficacy, source) in found {
            if efficacy >= best {
                is_cut |= self.offer_valid(mixed, &valid, source);
            }
        }
        is_cut
    }

    /// The rounding with divisor 1, every variable from the simple bound it is
    /// closest to: a Gomory mixed integer cut if `terms` is a tableau row. The
    /// other direction gives the same cut: its fractions are these ones' to 1.
    pub(crate) fn round_base(&mut self, terms: &[(Index, f64)], source: Technique) -> bool {
        self.budget.spend_entries(4 * terms.len());
        let mixed = self
            .frame
            .substitute(terms, 1.0, Preference::Simple, self.scratch);
        let Some(mixed) = mixed else {
            return false;
        };
        mir::round(&mixed, 1.0).is_some_and(|valid| {
            mixed.efficacy(&valid) > 0.0 && self.offer_valid(&mixed, &valid, source)
        })
    }
}
