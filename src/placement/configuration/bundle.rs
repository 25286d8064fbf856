//! Where to price next: a proximal bundle method.
//!
//! The bound is a sum of blocks, one a class of units and one a container, each
//! the least of its columns (patterns, splits) at the prices: concave, without a slope at
//! its top. Of each block the columns found so far are kept. The next prices are the
//! top of what these say, less a penalty for the distance to the best prices so far:
//!
//! ```text
//! max over pi   sum_b min_{j in b} (c_j + a_j pi) - |pi - center|^2 / (2 t)
//! ```
//!
//! whose dual is over weights w_j >= 0, sum to 1 in each block: pi = center + t M g with
//! g = sum_j w_j a_j, and the slope for w_j is the column's value at that pi. So weight
//! moves from the dearest column in use to the cheapest, as far as pays (pairwise
//! coordinate steps). M is the metric, see [`Prices::push`].
//!
//! Source: Lemarechal, Nemirovskii and Nesterov, "New variants of bundle methods",
//! Math. Programming 69 (1995); Lacoste-Julien et al., "Block-coordinate Frank-Wolfe",
//! ICML 2013, for the blockwise steps.
//!
//! Floats only choose where to price. What they choose is rounded to integers before it is
//! priced, so no bound depends on their rounding.

use std::rc::Rc;

use super::pricing::Part;

/// What a column stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parts {
    /// By container.
    Pattern(Vec<Part>),
    /// Threads of each unit, in the order of the nodes.
    Split(Vec<usize>),
}

/// One block's column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// c_j, micro-CPU.
    pub(super) cost: f64,
    /// a_j: index of a price and how often it is paid (+) or received (-).
    pub(super) terms: Vec<(usize, f64)>,
    /// a_j of the nodes' prices: load, milli-CPU.
    pub(super) loads: Vec<f64>,
    pub(super) parts: Rc<Parts>,
    /// w_j.
    pub(super) weight: f64,
    idle: u32,
}

impl Column {
    pub(super) fn new(cost: f64, terms: Vec<(usize, f64)>, loads: Vec<f64>, parts: Parts) -> Self {
        Self {
            cost,
            terms,
            loads,
            parts: Rc::new(parts),
            weight: 0.0,
            idle: 0,
        }
    }

    /// By container; empty for a split.
    pub(super) fn pattern(&self) -> &[Part] {
        match &*self.parts {
            Parts::Pattern(parts) => parts,
            Parts::Split(_) => &[],
        }
    }

    /// Whether it had weight when that was last balanced, or is new since.
    pub(super) fn is_in_use(&self) -> bool {
        self.idle == 0
    }
}

/// How prices are indexed: by container, class, threads; none is no price.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// By price: container, class, threads.
    of: Vec<(usize, usize, f64)>,
    /// By class and container: where its prices begin, less one.
    at: Vec<Vec<usize>>,
    classes: usize,
    /// By container: how far its prices move, relative to others.
    scale: Vec<f64>,
}

impl Layout {
    /// `most` threads by class and container; `scale` by container.
    pub(super) fn new(most: &[Vec<usize>], scale: Vec<f64>) -> Self {
        let mut layout = Self {
            of: vec![(0, 0, 0.0)],
            at: Vec::new(),
            classes: most.len(),
            scale,
        };
        for (c, most) in most.iter().enumerate() {
            let mut at = Vec::with_capacity(most.len());
            for (k, &most) in most.iter().enumerate() {
                at.push(layout.of.len() - 1);
                layout.of.extend((1..=most).map(|n| (k, c, n as f64)));
            }
            layout.at.push(at);
        }
        layout
    }

    /// The price of `threads` (at least 1) of container `k` in a unit of class `c`.
    pub(super) fn index(&self, c: usize, k: usize, threads: usize) -> usize {
        self.at[c][k] + threads
    }
}

/// Prices as a sum of what is common to all units, to the threads of a class, to being
/// there at all, and what is one number's own.
#[derive(Clone, Debug)]
pub(super) struct Prices {
    shared: Vec<f64>,
    linear: Vec<f64>,
    present: Vec<f64>,
    single: Vec<f64>,
    pub(super) nodes: Vec<f64>,
}

/// How far each part moves.
const METRIC: [f64; 4] = [1.0, 0.2, 1.0, 1.0];
/// How far the nodes' prices move.
const NODES: f64 = 1e-4;

impl Prices {
    pub(super) fn zero(layout: &Layout, nodes: usize) -> Self {
        let pairs = layout.scale.len() * layout.classes;
        Self {
            shared: vec![0.0; layout.scale.len()],
            linear: vec![0.0; pairs],
            present: vec![0.0; pairs],
            single: vec![0.0; layout.of.len()],
            nodes: vec![0.0; nodes],
        }
    }

