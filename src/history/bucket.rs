//! The open 5-minute bucket of a container, and the row it becomes.
//!
//! A sample is a mean over an interval that ends now; intervals do not respect
//! the borders of buckets. CPU time and covered time are split by overlap, in
//! integers, so that sums are exact. For maximum and P95 a sample belongs to
//! every bucket in which at least half of the sample or half of the bucket
//! lies; a bucket that got none (its edge was touched) reports its mean, and
//! no maximum is below the mean.

use serde::{Deserialize, Serialize};

use super::BUCKET_MS;

/// A closed 5-minute bucket as stored. Two rows of one container may name the
/// same bucket (a clock that went back, a run that came early): their times
/// and CPU times add up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    /// Inode of the container's cgroup; the boot id is the frame's.
    pub inode: u64,
    /// Start of the bucket, in units of 5 minutes since the epoch, UTC.
    pub bucket: u32,
    /// Time covered by samples, milliseconds: 300,000 when whole.
    pub covered_ms: u32,
    /// CPU time used in the covered time, nanoseconds.
    pub cpu_ns: u64,
    /// Largest sample, micro-CPU.
    pub max_ucpu: u32,
    /// Nearest-rank P95 of the samples, micro-CPU.
    pub p95_ucpu: u32,
    /// Samples behind the two.
    pub samples: u16,
    /// A part is the mean over an interval longer than the bucket.
    pub coarse: bool,
    /// Request at the time, milli-CPU.
    pub request_mcpu: Option<u32>,
}

/// The bucket that is being filled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Bucket {
    pub index: u32,
    covered_ms: u64,
    cpu_ns: u64,
    coarse: bool,
    samples_ucpu: Vec<u32>,
}

/// A mean over an interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    /// Wall time of its end, milliseconds since the epoch.
    pub end_wall_ms: u64,
    /// Length by uptime, milliseconds, positive.
    pub length_ms: u64,
    /// CPU time used in it, nanoseconds.
    pub cpu_ns: u64,
    /// The same as a rate, micro-CPU.
    pub ucpu: u32,
}

/// Samples of one bucket that are kept for its P95; at 1 s there are 300.
const MAX_SAMPLES: usize = 3_600;

/// An interval may begin this long before the open bucket without reopening
/// the one before: a slewed clock gains or loses milliseconds a round.
const SLEW_MS: u64 = 2_000;

impl Bucket {
    fn new(index: u32) -> Self {
        Self {
            index,
            covered_ms: 0,
            cpu_ns: 0,
            coarse: false,
            samples_ucpu: Vec::new(),
        }
    }

    /// When it ends, milliseconds since the epoch.
    pub(super) fn end_ms(&self) -> u64 {
        (u64::from(self.index) + 1) * BUCKET_MS
    }

    /// The row of this bucket.
    pub(super) fn close(mut self, inode: u64, request_mcpu: Option<u32>) -> Row {
        let mean = rate_ucpu(self.cpu_ns, self.covered_ms);
        self.samples_ucpu.sort_unstable();
        let samples = &self.samples_ucpu;
        Row {
            inode,
            bucket: self.index,
            covered_ms: u32::try_from(self.covered_ms).unwrap_or(u32::MAX),
            cpu_ns: self.cpu_ns,
            max_ucpu: samples.last().copied().unwrap_or(mean).max(mean),
            p95_ucpu: nearest_rank_95(samples).unwrap_or(mean),
            samples: u16::try_from(samples.len()).unwrap_or(u16::MAX),
            coarse: self.coarse,
            request_mcpu,
        }
    }

    fn put(&mut self, ms: u64, cpu_ns: u64, interval: &Interval) {
        self.covered_ms = self.covered_ms.saturating_add(ms);
        self.cpu_ns = self.cpu_ns.saturating_add(cpu_ns);
        self.coarse |= interval.length_ms > BUCKET_MS + SLEW_MS;
        let belongs = 2 * ms >= interval.length_ms.min(BUCKET_MS);
        if belongs && self.samples_ucpu.len() < MAX_SAMPLES {
            self.samples_ucpu.push(interval.ucpu);
        }
    }
}

/// Spreads `interval` over buckets, `open` first; buckets that it leaves
/// behind go to `close`.
pub(super) fn fill(open: &mut Option<Bucket>, interval: &Interval, mut close: impl FnMut(Bucket)) {
    let begin = interval.end_wall_ms.saturating_sub(interval.length_ms);
    let mut at = begin;
    let mut spent_ms = 0;
    let mut spent_ns = 0;
    while spent_ms < interval.length_ms {
        // Before the epoch there is no bucket: a clock near 1970 puts what is
        // left into the last piece.
        let natural = at / BUCKET_MS;
        let until = ((natural + 1) * BUCKET_MS).min(interval.end_wall_ms.max(at + 1));
        let mut ms = (until - at).min(interval.length_ms - spent_ms);
        if until >= interval.end_wall_ms {
            ms = interval.length_ms - spent_ms;
        }
        spent_ms += ms;
        let upto = u128::from(interval.cpu_ns) * u128::from(spent_ms);
        let upto = u64::try_from(upto / u128::from(interval.length_ms)).unwrap_or(u64::MAX);
        let natural = u32::try_from(natural).unwrap_or(u32::MAX);
        let slewed = |b: &Bucket| b.index.checked_sub(natural) == Some(1) && ms < SLEW_MS;
        let index = open
            .as_ref()
            .filter(|b| slewed(b))
            .map_or(natural, |b| b.index);
        if let Some(done) = open.take_if(|b| b.index != index) {
            close(done);
        }
        open.get_or_insert_with(|| Bucket::new(index))
            .put(ms, upto - spent_ns, interval);
        spent_ns = upto;
        at = until;
    }
}

