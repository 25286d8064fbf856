//! Learning from contradictions.
//!
//! The changes on the trail and their reasons form a graph: a change follows
//! from earlier ones by its row, clique or learned conflict. From a
//! contradiction the analysis goes back until a single change of the last
//! level is left (the first unique implication point), together with changes
//! of earlier levels: bounds that cannot hold together. What is learned is the
//! clause that one of them does not,
//!
//! ```text
//! x_j >= v + 1   for a bound x_j <= v,      x_j <= v - 1   for x_j >= v,
//! ```
//!
//! over integer columns; bounds of continuous columns are explained further.
//! Changes without a reason (decisions, reduced costs, bounds of symmetric
//! columns) stay as they are: the clause speaks of bounds, not of how they came
//! about. It holds for the whole
//! problem, as far as the objective cutoff counts.
//!
//! Of a row only as many bounds are taken as its contradiction or implication
//! needs, those with the largest share first.
//!
//! A contradiction of a relaxation is one of a single row too: the row that
//! its Farkas multipliers, or its duals with the cutoff, add up to
//! ([`Domain::learn_from_row`]).
//!
//! Clauses are propagated with two watched literals each.
//!
//! Sources: T. Achterberg 2007, "Conflict analysis in mixed integer
//! programming", Discrete Optimization 4; M. Moskewicz et al. 2001, "Chaff:
//! engineering an efficient SAT solver" (watched literals).

use super::domain::{Change, Domain, NONE, Reason};
use crate::sparse::{Index, index};
use crate::tol;

/// Longest clause that is kept, besides a share of the columns.
const LENGTH: usize = 60;
const LENGTH_SHARE: usize = 20;

/// Most clauses, and the fewest that are ever made room for; beyond, the less
/// active half goes. What is between depends on what they cost.
const MOST: usize = 3000;
const FEWEST: usize = 200;

/// Entries that a look at a clause is worth beside the literals it reads.
const LOOK: usize = 8;

/// By how much a use outweighs the one before, and where the scale is reset.
const GROWTH: f64 = 1.001;
const HUGE: f64 = 1e100;

/// Entries that a step of an analysis is worth beside the terms it reads.
const STEP: usize = 20;

/// Most steps of an analysis.
const STEPS: usize = 2000;

/// Relative to the largest term: what a row must be violated by for its
/// contradiction to be learned from.
const SURPLUS: f64 = 1e-6;

/// Relative: how far beyond its bound a continuous column must be to
/// contradict the row that gave the bound.
const CONTINUOUS: f64 = 1e-9;

/// `x_column <= value` or `x_column >= value`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Literal {
    pub(crate) column: Index,
    pub(crate) is_upper: bool,
    pub(crate) value: f64,
}

/// Learned clauses: at least one literal of each holds.
#[derive(Clone, Debug)]
pub(super) struct Clauses {
    /// The first two literals are watched.
    clauses: Vec<Vec<Literal>>,
    /// Worth of each: contradictions and implications lately, see
    /// [`Clauses::bump`].
    activity: Vec<f64>,
    /// What the next use of a clause is worth.
    increment: f64,
    /// By column, lower and upper: clauses that watch a literal which a change
    /// of that bound may falsify.
    watches: Vec<[Vec<Watch>; 2]>,
    /// Clauses that there is room for.
    room: usize,
    /// Entries touched to propagate them, since they were tidied.
    touched: usize,
}

impl Default for Clauses {
    fn default() -> Self {
        Self {
            clauses: Vec::new(),
            activity: Vec::new(),
            increment: 1.0,
            watches: Vec::new(),
            room: MOST,
            touched: 0,
        }
    }
}

/// A clause and the value of the literal by which it watches a bound: the
/// literal holds, or may, until the bound goes beyond the value.
#[derive(Clone, Copy, Debug)]
struct Watch {
    clause: Index,
    value: f64,
}

