use super::*;
use crate::cpuset::{CpuId, CpuSet};
use crate::placement::types::System;
use crate::placement::types::{ContainerSpec, Instance, Kind, Weights};
use crate::topology::{Cpu, Topology};

/// `cores` cores of `smt` threads; thread ids core by core; L3 and node of a
/// core as given.
fn host(smt: u32, cores: &[(u32, u32, u32)]) -> Topology {
    let mut cpus = Vec::new();
    for (core, &(l3, numa, perf)) in (0u32..).zip(cores) {
        for thread in 0..smt {
            cpus.push(Cpu {
                id: CpuId(core * smt + thread),
                core: Some(core),
                l3: Some(l3),
                numa: Some(numa),
                socket: Some(0),
                online: true,
                perf,
                isolated: false,
                nohz_full: false,
            });
        }
    }
    Topology::new(cpus)
}

fn container(id: &str, cpus: u32, rho: i64, previous: Option<&[u32]>) -> ContainerSpec {
    ContainerSpec {
        id: id.to_owned(),
        cpus,
        predicted_p95: 0.0,
        rho_mcpu: Some(rho),
        kind: Kind::Static,
        previous: previous.map(|ids| ids.iter().map(|&id| CpuId(id)).collect()),
        home: None,
        request_mcpu: None,
        priority: 0,
        labels: std::collections::BTreeMap::new(),
        overrun: None,
        exclusive: false,
    }
}

fn problem(topology: Topology, containers: Vec<ContainerSpec>) -> Problem {
    let instance = Instance {
        weights: Weights::default(),
        topology,
        containers,
        constraints: Vec::new(),
        system: System::default(),
        lending: crate::placement::Lending::default(),
    };
    Problem::new(&instance, &CpuSet::new()).unwrap()
}

const A: Option<u32> = Some(0);
const B: Option<u32> = Some(1);
const C: Option<u32> = Some(2);
const N: Option<u32> = None;

#[test]
fn sibling_costs() {
    let topology = host(2, &[(0, 0, 1000), (0, 0, 1000), (0, 0, 1000)]);
    let p = problem(
        topology,
        vec![container("a", 2, 500, None), container("b", 1, 100, None)],
    );
    // Each alone on its core.
    assert_eq!(cost(&p, &[A, N, A, N, B, N]).total(), 0);
    // a beside itself: 2 x 200 x 500.
    assert_eq!(cost(&p, &[A, A, N, N, B, N]).smt, 200_000);
    // a beside b: 300 x 500 + 300 x 100; the other a is alone.
    assert_eq!(cost(&p, &[A, B, A, N, N, N]).smt, 180_000);
}

#[test]
fn wide_cores_charge_each_thread_once() {
    let p = problem(
        host(4, &[(0, 0, 1000)]),
        vec![
            container("a", 2, 500, None),
            container("b", 1, 100, None),
            container("c", 1, 10, None),
        ],
    );
    // Everybody has a foreign sibling: 300 x (2 x 500 + 100 + 10).
    assert_eq!(cost(&p, &[A, A, B, C]).smt, 333_000);
    // a alone on the core: 2 x 200 x 500.
    assert_eq!(cost(&p, &[A, N, A, N]).smt, 200_000);
}

#[test]
fn level_costs() {
    // Two nodes of one L3 each: spread at NUMA, balance at L3.
    let p = problem(
        host(1, &[(0, 0, 1000), (0, 0, 1000), (1, 1, 1000), (1, 1, 1000)]),
        vec![container("a", 2, 400, None), container("b", 1, 100, None)],
    );
    // Load 900, shares 450. Both of a on one side: 350 above.
    let parts = cost(&p, &[A, A, B, N]);
    assert_eq!((parts.spread, parts.balance), (0, 100 * 350));
    // a spread: 600 x 800; loads 400 and 500.
    let parts = cost(&p, &[A, N, A, B]);
    assert_eq!((parts.spread, parts.balance), (480_000, 100 * 50));
}

#[test]
fn movement_is_charged_per_thread_and_per_group_left() {
    // One L3 over both nodes and a second on node 1: levels do not nest.
    let topology = host(1, &[(0, 0, 1000), (0, 1, 1000), (1, 1, 1000), (1, 1, 1000)]);
    let p = problem(topology, vec![container("a", 2, 100, Some(&[0, 1]))]);
    assert_eq!(cost(&p, &[A, A, N, N]).movement, 0);
    // 0 and 1 -> 1 and 2: one thread, one from L3 0, one from node 0.
    let parts = cost(&p, &[N, A, A, N]);
    assert_eq!(parts.movement, 5_000 + 10_000 + 150_000);
    // Spread: L3 0 and 1 (60 x 200), one node.
    assert_eq!(parts.spread, 12_000);
    // 0 and 1 -> 2 and 3: two threads, two from L3 0, one from node 0.
    let parts = cost(&p, &[N, N, A, A]);
    assert_eq!(parts.movement, 2 * 5_000 + 2 * 10_000 + 150_000);
    assert_eq!(moved_threads(&p, &[N, N, A, A]), 2);
}

#[test]
fn slow_cores_and_home() {
    let mut containers = vec![container("a", 1, 300, None)];
    containers[0].home = Some(1);
    let p = problem(
        host(1, &[(0, 0, 1000), (1, 1, 650), (1, 1, 333)]),
        containers,
    );
    // Away from home: 100 x 300.
    assert_eq!(cost(&p, &[A, N, N]).away, 30_000);
    // floor(1000 x 350 / 1000) = 350; home.
    let parts = cost(&p, &[N, A, N]);
    assert_eq!((parts.slow, parts.away), (350 * 300, 0));
    assert_eq!(cost(&p, &[N, N, A]).slow, 667 * 300);
}

/// The host's own work keeps each thread of core 0 busy 40 % of the time. A
/// container (500 milli-CPU a thread) there loses 400 per mille to it on its
/// thread and 300 x 400 / 1000 = 120 to the sibling: (400 + 120) x 500.
#[test]
fn system_cpus_count_with_their_usage() {
    use crate::placement::testing::{container, topology};
    let mut instance = Instance {
        weights: Weights::default(),
        topology: topology(1, 1, 2, 2),
        containers: vec![container("a", 1, 0.5)],
        constraints: Vec::new(),
        system: System {
            cpus: CpuSet::parse_list("0,2").unwrap(),
            usage_mcpu: Some(400),
        },
        lending: crate::placement::Lending::default(),
    };
    let cost = |instance: &Instance, cpu: u32| {
        let set: CpuSet = [CpuId(cpu)].into_iter().collect();
        placement_cost(instance, &[("a".to_owned(), set)].into()).unwrap()
    };
    assert_eq!(
        (cost(&instance, 0).smt, cost(&instance, 1).smt),
        (260_000, 0)
    );
    assert_eq!(cost(&instance, 0).total(), 260_000);
    assert!(instance.withheld().is_empty());
    // Only the sibling of CPU 2: 120 x 500.
    instance.system.cpus = CpuSet::parse_list("2").unwrap();
    assert_eq!(cost(&instance, 0).total(), 60_000);
    // Without a usage containers never get them.
    instance.system.usage_mcpu = None;
    assert_eq!(cost(&instance, 0).total(), 0);
    assert_eq!(instance.withheld().to_string(), "2");
    instance.topology.cpus[1].isolated = true;
    assert_eq!(instance.withheld().to_string(), "1-2");
}
