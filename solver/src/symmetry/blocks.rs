//! Interchangeable blocks of columns.
//!
//! A symmetry that swaps columns in pairs and leaves all else where it is swaps
//! two **blocks**, aligned by the pairs. Swaps that meet in a block, aligned the
//! same way, generate all permutations of the blocks they connect: with the
//! blocks as the columns of a matrix, the matrix may have its columns in any
//! order. Knowing this makes the stabilizer of decisions exact: blocks with
//! equal decisions stay interchangeable, whichever swaps the search for
//! generators happened to find.
//!
//! Source: C. Hojny, M. Pfetsch 2019, "Polytopes associated with symmetry
//! handling", Mathematical Programming 175, section 4.1 (detection of
//! orbitopes).

use super::generators::Permutation;
use super::orbits::Sets;
use crate::sparse::{Index, index};
use crate::work::Budget;

/// Blocks of which any two may be swapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    /// At least two, as long as each other, aligned by position.
    pub(super) blocks: Vec<Vec<Index>>,
}

impl Blocks {
    /// Collects `generators` over `columns` columns into systems of blocks; the
    /// second are those that swap no blocks.
    pub(super) fn collect(
        generators: Vec<Permutation>,
        columns: usize,
        budget: &mut Budget,
    ) -> (Vec<Self>, Vec<Permutation>) {
        let (swaps, rest): (Vec<_>, Vec<_>) = generators
            .into_iter()
            .partition(|generator| generator.is_swap());
        let mut touching: Vec<Vec<Index>> = vec![Vec::new(); columns];
        for (at, swap) in swaps.iter().enumerate() {
            budget.spend_entries(swap.moved().len());
            for &(j, _) in swap.moved() {
                touching[j as usize].push(index(at));
            }
        }
        let mut is_used = vec![false; swaps.len()];
        let mut system_of = vec![Index::MAX; columns];
        let mut systems = Vec::new();
        for seed in 0..swaps.len() {
            if is_used[seed] {
                continue;
            }
            is_used[seed] = true;
            let pairs = swaps[seed].moved().iter().filter(|(j, to)| j < to);
            let (first, second): (Vec<Index>, Vec<Index>) = pairs.copied().unzip();
            let mut system = Self {
                blocks: vec![first, second],
            };
            let name = index(seed);
            for block in &system.blocks {
                for &j in block {
                    system_of[j as usize] = name;
                }
            }
            let mut at = 0;
            while at < system.blocks.len() {
                let ends = match system.blocks.len() {
                    // Either side of a pair may belong to either block.
                    2 if at == 0 => vec![system.blocks[0][0], system.blocks[1][0]],
                    _ => vec![system.blocks[at][0]],
                };
                let candidates: Vec<Index> = ends
                    .iter()
                    .flat_map(|&j| touching[j as usize].iter().copied())
                    .collect();
                for candidate in candidates {
                    let swap = &swaps[candidate as usize];
                    if is_used[candidate as usize]
                        || swap.moved().len() != 2 * system.blocks[0].len()
                    {
                        continue;
                    }
                    budget.spend_entries(4 * system.blocks[0].len());
                    if let Some(block) = system.extension(at, swap, &system_of, name) {
                        is_used[candidate as usize] = true;
                        for &j in &block {
                            system_of[j as usize] = name;
                        }
                        system.blocks.push(block);
                    }
                }
                at += 1;
            }
            systems.push(system);
        }
        (systems, rest)
    }

    /// The block that `swap` makes of block `at`, if it does. Two blocks alone
    /// are aligned anew to suit.
    fn extension(
        &mut self,
        at: usize,
        swap: &Permutation,
        system_of: &[Index],
        name: Index,
    ) -> Option<Vec<Index>> {
        let image = |j: Index| {
            let to = index(swap.image(j as usize));
            (to != j && system_of[to as usize] != name).then_some(to)
        };
        if self.blocks.len() > 2 {
            return self.blocks[at].iter().map(|&j| image(j)).collect();
        }
        let (mut first, mut second, mut third) = (Vec::new(), Vec::new(), Vec::new());
        for (&a, &b) in self.blocks[0].iter().zip(&self.blocks[1]) {
            let (kept, moved, to) = match (image(a), image(b)) {
                (None, Some(to)) => (a, b, to),
                (Some(to), None) => (b, a, to),
                _ => return None,
            };
            first.push(kept);
            second.push(moved);
            third.push(to);
        }
        self.blocks = vec![first, second];
        Some(third)
    }

    /// Joins what the swaps of blocks with equal decisions map to each other;
    /// `raised` is by column, none where there is no decision.
    pub(super) fn join(&self, raised: &[Option<f64>], sets: &mut Sets, budget: &mut Budget) {
        let mut keyed: Vec<(Vec<(usize, u64)>, usize)> = self
            .blocks
            .iter()
            .enumerate()
            .map(|(k, block)| {
                let decided = block.iter().enumerate().filter_map(|(position, &j)| {
                    raised[j as usize].map(|value| (position, value.to_bits()))
                });
                (decided.collect(), k)
            })
            .collect();
        budget.spend_entries(2 * self.blocks.len() * (self.blocks[0].len() + 1));
        keyed.sort_unstable();
        for pair in keyed.windows(2) {
            if pair[0].0 == pair[1].0 {
                for (&a, &b) in self.blocks[pair[0].1].iter().zip(&self.blocks[pair[1].1]) {
                    sets.join(a, b);
                }
            }
        }
    }
}
