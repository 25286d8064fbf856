//! Reads a host file (schema `placement/1`) and refuses what makes no sense,
//! each time with the place, the value, what was expected and the next step.
//!
//! Unknown keys beside the known ones are ignored (`name`, `seed`, ...), since
//! instances carry notes; unknown keys inside `weights` are errors, since a
//! misspelt weight would silently be the default.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::lend::Lending;
use super::overfull::SHARED;
use super::pool::POOL;
use super::rules::Constraint;
use super::types::{ContainerSpec, Instance, Kind, LARGEST_WEIGHT, System, Weights};
use crate::cpuset::{CpuId, CpuSet, MAX_CPU};
use crate::topology::{Cpu, Topology};

/// The schema read here.
pub(super) const SCHEMA: &str = "placement/1";

/// Most CPUs, and most containers, of one host: bounds time and memory.
const MOST: usize = 65_536;
/// Most rules.
const MOST_CONSTRAINTS: usize = 1000;
/// Largest rho_k: far above one busy thread (1000), far below overflow.
const LARGEST_RHO: i64 = 1_000_000;

/// Why a host file is refused.
#[derive(Debug, thiserror::Error)]
pub enum HostFileError {
    /// Not JSON, or a value of the wrong type.
    #[error("{file}:{line}:{column}: {reason}; correct the file (schema {SCHEMA})")]
    Syntax {
        /// The file's name.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the parser says.
        reason: String,
    },
    /// A value that makes no sense.
    #[error("{file}: {source}")]
    Value {
        /// The file's name.
        file: String,
        /// The value.
        source: ValueError,
    },
}

/// A value of an instance that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {value}; expected {expected}; {next}")]
pub struct ValueError {
    /// Where it is: `containers[3].cpus`.
    pub key: String,
    /// What it is.
    pub value: String,
    /// What it should be.
    pub expected: String,
    /// What to do.
    pub next: String,
}

/// The file without the schema's flattening, which would lose line numbers.
#[derive(Deserialize)]
struct RawFile {
    #[serde(default)]
    weights: Weights,
    topology: Topology,
    containers: Vec<ContainerSpec>,
    #[serde(default)]
    constraints: Vec<Constraint>,
    #[serde(default)]
    system: System,
    #[serde(default)]
    lending: Lending,
}

#[derive(Deserialize)]
struct RawSchema {
    schema: String,
}

/// Reads the bytes of a host file; `file` is its name for messages.
///
/// # Errors
/// On anything that is not a well-formed host of schema `placement/1`.
pub fn parse_host(bytes: &[u8], file: &str) -> Result<Instance, HostFileError> {
    let file = file.escape_debug().to_string();
    let syntax = |error: &serde_json::Error| syntax_error(&file, error);
    // The schema first: another version may differ in everything else.
    let RawSchema { schema } = serde_json::from_slice(bytes).map_err(|e| syntax(&e))?;
    let value = |source| HostFileError::Value {
        file: file.clone(),
        source,
    };
    if schema != SCHEMA {
        return Err(value(wrong(
            "schema".into(),
            quoted(&schema),
            format!("\"{SCHEMA}\""),
            "convert the file or use a release that reads it",
        )));
    }
    let raw: RawFile = serde_json::from_slice(bytes).map_err(|e| syntax(&e))?;
    let instance = Instance {
        weights: raw.weights,
        topology: raw.topology,
        containers: raw.containers,
        constraints: raw.constraints,
        system: raw.system,
        lending: raw.lending,
    };
    check_instance(&instance).map_err(value)?;
    Ok(instance)
}

