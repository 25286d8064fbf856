//! The pure core on the embedded host (64 threads, 8 containers): a whole
//! decision at a fixed work count, the build of the problem and its model, the
//! rebuild of a solution into threads.
//!
//! Method: `cargo bench --bench decide`; the search stops at a work count, so
//! that every iteration does the same.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![expect(clippy::expect_used, reason = "a bench may stop on broken input")]

use std::hint::black_box;
use std::time::Duration;

use cpufence::cpuset::CpuSet;
use cpufence::engine::{Event, decide, embedded_state};
use cpufence::placement::solve::Prepared;
use cpufence::placement::{HostModels, Instance, Problem, parse_host};
use criterion::{Criterion, criterion_group, criterion_main};

/// Enough for the local search, none for the tree.
const WORK: u64 = 8192;

fn instance() -> Instance {
    parse_host(include_bytes!("../fixtures/demo/host.json"), "host.json").expect("the demo's host")
}

fn bench(c: &mut Criterion) {
    let mut state = embedded_state().expect("the embedded host");
    state.settings.solve.budget = None;
    state.settings.solve.work_limit = Some(WORK);
    c.bench_function("decide, 64 threads, local search alone", |b| {
        b.iter(|| {
            let mut hosts = HostModels::default();
            decide(black_box(&state), &Event::Rebalance, &mut hosts, &|| {
                Duration::ZERO
            })
        });
    });
    let instance = instance();
    c.bench_function("build, 64 threads", |b| {
        b.iter(|| Problem::new(black_box(&instance), &CpuSet::new()).expect("a problem"));
    });
    let problem = Problem::new(&instance, &CpuSet::new()).expect("a problem");
    let mut next = 0;
    let mut start = vec![None; problem.threads.len()];
    for (container, index) in problem.containers.iter().zip(0u32..) {
        start[next..next + container.request].fill(Some(index));
        next += container.request;
    }
    c.bench_function("model, with one rebuild, 64 threads", |b| {
        b.iter(|| Prepared::new(black_box(&problem), &start));
    });
    let prepared = Prepared::new(&problem, &start);
    c.bench_function("rebuild, 64 threads", |b| {
        b.iter(|| prepared.rebuild_start());
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
