//! The thread-level model: one column for each thread and container.
//!
//! ```text
//! x[t,k] in {0,1};   sum_t x[t,k] = r_k;   sum_k x[t,k] <= 1
//! b[t,k] >= x[t,k] + sum_j x[u,j] - 1        for each sibling u of t
//! e[t,k] >= x[t,k] + sum_{j != k} x[u,j] - 1
//! sum_{t in g} x[t,k] <= min(|g|, r_k) y[g,k]
//! E[g] >= sum_{t in g} sum_k rho_k x[t,k] - tau_g
//! v[g,k] >= P_gk - sum_{t in g} x[t,k]
//!
//! min  A_busy rho_k b + A_foreign rho_k e + S p_k (sum_g y - 1) + B E
//!    + M_thread sum_{t in P_k} (1 - x[t,k]) + M_level v
//!    + (slow(t) + A_away if t is not at home) rho_k x[t,k]
//! ```
//!
//! Exact on every host, however many threads a core has, but its relaxation
//! hides the cost of sharing (x = 1/2 everywhere is free) and all threads of a
//! cell are alike: use it where [`super::aggregated`] does not apply and as an
//! oracle in tests.

mod rule_rows;

use branchcut::Model;

use super::labels::Labels;
use super::problem::{LEVEL_NAMES, NUMA, Owners, Problem};
use super::rows::{Draft, Terms};
use super::rule_rows::{Present, set_present};

/// The thread-level model of a problem.
#[derive(Clone, Debug)]
pub(super) struct Naive {
    pub(super) model: Model,
    /// cost = constant + divisor x objective.
    pub(super) constant: i64,
    pub(super) divisor: i64,
    /// x, by thread, then container.
    assigned: Vec<Vec<usize>>,
    columns: usize,
    /// b: column, thread, container.
    busy: Vec<(usize, usize, usize)>,
    /// e: column, thread, container.
    foreign: Vec<(usize, usize, usize)>,
    /// y: column, level, group, container.
    used: Vec<(usize, usize, usize, usize)>,
    /// E: column, level, group.
    excess: Vec<(usize, usize, usize)>,
    /// v: column, level, group, container.
    short: Vec<(usize, usize, usize, usize)>,
    /// z of the rules.
    present: Vec<Present>,
    /// w and d of the rules: column, core, container; whether it is d.
    cores: Vec<(usize, usize, usize, bool)>,
}

impl Naive {
    /// Builds the model.
    pub(super) fn build(problem: &Problem) -> Self {
        let mut draft = Draft::default();
        let containers = problem.containers.len();
        let assigned: Vec<Vec<usize>> = problem
            .threads
            .iter()
            .map(|thread| {
                let cost = |k: usize| {
                    let container = &problem.containers[k];
                    let away = match container.away[thread.group[NUMA]] {
                        true => problem.weights.away,
                        false => 0,
                    };
                    (thread.slow + away) * container.rho
                };
                (0..containers)
                    .map(|k| draft.column('x', cost(k), 0, 1))
                    .collect()
            })
            .collect();
        let mut naive = Self {
            model: Model::default(),
            constant: 0,
            divisor: 1,
            assigned,
            columns: 0,
            busy: Vec::new(),
            foreign: Vec::new(),
            used: Vec::new(),
            excess: Vec::new(),
            short: Vec::new(),
            present: Vec::new(),
            cores: Vec::new(),
        };
        for row in &naive.assigned {
            draft.at_most(row.iter().map(|&x| (x, 1)).collect(), 1);
        }
        for (k, container) in problem.containers.iter().enumerate() {
            let all = naive.assigned.iter().map(|row| (row[k], 1)).collect();
            draft.equal(all, container.request as i64);
            draft.constant += problem.weights.movement.thread * container.previous().len() as i64;
            for &thread in container.previous() {
                draft.charge(naive.assigned[thread][k], -problem.weights.movement.thread);
            }
        }
        naive.siblings(problem, &mut draft);
        for level in 0..problem.levels.len() {
            naive.level(problem, level, &mut draft);
        }
        naive.rules(problem, &mut draft);
        naive.columns = draft.columns();
        naive.constant = draft.constant;
        (naive.model, naive.divisor) = draft.finish();
        naive
    }

