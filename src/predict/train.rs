//! From rows to a model: bins, trees, the scale-free variant, split conformal offsets.
//!
//! **Variants.** The plain one predicts the target less the last hour's largest use, so
//! that growth starts from a rule that fits each container, not from one number for idle
//! and busy ones. The scale-free one divides target and levels by the last hour's largest use, and weighs a row by it, so that it
//! minimises the same loss; it learns shapes that large and small containers share,
//! which pays where there is little data. With at most [`LITTLE`] rows both are
//! grown and the one with less loss on the later rows is kept.
//!
//! **Split conformal offsets** (Romano, Patterson, Candes, "Conformalized quantile
//! regression", 2019): with r the ascending residuals of n later rows, quantile q is moved
//! by the `ceil((n + 1) q)`-th of them.

use super::binning::{Binned, Cuts};
use super::dataset::{Dataset, Rows};
use super::features::{COUNT, FEATURES, Kind};
use super::forest::ForestError;
use super::grow::{Grown, Sample, Settings, grow};
use super::model::{Metadata, Model, ModelError, Origin, Target, round_leaves};
use super::online::Pace;
use super::scorer::{base, scale};

/// Rows up to which the scale-free variant is tried.
pub const LITTLE: usize = 50_000;

/// Bins of a numeric column.
const BINS: usize = 254;

/// Why rows do not make a model.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// No row to grow on.
    #[error(
        "no eligible row to train on: an hour of history and all samples of the ten minutes after it are needed"
    )]
    NoRows,
    /// Nothing to learn.
    #[error("all {rows} targets are {value}: there is nothing to learn")]
    Constant {
        /// Training rows.
        rows: usize,
        /// The target.
        value: f32,
    },
    /// Settings that make no model.
    #[error("cannot make a model of these settings")]
    Settings(#[from] ForestError),
    /// The same.
    #[error("cannot make a model")]
    Model(#[from] ModelError),
}

/// A model and how it came about.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The model.
    pub model: Model,
    /// Mean loss on the later rows after each tree, of the kept variant.
    pub losses: Vec<f64>,
    /// Columns that vary.
    pub columns: usize,
}

/// Trains on `dataset.train`, stops and calibrates by `dataset.calibrate`. `told`
/// is called after each tree; false ends growth there.
///
/// # Errors
/// [`TrainError`].
pub fn train(
    dataset: Dataset,
    settings: &Settings,
    licence: &str,
    told: &mut dyn FnMut(usize, Option<f64>) -> bool,
) -> Result<Trained, TrainError> {
    let Dataset {
        train,
        calibrate,
        levels,
        groups,
    } = dataset;
    let first = *train.targets.first().ok_or(TrainError::NoRows)?;
    if train.targets.iter().all(|t| t.total_cmp(&first).is_eq()) {
        return Err(TrainError::Constant {
            rows: train.len(),
            value: first,
        });
    }
    let mut metadata = Metadata {
        origin: Origin::Grown,
        target: Target::AboveHourMax,
        groups: (0..)
            .zip(&groups)
            .map(|(i, name)| (name.clone(), count(&train.groups, i)))
            .collect(),
        rows: count_of(train.len()),
        interval_s: train.intervals_s,
        seed: settings.seed,
        newest_s: train.newest_s,
        offsets: Vec::new(),
        pace: Pace::default(),
        importance: Vec::new(),
        licence: licence.into(),
    };
    let little = train.len() <= LITTLE;
    let other = little.then(|| (scale_free(&train), scale_free(&calibrate)));
    let (train, calibrate) = (above(train), above(calibrate));
    let mut kept = Variant::grow(train, calibrate, None, &levels, settings, told)?;
    if let Some(((train, weights), (calibrate, later_weights))) = other {
        let weights = Some((weights, later_weights));
        let free = Variant::grow(train, calibrate, weights, &levels, settings, told)?;
        if free.loss() < kept.loss() {
            metadata.target = Target::OfHourMax;
            kept = free;
        }
    }
    let mut order: Vec<(String, f64)> = FEATURES
        .iter()
        .zip(&kept.grown.importance)
        .filter(|(_, share)| **share > 0.0)
        .map(|(feature, &share)| (feature.name.to_string(), share))
        .collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    metadata.importance = order;
    metadata.offsets = kept.offsets();
    let forest = round_leaves(kept.grown.forest)?;
    Ok(Trained {
        columns: kept.cuts.used.len(),
        losses: kept.grown.losses,
        model: Model::new(metadata, vec![forest])?,
    })
}

