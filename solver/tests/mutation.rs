//! Real model files, damaged in a few thousand ways: no reader panics, what is
//! refused is refused with its line, and what is read is no larger than its
//! text allows. The damage is the same in every run.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code")]

use std::fmt::Write as _;

use branchcut::{Model, io};

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`, which is not 0.
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// Words that a damaged file may hold in place of another.
const WORDS: [&str; 30] = [
    "nan",
    "-nan",
    "inf",
    "-inf",
    "1e999",
    "-1e999",
    "1e-999",
    "99999999999999999999",
    "-1",
    "0",
    "1e20",
    "-1e308",
    "0x10",
    "+",
    "-",
    "--1",
    ":",
    "<=",
    ">=",
    "=",
    "'MARKER'",
    "'INTORG'",
    "ENDATA",
    "free",
    "end",
    "[",
    "\u{e9}",
    "1d400",
    "SC",
    "18446744073709551616",
];

/// One damage of `text`.
fn damage(text: &[u8], random: &mut Random) -> Vec<u8> {
    let mut text = text.to_vec();
    if text.is_empty() {
        return text;
    }
    let at = random.below(text.len());
    match random.below(9) {
        0 => {
            for _ in 0..=random.below(8) {
                let at = random.below(text.len());
                text[at] = u8::try_from(random.below(256)).unwrap();
            }
        }
        1 => text[at] ^= 1 << random.below(8),
        2 => text.truncate(at),
        3 => drop(text.drain(..at)),
        kind => text = damage_lines(&text, kind, random),
    }
    text
}

fn damage_lines(text: &[u8], kind: usize, random: &mut Random) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = text.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
    let (a, b) = (random.below(lines.len()), random.below(lines.len()));
    match kind {
        4 => drop(lines.remove(a)),
        5 => {
            let copy = lines[a].clone();
            lines.insert(b, copy);
        }
        6 => lines.swap(a, b),
        7 => {
            // A word becomes another one, of the list or of the file.
            let other = String::from_utf8_lossy(&lines[b]).into_owned();
            let own = String::from_utf8_lossy(&lines[a]).into_owned();
            let from_file: Vec<&str> = other.split_ascii_whitespace().collect();
            let new = if from_file.is_empty() || random.below(2) == 0 {
                random.pick(&WORDS)
            } else {
                random.pick(&from_file)
            };
            let mut words: Vec<&str> = own.split(' ').collect();
            let at = random.below(words.len());
            words[at] = new;
            lines[a] = words.join(" ").into_bytes();
        }
        _ => {
            let at = random.below(lines[a].len() + 1);
            let rest = lines[a].split_off(at);
            lines.insert(a + 1, rest);
        }
    }
    lines.join(&b'\n')
}

/// A model of every feature of both formats, and what is written of it.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let free = "NAME t\nOBJSENSE\n MAX\nROWS\n N c\n L l\n G g\n E e\nCOLUMNS\n x c 1.5 l 1\n x g 2\n M 'MARKER' 'INTORG'\n i l 2 e 1\n b g 1.0D+1\n M 'MARKER' 'INTEND'\n y e -1\nRHS\n R l 4 g 1\n R e 5\n R c -10\nRANGES\n G l 2.5 e -4\nBOUNDS\n UP B x 4\n MI B y\n FR B y\n UP B i 9\n BV B b\nENDATA\n";
    let mut fixed =
        String::from("NAME          FIXED\nROWS\n N  COST\n L  LIM 1\n G  LIM 2\nCOLUMNS\n");
    for column in 0..8 {
        let _ = writeln!(
            fixed,
            "    {:<8}  {:<8}  {:>12}   {:<8}  {:>12}",
            format!("COL {column}"),
            "COST",
            column + 1,
            "LIM 1",
            2 * column - 5
        );
    }
    fixed.push_str("RHS\n    RHS       LIM 1               12   LIM 2                1\nBOUNDS\n UP BND       COL 1                4\nENDATA\n");
    let lp = "\\ a comment\nmax\n value: 8 a + 11 b - 6 c + 4 d + 100\nst\n weight: 5 a + 7 b + 4 c + 3 d <= 14\n range: -3 <= a - b + 2e1 c <= 8\n equal: a + x - y = 1\nbounds\n -inf <= x <= 4\n y free\n c >= -2\nbin\n a b\ngeneral\n c\nend\n";
    let model = io::mps::read(free.as_bytes()).unwrap();
    vec![
        ("free.mps", free.as_bytes().to_vec()),
        ("fixed.mps", fixed.into_bytes()),
        ("model.lp", lp.as_bytes().to_vec()),
        ("written.mps", io::mps::write(&model).unwrap().into_bytes()),
        ("written.lp", io::lp::write(&model).unwrap().into_bytes()),
    ]
}

/// Names of instances of the corpus, where it is there: small ones.
const INSTANCES: [&str; 4] = ["flugpl", "p0033", "bell3a", "gt2"];

fn corpus() -> Vec<(&'static str, Vec<u8>)> {
    let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/miplib"));
    INSTANCES
        .iter()
        .filter_map(|name| io::read_path(&folder.join(format!("{name}.mps.gz"))).ok())
        .flat_map(|model| {
            [
                ("corpus.mps", io::mps::write(&model).unwrap().into_bytes()),
                ("corpus.lp", io::lp::write(&model).unwrap().into_bytes()),
            ]
        })
        .collect()
}

/// What was read is made of what is in the text: each column, row and entry
/// takes some bytes of it.
fn assert_bounded(model: &Model, text: &[u8], what: &str) {
    let parts = model.columns().len() + model.rows().len() + model.nonzeros();
    assert!(parts <= text.len(), "{what}: {parts} parts");
    for column in model.columns() {
        assert!(column.cost.is_finite(), "{what}: {column:?}");
        assert!(!column.lower.is_nan() && !column.upper.is_nan(), "{what}");
    }
    for row in model.rows() {
        assert!(
            !row.lower.is_nan() && !row.upper.is_nan(),
            "{what}: {row:?}"
        );
        assert!(
            row.coefficients.iter().all(|(_, a)| a.is_finite()),
            "{what}: {row:?}"
        );
    }
}

/// Reads damaged text; the message names a line of it, and is short.
fn try_read(name: &str, text: &[u8], what: &str) -> bool {
    let read = if name.ends_with(".lp") {
        io::lp::read(text)
    } else {
        io::mps::read(text)
    };
    match read {
        Ok(model) => {
            assert_bounded(&model, text, what);
            true
        }
        Err(fault) => {
            let lines = text.iter().filter(|&&b| b == b'\n').count() + 1;
            let message = fault.to_string();
            let line: usize = message
                .strip_prefix("line ")
                .and_then(|rest| rest.split(':').next())
                .and_then(|number| number.parse().ok())
                .unwrap_or_else(|| panic!("{what}: no line in {message:?}"));
            assert!((1..=lines).contains(&line), "{what}: {message}");
            assert!(message.len() < 1000, "{what}: {} bytes", message.len());
            assert!(!message.contains('\n'), "{what}: {message:?}");
            false
        }
    }
}

#[test]
fn damaged_models_are_read_or_refused_with_a_line() {
    let mut seeds = seeds();
    let small = seeds.len();
    seeds.extend(corpus());
    let mut random = Random(1);
    let (mut read, mut refused) = (0, 0);
    for (at, (name, seed)) in seeds.iter().enumerate() {
        assert!(try_read(name, seed, name), "{name} as it is");
        for case in 0..if at < small { 1500 } else { 150 } {
            let mut text = damage(seed, &mut random);
            for _ in 0..random.below(3) {
                text = damage(&text, &mut random);
            }
            if try_read(name, &text, &format!("{name}, case {case}")) {
                read += 1;
            } else {
                refused += 1;
            }
        }
    }
    // Both happen, or the damage is of no use.
    assert!(
        read > 500 && refused > 1000,
        "{read} read, {refused} refused"
    );
}

#[test]
fn damaged_solutions_are_read_or_refused_with_a_line() {
    let model = io::mps::read(&seeds()[0].1).unwrap();
    let point = [1.0, -2.5, 0.0, 1e-7];
    let own = io::solution_text(&model, &point, 3.5);
    let highs = "Model status\nOptimal\n\n# Primal solution values\nFeasible\nObjective 3\n# Columns 4\nx 1\ni 2\nb 0\ny 3\n# Rows 2\nl 1\ng 2\n";
    let scip = "solution status: optimal\nobjective value: 3\nx   1 \t(obj:1.5)\ni   2 \t(obj:0)\n";
    let mut random = Random(2);
    for seed in [own.as_str(), highs, scip] {
        assert!(io::read_solution_text(seed.as_bytes(), &model).is_ok());
        for case in 0..1500 {
            let text = damage(seed.as_bytes(), &mut random);
            match io::read_solution_text(&text, &model) {
                Ok(point) => {
                    assert_eq!(point.len(), model.columns().len());
                    assert!(point.iter().all(|x| x.is_finite()), "case {case}");
                }
                Err(fault) => {
                    let message = fault.to_string();
                    assert!(message.starts_with("line "), "case {case}: {message}");
                }
            }
        }
    }
}

#[test]
fn damaged_gzip_files_are_read_or_refused() {
    let folder = std::env::temp_dir().join(format!("branchcut-mutation-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("model.mps.gz");
    let model = io::mps::read(&seeds()[0].1).unwrap();
    io::write_path(&model, &path).unwrap();
    #[expect(clippy::disallowed_methods, reason = "test code")]
    let whole = std::fs::read(&path).unwrap();
    let mut random = Random(3);
    let mut refused = 0;
    for _ in 0..400 {
        let text = damage(&whole, &mut random);
        #[expect(clippy::disallowed_methods, reason = "test code")]
        std::fs::write(&path, &text).unwrap();
        if let Err(error) = io::read_path(&path) {
            assert!(error.to_string().contains("model.mps.gz"), "{error}");
            refused += 1;
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(refused > 300, "{refused}");
}

/// Counts in a file are never trusted: these claim much and hold little.
#[test]
fn small_files_that_claim_much_stay_small() {
    let long = "x".repeat(1 << 20);
    let cases = [
        format!("NAME\nROWS\n N c\nCOLUMNS\n {long} c 1\nENDATA\n"),
        format!("NAME\nROWS\n N c\n L {long}\nCOLUMNS\n x {long}q 1\nENDATA\n"),
        format!("NAME {}\nROWS\n N c\nENDATA\n", "1 ".repeat(1 << 19)),
    ];
    for (case, text) in cases.iter().enumerate() {
        try_read("long.mps", text.as_bytes(), &format!("case {case}"));
    }
    let cases = [
        format!("min\n {}x\nend\n", "+ ".repeat(1 << 19)),
        format!("min\n {}\nend\n", "- 1 x ".repeat(1 << 17)),
        format!("min\n x\nst\n {long}: x >= 1\n {long}\nend\n"),
        "min\n 99999999999999999999999 x\nst\n x >= 1\nend\n".to_owned(),
    ];
    for (case, text) in cases.iter().enumerate() {
        try_read("long.lp", text.as_bytes(), &format!("case {case}"));
    }
    let model = io::mps::read(&seeds()[0].1).unwrap();
    let text = b"# Columns 99999999999999999999\nx 1\n";
    assert_eq!(
        io::read_solution_text(text, &model).unwrap()[0].to_bits(),
        1.0_f64.to_bits()
    );
}
