//! Runs an engine under a hard deadline.
//!
//! # Why a worker thread
//!
//! An engine that is somebody else's code looks at its clock when it pleases:
//! presolve, a factorization or a single LP may take longer than the whole
//! budget. So the engine runs in a worker thread that reports what it has
//! *committed*, and [`solve`] returns at the deadline with the last report,
//! whatever the worker is doing. A worker that is left behind ends at its next
//! report, or when the engine itself notices the deadline, which it is given
//! too; without a time limit (stop flag alone) it ends at its next report. Its
//! result is dropped.
//!
//! # Why the clock does not steer the search
//!
//! The worker's path through the search depends on the model, start point and
//! seed alone. It advances in units of work (see [`Counters::work`]) and
//! reports only after whole units; a report that would be made after the
//! deadline is not made. So a run that the clock cut short returns exactly
//! what a run with `work_limit` at its `counters.work` returns.
//!
//! Work 0 is what is known before any engine starts: the start point, the
//! trivial bound, crossed bounds. It is computed by the caller's thread, in
//! time linear in the model's size.

mod ledger;
mod microlp;
mod own;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam::channel::{self, Receiver, Sender, TryRecvError};
use crossbeam::sync::{Parker, Unparker};

use crate::basis::Basis;
use crate::bound::{self, Grid, Space};
use crate::check::{self, Checked};
use crate::clock::Clock;
use crate::memory;
use crate::model::Model;
use crate::observer::Observer;
use crate::options::{Engine, Options};
use crate::outcome::{Applied, Counters, LogEvent, Moment, Outcome, Status};
use crate::technique::Techniques;
use crate::tol;
use ledger::{Ledger, Limits};

/// How often the stop flag is looked at while the worker is busy.
const STOP_POLL: Duration = Duration::from_millis(2);

/// What a worker is given.
struct Task {
    model: Model,
    ledger: Ledger,
    /// Passed to the engine as its warm start.
    start: Option<Checked>,
    /// Of the model's columns and rows.
    basis: Option<Basis>,
    grid: Option<Grid>,
    clock: Clock,
    /// Raised once nobody waits for the worker any more.
    abandoned: Arc<AtomicBool>,
    techniques: Techniques,
    seed: u64,
    /// See [`Options::debug_solution`].
    debug: Option<Vec<f64>>,
}

impl Task {
    /// Whether a report made now would still count.
    fn is_wanted(&self) -> bool {
        !self.abandoned.load(Ordering::Relaxed) && !self.clock.is_over()
    }
}

/// What a worker has committed, all of it as of `counters`: a report is taken
/// over as a whole or not at all.
#[derive(Default)]
struct Report {
    incumbent: Option<(Checked, &'static str)>,
    bound: Option<f64>,
    counters: Counters,
    /// What presolve left and such: [`LogEvent::Presolved`], [`LogEvent::Root`]
    /// with any moment, which is set when it is logged.
    events: Vec<LogEvent>,
    /// The first root relaxation's; none for no change.
    basis: Option<Basis>,
    /// What the techniques did so far; none for no change.
    applied: Option<Vec<Applied>>,
    /// Present in the last report.
    end: Option<End>,
}

/// The worker's end of the mailbox.
struct Outbox {
    /// None once the worker is done.
    sender: Option<Sender<Report>>,
    waker: Unparker,
}

/// The caller's end of the mailbox. The channel's own waiting receive yields
/// its time slice a few times before it sleeps, which on a busy machine makes
/// it milliseconds late; a parked thread is woken in time.
struct Inbox {
    receiver: Receiver<Report>,
    parker: Parker,
}

fn mailbox() -> (Outbox, Inbox) {
    let (sender, receiver) = channel::unbounded();
    let parker = Parker::new();
    let outbox = Outbox {
        sender: Some(sender),
        waker: parker.unparker().clone(),
    };
    (outbox, Inbox { receiver, parker })
}

impl Outbox {
    /// Whether anybody is still there to read it.
    fn send(&self, report: Report) -> bool {
        let is_sent = self
            .sender
            .as_ref()
            .is_some_and(|sender| sender.send(report).is_ok());
        self.waker.unpark();
        is_sent
    }
}

impl Drop for Outbox {
    /// Tells the caller that nothing more comes, also after a panic.
    fn drop(&mut self) {
        self.sender = None;
        self.waker.unpark();
    }
}

/// Why a worker ended.
#[derive(Clone, Debug)]
struct End {
    status: Status,
    reason: Option<String>,
}

impl End {
    fn plain(status: Status) -> Self {
        Self {
            status,
            reason: None,
        }
    }

