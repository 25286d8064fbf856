//! `decide`: from a host state and an event to a plan. Pure: no I/O, no clock
//! of its own, no randomness but the seed in the settings.
//!
//! Steps: which containers and CPUs take part; what each container asks for
//! (r_k), is predicted to use (u_k) and had before (P_k); the placement MIP;
//! the writes that bring the cgroups there.

use std::collections::BTreeMap;
use std::time::Duration;

use super::state::{Decision, Event, Managed, Plan, State};
use crate::cgroup::{Fence, RequestSource, Version, plan_writes};
use crate::cpuset::CpuSet;
use crate::placement::{
    self, Annotation, Answer, ContainerSpec, CostParts, HostModels, Instance, Kind, POOL, Status,
};

/// Decides one round. `hosts` are the models of hosts before it, which only save
/// work. `clock` says how much of the budget is spent; only the budget in
/// `state.settings` depends on it.
#[must_use]
pub fn decide(
    state: &State,
    event: &Event,
    hosts: &mut HostModels,
    clock: &dyn Fn() -> Duration,
) -> Decision {
    let field = Field::new(state);
    let mut explanation = vec![describe(event)];
    let instance = field.instance(state);
    let answer = if instance.containers.is_empty() {
        Ok(None)
    } else {
        placement::place_from(
            &instance,
            &field.unavailable,
            &state.settings.solve,
            &state.warm,
            hosts,
            clock,
        )
        .map(Some)
    };
    let mut build_s = 0.0;
    let warm = match &answer {
        Ok(Some(placed)) => placed.warm.clone(),
        _ => state.warm.clone(),
    };
    let mut plan = match answer {
        Ok(Some(placed)) => {
            build_s = placed.build.as_secs_f64();
            let cpusets = placement::cpusets(&instance, &placed.answer);
            let explained =
                placement::explain(&instance, &field.unavailable, &placed, &annotations(&field));
            explanation.extend(explained.into_iter().map(|e| e.text));
            Plan {
                answer: placed.answer,
                cpusets,
                writes: Vec::new(),
                left_alone: field.left_alone.clone(),
            }
        }
        Ok(None) => Plan {
            answer: nothing_to_place(),
            cpusets: BTreeMap::new(),
            writes: Vec::new(),
            left_alone: field.left_alone.clone(),
        },
        Err(error) => kept(&field, format!("no placement: {error}")),
    };
    let targets: Vec<_> = field
        .members
        .iter()
        .filter_map(|m| Some((&m.container, plan.cpusets.get(&m.container.id)?.clone())))
        .collect();
    match plan_writes(state.version, &targets, &state.first_sets) {
        Ok(writes) => plan.writes = writes,
        Err(error) => plan = kept(&field, format!("the placement cannot be written: {error}")),
    }
    explanation.extend(plan.answer.reasons.iter().cloned());
    explanation.extend(field.notes);
    explanation.extend(
        plan.left_alone
            .iter()
            .map(|(id, reason)| format!("{id}: left alone: {reason}")),
    );
    Decision {
        plan,
        explanation,
        build_s,
        warm: Some(warm),
    }
}

fn describe(event: &Event) -> String {
    match event {
        Event::Add(ids) => format!("event: add of {}", ids.join(", ")),
        Event::Remove(ids) => format!("event: remove of {}", ids.join(", ")),
        Event::Rebalance => "event: rebalance".into(),
    }
}

/// An answer for a host without containers to place: nothing costs nothing.
fn nothing_to_place() -> Answer {
    Answer {
        status: Status::Optimal,
        placement: BTreeMap::new(),
        lent: BTreeMap::new(),
        cost_parts: CostParts::default(),
        lower_bound: 0,
        moved_threads: 0,
        work: 0,
        reasons: Vec::new(),
    }
}

/// The plan that touches nothing, and why.
fn kept(field: &Field<'_>, reason: String) -> Plan {
    let answer = Answer {
        status: Status::Kept,
        reasons: vec![reason],
        ..nothing_to_place()
    };
    Plan {
        answer,
        cpusets: BTreeMap::new(),
        writes: Vec::new(),
        left_alone: field.left_alone.clone(),
    }
}

