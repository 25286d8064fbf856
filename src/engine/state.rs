//! What a decision is made from, and what it is. Plain data, all of it in the
//! journal, so that a decision can be made again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cgroup::journal::JournalState;
use crate::cgroup::{Container, CpusetWrite, Version};
use crate::cpuset::CpuSet;
use crate::placement::{
    Answer, Constraint, Lending, Overrun, SolveSettings, System, WarmStart, Weights,
};
use crate::predict::Prediction;
use crate::topology::Topology;

/// Settings that a decision depends on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Budget, gaps and guardrails.
    pub solve: SolveSettings,
    /// CPUs of the host's own work.
    pub system: System,
    /// Cost weights.
    pub weights: Weights,
    /// What a placement must keep.
    pub constraints: Vec<Constraint>,
    /// What burst and pooled containers are lent, with what they were lent in
    /// the last decision.
    pub lending: Lending,
}

/// A container with what is known of it in this round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Managed {
    /// As observed.
    pub container: Container,
    /// Its predicted use.
    pub prediction: Prediction,
    /// The base set that was assigned to it last; none if never, or since a restore.
    pub assigned: Option<CpuSet>,
    /// That it used more since the last decision than that predicted.
    pub overrun: Option<Overrun>,
}

/// The host at one moment, with all that the decision uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Seconds since the epoch, UTC. For people; no decision depends on it.
    pub now_s: f64,
    /// The cgroup version, which the order of writes depends on.
    pub version: Version,
    /// The CPUs.
    pub topology: Topology,
    /// Settings.
    pub settings: Settings,
    /// The containers by id, those left alone included.
    pub containers: Vec<Managed>,
    /// Base set of the pooled pseudo-container in the last decision.
    pub pool_assigned: Option<CpuSet>,
    /// What the journal knows of containers with nested directories: their
    /// first sets, which the nested ones are mapped from.
    pub first_sets: JournalState,
    /// What the search of the last decision left: see [`crate::placement::place_from`].
    /// Beside the rest in the journal.
    #[serde(skip)]
    pub warm: WarmStart,
}

/// Why a round happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// Containers came (and perhaps others went).
    Add(Vec<String>),
    /// Containers went.
    Remove(Vec<String>),
    /// Neither.
    Rebalance,
}

impl Event {
    /// The event between two rounds: ids of the containers in the last
    /// decision, ids now. Both ascending or not; the event lists ascending.
    #[must_use]
    pub fn infer<'a>(
        before: impl IntoIterator<Item = &'a str>,
        now: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let before: std::collections::BTreeSet<&str> = before.into_iter().collect();
        let now: std::collections::BTreeSet<&str> = now.into_iter().collect();
        let names = |ids: Vec<&&str>| ids.into_iter().map(ToString::to_string).collect::<Vec<_>>();
        let (added, removed) = (
            names(now.difference(&before).collect()),
            names(before.difference(&now).collect()),
        );
        match (added.is_empty(), removed.is_empty()) {
            (false, _) => Self::Add(added),
            (true, false) => Self::Remove(removed),
            (true, true) => Self::Rebalance,
        }
    }

    /// `add`, `remove` or `rebalance`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Add(_) => "add",
            Self::Remove(_) => "remove",
            Self::Rebalance => "rebalance",
        }
    }
}

/// What to do; leaves nothing to choose later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The placement with its evidence.
    pub answer: Answer,
    /// What each managed container's cpuset becomes: base and lent threads.
    pub cpusets: BTreeMap<String, CpuSet>,
    /// The writes, in order.
    pub writes: Vec<CpusetWrite>,
    /// Containers left alone, with the reason.
    pub left_alone: BTreeMap<String, String>,
}

/// A decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What to do.
    pub plan: Plan,
    /// Why, in words.
    pub explanation: Vec<String>,
    /// Seconds until the search began; a time, so not compared.
    pub build_s: f64,
    /// What the next round's search starts from; none in a record of an earlier schema.
    /// Beside the rest in the journal.
    #[serde(skip)]
    pub warm: Option<WarmStart>,
}

impl Decision {
    /// Whether the two decide the same, to the byte. A record of an earlier
    /// schema says nothing of what the search leaves.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.plan == other.plan
            && self.explanation == other.explanation
            && (self.warm.is_none() || self.warm == other.warm)
    }
}
