//! Arguments as typed, then as checked settings.

use std::path::PathBuf;
use std::time::Duration;

use branchcut::{Engine, Technique, Techniques};
use clap::{Parser, Subcommand, ValueEnum};

/// Time limit unless one is given, or `--work`.
pub(super) const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(10);

/// Solves a mixed integer program from an MPS or LP file.
///
/// Exit code 0 for every status, 2 for wrong usage, 3 for a file that cannot
/// be read or written. Ctrl-C ends the solve with the best answer so far; a
/// second one ends the program.
#[derive(Debug, Parser)]
#[command(
    name = "branchcut",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) solve: Solve,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Solves a folder of instances and checks the answers.
    Bench(Bench),
}

/// Techniques switched by name.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Switches {
    /// Techniques to switch off, by name; `all` for a plain branch and bound
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', value_parser = parse_techniques)]
    pub(super) disable: Vec<Named>,
    /// Techniques to switch on, after --disable
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', value_parser = parse_techniques)]
    pub(super) enable: Vec<Named>,
}

/// A technique, or all.
#[derive(Clone, Copy, Debug)]
pub(super) enum Named {
    One(Technique),
    All,
}

impl Named {
    fn name(self) -> &'static str {
        match self {
            Self::One(technique) => technique.name(),
            Self::All => "all",
        }
    }
}

impl Switches {
    pub(super) fn techniques(&self) -> Techniques {
        let off = |set: Techniques, named: &Named| match *named {
            Named::One(technique) => set.without(technique),
            Named::All => Techniques::none(),
        };
        let on = |set: Techniques, named: &Named| match *named {
            Named::One(technique) => set.with(technique),
            Named::All => Techniques::all(),
        };
        let left = self.disable.iter().fold(Techniques::default(), off);
        self.enable.iter().fold(left, on)
    }

    /// As arguments again.
    pub(super) fn arguments(&self) -> Vec<String> {
        let joined = |names: &[Named]| {
            let names: Vec<&str> = names.iter().map(|named| named.name()).collect();
            names.join(",")
        };
        let mut arguments = vec![];
        for (flag, names) in [("--disable", &self.disable), ("--enable", &self.enable)] {
            if !names.is_empty() {
                arguments.extend([flag.to_owned(), joined(names)]);
            }
        }
        arguments
    }
}

/// `branchcut FILE`.
#[derive(Debug, clap::Args)]
pub(super) struct Solve {
    /// The model: .mps or .lp, plain or .gz
    #[arg(required = true)]
    pub(super) file: Option<PathBuf>,
    /// Wall-clock limit of the solve, such as 500ms, 10s, 2m, 1h [default: 10s, none with --work]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(super) time_limit: Option<Duration>,
    /// Stop once the relative gap is at most this
    #[arg(long, value_name = "GAP", default_value = "1e-4", value_parser = parse_gap)]
    pub(super) gap: f64,
    /// Stop once the absolute gap is at most this
    #[arg(long, value_name = "GAP", default_value = "0", value_parser = parse_gap)]
    pub(super) gap_absolute: f64,
    /// Threads to use; the engines of this release use one
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_threads)]
    pub(super) threads: usize,
    /// Seed of random choices
    #[arg(long, value_name = "N", default_value = "0")]
    pub(super) seed: u64,
    /// Print the answer as one JSON object, the only line on stdout
    #[arg(long)]
    pub(super) json: bool,
    /// Print also what each technique did
    #[arg(short, long)]
    pub(super) verbose: bool,
    /// Write the point found to this file
    #[arg(long, value_name = "OUT")]
    pub(super) solution: Option<PathBuf>,
    /// Start from the point in this solution file
    #[arg(long, value_name = "FILE.sol")]
    pub(super) start: Option<PathBuf>,
    /// Stop at this work count: the same answer in every run
    #[arg(long, value_name = "N")]
    pub(super) work: Option<u64>,
    /// Stop after this many nodes
    #[arg(long, value_name = "N")]
    pub(super) node_limit: Option<u64>,
    /// Stop after this many simplex iterations
    #[arg(long, value_name = "N")]
    pub(super) iteration_limit: Option<u64>,
    /// Stop once the process holds this much memory, such as 500MiB or 2GiB
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    pub(super) memory_limit: Option<u64>,
    /// Look only for points better than this
    #[arg(long, value_name = "OBJECTIVE", allow_negative_numbers = true, value_parser = parse_finite)]
    pub(super) cutoff: Option<f64>,
    /// The engine
    #[arg(long, value_enum, default_value = "branchcut")]
    pub(super) engine: EngineName,
    #[command(flatten)]
    pub(super) switches: Switches,
    /// Print CPU time and peak memory on stderr at the end, for `bench`
    #[arg(long, hide = true)]
    pub(super) usage: bool,
}

