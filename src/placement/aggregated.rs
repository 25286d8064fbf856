//! The aggregated model: how many threads of each cell a container gets, and
//! in which company. Exact: an optimum's objective is the least cost.
//!
//! # The model
//!
//! Indices: cell h (see [`super::cells`]) with C_h cores, container k with
//! r_k, rho_k, p_k = rho_k r_k; group g of a level; class o of a cell with |o|
//! cores (see [`super::classes`]). All columns are integers >= 0:
//!
//! ```text
//! n[h,k]  threads of k in h                          <= min(r_k, threads of h)
//! f[h,k]  cores of h wholly k's                      <= floor of half of that
//! m[h,k]  threads of k on cores shared with another  (<= 1, see below)
//! M[h]    shared cores
//! y[g,k]  1 if k is in group g; E[g] load above the even share
//! v[g,k]  threads by which k fell short of P_gk
//! F, S, X, P  cores of class o that keep previous owners, see below
//! ```
//!
//! A thread alone on its core, s = n - 2 f - m, is no column; cells whose
//! cores have one thread have no f, m, M. Cells of cores with more than two
//! threads have the columns of [`wide`] in place of f, m, M, F, S, X, P.
//!
//! ```text
//! sum_h n[h,k] = r_k
//! n >= 2 f + m
//! sum_k (n - f) - M <= C_h                 (= sum_k (f + s) + M)
//! sum_k m = 2 M;   m[k] <= M
//! sum_{h in g} n <= min(|g|, r_k) y[g,k]
//! E[g] >= sum_k rho_k n - tau_g
//! v[g,k] >= P_gk - sum_{h in g} n
//!
//! min  2 A_busy rho f + (A_busy + A_foreign) rho m + slow_h rho n
//!    + A_away rho n (node of h is not home) + S p_k (sum_g y - 1)
//!    + B E + M_level v + M_thread (|P_k| - kept threads)
//! ```
//!
//! There are no columns for pairs of containers: a loopless multigraph with
//! degrees m exists iff their sum is even and none exceeds half of it.
//!
//! **Previous owners.** Cores of class o may be F[o,k] wholly k's (profit:
//! times k occurs in o), S[o,k] with k alone (1), X[{A,B}] shared by A and B
//! (2), P[o,k] shared by k and another (1), each for k in o only, with
//!
//! ```text
//! sum of a class <= |o|;   sum_o F <= f;   sum_o S <= s;   sum_o P + X(k) <= m
//! m - X(k) <= M - X;   sum P + sum X <= M
//! ```
//!
//! (X(k): the X of classes with k; with containers that may not share a core,
//! the last row but one is over each set of them together, and no X is theirs.)
//! They can be pieced together: give each P
//! to a stub of its container, at most M - X in all; put these and as many
//! other stubs as make M - X on one side, the rest on the other: no container
//! has more than M - X stubs, so the sides can be matched without loops.
//!
//! # What makes it tight
//!
//! - *m <= 1* where A_foreign rho_k >= M_thread: of two cores (k,a), (k,b) one
//!   thread of k and of a change places to (k,k), (a,b). That saves 2 A_foreign
//!   rho_k and moves two threads at most, so some optimum has no such pair.
//!   With default weights this holds for every rho >= 50.
//! - *n - f <= C_g y* where r_k is above the cores C_g of group g: alone in g, k
//!   still shares cores with itself. (Bound after 1 s below the best known: e128-75-none
//!   from 23 to 2 %, e192-50-rebalance-churn from 61 to 16 %.)
//! - *f <= floor(min(|g|, r_k) / 2) y*, *m <= y*: the parity that n <= r_k y
//!   does not see.
//! - sum_g y >= the fewest groups that can hold r_k; y_l3 <= y_numa where the
//!   L3 lies in the node. r_k = 1: n stands for y.
//! - v only where P_gk is less than n can be: else v = P_gk - n is a cost of n.
//! - Two groups: a container is split, or the load above the even shares is
//!   what a subset-sum table says (see [`super::partition`]). x96-100-none ends
//!   a grid step below its optimum without it.
//! - *Symmetry.* Alike L3s of a node and alike nodes, none with a previous
//!   owner, are in a fixed order (see [`super::symmetry`]); order of the first
//!   container in each rather than of load raised the bound of e128-100-none
//!   after 1 s from 4 % below the best known to 0.2 %, and halved the nodes of
//!   x96-75-none.
//! - Every column is an integer and the costs are divided by their greatest
//!   common divisor, so a bound may be rounded up to the next integer.

mod levels;
mod points;
mod rule_rows;
pub(super) mod wide;

use branchcut::Model;

