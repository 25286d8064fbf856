//! Orbital fixing: symmetric columns share their bounds.
//!
//! Points of interest (feasible, better than the limit) are mapped to points of
//! interest by every symmetry of the problem ([`crate::symmetry`]). In a node
//! let D be the lower bounds `x_j >= v` that branching has set on the way, and
//! G the symmetries that leave D as it is. Then for each orbit O of G
//!
//! ```text
//! max_{j in O} l_j <= x_i <= min_{j in O} u_j   for each i in O
//! ```
//!
//! may be imposed: an equally good point stays somewhere in the tree.
//!
//! *Proof.* Order the leaves below a node so that those of the child with the
//! raised lower bound come before those of its sibling. Take a point x of
//! interest in the node that is cut off since `x_i` exceeds `u_j` (the other
//! side is alike), and g in G with `g(i) = j`. `g x` is of interest, equally
//! good, fulfils D, and violates `x_j <= u_j`. If it fulfils the upper bounds
//! set by branching too, it lies in the node, where `x_j <= u_j` came about in
//! one of two ways: it holds for all points of interest in the node, which `g x`
//! contradicts, or by an earlier step of orbital fixing, to which the argument
//! applies again. Otherwise it violates an upper bound set on the way, and the
//! first of these puts it below the sibling of a node on the way: into an
//! earlier leaf. There it stays, or is replaced likewise. Steps and leaves are
//! finite, so this ends. ∎
//!
//! What the proof rests on:
//!
//! - Only branching counts as a decision. What strong branching, reduced costs,
//!   rows, cuts or clauses imply holds for all points of interest in the node
//!   and is no part of D; strong branching must not use orbits, since a bound
//!   that it gets from them would be a decision.
//! - Everything that counts beyond a node (clauses, cuts, bounds of the root,
//!   also by reduced costs) holds for all points of interest, not for the ones
//!   that are left only. A clause never explains a bound set here: the bound
//!   itself goes into the clause ([`crate::propagation`]).
//! - At the root D is empty: bounds shared there hold for all points of
//!   interest, so that a restart, which looks for symmetries anew on what is
//!   left, may build on them. Reductions of presolve come before.
//! - No other technique chooses among symmetric points in the tree. Which of
//!   them heuristics find does not matter.
//!
//! The mean of a solution over the group is used to separate at the root.
//!
//! A known optimal point (debug solution) may be cut off like any other; it is
//! checked at the root only.
//!
//! Sources: F. Margot 2002, "Pruning by isomorphism in branch-and-cut",
//! Mathematical Programming 94; J. Ostrowski, J. Linderoth, F. Rossi, S.
//! Smriglio 2011, "Orbital branching", Mathematical Programming 126; M.
//! Pfetsch, T. Rehn 2019, "A computational comparison of symmetry handling
//! methods for mixed integer programs", Mathematical Programming Computation 11.

use std::sync::Arc;

use super::node::Path;
use super::tree::Tree;
use crate::propagation::Reason;
use crate::sparse::Index;
use crate::symmetry::{Orbits, Symmetry};
use crate::tally::Effort;
use crate::technique::Technique;
use crate::work::Budget;

/// How often bounds are shared and propagated in turn.
const ROUNDS: u32 = 10;

/// The symmetries of a tree's problem, and the orbits of the last stabilizer.
#[derive(Debug)]
pub(super) struct Orbital {
    symmetry: Symmetry,
    /// Lower bounds set by branching: by column, the highest.
    raised: Vec<(Index, f64)>,
    orbits: Orbits,
}

impl Orbital {
    /// Sets the orbits to those at the end of a way.
    fn follow(&mut self, way: &[Arc<Path>], budget: &mut Budget) {
        let decisions = way.iter().map(|step| step.decision);
        let mut raised: Vec<(Index, f64)> = decisions
            .filter(|decision| !decision.is_upper)
            .map(|decision| (decision.column, decision.value))
            .collect();
        budget.spend_entries(way.len());
        raised.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
        raised.dedup_by_key(|&mut (column, _)| column);
        if raised != self.raised {
            self.orbits = self.symmetry.orbits(&raised, budget);
            self.raised = raised;
        }
    }
}

