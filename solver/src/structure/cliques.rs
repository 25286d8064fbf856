//! Cliques: sets of literals of which at most one is true.
//!
//! A **literal** is a binary column x or its complement 1 - x. A row
//! `sum a_j x_j <= u` is, with every other column at the end that makes its
//! term least and every negative coefficient complemented,
//!
//! ```text
//! sum_k w_k y_k <= u',   w_k > 0, y_k literals, w_1 >= w_2 >= ...
//! ```
//!
//! Two literals with `w_p + w_q > u'` cannot both be true, so the longest
//! prefix whose last two weights exceed u' is a clique; each later literal is
//! one together with the prefix whose weights exceed `u' - w_k`. A row of
//! equal weights gives itself. An equation of equal weights `w` and side `w`
//! has exactly one true literal: its clique is an **equation**.
//!
//! Source: A. Atamtürk, G. Nemhauser, M. Savelsbergh 2000, "Conflict graphs in
//! solving integer programming problems", section 2.

use crate::mip::Mip;
use crate::sparse::{Index, index};
use crate::tol;
use crate::work::Budget;

/// A binary column, or its complement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Literal(Index);

impl Literal {
    /// `x_column`, or `1 - x_column`.
    pub(crate) fn new(column: usize, complemented: bool) -> Self {
        Self(2 * index(column) + Index::from(complemented))
    }

    /// The literal with this [`Literal::index`].
    pub(crate) fn of_index(index_: usize) -> Self {
        Self(index(index_))
    }

    pub(crate) fn column(self) -> usize {
        self.0 as usize / 2
    }

    pub(crate) fn is_complemented(self) -> bool {
        self.0 & 1 == 1
    }

    /// Dense number: twice the column, plus one if complemented.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }

    /// The value of the column that makes the literal true.
    pub(crate) fn true_value(self) -> f64 {
        if self.is_complemented() { 0.0 } else { 1.0 }
    }

    /// The literal's value at `x`.
    pub(crate) fn value(self, x: &[f64]) -> f64 {
        let value = x[self.column()];
        if self.is_complemented() {
            1.0 - value
        } else {
            value
        }
    }
}

/// Literals that one row yields beyond its first clique, at most, for each
/// entry of it: keeps extraction linear.
const EXTRA_LITERALS: usize = 4;

/// A set of cliques, by clique and by literal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cliques {
    start: Vec<u32>,
    literals: Vec<Literal>,
    equation: Vec<bool>,
    /// By literal: its cliques, ascending.
    of_start: Vec<u32>,
    of: Vec<u32>,
}

impl Cliques {
    /// The cliques that the rows of `mip` state.
    pub(crate) fn of(mip: &Mip, budget: &mut Budget) -> Self {
        let mut builder = Builder::default();
        let mut weights = Vec::new();
        for i in 0..mip.rows() {
            budget.spend_entries(mip.by_row.count(i) + 1);
            if budget.is_over() {
                break;
            }
            builder.add_row(mip, i, &mut weights);
        }
        budget.spend_entries(builder.literals.len());
        builder.finish(mip.columns())
    }

    /// Number of cliques.
    pub(crate) fn len(&self) -> usize {
        self.equation.len()
    }

    /// Number of literals over all cliques.
    pub(crate) fn nonzeros(&self) -> usize {
        self.literals.len()
    }

    /// Literals of clique `c`, ascending.
    pub(crate) fn literals(&self, c: usize) -> &[Literal] {
        &self.literals[self.start[c] as usize..self.start[c + 1] as usize]
    }

    /// Whether exactly one literal of clique `c` is true.
    pub(crate) fn is_equation(&self, c: usize) -> bool {
        self.equation[c]
    }

    /// Cliques that hold `literal`, ascending.
    pub(crate) fn of_literal(&self, literal: Literal) -> &[u32] {
        let k = literal.index();
        if k + 1 >= self.of_start.len() {
            return &[];
        }
        &self.of[self.of_start[k] as usize..self.of_start[k + 1] as usize]
    }

