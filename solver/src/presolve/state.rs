//! The problem while it is reduced: rows and columns that die, sides and
//! bounds that move, activities, and queues of what changed.
//!
//! **Activity.** For each row the least and greatest value of `sum a_j x_j`
//! over the bounds, as a finite sum and a count of infinite terms, kept up to
//! date by differences. Where a difference is of large numbers, or after many,
//! the row is summed again when next asked for, so that the error stays below
//! the tolerances.
//!
//! **Bounds of continuous columns** move only where a row is turned into a
//! bound or a substitution moves one column's bound to another: bounds that
//! rows imply are used (implied freeness), not stored, since each stored one
//! adds degenerate vertices to the relaxation and would be violated by a
//! tolerance of its own.

use crate::mip::Mip;
use crate::sparse::{Index, Matrix, index};
use crate::technique::{Technique, Techniques};
use crate::tol;
use crate::work::Budget;

use super::Log;
use super::lines::{Entry, Lines};
use super::postsolve::Postsolve;

/// Why reducing ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Infeasible,
    UnboundedOrInfeasible,
    Over,
}

/// What a step of presolve returns.
pub(super) type Step<T = ()> = Result<T, Stop>;

/// Differences of terms of this magnitude lose digits that matter: the
/// activity is summed again.
const LARGE_TERM: f64 = 1e4;

/// Differences after which an activity is summed again.
const LARGEST_UPDATES: u32 = 500;

/// A coefficient that shrinks to this share of what made it is round-off.
const CANCELLED: f64 = 1e-11;

/// Relative: how much may an activity be past a side for it to be redundant
/// all the same? Far below the feasibility tolerance.
const REDUNDANT: f64 = 1e-9;

/// How far `value` may be passed and still count as met exactly.
pub(super) fn slack(value: f64) -> f64 {
    REDUNDANT * value.abs().max(1.0)
}

/// How far `value` must be passed for a claim of infeasibility.
pub(super) fn violation(value: f64) -> f64 {
    tol::FEASIBILITY * value.abs().max(1.0)
}

/// Least and greatest value of a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Activity {
    low: f64,
    high: f64,
    low_open: u32,
    high_open: u32,
    updates: u32,
    is_stale: bool,
}

/// How many round-offs of one evaluation a bound from an activity may hold.
const ROUND_OFFS: f64 = 1e3;

impl Activity {
    pub(super) fn least(&self) -> f64 {
        if self.low_open > 0 {
            f64::NEG_INFINITY
        } else {
            self.low
        }
    }

    pub(super) fn most(&self) -> f64 {
        if self.high_open > 0 {
            f64::INFINITY
        } else {
            self.high
        }
    }

    /// Least value of the row without a term whose least is `term`.
    pub(super) fn least_without(&self, term: f64) -> f64 {
        match (term.is_finite(), self.low_open) {
            (true, 0) => self.low - term,
            (false, 1) => self.low,
            _ => f64::NEG_INFINITY,
        }
    }

    /// Greatest value of the row without a term whose greatest is `term`.
    pub(super) fn most_without(&self, term: f64) -> f64 {
        match (term.is_finite(), self.high_open) {
            (true, 0) => self.high - term,
            (false, 1) => self.high,
            _ => f64::INFINITY,
        }
    }

    /// A difference: nothing where the row is to be summed again anyway.
    fn move_low(&mut self, term: f64, sign: f64) {
        if !self.is_stale {
            self.add_low(term, sign);
            self.is_stale |= term.is_finite() && term.abs() > LARGE_TERM && term.fract() != 0.0;
        }
    }

    fn add_low(&mut self, term: f64, sign: f64) {
        if term.is_finite() {
            self.low += sign * term;
        } else if sign > 0.0 {
            self.low_open += 1;
        } else {
            self.low_open -= 1;
        }
    }

