//! Discovery of containers: host trees of every layout and version in
//! temporary directories, and the real v1 hierarchies of this machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "test code"
)]

#[allow(dead_code, unreachable_pub, reason = "shared by several tests")]
mod support;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cpufence::cgroup::{
    Container, ContainerRule, Entry, Fence, Hierarchy, HierarchyError, Host, Layout, Observation,
    Pinned, RealHost, RequestSource, Throttling, Version, observe,
};
use cpufence::cpuset::CpuSet;
use cpufence::placement::Kind;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A host tree with 8 CPUs in a temporary directory.
struct Tree {
    dir: tempfile::TempDir,
    version: Version,
    next_pid: u32,
}

impl Tree {
    fn v1() -> Self {
        let mut mounts = String::from("20 1 0:20 / / rw - ext4 /dev/vda rw\n");
        for (controller, number) in ["cpu", "cpuacct", "cpuset", "memory"].into_iter().zip(30..) {
            mounts += &format!(
                "{number} 20 0:{number} / /sys/fs/cgroup/{controller} rw - cgroup cgroup rw,{controller}\n"
            );
        }
        let mut tree = Self::new(Version::V1, &mounts);
        tree.group("", "0-7");
        tree
    }

    fn v2() -> Self {
        let mounts = "20 1 0:20 / / rw - ext4 /dev/vda rw\n30 20 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let tree = Self::new(Version::V2, mounts);
        tree.cgroup("", "cgroup.controllers", "cpuset cpu io memory\n");
        tree.cgroup("", "cgroup.subtree_control", "cpuset cpu memory\n");
        tree.cgroup("", "cpuset.cpus.effective", "0-7\n");
        tree.cgroup("", "cgroup.procs", "");
        tree
    }

    fn new(version: Version, mounts: &str) -> Self {
        let tree = Self {
            dir: tempfile::tempdir().unwrap(),
            version,
            next_pid: 100,
        };
        tree.file("/proc/self/mountinfo", mounts);
        tree.file(
            "/proc/sys/kernel/random/boot_id",
            "11111111-2222-3333-4444-555555555555\n",
        );
        tree.file("/proc/sys/kernel/osrelease", "6.12.1\n");
        tree.file("/sys/devices/system/cpu/online", "0-7\n");
        tree.file("/sys/devices/system/cpu/present", "0-7\n");
        tree
    }

