//! What is counted, and its expected value for one interval.
//!
//! With the sets S of the crowds, E the mean over the choices described in
//! [`super`], and for sets A, B of CPUs
//!
//! ```text
//! sib(A, B) = ordered pairs of different CPUs, the first in A, the second in B, on one core
//! m_k       = E[n_k (n_k - 1)] = a (a - 1) + 2 a (d_k - a),   a = floor(d_k)
//! ```
//!
//! a pair of threads of one crowd is on siblings with probability
//! sib(S, S) / (|S| (|S| - 1)), a pair of different crowds with probability
//! sib(S, T) / (|S| |T|), and on one CPU with |S & T| / (|S| |T|). By linearity
//! the counters below are sums of these over pairs of threads. A thread with
//! two busy siblings (SMT above 2) counts twice.
//!
//! Nodes: n threads of S are on sum over nodes g of 1 - C(|S| - s_g, n) / C(|S|, n)
//! nodes, s_g CPUs of S being on g.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cpuset::{CpuId, CpuSet};
use crate::topology::Topology;

/// Sums over the intervals of a run; seconds unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counters {
    /// CPU-seconds that containers wanted.
    pub wanted_s: f64,
    /// Of these, CPU-seconds in vain: more threads than CPUs in the cpuset.
    pub waiting_s: f64,
    /// Thread-seconds with a busy sibling.
    pub smt_s: f64,
    /// Of these, with a sibling that ran another container.
    pub foreign_s: f64,
    /// Thread-seconds on a CPU that a container of another cpuset wanted too.
    pub contended_s: f64,
    /// Container-seconds for each NUMA node beyond the first that was run on.
    pub nodes_s: f64,
    /// Container-seconds in which more was wanted than the cpuset has.
    pub over_s: f64,
    /// Thread-seconds lent.
    pub lent_s: f64,
    /// Base threads moved.
    pub moves: u64,
}

impl Counters {
    /// Adds `other`.
    pub(super) fn add(&mut self, other: &Self) {
        self.wanted_s += other.wanted_s;
        self.waiting_s += other.waiting_s;
        self.smt_s += other.smt_s;
        self.foreign_s += other.foreign_s;
        self.contended_s += other.contended_s;
        self.nodes_s += other.nodes_s;
        self.over_s += other.over_s;
        self.lent_s += other.lent_s;
        self.moves += other.moves;
    }
}

/// A host as far as counting goes.
#[derive(Debug)]
pub(super) struct Places {
    /// Siblings of each CPU, itself left out.
    siblings: BTreeMap<CpuId, Vec<CpuId>>,
    /// CPUs of each node.
    nodes: Vec<CpuSet>,
}

/// Containers with one cpuset: index and CPUs wanted.
struct Crowd<'a> {
    set: &'a CpuSet,
    members: Vec<(usize, f64)>,
    /// Part of the time that its threads run.
    rate: f64,
}

impl Places {
    pub(super) fn new(topology: &Topology) -> Self {
        let online = || topology.cpus.iter().filter(|cpu| cpu.online);
        let core = |cpu: &crate::topology::Cpu| cpu.core.map_or((1, cpu.id.0), |c| (0, c));
        let siblings = online().map(|cpu| {
            let same = online().filter(|o| o.id != cpu.id && core(o) == core(cpu));
            (cpu.id, same.map(|o| o.id).collect())
        });
        let mut nodes: BTreeMap<Option<u32>, CpuSet> = BTreeMap::new();
        for cpu in online() {
            nodes.entry(cpu.numa).or_default().insert(cpu.id);
        }
        Self {
            siblings: siblings.collect(),
            nodes: nodes.into_values().collect(),
        }
    }

    /// sib(A, B) of the module's text.
    fn pairs(&self, a: &CpuSet, b: &CpuSet) -> f64 {
        let of = |cpu: CpuId| self.siblings.get(&cpu).into_iter().flatten();
        let count: usize = a
            .iter()
            .map(|cpu| of(cpu).filter(|other| b.contains(**other)).count())
            .sum();
        real(count)
    }

