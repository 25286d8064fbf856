//! Parallel rows and columns.
//!
//! Vectors are normalised by their largest entry (of equals, the one of the
//! smallest index, made positive), hashed by a sum over the entries, so that
//! order does not matter, and compared exactly within equal hashes. Ratios that
//! round differently are missed, never mistaken.
//!
//! **Rows** `b = s a`: one row with the tighter of both pairs of sides.
//!
//! **Columns** k and j with `a_k = s a_j` for each row:
//!
//! - costs `c_k = s c_j`: both become `y = x_j + s x_k`. y takes exactly the
//!   sums of both: an interval for two continuous columns; all integers in
//!   between for two integers where |s| = 1, or where s is integral and x_j has
//!   at least |s| values; an interval where x_j is continuous and at least |s|
//!   wide.
//! - otherwise one is cheaper: with `c_k > s c_j`, moving x_k down by d and x_j
//!   up by `s d` gains, so at an optimum x_k is at its lower bound or x_j at the
//!   end that stops it. Where no bound of x_j of its own stops it (infinite or
//!   implied), x_k is at its lower bound. Integrality as for domination.
//!
//! Source: E. Andersen, K. Andersen 1995, section 3.6; T. Achterberg et al.
//! 2020, sections 5.1 and 6.3; G. Gamrath et al. 2015, "Progress in presolving
//! for mixed integer programming", section 3.

use crate::sparse::{Index, index};
use crate::splitmix::mix;
use crate::technique::Technique;
use crate::tol;

use super::Count;
use super::arithmetic::finite;
use super::lines::Entry;
use super::postsolve::Merge;
use super::state::{State, Step, Stop, slack, violation};

/// Relative: how exact must a ratio be?
const EXACT: f64 = 1e-14;

/// Vectors that one is compared with, among those of its hash.
const LARGEST_BUCKET: usize = 8;

/// Most values of a merged column, and largest ratio of scales: more is
/// asking for numerical trouble.
const LARGEST_SCALE: f64 = 1e3;

/// A hash that parallel vectors share.
fn hash(entries: &[Entry]) -> u64 {
    let mut pivot = (0.0_f64, Index::MAX, 0.0_f64);
    for &(k, a) in entries {
        if a.abs() > pivot.0 || (a.abs() >= pivot.0 && k < pivot.1) {
            pivot = (a.abs(), k, a);
        }
    }
    let scale = 1.0 / pivot.2;
    entries.iter().fold(0, |sum: u64, &(k, a)| {
        #[expect(clippy::cast_possible_truncation, reason = "to blur round-off")]
        let share = (a * scale) as f32;
        sum.wrapping_add(mix(u64::from(k) << 32 | u64::from(share.to_bits())))
    })
}

/// The factor s with `second = s first`; both sorted by index.
fn ratio(first: &[Entry], second: &[Entry]) -> Option<f64> {
    let scale = second.first()?.1 / first.first()?.1;
    let same = first.len() == second.len()
        && first
            .iter()
            .zip(second)
            .all(|(&(p, a), &(q, b))| p == q && (b - scale * a).abs() <= EXACT * b.abs());
    same.then_some(scale)
}

/// Live vectors with their hashes, equal hashes together, shorter first within.
fn buckets(hashes: &mut [(u64, Index)], mut visit: impl FnMut(&[(u64, Index)]) -> Step) -> Step {
    hashes.sort_unstable();
    let mut start = 0;
    while start < hashes.len() {
        let hash = hashes[start].0;
        let mut end = start + 1;
        while end < hashes.len() && hashes[end].0 == hash {
            end += 1;
        }
        if end - start > 1 {
            visit(&hashes[start..end])?;
        }
        start = end;
    }
    Ok(())
}

/// Finds and removes parallel rows.
pub(super) fn rows(state: &mut State<'_>) -> Step {
    let mut hashes = Vec::new();
    for i in 0..state.is_row.len() {
        if state.is_row[i] && state.row_len[i] > 0 {
            let entries = state.row(i);
            let (hash, len) = (hash(entries), entries.len());
            hashes.push((hash, index(i)));
            state.spend(len)?;
        }
    }
    let (mut first, mut second) = (Vec::new(), Vec::new());
    buckets(&mut hashes, |bucket| {
        for (at, &(_, p)) in bucket.iter().enumerate() {
            if !state.is_row[p as usize] || state.is_exhausted() {
                continue;
            }
            state.load_row(p as usize, &mut first)?;
            first.sort_unstable_by_key(|&(k, _)| k);
            for &(_, q) in bucket[at + 1..].iter().take(LARGEST_BUCKET) {
                if !state.is_row[q as usize] {
                    continue;
                }
                state.load_row(q as usize, &mut second)?;
                second.sort_unstable_by_key(|&(k, _)| k);
                if let Some(scale) = ratio(&first, &second) {
                    merge_rows(state, p as usize, q as usize, scale)?;
                }
            }
        }
        Ok(())
    })
}

/// Row `q` is `scale` times row `p`: it goes.
fn merge_rows(state: &mut State<'_>, p: usize, q: usize, scale: f64) -> Step {
    let (mut lower, mut upper) = (state.row_lower[q] / scale, state.row_upper[q] / scale);
    if scale < 0.0 {
        std::mem::swap(&mut lower, &mut upper);
    }
    let round_off = f64::EPSILON * finite(lower).max(finite(upper));
    let error = state.row_error[p].max(state.row_error[q] / scale.abs() + round_off);
    lower = lower.max(state.row_lower[p]);
    upper = upper.min(state.row_upper[p]);
    if lower > upper {
        if lower - upper > violation(upper) + 2.0 * error {
            return Err(Stop::Infeasible);
        }
        let middle = lower + (upper - lower) / 2.0;
        (lower, upper) = (middle, middle);
    }
    state.log.add(Count::ParallelRow);
    state.row_lower[p] = lower;
    state.row_upper[p] = upper;
    state.row_error[p] = error;
    state.kill_row(q)?;
    state.row_queue.add(p);
    Ok(())
}

