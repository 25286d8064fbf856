//! `branchcut bench DIR`: each instance in its own process, each answer
//! checked against the catalogue.
//!
//! | file | what it does |
//! |-|-|
//! | `catalogue.rs` | `reference.csv`, `tiers.csv`, `peers.csv`; instances' files |
//! | `child.rs` | one solve: `branchcut FILE --json --usage`, with its CPU time and peak memory |
//! | `judge.rs` | whether an answer is right, and what it counts for |
//! | `report.rs` | `bench.csv` and `bench.md` |
//!
//! A folder with a `reference.csv` is a table: DIR itself and each of its
//! subfolders. Times are CPU time (user + system) of the whole process, reading
//! included. An answer counts as solved if it is `optimal` (or the catalogue's
//! `infeasible`, `unbounded`) and right; the shifted geometric mean of seconds
//! t over all n instances, exp(sum log(t + 1) / n) - 1, takes the limit for one
//! that is not solved, for the peers too.

mod catalogue;
mod child;
mod judge;
mod report;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::args::Bench;
use catalogue::{Folder, Instance};
use child::Run;
use judge::Verdict;

/// An instance with its answer.
struct Row {
    instance: Instance,
    run: Run,
    verdict: Verdict,
}

/// Runs the whole bench; exit code 1 where an answer is wrong.
pub(super) fn run(args: &Bench) -> Result<ExitCode, String> {
    let program = std::env::current_exe()
        .map_err(|error| format!("cannot tell the path of this program: {error}"))?;
    let folders = catalogue::folders(args)?;
    if folders.iter().all(|folder| folder.instances.is_empty()) {
        return Err(format!(
            "no instance to run in {}: expected a reference.csv that names some",
            args.dir.display()
        ));
    }
    let mut tables = vec![];
    for folder in folders {
        let rows = solve_all(&program, args, &folder);
        tables.push((folder, rows));
    }
    let paths = report::write(args, &tables)?;
    for path in &paths {
        super::say(&format!("wrote {}", path.display()));
    }
    let wrong: Vec<&Row> = tables
        .iter()
        .flat_map(|(_, rows)| rows)
        .filter(|row| matches!(row.verdict, Verdict::Wrong(_)))
        .collect();
    for row in &wrong {
        if let Verdict::Wrong(what) = &row.verdict {
            super::complain(&format!("WRONG {}: {what}", row.instance.name));
        }
    }
    Ok(if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// The rows of a folder, in the catalogue's order.
fn solve_all(program: &Path, args: &Bench, folder: &Folder) -> Vec<Row> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Row)>> = Mutex::new(vec![]);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(instance) = folder.instances.get(at) else {
                return;
            };
            let run = child::solve(program, args, &instance.path);
            let verdict = judge::judge(instance, &run, args);
            super::say(&line(instance, &run, &verdict));
            let row = Row {
                instance: instance.clone(),
                run,
                verdict,
            };
            if let Ok(mut done) = done.lock() {
                done.push((at, row));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..args.jobs {
            scope.spawn(work);
        }
        work();
    });
    let mut rows = done.into_inner().unwrap_or_default();
    rows.sort_by_key(|(at, _)| *at);
    rows.into_iter().map(|(_, row)| row).collect()
}

/// What is shown while the bench runs.
fn line(instance: &Instance, run: &Run, verdict: &Verdict) -> String {
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value}"));
    let mark = match verdict {
        Verdict::Solved => "",
        Verdict::Unsolved => "  .",
        Verdict::Wrong(_) => "  WRONG",
    };
    let answer = run.answer.as_ref();
    format!(
        "{:<20} {:<24} {:>20} {:>20} {:>9} nodes {:>8.2} s{mark}",
        instance.name,
        answer.map_or("no answer", |answer| answer.status.as_str()),
        number(answer.and_then(|answer| answer.objective)),
        number(answer.and_then(|answer| answer.bound)),
        answer.map_or(0, |answer| answer.nodes),
        run.cpu_s.unwrap_or(run.wall_s),
    )
}
