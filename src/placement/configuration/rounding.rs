//! An assignment from weighted patterns.
//!
//! Units get patterns one after the other, those of the largest weight first, as far
//! as what containers still lack allows; what a pattern gives beyond that is left out. Where
//! units of several nodes are alike the pattern goes to the node that has most of its containers'
//! load already, then to the one with most units left. What is lacking in the end is placed by
//! best fit.

use std::cmp::Reverse;

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
    let mut open = Open::new(units);
    let mut there = vec![vec![0; lacking.len()]; units.nodes.len()];
    loop {
        let mut best: Option<(f64, usize, usize)> = None;
        for class in (0..units.classes.len()).filter(|&c| open.has(c)) {
            for (j, column) in blocks[class].iter().enumerate() {
                // A pattern that does not fit counts less.
                let parts = || column.pattern().iter().zip(&lacking);
                let given: usize = parts().map(|(p, &l)| p.threads.min(l)).sum();
                let all: usize = parts().map(|(p, _)| p.threads).sum();
                let cut = (all - given) as f64;
                let rank = left[class][j] - cut;
                if best.is_none_or(|best| rank > best.0) {
                    best = Some((rank, class, j));
                }
            }
        }
        let Some((_, class, j)) = best else { break };
        left[class][j] -= 1.0;
        let parts = blocks[class][j].pattern();
        let load = |n: usize| {
            let of_parts = parts.iter().zip(&there[n]).zip(&problem.containers);
            let of_parts = of_parts.filter(|((part, _), _)| part.threads > 0);
            of_parts.map(|((_, there), k)| there * k.rho).sum()
        };
        let Some((node, group)) = open.take(class, load) else {
            break;
        };
        let before = lacking.clone();
        fill(
            &mut state,
            (group, units.classes[class].width),
            parts,
            &mut lacking,
        );
        for ((there, before), lacking) in there[node].iter_mut().zip(before).zip(&lacking) {
            *there += (before - lacking) as i64;
        }
    }
    let mut fitter = Fitter::new(&state);
    for (k, need) in (0u32..).zip(lacking) {
        fitter.fit(&mut state, k, need, Style::Packed);
    }
    state.owners().to_vec()
}

/// Units without a pattern.
struct Open {
    /// By class: node and L3 group.
    units: Vec<Vec<(usize, usize)>>,
    /// By node, how many.
    count: Vec<usize>,
}

impl Open {
    fn new(units: &Units) -> Self {
        let mut open = vec![Vec::new(); units.classes.len()];
        for (n, (node, groups)) in units.nodes.iter().zip(&units.groups).enumerate() {
            for (&class, &group) in node.units.iter().zip(groups) {
                open[class].push((n, group));
            }
        }
        Self {
            units: open,
            count: units.nodes.iter().map(|node| node.units.len()).collect(),
        }
    }

    fn has(&self, class: usize) -> bool {
        !self.units[class].is_empty()
    }

    /// Takes a unit of `class` and its node: where `load` is most, then most units are left.
    fn take(&mut self, class: usize, load: impl Fn(usize) -> i64) -> Option<(usize, usize)> {
        let units = self.units[class].iter().enumerate();
        let rank =
            |&(at, &(n, _)): &(usize, &(usize, usize))| (load(n), self.count[n], Reverse(at));
        let (at, _) = units.max_by_key(rank)?;
        let (node, group) = self.units[class].swap_remove(at);
        self.count[node] -= 1;
        Some((node, group))
    }
}

/// Threads of a container that a pattern has on one core.
#[derive(Clone, Copy, Debug)]
struct Piece {
    threads: usize,
    k: u32,
    /// Whether the core is shared with others.
    shares: bool,
}

/// The pieces of a pattern, as far as what is lacking goes, on cores of `width` threads.
fn pieces(parts: &[Part], width: usize, lacking: &mut [usize]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for ((k, part), lacking) in (0u32..).zip(parts).zip(lacking) {
        let mut n = part.threads.min(*lacking);
        *lacking -= n;
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
                pieces.push(Piece {
                    threads: size,
                    k,
                    shares: false,
                });
            }
            n -= size;
        }
        let piece = Piece {
            threads: 1,
            k,
            shares: true,
        };
        pieces.extend(std::iter::repeat_n(piece, shared + n));
    }
    pieces
}

