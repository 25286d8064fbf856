//! Reads a directory of usage traces, one trace at a time.
//!
//! **Format.** `meta.csv` or `meta.csv.gz` with the columns `trace_id`, `group`
//! and `interval_s`; `cpus`, `memory_mib`, `owner`, `image`, `app`, `kind` and
//! `owner_or_app` (an owner) are read where they are there, an empty field is
//! unknown. Every other `.csv` or `.csv.gz` holds samples,
//! `trace_id,timestamp_s,cpu_pct`: rows of a trace together, times ascending on
//! a grid of the trace's interval, absent rows for missing samples. No quoting.
//!
//! **Memory.** That of the longest trace, and an entry for each trace.
#![expect(clippy::disallowed_methods, reason = "reads trace files: an edge")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::report::escape_name;

/// Header of a file of samples.
const HEADER: &str = "trace_id,timestamp_s,cpu_pct";

/// Longest line: ids are short.
const LONGEST_LINE: u64 = 4_096;

/// Largest use, percent: more CPUs than any host has.
const MAX_PERCENT: f64 = 6_553_600.0;

/// Largest time, seconds: 3,000 years.
const MAX_TIME_S: f64 = 1e11;

/// Samples of one trace at most: a sample a second for three years.
const MAX_SAMPLES: usize = 100_000_000;

/// What is wrong with a directory of traces.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// A file or directory cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Its path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line is not as it should be.
    #[error("{path}, line {line}{}: {reason}", column.map(|c| format!(", column {c}")).unwrap_or_default())]
    Line {
        /// The file.
        path: String,
        /// The line, from 1.
        line: u64,
        /// Name of the column, if it is about one.
        column: Option<&'static str>,
        /// What was found and what was expected.
        reason: String,
    },
    /// The directory has no samples.
    #[error("{path} has no traces: expected meta.csv[.gz] and files with the header {HEADER}")]
    Nothing {
        /// The directory.
        path: String,
    },
}

/// What is known of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceInfo {
    /// Its id.
    pub id: String,
    /// The group that its scores count for.
    pub group: String,
    /// Sampling interval, seconds.
    pub interval_s: f64,
    /// Requested CPUs.
    pub cpus: Option<f64>,
    /// Memory, MiB.
    pub memory_mib: Option<f64>,
    /// Owner, image, app, kind.
    pub categories: [Option<String>; 4],
    /// Whether percents are of one core, not of the request.
    pub of_core: bool,
}

impl TraceInfo {
    /// What a prediction is clamped to, in the trace's unit.
    #[must_use]
    pub fn limit(&self) -> Option<f64> {
        if self.of_core {
            self.cpus.map(|cpus| 100.0 * cpus)
        } else {
            Some(100.0)
        }
    }
}

/// A directory of traces.
#[derive(Debug)]
pub struct TraceFolder {
    files: Vec<PathBuf>,
    meta: BTreeMap<String, TraceInfo>,
    path: String,
}

