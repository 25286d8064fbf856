use super::*;

/// Two threads on one core and one container; the texts in `edits` replace
/// what they name.
fn host(edits: &[(&str, &str)]) -> Vec<u8> {
    let mut text = r#"{"schema": "placement/1", "name": "note", "seed": 7,
"weights": {"smt_busy": 200},
"topology": {"cpus": [
 {"id": 0, "core": 0, "l3": 0, "numa": 0, "socket": 0, "online": true, "perf": 1000},
 {"id": 1, "core": 0, "l3": 0, "numa": 0, "socket": 0, "online": true, "perf": 900},
 {"id": 2, "core": null, "l3": null, "numa": null, "socket": null, "online": false}]},
"containers": [
 {"id": "a", "cpus": 1, "predicted_p95": 0.5, "kind": "static", "previous": [0]},
 {"id": "b", "cpus": 1, "predicted_p95": 0.25, "kind": "burst", "previous": [2]}]}"#
        .to_owned();
    for (from, to) in edits {
        assert!(text.contains(from), "{from} is in the file");
        text = text.replacen(from, to, 1);
    }
    text.into_bytes()
}

fn message(edits: &[(&str, &str)]) -> String {
    parse_host(&host(edits), "h.json")
        .expect_err("must be refused")
        .to_string()
}

#[test]
fn a_good_file_is_read_with_defaults() {
    let instance = parse_host(&host(&[]), "h.json").unwrap();
    assert_eq!(instance.weights, Weights::default());
    assert_eq!(instance.topology.cpus[1].perf, 900);
    assert_eq!(instance.topology.cpus[2].perf, 1000);
    assert_eq!(instance.containers[1].previous, Some(vec![CpuId(2)]));
    assert_eq!(instance.containers[1].kind, Kind::Burst);
}

#[test]
fn broken_text_is_named_by_line_and_column() {
    let text = message(&[("\"id\": 1, \"core\": 0", "\"id\": 1, \"core\": \"x\"")]);
    assert!(text.starts_with("h.json:5:"), "{text}");
    assert!(text.contains("expected u32"), "{text}");
    let text = parse_host(b"", "h.json").unwrap_err().to_string();
    assert!(text.starts_with("h.json:1:0: EOF"), "{text}");
    let text = parse_host(b"\xff\xfe", "h\n.json").unwrap_err().to_string();
    assert!(text.starts_with("h\\n.json:1:1: "), "{text}");
    let text = parse_host(b"{\"schema\": \"placement/1\"}", "h").unwrap_err();
    assert!(
        text.to_string().contains("missing field `topology`"),
        "{text}"
    );
}

#[test]
fn another_schema_is_named_before_anything_else() {
    let text = parse_host(b"{\"schema\": \"placement/2\", \"topology\": 3}", "h.json");
    let text = text.unwrap_err().to_string();
    assert!(
        text.contains("schema is \"placement/2\"; expected \"placement/1\""),
        "{text}"
    );
}

#[test]
fn each_senseless_value_is_named_with_what_was_expected() {
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "\"smt_busy\": 200",
            "\"smt_bussy\": 200",
            &["h.json:2:", "smt_bussy"],
        ),
        (
            "\"smt_busy\": 200",
            "\"smt_busy\": -1",
            &["weights.smt_busy is -1", "0 to 1000000000"],
        ),
        (
            "\"id\": 1,",
            "\"id\": 0,",
            &["topology.cpus[1].id is 0", "topology.cpus[0]"],
        ),
        (
            "\"id\": 1,",
            "\"id\": 70000,",
            &["topology.cpus[1].id is 70000", "65535"],
        ),
        (
            "\"perf\": 900",
            "\"perf\": 1001",
            &["topology.cpus[1].perf is 1001"],
        ),
        (
            "\"perf\": 900",
            "\"perf\": 0",
            &["topology.cpus[1].perf is 0"],
        ),
        (
            "\"core\": 0, ",
            "",
            &["topology.cpus[0].core is absent for CPU 0"],
        ),
        ("\"l3\": 0, ", "", &["topology.cpus[0].l3 is absent"]),
        (
            "\"id\": \"b\"",
            "\"id\": \"a\"",
            &["containers[1].id is \"a\"", "containers[0]"],
        ),
        (
            "\"id\": \"b\"",
            "\"id\": \"@pool\"",
            &["containers[1].id is \"@pool\"", "reserved"],
        ),
        (
            "\"id\": \"b\"",
            "\"id\": \"\"",
            &["containers[1].id is \"\""],
        ),
        (
            "\"cpus\": 1",
            "\"cpus\": 0",
            &["containers[0].cpus is 0", "1 to 65536 for a static"],
        ),
        ("\"cpus\": 1", "\"cpus\": -1", &["h.json:8:", "-1"]),
        (
            "\"cpus\": 1",
            "\"cpus\": 4294967295",
            &["containers[0].cpus is 4294967295"],
        ),
        (
            "0.25",
            "-0.25",
            &["containers[1].predicted_p95 is -0.25", "in CPUs"],
        ),
        ("0.25", "1e999", &["h.json:9:", "number out of range"]),
        ("0.25", "null", &["h.json:9:"]),
        (
            "0.25",
            "0.25, \"rho_mcpu\": -5",
            &["containers[1].rho_mcpu is -5", "0 to 1000000"],
        ),
        (
            "0.25",
            "0.25, \"request_mcpu\": 5",
            &["containers[1].request_mcpu is 5", "pooled"],
        ),
        (
            "\"burst\"",
            "\"bursty\"",
            &["h.json:9:", "unknown variant `bursty`", "pooled"],
        ),
        (
            "[2]",
            "[3]",
            &["containers[1].previous[0] is CPU 3", "topology.cpus"],
        ),
        (
            "[2]",
            "[2, 2]",
            &["containers[1].previous[1] is CPU 2 again"],
        ),
        (
            "[2]",
            "[0]",
            &[
                "containers[1].previous[0] is CPU 0",
                "containers[0] (\"a\")",
            ],
        ),
    ];
    for (from, to, wanted) in cases {
        let text = message(&[(from, to)]);
        for part in *wanted {
            assert!(text.contains(part), "{from} -> {to}: {text}");
        }
    }
}

#[test]
fn pooled_containers_may_share_and_leave_the_request_out() {
    let edits = [
        ("\"kind\": \"static\"", "\"kind\": \"pooled\""),
        ("\"kind\": \"burst\"", "\"kind\": \"pooled\""),
        ("\"cpus\": 1", "\"cpus\": 0"),
        ("[2]", "[0]"),
    ];
    let instance = parse_host(&host(&edits), "h.json").unwrap();
    assert_eq!(instance.containers[0].cpus, 0);
}

#[test]
fn a_host_without_an_online_cpu_is_refused() {
    let text = message(&[
        ("\"online\": true", "\"online\": false"),
        ("\"online\": true", "\"online\": false"),
    ]);
    assert!(text.contains("none online"), "{text}");
}

#[test]
fn hostile_names_are_escaped() {
    let text = message(&[
        ("\"id\": \"b\"", "\"id\": \"\\u001b[2J\""),
        ("[2]", "[9]"),
        ("\"id\": \"a\"", "\"id\": \"\\u001b[2J\""),
    ]);
    assert!(
        !text.contains('\u{1b}') && text.contains("\\u{1b}[2J"),
        "{text}"
    );
}
