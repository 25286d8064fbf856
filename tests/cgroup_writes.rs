//! Properties of write sequences on the model of the kernel's rules: none
//! passes through a state that a kernel refuses or widens on its own.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "test code"
)]

use std::collections::{BTreeMap, BTreeSet};

use cpufence::cgroup::apply::{Failure, apply_writes, check_online};
use cpufence::cgroup::journal::JournalState;
use cpufence::cgroup::kernel_model::{BOOT_ID, KernelModel};
use cpufence::cgroup::writes::{Refusal, is_below, map_by_rank, plan_writes};
use cpufence::cgroup::{Container, CpusetTree, Fence, Version};
use cpufence::cpuset::{CpuId, CpuSet};
use proptest::prelude::*;

const MOUNT: &str = "/sys/fs/cgroup";
const CPUS: u32 = 10;

fn set(list: &str) -> CpuSet {
    CpuSet::parse_list(list).unwrap()
}

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// A subset, not empty unless `from` is.
    fn subset(&mut self, from: &CpuSet) -> CpuSet {
        let bits = self.next();
        let some: CpuSet = from.iter().filter(|cpu| bits >> cpu.0 & 1 == 1).collect();
        if some.is_empty() { from.clone() } else { some }
    }
}

struct World {
    kernel: KernelModel,
    containers: Vec<Container>,
    targets: Vec<CpuSet>,
}

/// Containers below `p` with random lists, directories inside, threads.
fn world(version: Version, random: &mut Random) -> World {
    let kernel = KernelModel::new(version, MOUNT, CPUS);
    let all = set("0-9");
    let top = random.subset(&all);
    kernel.make(b"p", &top.to_string()).unwrap();
    let mut id = 1;
    let count = 1 + random.below(4);
    let names: Vec<String> = (0..count).map(|i| format!("p/c{i}")).collect();
    for name in &names {
        let mut dirs = vec![(name.clone(), top.clone())];
        for i in 0..random.below(6) {
            // Below one that is there, so chains form.
            let (above, _) = dirs[random.below(dirs.len())].clone();
            dirs.push((format!("{above}/d{i}"), CpuSet::new()));
        }
        let mut lists: BTreeMap<String, CpuSet> = BTreeMap::new();
        for (path, _) in dirs {
            let above = path.rsplit_once('/').unwrap().0;
            let outer = lists.get(above).unwrap_or(&top).clone();
            let list = match (random.below(6), version) {
                (0 | 1, _) => outer,
                (2, Version::V1) if path != *name => CpuSet::new(),
                (2, Version::V2) => CpuSet::new(),
                // May lie beside the parent's.
                (3, Version::V2) => random.subset(&all),
                _ => random.subset(&outer),
            };
            kernel.make(path.as_bytes(), &list.to_string()).unwrap();
            if random.below(3) > 0 && !(version == Version::V1 && list.is_empty()) {
                kernel.spawn(id, None);
                let text = id.to_string();
                let file = "cgroup.procs";
                kernel.write_file(path.as_bytes(), file, &text).unwrap();
                id += 1;
            }
            lists.insert(path, list);
        }
    }
    let containers: Vec<Container> = names
        .iter()
        .map(|n| kernel.container(n.as_bytes()))
        .collect();
    let targets = containers
        .iter()
        .map(|c| random.subset(&c.parent_effective))
        .collect();
    World {
        kernel,
        containers,
        targets,
    }
}

fn moves(world: &World) -> Vec<(&Container, CpuSet)> {
    world.containers.iter().zip(world.targets.clone()).collect()
}

