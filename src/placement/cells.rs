//! Cells: the sets of cores between which the cost does not distinguish.
//!
//! Two cores are in one cell h when they share L3 and NUMA node, have the same
//! number of offered threads and the same slow-core charge (and socket, where a rule counts cores by
//! socket). Threads of a cell
//! are then interchangeable but for the previous placement, so a placement is
//! described by counts per cell (see [`super::aggregated`]).

use std::collections::BTreeMap;

use super::problem::{Problem, Thread};

/// A set of alike cores of one or two threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// Its group of each level, `[L3, NUMA]`.
    pub(super) group: [usize; 2],
    /// Offered threads of each core: 1 or 2.
    pub(super) width: usize,
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
/// more than two offered threads, or threads that differ in group or speed
/// (then only the naive model is exact).
pub(super) fn cells(problem: &Problem) -> Option<Vec<Cell>> {
    let mut cells: BTreeMap<([usize; 2], i64, usize, usize), Vec<usize>> = BTreeMap::new();
    let by_socket = !problem.rules.socket_cores.is_empty();
    let socket = |thread: &Thread| if by_socket { thread.socket } else { 0 };
    for (core, threads) in problem.cores.iter().enumerate() {
        let first = &problem.threads[*threads.first()?];
        let alike = threads.iter().all(|&t| {
            let other = &problem.threads[t];
            other.group == first.group && other.slow == first.slow
        });
        if threads.len() > 2 || !alike {
            return None;
        }
        cells
            .entry((first.group, first.slow, threads.len(), socket(first)))
            .or_default()
            .push(core);
    }
    let cells = cells
        .into_iter()
        .map(|((group, slow, width, socket), cores)| Cell {
            group,
            width,
            slow,
            socket,
            cores,
        })
        .collect();
    Some(cells)
}
