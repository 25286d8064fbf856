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

use branchcut::StopFlag;

use super::anneal::{Annealed, anneal};
use super::configuration::{self, Prices, Range, Rises, Task};
use super::conflict::{Room, Settled, settle};
use super::cost::{cost, priced};
use super::division::divide;
use super::greedy::greedy;
use super::guard::{Found, guard};
use super::host_model::HostModels;
use super::keep::keep_and_fit;
use super::lagrange::Relaxation;
use super::lend::lend;
use super::lower::lower_bound;
use super::overfull::{Relaxed, relax};
use super::pool::{micro, normalise};
use super::problem::{Owners, Problem, ProblemError};
use super::rules::{Resolved, resolve};
use super::solve::{End, Prepared};
use super::state::State;
use super::types::{Answer, Instance, Kind, Placement, SolveSettings, Status};
use crate::cpuset::CpuSet;

/// The annealing makes threads^3 / this many proposals: 2 ms on 64 threads,
/// where the MIP proves within milliseconds; 0.6 s on 384, where it hardly
/// ever does.
const PROPOSALS: u64 = 32;
/// Before the search over patterns, the annealing makes this many proposals a
/// thread: 15 to 100 ms, in which it gains more than the patterns would.
const FIRST_PROPOSALS: u64 = 1000;
/// In a round that starts from the prices of an earlier one, the search over patterns makes
/// this many pricings before everything else, so that the next one has better prices even
/// if there is no time for more.
const FIRST_PRICINGS: u64 = 8;
/// But only where the budget is at least threads^3 times this, as local search's proposals
/// grow: on large hosts they take a tenth to a third of that, and local search makes more of
/// less.
const FIRST_PRICINGS_BUDGET: Duration = Duration::from_nanos(10);
/// Kept back from the budget for what follows the search, as a part of it.
const RESERVE: u32 = 50;
/// Most that is kept back.
const LARGEST_RESERVE: Duration = Duration::from_millis(1);

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
    /// What a next round may start from, see [`place_from`]; none where no prices are needed.
    pub prices: Option<Prices>,
    /// Time until the search began.
    pub build: Duration,
    /// Time until the MIP began, or the search ended without it.
    pub search: Duration,
}

/// The end of a search, as far as the clock has a say in it.
struct Limits<'a> {
    /// None: no clock.
    deadline: Option<Duration>,
    /// None: no limit.
    work: Option<u64>,
    clock: &'a dyn Fn() -> Duration,
}

impl<'a> Limits<'a> {
    fn new(settings: &SolveSettings, clock: &'a dyn Fn() -> Duration) -> Self {
        let deadline = settings
            .budget
            .filter(|_| settings.work_limit.is_none())
            .map(|budget| budget - (budget / RESERVE).min(LARGEST_RESERVE));
        Self {
            deadline,
            work: settings.work_limit,
            clock,
        }
    }

    /// None: no limit.
    fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|d| d.saturating_sub((self.clock)()))
    }

    fn is_over(&self) -> bool {
        self.time_left().is_some_and(|left| left.is_zero())
    }
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
    let mut hosts = HostModels::default();
    place_from(instance, unavailable, settings, None, &mut hosts, clock)
}

/// The same as one of many rounds: from the `prices` that the round before left, of whatever
/// host. On hosts of many L3 domains a bound is known sooner then, and rounds too short for
/// one get there together. Prices may lead to another answer, never to a wrong one. `hosts`
/// are the models of earlier rounds' hosts: with them a round is sooner done, with the same answer.
///
/// # Errors
/// As [`place`].
pub fn place_from(
    instance: &Instance,
    unavailable: &CpuSet,
    settings: &SolveSettings,
    prices: Option<&Prices>,
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
    } = keep_rules(problem, rules, settings, prices, &limits);
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
        prices: search.prices,
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

