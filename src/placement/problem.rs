//! The dense form of a placement problem: labels become indices, every number
//! that the cost needs is worked out once, and bad numbers are refused.
//!
//! Terms (DESIGN, "Placement"): thread t on core c(t), in one group of each
//! level (L3, NUMA node); container k requests r_k threads, each predicted to
//! use rho_k milli-CPU, p_k = rho_k r_k; P_k is where it was before.
//!
//! - Only *offered* threads exist here: online and not `unavailable` (system
//!   CPUs, CPUs of foreign owners). The others count neither as capacity nor
//!   in the even share: tau_g = ceil(load |g| / threads) is over offered
//!   threads, where load = sum p_k. What runs on a core beside an offered
//!   thread but is not placed by us is not charged: its use is not known here.
//! - A CPU without a core label is a core of its own; the CPUs without an L3
//!   (or NUMA) label form one group.
//! - A level with one group is charged nothing. Where both levels part the
//!   threads alike, spread and movement are charged at NUMA only and balance
//!   at L3 only.

use std::sync::Arc;

use super::greedy::Regions;
pub use super::host_model::{Group, L3, Level, NUMA, Thread};
use super::host_model::{HostModel, Input};
use super::rules::{Resolved, Rules, resolve};
use super::types::{ContainerSpec, Instance, Placement, Weights};
use crate::cpuset::{CpuId, CpuSet};

/// Costs stay below this, so that sums are exact in `f64` too (2^53 / 2).
const LARGEST_COST: i128 = 1 << 52;

/// Owner of each thread, by dense index: the container's index, or nobody.
pub type Owners = [Option<u32>];

/// How names of a level's groups begin, `[L3, NUMA]`.
pub(super) const LEVEL_NAMES: [&str; 2] = ["l3_", "numa_"];

/// A container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub id: String,
    /// r_k: threads requested, at least 1.
    pub request: usize,
    /// rho_k: predicted use of a thread, milli-CPU.
    pub rho: i64,
    /// p_k = rho_k r_k, milli-CPU.
    pub load: i64,
    /// P_k without the threads that are not offered, ascending; none for a
    /// newcomer.
    pub previous: Option<Vec<usize>>,
    /// For each NUMA group, whether a thread there is away from home.
    pub away: Vec<bool>,
}

impl Container {
    /// P_k, empty for a newcomer.
    #[must_use]
    pub fn previous(&self) -> &[usize] {
        self.previous.as_deref().unwrap_or(&[])
    }
}

/// A problem whose numbers are checked and whose requests fit the threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Weights as given; the levels' own are in [`Problem::levels`].
    pub weights: Weights,
    /// Offered threads, ascending by CPU number.
    pub threads: Arc<[Thread]>,
    /// Threads of each core, ascending.
    pub cores: Arc<[Vec<usize>]>,
    /// `[L3, NUMA]`.
    pub levels: [Level; 2],
    /// Containers, in the instance's order.
    pub containers: Vec<Container>,
    /// What an assignment must keep.
    pub rules: Rules,
    /// How many sockets there are; CPUs without a label are on one.
    pub sockets: usize,
    /// Where best fit looks.
    pub(super) regions: Arc<Regions>,
}

/// Why an instance is no problem that can be solved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProblemError {
    /// A CPU number occurs twice.
    #[error("cpu {0} is listed twice; list each CPU once")]
    DuplicateCpu(CpuId),
    /// Two containers share a name.
    #[error("container '{}' is listed twice; give each its own id", .0.escape_debug())]
    DuplicateContainer(String),
    /// A speed above 1000.
    #[error("cpu {cpu}: perf {perf} is above 1000 (per mille of the fastest kind)")]
    Perf {
        /// The CPU.
        cpu: CpuId,
        /// Its speed.
        perf: u32,
    },
    /// A weight is negative or too large.
    #[error("weight {name} is {value}; expected 0 to 1000000000")]
    Weight {
        /// Its name in the schema.
        name: &'static str,
        /// Its value.
        value: i64,
    },
    /// A request of no thread.
    #[error("container '{}' requests 0 CPUs; expected at least 1", .0.escape_debug())]
    NoRequest(String),
    /// A predicted use that is negative or not a number.
    #[error("container '{}': {name} is {value}; expected a number of at least 0", id.escape_debug())]
    Use {
        /// The container.
        id: String,
        /// The field.
        name: &'static str,
        /// Its value, as text.
        value: String,
    },
    /// More threads are requested than offered.
    #[error(
        "the containers request {requested} CPUs, {offered} are offered; the host is over-full"
    )]
    OverFull {
        /// sum r_k.
        requested: usize,
        /// Online and not unavailable.
        offered: usize,
    },
    /// The worst cost is too large to be exact.
    #[error("costs can reach {0} micro-CPU, too large to be exact; use smaller weights")]
    TooLarge(i128),
}

