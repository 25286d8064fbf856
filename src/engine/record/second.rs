//! Rounds of schema 2, before predictions carried a confidence: read, never written.

use serde::Deserialize;

use super::super::state::{self, Decision, Event, Settings, State};
use crate::cgroup::journal::JournalState;
use crate::cgroup::{Container, Version};
use crate::cpuset::CpuSet;
use crate::predict::{self, Link};
use crate::topology::Topology;

#[derive(Deserialize)]
pub(super) struct Round {
    state: SecondState,
    event: Event,
    decision: Decision,
    elapsed_s: f64,
}

#[derive(Deserialize)]
struct SecondState {
    now_s: f64,
    version: Version,
    topology: Topology,
    settings: Settings,
    containers: Vec<Managed>,
    pool_assigned: Option<CpuSet>,
    first_sets: JournalState,
}

#[derive(Deserialize)]
pub(super) struct Managed {
    container: Container,
    prediction: Prediction,
    assigned: Option<CpuSet>,
}

#[derive(Deserialize)]
struct Prediction {
    p95: f64,
    p50: Option<f64>,
    link: Link,
    age_s: f64,
    interval_s: Option<f64>,
    why: String,
}

impl From<Managed> for state::Managed {
    fn from(managed: Managed) -> Self {
        let prediction = managed.prediction;
        Self {
            container: managed.container,
            prediction: predict::Prediction {
                p95: prediction.p95,
                p50: prediction.p50,
                link: prediction.link,
                age_s: prediction.age_s,
                interval_s: prediction.interval_s,
                confidence: None,
                why: prediction.why,
            },
            assigned: managed.assigned,
        }
    }
}

impl From<Round> for super::Round {
    fn from(round: Round) -> Self {
        let state = round.state;
        Self {
            state: State {
                now_s: state.now_s,
                version: state.version,
                topology: state.topology,
                settings: state.settings,
                containers: state.containers.into_iter().map(Into::into).collect(),
                pool_assigned: state.pool_assigned,
                first_sets: state.first_sets,
            },
            event: round.event,
            decision: round.decision,
            elapsed_s: round.elapsed_s,
        }
    }
}
