//! Solution files: `=obj= VALUE`, then `NAME VALUE` for every column, in the
//! model's order; the form that MIPLIB's own files have.
//!
//! Read are such files and those that HiGHS and SCIP write:
//!
//! - a name (which may hold blanks) and a value on each line, and perhaps
//!   SCIP's `(obj:COST)` after them; columns that are not named are 0;
//! - lines that begin with `#`, `=obj=`, `solution status:`,
//!   `objective value:`, `no solution` are skipped;
//! - where there is a line `# Columns N`, as in HiGHS's files, the lines from
//!   there to the next `#` are read and nothing else.
//!
//! A name that no column has, a column named twice and a value that is no
//! finite number are refused.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Fault, name, number};
use crate::model::Model;

/// The text of a solution file for `point` with `objective`.
#[must_use]
pub fn solution_text(model: &Model, point: &[f64], objective: f64) -> String {
    let names = column_names(model);
    let mut text = format!("=obj= {}\n", number::format(objective));
    for (name, &value) in names.iter().zip(point) {
        let _ = writeln!(text, "{name} {}", number::format(value));
    }
    text
}

/// The names that columns have in a solution file.
fn column_names(model: &Model) -> Vec<String> {
    name::names(
        model.columns().iter().map(|column| column.name.as_str()),
        "c",
        name::is_word,
    )
}

/// Starts of lines that tell no value, in lower case.
const HEADERS: [&str; 5] = [
    "=obj=",
    "solution status:",
    "objective value:",
    "no solution",
    "#",
];

/// Reads the point in a solution file; `point[j]` is the value of column j.
///
/// # Errors
/// The first line that cannot be understood.
pub fn read_solution_text(text: &[u8], model: &Model) -> Result<Vec<f64>, Fault> {
    const SECTION: &str = "solution";
    let mut index: BTreeMap<String, usize> = BTreeMap::new();
    for (at, name) in column_names(model).into_iter().enumerate() {
        index.insert(name, at);
    }
    for (at, column) in model.columns().iter().enumerate() {
        index.entry(column.name.clone()).or_insert(at);
    }
    let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    let is_start = |line: &&[u8]| line.to_ascii_lowercase().starts_with(b"# columns");
    let start = lines.iter().position(is_start);
    let mut point = vec![None; model.columns().len()];
    for (at, raw) in lines.iter().enumerate().skip(start.map_or(0, |at| at + 1)) {
        let fault = |token: &[u8], expected: &str| Fault::new(at + 1, SECTION, token, expected);
        let Ok(line) = std::str::from_utf8(raw.trim_ascii()) else {
            return Err(fault(raw, "text in UTF-8"));
        };
        if start.is_some() && line.starts_with('#') {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if line.is_empty() || HEADERS.iter().any(|header| lower.starts_with(header)) {
            continue;
        }
        let pair = match line.rsplit_once(|c: char| c.is_ascii_whitespace()) {
            Some((pair, note)) if note.starts_with("(obj:") => pair.trim_end(),
            _ => line,
        };
        let Some((name, value)) = pair.rsplit_once(|c: char| c.is_ascii_whitespace()) else {
            return Err(fault(line.as_bytes(), "a column's name and a value"));
        };
        let name = name.trim_end();
        let Some(&column) = index.get(name) else {
            return Err(fault(name.as_bytes(), "the name of a column of the model"));
        };
        let Some(value) = number::parse(value).filter(|value| value.is_finite()) else {
            return Err(fault(value.as_bytes(), "a finite number"));
        };
        if point[column].replace(value).is_some() {
            return Err(fault(name.as_bytes(), "each column once"));
        }
    }
    Ok(point.into_iter().map(Option::unwrap_or_default).collect())
}
