//! Wide cells: the columns of a cell whose cores have more than two threads,
//! or on which patterns of containers stay apart.
//!
//! A core is *lone* (one thread in use), *busy* (one container, any number of its
//! threads) or *mixed* (anybody of a company u, see [`super::super::companies`]).
//! Columns of a cell of C cores of w threads, integers >= 0:
//!
//! ```text
//! s[k]    lone cores of k
//! b[k]    busy cores of k
//! M[u]    mixed cores of company u
//! q[u,k]  threads of k on them, k in u
//!
//! sum_k (s + b) + sum_u M <= C
//! 0 <= n - s - sum_u q <= w b
//! sum_k q[u,k] <= w M[u];   q[u,k] <= (w - 1) M[u]
//! cost  A_busy rho (n - s) + A_foreign rho sum_u q
//! ```
//!
//! *Exact.* A placement gives a point of its own cost: a core with two
//! containers is counted to a company that has both. A point gives a placement
//! that costs no more: fill the busy cores of k and the mixed cores of u in any
//! way, which fits since all threads are alike. A mixed core that ends up with one
//! container, a busy one with one thread, costs less than was charged.
//!
//! **Previous owners.** With p_k the threads that k had on a core of class o,
//! cores of the class are counted as lone ones of k (S[o,k], profit 1), busy
//! ones of k (B[o,k]) or mixed ones (X[o,u]); and threads kept on busy and on
//! mixed cores by H[k] and G[u,k] (profit 1 each):
//!
//! ```text
//! sum_k (S + B) + sum_u X <= |o|
//! sum_o S <= s;   sum_o B <= b;   sum_o X[o,u] <= M[u]
//! H[k] <= n - s - sum_u q,   sum_o p_k(o) B[o,k];   G[u,k] <= q[u,k],   sum_o p_k(o) X[o,u]
//! ```
//!
//! They can be pieced together: H can be dealt out to the busy cores of k so that
//! each gets at most p_k, and the threads that are left fit on what is left of
//! them; likewise G on the mixed cores, where sum_k p_k <= w.
//!
//! **Rules by core.** Who is apart from all is in no company. Where the cores that k
//! touches are counted, or must be wholly k's, a cell of w > 2 is one core
//! (see [`super::super::cells`]), and
//!
//! ```text
//! x[k] in {0,1},  sum_u q <= (w - 1) x     touched: s + b + x
//! d[k] in {0,1},  w (s + b) - n <= (w - 1) d     not wholly k's
//! ```
//!
//! With w = 2 every mixed thread touches a core of its own and 2 (s + b) - n
//! threads of k's cores are not k's, so neither column is needed.
//!
//! **What makes it tight.** r threads of k leave f = r mod w for a core that is
//! not full; mixed-integer rounding (Nemhauser and Wolsey 1990) of n - s - sum q <= w b:
//!
//! ```text
//! (r - n) + s + sum_u q + f b >= f ceil(r / w)
//! ```

mod points;
#[cfg(test)]
mod tests;

use super::super::cells::Cell;
use super::super::classes::Class;
use super::super::counts::State;
use super::super::labels::Labels;
use super::super::problem::Problem;
use super::super::rows::{Draft, Terms};

/// The columns of a wide cell.
#[derive(Clone, Debug)]
pub(super) struct Wide {
    width: usize,
    /// s, by container.
    lone: Vec<usize>,
    /// b, by container, where there can be any.
    busy: Vec<Option<usize>>,
    /// H, by container, where it had threads here.
    kept_busy: Vec<Option<usize>>,
    mixed: Vec<Mixed>,
    /// x, by container, where needed.
    touched: Vec<Option<usize>>,
    /// d, by container, where needed.
    partly: Vec<Option<usize>>,
    /// S and B: class, state, column.
    kept: Vec<(usize, State, usize)>,
}

/// The columns of a company.
#[derive(Clone, Debug)]
struct Mixed {
    /// M.
    cores: usize,
    /// k, q and, where it had threads here, G.
    members: Vec<(usize, usize, Option<usize>)>,
    /// X: class, column.
    kept: Vec<(usize, usize)>,
}

/// What a wide cell is made of.
pub(super) struct Source<'a> {
    pub(super) problem: &'a Problem,
    pub(super) cell: &'a Cell,
    pub(super) classes: &'a [Class],
    pub(super) companies: &'a [Vec<usize>],
    /// n, by container.
    pub(super) threads: &'a [usize],
}

