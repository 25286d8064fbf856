//! Rows to learn from out of a host's archive, or a fleet's archives.
//!
//! **Sample.** Five minutes of a container, at their end: the P95 of the samples in
//! them, of which the archive has nothing finer, in % of the request. The target by
//! the one definition of `dataset::walk` is then the larger of the next two such
//! P95s: an upper bound of the P95 of their ten minutes, and equal to it where a
//! sample takes five minutes. Stretches that samples do not cover whole are gaps.
//! Containers without a request are left out: their levels are shares of nothing.
//!
//! **Split**, by time over all containers: the last tenth tests (the new model
//! against the old one, nothing else sees it), the 15 % before calibrate and stop
//! growth, the rest is grown on. A row whose ten minutes reach into a later part
//! is left out there by the walk's own clock: parts are cut by the row's time, and
//! ten minutes around a cut are skipped.

use std::collections::BTreeMap;

use super::dataset::{AHEAD_S, Levels, Rows, TraceInfo, walk};
use crate::cgroup::ContainerKey;
use crate::history::{ArchiveRow, Info};

/// Length of an archive row, seconds.
const ROW_S: f64 = 300.0;

/// A row counts as a sample if this share of it is covered.
const LEAST_COVERED: f64 = 0.9;

/// Shares of the time for growing, and for growing and calibrating.
const CUTS: [f64; 2] = [0.75, 0.9];

const PERCENT: f64 = 100.0;

/// One container's samples and what it was.
#[derive(Clone, Debug)]
struct Kept {
    /// By start, seconds since the epoch: P95, share of the request, percent.
    samples: BTreeMap<u64, f32>,
    info: Option<Info>,
    request: f64,
}

/// What archives hold, by host and container.
#[derive(Clone, Debug, Default)]
pub struct ArchiveRows {
    kept: BTreeMap<(String, ContainerKey), Kept>,
    /// Rows left out: not whole, or without a request.
    pub left_out: u64,
}

/// Rows of the three parts.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// To grow on, to calibrate by, to test on.
    pub rows: [Rows; 3],
    /// Level names of the categories.
    pub levels: Levels,
    /// Names of the groups: the hosts.
    pub groups: Vec<String>,
}

impl ArchiveRows {
    /// Takes a row of the archive of `host` in.
    pub fn add(&mut self, host: &str, row: &ArchiveRow) {
        let request = row.request.filter(|r| r.is_finite() && *r > 0.0);
        let whole = row.covered_s >= LEAST_COVERED * ROW_S && !row.coarse;
        let (Some(request), true) = (request, whole) else {
            self.left_out += 1;
            return;
        };
        let kept = self
            .kept
            .entry((host.to_string(), row.key.clone()))
            .or_insert_with(|| Kept {
                samples: BTreeMap::new(),
                info: None,
                request,
            });
        kept.request = request;
        kept.info = row.info.clone().or(kept.info.take());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "percents to seven digits; seconds since the epoch"
        )]
        let (start, percent) = (
            row.start_s.max(0.0) as u64,
            (PERCENT * row.p95 / request) as f32,
        );
        // Parts of one five minutes: the larger.
        let sample = kept.samples.entry(start).or_insert(percent);
        *sample = sample.max(percent);
    }

    /// Samples in all.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.kept.values().map(|k| k.samples.len()).sum()
    }

    /// Visits the containers: what they were, samples (end, percent of the request), and
    /// which part a time belongs to; none where a row's ten minutes reach over a cut.
    pub fn visit(
        &self,
        mut visit: impl FnMut(&TraceInfo, &[(f64, f64)], &dyn Fn(f64) -> Option<usize>),
    ) {
        let times = || self.kept.values().flat_map(|k| k.samples.keys());
        let Some((first, last)) = times().min().zip(times().max()) else {
            return;
        };
        let (first, last) = (seconds(*first), seconds(*last) + ROW_S);
        let cuts = CUTS.map(|share| first + share * (last - first));
        let part_of = |now_s: f64| {
            let near = |cut: &f64| (*cut - AHEAD_S..*cut).contains(&now_s);
            let part = cuts.iter().filter(|cut| now_s >= **cut).count();
            (!cuts.iter().any(near)).then_some(part)
        };
        for ((host, key), kept) in &self.kept {
            let context = kept
                .info
                .as_ref()
                .map(|i| i.context.clone())
                .unwrap_or_default();
            let info = TraceInfo {
                id: format!("{}/{}", key.boot_id, key.inode),
                group: host.clone(),
                interval_s: ROW_S,
                cpus: Some(kept.request),
                memory_mib: context.memory_bytes.map(super::trees::mebibytes),
                categories: [context.owner, context.image, context.app, None],
                of_core: false,
            };
            let samples: Vec<(f64, f64)> = kept
                .samples
                .iter()
                .map(|(start, percent)| (seconds(*start) + ROW_S, f64::from(*percent)))
                .collect();
            visit(&info, &samples, &part_of);
        }
    }

    /// The rows, of each container every `stride`-th.
    #[must_use]
    pub fn rows(&self, stride: usize) -> Parts {
        let mut parts = Parts {
            groups: self.kept.keys().map(|k| k.0.clone()).collect(),
            ..Parts::default()
        };
        parts.groups.dedup();
        self.visit(|info, samples, part_of| {
            let group = parts.groups.iter().position(|g| *g == info.group);
            let group = group.and_then(|g| u16::try_from(g).ok()).unwrap_or(0);
            let codes = parts.levels.intern(&info.categories);
            let rows = &mut parts.rows;
            let mut number = 0;
            let wanted = |now_s| part_of(now_s).is_some();
            walk(info, samples, codes, wanted, |moment, target| {
                number += 1;
                let Some(part) = part_of(moment.now_s).filter(|_| number % stride.max(1) == 0)
                else {
                    return;
                };
                rows[part].push(moment, target, group, ROW_S);
            });
        });
        parts
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds since the epoch")]
fn seconds(whole: u64) -> f64 {
    whole as f64
}
