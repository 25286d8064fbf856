//! The cheapest way to split a container's request over the units at given
//! prices.
//!
//! ```text
//! min  sum_g pi_g(w_g) + sum_N (S p [j_N > 0] + M max(0, P_N - j_N) + nu_N rho j_N)
//! s.t. sum_g w_g = r,  w_g <= threads of g,  j_N = sum of w over the units of N
//! ```
//!
//! One table a unit: the least price of j threads in the node's units so far, O(r T)
//! a unit; then one a node.

use super::choices::Units;

/// More than anything costs.
pub(super) const NEVER: i64 = i64::MAX / 4;

/// A container's request and what nodes charge it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) index: usize,
    pub(super) threads: usize,
    /// Scaled, for each node it is in.
    pub(super) spread: i64,
    /// Scaled, for each thread that left a node.
    pub(super) movement: i64,
    /// Scaled, a thread of each node.
    pub(super) rates: &'a [i64],
}

impl Request<'_> {
    /// What node `n` charges for `j` threads in it.
    pub(super) fn charge(&self, units: &Units, n: usize, j: usize) -> i64 {
        let there = match j {
            0 => 0,
            _ => self.spread + self.rates[n] * j as i64,
        };
        there + self.movement * (units.nodes[n].before[self.index] - j as i64).max(0)
    }
}

/// Room for splitting, to be used again and again.
#[derive(Clone, Debug, Default)]
pub(super) struct Splitter {
    /// A row a unit and one a node, in the order of the nodes.
    rows: Vec<Vec<i64>>,
    taken: Vec<Vec<usize>>,
}

impl Splitter {
    /// The least price, and into `split` the threads of each unit, in the order of
    /// `units.nodes`. `prices` by class, container, threads.
    pub(super) fn split(
        &mut self,
        units: &Units,
        request: Request<'_>,
        prices: &[Vec<Vec<i64>>],
        split: &mut Vec<usize>,
    ) -> i64 {
        let r = request.threads;
        let k = request.index;
        let mut at = 0;
        let mut total = vec![NEVER; r + 1];
        total[0] = 0;
        for (n, node) in units.nodes.iter().enumerate() {
            let mut sofar = vec![NEVER; r + 1];
            sofar[0] = 0;
            let mut room = 0;
            for &class in &node.units {
                let most = units.classes[class].threads.min(r);
                room = (room + most).min(r);
                self.step(at, &sofar, &prices[class][k][..=most], room);
                sofar.clone_from(&self.rows[at]);
                at += 1;
            }
            for (j, value) in sofar.iter_mut().enumerate().filter(|(_, v)| **v < NEVER) {
                *value += request.charge(units, n, j);
            }
            self.step(at, &total, &sofar, r);
            total.clone_from(&self.rows[at]);
            at += 1;
        }
        let value = total[r];
        // Backwards.
        split.clear();
        let mut left = r;
        for node in units.nodes.iter().rev() {
            at -= 1;
            let mut inside = self.taken[at][left];
            left -= inside;
            for _ in &node.units {
                at -= 1;
                let own = self.taken[at][inside];
                split.push(own);
                inside -= own;
            }
        }
        split.reverse();
        value
    }

    /// For each unit, in the order of the nodes, and each number of threads there the
    /// least price of a split that has it so; nothing if `stop` ended it.
    pub(super) fn values(
        units: &Units,
        request: Request<'_>,
        prices: &[Vec<Vec<i64>>],
        stop: &dyn Fn() -> bool,
    ) -> Option<Vec<Vec<i64>>> {
        let r = request.threads;
        let k = request.index;
        let own = |class: usize| -> &[i64] {
            let most = units.classes[class].threads.min(r);
            &prices[class][k][..=most]
        };
        let nodes = units.nodes.iter().enumerate().map(|(n, node)| {
            let mut inside = join_all(node.units.iter().map(|&class| own(class)), r);
            for (j, value) in inside.iter_mut().enumerate().filter(|(_, v)| **v < NEVER) {
                *value += request.charge(units, n, j);
            }
            inside
        });
        let nodes: Vec<Vec<i64>> = nodes.collect();
        let mut values = Vec::new();
        for (n, node) in units.nodes.iter().enumerate() {
            let others = (0..nodes.len()).filter(|&m| m != n);
            let others = join_all(others.map(|m| nodes[m].as_slice()), r);
            // What t threads in this node cost beside their prices.
            let beside: Vec<i64> = (0..=r)
                .map(|t| match others[r - t] {
                    NEVER => NEVER,
                    others => others + request.charge(units, n, t),
                })
                .collect();
            for at in 0..node.units.len() {
                if stop() {
                    return None;
                }
                let rest = node.units.iter().enumerate().filter(|&(i, _)| i != at);
                let rest = join_all(rest.map(|(_, &class)| own(class)), r);
                let least = |(n, &price): (usize, &i64)| {
                    let sums = rest[..=r - n].iter().zip(&beside[n..]);
                    let sums = sums.filter(|&(&a, &b)| a < NEVER && b < NEVER);
                    let sum = sums.map(|(a, b)| a + b).min();
                    sum.filter(|_| price < NEVER).map_or(NEVER, |s| s + price)
                };
                values.push(own(node.units[at]).iter().enumerate().map(least).collect());
            }
        }
        Some(values)
    }

    /// Row `at` is `before` joined with `added`.
    fn step(&mut self, at: usize, before: &[i64], added: &[i64], room: usize) {
        if self.rows.len() <= at {
            self.rows.push(Vec::new());
            self.taken.push(Vec::new());
        }
        join(before, added, room, &mut self.rows[at], &mut self.taken[at]);
    }
}

/// For each j up to `room` the min over t of before(j - t) + added(t) into `row`, and the t
/// into `taken`; [`NEVER`] beyond.
fn join(before: &[i64], added: &[i64], room: usize, row: &mut Vec<i64>, taken: &mut Vec<usize>) {
    row.clear();
    row.resize(before.len(), NEVER);
    taken.clear();
    taken.resize(before.len(), 0);
    for j in 0..=room {
        for t in 0..=j.min(added.len() - 1) {
            if before[j - t] < NEVER && added[t] < NEVER {
                let value = before[j - t] + added[t];
                if value < row[j] {
                    row[j] = value;
                    taken[j] = t;
                }
            }
        }
    }
}

/// The least sums of so many threads, up to `r`, over `tables`.
fn join_all<'a>(tables: impl Iterator<Item = &'a [i64]>, r: usize) -> Vec<i64> {
    let mut all = vec![NEVER; r + 1];
    all[0] = 0;
    let (mut row, mut taken) = (Vec::new(), Vec::new());
    for table in tables {
        join(&all, table, r, &mut row, &mut taken);
        std::mem::swap(&mut all, &mut row);
    }
    all
}
