//! The CPUs that a container's threads may run on, and whether they chose
//! fewer than their cpuset gives them (`sched_setaffinity`).
//!
//! Source: `Cpus_allowed_list` of `/proc/TID/status` (proc(5)). The
//! kernel keeps it within the cpuset; a thread whose list is a strict subset
//! of its directory's CPUs in force was pinned, by itself or by whoever started
//! it. A cpuset write resets that on kernels before 6.2 and is cut down to it
//! on later ones: either way such a container is left alone unless asked.
//!
//! A status file costs 10 to 20 us, so of each container only some threads are
//! read, evenly spread over the list: [`SAMPLE`] at most, fewer on a host with
//! many containers ([`sample_size`]).

use super::{CpusetTree, Pinned};
use crate::cpuset::CpuSet;

/// Most threads of one container whose affinity is read in one observation.
pub(super) const SAMPLE: usize = 64;

/// Most threads, all containers together, while each still has 8.
const SAMPLE_ALL: usize = 1024;

/// How many threads of each of `containers` containers are read.
pub(super) fn sample_size(containers: usize) -> usize {
    (SAMPLE_ALL / containers.max(1)).clamp(8, SAMPLE)
}

/// What the threads of a container are like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Population {
    /// Threads in the container, read or not.
    pub(super) threads: usize,
    /// Of those that were read.
    pub(super) pinned: Pinned,
}

/// Looks at the threads of a container's directories: each with the CPUs in
/// force there. Reads at most `most` status files.
pub(super) fn read_population(
    tree: &CpusetTree<'_>,
    dirs: &[(Vec<u8>, CpuSet)],
    most: usize,
) -> Population {
    let mut all: Vec<(u32, &CpuSet)> = Vec::new();
    for (path, effective) in dirs {
        // A captured tree may list processes only.
        let here = tree
            .threads(path)
            .or_else(|_| tree.processes(path))
            .unwrap_or_default();
        all.extend(here.into_iter().map(|tid| (tid, effective)));
    }
    let read = all.len().min(most);
    let mut pinned = Pinned::default();
    for i in 0..read {
        let (tid, effective) = all[i * all.len() / read];
        if let Ok(Some(cpus)) = tree.allowed(tid) {
            pinned.threads += 1;
            pinned.pinned += u32::from(cpus != *effective && cpus.is_subset(effective));
        }
    }
    Population {
        threads: all.len(),
        pinned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_threads_are_read_where_containers_are_many() {
        assert_eq!([0, 1, 16, 40, 1000].map(sample_size), [64, 64, 64, 25, 8]);
    }
}
