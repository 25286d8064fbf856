#![expect(
    clippy::float_cmp,
    reason = "values are whole numbers or the same bits"
)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]

use proptest::prelude::*;

use super::*;
use crate::predict::dataset::{Levels, Rows};
use crate::predict::features::{CATEGORIES, COUNT};

/// Rows with the given values in the first column and the first category; NaN elsewhere.
fn rows(cells: &[(f32, f32, f32)]) -> Rows {
    let mut rows = Rows::default();
    for &(number, category, target) in cells {
        let mut row = [f32::NAN; COUNT];
        row[0] = number;
        row[CATEGORIES] = category;
        rows.values.extend(row);
        rows.targets.push(target);
        rows.groups.push(0);
    }
    rows
}

fn levels(count: usize) -> Levels {
    let mut levels = Levels::default();
    for i in 0..count {
        levels.intern(&[Some(format!("l{i}")), None, None, None]);
    }
    levels
}

fn grown(rows: &Rows, levels: &Levels, settings: &Settings) -> Grown {
    let cuts = Cuts::of(rows, levels, None, 254);
    let binned = cuts.bin_rows(rows);
    let sample = Sample {
        binned: &binned,
        targets: &rows.targets,
        weights: None,
    };
    grow(&cuts, &sample, None, settings, &mut |_, _| true).unwrap()
}

fn one_tree(leaves: usize) -> Settings {
    Settings {
        trees: 1,
        leaves,
        rate: 1.0,
        least_rows: 1,
        ..Settings::default()
    }
}

/// The same for the median alone: a gradient that tells high from low targets.
fn median_tree() -> Settings {
    Settings {
        quantiles: vec![0.5],
        grown_for: 0,
        ..one_tree(2)
    }
}

fn evaluate(forest: &Forest, number: f64, category: f64) -> Vec<f64> {
    let mut row = vec![f64::NAN; COUNT];
    row[0] = number;
    row[CATEGORIES] = category;
    let mut out = vec![0.0; forest.quantiles().len()];
    forest.evaluate(&row, &mut out);
    out
}

#[test]
fn leaves_are_exact_quantiles() {
    // Below 10: targets 1 to 100; from there on 1001 to 1100.
    let cells: Vec<_> = (0..200_u8)
        .map(|i| {
            let high = i >= 100;
            let target = f32::from(i % 100) + if high { 1_001.0 } else { 1.0 };
            (if high { 12.0 } else { 8.0 }, f32::NAN, target)
        })
        .collect();
    let grown = grown(&rows(&cells), &levels(0), &one_tree(2));
    // The ceil(q n)-th of 100: 50, 90, 95, 99.
    assert_eq!(
        evaluate(&grown.forest, 9.0, f64::NAN),
        [50.0, 90.0, 95.0, 99.0]
    );
    assert_eq!(
        evaluate(&grown.forest, 11.0, f64::NAN),
        [1_050.0, 1_090.0, 1_095.0, 1_099.0]
    );
    // Bins are 8 and 12: the border is between.
    assert_eq!(grown.importance[0], 1.0);
}

#[test]
fn missing_learns_its_direction() {
    // Missing behaves like the large ones, then like the small ones.
    for large in [true, false] {
        let cells: Vec<_> = (0..300_u16)
            .map(|i| {
                let number = [1.0, 2.0, f32::NAN][usize::from(i % 3)];
                let high = number == 2.0 || (number.is_nan() && large);
                (
                    number,
                    f32::NAN,
                    if high { 100.0 } else { 0.0 } + f32::from(i % 5),
                )
            })
            .collect();
        let grown = grown(&rows(&cells), &levels(0), &median_tree());
        let [low, high, missing] =
            [1.0, 2.0, f64::NAN].map(|x| evaluate(&grown.forest, x, f64::NAN)[0]);
        assert!(high - low > 90.0);
        let near = if large { high } else { low };
        assert!((missing - near).abs() < 1e-9, "{low} {high} {missing}");
    }
}

#[test]
fn categories_are_split_by_sets_and_unseen_is_missing() {
    // Levels 0, 2 and what is missing are low, 1 and 3 high: no order of codes
    // does it in one split. 250 rows each: all are frequent. Level 4 is rare.
    let cells: Vec<_> = (0..1_250_u16)
        .map(|i| {
            let code = [0.0, 1.0, 2.0, 3.0, f32::NAN][usize::from(i % 5)];
            let high = code == 1.0 || code == 3.0;
            (
                f32::NAN,
                code,
                if high { 50.0 } else { 0.0 } + f32::from(i % 7),
            )
        })
        .chain((0..10).map(|_| (f32::NAN, 4.0, 50.0)))
        .collect();
    let grown = grown(&rows(&cells), &levels(6), &median_tree());
    let forest = &grown.forest;
    let crate::predict::forest::Kind::Categorical { levels } = &forest.columns()[CATEGORIES].kind
    else {
        panic!("a category is expected");
    };
    assert_eq!(levels.len(), 5, "level 5 was never seen");
    let value = |name: &str| {
        let index = levels.iter().position(|l| l == name);
        evaluate(forest, f64::NAN, index.map_or(f64::NAN, |i| i as f64))[0]
    };
    let [low, high] = [value("l0"), value("l1")];
    assert!(high - low > 40.0);
    assert_eq!((value("l2"), value("l3"), value("l5")), (low, high, low));
}

