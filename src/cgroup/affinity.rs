//! The CPUs that a container's threads may run on, and whether they chose
//! fewer than their cpuset gives them (`sched_setaffinity`).
//!
//! Source: `Cpus_allowed_list` of `/proc/PID/task/TID/status` (proc(5)). The
//! kernel keeps it within the cpuset; a thread whose list is a strict subset
//! of its directory's CPUs in force was pinned, by itself or by whoever started
//! it. A cpuset write resets that on kernels before 6.2 and is cut down to it
//! on later ones: either way such a container is left alone unless asked.
//!
//! A status file costs 10 to 20 us, so of each container only some threads are
//! read, evenly spread over the list: [`SAMPLE`] at most, fewer on a host with
//! many containers ([`sample_size`]).

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::{Hierarchy, Host, Pinned, Version};
use crate::cpuset::CpuSet;

/// Most threads of one container whose affinity is read in one observation.
pub const SAMPLE: usize = 64;

/// Most threads, all containers together, while each still has 8.
const SAMPLE_ALL: usize = 1024;

/// How many threads of each of `containers` containers are read.
#[must_use]
pub fn sample_size(containers: usize) -> usize {
    (SAMPLE_ALL / containers.max(1)).clamp(8, SAMPLE)
}

/// A thread of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thread {
    /// Its process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
}

/// The CPUs that a thread may run on; none if it is gone.
#[must_use]
pub fn allowed(host: &dyn Host, thread: Thread) -> Option<CpuSet> {
    let path = format!("/proc/{}/task/{}/status", thread.pid, thread.tid);
    parse_allowed(&host.read(Path::new(&path)).ok()?)
}

fn parse_allowed(status: &[u8]) -> Option<CpuSet> {
    let line = status.split(|&b| b == b'\n').find_map(|l| l.strip_prefix(b"Cpus_allowed_list:"))?;
    CpuSet::parse_list(str::from_utf8(line).ok()?).ok()
}

/// The threads in one directory of the cpuset hierarchy, without those of
/// directories below it. Threads that end meanwhile are left out.
///
/// # Errors
/// If the directory's lists cannot be read (it is gone, or not ours to read).
pub fn threads(host: &dyn Host, version: Version, dir: &Path) -> io::Result<Vec<Thread>> {
    let own_file = dir.join(match version {
        Version::V1 => "tasks",
        Version::V2 => "cgroup.threads",
    });
    let pids = match host.read(&dir.join("cgroup.procs")) {
        Ok(bytes) => parse_ids(&bytes),
        // A threaded v2 directory has no process list (EOPNOTSUPP); a thread's
        // own id serves as its process id in /proc.
        Err(error) if version == Version::V2 && is_unsupported(&error) => {
            let tids = parse_ids(&host.read(&own_file)?);
            return Ok(tids.into_iter().map(|tid| Thread { pid: tid, tid }).collect());
        }
        Err(error) => return Err(error),
    };
    if pids.is_empty() {
        return Ok(Vec::new());
    }
    let own: Option<BTreeSet<u32>> = host.read(&own_file).ok().map(|bytes| parse_ids(&bytes).into_iter().collect());
    // As many threads as processes: every process has one.
    if own.as_ref().is_some_and(|own| own.len() == pids.len() && pids.iter().all(|pid| own.contains(pid))) {
        return Ok(pids.into_iter().map(|pid| Thread { pid, tid: pid }).collect());
    }
    let mut list = Vec::new();
    for pid in pids {
        for entry in host.list(Path::new(&format!("/proc/{pid}/task"))).unwrap_or_default() {
            let tid = entry.name.to_str().and_then(|name| name.parse().ok());
            // A thread may be in another directory than its process.
            list.extend(tid.filter(|tid| own.as_ref().is_none_or(|own| own.contains(tid))).map(|tid| Thread { pid, tid }));
        }
    }
    Ok(list)
}

fn is_unsupported(error: &io::Error) -> bool {
    const EOPNOTSUPP: i32 = 95;
    error.kind() == io::ErrorKind::Unsupported || error.raw_os_error() == Some(EOPNOTSUPP)
}

/// Ids, one a line; what is no number is left out.
fn parse_ids(bytes: &[u8]) -> Vec<u32> {
    let ids = bytes.split(|b| b.is_ascii_whitespace());
    let mut ids: Vec<u32> = ids.filter_map(|id| str::from_utf8(id).ok()?.parse().ok()).filter(|&id| id > 0).collect();
    // v1's cgroup.procs may repeat an id.
    ids.sort_unstable();
    ids.dedup();
    ids
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
    host: &dyn Host,
    hierarchy: &Hierarchy,
    dirs: &[(PathBuf, CpuSet)],
    most: usize,
) -> Population {
    let mut all: Vec<(Thread, &CpuSet)> = Vec::new();
    for (dir, effective) in dirs {
        let here = threads(host, hierarchy.version, dir).unwrap_or_default();
        all.extend(here.into_iter().map(|thread| (thread, effective)));
    }
    let read = all.len().min(most);
    let mut pinned = Pinned::default();
    for i in 0..read {
        let (thread, effective) = all[i * all.len() / read];
        if let Some(cpus) = allowed(host, thread) {
            pinned.threads += 1;
            pinned.pinned += u32::from(cpus != *effective && cpus.is_subset(effective));
        }
    }
    Population { threads: all.len(), pinned }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_list_in_a_status_file() {
        let status = b"Name:\tx\xff\nCpus_allowed:\tf1\nCpus_allowed_list:\t0,4-7\nMems_allowed_list:\t0\n";
        assert_eq!(parse_allowed(status).unwrap().to_string(), "0,4-7");
        assert_eq!(parse_allowed(b"Name:\tx\n"), None);
        assert_eq!(parse_allowed(b"Cpus_allowed_list:\tx\n"), None);
    }

    #[test]
    fn ids_are_sorted_and_single() {
        assert_eq!(parse_ids(b"12\n3\n12\n\nx\n0\n99999999999\n"), [3, 12]);
    }

    #[test]
    fn fewer_threads_are_read_where_containers_are_many() {
        assert_eq!([0, 1, 16, 40, 1000].map(sample_size), [64, 64, 64, 25, 8]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (parse_allowed(&bytes), parse_ids(&bytes));
            let _ = parse_allowed(&[b"Cpus_allowed_list:", &bytes[..]].concat());
        }
    }
}
