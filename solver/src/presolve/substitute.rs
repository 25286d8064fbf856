//! Substitution by equations.
//!
//! An equation `a x + sum_k a_k x_k = b` gives `x = (b - sum_k a_k x_k) / a`,
//! which replaces x everywhere.
//!
//! - **Doubleton**: with one other column y, the bounds of x become bounds of y.
//! - **Implied free**: where the rows imply x's bounds, nothing else is needed.
//!   It pays while it adds few entries: with r entries in the row and c in the
//!   column at most `(r - 1)(c - 1)` appear and `r + c - 1` vanish.
//!
//! An integer x needs the others integer and `a_k / a`, `b / a` integral.
//!
//! **Numerics.** x is as accurate as `|a_k / a|` times the others, so pivots
//! that are small in their row or column are refused.
//!
//! Source: E. Andersen, K. Andersen 1995, section 3.3; T. Achterberg et al.
//! 2020, sections 4.5 and 6.1.

use crate::sparse::index;
use crate::tol;

use super::Count;
use super::arithmetic::{least, most};
use super::integers::is_multiple;
use super::lines::Entry;
use super::state::{State, Step, Stop, slack};

/// A pivot must be at least this share of its row's largest coefficient.
const LEAST_IN_ROW: f64 = 0.01;

/// And at least this share of its column's largest.
const LEAST_IN_COLUMN: f64 = 0.001;

/// Longest column that is substituted, and longest row by which.
const LONGEST_COLUMN: u32 = 12;
const LONGEST_ROW: usize = 30;

/// Most entries a substitution may add.
const LARGEST_FILL: i64 = 4;

/// How close to an integer a ratio must be.
const INTEGRAL: f64 = 1e-9;

fn is_integral(value: f64) -> bool {
    (value - value.round()).abs() <= INTEGRAL && value.abs() < 1e9
}

impl State<'_> {
    /// Substitutes by equation `i`; whether it is gone. `row` is scratch.
    pub(super) fn substitute_by(&mut self, i: usize, row: &mut Vec<Entry>) -> Step<bool> {
        let len = self.row_len[i] as usize;
        if !self.is_equation(i) || !(2..=LONGEST_ROW).contains(&len) {
            return Ok(false);
        }
        self.load_row(i, row)?;
        if let [p, q] = row[..] {
            return self.doubleton(i, p, q);
        }
        self.implied_free(i, row)
    }

    fn doubleton(&mut self, i: usize, p: Entry, q: Entry) -> Step<bool> {
        let b = self.row_upper[i];
        // Continuous ones first, then those with fewer entries.
        let rank = |(j, _): Entry| (self.integer[j as usize], self.column_len[j as usize], j);
        let order = if rank(p) <= rank(q) {
            [(p, q), (q, p)]
        } else {
            [(q, p), (p, q)]
        };
        for ((j, a), (k, c)) in order {
            let (j, k) = (j as usize, k as usize);
            if a.abs() < LEAST_IN_ROW * c.abs() || a.abs() < tol::FEASIBILITY {
                continue;
            }
            if self.integer[j] {
                if !self.integer[k] || !is_multiple(c / a) {
                    continue;
                }
                if !is_integral(b / a) {
                    // Both integer: no solution, unless by the tolerance.
                    let off = (b / a - (b / a).round()).abs() * a.abs();
                    if off > tol::FEASIBILITY * b.abs().max(1.0) {
                        return Err(Stop::Infeasible);
                    }
                    continue;
                }
            }
            if !self.is_pivot(j, a) {
                continue;
            }
            // c y = b - a x
            let (low, high) = (
                b - most(a, self.lower[j], self.upper[j]),
                b - least(a, self.lower[j], self.upper[j]),
            );
            let (low, high) = if c > 0.0 {
                (low / c, high / c)
            } else {
                (high / c, low / c)
            };
            // What x's own bounds forgive, in y.
            self.raise_lower(k, low + self.sharpening(k, c / a, low))?;
            self.drop_upper(k, high - self.sharpening(k, c / a, high))?;
            self.log.add(Count::Doubleton);
            self.take_out(i, j, a, b, &[(index(k), c)])?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether column `j`'s entry `a` is not small in its column.
    fn is_pivot(&mut self, j: usize, a: f64) -> bool {
        let largest = self
            .column(j)
            .iter()
            .fold(0.0_f64, |most, &(_, a)| most.max(a.abs()));
        let len = self.column_len[j] as usize;
        self.budget.spend_entries(len);
        a.abs() >= LEAST_IN_COLUMN * largest
    }

    /// Substitutes column `j` by equation `i` and removes both.
    fn take_out(&mut self, i: usize, j: usize, a: f64, b: f64, others: &[Entry]) -> Step {
        self.postsolve
            .substituted(index(j), self.integer[j], a, b, others);
        self.eliminate(j, a, b, others, Some(i))?;
        self.kill_row(i)
    }

    fn implied_free(&mut self, i: usize, row: &mut Vec<Entry>) -> Step<bool> {
        let b = self.row_upper[i];
        let largest = row.iter().fold(0.0_f64, |most, &(_, a)| most.max(a.abs()));
        let all_integer = row.iter().all(|&(j, _)| self.integer[j as usize]);
        let mut best: Option<(i64, usize, f64)> = None;
        for &(j, a) in row.iter() {
            let j = j as usize;
            let c = self.column_len[j];
            if c > LONGEST_COLUMN || a.abs() < LEAST_IN_ROW * largest {
                continue;
            }
            let (r, c) = (row.len() as i64, i64::from(c));
            let fill = (r - 1) * (c - 1) - (r + c - 1);
            if fill > LARGEST_FILL || best.is_some_and(|(least, _, _)| least <= fill) {
                continue;
            }
            if self.integer[j]
                && !(all_integer
                    && is_integral(b / a)
                    && row.iter().all(|&(_, t)| is_multiple(t / a)))
            {
                continue;
            }
            if self.is_pivot(j, a) && self.is_implied_free(j)? {
                best = Some((fill, j, a));
            }
        }
        let Some((_, j, a)) = best else {
            return Ok(false);
        };
        row.retain(|&(k, _)| k as usize != j);
        self.log.add(Count::ImpliedFree);
        let others = std::mem::take(row);
        self.take_out(i, j, a, b, &others)?;
        *row = others;
        Ok(true)
    }

    /// Whether the rows imply both bounds of column `j`.
    fn is_implied_free(&mut self, j: usize) -> Step<bool> {
        Ok(self.is_implied(j, false)? && self.is_implied(j, true)?)
    }

    /// Whether a row implies the upper (or lower) bound of column `j`.
    pub(super) fn is_implied(&mut self, j: usize, upper: bool) -> Step<bool> {
        let bound = if upper { self.upper[j] } else { self.lower[j] };
        if bound.is_infinite() {
            return Ok(true);
        }
        let len = self.column_len[j] as usize;
        self.spend(len)?;
        for at in 0..len {
            let (i, a) = self.column(j)[at];
            let i = i as usize;
            let activity = self.activity(i);
            let room =
                self.upper_side(i) - activity.least_without(least(a, self.lower[j], self.upper[j]));
            let need =
                self.lower_side(i) - activity.most_without(most(a, self.lower[j], self.upper[j]));
            let (low, high) = if a > 0.0 {
                (need / a, room / a)
            } else {
                (room / a, need / a)
            };
            let is_met = if upper {
                high <= bound + slack(bound)
            } else {
                low >= bound - slack(bound)
            };
            if is_met {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
