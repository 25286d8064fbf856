//! The cheapest pattern of a unit at given prices, by dynamic programming.
//!
//! A pattern gives each container k one of its choices (n, h, cost), h in halves
//! of cores. At prices pi it is worth
//!
//! ```text
//! min  sum_k (cost_k - pi_k(n_k)) + B max(0, sum_k q_k(n_k) - tau)
//! s.t. sum_k h_k <= H,  sum_k h_k even                      (shared threads come in pairs)
//! ```
//!
//! The load is counted in steps of d = ceil(tau / steps): q_k(n) = d floor(rho_k n / d), at
//! most rho_k n, so a pattern never costs more here than it does. With u halves and l
//! steps below the share left,
//!
//! ```text
//! rest(k, u, l) = min over choices  cost - pi + { rest(k + 1, u - h, l - q / d)   if q <= d l
//!                                               { B (q - d l) + over(k + 1, u - h)   else
//! over(k, u)    = min over choices  cost - pi + B q + over(k + 1, u - h)
//! ```
//!
//! from the last container to the first. (What tau is above d floor(tau / d) is given to
//! the load for free.) Time O(K H steps choices).
//!
//! The numbers are integers below 2^53 in floats, whose sums and minima are exact; floats
//! since their minimum is one instruction everywhere.

use super::choices::{Choice, Class, SCALE};

/// The cheapest pattern.
#[derive(Clone, Debug, Default)]
pub(super) struct Priced {
    /// What it is worth at the prices, in 1 / [`SCALE`] micro-CPU.
    pub(super) value: i64,
    /// Its cost without prices.
    pub(super) cost: i64,
    /// By container.
    pub(super) parts: Vec<Part>,
}

/// What a pattern gives a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) threads: usize,
    pub(super) halves: usize,
}

/// The grain of the load: d of the module's text.
fn grain(class: &Class, steps: i64) -> i64 {
    ((class.share + steps - 1) / steps).max(1)
}

/// What pricing in so many steps takes a pattern to cost, in 1 / [`SCALE`] micro-CPU.
pub(super) fn pattern_cost(
    class: &Class,
    rho: &[i64],
    balance: i64,
    steps: i64,
    parts: &[Part],
) -> i64 {
    let grain = grain(class, steps);
    let (mut cost, mut load) = (0, 0);
    for ((part, choices), rho) in parts.iter().zip(&class.choices).zip(rho) {
        load += rho * part.threads as i64 / grain * grain;
        let same = |c: &&Choice| c.threads == part.threads && c.halves == part.halves;
        cost += choices.iter().find(same).map_or(0, |choice| choice.cost);
    }
    cost + balance * SCALE * (load - class.share).max(0)
}

/// A choice at given prices.
#[derive(Clone, Copy, Debug)]
struct Offer {
    threads: usize,
    halves: usize,
    /// q / d.
    steps: usize,
    /// cost - pi.
    worth: f64,
}

/// Room for pricing, to be used again and again.
#[derive(Clone, Debug, Default)]
pub(super) struct Pricer {
    rest: Vec<f64>,
    over: Vec<f64>,
    offers: Vec<Vec<Offer>>,
}

/// An integer below 2^53 as a float.
fn float(x: i64) -> f64 {
    x as f64
}

fn integer(x: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an integer below 2^53, see the module's text"
    )]
    let x = x as i64;
    x
}

