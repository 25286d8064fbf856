//! Calibration of one container while it runs, and how a model fares on a host.
//!
//! **Problem.** A model that covers 95 % of all moments of its training may
//! cover 80 % of one container's. Nobody labels a live host, but ten minutes
//! after each prediction its outcome is known.
//!
//! **Offset.** Adaptive conformal inference (Gibbs and Candes, "Adaptive Conformal
//! Inference Under Distribution Shift", NeurIPS 2021) on the scale of the
//! container, as in conformal PID control (Angelopoulos, Candes, Tibshirani 2023,
//! its quantile tracker). With a = 1 - aim, y the outcome, s the distance of the
//! trees' P95 from their median, at least 0.5 % of the request (without a median the
//! largest use of the hour before the prediction):
//!
//! ```text
//! p        = trees + o s
//! o       <- o + g d ([y > p] - a)        held in [-1, 10]
//! d        = min(1, time since the last outcome / 10 min)
//! ```
//!
//! so that outcomes that overlap do not count several times. In units of that
//! distance a miss moves the prediction where the trees are unsure and hardly
//! where they are not: in the largest use of the hour the same coverage costs 1 % more
//! loss. Whatever the model says, the share of misses over N independent outcomes
//! differs from a by at most 11 / (g N) while the offset is not held.
//!
//! p is not clamped here: what a container uses beyond its request is no fault of the
//! trees that said so. The prediction itself ends at the limit, such outcomes
//! stay uncovered, and the others must make up for them: g and the aim, which is above the wanted coverage for
//! that, are fitted in training (`pace`).
//!
//! **Outcomes** are complete ones alone: samples of at most five minutes whose
//! middles lie in the ten minutes, and that together cover them to a tenth.
//! A gap gives no outcome, so a stopped timer changes nothing.
//!
//! **Replacement.** A container of the same name that comes after one is gone
//! inherits half of its offset: it is probably the same program, perhaps not.
//!
//! **Judgement.** Over all containers of a host, the pinball losses (at 0.95, in
//! shares of the request) of the calibrated trees and of the largest use of the
//! last hour, each outcome weighing half after a day. The trees are shadowed
//! while they are refused, so that they can come back.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::grow::pinball;

/// What is predicted is the P95 of this long, milliseconds.
const AHEAD_MS: u64 = 600_000;

/// Longest sample that tells of a peak, milliseconds.
const LONGEST_MS: u64 = 300_000;

/// How long after a prediction its outcome is known, milliseconds: the last sample
/// may end half its length after the ten minutes.
pub const WAIT_MS: u64 = AHEAD_MS + LONGEST_MS / 2;

/// Time between two predictions whose outcome is waited for, milliseconds.
const SPACING_MS: u64 = 60_000;

/// Share of the ten minutes by which samples may miss or exceed them.
const SLACK: f64 = 0.1;

/// Bounds of the offset, scales. Taking one away leaves the median; ten more is a
/// model that knows nothing of this container.
const OFFSETS: (f64, f64) = (-1.0, 10.0);

/// Least scale of an offset, percent of the request: idle containers have none of their own.
const LEAST_SCALE: f64 = 0.5;

/// Share of a predecessor's offset that a replacement starts with.
const INHERITED: f64 = 0.5;

/// Half-life of an outcome's weight in the judgement and in the measured
/// coverage, seconds.
const HALF_LIFE_S: f64 = 86_400.0;

/// Weight of outcomes below which nothing is judged: ten containers' three hours.
const LEAST_OUTCOMES: f64 = 180.0;

/// The quantile that losses are measured at.
pub const QUANTILE: f64 = 0.95;

/// The mean use over an interval, by the uptime clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// End of the interval, milliseconds since boot.
    pub end_ms: u64,
    /// Its length, milliseconds.
    pub length_ms: u64,
    /// Use, CPUs.
    pub cpus: f64,
}

/// A prediction whose outcome is not known yet. Use in CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Pending {
    made_ms: u64,
    trees: f64,
    scale: f64,
    hour_max: f64,
}

/// A prediction and what came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// What the trees said with the offset of then, CPUs.
    pub trees: f64,
    /// Largest use of the hour before, CPUs.
    pub hour_max: f64,
    /// Nearest-rank P95 of the ten minutes, CPUs.
    pub actual: f64,
    /// Share of an independent outcome that it counts.
    pub weight: f64,
}

/// A mean whose weights halve every half-life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Faded {
    sum: f64,
    weight: f64,
    at_s: f64,
}

