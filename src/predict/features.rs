//! What the trees look at: one definition for traces, archive and live hosts.
//!
//! **Units.** Levels are in the trace's own unit (on a host: % of the request);
//! [`Moment::unit`] is what one CPU is in it. A level scales with use; figures that do not
//! (counts, ratios, times, context) are plain. Missing is NaN, and a value like
//! any other to the trees.
//!
//! **Look-ahead.** A [`Moment`] holds samples up to now and nothing else, so no
//! feature can know of later ones; `dataset` has the property test.
//!
//! The last hour is cut into twelve stretches of five minutes counted back from
//! now, whatever the sampling interval, and into six of ten minutes whose
//! nearest-rank P95 is the target's own statistic. The rest is of [`Memory`].

use super::memory::{Ahead, DAYS, HOURS, Memory};
use super::rank::nearest_rank_95;

/// How a feature is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Scales with use.
    Level,
    /// Does not.
    Plain,
    /// Code of a category's level.
    Category,
}

/// A feature's name and kind.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    /// As in exports, models and reports.
    pub name: &'static str,
    /// How it is read.
    pub kind: Kind,
    /// Named by the design's first list; the others are seasonal memory and shape.
    pub basic: bool,
}

const fn level(name: &'static str) -> Feature {
    Feature {
        name,
        kind: Kind::Level,
        basic: true,
    }
}

const fn plain(name: &'static str) -> Feature {
    Feature {
        name,
        kind: Kind::Plain,
        basic: true,
    }
}

const fn category(name: &'static str) -> Feature {
    Feature {
        name,
        kind: Kind::Category,
        basic: true,
    }
}

const fn more(feature: Feature) -> Feature {
    Feature {
        basic: false,
        ..feature
    }
}

/// Features of a row.
pub const COUNT: usize = 86;

/// All features, in the order of a row.
pub const FEATURES: [Feature; COUNT] = [
    level("mean_0_5min"),
    level("mean_5_10min"),
    level("mean_10_15min"),
    level("mean_15_20min"),
    level("mean_20_25min"),
    level("mean_25_30min"),
    level("mean_30_35min"),
    level("mean_35_40min"),
    level("mean_40_45min"),
    level("mean_45_50min"),
    level("mean_50_55min"),
    level("mean_55_60min"),
    level("hour_max"),
    level("hour_min"),
    level("hour_mean"),
    level("hour_std"),
    level("hour_median"),
    level("hour_slope"),
    level("last"),
    level("day_p95"),
    plain("age_h"),
    plain("hour_of_day"),
    plain("weekday"),
    plain("interval_s"),
    plain("cpus"),
    plain("memory_mib"),
    category("owner"),
    category("image"),
    category("app"),
    category("kind"),
    more(level("p95_0_10min")),
    more(level("p95_10_20min")),
    more(level("p95_20_30min")),
    more(level("p95_30_40min")),
    more(level("p95_40_50min")),
    more(level("p95_50_60min")),
    more(level("max_0_15min")),
    more(level("max_0_30min")),
    more(level("second_largest")),
    more(level("mean_0_15min")),
    more(level("mean_step")),
    more(level("largest_rise")),
    more(plain("since_max_min")),
    more(plain("distinct")),
    more(plain("present")),
    more(plain("minute_of_hour")),
    more(level("ewma_15min")),
    more(level("ewma_1h")),
    more(level("ewma_4h")),
    more(level("ewma_24h")),
    more(level("ewma_7d")),
    more(level("ewm_std_1h")),
    more(level("ewm_std_4h")),
    more(level("ewm_std_24h")),
    more(level("ewm_std_7d")),
    more(level("day_p50")),
    more(level("day_p75")),
    more(level("day_p90")),
    more(level("day_p99")),
    more(level("max_2h")),
    more(level("max_3h")),
    more(level("max_6h")),
    more(level("max_12h")),
    more(level("max_24h")),
    more(level("max_7d")),
    more(level("min_24h")),
    more(plain("since_peak_min")),
    more(plain("peaks_24h")),
    more(level("mean_jump")),
    more(plain("share_of_jumps")),
    more(level("mean_slot_step")),
    more(level("hour_ago_2")),
    more(level("hour_ago_3")),
    more(level("hours_ago_max")),
    more(level("hours_ago_mean")),
    more(level("day_ago")),
    more(level("day_ago_near")),
    more(level("days_ago_max")),
    more(level("days_ago_mean")),
    more(level("days_ago_second")),
    more(level("week_ago")),
    more(level("week_ago_near")),
    more(plain("hour_max_of_day_max")),
    more(plain("last_of_hour_max")),
    more(plain("std_of_mean")),
    more(plain("day_ago_of_hour_max")),
];

