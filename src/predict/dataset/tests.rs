#![expect(
    clippy::disallowed_methods,
    reason = "writes traces into a scratch directory"
)]
#![allow(
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small whole numbers"
)]

use std::io::Write as _;

use proptest::prelude::*;

use super::*;
use crate::predict::features::{FEATURES, HOUR_MAX};

fn info(interval_s: f64) -> TraceInfo {
    TraceInfo {
        id: "a".into(),
        group: "g".into(),
        interval_s,
        cpus: Some(2.0),
        memory_mib: None,
        categories: Default::default(),
        of_core: false,
    }
}

/// All rows: time, features, target.
fn rows(info: &TraceInfo, samples: &[(f64, f64)]) -> Vec<(f64, [f32; COUNT], f64)> {
    let mut rows = Vec::new();
    walk(
        info,
        samples,
        [f32::NAN; 4],
        |_| true,
        |moment, target| {
            let mut row = [0.0; COUNT];
            fill_row(moment, &mut row);
            rows.push((moment.now_s, row, target));
        },
    );
    rows
}

fn feature(row: &[f32; COUNT], name: &str) -> f32 {
    row[FEATURES.iter().position(|f| f.name == name).unwrap()]
}

proptest! {
    /// A walk in parts, each stored and read again, visits the rows of a walk at once to the last bit.
    #[test]
    fn a_walk_that_goes_on_is_one_walk(
        steps in prop::collection::vec((1..4_u32, 0..100_u32), 1..400),
        cuts in prop::collection::vec(0..400_usize, 0..6),
        interval_s in prop::sample::select(vec![60.0, 300.0, 600.0, 900.0]),
    ) {
        let mut time_s = 1e9;
        let samples: Vec<(f64, f64)> = steps
            .iter()
            .map(|&(gap, value)| {
                // Gaps seldom.
                let gap = if gap == 3 && value > 90 { value } else { 1 };
                time_s += interval_s * f64::from(gap);
                (time_s, f64::from(value) / 7.0)
            })
            .collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|c| c % (samples.len() + 1)).collect();
        cuts.extend([0, samples.len()]);
        cuts.sort_unstable();
        let (mut going, mut found) = (Walk::default(), Vec::new());
        for part in cuts.windows(2) {
            let stored = crate::codec::encode_value(&going).unwrap();
            going = crate::codec::decode_value(&stored).unwrap();
            prop_assert!(going.is_sound());
            let part = &samples[part[0]..part[1]];
            going.extend(&info(interval_s), part, [f32::NAN; 4], |_| true, |moment, target| {
                let mut row = [0.0; COUNT];
                fill_row(moment, &mut row);
                found.push((moment.now_s, row, target));
            });
        }
        let bits = |rows: &[(f64, [f32; COUNT], f64)]| -> Vec<_> {
            rows.iter().map(|r| (r.0.to_bits(), r.1.map(f32::to_bits), r.2.to_bits())).collect()
        };
        prop_assert_eq!(bits(&found), bits(&rows(&info(interval_s), &samples)));
    }
}

#[test]
fn eligible_rows_and_targets_by_hand() {
    // Every 300 s from 0 on, value = index. The first eligible sample is the
    // 12th: 11 x 300 = 3600 - 300. The target is the larger of the next two.
    let samples: Vec<(f64, f64)> = (0..16_u32)
        .map(|i| (300.0 * f64::from(i), f64::from(i)))
        .collect();
    let found = rows(&info(300.0), &samples);
    let times: Vec<(f64, f64)> = found.iter().map(|r| (r.0, r.2)).collect();
    assert_eq!(times, [(3_300.0, 13.0), (3_600.0, 14.0), (3_900.0, 15.0)]);
    let (_, row, _) = &found[1];
    // At 3600 s the hour is (0, 3600]: samples 1 to 12.
    assert_eq!((row[HOUR_MAX], feature(row, "hour_min")), (12.0, 1.0));
    assert_eq!((row[0], row[11]), (12.0, 1.0));
    assert_eq!(feature(row, "p95_50_60min"), 2.0);
    assert_eq!(feature(row, "hour_slope"), 12.0);
    assert_eq!(feature(row, "present"), 1.0);
    // Without sample 14 no ten minutes that hold it are whole.
    let mut gap = samples.clone();
    gap.remove(14);
    let times: Vec<f64> = rows(&info(300.0), &gap).iter().map(|r| r.0).collect();
    assert_eq!(times, [3_300.0]);
}

