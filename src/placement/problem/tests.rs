use std::collections::BTreeMap;

use super::*;
use crate::placement::types::Kind;
use crate::placement::types::System;
use crate::topology::{Cpu, Topology};

fn cpu(id: u32, core: u32, l3: u32, numa: u32) -> Cpu {
    Cpu {
        id: CpuId(id),
        core: Some(core),
        l3: Some(l3),
        numa: Some(numa),
        socket: Some(0),
        online: true,
        perf: 1000,
        isolated: false,
        nohz_full: false,
    }
}

fn spec(id: &str, cpus: u32, use_p95: f64) -> ContainerSpec {
    ContainerSpec {
        id: id.to_owned(),
        cpus,
        predicted_p95: use_p95,
        rho_mcpu: None,
        kind: Kind::Static,
        previous: None,
        home: None,
        request_mcpu: None,
        priority: 0,
        labels: BTreeMap::new(),
        overrun: None,
        exclusive: false,
    }
}

/// Two cores of two threads, each its own L3, on one node.
fn instance() -> Instance {
    Instance {
        weights: Weights::default(),
        topology: Topology::new(vec![
            cpu(0, 10, 5, 0),
            cpu(2, 10, 5, 0),
            cpu(1, 11, 6, 0),
            cpu(3, 11, 6, 0),
        ]),
        containers: vec![spec("a", 2, 1.0), spec("b", 1, 0.25)],
        constraints: Vec::new(),
        system: System::default(),
        lending: crate::placement::Lending::default(),
    }
}

#[test]
fn labels_become_indices_in_cpu_order() {
    let problem = Problem::new(&instance(), &CpuSet::new()).unwrap();
    assert_eq!(*problem.cores, [vec![0, 2], vec![1, 3]]);
    assert_eq!(problem.levels[L3].groups[1].label, Some(6));
    assert_eq!(*problem.levels[L3].groups[1].threads, [1, 3]);
    // One node: nothing is charged there.
    assert_eq!(problem.levels[NUMA].spread, 0);
    assert_eq!(problem.levels[NUMA].balance, 0);
    assert_eq!(problem.levels[NUMA].movement, 0);
    assert_eq!(problem.levels[L3].spread, 60);
    // 2 x 500 + 1 x 250 = 1250, half of it each.
    assert_eq!(problem.levels[L3].groups[0].share, 625);
}

#[test]
fn equal_partitions_charge_spread_at_numa_and_balance_at_l3() {
    let mut instance = instance();
    for cpu in &mut instance.topology.cpus {
        cpu.numa = cpu.core;
    }
    let problem = Problem::new(&instance, &CpuSet::new()).unwrap();
    let [l3, numa] = &problem.levels;
    assert_eq!((l3.spread, l3.balance, l3.movement), (0, 100, 0));
    assert_eq!(
        (numa.spread, numa.balance, numa.movement),
        (600, 0, 150_000)
    );
}

#[test]
fn threads_that_are_not_offered_count_nowhere() {
    let mut instance = instance();
    instance.topology.cpus[2].online = false;
    instance.containers[0].cpus = 1;
    instance.containers[0].previous = Some(vec![CpuId(2), CpuId(3), CpuId(1), CpuId(99)]);
    let unavailable = CpuSet::parse_list("3").unwrap();
    let problem = Problem::new(&instance, &unavailable).unwrap();
    assert_eq!(problem.threads.len(), 2);
    assert_eq!(problem.containers[0].previous(), [1]);
    // a: 1 x 1000, b: 1 x 250; one of two threads each.
    assert_eq!(problem.levels[L3].groups[0].share, 625);
}

#[test]
fn rho_is_rounded_half_to_even_and_clamped() {
    let of = |cpus, used| rho(&spec("a", cpus, used)).unwrap();
    assert_eq!(of(1, 0.5), 500);
    assert_eq!(of(8, 6.08), 760);
    assert_eq!(of(2, 0.245), 122); // 122.5: to even
    assert_eq!(of(2, 0.247), 124); // 123.5: to even
    assert_eq!(of(1, 0.0), 50);
    assert_eq!(of(1, 7.0), 1000);
    let mut given = spec("a", 1, f64::NAN);
    given.rho_mcpu = Some(7);
    assert_eq!(rho(&given).unwrap(), 7);
    assert!(rho(&spec("a", 1, f64::NAN)).is_err());
    assert!(rho(&spec("a", 1, -0.5)).is_err());
}

#[test]
fn a_home_without_label_on_the_host_makes_every_labelled_node_away() {
    let mut instance = instance();
    instance.containers[0].home = Some(0);
    instance.containers[1].home = Some(9);
    let problem = Problem::new(&instance, &CpuSet::new()).unwrap();
    assert_eq!(problem.containers[0].away, [false]);
    assert_eq!(problem.containers[1].away, [true]);
    for cpu in &mut instance.topology.cpus {
        cpu.numa = None;
    }
    let problem = Problem::new(&instance, &CpuSet::new()).unwrap();
    assert_eq!(problem.containers[1].away, [false]);
}

#[test]
fn bad_input_is_named() {
    let error = |change: fn(&mut Instance)| {
        let mut instance = instance();
        change(&mut instance);
        Problem::new(&instance, &CpuSet::new())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        error(|i| i.containers[0].cpus = 4),
        "the containers request 5 CPUs, 4 are offered; the host is over-full"
    );
    assert_eq!(
        error(|i| i.containers[1].cpus = 0),
        "container 'b' requests 0 CPUs; expected at least 1"
    );
    assert_eq!(
        error(|i| i.containers[1].id = "a".to_owned()),
        "container 'a' is listed twice; give each its own id"
    );
    assert_eq!(
        error(|i| i.topology.cpus[1].id = CpuId(0)),
        "cpu 0 is listed twice; list each CPU once"
    );
    assert_eq!(
        error(|i| i.topology.cpus[0].perf = 1001),
        "cpu 0: perf 1001 is above 1000 (per mille of the fastest kind)"
    );
    assert_eq!(
        error(|i| i.weights.spread.numa = -1),
        "weight spread.numa is -1; expected 0 to 1000000000"
    );
    assert_eq!(
        error(|i| i.containers[0].rho_mcpu = Some(-3)),
        "container 'a': rho_mcpu is -3; expected a number of at least 0"
    );
    assert!(error(|i| i.containers[0].rho_mcpu = Some(i64::MAX)).contains("too large"));
    assert!(error(|i| i.containers[0].rho_mcpu = Some(i64::MAX / 4)).contains("too large"));
}

#[test]
fn completeness_counts_every_thread() {
    let problem = Problem::new(&instance(), &CpuSet::new()).unwrap();
    assert!(problem.is_complete(&[Some(0), None, Some(0), Some(1)]));
    assert!(!problem.is_complete(&[Some(0), None, Some(1), Some(1)]));
    assert!(!problem.is_complete(&[Some(0), None, None, Some(1)]));
    assert!(!problem.is_complete(&[Some(0), Some(2), Some(0), Some(1)]));
    assert!(!problem.is_complete(&[Some(0), Some(0), Some(1)]));
    let placement = problem.placement(&[Some(0), None, Some(0), Some(1)]);
    assert_eq!(placement["a"].to_string(), "0,2");
    assert_eq!(placement["b"].to_string(), "3");
}