/// The placement problem of a round: the instance, and the online CPUs that
/// are not offered to its containers.
#[must_use]
pub fn problem_of(state: &State) -> (Instance, CpuSet) {
    let field = Field::new(state);
    (field.instance(state), field.unavailable)
}

/// Who and what takes part in the placement.
struct Field<'a> {
    /// Containers that may be fenced, by id.
    members: Vec<&'a Managed>,
    left_alone: BTreeMap<String, String>,
    /// Online CPUs that are not offered to containers.
    unavailable: CpuSet,
    notes: Vec<String>,
}

impl<'a> Field<'a> {
    fn new(state: &'a State) -> Self {
        let online = state.topology.online();
        let mut left_alone = BTreeMap::new();
        let mut members: Vec<&Managed> = Vec::new();
        let mut notes = Vec::new();
        for managed in &state.containers {
            match &managed.container.fence {
                Fence::Managed => members.push(managed),
                Fence::LeftAlone(reason) => {
                    left_alone.insert(managed.container.id.clone(), reason.clone());
                }
            }
        }
        let within = common_parent(&members, &online);
        members.retain(|m| {
            let narrow = !within.is_subset(&m.container.parent_effective);
            if narrow {
                let reason = format!(
                    "its parent directory is limited to CPUs {}, most others may use {within}; widen the parent",
                    m.container.parent_effective.intersection(&online)
                );
                left_alone.insert(m.container.id.clone(), reason);
            }
            !narrow
        });
        let mut unavailable = state.settings.system.reserved().intersection(&online);
        let isolated: CpuSet = state
            .topology
            .cpus
            .iter()
            .filter(|c| c.online && c.isolated)
            .map(|c| c.id)
            .collect();
        if !isolated.is_empty() {
            notes.push(format!(
                "CPUs {isolated} are isolated at boot and are not given to containers"
            ));
            unavailable = unavailable.union(&isolated);
        }
        for managed in state
            .containers
            .iter()
            .filter(|m| left_alone.contains_key(&m.container.id))
        {
            // A narrower set than it could have is somebody's intention: those CPUs are taken.
            let held = managed.container.dir().effective.intersection(&online);
            let free_to_roam = managed
                .container
                .parent_effective
                .intersection(&online)
                .is_subset(&held);
            if !free_to_roam {
                unavailable = unavailable.union(&held);
            }
        }
        if within != online {
            notes.push(format!(
                "the containers' parent directory is limited to CPUs {within} of {online}"
            ));
            unavailable = unavailable.union(&online.difference(&within));
        }
        Self {
            members,
            left_alone,
            unavailable,
            notes,
        }
    }

    /// The placement problem of these members.
    fn instance(&self, state: &State) -> Instance {
        let requests: Vec<u32> = self.members.iter().map(|m| threads_requested(m)).collect();
        let previous = previous_sets(state, &self.members, &requests);
        let containers = self
            .members
            .iter()
            .zip(&requests)
            .zip(previous)
            .map(|((m, &cpus), previous)| ContainerSpec {
                id: m.container.id.clone(),
                cpus,
                predicted_p95: m.prediction.p95,
                rho_mcpu: None,
                request_mcpu: m.container.request.mcpu.and_then(|m| u32::try_from(m).ok()),
                kind: m.container.request.kind,
                previous: previous.map(|set| set.iter().collect()),
                home: m.container.home,
                priority: m.container.priority,
                labels: labels(m),
                overrun: m.overrun,
                exclusive: state.version == Version::V1 && m.container.dir().exclusive,
            })
            .collect();
        Instance {
            weights: state.settings.weights,
            topology: state.topology.clone(),
            containers,
            constraints: state.settings.constraints.clone(),
            system: state.settings.system.clone(),
            lending: state.settings.lending.clone(),
        }
    }
}

