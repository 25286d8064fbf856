//! Heuristics on small models: by hand, and against enumeration.
#![allow(
    clippy::type_complexity,
    clippy::float_cmp,
    reason = "test code: rows as literals, exact small numbers"
)]

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::lp::{LpLimits, LpStatus};
use crate::sparse::{Index, Matrix};

/// A problem with columns `(cost, lower, upper, integer)` and rows
/// `(terms, lower, upper)`.
fn mip(columns: &[(f64, f64, f64, bool)], rows: &[(Vec<(Index, f64)>, f64, f64)]) -> Arc<Mip> {
    let mut mip = Mip {
        offset: 0.0,
        cost: columns.iter().map(|c| c.0).collect(),
        lower: columns.iter().map(|c| c.1).collect(),
        upper: columns.iter().map(|c| c.2).collect(),
        integer: columns.iter().map(|c| c.3).collect(),
        row_lower: Vec::new(),
        row_upper: Vec::new(),
        by_row: Matrix::default(),
        by_column: Matrix::default(),
    };
    for (terms, lower, upper) in rows {
        mip.push_row(terms.iter().copied(), *lower, *upper);
    }
    mip.finish();
    Arc::new(mip)
}

/// What a heuristic makes of the root of `mip`; sub-MIPs are enumerated.
fn root(
    mip: &Arc<Mip>,
    incumbent: Option<&[f64]>,
    technique: Technique,
) -> Option<Option<Vec<f64>>> {
    let mut enumerate = |part: &Mip, limits: SubLimits, _: &mut Budget| best(part, limits.cutoff);
    let earlier: Vec<Vec<f64>> = incumbent.iter().map(|x| x.to_vec()).collect();
    root_with(mip, incumbent, &earlier, technique, &mut enumerate)
}

/// The same with earlier incumbents and another way to solve sub-MIPs; checks
/// that the heuristic leaves all as it was and keeps its promise.
fn root_with<'a>(
    mip: &'a Arc<Mip>,
    incumbent: Option<&'a [f64]>,
    earlier: &'a [Vec<f64>],
    technique: Technique,
    sub_mip: &'a mut SubMip<'a>,
) -> Option<Option<Vec<f64>>> {
    let mut budget = Budget::unlimited();
    let (mut domain, mut lp) = (
        Domain::new(Arc::clone(mip)),
        Lp::new(mip, &mut Budget::unlimited()),
    );
    if !domain.propagate(&mut budget) {
        return None;
    }
    domain.drain_changed(|j, l, u| lp.set_col_bounds(j, l, u));
    if lp.solve(&LpLimits::default(), &mut budget) != LpStatus::Optimal {
        return None;
    }
    let before = (
        lp.x().to_vec(),
        lp.basis(),
        lp.col_lower().to_vec(),
        lp.col_upper().to_vec(),
        domain.lower().to_vec(),
        domain.upper().to_vec(),
    );
    let incumbent = incumbent.map(|x| (x, mip.objective(x)));
    let cutoff = incumbent.map_or(f64::INFINITY, |(_, z)| z);
    let pseudocosts = Pseudocosts::new(mip.columns());
    let mut context = Context {
        mip,
        domain: &mut domain,
        lp: &mut lp,
        incumbent,
        earlier,
        cutoff,
        pseudocosts: &pseudocosts,
        seed: 1,
        sub_mip,
    };
    let point = run(technique, &mut context, u64::MAX, &mut budget);
    if let Some(point) = &point {
        assert!(mip.is_feasible(point), "{technique:?}: {point:?}");
        assert!(mip.objective(point) < cutoff);
    }
    let after = (
        lp.x().to_vec(),
        lp.basis(),
        lp.col_lower().to_vec(),
        lp.col_upper().to_vec(),
        domain.lower().to_vec(),
        domain.upper().to_vec(),
    );
    assert_eq!(before, after, "{technique:?}");
    assert_eq!(domain.level(), 0);
    Some(point)
}

/// The best integer point below `cutoff`, by enumeration; continuous columns
/// only at their bounds.
fn best(mip: &Mip, cutoff: f64) -> Option<Vec<f64>> {
    let mut x = mip.lower.clone();
    let mut best: Option<(f64, Vec<f64>)> = None;
    loop {
        let z = mip.objective(&x);
        if z < cutoff && mip.is_feasible(&x) && best.as_ref().is_none_or(|(b, _)| z < *b) {
            best = Some((z, x.clone()));
        }
        let Some(j) = (0..x.len()).find(|&j| x[j] + 1.0 <= mip.upper[j]) else {
            return best.map(|(_, x)| x);
        };
        x[j] += 1.0;
        x[..j].copy_from_slice(&mip.lower[..j]);
    }
}

const DIVES: [Technique; 3] = [
    Technique::FractionalDive,
    Technique::CoefficientDive,
    Technique::PseudocostDive,
];

