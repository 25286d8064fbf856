//! Models that were once answered wrong, made small; each with the defect it
//! showed. The right answers are worked out by hand.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use branchcut::{Options, Outcome, Status, io, solve};

fn answer(mps: &str) -> Outcome {
    let model = io::mps::read(mps.as_bytes()).unwrap();
    let options = Options::default().with_time_limit(Duration::from_secs(20));
    solve(&model, &options)
}

fn is_optimal_at(mps: &str, value: f64) {
    let outcome = answer(mps);
    assert_eq!(outcome.status, Status::Optimal, "{outcome:?}");
    let (objective, bound) = (outcome.objective.unwrap(), outcome.bound.unwrap());
    assert!((objective - value).abs() < 1e-6, "{outcome:?}");
    assert!((bound - value).abs() < 1e-5, "{outcome:?}");
}

/// 100 x - 10^12 z <= 3 10^6 was taken for a row of multiples of 10^12, its
/// side rounded down to 0. With z = 0, x = 10,000 all rows hold: -1.
#[test]
fn small_coefficients_are_no_multiples_of_large_ones() {
    is_optimal_at(
        "NAME t\nOBJSENSE\n MAX\nROWS\n N OBJ\n L r0\n G r6\n L r7\nCOLUMNS\n \
         x1 OBJ -0.0001 r0 100\n x1 r6 40 r7 40\n M1 'MARKER' 'INTORG'\n \
         x2 r0 -1000000000000 r6 -400000\n x2 r7 -400000\n M2 'MARKER' 'INTEND'\n\
         RHS\n RHS r0 3000000 r6 400000\n RHS r7 400000\n\
         BOUNDS\n UP BND x1 400000\n LO BND x1 10000\n UP BND x2 1\nENDATA\n",
        -1.0,
    );
}

/// The gap that may be left open was taken of the objective without its
/// constant, so that an optimum of 0 ended short of it, without a proof.
/// Row: -17 >= 4 x + 2 z - 4 y; best is y = 2, where x = -3 and z = 1 give
/// -12 + 2 - 8 = -18: 2 + 3 (-3) + 6 (2) - 5 = 0.
#[test]
fn the_gap_is_relative_to_the_objective_with_its_constant() {
    is_optimal_at(
        "NAME t\nROWS\n N OBJ\n L r0\nCOLUMNS\n M1 'MARKER' 'INTORG'\n \
         x OBJ 3 r0 4\n y OBJ 6 r0 -4\n M2 'MARKER' 'INTEND'\n z OBJ -5 r0 2\n\
         RHS\n RHS OBJ -2 r0 -17\n\
         BOUNDS\n LO BND x -3\n UP BND x -2\n LO BND y 1\n UP BND y 4\n \
         LO BND z -3\n UP BND z 1\nENDATA\n",
        0.0,
    );
}

/// The proof of infeasibility had a multiplier of 10^-17 alone on an open
/// column, and was refused. 6 r0 - 30 r3 + 62 r4 says
/// 66 x8 + 26 x7 + 124 x2 >= 416, whose left side is at most
/// -66 + 104 + 372 = 410.
#[test]
fn round_off_among_multipliers_spoils_no_proof() {
    let outcome = answer(
        "NAME t\nOBJSENSE\n MAX\nROWS\n N OBJ\n G r0\n G r1\n G r2\n L r3\n G r4\n E r5\n G r6\n\
         COLUMNS\n x0 r2 1 r5 -6\n x1 r0 -5 r3 -1\n x1 r5 6\n x2 r4 2\n x3 OBJ -1 r1 1\n \
         x3 r6 6\n x4 OBJ -1 r0 4\n x4 r2 1 r3 7\n x4 r4 3\n x5 OBJ 1 r1 -7\n x5 r2 1 r5 -7\n \
         x5 r6 1\n x6 r1 -1 r6 1\n x7 r1 1 r2 4\n x7 r3 -5 r4 -2\n x8 r0 6 r3 -1\n\
         RHS\n RHS r0 -10 r1 -62\n RHS r2 24 r3 11\n RHS r4 13 r6 38\n\
         BOUNDS\n LO BND x0 -2\n LO BND x1 1\n UP BND x1 8\n LO BND x2 2\n UP BND x2 3\n \
         UP BND x3 1\n LO BND x4 -1\n UP BND x5 9\n LO BND x6 2\n MI BND x7\n UP BND x7 4\n \
         FX BND x8 -1\nENDATA\n",
    );
    assert_eq!(outcome.status, Status::Infeasible, "{outcome:?}");
}
