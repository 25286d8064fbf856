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

use super::problem::{L3, Level, NUMA, Problem, Thread};
use super::state::State;

/// Which core of a cell takes the next threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Thread by thread where it adds least: idle cores first.
    Spread,
    /// Whole cores where it adds least for each thread: leaves no half cores.
    Packed,
}

/// The cells of a host, and the regions made of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Regions {
    /// Threads of each cell by core, all ascending.
    cells: Vec<Vec<Vec<usize>>>,
    /// For each cell, threads of its widest core.
    widths: Vec<usize>,
    /// Regions by kind, each a list of cells; identical kinds appear once.
    kinds: Vec<Vec<Vec<usize>>>,
    /// Cell of each thread.
    cell_of: Vec<usize>,
}

impl Regions {
    pub(super) fn new(threads: &[Thread], cores: &[Vec<usize>], levels: &[Level; 2]) -> Self {
        let mut keys: Vec<[usize; 2]> = threads.iter().map(|t| t.group).collect();
        keys.sort_unstable();
        keys.dedup();
        let cell = |t: usize| keys.binary_search(&threads[t].group).unwrap_or(0);
        let cell_of: Vec<usize> = (0..threads.len()).map(cell).collect();
        let mut cells: Vec<Vec<Vec<usize>>> = vec![Vec::new(); keys.len()];
        for core in cores {
            // A core lies in one cell, except on hosts that claim otherwise.
            let mut own: Vec<usize> = core.iter().map(|&t| cell_of[t]).collect();
            own.sort_unstable();
            own.dedup();
            for cell in own {
                let threads = core.iter().copied().filter(|&t| cell_of[t] == cell);
                cells[cell].push(threads.collect());
            }
        }
        let widest = |cell: &Vec<Vec<usize>>| cell.iter().map(Vec::len).max();
        let widths = cells.iter().map(|cell| widest(cell).unwrap_or(1));
        let by = |level: usize| -> Vec<Vec<usize>> {
            let mut regions = vec![Vec::new(); levels[level].groups.len()];
            for (cell, key) in keys.iter().enumerate() {
                regions[key[level]].push(cell);
            }
            regions
        };
        let each: Vec<Vec<usize>> = (0..keys.len()).map(|c| vec![c]).collect();
        let mut kinds = vec![each, by(L3), by(NUMA), vec![(0..keys.len()).collect()]];
        kinds.dedup();
        Self {
            widths: widths.collect(),
            cells,
            kinds,
            cell_of,
        }
    }
}

/// Best fit from scratch, in the best of its ways.
pub(super) fn greedy(problem: &Problem) -> State<'_> {
    best_way(&State::empty(problem))
}

/// Best fit for what every container lacks in `start`: all containers
/// [`Style::Spread`], all [`Style::Packed`], or [`divided`] between the two;
/// the cheapest of the three.
pub(super) fn best_way<'a>(start: &State<'a>) -> State<'a> {
    let problem = start.problem;
    let all = |style| vec![style; problem.containers.len()];
    let ways = [all(Style::Spread), all(Style::Packed), divided(problem)];
    let lacking = lacking(start);
    let mut best: Option<State<'a>> = None;
    for (way, styles) in ways.iter().enumerate() {
        // Where few lack anything, as mostly from round to round, ways are often the same.
        let who = lacking.iter().map(|&(k, _)| k as usize);
        let is_known = |other: &Vec<Style>| who.clone().all(|k| other[k] == styles[k]);
        if ways[..way].iter().any(is_known) {
            continue;
        }
        let mut state = start.clone();
        fit_all(&mut state, &lacking, styles);
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

/// Who lacks threads, and how many, in the order in which they are fitted.
fn lacking(state: &State<'_>) -> Vec<(u32, usize)> {
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
    order
}

fn fit_all(state: &mut State<'_>, lacking: &[(u32, usize)], styles: &[Style]) {
    let mut fitter = Fitter::new(state);
    for &(k, lacking) in lacking {
        fitter.fit(state, k, lacking, styles[k as usize]);
    }
}

/// Best fit for one container after the other: what is free, kept along, and
/// room to work in.
pub(super) struct Fitter<'r> {
    regions: &'r Regions,
    /// Free threads of each cell.
    free: Vec<usize>,
    /// Cores of each cell with a free thread, ascending.
    open: Vec<Vec<usize>>,
    /// Whether the container is in a cell already.
    owned: Vec<bool>,
    /// Cells of a region in the order in which they are filled.
    order: Vec<usize>,
    offers: BinaryHeap<Reverse<Offer>>,
    given: Given,
    best: Given,
}

