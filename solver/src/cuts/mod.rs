//! Cutting planes: separators, pool, selection.
//!
//! A **separator** finds valid inequalities that the relaxation's solution
//! violates. [`Separation::round`] runs them, cheapest first, each within a
//! limit on ticks that grows with what it has earned; drops repetitions, and
//! returns the best cuts, not too parallel to each other, for the search to add
//! as rows. The search then solves, asks [`Separation::purge`] which cut rows
//! have been idle, and [`LoopControl`] whether another round pays.
//!
//! | file | finds |
//! |-|-|
//! | `implied_bound` | violated variable bounds |
//! | `clique` | cliques of the conflict graph |
//! | `product` | products of cliques that rows state one by one |
//! | `zero_half` | halved sums of integer rows |
//! | `cmir` | sums of rows for the three functions below |
//! | `gomory` | tableau rows for rounding and the three functions |
//! | `mir`, `knapsack_cover`, `flow_cover` | cut-generating functions of one row |
//!
//! To add a separator: a file with `separate(&mut Pass)` that calls
//! `Pass::offer` or `Pass::separate_base`, a [`Technique`], a line in
//! `separation::ORDER`. It may read the frame alone, stops when
//! `Pass::is_spent`, and has a test that no feasible point is cut off.

mod binaries;
pub(crate) mod clique;
pub(crate) mod cmir;
mod control;
mod cut;
pub(crate) mod flow_cover;
pub(crate) mod gomory;
pub(crate) mod implied_bound;
pub(crate) mod knapsack_cover;
pub(crate) mod mir;
mod params;
mod pass;
mod pool;
pub(crate) mod product;
mod row;
mod select;
mod separation;
#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "small numbers, exact results"
)]
mod tests;
pub(crate) mod zero_half;

pub(crate) use control::LoopControl;
pub(crate) use cut::Cut;
pub(crate) use separation::{Relaxation, Separation, lp_rows};
