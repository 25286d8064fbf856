use super::*;

/// Binary columns of equal cost in the given rows, each `sum >= 1`.
fn covering(columns: usize, rows: &[&[Index]]) -> Mip {
    let mut mip = Mip {
        cost: vec![1.0; columns],
        lower: vec![0.0; columns],
        upper: vec![1.0; columns],
        integer: vec![true; columns],
        ..Mip::default()
    };
    for row in rows {
        mip.push_row(row.iter().map(|&j| (j, 1.0)), 1.0, f64::INFINITY);
    }
    mip.finish();
    mip
}

fn detect(mip: &Mip) -> Option<Symmetry> {
    Symmetry::detect(mip, &mut Budget::unlimited())
}

fn orbits(symmetry: &Symmetry, raised: &[(Index, f64)]) -> Vec<Vec<Index>> {
    let orbits = symmetry.orbits(raised, &mut Budget::unlimited());
    orbits.iter().map(<[Index]>::to_vec).collect()
}

fn permute(permutation: &Permutation, support: &[Index], x: &[f64]) -> Vec<f64> {
    let mut result = x.to_vec();
    for &(j, to) in permutation.moved() {
        result[support[to as usize] as usize] = x[support[j as usize] as usize];
    }
    result
}

/// Every permutation of n columns that maps the feasible 0/1 points to
/// feasible ones of the same objective.
fn all_symmetries(mip: &Mip) -> Vec<Vec<usize>> {
    let n = mip.columns();
    let points: Vec<Vec<f64>> = (0..1_u32 << n)
        .map(|bits| (0..n).map(|j| f64::from(bits >> j & 1)).collect())
        .collect();
    let feasible: Vec<bool> = points.iter().map(|x| mip.is_feasible(x)).collect();
    let mut found = Vec::new();
    let mut order: Vec<usize> = (0..n).collect();
    permutations(&mut order, 0, &mut |g| {
        let keeps = (0..points.len()).all(|bits| {
            let image: usize = (0..n)
                .filter(|&j| bits >> j & 1 == 1)
                .map(|j| 1 << g[j])
                .sum();
            let cost = |bits: usize| mip.objective(&points[bits]);
            feasible[bits] == feasible[image] && (cost(bits) - cost(image)).abs() < 1e-9
        });
        if keeps {
            found.push(g.to_vec());
        }
    });
    found
}

fn permutations(order: &mut [usize], from: usize, take: &mut dyn FnMut(&[usize])) {
    if from == order.len() {
        take(order);
        return;
    }
    for k in from..order.len() {
        order.swap(from, k);
        permutations(order, from + 1, take);
        order.swap(from, k);
    }
}

#[test]
fn interchangeable_columns_are_blocks_of_one() {
    let symmetry = detect(&covering(4, &[&[0, 1, 2, 3]])).expect("symmetric");
    assert_eq!(symmetry.generators(), 3);
    assert_eq!(symmetry.systems.len(), 1);
    assert_eq!(symmetry.systems[0].blocks.len(), 4);
    assert_eq!(orbits(&symmetry, &[]), [vec![0, 1, 2, 3]]);
    // One decided: the others are alike; two with the same decision too.
    assert_eq!(orbits(&symmetry, &[(1, 1.0)]), [vec![0, 2, 3]]);
    assert_eq!(
        orbits(&symmetry, &[(1, 1.0), (3, 1.0)]),
        [vec![0, 2], vec![1, 3]]
    );
    assert!(orbits(&symmetry, &[(0, 1.0), (1, 2.0), (2, 3.0)]).is_empty());
}

#[test]
fn a_cycle_has_rotations_and_reflections() {
    // The pentagon: every column to every other; with one fixed, its mirror.
    let mip = covering(5, &[&[0, 1], &[1, 2], &[2, 3], &[3, 4], &[0, 4]]);
    let symmetry = detect(&mip).expect("symmetric");
    assert_eq!(orbits(&symmetry, &[]), [vec![0, 1, 2, 3, 4]]);
    assert_eq!(all_symmetries(&mip).len(), 10);
}

