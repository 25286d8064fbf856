//! What a solve promises: status, point, bound, limits.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::float_cmp,
    reason = "test code"
)]

use std::time::{Duration, Instant};

use branchcut::{Column, Engine, LogEvent, Model, Options, Row, Sense, Status, StopFlag, solve};

fn column(cost: f64, lower: f64, upper: f64, integer: bool) -> Column {
    Column {
        name: String::new(),
        cost,
        lower,
        upper,
        integer,
    }
}

fn row(lower: f64, upper: f64, coefficients: &[(usize, f64)]) -> Row {
    Row {
        name: String::new(),
        lower,
        upper,
        coefficients: coefficients.to_vec(),
    }
}

fn model(sense: Sense, columns: &[Column], rows: &[Row]) -> Model {
    let mut model = Model::new(sense);
    for column in columns {
        model.add_column(column.clone()).unwrap();
    }
    for row in rows {
        model.add_row(row.clone()).unwrap();
    }
    model
}

const INF: f64 = f64::INFINITY;

/// max 8a + 11b + 6c + 4d, 5a + 7b + 4c + 3d <= 14, binary: the pairs and
/// triples that fit are worth at most b + c + d = 21 (weight 14).
fn knapsack() -> Model {
    model(
        Sense::Maximize,
        &[8.0, 11.0, 6.0, 4.0].map(|cost| column(cost, 0.0, 1.0, true)),
        &[row(-INF, 14.0, &[(0, 5.0), (1, 7.0), (2, 4.0), (3, 3.0)])],
    )
}

#[test]
fn a_knapsack_is_solved_to_its_optimum() {
    let outcome = solve(&knapsack(), &Options::default());
    assert_eq!(outcome.status, Status::Optimal);
    assert_eq!(outcome.point, Some(vec![0.0, 1.0, 1.0, 1.0]));
    assert_eq!(outcome.objective, Some(21.0));
    assert_eq!(outcome.bound, Some(21.0));
    assert_eq!(outcome.gap(), Some(0.0));
}

#[test]
fn a_linear_program_keeps_its_offset_and_sense() {
    // max 10 + x + 2y, 1 <= x + y <= 4, y <= 3: x = 1, y = 3, value 17.
    let mut lp = model(
        Sense::Maximize,
        &[column(1.0, 0.0, INF, false), column(2.0, 0.0, 3.0, false)],
        &[row(1.0, 4.0, &[(0, 1.0), (1, 1.0)])],
    );
    lp.offset = 10.0;
    let outcome = solve(&lp, &Options::default());
    assert_eq!(outcome.status, Status::Optimal);
    assert!((outcome.objective.unwrap() - 17.0).abs() < 1e-9);
    assert!((outcome.bound.unwrap() - 17.0).abs() < 1e-9);
    assert_eq!(outcome.counters.nodes, 0);
    assert_eq!(outcome.counters.work, 1);
}

#[test]
fn statuses_without_an_optimum() {
    // x + y >= 3 with both binary.
    let infeasible = model(
        Sense::Minimize,
        &[column(1.0, 0.0, 1.0, true), column(1.0, 0.0, 1.0, true)],
        &[row(3.0, INF, &[(0, 1.0), (1, 1.0)])],
    );
    let outcome = solve(&infeasible, &Options::default());
    assert_eq!(outcome.status, Status::Infeasible);
    assert_eq!(outcome.point, None);
    // min x - y with y free above.
    let unbounded = model(
        Sense::Minimize,
        &[column(1.0, 0.0, 1.0, true), column(-1.0, 0.0, INF, false)],
        &[row(0.0, INF, &[(0, 1.0), (1, 1.0)])],
    );
    assert_eq!(
        solve(&unbounded, &Options::default()).status,
        Status::Unbounded
    );
}

#[test]
fn contradictions_cost_no_work() {
    let crossed = model(Sense::Minimize, &[column(1.0, 2.0, 1.0, false)], &[]);
    // No integer between 0.2 and 0.8.
    let hollow = model(Sense::Minimize, &[column(1.0, 0.2, 0.8, true)], &[]);
    let empty_row = model(
        Sense::Minimize,
        &[column(1.0, 0.0, 1.0, true)],
        &[row(1.0, INF, &[])],
    );
    let crossed_row = model(
        Sense::Minimize,
        &[column(1.0, 0.0, 1.0, true)],
        &[row(1.0, 0.0, &[(0, 1.0)])],
    );
    for model in [crossed, hollow, empty_row, crossed_row] {
        let outcome = solve(&model, &Options::default());
        assert_eq!(outcome.status, Status::Infeasible);
        assert_eq!(outcome.counters.work, 0);
        assert!(outcome.reason.is_some());
    }
}

