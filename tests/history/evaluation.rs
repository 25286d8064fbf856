//! How well the fallback chain and each of its links predict, on real traces.
//!
//! Every tenth trace of the large groups is read; `EVERY=1` reads all. Losses
//! are in % of the trace's unit (a VM; for the pods one core), as the traces are.

use std::collections::BTreeMap;
use std::io::Read;

use cpufence::history::Histogram;
use cpufence::predict::{Fallback, Features, Predictor};

const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/traces");

/// Seconds of the target: the P95 of the ten minutes to come.
const AHEAD_S: f64 = 600.0;

const GROUPS: [(&str, &str, f64); 4] = [
    ("planetlab", "planetlab_5min.csv.gz", 300.0),
    ("bitbrains", "bitbrains_rnd_5min.csv.gz", 300.0),
    ("nab", "nab_aws_5min.csv.gz", 300.0),
    ("nezha", "nezha_pods_1min.csv.gz", 60.0),
];

/// `(seconds, CPUs)` of one trace; the limit in CPUs, if known.
struct Series {
    samples: Vec<(f64, f64)>,
    limit: Option<f64>,
}

fn read(file: &str) -> Option<String> {
    let file = std::fs::File::open(format!("{DIR}/{file}")).ok()?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    Some(text)
}

fn series(group: &str, file: &str, every: usize) -> Option<Vec<Series>> {
    let meta = read("meta.csv.gz")?;
    let cpus: BTreeMap<&str, f64> = meta
        .lines()
        .skip(1)
        .filter_map(|l| {
            let fields: Vec<&str> = l.split(',').collect();
            Some((fields[0], fields[3].parse().ok()?))
        })
        .collect();
    let text = read(file)?;
    let mut all: Vec<(&str, Vec<(f64, f64)>)> = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        if all.last().is_none_or(|t| t.0 != fields[0]) {
            all.push((fields[0], Vec::new()));
        }
        let sample = (
            fields[1].parse().unwrap(),
            fields[2].parse::<f64>().unwrap() / 100.0,
        );
        all.last_mut().unwrap().1.push(sample);
    }
    // A VM is one unit; a pod's percent are of one core and its limit is known or not.
    let limit = |id: &str| {
        if group == "nezha" {
            cpus.get(id).copied()
        } else {
            Some(1.0)
        }
    };
    let every = if matches!(group, "planetlab" | "bitbrains") {
        every
    } else {
        1
    };
    let chosen = all.into_iter().step_by(every);
    Some(
        chosen
            .map(|(id, samples)| Series {
                limit: limit(id),
                samples,
            })
            .collect(),
    )
}

/// Pinball loss at 0.95 and coverage.
#[derive(Clone, Copy, Default)]
struct Score {
    rows: f64,
    loss: f64,
    covered: f64,
}

impl Score {
    fn add(&mut self, outcome: f64, predicted: f64) {
        let miss = 100.0 * (outcome - predicted);
        self.rows += 1.0;
        self.loss += if miss > 0.0 {
            0.95 * miss
        } else {
            -0.05 * miss
        };
        self.covered += f64::from(u8::from(outcome <= predicted));
    }

    fn loss(&self) -> f64 {
        self.loss / self.rows
    }

    fn coverage(&self) -> f64 {
        self.covered / self.rows
    }
}

/// The ceil(0.95 n)-th smallest.
fn nearest_rank_95(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * 95).div_ceil(100);
    values[rank - 1]
}

fn max(values: &[(f64, f64)]) -> f64 {
    values.iter().map(|s| s.1).fold(0.0, f64::max)
}

fn mean_and_deviations(values: &[(f64, f64)], deviations: f64) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().map(|s| s.1).sum::<f64>() / n;
    let variance = values.iter().map(|s| (s.1 - mean).powi(2)).sum::<f64>() / n;
    mean + deviations * variance.sqrt()
}

