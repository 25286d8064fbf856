//! Companies: sets of containers that may all share a core.
//!
//! Rules of anti-affinity by core make a graph of who may meet whom. On a core
//! of two threads a pair meets, so sets that hold every pair of it will do; on
//! a wider one any clique of the graph may meet, and all maximal cliques are
//! needed (Bron and Kerbosch, "Algorithm 457", CACM 16, 1973, with pivots). Two
//! patterns that are apart, `web/*` and `db/*`, make two companies: each with
//! everybody else.

use super::rules::Rules;

/// Most maximal cliques: a cell has columns for each.
const MOST: usize = 64;

impl Rules {
    /// The companies for cores of `width` threads; none where they are too
    /// many. Who may share a core with nobody is in none of them.
    pub(super) fn companies(&self, containers: usize, width: usize) -> Option<Vec<Vec<usize>>> {
        let may_meet = |a: usize, b: usize| a != b && !self.is_core_apart(a, b);
        let social: Vec<usize> = (0..containers)
            .filter(|&a| (0..containers).any(|b| may_meet(a, b)))
            .collect();
        if width == 2 {
            return Some(pair_cover(&social, &may_meet));
        }
        let mut found = Vec::new();
        let is_all = cliques(&mut Vec::new(), social, Vec::new(), &may_meet, &mut found);
        found.retain(|set: &Vec<usize>| set.len() > 1);
        is_all.then_some(found)
    }
}

/// Maximal cliques that hold every pair of `of` that may meet.
fn pair_cover(of: &[usize], may_meet: &dyn Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
    let mut found: Vec<Vec<usize>> = Vec::new();
    for (place, &a) in of.iter().enumerate() {
        for &b in of[place + 1..].iter().filter(|&&b| may_meet(a, b)) {
            if found.iter().any(|set| set.contains(&a) && set.contains(&b)) {
                continue;
            }
            let mut set = vec![a, b];
            for &c in of {
                if set.iter().all(|&member| may_meet(member, c)) {
                    set.push(c);
                }
            }
            set.sort_unstable();
            found.push(set);
        }
    }
    found
}

/// Adds the maximal cliques that hold `chosen`, others of `open` and none of
/// `done`; whether there was room for all.
fn cliques(
    chosen: &mut Vec<usize>,
    mut open: Vec<usize>,
    mut done: Vec<usize>,
    may_meet: &dyn Fn(usize, usize) -> bool,
    found: &mut Vec<Vec<usize>>,
) -> bool {
    if open.is_empty() {
        if done.is_empty() {
            let mut set = chosen.clone();
            set.sort_unstable();
            found.push(set);
        }
        return found.len() <= MOST;
    }
    let met = |a: usize, set: &[usize]| set.iter().filter(|&&b| may_meet(a, b)).count();
    let pivot = open.iter().chain(&done).copied();
    let pivot = pivot.max_by_key(|&a| (met(a, &open), std::cmp::Reverse(a)));
    let branches: Vec<usize> = open
        .iter()
        .copied()
        .filter(|&a| pivot.is_none_or(|pivot| !may_meet(pivot, a)))
        .collect();
    for a in branches {
        let near = |set: &[usize]| set.iter().copied().filter(|&b| may_meet(a, b)).collect();
        chosen.push(a);
        let is_all = cliques(chosen, near(&open), near(&done), may_meet, found);
        chosen.pop();
        if !is_all {
            return false;
        }
        open.retain(|&b| b != a);
        done.push(a);
    }
    true
}
