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
//!
//! **How.** The days of all archives are counted first (`survey`), which says how many
//! rows are too many. Then one host after another is walked, a container (`series`) at a time, so
//! that no more is in memory than the rows asked for and the samples of one host.
//!
//! **Kept rows** (`cache`). With a directory for them, the rows of the days that will not change
//! any more are written down, each container's with its walk as it stood at their end. The
//! next time the walk goes on from there, and older days are neither decoded nor walked.
//! Of the same archive the rows are the same with and without. They differ where an archive has
//! dropped a day since: a walk that went on knows the container's true age and its weeks before.

mod cache;
mod series;
mod survey;

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::path::{Path, PathBuf};

use super::dataset::{AHEAD_S, Levels, Rows, TraceInfo};
use super::features::stamp;
use crate::cgroup::ContainerKey;
use crate::history::{ArchiveReader, ArchiveRow, Info};
use crate::report::escape_name;
use cache::{Head, Kept, Writer};
use series::{Series, seconds};
use survey::{Day, Survey, anew};

/// Length of an archive row, seconds.
const ROW_S: f64 = 300.0;

/// A row counts as a sample if this share of it is covered.
const LEAST_COVERED: f64 = 0.9;

/// Shares of the time for growing, and for growing and calibrating.
const CUTS: [f64; 2] = [0.75, 0.9];

const PERCENT: f64 = 100.0;

/// Rows of the three parts.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// To grow on, to calibrate by, to test on.
    pub rows: [Rows; 3],
    /// Level names of the categories.
    pub levels: Levels,
    /// Names of the groups: the hosts.
    pub groups: Vec<String>,
    /// Containers with all their samples (end, percent of the request), the same share of them as of the rows.
    pub followed: Vec<(TraceInfo, Vec<(f64, f64)>)>,
    /// Where the parts begin.
    pub cuts: Cuts,
    /// Samples in all.
    pub samples: u64,
    /// Samples whose rows were kept.
    pub reused: u64,
    /// Rows of the archives left out: not whole, or without a request.
    pub left_out: u64,
}

/// Where calibration and test begin, seconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cuts([f64; 2]);

impl Cuts {
    /// Of the time from the first sample's start to the last one's end.
    fn of(days: impl Iterator<Item = Day>) -> Self {
        let spans = days.filter_map(|d| d.span_s);
        let span = spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        let (first, last) = span.unwrap_or_default();
        let (first, last) = (seconds(first), seconds(last) + ROW_S);
        Self(CUTS.map(|share| first + share * (last - first)))
    }

    /// The part that a time belongs to; none where a row's ten minutes reach over a cut.
    #[must_use]
    pub fn part(&self, now_s: f64) -> Option<usize> {
        let near = |cut: &f64| (*cut - AHEAD_S..*cut).contains(&now_s);
        let part = self.0.iter().filter(|cut| now_s >= **cut).count();
        (!self.0.iter().any(near)).then_some(part)
    }
}

