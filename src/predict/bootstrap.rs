//! How far a small group's score may be off by chance.
//!
//! Rows of a trace hang together, so traces are drawn, not rows (the cluster bootstrap: Davison and
//! Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8): as many traces as
//! the group has, with replacement, [`DRAWS`] times; the interval is from the 2.5 % to the 97.5 %
//! quantile of the draws' scores. Draws come of a seed, so the same rows give the same interval.
//!
//! A handful of traces cannot be drawn so. Of fewer than [`LEAST_TRACES`] their days are drawn (the block
//! bootstrap: the same book, section 8.2.3, with blocks of a day, in which use repeats itself). Such an interval
//! says how other days of these traces may score, and nothing of other traces.

use serde::Serialize;

use super::evaluate::Tally;
use crate::splitmix::SplitMix64;

/// Draws of a group's traces.
const DRAWS: usize = 1_000;

/// Share of the draws on each side of the interval.
const TAIL: f64 = 0.025;

/// Traces below which days are drawn.
const LEAST_TRACES: usize = 5;

/// What was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Traces, whole.
    Traces,
    /// Days of traces.
    Days,
}

/// Where a group's true scores lie, nineteen times in twenty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Of what.
    pub drawn: Unit,
    /// Of the pinball loss.
    pub pinball: [f64; 2],
    /// Of the coverage.
    pub coverage: [f64; 2],
}

/// The interval of traces with these tallies, each of a trace's days; none with fewer than two days in all.
#[must_use]
pub fn interval(traces: &[Vec<Tally>], seed: u64) -> Option<Interval> {
    let whole = |days: &Vec<Tally>| {
        let mut trace = Tally::default();
        days.iter().for_each(|day| trace.join(day));
        trace
    };
    let (drawn, units): (Unit, Vec<Tally>) = if traces.len() < LEAST_TRACES {
        (Unit::Days, traces.concat())
    } else {
        (Unit::Traces, traces.iter().map(whole).collect())
    };
    if units.len() < 2 {
        return None;
    }
    let mut random = SplitMix64(seed);
    let (mut losses, mut coverages) = (Vec::new(), Vec::new());
    for _ in 0..DRAWS {
        let mut draw = Tally::default();
        for _ in &units {
            draw.join(&units[below(random.next(), units.len())]);
        }
        let score = draw.score();
        losses.push(score.pinball);
        coverages.push(score.coverage);
    }
    Some(Interval {
        drawn,
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
        let traces: Vec<Vec<Tally>> = (0..100).map(|i| vec![trace(10, i % 2 == 0)]).collect();
        let found = interval(&traces, 7).unwrap();
        assert_eq!(found.drawn, Unit::Traces);
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
    fn the_same_rows_in_fewer_traces_tell_less() {
        let width = |count: u32, rows: u32| {
            let traces: Vec<Vec<Tally>> =
                (0..count).map(|i| vec![trace(rows, i % 2 == 0)]).collect();
            let [low, high] = interval(&traces, 7).unwrap().coverage;
            high - low
        };
        assert!(width(10, 100) > 2.0 * width(100, 10));
    }

    #[test]
    fn of_few_traces_days_are_drawn() {
        // One trace of 100 days, every other one covered: as 100 traces of a day each.
        let days: Vec<Tally> = (0..100).map(|i| trace(10, i % 2 == 0)).collect();
        let each: Vec<Vec<Tally>> = days.iter().map(|day| vec![*day]).collect();
        let (one, many) = (interval(std::slice::from_ref(&days), 7), interval(&each, 7));
        let (one, many) = (one.unwrap(), many.unwrap());
        assert_eq!((one.drawn, many.drawn), (Unit::Days, Unit::Traces));
        assert_eq!((one.pinball, one.coverage), (many.pinball, many.coverage));
        // However its days are shared by a few traces.
        let halves: Vec<Vec<Tally>> = days.chunks(50).map(<[Tally]>::to_vec).collect();
        assert_eq!(interval(&halves, 7), Some(one));
        // A day tells nothing of others.
        assert_eq!(interval(&[vec![trace(1_000, true)]], 7), None);
    }
}