    /// Whether a clique holds both, or one is the other's complement.
    pub(crate) fn are_adjacent(&self, a: Literal, b: Literal) -> bool {
        if a.column() == b.column() {
            return a != b;
        }
        let (mut short, mut long) = (self.of_literal(a), self.of_literal(b));
        if short.len() > long.len() {
            (short, long) = (long, short);
        }
        if short.is_empty() {
            return false;
        }
        if long.len() > 8 * short.len() {
            return short.iter().any(|c| long.binary_search(c).is_ok());
        }
        let (mut p, mut q) = (0, 0);
        while p < short.len() && q < long.len() {
            match short[p].cmp(&long[q]) {
                std::cmp::Ordering::Less => p += 1,
                std::cmp::Ordering::Greater => q += 1,
                std::cmp::Ordering::Equal => return true,
            }
        }
        false
    }
}

/// Collects cliques.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    start: Vec<u32>,
    literals: Vec<Literal>,
    equation: Vec<bool>,
}

impl Builder {
    /// Adds a clique of at least two literals, of different columns.
    pub(crate) fn add(&mut self, literals: impl IntoIterator<Item = Literal>, equation: bool) {
        let first = self.literals.len();
        self.literals.extend(literals);
        self.literals[first..].sort_unstable();
        if self.literals.len() - first < 2 {
            self.literals.truncate(first);
            return;
        }
        self.start.push(index(first));
        self.equation.push(equation);
    }

    /// Number of cliques so far.
    pub(crate) fn len(&self) -> usize {
        self.equation.len()
    }

    /// Adds the cliques of row `i`; `weights` is scratch.
    pub(crate) fn add_row(&mut self, mip: &Mip, i: usize, weights: &mut Vec<(f64, Literal)>) {
        let (lower, upper) = (mip.row_lower[i], mip.row_upper[i]);
        let sides = [(1.0, upper), (-1.0, -lower)];
        // One side of an equation of equal weights says it all.
        let mut said_all = false;
        for (sign, side) in sides {
            if side == f64::INFINITY || said_all {
                continue;
            }
            weights.clear();
            let mut room = side;
            let mut has_other = false;
            for (j, a) in mip.by_row.iter(i) {
                let a = sign * a;
                if mip.is_binary(j) && mip.lower[j] < mip.upper[j] {
                    weights.push((a.abs(), Literal::new(j, a < 0.0)));
                    room -= a.min(0.0);
                } else {
                    has_other |= mip.lower[j] < mip.upper[j];
                    room -= if a > 0.0 {
                        a * mip.lower[j]
                    } else {
                        a * mip.upper[j]
                    };
                }
            }
            if weights.len() < 2 || !room.is_finite() {
                continue;
            }
            weights.sort_unstable_by(|p, q| q.0.total_cmp(&p.0).then(p.1.cmp(&q.1)));
            said_all = self.add_weights(weights, room, !has_other && lower >= upper);
        }
    }

    /// Adds the cliques of `sum w y <= room` (`= room`: `equation`), weights
    /// descending; whether the row is one of equal weights.
    fn add_weights(&mut self, weights: &[(f64, Literal)], room: f64, equation: bool) -> bool {
        let limit = room + tol::FEASIBILITY * weights[0].0.max(1.0);
        if weights[0].0 + weights[1].0 <= limit {
            return false;
        }
        let mut first = 2;
        while first < weights.len() && weights[first - 1].0 + weights[first].0 > limit {
            first += 1;
        }
        let (largest, least) = (weights[0].0, weights[weights.len() - 1].0);
        let equal = largest - least <= tol::ROUND_OFF * largest;
        let is_partition =
            equation && equal && (room - largest).abs() <= tol::FEASIBILITY * largest.min(1.0);
        self.add(weights[..first].iter().map(|&(_, y)| y), is_partition);
        let mut left = EXTRA_LITERALS * weights.len();
        let mut prefix = first;
        for &(w, y) in &weights[first..] {
            while prefix > 0 && weights[prefix - 1].0 + w <= limit {
                prefix -= 1;
            }
            if prefix == 0 || left < prefix + 1 {
                break;
            }
            left -= prefix + 1;
            self.add(weights[..prefix].iter().map(|&(_, y)| y).chain([y]), false);
        }
        equal
    }

