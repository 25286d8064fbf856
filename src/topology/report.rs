//! What `cpufence topology --json` prints (schema `topology/1`).

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Cpu, Level, Topology};

/// The host in five numbers; CPUs that are offline do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Physical packages.
    pub sockets: usize,
    /// Distinct CPU sets among NUMA nodes with online CPUs; 1 where nothing
    /// is known of nodes.
    pub numa: usize,
    /// L3 caches; 0 where none is known.
    pub l3: usize,
    /// Physical cores with an online thread.
    pub cores: usize,
    /// Online threads.
    pub threads: usize,
}

/// The host as read, for `--json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopologyReport<'a> {
    /// `topology/1`.
    pub schema: &'static str,
    /// The host in five numbers.
    pub summary: Summary,
    /// Present CPUs, ascending by id.
    pub cpus: &'a [Cpu],
}

impl Topology {
    /// The host in five numbers.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let l3s: BTreeSet<u32> = self
            .cpus
            .iter()
            .filter(|cpu| cpu.online && !self.no_l3.contains(cpu.id))
            .filter_map(|cpu| cpu.l3)
            .collect();
        Summary {
            sockets: self.groups(Level::Socket).len().max(1),
            numa: self.groups(Level::Numa).len().max(1),
            l3: l3s.len(),
            cores: self.groups(Level::Core).len(),
            threads: self.online().len(),
        }
    }

    /// The host as read, for `--json`.
    #[must_use]
    pub fn report(&self) -> TopologyReport<'_> {
        TopologyReport {
            schema: "topology/1",
            summary: self.summary(),
            cpus: &self.cpus,
        }
    }
}
