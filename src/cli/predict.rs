//! `predict`: what each container is predicted to use, and why.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::args::PredictArgs;
use super::exchange::print_json;
use super::exit::{self, Failure};
use super::log::Log;
use super::settings::Session;
use super::{plan, render};
use crate::engine::shell;
use crate::error::chain;
use crate::history::trace::parse_traces;
use crate::predict::forecast::{Chain, predict_once};
use crate::predict::store::{self, host_model};
use crate::predict::trees::Trees;
use crate::predict::{Confidence, Link, Prediction};
use crate::report::{display_name, escape_name};

/// `--json` of `predict` (schema `predict/1`).
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    /// Why no trees speak for anyone; none: they may.
    refused: Option<String>,
    containers: Vec<Row>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Row {
    id: String,
    now: Option<f64>,
    p50: Option<f64>,
    p95: f64,
    source: Link,
    age_s: f64,
    interval_s: Option<f64>,
    confidence: Option<Confidence>,
    why: String,
}

impl Row {
    fn new(id: String, now: Option<f64>, prediction: &Prediction) -> Self {
        Self {
            id,
            now,
            p50: prediction.p50,
            p95: prediction.p95,
            source: prediction.link,
            age_s: prediction.age_s,
            interval_s: prediction.interval_s,
            confidence: prediction.confidence,
            why: prediction.why.clone(),
        }
    }
}

pub(super) fn run(
    session: &Session,
    arguments: &PredictArgs,
    log: &Log,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let report = match &arguments.trace {
        Some(trace) => of_traces(session, trace, arguments)?,
        None => of_host(session)?,
    };
    if arguments.json {
        return print_json(&report, out);
    }
    report.notes.iter().for_each(|note| log.note(note));
    if let Some(reason) = &report.refused {
        writeln!(out, "no trees: {reason}\n")?;
    }
    let head = ["CONTAINER", "NOW", "P50", "P95", "SOURCE", "WHY"].map(String::from);
    let number = |cpus: Option<f64>| cpus.map_or_else(|| "-".into(), |c| format!("{c:.3}"));
    let lines = report.containers.iter().map(|row| {
        vec![
            row.id.clone(),
            number(row.now),
            number(row.p50),
            number(Some(row.p95)),
            link_words(row.source).into(),
            row.why.clone(),
        ]
    });
    let table: Vec<_> = std::iter::once(head.to_vec()).chain(lines).collect();
    write!(out, "{}", render::table(&table))?;
    Ok(exit::DONE)
}

fn link_words(link: Link) -> &'static str {
    match link {
        Link::Trees => "trees",
        Link::DayP95 => "24 h P95",
        Link::HourMax => "hour max",
        Link::Blend => "blend",
        Link::Request => "request",
    }
}

fn of_host(session: &Session) -> Result<Report, Failure> {
    let config = session.config()?;
    let (sight, _) =
        shell::plan(&session.site(&config), &plan::no_search(&config)).map_err(plan::failure)?;
    let row = |m: &crate::engine::Managed| {
        let now = sight.history.samples(&m.container.key).last();
        Row::new(m.container.id.clone(), now.map(|s| s.cpus), &m.prediction)
    };
    Ok(Report {
        schema: "predict/1",
        containers: sight.state.containers.iter().map(row).collect(),
        refused: sight.model.reason,
        notes: sight.notes,
    })
}

/// At the end of each trace, as if it ran here and nothing was known of outcomes.
fn of_traces(session: &Session, path: &Path, arguments: &PredictArgs) -> Result<Report, Failure> {
    let config = session.config()?;
    let (text, _) = store::read_text(path).map_err(Failure::bad_input)?;
    let name = escape_name(path.as_os_str().as_encoded_bytes());
    let traces = parse_traces(&text)
        .map_err(|e| Failure::bad_input(format_args!("{name}: {}", chain(&e))))?;
    let trees = match &arguments.model {
        Some(model) => {
            let (model, id) = store::read_model(model).map_err(Failure::bad_input)?;
            Trees::new(model, id)
        }
        None => host_model(&session.state),
    };
    let chain = Chain {
        trees: trees.as_ref().map_err(String::as_str),
        coverage: config.predict.coverage,
        step: config.predict.step,
    };
    let rows = traces.iter().filter_map(|trace| {
        let &(now_s, now) = trace.samples.last()?;
        let features = trace.features_at(now_s, arguments.cpus, arguments.cpus);
        let prediction = predict_once(&features, &trace.memory(), &chain);
        Some(Row::new(display_name(&trace.id), Some(now), &prediction))
    });
    let last = traces.iter().filter_map(|t| t.samples.last().map(|s| s.0));
    let now_s = last.fold(0.0, f64::max);
    Ok(Report {
        schema: "predict/1",
        containers: rows.collect(),
        refused: chain.refusal(&crate::predict::forecast::Forecast::default(), now_s),
        notes: Vec::new(),
    })
}
