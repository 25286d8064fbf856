//! The command line as a user meets it: exit codes, messages, JSON, and every
//! kind of bad input read as it is printed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    dead_code,
    reason = "test code; not every test uses all of the support module"
)]

mod support;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use support::{cpufence, stderr, stdout};

/// A v2 host of two cores with two threads each, below a directory.
fn host(root: &Path) {
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("sys/devices/system/cpu/online", "0-3\n");
    write("sys/devices/system/cpu/present", "0-3\n");
    for cpu in 0..4 {
        let base = format!("sys/devices/system/cpu/cpu{cpu}");
        let siblings = format!("{},{}\n", cpu % 2, cpu % 2 + 2);
        write(&format!("{base}/topology/thread_siblings_list"), &siblings);
        write(
            &format!("{base}/topology/core_id"),
            &format!("{}\n", cpu % 2),
        );
        write(&format!("{base}/cache/index3/level"), "3\n");
        write(&format!("{base}/cache/index3/type"), "Unified\n");
        write(&format!("{base}/cache/index3/shared_cpu_list"), "0-3\n");
        write(&format!("{base}/topology/physical_package_id"), "0\n");
    }
    write(
        "proc/self/mountinfo",
        "30 20 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n",
    );
    write(
        "proc/sys/kernel/random/boot_id",
        "11111111-2222-3333-4444-555555555555\n",
    );
    write("proc/uptime", "1000.00 2000.00\n");
    write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu memory\n");
    write(
        "sys/fs/cgroup/cgroup.subtree_control",
        "cpuset cpu memory\n",
    );
    write("sys/fs/cgroup/cpuset.cpus.effective", "0-3\n");
    write("sys/fs/cgroup/cpuset.mems.effective", "0\n");
}

/// A container below the host's mount, as runtimes make them.
fn container(root: &Path, name: &[u8], quota: &str) {
    let dir = root
        .join("sys/fs/cgroup")
        .join(std::ffi::OsStr::from_bytes(name));
    fs::create_dir_all(&dir).unwrap();
    let files = [
        ("cgroup.controllers", "cpuset cpu memory\n"),
        ("cgroup.subtree_control", "\n"),
        ("cgroup.procs", "77\n"),
        ("cgroup.threads", "77\n"),
        ("cgroup.events", "populated 1\nfrozen 0\n"),
        ("cpuset.cpus", "\n"),
        ("cpuset.cpus.effective", "0-3\n"),
        ("cpuset.cpus.partition", "member\n"),
        ("cpuset.mems", "\n"),
        ("cpu.max", quota),
        (
            "cpu.stat",
            "usage_usec 5000000\nnr_periods 10\nnr_throttled 1\n",
        ),
    ];
    for (file, text) in files {
        fs::write(dir.join(file), text).unwrap();
    }
    let task = root.join("proc/77/task/77");
    fs::create_dir_all(&task).unwrap();
    fs::write(task.join("status"), "Name:\tx\nCpus_allowed_list:\t0-3\n").unwrap();
}

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn docker(root: &Path) -> String {
    let name = format!("system.slice/docker-{ID}.scope");
    container(root, name.as_bytes(), "200000 100000\n");
    name
}

/// Runs with `--root` first; the code, stdout and stderr.
fn run(root: &Path, args: &[&str]) -> (i32, String, String) {
    let root = root.to_str().unwrap();
    let all: Vec<&str> = ["--root", root]
        .into_iter()
        .chain(args.iter().copied())
        .collect();
    let output = cpufence(&all);
    (
        output.status.code().unwrap(),
        stdout(&output),
        stderr(&output),
    )
}

fn json(text: &str) -> serde_json::Value {
    assert_eq!(text.trim_end().lines().count(), 1, "one line: {text}");
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn plan_of_a_host_is_one_line_of_json() {
    let dir = tempfile::tempdir().unwrap();
    host(dir.path());
    let name = docker(dir.path());
    let (code, out, err) = run(dir.path(), &["plan", "--json"]);
    assert_eq!(code, 0, "{err}");
    let plan = json(&out);
    for key in [
        "schema",
        "status",
        "cost",
        "lower_bound",
        "gap",
        "placement",
        "lent",
        "cpuset",
        "cost_parts",
        "moved_threads",
        "explanation",
        "timing",
    ] {
        assert!(plan.get(key).is_some(), "{key} in {out}");
    }
    assert_eq!(plan["schema"], "plan/1");
    // Two threads of two cores: one each, no sibling busy, nothing lost.
    assert_eq!(
        (&plan["status"], &plan["cost"]),
        (&"optimal".into(), &0.into())
    );
    let cpus: Vec<u64> = plan["placement"][&name]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c.as_u64().unwrap())
        .collect();
    assert_eq!(cpus.len(), 2);
    assert_ne!(cpus[0] % 2, cpus[1] % 2, "on different cores");
    assert!(
        !dir.path().join("var/lib/cpufence").exists(),
        "plan stores nothing"
    );
}

