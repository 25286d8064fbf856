//! The rules between groups as rows, for either model.
//!
//! ```text
//! z[g,k] in {0,1}, for the containers of such rules:  z <= n[g,k] <= min(|g|, r_k) z
//! apart     z[g,a] + z[g,b] <= 1
//! alone     sum_{j != a} n[g,j] <= |g| (1 - z[g,a])
//! together  z[g,a] = z[g,b]
//! pinned    n[g,k] <= 0 for a node g that is not k's
//! ```
//!
//! n[g,k] are the threads of k in g, in the model's own columns. The y of the
//! objective will not do: it may be 1 where n is 0, and it is missing where
//! spread is not charged.

use super::problem::{L3, NUMA, Problem};
use super::rows::{Draft, Terms};

/// z: column, level, group, container.
pub(super) type Present = (usize, usize, usize, usize);

/// Adds columns and rows; the columns z.
pub(super) fn group_rules(
    problem: &Problem,
    draft: &mut Draft,
    threads: &dyn Fn(usize, usize, usize) -> Terms,
) -> Vec<Present> {
    let rules = &problem.rules;
    let containers = problem.containers.len();
    let mut all = Vec::new();
    for level in [L3, NUMA] {
        let mut used = vec![false; containers];
        for &(a, b) in rules.apart[level].iter().chain(&rules.together[level]) {
            used[a] = true;
            used[b] = true;
        }
        for &a in &rules.alone[level] {
            used[a] = true;
        }
        if !used.contains(&true) {
            continue;
        }
        for (g, group) in problem.levels[level].groups.iter().enumerate() {
            let size = group.threads.len() as i64;
            let mut here = vec![0; containers];
            for k in (0..containers).filter(|&k| used[k]) {
                let z = draft.column('z', 0, 0, 1);
                here[k] = z;
                all.push((z, level, g, k));
                let inside = threads(level, g, k);
                let cap = size.min(problem.containers[k].request as i64);
                let with = |factor: i64| {
                    let mut terms = inside.clone();
                    terms.push((z, factor));
                    terms
                };
                draft.at_most(with(-cap), 0);
                draft.at_least(with(-1), 0);
            }
            for &(a, b) in &rules.apart[level] {
                draft.at_most(vec![(here[a], 1), (here[b], 1)], 1);
            }
            for &(a, b) in &rules.together[level] {
                draft.equal(vec![(here[a], 1), (here[b], -1)], 0);
            }
            for &a in &rules.alone[level] {
                let others = (0..containers).filter(|&j| j != a);
                let mut terms: Terms = others.flat_map(|j| threads(level, g, j)).collect();
                terms.push((here[a], size));
                draft.at_most(terms, size);
            }
        }
    }
    for (k, allowed) in &rules.pinned {
        for g in (0..allowed.len()).filter(|&g| !allowed[g]) {
            let inside = threads(NUMA, g, *k);
            if !inside.is_empty() {
                draft.at_most(inside, 0);
            }
        }
    }
    all
}

/// Sets the z of a point. `count` is n[g,k].
pub(super) fn set_present(
    point: &mut [f64],
    present: &[Present],
    count: &dyn Fn(usize, usize, usize) -> usize,
) {
    for &(column, level, group, k) in present {
        point[column] = f64::from(u8::from(count(level, group, k) > 0));
    }
}