#[test]
fn an_empty_model_has_the_empty_point() {
    let mut empty = Model::new(Sense::Maximize);
    empty.offset = 3.0;
    let outcome = solve(&empty, &Options::default());
    assert_eq!(outcome.status, Status::Optimal);
    assert_eq!(outcome.objective, Some(3.0));
    assert_eq!(outcome.bound, Some(3.0));
    assert_eq!(outcome.point, Some(vec![]));
}

#[test]
fn a_feasible_start_is_there_at_no_work_and_a_bad_one_is_named() {
    let good = Options::default()
        .with_work_limit(0)
        .with_start(vec![1.0, 0.0, 0.0, 0.0]);
    let outcome = solve(&knapsack(), &good);
    assert_eq!(outcome.status, Status::TimeLimit);
    assert_eq!(outcome.objective, Some(8.0));
    // Every item taken.
    assert_eq!(outcome.bound, Some(29.0));
    let bad = Options::default().with_start(vec![1.0; 4]);
    let outcome = solve(&knapsack(), &bad);
    assert_eq!(outcome.status, Status::Optimal);
    assert!(
        matches!(&outcome.events[0], LogEvent::StartRefused { reason } if reason.contains("row 0"))
    );
}

#[test]
fn a_raised_flag_and_a_spent_clock_return_the_start() {
    let stop = StopFlag::default();
    stop.stop();
    let start = Some(vec![1.0, 0.0, 0.0, 0.0]);
    let options = Options::default().with_start(start.clone()).with_stop(stop);
    let outcome = solve(&knapsack(), &options);
    assert_eq!(outcome.status, Status::Interrupted);
    assert_eq!(outcome.objective, Some(8.0));
    let options = Options::default()
        .with_start(start)
        .with_time_limit(Duration::ZERO);
    let before = Instant::now();
    let outcome = solve(&knapsack(), &options);
    assert!(before.elapsed() < Duration::from_millis(20));
    assert_eq!(outcome.status, Status::TimeLimit);
    assert_eq!(outcome.objective, Some(8.0));
}

#[test]
fn a_cutoff_hides_what_is_not_better() {
    let options = |cutoff| Options::default().with_cutoff(cutoff);
    let outcome = solve(&knapsack(), &options(20.0));
    assert_eq!(outcome.status, Status::Optimal);
    assert_eq!(outcome.objective, Some(21.0));
    let outcome = solve(&knapsack(), &options(21.0));
    assert_eq!(outcome.status, Status::Infeasible);
    assert_eq!(outcome.point, None);
}

/// A model of one integer column with the row `coefficient x <= side`.
fn wide(cost: f64, upper: f64, coefficient: f64, side: f64) -> Model {
    model(
        Sense::Maximize,
        &[column(cost, 0.0, upper, true)],
        &[row(-INF, side, &[(0, coefficient)])],
    )
}

#[test]
fn an_open_integer_column_is_bounded_by_its_rows() {
    // 2x <= 7001: x = 3500.
    let outcome = solve(&wide(1.0, INF, 2.0, 7001.0), &Options::default());
    assert_eq!(outcome.status, Status::Optimal);
    assert_eq!(outcome.objective, Some(3500.0));
}

#[test]
fn an_unbounded_integer_program_is_called_so() {
    let outcome = solve(&wide(1.0, INF, -1.0, 5.0), &Options::default());
    assert_eq!(outcome.status, Status::Unbounded);
    assert_eq!(outcome.bound, None);
}