    fn trouble(reason: impl Into<String>) -> Self {
        Self {
            status: Status::NumericalTrouble,
            reason: Some(reason.into()),
        }
    }
}

/// Solves `model`, telling `observer` of each event as it happens.
pub(crate) fn solve(model: &Model, options: &Options, observer: &mut dyn Observer) -> Outcome {
    let clock = Clock::start(options.time_limit);
    let mut run = Run {
        clock,
        ledger: Ledger::new(model, Limits::of(options)),
        events: Vec::new(),
        applied: Vec::new(),
        basis: None,
        last_event: Duration::ZERO,
        observer,
    };
    let start = run.take_start(model, options);
    let basis = run.take_basis(model, options);
    let space = Space::of(model);
    let grid = Grid::of(model.columns());
    if let Some(bound) = bound::trivial(model, space) {
        let bound = grid.map_or(bound, |grid| grid.round_up(bound));
        run.raise_bound(space.to_caller(bound));
    }
    if let Some(reason) = contradiction(model) {
        return run.finish(End {
            status: Status::Infeasible,
            reason: Some(reason),
        });
    }
    if model.columns().is_empty()
        && let Ok(checked) = check::check(model, &[])
    {
        run.take_incumbent(checked, "empty");
    }
    if let Some(status) = run.ledger.verdict() {
        return run.finish(End::plain(status));
    }
    if options.stop.is_stopped() {
        return run.finish(End::plain(Status::Interrupted));
    }
    if clock.is_over() {
        return run.finish(End::plain(Status::TimeLimit));
    }
    let end = run.supervise(model, options, (start, basis), grid);
    run.finish(end)
}

/// A bound or side that no point meets, found without solving.
fn contradiction(model: &Model) -> Option<String> {
    for (index, column) in model.columns().iter().enumerate() {
        let (lower, upper) = if column.integer {
            microlp::integral_bounds(column)
        } else {
            (column.lower, column.upper)
        };
        if is_crossed(lower, upper) {
            return Some(format!(
                "column {index} '{}' has no value: bounds {} and {}",
                column.name, column.lower, column.upper
            ));
        }
    }
    for (index, row) in model.rows().iter().enumerate() {
        let empty = row.coefficients.is_empty();
        if is_crossed(row.lower, row.upper)
            || (empty && (row.lower > tol::FEASIBILITY || row.upper < -tol::FEASIBILITY))
        {
            let kind = if empty { "empty row" } else { "row" };
            return Some(format!(
                "{kind} {index} '{}' cannot hold: sides {} and {}",
                row.name, row.lower, row.upper
            ));
        }
    }
    None
}

fn is_crossed(lower: f64, upper: f64) -> bool {
    lower >= tol::INFINITE || upper <= -tol::INFINITE || lower - upper > tol::FEASIBILITY
}

/// The caller's side of a solve.
struct Run<'a> {
    clock: Clock,
    ledger: Ledger,
    events: Vec<LogEvent>,
    applied: Vec<Applied>,
    basis: Option<Basis>,
    /// When the observer heard of something last.
    last_event: Duration,
    observer: &'a mut dyn Observer,
}

