//! Lending: which threads burst and pooled containers may use beside their
//! base set. Decided anew in every round, after the placement, so it never
//! moves anybody: base sets are the same under every policy.
//!
//! **Which threads.** A core counts with its online threads. The host's own
//! work counts as an owner of its CPUs; a core with a thread that is online but
//! not offered (isolated, reserved, somebody else's) has an owner too.
//!
//! | policy | what is lent |
//! |-|-|
//! | `empty` | every thread without an owner |
//! | `empty-cores` | the threads of cores without any owner |
//! | `oversubscribe` | of every core whose static owners are all predicted to use little of their threads: the threads without owner, and theirs |
//!
//! Base threads of burst containers and of the pool are never lent: for them
//! the request is a guarantee as well. Threads of a core that has no static
//! owner are lent under `oversubscribe` where they have no owner.
//!
//! **Little** is the predicted use u_k of an owner over its r_k threads, with
//! hysteresis: an owner that lent nothing before lends at use <= `threshold`;
//! one that did goes on up to use <= `release`, which is higher. An owner that
//! used more than was predicted in the last round takes its cores back first,
//! whatever is predicted now, and lends again, by the lower threshold, once a
//! round finds it within its prediction.
//!
//! On an over-full host, where owners share already, `oversubscribe` is
//! `empty-cores`. An exclusive cpuset (cgroup v1) lends and is lent nothing:
//! the kernel refuses overlaps.
//!
//! **Who.** Every burst container gets all of it: what is lent may be lent to
//! several. The pool, which has no request of its own to fall back on, gets the
//! threads without an owner under every policy, and what `oversubscribe` lends. Rules hold for lent threads too: a pinned
//! container is lent threads of its node, a co-tenant of the L3s (nodes) where
//! its base set is, one with a maximum of cores a socket no core beyond it;
//! containers on whole cores lend and are lent nothing on these; of two that
//! must be apart the one with the higher priority (of equals the smaller id)
//! is served first, and the other gets what keeps the distance.
//!
//! The pool's own request is at least `reserve` threads, so that pooled
//! containers always have somewhere to run.

mod cores;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use self::cores::{Core, cores};
use super::pool::POOL;
use super::rules::{Resolved, RuleKind, RuleLevel};
use super::types::{ContainerSpec, Instance, Kind, Placement};
use crate::cpuset::{CpuId, CpuSet};
use crate::topology::Cpu;

/// Which threads are lent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LendingPolicy {
    /// Threads without an owner.
    Empty,
    /// Cores without an owner.
    #[default]
    EmptyCores,
    /// Also cores whose static owners are predicted to use little.
    Oversubscribe,
}

impl LendingPolicy {
    /// All, with their names.
    pub const NAMED: [(&'static str, Self); 3] = [
        ("empty", Self::Empty),
        ("empty-cores", Self::EmptyCores),
        ("oversubscribe", Self::Oversubscribe),
    ];

    /// As in the settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::EmptyCores => "empty-cores",
            Self::Oversubscribe => "oversubscribe",
        }
    }
}

/// Default of `threshold`, milli-CPU a thread.
const DEFAULT_THRESHOLD_MCPU: u32 = 200;
/// Default distance of `release` from `threshold`, milli-CPU a thread.
pub const DEFAULT_BAND_MCPU: u32 = 200;

/// How threads are lent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lending {
    /// Which threads.
    pub policy: LendingPolicy,
    /// Oversubscribe: lends at a predicted use of at most this, milli-CPU a thread.
    pub threshold_mcpu: u32,
    /// Oversubscribe: takes back above this, milli-CPU a thread.
    pub release_mcpu: u32,
    /// Least threads of the pool.
    pub reserve: u32,
    /// CPUs that were lent in the last round, for the hysteresis.
    pub before: CpuSet,
}

impl Default for Lending {
    fn default() -> Self {
        Self {
            policy: LendingPolicy::default(),
            threshold_mcpu: DEFAULT_THRESHOLD_MCPU,
            release_mcpu: DEFAULT_THRESHOLD_MCPU + DEFAULT_BAND_MCPU,
            reserve: 1,
            before: CpuSet::new(),
        }
    }
}

