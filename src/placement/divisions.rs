//! Divisions: how a container's request may be spread over the cells, and what
//! that costs whoever else is there (see [`super::lagrange`] for the terms).

use super::cells::Cell;
use super::problem::{L3, NUMA, Problem};

/// The divisions of a container between the cells, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Divisions {
    cells: usize,
    /// n, by division and cell.
    threads: Vec<usize>,
    /// What each costs whoever else is there.
    own: Vec<i64>,
}

impl Divisions {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.own.len()
    }

    /// n of one of them, by cell.
    pub(super) fn threads(&self, index: usize) -> &[usize] {
        &self.threads[index * self.cells..][..self.cells]
    }

    /// What one of them costs whoever else is there.
    pub(super) fn own(&self, index: usize) -> i64 {
        self.own[index]
    }

    /// Threads and cost of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[usize], i64)> {
        let threads = self.threads.chunks_exact(self.cells);
        threads.zip(self.own.iter().copied())
    }
}

/// Containers by load, the largest first; those that are alike stand together.
pub(super) fn order(problem: &Problem) -> Vec<usize> {
    let mut order: Vec<usize> = (0..problem.containers.len()).collect();
    order.sort_by_key(|&k| {
        let c = &problem.containers[k];
        (
            std::cmp::Reverse(c.load),
            c.request,
            !c.previous().is_empty(),
            &c.away,
            k,
        )
    });
    order
}

/// Whether two containers may change places in every respect.
pub(super) fn are_twins(problem: &Problem, a: usize, b: usize) -> bool {
    let [a, b] = [a, b].map(|k| &problem.containers[k]);
    let newcomers = a.previous().is_empty() && b.previous().is_empty();
    newcomers && (a.request, a.rho, &a.away) == (b.request, b.rho, &b.away)
}

/// The divisions of a container; none where more than `left` are left.
pub(super) fn divisions(
    problem: &Problem,
    cells: &[Cell],
    k: usize,
    left: &mut usize,
) -> Option<Divisions> {
    let mut search = Search {
        own: OwnCost::new(problem, k),
        cells,
        given: Vec::with_capacity(cells.len()),
        most: *left,
        found: Divisions {
            cells: cells.len(),
            threads: Vec::new(),
            own: Vec::new(),
        },
    };
    if !search.extend(problem.containers[k].request) {
        return None;
    }
    *left -= search.found.len();
    Some(search.found)
}

/// Lists divisions, in the order of their numbers.
struct Search<'a> {
    own: OwnCost<'a>,
    cells: &'a [Cell],
    /// n of the first cells.
    given: Vec<usize>,
    most: usize,
    found: Divisions,
}

impl Search<'_> {
    /// Adds those that begin as given, with `open` threads in the other cells;
    /// false where they are too many.
    fn extend(&mut self, open: usize) -> bool {
        let Some((cell, others)) = self.cells[self.given.len()..].split_first() else {
            self.found.threads.extend_from_slice(&self.given);
            self.found.own.push(self.own.of(self.cells, &self.given));
            return self.found.len() <= self.most;
        };
        let after: usize = others.iter().map(Cell::threads).sum();
        for n in open.saturating_sub(after)..=open.min(cell.threads()) {
            self.given.push(n);
            if !self.extend(open - n) {
                return false;
            }
            self.given.pop();
        }
        true
    }
}

/// What the divisions of a container cost, whoever else is there.
struct OwnCost<'a> {
    problem: &'a Problem,
    k: usize,
    /// P_gk, by level and group.
    before: [Vec<i64>; 2],
    /// Room for n_g.
    now: Vec<i64>,
}

impl<'a> OwnCost<'a> {
    fn new(problem: &'a Problem, k: usize) -> Self {
        let before = [L3, NUMA].map(|level| {
            let mut before = vec![0; problem.levels[level].groups.len()];
            for &thread in problem.containers[k].previous() {
                before[problem.threads[thread].group[level]] += 1;
            }
            before
        });
        Self {
            problem,
            k,
            before,
            now: Vec::new(),
        }
    }

    fn of(&mut self, cells: &[Cell], threads: &[usize]) -> i64 {
        let problem = self.problem;
        let container = &problem.containers[self.k];
        let mut cost = 0;
        for (cell, &n) in cells.iter().zip(threads) {
            let mut rate = cell.slow;
            if container.away[cell.group[NUMA]] {
                rate += problem.weights.away;
            }
            cost += rate * container.rho * n as i64;
        }
        for (level, data) in problem.levels.iter().enumerate() {
            self.now.clear();
            self.now.resize(data.groups.len(), 0);
            for (cell, &n) in cells.iter().zip(threads) {
                self.now[cell.group[level]] += n as i64;
            }
            let used = self.now.iter().filter(|n| **n > 0).count() as i64;
            cost += data.spread * container.load * (used - 1);
            let both = self.before[level].iter().zip(&self.now);
            let lost: i64 = both.map(|(before, now)| (before - now).max(0)).sum();
            cost += data.movement * lost;
        }
        cost
    }
}

/// The greatest common divisor of what a cost is made of.
pub(super) fn grid(problem: &Problem) -> i64 {
    let weights = &problem.weights;
    let mut divisor = gcd(0, weights.movement.thread);
    for level in &problem.levels {
        for part in [level.balance, level.movement] {
            divisor = gcd(divisor, part);
        }
    }
    for container in &problem.containers {
        for level in &problem.levels {
            divisor = gcd(divisor, level.spread * container.load);
        }
        for rate in [weights.smt_busy, weights.smt_foreign, weights.away] {
            divisor = gcd(divisor, rate * container.rho);
        }
        for thread in problem.threads.iter() {
            divisor = gcd(divisor, thread.slow * container.rho);
        }
    }
    divisor.max(1)
}

fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
