//! What rounds leave in the store: rates, windows, doubts, archive rows.

use cpufence::cgroup::ContainerKey;
use cpufence::history::{ArchiveReader, ArchiveRow, Histogram, History, Limits, Observation};
use cpufence::predict::{Fallback, Link, Predictor};
use proptest::prelude::*;

use super::{NEW_YEAR_S, features, key, round, scratch, seen, told};

/// All rows after everything has ended and was saved.
fn archived(mut history: History, uptime_s: f64) -> Vec<ArchiveRow> {
    let dir = scratch();
    let _ = history.record(&round(uptime_s + 7_200.0), &[]);
    assert!(history.is_empty());
    assert_eq!(history.save(dir.path(), &Limits::default()), []);
    let mut reader = ArchiveReader::open(dir.path()).unwrap();
    let rows = reader.by_ref().collect();
    assert_eq!(reader.notes(), []);
    rows
}

#[test]
fn usage_is_the_difference_of_counters_over_uptime() {
    let mut history = History::default();
    assert_eq!(told(&mut history, &[(100.0, 50.0)]), [""; 0]);
    let first = features(&history, 100.0);
    assert_eq!(
        (first.last_hour, first.day_p95, first.age_s),
        (vec![], None, 0.0)
    );
    assert_eq!(first.request, Some(2.0));
    // 2.5 CPU seconds in 10 s are 0.25 CPU; 30 in 20 s 1.5.
    assert_eq!(told(&mut history, &[(110.0, 52.5), (130.0, 82.5)]), [""; 0]);
    let now = features(&history, 130.5);
    assert_eq!(now.last_hour, [(20.5, 0.25), (0.5, 1.5)]);
    assert_eq!((now.age_s, now.now_s), (30.5, NEW_YEAR_S + 130.5));
    assert_eq!(now.doubts, [""; 0]);
}

#[test]
fn the_histogram_by_hand() {
    let mut day = Histogram::new();
    assert_eq!(day.quantile(0.95), None);
    // Bucket ends: 0.001, 0.00205, 0.0031525, ...: (1.05^n - 1) / 50.
    let end = |n: i32| (1.05_f64.powi(n) - 1.0) / 50.0;
    for _ in 0..19 {
        day.add(0.0, 0.0015, 10.0);
    }
    day.add(0.0, 0.5, 10.0);
    // 19 of 20 lie in the second bucket: the P95 is its end.
    assert!((day.quantile(0.95).unwrap() - end(2)).abs() < 1e-12);
    // 0.5 = (1.05^n - 1) / 50 at n = ln 26 / ln 1.05 = 66.78: bucket 66 ends at end(67).
    assert!((day.quantile(0.96).unwrap() - end(67)).abs() < 1e-12);
    // A day later the old ones count half: 1 in 0.5 x 20 + 1 = 11 is above 9 %.
    day.add(86_400.0, 0.5, 10.0);
    // Below 0.0015's bucket: 9.5 of 11 = 0.8636...
    assert!((day.quantile(0.8636).unwrap() - end(2)).abs() < 1e-12);
    assert!((day.quantile(0.8637).unwrap() - end(67)).abs() < 1e-12);
}

#[test]
fn the_histogram_keeps_ratios_over_years_and_ignores_nonsense() {
    let mut day = Histogram::new();
    // 100 days at 0.1 CPU, then 10 at 1 CPU: the old count 2^-10 and less.
    for i in 0..110 {
        day.add(
            86_400.0 * f64::from(i),
            if i < 100 { 0.1 } else { 1.0 },
            1.0,
        );
    }
    // Weights of old and new: 1.998 2^-10 : 1.998, so the 0.001 quantile is new.
    assert!(day.quantile(0.001).unwrap() > 0.9);
    assert!(day.quantile(0.000_9).unwrap() < 0.11);
    let before = day.clone();
    day.add(f64::NAN, 1.0, 1.0);
    day.add(1.0, f64::INFINITY, 1.0);
    day.add(1.0, 1.0, 0.0);
    day.add(1.0, 1.0, -1.0);
    assert_eq!(day, before);
    // A clock that went back loses no sample, and 1e12 s ahead break nothing.
    day.add(-5.0, 1.0, 1.0);
    day.add(1e12, 7.0, 1.0);
    let end = |n: i32| (1.05_f64.powi(n) - 1.0) / 50.0;
    // ln(351) / ln(1.05) = 120.1.
    assert!((day.quantile(0.5).unwrap() - end(121)).abs() < 1e-9);
}

