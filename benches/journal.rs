//! What the journal costs a round: 40 containers on 64 threads, 20 KiB of
//! decision a round.
//!
//! `begin` and `commit` each append and sync once, on the file system of the
//! temporary directory (`TMPDIR`); `open` reads a newest segment that is full.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

use std::hint::black_box;

use cpufence::cgroup::apply::read_originals;
use cpufence::cgroup::journal::JournalState;
use cpufence::cgroup::journal::{DIRECTORY, Disk, Journal, Limits, RealDisk, read_state};
use cpufence::cgroup::kernel_model::KernelModel;
use cpufence::cgroup::{Container, CpusetTree, Version, plan_writes};
use cpufence::cpuset::{CpuId, CpuSet};
use criterion::{Criterion, criterion_group, criterion_main};

const MOUNT: &str = "/sys/fs/cgroup/cpuset";
const PAYLOAD: usize = 20 << 10;

fn containers(kernel: &KernelModel) -> Vec<Container> {
    let path = |i: u32| format!("cri-containerd-{i:064}.scope");
    for i in 0..40 {
        kernel.make(path(i).as_bytes(), "0-63").unwrap();
    }
    (0..40)
        .map(|i| kernel.container(path(i).as_bytes()))
        .collect()
}

fn journal(bench: &mut Criterion) {
    let kernel = KernelModel::new(Version::V1, MOUNT, 64);
    let containers = containers(&kernel);
    let one = |cpu: u32| -> CpuSet { [CpuId(cpu)].into_iter().collect() };
    let moves: Vec<_> = containers.iter().zip((0..40).map(one)).collect();
    let writes = plan_writes(Version::V1, &moves, &JournalState::default()).unwrap();
    let tree = CpusetTree {
        host: &kernel,
        mount: MOUNT.into(),
        version: Version::V1,
        boot_id: containers[0].key.boot_id.clone(),
    };
    let originals = read_originals(&tree, &containers, &JournalState::default()).unwrap();
    let settled: Vec<_> = moves
        .iter()
        .map(|(c, set)| (c.key.clone(), set.clone()))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let open = || Journal::open_with(Box::new(RealDisk), dir.path(), Limits::default()).unwrap();
    let round = |journal: &mut Journal| {
        let needed = if journal.state().seq == 0 {
            originals.clone()
        } else {
            Vec::new()
        };
        let seq = journal.begin(vec![7; PAYLOAD], needed, &writes).unwrap();
        journal.commit(seq, Vec::new(), settled.clone()).unwrap();
    };
    let mut first = open();
    bench.bench_function("journal/begin and commit, two syncs", |b| {
        b.iter(|| round(&mut first));
    });
    // Until the newest segment is as full as it gets.
    let inner = dir.path().join(DIRECTORY);
    let newest = || {
        let names = RealDisk.list(&inner).unwrap();
        RealDisk.size(&inner.join(names.last().unwrap())).unwrap()
    };
    while newest() < Limits::default().segment_bytes {
        round(&mut first);
    }
    drop(first);
    bench.bench_function("journal/open", |b| b.iter(|| black_box(open().state().seq)));
    bench.bench_function("journal/read_state", |b| {
        b.iter(|| black_box(read_state(dir.path()).unwrap().0.seq));
    });
    bench.bench_function("journal/plan_writes", |b| {
        b.iter(|| plan_writes(Version::V1, black_box(&moves), &JournalState::default()));
    });
}

criterion_group!(benches, journal);
criterion_main!(benches);
