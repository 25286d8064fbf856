//! Basis, values and reduced costs of the simplex method, in scaled units.
//!
//! Invariants, once factorised: nonbasic variables sit at the bound that their
//! status names (free ones at zero); `B x_B + N x_N = 0`; `d = c - A^T y` with
//! the working costs, which differ from the problem's while `shifted` is set.

use super::SparseVector;
use super::factor::{BasisColumns, Factor, Factored};
use super::params;
use super::problem::Problem;
use super::{Basis, VarStatus};
use crate::sparse::{Index, index};
use crate::splitmix::{GOLDEN, mix};
use crate::work::Budget;

/// Position of a variable that is not in the basis.
pub(super) const NONBASIC: Index = Index::MAX;

/// A basis position that [`State::factorize`] is to fill.
pub(super) const EMPTY: Index = Index::MAX;

/// Shifts are taken back one by one where there is one for at least so many
/// variables.
const FEW_SHIFTS: usize = 10;

/// Weights of the basis positions below this are set to it: a weight is the
/// squared norm of a row of the inverse, whose update can cancel.
const LEAST_WEIGHT: f64 = 1e-4;

/// One row of the tableau over the nonbasic variables.
#[derive(Clone, Debug, Default)]
pub(super) struct PivotRow {
    /// Variables with an entry.
    pub(super) index: Vec<Index>,
    /// By variable; zero where not in `index`.
    pub(super) value: Vec<f64>,
}

/// The state of the simplex method.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    // By variable.
    pub(super) lower: Vec<f64>,
    pub(super) upper: Vec<f64>,
    /// Working cost.
    pub(super) cost: Vec<f64>,
    /// Value where nonbasic.
    pub(super) x: Vec<f64>,
    /// Reduced cost; zero where basic. Not kept up for fixed columns
    /// ([`State::fresh_d`]).
    pub(super) d: Vec<f64>,
    pub(super) status: Vec<VarStatus>,
    /// Which way it may move: +1 up from its lower bound, -1 down from its
    /// upper, 2 either, 0 none (fixed or basic).
    pub(super) way: Vec<i8>,
    /// Basis position or [`NONBASIC`].
    pub(super) position: Vec<Index>,
    // By basis position.
    pub(super) head: Vec<Index>,
    pub(super) xb: Vec<f64>,
    pub(super) lb: Vec<f64>,
    pub(super) ub: Vec<f64>,
    /// Squared violation where above the tolerance, else zero.
    pub(super) violation: Vec<f64>,
    /// Dual steepest edge weights.
    pub(super) weight: Vec<f64>,

    pub(super) factor: Factor,
    pub(super) is_factored: bool,
    /// Updates since the last factorisation.
    pub(super) updates: usize,
    /// Factor ticks already spent into a budget.
    factor_ticks: u64,
    /// Variables whose bounds changed since the last settling.
    pub(super) moved: Vec<Index>,
    pub(super) is_dual_stale: bool,
    pub(super) is_primal_stale: bool,
    /// Whether working costs differ from the problem's.
    pub(super) shifted: bool,
    /// Where they differ, perhaps more than once; all, if there are too many.
    pub(super) shifts: Vec<Index>,
    /// Pivots since the rows were last evaluated at the point.
    pub(super) unverified: usize,
    /// Whether they were since the basis was set.
    pub(super) is_verified: bool,
    pub(super) perturbed: bool,
    pub(super) primal_tolerance: f64,
    /// The objective of the current basic solution with the working costs.
    pub(super) objective: f64,

    // Scratch, by row or position.
    pub(super) rho: SparseVector,
    pub(super) column: SparseVector,
    pub(super) tau: SparseVector,
    pub(super) flips: SparseVector,
    pub(super) row: PivotRow,
    pub(super) candidates: Vec<(Index, f64)>,
    pub(super) groups: Vec<usize>,
    /// Scratch of the ratio test: ratio, variable, entry, limit from there on.
    pub(super) ratios: Vec<(f64, Index, f64, f64)>,
}

/// The basis matrix for the factorisation.
struct Columns<'a> {
    problem: &'a Problem,
    head: &'a [Index],
}

