//! The best split of a leaf, from its histogram.
//!
//! With G = (1 - q) W - E the sum of gradients of weight W, a split's gain is
//!
//! ```text
//! G_l^2 / (W_l + lambda) + G_r^2 / (W_r + lambda) - G^2 / (W + lambda)
//! ```
//!
//! **Numbers** are scanned by bin, what is missing once on the right and once on the
//! left: its direction is learned. Where a leaf has nothing missing, it goes
//! where more rows go.
//!
//! **Categories** are ordered by their share above the prediction (smoothed) and cut in
//! two, which is the best subset for a convex loss (Fisher, "On grouping for maximum
//! homogeneity", 1958), with more L2, since an order chosen by the outcome overfits.
//! What is missing is one more category.
//!
//! Ties go to the first column, the first bin.

use super::histogram::{BINS, Column, sums};

/// Added to the weight of a category for its place in the order.
const SMOOTHING: f64 = 10.0;

/// L2 of categorical splits on top, rows.
const CATEGORY_L2: f64 = 10.0;

/// Rows from which on a category is looked at.
const LEAST_CATEGORY: f64 = 100.0;

/// Least gain, in squared gradients a row: below it is round-off.
const LEAST_GAIN: f64 = 1e-9;

/// What a split must keep to, in units of weight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// The quantile.
    pub(super) quantile: f64,
    /// Least weight of a side.
    pub(super) least: f64,
    /// L2.
    pub(super) l2: f64,
    /// Weight of a row, mean.
    pub(super) row: f64,
}

/// Which bins go left.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sides {
    /// Bins up to this one; `missing_left`: bin 0 as well.
    Upto { bin: u8, missing_left: bool },
    /// These bins, ascending; never bin 0.
    Set(Vec<u8>),
}

impl Sides {
    /// By bin: whether it goes left.
    pub(super) fn table(&self) -> [bool; BINS] {
        let mut table = [false; BINS];
        match self {
            Self::Upto { bin, missing_left } => {
                table[1..=usize::from(*bin)].fill(true);
                table[0] = *missing_left;
            }
            Self::Set(bins) => {
                for &bin in bins {
                    table[usize::from(bin)] = true;
                }
            }
        }
        table
    }
}

/// A split and what it gains.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) gain: f64,
    /// Index among the used columns.
    pub(super) column: usize,
    pub(super) sides: Sides,
}

/// Sums as numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    weight: f64,
    above: f64,
}

impl Sum {
    #[expect(clippy::cast_precision_loss, reason = "below 2^32")]
    fn of(word: u64) -> Self {
        let (weight, above) = sums(word);
        Self {
            weight: weight as f64,
            above: above as f64,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            weight: self.weight + other.weight,
            above: self.above + other.above,
        }
    }

    fn less(self, other: Self) -> Self {
        Self {
            weight: self.weight - other.weight,
            above: self.above - other.above,
        }
    }

    fn gradient(self, quantile: f64) -> f64 {
        (1.0 - quantile) * self.weight - self.above
    }

    fn score(self, quantile: f64, l2: f64) -> f64 {
        let gradient = self.gradient(quantile);
        gradient * gradient / (self.weight + l2)
    }
}

/// The best split of a leaf over the columns that `open` allows. `bins` is the
/// number of bins and whether they are categories, by used column.
pub(super) fn best(
    histogram: &[Column],
    bins: &[(usize, bool)],
    open: &[bool],
    rules: &Rules,
) -> Option<Found> {
    let total = histogram.first().map(|column| {
        column
            .iter()
            .fold(Sum::default(), |sum, &w| sum.plus(Sum::of(w)))
    })?;
    let mut best: Option<Found> = None;
    for (column, (words, &(bins, is_category))) in histogram.iter().zip(bins).enumerate() {
        if !open[column] {
            continue;
        }
        let least = best.as_ref().map_or(LEAST_GAIN * rules.row, |b| b.gain);
        let words = &words[..bins];
        let found = if is_category {
            by_category(words, total, rules, least)
        } else {
            by_number(words, total, rules, least)
        };
        if let Some((gain, sides)) = found {
            best = Some(Found {
                gain,
                column,
                sides,
            });
        }
    }
    best
}

