//! A host for the demo and the benches: containers pinned in CPU order by
//! somebody who did not look at the topology, a newcomer, and their recorded
//! use (`fixtures/demo/host.json`, `fixtures/traces/demo.csv`).

use std::fmt::Display;
use std::time::Duration;

use super::{Managed, Settings, State};
use crate::cgroup::journal::JournalState;
use crate::cgroup::{
    Container, ContainerKey, Context, CpusetDir, Fence, Layout, Pinned, Request, RequestSource,
    Version,
};
use crate::cpuset::CpuSet;
use crate::history::trace::parse_traces;
use crate::placement::{ContainerSpec, SolveSettings, WarmStart, parse_host};
use crate::predict::built_in;
use crate::predict::forecast::{Chain, predict_once};

const HOST: &[u8] = include_bytes!("../../fixtures/demo/host.json");
const TRACES: &str = include_str!("../../fixtures/traces/demo.csv");

/// Long enough to prove the demo's placement on a slow machine, and well
/// within the two seconds that a first look may take.
const BUDGET: Duration = Duration::from_millis(1500);

/// The embedded host as a round would have observed it.
///
/// # Errors
/// Only if the embedded files are broken, which a test rules out.
pub fn embedded_state() -> Result<State, String> {
    let bug = |what: &str, e: &dyn Display| format!("embedded {what}: {e}");
    let instance = parse_host(HOST, "host.json").map_err(|e| bug("host", &e))?;
    let traces = parse_traces(TRACES).map_err(|e| bug("traces", &e))?;
    let online = instance.topology.online();
    let trees = built_in().map_err(|e| bug("model", &e))?;
    let chain = Chain {
        trees: Ok(&trees),
        coverage: 0.95,
        step: None,
    };
    let mut containers = Vec::new();
    for (spec, inode) in instance.containers.iter().zip(1..) {
        let request = Some(f64::from(spec.cpus));
        let trace = traces.iter().find(|t| t.id == spec.id);
        let last_s = trace.and_then(|t| t.samples.last()).map(|s| s.0);
        let (trace, last_s) = trace
            .zip(last_s)
            .ok_or_else(|| bug("traces", &format_args!("none of {}", spec.id)))?;
        let features = trace.features_at(last_s, request, request);
        let memory = trace.memory();
        containers.push(Managed {
            container: container(spec, inode, &online),
            prediction: predict_once(&features, &memory, &chain),
            assigned: previous(spec),
            overrun: None,
        });
    }
    containers.sort_by(|a, b| a.container.id.cmp(&b.container.id));
    let solve = SolveSettings {
        budget: Some(BUDGET),
        ..SolveSettings::default()
    };
    Ok(State {
        now_s: 0.0,
        version: Version::V2,
        topology: instance.topology,
        settings: Settings {
            solve,
            weights: instance.weights,
            ..Settings::default()
        },
        containers,
        pool_assigned: None,
        first_sets: JournalState::default(),
        warm: WarmStart::default(),
    })
}

fn previous(spec: &ContainerSpec) -> Option<CpuSet> {
    spec.previous
        .as_ref()
        .map(|cpus| cpus.iter().copied().collect())
}

fn container(spec: &ContainerSpec, inode: u64, online: &CpuSet) -> Container {
    let key = ContainerKey {
        boot_id: "demo".into(),
        inode,
    };
    let cpus = previous(spec);
    let dir = CpusetDir {
        key: key.clone(),
        path: spec.id.clone().into_bytes(),
        effective: cpus.clone().unwrap_or_else(|| online.clone()),
        cpus: cpus.unwrap_or_default(),
        mems: String::new(),
        exclusive: false,
        partition: None,
    };
    Container {
        key,
        id: spec.id.clone(),
        layout: Layout::Docker,
        subtree: vec![dir],
        parent_effective: online.clone(),
        request: Request {
            cpus: Some(spec.cpus),
            mcpu: Some(u64::from(spec.cpus) * 1000),
            source: RequestSource::Quota,
            kind_configured: false,
            kind: spec.kind,
        },
        quota_mcpu: Some(u64::from(spec.cpus) * 1000),
        usage_ns: None,
        throttling: None,
        context: Context::default(),
        home: spec.home,
        pinned: Pinned::default(),
        priority: spec.priority,
        fence: Fence::Managed,
    }
}
