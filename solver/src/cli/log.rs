//! The live log and the summary, for people.
//!
//! ```text
//! branchcut 0.1.0
//! model      p0548.mps.gz: minimize, 176 rows, 548 columns (548 integer), 1711 nonzeros
//! limits     time 10 s, gap 0.01 %
//! presolved  118 rows, 395 columns (395 integer), 1183 nonzeros, 0.01 s
//!
//!   source              nodes    open   LP iters            bound        incumbent    gap %     time
//!   root                    1       0        154          8312.57                -        -     0.02
//! * rounding                1       0        154          8312.57            14322    41.96     0.02
//! ```
//!
//! A restart at the root shows the sizes of what is left, as `restarted`.
//! A line with `*` is a better point, with what found it. Lines between, at
//! most one a second, are for a terminal alone.

use std::path::Path;
use std::time::Duration;

use branchcut::{Applied, LogEvent, Model, Moment, Options, Outcome, Sense, Size};

/// Least time between two lines of progress.
const QUIET: Duration = Duration::from_secs(1);

/// Lines after which the table's head is shown again, on a terminal.
const PAGE: usize = 24;

/// State of the table.
pub(super) struct Log {
    is_terminal: bool,
    sense: Sense,
    lines: usize,
    last: Duration,
    is_presolved: bool,
}

const HEAD: &str = "
  source              nodes    open   LP iters            bound        incumbent    gap %     time";

impl Log {
    pub(super) fn new(is_terminal: bool, sense: Sense) -> Self {
        Self {
            is_terminal,
            sense,
            lines: 0,
            last: Duration::ZERO,
            is_presolved: false,
        }
    }

    /// The text for an event, if it is worth any.
    pub(super) fn event(&mut self, event: &LogEvent) -> Option<String> {
        match event {
            LogEvent::StartRefused { reason } => Some(format!("start      refused: {reason}")),
            LogEvent::BasisRefused { reason } => Some(format!("basis      refused: {reason}")),
            LogEvent::Presolved { size, at } => {
                let word = match std::mem::replace(&mut self.is_presolved, true) {
                    false => "presolved",
                    true => "restarted",
                };
                let seconds = at.elapsed.as_secs_f64();
                Some(format!("{word}  {}, {seconds:.2} s", sizes(size)))
            }
            LogEvent::Root { at } => Some(self.line(' ', "root", at)),
            LogEvent::Incumbent { source, at, .. } => Some(self.line('*', source, at)),
            LogEvent::Bound { at, .. } | LogEvent::Progress { at } => {
                let is_due = self.is_terminal && at.elapsed.saturating_sub(self.last) >= QUIET;
                is_due.then(|| self.line(' ', "", at))
            }
            _ => None,
        }
    }

    fn line(&mut self, mark: char, source: &str, at: &Moment) -> String {
        self.last = at.elapsed;
        let is_head_due = self.lines == 0 || (self.is_terminal && self.lines.is_multiple_of(PAGE));
        let head = if is_head_due {
            format!("{HEAD}\n")
        } else {
            String::new()
        };
        self.lines += 1;
        format!(
            "{head}{mark} {source:<17} {:>7} {:>7} {:>10} {:>16} {:>16} {:>8} {:>8.2}",
            at.counters.nodes,
            at.counters.open,
            at.counters.lp_iterations,
            value(at.bound),
            value(at.incumbent),
            gap(self.sense, at),
            at.elapsed.as_secs_f64(),
        )
    }
}

/// A percentage; `-` where it is not known, `large` where it says nothing.
fn gap(sense: Sense, at: &Moment) -> String {
    let (Some(incumbent), Some(bound)) = (at.incumbent, at.bound) else {
        return "-".to_owned();
    };
    let distance = match sense {
        Sense::Minimize => incumbent - bound,
        Sense::Maximize => bound - incumbent,
    };
    let gap = 100.0 * distance.max(0.0) / incumbent.abs().max(branchcut::tol::GAP_DENOMINATOR);
    if gap >= 10_000.0 {
        "large".to_owned()
    } else {
        format!("{gap:.2}")
    }
}

/// A number in at most 16 characters.
fn value(value: Option<f64>) -> String {
    let Some(value) = value else {
        return "-".to_owned();
    };
    if !value.is_finite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let size = value.abs();
    if size > 0.0 && !(1e-4..1e9).contains(&size) {
        return format!("{value:.8e}");
    }
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0" } else { text }.to_owned()
}

fn sizes(size: &Size) -> String {
    format!(
        "{} rows, {} columns ({} integer), {} nonzeros",
        size.rows, size.columns, size.integers, size.nonzeros
    )
}

