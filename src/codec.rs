//! The one place that knows the binary form of our files (bincode 1.3.3, an
//! unmaintained package, RUSTSEC-2025-0141, hence behind this seam).
//!
//! A file is a header and frames. Header: 8 bytes magic, u32 schema version.
//! Frame: u32 length of the payload, u32 CRC-32 (IEEE) of the payload, the
//! payload. All integers little-endian. A torn or corrupt frame ends the
//! readable part; what follows it is reported, never guessed at.

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
    let value = bincode::deserialize(payload).map_err(|e| (e.to_string(), false))?;
    Ok((value, end))
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
    bincode::deserialize(limited).map_err(|e| CodecError::Damaged { offset: 0, reason: e.to_string(), cut_short: false })
}