impl TraceFolder {
    /// Looks at the directory and reads what is known of its traces.
    ///
    /// # Errors
    /// If it cannot be read, or the line in which `meta.csv` is broken.
    pub fn open(dir: &Path) -> Result<Self, TracesError> {
        let path = shown(dir);
        let failed = |source| TracesError::Read {
            path: path.clone(),
            source,
        };
        let mut files = Vec::new();
        let mut meta = None;
        for entry in std::fs::read_dir(dir).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            let name = file.file_name().and_then(|n| n.to_str()).unwrap_or("");
            if matches!(name, "meta.csv" | "meta.csv.gz") {
                meta = Some(file);
            } else if name.ends_with(".csv") || name.ends_with(".csv.gz") {
                files.push(file);
            }
        }
        files.sort();
        let (Some(meta), false) = (meta, files.is_empty()) else {
            return Err(TracesError::Nothing { path });
        };
        Ok(Self {
            files,
            meta: read_meta(&meta)?,
            path,
        })
    }

    /// Visits each trace with its samples `(seconds since the epoch, percent)`,
    /// files by name, traces as they stand there.
    ///
    /// # Errors
    /// The first broken line; if there is no sample at all.
    pub fn visit(
        &self,
        mut visit: impl FnMut(&TraceInfo, &[(f64, f64)]),
    ) -> Result<(), TracesError> {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for file in &self.files {
            let mut lines = Lines::open(file)?;
            lines.header(HEADER)?;
            let mut samples: Vec<(f64, f64)> = Vec::new();
            let mut current: Option<&TraceInfo> = None;
            while lines.advance()? {
                let (id, time_s, percent) = lines.sample()?;
                let info = match current {
                    Some(info) if info.id.as_bytes() == id => info,
                    _ => {
                        if let Some(info) = current {
                            visit(info, &samples);
                        }
                        samples.clear();
                        let info = self.info(id, &lines)?;
                        if !seen.insert(info.id.clone()) {
                            let text = format!(
                                "{:?} was ended above by another trace; its rows must stand together",
                                info.id
                            );
                            return Err(lines.error(Some("trace_id"), text));
                        }
                        current = Some(info);
                        info
                    }
                };
                if let Some(&(before, _)) = samples.last() {
                    check_step(before, time_s, info.interval_s)
                        .map_err(|text| lines.error(Some("timestamp_s"), text))?;
                }
                if samples.len() == MAX_SAMPLES {
                    let text = format!("more than {MAX_SAMPLES} samples of one trace");
                    return Err(lines.error(None, text));
                }
                samples.push((time_s, percent));
            }
            if let Some(info) = current {
                visit(info, &samples);
            }
        }
        if seen.is_empty() {
            return Err(TracesError::Nothing {
                path: self.path.clone(),
            });
        }
        Ok(())
    }

    fn info(&self, id: &[u8], lines: &Lines) -> Result<&TraceInfo, TracesError> {
        let text = str::from_utf8(id).ok();
        text.and_then(|id| self.meta.get(id)).ok_or_else(|| {
            let text = format!("\"{}\" is not in the meta file", escape_name(id));
            lines.error(Some("trace_id"), text)
        })
    }
}

/// Times ascend in whole intervals.
fn check_step(before: f64, time_s: f64, interval_s: f64) -> Result<(), String> {
    let step = time_s - before;
    if step <= 0.0 {
        return Err(format!("{time_s} is not after {before}, the row above"));
    }
    let intervals = step / interval_s;
    if (intervals - intervals.round()).abs() * interval_s > 1e-3 {
        return Err(format!(
            "{step} s after the row above, which is no multiple of the trace's interval of {interval_s} s: intervals are not mixed within a trace"
        ));
    }
    Ok(())
}

/// A file line by line.
struct Lines {
    reader: BufReader<Box<dyn Read>>,
    path: PathBuf,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, TracesError> {
        let file = File::open(path).map_err(|source| TracesError::Read {
            path: shown(path),
            source,
        })?;
        let reader: Box<dyn Read> = if path.extension().is_some_and(|e| e == "gz") {
            Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file)))
        } else {
            Box::new(file)
        };
        Ok(Self {
            reader: BufReader::with_capacity(1 << 18, reader),
            path: path.to_path_buf(),
            line: Vec::new(),
            number: 0,
        })
    }

    /// Reads the next line; false at the end.
    fn advance(&mut self) -> Result<bool, TracesError> {
        self.line.clear();
        self.number += 1;
        let mut bounded = self.reader.by_ref().take(LONGEST_LINE);
        let read = bounded.read_until(b'\n', &mut self.line);
        match read {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            Err(e) => return Err(self.error(None, format!("cannot be read: {e}"))),
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            if self.line.last() == Some(&b'\r') {
                self.line.pop();
            }
        } else if self.line.len() as u64 == LONGEST_LINE {
            let text = format!("is longer than {LONGEST_LINE} bytes");
            return Err(self.error(None, text));
        }
        Ok(true)
    }

    fn header(&mut self, expected: &str) -> Result<(), TracesError> {
        self.advance()?;
        if self.line == expected.as_bytes() {
            return Ok(());
        }
        let found = escape_name(&self.line);
        Err(self.error(
            None,
            format!("the header is \"{found}\", expected \"{expected}\""),
        ))
    }

    /// The fields of a row of samples.
    fn sample(&self) -> Result<(&[u8], f64, f64), TracesError> {
        let mut fields = self.line.split(|&b| b == b',');
        let (Some(id), Some(time), Some(percent), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            let count = self.line.split(|&b| b == b',').count();
            return Err(self.error(None, format!("{count} fields, expected 3: {HEADER}")));
        };
        if id.is_empty() {
            return Err(self.error(Some("trace_id"), "is empty".into()));
        }
        let time_s = self.number("timestamp_s", time, MAX_TIME_S)?;
        let percent = self.number("cpu_pct", percent, MAX_PERCENT)?;
        Ok((id, time_s, percent))
    }

    fn number(&self, column: &'static str, field: &[u8], max: f64) -> Result<f64, TracesError> {
        let number = str::from_utf8(field)
            .ok()
            .and_then(|t| t.parse::<f64>().ok());
        match number {
            Some(number) if (0.0..=max).contains(&number) => Ok(number),
            _ => {
                let text = format!("\"{}\" is not a number from 0 to {max}", escape_name(field));
                Err(self.error(Some(column), text))
            }
        }
    }

    fn error(&self, column: Option<&'static str>, reason: String) -> TracesError {
        TracesError::Line {
            path: shown(&self.path),
            line: self.number,
            column,
            reason,
        }
    }
}

