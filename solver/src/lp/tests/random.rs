//! Small random linear programs. Each answer is proved by duality, with code
//! that shares nothing with the solver: an optimum by feasibility and
//! complementary signs, infeasibility by its Farkas vector, unboundedness by a
//! feasible point and a ray.

use crate::lp::edit::LpColumn;
use crate::lp::{Basis, Lp, LpLimits, LpRow, LpStatus, VarStatus};
use crate::mip::Mip;
use crate::sparse::index;
use crate::splitmix::{GOLDEN, mix};
use crate::work::Budget;

const FREE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        let now = mix(self.0);
        self.0 = self.0.wrapping_add(GOLDEN);
        now
    }
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
    fn integer(&mut self, most: u64) -> f64 {
        self.below(2 * most + 1) as f64 - most as f64
    }
}

/// What a family of problems looks like, in percent.
#[derive(Clone, Copy)]
struct Family {
    free: u64,
    boxed: u64,
    equations: u64,
    /// Right sides met with equality by a common point: degenerate, feasible.
    tight: u64,
    /// Powers of ten that rows and columns are scaled by, up to this.
    scale: i32,
    dense: u64,
    size: u64,
}

fn problem(random: &mut Random, family: Family) -> Mip {
    let n = 1 + random.below(family.size) as usize;
    let m = random.below(family.size) as usize;
    let mut mip = Mip::default();
    let factor = |random: &mut Random| 10f64.powi(random.integer(family.scale as u64) as i32);
    let columns: Vec<f64> = (0..n).map(|_| factor(random)).collect();
    let point: Vec<f64> = (0..n).map(|_| random.below(4) as f64).collect();
    for scale in &columns {
        mip.cost.push(random.integer(5) * scale);
        let (lower, upper) = if random.chance(family.free) {
            FREE
        } else if random.chance(family.boxed) {
            (0.0, random.below(5) as f64)
        } else {
            match random.below(4) {
                0 => (f64::NEG_INFINITY, 4.0),
                1 => (-2.0, f64::INFINITY),
                _ => (0.0, f64::INFINITY),
            }
        };
        mip.lower.push(lower / scale);
        mip.upper.push(upper / scale);
        mip.integer.push(false);
    }
    for _ in 0..m {
        let scale = factor(random);
        let mut terms = Vec::new();
        let mut activity = 0.0;
        for j in 0..n {
            if random.chance(family.dense) {
                let a = random.integer(4);
                if a != 0.0 {
                    activity += a * point[j];
                    terms.push((index(j), a * scale * columns[j]));
                }
            }
        }
        let side = if random.chance(family.tight) {
            activity
        } else {
            random.integer(8)
        };
        let (lower, upper) = if random.chance(family.equations) {
            (side, side)
        } else {
            match random.below(3) {
                0 => (side, f64::INFINITY),
                1 => (f64::NEG_INFINITY, side),
                _ => (side, side + random.below(4) as f64),
            }
        };
        mip.push_row(terms, lower * scale, upper * scale);
    }
    mip.finish();
    mip
}

/// The problem that `lp` holds now.
fn held(lp: &Lp) -> Mip {
    let mut mip = Mip {
        cost: lp.cost().to_vec(),
        lower: lp.col_lower().to_vec(),
        upper: lp.col_upper().to_vec(),
        integer: vec![false; lp.columns()],
        ..Mip::default()
    };
    for i in 0..lp.rows() {
        let (indices, values) = lp.row(i);
        let terms = indices.iter().copied().zip(values.iter().copied());
        mip.push_row(terms, lp.row_lower()[i], lp.row_upper()[i]);
    }
    mip.finish();
    mip
}

