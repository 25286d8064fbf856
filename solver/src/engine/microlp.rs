//! The microlp crate as an engine.
//!
//! # Units of work
//!
//! microlp searches in one call until a limit, and can go on from there. Its
//! node limit stops before a node's LP and puts that node back, so a search cut
//! into pieces by node limits takes the very nodes of an uncut one. A time
//! limit cuts inside a node and does not have that property. So this file
//! drives microlp by node limits alone, in chunks on a fixed schedule
//! ([`chunk`]), and drops whatever a deadline cut:
//!
//! | work | what it is |
//! |-|-|
//! | 1 | presolve and the root relaxation (a linear program: all of it) |
//! | + 1 for each node | a branch-and-bound node's LP |
//!
//! microlp tells no counters along with an error (infeasible, unbounded,
//! numerical failure). A chunk that ends so counts in full, and its simplex
//! iterations are not counted; both are the same in every run.
//!
//! # What microlp cannot express
//!
//! | the model has | what is done |
//! |-|-|
//! | a two-sided row | an equation with a bounded slack; measured against two constraints: dsbmip 761 nodes in place of 1,200, nesm 1,913 iterations in place of 2,067, boeing1 458 in place of 424 |
//! | an integer column with a bound beyond `i32` | the bound that the rows imply, if that fits; else a box at the `i32` range: points found are good, claims come from the linear relaxation, and where that does not settle it none is made |
//! | a continuous bound of 2^52 to 1e20 | a constraint; microlp takes such a bound for none |
//! | a cutoff | points not better are dropped, and the search ends once its bound reaches the cutoff |
//! | an infinite value where none may be | never gets here: `super::contradiction` |
//!
//! microlp panics on a malformed expression (a column twice, an index out of
//! range); [`Model::add_row`] excludes both. It may panic on a bug of its own.
//! With unwinding that ends this worker and the answer is
//! [`Status::NumericalTrouble`]; the release profile aborts.

use microlp::{
    ComparisonOp, Error, OptimizationDirection, Problem, ResumeOptions, SolveOptions, SolveOutcome,
    TerminationReason, Variable,
};
use std::time::Duration;

use super::ledger::Ledger;
use super::{End, Report, Task};
use crate::bound::{self, Grid, Space};
use crate::check::{self, Checked, Refusal};
use crate::implied::implied_bounds;
use crate::model::{Column, Model};
use crate::outcome::Status;
use crate::tol;

/// What microlp gets beyond the caller's deadline: it must never be microlp's
/// clock that ends a chunk whose result still counts.
const GRACE: Duration = Duration::from_millis(2);

/// The magnitude from which on microlp takes a bound for infinite, 2^52.
const MICROLP_INFINITE: f64 = 4_503_599_627_370_496.0;

/// Most nodes in a chunk, whatever the search's length.
const LARGEST_CHUNK: u64 = 256;

/// Nodes in the chunk that follows `nodes` nodes: a sixteenth of them, so that
/// a deadline loses at most about that share of the work, and resuming, whose
/// cost is that of looking over all open nodes and all coefficients, stays
/// rare beside it. Measured over ten models: within 5 % of one uncut call,
/// where chunks of one node cost up to 40 %, with the same nodes and simplex
/// iterations in all of them.
fn chunk(nodes: u64) -> u64 {
    (nodes / 16).clamp(1, LARGEST_CHUNK)
}

/// The integers an integer column may take, as floats; infinite sides stay so.
pub(super) fn integral_bounds(column: &Column) -> (f64, f64) {
    (
        (column.lower - tol::FEASIBILITY).ceil(),
        (column.upper + tol::FEASIBILITY).floor(),
    )
}

/// Solves the task, sending what is committed.
pub(super) fn run(task: Task, send: &mut dyn FnMut(Report) -> bool) {
    let (problem, vars, boxed) = build(&task.model, Form::Whole);
    if !task.is_wanted() {
        return;
    }
    let worker = Worker {
        space: Space::of(&task.model),
        grid: task.grid,
        ledger: task.ledger.clone(),
        vars,
        boxed,
        is_relaxation_unbounded: false,
        last_objective: None,
        refused: None,
        task,
        send,
    };
    worker.search(&problem);
}

