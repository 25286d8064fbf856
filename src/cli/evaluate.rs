//! `evaluate`: scores of a model over a directory of traces.
#![expect(clippy::disallowed_methods, reason = "writes the plot: an edge")]

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

use super::args::{EvaluateArgs, PartChoice};
use super::exchange::print_json;
use super::exit::{self, Failure};
use super::render;
use crate::error::chain;
use crate::predict::bootstrap::{Interval, interval};
use crate::predict::dataset::{Part, Split, Thinning, TraceFolder};
use crate::predict::evaluate::{BASELINES, Both, Evaluation, Plan, Score};
use crate::predict::follow::Asked;
use crate::predict::scorer::Scorer;
use crate::predict::store;
use crate::report::{display_name, escape_name, format_plot};

pub(super) fn run(arguments: &EvaluateArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let bad = |e: &dyn std::error::Error| Failure::bad_input(chain(e));
    let (model, _) = store::read_model(&arguments.model).map_err(Failure::bad_input)?;
    let scorer = Scorer::new(model).map_err(|e| bad(&e))?;
    let quantiles = scorer.model().quantiles().to_vec();
    let asked = Asked::new(&scorer, arguments.quantile);
    let main = asked.main;
    let folder = TraceFolder::open(&arguments.traces).map_err(|e| bad(&e))?;
    let part = match arguments.part {
        PartChoice::All => None,
        PartChoice::Train => Some(Part::Train),
        PartChoice::Calibrate => Some(Part::Calibrate),
        PartChoice::Test => Some(Part::Test),
    };
    let split = match part {
        Some(_) => Split::of(&folder).map_err(|e| bad(&e))?,
        None => Split::default(),
    };
    let thinning = part
        .zip(arguments.max_rows)
        .map(|(part, rows)| Thinning::of(&split, part, super::train::limits(rows)[part as usize]));
    let mut evaluation = Evaluation::default();
    let plan = Plan {
        asked: Asked {
            stride: usize::try_from(arguments.stride)
                .unwrap_or(usize::MAX)
                .max(1),
            ..asked
        },
        draw: arguments.plot.is_some(),
    };
    folder
        .visit(|info, samples| {
            let wanted = |now_s| part.is_none() || split.part(&info.group, now_s) == part;
            let scored = |now_s| {
                let kept = |t: &Thinning| t.keeps(&info.group, &info.id, now_s, arguments.seed);
                thinning.as_ref().is_none_or(kept)
            };
            evaluation.add(&plan, info, samples, wanted, scored);
        })
        .map_err(|e| bad(&e))?;
    let pooled = evaluation.pooled();
    if pooled.raw.rows == 0 {
        let name = escape_name(arguments.traces.as_os_str().as_encoded_bytes());
        return Err(Failure::bad_input(format_args!(
            "{name} has no eligible row: an hour of history and all samples of the ten minutes after it are needed"
        )));
    }
    if let Some(path) = &arguments.plot {
        let name = escape_name(path.as_os_str().as_encoded_bytes());
        std::fs::write(path, format_plot(&evaluation, &quantiles, main))
            .map_err(|e| Failure::bad_input(format_args!("cannot write the plot {name}: {e}")))?;
    }
    let report = Report::of(&evaluation, quantiles[main], arguments.seed);
    if arguments.json {
        return print_json(&report, out);
    }
    write!(out, "{}", report.text())?;
    Ok(exit::DONE)
}

/// Rows from which on a group's score needs no interval.
const MANY_ROWS: u64 = 100_000;

/// Schema `evaluate/1`.
#[derive(Serialize)]
struct Report {
    schema: &'static str,
    quantile: f64,
    rows: u64,
    pooled: Scores,
    groups: BTreeMap<String, Scores>,
    baselines: BTreeMap<&'static str, Score>,
    traces_in_band: Option<f64>,
    /// Traces of 200 rows and more.
    traces: u64,
}

#[derive(Serialize)]
struct Scores {
    #[serde(flatten)]
    used: Score,
    /// Of groups with fewer rows than [`MANY_ROWS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<Interval>,
    rows: u64,
    raw: Score,
    calibrated: Score,
}

impl Scores {
    fn of(both: &Both) -> Self {
        Self {
            used: both.calibrated.score(),
            interval: None,
            rows: both.raw.rows,
            raw: both.raw.score(),
            calibrated: both.calibrated.score(),
        }
    }
}

impl Report {
    fn of(evaluation: &Evaluation, quantile: f64, seed: u64) -> Self {
        let group = |(name, both): (&String, &Both)| {
            let few = both.raw.rows < MANY_ROWS;
            let traces = evaluation.by_trace.get(name).filter(|_| few);
            let interval = traces.and_then(|traces| interval(traces, seed));
            let scores = Scores {
                interval,
                ..Scores::of(both)
            };
            (name.clone(), scores)
        };
        let groups = evaluation.groups.iter();
        let baselines = BASELINES.iter().enumerate();
        Self {
            schema: "evaluate/1",
            quantile,
            rows: evaluation.pooled().raw.rows,
            pooled: Scores::of(&evaluation.pooled()),
            groups: groups.map(group).collect(),
            baselines: baselines
                .map(|(i, &name)| (name, evaluation.baseline(i).score()))
                .collect(),
            traces_in_band: evaluation.traces_in_band(),
            traces: evaluation.traces[0],
        }
    }

    fn text(&self) -> String {
        let range = |[low, high]: [f64; 2]| format!("{low:.3}..{high:.3}");
        let cells = |name: &str, rows: Option<u64>, score: &Score, interval: Option<Interval>| {
            vec![
                name.to_string(),
                rows.map_or(String::new(), |rows| rows.to_string()),
                format!("{:.4}", score.pinball),
                format!("{:.4}", score.coverage),
                format!("{:.3}", score.over),
                interval.map_or(String::new(), |i| range(i.pinball)),
                interval.map_or(String::new(), |i| range(i.coverage)),
            ]
        };
        let head = [
            "",
            "ROWS",
            "PINBALL",
            "COVERAGE",
            "OVER",
            "95 % OF DRAWS",
            "COVERAGE",
        ]
        .map(String::from);
        let mut rows = vec![head.to_vec()];
        rows.push(cells("pooled", Some(self.rows), &self.pooled.used, None));
        rows.push(cells("  trees alone", None, &self.pooled.raw, None));
        for (name, scores) in &self.groups {
            let name = format!("group {}", display_name(name));
            rows.push(cells(
                &name,
                Some(scores.rows),
                &scores.used,
                scores.interval,
            ));
            rows.push(cells("  trees alone", None, &scores.raw, None));
        }
        for (name, score) in &self.baselines {
            rows.push(cells(&format!("rule {name}"), None, score, None));
        }
        let band = self.traces_in_band.map_or(String::new(), |share| {
            format!(
                "\n{:.1} % of {} traces with 200 rows or more have a coverage of 0.90 to 0.99\n",
                100.0 * share,
                self.traces
            )
        });
        format!("{}{band}", render::table(&rows))
    }
}
