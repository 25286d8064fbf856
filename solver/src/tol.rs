//! Every tolerance, with its unit and the question it answers.
//!
//! The incumbent check is a little looser than the engine's own feasibility
//! tolerance ([`ENGINE_FEASIBILITY`]), so that rounding an integer value or
//! summing a row in another order does not refuse a point that the engine
//! holds to be feasible.

/// Absolute, in a row's or column's own unit: by how much may a point leave
/// the caller's row or bound and still count as feasible?
pub const FEASIBILITY: f64 = 1e-6;

/// Relative to the sum of the absolute terms of a row: how much of its
/// violation is the round-off of evaluating it? (a few units in the last
/// place for each of up to thousands of terms)
pub const ROUND_OFF: f64 = 1e-13;

/// Absolute, in a row's unit: how feasible must the engine's points be?
pub const ENGINE_FEASIBILITY: f64 = 1e-7;

/// Absolute: how far may an integer column's value lie from an integer and
/// still be rounded to it?
pub const INTEGRALITY: f64 = 1e-6;

/// Absolute value: from where on is a bound or side no bound at all? The
/// convention of the MPS format.
pub const INFINITE: f64 = 1e20;

/// Relative to max(1, |bound|): by how much is a bound from floating-point
/// arithmetic lowered before it is claimed?
pub const BOUND_SAFETY: f64 = 1e-9;

/// In steps of the objective's grid: how far above a grid value may a bound
/// lie by the engine's tolerances alone, so that it must not be rounded up to
/// the next value?
pub const GRID: f64 = 1e-3;

/// Relative gap: below this an answer is called optimal whatever looser gap
/// was asked for.
pub const OPTIMAL_GAP: f64 = 1e-6;

/// Least |objective| in the denominator of a relative gap.
pub const GAP_DENOMINATOR: f64 = 1e-10;

/// Seconds between two lines of progress in a log.
pub const PROGRESS_S: f64 = 1.0;
