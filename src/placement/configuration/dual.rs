//! The search for the best prices, and for assignments on the way.

use super::super::anneal::anneal;
use super::super::problem::{L3, NUMA, Owners, Problem};
use super::super::state::State;
use super::bundle::{self, Bundle, Column, Layout, Parts};
use super::choices::{SCALE, Units};
use super::columns::{self, Columns, Used};
use super::fixing::Rises;
use super::prices;
use super::pricing::{FINEST, Part, Pricer, Pricing, pattern_cost};
use super::rounding::{Rounding, round};
use super::split::{Request, Splitter};

/// Steps of the load (see [`super::pricing`]) at first, and each time that the bound no longer
/// rises.
const STEPS: [i64; 3] = [64, 256, FINEST];
/// Pricings without a rise of [`RISE`] of the gap after which the bound is taken to be
/// at its top: of the first steps, and of finer ones.
const PATIENCE: [u64; 3] = [40, 20, 8];
/// See [`PATIENCE`].
const RISE: f64 = 1e-3;
/// Most pricings of all units.
const LONGEST: u64 = 2000;
/// A search that knows columns of an earlier round takes a first step so much longer: it can
/// tell better how far a rise goes. (Gap of the bound after some ten pricings: a fifth less with
/// both, a twentieth with the columns alone.)
const LONGER: f64 = 3.0;
/// A part of the promised rise that makes prices the new center.
const ACCEPTED: f64 = 0.05;
/// Proposals of the local search from a rounded assignment, a thread.
const POLISH: u64 = 64;
/// The first pricing after which weights are rounded; then each time as many again.
const FIRST_ROUNDING: u64 = 8;
/// Largest price, in 1 / [`SCALE`] micro-CPU: sums stay below 2^53.
const HIGHEST: f64 = 1e12;

/// What is to be searched, and how long.
pub(in super::super) struct Task<'a> {
    /// The best assignment known.
    pub(in super::super) owners: &'a Owners,
    /// Its cost, with what broken rules add.
    pub(in super::super) cost: i64,
    /// A bound that is known.
    pub(in super::super) lower_bound: i64,
    pub(in super::super) seed: u64,
    /// Most work.
    pub(in super::super) limit: u64,
    /// Most pricings of all units; the search goes on from there when it is asked again.
    pub(in super::super) pricings: u64,
    pub(in super::super) stop: &'a dyn Fn() -> bool,
}

/// What was found.
#[derive(Clone, Debug)]
pub(in super::super) struct Found {
    /// The best assignment, never above the one given.
    pub(in super::super) owners: Vec<Option<u32>>,
    /// Its cost.
    pub(in super::super) cost: i64,
    /// No assignment costs less; never below the one given.
    pub(in super::super) lower_bound: i64,
    /// Units priced, splits of all requests, roundings, and proposals of the local search.
    pub(in super::super) work: u64,
    /// Whether it ended by itself, or made the pricings that it was asked for.
    pub(in super::super) is_whole: bool,
    /// What L3s may hold; none where the bound is not at its top, or proves.
    pub(in super::super) rises: Option<Rises>,
}

/// A price in 1 / [`SCALE`] micro-CPU.
fn scaled(price: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "clamped; what is no number becomes 0"
    )]
    let price = (price * SCALE as f64).round().clamp(-HIGHEST, HIGHEST) as i64;
    price
}

/// In micro-CPU.
fn unscaled(cost: i64) -> f64 {
    cost as f64 / SCALE as f64
}

/// A term of the bound that is charged by node.
#[derive(Clone, Copy, Debug)]
struct NodeWeights {
    spread: i64,
    movement: i64,
    balance: i64,
}

