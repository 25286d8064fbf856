//! The search for generators of a group of symmetries.
//!
//! From the refined partition on, one column of a largest cell is made a cell
//! of its own, a **leader**, until every cell of integer columns is single.
//! Then, from the last leader back to the first, each other column v of the
//! leader's old cell that no symmetry found so far brings it to is tried: in
//! two copies of the partition as it was before the leader, leader and v are
//! made cells of their own, and then, as long as the cells of both copies
//! correspond, the later leaders and counterparts of theirs. Once all larger
//! cells of both copies are the same sets, single cells map to their
//! counterparts, all else to itself, and that permutation is checked entry by
//! entry. There is no backtracking: a symmetry may be missed. What is found for
//! a leader fixes all earlier ones, so that the generators of interchangeable
//! blocks come as swaps of two.
//!
//! Source: P. Darga, K. Sakallah, I. Markov 2008, "Faster symmetry discovery
//! using sparsity of symmetries".

use super::orbits::Sets;
use super::partition::{Partition, Scratch};
use crate::mip::Mip;
use crate::sparse::{Index, index};
use crate::work::Budget;

/// A permutation of columns, by the columns that it moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Permutation {
    /// Column and image, by column.
    moved: Vec<(Index, Index)>,
}

impl Permutation {
    fn new(mut moved: Vec<(Index, Index)>) -> Self {
        moved.sort_unstable();
        Self { moved }
    }

    /// Where `j` goes.
    pub(super) fn image(&self, j: usize) -> usize {
        self.moved
            .binary_search_by_key(&j, |&(from, _)| from as usize)
            .map_or(j, |at| self.moved[at].1 as usize)
    }

    /// Columns that move, ascending, and where to.
    pub(super) fn moved(&self) -> &[(Index, Index)] {
        &self.moved
    }

    /// Whether it swaps columns in pairs.
    pub(super) fn is_swap(&self) -> bool {
        self.moved
            .iter()
            .all(|&(j, to)| self.image(to as usize) == j as usize)
    }

    /// Gives the columns other names.
    pub(super) fn rename(&mut self, name: &[Index]) {
        for (j, to) in &mut self.moved {
            (*j, *to) = (name[*j as usize], name[*to as usize]);
        }
        self.moved.sort_unstable();
    }
}

/// Trials without success in a row that end the work on a leader.
const FAILURES: u32 = 8;

/// Symmetries that move integer columns, within `limit` ticks.
pub(super) fn generators(mip: &Mip, limit: u64, budget: &mut Budget) -> Vec<Permutation> {
    let end = budget.ticks() + limit;
    let vertices = mip.columns() + mip.rows();
    let mut scratch = Scratch::new(vertices);
    let mut partition = Partition::new(mip, &mut scratch, budget);
    let mut path: Vec<(u32, usize)> = Vec::new();
    let mut last = None;
    while let Some(cell) = target(mip, &partition, last, budget) {
        if budget.is_over() || budget.ticks() >= end {
            break;
        }
        let leader = partition.members(cell).iter().copied().min().unwrap_or(0);
        path.push((leader, partition.mark()));
        partition.individualize(leader, mip, &mut scratch, budget);
        last = Some(cell + 1);
    }
    // What is left has the same right to its share of the ticks.
    let end = budget.ticks().max(end.saturating_sub(limit / 2)) + limit / 2;
    let mut generators = Vec::new();
    let mut orbits = Sets::new(mip.columns());
    let mut trial = Trial {
        mip,
        left: partition.clone(),
        right: partition.clone(),
        scratch,
    };
    for k in (0..path.len()).rev() {
        let (leader, mark) = path[k];
        partition.undo(mark);
        let cell = partition.cell[leader as usize];
        let mut members = partition.members(cell).to_vec();
        members.sort_unstable();
        let mut failures = 0;
        for v in members {
            if budget.is_over() {
                return Vec::new();
            }
            if budget.ticks() >= end || failures >= FAILURES {
                break;
            }
            if v == leader || orbits.find(v) == orbits.find(leader) {
                continue;
            }
            match trial.run(&partition, (leader, v), &path[k + 1..], end, budget) {
                Some(moved) => {
                    failures = 0;
                    for &(j, image) in &moved {
                        orbits.join(j, image);
                    }
                    budget.spend_entries(4 * moved.len());
                    generators.push(Permutation::new(moved));
                }
                None => failures += 1,
            }
        }
    }
    generators
}

/// The cell to take the next leader from: what is left of the last one, else a
/// largest cell of integer columns.
fn target(mip: &Mip, partition: &Partition, last: Option<u32>, budget: &mut Budget) -> Option<u32> {
    let is_target = |cell: u32| {
        let first = partition.elements[cell as usize] as usize;
        partition.size[cell as usize] > 1 && first < mip.columns() && mip.integer[first]
    };
    if let Some(last) = last
        && let Some(&v) = partition.elements.get(last as usize)
        && partition.cell[v as usize] == last
        && is_target(last)
    {
        return Some(last);
    }
    budget.spend_entries(partition.elements.len());
    let mut best: Option<u32> = None;
    let mut cell = 0;
    while (cell as usize) < partition.elements.len() {
        let size = partition.size[cell as usize];
        if is_target(cell) && best.is_none_or(|best| size > partition.size[best as usize]) {
            best = Some(cell);
        }
        cell += size;
    }
    best
}

