//! A scenario as written (TOML or JSON, schema `simulate/1`), then checked.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::RawLending;
use crate::placement::{Constraint, Kind, Lending, Weights};
use crate::topology::{Topology, make_topology};
use crate::units::parse_duration;

/// The schema read here.
const SCHEMA: &str = "simulate/1";
/// Most rounds of a scenario: 10 s intervals for eleven days.
const MOST_ROUNDS: u64 = 100_000;
/// Most threads of a described host.
const MOST_THREADS: u32 = 4096;
/// Largest request, threads.
const MOST_CPUS: u32 = 4096;
/// Largest `most` and `mean`, in requests.
const MOST_SHARE: f64 = 100.0;
/// Search of a decision, work units, unless the scenario says otherwise.
const DEFAULT_WORK: u64 = 20_000;

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Nobody.
    Unfenced,
    /// Best fit; nobody moves.
    Greedy,
    /// What `apply` does.
    Cpufence,
}

impl Policy {
    /// As in the scenario.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unfenced => "unfenced",
            Self::Greedy => "greedy",
            Self::Cpufence => "cpufence",
        }
    }
}

/// Where the host comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum HostSource {
    /// Described in the scenario, or embedded.
    Known(Box<Topology>),
    /// A file of schema `placement/1` or `topology/1`, as named.
    File(String),
}

/// What a container wants of its CPUs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Usage {
    /// A recorded trace from its first sample on, repeated.
    Trace {
        id: String,
        percent_of: PercentOf,
        offset_s: f64,
    },
    /// mean + swing sin(2 pi t / period) + noise, in requests.
    Process {
        mean: f64,
        swing: f64,
        period_s: f64,
        noise: f64,
        memory: f64,
    },
}

/// What 100 % of a trace in percent are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PercentOf {
    /// The container's request.
    #[default]
    Request,
    /// One CPU.
    Cpu,
}

/// What a container is, beside its request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Model {
    pub(super) kind: Kind,
    pub(super) priority: i32,
    pub(super) usage: Usage,
    /// It never wants more than this, in requests.
    pub(super) most: f64,
}

/// A container named in the scenario.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named {
    pub(super) id: String,
    pub(super) cpus: u32,
    pub(super) arrives_s: f64,
    pub(super) leaves_s: f64,
    pub(super) model: Model,
}

/// A Poisson stream of containers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) per_hour: f64,
    pub(super) lifetime_s: f64,
    pub(super) sizes: Vec<u32>,
    pub(super) model: Model,
}

/// A checked scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What it is called in reports.
    pub name: String,
    /// Of every random choice.
    pub seed: u64,
    /// Where the host comes from.
    pub host: HostSource,
    /// The trace file as named.
    pub traces: Option<String>,
    /// Side by side, in this order.
    pub policies: Vec<Policy>,
    /// Rounds.
    pub rounds: u32,
    /// Between two rounds, seconds.
    pub interval_s: f64,
    pub(super) work: u64,
    pub(super) weights: Weights,
    pub(super) lending: Lending,
    pub(super) constraints: Vec<Constraint>,
    pub(super) named: Vec<Named>,
    pub(super) streams: Vec<Stream>,
}

/// A scenario that cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {reason}", line.map(|l| format!(":{l}")).unwrap_or_default())]
pub struct ScenarioError {
    /// The file.
    pub file: String,
    /// Line, where known.
    pub line: Option<usize>,
    /// Key, value, what was expected, what to do.
    pub reason: String,
}