#[test]
fn a_reset_costs_one_interval_and_says_so() {
    let mut history = History::default();
    let notes = told(
        &mut history,
        &[(10.0, 100.0), (20.0, 101.0), (30.0, 0.5), (40.0, 2.5)],
    );
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("history of app/1: the CPU time counter went back"));
    let now = features(&history, 100.0);
    assert_eq!(now.last_hour, [(80.0, 0.1), (60.0, 0.2)]);
    assert_eq!(now.doubts.len(), 1);
    assert!(
        now.doubts[0].starts_with("70 s ago: the CPU time counter"),
        "{:?}",
        now.doubts
    );
    // An hour later nobody doubts any more.
    assert_eq!(features(&history, 3_700.0).doubts, [""; 0]);
}

#[test]
fn more_than_the_host_has_is_no_usage() {
    let mut history = History::default();
    // 8 CPUs: 88 CPU seconds in 10 s are the most that is believed.
    let notes = told(
        &mut history,
        &[(10.0, 0.0), (20.0, 88.1), (30.0, 90.1), (40.0, 178.1)],
    );
    assert_eq!(
        notes,
        ["history of app/1: 8.810 CPUs on 8 online ones cannot be, this interval is dropped"]
    );
    assert_eq!(
        features(&history, 40.0).last_hour,
        [(10.0, 0.2), (0.0, 8.8)]
    );
}

#[test]
fn two_runs_in_a_second_are_one_interval() {
    let mut history = History::default();
    assert_eq!(
        told(
            &mut history,
            &[(10.0, 0.0), (10.0, 0.5), (10.9, 0.9), (12.0, 1.0)]
        ),
        [""; 0]
    );
    assert_eq!(features(&history, 12.0).last_hour, [(0.0, 0.5)]);
}

#[test]
fn uptime_that_goes_back_is_a_restored_snapshot() {
    let mut history = History::default();
    let notes = told(
        &mut history,
        &[(500.0, 10.0), (510.0, 11.0), (100.0, 4.0), (110.0, 6.0)],
    );
    assert!(
        notes.iter().any(|n| n.contains("uptime went back")),
        "{notes:?}"
    );
    let now = features(&history, 110.0);
    assert_eq!(now.last_hour, [(0.0, 0.2)]);
    assert_eq!(now.age_s, 10.0);
}

#[test]
fn a_gap_is_kept_and_doubted() {
    let mut history = History::default();
    let mut readings: Vec<(f64, f64)> = (0..10)
        .map(|i| (f64::from(i) * 10.0, f64::from(i)))
        .collect();
    // 40 minutes at 0.5 CPU: kept as their mean.
    readings.push((2_490.0, 1_209.0));
    let notes = told(&mut history, &readings);
    assert_eq!(
        notes,
        ["history of app/1: no sample for 2400 s: their mean hides the peaks"]
    );
    let now = features(&history, 2_490.0);
    assert_eq!(now.last_hour.len(), 10);
    assert_eq!(now.last_hour[9], (0.0, 0.5));
    // In the histogram it weighs five minutes, not forty: 300 of 390 s.
    let p = Fallback.predict(&now);
    assert!(p.why.contains("no sample for 2400 s"), "{}", p.why);
}

