//! Arithmetic that knows its error: activities and sides of rows.
//!
//! **Activity.** For each row the least and greatest value of `sum a_j x_j`
//! over the bounds, as a finite sum and a count of infinite terms, kept up to
//! date by differences, with a bound on its rounding error: what is asked is
//! rounded outwards by it. Products and sums of integers below 2^53 have none.
//! Where the error grows, or after many differences, the row is summed again
//! when next asked for.
//!
//! **Sides** lose digits too, when fixed and substituted columns move to them.
//! Each row knows by how much at most, and no claim is made within it.
//!
//! Source: N. Higham 2002, "Accuracy and stability of numerical algorithms",
//! section 4.2.

use crate::tol;

/// An activity whose error by differences may exceed this is summed again.
pub(super) const LARGEST_ERROR: f64 = 1e-9;

/// And whose terms, those taken out included, grew by this factor.
const LARGEST_GROWTH: f64 = 4.0;

/// Up to here every integer is a float.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// Differences after which an activity is summed again.
const LARGEST_UPDATES: u32 = 500;

/// A coefficient that shrinks to this share of what made it is round-off.
const CANCELLED: f64 = 1e-11;

/// A coefficient that shrinks to this share is round-off whatever its column.
pub(super) const NOISE: f64 = 1e-15;

/// A side of at most so many times its error is 0.
const SNAPPED: f64 = 4.0;

/// A sum of terms `a x` at bounds, kept by differences.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    /// Of the finite terms.
    value: f64,
    /// Of their magnitudes, those taken out again included.
    size: f64,
    /// `size` when the row was last summed.
    fresh: f64,
    /// Infinite terms.
    open: u32,
    /// Whether a term was no product of integers: only then, or beyond
    /// [`WHOLE`], is anything rounded.
    is_rough: bool,
}

impl Sum {
    fn add(&mut self, a: f64, bound: f64, sign: f64) {
        if bound.is_finite() {
            let term = a * bound;
            self.value += sign * term;
            self.size += term.abs();
            self.is_rough = self.is_rough || !is_whole(a) || !is_whole(bound);
        } else if sign > 0.0 {
            self.open += 1;
        } else {
            self.open -= 1;
        }
    }

    /// Whether differences took it far from what a new sum would be.
    fn has_grown(&self) -> bool {
        self.error() > LARGEST_ERROR && self.size > LARGEST_GROWTH * self.fresh
    }

    /// How far `value`, less a term of it, may be from the truth.
    fn error(&self) -> f64 {
        if self.is_rough || self.size > WHOLE {
            tol::ROUND_OFF * self.size
        } else {
            0.0
        }
    }
}

/// Least and greatest value of a row. What is asked of it is rounded outwards:
/// the least is never too large, the most never too small.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Activity {
    low: Sum,
    high: Sum,
    updates: u32,
    is_stale: bool,
}

impl Activity {
    pub(super) fn least(&self) -> f64 {
        if self.low.open > 0 {
            f64::NEG_INFINITY
        } else {
            self.low.value - self.low.error()
        }
    }

    pub(super) fn most(&self) -> f64 {
        if self.high.open > 0 {
            f64::INFINITY
        } else {
            self.high.value + self.high.error()
        }
    }

    /// Least value of the row without a term whose least is `term`.
    pub(super) fn least_without(&self, term: f64) -> f64 {
        let rest = self.low.value - self.low.error();
        match (term.is_finite(), self.low.open) {
            (true, 0) => rest - term,
            (false, 1) => rest,
            _ => f64::NEG_INFINITY,
        }
    }

    /// Greatest value of the row without a term whose greatest is `term`.
    pub(super) fn most_without(&self, term: f64) -> f64 {
        let rest = self.high.value + self.high.error();
        match (term.is_finite(), self.high.open) {
            (true, 0) => rest - term,
            (false, 1) => rest,
            _ => f64::INFINITY,
        }
    }

    /// A bound of a column with coefficient `a` moves from `old` to `new`.
    pub(super) fn shift(&mut self, a: f64, is_upper: bool, old: f64, new: f64) {
        // Nothing where the row is to be summed again anyway.
        if !self.is_stale {
            let sum = if (a > 0.0) == is_upper {
                &mut self.high
            } else {
                &mut self.low
            };
            sum.add(a, old, -1.0);
            sum.add(a, new, 1.0);
        }
    }

    /// A column goes.
    pub(super) fn remove(&mut self, a: f64, lower: f64, upper: f64) {
        if !self.is_stale {
            let (low, high) = ends(a, lower, upper);
            self.low.add(a, low, -1.0);
            self.high.add(a, high, -1.0);
        }
    }

