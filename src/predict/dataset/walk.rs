//! The rows of one trace: which moments are eligible, what they know, what came.
//!
//! **Eligible row.** A sample at t with at least an hour of history, `t - first
//! sample >= 3600 s - interval`, and all `600 / interval` samples of
//! `(t, t + 600 s]` there.
//!
//! **Target.** The nearest-rank P95 of these samples.

use serde::{Deserialize, Serialize};

use super::super::features::Moment;
use super::super::memory::Memory;
use super::super::rank::nearest_rank_95;
use super::read::TraceInfo;

/// What is predicted is the P95 of this long, seconds.
pub const AHEAD_S: f64 = 600.0;

/// History that a row needs, seconds.
pub const HISTORY_S: f64 = 3_600.0;

/// Percents in a CPU.
const PERCENT: f64 = 100.0;

/// Samples in the ten minutes to come; 0: the interval is longer than that.
#[must_use]
pub fn samples_ahead(interval_s: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 600,000 for intervals from a millisecond on; a cast saturates"
    )]
    let samples = (AHEAD_S / interval_s + 1e-9) as usize;
    samples
}

/// Index one beyond the last sample of the ten minutes after sample `i`, if
/// the row is eligible.
#[must_use]
pub fn eligible(samples: &[(f64, f64)], i: usize, interval_s: f64) -> Option<usize> {
    let first_s = samples.first()?.0;
    eligible_since(first_s, samples, i, interval_s)
}

/// [`eligible`] in a trace that began at `first_s`, of which `samples` are the newest.
fn eligible_since(
    first_s: f64,
    samples: &[(f64, f64)],
    i: usize,
    interval_s: f64,
) -> Option<usize> {
    let now = samples.get(i)?.0;
    let ahead = samples_ahead(interval_s);
    let last = samples.get(i + ahead)?.0;
    // Times stand on the grid, so the last one tells that none is missing.
    let whole = ahead > 0 && last <= now + AHEAD_S + 1e-6;
    (whole && now - first_s >= HISTORY_S - interval_s - 1e-6).then_some(i + ahead + 1)
}

/// Visits the eligible rows of a trace in order of time: the moment and the
/// target, in percent. `wanted` tells by time whether the row is of use; the
/// others cost little. `categories` are the codes of owner, image, app, kind.
pub fn walk(
    info: &TraceInfo,
    samples: &[(f64, f64)],
    categories: [f32; 4],
    wanted: impl FnMut(f64) -> bool,
    visit: impl FnMut(&Moment<'_>, f64),
) {
    Walk::default().extend(info, samples, categories, wanted, visit);
}

/// A walk that goes on where it stopped when more samples come: in parts it visits
/// the same rows as at once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Walk {
    memory: Memory,
    first_s: Option<f64>,
    /// The hour before the sample that is next, it and what follows.
    samples: Vec<(f64, f64)>,
    /// Index in `samples` of the one that is next: the first that the memory does not hold.
    next: usize,
}

impl Walk {
    /// As [`walk`], with the samples that came since.
    pub fn extend(
        &mut self,
        info: &TraceInfo,
        samples: &[(f64, f64)],
        categories: [f32; 4],
        mut wanted: impl FnMut(f64) -> bool,
        mut visit: impl FnMut(&Moment<'_>, f64),
    ) {
        self.samples.extend_from_slice(samples);
        let Some(&(oldest_s, _)) = self.samples.first() else {
            return;
        };
        let first_s = *self.first_s.get_or_insert(oldest_s);
        let memory = &mut self.memory;
        let samples = &self.samples;
        let mut recent: Vec<(f64, f64)> = Vec::new();
        let mut ahead: Vec<f64> = Vec::new();
        let mut hour_begin = 0;
        // What comes after the last ones is not known yet.
        let known = samples.len().saturating_sub(samples_ahead(info.interval_s));
        for i in self.next..known {
            let (now_s, percent) = samples[i];
            memory.push(now_s, percent / PERCENT, info.interval_s);
            while samples[hour_begin].0 <= now_s - HISTORY_S {
                hour_begin += 1;
            }
            let Some(end) = eligible_since(first_s, samples, i, info.interval_s) else {
                continue;
            };
            if !wanted(now_s) {
                continue;
            }
            recent.clear();
            let hour = &samples[hour_begin..=i];
            recent.extend(hour.iter().map(|s| (now_s - s.0, s.1 / PERCENT)));
            ahead.clear();
            ahead.extend(samples[i + 1..end].iter().map(|s| s.1));
            let Some(target) = nearest_rank_95(&mut ahead) else {
                continue;
            };
            let moment = Moment {
                now_s,
                hour: &recent,
                day_p95: memory.day().quantile(0.95),
                memory: Some(memory),
                age_s: now_s - first_s + info.interval_s,
                interval_s: Some(info.interval_s),
                unit: PERCENT,
                cpus: info.cpus,
                memory_mib: info.memory_mib,
                categories,
            };
            visit(&moment, target);
        }
        self.next = self.next.max(known);
        // The hour before the last one walked: the next one's begins no earlier.
        self.samples.drain(..hour_begin);
        self.next -= hour_begin;
    }

    /// Time of the newest sample, seconds since the epoch; none yet: none.
    #[must_use]
    pub fn newest_s(&self) -> Option<f64> {
        self.samples.last().map(|s| s.0)
    }

    /// Whether it can go on: what was read from a file may be anything.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let times = || self.samples.iter().map(|s| s.0).chain(self.first_s);
        self.memory.is_sound()
            && self.next <= self.samples.len()
            && self.samples.is_sorted_by(|a, b| a.0 < b.0)
            && times().all(f64::is_finite)
    }
}
