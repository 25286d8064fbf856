//! A boosted ensemble of regression trees for several quantiles, as plain data,
//! and its evaluation.
//!
//! **Problem.** One structure for what our own growth makes, what the model
//! file holds and what LightGBM's text models say: equal predictions in all
//! three, to the last bits of the sum.
//!
//! **Form.** A row is one number a column: a measure, or the index of a
//! category in the column's dictionary; NaN is missing. A tree is an array of
//! splits, each before its children, and an array of leaves with one value a
//! quantile. For quantile q and row x
//!
//! ```text
//! raw_q(x) = base_q + sum over trees t of leaf_{t,q}(x)       added in the order of the trees, shrinkage inside
//! ```
//!
//! and the prediction is raw sorted ascending, so that quantiles never cross
//! (rearrangement never raises the sum of pinball losses: Chernozhukov,
//! Fernandez-Val, Galichon, "Quantile and probability curves without crossing",
//! Econometrica 78, 2010).
//!
//! **Splits**, as LightGBM 4 decides them (`Tree::Decision` in its tree.h):
//!
//! | split | goes left if | what is missing |
//! |-|-|-|
//! | numeric | x <= threshold | [`Missing`] says what counts, `missing_left` where it goes; a NaN that does not count is 0 |
//! | categorical | the category is in the set | NaN, below 0 or not in the dictionary: right |
//!
//! A growth that wants what is missing on the left of a categorical split
//! swaps the children and takes the set's complement: unseen is missing.
//!
//! **Invariants**, checked by [`Forest::new`]: children lie behind their split,
//! so evaluation ends; every index is in bounds; every split and leaf but the
//! root has one parent; numbers are finite; quantiles ascend.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What a column of a row holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Name, without blanks.
    pub name: String,
    /// Numbers or categories.
    pub kind: Kind,
}

/// Numbers or categories.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    /// Numbers; the range seen in training. `least > most`: none was seen.
    Numeric {
        /// Smallest number in training.
        least: f64,
        /// Largest number in training.
        most: f64,
    },
    /// Categories; a row holds the index here. Any other value is missing.
    Categorical {
        /// The dictionary.
        levels: Vec<String>,
    },
}

/// What counts as missing in a numeric split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Missing {
    /// Nothing; NaN is 0.
    None,
    /// 0 (to [`ZERO`]) and NaN.
    Zero,
    /// NaN.
    NaN,
}

/// Magnitude up to which a number is zero for [`Missing::Zero`]: LightGBM's
/// `kZeroThreshold`, a 32-bit 1e-35.
pub const ZERO: f64 = 1e-35_f32 as f64;

/// How a split decides; see the module's table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Split {
    /// By order.
    Numeric {
        /// The largest number that goes left.
        threshold: f64,
        /// What is missing.
        missing: Missing,
        /// Whether what is missing goes left.
        missing_left: bool,
    },
    /// By set: bit `c % 32` of word `start + c / 32` of the tree's sets.
    Categorical {
        /// First word.
        start: u32,
        /// Words.
        words: u32,
    },
}

/// A child of a split: another split, or a leaf, by index in its tree.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child(u16);

/// Trees that a row walks side by side.
const TOGETHER: usize = 8;

/// Marks a leaf in a [`Child`].
const LEAF: u16 = 1 << 15;

impl Child {
    /// Most splits, and most leaves, in one tree.
    pub const MOST: usize = LEAF as usize;

    /// A split; none if the index is not below [`Child::MOST`].
    #[must_use]
    pub fn node(index: usize) -> Option<Self> {
        u16::try_from(index).ok().filter(|i| *i < LEAF).map(Self)
    }

    /// A leaf; none if the index is not below [`Child::MOST`].
    #[must_use]
    pub fn leaf(index: usize) -> Option<Self> {
        Self::node(index).map(|Self(i)| Self(i | LEAF))
    }

    /// Index of the split, or `Err` with that of the leaf.
    #[inline]
    #[expect(clippy::missing_errors_doc, reason = "not a failure: the other case")]
    pub fn get(self) -> Result<usize, usize> {
        if self.0 & LEAF == 0 {
            Ok(usize::from(self.0))
        } else {
            Err(usize::from(self.0 & !LEAF))
        }
    }
}

impl std::fmt::Debug for Child {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.get() {
            Ok(node) => write!(f, "node {node}"),
            Err(leaf) => write!(f, "leaf {leaf}"),
        }
    }
}

/// A split and where it leads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// How it decides.
    pub split: Split,
    /// The column it looks at.
    pub feature: u16,
    /// Where the rows on the left go.
    pub left: Child,
    /// Where the others go.
    pub right: Child,
}

