//! Cuts below the root, and the bases of nodes while the rows change.
//!
//! Now and then a node's relaxation is separated as the root's is: with the
//! root's bounds, so that every cut holds everywhere and stays for the nodes to
//! come. How often is learned: a run that closes a good part of the node's gap
//! ([`GOOD`]) halves the nodes until the next, one that does not doubles them.
//! All runs together stay below a share of the ticks of relaxations.
//!
//! Rows of cuts come and go, so a node's basis names them: cuts are numbered in
//! the order in which they came, and a basis is stored with the numbers of its
//! cut rows. A cut that the basis does not know gets a basic slack; one that is
//! gone may leave the basis short, which the LP repairs.

use std::sync::Arc;

use super::Ending;
use super::process::Relaxed;
use super::tree::Tree;
use crate::cuts::{Cut, Relaxation, lp_rows};
use crate::lp::{Basis, VarStatus};
use crate::technique::Technique;
use crate::work::Budget;

/// Ticks of separation for each tick in relaxations, below the root, and those
/// that are there from the start.
const SHARE: f64 = 0.1;
const FREE_TICKS: f64 = 1_000_000.0;

/// Rounds at one node.
const ROUNDS: u32 = 4;

/// Share of a node's gap that a run must close to be repeated soon, and each
/// round to be followed by another.
const GOOD: f64 = 0.05;

/// Nodes until the next run, at most.
const LONGEST_WAIT: u64 = 512;

/// Columns of a cut, at most: this many and a share of all. A dense row slows
/// every relaxation to come.
const LONG: usize = 20;
const LONG_DIVISOR: usize = 20;

/// Solves for which a cut may be idle before it goes.
const AGE: u32 = 10;

/// A basis and the numbers of its cut rows.
#[derive(Clone, Debug)]
pub(crate) struct NodeBasis {
    basis: Basis,
    cuts: Arc<Vec<u32>>,
}

/// The cut rows of the LP, and when to look for more.
#[derive(Debug, Default)]
pub(super) struct Cutting {
    /// Number of each cut row, ascending.
    numbers: Arc<Vec<u32>>,
    next: u32,
    ticks: u64,
    /// Nodes from which on there may be a run, and the wait after it.
    due: u64,
    wait: u64,
}

impl Cutting {
    /// The LP got cut rows: there are `count` now.
    fn added(&mut self, count: usize) {
        let numbers = Arc::make_mut(&mut self.numbers);
        while numbers.len() < count {
            numbers.push(self.next);
            self.next += 1;
        }
    }

    /// Cut rows were deleted.
    fn deleted(&mut self, keep: &[bool]) {
        let mut at = 0;
        Arc::make_mut(&mut self.numbers).retain(|_| {
            at += 1;
            keep[at - 1]
        });
    }
}

