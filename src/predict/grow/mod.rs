//! Gradient-boosted regression trees for conditional quantiles.
//!
//! **Problem.** The quantiles q_1 < .. < q_k of a target given features, from
//! about a million rows, on two cores, to the same bytes every time.
//!
//! **Approach.** Boosting (Friedman, "Greedy function approximation", 2001) with
//! histograms (Ke et al., "LightGBM", 2017). In each round one tree's structure is grown
//! on the gradients of the pinball loss of one quantile (`grown_for`),
//!
//! ```text
//! loss_q(y, p) = q (y - p) if y > p, (1 - q) (p - y) otherwise;  gradient -q or 1 - q
//! ```
//!
//! and for every quantile each leaf gets the exact quantile of the residuals
//! `y - p_q` of its rows, times the rate: the minimiser of the loss in the leaf, where a
//! Newton step would only be a guess, since the second derivative is 0. One structure
//! with a value a quantile makes a small model; [`Forest`] sorts the quantiles of a row,
//! so they never cross.
//!
//! Growth stops when the loss of later rows has not fallen for `patience` trees; the
//! trees up to its least are kept.
//!
//! **Determinism.** Histograms are integers (`histogram`), rows and columns are sampled
//! by hashes of seed, tree and index, ties have an order: the same rows, settings and
//! seed give the same model on any number of threads.

mod histogram;
mod leaf;
mod split;
mod tree;

use super::binning::{Binned, Cut, Cuts};
use super::features::FEATURES;
use super::forest::{Child, Column, Forest, ForestError, Missing, Node, Split, Tree};
use leaf::{quantile, weighted_quantile};
use split::{Rules, Sides};
use tree::{BinTree, Ground, Outcome, Scratch};

use crate::splitmix::mix;

/// Sum of the rows' integer weights at most.
const MOST_WEIGHT: f64 = 4_294_967_295.0;

/// How trees grow.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Trees at most.
    pub trees: usize,
    /// Leaves a tree.
    pub leaves: usize,
    /// Share of a leaf's quantile that is added.
    pub rate: f64,
    /// Rows in a leaf at least.
    pub least_rows: u32,
    /// L2 of gains, rows.
    pub l2: f64,
    /// Share of the rows that a tree grows on.
    pub row_share: f64,
    /// Share of the columns that a tree may split by.
    pub column_share: f64,
    /// The quantiles, ascending.
    pub quantiles: Vec<f64>,
    /// Index of the quantile that the structure is grown for.
    pub grown_for: usize,
    /// Stop when the validation loss has not fallen for so many trees; 0: never.
    pub patience: usize,
    /// Threads.
    pub threads: usize,
    /// Seed of the samples.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            trees: 200,
            leaves: 63,
            rate: 0.1,
            least_rows: 100,
            l2: 1.0,
            row_share: 1.0,
            column_share: 1.0,
            quantiles: vec![0.5, 0.9, 0.95, 0.99],
            grown_for: 2,
            patience: 0,
            threads: 1,
            seed: 0,
        }
    }
}

/// Rows in bins with their targets.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The bins.
    pub binned: &'a Binned,
    /// One target a row.
    pub targets: &'a [f32],
    /// One weight a row; none: all 1.
    pub weights: Option<&'a [f32]>,
}

/// What was grown.
#[derive(Clone, Debug)]
pub struct Grown {
    /// The ensemble.
    pub forest: Forest,
    /// Sum of gains by feature, as shares of the whole.
    pub importance: Vec<f64>,
    /// Mean validation loss after each tree; empty without validation rows.
    pub losses: Vec<f64>,
}

