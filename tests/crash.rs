//! The journal and `restore` against a process that dies at any operation, a
//! disk that fills up, and directories that vanish; on the model of the
//! kernel's rules and a temporary directory.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "test code"
)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::rc::Rc;

use cpufence::cgroup::journal::{
    Disk, Journal, Limits, Lock, LockError, Outcome, RealDisk, decisions, read_state,
};
use cpufence::cgroup::kernel_model::{BOOT_ID, KernelModel};
use cpufence::cgroup::restore::RestoreReport;
use cpufence::cgroup::{
    Container, CpusetTree, Entry, FenceError, Fenced, Host, Version, fence, restore,
};
use cpufence::cpuset::{CpuId, CpuSet};

const MOUNT: &str = "/sys/fs/cgroup/cpuset";

/// What goes wrong, and when. An operation is a write to the journal's
/// directory or to a cpuset.
#[derive(Debug, Default)]
struct Faults {
    /// Operations so far.
    count: Cell<u64>,
    /// The process dies instead of this operation...
    dies_at: Cell<Option<u64>>,
    /// ...which, if it appends, still leaves this share of its bytes (per 8).
    torn: Cell<usize>,
    /// From this operation on the disk takes no more bytes.
    full_at: Cell<Option<u64>>,
    /// This write to a cpuset is refused.
    refuse: Cell<Option<u64>>,
    cpuset_writes: Cell<u64>,
}

impl Faults {
    fn is_dead(&self) -> bool {
        self.dies_at.get().is_some_and(|at| self.count.get() > at)
    }

    /// Counts an operation; an error if the process is dead, also at this one.
    fn operate(&self) -> io::Result<()> {
        let now = self.count.get();
        self.count.set(now + 1);
        if self.dies_at.get().is_some_and(|at| now >= at) {
            return Err(io::Error::other("dead"));
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
struct FaultDisk(Rc<Faults>);

impl FaultDisk {
    fn alive<T>(&self, read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if self.0.is_dead() {
            return Err(io::Error::other("dead"));
        }
        read()
    }
}

impl Disk for FaultDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.operate()?;
        RealDisk.create_dir(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.alive(|| RealDisk.list(dir))
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.alive(|| RealDisk.read(path))
    }
    fn size(&self, path: &Path) -> io::Result<u64> {
        self.alive(|| RealDisk.size(path))
    }
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let was_dead = self.0.is_dead();
        let now = self.0.count.get();
        let part = &bytes[..bytes.len() * self.0.torn.get() / 8];
        if let Err(dead) = self.0.operate() {
            if !was_dead && self.0.dies_at.get() == Some(now) && !part.is_empty() {
                RealDisk.append(path, part)?;
            }
            return Err(dead);
        }
        if self.0.full_at.get().is_some_and(|at| now >= at) {
            RealDisk.append(path, part)?;
            return Err(io::Error::from_raw_os_error(28));
        }
        RealDisk.append(path, bytes)
    }
    // What a killed process has written stays in the page cache, so these
    // tests need no real syncs.
    fn sync(&self, _: &Path) -> io::Result<()> {
        self.0.operate()
    }
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        self.0.operate()
    }
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        self.0.operate()?;
        RealDisk.truncate(path, len)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.operate()?;
        RealDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.operate()?;
        RealDisk.remove(path)
    }
}

struct FaultHost<'a> {
    kernel: &'a KernelModel,
    faults: Rc<Faults>,
}

impl Host for FaultHost<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.kernel.read(path)
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.faults.operate()?;
        let now = self.faults.cpuset_writes.get();
        self.faults.cpuset_writes.set(now + 1);
        if self.faults.refuse.get() == Some(now) {
            return Err(io::Error::from_raw_os_error(16));
        }
        self.kernel.write(path, bytes)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.kernel.list(path)
    }
    fn inode(&self, path: &Path) -> io::Result<u64> {
        self.kernel.inode(path)
    }
}

fn set(list: &str) -> CpuSet {
    CpuSet::parse_list(list).unwrap()
}