/// Gives the cores of an L3, `width` threads wide, as the pattern says: first those that are
/// one container's, the fullest first; what shares goes beside others that do. Of pieces
/// alike the one first that finds most of its threads where they were.
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
    let mut pieces = pieces(parts, width, lacking);
    let mut is_shared = vec![false; cores.len()];
    while !pieces.is_empty() {
        let kind = |piece: &Piece| (!piece.shares, piece.threads);
        let next = pieces.iter().map(kind).max();
        let mut best = None;
        for (i, piece) in pieces.iter().enumerate() {
            if Some(kind(piece)) != next {
                continue;
            }
            for (c, &core) in cores.iter().enumerate() {
                let own = &problem.cores[core];
                let free = own.iter().filter(|&&t| state.owner(t).is_none()).count();
                let had = own.iter().filter(|&&t| state.was(t) == Some(piece.k));
                let others = own.iter().filter_map(|&t| state.was(t));
                let others = others.filter(|&k| k != piece.k && parts[k as usize].threads > 0);
                let place = match free == own.len() {
                    _ if piece.shares && is_shared[c] => 2,
                    true => 1,
                    false => 0,
                };
                let rank = (
                    free >= piece.threads,
                    place,
                    had.count(),
                    Reverse(others.count()),
                    Reverse((piece.k, c)),
                );
                if best.is_none_or(|(known, _, _)| rank > known) {
                    best = Some((rank, i, c));
                }
            }
        }
        let Some((_, i, c)) = best else { return };
        let Piece { threads, k, shares } = pieces.swap_remove(i);
        is_shared[c] |= shares;
        let own = problem.cores[cores[c]].iter().copied();
        let mut free: Vec<usize> = own.filter(|&t| state.owner(t).is_none()).collect();
        free.sort_by_key(|&t| (state.was(t) != Some(k), t));
        for &thread in free.iter().take(threads) {
            state.set(thread, Some(k));
        }
        lacking[k as usize] += threads - free.len().min(threads);
    }
}

#[cfg(test)]
mod tests {
    use super::super::bundle::Parts;
    use super::*;
    use crate::cpuset::CpuSet;
    use crate::placement::testing;

    /// What shares a core goes beside what shares, also where a core with one thread comes first.
    #[test]
    fn a_pattern_is_laid_out_as_it_says() {
        let mut host = testing::host(testing::topology(1, 3, 3, 2), Vec::new());
        for (id, cpus) in [("a", 1), ("b", 1), ("c", 1), ("d", 2)] {
            host.containers.push(testing::container(id, cpus, 0.5));
        }
        let problem = Problem::new(&host, &CpuSet::new()).unwrap();
        let units = Units::new(&problem).unwrap();
        let of = |k: usize| match problem.containers[k].id.as_str() {
            "d" => (2, 2),
            "c" => (1, 2),
            _ => (1, 1),
        };
        let parts = (0..4)
            .map(of)
            .map(|(threads, halves)| Part { threads, halves });
        let parts = Parts::Pattern(parts.collect());
        let mut column = Column::new(0.0, Vec::new(), Vec::new(), parts);
        column.weight = 1.0;
        let owners = round(&Rounding {
            problem: &problem,
            units: &units,
            blocks: &[vec![column]],
        });
        let mut cores: Vec<Vec<&str>> = problem
            .cores
            .iter()
            .map(|threads| {
                let held = threads.iter().filter_map(|&t| owners[t]);
                let mut ids: Vec<&str> = held
                    .map(|k| problem.containers[k as usize].id.as_str())
                    .collect();
                ids.sort_unstable();
                ids
            })
            .collect();
        cores.retain(|ids| !ids.is_empty());
        cores.sort();
        assert_eq!(cores, [vec!["a", "b"], vec!["c"], vec!["d", "d"]]);
    }
}
