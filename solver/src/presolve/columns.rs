//! Reductions that look at one column.
//!
//! | reduction | rule |
//! |-|-|
//! | fixed | equal bounds |
//! | empty | no rows: at its cheap bound |
//! | dual fixing | cost >= 0 and no row that going down could violate: at its lower bound; likewise up |
//! | unlocked | as above with cost 0 and no bound: its rows can always be met and go |
//! | dual side | in one row, cost and coefficient want that row at L, and no bound of the column gets in the way: L = U |
//! | lone lock | cost >= 0 and one row alone that going down could violate, of two columns: equality there, as far as the column's own bound allows; likewise up |
//! | slack | in one row, and cost 0 or the row an equation: the row takes up its bounds as sides |
//!
//! **Slack.** `L <= a x + t <= U`, `l <= x <= u` has a solution x for exactly
//! those t with `L - max(a l, a u) <= t <= U - min(a l, a u)`. In an equation
//! `a x = b - t` the cost `c x` is `c b / a - (c / a) t`. An integer x needs t
//! and the sides to be multiples of |a|.
//!
//! Source: E. Andersen, K. Andersen 1995, "Presolving in linear programming",
//! sections 3.2 to 3.4; T. Achterberg et al. 2020, section 4.

use crate::sparse::index;
use crate::technique::Technique;
use crate::tol;

use super::Count;
use super::arithmetic::{least, most};
use super::integers::is_multiple;
use super::lines::Entry;
use super::postsolve::Slack;
use super::rows::common_divisor;
use super::state::{State, Step, Stop, slack};

/// A slack's coefficient must be at least this share of its row's largest.
const LEAST_SLACK: f64 = 1e-4;

/// In steps: a row whose tolerance is a larger share of the step between its
/// values is not rounded.
const LARGEST_ROOM: f64 = 0.1;

/// Bounds this close are one value.
const FIXED: f64 = 1e-12;

/// Which rows a column's movement could violate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Locks {
    pub(super) down: u32,
    pub(super) up: u32,
}