/// Three containers below `box` on 8 CPUs, the first with directories inside.
fn host(version: Version, can_clear: bool) -> KernelModel {
    let kernel = KernelModel::new(version, MOUNT, 8);
    let dirs: &[(&str, &str)] = match version {
        Version::V1 => &[
            ("box", "0-7"),
            ("box/a", "0-7"),
            ("box/a/x", "0-7"),
            ("box/a/y", "0-3"),
            ("box/a/y/z", "1"),
            ("box/a/empty", ""),
            ("box/b", "0-7"),
            ("box/c", "2-5"),
        ],
        Version::V2 => &[
            ("box", ""),
            ("box/a", ""),
            ("box/a/x", ""),
            ("box/a/y", "0-3"),
            ("box/a/y/z", "1"),
            ("box/b", "0-7"),
            ("box/c", "2-5"),
        ],
    };
    for (id, (path, cpus)) in (100..).zip(dirs) {
        kernel.make(path.as_bytes(), cpus).unwrap();
        // All but the v1 directory without CPUs are populated.
        if version == Version::V2 || !cpus.is_empty() {
            kernel.spawn(id, None);
            let file = "cgroup.procs";
            kernel
                .write_file(path.as_bytes(), file, &id.to_string())
                .unwrap();
        }
    }
    if can_clear {
        kernel.allow_clearing();
    }
    kernel
}

/// Targets of the rounds: each moves everything.
const ROUNDS: [[&str; 3]; 4] = [
    ["0-3", "4-5", "6-7"],
    ["4-7", "0-1", "2-3"],
    ["0-5", "6", "7"],
    ["7", "0-3", "4-6"],
];

const SMALL: Limits = Limits {
    segment_bytes: 1,
    total_bytes: 20_000,
};

fn tree<'a>(host: &'a dyn Host, version: Version) -> CpusetTree<'a> {
    CpusetTree {
        host,
        mount: MOUNT.into(),
        version,
        boot_id: BOOT_ID.into(),
    }
}

fn round(
    tree: &CpusetTree<'_>,
    kernel: &KernelModel,
    journal: &mut Journal,
    targets: &[&str; 3],
) -> Result<Fenced, FenceError> {
    let containers: Vec<Container> = ["box/a", "box/b", "box/c"]
        .map(|path| kernel.container(path.as_bytes()))
        .into();
    let moves: Vec<(&Container, CpuSet)> = containers
        .iter()
        .zip(targets.iter().map(|list| set(list)))
        .collect();
    let payload = vec![7; 200];
    fence(tree, journal, &moves, &set("0-7"), payload, |_| vec![1])
}

/// Opens the journal and runs the rounds until one cannot begin; one that is
/// refused on the way and undone is followed by the next.
fn run(
    kernel: &KernelModel,
    version: Version,
    dir: &Path,
    faults: &Rc<Faults>,
    limits: Limits,
    rounds: &[[&str; 3]],
) -> Result<(), FenceError> {
    let host = FaultHost {
        kernel,
        faults: Rc::clone(faults),
    };
    let disk = Box::new(FaultDisk(Rc::clone(faults)));
    let mut journal = Journal::open_with(disk, dir, limits).map_err(FenceError::Journal)?;
    for targets in rounds {
        match round(&tree(&host, version), kernel, &mut journal, targets) {
            Err(FenceError::Undone(_)) if faults.refuse.get().is_some() => {}
            other => drop(other?),
        }
    }
    Ok(())
}

/// Restores with everything working again.
fn recover(kernel: &KernelModel, version: Version, dir: &Path) -> RestoreReport {
    let faults = Rc::new(Faults::default());
    recover_with(kernel, version, dir, &faults).unwrap()
}

/// Whatever happened: nobody else has written, and the state says so.
fn assert_ours(kernel: &KernelModel, version: Version, dir: &Path, what: &str) {
    let (state, notes) = read_state(dir).unwrap();
    assert_eq!(notes, Vec::<String>::new(), "{what}");
    let tree = tree(kernel, version);
    for original in state.originals.values() {
        let now = tree.cpus(&original.path).unwrap();
        let ours = state.is_ours(&original.key, &now, &set("0-7"));
        assert!(ours, "{what}: {:?} has {now}", original.path);
    }
}

fn recover_with(
    kernel: &KernelModel,
    version: Version,
    dir: &Path,
    faults: &Rc<Faults>,
) -> Option<RestoreReport> {
    let host = FaultHost {
        kernel,
        faults: Rc::clone(faults),
    };
    let disk = Box::new(FaultDisk(Rc::clone(faults)));
    let mut journal = Journal::open_with(disk, dir, SMALL).ok()?;
    let tree = tree(&host, version);
    Some(restore(&tree, &mut journal))
}