/// Why there are no rows.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// An archive cannot be listed.
    #[error("cannot read {}", escape_name(archive.as_os_str().as_encoded_bytes()))]
    Archive {
        /// The directory given.
        archive: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Kept rows have the right checksums and make no sense.
    #[error("{}: {reason}; remove it, and the rows are made anew", escape_name(path.as_os_str().as_encoded_bytes()))]
    Kept {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// The rows of archives (name of the host, directory given to `History::save`), about `most`
/// of them at most. `kept`: the directory of kept rows, made where it is missing. What could not be
/// read or kept is told in `notes`.
///
/// # Errors
/// If an archive cannot be listed.
pub fn read(
    archives: &[(String, PathBuf)],
    most: u64,
    kept: Option<&Path>,
    notes: &mut Vec<String>,
) -> Result<Parts, ArchiveError> {
    let surveys: Result<Vec<Survey>, _> = archives
        .iter()
        .map(|(host, archive)| {
            let survey = Survey::of(host, archive, kept, notes);
            survey.map_err(|source| unlisted(archive, source))
        })
        .collect();
    let surveys = surveys?;
    let days = || surveys.iter().flat_map(|s| s.days.iter().copied());
    let samples = days().map(|d| d.samples).sum::<u64>();
    let mut parts = Parts {
        cuts: Cuts::of(days()),
        samples,
        left_out: days().map(|d| d.left_out).sum(),
        ..Parts::default()
    };
    let stride = samples.div_ceil(most.max(1)).max(1);
    for survey in surveys {
        let host = Walker {
            survey: &survey,
            stride,
            kept,
        };
        host.walk(&mut parts, notes)?;
    }
    Ok(parts)
}

fn unlisted(archive: &Path, source: std::io::Error) -> ArchiveError {
    ArchiveError::Archive {
        archive: archive.into(),
        source,
    }
}

impl Parts {
    fn add(&mut self, host: &str, series: &Series) {
        if self.groups.last().is_none_or(|last| last != host) {
            self.groups.push(host.into());
        }
        let group = u16::try_from(self.groups.len() - 1).unwrap_or(0);
        let info = series.trace_info(host);
        let codes = self.levels.intern(&info.categories);
        for (now_s, row, target) in series.rows() {
            let Some(part) = self.cuts.part(now_s) else {
                continue;
            };
            let mut row = *row;
            stamp(&mut row, info.cpus, info.memory_mib, codes);
            self.rows[part].push_row(&row, target, group, now_s, ROW_S);
        }
        let samples: Vec<(f64, f64)> = series.samples().collect();
        if !samples.is_empty() {
            self.followed.push((info, samples));
        }
    }
}

/// A sample out of an archive's row.
struct Sample {
    start_s: u64,
    request: f64,
    percent: f32,
}

/// None: not whole, or without a request.
fn sample_of(row: &ArchiveRow) -> Option<Sample> {
    let request = row.request.filter(|r| r.is_finite() && *r > 0.0)?;
    let whole = row.covered_s >= LEAST_COVERED * ROW_S && !row.coarse;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "percents to seven digits; seconds since the epoch"
    )]
    whole.then_some(Sample {
        start_s: row.start_s.max(0.0) as u64,
        request,
        percent: (PERCENT * row.p95 / request) as f32,
    })
}

/// What the days to be walked say of a container.
struct New {
    info: Option<Info>,
    request: f64,
    /// By start, seconds since the epoch.
    samples: BTreeMap<u64, f32>,
}

type NewSamples = BTreeMap<ContainerKey, New>;

/// One host's turn.
struct Walker<'a> {
    survey: &'a Survey,
    /// One row in so many.
    stride: u64,
    kept: Option<&'a Path>,
}

