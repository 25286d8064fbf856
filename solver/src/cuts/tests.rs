//! No separator cuts off a feasible point, on problems small enough to
//! enumerate; cuts of hand-made rows are those worked out above them.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::cut::Cut;
use super::gomory::Weights;
use super::pass::Pass;
use super::product::Products;
use super::row::{Frame, Mixed, Origin, Preference, Scratch, Source, Term};
use super::{
    clique, cmir, flow_cover, gomory, implied_bound, knapsack_cover, mir, product, zero_half,
};
use crate::mip::Mip;
use crate::structure::{Cliques, VariableBounds};
use crate::technique::{Technique, Techniques};
use crate::work::Budget;

fn below(rng: &mut ChaCha8Rng, n: u64) -> u64 {
    rng.next_u64() % n
}

fn between(rng: &mut ChaCha8Rng, low: i64, high: i64) -> f64 {
    (low + below(rng, (high - low + 1) as u64) as i64) as f64
}

fn term(variable: u32, coefficient: f64, width: f64, value: f64) -> Term {
    Term {
        variable,
        coefficient,
        width,
        value,
        origin: Origin::Lower(0.0),
    }
}

/// Points of a mixed row: integers by enumeration; continuous terms only help
/// at the least value that makes the row hold, spread over one term.
fn row_points(mixed: &Mixed) -> Vec<(Vec<f64>, Vec<f64>)> {
    let mut points = Vec::new();
    let widths: Vec<usize> = mixed.integers.iter().map(|t| t.width as usize).collect();
    let mut y = vec![0_usize; widths.len()];
    loop {
        let value: f64 = y
            .iter()
            .zip(&mixed.integers)
            .map(|(&y, t)| y as f64 * t.coefficient)
            .sum();
        let missing = value - mixed.rhs;
        let ints: Vec<f64> = y.iter().map(|&y| y as f64).collect();
        let zero = vec![0.0; mixed.continuous.len()];
        if missing <= 1e-9 {
            points.push((ints.clone(), zero.clone()));
        }
        for (k, term) in mixed.continuous.iter().enumerate() {
            let mut t = zero.clone();
            if term.coefficient < 0.0 && missing > 0.0 {
                t[k] = -missing / term.coefficient;
                if t[k] <= term.width {
                    points.push((ints.clone(), t));
                }
            }
        }
        let mut k = 0;
        while k < y.len() && y[k] == widths[k] {
            y[k] = 0;
            k += 1;
        }
        if k == y.len() {
            return points;
        }
        y[k] += 1;
    }
}

fn random_mixed(rng: &mut ChaCha8Rng) -> Mixed {
    let mut mixed = Mixed::default();
    let count = 2 + below(rng, 6) as u32;
    let is_general = below(rng, 3) == 0;
    let mut total = 0.0;
    for v in 0..count {
        let width = if is_general { between(rng, 1, 3) } else { 1.0 };
        let coefficient = between(rng, -6, 14) + if below(rng, 4) == 0 { 0.5 } else { 0.0 };
        total += coefficient.abs() * width;
        mixed.integers.push(term(
            v,
            coefficient,
            width,
            width * below(rng, 11) as f64 / 10.0,
        ));
    }
    for v in 0..below(rng, 4) as u32 {
        let coefficient = between(rng, -4, 4);
        let value = below(rng, 3) as f64 * 0.5;
        mixed
            .continuous
            .push(term(count + v, coefficient, f64::INFINITY, value));
    }
    mixed.rhs = (total * (below(rng, 10) as f64) / 12.0 * 4.0).round() / 4.0 - 2.0;
    mixed
}

#[test]
fn functions_of_one_row_keep_its_points() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut found = [0; 3];
    for _ in 0..4_000 {
        let mixed = random_mixed(&mut rng);
        let budget = &mut Budget::unlimited();
        let cuts = [
            mir::separate(&mixed, budget),
            knapsack_cover::separate(&mixed, budget),
            flow_cover::separate(&mixed, budget),
        ];
        let points = row_points(&mixed);
        for (which, cut) in cuts.into_iter().enumerate() {
            let Some((valid, efficacy)) = cut else {
                continue;
            };
            found[which] += 1;
            assert!((mixed.efficacy(&valid) - efficacy).abs() < 1e-9);
            for (y, t) in &points {
                let value: f64 = y
                    .iter()
                    .zip(&valid.integers)
                    .map(|(y, g)| y * g)
                    .sum::<f64>()
                    + t.iter()
                        .zip(&valid.continuous)
                        .map(|(t, g)| t * g)
                        .sum::<f64>();
                assert!(
                    value <= valid.rhs + 1e-6,
                    "function {which} cuts off {y:?} {t:?}: {mixed:?} {valid:?}"
                );
            }
        }
    }
    assert!(found.iter().all(|&count| count > 100), "{found:?}");
}