struct Worker<'a> {
    task: Task,
    space: Space,
    grid: Option<Grid>,
    ledger: Ledger,
    vars: Vec<Variable>,
    /// Whether an integer column was cut to the `i32` range.
    boxed: bool,
    /// Whether the linear relaxation, solved where `boxed`, is unbounded.
    is_relaxation_unbounded: bool,
    /// Objective of the last point taken from microlp, in its own terms.
    last_objective: Option<f64>,
    /// Why the last point of microlp's was refused.
    refused: Option<Refusal>,
    send: &'a mut dyn FnMut(Report) -> bool,
}

impl Worker<'_> {
    fn search(mut self, problem: &Problem) {
        let has_integers = problem.has_integer_vars();
        let mut options = SolveOptions::default();
        options.time_limit = self.task.clock.left().map(|left| left + GRACE);
        options.node_limit = Some(0);
        options.tolerances.feasibility = tol::ENGINE_FEASIBILITY;
        options.int_tol = tol::INTEGRALITY;
        options.warm_start = self.task.start.as_ref().map(|start| {
            let values = start.point().iter().copied();
            self.vars.iter().copied().zip(values).collect()
        });
        if self.boxed
            && let Some(end) = self.relax()
        {
            self.ledger.counters.work = 1;
            self.ledger.counters.nodes = 1;
            self.report(None, Some(end));
            return;
        }
        let mut step = 1;
        let mut result = problem.solve_with(options);
        loop {
            self.ledger.counters.work += step;
            if has_integers {
                self.ledger.counters.nodes += step;
            }
            let outcome = match result {
                Ok(outcome) => outcome,
                Err(error) => {
                    let end = self.end_of_error(&error);
                    self.report(None, Some(end));
                    return;
                }
            };
            let stats = outcome.stats();
            self.ledger.counters.lp_iterations = stats.lp_iterations;
            if has_integers {
                // The last chunk may have needed fewer nodes than it was given.
                let nodes = 1 + stats.nodes_solved;
                self.ledger.counters.work -= self.ledger.counters.nodes - nodes;
                self.ledger.counters.nodes = nodes;
            }
            let found = self.take_point(&outcome);
            let proved = outcome.termination_reason() == TerminationReason::ProvenOptimal;
            let end = if proved {
                Some(self.end_of_proof(&outcome))
            } else {
                if let (Some(bound), false) = (stats.best_bound, self.boxed) {
                    self.raise(bound);
                }
                self.ledger.verdict().map(End::plain)
            };
            let is_last = end.is_some();
            if !self.report(found, end) || is_last {
                return;
            }
            let limits = self.ledger.limits();
            let counters = &self.ledger.counters;
            step = chunk(counters.nodes)
                .min(limits.work.saturating_sub(counters.work))
                .min(limits.nodes.saturating_sub(counters.nodes));
            let mut options = ResumeOptions::default();
            options.node_limit = Some(step);
            options.time_limit = self.task.clock.left().map(|left| left + GRACE);
            result = outcome.resume_with(options);
        }
    }

    /// Solves the linear relaxation without the box, whose bound and
    /// infeasibility are the model's; the end, if it is one.
    fn relax(&mut self) -> Option<End> {
        let (problem, _, _) = build(&self.task.model, Form::Relaxed);
        let mut options = SolveOptions::default();
        options.time_limit = self.task.clock.left().map(|left| left + GRACE);
        match problem.solve_with(options) {
            Ok(outcome) => {
                if let Some(bound) = outcome.stats().best_bound {
                    self.raise(bound);
                }
                None
            }
            Err(Error::Unbounded) => {
                self.is_relaxation_unbounded = true;
                None
            }
            Err(Error::Infeasible) => Some(self.end_of_infeasibility()),
            Err(_) => None,
        }
    }

    fn end_of_infeasibility(&self) -> End {
        if self.ledger.incumbent().is_some() {
            End::trouble("the engine claims infeasibility, but a feasible point is known")
        } else {
            End::plain(Status::Infeasible)
        }
    }

    /// Where the box may have caused what the search says: what is known all
    /// the same. With rational data, an unbounded relaxation and one integer
    /// point make the model unbounded (R. Meyer 1974, "On the existence of
    /// optimal solutions to integer and mixed-integer programming problems").
    fn end_in_box(&self) -> End {
        match self.ledger.gap_verdict() {
            Some(status) => End::plain(status),
            None if self.is_relaxation_unbounded && self.ledger.incumbent().is_some() => {
                End::plain(Status::Unbounded)
            }
            None => End::trouble(BOXED),
        }
    }

    /// Sends what is committed so far; whether to go on. Nothing is sent once
    /// the deadline has passed: the clock may have had a part in it.
    fn report(&mut self, found: Option<Checked>, end: Option<End>) -> bool {
        self.task.is_wanted()
            && (self.send)(Report {
                incumbent: found.map(|checked| (checked, "microlp")),
                bound: self.ledger.bound(),
                counters: self.ledger.counters,
                end,
                ..Report::default()
            })
    }

    /// microlp's incumbent, if it is new, through the one door.
    fn take_point(&mut self, outcome: &SolveOutcome) -> Option<Checked> {
        let solution = outcome.solution()?;
        let objective = solution.objective();
        if self
            .last_objective
            .is_some_and(|last| last.total_cmp(&objective).is_eq())
        {
            return None;
        }
        self.last_objective = Some(objective);
        let point: Vec<f64> = self
            .vars
            .iter()
            .map(|&var| solution.var_value(var))
            .collect();
        match check::check(&self.task.model, &point).or_else(|why| self.repair(&point).ok_or(why)) {
            Ok(checked) => {
                self.refused = None;
                self.ledger.offer(checked.clone()).then_some(checked)
            }
            Err(refusal) => {
                self.refused = Some(refusal);
                None
            }
        }
    }

    /// Rounding an integer can break a row that it has a large coefficient in.
    /// With the integers fixed where they were rounded to, the continuous
    /// columns may have values that mend it.
    fn repair(&self, point: &[f64]) -> Option<Checked> {
        let model = &self.task.model;
        if model.integers() == 0 || model.integers() == point.len() {
            return None;
        }
        let (problem, vars, _) = build(model, Form::Fixed(point));
        let mut options = SolveOptions::default();
        options.time_limit = self.task.clock.left().map(|left| left + GRACE);
        let outcome = problem.solve_with(options).ok()?;
        let solution = outcome.solution()?;
        let mended: Vec<f64> = vars.iter().map(|&var| solution.var_value(var)).collect();
        check::check(model, &mended).ok()
    }

    /// Takes over a bound of microlp's (internal, no offset).
    fn raise(&mut self, bound: f64) {
        let safe = bound::safe(bound);
        let tight = self.grid.map_or(safe, |grid| grid.round_up(safe));
        self.ledger.raise(self.space.to_caller(tight));
    }

    /// The tree is exhausted: what may be claimed of it.
    fn end_of_proof(&mut self, outcome: &SolveOutcome) -> End {
        if self.boxed {
            return self.end_in_box();
        }
        if let Some(refusal) = &self.refused {
            return End::trouble(format!(
                "the engine's optimum does not pass the check: {refusal}"
            ));
        }
        let Some(solution) = outcome.solution() else {
            return End::trouble("the engine claims an optimum without a point");
        };
        let claimed = self.space.to_caller(solution.objective());
        let Some(best) = self.ledger.incumbent() else {
            // It passed the check, so it was the cutoff that turned it away.
            self.raise(solution.objective());
            return End {
                status: Status::Infeasible,
                reason: Some(format!(
                    "the optimum {claimed} is not better than the cutoff"
                )),
            };
        };
        let objective = best.objective();
        // The exhausted tree proves `claimed` as well as its point's values
        // allow; rounding those to integers moves the objective a little.
        if (objective - claimed).abs() <= tol::OPTIMAL_GAP * objective.abs().max(1.0) {
            self.ledger.raise(objective);
            return End::plain(Status::Optimal);
        }
        self.raise(solution.objective());
        self.ledger.gap_verdict().map_or_else(
            || {
                End::trouble(format!(
                    "the engine claims the optimum {claimed}, but with its integers rounded it is {objective}"
                ))
            },
            End::plain,
        )
    }

    fn end_of_error(&self, error: &Error) -> End {
        match error {
            Error::Infeasible if self.boxed => self.end_in_box(),
            Error::Infeasible => self.end_of_infeasibility(),
            Error::Unbounded => End::plain(Status::Unbounded),
            other => End::trouble(format!("microlp: {other}")),
        }
    }
}

