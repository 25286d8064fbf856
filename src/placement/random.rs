//! Random small hosts for the tests of this module.

use std::time::Duration;

use super::place::place;
use super::problem::Problem;
use super::rules::{Constraint, RuleKind, RuleLevel};
use super::testing::{apart, pin, rule, socket_cores, together};
use super::types::{
    ContainerSpec, Instance, Kind, LevelWeights, MoveWeights, Placement, SolveSettings, Status,
    Weights,
};
use crate::cpuset::{CpuId, CpuSet};
use crate::placement::types::System;
use crate::topology::{Cpu, Topology};

/// A seeded generator (splitmix64, Steele, Lea and Flood 2014).
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `below` - 1.
    pub(super) fn below(&mut self, below: usize) -> usize {
        usize::try_from(self.next() % below as u64).unwrap()
    }

    /// True in `percent` of 100 draws.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// What a random host may have.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Most threads of a core.
    pub(super) width: u32,
    /// Most online threads of the host.
    pub(super) threads: usize,
    /// Most containers.
    pub(super) containers: usize,
    /// Whether containers may claim the same previous thread.
    pub(super) overlap: bool,
}

fn topology(random: &mut Random, shape: Shape) -> Topology {
    let cores = u32::try_from(2 + random.below(4)).unwrap();
    let width = 1 + u32::try_from(random.below(shape.width as usize)).unwrap();
    let (l3s, nodes) = (1 + random.below(3), 1 + random.below(2));
    let nested = random.chance(50);
    let mixed_width = random.chance(20);
    let hybrid = random.chance(25);
    let mut cpus: Vec<Cpu> = Vec::new();
    for core in 0..cores {
        let l3 = u32::try_from(random.below(l3s)).unwrap();
        let numa = match nested {
            true => l3 % u32::try_from(nodes).unwrap(),
            false => u32::try_from(random.below(nodes)).unwrap(),
        };
        let perf = if hybrid && random.chance(50) {
            650
        } else {
            1000
        };
        let width = if mixed_width && random.chance(50) {
            1
        } else {
            width
        };
        for thread in 0..width {
            cpus.push(Cpu {
                id: CpuId(core + thread * cores),
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
    cpus.sort_by_key(|cpu| cpu.id);
    if random.chance(30) {
        let gone = random.below(cpus.len());
        cpus[gone].online = false;
    }
    while cpus.iter().filter(|cpu| cpu.online).count() > shape.threads {
        let gone = random.below(cpus.len());
        cpus[gone].online = false;
    }
    Topology::new(cpus)
}

fn weights(random: &mut Random) -> Weights {
    if random.chance(40) {
        return Weights::default();
    }
    let mut pick = |values: &[i64]| values[random.below(values.len())];
    Weights {
        smt_busy: pick(&[0, 100, 200, 370]),
        smt_foreign: pick(&[0, 10, 100, 250]),
        slow_core: pick(&[0, 1000]),
        away: pick(&[0, 100]),
        spread: LevelWeights {
            l3: pick(&[0, 60, 200]),
            numa: pick(&[0, 100, 600]),
        },
        balance: LevelWeights {
            l3: pick(&[0, 100, 300]),
            numa: pick(&[0, 50]),
        },
        movement: MoveWeights {
            thread: pick(&[0, 5000, 40_000, 150_000]),
            l3: pick(&[0, 10_000]),
            numa: pick(&[0, 50_000, 150_000]),
        },
    }
}

/// A random instance that fits its host.
pub(super) fn instance(random: &mut Random, shape: Shape) -> Instance {
    let topology = topology(random, shape);
    let mut threads: Vec<CpuId> = topology.cpus.iter().map(|cpu| cpu.id).collect();
    let online = topology.online().len();
    random.shuffle(&mut threads);
    let mut next = threads.clone().into_iter();
    let mut left = online;
    let mut containers = Vec::new();
    for k in 0..1 + random.below(shape.containers) {
        if left == 0 {
            break;
        }
        let request = 1 + random.below(left.min(4));
        left -= request;
        let previous = random.chance(75).then(|| {
            let had = match random.chance(70) {
                true => request,
                false => random.below(4),
            };
            if shape.overlap && random.chance(50) {
                random.shuffle(&mut threads);
                threads[..had.min(threads.len())].to_vec()
            } else {
                next.by_ref().take(had).collect()
            }
        });
        let rho = match random.chance(30) {
            true => 50 + random.below(60),
            false => 50 + random.below(951),
        };
        containers.push(ContainerSpec {
            id: format!("c{k}"),
            cpus: u32::try_from(request).unwrap(),
            predicted_p95: 0.0,
            rho_mcpu: Some(i64::try_from(rho).unwrap()),
            kind: Kind::Static,
            previous,
            request_mcpu: None,
            home: random.chance(20).then(|| u32::from(random.chance(50))),
            priority: 0,
            labels: std::collections::BTreeMap::new(),
            overrun: None,
            exclusive: false,
        });
    }
    Instance {
        weights: weights(random),
        topology,
        containers,
        constraints: Vec::new(),
        system: System::default(),
        lending: crate::placement::Lending::default(),
    }
}

/// A random problem.
pub(super) fn problem(random: &mut Random, shape: Shape) -> Problem {
    Problem::new(&instance(random, shape), &CpuSet::new()).unwrap()
}

/// A random complete assignment.
pub(super) fn assignment(random: &mut Random, problem: &Problem) -> Vec<Option<u32>> {
    let mut owners: Vec<Option<u32>> = (0u32..)
        .zip(&problem.containers)
        .flat_map(|(k, container)| std::iter::repeat_n(Some(k), container.request))
        .collect();
    owners.resize(problem.threads.len(), None);
    random.shuffle(&mut owners);
    owners
}

fn any_topology(random: &mut Random, shape: &mut Vec<String>) -> Topology {
    let sockets = 1 + random.below(4);
    let l3s = 1 + random.below(4);
    let mut width = [1, 2, 2, 4][random.below(4)];
    while sockets * l3s * width > if random.chance(30) { 32 } else { 24 } {
        // The oracle decides few of these.
        width /= 2;
    }
    // At most about 16 threads, where there are not more L3s.
    let most = (16 / (sockets * l3s * width)).clamp(1, 4);
    let cores = 1 + random.below(most);
    let nested = random.chance(75);
    let hybrid = random.chance(25);
    let mut cpus: Vec<Cpu> = Vec::new();
    for core in 0..sockets * l3s * cores {
        let l3 = core / cores;
        let socket = l3 / l3s;
        // Else nodes that cut through L3s.
        let numa = if nested { socket } else { core % 2 };
        let perf = if hybrid && random.chance(40) {
            650
        } else {
            1000
        };
        for thread in 0..width {
            cpus.push(Cpu {
                id: CpuId(small(core + thread * sockets * l3s * cores)),
                core: Some(small(core)),
                l3: Some(small(l3)),
                numa: Some(small(numa)),
                socket: Some(small(socket)),
                online: true,
                perf,
                isolated: false,
                nohz_full: false,
            });
        }
    }
    let offline = if random.chance(30) {
        (1 + random.below(3)).min(cpus.len() - 1)
    } else {
        0
    };
    for _ in 0..offline {
        let gone = random.below(cpus.len());
        cpus[gone].online = false;
    }
    cpus.sort_by_key(|cpu| cpu.id);
    shape.push(format!("sockets {sockets}"));
    shape.push(format!("L3s {:02}", sockets * l3s));
    shape.push(format!("SMT {width}"));
    for (is_so, text) in [
        (!nested, "not nested"),
        (hybrid, "hybrid"),
        (offline > 0, "offline"),
    ] {
        if is_so {
            shape.push(text.to_owned());
        }
    }
    Topology::new(cpus)
}

/// Every kind of rule, by level where it has one.
pub(super) const KINDS: [(RuleKind, Option<RuleLevel>); 8] = [
    (RuleKind::AntiAffinity, Some(RuleLevel::Core)),
    (RuleKind::AntiAffinity, Some(RuleLevel::L3)),
    (RuleKind::AntiAffinity, Some(RuleLevel::Numa)),
    (RuleKind::CoTenancy, Some(RuleLevel::L3)),
    (RuleKind::CoTenancy, Some(RuleLevel::Numa)),
    (RuleKind::MaxCoresPerSocket, None),
    (RuleKind::NumaPin, None),
    (RuleKind::WholeCores, None),
];
/// Work of the plan without rules.
const PLAN_WORK: u64 = 200;
/// Draws of a rule before one is taken that keeps the plan as it is.
const DRAWS: usize = 6;

/// A random rule of a kind.
fn any_rule(
    random: &mut Random,
    (kind, level): (RuleKind, Option<RuleLevel>),
    containers: usize,
) -> Constraint {
    let first = random.below(containers);
    let other = (first + 1 + random.below(containers.max(2) - 1)) % containers.max(2);
    let [one, two] = [first, other].map(|k| format!("c{k}"));
    let pick = random.below(8);
    let (who, others) = match (kind, pick) {
        (RuleKind::AntiAffinity, 0) => ("*".to_owned(), None),
        (RuleKind::AntiAffinity, 1 | 2) => (one, Some("*".to_owned())),
        (RuleKind::AntiAffinity, 4 | 5) if level == Some(RuleLevel::Core) => {
            (one, Some("*".to_owned()))
        }
        (RuleKind::AntiAffinity, 3) => ("label:pair=yes".to_owned(), None),
        (RuleKind::AntiAffinity, _) => (one, Some(two)),
        // Of one container a co-tenancy says nothing.
        (RuleKind::CoTenancy, 0..=5) => ("label:pair=yes".to_owned(), None),
        (RuleKind::CoTenancy, _) | (_, 0) => ("*".to_owned(), None),
        (_, 1 | 2) => ("label:pair=yes".to_owned(), None),
        _ => (one, None),
    };
    let is = |wanted: RuleKind| kind == wanted;
    Constraint {
        kind,
        containers: who,
        others,
        level,
        cores: is(RuleKind::MaxCoresPerSocket).then(|| 1 + small(random.below(3))),
        node: is(RuleKind::NumaPin).then(|| small(random.below(2))),
        priority: 0,
    }
}

fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap()
}

/// Whether the host has two of what the rule is about.
fn means_something(host: &Topology, kind: RuleKind, level: Option<RuleLevel>) -> bool {
    let first = &host.cpus[0];
    let mut others = host.cpus.iter().skip(1);
    match (kind, level) {
        (RuleKind::WholeCores, _) | (_, Some(RuleLevel::Core)) => {
            others.any(|cpu| cpu.core == first.core)
        }
        (_, Some(RuleLevel::L3)) => others.any(|cpu| cpu.l3 != first.l3),
        (RuleKind::NumaPin, _) | (_, Some(RuleLevel::Numa)) => {
            others.any(|cpu| cpu.numa != first.numa)
        }
        _ => true,
    }
}

/// Whether a plan breaks `rule`.
fn breaks(instance: &Instance, plan: &Placement, rule: &Constraint) -> bool {
    let ruled = Instance {
        constraints: vec![rule.clone()],
        ..instance.clone()
    };
    let problem = Problem::new(&ruled, &CpuSet::new()).unwrap();
    let owner = |cpu: CpuId| {
        (0u32..)
            .zip(&problem.containers)
            .find(|(_, k)| plan[&k.id].contains(cpu))
    };
    let owners: Vec<Option<u32>> = problem
        .threads
        .iter()
        .map(|t| owner(t.cpu).map(|o| o.0))
        .collect();
    problem.rules.broken(&problem, &owners) > 0
}

/// Adds rules, rather such as the plan without them breaks; on most hosts
/// such as can be kept.
fn add_rules(random: &mut Random, instance: &mut Instance, count: usize) {
    let settings = SolveSettings {
        budget: None,
        work_limit: Some(PLAN_WORK),
        ..SolveSettings::default()
    };
    let plan = |instance: &Instance| {
        let placed = place(instance, &CpuSet::new(), &settings, &|| Duration::ZERO).unwrap();
        let keeps = !matches!(placed.answer.status, Status::Kept | Status::Relaxed);
        (placed.base, keeps)
    };
    let is_free = random.chance(10);
    // The first twice, since owners of shared cores can mostly be paired in another way.
    let kinds: Vec<_> = std::iter::once(KINDS[0])
        .chain(KINDS)
        .filter(|&(kind, level)| means_something(&instance.topology, kind, level))
        .collect();
    for _ in 0..count {
        let (before, _) = plan(instance);
        let kind = kinds[random.below(kinds.len())];
        let containers = instance.containers.len();
        let draws: Vec<Constraint> = (0..DRAWS)
            .map(|_| any_rule(random, kind, containers))
            .collect();
        let bites = |rule: &&Constraint| breaks(instance, &before, rule);
        let is_kept = |rule: &&Constraint| {
            let mut ruled = instance.clone();
            ruled.constraints.push((*rule).clone());
            is_free || plan(&ruled).1
        };
        let rule = draws.iter().filter(bites).find(is_kept);
        let rule = rule.or_else(|| draws.iter().find(is_kept));
        let rule = rule.unwrap_or(&draws[0]).clone();
        instance.constraints.push(rule);
    }
}

/// A rule's kind and level.
pub(super) fn rule_name(rule: &Constraint) -> String {
    match rule.level {
        Some(level) => format!("rule {:?} {level:?}", rule.kind),
        None => format!("rule {:?}", rule.kind),
    }
}

/// Half of the hosts are filled to 80 % and more.
fn any_containers(random: &mut Random, topology: &Topology) -> Vec<ContainerSpec> {
    let mut threads: Vec<CpuId> = topology.cpus.iter().map(|cpu| cpu.id).collect();
    let online = topology.online().len();
    random.shuffle(&mut threads);
    let mut next = threads.into_iter();
    let mut left = online;
    let mut containers = Vec::new();
    let most = 2 + random.below(4);
    let is_full = random.chance(50);
    let has_previous = random.chance(70);
    for k in 0..most {
        if left == 0 {
            break;
        }
        let mut request = 1 + random.below(left.min(1 + online / 4).min(6));
        if is_full && k == most - 1 {
            // What is missing to a fill of 80 %.
            request = request.max(left.saturating_sub(online / 5)).max(1);
        }
        left -= request;
        let rho = i64::try_from(50 + random.below(951)).unwrap();
        let previous =
            (has_previous && random.chance(80)).then(|| next.by_ref().take(request).collect());
        containers.push(ContainerSpec {
            rho_mcpu: Some(rho),
            previous,
            labels: (k < 2)
                .then(|| ("pair".to_owned(), "yes".to_owned()))
                .into_iter()
                .collect(),
            ..ContainerSpec::new(format!("c{k}"), u32::try_from(request).unwrap(), 0.0)
        });
    }
    containers
}

/// A host of 1 to 4 sockets, 1 to 16 L3s, 1, 2 or 4 threads a core, with up to
/// three rules, and what it is like in words.
pub(super) fn any_shape(random: &mut Random) -> (Instance, Vec<String>) {
    let mut shape = Vec::new();
    let topology = any_topology(random, &mut shape);
    let containers = any_containers(random, &topology);
    if containers.iter().any(|c| c.previous.is_some()) {
        shape.push("previous".to_owned());
    }
    let requested: usize = containers.iter().map(|c| c.cpus as usize).sum();
    if requested * 5 >= topology.online().len() * 4 {
        shape.push("full".to_owned());
    }
    let mut instance = Instance {
        weights: weights(random),
        topology,
        containers,
        constraints: Vec::new(),
        system: System::default(),
        lending: crate::placement::Lending::default(),
    };
    let rules = [0, 1, 1, 1, 2, 2, 2, 3][random.below(8)];
    if rules > 0 {
        add_rules(random, &mut instance, rules);
    }
    shape.extend(instance.constraints.iter().map(rule_name));
    (instance, shape)
}

/// A random rule, of each kind about as often.
pub(super) fn random_rule(random: &mut Random) -> Constraint {
    let who = ["c0", "c1", "c2", "c3", "*", "c?"][random.below(6)];
    let level = [RuleLevel::Core, RuleLevel::L3, RuleLevel::Numa][random.below(3)];
    let few = u32::try_from(random.below(2)).unwrap();
    match random.below(7) {
        0..=2 => {
            let others = [None, Some("*"), Some("c0"), Some("c1"), Some("c2")][random.below(5)];
            apart(who, others, level)
        }
        3 => together(
            who,
            if level == RuleLevel::Core {
                RuleLevel::L3
            } else {
                level
            },
        ),
        4 => socket_cores(who, 1 + few),
        5 => pin(who, few),
        _ => rule(RuleKind::WholeCores, who),
    }
}

/// A random instance with one to three rules; its nodes are its sockets.
pub(super) fn with_rules(random: &mut Random, shape: Shape) -> Instance {
    let mut instance = instance(random, shape);
    for cpu in &mut instance.topology.cpus {
        cpu.socket = cpu.numa;
    }
    let count = [1, 1, 1, 2, 3][random.below(5)];
    instance.constraints = (0..count).map(|_| random_rule(random)).collect();
    instance
}
