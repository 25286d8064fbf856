//! Rows in bytes: each column cut into at most 255 bins.
//!
//! **Numbers.** The edges come of a weighted quantile sketch, so that every bin
//! has about the same weight, and a number that alone outweighs a bin has its
//! own. Bin 0 is what is missing; bin b >= 1 holds `(edge[b - 2], edge[b - 1]]`.
//!
//! **Sketch.** Points `(value, weight)` are collected; twice [`SUMMARY`] of them
//! are sorted and pruned to [`SUMMARY`] that stand for equal shares of the
//! weight, and pruned summaries of the same height are merged and pruned again
//! (a binary counter). Each prune moves a rank by at most 1 / SUMMARY of its
//! weight, so after n points the error is below log2(n / SUMMARY) / SUMMARY
//! (the merge and prune of Greenwald and Khanna, "Power-conserving computation
//! of order-statistics over sensor networks", 2004). Up to SUMMARY different values it
//! is exact.
//!
//! **Categories.** Frequent levels have a bin each; rare ones share one bin; what
//! was not seen is missing.

use super::dataset::{Levels, Rows};
use super::features::{CATEGORIES, COUNT, FEATURES, Kind};
use super::forest;

/// Points of a pruned summary.
const SUMMARY: usize = 2_048;

/// Rows that are sketched at most; spread evenly over all rows.
const SKETCHED: usize = 200_000;

/// Rows from which on a level is not rare.
const FREQUENT: u32 = 200;

/// Levels with a bin of their own.
const MOST_LEVELS: usize = 200;

/// Levels in a dictionary; rarer ones are missing.
const MOST_NAMES: usize = 4_096;

/// A weighted quantile sketch; see the module's documentation.
#[derive(Clone, Debug, Default)]
pub(super) struct Sketch {
    fresh: Vec<(f32, f64)>,
    /// Pruned summaries by height.
    heights: Vec<Option<Vec<(f32, f64)>>>,
}

impl Sketch {
    /// Adds a number that is not NaN.
    pub(super) fn add(&mut self, value: f32, weight: f64) {
        self.fresh.push((value, weight));
        if self.fresh.len() == 2 * SUMMARY {
            self.carry();
        }
    }

    fn carry(&mut self) {
        let mut points = merged(&mut self.fresh);
        self.fresh.clear();
        for height in 0.. {
            points = pruned(&points);
            if height == self.heights.len() {
                self.heights.push(None);
            }
            match self.heights[height].take() {
                None => {
                    self.heights[height] = Some(points);
                    return;
                }
                Some(other) => {
                    points.extend(other);
                    points = merged(&mut points);
                }
            }
        }
    }

    /// All points, values ascending, each once.
    pub(super) fn points(mut self) -> Vec<(f32, f64)> {
        let mut all = self.fresh;
        for summary in self.heights.drain(..).flatten() {
            all.extend(summary);
        }
        merged(&mut all)
    }
}

/// Sorts by value and adds the weights of equal values.
fn merged(points: &mut [(f32, f64)]) -> Vec<(f32, f64)> {
    points.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut once: Vec<(f32, f64)> = Vec::with_capacity(points.len());
    for &(value, weight) in points.iter() {
        match once.last_mut() {
            Some(last) if last.0.total_cmp(&value).is_eq() => last.1 += weight,
            _ => once.push((value, weight)),
        }
    }
    once
}

/// At most about [`SUMMARY`] points: neighbours are joined at the largest of them
/// while their weight stays within the share of one point.
fn pruned(points: &[(f32, f64)]) -> Vec<(f32, f64)> {
    if points.len() <= SUMMARY {
        return points.to_vec();
    }
    let total: f64 = points.iter().map(|p| p.1).sum();
    #[expect(clippy::cast_precision_loss, reason = "a small constant")]
    let share = 2.0 * total / SUMMARY as f64;
    let mut kept: Vec<(f32, f64)> = Vec::with_capacity(SUMMARY);
    let mut sum = 0.0;
    for &(value, weight) in points {
        match kept.last_mut() {
            Some(last) if sum + weight <= share => {
                sum += weight;
                *last = (value, sum);
            }
            _ => {
                sum = weight;
                kept.push((value, weight));
            }
        }
    }
    kept
}

/// Edges between at most `bins` bins of equal weight; none for one value.
pub(super) fn edges(points: &[(f32, f64)], bins: usize) -> Vec<f32> {
    let mut edges = Vec::new();
    if points.len() <= bins {
        edges.extend(points.windows(2).map(|w| between(w[0].0, w[1].0)));
        return edges;
    }
    let mut left: f64 = points.iter().map(|p| p.1).sum();
    let mut sum = 0.0;
    for pair in points.windows(2) {
        let [(value, weight), (next, next_weight)] = [pair[0], pair[1]];
        sum += weight;
        if edges.len() + 1 == bins {
            break;
        }
        #[expect(clippy::cast_precision_loss, reason = "at most 255")]
        let share = left / (bins - edges.len()) as f64;
        // Ends here if the next value would overfill it more than it is empty now.
        if sum + 0.5 * next_weight >= share {
            edges.push(between(value, next));
            left -= sum;
            sum = 0.0;
        }
    }
    edges
}

