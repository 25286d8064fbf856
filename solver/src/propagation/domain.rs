//! Local bounds of every column, kept consistent by propagation.
//!
//! A search or dive tightens bounds and asks [`Domain::propagate`] what
//! follows from rows, cliques, learned conflicts and the objective cutoff.
//! Every change is on the **trail** with its reason, grouped in **levels** (one
//! a branching decision), so that going back costs what going forward did and
//! a contradiction can be traced to the decisions behind it.
//!
//! Level 0 holds for the whole problem; changes there are forgotten by the
//! trail (they need no explanation) and cannot be undone.
//!
//! Rows keep incremental activity bounds (`rows.rs`), with the objective as one
//! more row, `cost x <= cutoff`, after the model's own. Propagation runs until
//! nothing more follows or [`MAX_PASSES`] times the number of rows.
//!
//! Source: T. Achterberg 2007, "Constraint Integer Programming", chapters 7
//! and 10.

use std::sync::Arc;

use crate::mip::Mip;
use crate::propagation::conflict::Clauses;
use crate::propagation::rows::Activity;
use crate::sparse::{Index, index};
use crate::structure::{Cliques, Literal};
use crate::technique::Technique;
use crate::tol;
use crate::whole::{ceil, floor};
use crate::work::Budget;

/// Row visits of one propagation, as a multiple of the number of rows: ends
/// chains that converge towards a limit without reaching it.
const MAX_PASSES: usize = 50;

/// Why a bound changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A decision: nothing implies it.
    Branching,
    /// The row of that index; the number of rows stands for the cutoff.
    Row(Index),
    /// A clique in which another literal became true.
    Clique(Index),
    /// A learned conflict.
    Conflict(Index),
    /// The reduced costs of a relaxation.
    ReducedCost,
    /// Bounds of symmetric columns: in the tree an assumption, as a decision is.
    Symmetry,
    /// Something else that holds below the current level (strong branching).
    Other,
}

/// An entry of the trail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) column: Index,
    pub(crate) is_upper: bool,
    pub(crate) old: f64,
    pub(crate) new: f64,
    pub(crate) reason: Reason,
    /// Trail position of the previous change of the same bound.
    pub(super) previous: u32,
}

/// What tightens bounds, as far as it is counted.
pub(crate) const KINDS: [(Technique, &str); 6] = [
    (Technique::Propagation, "rows"),
    (Technique::Propagation, "objective"),
    (Technique::Propagation, "cliques"),
    (Technique::Conflicts, "clauses"),
    (Technique::ReducedCostFixing, ""),
    (Technique::Symmetry, "orbital fixing"),
];

/// No trail position: the bound is the one of level 0.
pub(super) const NONE: u32 = u32::MAX;

/// Bounds, activities and trail.
#[derive(Clone, Debug)]
pub(crate) struct Domain {
    pub(super) mip: Arc<Mip>,
    pub(super) lower: Vec<f64>,
    pub(super) upper: Vec<f64>,
    /// By row, then one for the objective.
    pub(super) activity: Vec<Activity>,
    /// Largest |a_j| (u_j - l_j) of each row at level 0.
    pub(super) reach: Vec<f64>,
    pub(super) cost_indices: Vec<Index>,
    pub(super) cost_values: Vec<f64>,
    /// On `cost x`, without offset.
    pub(super) cutoff: f64,
    pub(super) trail: Vec<Change>,
    /// Length of the trail at each level's start.
    levels: Vec<usize>,
    /// Trail position of the last change, by column: lower, upper.
    pub(super) position: Vec<[u32; 2]>,
    /// Trail entries before this one have been propagated through cliques.
    pub(super) head: usize,
    queue: Vec<Index>,
    queued: Vec<bool>,
    pub(super) conflict: Option<Reason>,
    /// Column whose bounds crossed, where that is the conflict.
    pub(super) crossed: Option<Index>,
    changed: Vec<Index>,
    is_changed: Vec<bool>,
    pub(super) cliques: Option<Arc<Cliques>>,
    pub(super) clauses: Clauses,
    /// Bounds at level 0.
    pub(super) root_lower: Vec<f64>,
    pub(super) root_upper: Vec<f64>,
    /// Bounds tightened since last asked, by [`KINDS`].
    tightened: [u64; KINDS.len()],
}

