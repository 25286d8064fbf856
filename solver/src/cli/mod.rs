//! Command line of the `branchcut` binary.
//!
//! | file | what it does |
//! |-|-|
//! | `args.rs` | arguments as typed, checked |
//! | `log.rs` | the live log and the summary for people |
//! | `usage.rs` | CPU time and memory of this process |
//! | `bench/` | `branchcut bench`: a folder of instances against its catalogue |
//!
//! | exit code | meaning |
//! |-|-|
//! | 0 | solved, whatever the status |
//! | 1 | a bug; `bench`: a wrong answer |
//! | 2 | usage |
//! | 3 | the model cannot be read, or the solution not written |
//! | 130 | a second Ctrl-C |

mod args;
mod bench;
mod log;
mod usage;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use branchcut::{Applied, Options, Outcome, StopFlag, io};
use clap::Parser as _;

use args::{Args, Command, Solve};

const EXIT_BUG: i32 = 1;
const EXIT_FILE: u8 = 3;
/// What shells give a program that Ctrl-C ended.
const EXIT_INTERRUPTED: i32 = 130;

/// The answer as `--json` prints it.
#[derive(serde::Serialize)]
struct Answer {
    status: &'static str,
    objective: Option<f64>,
    bound: Option<f64>,
    gap: Option<f64>,
    nodes: u64,
    lp_iterations: u64,
    elapsed_s: f64,
    first_incumbent_s: Option<f64>,
    /// Whether there is a point and it passed the check.
    checked: bool,
    /// With `--verbose` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    techniques: Option<Vec<Deed>>,
}

/// What a technique, or a kind of what it does, came to.
#[derive(serde::Serialize)]
struct Deed {
    technique: &'static str,
    kind: &'static str,
    calls: u64,
    found: u64,
    used: u64,
    ticks: u64,
}

/// Runs the binary.
pub(crate) fn main() -> ExitCode {
    // A panic, on any thread and with either panic strategy, is a bug.
    std::panic::set_hook(Box::new(|info| {
        complain(&format!("internal error: {info}"));
        std::process::exit(EXIT_BUG);
    }));
    let args = Args::parse();
    let result = match args.command {
        Some(Command::Bench(bench)) => bench::run(&bench),
        None => run(&args.solve).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|message| {
        complain(&message);
        ExitCode::from(EXIT_FILE)
    })
}

fn run(args: &Solve) -> Result<(), String> {
    let Some(file) = &args.file else {
        return Err("no model given".to_owned()); // clap asks for one
    };
    let model = io::read_path(file).map_err(|error| error.to_string())?;
    let mut options = args.options().with_stop(stop_on_signals()?);
    if let Some(path) = &args.start {
        let start = io::read_solution(path, &model).map_err(|error| error.to_string())?;
        options = options.with_start(start);
    }
    let outcome = if args.json {
        let outcome = branchcut::solve(&model, &options);
        let answer = serde_json::to_string(&answer(&outcome, args.verbose))
            .map_err(|error| format!("cannot print the answer: {error}"))?;
        say(&answer);
        outcome
    } else {
        let mut log = log::Log::new(std::io::stdout().is_terminal(), model.sense);
        say(&log::header(file, &model, &options));
        let outcome = branchcut::solve_logged(&model, &options, &mut |event| {
            if let Some(text) = log.event(event) {
                say(&text);
            }
        });
        say(&log::summary(&outcome, args.verbose));
        outcome
    };
    if args.usage {
        let line = serde_json::to_string(&usage::so_far())
            .map_err(|error| format!("cannot print the usage: {error}"))?;
        let _ = writeln!(std::io::stderr().lock(), "{}{line}", usage::PREFIX);
    }
    let Some(path) = &args.solution else {
        return Ok(());
    };
    match (&outcome.point, outcome.objective) {
        (Some(point), Some(objective)) => io::write_solution(path, &model, point, objective)
            .map_err(|error| format!("cannot write {}: {error}", path.display())),
        _ => {
            complain(&format!(
                "no feasible point was found: {} is not written",
                path.display()
            ));
            Ok(())
        }
    }
}

/// A flag that Ctrl-C (and SIGTERM) raises; the second time ends the process.
fn stop_on_signals() -> Result<StopFlag, String> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag::{register, register_conditional_shutdown};
    let raised = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag down and raises it.
        register_conditional_shutdown(signal, EXIT_INTERRUPTED, Arc::clone(&raised))
            .and_then(|_| register(signal, Arc::clone(&raised)))
            .map_err(|error| format!("cannot listen for signals: {error}"))?;
    }
    Ok(StopFlag::from(raised))
}

fn answer(outcome: &Outcome, is_verbose: bool) -> Answer {
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    Answer {
        status: outcome.status.name(),
        objective: finite(outcome.objective),
        bound: finite(outcome.bound),
        gap: finite(outcome.gap()),
        nodes: outcome.counters.nodes,
        lp_iterations: outcome.counters.lp_iterations,
        elapsed_s: outcome.elapsed.as_secs_f64(),
        first_incumbent_s: outcome.first_incumbent().map(|time| time.as_secs_f64()),
        checked: outcome.point.is_some(),
        techniques: is_verbose.then(|| outcome.applied.iter().map(deed).collect()),
    }
}

fn deed(applied: &Applied) -> Deed {
    Deed {
        technique: applied.technique.name(),
        kind: applied.kind,
        calls: applied.calls,
        found: applied.found,
        used: applied.used,
        ticks: applied.ticks,
    }
}

/// A line on stdout. A reader that went away is no reason to fail.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A line on stderr.
fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "branchcut: {line}");
}

impl Solve {
    /// What is asked of the solver.
    fn options(&self) -> Options {
        let limit = match (self.time_limit, self.work) {
            (None, Some(_)) => None,
            (given, _) => Some(given.unwrap_or(args::DEFAULT_TIME_LIMIT)),
        };
        Options::default()
            .with_engine(self.engine.engine())
            .with_time_limit(limit)
            .with_work_limit(self.work)
            .with_node_limit(self.node_limit)
            .with_lp_iteration_limit(self.iteration_limit)
            .with_memory_limit(self.memory_limit)
            .with_gap_relative(self.gap)
            .with_gap_absolute(self.gap_absolute)
            .with_cutoff(self.cutoff)
            .with_seed(self.seed)
            .with_threads(self.threads)
            .with_techniques(self.switches.techniques())
    }
}
