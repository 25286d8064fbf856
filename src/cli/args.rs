//! Arguments as typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::parse_budget;
use crate::placement::LendingPolicy;

/// Isolates co-located containers on a Linux host by their cpusets.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 a bug, 2 usage, 3 bad input, 4 host not fit (controller, permission), \
                          5 a guardrail kept the old placement or contradictory rules were given up, 6 a write failed and the round was undone";

/// Flags of every subcommand.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Settings file [default: /etc/cpufence/config.toml where there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Directory of journal and history [default: /var/lib/cpufence]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Look for /sys, /proc, the cgroup mounts, /etc and /var/lib under another root
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "/",
        hide_default_value = true
    )]
    pub(crate) root: PathBuf,
    /// Form of the log lines on stderr
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// Print what was done even when stdout is no terminal
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// `cpufence: message`
    Text,
    /// One JSON object a line
    Json,
}

/// Search limits that override the settings file.
#[derive(Debug, Default, Args)]
pub(crate) struct SearchLimits {
    /// Wall-clock budget of the solve, e.g. 50ms
    #[arg(long, value_name = "TIME", value_parser = parse_budget)]
    pub(crate) budget: Option<Duration>,
    /// Relative gap at which the search may stop
    #[arg(long, value_name = "RATIO", value_parser = parse_ratio)]
    pub(crate) gap: Option<f64>,
    /// Stop at a work count instead of a time (repeatable to the byte)
    #[arg(long, value_name = "N", conflicts_with = "budget")]
    pub(crate) work: Option<u64>,
    /// Seed of every random choice
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// What burst and pooled containers are lent: empty, empty-cores or oversubscribe
    #[arg(long, value_name = "POLICY", value_parser = parse_policy)]
    pub(crate) lending: Option<LendingPolicy>,
}

/// A subcommand.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what would be done; changes nothing
    Plan(PlanArgs),
    /// One round: sample, predict, solve, journal, write, verify, record
    Apply {
        /// Show the round's writes and make none; stores nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        limits: SearchLimits,
        /// Print one JSON object (schema plan/1)
        #[arg(long)]
        json: bool,
    },
    /// Put every cpuset back as it was before the first apply
    Restore {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show host, containers, violations and the last decision
    Status {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show the host's CPUs as read
    Topology {
        /// Print one JSON object (schema topology/1)
        #[arg(long)]
        json: bool,
    },
    /// Check kernel, controllers, permissions and other managers of CPUs
    Doctor {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Decide every round of a journal again and compare the plans
    Replay {
        /// A journal directory, segment or copy of one
        #[arg(value_name = "FILE")]
        journal: PathBuf,
        /// Write a report of the rounds as one HTML file
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Train a model that predicts CPU use
    Train(TrainArgs),
    /// Score a model on traces, beside simple rules
    Evaluate(EvaluateArgs),
    /// Show what each container is predicted to use, and why
    Predict(PredictArgs),
    /// Take over models in LightGBM's text form, one file a quantile
    Import(ImportArgs),
    /// Write a quantile of a model in LightGBM's text form
    Export(ExportArgs),
    /// Run a scenario unfenced, with a greedy best fit and as apply would, side by side
    Simulate(SimulateArgs),
    /// The whole path on an embedded host; no root, leaves nothing behind
    Demo {
        /// Print one JSON object (schema plan/1)
        #[arg(long)]
        json: bool,
    },
}

/// What `simulate` runs, and where its figures go.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// A scenario, TOML or JSON (schema simulate/1, docs/simulate.md)
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: PathBuf,
    /// Print one JSON object (schema simulation/1)
    #[arg(long)]
    pub(crate) json: bool,
    /// Write every interval's counters as CSV
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Write a chart
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Seed of every random choice [default: the scenario's]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Leave out how long decisions took: the same bytes for the same seed
    #[arg(long)]
    pub(crate) no_timing: bool,
}

/// What `plan` plans, and what it does with the plan.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// A host file (schema placement/1) instead of this machine
    #[arg(long, value_name = "FILE")]
    pub(crate) host: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) limits: SearchLimits,
    /// Print one JSON object (schema plan/1)
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) what_if: WhatIfArgs,
    #[command(flatten)]
    pub(crate) exchange: ExchangeArgs,
    #[command(flatten)]
    pub(crate) batch: BatchArgs,
}

