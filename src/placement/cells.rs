//! Cells: the sets of cores between which the cost does not distinguish.
//!
//! Two cores are in one cell h when they share L3 and NUMA node, have the same
//! number of offered threads and the same slow-core charge (and socket, where a rule counts cores by
//! socket). Threads of a cell
//! are then interchangeable but for the previous placement, so a placement is
//! described by counts per cell (see [`super::aggregated`]).
//!
//! Where a rule counts the cores that a container touches, each core of more
//! than two threads is a cell of its own: who meets whom on them then matters,
//! and counts over several such cores do not say it.

use std::collections::BTreeMap;

use super::problem::{Problem, Thread};

/// A set of alike cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// Its group of each level, `[L3, NUMA]`.
    pub(super) group: [usize; 2],
    /// Offered threads of each core.
    pub(super) width: usize,
    /// Whether its counts are those of [`super::aggregated::wide`]: more than
    /// two threads a core, or rules for which the counts of pairs will not do.
    pub(super) is_wide: bool,
    /// Slow-core charge of each thread, per mille.
    pub(super) slow: i64,
    /// Its socket, where the rules tell sockets apart; else 0.
    pub(super) socket: usize,
    /// Its cores, ascending.
    pub(super) cores: Vec<usize>,
}

impl Cell {
    /// How many threads it has.
    pub(super) fn threads(&self) -> usize {
        self.cores.len() * self.width
    }
}

/// The cells of a host in the order of their groups; none where a core has
/// threads that differ in group or speed (then only the naive model is exact).
pub(super) fn cells(problem: &Problem) -> Option<Vec<Cell>> {
    type Look = ([usize; 2], i64, usize, usize, usize);
    let mut cells: BTreeMap<Look, Vec<usize>> = BTreeMap::new();
    let rules = &problem.rules;
    let by_socket = !rules.socket_cores.is_empty();
    let by_core = by_socket || !rules.whole.is_empty();
    let has_pairs = rules.core_sets(problem.containers.len()).is_none();
    let socket = |thread: &Thread| if by_socket { thread.socket } else { 0 };
    for (core, threads) in problem.cores.iter().enumerate() {
        let first = &problem.threads[*threads.first()?];
        let alike = threads.iter().all(|&t| {
            let other = &problem.threads[t];
            other.group == first.group && other.slow == first.slow
        });
        if !alike {
            return None;
        }
        let width = threads.len();
        let own = if by_core && width > 2 { core } else { 0 };
        cells
            .entry((first.group, first.slow, width, socket(first), own))
            .or_default()
            .push(core);
    }
    let cells = cells
        .into_iter()
        .map(|((group, slow, width, socket, _), cores)| Cell {
            group,
            width,
            is_wide: width > 2 || has_pairs && width == 2,
            slow,
            socket,
            cores,
        })
        .collect();
    Some(cells)
}

/// Whether cells hold two cores and more on average: a model of counts is then much smaller than the host.
pub(super) fn counts_cores(problem: &Problem) -> bool {
    cells(problem).is_some_and(|cells| 2 * cells.len() <= problem.cores.len())
}
