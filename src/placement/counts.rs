//! A placement as counts per cell: what the aggregated model decides.

use super::cells::Cell;
use super::classes::Class;
use super::problem::{Owners, Problem};

/// A state of a core that keeps previous owners on their threads. With class
/// o, the profit is the number of threads kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// F: the core is wholly the container's; as many as it has in o.
    Whole(usize),
    /// S: the container is alone on one thread; 1.
    Lone(usize),
    /// X: o = {A,B} is shared by A and B; 2.
    Both,
    /// P: the core is shared by the container and another; 1.
    Part(usize),
}

/// Cores of a class that take a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// Index of the class in its cell.
    pub(super) class: usize,
    /// What the cores become.
    pub(super) state: State,
    /// How many.
    pub(super) count: usize,
}

/// What the containers get of one cell, by container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CellCounts {
    /// f: cores wholly the container's.
    pub(super) whole: Vec<usize>,
    /// s: its threads whose sibling is idle or absent.
    pub(super) lone: Vec<usize>,
    /// m: its threads on cores shared with another container.
    pub(super) shared: Vec<usize>,
    /// Which of these lie on cores of previous owners.
    pub(super) kept: Vec<Kept>,
    /// In a wide cell, in place of all of that: who is on each core, an entry
    /// a thread in use, in the order of the cell's cores.
    pub(super) cores: Vec<Vec<usize>>,
}

impl CellCounts {
    /// Nobody there.
    pub(super) fn empty(containers: usize) -> Self {
        Self {
            whole: vec![0; containers],
            lone: vec![0; containers],
            shared: vec![0; containers],
            kept: Vec::new(),
            cores: Vec::new(),
        }
    }

    /// n: the container's threads in the cell.
    pub(super) fn threads(&self, k: usize) -> usize {
        let by_core = self.cores.iter().flatten().filter(|&&owner| owner == k);
        2 * self.whole[k] + self.lone[k] + self.shared[k] + by_core.count()
    }

    /// M: cores shared by two containers.
    pub(super) fn shared_cores(&self) -> usize {
        self.shared.iter().sum::<usize>() / 2
    }

    fn keep(&mut self, class: usize, state: State) {
        match self
            .kept
            .iter_mut()
            .find(|kept| kept.class == class && kept.state == state)
        {
            Some(kept) => kept.count += 1,
            None => self.kept.push(Kept {
                class,
                state,
                count: 1,
            }),
        }
    }
}

/// Counts `owners` by cell. A shared core of a class {A,B} counts as wholly
/// kept whichever thread each of the two is on: rebuilding puts them right.
pub(super) fn count(
    problem: &Problem,
    cells: &[Cell],
    classes: &[Vec<Class>],
    owners: &Owners,
) -> Vec<CellCounts> {
    let mut counts = Vec::with_capacity(cells.len());
    for (cell, classes) in cells.iter().zip(classes) {
        let mut of_cell = CellCounts::empty(problem.containers.len());
        for &core in &cell.cores {
            let mut now: Vec<usize> = problem.cores[core]
                .iter()
                .filter_map(|&thread| owners[thread].map(|k| k as usize))
                .collect();
            now.sort_unstable();
            if cell.is_wide {
                of_cell.cores.push(now);
                continue;
            }
            let class = classes
                .iter()
                .position(|class| class.cores.binary_search(&core).is_ok());
            let had = |k: usize| class.filter(|&class| classes[class].count(k) > 0);
            match now[..] {
                [k] => {
                    of_cell.lone[k] += 1;
                    if let Some(class) = had(k) {
                        of_cell.keep(class, State::Lone(k));
                    }
                }
                [a, b] if a == b => {
                    of_cell.whole[a] += 1;
                    if let Some(class) = had(a) {
                        of_cell.keep(class, State::Whole(a));
                    }
                }
                [a, b] => {
                    of_cell.shared[a] += 1;
                    of_cell.shared[b] += 1;
                    match (had(a), had(b)) {
                        (Some(class), Some(_)) => of_cell.keep(class, State::Both),
                        (Some(class), None) => of_cell.keep(class, State::Part(a)),
                        (None, Some(class)) => of_cell.keep(class, State::Part(b)),
                        (None, None) => {}
                    }
                }
                _ => {}
            }
        }
        counts.push(of_cell);
    }
    counts
}
