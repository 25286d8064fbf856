use serde::Deserialize;

use super::*;
use crate::predict::forest::{Column, Forest, Kind, Split};

#[derive(Deserialize)]
struct Golden {
    rows: Vec<Vec<Option<f64>>>,
    expected: Vec<f64>,
}

const CASES: [(&str, &str, &str); 4] = [
    (
        "nan",
        include_str!("../../../fixtures/predict/lightgbm/nan.txt"),
        include_str!("../../../fixtures/predict/lightgbm/nan.json"),
    ),
    (
        "zero",
        include_str!("../../../fixtures/predict/lightgbm/zero.txt"),
        include_str!("../../../fixtures/predict/lightgbm/zero.json"),
    ),
    (
        "none",
        include_str!("../../../fixtures/predict/lightgbm/none.txt"),
        include_str!("../../../fixtures/predict/lightgbm/none.json"),
    ),
    (
        "onehot",
        include_str!("../../../fixtures/predict/lightgbm/onehot.txt"),
        include_str!("../../../fixtures/predict/lightgbm/onehot.json"),
    ),
];

fn parsed(text: &str) -> Result<Forest, ReadError> {
    read(text, &Dictionaries::new(), None)
}

fn evaluate(forest: &Forest, row: &[f64]) -> f64 {
    let mut out = [0.0];
    forest.evaluate(row, &mut out);
    out[0]
}

#[test]
fn lightgbm_agrees() {
    for (name, text, golden) in CASES {
        let forest = parsed(text).unwrap();
        let golden: Golden = serde_json::from_str(golden).unwrap();
        assert!(golden.rows.len() > 100 && golden.rows.len() == golden.expected.len());
        let kinds = forest.trees().iter().flat_map(|t| &t.nodes);
        let sets = kinds.filter(|n| matches!(n.split, Split::Categorical { .. }));
        assert!(sets.count() > 5, "{name} has categorical splits");
        for (row, expected) in golden.rows.iter().zip(&golden.expected) {
            let row: Vec<f64> = row.iter().map(|v| v.unwrap_or(f64::NAN)).collect();
            let got = evaluate(&forest, &row);
            assert!(
                (got - expected).abs() <= 1e-12 * expected.abs(),
                "{name} {row:?}: {got} for {expected}"
            );
        }
    }
}

/// That LightGBM loads it with equal predictions is told by
/// `benches/lightgbm_fixtures.py check target/release/cpufence`.
#[test]
fn what_is_written_reads_back() {
    for (name, text, golden) in CASES {
        let forest = parsed(text).unwrap();
        let written = format_model(&forest, 0.95).unwrap();
        let again = parsed(&written).unwrap();
        assert!(format_model(&again, 0.95).unwrap() == written, "{name}");
        assert!(again.columns() == forest.columns(), "{name}");
        let golden: Golden = serde_json::from_str(golden).unwrap();
        for row in golden.rows {
            let row: Vec<f64> = row.iter().map(|v| v.unwrap_or(f64::NAN)).collect();
            let (a, b) = (evaluate(&forest, &row), evaluate(&again, &row));
            assert_eq!(a.to_bits(), b.to_bits(), "{name} {row:?}");
        }
        let size =
            |line: &str| -> usize { line.split(' ').map(|n| n.parse::<usize>().unwrap()).sum() };
        let sizes = written.lines().find_map(|l| l.strip_prefix("tree_sizes="));
        let begin = written.find("Tree=0").unwrap();
        let end = written.find("end of trees").unwrap();
        assert_eq!(size(sizes.unwrap()), end - begin);
    }
}

#[test]
fn a_base_score_is_a_tree_of_one_leaf() {
    let (columns, quantiles, _, trees) = parsed(CASES[0].1).unwrap().into_parts();
    let forest = Forest::new(columns, quantiles, vec![0.1], trees).unwrap();
    let written = format_model(&forest, 0.95).unwrap();
    let again = parsed(&written).unwrap();
    assert_eq!(again.trees().len(), forest.trees().len() + 1);
    for row in [[90.0, 0.0, 1.0, 2.0, 1.0], [f64::NAN; 5]] {
        // The same additions in the same order.
        assert_eq!(
            evaluate(&again, &row).to_bits(),
            evaluate(&forest, &row).to_bits()
        );
    }
    let error = format_model(&forest, 0.5).unwrap_err().to_string();
    assert_eq!(error, "the model has no quantile 0.5; it has [0.95]");
}