    fn at(&self, path: &[u8]) -> PathBuf {
        self.dir
            .path()
            .join(OsStr::from_bytes(path.strip_prefix(b"/").unwrap_or(path)))
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.at(path.as_bytes());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A file of a group; on v1 in the hierarchy of its controller.
    fn cgroup(&self, group: &str, file: &str, text: &str) {
        let controller = match (self.version, file.split('.').next().unwrap()) {
            (Version::V2, _) => String::new(),
            (Version::V1, "cgroup" | "tasks") => "/cpuset".into(),
            (Version::V1, controller) => format!("/{controller}"),
        };
        self.file(&format!("/sys/fs/cgroup{controller}/{group}/{file}"), text);
    }

    /// A group with cpuset files and no process.
    fn group(&mut self, group: &str, cpus: &str) {
        let (effective, file) = match self.version {
            Version::V1 => (cpus, "cpuset.effective_cpus"),
            Version::V2 => (
                if cpus.is_empty() { "0-7" } else { cpus },
                "cpuset.cpus.effective",
            ),
        };
        self.cgroup(group, "cpuset.cpus", &format!("{cpus}\n"));
        self.cgroup(group, file, &format!("{effective}\n"));
        self.cgroup(
            group,
            "cpuset.mems",
            if self.version == Version::V1 {
                "0\n"
            } else {
                "\n"
            },
        );
        self.cgroup(group, "cgroup.procs", "");
        self.cgroup(
            group,
            if self.version == Version::V1 {
                "tasks"
            } else {
                "cgroup.threads"
            },
            "",
        );
        if self.version == Version::V2 {
            self.cgroup(group, "cpuset.cpus.partition", "member\n");
            self.cgroup(group, "cgroup.subtree_control", "cpuset cpu memory\n");
        } else {
            self.cgroup(group, "cpuset.cpu_exclusive", "0\n");
        }
    }

    /// One more thread in a group, with this affinity.
    fn thread(&mut self, group: &str, allowed: &str) {
        self.next_pid += 1;
        let pid = self.next_pid;
        for file in [
            "cgroup.procs",
            if self.version == Version::V1 {
                "tasks"
            } else {
                "cgroup.threads"
            },
        ] {
            let path = match self.version {
                Version::V1 => format!("/sys/fs/cgroup/cpuset/{group}/{file}"),
                Version::V2 => format!("/sys/fs/cgroup/{group}/{file}"),
            };
            let before = fs::read_to_string(self.at(path.as_bytes())).unwrap();
            self.file(&path, &format!("{before}{pid}\n"));
        }
        self.file(
            &format!("/proc/{pid}/status"),
            &format!("Name:\tx\nCpus_allowed_list:\t{allowed}\n"),
        );
    }

    /// A group with cpuset files and a process that may run everywhere in it.
    fn busy(&mut self, group: &str, cpus: &str) {
        self.group(group, cpus);
        self.thread(group, if cpus.is_empty() { "0-7" } else { cpus });
    }

    fn host(&self) -> RealHost {
        RealHost::new(self.dir.path())
    }

    fn observe(&self, rules: &[&str]) -> Observation {
        let rules: Vec<_> = rules.iter().map(|glob| rule(glob)).collect();
        self.observe_with(&rules)
    }

    fn observe_with(&self, rules: &[ContainerRule]) -> Observation {
        let host = self.host();
        observe(
            &host,
            &Hierarchy::read(&host).unwrap(),
            rules,
            &BTreeMap::new(),
        )
    }
}

fn rule(glob: &str) -> ContainerRule {
    ContainerRule::new(glob, None, None).unwrap()
}

fn set(text: &str) -> CpuSet {
    CpuSet::parse_list(text).unwrap()
}

fn ids(observation: &Observation) -> Vec<&str> {
    observation
        .containers
        .iter()
        .map(|c| c.id.as_str())
        .collect()
}

fn one(observation: &Observation) -> &Container {
    assert_eq!(ids(observation).len(), 1, "{observation:?}");
    &observation.containers[0]
}

fn left_alone(container: &Container) -> &str {
    match &container.fence {
        Fence::LeftAlone(reason) => reason,
        Fence::Managed => panic!("{} is managed", container.id),
    }
}

#[test]
fn v2_known_layouts_and_nothing_else() {
    let mut tree = Tree::v2();
    let pod = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1f.slice";
    let mut expected = vec![
        (format!("system.slice/docker-{ID}.scope"), Layout::Docker),
        (format!("docker/{ID}"), Layout::Docker),
        (format!("machine.slice/libpod-{ID}.scope"), Layout::Podman),
        (format!("{pod}/cri-containerd-{ID}.scope"), Layout::Kubepods),
        (format!("k8s.io/{ID}"), Layout::Cri),
        ("default/web".to_string(), Layout::Cri),
        (
            "system.slice/slurmstepd.scope/job_7/step_0".to_string(),
            Layout::Slurm,
        ),
        ("lxc.payload.web".to_string(), Layout::Lxc),
        ("system.slice/db.service".to_string(), Layout::Systemd),
    ];
    for (path, _) in &expected {
        tree.busy(path, "");
    }
    // containerd runs default/web; a unit counts with a quota of 1.5 CPUs.
    tree.file(
        "/run/containerd/io.containerd.runtime.v2.task/default/web/config.json",
        "{}",
    );
    tree.cgroup("system.slice/db.service", "cpu.max", "150000 100000\n");
    // Not containers: no quota, too small a quota, the host's own, user
    // sessions, nested directories, a directory that belongs to nobody.
    for path in [
        "system.slice/ssh.service",
        "system.slice/nginx.service",
        "system.slice/small.service",
        "system.slice/systemd-journald.service",
        "user.slice/user-0.slice/session-1.scope",
        "init.scope",
        "default/other",
        "build/job",
        "system.slice/slurmstepd.scope/job_7/step_0/user/task_0",
        "lxc.monitor.web",
    ] {
        tree.busy(path, "");
    }
    tree.cgroup("system.slice/small.service", "cpu.max", "20000 100000\n");
    tree.cgroup(
        "system.slice/systemd-journald.service",
        "cpu.max",
        "200000 100000\n",
    );
    let seen = tree.observe(&[]);
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    let found: Vec<_> = seen
        .containers
        .iter()
        .map(|c| (c.id.clone(), c.layout))
        .collect();
    assert_eq!(found, expected);
    assert!(seen.containers.iter().all(|c| c.fence == Fence::Managed));
    assert!(seen.notes.is_empty() && seen.blocked.is_empty(), "{seen:?}");
    assert_eq!(seen.root_effective, set("0-7"));
    let db = seen
        .containers
        .iter()
        .find(|c| c.id.ends_with("db.service"))
        .unwrap();
    assert_eq!(
        (db.request.cpus, db.request.source, db.quota_mcpu),
        (Some(2), RequestSource::Quota, Some(1500))
    );
}

#[test]
fn a_unit_with_containers_inside_is_not_one_itself() {
    let mut tree = Tree::v2();
    tree.group("system.slice", "");
    tree.busy("system.slice/app.service", "");
    tree.cgroup("system.slice/app.service", "cpu.max", "400000 100000\n");
    let inner = format!("system.slice/app.service/{ID}");
    tree.busy(&inner, "");
    assert_eq!(ids(&tree.observe(&[])), [inner.as_str()]);
}

#[test]
fn v1_kubepods_read_through_every_controller() {
    let mut tree = Tree::v1();
    let path = format!("kubepods/burstable/pod1/{ID}");
    for group in ["kubepods", "kubepods/burstable", "kubepods/burstable/pod1"] {
        tree.group(group, "0-7");
    }
    tree.busy(&path, "0-7");
    tree.cgroup(&path, "cpu.shares", "1536\n");
    tree.cgroup(&path, "cpu.cfs_quota_us", "-1\n");
    tree.cgroup("kubepods/burstable/pod1", "cpu.cfs_quota_us", "300000\n");
    tree.cgroup("kubepods/burstable/pod1", "cpu.cfs_period_us", "100000\n");
    tree.cgroup(
        &path,
        "cpu.stat",
        "nr_periods 50\nnr_throttled 5\nthrottled_time 99\n",
    );
    tree.cgroup(&path, "cpuacct.usage", "123456789\n");
    tree.cgroup(&path, "memory.limit_in_bytes", "1073741824\n");
    tree.cgroup(
        &path,
        "memory.numa_stat",
        "total=4 N0=1 N1=3\nhierarchical_total=4 N0=1 N1=3\n",
    );
    let seen = tree.observe(&[]);
    let c = one(&seen);
    assert_eq!((c.id.as_str(), c.layout), (path.as_str(), Layout::Kubepods));
    // 1536 shares are 1500 m: 2 CPUs. The pod's limit bounds, it does not ask.
    assert_eq!((c.request.cpus, c.request.mcpu), (Some(2), Some(1500)));
    assert_eq!(
        (c.request.source, c.request.kind),
        (RequestSource::Shares, Kind::Static)
    );
    assert_eq!(c.quota_mcpu, Some(3000));
    assert_eq!(
        c.throttling,
        Some(Throttling {
            periods: 50,
            throttled: 5
        })
    );
    assert_eq!(c.usage_ns, Some(123_456_789));
    assert_eq!(c.context.memory_bytes, Some(1 << 30));
    assert_eq!(c.home, Some(1));
    assert_eq!(c.parent_effective, set("0-7"));
    assert_eq!(
        c.pinned,
        Pinned {
            threads: 1,
            pinned: 0
        }
    );
    assert_eq!(c.key.boot_id, "11111111-2222-3333-4444-555555555555");
    let real = tree.at(format!("/sys/fs/cgroup/cpuset/{path}").as_bytes());
    assert_eq!(
        c.key.inode,
        std::os::unix::fs::MetadataExt::ino(&fs::metadata(real).unwrap())
    );
    // One memory node: home says nothing.
    tree.file("/sys/devices/system/node/online", "0\n");
    assert_eq!(one(&tree.observe(&[])).home, None);
}

#[test]
fn hybrid_reads_usage_from_either_side() {
    let mut tree = Tree::v1();
    let mounts = "30 1 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
                  31 1 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    tree.file("/proc/self/mountinfo", mounts);
    tree.busy(&format!("docker/{ID}"), "0-7");
    tree.file(
        &format!("/sys/fs/cgroup/unified/docker/{ID}/cpu.stat"),
        "usage_usec 5\n",
    );
    let host = tree.host();
    let hierarchy = Hierarchy::read(&host).unwrap();
    assert!(hierarchy.hybrid && hierarchy.version == Version::V1);
    assert_eq!(one(&tree.observe(&[])).usage_ns, Some(5000));
}

#[test]
fn with_entries_exactly_the_outermost_matches_are_managed() {
    let mut tree = Tree::v2();
    for path in ["a", "a/b", "a/b/c", "x", "x/y", &format!("docker/{ID}")] {
        tree.busy(path, "");
    }
    assert_eq!(ids(&tree.observe(&["a/*", "**/c", "x/**"])), ["a/b", "x"]);
    assert_eq!(one(&tree.observe(&["a/b"])).layout, Layout::Config);
    // Entries that name nobody, since nobody is there or another was first.
    let idle = tree.observe(&["web/*", "a/*", "a/b"]).idle_entries;
    let note = |entry| format!("containers, match \"{entry}\": names no container that is here");
    assert_eq!(idle, ["web/*", "a/b"].map(note));
    let rules = [
        ContainerRule::new("a/?", Some(Kind::Burst), Some(3)).unwrap(),
        ContainerRule::new("a/b", Some(Kind::Pooled), Some(9)).unwrap(),
    ];
    let seen = tree.observe_with(&rules);
    let c = one(&seen);
    assert_eq!(
        (c.request.kind, c.request.cpus, c.request.kind_configured),
        (Kind::Burst, Some(3), true)
    );
    // Its own directory first, then those below it, whoever made them.
    let paths: Vec<_> = c
        .subtree
        .iter()
        .map(|d| String::from_utf8_lossy(&d.path).into_owned())
        .collect();
    assert_eq!(paths, ["a/b", "a/b/c"]);
}

#[test]
fn a_request_beyond_the_host_is_cut_and_named() {
    let mut tree = Tree::v2();
    tree.busy("a", "");
    let seen = tree.observe_with(&[ContainerRule::new("a", None, Some(99)).unwrap()]);
    assert_eq!(one(&seen).request.cpus, Some(8));
    assert_eq!(
        seen.notes,
        ["a: cpus = 99 is more than the 8 that its parent directory has"]
    );
}

#[test]
fn the_journals_original_counts_not_what_was_written_since() {
    let mut tree = Tree::v1();
    tree.group("j", "0-7");
    tree.busy("j/a", "2");
    let host = tree.host();
    let hierarchy = Hierarchy::read(&host).unwrap();
    let see = |originals: &BTreeMap<_, _>| observe(&host, &hierarchy, &[rule("j/*")], originals);
    let now = see(&BTreeMap::new());
    assert_eq!(
        (one(&now).request.cpus, one(&now).request.source),
        (Some(1), RequestSource::OriginalCpuset)
    );
    let key = one(&now).key.clone();
    assert_eq!(
        one(&see(&BTreeMap::from([(key.clone(), set("0-2"))])))
            .request
            .cpus,
        Some(3)
    );
    let whole = see(&BTreeMap::from([(key, set("0-7"))]));
    assert_eq!(
        (one(&whole).request.source, one(&whole).request.kind),
        (RequestSource::None, Kind::Pooled)
    );
}

#[test]
fn empty_directories_are_containers_only_by_name() {
    let mut tree = Tree::v1();
    tree.group("docker", "0-7");
    tree.group(&format!("docker/{ID}"), "0-7");
    tree.group("unready", "");
    assert!(tree.observe(&[]).containers.is_empty());
    assert_eq!(ids(&tree.observe(&["docker/*"])), [format!("docker/{ID}")]);
    // v1: nothing can run where cpuset.cpus is empty.
    assert!(tree.observe(&["unready"]).containers.is_empty());
    // A process further down counts.
    tree.busy(&format!("docker/{ID}/init"), "0-7");
    assert_eq!(ids(&tree.observe(&[])), [format!("docker/{ID}")]);
}

#[test]
fn threads_with_an_affinity_of_their_own_keep_their_container_unfenced() {
    let mut tree = Tree::v2();
    tree.busy("c", "0-3");
    tree.group("c/below", "0-1");
    tree.thread("c/below", "0-1");
    let seen = tree.observe(&["c"]);
    assert_eq!(
        (one(&seen).pinned, &one(&seen).fence),
        (
            Pinned {
                threads: 2,
                pinned: 0
            },
            &Fence::Managed
        )
    );
    tree.thread("c/below", "1");
    let seen = tree.observe(&["c"]);
    assert_eq!(
        one(&seen).pinned,
        Pinned {
            threads: 3,
            pinned: 1
        }
    );
    let reason = left_alone(one(&seen));
    assert!(
        reason.starts_with("1 of 3 threads") && reason.contains("fixed = false"),
        "{reason}"
    );
    let mut asked = rule("c");
    asked.fixed = Some(false);
    assert_eq!(
        one(&tree.observe_with(&[asked.clone()])).fence,
        Fence::Managed
    );
    asked.fixed = Some(true);
    assert!(left_alone(one(&tree.observe_with(&[asked]))).contains("fixed = true"));
}

#[test]
fn of_many_threads_some_are_read() {
    let mut tree = Tree::v2();
    tree.group("c", "");
    for _ in 0..100 {
        tree.thread("c", "0-7");
    }
    let seen = tree.observe(&["c"]);
    assert_eq!(
        one(&seen).pinned,
        Pinned {
            threads: 64,
            pinned: 0
        }
    );
}

#[test]
fn other_owners_keep_their_containers() {
    let mut tree = Tree::v1();
    let pod = format!("kubepods/pod1/{ID}");
    let step = "slurm/uid_1/job_2/step_0";
    let docker = format!("docker/{ID}");
    for path in [&pod, step, &docker] {
        tree.busy(path, "0-7");
    }
    assert!(
        tree.observe(&[])
            .containers
            .iter()
            .all(|c| c.fence == Fence::Managed)
    );
    tree.file(
        "/var/lib/kubelet/cpu_manager_state",
        r#"{"policyName":"static","defaultCpuSet":"0-3","checksum":1}"#,
    );
    tree.file(
        "/etc/slurm/cgroup.conf",
        "# cores\nConstrainCores = Yes # all\n",
    );
    let seen = tree.observe(&[]);
    let of = |id: &str| seen.containers.iter().find(|c| c.id == id).unwrap();
    assert!(left_alone(of(&pod)).contains("/var/lib/kubelet/cpu_manager_state"));
    assert!(left_alone(of(step)).contains("/etc/slurm/cgroup.conf"));
    assert_eq!(of(&docker).fence, Fence::Managed);
    // An entry that names the directory does not change who owns it.
    assert!(left_alone(one(&tree.observe(&["kubepods/**/pod*/*"]))).contains("kubelet"));
    tree.file(
        "/var/lib/kubelet/cpu_manager_state",
        r#"{"policyName":"none","checksum":1}"#,
    );
    assert_eq!(
        one(&tree.observe(&["kubepods/**/pod*/*"])).fence,
        Fence::Managed
    );
}

#[test]
fn v1_exclusive_cpusets() {
    let mut tree = Tree::v1();
    let (ours, theirs) = (format!("docker/{ID}"), "docker/shield");
    tree.group("docker", "0-7");
    tree.busy(&ours, "0-3");
    tree.busy(theirs, "6-7");
    for group in ["", "docker", theirs] {
        tree.cgroup(group, "cpuset.cpu_exclusive", "1\n");
    }
    // 6-7 belong to a sibling that is no container of ours.
    assert_eq!(one(&tree.observe(&[])).parent_effective, set("0-5"));
    // Managed together, the order of writes takes care of it.
    let both = tree.observe(&["docker/*"]);
    assert!(
        both.containers
            .iter()
            .all(|c| c.parent_effective == set("0-7") && c.fence == Fence::Managed)
    );
    // An exclusive set that no entry names is another manager's.
    tree.cgroup(&ours, "cpuset.cpu_exclusive", "1\n");
    assert!(left_alone(one(&tree.observe(&[]))).contains("exclusive"));
}

#[test]
fn v2_partitions_and_missing_controllers() {
    let mut tree = Tree::v2();
    tree.busy("p", "4-5");
    tree.cgroup(
        "p",
        "cpuset.cpus.partition",
        "isolated invalid (Parent is not a partition root)\n",
    );
    let seen = tree.observe(&["p"]);
    assert!(
        left_alone(one(&seen)).contains("isolated invalid"),
        "{seen:?}"
    );

    // Neither s nor s/t hands cpuset on.
    let blocked = format!("s/t/docker-{ID}.scope");
    for group in ["s", "s/t", &blocked] {
        tree.cgroup(group, "cgroup.procs", "");
        tree.cgroup(group, "cgroup.subtree_control", "memory\n");
    }
    let seen = tree.observe(&[]);
    assert_eq!(seen.blocked.len(), 1);
    assert_eq!(seen.blocked[0].id, blocked);
    let HierarchyError::NotEnabled { command, .. } = &seen.blocked[0].error else {
        panic!("{seen:?}")
    };
    assert_eq!(
        command,
        "echo +cpuset | tee /sys/fs/cgroup/s/cgroup.subtree_control /sys/fs/cgroup/s/t/cgroup.subtree_control"
    );
}

#[test]
fn directories_without_cpuset_below_a_container_follow_it() {
    let mut tree = Tree::v2();
    tree.group("c", "2-3");
    tree.cgroup("c/inner", "cgroup.procs", "");
    tree.cgroup("c/inner", "cgroup.threads", "");
    tree.thread("c/inner", "2-3");
    let seen = tree.observe(&["c"]);
    assert_eq!(
        (one(&seen).subtree.len(), one(&seen).pinned),
        (
            1,
            Pinned {
                threads: 1,
                pinned: 0
            }
        )
    );
}

#[test]
fn hostile_names_are_bytes_inside_and_escaped_outside() {
    let mut tree = Tree::v2();
    tree.group("h", "");
    let long = "l".repeat(255);
    let names: [&[u8]; 5] = [
        b"new\nline",
        b"\x1b[31mred",
        b"back\\slash",
        b"not\xffutf8",
        long.as_bytes(),
    ];
    for name in names {
        let dir = tree.at(&[b"/sys/fs/cgroup/h/", name].concat());
        fs::create_dir_all(&dir).unwrap();
        for (file, text) in [
            ("cpuset.cpus", "\n"),
            ("cpuset.cpus.effective", "0-7\n"),
            ("cgroup.procs", ""),
        ] {
            fs::write(dir.join(file), text).unwrap();
        }
    }
    let seen = tree.observe(&["h/*"]);
    assert_eq!(
        ids(&seen),
        [
            r"h/\x1b[31mred",
            r"h/back\x5cslash",
            &format!("h/{long}"),
            r"h/new\x0aline",
            r"h/not\xffutf8"
        ]
    );
    let paths: Vec<&[u8]> = seen
        .containers
        .iter()
        .map(|c| c.dir().path.as_slice())
        .collect();
    assert!(
        names
            .iter()
            .all(|name| paths.contains(&[b"h/", *name].concat().as_slice()))
    );
    // The pseudo-container's name is not up for grabs.
    tree.busy("@pool", "");
    assert_eq!(ids(&tree.observe(&["@pool"])), [r"\x40pool"]);
}

#[test]
fn malformed_lists_leave_one_container_out() {
    let mut tree = Tree::v2();
    tree.busy("a", "");
    tree.busy("b", "");
    tree.cgroup("b", "cpuset.cpus", "0-\u{7}x\n");
    let seen = tree.observe(&["*"]);
    assert_eq!(ids(&seen), ["a"]);
    assert_eq!(seen.notes.len(), 1);
    assert!(
        seen.notes[0].starts_with("/sys/fs/cgroup/b: left out: cpuset.cpus: '"),
        "{:?}",
        seen.notes
    );
    assert!(seen.notes[0].chars().all(|c| !c.is_control()));
}

/// A host on which directories vanish just when they have been listed.
struct Vanishing<'a> {
    host: RealHost,
    victim: &'a str,
    reads_left: RefCell<u32>,
}

