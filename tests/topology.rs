//! The host as read from sysfs: captured real machines, and trees written here
//! for what no captured machine shows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "test code"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use cpufence::cgroup::RealHost;
use cpufence::topology::{Topology, TopologyError, read_topology};

fn read(root: &Path) -> Result<Topology, TopologyError> {
    read_topology(&RealHost::new(root))
}

/// Every captured machine is as hwloc's expected output says.
#[test]
fn captured_machines() {
    let trees = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/sysfs"));
    let Ok(expected) = fs::read_to_string(trees.join("expected.json")) else {
        eprintln!("SKIPPED captured_machines: no captured trees beside the repository");
        return;
    };
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    let expected = expected.as_object().unwrap();
    assert!(!expected.is_empty());
    for (name, want) in expected {
        let dir = tempfile::tempdir().unwrap();
        let unpacked = Command::new("tar")
            .arg("-xzf")
            .arg(trees.join(format!("{name}.tar.gz")))
            .arg("-C")
            .arg(dir.path())
            .status()
            .unwrap();
        assert!(unpacked.success(), "{name}: tar failed");
        let topology = read(dir.path()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let report = serde_json::to_value(topology.report()).unwrap();
        for key in ["sockets", "numa", "l3", "cores", "threads"] {
            assert_eq!(report["summary"][key], want[key], "{name}: {key}");
        }
        let online: Vec<u32> = topology.online().iter().map(|cpu| cpu.0).collect();
        assert_eq!(serde_json::json!(online), want["cpus_online"], "{name}");
    }
}
