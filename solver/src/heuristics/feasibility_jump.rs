//! Feasibility jump: weighted local search on violated rows, before any LP.
//!
//! Every column has a **jump**, the value other than its own that minimises
//!
//! ```text
//! f_j(v) = sum_i w_i v_i(x with x_j = v),   v_i = distance of row i from its sides
//! ```
//!
//! which is convex and piecewise linear in v, and a **score**, the decrease of
//! f_j. The best of a few random columns with positive scores jumps; where
//! there is none, the weights of the violated rows grow, and the best column of
//! one of them jumps. Weights start at one over the row's largest coefficient.
//! A binary's jump is always the other value, so its score is kept
//! incrementally; other columns are evaluated anew when a row of theirs moves.
//!
//! In a mixed problem the integers of a point that the search reaches are then
//! fixed and the LP solved for the rest.
//!
//! Source: B. Luteberget, G. Sartor 2022, "Feasibility jump: an LP-free
//! Lagrangian MIP heuristic". We differ in the scaling of the weights, and in
//! evaluating general columns at the integers around the minimum.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::one_opt;
use super::support::{accept, complete};
use crate::lp::Lp;
use crate::mip::Mip;
use crate::tol;
use crate::work::Budget;

/// Columns looked at for one jump.
const SAMPLE: usize = 25;

/// Columns looked at in a violated row where no score is positive.
const ROW_SAMPLE: usize = 200;

/// Jumps without fewer violated rows after which the search ends.
const PATIENCE: u64 = 30_000;

/// Least score that counts as positive: below it is round-off.
const LEAST_SCORE: f64 = 1e-9;

/// Steps of at most this are none: a continuous column at its minimum.
const LEAST_STEP: f64 = 1e-9;

/// Ticks of a search: so many for each nonzero, and at most half a second or so.
const TICKS_PER_NONZERO: u64 = 250;
const LEAST_TICKS: u64 = 500_000;
const MOST_TICKS: u64 = 50_000_000;

/// Ticks that [`feasibility_jump`] is worth on `mip`.
pub(crate) fn jump_ticks(mip: &Mip) -> u64 {
    (TICKS_PER_NONZERO * mip.by_row.nonzeros() as u64).clamp(LEAST_TICKS, MOST_TICKS)
}

/// Looks for a feasible point of objective below `cutoff`.
pub(crate) fn feasibility_jump(
    mip: &Mip,
    cutoff: f64,
    seed: u64,
    ticks: u64,
    budget: &mut Budget,
) -> Option<Vec<f64>> {
    let end = budget.ticks().saturating_add(ticks);
    let mut point = Jumps::new(mip, seed, budget).run(end, budget)?;
    if mip.integers() == mip.columns() {
        if mip.is_feasible(&point) {
            one_opt::improve(mip, &mut point, budget);
        }
        return accept(mip, point, cutoff);
    }
    let mut lp = Lp::new(mip, budget);
    let limit = 1000 + 2 * mip.rows() as u64;
    let completed = complete(mip, &mut lp, &point, cutoff, limit, budget);
    if budget.is_over() {
        return None;
    }
    completed.or_else(|| accept(mip, point, cutoff))
}

struct Jumps<'a> {
    mip: &'a Mip,
    rng: ChaCha8Rng,
    x: Vec<f64>,
    /// By column: the jump's value and score.
    jump: Vec<f64>,
    score: Vec<f64>,
    /// By row.
    activity: Vec<f64>,
    slack: Vec<f64>,
    weight: Vec<f64>,
    growth: Vec<f64>,
    good: IndexSet,
    violated: IndexSet,
    /// Scratch: breakpoints of f_j with the change of slope; columns to be
    /// evaluated anew.
    breaks: Vec<(f64, f64)>,
    stale: IndexSet,
}

/// A set of small integers with constant-time changes and random access.
struct IndexSet {
    items: Vec<usize>,
    place: Vec<usize>,
}

const NOWHERE: usize = usize::MAX;

impl IndexSet {
    fn new(universe: usize) -> Self {
        Self {
            items: Vec::new(),
            place: vec![NOWHERE; universe],
        }
    }

    fn set(&mut self, item: usize, is_in: bool) {
        let at = self.place[item];
        if is_in && at == NOWHERE {
            self.place[item] = self.items.len();
            self.items.push(item);
        } else if !is_in && at != NOWHERE {
            self.items.swap_remove(at);
            if let Some(&moved) = self.items.get(at) {
                self.place[moved] = at;
            }
            self.place[item] = NOWHERE;
        }
    }
}