/// Whether `x` is feasible, each row relative to its largest term.
fn feasible(mip: &Mip, x: &[f64]) -> Result<(), String> {
    for j in 0..mip.columns() {
        if !(x[j] >= mip.lower[j] - 2e-7 && x[j] <= mip.upper[j] + 2e-7) {
            return Err(format!(
                "column {j}: {} in {} {}",
                x[j], mip.lower[j], mip.upper[j]
            ));
        }
    }
    for i in 0..mip.rows() {
        let activity = mip.activity(i, x);
        let slack = 2e-7
            * mip
                .by_row
                .iter(i)
                .fold(1.0, |s: f64, (j, a)| s.max((a * x[j]).abs()));
        if !(activity >= mip.row_lower[i] - slack && activity <= mip.row_upper[i] + slack) {
            return Err(format!(
                "row {i}: {activity} in {} {}",
                mip.row_lower[i], mip.row_upper[i]
            ));
        }
    }
    Ok(())
}

/// Whether what `lp` says after `status` is proved by what it returns.
fn proved(lp: &Lp, status: LpStatus) -> Result<(), String> {
    let mip = held(lp);
    match status {
        LpStatus::Optimal => {
            feasible(&mip, lp.x())?;
            let sign = |name: &str, k: usize, d: f64, x: f64, lower: f64, upper: f64, size: f64| {
                let tolerance = 1e-6 * size.max(1.0);
                let near = 1e-6 * x.abs().max(1.0);
                if (d > tolerance && x > lower + near) || (d < -tolerance && x < upper - near) {
                    return Err(format!("{name} {k}: d {d} at {x} in {lower} {upper}"));
                }
                Ok(())
            };
            for j in 0..mip.columns() {
                let (mut d, mut size) = (mip.cost[j], mip.cost[j].abs());
                for (i, a) in mip.by_column.iter(j) {
                    d -= a * lp.duals()[i];
                    size = size.max((a * lp.duals()[i]).abs());
                }
                if mip.lower[j] < mip.upper[j]
                    && (d - lp.reduced_costs()[j]).abs() > 1e-6 * size.max(1.0)
                {
                    return Err(format!("d {j}: {} is {d}", lp.reduced_costs()[j]));
                }
                sign("column", j, d, lp.x()[j], mip.lower[j], mip.upper[j], size)?;
            }
            for i in 0..mip.rows() {
                let y = lp.duals()[i];
                sign(
                    "row",
                    i,
                    y,
                    mip.activity(i, lp.x()),
                    mip.row_lower[i],
                    mip.row_upper[i],
                    1.0,
                )?;
            }
            Ok(())
        }
        LpStatus::Infeasible => {
            let crossed = (0..mip.columns()).any(|j| mip.lower[j] > mip.upper[j])
                || (0..mip.rows()).any(|i| mip.row_lower[i] > mip.row_upper[i]);
            if crossed {
                return Ok(());
            }
            let y = lp.farkas().ok_or("no Farkas vector")?;
            let mut most = 0.0;
            for j in 0..mip.columns() {
                let (mut g, mut size) = (0.0, 0.0_f64);
                for (i, a) in mip.by_column.iter(j) {
                    g += a * y[i];
                    size = size.max((a * y[i]).abs());
                }
                let open = mip.lower[j].is_infinite() || mip.upper[j].is_infinite();
                if g != 0.0 && (!open || g.abs() > 2e-9 * size) {
                    most += g * if g > 0.0 { mip.upper[j] } else { mip.lower[j] };
                }
            }
            for i in 0..mip.rows() {
                if y[i] != 0.0 {
                    most -= y[i]
                        * if y[i] < 0.0 {
                            mip.row_upper[i]
                        } else {
                            mip.row_lower[i]
                        };
                }
            }
            if most < 0.0 {
                Ok(())
            } else {
                Err(format!("Farkas: {most}"))
            }
        }
        LpStatus::Unbounded => {
            feasible(&mip, lp.x())?;
            let z = lp.ray().ok_or("no ray")?;
            let size = z.iter().fold(0.0_f64, |s, z| s.max(z.abs()));
            let ok = |z: f64, lower: f64, upper: f64, size: f64| {
                (z >= -1e-7 * size || lower.is_infinite())
                    && (z <= 1e-7 * size || upper.is_infinite())
            };
            if mip.objective(z) >= 0.0 {
                return Err("ray does not improve".to_owned());
            }
            for j in 0..mip.columns() {
                if !ok(z[j], mip.lower[j], mip.upper[j], size) {
                    return Err(format!("ray leaves column {j}"));
                }
            }
            for i in 0..mip.rows() {
                let size = mip
                    .by_row
                    .iter(i)
                    .fold(size, |s: f64, (j, a)| s.max((a * z[j]).abs()));
                if !ok(mip.activity(i, z), mip.row_lower[i], mip.row_upper[i], size) {
                    return Err(format!("ray leaves row {i}"));
                }
            }
            Ok(())
        }
        other => Err(format!("{other:?}")),
    }
}

