//! Branch and bound over how the containers are divided between the cells:
//! exact on hosts of a few cells, where it proves without an LP.
//!
//! One container after the other, the largest load first, takes one of its
//! divisions (see [`super::lagrange`], also for the terms). With the best
//! multipliers fixed, every division has a price and the bound of a node is a
//! sum: what is decided, and the least of the rest
//!
//! - *by threads*: V_j[t] = least price of containers j, j + 1, .. that have t
//!   threads in the first node (L3, cell where there is one), over the t that
//!   the cells' rooms allow (a table, Bellman 1957);
//! - *by load*: prices without the load's, and B_g max(0, load_g + least load of
//!   the rest in g - tau_g), which branching cannot push away.
//!
//! Where all are decided (a leaf) loads are exact, and so is each cell but for
//! the classes of cores that two containers had: a table over containers, half
//! cores used and the parity of sum m gives the least cost of ways with
//! sum u <= 2 C_h and sum m even. Two containers of the cell that had cores
//! together, and with nobody else who is there, are treated as one; other pair
//! classes have pi = M_thread where both containers are in the cell, else pi = 0.
//! Of the coupling rows of [`super::aggregated`] those on m and P are left out,
//! so it is a bound. It is
//! then rebuilt into threads: where that costs what the leaf says, the leaf is
//! settled, else its bound stays in the final bound.
//!
//! *What is left out.* Divisions with bound + (price - least price) above the
//! incumbent; of containers that are alike, all but one order; of two alike
//! cells, those that give a container without a twin less in the first. A node
//! goes when its bound is above incumbent - grid, every cost being a multiple
//! of the grid. So when the search ends, the least cost is min(incumbent, open
//! leaves).

use super::cells::Cell;
use super::cost::priced;
use super::divisions::are_twins;
use super::lagrange::{Evaluated, Part, Relaxation, STEP_WORK};
use super::leaf::{NEVER, counts, treat};
use super::problem::{L3, NUMA, Owners, Problem};
use super::rebuild::rebuild;
use super::symmetry;

/// Most work, in nodes of some 20 ns: what is not settled by then is the MIP's.
const LARGEST: u64 = 2_000_000;
/// Nodes between two looks at the clock.
const CHECK: u64 = 512;
/// Nodes for a unit of the work that is counted outside.
const UNIT: u64 = 16;
/// Work of a leaf, in nodes.
const LEAF_WORK: u64 = 512;

/// Where the search ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Divided {
    /// The best assignment, never above the start.
    pub(super) owners: Vec<Option<u32>>,
    /// Its cost.
    pub(super) cost: i64,
    /// No assignment costs less.
    pub(super) lower_bound: i64,
    /// Work, in units of [`super::place`].
    pub(super) work: u64,
    /// Whether all divisions were searched: what is open then are leaves.
    pub(super) is_whole: bool,
    /// Whether the limit or the clock ended it: then nothing else may follow,
    /// so that more work is never worse.
    pub(super) is_cut: bool,
}

/// Counts nodes and says when to stop: asked before each unit of work, so that
/// a limit at the count where the clock stopped it stops it at the same place.
struct Meter<'a> {
    nodes: u64,
    limit: u64,
    look: u64,
    /// Whether no more work is done,
    is_over: bool,
    /// because the limit or the clock ended it.
    is_cut: bool,
    stop: &'a dyn Fn() -> bool,
}

impl Meter<'_> {
    fn may(&mut self, nodes: u64) -> bool {
        if self.is_over {
            return false;
        }
        let after = self.nodes + nodes;
        if after > LARGEST {
            // Whatever the limit: other methods go on from here.
            self.is_over = true;
            return false;
        }
        self.is_cut = after > self.limit;
        // Work is told in whole units, so the clock stops it between them.
        if self.nodes >= self.look && self.nodes.is_multiple_of(UNIT) {
            self.look = self.nodes + CHECK;
            self.is_cut |= (self.stop)();
        }
        self.is_over = self.is_cut;
        if !self.is_over {
            self.nodes = after;
        }
        !self.is_over
    }
}

/// A division in the search.
#[derive(Clone, Debug)]
struct Choice {
    price: i64,
    bare: i64,
    /// Index into the part's divisions.
    index: usize,
}

