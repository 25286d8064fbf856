//! The `cpufence` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    cpufence::cli::main()
}
