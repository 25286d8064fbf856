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
use super::{Container, ContainerKey, CpusetDir, Version};
use crate::cpuset::CpuSet;

/// Whether the kernel has emptied the list of the directory `key`, which is `now`.
#[must_use]
pub fn is_emptied(
    state: &JournalState,
    version: Version,
    key: &ContainerKey,
    now: &CpuSet,
) -> bool {
    let had_cpus = state.originals.get(key).is_some_and(|o| !o.cpus.is_empty());
    version == Version::V1 && now.is_empty() && had_cpus
}

/// What the operator should know of each emptied directory of a container:
/// which of its processes, as far as they were seen when it was first fenced,
/// are in a directory above now.
#[must_use]
pub fn describe_emptied(
    tree: &CpusetTree<'_>,
    state: &JournalState,
    container: &Container,
) -> Vec<String> {
    let emptied = |dir: &&CpusetDir| is_emptied(state, tree.version, &dir.key, &dir.cpus);
    let describe = |dir: &CpusetDir| {
        let path = nearest_with_cpus(tree, &dir.path);
        let there = tree.processes(path).unwrap_or_default();
        let members = state.originals.get(&dir.key).map(|known| &known.members);
        let moved: Vec<String> = members
            .into_iter()
            .flatten()
            .filter(|process| there.contains(process))
            .map(ToString::to_string)
            .collect();
        let which = if moved.is_empty() {
            "none of those seen at first is there".into()
        } else {
            format!("of those seen at first, {} are there", moved.join(", "))
        };
        let (name, above) = (shown(&dir.path), shown(path));
        format!(
            "{name}: all its CPUs went offline, and the kernel moved its processes to {above} ({which}); it gets CPUs \
             again, and a process whose number is written to its cgroup.procs is fenced again"
        )
    };
    container
        .subtree
        .iter()
        .filter(emptied)
        .map(describe)
        .collect()
}

/// The directory above `path` that its processes were moved to.
fn nearest_with_cpus<'a>(tree: &CpusetTree<'_>, path: &'a [u8]) -> &'a [u8] {
    let mut path = parent_path(path);
    while !path.is_empty() && tree.cpus(path).is_ok_and(|cpus| cpus.is_empty()) {
        path = parent_path(path);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::journal::{Original, Record};
    use crate::cgroup::kernel_model::{BOOT_ID, KernelModel};
    use crate::cgroup::plan_writes;
    use crate::cpuset::CpuId;

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
        assert_eq!(describe(), [""; 0]);
        kernel.set_online(CpuId(2), false);
        // 9 has ended, 8 was not seen at first.
        let [text] = describe().try_into().unwrap();
        let text: String = text;
        assert!(text.contains("box/a: all its CPUs went offline"), "{text}");
        assert!(
            text.contains("of those seen at first, 7 are there"),
            "{text}"
        );
        // It stays empty when the CPU is back; a round ends that.
        kernel.set_online(CpuId(2), true);
        assert_eq!(describe().len(), 1);
        kernel.write_file(b"box", "cpuset.cpus", "0-3").unwrap();
        kernel.write_file(b"box/a", "cpuset.cpus", "3").unwrap();
        assert_eq!(describe(), [""; 0]);
    }

    #[test]
    fn a_round_gives_an_emptied_container_cpus_again() {
        let kernel = KernelModel::new(Version::V1, "/cpuset", 4);
        let state = fenced(&kernel);
        kernel.set_online(CpuId(2), false);
        let container = kernel.container(b"box/a");
        let target = CpuSet::parse_list("3").unwrap();
        let targets = [(&container, target.clone())];
        let writes = plan_writes(Version::V1, &targets, &state).unwrap();
        assert_eq!(writes.len(), 1);
        assert_eq!(writes[0].new, target);
        // One that never had CPUs is still being set up.
        assert!(plan_writes(Version::V1, &targets, &JournalState::default()).is_err());
    }

    #[test]
    fn an_empty_list_is_the_kernels_doing_only_on_v1_and_where_there_was_one() {
        let kernel = KernelModel::new(Version::V1, "/cpuset", 4);
        let state = fenced(&kernel);
        let key = kernel.container(b"box/a").key;
        let none = CpuSet::new();
        assert!(is_emptied(&state, Version::V1, &key, &none));
        assert!(!is_emptied(
            &state,
            Version::V1,
            &key,
            &CpuSet::parse_list("1").unwrap()
        ));
        assert!(!is_emptied(&state, Version::V2, &key, &none));
        let parent = kernel.container(b"box").key;
        assert!(!is_emptied(&state, Version::V1, &parent, &none));
    }
}
