//! A lower bound on the cost without solving: what no placement avoids.
//!
//! - *Sharing.* With a threads alone on a core of their own (on the narrowest
//!   cores, at best), the other R - a fit on the rest only up to its threads.
//!   So at least D = R - max a threads have a busy sibling, at best those that
//!   are used least: A_busy times the D smallest rho.
//! - *Spread.* A container needs at least the fewest groups that hold r_k.
//! - *Slow cores.* The R fastest threads, the busiest container on the fastest.
//! - *Home.* A container has r_k - (threads at home) away, at least.
//!
//! Each term is the least of one part of the cost, so they add up.

use super::problem::Problem;

/// The bound, micro-CPU.
#[must_use]
pub(super) fn lower_bound(problem: &Problem) -> i64 {
    sharing(problem) + spread(problem) + slow(problem) + away(problem)
}

/// rho of each requested thread, ascending.
pub(super) fn uses(problem: &Problem) -> Vec<i64> {
    let mut uses: Vec<i64> = problem
        .containers
        .iter()
        .flat_map(|k| std::iter::repeat_n(k.rho, k.request))
        .collect();
    uses.sort_unstable();
    uses
}

fn sharing(problem: &Problem) -> i64 {
    let uses = uses(problem);
    let mut widths: Vec<usize> = problem.cores.iter().map(Vec::len).collect();
    widths.sort_unstable();
    // Cores from the narrowest on hold one thread each while the rest fits.
    let mut room: usize = widths.iter().sum();
    let mut alone = 0;
    for width in widths {
        room -= width;
        if alone == uses.len() || alone + 1 + room < uses.len() {
            break;
        }
        alone += 1;
    }
    let doubled = uses.len() - alone;
    problem.weights.smt_busy * uses[..doubled].iter().sum::<i64>()
}

fn spread(problem: &Problem) -> i64 {
    let mut total = 0;
    for level in problem.levels.iter().filter(|level| level.spread > 0) {
        let mut sizes: Vec<usize> = level.groups.iter().map(|g| g.threads.len()).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        for container in &problem.containers {
            let fewest = fewest(&sizes, container.request) as i64;
            total += level.spread * container.load * (fewest - 1).max(0);
        }
    }
    total
}

/// How many of the largest `sizes` (descending) hold `request`.
pub(super) fn fewest(sizes: &[usize], request: usize) -> usize {
    let mut held = 0;
    sizes
        .iter()
        .take_while(|&&size| {
            let more = held < request;
            held += size;
            more
        })
        .count()
}

fn slow(problem: &Problem) -> i64 {
    let mut slow: Vec<i64> = problem.threads.iter().map(|t| t.slow).collect();
    slow.sort_unstable();
    let uses = uses(problem);
    // The rearrangement inequality: largest use times smallest charge.
    uses.iter().rev().zip(&slow).map(|(u, s)| u * s).sum()
}

fn away(problem: &Problem) -> i64 {
    let groups = &problem.levels[super::problem::NUMA].groups;
    let forced = |container: &super::problem::Container| {
        let home: usize = groups
            .iter()
            .zip(&container.away)
            .filter(|(_, away)| !**away)
            .map(|(group, _)| group.threads.len())
            .sum();
        problem.weights.away * container.rho * container.request.saturating_sub(home) as i64
    };
    problem.containers.iter().map(forced).sum()
}
