//! `apply` and `restore` of the built binary on the real v1 kernel: busy
//! containers, an over-full host, another writer, and `kill -9` anywhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "test code"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cpufence::cgroup::journal::read_state;
use cpufence::cpuset::CpuSet;
use support::{V1, stderr, stdout};

const SPIN: [&str; 3] = ["sh", "-c", "while :; do :; done"];

fn online() -> CpuSet {
    CpuSet::parse_list(&fs::read_to_string("/sys/devices/system/cpu/online").unwrap()).unwrap()
}

fn set(text: &str) -> CpuSet {
    CpuSet::parse_list(text).unwrap()
}

#[test]
fn two_busy_containers_are_fenced_apart_and_given_back() {
    let Some(mut v1) = V1::new("two_busy_containers") else {
        return;
    };
    if online().len() < 2 {
        return support::skipped("two_busy_containers", "needs two CPUs");
    }
    v1.container("a", 1, &SPIN);
    v1.container("b", 1, &SPIN);
    let before = [v1.read("a", "cpuset.cpus"), v1.read("b", "cpuset.cpus")];

    let plan = v1.run(&["plan", "--json"]);
    assert_eq!(plan.status.code(), Some(0), "{}", stderr(&plan));
    assert_eq!(
        [v1.read("a", "cpuset.cpus"), v1.read("b", "cpuset.cpus")],
        before,
        "plan changes nothing"
    );
    assert!(!Path::new(&v1.state()).exists(), "plan stores nothing");

    let apply = v1.run(&["apply"]);
    assert_eq!(apply.status.code(), Some(0), "{}", stderr(&apply));
    assert_eq!(stdout(&apply), "", "a done round says nothing to cron");
    let (a, b) = (
        set(&v1.read("a", "cpuset.cpus")),
        set(&v1.read("b", "cpuset.cpus")),
    );
    assert_eq!((a.len(), b.len()), (1, 1), "each has exactly its request");
    assert!(a.is_disjoint(&b), "{a} and {b}");
    for (name, cpus) in [("a", &a), ("b", &b)] {
        assert_eq!(
            v1.affinities(name),
            BTreeSet::from([cpus.to_string()]),
            "every thread of {name}"
        );
    }

    let again = v1.run(&["apply", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&stdout(&again)).unwrap();
    assert_eq!(
        report["moved_threads"], 0,
        "a second round has no reason to move anything"
    );
    assert_eq!(report["status"], "optimal");
    let status = v1.run(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&stdout(&status)).unwrap();
    assert_eq!(status["violations"], serde_json::json!([]));
    assert_eq!(status["containers"][0]["request_cpus"], 1);

    let restore = v1.run(&["restore"]);
    assert_eq!(restore.status.code(), Some(0), "{}", stderr(&restore));
    assert_eq!(
        [v1.read("a", "cpuset.cpus"), v1.read("b", "cpuset.cpus")],
        before
    );
}

#[test]
fn an_over_full_host_still_fences_everyone() {
    let Some(mut v1) = V1::new("over_full") else {
        return;
    };
    let n = online().len() + 1;
    for i in 0..n {
        v1.container(&format!("c{i}"), 1, &SPIN);
    }
    let apply = v1.run(&["apply", "--json"]);
    assert_eq!(apply.status.code(), Some(0), "{}", stderr(&apply));
    let report: serde_json::Value = serde_json::from_str(&stdout(&apply)).unwrap();
    assert_eq!(report["status"], "fallback");
    let sets: Vec<CpuSet> = (0..n)
        .map(|i| set(&v1.read(&format!("c{i}"), "cpuset.cpus")))
        .collect();
    assert!(
        sets.iter().all(|s| s.len() == 1),
        "each still gets exactly its request: {sets:?}"
    );
    let union = sets.iter().fold(CpuSet::new(), |all, s| all.union(s));
    assert_eq!(union, online(), "no CPU is idle while others are shared");
    let words = report["explanation"].to_string();
    assert!(
        words.contains("share"),
        "the answer says who shares: {words}"
    );
    assert_eq!(v1.run(&["restore"]).status.code(), Some(0));
    for i in 0..n {
        assert_eq!(set(&v1.read(&format!("c{i}"), "cpuset.cpus")), online());
    }
}

/// An owner with a quota of 0.1 CPU is predicted to use no more, and lends its
/// CPU. Its quota is raised to 0.5 CPU and it spins: the next round takes the CPU
/// back, though no more than 0.5 is predicted and 0.9 may be lent.
#[test]
fn an_owner_that_used_more_than_predicted_takes_its_cpu_back() {
    let Some(mut v1) = V1::new("overrun") else {
        return;
    };
    if online().len() < 2 {
        return support::skipped("overrun", "needs two CPUs");
    }
    let name = v1.name().to_owned();
    v1.settings(&format!(
        "[solve]\nbudget = \"500ms\"\n\
         [lending]\npolicy = \"oversubscribe\"\nthreshold = 0.9\nrelease = 1.0\n\
         [[containers]]\nmatch = \"{name}/owner\"\nkind = \"static\"\ncpus = 1\n\
         [[containers]]\nmatch = \"{name}/guest\"\nkind = \"burst\"\ncpus = 1\n"
    ));
    v1.container("owner", 1, &["sleep", "600"]);
    v1.quota("owner", 100);
    v1.container("guest", 1, &["sleep", "600"]);
    let apply = v1.run(&["apply"]);
    assert_eq!(apply.status.code(), Some(0), "{}", stderr(&apply));
    let owner = set(&v1.read("owner", "cpuset.cpus"));
    assert_eq!(owner.len(), 1);
    assert!(
        owner.is_subset(&set(&v1.read("guest", "cpuset.cpus"))),
        "the owner lends its CPU"
    );

    v1.quota("owner", 500);
    v1.spawn("owner", &SPIN);
    std::thread::sleep(Duration::from_secs(3));
    let apply = v1.run(&["apply", "--json"]);
    assert_eq!(apply.status.code(), Some(0), "{}", stderr(&apply));
    assert_eq!(set(&v1.read("owner", "cpuset.cpus")), owner);
    let guest = set(&v1.read("guest", "cpuset.cpus"));
    assert!(guest.is_disjoint(&owner), "{guest}: {}", stdout(&apply));
    assert!(
        stdout(&apply).contains("takes its threads back: it used"),
        "{}",
        stdout(&apply)
    );
    assert_eq!(v1.affinities("guest"), BTreeSet::from([guest.to_string()]));
    assert_eq!(v1.run(&["restore"]).status.code(), Some(0));
}

#[test]
fn a_nested_directory_follows_and_comes_back() {
    let Some(mut v1) = V1::new("nested") else {
        return;
    };
    v1.container("a", 1, &["sleep", "600"]);
    v1.make("a/inner");
    v1.spawn("a/inner", &["sleep", "600"]);
    assert_eq!(v1.run(&["apply"]).status.code(), Some(0));
    let a = v1.read("a", "cpuset.cpus");
    assert_eq!(set(&a).len(), 1);
    assert_eq!(v1.read("a/inner", "cpuset.cpus"), a);
    assert_eq!(v1.affinities("a/inner"), BTreeSet::from([a]));
    assert_eq!(v1.run(&["restore"]).status.code(), Some(0));
    assert_eq!(set(&v1.read("a/inner", "cpuset.cpus")), online());
}

#[test]
fn what_another_program_wrote_is_left_alone_and_named() {
    let Some(mut v1) = V1::new("another_writer") else {
        return;
    };
    if online().len() < 2 {
        return support::skipped("another_writer", "needs two CPUs");
    }
    v1.container("a", 1, &["sleep", "600"]);
    v1.container("b", 1, &["sleep", "600"]);
    assert_eq!(v1.run(&["apply"]).status.code(), Some(0));
    let all = online().to_string();
    v1.write("a", "cpuset.cpus", &all);
    let apply = v1.run(&["apply"]);
    assert_eq!(v1.read("a", "cpuset.cpus"), all, "left alone");
    let said = stderr(&apply);
    assert!(
        said.contains("/a: left alone: another program changed its cpuset"),
        "{said}"
    );
    let restore = v1.run(&["restore"]);
    assert_eq!(restore.status.code(), Some(0), "{}", stderr(&restore));
    assert_eq!(v1.read("a", "cpuset.cpus"), all);
    assert_eq!(v1.run(&["apply"]).status.code(), Some(0));
    assert_eq!(
        set(&v1.read("a", "cpuset.cpus")).len(),
        1,
        "after restore what is there counts as the original"
    );
}

fn journal_bytes(state: &Path) -> u64 {
    let entries = fs::read_dir(state.join("journal"))
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter_map(|e| e.metadata().ok())
        .map(|m| m.len())
        .sum()
}

/// A generator for delays alone: xorshift64 (Marsaglia 2003).
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

#[test]
fn kill_9_anywhere_in_the_write_phase_is_undone_by_restore() {
    const KILLS: u32 = 200;
    const CONTAINERS: usize = 40;
    let Some(mut v1) = V1::new("kill_9") else {
        return;
    };
    let names: Vec<String> = (0..CONTAINERS).map(|i| format!("c{i:02}")).collect();
    for name in &names {
        v1.container(name, 1, &["sleep", "3600"]);
    }
    let all = online();
    let state = v1.dir.path().join("state");
    // The length of the write phase: from the journalled intent to the exit.
    let start_apply = || {
        let (config, dir) = (v1.config(), v1.state());
        Command::new(env!("CARGO_BIN_EXE_cpufence"))
            .args([
                "--config", &config, "--state", &dir, "apply", "--budget", "5ms",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let wait_for_growth = |before: u64, child: &mut std::process::Child| -> bool {
        loop {
            if journal_bytes(&state) > before {
                return true;
            }
            if child.try_wait().unwrap().is_some() {
                return false;
            }
        }
    };
    let mut phases: Vec<Duration> = Vec::new();
    for _ in 0..5 {
        let before = journal_bytes(&state);
        let mut child = start_apply();
        assert!(wait_for_growth(before, &mut child));
        let begun = Instant::now();
        assert!(child.wait().unwrap().success());
        phases.push(begun.elapsed());
        assert_eq!(v1.run(&["restore"]).status.code(), Some(0));
    }
    // The shortest seen: a run that ends before its kill shortens it further.
    let micros = |length: Duration| u64::try_from(length.as_micros()).unwrap();
    let mut phase = micros(phases.into_iter().min().unwrap());
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let (mut inside, mut narrowed) = (0, 0);
    for round in 0..KILLS {
        let before = journal_bytes(&state);
        let mut child = start_apply();
        if wait_for_growth(before, &mut child) {
            let delay = Duration::from_micros(next(&mut seed) % phase.max(1));
            let begun = Instant::now();
            while begun.elapsed() < delay {
                if child.try_wait().unwrap().is_some() {
                    phase = phase.min(micros(begun.elapsed()));
                    break;
                }
            }
        }
        let _ = child.kill();
        let _ = child.wait();
        let (journal, _) = read_state(&state).unwrap();
        inside += u32::from(journal.open_intent.is_some());
        narrowed += u32::from(names.iter().any(|n| set(&v1.read(n, "cpuset.cpus")) != all));
        let restore = v1.run(&["restore"]);
        assert_eq!(
            restore.status.code(),
            Some(0),
            "round {round}: {}",
            stderr(&restore)
        );
        for name in &names {
            assert_eq!(
                set(&v1.read(name, "cpuset.cpus")),
                all,
                "round {round}: {name}: {}",
                stderr(&restore)
            );
        }
    }
    eprintln!(
        "kill -9: {KILLS} rounds, {inside} inside the write phase, {narrowed} with cpusets changed; phase {phase} us"
    );
    assert!(
        inside >= 150,
        "only {inside} of {KILLS} kills fell inside the write phase of {phase} us"
    );
}
