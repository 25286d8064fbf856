//! Exit codes, one table (`docs/operations.md` has it for users), and the
//! error that carries one to `main`.

use std::fmt;

/// Done, or nothing to do.
pub(crate) const DONE: u8 = 0;
/// A bug.
pub(crate) const BUG: u8 = 1;
/// Wrong command line.
pub(crate) const USAGE: u8 = 2;
/// Malformed input: file, configuration, journal, sysfs.
pub(crate) const BAD_INPUT: u8 = 3;
/// The host is not fit: missing controller, missing permission.
pub(crate) const NOT_FIT: u8 = 4;
/// A guardrail kept the old placement.
pub(crate) const KEPT: u8 = 5;
/// Our reader is gone; nobody is there to tell. Never the process's exit code.
pub(crate) const BROKEN_PIPE: u8 = 255;
/// A write failed and the round was undone.
pub(crate) const ROLLED_BACK: u8 = 6;

/// What ends a command early: the message for stderr and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl fmt::Display) -> Self {
        Self {
            code,
            message: message.to_string(),
        }
    }

    pub(crate) fn bad_input(message: impl fmt::Display) -> Self {
        Self::new(BAD_INPUT, message)
    }
}

impl From<std::io::Error> for Failure {
    /// Only writing our own output ends here.
    fn from(error: std::io::Error) -> Self {
        let code = if error.kind() == std::io::ErrorKind::BrokenPipe {
            BROKEN_PIPE
        } else {
            BUG
        };
        Self::new(code, format_args!("cannot write the output: {error}"))
    }
}
