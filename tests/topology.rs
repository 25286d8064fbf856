//! The host as read from sysfs: captured real machines, and trees written here
//! for what no captured machine shows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "test code"
)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use cpufence::cgroup::{Entry, Host, RealHost};
use cpufence::cpuset::{CpuId, CpuSet};
use cpufence::topology::{Level, Topology, TopologyError, make_topology, read_topology};

fn read(root: &Path) -> Result<Topology, TopologyError> {
    read_topology(&RealHost::new(root))
}

fn set(list: &str) -> CpuSet {
    CpuSet::parse_list(list).unwrap()
}

/// Groups at a level as list texts, by smallest CPU.
fn groups(topology: &Topology, level: Level) -> Vec<String> {
    let mut sets: Vec<CpuSet> = topology.groups(level).into_values().collect();
    sets.sort_by_key(CpuSet::first);
    sets.iter().map(ToString::to_string).collect()
}

fn perf(topology: &Topology) -> Vec<u32> {
    topology.cpus.iter().map(|cpu| cpu.perf).collect()
}

/// `sockets, numa, l3, cores, threads`.
fn summary(topology: &Topology) -> [usize; 5] {
    let s = topology.summary();
    [s.sockets, s.numa, s.l3, s.cores, s.threads]
}

/// A directory of our own, in memory where there is such a place: a tree has
/// thousands of files.
fn own_directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// A sysfs tree in a directory of its own.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        Self(own_directory())
    }

    /// One socket; `cores` as CPU lists, each CPU online, no caches, no nodes.
    fn with_cores(cores: &[&str]) -> Self {
        let tree = Self::new();
        let all = cores
            .iter()
            .fold(CpuSet::new(), |all, core| all.union(&set(core)));
        tree.cpu("present", &all.to_string());
        tree.cpu("online", &all.to_string());
        for core in cores {
            for cpu in set(core).iter() {
                tree.cpu(&format!("cpu{cpu}/topology/core_cpus_list"), core);
                tree.cpu(&format!("cpu{cpu}/topology/physical_package_id"), "0");
            }
        }
        tree
    }

    fn put(&self, path: &str, text: &str) -> &Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
        self
    }

    fn cpu(&self, path: &str, text: &str) -> &Self {
        self.put(&format!("sys/devices/system/cpu/{path}"), text)
    }

    fn node(&self, path: &str, text: &str) -> &Self {
        self.put(&format!("sys/devices/system/node/{path}"), text)
    }

    /// The same file for each CPU of `cpus`.
    fn each(&self, cpus: &str, path: &str, text: &str) -> &Self {
        for cpu in set(cpus).iter() {
            self.cpu(&format!("cpu{cpu}/{path}"), text);
        }
        self
    }

    fn cache(&self, cpus: &str, index: u32, level: u32, kind: &str) -> &Self {
        let dir = format!("cache/index{index}");
        self.each(cpus, &format!("{dir}/level"), &level.to_string());
        self.each(cpus, &format!("{dir}/type"), kind);
        self.each(cpus, &format!("{dir}/shared_cpu_list"), cpus)
    }

    fn read(&self) -> Topology {
        read(self.0.path()).unwrap()
    }

    fn error(&self) -> String {
        read(self.0.path()).unwrap_err().to_string()
    }
}

/// Every captured machine is as hwloc's expected output says.
#[test]
fn captured_machines() {
    let trees = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/hosts"));
    assert_eq!(check_captured(trees), Some(3));
}

/// The same for the larger collection.
#[test]
fn more_captured_machines() {
    let trees = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/sysfs"));
    if check_captured(trees).is_none() {
        eprintln!("SKIPPED more_captured_machines: no captured trees beside the repository");
    }
}

