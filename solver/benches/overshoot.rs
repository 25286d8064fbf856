//! How late a solve returns: `cargo bench -p branchcut --bench overshoot -- [RUNS] [DIR]`.
//!
//! 30 instances of DIR (default `../shared/miplib` beside the repository), each
//! solved RUNS times (default 3; 20 for the record) with each limit. For each
//! limit the table has, over all runs that the limit ended,
//!
//! - **wall**: wall time of the call minus the limit. Other work on the machine
//!   is in it, so the 99th percentile is what counts;
//! - **CPU**: CPU time of the caller's thread in the call. That thread waits
//!   until the deadline, so what it does beyond preparing is what makes a
//!   return late, whatever else the machine does; with the time of the whole
//!   process in the call, minus the limit, where that is more than 0;
//! - **behind**: CPU time that the worker, left behind at the deadline, still
//!   takes after the return, seen for [`BEHIND`].
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use branchcut::{Model, Options, Status, io, solve};
use rustix::time::{ClockId, clock_gettime};

const LIMITS_MS: [u64; 5] = [1, 10, 50, 100, 500];

/// Instances at most.
const INSTANCES: usize = 30;

/// For how long a worker is watched after the return.
const BEHIND: Duration = Duration::from_millis(20);

/// Milliseconds on a CPU clock.
fn cpu(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    1e3 * time.tv_sec as f64 + 1e-6 * time.tv_nsec as f64
}

/// Every so many instances of the catalogue, so that small and large ones are
/// among them.
fn instances(folder: &Path) -> Vec<(String, Model)> {
    let text = std::fs::read_to_string(folder.join("reference.csv")).unwrap_or_default();
    let names: Vec<&str> = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next())
        .collect();
    let count = names.len().min(INSTANCES);
    (0..count)
        .map(|k| names[k * names.len() / count])
        .filter_map(|name| {
            let model = io::read_path(&folder.join(format!("{name}.mps.gz"))).ok()?;
            Some((name.to_owned(), model))
        })
        .collect()
}

/// One run.
struct Late {
    wall: f64,
    cpu: f64,
    behind: f64,
    instance: usize,
}

fn run(model: &Model, limit: Duration, instance: usize) -> Option<Late> {
    let options = Options::default().with_time_limit(limit);
    let (thread, process) = (cpu(ClockId::ThreadCPUTime), cpu(ClockId::ProcessCPUTime));
    let start = Instant::now();
    let outcome = solve(model, &options);
    let wall = start.elapsed();
    let (thread_end, process_end) = (cpu(ClockId::ThreadCPUTime), cpu(ClockId::ProcessCPUTime));
    std::thread::sleep(BEHIND);
    let behind = cpu(ClockId::ProcessCPUTime) - process_end;
    let limit = 1e3 * limit.as_secs_f64();
    (outcome.status == Status::TimeLimit).then(|| Late {
        wall: 1e3 * wall.as_secs_f64() - limit,
        cpu: (thread_end - thread).min((process_end - process - limit).max(0.0)),
        behind,
        instance,
    })
}

/// The smallest value that `percent` of `values` do not exceed.
fn quantile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (percent * values.len()).div_ceil(100);
    values.get(at.saturating_sub(1)).copied().unwrap_or(0.0)
}

fn main() {
    // `cargo bench` passes `--bench`.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let runs: usize = words
        .first()
        .and_then(|word| word.parse().ok())
        .unwrap_or(3);
    let folder = words.get(1).map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/miplib")),
        PathBuf::from,
    );
    let instances = instances(&folder);
    println!(
        "{} instances of {}, {runs} runs each; milliseconds beyond the limit\n",
        instances.len(),
        folder.display()
    );
    println!(
        "| limit | ended by it | wall median | wall p99 | wall max | CPU max | behind p99 | behind max | latest |"
    );
    println!("|-|-|-|-|-|-|-|-|-|");
    for limit in LIMITS_MS {
        let late: Vec<Late> = (0..runs)
            .flat_map(|_| instances.iter().enumerate())
            .filter_map(|(at, (_, model))| run(model, Duration::from_millis(limit), at))
            .collect();
        let all = |of: fn(&Late) -> f64| late.iter().map(of).collect::<Vec<f64>>();
        let latest = late.iter().max_by(|a, b| a.behind.total_cmp(&b.behind));
        println!(
            "| {limit} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {} |",
            late.len(),
            quantile(&mut all(|late| late.wall), 50),
            quantile(&mut all(|late| late.wall), 99),
            quantile(&mut all(|late| late.wall), 100),
            quantile(&mut all(|late| late.cpu), 100),
            quantile(&mut all(|late| late.behind), 99),
            quantile(&mut all(|late| late.behind), 100),
            latest.map_or("-", |late| instances[late.instance].0.as_str()),
        );
    }
}
