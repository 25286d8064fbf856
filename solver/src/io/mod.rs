//! Model files: MPS (fixed and free) and CPLEX LP, plain or gzipped, and
//! solution files.
//!
//! | function | what it does |
//! |-|-|
//! | [`read_path`] | a file by its ending: `.mps`, `.lp`, each also with `.gz` |
//! | [`write_path`] | likewise |
//! | [`mps::read`], [`lp::read`] | text to model; pure |
//! | [`mps::write`], [`lp::write`] | model to text; pure |
//! | [`write_solution`] | a point as `name value` lines |
//! | [`read_solution`] | such a file, or one of HiGHS's or SCIP's |
//!
//! A reader refuses what it does not understand, by name and place: a
//! semicontinuous column that is silently read as continuous would give a
//! wrong answer. The text of a file is held in memory, at most
//! [`MAX_BYTES`] of it after decompression.

mod file;
pub mod lp;
pub mod mps;
mod name;
mod number;
mod sol;

pub use file::{MAX_BYTES, read_path, read_solution, write_path, write_solution};
pub use name::names;
pub use sol::{read_solution_text, solution_text};

use std::path::PathBuf;

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened, read or decompressed.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The name's ending is not one of the known ones.
    #[error("cannot tell the format of {}: expected a name that ends in .mps, .lp, .mps.gz or .lp.gz", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The text, decompressed, is too large.
    #[error("{} holds more than {limit} bytes of text; expected a smaller model", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// [`MAX_BYTES`].
        limit: u64,
    },
    /// The text is not a model.
    #[error("{}: {fault}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        fault: Fault,
    },
}

/// A place in a model's text that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: section {section}: found {token}, expected {expected}")]
pub struct Fault {
    /// Line number, from 1.
    pub line: usize,
    /// The section the line is in; `start` before the first.
    pub section: String,
    /// What was found there, printable and cut to a readable length.
    pub token: String,
    /// What was expected instead.
    pub expected: String,
}

/// Longest piece of input that an error repeats, in characters.
const TOKEN_SHOWN: usize = 60;

impl Fault {
    fn new(line: usize, section: &str, token: &[u8], expected: impl Into<String>) -> Self {
        Self {
            line,
            section: section.to_owned(),
            token: shown(token),
            expected: expected.into(),
        }
    }

    fn at_end(line: usize, section: &str, expected: impl Into<String>) -> Self {
        Self {
            line,
            section: section.to_owned(),
            token: "the end of the file".to_owned(),
            expected: expected.into(),
        }
    }
}

/// `token` in quotes, control characters and invalid bytes escaped.
fn shown(token: &[u8]) -> String {
    let text = String::from_utf8_lossy(token);
    let mut head = String::new();
    for c in text.chars().take(TOKEN_SHOWN) {
        match c {
            '\'' | '"' => head.push(c),
            _ => head.extend(c.escape_debug()),
        }
    }
    let dots = if text.chars().nth(TOKEN_SHOWN).is_some() {
        "..."
    } else {
        ""
    };
    format!("'{head}{dots}'")
}
