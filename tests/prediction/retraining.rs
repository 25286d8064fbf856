//! `train --history` on the archives of two hosts.

use std::fs;
use std::path::Path;

use cpufence::history::{self, History, Observation};
use cpufence::predict::model::Model;
use cpufence::predict::store::current_model;

use super::{BOOT, HOUR_S, support};

/// An archive of so many hours: four containers that follow the hour of the day, each in
/// its own measure, sampled every five minutes.
fn archive(dir: &Path, hours: u32) {
    let mut history = History::default();
    let begin_s = 1_767_225_600.0;
    let mut used = [0.0_f64; 4];
    for i in 0..=hours * 12 {
        let passed_s = 300.0 * f64::from(i);
        let now = history::Round {
            boot_id: BOOT.into(),
            wall_s: begin_s + passed_s,
            uptime_s: 1_000.0 + passed_s,
            cpus_online: 16,
        };
        let mut samples = Vec::new();
        for (k, cpu_s) in (0_u32..).zip(&mut used) {
            let phase = std::f64::consts::TAU * passed_s / (6.0 * HOUR_S) + f64::from(k);
            // What no model knows: the golden ratio's multiples, spread evenly.
            let noise = (f64::from(i * 4 + k) * 0.618_033_988_749_894_9).fract();
            *cpu_s += 300.0 * (0.9 + 0.6 * phase.sin() + 0.2 * noise);
            samples.push(Observation {
                key: cpufence::cgroup::ContainerKey {
                    boot_id: BOOT.into(),
                    inode: u64::from(k) + 2,
                },
                id: format!("batch/c{k}"),
                context: cpufence::cgroup::Context {
                    app: Some(format!("app{}", k % 3)),
                    ..Default::default()
                },
                request: Some(2.0),
                wall_s: now.wall_s,
                uptime_s: now.uptime_s,
                usage_ns: Some((*cpu_s * 1e9) as u64),
            });
        }
        let _ = history.record(&now, &samples);
    }
    assert_eq!(history.save(dir, &history::Limits::default()), []);
}

#[test]
fn retraining_takes_what_is_not_worse() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    // A fleet: two hosts' directories, one with `history` in between.
    archive(&dir.path().join("fleet/one/history"), 25);
    archive(&dir.path().join("fleet/two"), 25);
    let state = path("state");
    let train = |history: &str, more: &[&str]| {
        let base = ["--state", &state, "train", "--history", history, "--json"];
        let output = support::cpufence(&[&base[..], more].concat());
        let json = support::stdout(&output);
        let report: serde_json::Value = serde_json::from_str(&json)
            .unwrap_or_else(|e| panic!("{e}: {json} {}", support::stderr(&output)));
        (output.status.code(), report)
    };
    let small = [
        "--trees",
        "12",
        "--leaves",
        "4",
        "--rate",
        "0.3",
        "--patience",
        "0",
    ];
    let (code, first) = train(&path("fleet"), &small);
    assert_eq!(code, Some(0), "{first}");
    assert_eq!(first["hosts"], 2);
    assert_eq!(first["old_loss"], serde_json::Value::Null);
    let loss = |report: &serde_json::Value, key: &str| report[key].as_f64().unwrap();
    assert!(
        loss(&first, "new_loss") < 0.8 * loss(&first, "hour_max_loss"),
        "{first}"
    );
    let current = current_model(Path::new(&state));
    let bytes = fs::read(&current).unwrap();
    let model = Model::decode(&bytes).unwrap();
    assert_eq!(model.metadata().interval_s, Some((300.0, 300.0)));
    // The same rows and seed: the same bytes, no worse, taken; the one before is kept.
    let (code, again) = train(&path("fleet"), &[&small[..], &["--threads", "2"]].concat());
    assert_eq!(
        (code, &again["installed"]),
        (Some(0), &true.into()),
        "{again}"
    );
    assert!((loss(&again, "old_loss") - loss(&first, "new_loss")).abs() < 1e-12);
    assert!(fs::read(&current).unwrap() == bytes);
    assert!(fs::read(current.with_file_name("previous.cpm")).unwrap() == bytes);
    // One that has hardly learned is worse: kept, exit 5, nothing touched.
    let (code, worse) = train(
        &path("fleet"),
        &["--trees", "1", "--leaves", "2", "--rate", "0.01"],
    );
    assert_eq!(
        (code, &worse["installed"]),
        (Some(5), &false.into()),
        "{worse}"
    );
    assert!(
        worse["reason"].as_str().unwrap().contains("worse"),
        "{worse}"
    );
    assert!(fs::read(&current).unwrap() == bytes);
    // No archive, or too little: exit 3.
    let base = ["--state", &state, "train", "--history"];
    let output = support::cpufence(&[&base[..], &[&path("state")]].concat());
    assert_eq!(output.status.code(), Some(3));
    assert!(support::stderr(&output).contains("no archive here"));
}

#[test]
fn rows_of_days_gone_by_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    archive(&dir.path().join("history"), 80);
    let train = |out: &str, more: &[&str]| {
        let (state, history, out) = (path("state"), path("history"), path(out));
        let base = ["--state", &state, "train", "--history", &history, "--json"];
        let small = ["--trees", "6", "--leaves", "4", "--out", &out];
        let output = support::cpufence(&[&base[..], &small, more].concat());
        let report: serde_json::Value = serde_json::from_str(&support::stdout(&output)).unwrap();
        (report, fs::read(out).unwrap(), support::stderr(&output))
    };
    let cache = path("rows");
    let kept = ["--row-cache", &cache];
    let (anew, model, _) = train("anew.cpm", &[]);
    let (first, first_model, _) = train("first.cpm", &kept);
    let (second, second_model, told) = train("second.cpm", &kept);
    assert!(model == first_model && model == second_model);
    assert_eq!((&anew["reused"], &first["reused"]), (&0.into(), &0.into()));
    // Two whole days of four containers; the first sample has no counter before it, and the
    // third and fourth segment may still grow.
    assert_eq!(second["reused"], 4 * 2 * 288, "{second}");
    assert_eq!(told, "");
    let mut files = fs::read_dir(&cache).unwrap();
    fs::write(files.next().unwrap().unwrap().path(), "no rows").unwrap();
    let (third, third_model, told) = train("third.cpm", &kept);
    assert!(model == third_model);
    assert_eq!(third["reused"], 0);
    assert!(
        told.contains("this: kept rows are made anew: not a file of this kind"),
        "{told}"
    );
}
