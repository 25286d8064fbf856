use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::mip::Mip;
use crate::sparse::{Index, Matrix, index};
use crate::technique::{Technique, Techniques};
use crate::work::Budget;

use super::{Ending, Listener, Progress, SearchEnd, SearchParams, search};

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

/// The problems beside each other, no row linking them, their columns in turn.
fn beside(parts: &[Mip]) -> Mip {
    let mut whole = Mip::default();
    let mut places = vec![Vec::new(); parts.len()];
    let longest = parts.iter().map(Mip::columns).max().unwrap_or(0);
    for j in 0..longest {
        for (part, places) in parts.iter().zip(&mut places) {
            if j < part.columns() {
                places.push(index(whole.columns()));
                whole.cost.push(part.cost[j]);
                whole.lower.push(part.lower[j]);
                whole.upper.push(part.upper[j]);
                whole.integer.push(part.integer[j]);
            }
        }
    }
    for (part, places) in parts.iter().zip(&places) {
        for i in 0..part.rows() {
            let terms = part.by_row.iter(i).map(|(j, a)| (places[j], a));
            whole.push_row(terms, part.row_lower[i], part.row_upper[i]);
        }
    }
    whole.finish();
    whole
}

/// Components alone: what the search of `mip` comes to, and of how many parts.
fn by_parts(mip: &Mip, cutoff: f64) -> (SearchEnd, Option<f64>, u64) {
    let mut keeper = Keeper {
        mip,
        best: None,
        bound: f64::NEG_INFINITY,
    };
    let params = SearchParams {
        techniques: Techniques::none().with(Technique::Components),
        cutoff,
        ..SearchParams::default()
    };
    let end = search(mip, &params, &mut Budget::unlimited(), &mut keeper);
    let applied = end.progress.tally.applied();
    let split = applied
        .iter()
        .find(|entry| entry.technique == Technique::Components);
    (end, keeper.best, split.map_or(0, |entry| entry.used))
}

#[test]
fn parts_add_up_to_the_whole() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let (mut feasible, mut infeasible, mut pieces) = (0, 0, 0);
    for case in 0..400 {
        // Every fourth may have parts without a point.
        let mut part = || loop {
            let part = random_mip(&mut random);
            if case % 4 == 0 || enumerate(&part).is_some() {
                return part;
            }
        };
        let parts: Vec<Mip> = (0..2 + case % 3).map(|_| part()).collect();
        let whole = beside(&parts);
        let expected: Option<f64> = parts.iter().map(|part| Some(enumerate(part)?.0)).sum();
        let (end, best, split) = by_parts(&whole, f64::INFINITY);
        pieces += split;
        let Some(value) = expected else {
            infeasible += 1;
            assert_eq!(
                (end.ending, best),
                (Ending::Infeasible, None),
                "case {case}"
            );
            continue;
        };
        feasible += 1;
        assert_eq!(end.ending, Ending::Exhausted, "case {case}");
        assert!((best.unwrap() - value).abs() < 1e-6, "case {case}");
        assert!((end.progress.bound - value).abs() < 1e-6, "case {case}");
        // A cutoff is for the whole: a part may use up what others leave.
        let (end, best, _) = by_parts(&whole, value + 0.5);
        assert_eq!(end.ending, Ending::Exhausted, "case {case}");
        assert!((best.unwrap() - value).abs() < 1e-6, "case {case}");
        assert!(end.progress.bound < value + 1e-6, "case {case}");
    }
    assert!(
        feasible >= 300 && infeasible > 50,
        "{feasible} {infeasible}"
    );
    assert!(pieces > 2 * 400, "{pieces}");
}

/// z_1 = 10^9 sqrt(2) and z_2 = -10^9 sqrt(2) + 1/4 cancel: their round-off is
/// a gap of the whole, which is then searched again as one.
#[test]
fn a_sum_that_cancels_is_searched_as_a_whole() {
    let large = 1e9 * std::f64::consts::SQRT_2;
    let mut mip = Mip {
        cost: vec![large, 0.5, -large, 0.25, 1.5],
        lower: vec![0.0; 5],
        upper: vec![3.0; 5],
        integer: vec![true, false, true, false, true],
        ..Mip::default()
    };
    // x0 + x1 >= 1/2 holds x0 at 1 as x1 <= 1/3 x0; x2 - x4 <= 0, x2 <= 1,
    // x3 >= x2 with x4 at least x2 / 2.
    mip.push_row([(0, 1.0), (1, 1.0)], 0.5, f64::INFINITY);
    mip.push_row([(0, 1.0), (1, -3.0)], 0.0, f64::INFINITY);
    mip.push_row([(2, 1.0), (3, -1.0)], f64::NEG_INFINITY, 0.0);
    mip.push_row([(2, 1.0), (4, -2.0)], f64::NEG_INFINITY, 0.0);
    mip.push_row([(2, 1.0), (4, 1.0)], f64::NEG_INFINITY, 2.0);
    mip.finish();
    // x0 = 1, x1 = 0; x2 = 1, x3 = 1, x4 = 1: 0.25 + 1.5.
    let (end, best, split) = by_parts(&mip, f64::INFINITY);
    assert_eq!((end.ending, split), (Ending::Exhausted, 2));
    assert!((best.unwrap() - 1.75).abs() < 1e-5, "{best:?}");
    let bound = end.progress.bound;
    // What is proved of single terms of 10^9 is good to 10^-13 of these.
    assert!((bound - 1.75).abs() < 1e-3, "{bound}");
}
