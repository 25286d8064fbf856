//! `cpufence replay`: a journal, decided again.
#![expect(clippy::disallowed_methods, reason = "writes the report file: an edge")]

use std::fs;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::exit::{self, Failure};
use super::log::Log;
use super::render;
use crate::cgroup::journal::Outcome;
use crate::engine::replay::{Replayed, replay};
use crate::error::chain;
use crate::report::html;

/// What a replay found, as JSON (schema `replay/1`).
#[derive(Debug, Default, Serialize)]
struct Summary {
    schema: &'static str,
    rounds: u64,
    add: u64,
    remove: u64,
    rebalance: u64,
    same: u64,
    different: Vec<u64>,
    rolled_back: u64,
    interrupted: u64,
}

impl Summary {
    fn add(&mut self, replayed: &Replayed) {
        self.rounds += 1;
        match replayed.round.event.name() {
            "add" => self.add += 1,
            "remove" => self.remove += 1,
            _ => self.rebalance += 1,
        }
        match replayed.outcome {
            Outcome::Committed(_) => {}
            Outcome::RolledBack(_) => self.rolled_back += 1,
            Outcome::Open => self.interrupted += 1,
        }
        if replayed.is_same() {
            self.same += 1;
        } else {
            self.different.push(replayed.seq);
        }
    }
}

pub(super) fn run(
    journal: &Path,
    report: Option<&Path>,
    json: bool,
    log: &Log,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let mut summary = Summary { schema: "replay/1", ..Summary::default() };
    let mut rows = Vec::new();
    for replayed in replay(journal).map_err(|e| Failure::bad_input(chain(&e)))? {
        let replayed = replayed.map_err(|e| Failure::bad_input(chain(&e)))?;
        summary.add(&replayed);
        if !replayed.is_same() {
            log.note(&format!("round {}: {}", replayed.seq, first_difference(&replayed)));
        }
        if report.is_some() {
            rows.push(row(&replayed));
        }
    }
    if let Some(path) = report {
        let page = html::page("Replay of a journal", &HEAD, &rows);
        let file = crate::report::escape_name(path.as_os_str().as_encoded_bytes());
        fs::write(path, page).map_err(|e| Failure::bad_input(format_args!("cannot write the report {file}: {e}")))?;
    }
    if json {
        writeln!(out, "{}", serde_json::to_string(&summary).map_err(std::io::Error::from)?)?;
    } else {
        writeln!(
            out,
            "{} rounds ({} add, {} remove, {} rebalance): {} decided the same, {} differently",
            summary.rounds,
            summary.add,
            summary.remove,
            summary.rebalance,
            summary.same,
            summary.different.len()
        )?;
    }
    Ok(if summary.different.is_empty() { exit::DONE } else { exit::BUG })
}

const HEAD: [&str; 8] = ["round", "event", "containers", "status", "cost, CPUs", "gap, %", "moved", "replay"];

fn row(replayed: &Replayed) -> Vec<String> {
    let plan = &replayed.round.decision.plan;
    vec![
        replayed.seq.to_string(),
        replayed.round.event.name().into(),
        replayed.round.state.containers.len().to_string(),
        format!("{:?}", plan.answer.status),
        render::cpus(plan.answer.cost()),
        format!("{:.2}", plan.answer.gap() * 100.0),
        plan.answer.moved_threads.to_string(),
        if replayed.is_same() { "same".into() } else { "different".into() },
    ]
}

fn first_difference(replayed: &Replayed) -> String {
    let (then, now) = (&replayed.round.decision, &replayed.again);
    let (a, b) = (&then.plan.answer, &now.plan.answer);
    if a.placement != b.placement {
        let id = a.placement.iter().find(|(id, set)| b.placement.get(*id) != Some(set)).map(|(id, _)| id.as_str());
        return format!("the placement of {} differs", id.unwrap_or("a container"));
    }
    if a != b {
        return format!(
            "the evidence differs: {:?} cost {} bound {} work {} then, {:?} cost {} bound {} work {} now",
            a.status,
            a.cost(),
            a.lower_bound,
            a.work,
            b.status,
            b.cost(),
            b.lower_bound,
            b.work
        );
    }
    if then.plan != now.plan { "the writes differ".into() } else { "the explanation differs".into() }
}
