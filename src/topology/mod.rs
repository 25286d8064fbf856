//! The host's CPUs as a tree: thread < core < L3 (last-level cache) < NUMA
//! node < socket. L3 and NUMA need not nest (sub-NUMA clustering).
//!
//! `sysfs.rs` is the edge that reads it.

use serde::{Deserialize, Serialize};

use crate::cpuset::{CpuId, CpuSet};

/// One logical CPU (hyper-thread), with fields as in schema `placement/1`.
///
/// Group numbers are labels: equal means same group, nothing else. They are
/// absent for a CPU that is offline, whose topology the kernel does not show.
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
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub isolated: bool,
    /// In the kernel's `nohz_full` list.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
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
}

impl Topology {
    /// The CPUs that are online.
    #[must_use]
    pub fn online(&self) -> CpuSet {
        self.cpus
            .iter()
            .filter(|c| c.online)
            .map(|c| c.id)
            .collect()
    }
}
