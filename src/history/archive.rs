//! The 30-day archive: 5-minute mean, maximum and P95 of every container, also
//! of those that ended, in one file a day, for training.
//!
//! A segment is `archive/YYYY-MM-DD.arc` (UTC day of the buckets): a header
//! and frames of `codec`. A frame holds rows of one boot and, before them, name and
//! context of the containers that have no such entry in the current hour, so a lost frame
//! costs names for an hour at most. Frames are only appended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cgroup::{ContainerKey, Context};
use crate::codec::{CodecError, HEADER_LEN, decode_header, encode_frame};

use super::bucket::{Row, rate_ucpu};
use super::frames::salvage;
use super::track::Closed;
use super::{BUCKET_MS, Note, cpus, seconds};

/// First bytes of a segment.
pub(super) const MAGIC: [u8; 8] = *b"cpfarc\r\n";

/// Version of the frames.
pub(super) const SCHEMA: u32 = 1;

/// Buckets in a day.
const BUCKETS_A_DAY: u32 = 288;

/// Last day whose name has four digits of year: 9999-12-31.
const LAST_DAY: u32 = 2_932_896;

/// Rows in one frame.
const MAX_ROWS: usize = 4_096;

/// What a container was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Display name.
    pub id: String,
    /// What was known beside the cgroup.
    pub context: Context,
}

/// One frame of a segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Frame {
    boot_id: String,
    infos: Vec<(u64, Info)>,
    rows: Vec<Row>,
}

/// Five minutes of one container. Rows with the same key and start add up:
/// covered times and means weighted by them; the maximum is the larger one.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchiveRow {
    /// Identity.
    pub key: ContainerKey,
    /// Name and context; none if the frame that told them is lost.
    pub info: Option<Info>,
    /// Start of the five minutes, seconds since the epoch, UTC.
    pub start_s: f64,
    /// Time that samples cover, seconds: 300 when whole.
    pub covered_s: f64,
    /// CPU time used in the covered time, nanoseconds.
    pub cpu_ns: u64,
    /// Mean use in the covered time, CPUs.
    pub mean: f64,
    /// Largest sample, CPUs.
    pub max: f64,
    /// Nearest-rank P95 of the samples, CPUs.
    pub p95: f64,
    /// Samples behind maximum and P95; 0: both are the mean.
    pub samples: u16,
    /// A part is the mean over an interval longer than five minutes.
    pub coarse: bool,
    /// Request at the time, CPUs.
    pub request: Option<f64>,
}

/// Frames to append, by day.
///
/// # Errors
/// If a frame cannot be encoded, which [`MAX_ROWS`] rules out.
pub(super) fn encode_days(pending: &[Closed]) -> Result<BTreeMap<u32, Vec<u8>>, CodecError> {
    let mut days: BTreeMap<u32, Vec<Frame>> = BTreeMap::new();
    for closed in pending {
        let frames = days.entry(day_of(&closed.row)).or_default();
        let fits = |f: &Frame| f.boot_id == closed.boot_id && f.rows.len() < MAX_ROWS;
        if !frames.last().is_some_and(fits) {
            frames.push(Frame {
                boot_id: closed.boot_id.clone(),
                infos: Vec::new(),
                rows: Vec::new(),
            });
        }
        if let Some(frame) = frames.last_mut() {
            let info = closed.info.iter().map(|i| (closed.row.inode, i.clone()));
            frame.infos.extend(info);
            frame.rows.push(closed.row.clone());
        }
    }
    let encode = |(day, frames): (u32, Vec<Frame>)| {
        let bytes: Result<Vec<_>, _> = frames.iter().map(encode_frame).collect();
        Ok((day, bytes?.concat()))
    };
    days.into_iter().map(encode).collect()
}

