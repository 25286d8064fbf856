//! The way back from the reduced problem to the original one.
//!
//! Each reduction that removes a column leaves a step; restoring walks them
//! back, last first. A step reads only columns that were alive when it was
//! taken, so their values are known by then.
//!
//! | step | value of the column x |
//! |-|-|
//! | fixed | a constant |
//! | substituted by `a x + sum t = b` | `(b - sum t) / a` |
//! | slack of `L <= a x + sum t <= U` | the point of the interval that the row leaves, cut to x's bounds |
//! | merged, `y = x + s z` | a split of y that keeps both bounds and integrality |
//! | unlocked | as far in its free direction as its rows, all dropped, ask for |
//!
//! Integer columns are rounded where that is within [`SNAP`]: their exact value
//! is integral by the reduction's own conditions.

use crate::basis::Basis;
use crate::mip::Mip;
use crate::sparse::{Index, index};
use crate::tol;

use super::lines::Entry;

/// How far from an integer a restored integer column's value may be, by the
/// tolerances of the columns it is computed from.
const SNAP: f64 = 1e-4;

/// A range of terms in the arena.
type Terms = std::ops::Range<usize>;

#[derive(Clone, Debug)]
enum Step {
    Fixed {
        column: Index,
        value: f64,
    },
    Substituted {
        column: Index,
        integer: bool,
        a: f64,
        side: f64,
        terms: Terms,
    },
    Slack(Box<Slack>),
    Merged(Box<Merge>),
    Unlocked(Box<Unlocked>),
}

/// A column that took up the slack of `row_lower <= a x + terms <= row_upper`.
#[derive(Clone, Debug)]
pub(super) struct Slack {
    pub(super) column: Index,
    pub(super) integer: bool,
    pub(super) a: f64,
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) row_lower: f64,
    pub(super) row_upper: f64,
}

/// `kept := kept + scale * removed`.
#[derive(Clone, Debug)]
pub(super) struct Merge {
    pub(super) kept: Index,
    pub(super) removed: Index,
    pub(super) scale: f64,
    /// Bounds and integrality of `kept` and `removed` before.
    pub(super) lower: [f64; 2],
    pub(super) upper: [f64; 2],
    pub(super) integer: [bool; 2],
}

/// A column that may move without end in one direction at no cost.
#[derive(Clone, Debug)]
struct Unlocked {
    column: Index,
    integer: bool,
    /// Bounds; the one in the free direction is infinite.
    lower: f64,
    upper: f64,
    /// The dropped rows: coefficient, sides, other terms.
    rows: Vec<(f64, f64, f64, Terms)>,
}

/// Undoes the reductions, last first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Postsolve {
    /// By reduced column: the original column.
    kept: Vec<Index>,
    /// By reduced row: the original row.
    kept_rows: Vec<Index>,
    /// Number of original columns and rows.
    columns: usize,
    rows: usize,
    steps: Vec<Step>,
    terms: Vec<Entry>,
}

impl Postsolve {
    pub(super) fn identity(mip: &Mip) -> Self {
        Self {
            kept: (0..mip.columns()).map(index).collect(),
            kept_rows: (0..mip.rows()).map(index).collect(),
            columns: mip.columns(),
            rows: mip.rows(),
            ..Self::default()
        }
    }

    pub(super) fn set_kept(&mut self, columns: Vec<Index>, rows: Vec<Index>) {
        self.kept = columns;
        self.kept_rows = rows;
    }

    pub(super) fn fixed(&mut self, column: Index, value: f64) {
        self.steps.push(Step::Fixed { column, value });
    }

    /// `a x + terms = side`.
    pub(super) fn substituted(
        &mut self,
        column: Index,
        integer: bool,
        a: f64,
        side: f64,
        terms: &[Entry],
    ) {
        let terms = self.keep(terms, column);
        self.steps.push(Step::Substituted {
            column,
            integer,
            a,
            side,
            terms,
        });
    }

    /// `terms`: the row, the column itself left out.
    pub(super) fn slack(&mut self, slack: Slack, terms: &[Entry]) {
        let terms = self.keep(terms, slack.column);
        // Its terms are the arena's last: found again by a plain step.
        self.steps.push(Step::Substituted {
            column: slack.column,
            integer: slack.integer,
            a: 0.0,
            side: 0.0,
            terms,
        });
        self.steps.push(Step::Slack(Box::new(slack)));
    }

    pub(super) fn merged(&mut self, merge: Merge) {
        self.steps.push(Step::Merged(Box::new(merge)));
    }

    /// Starts an unlocked column; its rows follow by [`Self::unlocked_row`].
    pub(super) fn unlocked(&mut self, column: Index, integer: bool, lower: f64, upper: f64) {
        self.steps.push(Step::Unlocked(Box::new(Unlocked {
            column,
            integer,
            lower,
            upper,
            rows: Vec::new(),
        })));
    }

    /// A row dropped with the unlocked column last started.
    pub(super) fn unlocked_row(&mut self, a: f64, lower: f64, upper: f64, terms: &[Entry]) {
        let Some(Step::Unlocked(last)) = self.steps.last() else {
            return;
        };
        let column = last.column;
        let terms = self.keep(terms, column);
        if let Some(Step::Unlocked(last)) = self.steps.last_mut() {
            last.rows.push((a, lower, upper, terms));
        }
    }

    fn keep(&mut self, terms: &[Entry], but: Index) -> Terms {
        let start = self.terms.len();
        self.terms.extend(terms.iter().filter(|&&(j, _)| j != but));
        start..self.terms.len()
    }

