//! Linear programs with known answers.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    clippy::needless_range_loop,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "test code"
)]

mod random;
mod warm;

use std::path::Path;

use super::{Lp, LpLimits, LpStatus};
use crate::mip::Mip;
use crate::work::Budget;

/// The corpus folder, if it is there.
pub(super) fn corpus(test: &str) -> Option<std::path::PathBuf> {
    let folder = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/miplib/netlib"
    ));
    if folder.is_dir() {
        Some(folder.to_owned())
    } else {
        eprintln!("SKIPPED {test}: no folder ../shared/miplib/netlib");
        None
    }
}

/// CPU time of this thread: wall time says little on a shared machine.
pub(super) fn cpu_ms() -> f64 {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok())
        .map_or(0.0, |ns| ns * 1e-6)
}

#[test]
fn netlib() {
    let Some(folder) = corpus("netlib") else {
        return;
    };
    let only = std::env::var("LP_ONLY").unwrap_or_default();
    let most: usize = std::env::var("LP_ROWS")
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(300);
    let text = std::fs::read_to_string(folder.join("reference.csv")).unwrap();
    let mut bad = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        if !only.is_empty() && !only.split(' ').any(|name| name == fields[0]) {
            continue;
        }
        if fields[1].parse::<usize>().unwrap() > most {
            continue;
        }
        let model = crate::io::read_path(&folder.join(format!("{}.mps.gz", fields[0]))).unwrap();
        let optimum: f64 = fields[6].parse().unwrap();
        let mip = Mip::of(&model);
        let mut lp = Lp::new(&mip, &mut Budget::unlimited());
        let start = cpu_ms();
        let mut budget = Budget::unlimited();
        let status = lp.solve(&LpLimits::default(), &mut budget);
        let time = cpu_ms() - start;
        let objective = lp.objective() + model.offset;
        let good = status == LpStatus::Optimal
            && (objective - optimum).abs() <= 1e-5 * optimum.abs().max(1.0);
        println!(
            "{} {} {status:?} {objective} {optimum} {} its {:.2} ms {} ticks",
            fields[0],
            if good { "ok" } else { "WRONG" },
            lp.iterations(),
            time * 1e3,
            budget.ticks()
        );
        if !good {
            bad.push(fields[0].to_owned());
        }
    }
    assert!(bad.is_empty(), "{bad:?}");
}

/// Models without an optimum; the answers are for the relaxation where that
/// has none either.
#[test]
fn no_optimum() {
    let Some(folder) = corpus("no_optimum") else {
        return;
    };
    let folder = folder.join("../infeasible");
    let text = std::fs::read_to_string(folder.join("reference.csv")).unwrap();
    let mut bad = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let model = crate::io::read_path(&folder.join(format!("{}.mps.gz", fields[0]))).unwrap();
        let mip = Mip::of(&model);
        let mut lp = Lp::new(&mip, &mut Budget::unlimited());
        let status = lp.solve(&LpLimits::default(), &mut Budget::unlimited());
        println!(
            "{} {status:?} {} iterations, catalogue: {}",
            fields[0],
            lp.iterations(),
            fields[6]
        );
        let good = match status {
            LpStatus::Infeasible => fields[6] == "infeasible",
            LpStatus::Unbounded => fields[6] == "unbounded",
            LpStatus::Optimal => mip.integers() > 0,
            _ => false,
        };
        if !good {
            bad.push(fields[0].to_owned());
        }
    }
    assert!(bad.is_empty(), "{bad:?}");
}
