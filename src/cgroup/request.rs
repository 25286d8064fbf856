//! What a container asks for, from what its directories say. Pure.
//!
//! # Which statement counts
//! The first of these that exists:
//!
//! ```text
//! config    cpus of the matching [[containers]] entry
//! quota     q / p of its own CFS bandwidth limit, or an ancestor's if that is less
//! cpuset    |original cpuset|, if it is a strict subset of the parent's
//! shares    CPU shares or weight, where they mean a request (kubepods)
//! ```
//!
//! r = ceil(statement), at most what the parent directory has, since a
//! container never gets more. A limit set on an ancestor alone is shared with
//! its other children: it bounds the container but is no request of its own.
//!
//! A container with none of these, or whose statement is below one CPU, is
//! pooled, unless the settings give its kind or `cpus`.
//!
//! # Shares
//! The kubelet writes `shares = max(2, floor(1024 m / 1000))` for a request of m
//! milli-CPU, so m = ceil(1000 shares / 1024) exactly, and 2 means no request
//! (`pkg/kubelet/cm/helpers_linux.go`, `MilliCPUToShares`). On v2 the runtime
//! turns shares s into a weight w, by one of two conversions:
//!
//! ```text
//! linear     w = 1 + floor(9999 (s - 2) / 262142)                 runc < 1.3.2, crun < 1.23
//! quadratic  w = ceil(10^((l^2 + 125 l) / 612 - 7/34)), l = log2 s   later
//! ```
//!
//! (opencontainers/cgroups, `ConvertCPUSharesToCgroupV2Value`; 1024 becomes 39
//! or 100.) Several requests have the same weight and nothing in the cgroup
//! tells which conversion was used. The runtime's own file has s itself: where
//! it can be read and gives w by either conversion, it decides. Otherwise the
//! request is the roundest number (multiple of 1000, 500, 250, 100, 50, 10, 5,
//! 1 m) that gives w by either conversion, the linear one on a tie, then the
//! smallest: people write round requests.

use super::{Request, RequestSource};
use crate::cpuset::CpuSet;
use crate::placement::Kind;

/// A CFS bandwidth limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// CPU time a period, microseconds, >= 1.
    pub quota_us: u64,
    /// Length of a period, microseconds, >= 1.
    pub period_us: u64,
}

impl Quota {
    /// Milli-CPU, rounded down: below 1000 exactly if below one CPU.
    #[must_use]
    pub fn mcpu(self) -> u64 {
        let mcpu = u128::from(self.quota_us) * 1000 / u128::from(self.period_us.max(1));
        u64::try_from(mcpu).unwrap_or(u64::MAX)
    }

    /// Whole CPUs, rounded up.
    #[must_use]
    pub fn cpus(self) -> u64 {
        self.quota_us.div_ceil(self.period_us.max(1))
    }

    /// The one that allows less.
    #[must_use]
    pub fn tightest(self, other: Self) -> Self {
        let (a, b) = (
            u128::from(self.quota_us) * u128::from(other.period_us),
            u128::from(other.quota_us) * u128::from(self.period_us),
        );
        if b < a { other } else { self }
    }
}

/// CPU shares or weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// v1 `cpu.shares`.
    Shares(u64),
    /// v2 `cpu.weight`, and the shares in the runtime's own file if known.
    Weight {
        /// The weight in force.
        weight: u64,
        /// The shares that the runtime was given.
        shares: Option<u64>,
    },
}

/// What is known of one container.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// `cpus` of the settings.
    pub config_cpus: Option<u32>,
    /// `kind` of the settings.
    pub config_kind: Option<Kind>,
    /// Its own limit.
    pub own_quota: Option<Quota>,
    /// The tightest limit of its ancestors.
    pub ancestor_quota: Option<Quota>,
    /// Its cpuset before we wrote one.
    pub original: &'a CpuSet,
    /// The most it can have: the parent directory's CPUs in force.
    pub parent: &'a CpuSet,
    /// Its shares, where they mean a request.
    pub share: Option<Share>,
}

