//! Complemented mixed integer rounding of a [`Mixed`] row.
//!
//! For a divisor d > 0, with `beta = b / d`, `f0 = beta - floor(beta)` and
//! `f(a) = a - floor(a)`,
//!
//! ```text
//! sum_j F(a_j / d) y_j + sum_{c_k < 0} c_k / (d (1 - f0)) t_k <= floor(beta)
//! F(a) = floor(a) + max(0, f(a) - f0) / (1 - f0)
//! ```
//!
//! is valid. Any integer variable may be complemented first (`y = u - y'`).
//! Divisors tried: the absolute coefficients of integers strictly between their
//! bounds; then half, a quarter and an eighth of the best; then complementing,
//! one by one, the variables closest to the middle of their range, keeping what
//! gains. The best is the one of most violation over norm. With d = 1 and a
//! tableau row, every variable measured from the bound it sits at, this is the
//! Gomory mixed integer cut.
//!
//! Source: H. Marchand, L. Wolsey 2001, "Aggregation and mixed integer rounding
//! to solve MIPs", Operations Research 49, sections 2 and 4.

use super::params;
use super::row::{Mixed, Valid};
use crate::whole::floor;
use crate::work::Budget;

/// `F(a)` for the fraction `f0` of the side.
fn round_coefficient(a: f64, f0: f64) -> f64 {
    let whole = floor(a);
    let f = a - whole;
    if f <= f0 {
        whole
    } else {
        whole + (f - f0) / (1.0 - f0)
    }
}

/// A [`Mixed`] row's integer part, variables complemented at will, and what
/// matters of its continuous part.
struct Work {
    coefficients: Vec<f64>,
    values: Vec<f64>,
    is_complemented: Vec<bool>,
    rhs: f64,
    /// Sums of `c t` and of `c^2` over negative c.
    continuous: f64,
    continuous_square: f64,
}

impl Work {
    fn of(mixed: &Mixed) -> Self {
        let mut work = Self {
            coefficients: mixed.integers.iter().map(|term| term.coefficient).collect(),
            values: mixed.integers.iter().map(|term| term.value).collect(),
            is_complemented: vec![false; mixed.integers.len()],
            rhs: mixed.rhs,
            continuous: 0.0,
            continuous_square: 0.0,
        };
        for term in &mixed.continuous {
            if term.coefficient < 0.0 {
                work.continuous += term.coefficient * term.value;
                work.continuous_square += term.coefficient * term.coefficient;
            }
        }
        work
    }

    fn complement(&mut self, k: usize, width: f64) {
        self.rhs -= self.coefficients[k] * width;
        self.coefficients[k] = -self.coefficients[k];
        self.values[k] = width - self.values[k];
        self.is_complemented[k] = !self.is_complemented[k];
    }

    /// The fraction of the side over `d`, if rounding is safe.
    fn fraction(&self, d: f64) -> Option<f64> {
        let beta = self.rhs / d;
        let f0 = beta - floor(beta);
        (beta.abs() <= params::LARGEST_SIDE
            && (params::LEAST_FRACTION..=params::LARGEST_FRACTION).contains(&f0))
        .then_some(f0)
    }

    /// Violation over norm of the cut with divisor `d`; negative if none.
    fn efficacy(&self, d: f64) -> f64 {
        let Some(f0) = self.fraction(d) else {
            return -1.0;
        };
        let scale = 1.0 / (d * (1.0 - f0));
        let mut violation = self.continuous * scale - floor(self.rhs / d);
        let mut square = self.continuous_square * scale * scale;
        for (&a, &y) in self.coefficients.iter().zip(&self.values) {
            let g = round_coefficient(a / d, f0);
            violation += g * y;
            square += g * g;
        }
        if square > 0.0 {
            violation / square.sqrt()
        } else {
            -1.0
        }
    }