impl Source<'_> {
    /// Most threads of `k` in the cell.
    fn most(&self, k: usize) -> usize {
        let request = self.problem.containers[k].request;
        request.min(self.cell.threads())
    }

    /// Threads of the cell that `k` had.
    fn had(&self, k: usize) -> usize {
        let had = |class: &Class| class.count(k) * class.cores.len();
        self.classes.iter().map(had).sum()
    }

    /// A column for threads kept, if there can be any.
    fn keep(&self, draft: &mut Draft, letter: char, k: usize) -> Option<usize> {
        let most = self.had(k).min(self.most(k));
        let profit = self.problem.weights.movement.thread;
        (most > 0).then(|| draft.column(letter, -profit, 0, most as i64))
    }

    /// Adds columns and rows.
    pub(super) fn build(&self, draft: &mut Draft) -> Wide {
        let containers = self.threads.len();
        let rules = &self.problem.rules;
        let mut wide = Wide {
            width: self.cell.width,
            lone: Vec::with_capacity(containers),
            busy: Vec::with_capacity(containers),
            kept_busy: Vec::with_capacity(containers),
            mixed: Vec::with_capacity(self.companies.len()),
            touched: vec![None; containers],
            partly: vec![None; containers],
            kept: Vec::new(),
        };
        let cores = self.cell.cores.len();
        for (k, container) in self.problem.containers.iter().enumerate() {
            let busy = self.problem.weights.smt_busy * container.rho;
            draft.charge(self.threads[k], busy);
            let most = self.most(k);
            wide.lone
                .push(draft.column('s', -busy, 0, most.min(cores) as i64));
            let some = (most > 1).then(|| draft.column('b', 0, 0, (most / 2).min(cores) as i64));
            wide.busy.push(some);
            wide.kept_busy
                .push(some.and_then(|_| self.keep(draft, 'H', k)));
        }
        for company in self.companies {
            let mixed = self.mixed(company, draft);
            wide.mixed.push(mixed);
        }
        if self.cell.width > 2 {
            for &(k, _) in &rules.socket_cores {
                wide.touched[k] = Some(draft.column('x', 0, 0, 1));
            }
            for &k in &rules.whole {
                wide.partly[k] = Some(draft.column('d', 0, 0, 1));
            }
        }
        self.class_rows(&mut wide, draft);
        for k in 0..containers {
            self.container_rows(&wide, k, draft);
        }
        let singles = wide.lone.iter().chain(wide.busy.iter().flatten());
        let mut used: Terms = singles.map(|&column| (column, 1)).collect();
        used.extend(wide.mixed.iter().map(|mixed| (mixed.cores, 1)));
        draft.at_most(used, cores as i64);
        wide
    }

    fn mixed(&self, company: &[usize], draft: &mut Draft) -> Mixed {
        let (cores, width) = (self.cell.cores.len(), self.cell.width);
        let column = draft.column('M', 0, 0, cores as i64);
        let mut all = vec![(column, -(width as i64))];
        let mut members = Vec::with_capacity(company.len());
        for &k in company {
            let foreign = self.problem.weights.smt_foreign * self.problem.containers[k].rho;
            let most = self.most(k).min((width - 1) * cores);
            let threads = draft.column('q', foreign, 0, most as i64);
            draft.at_most(vec![(threads, 1), (column, 1 - width as i64)], 0);
            all.push((threads, 1));
            let kept = self.keep(draft, 'G', k);
            if let Some(kept) = kept {
                draft.at_most(vec![(kept, 1), (threads, -1)], 0);
            }
            members.push((k, threads, kept));
        }
        draft.at_most(all, 0);
        Mixed {
            cores: column,
            members,
            kept: Vec::new(),
        }
    }

    /// S, B and X with the rows of the classes, and what H and G can be.
    fn class_rows(&self, wide: &mut Wide, draft: &mut Draft) {
        let profit = self.problem.weights.movement.thread;
        let containers = self.threads.len();
        let mut lone = vec![Terms::new(); containers];
        let mut busy = vec![Terms::new(); containers];
        let mut kept_busy = vec![Terms::new(); containers];
        let mut cores = vec![Terms::new(); wide.mixed.len()];
        let mut kept: Vec<Vec<Terms>> = wide
            .mixed
            .iter()
            .map(|mixed| vec![Terms::new(); mixed.members.len()])
            .collect();
        for (o, class) in self.classes.iter().enumerate() {
            let size = class.cores.len() as i64;
            let mut all = Terms::new();
            for k in class.distinct() {
                let column = draft.column('S', -profit, 0, size);
                wide.kept.push((o, State::Lone(k), column));
                lone[k].push((column, 1));
                all.push((column, 1));
                if wide.busy[k].is_some() {
                    let column = draft.column('B', 0, 0, size);
                    wide.kept.push((o, State::Whole(k), column));
                    busy[k].push((column, 1));
                    kept_busy[k].push((column, -(class.count(k) as i64)));
                    all.push((column, 1));
                }
            }
            for (u, mixed) in wide.mixed.iter_mut().enumerate() {
                if !mixed.members.iter().any(|member| class.count(member.0) > 0) {
                    continue;
                }
                let column = draft.column('X', 0, 0, size);
                mixed.kept.push((o, column));
                cores[u].push((column, 1));
                all.push((column, 1));
                for (member, terms) in mixed.members.iter().zip(&mut kept[u]) {
                    match class.count(member.0) {
                        0 => {}
                        count => terms.push((column, -(count as i64))),
                    }
                }
            }
            draft.at_most(all, size);
        }
        let mut limit = |terms: Terms, last: Option<(usize, i64)>| {
            if let (false, Some(last)) = (terms.is_empty(), last) {
                draft.at_most(terms.into_iter().chain([last]).collect(), 0);
            }
        };
        for k in 0..containers {
            limit(std::mem::take(&mut lone[k]), Some((wide.lone[k], -1)));
            limit(std::mem::take(&mut busy[k]), wide.busy[k].map(|b| (b, -1)));
            limit(
                std::mem::take(&mut kept_busy[k]),
                wide.kept_busy[k].map(|h| (h, 1)),
            );
        }
        for ((mixed, cores), kept) in wide.mixed.iter().zip(cores).zip(kept) {
            limit(cores, Some((mixed.cores, -1)));
            for (member, terms) in mixed.members.iter().zip(kept) {
                limit(terms, member.2.map(|g| (g, 1)));
            }
        }
    }

    fn container_rows(&self, wide: &Wide, k: usize, draft: &mut Draft) {
        let width = self.cell.width as i64;
        let request = self.problem.containers[k].request as i64;
        let mixed: Terms = wide.mixed_threads(k).map(|q| (q, 1)).collect();
        // n - s - sum q
        let mut busy = vec![(self.threads[k], 1), (wide.lone[k], -1)];
        busy.extend(mixed.iter().map(|&(q, _)| (q, -1)));
        let with = |more: Option<(usize, i64)>| busy.iter().copied().chain(more).collect();
        draft.at_least(with(wide.kept_busy[k].map(|h| (h, -1))), 0);
        draft.at_most(with(wide.busy[k].map(|b| (b, -width))), 0);
        let part = request % width;
        if part > 0 && request <= self.cell.threads() as i64 {
            // The negative of the row in the module's text.
            let full = (request + width - 1) / width;
            let rounded = with(wide.busy[k].map(|b| (b, -part)));
            draft.at_most(rounded, request - part * full);
        }
        if let Some(x) = wide.touched[k] {
            let terms = mixed.iter().copied().chain([(x, 1 - width)]).collect();
            draft.at_most(terms, 0);
        }
        if let Some(d) = wide.partly[k] {
            let mut terms = vec![(self.threads[k], -1), (d, 1 - width)];
            terms.extend(wide.alone(k).map(|column| (column, width)));
            draft.at_most(terms, 0);
        }
    }
}