impl State<'_> {
    /// Looks at column `j`; `column` and `row` are scratch.
    pub(super) fn reduce_column(
        &mut self,
        j: usize,
        column: &mut Vec<Entry>,
        row: &mut Vec<Entry>,
    ) -> Step {
        let (lower, upper) = (self.lower[j], self.upper[j]);
        if lower.is_finite() && upper.is_finite() && upper - lower <= FIXED * lower.abs().max(1.0) {
            let middle = lower + (upper - lower) / 2.0;
            let value = if self.integer[j] {
                middle.round()
            } else {
                middle
            };
            self.log.add(Count::FixedColumn);
            return self.fix(j, value);
        }
        if self.column_len[j] == 0 {
            return self.empty_column(j);
        }
        let cost = self.cost[j];
        self.load_column(j, column)?;
        if self.has(Technique::DualReductions) {
            let locks = self.locks(column);
            if cost >= 0.0 && locks.down == 0 {
                return self.fix_at(j, lower, cost, column, row);
            }
            if cost <= 0.0 && locks.up == 0 {
                return self.fix_at(j, upper, cost, column, row);
            }
            if self.has(Technique::Substitution) && column.len() > 1 {
                let down = cost >= 0.0 && locks.down == 1;
                if (down || cost <= 0.0 && locks.up == 1) && self.lone_lock(j, down, column)? {
                    return Ok(());
                }
            }
        }
        if let [(i, a)] = column[..]
            && self.has(Technique::Substitution)
        {
            return self.singleton(j, i as usize, a, row);
        }
        Ok(())
    }

    pub(super) fn locks(&self, column: &[Entry]) -> Locks {
        let mut locks = Locks::default();
        for &(i, a) in column {
            let i = i as usize;
            let has_upper = self.row_upper[i] < f64::INFINITY;
            let has_lower = self.row_lower[i] > f64::NEG_INFINITY;
            let (up, down) = if a > 0.0 {
                (has_upper, has_lower)
            } else {
                (has_lower, has_upper)
            };
            locks.up += u32::from(up);
            locks.down += u32::from(down);
        }
        locks
    }

    fn empty_column(&mut self, j: usize) -> Step {
        let cost = self.cost[j];
        let value = if cost > 0.0 {
            self.lower[j]
        } else if cost < 0.0 {
            self.upper[j]
        } else {
            0.0_f64.max(self.lower[j]).min(self.upper[j])
        };
        if !value.is_finite() {
            return Err(Stop::UnboundedOrInfeasible);
        }
        self.log.add(Count::EmptyColumn);
        self.fix(j, value)
    }

    /// Column `j` may as well be at `end`.
    fn fix_at(
        &mut self,
        j: usize,
        end: f64,
        cost: f64,
        column: &[Entry],
        row: &mut Vec<Entry>,
    ) -> Step {
        if end.is_finite() {
            self.log.add(Count::DualFixing);
            return self.fix(j, end);
        }
        if cost != 0.0 {
            return Err(Stop::UnboundedOrInfeasible);
        }
        // Its rows can be met whatever the other columns are.
        self.log.add(Count::Unlocked);
        let (lower, upper) = (self.lower[j], self.upper[j]);
        self.postsolve
            .unlocked(index(j), self.integer[j], lower, upper);
        for &(i, a) in column {
            let i = i as usize;
            self.load_row(i, row)?;
            self.postsolve
                .unlocked_row(a, self.row_lower[i], self.row_upper[i], row);
            self.kill_row(i)?;
        }
        self.is_column[j] = false;
        Ok(())
    }

    /// Column `j` is in row `i` alone.
    fn singleton(&mut self, j: usize, i: usize, a: f64, row: &mut Vec<Entry>) -> Step {
        if self.row_len[i] < 2 {
            return Ok(());
        }
        let cost = self.cost[j];
        self.spend(1)?;
        let is_dual = cost != 0.0 && !self.is_equation(i);
        if is_dual && !self.is_dual_side(i, j, a, cost > 0.0) {
            return Ok(());
        }
        self.load_row(i, row)?;
        let (mut lower, mut upper) = (self.row_lower[i], self.row_upper[i]);
        if is_dual {
            // The side that the cost pulls the row to.
            if (cost > 0.0) == (a > 0.0) {
                upper = lower;
            } else {
                lower = upper;
            }
        }
        let largest = row.iter().fold(0.0_f64, |most, &(_, t)| most.max(t.abs()));
        if a.abs() < LEAST_SLACK * largest {
            return Ok(());
        }
        if self.integer[j] {
            // Then t and the sides are multiples of |a|.
            let divisor = common_divisor(row);
            let is_multiple =
                divisor.is_some_and(|divisor| a.abs() <= divisor * (1.0 + tol::ROUND_OFF));
            if !is_multiple || row.iter().any(|&(k, _)| !self.integer[k as usize]) {
                return Ok(());
            }
            let misfit = self.misfit(row, a.abs()) + self.row_error[i];
            let room = (tol::FEASIBILITY + misfit) / a.abs();
            if !(misfit <= tol::BOUND_SAFETY && room <= LARGEST_ROOM) {
                return Ok(());
            }
            let steps = |side: f64| side / a.abs();
            if is_dual {
                let target = steps(lower);
                if (target - target.round()).abs() > tol::BOUND_SAFETY {
                    return Ok(());
                }
            }
            lower = a.abs() * (steps(lower) - room).ceil();
            upper = a.abs() * (steps(upper) + room).floor();
            if lower > upper {
                return Err(Stop::Infeasible);
            }
        }
        if cost != 0.0 {
            let factor = cost / a;
            self.offset += factor * lower;
            for &(k, t) in row.iter() {
                let k = k as usize;
                if k != j {
                    let old = self.cost[k];
                    let new = old - factor * t;
                    self.cost[k] = if new.abs() <= tol::ROUND_OFF * 100.0 * old.abs() {
                        0.0
                    } else {
                        new
                    };
                    self.column_queue.add(k);
                }
            }
        }
        let (low, high) = (self.lower[j], self.upper[j]);
        self.postsolve.slack(
            Slack {
                column: index(j),
                integer: self.integer[j],
                a,
                lower: low,
                upper: high,
                row_lower: lower,
                row_upper: upper,
            },
            row,
        );
        self.log.add(if is_dual {
            Count::DualSide
        } else {
            Count::Slack
        });
        self.kill_column(j, 0.0)?;
        self.row_lower[i] = lower;
        self.row_upper[i] = upper;
        self.set_sides(i, self.sides(i).widened(a, low, high));
        self.touch_row(i);
        self.touch_columns_of(i)
    }

    /// Column `j` would go down (or up), and only one row minds: if that row
    /// has two columns, it is met with equality. Whether it was not yet.
    fn lone_lock(&mut self, j: usize, down: bool, column: &[Entry]) -> Step<bool> {
        // The row that minds.
        let minds = |&&(i, a): &&Entry| {
            let lower_minds = (a > 0.0) == down;
            let i = i as usize;
            lower_minds && self.row_lower[i] > f64::NEG_INFINITY
                || !lower_minds && self.row_upper[i] < f64::INFINITY
        };
        let Some(&(i, a)) = column.iter().find(minds) else {
            return Ok(false);
        };
        let i = i as usize;
        if self.row_len[i] != 2 || self.is_equation(i) || !self.is_dual_side(i, j, a, down) {
            return Ok(false);
        }
        let to_lower = (a > 0.0) == down;
        let side = if to_lower {
            self.row_lower[i]
        } else {
            self.row_upper[i]
        };
        if self.integer[j] {
            let is_whole = |value: f64| (value - value.round()).abs() <= tol::BOUND_SAFETY;
            let other = self.row(i).iter().find(|&&(k, _)| k as usize != j).copied();
            let fits = other.is_some_and(|(k, t)| self.integer[k as usize] && is_multiple(t / a));
            if !fits || !is_whole(side / a) {
                return Ok(false);
            }
        }
        self.log.add(Count::DualSide);
        self.row_lower[i] = side;
        self.row_upper[i] = side;
        self.touch_row(i);
        self.touch_columns_of(i)?;
        Ok(true)
    }

    /// Whether row `i` stops column `j`, which would go down (or up), before
    /// any bound of its own does.
    fn is_dual_side(&mut self, i: usize, j: usize, a: f64, down: bool) -> bool {
        let activity = self.activity(i);
        let (lower, upper) = (self.lower[j], self.upper[j]);
        if down == (a > 0.0) {
            // a x as small as it may be: L - t, or the bound.
            let side = self.lower_side(i);
            let end = least(a, lower, upper);
            side.is_finite()
                && (end == f64::NEG_INFINITY
                    || side - activity.most_without(most(a, lower, upper)) >= end - slack(end))
        } else {
            let side = self.upper_side(i);
            let end = most(a, lower, upper);
            side.is_finite()
                && (end == f64::INFINITY
                    || side - activity.least_without(least(a, lower, upper)) <= end + slack(end))
        }
    }
}