impl Faded {
    fn add(&mut self, now_s: f64, value: f64, weight: f64) {
        let keep = (-(now_s - self.at_s).max(0.0) / HALF_LIFE_S).exp2();
        self.sum = self.sum * keep + value * weight;
        self.weight = self.weight * keep + weight;
        self.at_s = self.at_s.max(now_s);
    }

    fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

/// Calibration of one container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Online {
    offset: f64,
    pending: VecDeque<Pending>,
    /// When the last settled prediction was made.
    settled_ms: Option<u64>,
    covered: Faded,
}

/// How the offset moves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// Wanted coverage.
    pub coverage: f64,
    /// What the offset steps towards to reach it.
    pub aim: f64,
    /// g: change of the offset per miss, scales.
    pub step: f64,
}

impl Default for Pace {
    /// Of a model that brings none, as one of LightGBM: near what the public traces give.
    fn default() -> Self {
        Self {
            coverage: QUANTILE,
            aim: QUANTILE,
            step: 0.03,
        }
    }
}

impl Pace {
    /// Whether coverage and aim are below 1 and the step is no more than half a scale.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let share = |x: f64| (0.0..1.0).contains(&x);
        share(self.coverage) && share(self.aim) && (0.0..=0.5).contains(&self.step)
    }

    /// For another coverage: as many misses more or less; with another step, if one is given.
    #[must_use]
    pub fn with(self, coverage: f64, step: Option<f64>) -> Self {
        let misses = (1.0 - coverage) * (1.0 - self.aim) / (1.0 - self.coverage);
        Self {
            coverage,
            aim: (1.0 - misses).clamp(0.0, 1.0),
            step: step.unwrap_or(self.step),
        }
    }
}

/// What one unit of the offset is, in the unit of `p95`, of which `percent` is one
/// percent of the request.
#[must_use]
pub fn offset_scale(p95: f64, p50: Option<f64>, hour_max: f64, percent: f64) -> f64 {
    let spread = p50.map_or(hour_max, |p50| p95 - p50);
    spread.max(LEAST_SCALE * percent)
}

impl Online {
    /// Of a container that takes the place of one with this calibration.
    #[must_use]
    pub fn inherit(&self) -> Self {
        Self {
            offset: self.offset * INHERITED,
            ..Self::default()
        }
    }

    /// The offset, scales.
    #[must_use]
    pub fn offset(&self) -> f64 {
        self.offset
    }

    /// Share of recent outcomes that the trees covered, and how many
    /// independent ones it stands on; none without any.
    #[must_use]
    pub fn coverage(&self) -> Option<(f64, f64)> {
        self.covered.mean().map(|mean| (mean, self.covered.weight))
    }

    /// Forgets the offset and what is waited for: another model speaks.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Remembers what the trees say now, without the offset, to compare with
    /// what comes; at most once a minute.
    pub fn expect(&mut self, now_ms: u64, trees: f64, scale: f64, hour_max: f64) {
        let last = self.pending.back().map(|p| p.made_ms);
        if last.is_some_and(|last| now_ms < last.saturating_add(SPACING_MS)) {
            return;
        }
        self.pending.push_back(Pending {
            made_ms: now_ms,
            trees,
            scale,
            hour_max,
        });
    }

    /// Compares what is due with `samples` (ends ascending, the last hour's)
    /// and moves the offset. The outcomes, oldest first.
    pub fn settle(
        &mut self,
        now_ms: u64,
        now_s: f64,
        pace: Pace,
        samples: &[Sample],
    ) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let due = |p: &&Pending| p.made_ms.saturating_add(WAIT_MS) <= now_ms;
        while let Some(pending) = self.pending.front().filter(due).copied() {
            self.pending.pop_front();
            let Some(actual) = actual(&pending, samples) else {
                continue;
            };
            let since_ms = self.settled_ms.map(|at| pending.made_ms.saturating_sub(at));
            let weight = since_ms.map_or(1.0, |ms| share(ms.min(AHEAD_MS)));
            self.settled_ms = Some(pending.made_ms);
            let trees = (pending.trees + self.offset * pending.scale).max(0.0);
            let missed = f64::from(u8::from(actual > trees));
            self.offset = stepped(self.offset, pace, weight, actual > trees);
            self.covered.add(now_s, 1.0 - missed, weight);
            outcomes.push(Outcome {
                trees,
                hour_max: pending.hour_max,
                actual,
                weight,
            });
        }
        outcomes
    }
}

/// The offset after an outcome that counts `weight` and was missed or not.
#[must_use]
pub fn stepped(offset: f64, pace: Pace, weight: f64, missed: bool) -> f64 {
    let missed = f64::from(u8::from(missed));
    let moved = pace.step * weight * (missed - (1.0 - pace.aim));
    (offset + moved).clamp(OFFSETS.0, OFFSETS.1)
}