impl BasisColumns for Columns<'_> {
    fn column(&self, position: usize, entry: &mut dyn FnMut(usize, f64)) {
        if self.head[position] != EMPTY {
            self.problem.each(self.head[position] as usize, entry);
        }
    }
}

/// Why a factorisation gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Stopped,
    Trouble,
}

/// Runs `$body` for each entry `($i, $value)` of a [`SparseVector`].
macro_rules! each_entry {
    ($vector:expr, |$i:ident, $value:ident| $body:block) => {
        if $vector.is_dense() {
            for ($i, &$value) in $vector.values.iter().enumerate() {
                if $value != 0.0 $body
            }
        } else {
            for &$i in &$vector.indices {
                let $i = $i as usize;
                let $value = $vector.values[$i];
                $body
            }
        }
    };
}
pub(super) use each_entry;

/// Number of entries that a loop over `vector` touches.
pub(super) fn length(vector: &SparseVector) -> usize {
    if vector.is_dense() {
        vector.values.len()
    } else {
        vector.indices.len()
    }
}

/// Squared violation of `[lower, upper]` by `x` beyond `tolerance`, else zero.
#[inline]
pub(super) fn violation(x: f64, lower: f64, upper: f64, tolerance: f64) -> f64 {
    let v = (lower - x).max(x - upper);
    if v > tolerance { v * v } else { 0.0 }
}

impl State {
    /// The slack basis of `problem`.
    pub(super) fn new(problem: &Problem) -> Self {
        let mut state = Self {
            primal_tolerance: params::PRIMAL,
            ..Self::default()
        };
        state.resize(problem);
        state.slack_basis(problem);
        state
    }

    /// Takes sizes, bounds and costs from `problem`; the basis must be set next.
    pub(super) fn resize(&mut self, problem: &Problem) {
        let (m, all) = (problem.m(), problem.variables());
        self.lower.clear();
        self.upper.clear();
        for v in 0..all {
            let (lower, upper) = problem.bounds(v);
            self.lower.push(lower);
            self.upper.push(upper);
        }
        self.x.resize(all, 0.0);
        self.d.resize(all, 0.0);
        self.status.resize(all, VarStatus::Lower);
        self.way.resize(all, 0);
        self.position.resize(all, NONBASIC);
        self.head.resize(m, 0);
        self.xb.resize(m, 0.0);
        self.lb.resize(m, 0.0);
        self.ub.resize(m, 0.0);
        self.violation.resize(m, 0.0);
        self.weight.resize(m, 1.0);
        self.rho = SparseVector::new(m);
        self.column = SparseVector::new(m);
        self.tau = SparseVector::new(m);
        self.flips = SparseVector::new(m);
        self.row = PivotRow {
            index: Vec::new(),
            value: vec![0.0; all],
        };
        self.factor = Factor::new(m);
        self.factor_ticks = 0;
        self.reset_costs(problem);
        self.stale();
    }

    /// Becomes the state that `other` is, with the memory that is there; scratch
    /// is left alone.
    pub(super) fn keep(&mut self, other: &Self) {
        self.lower.clone_from(&other.lower);
        self.upper.clone_from(&other.upper);
        self.cost.clone_from(&other.cost);
        self.x.clone_from(&other.x);
        self.d.clone_from(&other.d);
        self.status.clone_from(&other.status);
        self.way.clone_from(&other.way);
        self.position.clone_from(&other.position);
        self.head.clone_from(&other.head);
        self.xb.clone_from(&other.xb);
        self.lb.clone_from(&other.lb);
        self.ub.clone_from(&other.ub);
        self.violation.clone_from(&other.violation);
        self.weight.clone_from(&other.weight);
        self.factor.keep(&other.factor);
        self.is_factored = other.is_factored;
        self.updates = other.updates;
        self.unverified = other.unverified;
        self.is_verified = other.is_verified;
        self.moved.clone_from(&other.moved);
        self.shifts.clone_from(&other.shifts);
        self.is_dual_stale = other.is_dual_stale;
        self.is_primal_stale = other.is_primal_stale;
        self.shifted = other.shifted;
        self.perturbed = other.perturbed;
        self.primal_tolerance = other.primal_tolerance;
        self.objective = other.objective;
    }