/// A host that is not quite the one at hand.
#[derive(Debug, Args)]
pub(crate) struct WhatIfArgs {
    /// Plan as if a container came, went or changed; may be repeated:
    /// add:cpus=8,p95=3.5[,id=NAME][,kind=burst][,home=0][,priority=1], remove:ID, change:ID,cpus=4[,p95=2]
    #[arg(long, value_name = "CHANGE")]
    pub(crate) what_if: Vec<String>,
    /// Plan with other cost weights: smt_busy=300,spread.numa=900
    #[arg(long, value_name = "NAME=VALUE,..")]
    pub(crate) weights: Option<String>,
    /// Show the plan with the changes beside the one without
    #[arg(long)]
    pub(crate) compare: bool,
}

/// Models and solutions of other solvers.
#[derive(Debug, Args)]
pub(crate) struct ExchangeArgs {
    /// Write the placement MIP (.mps or .lp, also .gz) instead of solving it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["what_if", "weights", "compare"])]
    pub(crate) export: Option<PathBuf>,
    /// Evaluate a solution of the exported MIP beside the plan
    #[arg(long, value_name = "FILE", conflicts_with_all = ["export", "what_if", "weights", "compare"])]
    pub(crate) import_solution: Option<PathBuf>,
    /// The form of the MIP [default: aggregated]
    #[arg(long, value_enum, value_name = "FORM")]
    pub(crate) model: Option<ModelForm>,
}

/// Form of an exported MIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModelForm {
    /// Counts per cell: small, what the search solves
    Aggregated,
    /// A column for each thread and container: large, easy to read
    Naive,
}

/// Many hosts at once.
#[derive(Debug, Args)]
pub(crate) struct BatchArgs {
    /// Plan every host of a file, one object of schema placement/1 a line
    #[arg(long, value_name = "IN.jsonl", requires = "out",
          conflicts_with_all = ["host", "export", "import_solution", "what_if", "weights", "compare", "json"])]
    pub(crate) batch: Option<PathBuf>,
    /// Where the plans go, one a line in the order of the input; a file that is there is gone on with
    #[arg(long, value_name = "OUT.jsonl", requires = "batch")]
    pub(crate) out: Option<PathBuf>,
    /// Hosts planned at a time [default: 1]
    #[arg(long, value_name = "N", requires = "batch", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

/// What `train` learns from, and how.
#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// A directory of usage traces (meta.csv and samples, see docs/prediction.md)
    #[arg(long, value_name = "DIR", required_unless_present = "history")]
    pub(crate) traces: Option<PathBuf>,
    /// Train on a host's history (STATE/history), or on a directory of such, one a host
    #[arg(long, value_name = "DIR", conflicts_with_all = ["traces", "export"])]
    pub(crate) history: Option<PathBuf>,
    /// Stop growing after so many seconds of CPU time
    #[arg(long, value_name = "SECONDS", value_parser = parse_positive)]
    pub(crate) cpu_seconds: Option<f64>,
    /// Memory for the rows, MiB: fewer rows are taken, evenly
    #[arg(long, value_name = "MIB", default_value_t = 1024, requires = "history")]
    pub(crate) memory: u64,
    /// Keep the rows of days gone by in this directory, one file a host, so that the next
    /// training need not make them again
    #[arg(long, value_name = "DIR", requires = "history")]
    pub(crate) row_cache: Option<PathBuf>,
    /// The model file; replaced only by a whole new one [default with --history: the host's model]
    #[arg(long, value_name = "MODEL")]
    pub(crate) out: Option<PathBuf>,
    /// Write the rows for another trainer, and train nothing
    #[arg(long, value_name = "ROWS.csv", conflicts_with_all = ["out", "json"])]
    pub(crate) export: Option<PathBuf>,
    /// The quantile that the trees' structure is grown for
    #[arg(long, value_name = "Q", default_value_t = 0.95, value_parser = parse_quantile)]
    pub(crate) quantile: f64,
    /// Threads; the model is the same on any number
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: u16,
    /// Rows to train on at most, the same share of every group
    #[arg(long, value_name = "N", default_value_t = 1_200_000)]
    pub(crate) max_rows: u64,
    /// Trees at most
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = parse_trees)]
    pub(crate) trees: usize,
    /// Leaves a tree
    #[arg(long, value_name = "N", default_value_t = 63, value_parser = parse_leaves)]
    pub(crate) leaves: usize,
    /// Share of a leaf's quantile that is added
    #[arg(long, value_name = "R", default_value_t = 0.1, value_parser = parse_share)]
    pub(crate) rate: f64,
    /// Stop when the loss on the calibration rows has not fallen for so many trees; 0: never
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) patience: usize,
    /// Seed of every random choice
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// What is said of the licence of model and training data
    #[arg(long, value_name = "TEXT")]
    pub(crate) licence: Option<String>,
    /// Print one JSON object (schema train/1)
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `evaluate` scores.
#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// The model file
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// A directory of usage traces
    #[arg(long, value_name = "DIR")]
    pub(crate) traces: PathBuf,
    /// Score every N-th eligible row of a trace
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) stride: u64,
    /// Score one part of the split that train makes of such a directory
    #[arg(long, value_enum, default_value_t = PartChoice::All)]
    pub(crate) part: PartChoice,
    /// Score only the rows that `train --export` writes for this many to train on
    #[arg(long, value_name = "N", requires = "part")]
    pub(crate) max_rows: Option<u64>,
    /// Seed of that choice
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The quantile that is scored: the model's nearest
    #[arg(long, value_name = "Q", default_value_t = 0.95, value_parser = parse_quantile)]
    pub(crate) quantile: f64,
    /// Draw calibration curve, loss by group and a trace with its band
    #[arg(long, value_name = "OUT.svg")]
    pub(crate) plot: Option<PathBuf>,
    /// Print one JSON object (schema evaluate/1)
    #[arg(long)]
    pub(crate) json: bool,
}