/// What rules may choose a container by: `owner`, `app`, `image`.
fn labels(m: &Managed) -> BTreeMap<String, String> {
    let context = &m.container.context;
    let known = [
        ("owner", &context.owner),
        ("app", &context.app),
        ("image", &context.image),
    ];
    let pairs = known.into_iter();
    pairs
        .filter_map(|(key, value)| Some((key.to_owned(), value.clone()?)))
        .collect()
}

/// The parent's set under which most requested threads live (ties: the larger
/// set, then the smaller by number): a placement problem has one offered set.
fn common_parent(members: &[&Managed], online: &CpuSet) -> CpuSet {
    let mut weight: BTreeMap<CpuSet, u64> = BTreeMap::new();
    for m in members {
        let parent = m.container.parent_effective.intersection(online);
        *weight.entry(parent).or_default() += u64::from(threads_requested(m).max(1));
    }
    let best = weight
        .into_iter()
        .rev()
        .max_by_key(|(set, threads)| (*threads, set.len()));
    best.map_or_else(|| online.clone(), |(set, _)| set)
}

/// r_k. A container without a declared limit (its request comes from shares)
/// is never narrowed below the ceiling of its predicted P95.
fn threads_requested(m: &Managed) -> u32 {
    let request = &m.container.request;
    let cpus = request.cpus.unwrap_or(0);
    if request.kind != Kind::Pooled && request.source == RequestSource::Shares {
        cpus.max(ceil_cpus(m.prediction.p95))
    } else {
        cpus
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=65536 first"
)]
fn ceil_cpus(cpus: f64) -> u32 {
    cpus.ceil().clamp(0.0, 65_536.0) as u32
}

/// P_k of each member: what we assigned last, else its cpuset if that has
/// exactly r_k CPUs and overlaps no other P. Overlaps (an over-full round
/// before) go to the smaller id.
fn previous_sets(state: &State, members: &[&Managed], requests: &[u32]) -> Vec<Option<CpuSet>> {
    let online = state.topology.online();
    let mut taken = CpuSet::new();
    let mut sets: Vec<Option<CpuSet>> = Vec::new();
    for m in members {
        let pooled = m.container.request.kind == Kind::Pooled;
        let assigned = if pooled {
            state.pool_assigned.as_ref()
        } else {
            m.assigned.as_ref()
        };
        let own = assigned
            .map(|set| set.intersection(&online))
            .map(|set| if pooled { set } else { set.difference(&taken) });
        if let Some(set) = own.as_ref().filter(|_| !pooled) {
            taken = taken.union(set);
        }
        sets.push(own.filter(|set| !set.is_empty()));
    }
    if let Some(pool) = &state.pool_assigned {
        taken = taken.union(pool);
    }
    for ((m, set), &r) in members.iter().zip(&mut sets).zip(requests) {
        let current = m.container.dir().effective.intersection(&online);
        let fits = current.len() == r as usize && current.is_disjoint(&taken);
        if set.is_none() && fits && m.container.request.kind != Kind::Pooled {
            taken = taken.union(&current);
            *set = Some(current);
        }
    }
    sets
}

/// What the explanation says of each member beside the placement.
fn annotations(field: &Field<'_>) -> BTreeMap<String, Annotation> {
    let annotate = |m: &&Managed| {
        let c = &m.container;
        let annotation = Annotation {
            request_source: Some(request_words(m)),
            quota_mcpu: c.quota_mcpu,
            prediction: Some(m.prediction.why.clone()),
            notes: Vec::new(),
        };
        (c.id.clone(), annotation)
    };
    field.members.iter().map(annotate).collect()
}

/// Where a container's request comes from, in words.
#[must_use]
pub fn request_words(m: &Managed) -> String {
    match m.container.request.source {
        RequestSource::Config => "cpus of the settings file",
        RequestSource::Quota => "its CPU quota",
        RequestSource::OriginalCpuset => "the size of its original cpuset",
        RequestSource::Shares => "its CPU shares",
        RequestSource::None => "no request known",
    }
    .into()
}

/// Base threads of the pooled pseudo-container in an answer.
#[must_use]
pub fn pool_base(answer: &Answer) -> Option<CpuSet> {
    answer.placement.get(POOL).cloned()
}