fn syntax_error(file: &str, error: &serde_json::Error) -> HostFileError {
    // serde_json ends its text with the place, which stands in front here.
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    HostFileError::Syntax {
        file: file.to_owned(),
        line: error.line(),
        column: error.column(),
        reason: text
            .strip_suffix(&place)
            .unwrap_or(&text)
            .escape_debug()
            .to_string(),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

fn wrong(key: String, value: String, expected: impl Into<String>, next: &str) -> ValueError {
    ValueError {
        key,
        value,
        expected: expected.into(),
        next: next.to_owned(),
    }
}

/// Checks what types alone cannot.
///
/// # Errors
/// On the first value that makes no sense.
pub fn check_instance(instance: &Instance) -> Result<(), ValueError> {
    check_weights(&instance.weights)?;
    check_topology(&instance.topology)?;
    check_containers(&instance.containers)?;
    check_constraints(&instance.constraints)?;
    check_system(instance)?;
    check_lending(instance)?;
    check_previous(instance)
}

fn check_lending(instance: &Instance) -> Result<(), ValueError> {
    let lending = &instance.lending;
    if let Some((key, value, expected, next)) = lending.fault() {
        // A host file gives milli-CPU, as it does elsewhere.
        let (key, value) = match key {
            "threshold" => ("threshold_mcpu", lending.threshold_mcpu.to_string()),
            "release" => ("release_mcpu", lending.release_mcpu.to_string()),
            _ => (key, value),
        };
        return Err(wrong(format!("lending.{key}"), value, expected, next));
    }
    let offered = instance.topology.online().difference(&instance.withheld());
    let is_pooled = |c: &ContainerSpec| c.kind == Kind::Pooled;
    if instance.containers.iter().any(is_pooled) && lending.reserve as usize > offered.len() {
        return Err(wrong(
            "lending.reserve".into(),
            lending.reserve.to_string(),
            format!(
                "at most {}, the threads that containers may have",
                offered.len()
            ),
            "lower it, or leave it out for 1",
        ));
    }
    for (index, container) in instance.containers.iter().enumerate() {
        let Some(overrun) = container.overrun else {
            continue;
        };
        let is_sane = overrun.predicted >= 0.0
            && overrun.used > overrun.predicted
            && overrun.used <= f64::from(MAX_CPU + 1);
        if !is_sane {
            return Err(wrong(
                format!("containers[{index}].overrun"),
                format!("used {}, predicted {}", overrun.used, overrun.predicted),
                "a use above what was predicted, in CPUs",
                "leave it out for a container that was within its prediction",
            ));
        }
    }
    Ok(())
}

fn check_system(instance: &Instance) -> Result<(), ValueError> {
    if let Some(usage) = instance.system.usage_mcpu.filter(|usage| *usage > 1000) {
        return Err(wrong(
            "system.usage_mcpu".into(),
            usage.to_string(),
            "0 to 1000, milli-CPU of each system CPU",
            "leave it out to keep containers off these CPUs",
        ));
    }
    let present: CpuSet = instance.topology.cpus.iter().map(|c| c.id).collect();
    let absent = instance.system.cpus.difference(&present);
    if !absent.is_empty() {
        return Err(wrong(
            "system.cpus".into(),
            format!("\"{}\"", instance.system.cpus),
            format!("CPUs of topology.cpus, which has no {absent}"),
            "take them out, or list the CPUs",
        ));
    }
    Ok(())
}

fn check_constraints(constraints: &[Constraint]) -> Result<(), ValueError> {
    if constraints.len() > MOST_CONSTRAINTS {
        return Err(wrong(
            "constraints".into(),
            format!("a list of {}", constraints.len()),
            format!("at most {MOST_CONSTRAINTS} rules"),
            "use globs that name several containers",
        ));
    }
    for (index, rule) in constraints.iter().enumerate() {
        if let Some((key, value, expected)) = rule.fault() {
            return Err(wrong(
                format!("constraints[{index}].{key}"),
                value.escape_debug().to_string(),
                expected,
                "correct the rule, or take it out",
            ));
        }
    }
    Ok(())
}

fn check_weights(weights: &Weights) -> Result<(), ValueError> {
    match weights.first_wrong() {
        Some((name, value)) => Err(wrong(
            format!("weights.{name}"),
            value.to_string(),
            format!("0 to {LARGEST_WEIGHT}"),
            "leave the weight out for its default",
        )),
        None => Ok(()),
    }
}

fn check_topology(topology: &Topology) -> Result<(), ValueError> {
    let cpus = &topology.cpus;
    if cpus.len() > MOST {
        return Err(wrong(
            "topology.cpus".into(),
            format!("a list of {}", cpus.len()),
            format!("at most {MOST} CPUs"),
            "describe one host a file",
        ));
    }
    if !cpus.iter().any(|c| c.online) {
        return Err(wrong(
            "topology.cpus".into(),
            format!("a list of {} with none online", cpus.len()),
            "at least one CPU that is online",
            "give the host's CPUs with \"online\": true",
        ));
    }
    let mut seen = BTreeMap::new();
    for (index, cpu) in cpus.iter().enumerate() {
        let key = |field: &str| format!("topology.cpus[{index}].{field}");
        if cpu.id.0 > MAX_CPU {
            return Err(wrong(
                key("id"),
                cpu.id.to_string(),
                format!("0 to {MAX_CPU}"),
                "give the kernel's CPU number",
            ));
        }
        if let Some(first) = seen.insert(cpu.id, index) {
            return Err(wrong(
                key("id"),
                format!("{}, the id of topology.cpus[{first}] too", cpu.id),
                "each id once",
                "give each CPU its own number",
            ));
        }
        if !(1..=1000).contains(&cpu.perf) {
            return Err(wrong(
                key("perf"),
                cpu.perf.to_string(),
                "1 to 1000, per mille of the fastest kind of core",
                "scale the values so that the fastest is 1000",
            ));
        }
    }
    check_labels(cpus)
}

/// An online CPU must say where it is; offline ones are not shown by kernels.
/// A level that no online CPU has a label of is unknown, which is fine.
fn check_labels(cpus: &[Cpu]) -> Result<(), ValueError> {
    type Label = fn(&Cpu) -> Option<u32>;
    let fields: [(&str, Label, bool); 4] = [
        ("core", |c| c.core, true),
        ("l3", |c| c.l3, false),
        ("numa", |c| c.numa, false),
        ("socket", |c| c.socket, false),
    ];
    for (field, label, needed) in fields {
        let mut online = cpus.iter().enumerate().filter(|(_, c)| c.online);
        let known = needed || online.clone().any(|(_, c)| label(c).is_some());
        if known && let Some((index, cpu)) = online.find(|(_, c)| label(c).is_none()) {
            return Err(wrong(
                format!("topology.cpus[{index}].{field}"),
                format!("absent for CPU {}, which is online", cpu.id),
                "a group number",
                "give the number of its group, or mark the CPU offline",
            ));
        }
    }
    Ok(())
}

fn check_containers(containers: &[ContainerSpec]) -> Result<(), ValueError> {
    if containers.len() > MOST {
        return Err(wrong(
            "containers".into(),
            format!("a list of {}", containers.len()),
            format!("at most {MOST} containers"),
            "describe one host a file",
        ));
    }
    let mut seen = BTreeMap::new();
    for (index, container) in containers.iter().enumerate() {
        let key = |field: &str| format!("containers[{index}].{field}");
        let id = &container.id;
        if id.is_empty() || id == POOL || id == SHARED {
            return Err(wrong(
                key("id"),
                quoted(id),
                format!("a name, not empty and not \"{POOL}\" or \"{SHARED}\" (both reserved)"),
                "rename the container",
            ));
        }
        if let Some(first) = seen.insert(id, index) {
            return Err(wrong(
                key("id"),
                format!("{}, the id of containers[{first}] too", quoted(id)),
                "each id once",
                "give each container its own name",
            ));
        }
        let least = u32::from(container.kind != Kind::Pooled);
        if !(least..=MAX_CPU + 1).contains(&container.cpus) {
            let kind = match container.kind {
                Kind::Static => "static",
                Kind::Burst => "burst",
                Kind::Pooled => "pooled",
            };
            return Err(wrong(
                key("cpus"),
                container.cpus.to_string(),
                format!("{least} to {} for a {kind} container", MAX_CPU + 1),
                "give the threads it requests, or \"kind\": \"pooled\" where that is unknown",
            ));
        }
        let used = container.predicted_p95;
        if !(0.0..=f64::from(MAX_CPU + 1)).contains(&used) {
            return Err(wrong(
                key("predicted_p95"),
                used.to_string(),
                format!("0 to {}, in CPUs", MAX_CPU + 1),
                "give the 95th percentile of its use, or its request",
            ));
        }
        if let Some(rho) = container.rho_mcpu
            && !(0..=LARGEST_RHO).contains(&rho)
        {
            return Err(wrong(
                key("rho_mcpu"),
                rho.to_string(),
                format!("0 to {LARGEST_RHO}, in milli-CPU a thread"),
                "leave it out to have it derived from predicted_p95 and cpus",
            ));
        }
        if let Some(request) = container.request_mcpu
            && (container.kind != Kind::Pooled || request > (MAX_CPU + 1) * 1000)
        {
            return Err(wrong(
                key("request_mcpu"),
                request.to_string(),
                format!(
                    "0 to {} for a pooled container, absent for others",
                    (MAX_CPU + 1) * 1000
                ),
                "leave it out and give cpus",
            ));
        }
    }
    Ok(())
}

/// P_k names present CPUs, each once, and belongs to one container, or to the
/// pooled ones together.
fn check_previous(instance: &Instance) -> Result<(), ValueError> {
    let present: BTreeSet<CpuId> = instance.topology.cpus.iter().map(|c| c.id).collect();
    let mut owner: BTreeMap<CpuId, usize> = BTreeMap::new();
    for (index, container) in instance.containers.iter().enumerate() {
        let mut own = BTreeSet::new();
        for (place, &cpu) in container.previous.iter().flatten().enumerate() {
            let key = format!("containers[{index}].previous[{place}]");
            if !present.contains(&cpu) {
                return Err(wrong(
                    key,
                    format!("CPU {cpu}"),
                    "a CPU of topology.cpus",
                    "take it out, or list the CPU (as offline if it is)",
                ));
            }
            if !own.insert(cpu) {
                return Err(wrong(
                    key,
                    format!("CPU {cpu} again"),
                    "each CPU once",
                    "list the CPU once",
                ));
            }
            let first = *owner.entry(cpu).or_insert(index);
            let other = &instance.containers[first];
            let pooled = other.kind == Kind::Pooled && container.kind == Kind::Pooled;
            if first != index && !pooled {
                return Err(wrong(
                    key,
                    format!(
                        "CPU {cpu}, which containers[{first}] ({}) had",
                        quoted(&other.id)
                    ),
                    "a CPU that no other container had",
                    "give previous as null for the one that did not own it",
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
