//! Solves a problem: the aggregated model where the host has cells, else the
//! thread-level model; from a start that is never made worse.
//!
//! The engine's bound is a float of an integer program in steps of the costs'
//! greatest common divisor. It is claimed as
//!
//! ```text
//! constant + divisor ceil(b - SAFETY max(1, |b|)),     b = the engine's bound less its offset
//! ```
//!
//! and never above the cost of the answer nor below the bound of
//! [`super::lower`].

use std::time::Duration;

use branchcut::{Basis, LogEvent, Model, Options, Outcome, Status, StopFlag, Technique};

use super::aggregated::{Aggregated, shares_once};
use super::cells::Cell;
use super::configuration::Range;
use super::cost::{cost, priced};
use super::counts;
use super::labels::Labels;
use super::lower::lower_bound;
use super::naive::Naive;
use super::problem::{Owners, Problem};
use super::symmetry;
use super::types::{CostParts, SolveSettings};
use super::warm::{Keys, RootBasis};

/// How far the engine's bound may be off, relative to max(1, |bound|): its
/// feasibility tolerance.
const SAFETY: f64 = 1e-7;

/// Largest relative gap that counts as proved.
const PROVED: f64 = 1e-6;

/// Most columns x of a thread-level model that is worth building.
const NAIVE_COLUMNS: usize = 4096;

/// Cuts that take longer on these models than the nodes they save: with them
/// most solves of usual hosts take several times as long.
const IDLE_SEPARATORS: [Technique; 5] = [
    Technique::Gomory,
    Technique::Cmir,
    Technique::KnapsackCover,
    Technique::FlowCover,
    Technique::ZeroHalf,
];

/// How a solve ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Proved within min(gap_stop, 1e-6).
    Optimal,
    /// The gap is at most `gap_stop`.
    GapReached,
    /// A limit, or the engine gave up: why, in words.
    Stopped(String),
}

/// The answer of [`solve`].
#[derive(Clone, Debug, PartialEq)]
pub struct Solved {
    /// Owner of each thread.
    pub owners: Vec<Option<u32>>,
    /// Its cost.
    pub parts: CostParts,
    /// No assignment costs less, micro-CPU.
    pub lower_bound: i64,
    /// How it ended.
    pub end: End,
    /// Whether the answer is cheaper than the start.
    pub improved: bool,
    /// Work done; [`SolveSettings::work_limit`] stops at the same place.
    pub work: u64,
    /// Branch-and-bound nodes.
    pub nodes: u64,
    /// Simplex iterations: of the first root relaxation, and in all.
    pub iterations: [u64; 2],
    /// The root relaxation's, if that was solved.
    pub basis: Option<RootBasis>,
}

/// A problem with its model, ready to be solved.
#[derive(Clone, Debug)]
pub struct Prepared<'a> {
    problem: &'a Problem,
    /// The best assignment known so far.
    owners: Vec<Option<u32>>,
    /// The cost of the start as it was given.
    start_cost: i64,
    form: Form,
    /// The start as the model's point.
    start: Option<Vec<f64>>,
    /// What columns and rows are called; none where no basis is kept.
    keys: Option<Keys>,
    /// The basis to start from.
    basis: Option<Basis>,
}

#[derive(Clone, Debug)]
enum Form {
    Aggregated(Box<Aggregated>),
    Naive(Box<Naive>),
    /// Too large for the thread-level model.
    None,
}

impl Form {
    fn new(problem: &Problem, ranges: &[Range]) -> Self {
        match Aggregated::build(problem, ranges) {
            Some(model) => Self::Aggregated(Box::new(model)),
            None if problem.threads.len() * problem.containers.len() <= NAIVE_COLUMNS => {
                Self::Naive(Box::new(Naive::build(problem)))
            }
            None => Self::None,
        }
    }
}

/// [`Prepared::new`] and [`Prepared::solve`] at once.
///
/// # Panics
/// As [`Prepared::new`].
#[must_use]
pub fn solve(
    problem: &Problem,
    start: &Owners,
    settings: &SolveSettings,
    time_left: Option<Duration>,
    stop: &StopFlag,
) -> Solved {
    Prepared::new(problem, start).solve(settings, time_left, stop)
}

impl<'a> Prepared<'a> {
    /// Builds the model. `start` is a complete assignment, the best known.
    ///
    /// # Panics
    /// If `start` does not give each container exactly its request.
    #[must_use]
    pub fn new(problem: &'a Problem, start: &Owners) -> Self {
        Self::within(problem, start, &[])
    }