impl Wide {
    /// s and b of `k`.
    fn alone(&self, k: usize) -> impl Iterator<Item = usize> + '_ {
        [Some(self.lone[k]), self.busy[k]].into_iter().flatten()
    }

    /// q of `k`.
    fn mixed_threads(&self, k: usize) -> impl Iterator<Item = usize> + '_ {
        let members = self.mixed.iter().flat_map(|mixed| &mixed.members);
        members.filter(move |m| m.0 == k).map(|m| m.1)
    }

    /// Cores that `k` touches, at least, `scale` times; all of them where
    /// `is_exact`, which is for cells in which that can be said.
    pub(super) fn touched(&self, k: usize, scale: i64, is_exact: bool) -> Terms {
        let mut terms: Terms = self.alone(k).map(|column| (column, scale)).collect();
        match self.touched[k] {
            Some(x) if is_exact => terms.push((x, scale)),
            _ => {
                let each = scale / (self.width as i64 - 1);
                terms.extend(self.mixed_threads(k).map(|q| (q, each)));
            }
        }
        terms
    }

    /// What says how many cores of `k`, on whole cores, are not wholly its own.
    pub(super) fn partly(&self, k: usize, threads: usize) -> Terms {
        match self.partly[k] {
            Some(d) => vec![(d, 1)],
            None => {
                let width = self.width as i64;
                let cores = self.alone(k).map(|column| (column, width));
                cores.chain([(threads, -1)]).collect()
            }
        }
    }

    /// Names of the columns of cell `h`, as pairs with the columns.
    pub(super) fn names(&self, h: usize, labels: &Labels) -> Vec<(usize, String)> {
        let (of, class) = (&labels.container, &labels.class[h]);
        let mut names = Vec::new();
        for (k, &column) in self.lone.iter().enumerate() {
            let mut put = |column: Option<usize>, letter: char| {
                names.extend(column.map(|column| (column, format!("{letter}_h{h}_{}", of[k]))));
            };
            put(Some(column), 's');
            put(self.busy[k], 'b');
            put(self.kept_busy[k], 'H');
            put(self.touched[k], 'x');
            put(self.partly[k], 'd');
        }
        for &(o, state, column) in &self.kept {
            let name = match state {
                State::Lone(k) => format!("S_h{h}_{}_{}", class[o], of[k]),
                State::Whole(k) | State::Part(k) => format!("B_h{h}_{}_{}", class[o], of[k]),
                State::Both => continue,
            };
            names.push((column, name));
        }
        for (u, mixed) in self.mixed.iter().enumerate() {
            names.push((mixed.cores, format!("M_h{h}_u{u}")));
            for &(k, threads, kept) in &mixed.members {
                names.push((threads, format!("q_h{h}_u{u}_{}", of[k])));
                names.extend(kept.map(|g| (g, format!("G_h{h}_u{u}_{}", of[k]))));
            }
            for &(o, column) in &mixed.kept {
                names.push((column, format!("X_h{h}_{}_u{u}", class[o])));
            }
        }
        names
    }
}