    /// A price a thread, by container.
    pub(super) fn set_shared(&mut self, shared: Vec<f64>) {
        self.shared = shared;
    }

    /// Makes the price `index` so, whatever its parts are so far.
    pub(super) fn set(&mut self, layout: &Layout, index: usize, price: f64) {
        self.single[index] += price - self.get(layout, index);
    }

    /// The price `index`.
    pub(super) fn get(&self, layout: &Layout, index: usize) -> f64 {
        let (k, c, n) = layout.of[index];
        let pair = k * layout.classes + c;
        n * (self.shared[k] + self.linear[pair]) + self.present[pair] + self.single[index]
    }

    /// Adds `step` M a: the steepest way up for a slope a, if a step along each part is
    /// weighed as [`METRIC`] says.
    fn push(&mut self, layout: &Layout, step: f64, column: &Column) {
        for &(index, times) in &column.terms {
            let (k, c, n) = layout.of[index];
            let pair = k * layout.classes + c;
            let move_ = step * times * layout.scale[k];
            self.shared[k] += METRIC[0] * n * move_;
            self.linear[pair] += METRIC[1] * n * move_;
            self.present[pair] += METRIC[2] * move_;
            self.single[index] += METRIC[3] * move_;
        }
        for (node, load) in self.nodes.iter_mut().zip(&column.loads) {
            *node += NODES * step * load;
        }
    }

    /// Sets what `column` touches to 0.
    fn clear(&mut self, layout: &Layout, column: &Column) {
        for &(index, _) in &column.terms {
            let (k, c, _) = layout.of[index];
            let pair = k * layout.classes + c;
            self.shared[k] = 0.0;
            self.linear[pair] = 0.0;
            self.present[pair] = 0.0;
            self.single[index] = 0.0;
        }
        self.nodes.fill(0.0);
    }

    fn times(&self, layout: &Layout, column: &Column) -> f64 {
        let terms = column.terms.iter();
        let prices: f64 = terms.map(|&(i, times)| times * self.get(layout, i)).sum();
        let loads = self.nodes.iter().zip(&column.loads);
        prices + loads.map(|(a, b)| a * b).sum::<f64>()
    }

    fn add(&mut self, step: f64, other: &Self) {
        let pairs = [
            (&mut self.shared, &other.shared),
            (&mut self.linear, &other.linear),
            (&mut self.present, &other.present),
            (&mut self.single, &other.single),
            (&mut self.nodes, &other.nodes),
        ];
        for (own, other) in pairs {
            for (own, other) in own.iter_mut().zip(other) {
                *own += step * other;
            }
        }
    }
}

/// The columns and where they point.
#[derive(Clone, Debug)]
pub(super) struct Bundle {
    layout: Layout,
    pub(super) blocks: Vec<Vec<Column>>,
    center: Prices,
    /// M g.
    way: Prices,
    /// t.
    step: f64,
    /// t when the bound last rose.
    rising: f64,
    scratch: Prices,
    highest: f64,
}

/// Sweeps over the blocks between two pricings.
const SWEEPS: usize = 12;
/// Pairwise steps in a block in a sweep.
const PAIRS: usize = 4;
/// Rounds that a column without weight is kept.
const PATIENCE: u32 = 30;

impl Bundle {
    /// `shares`: what each node's price is received for, its even share.
    pub(super) fn new(
        layout: Layout,
        blocks: usize,
        center: Prices,
        shares: &[f64],
        highest: f64,
    ) -> Self {
        let mut way = Prices::zero(&layout, shares.len());
        for (node, share) in way.nodes.iter_mut().zip(shares) {
            *node -= NODES * share;
        }
        Self {
            scratch: Prices::zero(&layout, shares.len()),
            way,
            center,
            layout,
            blocks: vec![Vec::new(); blocks],
            step: 0.0,
            rising: 0.0,
            highest,
        }
    }

    /// Where to price next: a price, and a node's price.
    pub(super) fn price(&self, index: usize) -> f64 {
        self.center.get(&self.layout, index) + self.step * self.way.get(&self.layout, index)
    }

