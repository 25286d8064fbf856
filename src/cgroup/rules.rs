//! What the settings say of containers (`[[containers]]`).

use super::{Glob, GlobError};
use crate::placement::Kind;

/// One `[[containers]]` entry, checked. The first that matches wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRule {
    /// Which directories are containers.
    pub glob: Glob,
    /// Overrides the kind.
    pub kind: Option<Kind>,
    /// Overrides the request, threads, >= 1.
    pub cpus: Option<u32>,
    /// Larger keeps its exclusivity longer on an over-full host.
    pub priority: i32,
    /// `Some(true)`: never fenced. `Some(false)`: fenced even if its threads
    /// chose their own CPUs. None: left alone if they did.
    pub fixed: Option<bool>,
}

impl ContainerRule {
    /// A rule for the directories that match `pattern`.
    ///
    /// # Errors
    /// If the pattern is malformed: says what to write instead.
    pub fn new(pattern: &str, kind: Option<Kind>, cpus: Option<u32>) -> Result<Self, GlobError> {
        Ok(Self {
            glob: Glob::new(pattern)?,
            kind,
            cpus,
            priority: 0,
            fixed: None,
        })
    }
}
