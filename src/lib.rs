//! cpufence: isolates co-located containers on a Linux host.
//!
//! See `src/ARCHITECTURE.md` for the map of the modules.

pub mod cgroup;
pub mod cli;
pub mod codec;
pub mod config;
pub mod cpuset;
pub mod engine;
pub mod error;
pub mod history;
pub mod placement;
pub mod predict;
pub mod report;
pub mod simulate;
mod splitmix;
pub mod topology;
pub mod units;
