//! Rounds of schema 1, before there were constraints: read, never written.

use serde::Deserialize;

use super::super::state::{Decision, Event, Settings, State};
use super::second::Managed;
use crate::cgroup::Version;
use crate::cgroup::journal::JournalState;
use crate::cpuset::CpuSet;
use crate::placement::{SolveSettings, System, Weights};
use crate::topology::Topology;

#[derive(Deserialize)]
pub(super) struct Round {
    state: FirstState,
    event: Event,
    decision: Decision,
    elapsed_s: f64,
}

#[derive(Deserialize)]
struct FirstState {
    now_s: f64,
    version: Version,
    topology: Topology,
    settings: FirstSettings,
    containers: Vec<Managed>,
    pool_assigned: Option<CpuSet>,
    first_sets: JournalState,
}

#[derive(Deserialize)]
struct FirstSettings {
    solve: SolveSettings,
    system_cpus: CpuSet,
    weights: Weights,
}

impl From<Round> for super::Round {
    fn from(round: Round) -> Self {
        let state = round.state;
        let settings = state.settings;
        Self {
            state: State {
                now_s: state.now_s,
                version: state.version,
                topology: state.topology,
                settings: Settings {
                    solve: settings.solve,
                    system: System {
                        cpus: settings.system_cpus,
                        usage_mcpu: None,
                    },
                    weights: settings.weights,
                    constraints: Vec::new(),
                },
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
