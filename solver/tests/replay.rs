//! The path of a search depends on the model and the options alone: a run that
//! the clock cut is the run that its work count names.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "test code"
)]

mod numbers;

use std::time::{Duration, Instant};

use branchcut::{Column, Model, Options, Outcome, Row, Sense, Status, StopFlag, solve};

use numbers::Numbers;

/// A multidimensional knapsack with a few continuous columns, which takes
/// microlp some hundreds of nodes and more.
fn knapsack(columns: usize, rows: usize, seed: u64) -> Model {
    let mut numbers = Numbers(seed);
    let mut model = Model::new(Sense::Maximize);
    model.offset = 7.0;
    for index in 0..columns {
        model
            .add_column(Column {
                name: format!("x{index}"),
                cost: 10.0 + numbers.below(90),
                lower: 0.0,
                upper: 1.0,
                integer: index % 10 != 9,
            })
            .unwrap();
    }
    for index in 0..rows {
        let coefficients: Vec<(usize, f64)> =
            (0..columns).map(|j| (j, 5.0 + numbers.below(95))).collect();
        let total: f64 = coefficients.iter().map(|&(_, a)| a).sum();
        model
            .add_row(Row {
                name: format!("r{index}"),
                lower: f64::NEG_INFINITY,
                upper: (total / 3.0).floor(),
                coefficients,
            })
            .unwrap();
    }
    model
}

fn run(model: &Model, options: &Options) -> Outcome {
    solve(model, options)
}

/// All of an answer that must not depend on the clock; floats bit by bit.
fn essence(
    outcome: &Outcome,
) -> (
    Option<Vec<u64>>,
    Option<u64>,
    Option<u64>,
    branchcut::Counters,
) {
    let bits = |value: f64| value.to_bits();
    (
        outcome
            .point
            .as_ref()
            .map(|point| point.iter().copied().map(bits).collect()),
        outcome.objective.map(bits),
        outcome.bound.map(bits),
        outcome.counters,
    )
}

#[test]
fn more_work_is_never_worse_and_reruns_are_identical() {
    for seed in 1..=4 {
        let model = knapsack(30, 5, seed);
        let full = run(&model, &Options::default());
        assert_eq!(full.status, Status::Optimal);
        assert!(full.counters.work > 30, "too easy: {:?}", full.counters);
        let mut last: Option<Outcome> = None;
        let last_work = full.counters.work;
        let early = (0..=60).filter(|&work| work < last_work);
        for work in early.chain([last_work, last_work + 1]) {
            let options = Options::default()
                .with_work_limit(work)
                .with_start(vec![0.0; 30]);
            let outcome = run(&model, &options);
            assert_eq!(essence(&outcome), essence(&run(&model, &options)));
            assert!(outcome.counters.work <= work);
            assert!(outcome.bound.unwrap() >= full.objective.unwrap() - 1e-6);
            if let Some(last) = last {
                assert!(outcome.objective >= last.objective, "work {work}");
                assert!(outcome.bound <= last.bound, "work {work}");
            }
            last = Some(outcome);
        }
    }
}

#[test]
fn no_work_is_the_start_and_the_first_is_the_root() {
    let model = knapsack(30, 5, 1);
    let at = |work| {
        let options = Options::default()
            .with_work_limit(work)
            .with_start(vec![0.0; 30]);
        run(&model, &options)
    };
    let none = at(0);
    assert_eq!(none.point, Some(vec![0.0; 30]));
    assert_eq!((none.counters.work, none.counters.nodes), (0, 0));
    let root = at(1);
    assert_eq!((root.counters.work, root.counters.nodes), (1, 1));
    assert!(root.bound < none.bound);
}

#[test]
fn a_run_cut_by_the_clock_is_replayed_by_its_work() {
    let mut cut = 0;
    for seed in 1..=3 {
        let model = knapsack(60, 8, seed);
        for limit in [1, 3, 10, 20, 30, 50, 100, 200, 300] {
            let timed = run(
                &model,
                &Options::default()
                    .with_time_limit(Duration::from_millis(limit))
                    .with_start(vec![0.0; 60]),
            );
            cut += usize::from(timed.status == Status::TimeLimit && timed.counters.work > 1);
            let replayed = run(
                &model,
                &Options::default()
                    .with_work_limit(timed.counters.work)
                    .with_start(vec![0.0; 60]),
            );
            assert_eq!(
                essence(&timed),
                essence(&replayed),
                "seed {seed}, {limit} ms"
            );
            assert_eq!(timed.status, replayed.status);
        }
    }
    assert!(cut >= 3, "only {cut} runs were cut inside the search");
}

#[test]
fn node_limits_and_gaps_stop_the_search() {
    let model = knapsack(60, 8, 2);
    let outcome = run(&model, &Options::default().with_node_limit(3));
    assert_eq!(outcome.status, Status::NodeLimit);
    assert_eq!(outcome.counters.nodes, 3);
    let outcome = run(&model, &Options::default().with_gap_relative(0.05));
    assert_eq!(outcome.status, Status::GapReached);
    let gap = outcome.gap().unwrap();
    assert!((1e-6..=0.05).contains(&gap), "{gap}");
    let outcome = run(&model, &Options::default().with_gap_absolute(60.0));
    assert_eq!(outcome.status, Status::GapReached);
    assert!(outcome.bound.unwrap() - outcome.objective.unwrap() <= 60.0);
}

/// A flag raised from another thread ends the solve within a poll or two; the
/// wide margin is for a loaded machine.
#[test]
fn a_flag_raised_on_the_way_ends_the_solve() {
    let model = knapsack(200, 20, 5);
    let stop = StopFlag::default();
    let options = Options::default()
        .with_start(vec![0.0; 200])
        .with_stop(stop.clone());
    let raiser = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        stop.stop();
        Instant::now()
    });
    let outcome = run(&model, &options);
    let late = raiser.join().unwrap().elapsed();
    assert_eq!(outcome.status, Status::Interrupted);
    assert!(outcome.point.is_some());
    assert!(late < Duration::from_millis(200), "{late:?}");
}

/// The root of this model takes microlp far longer than the limit, and its
/// translation alone more than a millisecond. On a loaded machine even a plain
/// sleep ends late, so the overshoot is held against that of sleeps beside it;
/// the least of several tries counts.
#[test]
fn a_limit_that_ends_inside_the_engine_is_kept() {
    let model = knapsack(2000, 200, 6);
    for limit in [1, 5, 20] {
        let limit = Duration::from_millis(limit);
        let late = |wait: &dyn Fn()| {
            let before = Instant::now();
            wait();
            before.elapsed().saturating_sub(limit)
        };
        let options = Options::default().with_time_limit(limit);
        let excess = (0..20)
            .map(|_| {
                let solve = late(&|| {
                    let outcome = run(&model, &options);
                    assert_eq!(outcome.status, Status::TimeLimit);
                    assert_eq!(outcome.counters.work, 0);
                });
                solve.saturating_sub(late(&|| std::thread::sleep(limit)))
            })
            .min()
            .unwrap();
        assert!(excess <= Duration::from_millis(1), "{limit:?}: {excess:?}");
    }
}
