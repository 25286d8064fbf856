//! Classes: the cores of a cell by who owned their threads before.
//!
//! The previous placement tells threads of a cell apart only core by core: a
//! core that A and B had is worth a kept thread to each of them wherever it
//! lies in the cell. So the cores of a cell are split by previous owners o in
//! {}, {A}, {A,A}, {A,B}; the first is of no use and left out.

use std::collections::BTreeMap;

use super::cells::Cell;
use super::problem::Problem;

/// Previous owner of each thread, one at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claims {
    /// By thread: the container that had it.
    pub(super) owner: Vec<Option<usize>>,
    /// Claims on a thread that another container claims too (the previous
    /// round was over-full); the first container has it. The model sees each
    /// as lost, so it may charge up to one moved thread too much for each.
    pub(super) ignored: usize,
}

/// Who had each thread.
pub(super) fn claims(problem: &Problem) -> Claims {
    let mut claims = Claims {
        owner: vec![None; problem.threads.len()],
        ignored: 0,
    };
    for (k, container) in problem.containers.iter().enumerate() {
        for &thread in container.previous() {
            match claims.owner[thread] {
                None => claims.owner[thread] = Some(k),
                Some(_) => claims.ignored += 1,
            }
        }
    }
    claims
}

/// Cores of a cell with the same previous owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Class {
    /// The owners, ascending: one or two, `[A, A]` where A had both threads.
    pub(super) owners: Vec<usize>,
    /// The cores, ascending.
    pub(super) cores: Vec<usize>,
}

impl Class {
    /// How many threads of each core `k` had.
    pub(super) fn count(&self, k: usize) -> usize {
        self.owners.iter().filter(|&&owner| owner == k).count()
    }

    /// The owners, each once.
    pub(super) fn distinct(&self) -> impl Iterator<Item = usize> + '_ {
        let mut last = None;
        self.owners
            .iter()
            .copied()
            .filter(move |&owner| last.replace(owner) != Some(owner))
    }

    /// The two owners of a class {A,B}.
    pub(super) fn pair(&self) -> Option<(usize, usize)> {
        match self.owners[..] {
            [a, b] if a != b => Some((a, b)),
            _ => None,
        }
    }
}

/// The classes of `cell`, in the order of their owners.
pub(super) fn classes(problem: &Problem, cell: &Cell, claims: &Claims) -> Vec<Class> {
    let mut classes: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    for &core in &cell.cores {
        let mut owners: Vec<usize> = problem.cores[core]
            .iter()
            .filter_map(|&thread| claims.owner[thread])
            .collect();
        owners.sort_unstable();
        if !owners.is_empty() {
            classes.entry(owners).or_default().push(core);
        }
    }
    classes
        .into_iter()
        .map(|(owners, cores)| Class { owners, cores })
        .collect()
}
