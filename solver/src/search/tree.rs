//! What a tree holds, and in which order its nodes are solved.
//!
//! After branching the search goes on with one of the children (a **plunge**):
//! its bounds and basis are at hand. When a plunge ends, the youngest sibling
//! left on the way is next as long as its bound lies in the lower part of the
//! open range and the plunge has not gone back too often; then a node is taken
//! from all that are open, by best estimate, and every [`BOUND_EVERY`]th time
//! by least bound, so that the dual bound moves.
//!
//! Source: T. Achterberg 2007, chapter 6.

use std::sync::Arc;

use super::cutting::Cutting;
use super::node::{Node, Path, is_same};
use super::objective::{Lattice, prune_limit, settled};
use super::open::{Open, Ticket};
use super::orbital::Orbital;
use super::root::Rooted;
use super::{Carry, Ending, Listener, SearchParams};
use crate::branching::{Pseudocosts, Reliability};
use crate::cuts::Separation;
use crate::heuristics::Schedule;
use crate::lp::Lp;
use crate::mip::Mip;
use crate::propagation::{Domain, KINDS, Reason};
use crate::structure::{Cliques, VariableBounds};
use crate::tally::Effort;
use crate::technique::Technique;
use crate::tol;
use crate::work::Budget;

/// Every how many selections the node of least bound is taken.
const BOUND_EVERY: u64 = 4;

/// How often a plunge goes back to a sibling of its own.
const MOST_BACKTRACKS: u32 = 32;

/// Up to which share of the range between bound and limit siblings are taken.
const PLUNGE_RANGE: f64 = 0.25;

/// Incumbents that are kept after better ones came.
const MOST_EARLIER: usize = 5;

/// Bytes of a node besides its basis (an estimate).
const NODE_BYTES: u64 = 300;

/// How a tree ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TreeEnding {
    /// Much was fixed at the root: presolve again.
    Restart,
    End(Ending),
}

/// The root relaxation's proof, to fix by reduced costs when the incumbent
/// improves.
#[derive(Clone, Debug, Default)]
pub(super) struct RootProof {
    pub(super) bound: f64,
    pub(super) reduced_costs: Vec<f64>,
    pub(super) lower: Vec<f64>,
    pub(super) upper: Vec<f64>,
}

