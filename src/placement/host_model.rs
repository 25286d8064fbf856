//! What a problem takes from the host alone: its threads, cores and groups,
//! numbered and charged, and the regions that best fit looks at.
//!
//! It depends on the CPUs, those not offered, the weights and the host's own
//! work, on no container and no rule. So it is worked out once for a host and
//! shared by its rounds: whoever has many to place, in turn or at random, keeps
//! a [`HostModels`]. That is memoisation and nothing else. A model is taken
//! again only where all that it was made from is equal, and what is made anew
//! is the same to the last bit, so no answer depends on what was placed before.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::greedy::Regions;
use super::problem::ProblemError;
use super::types::{Instance, System, Weights};
use crate::cpuset::{CpuId, CpuSet};
use crate::topology::Cpu;

/// Index of the L3 level in [`super::Problem::levels`] and [`Thread::group`].
pub const L3: usize = 0;
/// Index of the NUMA level in [`super::Problem::levels`] and [`Thread::group`].
pub const NUMA: usize = 1;

/// Most hosts that are remembered: a host with a few CPUs that come and go, or
/// a few kinds of hosts in one batch.
const MOST: usize = 8;

/// An offered thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// The kernel's number.
    pub cpu: CpuId,
    /// Index into [`super::Problem::cores`].
    pub core: usize,
    /// Index into the groups of each level, `[L3, NUMA]`.
    pub group: [usize; 2],
    /// Charge of this thread, per mille of a busy CPU:
    /// floor(slow_core (1000 - perf) / 1000) + system.
    pub slow: i64,
    /// Of that, what the host's own work takes: u_t + floor((smt_busy +
    /// smt_foreign) u_s / 1000), u_t its use of the thread, u_s the largest of
    /// a sibling, milli-CPU.
    pub system: i64,
    /// Speed, per mille of the fastest kind.
    pub perf: u32,
    /// Socket, from 0.
    pub socket: usize,
}

/// An L3 domain or a NUMA node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its label in the topology; none for the CPUs without one.
    pub label: Option<u32>,
    /// Its threads, ascending.
    pub threads: Arc<[usize]>,
    /// tau_g: its even share of the load, milli-CPU, rounded up.
    pub share: i64,
}

/// One way to part the threads, with the weights charged on it: 0 where the
/// level is not charged (see the module's text).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// The groups; each thread is in one.
    pub groups: Vec<Group>,
    /// Charge for each further group of a container, per mille.
    pub spread: i64,
    /// Charge for load above the even share, per mille.
    pub balance: i64,
    /// Charge for a thread that left the group, micro-CPU.
    pub movement: i64,
}

/// The host's part of a problem. Its groups have no share yet: that depends on
/// the load.
#[derive(Clone, Debug)]
pub(super) struct HostModel {
    /// Offered threads, ascending by CPU number.
    pub(super) threads: Arc<[Thread]>,
    /// Threads of each core, ascending.
    pub(super) cores: Arc<[Vec<usize>]>,
    /// `[L3, NUMA]`.
    pub(super) levels: [Level; 2],
    /// How many sockets there are; CPUs without a label are on one.
    pub(super) sockets: usize,
    /// Where best fit looks.
    pub(super) regions: Arc<Regions>,
}

/// The models of hosts that were placed on lately.
#[derive(Debug, Default)]
pub struct HostModels {
    /// The last used first.
    known: Vec<(Input, HostModel)>,
    builds: u64,
}

/// All that a host model is made from; that it is nothing else shows in
/// [`HostModel::new`].
#[derive(Debug)]
pub(super) struct Input {
    weights: Weights,
    cpus: Vec<Cpu>,
    system: System,
    unavailable: CpuSet,
}

impl Input {
    /// The instance's. `unavailable` CPUs are not offered to containers.
    pub(super) fn new(instance: &Instance, unavailable: &CpuSet) -> Self {
        Self {
            weights: instance.weights,
            cpus: instance.topology.cpus.clone(),
            system: instance.system.clone(),
            unavailable: unavailable.clone(),
        }
    }

    fn is_of(&self, instance: &Instance, unavailable: &CpuSet) -> bool {
        self.weights == instance.weights
            && self.cpus == instance.topology.cpus
            && self.system == instance.system
            && self.unavailable == *unavailable
    }
}