impl Domain {
    /// The bounds of `mip`; nothing is propagated yet.
    pub(crate) fn new(mip: Arc<Mip>) -> Self {
        let (columns, rows) = (mip.columns(), mip.rows());
        let cost_indices: Vec<Index> = (0..columns)
            .filter(|&j| mip.cost[j] != 0.0)
            .map(index)
            .collect();
        let cost_values = cost_indices.iter().map(|&j| mip.cost[j as usize]).collect();
        let mut domain = Self {
            lower: mip.lower.clone(),
            upper: mip.upper.clone(),
            activity: vec![Activity::default(); rows + 1],
            reach: vec![0.0; rows + 1],
            cost_indices,
            cost_values,
            cutoff: f64::INFINITY,
            trail: Vec::new(),
            levels: Vec::new(),
            position: vec![[NONE; 2]; columns],
            head: 0,
            queue: Vec::new(),
            queued: vec![false; rows + 1],
            conflict: None,
            crossed: None,
            changed: Vec::new(),
            is_changed: vec![false; columns],
            cliques: None,
            clauses: Clauses::default(),
            root_lower: mip.lower.clone(),
            root_upper: mip.upper.clone(),
            tightened: [0; KINDS.len()],
            mip,
        };
        domain.refresh();
        for row in 0..rows {
            domain.enqueue(row);
        }
        domain
    }

    /// Position in [`KINDS`].
    fn kind(&self, reason: Reason) -> Option<usize> {
        match reason {
            Reason::Row(row) if (row as usize) < self.mip.rows() => Some(0),
            Reason::Row(_) => Some(1),
            Reason::Clique(_) => Some(2),
            Reason::Conflict(_) => Some(3),
            Reason::ReducedCost => Some(4),
            Reason::Symmetry => Some(5),
            Reason::Branching | Reason::Other => None,
        }
    }

    /// How many bounds were tightened since last asked, by [`KINDS`]; those of
    /// tries and dives too.
    pub(crate) fn take_tightened(&mut self) -> [u64; KINDS.len()] {
        std::mem::take(&mut self.tightened)
    }

    /// Propagates through `cliques` too, from now on.
    pub(crate) fn set_cliques(&mut self, cliques: Arc<Cliques>) {
        self.cliques = Some(cliques);
    }

    /// Computes every activity anew from the bounds.
    pub(crate) fn refresh(&mut self) {
        for row in 0..=self.mip.rows() {
            let (activity, reach) = self.activity_from_scratch(row);
            self.activity[row] = activity;
            if self.levels.is_empty() {
                self.reach[row] = reach;
            }
        }
    }

    /// Lower bounds, by column.
    pub(crate) fn lower(&self) -> &[f64] {
        &self.lower
    }

    /// Upper bounds, by column.
    pub(crate) fn upper(&self) -> &[f64] {
        &self.upper
    }

    /// Lower bounds at level 0, by column.
    pub(crate) fn root_lower(&self) -> &[f64] {
        &self.root_lower
    }

    /// Upper bounds at level 0, by column.
    pub(crate) fn root_upper(&self) -> &[f64] {
        &self.root_upper
    }

    /// Whether the column has one value left.
    pub(crate) fn is_fixed(&self, column: usize) -> bool {
        self.lower[column] >= self.upper[column]
    }

    /// Open levels.
    pub(crate) fn level(&self) -> usize {
        self.levels.len()
    }

    /// Changes since the trail was last empty, oldest first.
    pub(crate) fn trail(&self) -> &[Change] {
        &self.trail
    }

    /// Trail length at the start of `level` (1 is the first).
    pub(crate) fn level_start(&self, level: usize) -> usize {
        self.levels[level - 1]
    }

    /// Starts a level.
    pub(crate) fn push_level(&mut self) {
        self.levels.push(self.trail.len());
    }

    /// Undoes the last level.
    pub(crate) fn pop_level(&mut self) {
        let level = self.level();
        if level > 0 {
            self.pop_to(level - 1);
        }
    }