/// The search for prices of one problem: what it has found, and how far it is.
pub(in super::super) struct Search<'a> {
    problem: &'a Problem,
    units: Units,
    rho: Vec<i64>,
    /// B of an L3.
    balance: i64,
    weights: NodeWeights,
    /// What does not depend on the assignment, micro-CPU.
    constant: i64,
    /// Which of [`STEPS`].
    stage: usize,
    bundle: Bundle,
    pricer: Pricer,
    splitter: Splitter,
    /// By class, container, threads.
    prices: Vec<Vec<Vec<i64>>>,
    /// Of an earlier round: block and column, until the first pricing.
    known: Vec<(usize, Column)>,
    best: Option<Best>,
    progress: Progress,
}

/// How far a search is.
#[derive(Clone, Copy, Debug)]
struct Progress {
    /// Pricings of all units so far.
    iteration: u64,
    /// The bound at the bundle's center.
    accepted: i64,
    /// The last bound that counted as a rise, and its pricing.
    last_rise: (i64, u64),
    next_rounding: u64,
    /// Whether the bound is at its top.
    is_at_top: bool,
}

/// The prices of the best bound.
#[derive(Clone, Debug)]
struct Best {
    /// The bound, scaled.
    total: i128,
    prices: Vec<Vec<Vec<i64>>>,
    node_prices: Vec<i64>,
    used: Used,
}

impl<'a> Search<'a> {
    /// Starts from the prices and columns of an `earlier` round, where there are any. None where
    /// a core spans L3s, or costs are too large for exact floats.
    pub(in super::super) fn new(
        problem: &'a Problem,
        earlier: &prices::Prices,
        columns: &Columns,
    ) -> Option<Self> {
        let units = Units::new(problem)?;
        let containers = &problem.containers;
        let rho: Vec<i64> = containers.iter().map(|k| k.rho).collect();
        let numa = &problem.levels[NUMA];
        let on = |weight: i64| if units.is_nested { weight } else { 0 };
        let weights = NodeWeights {
            spread: on(numa.spread),
            movement: on(numa.movement),
            balance: on(numa.balance),
        };
        if problem.rules.price as f64 > HIGHEST / SCALE as f64 {
            return None;
        }
        let spread = problem.levels[L3].spread + weights.spread;
        let constant = containers
            .iter()
            .map(|k| problem.weights.movement.thread * k.previous().len() as i64 - spread * k.load)
            .sum();
        let most: Vec<Vec<usize>> = units
            .classes
            .iter()
            .map(|c| {
                containers
                    .iter()
                    .map(|k| k.request.min(c.threads))
                    .collect()
            })
            .collect();
        // At first each thread is worth what it costs at least.
        let least = |k: usize| {
            let all = units.classes.iter().flat_map(|class| &class.choices[k]);
            all.filter(|choice| choice.threads > 0)
                .map(|choice| unscaled(choice.cost) / choice.threads as f64)
                .reduce(f64::min)
        };
        let rate = earlier.rate(problem);
        let first = (0..containers.len()).map(|k| match earlier.is_empty() {
            true => least(k).unwrap_or(0.0),
            false => rate * rho[k] as f64,
        });
        let scale = rho.iter().map(|&rho| (rho + 1) as f64).collect();
        let layout = Layout::new(&most, scale);
        let mut center = bundle::Prices::zero(&layout, units.nodes.len());
        center.set_shared(first.collect());
        for (group, &c) in prices::classes(&units).iter().enumerate().rev() {
            for (k, container) in containers.iter().enumerate() {
                let Some(known) = earlier.of(&container.id, group) else {
                    continue;
                };
                for n in 1..=most[c][k] {
                    center.set(&layout, layout.index(c, k, n), prices::price(known, n));
                }
            }
        }
        for (n, price) in center.nodes.iter_mut().enumerate() {
            *price = earlier.node(n).map_or(0.0, unscaled);
        }
        let shares: Vec<f64> = units.nodes.iter().map(|node| node.share as f64).collect();
        let blocks = units.classes.len() + containers.len();
        let bundle = Bundle::new(layout, blocks, center, &shares, weights.balance as f64);
        let prices = most
            .iter()
            .map(|most| most.iter().map(|&n| vec![0; n + 1]).collect())
            .collect();
        let mut search = Self {
            problem,
            units,
            rho,
            balance: problem.levels[L3].balance,
            weights,
            constant,
            stage: 0,
            bundle,
            pricer: Pricer::default(),
            splitter: Splitter::default(),
            prices,
            known: Vec::new(),
            best: None,
            progress: Progress {
                iteration: 0,
                accepted: i64::MIN,
                last_rise: (i64::MIN, 0),
                next_rounding: FIRST_ROUNDING,
                is_at_top: false,
            },
        };
        search.know(columns);
        Some(search)
    }

