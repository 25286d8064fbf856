//! Clique merging: set packing rows made longer, so that they say what other
//! rows say.
//!
//! A row `sum w x_j - sum w x_k <= w (1 - |K|)` of binaries is a clique, at most
//! one of its literals true. A literal that conflicts with each of them (in
//! cliques of whatever rows) can join. Every other such row whose literals all
//! lie in the longer clique then goes. Where one of them is an equation,
//! exactly one of its literals is true and the clique's other literals are
//! false; where the row itself is one, whatever could join is false.
//!
//! One row of n literals in place of the n (n - 1) / 2 rows of its edges also
//! has a far tighter relaxation. A row is made longer only if that removes
//! another one.
//!
//! Source: T. Achterberg et al. 2020, section 5.3; A. Atamtürk, G. Nemhauser,
//! M. Savelsbergh 2000, "Conflict graphs in solving integer programming
//! problems", section 3.

use crate::mip::Mip;
use crate::structure::cliques::{Builder, Cliques, Literal};
use crate::tol;

use super::Count;
use super::state::{State, Step};

/// Ticks for each entry of the problem, and in all.
const TICKS_PER_ENTRY: u64 = 20;
const LEAST_TICKS: u64 = 100_000;

/// Cliques of more literals are left as they are.
const LONGEST: usize = 1000;

/// Candidates to join a clique, at most: more are not looked at at all.
const LARGEST_REACH: usize = 3000;

/// The literals of row `i`, if it is a clique by itself; and whether it is an
/// equation.
fn as_clique(mip: &Mip, i: usize) -> Option<(Vec<Literal>, bool)> {
    let (columns, values) = mip.by_row.get(i);
    let weight = values.first()?.abs();
    let (lower, upper) = (mip.row_lower[i], mip.row_upper[i]);
    let same = |a: f64| (a.abs() - weight).abs() <= tol::ROUND_OFF * weight;
    if columns.len() < 2 || !values.iter().all(|&a| same(a)) {
        return None;
    }
    for (sign, side, other) in [(1.0, upper, lower), (-1.0, -lower, -upper)] {
        let negative = values.iter().filter(|&&a| sign * a < 0.0).count();
        #[expect(clippy::cast_precision_loss, reason = "a count")]
        let one = 1.0 - negative as f64;
        let is_one = (side / weight - one).abs() <= tol::BOUND_SAFETY;
        // The other side says nothing, or the same.
        let is_equation = lower >= upper;
        if is_one && (is_equation || other.is_infinite()) {
            let literal = |(&j, &a): (&u32, &f64)| Literal::new(j as usize, sign * a < 0.0);
            let all_binary = columns.iter().all(|&j| {
                mip.is_binary(j as usize) && mip.lower[j as usize] < mip.upper[j as usize]
            });
            return all_binary.then(|| {
                (
                    columns.iter().zip(values).map(literal).collect(),
                    is_equation,
                )
            });
        }
    }
    None
}

/// Extends clique rows and removes those that follow.
pub(super) fn merge(state: &mut State<'_>) -> Step {
    let (mip, kept) = state.snapshot();
    let rows: Vec<usize> = (0..state.is_row.len())
        .filter(|&i| state.is_row[i])
        .collect();
    let mut builder = Builder::default();
    let mut weights = Vec::new();
    // By clique: the live row that it is, if it is one.
    let mut row_of: Vec<Option<usize>> = Vec::new();
    for (r, &i) in rows.iter().enumerate() {
        state.spend(mip.by_row.count(r))?;
        if let Some((literals, is_equation)) = as_clique(&mip, r) {
            builder.add(literals, is_equation);
            row_of.resize(builder.len(), Some(i));
        } else {
            builder.add_row(&mip, r, &mut weights);
            row_of.resize(builder.len(), None);
        }
    }
    let cliques = builder.finish(mip.columns());
    let limit = state.budget.ticks()
        + LEAST_TICKS
        + TICKS_PER_ENTRY * (mip.by_row.nonzeros() + cliques.nonzeros()) as u64;
    let literals = 2 * mip.columns();
    let mut merger = Merger {
        cliques: &cliques,
        is_touched: vec![false; literals],
        touched: Vec::new(),
        shared: vec![0; cliques.len()],
        is_false: vec![false; literals],
    };
    let mut order: Vec<usize> = (0..cliques.len())
        .filter(|&c| row_of[c].is_some())
        .collect();
    order.sort_by_key(|&c| (std::cmp::Reverse(cliques.literals(c).len()), c));
    for c in order {
        if state.budget.ticks() > limit || state.is_exhausted() {
            break;
        }
        if let Some(row) = row_of[c] {
            merger.extend(state, c, row, &mut row_of, &kept)?;
        }
    }
    for k in 0..literals {
        if merger.is_false[k] {
            let literal = Literal::of_index(k);
            let j = kept[literal.column()] as usize;
            state.log.add(Count::CliqueFixed);
            if literal.is_complemented() {
                state.raise_lower(j, 1.0)?;
            } else {
                state.drop_upper(j, 0.0)?;
            }
        }
    }
    Ok(())
}

