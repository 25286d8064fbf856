//! Groups of cells that can change places without changing the cost.
//!
//! Two L3s of one node are alike when they have the same cells (width, speed,
//! cores) and no thread of theirs has a previous owner; two nodes are alike
//! when their L3s are, one by one, lie wholly in them, and no container's home
//! tells them apart. Of the orders of a set of alike units the model keeps one,
//! and [`sort`] brings a placement into it:
//!
//! - where spread is charged, the units are in order of the first container
//!   that is in them, counted from the largest load: unit u has k_j only if
//!   unit u - 1 has one of k_1 .. k_j, and the first unit has k_1;
//! - else in order of load, largest first.
//!
//! L3s are sorted before nodes: moving a node keeps the order of the L3s in it.

use super::cells::Cell;
use super::counts::CellCounts;
use super::problem::{L3, NUMA, Problem};

/// Units that may change places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alike {
    /// The level that the units are groups of.
    pub(super) level: usize,
    /// The cells of each unit; cell i of one is like cell i of any other.
    pub(super) units: Vec<Vec<usize>>,
}

/// What a unit looks like: speed, width and cores of its cells, L3 by L3.
type Look = Vec<(usize, i64, usize, usize)>;

/// The sets of alike L3s, then of alike nodes.
pub(super) fn alike(problem: &Problem, cells: &[Cell]) -> Vec<Alike> {
    let had: Vec<bool> = {
        let mut had = vec![false; problem.threads.len()];
        for &thread in problem.containers.iter().flat_map(|k| k.previous()) {
            had[thread] = true;
        }
        cells
            .iter()
            .map(|cell| {
                let mut threads = cell.cores.iter().flat_map(|&core| &problem.cores[core]);
                threads.any(|&thread| had[thread])
            })
            .collect()
    };
    let within = |level: usize, group: usize| -> Vec<usize> {
        let mut within: Vec<usize> = (0..cells.len())
            .filter(|&h| cells[h].group[level] == group)
            .collect();
        // By L3, as for every unit, so that units match cell by cell.
        within.sort_by_key(|&h| (cells[h].group, cells[h].slow, cells[h].width));
        within
    };
    // None for a unit that is like no other.
    let look = |unit: &[usize], level: usize| -> Option<Look> {
        let mut look = Look::new();
        let mut seen: Vec<usize> = Vec::new();
        for &h in unit {
            let cell = &cells[h];
            let other = 1 - level;
            let split = |h2: usize| {
                cells[h2].group[L3] == cell.group[L3] && cells[h2].group[NUMA] != cell.group[NUMA]
            };
            if had[h] || (0..cells.len()).any(split) {
                return None;
            }
            if !seen.contains(&cell.group[other]) {
                seen.push(cell.group[other]);
            }
            look.push((seen.len(), cell.slow, cell.width, cell.cores.len()));
        }
        Some(look)
    };
    let mut sets: Vec<(Option<usize>, Vec<bool>, Look, Alike)> = Vec::new();
    let mut add =
        |level: usize, parent: Option<usize>, away: Vec<bool>, look: Look, unit: Vec<usize>| {
            let found = sets
                .iter_mut()
                .find(|set| (&set.0, &set.1, &set.2) == (&parent, &away, &look));
            match found {
                Some(set) => set.3.units.push(unit),
                None => sets.push((
                    parent,
                    away,
                    look,
                    Alike {
                        level,
                        units: vec![unit],
                    },
                )),
            }
        };
    for level in [L3, NUMA] {
        for group in 0..problem.levels[level].groups.len() {
            let unit = within(level, group);
            let Some(look) = look(&unit, level) else {
                continue;
            };
            let node = cells[unit[0]].group[NUMA];
            if level == L3 {
                add(level, Some(node), Vec::new(), look, unit);
            } else {
                let away = problem.containers.iter().map(|k| k.away[node]).collect();
                add(level, None, away, look, unit);
            }
        }
    }
    sets.into_iter()
        .map(|set| set.3)
        .filter(|set| set.units.len() > 1)
        .collect()
}

/// The containers in order of load, largest first; of equals the first.
pub(super) fn by_load(problem: &Problem) -> Vec<usize> {
    let mut order: Vec<usize> = (0..problem.containers.len()).collect();
    order.sort_by_key(|&k| (std::cmp::Reverse(problem.containers[k].load), k));
    order
}

/// Puts the units of each set in order, which does not change the cost.
pub(super) fn sort(problem: &Problem, alike: &[Alike], counts: &mut [CellCounts]) {
    let by_load = by_load(problem);
    for set in alike {
        let mut units: Vec<Vec<CellCounts>> = set
            .units
            .iter()
            .map(|unit| unit.iter().map(|&h| counts[h].clone()).collect())
            .collect();
        let first = |unit: &[CellCounts]| {
            let has = |&k: &usize| unit.iter().any(|cell| cell.threads(k) > 0);
            by_load.iter().position(has).unwrap_or(by_load.len())
        };
        let load = |unit: &[CellCounts]| -> i64 {
            unit.iter()
                .flat_map(|cell| {
                    let containers = problem.containers.iter().enumerate();
                    containers.map(|(k, container)| container.rho * cell.threads(k) as i64)
                })
                .sum()
        };
        if problem.levels[set.level].spread > 0 {
            units.sort_by_key(|unit| first(unit));
        } else {
            units.sort_by_key(|unit| std::cmp::Reverse(load(unit)));
        }
        for (cells, unit) in set.units.iter().zip(units) {
            for (&h, cell) in cells.iter().zip(unit) {
                counts[h] = cell;
            }
        }
    }
}
