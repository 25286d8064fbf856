//! Memory of this process, as the kernel tells it; the only library file that
//! asks.
#![expect(
    clippy::disallowed_methods,
    reason = "a memory limit needs the kernel's count"
)]

/// Bytes of one of `VmRSS` (now) and `VmHWM` (at most so far) of
/// /proc/self/status; none where the kernel does not tell.
fn status(key: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: u64 = line
        .trim_start_matches(':')
        .trim()
        .strip_suffix("kB")?
        .trim()
        .parse()
        .ok()?;
    Some(kib * 1024)
}

/// Whether the process holds `limit` bytes or more.
pub(crate) fn is_beyond(limit: u64) -> bool {
    status("VmRSS").is_some_and(|held| held >= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_holds_something() {
        if status("VmRSS").is_some() {
            assert!(is_beyond(1));
            assert!(!is_beyond(u64::MAX));
        }
    }
}
