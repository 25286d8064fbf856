//! The placement MIP in the hands of other solvers: exported, solved by both
//! engines of branchcut, imported, and compared with the independent cost
//! check. (`benches/exchange_highs.py` does the same with HiGHS.)
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    dead_code,
    reason = "test code; not every test uses all of the support module"
)]

mod support;

use std::path::Path;
use std::process::Command;

use branchcut::{Engine, Options, Status, io, solve};
use serde_json::Value;
use support::{cpufence, skipped, stderr, stdout};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/placement");

const T16: [&str; 5] = [
    "t16-75-add-polished",
    "t16-75-none",
    "t16-95-none",
    "t16-95-rebalance-polished",
    "t16-95-remove-polished",
];

/// Nodes of a solve: enough for every aggregated model, and for the naive
/// models that do not need thousands.
const NODES: u64 = 200;

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

fn succeed(args: &[&str]) -> Value {
    let output = cpufence(args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_str(stdout(&output).trim_end()).unwrap()
}

/// The cost of a placement as the independent check sees it.
fn evaluate(instance: &Path, placement: &Value, dir: &Path) -> i64 {
    let file = dir.join("placement.json");
    std::fs::write(&file, placement.to_string()).unwrap();
    let output = Command::new("python3")
        .arg(Path::new(DATA).join("evaluate.py"))
        .args([instance, &file])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let parts: Value = serde_json::from_slice(&output.stdout).unwrap();
    parts["cost"].as_i64().unwrap()
}

#[test]
fn other_solvers_find_the_same_optimum() {
    let test = "other_solvers_find_the_same_optimum";
    let Ok(references) = std::fs::read(Path::new(DATA).join("references.json")) else {
        return skipped(test, "no placement instances beside the repository");
    };
    if Command::new("python3").arg("--version").output().is_err() {
        return skipped(test, "no python3 for the independent cost check");
    }
    let references: Value = serde_json::from_slice(&references).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (model_file, solution_file) = (dir.path().join("m.mps"), dir.path().join("m.sol"));
    let mut proved = [[0; 2]; 2];
    for name in T16 {
        let best = references[name]["best_known"].as_i64().unwrap();
        let instance = Path::new(DATA).join(format!("instances/{name}.json"));
        for (form, kind) in ["aggregated", "naive"].iter().enumerate() {
            let host = ["plan", "--host", text(&instance), "--json", "--model", kind];
            let export = [&host[..], &["--export", text(&model_file)]].concat();
            assert_eq!(succeed(&export)["schema"], "export/1");
            let model = io::read_path(&model_file).unwrap();
            for (engine, which) in [Engine::Branchcut, Engine::Microlp].into_iter().enumerate() {
                let options = Options::default()
                    .with_engine(which)
                    .with_node_limit(NODES)
                    .with_gap_relative(0.0);
                let outcome = solve(&model, &options);
                let at = format!("{name} {kind} {which:?}");
                let bound = outcome.bound.unwrap_or(0.0);
                assert!(
                    bound <= best as f64 + 0.5,
                    "{at}: bound {bound} above {best}"
                );
                let Some(point) = &outcome.point else {
                    continue;
                };
                let objective = outcome.objective.unwrap();
                io::write_solution(&solution_file, &model, point, objective).unwrap();
                let import = [&host[..], &["--import-solution", text(&solution_file)]].concat();
                let judged = succeed(&import);
                assert_eq!(judged["schema"], "import/1");
                let cost = judged["cost"].as_i64().unwrap();
                assert_eq!(
                    cost,
                    evaluate(&instance, &judged["placement"], dir.path()),
                    "{at}"
                );
                assert!(
                    cost as f64 <= objective + 0.5,
                    "{at}: {cost} above {objective}"
                );
                assert!(cost >= best, "{at}: {cost} below the proved optimum {best}");
                if outcome.status == Status::Optimal {
                    proved[form][engine] += 1;
                    assert_eq!(cost, best, "{at}");
                    assert!((objective - best as f64).abs() < 0.5, "{at}: {objective}");
                }
            }
        }
    }
    let [aggregated, naive] = proved;
    assert_eq!(aggregated, [T16.len(); 2], "proved by branchcut, microlp");
    assert!(
        naive.iter().all(|&n| n >= 3),
        "proved by branchcut, microlp: {naive:?}"
    );
}

#[test]
fn models_and_solutions_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let host = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/demo/host.json");
    let refused = |args: &[&str], code: i32, wanted: &[&str]| {
        let output = cpufence(&[&["plan", "--host", host], args].concat());
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{message}");
        for part in wanted {
            assert!(message.contains(part), "{args:?}: {message}");
        }
        assert!(output.stdout.is_empty());
    };
    let file = |name: &str, content: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        text(&path).to_owned()
    };
    refused(&["--export", "x.txt"], 3, &["x.txt", "ends in .mps, .lp"]);
    refused(&["--export", "/nowhere/x.mps"], 3, &["/nowhere/x.mps"]);
    refused(&["--model", "naive"], 2, &["--export", "--import-solution"]);
    refused(&["--import-solution", "/nowhere.sol"], 3, &["/nowhere.sol"]);
    let unknown = file("a.sol", "=obj= 1\nz_h0_k0 1\n");
    refused(
        &["--import-solution", &unknown],
        3,
        &["a.sol", "line 2", "z_h0_k0"],
    );
    let nothing = file("b.sol", "=obj= 0\n");
    refused(
        &["--import-solution", &nothing],
        3,
        &["b.sol: container", "gets 0 threads"],
    );
    let half = file("c.sol", "n_h0_k0 0.5\n");
    refused(
        &["--import-solution", &half],
        3,
        &["c.sol: column n_h0_k0 is 0.5"],
    );
}
