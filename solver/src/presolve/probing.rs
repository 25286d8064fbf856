//! Probing: each binary tried at both values, looking at what follows.
//!
//! For a binary x let `[l0, u0]` and `[l1, u1]` be the bounds of a column y
//! after propagation of `x = 0` and of `x = 1`.
//!
//! | what is seen | what is concluded |
//! |-|-|
//! | one value is a contradiction | x has the other one |
//! | both are | infeasible |
//! | y integer | `min(l0, l1) <= y <= max(u0, u1)` |
//! | y fixed at v0 and at v1 | `y = v0 + (v1 - v0) x`: y is substituted |
//!
//! Conclusions hold at once for all that follows. Binaries in many rows come
//! first, and the effort is limited by ticks.
//!
//! Source: M. Savelsbergh 1994, "Preprocessing and probing techniques for mixed
//! integer programming problems", section 3; T. Achterberg et al. 2020,
//! section 7.2.

use std::sync::Arc;

use crate::propagation::Domain;
use crate::sparse::{Index, index};
use crate::tol;

use super::Count;
use super::state::{State, Step, Stop};

/// Ticks for each entry of the problem, and in all.
const TICKS_PER_ENTRY: u64 = 30;
const LEAST_TICKS: u64 = 150_000;

/// A continuous column whose two values are farther apart, or farther from 0,
/// is not substituted: the binary's tolerance would move it visibly.
const LARGEST_VALUE: f64 = 1e4;

/// `y = at_zero + (at_one - at_zero) x`, in columns of the snapshot.
struct Equal {
    y: usize,
    x: usize,
    at_zero: f64,
    at_one: f64,
}

/// Probes binaries and applies what is concluded.
pub(super) fn probe(state: &mut State<'_>) -> Step {
    let (mip, kept) = state.snapshot();
    let limit = state.budget.ticks() + LEAST_TICKS + TICKS_PER_ENTRY * mip.by_row.nonzeros() as u64;
    let mut candidates: Vec<Index> = (0..mip.columns())
        .filter(|&j| mip.is_binary(j) && mip.lower[j] < mip.upper[j])
        .map(index)
        .collect();
    if candidates.is_empty() {
        return Ok(());
    }
    candidates.sort_by_key(|&j| (std::cmp::Reverse(mip.by_column.count(j as usize)), j));
    let mip = Arc::new(mip);
    let mut domain = Domain::new(Arc::clone(&mip));
    state.spend(2 * mip.by_row.nonzeros())?;
    if !domain.propagate(state.budget) {
        return Err(Stop::Infeasible);
    }
    let mut equal = Vec::new();
    let mut is_gone = vec![false; mip.columns()];
    // By column: bounds with the binary at 0, where they moved.
    let mut at_zero: Vec<Option<(f64, f64)>> = vec![None; mip.columns()];
    let mut moved: Vec<usize> = Vec::new();
    for &x in &candidates {
        let x = x as usize;
        if state.budget.ticks() > limit {
            break;
        }
        if domain.is_fixed(x) || is_gone[x] {
            continue;
        }
        state.spend(mip.by_column.count(x))?;
        domain.push_level();
        let zero = domain.fix(x, 0.0) && domain.propagate(state.budget);
        moved.clear();
        if zero {
            for change in domain.trail() {
                let j = change.column as usize;
                if at_zero[j].is_none() {
                    at_zero[j] = Some((domain.lower()[j], domain.upper()[j]));
                    moved.push(j);
                }
            }
        }
        domain.pop_level();
        let mut conclusions = Vec::new();
        domain.push_level();
        let one = domain.fix(x, 1.0) && domain.propagate(state.budget);
        if zero && one {
            for change in domain.trail() {
                let j = change.column as usize;
                if let Some(zero) = at_zero[j].take() {
                    conclusions.push((j, zero, (domain.lower()[j], domain.upper()[j])));
                }
            }
        }
        domain.pop_level();
        for &j in &moved {
            at_zero[j] = None;
        }
        if state.budget.is_over() {
            return Err(Stop::Over);
        }
        match (zero, one) {
            (false, false) => return Err(Stop::Infeasible),
            (true, true) => {
                for (y, zero, one) in conclusions {
                    if y == x || is_gone[y] {
                        continue;
                    }
                    let values = (zero.0, one.0);
                    let is_fixed = zero.0 >= zero.1 && one.0 >= one.1;
                    let differ = (values.0 - values.1).abs() > tol::FEASIBILITY;
                    if is_fixed && differ {
                        let fits = mip.integer[y]
                            || values.0.abs() <= LARGEST_VALUE && values.1.abs() <= LARGEST_VALUE;
                        if fits {
                            is_gone[y] = true;
                            equal.push(Equal {
                                y,
                                x,
                                at_zero: values.0,
                                at_one: values.1,
                            });
                        }
                    } else if mip.integer[y] {
                        let (low, high) = (zero.0.min(one.0), zero.1.max(one.1));
                        if low > domain.lower()[y] || high < domain.upper()[y] {
                            state.log.add(Count::ProbingBound);
                            if !domain.tighten_lower(y, low) || !domain.tighten_upper(y, high) {
                                return Err(Stop::Infeasible);
                            }
                        }
                    }
                }
            }
            (zero, _) => {
                state.log.add(Count::ProbingFixed);
                if !domain.fix(x, if zero { 0.0 } else { 1.0 }) {
                    return Err(Stop::Infeasible);
                }
            }
        }
        if !domain.propagate(state.budget) {
            return Err(Stop::Infeasible);
        }
    }
    for (j, &original) in kept.iter().enumerate() {
        let original = original as usize;
        if mip.integer[j] && state.is_column[original] {
            state.raise_lower(original, domain.lower()[j])?;
            state.drop_upper(original, domain.upper()[j])?;
        }
    }
    for Equal {
        y,
        x,
        at_zero,
        at_one,
    } in equal
    {
        let (y, x) = (kept[y] as usize, kept[x] as usize);
        if state.is_column[y] && state.is_column[x] {
            state.log.add(Count::ProbingEqual);
            // y - (at_one - at_zero) x = at_zero
            let terms = [(index(x), at_zero - at_one)];
            state
                .postsolve
                .substituted(index(y), state.integer[y], 1.0, at_zero, &terms);
            state.eliminate(y, 1.0, at_zero, &terms, None)?;
        }
    }
    Ok(())
}
