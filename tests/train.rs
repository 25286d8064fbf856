//! `train` and `evaluate` on small traces, through the binary.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and reads what the binary wrote"
)]

use std::path::Path;
use std::process::{Command, Output};

fn cpufence(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cpufence"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Two groups of three traces, ten days of 5-minute samples: a daily wave and bursts.
fn traces(dir: &Path) {
    let mut meta = String::from("trace_id,group,interval_s,cpus,owner_or_app\n");
    let mut text = String::from("trace_id,timestamp_s,cpu_pct\n");
    for trace in 0..6_u32 {
        let group = if trace < 3 { "web" } else { "batch" };
        meta += &format!("t{trace},{group},300,2,owner{trace}\n");
        let mut state = 12_345 + trace;
        for i in 0..2_880_u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = f64::from(state >> 16) / 65_536.0;
            let wave = (f64::from(i) / 288.0 * std::f64::consts::TAU).sin();
            let burst = if noise > 0.97 { 40.0 } else { 0.0 };
            let use_ = 20.0 + 10.0 * wave + 5.0 * noise + burst;
            text += &format!("t{trace},{},{use_:.2}\n", 300 * i);
        }
    }
    std::fs::write(dir.join("meta.csv"), meta).unwrap();
    std::fs::write(dir.join("samples.csv"), text).unwrap();
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn train_then_evaluate() {
    let dir = tempfile::tempdir().unwrap();
    traces(dir.path());
    let folder = dir.path().to_str().unwrap();
    let models = tempfile::tempdir().unwrap();
    let at = |name: &str| models.path().join(name).to_str().unwrap().to_string();
    let [one, two] = ["one", "two"].map(|threads| {
        let count = if threads == "one" { "1" } else { "2" };
        let model = at(threads);
        let output = cpufence(&[
            "train",
            "--traces",
            folder,
            "--out",
            &model,
            "--trees",
            "15",
            "--leaves",
            "15",
            "--threads",
            count,
            "--json",
        ]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["schema"], "train/1");
        // Six days of six traces; 11 rows a trace without history, one over the cut.
        assert_eq!(report["train_rows"], 6 * (6 * 288 - 12));
        std::fs::read(model).unwrap()
    });
    assert_eq!(one, two, "the model differs by the number of threads");
    let plot = at("plot.svg");
    let output = cpufence(&[
        "evaluate",
        "--model",
        &at("one"),
        "--traces",
        folder,
        "--json",
        "--plot",
        &plot,
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], "evaluate/1");
    assert_eq!(report["rows"], 6 * (2_880 - 13));
    for place in [&report["pooled"], &report["groups"]["web"]] {
        for key in ["pinball", "coverage", "over"] {
            assert!(place[key].is_f64(), "{key}");
            assert!(place["raw"][key].is_f64() && place["calibrated"][key].is_f64());
        }
    }
    let model = report["pooled"]["pinball"].as_f64().unwrap();
    for (name, score) in report["baselines"].as_object().unwrap() {
        let simple = score["pinball"].as_f64().unwrap();
        assert!(model < simple, "{name}: {simple}, the model {model}");
        assert!(score["coverage"].is_f64());
    }
    // Few rows: how far the score may be off by chance.
    for key in ["pinball", "coverage"] {
        let group = &report["groups"]["web"];
        let value = group[key].as_f64().unwrap();
        let [low, high] = [0, 1].map(|i| group["interval"][key][i].as_f64().unwrap());
        assert!(low <= value && value <= high, "{key}: {low} {value} {high}");
    }
    assert!(report["pooled"]["interval"].is_null());
    assert!(report["traces_in_band"].is_f64());
    let svg = std::fs::read_to_string(plot).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("</svg>") && !svg.contains("NaN"));
    let test = cpufence(&[
        "evaluate",
        "--model",
        &at("one"),
        "--traces",
        folder,
        "--part",
        "test",
        "--json",
    ]);
    let report: serde_json::Value = serde_json::from_slice(&test.stdout).unwrap();
    // The last two days, without the sample at the cut and two without an outcome.
    assert_eq!(report["rows"], 6 * (2 * 288 - 3));
}

#[test]
fn bad_traces_leave_the_old_model() {
    let dir = tempfile::tempdir().unwrap();
    traces(dir.path());
    let folder = dir.path().to_str().unwrap();
    let model = dir.path().join("model");
    std::fs::write(&model, "the old model").unwrap();
    let path = model.to_str().unwrap();
    let constant = "trace_id,timestamp_s,cpu_pct\n".to_string()
        + &(0..2_880)
            .map(|i| format!("t0,{},5\n", 300 * i))
            .collect::<String>();
    let cases = [
        (
            "trace_id,timestamp_s,cpu_pct\nt0,0,1\nt0,300,x\n".to_string(),
            "line 3, column cpu_pct",
        ),
        (
            "trace_id,timestamp_s,cpu_pct\nt0,0,1\n".to_string(),
            "no eligible row",
        ),
        (constant, "nothing to learn"),
    ];
    for (samples, expected) in cases {
        std::fs::write(dir.path().join("samples.csv"), samples).unwrap();
        let output = cpufence(&["train", "--traces", folder, "--out", path]);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{told}");
        assert!(told.contains(expected), "{told}");
        assert_eq!(std::fs::read_to_string(&model).unwrap(), "the old model");
    }
    let output = cpufence(&["evaluate", "--model", path, "--traces", folder]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("not a file of this kind"), "{told}");
}

#[test]
fn exported_rows_are_whole() {
    let dir = tempfile::tempdir().unwrap();
    traces(dir.path());
    let out = tempfile::tempdir().unwrap();
    let rows = out.path().join("rows.csv");
    let output = cpufence(&[
        "train",
        "--traces",
        dir.path().to_str().unwrap(),
        "--export",
        rows.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let text = std::fs::read_to_string(rows).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(
        header[..6],
        [
            "part",
            "group",
            "trace_id",
            "timestamp_s",
            "target",
            "mean_0_5min"
        ]
    );
    let mut parts = std::collections::BTreeMap::new();
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!(fields.len(), header.len());
        *parts.entry(fields[0].to_string()).or_insert(0) += 1;
    }
    // One row at each cut belongs to the earlier part's outcome only.
    assert_eq!(parts["train"], 6 * (6 * 288 - 12));
    assert_eq!(parts["calibrate"], 6 * (576 - 2));
    assert_eq!(parts["test"], 6 * (576 - 3));
}