/// Every cpuset is as it was. A v2 kernel that cannot clear a list leaves the
/// parent's set, which here is everything, in its place.
fn assert_restored(
    before: &BTreeMap<Vec<u8>, CpuSet>,
    kernel: &KernelModel,
    can_clear: bool,
    report: &RestoreReport,
    what: &str,
) {
    for (path, now) in kernel.lists() {
        let was = &before[&path];
        let same = now == *was || (was.is_empty() && !can_clear && now == set("0-7"));
        let path = String::from_utf8_lossy(&path);
        assert!(same, "{what}: {path} was '{was}', is '{now}'; {report:?}");
    }
    assert_eq!(report.left_alone, [], "{what}");
    assert_eq!(report.notes, Vec::<String>::new(), "{what}");
}

struct Case {
    version: Version,
    can_clear: bool,
    limits: Limits,
    refuse: Option<u64>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (version, can_clear) in [
        (Version::V1, false),
        (Version::V2, false),
        (Version::V2, true),
    ] {
        for limits in [SMALL, Limits::default()] {
            for refuse in [None, Some(3), Some(14)] {
                cases.push(Case {
                    version,
                    can_clear,
                    limits,
                    refuse,
                });
            }
        }
    }
    cases
}

#[test]
fn killed_at_any_operation_of_apply_then_restored() {
    let mut points = 0;
    for case in cases() {
        let Case {
            version,
            can_clear,
            limits,
            refuse,
        } = case;
        let start = |dies_at: Option<u64>, torn: usize| {
            let faults = Rc::new(Faults::default());
            faults.dies_at.set(dies_at);
            faults.torn.set(torn);
            faults.refuse.set(refuse);
            let kernel = host(version, can_clear);
            let before = kernel.lists();
            let dir = tempfile::tempdir().unwrap();
            let ended = run(&kernel, version, dir.path(), &faults, limits, &ROUNDS);
            (kernel, before, dir, faults, ended)
        };
        let (kernel, before, dir, faults, ended) = start(None, 0);
        ended.unwrap();
        assert_ne!(kernel.lists(), before, "the rounds do something");
        let operations = faults.count.get();
        let undone = decisions(dir.path()).unwrap().map(Result::unwrap);
        let undone = undone.filter(|round| matches!(round.outcome, Outcome::RolledBack(_)));
        assert_eq!(undone.count(), usize::from(refuse.is_some()));
        let report = recover(&kernel, version, dir.path());
        assert_restored(&before, &kernel, can_clear, &report, "not killed");
        assert!(operations > 20, "{operations} operations");
        for at in 0..operations {
            for torn in [0, 3, 7] {
                points += 1;
                let what = format!(
                    "{version:?} {limits:?} refuse {refuse:?} killed at {at} of {operations}, torn {torn}"
                );
                let (kernel, before, dir, faults, ended) = start(Some(at), torn);
                assert!(faults.count.get() > at, "{what}: {ended:?}");
                assert_ours(&kernel, version, dir.path(), &what);
                if torn == 3 {
                    // The next rounds come first, and restore after them.
                    let faults = Rc::new(Faults::default());
                    run(&kernel, version, dir.path(), &faults, limits, &ROUNDS[1..3])
                        .unwrap_or_else(|e| panic!("{what}: {e:?}"));
                }
                let report = recover(&kernel, version, dir.path());
                assert_restored(&before, &kernel, can_clear, &report, &what);
                // Nothing is left to do.
                let again = recover(&kernel, version, dir.path());
                assert_eq!(
                    again.restored.len() + again.vanished.len(),
                    0,
                    "{what}: {again:?}"
                );
                assert_eq!(again.left_alone, [], "{what}");
            }
        }
    }
    eprintln!("{points} crash points of apply");
    assert!(points >= 2000, "{points} crash points");
}