/// Searches from the best assignment known for at most `limit` units of work
/// (at least 1), or until `stop`.
pub(super) fn divide(
    mut relaxation: Relaxation<'_>,
    start: &Owners,
    cost: i64,
    limit: u64,
    stop: &dyn Fn() -> bool,
) -> Divided {
    // That it ran at all is a unit of work.
    let mut meter = Meter {
        nodes: UNIT,
        limit: limit.saturating_mul(UNIT),
        look: 0,
        is_over: false,
        is_cut: false,
        stop,
    };
    let evaluated = relaxation.ascend(cost, &mut || meter.may(STEP_WORK));
    let root = evaluated.bound;
    let mut search = Search::new(&relaxation, &evaluated, start, cost, meter);
    if !search.meter.is_over && root <= search.limit() {
        search.from(0);
    }
    let best = search.cost;
    let grid = relaxation.grid;
    let bound = match search.meter.is_over {
        true => root,
        false => search.open.min(best),
    };
    // Every cost is a multiple of the grid.
    let bound = (bound + grid - 1).div_euclid(grid) * grid;
    Divided {
        lower_bound: bound.min(best),
        owners: search.owners,
        cost: best,
        work: search.meter.nodes.div_ceil(UNIT),
        is_whole: !search.meter.is_over,
        is_cut: search.meter.is_cut,
    }
}

struct Search<'a> {
    relaxation: &'a Relaxation<'a>,
    problem: &'a Problem,
    owners: Vec<Option<u32>>,
    cost: i64,
    /// Least bound of the leaves that are not settled.
    open: i64,
    meter: Meter<'a>,
    /// By part, the cheapest first.
    choices: Vec<Vec<Choice>>,
    /// By part: the load of each division in each charged group.
    loads: Vec<Vec<i64>>,
    /// Whether the part's container is alike with the one before.
    is_twin: Vec<bool>,
    /// Whether each cell is on the side whose threads V counts.
    side: Vec<bool>,
    /// V, by part and threads on that side.
    rest: Vec<Vec<i64>>,
    /// Least bare price of the parts from each on.
    bare_rest: Vec<i64>,
    /// Least load of the parts from each on, by charged group.
    load_rest: Vec<Vec<i64>>,
    /// Threads requested by the parts from each on.
    requested: Vec<usize>,
    /// Position of what each part has taken.
    taken: Vec<usize>,
    /// Threads left by cell.
    room: Vec<usize>,
    load: Vec<i64>,
    price: i64,
    bare: i64,
}

impl<'a> Search<'a> {
    fn new(
        relaxation: &'a Relaxation<'a>,
        evaluated: &Evaluated,
        start: &Owners,
        cost: i64,
        meter: Meter<'a>,
    ) -> Self {
        let problem = relaxation.problem;
        let parts = &relaxation.parts;
        let slack = cost - relaxation.grid - evaluated.bound;
        let mirrored = mirrored(relaxation);
        let mut choices: Vec<Vec<Choice>> = Vec::with_capacity(parts.len());
        for (j, part) in parts.iter().enumerate() {
            let reduced = &evaluated.reduced[j];
            let least = reduced.iter().copied().min().unwrap_or(0);
            let mut own: Vec<Choice> = part
                .divisions
                .iter()
                .enumerate()
                .filter(|&(index, (threads, _))| {
                    let first = mirrored != Some(j) || threads[0] >= threads[1];
                    first && reduced[index] - least <= slack
                })
                .map(|(index, _)| Choice {
                    price: reduced[index],
                    bare: evaluated.bare[j][index],
                    index,
                })
                .collect();
            own.sort_by_key(|choice| (choice.price, choice.index));
            choices.push(own);
        }
        let is_twin = (0..parts.len())
            .map(|j| j > 0 && are_twins(problem, parts[j - 1].container, parts[j].container))
            .collect();
        let load_constant: i64 = evaluated.bound
            - evaluated.base
            - evaluated
                .reduced
                .iter()
                .map(|r| r.iter().copied().min().unwrap_or(0))
                .sum::<i64>();
        let mut search = Self {
            relaxation,
            problem,
            owners: start.to_vec(),
            cost,
            open: i64::MAX,
            meter,
            is_twin,
            side: side(&relaxation.cells),
            rest: Vec::new(),
            bare_rest: vec![0; parts.len() + 1],
            load_rest: vec![vec![0; relaxation.charged.len()]; parts.len() + 1],
            requested: vec![0; parts.len() + 1],
            taken: vec![0; parts.len()],
            room: relaxation.cells.iter().map(Cell::threads).collect(),
            load: vec![0; relaxation.charged.len()],
            price: evaluated.base + load_constant,
            bare: evaluated.base,
            choices,
            loads: parts.iter().map(|part| loads(relaxation, part)).collect(),
        };
        search.suffixes();
        search
    }