impl Vanishing<'_> {
    fn check(&self, path: &Path) -> io::Result<()> {
        if !path.starts_with(self.victim) {
            return Ok(());
        }
        let mut left = self.reads_left.borrow_mut();
        if *left == 0 {
            return Err(io::Error::from_raw_os_error(19)); // ENODEV
        }
        *left -= 1;
        Ok(())
    }
}

impl Host for Vanishing<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.check(path)?;
        self.host.read(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.host.write(path, bytes)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.check(path)?;
        self.host.list(path)
    }

    fn inode(&self, path: &Path) -> io::Result<u64> {
        self.check(path)?;
        self.host.inode(path)
    }
}

#[test]
fn containers_may_vanish_at_any_moment() {
    let mut tree = Tree::v2();
    tree.busy("a", "");
    tree.busy("b", "");
    tree.busy("b/c", "");
    for reads in 0..40 {
        let host = Vanishing {
            host: tree.host(),
            victim: "/sys/fs/cgroup/b",
            reads_left: RefCell::new(reads),
        };
        let hierarchy = Hierarchy::read(&host).unwrap();
        let seen = observe(&host, &hierarchy, &[rule("*")], &BTreeMap::new());
        assert!(ids(&seen).contains(&"a"), "after {reads} reads: {seen:?}");
        assert!(
            seen.notes.is_empty() && seen.blocked.is_empty(),
            "after {reads} reads: {seen:?}"
        );
    }
}