impl HostModels {
    /// The model of the instance's host, made or taken again.
    ///
    /// # Errors
    /// On a weight, or a CPU, that makes no sense.
    pub(super) fn of(
        &mut self,
        instance: &Instance,
        unavailable: &CpuSet,
    ) -> Result<&HostModel, ProblemError> {
        let is_it = |known: &(Input, HostModel)| known.0.is_of(instance, unavailable);
        match self.known.iter().position(is_it) {
            Some(place) => self.known[..=place].rotate_right(1),
            None => {
                let input = Input::new(instance, unavailable);
                let host = HostModel::new(&input)?;
                self.builds += 1;
                self.known.truncate(MOST - 1);
                self.known.insert(0, (input, host));
            }
        }
        Ok(&self.known[0].1)
    }

    /// How many models were made.
    #[must_use]
    pub fn builds(&self) -> u64 {
        self.builds
    }
}

impl HostModel {
    /// The model that `input` gives.
    ///
    /// # Errors
    /// On a weight, or a CPU, that makes no sense.
    pub(super) fn new(input: &Input) -> Result<Self, ProblemError> {
        check_weights(&input.weights)?;
        let cpus = offered(input)?;
        let mut threads = Vec::with_capacity(cpus.len());
        let mut cores: Vec<Vec<usize>> = Vec::new();
        let mut groups: [Vec<(Option<u32>, Vec<usize>)>; 2] = [Vec::new(), Vec::new()];
        let mut core_of = BTreeMap::new();
        let mut group_of = [BTreeMap::new(), BTreeMap::new()];
        let mut socket_of = BTreeMap::new();
        for (index, cpu) in cpus.iter().enumerate() {
            let core = match cpu.core {
                Some(label) => *core_of.entry(label).or_insert(cores.len()),
                None => cores.len(),
            };
            if core == cores.len() {
                cores.push(Vec::new());
            }
            cores[core].push(index);
            let mut group = [0; 2];
            for (level, label) in [(L3, cpu.l3), (NUMA, cpu.numa)] {
                let next = groups[level].len();
                group[level] = *group_of[level].entry(label).or_insert(next);
                if group[level] == next {
                    groups[level].push((label, Vec::new()));
                }
                groups[level][group[level]].1.push(index);
            }
            let system = system_charge(input, cpu);
            let next_socket = socket_of.len();
            threads.push(Thread {
                cpu: cpu.id,
                core,
                group,
                slow: input.weights.slow_core * i64::from(1000 - cpu.perf) / 1000 + system,
                system,
                perf: cpu.perf,
                socket: *socket_of.entry(cpu.socket).or_insert(next_socket),
            });
        }
        let levels = levels(&input.weights, &threads, groups);
        Ok(Self {
            regions: Arc::new(Regions::new(&threads, &cores, &levels)),
            threads: threads.into(),
            cores: cores.into(),
            levels,
            sockets: socket_of.len(),
        })
    }
}

/// The CPUs that containers may have, ascending.
fn offered(input: &Input) -> Result<Vec<&Cpu>, ProblemError> {
    let mut cpus: Vec<_> = input.cpus.iter().collect();
    cpus.sort_by_key(|c| c.id);
    if let Some(pair) = cpus.windows(2).find(|pair| pair[0].id == pair[1].id) {
        return Err(ProblemError::DuplicateCpu(pair[0].id));
    }
    cpus.retain(|c| c.online && !input.unavailable.contains(c.id));
    match cpus.iter().find(|cpu| cpu.perf > 1000) {
        Some(&&Cpu { id: cpu, perf, .. }) => Err(ProblemError::Perf { cpu, perf }),
        None => Ok(cpus),
    }
}

/// Both levels of groups, each its label and threads, with what is charged on them.
fn levels(
    weights: &Weights,
    threads: &[Thread],
    groups: [Vec<(Option<u32>, Vec<usize>)>; 2],
) -> [Level; 2] {
    // Group numbers are given in the order of the threads, so two levels
    // part the threads alike exactly when every thread has equal numbers.
    let same = threads.iter().all(|t| t.group[L3] == t.group[NUMA]);
    let [l3, numa] = groups.map(|groups| -> Vec<Group> {
        let groups = groups.into_iter();
        groups
            .map(|(label, threads)| Group {
                label,
                threads: threads.into(),
                share: 0,
            })
            .collect()
    });
    let many = [l3.len() > 1, numa.len() > 1];
    let charged = |on: bool, weight: i64| if on { weight } else { 0 };
    let (spread, balance, movement) = (weights.spread, weights.balance, weights.movement);
    [
        Level {
            groups: l3,
            spread: charged(many[L3] && !same, spread.l3),
            balance: charged(many[L3], balance.l3),
            movement: charged(many[L3] && !same, movement.l3),
        },
        Level {
            groups: numa,
            spread: charged(many[NUMA], spread.numa),
            balance: charged(many[NUMA] && !same, balance.numa),
            movement: charged(many[NUMA], movement.numa),
        },
    ]
}

