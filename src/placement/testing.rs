//! Small hosts for tests.

use super::rules::{Constraint, RuleKind, RuleLevel};
use super::types::{ContainerSpec, Instance, Weights};
use crate::cpuset::CpuId;
use crate::placement::types::System;
use crate::topology::{Cpu, Topology};

/// A host of `sockets` x `l3s` x `cores` x `smt`, every socket one NUMA node;
/// CPU numbers as on most x86 hosts: all first threads, then all second ones.
pub(crate) fn topology(sockets: u32, l3s: u32, cores: u32, smt: u32) -> Topology {
    let mut cpus = Vec::new();
    for thread in 0..smt {
        for core in 0..sockets * l3s * cores {
            let l3 = core / cores;
            cpus.push(Cpu {
                id: CpuId(thread * sockets * l3s * cores + core),
                core: Some(core),
                l3: Some(l3),
                numa: Some(l3 / l3s),
                socket: Some(l3 / l3s),
                online: true,
                perf: 1000,
                isolated: false,
                nohz_full: false,
            });
        }
    }
    Topology::new(cpus)
}

/// A static newcomer.
pub(crate) fn container(id: &str, cpus: u32, p95: f64) -> ContainerSpec {
    ContainerSpec::new(id, cpus, p95)
}

/// A host with the default weights and nothing else that is special.
pub(crate) fn host(topology: Topology, containers: Vec<ContainerSpec>) -> Instance {
    Instance {
        weights: Weights::default(),
        topology,
        containers,
        constraints: Vec::new(),
        system: System::default(),
        lending: crate::placement::Lending::default(),
    }
}

/// `threads` CPUs without SMT in one L3.
pub(crate) fn flat_host(threads: u32, containers: Vec<ContainerSpec>) -> Instance {
    host(topology(1, 1, threads, 1), containers)
}

pub(super) fn rule(kind: RuleKind, containers: &str) -> Constraint {
    Constraint {
        kind,
        containers: containers.into(),
        others: None,
        level: None,
        cores: None,
        node: None,
        priority: 0,
    }
}

pub(super) fn apart(containers: &str, others: Option<&str>, level: RuleLevel) -> Constraint {
    Constraint {
        others: others.map(Into::into),
        level: Some(level),
        ..rule(RuleKind::AntiAffinity, containers)
    }
}

pub(super) fn together(containers: &str, level: RuleLevel) -> Constraint {
    Constraint {
        level: Some(level),
        ..rule(RuleKind::CoTenancy, containers)
    }
}

pub(super) fn pin(containers: &str, node: u32) -> Constraint {
    Constraint {
        node: Some(node),
        ..rule(RuleKind::NumaPin, containers)
    }
}

pub(super) fn socket_cores(containers: &str, cores: u32) -> Constraint {
    Constraint {
        cores: Some(cores),
        ..rule(RuleKind::MaxCoresPerSocket, containers)
    }
}
