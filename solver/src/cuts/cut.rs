//! A cut, and the clean-up that makes a found inequality one.
//!
//! Clean-up, in this order: columns fixed in the cut's scope go to the side;
//! coefficients too small beside the largest are relaxed away at a bound (the
//! cut gets weaker, never invalid); inequalities of integers are scaled to
//! coprime integers, and the side is rounded down; others are scaled by a power
//! of two and their side is raised by the round-off it may have. What is too
//! dense, too wide in its coefficients or hardly violated is dropped.

use super::params;
use super::row::Frame;
use crate::sparse::Index;
use crate::technique::Technique;
use crate::whole::{floor, round};

/// `sum terms <= rhs`, valid for every feasible point of its scope.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cut {
    /// Columns ascending.
    pub(crate) terms: Vec<(Index, f64)>,
    pub(crate) rhs: f64,
    pub(crate) source: Technique,
    /// Valid below the node it was found at only.
    pub(crate) is_local: bool,
    /// Violation over norm where it was found.
    pub(crate) efficacy: f64,
    pub(crate) norm: f64,
    /// Integral coefficients on integer columns.
    pub(crate) is_integral: bool,
}

impl Cut {
    /// By how much `x` violates it; negative where it holds with room.
    pub(crate) fn violation(&self, x: &[f64]) -> f64 {
        self.terms
            .iter()
            .map(|&(j, a)| a * x[j as usize])
            .sum::<f64>()
            - self.rhs
    }

    /// Whether `point` violates it beyond its terms' round-off and what a
    /// feasible point may be off by: a cut that does so at a known solution is
    /// wrong.
    pub(crate) fn violates(&self, point: &[f64]) -> bool {
        let size: f64 = self.terms.iter().map(|&(_, a)| a.abs()).sum();
        self.violation(point) > params::POINT_TOLERANCE * size.max(1.0)
    }

    /// Cosine of the angle to another cut.
    pub(crate) fn parallelism(&self, other: &Self) -> f64 {
        let (mut p, mut q, mut product) = (0, 0, 0.0);
        while p < self.terms.len() && q < other.terms.len() {
            let ((j, a), (k, b)) = (self.terms[p], other.terms[q]);
            match j.cmp(&k) {
                std::cmp::Ordering::Less => p += 1,
                std::cmp::Ordering::Greater => q += 1,
                std::cmp::Ordering::Equal => {
                    product += a * b;
                    p += 1;
                    q += 1;
                }
            }
        }
        product / (self.norm * other.norm)
    }
}

/// Makes `sum terms <= rhs` a cut, if it is a good one.
pub(crate) fn clean(
    frame: &Frame<'_>,
    mut terms: Vec<(Index, f64)>,
    mut rhs: f64,
    source: Technique,
    is_local: bool,
) -> Option<Cut> {
    let x = &frame.value;
    let largest = terms
        .iter()
        .filter(|&&(j, _)| frame.lower[j as usize] < frame.upper[j as usize])
        .fold(0.0_f64, |m, &(_, a)| m.max(a.abs()));
    if !(largest > params::TINY && largest.is_finite() && rhs.is_finite()) {
        return None;
    }
    let mut is_sound = true;
    terms.retain(|&(j, a)| {
        let (l, u) = (frame.lower[j as usize], frame.upper[j as usize]);
        if l >= u {
            rhs -= a * l;
            return false;
        }
        if a.abs() * params::DYNAMISM >= largest {
            return true;
        }
        let bound = if a > 0.0 { l } else { u };
        is_sound &= bound.abs() <= params::RELAXING_BOUND;
        rhs -= a * bound;
        false
    });
    let support = params::SUPPORT_BASE
        .max(params::SUPPORT_BASE / 2 + frame.columns / params::SUPPORT_DIVISOR);
    if !is_sound || terms.is_empty() || terms.len() > support {
        return None;
    }
    let is_integral = terms.iter().all(|&(j, _)| frame.mip.integer[j as usize])
        && scale_to_integers(frame, &mut terms, &mut rhs);
    if !is_integral {
        let scale = (-largest.log2().floor()).exp2();
        let mut size = (rhs * scale).abs();
        for (j, a) in &mut terms {
            *a *= scale;
            size += (*a * x[*j as usize]).abs();
        }
        rhs = rhs * scale + params::SIDE_SAFETY * size;
    }
    let norm = terms.iter().map(|&(_, a)| a * a).sum::<f64>().sqrt();
    let mut cut = Cut {
        terms,
        rhs,
        source,
        is_local,
        efficacy: 0.0,
        norm,
        is_integral,
    };
    let violation = cut.violation(x);
    cut.efficacy = violation / norm;
    (violation >= params::LEAST_VIOLATION && cut.efficacy >= params::LEAST_EFFICACY).then_some(cut)
}

/// The denominator, at most `largest`, of a fraction within `error` of
/// `value`, by its continued fraction.
#[expect(clippy::cast_possible_truncation, reason = "at most 1000")]
fn denominator(value: f64, largest: i64, error: f64) -> Option<i64> {
    let (mut before, mut now) = (0_i64, 1_i64);
    let mut rest = value.abs();
    for _ in 0..20 {
        let scaled = value * now as f64;
        if (scaled - round(scaled)).abs() <= error * scaled.abs().max(1.0) {
            return Some(now);
        }
        let fraction = rest - floor(rest);
        if fraction < params::INTEGRAL_ERROR {
            return None;
        }
        rest = 1.0 / fraction;
        if rest > largest as f64 {
            return None;
        }
        (before, now) = (now, floor(rest) as i64 * now + before);
        if now > largest {
            return None;
        }
    }
    None
}

fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Scales to coprime integers and rounds the side down; false, and nothing
/// changed, where that would need large numbers.
#[expect(
    clippy::cast_possible_truncation,
    reason = "at most INTEGRAL_COEFFICIENT"
)]
fn scale_to_integers(frame: &Frame<'_>, terms: &mut [(Index, f64)], rhs: &mut f64) -> bool {
    const LARGEST_DENOMINATOR: i64 = 1_000;
    let least = terms
        .iter()
        .fold(f64::INFINITY, |m, &(_, a)| m.min(a.abs()));
    let mut multiple = 1_i64;
    for &(_, a) in terms.iter() {
        let Some(d) = denominator(a / least, LARGEST_DENOMINATOR, params::INTEGRAL_ERROR) else {
            return false;
        };
        multiple = multiple / gcd(multiple, d) * d;
        if multiple > LARGEST_DENOMINATOR {
            return false;
        }
    }
    let scale = multiple as f64 / least;
    let mut divisor = 0_i64;
    let mut side = *rhs * scale;
    for &(j, a) in terms.iter() {
        let exact = a * scale;
        let rounded = round(exact);
        let error = rounded - exact;
        if rounded.abs() > params::INTEGRAL_COEFFICIENT
            || error.abs() > params::INTEGRAL_ERROR * rounded.abs().max(1.0)
        {
            return false;
        }
        divisor = gcd(divisor, rounded.abs() as i64);
        if error != 0.0 {
            let (l, u) = (frame.lower[j as usize], frame.upper[j as usize]);
            let most = (error * l).max(error * u);
            if l.abs().max(u.abs()) > params::RELAXING_BOUND {
                return false;
            }
            side += most;
        }
    }
    let divisor = divisor.max(1) as f64;
    for (_, a) in terms.iter_mut() {
        *a = round(*a * scale) / divisor;
    }
    *rhs = floor(side / divisor + params::INTEGRAL_SIDE_SAFETY);
    true
}
