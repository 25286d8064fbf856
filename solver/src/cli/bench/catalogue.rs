//! Instances, what is known of them, and what others reached.
#![expect(
    clippy::disallowed_methods,
    reason = "reads the catalogue's files and folders"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cli::args::Bench;

/// What the catalogue says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expected {
    Optimum(f64),
    Infeasible,
    Unbounded,
    /// No claim: any answer that is not in itself wrong.
    Unknown,
}

#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) is_max: bool,
    pub(super) expected: Expected,
    /// Empty where there is none.
    pub(super) tier: String,
}

/// Another solver's result.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) is_solved: bool,
    pub(super) cpu_s: f64,
    pub(super) peak_mib: Option<f64>,
}

/// A table.
#[derive(Debug)]
pub(super) struct Folder {
    /// `.` for DIR itself.
    pub(super) name: String,
    pub(super) instances: Vec<Instance>,
    /// By solver, then by instance.
    pub(super) peers: BTreeMap<String, BTreeMap<String, Peer>>,
}

/// Lines of a CSV file as maps from the names in its first line. Fields are
/// split at commas: the catalogue's files quote nothing.
fn table(path: &Path) -> Result<Vec<BTreeMap<String, String>>, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let rows = lines.enumerate().map(|(nth, line)| {
        let fields: Vec<&str> = line.split(',').collect();
        if fields.len() != names.len() {
            return Err(format!(
                "{}: line {}: {} fields, expected {}",
                path.display(),
                nth + 2,
                fields.len(),
                names.len()
            ));
        }
        let pairs = names.iter().zip(fields);
        Ok(pairs
            .map(|(name, field)| (name.trim().to_owned(), field.trim().to_owned()))
            .collect())
    });
    rows.collect()
}

fn field<'a>(row: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    row.get(name).map_or("", String::as_str)
}

/// DIR and its subfolders that have a catalogue, with what `args` selects.
pub(super) fn folders(args: &Bench) -> Result<Vec<Folder>, String> {
    let mut paths = vec![(".".to_owned(), args.dir.clone())];
    let entries = std::fs::read_dir(&args.dir)
        .map_err(|error| format!("cannot read {}: {error}", args.dir.display()))?;
    let mut subfolders: Vec<(String, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| {
            (
                entry.file_name().to_string_lossy().into_owned(),
                entry.path(),
            )
        })
        .collect();
    subfolders.sort();
    paths.extend(subfolders);
    let mut folders = vec![];
    for (name, path) in paths {
        let catalogue = path.join("reference.csv");
        // Tiers are those of DIR itself.
        if !catalogue.is_file() || (args.tier.is_some() && name != ".") {
            continue;
        }
        let mut instances = instances(&path, &catalogue)?;
        instances.retain(|instance| {
            let is_named = args.only.is_empty() || args.only.contains(&instance.name);
            is_named && args.tier.as_ref().is_none_or(|tier| *tier == instance.tier)
        });
        if instances.is_empty() {
            continue;
        }
        let peers = match &args.peers {
            Some(file) => peers_of(file, &name)?,
            None => BTreeMap::new(),
        };
        folders.push(Folder {
            name,
            instances,
            peers,
        });
    }
    Ok(folders)
}

fn instances(folder: &Path, catalogue: &Path) -> Result<Vec<Instance>, String> {
    let tiers = folder.join("tiers.csv");
    let mut tier_of = BTreeMap::new();
    if tiers.is_file() {
        for row in table(&tiers)? {
            tier_of.insert(
                field(&row, "instance").to_owned(),
                field(&row, "tier").to_owned(),
            );
        }
    }
    table(catalogue)?
        .iter()
        .map(|row| {
            let name = field(row, "instance").to_owned();
            let path = ["mps.gz", "mps", "lp.gz", "lp"]
                .iter()
                .map(|ending| folder.join(format!("{name}.{ending}")))
                .find(|path| path.is_file())
                .ok_or_else(|| {
                    format!("{}: no file for the instance {name}", catalogue.display())
                })?;
            let expected = match (field(row, "optimum"), field(row, "status")) {
                (optimum, "" | "optimal") if !optimum.is_empty() => {
                    let value = optimum.parse().map_err(|_| {
                        format!(
                            "{}: {name}: '{optimum}' is not a number",
                            catalogue.display()
                        )
                    })?;
                    Expected::Optimum(value)
                }
                (_, "infeasible") => Expected::Infeasible,
                (_, "unbounded") => Expected::Unbounded,
                _ => Expected::Unknown,
            };
            Ok(Instance {
                is_max: field(row, "sense") == "max",
                tier: tier_of.get(&name).cloned().unwrap_or_default(),
                name,
                path,
                expected,
            })
        })
        .collect()
}

/// Peers' results for a folder: rows of the file for DIR, of SUB/peers.csv
/// beside the file for a subfolder, and of the file itself where there is none.
fn peers_of(file: &Path, folder: &str) -> Result<BTreeMap<String, BTreeMap<String, Peer>>, String> {
    let beside = file.with_file_name(folder).join("peers.csv");
    let file = if folder != "." && beside.is_file() {
        &beside
    } else {
        file
    };
    let mut peers: BTreeMap<String, BTreeMap<String, Peer>> = BTreeMap::new();
    for row in table(file)? {
        let mut solver = field(&row, "solver").to_owned();
        if !field(&row, "presolve").is_empty() {
            solver.push_str(&format!(" presolve {}", field(&row, "presolve")));
        }
        let Ok(cpu_s) = field(&row, "cpu_s").parse() else {
            continue;
        };
        let peer = Peer {
            is_solved: matches!(
                field(&row, "status"),
                "optimal" | "infeasible" | "unbounded" | "infeasible_or_unbounded"
            ),
            cpu_s,
            peak_mib: field(&row, "peak_mib").parse().ok(),
        };
        peers
            .entry(solver)
            .or_default()
            .insert(field(&row, "instance").to_owned(), peer);
    }
    Ok(peers)
}