#[test]
fn a_clock_step_moves_neither_rates_nor_windows() {
    let mut history = History::default();
    let mut notes = Vec::new();
    for i in 0..30 {
        let mut round = round(f64::from(i) * 10.0);
        // Corrected by an hour forward after 100 s, back by two after 200 s.
        round.wall_s += if i < 10 {
            0.0
        } else if i < 20 {
            3_600.0
        } else {
            -3_600.0
        };
        notes.extend(history.record(&round, &[seen(&round, 1, f64::from(i) * 5.0)]));
    }
    let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "history: the clock stepped by +3600 s",
            "history: the clock stepped by -7200 s"
        ]
    );
    let now = features(&history, 290.0);
    assert_eq!(now.last_hour.len(), 29);
    assert!(now.last_hour.iter().all(|s| s.1 == 0.5));
    assert_eq!(now.doubts.len(), 2);
    // All 290 s are in the archive, at three places.
    let rows = archived(history, 290.0);
    assert_eq!(rows.iter().map(|r| r.covered_s).sum::<f64>(), 290.0);
    assert_eq!(rows.iter().map(|r| r.cpu_ns).sum::<u64>(), 145_000_000_000);
    assert!(rows.iter().any(|r| r.start_s > NEW_YEAR_S + 3_000.0));
    assert!(rows.iter().any(|r| r.start_s < NEW_YEAR_S - 3_000.0));
}

#[test]
fn a_reboot_ends_all_containers_of_the_boot_before() {
    let dir = scratch();
    let mut history = History::default();
    let _ = told(&mut history, &[(10.0, 0.0), (20.0, 5.0)]);
    let mut after = round(5.0);
    after.boot_id = "boot-2".into();
    after.wall_s += 60.0;
    let notes = history.record(&after, &[seen(&after, 1, 1.0)]);
    assert_eq!(
        notes[0].to_string(),
        "history: the host was rebooted: 1 containers of the last boot go to the archive"
    );
    assert_eq!((notes.len(), history.len()), (1, 1));
    // Same inode, other boot: nothing inherited.
    let now = history.features(&after, &seen(&after, 1, 1.0), None);
    assert_eq!((now.last_hour, now.age_s), (vec![], 0.0));
    assert_eq!(history.save(dir.path(), &Limits::default()), []);
    let rows: Vec<ArchiveRow> = ArchiveReader::open(dir.path()).unwrap().collect();
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0].key, rows[0].mean), (&key(1), 0.5));
}

#[test]
fn an_absent_container_keeps_its_history_for_an_hour() {
    let mut history = History::default();
    let _ = told(&mut history, &[(10.0, 0.0), (20.0, 5.0)]);
    assert_eq!(history.record(&round(3_620.0), &[]), []);
    assert_eq!(history.len(), 1);
    assert_eq!(history.record(&round(3_620.1), &[]), []);
    assert!(history.is_empty());
}

#[test]
fn without_accounting_the_request_is_the_prediction() {
    let mut history = History::default();
    let now = round(100.0);
    let observation = Observation {
        usage_ns: None,
        ..seen(&now, 1, 0.0)
    };
    for _ in 0..2 {
        assert_eq!(history.record(&now, std::slice::from_ref(&observation)), []);
    }
    let features = history.features(&now, &observation, Some(8.0));
    let prediction = Fallback.predict(&features);
    assert_eq!((prediction.p95, prediction.link), (2.0, Link::Request));
    assert!(
        prediction.why.contains("no CPU time accounting"),
        "{}",
        prediction.why
    );
}

#[test]
fn the_hour_is_an_hour_and_at_most_3600_samples() {
    let mut history = History::default();
    let readings: Vec<(f64, f64)> = (0..=500)
        .map(|i| (f64::from(i) * 10.0, f64::from(i)))
        .collect();
    let _ = told(&mut history, &readings);
    let hour = features(&history, 5_000.0).last_hour;
    // 0 to 3,590 s ago.
    assert_eq!((hour.len(), hour[0].0), (360, 3_590.0));
    let readings: Vec<(f64, f64)> = (0..=4_000)
        .map(|i| (6_000.0 + f64::from(i), 600.0 + f64::from(i) / 10.0))
        .collect();
    let _ = told(&mut history, &readings);
    let hour = features(&history, 10_000.0).last_hour;
    assert_eq!((hour.len(), hour[0]), (3_600, (3_599.0, 0.1)));
}

