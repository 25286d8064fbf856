//! What an archive holds, counted: how many samples, from when to when, and which days
//! have their rows kept.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cache::{Head, Kept};
use super::sample_of;
use crate::history::{ArchiveReader, Segment};

/// A day's segment and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Day {
    pub(super) segment: Segment,
    pub(super) samples: u64,
    /// Rows left out: not whole, or without a request.
    pub(super) left_out: u64,
    /// Starts of the first and the last sample, seconds since the epoch; none of none.
    pub(super) span_s: Option<(u64, u64)>,
}

/// An archive's days.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    pub(super) host: String,
    pub(super) archive: PathBuf,
    pub(super) days: Vec<Day>,
    /// What is kept of their rows.
    pub(super) head: Option<Head>,
}

/// The newest segments still grow: five minutes are closed up to an hour late.
const GROWING: usize = 2;

impl Survey {
    /// Counts the days of the archive of `host`; those whose rows are kept in `cache`
    /// were counted then.
    ///
    /// # Errors
    /// If the archive's directory cannot be listed.
    pub(super) fn of(
        host: &str,
        archive: &Path,
        cache: Option<&Path>,
        notes: &mut Vec<String>,
    ) -> std::io::Result<Self> {
        let mut reader = ArchiveReader::open(archive)?;
        let kept = cache.map_or(Ok(None), |directory| Kept::open(directory, host));
        let mut head = kept.map(|kept| kept.map(|k| k.head));
        let mut days: Vec<Day> = Vec::new();
        while let Some((segment, bytes)) = reader.next_segment() {
            let known = head.as_ref().ok().and_then(Option::as_ref);
            let known = known.and_then(|head| head.days.iter().find(|d| d.segment == segment));
            let day = known.copied();
            days.push(day.unwrap_or_else(|| counted(&mut reader, segment, &bytes)));
        }
        if let Ok(Some(found)) = &head
            && let Some(day) = differs(&found.days, &days)
        {
            head = Err(format!("the archive's {} is not as it was", day.name()));
        }
        let head = head.unwrap_or_else(|reason| {
            notes.push(anew(host, &reason));
            None
        });
        Ok(Self {
            host: host.into(),
            archive: archive.into(),
            days,
            head,
        })
    }

    /// How many days' rows are kept.
    pub(super) fn known(&self) -> usize {
        let last = self.head.as_ref().and_then(|h| h.days.last());
        last.map_or(0, |last| {
            self.days
                .partition_point(|d| d.segment.day <= last.segment.day)
        })
    }

    /// The days that will not change.
    pub(super) fn closed(&self) -> &[Day] {
        &self.days[..self.days.len().saturating_sub(GROWING).max(self.known())]
    }
}

/// What is said where kept rows are of no use.
pub(super) fn anew(host: &str, reason: &str) -> String {
    format!("{host}: kept rows are made anew: {reason}")
}

/// The first day that has changed, come or gone since its rows were kept. Those that are
/// older than all of the archive's have been dropped by it.
fn differs(kept: &[Day], days: &[Day]) -> Option<Segment> {
    let first = days.first()?.segment.day;
    let last = kept.last()?.segment.day;
    let mut kept = kept.iter().filter(|d| d.segment.day >= first);
    let mut days = days.iter().filter(|d| d.segment.day <= last);
    loop {
        match (kept.next(), days.next()) {
            (None, None) => return None,
            (Some(a), Some(b)) if a == b => {}
            (a, b) => return a.or(b).map(|d| d.segment),
        }
    }
}

fn counted(reader: &mut ArchiveReader, segment: Segment, bytes: &[u8]) -> Day {
    let mut day = Day {
        segment,
        samples: 0,
        left_out: 0,
        span_s: None,
    };
    for row in reader.rows(segment, bytes) {
        let Some(sample) = sample_of(&row) else {
            day.left_out += 1;
            continue;
        };
        day.samples += 1;
        let (first, last) = day.span_s.unwrap_or((sample.start_s, sample.start_s));
        day.span_s = Some((first.min(sample.start_s), last.max(sample.start_s)));
    }
    day
}
