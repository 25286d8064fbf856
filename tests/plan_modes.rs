//! `plan --what-if` and `plan --batch` as a user meets them.
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
use std::path::Path;

use serde_json::{Value, json};
use support::{cpufence, stderr, stdout};

/// One node, four cores of two threads; `web` had core 0, `db` core 1.
fn host(name: &str, web: u32) -> Value {
    let cpu = |id: u32| {
        json!({"id": id, "core": id % 4, "l3": 0, "numa": 0, "socket": 0, "online": true,
               "perf": 1000})
    };
    let spec = |id: &str, cpus: u32, previous: Value| {
        json!({"id": id, "cpus": cpus, "predicted_p95": cpus, "kind": "static",
               "previous": previous})
    };
    json!({
        "schema": "placement/1",
        "name": name,
        "topology": {"cpus": (0..8).map(cpu).collect::<Vec<_>>()},
        "containers": [spec("web", web, json!([0])), spec("db", 1, json!([1]))],
    })
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    text.lines().map(parse).collect()
}

#[test]
fn what_if_compares_two_plans() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("host.json");
    fs::write(&file, host("h", 1).to_string()).unwrap();
    let run = |args: &[&str]| {
        let base = ["plan", "--host", file.to_str().unwrap()];
        let output = cpufence(&[&base, args].concat());
        (output.status.code(), stdout(&output), stderr(&output))
    };
    let changes = [
        "--what-if",
        "add:cpus=2,p95=2,id=new",
        "--what-if",
        "remove:db",
    ];

    let (code, out, err) = run(&[&changes[..], &["--json"]].concat());
    assert_eq!(code, Some(0), "{err}");
    let plan: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(plan["schema"], "plan/1");
    assert_eq!(plan["placement"]["new"].as_array().unwrap().len(), 2);
    assert!(plan["placement"].get("db").is_none());

    let (code, out, err) = run(&[&changes[..], &["--compare", "--json"]].concat());
    assert_eq!(code, Some(0), "{err}");
    let both: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(both["schema"], "what_if/1");
    assert_eq!(both["now"]["plan"]["cost"], 0);
    // Four cores: web and db stay on theirs, two are idle. Then new gets two
    // cores with idle siblings, and the core that is left idles.
    assert_eq!(both["now"]["idle"]["cores"], "2-3,6-7");
    assert_eq!(
        both["now"]["idle"]["room"],
        json!({"threads": 2, "node": 0})
    );
    assert_eq!(both["then"]["plan"]["cost"], 0);
    assert_eq!(both["then"]["idle"]["count"], 1);
    let steps: Vec<(&str, &str)> = both["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| {
            (
                c["container"].as_str().unwrap(),
                c["step"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(steps, [("db", "gone"), ("new", "new"), ("web", "stays")]);
    assert_eq!(both["now_at_new_weights"], Value::Null);

    let (_, text, _) = run(&[&changes[..], &["--compare"]].concat());
    for part in [
        "what if  add:cpus=2,p95=2,id=new",
        "largest container that still fits on one node with idle siblings",
        "2 threads, node 0",
        "gone",
        "cores that fall idle",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Two threads of web share a core at 200 per mille each: 400,000 micro-CPU at
/// the file's weights, nothing where sharing is free.
#[test]
fn weights_can_be_tried() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("host.json");
    let mut host = host("h", 2);
    host["topology"]["cpus"] = json!([
        {"id": 0, "core": 0, "l3": 0, "numa": 0, "socket": 0, "online": true},
        {"id": 1, "core": 1, "l3": 0, "numa": 0, "socket": 0, "online": true},
        {"id": 2, "core": 0, "l3": 0, "numa": 0, "socket": 0, "online": true},
    ]);
    host["containers"][0]["previous"] = json!([0, 2]);
    fs::write(&file, host.to_string()).unwrap();
    let output = cpufence(&[
        "plan",
        "--host",
        file.to_str().unwrap(),
        "--weights",
        "smt_busy=0",
        "--compare",
        "--json",
    ]);
    let both: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(both["now"]["plan"]["cost"], 400_000);
    assert_eq!(both["then"]["plan"]["cost"], 0);
    assert_eq!(both["weights"]["smt_busy"], 0);
    assert_eq!(both["now_at_new_weights"]["smt"], 0);

    for (args, wanted) in [
        (
            ["--what-if", "remove:cache"],
            "no container has the id 'cache'",
        ),
        (["--weights", "smt=1"], "unknown weight 'smt'"),
    ] {
        let output = cpufence(&[&["plan", "--host", file.to_str().unwrap()], &args[..]].concat());
        assert_eq!(output.status.code(), Some(3));
        assert!(stderr(&output).contains(wanted), "{}", stderr(&output));
    }
}

/// Some sixty hosts, every seventh line broken in one way or another.
fn batch(path: &Path) -> usize {
    let mut text = String::new();
    for n in 0..62 {
        match n % 7 {
            3 if n % 2 == 0 => text.push_str("{\"schema\": \"placement/1\"\n"),
            3 => text.push('\n'),
            _ => text.push_str(&format!("{}\n", host(&format!("h{n}"), 1 + n % 6))),
        }
    }
    // The last line need not end.
    text.pop();
    fs::write(path, text).unwrap();
    62
}

/// A batch without the times in it.
fn timeless(mut answers: Vec<Value>) -> Vec<Value> {
    for answer in &mut answers {
        answer.as_object_mut().unwrap().remove("timing");
    }
    answers
}

#[test]
fn a_batch_keeps_the_order_and_names_bad_lines() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("in.jsonl"), dir.path().join("out.jsonl"));
    let count = batch(&from);
    let run = |to: &Path, threads: &str, work: &str| {
        cpufence(&[
            "plan",
            "--batch",
            from.to_str().unwrap(),
            "--out",
            to.to_str().unwrap(),
            "--threads",
            threads,
            "--work",
            work,
        ])
    };
    let output = run(&to, "3", "2000");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    // No bar where stderr is no terminal.
    assert!(!stderr(&output).contains('\r'), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("of 62 lines have no plan"),
        "{}",
        stderr(&output)
    );
    let answers = lines(&to);
    assert_eq!(answers.len(), count);
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer["line"], n + 1);
        if n % 7 == 3 {
            assert_eq!(answer["schema"], "error/1");
            let place = format!("in.jsonl, line {}", n + 1);
            assert!(
                answer["error"].as_str().unwrap().contains(&place),
                "{answer}"
            );
        } else {
            assert_eq!(answer["schema"], "plan/1");
            let web = answer["placement"]["web"].as_array().unwrap().len();
            assert_eq!(web, 1 + n % 6);
        }
    }

    // However many workers: the same answers.
    let other = dir.path().join("one.jsonl");
    run(&other, "1", "2000");
    assert_eq!(timeless(lines(&other)), timeless(answers.clone()));

    // Cut short anywhere, also within a line, it is gone on with.
    let whole = fs::read(&to).unwrap();
    for cut in [
        0,
        1,
        whole.len() / 3,
        whole.len() / 2,
        whole.len() - 1,
        whole.len(),
    ] {
        fs::write(&to, &whole[..cut]).unwrap();
        let output = run(&to, "2", "2000");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(
            timeless(lines(&to)),
            timeless(answers.clone()),
            "cut at {cut}"
        );
    }

    // Not with other settings, and not over somebody else's file.
    let output = run(&to, "1", "1000");
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).contains("line 1 does not belong"),
        "{}",
        stderr(&output)
    );
    assert_eq!(timeless(lines(&to)), timeless(answers), "nothing is lost");
    for precious in ["precious\n", "precious"] {
        fs::write(&other, precious).unwrap();
        assert_eq!(run(&other, "1", "2000").status.code(), Some(3));
        assert_eq!(fs::read_to_string(&other).unwrap(), precious);
    }
}

#[test]
fn a_batch_says_what_it_needs() {
    let refused = |args: &[&str], code: i32, wanted: &str| {
        let output = cpufence(&[&["plan"], args].concat());
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains(wanted), "{}", stderr(&output));
    };
    refused(&["--batch", "in.jsonl"], 2, "--out");
    refused(
        &["--batch", "a", "--out", "b", "--threads", "0"],
        2,
        "--threads",
    );
    refused(&["--batch", "a", "--out", "b", "--host", "c"], 2, "--host");
    refused(
        &["--batch", "/nowhere/in", "--out", "/nowhere/out"],
        3,
        "/nowhere/in",
    );
}