#[test]
fn status_names_the_source_of_a_request() {
    let dir = tempfile::tempdir().unwrap();
    host(dir.path());
    let name = docker(dir.path());
    let (code, out, err) = run(dir.path(), &["status", "--json"]);
    assert_eq!(code, 0, "{err}");
    let status = json(&out);
    let row = &status["containers"][0];
    assert_eq!(row["id"], name.as_str());
    assert_eq!(row["layout"], "docker");
    assert_eq!(row["request_cpus"], 2);
    assert!(row["request_source"].as_str().unwrap().contains("quota"));
    assert_eq!(
        row["predicted_p95"], 2.0,
        "nothing was seen yet: the request"
    );
}

#[test]
fn hostile_names_reach_no_terminal_raw() {
    let dir = tempfile::tempdir().unwrap();
    host(dir.path());
    let mut long = b"evil/\x1b[31m\nfake line \\ \xff ".to_vec();
    long.resize(5 + 255, b'x');
    container(dir.path(), &long, "100000 100000\n");
    fs::write(
        dir.path().join("c.toml"),
        "[[containers]]\nmatch = \"evil/*\"\n",
    )
    .unwrap();
    let config = dir.path().join("c.toml");
    let config = config.to_str().unwrap();
    for args in [
        ["plan"].as_slice(),
        &["status"],
        &["plan", "--json"],
        &["status", "--json"],
    ] {
        let args: Vec<&str> = ["--config", config].iter().chain(args).copied().collect();
        let (code, out, err) = run(dir.path(), &args);
        assert_eq!(code, 0, "{err}");
        for text in [&out, &err] {
            assert!(
                !text.contains('\x1b') && !text.contains("\nfake line"),
                "{text}"
            );
        }
        assert!(out.contains("x1b[31m"), "named, escaped: {out}");
    }
}

/// Who asks is told; the log of a round is not.
#[test]
fn settings_that_are_about_nobody_are_told() {
    let dir = tempfile::tempdir().unwrap();
    host(dir.path());
    docker(dir.path());
    let file = dir.path().join("c.toml");
    let path = file.to_str().unwrap();
    let text = "[[containers]]\nmatch = \"system.slice/*\"\n[[containers]]\nmatch = \"web/*\"\n\
        [[constraints]]\nkind = \"whole_cores\"\ncontainers = \"system.slice/*\"\n\
        [[constraints]]\nkind = \"whole_cores\"\ncontainers = \"wbe/*\"\n";
    fs::write(&file, text).unwrap();
    let entry = "containers, match \"web/*\": names no container that is here";
    let rule = "rule 2 ('wbe/*' on whole cores) is about nobody: no container matches 'wbe/*'";
    for command in ["plan", "status"] {
        let (code, _, err) = run(dir.path(), &["--config", path, command]);
        assert_eq!(code, 0, "{err}");
        assert!(err.contains(entry) && err.contains(rule), "{err}");
        assert_eq!(err.matches("nobody").count(), 1, "{err}");
        assert_eq!(err.matches("names no container").count(), 1, "{err}");
    }
    let (_, _, err) = run(dir.path(), &["--config", path, "apply"]);
    assert!(
        !err.contains("nobody") && !err.contains("names no"),
        "{err}"
    );
}

#[test]
fn bad_settings_are_exit_3_with_file_line_and_key() {
    let dir = tempfile::tempdir().unwrap();
    host(dir.path());
    let file = dir.path().join("c.toml");
    let path = file.to_str().unwrap();
    let (code, _, err) = run(dir.path(), &["--config", path, "plan"]);
    assert_eq!(code, 3);
    assert!(
        err.contains("cannot read the settings file") && err.contains("c.toml"),
        "{err}"
    );
    for (text, expected) in [
        (
            "[solve]\nbudget = 5\n",
            "c.toml:2: invalid type: integer `5`",
        ),
        (
            "[solve]\nbudget = \"fast\"\n",
            "solve.budget: 'fast' is not a duration",
        ),
        ("[hosts]\n", "c.toml:1: unknown field `hosts`"),
        ("[[containers]]\nmatch = \"a[\"\ncpus = -1\n", "c.toml:3: "),
        (
            "[host]\nsystem_cpus = \"9-1\"\n",
            "host.system_cpus: '9-1' is not a CPU list",
        ),
    ] {
        fs::write(&file, text).unwrap();
        let (code, out, err) = run(dir.path(), &["plan", "--config", path]);
        assert_eq!((code, out.as_str()), (3, ""), "{text}: {err}");
        assert!(err.contains(expected), "{text}: {err}");
        let (code, _, _) = run(dir.path(), &["apply", "--config", path]);
        assert_eq!(code, 3);
    }
    assert!(!dir.path().join("var").exists(), "nothing was written");
}