/// Threads that a container would get, not given yet.
#[derive(Debug, Default)]
struct Given {
    threads: Vec<usize>,
    /// What they cost on their cores, micro-CPU.
    added: i64,
}

impl<'r> Fitter<'r> {
    pub(super) fn new(state: &State<'r>) -> Self {
        let regions: &Regions = &state.problem.regions;
        let is_free = |&&t: &&usize| state.owner(t).is_none();
        let count = |core: &Vec<usize>| core.iter().filter(is_free).count();
        let free = |cell: &Vec<Vec<usize>>| cell.iter().map(count).sum();
        let open = |cell: &Vec<Vec<usize>>| -> Vec<usize> {
            (0..cell.len()).filter(|&c| count(&cell[c]) > 0).collect()
        };
        Self {
            regions,
            free: regions.cells.iter().map(free).collect(),
            open: regions.cells.iter().map(open).collect(),
            owned: vec![false; regions.cells.len()],
            order: Vec::new(),
            offers: BinaryHeap::new(),
            given: Given::default(),
            best: Given::default(),
        }
    }

    /// Gives `k` another `need` free threads; it takes what there is if there
    /// are fewer. The threads given.
    pub(super) fn fit(
        &mut self,
        state: &mut State<'_>,
        k: u32,
        need: usize,
        style: Style,
    ) -> &[usize] {
        self.best.threads.clear();
        if need > 0 {
            self.choose(state, k, need, style);
        }
        let regions = self.regions;
        for &thread in &self.best.threads {
            state.set(thread, Some(k));
            self.free[regions.cell_of[thread]] -= 1;
        }
        // Those of a cell stand together.
        let cell_of = |&t: &usize| regions.cell_of[t];
        for threads in self.best.threads.chunk_by(|a, b| cell_of(a) == cell_of(b)) {
            let cell = cell_of(&threads[0]);
            let cores = &regions.cells[cell];
            let is_open = |core: &usize| cores[*core].iter().any(|&t| state.owner(t).is_none());
            self.open[cell].retain(is_open);
        }
        &self.best.threads
    }

    /// Fills `best`.
    fn choose(&mut self, state: &mut State<'_>, k: u32, need: usize, style: Style) {
        self.owned.fill(false);
        if state.is_placed(k) {
            for (thread, &cell) in self.regions.cell_of.iter().enumerate() {
                self.owned[cell] |= state.owner(thread) == Some(k);
            }
        }
        let regions = self.regions;
        let whole = regions.kinds.len() - 1;
        let kind = (0..whole)
            .find(|&kind| regions.kinds[kind].iter().any(|r| self.room(r) >= need))
            .unwrap_or(whole);
        let mut least: Option<(i64, usize)> = None;
        for region in &regions.kinds[kind] {
            let room = self.room(region);
            if kind < whole && room < need {
                continue;
            }
            self.fill(state, region, k, need, style);
            let key = (
                state.give_rise(&self.given.threads, k, self.given.added),
                room,
            );
            if least.is_none_or(|least| key < least) {
                least = Some(key);
                std::mem::swap(&mut self.given, &mut self.best);
            }
        }
    }

    fn room(&self, region: &[usize]) -> usize {
        region.iter().map(|&c| self.free[c]).sum()
    }

    /// Fills `given` from a region.
    fn fill(&mut self, state: &State<'_>, region: &[usize], k: u32, need: usize, style: Style) {
        self.given.threads.clear();
        self.given.added = 0;
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        order.extend_from_slice(region);
        order.sort_unstable_by_key(|&c| (!self.owned[c], Reverse(self.free[c]), c));
        for &cell in &order {
            let left = need - self.given.threads.len();
            if left == 0 {
                break;
            }
            self.take(state, cell, k, left, style);
        }
        self.order = order;
    }