    /// Nothing computed from the basis holds any more.
    pub(super) fn stale(&mut self) {
        self.is_factored = false;
        self.is_verified = false;
        self.is_dual_stale = true;
        self.is_primal_stale = true;
        self.moved.clear();
    }

    /// Makes the logicals the basis.
    pub(super) fn slack_basis(&mut self, problem: &Problem) {
        let n = problem.n();
        for j in 0..n {
            self.leave(j, VarStatus::Lower);
        }
        for i in 0..problem.m() {
            self.enter(n + i, i);
            self.weight[i] = 1.0;
        }
        self.stale();
    }

    /// The basis as statuses.
    pub(super) fn basis(&self, n: usize) -> Basis {
        Basis {
            columns: self.status[..n].to_vec(),
            rows: self.status[n..].to_vec(),
        }
    }

    /// Takes the basis `wanted`. Where it has too few basic variables, logicals
    /// fill up; where too many, the last ones are left out.
    pub(super) fn set_basis(&mut self, problem: &Problem, wanted: &Basis) {
        let (n, m) = (problem.n(), problem.m());
        let at = |v: usize| {
            if v < n {
                wanted.columns.get(v).copied().unwrap_or(VarStatus::Lower)
            } else {
                wanted.rows.get(v - n).copied().unwrap_or(VarStatus::Basic)
            }
        };
        // Weights belong to variables: those that stay basic keep theirs.
        let weights = self.weights_by_variable();
        let mut filled = 0;
        for v in (n..n + m).chain(0..n) {
            let status = at(v);
            if status == VarStatus::Basic && filled < m {
                self.enter(v, filled);
                self.weight[filled] = weights[v];
                filled += 1;
            } else {
                self.leave(v, status);
            }
        }
        for v in n..n + m {
            if filled < m && self.status[v] != VarStatus::Basic {
                self.enter(v, filled);
                self.weight[filled] = 1.0;
                filled += 1;
            }
        }
        self.reset_costs(problem);
        self.stale();
    }

    /// Weights of the basic variables by variable; 1 elsewhere.
    pub(super) fn weights_by_variable(&self) -> Vec<f64> {
        let mut weights = vec![1.0; self.x.len()];
        for (p, &v) in self.head.iter().enumerate() {
            weights[v as usize] = self.weight[p];
        }
        weights
    }

    /// Puts `v` at basis position `p`.
    pub(super) fn enter(&mut self, v: usize, p: usize) {
        self.status[v] = VarStatus::Basic;
        self.way[v] = 0;
        self.position[v] = index(p);
        self.d[v] = 0.0;
        self.head[p] = index(v);
        self.lb[p] = self.lower[v];
        self.ub[p] = self.upper[v];
    }

    /// Makes `v` nonbasic at the bound `wanted`, or at one that exists.
    pub(super) fn leave(&mut self, v: usize, wanted: VarStatus) {
        self.position[v] = NONBASIC;
        let (lower, upper) = (self.lower[v], self.upper[v]);
        let (status, way, x) = if lower >= upper {
            (VarStatus::Lower, 0, lower)
        } else if wanted == VarStatus::Upper && upper < f64::INFINITY {
            (VarStatus::Upper, -1, upper)
        } else if lower > f64::NEG_INFINITY {
            (VarStatus::Lower, 1, lower)
        } else if upper < f64::INFINITY {
            (VarStatus::Upper, -1, upper)
        } else {
            (VarStatus::Free, 2, 0.0)
        };
        self.status[v] = status;
        self.way[v] = way;
        self.x[v] = x;
    }

    /// Moves nonbasic `v` to the bound `wanted`, noting the change in `flips`.
    pub(super) fn move_to(&mut self, problem: &Problem, v: usize, wanted: VarStatus) {
        let old = self.x[v];
        self.leave(v, wanted);
        let step = self.x[v] - old;
        if step != 0.0 {
            self.objective += step * self.d[v];
            let flips = &mut self.flips;
            problem.each(v, |i, a| flips.add(i, a * step));
        }
    }