/// Grows an ensemble on `train`, stopped by `later`. `told` is called after each
/// tree with their number and the validation loss, and ends growth if it is false.
///
/// # Errors
/// [`ForestError`] if settings do not make a model: quantiles that do not ascend.
pub fn grow(
    cuts: &Cuts,
    train: &Sample<'_>,
    later: Option<&Sample<'_>>,
    settings: &Settings,
    told: &mut dyn FnMut(usize, Option<f64>) -> bool,
) -> Result<Grown, ForestError> {
    let mut state = State::new(cuts, train, settings);
    let mut validation = later.map(|sample| Validation::new(sample, settings, &state.base));
    let mut losses = Vec::new();
    let (mut least, mut kept) = (f64::INFINITY, 0);
    for number in 0..settings.trees {
        let outcome = state.round(number, train, settings);
        let Some(leaves) = outcome else {
            break;
        };
        let mut loss = None;
        if let (Some(validation), Some(tree)) = (&mut validation, state.grown.last()) {
            let mean = validation.add(tree, &leaves, settings);
            losses.push(mean);
            loss = Some(mean);
            if mean < least {
                (least, kept) = (mean, number + 1);
            }
        } else {
            kept = number + 1;
        }
        let stale = number + 1 - kept;
        if !told(number + 1, loss) || (settings.patience > 0 && stale >= settings.patience) {
            break;
        }
    }
    let importance = state.importance(cuts, kept);
    state.trees.truncate(kept);
    let columns = FEATURES
        .iter()
        .zip(&cuts.columns)
        .map(|(feature, cut)| Column {
            name: feature.name.into(),
            kind: cut.kind(),
        });
    let forest = Forest::new(
        columns.collect(),
        settings.quantiles.clone(),
        state.base,
        state.trees,
    )?;
    Ok(Grown {
        forest,
        importance,
        losses,
    })
}

/// What changes from tree to tree.
struct State<'a> {
    cuts: &'a Cuts,
    bins: Vec<(usize, bool)>,
    /// The rows' bins, column by column.
    columns: Vec<u8>,
    /// Integer weights; empty: all 1.
    weights: Vec<u32>,
    base: Vec<f64>,
    /// Predictions, `[quantile][row]`.
    sums: Vec<Vec<f32>>,
    words: Vec<u64>,
    trees: Vec<Tree>,
    grown: Vec<BinTree>,
    scratch: Scratch,
    keys: Vec<u32>,
    rules: Rules,
}

impl<'a> State<'a> {
    fn new(cuts: &'a Cuts, train: &Sample<'_>, settings: &Settings) -> Self {
        let weights = train.weights.map(whole_weights).unwrap_or_default();
        let count = as_f64(train.targets.len().max(1));
        let row = if weights.is_empty() {
            1.0
        } else {
            weights.iter().map(|&w| f64::from(w)).sum::<f64>() / count
        };
        let mut keys = Vec::new();
        let all: Vec<u32> = (0..index_of(train.targets.len())).collect();
        let base: Vec<f32> = settings
            .quantiles
            .iter()
            .map(|&q| leaf_value(&all, &weights, q, &mut keys, |row| train.targets[row]))
            .collect();
        let bins = cuts.used.iter().map(|&feature| {
            let cut = &cuts.columns[feature];
            (cut.bins(), matches!(cut, Cut::Categorical { .. }))
        });
        Self {
            cuts,
            bins: bins.collect(),
            columns: train.binned.by_column(),
            base: base.iter().map(|&b| f64::from(b)).collect(),
            sums: base.iter().map(|&b| vec![b; train.targets.len()]).collect(),
            words: vec![0; train.targets.len()],
            weights,
            trees: Vec::new(),
            grown: Vec::new(),
            scratch: Scratch::default(),
            keys,
            rules: Rules {
                quantile: settings
                    .quantiles
                    .get(settings.grown_for)
                    .copied()
                    .unwrap_or(0.95),
                least: f64::from(settings.least_rows) * row,
                l2: settings.l2 * row,
                row,
            },
        }
    }

