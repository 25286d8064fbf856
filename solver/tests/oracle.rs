//! Small random models against enumeration.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::float_cmp,
    reason = "test code"
)]

use branchcut::{Column, Model, Options, Row, Sense, Status, check, solve};
use proptest::prelude::*;

/// Coefficients are small integers, so that enumeration is exact.
#[derive(Clone, Debug)]
struct Small {
    sense: Sense,
    offset: f64,
    /// cost, lower, width
    columns: Vec<(i32, i32, i32)>,
    /// coefficients, lower side, width; a side may be open
    rows: Vec<(Vec<i32>, Option<i32>, Option<i32>)>,
    /// One continuous column more: cost, lower, width, and its coefficients in
    /// the rows, from the first on.
    real: Option<(i32, i32, i32, [i32; 4])>,
}

fn small() -> impl Strategy<Value = Small> {
    (1..=5_usize).prop_flat_map(|columns| {
        let column = (-9..=9, -3..=1, 0..=3);
        let side = prop::option::weighted(0.6, -8..=8);
        let row = (
            prop::collection::vec(-4..=4, columns),
            side,
            prop::option::weighted(0.7, 0..=9),
        );
        (
            any::<bool>(),
            -5..=5,
            prop::collection::vec(column, columns),
            prop::collection::vec(row, 0..=4),
            prop::option::of((-9..=9, -3..=1, 0..=3, prop::array::uniform4(-4..=4))),
        )
            .prop_map(|(is_min, offset, columns, rows, real)| Small {
                real,
                sense: if is_min {
                    Sense::Minimize
                } else {
                    Sense::Maximize
                },
                offset: f64::from(offset),
                columns,
                rows,
            })
    })
}

/// The continuous column is held to a tolerance of 1e-6 in a row, times its
/// cost of at most 9.
fn is_close(value: Option<f64>, optimum: f64) -> bool {
    value.is_some_and(|value| (value - optimum).abs() <= 1e-5)
}

/// The sides of a row: a width without a lower side counts from zero down.
fn sides(lower: Option<i32>, width: Option<i32>) -> (f64, f64) {
    match (lower, width) {
        (Some(lower), Some(width)) => (f64::from(lower), f64::from(lower + width)),
        (Some(lower), None) => (f64::from(lower), f64::INFINITY),
        (None, Some(width)) => (f64::NEG_INFINITY, f64::from(width)),
        (None, None) => (f64::NEG_INFINITY, f64::INFINITY),
    }
}

impl Small {
    fn model(&self) -> Model {
        let mut model = Model::new(self.sense);
        model.offset = self.offset;
        for &(cost, lower, width) in &self.columns {
            model
                .add_column(Column {
                    name: String::new(),
                    cost: f64::from(cost),
                    lower: f64::from(lower),
                    upper: f64::from(lower + width),
                    integer: true,
                })
                .unwrap();
        }
        if let Some((cost, lower, width, _)) = self.real {
            model
                .add_column(Column {
                    name: String::new(),
                    cost: f64::from(cost),
                    lower: f64::from(lower),
                    upper: f64::from(lower + width),
                    integer: false,
                })
                .unwrap();
        }
        for (index, (coefficients, lower, width)) in self.rows.iter().enumerate() {
            let (lower, upper) = sides(*lower, *width);
            let coefficients = coefficients
                .iter()
                .chain(self.real.iter().map(|(_, _, _, real)| &real[index]))
                .copied()
                .map(f64::from)
                .enumerate();
            model
                .add_row(Row {
                    name: String::new(),
                    lower,
                    upper,
                    coefficients: coefficients.collect(),
                })
                .unwrap();
        }
        model
    }

    /// The best objective over all points: for each choice of the integers,
    /// the rows leave the continuous column an interval, and one of its ends is
    /// best.
    fn optimum(&self) -> Option<f64> {
        let mut best: Option<f64> = None;
        let mut point: Vec<i32> = self.columns.iter().map(|&(_, lower, _)| lower).collect();
        loop {
            let dot = |a: &[i32]| f64::from(a.iter().zip(&point).map(|(a, x)| a * x).sum::<i32>());
            let (cost, low, width, real) = self.real.unwrap_or_default();
            let (mut least, mut most) = (f64::from(low), f64::from(low + width));
            let mut is_feasible = true;
            for (index, (coefficients, lower, width)) in self.rows.iter().enumerate() {
                let (lower, upper) = sides(*lower, *width);
                let (lower, upper) = (lower - dot(coefficients), upper - dot(coefficients));
                let a = f64::from(real[index]);
                if real[index] == 0 {
                    is_feasible &= lower <= 0.0 && 0.0 <= upper;
                } else if a > 0.0 {
                    least = least.max(lower / a);
                    most = most.min(upper / a);
                } else {
                    least = least.max(upper / a);
                    most = most.min(lower / a);
                }
            }
            // Two different quotients of these integers differ by more.
            if is_feasible && least <= most + 1e-9 {
                let costs: Vec<i32> = self.columns.iter().map(|&(cost, _, _)| cost).collect();
                for end in [least, most] {
                    let value = dot(&costs) + self.offset + f64::from(cost) * end;
                    best = Some(best.map_or(value, |best| match self.sense {
                        Sense::Minimize => best.min(value),
                        Sense::Maximize => best.max(value),
                    }));
                }
            }
            // The next point, as a number whose digits are the columns.
            let mut at = 0;
            loop {
                let Some(&(_, lower, width)) = self.columns.get(at) else {
                    return best;
                };
                if point[at] < lower + width {
                    point[at] += 1;
                    break;
                }
                point[at] = lower;
                at += 1;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_answer_is_that_of_enumeration(small in small()) {
        let model = small.model();
        let outcome = solve(&model, &Options::default());
        match small.optimum() {
            None => {
                prop_assert_eq!(outcome.status, Status::Infeasible);
                prop_assert_eq!(outcome.point, None);
            }
            Some(optimum) => {
                prop_assert_eq!(outcome.status, Status::Optimal);
                prop_assert!(is_close(outcome.objective, optimum));
                prop_assert!(is_close(outcome.bound, optimum));
                let point = outcome.point.unwrap();
                let checked = check::check(&model, &point).unwrap();
                prop_assert_eq!(checked.point(), &point[..]);
            }
        }
    }

    /// With a cutoff better than the optimum nothing is left; with one worse,
    /// the optimum is found again.
    #[test]
    fn a_cutoff_hides_what_is_worse(small in small()) {
        if let Some(optimum) = small.optimum() {
            // A thousandth this side of the optimum, and that side.
            let worse = match small.sense {
                Sense::Minimize => 1e-3,
                Sense::Maximize => -1e-3,
            };
            let at = |cutoff: f64| {
                let cutoff = Some(cutoff);
                solve(&small.model(), &Options::default().with_cutoff(cutoff))
            };
            let outcome = at(optimum - worse);
            prop_assert_eq!(outcome.status, Status::Infeasible);
            prop_assert_eq!(outcome.point, None);
            let outcome = at(optimum + worse);
            prop_assert_eq!(outcome.status, Status::Optimal);
            prop_assert!(is_close(outcome.objective, optimum));
        }
    }
}
