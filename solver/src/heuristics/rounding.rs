//! Rounding the relaxation without solving another.
//!
//! **By locks**: a fractional column that some direction cannot break goes that
//! way; if every one has such a direction, the point is feasible.
//!
//! **Shifting**: integers are rounded one after the other, and columns of
//! violated rows moved as far as repairs the row, each time the move that
//! least increases the weighted violation
//!
//! ```text
//! sum_i w_i v_i(x) / |a_i|_max,     v_i(x) = distance of row i from its sides
//! ```
//!
//! The weight of a row grows each time it is found violated, which leads out of
//! cycles; columns that just moved wait a few moves. Where the problem has
//! continuous columns, they are optimised by the LP at the end.
//!
//! Source: T. Achterberg 2007, sections 9.1.1 and 9.1.3 (shifting); the weights
//! are as in local search for satisfiability.

use super::Context;
use super::support::{Locks, accept, complete, fractional, restoring};
use crate::mip::Mip;
use crate::tol;
use crate::work::Budget;

/// Moves for each fractional column, and at least.
const MOVES: usize = 10;
const LEAST_MOVES: usize = 100;

/// Moves for which a column rests.
const REST: usize = 5;

/// Rounds the context's relaxation.
pub(super) fn run(context: &mut Context<'_>, ticks: u64, budget: &mut Budget) -> Option<Vec<f64>> {
    let mip = &**context.mip;
    if context.lp.x().len() != mip.columns() {
        return None;
    }
    let candidates = fractional(mip, context.lp.x());
    budget.spend_entries(mip.columns());
    let point = by_locks(context, &candidates, budget)
        .or_else(|| Shifting::new(context, ticks, budget).run(context, &candidates, budget))?;
    if mip.integers() == mip.columns() {
        return accept(mip, point, context.cutoff);
    }
    // A feasible but poor point may be better once the rest is optimal.
    let better = restoring(context, budget, |context, budget| {
        let limit = 100 + context.lp.rows() as u64;
        complete(
            context.mip,
            context.lp,
            &point,
            context.cutoff,
            limit,
            budget,
        )
    });
    better.or_else(|| accept(context.mip, point, context.cutoff))
}

/// Rounds `candidates`, the fractional columns of the relaxation, where they
/// break nothing.
pub(super) fn by_locks(
    context: &Context<'_>,
    candidates: &[(usize, f64)],
    budget: &mut Budget,
) -> Option<Vec<f64>> {
    let mip = &**context.mip;
    let mut point: Option<Vec<f64>> = None;
    for &(j, value) in candidates {
        let locks = Locks::of(mip, j);
        budget.spend_entries(mip.by_column.count(j));
        let is_up = match (locks.down, locks.up) {
            (0, 0) => mip.cost[j] < 0.0,
            (0, _) => false,
            (_, 0) => true,
            _ => return None,
        };
        let point = point.get_or_insert_with(|| context.lp.x().to_vec());
        point[j] = if is_up { value.ceil() } else { value.floor() };
    }
    let mut point = point.unwrap_or_else(|| context.lp.x().to_vec());
    for (value, &integer) in point.iter_mut().zip(&mip.integer) {
        if integer {
            *value = value.round();
        }
    }
    budget.spend_entries(mip.by_row.nonzeros());
    accept(mip, point, context.cutoff)
}

/// The state of shifting.
struct Shifting {
    x: Vec<f64>,
    activity: Vec<f64>,
    /// By row: over the largest coefficient.
    weight: Vec<f64>,
    /// Violated rows, and the place of each row in the list.
    violated: Vec<usize>,
    place: Vec<usize>,
    /// Move from which on a column may move again.
    ready: Vec<usize>,
    end: u64,
}

const NOWHERE: usize = usize::MAX;

/// By how much `activity` is beyond the sides of row `i`.
fn violation(mip: &Mip, i: usize, activity: f64) -> f64 {
    (mip.row_lower[i] - activity)
        .max(activity - mip.row_upper[i])
        .max(0.0)
}

impl Shifting {
    fn new(context: &Context<'_>, ticks: u64, budget: &mut Budget) -> Self {
        let mip = &**context.mip;
        let mut x = context.lp.x().to_vec();
        for (j, value) in x.iter_mut().enumerate() {
            *value = value.clamp(mip.lower[j], mip.upper[j]);
            if mip.integer[j] && (*value - value.round()).abs() <= tol::INTEGRALITY {
                *value = value.round();
            }
        }
        let mut shifting = Self {
            activity: (0..mip.rows()).map(|i| mip.activity(i, &x)).collect(),
            weight: (0..mip.rows())
                .map(|i| {
                    let largest = mip
                        .by_row
                        .iter(i)
                        .fold(0.0_f64, |most, (_, a)| most.max(a.abs()));
                    if largest > 0.0 { 1.0 / largest } else { 0.0 }
                })
                .collect(),
            violated: Vec::new(),
            place: vec![NOWHERE; mip.rows()],
            ready: vec![0; mip.columns()],
            end: budget.ticks().saturating_add(ticks),
            x,
        };
        for i in 0..mip.rows() {
            shifting.note(mip, i);
        }
        budget.spend_entries(2 * mip.by_row.nonzeros());
        shifting
    }

