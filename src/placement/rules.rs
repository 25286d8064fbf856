//! Rules: what a placement must keep, whatever it costs.
//!
//! | kind | the rule |
//! |-|-|
//! | `anti_affinity` | no core (L3, node) holds threads of both: of a container of `containers` and one of `others`; without `others` of two of `containers`; with `others = "*"` of anybody else |
//! | `co_tenancy` | every L3 (node) that holds a thread of one of `containers` holds one of each |
//! | `max_cores_per_socket` | each of `containers` has threads on at most `cores` cores of a socket |
//! | `numa_pin` | all threads of `containers` are on `node` |
//! | `whole_cores` | nobody else runs on a core of `containers`, and each has at most one core that is not wholly its own |
//!
//! `containers` and `others` are globs on ids, or on a label
//! (`label:app=web*`); a rule that names a pooled
//! container holds for the pool. On an over-full host, containers that share
//! threads are outside the rules.
//!
//! A search counts what an assignment breaks ([`Rules::broken`]), and one more
//! break outweighs any cost ([`Rules::price`]). Rules that contradict each
//! other are given up softest first ([`softness`]).

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::pool::POOL;
use super::problem::{L3, NUMA, Owners, Problem};
use super::types::{ContainerSpec, Instance, Kind};
use crate::cgroup::Glob;

/// Which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleKind {
    /// Not on the same core, L3 or node.
    AntiAffinity,
    /// On the same L3s or nodes.
    CoTenancy,
    /// Few cores of each socket.
    MaxCoresPerSocket,
    /// On one node.
    NumaPin,
    /// Cores for itself, whole.
    WholeCores,
}

/// Where two containers may or must not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleLevel {
    /// A core's hyper-threads.
    Core,
    /// An L3 domain.
    L3,
    /// A NUMA node.
    Numa,
}

/// A rule as written: `[[constraints]]` of the settings, `constraints` of a
/// host file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constraint {
    /// Which rule.
    pub kind: RuleKind,
    /// Glob on ids, or `label:KEY=GLOB`.
    pub containers: String,
    /// Anti-affinity: glob on the others, or `*`.
    #[serde(default)]
    pub others: Option<String>,
    /// Anti-affinity and co-tenancy.
    #[serde(default)]
    pub level: Option<RuleLevel>,
    /// Maximum of cores a socket.
    #[serde(default)]
    pub cores: Option<u32>,
    /// The node of a pin.
    #[serde(default)]
    pub node: Option<u32>,
    /// Where rules contradict, larger is given up later.
    #[serde(default)]
    pub priority: i32,
}

impl Constraint {
    /// What is missing or too much: key, value, what was expected.
    #[must_use]
    pub fn fault(&self) -> Option<(&'static str, String, &'static str)> {
        use RuleKind::{AntiAffinity, CoTenancy, MaxCoresPerSocket, NumaPin};
        let kind = self.kind;
        let shown = |value: Option<String>| value.unwrap_or_else(|| "absent".into());
        let needs = |key, is_there: bool, wanted: bool, value: Option<String>, expected| {
            (is_there != wanted).then(|| (key, shown(value), expected))
        };
        let has_level = matches!(kind, AntiAffinity | CoTenancy);
        let level = self.level.map(|l| format!("{l:?}").to_lowercase());
        if let Some(others) = &self.others
            && kind != AntiAffinity
        {
            return Some((
                "others",
                others.clone(),
                "no such key but for anti_affinity",
            ));
        }
        if kind == CoTenancy && self.level == Some(RuleLevel::Core) {
            return Some(("level", shown(level), "l3 or numa for co_tenancy"));
        }
        let text = match has_level {
            true => "core (anti_affinity alone), l3 or numa",
            false => "no such key but for anti_affinity and co_tenancy",
        };
        let number = |value: Option<u32>| value.map(|n| n.to_string());
        needs("level", self.level.is_some(), has_level, level, text)
            .or_else(|| {
                let wanted = kind == MaxCoresPerSocket;
                let text = "a number of cores for max_cores_per_socket, absent for others";
                needs(
                    "cores",
                    self.cores.is_some(),
                    wanted,
                    number(self.cores),
                    text,
                )
            })
            .or_else(|| {
                let text = "a node's number for numa_pin, absent for others";
                needs(
                    "node",
                    self.node.is_some(),
                    kind == NumaPin,
                    number(self.node),
                    text,
                )
            })
            .or_else(|| {
                let others = self.others.as_deref().filter(|o| *o != "*");
                let globs = [
                    ("containers", Some(self.containers.as_str())),
                    ("others", others),
                ];
                globs.into_iter().find_map(|(key, text)| {
                    let text = text?;
                    let expected =
                        "a glob on container ids, as web/* or **, or on a label, as label:app=web*";
                    let is_wrong = Selector::new(text).is_none();
                    is_wrong.then(|| (key, format!("\"{text}\""), expected))
                })
            })
    }

