//! Lifted flow cover cuts, as mixed binary covers.
//!
//! Continuous variables with variable upper bounds, measured from them
//! (`y = a z + b - t`), make a flow row one of binaries and one continuous
//! slack s >= 0:
//!
//! ```text
//! sum_j w_j z_j - s <= b,   w > 0 after complementing
//! ```
//!
//! where s collects the negative continuous terms. For a cover C with
//! `sum_C w_j = b + lambda`, lambda > 0, let `w_1 >= ... >= w_r` be its weights
//! above lambda, and `S_i = w_1 + ... + w_i`. Then
//!
//! ```text
//! sum_C min(w_j, lambda) z_j + sum_{j not in C} phi(w_j) z_j - s
//!                                     <= sum_C min(w_j, lambda) - lambda
//! phi(w) = i lambda                    S_i <= w <= S_{i+1} - lambda
//!          i lambda + w - S_i + lambda   S_i - lambda <= w <= S_i, i < r or last
//!          r lambda + w - S_r           S_r <= w
//! ```
//!
//! phi is superadditive, so all lifting is at once. With `w_j = u_j` and t
//! written out again, these are the lifted simple generalized flow cover
//! inequalities.
//!
//! Source: H. Marchand, L. Wolsey 1999, "The 0-1 knapsack problem with a single
//! continuous variable", Math. Prog. 85; Z. Gu, G. Nemhauser, M. Savelsbergh
//! 1999, "Lifted flow cover inequalities for mixed 0-1 integer programs",
//! Math. Prog. 85.

use super::binaries::{Item, items, keep_better, others};
use super::row::{Mixed, Valid};
use crate::work::Budget;

/// Relative to the side: lambda below this is round-off.
const LEAST_EXCESS: f64 = 1e-4;

/// Removals from the cover tried, at most, in search of a better lambda.
const REMOVALS: usize = 12;

/// phi for a cover's `lambda` and the sums `S_1, S_2, ...` of its weights above.
fn lift(w: f64, lambda: f64, sums: &[f64]) -> f64 {
    for (i, &sum) in sums.iter().enumerate() {
        let steps = i as f64 * lambda;
        if w <= sum - lambda {
            return steps;
        }
        if w <= sum {
            return steps + (w - (sum - lambda));
        }
    }
    match sums.last() {
        Some(&last) => sums.len() as f64 * lambda + (w - last),
        None => w,
    }
}

/// The most violated lifted flow cover cut found, with its efficacy.
pub(crate) fn separate(mixed: &Mixed, budget: &mut Budget) -> Option<(Valid, f64)> {
    let (mut items, side) = items(mixed);
    let has_slack = others(mixed).any(|term| term.coefficient < 0.0);
    // Without a continuous part the knapsack cover does better.
    if !has_slack || items.is_empty() || side < 0.0 {
        return None;
    }
    budget.spend_entries(4 * items.len());
    let epsilon = LEAST_EXCESS * side.abs().max(1.0);
    let mut best: Option<(Valid, f64)> = None;
    for order in [Order::Ratio, Order::Value] {
        items.sort_by(|p, q| {
            let key = |item: &Item| match order {
                Order::Ratio => (1.0 - item.value) / item.weight.max(f64::MIN_POSITIVE),
                Order::Value => 1.0 - item.value,
            };
            key(p)
                .total_cmp(&key(q))
                .then(q.weight.total_cmp(&p.weight))
                .then(p.at.cmp(&q.at))
        });
        let mut weight = 0.0;
        let mut size = 0;
        while size < items.len() && weight <= side + epsilon {
            weight += items[size].weight;
            size += 1;
        }
        if weight <= side + epsilon {
            return best;
        }
        let mut in_cover = vec![false; items.len()];
        in_cover[..size].fill(true);
        consider(mixed, &items, &in_cover, weight - side, &mut best, budget);
        // Smaller covers have smaller lambdas and more lifting.
        let mut removals = 0;
        for k in (0..size).rev() {
            if removals >= REMOVALS {
                break;
            }
            if weight - items[k].weight > side + epsilon {
                in_cover[k] = false;
                weight -= items[k].weight;
                removals += 1;
                consider(mixed, &items, &in_cover, weight - side, &mut best, budget);
            }
        }
    }
    best
}

/// In which order items enter the cover.
#[derive(Clone, Copy)]
enum Order {
    Ratio,
    Value,
}

/// Keeps the cut of a cover in `best` if it is the best so far.
fn consider(
    mixed: &Mixed,
    items: &[Item],
    in_cover: &[bool],
    lambda: f64,
    best: &mut Option<(Valid, f64)>,
    budget: &mut Budget,
) {
    budget.spend_entries(2 * mixed.len());
    let mut sums: Vec<f64> = items
        .iter()
        .zip(in_cover)
        .filter(|&(item, &cover)| cover && item.weight > lambda)
        .map(|(item, _)| item.weight)
        .collect();
    if sums.is_empty() {
        return;
    }
    sums.sort_by(|p, q| q.total_cmp(p));
    for i in 1..sums.len() {
        sums[i] += sums[i - 1];
    }
    let mut valid = Valid {
        integers: mixed
            .integers
            .iter()
            .map(|term| term.coefficient.min(0.0))
            .collect(),
        continuous: mixed
            .continuous
            .iter()
            .map(|term| term.coefficient.min(0.0))
            .collect(),
        rhs: -lambda,
    };
    for (item, &cover) in items.iter().zip(in_cover) {
        let g = if cover {
            let g = item.weight.min(lambda);
            valid.rhs += g;
            g
        } else {
            lift(item.weight, lambda, &sums)
        };
        item.put(g, &mut valid);
    }
    keep_better(mixed, valid, best);
}