/// What is said where the `i32` box stands between a result and a claim.
const BOXED: &str =
    "an integer column has bounds beyond 32 bits, which microlp cannot hold, so nothing is proved";

/// What becomes of the integer columns.
#[derive(Clone, Copy)]
enum Form<'a> {
    /// They stay integer.
    Whole,
    /// They are continuous: the linear relaxation.
    Relaxed,
    /// They are fixed at this point's rounded values.
    Fixed(&'a [f64]),
}

/// The model as microlp takes it, its variables by column, and whether an
/// integer column had to be boxed.
fn build(model: &Model, form: Form<'_>) -> (Problem, Vec<Variable>, bool) {
    let space = Space::of(model);
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let mut boxed = false;
    let mut large = Vec::new();
    // Where a column's own bounds are too wide, the rows may narrow them.
    let implied = std::cell::OnceCell::new();
    let mut vars = Vec::with_capacity(model.columns().len());
    for (index, column) in model.columns().iter().enumerate() {
        let cost = space.cost(column.cost);
        let (lower, upper) = match form {
            Form::Fixed(point) if column.integer => (point[index].round(), point[index].round()),
            _ if column.integer => integral_bounds(column),
            _ => (column.lower, column.upper),
        };
        let (mut lower, mut upper) = (open(lower), open(upper));
        let stays_integer = column.integer && matches!(form, Form::Whole) && lower < upper;
        if stays_integer && (to_i32(lower).1 || to_i32(upper).1) {
            let implied: &Vec<(f64, f64)> = implied.get_or_init(|| implied_bounds(model));
            lower = lower.max(implied[index].0.ceil());
            upper = upper.min(implied[index].1.floor());
        }
        // Crossed within the tolerance: fixed in between.
        let (lower, upper) = if lower > upper {
            let middle = lower + (upper - lower) / 2.0;
            (middle, middle)
        } else {
            (lower, upper)
        };
        let var = if stays_integer && lower < upper {
            let (low, is_low_cut) = to_i32(lower);
            let (high, is_high_cut) = to_i32(upper);
            boxed |= is_low_cut || is_high_cut;
            if (low, high) == (0, 1) {
                problem.add_binary_var(cost)
            } else {
                problem.add_integer_var(cost, (low, high))
            }
        } else {
            problem.add_var(cost, (lower, upper))
        };
        if lower < upper {
            if lower.is_finite() && lower <= -MICROLP_INFINITE {
                large.push((var, ComparisonOp::Ge, lower));
            }
            if upper.is_finite() && upper >= MICROLP_INFINITE {
                large.push((var, ComparisonOp::Le, upper));
            }
        }
        vars.push(var);
    }
    for row in model.rows() {
        if row.coefficients.is_empty() {
            continue;
        }
        let terms = || row.coefficients.iter().map(|&(j, a)| (vars[j], a));
        let (lower, upper) = (open(row.lower), open(row.upper));
        // Sides that differ by nothing, or cross within the tolerance.
        if lower >= upper {
            let middle = lower + (upper - lower) / 2.0;
            problem.add_constraint(terms(), ComparisonOp::Eq, middle);
            continue;
        }
        if lower.is_finite() && upper.is_finite() {
            // sum a x - s = 0 with s between the sides.
            let slack = problem.add_var(0.0, (lower, upper));
            let terms = terms().chain([(slack, -1.0)]);
            problem.add_constraint(terms, ComparisonOp::Eq, 0.0);
        } else if lower.is_finite() {
            problem.add_constraint(terms(), ComparisonOp::Ge, lower);
        } else if upper.is_finite() {
            problem.add_constraint(terms(), ComparisonOp::Le, upper);
        }
    }
    for (var, side, value) in large {
        problem.add_constraint([(var, 1.0)], side, value);
    }
    (problem, vars, boxed)
}

/// `value`, infinite from [`tol::INFINITE`] on.
fn open(value: f64) -> f64 {
    if value.abs() >= tol::INFINITE {
        f64::INFINITY.copysign(value)
    } else {
        value
    }
}

/// The nearest `i32`, and whether that is another value.
fn to_i32(value: f64) -> (i32, bool) {
    let clamped = value.clamp(f64::from(i32::MIN), f64::from(i32::MAX));
    #[expect(
        clippy::cast_possible_truncation,
        reason = "integral and clamped to the range"
    )]
    let nearest = clamped as i32;
    (nearest, (clamped - value).abs() > 0.0)
}
