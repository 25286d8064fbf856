//! Dominated columns.
//!
//! Column j dominates column k if it costs no more and no row minds a step of
//! x_j in place of one of x_k: `a_ij <= a_ik` where row i has an upper side,
//! `a_ij >= a_ik` where it has a lower one. Moving x_k down to its lower bound
//! and x_j up by as much keeps rows and objective, so there is an optimum with
//! x_k at its lower bound, provided that x_j's upper bound does not get in the
//! way: it is infinite, or implied by the rows, or **sufficient**: j costs
//! nothing negative and every row that wants x_j large is met once x_j is at
//! that bound, whatever the others are (set covering). With x_j integer, x_k
//! must be.
//!
//! Pairs are looked for in the shortest row in which x_k does some good, where
//! x_j must be too; if there is none, in the rows of x_k. Masks of the rows
//! (modulo 64) that one must share with the other refuse most pairs.
//!
//! Source: G. Gamrath, T. Koch, A. Martin, M. Miltenberger, D. Weninger 2015,
//! "Progress in presolving for mixed integer programming", section 4.

use crate::sparse::Index;

use super::Count;
use super::arithmetic::{least, most};
use super::lines::Entry;
use super::state::{State, Step, slack};

/// Ticks for each entry of the problem, at most, and in all.
const TICKS_PER_ENTRY: u64 = 15;
const LEAST_TICKS: u64 = 50_000;

/// Longest columns compared.
const LONGEST: usize = 200;

/// Rows (modulo 64) of a column.
#[derive(Clone, Copy, Default)]
struct Masks {
    all: u64,
    /// Rows in which the column does good: a dominating one must be there.
    good: u64,
    /// Rows in which it does harm: a dominated one must be there.
    bad: u64,
}

/// Whether a column with coefficient `a` does good and harm in row `i`.
fn effects(state: &State<'_>, i: usize, a: f64) -> (bool, bool) {
    let has_upper = state.row_upper[i] < f64::INFINITY;
    let has_lower = state.row_lower[i] > f64::NEG_INFINITY;
    let (pushes_up, pushes_down) = (a > 0.0, a < 0.0);
    (
        (has_upper && pushes_down) || (has_lower && pushes_up),
        (has_upper && pushes_up) || (has_lower && pushes_down),
    )
}

/// Fixes dominated columns.
pub(super) fn columns(state: &mut State<'_>) -> Step {
    let n = state.is_column.len();
    let mut masks = vec![Masks::default(); n];
    let mut entries = 0;
    let mut column = Vec::new();
    for (j, mask) in masks.iter_mut().enumerate() {
        if !state.is_column[j] {
            continue;
        }
        state.load_column(j, &mut column)?;
        entries += column.len() as u64;
        for &(i, a) in &column {
            let bit = 1_u64 << (i % 64);
            let (good, bad) = effects(state, i as usize, a);
            mask.all |= bit;
            mask.good |= if good { bit } else { 0 };
            mask.bad |= if bad { bit } else { 0 };
        }
    }
    let limit = state.budget.ticks() + LEAST_TICKS + TICKS_PER_ENTRY * entries;
    let mut search = Search {
        masks,
        value: vec![0.0; state.is_row.len()],
        other: Vec::new(),
        row: Vec::new(),
    };
    for k in 0..n {
        if state.budget.ticks() > limit || state.is_exhausted() {
            break;
        }
        if state.is_column[k] && !state.is_fixed(k) && state.lower[k].is_finite() {
            state.load_column(k, &mut column)?;
            if !column.is_empty() && column.len() <= LONGEST {
                search.try_column(state, k, &column)?;
            }
        }
    }
    Ok(())
}

struct Search {
    masks: Vec<Masks>,
    /// By row: the coefficient of the column looked at.
    value: Vec<f64>,
    other: Vec<Entry>,
    row: Vec<Entry>,
}