impl<'a> Jumps<'a> {
    fn new(mip: &'a Mip, seed: u64, budget: &mut Budget) -> Self {
        let x: Vec<f64> = (0..mip.columns()).map(|j| first_value(mip, j)).collect();
        let largest: Vec<f64> = (0..mip.rows())
            .map(|i| {
                let (_, values) = mip.by_row.get(i);
                values.iter().fold(0.0_f64, |most, a| most.max(a.abs()))
            })
            .collect();
        let weight: Vec<f64> = largest
            .iter()
            .map(|&a| if a > 0.0 { 1.0 / a } else { 0.0 })
            .collect();
        let mut jumps = Self {
            mip,
            rng: ChaCha8Rng::seed_from_u64(seed),
            activity: (0..mip.rows()).map(|i| mip.activity(i, &x)).collect(),
            slack: largest
                .iter()
                .map(|&a| tol::ENGINE_FEASIBILITY * a.max(1.0))
                .collect(),
            growth: weight.clone(),
            weight,
            jump: x.clone(),
            score: vec![0.0; x.len()],
            good: IndexSet::new(mip.columns()),
            violated: IndexSet::new(mip.rows()),
            breaks: Vec::new(),
            stale: IndexSet::new(mip.columns()),
            x,
        };
        for i in 0..mip.rows() {
            jumps.note_row(i);
        }
        for j in 0..mip.columns() {
            jumps.evaluate(j, budget);
        }
        budget.spend_entries(3 * mip.by_row.nonzeros());
        jumps
    }

    fn violation(&self, i: usize, activity: f64) -> f64 {
        (self.mip.row_lower[i] - activity)
            .max(activity - self.mip.row_upper[i])
            .max(0.0)
    }

    fn note_row(&mut self, i: usize) {
        let is_violated = self.violation(i, self.activity[i]) > self.slack[i];
        self.violated.set(i, is_violated);
    }

    fn note_column(&mut self, j: usize) {
        self.good.set(j, self.score[j] > LEAST_SCORE);
    }

    /// Decrease of f_j when column `j` takes `value`.
    fn gain(&self, j: usize, value: f64) -> f64 {
        let step = value - self.x[j];
        self.mip
            .by_column
            .iter(j)
            .map(|(i, a)| {
                let now = self.activity[i];
                self.weight[i] * (self.violation(i, now) - self.violation(i, now + a * step))
            })
            .sum()
    }

    /// Computes the jump and score of column `j`.
    fn evaluate(&mut self, j: usize, budget: &mut Budget) {
        let (l, u) = (self.mip.lower[j], self.mip.upper[j]);
        budget.spend_entries(2 * self.mip.by_column.count(j));
        let now = self.x[j];
        let mut best = (f64::NEG_INFINITY, now);
        if l >= u {
            // Never jumps.
        } else if self.mip.is_binary(j) {
            let other = if now > 0.5 { l } else { u };
            best = (self.gain(j, other), other);
        } else {
            let minimum = self.minimum(j);
            budget.spend_entries(4 * self.breaks.len());
            let candidates = if self.mip.integer[j] {
                [minimum.floor(), minimum.ceil(), now - 1.0, now + 1.0]
            } else {
                [minimum; 4]
            };
            for value in candidates {
                if value >= l && value <= u && (value - now).abs() > LEAST_STEP {
                    let gain = self.gain(j, value);
                    if gain > best.0 {
                        best = (gain, value);
                    }
                }
            }
        }
        (self.score[j], self.jump[j]) = best;
        self.note_column(j);
    }

    /// A minimum of f_j over the column's bounds.
    fn minimum(&mut self, j: usize) -> f64 {
        let mip = self.mip;
        let (l, u) = (mip.lower[j], mip.upper[j]);
        self.breaks.clear();
        // Slope far to the left, where every row with a finite side is broken.
        let mut slope = 0.0;
        for (i, a) in mip.by_column.iter(j) {
            let rest = self.activity[i] - a * self.x[j];
            let w = self.weight[i] * a.abs();
            let (lower, upper) = (mip.row_lower[i], mip.row_upper[i]);
            let (low, high) = if a > 0.0 {
                (lower, upper)
            } else {
                (upper, lower)
            };
            if low.is_finite() {
                slope -= w;
                self.breaks.push(((low - rest) / a, w));
            }
            if high.is_finite() {
                self.breaks.push(((high - rest) / a, w));
            }
        }
        if slope >= 0.0 {
            // Nothing pulls to the right: as near to the own value as is free.
            let first = self
                .breaks
                .iter()
                .fold(f64::INFINITY, |least, &(at, _)| least.min(at));
            return self.x[j].min(first).clamp(l, u);
        }
        self.breaks.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut at = self.x[j];
        for &(value, change) in &self.breaks {
            at = value;
            slope += change;
            if slope >= -LEAST_SCORE {
                break;
            }
        }
        at.clamp(l, u)
    }