use super::cells::{self, Cell};
use super::classes::{self, Claims, Class};
use super::configuration::Range;
use super::counts::State;
use super::problem::{L3, NUMA, Problem};
use super::rows::{Draft, Terms};
use super::rule_rows::Present;
use super::symmetry::{self, Alike};
use levels::{LevelPart, first_container_order, halves, load_order, nesting};
use wide::Wide;

/// The columns of a cell.
#[derive(Clone, Debug, Default)]
struct CellColumns {
    /// n, by container.
    threads: Vec<usize>,
    /// f, by container, where there can be any.
    whole: Vec<Option<usize>>,
    /// m, by container, where there can be any.
    shared: Vec<Option<usize>>,
    /// M.
    shared_cores: Option<usize>,
    /// F, S, X, P: class, state, column.
    kept: Vec<(usize, State, usize)>,
    /// In place of f, m, M and these.
    wide: Option<Wide>,
}

impl CellColumns {
    /// Cores that `k` touches, `scale` times: n - f. In a wide cell at least
    /// so many, or, where a rule counts them, exactly.
    fn touched(&self, k: usize, scale: i64, is_exact: bool) -> Terms {
        match &self.wide {
            Some(wide) => wide.touched(k, scale, is_exact),
            None => {
                let whole = self.whole[k].map(|f| (f, -scale));
                [(self.threads[k], scale)]
                    .into_iter()
                    .chain(whole)
                    .collect()
            }
        }
    }
}

/// A level's columns y, E and v.
#[derive(Clone, Debug, Default)]
struct LevelColumns {
    /// By group, then container.
    used: Vec<Vec<Option<usize>>>,
    /// By group.
    excess: Vec<Option<usize>>,
    /// By group, then container.
    short: Vec<Vec<Option<usize>>>,
}

/// The model of a problem and what its columns mean.
#[derive(Clone, Debug)]
pub(super) struct Aggregated {
    pub(super) cells: Vec<Cell>,
    pub(super) classes: Vec<Vec<Class>>,
    pub(super) claims: Claims,
    /// Groups of cells that are kept in a fixed order.
    pub(super) alike: Vec<Alike>,
    pub(super) model: Model,
    /// cost = constant + divisor x objective.
    pub(super) constant: i64,
    pub(super) divisor: i64,
    columns: usize,
    of_cell: Vec<CellColumns>,
    of_level: [LevelColumns; 2],
    /// z of the rules.
    present: Vec<Present>,
    /// For each container the first of those it may share no core with.
    pub(super) core_sets: Vec<usize>,
}

/// Whether some optimum has `k` on at most one shared core of each cell.
pub(super) fn shares_once(problem: &Problem, k: usize) -> bool {
    let gain = problem.weights.smt_foreign * problem.containers[k].rho;
    // Two partners that must stay apart cannot be put together.
    gain >= problem.weights.movement.thread && !problem.rules.has_core_pairs
}

impl Aggregated {
    /// Builds the model; none where the host has no cells (a core of threads
    /// that differ) or rules of who may share a core that fall into too many
    /// [companies](super::companies). `ranges`: what L3s may hold, as far as is known.
    pub(super) fn build(problem: &Problem, ranges: &[Range]) -> Option<Self> {
        let cells = cells::cells(problem)?;
        let claims = classes::claims(problem);
        let classes: Vec<Vec<Class>> = cells
            .iter()
            .map(|cell| match problem.weights.movement.thread {
                0 => Vec::new(),
                _ => classes::classes(problem, cell, &claims),
            })
            .collect();
        let containers = problem.containers.len();
        let core_sets = problem.rules.core_sets(containers);
        let core_sets = core_sets.unwrap_or_else(|| (0..containers).collect());
        let wide = cells.iter().filter(|cell| cell.is_wide);
        let companies = match wide.map(|cell| cell.width).max() {
            Some(widest) => problem.rules.companies(containers, widest)?,
            None => Vec::new(),
        };
        // Rules may tell alike groups apart.
        let alike = if problem.rules.is_empty() {
            symmetry::alike(problem, &cells)
        } else {
            Vec::new()
        };
        let mut draft = Draft::default();
        let of_cell: Vec<CellColumns> = cells
            .iter()
            .zip(&classes)
            .map(|(cell, classes)| {
                let part = CellPart {
                    problem,
                    cell,
                    classes,
                    core_sets: &core_sets,
                    companies: &companies,
                };
                part.build(&mut draft)
            })
            .collect();
        for (k, container) in problem.containers.iter().enumerate() {
            let all = of_cell.iter().map(|cell| (cell.threads[k], 1)).collect();
            draft.equal(all, container.request as i64);
        }
        let of_level = [L3, NUMA].map(|level| LevelPart {
            problem,
            cells: &cells,
            of_cell: &of_cell,
            level,
        });
        let [l3, numa] = of_level;
        let l3 = l3.build(&mut draft);
        for range in ranges {
            narrow(range, &cells, &of_cell, &l3, &mut draft);
        }
        let of_level = [l3, numa.build(&mut draft)];
        nesting(problem, &of_level, &mut draft);
        halves(problem, &of_level, &mut draft);
        for set in &alike {
            if problem.levels[set.level].spread > 0 {
                first_container_order(problem, set, &cells, &of_cell, &of_level, &mut draft);
            } else {
                load_order(problem, set, &of_cell, &mut draft);
            }
        }
        let present = rule_rows::rule_rows(problem, &cells, &of_cell, &mut draft);
        let previous: usize = problem.containers.iter().map(|k| k.previous().len()).sum();
        draft.constant += problem.weights.movement.thread * previous as i64;
        let columns = draft.columns();
        let constant = draft.constant;
        let (model, divisor) = draft.finish();
        Some(Self {
            cells,
            classes,
            claims,
            alike,
            model,
            constant,
            divisor,
            columns,
            of_cell,
            of_level,
            present,
            core_sets,
        })
    }
}