    /// The same, for assignments that cost no more than `start` alone, of which `ranges` are known.
    pub(super) fn within(problem: &'a Problem, start: &Owners, ranges: &[Range]) -> Self {
        assert!(problem.is_complete(start), "the start is complete");
        let start_cost = priced(problem, start);
        let mut owners = start.to_vec();
        let mut point = None;
        let form = Form::new(problem, ranges);
        match &form {
            Form::Aggregated(model) => {
                merge_shared(problem, &model.cells, &mut owners);
                let mut counts = counts::count(problem, &model.cells, &model.classes, &owners);
                symmetry::sort(problem, &model.alike, &mut counts);
                point = Some(model.point(problem, &counts));
                let rebuilt = model.rebuild(problem, &counts);
                debug_assert!(
                    rebuilt.is_some() || problem.rules.broken(problem, start) > 0,
                    "counts of an assignment that keeps the rules can be rebuilt"
                );
                take_better(problem, &mut owners, rebuilt);
            }
            Form::Naive(model) => point = Some(model.point(problem, start)),
            Form::None => {}
        }
        take_better(problem, &mut owners, Some(start.to_vec()));
        Self {
            problem,
            owners,
            start_cost,
            form,
            start: point,
            keys: None,
            basis: None,
        }
    }

    /// Starts from what an earlier round left, and leaves the like for the next.
    #[must_use]
    pub fn from_basis(mut self, basis: &RootBasis) -> Self {
        let keys = match &self.form {
            Form::Aggregated(form) => {
                let labels = Labels::lasting(self.problem, &form.classes);
                Some(Keys::new(&form.model, &form.names(&labels)))
            }
            Form::Naive(form) => {
                let labels = Labels::lasting(self.problem, &[]);
                Some(Keys::new(&form.model, &form.names(self.problem, &labels)))
            }
            Form::None => None,
        };
        self.basis = keys.as_ref().and_then(|keys| basis.of(keys));
        self.keys = keys;
        self
    }

    /// Columns and rows of the model.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let model = match &self.form {
            Form::Aggregated(model) => &model.model,
            Form::Naive(model) => &model.model,
            Form::None => return (0, 0),
        };
        (model.columns().len(), model.rows().len())
    }

    pub(super) fn is_aggregated(&self) -> bool {
        matches!(self.form, Form::Aggregated(_))
    }

    /// The start, counted and rebuilt into threads; none for the thread-level
    /// model. What an incumbent costs on its way back, for the benches.
    #[must_use]
    pub fn rebuild_start(&self) -> Option<Vec<Option<u32>>> {
        let Form::Aggregated(model) = &self.form else {
            return None;
        };
        let counts = model.counts(self.start.as_deref()?)?;
        model.rebuild(self.problem, &counts)
    }

    /// Solves within `time_left` (from this call on) and the limits of
    /// `settings`; its `budget` is not looked at.
    #[must_use]
    pub fn solve(
        self,
        settings: &SolveSettings,
        time_left: Option<Duration>,
        stop: &StopFlag,
    ) -> Solved {
        let Self {
            problem,
            mut owners,
            start_cost,
            form,
            start,
            keys,
            basis,
        } = self;
        let mut bound = lower_bound(problem).max(0);
        let mut techniques = Options::default().techniques;
        for separator in IDLE_SEPARATORS {
            techniques = techniques.without(separator);
        }
        let options = Options::default()
            .with_techniques(techniques)
            .with_time_limit(time_left)
            .with_work_limit(settings.work_limit)
            .with_gap_relative(settings.gap_stop)
            .with_start(start)
            .with_basis(basis)
            .with_seed(settings.seed)
            .with_stop(stop.clone());
        let solve = |model: &Model, constant: i64, divisor: i64| {
            let outcome = branchcut::solve(model, &options);
            let bound = safe_bound(&outcome, model.offset, constant, divisor);
            (outcome, bound)
        };
        let mut outcome = None;
        match &form {
            Form::Aggregated(model) => {
                let (solved, from_model) = solve(&model.model, model.constant, model.divisor);
                // The model may charge these too much.
                let ignored = problem.weights.movement.thread * model.claims.ignored as i64;
                bound = bound.max(from_model.unwrap_or(0) - ignored);
                let found = solved.point.as_deref().and_then(|point| {
                    let counts = model.counts(point)?;
                    model.rebuild(problem, &counts)
                });
                take_better(problem, &mut owners, found);
                outcome = Some(solved);
            }
            Form::Naive(model) => {
                let (solved, from_model) = solve(&model.model, model.constant, model.divisor);
                bound = bound.max(from_model.unwrap_or(0));
                let found = solved.point.as_deref().and_then(|p| model.owners(p));
                take_better(problem, &mut owners, found);
                outcome = Some(solved);
            }
            Form::None => {}
        }
        let parts = cost(problem, &owners);
        debug_assert!(bound <= parts.total(), "bound {bound} above {parts:?}");
        let lower_bound = bound.min(parts.total());
        let reason = outcome.as_ref().map_or_else(
            || "the host is too large for its model".to_owned(),
            |outcome| format!("{:?}", outcome.status),
        );
        Solved {
            end: end(parts.total(), lower_bound, settings.gap_stop, reason),
            lower_bound,
            improved: parts.total() < start_cost,
            work: outcome.as_ref().map_or(0, |o| o.counters.work),
            nodes: outcome.as_ref().map_or(0, |o| o.counters.nodes),
            iterations: outcome.as_ref().map_or([0; 2], iterations),
            basis: (keys.as_ref().zip(outcome.as_ref()))
                .and_then(|(keys, o)| Some(RootBasis::new(keys, o.basis.as_ref()?))),
            owners,
            parts,
        }
    }
}

