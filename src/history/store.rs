//! The edge: the history's files.
//!
//! ```text
//! DIR/usage.hot                    everything a run needs; replaced as a whole each run
//! DIR/archive/YYYY-MM-DD.arc       5-minute rows of one day (UTC); appended
//! DIR/*.unreadable-N               what could not be read, set aside, N from 1 to 5
//! ```
//!
//! **Order of a save**, so that a row is in the archive exactly once whatever
//! falls between two steps: (1) cut the day's segment back to the bytes that
//! the hot file vouches for, append, sync; (2) write the new hot file, which
//! vouches for the appended bytes, beside the old one, sync, rename, sync the
//! directory. A crash before the rename leaves the old hot file, with the rows
//! still waiting or their buckets still open, and the next save cuts off what
//! it did not know of. (0) Where the hot file knows nothing of a day yet (the
//! first rows after midnight, a lost hot file), it is written once before,
//! with the length found.
//!
//! Nothing here fails a round: what goes wrong is a note, rows wait in the hot
//! file, and samples that could not be stored are covered by the next
//! interval, since usage is a difference of counters. One writer at a time is
//! the caller's business (the lock of a run); reading needs neither lock nor
//! write permission.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the edge to the file system"
)]

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cgroup::ContainerKey;
use crate::codec::{HEADER_LEN, decode_header, encode_header};

use super::archive::{
    self, ArchiveRow, Frame, Info, day_name, decode_day, encode_days, parse_day_name,
};
use super::frames::salvage;
use super::hot;
use super::record::{History, Note};

/// The hot file.
const HOT: &str = "usage.hot";

/// The archive's directory.
const ARCHIVE: &str = "archive";

/// Longest file read: bounds memory.
const MAX_FILE: u64 = 256 << 20;

/// Files of one name that are set aside; then the last one is replaced.
const MAX_ASIDE: u32 = 5;

/// Days of which the hot file remembers the length; a bucket closes at most
/// an hour and a sample late.
const COMMITTED_DAYS: usize = 3;

/// How much archive is kept; whole days go, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Days that have data. Counted in files, not by the clock: a clock that
    /// jumps for a moment must not delete a month.
    pub archive_days: usize,
    /// Bytes in total.
    pub archive_bytes: u64,
}

impl Default for Limits {
    /// Today and 30 days before it, 64 MiB: about 120 containers at 40 bytes a
    /// row and 250 bytes of name and context an hour.
    fn default() -> Self {
        Self {
            archive_days: 31,
            archive_bytes: 64 << 20,
        }
    }
}

impl History {
    /// Reads the history in `dir`, as far as it can be read; writes nothing.
    /// No directory or no file is an empty history without a note.
    #[must_use]
    pub fn load(dir: &Path) -> (Self, Vec<Note>) {
        let mut notes = Vec::new();
        let history = match read_file(&dir.join(HOT)) {
            Ok(bytes) => hot::decode(&bytes, &mut notes),
            Err(error) if error.kind() == ErrorKind::NotFound => Self::default(),
            Err(error) => {
                notes.push(Note::store(format!("cannot read {HOT}: {error}")));
                Self {
                    set_aside: true,
                    ..Self::default()
                }
            }
        };
        (history, notes)
    }

    /// Makes the history last in `dir`, which is created if missing. Never
    /// fails: what could not be done is told, and tried again by the next save.
    pub fn save(&mut self, dir: &Path, limits: &Limits) -> Vec<Note> {
        let mut notes = Vec::new();
        let archive = dir.join(ARCHIVE);
        if let Err(error) = fs::create_dir_all(&archive) {
            notes.push(Note::store(format!(
                "cannot create {}: {error}; this round's samples are not stored",
                archive.display()
            )));
            return notes;
        }
        if self.set_aside {
            set_aside(&dir.join(HOT), &mut notes);
            self.set_aside = false;
        }
        if !self.pending.is_empty() {
            self.append_pending(dir, &archive, limits, &mut notes);
        }
        self.write_hot(dir, &mut notes);
        notes
    }

    /// Replaces the hot file; whether that was done.
    fn write_hot(&self, dir: &Path, notes: &mut Vec<Note>) -> bool {
        let written = hot::encode(self)
            .map_err(|e| e.to_string())
            .and_then(|bytes| replace(dir, &bytes).map_err(|e| e.to_string()));
        if let Err(error) = &written {
            notes.push(Note::store(format!(
                "cannot write {}: {error}; the next interval will cover this round's",
                dir.join(HOT).display()
            )));
        }
        written.is_ok()
    }

