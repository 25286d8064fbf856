//! The rounds of a scenario under each policy.

use std::collections::BTreeMap;
use std::time::Duration;

use super::counters::{Counters, Places};
use super::load::{Load, Recorded, draw};
use super::scenario::{Policy, Scenario};
use crate::cgroup::journal::JournalState;
use crate::cgroup::{
    Container, ContainerKey, Context, CpusetDir, Fence, Layout, Pinned, Request, RequestSource,
    Version,
};
use crate::cpuset::CpuSet;
use crate::engine::{Event, Managed, Settings, State, decide};
use crate::history::trace::{Trace, TraceError, parse_traces};
use crate::placement::{HostModels, Kind, Lending, Overrun, POOL, SolveSettings, WarmStart};
use crate::predict::{Fallback, Predictor};
use crate::topology::Topology;

/// The header of the project's own traces, in CPUs.
const CPUS_HEADER: &str = "trace_id,timestamp_s,cpus";
/// The header of public traces, in percent.
const PERCENT_HEADER: &str = "trace_id,timestamp_s,cpu_pct";

/// Why a checked scenario cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimulationError {
    /// The trace file.
    #[error("{file}: {source}; correct the file")]
    Traces {
        /// Its name.
        file: String,
        /// What is wrong.
        source: TraceError,
    },
    /// A trace that the file does not have.
    #[error(
        "container '{container}': usage.trace = \"{trace}\": the trace file has none of this name; name one of its own"
    )]
    NoTrace {
        /// Who wants it.
        container: String,
        /// Its name.
        trace: String,
    },
    /// Too many containers for too long.
    #[error(
        "more than {most} container-intervals; make duration, arrivals or lifetimes smaller, or interval larger"
    )]
    TooLarge {
        /// How many are allowed.
        most: u64,
    },
    /// A reserve that the host does not have.
    #[error("lending.reserve = {reserve}: the host has {online} CPUs online; lower it")]
    Reserve {
        /// As set.
        reserve: u32,
        /// CPUs.
        online: usize,
    },
}

/// One interval under one policy.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Round, from 0.
    pub round: u32,
    /// Containers there.
    pub containers: u32,
    /// Threads that they request.
    pub requested: u32,
    /// What was counted in it.
    pub counters: Counters,
    /// Work of the decision; 0 where none is made.
    pub work: u64,
}

/// A whole run under one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyRun {
    /// Which.
    pub policy: Policy,
    /// Each interval.
    pub samples: Vec<Sample>,
    /// Their sum.
    pub total: Counters,
    /// Wall-clock time of each decision, by the clock that was given. Not
    /// part of what is the same for the same seed.
    pub latencies: Vec<Duration>,
}

/// All policies of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// In the scenario's order.
    pub runs: Vec<PolicyRun>,
}

/// Runs a scenario on `topology`. `traces` is name and text of the trace file.
/// `clock` only measures decisions; `progress` is told rounds done of all.
///
/// # Errors
/// If the traces are broken or lack one, or the scenario is too large.
pub fn run(
    scenario: &Scenario,
    seed: u64,
    topology: &Topology,
    traces: Option<(&str, &str)>,
    clock: &dyn Fn() -> Duration,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Outcome, SimulationError> {
    let online = topology.online().len();
    if scenario.lending.reserve as usize > online {
        return Err(SimulationError::Reserve {
            reserve: scenario.lending.reserve,
            online,
        });
    }
    let recorded = match traces {
        Some((file, text)) => read_traces(file, text)?,
        None => Recorded::default(),
    };
    let loads = draw(scenario, seed, &recorded)?;
    let rounds = scenario.rounds as usize;
    let all = rounds * scenario.policies.len();
    let mut runs = Vec::new();
    for (place, &policy) in scenario.policies.iter().enumerate() {
        let mut world = World::new(scenario, seed, topology, policy, clock);
        let mut samples = Vec::with_capacity(rounds);
        let mut total = Counters::default();
        for round in 0..rounds {
            let sample = world.round(round, &loads);
            total.add(&sample.counters);
            samples.push(sample);
            progress(place * rounds + round + 1, all);
        }
        runs.push(PolicyRun {
            policy,
            samples,
            total,
            latencies: world.latencies,
        });
    }
    Ok(Outcome { runs })
}

/// Traces in CPUs or, with the header of the public ones, in percent.
fn read_traces(file: &str, text: &str) -> Result<Recorded, SimulationError> {
    let rest = text
        .strip_prefix(PERCENT_HEADER)
        .filter(|rest| rest.is_empty() || rest.starts_with(['\n', '\r']));
    let parsed = match rest {
        Some(rest) => parse_traces(&format!("{CPUS_HEADER}{rest}")),
        None => parse_traces(text),
    };
    let traces = parsed.map_err(|source| SimulationError::Traces {
        file: file.to_owned(),
        source,
    })?;
    Ok(Recorded {
        traces,
        is_percent: rest.is_some(),
    })
}

/// What is remembered of a container between rounds.
#[derive(Clone, Debug)]
struct Known {
    inode: u64,
    cpuset: CpuSet,
    assigned: Option<CpuSet>,
    seen: Trace,
    /// Predicted by the last round, CPUs.
    predicted: Option<f64>,
}

/// A host under one policy.
struct World<'a> {
    scenario: &'a Scenario,
    topology: &'a Topology,
    places: Places,
    policy: Policy,
    solve: SolveSettings,
    clock: &'a dyn Fn() -> Duration,
    known: BTreeMap<String, Known>,
    pool: Option<CpuSet>,
    lent: CpuSet,
    warm: WarmStart,
    hosts: HostModels,
    inodes: u64,
    latencies: Vec<Duration>,
}