/// Where the root relaxation ends the search it has no event, and is all there was.
fn iterations(outcome: &Outcome) -> [u64; 2] {
    let all = outcome.counters.lp_iterations;
    let root = outcome.events.iter().find_map(|event| match event {
        LogEvent::Root { at } => Some(at.counters.lp_iterations),
        _ => None,
    });
    [root.unwrap_or(all), all]
}

fn end(cost: i64, bound: i64, gap_stop: f64, reason: String) -> End {
    let gap = (cost - bound) as f64 / cost.max(1) as f64;
    if cost == bound || gap <= PROVED.min(gap_stop) {
        End::Optimal
    } else if gap <= gap_stop {
        End::GapReached
    } else {
        End::Stopped(reason)
    }
}

/// Whether any assignment keeps the rules: one that does, none if none does;
/// nothing if a limit came first. Also the work that it took.
#[expect(
    clippy::option_option,
    reason = "not known, known not to be, or what it is"
)]
pub(super) fn feasible(
    problem: &Problem,
    work_limit: u64,
    time_left: Option<Duration>,
) -> (Option<Option<Vec<Option<u32>>>>, u64) {
    let options = Options::default()
        .with_time_limit(time_left)
        .with_work_limit(work_limit);
    let form = Form::new(problem, &[]);
    let model = match &form {
        Form::Aggregated(form) => &form.model,
        Form::Naive(form) => &form.model,
        Form::None => return (None, 0),
    };
    // Any point will do: nothing costs anything.
    let mut free = Model::new(model.sense);
    for column in model.columns() {
        let free_column = branchcut::Column {
            cost: 0.0,
            ..column.clone()
        };
        if free.add_column(free_column).is_err() {
            return (None, 0);
        }
    }
    for row in model.rows() {
        if free.add_row(row.clone()).is_err() {
            return (None, 0);
        }
    }
    let outcome = branchcut::solve(&free, &options);
    let work = outcome.counters.work;
    if outcome.status == Status::Infeasible {
        return (Some(None), work);
    }
    let owners = outcome.point.as_deref().and_then(|point| match &form {
        Form::Aggregated(form) => {
            let counts = form.counts(point)?;
            form.rebuild(problem, &counts)
        }
        Form::Naive(form) => form.owners(point),
        Form::None => None,
    });
    let kept = |owners: &Vec<Option<u32>>| {
        problem.is_complete(owners) && problem.rules.broken(problem, owners) == 0
    };
    debug_assert!(owners.as_ref().is_none_or(kept), "a point keeps the rules");
    (owners.filter(kept).map(Some), work)
}

/// Replaces `owners` by `found` where that is complete and cheaper.
fn take_better(problem: &Problem, owners: &mut Vec<Option<u32>>, found: Option<Vec<Option<u32>>>) {
    if let Some(found) = found
        && problem.is_complete(&found)
        && priced(problem, &found) < priced(problem, owners)
    {
        *owners = found;
    }
}

/// The engine's bound on the cost, rounded up to the grid as far as it is safe.
fn safe_bound(outcome: &Outcome, offset: f64, constant: i64, divisor: i64) -> Option<i64> {
    let bound = outcome.bound? - offset;
    let steps = (bound - SAFETY * bound.abs().max(1.0)).ceil();
    if steps.abs() >= 1e15 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "an integer far below 2^53")]
    let steps = steps as i64;
    Some(constant + divisor * steps)
}

/// Makes true what the model assumes: a container that [`shares_once`] is on
/// one shared core of a cell at most. Two of them, (k,a) and (k,b), become
/// (k,k) and (a,b), which costs no more.
fn merge_shared(problem: &Problem, cells: &[Cell], owners: &mut [Option<u32>]) {
    for cell in cells.iter().filter(|c| c.width == 2 && !c.is_wide) {
        for (k, index) in (0u32..).take(problem.containers.len()).enumerate() {
            if !shares_once(problem, k) {
                continue;
            }
            // The partner's thread of a core on which k waits for a thread.
            let mut open: Option<usize> = None;
            for &core in &cell.cores {
                let [first, second] = problem.cores[core][..] else {
                    continue;
                };
                let (own, other) = match (owners[first], owners[second]) {
                    (Some(a), Some(b)) if a == index && b != index => (first, second),
                    (Some(a), Some(b)) if b == index && a != index => (second, first),
                    _ => continue,
                };
                open = match open {
                    None => Some(other),
                    Some(waiting) => {
                        owners.swap(waiting, own);
                        None
                    }
                };
            }
        }
    }
}

#[cfg(test)]
mod tests;