/// Columns: integers with small boxes, then continuous.
fn random_mip(rng: &mut ChaCha8Rng) -> Mip {
    let mut mip = Mip::default();
    let integers = 2 + below(rng, 5) as usize;
    let continuous = below(rng, 4) as usize;
    let all_binary = below(rng, 2) == 0;
    for j in 0..integers + continuous {
        mip.cost.push(between(rng, -5, 5));
        let integer = j < integers;
        let lower = if integer && all_binary {
            0.0
        } else {
            between(rng, -1, 1)
        };
        let width = if integer && all_binary {
            1.0
        } else {
            between(rng, 1, 3)
        };
        mip.lower.push(lower);
        mip.upper.push(lower + width);
        mip.integer.push(integer);
    }
    for _ in 0..1 + below(rng, 4) {
        let mut terms = Vec::new();
        for j in 0..integers + continuous {
            if below(rng, 3) > 0 {
                let a = between(rng, -5, 7);
                if a != 0.0 {
                    terms.push((j as u32, a));
                }
            }
        }
        if terms.len() < 2 {
            continue;
        }
        let side = between(rng, -3, 9) + if below(rng, 3) == 0 { 0.5 } else { 0.0 };
        let (lower, upper) = match below(rng, 4) {
            0 => (side, f64::INFINITY),
            1 => (side - 2.0, side),
            2 if continuous > 0 => (side, side),
            _ => (f64::NEG_INFINITY, side),
        };
        mip.push_row(terms, lower, upper);
    }
    // A fixed charge: x <= u z, for the first continuous column and binary.
    if continuous > 0 && all_binary && mip.lower[integers] >= 0.0 {
        let u = mip.upper[integers];
        mip.push_row(
            [(integers as u32, 1.0), (0, -u)].map(|(j, a)| (j, a)),
            f64::NEG_INFINITY,
            0.0,
        );
    }
    mip.finish();
    mip
}

/// Feasible points: integers by enumeration, continuous columns on a grid of
/// quarters; rows that are equations keep only points that meet them.
fn points(mip: &Mip) -> Vec<Vec<f64>> {
    let n = mip.columns();
    let step = |j: usize| if mip.integer[j] { 1.0 } else { 0.5 };
    let mut x = mip.lower.clone();
    let mut points = Vec::new();
    loop {
        if mip.is_feasible(&x) {
            points.push(x.clone());
        }
        let mut j = 0;
        while j < n {
            x[j] += step(j);
            if x[j] <= mip.upper[j] + 1e-9 {
                break;
            }
            x[j] = mip.lower[j];
            j += 1;
        }
        if j == n {
            return points;
        }
    }
}

/// Every cut that any separator finds at `x`, with random weights in place of
/// a tableau.
fn all_cuts(mip: &Mip, x: &[f64], rng: &mut ChaCha8Rng) -> Vec<Cut> {
    let mut budget = Budget::unlimited();
    let cliques = Cliques::of(mip, &mut budget);
    let bounds = VariableBounds::of(mip, &mut budget);
    let activity: Vec<f64> = (0..mip.rows()).map(|i| mip.activity(i, x)).collect();
    let duals = vec![0.0; mip.rows()];
    let frame = Frame::new(
        mip,
        Source {
            rows: &mip.by_row,
            row_lower: &mip.row_lower,
            row_upper: &mip.row_upper,
            duals: &duals,
            x,
            activity: &activity,
        },
        &mip.lower,
        &mip.upper,
        &bounds,
    );
    let mut scratch = Scratch::default();
    scratch.resize(frame.variables());
    let mut techniques = Techniques::none();
    for &technique in Technique::ALL {
        techniques = techniques.with(technique);
    }
    let mut pass = Pass {
        frame: &frame,
        scratch: &mut scratch,
        budget: &mut budget,
        techniques,
        limit: u64::MAX,
        is_local: false,
        found: Vec::new(),
    };
    clique::separate(&mut pass, &cliques);
    let products = Products::of(mip, &cliques, pass.budget);
    product::separate(&mut pass, &products);
    implied_bound::separate(&mut pass, &bounds);
    cmir::separate(&mut pass);
    zero_half::separate(&mut pass);
    let weights: Vec<Weights> = (0..3)
        .map(|_| {
            (0..mip.rows())
                .map(|i| (i, between(rng, -3, 3) / between(rng, 1, 4)))
                .collect()
        })
        .filter_map(gomory::tidy)
        .collect();
    gomory::separate(&mut pass, &weights);
    let mut weighted = Scratch::default();
    weighted.resize(frame.variables());
    for weights in &weights {
        for &(i, w) in weights {
            frame.add_row(i, w, &mut weighted);
        }
        let terms = weighted.take();
        pass.separate_base(&terms, Preference::Simple, Technique::Cmir);
    }
    pass.found
}

