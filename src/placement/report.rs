//! A plan as JSON, schema `plan/1`: one object on one line.
//!
//! `placement` holds the base threads (all pooled containers as `@pool`),
//! `lent` the free threads beside them, `cpuset` what is written for each real
//! container. On an over-full host `cost` and `cost_parts` price the sharers as
//! one container (see [`super::overfull`]) and `lower_bound` is 0.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::check::{HostFileError, parse_host};
use super::explain::{Annotation, Explained, explain};
use super::host_model::HostModels;
use super::place::{Placed, PlacementError, place_from};
use super::pool::cpusets;
use super::types::{Answer, CostParts, Instance, Placement, SolveSettings, Status};
use super::warm::WarmStart;
use crate::cpuset::CpuSet;

/// The schema written here.
const SCHEMA: &str = "plan/1";

/// How long a round took. Not part of what a replay compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Timing {
    /// Budget of the round; none: no limit.
    pub budget_ms: Option<f64>,
    /// Until the search began.
    pub build_ms: f64,
    /// Until the answer was there.
    pub elapsed_ms: f64,
    /// Where the search stopped.
    pub work: u64,
}

impl Timing {
    /// Times as milliseconds, to the microsecond.
    #[must_use]
    pub fn new(budget: Option<Duration>, build: Duration, elapsed: Duration, work: u64) -> Self {
        let ms = |d: Duration| (d.as_secs_f64() * 1e6).round() / 1e3;
        Self {
            budget_ms: budget.map(ms),
            build_ms: ms(build),
            elapsed_ms: ms(elapsed),
            work,
        }
    }
}

/// A plan, schema `plan/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanReport {
    /// `plan/1`.
    pub schema: &'static str,
    /// How the answer came about.
    pub status: Status,
    /// Micro-CPU.
    pub cost: i64,
    /// Valid for every plan, micro-CPU.
    pub lower_bound: i64,
    /// (cost - bound) / max(cost, 1).
    pub gap: f64,
    /// Base threads, ascending.
    pub placement: BTreeMap<String, Vec<u32>>,
    /// Free threads lent, ascending.
    pub lent: BTreeMap<String, Vec<u32>>,
    /// What is written for each container.
    pub cpuset: BTreeMap<String, CpuSet>,
    /// Their sum is the cost.
    pub cost_parts: CostParts,
    /// Threads that left their container's previous base set.
    pub moved_threads: u32,
    /// Sentences: the status first, then each container.
    pub explanation: Vec<String>,
    /// Not part of what a replay compares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
}

impl PlanReport {
    /// The report on `answer`, given for `instance`.
    #[must_use]
    pub fn new(
        instance: &Instance,
        answer: &Answer,
        explanation: &[Explained],
        timing: Option<Timing>,
    ) -> Self {
        let mut sentences = answer.reasons.clone();
        sentences.extend(explanation.iter().map(|e| e.text.clone()));
        Self::of(answer, cpusets(instance, answer), sentences, timing)
    }

    /// The report on `answer` with its cpusets and explanation in words.
    #[must_use]
    pub fn of(
        answer: &Answer,
        cpuset: Placement,
        explanation: Vec<String>,
        timing: Option<Timing>,
    ) -> Self {
        let numbers = |placement: &Placement| {
            placement
                .iter()
                .map(|(id, set)| (id.clone(), set.iter().map(|cpu| cpu.0).collect()))
                .collect()
        };
        Self {
            schema: SCHEMA,
            status: answer.status,
            cost: answer.cost(),
            lower_bound: answer.lower_bound,
            gap: answer.gap(),
            placement: numbers(&answer.placement),
            lent: numbers(&answer.lent),
            cpuset,
            cost_parts: answer.cost_parts,
            moved_threads: answer.moved_threads,
            explanation,
            timing,
        }
    }

    /// One line of JSON, without the line's end.
    ///
    /// # Panics
    /// Never: all keys are texts and all numbers finite.
    #[must_use]
    #[expect(clippy::expect_used, reason = "text keys and finite numbers only")]
    pub fn to_json_line(&self) -> String {
        serde_json::to_string(self).expect("a plan has a JSON form")
    }

    /// What a replay compares: the line without `timing`.
    #[must_use]
    pub fn to_replay_line(&self) -> String {
        let timeless = Self {
            timing: None,
            ..self.clone()
        };
        timeless.to_json_line()
    }
}

/// Why `plan --host` has no plan. Each is bad input (exit 3).
#[derive(Debug, thiserror::Error)]
pub enum HostPlanError {
    /// The file is refused.
    #[error(transparent)]
    File(#[from] HostFileError),
    /// The file is well-formed, but there is nothing to solve.
    #[error("{file}: {source}")]
    Placement {
        /// The file's name.
        file: String,
        /// Why.
        source: PlacementError,
    },
}

/// The whole of `plan --host`: reads the bytes of `file`, places, explains.
/// `hosts` are the models of hosts before it; `clock` tells the time since the command began.
///
/// # Errors
/// On a file that is refused.
pub fn plan_host(
    bytes: &[u8],
    file: &str,
    unavailable: &CpuSet,
    settings: &SolveSettings,
    hosts: &mut HostModels,
    clock: &dyn Fn() -> Duration,
) -> Result<(Instance, PlanReport), HostPlanError> {
    let instance = parse_host(bytes, file)?;
    let unavailable = unavailable.union(&instance.withheld());
    let planned = plan_instance(&instance, &unavailable, settings, hosts, clock);
    let (_, report) = planned.map_err(|source| HostPlanError::Placement {
        file: file.escape_debug().to_string(),
        source,
    })?;
    Ok((instance, report))
}

/// Places and explains a checked instance, see [`place_from`].
///
/// # Errors
/// As [`super::place()`].
pub fn plan_instance(
    instance: &Instance,
    unavailable: &CpuSet,
    settings: &SolveSettings,
    hosts: &mut HostModels,
    clock: &dyn Fn() -> Duration,
) -> Result<(Placed, PlanReport), PlacementError> {
    let warm = WarmStart::default();
    let placed = place_from(instance, unavailable, settings, &warm, hosts, clock)?;
    let timing = Timing::new(settings.budget, placed.build, clock(), placed.answer.work);
    let annotations: BTreeMap<String, Annotation> = BTreeMap::new();
    let explained = explain(instance, unavailable, &placed, &annotations);
    let report = PlanReport::new(instance, &placed.answer, &explained, Some(timing));
    Ok((placed, report))
}
