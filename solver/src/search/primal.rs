//! Running the heuristics, and the sub-MIPs they ask for.
//!
//! Each run is a step of the search. Points go through the same door as those
//! of relaxations.

use super::tree::Tree;
use super::{Ending, Lattice, Listener, Progress, SearchParams, search};
use crate::heuristics::{Context, Moment, SubLimits, feasibility_jump, jump_ticks};
use crate::mip::Mip;
use crate::tally::Effort;
use crate::technique::{Technique, Techniques};
use crate::work::Budget;

/// With an incumbent, heuristics run at every that many nodes.
const EVERY: u64 = 4;

/// Share of the integer columns that, fixed between two heuristics at the root,
/// makes the later one wait for the smaller problem.
const EARLY_RESTART_SHARE: f64 = 0.6;

/// Keeps the best point of a sub-MIP.
struct Keeper<'a> {
    mip: &'a Mip,
    best: Option<(f64, Vec<f64>)>,
}

impl Listener for Keeper<'_> {
    fn offer(&mut self, x: &[f64], _: &'static str) -> Option<f64> {
        if !self.mip.is_feasible(x) {
            return None;
        }
        let objective = self.mip.objective(x);
        if self.best.as_ref().is_none_or(|(best, _)| objective < *best) {
            self.best = Some((objective, x.to_vec()));
        }
        Some(objective)
    }

    fn step(&mut self, _: &Progress) -> bool {
        true
    }
}

/// Solves a sub-MIP within limits; its best point.
fn sub_mip(
    mip: &Mip,
    limits: SubLimits,
    techniques: Techniques,
    lattice: Option<Lattice>,
    seed: u64,
    budget: &mut Budget,
) -> Option<Vec<f64>> {
    let params = SearchParams {
        techniques: techniques
            .without(Technique::Rens)
            .without(Technique::Rins)
            .without(Technique::LocalBranching)
            .without(Technique::Crossover)
            .without(Technique::Restarts)
            .without(Technique::Symmetry)
            .without(Technique::Components),
        seed,
        nodes: limits.nodes,
        ticks: limits.ticks,
        cutoff: limits.cutoff,
        lattice,
        is_sub_mip: true,
        ..SearchParams::default()
    };
    let mut keeper = Keeper { mip, best: None };
    search(mip, &params, budget, &mut keeper);
    keeper.best.map(|(_, x)| x)
}

impl Tree<'_> {
    fn moment(&self) -> Moment {
        Moment {
            nodes: self.tree_nodes,
            has_incumbent: self.incumbent.is_some(),
            lp_ticks: self.relaxation_ticks,
            is_sub_mip: self.params.is_sub_mip,
        }
    }

    /// Feasibility jump, before there is a relaxation; a point is a step.
    pub(super) fn jump(&mut self, budget: &mut Budget) -> Result<(), Ending> {
        if self.mip.integers() == 0
            || self.params.is_sub_mip
            || self.carry.best.is_some()
            || self.carry.restarts > 0
            || !self.params.techniques.has(Technique::FeasibilityJump)
        {
            return Ok(());
        }
        let before = budget.ticks();
        let ticks = jump_ticks(&self.mip);
        let point = feasibility_jump(&self.mip, self.limit, self.params.seed, ticks, budget);
        if budget.is_over() {
            return Err(Ending::Stopped);
        }
        if self.propose(Technique::FeasibilityJump, point, before, budget) {
            self.commit(budget)?;
        }
        Ok(())
    }

    /// Heuristics before branching on the root, where `integers` columns had a
    /// choice before it. Once a point fixes most of them by their reduced costs,
    /// the rest waits for the problem that is left.
    pub(super) fn heuristics_after_root(
        &mut self,
        integers: usize,
        budget: &mut Budget,
    ) -> Result<(), Ending> {
        for technique in self.schedule.after_root(&self.moment()) {
            self.run_heuristics(&[technique], budget)?;
            if self.is_root_stale
                && (!self.refresh_root(budget)
                    || self.is_restart_due(integers, EARLY_RESTART_SHARE))
            {
                break;
            }
        }
        Ok(())
    }

    /// Heuristics at a node with a fractional relaxation.
    pub(super) fn heuristics_at_node(&mut self, budget: &mut Budget) -> Result<(), Ending> {
        if self.incumbent.is_some() && !self.tree_nodes.is_multiple_of(EVERY) {
            return Ok(());
        }
        let list = self.schedule.at_node(&self.moment());
        self.run_heuristics(&list, budget)
    }

    /// Offers what a heuristic found, and counts its run, which began at tick
    /// `before`; whether there was a point and it was taken.
    fn propose(
        &mut self,
        technique: Technique,
        point: Option<Vec<f64>>,
        before: u64,
        budget: &Budget,
    ) -> bool {
        if point.is_none() && budget.ticks() == before {
            return false; // it saw at once that there was nothing to do
        }
        let best = self.carry.best;
        let is_taken = point
            .as_ref()
            .is_some_and(|point| self.offer(point, technique.name()));
        let is_better = is_taken && self.carry.best != best;
        let effort = Effort {
            calls: 1,
            found: u64::from(point.is_some()),
            used: u64::from(is_better),
            ticks: budget.ticks() - before,
        };
        self.count(technique, effort);
        is_taken
    }

    fn run_heuristics(&mut self, list: &[Technique], budget: &mut Budget) -> Result<(), Ending> {
        for &technique in list {
            if self.current_bound >= self.limit {
                break;
            }
            let (techniques, lattice, seed) = (
                self.params.techniques,
                self.lattice,
                self.params.seed ^ self.tree_nodes,
            );
            let mut solve = |mip: &Mip, limits: SubLimits, budget: &mut Budget| {
                sub_mip(mip, limits, techniques, lattice, seed, budget)
            };
            let mut context = Context {
                mip: &self.mip,
                domain: &mut self.domain,
                lp: &mut self.lp,
                incumbent: self
                    .incumbent
                    .as_ref()
                    .map(|(x, objective)| (x.as_slice(), *objective)),
                earlier: &self.earlier,
                cutoff: self.limit,
                pseudocosts: &self.pseudocosts,
                seed,
                sub_mip: &mut solve,
            };
            let before = budget.ticks();
            let point = self.schedule.run(technique, &mut context, budget);
            if budget.is_over() {
                return Err(Ending::Stopped);
            }
            self.propose(technique, point, before, budget);
            self.sync_bounds();
            self.commit(budget)?;
        }
        Ok(())
    }
}