impl Lending {
    /// Whether it is what no settings say.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What makes no sense: key, value, what was expected, the next step.
    #[must_use]
    pub fn fault(&self) -> Option<(&'static str, String, String, &'static str)> {
        if self.threshold_mcpu >= 1000 {
            return Some((
                "threshold",
                share(self.threshold_mcpu),
                "0 or more and below 1, the share of a thread".into(),
                "a core whose owners use it wholly is never lent; lower it",
            ));
        }
        if self.release_mcpu > 1000 || self.release_mcpu <= self.threshold_mcpu {
            return Some((
                "release",
                share(self.release_mcpu),
                format!(
                    "above threshold ({}) and at most 1",
                    share(self.threshold_mcpu)
                ),
                "threads are lent at or below threshold and taken back above release; raise it or lower threshold",
            ));
        }
        (self.reserve == 0).then(|| {
            (
                "reserve",
                "0".to_owned(),
                "1 or more threads".to_owned(),
                "the pool is never empty; leave the key out for 1",
            )
        })
    }
}

/// Milli-CPU of a thread as a share of it.
fn share(mcpu: u32) -> String {
    let text = format!("{}.{:03}", mcpu / 1000, mcpu % 1000);
    let short = text.trim_end_matches('0');
    short.strip_suffix('.').unwrap_or(short).to_owned()
}

/// A container that used more than it was predicted to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrun {
    /// What it used since the last round, CPUs.
    pub used: f64,
    /// What the last round predicted, CPUs.
    pub predicted: f64,
}

/// Whether a static owner's threads may be lent, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stance {
    /// Its use is at most the threshold.
    Low,
    /// Above the threshold, but it lent before and is not above release.
    Lasting,
    /// Above the threshold, and it lent nothing before.
    High,
    /// It lent before and is above release now.
    Released,
    /// It used more than predicted.
    Overrun(Overrun),
    /// Its cpuset is exclusive.
    Exclusive,
}

impl Stance {
    fn of(spec: &ContainerSpec, lending: &Lending) -> Self {
        if spec.exclusive {
            return Self::Exclusive;
        }
        if let Some(overrun) = spec.overrun {
            return Self::Overrun(overrun);
        }
        let before = spec.previous.iter().flatten();
        let lent_before = before.into_iter().any(|cpu| lending.before.contains(*cpu));
        let use_ = thread_use(spec);
        let at_most = |mcpu: u32| use_ <= f64::from(mcpu);
        match (lent_before, at_most(lending.threshold_mcpu)) {
            (_, true) => Self::Low,
            (true, false) if at_most(lending.release_mcpu) => Self::Lasting,
            (true, false) => Self::Released,
            (false, false) => Self::High,
        }
    }

    fn lends(self) -> bool {
        matches!(self, Self::Low | Self::Lasting)
    }
}

/// Predicted use of each thread, milli-CPU.
fn thread_use(spec: &ContainerSpec) -> f64 {
    1000.0 * spec.predicted_p95 / f64::from(spec.cpus.max(1))
}

/// Base sets and cores, as lending looks at them.
struct Bases<'a> {
    normal: &'a Instance,
    /// The containers that have a base set.
    sets: Vec<(&'a ContainerSpec, &'a CpuSet)>,
    /// All base sets, and the host's own CPUs.
    owned: CpuSet,
    offered: &'a CpuSet,
    cores: Vec<Core<'a>>,
    is_overfull: bool,
}

impl<'a> Bases<'a> {
    fn new(
        normal: &'a Instance,
        placement: &'a Placement,
        offered: &'a CpuSet,
        is_overfull: bool,
    ) -> Self {
        let specs = normal.containers.iter();
        let sets: Vec<_> = specs
            .filter_map(|spec| Some((spec, placement.get(&spec.id)?)))
            .collect();
        let mut owned = normal.system.cpus.clone();
        for (_, base) in &sets {
            owned.extend(base.iter());
        }
        Self {
            normal,
            sets,
            owned,
            offered,
            cores: cores(normal, offered),
            is_overfull,
        }
    }