/// What the search found, before any guardrail.
pub(super) struct Search {
    pub(super) owners: Vec<Option<u32>>,
    pub(super) cost: i64,
    pub(super) lower_bound: i64,
    pub(super) keep: Vec<Option<u32>>,
    pub(super) keep_cost: i64,
    pub(super) greedy_cost: i64,
    pub(super) work: u64,
    /// Of the best bound over patterns; where there was none, those that it began with.
    pub(super) prices: Option<Prices>,
    pub(super) build: Duration,
    /// Time until the MIP began, or the search ended without it.
    pub(super) searched: Duration,
    /// What kept it from a proof, in words.
    pub(super) trouble: Option<String>,
    /// Whether the local search made all its proposals.
    pub(super) is_whole: bool,
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
    prices: Option<&Prices>,
    limits: &Limits<'_>,
) -> KeptRules {
    let first = search(&problem, settings, prices, limits, 0, None);
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
    let prices = kept.search.prices;
    let known = Some(&owners[..]);
    kept.search = search(
        &problem,
        settings,
        prices.as_ref(),
        limits,
        room.spent,
        known,
    );
    kept.search.build = build;
    KeptRules {
        given_up: given_up.iter().map(|g| g.describe(&kept.rules)).collect(),
        rules,
        problem,
        is_known: true,
        ..kept
    }
}

