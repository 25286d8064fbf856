//! Constants of the simplex method, each with the failure it prevents.

/// Scaled units: primal violations up to this are feasible.
pub(super) const PRIMAL: f64 = 1e-7;

/// Scaled units: reduced costs of the wrong sign up to this are feasible.
pub(super) const DUAL: f64 = 1e-7;

/// Least scaled primal tolerance; tightened towards it where the unscaled
/// violation is too large.
pub(super) const PRIMAL_LEAST: f64 = 1e-10;

/// Entries below this are round-off of a sum of products and dropped.
pub(super) const DROP: f64 = 1e-14;

/// Least pivot in the ratio tests by number of updates since the last
/// factorisation: small pivots of stale factors are noise.
pub(super) fn least_pivot(updates: usize) -> f64 {
    match updates {
        0..10 => 1e-9,
        10..20 => 3e-8,
        _ => 1e-6,
    }
}

/// Relative difference of the pivot from row and column above which the
/// factors are renewed before pivoting.
pub(super) const PIVOT_AGREEMENT: f64 = 1e-7;

/// The same on fresh factors, where nothing better can be had.
pub(super) const PIVOT_AGREEMENT_FRESH: f64 = 1e-3;

/// Updates after which the basis is factorised again.
pub(super) const UPDATES: usize = 100;

/// Degenerate steps in a row after which the primal simplex draws lots: it
/// would cycle otherwise.
pub(super) const STALLED: u64 = 200;

/// Iterations of one attempt, and more for each row and column, after which it
/// has failed: a cycle that nothing broke.
pub(super) const ITERATIONS: u64 = 50_000;
pub(super) const ITERATIONS_EACH: u64 = 50;

/// Relative: a dual step that raises the objective by less is degenerate.
pub(super) const PROGRESS: f64 = 1e-12;

/// A slope of the dual objective (a violation, in scaled units) up to this
/// counts as none left: a step at slope zero changes the basis for nothing, and
/// may go round in circles.
pub(super) const SLOPE: f64 = 1e-9;

/// Relative size of cost perturbations.
pub(super) const PERTURBATION: f64 = 5e-7;

/// Relative to the largest term of a sum: entries of a Farkas combination on
/// infinite bounds up to this are zero.
pub(super) const FARKAS_ZERO: f64 = 1e-9;

/// Relative to the largest multiplier, both scaled: Farkas multipliers up to
/// this are round-off and left out.
pub(super) const FARKAS_NOISE: f64 = 1e-14;

/// Relative to the largest term: by how much a Farkas combination must miss
/// zero.
pub(super) const FARKAS_MARGIN: f64 = 1e-11;

/// Relative to the ray's largest entry: movements towards a bound up to this
/// are round-off.
pub(super) const RAY: f64 = 1e-9;

/// The pivot row is computed by columns where the rows that it would need have
/// more than one in so many of the matrix's entries.
pub(super) const BY_COLUMNS: usize = 3;

/// Pivots after which the rows are evaluated at an optimal point, to see whether
/// the values drifted; the next solve's start does not renew them.
pub(super) const UNVERIFIED: usize = 20;

/// Entries touched between two looks at the budget.
pub(super) const LOOK: usize = 10_000;