/// Finds and merges or fixes parallel columns.
pub(super) fn columns(state: &mut State<'_>) -> Step {
    let mut hashes = Vec::new();
    for j in 0..state.is_column.len() {
        if state.is_column[j] && state.column_len[j] > 0 && !state.is_fixed(j) {
            let entries = state.column(j);
            let (hash, len) = (hash(entries), entries.len());
            hashes.push((hash, index(j)));
            state.spend(len)?;
        }
    }
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let mut by_cost = Vec::new();
    buckets(&mut hashes, |bucket| {
        // The cheapest lead, so that each of the others meets its better soon.
        by_cost.clear();
        by_cost.extend(bucket.iter().map(|&(_, j)| j));
        by_cost.sort_by(|&p, &q| state.cost[p as usize].total_cmp(&state.cost[q as usize]));
        for (at, &p) in by_cost.iter().enumerate() {
            if !state.is_column[p as usize] || state.is_exhausted() {
                continue;
            }
            let p = p as usize;
            state.load_column(p, &mut first)?;
            first.sort_unstable_by_key(|&(k, _)| k);
            let mut misses = 0;
            for &q in &by_cost[at + 1..] {
                let q = q as usize;
                if !state.is_column[q] || state.is_fixed(q) {
                    continue;
                }
                if !state.is_column[p] || state.is_fixed(p) || misses >= LARGEST_BUCKET {
                    break;
                }
                state.load_column(q, &mut second)?;
                second.sort_unstable_by_key(|&(k, _)| k);
                if !ratio(&first, &second)
                    .map(|scale| pair(state, p, q, scale))
                    .transpose()?
                    .unwrap_or(false)
                {
                    misses += 1;
                }
            }
        }
        Ok(())
    })
}

/// Column `k` is `scale` times column `j`; whether one of them went.
fn pair(state: &mut State<'_>, j: usize, k: usize, scale: f64) -> Step<bool> {
    let (own, scaled) = (state.cost[k], scale * state.cost[j]);
    if (own - scaled).abs() <= EXACT * own.abs().max(scaled.abs()) {
        return Ok(merge(state, j, k, scale)? || merge(state, k, j, 1.0 / scale)?);
    }
    if !state.has(Technique::DualReductions) {
        return Ok(false);
    }
    // x_k one way and x_j so that the rows stay gains; one of them meets its
    // end, the one whose partner nothing but the rows can stop.
    let k_up = own < scaled;
    let j_up = k_up != (scale > 0.0);
    Ok(fix_dearer(state, k, k_up, j, j_up, scale)?
        || fix_dearer(state, j, j_up, k, k_up, 1.0 / scale)?)
}

/// Moving `dear` towards its end (upper if `to_upper`) while `other` moves
/// `other_up` or down gains: if nothing but rows stops `other`, `dear` is at
/// that end. `dear = scale * other` as columns.
fn fix_dearer(
    state: &mut State<'_>,
    dear: usize,
    to_upper: bool,
    other: usize,
    other_up: bool,
    scale: f64,
) -> Step<bool> {
    let end = if to_upper {
        state.upper[dear]
    } else {
        state.lower[dear]
    };
    if !end.is_finite() {
        return Ok(false);
    }
    if state.integer[other] {
        // A step of `dear` moves `other` by the scale.
        let is_whole = (scale - scale.round()).abs() <= EXACT * scale.abs();
        if !state.integer[dear] || !is_whole {
            return Ok(false);
        }
    }
    if !state.is_implied(other, other_up)? {
        return Ok(false);
    }
    state.log.add(Count::ParallelColumn);
    state.fix(dear, end)?;
    Ok(true)
}

/// Merges column `k` into `j` as `y = x_j + scale x_k`, where y takes all the
/// values it should.
fn merge(state: &mut State<'_>, j: usize, k: usize, scale: f64) -> Step<bool> {
    if !(1.0 / LARGEST_SCALE..=LARGEST_SCALE).contains(&scale.abs()) {
        return Ok(false);
    }
    let is_whole = (scale - scale.round()).abs() <= EXACT * scale.abs();
    let scale = if is_whole { scale.round() } else { scale };
    let width = state.upper[j] - state.lower[j];
    let fits = match (state.integer[j], state.integer[k]) {
        (false, false) => true,
        (true, true) => is_whole && width + tol::FEASIBILITY >= scale.abs() - 1.0,
        // The continuous one absorbs: it must be at least a step wide.
        (false, true) => width >= scale.abs() + slack(scale),
        (true, false) => false,
    };
    if !fits {
        return Ok(false);
    }
    let merge = Merge {
        kept: index(j),
        removed: index(k),
        scale,
        lower: [state.lower[j], state.lower[k]],
        upper: [state.upper[j], state.upper[k]],
        integer: [state.integer[j], state.integer[k]],
    };
    let (low, high) = if scale > 0.0 {
        (scale * merge.lower[1], scale * merge.upper[1])
    } else {
        (scale * merge.upper[1], scale * merge.lower[1])
    };
    state.log.add(Count::ParallelColumn);
    state.postsolve.merged(merge);
    // As if x_k were 0; then y gets its bounds.
    state.kill_column(k, 0.0)?;
    state.set_bounds(j, state.lower[j] + low, state.upper[j] + high)?;
    Ok(true)
}
