//! Random problems: the reduced one has the same optimum, and what is restored
//! from its optimal points is feasible and as good. The oracle is microlp, and
//! enumeration where every column is integer.

use microlp::{ComparisonOp, Error, OptimizationDirection, Problem};

use super::*;
use crate::sparse::index;
use crate::splitmix::{GOLDEN, mix};
use crate::tol;

/// Steele, Lea, Flood 2014 (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        let now = mix(self.0);
        self.0 = self.0.wrapping_add(GOLDEN);
        now
    }

    fn below(&mut self, n: u32) -> u32 {
        u32::try_from(self.next() % u64::from(n)).unwrap()
    }

    fn between(&mut self, low: i32, high: i32) -> f64 {
        f64::from(low) + f64::from(self.below(u32::try_from(high - low + 1).unwrap()))
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Optimal(f64, Vec<f64>),
    Infeasible,
    Unbounded,
}

/// microlp's answer, offset included.
fn solve(mip: &Mip) -> Option<Answer> {
    if mip.columns() == 0 {
        let empty = (0..mip.rows()).all(|i| mip.row_lower[i] <= 1e-9 && mip.row_upper[i] >= -1e-9);
        return Some(if empty {
            Answer::Optimal(mip.offset, Vec::new())
        } else {
            Answer::Infeasible
        });
    }
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let mut vars = Vec::new();
    for j in 0..mip.columns() {
        if mip.lower[j] > mip.upper[j] {
            return Some(Answer::Infeasible);
        }
        let var = if mip.integer[j] {
            #[expect(clippy::cast_possible_truncation, reason = "saturates")]
            problem.add_integer_var(mip.cost[j], (mip.lower[j] as i32, mip.upper[j] as i32))
        } else {
            problem.add_var(mip.cost[j], (mip.lower[j], mip.upper[j]))
        };
        vars.push(var);
    }
    for i in 0..mip.rows() {
        let terms: Vec<_> = mip.by_row.iter(i).map(|(j, a)| (vars[j], a)).collect();
        let (lower, upper) = (mip.row_lower[i], mip.row_upper[i]);
        if terms.is_empty() {
            if lower > 1e-9 || upper < -1e-9 {
                return Some(Answer::Infeasible);
            }
        } else if lower >= upper {
            problem.add_constraint(&terms[..], ComparisonOp::Eq, lower);
        } else {
            if lower.is_finite() {
                problem.add_constraint(&terms[..], ComparisonOp::Ge, lower);
            }
            if upper.is_finite() {
                problem.add_constraint(&terms[..], ComparisonOp::Le, upper);
            }
        }
    }
    match problem.solve() {
        Ok(outcome) => {
            let solution = outcome.solution()?;
            let x: Vec<f64> = vars
                .iter()
                .zip(&mip.integer)
                .map(|(&var, &integer)| {
                    let value = solution.var_value(var);
                    if integer { value.round() } else { value }
                })
                .collect();
            Some(Answer::Optimal(mip.objective(&x), x))
        }
        Err(Error::Infeasible) => Some(Answer::Infeasible),
        Err(Error::Unbounded) => Some(Answer::Unbounded),
        Err(_) => None,
    }
}

/// The optimum of a problem of few integer columns, each bounded.
fn enumerate(mip: &Mip) -> Option<Answer> {
    let mut points = 1.0;
    for j in 0..mip.columns() {
        points *= (mip.upper[j] - mip.lower[j] + 1.0).max(0.0);
        if !mip.integer[j] || points > 5000.0 {
            return None;
        }
    }
    let mut best = Answer::Infeasible;
    if points < 1.0 {
        return Some(best);
    }
    let mut x = mip.lower.clone();
    loop {
        if mip.is_feasible(&x) {
            let objective = mip.objective(&x);
            if !matches!(&best, Answer::Optimal(least, _) if *least <= objective) {
                best = Answer::Optimal(objective, x.clone());
            }
        }
        let Some(j) = (0..x.len()).find(|&j| x[j] < mip.upper[j]) else {
            return Some(best);
        };
        x[j] += 1.0;
        x[..j].copy_from_slice(&mip.lower[..j]);
    }
}

