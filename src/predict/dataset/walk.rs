//! The rows of one trace: which moments are eligible, what they know, what came.
//!
//! **Eligible row.** A sample at t with at least an hour of history, `t - first
//! sample >= 3600 s - interval`, and all `600 / interval` samples of
//! `(t, t + 600 s]` there.
//!
//! **Target.** The nearest-rank P95 of these samples.

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
    let (first, now) = (samples.first()?.0, samples.get(i)?.0);
    let ahead = samples_ahead(interval_s);
    let last = samples.get(i + ahead)?.0;
    // Times stand on the grid, so the last one tells that none is missing.
    let whole = ahead > 0 && last <= now + AHEAD_S + 1e-6;
    (whole && now - first >= HISTORY_S - interval_s - 1e-6).then_some(i + ahead + 1)
}

/// Visits the eligible rows of a trace in order of time: the moment and the
/// target, in percent. `wanted` tells by time whether the row is of use; the
/// others cost little. `categories` are the codes of owner, image, app, kind.
pub fn walk(
    info: &TraceInfo,
    samples: &[(f64, f64)],
    categories: [f32; 4],
    mut wanted: impl FnMut(f64) -> bool,
    mut visit: impl FnMut(&Moment<'_>, f64),
) {
    let Some(&(first_s, _)) = samples.first() else {
        return;
    };
    let mut memory = Memory::new();
    let mut recent: Vec<(f64, f64)> = Vec::new();
    let mut ahead: Vec<f64> = Vec::new();
    let mut hour_begin = 0;
    for (i, &(now_s, percent)) in samples.iter().enumerate() {
        memory.push(now_s, percent / PERCENT, info.interval_s);
        while samples[hour_begin].0 <= now_s - HISTORY_S {
            hour_begin += 1;
        }
        let Some(end) = eligible(samples, i, info.interval_s) else {
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
            memory: Some(&memory),
            age_s: now_s - first_s + info.interval_s,
            interval_s: Some(info.interval_s),
            unit: PERCENT,
            cpus: info.cpus,
            memory_mib: info.memory_mib,
            categories,
        };
        visit(&moment, target);
    }
}