/// One attempt to map a leader to another column.
struct Trial<'a> {
    mip: &'a Mip,
    left: Partition,
    right: Partition,
    scratch: Scratch,
}

impl Trial<'_> {
    /// The moved columns and their images, exactly checked.
    fn run(
        &mut self,
        before: &Partition,
        pair: (u32, u32),
        later: &[(u32, usize)],
        end: u64,
        budget: &mut Budget,
    ) -> Option<Vec<(Index, Index)>> {
        self.left.copy_from(before);
        self.right.copy_from(before);
        budget.spend_entries(4 * before.elements.len());
        let mut pair = Some(pair);
        let mut later = later.iter().map(|&(later, _)| later);
        while let Some((left, right)) = pair {
            self.left
                .individualize(left, self.mip, &mut self.scratch, budget);
            self.right
                .individualize(right, self.mip, &mut self.scratch, budget);
            if budget.is_over() || budget.ticks() >= end || self.left.trace != self.right.trace {
                return None;
            }
            budget.spend_entries(2 * before.elements.len());
            if let Some(moved) = self.mapping() {
                return self.is_symmetry(&moved, budget).then(|| {
                    let columns = self.mip.columns();
                    moved
                        .into_iter()
                        .filter(|&(j, _)| (j as usize) < columns)
                        .collect()
                });
            }
            let left = &self.left;
            pair = match later.find(|&next| left.size[left.cell[next as usize] as usize] > 1) {
                Some(next) => Some((next, self.counterpart(next)?)),
                None => None,
            };
        }
        None
    }

    /// A vertex that the right copy may take where the left takes `next`:
    /// itself if possible.
    fn counterpart(&self, next: u32) -> Option<u32> {
        let cell = self.left.cell[next as usize];
        let first = self.right.elements[cell as usize];
        if self.right.cell[first as usize] != cell
            || self.right.size[cell as usize] != self.left.size[cell as usize]
        {
            return None;
        }
        let is_there = self.right.cell[next as usize] == cell;
        Some(if is_there { next } else { first })
    }

    /// Vertices and images where both partitions have the same larger cells.
    fn mapping(&self) -> Option<Vec<(u32, u32)>> {
        let mut moved = Vec::new();
        let mut cell = 0;
        while cell < self.left.elements.len() {
            let size = self.left.size[cell];
            if size != self.right.size[cell] {
                return None;
            }
            let name = index(cell);
            if size == 1 {
                let (v, image) = (self.left.elements[cell], self.right.elements[cell]);
                if v != image {
                    moved.push((v, image));
                }
            } else if self
                .left
                .members(name)
                .iter()
                .any(|&v| self.right.cell[v as usize] != name)
            {
                return None;
            }
            cell += size as usize;
        }
        Some(moved)
    }

    /// Whether the permutation of columns and rows leaves the problem as it is.
    #[expect(clippy::float_cmp, reason = "symmetries are exact")]
    fn is_symmetry(&self, moved: &[(u32, u32)], budget: &mut Budget) -> bool {
        let mip = self.mip;
        let columns = mip.columns();
        let mut image: Vec<u32> = (0..index(columns + mip.rows())).collect();
        let mut hits = vec![false; image.len()];
        for &(v, to) in moved {
            image[v as usize] = to;
        }
        for &to in &image {
            if hits[to as usize] {
                return false;
            }
            hits[to as usize] = true;
        }
        budget.spend_entries(2 * image.len());
        let mut rows: Vec<usize> = Vec::new();
        for &(v, to) in moved {
            let (v, to) = (v as usize, to as usize);
            if v < columns {
                if to >= columns
                    || mip.cost[v] != mip.cost[to]
                    || mip.lower[v] != mip.lower[to]
                    || mip.upper[v] != mip.upper[to]
                    || mip.integer[v] != mip.integer[to]
                {
                    return false;
                }
                rows.extend(mip.by_column.get(v).0.iter().map(|&i| i as usize));
            } else {
                if to < columns {
                    return false;
                }
                rows.push(v - columns);
            }
        }
        rows.sort_unstable();
        rows.dedup();
        let mut row: Vec<(u32, f64)> = Vec::new();
        let mut other: Vec<(u32, f64)> = Vec::new();
        rows.into_iter().all(|i| {
            let to = image[columns + i] as usize - columns;
            if mip.row_lower[i] != mip.row_lower[to]
                || mip.row_upper[i] != mip.row_upper[to]
                || mip.by_row.count(i) != mip.by_row.count(to)
            {
                return false;
            }
            budget.spend_entries(8 * mip.by_row.count(i));
            row.clear();
            row.extend(mip.by_row.iter(i).map(|(j, a)| (image[j], a)));
            row.sort_unstable_by_key(|&(j, _)| j);
            other.clear();
            other.extend(mip.by_row.iter(to).map(|(j, a)| (index(j), a)));
            other.sort_unstable_by_key(|&(j, _)| j);
            row == other
        })
    }
}