    /// Brings the basic values up to the moves noted in `flips`.
    pub(super) fn apply_flips(&mut self, budget: &mut Budget) {
        if length(&self.flips) == 0 {
            return;
        }
        self.factor.ftran(&mut self.flips, false);
        let (xb, lb, ub, violations) = (&mut self.xb, &self.lb, &self.ub, &mut self.violation);
        let tolerance = self.primal_tolerance;
        each_entry!(self.flips, |p, value| {
            xb[p] -= value;
            violations[p] = violation(xb[p], lb[p], ub[p], tolerance);
        });
        budget.spend_entries(length(&self.flips));
        self.flips.clear();
        self.spend(budget);
    }

    /// Spends what the factors did since the last call.
    pub(super) fn spend(&mut self, budget: &mut Budget) {
        let ticks = self.factor.ticks();
        budget.spend(ticks.saturating_sub(self.factor_ticks));
        self.factor_ticks = ticks;
    }

    /// Value of variable `v`.
    pub(super) fn value(&self, v: usize) -> f64 {
        match self.position[v] {
            NONBASIC => self.x[v],
            p => self.xb[p as usize],
        }
    }

    /// The nonbasic status that suits `v`'s reduced cost.
    pub(super) fn suited(&self, v: usize) -> VarStatus {
        if self.d[v] > params::DUAL {
            VarStatus::Lower
        } else if self.d[v] < -params::DUAL {
            VarStatus::Upper
        } else {
            self.status[v]
        }
    }

    /// Takes up changed bounds: basic variables get theirs, nonbasic ones move.
    pub(super) fn settle(&mut self, problem: &Problem, budget: &mut Budget) {
        let moved = std::mem::take(&mut self.moved);
        for &v in &moved {
            let v = v as usize;
            if self.status[v] == VarStatus::Basic {
                let p = self.position[v] as usize;
                self.lb[p] = self.lower[v];
                self.ub[p] = self.upper[v];
                self.violation[p] =
                    violation(self.xb[p], self.lb[p], self.ub[p], self.primal_tolerance);
                continue;
            }
            if self.way[v] == 0 && !self.is_dual_stale {
                self.d[v] = self.fresh_d(problem, v);
            }
            if self.is_factored && !self.is_primal_stale {
                self.move_to(problem, v, self.suited(v));
            } else {
                self.leave(v, self.suited(v));
            }
        }
        self.moved = moved;
        self.moved.clear();
        self.apply_flips(budget);
    }

    /// Factorises the basis, repairing it where it is singular or not complete.
    pub(super) fn factorize(
        &mut self,
        problem: &Problem,
        budget: &mut Budget,
    ) -> Result<(), Failure> {
        for _ in 0..10 {
            let columns = Columns {
                problem,
                head: &self.head,
            };
            let factored = self.factor.factorize(&columns, budget);
            self.spend(budget);
            match factored {
                Factored::Ok => {
                    let renamed = self.factor.align();
                    self.rename_positions(&renamed);
                    self.is_factored = true;
                    self.updates = 0;
                    return Ok(());
                }
                Factored::Stopped => return Err(Failure::Stopped),
                Factored::Singular { replacements } => {
                    for (p, row) in replacements {
                        if self.head[p] != EMPTY {
                            let old = self.head[p] as usize;
                            self.leave(old, nearest(self.xb[p], self.lower[old], self.upper[old]));
                        }
                        self.enter(problem.n() + row, p);
                        self.weight[p] = 1.0;
                    }
                    self.is_primal_stale = true;
                    self.is_dual_stale = true;
                }
            }
        }
        Err(Failure::Trouble)
    }

    /// Moves what belongs to basis position p to `renamed[p]`.
    fn rename_positions(&mut self, renamed: &[Index]) {
        if (0..).zip(renamed).all(|(p, &to): (Index, _)| p == to) {
            return;
        }
        let head = self.head.clone();
        for (&to, &v) in renamed.iter().zip(&head) {
            self.head[to as usize] = v;
            self.position[v as usize] = to;
        }
        for values in [
            &mut self.xb,
            &mut self.lb,
            &mut self.ub,
            &mut self.violation,
            &mut self.weight,
        ] {
            let old = values.clone();
            for (&to, &value) in renamed.iter().zip(&old) {
                values[to as usize] = value;
            }
        }
    }

