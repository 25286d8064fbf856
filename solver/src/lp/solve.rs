//! A solve: phases, removal of shifted costs, verification, recovery.
//!
//! 1. Reduced costs of the wrong sign: boxed variables move to their other
//!    bound, the costs of others are shifted, so that every basis is dual
//!    feasible. 2. Dual simplex with the working costs. Infeasibility does not
//!    depend on costs. 3. The problem's costs come back; where that leaves wrong
//!    reduced costs, the primal simplex goes on from the feasible point.
//!
//! **Recovery ladder**, after trouble: fresh factors and larger pivots; slack
//! basis; slack basis with perturbed costs and larger pivots; then
//! [`LpStatus::Trouble`].

use super::SparseVector;
use super::dual::{End, Run};
use super::params;
use super::proof;
use super::state::{each_entry, length};
use super::{Lp, LpLimits, LpStatus};
use crate::sparse::Index;
use crate::tol;
use crate::work::Budget;

/// What the last solve found, in the caller's units.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) x: Vec<f64>,
    pub(super) activity: Vec<f64>,
    pub(super) duals: Vec<f64>,
    pub(super) reduced_costs: Vec<f64>,
    pub(super) objective: f64,
    pub(super) farkas: Option<Vec<f64>>,
    pub(super) ray: Option<Vec<f64>>,
}

/// Rounds of dual and primal simplex within one attempt.
const ROUNDS: usize = 20;

/// Steps of iterative refinement of a Farkas vector.
const REFINEMENTS: usize = 2;

/// Updates of the factors from which a solve renews them before its answer. With
/// fewer the reduced costs are computed anew with the factors as they are: node
/// problems take few pivots, and a factorisation costs as much as several.
const STALE: usize = 20;

/// Relative difference of a row's activity and its variable above which the
/// values are computed anew.
const DRIFT: f64 = 1e-9;

/// Relative: what rows may be violated by beyond the tolerance.
const ROW_SLACK: f64 = 1e-9;

/// What the check of an optimal basis says.
enum Verdict {
    Good,
    /// Values drifted: factors must be renewed.
    Drifted,
    /// Feasible as scaled only.
    Violated,
    Stopped,
    /// Not a number.
    Broken,
}

impl Answer {
    /// Becomes a copy of `other` with the memory that is there.
    pub(super) fn keep(&mut self, other: &Self) {
        self.x.clone_from(&other.x);
        self.activity.clone_from(&other.activity);
        self.duals.clone_from(&other.duals);
        self.reduced_costs.clone_from(&other.reduced_costs);
        self.objective = other.objective;
        self.farkas.clone_from(&other.farkas);
        self.ray.clone_from(&other.ray);
    }
}

impl Lp {
    /// Solves from the current basis.
    pub(crate) fn solve(&mut self, limits: &LpLimits, budget: &mut Budget) -> LpStatus {
        self.answer.farkas = None;
        self.answer.ray = None;
        if budget.is_over() {
            return LpStatus::Stopped;
        }
        if self.problem.crossed > 0 {
            return LpStatus::Infeasible;
        }
        let mut run = Run {
            iterations: 0,
            limit: limits.iterations,
            end: budget.ticks().saturating_add(limits.ticks),
            cutoff: limits.cutoff,
            budget,
            least_pivot: 0.0,
            cap: 0,
        };
        self.state.primal_tolerance = params::PRIMAL;
        let mut status = self.attempt(&mut run);
        for rung in 0..3 {
            if status != LpStatus::Trouble {
                break;
            }
            self.state.reset_costs(&self.problem);
            if rung > 0 {
                self.state.slack_basis(&self.problem);
            }
            self.state.weight.fill(1.0);
            self.state.stale();
            run.least_pivot = [1e-7, 0.0, 1e-6][rung];
            if rung == 2 {
                self.state.perturb(&self.problem);
            }
            status = self.attempt(&mut run);
        }
        self.iterations += run.iterations;
        if status != LpStatus::Stopped {
            self.extract(status, run.budget);
        }
        status
    }

