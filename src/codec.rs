//! The one place that knows the binary form of our files (bincode 1.3.3, an
//! unmaintained package, RUSTSEC-2025-0141, hence behind this seam).
//!
//! A file is a header and frames. Header: 8 bytes magic, u32 schema version.
//! Frame: u32 length of the payload, u32 CRC-32 (IEEE) of the payload, the
//! payload. All integers little-endian. A torn or corrupt frame ends the
//! readable part; what follows it is reported, never guessed at.

use std::io::Read;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest payload accepted: bounds memory on a hostile or corrupt file.
pub const MAX_FRAME: usize = 64 << 20;

/// Why bytes are not ours, or no longer readable.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The first bytes are not the magic.
    #[error("not a file of this kind (magic {found:?}, expected {expected:?})")]
    Foreign {
        /// What was found.
        found: Vec<u8>,
        /// What was expected.
        expected: [u8; 8],
    },
    /// Written by another release.
    #[error("schema version {found}, this release reads {expected}")]
    Version {
        /// What was found.
        found: u32,
        /// What is understood.
        expected: u32,
    },
    /// A frame whose checksum or length is wrong.
    #[error("damaged at byte {offset}: {reason}")]
    Damaged {
        /// Offset of the damage, counted from where reading began.
        offset: usize,
        /// What is wrong.
        reason: String,
        /// Whether the bytes merely end too early, as after a write that was
        /// interrupted.
        cut_short: bool,
    },
    /// A value that cannot be encoded or is too long.
    #[error("cannot encode: {0}")]
    Encode(String),
}

/// The header of a file.
#[must_use]
pub fn encode_header(magic: [u8; 8], schema: u32) -> Vec<u8> {
    [&magic[..], &schema.to_le_bytes()].concat()
}

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 12;

/// Checks a header; the bytes after it.
///
/// # Errors
/// If the bytes are not of this kind, or of another schema version.
pub fn decode_header(bytes: &[u8], magic: [u8; 8], schema: u32) -> Result<&[u8], CodecError> {
    let found = &bytes[..bytes.len().min(8)];
    if found != magic {
        return Err(CodecError::Foreign {
            found: found.to_vec(),
            expected: magic,
        });
    }
    let version = bytes
        .get(8..HEADER_LEN)
        .and_then(|b| b.try_into().ok())
        .map(u32::from_le_bytes);
    match version {
        Some(v) if v == schema => Ok(&bytes[HEADER_LEN..]),
        Some(found) => Err(CodecError::Version {
            found,
            expected: schema,
        }),
        None => Err(CodecError::Damaged {
            offset: 8,
            reason: "the header is cut short".into(),
            cut_short: true,
        }),
    }
}

/// One frame holding `value`.
///
/// # Errors
/// If the value cannot be encoded or is longer than [`MAX_FRAME`].
pub fn encode_frame<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let payload = bincode::serialize(value).map_err(|e| CodecError::Encode(e.to_string()))?;
    let length = u32::try_from(payload.len())
        .ok()
        .filter(|_| payload.len() <= MAX_FRAME);
    let length = length
        .ok_or_else(|| CodecError::Encode(format!("{} bytes in one frame", payload.len())))?;
    Ok([
        &length.to_le_bytes()[..],
        &crc32fast::hash(&payload).to_le_bytes(),
        &payload,
    ]
    .concat())
}

/// Reads frames from `bytes` (after the header) until the end or the first
/// damage. `.0`: the values; `.1`: bytes read without error; `.2`: the damage,
/// if the bytes do not end with a whole frame.
pub fn decode_frames<T: DeserializeOwned>(bytes: &[u8]) -> (Vec<T>, usize, Option<CodecError>) {
    let mut values = Vec::new();
    let mut offset = 0;
    while offset < bytes.len() {
        match decode_frame(&bytes[offset..]) {
            Ok((value, used)) => {
                values.push(value);
                offset += used;
            }
            Err((reason, cut_short)) => {
                let damage = CodecError::Damaged {
                    offset,
                    reason,
                    cut_short,
                };
                return (values, offset, Some(damage));
            }
        }
    }
    (values, offset, None)
}