#[test]
fn sandboxes_are_passed_over_and_context_is_read() {
    let mut tree = Tree::v2();
    let other = ID.replace('0', "f");
    for (id, role) in [(ID, "sandbox"), (&other, "container")] {
        tree.busy(&format!("kubepods/pod1/{id}"), "");
        tree.cgroup(&format!("kubepods/pod1/{id}"), "cpu.weight", "59\n");
        // 1536 shares: 1 + floor(1534 * 9999 / 262142) = 59.
        tree.file(
            &format!("/run/containerd/io.containerd.runtime.v2.task/k8s.io/{id}/config.json"),
            &format!(
                r#"{{"annotations":{{"io.kubernetes.cri.container-type":"{role}","io.kubernetes.cri.sandbox-namespace":"prod"}},
                "linux":{{"resources":{{"cpu":{{"shares":1536}}}}}}}}"#
            ),
        );
    }
    let seen = tree.observe(&[]);
    let c = one(&seen);
    assert_eq!(c.id, format!("kubepods/pod1/{other}"));
    assert_eq!(c.context.owner.as_deref(), Some("prod"));
    assert_eq!(
        (c.request.mcpu, c.request.source),
        (Some(1500), RequestSource::Shares)
    );
}

fn doctor(tree: &Tree, args: &[&str]) -> (Option<i32>, String) {
    let root = tree.dir.path().to_str().unwrap();
    let output = support::cpufence(&[&["--root", root, "doctor"], args].concat());
    (output.status.code(), support::stdout(&output))
}