    /// A difference: nothing where the row is to be summed again anyway.
    fn move_high(&mut self, term: f64, sign: f64) {
        if !self.is_stale {
            self.add_high(term, sign);
            self.is_stale |= term.is_finite() && term.abs() > LARGE_TERM && term.fract() != 0.0;
        }
    }

    fn add_high(&mut self, term: f64, sign: f64) {
        if term.is_finite() {
            self.high += sign * term;
        } else if sign > 0.0 {
            self.high_open += 1;
        } else {
            self.high_open -= 1;
        }
    }

    fn count(&mut self) {
        self.updates += 1;
        self.is_stale |= self.updates > LARGEST_UPDATES;
    }
}

/// Least of `a x` over the bounds.
pub(super) fn least(a: f64, lower: f64, upper: f64) -> f64 {
    if a > 0.0 { a * lower } else { a * upper }
}

/// Greatest of `a x` over the bounds.
pub(super) fn most(a: f64, lower: f64, upper: f64) -> f64 {
    if a > 0.0 { a * upper } else { a * lower }
}

/// A set of indices waiting to be looked at.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    list: Vec<Index>,
    is_in: Vec<bool>,
}

impl Queue {
    fn full(n: usize) -> Self {
        Self {
            list: (0..n).map(index).collect(),
            is_in: vec![true; n],
        }
    }

    pub(super) fn add(&mut self, k: usize) {
        if !self.is_in[k] {
            self.is_in[k] = true;
            self.list.push(index(k));
        }
    }

    /// Everything that waits; the queue is empty after, but for what is added.
    pub(super) fn take(&mut self) -> Vec<Index> {
        std::mem::take(&mut self.list)
    }

    /// `k` is being looked at.
    pub(super) fn leave(&mut self, k: usize) {
        self.is_in[k] = false;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// The problem while it is reduced.
#[derive(Debug)]
pub(super) struct State<'a> {
    pub(super) cost: Vec<f64>,
    pub(super) lower: Vec<f64>,
    pub(super) upper: Vec<f64>,
    pub(super) integer: Vec<bool>,
    pub(super) row_lower: Vec<f64>,
    pub(super) row_upper: Vec<f64>,
    pub(super) offset: f64,
    rows: Lines,
    columns: Lines,
    pub(super) is_column: Vec<bool>,
    pub(super) is_row: Vec<bool>,
    /// Live entries.
    pub(super) column_len: Vec<u32>,
    pub(super) row_len: Vec<u32>,
    activity: Vec<Activity>,
    pub(super) row_queue: Queue,
    pub(super) column_queue: Queue,
    pub(super) postsolve: Postsolve,
    pub(super) log: Log,
    pub(super) techniques: Techniques,
    pub(super) budget: &'a mut Budget,
    /// Ticks at which reducing ends.
    pub(super) tick_limit: u64,
    /// By column, for scattering a row: 0, or one more than a position.
    position: Vec<u32>,
}

impl<'a> State<'a> {
    pub(super) fn new(mip: &Mip, techniques: Techniques, budget: &'a mut Budget) -> Self {
        let (n, m) = (mip.columns(), mip.rows());
        let mut state = Self {
            cost: mip.cost.clone(),
            lower: mip.lower.clone(),
            upper: mip.upper.clone(),
            integer: mip.integer.clone(),
            row_lower: mip.row_lower.clone(),
            row_upper: mip.row_upper.clone(),
            offset: mip.offset,
            rows: Lines::of(&mip.by_row),
            columns: Lines::of(&mip.by_column),
            is_column: vec![true; n],
            is_row: vec![true; m],
            column_len: (0..n).map(|j| index(mip.by_column.count(j))).collect(),
            row_len: (0..m).map(|i| index(mip.by_row.count(i))).collect(),
            activity: vec![
                Activity {
                    is_stale: true,
                    ..Activity::default()
                };
                m
            ],
            row_queue: Queue::full(m),
            column_queue: Queue::full(n),
            postsolve: Postsolve::identity(mip),
            log: Log::default(),
            techniques,
            budget,
            tick_limit: u64::MAX,
            position: vec![0; n],
        };
        state.drop_zeros(mip);
        state
    }

