//! Proofs, checked against the caller's own data.
//!
//! **Farkas.** Multipliers y, g = A^T y. Every feasible point has
//! `sum_j g_j x_j - sum_i y_i r_i = 0`. If the largest value of the left side
//! over all bounds is negative, there is none. Entries of g that round-off
//! explains count as zero.
//!
//! **Ray.** A direction z that violates no finite bound however far one goes,
//! with c z < 0.

use super::params;
use super::problem::Problem;

/// Whether `y` or `-y` proves that `problem` has no feasible point; the
/// multipliers that do.
pub(super) fn farkas(problem: &Problem, y: &[f64]) -> Option<Vec<f64>> {
    let n = problem.n();
    let mut g = vec![0.0; n];
    let mut size = vec![0.0_f64; n];
    for (i, &y) in y.iter().enumerate() {
        if y != 0.0 {
            for (j, a) in problem.rows.iter(i) {
                g[j] += y * a;
                size[j] = size[j].max((y * a).abs());
            }
        }
    }
    // The largest and the least value of the combination, and the largest term.
    let (mut most, mut least) = (0.0_f64, 0.0_f64);
    let (mut most_term, mut least_term) = (0.0_f64, 0.0_f64);
    let mut add = |g: f64, lower: f64, upper: f64| {
        let (high, low) = if g > 0.0 {
            (g * upper, g * lower)
        } else {
            (g * lower, g * upper)
        };
        most += high;
        least += low;
        most_term = most_term.max(high.abs());
        least_term = least_term.max(low.abs());
    };
    for j in 0..n {
        let (lower, upper) = (problem.col_lower[j], problem.col_upper[j]);
        if g[j] == 0.0 {
            continue;
        }
        let open = lower == f64::NEG_INFINITY || upper == f64::INFINITY;
        if open && g[j].abs() <= params::FARKAS_ZERO * size[j] {
            continue;
        }
        add(g[j], lower, upper);
    }
    for (i, &y) in y.iter().enumerate() {
        if y != 0.0 {
            add(-y, problem.row_lower[i], problem.row_upper[i]);
        }
    }
    if most < -params::FARKAS_MARGIN * most_term {
        return Some(y.to_vec());
    }
    if least > params::FARKAS_MARGIN * least_term {
        return Some(y.iter().map(|y| -y).collect());
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
