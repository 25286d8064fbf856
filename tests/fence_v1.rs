//! The whole of a round on the real v1 kernel, by the library: observed,
//! planned, journalled, written, verified, given back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    missing_docs,
    reason = "test code"
)]

#[allow(dead_code, unreachable_pub, reason = "shared by several tests")]
mod support;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cpufence::cgroup::journal::{Journal, Limits, Lock};
use cpufence::cgroup::{
    Container, ContainerRule, CpusetTree, Entry, FenceError, Fenced, Hierarchy, Host, RealHost,
    fence, observe, restore,
};
use cpufence::cpuset::CpuSet;
use support::{V1, skipped};

fn set(list: &str) -> CpuSet {
    CpuSet::parse_list(list).unwrap()
}

fn online() -> CpuSet {
    set(&fs::read_to_string("/sys/devices/system/cpu/online").unwrap())
}

/// The first and the last CPU; none (and a line that says so) on a host with one.
fn two_cpus(test: &str) -> Option<[CpuSet; 2]> {
    let online = online();
    if online.len() < 2 {
        skipped(test, "needs two CPUs");
        return None;
    }
    let cpu = |cpu| [cpu].into_iter().collect();
    Some([cpu(online.iter().next()?), cpu(online.iter().last()?)])
}

fn tree(host: &dyn Host) -> CpusetTree<'_> {
    let hierarchy = Hierarchy::read(host).unwrap();
    CpusetTree {
        host,
        mount: hierarchy.cpuset.point.clone(),
        version: hierarchy.version,
        boot_id: host
            .text(Path::new("/proc/sys/kernel/random/boot_id"))
            .unwrap(),
    }
}

fn containers(host: &dyn Host, v1: &V1) -> Vec<Container> {
    let hierarchy = Hierarchy::read(host).unwrap();
    let rules = [ContainerRule::new(&format!("{}/*", v1.name()), None, None).unwrap()];
    observe(host, &hierarchy, &rules, &BTreeMap::new()).containers
}

/// One round that gives each container of `v1`, by name, its target.
fn round(
    host: &dyn Host,
    v1: &V1,
    journal: &mut Journal,
    targets: &[&CpuSet],
) -> Result<Fenced, FenceError> {
    let containers = containers(host, v1);
    assert_eq!(containers.len(), targets.len());
    let moves: Vec<(&Container, CpuSet)> = containers
        .iter()
        .zip(targets.iter().map(|&target| target.clone()))
        .collect();
    fence(&tree(host), journal, &moves, &online(), vec![], |_| vec![])
}

fn journal(v1: &V1) -> (Lock, Journal) {
    let lock = Lock::acquire(&v1.dir.path().join("state")).unwrap();
    let journal = Journal::open(&lock, Limits::default()).unwrap();
    (lock, journal)
}

#[test]
fn every_thread_of_every_directory_is_where_it_belongs() {
    let test = "every_thread";
    let (Some(mut v1), Some([first, last])) = (V1::new(test), two_cpus(test)) else {
        return;
    };
    for name in ["a", "a/inner", "b"] {
        v1.make(name);
    }
    // Threads of this very process, two to a directory, that keep their CPUs busy.
    let stop = Arc::new(AtomicBool::new(false));
    let mut threads = Vec::new();
    for name in ["a", "a", "a/inner", "a/inner", "b", "b"] {
        let (stop, (send, receive)) = (Arc::clone(&stop), std::sync::mpsc::channel());
        threads.push(std::thread::spawn(move || {
            let me = fs::read_link("/proc/thread-self").unwrap();
            send.send(me.file_name().unwrap().to_str().unwrap().to_string())
                .unwrap();
            while !stop.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        }));
        v1.write(name, "tasks", &receive.recv().unwrap());
    }
    let host = RealHost::new("/");
    let (_lock, mut journal) = journal(&v1);
    for (a, b) in [(&first, &last), (&last, &first)] {
        let fenced = round(&host, &v1, &mut journal, &[a, b]).unwrap();
        assert_eq!(fenced.applied.threads, 6);
        assert_eq!(fenced.applied.narrower, 0);
        for (name, cpus) in [("a", a), ("a/inner", a), ("b", b)] {
            assert_eq!(
                set(&v1.read(name, "cpuset.effective_cpus")),
                *cpus,
                "{name}"
            );
            let allowed: Vec<String> = v1.affinities(name).into_iter().collect();
            assert_eq!(allowed, [cpus.to_string()], "{name}");
        }
    }
    // The same again has nothing to write.
    let fenced = round(&host, &v1, &mut journal, &[&last, &first]).unwrap();
    assert_eq!(fenced.writes, []);
    let report = restore(&tree(&host), &mut journal);
    assert_eq!(report.restored.len(), 2, "{report:?}");
    assert_eq!(report.written, 3, "{report:?}");
    for name in ["a", "a/inner", "b"] {
        assert_eq!(set(&v1.read(name, "cpuset.cpus")), online(), "{name}");
        let allowed: Vec<String> = v1.affinities(name).into_iter().collect();
        assert_eq!(allowed, [online().to_string()], "{name}");
    }
    stop.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn forks_during_the_writes_are_no_failure() {
    let test = "forks";
    let (Some(mut v1), Some([first, last])) = (V1::new(test), two_cpus(test)) else {
        return;
    };
    let forks = "while :; do (:) & (:) & wait; done";
    v1.make("a");
    v1.spawn("a", &["sh", "-c", forks]);
    v1.spawn("a", &["sh", "-c", forks]);
    let host = RealHost::new("/");
    let (_lock, mut journal) = journal(&v1);
    for i in 0..100 {
        let target = if i % 2 == 0 { &first } else { &last };
        let fenced = round(&host, &v1, &mut journal, &[target]);
        let fenced = fenced.unwrap_or_else(|e| panic!("round {i}: {e:?}"));
        assert!(fenced.applied.threads >= 2, "round {i}: {fenced:?}");
    }
    let report = restore(&tree(&host), &mut journal);
    assert_eq!(report.restored.len(), 1, "{report:?}");
    assert_eq!(set(&v1.read("a", "cpuset.cpus")), online());
}

/// Removes a container just before the n-th write.
struct Vanishing<'a> {
    real: RealHost,
    writes: Cell<usize>,
    at: usize,
    remove: &'a dyn Fn(),
}

