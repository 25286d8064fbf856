//! Which heuristic runs when.
//!
//! The search asks [`Schedule::after_root`] and [`Schedule::at_node`] for a
//! list and runs each entry with [`Schedule::run`], one step each, offering
//! what it returns.
//!
//! **Effort.** Below the root the ticks of all heuristics stay below a share of
//! those in relaxations: [`SHARE`], and [`SHARE_WITHOUT`] while there is no
//! incumbent; a sub-MIP's own search gets half. One run gets at most what is
//! left of the share; at the root all of them share what a few times its
//! relaxations took.
//!
//! **Turns.** Rounding runs at every node. The others take turns: each waits
//! some nodes after a run, twice as long after each further failure and from
//! the start again after a success; of those that are due, the one with the
//! most successes for a run over its mean ticks goes first. All is counted in nodes and ticks,
//! so that the order depends on the input alone.

use super::{Context, run};
use crate::technique::{Technique, Techniques};
use crate::work::Budget;

/// Ticks of heuristics for each tick in relaxations, below the root.
const SHARE: f64 = 0.15;
const SHARE_WITHOUT: f64 = 0.3;

/// Ticks that are there from the start, for small problems: a millisecond.
const FREE_TICKS: u64 = 200_000;

/// Ticks of all heuristics at the root, in those of the root's relaxations;
/// one of them gets at most half of what is left.
const ROOT_TIMES: u64 = 5;

/// Nodes that a heuristic waits after its first run, and at most.
const FIRST_WAIT: u64 = 10;
const LONGEST_WAIT: u64 = 10_000;

/// Least ticks for which a run is worth starting.
const LEAST_TICKS: u64 = 20_000;

/// What the schedule knows of the search.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Nodes solved so far.
    pub(crate) nodes: u64,
    pub(crate) has_incumbent: bool,
    /// Ticks spent in relaxations so far.
    pub(crate) lp_ticks: u64,
    /// Whether the search is itself a sub-MIP.
    pub(crate) is_sub_mip: bool,
}

/// What a heuristic has done so far.
#[derive(Clone, Copy, Debug)]
struct Record {
    technique: Technique,
    runs: u64,
    successes: u64,
    ticks: u64,
    /// Nodes from which on it may run again, and how long it waits then.
    due: u64,
    wait: u64,
}

/// Those that take turns, in the order of the first turn.
const TURNS: [Technique; 10] = [
    Technique::CoefficientDive,
    Technique::FractionalDive,
    Technique::GuidedDive,
    Technique::PseudocostDive,
    Technique::FeasibilityPump,
    Technique::OneOpt,
    Technique::Rens,
    Technique::Rins,
    Technique::Crossover,
    Technique::LocalBranching,
];

/// Decides which heuristic runs when.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    techniques: Techniques,
    records: Vec<Record>,
    /// Ticks of all runs below the root.
    ticks: u64,
    /// Ticks that the next run may take.
    allowance: u64,
    is_root: bool,
}

impl Schedule {
    pub(crate) fn new(techniques: Techniques) -> Self {
        let records = TURNS
            .into_iter()
            .filter(|&technique| techniques.has(technique))
            .map(|technique| Record {
                technique,
                runs: 0,
                successes: 0,
                ticks: 0,
                due: 0,
                wait: FIRST_WAIT,
            })
            .collect();
        Self {
            techniques,
            records,
            ticks: 0,
            allowance: 0,
            is_root: true,
        }
    }

    /// What to run before branching on the root.
    pub(crate) fn after_root(&mut self, moment: &Moment) -> Vec<Technique> {
        self.is_root = true;
        self.allowance = (ROOT_TIMES * moment.lp_ticks).max(FREE_TICKS);
        let mut list = Vec::new();
        if self.techniques.has(Technique::Rounding) {
            list.push(Technique::Rounding);
        }
        list.extend(
            self.records
                .iter()
                .map(|record| record.technique)
                .filter(|&technique| !(moment.is_sub_mip && is_sub_mip(technique))),
        );
        list
    }

    /// What to run at a node with a fractional relaxation.
    pub(crate) fn at_node(&mut self, moment: &Moment) -> Vec<Technique> {
        self.is_root = false;
        let mut list = Vec::new();
        let mut share = if moment.has_incumbent {
            SHARE
        } else {
            SHARE_WITHOUT
        };
        if moment.is_sub_mip {
            share /= 2.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let left = FREE_TICKS as f64 + share * moment.lp_ticks as f64 - self.ticks as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "negative is none"
        )]
        let left = left as u64;
        self.allowance = left;
        if left < LEAST_TICKS {
            return list;
        }
        if self.techniques.has(Technique::Rounding) {
            list.push(Technique::Rounding);
        }
        let due = self
            .records
            .iter()
            .rev()
            .filter(|record| {
                record.due <= moment.nodes
                    && (moment.has_incumbent || !needs_incumbent(record.technique))
                    && !(moment.has_incumbent && record.technique == Technique::FeasibilityPump)
                    && !(moment.is_sub_mip && is_sub_mip(record.technique))
            })
            .max_by(|a, b| worth(a).total_cmp(&worth(b)));
        if let Some(record) = due {
            let technique = record.technique;
            list.push(technique);
            self.postpone(technique, moment.nodes);
        }
        list
    }

    /// Runs one of them; a point that is feasible and below the cutoff.
    pub(crate) fn run(
        &mut self,
        technique: Technique,
        context: &mut Context<'_>,
        budget: &mut Budget,
    ) -> Option<Vec<f64>> {
        let has_incumbent = context.incumbent.is_some();
        if (needs_incumbent(technique) && !has_incumbent)
            || (technique == Technique::FeasibilityPump && has_incumbent)
        {
            return None;
        }
        let before = budget.ticks();
        let allowance = if self.is_root {
            self.allowance / 2
        } else {
            self.allowance
        };
        let point = run(technique, context, allowance, budget);
        let ticks = budget.ticks() - before;
        self.allowance = self.allowance.saturating_sub(ticks);
        if !self.is_root {
            self.ticks += ticks;
        }
        if let Some(record) = self
            .records
            .iter_mut()
            .find(|record| record.technique == technique)
        {
            record.runs += 1;
            record.ticks += ticks;
            if point.is_some() {
                record.successes += 1;
                record.wait = FIRST_WAIT;
            }
        }
        point
    }

    /// The next turn of `technique` is a while after `nodes`.
    fn postpone(&mut self, technique: Technique, nodes: u64) {
        for record in &mut self.records {
            if record.technique == technique {
                record.due = nodes + record.wait;
                record.wait = (2 * record.wait).min(LONGEST_WAIT);
            }
        }
    }
}

fn needs_incumbent(technique: Technique) -> bool {
    matches!(
        technique,
        Technique::GuidedDive
            | Technique::OneOpt
            | Technique::Rins
            | Technique::Crossover
            | Technique::LocalBranching
    )
}

fn is_sub_mip(technique: Technique) -> bool {
    matches!(
        technique,
        Technique::Rens | Technique::Rins | Technique::Crossover | Technique::LocalBranching
    )
}

/// Successes for a run, counting an imagined one before the first, over the
/// mean effort: a cheap failure is a failure too.
#[expect(clippy::cast_precision_loss, reason = "an order")]
fn worth(record: &Record) -> f64 {
    let runs = record.runs as f64 + 1.0;
    let mean = record.ticks as f64 / runs + FREE_TICKS as f64;
    (record.successes as f64 + 1.0) / runs / mean
}
