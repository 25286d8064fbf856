//! The cores of a host as lending sees them.

use std::collections::BTreeMap;

use crate::cpuset::CpuSet;
use crate::placement::types::Instance;
use crate::topology::Cpu;

/// A core with the threads that count.
pub(super) struct Core<'a> {
    pub(super) cpus: Vec<&'a Cpu>,
    /// All its threads are offered.
    pub(super) is_offered: bool,
}

impl Core<'_> {
    pub(super) fn set(&self) -> CpuSet {
        self.cpus.iter().map(|cpu| cpu.id).collect()
    }
}

/// The offered threads by core.
pub(super) fn cores<'a>(instance: &'a Instance, offered: &CpuSet) -> Vec<Core<'a>> {
    let mut by_core: BTreeMap<(u8, u32), Vec<&Cpu>> = BTreeMap::new();
    for cpu in instance.topology.cpus.iter().filter(|cpu| cpu.online) {
        // A CPU without a core label is a core of its own.
        let key = cpu.core.map_or((1, cpu.id.0), |core| (0, core));
        by_core.entry(key).or_default().push(cpu);
    }
    by_core
        .into_values()
        .map(|all| {
            let online = all.len();
            let cpus: Vec<&Cpu> = all.into_iter().filter(|c| offered.contains(c.id)).collect();
            Core {
                is_offered: cpus.len() == online,
                cpus,
            }
        })
        .collect()
}