    /// The threads that a policy lends, whoever to.
    fn lendable(&self, policy: LendingPolicy) -> CpuSet {
        match policy {
            LendingPolicy::Empty => self.offered.difference(&self.owned),
            LendingPolicy::Oversubscribe if !self.is_overfull => self.oversubscribed(),
            LendingPolicy::EmptyCores | LendingPolicy::Oversubscribe => {
                let is_owned = |cpu: &&Cpu| self.owned.contains(cpu.id);
                let is_lent = |core: &&Core<'_>| core.is_offered && !core.cpus.iter().any(is_owned);
                let lent = self.cores.iter().filter(is_lent);
                lent.flat_map(|core| &core.cpus).map(|cpu| cpu.id).collect()
            }
        }
    }

    fn oversubscribed(&self) -> CpuSet {
        let lending = &self.normal.lending;
        let system = &self.normal.system.cpus;
        let system_use = self.normal.system.usage_mcpu.unwrap_or(u32::MAX);
        let mut of_cpu: BTreeMap<CpuId, usize> = BTreeMap::new();
        for (index, (_, base)) in self.sets.iter().enumerate() {
            of_cpu.extend(base.iter().map(|cpu| (cpu, index)));
        }
        let mut lent = CpuSet::new();
        for core in self.cores.iter().filter(|core| core.is_offered) {
            let set = core.set();
            let held = core.cpus.iter().filter_map(|cpu| of_cpu.get(&cpu.id));
            let held: BTreeSet<usize> = held.copied().collect();
            let holders = || held.iter().map(|&i| self.sets[i]);
            let is_host_low = system.is_disjoint(&set) || system_use <= lending.threshold_mcpu;
            let is_low = |spec: &ContainerSpec| {
                spec.kind != Kind::Static || Stance::of(spec, lending).lends()
            };
            if is_host_low && holders().all(|(spec, _)| is_low(spec)) {
                let kept = holders()
                    .filter(|(spec, _)| spec.kind != Kind::Static)
                    .fold(CpuSet::new(), |all, (_, base)| all.union(base));
                lent.extend(set.difference(&kept).iter());
            }
        }
        lent
    }
}

/// What is lent to each burst container and to the pool, beside `placement`,
/// the base threads of all containers of `normal` (pooled ones as the pool);
/// those that are lent nothing are absent.
pub(super) fn lend(
    normal: &Instance,
    placement: &Placement,
    offered: &CpuSet,
    rules: &[Resolved],
    is_overfull: bool,
) -> Placement {
    let borrows = |c: &&ContainerSpec| c.kind != Kind::Static && !c.exclusive;
    let mut borrowers: Vec<&ContainerSpec> = normal.containers.iter().filter(borrows).collect();
    borrowers.sort_by_key(|c| (Reverse(c.priority), &c.id));
    let mut lent = Placement::new();
    if borrowers.is_empty() {
        return lent;
    }
    let bases = Bases::new(normal, placement, offered, is_overfull);
    let threads = bases.lendable(normal.lending.policy);
    let for_pool = threads.union(&bases.lendable(LendingPolicy::Empty));
    for spec in borrowers {
        let Some(base) = placement.get(&spec.id) else {
            continue;
        };
        let all = if spec.id == POOL { &for_pool } else { &threads };
        let mut given = all.difference(base);
        let view = View {
            normal,
            placement,
            lent: &lent,
        };
        for rule in rules {
            given = view.within(rule, &spec.id, base, &given);
        }
        if !given.is_empty() {
            lent.insert(spec.id.clone(), given);
        }
    }
    lent
}

/// Where everybody is when a container is served.
struct View<'a> {
    normal: &'a Instance,
    placement: &'a Placement,
    lent: &'a Placement,
}

