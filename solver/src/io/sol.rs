//! Solution files: `=obj= VALUE`, then `NAME VALUE` for every column, in the
//! model's order; the form that MIPLIB's own files have.

use std::fmt::Write as _;

use super::{name, number};
use crate::model::Model;

/// The text of a solution file for `point` with `objective`.
#[must_use]
pub fn solution_text(model: &Model, point: &[f64], objective: f64) -> String {
    let names = name::names(
        model.columns().iter().map(|column| column.name.as_str()),
        "c",
        name::is_word,
    );
    let mut text = format!("=obj= {}\n", number::format(objective));
    for (name, &value) in names.iter().zip(point) {
        let _ = writeln!(text, "{name} {}", number::format(value));
    }
    text
}