    fn sum(&self, terms: &Terms, x: &[f64]) -> f64 {
        self.terms[terms.clone()]
            .iter()
            .map(|&(j, a)| a * x[j as usize])
            .sum()
    }

    /// The original point of the reduced point `x`.
    pub(crate) fn restore(&self, x: &[f64]) -> Vec<f64> {
        let mut full = vec![0.0; self.columns];
        for (&j, &value) in self.kept.iter().zip(x) {
            full[j as usize] = value;
        }
        let mut slack: Option<&Slack> = None;
        for step in self.steps.iter().rev() {
            match step {
                Step::Fixed { column, value } => full[*column as usize] = *value,
                Step::Substituted {
                    column,
                    integer,
                    a,
                    side,
                    terms,
                } => {
                    let sum = self.sum(terms, &full);
                    full[*column as usize] = match slack.take() {
                        Some(slack) => slack.value(sum),
                        None => snap((side - sum) / a, *integer),
                    };
                }
                Step::Slack(step) => slack = Some(step),
                Step::Merged(merge) => {
                    let y = full[merge.kept as usize];
                    let (kept, removed) = merge.split(y);
                    full[merge.kept as usize] = kept;
                    full[merge.removed as usize] = removed;
                }
                Step::Unlocked(unlocked) => {
                    full[unlocked.column as usize] = unlocked.value(|terms| self.sum(terms, &full));
                }
            }
        }
        full
    }

    /// The original basis of the reduced one: of columns and rows that went
    /// nothing is known.
    pub(crate) fn restore_basis(&self, reduced: &Basis) -> Basis {
        let mut basis = Basis::unknown(self.columns, self.rows);
        basis.take_part(reduced, &self.kept, &self.kept_rows);
        basis
    }

    /// The reduced basis of the original one.
    pub(crate) fn reduce_basis(&self, original: &Basis) -> Basis {
        original.part(&self.kept, &self.kept_rows)
    }

    /// The reduced point of the original point `full`; best effort, it may be
    /// infeasible where a reduction cut `full` off.
    pub(crate) fn reduce(&self, full: &[f64]) -> Vec<f64> {
        let mut full = full.to_vec();
        for step in &self.steps {
            if let Step::Merged(merge) = step {
                full[merge.kept as usize] += merge.scale * full[merge.removed as usize];
            }
        }
        self.kept.iter().map(|&j| full[j as usize]).collect()
    }
}

/// `value`, rounded if it is to be integral and nearly is.
fn snap(value: f64, integer: bool) -> f64 {
    let rounded = value.round();
    if integer && (value - rounded).abs() <= SNAP {
        rounded
    } else {
        value
    }
}

/// The value of `[low, high]` nearest to 0, integral if asked for.
fn pick(low: f64, high: f64, integer: bool) -> f64 {
    let value = 0.0_f64.max(low).min(high);
    if integer {
        // `low` binds: up; `high` binds: down.
        if value > 0.0 {
            (value - tol::INTEGRALITY).ceil()
        } else {
            (value + tol::INTEGRALITY).floor()
        }
    } else {
        value
    }
}

impl Slack {
    /// The column's value where the other terms sum to `sum`.
    fn value(&self, sum: f64) -> f64 {
        let (mut low, mut high) = (
            (self.row_lower - sum) / self.a,
            (self.row_upper - sum) / self.a,
        );
        if self.a < 0.0 {
            std::mem::swap(&mut low, &mut high);
        }
        // Bounds go before the row where tolerances set them at odds: the row
        // that stayed is violated by no more than its own tolerance.
        let value = pick(low.min(high), high.max(low), self.integer);
        value.max(self.lower).min(self.upper)
    }
}

impl Merge {
    /// Values of both with `kept + scale * removed = y`.
    fn split(&self, y: f64) -> (f64, f64) {
        let s = self.scale;
        // removed in (y - [lower_0, upper_0]) / s and its own bounds.
        let (mut low, mut high) = ((y - self.upper[0]) / s, (y - self.lower[0]) / s);
        if s < 0.0 {
            std::mem::swap(&mut low, &mut high);
        }
        let (low, high) = (low.max(self.lower[1]), high.min(self.upper[1]));
        let low = low.min(high);
        let mut removed = if self.integer[1] {
            // An integer of the interval, nearest to 0.
            let value = 0.0_f64
                .max((low - tol::INTEGRALITY).ceil())
                .min((high + tol::INTEGRALITY).floor());
            value.max(self.lower[1]).min(self.upper[1])
        } else {
            0.0_f64.max(low).min(high)
        };
        let mut kept = y - s * removed;
        if self.integer[0] && !self.integer[1] {
            // kept integral, removed takes the rest.
            let (mut least, mut most) = (y - s * self.upper[1], y - s * self.lower[1]);
            if s < 0.0 {
                std::mem::swap(&mut least, &mut most);
            }
            kept = 0.0_f64
                .max((least.max(self.lower[0]) - tol::INTEGRALITY).ceil())
                .min((most.min(self.upper[0]) + tol::INTEGRALITY).floor());
            removed = (y - kept) / s;
        }
        (snap(kept, self.integer[0]), removed)
    }
}

impl Unlocked {
    fn value(&self, sum: impl Fn(&Terms) -> f64) -> f64 {
        let (mut low, mut high) = (self.lower, self.upper);
        for (a, row_lower, row_upper, terms) in &self.rows {
            let sum = sum(terms);
            let (mut least, mut most) = ((row_lower - sum) / a, (row_upper - sum) / a);
            if *a < 0.0 {
                std::mem::swap(&mut least, &mut most);
            }
            low = low.max(least);
            high = high.min(most);
        }
        pick(low, high.max(low), self.integer)
    }
}