    fn siblings(&mut self, problem: &Problem, draft: &mut Draft) {
        let weights = &problem.weights;
        for core in problem.cores.iter().filter(|core| core.len() > 1) {
            for &thread in core {
                for (k, container) in problem.containers.iter().enumerate() {
                    let busy = draft.column('b', weights.smt_busy * container.rho, 0, 1);
                    let foreign = draft.column('e', weights.smt_foreign * container.rho, 0, 1);
                    self.busy.push((busy, thread, k));
                    self.foreign.push((foreign, thread, k));
                    for &sibling in core.iter().filter(|&&other| other != thread) {
                        let row = &self.assigned[sibling];
                        let own = (self.assigned[thread][k], 1);
                        let mut any: Terms = row.iter().map(|&x| (x, 1)).collect();
                        let mut others: Terms = any.clone();
                        others.remove(k);
                        any.extend([own, (busy, -1)]);
                        others.extend([own, (foreign, -1)]);
                        draft.at_most(any, 1);
                        draft.at_most(others, 1);
                    }
                }
            }
        }
    }

    fn level(&mut self, problem: &Problem, level: usize, draft: &mut Draft) {
        let data = &problem.levels[level];
        let total: i64 = problem.containers.iter().map(|k| k.load).sum();
        for (g, group) in data.groups.iter().enumerate() {
            if data.balance > 0 {
                let column = draft.column('E', data.balance, 0, total);
                self.excess.push((column, level, g));
                let mut terms = vec![(column, -1)];
                for &thread in group.threads.iter() {
                    let row = self.assigned[thread].iter().zip(&problem.containers);
                    terms.extend(row.map(|(&x, container)| (x, container.rho)));
                }
                draft.at_most(terms, group.share);
            }
            for (k, container) in problem.containers.iter().enumerate() {
                let inside = || group.threads.iter().map(|&t| (self.assigned[t][k], 1));
                if data.spread > 0 {
                    let column = draft.column('y', data.spread * container.load, 0, 1);
                    self.used.push((column, level, g, k));
                    let cap = group.threads.len().min(container.request) as i64;
                    draft.at_most(inside().chain([(column, -cap)]).collect(), 0);
                }
                let had = had(problem, level, g, k);
                if data.movement > 0 && had > 0 {
                    let column = draft.column('v', data.movement, 0, had);
                    self.short.push((column, level, g, k));
                    draft.at_least(inside().chain([(column, 1)]).collect(), had);
                }
            }
        }
        for container in &problem.containers {
            draft.constant -= data.spread * container.load;
        }
    }

