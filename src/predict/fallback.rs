//! The chain used where no trained model speaks: the last day, the last hour,
//! the request.
//!
//! **Target.** The 0.95 quantile of the P95 of use in the next ten minutes. It
//! is what a container is given, so too low costs twenty times what too high
//! costs (pinball loss at 0.95).
//!
//! **Rule.** With H the largest of the nearest-rank P95s of the last hour's six
//! stretches of ten minutes (the target's own statistic: below 20 samples in ten
//! minutes it is their maximum), s the standard deviation of the hour, D the P95 of the 24 h decaying histogram, R the request, all in CPUs,
//!
//! ```text
//! seen = H + 1/2 max(0, D - H) + 1/2 s
//! e    = min(age, 6 min x samples in the last hour)           evidence, seconds
//! w    = 120 / (120 + e) x (1 - e / 1 h)                      0 from an hour on
//! p    = seen + w max(0, R - seen)                            clamped to [0.001, limit]
//! ```
//!
//! The link is named by what the number stands on: `day_p95` if D > H,
//! `hour_max` otherwise, `blend` while w > 0, `request` without any sample, and
//! D alone (`day_p95`) when the last hour is empty but the day is not.
//! Without request and samples it is 0.1 CPU: a small service, and enough
//! that it is not put where nothing is left.
//!
//! **Evidence.** Pinball loss at 0.95, in % of a VM (`nezha`: of a core), and coverage, over all
//! moments of the public traces whose next ten minutes are whole: PlanetLab, Bitbrains and NAB
//! VMs (5 min, 1.9, 3.2 and 0.04 million moments), Nezha pods (1 min, 50,500), from
//! `EVERY=1 cargo test --test history fallback -- --nocapture`:
//!
//! | from an hour of age on | planetlab | bitbrains | nab | nezha |
//! |-|-|-|-|-|
//! | this rule | 1.136 / 0.937 | 0.373 / 0.956 | 1.371 / 0.973 | 1.610 / 0.929 |
//! | max of last hour | 1.304 / 0.890 | 0.280 / 0.906 | 1.414 / 0.911 | 1.670 / 0.872 |
//! | 24 h P95 | 1.143 / 0.913 | 0.551 / 0.942 | 1.580 / 0.946 | 2.147 / 0.824 |
//! | the larger of both | 1.110 / 0.937 | 0.488 / 0.956 | 1.412 / 0.967 | 1.636 / 0.913 |
//! | mean + 2.5 std | 1.196 / 0.916 | 0.284 / 0.912 | 1.645 / 0.910 | 1.993 / 0.802 |
//! | **30 to 60 min: this rule** | 1.289 / 0.918 | 0.714 / 0.974 | 4.526 / 0.929 | 1.512 / 0.951 |
//! | max of last hour | 1.504 / 0.854 | 0.697 / 0.886 | 4.694 / 0.810 | 1.549 / 0.831 |
//! | **below 10 min: this rule** | 1.816 / 0.954 | 1.329 / 0.990 | 1.081 / 1.000 | 6.715 / 0.972 |
//! | max of last hour | 4.250 / 0.449 | 0.284 / 0.682 | 0.406 / 0.286 | 6.835 / 0.355 |
//! | request | 4.352 / 1.000 | 4.824 / 0.990 | 3.991 / 1.000 | 18.921 / 0.984 |
//!
//! No public trace has 10 s samples. The pods' minutes read as if they were 10 s (30,900
//! moments, ten minutes of 60 samples): this rule 4.279 / 0.978, with H the plain maximum 5.232
//! / 0.992, the maximum alone 5.178 / 0.991: a lone spike no longer counts for an hour.
//!
//! So the hour alone covers too little everywhere, the day alone is late; in between coverage
//! is near 0.95 in every group. It is not the best in each one: Bitbrains' bursts of yesterday
//! cost 0.09 that buy 5 points of coverage. The shares 1/2 and the 120 s were chosen on a tenth of the
//! VMs among multiples of 1/4 and 30 to 600 s; neighbours differ by 1 to 2 %.
//!
//! Coarse samples are means and hide peaks (`docs/history.md` has numbers), so
//! above 30 s between samples the explanation says so.

