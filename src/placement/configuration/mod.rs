//! Hosts of many L3 domains: a bound from what each of them can hold, and assignments
//! made of that.
//!
//! # The problem
//!
//! On a host of 8 to 24 L3s the relaxation of the aggregated model is weak: a container may be
//! in a part of an L3, and a part of a core is idle everywhere. Here an L3 takes
//! a *pattern*, how many threads of each container it holds, which costs what it
//! costs; and a container takes a *split* of its request over the L3s. Indices: unit
//! (L3) g, container k with r_k, rho_k, p_k = rho_k r_k, node N, levels' weights S, B, M:
//!
//! ```text
//! min  sum_g F_g(n_g) + sum_k C_k(w_k) + constant        n_gk = w_gk for all g, k
//! F_g(n)  least cost of n inside g: core sharing, slow threads, away from home,
//!         spread S p_k [n_k > 0], balance B max(0, sum_k rho_k n_k - tau_g), movement
//!         M max(0, P_gk - n_k) less M_thread for each thread kept  (see `choices`)
//! C_k(w)  sum_N (S_N p_k [j_N > 0] + M_N max(0, P_Nk - j_N)),    j_N = sum of w in N
//!         + sum_N B_N max(0, sum_k rho_k j_Nk - tau_N)             shared by all k
//! constant  sum_k (M_thread |P_k| - (S + S_N) p_k)
//! ```
//!
//! # The bound
//!
//! *Proposition.* For any prices pi[c,k,n] of n threads of k in a unit of class c (0 for n = 0) and
//! any nu_N in [0, B_N], no assignment costs less than
//!
//! ```text
//! constant - sum_N nu_N tau_N + sum_g min_n (F_g(n) - sum_k pi[c(g),k,n_k])
//!        + sum_k min_w (C_k(w) + sum_g pi[c(g),k,w_g] + sum_N nu_N rho_k j_N)
//! ```
//!
//! *Proof.* Take an optimal assignment, and let n_g = w its counts. n_g is among the patterns
//! and w_k among the splits, each minimum is at most what they give, and the prices cancel. What F leaves out
//! is no cost below 0: F is at most what the assignment pays inside g (`choices`, `pricing`),
//! and B max(0, x) >= nu x for nu in [0, B]. []
//!
//! Prices for each *number* of threads, not for each thread alone, make the bound that of the
//! intersection of the hulls of patterns and of splits: 24 threads on L3s of 16 are two whole
//! splits, not one and a half L3s. Where an L3 does not lie in one node, what nodes charge
//! is left out; rules are left out too. Both only lower the bound.
//!
//! Everything is evaluated in integers at rounded prices (1/64 micro-CPU), so the bound is safe whatever
//! chose the prices. `pricing` finds patterns by dynamic programming, `split` splits; `bundle` chooses
//! prices; `dual` is the loop; `prices` and `columns` are what the next round begins with; `fixing` says
//! what the MIP after it may leave out; `rounding` makes assignments of the patterns' weights, which local
//! search improves. Every pricing of all units gives a bound, so a limit always leaves one.
//!
//! Sources: Gilmore and Gomory, "A linear programming approach to the cutting stock
//! problem", Operations Research 9 (1961), for patterns; Guignard and Kim, "Lagrangean
//! decomposition", Math. Programming 39 (1987), for copies of variables that both sides price.

mod bundle;
mod choices;
mod columns;
mod dual;
mod fixing;
mod prices;
mod pricing;
mod rounding;
mod split;
#[cfg(test)]
mod tests;

use super::problem::{L3, Problem};

pub use columns::Columns;
pub(super) use dual::{Search, Task};
pub(super) use fixing::{Range, Rises};
pub use prices::Prices;

/// Fewest L3s: below, the aggregated model's own bounds are better or sooner.
const FEWEST: usize = 3;
/// Most cores of an L3: a table has as many rows.
const MOST_CORES: usize = 64;

/// Whether a host has so many L3s that this is worth its time.
pub(super) fn is_of_use(problem: &Problem) -> bool {
    let groups = &problem.levels[L3].groups;
    let widest = groups.iter().map(|g| g.threads.len()).max().unwrap_or(0);
    groups.len() >= FEWEST && widest <= 2 * MOST_CORES
}