#[test]
fn archive_rows_by_hand() {
    // Every 15 s for 10 minutes: 0.2 CPU, but 1.4 CPUs in the intervals that
    // end at 60 s and 150 s, and 0.8 in the one that ends at 450 s.
    let mut history = History::default();
    let mut cpu_s = 0.0;
    let readings: Vec<(f64, f64)> = (0..=40)
        .map(|i| {
            let usage = match i {
                0 => 0.0,
                4 | 10 => 1.4,
                30 => 0.8,
                _ => 0.2,
            };
            cpu_s += 15.0 * usage;
            (f64::from(i) * 15.0, cpu_s)
        })
        .collect();
    let _ = told(&mut history, &readings);
    let rows = archived(history, 600.0);
    let plain: Vec<_> = rows
        .iter()
        .map(|r| {
            (
                r.start_s - NEW_YEAR_S,
                r.covered_s,
                r.mean,
                r.max,
                r.p95,
                r.samples,
            )
        })
        .collect();
    // 20 samples a bucket; the P95 is the 19th: 1.4 with two of them, 0.2 with one of 0.8.
    // Means: (18 x 0.2 + 2 x 1.4) / 20 = 0.32, (19 x 0.2 + 0.8) / 20 = 0.23.
    assert_eq!(
        plain,
        [
            (0.0, 300.0, 0.32, 1.4, 1.4, 20),
            (300.0, 300.0, 0.23, 0.8, 0.2, 20)
        ]
    );
    for row in &rows {
        let info = row.info.as_ref().unwrap();
        assert_eq!(
            (&*info.id, info.context.app.as_deref()),
            ("app/1", Some("app"))
        );
        assert_eq!((row.request, row.coarse), (Some(2.0), false));
        assert_eq!(row.key, key(1));
    }
}

#[test]
fn unreadable_times_are_told_and_recorded_nowhere() {
    let mut history = History::default();
    let mut bad = round(f64::NAN);
    bad.wall_s = 5.0;
    let notes = history.record(&bad, &[]);
    assert!(notes[0].to_string().contains("uptime NaN s"), "{notes:?}");
    assert_eq!(history, History::default());
    let good = round(1.0);
    let observation = Observation {
        wall_s: f64::INFINITY,
        ..seen(&good, 1, 0.0)
    };
    let notes = history.record(&good, &[observation]);
    assert!(notes[0].to_string().contains("wall inf s"), "{notes:?}");
    assert!(history.is_empty());
}

#[test]
fn many_short_lived_containers_do_not_pile_up() {
    let mut history = History::default();
    for i in 0..3_000_u64 {
        let now = round(i as f64 / 10.0);
        let _ = history.record(&now, &[seen(&now, i, 0.0)]);
    }
    // 1,024 absent ones and the one that is there.
    assert_eq!(history.len(), 1_025);
}

