use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::mip::Mip;
use crate::sparse::{Index, Matrix};
use crate::work::Budget;

use super::{Ending, Listener, Progress, SearchParams, search};

/// Keeps the best point that is feasible; checks what is told on the way.
pub(super) struct Keeper<'a> {
    pub(super) mip: &'a Mip,
    pub(super) best: Option<f64>,
    pub(super) bound: f64,
}

impl Listener for Keeper<'_> {
    fn offer(&mut self, x: &[f64], _: &'static str) -> Option<f64> {
        if !self.mip.is_feasible(x) {
            return None;
        }
        let objective = self.mip.objective(x);
        self.best = Some(self.best.map_or(objective, |best| best.min(objective)));
        Some(objective)
    }

    fn step(&mut self, progress: &Progress) -> bool {
        assert!(progress.bound >= self.bound, "the bound fell");
        self.bound = progress.bound;
        true
    }
}

/// A problem of a few integer columns with small domains.
fn random_mip(random: &mut ChaCha8Rng) -> Mip {
    let mut below = |n: u32| random.next_u32() % n;
    let mut mip = Mip {
        by_row: Matrix::default(),
        ..Mip::default()
    };
    let columns = 2 + below(5);
    for _ in 0..columns {
        let low = f64::from(below(4)) - 2.0;
        mip.cost.push(f64::from(below(11)) - 5.0);
        mip.lower.push(low);
        mip.upper.push(low + f64::from(1 + below(3)));
        mip.integer.push(true);
    }
    for _ in 0..1 + below(4) {
        let terms: Vec<(Index, f64)> = (0..columns)
            .filter_map(|j| {
                let a = f64::from(below(13)) - 6.0;
                (a != 0.0 && below(4) > 0).then_some((j, a))
            })
            .collect();
        let side = f64::from(below(15)) - 6.0;
        let (lower, upper) = match below(4) {
            0 => (side, side),
            1 => (side, f64::INFINITY),
            2 => (side, side + f64::from(below(5))),
            _ => (f64::NEG_INFINITY, side),
        };
        mip.push_row(terms, lower, upper);
    }
    mip.finish();
    mip
}

/// The optimum by trying every point.
fn enumerate(mip: &Mip) -> Option<(f64, Vec<f64>)> {
    let mut best: Option<(f64, Vec<f64>)> = None;
    let mut x = mip.lower.clone();
    loop {
        if mip.is_feasible(&x) {
            let value = mip.objective(&x);
            if best.as_ref().is_none_or(|(least, _)| value < *least) {
                best = Some((value, x.clone()));
            }
        }
        let Some(j) = (0..x.len()).find(|&j| x[j] < mip.upper[j]) else {
            return best;
        };
        x[j] += 1.0;
        x[..j].copy_from_slice(&mip.lower[..j]);
    }
}

#[test]
fn small_problems_match_enumeration() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let (mut feasible, mut infeasible) = (0, 0);
    for case in 0..1000 {
        let mip = random_mip(&mut random);
        let expected = enumerate(&mip);
        let mut keeper = Keeper {
            mip: &mip,
            best: None,
            bound: f64::NEG_INFINITY,
        };
        let params = SearchParams {
            ..SearchParams::default()
        };
        let end = search(&mip, &params, &mut Budget::unlimited(), &mut keeper);
        match expected {
            Some((value, _)) => {
                feasible += 1;
                assert_eq!(end.ending, Ending::Exhausted, "case {case}");
                let best = keeper.best.unwrap_or(f64::NAN);
                assert!((best - value).abs() < 1e-6, "case {case}: {best} {value}");
                assert!((end.progress.bound - value).abs() < 1e-6, "case {case}");
                assert_eq!(end.unresolved, 0);
            }
            None => {
                infeasible += 1;
                assert!(
                    matches!(end.ending, Ending::Infeasible | Ending::Exhausted),
                    "case {case}: {:?}",
                    end.ending
                );
                assert_eq!((end.best, end.unresolved), (None, 0), "case {case}");
            }
        }
    }
    assert!(feasible > 300 && infeasible > 100);
}
