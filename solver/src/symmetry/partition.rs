//! An ordered partition of columns and rows, refined until it is equitable.
//!
//! Vertices are the columns and then the rows, edges the nonzeros. A partition
//! into cells is **equitable** if any two vertices of a cell have, for each
//! cell and each coefficient, as many edges of that coefficient into the cell.
//! Refinement takes cell after cell, sums the hashed coefficients of the edges
//! into it for each vertex, and splits cells by that sum. Where cells go
//! depends on sums and positions alone, never on names of vertices: two
//! partitions that a symmetry maps to each other stay so. A collision of sums
//! leaves a partition too coarse, which costs time but is no error: symmetries
//! are checked exactly.

use crate::mip::Mip;
use crate::splitmix::mix;
use crate::work::Budget;

/// Cells are named by the position of their first element.
#[derive(Clone, Debug)]
pub(super) struct Partition {
    /// Vertices by position, cell by cell.
    pub(super) elements: Vec<u32>,
    /// By vertex.
    position: Vec<u32>,
    /// By vertex: its cell.
    pub(super) cell: Vec<u32>,
    /// By cell (elsewhere meaningless): its size.
    pub(super) size: Vec<u32>,
    /// Parent and new cell of each split.
    splits: Vec<(u32, u32)>,
    /// What happened, free of names.
    pub(super) trace: u64,
}

/// Memory of the refinement.
#[derive(Clone, Debug)]
pub(super) struct Scratch {
    sum: Vec<u64>,
    queue: Vec<u32>,
    is_queued: Vec<bool>,
}

impl Scratch {
    pub(super) fn new(vertices: usize) -> Self {
        Self {
            sum: vec![0; vertices],
            queue: Vec::new(),
            is_queued: vec![false; vertices],
        }
    }
}

/// `value` as an index.
fn small(value: usize) -> u32 {
    crate::sparse::index(value)
}

impl Partition {
    /// By the data of columns and rows alone; equitable unless the budget is
    /// over.
    pub(super) fn new(mip: &Mip, scratch: &mut Scratch, budget: &mut Budget) -> Self {
        let columns = mip.columns();
        let vertices = columns + mip.rows();
        // Zeros of both signs are one value.
        let bits = |value: f64| (value + 0.0).to_bits();
        let mut keyed: Vec<([u64; 5], u32)> = (0..vertices)
            .map(|v| {
                let key = if v < columns {
                    let data = [mip.cost[v], mip.lower[v], mip.upper[v]].map(bits);
                    [0, u64::from(mip.integer[v]), data[0], data[1], data[2]]
                } else {
                    let i = v - columns;
                    [1, 0, bits(mip.row_lower[i]), bits(mip.row_upper[i]), 0]
                };
                (key, small(v))
            })
            .collect();
        keyed.sort_unstable();
        let mut this = Self {
            elements: keyed.iter().map(|&(_, v)| v).collect(),
            position: vec![0; vertices],
            cell: vec![0; vertices],
            size: vec![0; vertices],
            splits: Vec::new(),
            trace: 0,
        };
        let mut start = 0;
        for at in 0..vertices {
            if at > 0 && keyed[at].0 != keyed[at - 1].0 {
                start = at;
            }
            let v = this.elements[at] as usize;
            this.position[v] = small(at);
            this.cell[v] = small(start);
            this.size[start] += 1;
        }
        budget.spend_entries(10 * vertices);
        let mut start = 0;
        while start < vertices {
            scratch.queue.push(small(start));
            scratch.is_queued[start] = true;
            start += this.size[start] as usize;
        }
        this.refine(mip, scratch, budget);
        this
    }

