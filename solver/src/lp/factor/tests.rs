//! Factors against the matrix itself: B x = v and B^T y = v by residuals, after
//! factorisations and after many updates.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "small numbers of test code"
)]

use super::*;
use crate::work::Budget;

/// Columns as dense-free lists.
#[derive(Clone)]
struct Basis(Vec<Vec<(usize, f64)>>);

impl BasisColumns for Basis {
    fn column(&self, position: usize, entry: &mut dyn FnMut(usize, f64)) {
        for &(row, value) in &self.0[position] {
            entry(row, value);
        }
    }
}

/// Knuth's MMIX generator.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    fn value(&mut self) -> f64 {
        let magnitude = 1.0 + self.next(900) as f64 / 100.0;
        if self.next(2) == 0 {
            magnitude
        } else {
            -magnitude
        }
    }

    fn column(&mut self, m: usize, entries: usize) -> Vec<(usize, f64)> {
        let mut column: Vec<(usize, f64)> = Vec::new();
        for _ in 0..entries {
            let row = self.next(m);
            if column.iter().all(|&(i, _)| i != row) {
                column.push((row, self.value()));
            }
        }
        column
    }

    /// A random matrix, made regular by a permuted diagonal.
    fn basis(&mut self, m: usize, entries: usize) -> Basis {
        let mut rows: Vec<usize> = (0..m).collect();
        for i in (1..m).rev() {
            rows.swap(i, self.next(i + 1));
        }
        let columns = rows.iter().map(|&row| {
            let count = 1 + self.next(entries);
            let mut column = self.column(m, count);
            column.retain(|&(i, _)| i != row);
            column.push((row, 4.0 * self.value()));
            column
        });
        Basis(columns.collect())
    }
}

fn vector(n: usize, entries: &[(usize, f64)]) -> SparseVector {
    let mut v = SparseVector::new(n);
    for &(i, value) in entries {
        v.add(i, value);
    }
    v
}

/// Largest residual of B x = v, relative to the largest term.
fn forward_residual(basis: &Basis, x: &SparseVector, v: &[(usize, f64)]) -> f64 {
    let m = basis.0.len();
    let (mut residual, mut scale) = (vec![0.0; m], 1.0_f64);
    for &(i, value) in v {
        residual[i] -= value;
    }
    for (position, column) in basis.0.iter().enumerate() {
        for &(row, a) in column {
            residual[row] += a * x.values[position];
            scale = scale.max((a * x.values[position]).abs());
        }
    }
    residual.iter().fold(0.0_f64, |r, x| r.max(x.abs())) / scale
}

fn backward_residual(basis: &Basis, y: &SparseVector, v: &[(usize, f64)]) -> f64 {
    let mut worst = 0.0_f64;
    for (position, column) in basis.0.iter().enumerate() {
        let wanted: f64 = v.iter().filter(|e| e.0 == position).map(|e| e.1).sum();
        let (mut sum, mut scale) = (-wanted, 1.0_f64);
        for &(row, a) in column {
            sum += a * y.values[row];
            scale = scale.max((a * y.values[row]).abs());
        }
        worst = worst.max(sum.abs() / scale);
    }
    worst
}

fn is_listed_right(v: &SparseVector) -> bool {
    let mut listed = vec![false; v.values.len()];
    for &i in &v.indices {
        if std::mem::replace(&mut listed[i as usize], true) {
            return false;
        }
    }
    v.values.iter().zip(&listed).all(|(&x, &l)| l || x == 0.0)
}