/// Share of ten minutes.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of minutes")]
fn share(ms: u64) -> f64 {
    ms as f64 / AHEAD_MS as f64
}

/// The outcome, if it is complete.
fn actual(pending: &Pending, samples: &[Sample]) -> Option<f64> {
    let inside = |s: &&Sample| {
        let middle = s.end_ms.saturating_sub(s.length_ms / 2);
        middle > pending.made_ms && middle - pending.made_ms <= AHEAD_MS
    };
    let (mut values, mut covered_ms) = (Vec::new(), 0);
    for sample in samples.iter().filter(inside) {
        if sample.length_ms > LONGEST_MS + LONGEST_MS / 10 {
            return None;
        }
        values.push(sample.cpus);
        covered_ms += sample.length_ms;
    }
    if (share(covered_ms) - 1.0).abs() > SLACK {
        return None;
    }
    let rank = (95 * values.len()).div_ceil(100);
    values.sort_unstable_by(f64::total_cmp);
    values.get(rank.checked_sub(1)?).copied()
}

/// How a model fares on this host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    trees: Faded,
    hour_max: Faded,
    covered: Faded,
}

impl Record {
    /// Takes an outcome in; `unit` is what losses are shares of, CPUs.
    pub fn add(&mut self, now_s: f64, outcome: &Outcome, unit: f64) {
        let loss = |p| pinball(outcome.actual - p, QUANTILE) / unit;
        self.trees.add(now_s, loss(outcome.trees), outcome.weight);
        self.hour_max
            .add(now_s, loss(outcome.hour_max), outcome.weight);
        let covered = f64::from(u8::from(outcome.actual <= outcome.trees));
        self.covered.add(now_s, covered, outcome.weight);
    }

    /// Share of recent outcomes that the trees covered, and their weight.
    #[must_use]
    pub fn coverage(&self) -> Option<(f64, f64)> {
        self.covered.mean().map(|mean| (mean, self.covered.weight))
    }

    /// Mean losses of the trees and of the largest use of the last hour, once
    /// there are enough outcomes to judge.
    #[must_use]
    pub fn losses(&self) -> Option<(f64, f64)> {
        let enough = self.trees.weight >= LEAST_OUTCOMES;
        self.trees
            .mean()
            .zip(self.hour_max.mean())
            .filter(|_| enough)
    }

    /// Why trees on trial are not used on this host yet; none: they have won.
    #[must_use]
    pub fn trial(&self) -> Option<String> {
        if self.losses().is_none() {
            return Some(format!(
                "no trained model; the built-in one is on trial: {:.0} of {LEAST_OUTCOMES:.0} outcomes are known here",
                self.trees.weight
            ));
        }
        let reason = self.refusal()?;
        Some(format!(
            "no trained model; the built-in one is on trial: {reason}"
        ))
    }

