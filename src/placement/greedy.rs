//! Best-fit decreasing: the usual way to place a container with no regard to
//! what comes after it. It is the fallback, a start for the solver and the
//! yardstick that a plan must never exceed.
//!
//! Containers come in order of falling request (then load, then id). For each,
//! the regions are a cell (the threads of one L3 domain in one NUMA node), an
//! L3 domain, a NUMA node, the host, in this order; of the first kind with a
//! region that has room, the region with the least added cost takes it (ties:
//! least room left, then smallest number). Inside a region its cells are filled
//! one after the other: first those where the container is already, then those
//! with most room. Inside a cell, [`Style`] says which core comes next.
//!
//! A region is priced before anything in it is given away. One container costs
//! O(threads + regions x (cores + request log cores)).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::problem::{L3, NUMA, Problem};
use super::state::State;

/// Which core of a cell takes the next threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Thread by thread where it adds least: idle cores first.
    Spread,
    /// Whole cores where it adds least for each thread: leaves no half cores.
    Packed,
}

/// The cells of a problem, and the regions made of them.
#[derive(Debug)]
pub(super) struct Regions {
    /// Threads of each cell by core, all ascending.
    cells: Vec<Vec<Vec<usize>>>,
    /// Regions by kind, each a list of cells; identical kinds appear once.
    kinds: Vec<Vec<Vec<usize>>>,
}

impl Regions {
    pub(super) fn new(problem: &Problem) -> Self {
        let mut keys: Vec<[usize; 2]> = problem.threads.iter().map(|t| t.group).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut cells: Vec<Vec<Vec<usize>>> = vec![Vec::new(); keys.len()];
        for core in &problem.cores {
            // A core lies in one cell, except on hosts that claim otherwise.
            for (key, cell) in keys.iter().zip(&mut cells) {
                let own: Vec<usize> = core
                    .iter()
                    .copied()
                    .filter(|&t| problem.threads[t].group == *key)
                    .collect();
                if !own.is_empty() {
                    cell.push(own);
                }
            }
        }
        let by = |level: usize| -> Vec<Vec<usize>> {
            (0..problem.levels[level].groups.len())
                .map(|g| (0..keys.len()).filter(|&c| keys[c][level] == g).collect())
                .collect()
        };
        let each: Vec<Vec<usize>> = (0..keys.len()).map(|c| vec![c]).collect();
        let mut kinds = vec![each, by(L3), by(NUMA), vec![(0..keys.len()).collect()]];
        kinds.dedup();
        Self { cells, kinds }
    }

    fn free(&self, state: &State<'_>, cell: usize) -> usize {
        self.cells[cell]
            .iter()
            .flatten()
            .filter(|&&t| state.owner(t).is_none())
            .count()
    }
}

/// Best fit from scratch, in the best of its ways.
pub(super) fn greedy<'a>(problem: &'a Problem, regions: &Regions) -> State<'a> {
    best_way(&State::empty(problem), regions)
}

/// Best fit for what every container lacks in `start`: all containers
/// [`Style::Spread`], all [`Style::Packed`], or [`divided`] between the two;
/// the cheapest of the three.
pub(super) fn best_way<'a>(start: &State<'a>, regions: &Regions) -> State<'a> {
    let problem = start.problem;
    let all = |style| vec![style; problem.containers.len()];
    let ways = [all(Style::Spread), all(Style::Packed), divided(problem)];
    let mut best: Option<State<'a>> = None;
    for styles in &ways {
        let mut state = start.clone();
        fit_all(&mut state, regions, styles);
        if best.as_ref().is_none_or(|b| state.cost() < b.cost()) {
            best = Some(state);
        }
    }
    best.unwrap_or_else(|| start.clone())
}

/// With C cores for R threads, about 2 C - R threads can have a core of their
/// own: those of the containers that use a thread most are spread, the rest is
/// packed.
fn divided(problem: &Problem) -> Vec<Style> {
    let requested: usize = problem.containers.iter().map(|k| k.request).sum();
    let mut alone = (2 * problem.cores.len()).saturating_sub(requested);
    let mut order: Vec<usize> = (0..problem.containers.len()).collect();
    order.sort_by_key(|&k| (Reverse(problem.containers[k].rho), k));
    let mut styles = vec![Style::Packed; order.len()];
    for k in order {
        if let Some(left) = alone.checked_sub(problem.containers[k].request) {
            alone = left;
            styles[k] = Style::Spread;
        }
    }
    styles
}

fn fit_all(state: &mut State<'_>, regions: &Regions, styles: &[Style]) {
    let problem = state.problem;
    let mut lacking: Vec<usize> = problem.containers.iter().map(|k| k.request).collect();
    for owner in state.owners().iter().flatten() {
        lacking[*owner as usize] -= 1;
    }
    let mut order: Vec<(u32, usize)> = (0u32..).zip(lacking).filter(|l| l.1 > 0).collect();
    order.sort_by_key(|&(k, lacking)| {
        let load = problem.containers[k as usize].load;
        (Reverse((lacking, load)), k)
    });
    for (k, lacking) in order {
        fit(state, regions, k, lacking, styles[k as usize]);
    }
}