/// Index of the largest use of the last hour in a row: the scale of the scale-free variant.
pub const HOUR_MAX: usize = 12;

/// Where the features begin that are of the container and not of the moment: CPUs, memory, categories.
const OF_CONTAINER: usize = 24;

/// Where the four categories begin.
pub const CATEGORIES: usize = OF_CONTAINER + 2;

const HOUR_S: f64 = 3_600.0;
const STRETCH_S: f64 = 300.0;
const STRETCHES: usize = 12;
const WINDOW_S: f64 = 600.0;

/// What is known at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// Seconds since the epoch, UTC.
    pub now_s: f64,
    /// Samples of the last hour, `(seconds before now, CPUs)`, oldest first.
    pub hour: &'a [(f64, f64)],
    /// P95 of the 24 h decaying histogram, CPUs.
    pub day_p95: Option<f64>,
    /// What is remembered beyond the hour; none: those features are missing.
    pub memory: Option<&'a Memory>,
    /// Age of the history, seconds.
    pub age_s: f64,
    /// Sampling interval, seconds.
    pub interval_s: Option<f64>,
    /// What one CPU is in the row's unit.
    pub unit: f64,
    /// Requested CPUs.
    pub cpus: Option<f64>,
    /// Memory limit, MiB.
    pub memory_mib: Option<f64>,
    /// Codes of owner, image, app and kind; NaN: missing.
    pub categories: [f32; 4],
}

/// Fills one row in its order.
struct Filler<'a> {
    row: &'a mut [f32; COUNT],
    at: usize,
    unit: f64,
}

impl Filler<'_> {
    fn plain(&mut self, value: f64) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rows are f32: seven digits of a use"
        )]
        let value = value as f32;
        // An infinity would be no number of the trees' order.
        self.row[self.at] = if value.is_finite() { value } else { f32::NAN };
        self.at += 1;
    }

    fn level(&mut self, cpus: f64) {
        self.plain(cpus * self.unit);
    }

    fn levels(&mut self, cpus: &[f64]) {
        for &value in cpus {
            self.level(value);
        }
    }

    fn of_container(&mut self, cpus: Option<f64>, memory_mib: Option<f64>, categories: [f32; 4]) {
        self.plain(cpus.unwrap_or(f64::NAN));
        self.plain(memory_mib.unwrap_or(f64::NAN));
        for code in categories {
            self.plain(f64::from(code));
        }
    }
}

/// Writes the features of `moment` to `row`, in the order of [`FEATURES`].
pub fn fill_row(moment: &Moment<'_>, row: &mut [f32; COUNT]) {
    row.fill(f32::NAN);
    let mut filler = Filler {
        row,
        at: 0,
        unit: moment.unit,
    };
    let hour = Hour::of(moment.hour);
    filler.levels(&hour.means);
    filler.levels(&[
        hour.max,
        hour.min,
        hour.mean,
        hour.std,
        hour.median,
        hour.slope,
        hour.last,
    ]);
    filler.level(moment.day_p95.unwrap_or(f64::NAN));
    filler.plain(moment.age_s / HOUR_S);
    let of_day = moment.now_s.rem_euclid(86_400.0);
    filler.plain(of_day / HOUR_S);
    // 1 January 1970 was a Thursday: 0 is Monday.
    filler.plain(((moment.now_s / 86_400.0).floor() + 3.0).rem_euclid(7.0));
    filler.plain(moment.interval_s.unwrap_or(f64::NAN));
    filler.of_container(moment.cpus, moment.memory_mib, moment.categories);
    filler.levels(&hour.p95s);
    filler.levels(&[
        hour.max_15,
        hour.max_30,
        hour.second,
        hour.mean_15,
        hour.step,
        hour.rise,
    ]);
    filler.plain(hour.since_max_s / 60.0);
    filler.plain(hour.distinct);
    filler.plain(match moment.interval_s {
        Some(interval_s) => hour.samples * interval_s / HOUR_S,
        None => f64::NAN,
    });
    filler.plain(of_day.rem_euclid(HOUR_S) / 60.0);
    if let Some(memory) = moment.memory {
        remembered(memory, moment, &hour, &mut filler);
    }
}

/// Writes the features of `row` that are of the container over those that are there.
pub(super) fn stamp(
    row: &mut [f32; COUNT],
    cpus: Option<f64>,
    memory_mib: Option<f64>,
    categories: [f32; 4],
) {
    let mut filler = Filler {
        row,
        at: OF_CONTAINER,
        unit: 1.0,
    };
    filler.of_container(cpus, memory_mib, categories);
}

