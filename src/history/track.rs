//! What is kept of one container, and how one observation changes it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::archive::Info;
use super::bucket::{Bucket, Interval, Row, fill, rate_ucpu};
use super::histogram::Histogram;
use super::{BUCKET_MS, HOUR_MS, cpus, seconds};

/// Samples of the last hour that are kept: one a second.
pub(super) const MAX_HOUR: usize = 3_600;

/// Shortest interval that gives a sample. Uptime has a resolution of 10 ms, so
/// a shorter one would be wrong by more than 1 %; the counter waits instead.
const MIN_INTERVAL_MS: u64 = 1_000;

/// An interval is a gap above this multiple of the usual one, and above
/// [`MIN_GAP_MS`]: a run that a busy host delayed is no gap.
const GAP_FACTOR: u64 = 3;

/// Shortest gap, milliseconds.
const MIN_GAP_MS: u64 = 60_000;

/// A use above the online CPUs by this factor is no use but a broken counter;
/// the margin is for the clock's resolution and CPUs that have just gone offline.
const ABSURD_FACTOR: f64 = 1.1;

/// Doubts kept; older than an hour they are dropped anyway.
const MAX_DOUBTS: usize = 8;

/// Archive buckets between two repetitions of a container's name and context.
const INFO_EVERY: u32 = 12;

/// The mean use over an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// End of the interval, uptime.
    pub end_ms: u64,
    /// Length of the interval.
    pub length_ms: u32,
    /// Use, micro-CPU.
    pub ucpu: u32,
}

/// A reading of the CPU time counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counter {
    pub uptime_ms: u64,
    pub usage_ns: u64,
}

/// What makes the recent history doubtful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Trouble {
    /// The counter went back.
    Reset,
    /// An interval of this many seconds where shorter ones are usual.
    Gap { seconds: u64 },
    /// More use than CPUs, milli-CPU.
    Absurd { mcpu: u64, online: u32 },
    /// Wall time moved by this many seconds against uptime.
    ClockStep { seconds: i64 },
    /// Uptime went back within one boot: a restored snapshot.
    UptimeBack,
}

impl Trouble {
    /// In words.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Reset => "the CPU time counter went back, this interval is lost".into(),
            Self::Gap { seconds } => {
                format!("no sample for {seconds} s: their mean hides the peaks")
            }
            Self::Absurd { mcpu, online } => format!(
                "{}.{:03} CPUs on {online} online ones cannot be, this interval is dropped",
                mcpu / 1000,
                mcpu % 1000
            ),
            Self::ClockStep { seconds } => format!("the clock stepped by {seconds:+} s"),
            Self::UptimeBack => {
                "uptime went back within one boot (a restored snapshot?), the interval is dropped"
                    .into()
            }
        }
    }
}

/// A row on its way to the archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Closed {
    pub boot_id: String,
    pub info: Option<Info>,
    pub row: Row,
}

/// One container.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Track {
    pub info: Info,
    pub request_mcpu: Option<u32>,
    /// Uptime of the first reading of the counter.
    pub first_ms: Option<u64>,
    /// Uptime at which the container was last there.
    pub seen_ms: u64,
    pub counter: Option<Counter>,
    /// Oldest first, ends ascending.
    pub hour: VecDeque<Sample>,
    pub day: Histogram,
    pub bucket: Option<Bucket>,
    /// `(uptime, what)`, oldest first.
    pub troubles: Vec<(u64, Trouble)>,
    /// Hour of the archive (buckets / 12) that has the info.
    pub introduced: Option<u32>,
}

/// A checked reading for [`Track::observe`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub wall_ms: u64,
    pub uptime_ms: u64,
    pub usage_ns: u64,
    pub cpus_online: u32,
}

impl Track {
    pub(super) fn new(info: Info, uptime_ms: u64) -> Self {
        Self {
            info,
            request_mcpu: None,
            first_ms: None,
            seen_ms: uptime_ms,
            counter: None,
            hour: VecDeque::new(),
            day: Histogram::new(),
            bucket: None,
            troubles: Vec::new(),
            introduced: None,
        }
    }

