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
//! On cores of w > 2 threads h is in w-ths of cores, and need not be even (see `choices`).
//!
//! The load is counted in steps of d = ceil(tau / 1024) (1024 / steps): q_k(n) = d floor(rho_k n / d),
//! at most rho_k n, so a pattern never costs more here than it does; nor, since a coarser d is a
//! multiple of a finer one, more than in finer steps. With u halves and l
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
//! A choice is *beaten* by another of the same parity of h (any where w > 2), with no more of h, q and cost - pi: in
//! any pattern the other may stand in its place, since halves and load may be left over.
//! At good prices most choices are beaten by none at all (0 threads), and most containers
//! have nothing else; they are in no table.
//!
//! The numbers are integers below 2^53 in floats, whose sums and minima are exact; floats
//! since their minimum is one instruction everywhere.

use std::ops::Range;

use super::choices::{Choice, Class, SCALE};
use super::split::NEVER;

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

/// Most steps of the load; fewer are a divisor of it.
pub(super) const FINEST: i64 = 1024;

/// The grain of the load: d of the module's text.
fn grain(class: &Class, steps: i64) -> i64 {
    ((class.share + FINEST - 1) / FINEST).max(1) * (FINEST / steps)
}

/// What the halves of a pattern are a multiple of.
pub(super) fn parity(class: &Class) -> usize {
    if class.width > 2 { 1 } else { 2 }
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

impl Offer {
    /// See the module's text.
    fn beats(&self, other: &Self, parity: usize) -> bool {
        self.halves <= other.halves
            && (other.halves - self.halves).is_multiple_of(parity)
            && self.steps <= other.steps
            && self.worth <= other.worth
    }

    fn part(&self) -> Part {
        Part {
            threads: self.threads,
            halves: self.halves,
        }
    }
}

/// The worth of a container that takes nothing whatever the others do.
fn idle_worth(unbeaten: &[Offer]) -> Option<f64> {
    match unbeaten {
        [only] if only.halves == 0 && only.steps == 0 => Some(only.worth),
        _ => None,
    }
}

/// How a unit's tables are laid out, and what the load costs.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Rows, by halves of cores.
    width: usize,
    /// Rows between two that no container may leave.
    parity: usize,
    /// Columns, by steps of the load below the share.
    high: usize,
    /// d.
    unit: i64,
    /// What a step above the share costs.
    rate: f64,
    /// What of tau is above its last whole step, at that price.
    slack: f64,
}

impl Frame {
    /// None where the share has more steps than there is memory.
    fn new(class: &Class, balance: i64, steps: i64) -> Option<Self> {
        let unit = grain(class, steps);
        Some(Self {
            width: class.halves + 1,
            parity: parity(class),
            high: usize::try_from(class.share / unit).ok()? + 1,
            unit,
            rate: float(balance * SCALE * unit),
            slack: float(balance * SCALE * (class.share % unit)),
        })
    }

    /// The tables of containers that take nothing, for `worth`: an even number of halves is
    /// left, or any of w-ths.
    fn nothing(&self, worth: f64, table: &mut Table) {
        table.reset(self.width, self.high);
        for u in (0..self.width).step_by(self.parity) {
            table.over[u] = worth;
            table.rest[u * self.high..(u + 1) * self.high].fill(worth);
        }
    }

    /// The tables `next` of some containers, with one more that has `offers`. `cross` is room.
    fn add(&self, offers: &[Offer], next: &Table, table: &mut Table, cross: &mut Vec<f64>) {
        let Self {
            width,
            high,
            rate,
            slack,
            ..
        } = *self;
        table.reset(width, high);
        for u in 0..width {
            let row = &mut table.rest[u * high..(u + 1) * high];
            // What offers that take q steps come to above the share, by q.
            cross.clear();
            cross.resize(high + 1, f64::INFINITY);
            for offer in offers.iter().filter(|offer| offer.halves <= u) {
                let from = u - offer.halves;
                let q = offer.steps.min(high);
                let over = &mut cross[q];
                *over = least(
                    *over,
                    offer.worth + rate * offer.steps as f64 + next.over[from],
                );
                let next = &next.rest[from * high..(from + 1) * high];
                for (value, next) in row[q..].iter_mut().zip(next) {
                    *value = least(*value, offer.worth + next);
                }
            }
            // With l steps left, each that takes more than l crosses the share.
            let mut over = f64::INFINITY;
            for (l, value) in row.iter_mut().enumerate().rev() {
                over = least(over, cross[l + 1]);
                *value = least(*value, over - (rate * l as f64 + slack));
            }
            table.over[u] = least(over, cross[0]);
        }
    }