    /// Explicit zeros are no entries.
    fn drop_zeros(&mut self, mip: &Mip) {
        for i in 0..mip.rows() {
            for (j, a) in mip.by_row.iter(i) {
                if a == 0.0 {
                    self.remove_entry(i, j);
                }
            }
        }
    }

    pub(super) fn has(&self, technique: Technique) -> bool {
        self.techniques.has(technique)
    }

    /// Counts ticks; an error once the budget is over.
    pub(super) fn spend(&mut self, entries: usize) -> Step {
        self.budget.spend_entries(entries + 1);
        if self.budget.is_over() {
            Err(Stop::Over)
        } else {
            Ok(())
        }
    }

    /// Whether presolve has used up its own effort.
    pub(super) fn is_exhausted(&self) -> bool {
        self.budget.ticks() >= self.tick_limit
    }

    /// Live entries of row `i`, into `into`.
    pub(super) fn load_row(&mut self, i: usize, into: &mut Vec<Entry>) -> Step {
        self.spend(self.rows.raw_len(i))?;
        if self.rows.raw_len(i) != self.row_len[i] as usize {
            self.rows.compact(i, &self.is_column);
        }
        into.clear();
        into.extend_from_slice(self.rows.get(i));
        Ok(())
    }

    /// Live entries of column `j`, into `into`.
    pub(super) fn load_column(&mut self, j: usize, into: &mut Vec<Entry>) -> Step {
        self.spend(self.columns.raw_len(j))?;
        if self.columns.raw_len(j) != self.column_len[j] as usize {
            self.columns.compact(j, &self.is_row);
        }
        into.clear();
        into.extend_from_slice(self.columns.get(j));
        Ok(())
    }

    /// Live entries of column `j`, without a copy.
    pub(super) fn column(&mut self, j: usize) -> &[Entry] {
        if self.columns.raw_len(j) != self.column_len[j] as usize {
            self.columns.compact(j, &self.is_row);
        }
        self.columns.get(j)
    }

    /// Live entries of row `i`, without a copy.
    pub(super) fn row(&mut self, i: usize) -> &[Entry] {
        if self.rows.raw_len(i) != self.row_len[i] as usize {
            self.rows.compact(i, &self.is_column);
        }
        self.rows.get(i)
    }

    /// The activity of row `i`.
    pub(super) fn activity(&mut self, i: usize) -> Activity {
        if self.activity[i].is_stale {
            self.budget.spend_entries(self.rows.raw_len(i));
            let mut activity = Activity::default();
            for &(j, a) in self.rows.get(i) {
                let j = j as usize;
                if self.is_column[j] {
                    activity.add_low(least(a, self.lower[j], self.upper[j]), 1.0);
                    activity.add_high(most(a, self.lower[j], self.upper[j]), 1.0);
                }
            }
            activity.is_stale = false;
            self.activity[i] = activity;
        }
        self.activity[i]
    }

    pub(super) fn is_equation(&self, i: usize) -> bool {
        self.row_lower[i] >= self.row_upper[i]
    }

    pub(super) fn is_fixed(&self, j: usize) -> bool {
        self.lower[j] >= self.upper[j]
    }

    /// What a bound of column `j` from a row in which it has the coefficient
    /// `a` is to be tightened by before it is rounded. Rounding forgives
    /// [`tol::FEASIBILITY`] in the column, which in the row is that times |a|:
    /// of 10^6 z >= 1 it would make z >= 0. The row may be off by the
    /// tolerance, its column only by that over |a|.
    pub(super) fn sharpening(&self, j: usize, a: f64, bound: f64) -> f64 {
        if !self.integer[j] || a.abs() <= 1.0 || !bound.is_finite() {
            return 0.0;
        }
        let round_off = ROUND_OFFS * tol::ROUND_OFF * bound.abs().max(1.0);
        let room = (tol::FEASIBILITY / a.abs()).max(round_off);
        (tol::FEASIBILITY - room).max(0.0)
    }

