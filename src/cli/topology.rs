//! `cpufence topology`: the host as read.

use std::io::{self, Write};

use crate::cgroup::Host;
use crate::report::format_topology;
use crate::topology::{TopologyError, read_topology};

/// Columns of the text.
const WIDTH: usize = 96;

/// Why nothing, or not all, was printed.
#[derive(Debug, thiserror::Error)]
pub(super) enum TopologyCommandError {
    /// The host cannot be read (exit 3).
    #[error("cannot read the host's CPUs")]
    Topology(#[from] TopologyError),
    /// The output cannot be written.
    #[error("cannot print the host's CPUs")]
    Output(#[from] io::Error),
}

/// Prints the host's CPUs to `out`: one JSON object on one line, or text.
///
/// # Errors
/// If the host cannot be read, or `out` not be written.
pub(super) fn run(host: &dyn Host, json: bool, out: &mut dyn Write) -> Result<(), TopologyCommandError> {
    let topology = read_topology(host)?;
    if json {
        serde_json::to_writer(&mut *out, &topology.report()).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        out.write_all(format_topology(&topology, WIDTH).as_bytes())?;
    }
    out.flush()?;
    Ok(())
}