/// max 5a + 4b + 3c with 2a + 3b + c <= 5, 4a + b + 2c <= 11, 3a + 4b + 2c <= 8,
/// integers in 0..4. The relaxation is a = 2, b = 0, c = 1: integral.
#[test]
fn an_integral_relaxation_is_taken() {
    let int = |cost| (cost, 0.0, 4.0, true);
    let mip = mip(
        &[int(-5.0), int(-4.0), int(-3.0)],
        &[
            (vec![(0, 2.0), (1, 3.0), (2, 1.0)], f64::NEG_INFINITY, 5.0),
            (vec![(0, 4.0), (1, 1.0), (2, 2.0)], f64::NEG_INFINITY, 11.0),
            (vec![(0, 3.0), (1, 4.0), (2, 2.0)], f64::NEG_INFINITY, 8.0),
        ],
    );
    for technique in DIVES {
        let point = root(&mip, None, technique).flatten().unwrap();
        assert!((mip.objective(&point) + 13.0).abs() < 1e-9);
    }
}

/// A knapsack has no lock downwards: x = (1, 1, 1/2) is rounded to (1, 1, 0).
#[test]
fn locks_round_a_knapsack_down() {
    let mip = mip(
        &[
            (-4.0, 0.0, 1.0, true),
            (-3.0, 0.0, 1.0, true),
            (-1.0, 0.0, 1.0, true),
        ],
        &[(vec![(0, 2.0), (1, 2.0), (2, 2.0)], f64::NEG_INFINITY, 5.0)],
    );
    let point = root(&mip, None, Technique::Rounding).flatten().unwrap();
    assert_eq!(point, [1.0, 1.0, 0.0]);
}

/// Covering with an equation: a + b + c = 2, 2a + 2b >= 3 has (1, 1, 0) alone.
/// The relaxation has a = 1, b = 1/2 or the like; both directions are locked.
#[test]
fn shifting_and_dives_repair_rows() {
    let mip = mip(
        &[
            (1.0, 0.0, 1.0, true),
            (2.0, 0.0, 1.0, true),
            (-1.0, 0.0, 1.0, true),
        ],
        &[
            (vec![(0, 1.0), (1, 1.0), (2, 1.0)], 2.0, 2.0),
            (vec![(0, 2.0), (1, 2.0)], 3.0, f64::INFINITY),
        ],
    );
    for technique in [
        Technique::Rounding,
        Technique::FractionalDive,
        Technique::CoefficientDive,
    ] {
        if let Some(point) = root(&mip, None, technique) {
            assert_eq!(point, Some(vec![1.0, 1.0, 0.0]), "{technique:?}");
        }
    }
}

/// From a = b = 0 with max 3a + b, a + b <= 4, a in 0..3: a moves to 3, b to 1.
#[test]
fn one_opt_moves_the_best_first() {
    let mip = mip(
        &[(-3.0, 0.0, 3.0, true), (-1.0, 0.0, 9.0, true)],
        &[(vec![(0, 1.0), (1, 1.0)], f64::NEG_INFINITY, 4.0)],
    );
    let mut x = vec![0.0, 0.0];
    assert!(one_opt::improve(&mip, &mut x, &mut Budget::unlimited()));
    assert_eq!(x, [3.0, 1.0]);
    assert!(!one_opt::improve(&mip, &mut x, &mut Budget::unlimited()));
}

/// min y with y >= x - 2.5, y >= 2.5 - x, x integer in 0..10: any x is feasible,
/// the LP then gives y = |x - 2.5|, so y - |x - 2.5| = 0 at the answer.
#[test]
fn the_jump_completes_by_the_relaxation() {
    let mip = mip(
        &[(0.0, 0.0, 10.0, true), (1.0, 0.0, f64::INFINITY, false)],
        &[
            (vec![(0, 1.0), (1, -1.0)], f64::NEG_INFINITY, 2.5),
            (vec![(0, 1.0), (1, 1.0)], 2.5, f64::INFINITY),
        ],
    );
    let point =
        feasibility_jump(&mip, f64::INFINITY, 0, u64::MAX, &mut Budget::unlimited()).unwrap();
    assert!(
        (point[1] - (point[0] - 2.5).abs()).abs() < 1e-7,
        "{point:?}"
    );
}

/// 2x = 3 has no integer: the search must give up.
#[test]
fn the_jump_gives_up() {
    let mip = mip(&[(1.0, 0.0, 10.0, true)], &[(vec![(0, 2.0)], 3.0, 3.0)]);
    let point = feasibility_jump(&mip, f64::INFINITY, 0, 1_000_000, &mut Budget::unlimited());
    assert_eq!(point, None);
}

