//! The root: relaxation, rounds of cuts, heuristics, restart.
//!
//! A problem without integer columns ends here: the relaxation is the answer.

use super::Ending;
use super::node::Node;
use super::process::{Relaxed, slack_basis};
use super::tree::{RootProof, Tree};
use crate::cuts::{Cut, LoopControl, lp_rows};
use crate::lp::{LpLimits, LpStatus, VarStatus};
use crate::tally::Effort;
use crate::technique::Technique;
use crate::work::Budget;

/// Share of the integer columns that, newly fixed at the root, is worth
/// presolving again.
const RESTART_SHARE: f64 = 0.2;

/// Solves for which a cut may be idle before it goes.
const CUT_AGE: u32 = 3;

/// Ticks of all rounds of cuts: at most so many times those of the root
/// relaxation, above a fifth of a second.
const ROUNDS_TIMES: u64 = 10;
const ROUNDS_TICKS: u64 = 40_000_000;

/// How often in a row the root's bounds are tightened.
const TIGHTENINGS: u32 = 5;

/// The techniques that separate.
const SEPARATORS: [Technique; 8] = [
    Technique::Gomory,
    Technique::Cmir,
    Technique::KnapsackCover,
    Technique::FlowCover,
    Technique::CliqueCuts,
    Technique::ProductCuts,
    Technique::ZeroHalf,
    Technique::ImpliedBound,
];

/// What is left of the root after its bounds were tightened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tightened {
    Empty,
    Solved,
    Unsolved,
}

/// What is to be done after the root.
pub(super) enum Rooted {
    /// Presolve again.
    Restart,
    /// Nothing is left.
    Done,
    /// Branch.
    Node(Node),
}