    /// Undoes every level above `level`.
    pub(crate) fn pop_to(&mut self, level: usize) {
        if level >= self.levels.len() {
            return;
        }
        let length = self.levels[level];
        self.levels.truncate(level);
        while self.trail.len() > length {
            let Some(change) = self.trail.pop() else {
                break;
            };
            let j = change.column as usize;
            self.set(j, change.is_upper, change.old);
            self.position[j][usize::from(change.is_upper)] = change.previous;
        }
        self.head = self.head.min(length);
        for row in self.queue.drain(..) {
            self.queued[row as usize] = false;
        }
        self.conflict = None;
        self.crossed = None;
    }

    /// Sets a bound and the activities that depend on it.
    fn set(&mut self, j: usize, is_upper: bool, value: f64) {
        let bound = if is_upper {
            &mut self.upper[j]
        } else {
            &mut self.lower[j]
        };
        let old = *bound;
        *bound = value;
        if self.levels.is_empty() {
            if is_upper {
                self.root_upper[j] = value;
            } else {
                self.root_lower[j] = value;
            }
        }
        let (rows, values) = self.mip.by_column.get(j);
        for (&i, &a) in rows.iter().zip(values) {
            self.activity[i as usize].shift(a, is_upper, old, value);
        }
        let cost = self.mip.cost[j];
        if cost != 0.0 {
            self.activity[self.mip.rows()].shift(cost, is_upper, old, value);
        }
        if !self.is_changed[j] {
            self.is_changed[j] = true;
            self.changed.push(index(j));
        }
    }

    /// Calls `take` for each column whose bounds changed since the last call,
    /// also where they changed back.
    pub(crate) fn drain_changed(&mut self, mut take: impl FnMut(usize, f64, f64)) {
        for j in self.changed.drain(..) {
            let j = j as usize;
            self.is_changed[j] = false;
            take(j, self.lower[j], self.upper[j]);
        }
    }

    /// Raises a lower bound; false: a contradiction.
    pub(crate) fn tighten_lower(&mut self, column: usize, value: f64) -> bool {
        self.tighten(column, false, value, Reason::Branching)
    }

    /// Lowers an upper bound; false: a contradiction.
    pub(crate) fn tighten_upper(&mut self, column: usize, value: f64) -> bool {
        self.tighten(column, true, value, Reason::Branching)
    }

    /// Fixes a column; false: a contradiction.
    pub(crate) fn fix(&mut self, column: usize, value: f64) -> bool {
        self.tighten_lower(column, value) && self.tighten_upper(column, value)
    }

    /// Tightens one bound for `reason`. Values of integer columns are rounded
    /// inwards; a value that does not tighten is ignored.
    pub(crate) fn tighten(
        &mut self,
        column: usize,
        is_upper: bool,
        value: f64,
        reason: Reason,
    ) -> bool {
        if self.conflict.is_some() {
            return false;
        }
        let (lower, upper) = (self.lower[column], self.upper[column]);
        let integer = self.mip.integer[column];
        let (mut new, old) = if is_upper {
            let new = if integer {
                floor(value + tol::FEASIBILITY)
            } else {
                value
            };
            if new >= upper {
                return true;
            }
            (new, upper)
        } else {
            let new = if integer {
                ceil(value - tol::FEASIBILITY)
            } else {
                value
            };
            if new <= lower {
                return true;
            }
            (new, lower)
        };
        let opposite = if is_upper { lower } else { upper };
        let beyond = if is_upper {
            opposite - new
        } else {
            new - opposite
        };
        let mut is_crossed = false;
        if beyond > 0.0 {
            if integer || beyond > tol::FEASIBILITY * opposite.abs().max(1.0) {
                is_crossed = true;
            } else {
                new = opposite;
                if (new - old).abs() <= 0.0 {
                    return true;
                }
            }
        }
        if let Some(kind) = self.kind(reason) {
            self.tightened[kind] += 1;
        }
        let slot = usize::from(is_upper);
        self.trail.push(Change {
            column: index(column),
            is_upper,
            old,
            new,
            reason,
            previous: self.position[column][slot],
        });
        self.position[column][slot] = index(self.trail.len() - 1);
        self.set(column, is_upper, new);
        if is_crossed {
            self.conflict = Some(reason);
            self.crossed = Some(index(column));
            return false;
        }
        self.wake(column, is_upper);
        true
    }