use super::rank::nearest_rank_95;
use super::{Features, Link, Prediction, Predictor};

/// From this age on the request has no say, seconds.
const SEASONED_S: f64 = 3_600.0;

/// What is predicted is the P95 of this long, seconds.
const AHEAD_S: f64 = 600.0;

/// Evidence that halves the request's say, seconds.
const HALF_SAY_S: f64 = 120.0;

/// A sample vouches for at most this long: the hour of a 5-minute timer that
/// is late now and then is still an hour.
const VOUCHES_S: f64 = 360.0;

/// Share of the day's P95 above the hour's peak.
const DAY_SHARE: f64 = 0.5;

/// Standard deviations of the last hour above its peak.
const SPREAD_SHARE: f64 = 0.5;

/// Prediction without request and samples, CPUs.
const UNKNOWN_CPUS: f64 = 0.1;

/// Least prediction, CPUs: what runs uses something.
const FLOOR_CPUS: f64 = 0.001;

/// Interval above which peaks are averaged away, seconds: the P95 of ten
/// minutes needs twenty samples to be less than the maximum.
const COARSE_S: f64 = 30.0;

/// The fallback chain; see the module's documentation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fallback;

impl Predictor for Fallback {
    fn predict(&self, features: &Features) -> Prediction {
        self.predict_without(features, "no trained model")
    }
}

impl Fallback {
    /// As [`Predictor::predict`], with the reason why no trees speak.
    #[must_use]
    pub fn predict_without(&self, features: &Features, no_model: &str) -> Prediction {
        let usable = |x: &f64| x.is_finite() && *x >= 0.0;
        let hour: Vec<(f64, f64)> = features
            .last_hour
            .iter()
            .copied()
            .filter(|(ago_s, cpus)| usable(ago_s) && usable(cpus))
            .collect();
        let day = features.day_p95.filter(usable);
        let request = features.request.filter(usable);
        let interval_s = typical_interval(&hour);
        let (p95, link, mut why) = estimate(&hour, day, request, features.age_s, no_model);
        let limit = features.limit.filter(usable).unwrap_or(f64::INFINITY);
        if p95 > limit {
            why += &format!("; held at the limit of {limit:.3}");
        }
        if let Some(interval_s) = interval_s.filter(|&s| s > COARSE_S) {
            why += &format!(
                "; samples every {interval_s:.0} s are means and hide shorter peaks (10 s is the default)"
            );
        }
        if !features.doubts.is_empty() {
            why += &format!("; doubts: {}", features.doubts.join(", "));
        }
        Prediction {
            p95: p95.max(FLOOR_CPUS).min(limit),
            p50: None,
            link,
            age_s: features.age_s,
            interval_s,
            confidence: None,
            why,
        }
    }
}

/// The unclamped prediction, where it comes from, and why.
fn estimate(
    hour: &[(f64, f64)],
    day: Option<f64>,
    request: Option<f64>,
    age_s: f64,
    no_model: &str,
) -> (f64, Link, String) {
    if hour.is_empty() {
        return match (day, request) {
            (Some(day), _) => (
                day,
                Link::DayP95,
                format!("24 h P95 {day:.3} alone: {no_model}, no sample in the last hour"),
            ),
            (None, Some(request)) => (
                request,
                Link::Request,
                format!("the request {request:.3}: {no_model}, no sample yet"),
            ),
            (None, None) => (
                UNKNOWN_CPUS,
                Link::Request,
                format!("{UNKNOWN_CPUS} CPU by default: {no_model}, no sample yet, no request"),
            ),
        };
    }
    let peak = peak(hour);
    let above = day.map_or(0.0, |day| (day - peak).max(0.0));
    let margin = SPREAD_SHARE * standard_deviation(hour);
    let seen = peak + DAY_SHARE * above + margin;
    let evidence_s = evidence(hour.len(), age_s);
    if evidence_s < SEASONED_S {
        let say = HALF_SAY_S / (HALF_SAY_S + evidence_s) * (1.0 - evidence_s / SEASONED_S);
        let toward = request.unwrap_or(UNKNOWN_CPUS);
        let source = if request.is_some() {
            "request"
        } else {
            "default"
        };
        let why = format!(
            "{seen:.3} seen (last hour's peak {peak:.3}) and {:.0} % of the way up to the {source} {toward:.3}: \
             {no_model}, {} samples in {:.0} min vouch for less than an hour",
            100.0 * say,
            hour.len(),
            age_s / 60.0,
        );
        return (seen + say * (toward - seen).max(0.0), Link::Blend, why);
    }
    match day {
        Some(day) if day > peak => (
            seen,
            Link::DayP95,
            format!(
                "halfway from the last hour's peak {peak:.3} up to the 24 h P95 {day:.3}, margin {margin:.3}: {no_model}"
            ),
        ),
        _ => (
            seen,
            Link::HourMax,
            format!(
                "the last hour's peak {peak:.3}, margin {margin:.3}: {no_model}, {}",
                day.map_or("no 24 h P95".into(), |day| format!(
                    "the 24 h P95 {day:.3} is not above it"
                )),
            ),
        ),
    }
}

