//! A decaying histogram of CPU use, from which the "24 h P95" is read.
//!
//! **Problem.** The use of the last day or so at a few hundred numbers a
//! container, updated in constant time, with old samples fading instead of
//! falling off an edge.
//!
//! **Approach.** That of the Kubernetes vertical pod autoscaler
//! (`kubernetes/autoscaler`, `vertical-pod-autoscaler/pkg/recommender/util`,
//! histogram with exponential options and its decaying form): bucket i covers
//! `[s_i, s_{i+1})` with widths growing geometrically,
//!
//! ```text
//! s_0 = 0,   s_{i+1} = s_i + w r^i,   w = 0.001 CPU,   r = 1.05
//! ```
//!
//! so the relative error is at most 5 % above w / 0.05 = 20 milli-CPU. A sample of weight m at
//! time t counts `m 2^((t - ref) / H)` with the half-life H = 24 h: relative to
//! now, a sample of a day ago counts half. Only ratios matter, so instead of
//! shrinking all buckets at each sample the new ones are scaled up, and the
//! reference moves by whole half-lives (exact powers of two) before the scale
//! gets large.
//!
//! Where we differ: the first bucket is 1 milli-CPU wide, not 10, since idle
//! containers are common here; the weight of a sample is the time it covers,
//! not the request; no confidence margin is added to the quantile.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// Half-life of a sample's weight, seconds.
pub const HALF_LIFE_S: f64 = 24.0 * 3600.0;

/// Width of the first bucket, CPUs.
const FIRST_WIDTH: f64 = 0.001;

/// Growth of the widths.
const RATIO: f64 = 1.05;

/// Buckets: the last begins at 4,164 CPUs and is unbounded.
const BUCKETS: usize = 252;

/// The reference moves once the newest weight is scaled by 2^64.
const MAX_HALF_LIVES: f64 = 64.0;

/// Weights below this after the reference has moved are forgotten: they are
/// 2^-64 of one second of today.
const FORGET: f64 = 1.0 / (1_u64 << 63) as f64;

/// `STARTS[i]` is where bucket i begins, CPUs.
static STARTS: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let mut starts = vec![0.0];
    let mut width = FIRST_WIDTH;
    while starts.len() < BUCKETS {
        starts.push(starts[starts.len() - 1] + width);
        width *= RATIO;
    }
    starts
});

/// CPU use of about a day; see the module's documentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Histogram {
    reference_s: f64,
    /// One weight a bucket; empty until the first sample.
    weights: Vec<f64>,
}

/// The stored form: the occupied range only.
#[derive(Serialize, Deserialize)]
struct Wire {
    reference_s: f64,
    first: u16,
    weights: Vec<f64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// Without samples.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            reference_s: 0.0,
            weights: Vec::new(),
        }
    }

    /// Counts `usage` (CPUs) seen at `time_s` (any clock that does not jump,
    /// seconds) with a weight of `seconds`. Values that are not finite and
    /// weights that are not positive are ignored; negative usage counts as 0.
    pub fn add(&mut self, time_s: f64, usage: f64, seconds: f64) {
        if !(time_s.is_finite() && usage.is_finite() && seconds.is_finite() && seconds > 0.0) {
            return;
        }
        if self.weights.is_empty() {
            self.weights = vec![0.0; BUCKETS];
            self.reference_s = time_s;
        }
        let half_lives = (time_s - self.reference_s) / HALF_LIFE_S;
        if half_lives > MAX_HALF_LIVES {
            // Beyond 2^1000 everything old is forgotten anyway.
            let shift = half_lives.floor();
            let scale = if shift > 1000.0 { 0.0 } else { (-shift).exp2() };
            for weight in &mut self.weights {
                *weight *= scale;
                if *weight < FORGET {
                    *weight = 0.0;
                }
            }
            self.reference_s += shift * HALF_LIFE_S;
        }
        let half_lives = (time_s - self.reference_s) / HALF_LIFE_S;
        // A clock that went back (a restored snapshot) must not make the
        // sample vanish: it counts as at the reference.
        self.weights[bucket(usage)] += seconds * half_lives.max(0.0).exp2();
    }

    /// The `q` quantile, CPUs: the end of the bucket in which the weights,
    /// summed from the lowest, reach `q` of the total. None without samples.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.quantiles([q]).map(|[quantile]| quantile)
    }

    /// The same of several `q`, ascending, in one pass.
    #[must_use]
    pub fn quantiles<const N: usize>(&self, q: [f64; N]) -> Option<[f64; N]> {
        let first = self.weights.iter().position(|&w| w > 0.0)?;
        let last = self.weights.iter().rposition(|&w| w > 0.0)?;
        let total: f64 = self.weights[first..=last].iter().sum();
        let mut found = [end(last); N];
        let (mut sum, mut next) = (0.0, 0);
        for (i, weight) in (first..).zip(&self.weights[first..last]) {
            sum += weight;
            while next < N && sum >= q[next] * total && *weight > 0.0 {
                found[next] = end(i);
                next += 1;
            }
            if next == N {
                break;
            }
        }
        Some(found)
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }
}

/// The bucket of a usage.
fn bucket(usage: f64) -> usize {
    STARTS
        .partition_point(|&start| start <= usage)
        .saturating_sub(1)
}

/// Where bucket `i` ends; the unbounded last one "ends" where it begins.
fn end(i: usize) -> f64 {
    STARTS[(i + 1).min(BUCKETS - 1)]
}

impl From<Histogram> for Wire {
    fn from(histogram: Histogram) -> Self {
        let weights = &histogram.weights;
        let first = weights.iter().position(|&w| w > 0.0).unwrap_or(0);
        let end = weights.iter().rposition(|&w| w > 0.0).map_or(0, |i| i + 1);
        Self {
            reference_s: histogram.reference_s,
            first: u16::try_from(first).unwrap_or(0),
            weights: weights.get(first..end).unwrap_or_default().to_vec(),
        }
    }
}

impl TryFrom<Wire> for Histogram {
    type Error = &'static str;

    fn try_from(wire: Wire) -> Result<Self, Self::Error> {
        if wire.weights.is_empty() {
            return Ok(Self::new());
        }
        let first = usize::from(wire.first);
        let sound = wire.reference_s.is_finite()
            && first + wire.weights.len() <= BUCKETS
            && wire.weights.iter().all(|w| w.is_finite() && *w >= 0.0);
        if !sound {
            return Err("a histogram with impossible weights");
        }
        let mut weights = vec![0.0; BUCKETS];
        weights[first..first + wire.weights.len()].copy_from_slice(&wire.weights);
        Ok(Self {
            reference_s: wire.reference_s,
            weights,
        })
    }
}