/// A problem of a random shape.
fn random(random: &mut Random) -> Mip {
    let n = 1 + random.below(7) as usize;
    let m = random.below(7) as usize;
    let continuous = [0, 0, 30, 60][random.below(4) as usize];
    let unbounded = [0, 0, 0, 25][random.below(4) as usize];
    let coefficient = [1, 2, 5][random.below(3) as usize];
    let equations = [10, 30, 70][random.below(3) as usize];
    let density = [30, 60, 90][random.below(3) as usize];
    let costs = [0, 1, 4][random.below(3) as usize];
    let mut mip = Mip {
        offset: random.between(-3, 3),
        ..Mip::default()
    };
    let mut witness = Vec::new();
    for _ in 0..n {
        let integer = !random.chance(continuous);
        let lower = if random.chance(50) {
            0.0
        } else {
            random.between(-3, 1)
        };
        let upper = lower
            + if random.chance(60) {
                1.0
            } else {
                random.between(0, 4)
            };
        mip.cost.push(random.between(-costs, costs));
        let open = |random: &mut Random| !integer && random.chance(unbounded);
        mip.lower.push(if open(random) {
            f64::NEG_INFINITY
        } else {
            lower
        });
        mip.upper
            .push(if open(random) { f64::INFINITY } else { upper });
        mip.integer.push(integer);
        witness.push(if random.chance(50) { lower } else { upper });
    }
    for i in 0..m {
        let mut terms = Vec::new();
        if i > 0 && random.chance(12) {
            // A multiple of another row.
            let scale = [1.0, -1.0, 2.0, -0.5][random.below(4) as usize];
            let of = random.below(index(i)) as usize;
            terms.extend(mip.by_row.iter(of).map(|(j, a)| (index(j), scale * a)));
        } else {
            for j in 0..n {
                if random.chance(density) {
                    let a = random.between(-coefficient, coefficient);
                    if a != 0.0 {
                        terms.push((index(j), a));
                    }
                }
            }
        }
        if random.chance(5) {
            // Large and no integers.
            terms.iter_mut().for_each(|term| term.1 *= 12_345.678);
        }
        let at: f64 = terms.iter().map(|&(j, a)| a * witness[j as usize]).sum();
        let shift = if random.chance(80) {
            0.0
        } else {
            random.between(-2, 2)
        };
        let (lower, upper) = if random.chance(equations) {
            (at + shift, at + shift)
        } else {
            match random.below(4) {
                0 => (f64::NEG_INFINITY, at + random.between(0, 3) + shift),
                1 => (at - random.between(0, 3) + shift, f64::INFINITY),
                2 => (f64::NEG_INFINITY, at + 0.5),
                _ => (at - random.between(0, 2), at + random.between(0, 2)),
            }
        };
        mip.push_row(terms, lower, upper);
    }
    // A column that is a multiple of another.
    if n > 1 && random.chance(25) {
        let scale = [1.0, -1.0, 2.0, 3.0, 0.5][random.below(5) as usize];
        let (p, q) = (random.below(index(n)), random.below(index(n)));
        if p != q {
            let mut rows = crate::sparse::Matrix::default();
            for i in 0..mip.rows() {
                let mut terms: Vec<(u32, f64)> = mip
                    .by_row
                    .iter(i)
                    .map(|(j, a)| (index(j), a))
                    .filter(|&(j, _)| j != q)
                    .collect();
                if let Some(&(_, a)) = terms.iter().find(|&&(j, _)| j == p) {
                    terms.push((q, scale * a));
                    terms.sort_unstable_by_key(|&(j, _)| j);
                }
                rows.push(terms);
            }
            mip.by_row = rows;
            if random.chance(60) {
                mip.cost[q as usize] = scale * mip.cost[p as usize];
            }
        }
    }
    mip.finish();
    mip
}