impl Tree<'_> {
    /// Solves the root.
    pub(super) fn root(&mut self, budget: &mut Budget) -> Result<Rooted, Ending> {
        let has_integers = self.mip.integers() > 0;
        if has_integers && !self.propagate(budget) {
            if budget.is_over() {
                return Err(Ending::Stopped);
            }
            return self.close(budget);
        }
        self.domain.refresh();
        self.sync_bounds();
        if has_integers {
            self.carry.progress.nodes += 1;
            self.tree_nodes += 1;
        }
        self.jump(budget)?;
        let before = budget.ticks();
        let bound = match self.root_relaxation(has_integers, budget)? {
            Relaxed::Pruned(bound) => {
                if self.carry.best.is_none() && !self.limit.is_finite() {
                    self.current_bound = f64::INFINITY;
                    self.carry.progress.bound = f64::INFINITY;
                    self.commit(budget)?;
                    return Err(Ending::Infeasible);
                }
                self.finish(bound);
                return self.close(budget);
            }
            Relaxed::Unsolved if has_integers => {
                self.x.clear();
                self.commit(budget)?;
                return Ok(Rooted::Node(self.root_node(f64::NEG_INFINITY)));
            }
            Relaxed::Unsolved => return Err(Ending::Trouble),
            Relaxed::Open(bound) => bound,
        };
        self.root_ticks = budget.ticks() - before;
        self.listener.root_solved();
        self.current_bound = bound;
        self.root_x = self.x.clone();
        if !has_integers {
            return self.finish_linear(bound, budget);
        }
        let integers = self.unfixed();
        self.prove_root();
        self.offer_integral();
        self.commit(budget)?;
        if !self.fractional.is_empty() && !self.detect_symmetry(budget) {
            return self.close(budget);
        }
        if !self.separate(budget)? {
            return self.close(budget);
        }
        if !self.fractional.is_empty() && self.current_bound < self.limit {
            self.heuristics_after_root(integers, budget)?;
            if self.tighten_root(budget)? == Tightened::Empty {
                return self.close(budget);
            }
        }
        if self.is_restart_due(integers, RESTART_SHARE) {
            let fixed = self.newly_fixed(integers) as u64;
            let effort = Effort {
                calls: 1,
                found: fixed,
                used: fixed,
                ticks: 0,
            };
            self.count(Technique::Restarts, effort);
            return Ok(Rooted::Restart);
        }
        Ok(Rooted::Node(self.root_node(self.current_bound)))
    }

    /// Rounds of cuts while they pay; false if nothing is left.
    fn separate(&mut self, budget: &mut Budget) -> Result<bool, Ending> {
        if !SEPARATORS
            .iter()
            .any(|&separator| self.params.techniques.has(separator))
        {
            return self
                .tighten_root(budget)
                .map(|rooted| rooted != Tightened::Empty);
        }
        let mut control = LoopControl::new(self.lp.objective());
        // A tree that was started over was separated before.
        let end = budget.ticks()
            + (ROUNDS_TICKS + ROUNDS_TIMES * self.root_ticks) / u64::from(1 + self.carry.restarts);
        loop {
            match self.tighten_root(budget)? {
                Tightened::Empty => return Ok(false),
                Tightened::Unsolved => break,
                Tightened::Solved => {}
            }
            if self.fractional.is_empty() {
                break;
            }
            let cuts = self.find_cuts(true, budget)?;
            if cuts.is_empty() {
                break;
            }
            self.lp.add_rows(&lp_rows(&cuts), budget);
            match self.relax(self.current_bound, budget)? {
                Relaxed::Pruned(bound) => {
                    self.finish(bound);
                    return Ok(false);
                }
                Relaxed::Unsolved => {
                    // Back to the problem's own rows.
                    self.drop_cuts(|row, rows| row < rows, budget);
                    break;
                }
                Relaxed::Open(bound) => {
                    self.current_bound = bound;
                    self.prove_root();
                    self.offer_integral();
                }
            }
            let objective = self.lp.objective();
            if let Some(keep) = self.separation.purge(&self.lp, self.mip.rows(), CUT_AGE) {
                self.lp.delete_rows(&keep, budget);
            }
            self.commit(budget)?;
            if !control.goes_on(objective, self.lp_cutoff()) || budget.ticks() > end {
                break;
            }
        }
        // The tree carries no cut that is idle.
        match self.tighten_root(budget)? {
            Tightened::Empty => return Ok(false),
            Tightened::Unsolved => {}
            Tightened::Solved => {
                let rows = &self.lp.basis().rows;
                self.drop_cuts(
                    |row, own| row < own || rows[row] != VarStatus::Basic,
                    budget,
                );
            }
        }
        Ok(true)
    }

    /// Deletes the rows of the LP that `keep` (row, own rows) does not want.
    fn drop_cuts(&mut self, keep: impl Fn(usize, usize) -> bool, budget: &mut Budget) {
        let own = self.mip.rows();
        let keep: Vec<bool> = (0..self.lp.rows()).map(|row| keep(row, own)).collect();
        if keep.contains(&false) {
            self.lp.delete_rows(&keep, budget);
        }
    }

    /// After the incumbent or the proof improved: tightens the root's bounds
    /// and solves again where that cuts off the relaxation's point.
    fn tighten_root(&mut self, budget: &mut Budget) -> Result<Tightened, Ending> {
        for _ in 0..TIGHTENINGS {
            if self.is_root_stale && !self.refresh_root(budget) {
                return Ok(Tightened::Empty);
            }
            self.sync_bounds();
            match self.relax(self.current_bound, budget)? {
                Relaxed::Pruned(bound) => {
                    self.finish(bound);
                    return Ok(Tightened::Empty);
                }
                Relaxed::Unsolved => return Ok(Tightened::Unsolved),
                Relaxed::Open(bound) => {
                    self.current_bound = bound;
                    self.prove_root();
                    self.offer_integral();
                }
            }
            if !self.is_root_stale {
                break;
            }
        }
        Ok(Tightened::Solved)
    }

    /// Panics if a cut loses the debug solution.
    pub(super) fn check_debug_cuts(&self, cuts: &[Cut]) {
        if let Some(debug) = &self.carry.debug
            && debug.len() == self.mip.columns()
            && self.mip.objective(debug) < self.limit
            && let Some(cut) = cuts.iter().find(|cut| cut.violates(debug))
        {
            panic!("a cut loses the debug solution: {cut:?}");
        }
    }

    fn root_node(&self, bound: f64) -> Node {
        Node {
            bound,
            estimate: bound,
            path: None,
            basis: None,
            origin: None,
        }
    }

    /// Nothing is left of the tree.
    fn close(&mut self, budget: &mut Budget) -> Result<Rooted, Ending> {
        self.check_debug("root");
        let is_infeasible = self.carry.best.is_none() && !self.limit.is_finite();
        self.finish(self.limit);
        self.current_bound = f64::INFINITY;
        self.commit(budget)?;
        if is_infeasible {
            Err(Ending::Infeasible)
        } else {
            Ok(Rooted::Done)
        }
    }

    /// The root relaxation, where an unbounded one is told from trouble.
    fn root_relaxation(
        &mut self,
        has_integers: bool,
        budget: &mut Budget,
    ) -> Result<Relaxed, Ending> {
        if let Some(basis) = self.carry.basis.take() {
            self.lp.warm_start(&basis.into(), budget);
        } else if self.params.techniques.has(Technique::Crash) {
            let before = budget.ticks();
            let chosen = self.lp.crash(budget) as u64;
            let effort = Effort {
                calls: 1,
                found: chosen,
                used: chosen,
                ticks: budget.ticks() - before,
            };
            self.count(Technique::Crash, effort);
        }
        let limits = LpLimits::default();
        let mut status = self.lp.solve(&limits, budget);
        if status == LpStatus::Trouble && !budget.is_over() {
            self.lp.set_basis(&slack_basis(&self.lp));
            status = self.lp.solve(&limits, budget);
        }
        if status == LpStatus::Optimal {
            self.tell_basis();
        }
        match status {
            LpStatus::Stopped => Err(Ending::Stopped),
            LpStatus::Unbounded => {
                self.carry.progress.steps += 1;
                self.carry.progress.lp_iterations = budget.iterations();
                if budget.is_over() {
                    return Err(Ending::Stopped);
                }
                self.listener.step(&self.carry.progress);
                Err(Ending::UnboundedRelaxation)
            }
            LpStatus::Infeasible => Ok(Relaxed::Pruned(self.limit)),
            LpStatus::Optimal if has_integers => self.relax(self.current_bound, budget),
            LpStatus::Optimal => {
                self.x.clear();
                self.x.extend_from_slice(self.lp.x());
                Ok(Relaxed::Open(self.proved_bound(self.current_bound)))
            }
            LpStatus::Cutoff | LpStatus::IterationLimit | LpStatus::Trouble => {
                Ok(Relaxed::Unsolved)
            }
        }
    }

    /// Tells the first relaxation's basis.
    fn tell_basis(&mut self) {
        if !self.carry.is_rooted && !self.params.is_sub_mip {
            self.carry.is_rooted = true;
            self.listener.root_basis(&self.lp.basis().into());
        }
    }

    /// A linear program: its optimum is the answer. That it is one holds within
    /// the simplex method's dual tolerance; the proof from the multipliers may
    /// be weaker by more where columns have no bounds.
    fn finish_linear(&mut self, bound: f64, budget: &mut Budget) -> Result<Rooted, Ending> {
        let x = std::mem::take(&mut self.x);
        let objective = self.lp.objective() + self.mip.offset;
        if objective < self.limit && !self.offer(&x, "relaxation") {
            self.carry.unresolved += 1;
        }
        self.finish(bound.max(objective));
        self.current_bound = f64::INFINITY;
        self.commit(budget)?;
        Ok(Rooted::Done)
    }

    /// Offers the relaxation's point where it is integral.
    fn offer_integral(&mut self) {
        if self.fractional.is_empty() {
            let mut point = self.x.clone();
            for (value, &integer) in point.iter_mut().zip(&self.mip.integer) {
                if integer {
                    *value = value.round();
                }
            }
            self.offer(&point, "relaxation");
        }
    }

    /// Keeps the relaxation's proof if it is the best so far.
    pub(super) fn prove_root(&mut self) {
        let bound = self.lp_bound;
        if self
            .root_proof
            .as_ref()
            .is_none_or(|proof| bound > proof.bound)
        {
            self.root_proof = Some(RootProof {
                bound,
                reduced_costs: self.lp.reduced_costs().to_vec(),
                lower: self.domain.lower().to_vec(),
                upper: self.domain.upper().to_vec(),
            });
            self.is_root_stale |= self.limit.is_finite();
        }
    }

    /// Integer columns with a choice.
    fn unfixed(&self) -> usize {
        (0..self.mip.columns())
            .filter(|&j| self.mip.integer[j] && !self.domain.is_fixed(j))
            .count()
    }

    /// How many of `before` integer columns with a choice have none left.
    fn newly_fixed(&self, before: usize) -> usize {
        before - self.unfixed().min(before)
    }

    /// Whether, of `before` integer columns with a choice, the share that got
    /// fixed meanwhile makes it worth starting over.
    pub(super) fn is_restart_due(&self, before: usize, least: f64) -> bool {
        let fixed = self.newly_fixed(before);
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = fixed as f64 / before.max(1) as f64;
        self.may_restart
            && self.params.techniques.has(Technique::Restarts)
            && fixed > 0
            && share >= least
    }
}
