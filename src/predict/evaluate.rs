//! How well a model predicts: scores over rows in order of time.
//!
//! A score is the mean pinball loss at the model's main quantile, the share of
//! outcomes at or below the prediction (coverage), and the mean of what was
//! predicted too high (over). Predictions are clamped, outcomes are not. *Raw* is what the
//! trees say, *calibrated* what a host would use.

use std::collections::BTreeMap;

use serde::Serialize;

use super::dataset::TraceInfo;
use super::features::Moment;
use super::follow::{Asked, Follower};
use super::grow::pinball;
use super::{Fallback, Features, Predictor};

/// Rows from which on a trace's own coverage is looked at.
const MANY_ROWS: u64 = 200;

/// Coverage of a trace that is in band.
const BAND: [f64; 2] = [0.90, 0.99];

const DAY_S: f64 = 86_400.0;

/// Sums of a score.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Rows.
    pub rows: u64,
    loss: f64,
    covered: u64,
    over: f64,
}

impl Tally {
    pub(super) fn add(&mut self, outcome: f64, predicted: f64, q: f64) {
        self.rows += 1;
        self.loss += pinball(outcome - predicted, q);
        self.covered += u64::from(outcome <= predicted);
        self.over += (predicted - outcome).max(0.0);
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.rows += other.rows;
        self.loss += other.loss;
        self.covered += other.covered;
        self.over += other.over;
    }

    /// The means.
    #[must_use]
    pub fn score(&self) -> Score {
        let rows = as_f64(self.rows.max(1));
        Score {
            pinball: self.loss / rows,
            coverage: as_f64(self.covered) / rows,
            over: self.over / rows,
        }
    }
}

/// Means over rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Pinball loss.
    pub pinball: f64,
    /// Share of outcomes at or below the prediction.
    pub coverage: f64,
    /// Mean of what was predicted too high.
    pub over: f64,
}

/// Raw and calibrated tallies.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Both {
    /// Trees alone.
    pub raw: Tally,
    /// With the offsets of the model and of the trace.
    pub calibrated: Tally,
}

/// Simple rules beside the model, by the names of the output.
pub const BASELINES: [&str; 4] = [
    "max_last_hour",
    "mean_plus_2.5_std",
    "day_p95",
    "fallback_chain",
];

/// One predicted moment of a trace that is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// Seconds since the epoch.
    pub now_s: f64,
    /// What came.
    pub outcome: f64,
    /// Quantiles of the model, raw.
    pub quantiles: Vec<f64>,
    /// What a host would use.
    pub calibrated: f64,
}

/// Scores of a model over traces.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    /// By group.
    pub groups: BTreeMap<String, Both>,
    /// Calibrated tallies of each trace's days (UTC) with rows, by group.
    pub by_trace: BTreeMap<String, Vec<Vec<Tally>>>,
    /// By baseline, in the order of [`BASELINES`], and group.
    pub baselines: [BTreeMap<String, Tally>; BASELINES.len()],
    /// By quantile of the model: outcomes at or below its raw prediction.
    pub covered: Vec<u64>,
    /// Traces with many rows, and those of them that are in band.
    pub traces: [u64; 2],
    /// The trace that is drawn, by id.
    pub drawn: Option<(String, Vec<Drawn>)>,
}

/// What is evaluated of each trace.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The model, its main quantile, and which eligible rows count.
    pub asked: Asked<'a>,
    /// Whether a trace that could be drawn is kept.
    pub draw: bool,
}

