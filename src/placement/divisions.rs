//! Divisions: how a container's request may be spread over the cells, and what
//! that costs whoever else is there (see [`super::lagrange`] for the terms).

use super::cells::Cell;
use super::problem::{NUMA, Problem};

/// A division of a container between the cells.
#[derive(Clone, Debug)]
pub(super) struct Division {
    /// n, by cell.
    pub(super) threads: Vec<usize>,
    /// What it costs whoever else is there.
    pub(super) own: i64,
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
) -> Option<Vec<Division>> {
    let request = problem.containers[k].request;
    let mut found: Vec<Vec<usize>> = vec![Vec::new()];
    for (h, cell) in cells.iter().enumerate() {
        let after: usize = cells[h + 1..].iter().map(Cell::threads).sum();
        let mut longer = Vec::new();
        for given in &found {
            let open = request - given.iter().sum::<usize>();
            for n in open.saturating_sub(after)..=open.min(cell.threads()) {
                let mut next = given.clone();
                next.push(n);
                longer.push(next);
            }
            if longer.len() > *left {
                return None;
            }
        }
        found = longer;
    }
    *left -= found.len();
    let price = |threads: Vec<usize>| Division {
        own: own_cost(problem, cells, k, &threads),
        threads,
    };
    Some(found.into_iter().map(price).collect())
}

fn own_cost(problem: &Problem, cells: &[Cell], k: usize, threads: &[usize]) -> i64 {
    let container = &problem.containers[k];
    let mut cost = 0;
    for (cell, &n) in cells.iter().zip(threads) {
        let mut rate = cell.slow;
        if container.away[cell.group[NUMA]] {
            rate += problem.weights.away;
        }
        cost += rate * container.rho * n as i64;
    }
    for (level, data) in problem.levels.iter().enumerate() {
        let mut now = vec![0i64; data.groups.len()];
        for (cell, &n) in cells.iter().zip(threads) {
            now[cell.group[level]] += n as i64;
        }
        let used = now.iter().filter(|n| **n > 0).count() as i64;
        cost += data.spread * container.load * (used - 1);
        for &thread in container.previous() {
            now[problem.threads[thread].group[level]] -= 1;
        }
        let lost: i64 = now.iter().map(|n| (-n).max(0)).sum();
        cost += data.movement * lost;
    }
    cost
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
