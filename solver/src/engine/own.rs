//! The own engine: the caller's model, translated, searched, and what is
//! found translated back.
//!
//! The search works on [`Mip::of`] the model. Each point it finds is checked
//! against the model itself; a refused one gets a second chance with its
//! integers fixed and the continuous columns solved again on the model's own
//! rows, and is dropped if that fails too: the search then does not count it.
//!
//! Every step of the search is a unit of work. What is reported is the state
//! after whole steps, at latest after [`chunk`] of them, since waking the
//! caller for every node would cost more than the node.

use std::mem;

use super::ledger::Ledger;
use super::{End, Report, Task};
use crate::basis::Basis;
use crate::bound::{self, Space};
use crate::check::{self, Checked};
use crate::lp::{Lp, LpLimits, LpStatus};
use crate::mip::Mip;
use crate::outcome::{Applied, LogEvent, Moment, Size, Status};
use crate::search::{Ending, Lattice, Listener, Progress, SearchEnd, SearchParams, search};
use crate::technique::Techniques;
use crate::tol;
use crate::work::Budget;

/// Share of the gap that is asked for by which nodes are pruned early.
const GAP_SHARE: f64 = 0.1;

/// Most steps between two reports.
const LARGEST_CHUNK: u64 = 64;

/// Steps until the next report at the latest, after `steps`.
fn chunk(steps: u64) -> u64 {
    (steps / 32).clamp(1, LARGEST_CHUNK)
}

/// Solves the task, sending what is committed.
pub(super) fn run(task: Task, send: &mut dyn FnMut(Report) -> bool) {
    let mip = Mip::of(&task.model);
    let mut budget = Budget::new(task.clock, std::sync::Arc::clone(&task.abandoned))
        .with_iterations(task.ledger.limits().lp_iterations);
    if budget.is_over() {
        return;
    }
    let space = Space::of(&task.model);
    let params = SearchParams {
        techniques: task.techniques,
        seed: task.seed,
        cutoff: task
            .ledger
            .limits()
            .cutoff
            .map_or(f64::INFINITY, |cutoff| space.to_internal(cutoff)),
        gap: GAP_SHARE * task.ledger.limits().gap_relative.min(tol::OPTIMAL_GAP),
        origin: space.to_internal(0.0),
        lattice: task.grid.map(|grid| Lattice {
            base: 0.0,
            step: grid.step(),
        }),
        starts: task
            .start
            .iter()
            .map(|checked| checked.point().to_vec())
            .collect(),
        basis: task.basis.clone(),
        debug: task.debug.clone(),
        ..SearchParams::default()
    };
    let mut caller = Caller {
        ledger: task.ledger.clone(),
        space,
        mip: &mip,
        pending: None,
        events: Vec::new(),
        applied: None,
        basis: None,
        next_report: 0,
        refused: 0,
        is_ended: false,
        budget: budget.clone(),
        task: &task,
        send,
    };
    let end = search(&mip, &params, &mut budget, &mut caller);
    if !caller.is_ended && budget.is_out_of_iterations() {
        caller.report(Some(End::plain(Status::IterationLimit)));
        return;
    }
    if caller.is_ended || end.ending == Ending::Stopped || budget.is_over() {
        return;
    }
    let verdict = if end.ending == Ending::UnboundedRelaxation {
        caller.note(&end.progress);
        match unbounded(&mip, &mut budget) {
            Some(status) => End::plain(status),
            None if budget.is_out_of_iterations() => End::plain(Status::IterationLimit),
            None => return,
        }
    } else {
        caller.end(&end)
    };
    caller.report(Some(verdict));
}

/// Hears of the search on behalf of the caller.
struct Caller<'a> {
    task: &'a Task,
    mip: &'a Mip,
    space: Space,
    ledger: Ledger,
    /// Best point since the last report.
    pending: Option<(Checked, &'static str)>,
    events: Vec<LogEvent>,
    /// What the techniques did, for the next report.
    applied: Option<Vec<Applied>>,
    /// The first root relaxation's, for the next report.
    basis: Option<Basis>,
    /// Work count of the next report.
    next_report: u64,
    /// Points that were refused and not repaired.
    refused: u64,
    is_ended: bool,
    budget: Budget,
    send: &'a mut dyn FnMut(Report) -> bool,
}

impl Listener for Caller<'_> {
    fn offer(&mut self, x: &[f64], source: &'static str) -> Option<f64> {
        let checked = match check::check(&self.task.model, x) {
            Ok(checked) => checked,
            Err(_) => {
                let repaired = self.repair(x);
                self.refused += u64::from(repaired.is_none());
                repaired?
            }
        };
        let objective = checked.objective();
        if !self.ledger.beats_cutoff(objective) {
            return None;
        }
        // A start point too: presolve may have moved it to a better one.
        if self.ledger.offer(checked.clone()) {
            self.pending = Some((checked, source));
        }
        Some(self.space.to_internal(objective))
    }

    fn step(&mut self, progress: &Progress) -> bool {
        self.note(progress);
        let verdict = self.ledger.verdict().map(End::plain);
        let is_due = self.pending.is_some() || self.ledger.counters.work >= self.next_report;
        if verdict.is_some() || is_due {
            self.applied = Some(progress.tally.applied());
            return self.report(verdict);
        }
        self.task.is_wanted()
    }

    fn presolved(&mut self, mip: &Mip) {
        self.events.push(LogEvent::Presolved {
            size: Size {
                rows: mip.rows(),
                columns: mip.columns(),
                integers: mip.integers(),
                nonzeros: mip.by_row.nonzeros(),
            },
            at: Moment::default(),
        });
    }

    fn root_basis(&mut self, basis: &Basis) {
        self.basis = Some(basis.clone());
    }

    fn root_solved(&mut self) {
        self.events.push(LogEvent::Root {
            at: Moment::default(),
        });
    }
}

