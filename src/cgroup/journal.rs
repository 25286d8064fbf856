//! What was there before us, and what we did: an append-only journal that
//! survives `kill -9`, a torn last record and a full disk.
//!
//! # Files
//! `DIR/journal/NNNNNNNN.seg`, ascending. A segment is a file of
//! [`crate::codec`]: header (magic [`MAGIC`], schema [`SCHEMA`]), then frames, each
//! one [`Record`], length and CRC-32 in front. The first record of every
//! segment is a [`Record::Head`]: the whole state so far, originals first of
//! all. So the newest readable segment is all that a run needs, and deleting
//! older ones loses nothing but the history for `replay`.
//!
//! # Order
//! [`Journal::begin`] appends originals and intent in one write and syncs the
//! file before the first cpuset is written; [`Journal::commit`] follows the
//! last one. A crash in between leaves an open intent, whose old and new
//! values all count as ours.
//!
//! # Rotation
//! When a segment has reached its size, the next one is written under a
//! temporary name, synced, renamed, and the directory synced; only then are the
//! oldest segments deleted down to the total size. A failed rotation is
//! no failure: the old segment grows on.
//!
//! # Damage
//! A last record that is cut short is what an interrupted append leaves: it is
//! cut off. Anything else that cannot be read (foreign file, other schema
//! version, wrong checksum) is set aside under `NAME.unreadable-N` and noted;
//! what could be read before it counts, its originals above all, but which
//! lists are ours is then no longer known, so the live ones are taken as they
//! are. Nothing here stops a start.

mod disk;
mod read;
mod record;

use std::path::{Path, PathBuf};

pub use disk::{Disk, Lock, LockError, RealDisk};
pub use read::{DecisionRecord, Decisions, Outcome, decisions, read_state};
pub use record::{Decision, Intent, JournalState, Original, Payload, Record};

use super::{ContainerKey, CpusetWrite};
use crate::codec;
use crate::cpuset::CpuSet;

/// First bytes of a segment.
pub const MAGIC: [u8; 8] = *b"cpufJRNL";
/// Version of the records' form.
pub const SCHEMA: u32 = 1;
/// The journal's directory below the state directory.
pub const DIRECTORY: &str = "journal";

/// Why the journal cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// An operation on a file failed.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: String,
        /// What failed.
        #[source]
        source: std::io::Error,
    },
    /// A record is too long or cannot be encoded.
    #[error("cannot encode a record for {path}")]
    Encode {
        /// The segment.
        path: String,
        /// What failed.
        #[source]
        source: codec::CodecError,
    },
    /// A file that is to be replayed is not a journal, or damaged.
    #[error("{path} is not a readable journal segment")]
    Unreadable {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: codec::CodecError,
    },
    /// A place that is to be replayed holds no segments.
    #[error("no journal segments (*.seg) in {path}")]
    NoSegments {
        /// The directory.
        path: String,
    },
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> JournalError {
    let path = path.display().to_string();
    move |source| JournalError::Io {
        action,
        path,
        source,
    }
}

/// How large the journal may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A segment of this size is not appended to, bytes.
    pub segment_bytes: u64,
    /// All files together, bytes; the newest segment is never deleted.
    pub total_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            segment_bytes: 2 << 20,
            total_bytes: 64 << 20,
        }
    }
}

/// The segment that is appended to.
#[derive(Clone, Copy, Debug)]
struct Segment {
    number: u64,
    /// Bytes of whole frames.
    len: u64,
    /// Bytes of header and head record.
    head_len: u64,
    /// Whether an append failed and may have left a part of itself.
    torn: bool,
}

/// The journal, open for one run.
#[derive(Debug)]
pub struct Journal {
    disk: Box<dyn Disk>,
    dir: PathBuf,
    limits: Limits,
    state: JournalState,
    segment: Option<Segment>,
    /// Number of the next segment.
    next: u64,
    notes: Vec<String>,
}