#[test]
fn no_feasible_point_is_cut_off() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut found = vec![0_u32; Technique::ALL.len()];
    for _ in 0..1_500 {
        let mip = random_mip(&mut rng);
        let points = points(&mip);
        if points.is_empty() {
            continue;
        }
        for _ in 0..3 {
            let x: Vec<f64> = (0..mip.columns())
                .map(|j| {
                    let share = below(&mut rng, 9) as f64 / 8.0;
                    mip.lower[j] + share * (mip.upper[j] - mip.lower[j])
                })
                .collect();
            for cut in all_cuts(&mip, &x, &mut rng) {
                found[cut.source as usize] += 1;
                assert!(cut.violation(&x) > 0.0);
                for point in &points {
                    assert!(
                        !cut.violates(point),
                        "{point:?} is cut off by {cut:?} of {mip:?}"
                    );
                }
            }
        }
    }
    for technique in [
        Technique::Gomory,
        Technique::Cmir,
        Technique::KnapsackCover,
        Technique::FlowCover,
        Technique::CliqueCuts,
        Technique::ZeroHalf,
        Technique::ImpliedBound,
    ] {
        let count = found[technique as usize];
        assert!(count > 20, "{}: {count}", technique.name());
    }
}

#[test]
fn rounding_gives_the_textbook_cut() {
    // 3 y <= 4 + t, y integer: divisor 3, f0 = 1/3: y - t / (3 * 2/3) <= 1.
    let mixed = Mixed {
        integers: vec![term(0, 3.0, 10.0, 4.0 / 3.0)],
        continuous: vec![term(1, -1.0, f64::INFINITY, 0.0)],
        rhs: 4.0,
    };
    let (valid, _) = mir::separate(&mixed, &mut Budget::unlimited()).unwrap();
    assert_eq!(valid.integers, [1.0]);
    assert!((valid.continuous[0] + 0.5).abs() < 1e-12);
    assert_eq!(valid.rhs, 1.0);
}

#[test]
fn covers_are_lifted_exactly() {
    // 5 a + 5 b + 5 c + 9 d <= 14: cover {a, b, c}, a + b + c <= 2. With d = 1
    // 5 is left: one of the others, so d lifts to 1.
    let weights = [5.0, 5.0, 5.0, 9.0];
    let values = [0.9, 0.9, 0.9, 0.05];
    let mixed = Mixed {
        integers: (0..4)
            .map(|k| term(k as u32, weights[k], 1.0, values[k]))
            .collect(),
        continuous: vec![],
        rhs: 14.0,
    };
    let (valid, _) = knapsack_cover::separate(&mixed, &mut Budget::unlimited()).unwrap();
    assert_eq!(valid.integers, [1.0, 1.0, 1.0, 1.0]);
    assert_eq!(valid.rhs, 2.0);
}

#[test]
fn a_flow_row_gives_the_flow_cover() {
    // y1 + y2 >= 8 from arcs y <= 6 z: 6 z1 + 6 z2 - t1 - t2 >= 8, measured
    // from variable bounds. Complemented: 6 (1 - z1) + 6 (1 - z2) + .. <= 4,
    // lambda = 2 with one item: min(6, 2) z' - s <= 0 and the other lifted by
    // phi(6) = 2: 2 z1' + 2 z2' <= s, or z1 + z2 >= 2 where t = 0.
    let mixed = Mixed {
        integers: vec![term(0, -6.0, 1.0, 2.0 / 3.0), term(1, -6.0, 1.0, 2.0 / 3.0)],
        continuous: vec![],
        rhs: -8.0,
    };
    let with_slack = Mixed {
        continuous: vec![term(2, -1.0, f64::INFINITY, 0.0)],
        ..mixed
    };
    let (valid, _) = flow_cover::separate(&with_slack, &mut Budget::unlimited()).unwrap();
    assert_eq!(valid.integers, [-2.0, -2.0]);
    assert_eq!(valid.continuous, [-1.0]);
    assert_eq!(valid.rhs, -4.0);
}