/// CPU time over time as micro-CPU, saturating; 0 over no time.
pub(super) fn rate_ucpu(cpu_ns: u64, ms: u64) -> u32 {
    // ns / ms = 10^-6, which is micro-CPU.
    cpu_ns
        .checked_div(ms)
        .map_or(0, |rate| u32::try_from(rate).unwrap_or(u32::MAX))
}

/// The nearest-rank P95 of ascending values: the ceil(0.95 n)-th.
fn nearest_rank_95(ascending: &[u32]) -> Option<u32> {
    let rank = (95 * ascending.len()).div_ceil(100);
    ascending.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(open: &mut Option<Bucket>, end_wall_ms: u64, length_ms: u64, ucpu: u32) -> Vec<Row> {
        let mut rows = Vec::new();
        let cpu_ns = u64::from(ucpu) * length_ms;
        let interval = Interval {
            end_wall_ms,
            length_ms,
            cpu_ns,
            ucpu,
        };
        fill(open, &interval, |b| rows.push(b.close(7, None)));
        rows
    }

    #[test]
    fn nearest_rank_by_hand() {
        // ceil(0.95 * 20) = 19, ceil(0.95 * 10) = 10, ceil(0.95 * 21) = 20.
        let values: Vec<u32> = (1..=21).collect();
        assert_eq!(nearest_rank_95(&values[..20]), Some(19));
        assert_eq!(nearest_rank_95(&values[..10]), Some(10));
        assert_eq!(nearest_rank_95(&values), Some(20));
        assert_eq!(nearest_rank_95(&[]), None);
    }

    #[test]
    fn an_interval_over_a_border_is_split_by_time() {
        let mut open = None;
        // 10 s at 0.3 CPU, 4 s of them before the border at 300 s.
        assert_eq!(filled(&mut open, 306_000, 10_000, 300_000).len(), 1);
        let second = open.clone().unwrap();
        assert_eq!(
            (second.index, second.covered_ms, second.cpu_ns),
            (1, 6_000, 1_800_000_000)
        );
        // 6 s of 10 s: it counts as a sample of the second bucket only.
        assert_eq!(second.samples_ucpu, [300_000]);
    }

    #[test]
    fn the_touched_bucket_reports_its_mean() {
        let mut open = None;
        let rows = filled(&mut open, 306_000, 10_000, 300_000);
        // 4 s at 0.3 CPU is 1.2 CPU s; mean, max and P95 are 0.3.
        let row = &rows[0];
        assert_eq!(
            (row.bucket, row.covered_ms, row.cpu_ns),
            (0, 4_000, 1_200_000_000)
        );
        assert_eq!(
            (row.max_ucpu, row.p95_ucpu, row.samples),
            (300_000, 300_000, 0)
        );
    }

    #[test]
    fn an_hour_long_interval_fills_whole_buckets_and_is_marked() {
        let mut open = None;
        // From 100 s to 3,700 s: 200 s in bucket 0, 11 whole ones, 100 s in bucket 12.
        let rows = filled(&mut open, 3_700_000, 3_600_000, 500_000);
        let covered: Vec<u32> = rows.iter().map(|r| r.covered_ms).collect();
        assert_eq!(covered, [&[200_000][..], &[300_000; 11]].concat());
        assert!(rows.iter().all(|r| r.coarse));
        assert_eq!(open.unwrap().covered_ms, 100_000);
    }

    #[test]
    fn a_slewed_clock_does_not_reopen_a_bucket() {
        let mut open = None;
        assert!(filled(&mut open, 310_000, 10_000, 1).is_empty());
        // The clock lost 5 ms: 10 s that end at 309.995 s begin before 300 s.
        assert!(filled(&mut open, 309_995, 10_000, 1).is_empty());
        assert_eq!(open.unwrap().covered_ms, 20_000);
    }

    #[test]
    fn a_clock_near_the_epoch_loses_no_time() {
        let mut open = None;
        // A 60 s interval that ends 5 s after the epoch.
        assert!(filled(&mut open, 5_000, 60_000, 1_000_000).is_empty());
        let open = open.unwrap();
        assert_eq!(
            (open.index, open.covered_ms, open.cpu_ns),
            (0, 60_000, 60_000_000_000)
        );
    }
}
