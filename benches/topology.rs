//! How long it takes to read a host of 64 threads.
//!
//! The tree has what a current x86 kernel shows of 2 sockets with 2 L3 caches of
//! 8 cores with 2 threads each, in a memory file system where there is one. On
//! the real sysfs a read costs more, because the kernel prints each file anew.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "bench code"
)]

use std::fs;
use std::path::Path;

use cpufence::cgroup::RealHost;
use cpufence::cpuset::CpuSet;
use cpufence::topology::{Level, Topology, make_topology, read_topology};
use criterion::{Criterion, criterion_group, criterion_main};

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join("sys/devices/system").join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("{text}\n")).unwrap();
}

/// Writes the files that a kernel would show of `topology`.
fn write_tree(root: &Path, topology: &Topology) {
    let all = topology.online().to_string();
    for name in ["online", "present", "possible"] {
        put(root, &format!("cpu/{name}"), &all);
    }
    put(root, "cpu/isolated", "");
    for (node, cpus) in topology.groups(Level::Numa) {
        put(root, &format!("node/node{node}/cpulist"), &cpus.to_string());
    }
    for cpu in &topology.cpus {
        let group =
            |level| -> CpuSet { topology.groups(level)[&cpu.label(level).unwrap()].clone() };
        let (core, l3, socket) = (group(Level::Core), group(Level::L3), group(Level::Socket));
        let file = |name: &str, text: &str| put(root, &format!("cpu/cpu{}/{name}", cpu.id), text);
        file("topology/core_cpus_list", &core.to_string());
        file("topology/thread_siblings_list", &core.to_string());
        file("topology/package_cpus_list", &socket.to_string());
        file("topology/die_cpus_list", &socket.to_string());
        file(
            "topology/physical_package_id",
            &cpu.socket.unwrap().to_string(),
        );
        file("topology/die_id", "0");
        file("topology/core_id", &cpu.core.unwrap().to_string());
        file("cpufreq/cpuinfo_max_freq", "3500000");
        let caches = [
            (1, "Data"),
            (1, "Instruction"),
            (2, "Unified"),
            (3, "Unified"),
        ];
        for (index, (level, kind)) in caches.iter().enumerate() {
            let shared = if *level == 3 { &l3 } else { &core };
            let file = |name: &str, text: &str| file(&format!("cache/index{index}/{name}"), text);
            file("level", &level.to_string());
            file("type", kind);
            file("shared_cpu_list", &shared.to_string());
        }
    }
}

fn topology(c: &mut Criterion) {
    let host = make_topology(2, 2, 8, 2);
    let dir = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap());
    write_tree(dir.path(), &host);
    let real = RealHost::new(dir.path());
    // The one die of each socket is shown by the files alone.
    let read = read_topology(&real).unwrap();
    assert_eq!((&read.cpus, read.dies.len()), (&host.cpus, 2));
    c.bench_function("read_topology/64_threads", |b| {
        b.iter(|| read_topology(&real).unwrap())
    });
    c.bench_function("fingerprint/64_threads", |b| b.iter(|| host.fingerprint()));
}

criterion_group!(benches, topology);
criterion_main!(benches);
