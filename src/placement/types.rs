//! Plain data of the placement model (schema `placement/1`).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lend::{Lending, Overrun};
use super::rules::Constraint;
use crate::cpuset::CpuSet;
use crate::topology::Topology;

/// What a container may ask of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Exactly its request, exclusively while the host can hold it.
    #[default]
    Static,
    /// Its request, and free threads lent beside it.
    Burst,
    /// No request of its own: shares one pseudo-container with its like.
    Pooled,
}

/// A per-mille weight for each cache and memory level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelWeights {
    /// L3 (last-level cache) domains.
    pub l3: i64,
    /// NUMA nodes.
    pub numa: i64,
}

/// What a moved thread costs, in micro-CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveWeights {
    /// Leaving a thread.
    pub thread: i64,
    /// In addition, leaving an L3 domain.
    pub l3: i64,
    /// In addition, leaving a NUMA node.
    pub numa: i64,
}

/// Cost weights: per mille of a busy CPU, except `movement`, in micro-CPU a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weights {
    /// Sibling hyper-thread busy.
    pub smt_busy: i64,
    /// Sibling runs another container, in addition.
    pub smt_foreign: i64,
    /// A full stop's worth of slower core: times (1000 - perf) / 1000.
    pub slow_core: i64,
    /// A thread away from the container's home node.
    pub away: i64,
    /// Each further group a container is spread over.
    pub spread: LevelWeights,
    /// Load of a group above the even share.
    pub balance: LevelWeights,
    /// Movement from the previous placement.
    #[serde(rename = "move")]
    pub movement: MoveWeights,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            smt_busy: 200,
            smt_foreign: 100,
            slow_core: 1000,
            away: 100,
            spread: LevelWeights { l3: 60, numa: 600 },
            balance: LevelWeights { l3: 100, numa: 50 },
            movement: MoveWeights {
                thread: 5000,
                l3: 10_000,
                numa: 150_000,
            },
        }
    }
}

impl Weights {
    /// The weights by their names in the schema.
    #[must_use]
    pub fn named(&self) -> [(&'static str, i64); 11] {
        let mut copy = *self;
        copy.named_mut().map(|(name, weight)| (name, *weight))
    }

    /// The weights by name, to be set.
    pub fn named_mut(&mut self) -> [(&'static str, &mut i64); 11] {
        [
            ("smt_busy", &mut self.smt_busy),
            ("smt_foreign", &mut self.smt_foreign),
            ("slow_core", &mut self.slow_core),
            ("away", &mut self.away),
            ("spread.l3", &mut self.spread.l3),
            ("spread.numa", &mut self.spread.numa),
            ("balance.l3", &mut self.balance.l3),
            ("balance.numa", &mut self.balance.numa),
            ("move.thread", &mut self.movement.thread),
            ("move.l3", &mut self.movement.l3),
            ("move.numa", &mut self.movement.numa),
        ]
    }

    /// The first weight outside 0 to [`LARGEST_WEIGHT`].
    #[must_use]
    pub fn first_wrong(&self) -> Option<(&'static str, i64)> {
        let is_wrong = |w: &(&'static str, i64)| !(0..=LARGEST_WEIGHT).contains(&w.1);
        self.named().into_iter().find(is_wrong)
    }
}

/// Largest weight: keeps every cost below 2^63 on the largest host that is read.
pub const LARGEST_WEIGHT: i64 = 1_000_000_000;

/// One container as the model sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Unique name. `@pool` is reserved for the pooled pseudo-container.
    pub id: String,
    /// r_k: threads requested, at least 1; 0 only where `kind` is pooled.
    pub cpus: u32,
    /// u_k: predicted P95 use, in CPUs.
    pub predicted_p95: f64,
    /// rho_k: predicted use of one thread, milli-CPU; it alone counts for the
    /// cost. Absent: derived from the two above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rho_mcpu: Option<i64>,
    /// Static, burst or pooled.
    #[serde(default)]
    pub kind: Kind,
    /// P_k: the base set assigned last; none for a newcomer.
    #[serde(default)]
    pub previous: Option<Vec<crate::cpuset::CpuId>>,
    /// NUMA node that holds most of its memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<u32>,
    /// What a pooled container asks for before rounding up, milli-CPU; absent:
    /// `cpus`, of which 0 says that the request is unknown. Only the sum over
    /// the pooled ones is rounded up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_mcpu: Option<u32>,
    /// Larger keeps its exclusivity longer on an over-full host.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// What rules may choose it by, beside its id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// That it used more than predicted, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrun: Option<Overrun>,
    /// Whether its cpuset may overlap nobody's (cgroup v1, `cpu_exclusive`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub exclusive: bool,
}

impl ContainerSpec {
    /// A static newcomer.
    #[must_use]
    pub fn new(id: impl Into<String>, cpus: u32, predicted_p95: f64) -> Self {
        Self {
            id: id.into(),
            cpus,
            predicted_p95,
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
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(value: &i32) -> bool {
    *value == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

/// A host file as given with `--host` (schema `placement/1`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostFile {
    /// `placement/1`.
    pub schema: String,
    /// The problem itself.
    #[serde(flatten)]
    pub instance: Instance,
}

/// A placement problem: host, containers, weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Cost weights.
    #[serde(default)]
    pub weights: Weights,
    /// The host.
    pub topology: Topology,
    /// The containers, each id once.
    pub containers: Vec<ContainerSpec>,
    /// What a placement must keep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Constraint>,
    /// CPUs that the host's own work runs on.
    #[serde(default, skip_serializing_if = "System::is_none")]
    pub system: System,
    /// What burst and pooled containers are lent.
    #[serde(default, skip_serializing_if = "Lending::is_default")]
    pub lending: Lending,
}

/// The host's own work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// Where it runs.
    pub cpus: CpuSet,
    /// How busy it keeps each of these, milli-CPU. None: containers never get
    /// them; else they may, and what is lost there is charged.
    #[serde(default)]
    pub usage_mcpu: Option<u32>,
}

impl System {
    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.cpus.is_empty()
    }

    /// The CPUs that containers never get.
    #[must_use]
    pub fn reserved(&self) -> CpuSet {
        match self.usage_mcpu {
            None => self.cpus.clone(),
            Some(_) => CpuSet::new(),
        }
    }
}

impl Instance {
    /// Online CPUs that containers never get: those of the host's own work,
    /// unless they are counted with a usage, and those isolated at boot.
    #[must_use]
    pub fn withheld(&self) -> CpuSet {
        let isolated = self.topology.cpus.iter().filter(|cpu| cpu.isolated);
        let isolated: CpuSet = isolated.map(|cpu| cpu.id).collect();
        let all = isolated.union(&self.system.reserved());
        all.intersection(&self.topology.online())
    }
}

/// Base threads by container id.
pub type Placement = BTreeMap<String, CpuSet>;

/// The cost by cause, micro-CPU; the sum is the cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostParts {
    /// Busy sibling hyper-threads.
    pub smt: i64,
    /// Containers spread over caches and nodes.
    pub spread: i64,
    /// Groups loaded above the even share.
    pub balance: i64,
    /// Threads moved from the previous placement.
    #[serde(rename = "move")]
    pub movement: i64,
    /// Slower core kinds.
    pub slow: i64,
    /// Threads away from the home node.
    pub away: i64,
}

impl CostParts {
    /// The cost, micro-CPU.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.smt + self.spread + self.balance + self.movement + self.slow + self.away
    }
}