/// The largest P95 of the last hour's stretches of ten minutes, CPUs.
fn peak(hour: &[(f64, f64)]) -> f64 {
    let mut largest: f64 = 0.0;
    let mut begin_s = 0.0;
    while begin_s < SEASONED_S {
        let within = |ago_s: f64| (begin_s..begin_s + AHEAD_S).contains(&ago_s);
        let samples = hour.iter().filter(|s| within(s.0)).map(|s| s.1);
        let p95 = nearest_rank_95(&mut samples.collect::<Vec<f64>>());
        largest = largest.max(p95.unwrap_or(0.0));
        begin_s += AHEAD_S;
    }
    largest
}

/// How long the samples vouch for, seconds.
fn evidence(samples: usize, age_s: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a count of samples")]
    let vouched_s = samples as f64 * VOUCHES_S;
    // A NaN age is no age.
    vouched_s.min(age_s.max(0.0))
}

/// Of the samples' use, CPUs; 0 for one sample.
fn standard_deviation(hour: &[(f64, f64)]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a count of samples")]
    let n = hour.len() as f64;
    let mean = hour.iter().map(|s| s.1).sum::<f64>() / n;
    let square = hour.iter().map(|s| (s.1 - mean).powi(2)).sum::<f64>() / n;
    square.sqrt()
}