    /// Takes over what columns of an earlier round still fit.
    fn know(&mut self, columns: &Columns) {
        for (class, parts) in columns.patterns(self.problem, &self.units) {
            let of_class = &self.units.classes[class];
            let cost = pattern_cost(of_class, &self.rho, self.balance, STEPS[self.stage], &parts);
            self.known.push((class, self.pattern(class, cost, parts)));
        }
        let classes = self.units.classes.len();
        for (k, split) in columns.splits(self.problem, &self.units) {
            self.known.push((classes + k, self.split_of(k, split)));
        }
    }

    /// Searches on, until bound and cost meet, the bound is at its top, the pricings are
    /// made, or a limit comes first.
    pub(in super::super) fn run(&mut self, task: &Task<'_>) -> Found {
        let mut found = Found {
            owners: task.owners.to_vec(),
            cost: task.cost,
            lower_bound: task.lower_bound,
            work: 0,
            is_whole: true,
            rises: None,
        };
        found.is_whole = self.rise(task, &mut found).is_some();
        if found.is_whole && self.progress.is_at_top && found.lower_bound < found.cost {
            found.rises = self.rises(task.stop);
        }
        found
    }

    /// The best prices so far and the columns in use there; none before the first pricing.
    pub(in super::super) fn leave(&self) -> Option<(prices::Prices, Columns)> {
        let best = self.best.as_ref()?;
        let (problem, units) = (self.problem, &self.units);
        let prices = prices::Prices::new(problem, units, &best.prices, &best.node_prices);
        Some((prices, Columns::new(problem, units, &best.used)))
    }

    /// None if a limit ended it.
    fn rise(&mut self, task: &Task<'_>, found: &mut Found) -> Option<()> {
        let last = self.progress.iteration.saturating_add(task.pricings);
        while self.progress.iteration < last && !self.progress.is_at_top {
            let Progress {
                iteration,
                mut accepted,
                ..
            } = self.progress;
            let promise = self.bundle.promise();
            let (value, fixed) = self.evaluate(task, found)?;
            found.lower_bound = found.lower_bound.max(value);
            if found.lower_bound >= found.cost {
                break;
            }
            let gap = (found.cost - value) as f64;
            if iteration == 0 {
                accepted = value;
                let is_known = !self.known.is_empty();
                self.bundle.start(gap, if is_known { LONGER } else { 1.0 });
                for (block, column) in self.known.drain(..) {
                    self.bundle.add(block, column);
                }
            } else {
                let promised = promise + fixed - accepted as f64;
                let rise = (value - accepted) as f64;
                if rise > 0.0 && rise >= ACCEPTED * promised {
                    accepted = value;
                    self.bundle.accept();
                } else {
                    self.bundle
                        .refuse(-rise, promised, (found.cost - accepted) as f64);
                }
            }
            // Cut short, it is the last step: the bound is taken already.
            self.bundle.balance(task.stop)?;
            let progress = &mut self.progress;
            progress.accepted = accepted;
            progress.iteration += 1;
            if (accepted - progress.last_rise.0.max(-HIGHEST_COST)) as f64 > RISE * gap {
                progress.last_rise = (accepted, iteration);
                self.bundle.mark();
            }
            let is_flat = iteration - progress.last_rise.1 > PATIENCE[self.stage];
            if iteration + 1 == progress.next_rounding || is_flat {
                let next = progress.next_rounding;
                progress.next_rounding = (next * 2).min(next + 100);
                self.round(task, found)?;
            }
            if iteration + 1 == LONGEST {
                self.progress.is_at_top = true;
            } else if is_flat {
                if self.stage + 1 == STEPS.len() {
                    self.progress.is_at_top = true;
                } else {
                    self.refine();
                    self.bundle.resume();
                    self.progress.last_rise.1 = iteration;
                }
            }
        }
        Some(())
    }

