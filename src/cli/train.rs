//! `train`: from traces to a model file, or to rows for another trainer.
#![expect(
    clippy::disallowed_methods,
    reason = "writes the exported rows: an edge"
)]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::args::TrainArgs;
use super::exit::{self, Failure};
use super::log::Log;
use crate::error::chain;
use crate::predict::dataset::{Levels, Part, Split, Thinning, TraceFolder, export, walk};
use crate::predict::features::{COUNT, fill_row};
use crate::report::escape_name;

pub(super) fn run(arguments: &TrainArgs, log: &Log, _out: &mut dyn Write) -> Result<u8, Failure> {
    let folder = TraceFolder::open(&arguments.traces).map_err(|e| Failure::bad_input(chain(&e)))?;
    let split = Split::of(&folder).map_err(|e| Failure::bad_input(chain(&e)))?;
    if let Some(path) = &arguments.export {
        let rows = export_rows(&folder, &split, arguments, path)?;
        log.note(&format!(
            "{} rows to train, {} to calibrate, {} to test written",
            rows[0], rows[1], rows[2]
        ));
    }
    Ok(exit::DONE)
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
fn limits(train: u64) -> [u64; 3] {
    [train, train / 4, train / 2]
}
