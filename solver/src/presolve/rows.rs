//! Reductions that look at one row.
//!
//! For a row `L <= sum a_j x_j <= U` with activity in `[m, M]` over the bounds:
//!
//! | reduction | rule |
//! |-|-|
//! | empty | 0 must be within the sides; the row goes |
//! | singleton | the row becomes a bound |
//! | infeasible | m > U or M < L |
//! | redundant | M <= U: U goes; m >= L: L goes; neither left: the row goes |
//! | forcing | M = L: every column at its end of greatest activity; likewise m = U |
//! | bounds | integer column k: `a_k x_k <= U - (m - m_k)`, rounded |
//! | tightening | one side U, gap g = M - U: an integer column with |a_k| > g gets `a_k' = sign(a_k) g`, U moved by `(a_k - a_k')` times the bound that M takes it at |
//! | gcd | all columns integer, coefficients multiples of g: sides rounded to multiples of g |
//!
//! Source: M. Savelsbergh 1994, "Preprocessing and probing techniques for mixed
//! integer programming problems"; T. Achterberg et al. 2020, "Presolve
//! reductions in mixed integer programming", sections 3.1 to 3.4.

use crate::technique::Technique;
use crate::tol;

use super::Count;
use super::arithmetic::{least, most};
use super::lines::Entry;
use super::state::{State, Step, Stop, slack, violation};

/// A row singleton with a smaller coefficient stays a row: as a bound its
/// tolerance would be another.
const LEAST_SINGLETON: f64 = 1e-6;

/// Coefficients smaller than this share of the row's largest imply no bounds.
const LEAST_SHARE: f64 = 1e-7;

/// A coefficient shrinks only to values above this share of the row's largest.
const LEAST_GAP: f64 = 1e-4;

/// A coefficient must shrink by this share to be worth the change.
const LEAST_SHRINKAGE: f64 = 1e-3;

/// Less than a step of an integer column: no choice.
const LARGEST_CHOICE: f64 = 0.5;

/// Relative: how close to a multiple of another must a coefficient be?
const MULTIPLE: f64 = 1e-9;

/// Roundings of moving a coefficient to the side, at most.
const ROUNDINGS: f64 = 4.0;

/// Largest multiple of the common divisor among coefficients.
const LARGEST_MULTIPLE: f64 = 1e6;

/// What a look at a row left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// It is gone.
    Nothing,
    /// It is still there.
    Row,
}

