//! The edge: rows of a host's archive that are kept from one training to the next.
//!
//! ```text
//! DIR/HASH.rows        one file a host: header, frames of `codec`; replaced as a whole
//! ```
//!
//! The first frame says what was walked ([`Head`]), then comes a frame a container ([`Series`]),
//! ascending by key, and last their number. A file is used if release, host and walked days are
//! those at hand; otherwise, or where it is damaged, its reader says why and the rows are made
//! anew from the archive, of which it holds nothing that the archive did not have.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the edge to the file system"
)]

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::dataset::hash;
use super::series::Series;
use super::survey::Day;
use crate::codec::{CodecError, FrameReader, decode_value, encode_frame, encode_header};
use crate::error::chain;
use crate::report::escape_name;

const MAGIC: [u8; 8] = *b"cpfrow\r\n";

/// Raised when what a row or a walk is changes.
const SCHEMA: u32 = 1;

/// What was walked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The release: another one may know other features.
    release: String,
    host: String,
    /// One row in so many was kept.
    pub(super) stride: u64,
    /// The days whose rows are here, ascending.
    pub(super) days: Vec<Day>,
}

impl Head {
    pub(super) fn new(host: &str, stride: u64, days: &[Day]) -> Self {
        Self {
            release: env!("CARGO_PKG_VERSION").into(),
            host: host.into(),
            stride,
            days: days.to_vec(),
        }
    }
}

/// A frame, of owned values when read, of borrowed ones when written.
#[derive(Serialize, Deserialize)]
enum Frame<H, S> {
    Head(H),
    Series(S),
    /// Number of series.
    End(u64),
}

type Read = Frame<Head, Series>;
type Written<'a> = Frame<&'a Head, &'a Series>;

/// The file of a host.
pub(super) fn path_of(directory: &Path, host: &str) -> PathBuf {
    // Any name fits, and two hosts whose sums are equal only displace each other.
    let sum = hash(host, 0.0, 0);
    directory.join(format!("{sum:016x}.rows"))
}

/// A file whose head is read.
#[derive(Debug)]
pub(super) struct Kept {
    file: File,
    pub(super) head: Head,
}

impl Kept {
    /// What is kept of a host; none if nothing is.
    ///
    /// # Errors
    /// In words: why it is of no use.
    pub(super) fn open(directory: &Path, host: &str) -> Result<Option<Self>, String> {
        let file = match File::open(path_of(directory, host)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let Some(Frame::Head(head)) = next(&mut frames(&file)?)? else {
            return Err("it has no head".into());
        };
        let expected = Head::new(host, head.stride, &head.days);
        if head.release != expected.release {
            return Err(format!(
                "it is of release {}",
                escape_name(head.release.as_bytes())
            ));
        }
        if head.host != expected.host {
            return Err(format!(
                "it is of host {}",
                escape_name(head.host.as_bytes())
            ));
        }
        Ok(Some(Self { file, head }))
    }

    /// Reads the whole file as far as its checksums.
    ///
    /// # Errors
    /// In words: what is damaged.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut frames = frames(&self.file)?;
        let (mut count, mut end) = (0_u64, None);
        while let Some(payload) = frames.next_payload().map_err(|e| chain(&e))? {
            count += 1;
            end = (payload.len() <= LONGEST_END).then(|| decode_value::<Read>(payload));
        }
        match end {
            // Beside the series: head and end.
            Some(Ok(Frame::End(series))) if series.checked_add(2) == Some(count) => Ok(()),
            _ => Err("its end is missing".into()),
        }
    }

    /// The series, ascending by key, up to the first that cannot be read.
    ///
    /// # Errors
    /// In words, in place of a series; ask no further then.
    pub(super) fn series(&self) -> impl Iterator<Item = Result<Series, String>> {
        let mut frames = frames(&self.file).and_then(|mut frames| {
            next(&mut frames)?; // the head
            Ok(frames)
        });
        std::iter::from_fn(move || {
            let frame = match &mut frames {
                Ok(frames) => next(frames),
                Err(reason) => Err(reason.clone()),
            };
            match frame {
                Ok(Some(Frame::Series(series))) if series.is_sound() => Some(Ok(series)),
                Ok(None | Some(Frame::End(_))) => None,
                Ok(_) => Some(Err("a series makes no sense".into())),
                Err(reason) => Some(Err(reason)),
            }
        })
    }
}

/// Longest last frame: a variant and a number.
const LONGEST_END: usize = 12;

type Frames<'a> = FrameReader<BufReader<&'a File>>;

/// The frames from the first one on.
fn frames(mut file: &File) -> Result<Frames<'_>, String> {
    file.rewind().map_err(|e| e.to_string())?;
    FrameReader::open(BufReader::new(file), MAGIC, SCHEMA).map_err(|e| chain(&e))
}

fn next(frames: &mut Frames<'_>) -> Result<Option<Read>, String> {
    let payload = frames.next_payload().map_err(|e| chain(&e))?;
    let frame = payload.map(decode_value).transpose();
    frame.map_err(|e: CodecError| chain(&e))
}

/// Writes the file of a host beside the old one.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    beside: PathBuf,
    file: BufWriter<File>,
    series: u64,
}

impl Writer {
    /// Begins a file in `directory`, which is made where it is missing.
    ///
    /// # Errors
    /// In words.
    pub(super) fn begin(directory: &Path, head: &Head) -> Result<Self, String> {
        let path = path_of(directory, &head.host);
        let beside = path.with_extension("rows.new");
        let begun = fs::create_dir_all(directory).and_then(|()| File::create(&beside));
        let mut writer = Self {
            file: BufWriter::new(begun.map_err(|e| failed(&beside, &e))?),
            path,
            beside,
            series: 0,
        };
        let header = encode_header(MAGIC, SCHEMA);
        let written = writer.file.write_all(&header);
        written.map_err(|e| writer.give_up(&e))?;
        writer.frame(&Frame::Head(head))?;
        Ok(writer)
    }

    /// Adds a series; ascending by key.
    ///
    /// # Errors
    /// In words; what was written goes.
    pub(super) fn put(&mut self, series: &Series) -> Result<(), String> {
        self.series += 1;
        self.frame(&Frame::Series(series))
    }

    /// Puts the file in place.
    ///
    /// # Errors
    /// In words; the old file is untouched then.
    pub(super) fn end(mut self) -> Result<(), String> {
        self.frame(&Frame::End(self.series))?;
        let synced = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all());
        let moved = synced.and_then(|()| fs::rename(&self.beside, &self.path));
        moved.map_err(|e| self.give_up(&e))
    }

    fn frame(&mut self, frame: &Written<'_>) -> Result<(), String> {
        let bytes = encode_frame(frame).map_err(|e| chain(&e))?;
        let written = self.file.write_all(&bytes);
        written.map_err(|e| self.give_up(&e))
    }

    /// On a full disk the half-written file would keep the space.
    fn give_up(&self, error: &io::Error) -> String {
        let _ = fs::remove_file(&self.beside);
        failed(&self.beside, error)
    }
}

fn failed(path: &Path, error: &io::Error) -> String {
    let name = escape_name(path.as_os_str().as_encoded_bytes());
    format!("cannot write {name}: {error}")
}
