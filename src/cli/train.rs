//! `train`: from traces to a model file, or to rows for another trainer.
#![expect(
    clippy::disallowed_methods,
    reason = "writes the model or the exported rows, an edge"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::Path;

use serde::Serialize;

use super::args::TrainArgs;
use super::exchange::print_json;
use super::exit::{self, Failure};
use super::log::Log;
use super::progress::Progress;
use super::render;
use super::retrain;
use super::settings::Session;
use crate::error::chain;
use crate::predict::dataset::{
    Dataset, Levels, Part, RowLimits, Split, Thinning, TraceFolder, export, walk,
};
use crate::predict::features::{COUNT, fill_row};
use crate::predict::follow::Asked;
use crate::predict::grow::Settings;
use crate::predict::online::Pace;
use crate::predict::pace::Paths;
use crate::predict::scorer::Scorer;
use crate::predict::store;
use crate::predict::train::{Trained, train};
use crate::report::{display_name, escape_name};

/// What is said of a model's data where nothing else is known.
const LICENCE: &str = "that of the traces it was trained on";

pub(super) fn run(
    session: &Session,
    arguments: &TrainArgs,
    log: &Log,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    if let Some(history) = &arguments.history {
        return retrain::run(session, history, arguments, log, out);
    }
    let bad = |e: &dyn std::error::Error| Failure::bad_input(chain(e));
    let Some(traces) = &arguments.traces else {
        return Err(Failure::new(
            exit::USAGE,
            "train needs --traces DIR or --history DIR",
        ));
    };
    let folder = TraceFolder::open(traces).map_err(|e| bad(&e))?;
    let split = Split::of(&folder).map_err(|e| bad(&e))?;
    if let Some(path) = &arguments.export {
        let rows = export_rows(&folder, &split, arguments, path)?;
        log.note(&format!(
            "{} rows to train, {} to calibrate, {} to test written",
            rows[0], rows[1], rows[2]
        ));
        return Ok(exit::DONE);
    }
    let Some(path) = &arguments.out else {
        return Err(Failure::new(
            exit::USAGE,
            "train needs --out MODEL (or --export ROWS.csv)",
        ));
    };
    let settings = settings(arguments);
    let [train_rows, calibrate_rows, _] = limits(arguments.max_rows);
    let limits = RowLimits {
        train: train_rows,
        calibrate: calibrate_rows,
    };
    let dataset = Dataset::read(&folder, &split, limits, arguments.seed).map_err(|e| bad(&e))?;
    let read_s = user_s();
    let used = [dataset.train.len(), dataset.calibrate.len()];
    let mut progress = Progress::new();
    let licence = arguments.licence.as_deref().unwrap_or(LICENCE);
    let trained = train(dataset, &settings, licence, &mut |trees, loss| {
        progress.show(|_| growth(trees, settings.trees, loss));
        within(arguments)
    });
    progress.end();
    let trained = trained.map_err(|e| bad(&e))?;
    let user_s = read_s.zip(user_s()).map(|(read, all)| User {
        rows: read,
        grow: all - read,
    });
    let trained = paced(trained, &folder, &split, arguments)?;
    let bytes = store::write_model(path, &trained.model).map_err(Failure::bad_input)?;
    let report = Report::of(&trained, &split, used, bytes, user_s);
    if arguments.json {
        return print_json(&report, out);
    }
    if std::io::stdout().is_terminal() {
        write!(out, "{}", report.text())?;
    }
    Ok(exit::DONE)
}

/// Calibration rows, in traces taken whole, that the pace is fitted on at most.
const PACE_ROWS: u64 = 2_000_000;

/// Fits the pace of the online offsets along the calibration part.
fn paced(
    trained: Trained,
    folder: &TraceFolder,
    split: &Split,
    arguments: &TrainArgs,
) -> Result<Trained, Failure> {
    let bad = |e: &dyn std::error::Error| Failure::bad_input(chain(e));
    let scorer = Scorer::new(trained.model.clone()).map_err(|e| bad(&e))?;
    let asked = Asked::new(&scorer, arguments.quantile);
    let thinning = Thinning::of(split, Part::Calibrate, PACE_ROWS);
    let mut paths = Paths::default();
    let visited = folder.visit(|info, samples| {
        let whole = |now_s| split.part(&info.group, now_s) == Some(Part::Calibrate);
        if thinning.keeps(&info.group, &info.id, 0.0, arguments.seed) {
            paths.add(asked, info, samples, whole);
        }
    });
    visited.map_err(|e| bad(&e))?;
    let pace = paths.fit(asked.quantile());
    Ok(Trained {
        model: trained.model.with_pace(pace),
        ..trained
    })
}

/// Whether there is CPU time left.
pub(super) fn within(arguments: &TrainArgs) -> bool {
    let spent = arguments.cpu_seconds.zip(user_s());
    spent.is_none_or(|(most, spent)| spent < most)
}

pub(super) fn settings(arguments: &TrainArgs) -> Settings {
    let mut quantiles = vec![0.5, 0.9, 0.95, 0.99];
    let main = arguments.quantile;
    if !quantiles.iter().any(|q: &f64| q.total_cmp(&main).is_eq()) {
        quantiles.push(main);
        quantiles.sort_unstable_by(f64::total_cmp);
    }
    let grown_for = quantiles.iter().position(|q| q.total_cmp(&main).is_eq());
    Settings {
        trees: arguments.trees,
        leaves: arguments.leaves,
        rate: arguments.rate,
        patience: arguments.patience,
        grown_for: grown_for.unwrap_or(0),
        quantiles,
        threads: usize::from(arguments.threads),
        seed: arguments.seed,
        ..Settings::default()
    }
}

