//! Model to text, free form.

use std::fmt::Write as _;

use super::super::{name, number};
use crate::model::{Column, Model, Row, Sense};
use crate::tol;

/// Why a model cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// MPS has no way to say this.
    #[error("row {0} cannot be written: its lower side is above its upper side")]
    CrossedRow(usize),
    /// LP rows need a column to name.
    #[error("row {0} cannot be written: the model has no column")]
    NoColumn(usize),
}

/// `model` in free MPS form. Names that are empty, repeated or hold blanks are
/// replaced (see [`super::super::names`]).
///
/// A row with two different finite sides is written with a range, the
/// difference of its sides, so that reading gives back the upper side up to
/// round-off.
///
/// # Errors
/// Where a row's sides are crossed.
pub fn write(model: &Model) -> Result<String, WriteError> {
    let columns = name::names(
        model.columns().iter().map(|c| c.name.as_str()),
        "c",
        |name| name::is_word(name) && name != "'MARKER'",
    );
    let own_rows = model.rows().iter().map(|r| r.name.as_str());
    // The objective needs a name that no row has.
    let mut objective = String::from("OBJ");
    while model.rows().iter().any(|row| row.name == objective) {
        objective.push('_');
    }
    let rows = name::names(own_rows, "r", |name| {
        name::is_word(name) && name != objective
    });
    let mut text = String::new();
    let title = model.name.split_ascii_whitespace().collect::<Vec<_>>();
    let _ = writeln!(text, "NAME {}", title.join(" "));
    if model.sense == Sense::Maximize {
        text.push_str("OBJSENSE\n MAX\n");
    }
    let _ = writeln!(text, "ROWS\n N {objective}");
    for (index, (row, name)) in model.rows().iter().zip(&rows).enumerate() {
        let kind = kind(row).ok_or(WriteError::CrossedRow(index))?;
        let _ = writeln!(text, " {kind} {name}");
    }
    write_columns(&mut text, model, &columns, &rows, &objective);
    text.push_str("RHS\n");
    if model.offset.abs() > 0.0 {
        let _ = writeln!(text, " RHS {objective} {}", number::format(-model.offset));
    }
    for (row, name) in model.rows().iter().zip(&rows) {
        let rhs = if kind(row) == Some('L') {
            row.upper
        } else {
            row.lower
        };
        if rhs.abs() > 0.0 {
            let _ = writeln!(text, " RHS {name} {}", number::format(rhs));
        }
    }
    text.push_str("RANGES\n");
    for (row, name) in model.rows().iter().zip(&rows) {
        if kind(row) == Some('G') && row.upper < tol::INFINITE && row.lower > -tol::INFINITE {
            let _ = writeln!(
                text,
                " RNG {name} {}",
                number::format(row.upper - row.lower)
            );
        }
    }
    text.push_str("BOUNDS\n");
    for (column, name) in model.columns().iter().zip(&columns) {
        write_bounds(&mut text, column, name);
    }
    text.push_str("ENDATA\n");
    Ok(text)
}

/// A row's letter; a free row is `G` with an infinite right-hand side, since a
/// further `N` row would be dropped by readers. None where its sides cross.
fn kind(row: &Row) -> Option<char> {
    let (lower, upper) = (row.lower, row.upper);
    if lower > upper {
        None
    } else if lower <= -tol::INFINITE && upper < tol::INFINITE {
        Some('L')
    } else if lower >= upper {
        Some('E')
    } else {
        Some('G')
    }
}

fn write_columns(
    text: &mut String,
    model: &Model,
    columns: &[String],
    rows: &[String],
    objective: &str,
) {
    let mut entries: Vec<Vec<(usize, f64)>> = vec![vec![]; columns.len()];
    for (index, row) in model.rows().iter().enumerate() {
        for &(column, value) in &row.coefficients {
            entries[column].push((index, value));
        }
    }
    text.push_str("COLUMNS\n");
    let mut in_integers = false;
    for ((column, name), entries) in model.columns().iter().zip(columns).zip(&entries) {
        if column.integer != in_integers {
            in_integers = column.integer;
            let word = if in_integers { "'INTORG'" } else { "'INTEND'" };
            let _ = writeln!(text, " MARKER 'MARKER' {word}");
        }
        // A column in no row is declared by its cost, zero or not.
        if column.cost.abs() > 0.0 || entries.is_empty() {
            let _ = writeln!(text, " {name} {objective} {}", number::format(column.cost));
        }
        for &(row, value) in entries {
            let _ = writeln!(text, " {name} {} {}", rows[row], number::format(value));
        }
    }
    if in_integers {
        text.push_str(" MARKER 'MARKER' 'INTEND'\n");
    }
}

fn write_bounds(text: &mut String, column: &Column, name: &str) {
    let mut line = |kind: &str, value: Option<f64>| {
        let _ = match value {
            Some(value) => writeln!(text, " {kind} BND {name} {}", number::format(value)),
            None => writeln!(text, " {kind} BND {name}"),
        };
    };
    let (lower, upper) = (column.lower, column.upper);
    let is_open_below = lower <= -tol::INFINITE;
    let is_open_above = upper >= tol::INFINITE;
    if !is_open_below && (lower - upper).abs() <= 0.0 {
        line("FX", Some(lower));
        return;
    }
    if is_open_below && is_open_above {
        line("FR", None);
        return;
    }
    if is_open_below {
        line("MI", None);
    } else if lower.abs() > 0.0 || upper < 0.0 {
        // Written before a negative UP, which would open the column below.
        line("LO", Some(lower));
    }
    if !is_open_above {
        line("UP", Some(upper));
    } else if column.integer {
        // Without any bound an integer column would be binary.
        line("PL", None);
    }
}
