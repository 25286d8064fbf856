//! Steps 2 to 4 of a round (see [`super::place`]): from a problem to the best
//! assignment that was found, and a bound.
//!
//! A step that a limit cut short is the last one that did any work, so that the work
//! count alone says where it stopped.

use std::time::Duration;

use branchcut::StopFlag;

use super::anneal::{Annealed, anneal};
use super::cells::counts_cores;
use super::configuration::{self, Columns, Prices, Rises, Task};
use super::cost::priced;
use super::division::divide;
use super::greedy::greedy;
use super::keep::keep_and_fit;
use super::lagrange::Relaxation;
use super::lower::lower_bound;
use super::problem::{Owners, Problem};
use super::solve::{End, Prepared};
use super::state::State;
use super::types::SolveSettings;
use super::warm::WarmStart;

/// The annealing makes threads^3 / this many proposals: 2 ms on 64 threads,
/// where the MIP proves within milliseconds; 0.6 s on 384, where it hardly
/// ever does.
const PROPOSALS: u64 = 32;
/// Before the search over patterns, the annealing makes this many proposals a
/// thread: 15 to 100 ms, in which it gains more than the patterns would.
const FIRST_PROPOSALS: u64 = 1000;
/// Before the MIP, where that comes next and counts cores rather than telling them apart: 0.4 ms
/// on 64 threads, 2 ms on 256. Most such hosts are proved at its root, in milliseconds.
const PROPOSALS_BEFORE_MIP: u64 = 32;
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

/// The end of a search, as far as the clock has a say in it.
pub(super) struct Limits<'a> {
    /// None: no clock.
    deadline: Option<Duration>,
    /// None: no limit.
    pub(super) work: Option<u64>,
    clock: &'a dyn Fn() -> Duration,
}

impl<'a> Limits<'a> {
    pub(super) fn new(settings: &SolveSettings, clock: &'a dyn Fn() -> Duration) -> Self {
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
    pub(super) fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|d| d.saturating_sub((self.clock)()))
    }

    fn is_over(&self) -> bool {
        self.time_left().is_some_and(|left| left.is_zero())
    }
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
    pub(super) warm: WarmStart,
    /// Simplex iterations of the MIP: of its root relaxation, and in all.
    pub(super) lp_iterations: [u64; 2],
    pub(super) build: Duration,
    /// Time until the MIP began, or the search ended without it.
    pub(super) searched: Duration,
    /// What kept it from a proof, in words.
    pub(super) trouble: Option<String>,
    /// Whether the local search made all its proposals.
    pub(super) is_whole: bool,
}

/// Searches. `warm`: what an earlier round left. `spent` is the work done before.
/// `known`: an assignment that keeps the rules.
pub(super) fn search(
    problem: &Problem,
    settings: &SolveSettings,
    warm: &WarmStart,
    limits: &Limits<'_>,
    spent: u64,
    known: Option<&Owners>,
) -> Search {
    let Starts {
        start,
        keep,
        keep_cost,
        greedy_cost,
    } = Starts::of(problem, known);
    let build = (limits.clock)();
    let lower_bound = lower_bound(problem).max(0);
    let has_patterns = configuration::is_of_use(problem);
    let relaxation = match has_patterns {
        true => None,
        false => Relaxation::new(problem),
    };
    let threads = problem.threads.len() as u64;
    let share = threads.saturating_pow(3) / PROPOSALS;
    let first = match (has_patterns, &relaxation) {
        (true, _) => share.min(FIRST_PROPOSALS * threads),
        (false, Some(_)) => 0, // the divisions first
        (false, None) if counts_cores(problem) => share.min(PROPOSALS_BEFORE_MIP * threads),
        (false, None) => share,
    };
    let mut run = Run {
        problem,
        settings,
        limits,
        first,
        rest: share - first,
        search: Search {
            owners: start.owners().to_vec(),
            cost: start.cost(),
            lower_bound,
            keep,
            keep_cost,
            greedy_cost,
            work: spent,
            warm: WarmStart {
                prices: has_patterns.then(|| warm.prices.clone().unwrap_or_default()),
                basis: warm.basis.clone(),
                columns: match has_patterns {
                    true => warm.columns.clone(),
                    false => Columns::default(),
                },
            },
            lp_iterations: [0; 2],
            build,
            searched: build,
            trouble: None,
            is_whole: first == 0,
        },
    };
    let mut rises = None;
    if has_patterns {
        rises = run.patterns(start, warm);
    } else if first > 0 {
        run.improve(start, first);
        // From what breaks a rule the MIP does not begin.
        if !run.keeps_rules() && run.is_open() {
            run.improve_rest();
        }
    }
    if let Some(relaxation) = relaxation {
        run.divisions(relaxation);
    }
    run.search.searched = (limits.clock)();
    run.prove(rises);
    run.search
}

