//! The cost of an assignment, exact, in micro-CPU.
//!
//! With owner o(t) of thread t (or nobody), n_gk the threads of k in group g:
//!
//! ```text
//! smt      A_busy rho_o(t)     for each t with a busy sibling hyper-thread
//!        + A_foreign rho_o(t)  for each t with a sibling that another runs on
//! spread   S_level p_k (groups that k is in - 1)
//! balance  B_level max(0, sum_k rho_k n_gk - tau_g)
//! move     M_thread |P_k without k's threads| + M_level max(0, P_gk - n_gk)
//!        + system(t) rho_o(t)  what the host's own work takes of t, see below
//! slow     slow(t) rho_o(t)
//! away     A_away rho_o(t)     for each t on a node that is not o(t)'s home
//! ```
//!
//! The host's own work, where it is counted with a usage u, takes u of its own
//! threads and is a foreign busy sibling for a part u of the time.
//!
//! Rho is in milli-CPU and the weights are per mille, so products are
//! micro-CPU. On cores of more than two threads busy and foreign are charged
//! once each, however many siblings there are.

use super::problem::ProblemError;
use super::problem::{NUMA, Owners, Problem};
use super::types::{CostParts, Instance, Placement};
use crate::cpuset::{CpuId, CpuSet};

/// The cost of `owners` by cause.
///
/// A container may own fewer threads than it requests (the cost of a partial
/// assignment); its spread is then over what it owns.
///
/// # Panics
/// If `owners` is not one entry a thread, or names a container that is not there.
#[must_use]
pub fn cost(problem: &Problem, owners: &Owners) -> CostParts {
    assert_eq!(owners.len(), problem.threads.len(), "one owner a thread");
    let mut parts = CostParts {
        smt: problem.cores.iter().map(|c| smt(problem, owners, c)).sum(),
        movement: problem.weights.movement.thread * i64::from(moved_threads(problem, owners)),
        ..CostParts::default()
    };
    for (thread, owner) in problem.threads.iter().zip(owners) {
        if let Some(k) = owner {
            let container = &problem.containers[*k as usize];
            parts.slow += (thread.slow - thread.system) * container.rho;
            parts.smt += thread.system * container.rho;
            if container.away[thread.group[NUMA]] {
                parts.away += problem.weights.away * container.rho;
            }
        }
    }
    for (level, data) in problem.levels.iter().enumerate() {
        let groups = data.groups.len();
        let mut now = vec![0i64; groups * problem.containers.len()];
        let mut load = vec![0i64; groups];
        for (thread, owner) in problem.threads.iter().zip(owners) {
            if let Some(k) = owner {
                let (k, group) = (*k as usize, thread.group[level]);
                now[k * groups + group] += 1;
                load[group] += problem.containers[k].rho;
            }
        }
        for (group, load) in data.groups.iter().zip(&load) {
            parts.balance += data.balance * (load - group.share).max(0);
        }
        for (container, now) in problem.containers.iter().zip(now.chunks(groups.max(1))) {
            let used: i64 = now.iter().map(|&n| i64::from(n > 0)).sum();
            parts.spread += data.spread * container.load * (used - 1).max(0);
            let mut left: Vec<i64> = now.iter().map(|n| -n).collect();
            for &thread in container.previous() {
                left[problem.threads[thread].group[level]] += 1;
            }
            parts.movement += data.movement * left.iter().map(|l| (*l).max(0)).sum::<i64>();
        }
    }
    parts
}

/// The cost with what broken rules add in a search (see [`super::rules`]).
#[must_use]
pub(super) fn priced(problem: &Problem, owners: &Owners) -> i64 {
    let broken = problem.rules.broken(problem, owners);
    cost(problem, owners).total() + problem.rules.price.saturating_mul(broken)
}

/// SMT cost of one core.
fn smt(problem: &Problem, owners: &Owners, core: &[usize]) -> i64 {
    let weights = &problem.weights;
    let mut total = 0;
    for (place, &thread) in core.iter().enumerate() {
        let Some(k) = owners[thread] else { continue };
        let mut others = core
            .iter()
            .enumerate()
            .filter(|&(other, _)| other != place)
            .filter_map(|(_, &sibling)| owners[sibling])
            .peekable();
        if others.peek().is_some() {
            let foreign = others.any(|other| other != k);
            let rate = weights.smt_busy + if foreign { weights.smt_foreign } else { 0 };
            total += rate * problem.containers[k as usize].rho;
        }
    }
    total
}

/// Threads of previous base sets that their containers no longer own.
#[must_use]
pub fn moved_threads(problem: &Problem, owners: &Owners) -> u32 {
    let mut moved = 0;
    for (k, container) in (0u32..).zip(&problem.containers) {
        for &thread in container.previous() {
            moved += u32::from(owners[thread] != Some(k));
        }
    }
    moved
}

#[cfg(test)]
mod tests;

/// What a placement of an instance costs, by part. Every container of the
/// instance has its threads in it; no CPU is unavailable.
///
/// # Errors
/// If the instance makes no sense.
pub fn placement_cost(
    instance: &Instance,
    placement: &Placement,
) -> Result<CostParts, ProblemError> {
    let problem = Problem::new(instance, &CpuSet::new())?;
    let owner = |cpu: CpuId| {
        let mut owners = problem.containers.iter().zip(0u32..);
        owners
            .find(|(c, _)| placement.get(&c.id).is_some_and(|set| set.contains(cpu)))
            .map(|(_, k)| k)
    };
    let owners: Vec<Option<u32>> = problem.threads.iter().map(|t| owner(t.cpu)).collect();
    Ok(cost(&problem, &owners))
}
