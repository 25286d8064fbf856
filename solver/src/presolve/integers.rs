//! Implied integers: continuous columns that are integral anyway.
//!
//! - In an **equation** `a x + sum a_k x_k = b` with the others integer and
//!   `a_k / a`, `b / a` integral, x is integral.
//! - Where **every row** of x has only integer columns beside it, with
//!   `a_k / a` and the sides over a integral, and x's bounds are integral, then
//!   for fixed other columns x ranges over an interval with integral ends: some
//!   optimum has it integral. (A dual reduction.)
//!
//! Declaring them integer lets cuts and propagation round them.
//!
//! Source: T. Achterberg et al. 2020, section 3.5.

use crate::technique::Technique;

use super::Count;
use super::lines::Entry;
use super::state::{State, Step};

/// How close to an integer a side must be.
const INTEGRAL: f64 = 1e-9;

/// Relative: how close to an integer must the ratio of two coefficients be?
/// Its error counts as often as the other column is large.
const EXACT: f64 = 1e-14;

/// Largest ratio: an integer column of a larger range is no better than a
/// continuous one.
const LARGEST: f64 = 1e6;

/// Most columns and rows of a column to look at.
const LONGEST: usize = 100;

/// Most passes: one implied integer may imply others.
const PASSES: usize = 5;

fn is_integral(value: f64) -> bool {
    value.is_infinite() || (value - value.round()).abs() <= INTEGRAL && value.abs() <= LARGEST
}

/// Whether the ratio of two coefficients is an integer.
pub(super) fn is_multiple(ratio: f64) -> bool {
    (ratio - ratio.round()).abs() <= EXACT * ratio.abs() && ratio.abs() <= LARGEST
}

/// Declares implied integers.
pub(super) fn declare(state: &mut State<'_>) -> Step {
    if !state.integer.iter().any(|&integer| integer) {
        return Ok(());
    }
    let mut candidates: Vec<usize> = (0..state.is_column.len())
        .filter(|&j| state.is_column[j] && !state.integer[j])
        .collect();
    let mut column = Vec::new();
    for _ in 0..PASSES {
        let before = candidates.len();
        let mut left = Vec::new();
        for &j in &candidates {
            state.load_column(j, &mut column)?;
            if !column.is_empty() && column.len() <= LONGEST && is_implied(state, j, &column)? {
                state.log.add(Count::ImpliedInteger);
                state.integer[j] = true;
                let (lower, upper) = (state.lower[j], state.upper[j]);
                // Rounded as an integer column's.
                state.set_bounds(j, f64::NEG_INFINITY, f64::INFINITY)?;
                state.raise_lower(j, lower)?;
                state.drop_upper(j, upper)?;
            } else {
                left.push(j);
            }
        }
        candidates = left;
        if candidates.len() == before {
            break;
        }
    }
    Ok(())
}

fn is_implied(state: &mut State<'_>, j: usize, column: &[Entry]) -> Step<bool> {
    let (lower, upper) = (state.lower[j], state.upper[j]);
    if lower.is_finite() && upper.is_finite() && upper - lower > LARGEST {
        return Ok(false);
    }
    let mut all = state.has(Technique::DualReductions)
        && is_integral(state.lower[j])
        && is_integral(state.upper[j]);
    for &(i, a) in column {
        let i = i as usize;
        let is_equation = state.is_equation(i);
        if !all && !is_equation {
            continue;
        }
        let sides = is_integral(state.row_lower[i] / a) && is_integral(state.row_upper[i] / a);
        let mut fits = sides && state.row_len[i] as usize <= LONGEST;
        if fits {
            let len = state.row_len[i] as usize;
            state.spend(len)?;
            for at in 0..len {
                let (k, t) = state.row(i)[at];
                let k = k as usize;
                if k != j && (!state.integer[k] || !is_multiple(t / a)) {
                    fits = false;
                    break;
                }
            }
        }
        if fits && is_equation {
            return Ok(true);
        }
        all &= fits;
    }
    Ok(all)
}