/// Yardsticks, and where the search begins.
struct Starts<'a> {
    start: State<'a>,
    keep: Vec<Option<u32>>,
    keep_cost: i64,
    greedy_cost: i64,
}

impl<'a> Starts<'a> {
    fn of(problem: &'a Problem, known: Option<&Owners>) -> Self {
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
        Self {
            start,
            keep: keep_owners,
            keep_cost,
            greedy_cost,
        }
    }
}

/// A search under way.
struct Run<'a> {
    problem: &'a Problem,
    settings: &'a SolveSettings,
    limits: &'a Limits<'a>,
    /// Proposals of the local search before other steps, and after them.
    first: u64,
    rest: u64,
    search: Search,
}

impl<'a> Run<'a> {
    /// Work that is left.
    fn room(&self) -> u64 {
        let work = self.limits.work;
        work.map_or(u64::MAX, |w| w.saturating_sub(self.search.work))
    }

    fn keeps_rules(&self) -> bool {
        let problem = self.problem;
        problem.rules.is_empty() || problem.rules.broken(problem, &self.search.owners) == 0
    }

    /// Whether there is something to be found, and work and time for it.
    fn is_open(&self) -> bool {
        let search = &self.search;
        search.is_whole
            && search.cost > search.lower_bound
            && self.room() > 0
            && !self.limits.is_over()
    }

    /// So many proposals of the local search, unless the bound is reached.
    fn improve(&mut self, start: State<'_>, proposals: u64) {
        if self.search.cost <= self.search.lower_bound {
            return;
        }
        let limit = proposals.min(self.room());
        let (seed, bound) = (self.settings.seed, self.search.lower_bound);
        let is_over = || self.limits.is_over();
        let Annealed { owners, cost, work } = anneal(start, seed, limit, bound, &is_over);
        debug_assert_eq!(cost, priced(self.problem, &owners));
        self.search.is_whole = work == proposals;
        self.take(owners, cost, bound, work);
    }

    /// The proposals that are left, from the best assignment.
    fn improve_rest(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        self.improve(self.best(), rest);
    }

    /// Takes over what a step found for its work; its bound if that is higher.
    fn take(&mut self, owners: Vec<Option<u32>>, cost: i64, lower_bound: i64, work: u64) {
        let search = &mut self.search;
        search.work += work;
        search.cost = cost;
        search.lower_bound = search.lower_bound.max(lower_bound);
        search.owners = owners;
    }

