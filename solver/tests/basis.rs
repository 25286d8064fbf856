//! Warm starts: a basis steers the way to the root relaxation's optimum and
//! nothing else. (That any basis at all leaves the answer right is tested in
//! `random/`.)
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "test code"
)]

mod numbers;

use std::time::Duration;

use branchcut::{
    Basis, BasisStatus, Column, LogEvent, Model, Options, Outcome, Row, Sense, Status, Technique,
    Techniques, solve,
};

use numbers::Numbers;

/// How a problem is made: who takes part, and what a unit of each costs.
#[derive(Clone)]
struct Assignment {
    /// By job: what it asks for.
    asks: Vec<f64>,
    /// By place: what fits.
    fits: Vec<f64>,
    /// By job and place.
    costs: Vec<Vec<f64>>,
}

impl Assignment {
    fn random(jobs: usize, places: usize, numbers: &mut Numbers) -> Self {
        let asks: Vec<f64> = (0..jobs).map(|_| 1.0 + numbers.below(9)).collect();
        let total: f64 = asks.iter().sum();
        let share = (1.3 * total / places as f64).ceil();
        let fits = (0..places).map(|_| share + numbers.below(4)).collect();
        let cost = |numbers: &mut Numbers| (0..places).map(|_| numbers.below(50)).collect();
        let costs = (0..jobs).map(|_| cost(numbers)).collect();
        Self { asks, fits, costs }
    }

    /// min sum c_jp x_jp + 20 y_jp, sum_p x_jp = ask_j, sum_j x_jp <= fit_p,
    /// x_jp <= ask_j y_jp, sum_p y_jp <= 2; y binary if `integer`, else in [0, 1].
    fn model(&self, integer: bool) -> Model {
        let mut model = Model::new(Sense::Minimize);
        let places = self.fits.len();
        let (mut x, mut y) = (vec![], vec![]);
        for (&ask, costs) in self.asks.iter().zip(&self.costs) {
            for &cost in costs {
                let column = |cost, upper, integer| Column {
                    name: String::new(),
                    cost,
                    lower: 0.0,
                    upper,
                    integer,
                };
                x.push(model.add_column(column(cost, ask, false)).unwrap());
                y.push(model.add_column(column(20.0, 1.0, integer)).unwrap());
            }
        }
        let mut add = |lower, upper, coefficients| {
            let name = String::new();
            let row = Row {
                name,
                lower,
                upper,
                coefficients,
            };
            model.add_row(row).unwrap();
        };
        for (j, &ask) in self.asks.iter().enumerate() {
            let of = |all: &[usize]| (0..places).map(|p| (all[j * places + p], 1.0)).collect();
            add(ask, ask, of(&x));
            add(f64::NEG_INFINITY, 2.0, of(&y));
            for p in 0..places {
                let link = vec![(x[j * places + p], 1.0), (y[j * places + p], -ask)];
                add(f64::NEG_INFINITY, 0.0, link);
            }
        }
        for (p, &fit) in self.fits.iter().enumerate() {
            let all = (0..self.asks.len()).map(|j| (x[j * places + p], 1.0));
            add(f64::NEG_INFINITY, fit, all.collect());
        }
        model
    }

    /// The basis of the problem with job `gone` out, for the problem with it.
    fn with_unknown_job(&self, gone: usize, basis: &Basis) -> Basis {
        let places = self.fits.len();
        let insert = |all: &[BasisStatus], each: usize| {
            let mut all = all.to_vec();
            let at = gone * each;
            all.splice(at..at, vec![BasisStatus::Unknown; each]);
            all
        };
        Basis {
            columns: insert(&basis.columns, 2 * places),
            rows: insert(&basis.rows, 2 + places),
        }
    }

    fn without(&self, gone: usize) -> Self {
        let mut left = self.clone();
        left.asks.remove(gone);
        left.costs.remove(gone);
        left
    }
}

/// The root relaxation alone, from `basis`.
fn root(model: &Model, basis: Option<Basis>) -> Outcome {
    let outcome = solve(
        model,
        &Options::default()
            .with_techniques(Techniques::default().without(Technique::FeasibilityJump))
            .with_work_limit(1)
            .with_basis(basis),
    );
    assert_eq!(outcome.counters.work, 1);
    assert!(outcome.basis.is_some());
    outcome
}

#[test]
fn from_its_own_basis_a_relaxation_takes_no_iterations() {
    for integer in [false, true] {
        let (mut cold, mut warm) = (0, 0);
        for seed in 0..20 {
            let model = Assignment::random(12, 6, &mut Numbers(seed)).model(integer);
            let first = root(&model, None);
            let again = root(&model, first.basis.clone());
            assert!((first.bound.unwrap() - again.bound.unwrap()).abs() < 1e-6);
            cold += first.counters.lp_iterations;
            warm += again.counters.lp_iterations;
        }
        println!("integer {integer}: {cold} iterations from nothing, {warm} from the basis");
        assert!(cold > 150 && warm * 20 < cold, "{cold} {warm}");
    }
}