    /// Counts a unit of work; none if there is none left.
    fn spend(task: &Task<'_>, found: &mut Found) -> Option<()> {
        if found.work >= task.limit || (task.stop)() {
            return None;
        }
        found.work += 1;
        Some(())
    }

    /// The bound at the bundle's prices, rounded, and the part of it that is in no
    /// column; adds the columns.
    fn evaluate(&mut self, task: &Task<'_>, found: &mut Found) -> Option<(i64, f64)> {
        let layout = self.bundle.layout();
        for (c, prices) in self.prices.iter_mut().enumerate() {
            for (k, prices) in prices.iter_mut().enumerate() {
                for (n, price) in prices.iter_mut().enumerate().skip(1) {
                    *price = scaled(self.bundle.price(layout.index(c, k, n)));
                }
            }
        }
        let most = self.weights.balance * SCALE;
        let node_prices: Vec<i64> = (0..self.units.nodes.len())
            .map(|n| scaled(self.bundle.node_price(n)).clamp(0, most))
            .collect();
        let mut fixed = i128::from(self.constant) * i128::from(SCALE);
        for (price, node) in node_prices.iter().zip(&self.units.nodes) {
            fixed -= i128::from(*price) * i128::from(node.share);
        }
        let mut total = fixed;
        for c in 0..self.units.classes.len() {
            Self::spend(task, found)?;
            let class = &self.units.classes[c];
            let priced = self.pricer.price(Pricing {
                class,
                rho: &self.rho,
                balance: self.balance,
                prices: &self.prices[c],
                steps: STEPS[self.stage],
            })?;
            total += i128::from(priced.value) * class.size as i128;
            let column = self.pattern(c, priced.cost, priced.parts);
            self.bundle.add(c, column);
        }
        Self::spend(task, found)?;
        for k in 0..self.rho.len() {
            total += i128::from(self.split(k, &node_prices));
        }
        // Costs are integers, so the bound may be rounded up.
        let scale = i128::from(SCALE);
        if self.best.as_ref().is_none_or(|best| total > best.total) {
            self.best = Some(Best {
                total,
                prices: self.prices.clone(),
                node_prices: node_prices.clone(),
                used: columns::used(&self.bundle),
            });
        }
        let up = total.div_euclid(scale) + i128::from(total.rem_euclid(scale) > 0);
        let value = i64::try_from(up).ok()?;
        #[expect(clippy::cast_precision_loss, reason = "only chooses prices")]
        let fixed = fixed as f64 / SCALE as f64;
        Some((value, fixed))
    }

