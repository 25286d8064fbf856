//! One form for every instance: containers ascending by id, the pooled ones
//! merged into one pseudo-container, previous base sets that overlap nowhere.
//!
//! Everything behind this file sees only that form, so the order in which a
//! host lists its containers cannot change a plan.
//!
//! The pool requests ceil(max(sum of known requests, sum of predicted P95))
//! threads, at least the reserve (1). Sums are over whole micro-CPU, so that 0.1 + 0.2 + 0.7
//! needs one thread, not two. Its rho follows from these two like any other's.

use super::overfull::giving_up_order;
use super::types::{Answer, ContainerSpec, Instance, Kind, Placement};
use crate::cpuset::{CpuId, CpuSet};

/// Id of the pseudo-container that stands for all pooled ones.
pub const POOL: &str = "@pool";

/// The instance in the one form described above.
#[must_use]
pub(super) fn normalise(instance: &Instance) -> Instance {
    let mut containers: Vec<ContainerSpec> = instance.containers.clone();
    containers.sort_by(|a, b| a.id.cmp(&b.id));
    let reserve = instance.lending.reserve;
    let (pooled, mut containers): (Vec<_>, Vec<_>) =
        containers.into_iter().partition(|c| c.kind == Kind::Pooled);
    containers.extend(merge(&pooled, reserve));
    containers.sort_by(|a, b| a.id.cmp(&b.id));
    part_previous(&mut containers);
    Instance {
        weights: instance.weights,
        topology: instance.topology.clone(),
        containers,
        constraints: instance.constraints.clone(),
        system: instance.system.clone(),
        lending: instance.lending.clone(),
    }
}

/// The pseudo-container of `pooled`, at least `reserve` threads; none without
/// members.
fn merge(pooled: &[ContainerSpec], reserve: u32) -> Option<ContainerSpec> {
    let first = pooled.first()?;
    let requested: u64 = pooled.iter().map(request_micro).sum();
    let used: u64 = pooled.iter().map(|c| micro(c.predicted_p95)).sum();
    let threads = requested.max(used).div_ceil(1_000_000);
    let threads = threads.max(u64::from(reserve.max(1)));
    // A member that joined since the last round has no set of its own yet.
    let mut sets = pooled.iter().filter_map(|c| c.previous.as_ref());
    let previous = sets.next().map(|cpus| set(cpus));
    let agreed = previous.filter(|p| sets.all(|cpus| set(cpus) == *p));
    #[expect(
        clippy::cast_precision_loss,
        reason = "CPUs in use: far below 2^53 micro-CPU"
    )]
    let predicted_p95 = used as f64 / 1e6;
    Some(ContainerSpec {
        id: POOL.to_owned(),
        cpus: u32::try_from(threads).unwrap_or(u32::MAX),
        predicted_p95,
        rho_mcpu: None,
        kind: Kind::Pooled,
        previous: agreed.map(|p| p.iter().collect()),
        home: first
            .home
            .filter(|_| pooled.iter().all(|c| c.home == first.home)),
        request_mcpu: None,
        priority: pooled.iter().map(|c| c.priority).max().unwrap_or(0),
        labels: std::collections::BTreeMap::new(),
        overrun: None,
        exclusive: pooled.iter().any(|c| c.exclusive),
    })
}

/// What a pooled container asks for, micro-CPU; 0 where that is unknown.
fn request_micro(container: &ContainerSpec) -> u64 {
    container.request_mcpu.map_or_else(
        || u64::from(container.cpus) * 1_000_000,
        |milli| u64::from(milli) * 1000,
    )
}

/// CPUs as whole micro-CPU; what is negative or no number counts as 0 here
/// (a checked instance has none).
pub(super) fn micro(cpus: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates, and 0 is what a NaN should count as"
    )]
    let micro = (cpus * 1e6).round_ties_even() as u64;
    micro
}

fn set(cpus: &[CpuId]) -> CpuSet {
    cpus.iter().copied().collect()
}