    /// Keeps the list of violated rows.
    fn note(&mut self, mip: &Mip, i: usize) {
        let is_violated = violation(mip, i, self.activity[i]) > tol::ENGINE_FEASIBILITY;
        if is_violated && self.place[i] == NOWHERE {
            self.place[i] = self.violated.len();
            self.violated.push(i);
        } else if !is_violated && self.place[i] != NOWHERE {
            let at = self.place[i];
            self.violated.swap_remove(at);
            if let Some(&other) = self.violated.get(at) {
                self.place[other] = at;
            }
            self.place[i] = NOWHERE;
        }
    }

    fn apply(&mut self, mip: &Mip, j: usize, value: f64) {
        let step = value - self.x[j];
        self.x[j] = value;
        for (i, a) in mip.by_column.iter(j) {
            self.activity[i] += a * step;
            self.note(mip, i);
        }
    }

    /// Change of the weighted violation when column `j` moves to `value`.
    fn price(&self, mip: &Mip, j: usize, value: f64) -> f64 {
        let step = value - self.x[j];
        mip.by_column
            .iter(j)
            .map(|(i, a)| {
                let before = violation(mip, i, self.activity[i]);
                let after = violation(mip, i, self.activity[i] + a * step);
                self.weight[i] * (after - before)
            })
            .sum()
    }

    /// A point with integral integers and no violated row.
    fn run(
        mut self,
        context: &Context<'_>,
        candidates: &[(usize, f64)],
        budget: &mut Budget,
    ) -> Option<Vec<f64>> {
        let mip = &**context.mip;
        let mut left: Vec<usize> = candidates.iter().map(|&(j, _)| j).collect();
        let moves = LEAST_MOVES.max(MOVES * candidates.len());
        for now in 0..moves {
            if budget.ticks() >= self.end || budget.is_over() {
                return None;
            }
            let best = if self.violated.is_empty() {
                left.retain(|&j| (self.x[j] - self.x[j].round()).abs() > tol::INTEGRALITY);
                if left.is_empty() {
                    return Some(self.x);
                }
                self.best_rounding(mip, &left, budget)
            } else {
                self.best_repair(mip, now, budget)
            };
            let (j, value) = best?;
            self.ready[j] = now + REST;
            budget.spend_entries(mip.by_column.count(j));
            self.apply(mip, j, value);
        }
        None
    }

    fn best_rounding(
        &self,
        mip: &Mip,
        left: &[usize],
        budget: &mut Budget,
    ) -> Option<(usize, f64)> {
        let mut best: Option<(f64, f64, usize, f64)> = None;
        for &j in left {
            budget.spend_entries(2 * mip.by_column.count(j));
            for value in [self.x[j].floor(), self.x[j].ceil()] {
                if value < mip.lower[j] || value > mip.upper[j] {
                    continue;
                }
                let price = self.price(mip, j, value);
                let cost = mip.cost[j] * (value - self.x[j]);
                if best.is_none_or(|(p, c, ..)| price < p || (price <= p && cost < c)) {
                    best = Some((price, cost, j, value));
                }
            }
        }
        best.map(|(_, _, j, value)| (j, value))
    }

    fn best_repair(&mut self, mip: &Mip, now: usize, budget: &mut Budget) -> Option<(usize, f64)> {
        let i = self.violated[now % self.violated.len()];
        self.weight[i] *= 1.0 + 1.0 / PATIENCE;
        let missing = if self.activity[i] < mip.row_lower[i] {
            mip.row_lower[i] - self.activity[i]
        } else {
            mip.row_upper[i] - self.activity[i]
        };
        let mut best: Option<(f64, f64, usize, f64)> = None;
        for (j, a) in mip.by_row.iter(i) {
            let exact = self.x[j] + missing / a;
            let value = if mip.integer[j] {
                // As little as repairs the row, in whole steps.
                if missing / a > 0.0 {
                    (exact - tol::INTEGRALITY).ceil()
                } else {
                    (exact + tol::INTEGRALITY).floor()
                }
            } else {
                exact
            }
            .clamp(mip.lower[j], mip.upper[j]);
            let step = value - self.x[j];
            if step.abs() <= tol::ENGINE_FEASIBILITY || self.ready[j] > now {
                continue;
            }
            budget.spend_entries(mip.by_column.count(j));
            let price = self.price(mip, j, value);
            let cost = mip.cost[j] * step;
            if best.is_none_or(|(p, c, ..)| price < p || (price <= p && cost < c)) {
                best = Some((price, cost, j, value));
            }
        }
        best.map(|(_, _, j, value)| (j, value))
    }
}

/// Times a row is found violated until its weight has about grown by e.
const PATIENCE: f64 = 4.0;
