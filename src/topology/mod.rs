//! The host's CPUs as a tree: thread < core < L3 (last-level cache) < NUMA
//! node < socket. L3 and NUMA need not nest (with sub-NUMA clustering one L3
//! spans two nodes), and a node may span sockets; only these hold: a core's
//! threads share one L3, one node and one socket.
//!
//! `sysfs.rs` is the edge that reads it.

mod report;
mod synthetic;
mod sysfs;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cpuset::{CpuId, CpuSet};

pub use report::{Summary, TopologyReport};
pub use synthetic::make_topology;
pub use sysfs::{TopologyError, read_topology};

/// One logical CPU (hyper-thread), with fields as in schema `placement/1`.
///
/// Group numbers are labels: equal means same group, nothing else, except that
/// `numa` and `socket` are the kernel's numbers where it gives them. They are
/// absent for a CPU that is offline, whose topology the kernel does not show.
///
/// Every field is always written: the binary journal cannot skip one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// The kernel's number.
    pub id: CpuId,
    /// Physical core; threads with the same label are SMT siblings.
    pub core: Option<u32>,
    /// Last-level cache domain (L3 where there is one).
    pub l3: Option<u32>,
    /// NUMA node.
    pub numa: Option<u32>,
    /// Physical package.
    pub socket: Option<u32>,
    /// Whether the kernel schedules on it now.
    pub online: bool,
    /// Speed relative to the fastest core kind, per mille.
    #[serde(default = "full_speed")]
    pub perf: u32,
    /// In the kernel's `isolated` list (`isolcpus=`).
    #[serde(default)]
    pub isolated: bool,
    /// In the kernel's `nohz_full` list.
    #[serde(default)]
    pub nohz_full: bool,
}

fn full_speed() -> u32 {
    1000
}

/// All CPUs of a host, ascending by id. Ids are unique.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// Present CPUs, online or not.
    pub cpus: Vec<Cpu>,
    /// Online CPUs known to have no L3, whose `l3` label stands for a smaller
    /// last-level cache or for the core itself.
    #[serde(default)]
    pub no_l3: CpuSet,
    /// The dies that the kernel shows, by smallest CPU; empty where it shows
    /// none. No decision depends on them.
    #[serde(default)]
    pub dies: Vec<CpuSet>,
}

/// A level of the tree above the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Physical core.
    Core,
    /// Last-level cache domain.
    L3,
    /// NUMA node.
    Numa,
    /// Physical package.
    Socket,
}

impl Cpu {
    /// Its group's label at `level`; none for a CPU that is offline.
    #[must_use]
    pub fn label(&self, level: Level) -> Option<u32> {
        match level {
            Level::Core => self.core,
            Level::L3 => self.l3,
            Level::Numa => self.numa,
            Level::Socket => self.socket,
        }
    }
}

impl Topology {
    /// The host with these CPUs, sorted by id; nothing more is known of it.
    #[must_use]
    pub fn new(mut cpus: Vec<Cpu>) -> Self {
        cpus.sort_by_key(|cpu| cpu.id);
        Self {
            cpus,
            ..Self::default()
        }
    }

    /// The CPUs that are online.
    #[must_use]
    pub fn online(&self) -> CpuSet {
        self.select(|cpu| cpu.online)
    }

    /// The CPUs that are present, online or not.
    #[must_use]
    pub fn present(&self) -> CpuSet {
        self.select(|_| true)
    }

    /// The CPUs that are present but offline.
    #[must_use]
    pub fn offline(&self) -> CpuSet {
        self.select(|cpu| !cpu.online)
    }

    fn select(&self, wanted: impl Fn(&Cpu) -> bool) -> CpuSet {
        self.cpus
            .iter()
            .filter(|cpu| wanted(cpu))
            .map(|cpu| cpu.id)
            .collect()
    }

    /// The CPU numbered `id`.
    #[must_use]
    pub fn cpu(&self, id: CpuId) -> Option<&Cpu> {
        let at = self.cpus.binary_search_by_key(&id, |cpu| cpu.id).ok()?;
        Some(&self.cpus[at])
    }

    /// Online CPUs by label of their group at `level`.
    #[must_use]
    pub fn groups(&self, level: Level) -> BTreeMap<u32, CpuSet> {
        let mut groups: BTreeMap<u32, CpuSet> = BTreeMap::new();
        for cpu in self.cpus.iter().filter(|cpu| cpu.online) {
            if let Some(label) = cpu.label(level) {
                groups.entry(label).or_default().insert(cpu.id);
            }
        }
        groups
    }

    /// The online threads of `id`'s core, itself included; empty if `id` is
    /// offline or unknown.
    #[must_use]
    pub fn siblings(&self, id: CpuId) -> CpuSet {
        let core = self
            .cpu(id)
            .filter(|cpu| cpu.online)
            .and_then(|cpu| cpu.core);
        match core {
            Some(core) => self.select(|cpu| cpu.online && cpu.core == Some(core)),
            None => CpuSet::new(),
        }
    }

    /// CRC-32 (IEEE) over a canonical text of what decisions depend on: CPUs,
    /// online or not, grouping, node numbers, speeds, isolation. Two reads of
    /// an unchanged host agree, whatever the labels of cores, caches and
    /// sockets; dies and the kind of last-level cache do not count.
    #[must_use]
    pub fn fingerprint(&self) -> u32 {
        use std::fmt::Write;

        let mut first: BTreeMap<(Level, u32), CpuId> = BTreeMap::new();
        let mut text = String::from("topology/1\n");
        for cpu in &self.cpus {
            let _ = write!(text, "{} {}", cpu.id, u8::from(cpu.online));
            for level in [Level::Core, Level::L3, Level::Socket] {
                // A group is named by its smallest CPU.
                let name = cpu
                    .label(level)
                    .map(|label| *first.entry((level, label)).or_insert(cpu.id));
                let _ = match name {
                    Some(name) => write!(text, " {name}"),
                    None => write!(text, " -"),
                };
            }
            let _ = match cpu.numa {
                Some(node) => write!(text, " {node}"),
                None => write!(text, " -"),
            };
            let _ = writeln!(
                text,
                " {} {} {}",
                cpu.perf,
                u8::from(cpu.isolated),
                u8::from(cpu.nohz_full)
            );
        }
        crc32fast::hash(text.as_bytes())
    }
}