fn tree(kernel: &KernelModel, version: Version) -> CpusetTree<'_> {
    CpusetTree {
        host: kernel,
        mount: MOUNT.into(),
        version,
        boot_id: BOOT_ID.into(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        // The seed is in the message; no files beside the tests.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_sequence_passes_through_a_forbidden_state(seed in any::<u64>(), v2 in any::<bool>()) {
        let version = if v2 { Version::V2 } else { Version::V1 };
        let world = world(version, &mut Random(seed));
        let before = world.kernel.lists();
        let odd: BTreeSet<_> = world.kernel.silently_widened().into_iter().collect();
        // A list without a say may get one where the container goes.
        let no_say = |dir: &[u8]| odd.iter().any(|odd| odd == dir || is_below(dir, odd));
        let state = JournalState::default();
        let writes = plan_writes(version, &moves(&world), &state).unwrap();
        for write in &writes {
            prop_assert!(write.old != write.new, "a no-op: {write:?}");
            prop_assert!(!write.new.is_empty());
            let now = world.kernel.lists();
            prop_assert_eq!(&now[&write.path], &write.old);
            let done = world.kernel.write_file(&write.path, &write.file, &write.new.to_string());
            prop_assert!(done.is_ok(), "{write:?}: {done:?}");
            // Nobody else's directory loses its say on the way.
            let widened = world.kernel.silently_widened();
            prop_assert!(widened.iter().all(|dir| no_say(dir)), "{write:?}: {widened:?}");
        }
        let now = world.kernel.lists();
        for (container, target) in moves(&world) {
            let top = world.kernel.container(&container.dir().path);
            prop_assert_eq!(&top.dir().effective, &target, "{}", container.id);
            let whole = &container.dir().effective;
            for (was, is) in container.subtree.iter().zip(&top.subtree) {
                // An empty list stays, an equal directory follows.
                prop_assert_eq!(was.cpus.is_empty(), is.cpus.is_empty() && was.key != container.key || was.cpus.is_empty());
                if was.effective == *whole && !no_say(&was.path) {
                    prop_assert_eq!(&is.effective, &target);
                }
                prop_assert!(is.effective.is_subset(&target));
                if version == Version::V1 && whole.len() <= target.len() {
                    prop_assert_eq!(was.cpus.len() < whole.len(), is.cpus.len() < target.len() || was.cpus.is_empty() && is.cpus.is_empty());
                }
            }
        }
        // Backwards through the same states. Only v2 cannot empty a list again.
        for write in writes.iter().rev() {
            if !write.old.is_empty() {
                let text = write.old.to_string();
                let done = world.kernel.write_file(&write.path, &write.file, &text);
                prop_assert!(done.is_ok(), "undo {write:?}: {done:?}");
            }
        }
        for (path, was) in &before {
            prop_assert!(*was == world.kernel.lists()[path] || was.is_empty());
        }
        // A second plan from the state that was reached has nothing to do.
        for write in &writes {
            let text = write.new.to_string();
            world.kernel.write_file(&write.path, &write.file, &text).unwrap();
        }
        prop_assert_eq!(world.kernel.lists(), now);
        let again: Vec<Container> =
            world.containers.iter().map(|c| world.kernel.container(&c.dir().path)).collect();
        let again: Vec<_> = again.iter().zip(world.targets.clone()).collect();
        let writes = plan_writes(version, &again, &state).unwrap();
        prop_assert_eq!(writes, vec![]);
    }

    #[test]
    fn exclusive_siblings_never_overlap(seed in any::<u64>()) {
        let random = &mut Random(seed);
        let kernel = KernelModel::new(Version::V1, MOUNT, CPUS);
        kernel.make(b"p", "0-9").unwrap();
        kernel.write_file(b"p", "cpuset.cpu_exclusive", "1").unwrap();
        // Disjoint sets before and after, dealt out CPU by CPU.
        let count = 2 + random.below(4);
        let deal = |random: &mut Random| {
            let mut order: Vec<u32> = (0..CPUS).collect();
            for i in (1..order.len()).rev() {
                order.swap(i, random.below(i + 1));
            }
            let spare = random.below(3);
            let mut hands = vec![CpuSet::new(); count];
            for (i, cpu) in order.into_iter().skip(spare).enumerate() {
                // Everybody gets one first.
                let hand = if i < count { i } else { random.below(count) };
                hands[hand].insert(CpuId(cpu));
            }
            hands
        };
        let (old, new) = (deal(random), deal(random));
        let mut exclusive = false;
        for (i, cpus) in old.iter().enumerate() {
            let path = format!("p/c{i}");
            kernel.make(path.as_bytes(), &cpus.to_string()).unwrap();
            if random.below(2) == 0 {
                exclusive = true;
                kernel.write_file(path.as_bytes(), "cpuset.cpu_exclusive", "1").unwrap();
            }
            let inner = random.subset(cpus);
            kernel.make(format!("{path}/in").as_bytes(), &inner.to_string()).unwrap();
        }
        let paths: Vec<String> = (0..count).map(|i| format!("p/c{i}")).collect();
        let containers: Vec<Container> = paths.iter().map(|p| kernel.container(p.as_bytes())).collect();
        let moves: Vec<_> = containers.iter().zip(new.clone()).collect();
        match plan_writes(Version::V1, &moves, &JournalState::default()) {
            Ok(writes) => {
                let tree = tree(&kernel, Version::V1);
                let applied = apply_writes(&tree, &writes).unwrap();
                prop_assert!(applied.vanished.is_empty());
                for (path, target) in paths.iter().zip(new) {
                    prop_assert_eq!(&kernel.lists()[path.as_bytes()], &target);
                }
            }
            Err(error) => {
                let refused = matches!(error.reason, Refusal::Exclusive { .. });
                prop_assert!(refused, "{error}");
                // With a spare CPU there always is a way, and without any
                // exclusive directory nothing is in the way.
                let held = old.iter().fold(CpuSet::new(), |a, b| a.union(b));
                prop_assert!(exclusive);
                prop_assert_eq!(held, set("0-9"));
            }
        }
    }
}

