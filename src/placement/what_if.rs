//! What if: a host that is not quite the one at hand, and two plans side by side.
//!
//! A change is `add:cpus=8,p95=3.5`, `remove:ID` or `change:ID,cpus=4`; changes
//! apply in order. Two plans are compared by cost, by who moves from where it
//! was before, by the cores that nobody owns, and by the largest container
//! that would still fit on one NUMA node with idle siblings without moving
//! anybody: as many threads as the node has wholly idle cores.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::Serialize;

use super::check::{ValueError, check_instance};
use super::cost::cost;
use super::place::Placed;
use super::problem::{Owners, Problem, ProblemError};
use super::types::{ContainerSpec, CostParts, Instance, Kind, Placement, Weights};
use crate::cpuset::CpuSet;

/// Why a change makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Not of a known form.
    #[error("'{}': {reason}", text.escape_debug())]
    Form {
        /// As typed.
        text: String,
        /// What was expected.
        reason: String,
    },
    /// No container has this id.
    #[error(
        "'{}': no container has the id '{}'{}", text.escape_debug(), id.escape_debug(),
        like.as_ref().map_or(String::new(), |l| format!("; '{}' is near", l.escape_debug()))
    )]
    Unknown {
        /// As typed.
        text: String,
        /// The id in it.
        id: String,
        /// An id that contains it or is contained in it.
        like: Option<String>,
    },
    /// The instance makes no sense with it.
    #[error("with the changes, {0}")]
    Value(#[from] ValueError),
}

/// Applies `changes`, as typed, in order.
///
/// # Errors
/// The first change that makes no sense.
pub fn changed(instance: &Instance, changes: &[String]) -> Result<Instance, ChangeError> {
    let mut changed = instance.clone();
    for text in changes {
        apply(&mut changed, text)?;
    }
    check_instance(&changed)?;
    Ok(changed)
}

fn apply(instance: &mut Instance, text: &str) -> Result<(), ChangeError> {
    let fail = |reason: String| ChangeError::Form {
        text: text.to_owned(),
        reason,
    };
    let find = |instance: &Instance, id: &str| {
        let mut containers = instance.containers.iter();
        let found = containers.position(|c| c.id == id);
        found.ok_or_else(|| ChangeError::Unknown {
            text: text.to_owned(),
            id: id.to_owned(),
            like: near(instance, id),
        })
    };
    match text.split_once(':') {
        Some(("add", keys)) => {
            let mut spec = ContainerSpec::new(unused_id(instance), 0, 0.0);
            let given = set_keys(&mut spec, keys).map_err(fail)?;
            if !given.contains(&"cpus") && spec.kind != Kind::Pooled {
                return Err(fail("expected cpus=N, the threads it requests".into()));
            }
            if !given.contains(&"p95") {
                spec.predicted_p95 = f64::from(spec.cpus);
            }
            instance.containers.push(spec);
        }
        Some(("remove", id)) => {
            let index = find(instance, id)?;
            instance.containers.remove(index);
        }
        Some(("change", rest)) => {
            let (id, keys) = rest
                .split_once(',')
                .ok_or_else(|| fail("expected change:ID,KEY=VALUE".into()))?;
            let index = find(instance, id)?;
            let spec = &mut instance.containers[index];
            let given = set_keys(spec, keys).map_err(fail)?;
            if given.contains(&"p95") {
                // The use was said anew: a rho worked out before is stale.
                spec.rho_mcpu = None;
            }
        }
        _ => {
            let text = "expected add:cpus=8,p95=3.5, remove:ID or change:ID,cpus=4";
            return Err(fail(text.into()));
        }
    }
    Ok(())
}

/// An id that a typing error may have been meant for.
fn near(instance: &Instance, id: &str) -> Option<String> {
    let ids = instance.containers.iter().map(|c| &c.id);
    let like = |other: &&String| !id.is_empty() && (other.contains(id) || id.contains(*other));
    ids.filter(like).min().cloned()
}