    /// The cliques over `columns` columns.
    pub(crate) fn finish(mut self, columns: usize) -> Cliques {
        self.start.push(index(self.literals.len()));
        let mut of_start = vec![0_u32; 2 * columns + 1];
        if self.equation.is_empty() {
            of_start.clear();
        } else {
            for y in &self.literals {
                of_start[y.index() + 1] += 1;
            }
            for k in 0..2 * columns {
                of_start[k + 1] += of_start[k];
            }
        }
        let mut next = of_start.clone();
        let mut of = vec![0_u32; self.literals.len()];
        for c in 0..self.equation.len() {
            for y in &self.literals[self.start[c] as usize..self.start[c + 1] as usize] {
                of[next[y.index()] as usize] = index(c);
                next[y.index()] += 1;
            }
        }
        Cliques {
            start: self.start,
            literals: self.literals,
            equation: self.equation,
            of_start,
            of,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binaries(n: usize) -> Mip {
        let mut mip = Mip::default();
        for _ in 0..n {
            mip.cost.push(0.0);
            mip.lower.push(0.0);
            mip.upper.push(1.0);
            mip.integer.push(true);
        }
        mip
    }

    fn of(mip: &mut Mip) -> Cliques {
        mip.finish();
        Cliques::of(mip, &mut Budget::unlimited())
    }

    /// Every clique against enumeration of the row, and every pair that
    /// cannot be true together in a clique.
    #[test]
    fn a_knapsack_gives_exactly_its_conflicting_pairs() {
        // 5x0 - 4x1 + 3x2 + 2x3 - x4 <= 2, in literals <= 2 + 4 + 1 = 7.
        let mut mip = binaries(5);
        let row = [(0, 5.0), (1, -4.0), (2, 3.0), (3, 2.0), (4, -1.0)];
        mip.push_row(row, f64::NEG_INFINITY, 2.0);
        let cliques = of(&mut mip);
        for p in 0..10 {
            for q in 0..10 {
                let (p, q) = (Literal::of_index(p), Literal::of_index(q));
                if p.column() == q.column() {
                    continue;
                }
                let together = (0..32_u32).any(|bits| {
                    let x: Vec<f64> = (0..5).map(|j| f64::from(bits >> j & 1)).collect();
                    p.value(&x) > 0.5 && q.value(&x) > 0.5 && mip.activity(0, &x) <= 2.0
                });
                assert_eq!(cliques.are_adjacent(p, q), !together, "{p:?} {q:?}");
            }
        }
    }

    #[test]
    fn set_rows_give_themselves() {
        let mut mip = binaries(4);
        mip.push_row([(0, 1.0), (1, 1.0), (2, 1.0)], 1.0, 1.0);
        mip.push_row([(1, -2.0), (2, -2.0), (3, 2.0)], -2.0, f64::INFINITY);
        mip.push_row([(0, 1.0), (3, 1.0)], f64::NEG_INFINITY, 2.0);
        let cliques = of(&mut mip);
        // The second row is 2x1 + 2x2 + 2(1 - x3) <= 4: two of them may be true.
        assert_eq!(cliques.len(), 1);
        assert!(cliques.is_equation(0));
        assert_eq!(cliques.literals(0).len(), 3);
        assert_eq!(cliques.of_literal(Literal::new(0, false)), &[0]);
        assert!(cliques.of_literal(Literal::new(3, false)).is_empty());
    }
}
