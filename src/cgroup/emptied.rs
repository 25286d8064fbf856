//! Containers that the v1 kernel has emptied. When all CPUs of a v1 cpuset go
//! offline, its list becomes empty and its processes are moved to the nearest
//! ancestor that has CPUs; they do not come back by themselves, also not when
//! the CPUs do (cpusets.rst, section 1.9).
//!
//! Nobody else can empty the list of a populated v1 cpuset (ENOSPC), so an
//! empty list that was not empty before us is the kernel's doing. A round gives
//! the directory CPUs again, as nothing can be attached to one without, but
//! moves no process: that is the operator's decision.

use super::journal::JournalState;
use super::tree::CpusetTree;
use super::writes::{parent_path, shown};
use super::{Container, ContainerKey, Version};

/// Whether the kernel has emptied the list of the directory `key`.
#[must_use]
pub fn is_emptied(state: &JournalState, version: Version, key: &ContainerKey, empty: bool) -> bool {
    let had_cpus = state.originals.get(key).is_some_and(|o| !o.cpus.is_empty());
    version == Version::V1 && empty && had_cpus
}

/// What the operator should know of an emptied container: which of its
/// processes, as far as they were seen when it was first fenced, run unfenced
/// in the parent directory now. None if the container is not emptied.
#[must_use]
pub fn describe_emptied(
    tree: &CpusetTree<'_>,
    state: &JournalState,
    container: &Container,
) -> Option<String> {
    let top = container.dir();
    if !is_emptied(state, tree.version, &top.key, top.cpus.is_empty()) {
        return None;
    }
    let there = tree.processes(parent_path(&top.path)).unwrap_or_default();
    let moved: Vec<String> = state
        .originals
        .values()
        .filter(|original| original.container == top.key)
        .flat_map(|original| &original.members)
        .filter(|process| there.contains(process))
        .map(ToString::to_string)
        .collect();
    let which = if moved.is_empty() {
        "none of those seen at first is there now".into()
    } else {
        format!("of those seen at first, {} are there", moved.join(", "))
    };
    Some(format!(
        "{}: all its CPUs went offline, and the kernel moved its processes to the parent directory, where they are not \
         fenced ({which}); it gets CPUs again: write each process's number to {}/cgroup.procs to move it back",
        container.id,
        shown(&top.path)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::journal::{Original, Record};
    use crate::cgroup::kernel_model::{BOOT_ID, KernelModel};
    use crate::cpuset::{CpuId, CpuSet};

    /// A container `box/a` on CPU 2 of 4, and 7 and 9 in it when it was fenced.
    fn fenced(kernel: &KernelModel) -> JournalState {
        kernel.make(b"box", "0-3").unwrap();
        kernel.make(b"box/a", "2").unwrap();
        let container = kernel.container(b"box/a");
        let mut state = JournalState::default();
        state.add(&Record::Original(Original {
            key: container.key.clone(),
            container: container.key,
            path: b"box/a".to_vec(),
            text: "2".into(),
            cpus: CpuSet::parse_list("2").unwrap(),
            effective: CpuSet::parse_list("2").unwrap(),
            mems: "0".into(),
            members: vec![7, 9],
        }));
        state
    }

    #[test]
    fn an_emptied_container_is_described_with_its_processes() {
        let kernel = KernelModel::new(Version::V1, "/cpuset", 4);
        let state = fenced(&kernel);
        for process in [7, 8] {
            kernel.spawn(process, None);
            let number = process.to_string();
            kernel
                .write_file(b"box/a", "cgroup.procs", &number)
                .unwrap();
        }
        let tree = CpusetTree {
            host: &kernel,
            mount: "/cpuset".into(),
            version: Version::V1,
            boot_id: BOOT_ID.into(),
        };
        let describe = || describe_emptied(&tree, &state, &kernel.container(b"box/a"));
        assert_eq!(describe(), None);
        kernel.set_online(CpuId(2), false);
        // 9 has ended, 8 was not seen at first.
        let text = describe().unwrap();
        assert!(text.contains("box/a: all its CPUs went offline"), "{text}");
        assert!(
            text.contains("of those seen at first, 7 are there"),
            "{text}"
        );
        // It stays empty when the CPU is back; a round ends that.
        kernel.set_online(CpuId(2), true);
        assert!(describe().is_some());
        kernel.write_file(b"box", "cpuset.cpus", "0-3").unwrap();
        kernel.write_file(b"box/a", "cpuset.cpus", "3").unwrap();
        assert_eq!(describe(), None);
    }

    #[test]
    fn an_empty_list_is_the_kernels_doing_only_on_v1_and_where_there_was_one() {
        let kernel = KernelModel::new(Version::V1, "/cpuset", 4);
        let state = fenced(&kernel);
        let key = kernel.container(b"box/a").key;
        assert!(is_emptied(&state, Version::V1, &key, true));
        assert!(!is_emptied(&state, Version::V1, &key, false));
        assert!(!is_emptied(&state, Version::V2, &key, true));
        let parent = kernel.container(b"box").key;
        assert!(!is_emptied(&state, Version::V1, &parent, true));
    }
}
