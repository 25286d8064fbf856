//! When to stop separating at the root.
//!
//! A round pays if it closes a share of the gap to the incumbent, or of what the
//! rounds so far have gained where that is less. After a few
//! rounds in a row that did not pay the loop ends. So does one whose rounds
//! cost more than a share of what the tree is worth, which is not known here:
//! the caller limits ticks.

/// Share of the gap (or of the gain so far) that a round must close.
const LEAST_SHARE: f64 = 0.01;

/// Share of the gap below which the gain of all rounds so far is little.
const LEAST_GAIN: f64 = 0.1;

/// Relative to the objective: gains below this are round-off.
const ROUND_OFF: f64 = 1e-9;

/// Rounds in a row without it.
const STALLED: u32 = 3;

/// Rounds at most.
const ROUNDS: u32 = 150;

/// Watches the dual bound over rounds.
#[derive(Clone, Debug)]
pub(crate) struct LoopControl {
    first: f64,
    /// Bound at the last round that paid.
    last: f64,
    stalled: u32,
    rounds: u32,
}

impl LoopControl {
    /// `objective`: of the relaxation before any cut.
    pub(crate) fn new(objective: f64) -> Self {
        Self {
            first: objective,
            last: objective,
            stalled: 0,
            rounds: 0,
        }
    }

    /// Whether to go on, after a round that left `objective`; `cutoff` is the
    /// incumbent's, infinite if there is none.
    pub(crate) fn goes_on(&mut self, objective: f64, cutoff: f64) -> bool {
        self.rounds += 1;
        // A poor incumbent says nothing of what is left to gain; neither do the
        // first rounds where they gained little.
        let gap = cutoff - self.last;
        let gained = self.last - self.first;
        let base = if gap.is_finite() {
            gap.min(gained.max(LEAST_GAIN * gap))
        } else {
            gained
        };
        let gain = objective - self.last;
        let least = LEAST_SHARE * base.max(0.0) + ROUND_OFF * objective.abs().max(1.0);
        if gain > least {
            self.last = objective;
            self.stalled = 0;
        } else {
            self.stalled += 1;
        }
        self.stalled < STALLED && self.rounds < ROUNDS
    }
}
