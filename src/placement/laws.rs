//! A law of the default weights, on random hosts: no plan moves a running
//! container across NUMA nodes only to balance load.
//!
//! Why it holds: a thread that changes nodes takes at most rho <= 1000 from the
//! loads above their even shares, worth (100 + 50) rho <= 150,000 micro-CPU, and
//! pays 150,000 for the node and 5,000 for the thread. So a plan that crosses
//! nodes pays less than the old placement for something else.

use std::time::Duration;

use super::cost::placement_cost;
use super::place::place;
use super::random::Random;
use super::testing::{host, topology};
use super::types::{Answer, ContainerSpec, CostParts, Instance, Placement, SolveSettings, Status};
use crate::cpuset::{CpuId, CpuSet};

/// Random hosts.
const HOSTS: u64 = 200;
/// Work for each.
const WORK: u64 = 20_000;

/// A host of two nodes on which everybody runs already, each on one
/// node as far as that has room.
fn running(random: &mut Random) -> Instance {
    let mut small = |n: usize| u32::try_from(1 + random.below(n)).unwrap();
    let topology = topology(2, small(2), small(3), small(2));
    let nodes = usize::try_from(topology.cpus.iter().filter_map(|c| c.numa).max().unwrap() + 1);
    let mut free: Vec<Vec<CpuId>> = vec![Vec::new(); nodes.unwrap()];
    let mut by_core: Vec<_> = topology.cpus.iter().collect();
    by_core.sort_by_key(|cpu| (cpu.core, cpu.id));
    for cpu in by_core {
        free[cpu.numa.unwrap() as usize].push(cpu.id);
    }
    let mut containers = Vec::new();
    for k in 0..2 + random.below(5) {
        let node = random.below(free.len());
        let request = (1 + random.below(4)).min(free[node].len());
        if request == 0 {
            continue;
        }
        let previous: Vec<CpuId> = free[node].drain(..request).collect();
        let rho = i64::try_from(1000 - random.below(300) * random.below(4)).unwrap();
        containers.push(ContainerSpec {
            rho_mcpu: Some(rho),
            previous: Some(previous),
            ..ContainerSpec::new(format!("c{k}"), u32::try_from(request).unwrap(), 0.0)
        });
    }
    host(topology, containers)
}

fn planned(instance: &Instance) -> Answer {
    let settings = SolveSettings {
        budget: None,
        work_limit: Some(WORK),
        ..SolveSettings::default()
    };
    let placed = place(instance, &CpuSet::new(), &settings, &|| Duration::ZERO);
    placed.unwrap().answer
}

/// Whether any container has more threads of a node than before.
fn crosses(instance: &Instance, before: &Placement, after: &Placement) -> bool {
    let nodes = instance.topology.cpus.iter().filter_map(|cpu| cpu.numa);
    let most = nodes.max().unwrap_or(0);
    before.iter().any(|(id, before)| {
        (0..=most).any(|node| {
            let of_node = instance
                .topology
                .cpus
                .iter()
                .filter(|c| c.numa == Some(node));
            let of_node: CpuSet = of_node.map(|cpu| cpu.id).collect();
            let inside = |set: &CpuSet| set.intersection(&of_node).len();
            inside(&after[id]) > inside(before)
        })
    })
}

/// What is paid for anything but balance and movement.
fn rest(parts: &CostParts) -> i64 {
    parts.total() - parts.balance - parts.movement
}

#[test]
fn nobody_changes_nodes_only_for_balance() {
    let (mut proved, mut crossed, mut tempted) = (0, 0, 0);
    for seed in 0..HOSTS {
        let mut instance = running(&mut Random(90_000 + seed));
        let before: Placement = instance
            .containers
            .iter()
            .map(|c| (c.id.clone(), c.previous.iter().flatten().copied().collect()))
            .collect();
        let kept = placement_cost(&instance, &before).unwrap();
        let plan = planned(&instance);
        if plan.status != Status::Optimal {
            continue;
        }
        proved += 1;
        if crosses(&instance, &before, &plan.placement) {
            crossed += 1;
            assert!(
                rest(&plan.cost_parts) < rest(&kept),
                "seed {seed}: {:?} after {kept:?}",
                plan.cost_parts
            );
        }
        // The test means something where a move that costs nothing would pay.
        instance.weights.movement.numa = 0;
        let free = planned(&instance);
        let crosses = crosses(&instance, &before, &free.placement);
        tempted += u32::from(crosses && rest(&free.cost_parts) >= rest(&kept));
    }
    assert!(proved >= HOSTS / 2, "{proved} of {HOSTS} proved");
    assert!(
        crossed >= 10 && tempted >= 10,
        "{crossed} cross nodes, {tempted} would for balance"
    );
}
