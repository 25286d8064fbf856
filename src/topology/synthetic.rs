//! Regular hosts for tests, benches and the demo.

use super::{Cpu, Topology};
use crate::cpuset::CpuId;

/// A regular host: `sockets` packages, each one NUMA node, of `llcs_per_socket`
/// L3 caches with `cores_per_llc` cores of `smt` threads. All online, one
/// speed.
///
/// Numbered as Linux does on x86: the first threads of all cores in order, then
/// the second threads, and so on. With 2 sockets of one L3 with 2 cores of 2
/// threads, CPUs 0-3 are the cores and CPU 4 is the sibling of CPU 0.
#[must_use]
pub fn make_topology(sockets: u32, llcs_per_socket: u32, cores_per_llc: u32, smt: u32) -> Topology {
    let cores = sockets * llcs_per_socket * cores_per_llc;
    let cpu = |id: u32| {
        let core = id % cores;
        let l3 = core / cores_per_llc;
        let socket = l3 / llcs_per_socket;
        Cpu {
            id: CpuId(id),
            core: Some(core),
            l3: Some(l3),
            numa: Some(socket),
            socket: Some(socket),
            online: true,
            perf: 1000,
            isolated: false,
            nohz_full: false,
        }
    };
    Topology::new((0..cores * smt).map(cpu).collect())
}
