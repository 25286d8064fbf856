//! Command line of the `branchcut` binary.
//!
//! | exit code | meaning |
//! |-|-|
//! | 0 | solved, whatever the status |
//! | 1 | a bug |
//! | 2 | usage |
//! | 3 | the model cannot be read, or the solution not written |

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use branchcut::{Engine, LogEvent, Model, Options, Outcome, Sense, io};
use clap::{Parser, ValueEnum};

const EXIT_BUG: i32 = 1;
const EXIT_FILE: u8 = 3;

/// Time limit unless one is given, or `--work`.
const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(10);

/// Solves a mixed integer program from an MPS or LP file.
///
/// Exit code 0 for every status, 2 for wrong usage, 3 for a file that cannot
/// be read or written.
#[derive(Debug, Parser)]
#[command(name = "branchcut", version)]
struct Args {
    /// The model: .mps or .lp, plain or .gz
    file: PathBuf,
    /// Wall-clock limit of the solve, such as 500ms, 10s, 2m, 1h [default: 10s, none with --work]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    time_limit: Option<Duration>,
    /// Stop once the relative gap is at most this
    #[arg(long, value_name = "GAP", default_value = "1e-4", value_parser = parse_gap)]
    gap: f64,
    /// Threads to use; the engine of this release uses one
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_threads)]
    threads: usize,
    /// Seed of random choices; the engine of this release makes none
    #[arg(long, value_name = "N", default_value = "0")]
    seed: u64,
    /// Print the answer as one JSON object, the only line on stdout
    #[arg(long)]
    json: bool,
    /// Write the point found to this file
    #[arg(long, value_name = "OUT")]
    solution: Option<PathBuf>,
    /// Stop at this work count: the same answer in every run
    #[arg(long, value_name = "N")]
    work: Option<u64>,
    /// The engine
    #[arg(long, value_enum, default_value = "branchcut")]
    engine: EngineName,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EngineName {
    Branchcut,
    Microlp,
}

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
}

/// Runs the binary.
pub(crate) fn main() -> ExitCode {
    // A panic, on any thread and with either panic strategy, is a bug.
    std::panic::set_hook(Box::new(|info| {
        complain(&format!("internal error: {info}"));
        std::process::exit(EXIT_BUG);
    }));
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            complain(&message);
            ExitCode::from(EXIT_FILE)
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    let model = io::read_path(&args.file).map_err(|error| error.to_string())?;
    if !args.json {
        say(&header(&args.file, &model));
    }
    let limit = match (args.time_limit, args.work) {
        (None, Some(_)) => None,
        (given, _) => Some(given.unwrap_or(DEFAULT_TIME_LIMIT)),
    };
    let options = Options::default()
        .with_engine(match args.engine {
            EngineName::Branchcut => Engine::Branchcut,
            EngineName::Microlp => Engine::Microlp,
        })
        .with_time_limit(limit)
        .with_work_limit(args.work)
        .with_gap_relative(args.gap)
        .with_seed(args.seed)
        .with_threads(args.threads);
    let is_quiet = args.json;
    let outcome = branchcut::solve_logged(&model, &options, &mut |event| {
        if !is_quiet {
            say(&event_line(event));
        }
    });
    if args.json {
        let answer = serde_json::to_string(&answer(&outcome))
            .map_err(|error| format!("cannot print the answer: {error}"))?;
        say(&answer);
    } else {
        say(&summary(&outcome));
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

fn answer(outcome: &Outcome) -> Answer {
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
    }
}

fn header(file: &Path, model: &Model) -> String {
    format!(
        "{}: {} {} rows, {} columns ({} integer), {} nonzeros",
        file.display().to_string().escape_debug(),
        match model.sense {
            Sense::Minimize => "minimize,",
            Sense::Maximize => "maximize,",
        },
        model.rows().len(),
        model.columns().len(),
        model.integers(),
        model.nonzeros(),
    )
}

fn event_line(event: &LogEvent) -> String {
    let line = |what: &str, value: f64, nodes: u64, elapsed: Duration, source: &str| {
        format!(
            "{:>10.3} s  {what:<9}  {value:>20}  nodes {nodes}  {source}",
            elapsed.as_secs_f64()
        )
    };
    match event {
        LogEvent::Incumbent {
            objective,
            source,
            at,
        } => line(
            "incumbent",
            *objective,
            at.counters.nodes,
            at.elapsed,
            source,
        ),
        LogEvent::Bound { bound, at } => line("bound", *bound, at.counters.nodes, at.elapsed, ""),
        LogEvent::StartRefused { reason } => format!("start point refused: {reason}"),
        _ => String::new(),
    }
    .trim_end()
    .to_owned()
}

fn summary(outcome: &Outcome) -> String {
    let shown =
        |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
    let gap = outcome
        .gap()
        .map_or_else(|| "none".to_owned(), |gap| format!("{:.4} %", 100.0 * gap));
    let mut text = format!("status      {}", outcome.status.name());
    if let Some(reason) = &outcome.reason {
        text.push_str(&format!(" ({reason})"));
    }
    text.push_str(&format!(
        "\nobjective   {}\nbound       {}\ngap         {gap}\nnodes       {}\niterations  {}\nwork        {}\ntime        {:.3} s",
        shown(outcome.objective),
        shown(outcome.bound),
        outcome.counters.nodes,
        outcome.counters.lp_iterations,
        outcome.counters.work,
        outcome.elapsed.as_secs_f64(),
    ));
    text
}

/// A line on stdout. A reader that went away is no reason to fail.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A line on stderr.
fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "branchcut: {line}");
}

/// A decimal number with `ms`, `s`, `m` or `h`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected =
        || "expected a decimal number with ms, s, m or h, such as 500ms or 10s".to_owned();
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or_else(expected)?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(expected()),
    };
    let number: f64 = number.parse().map_err(|_| expected())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
}

fn parse_gap(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(gap) if (0.0..f64::INFINITY).contains(&gap) => Ok(gap),
        _ => Err("expected a number of at least 0, such as 1e-4".to_owned()),
    }
}

fn parse_threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads) if threads > 0 => Ok(threads),
        _ => Err("expected a whole number of at least 1".to_owned()),
    }
}