fn shown(path: &Path) -> String {
    escape_name(path.as_os_str().as_encoded_bytes())
}

/// Columns of the meta file that are read, by place in [`Columns`].
const COLUMNS: [&str; 11] = [
    "trace_id",
    "group",
    "interval_s",
    "cpus",
    "memory_mib",
    "owner",
    "image",
    "app",
    "kind",
    "owner_or_app",
    "unit",
];

fn read_meta(path: &Path) -> Result<BTreeMap<String, TraceInfo>, TracesError> {
    let mut lines = Lines::open(path)?;
    lines.advance()?;
    let header = text_of(&lines)?.to_string();
    let names: Vec<&str> = header.split(',').collect();
    let places = COLUMNS.map(|column| names.iter().position(|name| *name == column));
    for (column, place) in COLUMNS.iter().zip(places).take(3) {
        if place.is_none() {
            let text = format!(
                "has no {column} in its header \"{}\"",
                escape_name(header.as_bytes())
            );
            return Err(lines.error(Some(column), text));
        }
    }
    let mut all = BTreeMap::new();
    while lines.advance()? {
        let text = text_of(&lines)?;
        let fields: Vec<&str> = text.split(',').collect();
        if fields.len() != names.len() {
            let text = format!("{} fields, the header has {}", fields.len(), names.len());
            return Err(lines.error(None, text));
        }
        let field = |i: usize| places[i].map_or("", |place| fields[place]);
        let known = |i: usize| Some(field(i).to_string()).filter(|text| !text.is_empty());
        let number = |i: usize| -> Result<Option<f64>, TracesError> {
            let Some(text) = known(i) else {
                return Ok(None);
            };
            lines
                .number(COLUMNS[i], text.as_bytes(), MAX_TIME_S)
                .map(Some)
        };
        for (i, column) in COLUMNS.iter().enumerate().take(3) {
            if field(i).is_empty() {
                return Err(lines.error(Some(column), "is empty".into()));
            }
        }
        let interval_s = number(2)?.unwrap_or(0.0);
        if interval_s <= 0.0 {
            return Err(lines.error(Some("interval_s"), "is not positive".into()));
        }
        let group = field(1).to_string();
        let of_core = match field(10) {
            "core" => true,
            "request" => false,
            // Traces of containers are in percent of a core by their README.
            "" => group.starts_with("nezha"),
            other => {
                let text = format!(
                    "\"{}\" is neither request nor core",
                    escape_name(other.as_bytes())
                );
                return Err(lines.error(Some("unit"), text));
            }
        };
        let info = TraceInfo {
            id: field(0).to_string(),
            group,
            interval_s,
            cpus: number(3)?,
            memory_mib: number(4)?,
            categories: [known(5).or_else(|| known(9)), known(6), known(7), known(8)],
            of_core,
        };
        let id = info.id.clone();
        if all.insert(id.clone(), info).is_some() {
            let text = format!("{id:?} is there twice");
            return Err(lines.error(Some("trace_id"), text));
        }
    }
    Ok(all)
}

fn text_of(lines: &Lines) -> Result<&str, TracesError> {
    str::from_utf8(&lines.line).map_err(|_| lines.error(None, "is not UTF-8".into()))
}