    fn suffixes(&mut self) {
        let parts = &self.relaxation.parts;
        let width = self.room_of(true) + 1;
        let mut rest = vec![vec![NEVER; width]; parts.len() + 1];
        rest[parts.len()][0] = 0;
        let charged = self.load.len();
        for j in (0..parts.len()).rev() {
            let (before, after) = rest.split_at_mut(j + 1);
            for choice in &self.choices[j] {
                let threads = parts[j].divisions.threads(choice.index).iter();
                let on_side = threads.zip(&self.side).filter(|(_, on)| **on);
                let first: usize = on_side.map(|(n, _)| n).sum();
                for (to, from) in before[j][first..].iter_mut().zip(&after[0]) {
                    *to = (*to).min(from + choice.price);
                }
            }
            let bare = self.choices[j].iter().map(|c| c.bare).min();
            self.bare_rest[j] = self.bare_rest[j + 1] + bare.unwrap_or(0);
            for c in 0..charged {
                let choices = self.choices[j].iter();
                let least = choices
                    .map(|choice| self.loads[j][choice.index * charged + c])
                    .min();
                self.load_rest[j][c] = self.load_rest[j + 1][c] + least.unwrap_or(0);
            }
            let request = self.problem.containers[parts[j].container].request;
            self.requested[j] = self.requested[j + 1] + request;
        }
        self.rest = rest;
    }

    /// Threads left on the side, or off it.
    fn room_of(&self, side: bool) -> usize {
        let room = self.room.iter().zip(&self.side);
        room.filter(|(_, on)| **on == side).map(|(n, _)| n).sum()
    }

    /// What a bound may be at most to be of interest.
    fn limit(&self) -> i64 {
        self.cost - self.relaxation.grid
    }

    /// Whether containers from `j` on may still make something cheaper.
    fn is_open(&self, j: usize) -> bool {
        let limit = self.limit();
        // t threads on the side: at most its room, and the others hold the rest.
        let least = self.requested[j].saturating_sub(self.room_of(false));
        let most = self.room_of(true).min(self.requested[j]);
        let Some(row) = self.rest[j].get(least..=most) else {
            return false;
        };
        let by_threads = row.iter().copied().min().unwrap_or(NEVER);
        if self.price + by_threads > limit {
            return false;
        }
        let mut by_load = self.bare + self.bare_rest[j];
        for (c, charged) in self.relaxation.charged.iter().enumerate() {
            let over = self.load[c] + self.load_rest[j][c] - charged.share;
            by_load += charged.balance * over.max(0);
        }
        by_load <= limit
    }

    fn from(&mut self, j: usize) {
        if j == self.choices.len() {
            self.leaf();
            return;
        }
        let first = if self.is_twin[j] {
            self.taken[j - 1]
        } else {
            0
        };
        for position in first..self.choices[j].len() {
            if !self.meter.may(1) {
                return;
            }
            if self.take(j, position) {
                if self.is_open(j + 1) {
                    self.from(j + 1);
                }
                self.give_back(j, position);
            }
        }
    }

    /// False, and nothing is taken, where there is no room.
    fn take(&mut self, j: usize, position: usize) -> bool {
        let choice = &self.choices[j][position];
        let threads = self.relaxation.parts[j].divisions.threads(choice.index);
        if threads.iter().zip(&self.room).any(|(n, room)| n > room) {
            return false;
        }
        for (room, n) in self.room.iter_mut().zip(threads) {
            *room -= n;
        }
        let first = choice.index * self.load.len();
        for (load, more) in self.load.iter_mut().zip(&self.loads[j][first..]) {
            *load += more;
        }
        self.price += choice.price;
        self.bare += choice.bare;
        self.taken[j] = position;
        true
    }

