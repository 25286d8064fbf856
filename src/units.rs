//! Text forms of quantities that people type.

use std::time::Duration;

/// Reads a duration: a decimal number with `ms`, `s`, `m` or `h` (`50ms`, `1.5s`).
///
/// # Errors
/// Names the value and what was expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let fail = || {
        format!(
            "'{}' is not a duration: expected a number with ms, s, m or h, e.g. 50ms",
            text.escape_debug()
        )
    };
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .ok_or_else(fail)?;
    let (number, unit) = text.split_at(split);
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let value: f64 = number.parse().ok().filter(|_| plain).ok_or_else(fail)?;
    let seconds = match unit {
        "ms" => value / 1000.0,
        "s" => value,
        "m" => value * 60.0,
        "h" => value * 3600.0,
        _ => return Err(fail()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| fail())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_every_unit() {
        assert_eq!(parse_duration("50ms"), Ok(Duration::from_millis(50)));
        assert_eq!(parse_duration("20.0s"), Ok(Duration::from_secs(20)));
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("2h"), Ok(Duration::from_secs(7200)));
    }

    #[test]
    fn what_is_no_duration_is_named() {
        for text in [
            "",
            "5",
            "ms",
            "-1s",
            "1e3s",
            "1 s",
            "infs",
            "1.2.3s",
            "5d",
            "99999999999999999999h",
        ] {
            let error = parse_duration(text).unwrap_err();
            assert!(
                error.contains("expected a number with ms, s, m or h"),
                "{text}: {error}"
            );
        }
    }
}
