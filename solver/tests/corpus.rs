//! Public instances with known answers. They live beside the repository and
//! are skipped where they are absent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "test code"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use branchcut::{Model, Options, Sense, Status, io, solve};

/// The folder of instances, or a line that says what was skipped.
fn corpus(test: &str) -> Option<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/miplib"));
    if folder.is_dir() {
        Some(folder.to_owned())
    } else {
        eprintln!("SKIPPED {test}: no folder ../shared/miplib beside the repository");
        None
    }
}

/// A line of `reference.csv`.
struct Reference {
    name: String,
    rows: usize,
    columns: usize,
    integers: usize,
    nonzeros: usize,
    sense: Sense,
    /// The optimum, or `infeasible` or `unbounded`.
    answer: String,
}

fn references(folder: &Path) -> Vec<Reference> {
    let text = std::fs::read_to_string(folder.join("reference.csv")).unwrap();
    text.lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            Reference {
                name: fields[0].to_owned(),
                rows: fields[1].parse().unwrap(),
                columns: fields[2].parse().unwrap(),
                integers: fields[3].parse().unwrap(),
                nonzeros: fields[4].parse().unwrap(),
                sense: match fields[5] {
                    "max" => Sense::Maximize,
                    _ => Sense::Minimize,
                },
                answer: fields[6].to_owned(),
            }
        })
        .collect()
}

fn read(folder: &Path, name: &str) -> Model {
    io::read_path(&folder.join(format!("{name}.mps.gz"))).unwrap()
}

#[test]
fn every_file_is_read_as_the_catalogue_says() {
    let Some(corpus) = corpus("every_file_is_read_as_the_catalogue_says") else {
        return;
    };
    let mut wrong = Vec::new();
    for folder in [
        corpus.clone(),
        corpus.join("netlib"),
        corpus.join("infeasible"),
    ] {
        for known in references(&folder) {
            let model = read(&folder, &known.name);
            let found = (
                model.rows().len(),
                model.columns().len(),
                model.integers(),
                model.nonzeros(),
                model.sense,
            );
            let expected = (
                known.rows,
                known.columns,
                known.integers,
                known.nonzeros,
                known.sense,
            );
            if found != expected {
                wrong.push(format!("{}: {found:?}, expected {expected:?}", known.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn netlib_is_solved() {
    let Some(corpus) = corpus("netlib_is_solved") else {
        return;
    };
    let folder = corpus.join("netlib");
    let mut wrong = Vec::new();
    for known in references(&folder) {
        let model = read(&folder, &known.name);
        let options = Options {
            time_limit: Some(Duration::from_secs(60)),
            ..Options::default()
        };
        let outcome = solve(&model, &options);
        let optimum: f64 = known.answer.parse().unwrap();
        eprintln!(
            "{} {:?} {:?} {:?} {:?}",
            known.name, outcome.status, outcome.objective, outcome.elapsed, outcome.reason
        );
        let is_right = outcome.status == Status::Optimal
            && (outcome.objective.unwrap() - optimum).abs() <= 1e-5 * optimum.abs().max(1.0);
        if !is_right {
            wrong.push(known.name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
#[test]
fn infeas() {
    let Some(corpus) = corpus("netlib_is_solved") else {
        return;
    };
    let folder = corpus.join("infeasible");
    for known in references(&folder) {
        let model = read(&folder, &known.name);
        let options = Options {
            time_limit: Some(Duration::from_secs(20)),
            ..Options::default()
        };
        let outcome = solve(&model, &options);
        eprintln!(
            "{} {} {:?} {:?} {:?} {:?}",
            known.name,
            known.answer,
            outcome.status,
            outcome.objective,
            outcome.elapsed,
            outcome.reason
        );
    }
}
