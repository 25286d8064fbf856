//! Usage traces as text, for the demo and for training.
//!
//! CSV with the header `trace_id,timestamp_s,cpus`: seconds since the epoch
//! (UTC) and the mean use in CPUs over the interval that ends then. Rows of a
//! trace stand together, times ascend. No quoting; ids are any text without a comma.

use super::histogram::Histogram;
use crate::predict::{Features, Memory};

/// The first line.
const HEADER: &str = "trace_id,timestamp_s,cpus";

/// More CPUs than any host has: a wrong unit.
const MAX_CPUS: f64 = 65_536.0;

/// Window of [`Features::last_hour`], seconds.
const HOUR_S: f64 = 3_600.0;

/// What is wrong with a trace file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}: {reason}", column.map(|c| format!(", column {c}")).unwrap_or_default())]
pub struct TraceError {
    /// Line, from 1.
    pub line: usize,
    /// Name of the column, if it is about one.
    pub column: Option<&'static str>,
    /// What was found and what was expected.
    pub reason: String,
}

/// One container's use over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Its id.
    pub id: String,
    /// `(seconds since the epoch, CPUs)`, times ascending.
    pub samples: Vec<(f64, f64)>,
}

/// Reads traces.
///
/// # Errors
/// Another header, a row without three fields, a number that is none, a use
/// that is negative or above 65,536 CPUs, times that do not ascend, a trace in two places.
pub fn parse_traces(text: &str) -> Result<Vec<Trace>, TraceError> {
    let mut traces: Vec<Trace> = Vec::new();
    let mut lines = text.lines().enumerate();
    let header = lines.next().map_or("", |(_, line)| line);
    if header != HEADER {
        return Err(error(
            1,
            None,
            format!("the header is {header:?}, expected {HEADER:?}"),
        ));
    }
    for (index, line) in lines {
        let number = index + 1;
        let fields: Vec<&str> = line.split(',').collect();
        let &[id, time, use_] = fields.as_slice() else {
            let text = format!("{} fields, expected 3: {HEADER}", fields.len());
            return Err(error(number, None, text));
        };
        if id.is_empty() {
            return Err(error(number, Some("trace_id"), "is empty".into()));
        }
        let time_s = parse(number, "timestamp_s", time, 1e11)?;
        let cpus = parse(number, "cpus", use_, MAX_CPUS)?;
        if traces.last().is_none_or(|t| t.id != id) {
            if traces.iter().any(|t| t.id == id) {
                let text = format!(
                    "{id:?} was ended above by another trace; its rows must stand together"
                );
                return Err(error(number, Some("trace_id"), text));
            }
            traces.push(Trace {
                id: id.to_string(),
                samples: Vec::new(),
            });
        }
        if let Some(trace) = traces.last_mut() {
            if let Some(&(before, _)) = trace.samples.last()
                && time_s <= before
            {
                let text = format!("{time_s} is not after {before}, the row above");
                return Err(error(number, Some("timestamp_s"), text));
            }
            trace.samples.push((time_s, cpus));
        }
    }
    Ok(traces)
}

fn parse(line: usize, column: &'static str, text: &str, max: f64) -> Result<f64, TraceError> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..=max).contains(&number) => Ok(number),
        _ => {
            let text = format!("{text:?} is not a number from 0 to {max}");
            Err(error(line, Some(column), text))
        }
    }
}

fn error(line: usize, column: Option<&'static str>, reason: String) -> TraceError {
    TraceError {
        line,
        column,
        reason,
    }
}

impl Trace {
    /// What a predictor would have known at `now_s`: the samples up to then.
    /// The first sample is taken to be as long as the second; a sample weighs
    /// in the histogram by the time since the one before, at most 5 minutes,
    /// as in the store.
    #[must_use]
    pub fn features_at(&self, now_s: f64, request: Option<f64>, limit: Option<f64>) -> Features {
        let known = self.samples.partition_point(|s| s.0 <= now_s);
        let known = &self.samples[..known];
        let first_length_s = match self.samples.as_slice() {
            [first, second, ..] => second.0 - first.0,
            _ => 0.0,
        };
        let mut day = Histogram::new();
        let mut before = None;
        for &(time_s, cpus) in known {
            let length_s: f64 = before.map_or(first_length_s, |b| time_s - b);
            day.add(time_s, cpus, length_s.min(300.0));
            before = Some(time_s);
        }
        Features {
            now_s,
            last_hour: known
                .iter()
                .map(|&(time_s, cpus)| (now_s - time_s, cpus))
                .filter(|(ago_s, _)| *ago_s < HOUR_S)
                .collect(),
            day_p95: day.quantile(0.95),
            age_s: known.first().map_or(0.0, |f| now_s - f.0 + first_length_s),
            request,
            limit,
            ..Features::default()
        }
    }

    /// What is remembered at the trace's end beyond the last hour.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let mut memory = Memory::new();
        let mut before = None;
        let first = self.samples.first().zip(self.samples.get(1));
        let first_length_s = first.map_or(0.0, |(a, b)| b.0 - a.0);
        for &(time_s, cpus) in &self.samples {
            let length_s = before.map_or(first_length_s, |before| time_s - before);
            memory.push(time_s, cpus, length_s);
            before = Some(time_s);
        }
        memory
    }
}