#[test]
fn killed_at_any_operation_of_restore_then_restored() {
    let mut points = 0;
    for case in cases() {
        let Case {
            version,
            can_clear,
            limits,
            refuse,
        } = case;
        // Also with a disk that is full from the start of the restore.
        for full in [None, Some(0)] {
            let start = |dies_at: Option<u64>| {
                let faults = Rc::new(Faults::default());
                faults.refuse.set(refuse);
                let kernel = host(version, can_clear);
                let before = kernel.lists();
                let dir = tempfile::tempdir().unwrap();
                let _ = run(&kernel, version, dir.path(), &faults, limits, &ROUNDS);
                let faults = Rc::new(Faults::default());
                faults.full_at.set(full);
                faults.dies_at.set(dies_at);
                let _ = recover_with(&kernel, version, dir.path(), &faults);
                (kernel, before, dir, faults.count.get())
            };
            let operations = start(None).3;
            assert!(operations > 3, "{operations} operations");
            for at in 0..operations {
                points += 1;
                let what = format!("{version:?} {limits:?} full {full:?} killed at {at}");
                let (kernel, before, dir, _) = start(Some(at));
                let report = recover(&kernel, version, dir.path());
                assert_restored(&before, &kernel, can_clear, &report, &what);
            }
        }
    }
    eprintln!("{points} crash points of restore");
    assert!(points >= 300, "{points} crash points");
}

#[test]
fn a_full_disk_stops_the_round_before_its_first_write_and_restore_works() {
    for version in [Version::V1, Version::V2] {
        for torn in [0, 5] {
            for limits in [SMALL, Limits::default()] {
                let kernel = host(version, true);
                let before = kernel.lists();
                let dir = tempfile::tempdir().unwrap();
                let faults = Rc::new(Faults::default());
                run(&kernel, version, dir.path(), &faults, limits, &ROUNDS[..1]).unwrap();
                let fenced = kernel.lists();
                let faults = Rc::new(Faults::default());
                faults.full_at.set(Some(0));
                faults.torn.set(torn);
                let error =
                    run(&kernel, version, dir.path(), &faults, limits, &ROUNDS[1..]).unwrap_err();
                assert!(matches!(error, FenceError::Journal(_)), "{error:?}");
                assert!(error.to_string().contains("free space"), "{error}");
                assert_eq!(kernel.lists(), fenced, "nothing was written");
                let (state, notes) = read_state(dir.path()).unwrap();
                assert_eq!(notes, Vec::<String>::new());
                assert_eq!(state.seq, 1);
                assert!(state.open_intent.is_none());

                let report = recover_with(&kernel, version, dir.path(), &faults).unwrap();
                assert_eq!(kernel.lists(), before, "{report:?}");
                assert_eq!(report.restored.len(), 3, "{report:?}");
                assert!(report.notes[0].contains("not journalled"), "{report:?}");
            }
        }
    }
}

#[test]
fn three_rotations_then_restored() {
    for version in [Version::V1, Version::V2] {
        let kernel = host(version, true);
        let before = kernel.lists();
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits {
            segment_bytes: 20_000,
            total_bytes: 60_000,
        };
        let faults = Rc::new(Faults::default());
        let rounds: Vec<[&str; 3]> = (0..120).map(|i| ROUNDS[i % 4]).collect();
        run(&kernel, version, dir.path(), &faults, limits, &rounds).unwrap();
        let segments = RealDisk.list(&dir.path().join("journal")).unwrap();
        // The newest one has at least number 4, and the first is gone.
        assert!(
            segments.last().unwrap().as_str() >= "00000004.seg",
            "{segments:?}"
        );
        assert!(segments[0].as_str() > "00000001.seg", "{segments:?}");
        let sizes = segments
            .iter()
            .map(|s| RealDisk.size(&dir.path().join("journal").join(s)));
        let total: u64 = sizes.map(Result::unwrap).sum();
        assert!(total <= 60_000 + 25_000, "{total} bytes");

        let seen: Vec<_> = decisions(dir.path()).unwrap().map(Result::unwrap).collect();
        assert!(seen.windows(2).all(|w| w[0].seq + 1 == w[1].seq));
        assert_eq!(seen.last().unwrap().seq, 120);
        assert!(
            seen.iter()
                .all(|d| d.outcome == Outcome::Committed(vec![1]) && d.payload.len() == 200)
        );

        let report = recover(&kernel, version, dir.path());
        assert_restored(&before, &kernel, true, &report, "after rotations");
        assert_eq!(report.restored.len(), 3);
    }
}