/// Compares the trees of a directory with its `expected.json`; how many there
/// are, none without that file.
fn check_captured(trees: &Path) -> Option<usize> {
    let expected = fs::read_to_string(trees.join("expected.json")).ok()?;
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    let expected = expected.as_object().unwrap();
    assert!(!expected.is_empty());
    for (name, want) in expected {
        let dir = own_directory();
        // Only what is read: one tree has thousands of memory blocks besides.
        let unpacked = Command::new("tar")
            .arg("-xzf")
            .arg(trees.join(format!("{name}.tar.gz")))
            .arg("-C")
            .arg(dir.path())
            .arg("sys/devices/system/cpu")
            .arg("sys/devices/system/node")
            .arg("--exclude=memory[0-9]*")
            .status()
            .unwrap();
        assert!(unpacked.success(), "{name}: tar failed");
        let topology = read(dir.path()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let report = serde_json::to_value(topology.report()).unwrap();
        for key in ["sockets", "numa", "l3", "cores", "threads"] {
            assert_eq!(report["summary"][key], want[key], "{name}: {key}");
        }
        let online: Vec<u32> = topology.online().iter().map(|cpu| cpu.0).collect();
        assert_eq!(serde_json::json!(online), want["cpus_online"], "{name}");
        match name.as_str() {
            "20em64t-hybrid-1p6c2t+2ca4co1t" => {
                // 5.2 and 5.0 GHz are one kind (96 %), 3.9 GHz is 75 % of it.
                let mut want = vec![1000; 12];
                want.resize(20, 750);
                assert_eq!(perf(&topology), want);
            }
            "memorysidecaches" => {
                // One L3 holds all even CPUs, the nodes every fourth.
                let even: CpuSet = (0..40).map(|i| CpuId(2 * i)).collect();
                let fourth: CpuSet = (0..20).map(|i| CpuId(4 * i)).collect();
                assert_eq!(groups(&topology, Level::L3)[0], even.to_string());
                assert_eq!(groups(&topology, Level::Numa)[0], fourth.to_string());
                assert_eq!(topology.dies.len(), 2);
            }
            "8em64t-2s2ca2c" => {
                // The L2 of CPUs 0 and 4 stands in for an L3.
                assert_eq!(groups(&topology, Level::L3)[0], "0,4");
            }
            "16em64t-4s2c2t-offlines" => {
                assert_eq!(topology.offline(), set("2,5,13-14"));
                assert_eq!(topology.siblings(CpuId(0)), set("0,8"));
                assert_eq!(topology.siblings(CpuId(6)), set("6"));
            }
            _ => assert!(perf(&topology).iter().all(|&p| p == 1000), "{name}"),
        }
    }
    Some(expected.len())
}

/// This machine: as many online CPUs as `/proc/cpuinfo` lists.
#[test]
fn this_machine() {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processors = cpuinfo
        .lines()
        .filter(|l| l.starts_with("processor"))
        .count();
    if processors == 0 || !Path::new("/sys/devices/system/cpu").exists() {
        eprintln!("SKIPPED this_machine: no /sys or /proc/cpuinfo");
        return;
    }
    assert_eq!(read(Path::new("/")).unwrap().summary().threads, processors);
}

#[test]
fn smt_4_and_8() {
    let tree = Tree::with_cores(&["0-7", "8-15", "16-19", "20-23", "24", "25-26"]);
    let topology = tree.read();
    assert_eq!(summary(&topology), [1, 1, 0, 6, 27]);
    assert_eq!(
        groups(&topology, Level::Core),
        ["0-7", "8-15", "16-19", "20-23", "24", "25-26"]
    );
    assert_eq!(topology.siblings(CpuId(22)).len(), 4);
    // No cache is known: each core is its own group.
    assert_eq!(groups(&topology, Level::L3), groups(&topology, Level::Core));
}

/// An offline sibling: its core has one thread, the others two, though there
/// are 7 threads on 4 cores.
#[test]
fn one_sibling_offline() {
    let tree = Tree::with_cores(&["0,4", "1,5", "2,6", "3,7"]);
    tree.cpu("online", "0-4,6-7")
        .cpu("cpu1/topology/core_cpus_list", "1");
    let topology = tree.read();
    assert_eq!(summary(&topology), [1, 1, 0, 4, 7]);
    assert_eq!(topology.siblings(CpuId(1)), set("1"));
    assert_eq!(topology.siblings(CpuId(5)), CpuSet::new());
    assert_eq!(topology.siblings(CpuId(2)), set("2,6"));
    let off = topology.cpu(CpuId(5)).unwrap();
    // Its directory is still there, what it says does not count.
    assert_eq!(
        (off.online, off.core, off.l3, off.numa, off.socket),
        (false, None, None, None, None)
    );
}

/// Old kernels name offline siblings too.
#[test]
fn offline_siblings_in_the_lists() {
    let tree = Tree::with_cores(&["0-1", "2-3"]);
    tree.cpu("online", "0-2").cache("0-3", 3, 3, "Unified");
    let topology = tree.read();
    assert_eq!(groups(&topology, Level::Core), ["0-1", "2"]);
    assert_eq!(groups(&topology, Level::L3), ["0-2"]);
}

/// No `online` list: the flags count, and a CPU without a flag is on.
#[test]
fn online_flags() {
    let tree = Tree::with_cores(&["0", "1", "2"]);
    fs::remove_file(tree.0.path().join("sys/devices/system/cpu/online")).unwrap();
    fs::remove_file(tree.0.path().join("sys/devices/system/cpu/present")).unwrap();
    tree.cpu("cpu1/online", "0")
        .cpu("cpu2/online", "1")
        .cpu("cpufreq/x", "");
    let topology = tree.read();
    assert_eq!(
        (topology.online(), topology.offline()),
        (set("0,2"), set("1"))
    );
    tree.cpu("cpu2/online", "yes");
    assert_eq!(
        tree.error(),
        "/sys/devices/system/cpu/cpu2/online holds 'yes', expected 0 or 1; \
         look at the file, or check that --root names a whole sysfs tree"
    );
}

#[test]
fn nodes() {
    let tree = Tree::with_cores(&["0", "1", "2", "3"]);
    assert_eq!(summary(&tree.read()), [1, 1, 0, 4, 4]);
    // A memory-only node, as with CXL, does not count.
    tree.node("node0/cpulist", "").node("node4/cpulist", "0-1");
    tree.node("node7/cpulist", "2-3")
        .node("possible", "0-7")
        .node("has_cpu", "4,7");
    let topology = tree.read();
    assert_eq!(summary(&topology)[1], 2);
    // The kernel's numbers stay: memory.numa_stat counts by them.
    let labels: Vec<u32> = topology.groups(Level::Numa).into_keys().collect();
    assert_eq!(labels, [4, 7]);
    // Two nodes that claim the same CPUs (fake NUMA) are one.
    tree.node("node9/cpulist", "0-1");
    assert_eq!(summary(&tree.read())[1], 2);
    // Only memory-only nodes: nothing is known.
    for node in [4, 7, 9] {
        tree.node(&format!("node{node}/cpulist"), "");
    }
    assert_eq!(summary(&tree.read())[1], 1);
    // A node may have a mask only, ended by a NUL.
    let tree = Tree::with_cores(&["0", "1", "2", "3"]);
    tree.node("node0/cpumap", "00000000,00000003\n\0")
        .node("node1/cpumap", "c");
    assert_eq!(groups(&tree.read(), Level::Numa), ["0-1", "2-3"]);
    tree.node("node1/cpumap", "6");
    assert!(
        tree.error()
            .contains("node1/cpumap holds '1-2', expected the CPUs of node 0 (0-1) or none"),
        "{}",
        tree.error()
    );
}

/// A kernel of 2007 has masks and no lists.
#[test]
fn masks_only() {
    let tree = Tree::new();
    for cpu in 0..4u32 {
        let core = if cpu % 2 == 0 {
            "00000000,00000005"
        } else {
            "a"
        };
        tree.each(&cpu.to_string(), "topology/thread_siblings", core);
        tree.each(&cpu.to_string(), "topology/physical_package_id", "3");
        // core_id repeats; the siblings count.
        tree.each(&cpu.to_string(), "topology/core_id", "0");
        tree.each(&cpu.to_string(), "cache/index2/level", "3");
        tree.each(&cpu.to_string(), "cache/index2/type", "Unified");
        tree.each(&cpu.to_string(), "cache/index2/shared_cpu_map", "f");
    }
    let topology = tree.read();
    assert_eq!(summary(&topology), [1, 1, 1, 2, 4]);
    assert_eq!(groups(&topology, Level::Core), ["0,2", "1,3"]);
}

/// Only where there is no sibling file at all does `core_id` count, within its
/// package; a package that firmware does not number goes by its CPU set.
#[test]
fn ids_as_a_last_resort() {
    let tree = Tree::new();
    tree.cpu("online", "0-4");
    for (cpu, package, core) in [(0, "0", "0"), (1, "0", "1"), (2, "0", "0"), (3, "1", "0")] {
        tree.cpu(&format!("cpu{cpu}/topology/physical_package_id"), package);
        tree.cpu(&format!("cpu{cpu}/topology/core_id"), core);
    }
    assert_eq!(groups(&tree.read(), Level::Core), ["0,2", "1", "3", "4"]);

    let tree = Tree::with_cores(&["0", "1", "2", "3"]);
    tree.each("0-3", "topology/physical_package_id", "-1");
    tree.each("0-1", "topology/core_siblings_list", "0-1");
    tree.each("2-3", "topology/core_siblings", "c");
    assert_eq!(groups(&tree.read(), Level::Socket), ["0-1", "2-3"]);
}

#[test]
fn caches() {
    let tree = Tree::with_cores(&["0", "1", "2", "3", "4", "5"]);
    tree.cache("0-3", 0, 1, "Data")
        .cache("0-5", 1, 1, "Instruction");
    tree.cache("0-1", 2, 2, "Unified")
        .cache("2-3", 2, 2, "Unified");
    // The last-level cache stands in, but is no L3; instruction caches do not
    // count, so CPUs 4 and 5 share nothing.
    let topology = tree.read();
    assert_eq!(summary(&topology)[2], 0);
    assert_eq!(groups(&topology, Level::L3), ["0-1", "2-3", "4", "5"]);
    // Low-power cores beside the L3, as on Meteor Lake: one L3.
    tree.cache("0-3", 3, 3, "Unified")
        .cache("4-5", 2, 2, "Unified");
    let topology = tree.read();
    assert_eq!(summary(&topology)[2], 1);
    assert_eq!(groups(&topology, Level::L3), ["0-3", "4-5"]);
    assert_eq!(topology.no_l3, set("4-5"));
    // Ids may repeat, sets count. A level 4 does not replace the L3.
    tree.cache("0-1", 3, 3, "Unified")
        .cache("2-3", 3, 3, "Unified");
    tree.each("0-5", "cache/index3/id", "0")
        .cache("0-5", 4, 4, "Unified");
    let topology = tree.read();
    assert_eq!(summary(&topology)[2], 2);
    assert_eq!(&groups(&topology, Level::L3)[..2], ["0-1", "2-3"]);
}

#[test]
fn core_kinds() {
    // cpu_capacity: 446 / 1024 = 0.4355.
    let tree = Tree::with_cores(&["0", "1", "2", "3"]);
    tree.each("0-1", "cpu_capacity", "1024")
        .each("2-3", "cpu_capacity", "446");
    tree.each("0-3", "cpufreq/cpuinfo_max_freq", "2000000");
    assert_eq!(perf(&tree.read()), [1000, 1000, 436, 436]);
    // Missing on one CPU, it does not count, and the frequencies are equal.
    fs::remove_file(
        tree.0
            .path()
            .join("sys/devices/system/cpu/cpu3/cpu_capacity"),
    )
    .unwrap();
    assert_eq!(perf(&tree.read()), [1000; 4]);

    // Favoured cores: 5.8 and 5.3 GHz (91 %) are one kind, 4.3 GHz (74.1 %) is not.
    let tree = Tree::with_cores(&["0", "1", "2", "3"]);
    for (cpu, khz) in [
        (0, "5800000"),
        (1, "5300000"),
        (2, "5300000"),
        (3, "4300000"),
    ] {
        tree.cpu(&format!("cpu{cpu}/cpufreq/cpuinfo_max_freq"), khz);
    }
    assert_eq!(perf(&tree.read()), [1000, 1000, 1000, 741]);
    // The kinds that the PMUs name count before that: CPU 2 is an E-core of at
    // most 5.3 GHz (5300 / 5800 = 0.9138), CPU 3 of the same kind.
    tree.put("sys/devices/cpu_core/cpus", "0-1")
        .put("sys/devices/cpu_atom/cpus", "2-3");
    assert_eq!(perf(&tree.read()), [1000, 1000, 914, 914]);
    // Without cpu_atom, what is not in cpu_core is the other kind.
    fs::remove_dir_all(tree.0.path().join("sys/devices/cpu_atom")).unwrap();
    assert_eq!(perf(&tree.read()), [1000, 1000, 914, 914]);
    // All in cpu_core: one kind.
    tree.put("sys/devices/cpu_core/cpus", "0-3");
    assert_eq!(perf(&tree.read()), [1000; 4]);
    // Exactly 10 % below is still the same kind, a little more is not.
    let tree = Tree::with_cores(&["0", "1", "2"]);
    for (cpu, khz) in [(0, "1000000"), (1, "900000"), (2, "899999")] {
        tree.cpu(&format!("cpu{cpu}/cpufreq/cpuinfo_max_freq"), khz);
    }
    assert_eq!(perf(&tree.read()), [1000, 1000, 900]);
}

#[test]
fn isolation() {
    let tree = Tree::with_cores(&["0", "1", "2", "3"]);
    tree.cpu("isolated", "2-3").cpu("nohz_full", "  (null)");
    let topology = tree.read();
    let isolated = |t: &Topology| {
        t.cpus
            .iter()
            .filter(|c| c.isolated)
            .map(|c| c.id.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(isolated(&topology), [2, 3]);
    assert!(topology.cpus.iter().all(|cpu| !cpu.nohz_full));
    tree.cpu("isolated", "").cpu("nohz_full", "1");
    let topology = tree.read();
    assert!(isolated(&topology).is_empty());
    assert!(topology.cpu(CpuId(1)).unwrap().nohz_full);
}

/// Content that no kernel writes, or that contradicts itself, by name.
#[test]
fn garbage() {
    let cases = [
        (
            "online",
            "0-x",
            "cpu/online holds '0-x', expected a CPU list such as '0-3,8' (a CPU number",
        ),
        (
            "online",
            "0\n1",
            "cpu/online holds '0\\n1', expected a CPU list such as '0-3,8' (more than one line)",
        ),
        (
            "online",
            "",
            "no online CPU under /sys/devices/system/cpu; check",
        ),
        (
            "present",
            "\x1b[2J",
            "cpu/present holds '\\u{1b}[2J', expected a CPU list",
        ),
        (
            "isolated",
            "2-1",
            "cpu/isolated holds '2-1', expected a CPU list such as '0-3,8' (a range runs backwards)",
        ),
        (
            "cpu1/topology/core_cpus_list",
            "0",
            "cpu1/topology/core_cpus_list holds '0', expected a set with CPU 1 itself",
        ),
        (
            "cpu1/topology/core_cpus_list",
            "",
            "cpu1/topology/core_cpus_list holds '', expected a set with CPU 1 itself",
        ),
        (
            "cpu1/topology/core_cpus_list",
            "1-2",
            // In the order of CPUs, CPU 0's file is the first that disagrees.
            "cpu0/topology/core_cpus_list holds '0-1', expected the online CPUs that \
             /sys/devices/system/cpu/cpu1/topology/core_cpus_list names (1-2), because CPU 0 claims CPU 1",
        ),
        (
            "cpu0/topology/physical_package_id",
            "one",
            "cpu0/topology/physical_package_id holds 'one', expected a whole number",
        ),
        (
            "cpu0/topology/physical_package_id",
            "1",
            "cpu0/topology/core_cpus_list holds '0-1', expected threads of one socket (CPU 0: 1, CPU 1: 0)",
        ),
        (
            "cpu0/cache/index3/level",
            "L3",
            "cpu0/cache/index3/level holds 'L3', expected a whole number",
        ),
        (
            "cpu0/cache/index3/type",
            "3",
            "cpu0/cache/index3/type holds '3', expected Unified, Data or Instruction",
        ),
        (
            "cpu0/cache/index3/shared_cpu_list",
            "1-3",
            "index3/shared_cpu_list holds '1-3', expected a set with CPU 0 itself",
        ),
        (
            "cpu0/cache/index3/shared_cpu_list",
            "0-1",
            "cpu0/cache/index3/shared_cpu_list holds '0-1', expected the online CPUs that",
        ),
        (
            "cpu2/cpufreq/cpuinfo_max_freq",
            "0",
            "cpu2/cpufreq/cpuinfo_max_freq holds '0', expected a positive number",
        ),
        (
            "cpu2/cpufreq/cpuinfo_max_freq",
            "<unknown>",
            "cpu2/cpufreq/cpuinfo_max_freq holds '<unknown>', expected a whole number",
        ),
    ];
    for (path, text, want) in cases {
        let tree = Tree::with_cores(&["0-1", "2-3"]);
        tree.cache("0-3", 3, 3, "Unified");
        tree.each("0-3", "cpufreq/cpuinfo_max_freq", "2000000");
        assert_eq!(summary(&tree.read()), [1, 1, 1, 2, 4]);
        let error = tree.cpu(path, text).error();
        assert!(error.contains(want), "{path} {text:?}: {error}");
    }
    let tree = Tree::with_cores(&["0-1"]);
    tree.node("node0/cpulist", "0").node("node1/cpulist", "1");
    assert!(
        tree.error()
            .contains("expected threads of one NUMA node (CPU 0: 0, CPU 1: 1)")
    );
    let tree = Tree::new();
    assert!(
        tree.error()
            .starts_with("no online CPU under /sys/devices/system/cpu")
    );
}

/// A host whose CPU 1 is switched off between two reads.
struct Hotplug {
    under: RealHost,
    /// Reads of the `online` list that still show CPU 1.
    left: Cell<u32>,
}

impl Host for Hotplug {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if path.ends_with("cpu/online") && self.left.get() > 0 {
            self.left.set(self.left.get() - 1);
            return Ok(b"0-1\n".to_vec());
        }
        self.under.read(path)
    }
    fn write(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.under.list(path)
    }
    fn inode(&self, path: &Path) -> io::Result<u64> {
        self.under.inode(path)
    }
}

#[test]
fn hotplug_between_reads_starts_over() {
    // CPU 1 is listed online once, but its directory is gone already.
    let tree = Tree::with_cores(&["0"]);
    tree.cpu("present", "0-1")
        .cpu("cpu0/topology/core_cpus_list", "0");
    let host = Hotplug {
        under: RealHost::new(tree.0.path()),
        left: Cell::new(1),
    };
    let topology = read_topology(&host).unwrap();
    assert_eq!(
        (topology.online(), topology.offline()),
        (set("0"), set("1"))
    );
    // The very list that was read counts, not one that changes for ever.
    let host = Hotplug {
        under: RealHost::new(tree.0.path()),
        left: Cell::new(3),
    };
    assert_eq!(read_topology(&host).unwrap().online(), set("0-1"));
}

/// Same order, same labels: reading twice gives the same bytes.
#[test]
fn fingerprints() {
    let host = make_topology(2, 2, 4, 2);
    let print = host.fingerprint();
    let mut relabelled = host.clone();
    for cpu in &mut relabelled.cpus {
        cpu.core = cpu.core.map(|label| 500 - label);
        cpu.l3 = cpu.l3.map(|label| label + 7);
        cpu.socket = cpu.socket.map(|label| 3 - label);
    }
    relabelled.dies = vec![set("0-1")];
    assert_eq!(relabelled.fingerprint(), print);
    let changes: [fn(&mut Topology); 8] = [
        |t| t.cpus[3].online = false,
        |t| t.cpus[3].core = t.cpus[4].core,
        |t| t.cpus[3].l3 = Some(99),
        |t| t.cpus[3].numa = Some(1),
        |t| t.cpus[3].socket = Some(1),
        |t| t.cpus[3].perf = 999,
        |t| t.cpus[3].isolated = true,
        |t| t.cpus.truncate(31),
    ];
    let mut seen = vec![print];
    for change in changes {
        let mut other = host.clone();
        change(&mut other);
        assert!(!seen.contains(&other.fingerprint()));
        seen.push(other.fingerprint());
    }
}

/// Numbered as Linux does: with 2 sockets of one L3 of 2 cores with 2 threads,
/// CPUs 0-3 are the first threads, 4-7 the siblings in the same order.
#[test]
fn synthetic_hosts() {
    let topology = make_topology(2, 1, 2, 2);
    assert_eq!(summary(&topology), [2, 2, 2, 4, 8]);
    assert_eq!(groups(&topology, Level::Core), ["0,4", "1,5", "2,6", "3,7"]);
    assert_eq!(groups(&topology, Level::L3), ["0-1,4-5", "2-3,6-7"]);
    assert_eq!(
        groups(&topology, Level::Numa),
        groups(&topology, Level::Socket)
    );
    assert_eq!(summary(&make_topology(2, 12, 8, 2)), [2, 2, 24, 192, 384]);
    // What it makes and what is read from a tree of the same shape is equal.
    let tree = Tree::with_cores(&["0,4", "1,5", "2,6", "3,7"]);
    tree.each("2-3,6-7", "topology/physical_package_id", "1");
    tree.cache("0-1,4-5", 3, 3, "Unified")
        .cache("2-3,6-7", 3, 3, "Unified");
    tree.node("node0/cpulist", "0-1,4-5")
        .node("node1/cpulist", "2-3,6-7");
    assert_eq!(tree.read(), topology);
    assert_eq!(tree.read().fingerprint(), topology.fingerprint());
}

/// A host file's `topology` (schema placement/1) knows nothing of isolation,
/// dies or the kind of cache.
#[test]
fn host_files() {
    let text = r#"{"cpus":[
        {"id":0,"core":0,"l3":0,"numa":0,"socket":0,"online":true,"perf":1000},
        {"id":1,"core":null,"l3":null,"numa":null,"socket":null,"online":false,"perf":700}]}"#;
    let topology: Topology = serde_json::from_str(text).unwrap();
    assert_eq!(summary(&topology), [1, 1, 1, 1, 1]);
    assert_eq!(topology.offline(), set("1"));
    // What `topology --json` prints can be put into a host file.
    let printed = serde_json::to_value(topology.report()).unwrap();
    assert_eq!(printed["schema"], "topology/1");
    let keys: Vec<&String> = printed.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["cpus", "schema", "summary"]);
    let file: BTreeMap<&str, &serde_json::Value> = BTreeMap::from([("cpus", &printed["cpus"])]);
    let again: Topology = serde_json::from_value(serde_json::json!(file)).unwrap();
    assert_eq!(again, topology);
}