#[test]
fn doctor_names_managers_and_narrow_directories() {
    let mut tree = Tree::v1();
    tree.file("/proc/sys/kernel/osrelease", "5.15.0-1\n");
    tree.group("docker", "0-6");
    tree.busy(&format!("docker/{ID}"), "0-6");
    for (pid, name) in [
        (1, "systemd"),
        (2, "irqbalance"),
        (3, "numad"),
        (4, "tuned"),
        (5, "kubelet"),
    ] {
        tree.file(&format!("/proc/{pid}/comm"), &format!("{name}\n"));
    }
    tree.file("/etc/tuned/active_profile", "cpu-partitioning\n");
    tree.file("/etc/default/irqbalance", "IRQBALANCE_BANNED_CPULIST=4-5\n");
    tree.file("/sys/devices/system/cpu/isolated", "7\n");
    tree.file("/sys/devices/system/cpu/nohz_full", "(null)\n");
    tree.file(
        "/etc/systemd/system/db.service.d/cpus.conf",
        "[Service]\nAllowedCPUs=0-1\n",
    );
    tree.file(
        &format!("/var/lib/docker/containers/{ID}/hostconfig.json"),
        r#"{"CpusetCpus":"0-6"}"#,
    );
    let (code, text) = doctor(&tree, &[]);
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "before 6.2",
        "1 may be fenced, 0 are left alone",
        "/sys/fs/cgroup/cpuset/docker has CPUs 0-6, its parent has 7 besides",
        "'echo 0-7 > /sys/fs/cgroup/cpuset/docker/cpuset.cpus'",
        "policy is not static",
        "systemctl disable --now numad",
        "all CPUs but 4-5",
        "profile cpu-partitioning",
        "isolcpus: CPUs 7",
        "/etc/systemd/system/db.service.d/cpus.conf (AllowedCPUs=0-1)",
        "0123456789ab on 0-6",
        "this host can be fenced",
    ] {
        assert!(text.contains(part), "'{part}' in {text}");
    }
    assert!(!text.contains("nohz_full"), "{text}");
    let (_, json) = doctor(&tree, &["--json"]);
    let report: serde_json::Value = serde_json::from_str(json.trim()).unwrap();
    assert_eq!(
        (&report["schema"], &report["fit"], &report["cgroup"]),
        (&"doctor/1".into(), &true.into(), &"v1".into())
    );
    assert_eq!(json.lines().count(), 1);
}

