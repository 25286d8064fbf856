//! Primal heuristics: each proposes points, none changes the search.
//!
//! A heuristic is a function from a [`Context`] to a point of `mip` that meets
//! [`Mip::is_feasible`] and whose objective is below the context's cutoff. It
//! leaves the domain at the level, and the LP at the bounds, basis and answer
//! that it found. Every effort limit is one on ticks.
//!
//! | file | heuristic | needs |
//! |-|-|-|
//! | `feasibility_jump.rs` | weighted local search on violated rows | nothing |
//! | `rounding.rs` | rounding by locks, then shifting | a relaxation |
//! | `dive.rs` | the driver of all dives | a relaxation |
//! | `fractional_dive.rs`, `coefficient_dive.rs`, `guided_dive.rs`, `pseudocost_dive.rs` | which column a dive rounds, and where to | a relaxation; guided: an incumbent |
//! | `feasibility_pump.rs` | rounding and relaxation in turn | a relaxation, no incumbent |
//! | `rens.rs`, `rins.rs` | neighbourhoods solved as sub-MIPs | a relaxation; rins: an incumbent |
//! | `crossover.rs` | what two incumbents share, as a sub-MIP | two incumbents |
//! | `local_branching.rs` | few flips from the incumbent, as a sub-MIP | an incumbent |
//! | `one_opt.rs` | shifts of single integers of the incumbent | an incumbent |
//! | `schedule.rs` | when each of them runs | |
//!
//! To add one: a file here, a [`crate::Technique`], and its lines in
//! `schedule.rs` (when) and [`run`] (what).

mod coefficient_dive;
mod crossover;
mod dive;
mod feasibility_jump;
mod feasibility_pump;
mod fractional_dive;
mod guided_dive;
mod local_branching;
mod neighbourhood;
mod one_opt;
mod pseudocost_dive;
mod rens;
mod rins;
mod rounding;
mod schedule;
mod support;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::branching::Pseudocosts;
use crate::lp::Lp;
use crate::mip::Mip;
use crate::propagation::Domain;
use crate::technique::Technique;
use crate::work::Budget;

pub(crate) use feasibility_jump::{feasibility_jump, jump_ticks};
pub(crate) use schedule::{Moment, Schedule};

/// Limits of a sub-MIP.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SubLimits {
    pub(crate) nodes: u64,
    pub(crate) ticks: u64,
    /// Only points of objective below this are of interest.
    pub(crate) cutoff: f64,
}

/// Solves a problem with the columns of the context's, within limits: its best
/// point, if any.
pub(crate) type SubMip<'a> = dyn FnMut(&Mip, SubLimits, &mut Budget) -> Option<Vec<f64>> + 'a;

/// What a heuristic sees.
pub(crate) struct Context<'a> {
    pub(crate) mip: &'a Arc<Mip>,
    /// Bounds at the node; left as found.
    pub(crate) domain: &'a mut Domain,
    /// The node's relaxation, solved to optimality, perhaps with cuts; left as
    /// found.
    pub(crate) lp: &'a mut Lp,
    /// The best point and its objective.
    pub(crate) incumbent: Option<(&'a [f64], f64)>,
    /// Incumbents before it, the latest last.
    pub(crate) earlier: &'a [Vec<f64>],
    /// Only points of objective (offset included) below this are of interest.
    pub(crate) cutoff: f64,
    pub(crate) pseudocosts: &'a Pseudocosts,
    pub(crate) seed: u64,
    pub(crate) sub_mip: &'a mut SubMip<'a>,
}

/// Runs one heuristic for about `ticks` ticks at most.
pub(crate) fn run(
    technique: Technique,
    context: &mut Context<'_>,
    ticks: u64,
    budget: &mut Budget,
) -> Option<Vec<f64>> {
    match technique {
        Technique::Rounding => rounding::run(context, ticks, budget),
        Technique::FractionalDive => fractional_dive::run(context, ticks, budget),
        Technique::CoefficientDive => coefficient_dive::run(context, ticks, budget),
        Technique::GuidedDive => guided_dive::run(context, ticks, budget),
        Technique::PseudocostDive => pseudocost_dive::run(context, ticks, budget),
        Technique::Rens => rens::run(context, ticks, budget),
        Technique::Rins => rins::run(context, ticks, budget),
        Technique::OneOpt => one_opt::run(context, ticks, budget),
        Technique::Crossover => crossover::run(context, ticks, budget),
        Technique::LocalBranching => local_branching::run(context, ticks, budget),
        Technique::FeasibilityPump => feasibility_pump::run(context, ticks, budget),
        _ => None,
    }
}