fn two_exclusive(cpus: u32, a: &str, b: &str) -> KernelModel {
    let kernel = KernelModel::new(Version::V1, MOUNT, cpus);
    let all: CpuSet = (0..cpus).map(CpuId).collect();
    kernel.make(b"p", &all.to_string()).unwrap();
    kernel
        .write_file(b"p", "cpuset.cpu_exclusive", "1")
        .unwrap();
    for (path, list) in [("p/a", a), ("p/b", b)] {
        kernel.make(path.as_bytes(), list).unwrap();
        kernel
            .write_file(path.as_bytes(), "cpuset.cpu_exclusive", "1")
            .unwrap();
    }
    kernel
}

fn swap(kernel: &KernelModel, a: &str, b: &str) -> Result<Vec<String>, String> {
    let containers = [kernel.container(b"p/a"), kernel.container(b"p/b")];
    let moves = [(&containers[0], set(a)), (&containers[1], set(b))];
    let writes = plan_writes(Version::V1, &moves, &JournalState::default());
    let show = |w: &cpufence::cgroup::CpusetWrite| {
        format!("{} {}", String::from_utf8_lossy(&w.path), w.new)
    };
    writes
        .map(|writes| writes.iter().map(show).collect())
        .map_err(|error| error.to_string())
}

#[test]
fn an_exclusive_swap_needs_a_spare_cpu() {
    // One CPU each and none to spare.
    let kernel = two_exclusive(2, "0", "1");
    let error = swap(&kernel, "1", "0").unwrap_err();
    assert!(
        error.contains("p/a") && error.contains("no spare CPU"),
        "{error}"
    );
    // With CPU 2 free, a goes there first: 0, (0,2), 2 | b 1, (0-1), 0 | a (1-2), 1.
    let kernel = two_exclusive(3, "0", "1");
    let writes = swap(&kernel, "1", "0").unwrap();
    assert_eq!(
        writes,
        ["p/a 0,2", "p/a 2", "p/b 0-1", "p/b 0", "p/a 1-2", "p/a 1"]
    );
    // Two each: they make room themselves.
    let kernel = two_exclusive(4, "0-1", "2-3");
    let writes = swap(&kernel, "2-3", "0-1").unwrap();
    assert_eq!(writes.last().unwrap(), "p/a 2-3");
    // Growing into what the sibling gives up: it shrinks first.
    let kernel = two_exclusive(4, "0-1", "2-3");
    let writes = swap(&kernel, "0-2", "3").unwrap();
    assert_eq!(writes, ["p/b 3", "p/a 0-2"]);
}

