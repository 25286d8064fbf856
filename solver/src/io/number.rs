//! Numbers in model files.

use crate::tol;

/// Reads a number: Rust's forms and Fortran's `1.5D+3`; not NaN. `inf`,
/// `infinity` and anything from [`tol::INFINITE`] on are infinite.
pub(super) fn parse(token: &str) -> Option<f64> {
    let value: f64 = match token.parse() {
        Ok(value) => value,
        Err(_) if token.contains(['d', 'D']) => token.replace(['d', 'D'], "e").parse().ok()?,
        Err(_) => return None,
    };
    if value.is_nan() {
        return None;
    }
    Some(if value.abs() >= tol::INFINITE {
        f64::INFINITY.copysign(value)
    } else {
        value
    })
}

/// Writes a number so that [`parse`] gives the same one back; infinite as
/// 1e30, which every reader takes for infinite.
pub(super) fn format(value: f64) -> String {
    if value.abs() >= tol::INFINITE {
        return if value > 0.0 { "1e30" } else { "-1e30" }.to_owned();
    }
    let value = value + 0.0; // no -0
    if value.abs() > 0.0 && !(1e-5..1e15).contains(&value.abs()) {
        format!("{value:e}")
    } else {
        format!("{value}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_form() {
        assert_eq!(parse("1.5D+3"), Some(1500.0));
        assert_eq!(parse("+.5"), Some(0.5));
        assert_eq!(parse("2."), Some(2.0));
        assert_eq!(parse("1e400"), Some(f64::INFINITY));
        assert_eq!(parse("-1e20"), Some(f64::NEG_INFINITY));
        assert_eq!(parse("Infinity"), Some(f64::INFINITY));
        for bad in ["", "nan", "1,5", "0x10", "1e", "d"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for value in [
            0.0,
            -0.1,
            1e-7,
            123_456_789.25,
            -1e15,
            9.9e19,
            f64::MIN_POSITIVE,
        ] {
            assert_eq!(parse(&format(value)), Some(value));
        }
        assert_eq!(format(f64::NEG_INFINITY), "-1e30");
        assert_eq!(format(-0.0), "0");
    }
}