#[test]
fn doctor_says_what_makes_a_host_fit() {
    let tree = Tree::v2();
    assert_eq!(doctor(&tree, &[]).0, Some(0));
    tree.cgroup("", "cgroup.subtree_control", "cpu memory\n");
    let (code, text) = doctor(&tree, &[]);
    assert_eq!(code, Some(4), "{text}");
    assert!(
        text.contains("'echo +cpuset > /sys/fs/cgroup/cgroup.subtree_control'"),
        "{text}"
    );
    assert!(text.contains("PROBLEM"), "{text}");

    let read_only = Tree::v2();
    read_only.file(
        "/proc/self/mountinfo",
        "30 1 0:30 / /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n",
    );
    let (code, text) = doctor(&read_only, &[]);
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("remount,rw /sys/fs/cgroup"), "{text}");
}

#[test]
fn the_real_v1_hierarchies() {
    let Some(mut v1) = support::V1::new("discovery") else {
        return;
    };
    v1.container("spins", 2, &["sh", "-c", "while :; do :; done"]);
    v1.container("sleeps", 1, &["sleep", "60"]);
    v1.make("empty");
    let host = RealHost::new("/");
    let hierarchy = Hierarchy::read(&host).unwrap();
    assert_eq!(hierarchy.version, Version::V1);
    assert_eq!(hierarchy.cpuset.point, v1.cpuset_mount());
    let rules = [rule(&format!("{}/*", v1.name()))];
    let see = || observe(&host, &hierarchy, &rules, &BTreeMap::new());
    let first = see();
    let path = |name: &str| format!("{}/{name}", v1.name());
    assert_eq!(ids(&first), [path("empty"), path("sleeps"), path("spins")]);
    assert_eq!(first.notes, Vec::<String>::new());
    std::thread::sleep(std::time::Duration::from_millis(300));
    let second = see();
    let find = |seen: &Observation, name: &str| -> Container {
        seen.containers
            .iter()
            .find(|c| c.id == path(name))
            .unwrap()
            .clone()
    };
    let used =
        |name: &str| find(&second, name).usage_ns.unwrap() - find(&first, name).usage_ns.unwrap();
    // A spinning shell on a shared machine gets something, never more than its quota allows.
    assert!(used("spins") > 5_000_000, "{}", used("spins"));
    assert!(used("sleeps") < used("spins"));
    let spins = find(&second, "spins");
    let online = set(fs::read_to_string("/sys/devices/system/cpu/online")
        .unwrap()
        .trim());
    let cpus = u32::try_from(online.len()).unwrap();
    assert_eq!(
        (spins.request.cpus, spins.request.source),
        (Some(2.min(cpus)), RequestSource::Quota)
    );
    assert_eq!(spins.quota_mcpu, Some(2000));
    assert_eq!(
        (spins.pinned, &spins.fence),
        (
            Pinned {
                threads: 1,
                pinned: 0
            },
            &Fence::Managed
        )
    );
    assert_eq!(spins.dir().effective, online);
    assert_eq!(spins.parent_effective, online);
    assert_eq!(spins.key, find(&first, "spins").key);
    let inode = host.inode(&hierarchy.dir(&spins.dir().path)).unwrap();
    assert_eq!(spins.key.inode, inode);
    // Nothing runs in the empty one, which an entry names all the same.
    assert_eq!(find(&second, "empty").pinned, Pinned::default());
}