impl Search {
    /// Fixes column `k` if another one dominates it.
    fn try_column(&mut self, state: &mut State<'_>, k: usize, column: &[Entry]) -> Step {
        let shortest_good = column
            .iter()
            .filter(|&&(i, a)| effects(state, i as usize, a).0)
            .min_by_key(|&&(i, _)| (state.row_len[i as usize], i))
            .map(|&(i, _)| i);
        for &(i, a) in column {
            self.value[i as usize] = a;
        }
        let mut found = None;
        match shortest_good {
            Some(i) => found = self.find(state, k, column, i)?,
            None => {
                for &(i, _) in column {
                    found = self.find(state, k, column, i)?;
                    if found.is_some() {
                        break;
                    }
                }
            }
        }
        for &(i, _) in column {
            self.value[i as usize] = 0.0;
        }
        if found.is_some() {
            state.log.add(Count::Dominated);
            state.fix(k, state.lower[k])?;
        }
        Ok(())
    }

    /// A column of row `i` that dominates `k`.
    fn find(
        &mut self,
        state: &mut State<'_>,
        k: usize,
        column: &[Entry],
        i: Index,
    ) -> Step<Option<usize>> {
        let mut row = std::mem::take(&mut self.row);
        state.load_row(i as usize, &mut row)?;
        let mut found = None;
        for &(j, _) in &row {
            let j = j as usize;
            let (own, other) = (self.masks[k], self.masks[j]);
            if j == k
                || state.cost[j] > state.cost[k]
                || own.good & !other.all != 0
                || other.bad & !own.all != 0
                || (state.integer[j] && !state.integer[k])
                || state.is_fixed(j)
                || state.column_len[j] as usize > LONGEST
            {
                continue;
            }
            if self.dominates(state, j, k, column)? && is_stopped(state, j, &self.other)? {
                found = Some(j);
                break;
            }
        }
        self.row = row;
        Ok(found)
    }

    /// Whether `j` dominates `k`, whose `column` is scattered into `value`.
    fn dominates(
        &mut self,
        state: &mut State<'_>,
        j: usize,
        k: usize,
        column: &[Entry],
    ) -> Step<bool> {
        state.load_column(j, &mut self.other)?;
        let fits = |state: &State<'_>, i: usize, a: f64, b: f64| {
            (state.row_upper[i] == f64::INFINITY || a <= b)
                && (state.row_lower[i] == f64::NEG_INFINITY || a >= b)
        };
        let mut shared = 0;
        for &(i, a) in &self.other {
            let i = i as usize;
            if !fits(state, i, a, self.value[i]) {
                return Ok(false);
            }
            shared += usize::from(self.value[i] != 0.0);
        }
        if shared == column.len() {
            return Ok(true);
        }
        // Rows of k in which j is not.
        state.spend(column.len() + self.other.len())?;
        for &(i, b) in column {
            if !fits(state, i as usize, 0.0, b) && !self.other.iter().any(|&(r, _)| r == i) {
                return Ok(false);
            }
        }
        debug_assert!(j != k, "a column does not dominate itself");
        Ok(true)
    }
}

/// Whether the upper bound of column `j` stops nothing: see the module text.
fn is_stopped(state: &mut State<'_>, j: usize, column: &[Entry]) -> Step<bool> {
    if state.is_implied(j, true)? {
        return Ok(true);
    }
    if state.cost[j] < 0.0 {
        return Ok(false);
    }
    state.spend(column.len())?;
    let (lower, upper) = (state.lower[j], state.upper[j]);
    for &(i, a) in column {
        let i = i as usize;
        let activity = state.activity(i);
        // Rows that want x_j large.
        if a > 0.0 && state.row_lower[i] > f64::NEG_INFINITY {
            let rest = activity.least_without(least(a, lower, upper));
            if rest + a * upper < state.row_lower[i] - slack(state.row_lower[i]) {
                return Ok(false);
            }
        }
        if a < 0.0 && state.row_upper[i] < f64::INFINITY {
            let rest = activity.most_without(most(a, lower, upper));
            if rest + a * upper > state.row_upper[i] + slack(state.row_upper[i]) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