fn unused_id(instance: &Instance) -> String {
    let taken = |id: &String| instance.containers.iter().any(|c| c.id == *id);
    let numbers = 1..=instance.containers.len() + 1;
    let mut ids = numbers.map(|n| format!("what-if-{n}"));
    ids.find(|id| !taken(id)).unwrap_or_default()
}

/// Sets `keys` (`cpus=8,p95=3.5`); which were given.
fn set_keys<'a>(spec: &mut ContainerSpec, keys: &'a str) -> Result<Vec<&'a str>, String> {
    let mut given = Vec::new();
    for pair in keys.split(',') {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("'{}' is not KEY=VALUE", pair.escape_debug()))?;
        if given.contains(&key) {
            return Err(format!("{key} is given twice"));
        }
        match key {
            "id" => value.clone_into(&mut spec.id),
            "cpus" => spec.cpus = number(key, value, "a number of threads")?,
            "p95" => spec.predicted_p95 = number(key, value, "CPUs, as 3.5")?,
            "home" => spec.home = Some(number(key, value, "the number of a NUMA node")?),
            "priority" => spec.priority = number(key, value, "an integer")?,
            "kind" => {
                spec.kind = match value {
                    "static" => Kind::Static,
                    "burst" => Kind::Burst,
                    "pooled" => Kind::Pooled,
                    _ => return Err(wrong(key, value, "static, burst or pooled")),
                }
            }
            _ => {
                return Err(format!(
                    "unknown key '{}'; expected cpus, p95, id, kind, home or priority",
                    key.escape_debug()
                ));
            }
        }
        given.push(key);
    }
    Ok(given)
}

fn wrong(key: &str, value: &str, expected: impl Display) -> String {
    format!("{key} is '{}', expected {expected}", value.escape_debug())
}

fn number<T: FromStr>(key: &str, value: &str, expected: &str) -> Result<T, String> {
    value.parse().map_err(|_| wrong(key, value, expected))
}

/// `weights` with what `text` says instead: `smt_busy=300,spread.numa=900`.
///
/// # Errors
/// Names the key or value that makes no sense.
pub fn changed_weights(weights: Weights, text: &str) -> Result<Weights, String> {
    let mut changed = weights;
    for pair in text.split(',') {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("'{}' is not NAME=VALUE", pair.escape_debug()))?;
        let mut named = changed.named_mut();
        let names: Vec<&str> = named.iter().map(|w| w.0).collect();
        let Some((_, weight)) = named.iter_mut().find(|w| w.0 == key) else {
            return Err(format!(
                "unknown weight '{}'; expected one of {}",
                key.escape_debug(),
                names.join(", ")
            ));
        };
        **weight = number(key, value, "an integer from 0 to 1000000000")?;
    }
    match changed.first_wrong() {
        Some((name, value)) => Err(wrong(
            name,
            &value.to_string(),
            "an integer from 0 to 1000000000",
        )),
        None => Ok(changed),
    }
}

/// The largest container that fits on one node with idle siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Room {
    /// Threads: the node's wholly idle cores.
    pub threads: usize,
    /// The node; none where nodes are not known.
    pub node: Option<u32>,
}

/// What a plan leaves idle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Idle {
    /// CPUs of the cores that nobody owns a thread of.
    pub cores: CpuSet,
    /// How many such cores there are.
    pub count: usize,
    /// The largest container that still fits; none where no core is idle.
    pub room: Option<Room>,
}