fn solved(lp: &mut Lp) -> Result<LpStatus, String> {
    let status = lp.solve(&LpLimits::default(), &mut Budget::unlimited());
    proved(lp, status)?;
    Ok(status)
}

/// The same problem from scratch: same status and, to `compare`, objective. An
/// absolute tolerance in a row of coefficients 1e-6 allows others.
fn same_as_cold(lp: &Lp, status: LpStatus, compare: bool) -> Result<(), String> {
    let mut cold = Lp::new(&held(lp), &mut Budget::unlimited());
    let other = solved(&mut cold).map_err(|e| format!("cold: {e}"))?;
    if other != status {
        return Err(format!("warm {status:?}, cold {other:?}"));
    }
    let (a, b) = (lp.objective(), cold.objective());
    if compare && status == LpStatus::Optimal && (a - b).abs() > 1e-6 * a.abs().max(1.0) {
        return Err(format!("warm {a}, cold {b}"));
    }
    Ok(())
}

/// Solves, then changes things as a search does, solving after each.
fn exercise(random: &mut Random, family: Family) -> Result<[usize; 3], String> {
    let mip = problem(random, family);
    let mut lp = Lp::new(&mip, &mut Budget::unlimited());
    let mut count = [0; 3];
    let status = solved(&mut lp)?;
    count[match status {
        LpStatus::Optimal => 0,
        LpStatus::Infeasible => 1,
        _ => 2,
    }] += 1;
    for step in 0..4 {
        let checkpoint = lp.checkpoint();
        let before = (lp.objective(), lp.x().to_vec(), lp.cost().to_vec());
        match random.below(7) {
            0 | 1 => {
                for _ in 0..=random.below(3) {
                    let j = random.below(lp.columns() as u64) as usize;
                    let (mut lower, mut upper) = (lp.col_lower()[j], lp.col_upper()[j]);
                    if random.chance(50) {
                        upper = upper
                            .min(lp.x().get(j).map_or(0.0, |x| x.floor()))
                            .max(lower);
                    } else {
                        lower = lower
                            .max(lp.x().get(j).map_or(0.0, |x| x.ceil()))
                            .min(upper);
                    }
                    if lower.is_finite() || upper.is_finite() {
                        lp.set_col_bounds(j, lower, upper);
                    }
                }
            }
            2 => {
                let j = random.below(lp.columns() as u64) as usize;
                lp.set_cost(j, random.integer(5));
            }
            3 => {
                let terms: Vec<_> = (0..lp.columns())
                    .filter_map(|j| {
                        random
                            .chance(60)
                            .then_some((index(j), 1.0 + random.below(3) as f64))
                    })
                    .collect();
                lp.add_rows(
                    &[LpRow {
                        terms,
                        lower: f64::NEG_INFINITY,
                        upper: random.below(10) as f64,
                    }],
                    &mut Budget::unlimited(),
                );
            }
            4 => {
                let keep: Vec<bool> = (0..lp.rows()).map(|_| random.chance(80)).collect();
                lp.delete_rows(&keep, &mut Budget::unlimited());
            }
            5 => {
                let terms = (0..lp.rows())
                    .filter_map(|i| {
                        let take = random.chance(50);
                        take.then(|| (index(i), 1.0 + random.below(3) as f64))
                    })
                    .collect();
                lp.add_columns(&[LpColumn {
                    terms,
                    cost: random.integer(5),
                    lower: 0.0,
                    upper: random.below(5) as f64,
                }]);
            }
            _ => {
                let any = |random: &mut Random| match random.below(4) {
                    0 => VarStatus::Basic,
                    1 => VarStatus::Lower,
                    2 => VarStatus::Upper,
                    _ => VarStatus::Free,
                };
                let basis = Basis {
                    columns: (0..lp.columns()).map(|_| any(random)).collect(),
                    rows: (0..lp.rows()).map(|_| any(random)).collect(),
                };
                lp.set_basis(&basis);
            }
        }
        let kept_shape =
            lp.rows() == checkpoint.row_lower.len() && lp.columns() == checkpoint.col_lower.len();
        let status = solved(&mut lp).map_err(|e| format!("step {step}: {e}"))?;
        same_as_cold(&lp, status, family.scale == 0).map_err(|e| format!("step {step}: {e}"))?;
        if status == LpStatus::Optimal && lp.rows() > 0 {
            // A row of the inverse times the basis is a unit row.
            let p = random.below(lp.rows() as u64) as usize;
            let mut rho = crate::lp::SparseVector::new(lp.rows());
            lp.basis_inverse_row(p, &mut rho);
            let head = lp.basis_head().to_vec();
            for (k, &v) in head.iter().enumerate() {
                let v = v as usize;
                let dot: f64 = if v < lp.columns() {
                    lp.column(v).map(|(i, a)| rho.values[i] * a).sum()
                } else {
                    -rho.values[v - lp.columns()]
                };
                let scale = if k == p { 1.0 } else { 1e-6 };
                if k == p && (dot - 1.0).abs() > 1e-6 * scale {
                    return Err(format!("inverse row {p}: {dot} at {k}"));
                }
            }
        }
        if kept_shape && lp.cost() == before.2 && random.chance(30) {
            lp.rollback(&checkpoint);
            if lp.objective() != before.0 || lp.x() != before.1 {
                return Err("rollback lost the answer".to_owned());
            }
            solved(&mut lp).map_err(|e| format!("after rollback: {e}"))?;
        }
    }
    Ok(count)
}

