//! Model files: what is read, what is refused and how, and that writing and
//! reading give the model back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::float_cmp,
    reason = "test code"
)]

use branchcut::{Column, Model, Row, Sense, io};
use proptest::prelude::*;

const INF: f64 = f64::INFINITY;

fn mps(text: &str) -> Model {
    io::mps::read(text.as_bytes()).unwrap()
}

/// `line N: section S: ...` of the refusal.
fn refusal(text: &str) -> String {
    io::mps::read(text.as_bytes()).unwrap_err().to_string()
}

/// Every feature of the format but fixed columns.
const FULL: &str = "\
* a comment
NAME  full of features
OBJSENSE
    MAX
ROWS
 N  profit
 L  less
 G  more
 E  up
 E  down
 N  dropped
COLUMNS
 x  profit  1.5  less 1
 x  dropped 7
    MARKER                 'MARKER'                 'INTORG'
 bin  less 2 more 1.0D+1
 wide  more 1
    MARKER                 'MARKER'                 'INTEND'
 y  up 1 down -1
 z  up 1
 w  less -1
 v  less 1
RHS
 RHS  less 4  more 1
 RHS  up 5  down 6
 RHS  profit -10
 RHS  dropped 3
RANGES
 RNG  less 2.5  more 3
 RNG  up 4  down -4
BOUNDS
 UP BND x 4
 PL BND wide
 FR BND y
 MI BND z
 UP BND z 3
 UP BND w -2
 LI BND v 2
 UI BND v 1e30
ENDATA
whatever follows is not read
";

#[test]
fn every_feature_of_mps() {
    let model = mps(FULL);
    assert_eq!(model.name, "full of features");
    assert_eq!(model.sense, Sense::Maximize);
    assert_eq!(model.offset, 10.0);
    let columns: Vec<(&str, f64, f64, f64, bool)> = model
        .columns()
        .iter()
        .map(|c| (c.name.as_str(), c.cost, c.lower, c.upper, c.integer))
        .collect();
    assert_eq!(
        columns,
        [
            ("x", 1.5, 0.0, 4.0, false),
            ("bin", 0.0, 0.0, 1.0, true),
            ("wide", 0.0, 0.0, INF, true),
            ("y", 0.0, -INF, INF, false),
            ("z", 0.0, -INF, 3.0, false),
            ("w", 0.0, -INF, -2.0, false),
            ("v", 0.0, 2.0, INF, true),
        ]
    );
    let rows: Vec<(&str, f64, f64)> = model
        .rows()
        .iter()
        .map(|r| (r.name.as_str(), r.lower, r.upper))
        .collect();
    assert_eq!(
        rows,
        [
            ("less", 1.5, 4.0),
            ("more", 1.0, 4.0),
            ("up", 5.0, 9.0),
            ("down", 2.0, 6.0),
        ]
    );
    assert_eq!(
        model.rows()[1].coefficients,
        [(1, 10.0), (2, 1.0)],
        "a Fortran exponent"
    );
}

