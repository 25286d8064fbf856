//! The split by time: train on earlier days, calibrate on the next, test on the last.
//!
//! Each group is cut on its own, since groups were recorded in different years:
//! where it has five UTC days or more, at the borders of days, else of hours, such that
//! the first part has 60 % of the eligible rows and the second 20 %. A row whose ten
//! minutes reach over a cut belongs to no part, so no part has seen a
//! sample of a later part's outcome.

use std::collections::BTreeMap;

use super::read::{TraceFolder, TracesError};
use super::walk::{AHEAD_S, eligible};

/// Share of the rows before the first and before the second cut.
const SHARES: [f64; 2] = [0.6, 0.8];

/// Days from which on whole days are cut off.
const WHOLE_DAYS: usize = 5;

const HOUR_S: f64 = 3_600.0;
const DAY_HOURS: i64 = 24;

/// What a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Trees grow on it.
    Train,
    /// Growth stops by it, offsets are set by it.
    Calibrate,
    /// Nothing sees it before it is scored.
    Test,
}

impl Part {
    /// As in exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Calibrate => "calibrate",
            Self::Test => "test",
        }
    }
}

/// Eligible rows of a group by hour since the epoch, and its cuts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupSplit {
    hours: BTreeMap<i64, u64>,
    /// Seconds since the epoch.
    pub cuts: [f64; 2],
    /// Traces.
    pub traces: u64,
    /// Eligible rows in each part.
    pub rows: [u64; 3],
}

/// The cuts of all groups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// By name of the group.
    pub groups: BTreeMap<String, GroupSplit>,
}

impl Split {
    /// Counts the rows of a directory and cuts its groups. Every line is
    /// checked on the way, so what reads it again finds nothing wrong.
    ///
    /// # Errors
    /// The first broken line.
    pub fn of(folder: &TraceFolder) -> Result<Self, TracesError> {
        let mut split = Self::default();
        folder.visit(|info, samples| {
            let group = split.groups.entry(info.group.clone()).or_default();
            group.traces += 1;
            for (i, sample) in samples.iter().enumerate() {
                if eligible(samples, i, info.interval_s).is_some() {
                    *group.hours.entry(hour_of(sample.0)).or_default() += 1;
                }
            }
        })?;
        for group in split.groups.values_mut() {
            group.cut();
        }
        Ok(split)
    }

    /// The part of a row of `group` at `now_s`; none if its outcome reaches
    /// over a cut, or of a group that is not there.
    #[must_use]
    pub fn part(&self, group: &str, now_s: f64) -> Option<Part> {
        let [first, second] = self.groups.get(group)?.cuts;
        let end_s = now_s + AHEAD_S;
        if end_s <= first {
            Some(Part::Train)
        } else if now_s > first && end_s <= second {
            Some(Part::Calibrate)
        } else if now_s > second {
            Some(Part::Test)
        } else {
            None
        }
    }

    /// Eligible rows of a part, over all groups; rows over a cut count for the earlier part.
    #[must_use]
    pub fn rows(&self, part: Part) -> u64 {
        self.groups.values().map(|g| g.rows[part as usize]).sum()
    }
}

impl GroupSplit {
    fn cut(&mut self) {
        let mut days: BTreeMap<i64, u64> = BTreeMap::new();
        for (&hour, &rows) in &self.hours {
            *days.entry(hour.div_euclid(DAY_HOURS)).or_default() += rows;
        }
        let total: u64 = self.hours.values().sum();
        let (bins, length_s) = if days.len() >= WHOLE_DAYS {
            (&days, HOUR_S * 24.0)
        } else {
            (&self.hours, HOUR_S)
        };
        for (cut, share) in self.cuts.iter_mut().zip(SHARES) {
            let mut sum = 0;
            *cut = f64::NEG_INFINITY;
            for (&bin, &rows) in bins {
                // The border nearest to the share.
                if as_f64(2 * sum + rows) > 2.0 * share * as_f64(total) {
                    break;
                }
                sum += rows;
                #[expect(clippy::cast_precision_loss, reason = "days or hours since the epoch")]
                let end = (bin + 1) as f64;
                *cut = end * length_s;
            }
        }
        for (&hour, &rows) in &self.hours {
            #[expect(clippy::cast_precision_loss, reason = "hours since the epoch")]
            let begin = hour as f64 * HOUR_S;
            let part = self.cuts.iter().filter(|&&cut| begin >= cut).count();
            self.rows[part] += rows;
        }
    }
}

fn hour_of(time_s: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "hours since the epoch; a cast saturates"
    )]
    let hour = (time_s / HOUR_S).floor() as i64;
    hour
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
