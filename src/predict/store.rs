//! The edge: the model file, and what [`Forecast`] remembers.
//!
//! ```text
//! STATE/model/current.cpm        the model in use
//! STATE/model/previous.cpm       the one before it
//! STATE/history/predict.hot      memories, offsets, the model's record; replaced each round
//! ```
//!
//! Nothing of it fails a round: a model that cannot be read is refused with the
//! reason, and a lost or damaged `predict.hot` begins anew (offsets at 0).
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the edge to the file system"
)]

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::built_in::built_in;
use super::forecast::Forecast;
use super::model::{MAX_FILE, Model};
use super::trees::Trees;
use crate::codec::{decode_frames, decode_header, encode_frame, encode_header};
use crate::error::chain;
use crate::report::escape_name;

/// The directory of models below the state directory.
const MODELS: &str = "model";
const CURRENT: &str = "current.cpm";
const PREVIOUS: &str = "previous.cpm";

/// What is remembered, below the history's directory.
const HOT: &str = "predict.hot";
const MAGIC: [u8; 8] = *b"cpfpre\r\n";
const SCHEMA: u32 = 2;

/// Longest file of memories that is read: bounds memory.
const MAX_HOT: u64 = 64 << 20;

/// Where the model in use lies.
#[must_use]
pub fn current_model(state: &Path) -> PathBuf {
    state.join(MODELS).join(CURRENT)
}

/// Reads a model file; which model it is, by the checksum of its bytes.
///
/// # Errors
/// In words: not there, too large, or why its bytes are no model.
pub fn read_model(path: &Path) -> Result<(Model, u32), String> {
    let name = escape_name(path.as_os_str().as_encoded_bytes());
    let bytes = read_bounded(path, MAX_FILE).map_err(|e| format!("cannot read {name}: {e}"))?;
    let model = Model::decode(&bytes).map_err(|e| format!("{name}: {}", chain(&e)))?;
    Ok((model, crc32fast::hash(&bytes)))
}

/// The model in use of a host, bound to the features; the built-in one, on trial, where nobody installed any.
///
/// # Errors
/// Why there is none.
pub fn host_model(state: &Path) -> Result<Trees, String> {
    let path = current_model(state);
    match fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return built_in().map(Trees::on_trial);
        }
        _ => {}
    }
    let (model, id) = read_model(&path)?;
    Trees::new(model, id)
}

