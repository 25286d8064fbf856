//! `train --history`: a new model from the archive, in place of the old one if it is no worse.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::args::TrainArgs;
use super::exchange::print_json;
use super::exit::{self, Failure};
use super::log::Log;
use super::progress::Progress;
use super::settings::Session;
use super::train::{growth, settings, within};
use crate::error::chain;
use crate::predict::archive_rows::{self, Cuts, Parts};
use crate::predict::dataset::{Dataset, Levels, Rows, TraceInfo};
use crate::predict::features::{CATEGORIES, COUNT, HOUR_MAX};
use crate::predict::follow::Asked;
use crate::predict::grow::pinball;
use crate::predict::model::Model;
use crate::predict::online::QUANTILE;
use crate::predict::pace::Paths;
use crate::predict::scorer::Scorer;
use crate::predict::store;
use crate::predict::train::train;
use crate::report::escape_name;

/// Bytes that a row takes until its model is made: features twice (as they are and
/// as bins), targets, sums of the quantiles.
const ROW_BYTES: u64 = COUNT as u64 * 5 + 64;

/// Licence of what a host learns from itself.
const LICENCE: &str = "trained on this site's own use";

/// `--json` (schema `retrain/1`).
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    file: String,
    hosts: usize,
    samples: u64,
    /// Samples whose rows were kept (`--row-cache`).
    reused: u64,
    /// Five minutes left out: not whole, or without a request.
    left_out: u64,
    /// Rows grown on, calibrated by, tested on.
    rows: [usize; 3],
    trees: usize,
    /// Pinball losses on the newest rows, % of the request.
    new_loss: f64,
    old_loss: Option<f64>,
    hour_max_loss: f64,
    installed: bool,
    reason: Option<String>,
    notes: Vec<String>,
}

pub(super) fn run(
    session: &Session,
    history: &Path,
    arguments: &TrainArgs,
    log: &Log,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    store::be_nice();
    let mut notes = Vec::new();
    let Parts {
        rows: [grow, calibrate, test],
        levels,
        groups,
        followed,
        cuts,
        samples,
        reused,
        left_out,
    } = read(history, arguments, &mut notes)?;
    let rows = [grow.len(), calibrate.len(), test.len()];
    if rows.contains(&0) {
        return Err(Failure::bad_input(format_args!(
            "{}: {} samples of five minutes give {} rows to grow on, {} to calibrate by and {} to test on; \
             a day or more of history with requests is needed ({} five minutes were left out)",
            escape_name(history.as_os_str().as_encoded_bytes()),
            samples,
            rows[0],
            rows[1],
            rows[2],
            left_out
        )));
    }
    let hosts = groups.len();
    let names = levels.clone();
    let dataset = Dataset {
        train: grow,
        calibrate,
        levels,
        groups,
    };
    let settings = settings(arguments);
    let mut progress = Progress::new();
    let licence = arguments.licence.as_deref().unwrap_or(LICENCE);
    let trained = train(dataset, &settings, licence, &mut |trees, loss| {
        progress.show(|_| growth(trees, settings.trees, loss));
        within(arguments)
    });
    progress.end();
    let model = trained.map_err(|e| Failure::bad_input(chain(&e)))?.model;
    let model = paced(model, &followed, cuts, arguments.quantile)?;
    let current = store::current_model(&session.state);
    let path = arguments.out.as_ref().unwrap_or(&current);
    let old = store::read_model(path).ok().map(|(old, _)| old);
    let old_loss = old.and_then(|old| loss(old, &test, &names));
    let new_loss = loss(model.clone(), &test, &names).unwrap_or(f64::INFINITY);
    let hour_max_loss = mean(&test, |row| f64::from(row[HOUR_MAX]));
    let reason = refusal(new_loss, old_loss, hour_max_loss);
    if reason.is_none() {
        let written = match &arguments.out {
            Some(path) => store::replace_model(path, &model),
            None => store::install_model(&session.state, &model).map(|_| ()),
        };
        written.map_err(Failure::bad_input)?;
    }
    let report = Report {
        schema: "retrain/1",
        file: escape_name(path.as_os_str().as_encoded_bytes()),
        hosts,
        samples,
        reused,
        left_out,
        rows,
        trees: model.forests().iter().map(|f| f.trees().len()).sum(),
        new_loss,
        old_loss,
        hour_max_loss,
        installed: reason.is_none(),
        reason,
        notes,
    };
    report.notes.iter().for_each(|note| log.note(note));
    let code = if report.installed {
        exit::DONE
    } else {
        exit::KEPT
    };
    if arguments.json {
        print_json(&report, out)?;
        return Ok(code);
    }
    let told = match &report.reason {
        None => format!("{}: new model", report.file),
        Some(reason) => format!("{}: the old model is kept: {reason}", report.file),
    };
    let old = old_loss.map_or("none".into(), |loss| format!("{loss:.4}"));
    writeln!(
        out,
        "{told}\n{} trees on {} rows of {} hosts; loss on the newest {} rows, % of the request: new {:.4}, old {old}, \
         maximum of the last hour {:.4}",
        report.trees, rows[0], report.hosts, rows[2], report.new_loss, report.hour_max_loss
    )?;
    Ok(code)
}