    /// The rule in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let who = self.containers.escape_debug();
        let level = match self.level {
            Some(RuleLevel::Core) | None => "core",
            Some(RuleLevel::L3) => "L3",
            Some(RuleLevel::Numa) => "NUMA node",
        };
        match self.kind {
            RuleKind::AntiAffinity => match self.others.as_deref() {
                None => format!("'{who}' apart from each other on every {level}"),
                Some("*") => format!("'{who}' apart from all others on every {level}"),
                Some(others) => format!(
                    "'{who}' apart from '{}' on every {level}",
                    others.escape_debug()
                ),
            },
            RuleKind::CoTenancy => format!("'{who}' together on every {level}"),
            RuleKind::MaxCoresPerSocket => {
                format!(
                    "'{who}' on at most {} cores a socket",
                    self.cores.unwrap_or(0)
                )
            }
            RuleKind::NumaPin => format!("'{who}' on NUMA node {}", self.node.unwrap_or(0)),
            RuleKind::WholeCores => format!("'{who}' on whole cores"),
        }
    }
}

/// Sort key of the order in which rules are given up: lowest priority first;
/// of equals co-tenancy, anti-affinity by node, by L3, cores a socket, whole
/// cores, anti-affinity by core, pins; of equals the last in the list.
#[must_use]
pub(super) fn softness(index: usize, rule: &Constraint) -> (i32, u8, Reverse<usize>) {
    let kind = match (rule.kind, rule.level) {
        (RuleKind::CoTenancy, _) => 0,
        (RuleKind::AntiAffinity, Some(RuleLevel::Numa)) => 1,
        (RuleKind::AntiAffinity, Some(RuleLevel::L3)) => 2,
        (RuleKind::MaxCoresPerSocket, _) => 3,
        (RuleKind::WholeCores, _) => 4,
        (RuleKind::AntiAffinity, _) => 5,
        (RuleKind::NumaPin, _) => 6,
    };
    (rule.priority, kind, Reverse(index))
}

/// Who is meant: a glob on ids, or `label:KEY=GLOB`.
struct Selector<'a> {
    label: Option<&'a str>,
    glob: Glob,
}

impl<'a> Selector<'a> {
    /// None where the text is neither.
    fn new(text: &'a str) -> Option<Self> {
        let (label, pattern) = match text.strip_prefix("label:") {
            Some(label) => {
                let (key, pattern) = label.split_once('=')?;
                (Some(key), pattern)
            }
            None => (None, text),
        };
        let glob = Glob::new(pattern).ok()?;
        Some(Self { label, glob })
    }

    fn matches(&self, container: &ContainerSpec) -> bool {
        let text = match self.label {
            Some(label) => container.labels.get(label),
            None => Some(&container.id),
        };
        text.is_some_and(|text| self.glob.matches(text.as_bytes()))
    }
}

/// Replaces ids of pooled containers by what stands for them: the rules of an
/// instance in the terms of its normal form.
#[must_use]
pub(super) fn resolve(instance: &Instance) -> Vec<Resolved> {
    instance
        .constraints
        .iter()
        .map(|rule| {
            let glob = |text: &str| {
                let selector = Selector::new(text);
                let matches = |c: &ContainerSpec| selector.as_ref().is_some_and(|s| s.matches(c));
                let named = instance.containers.iter().filter(|c| matches(c));
                let ids = named.map(|c| match c.kind {
                    Kind::Pooled => POOL.to_owned(),
                    Kind::Static | Kind::Burst => c.id.clone(),
                });
                ids.collect()
            };
            let containers: BTreeSet<String> = glob(&rule.containers);
            let others = match rule.others.as_deref() {
                Some("*") => None,
                Some(text) => Some(glob(text)),
                None => Some(containers.clone()),
            };
            Resolved {
                rule: rule.clone(),
                containers,
                others,
            }
        })
        .collect()
}

