//! What a round leaves for the next one to start from.
//!
//! A part of what a decision is made from, and of what it leaves: both are in the journal, so
//! that a round that is decided again, alone, gives the same bytes. It changes where the
//! search begins, never what an answer is held to.

use serde::{Deserialize, Serialize};

use super::configuration::Prices;

/// What a round's search leaves: see [`super::place_from`]. By default, nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmStart {
    /// Of the best bound over patterns; where there was none, those that the round began
    /// with. None where no prices are needed.
    pub prices: Option<Prices>,
}