impl Run<'_> {
    fn emit(&mut self, event: LogEvent) {
        self.observer.log(&event);
        self.last_event = self.clock.elapsed();
        self.events.push(event);
    }

    fn moment(&self) -> Moment {
        Moment {
            elapsed: self.clock.elapsed(),
            counters: self.ledger.counters,
            bound: self.ledger.bound(),
            incumbent: self.ledger.incumbent().map(Checked::objective),
        }
    }

    /// A sign of life after a second without an event.
    fn show_progress(&mut self) {
        let now = self.clock.elapsed();
        if now.saturating_sub(self.last_event).as_secs_f64() >= tol::PROGRESS_S {
            self.last_event = now;
            let at = self.moment();
            self.observer.log(&LogEvent::Progress { at });
        }
    }

    /// Checks the start point; it is the first incumbent if it passes.
    fn take_start(&mut self, model: &Model, options: &Options) -> Option<Checked> {
        match check::check(model, options.start.as_ref()?) {
            Ok(checked) => {
                self.take_incumbent(checked.clone(), "start");
                Some(checked)
            }
            Err(refusal) => {
                let reason = match refusal.name(model) {
                    Some(name) => format!("{refusal} ('{}')", name.escape_debug()),
                    None => refusal.to_string(),
                };
                self.emit(LogEvent::StartRefused { reason });
                None
            }
        }
    }

    /// The basis to start from, if it is one of such a model.
    fn take_basis(&mut self, model: &Model, options: &Options) -> Option<Basis> {
        let basis = options.basis.as_ref()?;
        let has = (basis.columns.len(), basis.rows.len());
        let wanted = (model.columns().len(), model.rows().len());
        if has != wanted {
            let reason = format!(
                "it is of {} columns and {} rows, the model has {} and {}",
                has.0, has.1, wanted.0, wanted.1
            );
            self.emit(LogEvent::BasisRefused { reason });
            return None;
        }
        Some(basis.clone())
    }

    fn take_incumbent(&mut self, checked: Checked, source: &'static str) {
        let objective = checked.objective();
        if self.ledger.offer(checked) {
            self.emit(LogEvent::Incumbent {
                objective,
                source,
                at: self.moment(),
            });
            if let Some(best) = self.ledger.incumbent() {
                self.observer.incumbent(best.point(), objective);
            }
        }
    }

    fn raise_bound(&mut self, bound: f64) {
        if self.ledger.raise(bound)
            && let Some(bound) = self.ledger.bound()
        {
            self.emit(LogEvent::Bound {
                bound,
                at: self.moment(),
            });
        }
    }

    /// Starts the worker and listens until it ends or time is up.
    fn supervise(
        &mut self,
        model: &Model,
        options: &Options,
        (start, basis): (Option<Checked>, Option<Basis>),
        grid: Option<Grid>,
    ) -> End {
        let abandoned = Arc::new(AtomicBool::new(false));
        let task = Task {
            model: model.clone(),
            ledger: self.ledger.clone(),
            start,
            basis,
            grid,
            clock: self.clock,
            abandoned: Arc::clone(&abandoned),
            techniques: options.techniques,
            seed: options.seed,
            debug: options.debug_solution.clone(),
        };
        let engine = options.engine;
        let (outbox, inbox) = mailbox();
        let spawned = thread::Builder::new()
            .name("branchcut".to_owned())
            .spawn(move || {
                let mut send = |report| outbox.send(report);
                match engine {
                    Engine::Branchcut => own::run(task, &mut send),
                    Engine::Microlp => microlp::run(task, &mut send),
                }
            });
        if let Err(error) = spawned {
            return End::trouble(format!("cannot start the solver's thread: {error}"));
        }
        let end = loop {
            // Reports that are here were made in time, so they come first.
            match inbox.receiver.try_recv() {
                Ok(report) => match self.commit(report) {
                    Some(end) => break end,
                    None => continue,
                },
                Err(TryRecvError::Empty) => {}
                // A worker that sees the deadline first goes silently.
                Err(TryRecvError::Disconnected) if self.clock.is_over() => {
                    break End::plain(Status::TimeLimit);
                }
                Err(TryRecvError::Disconnected) => {
                    break End::trouble("the engine ended without an answer");
                }
            }
            if self.clock.is_over() {
                break End::plain(Status::TimeLimit);
            }
            if options.stop.is_stopped() || self.observer.should_stop() {
                break End::plain(Status::Interrupted);
            }
            if options.memory_limit.is_some_and(memory::is_beyond) {
                break End::plain(Status::MemoryLimit);
            }
            self.show_progress();
            let left = self.clock.left().unwrap_or(STOP_POLL);
            inbox.parker.park_timeout(left.min(STOP_POLL));
        };
        abandoned.store(true, Ordering::Relaxed);
        end
    }

    /// Takes over a report; the end, if it was the last.
    fn commit(&mut self, report: Report) -> Option<End> {
        self.ledger.counters = report.counters;
        if let Some(bound) = report.bound
            && !report.events.is_empty()
        {
            self.raise_bound(bound);
        }
        for event in report.events {
            let event = match event {
                LogEvent::Presolved { size, .. } => {
                    let at = self.moment();
                    LogEvent::Presolved { size, at }
                }
                LogEvent::Root { .. } => LogEvent::Root { at: self.moment() },
                other => other,
            };
            self.emit(event);
        }
        if let Some((checked, source)) = report.incumbent {
            self.take_incumbent(checked, source);
        }
        if let Some(bound) = report.bound {
            self.raise_bound(bound);
        }
        if let Some(applied) = report.applied {
            self.applied = applied;
        }
        if report.basis.is_some() {
            self.basis = report.basis;
        }
        report.end
    }

    fn finish(self, end: End) -> Outcome {
        let has_cutoff = self.ledger.limits().cutoff.is_some();
        let (incumbent, mut bound, counters) = self.ledger.into_parts();
        // Nothing to bound, or nothing that bounds it.
        if end.status == Status::Unbounded || (end.status == Status::Infeasible && !has_cutoff) {
            bound = None;
        }
        let objective = incumbent.as_ref().map(Checked::objective);
        Outcome {
            status: end.status,
            point: incumbent.map(Checked::into_point),
            objective,
            bound,
            basis: self.basis,
            counters,
            reason: end.reason,
            applied: self.applied,
            events: self.events,
            elapsed: self.clock.elapsed(),
        }
    }
}