    /// What splitting the request of `k` is charged, `rates` by node.
    fn request<'r>(&self, k: usize, rates: &'r [i64]) -> Request<'r> {
        let container = &self.problem.containers[k];
        Request {
            index: k,
            threads: container.request,
            spread: self.weights.spread * container.load * SCALE,
            movement: self.weights.movement * SCALE,
            rates,
        }
    }

    /// See [`Rises`]; none where `stop` ended it.
    fn rises(&mut self, stop: &dyn Fn() -> bool) -> Option<Rises> {
        let best = self.best.clone()?;
        // The bound may be of coarser steps than these: then it is only lower.
        let mut of_class = Vec::new();
        for (class, prices) in self.units.classes.iter().zip(&best.prices) {
            let pricing = Pricing {
                class,
                rho: &self.rho,
                balance: self.balance,
                prices,
                steps: STEPS[self.stage],
            };
            of_class.push(self.pricer.values(pricing, stop)?);
        }
        let mut of_container = Vec::new();
        for (k, rho) in self.rho.iter().enumerate() {
            let rates: Vec<i64> = best.node_prices.iter().map(|price| price * rho).collect();
            let request = self.request(k, &rates);
            of_container.push(Splitter::values(&self.units, request, &best.prices, stop)?);
        }
        Some(Rises::new(&self.units, best.total, of_class, of_container))
    }

    /// The least price of splitting the request of `k`; adds the column.
    fn split(&mut self, k: usize, node_prices: &[i64]) -> i64 {
        let rho = self.rho[k];
        let rates: Vec<i64> = node_prices.iter().map(|price| price * rho).collect();
        let request = self.request(k, &rates);
        let mut split = Vec::new();
        let value = self
            .splitter
            .split(&self.units, request, &self.prices, &mut split);
        let column = self.split_of(k, split);
        self.bundle.add(self.units.classes.len() + k, column);
        value
    }

    /// A pattern of a class as a column.
    fn pattern(&self, class: usize, cost: i64, parts: Vec<Part>) -> Column {
        let layout = self.bundle.layout();
        let size = self.units.classes[class].size as f64;
        let held = parts.iter().enumerate().filter(|(_, p)| p.threads > 0);
        let terms = held.map(|(k, p)| (layout.index(class, k, p.threads), -size));
        let terms = terms.collect();
        Column::new(
            unscaled(cost) * size,
            terms,
            Vec::new(),
            Parts::Pattern(parts),
        )
    }

    /// A split of the request of `k`, threads of each unit, as a column.
    fn split_of(&self, k: usize, split: Vec<usize>) -> Column {
        let none = vec![0; self.units.nodes.len()];
        let request = self.request(k, &none);
        let mut own = 0;
        let mut terms: Vec<(usize, f64)> = Vec::new();
        let mut loads = Vec::with_capacity(none.len());
        let mut threads = split.iter().copied();
        for (n, node) in self.units.nodes.iter().enumerate() {
            let mut all = 0;
            for (&class, w) in node.units.iter().zip(&mut threads) {
                all += w;
                if w > 0 {
                    let index = self.bundle.layout().index(class, k, w);
                    match terms.iter_mut().find(|term| term.0 == index) {
                        Some(term) => term.1 += 1.0,
                        None => terms.push((index, 1.0)),
                    }
                }
            }
            own += request.charge(&self.units, n, all);
            loads.push((self.rho[k] * all as i64) as f64);
        }
        terms.sort_by_key(|term| term.0);
        Column::new(unscaled(own), terms, loads, Parts::Split(split))
    }

    /// Finer steps of the load: the patterns found so far cost a little more.
    fn refine(&mut self) {
        self.stage += 1;
        let steps = STEPS[self.stage];
        for (class, block) in self.units.classes.iter().zip(&mut self.bundle.blocks) {
            for column in block {
                let cost = pattern_cost(class, &self.rho, self.balance, steps, column.pattern());
                column.cost = unscaled(cost) * class.size as f64;
            }
        }
    }

    /// An assignment from the weights of the patterns, and local search from there.
    fn round(&self, task: &Task<'_>, found: &mut Found) -> Option<()> {
        // A unit of its own: what a limit at the count before it must not do.
        Self::spend(task, found)?;
        let rounding = Rounding {
            problem: self.problem,
            units: &self.units,
            blocks: &self.bundle.blocks,
        };
        let start = round(&rounding);
        let limit = POLISH * self.problem.threads.len() as u64;
        let room = task.limit - found.work;
        let polished = anneal(
            State::new(self.problem, &start),
            task.seed,
            limit.min(room),
            found.lower_bound,
            task.stop,
        );
        found.work += polished.work;
        if polished.cost < found.cost {
            found.cost = polished.cost;
            found.owners = polished.owners;
        }
        if polished.work < limit && found.cost > found.lower_bound {
            return None;
        }
        Some(())
    }
}

/// Below any bound.
const HIGHEST_COST: i64 = 1 << 52;
