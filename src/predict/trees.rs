//! A model as a link of the chain: from what is known of a container to its
//! quantiles in CPUs, or the reason why not.
//!
//! **Refused as a whole**: columns that are not features of this release, none
//! of the quantiles near the wanted coverage, older than [`MAX_AGE_S`] unless on trial.
//!
//! **Refused for a container**: younger than the hour that every training row
//! had; no request (levels are in % of it) unless the model is scale-free; no
//! sample in the last hour; samples coarser than training had (finer ones are
//! condensed); a level or a number of CPUs beyond what training had. Features that only grow
//! with time (age) are held at the largest that training had instead.

use super::features::{COUNT, FEATURES, HOUR_MAX, Kind as FeatureKind, Moment, fill_row};
use super::forest::Kind;
use super::model::{Model, Target};
use super::online::offset_scale;
use super::rank::nearest_rank_95;
use super::scorer::Scorer;
use super::{Features, Memory};

/// Training data older than this is no guide any more, seconds: half a year.
pub const MAX_AGE_S: f64 = 180.0 * 86_400.0;

/// An interval may be this much below the shortest or above the longest of training.
const INTERVAL_SLACK: f64 = 1.25;

/// The features that a prediction scales with: beyond training, trees say what they say
/// at its edge. Slopes and the like are no reason to distrust.
const RANGED: [&str; 4] = ["hour_max", "last", "day_p95", "cpus"];

/// Such a feature may be this much of training's span outside of it.
const RANGE_SLACK: f64 = 0.1;

/// Longest stretch whose P95 stands for a sample, seconds.
const LONGEST_STRETCH_S: f64 = 300.0;

/// Wanted coverage may be this far from the nearest quantile of a model.
const QUANTILE_SLACK: f64 = 0.03;

/// Percents in the whole.
const PERCENT: f64 = 100.0;

/// History without which no training row was, seconds.
const LEAST_AGE_S: f64 = 3_600.0;

/// A usable model.
#[derive(Clone, Debug)]
pub struct Trees {
    scorer: Scorer,
    /// Checksum of the file: which model it is.
    id: u32,
    on_trial: bool,
}

/// What the trees say of a container, CPUs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spoken {
    /// Quantile at the wanted coverage.
    pub p95: f64,
    /// Median, if the model has one.
    pub p50: Option<f64>,
    /// Largest use of the last hour.
    pub hour_max: f64,
    /// What one unit of the online offset is.
    pub scale: f64,
}

impl Trees {
    /// A model bound to the features of this release.
    ///
    /// # Errors
    /// Names the columns that are no features.
    pub fn new(model: Model, id: u32) -> Result<Self, String> {
        let scorer = Scorer::new(model).map_err(|e| format!("features absent: {e}"))?;
        Ok(Self {
            scorer,
            id,
            on_trial: false,
        })
    }

    /// The same model, which has to win on a host before it speaks there. Its age is no
    /// reason against it: it was not trained on the host's own past.
    #[must_use]
    pub fn on_trial(self) -> Self {
        Self {
            on_trial: true,
            ..self
        }
    }

    /// Whether it has to win first.
    #[must_use]
    pub fn is_on_trial(&self) -> bool {
        self.on_trial
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        self.scorer.model()
    }

    /// Which model it is.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Why the model is not used for anything now; none: it may be.
    #[must_use]
    pub fn refusal(&self, now_s: f64, coverage: f64) -> Option<String> {
        let age_s = now_s - self.model().metadata().newest_s;
        if age_s > MAX_AGE_S && !self.on_trial {
            return Some(format!(
                "the model is too old: its newest training data is {:.0} days old, {:.0} are allowed; train again",
                age_s / 86_400.0,
                MAX_AGE_S / 86_400.0
            ));
        }
        let quantiles = self.model().quantiles();
        let near = |q: &f64| (q - coverage).abs() <= QUANTILE_SLACK;
        if !quantiles.iter().any(near) {
            return Some(format!(
                "the model has no quantile near the wanted coverage {coverage}; it has {quantiles:?}"
            ));
        }
        None
    }