#[test]
fn one_minute_rows_by_hand() {
    // 60 samples of an hour and ten more: the rank is ceil(0.95 x 10) = 10.
    let samples: Vec<(f64, f64)> = (0..70_u32)
        .map(|i| (60.0 * f64::from(i), f64::from(i)))
        .collect();
    let found = rows(&info(60.0), &samples);
    assert_eq!(found.len(), 1);
    let (now_s, row, target) = &found[0];
    assert_eq!((*now_s, *target), (3_540.0, 69.0));
    // Minutes 55 to 59; the oldest five minutes hold samples 0 to 4.
    assert_eq!((row[0], row[11]), (57.0, 2.0));
    assert_eq!(feature(row, "interval_s"), 60.0);
}

#[test]
fn an_interval_beyond_ten_minutes_has_no_rows() {
    let samples: Vec<(f64, f64)> = (0..50_u32).map(|i| (900.0 * f64::from(i), 1.0)).collect();
    assert!(rows(&info(900.0), &samples).is_empty());
}

#[test]
fn yesterday_comes_back() {
    // A peak of 80 at the same time each day, 1 otherwise.
    let samples: Vec<(f64, f64)> = (0..3 * 288_u32)
        .map(|i| {
            (
                300.0 * f64::from(i),
                if i % 288 == 100 { 80.0 } else { 1.0 },
            )
        })
        .collect();
    let found = rows(&info(300.0), &samples);
    let before_peak = found.iter().find(|r| r.0 == 300.0 * 675.0).unwrap();
    assert_eq!(before_peak.2, 80.0);
    assert_eq!(feature(&before_peak.1, "day_ago"), 80.0);
    assert_eq!(feature(&before_peak.1, "hour_max"), 1.0);
    assert_eq!(feature(&before_peak.1, "max_24h"), 80.0);
    let later = found.iter().find(|r| r.0 == 300.0 * 700.0).unwrap();
    assert_eq!(feature(&later.1, "day_ago"), 1.0);
    // One day of history: no day ago.
    assert!(feature(&found[0].1, "day_ago").is_nan());
}