impl Journal {
    /// Opens the journal of the state directory that `lock` holds. Whatever
    /// lies there, this succeeds unless the directory itself cannot be used.
    ///
    /// # Errors
    /// If the directory cannot be made or listed.
    pub fn open(lock: &Lock, limits: Limits) -> Result<Self, JournalError> {
        Self::open_with(Box::new(RealDisk), lock.dir(), limits)
    }

    /// The same with another disk. The caller must be the only one that writes
    /// below `state_dir`.
    ///
    /// # Errors
    /// If the directory cannot be made or listed.
    pub fn open_with(
        disk: Box<dyn Disk>,
        state_dir: &Path,
        limits: Limits,
    ) -> Result<Self, JournalError> {
        let dir = state_dir.join(DIRECTORY);
        let names = match disk.list(&dir) {
            Ok(names) => names,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                disk.create_dir(&dir).map_err(io_error("make", &dir))?;
                disk.sync_dir(state_dir)
                    .map_err(io_error("sync", state_dir))?;
                Vec::new()
            }
            Err(error) => return Err(io_error("list", &dir)(error)),
        };
        let mut journal = Self {
            disk,
            dir,
            limits,
            state: JournalState::default(),
            segment: None,
            next: 1,
            notes: Vec::new(),
        };
        journal.load(&names);
        Ok(journal)
    }

    /// What the records add up to.
    #[must_use]
    pub fn state(&self) -> &JournalState {
        &self.state
    }

    /// What was odd about the files, in words; for the user.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Records a round before its first write, durably; its number.
    ///
    /// # Errors
    /// If that is not possible (disk full): then nothing may be written.
    pub fn begin(
        &mut self,
        payload: Vec<u8>,
        originals: Vec<Original>,
        writes: &[CpusetWrite],
    ) -> Result<u64, JournalError> {
        self.rotate_if_due();
        let seq = self.state.seq + 1;
        let mut records: Vec<Record> = originals.into_iter().map(Record::Original).collect();
        records.push(Record::Intent(Intent {
            decision: Decision {
                seq,
                payload: Payload(payload),
            },
            writes: writes.to_vec(),
        }));
        self.append(&records, true)?;
        Ok(seq)
    }

    /// Records that a round is done, durably. `settled`: the list that each of
    /// its directories has now.
    ///
    /// # Errors
    /// If that is not possible. The round holds none the less: its intent is
    /// durable, and all its values count as ours.
    pub fn commit(
        &mut self,
        seq: u64,
        outcome: Vec<u8>,
        settled: Vec<(ContainerKey, CpuSet)>,
    ) -> Result<(), JournalError> {
        let record = Record::Commit {
            seq,
            outcome: Payload(outcome),
            settled,
        };
        self.append(&[record], true)
    }

    /// Records that a round was undone, durably. `left`: the list that each of
    /// its directories has now.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn roll_back(
        &mut self,
        seq: u64,
        reason: String,
        left: Vec<(ContainerKey, CpuSet)>,
    ) -> Result<(), JournalError> {
        self.append(&[Record::RolledBack { seq, reason, left }], true)
    }

    /// Records a decision that writes nothing; its number. Not synced: nothing
    /// depends on it.
    ///
    /// # Errors
    /// If it cannot be appended.
    pub fn note_decision(
        &mut self,
        payload: Vec<u8>,
        outcome: Vec<u8>,
        settled: Vec<(ContainerKey, CpuSet)>,
    ) -> Result<u64, JournalError> {
        self.rotate_if_due();
        let seq = self.state.seq + 1;
        let decision = Decision {
            seq,
            payload: Payload(payload),
        };
        let records = [
            Record::Intent(Intent {
                decision,
                writes: Vec::new(),
            }),
            Record::Commit {
                seq,
                outcome: Payload(outcome),
                settled,
            },
        ];
        self.append(&records, false)?;
        Ok(seq)
    }

    /// Records the writes of a `restore` before the first one.
    ///
    /// # Errors
    /// If it cannot be appended; `restore` goes on without.
    pub fn restoring(&mut self, writes: &[CpusetWrite]) -> Result<(), JournalError> {
        self.rotate_if_due();
        let writes = writes.to_vec();
        self.append(&[Record::Restoring { writes }], true)
    }

    /// Records what `restore` did, durably: directory, its list now, whether
    /// that is the original.
    ///
    /// # Errors
    /// If that is not possible. The lists hold none the less.
    pub fn restored(
        &mut self,
        directories: Vec<(ContainerKey, CpuSet, bool)>,
    ) -> Result<(), JournalError> {
        if directories.is_empty() {
            return Ok(());
        }
        self.rotate_if_due();
        let records: Vec<Record> = directories
            .into_iter()
            .map(|(key, value, complete)| Record::Restored {
                key,
                value,
                complete,
            })
            .collect();
        self.append(&records, true)
    }

    /// Drops directories that are gone. Not synced: the next run would find
    /// the same.
    ///
    /// # Errors
    /// If it cannot be appended.
    pub fn forget(&mut self, keys: Vec<ContainerKey>) -> Result<(), JournalError> {
        if keys.is_empty() {
            return Ok(());
        }
        self.rotate_if_due();
        let records: Vec<Record> = keys
            .into_iter()
            .map(|key| Record::Forgotten { key })
            .collect();
        self.append(&records, false)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:08}.seg"))
    }

    fn load(&mut self, names: &[String]) {
        for name in names.iter().filter(|name| name.ends_with(".tmp")) {
            // A rotation that was interrupted.
            let _ = self.disk.remove(&self.dir.join(name));
        }
        let numbers = read::segment_numbers(names);
        self.next = numbers.last().map_or(1, |last| last + 1);
        // Set-aside segments keep their numbers too.
        let aside = names
            .iter()
            .filter_map(|name| read::segment_number(name.split_once(".unreadable-")?.0));
        self.next = aside.map(|n| n + 1).fold(self.next, u64::max);
        let mut lost = Vec::new();
        for &number in numbers.iter().rev() {
            let path = self.path(number);
            let read = self.disk.read(&path).map_err(|e| e.to_string());
            let (parsed, damage) = match read.map(|bytes| read::parse(&bytes)) {
                Ok(Ok(parsed)) => {
                    let damage = parsed
                        .damage
                        .as_ref()
                        .map(|d| (d.to_string(), parsed.cut_short));
                    (Some(parsed), damage)
                }
                Ok(Err(error)) => (None, Some((error.to_string(), false))),
                Err(error) => (None, Some((error, false))),
            };
            if let Some((what, cut_short)) = &damage {
                let name = path.display();
                if *cut_short {
                    self.notes
                        .push(format!("{name}: dropped a last record that is cut short"));
                } else {
                    self.notes.push(format!("{name}: {what}"));
                    lost.push(number);
                }
            }
            if let Some(parsed) = parsed {
                self.state = parsed.state;
                if lost.is_empty() {
                    let mut segment = Segment {
                        number,
                        len: parsed.len,
                        head_len: parsed.head_len,
                        torn: damage.is_some(),
                    };
                    self.mend(&mut segment);
                    self.segment = Some(segment);
                }
                break;
            }
        }
        if !lost.is_empty() {
            self.state.expected.clear();
            self.state.last_committed.clear();
            self.set_aside(&lost, names);
        }
    }

    /// Makes a new segment of what could be read, then renames those that
    /// could not; the other way round, a crash in between would let an older
    /// state pass for the present one.
    fn set_aside(&mut self, numbers: &[u64], names: &[String]) {
        if let Err(error) = self.start_segment() {
            self.notes
                .push(format!("cannot set it aside now: {}", chain(&error)));
            return;
        }
        for &number in numbers {
            let name = format!("{number:08}.seg");
            let aside = (1u32..)
                .map(|n| format!("{name}.unreadable-{n}"))
                .find(|aside| !names.contains(aside))
                .unwrap_or_default();
            match self
                .disk
                .rename(&self.dir.join(&name), &self.dir.join(&aside))
            {
                Ok(()) => self.notes.push(format!(
                    "set aside as {}; containers are taken as they are now",
                    self.dir.join(&aside).display()
                )),
                Err(error) => self.notes.push(format!("cannot set aside {name}: {error}")),
            }
        }
    }

    /// Cuts off what a failed append may have left.
    fn mend(&self, segment: &mut Segment) {
        if segment.torn {
            let cut = self.disk.truncate(&self.path(segment.number), segment.len);
            segment.torn = cut.is_err();
        }
    }

    fn append(&mut self, records: &[Record], durable: bool) -> Result<(), JournalError> {
        let mut segment = match self.segment {
            Some(segment) => segment,
            None => self.start_segment()?,
        };
        let path = self.path(segment.number);
        let mut bytes = Vec::new();
        for record in records {
            let frame = codec::encode_frame(record).map_err(|source| JournalError::Encode {
                path: path.display().to_string(),
                source,
            })?;
            bytes.extend(frame);
        }
        self.mend(&mut segment);
        if segment.torn {
            return Err(io_error("mend", &path)(
                std::io::ErrorKind::InvalidData.into(),
            ));
        }
        let done = self
            .disk
            .append(&path, &bytes)
            .map_err(io_error("append to", &path))
            .and_then(|()| {
                if durable {
                    self.disk.sync(&path).map_err(io_error("sync", &path))
                } else {
                    Ok(())
                }
            });
        if done.is_ok() {
            segment.len += bytes.len() as u64;
            for record in records {
                self.state.add(record);
            }
        } else {
            segment.torn = true;
            self.mend(&mut segment);
        }
        self.segment = Some(segment);
        done
    }

    fn rotate_if_due(&mut self) {
        let Some(segment) = self.segment else { return };
        // A head longer than a segment may be must not make every append rotate.
        if segment.len < self.limits.segment_bytes.max(2 * segment.head_len) {
            return;
        }
        match self.start_segment() {
            Ok(_) => self.drop_oldest(),
            Err(error) => self.notes.push(format!(
                "the journal's segment grows beyond its size: {}",
                chain(&error)
            )),
        }
    }

    /// Makes the next segment, durably, and appends to it from now on.
    fn start_segment(&mut self) -> Result<Segment, JournalError> {
        let number = self.next;
        let path = self.path(number);
        let temporary = self.dir.join(format!("{number:08}.tmp"));
        let mut bytes = codec::encode_header(MAGIC, SCHEMA);
        let head = codec::encode_frame(&Record::Head(self.state.clone()));
        bytes.extend(head.map_err(|source| JournalError::Encode {
            path: path.display().to_string(),
            source,
        })?);
        let disk = &self.disk;
        let made = disk
            .append(&temporary, &bytes)
            .map_err(io_error("write", &temporary))
            .and_then(|()| disk.sync(&temporary).map_err(io_error("sync", &temporary)))
            .and_then(|()| {
                disk.rename(&temporary, &path)
                    .map_err(io_error("rename", &temporary))
            });
        if let Err(error) = made {
            let _ = disk.remove(&temporary);
            return Err(error);
        }
        disk.sync_dir(&self.dir)
            .map_err(io_error("sync", &self.dir))?;
        let len = bytes.len() as u64;
        let segment = Segment {
            number,
            len,
            head_len: len,
            torn: false,
        };
        self.next = number + 1;
        self.segment = Some(segment);
        Ok(segment)
    }

    /// Deletes the oldest files down to the total size, never the newest segment.
    fn drop_oldest(&mut self) {
        let Ok(names) = self.disk.list(&self.dir) else {
            return;
        };
        let ours = names.iter().filter(|name| {
            let stem = name
                .split_once(".unreadable-")
                .map_or(name.as_str(), |s| s.0);
            read::segment_number(stem).is_some()
        });
        let sized: Vec<(&String, u64)> = ours
            .map(|name| (name, self.disk.size(&self.dir.join(name)).unwrap_or(0)))
            .collect();
        let mut total: u64 = sized.iter().map(|(_, size)| size).sum();
        let newest = self.segment.map(|s| format!("{:08}.seg", s.number));
        for (name, size) in sized {
            if total <= self.limits.total_bytes || newest.as_ref() == Some(name) {
                break;
            }
            if self.disk.remove(&self.dir.join(name)).is_ok() {
                total -= size;
            }
        }
    }
}

/// An error with its causes on one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
