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

/// min -x_0 - ... - x_39, x_j + x_(j+1) + x_(j+2) <= 1, 0 <= x <= 1.
fn chain() -> Lp {
    let n = 40;
    let mut mip = Mip {
        cost: vec![-1.0; n],
        lower: vec![0.0; n],
        upper: vec![1.0; n],
        integer: vec![false; n],
        ..Mip::default()
    };
    for j in 0..n as u32 - 2 {
        let terms = [(j, 1.0), (j + 1, 1.0), (j + 2, 1.0)];
        mip.push_row(terms, f64::NEG_INFINITY, 1.0);
    }
    mip.finish();
    Lp::new(&mip, &mut Budget::unlimited())
}

#[test]
fn limits_hold_within_a_solve() {
    // Every third column is one, and the two ends: 14.
    let mut lp = chain();
    let mut budget = Budget::unlimited();
    let all = LpLimits::default();
    assert_eq!(lp.solve(&all, &mut budget), LpStatus::Optimal);
    assert!((lp.objective() + 14.0).abs() < 1e-6, "{}", lp.objective());
    assert!(lp.iterations() > 5, "{}", lp.iterations());
    assert_eq!(budget.iterations(), lp.iterations());

    let mut lp = chain();
    let few = LpLimits {
        iterations: 3,
        ..LpLimits::default()
    };
    assert_eq!(lp.solve(&few, &mut budget), LpStatus::IterationLimit);
    assert_eq!(lp.iterations(), 3);
    assert_eq!(lp.solve(&all, &mut budget), LpStatus::Optimal);
    assert!((lp.objective() + 14.0).abs() < 1e-6, "{}", lp.objective());

    let mut lp = chain();
    let none = LpLimits {
        ticks: 0,
        ..LpLimits::default()
    };
    assert_eq!(lp.solve(&none, &mut budget), LpStatus::IterationLimit);
    assert_eq!(lp.iterations(), 0);

    let mut lp = chain();
    let mut budget = Budget::unlimited().with_iterations(3);
    assert_eq!(lp.solve(&all, &mut budget), LpStatus::Stopped);
    assert!(budget.is_out_of_iterations());
    assert_eq!(budget.iterations(), 3);
    assert_eq!(lp.solve(&all, &mut budget), LpStatus::Stopped);
}

#[test]
fn rollback_brings_back_what_was_kept() {
    let mut lp = chain();
    let mut budget = Budget::unlimited();
    let limits = LpLimits::default();
    assert_eq!(lp.solve(&limits, &mut budget), LpStatus::Optimal);
    let (x, basis, kept) = (lp.x().to_vec(), lp.basis(), lp.checkpoint());
    for j in 0..40 {
        for value in [0.0, 1.0] {
            lp.set_col_bounds(j, value, value);
            // Fixed and freed again: its reduced cost was not kept up.
            lp.set_col_bounds((j + 1) % 40, 0.0, 0.0);
            assert_eq!(lp.solve(&limits, &mut budget), LpStatus::Optimal);
            let fixed = lp.objective();
            lp.set_col_bounds((j + 1) % 40, 0.0, 1.0);
            assert_eq!(lp.solve(&limits, &mut budget), LpStatus::Optimal);
            assert!(lp.objective() <= fixed + 1e-7);
            // One column of 40 at a bound costs one third of a pattern at most.
            assert!(lp.objective() <= -13.0 + 1e-6, "{}", lp.objective());
            lp.rollback(&kept);
            assert_eq!(lp.x(), x);
            assert_eq!(lp.basis(), basis);
        }
    }
    assert_eq!(lp.solve(&limits, &mut budget), LpStatus::Optimal);
    assert_eq!(lp.x(), x);
}