impl Problem {
    /// Checks `instance` and makes it dense. `unavailable` CPUs are not
    /// offered to containers.
    ///
    /// # Errors
    /// On numbers that no cost can be worked out from, and where the requests
    /// do not fit the offered threads.
    pub fn new(instance: &Instance, unavailable: &CpuSet) -> Result<Self, ProblemError> {
        Self::with_rules(instance, unavailable, &resolve(instance))
    }

    /// [`Problem::new`] with `rules` in place of the instance's own.
    ///
    /// # Errors
    /// As [`Problem::new`].
    pub fn with_rules(
        instance: &Instance,
        unavailable: &CpuSet,
        rules: &[Resolved],
    ) -> Result<Self, ProblemError> {
        let host = HostModel::new(&Input::new(instance, unavailable))?;
        Self::on(&host, instance, rules)
    }

    /// The problem of the instance's containers and these rules on `host`,
    /// the model of its host.
    ///
    /// # Errors
    /// On a container whose numbers make no sense, and where the requests do
    /// not fit the offered threads.
    pub(super) fn on(
        host: &HostModel,
        instance: &Instance,
        rules: &[Resolved],
    ) -> Result<Self, ProblemError> {
        let HostModel {
            threads,
            cores,
            mut levels,
            sockets,
            regions,
        } = host.clone();
        let weights = instance.weights;
        let mut containers = Vec::with_capacity(instance.containers.len());
        let mut ids = std::collections::BTreeSet::new();
        for spec in &instance.containers {
            if !ids.insert(spec.id.as_str()) {
                return Err(ProblemError::DuplicateContainer(spec.id.clone()));
            }
            containers.push(container(spec, &threads, &levels[NUMA].groups)?);
        }
        let requested = containers.iter().map(|k| k.request).sum();
        if requested > threads.len() {
            return Err(ProblemError::OverFull {
                requested,
                offered: threads.len(),
            });
        }
        let load: i128 = containers.iter().map(|k| i128::from(k.load)).sum();
        let worst = check_size(load, &containers, &threads, &levels, &weights)?;
        let load: i64 = containers.iter().map(|k| k.load).sum();
        for group in levels.iter_mut().flat_map(|level| &mut level.groups) {
            group.share = even_share(load, group.threads.len(), threads.len());
        }
        let mut problem = Self {
            weights,
            threads,
            cores,
            levels,
            containers,
            rules: Rules::default(),
            sockets,
            regions,
        };
        problem.set_rules(rules, worst + 1);
        Ok(problem)
    }

    /// The same problem under other rules.
    #[must_use]
    pub(super) fn under(&self, rules: &[Resolved]) -> Self {
        let mut problem = self.clone();
        problem.set_rules(rules, self.rules.price);
        problem
    }

    fn set_rules(&mut self, rules: &[Resolved], price: i64) {
        let ids: Vec<&str> = self.containers.iter().map(|k| k.id.as_str()).collect();
        let groups = self.levels[NUMA].groups.iter();
        let nodes: Vec<Option<u32>> = groups.map(|g| g.label).collect();
        self.rules = Rules::new(rules, &ids, &nodes);
        self.rules.price = price;
    }

    /// The assignment as CPU sets by container id.
    #[must_use]
    pub fn placement(&self, owners: &Owners) -> Placement {
        let mut placement: Placement = self
            .containers
            .iter()
            .map(|k| (k.id.clone(), CpuSet::new()))
            .collect();
        for (thread, owner) in self.threads.iter().zip(owners) {
            if let Some(k) = owner
                && let Some(set) = placement.get_mut(&self.containers[*k as usize].id)
            {
                set.insert(thread.cpu);
            }
        }
        placement
    }

