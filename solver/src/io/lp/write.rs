//! Model to text.

use std::fmt::Write as _;

use super::super::mps::WriteError;
use super::super::{name, number};
use super::lexer::is_name;
use crate::model::{Model, Sense};
use crate::tol;

/// Terms on a line, so that no line grows beyond what old readers take.
const TERMS_A_LINE: usize = 8;

/// `model` in LP form. The objective names every column, with cost 0 where it
/// has none, so that reading numbers them as before. Names that the format
/// cannot hold are replaced (see [`super::super::names`]).
///
/// # Errors
/// Where there is a row, but no column to write in it.
pub fn write(model: &Model) -> Result<String, WriteError> {
    let columns = name::names(
        model.columns().iter().map(|c| c.name.as_str()),
        "c",
        is_name,
    );
    let rows = name::names(model.rows().iter().map(|r| r.name.as_str()), "r", is_name);
    let mut text = String::from(match model.sense {
        Sense::Minimize => "Minimize\n",
        Sense::Maximize => "Maximize\n",
    });
    text.push_str(" obj:");
    let costs = model.columns().iter().map(|column| column.cost);
    write_terms(&mut text, columns.iter().zip(costs));
    if model.offset.abs() > 0.0 || columns.is_empty() {
        write_signed(&mut text, model.offset);
    }
    text.push_str("\nSubject To\n");
    for (index, (row, name)) in model.rows().iter().zip(&rows).enumerate() {
        let Some(any) = columns.first() else {
            return Err(WriteError::NoColumn(index));
        };
        let _ = write!(text, " {name}:");
        let has_lower = row.lower > -tol::INFINITE;
        let has_upper = row.upper < tol::INFINITE;
        let is_equation = has_lower && (row.lower - row.upper).abs() <= 0.0;
        let is_range = has_lower && has_upper && !is_equation;
        if is_range {
            let _ = write!(text, " {} <=", number::format(row.lower));
        }
        if row.coefficients.is_empty() {
            let _ = write!(text, " 0 {any}");
        }
        let terms = row.coefficients.iter().map(|&(j, a)| (&columns[j], a));
        write_terms(&mut text, terms);
        let (relation, side) = if is_equation {
            ("=", row.lower)
        } else if has_upper {
            ("<=", row.upper)
        } else {
            (">=", row.lower)
        };
        let _ = writeln!(text, " {relation} {}", number::format(side));
    }
    text.push_str("Bounds\n");
    for (column, name) in model.columns().iter().zip(&columns) {
        let (lower, upper) = (column.lower, column.upper);
        let is_free = lower <= -tol::INFINITE && upper >= tol::INFINITE;
        if is_free {
            let _ = writeln!(text, " {name} free");
        } else if lower.abs() > 0.0 || upper < tol::INFINITE {
            let (lower, upper) = (number::format(lower), number::format(upper));
            let _ = writeln!(text, " {lower} <= {name} <= {upper}");
        }
    }
    text.push_str("General\n");
    for (column, name) in model.columns().iter().zip(&columns) {
        if column.integer {
            let _ = writeln!(text, " {name}");
        }
    }
    text.push_str("End\n");
    Ok(text)
}

fn write_terms<'a>(text: &mut String, terms: impl Iterator<Item = (&'a String, f64)>) {
    for (nth, (name, value)) in terms.enumerate() {
        if nth > 0 && nth % TERMS_A_LINE == 0 {
            text.push_str("\n ");
        }
        write_signed(text, value);
        let _ = write!(text, " {name}");
    }
}

fn write_signed(text: &mut String, value: f64) {
    let sign = if value < 0.0 { '-' } else { '+' };
    let _ = write!(text, " {sign} {}", number::format(value.abs()));
}