    /// The model's point for `owners`.
    pub(super) fn point(&self, problem: &Problem, owners: &Owners) -> Vec<f64> {
        let owner = |thread: usize| owners[thread].map(|k| k as usize);
        let mut point = vec![0.0; self.columns];
        for (thread, row) in self.assigned.iter().enumerate() {
            if let Some(k) = owner(thread) {
                point[row[k]] = 1.0;
            }
        }
        let sibling = |thread: usize, wanted: &dyn Fn(usize) -> bool| {
            let core = &problem.cores[problem.threads[thread].core];
            let found = core
                .iter()
                .any(|&other| other != thread && owner(other).is_some_and(wanted));
            f64::from(u8::from(found))
        };
        for &(column, thread, k) in &self.busy {
            if owner(thread) == Some(k) {
                point[column] = sibling(thread, &|_| true);
            }
        }
        for &(column, thread, k) in &self.foreign {
            if owner(thread) == Some(k) {
                point[column] = sibling(thread, &|other| other != k);
            }
        }
        let inside = |level: usize, group: usize| {
            problem.levels[level].groups[group]
                .threads
                .iter()
                .filter_map(|&thread| owner(thread))
        };
        for &(column, level, group, k) in &self.used {
            let used = inside(level, group).any(|other| other == k);
            point[column] = f64::from(u8::from(used));
        }
        for &(column, level, group) in &self.excess {
            let load: i64 = inside(level, group)
                .map(|k| problem.containers[k].rho)
                .sum();
            let share = problem.levels[level].groups[group].share;
            point[column] = (load - share).max(0) as f64;
        }
        for &(column, level, group, k) in &self.short {
            let now = inside(level, group).filter(|&other| other == k).count() as i64;
            point[column] = (had(problem, level, group, k) - now).max(0) as f64;
        }
        set_present(&mut point, &self.present, &|level, group, k| {
            inside(level, group).filter(|&other| other == k).count()
        });
        for &(column, core, k, is_partly) in &self.cores {
            let threads = &problem.cores[core];
            let own = threads.iter().filter(|&&t| owner(t) == Some(k)).count();
            let holds = own > 0 && !(is_partly && own == threads.len());
            point[column] = f64::from(u8::from(holds));
        }
        point
    }

    /// A name for each column: its letter, then the CPU c or the level's group
    /// g, and the container's label (`docs/placement.md` lists the letters).
    pub(super) fn names(&self, problem: &Problem, labels: &Labels) -> Vec<String> {
        let mut names = vec![String::new(); self.columns];
        let of = &labels.container;
        let cpu = |thread: usize| problem.threads[thread].cpu;
        for (thread, row) in self.assigned.iter().enumerate() {
            for (k, &column) in row.iter().enumerate() {
                names[column] = format!("x_c{}_{}", cpu(thread), of[k]);
            }
        }
        for (letter, columns) in [('b', &self.busy), ('e', &self.foreign)] {
            for &(column, thread, k) in columns {
                names[column] = format!("{letter}_c{}_{}", cpu(thread), of[k]);
            }
        }
        for &(column, level, group) in &self.excess {
            names[column] = format!("E_{}{group}", LEVEL_NAMES[level]);
        }
        for (letter, columns) in [('y', &self.used), ('v', &self.short)] {
            for &(column, level, group, k) in columns {
                names[column] = format!("{letter}_{}{group}_{}", LEVEL_NAMES[level], of[k]);
            }
        }
        for &(column, level, group, k) in &self.present {
            names[column] = format!("z_{}{group}_{}", LEVEL_NAMES[level], of[k]);
        }
        for &(column, core, k, is_partly) in &self.cores {
            let letter = if is_partly { 'd' } else { 'w' };
            names[column] = format!("{letter}{column}_o{core}_{}", of[k]);
        }
        names
    }

    /// Whether a container has a thread, by thread, then container, at a point
    /// of whole numbers.
    pub(super) fn assigned(&self, point: &[f64]) -> Vec<Vec<bool>> {
        let has = |&column: &usize| point.get(column).is_some_and(|&x| x > 0.5);
        self.assigned
            .iter()
            .map(|row| row.iter().map(has).collect())
            .collect()
    }

    /// The owners at an integral `point`.
    pub(super) fn owners(&self, point: &[f64]) -> Option<Vec<Option<u32>>> {
        self.assigned
            .iter()
            .map(|row| {
                let owner = row
                    .iter()
                    .position(|&x| point.get(x).is_some_and(|&value| value > 0.5));
                owner.map(u32::try_from).transpose().ok()
            })
            .collect()
    }
}

/// P_gk.
fn had(problem: &Problem, level: usize, group: usize, k: usize) -> i64 {
    let previous = problem.containers[k].previous().iter();
    previous
        .filter(|&&thread| problem.threads[thread].group[level] == group)
        .count() as i64
}
