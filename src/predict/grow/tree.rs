//! One tree, leaf by leaf: the leaf whose best split gains most is split next.
//!
//! Rows of a leaf stand together in an array of row numbers, ascending; a split
//! partitions them stably. Of two children the smaller one's histogram is
//! counted, the other is the parent's less that.

use super::histogram::{ABOVE, BOTH, Column, WEIGHT, add, fill, subtract};
use super::split::{Found, Rules, Sides, best};
use crate::predict::binning::Binned;

/// A split with its children: a node's index, or the leaf's with `!`.
#[derive(Clone, Debug)]
pub(super) struct Grown {
    /// What is split by.
    pub(super) found: Found,
    /// Children by index: `Ok` a node, `Err` a leaf.
    pub(super) children: [Result<usize, usize>; 2],
}

/// A tree in bins.
#[derive(Clone, Debug, Default)]
pub(super) struct BinTree {
    /// The root first, children behind their split.
    pub(super) nodes: Vec<Grown>,
    /// By node: which bins go left.
    tables: Vec<[bool; super::histogram::BINS]>,
}

impl BinTree {
    /// The leaf of a row of bins.
    pub(super) fn leaf(&self, bins: &[u8]) -> usize {
        let mut at = 0;
        while let Some(node) = self.nodes.get(at) {
            let left = self.tables[at][usize::from(bins[node.found.column])];
            match node.children[usize::from(!left)] {
                Ok(next) => at = next,
                Err(leaf) => return leaf,
            }
        }
        0
    }

    fn push(&mut self, found: Found, leaves: [usize; 2]) {
        self.tables.push(found.sides.table());
        self.nodes.push(Grown {
            found,
            children: leaves.map(Err),
        });
    }
}

/// A leaf while its tree grows.
struct Leaf {
    begin: usize,
    end: usize,
    /// The node above and on which side of it.
    parent: Option<(usize, usize)>,
    histogram: Option<Vec<Column>>,
    best: Option<Found>,
}

/// What one tree is grown from.
pub(super) struct Ground<'a> {
    pub(super) binned: &'a Binned,
    /// Bins and whether they are categories, by used column.
    pub(super) bins: &'a [(usize, bool)],
    /// Bins again, `[width, rows]`: what a split reads of one column lies together.
    pub(super) columns: &'a [u8],
    /// Whether each tree grows on all rows.
    pub(super) whole: bool,
    /// Columns that may be split by.
    pub(super) open: &'a [bool],
    /// Histogram words of the rows.
    pub(super) words: &'a [u64],
    pub(super) rules: Rules,
    pub(super) leaves: usize,
    pub(super) threads: usize,
}

/// Memory that is used again from tree to tree.
#[derive(Default)]
pub(super) struct Scratch {
    spare: Vec<Vec<Column>>,
    moved: Vec<u32>,
    /// Histogram of all rows' weights alone; empty before the first tree.
    weights: Vec<Column>,
    above: Vec<u32>,
}

/// A grown tree with the range of `rows` of each leaf.
pub(super) struct Outcome {
    pub(super) tree: BinTree,
    pub(super) leaves: Vec<std::ops::Range<usize>>,
}

/// Grows a tree on `rows` (ascending), which are put in the order of the leaves.
pub(super) fn grow(ground: &Ground<'_>, rows: &mut [u32], scratch: &mut Scratch) -> Outcome {
    let mut tree = BinTree::default();
    scratch.moved.resize(rows.len(), 0);
    let mut root = Leaf {
        begin: 0,
        end: rows.len(),
        parent: None,
        histogram: None,
        best: None,
    };
    let mut histogram = scratch.take(ground.binned.width);
    if ground.whole {
        scratch.root(ground, rows, &mut histogram);
    } else {
        fill(
            &mut histogram,
            ground.binned,
            ground.words,
            rows,
            (BOTH, ground.threads),
        );
    }
    root.best = best(&histogram, ground.bins, ground.open, &ground.rules);
    root.histogram = Some(histogram);
    let mut leaves = vec![root];
    while leaves.len() < ground.leaves {
        // The largest gain, of equal ones the first.
        let mut chosen: Option<(usize, f64)> = None;
        for (index, leaf) in leaves.iter().enumerate() {
            if let Some(found) = &leaf.best
                && chosen.is_none_or(|(_, gain)| found.gain > gain)
            {
                chosen = Some((index, found.gain));
            }
        }
        let Some((index, _)) = chosen else {
            break;
        };
        let is_last = leaves.len() + 1 == ground.leaves;
        split(
            ground,
            rows,
            scratch,
            &mut tree,
            &mut leaves,
            index,
            is_last,
        );
    }
    let ranges = leaves.iter().map(|leaf| leaf.begin..leaf.end).collect();
    for leaf in leaves {
        scratch.spare.extend(leaf.histogram);
    }
    Outcome {
        tree,
        leaves: ranges,
    }
}