/// Puts a model file in place of the one at `path`, whole or not at all: beside
/// it, synced, renamed. With `previous` the old one is kept under that name.
fn replace_file(path: &Path, bytes: &[u8], previous: Option<&Path>) -> io::Result<()> {
    let directory = path.parent().filter(|d| !d.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let beside = path.with_file_name(name);
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    if let Some(previous) = previous {
        // A link, so that there is a current model at every moment.
        let _ = fs::remove_file(previous);
        match fs::hard_link(path, previous) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(&beside, path)?;
    File::open(directory)?.sync_all()
}

/// Writes a model file, whole or not at all; its size in bytes.
///
/// # Errors
/// In words, naming the file. The old file is untouched then.
pub fn write_model(path: &Path, model: &Model) -> Result<usize, String> {
    write(path, model, None)
}

/// Makes a model the host's current one; the one before is kept.
///
/// # Errors
/// In words, naming the file. The current model is untouched then.
pub fn install_model(state: &Path, model: &Model) -> Result<PathBuf, String> {
    let path = current_model(state);
    write(&path, model, Some(&path.with_file_name(PREVIOUS)))?;
    Ok(path)
}

/// As [`write_model`], keeping the file before as `FILE.previous`.
///
/// # Errors
/// In words, naming the file. The old file is untouched then.
pub fn replace_model(path: &Path, model: &Model) -> Result<(), String> {
    let mut previous = path.as_os_str().to_os_string();
    previous.push(".previous");
    write(path, model, Some(Path::new(&previous))).map(|_| ())
}

/// History directories (those with an archive) at `directory`, or one or two levels
/// below, with the name of the host: the subdirectory's, `this` for the directory itself.
///
/// # Errors
/// In words, if the directory cannot be listed.
pub fn archives(directory: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let is_history = |dir: &Path| dir.join("archive").is_dir();
    let within = |dir: &Path| {
        [dir.to_path_buf(), dir.join("history")]
            .into_iter()
            .find(|d| is_history(d))
    };
    if let Some(found) = within(directory) {
        return Ok(vec![("this".into(), found)]);
    }
    let name = escape_name(directory.as_os_str().as_encoded_bytes());
    let failed = |e: io::Error| format!("cannot read {name}: {e}");
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let host = path.file_name().unwrap_or_default().as_encoded_bytes();
        let host = escape_name(host);
        found.extend(within(&path).map(|history| (host, history)));
    }
    found.sort();
    Ok(found)
}

/// Lowers the priority of this process, as far as the kernel lets it.
pub fn be_nice() {
    // Training is never urgent; where it is refused, training goes on all the same.
    let _ = rustix::process::nice(10);
}

fn write(path: &Path, model: &Model, previous: Option<&Path>) -> Result<usize, String> {
    let name = escape_name(path.as_os_str().as_encoded_bytes());
    let bytes = model
        .encode()
        .map_err(|e| format!("{name}: {}", chain(&e)))?;
    replace_file(path, &bytes, previous).map_err(|e| format!("cannot write {name}: {e}"))?;
    Ok(bytes.len())
}

/// Longest text that is read, bytes.
const MAX_TEXT: u64 = 256 << 20;

/// A text file, and when it was changed last, seconds since the epoch.
///
/// # Errors
/// In words, naming the file.
pub fn read_text(path: &Path) -> Result<(String, f64), String> {
    let name = escape_name(path.as_os_str().as_encoded_bytes());
    let failed = |e: &dyn std::fmt::Display| format!("cannot read {name}: {e}");
    let bytes = read_bounded(path, MAX_TEXT).map_err(|e| failed(&e))?;
    let text = String::from_utf8(bytes).map_err(|e| failed(&e))?;
    let modified = fs::metadata(path).and_then(|m| m.modified());
    let since = modified.map(|m| m.duration_since(std::time::UNIX_EPOCH));
    let modified_s = since
        .map_err(|e| failed(&e))?
        .map_or(0.0, |d| d.as_secs_f64());
    Ok((text, modified_s))
}

/// Writes a text file, whole or not at all.
///
/// # Errors
/// In words, naming the file.
pub fn write_text(path: &Path, text: &str) -> Result<(), String> {
    let name = escape_name(path.as_os_str().as_encoded_bytes());
    let written = replace_file(path, text.as_bytes(), None);
    written.map_err(|e| format!("cannot write {name}: {e}"))
}

fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let text = format!("longer than {most} bytes");
        return Err(io::Error::new(ErrorKind::InvalidData, text));
    }
    Ok(bytes)
}

impl Forecast {
    /// Reads what is remembered in the history's directory; what cannot be read is
    /// told and begins anew. Writes nothing.
    #[must_use]
    pub fn load(dir: &Path) -> (Self, Option<String>) {
        let anew = |reason: String| {
            let note = format!("predictions: {HOT} begins anew: {reason}");
            (Self::default(), Some(note))
        };
        let bytes = match read_bounded(&dir.join(HOT), MAX_HOT) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return (Self::default(), None),
            Err(error) => return anew(error.to_string()),
        };
        let body = match decode_header(&bytes, MAGIC, SCHEMA) {
            Ok(body) => body,
            Err(error) => return anew(chain(&error)),
        };
        match decode_frames::<Self>(body) {
            (mut values, _, None) if values.len() == 1 => (values.pop().unwrap_or_default(), None),
            (_, _, Some(damage)) => anew(chain(&damage)),
            (values, ..) => anew(format!("{} frames", values.len())),
        }
    }

    /// Makes it last; what could not be written is told.
    pub fn save(&self, dir: &Path) -> Option<String> {
        let frame = encode_frame(self).map_err(|e| chain(&e));
        let written = frame.and_then(|frame| {
            let bytes = [encode_header(MAGIC, SCHEMA), frame].concat();
            replace_file(&dir.join(HOT), &bytes, None).map_err(|e| e.to_string())
        });
        let told =
            |e| format!("predictions: cannot write {HOT}: {e}; offsets of this round are lost");
        written.err().map(told)
    }
}