    /// The cut with divisor `d`, in the terms of `mixed`.
    fn cut(&self, mixed: &Mixed, d: f64) -> Option<Valid> {
        let f0 = self.fraction(d)?;
        let scale = 1.0 / (d * (1.0 - f0));
        let mut valid = Valid {
            integers: Vec::with_capacity(self.coefficients.len()),
            continuous: mixed
                .continuous
                .iter()
                .map(|term| term.coefficient.min(0.0) * scale)
                .collect(),
            rhs: floor(self.rhs / d),
        };
        for (k, &a) in self.coefficients.iter().enumerate() {
            let g = round_coefficient(a / d, f0);
            if self.is_complemented[k] {
                valid.rhs -= g * mixed.integers[k].width;
                valid.integers.push(-g);
            } else {
                valid.integers.push(g);
            }
        }
        Some(valid)
    }
}

/// The rounding of `mixed` with divisor `d` as it stands.
pub(crate) fn round(mixed: &Mixed, d: f64) -> Option<Valid> {
    Work::of(mixed).cut(mixed, d)
}

/// The best rounding found, with its efficacy in the substituted variables.
pub(crate) fn separate(mixed: &Mixed, budget: &mut Budget) -> Option<(Valid, f64)> {
    let mut work = Work::of(mixed);
    let count = mixed.integers.len();
    if count == 0 {
        return None;
    }
    let is_between = |k: usize| {
        let (y, width) = (mixed.integers[k].value, mixed.integers[k].width);
        y > params::BETWEEN && y < width - params::BETWEEN
    };
    let mut deltas: Vec<f64> = (0..count)
        .filter(|&k| is_between(k))
        .map(|k| work.coefficients[k].abs())
        .filter(|&a| a > params::TIE)
        .collect();
    deltas.sort_unstable_by(f64::total_cmp);
    deltas.dedup_by(|a, b| (*a - *b).abs() <= params::TIE * b.abs());
    if deltas.is_empty() {
        return None;
    }
    if deltas.len() > params::DELTAS {
        // evenly spread, largest included
        let (n, keep) = (deltas.len(), params::DELTAS);
        deltas = (0..keep).map(|k| deltas[n - 1 - k * n / keep]).collect();
    }
    let largest = work
        .coefficients
        .iter()
        .fold(0.0_f64, |m, a| m.max(a.abs()));
    deltas.push(largest + 1.0);
    let (mut best, mut best_delta) = (0.0_f64, 0.0_f64);
    let consider = |work: &Work, d: f64, best: &mut f64, best_delta: &mut f64| {
        let efficacy = work.efficacy(d);
        if efficacy > *best {
            (*best, *best_delta) = (efficacy, d);
        }
    };
    budget.spend_entries((deltas.len() + 3) * count);
    for &d in &deltas {
        consider(&work, d, &mut best, &mut best_delta);
    }
    if best_delta <= 0.0 {
        // Nothing violated as it stands: a complement may make it so.
        best_delta = deltas[deltas.len() - 1 - usize::from(deltas.len() > 1)];
        best = work.efficacy(best_delta).min(0.0);
    }
    let base = best_delta;
    for divisor in [2.0, 4.0, 8.0] {
        consider(&work, base / divisor, &mut best, &mut best_delta);
    }
    let mut candidates: Vec<(f64, usize)> = (0..count)
        .filter(|&k| is_between(k) && mixed.integers[k].width <= params::LARGEST_BOUND)
        .map(|k| {
            let term = &mixed.integers[k];
            ((term.value - 0.5 * term.width).abs(), k)
        })
        .collect();
    candidates.sort_unstable_by(|p, q| p.0.total_cmp(&q.0).then(p.1.cmp(&q.1)));
    candidates.truncate(params::COMPLEMENTS);
    budget.spend_entries(candidates.len() * count);
    for (_, k) in candidates {
        work.complement(k, mixed.integers[k].width);
        let efficacy = work.efficacy(best_delta);
        if efficacy > best + params::LEAST_EFFICACY * 0.01 {
            best = efficacy;
        } else {
            work.complement(k, mixed.integers[k].width);
        }
    }
    if best < params::LEAST_EFFICACY {
        return None;
    }
    Some((work.cut(mixed, best_delta)?, best))
}