/// Whether the scores of two sides may add up to more than `most`: without dividing, and
/// with room for round-off, so that the score itself still decides.
fn may_exceed(left: Sum, right: Sum, rules: &Rules, most: f64) -> bool {
    const ROOM: f64 = 1.0 - 1e-12;
    let (g, h) = (
        left.gradient(rules.quantile),
        right.gradient(rules.quantile),
    );
    let (a, b) = (left.weight + rules.l2, right.weight + rules.l2);
    g * g * b + h * h * a > ROOM * most * (a * b)
}

/// A split with more gain than `least`.
fn by_number(words: &[u64], total: Sum, rules: &Rules, least: f64) -> Option<(f64, Sides)> {
    let missing = Sum::of(words[0]);
    let base = total.score(rules.quantile, rules.l2) + least;
    let mut best = None;
    let mut most = base;
    let starts = [Sum::default(), missing];
    let ways = if missing.weight > 0.0 { 2 } else { 1 };
    for (way, start) in starts.into_iter().enumerate().take(ways) {
        let mut left = start;
        let last = words.len() - 1;
        for (bin, &word) in words.iter().enumerate().skip(1) {
            if word == 0 {
                continue;
            }
            left = left.plus(Sum::of(word));
            if left.weight < rules.least {
                continue;
            }
            let right = total.less(left);
            if right.weight < rules.least || (bin == last && way == 1) {
                break;
            }
            if !may_exceed(left, right, rules, most) {
                continue;
            }
            let score =
                left.score(rules.quantile, rules.l2) + right.score(rules.quantile, rules.l2);
            if score > most {
                most = score;
                let missing_left = if ways == 2 {
                    way == 1
                } else {
                    left.weight >= right.weight
                };
                best = Some((bin, missing_left));
            }
        }
    }
    let (bin, missing_left) = best?;
    let bin = u8::try_from(bin).ok()?;
    Some((most - base + least, Sides::Upto { bin, missing_left }))
}

/// The same for categories.
fn by_category(words: &[u64], total: Sum, rules: &Rules, least: f64) -> Option<(f64, Sides)> {
    let l2 = rules.l2 + CATEGORY_L2 * rules.row;
    let mut order: Vec<(f64, usize)> = Vec::new();
    for (bin, &word) in words.iter().enumerate() {
        let sum = Sum::of(word);
        if sum.weight >= LEAST_CATEGORY * rules.row {
            let share = sum.above / (sum.weight + SMOOTHING * rules.row);
            order.push((share, bin));
        }
    }
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    // Of the parent with the plain L2, so that columns compare.
    let base = total.score(rules.quantile, rules.l2) + least;
    let mut most = base;
    let mut best = None;
    // What is not looked at stays on the right: cut from both ends, so that it
    // may be with the high or the low ones.
    for from_high in [false, true] {
        let mut left = Sum::default();
        for count in 1..=order.len() {
            let place = if from_high {
                order.len() - count
            } else {
                count - 1
            };
            left = left.plus(Sum::of(words[order[place].1]));
            let right = total.less(left);
            if left.weight < rules.least {
                continue;
            }
            if right.weight < rules.least {
                break;
            }
            let score = left.score(rules.quantile, l2) + right.score(rules.quantile, l2);
            if score > most {
                most = score;
                best = Some((from_high, count));
            }
        }
    }
    let (from_high, count) = best?;
    let chosen = if from_high {
        &order[order.len() - count..]
    } else {
        &order[..count]
    };
    let mut set: Vec<u8> = chosen
        .iter()
        .filter_map(|o| u8::try_from(o.1).ok())
        .collect();
    set.sort_unstable();
    if set.first() == Some(&0) {
        // What is missing goes right in a model: the sides change places.
        let taken = set;
        let others = (0..words.len()).filter_map(|bin| u8::try_from(bin).ok());
        set = others
            .filter(|bin| words[usize::from(*bin)] > 0 && taken.binary_search(bin).is_err())
            .collect();
    }
    Some((most - base + least, Sides::Set(set)))
}