    /// Factorises, and computes basic values and reduced costs anew.
    pub(super) fn refresh(
        &mut self,
        problem: &Problem,
        budget: &mut Budget,
    ) -> Result<(), Failure> {
        self.factorize(problem, budget)?;
        self.compute_dual(problem, budget);
        self.compute_primal(problem, budget);
        Ok(())
    }

    /// Basic values from the nonbasic ones.
    pub(super) fn compute_primal(&mut self, problem: &Problem, budget: &mut Budget) {
        self.flips.clear();
        let mut entries = 0;
        for v in 0..self.x.len() {
            if self.status[v] != VarStatus::Basic && self.x[v] != 0.0 {
                let x = self.x[v];
                let flips = &mut self.flips;
                problem.each(v, |i, a| flips.add(i, a * x));
                entries += problem.count(v);
                if entries >= params::LOOK {
                    budget.spend_entries(entries);
                    entries = 0;
                    if budget.is_over() {
                        return;
                    }
                }
            }
        }
        self.factor.ftran(&mut self.flips, false);
        self.xb.fill(0.0);
        let xb = &mut self.xb;
        each_entry!(self.flips, |p, value| {
            xb[p] = -value;
        });
        self.flips.clear();
        self.compute_violations();
        self.is_primal_stale = false;
        self.compute_objective();
        budget.spend_entries(entries + self.x.len());
        self.spend(budget);
    }

    /// Bounds by position and violations from the basic values.
    pub(super) fn compute_violations(&mut self) {
        for p in 0..self.head.len() {
            let v = self.head[p] as usize;
            self.lb[p] = self.lower[v];
            self.ub[p] = self.upper[v];
            self.violation[p] =
                violation(self.xb[p], self.lb[p], self.ub[p], self.primal_tolerance);
        }
    }

    /// The objective with the working costs from the values.
    fn compute_objective(&mut self) {
        let mut objective = 0.0;
        for (&c, (&x, &p)) in self.cost.iter().zip(self.x.iter().zip(&self.position)) {
            if c != 0.0 {
                objective += c * if p == NONBASIC {
                    x
                } else {
                    self.xb[p as usize]
                };
            }
        }
        self.objective = objective;
    }

    /// The reduced cost of nonbasic `v` with the working costs, from the
    /// multipliers that the logicals' reduced costs are.
    pub(super) fn fresh_d(&self, problem: &Problem, v: usize) -> f64 {
        let n = problem.n();
        if v >= n {
            return self.d[v];
        }
        let (indices, values) = problem.by_column.get(v);
        let mut d = self.cost[v];
        for (&i, &a) in indices.iter().zip(values) {
            let logical = n + i as usize;
            d -= a * (self.d[logical] - self.cost[logical]);
        }
        d
    }

    /// Reduced costs from the working costs.
    pub(super) fn compute_dual(&mut self, problem: &Problem, budget: &mut Budget) {
        self.tau.clear();
        for (p, &v) in self.head.iter().enumerate() {
            let cost = self.cost[v as usize];
            if cost != 0.0 {
                self.tau.set(p, cost);
            }
        }
        self.factor.btran(&mut self.tau);
        let (n, y) = (problem.n(), &self.tau.values);
        let mut entries = 0;
        for v in 0..self.d.len() {
            if self.status[v] == VarStatus::Basic {
                self.d[v] = 0.0;
            } else if v < n {
                if self.way[v] == 0 {
                    continue;
                }
                let (indices, values) = problem.by_column.get(v);
                let mut d = self.cost[v];
                for (&i, &a) in indices.iter().zip(values) {
                    d -= a * y[i as usize];
                }
                self.d[v] = d;
                entries += indices.len();
                if entries >= params::LOOK {
                    budget.spend_entries(entries);
                    entries = 0;
                    if budget.is_over() {
                        return;
                    }
                }
            } else {
                self.d[v] = self.cost[v] + y[v - n];
            }
        }
        self.tau.clear();
        self.is_dual_stale = false;
        self.compute_objective();
        budget.spend_entries(entries + self.x.len());
        self.spend(budget);
    }