impl Tree<'_> {
    /// Looks for symmetries of the problem and lets symmetric columns share the
    /// root's bounds; false if nothing is left.
    pub(super) fn detect_symmetry(&mut self, budget: &mut Budget) -> bool {
        if !self.params.techniques.has(Technique::Symmetry)
            || self.params.is_sub_mip
            || self.orbital.is_some()
        {
            return true;
        }
        let before = budget.ticks();
        if let Some(symmetry) = Symmetry::detect(&self.mip, budget) {
            self.orbital = Some(Orbital {
                orbits: symmetry.orbits(&[], budget),
                raised: Vec::new(),
                symmetry,
            });
        }
        let found = self.orbital.as_ref();
        let effort = Effort {
            calls: 1,
            found: found.map_or(0, |found| found.symmetry.generators() as u64),
            used: found.map_or(0, |found| found.orbits.columns() as u64),
            ticks: budget.ticks() - before,
        };
        self.count(Technique::Symmetry, effort);
        self.domain.pop_to(0);
        self.stack.clear();
        self.share_bounds(budget)
    }

    /// The mean of the relaxation's point over all that symmetries of the
    /// problem make of it.
    pub(super) fn orbit_mean(&self, budget: &mut Budget) -> Option<Vec<f64>> {
        let orbital = self.orbital.as_ref()?;
        let mut mean = self.x.clone();
        budget.spend_entries(mean.len() + orbital.orbits.columns());
        for orbit in orbital.orbits.iter() {
            let sum: f64 = orbit.iter().map(|&j| self.x[j as usize]).sum();
            #[expect(clippy::cast_precision_loss, reason = "a mean")]
            let value = sum / orbit.len() as f64;
            for &j in orbit {
                mean[j as usize] = value;
            }
        }
        Some(mean)
    }

    /// Lets symmetric columns share bounds, and propagates; false if nothing is
    /// left of the node.
    pub(super) fn share_bounds(&mut self, budget: &mut Budget) -> bool {
        let Some(mut orbital) = self.orbital.take() else {
            return true;
        };
        orbital.follow(&self.stack, budget);
        let mut is_alive = true;
        for _ in 0..ROUNDS {
            let before = self.domain.trail().len();
            budget.spend_entries(2 * orbital.orbits.columns());
            is_alive = orbital.orbits.iter().all(|orbit| self.share_orbit(orbit));
            if !is_alive || self.domain.trail().len() == before || budget.is_over() {
                break;
            }
            if self.params.techniques.has(Technique::Propagation) {
                is_alive = self.domain.propagate(budget);
                if !is_alive {
                    break;
                }
            }
        }
        self.orbital = Some(orbital);
        is_alive
    }

    /// False: a contradiction.
    fn share_orbit(&mut self, orbit: &[Index]) -> bool {
        if !self.mip.integer[orbit[0] as usize] {
            return true;
        }
        let (lower, upper) = (self.domain.lower(), self.domain.upper());
        let bounds = || {
            orbit
                .iter()
                .map(|&j| (lower[j as usize], upper[j as usize]))
        };
        let (first_lower, first_upper) = (lower[orbit[0] as usize], upper[orbit[0] as usize]);
        let (most, least) = bounds().fold((first_lower, first_upper), |(most, least), (l, u)| {
            (most.max(l), least.min(u))
        });
        let is_shared = bounds().all(|(l, u)| l >= most && u <= least);
        is_shared
            || orbit.iter().all(|&j| {
                let j = j as usize;
                self.domain.tighten(j, false, most, Reason::Symmetry)
                    && self.domain.tighten(j, true, least, Reason::Symmetry)
            })
    }
}