/// Visits each moment of a series whose next ten minutes are whole: features
/// and outcome.
fn walk(series: &Series, interval_s: f64, mut visit: impl FnMut(&Features, f64)) {
    let samples = &series.samples;
    let ahead = (AHEAD_S / interval_s) as usize;
    let mut day = Histogram::new();
    let mut hour_begin = 0;
    for (i, &(now_s, cpus)) in samples.iter().enumerate() {
        day.add(now_s, cpus, interval_s);
        while samples[hour_begin].0 <= now_s - 3_600.0 {
            hour_begin += 1;
        }
        let whole = samples
            .get(i + ahead)
            .is_some_and(|s| s.0 - now_s == AHEAD_S);
        if !whole {
            continue;
        }
        let features = Features {
            now_s,
            last_hour: samples[hour_begin..=i]
                .iter()
                .map(|s| (now_s - s.0, s.1))
                .collect(),
            day_p95: day.quantile(0.95),
            age_s: now_s - samples[0].0 + interval_s,
            request: Some(series.limit.unwrap_or(1.0)),
            limit: series.limit,
            ..Features::default()
        };
        let outcome = nearest_rank_95(samples[i + 1..=i + ahead].iter().map(|s| s.1));
        visit(&features, outcome);
    }
}

const RULES: [&str; 6] = [
    "fallback chain",
    "max of last hour",
    "24 h P95",
    "max of both",
    "mean + 2.5 std",
    "request",
];

fn rules(features: &Features) -> [f64; 6] {
    let hour = max(&features.last_hour);
    let day = features.day_p95.unwrap();
    let limit = features.limit.unwrap_or(f64::INFINITY);
    [
        Fallback.predict(features).p95,
        hour,
        day,
        hour.max(day),
        mean_and_deviations(&features.last_hour, 2.5),
        features.request.unwrap(),
    ]
    .map(|p| p.min(limit))
}

#[test]
fn fallback_on_traces() {
    let every = std::env::var("EVERY").map_or(10, |e| e.parse().unwrap());
    // By age (from an hour on; younger) and rule: one score a group.
    let mut scores = [[[Score::default(); 4]; 6]; 4];
    let ages = [">= 1 h", "30-60 min", "10-30 min", "< 10 min"];
    for (g, (group, file, interval_s)) in GROUPS.iter().enumerate() {
        let Some(all) = series(group, file, every) else {
            eprintln!("SKIPPED fallback_on_traces: no ../shared/traces/{file}");
            return;
        };
        for one in &all {
            walk(one, *interval_s, |features, outcome| {
                let age = [3_600.0, 1_800.0, 600.0]
                    .iter()
                    .position(|&a| features.age_s >= a);
                for (r, predicted) in rules(features).into_iter().enumerate() {
                    scores[age.unwrap_or(3)][r][g].add(outcome, predicted);
                }
            });
        }
    }
    for (age, by_rule) in ages.iter().zip(&scores) {
        eprintln!("{age}: pinball / coverage, planetlab, bitbrains, nab, nezha");
        for (rule, by_group) in RULES.iter().zip(by_rule) {
            let cells = by_group.map(|s| format!("{:6.3} / {:.3}", s.loss(), s.coverage()));
            eprintln!("  {rule:17} {}", cells.join("  "));
        }
        let rows = by_rule[0].map(|s| s.rows.to_string());
        eprintln!("  rows {}", rows.join(", "));
    }
    // Half PlanetLab, half Bitbrains, as peers were measured.
    let [chain, hour, day, ..] = scores[0].map(|by_group| {
        let [planetlab, bitbrains, ..] = by_group;
        (
            f64::midpoint(planetlab.loss(), bitbrains.loss()),
            f64::midpoint(planetlab.coverage(), bitbrains.coverage()),
        )
    });
    eprintln!("half and half: chain {chain:.3?}, max of last hour {hour:.3?}, 24 h P95 {day:.3?}");
    assert!(
        chain.0 < hour.0 && chain.0 < day.0,
        "the chain loses to one of its links"
    );
    assert!((0.93..=0.97).contains(&chain.1), "coverage {}", chain.1);
    for (by_group, (group, ..)) in scores[0][0].iter().zip(GROUPS) {
        assert!(
            by_group.coverage() >= 0.90,
            "{group}: {}",
            by_group.coverage()
        );
    }
    // Before the first hour ends: never far below what is used.
    for young in &scores[1..] {
        for (by_group, (group, ..)) in young[0].iter().zip(GROUPS) {
            assert!(
                by_group.coverage() >= 0.80,
                "{group}: {}",
                by_group.coverage()
            );
        }
    }
}

