use std::collections::BTreeMap;
use std::io;

use proptest::prelude::*;

use super::*;
use crate::cgroup::Entry;

/// A host that has these files and no others.
struct Files(BTreeMap<&'static str, Vec<u8>>);

impl Files {
    fn new(files: &[(&'static str, &str)]) -> Self {
        Self(
            files
                .iter()
                .map(|(path, text)| (*path, text.as_bytes().to_vec()))
                .collect(),
        )
    }
}

impl Host for Files {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let bytes = path.to_str().and_then(|p| self.0.get(p));
        bytes.cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn write(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn list(&self, _: &Path) -> io::Result<Vec<Entry>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn inode(&self, _: &Path) -> io::Result<u64> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn read(mountinfo: &str) -> Result<Hierarchy, HierarchyError> {
    Hierarchy::read(&Files::new(&[(MOUNTINFO, mountinfo)]))
}

fn v2(files: &[(&'static str, &str)]) -> Result<Hierarchy, HierarchyError> {
    let mountinfo =
        "30 1 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    Hierarchy::read(&Files::new(&[&[(MOUNTINFO, mountinfo)], files].concat()))
}

const V1: &str = "\
27 1 254:0 / / rw - ext4 /dev/vda rw
31 27 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 master:2 - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset ro,nosuid - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
";

#[test]
fn v1_controllers_alone_or_together() {
    let h = read(V1).unwrap();
    assert_eq!((h.version, h.hybrid), (Version::V1, false));
    assert_eq!(h.cpuset.point, Path::new("/sys/fs/cgroup/cpuset"));
    assert!(h.cpuset.read_only && h.cpuset.root.is_empty());
    assert_eq!(
        h.cpu.as_ref().unwrap().point,
        Path::new("/sys/fs/cgroup/cpu,cpuacct")
    );
    assert_eq!(h.cpu, h.cpuacct);
    assert!(!h.cpu.unwrap().read_only);
    assert_eq!(h.memory.unwrap().point, Path::new("/sys/fs/cgroup/memory"));
    assert_eq!(h.unified, None);
}

#[test]
fn hybrid_has_an_extra_unified_tree() {
    let text = format!("{V1}41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    let h = read(&text).unwrap();
    assert_eq!((h.version, h.hybrid), (Version::V1, true));
    assert_eq!(
        h.unified.unwrap().point,
        Path::new("/sys/fs/cgroup/unified")
    );
    assert_eq!(h.cpu.unwrap().version, Version::V1);
}

#[test]
fn cpuset_may_be_in_the_unified_tree_beside_v1() {
    let mountinfo = "\
31 1 0:28 / /a rw - cgroup cgroup rw,memory
32 1 0:29 / /b rw - cgroup2 cgroup2 rw
";
    let h = Hierarchy::read(&Files::new(&[
        (MOUNTINFO, mountinfo),
        ("/b/cgroup.controllers", "cpuset cpu io\n"),
        ("/b/cgroup.subtree_control", "cpuset cpu\n"),
    ]))
    .unwrap();
    assert_eq!((h.version, h.hybrid), (Version::V2, true));
    assert_eq!(h.memory.unwrap().version, Version::V1);
    assert_eq!(h.cpu.unwrap().point, Path::new("/b"));
}

#[test]
fn v2_with_cpuset_enabled() {
    let h = v2(&[
        (
            "/sys/fs/cgroup/cgroup.controllers",
            "cpuset cpu io memory\n",
        ),
        ("/sys/fs/cgroup/cgroup.subtree_control", "cpu cpuset\n"),
    ])
    .unwrap();
    assert_eq!((h.version, h.hybrid), (Version::V2, false));
    assert_eq!(
        h.cpus_file(b"a/b"),
        Path::new("/sys/fs/cgroup/a/b/cpuset.cpus")
    );
    assert_eq!(h.cpu.as_ref(), h.unified.as_ref());
}

#[test]
fn v2_without_cpuset_names_the_one_command_and_its_effect() {
    let error = v2(&[
        ("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu\n"),
        ("/sys/fs/cgroup/cgroup.subtree_control", "cpu memory\n"),
    ])
    .unwrap_err()
    .to_string();
    assert!(
        error.contains("'echo +cpuset > /sys/fs/cgroup/cgroup.subtree_control'"),
        "{error}"
    );
    assert!(
        error.contains("before 6.2") && error.contains("affinity"),
        "{error}"
    );
}

#[test]
fn a_controller_that_is_nowhere_is_explained() {
    let disabled = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t0\t1\t0\n";
    let error = v2(&[
        ("/sys/fs/cgroup/cgroup.controllers", "cpu\n"),
        ("/proc/cgroups", disabled),
    ])
    .unwrap_err();
    assert!(
        error.to_string().contains("cgroup_disable=cpuset"),
        "{error}"
    );
    let elsewhere = "cpuset\t3\t1\t1\n";
    let error = v2(&[
        ("/sys/fs/cgroup/cgroup.controllers", "cpu\n"),
        ("/proc/cgroups", elsewhere),
    ])
    .unwrap_err();
    assert!(error.to_string().contains("unmount"), "{error}");
    let error = v2(&[]).unwrap_err();
    assert!(error.to_string().contains("CONFIG_CPUSETS"), "{error}");
    let v1_only = "32 1 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
    let error = read(v1_only).unwrap_err().to_string();
    assert!(
        error.contains("mkdir -p /sys/fs/cgroup/cpuset && mount -t cgroup -o cpuset"),
        "{error}"
    );
    let bare = "32 1 0:29 / /c rw - cgroup cgroup rw,cpuset,noprefix\n";
    assert!(matches!(read(bare), Err(HierarchyError::NoPrefix { .. })));
    assert_eq!(
        read("1 1 0:1 / / rw - ext4 x rw\n"),
        Err(HierarchyError::NotMounted)
    );
    assert!(matches!(
        Hierarchy::read(&Files::new(&[])),
        Err(HierarchyError::Unreadable(_))
    ));
}

#[test]
fn escapes_in_mount_points() {
    let h = read("1 0 0:1 / /m\\040n\\134\\012 rw - cgroup cgroup rw,cpuset\n").unwrap();
    assert_eq!(h.cpuset.point.as_os_str().as_bytes(), b"/m n\\\n");
    // What the kernel never writes stays as it is.
    assert_eq!(unescape(b"\\9\\4\\040x\\"), b"\\9\\4 x\\");
}

#[test]
fn the_whole_hierarchy_comes_before_a_part_then_the_first() {
    let text = "\
1 0 0:1 /docker/x /part rw - cgroup cgroup rw,cpuset
2 0 0:1 / /first rw - cgroup cgroup rw,cpuset
3 0 0:1 / /second rw - cgroup cgroup rw,cpuset
";
    assert_eq!(read(text).unwrap().cpuset.point, Path::new("/first"));
    let part = text.lines().next().unwrap();
    assert_eq!(read(part).unwrap().cpuset.root, b"docker/x");
}

#[test]
fn mounts_that_are_mounted_over_do_not_count() {
    // A second file system on the same point, and one on a directory above.
    let text = "\
10 1 0:1 / / rw - ext4 x rw
11 10 0:2 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
12 11 0:3 / /sys/fs/cgroup/cpuset rw - tmpfs tmpfs rw
13 10 0:2 / /a/cpuset rw - cgroup cgroup rw,cpuset
14 10 0:3 / /a rw - tmpfs tmpfs rw
15 10 0:2 / /b rw - cgroup cgroup rw,cpuset
16 10 0:3 / /bc rw - tmpfs tmpfs rw
";
    assert_eq!(read(text).unwrap().cpuset.point, Path::new("/b"));
}

#[test]
fn a_place_in_another_mount_of_a_part() {
    let mount = |root: &str, point: &str| Mount {
        version: Version::V1,
        point: point.into(),
        root: root.into(),
        read_only: false,
    };
    let (whole, part) = (mount("", "/w"), mount("a/b", "/p"));
    assert_eq!(part.same_place(&whole, b"a/b/c"), Some("/p/c".into()));
    assert_eq!(part.same_place(&whole, b"a/bc"), None);
    assert_eq!(whole.same_place(&part, b"c"), Some("/w/a/b/c".into()));
    assert_eq!(part.same_place(&part, b"x"), Some("/p/x".into()));
}

#[test]
fn commands_quote_hostile_names() {
    let quoted = |bytes: &[u8]| shell_quote(Path::new(OsStr::from_bytes(bytes)));
    assert_eq!(quoted(b"/a/b-c.slice"), "/a/b-c.slice");
    assert_eq!(quoted(b"/a b'c"), r"'/a b'\''c'");
    assert_eq!(quoted(b"/a\nb'"), r"$'/a\x0ab\''");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse_mountinfo(&bytes);
    }

    #[test]
    fn no_lines_panic(lines in "([0-9]{1,2} [0-9]{1,2} 0:1 / (/[ab]?){1,3} rw (- )?cgroup2? x rw(,cpuset)?\n){0,8}") {
        let _ = read(&lines);
    }
}