/// Incumbent (1, 1, 0, 0) and an earlier (1, 0, 1, 0) share x0 = 1 and x3 = 0;
/// the best with both is (1, 1, 1, 0), although x3 = 1 would be better still.
#[test]
fn crossover_keeps_what_two_points_share() {
    let binary = |cost| (cost, 0.0, 1.0, true);
    let mip = mip(
        &[binary(-4.0), binary(-3.0), binary(-3.0), binary(-1.0)],
        &[((0..4).map(|j| (j, 1.0)).collect(), f64::NEG_INFINITY, 4.0)],
    );
    let incumbent = [1.0, 1.0, 0.0, 0.0];
    let earlier = [vec![1.0, 0.0, 1.0, 0.0]];
    let mut enumerate = |part: &Mip, limits: SubLimits, _: &mut Budget| best(part, limits.cutoff);
    let point = root_with(
        &mip,
        Some(&incumbent),
        &earlier,
        Technique::Crossover,
        &mut enumerate,
    );
    assert_eq!(point, Some(Some(vec![1.0, 1.0, 1.0, 0.0])));
    // One point alone has nobody to cross with.
    let mut unused = |_: &Mip, _: SubLimits, _: &mut Budget| unreachable!();
    let point = root_with(
        &mip,
        Some(&incumbent),
        &[],
        Technique::Crossover,
        &mut unused,
    );
    assert_eq!(point, Some(None));
}

/// Of 40 binaries the incumbent has every fourth at 1: the sub-MIP's points are
/// those with at most ten flips of either kind, all else being as it was.
#[test]
fn local_branching_allows_ten_flips() {
    let columns: Vec<_> = (0..40).map(|_| (-1.0, 0.0, 1.0, true)).collect();
    let all = (0..40).map(|j| (j, 1.0)).collect();
    let mip = mip(&columns, &[(all, f64::NEG_INFINITY, 40.0)]);
    let incumbent: Vec<f64> = (0..40).map(|j| f64::from(u8::from(j % 4 == 0))).collect();
    let flipped = |from: usize, flips: usize| -> Vec<f64> {
        let is_in = |j: usize| (from..from + flips).contains(&j);
        let flip = |(j, &x): (usize, &f64)| if is_in(j) { 1.0 - x } else { x };
        incumbent.iter().enumerate().map(flip).collect()
    };
    // Ten flips up: what is at 1 stays, 10 more make 20.
    let best: Vec<f64> = incumbent
        .iter()
        .enumerate()
        .map(|(j, &x)| if j % 4 == 1 { 1.0 } else { x })
        .collect();
    let mut sub_mip = |part: &Mip, _: SubLimits, _: &mut Budget| {
        for from in 0..30 {
            assert!(part.is_feasible(&flipped(from, 10)), "{from}");
            assert!(
                from == 29 || !part.is_feasible(&flipped(from, 11)),
                "{from}"
            );
        }
        assert_eq!((part.rows(), part.columns()), (2, 40));
        assert_eq!((&part.lower, &part.upper), (&mip.lower, &mip.upper));
        Some(best.clone())
    };
    let point = root_with(
        &mip,
        Some(&incumbent),
        &[],
        Technique::LocalBranching,
        &mut sub_mip,
    );
    assert_eq!(point, Some(Some(best.clone())));
}

/// Small random problems with a feasible point in them.
fn problems() -> impl Strategy<Value = (Arc<Mip>, Vec<f64>)> {
    let column = (-5_i32..=5, 0_u32..=3, any::<bool>(), 0_u32..=3);
    let rows = prop::collection::vec(prop::collection::vec(-3_i32..=3, 6), 1..5);
    (prop::collection::vec(column, 6), rows, 0_u32..=2).prop_map(|(columns, rows, room)| {
        let x: Vec<f64> = columns.iter().map(|c| f64::from(c.3.min(c.1))).collect();
        let columns: Vec<_> = columns
            .iter()
            .map(|c| (f64::from(c.0), 0.0, f64::from(c.1), c.2))
            .collect();
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                let terms: Vec<(Index, f64)> = (0..)
                    .zip(row)
                    .filter(|&(_, &a)| a != 0)
                    .map(|(j, &a)| (j, f64::from(a)))
                    .collect();
                let value: f64 = terms.iter().map(|&(j, a)| a * x[j as usize]).sum();
                (terms, value - f64::from(room), value + f64::from(room))
            })
            .collect();
        (mip(&columns, &rows), x)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// `root` checks feasibility, cutoff and that all is left as it was.
    #[test]
    fn points_are_feasible((mip, x) in problems()) {
        for technique in [
            Technique::Rounding,
            Technique::FeasibilityPump,
            Technique::FractionalDive,
            Technique::CoefficientDive,
            Technique::PseudocostDive,
            Technique::GuidedDive,
            Technique::OneOpt,
            Technique::Rins,
            Technique::Rens,
            Technique::Crossover,
            Technique::LocalBranching,
        ] {
            for incumbent in [None, Some(&x[..])] {
                root(&mip, incumbent, technique);
            }
        }
        let mut budget = Budget::unlimited();
        if let Some(point) = feasibility_jump(&mip, f64::INFINITY, 3, 500_000, &mut budget) {
            prop_assert!(mip.is_feasible(&point));
        }
    }

    /// The same seed, the same point.
    #[test]
    fn the_jump_repeats((mip, _) in problems(), seed in 0_u64..4) {
        let jump = || feasibility_jump(&mip, f64::INFINITY, seed, 200_000, &mut Budget::unlimited());
        prop_assert_eq!(jump(), jump());
    }
}
