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
use crate::predict::dataset::{Part, Split, Thinning, TraceFolder};
use crate::predict::evaluate::{BASELINES, Both, Evaluation, Plan, Score};
use crate::predict::scorer::Scorer;
use crate::predict::store;
use crate::report::{display_name, escape_name, format_plot};

pub(super) fn run(arguments: &EvaluateArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let bad = |e: &dyn std::error::Error| Failure::bad_input(chain(e));
    let (model, _) = store::read_model(&arguments.model).map_err(Failure::bad_input)?;
    let scorer = Scorer::new(model).map_err(|e| bad(&e))?;
    let quantiles = scorer.model().quantiles().to_vec();
    let main = nearest(&quantiles, arguments.quantile);
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
        scorer: &scorer,
        main,
        stride: usize::try_from(arguments.stride)
            .unwrap_or(usize::MAX)
            .max(1),
        draw: arguments.plot.is_some(),
    };
    folder
        .visit(|info, samples| {
            let wanted = |now_s| {
                let kept = |t: &Thinning| t.keeps(&info.group, &info.id, now_s, arguments.seed);
                let here = part.is_none() || split.part(&info.group, now_s) == part;
                here && thinning.as_ref().is_none_or(kept)
            };
            evaluation.add(&plan, info, samples, wanted);
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
    let report = Report::of(&evaluation, quantiles[main]);
    if arguments.json {
        return print_json(&report, out);
    }
    write!(out, "{}", report.text())?;
    Ok(exit::DONE)
}

/// Index of the quantile nearest to `wanted`.
fn nearest(quantiles: &[f64], wanted: f64) -> usize {
    let far = |i: &usize| (quantiles[*i] - wanted).abs();
    let all = 0..quantiles.len();
    all.min_by(|a, b| far(a).total_cmp(&far(b))).unwrap_or(0)
}

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
    rows: u64,
    raw: Score,
    calibrated: Score,
}

impl Scores {
    fn of(both: &Both) -> Self {
        Self {
            used: both.calibrated.score(),
            rows: both.raw.rows,
            raw: both.raw.score(),
            calibrated: both.calibrated.score(),
        }
    }
}

impl Report {
    fn of(evaluation: &Evaluation, quantile: f64) -> Self {
        let groups = evaluation.groups.iter();
        let baselines = BASELINES.iter().enumerate();
        Self {
            schema: "evaluate/1",
            quantile,
            rows: evaluation.pooled().raw.rows,
            pooled: Scores::of(&evaluation.pooled()),
            groups: groups
                .map(|(name, both)| (name.clone(), Scores::of(both)))
                .collect(),
            baselines: baselines
                .map(|(i, &name)| (name, evaluation.baseline(i).score()))
                .collect(),
            traces_in_band: evaluation.traces_in_band(),
            traces: evaluation.traces[0],
        }
    }

    fn text(&self) -> String {
        let cells = |name: &str, rows: Option<u64>, score: &Score| {
            vec![
                name.to_string(),
                rows.map_or(String::new(), |rows| rows.to_string()),
                format!("{:.4}", score.pinball),
                format!("{:.4}", score.coverage),
                format!("{:.3}", score.over),
            ]
        };
        let head = ["", "ROWS", "PINBALL", "COVERAGE", "OVER"].map(String::from);
        let mut rows = vec![head.to_vec()];
        rows.push(cells("pooled", Some(self.rows), &self.pooled.used));
        rows.push(cells("  trees alone", None, &self.pooled.raw));
        for (name, scores) in &self.groups {
            let name = format!("group {}", display_name(name));
            rows.push(cells(&name, Some(scores.rows), &scores.used));
            rows.push(cells("  trees alone", None, &scores.raw));
        }
        for (name, score) in &self.baselines {
            rows.push(cells(&format!("rule {name}"), None, score));
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