    /// Appends waiting rows; those of days that fail keep waiting.
    fn append_pending(
        &mut self,
        dir: &Path,
        archive: &Path,
        limits: &Limits,
        notes: &mut Vec<Note>,
    ) {
        let days = match encode_days(&self.pending) {
            Ok(days) => days,
            Err(error) => {
                notes.push(Note::store(format!("rows are not archived: {error}")));
                return;
            }
        };
        let mut vouched = self.committed.clone();
        let mut failed = BTreeMap::new();
        for &day in days.keys() {
            let path = archive.join(day_name(day));
            match end_of_good(&path, vouched.get(&day).copied(), notes) {
                Ok(end) => drop(vouched.insert(day, end)),
                Err(error) => drop(failed.insert(day, error)),
            }
        }
        if vouched != self.committed {
            // A day's first rows: the hot file must know where they begin
            // before they are there.
            self.committed = vouched;
            if !self.write_hot(dir, notes) {
                return;
            }
        }
        for (day, bytes) in days {
            let path = archive.join(day_name(day));
            let begin = self.committed.get(&day).copied().unwrap_or(0);
            let appended = match failed.remove(&day) {
                Some(error) => Err(error),
                None => append(&path, begin, &bytes, limits.archive_bytes),
            };
            match appended {
                Ok(length) => {
                    self.committed.insert(day, length);
                    self.pending.retain(|c| archive::day_of(&c.row) != day);
                }
                Err(error) => notes.push(Note::store(format!(
                    "cannot append to {}: {error}; its rows wait",
                    path.display()
                ))),
            }
        }
        while self.committed.len() > COMMITTED_DAYS {
            self.committed.pop_first();
        }
        prune(archive, limits, notes);
    }
}

/// A day's segment as it lies in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Days since the epoch, UTC.
    pub day: u32,
    /// Bytes.
    pub length: u64,
    /// CRC-32 (IEEE) of the bytes.
    pub checksum: u32,
}

impl Segment {
    /// The file's name.
    #[must_use]
    pub fn name(&self) -> String {
        day_name(self.day)
    }
}

/// All rows of an archive, oldest day first, each day in the order in which
/// it was written. A day is read when its first row is asked for. Writes
/// nothing; what cannot be read is left out and told by [`Self::notes`].
#[derive(Debug)]
pub struct ArchiveReader {
    archive: PathBuf,
    days: std::vec::IntoIter<(u32, u64)>,
    rows: std::vec::IntoIter<ArchiveRow>,
    infos: BTreeMap<ContainerKey, Info>,
    notes: Vec<Note>,
}

impl ArchiveReader {
    /// Over the archive in `dir`, the directory given to [`History::save`]; a
    /// missing one has no rows.
    ///
    /// # Errors
    /// If the archive's directory is there and cannot be listed.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let archive = dir.join(ARCHIVE);
        Ok(Self {
            days: segments(&archive)?.into_iter(),
            archive,
            rows: Vec::new().into_iter(),
            infos: BTreeMap::new(),
            notes: Vec::new(),
        })
    }

    /// Without the days up to `day`, days since the epoch.
    #[must_use]
    pub fn after(mut self, day: u32) -> Self {
        let later: Vec<(u32, u64)> = self.days.filter(|d| d.0 > day).collect();
        self.days = later.into_iter();
        self
    }

    /// What could not be read so far.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The next day's segment with its bytes, for [`Self::rows`]; a caller that knows its
    /// rows need not have them decoded.
    pub fn next_segment(&mut self) -> Option<(Segment, Vec<u8>)> {
        loop {
            let (day, _) = self.days.next()?;
            let name = day_name(day);
            match read_file(&self.archive.join(&name)) {
                Ok(bytes) => {
                    let segment = Segment {
                        day,
                        length: bytes.len() as u64,
                        checksum: crc32fast::hash(&bytes),
                    };
                    return Some((segment, bytes));
                }
                Err(error) => self.notes.push(Note::store(format!(
                    "cannot read the archive's {name}: {error}"
                ))),
            }
        }
    }

    /// The rows of a segment. Names and contexts told by segments decoded before are known.
    pub fn rows(&mut self, segment: Segment, bytes: &[u8]) -> Vec<ArchiveRow> {
        decode_day(&segment.name(), bytes, &mut self.infos, &mut self.notes)
    }
}

impl Iterator for ArchiveReader {
    type Item = ArchiveRow;

    fn next(&mut self) -> Option<ArchiveRow> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(row);
            }
            let (segment, bytes) = self.next_segment()?;
            self.rows = self.rows(segment, &bytes).into_iter();
        }
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        let text = format!("longer than {MAX_FILE} bytes");
        return Err(io::Error::new(ErrorKind::InvalidData, text));
    }
    Ok(bytes)
}

