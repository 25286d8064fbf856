//! The trace reader and the demo's traces.

use cpufence::history::trace::{Trace, parse_traces};
use cpufence::predict::{Fallback, Link, Predictor};
use proptest::prelude::*;

const DEMO: &str = include_str!("../../fixtures/traces/demo.csv");

/// The demo's "now", as its README says.
const DEMO_NOW_S: f64 = 1_767_225_600.0;

#[test]
fn the_demo_has_eight_containers_with_a_full_hour() {
    let traces = parse_traces(DEMO).unwrap();
    let requests = [4.0, 4.0, 6.0, 8.0, 2.0, 6.0, 8.0, 16.0];
    assert_eq!(traces.len(), requests.len());
    for (trace, request) in traces.iter().zip(requests) {
        assert_eq!(trace.samples.last().unwrap().0, DEMO_NOW_S, "{}", trace.id);
        let features = trace.features_at(DEMO_NOW_S, Some(request), Some(request));
        assert!(matches!(features.last_hour.len(), 12 | 60), "{}", trace.id);
        assert!(features.age_s >= 3_600.0);
        let prediction = Fallback.predict(&features);
        let largest = features.last_hour.iter().map(|s| s.1).fold(0.0, f64::max);
        assert!(
            (largest..=request).contains(&prediction.p95),
            "{}: {prediction:?}",
            trace.id
        );
        assert!(matches!(prediction.link, Link::DayP95 | Link::HourMax));
    }
}

#[test]
fn features_know_nothing_of_the_future() {
    let samples = vec![(0.0, 1.0), (60.0, 2.0), (120.0, 3.0), (9_000.0, 9.0)];
    let trace = Trace {
        id: "t".into(),
        samples,
    };
    let features = trace.features_at(119.0, Some(4.0), None);
    assert_eq!(features.last_hour, [(119.0, 1.0), (59.0, 2.0)]);
    // The first sample is as long as the second: it began at -60 s.
    assert_eq!((features.age_s, features.request), (179.0, Some(4.0)));
    assert!(features.day_p95.unwrap() >= 2.0 && features.day_p95.unwrap() < 2.2);
    assert_eq!(trace.features_at(3_720.0, None, None).last_hour, []);
    let before = trace.features_at(-1.0, None, None);
    assert_eq!((before.age_s, before.day_p95), (0.0, None));
}

#[test]
fn errors_name_line_column_and_value() {
    let cases = [
        (
            "",
            "line 1: the header is \"\", expected \"trace_id,timestamp_s,cpus\"",
        ),
        (
            "trace_id,timestamp_s,cpu_pct\n",
            "line 1: the header is \"trace_id,timestamp_s,cpu_pct\"",
        ),
        ("a,1\n", "line 2: 2 fields, expected 3"),
        ("a,1,2,3\n", "line 2: 4 fields, expected 3"),
        ("\n", "line 2: 1 fields, expected 3"),
        (",1,2\n", "line 2, column trace_id: is empty"),
        (
            "a,1,2\na,x,2\n",
            "line 3, column timestamp_s: \"x\" is not a number from 0 to",
        ),
        (
            "a,1,-0.1\n",
            "line 2, column cpus: \"-0.1\" is not a number from 0 to 65536",
        ),
        ("a,1,NaN\n", "line 2, column cpus: \"NaN\" is not"),
        ("a,1,inf\n", "line 2, column cpus: \"inf\" is not"),
        (
            "a,2,1\na,2,1\n",
            "line 3, column timestamp_s: 2 is not after 2, the row above",
        ),
        (
            "a,1,1\nb,1,1\na,2,1\n",
            "line 4, column trace_id: \"a\" was ended above",
        ),
    ];
    for (text, wanted) in cases {
        let text = if wanted.starts_with("line 1") {
            text.to_string()
        } else {
            format!("trace_id,timestamp_s,cpus\n{text}")
        };
        let error = parse_traces(&text).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{error:?} for {text:?}");
    }
    assert_eq!(parse_traces("trace_id,timestamp_s,cpus\n"), Ok(vec![]));
}

proptest! {
    #[test]
    fn any_text_is_traces_or_an_error(text in "[a,0-9.\\-e\\n]{0,80}") {
        if let Ok(traces) = parse_traces(&format!("trace_id,timestamp_s,cpus\n{text}")) {
            for trace in traces {
                prop_assert!(!trace.samples.is_empty());
                let features = trace.features_at(500.0, None, None);
                prop_assert!(Fallback.predict(&features).p95.is_finite());
            }
        }
    }
}