    /// Grows one tree; the leaves' values, `[leaf, quantile]`, or none if
    /// nothing can be split any more.
    fn round(
        &mut self,
        number: usize,
        train: &Sample<'_>,
        settings: &Settings,
    ) -> Option<Vec<f32>> {
        let targets = train.targets;
        let sums = self.sums.get(settings.grown_for)?;
        for (row, word) in self.words.iter_mut().enumerate() {
            let weight = self.weights.get(row).map_or(1, |&w| u64::from(w));
            let above = u64::from(targets[row] > sums[row]);
            *word = weight | (weight * above) << 32;
        }
        let purpose = mix(settings.seed ^ mix(as_u64(number)));
        let sampled = settings.row_share < 1.0;
        let mut rows: Vec<u32> = (0..index_of(targets.len()))
            .filter(|&row| !sampled || drawn(purpose, u64::from(row), settings.row_share))
            .collect();
        let open = open_columns(self.bins.len(), mix(purpose), settings.column_share);
        let Outcome { tree, leaves } = tree::grow(
            &Ground {
                binned: train.binned,
                bins: &self.bins,
                columns: &self.columns,
                whole: !sampled,
                open: &open,
                words: &self.words,
                rules: self.rules,
                leaves: settings.leaves,
                threads: settings.threads,
            },
            &mut rows,
            &mut self.scratch,
        );
        if tree.nodes.is_empty() {
            return None;
        }
        let count = settings.quantiles.len();
        let mut values = Vec::with_capacity(leaves.len() * count);
        for range in &leaves {
            let rows = &rows[range.clone()];
            for (sums, &q) in self.sums.iter_mut().zip(&settings.quantiles) {
                let residual = leaf_value(rows, &self.weights, q, &mut self.keys, |r| {
                    targets[r] - sums[r]
                });
                #[expect(clippy::cast_possible_truncation, reason = "a use, to seven digits")]
                let value = (f64::from(residual) * settings.rate) as f32;
                values.push(value);
                if !sampled {
                    for &row in rows {
                        sums[row as usize] += value;
                    }
                }
            }
        }
        if sampled {
            // Rows that were not drawn fall through the tree as new ones would.
            let width = train.binned.width;
            for row in 0..targets.len() {
                let leaf = tree.leaf(&train.binned.bins[row * width..][..width]);
                for (sums, value) in self.sums.iter_mut().zip(&values[leaf * count..]) {
                    sums[row] += value;
                }
            }
        }
        self.trees.push(exported(&tree, self.cuts, &values));
        self.grown.push(tree);
        Some(values)
    }

    /// Shares of the gains of the first `kept` trees.
    fn importance(&self, cuts: &Cuts, kept: usize) -> Vec<f64> {
        let mut gains = vec![0.0; cuts.columns.len()];
        for tree in self.grown.iter().take(kept) {
            for node in &tree.nodes {
                gains[cuts.used[node.found.column]] += node.found.gain;
            }
        }
        let total: f64 = gains.iter().sum();
        if total > 0.0 {
            gains.iter_mut().for_each(|gain| *gain /= total);
        }
        gains
    }
}

/// Later rows and what is predicted for them.
struct Validation<'a> {
    sample: &'a Sample<'a>,
    sums: Vec<f32>,
}

impl<'a> Validation<'a> {
    fn new(sample: &'a Sample<'a>, settings: &Settings, base: &[f64]) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "was an f32")]
        let base = base.get(settings.grown_for).map_or(0.0, |&b| b as f32);
        Self {
            sample,
            sums: vec![base; sample.targets.len()],
        }
    }

    /// Adds a tree; the mean loss, by weight.
    fn add(&mut self, tree: &BinTree, values: &[f32], settings: &Settings) -> f64 {
        let q = settings.quantiles[settings.grown_for];
        let count = settings.quantiles.len();
        let width = self.sample.binned.width;
        let (mut loss, mut weights) = (0.0, 0.0);
        for (row, sum) in self.sums.iter_mut().enumerate() {
            let leaf = tree.leaf(&self.sample.binned.bins[row * width..][..width]);
            *sum += values[leaf * count + settings.grown_for];
            let miss = f64::from(self.sample.targets[row]) - f64::from(*sum);
            let weight = self.sample.weights.map_or(1.0, |w| f64::from(w[row]));
            loss += weight * pinball(miss, q);
            weights += weight;
        }
        loss / weights
    }
}