impl Pricer {
    /// `prices` by container and threads. None where no pattern fits, which the
    /// bounds on choices of a problem that can be solved never bring about.
    pub(super) fn price(
        &mut self,
        class: &Class,
        rho: &[i64],
        balance: i64,
        prices: &[Vec<i64>],
        steps: i64,
    ) -> Option<Priced> {
        let unit = grain(class, steps);
        let top = usize::try_from(class.share / unit).ok()?;
        let share = class.share;
        // What a step above the share costs.
        let rate = float(balance * SCALE * unit);
        let slack = float(balance * SCALE * (share % unit));
        self.offers.resize_with(rho.len(), Vec::new);
        for (k, offers) in self.offers.iter_mut().enumerate() {
            offers.clear();
            for choice in &class.choices[k] {
                if choice.halves > class.halves {
                    continue;
                }
                offers.push(Offer {
                    threads: choice.threads,
                    halves: choice.halves,
                    steps: usize::try_from(rho[k] * choice.threads as i64 / unit).ok()?,
                    worth: float(choice.cost - prices[k][choice.threads]),
                });
            }
        }
        let (width, high) = (class.halves + 1, top + 1);
        let containers = rho.len();
        self.rest.clear();
        self.rest
            .resize((containers + 1) * width * high, f64::INFINITY);
        self.over.clear();
        self.over.resize((containers + 1) * width, f64::INFINITY);
        for u in (0..width).step_by(2) {
            self.over[containers * width + u] = 0.0;
            let row = (containers * width + u) * high;
            self.rest[row..row + high].fill(0.0);
        }
        for k in (0..containers).rev() {
            let (before, after) = self.rest.split_at_mut((k + 1) * width * high);
            let rows = &mut before[k * width * high..];
            let (over_before, over_after) = self.over.split_at_mut((k + 1) * width);
            let over = &mut over_before[k * width..];
            for offer in &self.offers[k] {
                let all_over = offer.worth + rate * offer.steps as f64;
                for u in offer.halves..width {
                    let from = u - offer.halves;
                    let beyond = over_after[from];
                    let least = all_over + beyond;
                    over[u] = if least < over[u] { least } else { over[u] };
                    let row = &mut rows[u * high..(u + 1) * high];
                    let next = &after[from * high..(from + 1) * high];
                    let q = offer.steps.min(high);
                    for (l, value) in row[..q].iter_mut().enumerate() {
                        let least = (all_over + beyond) - (rate * l as f64 + slack);
                        let least = if beyond < f64::INFINITY {
                            least
                        } else {
                            f64::INFINITY
                        };
                        *value = if least < *value { least } else { *value };
                    }
                    for (value, next) in row[q..].iter_mut().zip(next) {
                        let least = offer.worth + next;
                        *value = if least < *value { least } else { *value };
                    }
                }
            }
        }
        self.pattern(class, prices, top, rate, slack)
    }

    /// The pattern, from the first container on.
    fn pattern(
        &self,
        class: &Class,
        prices: &[Vec<i64>],
        top: usize,
        rate: f64,
        slack: f64,
    ) -> Option<Priced> {
        let (width, high) = (class.halves + 1, top + 1);
        let value = self.rest[class.halves * high + top];
        if value >= f64::INFINITY {
            return None;
        }
        let mut parts = Vec::with_capacity(self.offers.len());
        let mut u = class.halves;
        // None once the load is above the share.
        let mut left = Some(top);
        let mut received = 0;
        for (k, offers) in self.offers.iter().enumerate() {
            let mut found: Option<(f64, Offer, Option<usize>)> = None;
            for offer in offers.iter().filter(|offer| offer.halves <= u) {
                let at = (k + 1) * width + u - offer.halves;
                let beyond = self.over[at] + offer.worth + rate * offer.steps as f64;
                let (least, after) = match left {
                    Some(l) if offer.steps <= l => {
                        let l = l - offer.steps;
                        (offer.worth + self.rest[at * high + l], Some(l))
                    }
                    Some(l) => (beyond - (rate * l as f64 + slack), None),
                    None => (beyond, None),
                };
                if found.is_none_or(|found| least < found.0) {
                    found = Some((least, *offer, after));
                }
            }
            let (_, offer, after) = found?;
            u -= offer.halves;
            left = after;
            received += prices[k][offer.threads];
            parts.push(Part {
                threads: offer.threads,
                halves: offer.halves,
            });
        }
        let value = integer(value);
        Some(Priced {
            value,
            cost: value + received,
            parts,
        })
    }
}