/// How a solve may stop and when its answer is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SolveSettings {
    /// Wall-clock budget of the whole solve, build included; none: no limit.
    pub budget: Option<Duration>,
    /// Stop at this work count; none: no limit. Replay sets it.
    pub work_limit: Option<u64>,
    /// Relative gap at which the search may stop.
    pub gap_stop: f64,
    /// Relative gap above which the answer is refused; none: off.
    pub gap_refuse: Option<f64>,
    /// Least gain over keeping, micro-CPU, that pays for acting.
    pub least_gain: f64,
    /// Most threads moved a round; none: off.
    pub max_moves: Option<u32>,
    /// Seed of every random choice.
    pub seed: u64,
}

impl Default for SolveSettings {
    fn default() -> Self {
        Self {
            budget: Some(Duration::from_millis(50)),
            work_limit: None,
            gap_stop: 0.0,
            gap_refuse: None,
            least_gain: 0.0,
            max_moves: None,
            seed: 0,
        }
    }
}

/// How an answer came about (DESIGN, "Guardrails").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The solver's answer, proved within min(gap_stop, 1e-6).
    Optimal,
    /// The solver's answer; a looser `gap_stop` ended the search.
    GapReached,
    /// The solver's answer; the budget ended the search.
    TimeLimit,
    /// A guardrail refused: the old placement stays.
    Kept,
    /// Greedy or keep-and-fit was at least as good, or the host is over-full.
    Fallback,
    /// The rules contradict each other; the softest were given up.
    Relaxed,
}

/// A placement with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// How it came about.
    pub status: Status,
    /// Base threads; the pooled ones as one entry `@pool`.
    pub placement: Placement,
    /// Free threads lent to burst and pooled containers.
    pub lent: Placement,
    /// Cost by cause; the sum is the cost.
    pub cost_parts: CostParts,
    /// A valid lower bound on every placement's cost, micro-CPU.
    pub lower_bound: i64,
    /// Threads that leave their container's previous base set.
    pub moved_threads: u32,
    /// Work done when the search stopped.
    pub work: u64,
    /// Why the status is not `optimal`, in words; empty if it is.
    pub reasons: Vec<String>,
}

impl Answer {
    /// The cost, micro-CPU.
    #[must_use]
    pub fn cost(&self) -> i64 {
        self.cost_parts.total()
    }

    /// (cost - bound) / max(cost, 1).
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a ratio for display and guardrails; costs stay below 2^53"
    )]
    pub fn gap(&self) -> f64 {
        let cost = self.cost();
        (cost - self.lower_bound) as f64 / cost.max(1) as f64
    }
}