#[test]
fn vanished_and_reused_directories_are_skipped() {
    let version = Version::V1;
    let kernel = host(version, false);
    let before = kernel.lists();
    let dir = tempfile::tempdir().unwrap();
    let faults = Rc::new(Faults::default());
    run(&kernel, version, dir.path(), &faults, SMALL, &ROUNDS[..1]).unwrap();
    kernel.kill(b"box/b");
    kernel.kill(b"box/a");
    // Same path, another container.
    kernel.make(b"box/a", "0-1").unwrap();
    let report = recover(&kernel, version, dir.path());
    assert_eq!(report.restored, ["box/c"]);
    assert_eq!(report.vanished, ["box/a", "box/b"]);
    let now = kernel.lists();
    assert_eq!(now[b"box/a".as_slice()], set("0-1"));
    assert_eq!(now[b"box/c".as_slice()], before[b"box/c".as_slice()]);
    let (state, _) = read_state(dir.path()).unwrap();
    assert_eq!(state.originals.len(), 0);
}

#[test]
fn another_boot_has_nothing_to_restore() {
    let kernel = host(Version::V1, false);
    let dir = tempfile::tempdir().unwrap();
    let faults = Rc::new(Faults::default());
    run(
        &kernel,
        Version::V1,
        dir.path(),
        &faults,
        SMALL,
        &ROUNDS[..1],
    )
    .unwrap();
    let fenced = kernel.lists();
    let mut journal = Journal::open_with(Box::new(RealDisk), dir.path(), SMALL).unwrap();
    let mut tree = tree(&kernel, Version::V1);
    tree.boot_id = "00000000-0000-4000-8000-000000000002".into();
    let report = restore(&tree, &mut journal);
    assert_eq!(report.vanished.len(), 3);
    assert_eq!(report.written, 0);
    assert_eq!(kernel.lists(), fenced);
    assert_eq!(journal.state().originals.len(), 0);
}

#[test]
fn what_somebody_else_wrote_is_left_alone_and_named() {
    for version in [Version::V1, Version::V2] {
        let kernel = host(version, true);
        let before = kernel.lists();
        let dir = tempfile::tempdir().unwrap();
        let faults = Rc::new(Faults::default());
        run(&kernel, version, dir.path(), &faults, SMALL, &ROUNDS[..1]).unwrap();
        kernel.write_file(b"box/b", "cpuset.cpus", "1-2").unwrap();
        let (state, _) = read_state(dir.path()).unwrap();
        let key = kernel.container(b"box/b").key;
        assert!(!state.is_ours(&key, &set("1-2"), &set("0-7")));
        let report = recover(&kernel, version, dir.path());
        assert_eq!(report.restored, ["box/a", "box/c"]);
        assert_eq!(report.left_alone.len(), 1);
        let (name, why) = &report.left_alone[0];
        assert_eq!(name, "box/b");
        assert!(why.contains("1-2") && why.contains("'0-7'"), "{why}");
        let now = kernel.lists();
        assert_eq!(now[b"box/b".as_slice()], set("1-2"));
        assert_eq!(now[b"box/a".as_slice()], before[b"box/a".as_slice()]);
        // From here on it counts as never assigned.
        let (state, _) = read_state(dir.path()).unwrap();
        assert_eq!(state.originals.len(), 0);
        assert!(state.is_ours(&key, &set("1-2"), &set("0-7")));
        run(&kernel, version, dir.path(), &faults, SMALL, &ROUNDS[..1]).unwrap();
        let report = recover(&kernel, version, dir.path());
        assert_eq!(report.restored.len(), 3, "{report:?}");
        assert_eq!(kernel.lists()[b"box/b".as_slice()], set("1-2"));
    }
}

#[test]
fn v1_originals_wait_for_cpus_that_are_offline() {
    let kernel = host(Version::V1, false);
    let before = kernel.lists();
    let dir = tempfile::tempdir().unwrap();
    let faults = Rc::new(Faults::default());
    run(
        &kernel,
        Version::V1,
        dir.path(),
        &faults,
        SMALL,
        &ROUNDS[..1],
    )
    .unwrap();
    kernel.set_online(CpuId(5), false);
    let report = recover(&kernel, Version::V1, dir.path());
    // All three had CPU 5.
    assert_eq!(report.partial.len(), 3, "{report:?}");
    assert!(report.partial[0].1.contains("0-4,6-7 of 0-7"), "{report:?}");
    assert_eq!(kernel.lists()[b"box/c".as_slice()], set("2-4"));
    // The kernel does not give it back, also not to the parent.
    kernel.set_online(CpuId(5), true);
    kernel.write_file(b"box", "cpuset.cpus", "0-7").unwrap();
    let report = recover(&kernel, Version::V1, dir.path());
    assert_restored(&before, &kernel, false, &report, "online again");
    assert_eq!(report.restored.len(), 3);
}

