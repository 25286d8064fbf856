//! A trained model: ensembles, what they were trained on, calibration; and its file.
//!
//! **File.** Header (magic `cpfmod\r\n`, schema 2) and one frame of `codec`,
//! hence a checksum over all of it. A split takes about six bytes: thresholds
//! are kept once a column and numbered, indices are written in as few bytes as
//! they need (LEB128). Leaf values take four bytes where all of a model are
//! exactly 32-bit numbers, which [`round_leaves`] makes them before the last
//! evaluation of a model that was grown here; eight for an imported one.
//! Nothing of the clock is inside: the same rows and seed give the same bytes.
//!
//! **Trust.** Decoding checks checksum, schema and every invariant of
//! [`Forest`]; a file that passes can be evaluated without panic.

mod pack;

use serde::{Deserialize, Serialize};

use super::forest::{Column, Forest, ForestError, Kind};
use super::online::Pace;
use crate::codec::{
    CodecError, HEADER_LEN, decode_frames, decode_header, encode_frame, encode_header,
};

/// First bytes of a model file.
pub const MAGIC: [u8; 8] = *b"cpfmod\r\n";

/// Version of what follows.
pub const SCHEMA: u32 = 2;

/// Longest file that is read, bytes.
pub const MAX_FILE: u64 = 32 << 20;

/// Where an ensemble comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Grown by `train`.
    Grown,
    /// Read from LightGBM's text.
    LightGbm,
}

/// What the trees' sums are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The target, in the features' unit.
    Plain,
    /// The target divided by the last hour's largest use; so are the level features.
    OfHourMax,
    /// The target less the last hour's largest use, both in the features' unit.
    AboveHourMax,
}

/// What is known of a model beside its trees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Where it comes from.
    pub origin: Origin,
    /// What the sums are.
    pub target: Target,
    /// Training rows by group.
    pub groups: Vec<(String, u64)>,
    /// Training rows.
    pub rows: u64,
    /// Shortest and longest sampling interval in training, seconds; none: unknown.
    pub interval_s: Option<(f64, f64)>,
    /// Seed of every random choice.
    pub seed: u64,
    /// Time of the newest training row, seconds since the epoch, UTC; of an
    /// imported model the time of the import.
    pub newest_s: f64,
    /// Split conformal offset of each quantile of the model, ascending, in the
    /// unit of the trees' sums; added before clamping.
    pub offsets: Vec<f64>,
    /// How the online offsets move.
    pub pace: Pace,
    /// Share of the loss that the splits on each column took away, largest
    /// first; sums to 1. Empty: unknown.
    pub importance: Vec<(String, f64)>,
    /// Licence of model and training data, in words.
    pub licence: String,
}

/// Why a model is none, or no longer readable.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Not our file, another schema version, or damaged.
    #[error("not a usable model file")]
    Codec(#[from] CodecError),
    /// More or less than one frame.
    #[error("not a usable model file: {frames} frames where one is expected")]
    Frames {
        /// Whole frames found.
        frames: usize,
    },
    /// The packed trees do not unpack.
    #[error("not a usable model file: {0}")]
    Packed(&'static str),
    /// An ensemble that cannot be evaluated.
    #[error("the model's trees are broken")]
    Forest(#[from] ForestError),
    /// Ensembles of different columns.
    #[error(
        "column {0}: not the same in all of the model's ensembles; train all quantiles on the same rows"
    )]
    Columns(String),
    /// Offsets that cannot move so.
    #[error("the pace of the offsets is out of range: {0:?}")]
    Pace(Pace),
    /// A quantile twice, or offsets that do not fit.
    #[error("{0}")]
    Quantiles(&'static str),
}

/// A model; see the module's documentation.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    metadata: Metadata,
    forests: Vec<Forest>,
    quantiles: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    metadata: Metadata,
    forests: Vec<pack::Packed>,
}

impl Model {
    /// A model of one ensemble for several quantiles, or of several with
    /// different ones. `metadata.offsets` may be empty: zero.
    ///
    /// # Errors
    /// If the ensembles' columns differ in name or dictionary, a quantile
    /// occurs twice, or the offsets do not fit.
    pub fn new(mut metadata: Metadata, forests: Vec<Forest>) -> Result<Self, ModelError> {
        let Some(first) = forests.first() else {
            return Err(ModelError::Quantiles("a model needs an ensemble"));
        };
        for forest in &forests[1..] {
            if let Some(column) = difference(first.columns(), forest.columns()) {
                return Err(ModelError::Columns(column));
            }
        }
        let mut quantiles: Vec<f64> = forests
            .iter()
            .flat_map(Forest::quantiles)
            .copied()
            .collect();
        quantiles.sort_unstable_by(f64::total_cmp);
        if quantiles.windows(2).any(|w| w[0] >= w[1]) {
            return Err(ModelError::Quantiles("a quantile occurs twice"));
        }
        if metadata.offsets.is_empty() {
            metadata.offsets = vec![0.0; quantiles.len()];
        }
        let finite = metadata.offsets.iter().all(|o| o.is_finite());
        if metadata.offsets.len() != quantiles.len() || !finite {
            return Err(ModelError::Quantiles(
                "there must be one finite offset a quantile",
            ));
        }
        if !metadata.pace.is_sound() {
            return Err(ModelError::Pace(metadata.pace));
        }
        Ok(Self {
            metadata,
            forests,
            quantiles,
        })
    }