/// An L3 holds no more and no less than `range` says.
fn narrow(
    range: &Range,
    cells: &[Cell],
    of_cell: &[CellColumns],
    l3: &LevelColumns,
    draft: &mut Draft,
) {
    let own = || (0..cells.len()).filter(|&h| cells[h].group[L3] == range.group);
    for (k, &[least, most]) in range.threads.iter().enumerate() {
        for h in own() {
            let cell = &of_cell[h];
            draft.narrow(cell.threads[k], 0, most);
            if let Some(f) = cell.whole[k] {
                draft.narrow(f, 0, most / 2);
            }
            if let Some(m) = cell.shared[k] {
                draft.narrow(m, 0, most);
            }
        }
        if least > 0 {
            let all = own().map(|h| (of_cell[h].threads[k], 1));
            draft.at_least(all.collect(), least);
        }
        if let Some(y) = l3.used[range.group][k] {
            draft.narrow(y, least.min(1), most.min(1));
        }
    }
}

/// Builds the columns and rows of one cell.
struct CellPart<'a> {
    problem: &'a Problem,
    cell: &'a Cell,
    classes: &'a [Class],
    core_sets: &'a [usize],
    companies: &'a [Vec<usize>],
}

impl CellPart<'_> {
    fn build(&self, draft: &mut Draft) -> CellColumns {
        let Self { problem, cell, .. } = *self;
        let weights = &problem.weights;
        let mut columns = CellColumns::default();
        for container in &problem.containers {
            let most = container.request.min(cell.threads());
            let elsewhere = problem.threads.len() - cell.threads();
            let least = container.request.saturating_sub(elsewhere);
            let mut cost = cell.slow * container.rho;
            if container.away[cell.group[NUMA]] {
                cost += weights.away * container.rho;
            }
            let n = draft.column('n', cost, least as i64, most as i64);
            columns.threads.push(n);
        }
        columns.whole = vec![None; problem.containers.len()];
        columns.shared = columns.whole.clone();
        if cell.is_wide {
            let source = wide::Source {
                problem,
                cell,
                classes: self.classes,
                companies: self.companies,
                threads: &columns.threads,
            };
            columns.wide = Some(source.build(draft));
            return columns;
        }
        if cell.width == 2 {
            self.pairs(&mut columns, draft);
        }
        class_columns(problem, cell, self.classes, &mut columns, draft);
        cell_rows(cell, self.classes, self.core_sets, &columns, draft);
        columns
    }

    /// f, m and M of a cell of two threads a core.
    fn pairs(&self, columns: &mut CellColumns, draft: &mut Draft) {
        let (problem, cores) = (self.problem, self.cell.cores.len());
        let weights = &problem.weights;
        for (k, container) in problem.containers.iter().enumerate() {
            let most = container.request.min(self.cell.threads());
            columns.whole[k] = (most >= 2).then(|| {
                let cost = 2 * weights.smt_busy * container.rho;
                draft.column('f', cost, 0, (most / 2) as i64)
            });
            let may_share = problem.containers.len() > 1 && !problem.rules.is_core_alone(k);
            columns.shared[k] = may_share.then(|| {
                let cost = (weights.smt_busy + weights.smt_foreign) * container.rho;
                let most = if shares_once(problem, k) {
                    1
                } else {
                    most.min(cores)
                };
                draft.column('m', cost, 0, most as i64)
            });
        }
        if columns.shared.iter().any(Option::is_some) {
            columns.shared_cores = Some(draft.column('M', 0, 0, cores as i64));
        }
    }
}