    /// Why the trees are refused on this host; none: they are not.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let (trees, hour_max) = self.losses()?;
        (trees > hour_max).then(|| {
            format!(
                "on this host's recent outcomes the model loses to the maximum of the last hour \
                 (loss {:.3} against {:.3} % of the request, {:.0} outcomes)",
                100.0 * trees,
                100.0 * hour_max,
                self.trees.weight
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        coverage: 0.95,
        aim: 0.95,
        step: 0.1,
    };

    fn steady(from_ms: u64, to_ms: u64, length_ms: u64, cpus: f64) -> Vec<Sample> {
        let ends = (from_ms + length_ms..=to_ms).step_by(usize::try_from(length_ms).unwrap());
        let sample = |end_ms| Sample {
            end_ms,
            length_ms,
            cpus,
        };
        ends.map(sample).collect()
    }

    fn waiting(trees: f64) -> Online {
        let mut online = Online::default();
        online.expect(1_000_000, trees, 2.0, 2.0);
        online
    }

    #[test]
    fn offsets_by_hand() {
        let samples = steady(1_000_000, 2_000_000, 10_000, 1.0);
        // Not yet due; then covered: down by 0.1 x 0.05.
        let mut online = waiting(1.5);
        assert!(online.settle(1_749_999, 0.0, PACE, &samples).is_empty());
        let outcomes = online.settle(1_750_000, 0.0, PACE, &samples);
        assert_eq!(outcomes.len(), 1);
        assert!((outcomes[0].actual - 1.0).abs() < 1e-12);
        assert!((online.offset() + 0.005).abs() < 1e-12);
        // Missed: up by 0.1 x 0.95.
        let mut online = waiting(0.5);
        online.settle(1_750_000, 0.0, PACE, &samples);
        assert!((online.offset() - 0.095).abs() < 1e-12);
        assert_eq!(online.coverage(), Some((0.0, 1.0)));
        // The offset is in scales of 2 CPUs: 0.9 + 0.095 x 2 covers 1. A minute
        // later counts a tenth.
        online.expect(1_060_000, 0.9, 2.0, 2.0);
        let outcome = online.settle(1_810_000, 0.0, PACE, &samples)[0];
        assert!((outcome.trees - 1.09).abs() < 1e-12 && (outcome.weight - 0.1).abs() < 1e-12);
        assert!((online.offset() - (0.095 - 0.0005)).abs() < 1e-12);
        // Half for the one that takes its place.
        assert!((online.inherit().offset() - 0.04725).abs() < 1e-12);
    }

    #[test]
    fn predictions_are_spaced() {
        let mut online = waiting(1.0);
        for now_ms in [1_010_000, 1_059_999, 1_060_000, 1_119_999] {
            online.expect(now_ms, 1.0, 1.0, 1.0);
        }
        assert_eq!(online.pending.len(), 2);
    }

    #[test]
    fn only_whole_outcomes_count() {
        let settle = |samples: &[Sample]| waiting(1.0).settle(1_800_000, 0.0, PACE, samples);
        // Two samples of five minutes, up to two minutes off the grid.
        for shift in [0, 20_000, 120_000] {
            let samples = steady(700_000 + shift, 2_000_000, 300_000, 1.0);
            assert_eq!(settle(&samples).len(), 1, "{shift}");
        }
        // A gap of a minute and a half, nothing at all, samples of ten minutes.
        let mut gap = steady(1_000_000, 2_000_000, 10_000, 1.0);
        gap.drain(20..29);
        assert!(settle(&gap).is_empty());
        assert!(settle(&[]).is_empty());
        assert!(settle(&steady(400_000, 2_200_000, 600_000, 1.0)).is_empty());
        // 57th of 60.
        let mut peaks = steady(1_000_000, 1_600_000, 10_000, 1.0);
        for peak in &mut peaks[10..13] {
            peak.cpus = 9.0;
        }
        assert!((settle(&peaks)[0].actual - 1.0).abs() < 1e-12);
        peaks[13].cpus = 5.0;
        assert!((settle(&peaks)[0].actual - 5.0).abs() < 1e-12);
    }

    /// The offset finds the coverage that the model lacks: use uniform in
    /// [0, 1], a model that says 0.5. By the bound above, over 1,000
    /// independent outcomes at step 0.1 the misses are 5 % up to 3 %.
    #[test]
    fn coverage_is_reached() {
        let mut online = Online::default();
        let mut missed = 0.0;
        for i in 0..1_000_u32 {
            // The golden ratio's multiples are spread evenly.
            let actual = (f64::from(i) * 0.618_033_988_749_894_9).fract();
            let made_ms = 600_000 * u64::from(i) + 1_000_000;
            online.expect(made_ms, 0.5, 1.0, 1.0);
            let samples = steady(made_ms, made_ms + 600_000, 10_000, actual);
            let outcomes = online.settle(made_ms + 750_000, 0.0, PACE, &samples);
            missed += f64::from(u8::from(outcomes[0].actual > outcomes[0].trees));
        }
        assert!((missed / 1_000.0 - 0.05).abs() <= 0.03, "{missed}");
        assert!((0.3..0.7).contains(&online.offset()), "{}", online.offset());
    }

    #[test]
    fn a_model_that_loses_is_refused_until_it_wins() {
        let mut record = Record::default();
        let outcome = |trees| Outcome {
            trees,
            hour_max: 1.1,
            actual: 1.0,
            weight: 1.0,
        };
        // 0.05 x 2 against 0.05 x 0.1, over 4 CPUs.
        for i in 0..179 {
            record.add(f64::from(i), &outcome(3.0), 4.0);
        }
        assert_eq!(record.refusal(), None);
        record.add(179.0, &outcome(3.0), 4.0);
        record.add(180.0, &outcome(3.0), 4.0);
        let reason = record.refusal().unwrap();
        assert!(
            reason.contains("loss 2.500 against 0.125 % of the request"),
            "{reason}"
        );
        // After seven days what was bad weighs below a hundredth.
        for i in 0..600 {
            record.add(7.0 * 86_400.0 + f64::from(i), &outcome(1.05), 4.0);
        }
        assert_eq!(record.refusal(), None);
    }
}
