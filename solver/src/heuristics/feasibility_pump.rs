//! Feasibility pump: nearest relaxation point and nearest integer point in turn.
//!
//! From x, a point of the relaxation, p = x rounded; then x is the point of the
//! relaxation that minimises
//!
//! ```text
//! (1 - a) d(x, p) + a (|d| / |c|) c x,     d(x, p) = sum over integers j at a bound of |x_j - p_j|
//! ```
//!
//! where |.| is the norm of the coefficients and the share a of the objective
//! shrinks each round. Where p comes again, the columns farthest from it are
//! flipped, a random few more; where x is integral, its integers are fixed and
//! the LP solved for the rest. General integers count where p puts them at a
//! bound, since |x_j - p_j| is linear there.
//!
//! Source: M. Fischetti, F. Glover, A. Lodi 2005, "The feasibility pump";
//! T. Achterberg, T. Berthold 2007, "Improving the feasibility pump".

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::Context;
use super::support::{complete, fractional, restoring, rounded};
use crate::lp::{Lp, LpLimits, LpStatus};
use crate::mip::Mip;
use crate::work::Budget;

/// Rounds at most.
const ROUNDS: usize = 60;

/// By what the share of the objective shrinks each round.
const SHRINK: f64 = 0.9;

/// Columns flipped where a point comes again: so many, and up to as many more.
const FLIPS: u64 = 10;

/// Rounds in which the distance must fall by a tenth, or the pump ends.
const STALL: usize = 20;

/// Pumps from the context's relaxation.
pub(super) fn run(context: &mut Context<'_>, ticks: u64, budget: &mut Budget) -> Option<Vec<f64>> {
    if context.lp.x().len() != context.mip.columns() {
        return None;
    }
    let end = budget.ticks().saturating_add(ticks);
    let point = pump(context, end, budget)?;
    restoring(context, budget, |context, budget| {
        let limit = 500 + 2 * context.lp.rows() as u64;
        complete(
            context.mip,
            context.lp,
            &point,
            context.cutoff,
            limit,
            budget,
        )
    })
}

/// A point of the relaxation with integral integers, objective aside.
fn pump(context: &Context<'_>, end: u64, budget: &mut Budget) -> Option<Vec<f64>> {
    let mip = &**context.mip;
    let mut lp = context.lp.clone();
    budget.spend_entries(mip.by_row.nonzeros() + mip.columns());
    let mut rng = ChaCha8Rng::seed_from_u64(context.seed);
    let mut last: Vec<f64> = Vec::new();
    let (mut share, mut least, mut since) = (1.0, f64::INFINITY, 0);
    for _ in 0..ROUNDS {
        if budget.ticks() >= end || budget.is_over() {
            return None;
        }
        let x = lp.x().to_vec();
        let far = fractional(mip, &x);
        if far.is_empty() {
            return Some(rounded(mip, &x));
        }
        let mut point = rounded(mip, &x);
        let distance: f64 = far
            .iter()
            .map(|&(_, value)| (value - value.round()).abs())
            .sum();
        if distance < 0.9 * least {
            (least, since) = (distance, 0);
        } else {
            since += 1;
            if since > STALL {
                return None;
            }
        }
        let is_same = |a: &[f64], b: &[f64]| {
            a.len() == b.len() && (0..a.len()).all(|j| !mip.integer[j] || (a[j] - b[j]).abs() < 0.5)
        };
        if is_same(&point, &last) {
            flip(mip, far, &mut point, &mut rng);
        }
        share *= SHRINK;
        aim(mip, &mut lp, &point, share);
        budget.spend_entries(2 * mip.columns());
        last = point;
        let limits = LpLimits {
            iterations: 500 + 2 * (lp.rows() + lp.columns()) as u64,
            cutoff: f64::INFINITY,
            ticks: end.saturating_sub(budget.ticks()),
        };
        if lp.solve(&limits, budget) != LpStatus::Optimal {
            return None;
        }
    }
    None
}

/// Rounds the columns farthest from their rounding to the other side, and as
/// many random ones at most.
fn flip(mip: &Mip, mut far: Vec<(usize, f64)>, point: &mut [f64], rng: &mut ChaCha8Rng) {
    far.sort_by(|a, b| {
        let distance = |&(_, value): &(usize, f64)| (value - value.round()).abs();
        (distance(b).total_cmp(&distance(a))).then(a.0.cmp(&b.0))
    });
    #[expect(clippy::cast_possible_truncation, reason = "some tens")]
    let most = (FLIPS + rng.next_u64() % FLIPS) as usize;
    for &(j, value) in far.iter().take(most) {
        point[j] = if value.round() > value {
            value.floor()
        } else {
            value.ceil()
        };
    }
    // Random binaries, where too few are fractional to leave a cycle.
    for _ in far.len().min(most)..most {
        #[expect(clippy::cast_possible_truncation, reason = "below a usize")]
        let j = (rng.next_u64() % mip.columns() as u64) as usize;
        if mip.is_binary(j) && mip.lower[j] < mip.upper[j] {
            point[j] = 1.0 - point[j];
        }
    }
}

/// Sets the costs for the distance to `point`.
fn aim(mip: &Mip, lp: &mut Lp, point: &[f64], share: f64) {
    let direction = |j: usize| {
        if !mip.integer[j] || mip.lower[j] >= mip.upper[j] {
            0.0
        } else if point[j] <= mip.lower[j] {
            1.0
        } else if point[j] >= mip.upper[j] {
            -1.0
        } else {
            0.0
        }
    };
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let length = norm(&mut (0..mip.columns()).map(direction));
    let cost = norm(&mut mip.cost.iter().copied());
    let factor = if cost > 0.0 {
        share * length / cost
    } else {
        0.0
    };
    for j in 0..mip.columns() {
        lp.set_cost(j, (1.0 - share) * direction(j) + factor * mip.cost[j]);
    }
}