/// What is solved, and until when.
pub(super) fn header(file: &Path, model: &Model, options: &Options) -> String {
    let size = Size {
        rows: model.rows().len(),
        columns: model.columns().len(),
        integers: model.integers(),
        nonzeros: model.nonzeros(),
    };
    let sense = match model.sense {
        Sense::Minimize => "minimize",
        Sense::Maximize => "maximize",
    };
    let mut limits = vec![];
    if let Some(limit) = options.time_limit {
        limits.push(format!("time {} s", limit.as_secs_f64()));
    }
    let counts = [
        ("work", options.work_limit),
        ("nodes", options.node_limit),
        ("LP iterations", options.lp_iteration_limit),
    ];
    for (name, limit) in counts {
        if let Some(limit) = limit {
            limits.push(format!("{name} {limit}"));
        }
    }
    if let Some(bytes) = options.memory_limit {
        limits.push(format!("memory {} MiB", bytes >> 20));
    }
    limits.push(format!(
        "gap {} %",
        value(Some(100.0 * options.gap_relative))
    ));
    format!(
        "branchcut {}\nmodel      {}: {sense}, {}\nlimits     {}",
        env!("CARGO_PKG_VERSION"),
        file.display().to_string().escape_debug(),
        sizes(&size),
        limits.join(", "),
    )
}

/// The end of the log.
pub(super) fn summary(outcome: &Outcome, is_verbose: bool) -> String {
    let shown =
        |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
    let gap = outcome
        .gap()
        .map_or_else(|| "none".to_owned(), |gap| format!("{:.4} %", 100.0 * gap));
    let mut text = format!("\nstatus      {}", outcome.status.name());
    if let Some(reason) = &outcome.reason {
        text.push_str(&format!(" ({reason})"));
    }
    let first = outcome.first_incumbent().map_or_else(
        || "none".to_owned(),
        |time| format!("{:.3} s", time.as_secs_f64()),
    );
    text.push_str(&format!(
        "\nobjective   {}\nbound       {}\ngap         {gap}\nnodes       {}\niterations  {}\nwork        {}\nfirst point {first}\nprimal int. {:.3} s\ntime        {:.3} s",
        shown(outcome.objective),
        shown(outcome.bound),
        outcome.counters.nodes,
        outcome.counters.lp_iterations,
        outcome.counters.work,
        outcome.primal_integral(None),
        outcome.elapsed.as_secs_f64(),
    ));
    if is_verbose {
        text.push_str(&techniques(&outcome.applied));
    }
    text
}

/// What each technique did, its kinds below it.
fn techniques(applied: &[Applied]) -> String {
    let mut text = format!(
        "\n\n{:<36} {:>8} {:>10} {:>10} {:>14}",
        "technique", "calls", "found", "used", "ticks"
    );
    let mut last = None;
    for entry in applied {
        let name = entry.technique.name();
        let title = if entry.kind.is_empty() {
            name.to_owned()
        } else if last == Some(entry.technique) {
            format!("  {}", entry.kind)
        } else {
            format!("{name}: {}", entry.kind)
        };
        last = entry.kind.is_empty().then_some(entry.technique).or(last);
        let shown = |count: u64| match count {
            0 => String::new(),
            _ => count.to_string(),
        };
        text.push_str(&format!(
            "\n{title:<36} {:>8} {:>10} {:>10} {:>14}",
            shown(entry.calls),
            entry.found,
            entry.used,
            shown(entry.ticks)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, bound: f64, incumbent: Option<f64>) -> Moment {
        Moment {
            elapsed: Duration::from_secs(seconds),
            bound: Some(bound),
            incumbent,
            ..Moment::default()
        }
    }

    #[test]
    fn progress_is_for_a_terminal_and_improvements_for_all() {
        let bound = |seconds| LogEvent::Bound {
            bound: 7.0,
            at: at(seconds, 7.0, None),
        };
        let point = LogEvent::Incumbent {
            objective: 8.0,
            source: "rounding",
            at: at(3, 7.0, Some(8.0)),
        };
        let mut plain = Log::new(false, Sense::Minimize);
        assert_eq!(plain.event(&bound(2)), None);
        let text = plain.event(&point).unwrap();
        assert!(text.starts_with("\n  source"), "{text}");
        let line = text.lines().last().unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(
            words,
            ["*", "rounding", "0", "0", "0", "7", "8", "12.50", "3.00"]
        );
        assert_eq!(line.len(), HEAD.trim_start_matches('\n').len());
        let mut terminal = Log::new(true, Sense::Minimize);
        assert!(terminal.event(&bound(2)).is_some());
        assert_eq!(terminal.event(&bound(2)), None);
    }

    #[test]
    fn numbers_stay_short() {
        for (given, expected) in [
            (Some(0.0), "0"),
            (Some(-0.000_000_1), "-1.00000000e-7"),
            (Some(121.0), "121"),
            (Some(8_691.25), "8691.25"),
            (Some(-12_345_678_901.0), "-1.23456789e10"),
            (Some(f64::NEG_INFINITY), "-inf"),
            (None, "-"),
        ] {
            assert_eq!(value(given), expected);
        }
        assert_eq!(gap(Sense::Maximize, &at(0, 7.0, Some(8.0))), "0.00");
        assert_eq!(gap(Sense::Maximize, &at(0, 9.0, Some(8.0))), "12.50");
        assert_eq!(gap(Sense::Minimize, &at(0, -9.0, Some(0.0))), "large");
    }
}