/// Traces with gaps: values, each with how many samples are missing before it.
fn traces() -> impl Strategy<Value = (f64, Vec<(f64, f64)>)> {
    let steps = prop::collection::vec((0.0..100.0_f64, 0_u8..20), 40..400);
    (prop::sample::select(vec![60.0, 300.0]), steps).prop_map(|(interval_s, steps)| {
        let mut time_s = 1.3e9;
        let mut samples = Vec::new();
        for (value, gap) in steps {
            // Mostly none.
            time_s += interval_s * f64::from(1 + gap.saturating_sub(17));
            samples.push((time_s, value));
        }
        (interval_s, samples)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_future_changes_no_feature((interval_s, samples) in traces(), cut in 0.2..0.9_f64) {
        let info = info(interval_s);
        let cut = (cut * samples.len() as f64) as usize;
        let mut changed = samples.clone();
        for sample in &mut changed[cut + 1..] {
            sample.1 = 99.0 - sample.1 / 2.0;
        }
        let now_s = samples[cut].0;
        let known = |samples: &[(f64, f64)]| -> Vec<Vec<u32>> {
            let rows = rows(&info, samples);
            let rows = rows.iter().filter(|r| r.0 <= now_s);
            rows.map(|r| r.1.iter().map(|v| v.to_bits()).collect()).collect()
        };
        prop_assert_eq!(known(&samples), known(&changed));
        // Nor does it matter whether there is one, but for what is eligible.
        let alone = known(&samples[..=cut]);
        let with = known(&samples);
        prop_assert_eq!(&alone[..], &with[..alone.len()]);
    }

    #[test]
    fn targets_are_ranks_of_what_came((interval_s, samples) in traces()) {
        for (now_s, _, target) in rows(&info(interval_s), &samples) {
            let ahead: Vec<f64> = samples
                .iter()
                .filter(|s| s.0 > now_s && s.0 <= now_s + 600.0)
                .map(|s| s.1)
                .collect();
            let wanted = (0.95 * ahead.len() as f64).ceil();
            prop_assert_eq!(ahead.len(), (600.0 / interval_s) as usize);
            let below = ahead.iter().filter(|v| **v <= target).count();
            let strictly = ahead.iter().filter(|v| **v < target).count();
            prop_assert!(below as f64 >= wanted && (strictly as f64) < wanted);
        }
    }
}

/// A directory of traces with these samples.
fn folder(samples: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let mut file = std::fs::File::create(dir.path().join(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    file(
        "meta.csv",
        "trace_id,group,interval_s,cpus,owner_or_app\na,g,300,2,me\nb,g,60,,\n",
    );
    file("s.csv", samples);
    dir
}

fn visit(dir: &tempfile::TempDir) -> Result<Vec<(String, usize)>, String> {
    let mut seen = Vec::new();
    let folder = TraceFolder::open(dir.path()).map_err(|e| e.to_string())?;
    folder
        .visit(|info, samples| seen.push((info.id.clone(), samples.len())))
        .map_err(|e| e.to_string())?;
    Ok(seen)
}

#[test]
fn broken_lines_are_named() {
    let head = "trace_id,timestamp_s,cpu_pct\n";
    let cases = [
        ("x,y\n", "line 1: the header is"),
        ("a,0\n", "line 2: 2 fields, expected 3"),
        (",0,1\n", "line 2, column trace_id: is empty"),
        ("a,x,1\n", "line 2, column timestamp_s: \"x\""),
        ("a,0,nan\n", "line 2, column cpu_pct: \"nan\""),
        ("a,0,inf\n", "line 2, column cpu_pct: \"inf\""),
        ("a,0,-1\n", "line 2, column cpu_pct: \"-1\""),
        (
            "a,300,1\na,300,1\n",
            "line 3, column timestamp_s: 300 is not after 300",
        ),
        (
            "a,300,1\na,360,1\n",
            "line 3, column timestamp_s: 60 s after the row above",
        ),
        (
            "a,0,1\nb,0,1\na,300,1\n",
            "line 4, column trace_id: \"a\" was ended above",
        ),
        (
            "c,0,1\n",
            "line 2, column trace_id: \"c\" is not in the meta file",
        ),
        ("", "has no traces"),
    ];
    for (body, expected) in cases {
        let text = if body.starts_with('x') {
            body.to_string()
        } else {
            format!("{head}{body}")
        };
        let error = visit(&folder(&text)).unwrap_err();
        assert!(error.contains(expected), "{body:?}: {error}");
    }
    let whole = visit(&folder(&format!("{head}a,0,1\na,900,2\nb,0,1\n")));
    assert_eq!(whole.unwrap(), [("a".into(), 2), ("b".into(), 1)]);
    let empty = tempfile::tempdir().unwrap();
    assert!(visit(&empty).unwrap_err().contains("has no traces"));
}

#[test]
fn parts_follow_each_other_and_overlap_nowhere() {
    // Ten days of 5-minute samples.
    let mut text = String::from("trace_id,timestamp_s,cpu_pct\n");
    for i in 0..2_880 {
        text += &format!("a,{},{}\n", 300 * i, i % 7);
    }
    let dir = folder(&text);
    let folder = TraceFolder::open(dir.path()).unwrap();
    let split = Split::of(&folder).unwrap();
    let group = &split.groups["g"];
    // Days 0 to 5, 6 and 7, 8 and 9.
    assert_eq!(group.cuts, [6.0 * 86_400.0, 8.0 * 86_400.0]);
    assert_eq!(split.part("g", 6.0 * 86_400.0 - 600.0), Some(Part::Train));
    assert_eq!(split.part("g", 6.0 * 86_400.0 - 300.0), None);
    assert_eq!(
        split.part("g", 6.0 * 86_400.0 + 300.0),
        Some(Part::Calibrate)
    );
    assert_eq!(split.part("g", 8.0 * 86_400.0 + 300.0), Some(Part::Test));
    assert_eq!(split.part("h", 0.0), None);
    // 11 samples without history, 2 without outcome.
    let rows = [Part::Train, Part::Calibrate, Part::Test].map(|part| split.rows(part));
    assert_eq!(rows, [6 * 288 - 11, 576, 576 - 2]);
    let limits = RowLimits {
        train: u64::MAX,
        calibrate: u64::MAX,
    };
    let dataset = Dataset::read(&folder, &split, limits, 0).unwrap();
    // Two rows before each cut reach over it, the one at the cut does too.
    assert_eq!(dataset.train.len(), 6 * 288 - 11 - 1);
    assert_eq!(dataset.levels.names(0), ["me"]);
}

#[test]
fn thinning_keeps_its_share() {
    let mut split = Split::default();
    for (name, rows) in [("large", 900_000), ("small", 900)] {
        let group = split.groups.entry(name.into()).or_default();
        group.rows = [rows, 0, 0];
    }
    let thinning = Thinning::of(&split, Part::Train, 300_000);
    let kept = |group: &str| {
        let keeps = |i: &u32| thinning.keeps(group, "a", f64::from(300 * i), 7);
        (0..9_000_u32).filter(keeps).count()
    };
    assert_eq!(kept("small"), 9_000);
    // A third of 9,000; five standard deviations are 224.
    assert!(kept("large").abs_diff(3_000) < 224, "{}", kept("large"));
}