    /// The problem's costs as working costs.
    pub(super) fn reset_costs(&mut self, problem: &Problem) {
        self.cost.clear();
        self.cost
            .extend((0..problem.variables()).map(|v| problem.cost(v)));
        self.shifts.clear();
        self.shifted = false;
        self.perturbed = false;
        self.is_dual_stale = true;
    }

    /// The problem's costs as working costs, and the reduced costs with them:
    /// from what was shifted alone, where that is little.
    pub(super) fn unshift(&mut self, problem: &Problem, budget: &mut Budget) {
        if self.is_dual_stale || self.shifts.len() * FEW_SHIFTS > self.d.len() {
            self.reset_costs(problem);
            self.compute_dual(problem, budget);
            return;
        }
        let shifts = std::mem::take(&mut self.shifts);
        self.rho.clear();
        for &v in &shifts {
            let v = v as usize;
            let change = problem.cost(v) - self.cost[v];
            if change == 0.0 {
                continue;
            }
            self.cost[v] += change;
            match self.position[v] {
                NONBASIC => {
                    self.d[v] += change;
                    self.objective += change * self.x[v];
                }
                p => {
                    self.objective += change * self.xb[p as usize];
                    self.rho.set(p as usize, change);
                }
            }
        }
        if !self.rho.indices.is_empty() {
            // The multipliers change by rho = B^-T (change of c_B).
            self.factor.btran(&mut self.rho);
            self.compute_row(problem, budget);
            self.update_dual(1.0, budget);
        }
        self.shifts = shifts;
        self.shifts.clear();
        self.shifted = false;
        self.perturbed = false;
        self.spend(budget);
    }

    /// Number of nonbasic variables whose reduced cost has the wrong sign.
    pub(super) fn dual_violations(&self) -> usize {
        self.d
            .iter()
            .zip(&self.way)
            .filter(|&(&d, &way)| is_wrong(d, way))
            .count()
    }

    /// Makes the reduced costs feasible: boxed variables move to their other
    /// bound, the costs of others are shifted. The basic values follow.
    pub(super) fn correct_dual(&mut self, problem: &Problem, budget: &mut Budget) {
        for v in 0..self.d.len() {
            let (d, way) = (self.d[v], self.way[v]);
            if !is_wrong(d, way) {
                continue;
            }
            if way != 2 && self.lower[v].is_finite() && self.upper[v].is_finite() {
                let to = if way == 1 {
                    VarStatus::Upper
                } else {
                    VarStatus::Lower
                };
                if self.is_primal_stale {
                    self.leave(v, to);
                } else {
                    self.move_to(problem, v, to);
                }
            } else {
                self.shift_to_feasible(v);
            }
        }
        budget.spend_entries(self.d.len());
        if !self.is_primal_stale {
            self.apply_flips(budget);
        }
    }

    /// Shifts the cost of `v`, whose reduced cost has the wrong sign, until it has not.
    pub(super) fn shift_to_feasible(&mut self, v: usize) {
        let target = match self.way[v] {
            1 => params::DUAL * (1.0 + fraction(v)),
            -1 => -params::DUAL * (1.0 + fraction(v)),
            _ => 0.0,
        };
        self.shift_cost(v, target - self.d[v]);
    }

    /// Adds `shift` to the working cost of nonbasic `v`.
    pub(super) fn shift_cost(&mut self, v: usize, shift: f64) {
        self.cost[v] += shift;
        self.d[v] += shift;
        self.objective += shift * self.x[v];
        self.shifted = true;
        if self.shifts.len() <= self.d.len() {
            self.shifts.push(index(v));
        }
    }

    /// Moves the reduced costs away from zero by small amounts that differ, so
    /// that ties in the ratio test are broken (Koberstein 2005, 6.4).
    pub(super) fn perturb(&mut self, problem: &Problem) {
        for v in 0..problem.n() {
            let way = self.way[v];
            if way != 1 && way != -1 {
                continue;
            }
            let size = params::PERTURBATION * (1.0 + self.cost[v].abs()) * (1.0 + fraction(v));
            self.shift_cost(v, f64::from(way) * size);
        }
        self.perturbed = true;
    }

