//! How far a small group's score may be off by chance.
//!
//! Rows of a trace hang together, so traces are drawn, not rows (the cluster bootstrap: Davison and
//! Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8): as many traces as
//! the group has, with replacement, [`DRAWS`] times; the interval is from the 2.5 % to the 97.5 %
//! quantile of the draws' scores. Draws come of a seed, so the same rows give the same interval.

use serde::Serialize;

use super::evaluate::Tally;
use crate::splitmix::SplitMix64;

/// Draws of a group's traces.
const DRAWS: usize = 1_000;

/// Share of the draws on each side of the interval.
const TAIL: f64 = 0.025;

/// Where a group's true scores lie, nineteen times in twenty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Of the pinball loss.
    pub pinball: [f64; 2],
    /// Of the coverage.
    pub coverage: [f64; 2],
}

/// The interval of traces with these tallies; none with fewer than two traces.
#[must_use]
pub fn interval(traces: &[Tally], seed: u64) -> Option<Interval> {
    if traces.len() < 2 {
        return None;
    }
    let mut random = SplitMix64(seed);
    let (mut losses, mut coverages) = (Vec::new(), Vec::new());
    for _ in 0..DRAWS {
        let mut drawn = Tally::default();
        for _ in traces {
            drawn.join(&traces[below(random.next(), traces.len())]);
        }
        let score = drawn.score();
        losses.push(score.pinball);
        coverages.push(score.coverage);
    }
    Some(Interval {
        pinball: middle(losses),
        coverage: middle(coverages),
    })
}

/// An index below `count` from 64 random bits.
fn below(bits: u64, count: usize) -> usize {
    let scaled = (u128::from(bits) * count as u128) >> 64;
    usize::try_from(scaled).unwrap_or(0)
}

/// Without the tails.
fn middle(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_unstable_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a small count"
    )]
    let cut = (TAIL * values.len() as f64) as usize;
    [values[cut], values[values.len() - 1 - cut]]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `rows` rows all are predicted 1 too high, or none.
    fn trace(rows: u32, covered: bool) -> Tally {
        let mut tally = Tally::default();
        for _ in 0..rows {
            tally.add(1.0, if covered { 2.0 } else { 0.0 }, 0.95);
        }
        tally
    }

    #[test]
    fn the_interval_is_that_of_drawn_traces() {
        // 50 of 100 equal traces covered: the share of a draw is binomial, with deviation 0.05;
        // 95 % of the draws lie within 0.098, to two standard errors of the draws.
        let traces: Vec<Tally> = (0..100).map(|i| trace(10, i % 2 == 0)).collect();
        let found = interval(&traces, 7).unwrap();
        for (end, expected) in found.coverage.iter().zip([0.402, 0.598]) {
            assert!((end - expected).abs() < 0.02, "{found:?}");
        }
        // A miss costs 0.95, a hit 0.05.
        let loss = |coverage: f64| 0.95 - 0.9 * coverage;
        let [low, high] = found.coverage;
        assert!((found.pinball[0] - loss(high)).abs() < 1e-9, "{found:?}");
        assert!((found.pinball[1] - loss(low)).abs() < 1e-9, "{found:?}");
        assert_eq!(interval(&traces, 7), Some(found));
        assert_ne!(interval(&traces, 8), Some(found));
    }

    #[test]
    fn rows_of_one_trace_tell_nothing_of_others() {
        assert_eq!(interval(&[trace(1_000, true)], 7), None);
        // The same rows in fewer traces: a wider interval.
        let width = |count: u32, rows: u32| {
            let traces: Vec<Tally> = (0..count).map(|i| trace(rows, i % 2 == 0)).collect();
            let [low, high] = interval(&traces, 7).unwrap().coverage;
            high - low
        };
        assert!(width(10, 100) > 2.0 * width(100, 10));
    }
}