/// What was trained, schema `train/1`.
#[derive(Serialize)]
struct Report {
    schema: &'static str,
    /// Rows that trees were grown on, and that they were stopped and calibrated by.
    train_rows: usize,
    calibrate_rows: usize,
    trees: usize,
    columns: usize,
    /// Mean pinball loss on the calibration rows after the last tree that is kept.
    calibrate_pinball: Option<f64>,
    quantiles: Vec<f64>,
    offsets: Vec<f64>,
    /// How the online offsets move.
    pace: Pace,
    bytes: usize,
    user_s: Option<User>,
    groups: BTreeMap<String, Group>,
    importance: Vec<(String, f64)>,
}

/// User CPU, seconds.
#[derive(Serialize)]
struct User {
    /// Reading traces and making rows.
    rows: f64,
    /// Bins, trees, offsets.
    grow: f64,
}

/// User CPU of this process so far, seconds; none if the kernel does not tell.
fn user_s() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the name in parentheses: state is field 3, user time 14, in ticks of 10 ms.
    let fields = text.rsplit_once(')')?.1;
    let ticks: f64 = fields.split_whitespace().nth(11)?.parse().ok()?;
    Some(ticks / 100.0)
}

/// A group's part in the split.
#[derive(Serialize)]
struct Group {
    traces: u64,
    /// Seconds since the epoch.
    cuts: [f64; 2],
    train: u64,
    calibrate: u64,
    test: u64,
}

impl Report {
    fn of(
        trained: &Trained,
        split: &Split,
        used: [usize; 2],
        bytes: usize,
        user_s: Option<User>,
    ) -> Self {
        let metadata = trained.model.metadata();
        let groups = split.groups.iter().map(|(name, group)| {
            let [train, calibrate, test] = group.rows;
            let group = Group {
                traces: group.traces,
                cuts: group.cuts,
                train,
                calibrate,
                test,
            };
            (name.clone(), group)
        });
        let trees = trained.model.forests().iter().map(|f| f.trees().len());
        Self {
            schema: "train/1",
            train_rows: used[0],
            calibrate_rows: used[1],
            trees: trees.sum(),
            columns: trained.columns,
            calibrate_pinball: trained.losses.iter().copied().reduce(f64::min),
            quantiles: trained.model.quantiles().to_vec(),
            offsets: metadata.offsets.clone(),
            pace: metadata.pace,
            bytes,
            user_s,
            groups: groups.collect(),
            importance: metadata.importance.clone(),
        }
    }

    fn text(&self) -> String {
        let head = ["GROUP", "TRACES", "TRAIN", "CALIBRATE", "TEST"].map(String::from);
        let mut rows = vec![head.to_vec()];
        for (name, group) in &self.groups {
            rows.push(vec![
                display_name(name),
                group.traces.to_string(),
                group.train.to_string(),
                group.calibrate.to_string(),
                group.test.to_string(),
            ]);
        }
        let loss = self.calibrate_pinball.map_or(String::new(), |loss| {
            format!(", pinball {loss:.4} on the calibration rows")
        });
        format!(
            "{}\n{} trees on {} rows of {} columns{loss}; {} bytes\n",
            render::table(&rows),
            self.trees,
            self.train_rows,
            self.columns,
            self.bytes
        )
    }
}

/// How far growth is.
pub(super) fn growth(trees: usize, most: usize, loss: Option<f64>) -> String {
    let loss = loss.map_or(String::new(), |loss| format!(", pinball {loss:.4}"));
    format!("tree {trees} of at most {most}{loss}")
}

fn export_rows(
    folder: &TraceFolder,
    split: &Split,
    arguments: &TrainArgs,
    path: &Path,
) -> Result<[u64; 3], Failure> {
    let name = escape_name(path.as_os_str().as_encoded_bytes());
    let failed =
        |e: std::io::Error| Failure::bad_input(format_args!("cannot write the rows {name}: {e}"));
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).map_err(failed)?);
    export::write_header(&mut file).map_err(failed)?;
    let limits = limits(arguments.max_rows);
    let parts = [Part::Train, Part::Calibrate, Part::Test];
    let thinnings = parts.map(|part| Thinning::of(split, part, limits[part as usize]));
    let mut levels = Levels::default();
    let mut written = [0; 3];
    let mut broken = None;
    folder
        .visit(|info, samples| {
            let codes = levels.intern(&info.categories);
            let part_of = |now_s: f64| {
                let part = split.part(&info.group, now_s)?;
                let keeps =
                    thinnings[part as usize].keeps(&info.group, &info.id, now_s, arguments.seed);
                keeps.then_some(part)
            };
            let wanted = |now_s| part_of(now_s).is_some();
            walk(info, samples, codes, wanted, |moment, target| {
                let Some(part) = part_of(moment.now_s) else {
                    return;
                };
                let mut row = [0.0; COUNT];
                fill_row(moment, &mut row);
                let told = export::write_row(&mut file, part, info, moment.now_s, target, &row);
                written[part as usize] += 1;
                if let Err(e) = told {
                    broken.get_or_insert(e);
                }
            });
        })
        .map_err(|e| Failure::bad_input(chain(&e)))?;
    broken.map_or_else(|| file.flush(), Err).map_err(failed)?;
    Ok(written)
}

/// Rows of the three parts for so many to train on.
pub(super) fn limits(train: u64) -> [u64; 3] {
    [train, train / 4, train / 2]
}
