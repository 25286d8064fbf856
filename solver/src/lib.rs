//! branchcut: a MIP solver with hard time budgets and MIP-gap guardrails.
#![forbid(unsafe_code)]
#![allow(
    dead_code,
    reason = "interfaces of techniques that are still to come: components, rays, counters in the log"
)]

mod bound;
mod branching;
pub mod check;
mod clock;
mod cuts;
mod engine;
mod heuristics;
mod implied;
pub mod io;
mod lp;
mod memory;
mod mip;
mod model;
mod observer;
mod options;
mod outcome;
mod presolve;
mod propagation;
mod search;
mod sparse;
mod structure;
mod symmetry;
mod tally;
mod technique;
pub mod tol;
mod work;

pub use model::{Column, Model, ModelError, Row, Sense};
pub use observer::Observer;
pub use options::{Engine, Options, StopFlag};
pub use outcome::{Applied, Counters, LogEvent, Moment, Outcome, Size, Status};
pub use technique::{Technique, Techniques};

/// Solves `model`. The clock starts here and stops at the return, which is at
/// the time limit at the latest, with the best point and bound known then.
///
/// Two calls with the same model and options, limits on the clock aside, walk
/// the same path: see [`Counters::work`].
#[must_use]
pub fn solve(model: &Model, options: &Options) -> Outcome {
    engine::solve(model, options, &mut ())
}

/// [`solve`], calling `log` on the caller's thread with each event as it
/// happens. Time spent in `log` counts, and a slow one delays the return.
#[must_use]
pub fn solve_logged(model: &Model, options: &Options, log: &mut dyn FnMut(&LogEvent)) -> Outcome {
    engine::solve(model, options, &mut observer::Logger(log))
}

/// [`solve`], telling `observer` what happens and asking it whether to stop.
#[must_use]
pub fn solve_with(model: &Model, options: &Options, observer: &mut dyn Observer) -> Outcome {
    engine::solve(model, options, observer)
}