impl Clauses {
    fn watch(&mut self, c: usize, position: usize) {
        let literal = self.clauses[c][position];
        let side = usize::from(!literal.is_upper);
        self.watches[literal.column as usize][side].push(Watch {
            clause: index(c),
            value: literal.value,
        });
    }

    /// The clause was of use: an exponential average by geometric increments
    /// (N. Een and N. Sorensson 2003, "An extensible SAT-solver").
    fn bump(&mut self, c: usize) {
        self.activity[c] += self.increment;
        self.increment *= GROWTH;
        if self.increment > HUGE {
            for activity in &mut self.activity {
                *activity /= HUGE;
            }
            self.increment /= HUGE;
        }
    }
}

impl Domain {
    fn is_true(&self, literal: Literal) -> bool {
        let j = literal.column as usize;
        if literal.is_upper {
            self.upper[j] <= literal.value
        } else {
            self.lower[j] >= literal.value
        }
    }

    fn is_false(&self, literal: Literal) -> bool {
        let j = literal.column as usize;
        if literal.is_upper {
            self.lower[j] > literal.value
        } else {
            self.upper[j] < literal.value
        }
    }

    /// Propagates the clauses that a change may concern; the entries touched.
    pub(super) fn propagate_clauses(&mut self, change: Change) -> usize {
        if self.clauses.clauses.is_empty() {
            return 0;
        }
        let (j, side) = (change.column as usize, usize::from(change.is_upper));
        let mut watching = std::mem::take(&mut self.clauses.watches[j][side]);
        let (lower, upper) = (self.lower[j], self.upper[j]);
        let mut touched = watching.len();
        let mut kept = 0;
        let mut at = 0;
        'clauses: while at < watching.len() {
            let watch = watching[at];
            at += 1;
            let is_false = if change.is_upper {
                upper < watch.value
            } else {
                lower > watch.value
            };
            if !is_false {
                watching[kept] = watch;
                kept += 1;
                continue;
            }
            let c = watch.clause as usize;
            touched += LOOK;
            let first = self.clauses.clauses[c][0];
            let position =
                usize::from(first.column != change.column || first.is_upper == change.is_upper);
            let other = self.clauses.clauses[c][1 - position];
            if self.is_true(other) {
                watching[kept] = watch;
                kept += 1;
                continue;
            }
            let length = self.clauses.clauses[c].len();
            touched += length;
            for k in 2..length {
                let literal = self.clauses.clauses[c][k];
                if !self.is_false(literal) {
                    self.clauses.clauses[c].swap(position, k);
                    if literal.column == change.column && literal.is_upper != change.is_upper {
                        // Watched by the very list that is being gone through.
                        watching[kept] = Watch {
                            clause: watch.clause,
                            value: literal.value,
                        };
                        kept += 1;
                    } else {
                        self.clauses.watch(c, position);
                    }
                    continue 'clauses;
                }
            }
            watching[kept] = watch;
            kept += 1;
            self.clauses.bump(c);
            let alive = if self.is_false(other) {
                self.conflict = Some(Reason::Conflict(index(c)));
                self.crossed = None;
                false
            } else {
                let reason = Reason::Conflict(index(c));
                self.tighten(other.column as usize, other.is_upper, other.value, reason)
            };
            if !alive {
                while at < watching.len() {
                    watching[kept] = watching[at];
                    kept += 1;
                    at += 1;
                }
            }
        }
        watching.truncate(kept);
        // What `watch` added meanwhile went to other lists.
        self.clauses.watches[j][side] = watching;
        self.clauses.touched += touched;
        touched
    }

    /// Whether [`Domain::tidy_clauses`] has something to do.
    pub(crate) fn has_many_clauses(&self) -> bool {
        self.clauses.clauses.len() > self.clauses.room
    }

    /// Drops the less active half of the clauses; only at level 0. There
    /// is room for half as many from then on where propagating them took more
    /// than `allowed` entries since the last time, else for more again.
    pub(crate) fn tidy_clauses(&mut self, allowed: u64) {
        if self.level() > 0 {
            return;
        }
        let is_dear = self.clauses.touched as u64 > allowed;
        let room = if is_dear {
            (self.clauses.room / 2).max(FEWEST)
        } else {
            (self.clauses.room * 2).min(MOST)
        };
        let mut old = std::mem::take(&mut self.clauses);
        let mut order: Vec<usize> = (0..old.clauses.len()).collect();
        order.sort_by(|&a, &b| old.activity[b].total_cmp(&old.activity[a]).then(b.cmp(&a)));
        order.truncate(room / 2);
        order.sort_unstable();
        self.clauses.increment = old.increment;
        self.clauses.room = room;
        for c in order {
            self.add_clause(std::mem::take(&mut old.clauses[c]), old.activity[c]);
        }
    }

    fn add_clause(&mut self, clause: Vec<Literal>, activity: f64) {
        if self.clauses.watches.is_empty() {
            self.clauses.watches = vec![Default::default(); self.lower.len()];
        }
        self.clauses.clauses.push(clause);
        self.clauses.activity.push(activity);
        let c = self.clauses.clauses.len() - 1;
        self.clauses.watch(c, 0);
        self.clauses.watch(c, 1);
    }

    /// Trail position of the last change of a bound before `before`.
    fn position_before(&self, j: usize, is_upper: bool, before: usize) -> Option<usize> {
        let mut at = self.position[j][usize::from(is_upper)];
        while at != NONE && at as usize >= before {
            at = self.trail[at as usize].previous;
        }
        (at != NONE).then_some(at as usize)
    }

    /// Learns from the contradiction that propagation has found.
    pub(crate) fn learn(&mut self) -> Learned {
        let mut frontier = Frontier::default();
        let is_clause = self.level() > 0
            && self.explain_contradiction(&mut frontier)
            && self.resolve(&mut frontier);
        frontier.learned(is_clause)
    }

    /// Adds what the contradiction that propagation has found follows from;
    /// false if that is not known.
    fn explain_contradiction(&self, frontier: &mut Frontier) -> bool {
        if self.crossed.is_some() {
            return self.explain_crossing(frontier);
        }
        match self.conflict {
            Some(Reason::Row(i)) => {
                self.row_terms(i as usize, None)
                    .is_some_and(|(terms, side)| {
                        self.explain_terms(terms, side, self.trail.len(), SURPLUS, frontier)
                    })
            }
            Some(Reason::Conflict(c)) => {
                for &literal in &self.clauses.clauses[c as usize] {
                    self.explain_literal(literal, self.trail.len(), frontier);
                }
                true
            }
            _ => false,
        }
    }

    /// Learns from a row `sum terms <= side` that holds for every point of
    /// interest and contradicts the current bounds; nothing if it does not.
    pub(crate) fn learn_from_row(&mut self, terms: &[(Index, f64)], side: f64) -> Learned {
        let terms: Vec<(usize, f64)> = terms.iter().map(|&(j, a)| (j as usize, a)).collect();
        let mut frontier = Frontier::default();
        let before = self.trail.len();
        let is_clause = self.level() > 0
            && self.explain_terms(terms, side, before, SURPLUS, &mut frontier)
            && self.resolve(&mut frontier);
        frontier.learned(is_clause)
    }

    /// The last change crossed the column's other bound: what implies the one
    /// or the other, and the bound that is left.
    fn explain_crossing(&self, frontier: &mut Frontier) -> bool {
        let Some(last) = self.trail.len().checked_sub(1) else {
            return false;
        };
        let change = self.trail[last];
        let opposite = self.position_before(change.column as usize, !change.is_upper, last);
        if self.explain(last, frontier) {
            if let Some(opposite) = opposite {
                frontier.add(opposite);
            }
            return true;
        }
        frontier.add(last);
        opposite.is_some_and(|opposite| self.explain(opposite, frontier))
    }

    /// Row `i` as `sum terms <= side`: the side that the current bounds
    /// contradict, or the one that gives column `for_bound`.0 its bound.
    fn row_terms(
        &self,
        i: usize,
        for_bound: Option<(usize, bool)>,
    ) -> Option<(Vec<(usize, f64)>, f64)> {
        let (lower, upper) = self.sides(i);
        let (columns, values) = self.terms(i);
        let upper_side = match for_bound {
            Some((j, is_upper)) => {
                let at = columns.iter().position(|&k| k as usize == j)?;
                (values[at] > 0.0) == is_upper
            }
            None => {
                let activity = &self.activity[i];
                upper.is_finite() && activity.min_infinite == 0 && activity.min > upper
            }
        };
        let (sign, side) = if upper_side {
            (1.0, upper)
        } else {
            (-1.0, -lower)
        };
        let terms = columns
            .iter()
            .zip(values)
            .map(|(&j, &a)| (j as usize, sign * a))
            .collect();
        side.is_finite().then_some((terms, side))
    }

    /// Adds to the frontier bounds that, before trail position `before`, make
    /// the least activity of `sum terms` exceed `side`.
    fn explain_terms(
        &self,
        terms: Vec<(usize, f64)>,
        side: f64,
        before: usize,
        surplus: f64,
        frontier: &mut Frontier,
    ) -> bool {
        frontier.touched += terms.len();
        // Activity at the bounds of level 0, and what the trail adds.
        let (mut activity, mut largest) = (0.0, side.abs().max(1.0));
        let mut raises: Vec<(f64, usize)> = Vec::new();
        let mut infinite: Vec<usize> = Vec::new();
        for (j, a) in terms {
            let is_upper = a < 0.0;
            let root = if is_upper {
                self.root_upper[j]
            } else {
                self.root_lower[j]
            };
            let at = self.position_before(j, is_upper, before);
            let now = at.map_or(root, |at| self.trail[at].new);
            if !now.is_finite() {
                return false;
            }
            largest = largest.max((a * now).abs());
            match at {
                Some(at) if !root.is_finite() => {
                    activity += a * now;
                    infinite.push(at);
                }
                Some(at) => {
                    activity += a * root;
                    raises.push((a * (now - root), at));
                }
                None => activity += a * root,
            }
        }
        let needed = side + surplus * largest;
        for at in infinite {
            frontier.add(at);
        }
        raises.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
        for (raise, at) in raises {
            if activity > needed {
                break;
            }
            activity += raise;
            frontier.add(at);
        }
        activity > needed
    }

    /// The change that made a clause's literal false.
    fn explain_literal(&self, literal: Literal, before: usize, frontier: &mut Frontier) {
        let j = literal.column as usize;
        if let Some(at) = self.position_before(j, !literal.is_upper, before) {
            frontier.add(at);
        }
    }

    /// Adds what implies the change at trail position `at`; false if that is
    /// not known.
    fn explain(&self, at: usize, frontier: &mut Frontier) -> bool {
        let change = self.trail[at];
        let j = change.column as usize;
        match change.reason {
            Reason::Branching | Reason::ReducedCost | Reason::Symmetry | Reason::Other => false,
            Reason::Row(i) => {
                let Some((terms, side)) = self.row_terms(i as usize, Some((j, change.is_upper)))
                else {
                    return false;
                };
                // With x_j beyond the bound by as much as an integer must be,
                // or its tolerance, the rest contradicts the row.
                let (step, surplus) = if self.mip.integer[j] {
                    (1.0 - 10.0 * tol::FEASIBILITY, SURPLUS)
                } else {
                    (CONTINUOUS * change.new.abs().max(1.0), 0.0)
                };
                let beyond = if change.is_upper {
                    change.new + step
                } else {
                    change.new - step
                };
                let mut own = 0.0;
                let rest = terms
                    .into_iter()
                    .filter(|&(k, a)| {
                        if k == j {
                            own = a * beyond;
                        }
                        k != j
                    })
                    .collect();
                self.explain_terms(rest, side - own, at, surplus, frontier)
            }
            Reason::Clique(c) => {
                let Some(cliques) = &self.cliques else {
                    return false;
                };
                for &literal in cliques.literals(c as usize) {
                    let k = literal.column();
                    let is_upper = literal.is_complemented();
                    let value = literal.true_value();
                    if k != j
                        && let Some(found) = self.position_before(k, is_upper, at)
                        && (self.trail[found].new - value).abs() < 0.5
                    {
                        frontier.add(found);
                        return true;
                    }
                }
                false
            }
            Reason::Conflict(c) => {
                for k in 0..self.clauses.clauses[c as usize].len() {
                    let literal = self.clauses.clauses[c as usize][k];
                    if literal.column as usize != j || literal.is_upper != change.is_upper {
                        self.explain_literal(literal, at, frontier);
                    }
                }
                true
            }
        }
    }

    /// Goes back to the first unique implication point and keeps the clause.
    fn resolve(&mut self, frontier: &mut Frontier) -> bool {
        let mut start = self.level_start(self.level());
        let mut fixed: Vec<usize> = Vec::new();
        let mut steps = 0;
        // The last level that has a part in it.
        if let Some(last) = frontier.last() {
            let mut level = self.level();
            while level > 1 && last < self.level_start(level) {
                level -= 1;
            }
            start = self.level_start(level);
        }
        while let Some(at) = frontier.last() {
            steps += 1;
            if steps > STEPS {
                return false;
            }
            frontier.remove_last();
            frontier.touched += STEP;
            let integer = self.mip.integer[self.trail[at].column as usize];
            // The only one of its level, or of an earlier one.
            let is_last_of_level = at < start || frontier.last().is_none_or(|next| next < start);
            if integer && is_last_of_level {
                fixed.push(at);
                continue;
            }
            let mut antecedents = Frontier::default();
            if self.explain(at, &mut antecedents) {
                frontier.merge(antecedents);
            } else if integer {
                fixed.push(at);
            } else {
                return false;
            }
        }
        // Latest first, so that the watched ones are the first to be undone; of
        // two changes of a bound the later says all.
        fixed.sort_unstable_by(|a, b| b.cmp(a));
        let mut bounds: Vec<(Index, bool)> = Vec::with_capacity(fixed.len());
        fixed.retain(|&at| {
            let bound = (self.trail[at].column, self.trail[at].is_upper);
            let is_new = !bounds.contains(&bound);
            if is_new {
                bounds.push(bound);
            }
            is_new
        });
        let limit = LENGTH + self.lower.len() / LENGTH_SHARE;
        if fixed.len() < 2 || fixed.len() > limit {
            return false;
        }
        let clause = fixed
            .into_iter()
            .map(|at| {
                let change = self.trail[at];
                Literal {
                    column: change.column,
                    is_upper: !change.is_upper,
                    value: if change.is_upper {
                        change.new + 1.0
                    } else {
                        change.new - 1.0
                    },
                }
            })
            .collect();
        self.add_clause(clause, self.clauses.increment);
        true
    }
}

/// What came of an analysis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Learned {
    /// Whether there is a new clause.
    pub(crate) is_clause: bool,
    /// Entries touched.
    pub(crate) touched: usize,
}

/// Trail positions yet to be explained, ascending and distinct.
#[derive(Debug, Default)]
struct Frontier {
    positions: std::collections::BTreeSet<usize>,
    /// Entries that were read to find them.
    touched: usize,
}

impl Frontier {
    fn add(&mut self, at: usize) {
        self.positions.insert(at);
    }

    fn last(&self) -> Option<usize> {
        self.positions.last().copied()
    }

    fn remove_last(&mut self) {
        self.positions.pop_last();
    }

    fn learned(&self, is_clause: bool) -> Learned {
        Learned {
            is_clause,
            touched: self.touched,
        }
    }

    fn merge(&mut self, other: Self) {
        self.touched += other.touched + other.positions.len();
        self.positions.extend(other.positions);
    }
}