    /// Raises the lower bound of column `j`, rounded if integer.
    pub(super) fn raise_lower(&mut self, j: usize, bound: f64) -> Step<bool> {
        let mut bound = if self.integer[j] {
            (bound - tol::FEASIBILITY).ceil()
        } else {
            bound
        };
        if bound.is_nan() || bound <= self.lower[j] {
            return Ok(false);
        }
        if bound > self.upper[j] {
            if bound - self.upper[j] > violation(self.upper[j]) {
                return Err(Stop::Infeasible);
            }
            bound = self.upper[j];
            if bound <= self.lower[j] {
                return Ok(false);
            }
        }
        let old = self.lower[j];
        self.lower[j] = bound;
        self.spend(self.columns.raw_len(j))?;
        for &(i, a) in self.columns.get(j) {
            let i = i as usize;
            if self.is_row[i] {
                let activity = &mut self.activity[i];
                if a > 0.0 {
                    activity.move_low(a * old, -1.0);
                    activity.move_low(a * bound, 1.0);
                } else {
                    activity.move_high(a * old, -1.0);
                    activity.move_high(a * bound, 1.0);
                }
                activity.count();
                self.row_queue.add(i);
            }
        }
        self.column_queue.add(j);
        Ok(true)
    }

    /// Lowers the upper bound of column `j`, rounded if integer.
    pub(super) fn drop_upper(&mut self, j: usize, bound: f64) -> Step<bool> {
        let mut bound = if self.integer[j] {
            (bound + tol::FEASIBILITY).floor()
        } else {
            bound
        };
        if bound.is_nan() || bound >= self.upper[j] {
            return Ok(false);
        }
        if bound < self.lower[j] {
            if self.lower[j] - bound > violation(self.lower[j]) {
                return Err(Stop::Infeasible);
            }
            bound = self.lower[j];
            if bound >= self.upper[j] {
                return Ok(false);
            }
        }
        let old = self.upper[j];
        self.upper[j] = bound;
        self.spend(self.columns.raw_len(j))?;
        for &(i, a) in self.columns.get(j) {
            let i = i as usize;
            if self.is_row[i] {
                let activity = &mut self.activity[i];
                if a > 0.0 {
                    activity.move_high(a * old, -1.0);
                    activity.move_high(a * bound, 1.0);
                } else {
                    activity.move_low(a * old, -1.0);
                    activity.move_low(a * bound, 1.0);
                }
                activity.count();
                self.row_queue.add(i);
            }
        }
        self.column_queue.add(j);
        Ok(true)
    }

    /// Gives column `j` other bounds, wider ones perhaps.
    pub(super) fn set_bounds(&mut self, j: usize, lower: f64, upper: f64) -> Step {
        let (old_lower, old_upper) = (self.lower[j], self.upper[j]);
        self.lower[j] = lower;
        self.upper[j] = upper;
        self.spend(self.columns.raw_len(j))?;
        for &(i, a) in self.columns.get(j) {
            let i = i as usize;
            if self.is_row[i] {
                let activity = &mut self.activity[i];
                activity.move_low(least(a, old_lower, old_upper), -1.0);
                activity.move_low(least(a, lower, upper), 1.0);
                activity.move_high(most(a, old_lower, old_upper), -1.0);
                activity.move_high(most(a, lower, upper), 1.0);
                activity.count();
                self.row_queue.add(i);
            }
        }
        self.column_queue.add(j);
        Ok(())
    }

    /// Fixes column `j` at `value` and removes it.
    pub(super) fn fix(&mut self, j: usize, value: f64) -> Step {
        self.postsolve.fixed(index(j), value);
        self.offset += self.cost[j] * value;
        self.kill_column(j, value)
    }