/// What may happen between two rounds.
#[derive(Clone, Debug)]
enum Step {
    Pass { seconds: f64, share: f64 },
    Reset { seconds: f64 },
    Clock { seconds: f64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (1.0..40.0_f64, 0.0..1.05_f64).prop_map(|(seconds, share)| Step::Pass { seconds, share }),
        1 => (40.0..3_600.0_f64, 0.0..1.0_f64).prop_map(|(seconds, share)| Step::Pass { seconds, share }),
        1 => (1.0..40.0_f64).prop_map(|seconds| Step::Reset { seconds }),
        1 => (-1e5..1e5_f64).prop_map(|seconds| Step::Clock { seconds }),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// CPU time and covered time in the archive are what was observed, to the
    /// nanosecond and millisecond; no usage is negative or above the host.
    #[test]
    fn no_cpu_time_is_lost_or_invented(steps in steps()) {
        let mut history = History::default();
        let (mut uptime_ms, mut offset_s, mut usage_ns) = (10_000_u64, 0.0, 1_u64 << 40);
        let (mut want_ns, mut want_ms) = (0_u64, 0_u64);
        let mut first = true;
        let dir = scratch();
        for (i, step) in steps.iter().enumerate() {
            let before = usage_ns;
            match *step {
                Step::Pass { seconds, share } => {
                    let ms = (seconds * 1000.0) as u64;
                    uptime_ms += ms;
                    usage_ns += (ms as f64 * 1e6 * 8.0 * share) as u64;
                    if !first {
                        want_ms += ms;
                        want_ns += usage_ns - before;
                    }
                }
                Step::Reset { seconds } => {
                    uptime_ms += (seconds * 1000.0) as u64;
                    usage_ns /= 2;
                }
                Step::Clock { seconds } => { offset_s += seconds; continue; }
            }
            first = false;
            let mut now = round(uptime_ms as f64 / 1000.0);
            now.wall_s += offset_s;
            let mut observation = seen(&now, 1, 0.0);
            observation.usage_ns = Some(usage_ns);
            let _ = history.record(&now, &[observation.clone()]);
            let features = history.features(&now, &observation, Some(8.0));
            prop_assert!(features.last_hour.iter().all(|s| s.0 >= 0.0 && (0.0..=8.8).contains(&s.1)));
            prop_assert!((0.0..=8.0).contains(&Fallback.predict(&features).p95));
            // Saving and loading in between changes nothing.
            if i % 7 == 3 {
                prop_assert_eq!(history.save(dir.path(), &Limits { archive_days: 10_000, ..Limits::default() }), []);
                let (loaded, notes) = History::load(dir.path());
                prop_assert_eq!(notes, []);
                prop_assert_eq!(&loaded, &history);
                history = loaded;
            }
        }
        let mut end = round(uptime_ms as f64 / 1000.0 + 7_200.0);
        end.wall_s += offset_s;
        let _ = history.record(&end, &[]);
        prop_assert_eq!(history.save(dir.path(), &Limits { archive_days: 10_000, ..Limits::default() }), []);
        let rows: Vec<ArchiveRow> = ArchiveReader::open(dir.path()).unwrap().collect();
        prop_assert_eq!(rows.iter().map(|r| r.cpu_ns).sum::<u64>(), want_ns);
        prop_assert_eq!(rows.iter().map(|r| (r.covered_s * 1000.0).round() as u64).sum::<u64>(), want_ms);
        for row in &rows {
            prop_assert!(row.p95 <= row.max && row.mean <= row.max + 2e-6, "{row:?}");
        }
    }

    /// Any observations whatever: no panic, no impossible number.
    #[test]
    fn nothing_that_is_observed_breaks_the_store(
        raw in prop::collection::vec(
            (0_u64..4, 0_u8..2, prop::num::f64::ANY, prop::num::f64::ANY, prop::option::of(any::<u64>()), any::<u32>()),
            0..60,
        ),
    ) {
        let mut history = History::default();
        for (inode, boot, wall_s, uptime_s, usage_ns, cpus_online) in raw {
            let mut now = round(uptime_s);
            now.wall_s = wall_s;
            now.cpus_online = cpus_online;
            now.boot_id = format!("boot-{boot}");
            let mut observation = seen(&now, inode, 0.0);
            observation.usage_ns = usage_ns;
            observation.request = Some(wall_s);
            observation.key = ContainerKey { boot_id: now.boot_id.clone(), inode };
            let _ = history.record(&now, &[observation.clone(), observation.clone()]);
            let features = history.features(&now, &observation, Some(uptime_s));
            let prediction = Fallback.predict(&features);
            prop_assert!(prediction.p95.is_finite() && prediction.p95 >= 0.0, "{prediction:?}");
        }
    }
}