/// A value and the bytes it took, or what is wrong and whether the bytes merely
/// end too early.
fn decode_frame<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), (String, bool)> {
    let payload = frame_payload(bytes)?;
    let value = bincode::deserialize(payload).map_err(|e| (e.to_string(), false))?;
    Ok((value, 8 + payload.len()))
}

/// The payload of the frame that `bytes` begin with, or what is wrong as [`decode_frame`] tells it.
fn frame_payload(bytes: &[u8]) -> Result<&[u8], (String, bool)> {
    let word = |at: usize| -> Option<u32> {
        Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
    };
    let (Some(length), Some(checksum)) = (word(0), word(4)) else {
        return Err(("a frame's head is cut short".into(), true));
    };
    let end = 8 + length as usize;
    if length as usize > MAX_FRAME {
        return Err((format!("a frame claims {length} bytes"), false));
    }
    let payload = bytes
        .get(8..end)
        .ok_or_else(|| ("a frame is cut short".to_string(), true))?;
    if crc32fast::hash(payload) != checksum {
        return Err(("the checksum does not match".into(), false));
    }
    Ok(payload)
}

/// Frames of a file that is too long to be held, one at a time.
#[derive(Debug)]
pub struct FrameReader<R> {
    reader: R,
    offset: usize,
    frame: Vec<u8>,
}

impl<R: Read> FrameReader<R> {
    /// Reads on behind the header, which is checked.
    ///
    /// # Errors
    /// As [`decode_header`], or if it cannot be read.
    pub fn open(reader: R, magic: [u8; 8], schema: u32) -> Result<Self, CodecError> {
        let mut frames = Self {
            reader,
            offset: 0,
            frame: Vec::new(),
        };
        frames.fill(HEADER_LEN)?;
        decode_header(&frames.frame, magic, schema)?;
        Ok(frames)
    }

    /// The next frame's payload; none at the end.
    ///
    /// # Errors
    /// If it is damaged, cut short or cannot be read.
    pub fn next_payload(&mut self) -> Result<Option<&[u8]>, CodecError> {
        self.frame.clear();
        self.fill(8)?;
        let Some(length) = self.frame.first_chunk() else {
            return if self.frame.is_empty() {
                Ok(None)
            } else {
                Err(self.damaged("a frame's head is cut short".into(), true))
            };
        };
        let length = u32::from_le_bytes(*length) as usize;
        self.fill(length.min(MAX_FRAME))?;
        let begin = self.offset;
        self.offset += self.frame.len();
        frame_payload(&self.frame)
            .map(Some)
            .map_err(|(reason, cut_short)| CodecError::Damaged {
                offset: begin,
                reason,
                cut_short,
            })
    }

    /// Appends up to `length` bytes to the frame.
    fn fill(&mut self, length: usize) -> Result<(), CodecError> {
        let part = self.reader.by_ref().take(length as u64);
        let read = { part }.read_to_end(&mut self.frame);
        read.map(|_| ())
            .map_err(|e| self.damaged(e.to_string(), false))
    }

    fn damaged(&self, reason: String, cut_short: bool) -> CodecError {
        CodecError::Damaged {
            offset: self.offset,
            reason,
            cut_short,
        }
    }
}

/// A value on its own, without frame; for payloads inside a frame.
///
/// # Errors
/// If the value cannot be encoded.
pub fn encode_value<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    bincode::serialize(value).map_err(|e| CodecError::Encode(e.to_string()))
}

