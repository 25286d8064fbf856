//! Which column to branch on.
//!
//! At a node whose relaxation x is fractional on the integer columns F, one of
//! them is chosen and the node split into x_j <= floor(x_j) and
//! x_j >= ceil(x_j). Reliability branching (`reliability.rs`) trusts the
//! pseudocosts (`pseudocost.rs`) of columns branched on often enough and tries
//! the others; with [`crate::Technique::Reliability`] off it is the most
//! fractional column.
//!
//! To add a rule: a file here with a function from [`reliability::Scope`] to a
//! [`Decision`], and its line in `search/process.rs`.

mod pseudocost;
mod reliability;

pub(crate) use pseudocost::{Pseudocosts, Side};
pub(crate) use reliability::{Decision, Reliability, Scope, most_fractional};

#[cfg(test)]
mod tests;
