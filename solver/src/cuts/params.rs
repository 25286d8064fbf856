//! Constants of separation, each with the failure it prevents. What decides
//! whether a point is feasible is in [`crate::tol`].

/// Bounds and coefficients of variable bounds above this are not substituted:
/// products with them have no digits left.
pub(crate) const LARGEST_BOUND: f64 = 1e7;

/// Sides of base inequalities above this have no fraction to round.
pub(crate) const LARGEST_SIDE: f64 = 1e9;

/// Coefficients up to this are integers without doubt if they equal their
/// rounding.
pub(crate) const LARGEST_INTEGER: f64 = 1e9;

/// Added to the side of a row of integers before rounding it: a side that is an
/// integer but for round-off is that integer.
pub(crate) const INTEGRAL_SIDE: f64 = 1e-9;

/// Absolute: two bounds are as close to the solution.
pub(crate) const TIE: f64 = 1e-6;

/// Coefficients of integers in a base inequality below this are relaxed away:
/// they are left over from cancellation.
pub(crate) const TINY: f64 = 1e-10;

/// Fractions of the side, between which rounding is numerically safe: outside
/// the cut's coefficients blow up or its violation is round-off.
pub(crate) const LEAST_FRACTION: f64 = 0.01;
/// See [`LEAST_FRACTION`].
pub(crate) const LARGEST_FRACTION: f64 = 0.99;

/// Divisors that the mixed integer rounding tries for a row, at most.
pub(crate) const DELTAS: usize = 12;

/// Integer terms whose complementing is tried for a row, at most.
pub(crate) const COMPLEMENTS: usize = 12;

/// An integer variable is fractional beyond this distance from an integer.
pub(crate) const FRACTIONAL: f64 = 1e-4;

/// A variable is strictly between its bounds from this distance on.
pub(crate) const BETWEEN: f64 = 1e-5;

/// Violation over norm that a cut must have, and the plain violation.
pub(crate) const LEAST_EFFICACY: f64 = 1e-4;
/// See [`LEAST_EFFICACY`].
pub(crate) const LEAST_VIOLATION: f64 = 1e-5;

/// Largest over least absolute coefficient of a cut; smaller coefficients are
/// relaxed away where bounds allow, else the cut is dropped.
pub(crate) const DYNAMISM: f64 = 1e6;

/// A cut's columns, at most: this many, or half of it and the columns over
/// [`SUPPORT_DIVISOR`]. Dense cuts slow every later solve.
pub(crate) const SUPPORT_BASE: usize = 400;
/// See [`SUPPORT_BASE`].
pub(crate) const SUPPORT_DIVISOR: usize = 8;

/// Relative to the cut's absolute terms at its bounds or solution: by how much
/// the side of a cut is raised for round-off.
pub(crate) const SIDE_SAFETY: f64 = 1e-11;

/// Bounds up to this may relax a tiny coefficient away.
pub(crate) const RELAXING_BOUND: f64 = 1e6;

/// Largest coefficient of a cut scaled to integers.
pub(crate) const INTEGRAL_COEFFICIENT: f64 = 1e5;

/// By how much a scaled coefficient may differ from an integer.
pub(crate) const INTEGRAL_ERROR: f64 = 1e-9;

/// Added to the side of a cut of integers before it is rounded down: a side
/// just below an integer may be that integer with round-off.
pub(crate) const INTEGRAL_SIDE_SAFETY: f64 = 1e-6;

/// Relative to the sum of a cut's absolute coefficients: how far may a feasible
/// point be outside, by its own tolerances?
pub(crate) const POINT_TOLERANCE: f64 = 1e-6;

/// Cuts added in a round, at most, above half the smaller dimension.
pub(crate) const CUTS: usize = 100;

/// Tableau rows that a round rounds, at most.
pub(crate) const TABLEAU_ROWS: usize = 500;

/// Ticks of a separator's turn at the root: at least, and for each entry of the
/// problem.
pub(crate) const ROUND_TICKS: u64 = 300_000;
/// See [`ROUND_TICKS`].
pub(crate) const ROUND_TICKS_PER_ENTRY: u64 = 50;

/// Rounds in a row without a cut after which a separator sits out.
pub(crate) const IDLE_ROUNDS: u32 = 3;

/// Power of two of the longest pause.
pub(crate) const LONGEST_PAUSE: u32 = 6;