/// What the host's own work takes of a thread, see [`Thread::system`].
fn system_charge(input: &Input, cpu: &Cpu) -> i64 {
    let System { cpus, usage_mcpu } = &input.system;
    let Some(usage) = usage_mcpu.map(i64::from).filter(|_| !cpus.is_empty()) else {
        return 0;
    };
    let used = |other: &Cpu| other.online && cpus.contains(other.id);
    let is_sibling = |other: &&Cpu| {
        other.id != cpu.id && other.core.is_some() && other.core == cpu.core && used(other)
    };
    let mut charge = if used(cpu) { usage } else { 0 };
    if input.cpus.iter().any(|other| is_sibling(&other)) {
        let weights = &input.weights;
        charge += (weights.smt_busy + weights.smt_foreign) * usage / 1000;
    }
    charge
}

fn check_weights(weights: &Weights) -> Result<(), ProblemError> {
    match weights.first_wrong() {
        Some((name, value)) => Err(ProblemError::Weight { name, value }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::random::{Random, Shape, instance};
    use crate::placement::testing::{container, flat_host};
    use crate::placement::{SolveSettings, WarmStart, place_from};
    use std::time::Duration;

    #[test]
    fn a_host_is_made_once_and_again_when_anything_of_it_changes() {
        let nobody = CpuSet::new();
        let host = flat_host(8, vec![container("a", 2, 1.0)]);
        let mut hosts = HostModels::default();
        let mut builds_of = |instance: &Instance, unavailable: &CpuSet| {
            let made = hosts.of(instance, unavailable).unwrap().clone();
            let anew = HostModel::new(&Input::new(instance, unavailable)).unwrap();
            assert_eq!(made.threads, anew.threads);
            assert_eq!(made.cores, anew.cores);
            assert_eq!(made.levels, anew.levels);
            assert_eq!(made.sockets, anew.sockets);
            assert_eq!(made.regions, anew.regions);
            hosts.builds()
        };
        assert_eq!(builds_of(&host, &nobody), 1);
        let mut other = host.clone();
        other.containers = vec![container("b", 3, 2.0), container("c", 1, 0.5)];
        assert_eq!(builds_of(&other, &nobody), 1);
        let changes: [fn(&mut Instance); 5] = [
            |i| i.topology.cpus[3].online = false,
            |i| i.topology.cpus[3].perf = 700,
            |i| i.topology.cpus[3].core = i.topology.cpus[2].core,
            |i| i.weights.slow_core += 1,
            |i| i.system.usage_mcpu = Some(300),
        ];
        for (change, builds) in changes.iter().zip(2..) {
            let mut changed = host.clone();
            change(&mut changed);
            assert_eq!(builds_of(&changed, &nobody), builds);
        }
        let one: CpuSet = [CpuId(5)].into_iter().collect();
        assert_eq!(builds_of(&host, &one), 7);
        // The first is still known; it is forgotten behind as many as are kept.
        assert_eq!(builds_of(&host, &nobody), 7);
        for cpu in 0..MOST {
            let mut changed = host.clone();
            changed.topology.cpus[cpu].numa = Some(9);
            builds_of(&changed, &nobody);
        }
        let before = builds_of(&host, &one);
        assert_eq!(builds_of(&host, &nobody), before + 1);
    }

    /// 12 hosts in random order: too many to remember all. What is placed with the models
    /// of the hosts before is what is placed with none, whatever the order.
    #[test]
    fn placing_after_others_is_placing_alone() {
        let mut random = Random(7);
        let shape = Shape {
            width: 2,
            threads: 12,
            containers: 5,
            overlap: true,
        };
        let settings = SolveSettings {
            budget: None,
            work_limit: Some(500),
            ..SolveSettings::default()
        };
        let hosts: Vec<Instance> = (0..12).map(|_| instance(&mut random, shape)).collect();
        let mut models = HostModels::default();
        let rounds = 200;
        for _ in 0..rounds {
            let mut instance = hosts[random.below(hosts.len())].clone();
            if random.chance(30) && instance.containers.len() > 1 {
                instance.containers.pop();
            }
            if random.chance(30) {
                instance.containers[0].predicted_p95 *= 1.5;
            }
            let place = |models: &mut HostModels| {
                let (warm, clock) = (WarmStart::default(), || Duration::ZERO);
                place_from(&instance, &CpuSet::new(), &settings, &warm, models, &clock)
            };
            assert_eq!(place(&mut models), place(&mut HostModels::default()));
        }
        let builds = models.builds();
        assert!(builds >= 12 && builds < rounds, "{builds} builds");
    }
}