#[derive(Deserialize)]
struct RawSchema {
    schema: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[expect(dead_code, reason = "looked at before")]
    schema: String,
    name: Option<String>,
    #[serde(default)]
    seed: u64,
    duration: String,
    interval: String,
    policies: Option<Vec<Policy>>,
    work: Option<u64>,
    host: RawHost,
    traces: Option<String>,
    #[serde(default)]
    weights: Weights,
    #[serde(default)]
    lending: RawLending,
    #[serde(default)]
    constraints: Vec<Constraint>,
    #[serde(default)]
    containers: Vec<RawContainer>,
    #[serde(default)]
    arrivals: Vec<RawStream>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHost {
    file: Option<String>,
    embedded: Option<String>,
    sockets: Option<u32>,
    l3s: Option<u32>,
    cores: Option<u32>,
    smt: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawContainer {
    id: String,
    cpus: u32,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    priority: i32,
    arrives: Option<String>,
    leaves: Option<String>,
    most: Option<f64>,
    usage: RawUsage,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStream {
    name: String,
    per_hour: f64,
    lifetime: String,
    cpus: Vec<u32>,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    priority: i32,
    most: Option<f64>,
    usage: RawUsage,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUsage {
    trace: Option<String>,
    percent_of: Option<PercentOf>,
    offset: Option<String>,
    mean: Option<f64>,
    swing: Option<f64>,
    period: Option<String>,
    noise: Option<f64>,
    memory: Option<f64>,
}

/// Reads and checks a scenario, JSON if it begins with a brace, else TOML;
/// `file` is named in errors.
///
/// # Errors
/// Names line or key, value, what was expected and what to do.
pub fn parse_scenario(text: &str, file: &str) -> Result<Scenario, ScenarioError> {
    let fail = |line: Option<usize>, reason: String| ScenarioError {
        file: file.to_owned(),
        line,
        reason,
    };
    let RawSchema { schema } = read(text).map_err(|(line, reason)| fail(line, reason))?;
    match schema.as_deref() {
        Some(SCHEMA) => {}
        found => {
            let found = found.map_or("absent".into(), |s| format!("\"{}\"", s.escape_debug()));
            let text = format!(
                "schema is {found}; expected \"{SCHEMA}\"; set it, or use a release that reads the file"
            );
            return Err(fail(None, text));
        }
    }
    let raw: Raw = read(text).map_err(|(line, reason)| fail(line, reason))?;
    check(raw).map_err(|reason| fail(None, reason))
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, (Option<usize>, String)> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|e| {
            let place = format!(" at line {} column {}", e.line(), e.column());
            let text = e.to_string();
            let text = text.strip_suffix(&place).unwrap_or(&text);
            (
                Some(e.line()),
                format!("{text}; correct the file (schema {SCHEMA})"),
            )
        });
    }
    toml::from_str(text).map_err(|e| {
        let line = e
            .span()
            .map(|span| 1 + text[..span.start].matches('\n').count());
        let words = e.message().replace('\n', ", ");
        (line, format!("{words}; correct the file (schema {SCHEMA})"))
    })
}

fn seconds(key: &str, text: &str) -> Result<f64, String> {
    let time: Duration = parse_duration(text).map_err(|e| format!("{key}: {e}"))?;
    Ok(time.as_secs_f64())
}

fn within(key: &str, value: f64, least: f64, most: f64, what: &str) -> Result<f64, String> {
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(format!(
            "{key} = {value}: expected {least} to {most}, {what}; correct it"
        ))
    }
}

fn check(raw: Raw) -> Result<Scenario, String> {
    let interval_s = seconds("interval", &raw.interval)?;
    within(
        "interval",
        interval_s,
        1.0,
        3600.0,
        "seconds between two rounds",
    )?;
    let duration_s = seconds("duration", &raw.duration)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates; durations are not negative"
    )]
    let rounds = (duration_s / interval_s).floor() as u64;
    if !(1..=MOST_ROUNDS).contains(&rounds) {
        return Err(format!(
            "duration = \"{}\": {rounds} intervals of {}; expected 1 to {MOST_ROUNDS}; change one of them",
            raw.duration.escape_debug(),
            raw.interval.escape_debug()
        ));
    }
    let policies = raw
        .policies
        .unwrap_or_else(|| vec![Policy::Unfenced, Policy::Greedy, Policy::Cpufence]);
    let mut once = policies.clone();
    once.sort_unstable();
    once.dedup();
    if policies.is_empty() || once.len() < policies.len() {
        return Err(
            "policies: expected one or more of unfenced, greedy and cpufence, each once; correct the list"
                .into(),
        );
    }
    if let Some((key, value)) = raw.weights.first_wrong() {
        return Err(format!(
            "weights.{key} = {value}: expected an integer from 0 to 1000000000; correct it"
        ));
    }
    for (rule, number) in raw.constraints.iter().zip(1..) {
        if let Some((key, value, expected)) = rule.fault() {
            return Err(format!(
                "constraints (entry {number}): {key} is {}; expected {expected}",
                value.escape_debug()
            ));
        }
    }
    let has_traces = raw.traces.is_some();
    let mut named = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    for (container, number) in raw.containers.into_iter().zip(1..) {
        let entry = format!(
            "containers (entry {number}, id \"{}\")",
            container.id.escape_debug()
        );
        if container.id.is_empty() || container.id.starts_with('@') {
            return Err(format!(
                "{entry}: expected a name that is not empty and does not begin with @; rename it"
            ));
        }
        if !ids.insert(container.id.clone()) {
            return Err(format!(
                "{entry}: expected each id once; rename one of them"
            ));
        }
        named.push(check_container(&entry, container, has_traces)?);
    }
    let mut streams = Vec::new();
    for (stream, number) in raw.arrivals.into_iter().zip(1..) {
        let entry = format!(
            "arrivals (entry {number}, name \"{}\")",
            stream.name.escape_debug()
        );
        // Members are called name-1, name-2, ..
        let clash = |id: &String| {
            id.strip_prefix(&stream.name)
                .is_some_and(|s| s.starts_with('-'))
        };
        if stream.name.is_empty() || stream.name.starts_with('@') || ids.iter().any(clash) {
            return Err(format!(
                "{entry}: expected a name of its own that is not empty and does not begin with @; rename it"
            ));
        }
        let taken: Vec<&str> = streams.iter().map(|s: &Stream| s.name.as_str()).collect();
        if taken.contains(&stream.name.as_str()) {
            return Err(format!(
                "{entry}: expected each name once; rename one of them"
            ));
        }
        streams.push(check_stream(&entry, stream, has_traces)?);
    }
    if named.is_empty() && streams.is_empty() {
        return Err("no containers: expected [[containers]] or [[arrivals]]; add one".into());
    }
    Ok(Scenario {
        name: raw.name.unwrap_or_else(|| "scenario".into()),
        seed: raw.seed,
        host: check_host(raw.host)?,
        traces: raw.traces,
        policies,
        rounds: u32::try_from(rounds).unwrap_or(u32::MAX),
        interval_s,
        work: raw.work.unwrap_or(DEFAULT_WORK),
        weights: raw.weights,
        lending: raw.lending.checked()?,
        constraints: raw.constraints,
        named,
        streams,
    })
}

