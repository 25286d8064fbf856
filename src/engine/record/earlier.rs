//! Rounds of earlier schemas: read, never written.
//!
//! Schema 1 had no constraints and no use of system CPUs; schemas 1 and 2 had
//! no lending settings, knew of no overruns, and their predictions carried no
//! confidence. What was lent then is what
//! `empty` lends to the pool.

use serde::Deserialize;

use super::super::state::{Decision, Event, Managed, Settings, State};
use crate::cgroup::journal::JournalState;
use crate::cgroup::{Container, Version};
use crate::cpuset::CpuSet;
use crate::placement::{
    Constraint, Lending, LendingPolicy, SolveSettings, System, WarmStart, Weights,
};
use crate::predict::{self, Link};
use crate::topology::Topology;

/// A round of schema 1.
pub(super) type First = Round<FirstSettings>;

/// A round of schema 2.
pub(super) type Second = Round<SecondSettings>;

#[derive(Deserialize)]
pub(super) struct Round<S> {
    state: OldState<S>,
    event: Event,
    decision: Decision,
    elapsed_s: f64,
}

#[derive(Deserialize)]
struct OldState<S> {
    now_s: f64,
    version: Version,
    topology: Topology,
    settings: S,
    containers: Vec<OldManaged>,
    pool_assigned: Option<CpuSet>,
    first_sets: JournalState,
}

#[derive(Deserialize)]
struct OldManaged {
    container: Container,
    prediction: OldPrediction,
    assigned: Option<CpuSet>,
}

#[derive(Deserialize)]
struct OldPrediction {
    p95: f64,
    p50: Option<f64>,
    link: Link,
    age_s: f64,
    interval_s: Option<f64>,
    why: String,
}

#[derive(Deserialize)]
pub(super) struct FirstSettings {
    solve: SolveSettings,
    system_cpus: CpuSet,
    weights: Weights,
}

#[derive(Deserialize)]
pub(super) struct SecondSettings {
    solve: SolveSettings,
    system: System,
    weights: Weights,
    constraints: Vec<Constraint>,
}

impl From<FirstSettings> for SecondSettings {
    fn from(old: FirstSettings) -> Self {
        Self {
            solve: old.solve,
            system: System {
                cpus: old.system_cpus,
                usage_mcpu: None,
            },
            weights: old.weights,
            constraints: Vec::new(),
        }
    }
}

impl From<SecondSettings> for Settings {
    fn from(old: SecondSettings) -> Self {
        Self {
            solve: old.solve,
            system: old.system,
            weights: old.weights,
            constraints: old.constraints,
            lending: Lending {
                policy: LendingPolicy::Empty,
                ..Lending::default()
            },
        }
    }
}

impl From<OldManaged> for Managed {
    fn from(old: OldManaged) -> Self {
        let prediction = old.prediction;
        Self {
            container: old.container,
            prediction: predict::Prediction {
                p95: prediction.p95,
                p50: prediction.p50,
                link: prediction.link,
                age_s: prediction.age_s,
                interval_s: prediction.interval_s,
                confidence: None,
                why: prediction.why,
            },
            assigned: old.assigned,
            overrun: None,
        }
    }
}

impl<S: Into<SecondSettings>> Round<S> {
    /// The round in today's form.
    pub(super) fn into_round(self) -> super::Round {
        let state = self.state;
        let settings: SecondSettings = state.settings.into();
        super::Round {
            state: State {
                now_s: state.now_s,
                version: state.version,
                topology: state.topology,
                settings: settings.into(),
                containers: state.containers.into_iter().map(Into::into).collect(),
                pool_assigned: state.pool_assigned,
                first_sets: state.first_sets,
                warm: WarmStart::default(),
            },
            event: self.event,
            decision: self.decision,
            elapsed_s: self.elapsed_s,
        }
    }
}
