//! The command line: one file a subcommand.

use std::process::ExitCode;

pub mod topology;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