    /// Copies `other` into this one's memory.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.elements.clone_from(&other.elements);
        self.position.clone_from(&other.position);
        self.cell.clone_from(&other.cell);
        self.size.clone_from(&other.size);
        self.splits.clear();
        self.trace = 0;
    }

    /// Number of splits so far.
    pub(super) fn mark(&self) -> usize {
        self.splits.len()
    }

    /// Merges what was split since `mark`.
    pub(super) fn undo(&mut self, mark: usize) {
        while self.splits.len() > mark {
            let Some((parent, child)) = self.splits.pop() else {
                return;
            };
            let size = self.size[child as usize];
            for at in child..child + size {
                self.cell[self.elements[at as usize] as usize] = parent;
            }
            self.size[parent as usize] += size;
        }
    }

    /// Vertices of a cell.
    pub(super) fn members(&self, cell: u32) -> &[u32] {
        &self.elements[cell as usize..(cell + self.size[cell as usize]) as usize]
    }

    /// Makes `v` a cell of its own, first in its old one, and refines.
    pub(super) fn individualize(
        &mut self,
        v: u32,
        mip: &Mip,
        scratch: &mut Scratch,
        budget: &mut Budget,
    ) {
        let cell = self.cell[v as usize];
        self.swap(self.position[v as usize], cell);
        self.split(cell, cell + 1);
        scratch.queue.push(cell);
        scratch.is_queued[cell as usize] = true;
        self.refine(mip, scratch, budget);
    }

    fn swap(&mut self, a: u32, b: u32) {
        self.elements.swap(a as usize, b as usize);
        self.position[self.elements[a as usize] as usize] = a;
        self.position[self.elements[b as usize] as usize] = b;
    }

    /// Splits a cell in two at position `at`.
    fn split(&mut self, cell: u32, at: u32) {
        let end = cell + self.size[cell as usize];
        self.size[cell as usize] = at - cell;
        self.size[at as usize] = end - at;
        for position in at..end {
            self.cell[self.elements[position as usize] as usize] = at;
        }
        self.splits.push((cell, at));
    }

    /// Refines by the queued cells.
    fn refine(&mut self, mip: &Mip, scratch: &mut Scratch, budget: &mut Budget) {
        let columns = mip.columns();
        let mut touched: Vec<u32> = Vec::new();
        let mut cells: Vec<u32> = Vec::new();
        let mut sorted: Vec<(u64, u32)> = Vec::new();
        let mut head = 0;
        while let Some(&splitter) = scratch.queue.get(head) {
            head += 1;
            scratch.is_queued[splitter as usize] = false;
            touched.clear();
            for &v in self.members(splitter) {
                let v = v as usize;
                let (offset, (to, values)) = if v < columns {
                    (columns, mip.by_column.get(v))
                } else {
                    (0, mip.by_row.get(v - columns))
                };
                for (&u, &a) in to.iter().zip(values) {
                    let u = u as usize + offset;
                    if scratch.sum[u] == 0 {
                        touched.push(small(u));
                    }
                    scratch.sum[u] = scratch.sum[u].wrapping_add(mix(a.to_bits()) | 1);
                }
                budget.spend_entries(2 * to.len() + 1);
            }
            cells.clear();
            cells.extend(touched.iter().map(|&u| self.cell[u as usize]));
            cells.sort_unstable();
            cells.dedup();
            budget.spend_entries(4 * touched.len());
            for &cell in &cells {
                let size = self.size[cell as usize];
                if size == 1 {
                    let sum = scratch.sum[self.elements[cell as usize] as usize];
                    self.trace = mix(self.trace ^ sum ^ u64::from(cell));
                    continue;
                }
                sorted.clear();
                sorted.extend(
                    self.members(cell)
                        .iter()
                        .map(|&u| (scratch.sum[u as usize], u)),
                );
                sorted.sort_unstable();
                budget.spend_entries(4 * sorted.len());
                for (k, &(_, u)) in sorted.iter().enumerate() {
                    let at = cell + small(k);
                    self.elements[at as usize] = u;
                    self.position[u as usize] = at;
                }
                let was_queued = scratch.is_queued[cell as usize];
                // From the last on, so that each split takes a tail.
                let mut largest = (cell, 0);
                let mut parts: Vec<u32> = Vec::new();
                let mut end = sorted.len();
                for k in (0..sorted.len()).rev() {
                    if k > 0 && sorted[k - 1].0 == sorted[k].0 {
                        continue;
                    }
                    let part = cell + small(k);
                    self.trace = mix(self.trace ^ sorted[k].0 ^ u64::from(part));
                    if end - k > largest.1 {
                        largest = (part, end - k);
                    }
                    end = k;
                    parts.push(part);
                    if k > 0 {
                        self.split(cell, part);
                    }
                }
                if parts.len() == 1 {
                    continue;
                }
                // A largest part need not split if the whole cell has.
                for &part in &parts {
                    let is_spared = !was_queued && part == largest.0;
                    if !is_spared && !scratch.is_queued[part as usize] {
                        scratch.is_queued[part as usize] = true;
                        scratch.queue.push(part);
                    }
                }
            }
            for &u in &touched {
                scratch.sum[u as usize] = 0;
            }
            if budget.is_over() {
                break;
            }
        }
        for &cell in &scratch.queue[head..] {
            scratch.is_queued[cell as usize] = false;
        }
        scratch.queue.clear();
    }
}