struct Merger<'a> {
    cliques: &'a Cliques,
    /// By literal: whether it is in `touched`, the candidates to join.
    is_touched: Vec<bool>,
    touched: Vec<Literal>,
    /// By clique: how many of its literals are in the longer one.
    shared: Vec<u32>,
    is_false: Vec<bool>,
}

impl Merger<'_> {
    /// Extends clique `c`, which is `row`.
    fn extend(
        &mut self,
        state: &mut State<'_>,
        c: usize,
        row: usize,
        row_of: &mut [Option<usize>],
        kept: &[u32],
    ) -> Step {
        let own = self.cliques.literals(c);
        if own.len() > LONGEST {
            return Ok(());
        }
        let mut joined = self.joining(state, own)?;
        if self.cliques.is_equation(c) {
            for &y in &joined {
                self.is_false[y.index()] = true;
            }
            joined.clear();
        }
        // Cliques that lie in the longer one.
        let mut covered = Vec::new();
        let mut seen = Vec::new();
        for &y in own.iter().chain(&joined) {
            let of = self.cliques.of_literal(y);
            state.spend(of.len())?;
            for &d in of {
                let shared = &mut self.shared[d as usize];
                if *shared == 0 {
                    seen.push(d);
                }
                *shared += 1;
            }
        }
        for &d in &seen {
            let all = self.cliques.literals(d as usize).len();
            if self.shared[d as usize] as usize == all && d as usize != c {
                covered.push(d as usize);
            }
            self.shared[d as usize] = 0;
        }
        covered.retain(|&d| row_of[d].is_some());
        if covered.is_empty() {
            return Ok(());
        }
        // An equation stays, and empties the rest.
        if let Some(&equation) = covered.iter().find(|&&d| self.cliques.is_equation(d)) {
            let inside = self.cliques.literals(equation);
            for &y in own.iter().chain(&joined) {
                if inside.binary_search(&y).is_err() {
                    self.is_false[y.index()] = true;
                }
            }
            // Row c follows from it.
            state.log.add(Count::Clique);
            state.kill_row(row)?;
            row_of[c] = None;
            return Ok(());
        }
        for d in covered {
            if let Some(other) = row_of[d].take() {
                state.log.add(Count::Clique);
                state.kill_row(other)?;
            }
        }
        if !joined.is_empty() {
            set_clique(state, row, own, &joined, kept)?;
        }
        // Longer than the structure knows: not to be extended again.
        row_of[c] = None;
        Ok(())
    }

    /// Literals that conflict with all of `own` and with each other, greedily.
    fn joining(&mut self, state: &mut State<'_>, own: &[Literal]) -> Step<Vec<Literal>> {
        // What conflicts with all conflicts with the one of fewest neighbours.
        let reach = |y: Literal| -> usize {
            let of = self.cliques.of_literal(y).iter();
            of.map(|&d| self.cliques.literals(d as usize).len()).sum()
        };
        let mut least = (usize::MAX, None);
        for &y in own {
            state.spend(self.cliques.of_literal(y).len())?;
            least = least.min((reach(y), Some(y)));
        }
        let (reach, Some(first)) = least else {
            return Ok(Vec::new());
        };
        if reach > LARGEST_REACH {
            return Ok(Vec::new());
        }
        state.spend(reach)?;
        for &d in self.cliques.of_literal(first) {
            for &z in self.cliques.literals(d as usize) {
                if !self.is_touched[z.index()] {
                    self.is_touched[z.index()] = true;
                    self.touched.push(z);
                }
            }
        }
        let mut joined: Vec<Literal> = Vec::new();
        self.touched.sort_unstable();
        for at in 0..self.touched.len() {
            let z = self.touched[at];
            self.is_touched[z.index()] = false;
            if joined.len() + own.len() >= LONGEST {
                continue;
            }
            state.spend(own.len())?;
            let is_new = !own.iter().any(|y| y.column() == z.column());
            let mut looks = 0;
            let mut fits = |y: &Literal| {
                looks += 4;
                y.column() != z.column() && self.cliques.are_adjacent(*y, z)
            };
            if is_new && own.iter().all(&mut fits) && joined.iter().all(&mut fits) {
                joined.push(z);
            }
            state.spend(looks)?;
        }
        self.touched.clear();
        Ok(joined)
    }
}

/// Makes `row` the clique of `own` and `joined`.
fn set_clique(
    state: &mut State<'_>,
    row: usize,
    own: &[Literal],
    joined: &[Literal],
    kept: &[u32],
) -> Step {
    let negative = own
        .iter()
        .chain(joined)
        .filter(|y| y.is_complemented())
        .count();
    let coefficient = |y: Literal| if y.is_complemented() { -1.0 } else { 1.0 };
    let first = own.first().map(|&y| (kept[y.column()], coefficient(y)));
    let is_as_is = first.is_some_and(|first| state.row(row).contains(&first));
    for &y in own {
        if !is_as_is {
            state.set_entry(row, kept[y.column()] as usize, coefficient(y));
        }
    }
    for &y in joined {
        let j = kept[y.column()] as usize;
        state.add_entry(row, j, coefficient(y));
    }
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let side = 1.0 - negative as f64;
    state.row_lower[row] = f64::NEG_INFINITY;
    state.row_upper[row] = side;
    state.touch_row(row);
    state.touch_columns_of(row)
}