    fn attempt(&mut self, run: &mut Run<'_>) -> LpStatus {
        let (problem, state) = (&self.problem, &mut self.state);
        run.cap = run.iterations
            + params::ITERATIONS
            + params::ITERATIONS_EACH * problem.variables() as u64;
        if !state.is_factored
            && let Err(failure) = state.factorize(problem, run.budget)
        {
            return status(failure.into());
        }
        state.settle(problem, run.budget);
        if state.is_dual_stale {
            state.compute_dual(problem, run.budget);
        }
        state.correct_dual(problem, run.budget);
        if state.is_primal_stale {
            state.compute_primal(problem, run.budget);
        }
        let mut is_refined = false;
        for _ in 0..ROUNDS {
            let (problem, state) = (&self.problem, &mut self.state);
            match state.dual(problem, run) {
                End::Optimal => {}
                End::Infeasible { p } => return self.prove_infeasible(p, run.budget),
                other => return status(other),
            }
            if state.shifted {
                if state.updates > STALE {
                    state.reset_costs(problem);
                    if let Err(failure) = state.refresh(problem, run.budget) {
                        return status(failure.into());
                    }
                } else {
                    state.unshift(problem, run.budget);
                }
            }
            if state.dual_violations() > 0 {
                match state.primal(problem, run) {
                    End::Optimal => {}
                    End::Unbounded { q, up } => return self.prove_unbounded(q, up),
                    other => return status(other),
                }
            }
            if state.violation.iter().any(|&v| v > 0.0) || state.dual_violations() > 0 {
                state.correct_dual(problem, run.budget);
                continue;
            }
            match self.verify(is_refined, run.budget) {
                Verdict::Good => return LpStatus::Optimal,
                Verdict::Stopped => return LpStatus::Stopped,
                Verdict::Broken => return LpStatus::Trouble,
                Verdict::Drifted => {
                    let (problem, state) = (&self.problem, &mut self.state);
                    if let Err(failure) = state.refresh(problem, run.budget) {
                        return status(failure.into());
                    }
                    state.refine_primal(problem, run.budget);
                    is_refined = true;
                    state.correct_dual(problem, run.budget);
                }
                Verdict::Violated => {
                    let state = &mut self.state;
                    state.primal_tolerance =
                        (state.primal_tolerance * 0.1).max(params::PRIMAL_LEAST);
                    state.compute_violations();
                }
            }
        }
        LpStatus::Trouble
    }

    /// Whether the current point is feasible in the caller's units; evaluates the
    /// rows there, if that was not done for some pivots.
    fn verify(&mut self, is_refined: bool, budget: &mut Budget) -> Verdict {
        self.extract_x(budget);
        let (problem, state, n) = (&self.problem, &self.state, self.problem.n());
        let (mut drift, mut violated, mut is_broken) = (0.0_f64, 0.0_f64, false);
        for (p, &v) in state.head.iter().enumerate() {
            let (v, x) = (v as usize, state.xb[p]);
            is_broken |= x.is_nan();
            let beyond = (state.lb[p] - x).max(x - state.ub[p]) * problem.scale[v];
            let slack = if v < n {
                0.0
            } else {
                ROW_SLACK * (x * problem.scale[v]).abs()
            };
            violated = violated.max(beyond - slack);
        }
        let is_due = !state.is_verified || state.unverified >= params::UNVERIFIED;
        if is_due || is_refined {
            for i in 0..problem.m() {
                let (indices, values) = problem.rows.get(i);
                budget.spend_entries(indices.len());
                if budget.is_over() {
                    return Verdict::Stopped;
                }
                let mut activity = 0.0;
                for (&j, &a) in indices.iter().zip(values) {
                    activity += a * self.answer.x[j as usize];
                }
                let r = self.answer.activity[i];
                let error = (activity - r).abs();
                is_broken |= error.is_nan();
                if error > DRIFT * (1.0 + r.abs()) {
                    // Relative to the terms, whose round-off the activity has.
                    let size = problem.rows.iter(i).fold(r.abs(), |size, (j, a)| {
                        size.max((a * self.answer.x[j]).abs())
                    });
                    drift = drift.max(error / (1.0 + size));
                }
            }
            self.state.is_verified = true;
            self.state.unverified = 0;
        }
        let state = &self.state;
        if (drift > DRIFT || is_broken) && (state.updates > 0 || !is_refined) {
            Verdict::Drifted
        } else if is_broken {
            Verdict::Broken
        } else if violated > tol::ENGINE_FEASIBILITY
            && state.primal_tolerance > params::PRIMAL_LEAST
        {
            Verdict::Violated
        } else {
            Verdict::Good
        }
    }

    /// The Farkas vector in `rho`, row `p` of the inverse, if it holds, perhaps
    /// after refinement: on an ill-conditioned basis the row's round-off shows
    /// on basic columns.
    fn prove_infeasible(&mut self, p: usize, budget: &mut Budget) -> LpStatus {
        for round in 0..=REFINEMENTS {
            let (problem, n) = (&self.problem, self.problem.n());
            let mut y = vec![0.0; problem.m()];
            each_entry!(self.state.rho, |i, value| {
                y[i] = value / problem.scale[n + i];
            });
            budget.spend_entries(2 * problem.rows.nonzeros());
            self.answer.farkas = proof::farkas(problem, &y);
            if self.answer.farkas.is_some() {
                return LpStatus::Infeasible;
            }
            if round < REFINEMENTS {
                self.state.refine_row(problem, p, budget);
            }
        }
        LpStatus::Trouble
    }

