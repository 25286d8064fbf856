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