    /// What is known of it.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Its ensembles.
    #[must_use]
    pub fn forests(&self) -> &[Forest] {
        &self.forests
    }

    /// Its quantiles, ascending.
    #[must_use]
    pub fn quantiles(&self) -> &[f64] {
        &self.quantiles
    }

    /// The columns of a row.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        self.forests.first().map_or(&[], Forest::columns)
    }

    /// The same model with online offsets that move so.
    #[must_use]
    pub fn with_pace(mut self, pace: Pace) -> Self {
        self.metadata.pace = pace;
        self
    }

    /// The same model with other offsets.
    ///
    /// # Errors
    /// If there is not one finite offset a quantile.
    pub fn with_offsets(self, offsets: Vec<f64>) -> Result<Self, ModelError> {
        let metadata = Metadata {
            offsets,
            ..self.metadata
        };
        Self::new(metadata, self.forests)
    }

    /// Writes the calibrated quantiles of a row into `out` (one number a
    /// quantile), ascending, in the unit of the trees' sums.
    pub fn evaluate(&self, row: &[f64], out: &mut [f64]) {
        let mut rest = &mut *out;
        for forest in &self.forests {
            let (here, after) = rest.split_at_mut(forest.quantiles().len());
            forest.evaluate(row, here);
            rest = after;
        }
        out.sort_unstable_by(f64::total_cmp);
        for (value, offset) in out.iter_mut().zip(&self.metadata.offsets) {
            *value += offset;
        }
        out.sort_unstable_by(f64::total_cmp);
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// If the model is too large for a frame.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let stored = Stored {
            metadata: self.metadata.clone(),
            forests: self.forests.iter().map(pack::pack).collect(),
        };
        let mut bytes = encode_header(MAGIC, SCHEMA);
        bytes.extend(encode_frame(&stored)?);
        Ok(bytes)
    }

    /// The model in a file's bytes.
    ///
    /// # Errors
    /// If they are not a whole, undamaged model file of this schema version.
    pub fn decode(bytes: &[u8]) -> Result<Self, ModelError> {
        let body = decode_header(bytes, MAGIC, SCHEMA)?;
        let (mut stored, _, damage) = decode_frames::<Stored>(body);
        if let Some(damage) = damage {
            return Err(damage.into());
        }
        let frames = stored.len();
        match (stored.pop(), frames) {
            (Some(stored), 1) => {
                let forests = stored.forests.into_iter().map(pack::unpack);
                Self::new(stored.metadata, forests.collect::<Result<_, _>>()?)
            }
            _ if bytes.len() == HEADER_LEN => Err(CodecError::Damaged {
                offset: HEADER_LEN,
                reason: "nothing follows the header".into(),
                cut_short: true,
            }
            .into()),
            _ => Err(ModelError::Frames { frames }),
        }
    }
}

/// Name of the first column whose name or dictionary differs.
fn difference(a: &[Column], b: &[Column]) -> Option<String> {
    let same = |a: &Column, b: &Column| {
        let kinds = match (&a.kind, &b.kind) {
            (Kind::Numeric { .. }, Kind::Numeric { .. }) => true,
            (a, b) => a == b,
        };
        kinds && a.name == b.name
    };
    if a.len() != b.len() {
        return Some(format!(
            "{} of {}",
            a.len().min(b.len()) + 1,
            a.len().max(b.len())
        ));
    }
    let differs = a.iter().zip(b).find(|(a, b)| !same(a, b));
    differs.map(|(a, _)| a.name.clone())
}

/// Rounds every leaf value to a 32-bit number, so that the file takes half.
///
/// # Errors
/// If a leaf value is beyond the range of 32-bit numbers.
pub fn round_leaves(forest: Forest) -> Result<Forest, ForestError> {
    let (columns, quantiles, base, mut trees) = forest.into_parts();
    for value in trees.iter_mut().flat_map(|tree| &mut tree.leaves) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounding is meant; what overflows is refused as not finite"
        )]
        let narrow = *value as f32;
        *value = f64::from(narrow);
    }
    Forest::new(columns, quantiles, base, trees)
}

#[cfg(test)]
mod tests;