impl View<'_> {
    /// What of `given` container `id` may be lent under a rule.
    fn within(&self, rule: &Resolved, id: &str, base: &CpuSet, given: &CpuSet) -> CpuSet {
        let named = rule.containers.contains(id);
        let level = rule.rule.level.unwrap_or(RuleLevel::Core);
        match rule.rule.kind {
            RuleKind::NumaPin if named => self.filter(given, |cpu| cpu.numa == rule.rule.node),
            RuleKind::CoTenancy if named => given.intersection(&self.groups_of(base, level)),
            RuleKind::WholeCores if named => CpuSet::new(),
            RuleKind::WholeCores => {
                self.without_groups_of(given, RuleLevel::Core, &rule.containers)
            }
            RuleKind::MaxCoresPerSocket if named => {
                self.at_most(given, base, rule.rule.cores.unwrap_or(u32::MAX))
            }
            RuleKind::AntiAffinity => {
                let everybody = || self.placement.keys().cloned().collect::<BTreeSet<_>>();
                let others = || rule.others.clone().unwrap_or_else(everybody);
                let is_other = rule.others.as_ref().is_none_or(|o| o.contains(id));
                let mut enemies = BTreeSet::new();
                if named {
                    enemies.extend(others());
                }
                if is_other {
                    enemies.extend(rule.containers.iter().cloned());
                }
                enemies.remove(id);
                self.without_groups_of(given, level, &enemies)
            }
            RuleKind::NumaPin | RuleKind::CoTenancy | RuleKind::MaxCoresPerSocket => given.clone(),
        }
    }

    fn filter(&self, given: &CpuSet, keep: impl Fn(&Cpu) -> bool) -> CpuSet {
        let cpus = self.normal.topology.cpus.iter();
        cpus.filter(|cpu| given.contains(cpu.id) && keep(cpu))
            .map(|cpu| cpu.id)
            .collect()
    }

    /// All CPUs of the groups that hold one of `cpus`.
    fn groups_of(&self, cpus: &CpuSet, level: RuleLevel) -> CpuSet {
        let key = |cpu: &Cpu| group(cpu, level);
        let all = &self.normal.topology.cpus;
        let held: BTreeSet<_> = all
            .iter()
            .filter(|cpu| cpus.contains(cpu.id))
            .map(key)
            .collect();
        all.iter()
            .filter(|cpu| held.contains(&key(cpu)))
            .map(|cpu| cpu.id)
            .collect()
    }

    fn without_groups_of(
        &self,
        given: &CpuSet,
        level: RuleLevel,
        ids: &BTreeSet<String>,
    ) -> CpuSet {
        let sets = ids
            .iter()
            .flat_map(|id| self.placement.get(id).into_iter().chain(self.lent.get(id)));
        let held = sets.fold(CpuSet::new(), |all, set| all.union(set));
        given.difference(&self.groups_of(&held, level))
    }

    /// Whole cores in their order while the socket has room.
    fn at_most(&self, given: &CpuSet, base: &CpuSet, most: u32) -> CpuSet {
        let own = self.groups_of(base, RuleLevel::Core);
        let mut used: BTreeMap<Option<u32>, BTreeSet<(u8, u32)>> = BTreeMap::new();
        for cpu in self
            .normal
            .topology
            .cpus
            .iter()
            .filter(|c| base.contains(c.id))
        {
            used.entry(cpu.socket)
                .or_default()
                .insert(group(cpu, RuleLevel::Core));
        }
        let mut kept = CpuSet::new();
        for cpu in self
            .normal
            .topology
            .cpus
            .iter()
            .filter(|c| given.contains(c.id))
        {
            let cores = used.entry(cpu.socket).or_default();
            let core = group(cpu, RuleLevel::Core);
            if own.contains(cpu.id) || cores.contains(&core) || cores.len() < most as usize {
                cores.insert(core);
                kept.insert(cpu.id);
            }
        }
        kept
    }
}

/// The group of a CPU; one without a label is a group of its own, except that
/// CPUs without a known node are on one node.
fn group(cpu: &Cpu, level: RuleLevel) -> (u8, u32) {
    let label = match level {
        RuleLevel::Core => cpu.core,
        RuleLevel::L3 => cpu.l3,
        RuleLevel::Numa => return (0, cpu.numa.unwrap_or(0)),
    };
    label.map_or((1, cpu.id.0), |label| (0, label))
}