/// A branch-and-cut tree.
pub(super) struct Tree<'a> {
    pub(super) mip: Arc<Mip>,
    pub(super) params: &'a SearchParams,
    pub(super) listener: &'a mut dyn Listener,
    pub(super) carry: Carry,
    pub(super) may_restart: bool,
    pub(super) lp: Lp,
    pub(super) domain: Domain,
    pub(super) pseudocosts: Pseudocosts,
    pub(super) reliability: Reliability,
    pub(super) separation: Separation,
    pub(super) cutting: Cutting,
    /// Symmetries, once they are looked for, if there are any.
    pub(super) orbital: Option<Orbital>,
    pub(super) schedule: Schedule,
    pub(super) cliques: Arc<Cliques>,
    pub(super) variable_bounds: VariableBounds,
    pub(super) lattice: Option<Lattice>,
    /// Best point in this tree's space, with its objective.
    pub(super) incumbent: Option<(Vec<f64>, f64)>,
    /// Incumbents before it, the latest last.
    pub(super) earlier: Vec<Vec<f64>>,
    /// Nodes of at least this bound are pruned.
    pub(super) limit: f64,
    pub(super) open: Open,
    /// Way to the current node, a step a level of the domain.
    pub(super) stack: Vec<Arc<Path>>,
    /// Siblings left on the current plunge.
    plunge: Vec<Ticket>,
    backtracks: u32,
    selections: u64,
    /// Least bound of the nodes that are done.
    pub(super) finished: f64,
    /// What the last relaxation's own multipliers prove.
    pub(super) lp_bound: f64,
    /// Bound of the node being solved.
    pub(super) current_bound: f64,
    pub(super) root_proof: Option<RootProof>,
    /// Whether the incumbent improved since bounds were tightened at the root.
    pub(super) is_root_stale: bool,
    /// Ticks in node relaxations, and in the root's alone.
    pub(super) relaxation_ticks: u64,
    pub(super) root_ticks: u64,
    pub(super) learning_ticks: u64,
    /// Of relaxations, when clauses were last dropped.
    pub(super) tidied_ticks: u64,
    /// Relaxations solved again after cuts or branching, and simplex iterations
    /// in them.
    pub(super) resolves: u64,
    pub(super) node_iterations: u64,
    /// Nodes of this tree.
    pub(super) tree_nodes: u64,
    /// Root relaxation's point, for the choice of the child.
    pub(super) root_x: Vec<f64>,
    /// Scratch: fractional columns of the current relaxation.
    pub(super) fractional: Vec<(usize, f64)>,
    pub(super) x: Vec<f64>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(
        mip: Arc<Mip>,
        params: &'a SearchParams,
        carry: Carry,
        may_restart: bool,
        listener: &'a mut dyn Listener,
        budget: &mut Budget,
    ) -> Self {
        let cliques = Arc::new(Cliques::of(&mip, budget));
        let variable_bounds = VariableBounds::of(&mip, budget);
        let lattice = Lattice::coarser(params.lattice, Lattice::of(&mip));
        let lp = Lp::new(&mip, budget);
        let mut domain = Domain::new(Arc::clone(&mip));
        domain.set_cliques(Arc::clone(&cliques));
        let mut tree = Self {
            pseudocosts: Pseudocosts::new(mip.columns()),
            reliability: Reliability::default(),
            separation: Separation::new(params.techniques, &mip),
            cutting: Cutting::default(),
            orbital: None,
            schedule: Schedule::new(params.techniques),
            cliques,
            variable_bounds,
            mip,
            params,
            listener,
            may_restart,
            lp,
            domain,
            lattice,
            incumbent: None,
            earlier: Vec::new(),
            limit: f64::INFINITY,
            open: Open::default(),
            stack: Vec::new(),
            plunge: Vec::new(),
            backtracks: 0,
            selections: 0,
            finished: f64::INFINITY,
            lp_bound: f64::NEG_INFINITY,
            current_bound: carry.progress.bound,
            root_proof: None,
            is_root_stale: false,
            relaxation_ticks: 0,
            root_ticks: 0,
            learning_ticks: 0,
            tidied_ticks: 0,
            resolves: 0,
            node_iterations: 0,
            tree_nodes: 0,
            root_x: Vec::new(),
            fractional: Vec::new(),
            x: Vec::new(),
            carry,
        };
        if params.cutoff.is_finite() {
            tree.set_limit(params.cutoff);
        }
        if let Some(best) = tree.carry.best {
            tree.set_limit(best);
        }
        tree
    }

    /// The state for the next tree, and the problem as tightened at the root.
    pub(super) fn into_parts(mut self) -> (Carry, Mip) {
        // What is no better than the incumbent may be cut off from now on.
        let limit = self.limit;
        let mip = Arc::clone(&self.mip);
        self.carry.debug = self
            .carry
            .debug
            .take()
            .filter(|x| x.len() == mip.columns() && mip.objective(x) < limit);
        if self.carry.is_warm {
            // Without the cuts, which are the last rows.
            let mut basis = self.lp.basis();
            basis.rows.truncate(mip.rows());
            self.carry.basis = Some(basis.into());
        }
        self.domain.pop_to(0);
        let mut mip = (*self.mip).clone();
        mip.lower.copy_from_slice(self.domain.lower());
        mip.upper.copy_from_slice(self.domain.upper());
        if let Some((x, _)) = self.incumbent {
            // The best first: it is the incumbent again.
            self.carry.starts = vec![x];
            self.carry.starts.extend(self.earlier);
        } else {
            self.carry.starts.clear();
        }
        (self.carry, mip)
    }

    /// Objective of the LP from which on nothing is of interest.
    pub(super) fn lp_cutoff(&self) -> f64 {
        self.limit - self.mip.offset
    }

    fn set_limit(&mut self, objective: f64) {
        let limit = prune_limit(objective, self.lattice, self.params.gap, self.params.origin);
        if limit < self.limit {
            self.limit = limit;
            // Points of at most this objective are of interest; the limit is
            // just above them where there is a lattice.
            self.domain.set_cutoff(limit);
            self.is_root_stale = true;
        }
    }

    /// Offers a point; whether it was taken as the new incumbent.
    pub(super) fn offer(&mut self, x: &[f64], source: &'static str) -> bool {
        let Some(objective) = self.listener.offer(x, source) else {
            return false;
        };
        if self.carry.best.is_none_or(|best| objective < best) {
            self.carry.best = Some(objective);
            // A point that was taken in a repaired form is none of this problem.
            if self.mip.is_feasible(x)
                && let Some((before, _)) = self.incumbent.replace((x.to_vec(), objective))
            {
                self.remember(before);
            }
            self.set_limit(objective);
            let pruned = self.open.prune(self.limit);
            self.finish(pruned);
        }
        true
    }

    /// Keeps an earlier incumbent.
    fn remember(&mut self, x: Vec<f64>) {
        if self.earlier.len() == MOST_EARLIER {
            self.earlier.remove(0);
        }
        self.earlier.push(x);
    }

    /// A node of that bound is done.
    pub(super) fn finish(&mut self, bound: f64) {
        self.finished = self.finished.min(bound);
    }

    /// Proved bound on all points.
    pub(super) fn global_bound(&self) -> f64 {
        let mut bound = self.open.bound().min(self.current_bound).min(self.finished);
        if let Some(lattice) = self.lattice {
            bound = lattice.round_up(bound);
        }
        let best = self.carry.best.unwrap_or(f64::INFINITY);
        settled(bound, best).min(best)
    }

    /// Adds what the techniques did since the last step.
    fn tell(&mut self) {
        let tally = &mut self.carry.progress.tally;
        for ((technique, kind), times) in KINDS.into_iter().zip(self.domain.take_tightened()) {
            let effort = Effort {
                found: times,
                used: times,
                ..Effort::default()
            };
            tally.add(technique, kind, effort);
        }
        let tries = self.reliability.take_effort();
        tally.add(Technique::Reliability, "", tries);
    }

    /// Counts an effort of `technique`.
    pub(super) fn count(&mut self, technique: Technique, effort: Effort) {
        self.carry.progress.tally.add(technique, "", effort);
    }

    /// Tells of a step; whether to go on.
    pub(super) fn commit(&mut self, budget: &mut Budget) -> Result<(), Ending> {
        if budget.is_over() {
            return Err(Ending::Stopped);
        }
        self.tell();
        self.carry.progress.steps += 1;
        self.carry.progress.lp_iterations = budget.iterations();
        self.carry.progress.open = self.open.len() as u64;
        self.carry.progress.bound = self.carry.progress.bound.max(self.global_bound());
        if !self.listener.step(&self.carry.progress) {
            return Err(Ending::Limit);
        }
        if self.carry.progress.nodes >= self.params.nodes || budget.ticks() >= self.carry.tick_end {
            return Err(Ending::Limit);
        }
        let bytes = NODE_BYTES + (self.mip.columns() + self.lp.rows()) as u64 / 2;
        if self.open.len() as u64 * bytes > self.params.memory {
            return Err(Ending::Memory);
        }
        Ok(())
    }

    /// Solves until the end.
    pub(super) fn run(&mut self, budget: &mut Budget) -> TreeEnding {
        match self.run_or_end(budget) {
            Ok(ending) => ending,
            Err(_) if budget.is_over() => TreeEnding::End(Ending::Stopped),
            Err(ending) => TreeEnding::End(ending),
        }
    }

    fn run_or_end(&mut self, budget: &mut Budget) -> Result<TreeEnding, Ending> {
        for start in std::mem::take(&mut self.carry.starts) {
            if start.len() == self.mip.columns() && self.mip.is_feasible(&start) {
                let objective = self.mip.objective(&start);
                if self.incumbent.is_none() && self.carry.best.is_some() {
                    // Known already: kept for the heuristics.
                    self.incumbent = Some((start, objective));
                } else if self.carry.best.is_some_and(|best| best <= objective) {
                    self.remember(start);
                } else {
                    self.offer(&start, "start");
                }
            }
        }
        let mut next = match self.root(budget)? {
            Rooted::Restart => return Ok(TreeEnding::Restart),
            Rooted::Done => None,
            Rooted::Node(node) => Some(node),
        };
        loop {
            let node = match next.take() {
                Some(node) => node,
                None => match self.select(budget) {
                    Some(node) => node,
                    None => break,
                },
            };
            // The root was counted with its relaxation.
            if node.path.is_some() {
                self.carry.progress.nodes += 1;
                self.tree_nodes += 1;
            }
            next = self.process(node, budget)?;
            if let Some(child) = &next {
                self.current_bound = child.bound;
            } else {
                self.current_bound = f64::INFINITY;
            }
            self.commit(budget)?;
        }
        self.current_bound = f64::INFINITY;
        self.carry.progress.bound = self.carry.progress.bound.max(self.global_bound());
        Ok(TreeEnding::End(Ending::Exhausted))
    }

    /// The next node to solve.
    fn select(&mut self, budget: &mut Budget) -> Option<Node> {
        let pruned = self.open.prune(self.limit);
        self.finish(pruned);
        if self.is_root_stale && !self.refresh_root(budget) {
            // Nothing better than the incumbent is left anywhere.
            let pruned = self.open.prune(f64::NEG_INFINITY);
            self.finish(pruned.max(self.limit));
            return None;
        }
        if self.domain.has_many_clauses() {
            self.domain.pop_to(0);
            self.stack.clear();
            self.tidy_clauses();
        }
        if self.backtracks < MOST_BACKTRACKS {
            let low = self.open.bound();
            let high = if self.limit.is_finite() {
                low + PLUNGE_RANGE * (self.limit - low)
            } else {
                f64::INFINITY
            };
            while let Some(ticket) = self.plunge.pop() {
                match self.open.get(ticket) {
                    Some(node) if node.bound <= high => {
                        self.backtracks += 1;
                        return self.open.remove(ticket);
                    }
                    _ => {}
                }
            }
        }
        self.plunge.clear();
        self.backtracks = 0;
        self.selections += 1;
        if self.selections.is_multiple_of(BOUND_EVERY) {
            self.open.pop_bound()
        } else {
            self.open.pop_estimate()
        }
    }

    /// Puts a child aside while the plunge goes on with its sibling.
    pub(super) fn leave(&mut self, node: Node) {
        let ticket = self.open.push(node);
        self.plunge.push(ticket);
    }

    /// Tightens the root's bounds after the incumbent improved; false if
    /// nothing is left.
    pub(super) fn refresh_root(&mut self, budget: &mut Budget) -> bool {
        self.is_root_stale = false;
        self.domain.pop_to(0);
        self.stack.clear();
        if self.domain.is_infeasible() {
            return false;
        }
        self.tidy_clauses();
        self.fix_by_root_proof();
        if self.params.techniques.has(Technique::Propagation) && !self.domain.propagate(budget) {
            return false;
        }
        if !self.share_bounds(budget) {
            return false;
        }
        self.domain.refresh();
        self.check_debug_box();
        !self.domain.is_infeasible()
    }

    /// Panics if the root's bounds exclude a debug solution better than the
    /// incumbent.
    fn check_debug_box(&self) {
        if let Some(debug) = &self.carry.debug
            && debug.len() == self.mip.columns()
            && self.mip.objective(debug) < self.limit
        {
            for (j, &value) in debug.iter().enumerate() {
                let (l, u) = (self.domain.lower()[j], self.domain.upper()[j]);
                let slack = tol::FEASIBILITY * value.abs().max(1.0);
                assert!(
                    value >= l - slack && value <= u + slack,
                    "the debug solution is lost: column {j} at {value} in [{l}, {u}]"
                );
            }
        }
    }

    fn fix_by_root_proof(&mut self) {
        if !self.params.techniques.has(Technique::ReducedCostFixing) {
            return;
        }
        let Some(proof) = &self.root_proof else {
            return;
        };
        let gap = self.limit - proof.bound;
        if !gap.is_finite() || gap < 0.0 {
            return;
        }
        for j in 0..self.mip.columns() {
            if !self.mip.integer[j] {
                continue;
            }
            let d = proof.reduced_costs[j];
            if let Some((is_upper, value)) =
                super::process::reduced_cost_bound(d, proof.lower[j], proof.upper[j], gap)
            {
                self.domain.tighten(j, is_upper, value, Reason::ReducedCost);
            }
        }
    }

    /// Sets the domain to a node's bounds; false if propagation finds the node
    /// infeasible.
    pub(super) fn activate(&mut self, path: Option<&Arc<Path>>, budget: &mut Budget) -> bool {
        let mut way: Vec<Arc<Path>> = Vec::new();
        let mut at = path.cloned();
        // Climb until the way meets the stack.
        while let Some(step) = at {
            if step.depth <= self.stack.len() && Arc::ptr_eq(&self.stack[step.depth - 1], &step) {
                break;
            }
            at = step.parent.clone();
            way.push(step);
        }
        let common = way
            .last()
            .map_or_else(|| path.map_or(0, |path| path.depth), |step| step.depth - 1);
        self.stack.truncate(common);
        self.domain.pop_to(common);
        for step in way.into_iter().rev() {
            self.domain.push_level();
            self.stack.push(Arc::clone(&step));
            let bounds = step
                .implied
                .iter()
                .map(|bound| (bound, Reason::Other))
                .chain([(&step.decision, Reason::Branching)]);
            for (bound, reason) in bounds {
                if !self
                    .domain
                    .tighten(bound.column as usize, bound.is_upper, bound.value, reason)
                {
                    return false;
                }
            }
            if self.params.techniques.has(Technique::Propagation) && !self.domain.propagate(budget)
            {
                return false;
            }
            if !self.share_bounds(budget) {
                return false;
            }
        }
        !self.domain.is_infeasible()
    }

    /// Whether the LP stands at the parent of the node with that path.
    pub(super) fn stands_at_parent(&self, path: Option<&Arc<Path>>) -> bool {
        path.is_none_or(|path| is_same(self.stack.last(), path.parent.as_ref()))
    }

    /// Gives the LP the domain's bounds.
    pub(super) fn sync_bounds(&mut self) {
        let lp = &mut self.lp;
        self.domain
            .drain_changed(|j, l, u| lp.set_col_bounds(j, l, u));
    }

    /// Panics if the debug solution, better than the incumbent, lies in the
    /// current node, which is about to be cut off. Symmetric points may replace
    /// it.
    pub(super) fn check_debug(&self, what: &str) {
        let Some(debug) = &self.carry.debug else {
            return;
        };
        if debug.len() != self.mip.columns()
            || self.mip.objective(debug) >= self.limit
            || (self.orbital.is_some() && !self.stack.is_empty())
        {
            return;
        }
        let holds = self.stack.iter().all(|step| {
            let value = debug[step.decision.column as usize];
            if step.decision.is_upper {
                value <= step.decision.value + 0.5
            } else {
                value >= step.decision.value - 0.5
            }
        });
        assert!(!holds, "the debug solution is lost: {what}");
    }
}
