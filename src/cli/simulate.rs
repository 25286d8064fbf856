//! `cpufence simulate`: a scenario under several policies.
#![expect(
    clippy::disallowed_methods,
    reason = "reads scenario, host and traces, writes CSV and SVG, reads the clock: an edge"
)]

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Deserialize;

use super::args::SimulateArgs;
use super::exit::{self, Failure};
use super::log::Log;
use super::progress::Progress;
use super::render;
use crate::error::chain;
use crate::placement::parse_host;
use crate::report::escape_name;
use crate::simulate::{HostSource, chart, csv, json, parse_scenario, run as simulate, table};
use crate::topology::{Cpu, Topology};

/// Largest trace file read, unpacked.
const MOST_TRACES: u64 = 1 << 30;

pub(super) fn run(arguments: &SimulateArgs, log: &Log, out: &mut dyn Write) -> Result<u8, Failure> {
    let name = shown(&arguments.scenario);
    let text = fs::read_to_string(&arguments.scenario)
        .map_err(|e| Failure::bad_input(format_args!("cannot read the scenario {name}: {e}")))?;
    let scenario = parse_scenario(&text, &name).map_err(Failure::bad_input)?;
    let seed = arguments.seed.unwrap_or(scenario.seed);
    let topology = match &scenario.host {
        HostSource::Known(topology) => (**topology).clone(),
        HostSource::File(file) => read_host(&beside(&arguments.scenario, file))?,
    };
    let traces = match &scenario.traces {
        Some(file) => {
            let path = beside(&arguments.scenario, file);
            Some((shown(&path), read_text(&path)?))
        }
        None => None,
    };
    let start = Instant::now();
    let mut progress = Progress::new();
    let outcome = simulate(
        &scenario,
        seed,
        &topology,
        traces
            .as_ref()
            .map(|(name, text)| (name.as_str(), text.as_str())),
        &|| start.elapsed(),
        &mut |done, all| {
            let percent = done * 100 / all.max(1);
            progress.show(|_| format!("{percent:3} %  {done} of {all} rounds"));
        },
    );
    progress.end();
    let outcome = outcome.map_err(|e| Failure::bad_input(format_args!("{name}: {}", chain(&e))))?;
    for (file, text) in [
        (&arguments.csv, csv(&scenario, &outcome)),
        (&arguments.svg, chart(&scenario, &outcome)),
    ] {
        if let Some(path) = file {
            fs::write(path, text).map_err(|e| {
                Failure::bad_input(format_args!("cannot write {}: {e}", shown(path)))
            })?;
        }
    }
    if arguments.json {
        let line = json(&scenario, seed, &outcome, !arguments.no_timing);
        writeln!(out, "{}", line.map_err(std::io::Error::from)?)?;
        return Ok(exit::DONE);
    }
    writeln!(
        out,
        "{} on {}; {} rounds of {} s, seed {seed}\n",
        scenario.name.escape_debug(),
        render::host_line(&topology),
        scenario.rounds,
        scenario.interval_s
    )?;
    write!(out, "{}", table(&scenario, &outcome))?;
    if !arguments.no_timing {
        for run in &outcome.runs {
            let mut sorted = run.latencies.clone();
            sorted.sort_unstable();
            if let (Some(median), Some(most)) = (sorted.get(sorted.len() / 2), sorted.last()) {
                log.note(&format!(
                    "{}: {} decisions, median {:.1} ms, longest {:.1} ms",
                    run.policy.name(),
                    sorted.len(),
                    median.as_secs_f64() * 1e3,
                    most.as_secs_f64() * 1e3
                ));
            }
        }
    }
    Ok(exit::DONE)
}

fn shown(path: &Path) -> String {
    escape_name(path.as_os_str().as_encoded_bytes())
}

/// A file that a scenario names, relative to the scenario's own place.
fn beside(scenario: &Path, file: &str) -> PathBuf {
    scenario.parent().unwrap_or(Path::new("")).join(file)
}

/// A text, unpacked if its name ends in `.gz`.
fn read_text(path: &Path) -> Result<String, Failure> {
    let name = shown(path);
    let failed = |e: std::io::Error| Failure::bad_input(format_args!("cannot read {name}: {e}"));
    let file = fs::File::open(path).map_err(failed)?;
    let mut text = String::new();
    let read = if path.extension().is_some_and(|e| e == "gz") {
        flate2::read::MultiGzDecoder::new(file)
            .take(MOST_TRACES + 1)
            .read_to_string(&mut text)
    } else {
        file.take(MOST_TRACES + 1).read_to_string(&mut text)
    };
    if read.map_err(failed)? as u64 > MOST_TRACES {
        return Err(Failure::bad_input(format_args!(
            "{name} is larger than {MOST_TRACES} bytes; cut out the traces that the scenario names"
        )));
    }
    Ok(text)
}

#[derive(Deserialize)]
struct TopologyFile {
    schema: String,
    #[serde(default)]
    cpus: Vec<Cpu>,
}

/// A host of schema `placement/1` (its containers do not count) or
/// `topology/1`.
fn read_host(path: &Path) -> Result<Topology, Failure> {
    let name = shown(path);
    let text = read_text(path)?;
    let file: TopologyFile = serde_json::from_str(&text).map_err(|e| {
        Failure::bad_input(format_args!(
            "{name}: {e}; expected an object of schema topology/1 or placement/1"
        ))
    })?;
    let text = if file.schema == "topology/1" {
        // The same checks as a host file's.
        let topology = Topology::new(file.cpus);
        let host = serde_json::json!({
            "schema": "placement/1",
            "topology": topology,
            "containers": [],
        });
        host.to_string()
    } else {
        text
    };
    let instance = parse_host(text.as_bytes(), &name);
    Ok(instance
        .map_err(|e| Failure::bad_input(chain(&e)))?
        .topology)
}