#[test]
fn directories_that_appeared_meanwhile_are_not_in_the_way() {
    let kernel = host(Version::V1, false);
    let before = kernel.lists();
    let dir = tempfile::tempdir().unwrap();
    let faults = Rc::new(Faults::default());
    run(
        &kernel,
        Version::V1,
        dir.path(),
        &faults,
        SMALL,
        &ROUNDS[..1],
    )
    .unwrap();
    // Originally c had 2-5; it is on 6-7 now, and so are new directories in it.
    kernel.make(b"box/c/late", "6-7").unwrap();
    kernel.make(b"box/c/half", "7").unwrap();
    // One of them goes through a round, the other is never journalled.
    kernel.kill(b"box/c/half");
    run(
        &kernel,
        Version::V1,
        dir.path(),
        &faults,
        SMALL,
        &[["0-1", "2-3", "4-7"]],
    )
    .unwrap();
    let now = kernel.lists();
    assert_eq!(now[b"box/c/late".as_slice()], set("4-7"));
    kernel.make(b"box/c/half", "6-7").unwrap();
    let report = recover(&kernel, Version::V1, dir.path());
    let now = kernel.lists();
    assert_eq!(
        now[b"box/c".as_slice()],
        before[b"box/c".as_slice()],
        "{report:?}"
    );
    assert_eq!(now[b"box/c/late".as_slice()], set("2-5"));
    // 6-7 are places 2 and 3 of 4-7, and so 4-5 of 2-5.
    assert_eq!(now[b"box/c/half".as_slice()], set("4-5"));
}

#[test]
fn a_nested_set_that_shrank_comes_back_when_there_is_room() {
    for version in [Version::V1, Version::V2] {
        let kernel = host(version, true);
        let dir = tempfile::tempdir().unwrap();
        let faults = Rc::new(Faults::default());
        let go = |targets: [&str; 3]| {
            run(&kernel, version, dir.path(), &faults, SMALL, &[targets]).unwrap();
            let lists = kernel.lists();
            [b"box/a/y".as_slice(), b"box/a/y/z"].map(|path| lists[path].to_string())
        };
        // y had 0-3 of 0-7 and z had 1: places 0 to 3 and place 1 of 8. Of 4
        // CPUs that is 0-1 and 0; of 6 it is floor(6 i / 8) = 0, 0, 1, 2.
        assert_eq!(go(["4-7", "0-1", "2-3"]), ["4-5", "4"]);
        assert_eq!(go(["2-7", "0", "1"]), ["2-4", "2"]);
        assert_eq!(go(["0-7", "0", "1"]), ["0-3", "1"]);
    }
}

#[test]
fn a_list_that_could_not_be_cleared_is_cleared_once_the_kernel_can() {
    let version = Version::V2;
    let kernel = host(version, false);
    let before = kernel.lists();
    let dir = tempfile::tempdir().unwrap();
    let faults = Rc::new(Faults::default());
    run(&kernel, version, dir.path(), &faults, SMALL, &ROUNDS[..1]).unwrap();
    let report = recover(&kernel, version, dir.path());
    assert_eq!(report.restored, ["box/b", "box/c"], "{report:?}");
    assert_eq!(report.partial.len(), 1, "{report:?}");
    let (name, why) = &report.partial[0];
    assert_eq!(name, "box/a");
    assert!(why.contains("parent's CPUs 0-7"), "{why}");
    // Never assigned: the next round fences again, and remembers the first original.
    let (state, _) = read_state(dir.path()).unwrap();
    assert!(state.last_committed.is_empty());
    run(&kernel, version, dir.path(), &faults, SMALL, &ROUNDS[1..2]).unwrap();
    kernel.allow_clearing();
    let report = recover(&kernel, version, dir.path());
    assert_eq!(report.partial, [], "{report:?}");
    assert_eq!(kernel.lists(), before);
}

