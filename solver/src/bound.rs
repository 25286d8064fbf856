//! Dual bounds: what is known without solving, the safety margin of a bound
//! computed in floating point, and the objective's grid.
//!
//! Inside, every objective is minimized and has no constant:
//!
//! ```text
//! caller's objective = offset + sign * internal,   sign = +1 (min), -1 (max)
//! ```
//!
//! **Trivial bound.** sum_j min(c_j l_j, c_j u_j), where every term is finite.
//!
//! **Safety.** A bound b that an engine computed in floating point is claimed
//! as b - [`tol::BOUND_SAFETY`] max(1, |b|). This covers round-off, not an
//! engine whose tolerances let its relaxation drift farther on an
//! ill-conditioned model.
//!
//! **Grid.** Where every column with a cost is integer and every cost a
//! multiple of g = 2^-k m, the objective takes only multiples of g, so a bound
//! b may be rounded up to g ceil(b / g - [`tol::GRID`]).

use crate::check::sum;
use crate::model::{Column, Model, Sense};
use crate::tol;

/// The caller's objective seen from inside (minimized, no constant).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    sign: f64,
    offset: f64,
}

impl Space {
    pub(crate) fn of(model: &Model) -> Self {
        Self {
            sign: match model.sense {
                Sense::Minimize => 1.0,
                Sense::Maximize => -1.0,
            },
            offset: model.offset,
        }
    }

    /// A cost of the caller, to be minimized.
    pub(crate) fn cost(&self, caller: f64) -> f64 {
        self.sign * caller
    }

    /// An objective of the caller, from inside.
    pub(crate) fn to_internal(self, caller: f64) -> f64 {
        self.sign * (caller - self.offset)
    }

    /// An internal objective or bound in the caller's sense, with offset.
    pub(crate) fn to_caller(self, internal: f64) -> f64 {
        self.offset + self.sign * internal + 0.0
    }
}

/// `internal` less the safety margin.
pub(crate) fn safe(internal: f64) -> f64 {
    internal - tol::BOUND_SAFETY * internal.abs().max(1.0)
}

/// Bound from column bounds and costs alone, internal; none where a column
/// with a cost is open on its cheap side. Exactly 0 where no term is nonzero.
pub(crate) fn trivial(model: &Model, space: Space) -> Option<f64> {
    let mut open = false;
    let (total, magnitude) = sum(model.columns().iter().map(|column| {
        let cost = space.cost(column.cost);
        let at = match cost {
            c if c > 0.0 => column.lower,
            c if c < 0.0 => column.upper,
            _ => return 0.0,
        };
        if at.abs() >= tol::INFINITE {
            open = true;
            return 0.0;
        }
        cost * at
    }));
    let bound = total - tol::ROUND_OFF * magnitude;
    (!open && bound.is_finite()).then_some(bound)
}

/// The distance of the values that the objective can take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grid(f64);

/// Largest integer up to which every integer is a float.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Grid {
    /// The grid of `columns`' objective, if it has one.
    pub(crate) fn of(columns: &[Column]) -> Option<Self> {
        Self::of_costs(columns.iter().map(|c| (c.cost, c.integer)))
    }

    /// The grid of an objective with these (cost, integer column) terms.
    pub(crate) fn of_costs(terms: impl Iterator<Item = (f64, bool)> + Clone) -> Option<Self> {
        let costs = || terms.clone().filter(|&(cost, _)| cost != 0.0);
        if costs().any(|(_, integer)| !integer) {
            return None;
        }
        // Multiplying by a power of two is exact, so 0.25 and 1.5 have a grid
        // and 0.1, which no float is, has none.
        let scale = (0..=20)
            .map(|k| f64::from(1_u32 << k))
            .find(|scale| costs().all(|(cost, _)| (cost * scale).fract() == 0.0))?;
        let mut step = 0;
        for (cost, _) in costs() {
            let multiple = (cost * scale).abs();
            if multiple > EXACT {
                return None;
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a nonnegative integer up to 2^53"
            )]
            let multiple = multiple as u64;
            step = gcd(step, multiple);
        }
        #[expect(clippy::cast_precision_loss, reason = "at most 2^53")]
        let step = step as f64;
        (step > 0.0).then_some(Self(step / scale))
    }

    /// The distance of neighbouring values.
    pub(crate) fn step(self) -> f64 {
        self.0
    }

    /// `internal` rounded up to the grid, if it lies above a grid value by
    /// more than the engine's tolerances explain.
    pub(crate) fn round_up(self, internal: f64) -> f64 {
        let steps = internal / self.0;
        if steps.abs() < EXACT * tol::GRID {
            internal.max((steps - tol::GRID).ceil() * self.0)
        } else {
            internal
        }
    }
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