    /// The ray along the entering variable `q`, if it holds.
    fn prove_unbounded(&mut self, q: usize, up: bool) -> LpStatus {
        let (problem, state, n) = (&self.problem, &self.state, self.problem.n());
        let sign = if up { 1.0 } else { -1.0 };
        let mut ray = vec![0.0; n];
        if q < n {
            ray[q] = sign * problem.scale[q];
        }
        each_entry!(state.column, |p, value| {
            let v = state.head[p] as usize;
            if v < n {
                ray[v] = -sign * value * problem.scale[v];
            }
        });
        if proof::is_ray(problem, &ray) {
            self.answer.ray = Some(ray);
            LpStatus::Unbounded
        } else {
            LpStatus::Trouble
        }
    }

    fn extract_x(&mut self, budget: &mut Budget) {
        let (problem, state, n) = (&self.problem, &self.state, self.problem.n());
        let answer = &mut self.answer;
        answer.x.clear();
        answer
            .x
            .extend((0..n).map(|j| state.value(j) * problem.scale[j]));
        answer.activity.clear();
        answer
            .activity
            .extend((n..problem.variables()).map(|v| state.value(v) * problem.scale[v]));
        budget.spend_entries(problem.variables());
    }

    fn extract(&mut self, status: LpStatus, budget: &mut Budget) {
        if status != LpStatus::Optimal {
            self.extract_x(budget);
        }
        let (problem, state, n) = (&self.problem, &self.state, self.problem.n());
        let answer = &mut self.answer;
        answer.reduced_costs.clear();
        answer
            .reduced_costs
            .extend((0..n).map(|j| match state.way[j] {
                0 => 0.0,
                _ => state.true_d(problem, j) / problem.scale[j],
            }));
        answer.duals.clear();
        answer
            .duals
            .extend((n..problem.variables()).map(|v| state.true_d(problem, v) / problem.scale[v]));
        answer.objective = match status {
            LpStatus::Optimal | LpStatus::Unbounded => {
                problem.cost.iter().zip(&answer.x).map(|(c, x)| c * x).sum()
            }
            _ => state.dual_bound(problem),
        };
        budget.spend_entries(2 * problem.variables());
    }

    /// Objective at the point of the last solve; where it ended at a limit or a
    /// cutoff, the dual bound reached.
    pub(crate) fn objective(&self) -> f64 {
        self.answer.objective
    }

    /// Value of each column.
    pub(crate) fn x(&self) -> &[f64] {
        &self.answer.x
    }

    /// Value of each row.
    pub(crate) fn activity(&self) -> &[f64] {
        &self.answer.activity
    }

    /// Multiplier of each row: positive at its lower side.
    pub(crate) fn duals(&self) -> &[f64] {
        &self.answer.duals
    }

    /// c - A^T y by column; zero for fixed columns.
    pub(crate) fn reduced_costs(&self) -> &[f64] {
        &self.answer.reduced_costs
    }

    /// Row multipliers that prove infeasibility: with g = A^T y, the largest
    /// value of `g x - y r` over all bounds is negative.
    pub(crate) fn farkas(&self) -> Option<&[f64]> {
        self.answer.farkas.as_deref()
    }

    /// Direction of unbounded improvement, by column.
    #[cfg(test)]
    pub(crate) fn ray(&self) -> Option<&[f64]> {
        self.answer.ray.as_deref()
    }

    /// Simplex iterations so far.
    pub(crate) fn iterations(&self) -> u64 {
        self.iterations
    }

    /// Whether [`Lp::basis_inverse_row`] can be asked.
    pub(crate) fn is_tableau_ready(&self) -> bool {
        self.state.is_factored
    }

    /// Variable at each basis position.
    pub(crate) fn basis_head(&self) -> &[Index] {
        &self.state.head
    }

    /// e_p^T B^-1 by row, for `position` p, in the caller's units.
    pub(crate) fn basis_inverse_row(&mut self, position: usize, out: &mut SparseVector) {
        let (problem, state, n) = (&self.problem, &mut self.state, self.problem.n());
        state.rho.clear();
        state.rho.set(position, 1.0);
        state.factor.btran(&mut state.rho);
        out.clear();
        let scale = problem.scale[state.head[position] as usize];
        each_entry!(state.rho, |i, value| {
            out.set(i, scale * value / problem.scale[n + i]);
        });
        debug_assert!(length(out) <= problem.m());
    }
}

/// An end that needs no proof as a status.
fn status(end: End) -> LpStatus {
    match end {
        End::Optimal => LpStatus::Optimal,
        End::Cutoff => LpStatus::Cutoff,
        End::Limit => LpStatus::IterationLimit,
        End::Stopped => LpStatus::Stopped,
        End::Infeasible { .. } | End::Unbounded { .. } | End::Trouble => LpStatus::Trouble,
    }
}