#[test]
fn fixed_columns_with_blanks_in_names_and_an_inline_sense() {
    let model = mps("NAME          FIXED
OBJSENSE MAX
ROWS
 N  MY OBJ
 L  ROW ONE
COLUMNS
    COL A     MY OBJ             1.0   ROW ONE            2.0
    COL B     ROW ONE            1.0
RHS
              ROW ONE            4.0
BOUNDS
 UP           COL B              3.0
ENDATA
");
    assert_eq!(model.sense, Sense::Maximize);
    assert_eq!(model.columns()[0].name, "COL A");
    assert_eq!(model.columns()[1].upper, 3.0);
    assert_eq!(model.rows()[0].name, "ROW ONE");
    assert_eq!(model.rows()[0].upper, 4.0);
}

#[test]
fn what_is_refused_is_named_with_its_place() {
    let head = "NAME t\nROWS\n N obj\n L r\n";
    let cases = [
        (
            "",
            "line 1: section start: found the end of the file, expected ENDATA",
        ),
        (
            "QUADOBJ\n",
            "line 1: section start: found 'QUADOBJ', expected NAME",
        ),
        (
            "NAME t\nROWS\n N obj\n X r\n",
            "line 4: section ROWS: found 'X', expected N, L, G or E",
        ),
        (
            "NAME t\nROWS\n N obj\n L obj\n",
            "line 4: section ROWS: found 'obj', expected a row's name that was not used before",
        ),
        (
            "COLUMNS\n x nowhere 1\n",
            "line 6: section COLUMNS: found 'nowhere', expected the name of a row",
        ),
        (
            "COLUMNS\n x r 1e\n",
            "line 6: section COLUMNS: found '1e', expected a finite number",
        ),
        (
            "COLUMNS\n x r 1e99 \n",
            "line 6: section COLUMNS: found '1e99', expected a finite number",
        ),
        (
            "COLUMNS\n x r 1 r 2\n",
            "line 6: section COLUMNS: found 'r', expected one entry for each row",
        ),
        (
            "COLUMNS\n x r 1\n y r 1\n x obj 1\n",
            "line 8: section COLUMNS: found 'x', expected all lines of a column in one place",
        ),
        (
            "COLUMNS\n x r 1\nRHS\n A r 1\n B r 2\n",
            "line 9: section RHS: found 'B', expected the set 'A'",
        ),
        (
            "COLUMNS\n x r 1\nBOUNDS\n SC BND x 4\n",
            "line 8: section BOUNDS: found 'SC', expected no semicontinuous column",
        ),
        (
            "COLUMNS\n x r 1\nBOUNDS\n UP BND y 4\n",
            "line 8: section BOUNDS: found 'y', expected the name of a column",
        ),
        (
            "COLUMNS\n x r 1\nSOS\n",
            "line 7: section COLUMNS: found 'SOS', expected NAME, OBJSENSE",
        ),
        (
            "COLUMNS\n MARKER 'MARKER' 'SOSORG'\n",
            "line 6: section COLUMNS: found ''SOSORG'', expected 'INTORG' or 'INTEND'",
        ),
        (
            "COLUMNS\n x r 1\n",
            "line 7: section COLUMNS: found the end of the file, expected ENDATA",
        ),
        (
            "COLUMNS\n x r\u{1b}[31m 1\n",
            "line 6: section COLUMNS: found 'r\\u{1b}[31m', expected the name of a row",
        ),
    ];
    for (text, expected) in cases {
        let text = if text.starts_with("COLUMNS") {
            format!("{head}{text}")
        } else {
            text.to_owned()
        };
        let found = refusal(&text);
        assert!(found.starts_with(expected), "{text}\n{found}\n{expected}");
    }
}

fn lp(text: &str) -> Model {
    io::lp::read(text.as_bytes()).unwrap()
}

/// A row's name, sides and coefficients.
type Sided<'a> = (&'a str, f64, f64, &'a [(usize, f64)]);

#[test]
fn every_feature_of_lp() {
    let model = lp("\\ a comment
Maximize
 profit: 3 x + 2y - z + 10 + x
subject to
 r1: x + y >= 2 \\ another
 -1 <= x - 3 z <= 4
 r3: 2 >= w
 e: 1e1 x - 2.5e-1 y = 5
Bounds
 x <= 4
 -inf <= y <= 3
 z free
 w >= -1e30
 1 <= v
Integers
 v
Binary
 b
End
not read
");
    assert_eq!(model.sense, Sense::Maximize);
    assert_eq!(model.offset, 10.0);
    let columns: Vec<(&str, f64, f64, f64, bool)> = model
        .columns()
        .iter()
        .map(|c| (c.name.as_str(), c.cost, c.lower, c.upper, c.integer))
        .collect();
    assert_eq!(
        columns,
        [
            ("x", 4.0, 0.0, 4.0, false),
            ("y", 2.0, -INF, 3.0, false),
            ("z", -1.0, -INF, INF, false),
            ("w", 0.0, -INF, INF, false),
            ("v", 0.0, 1.0, INF, true),
            ("b", 0.0, 0.0, 1.0, true),
        ]
    );
    let rows: Vec<Sided<'_>> = model
        .rows()
        .iter()
        .map(|r| (r.name.as_str(), r.lower, r.upper, &r.coefficients[..]))
        .collect();
    assert_eq!(
        rows,
        [
            ("r1", 2.0, INF, &[(0, 1.0), (1, 1.0)][..]),
            ("", -1.0, 4.0, &[(0, 1.0), (2, -3.0)]),
            ("r3", -INF, 2.0, &[(3, 1.0)]),
            ("e", 5.0, 5.0, &[(0, 10.0), (1, -0.25)]),
        ]
    );
}

#[test]
fn what_lp_refuses_is_named_with_its_place() {
    let cases = [
        (
            "",
            "line 1: section start: found the end of the file, expected Minimize or Maximize",
        ),
        (
            "x + y",
            "line 1: section start: found 'x', expected Minimize or Maximize",
        ),
        (
            "min\n x\nst\n x + y\nend",
            "line 5: section Subject To: found 'end', expected <=, >= or =",
        ),
        (
            "min\n x\nst\n x >= y\nend",
            "line 4: section Subject To: found 'y', expected a number",
        ),
        (
            "min\n x^2\nend",
            "line 2: section Minimize: found '^', expected a linear expression",
        ),
        (
            "min\n x\nst\n b = 1 -> x <= 2\nend",
            "line 4: section Subject To: found '->', expected no indicator",
        ),
        (
            "min\n x\nsos2\n s: x:1\nend",
            "line 3: section Minimize: found 'sos2', expected Subject To",
        ),
        (
            "min\n x\nsemi-continuous\n x\nend",
            "line 3: section Minimize: found 'semi-continuous', expected Subject To",
        ),
        (
            "min\n 3 x + + \nend",
            "line 3: section Minimize: found 'end', expected a number or a name after the sign",
        ),
        (
            "min\n x\n",
            "line 2: section Minimize: found the end of the file, expected Subject To",
        ),
        (
            "min\n x\nbounds\n x\nend",
            "line 5: section Bounds: found 'end', expected <=, >=, = or free",
        ),
    ];
    for (text, expected) in cases {
        let found = io::lp::read(text.as_bytes()).unwrap_err().to_string();
        assert!(found.starts_with(expected), "{text}\n{found}\n{expected}");
    }
}

/// Numbers that a difference of sides does not round.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        (-1000..=1000_i32).prop_map(f64::from),
        (-1000..=1000_i32).prop_map(|n| f64::from(n) / 16.0),
    ]
}

