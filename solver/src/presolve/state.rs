//! The problem while it is reduced: rows and columns that die, sides and
//! bounds that move, activities, and queues of what changed.
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
use super::arithmetic::{Activity, LARGEST_ERROR, NOISE, Sides, cancelled, inexact, is_whole};
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

/// How many round-offs of one evaluation a bound from an activity may hold.
const ROUND_OFFS: f64 = 1e3;

/// Relative: how much may an activity be past a side for it to be redundant
/// all the same? Far below the feasibility tolerance.
const REDUNDANT: f64 = 1e-9;

/// How far `value` may be passed and still count as met exactly.
pub(super) fn slack(value: f64) -> f64 {
    (REDUNDANT * value.abs().max(1.0)).min(tol::ENGINE_FEASIBILITY)
}

/// How far `value` must be passed for a claim of infeasibility.
pub(super) fn violation(value: f64) -> f64 {
    tol::FEASIBILITY * value.abs().max(1.0)
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
    /// By row: how far the rounding of what was moved to its sides, and of its
    /// coefficients, may have taken them from the truth.
    pub(super) row_error: Vec<f64>,
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
            row_error: vec![0.0; m],
            offset: mip.offset,
            rows: Lines::of(&mip.by_row),
            columns: Lines::of(&mip.by_column),
            is_column: vec![true; n],
            is_row: vec![true; m],
            column_len: (0..n).map(|j| index(mip.by_column.count(j))).collect(),
            row_len: (0..m).map(|i| index(mip.by_row.count(i))).collect(),
            activity: vec![Activity::stale(); m],
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
        if self.activity[i].is_stale() {
            self.budget.spend_entries(self.rows.raw_len(i));
            let live = self
                .rows
                .get(i)
                .iter()
                .filter(|&&(j, _)| self.is_column[j as usize]);
            self.activity[i] = Activity::of(
                live.map(|&(j, a)| (a, self.lower[j as usize], self.upper[j as usize])),
            );
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
                activity.shift(a, false, old, bound);
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
                activity.shift(a, true, old, bound);
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
                activity.shift(a, false, old_lower, lower);
                activity.shift(a, true, old_upper, upper);
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
            activity.remove(a, self.lower[j], self.upper[j]);
            activity.count();
            self.row_len[i] -= 1;
            let sides = self.sides(i).shifted(a, value);
            self.row_lower[i] = sides.lower;
            self.row_upper[i] = sides.upper;
            self.row_error[i] = sides.error;
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
        self.activity[i] = Activity::stale();
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
            self.row_error[r] += tol::ROUND_OFF * inexact(factor, a, c) * side.abs();
            self.set_sides(r, self.sides(r).shifted(factor, side));
            self.add_multiple(r, -factor, inexact(factor, a, c), terms)?;
            self.touch_row(r);
        }
        Ok(())
    }

    pub(super) fn sides(&self, i: usize) -> Sides {
        Sides {
            lower: self.row_lower[i],
            upper: self.row_upper[i],
            error: self.row_error[i],
        }
    }

    pub(super) fn set_sides(&mut self, i: usize, sides: Sides) {
        self.row_lower[i] = sides.lower;
        self.row_upper[i] = sides.upper;
        self.row_error[i] = sides.error;
    }

    /// The upper side of row `i`, moved out by what it may be off.
    pub(super) fn upper_side(&self, i: usize) -> f64 {
        self.row_upper[i] + self.row_error[i]
    }

    /// The lower side of row `i`, moved out by what it may be off.
    pub(super) fn lower_side(&self, i: usize) -> f64 {
        self.row_lower[i] - self.row_error[i]
    }

    /// Largest magnitude of column `j`.
    pub(super) fn reach(&self, j: usize) -> f64 {
        self.lower[j].abs().max(self.upper[j].abs())
    }

    /// Row `r` += `factor` * `terms`; `inexact` is 1 where the factor is rounded.
    fn add_multiple(&mut self, r: usize, factor: f64, inexact: f64, terms: &[Entry]) -> Step {
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
            let is_rounded = inexact > 0.0 || !is_whole(factor) || !is_whole(t);
            let reach = self.reach(column);
            if is_rounded && reach.is_finite() {
                self.row_error[r] += 2.0 * f64::EPSILON * delta.abs() * reach;
            }
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
                    let sum = entry.1 + delta;
                    let mut value = cancelled(entry.1, delta);
                    if value == 0.0 && sum != 0.0 {
                        // More than round-off counts by the column's range.
                        let lost = sum.abs() * reach;
                        if lost <= LARGEST_ERROR {
                            self.row_error[r] += lost;
                        } else if sum.abs() > NOISE * delta.abs() {
                            value = sum;
                        }
                    }
                    entry.1 = value;
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
                if self.row_error[i] > tol::ENGINE_FEASIBILITY {
                    (lower, upper) = (self.lower_side(i), self.upper_side(i));
                }
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
