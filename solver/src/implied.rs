//! Bounds that rows imply.
//!
//! For a row  sum_j a_j x_j <= u  and a column k with a_k > 0,
//!
//! ```text
//! x_k <= (u - sum_{j != k} least(a_j x_j)) / a_k
//! ```
//!
//! and likewise for the other signs and sides; rounds over all rows repeat
//! until nothing moves or [`ROUNDS`] are done. Every implied bound is widened
//! by [`slack`], more than the tolerances of a feasible point and the round-off
//! of evaluating it amount to, so it cuts no point that the check would pass.
//! Source: M. Savelsbergh 1994, "Preprocessing and probing techniques for
//! mixed integer programming problems", section 1.

use crate::model::Model;
use crate::tol;

/// Most rounds over the rows. The bounds may converge without end.
const ROUNDS: usize = 20;

/// A bound that moves by a smaller share of the old width is left alone, so
/// that rounds end.
const LEAST_GAIN: f64 = 0.01;

/// Coefficients smaller than this share of the row's largest imply nothing: a
/// bound from them is mostly round-off.
const LEAST_COEFFICIENT: f64 = 1e-6;

fn slack(value: f64) -> f64 {
    1e-6 * value.abs() + 1.0
}

/// The least and greatest value each column can have in a feasible point, at
/// most as wide as its bounds.
pub(crate) fn implied_bounds(model: &Model) -> Vec<(f64, f64)> {
    let mut bounds: Vec<(f64, f64)> = model
        .columns()
        .iter()
        .map(|column| (open(column.lower), open(column.upper)))
        .collect();
    for _ in 0..ROUNDS {
        let mut has_moved = false;
        for row in model.rows() {
            // `sum a x <= u`, and `sum -a x <= -l`.
            for (sign, side) in [(1.0, open(row.upper)), (-1.0, -open(row.lower))] {
                if side < f64::INFINITY {
                    has_moved |= propagate(&row.coefficients, sign, side, &mut bounds);
                }
            }
        }
        if !has_moved {
            break;
        }
    }
    bounds
}

/// Tightens `bounds` by `sum sign a x <= side`; whether any moved.
fn propagate(
    coefficients: &[(usize, f64)],
    sign: f64,
    side: f64,
    bounds: &mut [(f64, f64)],
) -> bool {
    let least = |a: f64, (lower, upper): (f64, f64)| if a > 0.0 { a * lower } else { a * upper };
    let (mut finite, mut magnitude, mut infinite, mut largest) = (0.0, 0.0_f64, 0_usize, 0.0_f64);
    for &(j, a) in coefficients {
        let term = least(sign * a, bounds[j]);
        if term.is_finite() {
            finite += term;
            magnitude += term.abs();
        } else {
            infinite += 1;
        }
        largest = largest.max(a.abs());
    }
    // Beyond this the sum's round-off exceeds the slack of a bound.
    if infinite > 1 || magnitude.max(side.abs()) * tol::ROUND_OFF > tol::FEASIBILITY {
        return false;
    }
    let mut has_moved = false;
    for &(k, a) in coefficients {
        let own = least(sign * a, bounds[k]);
        if a.abs() < LEAST_COEFFICIENT * largest || (infinite == 1 && own.is_finite()) {
            continue;
        }
        let others = if own.is_finite() {
            finite - own
        } else {
            finite
        };
        let limit = (side - others) / (sign * a);
        let (lower, upper) = bounds[k];
        let width = upper - lower;
        if sign * a > 0.0 {
            let limit = limit + slack(limit);
            if is_gain(upper - limit, width) {
                bounds[k].1 = limit;
                has_moved = true;
            }
        } else {
            let limit = limit - slack(limit);
            if is_gain(limit - lower, width) {
                bounds[k].0 = limit;
                has_moved = true;
            }
        }
    }
    has_moved
}

fn is_gain(gain: f64, width: f64) -> bool {
    gain > 0.0 && (width.is_infinite() || gain > LEAST_GAIN * width)
}

fn open(value: f64) -> f64 {
    if value.abs() >= tol::INFINITE {
        f64::INFINITY.copysign(value)
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Column, Row, Sense};

    #[test]
    fn a_row_bounds_what_the_columns_leave_open() {
        // 2x + y <= 10, x >= 0, y >= -4, both open above: x <= 7, y <= 10;
        // widened by 1 and a millionth of itself.
        let mut model = Model::new(Sense::Minimize);
        for lower in [0.0, -4.0] {
            model
                .add_column(Column {
                    name: String::new(),
                    cost: 0.0,
                    lower,
                    upper: f64::INFINITY,
                    integer: true,
                })
                .unwrap();
        }
        model
            .add_row(Row {
                name: String::new(),
                lower: f64::NEG_INFINITY,
                upper: 10.0,
                coefficients: vec![(0, 2.0), (1, 1.0)],
            })
            .unwrap();
        let bounds = implied_bounds(&model);
        assert!((bounds[0].1 - 8.0).abs() < 1e-4, "{bounds:?}");
        assert!((bounds[1].1 - 11.0).abs() < 1e-4, "{bounds:?}");
        assert!(bounds[0].0.abs() < 1e-9 && (bounds[1].0 + 4.0).abs() < 1e-9);
    }
}