/// microlp holds integer bounds in 32 bits. The optimum here is 5.5e9: a point
/// in the box and the relaxation's bound are returned, no claim.
#[test]
fn integers_beyond_32_bits_are_a_known_limit() {
    let options = Options::default().with_engine(Engine::Microlp);
    let outcome = solve(&wide(1.0, 1e12, 2.0, 11e9 + 1.0), &options);
    assert_eq!(outcome.status, Status::NumericalTrouble);
    assert!(outcome.reason.unwrap().contains("32 bits"));
    assert_eq!(outcome.objective, Some(2_147_483_647.0));
    let bound = outcome.bound.unwrap();
    assert!((5.5e9..5.6e9).contains(&bound), "{bound}");
    // Where the relaxation settles it, there is an answer: no x >= 0 has
    // x <= -1.
    let outcome = solve(&wide(1.0, INF, 1.0, -1.0), &Options::default());
    assert_eq!(outcome.status, Status::Infeasible);
}

#[test]
fn a_continuous_bound_beyond_2_to_the_52_holds() {
    // max x, x <= 1e16, free below.
    let lp = model(Sense::Maximize, &[column(1.0, -INF, 1e16, false)], &[]);
    let outcome = solve(&lp, &Options::default());
    assert_eq!(outcome.status, Status::Optimal);
    assert_eq!(outcome.objective, Some(1e16));
    // From 1e20 on it is none.
    let lp = model(Sense::Maximize, &[column(1.0, -INF, 1e20, false)], &[]);
    assert_eq!(solve(&lp, &Options::default()).status, Status::Unbounded);
}

#[test]
fn sides_that_cross_by_less_than_the_tolerance_are_an_equation() {
    let lp = model(
        Sense::Minimize,
        &[column(1.0, -INF, INF, false)],
        &[row(2.0 + 1e-9, 2.0, &[(0, 1.0)])],
    );
    let outcome = solve(&lp, &Options::default());
    assert_eq!(outcome.status, Status::Optimal);
    assert!((outcome.objective.unwrap() - 2.0).abs() < 1e-6);
}

/// max x + y, 1 <= x + 2y <= 5.5, x - y between -1 and 1 (both two-sided), x
/// integer, y continuous and free: x = 2 gives y <= 1.75 (3.75), x = 3 gives
/// y <= 1.25 but y >= 2; so 3.75.
#[test]
fn two_sided_rows_and_a_free_column() {
    let mip = model(
        Sense::Maximize,
        &[column(1.0, 0.0, 10.0, true), column(1.0, -INF, INF, false)],
        &[
            row(1.0, 5.5, &[(0, 1.0), (1, 2.0)]),
            row(-1.0, 1.0, &[(0, 1.0), (1, -1.0)]),
        ],
    );
    let outcome = solve(&mip, &Options::default());
    assert_eq!(outcome.status, Status::Optimal);
    assert!((outcome.objective.unwrap() - 3.75).abs() < 1e-6);
}

/// The bound of a model whose objective is a whole number of 100s is rounded
/// up to one: the relaxation's 133.3 is 200.
#[test]
fn a_bound_is_rounded_up_to_the_objectives_grid() {
    // min 100 (x + y + z), each pair covers at least once: relaxation 150.
    let cover = model(
        Sense::Minimize,
        &[100.0, 100.0, 300.0].map(|cost| column(cost, 0.0, 1.0, true)),
        &[
            row(1.0, INF, &[(0, 1.0), (1, 1.0)]),
            row(1.0, INF, &[(1, 1.0), (2, 1.0)]),
            row(1.0, INF, &[(0, 1.0), (2, 1.0)]),
        ],
    );
    // x = y = 1, z = 0: 200. The relaxation's x = y = 1, too.
    let outcome = solve(&cover, &Options::default());
    assert_eq!(outcome.objective, Some(200.0));
    let halves = model(
        Sense::Minimize,
        &[100.0; 3].map(|cost| column(cost, 0.0, 1.0, true)),
        cover.rows(),
    );
    // All at 1/2: 150, and no integer point below 200.
    let root = Options::default().with_work_limit(1);
    assert_eq!(solve(&halves, &root).bound, Some(200.0));
}

/// A root of a model that the clock leaves no time for answers from the start
/// and the bounds alone, and later solves are not disturbed by what is left.
#[test]
fn an_abandoned_engine_disturbs_nothing() {
    for _ in 0..20 {
        let short = Options::default().with_time_limit(Duration::from_micros(50));
        let _ = solve(&knapsack(), &short);
    }
    assert_eq!(
        solve(&knapsack(), &Options::default()).objective,
        Some(21.0)
    );
}