    /// One more difference.
    pub(super) fn count(&mut self) {
        self.updates += 1;
        self.is_stale = self.is_stale
            || self.updates > LARGEST_UPDATES
            || self.low.has_grown()
            || self.high.has_grown();
    }

    /// To be summed again.
    pub(super) fn stale() -> Self {
        Self {
            is_stale: true,
            ..Self::default()
        }
    }

    pub(super) fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Of a row's entries and bounds.
    pub(super) fn of(terms: impl Iterator<Item = (f64, f64, f64)>) -> Self {
        let mut activity = Self::default();
        for (a, lower, upper) in terms {
            let (low, high) = ends(a, lower, upper);
            activity.low.add(a, low, 1.0);
            activity.high.add(a, high, 1.0);
        }
        activity.low.fresh = activity.low.size;
        activity.high.fresh = activity.high.size;
        activity
    }
}

/// Whether it is an integer that a float holds exactly.
pub(super) fn is_whole(value: f64) -> bool {
    value.fract() == 0.0 && value.abs() <= WHOLE
}

/// The magnitude of a term, none where it is infinite.
pub(super) fn finite(term: f64) -> f64 {
    if term.is_finite() { term.abs() } else { 0.0 }
}

/// The bounds at which `a x` is least and greatest.
pub(super) fn ends(a: f64, lower: f64, upper: f64) -> (f64, f64) {
    if a > 0.0 {
        (lower, upper)
    } else {
        (upper, lower)
    }
}

/// Least of `a x` over the bounds.
pub(super) fn least(a: f64, lower: f64, upper: f64) -> f64 {
    if a > 0.0 { a * lower } else { a * upper }
}

/// Greatest of `a x` over the bounds.
pub(super) fn most(a: f64, lower: f64, upper: f64) -> f64 {
    if a > 0.0 { a * upper } else { a * lower }
}

/// Sides of a row, and how far the rounding of what was moved to them, and of
/// the row's coefficients, may have taken them from the truth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sides {
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) error: f64,
}

impl Sides {
    /// Less `a value`.
    pub(super) fn shifted(mut self, a: f64, value: f64) -> Self {
        let term = a * value;
        if term == 0.0 {
            return self;
        }
        if !is_whole(a) || !is_whole(value) || term.abs() > WHOLE {
            self.error += f64::EPSILON * term.abs();
        }
        self.lower = self.without(self.lower, term);
        self.upper = self.without(self.upper, term);
        self
    }

    /// The sides of what `a x`, with x in `[lower, upper]`, leaves of the row.
    pub(super) fn widened(mut self, a: f64, lower: f64, upper: f64) -> Self {
        let (low, high) = ends(a, lower, upper);
        let (low, high) = (a * low, a * high);
        for term in [low, high] {
            if term.is_finite() && !(is_whole(a) && is_whole(term / a) && is_whole(term)) {
                self.error += f64::EPSILON * term.abs();
            }
        }
        self.lower = if high.is_finite() {
            self.without(self.lower, high)
        } else {
            f64::NEG_INFINITY
        };
        self.upper = if low.is_finite() {
            self.without(self.upper, low)
        } else {
            f64::INFINITY
        };
        self
    }

    /// `side - term`, whose error is added; exactly 0 where only round-off is
    /// left.
    fn without(&mut self, side: f64, term: f64) -> f64 {
        if !side.is_finite() {
            return side;
        }
        let difference = side - term;
        // What the difference lost, exactly (D. Knuth, TAOCP 2, 4.2.2).
        let taken = difference - side;
        let lost = (side - (difference - taken)) - (term + taken);
        self.error += lost.abs();
        if difference.abs() <= SNAPPED * self.error {
            0.0
        } else {
            difference
        }
    }
}

/// 0 where `factor` is `c / a` exactly, 1 where it is rounded.
pub(super) fn inexact(factor: f64, a: f64, c: f64) -> f64 {
    #[expect(clippy::float_cmp, reason = "whole numbers, exact")]
    let is_exact = is_whole(factor) && is_whole(a) && factor * a == c;
    if is_exact { 0.0 } else { 1.0 }
}

/// `a + b`, exactly 0 where only round-off is left. Integers have none.
pub(super) fn cancelled(a: f64, b: f64) -> f64 {
    let sum = a + b;
    if sum.abs() <= CANCELLED * a.abs().max(b.abs()) && !(is_whole(a) && is_whole(b)) {
        0.0
    } else {
        sum
    }
}
