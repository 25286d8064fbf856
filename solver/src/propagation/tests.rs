#![allow(
    clippy::type_complexity,
    clippy::float_cmp,
    reason = "test code: rows as literals, exact small numbers"
)]

use std::sync::Arc;

use super::Domain;
use crate::mip::Mip;
use crate::sparse::{Index, Matrix};
use crate::work::Budget;

/// Columns (cost, lower, upper, integer), rows (terms, lower, upper).
pub(crate) fn mip(
    columns: &[(f64, f64, f64, bool)],
    rows: &[(&[(Index, f64)], f64, f64)],
) -> Arc<Mip> {
    let mut mip = Mip {
        by_row: Matrix::default(),
        ..Mip::default()
    };
    for &(cost, lower, upper, integer) in columns {
        mip.cost.push(cost);
        mip.lower.push(lower);
        mip.upper.push(upper);
        mip.integer.push(integer);
    }
    for &(terms, lower, upper) in rows {
        mip.push_row(terms.iter().copied(), lower, upper);
    }
    mip.finish();
    Arc::new(mip)
}

const INF: f64 = f64::INFINITY;

#[test]
fn a_row_tightens_rounds_and_is_undone() {
    // 3x + 2y <= 7.5, x, y in 0..10: x <= 2, y <= 3; with x = 2: y <= 0.
    let mip = mip(
        &[(0.0, 0.0, 10.0, true), (0.0, 0.0, 10.0, true)],
        &[(&[(0, 3.0), (1, 2.0)], -INF, 7.5)],
    );
    let mut domain = Domain::new(mip);
    let mut budget = Budget::unlimited();
    assert!(domain.propagate(&mut budget));
    assert_eq!(domain.upper(), &[2.0, 3.0]);
    domain.push_level();
    assert!(domain.tighten_lower(0, 1.5));
    assert!(domain.propagate(&mut budget));
    assert_eq!(domain.lower(), &[2.0, 0.0]);
    assert_eq!(domain.upper(), &[2.0, 0.0]);
    domain.push_level();
    assert!(!domain.fix(1, 1.0));
    assert!(domain.is_infeasible());
    domain.pop_to(0);
    assert_eq!(domain.upper(), &[2.0, 3.0]);
    assert_eq!(domain.lower(), &[0.0, 0.0]);
    assert!(!domain.is_infeasible());
}

#[test]
fn infinite_terms_leave_one_column_to_tighten() {
    // x - y <= -2 with x >= 0, y free below: y >= 2, then y + z = 3, z <= 1.
    let mip = mip(
        &[
            (0.0, 0.0, INF, false),
            (0.0, -INF, INF, false),
            (0.0, -INF, INF, true),
        ],
        &[
            (&[(0, 1.0), (1, -1.0)], -INF, -2.0),
            (&[(1, 1.0), (2, 1.0)], 3.0, 3.0),
        ],
    );
    let mut domain = Domain::new(mip);
    assert!(domain.propagate(&mut Budget::unlimited()));
    assert!((domain.lower()[1] - 2.0).abs() < 1e-9);
    assert_eq!(domain.upper()[2], 1.0);
    assert_eq!(domain.lower()[2], -INF);
}

#[test]
fn the_cutoff_propagates_like_a_row() {
    // min 2x + 3y, x + y >= 2; cutoff 5: x <= 2, y <= 1, so x >= 1.
    let mip = mip(
        &[(2.0, 0.0, 9.0, true), (3.0, 0.0, 9.0, true)],
        &[(&[(0, 1.0), (1, 1.0)], 2.0, INF)],
    );
    let mut domain = Domain::new(mip);
    let mut budget = Budget::unlimited();
    domain.set_cutoff(5.0);
    assert!(domain.propagate(&mut budget));
    assert_eq!(domain.upper(), &[2.0, 1.0]);
    assert_eq!(domain.lower(), &[1.0, 0.0]);
    domain.set_cutoff(3.0);
    assert!(!domain.propagate(&mut budget));
}

#[test]
fn incremental_activities_match_fresh_ones() {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut below = |n: u32| random.next_u32() % n;
    for _ in 0..50 {
        let columns: Vec<_> = (0..8)
            .map(|_| {
                let low = -f64::from(below(4));
                (
                    f64::from(below(5)) - 2.0,
                    low,
                    low + f64::from(below(6)),
                    below(3) > 0,
                )
            })
            .collect();
        let rows: Vec<Vec<(Index, f64)>> = (0..5)
            .map(|_| {
                (0..8)
                    .filter_map(|j| {
                        let a = f64::from(below(9)) - 4.0;
                        (a != 0.0).then_some((j, a))
                    })
                    .collect()
            })
            .collect();
        let rows: Vec<_> = rows
            .iter()
            .map(|terms| (terms.as_slice(), -f64::from(below(9)), f64::from(below(9))))
            .collect();
        let mut domain = Domain::new(mip(&columns, &rows));
        let mut budget = Budget::unlimited();
        domain.propagate(&mut budget);
        for _ in 0..20 {
            if below(3) == 0 || domain.is_infeasible() {
                domain.pop_level();
            } else {
                domain.push_level();
                let j = below(8) as usize;
                let middle = ((domain.lower()[j] + domain.upper()[j]) / 2.0).floor();
                if below(2) == 0 {
                    domain.tighten_upper(j, middle);
                } else {
                    domain.tighten_lower(j, middle + 1.0);
                }
                domain.propagate(&mut budget);
            }
            for i in 0..=5 {
                let fresh = domain.activity_from_scratch(i).0;
                let kept = domain.activity[i];
                assert!((fresh.min - kept.min).abs() < 1e-9);
                assert!((fresh.max - kept.max).abs() < 1e-9);
            }
        }
    }
}