    pub(super) fn node_price(&self, node: usize) -> f64 {
        (self.center.nodes[node] + self.step * self.way.nodes[node]).clamp(0.0, self.highest)
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    fn value(&self, column: &Column) -> f64 {
        let terms = column.terms.iter();
        let prices: f64 = terms.map(|&(i, times)| times * self.price(i)).sum();
        let loads = column.loads.iter().enumerate();
        let nodes: f64 = loads.map(|(n, load)| load * self.node_price(n)).sum();
        column.cost + prices + nodes
    }

    /// What the columns so far say about the bound at these prices, but for
    /// what does not depend on them.
    pub(super) fn promise(&self) -> f64 {
        let least = |block: &Vec<Column>| {
            let values = block.iter().map(|column| self.value(column));
            values.fold(f64::INFINITY, f64::min)
        };
        self.blocks.iter().map(least).sum()
    }

    /// Adds a block's column.
    pub(super) fn add(&mut self, block: usize, mut column: Column) {
        let same = |c: &Column| {
            c.terms == column.terms && c.loads == column.loads && c.pattern() == column.pattern()
        };
        if self.blocks[block].iter().any(same) {
            return;
        }
        if self.blocks[block].is_empty() {
            column.weight = 1.0;
            self.way.push(&self.layout, 1.0, &column);
        }
        self.blocks[block].push(column);
    }

    /// The prices were the best so far: go on from there.
    pub(super) fn accept(&mut self) {
        let step = self.step;
        self.center.add(step, &self.way);
        for node in &mut self.center.nodes {
            *node = node.clamp(0.0, self.highest);
        }
        self.step *= 1.3;
    }

    /// They were not: lower by `drop`, where a rise of `promised` was promised, with
    /// `gap` left to the best cost known.
    pub(super) fn refuse(&mut self, drop: f64, promised: f64, gap: f64) {
        if drop > gap {
            // Far too far: as after a step that grew at the top of coarser columns.
            self.step *= 0.3;
        } else if promised < 0.0 {
            // Weights are not balanced yet: the prices are not the top.
            self.step *= 0.8;
        } else if drop > 6.0 * promised {
            self.step *= 0.9;
        } else if promised < 0.02 * gap {
            self.step *= 1.5;
        }
    }

    /// The bound rose with this step.
    pub(super) fn mark(&mut self) {
        self.rising = self.step;
    }

    /// Back to the step with which the bound last rose: at its top steps grow, or shrink, without end.
    pub(super) fn resume(&mut self) {
        self.step = self.rising;
    }

    /// The first step: as far as would close the gap, were the slope to last, `times` that.
    pub(super) fn start(&mut self, gap: f64, times: f64) {
        let mut norm = 0.0;
        for column in self.blocks.iter().flatten() {
            norm += column.weight * self.way.times(&self.layout, column);
        }
        self.step = if norm > 0.0 { times * gap / norm } else { 0.0 };
    }

    /// Moves weight to the cheapest columns; none if `stop` ended it.
    pub(super) fn balance(&mut self, stop: &dyn Fn() -> bool) -> Option<()> {
        for _ in 0..SWEEPS {
            for block in 0..self.blocks.len() {
                self.balance_block(block);
            }
            if stop() {
                return None;
            }
        }
        for block in &mut self.blocks {
            for column in block.iter_mut() {
                column.idle = if column.weight > 0.0 {
                    0
                } else {
                    column.idle + 1
                };
            }
            block.retain(|column| column.idle < PATIENCE);
        }
        Some(())
    }

    fn balance_block(&mut self, block: usize) {
        if self.blocks[block].len() < 2 {
            return;
        }
        for _ in 0..PAIRS {
            let mut low = (f64::INFINITY, 0);
            let mut high = (f64::NEG_INFINITY, 0);
            for (index, column) in self.blocks[block].iter().enumerate() {
                let value = self.value(column);
                if value < low.0 {
                    low = (value, index);
                }
                if column.weight > 0.0 && value > high.0 {
                    high = (value, index);
                }
            }
            let gap = high.0 - low.0;
            if low.1 == high.1 || gap <= 1.0 {
                return;
            }
            let columns = &self.blocks[block];
            let (to, from) = (&columns[low.1], &columns[high.1]);
            self.scratch.push(&self.layout, 1.0, to);
            self.scratch.push(&self.layout, -1.0, from);
            let norm =
                self.scratch.times(&self.layout, to) - self.scratch.times(&self.layout, from);
            self.scratch.clear(&self.layout, to);
            self.scratch.clear(&self.layout, from);
            let most = from.weight;
            let wanted = gap / (self.step * norm).max(f64::MIN_POSITIVE);
            let moved = if wanted < most { wanted } else { most };
            self.way.push(&self.layout, moved, to);
            self.way.push(&self.layout, -moved, from);
            self.blocks[block][low.1].weight += moved;
            let weight = &mut self.blocks[block][high.1].weight;
            *weight = if moved < most { *weight - moved } else { 0.0 };
        }
    }
}