impl Host for Vanishing<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.real.read(path)
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.writes.get() == self.at {
            (self.remove)();
        }
        self.writes.set(self.writes.get() + 1);
        self.real.write(path, bytes)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.real.list(path)
    }
    fn inode(&self, path: &Path) -> io::Result<u64> {
        self.real.inode(path)
    }
}

#[test]
fn a_container_that_vanishes_between_two_writes_is_skipped() {
    let test = "vanishes";
    let (Some(mut v1), Some([first, last])) = (V1::new(test), two_cpus(test)) else {
        return;
    };
    for name in ["a", "c"] {
        v1.make(name);
        v1.spawn(name, &["sleep", "600"]);
    }
    let (_lock, mut journal) = journal(&v1);
    let dir = v1.cpuset_mount().join(v1.name()).join("b");
    // Each container's two directories take one write each; b's are in the middle.
    for at in 0..5 {
        for name in ["b", "b/inner"] {
            v1.make(name);
        }
        let host = Vanishing {
            real: RealHost::new("/"),
            writes: Cell::new(0),
            at,
            remove: &|| {
                fs::remove_dir(dir.join("inner")).unwrap();
                fs::remove_dir(&dir).unwrap();
            },
        };
        let fenced = round(&host, &v1, &mut journal, &[&first, &last, &first]);
        let fenced = fenced.unwrap_or_else(|e| panic!("before write {at}: {e:?}"));
        // Before the fourth write the last container's turn has come.
        if at < 4 {
            assert!(!fenced.applied.vanished.is_empty(), "before write {at}");
            assert!(!dir.exists());
        } else {
            fs::remove_dir(dir.join("inner")).unwrap();
            fs::remove_dir(&dir).unwrap();
        }
        assert_eq!(set(&v1.read("a", "cpuset.cpus")), first);
        assert_eq!(set(&v1.read("c", "cpuset.cpus")), first);
        let host = RealHost::new("/");
        let report = restore(&tree(&host), &mut journal);
        assert_eq!(report.restored.len(), 2, "{report:?}");
        assert_eq!(report.left_alone, []);
        assert_eq!(set(&v1.read("a", "cpuset.cpus")), online());
    }
}

/// A file system of 64 KiB, unmounted when dropped.
struct Tiny<'a>(&'a Path);

impl Drop for Tiny<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_file_system_that_fills_up_stops_rounds_and_not_the_restore() {
    let test = "full_disk";
    let (Some(mut v1), Some([first, last])) = (V1::new(test), two_cpus(test)) else {
        return;
    };
    v1.make("a");
    v1.spawn("a", &["sleep", "600"]);
    let state = v1.dir.path().join("state");
    fs::create_dir(&state).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "cpufence-test"])
        .arg(&state)
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        return skipped(test, "cannot mount a tmpfs");
    }
    let _tiny = Tiny(&state);
    let host = RealHost::new("/");
    let (lock, mut journal) = journal(&v1);
    let mut rounds = 0;
    let error = loop {
        let target = if rounds % 2 == 0 { &first } else { &last };
        match round(&host, &v1, &mut journal, &[target]) {
            Ok(_) => rounds += 1,
            Err(error) => break error,
        }
        assert!(rounds < 1000, "64 KiB hold everything");
    };
    assert!(matches!(error, FenceError::Journal(_)), "{error:?}");
    assert!(rounds > 10, "{rounds} rounds");
    let kept = if rounds % 2 == 1 { &first } else { &last };
    assert_eq!(
        set(&v1.read("a", "cpuset.cpus")),
        *kept,
        "nothing was written"
    );
    // A new run finds a journal that it can read.
    drop(journal);
    let mut journal = Journal::open(&lock, Limits::default()).unwrap();
    assert_eq!(journal.notes(), &[] as &[String]);
    assert_eq!(journal.state().originals.len(), 1);
    fs::write(state.join("filler"), vec![0; 1 << 16]).unwrap_err();
    let report = restore(&tree(&host), &mut journal);
    assert_eq!(report.restored.len(), 1, "{report:?}");
    assert_eq!(set(&v1.read("a", "cpuset.cpus")), online());
}
