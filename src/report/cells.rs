//! The host cut into cells: cores that share node, cache, socket and speed.
//! Cells do not assume that caches and nodes nest: an L3 that spans two nodes
//! is two cells.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::cpuset::CpuSet;
use crate::topology::{Level, Topology};

/// What a cell's cores share as their last-level cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cache {
    /// The L3 of this label.
    L3(u32),
    /// A smaller cache of this label; these cores have no L3.
    Smaller(u32),
    /// None: each core has its own.
    Private,
}

/// Cores that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// NUMA node, the kernel's number.
    pub(super) node: u32,
    /// What the cores share.
    pub(super) cache: Cache,
    /// Physical package, the kernel's number.
    pub(super) socket: u32,
    /// Speed, per mille of the fastest kind.
    pub(super) perf: u32,
    /// The online threads of each core, by smallest CPU.
    pub(super) cores: Vec<CpuSet>,
}

impl Cell {
    /// Every online thread of the cell.
    pub(super) fn cpus(&self) -> CpuSet {
        self.cores
            .iter()
            .fold(CpuSet::new(), |all, core| all.union(core))
    }

    /// The fewest and the most online threads of a core.
    pub(super) fn smt(&self) -> (usize, usize) {
        let widths = || self.cores.iter().map(CpuSet::len);
        (widths().min().unwrap_or(0), widths().max().unwrap_or(0))
    }
}

/// The cells by node, cache, socket, and speed (fastest first).
pub(super) fn cells(topology: &Topology) -> Vec<Cell> {
    let cores = topology.groups(Level::Core);
    let mut cores_of_l3: BTreeMap<u32, usize> = BTreeMap::new();
    let first = |core: &CpuSet| core.first().and_then(|cpu| topology.cpu(cpu));
    for cpu in cores.values().filter_map(first) {
        *cores_of_l3.entry(cpu.l3.unwrap_or(0)).or_default() += 1;
    }
    let mut cells: BTreeMap<_, Vec<CpuSet>> = BTreeMap::new();
    for core in cores.values() {
        let Some(cpu) = first(core) else { continue };
        let l3 = cpu.l3.unwrap_or(0);
        let cache = if !topology.no_l3.contains(cpu.id) {
            Cache::L3(l3)
        } else if cores_of_l3[&l3] > 1 {
            Cache::Smaller(l3)
        } else {
            Cache::Private
        };
        let node = cpu.numa.unwrap_or(0);
        let socket = cpu.socket.unwrap_or(0);
        cells
            .entry((node, cache, socket, Reverse(cpu.perf)))
            .or_default()
            .push(core.clone());
    }
    let cell = |((node, cache, socket, Reverse(perf)), mut cores): (_, Vec<CpuSet>)| {
        cores.sort_by_key(CpuSet::first);
        Cell {
            node,
            cache,
            socket,
            perf,
            cores,
        }
    };
    cells.into_iter().map(cell).collect()
}

/// `text` broken after commas and spaces into lines of at most `width`
/// characters; a longer item keeps a line of its own.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for item in text.split_inclusive([',', ' ']) {
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last > 0 && last + item.trim_end().chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(item);
        }
    }
    lines.iter().map(|l| l.trim_end().to_string()).collect()
}

/// `text` cut in its middle to at most `width` (>= 3) characters.
pub(super) fn cut(text: &str, width: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= width {
        return text.to_string();
    }
    let head = (width - 2) / 2;
    let tail = width - 2 - head;
    let ends = [&chars[..head], &['.', '.'], &chars[chars.len() - tail..]];
    ends.concat().into_iter().collect()
}
