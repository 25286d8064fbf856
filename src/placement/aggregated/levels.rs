//! What levels charge, as columns and rows: spread (y), balance (E), movement (v),
//! and the order of groups that are alike.

use super::super::cells::Cell;
use super::super::lower;
use super::super::partition::least_excess;
use super::super::problem::{L3, NUMA, Problem};
use super::super::rows::{Draft, Terms};
use super::super::symmetry::{self, Alike};
use super::{CellColumns, LevelColumns, shares_once};

/// P_gk for each container.
pub(super) fn previous_in(problem: &Problem, level: usize, group: usize) -> Vec<i64> {
    problem
        .containers
        .iter()
        .map(|container| {
            container
                .previous()
                .iter()
                .filter(|&&thread| problem.threads[thread].group[level] == group)
                .count() as i64
        })
        .collect()
}

/// Builds the columns and rows of a level.
pub(super) struct LevelPart<'a> {
    pub(super) problem: &'a Problem,
    pub(super) cells: &'a [Cell],
    pub(super) of_cell: &'a [CellColumns],
    pub(super) level: usize,
}

impl LevelPart<'_> {
    pub(super) fn build(&self, draft: &mut Draft) -> LevelColumns {
        let level = &self.problem.levels[self.level];
        let containers = self.problem.containers.len();
        let mut columns = LevelColumns {
            used: vec![vec![None; containers]; level.groups.len()],
            excess: vec![None; level.groups.len()],
            short: vec![vec![None; containers]; level.groups.len()],
        };
        if level.spread > 0 {
            for k in 0..containers {
                self.spread(k, &mut columns, draft);
            }
        }
        if level.balance > 0 {
            for (g, group) in level.groups.iter().enumerate() {
                let loads = self.problem.containers.iter().map(|k| k.load);
                let over = loads.sum::<i64>() - group.share;
                if over > 0 {
                    let excess = draft.column('E', level.balance, 0, over);
                    columns.excess[g] = Some(excess);
                    let mut terms = vec![(excess, -1)];
                    for h in self.cells_of(g) {
                        let loads = self.of_cell[h].threads.iter().zip(&self.problem.containers);
                        terms.extend(loads.map(|(&n, container)| (n, container.rho)));
                    }
                    draft.at_most(terms, group.share);
                }
            }
        }
        if level.movement > 0 {
            for g in 0..level.groups.len() {
                self.movement(g, &mut columns, draft);
            }
        }
        columns
    }

    fn cells_of(&self, group: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.cells.len()).filter(move |&h| self.cells[h].group[self.level] == group)
    }

    fn spread(&self, k: usize, columns: &mut LevelColumns, draft: &mut Draft) {
        let level = &self.problem.levels[self.level];
        let container = &self.problem.containers[k];
        let request = container.request;
        // n stands for y: sum n = 1 and the charge is 0.
        if request == 1 {
            return;
        }
        let charge = level.spread * container.load;
        draft.constant -= charge;
        for (g, group) in level.groups.iter().enumerate() {
            let used = draft.column('y', charge, 0, 1);
            columns.used[g][k] = Some(used);
            let cap = group.threads.len().min(request);
            let mut threads = vec![(used, -(cap as i64))];
            let mut cores = vec![(used, -((cap / 2) as i64))];
            // Cores that k touches in g: wholly its own ones count once.
            let room: usize = self.cells_of(g).map(|h| self.cells[h].cores.len()).sum();
            let wide = self.cells_of(g).filter(|&h| self.cells[h].is_wide);
            let scale = wide.map(|h| self.cells[h].width as i64).max().unwrap_or(1);
            let mut touched = vec![(used, -scale * room as i64)];
            for h in self.cells_of(g) {
                let cell = &self.of_cell[h];
                threads.push((cell.threads[k], 1));
                touched.extend(cell.touched(k, scale, false));
                cores.extend(cell.whole[k].map(|f| (f, 1)));
                if let Some(m) = cell.shared[k]
                    && shares_once(self.problem, k)
                {
                    draft.at_most(vec![(m, 1), (used, -1)], 0);
                }
            }
            draft.at_most(threads, 0);
            if cap > room {
                draft.at_most(touched, 0);
            }
            if cap % 2 == 1 && cores.len() > 1 {
                draft.at_most(cores, 0);
            }
        }
        let mut sizes: Vec<usize> = level.groups.iter().map(|g| g.threads.len()).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        let fewest = lower::fewest(&sizes, request);
        let all = columns.used.iter().flat_map(|by| by[k]).map(|y| (y, 1));
        draft.at_least(all.collect(), fewest as i64);
    }

    fn movement(&self, group: usize, columns: &mut LevelColumns, draft: &mut Draft) {
        let level = &self.problem.levels[self.level];
        for (k, had) in previous_in(self.problem, self.level, group)
            .into_iter()
            .enumerate()
        {
            if had == 0 {
                continue;
            }
            let threads: Vec<usize> = self
                .cells_of(group)
                .map(|h| self.of_cell[h].threads[k])
                .collect();
            let most = self.problem.containers[k]
                .request
                .min(level.groups[group].threads.len());
            if had >= most as i64 {
                // The container cannot have more there than before.
                draft.constant += level.movement * had;
                for n in threads {
                    draft.charge(n, -level.movement);
                }
            } else {
                let short = draft.column('v', level.movement, 0, had);
                columns.short[group][k] = Some(short);
                let mut terms = vec![(short, 1)];
                terms.extend(threads.into_iter().map(|n| (n, 1)));
                draft.at_least(terms, had);
            }
        }
    }
}

