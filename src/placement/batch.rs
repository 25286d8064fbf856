//! One line of a batch: a host in, a plan or an error out.
//!
//! An answer tells the number of its line and a checksum of the line and the
//! settings that it was planned with, so that a run that goes on where another
//! stopped can see that it goes on with the same work.

use std::fmt::Debug;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::host_model::HostModels;
use super::report::{PlanReport, plan_host};
use super::types::SolveSettings;
use crate::cpuset::CpuSet;
use crate::error::chain;

/// Where an answer comes from; the last keys of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Line of the input, from 1.
    pub line: u64,
    /// Checksum of line and settings.
    pub input: u32,
}

/// The checksum of a line that is read piece by piece.
#[derive(Clone)]
pub struct Checksum(crc32fast::Hasher);

impl Debug for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Checksum")
    }
}

impl Checksum {
    /// The checksum of nothing under `settings`.
    #[must_use]
    pub fn new(settings: &SolveSettings) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(format!("{settings:?}\n").as_bytes());
        Self(hasher)
    }

    /// Adds a piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Its value.
    #[must_use]
    pub fn value(self) -> u32 {
        self.0.finalize()
    }
}

#[derive(Serialize)]
struct Planned<'a> {
    #[serde(flatten)]
    plan: &'a PlanReport,
    #[serde(flatten)]
    origin: Origin,
}

#[derive(Serialize)]
struct Refused<'a> {
    schema: &'static str,
    error: &'a str,
    #[serde(flatten)]
    origin: Origin,
}

/// The answer to a line, and whether it is a plan: one line of JSON without
/// the line's end. `file` is the input's name for messages, `hosts` are the models of
/// hosts before it.
#[must_use]
pub fn batch_answer(
    line: &[u8],
    file: &str,
    origin: Origin,
    settings: &SolveSettings,
    hosts: &mut HostModels,
    clock: &dyn Fn() -> Duration,
) -> (String, bool) {
    let name = format!("{file}, line {}", origin.line);
    match plan_host(line, &name, &CpuSet::new(), settings, hosts, clock) {
        Ok((_, plan)) => {
            let planned = Planned {
                plan: &plan,
                origin,
            };
            match serde_json::to_string(&planned) {
                Ok(text) => (text, true),
                Err(error) => (batch_error(&format!("{name}: {error}"), origin), false),
            }
        }
        Err(error) => (batch_error(&chain(&error), origin), false),
    }
}

/// A line that has no plan.
#[must_use]
pub fn batch_error(error: &str, origin: Origin) -> String {
    let refused = Refused {
        schema: "error/1",
        error,
        origin,
    };
    // A text and two numbers always have a JSON form.
    serde_json::to_string(&refused).unwrap_or_default()
}
