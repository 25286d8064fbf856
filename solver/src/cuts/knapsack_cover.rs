//! Lifted knapsack cover cuts.
//!
//! For a row of binaries `sum w_j y_j <= b`, w > 0 after complementing, a cover
//! C has `sum_C w_j > b`. With C = C1 + C2, C2 the items at 1 in the
//! relaxation, `sum_{C1} y_j <= |C1| - 1` holds where C2 is 1; it is lifted,
//! exactly and one item after the other: first the fractional items outside C,
//! then C2 (down), then the rest. The dynamic program is by value, as lifted
//! coefficients are small integers: `least[v]` is the least weight of lifted
//! items whose coefficients sum to at least v.
//!
//! A row with a continuous part is relaxed to its bounds first.
//!
//! Source: Z. Gu, G. Nemhauser, M. Savelsbergh 1998, "Lifted cover inequalities
//! for 0-1 integer programs: computation", INFORMS J. Computing 10 (C1, C2,
//! lifting order); E. Zemel 1989 (the dynamic program).

use super::binaries::{Item, items, keep_better, others};
use super::params;
use super::row::{Mixed, Valid};
use crate::work::Budget;

/// Largest total value of the lifting's dynamic program.
const LARGEST_VALUE: usize = 2_000;

/// Relative to the side: weights that exceed it by less do not.
const WEIGHT_EPSILON: f64 = 1e-9;

/// `mixed` relaxed to a knapsack of binaries: items and side; none where a
/// term has no bound to relax to.
fn knapsack(mixed: &Mixed) -> Option<(Vec<Item>, f64)> {
    let (items, mut side) = items(mixed);
    for term in others(mixed) {
        if term.coefficient < 0.0 {
            side -= term.coefficient * term.width;
        }
    }
    (side.is_finite() && side >= 0.0).then_some((items, side))
}

/// Lifts items into `sum g y <= rhs`, exactly.
struct Lifting {
    /// By value v from 0: least weight whose lifted value is at least v.
    least: Vec<f64>,
    rhs: usize,
    side: f64,
    epsilon: f64,
}

impl Lifting {
    /// The largest lifted value of weight at most `side`.
    fn best(&self, side: f64) -> usize {
        let mut v = self.least.len() - 1;
        while v > 0 && self.least[v] > side + self.epsilon {
            v -= 1;
        }
        v
    }

    fn insert(&mut self, weight: f64, value: usize) {
        if value == 0 {
            return;
        }
        let old = self.least.len();
        self.least.resize(old + value, f64::INFINITY);
        for v in (1..self.least.len()).rev() {
            let rest = self.least[v.saturating_sub(value)];
            self.least[v] = self.least[v].min(rest + weight);
        }
    }

    /// The coefficient of a new item, which is put in.
    fn lift_up(&mut self, weight: f64) -> usize {
        let room = self.side - weight;
        if room < -self.epsilon {
            // It can never be 1: any coefficient is valid; this one is exact
            // for the rest at 0.
            self.insert(weight, self.rhs);
            return self.rhs;
        }
        let value = self.rhs.saturating_sub(self.best(room));
        self.insert(weight, value);
        value
    }

    /// The coefficient of an item of C2 that may now be 0.
    fn lift_down(&mut self, weight: f64) -> usize {
        self.side += weight;
        let value = self.best(self.side).saturating_sub(self.rhs);
        self.insert(weight, value);
        self.rhs += value;
        value
    }
}