#[test]
fn dictionaries_come_from_file_or_sidecar() {
    let levels = |forest: &Forest, name: &str| {
        let column = forest.columns().iter().find(|c| c.name == name).unwrap();
        match &column.kind {
            Kind::Categorical { levels } => levels.clone(),
            Kind::Numeric { .. } => Vec::new(),
        }
    };
    let forest = parsed(CASES[0].1).unwrap();
    assert_eq!(levels(&forest, "kind"), ["static", "burst", "pooled"]);
    assert_eq!(levels(&forest, "owner")[..2], ["ops", "web"]);
    let forest = parsed(CASES[1].1).unwrap();
    assert_eq!(levels(&forest, "kind"), ["0", "1", "2"]);
    let names: Vec<String> = ["a", "b", "c"].map(String::from).into();
    let sidecar = [("kind".to_string(), names.clone())].into();
    let forest = read(CASES[1].1, &sidecar, None).unwrap();
    assert_eq!(levels(&forest, "kind"), names);
    assert!(format_dictionaries(&forest).contains(r#""kind":["a","b","c"]"#));
    // The range of the training rows.
    let x = Column {
        name: "z".into(),
        kind: Kind::Numeric {
            least: 0.0,
            most: 3.0,
        },
    };
    assert_eq!(forest.columns()[2], x);
}

#[test]
fn what_cannot_be_evaluated_is_named() {
    let cases = [
        (
            include_str!("../../../fixtures/predict/lightgbm/refused-linear.txt"),
            "tree 0 is linear, which cannot be evaluated; train with linear_tree=false",
        ),
        (
            include_str!("../../../fixtures/predict/lightgbm/refused-forest.txt"),
            "an averaged forest cannot be evaluated",
        ),
        (
            include_str!("../../../fixtures/predict/lightgbm/refused-poisson.txt"),
            "objective 'poisson' cannot be evaluated; train with objective=quantile",
        ),
        (
            include_str!("../../../fixtures/predict/lightgbm/refused-classes.txt"),
            "num_class=3 cannot be evaluated",
        ),
    ];
    for (text, expected) in cases {
        let error = parsed(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let good = CASES[0].1;
    let changed = [
        ("tree\n", "<html>\n", "its first line is not 'tree'"),
        (
            "version=v4",
            "version=v5",
            "line 2: version 'v5' cannot be evaluated",
        ),
        ("end of trees", "", "the file is cut short"),
        ("[alpha: 0.95]", "", "name it with --quantile"),
        ("num_leaves=15", "num_leaves=14", "15 values, 14 are needed"),
        (
            "num_leaves=15",
            "num_leaves=0",
            "0 leaves; 1 to 32768 are read",
        ),
        (
            "num_leaves=15",
            "num_leaves=99999999999",
            "99999999999 leaves",
        ),
        (
            "left_child=2 ",
            "left_child=0 ",
            "the children do not make a tree",
        ),
        (
            "left_child=2 ",
            "left_child=99 ",
            "the children do not make a tree",
        ),
        (
            "left_child=2 ",
            "left_child=x ",
            "left_child: 'x' is no number",
        ),
        (
            "threshold=88.4",
            "threshold=nan 88.4",
            "15 values, 14 are needed",
        ),
        (
            "decision_type=10 ",
            "decision_type=12 ",
            "decision_type: 12 is not known",
        ),
        ("cat_boundaries=0 ", "cat_boundaries=9 ", "do not ascend"),
        (
            "feature_names=x ",
            "feature_names=",
            "5 entries for 4 names",
        ),
        (
            "feature_names=x ",
            "feature_names=y ",
            "column y: its name occurs twice",
        ),
        (
            "pandas_categorical:[[",
            "pandas_categorical:[[],[",
            "3 lists for 2 categorical columns",
        ),
        (
            "pandas_categorical:[[",
            "pandas_categorical:[{",
            "pandas_categorical: ",
        ),
    ];
    for (from, to, expected) in changed {
        assert!(good.contains(from), "{from}");
        let error = parsed(&good.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(expected), "{from} -> {to}: {error}");
    }
}
