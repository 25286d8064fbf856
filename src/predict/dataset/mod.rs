//! Rows to learn from: features now, what came in the ten minutes after.
//!
//! `read` streams trace files, `walk` makes the rows of a trace (the one
//! definition of eligible row and target), `split` cuts by time. [`Dataset`]
//! holds the rows that training needs in memory, at most as many as asked for:
//! each eligible row is kept or not by a hash of trace and time, in the same share over
//! all groups, so that the mix stays as it is; tiny groups stay whole.

pub mod export;
mod read;
mod split;
mod walk;

use std::collections::BTreeMap;

pub use read::{TraceFolder, TraceInfo, TracesError};
pub use split::{GroupSplit, Part, Split};
pub use walk::{AHEAD_S, HISTORY_S, Walk, eligible, samples_ahead, walk};

use super::features::{COUNT, Moment, fill_row};
use crate::splitmix::mix;

/// Groups with fewer rows in a part are kept whole. Not many: in a thinned sample they would
/// outweigh the others, and growth would stop by them.
const SMALL_GROUP: u64 = 1_000;

/// Level names of the four categories, by code.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Levels {
    names: [Vec<String>; 4],
    codes: [BTreeMap<String, u32>; 4],
}

impl Levels {
    /// Codes of a trace's categories, new ones for new names; NaN: missing.
    pub fn intern(&mut self, categories: &[Option<String>; 4]) -> [f32; 4] {
        let mut codes = [f32::NAN; 4];
        for (i, name) in categories.iter().enumerate() {
            let Some(name) = name else {
                continue;
            };
            let next = u32::try_from(self.names[i].len()).unwrap_or(u32::MAX);
            let code = *self.codes[i].entry(name.clone()).or_insert_with(|| {
                self.names[i].push(name.clone());
                next
            });
            codes[i] = code_value(code);
        }
        codes
    }

    /// Names of a category's levels, by code.
    #[must_use]
    pub fn names(&self, category: usize) -> &[String] {
        &self.names[category]
    }
}

/// A code as a row holds it; exact below 2^24.
#[expect(clippy::cast_precision_loss, reason = "codes stay below 2^24")]
pub(super) fn code_value(code: u32) -> f32 {
    code as f32
}

/// Rows of one part.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Features, `[rows, COUNT]`, row-major.
    pub values: Vec<f32>,
    /// Targets, in the traces' unit.
    pub targets: Vec<f32>,
    /// Group of each row.
    pub groups: Vec<u16>,
    /// Time of the newest row, seconds since the epoch.
    pub newest_s: f64,
    /// Shortest and longest interval of a row's trace, seconds.
    pub intervals_s: Option<(f64, f64)>,
}

impl Rows {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The features of a row.
    #[must_use]
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * COUNT..(index + 1) * COUNT]
    }

    /// Adds a row of group number `group`, of a trace with that interval, seconds.
    pub(super) fn push(&mut self, moment: &Moment<'_>, target: f64, group: u16, interval_s: f64) {
        let mut row = [0.0; COUNT];
        fill_row(moment, &mut row);
        self.push_row(&row, as_row(target), group, moment.now_s, interval_s);
    }

    /// [`Self::push`] with the row made.
    pub(super) fn push_row(
        &mut self,
        row: &[f32; COUNT],
        target: f32,
        group: u16,
        now_s: f64,
        interval_s: f64,
    ) {
        self.values.extend_from_slice(row);
        self.targets.push(target);
        self.groups.push(group);
        self.newest_s = self.newest_s.max(now_s);
        let (least, most) = self.intervals_s.unwrap_or((interval_s, interval_s));
        self.intervals_s = Some((least.min(interval_s), most.max(interval_s)));
    }
}

/// A target as rows hold it.
pub(super) fn as_row(target: f64) -> f32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rows are f32: seven digits of a use"
    )]
    let target = target as f32;
    target
}

/// Rows for training: see the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// Rows to grow on.
    pub train: Rows,
    /// Rows to stop and calibrate by.
    pub calibrate: Rows,
    /// Level names of the categories.
    pub levels: Levels,
    /// Names of the groups.
    pub groups: Vec<String>,
}

/// How many rows a part may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowLimits {
    /// In all, without small groups.
    pub train: u64,
    /// In all, without small groups.
    pub calibrate: u64,
}

impl Dataset {
    /// Reads the rows of a directory.
    ///
    /// # Errors
    /// The first broken line.
    pub fn read(
        folder: &TraceFolder,
        split: &Split,
        limits: RowLimits,
        seed: u64,
    ) -> Result<Self, TracesError> {
        let mut dataset = Self {
            groups: split.groups.keys().cloned().collect(),
            ..Self::default()
        };
        let thresholds = [
            Thinning::of(split, Part::Train, limits.train),
            Thinning::of(split, Part::Calibrate, limits.calibrate),
        ];
        folder.visit(|info, samples| {
            let group = dataset.groups.iter().position(|g| *g == info.group);
            let Some(group) = group.and_then(|g| u16::try_from(g).ok()) else {
                return;
            };
            let codes = dataset.levels.intern(&info.categories);
            let part_of = |now_s: f64| {
                let part = split.part(&info.group, now_s)?;
                let thinning = thresholds.get(part as usize)?;
                thinning
                    .keeps(&info.group, &info.id, now_s, seed)
                    .then_some(part)
            };
            let (train, calibrate) = (&mut dataset.train, &mut dataset.calibrate);
            let wanted = |now_s| part_of(now_s).is_some();
            walk(info, samples, codes, wanted, |moment, target| {
                let rows = match part_of(moment.now_s) {
                    Some(Part::Train) => &mut *train,
                    _ => &mut *calibrate,
                };
                rows.push(moment, target, group, info.interval_s);
            });
        })?;
        Ok(dataset)
    }
}

/// Which rows of a part are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Thinning {
    /// Hashes up to this are kept, by group.
    keep: BTreeMap<String, u64>,
}

impl Thinning {
    /// At most about `limit` rows of `part` in groups that are not small.
    #[must_use]
    pub fn of(split: &Split, part: Part, limit: u64) -> Self {
        let rows = |g: &GroupSplit| g.rows[part as usize];
        let large = split
            .groups
            .values()
            .map(rows)
            .filter(|&r| r >= SMALL_GROUP);
        let total: u64 = large.sum();
        let keep = split.groups.iter().map(|(name, group)| {
            let whole = rows(group) < SMALL_GROUP || total <= limit;
            let share = if whole {
                u64::MAX
            } else {
                // limit < total, so this is below 2^64.
                let scaled = (u128::from(limit) << 64) / u128::from(total);
                u64::try_from(scaled).unwrap_or(u64::MAX)
            };
            (name.clone(), share)
        });
        Self {
            keep: keep.collect(),
        }
    }

    /// Whether the row of `trace` at `now_s` is kept.
    #[must_use]
    pub fn keeps(&self, group: &str, trace: &str, now_s: f64, seed: u64) -> bool {
        match self.keep.get(group) {
            Some(&u64::MAX) => true,
            Some(&share) => hash(trace, now_s, seed) <= share,
            None => false,
        }
    }
}

/// FNV-1a over the id, then mixed with time and seed (`SplitMix64`).
pub(super) fn hash(trace: &str, now_s: f64, seed: u64) -> u64 {
    let fnv = trace.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(fnv ^ mix(now_s.to_bits() ^ mix(seed)))
}

#[cfg(test)]
mod tests;