/// One tree. Without splits it is a single leaf.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    /// Splits; the root first, each before its children.
    pub nodes: Vec<Node>,
    /// Category sets of the categorical splits.
    pub sets: Vec<u32>,
    /// Leaf values, `[leaf, quantile]`, row-major, shrinkage applied.
    pub leaves: Vec<f64>,
}

impl Tree {
    /// Adds a set of categories; the split that sends them left.
    pub fn categorical(&mut self, categories: &[u16]) -> Split {
        let words = categories
            .iter()
            .max()
            .map_or(0, |&c| u32::from(c) / 32 + 1);
        let start = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        let mut set = vec![0_u32; words as usize];
        for &category in categories {
            set[usize::from(category) / 32] |= 1 << (category % 32);
        }
        self.sets.extend(set);
        Split::Categorical { start, words }
    }

    /// The categories that a split sends left, ascending; none of a numeric one.
    #[must_use]
    pub fn categories(&self, split: &Split) -> Vec<u32> {
        let Split::Categorical { start, words } = *split else {
            return Vec::new();
        };
        let set = |c: &u32| self.contains(start, words, f64::from(*c));
        (0..words.saturating_mul(32)).filter(set).collect()
    }

    /// The first split, or the only leaf.
    fn root(&self) -> Child {
        Child(if self.nodes.is_empty() { LEAF } else { 0 })
    }

    /// Where a row goes from a split.
    #[inline]
    fn step(&self, node: usize, row: &[f64]) -> Child {
        let node = &self.nodes[node];
        let x = row.get(usize::from(node.feature)).copied();
        let left = self.goes_left(&node.split, x.unwrap_or(f64::NAN));
        // Chosen without a branch: which way a row goes can seldom be guessed.
        [node.right, node.left][usize::from(left)]
    }

    #[inline]
    fn goes_left(&self, split: &Split, x: f64) -> bool {
        match *split {
            Split::Numeric {
                threshold,
                missing,
                missing_left,
            } => match missing {
                // A NaN is below nothing.
                Missing::NaN => (x <= threshold) | (x.is_nan() & missing_left),
                Missing::Zero if x.is_nan() || x.abs() <= ZERO => missing_left,
                Missing::None if x.is_nan() => 0.0 <= threshold,
                _ => x <= threshold,
            },
            Split::Categorical { start, words } => self.contains(start, words, x),
        }
    }

    /// Whether the category `x` (any fraction is cut off) is in a set.
    #[inline]
    fn contains(&self, start: u32, words: u32, x: f64) -> bool {
        // NaN fails the first comparison; above -1 cuts to 0 or more.
        if !(x > -1.0 && x < 32.0 * f64::from(words)) {
            return false;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between -1 and 2^37 by the check above, and saturating"
        )]
        let category = x as u64;
        let word = u64::from(start) + category / 32;
        let word = usize::try_from(word).ok().and_then(|w| self.sets.get(w));
        word.is_some_and(|w| w >> (category % 32) & 1 == 1)
    }
}

/// Why parts do not make an ensemble.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForestError {
    /// The quantiles.
    #[error("quantiles must ascend strictly between 0 and 1, each with a finite base score")]
    Quantiles,
    /// The columns.
    #[error("column {column}: {reason}")]
    Column {
        /// Its name.
        column: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A tree.
    #[error("tree {tree}: {reason}")]
    Tree {
        /// Its index.
        tree: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

/// A boosted ensemble; see the module's documentation.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    columns: Vec<Column>,
    quantiles: Vec<f64>,
    base: Vec<f64>,
    trees: Vec<Tree>,
}

impl Forest {
    /// An ensemble of its parts. `base` has one number a quantile.
    ///
    /// # Errors
    /// If an invariant of the module's documentation does not hold.
    pub fn new(
        columns: Vec<Column>,
        quantiles: Vec<f64>,
        base: Vec<f64>,
        trees: Vec<Tree>,
    ) -> Result<Self, ForestError> {
        let ascending = quantiles.windows(2).all(|w| w[0] < w[1]);
        let inside = quantiles.iter().all(|q| *q > 0.0 && *q < 1.0);
        let based = base.len() == quantiles.len() && base.iter().all(|b| b.is_finite());
        if quantiles.is_empty() || !ascending || !inside || !based {
            return Err(ForestError::Quantiles);
        }
        check_columns(&columns)?;
        for (tree, parts) in trees.iter().enumerate() {
            check_tree(parts, &columns, quantiles.len())
                .map_err(|reason| ForestError::Tree { tree, reason })?;
        }
        Ok(Self {
            columns,
            quantiles,
            base,
            trees,
        })
    }

    /// The columns of a row.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The quantiles, ascending.
    #[must_use]
    pub fn quantiles(&self) -> &[f64] {
        &self.quantiles
    }

    /// Base score of each quantile.
    #[must_use]
    pub fn base(&self) -> &[f64] {
        &self.base
    }

    /// The trees in the order in which they are added.
    #[must_use]
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// The parts: columns, quantiles, base scores, trees.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Column>, Vec<f64>, Vec<f64>, Vec<Tree>) {
        (self.columns, self.quantiles, self.base, self.trees)
    }

    /// Writes the quantiles of a row into `out` (one number a quantile),
    /// ascending. A number that the row lacks is missing.
    pub fn evaluate(&self, row: &[f64], out: &mut [f64]) {
        self.evaluate_raw(row, out);
        out.sort_unstable_by(f64::total_cmp);
    }

    /// As [`Forest::evaluate`] without sorting: the sums alone.
    pub fn evaluate_raw(&self, row: &[f64], out: &mut [f64]) {
        let count = self.quantiles.len();
        out.copy_from_slice(&self.base);
        for trees in self.trees.chunks(TOGETHER) {
            for (tree, leaf) in trees.iter().zip(leaves(trees, row)) {
                let values = &tree.leaves[leaf * count..][..count];
                for (sum, value) in out.iter_mut().zip(values) {
                    *sum += value;
                }
            }
        }
    }
}