/// F, S, X and P of a cell, as far as they are of use.
fn class_columns(
    problem: &Problem,
    cell: &Cell,
    classes: &[Class],
    columns: &mut CellColumns,
    draft: &mut Draft,
) {
    let profit = problem.weights.movement.thread;
    for (index, class) in classes.iter().enumerate() {
        let size = class.cores.len();
        let mut add = |letter, state, threads: usize, most: usize| {
            if most > 0 {
                let cost = -profit * threads as i64;
                let column = draft.column(letter, cost, 0, most as i64);
                columns.kept.push((index, state, column));
            }
        };
        for k in class.distinct() {
            let most = problem.containers[k].request.min(cell.threads());
            add('S', State::Lone(k), 1, size.min(most));
            if columns.whole[k].is_some() {
                add('F', State::Whole(k), class.count(k), size.min(most / 2));
            }
            if columns.shared[k].is_some() {
                let most = if shares_once(problem, k) { 1 } else { most };
                add('P', State::Part(k), 1, size.min(most));
            }
        }
        if let Some((a, b)) = class.pair()
            && columns.shared[a].is_some()
            && columns.shared[b].is_some()
            && !problem.rules.is_core_apart(a, b)
        {
            let request = |k: usize| match shares_once(problem, k) {
                true => 1,
                false => problem.containers[k].request,
            };
            add('X', State::Both, 2, size.min(request(a)).min(request(b)));
        }
    }
}

/// Rows of a cell.
fn cell_rows(
    cell: &Cell,
    classes: &[Class],
    core_sets: &[usize],
    columns: &CellColumns,
    draft: &mut Draft,
) {
    let containers = core_sets.len();
    let cores = cell.cores.len() as i64;
    let mut lone: Vec<Terms> = columns.threads.iter().map(|&n| vec![(n, 1)]).collect();
    let mut whole: Vec<Terms> = vec![Terms::new(); containers];
    let mut part: Vec<Terms> = vec![Terms::new(); containers];
    let mut both: Vec<Terms> = vec![Terms::new(); containers];
    let mut claimed: Vec<Terms> = vec![Terms::new(); classes.len()];
    let mut all_both = Terms::new();
    let mut all_part = Terms::new();
    for &(class, state, column) in &columns.kept {
        claimed[class].push((column, 1));
        match state {
            State::Whole(k) => whole[k].push((column, 1)),
            State::Lone(k) => lone[k].push((column, -1)),
            State::Part(k) => {
                part[k].push((column, 1));
                all_part.push((column, 1));
            }
            State::Both => {
                for k in classes[class].distinct() {
                    both[k].push((column, 1));
                }
                all_both.push((column, 1));
            }
        }
    }
    for (class, terms) in classes.iter().zip(claimed) {
        draft.at_most(terms, class.cores.len() as i64);
    }

    let mut occupied: Terms = columns.threads.iter().map(|&n| (n, 1)).collect();
    for k in 0..containers {
        // S <= s = n - 2 f - m
        if let Some(f) = columns.whole[k] {
            lone[k].push((f, -2));
            occupied.push((f, -1));
            if !whole[k].is_empty() {
                whole[k].push((f, -1));
                draft.at_most(std::mem::take(&mut whole[k]), 0);
            }
        }
        if let Some(m) = columns.shared[k] {
            lone[k].push((m, -1));
        }
        if lone[k].len() > 1 {
            draft.at_least(std::mem::take(&mut lone[k]), 0);
        }
    }
    if let Some(total) = columns.shared_cores {
        occupied.push((total, -1));
        let mut degrees: Terms = columns.shared.iter().flatten().map(|&m| (m, 1)).collect();
        degrees.push((total, -2));
        draft.equal(degrees, 0);
        for k in 0..containers {
            let Some(m) = columns.shared[k] else { continue };
            // P + X(k) <= m
            let mut kept = std::mem::take(&mut part[k]);
            kept.extend(&both[k]);
            if !kept.is_empty() {
                kept.push((m, -1));
                draft.at_most(kept, 0);
            }
            // m - X(k) + X - M <= 0, for containers that are apart together
            if core_sets[k] != k {
                continue;
            }
            let mut degree = vec![(m, 1), (total, -1)];
            degree.extend(&all_both);
            degree.extend(both[k].iter().map(|&(column, _)| (column, -1)));
            for j in (k + 1..containers).filter(|&j| core_sets[j] == k) {
                degree.extend(columns.shared[j].map(|m| (m, 1)));
                degree.extend(both[j].iter().map(|&(column, _)| (column, -1)));
            }
            draft.at_most(degree, 0);
        }
        all_part.extend(all_both);
        if !all_part.is_empty() {
            all_part.push((total, -1));
            draft.at_most(all_part, 0);
        }
    }
    draft.at_most(occupied, cores);
}