#[test]
fn costs_and_coefficients_break_symmetry() {
    let mut mip = covering(2, &[&[0, 1]]);
    mip.cost[1] = 2.0;
    assert!(detect(&mip).is_none());
    let mut mip = covering(2, &[]);
    mip.push_row([(0, 1.0), (1, 2.0)], 1.0, f64::INFINITY);
    mip.finish();
    assert!(detect(&mip).is_none());
}

/// x_ib at 3 i + b: items of weights 3, 2, 4 in three bins of 5.
fn bins() -> Mip {
    let at = |item: usize, bin: usize| index(item * 3 + bin);
    let mut mip = covering(9, &[]);
    for item in 0..3 {
        mip.push_row((0..3).map(|bin| (at(item, bin), 1.0)), 1.0, 1.0);
    }
    for bin in 0..3 {
        let weights = [3.0, 2.0, 4.0];
        let row = (0..3).map(|item| (at(item, bin), weights[item]));
        mip.push_row(row, f64::NEG_INFINITY, 5.0);
    }
    mip.finish();
    mip
}

#[test]
fn bins_are_blocks() {
    let symmetry = detect(&bins()).expect("symmetric");
    assert_eq!(symmetry.systems.len(), 1);
    assert_eq!(symmetry.systems[0].blocks.len(), 3);
    let rows = [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7, 8]];
    assert_eq!(orbits(&symmetry, &[]), rows);
    // Item 0 in bin 1: bins 0 and 2 are left alike.
    let left = [vec![0, 2], vec![3, 5], vec![6, 8]];
    assert_eq!(orbits(&symmetry, &[(1, 1.0)]), left);
}

#[test]
fn cores_of_two_threads_are_blocks_of_blocks() {
    // One item a row; two cores of two threads; a row a core, a row over all.
    let mut mip = covering(4, &[&[0, 1], &[2, 3]]);
    mip.push_row((0..4).map(|j| (j, 1.0)), 2.0, 3.0);
    mip.finish();
    let symmetry = detect(&mip).expect("symmetric");
    assert_eq!(orbits(&symmetry, &[]), [vec![0, 1, 2, 3]]);
    // A decision on thread 0 leaves the threads of the other core alike.
    assert_eq!(orbits(&symmetry, &[(0, 1.0)]), [vec![2, 3]]);
}

/// On random graphs, cliques and covers: each symmetry found is one by
/// enumeration, and an orbit of a stabilizer is one of the enumerated group.
#[test]
fn random_problems_have_the_symmetries_that_are_found() {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut symmetric = 0;
    for _ in 0..300 {
        let columns = 6;
        let mut mip = covering(columns, &[]);
        for _ in 0..1 + random.next_u32() % 6 {
            let bits = random.next_u32();
            let row: Vec<(Index, f64)> = (0..index(columns))
                .filter(|j| bits >> j & 1 == 1)
                .map(|j| (j, if bits >> (j + 8) & 7 == 0 { 2.0 } else { 1.0 }))
                .collect();
            if bits >> 20 & 1 == 1 {
                mip.push_row(row, 1.0, f64::INFINITY);
            } else {
                mip.push_row(row, f64::NEG_INFINITY, 1.0);
            }
        }
        mip.finish();
        let Some(symmetry) = detect(&mip) else {
            continue;
        };
        symmetric += 1;
        for permutation in &symmetry.loose {
            for bits in 0..1_u32 << columns {
                let x: Vec<f64> = (0..columns).map(|j| f64::from(bits >> j & 1)).collect();
                let y = permute(permutation, &symmetry.support, &x);
                assert_eq!(mip.is_feasible(&x), mip.is_feasible(&y));
            }
        }
        let all = all_symmetries(&mip);
        let decided = random.next_u32() % index(columns);
        for (raised, fixes) in [
            (vec![], None),
            (vec![(decided, 1.0)], Some(decided as usize)),
        ] {
            for orbit in orbits(&symmetry, &raised) {
                let first = orbit[0] as usize;
                for &j in &orbit {
                    assert!(all.iter().any(|g| {
                        g[first] == j as usize && fixes.is_none_or(|fixed| g[fixed] == fixed)
                    }));
                }
            }
        }
    }
    assert!(symmetric > 100);
}
