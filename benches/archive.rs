//! Writes a group of traces as a host's archive, for measuring `train --history` on real use.
//!
//! ```text
//! cargo bench --bench archive -- TRACES GROUP OUT [DAYS]
//! cpufence train --history OUT --out MODEL --json
//! ```
//!
//! Each trace of the group at five minutes is a container; its samples become a counter of CPU time
//! that the usage store records round by round, as `apply` does.
#![allow(clippy::print_stderr, reason = "says what was written")]
#![expect(clippy::expect_used, reason = "a bench may stop on broken input")]
#![expect(clippy::disallowed_methods, reason = "a bench reads its arguments")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times and counters of recorded traces"
)]

use std::collections::BTreeMap;
use std::path::Path;

use cpufence::cgroup::{ContainerKey, Context};
use cpufence::history::{History, Limits, Observation, Round};
use cpufence::predict::dataset::{TraceFolder, TraceInfo};

const INTERVAL_S: f64 = 300.0;
const TICKS_A_DAY: u64 = 288;

/// Everything; whatever the default keeps is measured by DAYS.
const LIMITS: Limits = Limits {
    archive_days: 10_000,
    archive_bytes: 1 << 40,
};

/// Use by time (in intervals since the epoch), of each trace that has a sample there.
type Ticks = BTreeMap<u64, Vec<(usize, f64)>>;

fn main() {
    // `cargo bench` adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let [traces, group, out, ref rest @ ..] = given[..] else {
        eprintln!("nothing to do: name TRACES GROUP OUT [DAYS]");
        return;
    };
    let days = rest
        .first()
        .map(|days| days.parse().expect("DAYS is a number"));
    let (infos, ticks) = read(Path::new(traces), group);
    let Some(first) = ticks.keys().next() else {
        eprintln!("{traces}: no trace of group {group} has an interval of {INTERVAL_S} s");
        return;
    };
    let begin = first - first % TICKS_A_DAY;
    let end = begin + TICKS_A_DAY * days.unwrap_or(u64::MAX / (2 * TICKS_A_DAY));
    let mut history = History::default();
    let mut used_s = vec![0.0; infos.len()];
    for (&tick, samples) in ticks.range(begin..end) {
        let now = round(tick, begin);
        let observed = samples.iter().map(|&(trace, percent)| {
            let cpus = infos[trace].cpus.unwrap_or(1.0);
            used_s[trace] += INTERVAL_S * cpus * percent / 100.0;
            observation(&now, &infos[trace], trace, cpus, used_s[trace])
        });
        let observed: Vec<Observation> = observed.collect();
        let _ = history.record(&now, &observed);
        if tick % (TICKS_A_DAY / 12) == 0 {
            assert_eq!(history.save(Path::new(out), &LIMITS), []);
        }
    }
    assert_eq!(history.save(Path::new(out), &LIMITS), []);
    eprintln!("{out}: {} containers", infos.len());
}

fn read(traces: &Path, group: &str) -> (Vec<TraceInfo>, Ticks) {
    let folder = TraceFolder::open(traces).expect("a directory of traces");
    let (mut infos, mut ticks) = (Vec::new(), Ticks::new());
    let visited = folder.visit(|info, samples| {
        let fits = info.group == group && (info.interval_s - INTERVAL_S).abs() < 1.0;
        if !fits {
            return;
        }
        for (time_s, percent) in samples {
            let tick = (time_s / INTERVAL_S).round() as u64;
            ticks.entry(tick).or_default().push((infos.len(), *percent));
        }
        infos.push(info.clone());
    });
    visited.expect("whole traces");
    (infos, ticks)
}

fn round(tick: u64, begin: u64) -> Round {
    Round {
        boot_id: "11111111-1111-4111-8111-111111111111".into(),
        wall_s: tick as f64 * INTERVAL_S,
        uptime_s: 1_000.0 + (tick - begin) as f64 * INTERVAL_S,
        cpus_online: 64,
    }
}

fn observation(now: &Round, info: &TraceInfo, trace: usize, cpus: f64, used_s: f64) -> Observation {
    let [owner, image, app, _] = info.categories.clone();
    Observation {
        key: ContainerKey {
            boot_id: now.boot_id.clone(),
            inode: trace as u64 + 2,
        },
        id: info.id.clone(),
        context: Context {
            owner,
            image,
            app,
            ..Context::default()
        },
        request: Some(cpus),
        wall_s: now.wall_s,
        uptime_s: now.uptime_s,
        usage_ns: Some((used_s * 1e9) as u64),
    }
}
