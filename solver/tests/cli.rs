//! The `branchcut` binary: what it prints, writes and exits with.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::float_cmp,
    reason = "test code"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A folder of its own for each test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("branchcut-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn branchcut(arguments: &[&str], file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_branchcut"))
        .arg(file)
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// max 8a + 11b + 6c + 4d + 100, 5a + 7b + 4c + 3d <= 14: b, c, d for 121.
const KNAPSACK: &str = "max
 value: 8 a + 11 b + 6 c + 4 d + 100
st
 weight: 5 a + 7 b + 4 c + 3 d <= 14
bin
 a b c d
end
";

const KEYS: [&str; 9] = [
    "status",
    "objective",
    "bound",
    "gap",
    "nodes",
    "lp_iterations",
    "elapsed_s",
    "first_incumbent_s",
    "checked",
];

/// The only line of stdout, with exactly the contract's keys.
fn json(output: &Output) -> serde_json::Value {
    let out = text(&output.stdout);
    assert_eq!(out.lines().count(), 1, "{out}");
    assert_eq!(output.status.code(), Some(0));
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let mut keys: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = KEYS.to_vec();
    keys.sort_unstable();
    expected.sort_unstable();
    assert_eq!(keys, expected);
    value
}

#[test]
fn json_has_exactly_the_keys_of_the_contract() {
    let folder = Folder::new("json");
    let file = folder.file("knapsack.lp", KNAPSACK);
    for engine in ["branchcut", "microlp"] {
        let value = json(&branchcut(&["--json", "--engine", engine], &file));
        assert_eq!(value["status"], "optimal");
        assert_eq!(value["objective"], 121.0);
        assert_eq!(value["bound"], 121.0);
        assert_eq!(value["gap"], 0.0);
        assert_eq!(value["checked"], true);
        assert!(
            value["elapsed_s"].as_f64().unwrap() >= value["first_incumbent_s"].as_f64().unwrap()
        );
    }
}

#[test]
fn every_status_exits_with_zero_and_what_is_missing_is_null() {
    let folder = Folder::new("status");
    let infeasible = folder.file("infeasible.lp", "min\n x\nst\n x >= 3\nbin\n x\nend\n");
    let value = json(&branchcut(&["--json"], &infeasible));
    assert_eq!(value["status"], "infeasible");
    for key in ["objective", "bound", "gap", "first_incumbent_s"] {
        assert!(value[key].is_null(), "{key}");
    }
    assert_eq!(value["checked"], false);
    let unbounded = folder.file("unbounded.lp", "max\n x\nst\n x - y <= 3\nend\n");
    assert_eq!(
        json(&branchcut(&["--json"], &unbounded))["status"],
        "unbounded"
    );
    let file = folder.file("knapsack.lp", KNAPSACK);
    let value = json(&branchcut(&["--json", "--work", "0"], &file));
    assert_eq!(value["status"], "time_limit");
    // All items together are worth 29.
    assert_eq!(value["bound"], 129.0);
}

#[test]
fn the_same_work_gives_the_same_answer() {
    let folder = Folder::new("work");
    let file = folder.file("knapsack.lp", KNAPSACK);
    for work in ["0", "1", "2", "3"] {
        let mut first = json(&branchcut(&["--json", "--work", work], &file));
        let mut second = json(&branchcut(&["--json", "--work", work], &file));
        for value in [&mut first, &mut second] {
            value["elapsed_s"].take();
            value["first_incumbent_s"].take();
        }
        assert_eq!(first, second);
    }
}

#[test]
fn people_get_sizes_progress_and_a_summary() {
    let folder = Folder::new("human");
    let file = folder.file("knapsack.lp", KNAPSACK);
    let output = branchcut(&[], &file);
    assert_eq!(output.status.code(), Some(0));
    let out = text(&output.stdout);
    assert!(
        out.contains("maximize, 1 rows, 4 columns (4 integer), 4 nonzeros"),
        "{out}"
    );
    assert!(out.contains("incumbent"), "{out}");
    assert!(out.contains("status      optimal"), "{out}");
    assert!(out.contains("objective   121"), "{out}");
    assert!(output.stderr.is_empty());
}

#[test]
fn a_solution_file_replaces_the_old_one_and_leaves_nothing_else() {
    let folder = Folder::new("solution");
    let file = folder.file("knapsack.lp", KNAPSACK);
    let solution = folder.file("out.sol", "old");
    let output = branchcut(&["--json", "--solution", solution.to_str().unwrap()], &file);
    assert_eq!(json(&output)["status"], "optimal");
    assert_eq!(
        std::fs::read_to_string(&solution).unwrap(),
        "=obj= 121\na 0\nb 1\nc 1\nd 1\n"
    );
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 2);
    // No point: the old file stays, and stderr says so.
    let output = branchcut(
        &["--work", "0", "--solution", solution.to_str().unwrap()],
        &file,
    );
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("no feasible point was found"));
    assert!(
        std::fs::read_to_string(&solution)
            .unwrap()
            .starts_with("=obj=")
    );
    let output = branchcut(&["--solution", "/nonexistent/out.sol"], &file);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("cannot write /nonexistent/out.sol"));
}