    fn give_back(&mut self, j: usize, position: usize) {
        let choice = &self.choices[j][position];
        let threads = self.relaxation.parts[j].divisions.threads(choice.index);
        for (room, n) in self.room.iter_mut().zip(threads) {
            *room += n;
        }
        let first = choice.index * self.load.len();
        for (load, more) in self.load.iter_mut().zip(&self.loads[j][first..]) {
            *load -= more;
        }
        self.price -= choice.price;
        self.bare -= choice.bare;
    }

    fn leaf(&mut self) {
        if !self.meter.may(LEAF_WORK) {
            return;
        }
        let mut bound = self.relaxation.constant;
        for (charged, load) in self.relaxation.charged.iter().zip(&self.load) {
            bound += charged.balance * (load - charged.share).max(0);
        }
        let mut divisions = vec![&[][..]; self.choices.len()];
        for (j, part) in self.relaxation.parts.iter().enumerate() {
            let index = self.choices[j][self.taken[j]].index;
            bound += part.divisions.own(index);
            divisions[j] = part.divisions.threads(index);
        }
        let mut treated = Vec::with_capacity(self.relaxation.cells.len());
        for h in 0..self.relaxation.cells.len() {
            let threads: Vec<usize> = divisions.iter().map(|d| d[h]).collect();
            let Some((cost, ways)) = treat(self.relaxation, h, &threads) else {
                return;
            };
            bound += cost;
            treated.push(counts(self.relaxation, h, &threads, &ways));
        }
        if bound > self.limit() {
            return;
        }
        let sets: Vec<usize> = (0..self.problem.containers.len()).collect();
        let (cells, classes) = (&self.relaxation.cells, &self.relaxation.classes);
        if let Some(owners) = rebuild(self.problem, cells, classes, &treated, &sets)
            && self.problem.is_complete(&owners)
        {
            let cost = priced(self.problem, &owners);
            debug_assert!(
                cost >= bound,
                "a leaf's bound {bound} above a cost of {cost}"
            );
            if cost < self.cost {
                self.cost = cost;
                self.owners = owners;
            }
            if cost == bound {
                return;
            }
        }
        self.open = self.open.min(bound);
    }
}

/// The load of each division of a part in each charged group.
fn loads(relaxation: &Relaxation<'_>, part: &Part) -> Vec<i64> {
    let rho = relaxation.problem.containers[part.container].rho;
    let charged = &relaxation.charged;
    let mut loads = Vec::with_capacity(part.divisions.len() * charged.len());
    for (threads, _) in part.divisions.iter() {
        loads.extend(charged.iter().map(|charged| {
            let cells = threads.iter().zip(&charged.cells);
            let inside = cells.filter(|(_, inside)| **inside);
            inside.map(|(&n, _)| rho * n as i64).sum::<i64>()
        }));
    }
    loads
}

/// Which cells are of the first node, L3 or cell: of the first of these levels
/// that tells cells apart.
fn side(cells: &[Cell]) -> Vec<bool> {
    for level in [NUMA, L3] {
        let side: Vec<bool> = cells
            .iter()
            .map(|cell| cell.group[level] == cells[0].group[level])
            .collect();
        if side.contains(&false) {
            return side;
        }
    }
    (0..cells.len()).map(|h| h == 0).collect()
}

/// The part whose divisions may be restricted to n_0 >= n_1: where the host is
/// two alike cells, the first container without a twin.
fn mirrored(relaxation: &Relaxation<'_>) -> Option<usize> {
    let alike = symmetry::alike(relaxation.problem, &relaxation.cells);
    let is_mirror = relaxation.cells.len() == 2 && alike.iter().any(|set| set.units.len() == 2);
    let parts = &relaxation.parts;
    let twins =
        |i: usize, j: usize| are_twins(relaxation.problem, parts[i].container, parts[j].container);
    (0..parts.len())
        .filter(|_| is_mirror)
        .find(|&j| (0..parts.len()).all(|i| i == j || !twins(i, j)))
}