impl Tree<'_> {
    /// The LP's basis, to be stored.
    pub(super) fn node_basis(&mut self) -> NodeBasis {
        // The root's rounds do not count their rows.
        self.cutting.added(self.lp.rows() - self.mip.rows());
        NodeBasis {
            basis: self.lp.basis(),
            cuts: Arc::clone(&self.cutting.numbers),
        }
    }

    /// Starts the next relaxation from a stored basis.
    pub(super) fn restore_basis(&mut self, stored: &NodeBasis) {
        if Arc::ptr_eq(&stored.cuts, &self.cutting.numbers) {
            self.lp.set_basis(&stored.basis);
            return;
        }
        let own = self.mip.rows();
        let mut rows = stored.basis.rows[..own].to_vec();
        let mut at = 0;
        for &number in self.cutting.numbers.iter() {
            while at < stored.cuts.len() && stored.cuts[at] < number {
                at += 1;
            }
            let is_known = at < stored.cuts.len() && stored.cuts[at] == number;
            rows.push(if is_known {
                stored.basis.rows[own + at]
            } else {
                VarStatus::Basic
            });
        }
        self.lp.set_basis(&Basis {
            columns: stored.basis.columns.clone(),
            rows,
        });
    }

    /// One round of separation of the current relaxation with the bounds of level
    /// 0: cuts that hold everywhere.
    pub(super) fn find_cuts(
        &mut self,
        is_root: bool,
        budget: &mut Budget,
    ) -> Result<Vec<Cut>, Ending> {
        let mean = if is_root && self.separation.looks_for_products() {
            self.orbit_mean(budget)
        } else {
            None
        };
        let cuts = self.separation.round(
            &mut Relaxation {
                mip: &self.mip,
                lp: &mut self.lp,
                lower: self.domain.root_lower(),
                upper: self.domain.root_upper(),
                is_local: false,
                cliques: &self.cliques,
                variable_bounds: &self.variable_bounds,
                is_root,
                mean: mean.as_deref(),
                known: self.incumbent.as_ref().map(|(x, _)| x.as_slice()),
            },
            budget,
        );
        if budget.is_over() {
            return Err(Ending::Stopped);
        }
        self.separation.tell(&mut self.carry.progress.tally);
        self.check_debug_cuts(&cuts);
        Ok(cuts)
    }

    fn is_separation_due(&self) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "an effort limit")]
        let may_spend = FREE_TICKS + SHARE * self.relaxation_ticks as f64;
        #[expect(clippy::cast_precision_loss, reason = "an effort limit")]
        let spent = self.cutting.ticks as f64;
        self.params.techniques.has(Technique::LocalCuts)
            && !self.params.is_sub_mip
            && self.tree_nodes >= self.cutting.due
            && spent < may_spend
    }

    /// Separates the current relaxation, open with that bound, if it is time;
    /// what is left of the node.
    pub(super) fn separate_at_node(
        &mut self,
        bound: f64,
        budget: &mut Budget,
    ) -> Result<Relaxed, Ending> {
        if !self.is_separation_due() {
            return Ok(Relaxed::Open(bound));
        }
        let before = budget.ticks();
        let first = bound;
        let mut bound = bound;
        let mut ending = Relaxed::Open(bound);
        for _ in 0..ROUNDS {
            let mut cuts = self.find_cuts(false, budget)?;
            let longest = LONG + self.mip.columns() / LONG_DIVISOR;
            cuts.retain(|cut| cut.terms.len() <= longest);
            if cuts.is_empty() {
                break;
            }
            self.lp.add_rows(&lp_rows(&cuts), budget);
            self.cutting.added(self.lp.rows() - self.mip.rows());
            let last = bound;
            ending = self.relax(bound, budget)?;
            match ending {
                Relaxed::Open(new) => bound = new,
                Relaxed::Pruned(_) | Relaxed::Unsolved => break,
            }
            if self.fractional.is_empty() || bound - last < GOOD * (self.limit - last) {
                break;
            }
        }
        if let Relaxed::Open(_) = ending
            && let Some(keep) = self.separation.purge(&self.lp, self.mip.rows(), AGE)
        {
            self.cutting.deleted(&keep[self.mip.rows()..]);
            self.lp.delete_rows(&keep, budget);
            // Solved again at once, from an optimal basis.
            ending = self.relax(bound, budget)?;
        }
        self.cutting.ticks += budget.ticks() - before;
        let is_good = match ending {
            Relaxed::Pruned(_) => true,
            Relaxed::Unsolved => false,
            Relaxed::Open(_) if self.limit.is_finite() => {
                bound - first >= GOOD * (self.limit - first)
            }
            Relaxed::Open(_) => bound > first,
        };
        let wait = &mut self.cutting.wait;
        *wait = if is_good {
            (*wait / 2).max(1)
        } else {
            (2 * *wait).clamp(1, LONGEST_WAIT)
        };
        self.cutting.due = self.tree_nodes + *wait;
        Ok(ending)
    }
}
