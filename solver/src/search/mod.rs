//! Branch and cut.
//!
//! # A search
//!
//! [`search`] presolves a problem, builds a [`tree::Tree`] on what is left and
//! runs it; where much was fixed at the root it starts over on the tightened
//! problem (a restart). It is called for the caller's model and, with limits,
//! for the sub-MIPs of heuristics.
//!
//! | file | what it does |
//! |-|-|
//! | `mod.rs` | presolve, restarts, the layers of postsolve |
//! | `parts.rs` | parts that no row links, each searched on its own |
//! | `tree.rs` | what a tree holds; node selection, plunging, global bound |
//! | `root.rs` | root relaxation, rounds of cuts, heuristics |
//! | `primal.rs` | heuristics and their sub-MIPs |
//! | `process.rs` | one node: propagation, relaxation, fixing, branching |
//! | `cutting.rs` | cuts below the root |
//! | `learn.rs` | clauses from pruned nodes |
//! | `orbital.rs` | bounds shared by symmetric columns |
//! | `objective.rs` | which objective values are of interest |
//! | `node.rs`, `open.rs` | nodes and their order |
//!
//! # Steps
//!
//! Work is done in steps: presolve and root relaxation, then each round of
//! cuts, heuristic and node. After a step the [`Listener`] hears of it and
//! says whether to go on; a step that the budget cut is not told.
//!
//! # What is claimed
//!
//! - A node's bound is what [`crate::lp::Lp::safe_bound`] proves, or its
//!   parent's. Bounds of pruned nodes are kept ([`Tree::finished`]), so the
//!   final bound is their minimum whatever pruned them.
//! - A node ends as infeasible only by propagation or a verified Farkas proof.
//! - A node that numerical trouble leaves unsolved is branched further on any
//!   unfixed integer, and where there is none its bound stays.
//! - A point counts once the listener took it.
//!
//! [`Tree::finished`]: tree::Tree

mod cutting;
mod learn;
mod node;
mod objective;
mod open;
mod orbital;
mod parts;
mod primal;
mod process;
mod root;
mod tree;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use crate::basis::Basis;
use crate::mip::Mip;
use crate::presolve::{Postsolve, Presolved, Reduced, presolve};
use crate::tally::{Effort, Tally};
use crate::technique::{Technique, Techniques};
use crate::tol;
use crate::work::Budget;
pub(crate) use objective::Lattice;
use objective::settled;
use tree::Tree;

/// What a search is asked to do.
#[derive(Clone, Debug)]
pub(crate) struct SearchParams {
    pub(crate) techniques: Techniques,
    pub(crate) seed: u64,
    /// Most nodes.
    pub(crate) nodes: u64,
    /// Most ticks, from the call on.
    pub(crate) ticks: u64,
    /// Most bytes that open nodes may take (an estimate).
    pub(crate) memory: u64,
    /// Only points of objective below this are of interest.
    pub(crate) cutoff: f64,
    /// Gap that may be left open, relative to the distance from `origin`.
    pub(crate) gap: f64,
    /// The objective that the caller calls zero.
    pub(crate) origin: f64,
    /// Lattice of the objective, where the caller knows one.
    pub(crate) lattice: Option<Lattice>,
    /// Whether this is the search of a heuristic.
    pub(crate) is_sub_mip: bool,
    /// Feasible points to start from.
    pub(crate) starts: Vec<Vec<f64>>,
    /// A basis for the first root relaxation to start from.
    pub(crate) basis: Option<Basis>,
    /// A known optimal point that no step may lose, for tests.
    pub(crate) debug: Option<Vec<f64>>,
}

impl Default for SearchParams {
    fn default() -> Self {
        Self {
            techniques: Techniques::default(),
            seed: 0,
            nodes: u64::MAX,
            ticks: u64::MAX,
            memory: u64::MAX,
            cutoff: f64::INFINITY,
            gap: 0.0,
            origin: 0.0,
            lattice: None,
            is_sub_mip: false,
            starts: Vec::new(),
            basis: None,
            debug: None,
        }
    }
}

/// What the steps so far have come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Progress {
    /// Proved dual bound, offset included.
    pub(crate) bound: f64,
    pub(crate) steps: u64,
    pub(crate) nodes: u64,
    pub(crate) lp_iterations: u64,
    /// Open nodes.
    pub(crate) open: u64,
    /// What the techniques did.
    pub(crate) tally: Tally,
}

