//! One round of placement: from an instance to an [`Answer`] with evidence.
//!
//! 1. The instance is normalised ([`super::pool`]); an over-full host is made
//!    to fit ([`super::overfull`]).
//! 2. Greedy and keep-and-fit are worked out: yardsticks, starts, fallbacks.
//! 3. Annealing improves the better one, for a number of proposals that depends
//!    on the host's size alone. On hosts of many L3 domains it is interrupted by
//!    the search over their patterns ([`super::configuration`]).
//!    On other hosts of few cells a search over the divisions of containers
//!    between them ([`super::division`]) comes before it, which mostly ends with
//!    a proof: as a start it needs nothing better than step 2's.
//!    With the prices of an earlier round ([`place_from`]) the first few bounds over
//!    patterns come before everything else.
//! 4. The MIP starts from there, for what is left of the budget; it proves.
//!    Where annealing finds nothing that keeps the rules, [`super::conflict`]
//!    settles first which can be kept.
//! 5. The best assignment is the answer, unless a guardrail keeps the old one.
//!
//! The steps depend on the instance, the settings and the seed. The clock only
//! cuts them: whatever it does, the work count says where the search stopped,
//! and a run with [`SolveSettings::work_limit`] at that count never looks at
//! the clock and gives the same answer. So a step that the clock cut short
//! must be the last one that did any work.

use std::time::Duration;

use super::conflict::{Room, Settled, settle};
use super::cost::cost;
use super::guard::{Found, guard};
use super::host_model::HostModels;
use super::lend::lend;
use super::overfull::{Relaxed, relax};
use super::pool::{micro, normalise};
use super::problem::{Problem, ProblemError};
use super::rules::{Resolved, resolve};
use super::search::{Limits, Search, search};
use super::types::{Answer, Instance, Kind, Placement, SolveSettings, Status};
use super::warm::WarmStart;
use crate::cpuset::CpuSet;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// The instance's numbers make no sense.
    #[error(transparent)]
    Problem(#[from] ProblemError),
    /// Every online CPU is unavailable.
    #[error(
        "no CPU is left for {containers} containers: {online} are online, all of them reserved; \
         shorten host.system_cpus, or bring CPUs online"
    )]
    NoThreads {
        /// Containers to be placed.
        containers: usize,
        /// CPUs online.
        online: usize,
    },
}

/// An answer with what it was compared to.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// The answer.
    pub answer: Answer,
    /// The instance with containers ascending by id, the pooled ones as `@pool`.
    pub normal: Instance,
    /// On an over-full host what was solved instead, with `@shared`.
    pub relaxed: Option<Instance>,
    /// The dense form of what was solved, under the rules that were kept. The
    /// costs are its.
    pub problem: Problem,
    /// The rules that were kept.
    pub rules: Vec<Resolved>,
    /// Base threads in `problem`; differs from the answer's on an over-full host.
    pub base: Placement,
    /// Cost of greedy best fit, micro-CPU.
    pub greedy_cost: i64,
    /// Cost of keep-and-fit, micro-CPU.
    pub keep_cost: i64,
    /// Whether threads have several owners, on an over-full host.
    pub is_shared: bool,
    /// What a next round may start from, see [`place_from`].
    pub warm: WarmStart,
    /// Simplex iterations of the MIP, of its root relaxation and in all; for the benches.
    pub lp_iterations: [u64; 2],
    /// Time until the search began.
    pub build: Duration,
    /// Time until the MIP began, or the search ended without it.
    pub search: Duration,
}

/// An instance in the form that is solved.
pub(super) struct Posed {
    /// Normalised.
    pub(super) normal: Instance,
    /// Made to fit; none where it fits.
    pub(super) relaxed: Option<Relaxed>,
    /// The dense form of what is solved.
    pub(super) problem: Problem,
    /// The threads that containers may have.
    pub(super) offered: CpuSet,
    /// The instance's rules.
    pub(super) rules: Vec<Resolved>,
}

/// Step 1 of the module's text.
pub(super) fn pose(
    instance: &Instance,
    unavailable: &CpuSet,
    hosts: &mut HostModels,
) -> Result<Posed, PlacementError> {
    let normal = normalise(instance);
    let online = instance.topology.online();
    let offered = online.difference(unavailable);
    if offered.is_empty() && !normal.containers.is_empty() {
        return Err(PlacementError::NoThreads {
            containers: instance.containers.len(),
            online: online.len(),
        });
    }
    let requested: usize = normal.containers.iter().map(|c| c.cpus as usize).sum();
    let relaxed = if requested > offered.len() {
        Some(relax(&normal, &offered, least_pool(instance))?)
    } else {
        None
    };
    let solved = relaxed.as_ref().map_or(&normal, |r| &r.instance);
    let rules = resolve(instance);
    let problem = Problem::on(hosts.of(instance, unavailable)?, solved, &rules)?;
    Ok(Posed {
        normal,
        relaxed,
        problem,
        offered,
        rules,
    })
}

/// Places the containers of `instance` on its online CPUs without
/// `unavailable`. `clock` tells the time since the round began; the budget is
/// for all of it. Never above greedy or keep-and-fit, unless a guardrail says
/// so ([`Status::Kept`]).
///
/// # Errors
/// If the instance makes no sense, or no CPU is left.
pub fn place(
    instance: &Instance,
    unavailable: &CpuSet,
    settings: &SolveSettings,
    clock: &dyn Fn() -> Duration,
) -> Result<Placed, PlacementError> {
    let (warm, mut hosts) = (WarmStart::default(), HostModels::default());
    place_from(instance, unavailable, settings, &warm, &mut hosts, clock)
}

