//! Rows as CSV for another trainer.
//!
//! Header `part,group,trace_id,timestamp_s,target` and the features' names; a
//! missing number is `nan`, a category its name or empty. Rows stand in the
//! order of the traces' files.

use std::io::{self, Write};

use super::super::features::{CATEGORIES, COUNT, FEATURES};
use super::read::TraceInfo;
use super::split::Part;

/// Writes the header.
///
/// # Errors
/// If `out` fails.
pub fn write_header(out: &mut dyn Write) -> io::Result<()> {
    write!(out, "part,group,trace_id,timestamp_s,target")?;
    for feature in &FEATURES {
        write!(out, ",{}", feature.name)?;
    }
    writeln!(out)
}

/// Writes one row.
///
/// # Errors
/// If `out` fails.
pub fn write_row(
    out: &mut dyn Write,
    part: Part,
    info: &TraceInfo,
    now_s: f64,
    target: f64,
    row: &[f32; COUNT],
) -> io::Result<()> {
    write!(
        out,
        "{},{},{},{now_s},{target}",
        part.name(),
        info.group,
        info.id
    )?;
    for (i, value) in row.iter().enumerate() {
        let category = i
            .checked_sub(CATEGORIES)
            .and_then(|c| info.categories.get(c));
        match category {
            Some(name) => write!(out, ",{}", name.as_deref().unwrap_or(""))?,
            None if value.is_nan() => write!(out, ",nan")?,
            None => write!(out, ",{value}")?,
        }
    }
    writeln!(out)
}