/// Binary columns, and rows `sum terms <= rhs`.
fn binaries(columns: usize, rows: &[(&[(u32, f64)], f64)]) -> Mip {
    let mut mip = Mip {
        cost: vec![0.0; columns],
        lower: vec![0.0; columns],
        upper: vec![1.0; columns],
        integer: vec![true; columns],
        ..Mip::default()
    };
    for &(terms, rhs) in rows {
        mip.push_row(terms.iter().copied(), f64::NEG_INFINITY, rhs);
    }
    mip.finish();
    mip
}

#[test]
fn products_of_cliques_are_cut() {
    // Two threads: 0, 1 of x and 2, 3 of y, one owner each; z_4 >= x_0 + y - 1,
    // z_5 >= x_1 + y - 1 with y = y_2 + y_3. At x = y = 1/2, z = 0 the cut is
    // x_0 + x_1 + y_2 + y_3 - z_4 - z_5 <= 1, violated by 1.
    let mip = binaries(
        6,
        &[
            (&[(0, 1.0), (1, 1.0)], 1.0),
            (&[(2, 1.0), (3, 1.0)], 1.0),
            (&[(0, 1.0), (2, 1.0), (3, 1.0), (4, -1.0)], 1.0),
            (&[(1, 1.0), (2, 1.0), (3, 1.0), (5, -1.0)], 1.0),
        ],
    );
    let x = [0.5, 0.5, 0.5, 0.5, 0.0, 0.0];
    let cuts = all_cuts(&mip, &x, &mut ChaCha8Rng::seed_from_u64(3));
    let expected: Vec<(u32, f64)> = (0..6)
        .map(|j| (j, if j < 4 { 1.0 } else { -1.0 }))
        .collect();
    assert!(cuts.iter().any(|cut| {
        cut.source == Technique::ProductCuts && cut.terms == expected && cut.rhs == 1.0
    }));
}

#[test]
fn a_literal_that_conflicts_joins_the_product() {
    // Owner 0 has one thread: x_0 + y_2 <= 1. So z_4 >= x_0 + y_3 - 1 holds
    // with y_2 beside y_3, the other literal of its clique.
    let mip = binaries(
        5,
        &[
            (&[(0, 1.0), (2, 1.0)], 1.0),
            (&[(1, 1.0), (2, 1.0), (3, 1.0)], 1.0),
            (&[(0, 1.0), (1, 1.0), (3, 1.0), (4, -1.0)], 1.0),
        ],
    );
    let x = [0.6, 0.0, 0.5, 0.4, 0.0];
    let cuts = all_cuts(&mip, &x, &mut ChaCha8Rng::seed_from_u64(3));
    let expected = [(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0), (4, -1.0)];
    assert!(cuts.iter().any(|cut| {
        cut.source == Technique::ProductCuts && cut.terms == expected && cut.rhs == 1.0
    }));
}

#[test]
fn products_keep_every_point() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut found = 0;
    for _ in 0..400 {
        // a: 0 to 2, B: 3 to 6, z: 7 to 10.
        let mut rows: Vec<(Vec<(u32, f64)>, f64)> = vec![
            ((0..3).map(|j| (j, 1.0)).collect(), 1.0),
            ((3..7).map(|j| (j, 1.0)).collect(), 1.0),
        ];
        for _ in 0..below(&mut rng, 3) {
            let (a, y) = (below(&mut rng, 3) as u32, 3 + below(&mut rng, 4) as u32);
            rows.push((vec![(a, 1.0), (y, 1.0)], 1.0));
        }
        for _ in 0..2 + below(&mut rng, 4) {
            let mut row = vec![(below(&mut rng, 3) as u32, 1.0)];
            row.extend((3..7).filter_map(|j| (below(&mut rng, 4) > 0).then_some((j, 1.0))));
            row.push((7 + below(&mut rng, 4) as u32, -between(&mut rng, 1, 2)));
            rows.push((row, 1.0));
        }
        let slices: Vec<(&[(u32, f64)], f64)> = rows
            .iter()
            .map(|(row, rhs)| (row.as_slice(), *rhs))
            .collect();
        let mip = binaries(11, &slices);
        let points = points(&mip);
        for _ in 0..3 {
            let x: Vec<f64> = (0..11)
                .map(|j| below(&mut rng, if j < 7 { 9 } else { 3 }) as f64 / 8.0)
                .collect();
            for cut in all_cuts(&mip, &x, &mut rng) {
                found += u32::from(cut.source == Technique::ProductCuts);
                for point in &points {
                    assert!(!cut.violates(point), "{point:?}, {cut:?}, {mip:?}");
                }
            }
        }
    }
    assert!(found > 300, "{found}");
}
