//! Primal simplex: from a primal feasible basis to an optimal one or a ray.
//!
//! Used after the dual simplex, once perturbed and shifted costs are set back.
//! Devex pricing (Harris 1973), two-pass ratio test with tolerance, bound
//! flips. The dual steepest edge weights are kept up to date, so that the next
//! dual simplex starts with them.

use super::VarStatus;
use super::dual::{End, Run};
use super::factor::Updated;
use super::params;
use super::problem::Problem;
use super::state::{State, each_entry, fraction, is_wrong, length, violation};

/// Failures to pivot in one run before it is given up.
const FAILURES: u32 = 20;

impl State {
    /// Runs the primal simplex. Needs factors, feasible basic values and
    /// reduced costs.
    pub(super) fn primal(&mut self, problem: &Problem, run: &mut Run<'_>) -> End {
        let mut devex = vec![1.0_f64; self.d.len()];
        let mut stalled = 0_u64;
        let mut failures = 0;
        loop {
            if self.updates >= params::UPDATES {
                if let Err(failure) = self.refresh(problem, run.budget) {
                    return failure.into();
                }
                if self.violation.iter().any(|&v| v > 0.0) {
                    // Feasibility was lost; the caller starts the dual again.
                    return End::Optimal;
                }
            }
            if let Some(end) = run.over() {
                return end;
            }
            // Entering variable.
            let mut best = (0.0, usize::MAX);
            let priced = self.d.iter().zip(&self.way).zip(&devex).enumerate();
            for (v, ((&d, &way), &weight)) in priced {
                if is_wrong(d, way) {
                    let mut score = d * d / weight;
                    if stalled > params::STALLED {
                        score *= fraction(v.wrapping_mul(31).wrapping_add(self.updates));
                    }
                    if score > best.0 || best.1 == usize::MAX {
                        best = (score, v);
                    }
                }
            }
            run.budget.spend_entries(self.d.len() / 2);
            let q = best.1;
            if q == usize::MAX {
                return End::Optimal;
            }
            let up = self.d[q] < 0.0;
            let sign = if up { 1.0 } else { -1.0 };
            self.column.clear();
            let column = &mut self.column;
            problem.each(q, |i, a| column.add(i, a));
            self.factor.ftran(&mut self.column, true);
            let least = run.least_pivot.max(params::least_pivot(self.updates));
            let mut chosen = self.primal_ratio(sign, least);
            if chosen.is_none() && self.updates == 0 && least > params::least_pivot(0) {
                chosen = self.primal_ratio(sign, params::least_pivot(0));
            }
            let range = self.upper[q] - self.lower[q];
            let room = chosen.map_or(f64::INFINITY, |(_, step)| step);
            if range <= room && range < f64::INFINITY {
                let to = if up {
                    VarStatus::Upper
                } else {
                    VarStatus::Lower
                };
                let step = sign * range;
                self.objective += step * self.d[q];
                self.take_step(step);
                self.leave(q, to);
                run.iterate();
                self.spend(run.budget);
                continue;
            }
            let Some((p, step)) = chosen else {
                if self.updates > 0 {
                    if let Err(failure) = self.refresh(problem, run.budget) {
                        return failure.into();
                    }
                    if self.violation.iter().any(|&v| v > 0.0) {
                        return End::Optimal;
                    }
                    continue;
                }
                return End::Unbounded { q, up };
            };
            // Row of the tableau: reduced costs and weights follow it.
            self.rho.clear();
            self.rho.set(p, 1.0);
            self.factor.btran(&mut self.rho);
            self.compute_row(problem, run.budget);
            if run.budget.is_over() {
                return End::Stopped;
            }
            let (by_row, by_column) = (self.row.value[q], self.column.values[p]);
            let error = (by_row - by_column).abs() / (1.0 + by_column.abs());
            let bad = if self.updates > 0 {
                error > params::PIVOT_AGREEMENT
            } else {
                error > params::PIVOT_AGREEMENT_FRESH
            };
            if bad {
                failures += 1;
                if failures > FAILURES {
                    return End::Trouble;
                }
                if self.updates == 0 {
                    run.least_pivot = (run.least_pivot * 10.0).max(1e-8);
                }
                if let Err(failure) = self.refresh(problem, run.budget) {
                    return failure.into();
                }
                if self.violation.iter().any(|&v| v > 0.0) {
                    return End::Optimal;
                }
                continue;
            }
            let mut own = 0.0;
            each_entry!(self.rho, |_i, value| {
                own += value * value;
            });
            self.tau.copy(&self.rho);
            self.factor.ftran(&mut self.tau, false);

            let theta = self.d[q] / by_column;
            stalled = if step > 0.0 { 0 } else { stalled + 1 };
            let step = sign * step;
            self.objective += step * self.d[q];
            self.update_dual(theta, run.budget);
            self.take_step(step);
            self.update_weights(p, own);
            let reference = devex[q];
            for &v in &self.row.index {
                let v = v as usize;
                let ratio = self.row.value[v] / by_column;
                devex[v] = devex[v].max(ratio * ratio * reference);
            }
            let leaving = self.head[p] as usize;
            devex[leaving] = (reference / (by_column * by_column)).max(1.0);
            // The bound that it went to.
            let to = if by_column * step > 0.0 {
                VarStatus::Lower
            } else if by_column * step < 0.0 {
                VarStatus::Upper
            } else if by_column * sign > 0.0 {
                VarStatus::Lower
            } else {
                VarStatus::Upper
            };
            let x = self.x[q] + step;
            self.pivot(p, q, to, x);
            self.d[leaving] = -theta;
            run.iterate();
            run.budget
                .spend_entries(2 * length(&self.column) + 2 * self.row.index.len());
            match self.factor.update(p, by_column) {
                Updated::Ok => self.updates += 1,
                Updated::Unstable | Updated::Full => self.updates = params::UPDATES,
            }
            self.spend(run.budget);
        }
    }

    /// Moves the basic values by a change of `step` in the entering variable.
    fn take_step(&mut self, step: f64) {
        let tolerance = self.primal_tolerance;
        let (xb, lb, ub, violations) = (&mut self.xb, &self.lb, &self.ub, &mut self.violation);
        each_entry!(self.column, |i, value| {
            xb[i] -= step * value;
            violations[i] = violation(xb[i], lb[i], ub[i], tolerance);
        });
    }

    /// The leaving position and the step length for an entering variable that
    /// moves by `sign`: first the longest step within the tolerance, then the
    /// largest pivot among those that block before it.
    fn primal_ratio(&self, sign: f64, least_pivot: f64) -> Option<(usize, f64)> {
        let tolerance = self.primal_tolerance;
        let mut limit = f64::INFINITY;
        each_entry!(self.column, |i, value| {
            let speed = sign * value;
            if speed > least_pivot {
                limit = limit.min((self.xb[i] - self.lb[i] + tolerance) / speed);
            } else if speed < -least_pivot {
                limit = limit.min((self.ub[i] - self.xb[i] + tolerance) / -speed);
            }
        });
        if limit == f64::INFINITY {
            return None;
        }
        let mut best = (0.0, usize::MAX, 0.0);
        each_entry!(self.column, |i, value| {
            let speed = sign * value;
            let room = if speed > least_pivot {
                self.xb[i] - self.lb[i]
            } else if speed < -least_pivot {
                self.ub[i] - self.xb[i]
            } else {
                f64::INFINITY
            };
            if room <= limit * speed.abs() && speed.abs() > best.0 {
                best = (speed.abs(), i, room / speed.abs());
            }
        });
        (best.1 != usize::MAX).then_some((best.1, best.2.max(0.0)))
    }
}