/// A number from `low` up to but not `high`.
fn between(low: f32, high: f32) -> f32 {
    let middle = f32::midpoint(low, high);
    if middle >= low && middle < high {
        middle
    } else {
        low
    }
}

/// How a column is cut.
#[derive(Clone, Debug, PartialEq)]
pub enum Cut {
    /// Numbers: the edges, ascending.
    Numeric {
        /// `edges[b - 1]` is the largest number of bin b; the last bin has none.
        edges: Vec<f32>,
        /// Smallest and largest number seen.
        range: [f64; 2],
    },
    /// Categories.
    Categorical {
        /// Bin of each code of the dataset; 0: missing.
        bins: Vec<u8>,
        /// The model's dictionary.
        names: Vec<String>,
        /// Bin of each name.
        name_bins: Vec<u8>,
    },
}

impl Cut {
    /// Bins, that of what is missing included.
    #[must_use]
    pub fn bins(&self) -> usize {
        match self {
            Self::Numeric { edges, range } if range[0] <= range[1] => edges.len() + 2,
            Self::Numeric { .. } => 1,
            Self::Categorical { bins, .. } => bins.iter().max().map_or(1, |&b| usize::from(b) + 1),
        }
    }

    /// The bin of a value.
    #[must_use]
    pub fn bin(&self, value: f32) -> u8 {
        if value.is_nan() {
            return 0;
        }
        match self {
            Self::Numeric { edges, .. } => {
                let index = edges.partition_point(|&edge| edge < value) + 1;
                u8::try_from(index).unwrap_or(u8::MAX)
            }
            Self::Categorical { bins, .. } => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a code; a cast saturates"
                )]
                let code = value as usize;
                bins.get(code).copied().unwrap_or(0)
            }
        }
    }

    /// A value of the bin, as rows of the model hold it: an edge, the index of a
    /// category; NaN of what is missing.
    #[must_use]
    pub fn representative(&self, bin: u8) -> f64 {
        match self {
            _ if bin == 0 => f64::NAN,
            Self::Numeric { edges, .. } => {
                let edge = edges.get(usize::from(bin) - 1);
                edge.map_or(f64::MAX, |&edge| f64::from(edge))
            }
            Self::Categorical { name_bins, .. } => {
                let index = name_bins.iter().position(|&b| b == bin);
                let index = index.and_then(|index| u32::try_from(index).ok());
                index.map_or(f64::NAN, f64::from)
            }
        }
    }

    /// The column of a model.
    #[must_use]
    pub fn kind(&self) -> forest::Kind {
        match self {
            Self::Numeric { range, .. } => forest::Kind::Numeric {
                least: range[0],
                most: range[1],
            },
            Self::Categorical { names, .. } => forest::Kind::Categorical {
                levels: names.clone(),
            },
        }
    }
}

/// How all columns are cut.
#[derive(Clone, Debug, PartialEq)]
pub struct Cuts {
    /// One a feature.
    pub columns: Vec<Cut>,
    /// Features with more than one bin: what can be split at all.
    pub used: Vec<usize>,
}

impl Cuts {
    /// Of rows with weights (none: all 1), at most `most` bins a column without
    /// that of what is missing.
    #[must_use]
    pub fn of(rows: &Rows, levels: &Levels, weights: Option<&[f32]>, most: usize) -> Self {
        let stride = rows.len().div_ceil(SKETCHED).max(1);
        let columns: Vec<Cut> = (0..COUNT)
            .map(|feature| match FEATURES[feature].kind {
                Kind::Category => categorical(rows, feature, levels.names(feature - CATEGORIES)),
                _ => numeric(rows, feature, weights, stride, most),
            })
            .collect();
        let used = (0..COUNT).filter(|&f| varies(&columns[f], rows, f));
        let used = used.collect();
        Self { columns, used }
    }

    /// Bins of the used columns, `[rows, used]`, row-major.
    #[must_use]
    pub fn bin_rows(&self, rows: &Rows) -> Binned {
        let mut bins = Vec::with_capacity(rows.len() * self.used.len());
        for index in 0..rows.len() {
            let row = rows.row(index);
            bins.extend(self.used.iter().map(|&f| self.columns[f].bin(row[f])));
        }
        Binned {
            bins,
            width: self.used.len(),
        }
    }
}

/// Rows as bins of the used columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Binned {
    /// `[rows, width]`, row-major.
    pub bins: Vec<u8>,
    /// Used columns.
    pub width: usize,
}

impl Binned {
    /// The same bins, `[width, rows]`.
    pub(super) fn by_column(&self) -> Vec<u8> {
        // A few rows at a time, which stay in the cache for all columns.
        const TOGETHER: usize = 256;
        let rows = self.bins.len() / self.width.max(1);
        let mut columns = vec![0; self.bins.len()];
        for begin in (0..rows).step_by(TOGETHER) {
            let end = rows.min(begin + TOGETHER);
            let block = &self.bins[begin * self.width..end * self.width];
            for column in 0..self.width {
                let to = &mut columns[column * rows..][begin..end];
                for (to, row) in to.iter_mut().zip(block.chunks_exact(self.width)) {
                    *to = row[column];
                }
            }
        }
        columns
    }
}