#[test]
fn unreadable_files_exit_with_three_and_say_where() {
    let folder = Folder::new("unreadable");
    let cases = [
        (
            "bad.mps",
            "NAME t\nROWS\n N obj\n X r\n",
            "bad.mps: line 4: section ROWS: found 'X', expected N, L, G or E",
        ),
        (
            "bad.lp",
            "min\n x\nst\n x >= y\nend\n",
            "bad.lp: line 4: section Subject To: found 'y', expected a number",
        ),
        ("bad.mps.gz", "not gzip", "cannot read"),
        ("model.txt", KNAPSACK, "cannot tell the format of"),
    ];
    for (name, content, expected) in cases {
        let output = branchcut(&["--json"], &folder.file(name, content));
        assert_eq!(output.status.code(), Some(3), "{name}");
        let error = text(&output.stderr);
        assert!(
            error.starts_with("branchcut: ") && error.contains(expected),
            "{error}"
        );
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(output.stdout.is_empty());
    }
    let output = branchcut(&[], &folder.0.join("absent.mps"));
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("absent.mps: "));
}

#[test]
fn wrong_usage_exits_with_two() {
    let folder = Folder::new("usage");
    let file = folder.file("knapsack.lp", KNAPSACK);
    let cases: [(&[&str], &str); 9] = [
        (
            &["--time-limit", "10"],
            "expected a decimal number with ms, s, m or h",
        ),
        (
            &["--time-limit", "tens"],
            "expected a decimal number with ms, s, m or h",
        ),
        (
            &["--time-limit=-1s"],
            "expected a decimal number with ms, s, m or h",
        ),
        (&["--gap=-1"], "expected a number of at least 0"),
        (&["--gap", "nan"], "expected a number of at least 0"),
        (&["--threads", "0"], "expected a whole number of at least 1"),
        (
            &["--engine", "other"],
            "possible values: branchcut, microlp",
        ),
        (
            &["--certificate", "out"],
            "unexpected argument '--certificate'",
        ),
        (&["--work", "-1"], "unexpected argument '-1'"),
    ];
    for (arguments, expected) in cases {
        let output = branchcut(arguments, &file);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let error = text(&output.stderr);
        assert!(error.contains(expected), "{error}");
        assert!(output.stdout.is_empty());
    }
    let output = Command::new(env!("CARGO_BIN_EXE_branchcut"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// Ten rows over 120 binaries, which take minutes.
fn hard() -> String {
    let mut lp = String::from("max\n");
    let term = |row: usize, column: usize| 5 + (row * 37 + column * column * 11 + column * 7) % 95;
    let row = |row: usize| -> String {
        (0..120)
            .map(|column| format!(" + {} x{column}\n", term(row, column)))
            .collect()
    };
    lp.push_str(&row(0));
    lp.push_str("st\n");
    for index in 1..10 {
        lp.push_str(&format!("{} <= 2000\n", row(index)));
    }
    lp.push_str("bin\n");
    for column in 0..120 {
        lp.push_str(&format!(" x{column}\n"));
    }
    lp.push_str("end\n");
    lp
}

/// A model that is not solved in minutes ends with its limit. The
/// margin is for the start of the process on a busy machine.
#[test]
fn the_process_ends_with_its_limit() {
    let folder = Folder::new("limit");
    let file = folder.file("hard.lp", &hard());
    let before = Instant::now();
    let value = json(&branchcut(
        &["--json", "--gap", "0", "--time-limit", "0.3s"],
        &file,
    ));
    let elapsed = before.elapsed();
    assert_eq!(value["status"], "time_limit");
    assert!(value["elapsed_s"].as_f64().unwrap() >= 0.3);
    assert!(elapsed < Duration::from_millis(800), "{elapsed:?}");
    assert!(value["gap"].as_f64().unwrap() > 0.0);
}

#[test]
fn verbose_json_tells_what_the_techniques_did() {
    let folder = Folder::new("verbose");
    let file = folder.file("knapsack.lp", KNAPSACK);
    let output = branchcut(&["--json", "-v"], &file);
    let value: serde_json::Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    let deeds = value["techniques"].as_array().unwrap();
    assert!(deeds.iter().any(|deed| deed["technique"] == "presolve"));
    for deed in deeds {
        let mut keys: Vec<&str> = deed
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        keys.sort_unstable();
        assert_eq!(
            keys,
            ["calls", "found", "kind", "technique", "ticks", "used"]
        );
        for key in ["calls", "found", "used", "ticks"] {
            assert!(deed[key].is_u64(), "{deed}");
        }
    }
    let human = text(&branchcut(&["-v"], &file).stdout);
    assert!(human.contains("\ntechnique "), "{human}");
    assert!(human.contains("\npresolve "), "{human}");
    // Without a presolve there is none to tell of.
    let plain = text(&branchcut(&["-v", "--disable", "all"], &file).stdout);
    assert!(!plain.contains("\npresolve "), "{plain}");
}

/// The types of the contract: a null only where a value may not exist.
#[test]
fn json_values_have_the_types_of_the_contract() {
    let folder = Folder::new("types");
    let cases = [
        (KNAPSACK, true),
        ("min\n x\nst\n x >= 3\nbin\n x\nend\n", false),
        ("max\n x\nst\n x - y <= 3\nend\n", false),
    ];
    for (model, has_point) in cases {
        let value = json(&branchcut(&["--json"], &folder.file("model.lp", model)));
        assert!(value["status"].is_string());
        assert!(value["nodes"].is_u64() && value["lp_iterations"].is_u64());
        assert!(value["elapsed_s"].is_f64());
        assert_eq!(value["checked"], has_point);
        for key in ["objective", "gap", "bound", "first_incumbent_s"] {
            assert_eq!(value[key].is_f64(), has_point, "{key}: {value}");
            assert_eq!(value[key].is_null(), !has_point, "{key}: {value}");
        }
    }
}

#[test]
fn a_start_point_is_used_where_it_is_feasible() {
    let folder = Folder::new("start");
    let file = folder.file("knapsack.lp", KNAPSACK);
    // a and b weigh 12 of 14 and are worth 19, which is the best known at work 0.
    let good = folder.file("good.sol", "=obj= 119\na 1\nb 1\n");
    let arguments = |start: &Path| {
        ["--json", "--work", "0", "--start"]
            .map(str::to_owned)
            .into_iter()
            .chain([start.to_str().unwrap().to_owned()])
            .collect::<Vec<String>>()
    };
    let run = |start: &Path| {
        let arguments = arguments(start);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        branchcut(&arguments, &file)
    };
    assert_eq!(json(&run(&good))["objective"], 119.0);
    // A solve from it ends at the optimum all the same.
    let output = branchcut(&["--json", "--start", good.to_str().unwrap()], &file);
    assert_eq!(json(&output)["objective"], 121.0);
    // Too heavy: ignored, and the log says why.
    let heavy = folder.file("heavy.sol", "a 1\nb 1\nc 1\n");
    assert!(json(&run(&heavy))["objective"].is_null());
    let output = branchcut(&["--start", heavy.to_str().unwrap()], &file);
    let out = text(&output.stdout);
    assert!(out.contains("start      refused: "), "{out}");
    assert!(out.contains("by 2e0 ('weight')"), "{out}");
    assert!(out.contains("objective   121"), "{out}");
    // Not readable: no solve.
    let strange = folder.file("strange.sol", "a 1\nq 1\n");
    let output = run(&strange);
    assert_eq!(output.status.code(), Some(3));
    let error = text(&output.stderr);
    assert!(
        error.contains("strange.sol: line 2: section solution: found 'q'"),
        "{error}"
    );
    // What the solver wrote is read back.
    let own = folder.0.join("own.sol");
    let _ = branchcut(&["--json", "--solution", own.to_str().unwrap()], &file);
    assert_eq!(json(&run(&own))["objective"], 121.0);
}

/// Ctrl-C: the best answer so far, with exit code 0.
#[test]
fn an_interrupt_gives_the_best_answer_so_far() {
    use std::io::Read as _;
    use std::process::Stdio;
    let folder = Folder::new("interrupt");
    let file = folder.file("hard.lp", &hard());
    let mut child = Command::new(env!("CARGO_BIN_EXE_branchcut"))
        .arg(&file)
        .args(["--json", "--gap", "0", "--time-limit", "60s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Long enough for the process to start and find a point.
    std::thread::sleep(Duration::from_millis(700));
    let before = Instant::now();
    let interrupted = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    let status = child.wait().unwrap();
    assert!(
        before.elapsed() < Duration::from_secs(2),
        "{:?}",
        before.elapsed()
    );
    let mut out = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    assert_eq!(status.code(), Some(0));
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["status"], "interrupted");
    assert_eq!(value["checked"], true);
    assert!(value["bound"].as_f64().unwrap() >= value["objective"].as_f64().unwrap());
}
