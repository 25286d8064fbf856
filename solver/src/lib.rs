//! branchcut: a MIP solver with hard time budgets and MIP-gap guardrails.
//!
//! A [`Model`] is built row by row ([`Model::add_row`]), from triplets
//! ([`Model::from_triplets`]) or from a file ([`io::read_path`]); [`Options`]
//! say when to stop and what to use; [`solve`] gives an [`Outcome`] with the
//! best point, a valid bound and why it ended. [`solve_with`] tells an
//! [`Observer`] of each improvement and asks it whether to stop.
//!
//! ```
//! use std::time::Duration;
//! use branchcut::{Column, Model, Options, Row, Sense, Status, solve};
//!
//! // max 8a + 11b + 6c + 4d,  5a + 7b + 4c + 3d <= 14,  each 0 or 1
//! let mut model = Model::new(Sense::Maximize);
//! let mut weights = vec![];
//! for (worth, weight) in [(8.0, 5.0), (11.0, 7.0), (6.0, 4.0), (4.0, 3.0)] {
//!     weights.push((model.add_column(Column::binary(worth))?, weight));
//! }
//! model.add_row(Row {
//!     coefficients: weights,
//!     ..Row::at_most(14.0)
//! })?;
//! let options = Options::default().with_time_limit(Duration::from_secs(10));
//! let outcome = solve(&model, &options);
//! assert_eq!(outcome.status, Status::Optimal);
//! assert_eq!(outcome.point, Some(vec![0.0, 1.0, 1.0, 1.0]));
//! assert_eq!((outcome.objective, outcome.bound), (Some(21.0), Some(21.0)));
//! # Ok::<(), branchcut::ModelError>(())
//! ```
#![forbid(unsafe_code)]

mod basis;
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
mod splitmix;
mod structure;
mod symmetry;
mod tally;
mod technique;
pub mod tol;
mod triplets;
mod whole;
mod work;

pub use basis::{Basis, BasisStatus};
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