#[test]
fn solves_hold_after_factorisation_and_updates() {
    for seed in 1..=40 {
        let mut numbers = Numbers(seed);
        let m = 1 + numbers.next(if seed % 4 == 0 { 300 } else { 40 });
        let mut basis = numbers.basis(m, 1 + (seed as usize % 6));
        let mut factor = Factor::new(m);
        let mut budget = Budget::unlimited();
        assert_eq!(factor.factorize(&basis, &mut budget), Factored::Ok);
        for round in 0..60 {
            let entries = 1 + numbers.next(4);
            let v = numbers.column(m, entries);
            let mut x = vector(m, &v);
            factor.ftran(&mut x, false);
            assert!(is_listed_right(&x));
            let residual = forward_residual(&basis, &x, &v);
            assert!(residual < 1e-7, "seed {seed} round {round}: {residual:e}");
            let mut y = vector(m, &v);
            factor.btran(&mut y);
            assert!(is_listed_right(&y));
            let residual = backward_residual(&basis, &y, &v);
            assert!(residual < 1e-7, "seed {seed} round {round}: {residual:e}");
            let entries = 1 + numbers.next(5);
            let column = numbers.column(m, entries);
            let mut alpha = vector(m, &column);
            factor.ftran(&mut alpha, true);
            let position = (0..m)
                .max_by(|&a, &b| alpha.values[a].abs().total_cmp(&alpha.values[b].abs()))
                .unwrap();
            basis.0[position] = column;
            match factor.update(position, alpha.values[position]) {
                Updated::Ok => {}
                Updated::Unstable | Updated::Full => {
                    assert_eq!(factor.factorize(&basis, &mut budget), Factored::Ok);
                }
            }
        }
    }
}

#[test]
fn dependent_columns_are_named_and_replaced() {
    for seed in 1..=40 {
        let mut numbers = Numbers(seed);
        let m = 3 + numbers.next(30);
        let mut basis = numbers.basis(m, 3);
        for _ in 0..=numbers.next(3) {
            let (from, to) = (numbers.next(m), numbers.next(m));
            basis.0[to] = basis.0[from].clone();
        }
        let mut factor = Factor::new(m);
        let mut budget = Budget::unlimited();
        for _ in 0..m {
            match factor.factorize(&basis, &mut budget) {
                Factored::Ok => break,
                Factored::Singular { replacements } => {
                    assert!(!replacements.is_empty());
                    for (position, row) in replacements {
                        basis.0[position] = vec![(row, -1.0)];
                    }
                }
                Factored::Stopped => unreachable!("no limit"),
            }
        }
        let v = [(0, 1.0)];
        let mut x = vector(m, &v);
        factor.ftran(&mut x, false);
        assert!(forward_residual(&basis, &x, &v) < 1e-9, "seed {seed}");
    }
}

#[test]
fn fresh_factors_are_those_of_the_slack_basis() {
    let mut factor = Factor::new(3);
    let mut x = vector(3, &[(1, 2.0)]);
    factor.ftran(&mut x, false);
    assert_eq!(x.values, [0.0, -2.0, 0.0]);
    factor.btran(&mut x);
    assert_eq!(x.values, [0.0, 2.0, 0.0]);
}

#[test]
fn aligned_factors_solve_the_reordered_basis() {
    for seed in 1..=20 {
        let mut numbers = Numbers(seed);
        let m = 2 + numbers.next(60);
        let mut basis = numbers.basis(m, 4);
        let mut factor = Factor::new(m);
        let mut budget = Budget::unlimited();
        assert_eq!(factor.factorize(&basis, &mut budget), Factored::Ok);
        let names = factor.align();
        let old = basis.clone();
        for (column, &name) in old.0.iter().zip(&names) {
            basis.0[name as usize].clone_from(column);
        }
        for round in 0..30 {
            let v = numbers.column(m, 3);
            let mut x = vector(m, &v);
            factor.ftran(&mut x, false);
            assert!(is_listed_right(&x));
            assert!(
                forward_residual(&basis, &x, &v) < 1e-7,
                "seed {seed} {round}"
            );
            let mut y = vector(m, &v);
            factor.btran(&mut y);
            assert!(is_listed_right(&y));
            assert!(
                backward_residual(&basis, &y, &v) < 1e-7,
                "seed {seed} {round}"
            );
            let column = numbers.column(m, 4);
            let mut alpha = vector(m, &column);
            factor.ftran(&mut alpha, true);
            let position = numbers.next(m);
            if alpha.values[position].abs() < 1e-2 {
                continue;
            }
            basis.0[position] = column;
            if factor.update(position, alpha.values[position]) != Updated::Ok {
                break;
            }
        }
    }
}

