//! One container's rows, which grow as its samples come.

use serde::{Deserialize, Serialize};

use super::super::dataset::{TraceInfo, Walk, as_row, hash};
use super::super::features::{COUNT, fill_row};
use super::super::trees::mebibytes;
use super::ROW_S;
use crate::cgroup::ContainerKey;
use crate::history::Info;

/// A container: what it was, its rows, and the walk that makes the next ones.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Series {
    pub(super) key: ContainerKey,
    info: Option<Info>,
    request: f64,
    walk: Walk,
    /// One row in so many is kept, and the samples of one container in so many.
    stride: u64,
    /// Times, seconds since the epoch, targets and features `[rows, COUNT]`.
    times_s: Vec<f64>,
    targets: Vec<f32>,
    values: Vec<f32>,
    /// Samples (end, percent of the request), where they are kept.
    samples: Vec<(f64, f32)>,
}

impl Series {
    /// Of no samples yet.
    pub(super) fn new(key: ContainerKey, stride: u64) -> Self {
        Self {
            key,
            info: None,
            request: f64::NAN,
            walk: Walk::default(),
            stride,
            times_s: Vec::new(),
            targets: Vec::new(),
            values: Vec::new(),
            samples: Vec::new(),
        }
    }

    /// What the container is now.
    pub(super) fn update(&mut self, info: Option<Info>, request: f64) {
        self.info = info.or(self.info.take());
        self.request = request;
    }

    /// Takes in the samples that came since (start, percent of the request), ascending.
    pub(super) fn extend(&mut self, samples: impl Iterator<Item = (u64, f32)>) {
        let newest_s = self.walk.newest_s().unwrap_or(f64::NEG_INFINITY);
        let ends = samples.map(|(start_s, percent)| (seconds(start_s) + ROW_S, percent));
        let new: Vec<(f64, f32)> = ends.filter(|s| s.0 > newest_s).collect();
        let id = self.id();
        if Share(self.stride).takes(&id, 0.0) {
            self.samples.extend(&new);
        }
        let new: Vec<(f64, f64)> = new.iter().map(|s| (s.0, f64::from(s.1))).collect();
        let info = self.trace_info("");
        let share = Share(self.stride);
        let (times_s, targets) = (&mut self.times_s, &mut self.targets);
        let (values, mut row) = (&mut self.values, [0.0; COUNT]);
        let wanted = |now_s| share.takes(&id, now_s);
        // What is of the container is written into the rows when they are read.
        self.walk
            .extend(&info, &new, [f32::NAN; 4], wanted, |moment, target| {
                fill_row(moment, &mut row);
                times_s.push(moment.now_s);
                targets.push(as_row(target));
                values.extend_from_slice(&row);
            });
    }

    /// Forgets what began before `first_s`, and, of the rest, all but one in `stride`.
    pub(super) fn thin(&mut self, first_s: f64, stride: u64) {
        let (id, share) = (self.id(), Share(stride));
        let keep = |now_s: f64| now_s - ROW_S >= first_s && share.takes(&id, now_s);
        let mut kept = 0;
        for i in 0..self.times_s.len() {
            if keep(self.times_s[i]) {
                self.times_s[kept] = self.times_s[i];
                self.targets[kept] = self.targets[i];
                let row = i * COUNT..(i + 1) * COUNT;
                self.values.copy_within(row, kept * COUNT);
                kept += 1;
            }
        }
        self.times_s.truncate(kept);
        self.targets.truncate(kept);
        self.values.truncate(kept * COUNT);
        let followed = share.takes(&id, 0.0);
        self.samples.retain(|s| followed && s.0 - ROW_S >= first_s);
        self.stride = stride;
    }

    /// Whether all that it had was before `first_s`.
    pub(super) fn is_over(&self, first_s: f64) -> bool {
        self.walk.newest_s().is_none_or(|s| s - ROW_S < first_s)
    }

    /// The rows: time, features, target.
    pub(super) fn rows(&self) -> impl Iterator<Item = (f64, &[f32; COUNT], f32)> {
        let (rows, _) = self.values.as_chunks::<COUNT>();
        let times_s = self.times_s.iter().copied();
        let rows = times_s.zip(rows).zip(&self.targets);
        rows.map(|((now_s, row), target)| (now_s, row, *target))
    }

    /// The samples, end and percent of the request, where they are kept.
    pub(super) fn samples(&self) -> impl Iterator<Item = (f64, f64)> {
        self.samples.iter().map(|s| (s.0, f64::from(s.1)))
    }

    /// The container as a trace of `host`.
    pub(super) fn trace_info(&self, host: &str) -> TraceInfo {
        let context = self.info.as_ref().map(|i| i.context.clone());
        let context = context.unwrap_or_default();
        TraceInfo {
            id: self.id(),
            group: host.into(),
            interval_s: ROW_S,
            cpus: Some(self.request),
            memory_mib: context.memory_bytes.map(mebibytes),
            categories: [context.owner, context.image, context.app, None],
            of_core: false,
        }
    }

    /// Whether its parts fit each other: what was read from a file may be anything.
    pub(super) fn is_sound(&self) -> bool {
        let rows = self.times_s.len();
        self.walk.is_sound()
            && self.stride > 0
            && self.targets.len() == rows
            && self.values.len() == rows * COUNT
            && !self.values.iter().any(|v| v.is_infinite())
            && self.targets.iter().all(|t| t.is_finite())
    }

    fn id(&self) -> String {
        format!("{}/{}", self.key.boot_id, self.key.inode)
    }
}

/// One in so many, by a hash: what a larger number takes a smaller one takes too.
#[derive(Clone, Copy)]
struct Share(u64);

impl Share {
    fn takes(self, id: &str, now_s: f64) -> bool {
        self.0 <= 1 || hash(id, now_s, 0) < u64::MAX / self.0
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds since the epoch")]
pub(super) fn seconds(whole: u64) -> f64 {
    whole as f64
}