/// Pinball loss of a residual.
#[must_use]
pub fn pinball(miss: f64, q: f64) -> f64 {
    if miss > 0.0 {
        q * miss
    } else {
        (q - 1.0) * miss
    }
}

/// The quantile of the residuals of a leaf's rows.
fn leaf_value(
    rows: &[u32],
    weights: &[u32],
    q: f64,
    keys: &mut Vec<u32>,
    residual: impl Fn(usize) -> f32,
) -> f32 {
    if weights.is_empty() {
        return quantile(rows.iter().map(|&row| residual(row as usize)), q, keys);
    }
    let pair = |&row: &u32| (residual(row as usize), weights[row as usize]);
    let mut pairs: Vec<(f32, u32)> = rows.iter().map(pair).collect();
    weighted_quantile(&mut pairs, q)
}

/// A tree as a model holds it.
fn exported(tree: &BinTree, cuts: &Cuts, values: &[f32]) -> Tree {
    let mut out = Tree {
        leaves: values.iter().map(|&v| f64::from(v)).collect(),
        ..Tree::default()
    };
    for node in &tree.nodes {
        let feature = cuts.used[node.found.column];
        let split = match (&cuts.columns[feature], &node.found.sides) {
            (Cut::Numeric { edges, .. }, Sides::Upto { bin, missing_left }) => {
                let edge = edges.get(usize::from(*bin) - 1);
                Split::Numeric {
                    // Beyond the last edge: all numbers.
                    threshold: edge.map_or(f64::MAX, |&e| f64::from(e)),
                    missing: Missing::NaN,
                    missing_left: *missing_left,
                }
            }
            (Cut::Categorical { name_bins, .. }, sides) => {
                let left = sides.left_bins();
                let goes = |bin: &u8| left.binary_search(bin).is_ok();
                let names = name_bins.iter().zip(0..).filter(|(bin, _)| goes(bin));
                let names: Vec<u16> = names.map(|(_, name)| name).collect();
                out.categorical(&names)
            }
            // Sets are of categories alone.
            (Cut::Numeric { .. }, Sides::Set(_)) => Split::Numeric {
                threshold: f64::MAX,
                missing: Missing::NaN,
                missing_left: true,
            },
        };
        let child = |side: usize| match node.children[side] {
            Ok(index) => Child::node(index),
            Err(index) => Child::leaf(index),
        };
        if let (Some(left), Some(right), Ok(feature)) = (child(0), child(1), u16::try_from(feature))
        {
            out.nodes.push(Node {
                split,
                feature,
                left,
                right,
            });
        }
    }
    out
}

/// Weights as integers that add up to less than 2^32, at least 1 each.
fn whole_weights(weights: &[f32]) -> Vec<u32> {
    let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
    let scale = (MOST_WEIGHT - as_f64(weights.len())) / total;
    let whole = |&weight: &f32| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of 2^32; a cast saturates"
        )]
        let whole = (f64::from(weight) * scale) as u32;
        whole.max(1)
    };
    weights.iter().map(whole).collect()
}

/// Whether item `index` of a sample is drawn.
fn drawn(purpose: u64, index: u64, share: f64) -> bool {
    // 2^-64
    const UNIT: f64 = 1.0 / 18_446_744_073_709_551_616.0;
    #[expect(clippy::cast_precision_loss, reason = "a uniform number")]
    let uniform = mix(purpose ^ mix(index)) as f64 * UNIT;
    uniform < share
}

/// The columns that a tree may split by: the share with the smallest hashes, at least one.
fn open_columns(count: usize, purpose: u64, share: f64) -> Vec<bool> {
    if share >= 1.0 {
        return vec![true; count];
    }
    let mut order: Vec<(u64, usize)> = (0..count)
        .map(|column| (mix(purpose ^ mix(as_u64(column))), column))
        .collect();
    order.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a count"
    )]
    let chosen = ((share * as_f64(count)).ceil() as usize).max(1);
    let mut open = vec![false; count];
    for &(_, column) in order.iter().take(chosen) {
        open[column] = true;
    }
    open
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Rows are numbered in 32 bits.
fn index_of(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