/// `spent` is the work done before. `known`: an assignment that keeps the rules.
fn search(
    problem: &Problem,
    settings: &SolveSettings,
    prices: Option<&Prices>,
    limits: &Limits<'_>,
    spent: u64,
    known: Option<&Owners>,
) -> Search {
    let greedy = greedy(problem);
    // Where nobody was anywhere, best fit is what keeping comes to.
    let keep = match problem.containers.iter().all(|k| k.previous().is_empty()) {
        true => greedy.clone(),
        false => keep_and_fit(problem),
    };
    let (greedy_cost, keep_cost) = (greedy.cost(), keep.cost());
    let keep_owners = keep.owners().to_vec();
    // At equal cost, what moves less is the better start.
    let mut start = if greedy_cost < keep_cost {
        greedy
    } else {
        keep
    };
    if let Some(known) = known {
        let known = State::new(problem, known);
        if known.cost() < start.cost() {
            start = known;
        }
    }
    let build = (limits.clock)();

    let lower_bound = lower_bound(problem).max(0);
    let threads = problem.threads.len() as u64;
    let share = threads.saturating_pow(3) / PROPOSALS;
    let has_patterns = configuration::is_of_use(problem);
    let relaxation = if has_patterns {
        None
    } else {
        Relaxation::new(problem)
    };
    let first = match (has_patterns, &relaxation) {
        (true, _) => share.min(FIRST_PROPOSALS * threads),
        (false, Some(_)) => 0, // the divisions first
        (false, None) => share,
    };
    let mut search = Search {
        owners: start.owners().to_vec(),
        cost: start.cost(),
        lower_bound,
        keep: keep_owners,
        keep_cost,
        greedy_cost,
        work: spent,
        prices: has_patterns.then(|| prices.cloned().unwrap_or_default()),
        build,
        searched: build,
        trouble: None,
        is_whole: first == 0,
    };
    let is_over = || limits.is_over();
    let room = |search: &Search| {
        limits
            .work
            .map_or(u64::MAX, |w| w.saturating_sub(search.work))
    };
    let is_open = |search: &Search| {
        search.is_whole && search.cost > search.lower_bound && room(search) > 0 && !is_over()
    };
    let improve = |search: &mut Search, start: State<'_>, proposals: u64| {
        let limit = proposals.min(room(search));
        let Annealed { owners, cost, work } =
            anneal(start, settings.seed, limit, search.lower_bound, &is_over);
        debug_assert_eq!(cost, priced(problem, &owners));
        search.is_whole = work == proposals;
        search.work += work;
        search.cost = cost;
        search.owners = owners;
    };
    let look = |patterns: &mut configuration::Search<'_>, search: &mut Search, pricings: u64| {
        let found = patterns.run(&Task {
            owners: &search.owners,
            cost: search.cost,
            lower_bound: search.lower_bound,
            seed: settings.seed,
            limit: room(search),
            pricings,
            stop: &is_over,
        });
        search.is_whole = found.is_whole;
        search.work += found.work;
        search.cost = found.cost;
        search.lower_bound = search.lower_bound.max(found.lower_bound);
        search.owners = found.owners;
        found.rises
    };
    let mut patterns = None;
    let cubed = u32::try_from(threads.saturating_pow(3)).unwrap_or(u32::MAX);
    let least_budget = FIRST_PRICINGS_BUDGET * cubed;
    let has_time = settings.budget.is_none_or(|budget| budget >= least_budget);
    if let (true, Some(prices)) = (has_patterns && has_time && !is_over(), prices) {
        patterns = configuration::Search::new(problem, prices);
        if let Some(patterns) = &mut patterns {
            look(patterns, &mut search, FIRST_PRICINGS);
        }
    }
    let is_cut = patterns.is_some() && !search.is_whole;
    if first > 0 && !is_cut && search.cost > search.lower_bound {
        // The first pricings may have rounded to something better.
        let start = match search.cost < start.cost() {
            true => State::new(problem, &search.owners),
            false => start,
        };
        improve(&mut search, start, first);
    }
    let mut rises: Option<Rises> = None;
    if has_patterns && is_open(&search) {
        patterns = patterns
            .or_else(|| configuration::Search::new(problem, prices.unwrap_or(&Prices::default())));
        if let Some(patterns) = &mut patterns {
            rises = look(patterns, &mut search, u64::MAX);
        }
        if is_open(&search) {
            let start = State::new(problem, &search.owners);
            improve(&mut search, start, share - first);
        }
    }
    if let Some(found) = patterns.map(|p| p.prices()).filter(|p| !p.is_empty()) {
        search.prices = Some(found);
    }
    if let Some(relaxation) = relaxation
        && is_open(&search)
    {
        let limit = room(&search);
        let found = divide(relaxation, &search.owners, search.cost, limit, &is_over);
        search.is_whole = !found.is_cut;
        search.work += found.work;
        search.cost = found.cost;
        search.lower_bound = search.lower_bound.max(found.lower_bound);
        search.owners = found.owners;
        // With all divisions searched the cost is hardly ever not the least.
        if is_open(&search) && !found.is_whole {
            let start = State::new(problem, &search.owners);
            improve(&mut search, start, share - first);
        }
    }
    search.searched = (limits.clock)();
    let keeps = problem.rules.is_empty() || problem.rules.broken(problem, &search.owners) == 0;
    if keeps && is_open(&search) {
        let ranges = rises.map_or_else(Vec::new, |rises| rises.ranges(search.cost));
        prove(problem, settings, limits, &mut search, &ranges);
    }
    search
}

/// Runs the MIP from the best assignment so far, within what `ranges` leave. That
/// it ran at all is a unit of work of its own, since building the model may
/// improve the assignment.
fn prove(
    problem: &Problem,
    settings: &SolveSettings,
    limits: &Limits<'_>,
    search: &mut Search,
    ranges: &[Range],
) {
    let prepared = Prepared::within(problem, &search.owners, ranges);
    search.work += 1;
    let settings = SolveSettings {
        work_limit: limits.work.map(|limit| limit - search.work),
        ..settings.clone()
    };
    let solved = prepared.solve(&settings, limits.time_left(), &StopFlag::default());
    search.work += solved.work;
    search.cost = solved.parts.total();
    search.lower_bound = search.lower_bound.max(solved.lower_bound);
    search.owners = solved.owners;
    if let End::Stopped(reason) = solved.end {
        search.trouble = Some(format!("the MIP solver stopped: {reason}"));
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