/// Whether a column has two bins with rows.
fn varies(cut: &Cut, rows: &Rows, feature: usize) -> bool {
    if cut.bins() == 1 {
        return false;
    }
    let bin = |index: usize| cut.bin(rows.row(index)[feature]);
    let first = (!rows.is_empty()).then(|| bin(0));
    (1..rows.len()).any(|index| Some(bin(index)) != first)
}

fn numeric(
    rows: &Rows,
    feature: usize,
    weights: Option<&[f32]>,
    stride: usize,
    most: usize,
) -> Cut {
    let mut sketch = Sketch::default();
    let mut range = [f64::INFINITY, f64::NEG_INFINITY];
    for index in 0..rows.len() {
        let value = rows.row(index)[feature];
        if value.is_nan() {
            continue;
        }
        range = [range[0].min(value.into()), range[1].max(value.into())];
        if index % stride == 0 {
            // A zero has one sign.
            sketch.add(value + 0.0, weights.map_or(1.0, |w| w[index].into()));
        }
    }
    Cut::Numeric {
        edges: edges(&sketch.points(), most),
        range,
    }
}

fn categorical(rows: &Rows, feature: usize, names: &[String]) -> Cut {
    let mut counts = vec![0_u32; names.len()];
    for index in 0..rows.len() {
        let value = rows.row(index)[feature];
        if value.is_nan() {
            continue;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a code; a cast saturates"
        )]
        let code = value as usize;
        if let Some(count) = counts.get_mut(code) {
            *count += 1;
        }
    }
    let mut order: Vec<usize> = (0..names.len()).filter(|&c| counts[c] > 0).collect();
    order.sort_by(|&a, &b| counts[b].cmp(&counts[a]).then(names[a].cmp(&names[b])));
    order.truncate(MOST_NAMES);
    let frequent = order
        .iter()
        .take(MOST_LEVELS)
        .filter(|&&c| counts[c] >= FREQUENT);
    let own = u8::try_from(frequent.count()).unwrap_or(u8::MAX - 1);
    let mut bins = vec![0; names.len()];
    let mut name_bins = Vec::new();
    let mut next = 0;
    for &code in &order {
        next = (next + 1).min(own + 1);
        bins[code] = next;
        name_bins.push(next);
    }
    Cut::Categorical {
        bins,
        names: order.iter().map(|&c| names[c].clone()).collect(),
        name_bins,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_have_a_bin_each() {
        let points = [(1.0, 5.0), (2.0, 1.0), (4.0, 1.0)];
        assert_eq!(edges(&points, 3), [1.5, 3.0]);
        assert_eq!(edges(&points[..1], 3), [0.0_f32; 0]);
        let neighbours = [(1.0, 1.0), (1.0_f32.next_up(), 1.0)];
        assert_eq!(edges(&neighbours, 2), [1.0]);
    }

    #[test]
    fn a_heavy_value_has_its_own_bin() {
        // 100 zeros and 1..=100 in 4 bins: a share is 50, the zeros fill a bin;
        // the others' share is 100 / 3.
        let mut points = vec![(0.0, 100.0)];
        points.extend((1..=100_u8).map(|i| (f32::from(i), 1.0)));
        assert_eq!(edges(&points, 4), [0.5, 33.5, 66.5]);
    }

    #[test]
    fn ranks_of_the_sketch_are_close() {
        // 0..100000 in a scrambled order, weight 1 below 50,000 and 3 above:
        // half of the 200,000 is reached at 50,000 + 50,000 / 3.
        let mut sketch = Sketch::default();
        for i in 0..100_000_u32 {
            let value = i.wrapping_mul(7_919) % 100_000;
            let weight = if value < 50_000 { 1.0 } else { 3.0 };
            #[expect(clippy::cast_precision_loss, reason = "below 2^24")]
            sketch.add(value as f32, weight);
        }
        let points = sketch.points();
        assert!(points.len() < 8 * SUMMARY);
        let mut sum = 0.0;
        let middle = points.iter().find(|p| {
            sum += p.1;
            sum >= 100_000.0
        });
        let found = f64::from(middle.unwrap().0);
        // log2(50) / 2048 of 200,000, a rank's third each.
        assert!((found - 66_666.7).abs() < 200.0, "{found}");
        let total: f64 = points.iter().map(|p| p.1).sum();
        assert!((total - 200_000.0).abs() < 1e-6);
    }

    #[test]
    fn bins_by_hand() {
        let cut = Cut::Numeric {
            edges: vec![1.5, 3.0],
            range: [1.0, 4.0],
        };
        let bins = [f32::NAN, -9.0, 1.5, 1.6, 3.0, 99.0].map(|v| cut.bin(v));
        assert_eq!((bins, cut.bins()), ([0, 1, 1, 2, 2, 3], 4));
    }
}
