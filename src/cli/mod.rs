//! The command line: one file a subcommand.

mod apply;
mod args;
mod batch;
mod demo;
mod doctor;
mod evaluate;
mod exchange;
mod exit;
mod import;
mod log;
mod plan;
mod predict;
mod progress;
mod render;
mod replay;
mod restore;
mod retrain;
mod settings;
mod simulate;
mod status;
mod subject;
mod topology;
mod train;
mod what_if;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
use exit::Failure;
use log::Log;
use settings::Session;

fn topology_failure(error: topology::TopologyCommandError) -> Failure {
    match error {
        topology::TopologyCommandError::Output(e) => e.into(),
        error => Failure::bad_input(crate::error::chain(&error)),
    }
}

/// Runs the command line of this process; its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let log = Log::new(arguments.global.log_format);
    let mut out = std::io::stdout().lock();
    let code = run(&arguments, &log, &mut out).and_then(|code| Ok(out.flush().map(|()| code)?));
    ExitCode::from(code.unwrap_or_else(|failure| {
        if failure.code == exit::BROKEN_PIPE {
            return exit::DONE;
        }
        log.error(&failure.message);
        failure.code
    }))
}

fn run(arguments: &Arguments, log: &Log, out: &mut dyn Write) -> Result<u8, Failure> {
    let session = Session::new(&arguments.global);
    match &arguments.command {
        Command::Plan(arguments) => plan::dispatch(&session, arguments, log, out),
        Command::Apply {
            dry_run: true,
            limits,
            json,
        } => plan::run(&session, limits, *json, log, out),
        Command::Apply {
            dry_run: false,
            limits,
            json,
        } => apply::run(&session, limits, *json, log, out),
        Command::Restore { json } => restore::run(&session, *json, log, out),
        Command::Status { json } => status::run(&session, *json, log, out),
        Command::Topology { json } => {
            topology::run(&session.host, *json, out).map_err(topology_failure)?;
            Ok(exit::DONE)
        }
        Command::Doctor { json } => doctor::run(&session, *json, out),
        Command::Replay {
            journal,
            report,
            json,
        } => replay::run(journal, report.as_deref(), *json, log, out),
        Command::Predict(arguments) => predict::run(&session, arguments, log, out),
        Command::Import(arguments) => import::import(&session, arguments, log, out),
        Command::Export(arguments) => import::export(&session, arguments, log, out),
        Command::Simulate(arguments) => simulate::run(arguments, log, out),
        Command::Demo { json } => demo::run(*json, out),
        Command::Evaluate(arguments) => evaluate::run(arguments, out),
        Command::Train(arguments) => train::run(&session, arguments, log, out),
    }
}