    /// Adds `left` free threads of a cell to `given`, or all that it has.
    fn take(&mut self, state: &State<'_>, cell: usize, k: u32, mut left: usize, style: Style) {
        let cores = &self.regions.cells[cell];
        let mut most = match style {
            Style::Spread => 1,
            Style::Packed => self.regions.widths[cell],
        };
        most = most.min(left);
        let mut offers = std::mem::take(&mut self.offers).into_vec();
        offers.clear();
        for &core in &self.open[cell] {
            offers.extend(offer(state, cores, core, k, 0, most).map(Reverse));
        }
        let mut offers = BinaryHeap::from(offers);
        while left > 0 {
            if left < most {
                // Offers of more threads than are still needed are stale.
                most = left;
                let stale = offers.into_iter();
                let renew = |Reverse(o): Reverse<Offer>| {
                    offer(state, cores, o.core as usize, k, o.from as usize, most)
                };
                offers = stale.filter_map(renew).map(Reverse).collect();
            }
            let Some(Reverse(best)) = offers.pop() else {
                break;
            };
            let (core, from, take) = (best.core as usize, best.from as usize, best.take());
            let free = free_threads(state, &cores[core], k);
            self.given.threads.extend(free.skip(from).take(take));
            self.given.added += best.added;
            left -= take;
            offers.extend(offer(state, cores, core, k, from + take, most).map(Reverse));
        }
        self.offers = offers;
    }
}

/// What a core would cost: least added cost for each thread first, then most
/// threads, then the smallest core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Offer {
    /// Added cost for each thread, scaled so that the division by a core's
    /// width stays exact enough to order by.
    each: i64,
    fewer: Reverse<u32>,
    /// Index into the cell's cores.
    core: u32,
    /// Threads that it has given before.
    from: u32,
    /// Added cost of all that it gives, micro-CPU.
    added: i64,
}

impl Offer {
    fn new(core: usize, from: usize, take: usize, added: i64) -> Self {
        // A host has far fewer threads than 2^32.
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let each = match take {
            1 => added.saturating_mul(64),
            _ => added.saturating_mul(64) / i64::try_from(take).unwrap_or(1),
        };
        Self {
            each,
            fewer: Reverse(narrow(take)),
            core: narrow(core),
            from: narrow(from),
            added,
        }
    }

    /// Threads it gives.
    fn take(&self) -> usize {
        self.fewer.0 as usize
    }
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

/// What `core` offers after `from` of its free threads: at most `most`.
fn offer(
    state: &State<'_>,
    cores: &[Vec<usize>],
    core: usize,
    k: u32,
    from: usize,
    most: usize,
) -> Option<Offer> {
    let threads = &cores[core];
    let index = state.problem.threads[*threads.first()?].core;
    if let [a, b] = threads[..]
        && state.problem.cores[index].len() == 2
    {
        return offer_of_pair(state, [a, b], core, k, from, most);
    }
    let (mut take, mut added) = (0, 0);
    // All threads of a cell are in the same groups, so only what the core
    // itself costs can tell them apart.
    for thread in free_threads(state, threads, k).skip(from).take(most) {
        added += state.thread_cost(thread, k);
        take += 1;
    }
    if take == 0 {
        return None;
    }
    added += state.smt_with(index, k, from + take) - state.smt_with(index, k, from);
    Some(Offer::new(core, from, take, added))
}

/// The same for a core of two threads.
fn offer_of_pair(
    state: &State<'_>,
    [a, b]: [usize; 2],
    core: usize,
    k: u32,
    from: usize,
    most: usize,
) -> Option<Offer> {
    let (first, second) = match (state.owner(a), state.owner(b)) {
        (Some(_), Some(_)) => return None,
        (None, Some(j)) => return offer_beside(state, a, j, core, k, from),
        (Some(j), None) => return offer_beside(state, b, j, core, k, from),
        (None, None) if state.was(b) == Some(k) && state.was(a) != Some(k) => (b, a),
        (None, None) => (a, b),
    };
    let both = || state.pair_cost(Some(k), Some(k));
    let (take, added) = match (from, most) {
        (0, 1) => (1, state.thread_cost(first, k)),
        (0, _) => {
            let threads = state.thread_cost(first, k) + state.thread_cost(second, k);
            (2, threads + both())
        }
        (1, _) => (1, state.thread_cost(second, k) + both()),
        _ => return None,
    };
    Some(Offer::new(core, from, take, added))
}

/// The same for a free thread whose only sibling is `j`'s.
fn offer_beside(
    state: &State<'_>,
    thread: usize,
    j: u32,
    core: usize,
    k: u32,
    from: usize,
) -> Option<Offer> {
    let added = state.thread_cost(thread, k) + state.pair_cost(Some(j), Some(k));
    (from == 0).then(|| Offer::new(core, 0, 1, added))
}
