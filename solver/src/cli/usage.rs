//! What this process cost so far: CPU time of all its threads, those that
//! ended included, and the largest resident set.
#![expect(
    clippy::disallowed_methods,
    reason = "the kernel's count of this process's memory"
)]

use rustix::time::{ClockId, clock_gettime};

/// What the line on stderr begins with.
pub(super) const PREFIX: &str = "usage ";

#[derive(Clone, Copy, Debug, serde::Deserialize, serde::Serialize)]
pub(super) struct Usage {
    /// User and system time, in seconds.
    pub(super) cpu_s: f64,
    /// None where the kernel does not tell.
    pub(super) peak_mib: Option<f64>,
}

/// Since the start of the process.
pub(super) fn so_far() -> Usage {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Usage {
        cpu_s: time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64,
        peak_mib: std::fs::read_to_string("/proc/self/status")
            .ok()
            .and_then(|text| peak(&text)),
    }
}

fn peak(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_the_peak() {
        assert_eq!(peak("VmPeak:\t 1 kB\nVmHWM:\t    2048 kB\n"), Some(2.0));
        assert_eq!(peak(""), None);
        assert!(so_far().cpu_s > 0.0);
    }
}