/// A part of the split by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PartChoice {
    /// Every eligible row
    All,
    /// What trees grow on
    Train,
    /// What growth is stopped and offsets are set by
    Calibrate,
    /// What nothing saw
    Test,
}

fn parse_quantile(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 1.0 => Ok(value),
        _ => Err(format!("'{}' is not between 0 and 1", text.escape_debug())),
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 1.0 => Ok(value),
        _ => Err(format!(
            "'{}' is not above 0 and at most 1",
            text.escape_debug()
        )),
    }
}

fn parse_trees(text: &str) -> Result<usize, String> {
    parse_count(text, 1, 100_000)
}

fn parse_leaves(text: &str) -> Result<usize, String> {
    parse_count(text, 2, 4_096)
}

fn parse_count(text: &str, least: usize, most: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(value) if (least..=most).contains(&value) => Ok(value),
        _ => Err(format!(
            "'{}' is not a number from {least} to {most}",
            text.escape_debug()
        )),
    }
}

fn parse_policy(text: &str) -> Result<LendingPolicy, String> {
    let mut named = LendingPolicy::NAMED.iter();
    let found = named.find(|(name, _)| *name == text);
    found.map(|(_, policy)| *policy).ok_or_else(|| {
        format!(
            "'{}' is no policy: expected empty, empty-cores or oversubscribe",
            text.escape_debug()
        )
    })
}

/// Whose use is predicted.
#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// Traces (CSV: trace_id,timestamp_s,cpus) instead of this machine, each at its end
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) trace: Option<PathBuf>,
    /// The model for a trace [default: the host's]
    #[arg(long, value_name = "MODEL", requires = "trace")]
    pub(crate) model: Option<PathBuf>,
    /// Requested CPUs of the traces
    #[arg(long, value_name = "N", requires = "trace", value_parser = parse_positive)]
    pub(crate) cpus: Option<f64>,
    /// Print one JSON object (schema predict/1)
    #[arg(long)]
    pub(crate) json: bool,
}

/// Models to take over.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// LightGBM 4 text models, trained with objective=quantile
    #[arg(value_name = "MODEL.txt", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Write a model file there instead of making it the host's model
    #[arg(long, value_name = "MODEL")]
    pub(crate) out: Option<PathBuf>,
    /// The quantile of a file that does not say its own
    #[arg(long, value_name = "Q")]
    pub(crate) quantile: Option<f64>,
    /// Names of the categories, {"column": ["name", ..]}, where the file has none
    #[arg(long, value_name = "FILE.json")]
    pub(crate) dictionary: Option<PathBuf>,
    /// Licence of model and training data, kept with the model
    #[arg(long, value_name = "TEXT")]
    pub(crate) licence: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// A model to write.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The model file [default: the host's model]
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<PathBuf>,
    /// Which quantile
    #[arg(long, value_name = "Q", default_value_t = 0.95)]
    pub(crate) quantile: f64,
    /// The text file to write; names of categories go to FILE.dictionary.json beside it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

fn parse_positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err(format!("'{}' is not a number above 0", text.escape_debug())),
    }
}

fn parse_ratio(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err(format!("'{}' is not a number >= 0", text.escape_debug())),
    }
}
