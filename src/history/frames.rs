//! Reading what is left of a damaged file of frames.
//!
//! `codec` stops at the first damage. Our files hold independent frames (a
//! container, five minutes), so a flipped bit must cost one frame and not the
//! day behind it: after a damage the next place where a whole frame with a
//! right checksum begins is looked for.

use serde::de::DeserializeOwned;

use crate::codec::decode_frames;

/// Longest frame that is looked for behind a damage.
const MAX_SALVAGED: usize = 4 << 20;

/// Bytes that the search may hash: a hostile file must not cost minutes.
const SALVAGE_BUDGET: usize = 256 << 20;

/// What could be read.
#[derive(Debug)]
pub(super) struct Salvage<T> {
    pub values: Vec<T>,
    /// Damaged stretches, `(begin, end)` in bytes after the header.
    pub damage: Vec<(usize, usize)>,
    /// Where the last whole frame ends.
    pub end: usize,
}

/// All frames of `bytes` (after the header) that can be read.
pub(super) fn salvage<T: DeserializeOwned>(bytes: &[u8]) -> Salvage<T> {
    let mut found = Salvage {
        values: Vec::new(),
        damage: Vec::new(),
        end: 0,
    };
    let mut budget = SALVAGE_BUDGET;
    let mut at = 0;
    while at < bytes.len() {
        let (values, used, _) = decode_frames::<T>(&bytes[at..]);
        found.values.extend(values);
        at += used;
        if used > 0 {
            found.end = at;
        }
        if at == bytes.len() {
            break;
        }
        let next = next_frame(bytes, at + 1, &mut budget).unwrap_or(bytes.len());
        match found.damage.last_mut() {
            // A frame of a foreign type decodes to nothing: one stretch.
            Some(last) if last.1 == at => last.1 = next,
            _ => found.damage.push((at, next)),
        }
        at = next;
    }
    found
}

/// The first offset from `from` on at which length and checksum fit.
fn next_frame(bytes: &[u8], from: usize, budget: &mut usize) -> Option<usize> {
    let word = |at: usize| -> Option<u32> {
        Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
    };
    for at in from..bytes.len() {
        let length = word(at)? as usize;
        let checksum = word(at + 4)?;
        let fits = (1..=MAX_SALVAGED).contains(&length);
        let Some(payload) = bytes.get(at + 8..at + 8 + length).filter(|_| fits) else {
            continue;
        };
        *budget = budget.checked_sub(length)?;
        if crc32fast::hash(payload) == checksum {
            return Some(at);
        }
    }
    None
}