    /// The counters of `interval_s` seconds, and the CPUs that each container
    /// used: `containers` are cpuset and CPUs wanted.
    pub(super) fn count(
        &self,
        containers: &[(CpuSet, f64)],
        interval_s: f64,
    ) -> (Counters, Vec<f64>) {
        let mut by_set: BTreeMap<&CpuSet, Vec<(usize, f64)>> = BTreeMap::new();
        for (index, (set, wants)) in containers.iter().enumerate() {
            by_set.entry(set).or_default().push((index, *wants));
        }
        let crowds: Vec<Crowd<'_>> = by_set
            .into_iter()
            .filter(|(set, _)| !set.is_empty())
            .map(|(set, members)| {
                let wanted: f64 = members.iter().map(|m| m.1).sum();
                let rate = (real(set.len()) / wanted.max(f64::MIN_POSITIVE)).min(1.0);
                Crowd { set, members, rate }
            })
            .collect();
        let mut c = Counters::default();
        let mut used = vec![0.0; containers.len()];
        for (place, crowd) in crowds.iter().enumerate() {
            self.count_crowd(crowd, &mut c, &mut used);
            for other in crowds.iter().skip(place + 1) {
                self.count_between(crowd, other, &mut c);
            }
        }
        let scaled = Counters {
            wanted_s: c.wanted_s * interval_s,
            waiting_s: c.waiting_s * interval_s,
            smt_s: c.smt_s * interval_s,
            foreign_s: c.foreign_s * interval_s,
            contended_s: c.contended_s * interval_s,
            nodes_s: c.nodes_s * interval_s,
            over_s: c.over_s * interval_s,
            ..Counters::default()
        };
        (scaled, used)
    }

    fn count_crowd(&self, crowd: &Crowd<'_>, c: &mut Counters, used: &mut [f64]) {
        let size = real(crowd.set.len());
        let adjacent = if size > 1.0 {
            self.pairs(crowd.set, crowd.set) / (size * (size - 1.0))
        } else {
            0.0
        };
        let both = crowd.rate * crowd.rate;
        let total: f64 = crowd.members.iter().map(|m| m.1).sum();
        for &(index, wants) in &crowd.members {
            used[index] = wants * crowd.rate;
            c.wanted_s += wants;
            c.waiting_s += wants * (1.0 - crowd.rate);
            let own = second_moment(wants) * both * adjacent;
            let foreign = wants * (total - wants) * both * adjacent;
            c.smt_s += own + foreign;
            c.foreign_s += foreign;
            c.over_s += if total > size && wants > 0.0 {
                1.0
            } else {
                0.0
            };
            c.nodes_s += self.extra_nodes(crowd.set, wants * crowd.rate);
        }
    }

    fn count_between(&self, a: &Crowd<'_>, b: &Crowd<'_>, c: &mut Counters) {
        let runs = |crowd: &Crowd<'_>| crowd.rate * crowd.members.iter().map(|m| m.1).sum::<f64>();
        let threads = runs(a) * runs(b) / (real(a.set.len()) * real(b.set.len()));
        // Both threads of a pair are counted.
        let foreign = 2.0 * threads * self.pairs(a.set, b.set);
        c.smt_s += foreign;
        c.foreign_s += foreign;
        c.contended_s += 2.0 * threads * real(a.set.intersection(b.set).len());
    }

    /// Expected nodes beyond the first of `runs` threads on `set`.
    fn extra_nodes(&self, set: &CpuSet, runs: f64) -> f64 {
        let sizes: Vec<usize> = self
            .nodes
            .iter()
            .map(|node| node.intersection(set).len())
            .filter(|size| *size > 0)
            .collect();
        if sizes.len() < 2 {
            return 0.0;
        }
        let low = runs.floor();
        let of = |threads: f64| {
            let nodes: f64 = sizes
                .iter()
                .map(|size| 1.0 - none_on(set.len(), *size, threads))
                .sum();
            (nodes - 1.0).max(0.0)
        };
        let part = runs - low;
        (1.0 - part) * of(low) + part * of(low + 1.0)
    }
}

/// Probability that none of `threads` distinct CPUs of `all` is among `some`.
fn none_on(all: usize, some: usize, threads: f64) -> f64 {
    let mut chance = 1.0;
    let mut drawn = 0.0;
    while drawn < threads {
        chance *= ((real(all) - real(some) - drawn) / (real(all) - drawn)).max(0.0);
        drawn += 1.0;
    }
    chance
}

/// E[n (n - 1)] for n = `mean` rounded up or down at random.
fn second_moment(mean: f64) -> f64 {
    let low = mean.floor();
    low * (low - 1.0) + 2.0 * low * (mean - low)
}

#[expect(clippy::cast_precision_loss, reason = "counts of CPUs")]
fn real(count: usize) -> f64 {
    count as f64
}