#[test]
fn a_basis_of_a_problem_like_it_spares_most_iterations() {
    let kinds = ["costs", "sides", "a job more", "a job less"];
    for integer in [false, true] {
        for kind in kinds {
            let (mut cold, mut warm) = (0, 0);
            for seed in 0..30 {
                let mut numbers = Numbers(seed);
                let before = Assignment::random(12, 6, &mut numbers);
                let mut after = before.clone();
                let known = |all: &Assignment| root(&all.model(integer), None).basis.unwrap();
                let basis = match kind {
                    "costs" => {
                        for costs in after.costs.iter_mut().take(2) {
                            costs.iter_mut().for_each(|cost| *cost += numbers.below(5));
                        }
                        known(&before)
                    }
                    "sides" => {
                        after.fits[0] -= 1.0;
                        after.asks[1] += 1.0;
                        known(&before)
                    }
                    "a job more" => {
                        let basis = known(&before.without(5));
                        after.with_unknown_job(5, &basis)
                    }
                    _ => {
                        after = before.without(5);
                        let mut basis = known(&before);
                        basis.columns.drain(60..72);
                        basis.rows.drain(40..48);
                        basis
                    }
                };
                let model = after.model(integer);
                let nothing = root(&model, None);
                let something = root(&model, Some(basis));
                let difference = nothing.bound.unwrap() - something.bound.unwrap();
                assert!(difference.abs() < 1e-6, "{kind} {seed}: {difference}");
                cold += nothing.counters.lp_iterations;
                warm += something.counters.lp_iterations;
            }
            println!("{kind}, integer {integer}: {cold} from nothing, {warm} from the basis");
            assert!(warm * 5 < cold, "{kind} {integer}: {warm} of {cold}");
        }
    }
}

#[test]
fn a_basis_changes_the_way_and_not_the_answer() {
    for seed in 0..8 {
        let problem = Assignment::random(10, 4, &mut Numbers(seed));
        let model = problem.model(true);
        let cold = solve(&model, &Options::default());
        let basis = problem.with_unknown_job(
            3,
            &root(&problem.without(3).model(true), None).basis.unwrap(),
        );
        let options = Options::default().with_basis(basis);
        let warm = solve(&model, &options);
        assert_eq!(
            (cold.status, warm.status),
            (Status::Optimal, Status::Optimal)
        );
        assert!((cold.objective.unwrap() - warm.objective.unwrap()).abs() < 1e-6);
        let again = solve(&model, &options);
        assert_eq!(
            (&warm.point, warm.bound, warm.counters, &warm.basis),
            (&again.point, again.bound, again.counters, &again.basis)
        );
    }
}

/// The basis is a part of what work means: there from some count on, the same
/// at each, and a run cut by the clock leaves what its count leaves.
#[test]
fn the_basis_is_there_once_its_step_is_counted() {
    let model = Assignment::random(30, 8, &mut Numbers(3)).model(true);
    let at = |work| solve(&model, &Options::default().with_work_limit(work));
    let bases: Vec<Option<Basis>> = (0..8).map(|work| at(work).basis).collect();
    assert_eq!(bases[0], None);
    let since = bases.iter().position(Option::is_some).unwrap();
    assert!(bases[since..].iter().all(|basis| *basis == bases[since]));
    let (mut without, mut with) = (0, 0);
    for tenths in 1..200 {
        let limit = Duration::from_micros(tenths * 100);
        let timed = solve(&model, &Options::default().with_time_limit(limit));
        assert!(
            timed.basis == at(timed.counters.work).basis,
            "{limit:?} {:?}",
            timed.counters
        );
        match timed.basis {
            None => without += 1,
            Some(_) => with += 1,
        }
    }
    println!("cut before the basis {without} times, after it {with}");
}

#[test]
fn a_basis_of_another_size_is_refused() {
    let model = Assignment::random(5, 3, &mut Numbers(1)).model(true);
    let plain = solve(&model, &Options::default());
    let options = Options::default().with_basis(Basis::unknown(3, 4));
    let outcome = solve(&model, &options);
    assert!(
        matches!(&outcome.events[0], LogEvent::BasisRefused { reason }
            if reason.contains("3 columns and 4 rows, the model has 30 and 28")),
        "{:?}",
        outcome.events[0]
    );
    assert_eq!(outcome.counters, plain.counters);
    assert_eq!(outcome.point, plain.point);
}

#[test]
fn the_statuses_are_those_of_a_basis() {
    // min -x - y, x + y <= 3 (row 0), x - y <= 1 (row 1), x, y <= 2: y = 2, x = 1,
    // the one basic variable of row 0's columns; row 1 has activity -1.
    let mut model = Model::new(Sense::Minimize);
    for cost in [-1.0, -2.0] {
        model
            .add_column(Column {
                name: String::new(),
                cost,
                lower: 0.0,
                upper: 2.0,
                integer: false,
            })
            .unwrap();
    }
    for (upper, a) in [(3.0, 1.0), (1.0, -1.0)] {
        model
            .add_row(Row {
                name: String::new(),
                lower: f64::NEG_INFINITY,
                upper,
                coefficients: vec![(0, 1.0), (1, a)],
            })
            .unwrap();
    }
    let plain = Options::default().with_techniques(Techniques::none());
    let outcome = solve(&model, &plain);
    assert_eq!(outcome.point, Some(vec![1.0, 2.0]));
    let basis = outcome.basis.unwrap();
    assert_eq!(basis.columns, [BasisStatus::Basic, BasisStatus::Upper]);
    assert_eq!(basis.rows, [BasisStatus::Upper, BasisStatus::Basic]);
    assert_eq!(basis.basic(), 2);
}