    /// What `offer` is worth with `u` halves and `left` steps below the share (none: it is
    /// above) before the containers of `next`; and the steps left after it.
    fn worth(
        &self,
        offer: &Offer,
        next: &Table,
        u: usize,
        left: Option<usize>,
    ) -> (f64, Option<usize>) {
        let from = u - offer.halves;
        let beyond = next.over[from] + offer.worth + self.rate * offer.steps as f64;
        match left {
            Some(l) if offer.steps <= l => {
                let l = l - offer.steps;
                (offer.worth + next.rest[from * self.high + l], Some(l))
            }
            Some(l) => (beyond - (self.rate * l as f64 + self.slack), None),
            None => (beyond, None),
        }
    }
}

/// rest and over of some containers.
#[derive(Clone, Debug, Default)]
struct Table {
    rest: Vec<f64>,
    over: Vec<f64>,
}

impl Table {
    /// Nothing fits yet.
    fn reset(&mut self, width: usize, high: usize) {
        self.rest.clear();
        self.rest.resize(width * high, f64::INFINITY);
        self.over.clear();
        self.over.resize(width, f64::INFINITY);
    }
}

/// Room for pricing, to be used again and again.
#[derive(Clone, Debug, Default)]
pub(super) struct Pricer {
    /// Of the [`Pricer::active`] containers from the i-th on.
    tables: Vec<Table>,
    /// By container.
    offers: Vec<Vec<Offer>>,
    /// Those that no other beats.
    unbeaten: Vec<Vec<Offer>>,
    /// Containers without an [`idle_worth`].
    active: Vec<usize>,
    /// What the others are worth.
    idle: f64,
    /// See [`Frame::add`].
    cross: Vec<f64>,
}

/// What a unit's patterns are priced with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pricing<'a> {
    pub(super) class: &'a Class,
    pub(super) rho: &'a [i64],
    /// B.
    pub(super) balance: i64,
    /// By container and threads.
    pub(super) prices: &'a [Vec<i64>],
    pub(super) steps: i64,
}

/// An integer below 2^53 as a float.
fn float(x: i64) -> f64 {
    x as f64
}