    /// Removes column `j`, its terms moved to the sides as if it were `value`.
    pub(super) fn kill_column(&mut self, j: usize, value: f64) -> Step {
        self.spend(self.columns.raw_len(j))?;
        self.is_column[j] = false;
        for &(i, a) in self.columns.get(j) {
            let i = i as usize;
            if !self.is_row[i] {
                continue;
            }
            let activity = &mut self.activity[i];
            activity.move_low(least(a, self.lower[j], self.upper[j]), -1.0);
            activity.move_high(most(a, self.lower[j], self.upper[j]), -1.0);
            activity.count();
            self.row_len[i] -= 1;
            self.row_lower[i] = moved(self.row_lower[i], a * value);
            self.row_upper[i] = moved(self.row_upper[i], a * value);
            self.row_queue.add(i);
        }
        Ok(())
    }

    /// Removes row `i`.
    pub(super) fn kill_row(&mut self, i: usize) -> Step {
        self.spend(self.rows.raw_len(i))?;
        self.is_row[i] = false;
        for &(j, _) in self.rows.get(i) {
            let j = j as usize;
            if self.is_column[j] {
                self.column_len[j] -= 1;
                self.column_queue.add(j);
            }
        }
        Ok(())
    }

    /// Something about row `i` changed: it and its columns are looked at again.
    pub(super) fn touch_row(&mut self, i: usize) {
        self.activity[i].is_stale = true;
        self.row_queue.add(i);
    }

    /// Queues the columns of row `i`: their locks changed.
    pub(super) fn touch_columns_of(&mut self, i: usize) -> Step {
        self.spend(self.rows.raw_len(i))?;
        for &(j, _) in self.rows.get(i) {
            if self.is_column[j as usize] {
                self.column_queue.add(j as usize);
            }
        }
        Ok(())
    }

    /// Sets the coefficient of an entry that is there.
    pub(super) fn set_entry(&mut self, i: usize, j: usize, value: f64) {
        self.budget
            .spend_entries(self.rows.raw_len(i) + self.columns.raw_len(j));
        self.rows.set(i, index(j), value);
        self.columns.set(j, index(i), value);
        self.touch_row(i);
        self.column_queue.add(j);
    }

    /// Adds an entry that is not there.
    pub(super) fn add_entry(&mut self, i: usize, j: usize, value: f64) {
        self.rows.push(i, (index(j), value));
        self.columns.push(j, (index(i), value));
        self.row_len[i] += 1;
        self.column_len[j] += 1;
        self.touch_row(i);
        self.column_queue.add(j);
    }

    /// Removes an entry.
    pub(super) fn remove_entry(&mut self, i: usize, j: usize) {
        self.budget
            .spend_entries(self.rows.raw_len(i) + self.columns.raw_len(j));
        self.rows.remove(i, index(j));
        self.columns.remove(j, index(i));
        self.row_len[i] -= 1;
        self.column_len[j] -= 1;
        self.touch_row(i);
        self.column_queue.add(j);
    }

    /// Eliminates column `j` by `a x_j + sum terms = side`, `terms` being other
    /// live columns: from the objective and from every row but `but`. The
    /// column dies; bounds of it are the caller's business.
    pub(super) fn eliminate(
        &mut self,
        j: usize,
        a: f64,
        side: f64,
        terms: &[Entry],
        but: Option<usize>,
    ) -> Step {
        let factor = self.cost[j] / a;
        if factor != 0.0 {
            self.offset += factor * side;
            for &(k, t) in terms {
                let k = k as usize;
                self.cost[k] = cancelled(self.cost[k], -factor * t);
                self.column_queue.add(k);
            }
        }
        let mut entries = Vec::new();
        self.load_column(j, &mut entries)?;
        self.is_column[j] = false;
        for &(r, c) in &entries {
            let r = r as usize;
            self.row_len[r] -= 1;
            if Some(r) == but {
                continue;
            }
            let factor = c / a;
            self.row_lower[r] = moved(self.row_lower[r], factor * side);
            self.row_upper[r] = moved(self.row_upper[r], factor * side);
            self.add_multiple(r, -factor, terms)?;
            self.touch_row(r);
        }
        Ok(())
    }