/// Hears of points and steps.
pub(crate) trait Listener {
    /// A point, integer columns integral within tolerance; its objective if it
    /// is feasible for whoever asked for the search.
    fn offer(&mut self, x: &[f64], source: &'static str) -> Option<f64>;

    /// A step was made; whether to go on.
    fn step(&mut self, progress: &Progress) -> bool;

    /// Presolve left that problem.
    fn presolved(&mut self, _mip: &Mip) {}

    /// The first root relaxation's optimal basis; counts once a step is told.
    fn root_basis(&mut self, _basis: &Basis) {}

    /// The root relaxation is solved.
    fn root_solved(&mut self) {}
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing is left open: the bound is final.
    Exhausted,
    /// No feasible point, whatever the objective: found before any cutoff
    /// played a part.
    Infeasible,
    /// The relaxation has no bound.
    UnboundedRelaxation,
    /// The listener, or a limit of the parameters.
    Limit,
    /// The estimate of memory.
    Memory,
    /// The root relaxation could not be solved.
    Trouble,
    /// The budget is over; nothing is to be used.
    Stopped,
}

/// How a search ended.
#[derive(Clone, Debug)]
pub(crate) struct SearchEnd {
    pub(crate) ending: Ending,
    pub(crate) progress: Progress,
    /// Objective of the best point that the listener took.
    #[cfg(test)]
    pub(crate) best: Option<f64>,
    /// Nodes that were left unsolved, their bounds kept.
    pub(crate) unresolved: u64,
}

/// Passes points on through layers of postsolve, the outermost first.
struct Restoring<'a> {
    inner: &'a mut dyn Listener,
    layers: &'a [Postsolve],
}

impl Listener for Restoring<'_> {
    fn offer(&mut self, x: &[f64], source: &'static str) -> Option<f64> {
        let mut point = x.to_vec();
        for layer in self.layers.iter().rev() {
            point = layer.restore(&point);
        }
        self.inner.offer(&point, source)
    }

    fn step(&mut self, progress: &Progress) -> bool {
        self.inner.step(progress)
    }

    fn presolved(&mut self, mip: &Mip) {
        self.inner.presolved(mip);
    }

    fn root_basis(&mut self, basis: &Basis) {
        let mut basis = Cow::Borrowed(basis);
        for layer in self.layers.iter().rev() {
            basis = Cow::Owned(layer.restore_basis(&basis));
        }
        self.inner.root_basis(&basis);
    }

    fn root_solved(&mut self) {
        self.inner.root_solved();
    }
}

/// Most restarts of a search.
const RESTARTS: u32 = 3;

/// Solves `mip`, telling `listener` of each step.
pub(crate) fn search(
    original: &Mip,
    params: &SearchParams,
    budget: &mut Budget,
    listener: &mut dyn Listener,
) -> SearchEnd {
    let mut layers: Vec<Postsolve> = Vec::new();
    let mut carry = Carry {
        progress: Progress {
            bound: f64::NEG_INFINITY,
            ..Progress::default()
        },
        best: None,
        unresolved: 0,
        starts: params.starts.clone(),
        basis: params.basis.clone(),
        is_warm: params.basis.is_some(),
        is_rooted: false,
        debug: params.debug.clone(),
        restarts: 0,
        tick_end: budget.ticks().saturating_add(params.ticks),
    };
    let mut current = original.clone();
    loop {
        let before = budget.ticks();
        let techniques = params.techniques;
        let presolved = presolve(&current, techniques, budget);
        if budget.is_over() {
            return carry.end(Ending::Stopped);
        }
        if techniques.has(Technique::Presolve) {
            carry.count_presolve(&presolved, budget.ticks() - before);
        }
        let reduced = match presolved {
            Presolved::Reduced(reduced) => reduced,
            Presolved::Stopped => return carry.end(Ending::Stopped),
            Presolved::Infeasible => {
                let ending = carry.infeasible();
                carry.progress.steps += 1;
                carry.progress.lp_iterations = budget.iterations();
                listener.step(&carry.progress);
                return carry.end(ending);
            }
            Presolved::UnboundedOrInfeasible => {
                // The plain problem tells which.
                return plain(original, params, carry, budget, listener);
            }
        };
        let Reduced { mip, postsolve, .. } = reduced;
        carry.starts = carry.starts.iter().map(|x| postsolve.reduce(x)).collect();
        carry.basis = carry.basis.map(|basis| postsolve.reduce_basis(&basis));
        carry.debug = carry.debug.map(|x| postsolve.reduce(&x));
        check_debug(&mip, &carry, techniques);
        layers.push(postsolve);
        listener.presolved(&mip);
        let mut restoring = Restoring {
            inner: listener,
            layers: &layers,
        };
        if techniques.has(Technique::Components)
            && !params.is_sub_mip
            && let Some(ending) =
                parts::search_parts(&mip, params, &mut carry, budget, &mut restoring)
        {
            return carry.end(ending);
        }
        let is_last = carry.restarts >= RESTARTS;
        let mut tree = Tree::new(
            Arc::new(mip),
            params,
            carry,
            !is_last,
            &mut restoring,
            budget,
        );
        let ending = tree.run(budget);
        let (after, tightened) = tree.into_parts();
        carry = after;
        match ending {
            tree::TreeEnding::Restart => {
                carry.restarts += 1;
                current = tightened;
            }
            tree::TreeEnding::End(ending) => {
                // Points that presolve's way back made infeasible, or trouble:
                // once more on the problem itself.
                let is_open = ending == Ending::Trouble
                    || (ending == Ending::Exhausted && carry.unresolved > 0);
                if is_open && !params.is_sub_mip && params.techniques.has(Technique::Presolve) {
                    return plain(original, params, carry, budget, listener);
                }
                return carry.end(ending);
            }
        }
    }
}