/// One way to state the target.
struct Variant {
    cuts: Cuts,
    grown: Grown,
    /// Later rows in bins, with targets and weights.
    later: Binned,
    targets: Vec<f32>,
    weights: Option<Vec<f32>>,
}

impl Variant {
    fn grow(
        train: Rows,
        calibrate: Rows,
        weights: Option<(Vec<f32>, Vec<f32>)>,
        levels: &super::dataset::Levels,
        settings: &Settings,
        told: &mut dyn FnMut(usize, Option<f64>) -> bool,
    ) -> Result<Self, ForestError> {
        let (weights, later_weights) = weights.unzip();
        let cuts = Cuts::of(&train, levels, weights.as_deref(), BINS);
        let binned = cuts.bin_rows(&train);
        let Rows { targets, .. } = train;
        let later = cuts.bin_rows(&calibrate);
        let later_targets = calibrate.targets;
        let sample = Sample {
            binned: &binned,
            targets: &targets,
            weights: weights.as_deref(),
        };
        let validation = Sample {
            binned: &later,
            targets: &later_targets,
            weights: later_weights.as_deref(),
        };
        let validation = (!later_targets.is_empty()).then_some(&validation);
        let grown = grow(&cuts, &sample, validation, settings, told)?;
        Ok(Self {
            cuts,
            grown,
            later,
            targets: later_targets,
            weights: later_weights,
        })
    }

    /// Least loss on the later rows, in the rows' unit.
    fn loss(&self) -> f64 {
        let least = self.grown.losses.iter().copied().reduce(f64::min);
        let unit = self.weights.as_ref().map_or(1.0, |weights| {
            weights.iter().map(|&w| f64::from(w)).sum::<f64>() / f64_of(weights.len())
        });
        least.map_or(f64::INFINITY, |loss| loss * unit)
    }

    /// Split conformal offset of each quantile.
    fn offsets(&self) -> Vec<f64> {
        let forest = &self.grown.forest;
        let count = forest.quantiles().len();
        let rows = self.targets.len();
        if rows == 0 {
            return vec![0.0; count];
        }
        let mut residuals = vec![Vec::with_capacity(rows); count];
        let mut out = vec![0.0; count];
        let mut row = vec![f64::NAN; COUNT];
        for (index, target) in self.targets.iter().enumerate() {
            let bins = &self.later.bins[index * self.later.width..][..self.later.width];
            for (&feature, &bin) in self.cuts.used.iter().zip(bins) {
                row[feature] = self.cuts.columns[feature].representative(bin);
            }
            forest.evaluate(&row, &mut out);
            for (residuals, value) in residuals.iter_mut().zip(&out) {
                residuals.push(f64::from(*target) - value);
            }
        }
        let quantiles = forest.quantiles().iter();
        let offsets = residuals.iter_mut().zip(quantiles).map(|(residuals, &q)| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a part of a count"
            )]
            let rank = ((f64_of(rows) + 1.0) * q).ceil() as usize;
            let index = rank.clamp(1, rows) - 1;
            *residuals.select_nth_unstable_by(index, f64::total_cmp).1
        });
        offsets.collect()
    }
}

/// Rows whose targets are what is above the last hour's largest use.
fn above(mut rows: Rows) -> Rows {
    for index in 0..rows.len() {
        let target = f64::from(rows.targets[index]) - base(rows.row(index));
        rows.targets[index] = narrow(target);
    }
    rows
}

/// Rows in the scale-free form, and their weights.
fn scale_free(rows: &Rows) -> (Rows, Vec<f32>) {
    let mut free = rows.clone();
    let mut weights = Vec::with_capacity(rows.len());
    for index in 0..rows.len() {
        let unit = scale(rows.row(index));
        let row = &mut free.values[index * COUNT..][..COUNT];
        for (value, feature) in row.iter_mut().zip(&FEATURES) {
            if feature.kind == Kind::Level {
                *value = narrow(f64::from(*value) / unit);
            }
        }
        free.targets[index] = narrow(f64::from(rows.targets[index]) / unit);
        weights.push(narrow(unit));
    }
    (free, weights)
}

#[expect(clippy::cast_possible_truncation, reason = "rows are f32")]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// Rows of a group.
fn count(groups: &[u16], group: u16) -> u64 {
    count_of(groups.iter().filter(|&&g| g == group).count())
}

fn count_of(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn f64_of(count: usize) -> f64 {
    count as f64
}