/// What to tell of rules that are about nobody, since a pattern matches none of
/// the instance's containers. Not an error: containers come and go.
#[must_use]
pub fn idle_rules(instance: &Instance) -> Vec<String> {
    let rules = resolve(instance);
    let idle = (1..).zip(&rules).filter_map(|(number, resolved)| {
        let rule = &resolved.rule;
        let others = resolved.others.as_ref().filter(|others| others.is_empty());
        let pattern = match (resolved.containers.is_empty(), others, &rule.others) {
            (true, _, _) => &rule.containers,
            (false, Some(_), Some(others)) => others,
            _ => return None,
        };
        Some(format!(
            "rule {number} ({}) is about nobody: no container matches '{}'",
            rule.describe(),
            pattern.escape_debug()
        ))
    });
    idle.collect()
}

/// A rule with the containers that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// As written.
    pub rule: Constraint,
    /// Ids in the normal form.
    pub containers: BTreeSet<String>,
    /// Ids of the others; none: everybody.
    pub others: Option<BTreeSet<String>>,
}

/// The rules of a problem, by dense container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// What one break costs in a search: more than any placement.
    pub(super) price: i64,
    /// For each container, with whom it may not share a core; empty: nobody.
    pub(super) core_apart: Vec<Vec<bool>>,
    /// For each level, pairs a < b that may not meet in a group.
    pub(super) apart: [Vec<(usize, usize)>; 2],
    /// For each level, containers that share a group with nobody.
    pub(super) alone: [Vec<usize>; 2],
    /// For each level, pairs that are in the same groups.
    pub(super) together: [Vec<(usize, usize)>; 2],
    /// Container and most cores of a socket, each container once.
    pub(super) socket_cores: Vec<(usize, usize)>,
    /// Container and, for each NUMA group, whether it may be there.
    pub(super) pinned: Vec<(usize, Vec<bool>)>,
    /// Containers on whole cores.
    pub(super) whole: Vec<usize>,
    /// Whether some two may not share a core that may share one with others.
    pub(super) has_core_pairs: bool,
}

impl Rules {
    /// The rules among `ids`, on a host with NUMA groups of these labels.
    pub(super) fn new(rules: &[Resolved], ids: &[&str], nodes: &[Option<u32>]) -> Self {
        let mut dense = Self::default();
        let index = |set: &BTreeSet<String>| -> Vec<usize> {
            (0..ids.len()).filter(|&k| set.contains(ids[k])).collect()
        };
        for resolved in rules {
            let of = index(&resolved.containers);
            let rule = &resolved.rule;
            match rule.kind {
                RuleKind::AntiAffinity => {
                    let others = resolved.others.as_ref().map(index);
                    dense.keep_apart(&of, others, rule.level, ids.len());
                }
                RuleKind::CoTenancy => {
                    let level = if rule.level == Some(RuleLevel::L3) {
                        L3
                    } else {
                        NUMA
                    };
                    let pairs = of.windows(2).map(|pair| (pair[0], pair[1]));
                    dense.together[level].extend(pairs);
                }
                RuleKind::MaxCoresPerSocket => {
                    let most = rule.cores.unwrap_or(u32::MAX) as usize;
                    for k in of {
                        match dense.socket_cores.iter_mut().find(|s| s.0 == k) {
                            Some(known) => known.1 = known.1.min(most),
                            None => dense.socket_cores.push((k, most)),
                        }
                    }
                }
                RuleKind::NumaPin => {
                    for k in of {
                        let here = nodes.iter().map(|label| *label == rule.node).collect();
                        dense.pinned.push((k, here));
                    }
                }
                RuleKind::WholeCores => {
                    let all: Vec<usize> = (0..ids.len()).collect();
                    dense.keep_apart(&of, Some(all), Some(RuleLevel::Core), ids.len());
                    dense.whole.extend(of);
                }
            }
        }
        dense.whole.sort_unstable();
        dense.whole.dedup();
        dense.has_core_pairs = (0..dense.core_apart.len()).any(|a| {
            let mut row = dense.core_apart[a].iter().enumerate();
            !dense.is_core_alone(a) && row.any(|(b, &apart)| apart && !dense.is_core_alone(b))
        });
        for level in [L3, NUMA] {
            dense.apart[level].sort_unstable();
            dense.apart[level].dedup();
        }
        dense
    }

