use super::*;

fn numeric(name: &str) -> Column {
    Column {
        name: name.into(),
        kind: Kind::Numeric {
            least: 0.0,
            most: 10.0,
        },
    }
}

fn columns() -> Vec<Column> {
    let levels = ["a", "b", "c"].map(String::from).into();
    vec![
        numeric("x"),
        Column {
            name: "owner".into(),
            kind: Kind::Categorical { levels },
        },
    ]
}

fn numeric_split(threshold: f64, missing: Missing, missing_left: bool) -> Split {
    Split::Numeric {
        threshold,
        missing,
        missing_left,
    }
}

/// x <= 5 ? (owner in {b, c} ? leaf 0 : leaf 2) : leaf 1, two quantiles.
fn tree() -> Tree {
    let mut tree = Tree {
        leaves: vec![1.0, 2.0, 10.0, 20.0, 400.0, 100.0],
        ..Tree::default()
    };
    let set = tree.categorical(&[1, 2]);
    let child = |leaf| Child::leaf(leaf).unwrap();
    tree.nodes = vec![
        Node {
            split: numeric_split(5.0, Missing::NaN, true),
            feature: 0,
            left: Child::node(1).unwrap(),
            right: child(1),
        },
        Node {
            split: set,
            feature: 1,
            left: child(0),
            right: child(2),
        },
    ];
    tree
}

fn forest(trees: Vec<Tree>) -> Result<Forest, ForestError> {
    Forest::new(columns(), vec![0.5, 0.95], vec![0.5, 0.25], trees)
}

#[expect(
    clippy::float_cmp,
    reason = "sums of few small binary fractions are exact"
)]
fn check(forest: &Forest, row: &[f64], expected: [f64; 2]) {
    let mut out = [0.0; 2];
    forest.evaluate(row, &mut out);
    assert_eq!(out, expected, "{row:?}");
}

#[test]
fn rows_by_hand() {
    let forest = forest(vec![tree(), tree()]).unwrap();
    check(&forest, &[5.0, 1.0], [2.5, 4.25]);
    check(&forest, &[5.1, 1.0], [20.5, 40.25]);
    check(&forest, &[f64::NAN, 2.0], [2.5, 4.25]);
    // In leaf 2 the median is above the 0.95 quantile: sorted.
    for other in [0.0, 3.0, 64.0, 1e300, -1.0, f64::NAN, f64::INFINITY] {
        check(&forest, &[1.0, other], [200.25, 800.5]);
    }
    // LightGBM cuts fractions off, also of negative numbers.
    check(&forest, &[1.0, 1.9], [2.5, 4.25]);
    check(&forest, &[1.0, -0.5], [200.25, 800.5]);
    // What a row lacks is missing.
    check(&forest, &[1.0], [200.25, 800.5]);
}

#[test]
fn missing_kinds() {
    let goes_left = |missing, missing_left, threshold, x| {
        Tree::default().goes_left(&numeric_split(threshold, missing, missing_left), x)
    };
    let nan = f64::NAN;
    // (kind, missing_left, threshold, x, left?)
    let cases = [
        (Missing::None, false, 1.0, nan, true),
        (Missing::None, true, -1.0, nan, false),
        (Missing::Zero, true, -1.0, nan, true),
        (Missing::Zero, false, 1.0, nan, false),
        (Missing::Zero, false, 1.0, 0.0, false),
        (Missing::Zero, false, 1.0, -1e-36, false),
        (Missing::Zero, false, 1.0, 2e-35, true),
        (Missing::NaN, true, -1.0, nan, true),
        (Missing::NaN, true, -1.0, 0.0, false),
        (Missing::NaN, false, 1.0, 1.0, true),
    ];
    for (missing, missing_left, threshold, x, left) in cases {
        assert_eq!(
            goes_left(missing, missing_left, threshold, x),
            left,
            "{missing:?} {missing_left} {threshold} {x}"
        );
    }
}

#[test]
fn sets_are_what_was_put_in() {
    let mut tree = Tree::default();
    let first = tree.categorical(&[40, 0, 7]);
    let second = tree.categorical(&[1]);
    let empty = tree.categorical(&[]);
    assert_eq!(tree.categories(&first), [0, 7, 40]);
    assert_eq!(tree.categories(&second), [1]);
    assert!(tree.categories(&empty).is_empty());
    assert_eq!(tree.sets.len(), 3);
}

#[test]
fn broken_trees_are_refused() {
    type Break = fn(&mut Tree);
    let cases: [(Break, &str); 9] = [
        (|t| t.leaves[0] = f64::NAN, "a leaf value is not finite"),
        (
            |t| t.leaves.truncate(5),
            "its number of leaf values is not (splits + 1) x quantiles",
        ),
        (
            |t| t.nodes[0].feature = 9,
            "a split is on a column that does not exist",
        ),
        (
            |t| t.nodes[0].feature = 1,
            "a split is not of its column's kind",
        ),
        (
            |t| t.nodes[1].left = Child::node(1).unwrap(),
            "a child is not behind its split",
        ),
        (
            |t| t.nodes[1].left = Child::leaf(1).unwrap(),
            "a split or leaf has two parents",
        ),
        (
            |t| t.nodes[0].left = Child::node(2).unwrap(),
            "a child does not exist",
        ),
        (|t| t.sets.clear(), "a category set is out of bounds"),
        (
            |t| t.nodes[0].split = numeric_split(f64::NAN, Missing::NaN, true),
            "a threshold is not a number",
        ),
    ];
    for (break_it, reason) in cases {
        let mut broken = tree();
        break_it(&mut broken);
        let error = forest(vec![tree(), broken]).unwrap_err();
        assert_eq!(error, ForestError::Tree { tree: 1, reason });
    }
}

#[test]
fn broken_heads_are_refused() {
    let with = |columns, quantiles: &[f64], base: &[f64]| {
        Forest::new(columns, quantiles.to_vec(), base.to_vec(), Vec::new())
    };
    assert!(with(columns(), &[0.5], &[1.0]).is_ok());
    for (quantiles, base) in [
        (&[][..], &[][..]),
        (&[0.9, 0.5], &[1.0, 1.0]),
        (&[0.5, 0.5], &[1.0, 1.0]),
        (&[1.0], &[1.0]),
        (&[0.5], &[f64::NAN]),
        (&[0.5], &[]),
    ] {
        let error = with(columns(), quantiles, base).unwrap_err();
        assert_eq!(error, ForestError::Quantiles);
    }
    let twice = vec![numeric("x"), numeric("x")];
    let error = with(twice, &[0.5], &[1.0]).unwrap_err().to_string();
    assert_eq!(error, "column x: its name occurs twice");
}
