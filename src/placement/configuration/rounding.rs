//! An assignment from weighted patterns.
//!
//! Units get patterns one after the other, those of the largest weight first, as far
//! as what containers still lack allows; what a pattern gives beyond that is left out. What is
//! lacking in the end is placed by best fit.

use super::super::greedy::{Fitter, Style};
use super::super::problem::{L3, Problem};
use super::super::state::State;
use super::bundle::Column;
use super::choices::Units;
use super::pricing::Part;

/// What there is to be rounded.
pub(super) struct Rounding<'a> {
    pub(super) problem: &'a Problem,
    pub(super) units: &'a Units,
    /// Columns of each class, then of others.
    pub(super) blocks: &'a [Vec<Column>],
}

/// A complete assignment.
pub(super) fn round(rounding: &Rounding<'_>) -> Vec<Option<u32>> {
    let Rounding {
        problem,
        units,
        blocks,
    } = *rounding;
    let mut state = State::empty(problem);
    let mut lacking: Vec<usize> = problem.containers.iter().map(|k| k.request).collect();
    // By class, the weight of each column that is not used up.
    let mut left: Vec<Vec<f64>> = units
        .classes
        .iter()
        .zip(blocks)
        .map(|(class, block)| {
            let size = class.size as f64;
            block.iter().map(|column| column.weight * size).collect()
        })
        .collect();
    let mut open: Vec<(usize, usize)> = Vec::new();
    for (node, groups) in units.nodes.iter().zip(&units.groups) {
        open.extend(node.units.iter().copied().zip(groups.iter().copied()));
    }
    while !open.is_empty() {
        let mut best: Option<(f64, usize, usize)> = None;
        for (at, &(class, _)) in open.iter().enumerate() {
            for (j, column) in blocks[class].iter().enumerate() {
                // A pattern that does not fit counts less.
                let parts = || column.parts.iter().zip(&lacking);
                let given: usize = parts().map(|(p, &l)| p.threads.min(l)).sum();
                let all: usize = parts().map(|(p, _)| p.threads).sum();
                let cut = (all - given) as f64;
                let rank = left[class][j] - cut;
                if best.is_none_or(|best| rank > best.0) {
                    best = Some((rank, at, j));
                }
            }
        }
        let Some((_, at, j)) = best else { break };
        let (class, group) = open.swap_remove(at);
        left[class][j] -= 1.0;
        let unit = (group, units.classes[class].width);
        fill(&mut state, unit, &blocks[class][j].parts, &mut lacking);
    }
    let mut fitter = Fitter::new(&state);
    for (k, need) in (0u32..).zip(lacking) {
        fitter.fit(&mut state, k, need, Style::Packed);
    }
    state.owners().to_vec()
}

/// Gives the cores of an L3, `width` threads wide, as the pattern says.
fn fill(
    state: &mut State<'_>,
    (group, width): (usize, usize),
    parts: &[Part],
    lacking: &mut [usize],
) {
    let problem = state.problem;
    let mut cores: Vec<usize> = problem.levels[L3].groups[group]
        .threads
        .iter()
        .map(|&thread| problem.threads[thread].core)
        .collect();
    cores.sort_unstable();
    cores.dedup();
    // Threads on a core of its own, 0 for one that shares.
    let mut wanted: Vec<(usize, u32)> = Vec::new();
    for (k, part) in (0u32..).zip(parts) {
        let mut n = part.threads.min(lacking[k as usize]);
        lacking[k as usize] -= n;
        // h = w times its own cores, and m.
        let sharing = part.halves % width;
        let shared = sharing.min(n);
        n -= shared;
        let mut own = part.threads - sharing.min(part.threads);
        for others in (0..part.halves / width).rev() {
            // Where less is lacking, the fullest cores of the pattern.
            let size = width.min(own.saturating_sub(others));
            own -= size;
            let size = size.min(n);
            if size > 0 {
                wanted.push((size, k));
            }
            n -= size;
        }
        wanted.extend(std::iter::repeat_n((0, k), shared + n));
    }
    wanted.sort_by_key(|&(kind, k)| (std::cmp::Reverse(kind), k));
    for (kind, k) in wanted {
        let threads = kind.max(1);
        // The core where most of it was; for what shares, one that has room beside
        // another; else an empty one.
        let rank = |&core: &usize| {
            let own = &problem.cores[core];
            let free = own.iter().filter(|&&t| state.owner(t).is_none()).count();
            let had = own.iter().filter(|&&t| state.was(t) == Some(k)).count();
            let is_empty = free == own.len();
            let fits = free >= threads;
            let wrong = is_empty == (kind == 0);
            (fits, std::cmp::Reverse(wrong), had, std::cmp::Reverse(core))
        };
        let Some(core) = cores.iter().copied().max_by_key(rank) else {
            return;
        };
        let mut free: Vec<usize> = problem.cores[core]
            .iter()
            .copied()
            .filter(|&t| state.owner(t).is_none())
            .collect();
        free.sort_by_key(|&t| (state.was(t) != Some(k), t));
        for &thread in free.iter().take(threads) {
            state.set(thread, Some(k));
        }
        lacking[k as usize] += threads - free.len().min(threads);
    }
}
