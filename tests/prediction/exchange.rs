//! `import`, `export` and `predict` by the binary.

use std::fs;

use super::support;

#[test]
fn import_export_and_predict_by_the_binary() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let fixture = |name: &str| {
        format!(
            "{}/fixtures/predict/lightgbm/{name}",
            env!("CARGO_MANIFEST_DIR")
        )
    };
    let run = |args: &[&str]| support::cpufence(args);
    let (model, text) = (path("m.cpm"), path("out.txt"));
    let output = run(&["import", &fixture("nan.txt"), "--out", &model]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        support::stderr(&output)
    );
    // Its columns are no features here: said at once, and a host would refuse it.
    assert!(support::stderr(&output).contains("a host will refuse it: features absent"));
    let output = run(&["export", "--model", &model, "--out", &text]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        support::stderr(&output)
    );
    assert!(
        fs::read_to_string(&text)
            .unwrap()
            .starts_with("tree\nversion=v4\n")
    );
    let names = fs::read_to_string(format!("{text}.dictionary.json")).unwrap();
    assert!(
        names.contains(r#""kind":["static","burst","pooled"]"#),
        "{names}"
    );
    for (args, words) in [
        (
            &["import", &fixture("refused-linear.txt"), "--out", &model][..],
            "tree 0 is linear",
        ),
        (
            &["import", &fixture("nan.json"), "--out", &model],
            "first line is not 'tree'",
        ),
        (
            &[
                "import",
                &fixture("nan.txt"),
                &fixture("zero.txt"),
                "--out",
                &model,
            ],
            "not the same in all",
        ),
        (
            &["export", "--model", &fixture("nan.txt"), "--out", &text],
            "not a file of this kind",
        ),
        (
            &[
                "export",
                "--model",
                &model,
                "--quantile",
                "0.5",
                "--out",
                &text,
            ],
            "no quantile 0.5; it has [0.95]",
        ),
    ] {
        let before = fs::read(&model).unwrap();
        let output = run(args);
        assert_eq!(output.status.code(), Some(3), "{args:?}");
        assert!(
            support::stderr(&output).contains(words),
            "{}",
            support::stderr(&output)
        );
        assert!(fs::read(&model).unwrap() == before);
    }
    let demo = format!("{}/fixtures/traces/demo.csv", env!("CARGO_MANIFEST_DIR"));
    let state = path("state");
    let output = run(&[
        "--state", &state, "predict", "--trace", &demo, "--cpus", "4", "--json",
    ]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        support::stderr(&output)
    );
    let report: serde_json::Value = serde_json::from_str(&support::stdout(&output)).unwrap();
    assert_eq!(report["schema"], "predict/1");
    let refused = report["refused"].as_str().unwrap();
    assert!(
        refused.starts_with("no trained model; the built-in one is on trial: 0 of 180"),
        "{refused}"
    );
    let first = &report["containers"][0];
    assert_eq!(first["id"], "frontend");
    assert!(
        first["why"].as_str().unwrap().contains("no trained model"),
        "{first}"
    );
}