    /// The best assignment, to go on from.
    fn best(&self) -> State<'a> {
        State::new(self.problem, &self.search.owners)
    }

    /// On hosts of many L3s: local search, interrupted by the search over patterns; with
    /// `earlier` prices that comes first, too.
    fn patterns(&mut self, start: State<'_>, warm: &WarmStart) -> Option<Rises> {
        let earlier = warm.prices.as_ref();
        let mut patterns = None;
        if let Some(earlier) = earlier.filter(|_| self.has_time_for_first_pricings()) {
            patterns = configuration::Search::new(self.problem, earlier, &warm.columns);
            if let Some(patterns) = &mut patterns {
                self.look(patterns, FIRST_PRICINGS);
            }
        }
        let is_cut = patterns.is_some() && !self.search.is_whole;
        if self.first > 0 && !is_cut {
            // The first pricings may have rounded to something better.
            let start = match self.search.cost < start.cost() {
                true => self.best(),
                false => start,
            };
            self.improve(start, self.first);
        }
        let mut rises = None;
        if self.is_open() {
            let none = Prices::default();
            let earlier = earlier.unwrap_or(&none);
            patterns = patterns
                .or_else(|| configuration::Search::new(self.problem, earlier, &warm.columns));
            if let Some(patterns) = &mut patterns {
                rises = self.look(patterns, u64::MAX);
            }
            if self.is_open() {
                self.improve_rest();
            }
        }
        let left = patterns.and_then(|patterns| patterns.leave());
        if let Some((prices, columns)) = left.filter(|(prices, _)| !prices.is_empty()) {
            self.search.warm.prices = Some(prices);
            self.search.warm.columns = columns;
        }
        rises
    }

    fn has_time_for_first_pricings(&self) -> bool {
        let threads = self.problem.threads.len() as u64;
        let cubed = u32::try_from(threads.saturating_pow(3)).unwrap_or(u32::MAX);
        let least = FIRST_PRICINGS_BUDGET * cubed;
        self.settings.budget.is_none_or(|budget| budget >= least) && !self.limits.is_over()
    }

    /// So many pricings of patterns more.
    fn look(&mut self, patterns: &mut configuration::Search<'_>, pricings: u64) -> Option<Rises> {
        let found = patterns.run(&Task {
            owners: &self.search.owners,
            cost: self.search.cost,
            lower_bound: self.search.lower_bound,
            seed: self.settings.seed,
            limit: self.room(),
            pricings,
            stop: &|| self.limits.is_over(),
        });
        self.search.is_whole = found.is_whole;
        self.take(found.owners, found.cost, found.lower_bound, found.work);
        found.rises
    }

    /// On hosts of few cells: the divisions of containers between them, then local search.
    fn divisions(&mut self, relaxation: Relaxation<'_>) {
        if !self.is_open() {
            return;
        }
        let (limit, is_over) = (self.room(), || self.limits.is_over());
        let (owners, cost) = (&self.search.owners, self.search.cost);
        let found = divide(relaxation, owners, cost, limit, &is_over);
        self.search.is_whole = !found.is_cut;
        self.take(found.owners, found.cost, found.lower_bound, found.work);
        // With all divisions searched the cost is hardly ever not the least.
        if self.is_open() && !found.is_whole {
            self.improve_rest();
        }
    }

    /// Runs the MIP from the best assignment so far, if that keeps the rules, within what
    /// `rises` leave. That it ran at all is a unit of work of its own, since building the
    /// model may improve the assignment.
    fn prove(&mut self, rises: Option<Rises>) {
        if !self.keeps_rules() || !self.is_open() {
            return;
        }
        let (problem, limits) = (self.problem, self.limits);
        let search = &self.search;
        let ranges = rises.map_or_else(Vec::new, |rises| rises.ranges(search.cost));
        let mut prepared = Prepared::within(problem, &search.owners, &ranges);
        if self.rest > 0 && !prepared.is_aggregated() {
            self.improve_rest();
            if !self.is_open() {
                return;
            }
            prepared = Prepared::within(problem, &self.search.owners, &ranges);
        }
        let search = &mut self.search;
        search.work += 1;
        prepared = prepared.from_basis(&search.warm.basis);
        let settings = SolveSettings {
            work_limit: limits.work.map(|limit| limit - search.work),
            ..self.settings.clone()
        };
        let solved = prepared.solve(&settings, limits.time_left(), &StopFlag::default());
        if let Some(basis) = solved.basis {
            search.warm.basis = basis;
        }
        search.lp_iterations = solved.iterations;
        let cost = solved.parts.total();
        self.take(solved.owners, cost, solved.lower_bound, solved.work);
        if let End::Stopped(reason) = solved.end {
            self.search.trouble = Some(format!("the MIP solver stopped: {reason}"));
        }
    }
}
