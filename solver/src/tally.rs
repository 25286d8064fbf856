//! What techniques did, counted.
//!
//! Each tree of the search adds to one tally as it goes, and so do the parts of
//! a problem that are searched on their own; a heuristic's sub-MIP has a tally
//! of its own, which counts for nothing: what it found is its heuristic's. A
//! tally is a short sorted list, so that adding and copying it cost nothing
//! beside a node.

use crate::outcome::Applied;
use crate::technique::Technique;

/// What was done since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effort {
    pub(crate) calls: u64,
    pub(crate) found: u64,
    pub(crate) used: u64,
    pub(crate) ticks: u64,
}

/// Sums of efforts, by technique and kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    entries: Vec<Applied>,
}

impl Tally {
    /// Adds an effort of `technique`, of the kind named, or of none ("").
    pub(crate) fn add(&mut self, technique: Technique, kind: &'static str, effort: Effort) {
        if effort == Effort::default() {
            return;
        }
        let at = match self
            .entries
            .binary_search_by(|entry| (entry.technique, entry.kind).cmp(&(technique, kind)))
        {
            Ok(at) => at,
            Err(at) => {
                self.entries.insert(at, Applied::none(technique, kind));
                at
            }
        };
        let entry = &mut self.entries[at];
        entry.calls += effort.calls;
        entry.found += effort.found;
        entry.used += effort.used;
        entry.ticks += effort.ticks;
    }

    /// Adds all of `other`.
    pub(crate) fn absorb(&mut self, other: &Self) {
        for entry in &other.entries {
            let effort = Effort {
                calls: entry.calls,
                found: entry.found,
                used: entry.used,
                ticks: entry.ticks,
            };
            self.add(entry.technique, entry.kind, effort);
        }
    }

    /// Everything so far, by technique and kind.
    pub(crate) fn applied(&self) -> Vec<Applied> {
        self.entries.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn efforts_add_up_by_technique_and_kind() {
        let mut tally = Tally::default();
        let effort = |calls, found| Effort {
            calls,
            found,
            ..Effort::default()
        };
        tally.add(Technique::Gomory, "", effort(1, 5));
        tally.add(Technique::Presolve, "bounds", effort(0, 2));
        tally.add(Technique::Presolve, "", effort(1, 0));
        tally.add(Technique::Gomory, "", effort(2, 0));
        tally.add(Technique::Cmir, "", Effort::default());
        let sums: Vec<_> = tally
            .applied()
            .iter()
            .map(|entry| (entry.technique, entry.kind, entry.calls, entry.found))
            .collect();
        assert_eq!(
            sums,
            [
                (Technique::Presolve, "", 1, 0),
                (Technique::Presolve, "bounds", 0, 2),
                (Technique::Gomory, "", 3, 5),
            ]
        );
    }
}
