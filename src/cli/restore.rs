//! `cpufence restore`: every cpuset as it was before the first `apply`.

use std::io::{IsTerminal, Write};

use serde::Serialize;

use super::exit::{self, Failure};
use super::log::Log;
use super::plan::failure;
use super::render;
use super::settings::Session;
use crate::cgroup::RestoreReport;
use crate::engine::shell;

/// `--json` of `restore` (schema `restore/1`).
#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: &'static str,
    restored: &'a [String],
    partial: Vec<Named<'a>>,
    left_alone: Vec<Named<'a>>,
    vanished: &'a [String],
    notes: &'a [String],
}

#[derive(Debug, Serialize)]
struct Named<'a> {
    id: &'a str,
    reason: &'a str,
}

pub(super) fn run(session: &Session, json: bool, log: &Log, out: &mut dyn Write) -> Result<u8, Failure> {
    let config = session.config()?;
    let report = shell::restore(&session.site(&config)).map_err(failure)?;
    if json {
        let json = Report {
            schema: "restore/1",
            restored: &report.restored,
            partial: named(&report.partial),
            left_alone: named(&report.left_alone),
            vanished: &report.vanished,
            notes: &report.notes,
        };
        writeln!(out, "{}", serde_json::to_string(&json).map_err(std::io::Error::from)?)?;
    } else {
        report.notes.iter().for_each(|note| log.note(note));
        report.left_alone.iter().for_each(|(id, reason)| log.note(&format!("{id}: left alone: {reason}")));
        report.partial.iter().for_each(|(id, reason)| log.note(&format!("{id}: {reason}")));
        if session.verbose || std::io::stdout().is_terminal() {
            print(&report, out)?;
        }
    }
    Ok(exit::DONE)
}

fn named(list: &[(String, String)]) -> Vec<Named<'_>> {
    list.iter().map(|(id, reason)| Named { id, reason }).collect()
}

fn print(report: &RestoreReport, out: &mut dyn Write) -> Result<(), Failure> {
    let count = report.restored.len() + report.partial.len();
    writeln!(out, "{count} containers restored, {} directories written", report.written)?;
    write!(out, "{}", render::section("as before", &report.restored))?;
    write!(out, "{}", render::section("gone", &report.vanished))?;
    Ok(())
}