#[test]
fn permuted_triangles_have_no_fill() {
    for seed in 1..=10 {
        let mut numbers = Numbers(seed);
        let m = 80;
        // Column k of a lower triangle: k and up to three rows after it; then
        // rows and columns are permuted.
        let shuffle = |numbers: &mut Numbers| {
            let mut order: Vec<usize> = (0..m).collect();
            for i in (1..m).rev() {
                order.swap(i, numbers.next(i + 1));
            }
            order
        };
        let (rows, columns) = (shuffle(&mut numbers), shuffle(&mut numbers));
        let mut basis = Basis(vec![Vec::new(); m]);
        let mut entries = 0;
        for k in 0..m {
            let mut column = vec![(rows[k], numbers.value())];
            for _ in 0..3 {
                let i = k + numbers.next(m - k);
                if column.iter().all(|&(row, _)| row != rows[i]) {
                    column.push((rows[i], numbers.value()));
                }
            }
            entries += column.len();
            basis.0[columns[k]] = column;
        }
        let mut factor = Factor::new(m);
        let mut budget = Budget::unlimited();
        assert_eq!(factor.factorize(&basis, &mut budget), Factored::Ok);
        let stored = factor.lower.columns.stored() + factor.upper_columns.stored() + m;
        assert_eq!(stored, entries, "seed {seed}");
    }
}

#[test]
fn near_dependence_and_bad_scales_are_told_or_solved() {
    // The Hilbert matrix of order 6, condition 1.5e7: solved to a small residual.
    let hilbert = |m: usize| {
        Basis(
            (0..m)
                .map(|j| (0..m).map(|i| (i, 1.0 / (i + j + 1) as f64)).collect())
                .collect(),
        )
    };
    let mut budget = Budget::unlimited();
    let basis = hilbert(6);
    let mut factor = Factor::new(6);
    assert_eq!(factor.factorize(&basis, &mut budget), Factored::Ok);
    let v = [(2, 1.0)];
    let mut x = vector(6, &v);
    factor.ftran(&mut x, false);
    assert!(forward_residual(&basis, &x, &v) < 1e-12);
    // Two columns that differ by 1e-12 in one entry: named as dependent.
    let near = Basis(vec![
        vec![(0, 1.0), (1, 2.0)],
        vec![(0, 1.0), (1, 2.0 + 1e-12)],
    ]);
    let mut factor = Factor::new(2);
    assert!(matches!(
        factor.factorize(&near, &mut budget),
        Factored::Singular { replacements } if replacements.len() == 1
    ));
    // Columns of very different lengths.
    let mut numbers = Numbers(3);
    let mut basis = numbers.basis(30, 4);
    for (position, column) in basis.0.iter_mut().enumerate() {
        let scale = 10.0_f64.powi(position as i32 % 13 - 6);
        for (_, value) in column {
            *value *= scale;
        }
    }
    let mut factor = Factor::new(30);
    assert_eq!(factor.factorize(&basis, &mut budget), Factored::Ok);
    let mut x = vector(30, &v);
    factor.ftran(&mut x, false);
    assert!(forward_residual(&basis, &x, &v) < 1e-10);
}

#[test]
fn a_stopped_budget_stops_the_factorisation() {
    // A dense matrix has no singletons, so the first pivot asks the budget.
    let m = 20;
    let mut numbers = Numbers(5);
    let basis = Basis(
        (0..m)
            .map(|_| (0..m).map(|i| (i, numbers.value())).collect())
            .collect(),
    );
    let mut factor = Factor::new(m);
    let clock = crate::clock::Clock::start(None);
    let mut budget = Budget::new(clock, Arc::new(true.into()));
    assert_eq!(factor.factorize(&basis, &mut budget), Factored::Stopped);
}