/// The minimum as one instruction: neither is NaN.
fn least(a: f64, b: f64) -> f64 {
    if b < a { b } else { a }
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
    /// The cheapest pattern. None where no pattern fits, which the
    /// bounds on choices of a problem that can be solved never bring about.
    pub(super) fn price(&mut self, pricing: Pricing<'_>) -> Option<Priced> {
        let frame = self.prepare(pricing)?;
        let count = self.active.len();
        self.tables.resize_with(count + 1, Table::default);
        frame.nothing(self.idle, &mut self.tables[count]);
        for (i, &k) in self.active.iter().enumerate().rev() {
            let (table, next) = self.tables[i..].split_at_mut(1);
            frame.add(&self.unbeaten[k], &next[0], &mut table[0], &mut self.cross);
        }
        self.pattern(pricing, frame)
    }

    /// The offers at these prices.
    fn prepare(&mut self, pricing: Pricing<'_>) -> Option<Frame> {
        let Pricing {
            class, rho, prices, ..
        } = pricing;
        let frame = Frame::new(class, pricing.balance, pricing.steps)?;
        self.offers.resize_with(rho.len(), Vec::new);
        self.unbeaten.resize_with(rho.len(), Vec::new);
        self.active.clear();
        self.idle = 0.0;
        for (k, offers) in self.offers.iter_mut().enumerate() {
            offers.clear();
            for choice in &class.choices[k] {
                if choice.halves > class.halves {
                    continue;
                }
                offers.push(Offer {
                    threads: choice.threads,
                    halves: choice.halves,
                    steps: usize::try_from(rho[k] * choice.threads as i64 / frame.unit).ok()?,
                    worth: float(choice.cost - prices[k][choice.threads]),
                });
            }
            let unbeaten = &mut self.unbeaten[k];
            unbeaten.clear();
            for offer in offers {
                if !unbeaten
                    .iter()
                    .any(|other| other.beats(offer, frame.parity))
                {
                    unbeaten.retain(|other| !offer.beats(other, frame.parity));
                    unbeaten.push(*offer);
                }
            }
            match idle_worth(unbeaten) {
                Some(worth) => self.idle += worth,
                None => self.active.push(k),
            }
        }
        Some(frame)
    }

    /// The pattern, from the first container on.
    fn pattern(&self, pricing: Pricing<'_>, frame: Frame) -> Option<Priced> {
        let mut u = pricing.class.halves;
        let mut left = Some(frame.high - 1);
        let value = self.tables[0].rest[u * frame.high + frame.high - 1];
        if value >= f64::INFINITY {
            return None;
        }
        // Right for those that are in no table.
        let first = |offers: &Vec<Offer>| offers.first().map(Offer::part);
        let mut parts: Vec<Part> = self.unbeaten.iter().map(first).collect::<Option<_>>()?;
        for (i, &k) in self.active.iter().enumerate() {
            let mut found: Option<(f64, Offer, Option<usize>)> = None;
            for offer in self.unbeaten[k].iter().filter(|offer| offer.halves <= u) {
                let (least, after) = frame.worth(offer, &self.tables[i + 1], u, left);
                if found.is_none_or(|found| least < found.0) {
                    found = Some((least, *offer, after));
                }
            }
            let (_, offer, after) = found?;
            u -= offer.halves;
            left = after;
            parts[k] = offer.part();
        }
        let by_container = parts.iter().zip(pricing.prices);
        let received: i64 = by_container
            .map(|(part, prices)| prices[part.threads])
            .sum();
        let value = integer(value);
        Some(Priced {
            value,
            cost: value + received,
            parts,
        })
    }

    /// For each container and number of its threads the value of the cheapest pattern that
    /// has it so, [`NEVER`] where there is none; nothing if `stop` ended it. In K log K additions,
    /// where one pricing takes K: the tables of all containers outside a half are those of all
    /// outside both halves and the other half.
    pub(super) fn values(
        &mut self,
        pricing: Pricing<'_>,
        stop: &dyn Fn() -> bool,
    ) -> Option<Vec<Vec<i64>>> {
        let frame = self.prepare(pricing)?;
        let mut values: Vec<Vec<i64>> = pricing
            .prices
            .iter()
            .map(|prices| vec![NEVER; prices.len()])
            .collect();
        let mut idle = Table::default();
        frame.nothing(self.idle, &mut idle);
        self.leave_out(frame, 0..self.active.len(), &idle, &mut values, stop)?;
        let all = self.with(frame, 0..self.active.len(), idle, stop)?;
        for (k, unbeaten) in self.unbeaten.iter().enumerate() {
            if let Some(worth) = idle_worth(unbeaten) {
                self.impose(frame, k, worth, &all, &mut values[k]);
            }
        }
        Some(values)
    }

    /// The values of the active containers in `range`, `others` being the table of all others.
    fn leave_out(
        &self,
        frame: Frame,
        range: Range<usize>,
        others: &Table,
        values: &mut [Vec<i64>],
        stop: &dyn Fn() -> bool,
    ) -> Option<()> {
        if range.len() <= 1 {
            for &k in &self.active[range] {
                self.impose(frame, k, 0.0, others, &mut values[k]);
            }
            return Some(());
        }
        let middle = range.start + range.len() / 2;
        let halves = [range.start..middle, middle..range.end];
        for (own, other) in [(0, 1), (1, 0)] {
            let table = self.with(frame, halves[other].clone(), others.clone(), stop)?;
            self.leave_out(frame, halves[own].clone(), &table, values, stop)?;
        }
        Some(())
    }

    /// `table` with the active containers in `range` too; nothing if `stop` ended it.
    fn with(
        &self,
        frame: Frame,
        range: Range<usize>,
        mut table: Table,
        stop: &dyn Fn() -> bool,
    ) -> Option<Table> {
        let (mut next, mut cross) = (Table::default(), Vec::new());
        for &k in &self.active[range] {
            if stop() {
                return None;
            }
            frame.add(&self.unbeaten[k], &table, &mut next, &mut cross);
            std::mem::swap(&mut table, &mut next);
        }
        Some(table)
    }

    /// The values of `k`, `others` being the table of all others but for a `worth` too much.
    fn impose(&self, frame: Frame, k: usize, worth: f64, others: &Table, values: &mut [i64]) {
        for offer in &self.offers[k] {
            let (u, left) = (frame.width - 1, Some(frame.high - 1));
            let (value, _) = frame.worth(offer, others, u, left);
            if value < f64::INFINITY {
                let least = &mut values[offer.threads];
                *least = integer(value - worth).min(*least);
            }
        }
    }
}
