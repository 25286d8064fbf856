//! Proofs, checked against the caller's own data.
//!
//! **Farkas.** Multipliers y, g = A^T y. Every feasible point has
//! `sum_j g_j x_j - sum_i y_i r_i = 0`. If the largest value of the left side
//! over all bounds is negative, by more than round-off, there is none. Entries
//! of g on infinite bounds that round-off explains count as zero.
//!
//! **Ray.** A direction z that violates no finite bound however far one goes,
//! with c z < 0.

use super::params;
use super::problem::Problem;

/// Whether `y` or `-y` proves that `problem` has no feasible point; the
/// multipliers that do, zero where they would stand on an infinite side.
///
/// A vector that proves it is one that bounds the objective zero from below by
/// something positive: [`super::bound`]. Any multipliers may be left out, so
/// those that are round-off beside the others are: one alone on a column without
/// a bound would spoil the proof, having nothing there to be small against.
pub(super) fn farkas(problem: &Problem, y: &[f64]) -> Option<Vec<f64>> {
    let (lower, upper) = (&problem.row_lower, &problem.row_upper);
    let n = problem.n();
    let scaled = |i: usize, y: f64| (y * problem.scale[n + i]).abs();
    let largest = (y.iter().enumerate()).fold(0.0_f64, |most, (i, &y)| most.max(scaled(i, y)));
    let noise = params::FARKAS_NOISE * largest;
    for sign in [1.0, -1.0] {
        let z: Vec<f64> = y
            .iter()
            .zip(lower.iter().zip(upper))
            .enumerate()
            .map(|(i, (&y, (&lower, &upper)))| {
                let z = sign * y;
                let side = if z > 0.0 { lower } else { upper };
                if side.is_finite() && scaled(i, y) > noise {
                    z
                } else {
                    0.0
                }
            })
            .collect();
        let total = super::bound::bound(
            (&problem.by_column, &problem.scale),
            (lower, upper),
            |_| 0.0,
            (&problem.col_lower, &problem.col_upper),
            &z,
            |_, size| params::FARKAS_ZERO * size,
        );
        if total.low() > params::FARKAS_MARGIN * total.largest {
            return Some(z);
        }
    }
    None
}

/// Whether `z`, by column, is a direction of unbounded improvement.
pub(super) fn is_ray(problem: &Problem, z: &[f64]) -> bool {
    let scale = z.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    let cost: f64 = problem.cost.iter().zip(z).map(|(c, z)| c * z).sum();
    let cost_size = problem
        .cost
        .iter()
        .zip(z)
        .fold(0.0_f64, |a, (c, z)| a.max((c * z).abs()));
    if !(cost < -params::RAY * cost_size && scale > 0.0) {
        return false;
    }
    let stays = |move_by: f64, lower: f64, upper: f64, size: f64| {
        (move_by >= -params::RAY * size || lower == f64::NEG_INFINITY)
            && (move_by <= params::RAY * size || upper == f64::INFINITY)
    };
    (0..problem.n()).all(|j| stays(z[j], problem.col_lower[j], problem.col_upper[j], scale))
        && (0..problem.m()).all(|i| {
            let (mut activity, mut size) = (0.0, 0.0_f64);
            for (j, a) in problem.rows.iter(i) {
                activity += a * z[j];
                size = size.max((a * z[j]).abs());
            }
            stays(
                activity,
                problem.row_lower[i],
                problem.row_upper[i],
                size.max(scale),
            )
        })
}
