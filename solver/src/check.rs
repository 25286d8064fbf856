//! The one door for incumbents: a point is returned only if it passes here.
//!
//! A candidate, from whatever source (start point, engine), is checked against
//! the caller's own rows, bounds and integrality, not against what an engine
//! made of them:
//!
//! 1. every value is finite; an integer column's value within
//!    [`tol::INTEGRALITY`] of an integer is rounded to it, one farther off is
//!    refused;
//! 2. every bound holds within [`tol::FEASIBILITY`];
//! 3. every row, evaluated again at the rounded point with a compensated sum,
//!    holds within [`tol::FEASIBILITY`] plus the round-off of its terms, no
//!    more than [`LARGEST_ROUND_OFF`]: else values of 10^10 would pass in rows
//!    that no point meets;
//! 4. the objective is evaluated again from the model's costs.
//!
//! [`Checked`] can be made only here, so an answer cannot hold a point that
//! was not checked.

use crate::model::Model;
use crate::tol;

/// Relative to its magnitude: what rounding a term and its column's value may
/// come to. The sum is compensated.
const TERM_ROUND_OFF: f64 = 4.0 * f64::EPSILON;

/// In a row's unit: what round-off may come to at most.
const LARGEST_ROUND_OFF: f64 = 10.0 * tol::FEASIBILITY;

/// A point that passed, with its objective in the caller's sense.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    point: Vec<f64>,
    objective: f64,
}

impl Checked {
    /// Value of each column.
    #[must_use]
    pub fn point(&self) -> &[f64] {
        &self.point
    }

    /// Objective in the caller's sense, with offset.
    #[must_use]
    pub fn objective(&self) -> f64 {
        self.objective
    }

    /// The point itself.
    #[must_use]
    pub fn into_point(self) -> Vec<f64> {
        self.point
    }
}

/// Why a point was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The point has another length than the model.
    #[error("the point has {given} values, the model {columns} columns")]
    Length {
        /// Values given.
        given: usize,
        /// Columns of the model.
        columns: usize,
    },
    /// A value is NaN or infinite.
    #[error("column {column}: {value} is not a finite number")]
    NotFinite {
        /// Column index.
        column: usize,
        /// Its value.
        value: f64,
    },
    /// An integer column has a fractional value.
    #[error("integer column {column} has the value {value}")]
    Fractional {
        /// Column index.
        column: usize,
        /// Its value.
        value: f64,
    },
    /// A bound is violated.
    #[error("column {column}: {value} is outside its bounds by {violation:e}")]
    Bound {
        /// Column index.
        column: usize,
        /// Its value.
        value: f64,
        /// By how much.
        violation: f64,
    },
    /// A row is violated.
    #[error("row {row}: {activity} is outside its sides by {violation:e}")]
    Row {
        /// Row index.
        row: usize,
        /// The row's value.
        activity: f64,
        /// By how much.
        violation: f64,
    },
    /// The objective overflows.
    #[error("the objective cannot be evaluated: its terms overflow")]
    Objective,
}

impl Refusal {
    /// The name in `model` of the column or row that is meant; none where
    /// there is none.
    #[must_use]
    pub fn name<'a>(&self, model: &'a Model) -> Option<&'a str> {
        let name = match *self {
            Self::NotFinite { column, .. }
            | Self::Fractional { column, .. }
            | Self::Bound { column, .. } => &model.columns().get(column)?.name,
            Self::Row { row, .. } => &model.rows().get(row)?.name,
            _ => return None,
        };
        (!name.is_empty()).then_some(name)
    }
}

/// Checks `candidate` against the caller's model.
///
/// # Errors
/// The first reason found to refuse it.
pub fn check(model: &Model, candidate: &[f64]) -> Result<Checked, Refusal> {
    if candidate.len() != model.columns().len() {
        return Err(Refusal::Length {
            given: candidate.len(),
            columns: model.columns().len(),
        });
    }
    let mut point = Vec::with_capacity(candidate.len());
    for (index, (column, &given)) in model.columns().iter().zip(candidate).enumerate() {
        if !given.is_finite() {
            return Err(Refusal::NotFinite {
                column: index,
                value: given,
            });
        }
        let value = if column.integer {
            let rounded = given.round();
            if (given - rounded).abs() > tol::INTEGRALITY {
                return Err(Refusal::Fractional {
                    column: index,
                    value: given,
                });
            }
            rounded
        } else {
            given
        };
        let violation = outside(value, column.lower, column.upper);
        if violation > tol::FEASIBILITY {
            return Err(Refusal::Bound {
                column: index,
                value,
                violation,
            });
        }
        point.push(value + 0.0); // turns -0.0 into 0.0
    }
    for (index, row) in model.rows().iter().enumerate() {
        let (activity, magnitude) = sum(row.coefficients.iter().map(|&(j, a)| a * point[j]));
        let violation = outside(activity, row.lower, row.upper);
        // Written so that a NaN activity (overflow) is refused too.
        let round_off = TERM_ROUND_OFF * magnitude;
        let allowed = tol::FEASIBILITY + round_off.min(LARGEST_ROUND_OFF);
        if !(violation <= allowed && activity.is_finite()) {
            return Err(Refusal::Row {
                row: index,
                activity,
                violation,
            });
        }
    }
    let (costs, _) = sum(model.columns().iter().zip(&point).map(|(c, x)| c.cost * x));
    let objective = model.offset + costs;
    if !objective.is_finite() {
        return Err(Refusal::Objective);
    }
    Ok(Checked { point, objective })
}

/// By how much `value` lies outside `[lower, upper]`; sides at
/// [`tol::INFINITE`] and beyond do not count.
fn outside(value: f64, lower: f64, upper: f64) -> f64 {
    let below = if lower > -tol::INFINITE {
        lower - value
    } else {
        f64::NEG_INFINITY
    };
    let above = if upper < tol::INFINITE {
        value - upper
    } else {
        f64::NEG_INFINITY
    };
    below.max(above).max(0.0)
}

/// Sum of `terms` with Neumaier's correction, and the sum of their magnitudes
/// (A. Neumaier 1974, "Rundungsfehleranalyse einiger Verfahren zur Summation
/// endlicher Summen").
pub(crate) fn sum(terms: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut total, mut correction, mut magnitude) = (0.0_f64, 0.0_f64, 0.0_f64);
    for term in terms {
        let next = total + term;
        correction += if total.abs() >= term.abs() {
            (total - next) + term
        } else {
            (term - next) + total
        };
        total = next;
        magnitude += term.abs();
    }
    (total + correction, magnitude)
}
