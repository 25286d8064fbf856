//! A round as the journal keeps it: all that the decision used, and what it
//! was, so that `replay` can make it again and compare.
//!
//! The bytes are a u32 schema version and the record, encoded by
//! [`crate::codec`] and deflated (RFC 1951): names and keys repeat, and a round
//! shrinks to about a tenth. Times lie outside what is compared. What the round's search
//! began with and what it left follow the round.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};

mod earlier;

use super::state::{Decision, Event, State};
use crate::codec::{self, CodecError};
use crate::placement::Prices;

/// Version of the record's form.
pub const SCHEMA: u32 = 5;

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
        let plain = codec::encode_value(&(self, &self.state.warm, &self.decision.warm))?;
        let mut encoder = DeflateEncoder::new(SCHEMA.to_le_bytes().to_vec(), Compression::fast());
        let done = encoder.write_all(&plain).and_then(|()| encoder.finish());
        done.map_err(|e| CodecError::Encode(e.to_string()))
    }

    /// Reads a round.
    ///
    /// # Errors
    /// If the bytes are damaged or of another schema version.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let version = bytes
            .get(..4)
            .and_then(|b| b.try_into().ok())
            .map(u32::from_le_bytes);
        match version {
            Some(SCHEMA) => {
                let (mut round, before, after): (Self, _, _) =
                    codec::decode_value(&inflate(&bytes[4..])?)?;
                round.state.warm = before;
                round.decision.warm = after;
                Ok(round)
            }
            // Schema 4 knew of prices alone; what it left is not compared.
            Some(4) => {
                let (mut round, before, _): (Self, Option<Prices>, Option<Prices>) =
                    codec::decode_value(&inflate(&bytes[4..])?)?;
                round.state.warm.prices = before;
                Ok(round)
            }
            // Schema 3 knew of no warm starts.
            Some(3) => codec::decode_value(&inflate(&bytes[4..])?),
            Some(2) => {
                let round = codec::decode_value::<earlier::Second>(&inflate(&bytes[4..])?);
                round.map(earlier::Second::into_round)
            }
            Some(1) => {
                let round = codec::decode_value::<earlier::First>(&inflate(&bytes[4..])?);
                round.map(earlier::First::into_round)
            }
            Some(found) => Err(CodecError::Version {
                found,
                expected: SCHEMA,
            }),
            None => Err(CodecError::Damaged {
                offset: 0,
                reason: "a round is cut short".into(),
                cut_short: true,
            }),
        }
    }
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    let mut plain = Vec::new();
    // One byte more than allowed tells a bomb from the largest round.
    let most = codec::MAX_FRAME as u64;
    let read = DeflateDecoder::new(bytes)
        .take(most + 1)
        .read_to_end(&mut plain);
    let damaged = |reason: String| CodecError::Damaged {
        offset: 4,
        reason,
        cut_short: false,
    };
    match read {
        Ok(length) if length as u64 > most => {
            Err(damaged(format!("inflates to more than {most} bytes")))
        }
        Ok(_) => Ok(plain),
        Err(error) => Err(damaged(error.to_string())),
    }
}