impl State<'_> {
    /// Looks at row `i`; `row` is scratch.
    pub(super) fn reduce_row(&mut self, i: usize, row: &mut Vec<Entry>) -> Step {
        self.load_row(i, row)?;
        if self.trivial_row(i, row)? == Left::Nothing || self.activity_row(i, row)? == Left::Nothing
        {
            return Ok(());
        }
        self.tighten_bounds(i, row)?;
        // Bounds moved, perhaps so far that the row is looked at again.
        if row.iter().all(|&(j, _)| self.integer[j as usize]) {
            self.round_sides(i, row)?;
        }
        if self.has(Technique::CoefficientTightening) {
            self.tighten_coefficients(i, row)?;
        }
        Ok(())
    }

    fn trivial_row(&mut self, i: usize, row: &[Entry]) -> Step<Left> {
        let (lower, upper) = (self.row_lower[i], self.row_upper[i]);
        if lower > upper {
            if lower - upper > violation(upper) + 2.0 * self.row_error[i] {
                return Err(Stop::Infeasible);
            }
            let middle = lower + (upper - lower) / 2.0;
            (self.row_lower[i], self.row_upper[i]) = (middle, middle);
        }
        match *row {
            [] => {
                let off = tol::FEASIBILITY + self.row_error[i];
                if lower > off || upper < -off {
                    return Err(Stop::Infeasible);
                }
                self.log.add(Count::EmptyRow);
                self.kill_row(i)?;
                Ok(Left::Nothing)
            }
            [(j, a)] if a.abs() >= LEAST_SINGLETON => {
                let j = j as usize;
                // What the sides may be off is given away where it is visible.
                let (lower, upper) = if self.row_error[i] > tol::BOUND_SAFETY * a.abs() {
                    (self.lower_side(i), self.upper_side(i))
                } else {
                    (lower, upper)
                };
                let (low, high) = if a > 0.0 {
                    (lower / a, upper / a)
                } else {
                    (upper / a, lower / a)
                };
                self.log.add(Count::SingletonRow);
                self.kill_row(i)?;
                self.raise_lower(j, low + self.sharpening(j, a, low))?;
                self.drop_upper(j, high - self.sharpening(j, a, high))?;
                Ok(Left::Nothing)
            }
            _ => Ok(Left::Row),
        }
    }

    /// Infeasible, redundant and forcing.
    fn activity_row(&mut self, i: usize, row: &[Entry]) -> Step<Left> {
        let activity = self.activity(i);
        let (low, high) = (activity.least(), activity.most());
        let (lower, upper) = (self.row_lower[i], self.row_upper[i]);
        let error = self.row_error[i];
        if low > upper + violation(upper) + error || high < lower - violation(lower) - error {
            return Err(Stop::Infeasible);
        }
        let forced_high = high <= lower + slack(lower);
        let forced_low = low >= upper - slack(upper);
        let room = if forced_high {
            high - lower
        } else {
            upper - low
        };
        if (forced_high || forced_low) && self.is_forced(row, room.max(0.0) + error, forced_high) {
            self.log.add(Count::ForcingRow);
            self.kill_row(i)?;
            for &(j, a) in row {
                let j = j as usize;
                if !self.is_column[j] {
                    continue;
                }
                let value = if (a > 0.0) == forced_high {
                    self.upper[j]
                } else {
                    self.lower[j]
                };
                self.fix(j, value)?;
            }
            return Ok(Left::Nothing);
        }
        let mut has_moved = false;
        if upper < f64::INFINITY && high <= upper + slack(upper) {
            self.row_upper[i] = f64::INFINITY;
            has_moved = true;
        }
        if lower > f64::NEG_INFINITY && low >= lower - slack(lower) {
            self.row_lower[i] = f64::NEG_INFINITY;
            has_moved = true;
        }
        if self.row_lower[i] == f64::NEG_INFINITY && self.row_upper[i] == f64::INFINITY {
            self.log.add(Count::RedundantRow);
            self.kill_row(i)?;
            return Ok(Left::Nothing);
        }
        if has_moved {
            self.log.add(Count::RedundantSide);
            self.touch_columns_of(i)?;
        }
        Ok(Left::Row)
    }

    /// Whether a row within `room` of its greatest (or least) activity leaves
    /// its columns no choice that counts.
    fn is_forced(&self, row: &[Entry], room: f64, high: bool) -> bool {
        row.iter().all(|&(j, a)| {
            let j = j as usize;
            let end = if (a > 0.0) == high {
                self.upper[j]
            } else {
                self.lower[j]
            };
            let choice = if self.integer[j] {
                LARGEST_CHOICE
            } else {
                slack(end)
            };
            self.is_fixed(j) || room <= choice * a.abs()
        })
    }

    /// Bounds of integer columns that the row implies.
    fn tighten_bounds(&mut self, i: usize, row: &[Entry]) -> Step {
        let largest = row.iter().fold(0.0_f64, |most, &(_, a)| most.max(a.abs()));
        for &(j, a) in row {
            let j = j as usize;
            if !self.integer[j] || a.abs() < LEAST_SHARE * largest || self.is_fixed(j) {
                continue;
            }
            // Fresh for each column: an earlier bound may have helped.
            let activity = self.activity(i);
            let (lower, upper) = (self.lower_side(i), self.upper_side(i));
            let own_least = least(a, self.lower[j], self.upper[j]);
            let own_most = most(a, self.lower[j], self.upper[j]);
            // a x <= room, a x >= need.
            let room = upper - activity.least_without(own_least);
            let need = lower - activity.most_without(own_most);
            let (low, high) = if a > 0.0 {
                (need / a, room / a)
            } else {
                (room / a, need / a)
            };
            let low = low + self.sharpening(j, a, low);
            let high = high - self.sharpening(j, a, high);
            let moved = (low > f64::NEG_INFINITY && self.raise_lower(j, low)?)
                | (high < f64::INFINITY && self.drop_upper(j, high)?);
            if moved {
                self.log.add(Count::Bound);
            }
        }
        Ok(())
    }

    /// Coefficients of integer columns in a row with one side.
    fn tighten_coefficients(&mut self, i: usize, row: &[Entry]) -> Step {
        let (lower, upper) = (self.row_lower[i], self.row_upper[i]);
        let sign = match (lower == f64::NEG_INFINITY, upper == f64::INFINITY) {
            (true, false) => 1.0,
            (false, true) => -1.0,
            _ => return Ok(()),
        };
        // As `sum sign a x <= side`.
        let side = if sign > 0.0 { upper } else { -lower };
        let activity = self.activity(i);
        let high = if sign > 0.0 {
            activity.most()
        } else {
            -activity.least()
        };
        let error = self.row_error[i];
        // Too large a gap tightens less.
        let gap = high - side + error;
        let largest = row.iter().fold(0.0_f64, |most, &(_, a)| most.max(a.abs()));
        if !gap.is_finite() || gap < LEAST_GAP * largest.max(1.0) {
            return Ok(());
        }
        // What rounding may take from the side, given back at the end.
        let mut lost = 0.0;
        let mut side = side;
        let mut changed = false;
        for &(j, a) in row {
            let j = j as usize;
            let a = sign * a;
            if !self.integer[j] || self.is_fixed(j) || a.abs() <= gap * (1.0 + LEAST_SHRINKAGE) {
                continue;
            }
            let new = gap.copysign(a);
            let end = if a > 0.0 {
                self.upper[j]
            } else {
                self.lower[j]
            };
            if a.fract() != 0.0 || end.fract() != 0.0 || new.fract() != 0.0 || side.fract() != 0.0 {
                lost += ROUNDINGS * f64::EPSILON * ((a * end).abs() + side.abs());
                if lost > tol::BOUND_SAFETY {
                    break;
                }
            }
            side -= (a - new) * end;
            self.set_entry(i, j, sign * new);
            self.log.add(Count::Coefficient);
            changed = true;
        }
        if changed {
            side += lost;
            if sign > 0.0 {
                self.row_upper[i] = side;
            } else {
                self.row_lower[i] = -side;
            }
        }
        Ok(())
    }

    /// Largest value of `sum (a_j - k_j step) x_j`, with `k_j` the nearest
    /// integers to `a_j / step`: how far the row may be from a multiple.
    pub(super) fn misfit(&self, row: &[Entry], step: f64) -> f64 {
        row.iter()
            .map(|&(j, a)| {
                let rest = (a / step).round().mul_add(-step, a).abs();
                let j = j as usize;
                if rest > 0.0 {
                    rest * self.reach(j)
                } else {
                    0.0
                }
            })
            .sum()
    }

    /// Rounds the sides of a row of integer columns.
    fn round_sides(&mut self, i: usize, row: &[Entry]) -> Step {
        let Some(step) = common_divisor(row) else {
            return Ok(());
        };
        // By how much the row is no multiple of the step, and a feasible point
        // may be off by the tolerance; in steps:
        let misfit = self.misfit(row, step) + self.row_error[i];
        let room = ((tol::FEASIBILITY + misfit) / step).max(MULTIPLE);
        if room.is_nan() || room > 0.1 {
            return Ok(());
        }
        let (lower, upper) = (self.row_lower[i], self.row_upper[i]);
        let round = |value: f64, up: bool| {
            let steps = value / step;
            if steps.abs() > LARGEST_MULTIPLE * LARGEST_MULTIPLE {
                return value;
            }
            let room = room.max(MULTIPLE * steps.abs());
            if up {
                step * (steps - room).ceil() - misfit
            } else {
                step * (steps + room).floor() + misfit
            }
        };
        let (new_lower, new_upper) = (round(lower, true), round(upper, false));
        if new_lower > new_upper {
            return Err(Stop::Infeasible);
        }
        let gain = tol::FEASIBILITY * step;
        if new_lower > lower + gain || new_upper < upper - gain {
            self.log.add(Count::RoundedSide);
            self.row_lower[i] = new_lower;
            self.row_upper[i] = new_upper;
            self.row_queue.add(i);
        }
        Ok(())
    }
}

/// The largest g of which every coefficient is a multiple, as far as floats
/// say: each is `k g + e` with a small `e`, which [`State::misfit`] weighs.
pub(super) fn common_divisor(row: &[Entry]) -> Option<f64> {
    let largest = row.iter().fold(0.0_f64, |most, &(_, a)| most.max(a.abs()));
    // A remainder below this is round-off, and no divisor is so small.
    let small = MULTIPLE * largest;
    let mut divisor = 0.0_f64;
    for &(_, a) in row {
        let (mut a, mut b) = (a.abs(), divisor);
        if a <= small {
            return None;
        }
        // Euclid.
        while b > small {
            let mut rest = a % b;
            if b - rest <= small {
                rest = 0.0;
            }
            (a, b) = (b, rest);
        }
        divisor = a;
    }
    let is_exact = |a: f64| {
        let steps = a / divisor;
        (steps - steps.round()).abs() <= MULTIPLE * steps.abs()
    };
    (divisor > 0.0
        && largest <= LARGEST_MULTIPLE * divisor
        && row.iter().all(|&(_, a)| is_exact(a)))
    .then_some(divisor)
}