#[test]
fn ranks_are_kept_and_sizes_scaled() {
    // 2-3 are places 2 and 3 of 0-3: of 8-11 these are 10 and 11.
    assert_eq!(
        map_by_rank(&set("0-3"), &set("2-3"), &set("8-11")),
        set("10-11")
    );
    // Shrinking to half, places 0 and 1 become 0, places 2 and 3 become 1.
    assert_eq!(map_by_rank(&set("0-3"), &set("0-1"), &set("8-9")), set("8"));
    assert_eq!(map_by_rank(&set("0-3"), &set("2-3"), &set("8-9")), set("9"));
    // Growing keeps place and size.
    assert_eq!(map_by_rank(&set("0-1"), &set("1"), &set("4-7")), set("5"));
    // All of it follows.
    assert_eq!(
        map_by_rank(&set("0-1"), &set("0-1"), &set("4-7")),
        set("4-7")
    );
}

#[test]
fn two_passes_in_order() {
    let kernel = KernelModel::new(Version::V1, MOUNT, 8);
    kernel.make(b"c", "0-3").unwrap();
    kernel.make(b"c/in", "0-3").unwrap();
    kernel.make(b"c/half", "2-3").unwrap();
    let container = kernel.container(b"c");
    let writes = plan_writes(
        Version::V1,
        &[(&container, set("2-5"))],
        &JournalState::default(),
    )
    .unwrap();
    let shown: Vec<String> = writes
        .iter()
        .map(|w| format!("{} {} > {}", String::from_utf8_lossy(&w.path), w.old, w.new))
        .collect();
    assert_eq!(
        shown,
        [
            "c 0-3 > 0-5",
            "c/half 2-3 > 2-5",
            "c/in 0-3 > 0-5",
            "c/in 0-5 > 2-5",
            "c/half 2-5 > 4-5",
            "c 0-5 > 2-5",
        ]
    );
}

#[test]
fn what_cannot_be_fenced_is_refused_by_name() {
    let kernel = KernelModel::new(Version::V1, MOUNT, 8);
    kernel.make(b"p", "0-3").unwrap();
    kernel.make(b"p/c", "0-3").unwrap();
    kernel.make(b"p/new", "").unwrap();
    let state = JournalState::default();
    let refuse = |container: &Container, target: &str| {
        let moves = [(container, set(target))];
        plan_writes(Version::V1, &moves, &state)
            .unwrap_err()
            .to_string()
    };
    let container = kernel.container(b"p/c");
    assert!(refuse(&container, "").contains("cannot fence p/c: its new set is empty"));
    let text = refuse(&container, "2-5");
    assert!(
        text.contains("2-5 is not within its parent's 0-3"),
        "{text}"
    );
    assert!(refuse(&kernel.container(b"p/new"), "1").contains("still being set up"));
    let mut partition = container.clone();
    partition.subtree[0].partition = Some("root".into());
    assert!(refuse(&partition, "1").contains("p/c is a cpuset partition (root)"));
    // One that is left alone gets no writes, whatever its target.
    partition.fence = Fence::LeftAlone("kubelet".into());
    let moves = [(&partition, set("1"))];
    assert_eq!(plan_writes(Version::V1, &moves, &state).unwrap(), []);
}

#[test]
fn a_cpu_that_went_offline_refuses_the_round() {
    let kernel = KernelModel::new(Version::V2, MOUNT, 4);
    let tree = tree(&kernel, Version::V2);
    check_online(&tree, &set("0-3")).unwrap();
    kernel.set_online(CpuId(2), false);
    let error = check_online(&tree, &set("0-3")).unwrap_err();
    assert!(error.to_string().contains("CPU 2 went offline"), "{error}");
}

