//! Which heuristic runs when.
//!
//! The search asks [`Schedule::after_root`] and [`Schedule::at_node`] for a
//! list and runs each entry with [`Schedule::run`], one step each, offering
//! what it returns.

use super::{Context, run};
use crate::technique::{Technique, Techniques};
use crate::work::Budget;

/// What the schedule knows of the search.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Nodes solved so far.
    pub(crate) nodes: u64,
    /// Depth of the current node; 0 is the root.
    pub(crate) depth: usize,
    pub(crate) has_incumbent: bool,
    /// Ticks spent in relaxations so far.
    pub(crate) lp_ticks: u64,
    /// Whether the search is itself a sub-MIP.
    pub(crate) is_sub_mip: bool,
}

/// Decides which heuristic runs when.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    techniques: Techniques,
}

impl Schedule {
    pub(crate) fn new(techniques: Techniques) -> Self {
        Self { techniques }
    }

    /// What to run before branching on the root.
    pub(crate) fn after_root(&mut self, _moment: &Moment) -> Vec<Technique> {
        Vec::new()
    }

    /// What to run at a node with a fractional relaxation.
    pub(crate) fn at_node(&mut self, _moment: &Moment) -> Vec<Technique> {
        Vec::new()
    }

    /// Runs one of them; a point that is feasible and below the cutoff.
    pub(crate) fn run(
        &mut self,
        technique: Technique,
        context: &mut Context<'_>,
        budget: &mut Budget,
    ) -> Option<Vec<f64>> {
        run(technique, context, u64::MAX, budget)
    }
}