/// What lending means for one static container, in words; none where it means
/// nothing. `lent` is what everybody is lent, `placement` the base sets.
pub(super) fn risk(
    normal: &Instance,
    placement: &Placement,
    lent: &Placement,
    spec: &ContainerSpec,
    is_overfull: bool,
) -> Option<String> {
    if spec.kind != Kind::Static {
        return None;
    }
    let base = placement.get(&spec.id)?;
    let all = lent.values().fold(CpuSet::new(), |all, set| all.union(set));
    let own = base.intersection(&all);
    let exposed = exposed(normal, base, &all);
    let lending = &normal.lending;
    let is_asked = lending.policy == LendingPolicy::Oversubscribe && !is_overfull;
    let mut text = Vec::new();
    if !own.is_empty() {
        let to: Vec<String> = lent
            .iter()
            .filter(|(_, set)| !set.is_disjoint(base))
            .map(|(id, _)| id.escape_debug().to_string())
            .collect();
        text.push(format!(
            "lends {own} ({} of its {} threads) to {}: {}",
            own.len(),
            base.len(),
            to.join(", "),
            limit_words(spec, lending)
        ));
    } else if is_asked && normal.containers.iter().any(|c| c.kind != Kind::Static) {
        text.extend(refusal_words(spec, lending));
    }
    if !exposed.is_empty() {
        let rate = normal.weights.smt_busy + normal.weights.smt_foreign;
        text.push(format!(
            "{} of its threads ({exposed}) {} a lent sibling, which costs each up to {}.{} % while both are busy",
            exposed.len(),
            if exposed.len() == 1 { "has" } else { "have" },
            rate / 10,
            rate % 10
        ));
    }
    (!text.is_empty()).then(|| text.join("; "))
}

/// The threads of `base` with a sibling in `lent` that is not its own thread,
/// or is, and is lent to others.
fn exposed(normal: &Instance, base: &CpuSet, lent: &CpuSet) -> CpuSet {
    let cpus = &normal.topology.cpus;
    let key = |cpu: &Cpu| group(cpu, RuleLevel::Core);
    let mut siblings: BTreeMap<(u8, u32), Vec<CpuId>> = BTreeMap::new();
    for cpu in cpus.iter().filter(|c| c.online && lent.contains(c.id)) {
        siblings.entry(key(cpu)).or_default().push(cpu.id);
    }
    cpus.iter()
        .filter(|cpu| base.contains(cpu.id))
        .filter(|cpu| {
            let others = siblings.get(&key(cpu)).into_iter().flatten();
            others.into_iter().any(|other| *other != cpu.id)
        })
        .map(|cpu| cpu.id)
        .collect()
}

fn used(spec: &ContainerSpec) -> String {
    format!("predicted use {:.3} of a thread", thread_use(spec) / 1000.0)
}

fn limit_words(spec: &ContainerSpec, lending: &Lending) -> String {
    match Stance::of(spec, lending) {
        Stance::Lasting => format!(
            "{}, at most {} (lending.release; it lent before)",
            used(spec),
            share(lending.release_mcpu)
        ),
        _ => format!(
            "{}, at most {} (lending.threshold)",
            used(spec),
            share(lending.threshold_mcpu)
        ),
    }
}

fn refusal_words(spec: &ContainerSpec, lending: &Lending) -> Option<String> {
    match Stance::of(spec, lending) {
        Stance::Low | Stance::Lasting => None,
        Stance::High => Some(format!(
            "lends nothing: {}, above {} (lending.threshold)",
            used(spec),
            share(lending.threshold_mcpu)
        )),
        Stance::Released => Some(format!(
            "takes its threads back: {}, above {} (lending.release)",
            used(spec),
            share(lending.release_mcpu)
        )),
        Stance::Overrun(Overrun { used, predicted }) => Some(format!(
            "takes its threads back: it used {used:.3} CPU, more than the {predicted:.3} predicted"
        )),
        Stance::Exclusive => Some("lends nothing: its cpuset is exclusive".into()),
    }
}

/// What a borrower is lent, in words.
pub(super) fn lent_words(id: &str, placement: &Placement, lent: &Placement) -> Option<String> {
    let set = lent.get(id)?;
    let owned = placement
        .values()
        .fold(CpuSet::new(), |all, base| all.union(base));
    let (free, others) = (set.difference(&owned), set.intersection(&owned));
    let text = match (free.is_empty(), others.is_empty()) {
        (_, true) => format!("may use the free {free} too"),
        (true, false) => format!("may use {others} of others that need little too"),
        (false, false) => {
            format!("may use the free {free} and {others} of others that need little too")
        }
    };
    Some(if id == POOL {
        format!("which {text}")
    } else {
        text
    })
}

#[cfg(test)]
mod tests;