impl Scratch {
    /// The histogram of all rows. Their weights are the same for each tree; those that are above
    /// are few for a high quantile.
    fn root(&mut self, ground: &Ground<'_>, rows: &[u32], histogram: &mut [Column]) {
        let threads = ground.threads;
        if self.weights.is_empty() {
            self.weights
                .resize(ground.binned.width, [0; super::histogram::BINS]);
            fill(
                &mut self.weights,
                ground.binned,
                ground.words,
                rows,
                (WEIGHT, threads),
            );
        }
        let above = |row: &u32| ground.words[*row as usize] & ABOVE > 0;
        self.above.clear();
        self.above.extend(rows.iter().copied().filter(above));
        histogram.copy_from_slice(&self.weights);
        add(
            histogram,
            ground.binned,
            ground.words,
            &self.above,
            (ABOVE, threads),
        );
    }

    fn take(&mut self, width: usize) -> Vec<Column> {
        let mut histogram = self.spare.pop().unwrap_or_default();
        histogram.resize(width, [0; super::histogram::BINS]);
        histogram
    }
}

/// Splits leaf `index` by its best split; the left part keeps its index, the
/// right one is appended.
fn split(
    ground: &Ground<'_>,
    rows: &mut [u32],
    scratch: &mut Scratch,
    tree: &mut BinTree,
    leaves: &mut Vec<Leaf>,
    index: usize,
    is_last: bool,
) {
    let Some(found) = leaves[index].best.take() else {
        return;
    };
    let node = tree.nodes.len();
    if let Some((parent, side)) = leaves[index].parent {
        tree.nodes[parent].children[side] = Ok(node);
    }
    let (begin, end) = (leaves[index].begin, leaves[index].end);
    let column = found.column;
    tree.push(found, [index, leaves.len()]);
    let table = &tree.tables[node];
    let total = ground.words.len();
    let bins = &ground.columns[column * total..][..total];
    let middle = begin
        + partition(&mut rows[begin..end], &mut scratch.moved, |row| {
            table[usize::from(bins[row as usize])]
        });
    let whole = leaves[index].histogram.take();
    let mut parts = [(begin, middle), (middle, end)].map(|(begin, end)| Leaf {
        begin,
        end,
        parent: None,
        histogram: None,
        best: None,
    });
    if let (Some(mut whole), false) = (whole, is_last) {
        let small = usize::from(middle - begin > end - middle);
        let mut histogram = scratch.take(ground.binned.width);
        let range = parts[small].begin..parts[small].end;
        fill(
            &mut histogram,
            ground.binned,
            ground.words,
            &rows[range],
            (BOTH, ground.threads),
        );
        subtract(&mut whole, &histogram);
        parts[small].histogram = Some(histogram);
        parts[1 - small].histogram = Some(whole);
        for part in &mut parts {
            if let Some(histogram) = &part.histogram {
                part.best = best(histogram, ground.bins, ground.open, &ground.rules);
            }
        }
    }
    let [mut left, mut right] = parts;
    left.parent = Some((node, 0));
    right.parent = Some((node, 1));
    leaves[index] = left;
    leaves.push(right);
}

/// Stable partition; how many go left. `moved` holds at least as many rows.
fn partition(rows: &mut [u32], moved: &mut [u32], goes_left: impl Fn(u32) -> bool) -> usize {
    let (mut left, mut right) = (0, 0);
    for at in 0..rows.len() {
        let row = rows[at];
        let is_left = goes_left(row);
        // Both written, one kept: no branch to be guessed. `left <= at`, so no row is lost.
        rows[left] = row;
        moved[right] = row;
        left += usize::from(is_left);
        right += usize::from(!is_left);
    }
    rows[left..].copy_from_slice(&moved[..right]);
    left
}

impl Sides {
    /// Bins on the left, without bin 0.
    pub(super) fn left_bins(&self) -> Vec<u8> {
        match self {
            Self::Upto { bin, .. } => (1..=*bin).collect(),
            Self::Set(bins) => bins.clone(),
        }
    }
}