#[test]
fn a_tail_of_zeros_as_after_a_power_cut_is_set_aside() {
    let kernel = host(Version::V1, false);
    let before = kernel.lists();
    let dir = tempfile::tempdir().unwrap();
    let faults = Rc::new(Faults::default());
    run(
        &kernel,
        Version::V1,
        dir.path(),
        &faults,
        Limits::default(),
        &ROUNDS,
    )
    .unwrap();
    let file = dir.path().join("journal/00000001.seg");
    let len = RealDisk.size(&file).unwrap();
    RealDisk.append(&file, &[0; 4096]).unwrap();
    let journal = Journal::open_with(Box::new(RealDisk), dir.path(), SMALL).unwrap();
    let notes = journal.notes().join("\n");
    assert!(notes.contains(&format!("damaged at byte {len}")), "{notes}");
    assert!(notes.contains("00000001.seg.unreadable-1"), "{notes}");
    assert_eq!(journal.state().seq, 4);
    drop(journal);
    let report = recover(&kernel, Version::V1, dir.path());
    assert_restored(&before, &kernel, false, &report, "zeros");
    assert_eq!(report.restored.len(), 3);
}

#[test]
fn unreadable_segments_are_set_aside_and_block_nothing() {
    let kernel = host(Version::V1, false);
    let before = kernel.lists();
    let dir = tempfile::tempdir().unwrap();
    let faults = Rc::new(Faults::default());
    run(&kernel, Version::V1, dir.path(), &faults, SMALL, &ROUNDS).unwrap();
    let inner = dir.path().join("journal");
    let newest = inner.join(RealDisk.list(&inner).unwrap().last().unwrap());
    // A bit of the head record flips.
    let mut bytes = std::fs::read(&newest).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&newest, bytes).unwrap();
    std::fs::write(inner.join("00009000.seg"), "something else").unwrap();

    let (_, notes) = read_state(dir.path()).unwrap();
    assert_eq!(notes.len(), 2, "{notes:?}");
    let journal = Journal::open_with(Box::new(RealDisk), dir.path(), SMALL).unwrap();
    let notes = journal.notes().join("\n");
    assert!(notes.contains("00009000.seg.unreadable-1"), "{notes}");
    assert!(notes.contains("checksum"), "{notes}");
    drop(journal);
    let names = RealDisk.list(&inner).unwrap();
    assert!(names.contains(&"00009001.seg".to_string()), "{names:?}");
    // The originals were in the segment before, too.
    let report = recover(&kernel, Version::V1, dir.path());
    assert_restored(&before, &kernel, false, &report, "set aside");
    assert_eq!(report.restored.len(), 3);
}

#[test]
fn a_journal_of_garbage_is_a_fresh_start() {
    let kernel = host(Version::V1, false);
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("journal");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(inner.join("00000001.seg"), [0; 300]).unwrap();
    // Of a later release.
    std::fs::write(inner.join("00000002.seg"), b"cpufJRNL\x09\0\0\0rest").unwrap();
    std::fs::write(inner.join("00000003.seg"), b"").unwrap();
    let faults = Rc::new(Faults::default());
    run(
        &kernel,
        Version::V1,
        dir.path(),
        &faults,
        SMALL,
        &ROUNDS[..1],
    )
    .unwrap();
    assert_eq!(kernel.lists()[b"box/a".as_slice()], set("0-3"));
    let aside = RealDisk.list(&inner).unwrap();
    let aside = aside
        .iter()
        .filter(|n| n.ends_with(".unreadable-1"))
        .count();
    assert_eq!(aside, 3);
}

#[test]
fn replaying_something_else_names_the_file_and_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.seg");
    std::fs::write(&file, "not a journal").unwrap();
    let error = decisions(&file).unwrap().next().unwrap().unwrap_err();
    assert!(error.to_string().contains("x.seg"), "{error}");
    let error = decisions(&dir.path().join("absent")).unwrap_err();
    assert!(error.to_string().contains("absent"), "{error}");
    std::fs::remove_file(&file).unwrap();
    let error = decisions(dir.path()).unwrap_err();
    assert!(error.to_string().contains("no journal segments"), "{error}");
}

#[test]
fn one_run_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let lock = Lock::acquire(&state).unwrap();
    let error = Lock::acquire(&state).unwrap_err();
    assert!(
        matches!(error, LockError::Held { holder: Some(pid), .. } if pid == std::process::id()),
        "{error}"
    );
    drop(lock);
    let lock = Lock::acquire(&state).unwrap();
    let mut journal = Journal::open(&lock, Limits::default()).unwrap();
    assert_eq!(
        journal.note_decision(vec![1, 2], vec![], vec![]).unwrap(),
        1
    );
    let (state, _) = read_state(lock.dir()).unwrap();
    assert_eq!(state.last_decision.unwrap().payload.0, [1, 2]);
}
