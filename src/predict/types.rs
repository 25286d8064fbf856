//! The seam between the engine and any predictor.

use serde::{Deserialize, Serialize};

use crate::cgroup::Context;

/// Which link of the fallback chain a prediction comes from, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// Quantile trees.
    Trees,
    /// P95 of the 24 h decaying histogram.
    DayP95,
    /// Peak of the last hour: its largest P95 of ten minutes (the maximum where
    /// ten minutes have fewer than twenty samples).
    HourMax,
    /// A blend of the request and what was seen of a young container.
    Blend,
    /// The request: nothing was seen yet.
    Request,
}

/// What a predictor may look at, for one container. Usage in CPUs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Features {
    /// The time of the prediction, seconds since the epoch, UTC.
    pub now_s: f64,
    /// Samples of the last hour, `(seconds before now, usage)`, oldest first.
    pub last_hour: Vec<(f64, f64)>,
    /// P95 of the 24 h decaying histogram; none before the first sample.
    pub day_p95: Option<f64>,
    /// Age of the history, seconds.
    pub age_s: f64,
    /// Request, CPUs; none if unknown.
    pub request: Option<f64>,
    /// Upper clamp of a prediction, CPUs (quota or request); none if unknown.
    pub limit: Option<f64>,
    /// Context.
    pub context: Context,
    /// What makes the history doubtful (gap, clock step, reset), in words.
    pub doubts: Vec<String>,
}

/// How well the trees covered a container's recent outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confidence {
    /// Share of recent complete outcomes at or below the prediction.
    pub coverage: f64,
    /// How many independent outcomes it stands on, each weighing half after a day.
    pub outcomes: f64,
}

/// A prediction with its provenance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// 0.95 quantile of the P95 of the next ten minutes, CPUs.
    pub p95: f64,
    /// Median of the same, CPUs; none where the link gives no median.
    pub p50: Option<f64>,
    /// Where it comes from.
    pub link: Link,
    /// Age of the history it stands on, seconds.
    pub age_s: f64,
    /// Typical sampling interval seen, seconds; none with fewer than two samples.
    pub interval_s: Option<f64>,
    /// How well it held for this container so far; none without outcomes.
    pub confidence: Option<Confidence>,
    /// Why this link was used and the stronger ones not, in words.
    pub why: String,
}

/// Anything that predicts.
pub trait Predictor {
    /// The prediction for one container. Pure: same features, same answer.
    fn predict(&self, features: &Features) -> Prediction;
}