impl<'a> World<'a> {
    fn new(
        scenario: &'a Scenario,
        seed: u64,
        topology: &'a Topology,
        policy: Policy,
        clock: &'a dyn Fn() -> Duration,
    ) -> Self {
        // Without search and without moves, best fit is what is left.
        let is_search = policy == Policy::Cpufence;
        let solve = SolveSettings {
            budget: None,
            work_limit: Some(if is_search { scenario.work } else { 0 }),
            max_moves: (!is_search).then_some(0),
            seed,
            ..SolveSettings::default()
        };
        Self {
            places: Places::new(topology),
            known: BTreeMap::new(),
            pool: None,
            lent: CpuSet::new(),
            warm: WarmStart::default(),
            hosts: HostModels::default(),
            inodes: 0,
            latencies: Vec::new(),
            scenario,
            topology,
            policy,
            solve,
            clock,
        }
    }

    fn round(&mut self, round: usize, loads: &[Load]) -> Sample {
        let there: Vec<(&Load, f64)> = loads
            .iter()
            .filter_map(|load| Some((load, load.at(round)?)))
            .collect();
        let requested: u32 = there.iter().map(|(load, _)| load.cpus).sum();
        let mut sample = Sample {
            round: u32::try_from(round).unwrap_or(u32::MAX),
            containers: u32::try_from(there.len()).unwrap_or(u32::MAX),
            requested,
            ..Sample::default()
        };
        let interval_s = self.scenario.interval_s;
        if self.policy == Policy::Unfenced {
            let all = self.topology.online();
            let sets: Vec<_> = there.iter().map(|(_, d)| (all.clone(), *d)).collect();
            sample.counters = self.places.count(&sets, interval_s).0;
            return sample;
        }
        #[expect(clippy::cast_precision_loss, reason = "rounds: far below 2^53")]
        let now_s = round as f64 * interval_s;
        let lent_threads = self.decide(now_s, &there, &mut sample);
        let sets: Vec<(CpuSet, f64)> = there
            .iter()
            .map(|(load, wants)| (self.known[&load.id].cpuset.clone(), *wants))
            .collect();
        let (counters, used) = self.places.count(&sets, interval_s);
        sample.counters = Counters {
            lent_s: lent_threads * interval_s,
            moves: sample.counters.moves,
            ..counters
        };
        for ((load, _), used) in there.iter().zip(used) {
            if let Some(known) = self.known.get_mut(&load.id) {
                known.seen.samples.push((now_s + interval_s, used));
            }
        }
        sample
    }

