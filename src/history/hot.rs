//! The binary form of everything that a run needs: the hot file.
//!
//! A header and frames of `codec`: a head (last round, bytes of the archive
//! that count), rows that wait for the archive, then one frame a container,
//! so that damage costs what it hits. The hour is packed: a sample of a steady
//! timer takes six bytes, not sixteen, since the file is rewritten every run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cgroup::ContainerKey;
use crate::codec::{CodecError, HEADER_LEN, decode_header, encode_frame, encode_header};

use super::archive::Info;
use super::bucket::Bucket;
use super::frames::salvage;
use super::histogram::Histogram;
use super::record::{History, MAX_PENDING, Note, Stamp};
use super::track::{Closed, Counter, MAX_HOUR, Sample, Track, Trouble};

const MAGIC: [u8; 8] = *b"cpfhot\r\n";
const SCHEMA: u32 = 1;

/// Waiting rows in one frame.
const CHUNK: usize = 4_096;

/// One frame.
#[derive(Serialize, Deserialize)]
enum Frame {
    Head {
        last: Option<Stamp>,
        committed: BTreeMap<u32, u64>,
    },
    Pending(Vec<Closed>),
    Track(Box<Wire>),
}

/// A container as stored.
#[derive(Serialize, Deserialize)]
struct Wire {
    key: ContainerKey,
    info: Info,
    request_mcpu: Option<u32>,
    first_ms: Option<u64>,
    seen_ms: u64,
    counter: Option<Counter>,
    hour: Vec<u8>,
    day: Histogram,
    bucket: Option<Bucket>,
    troubles: Vec<(u64, Trouble)>,
    introduced: Option<u32>,
}

/// The file's bytes.
pub(super) fn encode(history: &History) -> Result<Vec<u8>, CodecError> {
    let mut bytes = encode_header(MAGIC, SCHEMA);
    bytes.extend(encode_frame(&Frame::Head {
        last: history.last.clone(),
        committed: history.committed.clone(),
    })?);
    for chunk in history.pending.chunks(CHUNK) {
        bytes.extend(encode_frame(&Frame::Pending(chunk.to_vec()))?);
    }
    for (key, track) in &history.tracks {
        let wire = Wire {
            key: key.clone(),
            info: track.info.clone(),
            request_mcpu: track.request_mcpu,
            first_ms: track.first_ms,
            seen_ms: track.seen_ms,
            counter: track.counter,
            hour: pack(track.hour.iter()),
            day: track.day.clone(),
            bucket: track.bucket.clone(),
            troubles: track.troubles.clone(),
            introduced: track.introduced,
        };
        bytes.extend(encode_frame(&Frame::Track(Box::new(wire)))?);
    }
    Ok(bytes)
}

/// The history in `bytes` as far as it can be read; `set_aside` if not all could.
pub(super) fn decode(bytes: &[u8], notes: &mut Vec<Note>) -> History {
    let mut history = History::default();
    let body = match decode_header(bytes, MAGIC, SCHEMA) {
        Ok(body) => body,
        Err(error) => {
            notes.push(Note::store(format!(
                "the stored samples are left out: {error}"
            )));
            history.set_aside = true;
            return history;
        }
    };
    let found = salvage::<Frame>(body);
    for (begin, end) in &found.damage {
        history.set_aside = true;
        notes.push(Note::store(format!(
            "the stored samples are damaged: {} bytes at {} are left out",
            end - begin,
            begin + HEADER_LEN
        )));
    }
    let mut head = false;
    for frame in found.values {
        match frame {
            Frame::Head { last, committed } => {
                head = true;
                history.last = last;
                history.committed = committed;
            }
            Frame::Pending(rows) => history.pending.extend(rows),
            Frame::Track(wire) => match track(*wire) {
                Ok((key, track)) => {
                    history.tracks.insert(key, track);
                }
                Err((id, reason)) => {
                    history.set_aside = true;
                    notes.push(Note {
                        id: Some(id),
                        text: format!("its stored samples are left out: {reason}"),
                    });
                }
            },
        }
    }
    history.pending.truncate(MAX_PENDING);
    if !head && found.damage.is_empty() {
        history.set_aside = true;
        notes.push(Note::store("the stored samples have no head".into()));
    }
    history
}

fn track(wire: Wire) -> Result<(ContainerKey, Track), (String, &'static str)> {
    let hour = match unpack(&wire.hour) {
        Some(samples) if samples.len() <= MAX_HOUR => samples,
        _ => return Err((wire.info.id, "the packed hour does not decode")),
    };
    let track = Track {
        info: wire.info,
        request_mcpu: wire.request_mcpu,
        first_ms: wire.first_ms,
        seen_ms: wire.seen_ms,
        counter: wire.counter,
        hour: hour.into(),
        day: wire.day,
        bucket: wire.bucket,
        troubles: wire.troubles,
        introduced: wire.introduced,
    };
    Ok((wire.key, track))
}

/// Per sample: `2 (end - previous end) + (1 if the length differs from that)`,
/// the length if so, the use; each as a little-endian base-128 number.
fn pack<'a>(samples: impl Iterator<Item = &'a Sample>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut before = 0;
    for sample in samples {
        let step = sample.end_ms - before;
        let same = u64::from(sample.length_ms) == step;
        put(&mut bytes, step << 1 | u64::from(!same));
        if !same {
            put(&mut bytes, u64::from(sample.length_ms));
        }
        put(&mut bytes, u64::from(sample.ucpu));
        before = sample.end_ms;
    }
    bytes
}

fn unpack(mut bytes: &[u8]) -> Option<Vec<Sample>> {
    let mut samples = Vec::new();
    let mut end_ms: u64 = 0;
    while !bytes.is_empty() {
        let head = take(&mut bytes)?;
        let step = head >> 1;
        end_ms = end_ms.checked_add(step)?;
        let length = if head & 1 == 1 {
            take(&mut bytes)?
        } else {
            step
        };
        samples.push(Sample {
            end_ms,
            length_ms: u32::try_from(length).ok()?,
            ucpu: u32::try_from(take(&mut bytes)?).ok()?,
        });
    }
    Some(samples)
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number: u64 = 0;
    for shift in (0..63).step_by(7) {
        let (&first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_sample_takes_six_bytes() {
        let sample = |i: u64| Sample {
            end_ms: 3_600_000 + 10_000 * i,
            length_ms: 10_000,
            ucpu: 250_000,
        };
        let samples: Vec<Sample> = (0..360).map(sample).collect();
        let bytes = pack(samples.iter());
        // 2 x 10,000 takes three bytes (2^14 <= 20,000 < 2^21), 250,000 three
        // as well: 6 each. The first: 2 x 3,600,000 + 1 four, 10,000 two, 250,000 three.
        assert_eq!(bytes.len(), 9 + 359 * 6);
        assert_eq!(unpack(&bytes), Some(samples));
    }

    #[test]
    fn numbers_by_hand() {
        let mut bytes = Vec::new();
        put(&mut bytes, 300);
        // 300 = 0b10_0101100.
        assert_eq!(bytes, [0b1010_1100, 0b10]);
        assert_eq!(take(&mut &[0xff; 9][..]), None);
        assert_eq!(take(&mut &[0x80][..]), None);
        let largest = [&[0xff; 8][..], &[0x7f]].concat();
        assert_eq!(take(&mut &largest[..]), Some((1 << 63) - 1));
    }
}