    /// Column `j` takes its jump.
    fn apply(&mut self, j: usize, budget: &mut Budget) {
        let mip = self.mip;
        let step = self.jump[j] - self.x[j];
        self.x[j] = self.jump[j];
        for (i, a) in mip.by_column.iter(j) {
            let before = self.activity[i];
            let after = before + a * step;
            self.activity[i] = after;
            let (old, new) = (self.violation(i, before), self.violation(i, after));
            self.note_row(i);
            budget.spend_entries(mip.by_row.count(i));
            for (k, b) in mip.by_row.iter(i) {
                if k == j {
                    continue;
                }
                if mip.is_binary(k) {
                    let move_k = b * (self.jump[k] - self.x[k]);
                    let was = old - self.violation(i, before + move_k);
                    let is = new - self.violation(i, after + move_k);
                    if (is - was).abs() > 0.0 {
                        self.score[k] += self.weight[i] * (is - was);
                        self.note_column(k);
                    }
                } else {
                    self.stale.set(k, true);
                }
            }
        }
        self.evaluate(j, budget);
        let stale = std::mem::take(&mut self.stale.items);
        for k in stale {
            self.stale.place[k] = NOWHERE;
            self.evaluate(k, budget);
        }
    }

    /// Makes the violated rows weigh more.
    fn bump(&mut self, budget: &mut Budget) {
        let mip = self.mip;
        for at in 0..self.violated.items.len() {
            let i = self.violated.items[at];
            let growth = self.growth[i];
            self.weight[i] += growth;
            let now = self.activity[i];
            let violation = self.violation(i, now);
            budget.spend_entries(mip.by_row.count(i));
            for (k, b) in mip.by_row.iter(i) {
                let moved = now + b * (self.jump[k] - self.x[k]);
                if self.score[k] > f64::NEG_INFINITY {
                    self.score[k] += growth * (violation - self.violation(i, moved));
                    self.note_column(k);
                }
            }
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "below a usize")]
        let drawn = (self.rng.next_u64() % limit.max(1) as u64) as usize;
        drawn
    }

    /// The best of a few good columns, or else of a violated row.
    fn choose(&mut self, budget: &mut Budget) -> Option<usize> {
        if self.good.items.is_empty() {
            self.bump(budget);
        }
        let mut best: Option<usize> = None;
        let mut take = |j: usize, score: &[f64]| {
            if best.is_none_or(|b| score[j] > score[b]) {
                best = Some(j);
            }
        };
        let count = self.good.items.len();
        if count > 0 {
            for at in 0..count.min(SAMPLE) {
                let at = if count <= SAMPLE {
                    at
                } else {
                    self.below(count)
                };
                take(self.good.items[at], &self.score);
            }
            return best;
        }
        let at = self.below(self.violated.items.len());
        let i = *self.violated.items.get(at)?;
        let (columns, _) = self.mip.by_row.get(i);
        let first = self.below(columns.len());
        for k in 0..columns.len().min(ROW_SAMPLE) {
            let j = columns[(first + k) % columns.len()] as usize;
            if self.score[j] > f64::NEG_INFINITY {
                take(j, &self.score);
            }
        }
        best
    }

    fn run(mut self, end: u64, budget: &mut Budget) -> Option<Vec<f64>> {
        let (mut least, mut since) = (usize::MAX, 0);
        while !self.violated.items.is_empty() {
            if budget.ticks() >= end || budget.is_over() || since > PATIENCE {
                return None;
            }
            if self.violated.items.len() < least {
                least = self.violated.items.len();
                since = 0;
            }
            since += 1;
            budget.spend_entries(SAMPLE);
            let j = self.choose(budget)?;
            self.apply(j, budget);
        }
        Some(self.x)
    }
}

/// The bound that the cost prefers, or the value nearest to zero.
fn first_value(mip: &Mip, j: usize) -> f64 {
    let (l, u, cost) = (mip.lower[j], mip.upper[j], mip.cost[j]);
    if cost > 0.0 && l.is_finite() {
        l
    } else if cost < 0.0 && u.is_finite() {
        u
    } else {
        0.0_f64.clamp(l, u)
    }
}