impl Caller<'_> {
    /// Takes over counters and bound.
    fn note(&mut self, progress: &Progress) {
        let counters = &mut self.ledger.counters;
        counters.work = progress.steps;
        counters.nodes = progress.nodes;
        counters.lp_iterations = progress.lp_iterations;
        counters.open = progress.open;
        if !progress.bound.is_finite() {
            return;
        }
        let best = self
            .ledger
            .incumbent()
            .map(|best| self.space.to_internal(best.objective()));
        let claimed = match best {
            Some(best) if progress.bound >= best => best,
            _ => {
                let safe = bound::safe(progress.bound);
                self.task.grid.map_or(safe, |grid| grid.round_up(safe))
            }
        };
        self.ledger.raise(self.space.to_caller(claimed));
    }

    /// Sends what is committed so far; whether to go on. Nothing is sent once
    /// the deadline has passed: the clock may have had a part in it.
    fn report(&mut self, end: Option<End>) -> bool {
        if !self.task.is_wanted() {
            return false;
        }
        self.next_report = self.ledger.counters.work + chunk(self.ledger.counters.work);
        let is_last = end.is_some();
        self.is_ended |= is_last;
        (self.send)(Report {
            incumbent: self.pending.take(),
            bound: self.ledger.bound(),
            counters: self.ledger.counters,
            events: mem::take(&mut self.events),
            basis: self.basis.take(),
            applied: self.applied.take(),
            end,
        }) && !is_last
    }

    /// What the end of the search comes to.
    fn end(&mut self, end: &SearchEnd) -> End {
        self.note(&end.progress);
        self.applied = Some(end.progress.tally.applied());
        let has_point = self.ledger.incumbent().is_some();
        match end.ending {
            Ending::Infeasible if has_point => {
                End::trouble("the search claims infeasibility, but a feasible point is known")
            }
            Ending::Infeasible => End::plain(Status::Infeasible),
            Ending::Memory => End::plain(Status::MemoryLimit),
            Ending::Exhausted => {
                if let Some(status) = self.ledger.gap_verdict() {
                    return End::plain(status);
                }
                if self.ledger.is_closed() {
                    return End::plain(Status::Optimal);
                }
                if !has_point && end.unresolved == 0 {
                    return End::plain(Status::Infeasible);
                }
                End::trouble(format!(
                    "{} nodes could not be solved to the tolerances and {} points failed the check",
                    end.unresolved, self.refused
                ))
            }
            Ending::Limit | Ending::Trouble | Ending::Stopped | Ending::UnboundedRelaxation => {
                End::trouble("the root relaxation could not be solved to the tolerances")
            }
        }
    }

    /// The point with its integers fixed and the rest solved again.
    fn repair(&mut self, x: &[f64]) -> Option<Checked> {
        let mut mip = self.mip.clone();
        if mip.integers() == mip.columns() {
            return None;
        }
        for (j, &value) in x.iter().enumerate() {
            if mip.integer[j] {
                let value = value.round();
                if value < mip.lower[j] || value > mip.upper[j] {
                    return None;
                }
                mip.lower[j] = value;
                mip.upper[j] = value;
            }
        }
        let mut lp = Lp::new(&mip, &mut self.budget);
        let status = lp.solve(&LpLimits::default(), &mut self.budget);
        if status != LpStatus::Optimal {
            return None;
        }
        check::check(&self.task.model, lp.x()).ok()
    }
}

/// A problem whose relaxation is unbounded. With rational data one integer
/// point makes it unbounded (R. Meyer 1974, "On the existence of optimal
/// solutions to integer and mixed-integer programming problems"); none if the
/// budget ended the look for it.
fn unbounded(mip: &Mip, budget: &mut Budget) -> Option<Status> {
    if mip.integers() == 0 {
        return Some(Status::Unbounded);
    }
    struct First<'a> {
        mip: &'a Mip,
        found: bool,
    }
    impl Listener for First<'_> {
        fn offer(&mut self, x: &[f64], _: &'static str) -> Option<f64> {
            self.found |= self.mip.is_feasible(x);
            self.found.then_some(0.0)
        }
        fn step(&mut self, _: &Progress) -> bool {
            !self.found
        }
    }
    let mut feasibility = mip.clone();
    feasibility.cost.fill(0.0);
    let mut first = First {
        mip: &feasibility,
        found: false,
    };
    let params = SearchParams {
        techniques: Techniques::default(),
        nodes: FEASIBILITY_NODES,
        ..SearchParams::default()
    };
    let end = search(&feasibility, &params, budget, &mut first);
    if budget.is_over() {
        return None;
    }
    Some(if first.found {
        Status::Unbounded
    } else if end.ending == Ending::Infeasible
        || (end.ending == Ending::Exhausted && end.unresolved == 0)
    {
        Status::Infeasible
    } else {
        Status::InfeasibleOrUnbounded
    })
}

/// Nodes of the look for a point where the relaxation is unbounded.
const FEASIBILITY_NODES: u64 = 10_000;