/// Replaces the hot file as a whole.
fn replace(dir: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = dir.join(format!("{HOT}.tmp"));
    let mut file = File::create(&beside)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // On a full disk the half-written file would keep the space.
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    fs::rename(&beside, dir.join(HOT))?;
    File::open(dir)?.sync_all()
}

/// Appends to a segment behind the first `begin` bytes, which count; what is
/// behind them goes. The new length.
fn append(path: &Path, begin: u64, bytes: &[u8], room: u64) -> io::Result<u64> {
    let header = if begin == 0 {
        encode_header(archive::MAGIC, archive::SCHEMA)
    } else {
        Vec::new()
    };
    let length = begin + (header.len() + bytes.len()) as u64;
    if length > room {
        let text = format!("one day alone would pass the archive's limit of {room} bytes");
        return Err(io::Error::new(ErrorKind::QuotaExceeded, text));
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    file.set_len(begin)?;
    file.seek(SeekFrom::Start(begin))?;
    let written = file
        .write_all(&[&header[..], bytes].concat())
        .and_then(|()| file.sync_all());
    if let Err(error) = written {
        let _ = file.set_len(begin);
        return Err(error);
    }
    if begin == 0 {
        // A new file lasts once its directory does.
        if let Some(dir) = path.parent() {
            File::open(dir)?.sync_all()?;
        }
    }
    Ok(length)
}

/// Where a segment's good bytes end; 0: there is no segment (any more).
fn end_of_good(path: &Path, committed: Option<u64>, notes: &mut Vec<Note>) -> io::Result<u64> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    let mut header = Vec::new();
    (&file).take(HEADER_LEN as u64).read_to_end(&mut header)?;
    if committed == Some(0) {
        // Whatever is there came from a save that did not come to its end.
        return Ok(0);
    }
    if let Err(error) = decode_header(&header, archive::MAGIC, archive::SCHEMA) {
        if !header.is_empty() {
            notes.push(Note::store(format!("{}: {error}", path.display())));
            set_aside(path, notes);
        }
        return Ok(0);
    }
    if let Some(committed) = committed.filter(|c| (HEADER_LEN as u64..=length).contains(c)) {
        return Ok(committed);
    }
    // Nobody vouches for it (a lost or damaged hot file): cut a torn tail only.
    drop(file);
    let bytes = read_file(path)?;
    let end = HEADER_LEN + salvage::<Frame>(&bytes[HEADER_LEN..]).end;
    if end < bytes.len() {
        notes.push(Note::store(format!(
            "{}: a torn end of {} bytes is cut off",
            path.display(),
            bytes.len() - end
        )));
    }
    Ok(end as u64)
}

/// Drops the oldest days above the limits.
fn prune(archive: &Path, limits: &Limits, notes: &mut Vec<Note>) {
    let segments = match segments(archive) {
        Ok(segments) => segments,
        Err(error) => {
            notes.push(Note::store(format!(
                "cannot list {}: {error}",
                archive.display()
            )));
            return;
        }
    };
    let mut days = segments.len();
    let mut bytes: u64 = segments.iter().map(|(_, length)| length).sum();
    for (day, length) in segments {
        if days <= limits.archive_days && bytes <= limits.archive_bytes {
            break;
        }
        let path = archive.join(day_name(day));
        if let Err(error) = fs::remove_file(&path) {
            notes.push(Note::store(format!(
                "cannot remove {}: {error}",
                path.display()
            )));
            break;
        }
        if days <= limits.archive_days {
            notes.push(Note::store(format!(
                "{} is dropped: the archive passed its limit of {} bytes",
                day_name(day),
                limits.archive_bytes
            )));
        }
        days -= 1;
        bytes -= length;
    }
}

/// Days and lengths of the segments, oldest first; no directory: none. Other
/// files are not ours and stay.
fn segments(archive: &Path) -> io::Result<Vec<(u32, u64)>> {
    let entries = match fs::read_dir(archive) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(day) = name.to_str().and_then(parse_day_name) else {
            continue;
        };
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => found.push((day, metadata.len())),
            _ => {}
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Renames a file out of the way.
fn set_aside(path: &Path, notes: &mut Vec<Note>) {
    let name = |n: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".unreadable-{n}"));
        PathBuf::from(name)
    };
    let free = (1..=MAX_ASIDE).find(|&n| fs::symlink_metadata(name(n)).is_err());
    let target = name(free.unwrap_or(MAX_ASIDE));
    match fs::rename(path, &target) {
        Ok(()) => notes.push(Note::store(format!(
            "{} is set aside as {}",
            path.display(),
            target.display()
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => notes.push(Note::store(format!(
            "cannot set {} aside: {error}",
            path.display()
        ))),
    }
}
