//! CPU time used, throttling and limits, from a container's directories.
//!
//! v1: `cpuacct.usage` (nanoseconds, descendants included,
//! `cgroup-v1/cpuacct.rst`) and `cpu.stat`; v2: `cpu.stat` has both
//! (`usage_usec`, `cgroup-v2.rst`). What is missing is none: no accounting.

use std::path::{Path, PathBuf};

use super::request::{Quota, Share, parse_quota_v1, parse_quota_v2};
use super::{Hierarchy, Host, Mount, Throttling, Version};

/// Above this a v1 memory limit means none: the kernel prints its largest page
/// counter, 2^63 less one page.
const NO_LIMIT: u64 = 1 << 60;

/// Where the directory of `path` (cpuset hierarchy) lies in another hierarchy.
fn place(hierarchy: &Hierarchy, mount: Option<&Mount>, path: &[u8]) -> Option<(Version, PathBuf)> {
    let mount = mount?;
    Some((mount.version, mount.same_place(&hierarchy.cpuset, path)?))
}

/// CPU time used since the container's start, nanoseconds.
pub(super) fn read_usage_ns(host: &dyn Host, hierarchy: &Hierarchy, path: &[u8]) -> Option<u64> {
    let usage = |mount: Option<&Mount>| match place(hierarchy, mount, path)? {
        (Version::V1, dir) => host.text(&dir.join("cpuacct.usage"))?.trim().parse().ok(),
        (Version::V2, dir) => parse_usage_v2(&host.text(&dir.join("cpu.stat"))?),
    };
    usage(hierarchy.cpuacct.as_ref()).or_else(|| usage(hierarchy.unified.as_ref()))
}

/// Bandwidth control counters; none without a `cpu` directory of its own.
pub(super) fn read_throttling(
    host: &dyn Host,
    hierarchy: &Hierarchy,
    path: &[u8],
) -> Option<Throttling> {
    let (_, dir) = place(hierarchy, hierarchy.cpu.as_ref(), path)?;
    parse_throttling(&host.text(&dir.join("cpu.stat"))?)
}

/// The container's own CFS limit.
pub(super) fn read_quota(host: &dyn Host, hierarchy: &Hierarchy, path: &[u8]) -> Option<Quota> {
    match place(hierarchy, hierarchy.cpu.as_ref(), path)? {
        (Version::V1, dir) => {
            let quota = host.text(&dir.join("cpu.cfs_quota_us"))?;
            // Most have none: spare the second read.
            (!quota.starts_with('-'))
                .then(|| parse_quota_v1(&quota, &host.text(&dir.join("cpu.cfs_period_us"))?))
                .flatten()
        }
        (Version::V2, dir) => parse_quota_v2(&host.text(&dir.join("cpu.max"))?),
    }
}

/// The container's CPU shares or weight; `shares` as in the runtime's file.
pub(super) fn read_share(
    host: &dyn Host,
    hierarchy: &Hierarchy,
    path: &[u8],
    shares: Option<u64>,
) -> Option<Share> {
    let number = |path: &Path| host.text(path)?.trim().parse().ok();
    match place(hierarchy, hierarchy.cpu.as_ref(), path)? {
        (Version::V1, dir) => Some(Share::Shares(number(&dir.join("cpu.shares"))?)),
        (Version::V2, dir) => Some(Share::Weight {
            weight: number(&dir.join("cpu.weight"))?,
            shares,
        }),
    }
}

/// The container's own memory limit, bytes.
pub(super) fn read_memory_limit(
    host: &dyn Host,
    hierarchy: &Hierarchy,
    path: &[u8],
) -> Option<u64> {
    let (version, dir) = place(hierarchy, hierarchy.memory.as_ref(), path)?;
    let file = match version {
        Version::V1 => "memory.limit_in_bytes",
        Version::V2 => "memory.max",
    };
    host.text(&dir.join(file))?
        .trim()
        .parse()
        .ok()
        .filter(|&limit| limit < NO_LIMIT)
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then(|| value.trim().parse().ok())?
    })
}

fn parse_usage_v2(text: &str) -> Option<u64> {
    field(text, "usage_usec")?.checked_mul(1000)
}

fn parse_throttling(text: &str) -> Option<Throttling> {
    Some(Throttling {
        periods: field(text, "nr_periods")?,
        throttled: field(text, "nr_throttled")?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counters_of_both_versions() {
        let v1 = "nr_periods 10\nnr_throttled 3\nthrottled_time 123456789\n";
        assert_eq!(
            parse_throttling(v1),
            Some(Throttling {
                periods: 10,
                throttled: 3
            })
        );
        assert_eq!(parse_usage_v2(v1), None);
        let v2 = "usage_usec 7\nuser_usec 5\nsystem_usec 2\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n";
        assert_eq!(parse_usage_v2(v2), Some(7000));
        assert_eq!(
            parse_throttling(v2),
            Some(Throttling {
                periods: 0,
                throttled: 0
            })
        );
        assert_eq!(parse_throttling("usage_usec 7\n"), None);
        assert_eq!(parse_usage_v2("usage_usec 18446744073709551615"), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(usage_usec |nr_periods |\\PC{0,20}|[0-9]{0,25}|\n){0,8}") {
            let _ = (parse_usage_v2(&text), parse_throttling(&text));
        }
    }
}
