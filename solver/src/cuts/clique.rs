//! Clique cuts: of literals that pairwise exclude each other at most one is
//! true.
//!
//! On the conflict graph of the literals that are fractional in the relaxation,
//! weights their values, a clique of weight above 1 is looked for from every
//! literal: greedily by weight, then by branch and bound with the sum of the
//! candidates' weights as the bound and a limit on nodes. A found clique is
//! extended by literals at zero.
//!
//! Source: E. Johnson, M. Padberg 1982 (clique inequalities); A. Atamtürk, G.
//! Nemhauser, M. Savelsbergh 2000, "Conflict graphs in solving integer
//! programming problems".

use super::params;
use super::pass::Pass;
use crate::sparse::Index;
use crate::structure::{Cliques, Literal};
use crate::technique::Technique;

/// Fractional literals taken into the graph, at most: heaviest first.
const LITERALS: usize = 600;

/// Branch and bound nodes for each start literal, and cliques a round.
const NODES: usize = 200;
/// See [`NODES`].
const FOUND: usize = 200;

/// How much above 1 the weight must be.
const EXCESS: f64 = 1e-3;

/// The conflict graph of some literals.
struct Graph {
    literals: Vec<Literal>,
    weights: Vec<f64>,
    /// By literal: bits of its neighbours.
    adjacent: Vec<Vec<u64>>,
}

impl Graph {
    fn of(pass: &mut Pass<'_, '_>, cliques: &Cliques) -> Self {
        let frame = pass.frame;
        let mut weighted: Vec<(f64, Literal)> = Vec::new();
        for j in 0..frame.columns {
            let x = frame.value[j];
            if !frame.mip.is_binary(j)
                || !(params::FRACTIONAL..=1.0 - params::FRACTIONAL).contains(&x)
            {
                continue;
            }
            for (is_complemented, value) in [(false, x), (true, 1.0 - x)] {
                let literal = Literal::new(j, is_complemented);
                if !cliques.of_literal(literal).is_empty() {
                    weighted.push((value, literal));
                }
            }
        }
        weighted.sort_by(|p, q| q.0.total_cmp(&p.0).then(p.1.cmp(&q.1)));
        weighted.truncate(LITERALS);
        let count = weighted.len();
        let mut position = vec![usize::MAX; 2 * frame.columns];
        for (k, (_, literal)) in weighted.iter().enumerate() {
            position[literal.index()] = k;
        }
        let mut graph = Self {
            literals: weighted.iter().map(|&(_, literal)| literal).collect(),
            weights: weighted.iter().map(|&(weight, _)| weight).collect(),
            adjacent: vec![vec![0; count.div_ceil(64)]; count],
        };
        for k in 0..count {
            if pass.is_spent() {
                break;
            }
            for &c in cliques.of_literal(graph.literals[k]) {
                let literals = cliques.literals(c as usize);
                pass.budget.spend_entries(literals.len());
                for other in literals {
                    let p = position[other.index()];
                    if p != usize::MAX && p != k {
                        graph.adjacent[k][p / 64] |= 1 << (p % 64);
                    }
                }
            }
        }
        graph
    }

    fn neighbours(&self, k: usize) -> impl Iterator<Item = usize> + '_ {
        self.adjacent[k].iter().enumerate().flat_map(|(w, &word)| {
            (0..64)
                .filter(move |b| word >> b & 1 == 1)
                .map(move |b| 64 * w + b)
        })
    }

    fn are_adjacent(&self, p: usize, q: usize) -> bool {
        self.adjacent[p][q / 64] >> (q % 64) & 1 == 1
    }
}

/// The search for the heaviest clique that extends a partial one.
struct Heaviest<'g> {
    graph: &'g Graph,
    nodes: usize,
    now: Vec<usize>,
    weight: f64,
    best: Vec<usize>,
    best_weight: f64,
}

impl Heaviest<'_> {
    fn search(&mut self, candidates: &[usize]) {
        if self.weight > self.best_weight {
            self.best_weight = self.weight;
            self.best.clone_from(&self.now);
        }
        let mut left: f64 = candidates.iter().map(|&k| self.graph.weights[k]).sum();
        for (at, &k) in candidates.iter().enumerate() {
            if self.nodes == 0 || self.weight + left <= self.best_weight + EXCESS {
                return;
            }
            self.nodes -= 1;
            let rest: Vec<usize> = candidates[at + 1..]
                .iter()
                .copied()
                .filter(|&other| self.graph.are_adjacent(k, other))
                .collect();
            self.now.push(k);
            self.weight += self.graph.weights[k];
            self.search(&rest);
            self.weight -= self.graph.weights[k];
            self.now.pop();
            left -= self.graph.weights[k];
        }
    }
}

/// Finds clique cuts.
pub(crate) fn separate(pass: &mut Pass<'_, '_>, cliques: &Cliques) {
    if cliques.len() == 0 {
        return;
    }
    pass.budget.spend_entries(pass.frame.columns);
    let graph = Graph::of(pass, cliques);
    let mut is_covered = vec![false; graph.literals.len()];
    let mut found = 0;
    for start in 0..graph.literals.len() {
        if pass.is_spent() || found >= FOUND {
            return;
        }
        if is_covered[start] {
            continue;
        }
        // Heaviest first, as literals are numbered.
        let candidates: Vec<usize> = graph.neighbours(start).collect();
        let total: f64 = candidates.iter().map(|&k| graph.weights[k]).sum();
        if graph.weights[start] + total <= 1.0 + EXCESS {
            continue;
        }
        let mut search = Heaviest {
            graph: &graph,
            nodes: NODES,
            now: vec![start],
            weight: graph.weights[start],
            best: Vec::new(),
            best_weight: 1.0 + EXCESS,
        };
        search.search(&candidates);
        let work = (NODES - search.nodes + 1) * (candidates.len() + 1);
        let best = search.best;
        pass.budget.spend_entries(work);
        if best.is_empty() {
            continue;
        }
        for &k in &best {
            is_covered[k] = true;
        }
        let mut clique: Vec<Literal> = best.iter().map(|&k| graph.literals[k]).collect();
        extend(pass, cliques, &mut clique);
        let mut terms: Vec<(Index, f64)> = Vec::with_capacity(clique.len());
        let mut rhs = 1.0;
        for literal in clique {
            let j = crate::sparse::index(literal.column());
            if literal.is_complemented() {
                rhs -= 1.0;
                terms.push((j, -1.0));
            } else {
                terms.push((j, 1.0));
            }
        }
        terms.sort_unstable_by_key(|&(j, _)| j);
        found += usize::from(pass.offer(terms, rhs, Technique::CliqueCuts));
    }
}

/// Adds literals that exclude all of `clique`.
fn extend(pass: &mut Pass<'_, '_>, cliques: &Cliques, clique: &mut Vec<Literal>) {
    let Some(&rarest) = clique
        .iter()
        .min_by_key(|literal| cliques.of_literal(**literal).len())
    else {
        return;
    };
    let mut candidates: Vec<Literal> = Vec::new();
    for &c in cliques.of_literal(rarest) {
        candidates.extend_from_slice(cliques.literals(c as usize));
    }
    candidates.sort_unstable();
    candidates.dedup();
    for candidate in candidates {
        if pass.is_spent() {
            return;
        }
        pass.budget.spend_entries(4 * clique.len());
        if clique.iter().all(|&member| {
            member.column() != candidate.column() && cliques.are_adjacent(member, candidate)
        }) {
            clique.push(candidate);
        }
    }
}
