//! `import` and `export`: models to and from LightGBM's text.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::args::{ExportArgs, ImportArgs};
use super::exchange::print_json;
use super::exit::{self, Failure};
use super::log::Log;
use super::settings::Session;
use crate::error::chain;
use crate::predict::forest::{Column, Forest, Kind};
use crate::predict::lightgbm::{Dictionaries, format_dictionaries, format_model, read};
use crate::predict::model::{Metadata, Model, Origin, Target};
use crate::predict::online::Pace;
use crate::predict::store;
use crate::predict::trees::Trees;
use crate::report::escape_name;

/// `--json` of `import` and `export`.
#[derive(Debug, Serialize)]
struct Done {
    schema: &'static str,
    file: String,
    quantiles: Vec<f64>,
    trees: usize,
    columns: usize,
    notes: Vec<String>,
}

fn shown(path: &Path) -> String {
    escape_name(path.as_os_str().as_encoded_bytes())
}

pub(super) fn import(
    session: &Session,
    arguments: &ImportArgs,
    log: &Log,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let mut dictionaries = Dictionaries::new();
    if let Some(path) = &arguments.dictionary {
        let (text, _) = store::read_text(path).map_err(Failure::bad_input)?;
        dictionaries = serde_json::from_str(&text)
            .map_err(|e| Failure::bad_input(format_args!("{}: {e}", shown(path))))?;
    }
    let mut forests = Vec::new();
    let mut newest_s: f64 = 0.0;
    for path in &arguments.files {
        let (text, modified_s) = store::read_text(path).map_err(Failure::bad_input)?;
        let forest = read(&text, &dictionaries, arguments.quantile)
            .map_err(|e| Failure::bad_input(format_args!("{}: {}", shown(path), chain(&e))))?;
        newest_s = newest_s.max(modified_s);
        forests.push(forest);
    }
    let interval_s = forests.first().and_then(|f| intervals(f.columns()));
    let metadata = Metadata {
        origin: Origin::LightGbm,
        target: Target::Plain,
        groups: Vec::new(),
        rows: 0,
        interval_s,
        seed: 0,
        newest_s,
        offsets: Vec::new(),
        pace: Pace::default(),
        importance: Vec::new(),
        licence: arguments.licence.clone().unwrap_or_default(),
    };
    let model = Model::new(metadata, forests).map_err(|e| Failure::bad_input(chain(&e)))?;
    let mut notes = Vec::new();
    if let Err(reason) = Trees::new(model.clone(), 0) {
        notes.push(format!("a host will refuse it: {reason}"));
    }
    let file = match &arguments.out {
        Some(path) => store::write_model(path, &model).map(|_| path.clone()),
        None => store::install_model(&session.state, &model),
    };
    let file = file.map_err(Failure::bad_input)?;
    report(
        "model_import/1",
        &file,
        &model,
        notes,
        arguments.json,
        log,
        out,
    )
}

/// Range of the sampling intervals in training, as the column tells.
fn intervals(columns: &[Column]) -> Option<(f64, f64)> {
    let column = columns.iter().find(|c| c.name == "interval_s")?;
    match column.kind {
        Kind::Numeric { least, most } if least <= most => Some((least, most)),
        _ => None,
    }
}

pub(super) fn export(
    session: &Session,
    arguments: &ExportArgs,
    log: &Log,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let current = store::current_model(&session.state);
    let path = arguments.model.as_ref().unwrap_or(&current);
    let (model, _) = store::read_model(path).map_err(Failure::bad_input)?;
    let has = |f: &&Forest| {
        f.quantiles()
            .iter()
            .any(|q| (q - arguments.quantile).abs() < 1e-9)
    };
    let forest = model.forests().iter().find(has).or(model.forests().first());
    let Some(forest) = forest else {
        return Err(Failure::bad_input("the model is empty"));
    };
    let near = forest
        .quantiles()
        .iter()
        .find(|q| (*q - arguments.quantile).abs() < 1e-9);
    let quantile = near.copied().unwrap_or(arguments.quantile);
    let text = format_model(forest, quantile)
        .map_err(|e| Failure::bad_input(format_args!("{}: {}", shown(path), chain(&e))))?;
    let mut notes = Vec::new();
    match model.metadata().target {
        Target::Plain => {}
        Target::OfHourMax => notes.push(
            "a scale-free model: levels of a row and the prediction are shares of hour_max".into(),
        ),
        Target::AboveHourMax => {
            notes.push("the prediction is what is above hour_max: add that of the row".into());
        }
    }
    store::write_text(&arguments.out, &text).map_err(Failure::bad_input)?;
    let categorical = |c: &Column| matches!(c.kind, Kind::Categorical { .. });
    if forest.columns().iter().any(categorical) {
        let mut name = arguments.out.as_os_str().to_os_string();
        name.push(".dictionary.json");
        let sidecar = Path::new(&name);
        store::write_text(sidecar, &format_dictionaries(forest)).map_err(Failure::bad_input)?;
        notes.push(format!("names of the categories: {}", shown(sidecar)));
    }
    report(
        "model_export/1",
        &arguments.out,
        &model,
        notes,
        arguments.json,
        log,
        out,
    )
}

fn report(
    schema: &'static str,
    file: &Path,
    model: &Model,
    notes: Vec<String>,
    json: bool,
    log: &Log,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let done = Done {
        schema,
        file: shown(file),
        quantiles: model.quantiles().to_vec(),
        trees: model.forests().iter().map(|f| f.trees().len()).sum(),
        columns: model.columns().len(),
        notes,
    };
    if json {
        return print_json(&done, out);
    }
    done.notes.iter().for_each(|note| log.note(note));
    writeln!(
        out,
        "{}: {} trees, {} columns, quantiles {:?}",
        done.file, done.trees, done.columns, done.quantiles
    )?;
    Ok(exit::DONE)
}