#[test]
fn bad_host_files_are_exit_3_with_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("h.json");
    let path = file.to_str().unwrap();
    let cpu = r#"{"id":0,"core":0,"l3":0,"numa":0,"socket":0,"online":true,"perf":1000}"#;
    let of = |cpus: &str, containers: &str| {
        format!(
            r#"{{"schema":"placement/1","topology":{{"cpus":[{cpus}]}},"containers":[{containers}]}}"#
        )
    };
    for (text, expected) in [
        ("{".to_string(), "h.json:1:"),
        (
            of(cpu, "").replace("placement/1", "placement/9"),
            "placement/9",
        ),
        (of(&format!("{cpu},{cpu}"), ""), "0"),
        (
            of(cpu, r#"{"id":"a","cpus":0,"predicted_p95":1.0}"#),
            "cpus",
        ),
        (
            of(cpu, r#"{"id":"a","cpus":1,"predicted_p95":-1.0}"#),
            "predicted_p95",
        ),
        (
            of(
                cpu,
                r#"{"id":"a","cpus":1,"predicted_p95":1.0,"previous":[7]}"#,
            ),
            "7",
        ),
        (
            of(cpu, r#"{"id":"@pool","cpus":1,"predicted_p95":1.0}"#),
            "@pool",
        ),
    ] {
        fs::write(&file, &text).unwrap();
        let output = cpufence(&["plan", "--host", path, "--json"]);
        let err = stderr(&output);
        assert_eq!(output.status.code(), Some(3), "{text}: {err}");
        assert_eq!(stdout(&output), "");
        assert!(
            err.contains("h.json") && err.contains(expected),
            "{text}: {err}"
        );
    }
    let output = cpufence(&["plan", "--host", "/nowhere/h.json"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("cannot read the host file /nowhere/h.json"));
}

#[test]
fn a_malformed_sysfs_is_exit_3_naming_file_and_value() {
    let dir = tempfile::tempdir().unwrap();
    host(dir.path());
    fs::write(dir.path().join("sys/devices/system/cpu/online"), "0-x\n").unwrap();
    for command in ["topology", "plan", "apply"] {
        let (code, _, err) = run(dir.path(), &[command]);
        assert_eq!(code, 3, "{command}: {err}");
        assert!(
            err.contains("cpu/online") && err.contains("0-x"),
            "{command}: {err}"
        );
    }
    assert!(!dir.path().join("sys/fs/cgroup/cpuset.cpus").exists());
}

#[test]
fn a_host_without_cpuset_is_exit_4_with_the_command() {
    let dir = tempfile::tempdir().unwrap();
    host(dir.path());
    fs::write(
        dir.path().join("proc/self/mountinfo"),
        "1 1 0:1 / / rw - ext4 /dev/vda rw\n",
    )
    .unwrap();
    let (code, _, err) = run(dir.path(), &["apply"]);
    assert_eq!(code, 4, "{err}");
    assert!(err.contains("mount -t cgroup2"), "{err}");
    host(dir.path());
    let name = docker(dir.path());
    // systemd without the controller below system.slice: no cpuset files there.
    fs::remove_file(
        dir.path()
            .join("sys/fs/cgroup")
            .join(&name)
            .join("cpuset.cpus"),
    )
    .unwrap();
    fs::remove_file(
        dir.path()
            .join("sys/fs/cgroup")
            .join(&name)
            .join("cpuset.cpus.effective"),
    )
    .unwrap();
    fs::write(
        dir.path()
            .join("sys/fs/cgroup")
            .join(&name)
            .join("cgroup.controllers"),
        "cpu memory\n",
    )
    .unwrap();
    let (code, _, err) = run(dir.path(), &["apply"]);
    assert_eq!(code, 4, "{err}");
    assert!(
        err.contains("echo +cpuset > ") && err.contains("subtree_control"),
        "{err}"
    );
}

#[test]
fn restore_without_state_is_done() {
    let dir = tempfile::tempdir().unwrap();
    host(dir.path());
    let (code, _, err) = run(dir.path(), &["restore"]);
    assert_eq!(code, 0, "{err}");
    assert!(!dir.path().join("var/lib/cpufence").exists());
}

#[test]
fn a_write_that_is_not_in_force_is_undone_with_exit_6() {
    let dir = tempfile::tempdir().unwrap();
    host(dir.path());
    let name = docker(dir.path());
    // Plain files: the effective set never follows, as on a kernel that widens
    // silently. The round must notice and put back what was there.
    let (code, out, err) = run(dir.path(), &["apply"]);
    assert_eq!((code, out.as_str()), (6, ""), "{err}");
    assert!(
        err.contains("the round was undone") && err.contains("is in force"),
        "{err}"
    );
    let cpus = fs::read_to_string(
        dir.path()
            .join("sys/fs/cgroup")
            .join(name)
            .join("cpuset.cpus"),
    )
    .unwrap();
    assert_eq!(cpus.trim(), "");
}

#[test]
fn unreadable_state_is_set_aside_by_name_and_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    host(dir.path());
    docker(dir.path());
    let state = dir.path().join("var/lib/cpufence");
    fs::create_dir_all(state.join("journal")).unwrap();
    fs::create_dir_all(state.join("history")).unwrap();
    fs::write(state.join("journal/00000001.seg"), b"this is no journal").unwrap();
    let (code, _, err) = run(dir.path(), &["apply"]);
    assert_eq!(code, 6, "as without that state: {err}");
    let names: Vec<String> = fs::read_dir(state.join("journal"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.iter().any(|n| n.contains("unreadable")), "{names:?}");
    assert!(
        err.contains("unreadable") || err.contains("set aside"),
        "{err}"
    );
    let output = cpufence(&[
        "replay",
        state.join("journal").join("nothing").to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn usage_errors_are_exit_2() {
    for args in [
        ["plan", "--budget", "soon"].as_slice(),
        &["plan", "--gap", "-1"],
        &["plan", "--budget", "1s", "--work", "5"],
        &["plan", "--no-such-flag"],
        &["frobnicate"],
        &[],
    ] {
        assert_eq!(cpufence(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn the_demo_needs_nothing_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_cpufence"))
        .arg("demo")
        .current_dir(dir.path())
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for part in ["BEFORE", "PREDICTED", "AFTER", "optimal", "gap", "WHY"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn same_host_seed_and_work_give_the_same_plan_to_the_byte() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/demo/host.json");
    let plan = || {
        let output = cpufence(&[
            "plan", "--host", file, "--json", "--work", "5000", "--seed", "7",
        ]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let mut plan = json(&stdout(&output));
        plan.as_object_mut().unwrap().remove("timing");
        plan.to_string()
    };
    assert_eq!(plan(), plan());
}

/// Two containers of one thread on two cores: apart they stay on a core each
/// also where sharing one costs nothing; pinned to a node that is not there,
/// the pin is given up.
#[test]
fn rules_of_the_settings_bind_and_contradictions_are_exit_5() {
    let dir = tempfile::tempdir().unwrap();
    host(dir.path());
    for name in ["box/a", "box/b"] {
        container(dir.path(), name.as_bytes(), "100000 100000\n");
    }
    let config = dir.path().join("c.toml");
    let plan = |rules: &str| {
        let text = format!(
            "[weights]\nsmt_busy = 0\nsmt_foreign = 0\n[[containers]]\nmatch = \"box/*\"\n{rules}"
        );
        fs::write(&config, text).unwrap();
        run(
            dir.path(),
            &["plan", "--json", "--config", config.to_str().unwrap()],
        )
    };
    let rule = "[[constraints]]\nkind = \"whole_cores\"\ncontainers = \"box/a\"\n";
    let (code, out, err) = plan(rule);
    assert_eq!(code, 0, "{err}");
    let placed = json(&out);
    let core = |id: &str| placed["placement"][id][0].as_u64().unwrap() % 2;
    assert_ne!(core("box/a"), core("box/b"));

    let (code, out, err) =
        plan("[[constraints]]\nkind = \"numa_pin\"\ncontainers = \"box/*\"\nnode = 5\n");
    assert_eq!(code, 5, "{err}");
    let placed = json(&out);
    assert_eq!(placed["status"], "relaxed");
    let text = placed["explanation"].to_string();
    assert!(
        text.contains(
            "rule 1 ('box/*' on NUMA node 5) cannot be kept on this host and is given up"
        ),
        "{text}"
    );

    let (code, _, err) = plan("[[constraints]]\nkind = \"co_tenancy\"\ncontainers = \"box/*\"\n");
    assert_eq!(code, 3);
    assert!(
        err.contains("constraints (entry 1): level is absent; expected"),
        "{err}"
    );
}