/// Median distance of neighbouring samples, seconds; none with fewer than two.
pub(super) fn typical_interval(hour: &[(f64, f64)]) -> Option<f64> {
    let steps = hour.windows(2).map(|w| w[0].0 - w[1].0);
    let middle = steps.len() / 2;
    // Most are often the same: then it is this one, with no need to put them in order.
    let guess = steps.clone().nth(middle)?;
    let (mut below, mut above) = (0, 0);
    for step in steps.clone() {
        let order = step.total_cmp(&guess);
        below += usize::from(order.is_lt());
        above += usize::from(order.is_gt());
    }
    if below <= middle && above < steps.len() - middle {
        return Some(guess);
    }
    let mut steps: Vec<f64> = steps.collect();
    Some(*steps.select_nth_unstable_by(middle, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` samples of `cpus`, one each `step_s` seconds, the newest now.
    fn steady(n: u32, step_s: f64, cpus: f64) -> Vec<(f64, f64)> {
        (0..n)
            .rev()
            .map(|i| (f64::from(i) * step_s, cpus))
            .collect()
    }

    #[track_caller]
    fn check(features: &Features, p95: f64, link: Link, words: &[&str]) {
        let prediction = Fallback.predict(features);
        assert!((prediction.p95 - p95).abs() < 1e-9, "{prediction:?}");
        assert_eq!(prediction.link, link, "{prediction:?}");
        for word in words {
            assert!(
                prediction.why.contains(word),
                "{word:?} in {:?}",
                prediction.why
            );
        }
    }

    #[test]
    fn nothing_seen_is_the_request_or_the_default() {
        let mut features = Features {
            request: Some(2.0),
            limit: Some(4.0),
            doubts: vec!["no CPU time accounting".into()],
            ..Features::default()
        };
        check(
            &features,
            2.0,
            Link::Request,
            &["no trained model", "no CPU time accounting"],
        );
        features.request = None;
        check(&features, 0.1, Link::Request, &["no request"]);
        features.limit = Some(0.05);
        check(
            &features,
            0.05,
            Link::Request,
            &["held at the limit of 0.050"],
        );
    }

    #[test]
    fn a_young_container_is_blended() {
        // 120 s of 10 s samples at 0.4, request 2: w = 120 / 240 x (1 - 1/30)
        // = 29/60; 0.4 + 29/60 x 1.6 = 1.1733...
        let mut features = Features {
            last_hour: steady(12, 10.0, 0.4),
            day_p95: Some(0.4),
            age_s: 120.0,
            request: Some(2.0),
            ..Features::default()
        };
        check(
            &features,
            0.4 + 29.0 / 60.0 * 1.6,
            Link::Blend,
            &["48 %", "12 samples in 2 min"],
        );
        // More seen than requested: what was seen.
        features.request = Some(0.2);
        check(&features, 0.4, Link::Blend, &[]);
        // One sample of two hours vouches for 360 s:
        // w = 120 / 480 x (1 - 0.1) = 0.225; 0.4 + 0.225 x 1.6 = 0.76.
        features.last_hour = vec![(0.0, 0.4)];
        features.age_s = 7_200.0;
        features.request = Some(2.0);
        check(&features, 0.76, Link::Blend, &["1 samples in 120 min"]);
    }

    #[test]
    fn an_hour_of_history_stands_alone() {
        // 6 samples of 0.2 and 6 of 0.6: H = 0.6, s = 0.2.
        let mut last_hour = steady(12, 300.0, 0.2);
        last_hour.iter_mut().step_by(2).for_each(|s| s.1 = 0.6);
        let mut features = Features {
            last_hour,
            day_p95: Some(0.5),
            age_s: 3_600.0,
            request: Some(9.0),
            ..Features::default()
        };
        check(
            &features,
            0.7,
            Link::HourMax,
            &["0.500 is not above", "every 300 s"],
        );
        // D = 1: 0.6 + 0.2 + 0.1.
        features.day_p95 = Some(1.0);
        check(&features, 0.9, Link::DayP95, &["24 h P95 1.000"]);
        features.limit = Some(0.8);
        check(&features, 0.8, Link::DayP95, &["held at the limit"]);
    }

    #[test]
    fn three_samples_in_sixty_are_no_peak_but_four_are() {
        // 360 samples of 10 s; of the newest 60 the P95 is the 57th.
        let mut last_hour = steady(360, 10.0, 0.0);
        last_hour[300..303].iter_mut().for_each(|s| s.1 = 1.0);
        assert!(peak(&last_hour).abs() < 1e-12);
        // A fourth in the stretch before it is no peak either.
        last_hour[299].1 = 1.0;
        assert!(peak(&last_hour).abs() < 1e-12);
        last_hour[303].1 = 0.7;
        assert!((peak(&last_hour) - 0.7).abs() < 1e-12);
        // Two samples in ten minutes: their maximum.
        assert!((peak(&[(550.0, 0.2), (50.0, 0.9)]) - 0.9).abs() < 1e-12);
    }

    #[test]
    fn an_empty_hour_leaves_the_day() {
        let features = Features {
            day_p95: Some(1.5),
            age_s: 90_000.0,
            request: Some(3.0),
            ..Features::default()
        };
        check(
            &features,
            1.5,
            Link::DayP95,
            &["no sample in the last hour"],
        );
    }

    #[test]
    fn an_idle_container_has_a_floor() {
        let features = Features {
            last_hour: steady(360, 10.0, 0.0),
            day_p95: Some(0.001),
            age_s: 3_600.0,
            ..Features::default()
        };
        // Half of the way to the end of the histogram's first bucket, 0.0005.
        check(&features, 0.001, Link::DayP95, &[]);
        assert_eq!(Fallback.predict(&features).interval_s, Some(10.0));
    }

    #[test]
    fn broken_features_do_not_break_it() {
        let features = Features {
            last_hour: vec![(f64::NAN, 1.0), (0.0, f64::INFINITY), (5.0, -1.0)],
            day_p95: Some(f64::NAN),
            age_s: f64::NAN,
            request: Some(f64::NAN),
            limit: Some(f64::NAN),
            ..Features::default()
        };
        check(&features, 0.1, Link::Request, &[]);
    }
}