    /// Whether each container owns exactly its request.
    #[must_use]
    pub fn is_complete(&self, owners: &Owners) -> bool {
        let mut left: Vec<usize> = self.containers.iter().map(|k| k.request).collect();
        owners.len() == self.threads.len()
            && owners.iter().flatten().all(|&k| {
                left.get_mut(k as usize)
                    .and_then(|n| n.checked_sub(1).map(|less| *n = less))
                    .is_some()
            })
            && left.iter().all(|&n| n == 0)
    }
}

fn container(
    spec: &ContainerSpec,
    threads: &[Thread],
    numa: &[Group],
) -> Result<Container, ProblemError> {
    if spec.cpus == 0 {
        return Err(ProblemError::NoRequest(spec.id.clone()));
    }
    let rho = rho(spec)?;
    let previous = spec.previous.as_ref().map(|cpus| {
        let mut dense: Vec<usize> = cpus
            .iter()
            .filter_map(|cpu| threads.binary_search_by_key(cpu, |t| t.cpu).ok())
            .collect();
        dense.sort_unstable();
        dense.dedup();
        dense
    });
    let away = numa
        .iter()
        .map(|g| spec.home.is_some() && g.label.is_some() && g.label != spec.home)
        .collect();
    let request = spec.cpus as usize;
    Ok(Container {
        id: spec.id.clone(),
        request,
        rho,
        load: rho
            .checked_mul(i64::from(spec.cpus))
            .ok_or(ProblemError::TooLarge(i128::from(rho)))?,
        previous,
        away,
    })
}

/// rho_k: as given, else min(1000, max(50, round half to even (1000 u / r))).
///
/// # Errors
/// On a use that is negative or no number.
pub fn rho(spec: &ContainerSpec) -> Result<i64, ProblemError> {
    let bad = |name, value: String| ProblemError::Use {
        id: spec.id.clone(),
        name,
        value,
    };
    if let Some(rho) = spec.rho_mcpu {
        return match rho {
            0.. => Ok(rho),
            _ => Err(bad("rho_mcpu", rho.to_string())),
        };
    }
    let used = spec.predicted_p95;
    if !used.is_finite() || used < 0.0 {
        return Err(bad("predicted_p95", used.to_string()));
    }
    let each = (1000.0 * used / f64::from(spec.cpus.max(1)))
        .round_ties_even()
        .clamp(50.0, 1000.0);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an integer from 50 to 1000"
    )]
    let each = each as i64;
    Ok(each)
}

/// ceil(load part / all); 0 where there is no thread.
fn even_share(load: i64, part: usize, all: usize) -> i64 {
    let (part, all) = (part as i128, (all as i128).max(1));
    let share = (i128::from(load) * part + all - 1) / all;
    i64::try_from(share).unwrap_or(i64::MAX)
}

/// Above any placement's cost. Refuses weights under which that, or a term of
/// it, leaves the range that is exact.
fn check_size(
    load: i128,
    containers: &[Container],
    threads: &[Thread],
    levels: &[Level; 2],
    weights: &Weights,
) -> Result<i64, ProblemError> {
    let moved: i128 = containers.iter().map(|k| k.previous().len() as i128).sum();
    let mut per_load = i128::from(weights.smt_busy + weights.smt_foreign + weights.away)
        + i128::from(threads.iter().map(|t| t.slow).max().unwrap_or(0));
    let mut per_move = i128::from(weights.movement.thread);
    for level in levels {
        per_load += i128::from(level.spread) * level.groups.len() as i128;
        per_load += i128::from(level.balance);
        per_move += i128::from(level.movement);
    }
    let worst = load * per_load + moved * per_move;
    if worst.max(load) > LARGEST_COST {
        return Err(ProblemError::TooLarge(worst));
    }
    i64::try_from(worst).map_err(|_| ProblemError::TooLarge(worst))
}

#[cfg(test)]
mod tests;