/// The value that [`encode_value`] made.
///
/// # Errors
/// If the bytes are not such a value.
pub fn decode_value<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let limited = bytes.get(..bytes.len().min(MAX_FRAME)).unwrap_or_default();
    bincode::deserialize(limited).map_err(|e| CodecError::Damaged {
        offset: 0,
        reason: e.to_string(),
        cut_short: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGIC: [u8; 8] = *b"cpufTEST";

    fn file() -> (Vec<String>, Vec<u8>) {
        let values: Vec<String> = ["", "one", "a longer value"].map(String::from).into();
        let mut bytes = encode_header(MAGIC, 7);
        for value in &values {
            bytes.extend(encode_frame(value).unwrap());
        }
        (values, bytes)
    }

    #[test]
    fn what_is_written_is_read() {
        let (values, bytes) = file();
        let body = decode_header(&bytes, MAGIC, 7).unwrap();
        let (read, used, damage) = decode_frames::<String>(body);
        assert_eq!((read, used), (values, body.len()));
        assert!(damage.is_none());
    }

    #[test]
    fn a_cut_leaves_whole_frames_and_says_so() {
        let (values, bytes) = file();
        let body = &bytes[HEADER_LEN..];
        // bincode: a u64 length before the text.
        let ends: Vec<usize> = values
            .iter()
            .scan(0, |end, value| {
                *end += 8 + 8 + value.len();
                Some(*end)
            })
            .collect();
        assert_eq!(ends.last(), Some(&body.len()));
        for cut in 0..body.len() {
            let (read, used, damage) = decode_frames::<String>(&body[..cut]);
            let whole = ends.iter().filter(|&&end| end <= cut).count();
            assert_eq!(read, values[..whole], "cut at {cut}");
            assert_eq!(used, if whole == 0 { 0 } else { ends[whole - 1] });
            let torn = matches!(
                damage,
                Some(CodecError::Damaged {
                    cut_short: true,
                    ..
                })
            );
            assert_eq!(torn, used != cut, "cut at {cut}: {damage:?}");
        }
    }

    #[test]
    fn a_flipped_bit_never_gives_another_value() {
        let (values, bytes) = file();
        for bit in 0..8 * bytes.len() {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Ok(body) = decode_header(&bytes, MAGIC, 7) else {
                assert!(bit / 8 < HEADER_LEN);
                continue;
            };
            let (read, used, damage) = decode_frames::<String>(body);
            assert!(damage.is_some() && used < body.len(), "bit {bit}");
            assert_eq!(read, values[..read.len()], "bit {bit}");
        }
    }

    #[test]
    fn headers_of_others_are_refused() {
        let (_, bytes) = file();
        let foreign = decode_header(b"\x7fELF....", MAGIC, 7).unwrap_err();
        assert!(matches!(foreign, CodecError::Foreign { .. }));
        let later = decode_header(&bytes, MAGIC, 6).unwrap_err();
        assert_eq!(later.to_string(), "schema version 7, this release reads 6");
        let short = decode_header(&bytes[..10], MAGIC, 7).unwrap_err();
        assert!(matches!(
            short,
            CodecError::Damaged {
                cut_short: true,
                ..
            }
        ));
    }

    #[test]
    fn frames_one_at_a_time_are_those_at_once() {
        let (values, bytes) = file();
        for cut in 0..=bytes.len() {
            let bytes = &bytes[..cut];
            let Ok(mut frames) = FrameReader::open(bytes, MAGIC, 7) else {
                assert!(cut < HEADER_LEN);
                continue;
            };
            let (at_once, _, damage) = decode_frames::<String>(&bytes[HEADER_LEN..]);
            let mut one_by_one = Vec::new();
            let end = loop {
                match frames.next_payload() {
                    Ok(Some(payload)) => one_by_one.push(decode_value::<String>(payload).unwrap()),
                    Ok(None) => break None,
                    Err(error) => break Some(error.to_string()),
                }
            };
            assert_eq!(one_by_one, at_once, "cut at {cut}");
            assert_eq!(end, damage.map(|d| d.to_string()), "cut at {cut}");
            if cut == file().1.len() {
                assert_eq!(one_by_one, values);
            }
        }
    }

    #[test]
    fn a_frame_of_an_absurd_length_is_damage_not_memory() {
        let mut bytes = u32::MAX.to_le_bytes().to_vec();
        bytes.extend([0; 100]);
        let (read, _, damage) = decode_frames::<String>(&bytes);
        assert!(read.is_empty());
        let damage = damage.unwrap().to_string();
        assert!(damage.contains("claims 4294967295 bytes"), "{damage}");
    }
}