    /// Queues the rows that may propagate after a change of that bound.
    fn wake(&mut self, column: usize, is_upper: bool) {
        let mip = Arc::clone(&self.mip);
        let (rows, values) = mip.by_column.get(column);
        for (&i, &a) in rows.iter().zip(values) {
            let i = i as usize;
            if !self.queued[i] {
                // A raised minimum presses against the upper side.
                let presses_upper = (a > 0.0) != is_upper;
                if self.may_propagate(i, presses_upper) {
                    self.enqueue(i);
                }
            }
        }
        let cost = mip.cost[column];
        let row = mip.rows();
        if cost != 0.0
            && (cost > 0.0) != is_upper
            && !self.queued[row]
            && self.may_propagate(row, true)
        {
            self.enqueue(row);
        }
    }

    fn enqueue(&mut self, row: usize) {
        if !self.queued[row] {
            self.queued[row] = true;
            self.queue.push(index(row));
        }
    }

    /// Objective values (offset included) of interest are at most `cutoff`.
    pub(crate) fn set_cutoff(&mut self, cutoff: f64) {
        let cutoff = cutoff - self.mip.offset;
        if cutoff < self.cutoff {
            self.cutoff = cutoff;
            self.enqueue(self.mip.rows());
        }
    }

    /// Whether a contradiction was found at the current level.
    pub(crate) fn is_infeasible(&self) -> bool {
        self.conflict.is_some()
    }

    /// Tightens all that follows; false: a contradiction. Also stops early,
    /// with true, once the budget is over.
    pub(crate) fn propagate(&mut self, budget: &mut Budget) -> bool {
        let mut visits = 0;
        let limit = MAX_PASSES * (self.mip.rows() + 1);
        let mut next = 0;
        while self.conflict.is_none() {
            if self.head < self.trail.len() {
                let change = self.trail[self.head];
                self.head += 1;
                let mut touched = self.propagate_cliques(change);
                if self.conflict.is_none() {
                    touched += self.propagate_clauses(change);
                }
                budget.spend_entries(touched);
                continue;
            }
            if next == self.queue.len() || visits > limit || budget.is_over() {
                break;
            }
            let row = self.queue[next] as usize;
            next += 1;
            self.queued[row] = false;
            visits += 1;
            let touched = self.propagate_row(row);
            budget.spend_entries(touched);
        }
        for at in next..self.queue.len() {
            let row = self.queue[at] as usize;
            self.queued[row] = false;
        }
        self.queue.clear();
        if self.levels.is_empty() {
            self.forget();
        }
        self.conflict.is_none()
    }

    /// A binary column took a value: the other literals of the cliques that
    /// this makes full are false. The entries touched.
    fn propagate_cliques(&mut self, change: Change) -> usize {
        let j = change.column as usize;
        if self.cliques.is_none() || !self.mip.is_binary(j) {
            return 0;
        }
        let Some(cliques) = self.cliques.clone() else {
            return 0;
        };
        // An upper bound of 0 makes the complement true.
        let literal = Literal::new(j, change.is_upper);
        let mut touched = 0;
        for &c in cliques.of_literal(literal) {
            let literals = cliques.literals(c as usize);
            touched += literals.len();
            for &other in literals {
                if other == literal {
                    continue;
                }
                let k = other.column();
                let is_upper = !other.is_complemented();
                let value = if is_upper { 0.0 } else { 1.0 };
                if !self.tighten(k, is_upper, value, Reason::Clique(c)) {
                    return touched;
                }
            }
        }
        touched
    }

    /// Takes what is on the trail as given; only at level 0.
    fn forget(&mut self) {
        for change in self.trail.drain(..) {
            self.position[change.column as usize] = [NONE; 2];
        }
        self.head = 0;
    }
}
