//! Reading segments: the state they add up to, and the decisions for `replay`.
//! Changes nothing and needs no lock.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::{DIRECTORY, JournalError, JournalState, MAGIC, RealDisk, Record, SCHEMA, io_error};
use crate::cgroup::CpusetWrite;
use crate::codec::{self, CodecError};

/// A segment as far as it can be read.
#[derive(Debug)]
pub(super) struct Parsed {
    /// The state after its last readable record.
    pub(super) state: JournalState,
    /// All records after the head.
    pub(super) records: Vec<Record>,
    /// Bytes of header and head.
    pub(super) head_len: u64,
    /// Bytes that could be read.
    pub(super) len: u64,
    /// What stopped the reading before the end.
    pub(super) damage: Option<CodecError>,
    /// Whether the last record merely ends too early.
    pub(super) cut_short: bool,
}

/// Reads a segment.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, CodecError> {
    let body = codec::decode_header(bytes, MAGIC, SCHEMA)?;
    let (records, used, damage) = codec::decode_frames::<Record>(body);
    // Offsets are given within the file.
    let damage = damage.map(|damage| match damage {
        CodecError::Damaged {
            offset,
            reason,
            cut_short,
        } => CodecError::Damaged {
            offset: offset + codec::HEADER_LEN,
            reason,
            cut_short,
        },
        other => other,
    });
    let mut records = records.into_iter();
    let Some(Record::Head(mut state)) = records.next() else {
        return Err(damage.unwrap_or_else(|| CodecError::Damaged {
            offset: codec::HEADER_LEN,
            reason: "it does not begin with a head record".into(),
            cut_short: false,
        }));
    };
    let records: Vec<Record> = records.collect();
    for record in &records {
        state.add(record);
    }
    let frame = |at: usize| body.get(at..at + 4).and_then(|b| b.try_into().ok());
    let head = frame(0).map_or(0, u32::from_le_bytes);
    let cut_short = matches!(
        damage,
        Some(CodecError::Damaged {
            cut_short: true,
            ..
        })
    );
    Ok(Parsed {
        state,
        records,
        head_len: codec::HEADER_LEN as u64 + 8 + u64::from(head),
        len: (codec::HEADER_LEN + used) as u64,
        damage,
        cut_short,
    })
}

/// The number in `NNNNNNNN.seg`.
pub(super) fn segment_number(name: &str) -> Option<u64> {
    let stem = name.strip_suffix(".seg")?;
    let digits = stem.len() >= 8 && stem.bytes().all(|b| b.is_ascii_digit());
    // Leave room for the numbers that follow.
    stem.parse().ok().filter(|&n| digits && n < u64::MAX / 2)
}

/// The numbers of all segments among `names`, ascending.
pub(super) fn segment_numbers(names: &[String]) -> Vec<u64> {
    let mut numbers: Vec<u64> = names.iter().filter_map(|n| segment_number(n)).collect();
    numbers.sort_unstable();
    numbers
}

/// The state of the journal below `state_dir`, and notes on what could not be
/// read. No journal: the default state. For commands that only look.
///
/// # Errors
/// If the directory is there but cannot be listed.
pub fn read_state(state_dir: &Path) -> Result<(JournalState, Vec<String>), JournalError> {
    let dir = state_dir.join(DIRECTORY);
    let names = match RealDisk.list(&dir) {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(io_error("list", &dir)(error)),
    };
    let mut notes = Vec::new();
    let mut lost = false;
    for number in segment_numbers(&names).into_iter().rev() {
        let path = dir.join(format!("{number:08}.seg"));
        let bytes = match RealDisk.read(&path) {
            Ok(bytes) => bytes,
            // A run beside us may have deleted it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                notes.push(format!("{}: {error}", path.display()));
                lost = true;
                continue;
            }
        };
        match parse(&bytes) {
            Ok(parsed) => {
                if let Some(damage) = parsed.damage.filter(|_| !parsed.cut_short) {
                    notes.push(format!("{}: {damage}", path.display()));
                    lost = true;
                }
                let mut state = parsed.state;
                if lost {
                    state.expected.clear();
                    state.last_committed.clear();
                }
                return Ok((state, notes));
            }
            Err(error) => {
                notes.push(format!("{}: {error}", path.display()));
                lost = true;
            }
        }
    }
    Ok((JournalState::default(), notes))
}

/// How a journalled round ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; with what the engine added afterwards.
    Committed(Vec<u8>),
    /// Undone, for this reason.
    RolledBack(String),
    /// Interrupted.
    Open,
}

/// A journalled round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRecord {
    /// Its number.
    pub seq: u64,
    /// The engine's record of the decision.
    pub payload: Vec<u8>,
    /// The writes it led to.
    pub writes: Vec<CpusetWrite>,
    /// How it ended.
    pub outcome: Outcome,
}

/// The rounds of a journal, in order; holds one segment at a time.
#[derive(Debug)]
pub struct Decisions {
    files: VecDeque<PathBuf>,
    ready: VecDeque<DecisionRecord>,
}

/// The rounds in `path`: one segment (under any name), a journal's directory,
/// or a state directory.
///
/// # Errors
/// If the path cannot be read or a directory holds no segments. Each segment's
/// own errors come with the iteration; a last record that is cut short is none.
pub fn decisions(path: &Path) -> Result<Decisions, JournalError> {
    let kind = fs::metadata(path).map_err(io_error("read", path))?;
    let files = if kind.is_dir() {
        let inner = path.join(DIRECTORY);
        let dir = if inner.is_dir() {
            inner
        } else {
            path.to_path_buf()
        };
        let names = RealDisk.list(&dir).map_err(io_error("list", &dir))?;
        let numbers = segment_numbers(&names);
        if numbers.is_empty() {
            return Err(JournalError::NoSegments {
                path: dir.display().to_string(),
            });
        }
        let name = |n| dir.join(format!("{n:08}.seg"));
        numbers.into_iter().map(name).collect()
    } else {
        VecDeque::from([path.to_path_buf()])
    };
    Ok(Decisions {
        files,
        ready: VecDeque::new(),
    })
}

impl Decisions {
    fn load(&mut self, path: &Path) -> Result<(), JournalError> {
        let bytes = RealDisk.read(path).map_err(io_error("read", path))?;
        let unreadable = |source| JournalError::Unreadable {
            path: path.display().to_string(),
            source,
        };
        let parsed = parse(&bytes).map_err(unreadable)?;
        for record in parsed.records {
            match record {
                Record::Intent(intent) => self.ready.push_back(DecisionRecord {
                    seq: intent.decision.seq,
                    payload: intent.decision.payload.0,
                    writes: intent.writes,
                    outcome: Outcome::Open,
                }),
                Record::Commit { seq, outcome, .. } => {
                    self.close(seq, Outcome::Committed(outcome.0));
                }
                Record::RolledBack { seq, reason, .. } => {
                    self.close(seq, Outcome::RolledBack(reason));
                }
                _ => {}
            }
        }
        match parsed.damage {
            Some(damage) if !parsed.cut_short => Err(unreadable(damage)),
            _ => Ok(()),
        }
    }

    fn close(&mut self, seq: u64, outcome: Outcome) {
        if let Some(round) = self.ready.back_mut().filter(|round| round.seq == seq) {
            round.outcome = outcome;
        }
    }
}

impl Iterator for Decisions {
    type Item = Result<DecisionRecord, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(round) = self.ready.pop_front() {
                return Some(Ok(round));
            }
            let path = self.files.pop_front()?;
            if let Err(error) = self.load(&path) {
                self.files.clear();
                self.ready.clear();
                return Some(Err(error));
            }
        }
    }
}