/// `branchcut bench DIR`.
#[derive(Debug, clap::Args)]
pub(super) struct Bench {
    /// Folder with a reference.csv and the instances it names; its subfolders
    /// with a reference.csv are run too, one table each
    pub(super) dir: PathBuf,
    /// Folder for bench.csv and bench.md, made if need be
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Other solvers' results to show beside; those of a subfolder SUB are
    /// looked for in SUB/peers.csv beside this file
    #[arg(long, value_name = "FILE.csv")]
    pub(super) peers: Option<PathBuf>,
    /// Wall-clock limit of each solve
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = parse_duration)]
    pub(super) time_limit: Duration,
    /// Limit CPU time in place of wall time, for a busy machine: each solve
    /// gets thrice the limit, and what took more CPU time is not solved
    #[arg(long)]
    pub(super) cpu: bool,
    /// Relative gap
    #[arg(long, value_name = "GAP", default_value = "1e-6", value_parser = parse_gap)]
    pub(super) gap: f64,
    /// These instances alone
    #[arg(long, value_name = "NAME,..", value_delimiter = ',')]
    pub(super) only: Vec<String>,
    /// The instances of this tier alone, by DIR/tiers.csv
    #[arg(long, value_name = "TIER", conflicts_with = "only")]
    pub(super) tier: Option<String>,
    /// Solves at the same time
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_threads)]
    pub(super) jobs: usize,
    /// Seed of random choices
    #[arg(long, value_name = "N", default_value = "0")]
    pub(super) seed: u64,
    /// The engine
    #[arg(long, value_enum, default_value = "branchcut")]
    pub(super) engine: EngineName,
    #[command(flatten)]
    pub(super) switches: Switches,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum EngineName {
    Branchcut,
    Microlp,
}

impl EngineName {
    pub(super) fn engine(self) -> Engine {
        match self {
            Self::Branchcut => Engine::Branchcut,
            Self::Microlp => Engine::Microlp,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Branchcut => "branchcut",
            Self::Microlp => "microlp",
        }
    }
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

/// A whole number of bytes, or with `KiB`, `MiB` or `GiB`.
fn parse_bytes(text: &str) -> Result<u64, String> {
    let expected =
        || "expected a whole number of at least 1 with KiB, MiB or GiB, such as 500MiB".to_owned();
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(expected()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .filter(|&bytes| bytes > 0)
        .ok_or_else(expected)
}

fn parse_gap(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(gap) if (0.0..f64::INFINITY).contains(&gap) => Ok(gap),
        _ => Err("expected a number of at least 0, such as 1e-4".to_owned()),
    }
}

fn parse_finite(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err("expected a finite number".to_owned()),
    }
}

fn parse_threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads) if threads > 0 => Ok(threads),
        _ => Err("expected a whole number of at least 1".to_owned()),
    }
}

fn parse_techniques(text: &str) -> Result<Named, String> {
    if text == "all" {
        return Ok(Named::All);
    }
    Technique::from_name(text).map(Named::One).ok_or_else(|| {
        let names: Vec<&str> = Technique::ALL.iter().map(|each| each.name()).collect();
        format!("expected all or one of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_bytes() {
        assert_eq!(parse_bytes("17"), Ok(17));
        assert_eq!(parse_bytes("3MiB"), Ok(3 << 20));
        for bad in ["", "0", "MiB", "1.5GiB", "3MB", "99999999999999GiB"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn switches_apply_in_order() {
        let switches = Switches {
            disable: vec![Named::All],
            enable: vec![Named::One(Technique::Gomory)],
        };
        let techniques = switches.techniques();
        assert!(techniques.has(Technique::Gomory));
        assert!(!techniques.has(Technique::Presolve));
        assert_eq!(
            switches.arguments(),
            ["--disable", "all", "--enable", "gomory"]
        );
    }
}