#[test]
fn a_v2_write_that_is_not_in_force_is_undone() {
    // Planned while CPU 3 was online; v2 then accepts the offline CPU and
    // gives the directory all that the parent has.
    let kernel = KernelModel::new(Version::V2, MOUNT, 4);
    kernel.make(b"c", "0-1").unwrap();
    let container = kernel.container(b"c");
    let state = JournalState::default();
    let writes = plan_writes(Version::V2, &[(&container, set("3"))], &state).unwrap();
    kernel.set_online(CpuId(3), false);
    let error = apply_writes(&tree(&kernel, Version::V2), &writes).unwrap_err();
    assert!(
        matches!(error.failure, Failure::NotInForce { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("\"0-2\" is in force"), "{error}");
    assert_eq!(error.stuck, Vec::<String>::new());
    assert_eq!(kernel.lists()[b"c".as_slice()], set("0-1"));
}

#[test]
fn a_list_that_changed_since_the_plan_stops_the_round() {
    let kernel = KernelModel::new(Version::V1, MOUNT, 8);
    kernel.make(b"a", "0-3").unwrap();
    kernel.make(b"b", "0-3").unwrap();
    let containers = [kernel.container(b"a"), kernel.container(b"b")];
    let moves = [(&containers[0], set("4-5")), (&containers[1], set("6-7"))];
    let writes = plan_writes(Version::V1, &moves, &JournalState::default()).unwrap();
    kernel.write_file(b"b", "cpuset.cpus", "1").unwrap();
    let error = apply_writes(&tree(&kernel, Version::V1), &writes).unwrap_err();
    assert!(matches!(error.failure, Failure::Stale { .. }), "{error}");
    assert_eq!(kernel.lists()[b"a".as_slice()], set("0-3"), "undone");
    assert_eq!(kernel.lists()[b"b".as_slice()], set("1"), "somebody else's");
}

#[test]
fn a_container_that_vanished_is_skipped() {
    for version in [Version::V1, Version::V2] {
        let kernel = KernelModel::new(version, MOUNT, 8);
        for path in [b"a", b"b"] {
            kernel.make(path, "0-3").unwrap();
        }
        kernel.make(b"a/in", "0-3").unwrap();
        let containers = [kernel.container(b"a"), kernel.container(b"b")];
        let moves = [(&containers[0], set("4-5")), (&containers[1], set("6-7"))];
        let writes = plan_writes(version, &moves, &JournalState::default()).unwrap();
        kernel.kill(b"a");
        // Its path is taken by another one.
        kernel.make(b"a", "0-3").unwrap();
        let applied = apply_writes(&tree(&kernel, version), &writes).unwrap();
        assert_eq!(applied.vanished.len(), 2);
        assert_eq!(applied.written.len(), 1);
        assert_eq!(kernel.lists()[b"a".as_slice()], set("0-3"));
        assert_eq!(kernel.lists()[b"b".as_slice()], set("6-7"));
    }
}

#[test]
fn threads_that_pinned_themselves_are_counted() {
    let kernel = KernelModel::new(Version::V1, MOUNT, 8);
    kernel.make(b"c", "0-3").unwrap();
    for (id, mask) in [(1, None), (2, Some(set("1"))), (3, Some(set("5")))] {
        kernel.spawn(id, mask);
        kernel.write_file(b"c", "tasks", &id.to_string()).unwrap();
    }
    let container = kernel.container(b"c");
    let moves = [(&container, set("4-5"))];
    let writes = plan_writes(Version::V1, &moves, &JournalState::default()).unwrap();
    let applied = apply_writes(&tree(&kernel, Version::V1), &writes).unwrap();
    // Thread 2 shares nothing with 4-5 and is given all; thread 3 keeps 5.
    assert_eq!((applied.threads, applied.narrower), (3, 1));
}