fn run(name: &str, family: Family, times: u64) {
    let times = std::env::var("LP_TIMES")
        .ok()
        .and_then(|t| t.parse().ok())
        .unwrap_or(times);
    let mut failures = Vec::new();
    let mut counts = [0; 3];
    for seed in 0..times {
        let mut random = Random(seed.wrapping_mul(7919) ^ name.len() as u64);
        match exercise(&mut random, family) {
            Ok(count) => counts.iter_mut().zip(count).for_each(|(a, b)| *a += b),
            Err(error) => failures.push(format!("{name} {seed}: {error}")),
        }
    }
    println!(
        "{name}: optimal, infeasible, unbounded {counts:?}, {} failures",
        failures.len()
    );
    assert!(
        failures.is_empty(),
        "{} failures, first: {:#?}",
        failures.len(),
        &failures[..failures.len().min(8)]
    );
}

const PLAIN: Family = Family {
    free: 0,
    boxed: 50,
    equations: 10,
    tight: 40,
    scale: 0,
    dense: 50,
    size: 9,
};

#[test]
fn plain() {
    run("plain", PLAIN, 600);
}

#[test]
fn boxed() {
    run(
        "boxed",
        Family {
            boxed: 100,
            ..PLAIN
        },
        400,
    );
}

#[test]
fn degenerate() {
    run(
        "degenerate",
        Family {
            tight: 100,
            boxed: 20,
            ..PLAIN
        },
        600,
    );
}

#[test]
fn equations() {
    run(
        "equations",
        Family {
            equations: 80,
            tight: 80,
            ..PLAIN
        },
        600,
    );
}

#[test]
fn free_columns() {
    run(
        "free",
        Family {
            free: 50,
            tight: 80,
            ..PLAIN
        },
        600,
    );
}

#[test]
fn larger() {
    run(
        "larger",
        Family {
            size: 40,
            dense: 15,
            tight: 97,
            boxed: 70,
            free: 2,
            ..PLAIN
        },
        100,
    );
}

#[test]
fn badly_scaled() {
    run(
        "scaled",
        Family {
            scale: 3,
            tight: 70,
            free: 10,
            ..PLAIN
        },
        400,
    );
}