/// The most violated lifted cover cut found, with its efficacy.
pub(crate) fn separate(mixed: &Mixed, budget: &mut Budget) -> Option<(Valid, f64)> {
    let (mut items, side) = knapsack(mixed)?;
    let epsilon = WEIGHT_EPSILON * side.abs().max(1.0);
    items.retain(|item| item.weight > epsilon);
    if items.len() < 2 || items.iter().map(|item| item.weight).sum::<f64>() <= side + epsilon {
        return None;
    }
    budget.spend_entries(4 * items.len());
    // Cover: least sum of 1 - y for the weight, greedily.
    items.sort_by(|p, q| {
        let (p_ratio, q_ratio) = ((1.0 - p.value) / p.weight, (1.0 - q.value) / q.weight);
        p_ratio
            .total_cmp(&q_ratio)
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
        return None;
    }
    // Minimal: leave out what the cover does not need, least value first.
    let mut in_cover = vec![false; items.len()];
    in_cover[..size].fill(true);
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&p, &q| items[p].value.total_cmp(&items[q].value).then(q.cmp(&p)));
    for &k in &order {
        if weight - items[k].weight > side + epsilon {
            weight -= items[k].weight;
            in_cover[k] = false;
        }
    }
    let mut best: Option<(Valid, f64)> = None;
    for split in [true, false] {
        if let Some(valid) = lift(mixed, &items, &in_cover, side, epsilon, split, budget) {
            keep_better(mixed, valid, &mut best);
        }
    }
    best
}

/// The cut of a cover; with `split`, its items at 1 are C2.
fn lift(
    mixed: &Mixed,
    items: &[Item],
    in_cover: &[bool],
    side: f64,
    epsilon: f64,
    split: bool,
    budget: &mut Budget,
) -> Option<Valid> {
    let at_one = |k: usize| items[k].value >= 1.0 - params::BETWEEN;
    let (mut c1, mut c2): (Vec<usize>, Vec<usize>) = (0..items.len())
        .filter(|&k| in_cover[k])
        .partition(|&k| !split || !at_one(k));
    if split && c2.is_empty() {
        return None;
    }
    while c1.len() < 2 {
        c1.push(c2.pop()?);
    }
    let mut lifting = Lifting {
        least: vec![0.0],
        rhs: c1.len() - 1,
        side: side - c2.iter().map(|&k| items[k].weight).sum::<f64>(),
        epsilon,
    };
    if lifting.side < -epsilon {
        return None;
    }
    let mut weights: Vec<f64> = c1.iter().map(|&k| items[k].weight).collect();
    weights.sort_by(f64::total_cmp);
    for weight in weights {
        let last = lifting.least[lifting.least.len() - 1];
        lifting.least.push(last + weight);
    }
    let mut coefficients = vec![0_usize; items.len()];
    for &k in &c1 {
        coefficients[k] = 1;
    }
    let mut outside: Vec<usize> = (0..items.len()).filter(|&k| !in_cover[k]).collect();
    outside.sort_by(|&p, &q| {
        (items[q].value * items[q].weight)
            .total_cmp(&(items[p].value * items[p].weight))
            .then(items[q].weight.total_cmp(&items[p].weight))
            .then(p.cmp(&q))
    });
    let fractional = outside.partition_point(|&k| items[k].value > params::BETWEEN);
    c2.sort_by(|&p, &q| items[q].weight.total_cmp(&items[p].weight).then(p.cmp(&q)));
    let step = |lifting: &mut Lifting, k: usize, down: bool, g: &mut Vec<usize>| {
        budget.spend_entries(lifting.least.len());
        g[k] = if down {
            lifting.lift_down(items[k].weight)
        } else {
            lifting.lift_up(items[k].weight)
        };
        lifting.least.len() <= LARGEST_VALUE
    };
    let mut step = step;
    for &k in &outside[..fractional] {
        if !step(&mut lifting, k, false, &mut coefficients) {
            return None;
        }
    }
    for &k in &c2 {
        if !step(&mut lifting, k, true, &mut coefficients) {
            return None;
        }
    }
    for &k in &outside[fractional..] {
        if !step(&mut lifting, k, false, &mut coefficients) {
            break;
        }
    }
    let mut valid = Valid {
        integers: vec![0.0; mixed.integers.len()],
        continuous: vec![0.0; mixed.continuous.len()],
        rhs: lifting.rhs as f64,
    };
    for (item, &g) in items.iter().zip(&coefficients) {
        item.put(g as f64, &mut valid);
    }
    Some(valid)
}