    /// Row `r` += `factor` * `terms`.
    fn add_multiple(&mut self, r: usize, factor: f64, terms: &[Entry]) -> Step {
        self.spend(self.rows.raw_len(r) + terms.len())?;
        self.rows.compact(r, &self.is_column);
        for (at, &(k, _)) in self.rows.get(r).iter().enumerate() {
            self.position[k as usize] = index(at) + 1;
        }
        let mut gone = Vec::new();
        let known = self.rows.raw_len(r);
        for &(k, t) in terms {
            let column = k as usize;
            let delta = factor * t;
            self.column_queue.add(column);
            match self.position[column] {
                0 => {
                    self.rows.push(r, (k, delta));
                    self.columns.push(column, (index(r), delta));
                    self.row_len[r] += 1;
                    self.column_len[column] += 1;
                }
                at => {
                    self.budget.spend_entries(self.columns.raw_len(column));
                    let entry = self.rows.at(r, at as usize - 1);
                    entry.1 = cancelled(entry.1, delta);
                    let value = entry.1;
                    if value == 0.0 {
                        gone.push(column);
                    } else {
                        self.columns.set(column, index(r), value);
                    }
                }
            }
        }
        for at in 0..known {
            let k = self.rows.at(r, at).0;
            self.position[k as usize] = 0;
        }
        for column in gone {
            self.remove_entry(r, column);
        }
        Ok(())
    }

    /// The problem as it is now, and for each of its columns the original one.
    pub(super) fn snapshot(&mut self) -> (Mip, Vec<Index>) {
        let n = self.cost.len();
        let mut at = vec![Index::MAX; n];
        let mut kept = Vec::new();
        let mut mip = Mip {
            offset: self.offset,
            ..Mip::default()
        };
        for (j, at) in at.iter_mut().enumerate() {
            if self.is_column[j] {
                *at = index(kept.len());
                kept.push(index(j));
                mip.cost.push(self.cost[j]);
                mip.lower.push(self.lower[j]);
                mip.upper.push(self.upper[j]);
                mip.integer.push(self.integer[j]);
            }
        }
        let mut by_row = Matrix::default();
        let mut row = Vec::new();
        for i in 0..self.row_lower.len() {
            if self.is_row[i] {
                row.clear();
                row.extend(self.row(i).iter().map(|&(j, a)| (at[j as usize], a)));
                row.sort_unstable_by_key(|&(j, _)| j);
                by_row.push(row.iter().copied());
                let (mut lower, mut upper) = (self.row_lower[i], self.row_upper[i]);
                if lower > upper {
                    // By less than the tolerance, or it would have ended.
                    let middle = lower + (upper - lower) / 2.0;
                    (lower, upper) = (middle, middle);
                }
                mip.row_lower.push(lower);
                mip.row_upper.push(upper);
            }
        }
        self.budget.spend_entries(2 * by_row.nonzeros());
        mip.by_column = by_row.transpose(kept.len());
        mip.by_row = by_row;
        (mip, kept)
    }
}

/// `side - term`, exactly 0 where only round-off is left.
fn moved(side: f64, term: f64) -> f64 {
    if side.is_finite() {
        cancelled(side, -term)
    } else {
        side
    }
}

/// `a + b`, exactly 0 where only round-off is left.
fn cancelled(a: f64, b: f64) -> f64 {
    let sum = a + b;
    if sum.abs() <= CANCELLED * a.abs().max(b.abs()) {
        0.0
    } else {
        sum
    }
}