/// Gives `k` another `need` free threads; it takes what there is if there are
/// fewer. The threads given.
pub(super) fn fit(
    state: &mut State<'_>,
    regions: &Regions,
    k: u32,
    need: usize,
    style: Style,
) -> Vec<usize> {
    if need == 0 {
        return Vec::new();
    }
    let free: Vec<usize> = (0..regions.cells.len())
        .map(|c| regions.free(state, c))
        .collect();
    let owned: Vec<bool> = regions
        .cells
        .iter()
        .map(|cell| cell.iter().flatten().any(|&t| state.owner(t) == Some(k)))
        .collect();
    let room = |region: &[usize]| region.iter().map(|&c| free[c]).sum::<usize>();
    let whole = regions.kinds.len() - 1;
    let kind = (0..whole)
        .find(|&kind| regions.kinds[kind].iter().any(|r| room(r) >= need))
        .unwrap_or(whole);
    let mut best: Option<((i64, usize), Vec<usize>)> = None;
    for region in &regions.kinds[kind] {
        if kind < whole && room(region) < need {
            continue;
        }
        let mut cells = region.clone();
        cells.sort_by_key(|&c| (!owned[c], Reverse(free[c]), c));
        let mut given = Given {
            threads: Vec::with_capacity(need),
            added: 0,
        };
        for &cell in &cells {
            take(state, &regions.cells[cell], k, need, style, &mut given);
        }
        let Given { threads, added } = given;
        let key = (state.give_rise(&threads, k, added), room(region));
        if best.as_ref().is_none_or(|b| key < b.0) {
            best = Some((key, threads));
        }
    }
    let given = best.map(|b| b.1).unwrap_or_default();
    for &thread in &given {
        state.set(thread, Some(k));
    }
    given
}

/// Threads that a container would get, not given yet.
struct Given {
    threads: Vec<usize>,
    /// What they cost on their cores, micro-CPU.
    added: i64,
}

/// Adds free threads of a cell until there are `need`.
fn take(
    state: &State<'_>,
    cores: &[Vec<usize>],
    k: u32,
    need: usize,
    style: Style,
    given: &mut Given,
) {
    let mut left = need - given.threads.len();
    if left == 0 {
        return;
    }
    let mut most = match style {
        Style::Spread => 1,
        Style::Packed => cores.iter().map(Vec::len).max().unwrap_or(1),
    };
    let mut taken = vec![0; cores.len()];
    let all = |taken: &[usize], most: usize| -> BinaryHeap<Reverse<Offer>> {
        let offers = taken.iter().enumerate();
        offers
            .filter_map(|(core, &taken)| offer(state, cores, core, k, taken, most))
            .map(Reverse)
            .collect()
    };
    most = most.min(left);
    let mut offers = all(&taken, most);
    while left > 0 {
        if left < most {
            // Offers of more threads than are still needed are stale.
            most = left;
            offers = all(&taken, most);
        }
        let Some(Reverse(best)) = offers.pop() else {
            break;
        };
        let core = best.core;
        let free = free_threads(state, &cores[core], k);
        given.threads.extend(free.skip(taken[core]).take(best.take));
        given.added += best.added;
        taken[core] += best.take;
        left -= best.take;
        offers.extend(offer(state, cores, core, k, taken[core], most).map(Reverse));
    }
}

/// What a core would cost: least added cost for each thread first, then most
/// threads, then the smallest core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Offer {
    /// Added cost for each thread, scaled so that the division by a core's
    /// width stays exact enough to order by.
    each: i64,
    fewer: Reverse<usize>,
    /// Index into the cell's cores.
    core: usize,
    /// Threads it gives.
    take: usize,
    /// Added cost of all of them, micro-CPU.
    added: i64,
}

/// Free threads, those that `k` had before first; `core` is ascending.
fn free_threads<'s>(
    state: &'s State<'_>,
    core: &'s [usize],
    k: u32,
) -> impl Iterator<Item = usize> + 's {
    let free = move |had: bool| {
        let own = core.iter().copied();
        own.filter(move |&t| state.owner(t).is_none() && (state.was(t) == Some(k)) == had)
    };
    free(true).chain(free(false))
}

/// What `core` offers after `taken` of its free threads: at most `most`.
fn offer(
    state: &State<'_>,
    cores: &[Vec<usize>],
    core: usize,
    k: u32,
    taken: usize,
    most: usize,
) -> Option<Offer> {
    let threads = &cores[core];
    let (mut take, mut added) = (0, 0);
    // All threads of a cell are in the same groups, so only what the core
    // itself costs can tell them apart.
    for thread in free_threads(state, threads, k).skip(taken).take(most) {
        added += state.thread_cost(thread, k);
        take += 1;
    }
    if take == 0 {
        return None;
    }
    let index = state.problem.threads[threads[0]].core;
    added += state.smt_with(index, k, taken + take) - state.smt_with(index, k, taken);
    Some(Offer {
        each: added.saturating_mul(64) / i64::try_from(take).unwrap_or(1),
        fewer: Reverse(take),
        core,
        take,
        added,
    })
}