/// Panics if presolve lost the debug solution although no reduction that may
/// do so was on.
fn check_debug(mip: &Mip, carry: &Carry, techniques: Techniques) {
    if let Some(debug) = &carry.debug
        && !techniques.has(Technique::DualReductions)
        && !techniques.has(Technique::Dominated)
        && carry
            .best
            .is_none_or(|best| mip.objective(debug) < best - tol::FEASIBILITY)
    {
        assert!(
            mip.is_feasible(debug),
            "presolve loses the debug solution: {:?} {:?}",
            (0..mip.columns())
                .map(|j| (j, mip.lower[j], debug[j], mip.upper[j]))
                .filter(|(_, l, x, u)| x < l || x > u)
                .collect::<Vec<_>>(),
            (0..mip.rows())
                .map(|i| (mip.row_lower[i], mip.activity(i, debug), mip.row_upper[i]))
                .filter(|(l, a, u)| a < l || a > u)
                .collect::<Vec<_>>()
        );
    }
}

/// Searches without presolve, from what `carry` knows.
fn plain(
    mip: &Mip,
    params: &SearchParams,
    mut carry: Carry,
    budget: &mut Budget,
    listener: &mut dyn Listener,
) -> SearchEnd {
    carry.starts = params.starts.clone();
    carry.basis = None;
    carry.is_warm = false;
    carry.debug = params.debug.clone();
    carry.unresolved = 0;
    let mut tree = Tree::new(
        Arc::new(mip.clone()),
        params,
        carry,
        false,
        listener,
        budget,
    );
    let ending = match tree.run(budget) {
        tree::TreeEnding::End(ending) => ending,
        tree::TreeEnding::Restart => Ending::Trouble,
    };
    let (carry, _) = tree.into_parts();
    carry.end(ending)
}

/// What one tree hands to the next.
#[derive(Clone, Debug)]
struct Carry {
    progress: Progress,
    best: Option<f64>,
    unresolved: u64,
    /// In the space of the problem that is presolved next.
    starts: Vec<Vec<f64>>,
    /// For the next root relaxation, in the same space: the caller's and, where there is one
    /// of those, after a restart what the tree before ended with.
    basis: Option<Basis>,
    /// Whether the caller gave one.
    is_warm: bool,
    /// Whether a first root relaxation's basis was told.
    is_rooted: bool,
    debug: Option<Vec<f64>>,
    restarts: u32,
    /// Budget ticks at which the search ends.
    tick_end: u64,
}

impl Carry {
    fn count_presolve(&mut self, presolved: &Presolved, ticks: u64) {
        let tally = &mut self.progress.tally;
        let mut all = Effort {
            calls: 1,
            ticks,
            ..Effort::default()
        };
        if let Presolved::Reduced(reduced) = presolved {
            for &(technique, kind, times) in &reduced.log {
                let effort = Effort {
                    found: times,
                    used: times,
                    ..Effort::default()
                };
                tally.add(technique, kind, effort);
                all.found += times;
                all.used += times;
            }
        }
        tally.add(Technique::Presolve, "", all);
    }

    /// A problem without points: no feasible one, or, after a first tree, none
    /// better than the incumbent.
    fn infeasible(&mut self) -> Ending {
        if self.restarts == 0 && self.best.is_none() {
            Ending::Infeasible
        } else {
            self.progress.bound = self.best.unwrap_or(f64::INFINITY);
            Ending::Exhausted
        }
    }

    fn end(self, ending: Ending) -> SearchEnd {
        SearchEnd {
            ending,
            progress: self.progress,
            #[cfg(test)]
            best: self.best,
            unresolved: self.unresolved,
        }
    }
}