impl Evaluation {
    /// Scores one trace. `wanted` tells by time which rows are predicted, `scored` which of them
    /// count: the online offset, that of a live host ([`Follower`]), learns from all.
    pub fn add(
        &mut self,
        plan: &Plan<'_>,
        info: &TraceInfo,
        samples: &[(f64, f64)],
        wanted: impl Fn(f64) -> bool,
        scored: impl Fn(f64) -> bool,
    ) {
        let asked = plan.asked;
        let metadata = asked.scorer.model().metadata();
        let quantiles = asked.scorer.model().quantiles();
        let q = quantiles[asked.main];
        let limit = info.limit().unwrap_or(f64::INFINITY);
        self.covered.resize(quantiles.len(), 0);
        let mut both = Both::default();
        let mut simple = [Tally::default(); BASELINES.len()];
        let mut drawn = Vec::new();
        let mut days: Vec<Tally> = Vec::new();
        let mut today = f64::NEG_INFINITY;
        let mut follower =
            Follower::new(metadata.pace.with(q, None), asked.weight(info.interval_s));
        asked.walk(info, samples, wanted, |moment, row, step, out| {
            let outcome = step.outcome;
            // Before the model's own offset, which is in the unit of the trees' sums.
            let own = metadata.offsets[asked.main] * asked.scorer.unit(row);
            let raw = (step.predicted - own).clamp(0.0, limit);
            let calibrated = follower.lifted(step).clamp(0.0, limit);
            if !scored(step.now_s) {
                return;
            }
            both.raw.add(outcome, raw, q);
            both.calibrated.add(outcome, calibrated, q);
            let day = (step.now_s / DAY_S).floor();
            if day > today {
                today = day;
                days.push(Tally::default());
            }
            if let Some(tally) = days.last_mut() {
                tally.add(outcome, calibrated, q);
            }
            for (covered, value) in self.covered.iter_mut().zip(out) {
                *covered += u64::from(outcome <= value.clamp(0.0, limit));
            }
            for (tally, value) in simple.iter_mut().zip(simple_rules(moment, info)) {
                tally.add(outcome, value.clamp(0.0, limit), q);
            }
            if plan.draw {
                drawn.push(Drawn {
                    now_s: moment.now_s,
                    outcome,
                    quantiles: out.iter().map(|v| v.clamp(0.0, limit)).collect(),
                    calibrated,
                });
            }
        });
        if both.raw.rows == 0 {
            return;
        }
        if both.raw.rows >= MANY_ROWS {
            let coverage = both.calibrated.score().coverage;
            self.traces[0] += 1;
            self.traces[1] += u64::from((BAND[0]..=BAND[1]).contains(&coverage));
        }
        let traces = self.by_trace.entry(info.group.clone()).or_default();
        traces.push(days);
        let group = self.groups.entry(info.group.clone()).or_default();
        group.raw.join(&both.raw);
        group.calibrated.join(&both.calibrated);
        for (all, tally) in self.baselines.iter_mut().zip(&simple) {
            all.entry(info.group.clone()).or_default().join(tally);
        }
        self.consider(info, drawn);
    }

    /// Keeps the trace with the widest swing of outcomes among those of many rows.
    fn consider(&mut self, info: &TraceInfo, drawn: Vec<Drawn>) {
        let swing = |drawn: &[Drawn]| {
            let mean = drawn.iter().map(|d| d.outcome).sum::<f64>();
            let steps = drawn
                .windows(2)
                .map(|w| (w[1].outcome - w[0].outcome).abs());
            let moves: f64 = steps.sum();
            if mean > 0.0 { moves / mean } else { 0.0 }
        };
        let few = as_f64(MANY_ROWS) > as_f64(u64::try_from(drawn.len()).unwrap_or(0));
        // Neither flat nor noise: the one whose mean step is nearest to a fifth of its mean.
        let odd = |drawn: &[Drawn]| (swing(drawn) - 0.2).abs();
        let better = |old: &(String, Vec<Drawn>)| odd(&drawn) < odd(&old.1);
        if !few && self.drawn.as_ref().is_none_or(better) {
            self.drawn = Some((info.id.clone(), drawn));
        }
    }

    /// Over all groups.
    #[must_use]
    pub fn pooled(&self) -> Both {
        let mut pooled = Both::default();
        for group in self.groups.values() {
            pooled.raw.join(&group.raw);
            pooled.calibrated.join(&group.calibrated);
        }
        pooled
    }

    /// A baseline over all groups.
    #[must_use]
    pub fn baseline(&self, index: usize) -> Tally {
        let mut pooled = Tally::default();
        for tally in self.baselines[index].values() {
            pooled.join(tally);
        }
        pooled
    }

    /// Share of the traces with many rows that are in band; none without such traces.
    #[must_use]
    pub fn traces_in_band(&self) -> Option<f64> {
        let [many, inside] = self.traces;
        (many > 0).then(|| as_f64(inside) / as_f64(many))
    }
}

/// The rules of [`BASELINES`], in the trace's unit.
fn simple_rules(moment: &Moment<'_>, info: &TraceInfo) -> [f64; BASELINES.len()] {
    let unit = moment.unit;
    let (mut largest, mut sum, mut squares, mut count) = (0.0_f64, 0.0, 0.0, 0.0);
    for &(_, cpus) in moment.hour {
        largest = largest.max(cpus);
        sum += cpus;
        squares += cpus * cpus;
        count += 1.0;
    }
    let mean = sum / count;
    let deviation = (squares / count - mean * mean).max(0.0).sqrt();
    let features = Features {
        now_s: moment.now_s,
        last_hour: moment.hour.to_vec(),
        day_p95: moment.day_p95,
        age_s: moment.age_s,
        request: info.limit().map(|limit| limit / unit),
        limit: info.limit().map(|limit| limit / unit),
        ..Features::default()
    };
    [
        unit * largest,
        unit * (mean + 2.5 * deviation),
        unit * moment.day_p95.unwrap_or(0.0),
        unit * Fallback.predict(&features).p95,
    ]
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