impl Walker<'_> {
    fn walk(&self, parts: &mut Parts, notes: &mut Vec<String>) -> Result<(), ArchiveError> {
        let Some(first) = self.survey.days.first() else {
            return Ok(());
        };
        let first_s = seconds(begin_s(first.segment.day));
        let kept = self.usable(notes);
        let known = match kept {
            Some(_) => self.survey.known(),
            None => 0,
        };
        let known = &self.survey.days[..known];
        parts.reused += known.iter().map(|d| d.samples).sum::<u64>();
        let new = self.new_samples(known.last(), notes);
        let mut new = new.map_err(|source| unlisted(&self.survey.archive, source))?;
        let mut old = kept.iter().flat_map(Kept::series).peekable();
        let mut writer = self.writer(kept.as_ref(), notes);
        let closed_s = self.survey.closed().last();
        let closed_s = closed_s.map_or(0, |d| begin_s(d.segment.day + 1));
        while let Some(series) = self.next_series(&mut old, &new) {
            let mut series = series.map_err(|reason| self.senseless(reason))?;
            let found = new.remove(&series.key);
            if let Some(found) = &found {
                series.update(found.info.clone(), found.request);
            }
            let samples = found.map(|f| f.samples).unwrap_or_default();
            let mut samples = samples.into_iter().peekable();
            series.extend(std::iter::from_fn(|| samples.next_if(|s| s.0 < closed_s)));
            series.thin(first_s, self.kept_stride());
            if !series.is_over(first_s)
                && let Some(file) = &mut writer
                && let Err(error) = file.put(&series)
            {
                notes.push(not_kept(&self.survey.host, &error));
                writer = None;
            }
            series.extend(samples);
            series.thin(first_s, self.stride);
            if !series.is_over(first_s) {
                parts.add(&self.survey.host, &series);
            }
        }
        if let Some(Err(error)) = writer.map(Writer::end) {
            notes.push(not_kept(&self.survey.host, &error));
        }
        Ok(())
    }

    /// The kept rows, if they are whole and as many as may be taken.
    fn usable(&self, notes: &mut Vec<String>) -> Option<Kept> {
        let (directory, head) = self.kept.zip(self.survey.head.as_ref())?;
        let reason = match Kept::open(directory, &self.survey.host) {
            Ok(Some(kept)) if kept.head != *head => "they changed just now".into(),
            Ok(Some(kept)) if kept.head.stride > self.stride => format!(
                "one in {} is there, one in {} may be taken now",
                kept.head.stride, self.stride
            ),
            Ok(Some(kept)) => match kept.check() {
                Ok(()) => return Some(kept),
                Err(reason) => reason,
            },
            Ok(None) => "they are gone".into(),
            Err(reason) => reason,
        };
        notes.push(anew(&self.survey.host, &reason));
        None
    }

    /// One kept row in so many: a power of two, so that a few samples more do not make them useless.
    fn kept_stride(&self) -> u64 {
        match self.kept {
            Some(_) => 1 << self.stride.ilog2(),
            None => self.stride,
        }
    }

    /// Where the rows of closed days go; none if that is asked of nobody or would change nothing.
    fn writer(&self, kept: Option<&Kept>, notes: &mut Vec<String>) -> Option<Writer> {
        let directory = self.kept.filter(|_| !self.survey.closed().is_empty())?;
        let head = Head::new(&self.survey.host, self.kept_stride(), self.survey.closed());
        if kept.is_some_and(|kept| kept.head == head) {
            return None;
        }
        let begun = Writer::begin(directory, &head);
        let told = |error: &String| notes.push(not_kept(&self.survey.host, error));
        begun.inspect_err(told).ok()
    }

    /// The samples of the days after `known`.
    fn new_samples(
        &self,
        known: Option<&Day>,
        notes: &mut Vec<String>,
    ) -> std::io::Result<NewSamples> {
        let mut found = NewSamples::new();
        let mut reader = ArchiveReader::open(&self.survey.archive)?;
        if let Some(known) = known {
            reader = reader.after(known.segment.day);
        }
        for row in reader.by_ref() {
            let Some(sample) = sample_of(&row) else {
                continue;
            };
            let new = found.entry(row.key).or_insert_with(|| New {
                info: None,
                request: sample.request,
                samples: BTreeMap::new(),
            });
            new.request = sample.request;
            new.info = row.info.or(new.info.take());
            // Parts of one five minutes: the larger.
            let percent = new.samples.entry(sample.start_s).or_insert(sample.percent);
            *percent = percent.max(sample.percent);
        }
        let told = reader.notes().iter();
        notes.extend(told.map(|note| format!("{}: {note}", self.survey.host)));
        Ok(found)
    }

    /// The container that is next by key: kept, or new.
    fn next_series(
        &self,
        old: &mut Peekable<impl Iterator<Item = Result<Series, String>>>,
        new: &NewSamples,
    ) -> Option<Result<Series, String>> {
        let fresh = |key: &ContainerKey| Some(Ok(Series::new(key.clone(), self.kept_stride())));
        match (old.peek(), new.keys().next()) {
            (None, None) => None,
            (None, Some(key)) => fresh(key),
            (Some(Ok(series)), Some(key)) if *key < series.key => fresh(key),
            (Some(_), _) => old.next(),
        }
    }

    fn senseless(&self, reason: String) -> ArchiveError {
        let directory = self.kept.unwrap_or(Path::new("."));
        ArchiveError::Kept {
            path: cache::path_of(directory, &self.survey.host),
            reason,
        }
    }
}

fn not_kept(host: &str, error: &str) -> String {
    format!("{host}: its rows are not kept: {error}")
}

/// Begin of a day, seconds since the epoch.
fn begin_s(day: u32) -> u64 {
    u64::from(day) * 86_400
}

#[cfg(test)]
mod tests;