impl Idle {
    /// What `placement` leaves idle of the online CPUs. A core with a CPU in
    /// `unavailable` does not count: who runs there is not known.
    #[must_use]
    pub fn new(instance: &Instance, unavailable: &CpuSet, placement: &Placement) -> Self {
        let owned = placement
            .values()
            .fold(unavailable.clone(), |all, set| all.union(set));
        let mut cores: BTreeMap<(Option<u32>, u32), (CpuSet, Option<u32>)> = BTreeMap::new();
        for cpu in instance.topology.cpus.iter().filter(|c| c.online) {
            // A CPU without a core label is a core of its own.
            let key = (cpu.core, cpu.core.map_or(cpu.id.0, |_| 0));
            let core = cores.entry(key).or_insert((CpuSet::new(), cpu.numa));
            core.0.insert(cpu.id);
        }
        let mut idle = Self {
            cores: CpuSet::new(),
            count: 0,
            room: None,
        };
        let mut by_node: BTreeMap<Option<u32>, usize> = BTreeMap::new();
        for (cpus, node) in cores.values().filter(|core| core.0.is_disjoint(&owned)) {
            idle.cores = idle.cores.union(cpus);
            idle.count += 1;
            *by_node.entry(*node).or_default() += 1;
        }
        // Of equals the first node.
        let largest = by_node.into_iter().rev().max_by_key(|(_, cores)| *cores);
        idle.room = largest.map(|(node, threads)| Room { threads, node });
        idle
    }
}

/// What a container does from one plan to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It is new in the second plan.
    New,
    /// It is gone from it.
    Gone,
    /// The second plan moves it from where it was before.
    Moves,
    /// It stays where it was before.
    Stays,
}

/// One container in both plans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Its id.
    pub container: String,
    /// What it does in the second plan.
    pub step: Step,
    /// Base threads before either plan.
    pub before: CpuSet,
    /// In the plan without the changes.
    pub now: CpuSet,
    /// In the plan with them.
    pub then: CpuSet,
}

/// The containers of both plans, ascending by id, the pooled ones as `@pool`.
#[must_use]
pub fn sides(now: &Placed, then: &Placed) -> Vec<Side> {
    let had = |placed: &Placed, id: &str| -> Option<CpuSet> {
        let spec = placed.normal.containers.iter().find(|c| c.id == id)?;
        Some(spec.previous.iter().flatten().copied().collect())
    };
    let set = |placed: &Placed, id: &str| placed.answer.placement.get(id).cloned();
    let mut ids: Vec<&String> = now.answer.placement.keys().collect();
    ids.extend(then.answer.placement.keys());
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter()
        .map(|id| {
            let before = had(then, id).or_else(|| had(now, id)).unwrap_or_default();
            let (first, second) = (set(now, id), set(then, id));
            let step = match (&first, &second) {
                (None, _) => Step::New,
                (_, None) => Step::Gone,
                (_, Some(second)) if !before.is_empty() && !before.is_subset(second) => Step::Moves,
                _ => Step::Stays,
            };
            Side {
                container: id.clone(),
                step,
                before,
                now: first.unwrap_or_default(),
                then: second.unwrap_or_default(),
            }
        })
        .collect()
}

/// What the plan `placed` costs under other weights.
///
/// # Errors
/// If the weights are too large for exact costs.
pub fn reprice(
    placed: &Placed,
    unavailable: &CpuSet,
    weights: Weights,
) -> Result<CostParts, ProblemError> {
    let instance = Instance {
        weights,
        ..placed.relaxed.as_ref().unwrap_or(&placed.normal).clone()
    };
    let problem = Problem::with_rules(&instance, unavailable, &placed.rules)?;
    let owners: Vec<Option<u32>> = owners(&problem, &placed.base);
    let owners: &Owners = &owners;
    Ok(cost(&problem, owners))
}

fn owners(problem: &Problem, placement: &Placement) -> Vec<Option<u32>> {
    let mut owners = vec![None; problem.threads.len()];
    for (k, container) in (0u32..).zip(&problem.containers) {
        let set = placement.get(&container.id);
        for (thread, owner) in problem.threads.iter().zip(&mut owners) {
            if set.is_some_and(|set| set.contains(thread.cpu)) {
                *owner = Some(k);
            }
        }
    }
    owners
}

#[cfg(test)]
mod tests;
