//! Linear programs: bounded dual and primal simplex in revised form.
//!
//! ```text
//! minimize c x   subject to   A x - r = 0,  l <= x <= u,  row_lower <= r <= row_upper
//! ```
//!
//! Row i has the logical variable r_i, its activity. Variables are numbered
//! columns first: j for column j, `columns + i` for r_i. With rho = e_p^T B^-1
//! the tableau row of basis position p is
//! `sum_j (rho a_j) x_j - sum_i rho_i r_i = 0`.
//!
//! | file | what it holds |
//! |-|-|
//! | `problem.rs` | the caller's data and the scaled matrices |
//! | `state.rs` | basis, values, reduced costs; refactorisation, repair, flips, shifts |
//! | `pivot_row.rs` | one row of the tableau, by rows or by columns |
//! | `dual.rs`, `ratio.rs` | dual simplex: steepest edge, long-step Harris ratio test |
//! | `primal.rs` | primal simplex: Devex, Harris ratio test; clean-up and unbounded problems |
//! | `scaling.rs`, `refine.rs` | powers of two for rows and columns; basic values to full precision |
//! | `solve.rs` | phases, removal of shifts, the recovery ladder |
//! | `crash.rs`, `warm.rs` | a start with fewer fixed logicals; a start from the basis of a problem like this one |
//! | `bound.rs` | dual bounds that round-off cannot break |
//! | `proof.rs` | Farkas vectors and rays, checked against the caller's data |
//! | `edit.rs` | bounds, costs, rows and columns that come and go |
//!
//! Claims. `Infeasible` only with a Farkas vector, `Unbounded` only with a ray,
//! both checked on unscaled data; `Optimal` only with primal values whose rows
//! were evaluated again. What cannot be verified is `Trouble`.
//!
//! Source: A. Koberstein, "The dual simplex method, techniques for a fast and
//! stable implementation", thesis, Paderborn 2005.

mod bound;
mod crash;
mod dual;
mod edit;
mod factor;
mod params;
mod pivot_row;
mod primal;
mod problem;
mod proof;
mod ratio;
mod refine;
mod scaling;
mod solve;
mod sparse_vector;
mod state;
mod warm;

#[cfg(test)]
mod tests;

use crate::sparse::Index;
use problem::Problem;
use solve::Answer;
pub(crate) use sparse_vector::SparseVector;
use state::State;

/// How a solve ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LpStatus {
    /// Primal and dual feasible within the tolerances.
    Optimal,
    /// No feasible point; [`Lp::farkas`] proves it (none where a bound of a
    /// single column or row is crossed).
    Infeasible,
    /// [`Lp::ray`] is a direction of unbounded improvement from a feasible point.
    Unbounded,
    /// The dual objective reached [`LpLimits::cutoff`].
    Cutoff,
    /// [`LpLimits::iterations`] or [`LpLimits::ticks`] were done; [`Lp::objective`] is a dual bound.
    IterationLimit,
    /// The budget is over.
    Stopped,
    /// Nothing can be claimed.
    Trouble,
}

/// Where a variable is; for rows, of the activity r_i.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum VarStatus {
    Basic,
    Lower,
    Upper,
    /// Nonbasic at zero without bounds.
    Free,
}

/// A basis, to start from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Basis {
    pub(crate) columns: Vec<VarStatus>,
    pub(crate) rows: Vec<VarStatus>,
}

/// Limits of one solve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LpLimits {
    pub(crate) iterations: u64,
    /// Ticks of the budget after which it stops as if the iterations were done.
    pub(crate) ticks: u64,
    /// Stop with [`LpStatus::Cutoff`] once the dual objective proves at least this.
    pub(crate) cutoff: f64,
}

impl Default for LpLimits {
    fn default() -> Self {
        Self {
            iterations: u64::MAX,
            ticks: u64::MAX,
            cutoff: f64::INFINITY,
        }
    }
}

/// A row to be added.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LpRow {
    pub(crate) terms: Vec<(Index, f64)>,
    pub(crate) lower: f64,
    pub(crate) upper: f64,
}

/// A linear program and the state of its simplex method.
#[derive(Clone, Debug)]
pub(crate) struct Lp {
    problem: Problem,
    state: State,
    answer: Answer,
    iterations: u64,
}

/// What [`Lp::rollback`] returns to: bounds, basis, factors, weights, answer.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoint {
    col_lower: Vec<f64>,
    col_upper: Vec<f64>,
    row_lower: Vec<f64>,
    row_upper: Vec<f64>,
    crossed: usize,
    state: State,
    answer: Answer,
}