fn check_host(host: RawHost) -> Result<HostSource, String> {
    let shape = [host.sockets, host.l3s, host.cores, host.smt];
    let has_shape = shape.iter().any(Option::is_some);
    match (host.file, host.embedded, has_shape) {
        (Some(file), None, false) => Ok(HostSource::File(file)),
        (None, Some(name), false) if name == "demo" => crate::engine::embedded_state()
            .map(|state| HostSource::Known(Box::new(state.topology))),
        (None, Some(name), false) => Err(format!(
            "host.embedded = \"{}\": expected \"demo\"; name a file by host.file for another host",
            name.escape_debug()
        )),
        (None, None, true) => {
            let names = ["sockets", "l3s", "cores", "smt"];
            let mut sizes = [1; 4];
            let mut threads: u32 = 1;
            for ((size, given), name) in sizes.iter_mut().zip(shape).zip(names) {
                *size = given.unwrap_or(1);
                if !(1..=MOST_THREADS).contains(size) {
                    return Err(format!(
                        "host.{name} = {size}: expected 1 to {MOST_THREADS}; correct it"
                    ));
                }
                threads = threads.saturating_mul(*size);
            }
            if threads > MOST_THREADS {
                return Err(format!(
                    "host: {threads} threads; expected at most {MOST_THREADS}; make it smaller"
                ));
            }
            let [sockets, l3s, cores, smt] = sizes;
            Ok(HostSource::Known(Box::new(make_topology(
                sockets, l3s, cores, smt,
            ))))
        }
        _ => Err(
            "host: expected one of file, embedded, or a shape (sockets, l3s a socket, cores an L3, smt); \
             give exactly one"
                .into(),
        ),
    }
}

