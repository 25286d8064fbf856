//! Dual simplex: from a dual feasible basis to an optimal one.
//!
//! One iteration: the position with the largest violation^2 / weight leaves
//! (dual steepest edge); `ratio.rs` chooses what enters and which boxed
//! variables change their bound; values, reduced costs, weights and factors
//! are updated. The pivot is computed twice, by row and by column; where the
//! two disagree the factors are renewed.
//!
//! On degeneracy the costs are perturbed once. The caller takes perturbations
//! and shifts out again.

use super::VarStatus;
use super::factor::Updated;
use super::params;
use super::problem::Problem;
use super::state::{Failure, State, each_entry, length, violation};
use crate::work::Budget;

/// How a run of the dual or primal simplex ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Dual: primal feasible. Primal: dual feasible.
    Optimal,
    /// Dual: no entering variable for position `p`; `rho` is its row.
    Infeasible {
        p: usize,
    },
    /// Primal: `column` and the entering variable with its way are a ray.
    Unbounded {
        q: usize,
        up: bool,
    },
    Cutoff,
    Limit,
    Stopped,
    Trouble,
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Stopped => Self::Stopped,
            Failure::Trouble => Self::Trouble,
        }
    }
}

/// What a run may use up.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) iterations: u64,
    pub(super) limit: u64,
    /// Ticks of the budget at which it ends.
    pub(super) end: u64,
    pub(super) cutoff: f64,
    pub(super) budget: &'a mut Budget,
    /// Least pivot, raised by the recovery ladder.
    pub(super) least_pivot: f64,
    /// Iterations at which the attempt has failed.
    pub(super) cap: u64,
}

impl Run<'_> {
    /// Whether to end, and how.
    pub(super) fn over(&mut self) -> Option<End> {
        if self.budget.is_over() {
            Some(End::Stopped)
        } else if self.iterations >= self.limit || self.budget.ticks() >= self.end {
            Some(End::Limit)
        } else if self.iterations >= self.cap {
            Some(End::Trouble)
        } else {
            None
        }
    }

    /// Counts an iteration.
    pub(super) fn iterate(&mut self) {
        self.iterations += 1;
        self.budget.iterate();
    }
}

/// Iterations between two evaluations of the true bound after one that did not
/// reach the cutoff though the working objective did.
const CUTOFF_PAUSE: u64 = 10;

/// A stored weight this much below the true one would not have been chosen.
const WEIGHT_TRUST: f64 = 0.25;

/// Failures to pivot in one run before it is given up.
const FAILURES: u32 = 20;

