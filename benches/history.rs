//! What a round costs: 40 containers with a full hour of 10 s samples.
//!
//! `load`, `record` + features + prediction, and `save` (two fsyncs; on a
//! memory file system if the temporary directory is one). The files are real.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

use cpufence::cgroup::{ContainerKey, Context};
use cpufence::history::{History, Limits, Observation, Round};
use cpufence::predict::{Fallback, Predictor};
use criterion::{Criterion, criterion_group, criterion_main};

const CONTAINERS: u64 = 40;

fn round(number: u32) -> Round {
    let uptime_s = 1_000.0 + 10.0 * f64::from(number);
    Round {
        boot_id: "2c3f6f0e-8a6e-4b57-9a5e-0d7e3b1f2a4c".into(),
        wall_s: 1_767_225_600.0 + uptime_s,
        uptime_s,
        cpus_online: 64,
    }
}

/// Container `c` uses between 0 and 2 CPUs, another share every round.
fn observe(round: &Round, number: u32) -> Vec<Observation> {
    let one = |c: u64| Observation {
        key: ContainerKey {
            boot_id: round.boot_id.clone(),
            inode: 10_000 + c,
        },
        id: format!(
            "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{c}.slice/cri-containerd-{c:064}.scope"
        ),
        context: Context {
            app: Some(format!("app-{c}")),
            image: Some("team/app:1.2.3".into()),
            ..Context::default()
        },
        request: Some(2.0),
        wall_s: round.wall_s,
        uptime_s: round.uptime_s,
        usage_ns: Some(
            (0..=u64::from(number))
                .map(|i| (i * 7_919 + c * 104_729) % 20_000_000_000)
                .sum(),
        ),
    };
    (0..CONTAINERS).map(one).collect()
}

fn full_hour() -> History {
    let mut history = History::default();
    for number in 0..400 {
        let now = round(number);
        let _ = history.record(&now, &observe(&now, number));
    }
    history
}

fn bench(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let mut history = full_hour();
    assert!(history.save(dir.path(), &Limits::default()).is_empty());
    let bytes = std::fs::metadata(dir.path().join("usage.hot"))
        .unwrap()
        .len();
    let mut group = criterion.benchmark_group(format!("history of 40 containers, {bytes} bytes"));
    group.bench_function("load", |b| b.iter(|| History::load(dir.path())));
    let now = round(400);
    let observations = observe(&now, 400);
    group.bench_function("record", |b| {
        b.iter_batched(
            || history.clone(),
            |mut history| {
                let notes = history.record(&now, &observations);
                (history, notes)
            },
            criterion::BatchSize::LargeInput,
        );
    });
    let mut recorded = history.clone();
    let _ = recorded.record(&now, &observations);
    group.bench_function("features and predictions", |b| {
        b.iter(|| {
            let predict = |o| Fallback.predict(&recorded.features(&now, o, Some(2.0))).p95;
            observations.iter().map(predict).sum::<f64>()
        });
    });
    group.bench_function("save", |b| {
        b.iter(|| recorded.save(dir.path(), &Limits::default()))
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
