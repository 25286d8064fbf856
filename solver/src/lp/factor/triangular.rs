//! Solves with a triangular factor, dense or hypersparse.
//!
//! Every factor is kept as lines by node (a row): once the value at node r is
//! final (divided by its diagonal), line r says from which nodes which multiple
//! is subtracted. A solve visits nodes in a topological order:
//!
//! - *in order*: all nodes in the factor's own order, skipping zeros;
//! - *by search*: where few nodes are nonzero, the nodes that they reach are
//!   found first by depth-first search, and the reverse of its finishing order
//!   is topological (J. Gilbert and T. Peierls 1988, "Sparse partial pivoting
//!   in time proportional to arithmetic operations"; J. Hall and K. McKinnon
//!   2005, "Hyper-sparsity in the revised simplex method").

use super::lines::Lines;
use crate::lp::sparse_vector::SparseVector;
use crate::sparse::Index;

/// Values of at most this are round-off and dropped.
pub(super) const TINY: f64 = 1e-14;

/// A solve searches where at most one node in so many is nonzero at its start.
const SEARCH_START: usize = 20;

/// And where results of the kind have lately had at most this density.
const SEARCH_RESULT: f64 = 0.1;

/// Weight of the last result in the running density.
pub(super) const DENSITY_WEIGHT: f64 = 0.1;

/// Scratch of the search, and the density that results of a kind have.
#[derive(Clone, Debug, Default)]
pub(super) struct Search {
    marked: Vec<bool>,
    /// Finishing order.
    finished: Vec<Index>,
    /// Node and how far into its line.
    stack: Vec<(Index, u32)>,
}

impl Search {
    pub(super) fn reset(&mut self, nodes: usize) {
        self.marked.clear();
        self.marked.resize(nodes, false);
    }

    /// Nodes reached from `roots`, in finishing order.
    fn reach(&mut self, lines: &Lines, roots: &[Index]) -> usize {
        self.finished.clear();
        let mut touched = 0;
        for &root in roots {
            if self.marked[root as usize] {
                continue;
            }
            self.marked[root as usize] = true;
            self.stack.push((root, 0));
            while let Some((node, at)) = self.stack.pop() {
                let targets = lines.get(node as usize).0;
                let mut next = at as usize;
                let mut child = None;
                while next < targets.len() {
                    let target = targets[next];
                    next += 1;
                    if !self.marked[target as usize] {
                        child = Some(target);
                        break;
                    }
                }
                touched += next - at as usize + 1;
                match child {
                    Some(target) => {
                        #[expect(clippy::cast_possible_truncation, reason = "within a line")]
                        self.stack.push((node, next as u32));
                        self.marked[target as usize] = true;
                        self.stack.push((target, 0));
                    }
                    None => self.finished.push(node),
                }
            }
        }
        touched
    }
}

/// Solves in place; `order` lists the nodes in topological order (`NONE`s are
/// skipped). `is_listed`: whether `x.indices` is right, before and after.
/// Returns the entries touched.
pub(super) fn solve<'a>(
    lines: &Lines,
    diagonal: Option<&[f64]>,
    order: impl Iterator<Item = &'a Index>,
    x: &mut SparseVector,
    is_listed: &mut bool,
    search: &mut Search,
    density: &mut f64,
) -> u64 {
    let nodes = x.values.len();
    let mut touched = 0;
    if *is_listed && x.indices.len() * SEARCH_START <= nodes && *density <= SEARCH_RESULT {
        touched += search.reach(lines, &x.indices);
        x.indices.clear();
        for at in (0..search.finished.len()).rev() {
            let node = search.finished[at];
            search.marked[node as usize] = false;
            touched += step(lines, diagonal, node as usize, &mut x.values);
            if x.values[node as usize] != 0.0 {
                x.indices.push(node);
            }
        }
    } else {
        for &node in order {
            if node != NONE && x.values[node as usize] != 0.0 {
                touched += step(lines, diagonal, node as usize, &mut x.values);
            }
        }
        touched += nodes / 4;
        *is_listed = false;
    }
    if *is_listed {
        let result = x.indices.len() as f64 / nodes.max(1) as f64;
        *density += DENSITY_WEIGHT * (result - *density);
        if result > SEARCH_RESULT {
            // One failure is enough: a search costs more than a solve in order.
            *density = density.max(result);
        }
    }
    touched as u64
}

/// No node.
pub(super) const NONE: Index = Index::MAX;

#[inline(always)]
fn step(lines: &Lines, diagonal: Option<&[f64]>, node: usize, values: &mut [f64]) -> usize {
    let mut x = values[node];
    if x.abs() <= TINY {
        values[node] = 0.0;
        return 1;
    }
    if let Some(diagonal) = diagonal {
        x /= diagonal[node];
        values[node] = x;
    }
    let (targets, factors) = lines.get(node);
    for (&target, &factor) in targets.iter().zip(factors) {
        values[target as usize] -= factor * x;
    }
    targets.len() + 1
}