/// A problem of binaries whose rows are mostly edges and cliques.
fn random_packing(random: &mut Random) -> Mip {
    let n = 3 + random.below(6) as usize;
    let m = 2 + random.below(12) as usize;
    let complemented = [0, 20][random.below(2) as usize];
    let equations = [0, 10][random.below(2) as usize];
    let mut mip = Mip::default();
    for _ in 0..n {
        mip.cost.push(random.between(-4, 1));
        mip.lower.push(0.0);
        mip.upper.push(1.0);
        mip.integer.push(true);
    }
    for _ in 0..m {
        let weight = [1.0, 1.0, -2.0][random.below(3) as usize];
        let size = 2 + random.below(2);
        let mut columns: Vec<u32> = (0..size).map(|_| random.below(index(n))).collect();
        columns.sort_unstable();
        columns.dedup();
        let mut side = weight;
        let mut terms = Vec::new();
        for j in columns {
            let is_complemented = random.chance(complemented);
            side -= if is_complemented { weight } else { 0.0 };
            terms.push((j, if is_complemented { -weight } else { weight }));
        }
        let is_equation = random.chance(equations);
        let (lower, upper) = if is_equation {
            (side, side)
        } else if weight > 0.0 {
            (f64::NEG_INFINITY, side)
        } else {
            (side, f64::INFINITY)
        };
        mip.push_row(terms, lower, upper);
    }
    if random.chance(50) {
        let terms: Vec<(u32, f64)> = (0..index(n)).map(|j| (j, random.between(1, 5))).collect();
        mip.push_row(terms, f64::NEG_INFINITY, random.between(4, 12));
    }
    mip.finish();
    mip
}

#[test]
fn cliques_are_merged_without_loss() {
    let exact = Techniques::none()
        .with(Technique::Presolve)
        .with(Technique::CliqueMerging);
    let mut totals = Log::default();
    for case in 0..2500 {
        let mip = random_packing(&mut Random(88_000_000 + case));
        let truth = enumerate(&mip).unwrap();
        for techniques in [exact, Techniques::default()] {
            if let Err(why) = judge(&mip, techniques, &truth) {
                panic!("case {case}: {truth:?}, but {why}\n{mip:?}");
            }
        }
        let presolved = presolve(&mip, exact, &mut Budget::unlimited());
        if let Presolved::Reduced(reduced) = presolved {
            for &(count, _, name) in Count::ALL {
                if reduced.log.iter().any(|&(_, other, _)| other == name) {
                    totals.add(count);
                }
            }
            if let Answer::Optimal(_, point) = &truth {
                let small = reduced.postsolve.reduce(point);
                assert!(reduced.mip.is_feasible(&small), "case {case}\n{mip:?}");
            }
        }
    }
    assert!(totals.0[Count::Clique as usize] > 100, "{totals:?}");
    assert!(totals.0[Count::CliqueFixed as usize] > 10, "{totals:?}");
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(1.0)
}

/// Whether `reduced` answers what `mip` does.
fn judge(mip: &Mip, techniques: Techniques, truth: &Answer) -> Result<(), String> {
    let presolved = presolve(mip, techniques, &mut Budget::unlimited());
    match (&presolved, truth) {
        (Presolved::Infeasible, Answer::Infeasible)
        | (Presolved::UnboundedOrInfeasible, Answer::Infeasible | Answer::Unbounded) => Ok(()),
        (Presolved::Reduced(reduced), truth) => {
            let Some(answer) = solve(&reduced.mip) else {
                return Ok(());
            };
            match (&answer, truth) {
                (Answer::Optimal(objective, x), Answer::Optimal(optimum, point)) => {
                    let full = reduced.postsolve.restore(x);
                    let there = mip.objective(&full);
                    if !close(*objective, *optimum) {
                        Err(format!("optimum {optimum} became {objective}: {reduced:?}"))
                    } else if reduced.mip.is_feasible(x) && !mip.is_feasible(&full) {
                        Err(format!("{x:?} became {full:?}, infeasible: {reduced:?}"))
                    } else if !close(there, *optimum) {
                        Err(format!("objective {optimum} became {there}: {reduced:?}"))
                    } else if reduced.postsolve.reduce(point).len() != reduced.mip.columns() {
                        Err("a start point of another length".into())
                    } else {
                        Ok(())
                    }
                }
                (Answer::Infeasible, Answer::Infeasible)
                | (Answer::Unbounded, Answer::Unbounded) => Ok(()),
                _ => Err(format!("{answer:?}: {reduced:?}")),
            }
        }
        _ => Err(format!("{presolved:?}")),
    }
}