/// Rows of random numbers whose target depends on some of them.
fn noisy(count: u32, seed: u64) -> Rows {
    let mut rows = Rows::default();
    for index in 0..count {
        let mut row = [f32::NAN; COUNT];
        let draw = |k: u64| drawn_unit(mix(seed ^ mix(u64::from(index) * 64 + k)));
        for (k, value) in (0..).zip(row.iter_mut().take(6)) {
            *value = draw(k);
        }
        if draw(9) < 0.1 {
            row[1] = f32::NAN;
        }
        row[CATEGORIES] = (draw(10) * 9.0).floor();
        let noise = draw(11) * draw(12);
        rows.targets
            .push(row[0] * 10.0 + row[2] * row[CATEGORIES] + 5.0 * noise);
        rows.values.extend(row);
        rows.groups.push(0);
    }
    rows
}

fn drawn_unit(bits: u64) -> f32 {
    (bits >> 40) as f32 / (1_u64 << 24) as f32
}

#[test]
fn threads_change_no_byte() {
    let rows = noisy(130_000, 5);
    let forest = |threads, row_share, column_share| {
        let settings = Settings {
            trees: 3,
            leaves: 15,
            row_share,
            column_share,
            threads,
            ..Settings::default()
        };
        grown(&rows, &levels(9), &settings).forest
    };
    assert_eq!(forest(1, 1.0, 1.0), forest(3, 1.0, 1.0));
    let sampled = forest(1, 0.7, 0.6);
    assert_eq!(sampled, forest(2, 0.7, 0.6));
    assert_ne!(sampled, forest(1, 1.0, 1.0));
}

#[test]
fn loss_falls_and_coverage_is_met() {
    let train = noisy(20_000, 1);
    let later = noisy(5_000, 2);
    let levels = levels(9);
    let cuts = Cuts::of(&train, &levels, None, 254);
    let (binned, later_binned) = (cuts.bin_rows(&train), cuts.bin_rows(&later));
    let train_sample = Sample {
        binned: &binned,
        targets: &train.targets,
        weights: None,
    };
    let later_sample = Sample {
        binned: &later_binned,
        targets: &later.targets,
        weights: None,
    };
    let settings = Settings {
        trees: 60,
        leaves: 15,
        patience: 10,
        ..Settings::default()
    };
    let grown = grow(
        &cuts,
        &train_sample,
        Some(&later_sample),
        &settings,
        &mut |_, _| true,
    )
    .unwrap();
    let least = grown.losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(least < 0.5 * grown.losses[0], "{:?}", grown.losses);
    // The kept trees are those up to the least loss, and the forest says the
    // same about later rows as growth did.
    let kept = grown.forest.trees().len();
    assert!(grown.losses[kept - 1] <= least);
    let mut out = vec![0.0; 4];
    let (mut covered, mut loss) = (0.0, 0.0);
    for index in 0..later.len() {
        let mut row: Vec<f64> = later.row(index).iter().map(|&v| f64::from(v)).collect();
        // The dictionary is by frequency.
        let crate::predict::forest::Kind::Categorical { levels } =
            &grown.forest.columns()[CATEGORIES].kind
        else {
            panic!("a category is expected");
        };
        let name = format!("l{}", row[CATEGORIES]);
        row[CATEGORIES] = levels.iter().position(|l| *l == name).unwrap() as f64;
        grown.forest.evaluate_raw(&row, &mut out);
        let miss = f64::from(later.targets[index]) - out[2];
        covered += f64::from(u8::from(miss <= 0.0)) / 5_000.0;
        loss += pinball(miss, 0.95) / 5_000.0;
    }
    assert!((loss - least).abs() < 1e-4 * least, "{loss} {least}");
    // 0.95 within five standard errors and what boosting overfits.
    assert!((covered - 0.95).abs() < 0.03, "{covered}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn quantiles_do_not_cross(values in prop::collection::vec(-1.0..2.0_f64, 6), category in 0..12_u8) {
        static FOREST: std::sync::LazyLock<Forest> = std::sync::LazyLock::new(|| {
            let settings = Settings { trees: 20, leaves: 7, ..Settings::default() };
            grown(&noisy(3_000, 3), &levels(9), &settings).forest
        });
        let mut row = vec![f64::NAN; COUNT];
        row[..6].copy_from_slice(&values);
        row[CATEGORIES] = f64::from(category);
        let mut out = vec![0.0; 4];
        FOREST.evaluate(&row, &mut out);
        prop_assert!(out.windows(2).all(|w| w[0] <= w[1]), "{:?}", out);
    }
}