/// The request that follows from `facts`.
#[must_use]
pub fn request(facts: &RequestFacts<'_>) -> Request {
    let (source, cpus, mcpu) = statement(facts);
    let most = facts.parent.len() as u64;
    let bounded = |value: u64, unit: u64| {
        if most == 0 {
            value
        } else {
            value.min(most * unit)
        }
    };
    let cpus = cpus.map(|c| u32::try_from(bounded(c.max(1), 1)).unwrap_or(u32::MAX));
    let mcpu = mcpu.map(|m| bounded(m, 1000));
    let small = mcpu.is_none_or(|m| m < 1000);
    let kind = match facts.config_kind {
        Some(kind) => kind,
        None if source == RequestSource::Config || !small => Kind::Static,
        None => Kind::Pooled,
    };
    Request {
        cpus,
        mcpu,
        source,
        kind_configured: facts.config_kind.is_some(),
        kind,
    }
}

/// Source, whole CPUs, milli-CPU.
fn statement(facts: &RequestFacts<'_>) -> (RequestSource, Option<u64>, Option<u64>) {
    if let Some(cpus) = facts.config_cpus {
        let cpus = u64::from(cpus);
        return (RequestSource::Config, Some(cpus), Some(1000 * cpus));
    }
    if let Some(own) = facts.own_quota {
        let quota = facts
            .ancestor_quota
            .map_or(own, |other| own.tightest(other));
        return (RequestSource::Quota, Some(quota.cpus()), Some(quota.mcpu()));
    }
    let within = facts.original.intersection(facts.parent);
    if !within.is_empty() && within != *facts.parent {
        let cpus = within.len() as u64;
        return (RequestSource::OriginalCpuset, Some(cpus), Some(1000 * cpus));
    }
    match facts.share.and_then(share_mcpu) {
        Some(mcpu) => (RequestSource::Shares, Some(mcpu.div_ceil(1000)), Some(mcpu)),
        None => (RequestSource::None, None, None),
    }
}

/// The request behind shares or a weight, milli-CPU; none for the least value.
fn share_mcpu(share: Share) -> Option<u64> {
    match share {
        Share::Shares(shares) => shares_mcpu(shares),
        Share::Weight {
            weight,
            shares: Some(shares),
        } if linear(shares) == weight || quadratic(shares) == weight => shares_mcpu(shares),
        Share::Weight { weight, .. } => weight_mcpu(weight),
    }
}

const LEAST_SHARES: u64 = 2;
const MOST_SHARES: u64 = 262_144;

/// The inverse of the kubelet's floor(1024 m / 1000).
fn shares_mcpu(shares: u64) -> Option<u64> {
    (LEAST_SHARES + 1..=MOST_SHARES)
        .contains(&shares)
        .then(|| (shares * 1000).div_ceil(1024))
}

fn linear(shares: u64) -> u64 {
    1 + shares
        .clamp(LEAST_SHARES, MOST_SHARES)
        .saturating_sub(LEAST_SHARES)
        * 9999
        / 262_142
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "shares lie in 3..262144 here, the result in 1..=10000"
)]
fn quadratic(shares: u64) -> u64 {
    match shares {
        0..=LEAST_SHARES => 1,
        MOST_SHARES.. => 10_000,
        _ => {
            let l = (shares as f64).log2();
            10f64.powf((l * l + 125.0 * l) / 612.0 - 7.0 / 34.0).ceil() as u64
        }
    }
}

