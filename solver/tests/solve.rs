//! What a solve promises: status, point, bound, limits.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::float_cmp,
    reason = "test code"
)]

use std::time::{Duration, Instant};

use branchcut::{Column, LogEvent, Model, Options, Row, Sense, Status, StopFlag, solve};

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
    let good = Options {
        work_limit: Some(0),
        start: Some(vec![1.0, 0.0, 0.0, 0.0]),
        ..Options::default()
    };
    let outcome = solve(&knapsack(), &good);
    assert_eq!(outcome.status, Status::TimeLimit);
    assert_eq!(outcome.objective, Some(8.0));
    // Every item taken.
    assert_eq!(outcome.bound, Some(29.0));
    let bad = Options {
        start: Some(vec![1.0; 4]),
        ..Options::default()
    };
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
    let options = Options {
        start: start.clone(),
        stop,
        ..Options::default()
    };
    let outcome = solve(&knapsack(), &options);
    assert_eq!(outcome.status, Status::Interrupted);
    assert_eq!(outcome.objective, Some(8.0));
    let options = Options {
        start,
        time_limit: Some(Duration::ZERO),
        ..Options::default()
    };
    let before = Instant::now();
    let outcome = solve(&knapsack(), &options);
    assert!(before.elapsed() < Duration::from_millis(20));
    assert_eq!(outcome.status, Status::TimeLimit);
    assert_eq!(outcome.objective, Some(8.0));
}

#[test]
fn a_cutoff_hides_what_is_not_better() {
    let options = |cutoff| Options {
        cutoff: Some(cutoff),
        ..Options::default()
    };
    let outcome = solve(&knapsack(), &options(20.0));
    assert_eq!(outcome.status, Status::Optimal);
    assert_eq!(outcome.objective, Some(21.0));
    let outcome = solve(&knapsack(), &options(21.0));
    assert_eq!(outcome.status, Status::Infeasible);
    assert_eq!(outcome.point, None);
}