/// What a coarser timer loses: the pods' minutes are the truth, and the
/// history is of means over 1, 2 or 5 minutes of them.
#[test]
fn coarse_sampling_on_traces() {
    let (group, file, interval_s) = GROUPS[3];
    let Some(all) = series(group, file, 1) else {
        eprintln!("SKIPPED coarse_sampling_on_traces: no ../shared/traces/{file}");
        return;
    };
    let mut coverage = Vec::new();
    for minutes in [1_usize, 2, 5, 10] {
        let (mut score, mut truth, mut seen) = (Score::default(), 0.0, 0.0);
        for one in &all {
            // Runs of whole minutes from the first sample on.
            let mut means: Vec<(f64, f64)> = Vec::new();
            let mut outcomes: Vec<f64> = Vec::new();
            let mut run = Vec::new();
            for (i, sample) in one.samples.iter().enumerate() {
                if run
                    .last()
                    .is_some_and(|l: &(f64, f64)| sample.0 - l.0 != interval_s)
                {
                    run.clear();
                }
                run.push(*sample);
                if run.len() == minutes {
                    means.push((sample.0, mean_and_deviations(&run, 0.0)));
                    run.clear();
                    let next = one.samples.get(i + 1..=i + 10).unwrap_or_default();
                    let whole = next.last().is_some_and(|l| l.0 - sample.0 == AHEAD_S);
                    outcomes.push(if whole {
                        nearest_rank_95(next.iter().map(|s| s.1))
                    } else {
                        f64::NAN
                    });
                }
            }
            let step_s = 60.0 * minutes as f64;
            let mut day = Histogram::new();
            for (i, &(now_s, cpus)) in means.iter().enumerate() {
                day.add(now_s, cpus, step_s);
                let age_s = now_s - means[0].0 + step_s;
                if outcomes[i].is_nan() || age_s < 3_600.0 {
                    continue;
                }
                let begin = means[..=i].partition_point(|s| s.0 <= now_s - 3_600.0);
                let features = Features {
                    now_s,
                    last_hour: means[begin..=i]
                        .iter()
                        .map(|s| (now_s - s.0, s.1))
                        .collect(),
                    day_p95: day.quantile(0.95),
                    age_s,
                    limit: one.limit,
                    ..Features::default()
                };
                score.add(outcomes[i], Fallback.predict(&features).p95);
                // The same ten minutes as this timer sees them.
                let per = 10 / minutes;
                let ahead = means.get(i + 1..=i + per).unwrap_or_default();
                if ahead.last().is_some_and(|l| l.0 - now_s == AHEAD_S) {
                    truth += outcomes[i];
                    seen += nearest_rank_95(ahead.iter().map(|s| s.1));
                }
            }
        }
        eprintln!(
            "{minutes:2} min: rows {}, pinball {:.3}, coverage {:.3}, P95 of ten 1-min samples / P95 seen {:.2}",
            score.rows,
            score.loss(),
            score.coverage(),
            truth / seen
        );
        coverage.push(score.coverage());
    }
    assert!(
        coverage[0] > coverage[2],
        "coarser sampling lost nothing: {coverage:?}"
    );
}

/// No public trace has 10 s samples. The pods' minutes read as if they were
/// 10 s each (so an "hour" is six) show how the rule fares where ten minutes
/// have 60 samples and their P95 is not their maximum.
#[test]
fn fine_sampling_on_squeezed_traces() {
    let (group, file, _) = GROUPS[3];
    let Some(mut all) = series(group, file, 1) else {
        eprintln!("SKIPPED fine_sampling_on_squeezed_traces: no ../shared/traces/{file}");
        return;
    };
    let mut scores = [Score::default(); 6];
    for one in &mut all {
        one.samples.iter_mut().for_each(|s| s.0 /= 6.0);
        walk(one, 10.0, |features, outcome| {
            if features.age_s >= 3_600.0 {
                for (score, predicted) in scores.iter_mut().zip(rules(features)) {
                    score.add(outcome, predicted);
                }
            }
        });
    }
    eprintln!(
        "minutes as 10 s: pinball / coverage of {} rows",
        scores[0].rows
    );
    for (rule, score) in RULES.iter().zip(scores) {
        eprintln!("  {rule:17} {:6.3} / {:.3}", score.loss(), score.coverage());
    }
    let [chain, hour, ..] = scores;
    assert!(
        chain.loss() < hour.loss(),
        "a lone spike counts for an hour"
    );
    assert!(chain.coverage() >= 0.95, "coverage {}", chain.coverage());
}