    /// Takes a reading; rows that it closes go to `closed`. What was wrong
    /// with it, if anything.
    pub(super) fn observe(
        &mut self,
        inode: u64,
        reading: &Reading,
        mut closed: impl FnMut(Row, Option<Info>),
    ) -> Option<Trouble> {
        let now = Counter {
            uptime_ms: reading.uptime_ms,
            usage_ns: reading.usage_ns,
        };
        self.forget_before(now.uptime_ms);
        let Some(before) = self.counter else {
            self.counter = Some(now);
            self.first_ms.get_or_insert(now.uptime_ms);
            return None;
        };
        let (length_ms, cpu_ns) = match difference(before, now, reading.cpus_online) {
            Ok(Some(difference)) => difference,
            Ok(None) => return None,
            Err(trouble) => {
                self.counter = Some(now);
                if trouble == Trouble::UptimeBack {
                    self.hour.retain(|s| s.end_ms <= now.uptime_ms);
                    self.troubles.retain(|t| t.0 <= now.uptime_ms);
                    self.first_ms = self.first_ms.map(|first| first.min(now.uptime_ms));
                }
                self.trouble(now.uptime_ms, trouble);
                return Some(trouble);
            }
        };
        self.counter = Some(now);
        let gap = self.is_gap(length_ms).then_some(Trouble::Gap {
            seconds: length_ms / 1000,
        });
        if let Some(gap) = gap {
            self.trouble(now.uptime_ms, gap);
        }
        let ucpu = rate_ucpu(cpu_ns, length_ms);
        if self.hour.len() == MAX_HOUR {
            self.hour.pop_front();
        }
        self.hour.push_back(Sample {
            end_ms: now.uptime_ms,
            length_ms: u32::try_from(length_ms).unwrap_or(u32::MAX),
            ucpu,
        });
        // A mean over a long gap must not outweigh the many samples beside it.
        let weight_s = seconds(length_ms.min(BUCKET_MS));
        self.day.add(seconds(now.uptime_ms), cpus(ucpu), weight_s);
        if length_ms <= HOUR_MS {
            let interval = Interval {
                end_wall_ms: reading.wall_ms,
                length_ms,
                cpu_ns,
                ucpu,
            };
            let mut open = self.bucket.take();
            fill(&mut open, &interval, |bucket| {
                self.close(inode, bucket, &mut closed);
            });
            self.bucket = open;
        }
        gap
    }

    /// Notes that something happened at `uptime_ms`.
    pub(super) fn trouble(&mut self, uptime_ms: u64, trouble: Trouble) {
        if self.troubles.len() == MAX_DOUBTS {
            self.troubles.remove(0);
        }
        self.troubles.push((uptime_ms, trouble));
    }

    /// Changes name or context; the archive learns it with the next row.
    pub(super) fn describe(&mut self, id: &str, context: &crate::cgroup::Context) {
        if self.info.id != id || self.info.context != *context {
            self.info = Info {
                id: id.to_string(),
                context: context.clone(),
            };
            self.introduced = None;
        }
    }

    /// Closes the open bucket if it ended before `wall_ms`.
    pub(super) fn flush(
        &mut self,
        inode: u64,
        wall_ms: u64,
        mut closed: impl FnMut(Row, Option<Info>),
    ) {
        if let Some(bucket) = self.bucket.take_if(|b| b.end_ms() <= wall_ms) {
            self.close(inode, bucket, &mut closed);
        }
    }

    fn close(&mut self, inode: u64, bucket: Bucket, closed: &mut impl FnMut(Row, Option<Info>)) {
        let hour = bucket.index / INFO_EVERY;
        let info = (self.introduced != Some(hour)).then(|| self.info.clone());
        self.introduced = Some(hour);
        closed(bucket.close(inode, self.request_mcpu), info);
    }

    fn forget_before(&mut self, uptime_ms: u64) {
        let begin = uptime_ms.saturating_sub(HOUR_MS);
        while self
            .hour
            .front()
            .is_some_and(|s| s.end_ms <= begin && begin > 0)
        {
            self.hour.pop_front();
        }
        self.troubles.retain(|t| t.0 >= begin);
    }

    /// Against the median of the last intervals, three at least.
    fn is_gap(&self, length_ms: u64) -> bool {
        let mut recent: Vec<u32> = self
            .hour
            .iter()
            .rev()
            .take(15)
            .map(|s| s.length_ms)
            .collect();
        recent.sort_unstable();
        let usual = u64::from(recent.get(recent.len() / 2).copied().unwrap_or(0));
        let unusual = recent.len() >= 3 && length_ms > GAP_FACTOR * usual;
        (unusual && length_ms > MIN_GAP_MS) || length_ms > HOUR_MS
    }
}

/// Length and CPU time between two readings; none if too short to tell.
fn difference(
    before: Counter,
    now: Counter,
    cpus_online: u32,
) -> Result<Option<(u64, u64)>, Trouble> {
    let Some(length_ms) = now.uptime_ms.checked_sub(before.uptime_ms) else {
        return Err(Trouble::UptimeBack);
    };
    let Some(cpu_ns) = now.usage_ns.checked_sub(before.usage_ns) else {
        return Err(Trouble::Reset);
    };
    if length_ms < MIN_INTERVAL_MS {
        return Ok(None);
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a comparison with a margin of a tenth"
    )]
    let absurd = cpu_ns as f64 > f64::from(cpus_online) * ABSURD_FACTOR * length_ms as f64 * 1e6;
    if absurd {
        return Err(Trouble::Absurd {
            mcpu: cpu_ns / length_ms / 1000,
            online: cpus_online,
        });
    }
    Ok(Some((length_ms, cpu_ns)))
}
