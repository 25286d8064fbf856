//! The usage store against a model of what it was told, against damage and
//! crashes, and the fallback chain on real traces.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "test code"
)]

#[path = "history/damage.rs"]
mod damage;
#[path = "history/evaluation.rs"]
mod evaluation;
#[path = "history/rounds.rs"]
mod rounds;
#[path = "history/traces.rs"]
mod traces;

use cpufence::cgroup::{ContainerKey, Context};
use cpufence::history::{History, Observation, Round};
use cpufence::predict::Features;

/// 2026-01-01T00:00:00Z.
const NEW_YEAR_S: f64 = 1_767_225_600.0;

fn key(inode: u64) -> ContainerKey {
    ContainerKey {
        boot_id: "boot-1".into(),
        inode,
    }
}

/// A moment on a host of 8 CPUs, `uptime_s` after a boot at new year.
fn round(uptime_s: f64) -> Round {
    Round {
        boot_id: "boot-1".into(),
        wall_s: NEW_YEAR_S + uptime_s,
        uptime_s,
        cpus_online: 8,
    }
}

/// Container `inode` at `round` after `cpu_s` seconds of CPU time.
fn seen(round: &Round, inode: u64, cpu_s: f64) -> Observation {
    Observation {
        key: ContainerKey {
            boot_id: round.boot_id.clone(),
            inode,
        },
        id: format!("app/{inode}"),
        context: Context {
            app: Some("app".into()),
            ..Context::default()
        },
        request: Some(2.0),
        wall_s: round.wall_s,
        uptime_s: round.uptime_s,
        usage_ns: Some((cpu_s * 1e9).round() as u64),
    }
}

/// Records container 1 at each `(uptime, CPU seconds)`; the notes as text.
fn told(history: &mut History, readings: &[(f64, f64)]) -> Vec<String> {
    let mut notes = Vec::new();
    for &(uptime_s, cpu_s) in readings {
        let round = round(uptime_s);
        notes.extend(history.record(&round, &[seen(&round, 1, cpu_s)]));
    }
    notes.iter().map(ToString::to_string).collect()
}

/// Features of container 1.
fn features(history: &History, uptime_s: f64) -> Features {
    let round = round(uptime_s);
    history.features(&round, &seen(&round, 1, 0.0), Some(8.0))
}

/// An empty directory, in memory where there is such a file system: these
/// tests sync thousands of times, which says nothing on any disk.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}
