//! The 36 placement instances through the whole round, against an independent
//! cost check and the best known costs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "test code"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use cpufence::cpuset::CpuSet;
use cpufence::placement::{
    HostModels, PlanReport, SolveSettings, Status, parse_host, place, plan_host,
};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/placement");

/// The instances by name; none where they are not at hand.
fn instances(test: &str) -> Option<Vec<(String, PathBuf)>> {
    let Ok(entries) = std::fs::read_dir(Path::new(DATA).join("instances")) else {
        eprintln!("SKIPPED {test}: no placement instances beside the repository");
        return None;
    };
    let mut found: Vec<_> = entries
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .map(|p| (p.file_stem().unwrap().to_string_lossy().into_owned(), p))
        .collect();
    found.sort();
    assert_eq!(found.len(), 36);
    Some(found)
}

/// Cost and parts as the independent check sees them.
fn evaluate(instance: &Path, report: &PlanReport) -> BTreeMap<String, i64> {
    let dir = tempfile::tempdir().unwrap();
    let placement = dir.path().join("placement.json");
    let text = serde_json::to_vec(&report.placement).unwrap();
    std::fs::write(&placement, text).unwrap();
    let output = Command::new("python3")
        .arg(Path::new(DATA).join("evaluate.py"))
        .arg(instance)
        .arg(&placement)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", instance.display());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn has_python() -> bool {
    Command::new("python3").arg("--version").output().is_ok()
}

/// A small budget: these are unoptimised builds, and the answer must be sound
/// at any budget.
fn settings() -> SolveSettings {
    SolveSettings {
        budget: Some(Duration::from_millis(150)),
        ..SolveSettings::default()
    }
}

#[test]
fn every_instance_is_placed_soundly() {
    let test = "every_instance_is_placed_soundly";
    let Some(instances) = instances(test) else {
        return;
    };
    if !has_python() {
        eprintln!("SKIPPED {test}: no python3 for the independent cost check");
        return;
    }
    let references = std::fs::read(Path::new(DATA).join("references.json")).unwrap();
    let references: serde_json::Value = serde_json::from_slice(&references).unwrap();
    for (name, path) in instances {
        let bytes = std::fs::read(&path).unwrap();
        let started = Instant::now();
        let clock = || started.elapsed();
        let (instance, report) = plan_host(
            &bytes,
            &name,
            &CpuSet::new(),
            &settings(),
            &mut HostModels::default(),
            &clock,
        )
        .unwrap();
        assert_eq!(instance, parse_host(&bytes, &name).unwrap());

        let checked = evaluate(&path, &report);
        let parts = serde_json::to_value(report.cost_parts).unwrap();
        for (part, cost) in &checked {
            if part.starts_with(|c: char| c.is_lowercase()) && parts.get(part).is_some() {
                assert_eq!(parts[part], *cost, "{name}: {part}");
            }
        }
        let total: i64 = checked
            .iter()
            .filter(|(part, _)| parts.get(*part).is_some())
            .map(|(_, cost)| cost)
            .sum();
        assert_eq!(checked["cost"], report.cost, "{name}");
        assert_eq!(total, report.cost, "{name}: the parts are the cost");

        let reference = &references[&name];
        let best = reference["best_known"].as_i64().unwrap();
        assert!(report.lower_bound <= best, "{name}: {}", report.lower_bound);
        assert!(report.lower_bound <= report.cost, "{name}");
        if reference["proved"] == true {
            assert!(report.cost >= best, "{name}: below a proved optimum");
        }
        if report.status == Status::Optimal {
            assert_eq!(report.lower_bound, report.cost, "{name}");
            assert!(report.cost <= best, "{name}: claimed optimal");
        }
        assert!(report.explanation.len() >= instance.containers.len());
    }
}

/// A run repeated by its work count gives the same bytes, without a clock, and
/// no answer is above greedy or keep-and-fit.
#[test]
fn every_instance_replays() {
    let Some(instances) = instances("every_instance_replays") else {
        return;
    };
    for (name, path) in instances {
        let instance = parse_host(&std::fs::read(&path).unwrap(), &name).unwrap();
        let started = Instant::now();
        let unavailable = CpuSet::new();
        let timed = place(&instance, &unavailable, &settings(), &|| started.elapsed()).unwrap();
        assert!(timed.answer.cost() <= timed.greedy_cost, "{name}");
        assert!(timed.answer.cost() <= timed.keep_cost, "{name}");
        let settings = SolveSettings {
            work_limit: Some(timed.answer.work),
            ..settings()
        };
        let again = place(&instance, &unavailable, &settings, &|| Duration::MAX).unwrap();
        let line = |answer| PlanReport::new(&instance, answer, &[], None).to_replay_line();
        assert_eq!(line(&timed.answer), line(&again.answer), "{name}");
    }
}
