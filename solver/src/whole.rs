//! Rounding to whole numbers without a call: the baseline of x86-64 has no
//! instruction for it, and separators round in their innermost loops.

/// From here on every double is a whole number.
const ALL_WHOLE: f64 = 4_503_599_627_370_496.0;

/// `a` without its fraction; as it is where it has none to lose.
#[expect(
    clippy::cast_possible_truncation,
    reason = "below ALL_WHOLE, within an i64"
)]
fn truncate(a: f64) -> f64 {
    // False for what is no number, which so stays what it is.
    if a.abs() < ALL_WHOLE {
        a as i64 as f64
    } else {
        a
    }
}

/// The largest whole number up to `a`.
pub(crate) fn floor(a: f64) -> f64 {
    let whole = truncate(a);
    if whole > a { whole - 1.0 } else { whole }
}

/// The least whole number from `a` on.
pub(crate) fn ceil(a: f64) -> f64 {
    let whole = truncate(a);
    if whole < a { whole + 1.0 } else { whole }
}

/// The whole number closest to `a`, halves away from zero.
pub(crate) fn round(a: f64) -> f64 {
    let whole = truncate(a);
    // Exact: both are within a factor of two, or one is zero.
    let rest = a - whole;
    if rest >= 0.5 {
        whole + 1.0
    } else if rest <= -0.5 {
        whole - 1.0
    } else {
        whole
    }
}

/// Whether `a` is a whole number; false for infinities and what is no number.
#[expect(clippy::float_cmp, reason = "equal or not whole")]
pub(crate) fn is_whole(a: f64) -> bool {
    a.is_finite() && truncate(a) == a
}

/// Distance of `a` from the closest whole number.
pub(crate) fn fractionality(a: f64) -> f64 {
    (a - round(a)).abs()
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact by definition")]
mod tests {
    use super::*;

    #[test]
    fn as_the_library_rounds() {
        let mut values = vec![
            0.0,
            0.49999999999999994,
            0.5,
            1.5,
            2.5,
            1e-300,
            ALL_WHOLE - 0.5,
            ALL_WHOLE,
            ALL_WHOLE + 1.0,
            1e300,
            f64::MAX,
            f64::INFINITY,
        ];
        values.extend((0..2000).map(|k| f64::from(k) * 0.125 - 100.0));
        for &value in &values {
            for a in [value, -value] {
                assert_eq!(floor(a), a.floor(), "{a}");
                assert_eq!(ceil(a), a.ceil(), "{a}");
                assert_eq!(round(a), a.round(), "{a}");
                assert_eq!(is_whole(a), a.fract() == 0.0, "{a}");
            }
        }
        assert!(floor(f64::NAN).is_nan() && round(f64::NAN).is_nan() && !is_whole(f64::NAN));
    }
}