    /// What the trees say, before the online offset.
    ///
    /// # Errors
    /// Why they say nothing of this container.
    pub fn speak(
        &self,
        features: &Features,
        memory: Option<&Memory>,
        interval_s: Option<f64>,
        coverage: f64,
    ) -> Result<Spoken, String> {
        if features.age_s < LEAST_AGE_S {
            return Err(format!(
                "the model speaks from an hour on, this is {:.0} min old",
                features.age_s / 60.0
            ));
        }
        let scale_free = self.model().metadata().target == Target::OfHourMax;
        let request = features.request.filter(|r| r.is_finite() && *r > 0.0);
        let unit = match (request, scale_free) {
            (Some(request), _) => PERCENT / request,
            (None, true) => PERCENT,
            (None, false) => {
                return Err("no request, of which the model's levels are shares".into());
            }
        };
        let condensed = self.condensed(features, interval_s);
        let (hour, interval_s) = match &condensed {
            Some((hour, length_s)) => (hour.as_slice(), Some(*length_s)),
            None => (features.last_hour.as_slice(), interval_s),
        };
        if let Some(reason) = self.unfit_interval(interval_s) {
            return Err(reason);
        }
        let moment = Moment {
            now_s: features.now_s,
            hour,
            day_p95: features.day_p95,
            memory,
            age_s: features.age_s,
            interval_s,
            unit,
            cpus: request,
            memory_mib: features.context.memory_bytes.map(mebibytes),
            categories: self.scorer.codes(&[
                features.context.owner.clone(),
                features.context.image.clone(),
                features.context.app.clone(),
                None,
            ]),
        };
        let mut filled = [0.0; COUNT];
        fill_row(&moment, &mut filled);
        if filled[HOUR_MAX].is_nan() {
            return Err("no sample in the last hour".into());
        }
        let scale = self.scorer.unit(&filled);
        self.hold(&mut filled, scale)?;
        let mut values = vec![0.0; self.model().quantiles().len()];
        self.scorer.predict(&filled, &mut Vec::new(), &mut values);
        let cpus = |value: f64| (value / unit).max(0.0);
        let quantiles = self.model().quantiles();
        let median = quantiles.iter().position(|q| (q - 0.5).abs() < 1e-9);
        let p95 = cpus(between(quantiles, &values, coverage));
        let p50 = median.map(|i| cpus(values[i]));
        // Of the samples themselves: what the trees are judged against.
        let hour_max = features.last_hour.iter().map(|s| s.1).fold(0.0, f64::max);
        Ok(Spoken {
            p95,
            p50,
            hour_max,
            scale: offset_scale(p95, p50, hour_max, 1.0 / unit),
        })
    }

    fn unfit_interval(&self, interval_s: Option<f64>) -> Option<String> {
        let (least, most) = self.model().metadata().interval_s?;
        match interval_s {
            Some(s) if s < least / INTERVAL_SLACK || s > most * INTERVAL_SLACK => Some(format!(
                "samples every {s:.0} s, the model was trained on {least:.0} to {most:.0} s"
            )),
            Some(_) => None,
            None => Some("fewer than two samples in the last hour".into()),
        }
    }

    /// Holds what grows with time at training's largest; which feature is beyond
    /// training is the error. `scale` is what levels are divided by.
    fn hold(&self, filled: &mut [f32; COUNT], scale: f64) -> Result<(), String> {
        for (column, &index) in self.model().columns().iter().zip(self.scorer.places()) {
            let feature = &FEATURES[index];
            let Kind::Numeric { least, most } = column.kind else {
                continue;
            };
            if least > most {
                continue;
            }
            let mut value = f64::from(filled[index]);
            if value > most && feature.name == "age_h" {
                #[expect(clippy::cast_possible_truncation, reason = "hours, to seven digits")]
                let held = most as f32;
                filled[index] = held;
            }
            if feature.kind == FeatureKind::Level {
                value /= scale;
            }
            let slack = RANGE_SLACK * (most - least);
            let is_outside = value < least - slack || value > most + slack;
            if is_outside && RANGED.contains(&feature.name) {
                return Err(format!(
                    "out of the model's range: {} is {value:.1}, in training {least:.1} to {most:.1}",
                    feature.name
                ));
            }
        }
        Ok(())
    }

    /// Samples finer than all of training: the P95 of each stretch as long as
    /// training's shortest interval stands for a sample, with that interval. Peaks
    /// that a mean would hide are kept; the online offset takes the rest of the
    /// difference. None: not needed, or training was too coarse to tell of peaks.
    fn condensed(
        &self,
        features: &Features,
        interval_s: Option<f64>,
    ) -> Option<(Vec<(f64, f64)>, f64)> {
        let (least_s, _) = self.model().metadata().interval_s?;
        let finer = interval_s.is_some_and(|s| s < least_s / INTERVAL_SLACK);
        let tells_of_peaks = least_s > 0.0 && least_s <= LONGEST_STRETCH_S;
        if !(finer && tells_of_peaks) {
            return None;
        }
        let mut hour = Vec::new();
        let mut rest = features.last_hour.as_slice();
        while let Some(&(oldest_s, _)) = rest.first() {
            let begin_s = (oldest_s / least_s).floor() * least_s;
            let end = rest.partition_point(|s| s.0 >= begin_s);
            let mut values: Vec<f64> = rest[..end].iter().map(|s| s.1).collect();
            hour.push((begin_s, nearest_rank_95(&mut values)?));
            rest = &rest[end..];
        }
        Some((hour, least_s))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a size, to sixteen digits")]
pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// The value at `wanted` on the line through the two quantiles around it; the
/// nearest one's beyond them.
fn between(quantiles: &[f64], values: &[f64], wanted: f64) -> f64 {
    let after = quantiles.partition_point(|q| *q < wanted - 1e-9);
    match (after.checked_sub(1), quantiles.get(after)) {
        (_, Some(q)) if *q <= wanted + 1e-9 => values[after],
        (Some(before), Some(q)) => {
            let share = (wanted - quantiles[before]) / (q - quantiles[before]);
            values[before] + share * (values[after] - values[before])
        }
        (None, _) => values[0],
        (Some(last), None) => values[last],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_between_quantiles() {
        let at = |wanted| between(&[0.5, 0.9, 0.95], &[1.0, 5.0, 7.0], wanted);
        for (wanted, value) in [
            (0.3, 1.0),
            (0.5, 1.0),
            (0.7, 3.0),
            (0.925, 6.0),
            (0.95, 7.0),
            (0.99, 7.0),
        ] {
            assert!((at(wanted) - value).abs() < 1e-9, "{wanted}");
        }
    }
}