/// After a round on an over-full host, previous sets overlap. A contested CPU
/// then counts as the previous one of the container that gives up its
/// exclusivity last; the others have lost it already.
fn part_previous(containers: &mut [ContainerSpec]) {
    let mut taken = CpuSet::new();
    for index in giving_up_order(containers).into_iter().rev() {
        if let Some(previous) = &mut containers[index].previous {
            let own = set(previous).difference(&taken);
            taken.extend(own.iter());
            *previous = own.iter().collect();
        }
    }
}

/// What is written for each real container: its base threads and those lent to
/// it; a pooled one gets those of the pool.
#[must_use]
pub fn cpusets(instance: &Instance, answer: &Answer) -> Placement {
    let of = |id: &str| {
        let base = answer.placement.get(id).cloned().unwrap_or_default();
        answer.lent.get(id).map_or(base.clone(), |l| base.union(l))
    };
    instance
        .containers
        .iter()
        .map(|c| {
            let placed = if c.kind == Kind::Pooled { POOL } else { &c.id };
            (c.id.clone(), of(placed))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::testing::{container, flat_host};

    fn pooled(id: &str, p95: f64) -> ContainerSpec {
        ContainerSpec {
            kind: Kind::Pooled,
            cpus: 0,
            ..container(id, 0, p95)
        }
    }

    fn pool_of(containers: Vec<ContainerSpec>) -> ContainerSpec {
        let instance = normalise(&flat_host(4, containers));
        instance
            .containers
            .into_iter()
            .find(|c| c.id == POOL)
            .expect("a pool")
    }

    #[test]
    fn the_larger_of_both_sums_is_rounded_up_once() {
        // 0.1 + 0.2 + 0.7 = 1, although not in binary floating point.
        let pool = pool_of(vec![pooled("a", 0.1), pooled("b", 0.2), pooled("c", 0.7)]);
        assert_eq!(pool.cpus, 1);
        // Requests 0.5 + 0.75 = 1.25 exceed the use of 0.3: 2 threads.
        let asks = |id, milli, p95| ContainerSpec {
            request_mcpu: Some(milli),
            ..pooled(id, p95)
        };
        let pool = pool_of(vec![asks("a", 500, 0.1), asks("b", 750, 0.2)]);
        assert_eq!(pool.cpus, 2);
        assert!((pool.predicted_p95 - 0.3).abs() < 1e-9);
        // Idle ones still need a thread to run on.
        assert_eq!(pool_of(vec![pooled("a", 0.0)]).cpus, 1);
        // Whole CPUs count where nothing finer is given: 3 + 0.2 -> 4.
        let whole = ContainerSpec {
            cpus: 3,
            ..pooled("w", 0.0)
        };
        assert_eq!(pool_of(vec![whole, asks("b", 200, 0.0)]).cpus, 4);
    }

    #[test]
    fn the_pool_was_where_its_members_agree() {
        let at = |id, cpus: Option<&[u32]>| ContainerSpec {
            previous: cpus.map(|c| c.iter().map(|&i| CpuId(i)).collect()),
            ..pooled(id, 0.5)
        };
        let agreed = pool_of(vec![
            at("a", Some(&[1, 2])),
            at("b", None),
            at("c", Some(&[2, 1])),
        ]);
        assert_eq!(agreed.previous, Some(vec![CpuId(1), CpuId(2)]));
        let split = pool_of(vec![at("a", Some(&[1])), at("c", Some(&[2]))]);
        assert_eq!(split.previous, None);
    }

    #[test]
    fn a_contested_cpu_stays_with_the_stronger_container() {
        let at = |id, priority, cpus: &[u32]| ContainerSpec {
            priority,
            previous: Some(cpus.iter().map(|&i| CpuId(i)).collect()),
            ..container(id, 2, 1.0)
        };
        let instance = normalise(&flat_host(
            4,
            vec![at("a", 0, &[0, 1]), at("b", 1, &[1, 2])],
        ));
        assert_eq!(instance.containers[0].previous, Some(vec![CpuId(0)]));
        assert_eq!(
            instance.containers[1].previous,
            Some(vec![CpuId(1), CpuId(2)])
        );
    }
}