/// The roundest request that either conversion turns into `weight`.
fn weight_mcpu(weight: u64) -> Option<u64> {
    if !(2..=10_000).contains(&weight) {
        return None;
    }
    let roundest = |convert: fn(u64) -> u64| -> Option<(u64, u64)> {
        // Both conversions rise with s: the shares with this weight are a range.
        let first = least(|s| convert(s) >= weight)?;
        let after = least(|s| convert(s) > weight).unwrap_or(MOST_SHARES + 1);
        // floor(1024 m / 1000) lies in first..after.
        let (low, high) = ((first * 1000).div_ceil(1024), (after * 1000 - 1) / 1024);
        [1000, 500, 250, 100, 50, 10, 5, 1]
            .into_iter()
            .find_map(|step| {
                let candidate = low.next_multiple_of(step);
                (candidate <= high).then_some((step, candidate))
            })
    };
    match (roundest(linear), roundest(quadratic)) {
        (Some((a, old)), Some((b, new))) => Some(if b > a { new } else { old }),
        (old, new) => old.or(new).map(|(_, mcpu)| mcpu),
    }
}

/// The least number of shares for which `is` holds, which is monotone.
fn least(is: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut low, mut high) = (LEAST_SHARES + 1, MOST_SHARES + 1);
    while low < high {
        let middle = low.midpoint(high);
        if is(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    (low <= MOST_SHARES).then_some(low)
}

/// Reads v1's `cpu.cfs_quota_us` (-1: none) and `cpu.cfs_period_us`.
pub(super) fn parse_quota_v1(quota: &str, period: &str) -> Option<Quota> {
    make_quota(quota.trim().parse().ok()?, period.trim().parse().ok()?)
}

/// Reads v2's `cpu.max`: `max 100000` or `150000 100000`.
pub(super) fn parse_quota_v2(text: &str) -> Option<Quota> {
    let mut words = text.split_ascii_whitespace();
    let quota = words.next()?.parse().ok()?;
    make_quota(
        quota,
        words.next().map_or(Some(100_000), |p| p.parse().ok())?,
    )
}

fn make_quota(quota_us: i64, period_us: u64) -> Option<Quota> {
    let quota_us = u64::try_from(quota_us).ok().filter(|&q| q > 0)?;
    (period_us > 0).then_some(Quota {
        quota_us,
        period_us,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cpuset::CpuId;

    fn set(text: &str) -> CpuSet {
        CpuSet::parse_list(text).unwrap()
    }

    fn quota(quota_us: u64, period_us: u64) -> Option<Quota> {
        Some(Quota {
            quota_us,
            period_us,
        })
    }

    /// Facts with nothing said, on a parent of 16 CPUs.
    fn ask(change: impl FnOnce(&mut RequestFacts<'_>)) -> Request {
        ask_with("0-15", change)
    }

    fn ask_with(original: &str, change: impl FnOnce(&mut RequestFacts<'_>)) -> Request {
        let (original, all) = (set(original), set("0-15"));
        let mut facts = RequestFacts {
            config_cpus: None,
            config_kind: None,
            own_quota: None,
            ancestor_quota: None,
            original: &original,
            parent: &all,
            share: None,
        };
        change(&mut facts);
        request(&facts)
    }

    fn parts(r: Request) -> (Option<u32>, Option<u64>, RequestSource, Kind) {
        (r.cpus, r.mcpu, r.source, r.kind)
    }

    #[test]
    fn nothing_said_is_pooled() {
        assert_eq!(
            parts(ask(|_| ())),
            (None, None, RequestSource::None, Kind::Pooled)
        );
        let configured = ask(|f| f.config_kind = Some(Kind::Static));
        assert_eq!(
            parts(configured),
            (None, None, RequestSource::None, Kind::Static)
        );
        assert!(configured.kind_configured);
    }

    #[test]
    fn a_quota_is_rounded_up_and_pooled_below_one_cpu() {
        // 250000 / 100000 = 2.5 -> 3 CPUs.
        assert_eq!(
            parts(ask(|f| f.own_quota = quota(250_000, 100_000))),
            (Some(3), Some(2500), RequestSource::Quota, Kind::Static)
        );
        // 99999 / 100000 is just below one CPU, 100000 / 100000 just not.
        assert_eq!(
            parts(ask(|f| f.own_quota = quota(99_999, 100_000))),
            (Some(1), Some(999), RequestSource::Quota, Kind::Pooled)
        );
        assert_eq!(
            parts(ask(|f| f.own_quota = quota(100_000, 100_000))),
            (Some(1), Some(1000), RequestSource::Quota, Kind::Static)
        );
        // 40 CPUs on 16: it can never have more than 16.
        assert_eq!(
            parts(ask(|f| f.own_quota = quota(4_000_000, 100_000))),
            (Some(16), Some(16_000), RequestSource::Quota, Kind::Static)
        );
    }

    #[test]
    fn the_settings_come_first() {
        let all = |f: &mut RequestFacts<'_>| {
            f.config_cpus = Some(1);
            f.own_quota = quota(400_000, 100_000);
            f.share = Some(Share::Shares(8192));
        };
        assert_eq!(
            parts(ask(all)),
            (Some(1), Some(1000), RequestSource::Config, Kind::Static)
        );
        let pooled = ask(|f| {
            f.config_cpus = Some(2);
            f.config_kind = Some(Kind::Pooled);
        });
        assert_eq!(
            parts(pooled),
            (Some(2), Some(2000), RequestSource::Config, Kind::Pooled)
        );
        let small = ask(|f| {
            f.config_kind = Some(Kind::Static);
            f.own_quota = quota(50_000, 100_000);
        });
        assert_eq!(
            parts(small),
            (Some(1), Some(500), RequestSource::Quota, Kind::Static)
        );
    }

    #[test]
    fn an_ancestors_limit_bounds_but_does_not_ask() {
        // Own 4 CPUs, the pod's 3: 3. The pod's alone: nothing asked.
        assert_eq!(
            ask(|f| {
                f.own_quota = quota(400_000, 100_000);
                f.ancestor_quota = quota(150_000, 50_000);
            })
            .cpus,
            Some(3)
        );
        assert_eq!(
            ask(|f| f.ancestor_quota = quota(200_000, 100_000)).source,
            RequestSource::None
        );
    }

    #[test]
    fn a_narrow_original_cpuset_asks_for_its_size() {
        assert_eq!(
            parts(ask_with("2-4", |_| ())),
            (
                Some(3),
                Some(3000),
                RequestSource::OriginalCpuset,
                Kind::Static
            )
        );
        // 14-20 within 0-15 is 14-15.
        assert_eq!(ask_with("14-20", |_| ()).cpus, Some(2));
        // v2: empty means the parent's.
        assert_eq!(ask_with("", |_| ()).source, RequestSource::None);
    }

    #[test]
    fn shares_are_the_kubelets() {
        // floor(1.024 m): 1000 -> 1024, 1500 -> 1536, 250 -> 256, 100 -> 102, 3 -> 3.
        for (shares, mcpu) in [(1024, 1000), (1536, 1500), (256, 250), (102, 100), (3, 3)] {
            assert_eq!(share_mcpu(Share::Shares(shares)), Some(mcpu), "{shares}");
        }
        for shares in [0, 1, 2, 262_145, u64::MAX] {
            assert_eq!(share_mcpu(Share::Shares(shares)), None, "{shares}");
        }
        assert_eq!(
            parts(ask(|f| f.share = Some(Share::Shares(1536)))),
            (Some(2), Some(1500), RequestSource::Shares, Kind::Static)
        );
        assert_eq!(
            ask(|f| f.share = Some(Share::Shares(512))).kind,
            Kind::Pooled
        );
        assert_eq!(
            ask(|f| f.share = Some(Share::Shares(2))).source,
            RequestSource::None
        );
    }

    #[test]
    fn both_conversions_as_published() {
        // opencontainers/cgroups and runc#4896: 1024 -> 39 and 100, 2000 -> 77
        // and 170, the ends of both ranges 1 and 10000.
        assert_eq!([2, 1024, 2000, 262_144].map(linear), [1, 39, 77, 10_000]);
        assert_eq!(
            [2, 1024, 2000, 262_144].map(quadratic),
            [1, 100, 170, 10_000]
        );
    }

    #[test]
    fn a_weight_means_the_roundest_request() {
        let weight = |weight| {
            share_mcpu(Share::Weight {
                weight,
                shares: None,
            })
        };
        // One CPU by either conversion.
        assert_eq!(weight(39), Some(1000));
        assert_eq!(weight(100), Some(1000));
        // 2048 shares: 1 + floor(2046 * 9999 / 262142) = 1 + 78 = 79.
        assert_eq!(weight(79), Some(2000));
        assert_eq!(weight(1), None);
        assert_eq!(weight(0), None);
        // The runtime's file says 1127 shares (ceil(1127000 / 1024) = 1101 m):
        // linear 1 + floor(1125 * 9999 / 262142) = 43.
        assert_eq!(
            share_mcpu(Share::Weight {
                weight: 43,
                shares: Some(1127)
            }),
            Some(1101)
        );
        // It says something that the weight contradicts: the weight is newer.
        assert_eq!(
            share_mcpu(Share::Weight {
                weight: 39,
                shares: Some(4096)
            }),
            Some(1000)
        );
    }

    #[test]
    fn whole_requests_survive_either_conversion() {
        for cpus in 1..=32u64 {
            let shares = cpus * 1024;
            for weight in [linear(shares), quadratic(shares)] {
                let mcpu = share_mcpu(Share::Weight {
                    weight,
                    shares: None,
                })
                .unwrap();
                assert_eq!(mcpu % 1000, 0, "{cpus} CPUs, weight {weight}: {mcpu}");
            }
            assert_eq!(
                share_mcpu(Share::Weight {
                    weight: linear(shares),
                    shares: Some(shares)
                }),
                Some(cpus * 1000)
            );
        }
    }

    #[test]
    fn limits_as_the_kernel_prints_them() {
        assert_eq!(parse_quota_v1("-1\n", "100000\n"), None);
        assert_eq!(
            parse_quota_v1("150000\n", "100000\n"),
            quota(150_000, 100_000)
        );
        assert_eq!(parse_quota_v2("max 100000\n"), None);
        assert_eq!(parse_quota_v2("400000 100000\n"), quota(400_000, 100_000));
        assert_eq!(parse_quota_v2("400000"), quota(400_000, 100_000));
        assert_eq!(parse_quota_v2("0 0"), None);
        assert_eq!(parse_quota_v1("5", "0"), None);
    }

    proptest! {
        #[test]
        fn every_request_is_within_the_parent_and_covers_the_quota(q in 1u64..10_000_000, p in 1u64..1_000_000, n in 1u32..64) {
            let parent: CpuSet = (0..n).map(CpuId).collect();
            let r = request(&RequestFacts {
                config_cpus: None, config_kind: None, own_quota: quota(q, p), ancestor_quota: None,
                original: &parent, parent: &parent, share: None,
            });
            let cpus = u64::from(r.cpus.unwrap());
            prop_assert!(cpus >= 1 && cpus <= u64::from(n));
            // cpus = min(ceil(q / p), n), written without division.
            prop_assert!(cpus * p >= q || cpus == u64::from(n));
            prop_assert!((cpus - 1) * p < q);
            prop_assert_eq!(r.kind == Kind::Pooled, q < p);
        }

        #[test]
        fn a_kubelet_request_survives_shares(mcpu in 3u64..256_000) {
            prop_assert_eq!(share_mcpu(Share::Shares(mcpu * 1024 / 1000)), Some(mcpu));
        }

        #[test]
        fn weights_invert_within_their_range(weight in 2u64..=10_000) {
            if let Some(mcpu) = weight_mcpu(weight) {
                let shares = mcpu * 1024 / 1000;
                prop_assert!(linear(shares) == weight || quadratic(shares) == weight, "{}", mcpu);
            }
        }

        #[test]
        fn no_text_panics(a in "\\PC{0,30}", b in "[-0-9 max]{0,30}") {
            let _ = (parse_quota_v1(&a, &b), parse_quota_v1(&b, &a), parse_quota_v2(&a), parse_quota_v2(&b));
        }
    }
}
