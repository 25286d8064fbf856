//! Prediction: one row, the link of trees with features, 200 containers of a round,
//! and loading a model. The model has the shape of a trained one (200 trees of 63
//! leaves, four quantiles), its splits are drawn; speed does not depend on its worth.
//!
//! `cargo bench --bench predict`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "bench code"
)]

use std::hint::black_box;

use cpufence::cgroup::{ContainerKey, Context};
use cpufence::history::{History, Observation, Round};
use cpufence::predict::features::{FEATURES, Kind as FeatureKind};
use cpufence::predict::forecast::{Chain, Forecast};
use cpufence::predict::forest::{Child, Column, Forest, Kind, Missing, Node, Split, Tree};
use cpufence::predict::model::{Metadata, Model, Origin, Target, round_leaves};
use cpufence::predict::online::Pace;
use cpufence::predict::trees::Trees;
use criterion::{Criterion, criterion_group, criterion_main};

/// xorshift64* (Vigna 2016).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u16) -> u16 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        u16::try_from(value % u64::from(limit)).unwrap()
    }
}

/// A balanced tree of 63 leaves.
fn tree(random: &mut Random) -> Tree {
    let mut tree = Tree::default();
    let numeric: Vec<u16> = (0_u16..)
        .zip(&FEATURES)
        .filter(|(_, f)| f.kind != FeatureKind::Category)
        .map(|(i, _)| i)
        .collect();
    // Node i has children 2 i + 1 and 2 i + 2; from 62 on they are leaves.
    let child = |at: usize| {
        if at < 62 {
            Child::node(at)
        } else {
            Child::leaf(at - 62)
        }
    };
    for i in 0..62 {
        let pick = random.below(u16::try_from(numeric.len()).unwrap());
        tree.nodes.push(Node {
            split: Split::Numeric {
                threshold: f64::from(random.below(255)) * 0.4,
                missing: Missing::NaN,
                missing_left: random.below(2) == 0,
            },
            feature: numeric[usize::from(pick)],
            left: child(2 * i + 1).unwrap(),
            right: child(2 * i + 2).unwrap(),
        });
    }
    tree.leaves = (0..63 * 4)
        .map(|_| f64::from(random.below(1000)) / 1e4)
        .collect();
    tree
}

fn model() -> Model {
    let mut random = Random(7);
    let column = |f: &cpufence::predict::features::Feature| Column {
        name: f.name.into(),
        kind: match f.kind {
            FeatureKind::Category => Kind::Categorical {
                levels: vec!["a".into(), "b".into()],
            },
            _ => Kind::Numeric {
                least: -1e9,
                most: 1e9,
            },
        },
    };
    let trees = (0..200).map(|_| tree(&mut random)).collect();
    let columns = FEATURES.iter().map(column).collect();
    let quantiles = vec![0.5, 0.9, 0.95, 0.99];
    let forest = Forest::new(columns, quantiles, vec![1.0; 4], trees).unwrap();
    let metadata = Metadata {
        origin: Origin::Grown,
        target: Target::Plain,
        groups: Vec::new(),
        rows: 0,
        interval_s: Some((10.0, 300.0)),
        seed: 0,
        newest_s: 1.7e9,
        offsets: Vec::new(),
        pace: Pace::default(),
        importance: Vec::new(),
        licence: String::new(),
    };
    Model::new(metadata, vec![round_leaves(forest).unwrap()]).unwrap()
}

fn predict(c: &mut Criterion) {
    let model = model();
    let bytes = model.encode().unwrap();
    println!("model file: {} bytes", bytes.len());
    c.bench_function("load a model", |b| {
        b.iter(|| Model::decode(black_box(&bytes)).unwrap());
    });
    // Rows all over the thresholds, so that branches are not learned by heart.
    let mut random = Random(3);
    let rows: Vec<Vec<f64>> = (0..1000)
        .map(|_| {
            FEATURES
                .iter()
                .map(|_| f64::from(random.below(255)) * 0.4)
                .collect()
        })
        .collect();
    let mut out = [0.0; 4];
    let mut next = 0;
    c.bench_function("trees alone, one row, four quantiles", |b| {
        b.iter(|| {
            next = (next + 1) % rows.len();
            model.evaluate(black_box(&rows[next]), &mut out);
            out[2]
        });
    });
    // 200 containers with an hour of samples every 10 s and a week of memory at 5 min.
    let trees = Trees::new(model, 1).unwrap();
    let chain = Chain {
        trees: Ok(&trees),
        coverage: 0.95,
        step: None,
    };
    let (mut history, mut forecast) = (History::default(), Forecast::default());
    let mut used = vec![0_u64; 200];
    let mut uptime_s = 1_000.0;
    let mut known = Vec::new();
    let mut last = None;
    for i in 0..2_016 + 360 {
        let step_s = if i < 2_016 { 300.0 } else { 10.0 };
        uptime_s += step_s;
        let now = Round {
            boot_id: "boot".into(),
            wall_s: 1.7e9 + uptime_s,
            uptime_s,
            cpus_online: 256,
        };
        let mut samples = Vec::new();
        for (inode, ns) in (1_u64..).zip(&mut used) {
            let share = f64::from(random.below(1000)) / 1000.0;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "nanoseconds of minutes"
            )]
            let spent = (share * step_s * 1e9) as u64;
            *ns += spent;
            samples.push(Observation {
                key: ContainerKey {
                    boot_id: "boot".into(),
                    inode,
                },
                id: format!("c{inode}"),
                context: Context::default(),
                request: Some(2.0),
                wall_s: now.wall_s,
                uptime_s,
                usage_ns: Some(*ns),
            });
        }
        let _ = history.record(&now, &samples);
        forecast.observe(&history, &now, &samples, &chain);
        known = samples
            .iter()
            .map(|s| (s.key.clone(), history.features(&now, s, Some(2.0))))
            .collect();
        last = Some((now, samples));
    }
    let (now, samples) = last.unwrap();
    c.bench_function("200 containers: features and trees", |b| {
        b.iter(|| forecast.predict(&now, black_box(&known), &chain));
    });
    c.bench_function("200 containers: new samples and outcomes", |b| {
        b.iter(|| forecast.observe(&history, &now, black_box(&samples), &chain));
    });
    let predictions = forecast.predict(&now, &known, &chain);
    assert!(
        predictions
            .iter()
            .all(|p| p.link == cpufence::predict::Link::Trees)
    );
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(forecast.save(dir.path()), None);
    let size = std::fs::metadata(dir.path().join("predict.hot"))
        .unwrap()
        .len();
    println!("what is remembered of 200 containers: {size} bytes");
}

criterion_group!(benches, predict);
criterion_main!(benches);