    /// `others`: none for everybody.
    fn keep_apart(
        &mut self,
        of: &[usize],
        others: Option<Vec<usize>>,
        level: Option<RuleLevel>,
        count: usize,
    ) {
        let group = match level {
            Some(RuleLevel::L3) => Some(L3),
            Some(RuleLevel::Numa) => Some(NUMA),
            Some(RuleLevel::Core) | None => None,
        };
        if let (Some(level), None) = (group, &others) {
            self.alone[level].extend(of);
            return;
        }
        let others = others.unwrap_or_else(|| (0..count).collect());
        if group.is_none() && self.core_apart.is_empty() {
            self.core_apart = vec![vec![false; count]; count];
        }
        for &a in of {
            for &b in others.iter().filter(|&&b| b != a) {
                match group {
                    Some(level) => self.apart[level].push((a.min(b), a.max(b))),
                    None => {
                        self.core_apart[a][b] = true;
                        self.core_apart[b][a] = true;
                    }
                }
            }
        }
    }

    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let groups = [&self.apart, &self.together];
        self.core_apart.is_empty()
            && groups.iter().all(|pairs| pairs.iter().all(Vec::is_empty))
            && self.alone.iter().all(Vec::is_empty)
            && self.socket_cores.is_empty()
            && self.pinned.is_empty()
            && self.whole.is_empty()
    }

    /// Whether `a` and `b` may not share a core.
    pub(super) fn is_core_apart(&self, a: usize, b: usize) -> bool {
        self.core_apart.get(a).is_some_and(|row| row[b])
    }

    /// Whether `k` shares a core with nobody.
    pub(super) fn is_core_alone(&self, k: usize) -> bool {
        let row = self.core_apart.get(k);
        row.is_some_and(|row| (0..row.len()).all(|other| other == k || row[other]))
    }

    /// For each container the first of those that are all apart from each other
    /// on a core and that it is one of; none where the containers that share
    /// cores do not fall into such sets.
    pub(super) fn core_sets(&self, containers: usize) -> Option<Vec<usize>> {
        let mut sets: Vec<usize> = (0..containers).collect();
        if !self.has_core_pairs {
            return Some(sets);
        }
        let apart = |a: usize, b: usize| {
            self.core_apart[a][b] && !self.is_core_alone(a) && !self.is_core_alone(b)
        };
        for b in 0..containers {
            if let Some(first) = (0..b).find(|&a| apart(a, b)) {
                sets[b] = sets[first];
            }
        }
        let is_set = |a: usize, b: usize| apart(a, b) == (sets[a] == sets[b]);
        let is_parted = (0..containers).all(|b| (0..b).all(|a| is_set(a, b)));
        is_parted.then_some(sets)
    }

    /// By how much `owners` breaks the rules: 0 if it keeps them all. Counted
    /// are pairs on a core; threads of the lesser side in a group; groups with
    /// one of two; threads off their node; cores too many on a socket; cores
    /// too many that are not whole.
    pub(super) fn broken(&self, problem: &Problem, owners: &Owners) -> i64 {
        if self.is_empty() {
            return 0;
        }
        let containers = problem.containers.len();
        let counts = [L3, NUMA].map(|level| {
            let groups = problem.levels[level].groups.len();
            let mut counts = vec![0i64; groups * containers];
            for (thread, owner) in problem.threads.iter().zip(owners) {
                if let Some(k) = owner {
                    counts[thread.group[level] * containers + *k as usize] += 1;
                }
            }
            counts
        });
        let now = |level: usize, group: usize, k: usize| counts[level][group * containers + k];
        let cores = 0..problem.cores.len();
        let mut broken: i64 = cores.map(|c| self.on_core(problem, owners, c)).sum();
        for level in [L3, NUMA] {
            let groups = 0..problem.levels[level].groups.len();
            broken += groups
                .map(|g| self.in_group(containers, level, &|k| now(level, g, k)))
                .sum::<i64>();
        }
        broken += (0..owners.len())
            .map(|t| self.off_node(problem, owners, t))
            .sum::<i64>();
        broken
            + (0..containers)
                .map(|k| self.by_cores(problem, owners, k))
                .sum::<i64>()
    }

    /// The part of [`Rules::broken`] that depends on these threads, one or two,
    /// and these containers: who owns the threads before or after a change.
    pub(super) fn broken_near(
        &self,
        problem: &Problem,
        owners: &Owners,
        threads: [usize; 2],
        of: [Option<u32>; 2],
        now: &dyn Fn(usize, usize, usize) -> i64,
    ) -> i64 {
        let [a, b] = threads.map(|t| &problem.threads[t]);
        let containers = problem.containers.len();
        let mut broken = self.on_core(problem, owners, a.core);
        if b.core != a.core {
            broken += self.on_core(problem, owners, b.core);
        }
        for level in [L3, NUMA] {
            let mut group =
                |g: usize| broken += self.in_group(containers, level, &|k| now(level, g, k));
            group(a.group[level]);
            if b.group[level] != a.group[level] {
                group(b.group[level]);
            }
        }
        broken += self.off_node(problem, owners, threads[0]);
        if threads[1] != threads[0] {
            broken += self.off_node(problem, owners, threads[1]);
        }
        let of = [of[0], of[1].filter(|_| of[1] != of[0])];
        let of = of.iter().flatten().map(|&k| k as usize);
        broken + of.map(|k| self.by_cores(problem, owners, k)).sum::<i64>()
    }

    /// Pairs on a core that may not be there.
    fn on_core(&self, problem: &Problem, owners: &Owners, core: usize) -> i64 {
        if self.core_apart.is_empty() {
            return 0;
        }
        let core = &problem.cores[core];
        let mut met = 0;
        for (place, &t) in core.iter().enumerate() {
            let Some(a) = owners[t] else { continue };
            let others = core[place + 1..].iter().filter_map(|&u| owners[u]);
            met += others
                .filter(|&b| self.core_apart[a as usize][b as usize])
                .count();
        }
        met as i64
    }

    /// What is broken in a group where `now` says who has how many threads.
    fn in_group(&self, containers: usize, level: usize, now: &dyn Fn(usize) -> i64) -> i64 {
        let apart = self.apart[level].iter();
        let mut broken: i64 = apart.map(|&(a, b)| now(a).min(now(b))).sum();
        if !self.alone[level].is_empty() {
            let all: i64 = (0..containers).map(now).sum();
            let alone = self.alone[level].iter();
            broken += alone.map(|&a| now(a).min(all - now(a))).sum::<i64>();
        }
        let together = self.together[level].iter();
        let one = together.filter(|&&(a, b)| (now(a) > 0) != (now(b) > 0));
        broken + one.count() as i64
    }

    /// Pins that the owner of `thread` breaks there.
    fn off_node(&self, problem: &Problem, owners: &Owners, thread: usize) -> i64 {
        let node = problem.threads[thread].group[NUMA];
        let Some(k) = owners[thread] else { return 0 };
        let pins = self.pinned.iter();
        pins.filter(|(of, here)| *of == k as usize && !here[node])
            .count() as i64
    }

    /// Cores of `k` too many on a socket, or too many that are not whole.
    fn by_cores(&self, problem: &Problem, owners: &Owners, k: usize) -> i64 {
        let most = self.socket_cores.iter().find(|s| s.0 == k).map(|s| s.1);
        let is_whole = self.whole.binary_search(&k).is_ok();
        if most.is_none() && !is_whole {
            return 0;
        }
        let mut cores = vec![0usize; problem.sockets];
        let mut partly = 0;
        for core in problem.cores.iter() {
            let own = core
                .iter()
                .filter(|&&t| owners[t].is_some_and(|o| o as usize == k));
            let own = own.count();
            if own > 0 {
                cores[problem.threads[core[0]].socket] += 1;
                partly += i64::from(own < core.len());
            }
        }
        let over =
            |most: usize| -> i64 { cores.iter().map(|n| n.saturating_sub(most) as i64).sum() };
        let not_whole = if is_whole { (partly - 1).max(0) } else { 0 };
        most.map_or(0, over) + not_whole
    }
}

#[cfg(test)]
mod tests;
