//! A round as the journal keeps it: all that the decision used, and what it
//! was, so that `replay` can make it again and compare.
//!
//! The bytes are a u32 schema version and the record, encoded by
//! [`crate::codec`]. Times lie outside what is compared.

use serde::{Deserialize, Serialize};

use super::state::{Decision, Event, State};
use crate::codec::{self, CodecError};

/// Version of the record's form.
pub const SCHEMA: u32 = 1;

/// One round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// What was known.
    pub state: State,
    /// Why the round happened.
    pub event: Event,
    /// What was decided.
    pub decision: Decision,
    /// Wall-clock time of the decision, seconds.
    pub elapsed_s: f64,
}

impl Round {
    /// The bytes of this round.
    ///
    /// # Errors
    /// If it is too large for the journal.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        codec::encode_value(&(SCHEMA, self))
    }

    /// Reads a round.
    ///
    /// # Errors
    /// If the bytes are damaged or of another schema version.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let version = bytes.get(..4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
        match version {
            Some(SCHEMA) => codec::decode_value(&bytes[4..]),
            Some(found) => Err(CodecError::Version { found, expected: SCHEMA }),
            None => Err(CodecError::Damaged { offset: 0, reason: "a round is cut short".into(), cut_short: true }),
        }
    }
}