/// The features of [`Memory`].
fn remembered(memory: &Memory, moment: &Moment<'_>, hour: &Hour, filler: &mut Filler<'_>) {
    filler.levels(&memory.means());
    filler.levels(&memory.deviations()[1..]);
    let quantiles = memory.day().quantiles([0.5, 0.75, 0.9, 0.99]);
    filler.levels(&quantiles.unwrap_or([f64::NAN; 4]));
    let mut day_max = hour.max;
    match memory.walked() {
        Some(walked) => {
            for largest in walked.largest {
                filler.level(largest.max(hour.max));
            }
            day_max = walked.largest[4].max(hour.max);
            filler.level(walked.smallest);
            filler.plain(walked.since_peak * 10.0);
            filler.plain(walked.peaks);
        }
        None => filler.at += 9,
    }
    let [jump, share, step] = memory.jumps();
    filler.level(jump);
    filler.plain(share);
    filler.level(step);
    let ahead = Ahead::of(moment.now_s);
    let analog = |back| memory.analog(ahead, back, 0);
    let hours = HOURS.map(analog);
    let (largest, _, mean) = summary(&hours);
    filler.levels(&[hours[0], hours[1], largest, mean]);
    let days = DAYS.map(analog);
    let (largest, second, mean) = summary(&days);
    let near = |back| memory.analog(ahead, back, 2);
    filler.levels(&[days[0], near(DAYS[0]), largest, mean, second]);
    filler.levels(&[days[6], near(DAYS[6])]);
    filler.plain(ratio(hour.max, day_max));
    filler.plain(ratio(hour.last, hour.max));
    filler.plain(ratio(hour.std, hour.mean));
    filler.plain(ratio(days[0], hour.max));
}

/// Largest, second largest and mean of the values that are there.
fn summary(values: &[f64]) -> (f64, f64, f64) {
    let (mut largest, mut second) = (f64::NAN, f64::NAN);
    let (mut sum, mut count) = (0.0, 0.0);
    for &value in values.iter().filter(|v| !v.is_nan()) {
        if largest.is_nan() || value > largest {
            second = largest;
            largest = value;
        } else {
            second = second.max(value);
        }
        sum += value;
        count += 1.0;
    }
    (largest, second, over(sum, count))
}

/// A mean; NaN of nothing.
fn over(sum: f64, count: f64) -> f64 {
    if count > 0.0 { sum / count } else { f64::NAN }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { f64::NAN }
}

/// Figures of the last hour, CPUs.
struct Hour {
    means: [f64; STRETCHES],
    p95s: [f64; 6],
    max: f64,
    min: f64,
    mean: f64,
    std: f64,
    median: f64,
    /// Least squares, CPUs an hour.
    slope: f64,
    last: f64,
    max_15: f64,
    max_30: f64,
    second: f64,
    mean_15: f64,
    step: f64,
    rise: f64,
    since_max_s: f64,
    distinct: f64,
    samples: f64,
}

/// The largest use; NaN of nothing.
fn largest(samples: &[(f64, f64)]) -> f64 {
    samples.iter().map(|s| s.1).fold(f64::NAN, f64::max)
}

/// Sums of one pass over the hour.
#[derive(Default)]
struct Sums {
    n: f64,
    use_: f64,
    squares: f64,
    time: f64,
    times: f64,
    product: f64,
}

impl Hour {
    /// Of samples `(seconds before now, CPUs)`, oldest first; those of an hour
    /// ago or older are passed over.
    fn of(samples: &[(f64, f64)]) -> Self {
        let mut hour = Self {
            means: [f64::NAN; STRETCHES],
            p95s: [f64::NAN; 6],
            max: f64::NAN,
            min: f64::NAN,
            mean: f64::NAN,
            std: f64::NAN,
            median: f64::NAN,
            slope: f64::NAN,
            last: f64::NAN,
            max_15: f64::NAN,
            max_30: f64::NAN,
            second: f64::NAN,
            mean_15: f64::NAN,
            step: f64::NAN,
            rise: f64::NAN,
            since_max_s: f64::NAN,
            distinct: 0.0,
            samples: 0.0,
        };
        let begin = samples.partition_point(|s| s.0 >= HOUR_S);
        let samples = &samples[begin..];
        hour.sums(samples);
        hour.stretches(samples);
        hour.extremes(samples);
        hour.windows(samples);
        hour.middle();
        hour
    }

