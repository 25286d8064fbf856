//! Each rule and each way to keep CPUs for the host, from the command line: one
//! host, its plan under each (`fixtures/rules`), and by hand what must be so.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    dead_code,
    reason = "test code; not every test uses all of the support module"
)]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{cpufence, stderr, stdout};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/rules")
        .join(name)
}

/// Two sockets, each a node of two L3s of two cores of two threads: CPUs c and
/// c + 8 are core c. db is on cores 0 and 1, log beside it on core 0, vm fills
/// cores 2 and 3, web is on cores 4 and 6: two L3s of node 1.
fn host() -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixture("host.json")).unwrap()).unwrap()
}

/// What a rule is about.
#[derive(Clone, Copy)]
enum Place {
    Core,
    L3,
    Node,
}

/// Where a container is in a plan.
fn at(plan: &Value, id: &str, place: Place) -> BTreeSet<u64> {
    let cpus = plan["placement"][id].as_array().unwrap().iter();
    cpus.map(|cpu| {
        let core = cpu.as_u64().unwrap() % 8;
        match place {
            Place::Core => core,
            Place::L3 => core / 2,
            Place::Node => core / 4,
        }
    })
    .collect()
}

fn is_apart(plan: &Value, a: &str, b: &str, place: Place) -> bool {
    at(plan, a, place).is_disjoint(&at(plan, b, place))
}

fn uses(plan: &Value, cpus: &[u64]) -> bool {
    let sets = plan["placement"].as_object().unwrap().values();
    let mut all = sets.flat_map(|set| set.as_array().unwrap());
    all.any(|cpu| cpus.contains(&cpu.as_u64().unwrap()))
}

/// The plan as JSON and as text without its heading, which says how long it took.
fn plan(host: &Value, dir: &Path, code: i32) -> (Value, String) {
    let file = dir.join("host.json");
    std::fs::write(&file, host.to_string()).unwrap();
    let base = ["plan", "--host", file.to_str().unwrap(), "--work", "100000"];
    let shown = cpufence(&base);
    assert_eq!(shown.status.code(), Some(code), "{}", stderr(&shown));
    let text = stdout(&shown);
    let (_, text) = text.split_once("\n\n").unwrap();
    let answer = cpufence(&[&base[..], &["--json"]].concat());
    (
        serde_json::from_str(stdout(&answer).trim()).unwrap(),
        text.to_owned(),
    )
}

/// A plan that keeps what `keeps` says, which the plan without rules does not, and
/// its golden text.
struct Case {
    name: &'static str,
    change: Value,
    keeps: fn(&Value) -> bool,
}

fn rule(name: &'static str, rule: Value, keeps: fn(&Value) -> bool) -> Case {
    Case {
        name,
        change: json!({"constraints": [rule]}),
        keeps,
    }
}

fn apart(name: &'static str, others: &str, level: &str, keeps: fn(&Value) -> bool) -> Case {
    let text =
        json!({"kind": "anti_affinity", "containers": "db", "others": others, "level": level});
    rule(name, text, keeps)
}