impl State {
    /// Runs the dual simplex. Needs factors, settled values and feasible
    /// reduced costs.
    pub(super) fn dual(&mut self, problem: &Problem, run: &mut Run<'_>) -> End {
        let m = problem.m();
        let mut failures = 0;
        let mut degenerate = 0_usize;
        let mut highest = self.objective;
        let mut next_cutoff = run.iterations;
        loop {
            if self.updates >= params::UPDATES {
                if let Err(failure) = self.refresh(problem, run.budget) {
                    return failure.into();
                }
                self.correct_dual(problem, run.budget);
            }
            if let Some(end) = run.over() {
                return end;
            }
            if self.objective >= run.cutoff && run.iterations >= next_cutoff {
                if self.dual_bound(problem) >= run.cutoff {
                    return End::Cutoff;
                }
                next_cutoff = run.iterations + CUTOFF_PAUSE;
            }
            let Some(p) = self.leaving() else {
                return End::Optimal;
            };
            run.budget.spend_entries(m / 4);
            self.rho.clear();
            self.rho.set(p, 1.0);
            self.factor.btran(&mut self.rho);
            let mut own = 0.0;
            each_entry!(self.rho, |_i, value| {
                own += value * value;
            });
            let stored = self.weight[p];
            self.weight[p] = own;
            if stored < WEIGHT_TRUST * own {
                self.spend(run.budget);
                if self.leaving() != Some(p) {
                    continue;
                }
            }
            self.compute_row(problem, run.budget);
            if run.budget.is_over() {
                return End::Stopped;
            }
            let delta = if self.xb[p] < self.lb[p] {
                self.xb[p] - self.lb[p]
            } else {
                self.xb[p] - self.ub[p]
            };
            let least = run.least_pivot.max(params::least_pivot(self.updates));
            let mut entering = self.dual_ratio(delta, least);
            if entering.is_none() && self.updates == 0 && least > params::least_pivot(0) {
                // A claim of infeasibility needs the small entries as well.
                entering = self.dual_ratio(delta, params::least_pivot(0));
            }
            let Some((q, flips)) = entering else {
                if self.updates > 0 {
                    if let Err(failure) = self.refresh(problem, run.budget) {
                        return failure.into();
                    }
                    self.correct_dual(problem, run.budget);
                    continue;
                }
                return End::Infeasible { p };
            };
            // The column, and whether it agrees with the row.
            self.column.clear();
            let column = &mut self.column;
            problem.each(q, |i, a| column.add(i, a));
            self.factor.ftran(&mut self.column, true);
            let (by_row, by_column) = (self.row.value[q], self.column.values[p]);
            let error = (by_row - by_column).abs() / (1.0 + by_column.abs());
            let bad = if self.updates > 0 {
                error > params::PIVOT_AGREEMENT
            } else {
                error > params::PIVOT_AGREEMENT_FRESH
            };
            if bad || by_column.abs() < 0.5 * params::least_pivot(0) || !by_column.is_finite() {
                failures += 1;
                if failures > FAILURES {
                    return End::Trouble;
                }
                if self.updates == 0 {
                    // Fresh factors: this row has no stable pivot now.
                    run.least_pivot = (run.least_pivot * 10.0).max(1e-8);
                    if run.least_pivot > 1e-4 {
                        return End::Trouble;
                    }
                }
                if let Err(failure) = self.refresh(problem, run.budget) {
                    return failure.into();
                }
                self.correct_dual(problem, run.budget);
                continue;
            }
            // Weights need B^-1 rho.
            self.tau.copy(&self.rho);
            self.factor.ftran(&mut self.tau, false);
            // Dual step: a reduced cost that is slightly wrong is shifted to zero.
            let d = self.d[q];
            let wrong = match self.way[q] {
                1 => d < 0.0,
                -1 => d > 0.0,
                _ => d != 0.0,
            };
            if wrong {
                self.shift_cost(q, -d);
            }
            let theta = self.d[q] / by_column;
            for k in 0..flips {
                let v = self.candidates[k].0 as usize;
                let to = if self.way[v] == 1 {
                    VarStatus::Upper
                } else {
                    VarStatus::Lower
                };
                self.move_to(problem, v, to);
            }
            self.apply_flips(run.budget);
            self.update_dual(theta, run.budget);
            // Primal step.
            let bound = if delta < 0.0 { self.lb[p] } else { self.ub[p] };
            let step = (self.xb[p] - bound) / by_column;
            self.objective += step * self.d_before(theta, by_column);
            let tolerance = self.primal_tolerance;
            let (xb, lb, ub, violations) = (&mut self.xb, &self.lb, &self.ub, &mut self.violation);
            each_entry!(self.column, |i, value| {
                xb[i] -= step * value;
                violations[i] = violation(xb[i], lb[i], ub[i], tolerance);
            });
            self.update_weights(p, own);
            let leaving = self.head[p] as usize;
            let x = self.x[q] + step;
            let to = if delta < 0.0 {
                VarStatus::Lower
            } else {
                VarStatus::Upper
            };
            self.pivot(p, q, to, x);
            self.d[leaving] = -theta;
            run.iterate();
            run.budget
                .spend_entries(2 * length(&self.column) + length(&self.rho));
            match self.factor.update(p, by_column) {
                Updated::Ok => self.updates += 1,
                Updated::Unstable | Updated::Full => self.updates = params::UPDATES,
            }
            self.spend(run.budget);
            let has_risen = self.objective > highest + params::PROGRESS * highest.abs().max(1.0);
            highest = highest.max(self.objective);
            if theta.abs() < params::DUAL * 1e-2 || !has_risen {
                degenerate += 1;
                if !self.perturbed && degenerate > 20 + m / 20 {
                    self.perturb(problem);
                    highest = self.objective;
                }
            }
        }
    }

    /// The entering variable's reduced cost before the step.
    #[inline]
    fn d_before(&self, theta: f64, alpha: f64) -> f64 {
        theta * alpha
    }

    /// The position with the largest violation relative to its weight.
    fn leaving(&self) -> Option<usize> {
        let mut best = (0.0, None);
        for (p, (&violation, &weight)) in self.violation.iter().zip(&self.weight).enumerate() {
            if violation > best.0 * weight {
                best = (violation / weight, Some(p));
            }
        }
        best.1
    }
}