fn check_container(entry: &str, raw: RawContainer, has_traces: bool) -> Result<Named, String> {
    let arrives_s = match &raw.arrives {
        Some(text) => seconds(&format!("{entry}: arrives"), text)?,
        None => 0.0,
    };
    let leaves_s = match &raw.leaves {
        Some(text) => seconds(&format!("{entry}: leaves"), text)?,
        None => f64::INFINITY,
    };
    if leaves_s <= arrives_s {
        return Err(format!(
            "{entry}: it leaves after {leaves_s} s and arrives after {arrives_s} s; expected it to leave later; \
             correct one of them"
        ));
    }
    check_size(entry, raw.cpus)?;
    Ok(Named {
        id: raw.id,
        cpus: raw.cpus,
        arrives_s,
        leaves_s,
        model: check_model(
            entry,
            raw.kind,
            raw.priority,
            raw.most,
            raw.usage,
            has_traces,
        )?,
    })
}

fn check_size(entry: &str, cpus: u32) -> Result<(), String> {
    if (1..=MOST_CPUS).contains(&cpus) {
        Ok(())
    } else {
        Err(format!(
            "{entry}: cpus = {cpus}: expected 1 to {MOST_CPUS} threads; correct it"
        ))
    }
}

fn check_stream(entry: &str, raw: RawStream, has_traces: bool) -> Result<Stream, String> {
    within(
        &format!("{entry}: per_hour"),
        raw.per_hour,
        1e-3,
        1e4,
        "arrivals an hour",
    )?;
    let lifetime_s = seconds(&format!("{entry}: lifetime"), &raw.lifetime)?;
    within(
        &format!("{entry}: lifetime"),
        lifetime_s,
        1.0,
        1e8,
        "seconds that one stays on average",
    )?;
    if raw.cpus.is_empty() {
        return Err(format!(
            "{entry}: cpus = []: expected the sizes to draw from; add one"
        ));
    }
    for &size in &raw.cpus {
        check_size(entry, size)?;
    }
    Ok(Stream {
        name: raw.name,
        per_hour: raw.per_hour,
        lifetime_s,
        sizes: raw.cpus,
        model: check_model(
            entry,
            raw.kind,
            raw.priority,
            raw.most,
            raw.usage,
            has_traces,
        )?,
    })
}

fn check_model(
    entry: &str,
    kind: Kind,
    priority: i32,
    most: Option<f64>,
    usage: RawUsage,
    has_traces: bool,
) -> Result<Model, String> {
    let most = most.unwrap_or(1.0);
    within(&format!("{entry}: most"), most, 0.0, MOST_SHARE, "requests")?;
    Ok(Model {
        kind,
        priority,
        usage: check_usage(entry, usage, has_traces)?,
        most,
    })
}

fn check_usage(entry: &str, raw: RawUsage, has_traces: bool) -> Result<Usage, String> {
    let is_process = raw.swing.or(raw.noise).or(raw.memory).is_some() || raw.period.is_some();
    match (raw.trace, raw.mean) {
        (Some(id), None) if !is_process => {
            if !has_traces {
                return Err(format!(
                    "{entry}: usage.trace = \"{}\": the scenario names no trace file; set traces",
                    id.escape_debug()
                ));
            }
            let offset_s = match &raw.offset {
                Some(text) => seconds(&format!("{entry}: usage.offset"), text)?,
                None => 0.0,
            };
            Ok(Usage::Trace {
                id,
                percent_of: raw.percent_of.unwrap_or_default(),
                offset_s,
            })
        }
        (None, Some(mean)) if raw.percent_of.is_none() && raw.offset.is_none() => {
            let key = |name: &str| format!("{entry}: usage.{name}");
            let share =
                |name: &str, value: f64| within(&key(name), value, 0.0, MOST_SHARE, "requests");
            let swing = share("swing", raw.swing.unwrap_or(0.0))?;
            let period_s = match (&raw.period, swing > 0.0) {
                (Some(text), true) => seconds(&key("period"), text)?.max(1.0),
                (None, false) => 1.0,
                _ => {
                    return Err(format!(
                        "{entry}: usage: expected swing and period together; give both or neither"
                    ));
                }
            };
            Ok(Usage::Process {
                mean: share("mean", mean)?,
                swing,
                period_s,
                noise: share("noise", raw.noise.unwrap_or(0.0))?,
                memory: within(
                    &key("memory"),
                    raw.memory.unwrap_or(0.0),
                    0.0,
                    0.999,
                    "how much of the noise stays from one interval to the next",
                )?,
            })
        }
        _ => Err(format!(
            "{entry}: usage: expected trace (with percent_of, offset) or mean (with swing and period, noise, memory); \
             give one of the two"
        )),
    }
}