/// The model with the pace of the online offsets fitted on the calibration part of containers.
fn paced(
    model: Model,
    containers: &[(TraceInfo, Vec<(f64, f64)>)],
    cuts: Cuts,
    quantile: f64,
) -> Result<Model, Failure> {
    let scorer = Scorer::new(model.clone()).map_err(|e| Failure::bad_input(chain(&e)))?;
    let asked = Asked::new(&scorer, quantile);
    let mut paths = Paths::default();
    for (info, samples) in containers {
        paths.add(asked, info, samples, |now_s| cuts.part(now_s) == Some(1));
    }
    Ok(model.with_pace(paths.fit(asked.quantile())))
}

/// Why the new model is not taken; none: it is.
fn refusal(new: f64, old: Option<f64>, hour_max: f64) -> Option<String> {
    if let Some(old) = old.filter(|old| new > *old) {
        return Some(format!(
            "on the newest data the new one is worse ({new:.4} against {old:.4})"
        ));
    }
    (new > hour_max).then(|| {
        format!("on the newest data the new one loses to the maximum of the last hour ({new:.4} against {hour_max:.4})")
    })
}

/// As many rows as memory and `--max-rows` allow, evenly taken, of the archives below
/// `directory`: its own, or one a subdirectory (with or without `history` in between).
fn read(
    directory: &Path,
    arguments: &TrainArgs,
    notes: &mut Vec<String>,
) -> Result<Parts, Failure> {
    let found = store::archives(directory).map_err(Failure::bad_input)?;
    if found.is_empty() {
        return Err(Failure::bad_input(format_args!(
            "{}: no archive here (a directory `archive`), nor one level or two below; name STATE/history of a host or a \
             directory of such",
            escape_name(directory.as_os_str().as_encoded_bytes())
        )));
    }
    let most = (arguments.memory << 20) / ROW_BYTES;
    let most = most.min(arguments.max_rows.saturating_mul(4) / 3).max(1);
    let parts = archive_rows::read(&found, most, arguments.row_cache.as_deref(), notes);
    parts.map_err(|e| Failure::bad_input(chain(&e)))
}

/// Mean pinball loss of a model's quantile nearest to 0.95; none if it cannot be used.
fn loss(model: Model, rows: &Rows, levels: &Levels) -> Option<f64> {
    let quantiles = model.quantiles().to_vec();
    let near = |q: &f64| (q - QUANTILE).abs();
    let at = (0..quantiles.len())
        .min_by(|a, b| near(&quantiles[*a]).total_cmp(&near(&quantiles[*b])))?;
    let scorer = Scorer::new(model).ok()?;
    // The rows' codes are of the archive, the model has its own dictionary.
    let codes: Vec<Vec<f32>> = (0..4)
        .map(|category| {
            let code = |name: &String| {
                let mut names = [None, None, None, None];
                names[category] = Some(name.clone());
                scorer.codes(&names)[category]
            };
            levels.names(category).iter().map(code).collect()
        })
        .collect();
    let (mut columns, mut out) = (Vec::new(), vec![0.0; quantiles.len()]);
    Some(mean(rows, |row| {
        let mut row = *row;
        for (value, codes) in row[CATEGORIES..].iter_mut().zip(&codes) {
            *value = translated(*value, codes);
        }
        scorer.predict(&row, &mut columns, &mut out);
        out[at]
    }))
}

fn translated(code: f32, codes: &[f32]) -> f32 {
    if code.is_nan() {
        return code;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a code is a small whole number"
    )]
    let index = code as usize;
    codes.get(index).copied().unwrap_or(f32::NAN)
}

/// Mean pinball loss of a rule over rows, clamped to the request.
fn mean(rows: &Rows, mut rule: impl FnMut(&[f32; COUNT]) -> f64) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (index, target) in rows.targets.iter().enumerate() {
        let Ok(row) = rows.row(index).try_into() else {
            continue;
        };
        let predicted = rule(row).clamp(0.0, 100.0);
        sum += pinball(f64::from(*target) - predicted, QUANTILE);
        count += 1.0;
    }
    if count > 0.0 { sum / count } else { 0.0 }
}