/// Two groups: the load above the even shares that splitting nobody leaves
/// (see [`super::partition`]).
pub(super) fn halves(problem: &Problem, of_level: &[LevelColumns; 2], draft: &mut Draft) {
    let same = problem
        .threads
        .iter()
        .all(|thread| thread.group[L3] == thread.group[NUMA]);
    for balanced in [L3, NUMA] {
        let spread = if same { NUMA } else { balanced };
        let levels = [&problem.levels[balanced], &problem.levels[spread]];
        if levels[0].balance == 0 || levels[1].spread == 0 {
            continue;
        }
        let Some(least) = least_excess(problem, balanced).filter(|&least| least > 0) else {
            continue;
        };
        // Without a y a container is one thread, which is never split.
        let used: Vec<usize> = of_level[spread]
            .used
            .iter()
            .flatten()
            .flatten()
            .copied()
            .collect();
        let containers = (used.len() / 2) as i64;
        let mut terms: Terms = used.into_iter().map(|y| (y, least)).collect();
        terms.extend(of_level[balanced].excess.iter().flatten().map(|&e| (e, 1)));
        draft.at_least(terms, least + least * containers);
    }
}

/// The load of each unit is at least that of the next.
pub(super) fn load_order(
    problem: &Problem,
    set: &Alike,
    of_cell: &[CellColumns],
    draft: &mut Draft,
) {
    let load = |unit: &[usize], sign: i64| -> Terms {
        unit.iter()
            .flat_map(|&h| of_cell[h].threads.iter().zip(&problem.containers))
            .map(|(&column, container)| (column, sign * container.rho))
            .collect()
    };
    for pair in set.units.windows(2) {
        let mut terms = load(&pair[0], 1);
        terms.extend(load(&pair[1], -1));
        draft.at_least(terms, 0);
    }
}

/// A unit has k_j only if the one before has one of k_1 .. k_j.
pub(super) fn first_container_order(
    problem: &Problem,
    set: &Alike,
    cells: &[Cell],
    of_cell: &[CellColumns],
    of_level: &[LevelColumns; 2],
    draft: &mut Draft,
) {
    let order = symmetry::by_load(problem);
    // y, or what stands for it.
    let used = |unit: &[usize], k: usize, sign: i64| -> Terms {
        let group = cells[unit[0]].group[set.level];
        match of_level[set.level].used[group][k] {
            Some(y) => vec![(y, sign)],
            None => unit
                .iter()
                .map(|&h| (of_cell[h].threads[k], sign))
                .collect(),
        }
    };
    if let Some(&largest) = order.first()
        && set.level == NUMA
        && set.units.len() == problem.levels[NUMA].groups.len()
    {
        draft.at_least(used(&set.units[0], largest, 1), 1);
    }
    for pair in set.units.windows(2) {
        let mut before = Terms::new();
        for &k in &order {
            before.extend(used(&pair[0], k, 1));
            let mut terms = before.clone();
            terms.extend(used(&pair[1], k, -1));
            draft.at_least(terms, 0);
        }
    }
}

/// y_l3 <= y_numa where the L3 lies in one node.
pub(super) fn nesting(problem: &Problem, of_level: &[LevelColumns; 2], draft: &mut Draft) {
    for (g, group) in problem.levels[L3].groups.iter().enumerate() {
        let node_of = |thread: &usize| problem.threads[*thread].group[NUMA];
        let Some(node) = group.threads.first().map(node_of) else {
            continue;
        };
        if group.threads.iter().any(|thread| node_of(thread) != node) {
            continue;
        }
        let inner = &of_level[L3].used[g];
        let outer = &of_level[NUMA].used[node];
        for (inner, outer) in inner.iter().zip(outer) {
            if let (Some(inner), Some(outer)) = (inner, outer) {
                draft.at_most(vec![(*inner, 1), (*outer, -1)], 0);
            }
        }
    }
}
