//! Product cuts: products of cliques that rows state one by one.
//!
//! A row of the form
//!
//! ```text
//! a + sum_{y in B} y - sum_k c_k z_k <= 1      c_k > 0, z_k >= 0,
//! ```
//!
//! whose literals B are of one clique says that `sum_k c_k z_k`, N for short, is
//! at least the product of a and the sum over B. Literals of that clique that
//! conflict with a can join B: a and they are never both true. Now let several
//! such rows have their a in a clique too. For a set K of them and the literals
//! B that all of K have,
//!
//! ```text
//! sum_{a in K} a + sum_{y in B} y - sum_{a in K} N_a <= 1
//! ```
//!
//! holds: at most one a and one y are true, and where both are, `N_a >= 1`.
//! Rows as weak as `z >= x + y - 1`, of which the relaxation satisfies each with
//! x = y = 1/2 and z = 0, become strong together: if one of many x is true and
//! so is y, one of the z is. The cut is the product of the clique of the a with
//! `1 - sum_B y`, each product replaced by its row (a reformulation-linearization
//! cut).
//!
//! K grows greedily from each row, by what a row adds and what B loses.
//!
//! Sources: K. Bestuzheva, A. Gleixner, T. Achterberg 2023, "Efficient
//! separation of RLT cuts for implicit and explicit bilinear terms",
//! Mathematical Programming; H. Sherali, W. Adams 1990, "A hierarchy of
//! relaxations between the continuous and convex hull representations".

use super::params;
use super::pass::Pass;
use crate::mip::Mip;
use crate::sparse::{Index, index};
use crate::structure::{Cliques, Literal};
use crate::technique::Technique;
use crate::tol;
use crate::work::Budget;

/// Ticks to find the rows: for each entry of the problem.
const TICKS_PER_ENTRY: u64 = 50;

/// Cliques in which rows are put together by their a, for each row: the
/// largest.
const CLIQUES: usize = 3;

/// Rows from which K grows, in each family: the best.
const SEEDS: usize = 6;

/// By how much a row must raise the violation to be taken into K.
const GAIN: f64 = 1e-6;

/// Columns and coefficients.
type Terms = Vec<(Index, f64)>;

/// A row that states a product.
#[derive(Debug)]
struct Product {
    a: Literal,
    /// Ascending.
    b: Vec<Literal>,
    /// N.
    n: Terms,
    /// Whether literals joined B: the row says less than its cut.
    is_grown: bool,
}

/// The products that rows of a problem state, by family: those whose a are of
/// one clique and whose B are of another.
#[derive(Debug, Default)]
pub(crate) struct Products {
    products: Vec<Product>,
    /// What the a is of, what B is of, product; ascending. A number from the
    /// number of cliques on stands for a literal of no clique.
    families: Vec<(u32, u32, Index)>,
}

/// A row as `sum positive - sum c z <= 1`; none if it is of another form.
fn as_product(mip: &Mip, i: usize, sign: f64) -> Option<(Vec<usize>, Terms)> {
    let side = if sign > 0.0 {
        mip.row_upper[i]
    } else {
        -mip.row_lower[i]
    };
    if !(side > 0.0 && side.is_finite()) {
        return None;
    }
    let (mut positive, mut n) = (Vec::new(), Vec::new());
    for (j, value) in mip.by_row.iter(i) {
        let value = sign * value / side;
        if value > 0.0 {
            if !mip.is_binary(j) || (value - 1.0).abs() > tol::ROUND_OFF {
                return None;
            }
            positive.push(j);
        } else if mip.lower[j] >= 0.0 {
            n.push((index(j), -value));
        } else {
            return None;
        }
    }
    (positive.len() >= 2 && !n.is_empty()).then_some((positive, n))
}

impl Products {
    /// Looks for such rows.
    pub(crate) fn of(mip: &Mip, cliques: &Cliques, budget: &mut Budget) -> Self {
        let mut this = Self::default();
        if cliques.len() == 0 {
            return this;
        }
        let limit = budget.ticks() + TICKS_PER_ENTRY * mip.by_row.nonzeros() as u64;
        let mut members = vec![0_u32; cliques.len()];
        for i in 0..mip.rows() {
            if budget.ticks() > limit || budget.is_over() {
                break;
            }
            for sign in [1.0, -1.0] {
                budget.spend_entries(1);
                if let Some((positive, n)) = as_product(mip, i, sign) {
                    budget.spend_entries(mip.by_row.count(i));
                    this.add(&positive, &n, cliques, &mut members, budget);
                }
            }
        }
        this.families.sort_unstable();
        // One row alone says nothing new.
        let mut kept = Vec::new();
        for family in this.families.chunk_by(|p, q| (p.0, p.1) == (q.0, q.1)) {
            if family.len() > 1 || this.products[family[0].2 as usize].is_grown {
                kept.extend_from_slice(family);
            }
        }
        this.families = kept;
        this
    }

    /// Whether there is nothing to separate.
    pub(crate) fn is_empty(&self) -> bool {
        self.families.is_empty()
    }

