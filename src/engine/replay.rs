//! Replay: every round of a journal decided again from what it recorded, and
//! compared, byte for byte. Pure but for reading the journal.
//!
//! A search that a wall-clock budget cut short stops at the work count where
//! it stopped then; fields that hold times are not compared.

use std::path::Path;
use std::time::Duration;

use super::decide::decide;
use super::record::Round;
use super::state::Decision;
use crate::cgroup::journal::{JournalError, Outcome, decisions};
use crate::codec::CodecError;
use crate::placement::HostModels;
use crate::report::escape_name;

/// A round that was decided again.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// Its number in the journal.
    pub seq: u64,
    /// As recorded.
    pub round: Round,
    /// As decided now.
    pub again: Decision,
    /// How it ended then.
    pub outcome: Outcome,
}

impl Replayed {
    /// Whether the decision is the same to the byte.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.round.decision.is_same(&self.again)
    }
}

/// Why a journal cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The journal cannot be read.
    #[error("cannot replay")]
    Journal(#[from] JournalError),
    /// A round in it cannot be read.
    #[error("{path}: round {seq} cannot be read")]
    Round {
        /// The journal.
        path: String,
        /// Its number.
        seq: u64,
        /// Why.
        #[source]
        source: CodecError,
    },
}

/// Decides a recorded round again. `hosts` are the models of hosts before it.
#[must_use]
pub fn decide_again(round: &Round, hosts: &mut HostModels) -> Decision {
    let mut state = round.state.clone();
    state.settings.solve.work_limit = Some(round.decision.plan.answer.work);
    decide(&state, &round.event, hosts, &|| Duration::ZERO)
}

/// The rounds of the journal at `path`, each decided again, one at a time.
///
/// # Errors
/// If the path holds no journal; a damaged part ends the iteration with its error.
pub fn replay(
    path: &Path,
) -> Result<impl Iterator<Item = Result<Replayed, ReplayError>>, ReplayError> {
    let name = escape_name(path.as_os_str().as_encoded_bytes());
    let mut hosts = HostModels::default();
    Ok(decisions(path)?.map(move |record| {
        let record = record?;
        let seq = record.seq;
        let unreadable = |source| ReplayError::Round {
            path: name.clone(),
            seq,
            source,
        };
        let round = Round::decode(&record.payload).map_err(unreadable)?;
        let again = decide_again(&round, &mut hosts);
        Ok(Replayed {
            seq,
            round,
            again,
            outcome: record.outcome,
        })
    }))
}