/// A cost or coefficient: any finite number, however small or large.
fn coefficient() -> impl Strategy<Value = f64> {
    prop_oneof![
        number(),
        any::<f64>().prop_filter("finite", |v| v.abs() < 1e19),
    ]
}

fn interval() -> impl Strategy<Value = (f64, f64)> {
    (number(), 0..=64_u32, 0..=5_u8).prop_map(|(low, width, open)| match open {
        0 => (-INF, INF),
        1 => (-INF, low),
        2 => (low, INF),
        3 => (low, low),
        _ => (low, low + f64::from(width) / 8.0),
    })
}

fn model() -> impl Strategy<Value = Model> {
    let column = (coefficient(), interval(), any::<bool>());
    (
        prop::collection::vec(column, 1..=6),
        any::<bool>(),
        number(),
    )
        .prop_flat_map(|(columns, is_min, offset)| {
            let entry = (0..columns.len(), coefficient());
            let row = (interval(), prop::collection::vec(entry, 0..=5));
            prop::collection::vec(row, 0..=5).prop_map(move |rows| {
                let mut model = Model::new(if is_min {
                    Sense::Minimize
                } else {
                    Sense::Maximize
                });
                model.offset = offset;
                for (index, &(cost, (lower, upper), integer)) in columns.iter().enumerate() {
                    let name = format!("x{index}");
                    model
                        .add_column(Column {
                            name,
                            cost,
                            lower,
                            upper,
                            integer,
                        })
                        .unwrap();
                }
                for (index, ((lower, upper), coefficients)) in rows.into_iter().enumerate() {
                    let name = format!("r{index}");
                    model
                        .add_row(Row {
                            name,
                            lower,
                            upper,
                            coefficients,
                        })
                        .unwrap();
                }
                model
            })
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mps_gives_the_model_back(model in model()) {
        let text = io::mps::write(&model).unwrap();
        prop_assert_eq!(io::mps::read(text.as_bytes()).unwrap(), model, "{}", text);
    }

    #[test]
    fn lp_gives_the_model_back(model in model()) {
        let text = io::lp::write(&model).unwrap();
        prop_assert_eq!(io::lp::read(text.as_bytes()).unwrap(), model, "{}", text);
    }

    /// Bytes at random, and a good file with some of them changed.
    #[test]
    fn no_bytes_make_a_reader_panic(
        noise in prop::collection::vec(any::<u8>(), 0..400),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let _ = io::mps::read(&noise);
        let _ = io::lp::read(&noise);
        let good = io::lp::write(&mps(FULL)).unwrap();
        for text in [FULL, good.as_str()] {
            let mut bytes = text.as_bytes().to_vec();
            for (at, byte) in &edits {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            let _ = io::mps::read(&bytes);
            let _ = io::lp::read(&bytes);
        }
    }

    /// Words of the formats in any order.
    #[test]
    fn no_words_make_a_reader_panic(words in prop::collection::vec(0..WORDS.len(), 0..60)) {
        let text: String = words.iter().map(|&word| WORDS[word]).collect();
        let _ = io::mps::read(text.as_bytes());
        let _ = io::lp::read(text.as_bytes());
    }
}

const WORDS: [&str; 44] = [
    "\n",
    "\n",
    "\n ",
    "\n ",
    " ",
    " x",
    " r",
    " 1",
    " -2.5",
    " 1e30",
    " N",
    " L",
    " 'MARKER'",
    " 'INTORG'",
    "\nNAME",
    "\nROWS\n N o\n L r\n",
    "\nCOLUMNS",
    "\nRHS",
    "\nRANGES",
    "\nBOUNDS\n",
    "\nENDATA",
    "\nOBJSENSE",
    " MAX",
    " UP",
    " FX",
    "min",
    "\nmax",
    "\nst",
    "\nsubject to",
    "\nbounds",
    "\ngeneral",
    "\nbin",
    "\nend",
    " <=",
    " >=",
    " =",
    " +",
    " -",
    " :",
    " free",
    " inf",
    "\\",
    " 3e",
    ".",
];

#[test]
fn names_that_a_format_cannot_hold_are_replaced() {
    let mut model = Model::new(Sense::Minimize);
    for name in ["", "two words", "free", "3x", "e5", "x+y", "same", "same"] {
        model
            .add_column(Column {
                name: name.to_owned(),
                cost: 1.0,
                lower: 0.0,
                upper: 1.0,
                integer: false,
            })
            .unwrap();
    }
    let read_names =
        |model: &Model| -> Vec<String> { model.columns().iter().map(|c| c.name.clone()).collect() };
    let lp = lp(&io::lp::write(&model).unwrap());
    assert_eq!(
        read_names(&lp),
        ["c0", "c1", "c2", "c3", "c4", "c5", "same", "c7"]
    );
    let mps = mps(&io::mps::write(&model).unwrap());
    assert_eq!(
        read_names(&mps),
        ["c0", "c1", "free", "3x", "e5", "x+y", "same", "c7"]
    );
}

#[test]
fn what_a_format_cannot_say_is_an_error() {
    let mut crossed = Model::new(Sense::Minimize);
    let row = |lower, upper| Row {
        name: "r".to_owned(),
        lower,
        upper,
        coefficients: vec![],
    };
    crossed.add_row(row(1.0, 0.0)).unwrap();
    assert_eq!(
        io::mps::write(&crossed).unwrap_err().to_string(),
        "row 0 cannot be written: its lower side is above its upper side"
    );
    assert_eq!(
        io::lp::write(&crossed).unwrap_err().to_string(),
        "row 0 cannot be written: the model has no column"
    );
}
