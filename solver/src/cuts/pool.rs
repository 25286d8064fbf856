//! Cuts that were found and are not in the relaxation, for later rounds.
//!
//! Every round starts by looking here: re-finding a cut is dearer than keeping
//! it. Cuts that were not violated for [`AGE`] rounds go; duplicates are not
//! kept. Only cuts valid everywhere are.

use std::collections::BTreeSet;

use super::cut::Cut;
use super::params;
use crate::splitmix::mix;
use crate::whole::round;
use crate::work::Budget;

/// Rounds without a violation after which a cut is forgotten.
const AGE: u32 = 10;

/// Cuts kept, at most.
const SIZE: usize = 2_000;

/// A hash of a cut's terms and side over its norm. Two cuts in some 10^19 share
/// one by chance; one of them is lost then, which costs little.
fn fingerprint(cut: &Cut) -> u64 {
    // Round-off must not make two cuts of one.
    const GRID: f64 = 16_777_216.0;
    let scale = GRID / cut.norm;
    let mut hash = 0;
    for &(j, a) in &cut.terms {
        hash = mix(hash ^ u64::from(j));
        hash = mix(hash ^ round(a * scale).to_bits());
    }
    mix(hash ^ round(cut.rhs * scale).to_bits())
}

/// The pool.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    cuts: Vec<(Cut, u32)>,
}

impl Pool {
    /// Takes out the cuts that `x` violates; the others age.
    pub(crate) fn take_violated(&mut self, x: &[f64], budget: &mut Budget) -> Vec<Cut> {
        let mut violated = Vec::new();
        let mut kept = Vec::with_capacity(self.cuts.len());
        for (mut cut, age) in self.cuts.drain(..) {
            budget.spend_entries(cut.terms.len());
            let violation = cut.violation(x);
            cut.efficacy = violation / cut.norm;
            if violation >= params::LEAST_VIOLATION && cut.efficacy >= params::LEAST_EFFICACY {
                violated.push(cut);
            } else if age < AGE {
                kept.push((cut, age + 1));
            }
        }
        self.cuts = kept;
        violated
    }

    /// Keeps global `cuts`, newest in place of the oldest.
    pub(crate) fn keep(&mut self, cuts: impl IntoIterator<Item = Cut>) {
        self.cuts.extend(
            cuts.into_iter()
                .filter(|cut| !cut.is_local)
                .map(|cut| (cut, 0)),
        );
        if self.cuts.len() > SIZE {
            self.cuts
                .sort_by(|p, q| p.1.cmp(&q.1).then(q.0.efficacy.total_cmp(&p.0.efficacy)));
            self.cuts.truncate(SIZE);
        }
    }
}

/// `cuts` without repetitions, the first of each kept.
pub(crate) fn distinct(cuts: Vec<Cut>) -> Vec<Cut> {
    let mut seen = BTreeSet::new();
    cuts.into_iter()
        .filter(|cut| seen.insert(fingerprint(cut)))
        .collect()
}