fn cases() -> Vec<Case> {
    const OTHERS: [&str; 3] = ["log", "vm", "web"];
    vec![
        apart("apart-core", "log", "core", |p| {
            is_apart(p, "db", "log", Place::Core)
        }),
        apart("apart-l3", "log", "l3", |p| {
            is_apart(p, "db", "log", Place::L3)
        }),
        apart("apart-numa", "log", "numa", |p| {
            is_apart(p, "db", "log", Place::Node)
        }),
        apart("alone-core", "*", "core", |p| {
            OTHERS.iter().all(|o| is_apart(p, "db", o, Place::Core))
        }),
        apart("alone-l3", "*", "l3", |p| {
            OTHERS.iter().all(|o| is_apart(p, "db", o, Place::L3))
        }),
        apart("alone-numa", "*", "numa", |p| {
            OTHERS.iter().all(|o| is_apart(p, "db", o, Place::Node))
        }),
        // Two patterns: db and vm apart from log and web.
        rule(
            "patterns-core",
            json!({"kind": "anti_affinity", "containers": "??", "others": "???", "level": "core"}),
            |p| {
                ["db", "vm"].iter().all(|a| {
                    ["log", "web"]
                        .iter()
                        .all(|b| is_apart(p, a, b, Place::Core))
                })
            },
        ),
        rule(
            "together-l3",
            json!({"kind": "co_tenancy", "containers": "label:app=shop", "level": "l3"}),
            |p| at(p, "db", Place::L3) == at(p, "web", Place::L3),
        ),
        rule(
            "together-numa",
            json!({"kind": "co_tenancy", "containers": "label:app=shop", "level": "numa"}),
            |p| at(p, "db", Place::Node) == at(p, "web", Place::Node),
        ),
        rule(
            "socket-cores",
            json!({"kind": "max_cores_per_socket", "containers": "db", "cores": 1}),
            |p| {
                [0, 1].iter().all(|node| {
                    at(p, "db", Place::Core)
                        .iter()
                        .filter(|c| **c / 4 == *node)
                        .count()
                        <= 1
                })
            },
        ),
        rule(
            "pin",
            json!({"kind": "numa_pin", "containers": "web", "node": 0}),
            |p| at(p, "web", Place::Node) == BTreeSet::from([0]),
        ),
        rule(
            "whole",
            json!({"kind": "whole_cores", "containers": "db"}),
            |p| at(p, "db", Place::Core).len() == 1,
        ),
        Case {
            name: "system-off",
            change: json!({"system": {"cpus": "2,10"}}),
            keeps: |p| !uses(p, &[2, 10]),
        },
        // Used at a price: of vm's two threads there one leaves.
        Case {
            name: "system-usage",
            change: json!({"system": {"cpus": "2,10", "usage_mcpu": 900}}),
            keeps: |p| !uses(p, &[10]),
        },
        Case {
            name: "isolated",
            change: json!({"isolated": [2, 10]}),
            keeps: |p| !uses(p, &[2, 10]),
        },
    ]
}

/// The host with a change: rules, system CPUs, isolated CPUs.
fn changed(change: &Value) -> Value {
    let mut host = host();
    for (key, value) in change.as_object().unwrap() {
        if key == "isolated" {
            for cpu in value.as_array().unwrap() {
                let at = usize::try_from(cpu.as_u64().unwrap()).unwrap();
                host["topology"]["cpus"][at]["isolated"] = true.into();
            }
        } else {
            host[key] = value.clone();
        }
    }
    host
}

#[test]
fn golden_plan_of_each_rule() {
    let dir = tempfile::tempdir().unwrap();
    let (free, _) = plan(&host(), dir.path(), 0);
    for case in cases() {
        let name = case.name;
        let (found, text) = plan(&changed(&case.change), dir.path(), 0);
        assert!((case.keeps)(&found), "{name}: {text}");
        assert!(!(case.keeps)(&free), "{name} changes nothing");
        assert_eq!(found["status"], "optimal", "{name}");
        golden(name, &text);
    }
}

fn golden(name: &str, text: &str) {
    let golden = std::fs::read_to_string(fixture(&format!("{name}.txt"))).unwrap();
    assert_eq!(text, golden, "{name}");
}

/// web on both nodes at once: the second rule is the softer, since it is the last.
#[test]
fn golden_plan_of_a_contradiction() {
    let pin = |node: u32| json!({"kind": "numa_pin", "containers": "web", "node": node});
    let dir = tempfile::tempdir().unwrap();
    let host = changed(&json!({"constraints": [pin(0), pin(1)]}));
    let (found, text) = plan(&host, dir.path(), 5);
    assert_eq!(found["status"], "relaxed");
    assert_eq!(at(&found, "web", Place::Node), BTreeSet::from([0]));
    golden("contradiction", &text);
}

/// 18 threads are requested and 16 there: log and web, of the least priority,
/// share; db and vm keep their cores to themselves.
#[test]
fn golden_plan_of_an_over_full_host() {
    let mut host = host();
    for (place, (cpus, priority)) in [(4, 2), (4, 0), (6, 1), (4, 0)].into_iter().enumerate() {
        let container = &mut host["containers"][place];
        container["cpus"] = cpus.into();
        container["priority"] = priority.into();
        container["previous"] = Value::Null;
    }
    let dir = tempfile::tempdir().unwrap();
    let (found, text) = plan(&host, dir.path(), 0);
    let set = |id: &str| -> BTreeSet<u64> {
        let cpus = found["placement"][id].as_array().unwrap().iter();
        cpus.map(|cpu| cpu.as_u64().unwrap()).collect()
    };
    assert_eq!(found["status"], "fallback");
    assert!(!set("log").is_disjoint(&set("web")));
    for id in ["db", "vm"] {
        for other in ["db", "log", "vm", "web"].iter().filter(|o| **o != id) {
            assert!(set(id).is_disjoint(&set(other)), "{id} {other}");
        }
    }
    golden("over-full", &text);
}
