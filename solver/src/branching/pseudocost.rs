//! What branching on a column has been worth.
//!
//! For column j and a direction, every solved child gives the objective's gain
//! for a unit of distance, gain / f with f = x_j - floor(x_j) downwards and
//! ceil(x_j) - x_j upwards; the pseudocost is their mean, and before there is
//! one, the mean over all columns. The score of a candidate is
//!
//! ```text
//! max(P- f-, eps) * max(P+ f+, eps)
//! ```
//!
//! to which the mean number of bounds that branching on it tightened and the
//! share of children it made infeasible are added with small weights, to tell
//! apart what the objective does not.
//!
//! Source: T. Achterberg, T. Koch, A. Martin 2005, "Branching rules revisited";
//! T. Achterberg 2007, section 5.11 (the weights).

/// Least factor of the product, so that a column with no gain on one side is
/// still told apart by the other.
const FACTOR: f64 = 1e-6;

/// Weights of the normalised terms of the score.
const INFERENCE_WEIGHT: f64 = 1e-3;
const CUTOFF_WEIGHT: f64 = 1e-3;

/// A direction of branching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Down,
    Up,
}

/// Sums over the observations of one direction.
#[derive(Clone, Copy, Debug, Default)]
struct History {
    gain: f64,
    count: u32,
    inferences: f64,
    inference_count: u32,
    cutoffs: u32,
    tries: u32,
}

impl History {
    fn add(&mut self, unit_gain: f64) {
        self.gain += unit_gain;
        self.count += 1;
    }
}

/// Histories by column, and over all.
#[derive(Clone, Debug)]
pub(crate) struct Pseudocosts {
    histories: Vec<[History; 2]>,
    all: [History; 2],
    score_sum: f64,
    score_count: f64,
}

impl Pseudocosts {
    pub(crate) fn new(columns: usize) -> Self {
        Self {
            histories: vec![[History::default(); 2]; columns],
            all: [History::default(); 2],
            score_sum: 0.0,
            score_count: 0.0,
        }
    }

    /// The relaxation's objective rose by `gain` when `column` moved by
    /// `distance` > 0 to `side`.
    pub(crate) fn observe(&mut self, column: usize, side: Side, distance: f64, gain: f64) {
        if distance > 0.0 && gain.is_finite() {
            let unit = gain.max(0.0) / distance;
            self.histories[column][side as usize].add(unit);
            self.all[side as usize].add(unit);
        }
    }

    /// Branching on `column` to `side` tightened that many other bounds.
    pub(crate) fn observe_inferences(&mut self, column: usize, side: Side, inferences: usize) {
        let count = u32::try_from(inferences).unwrap_or(u32::MAX);
        for history in [
            &mut self.histories[column][side as usize],
            &mut self.all[side as usize],
        ] {
            history.inferences += f64::from(count);
            history.inference_count += 1;
        }
    }

    /// Whether the child of `column` to `side` was pruned at once.
    pub(crate) fn observe_child(&mut self, column: usize, side: Side, is_pruned: bool) {
        for history in [
            &mut self.histories[column][side as usize],
            &mut self.all[side as usize],
        ] {
            history.tries += 1;
            history.cutoffs += u32::from(is_pruned);
        }
    }

    /// Observations of the rarer direction.
    pub(crate) fn reliability(&self, column: usize) -> u32 {
        let [down, up] = &self.histories[column];
        down.count.min(up.count)
    }

    /// Expected gain for a unit of distance.
    pub(crate) fn unit_gain(&self, column: usize, side: Side) -> f64 {
        let mean = |h: &History| h.gain / f64::from(h.count);
        let own = &self.histories[column][side as usize];
        let all = &self.all[side as usize];
        if own.count > 0 {
            mean(own)
        } else if all.count > 0 {
            mean(all)
        } else {
            1.0
        }
    }

    /// Expected gain of rounding `value` of `column` to `side`.
    pub(crate) fn gain(&self, column: usize, side: Side, value: f64) -> f64 {
        let distance = match side {
            Side::Down => value - value.floor(),
            Side::Up => value.ceil() - value,
        };
        distance * self.unit_gain(column, side)
    }

    /// Score of branching on `column` at `value`.
    pub(crate) fn score(&self, column: usize, value: f64) -> f64 {
        self.score_of(
            column,
            self.gain(column, Side::Down, value),
            self.gain(column, Side::Up, value),
        )
    }

    /// Score of a candidate whose children gain `down` and `up`.
    pub(crate) fn score_of(&self, column: usize, down: f64, up: f64) -> f64 {
        let product = product(down, up);
        // Normalised by the usual score into [0, 1).
        let usual = if self.score_count > 0.0 {
            (self.score_sum / self.score_count).max(FACTOR * FACTOR)
        } else {
            1.0
        };
        let squash = |x: f64, mean: f64| x / (x + mean);
        let mut score = squash(product, usual);
        let [down, up] = &self.histories[column];
        let share = |sum: f64, count: u32| {
            if count > 0 {
                sum / f64::from(count)
            } else {
                0.0
            }
        };
        let inferences = |h: &History| share(h.inferences, h.inference_count);
        let usual_inferences = (inferences(&self.all[0]) * inferences(&self.all[1])).max(1.0);
        score += INFERENCE_WEIGHT
            * squash(
                inferences(down).max(FACTOR) * inferences(up).max(FACTOR),
                usual_inferences,
            );
        let cutoffs = |h: &History| share(f64::from(h.cutoffs), h.tries);
        score + CUTOFF_WEIGHT * (cutoffs(down) + cutoffs(up)) / 2.0
    }

    /// Notes the score of a column that was branched on.
    pub(crate) fn observe_score(&mut self, down: f64, up: f64) {
        let product = product(down, up);
        if product.is_finite() {
            self.score_sum += product;
            self.score_count += 1.0;
        }
    }

    /// Expected objective above the node's of the best point below it.
    pub(crate) fn rounding_estimate(&self, fractional: impl Iterator<Item = (usize, f64)>) -> f64 {
        fractional
            .map(|(j, value)| {
                self.gain(j, Side::Down, value)
                    .min(self.gain(j, Side::Up, value))
            })
            .sum()
    }
}

/// The product score; an infinite side (infeasible) counts as very large.
pub(crate) fn product(down: f64, up: f64) -> f64 {
    const LARGEST: f64 = 1e20;
    down.clamp(FACTOR, LARGEST) * up.clamp(FACTOR, LARGEST)
}