fn run_cases(cases: u64, seed: u64, techniques: Techniques) {
    let mut totals = std::collections::BTreeMap::new();
    for case in 0..cases {
        let mip = random(&mut Random(seed * 1_000_003 + case));
        let Some(truth) = enumerate(&mip).or_else(|| solve(&mip)) else {
            continue;
        };
        if let Err(why) = judge(&mip, techniques, &truth) {
            panic!("case {case} of seed {seed}: {truth:?}, but {why}\n{mip:?}");
        }
        if let Presolved::Reduced(reduced) = presolve(&mip, techniques, &mut Budget::unlimited()) {
            for (_, name, times) in reduced.log {
                *totals.entry(name).or_insert(0) += times;
            }
        }
    }
    println!("{totals:?}");
}

#[test]
fn all_reductions_together_keep_the_optimum() {
    run_cases(4000, 1, Techniques::default());
}

#[test]
fn each_technique_alone_keeps_the_optimum() {
    let plain = Techniques::none().with(Technique::Presolve);
    run_cases(800, 2, plain);
    for (seed, technique) in (3..).zip([
        Technique::DualReductions,
        Technique::CoefficientTightening,
        Technique::Parallel,
        Technique::Dominated,
        Technique::Substitution,
        Technique::Probing,
        Technique::CliqueMerging,
    ]) {
        run_cases(800, seed, plain.with(technique));
    }
}

#[test]
fn without_dual_reductions_no_optimal_point_is_lost() {
    let techniques = Techniques::default()
        .without(Technique::DualReductions)
        .without(Technique::Dominated);
    for case in 0..1500 {
        let mip = random(&mut Random(77_000_000 + case));
        let Some(Answer::Optimal(optimum, point)) = enumerate(&mip) else {
            continue;
        };
        let presolved = presolve(&mip, techniques, &mut Budget::unlimited());
        let Presolved::Reduced(reduced) = presolved else {
            panic!("case {case}: {presolved:?}\n{mip:?}");
        };
        let small = reduced.postsolve.reduce(&point);
        assert!(
            reduced.mip.is_feasible(&small),
            "case {case}: {small:?}\n{reduced:?}\n{mip:?}"
        );
        assert!(
            close(reduced.mip.objective(&small), optimum),
            "case {case}\n{mip:?}"
        );
    }
}

#[test]
fn switched_off_it_changes_nothing() {
    let mip = random(&mut Random(5));
    let presolved = presolve(&mip, Techniques::none(), &mut Budget::unlimited());
    let Presolved::Reduced(reduced) = presolved else {
        panic!("{presolved:?}");
    };
    assert_eq!(reduced.mip, mip);
    assert!(reduced.log.is_empty());
}

#[test]
fn a_free_direction_with_a_cost_is_unbounded_or_infeasible() {
    // minimize -x, x >= 0 free upwards, x - y >= 0.
    let mut mip = Mip {
        cost: vec![-1.0, 0.0],
        lower: vec![0.0, 0.0],
        upper: vec![f64::INFINITY, 1.0],
        integer: vec![false, false],
        ..Mip::default()
    };
    mip.push_row([(0, 1.0), (1, -1.0)], 0.0, f64::INFINITY);
    mip.finish();
    let presolved = presolve(&mip, Techniques::default(), &mut Budget::unlimited());
    assert!(matches!(presolved, Presolved::UnboundedOrInfeasible));
}

#[test]
fn tolerance_is_used_nowhere_but_through_tol() {
    // A row that misses its side by less than the tolerance is kept feasible.
    let mut mip = Mip {
        cost: vec![1.0],
        lower: vec![0.0],
        upper: vec![1.0],
        integer: vec![true],
        ..Mip::default()
    };
    mip.push_row([(0, 1.0)], 1.0 + 0.5 * tol::FEASIBILITY, f64::INFINITY);
    mip.finish();
    let presolved = presolve(&mip, Techniques::default(), &mut Budget::unlimited());
    let Presolved::Reduced(reduced) = presolved else {
        panic!("{presolved:?}");
    };
    assert_eq!(reduced.postsolve.restore(&[]), [1.0]);
}