/// Rows of one segment, in the order in which they were written. `infos` is
/// what is known of containers so far, kept from day to day.
pub(super) fn decode_day(
    name: &str,
    bytes: &[u8],
    infos: &mut BTreeMap<ContainerKey, Info>,
    notes: &mut Vec<Note>,
) -> Vec<ArchiveRow> {
    let mut note = |text: String| notes.push(Note::store(text));
    let body = match decode_header(bytes, MAGIC, SCHEMA) {
        Ok(body) => body,
        Err(error) => {
            note(format!("the archive's {name} is left out: {error}"));
            return Vec::new();
        }
    };
    let found = salvage::<Frame>(body);
    for (begin, end) in &found.damage {
        note(format!(
            "the archive's {name} is damaged: {} bytes at {} are left out",
            end - begin,
            begin + HEADER_LEN
        ));
    }
    let mut rows = Vec::new();
    for frame in found.values {
        let key = |inode| ContainerKey {
            boot_id: frame.boot_id.clone(),
            inode,
        };
        for (inode, info) in frame.infos {
            infos.insert(key(inode), info);
        }
        for row in frame.rows {
            let key = key(row.inode);
            let info = infos.get(&key).cloned();
            rows.push(row_of(key, info, &row));
        }
    }
    rows
}

fn row_of(key: ContainerKey, info: Option<Info>, row: &Row) -> ArchiveRow {
    let covered_ms = u64::from(row.covered_ms);
    ArchiveRow {
        key,
        info,
        start_s: seconds(u64::from(row.bucket) * BUCKET_MS),
        covered_s: seconds(covered_ms),
        cpu_ns: row.cpu_ns,
        mean: cpus(rate_ucpu(row.cpu_ns, covered_ms)),
        max: cpus(row.max_ucpu),
        p95: cpus(row.p95_ucpu),
        samples: row.samples,
        coarse: row.coarse,
        request: row.request_mcpu.map(|m| f64::from(m) / 1000.0),
    }
}

/// The day of a row, in days since the epoch.
pub(super) fn day_of(row: &Row) -> u32 {
    (row.bucket / BUCKETS_A_DAY).min(LAST_DAY)
}

/// Name of a day's segment: `YYYY-MM-DD.arc`.
pub(super) fn day_name(day: u32) -> String {
    let (year, month, day) = civil(day);
    format!("{year:04}-{month:02}-{day:02}.arc")
}

/// The day of a segment's name; none for any other name.
pub(super) fn parse_day_name(name: &str) -> Option<u32> {
    let date = name.strip_suffix(".arc")?;
    let mut fields = date.split('-').map(|field| {
        let digits = field.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| field.parse::<u32>().ok()).flatten()
    });
    let (year, month, day) = (fields.next()??, fields.next()??, fields.next()??);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days before the month in a year that begins in March.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let number = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    let days = number.checked_sub(EPOCH)?;
    // Only the one spelling that we write.
    (day_name(days) == name).then_some(days)
}

/// Days from 1 March of year 0 to 1 January 1970 in the proleptic Gregorian calendar.
const EPOCH: u32 = 719_468;

/// Year, month, day of a day since the epoch. In years that begin in March the
/// leap day is the last one, months have 153 days in five, and 400 years have 146,097 days.
fn civil(day: u32) -> (u32, u32, u32) {
    let number = day.min(LAST_DAY) + EPOCH;
    let (era, of_era) = (number / 146_097, number % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = 400 * era + year + u32::from(month >= 10);
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_by_the_calendar() {
        // Day numbers from `date -u -d DATE +%s` divided by 86,400.
        let known = [
            (0, "1970-01-01.arc"),
            (58, "1970-02-28.arc"),
            (59, "1970-03-01.arc"),
            (11_016, "2000-02-29.arc"),
            (11_017, "2000-03-01.arc"),
            (20_453, "2025-12-31.arc"),
            (47_540, "2100-02-28.arc"),
            (47_541, "2100-03-01.arc"),
            (LAST_DAY, "9999-12-31.arc"),
        ];
        for (day, name) in known {
            assert_eq!(day_name(day), name);
            assert_eq!(parse_day_name(name), Some(day), "{name}");
        }
    }

    #[test]
    fn only_our_names_are_ours() {
        let foreign = [
            "",
            ".arc",
            "2025-12-31",
            "2025-12-31.arc.unreadable-1",
            "2025-02-30.arc",
            "2025-13-01.arc",
            "2025-1-01.arc",
            "+025-01-01.arc",
            "2025-01-01-01.arc",
            "02025-01-01.arc",
            "1969-12-31.arc",
        ];
        for name in foreign {
            assert_eq!(parse_day_name(name), None, "{name}");
        }
    }
}
