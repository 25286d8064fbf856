//! Files: the edge between the pure readers and writers and the disk.
#![expect(
    clippy::disallowed_methods,
    reason = "the solver's only file that opens files"
)]

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{Fault, ReadError, lp, mps, sol};
use crate::model::Model;

/// Most bytes of text a model file may hold, decompressed: a small gzip file
/// can claim to hold any amount.
pub const MAX_BYTES: u64 = 256 << 20;

#[derive(Clone, Copy)]
enum Format {
    Mps,
    Lp,
}

/// The format that the name tells, and whether it is gzipped.
fn format_of(path: &Path) -> Option<(Format, bool)> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    let (stem, is_gz) = name
        .strip_suffix(".gz")
        .map_or((name.as_str(), false), |stem| (stem, true));
    if stem.ends_with(".mps") {
        Some((Format::Mps, is_gz))
    } else if stem.ends_with(".lp") {
        Some((Format::Lp, is_gz))
    } else {
        None
    }
}

/// Reads the model in a `.mps` or `.lp` file, plain or `.gz`.
///
/// # Errors
/// Where the file cannot be read, its format is unknown, it is too large, or
/// its text is not a model, with line, section and token.
pub fn read_path(path: &Path) -> Result<Model, ReadError> {
    let (format, is_gz) = format_of(path).ok_or_else(|| ReadError::UnknownFormat {
        path: path.to_owned(),
    })?;
    let text = read_text(path, is_gz, MAX_BYTES)?;
    let model = match format {
        Format::Mps => mps::read(&text),
        Format::Lp => lp::read(&text),
    };
    model.map_err(|fault: Fault| ReadError::Syntax {
        path: path.to_owned(),
        fault,
    })
}

fn read_text(path: &Path, is_gz: bool, limit: u64) -> Result<Vec<u8>, ReadError> {
    let io = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    let mut text = Vec::new();
    // One byte more than allowed tells that there is more.
    let read = if is_gz {
        MultiGzDecoder::new(file)
            .take(limit + 1)
            .read_to_end(&mut text)
    } else {
        file.take(limit + 1).read_to_end(&mut text)
    };
    read.map_err(io)?;
    if text.len() as u64 > limit {
        return Err(ReadError::TooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(text)
}

/// Reads a solution file, plain or `.gz`, for `model`
/// ([`super::read_solution_text`]): a start point, to be checked.
///
/// # Errors
/// Where the file cannot be read, or a line of it not understood.
pub fn read_solution(path: &Path, model: &Model) -> Result<Vec<f64>, ReadError> {
    let is_gz = path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
    let text = read_text(path, is_gz, MAX_BYTES)?;
    sol::read_solution_text(&text, model).map_err(|fault| ReadError::Syntax {
        path: path.to_owned(),
        fault,
    })
}

/// Writes `model` in the format that the name tells.
///
/// # Errors
/// Where the file cannot be written, the name tells no format, or the format
/// cannot hold the model.
pub fn write_path(model: &Model, path: &Path) -> io::Result<()> {
    let (format, is_gz) = format_of(path).ok_or_else(|| {
        invalid("expected a name that ends in .mps, .lp, .mps.gz or .lp.gz".to_owned())
    })?;
    let text = match format {
        Format::Mps => mps::write(model),
        Format::Lp => lp::write(model),
    }
    .map_err(|error| invalid(error.to_string()))?;
    if is_gz {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes())?;
        write_atomically(path, &encoder.finish()?)
    } else {
        write_atomically(path, text.as_bytes())
    }
}

/// Writes a solution file ([`super::solution_text`]), replacing `path` only
/// once it is complete.
///
/// # Errors
/// Where it cannot be written.
pub fn write_solution(path: &Path, model: &Model, point: &[f64], objective: f64) -> io::Result<()> {
    write_atomically(path, sol::solution_text(model, point, objective).as_bytes())
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// Writes beside `path`, then renames over it, so that a reader sees the old
/// file or the new one.
fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let Some(name) = path.file_name() else {
        return Err(invalid("expected the name of a file".to_owned()));
    };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.tmp", std::process::id()));
    let beside: PathBuf = path.with_file_name(hidden);
    let written = (|| {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gzip_file_that_unpacks_to_too_much_is_refused() {
        let path =
            std::env::temp_dir().join(format!("branchcut-bomb-{}.mps.gz", std::process::id()));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![b'\n'; 1 << 20]).unwrap();
        fs::write(&path, encoder.finish().unwrap()).unwrap();
        let error = read_text(&path, true, 1 << 16).unwrap_err();
        let whole = read_text(&path, true, 1 << 20).map(|text| text.len());
        fs::remove_file(&path).unwrap();
        assert!(matches!(error, ReadError::TooLarge { limit: 65536, .. }));
        assert_eq!(whole.unwrap(), 1 << 20);
    }
}