/// The leaf of each of up to [`TOGETHER`] trees. A step waits for the one before it in its tree,
/// not for those of other trees, so these are walked side by side.
#[inline]
fn leaves(trees: &[Tree], row: &[f64]) -> [usize; TOGETHER] {
    let mut at = [Child(LEAF); TOGETHER];
    for (at, tree) in at.iter_mut().zip(trees) {
        *at = tree.root();
    }
    let mut is_open = true;
    while is_open {
        is_open = false;
        for (at, tree) in at.iter_mut().zip(trees) {
            if let Ok(node) = at.get() {
                *at = tree.step(node, row);
                is_open = true;
            }
        }
    }
    at.map(|at| at.get().unwrap_or_else(|leaf| leaf))
}

fn check_columns(columns: &[Column]) -> Result<(), ForestError> {
    let mut names = BTreeSet::new();
    for column in columns {
        let refuse = |reason| {
            Err(ForestError::Column {
                column: column.name.clone(),
                reason,
            })
        };
        if column.name.is_empty() {
            return refuse("it has no name");
        }
        if !names.insert(column.name.as_str()) {
            return refuse("its name occurs twice");
        }
        match &column.kind {
            Kind::Numeric { least, most } if least.is_nan() || most.is_nan() => {
                return refuse("its range is not a number");
            }
            Kind::Categorical { levels } if levels.len() > usize::from(u16::MAX) => {
                return refuse("it has more than 65535 categories");
            }
            _ => {}
        }
    }
    if columns.len() > usize::from(u16::MAX) {
        return Err(ForestError::Column {
            column: "all".into(),
            reason: "there are more than 65535 columns",
        });
    }
    Ok(())
}

fn check_tree(tree: &Tree, columns: &[Column], quantiles: usize) -> Result<(), &'static str> {
    let leaves = tree.nodes.len() + 1;
    if leaves > Child::MOST {
        return Err("more than 32768 leaves");
    }
    if tree.leaves.len() != leaves * quantiles {
        return Err("its number of leaf values is not (splits + 1) x quantiles");
    }
    if !tree.leaves.iter().all(|v| v.is_finite()) {
        return Err("a leaf value is not finite");
    }
    let (mut nodes_seen, mut leaves_seen) = (vec![false; leaves], vec![false; leaves]);
    for (index, node) in tree.nodes.iter().enumerate() {
        let Some(column) = columns.get(usize::from(node.feature)) else {
            return Err("a split is on a column that does not exist");
        };
        match (node.split, &column.kind) {
            (Split::Numeric { threshold, .. }, Kind::Numeric { .. }) => {
                if threshold.is_nan() {
                    return Err("a threshold is not a number");
                }
            }
            (Split::Categorical { start, words }, Kind::Categorical { .. }) => {
                let end = u64::from(start) + u64::from(words);
                if end > tree.sets.len() as u64 {
                    return Err("a category set is out of bounds");
                }
            }
            _ => return Err("a split is not of its column's kind"),
        }
        for child in [node.left, node.right] {
            let seen = match child.get() {
                Ok(child) if child <= index => return Err("a child is not behind its split"),
                Ok(child) => nodes_seen
                    .get_mut(child)
                    .filter(|_| child < tree.nodes.len()),
                Err(leaf) => leaves_seen.get_mut(leaf),
            };
            match seen {
                Some(seen) if !*seen => *seen = true,
                Some(_) => return Err("a split or leaf has two parents"),
                None => return Err("a child does not exist"),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