/// The same as one of many rounds: from what the round before left, of whatever host. On hosts
/// of many L3 domains a bound is known sooner then, and rounds too short for one get there
/// together. A warm start may lead to another answer, never to a wrong one. `hosts`
/// are the models of earlier rounds' hosts: with them a round is sooner done, with the same answer.
///
/// # Errors
/// As [`place`].
pub fn place_from(
    instance: &Instance,
    unavailable: &CpuSet,
    settings: &SolveSettings,
    warm: &WarmStart,
    hosts: &mut HostModels,
    clock: &dyn Fn() -> Duration,
) -> Result<Placed, PlacementError> {
    let limits = Limits::new(settings, clock);
    let Posed {
        normal,
        relaxed,
        problem,
        offered,
        rules,
    } = pose(instance, unavailable, hosts)?;
    let KeptRules {
        rules,
        problem,
        search,
        given_up,
        is_known,
    } = keep_rules(problem, rules, settings, warm, &limits);
    let mut found = match &relaxed {
        Some(relaxed) => Found {
            status: Status::Fallback,
            reasons: relaxed.reasons.clone(),
            lower_bound: if relaxed.is_shared() {
                0
            } else {
                search.lower_bound
            },
            owners: search.owners.clone(),
        },
        None => guard(&problem, settings, &search),
    };
    if !is_known {
        found.status = Status::Kept;
        found.owners.clone_from(&search.keep);
        found.reasons = vec![
            "the old placement is kept: no placement that keeps the rules was found within the \
             budget (solve.budget), nor a proof that there is none"
                .to_owned(),
        ];
    } else if !given_up.is_empty() {
        if found.status != Status::Kept {
            found.status = Status::Relaxed;
        }
        found.reasons.splice(0..0, given_up);
    }
    let parts = cost(&problem, &found.owners);
    // A bound is for placements that keep the rules; the old one may not.
    found.lower_bound = found.lower_bound.min(parts.total());
    let base = problem.placement(&found.owners);
    let mut placement = base.clone();
    if let Some(relaxed) = &relaxed {
        relaxed.unmerge(&mut placement, &offered)?;
    }
    let is_shared = relaxed.as_ref().is_some_and(Relaxed::is_shared);
    let answer = Answer {
        status: found.status,
        cost_parts: parts,
        lower_bound: found.lower_bound,
        moved_threads: moved_threads(&normal, &placement, &offered),
        work: search.work,
        reasons: found.reasons,
        lent: lend(&normal, &placement, &offered, &rules, is_shared),
        placement,
    };
    Ok(Placed {
        answer,
        problem,
        relaxed: relaxed.map(|relaxed| relaxed.instance),
        is_shared,
        normal,
        rules,
        base,
        greedy_cost: search.greedy_cost,
        keep_cost: search.keep_cost,
        warm: search.warm,
        lp_iterations: search.lp_iterations,
        build: search.build,
        search: search.searched,
    })
}

/// Least threads of the pool: what the largest pooled container needs, its
/// request or its use, and the reserve.
fn least_pool(instance: &Instance) -> u32 {
    let pooled = instance
        .containers
        .iter()
        .filter(|c| c.kind == Kind::Pooled);
    let need = pooled
        .map(|c| {
            let request = c.request_mcpu.map_or_else(
                || u64::from(c.cpus),
                |milli| u64::from(milli).div_ceil(1000),
            );
            request.max(micro(c.predicted_p95).div_ceil(1_000_000))
        })
        .max();
    u32::try_from(need.unwrap_or(0))
        .unwrap_or(u32::MAX)
        .max(instance.lending.reserve)
}

/// The rules that a placement can keep, and the search under them.
struct KeptRules {
    rules: Vec<Resolved>,
    problem: Problem,
    search: Search,
    /// What was given up, in words.
    given_up: Vec<String>,
    /// Whether the search's assignment keeps the rules.
    is_known: bool,
}

/// Searches; where local search breaks a rule, the MIP says whether the rules
/// can be kept at all, and the search goes on with those that can.
fn keep_rules(
    problem: Problem,
    rules: Vec<Resolved>,
    settings: &SolveSettings,
    warm: &WarmStart,
    limits: &Limits<'_>,
) -> KeptRules {
    let first = search(&problem, settings, warm, limits, 0, None);
    let mut kept = KeptRules {
        rules,
        problem,
        search: first,
        given_up: Vec::new(),
        is_known: true,
    };
    if kept
        .problem
        .rules
        .broken(&kept.problem, &kept.search.owners)
        == 0
    {
        return kept;
    }
    kept.is_known = false;
    if !kept.search.is_whole {
        return kept;
    }
    let mut room = Room {
        work: limits.work,
        time_left: &|| limits.time_left(),
        spent: kept.search.work,
    };
    let settled = settle(&kept.problem, &kept.rules, &mut room);
    kept.search.work = room.spent;
    let Settled::Kept {
        rules,
        owners,
        given_up,
    } = settled
    else {
        return kept;
    };
    let problem = kept.problem.under(&rules);
    let build = kept.search.build;
    let warm = kept.search.warm;
    let known = Some(&owners[..]);
    kept.search = search(&problem, settings, &warm, limits, room.spent, known);
    kept.search.build = build;
    KeptRules {
        given_up: given_up.iter().map(|g| g.describe(&kept.rules)).collect(),
        rules,
        problem,
        is_known: true,
        ..kept
    }
}

/// Threads of previous sets that their containers no longer have.
fn moved_threads(instance: &Instance, placement: &Placement, offered: &CpuSet) -> u32 {
    let mut moved = 0;
    for c in &instance.containers {
        let was: CpuSet = c.previous.iter().flatten().copied().collect();
        let left = match placement.get(&c.id) {
            Some(now) => was.intersection(offered).difference(now),
            None => was,
        };
        moved += left.len();
    }
    u32::try_from(moved).unwrap_or(u32::MAX)
}
