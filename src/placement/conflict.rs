//! Rules that no placement keeps together: which, and what is given up.
//!
//! A set of rules contradicts itself if the model has no point, whatever it
//! costs. The smallest such set is looked for by size: every rule, every pair,
//! every three (where there are not too many); failing that, rules are taken
//! away one by one while the rest still contradicts itself, which gives a set
//! of which no rule can be spared. Of the set the softest rule is given up
//! ([`softness`]), until what is left can be kept.
//!
//! Each look at a set is a search with a limit of its own and counts as work,
//! so that a run which the clock cut short can be repeated by its work count.
//! A set that is neither proved to contradict itself nor seen to be kept counts
//! as kept while a smaller one is looked for, and ends the whole otherwise.

use std::time::Duration;

use super::problem::Problem;
use super::rules::{Resolved, softness};
use super::solve::feasible;

/// Most work of one look.
const LOOK: u64 = 20_000;
/// Most sets of three that are tried: up to 15 rules.
const TRIPLES: usize = 455;

/// What was found.
#[derive(Debug)]
pub(super) enum Settled {
    /// These rules can be kept, by this assignment; what was given up, in order.
    Kept {
        rules: Vec<Resolved>,
        owners: Vec<Option<u32>>,
        given_up: Vec<GivenUp>,
    },
    /// A limit came first.
    Unknown,
}

/// A rule that was given up. Numbers count the rules from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GivenUp {
    /// The softest of `conflict`.
    pub(super) rule: usize,
    /// Rules that contradict each other.
    pub(super) conflict: Vec<usize>,
    /// Whether no set that contradicts itself is smaller.
    pub(super) is_smallest: bool,
}

/// How much may still be done.
pub(super) struct Room<'a> {
    /// None: no limit.
    pub(super) work: Option<u64>,
    /// None: no limit.
    pub(super) time_left: &'a dyn Fn() -> Option<Duration>,
    /// Work done.
    pub(super) spent: u64,
}

enum Verdict {
    Possible(Vec<Option<u32>>),
    Impossible,
    Unknown,
}

/// Settles which of `rules` the placements of `problem` can keep.
pub(super) fn settle(problem: &Problem, rules: &[Resolved], room: &mut Room<'_>) -> Settled {
    let mut left: Vec<usize> = (0..rules.len()).collect();
    let mut given_up = Vec::new();
    loop {
        let mut look = |set: &[usize]| look(problem, rules, set, room);
        match look(&left) {
            Verdict::Possible(owners) => {
                return Settled::Kept {
                    rules: left.iter().map(|&i| rules[i].clone()).collect(),
                    owners,
                    given_up,
                };
            }
            Verdict::Unknown => return Settled::Unknown,
            Verdict::Impossible => {}
        }
        let (conflict, is_smallest) = smallest(&left, &mut look);
        let Some(&softest) = conflict
            .iter()
            .min_by_key(|&&i| softness(i, &rules[i].rule))
        else {
            return Settled::Unknown;
        };
        given_up.push(GivenUp {
            rule: softest,
            conflict,
            is_smallest,
        });
        left.retain(|&i| i != softest);
    }
}

/// A set of rules that contradicts itself, and whether none is smaller.
fn smallest(left: &[usize], look: &mut dyn FnMut(&[usize]) -> Verdict) -> (Vec<usize>, bool) {
    let is_impossible = |set: &[usize], look: &mut dyn FnMut(&[usize]) -> Verdict| {
        matches!(look(set), Verdict::Impossible)
    };
    let n = left.len();
    for &a in left {
        if is_impossible(&[a], look) {
            return (vec![a], true);
        }
    }
    for (i, &a) in left.iter().enumerate() {
        for &b in &left[i + 1..] {
            if is_impossible(&[a, b], look) {
                return (vec![a, b], true);
            }
        }
    }
    if n >= 3 && n * (n - 1) * (n - 2) / 6 <= TRIPLES {
        for (i, &a) in left.iter().enumerate() {
            for (j, &b) in left.iter().enumerate().skip(i + 1) {
                for &c in &left[j + 1..] {
                    if is_impossible(&[a, b, c], look) {
                        return (vec![a, b, c], true);
                    }
                }
            }
        }
    }
    let mut set = left.to_vec();
    for &rule in left {
        let without: Vec<usize> = set.iter().copied().filter(|&i| i != rule).collect();
        if is_impossible(&without, look) {
            set = without;
        }
    }
    (set, n <= 3)
}

fn look(problem: &Problem, rules: &[Resolved], set: &[usize], room: &mut Room<'_>) -> Verdict {
    let rules: Vec<Resolved> = set.iter().map(|&i| rules[i].clone()).collect();
    let work_left = room.work.map(|work| work.saturating_sub(room.spent));
    let time_left = (room.time_left)();
    if work_left == Some(0) || time_left.is_some_and(|left| left.is_zero()) {
        return Verdict::Unknown;
    }
    let limit = work_left.map_or(LOOK, |left| (left - 1).min(LOOK));
    let (verdict, work) = feasible(&problem.under(&rules), limit, time_left);
    room.spent += work + 1;
    match verdict {
        Some(Some(owners)) => Verdict::Possible(owners),
        Some(None) => Verdict::Impossible,
        None => Verdict::Unknown,
    }
}

impl GivenUp {
    /// The same in words.
    pub(super) fn describe(&self, rules: &[Resolved]) -> String {
        let name = |i: usize| format!("rule {} ({})", i + 1, rules[i].rule.describe());
        let softest = name(self.rule);
        if let [_] = self.conflict[..] {
            return format!("{softest} cannot be kept on this host and is given up");
        }
        let names: Vec<String> = self.conflict.iter().map(|&i| name(i)).collect();
        let which = if self.is_smallest {
            "the smallest set of rules that contradict each other is"
        } else {
            "these rules contradict each other, none of them can be spared:"
        };
        format!(
            "{which} {}; {softest} is the softest of them and is given up",
            names.join(", ")
        )
    }
}