    /// One round of the policy; threads lent, those lent to several counted
    /// for each.
    fn decide(&mut self, now_s: f64, there: &[(&Load, f64)], sample: &mut Sample) -> f64 {
        let before: Vec<String> = self.known.keys().cloned().collect();
        let now: Vec<&str> = there.iter().map(|(load, _)| load.id.as_str()).collect();
        self.known.retain(|id, _| now.contains(&id.as_str()));
        let online = self.topology.online();
        for (load, _) in there {
            if !self.known.contains_key(&load.id) {
                self.inodes += 1;
                let newcomer = Known {
                    inode: self.inodes,
                    cpuset: online.clone(),
                    assigned: None,
                    seen: Trace {
                        id: load.id.clone(),
                        samples: Vec::new(),
                    },
                    predicted: None,
                };
                self.known.insert(load.id.clone(), newcomer);
            }
        }
        let event = Event::infer(before.iter().map(String::as_str), now.iter().copied());
        let state = self.state(now_s, there);
        for m in &state.containers {
            if let Some(known) = self.known.get_mut(&m.container.id) {
                known.predicted = Some(m.prediction.p95);
            }
        }
        let start = (self.clock)();
        let decision = decide(&state, &event, &mut self.hosts, &|| Duration::ZERO);
        self.latencies.push((self.clock)().saturating_sub(start));
        self.warm = decision.warm.unwrap_or_default();
        let plan = decision.plan;
        sample.work = plan.answer.work;
        sample.counters.moves = u64::from(plan.answer.moved_threads);
        for (id, set) in &plan.cpusets {
            if let Some(known) = self.known.get_mut(id) {
                known.cpuset.clone_from(set);
                known.assigned = plan.answer.placement.get(id).cloned();
            }
        }
        self.pool = plan.answer.placement.get(POOL).cloned();
        let lent = plan.answer.lent.values();
        let threads: usize = lent.clone().map(CpuSet::len).sum();
        self.lent = lent.fold(CpuSet::new(), |all, set| all.union(set));
        #[expect(clippy::cast_precision_loss, reason = "a count of threads")]
        let threads = threads as f64;
        threads
    }

    /// What a round on the host would have observed.
    fn state(&self, now_s: f64, there: &[(&Load, f64)]) -> State {
        let online = self.topology.online();
        let containers = there
            .iter()
            .map(|(load, _)| {
                let known = &self.known[&load.id];
                let request = f64::from(load.cpus);
                let features = known.seen.features_at(now_s, Some(request), None);
                let used = known.seen.samples.last().map(|s| s.1);
                let overrun = match (used, known.predicted) {
                    (Some(used), Some(predicted)) if used > predicted => {
                        Some(Overrun { used, predicted })
                    }
                    _ => None,
                };
                Managed {
                    container: observed(load, known, &online),
                    prediction: Fallback.predict(&features),
                    assigned: known.assigned.clone(),
                    overrun,
                }
            })
            .collect();
        State {
            now_s,
            version: Version::V2,
            topology: self.topology.clone(),
            settings: Settings {
                solve: self.solve.clone(),
                weights: self.scenario.weights,
                constraints: self.scenario.constraints.clone(),
                lending: Lending {
                    before: self.lent.clone(),
                    ..self.scenario.lending.clone()
                },
                ..Settings::default()
            },
            containers,
            pool_assigned: self.pool.clone(),
            first_sets: JournalState::default(),
            warm: self.warm.clone(),
        }
    }
}

fn observed(load: &Load, known: &Known, online: &CpuSet) -> Container {
    let key = ContainerKey {
        boot_id: "simulation".into(),
        inode: known.inode,
    };
    let dir = CpusetDir {
        key: key.clone(),
        path: load.id.clone().into_bytes(),
        effective: known.cpuset.clone(),
        cpus: known.cpuset.clone(),
        mems: String::new(),
        exclusive: false,
        partition: None,
    };
    let is_pooled = load.model.kind == Kind::Pooled;
    Container {
        key,
        id: load.id.clone(),
        layout: Layout::Config,
        subtree: vec![dir],
        parent_effective: online.clone(),
        request: Request {
            cpus: (!is_pooled).then_some(load.cpus),
            mcpu: Some(u64::from(load.cpus) * 1000),
            source: RequestSource::Config,
            kind_configured: true,
            kind: load.model.kind,
        },
        quota_mcpu: None,
        usage_ns: None,
        throttling: None,
        context: Context::default(),
        home: None,
        pinned: Pinned::default(),
        priority: load.model.priority,
        fence: Fence::Managed,
    }
}