    /// The reduced cost of `v` with the problem's costs, for the current
    /// multipliers.
    pub(super) fn true_d(&self, problem: &Problem, v: usize) -> f64 {
        self.d[v] - (self.cost[v] - problem.cost(v))
    }

    /// Dual bound of the current multipliers with the problem's costs;
    /// reduced costs within the tolerance count as zero on open sides.
    pub(super) fn dual_bound(&self, problem: &Problem) -> f64 {
        let mut bound = 0.0;
        for v in 0..self.d.len() {
            let d = if self.way[v] == 0 && self.status[v] != VarStatus::Basic {
                self.fresh_d(problem, v) - (self.cost[v] - problem.cost(v))
            } else {
                self.true_d(problem, v)
            };
            if d == 0.0 {
                continue;
            }
            let at = if d > 0.0 {
                self.lower[v]
            } else {
                self.upper[v]
            };
            if at.is_finite() {
                bound += d * at;
            } else if d.abs() > 2.0 * params::DUAL {
                return f64::NEG_INFINITY;
            }
        }
        bound
    }

    /// Exchanges the variable at position `p` for `q`: the leaving one goes to
    /// the bound `to`, the entering one has the value `x`. Reduced costs and
    /// the other values are the caller's.
    pub(super) fn pivot(&mut self, p: usize, q: usize, to: VarStatus, x: f64) {
        let old = self.head[p] as usize;
        self.unverified += 1;
        self.leave(old, to);
        self.enter(q, p);
        self.xb[p] = x;
        self.violation[p] = violation(x, self.lb[p], self.ub[p], self.primal_tolerance);
    }

    /// One step of iterative refinement of `rho`, row `p` of the inverse:
    /// rho += (e_p - B^T rho) B^-1.
    pub(super) fn refine_row(&mut self, problem: &Problem, p: usize, budget: &mut Budget) {
        self.tau.clear();
        for (k, &v) in self.head.iter().enumerate() {
            let mut residual = if k == p { 1.0 } else { 0.0 };
            let rho = &self.rho.values;
            problem.each(v as usize, |i, a| residual -= a * rho[i]);
            if residual != 0.0 {
                self.tau.set(k, residual);
            }
        }
        self.factor.btran(&mut self.tau);
        let rho = &mut self.rho;
        each_entry!(self.tau, |i, value| {
            rho.add(i, value);
        });
        self.tau.clear();
        budget.spend_entries(problem.rows.nonzeros());
        self.spend(budget);
    }

    /// Dual steepest edge weights after a pivot at `p` (Forrest, Goldfarb
    /// 1992); `column`: B^-1 a_q, `tau`: B^-1 rho, `own`: |rho|^2.
    pub(super) fn update_weights(&mut self, p: usize, own: f64) {
        let alpha = self.column.values[p];
        let (tau, weight) = (&self.tau.values, &mut self.weight);
        each_entry!(self.column, |i, value| {
            if i != p && value != 0.0 {
                let ratio = value / alpha;
                let updated = weight[i] + ratio * (ratio * own - 2.0 * tau[i]);
                weight[i] = updated.max(LEAST_WEIGHT);
            }
        });
        self.weight[p] = (own / (alpha * alpha)).max(LEAST_WEIGHT);
    }
}

/// Whether reduced cost `d` has the wrong sign for a variable that may move
/// `way`.
#[inline]
pub(super) fn is_wrong(d: f64, way: i8) -> bool {
    match way {
        1 => d < -params::DUAL,
        -1 => d > params::DUAL,
        2 => d.abs() > params::DUAL,
        _ => false,
    }
}

/// The bound that `x` is nearest to.
fn nearest(x: f64, lower: f64, upper: f64) -> VarStatus {
    if (upper - x).abs() < (x - lower).abs() {
        VarStatus::Upper
    } else {
        VarStatus::Lower
    }
}

/// A fixed pseudo-random number in [0, 1) for `v`: the same at each solve, whatever happened
/// before.
pub(super) fn fraction(v: usize) -> f64 {
    let z = mix((v as u64).wrapping_mul(GOLDEN));
    #[expect(clippy::cast_precision_loss, reason = "32 bits")]
    let fraction = (z >> 32) as f64 / 4_294_967_296.0;
    fraction
}