    /// Adds the products that a row states: with each literal as the a, if the
    /// others are of one clique.
    fn add(
        &mut self,
        positive: &[usize],
        n: &[(Index, f64)],
        cliques: &Cliques,
        members: &mut [u32],
        budget: &mut Budget,
    ) {
        let literal = |j: usize| Literal::new(j, false);
        let mut touched: Vec<u32> = Vec::new();
        for &j in positive {
            let of = cliques.of_literal(literal(j));
            budget.spend_entries(of.len());
            for &c in of {
                if members[c as usize] == 0 {
                    touched.push(c);
                }
                members[c as usize] += 1;
            }
        }
        let rest = index(positive.len() - 1);
        let size = |c: u32| cliques.literals(c as usize).len();
        // All but one in it; a clique of all makes the row idle.
        let large: Vec<u32> = touched
            .iter()
            .copied()
            .filter(|&c| members[c as usize] == rest)
            .collect();
        let is_idle = touched.iter().any(|&c| members[c as usize] > rest);
        for c in touched {
            members[c as usize] = 0;
        }
        if is_idle {
            return;
        }
        for &j in positive {
            let a = literal(j);
            let of = cliques.of_literal(a);
            // The largest clique that holds the others and not a.
            let others = large
                .iter()
                .copied()
                .filter(|c| of.binary_search(c).is_err());
            let home = others.max_by_key(|&c| (size(c), std::cmp::Reverse(c)));
            let mut b: Vec<Literal> = positive
                .iter()
                .filter(|&&k| k != j)
                .map(|&k| literal(k))
                .collect();
            let key = match home {
                Some(c) => {
                    for &y in cliques.literals(c as usize) {
                        budget.spend_entries(4);
                        if !b.contains(&y) && cliques.are_adjacent(a, y) {
                            b.push(y);
                        }
                    }
                    b.sort_unstable();
                    c
                }
                // One literal is all of its B.
                None if b.len() == 1 => index(cliques.len() + b[0].index()),
                None => continue,
            };
            let name = index(self.products.len());
            let mut homes: Vec<u32> = of.to_vec();
            homes.sort_by_key(|&c| (std::cmp::Reverse(size(c)), c));
            homes.truncate(CLIQUES);
            budget.spend_entries(b.len() + n.len());
            let is_grown = b.len() >= positive.len();
            if homes.is_empty() {
                homes.push(index(cliques.len() + a.index()));
            }
            self.families
                .extend(homes.into_iter().map(|c| (c, key, name)));
            self.products.push(Product {
                a,
                b,
                n: n.to_vec(),
                is_grown,
            });
        }
    }
}

/// Finds violated cuts.
pub(crate) fn separate(pass: &mut Pass<'_, '_>, products: &Products) {
    let x = &pass.frame.value;
    let families = &products.families;
    for family in families.chunk_by(|p, q| (p.0, p.1) == (q.0, q.1)) {
        if pass.is_spent() {
            return;
        }
        let mut rows: Vec<(f64, &Product)> = Vec::new();
        for &(.., name) in family {
            let product = &products.products[name as usize];
            let n: f64 = product.n.iter().map(|&(j, c)| c * x[j as usize]).sum();
            let value = product.a.value(x) - n;
            pass.budget.spend_entries(product.n.len() + 1);
            if value > GAIN {
                rows.push((value, product));
            }
        }
        rows.sort_by(|p, q| q.0.total_cmp(&p.0).then(p.1.a.cmp(&q.1.a)));
        let mut seeds: Vec<(f64, usize)> = rows
            .iter()
            .enumerate()
            .map(|(k, &(value, product))| (value + sum(&product.b, x), k))
            .collect();
        pass.budget
            .spend_entries(rows.iter().map(|(_, product)| product.b.len()).sum());
        seeds.sort_by(|p, q| q.0.total_cmp(&p.0).then(p.1.cmp(&q.1)));
        seeds.truncate(SEEDS);
        for (_, seed) in seeds {
            grow(pass, &rows, seed);
        }
    }
}

fn sum(literals: &[Literal], x: &[f64]) -> f64 {
    literals.iter().map(|y| y.value(x)).sum()
}

/// Grows K from one row, and offers what is violated.
fn grow(pass: &mut Pass<'_, '_>, rows: &[(f64, &Product)], seed: usize) {
    let x = &pass.frame.value;
    let mut chosen = vec![rows[seed].1];
    let mut b = rows[seed].1.b.clone();
    let mut total = rows[seed].0 + sum(&b, x) - 1.0;
    for (k, &(value, product)) in rows.iter().enumerate() {
        if k == seed || chosen.iter().any(|other| other.a == product.a) {
            continue;
        }
        pass.budget
            .spend_entries(b.len() + product.b.len() + chosen.len());
        let mut lost = 0.0;
        let mut common = Vec::with_capacity(b.len());
        for &y in &b {
            if product.b.binary_search(&y).is_ok() {
                common.push(y);
            } else {
                lost += y.value(x);
            }
        }
        if value - lost > GAIN && !common.is_empty() {
            b = common;
            total += value - lost;
            chosen.push(product);
        }
    }
    if total <= params::LEAST_VIOLATION {
        return;
    }
    let mut rhs = 1.0;
    let mut entries: Vec<(Index, f64)> = Vec::new();
    for &y in chosen.iter().map(|product| &product.a).chain(&b) {
        let j = index(y.column());
        if y.is_complemented() {
            rhs -= 1.0;
            entries.push((j, -1.0));
        } else {
            entries.push((j, 1.0));
        }
    }
    for product in &chosen {
        entries.extend(product.n.iter().map(|&(j, c)| (j, -c)));
    }
    entries.sort_unstable_by_key(|&(j, _)| j);
    let mut terms: Vec<(Index, f64)> = Vec::with_capacity(entries.len());
    for (j, value) in entries {
        match terms.last_mut() {
            Some(last) if last.0 == j => last.1 += value,
            _ => terms.push((j, value)),
        }
    }
    terms.retain(|&(_, value)| value != 0.0);
    pass.offer(terms, rhs, Technique::ProductCuts);
}