    /// Sums over the hour. Each pass keeps few numbers, so that they stay in registers.
    fn sums(&mut self, samples: &[(f64, f64)]) {
        let mut sums = Sums::default();
        for &(ago_s, cpus) in samples {
            sums.n += 1.0;
            sums.use_ += cpus;
            sums.squares += cpus * cpus;
            sums.time -= ago_s;
            sums.times += ago_s * ago_s;
            sums.product -= ago_s * cpus;
        }
        self.samples = sums.n;
        self.mean = sums.use_ / sums.n;
        let variance = sums.squares / sums.n - self.mean * self.mean;
        self.std = variance.max(0.0).sqrt();
        let spread = sums.times - sums.time * sums.time / sums.n;
        let joint = sums.product - sums.time * sums.use_ / sums.n;
        self.slope = joint / spread * HOUR_S;
    }

    /// Means of the stretches, figures of the last quarter and half.
    fn stretches(&mut self, samples: &[(f64, f64)]) {
        // Counted back from now: oldest first.
        let mut rest = samples.iter().peekable();
        let mut end_s = HOUR_S;
        for (stretch, mean) in self.means.iter_mut().enumerate().rev() {
            end_s -= STRETCH_S;
            let (mut sum, mut count) = (0.0, 0.0);
            while let Some(sample) = rest.next_if(|s| s.0 >= end_s || stretch == 0) {
                sum += sample.1;
                count += 1.0;
            }
            *mean = over(sum, count);
        }
        let half = &samples[samples.partition_point(|s| s.0 >= 1_800.0)..];
        let quarter = &half[half.partition_point(|s| s.0 >= 900.0)..];
        let (mut sum, mut count) = (0.0, 0.0);
        for &(_, cpus) in quarter {
            sum += cpus;
            count += 1.0;
        }
        self.mean_15 = over(sum, count);
        self.max_15 = largest(quarter);
        self.max_30 = largest(half);
    }

    /// The largest, the smallest, the steps between neighbours.
    fn extremes(&mut self, samples: &[(f64, f64)]) {
        let (mut max, mut second, mut since_max_s) = (f64::NAN, f64::NAN, f64::NAN);
        let (mut min, mut last, mut rise) = (f64::NAN, f64::NAN, f64::NAN);
        let mut steps = (0.0, 0.0);
        for &(ago_s, cpus) in samples {
            if max.is_nan() || cpus > max {
                second = max;
                max = cpus;
                since_max_s = ago_s;
            } else {
                second = second.max(cpus);
                // The newest of equal ones.
                if cpus >= max {
                    since_max_s = ago_s;
                }
            }
            if min.is_nan() || cpus < min {
                min = cpus;
            }
            if !last.is_nan() {
                let step: f64 = cpus - last;
                steps = (steps.0 + step.abs(), steps.1 + 1.0);
                if rise.is_nan() || step > rise {
                    rise = step;
                }
            }
            last = cpus;
        }
        (self.max, self.second, self.since_max_s) = (max, second, since_max_s);
        (self.min, self.last, self.rise) = (min, last, rise);
        self.step = over(steps.0, steps.1);
    }

    /// P95 of each ten minutes.
    fn windows(&mut self, samples: &[(f64, f64)]) {
        // Of samples every ten seconds without growing.
        let mut window: Vec<f64> = Vec::with_capacity(64);
        let mut rest = samples;
        let mut end_s = HOUR_S;
        for p95 in self.p95s.iter_mut().rev() {
            end_s -= WINDOW_S;
            let (here, later) = rest.split_at(rest.partition_point(|s| s.0 >= end_s));
            window.clear();
            window.extend(here.iter().map(|s| s.1));
            rest = later;
            *p95 = nearest_rank_95(&mut window).unwrap_or(f64::NAN);
        }
    }

    /// Median and number of different ones of the stretches' means.
    fn middle(&mut self) {
        let mut means = [0.0; STRETCHES];
        let mut there = 0;
        for mean in self.means.iter().filter(|m| !m.is_nan()) {
            means[there] = *mean;
            there += 1;
        }
        let means = &mut means[..there];
        means.sort_unstable_by(f64::total_cmp);
        if let (Some(&low), Some(&high)) = (means.get((there.max(1) - 1) / 2), means.get(there / 2))
        {
            self.median = f64::midpoint(low, high);
        }
        for (i, mean) in means.iter().enumerate() {
            let is_new = i == 0 || means[i - 1].total_cmp(mean).is_ne();
            self.distinct += f64::from(u8::from(is_new));
        }
    }
}
