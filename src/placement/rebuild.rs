//! From counts per cell back to threads, with as little movement as they allow.
//!
//! Per cell: pop cores class by class for the states that keep previous owners
//! (F, S, X, P), put the other states on the cores that are left, pair the
//! shared stubs, and give each thread of a core to its previous owner where
//! that is one of the core's two.
//!
//! **Pairing.** A stub is a thread of k on a shared core; a *claimed* stub
//! lies on a given core (state P). Let d_k be k's stubs, c_k the claimed ones
//! among them, E half of all stubs. Given d_k <= E and sum c <= E, edges that
//! are no loops and hold at most one claimed stub exist, and these steps keep
//! both conditions: take the container with the most stubs, or with claims
//! left and none at d_k = E the one with the most stubs among those with
//! claims; join it to the one with the most stubs that can be joined.
//!
//! Every profit that the model counts is kept, so the cost is never above the
//! model's; where luck keeps more, the model's point was no optimum. Time:
//! linear in the threads, times the containers for the pairing.

use super::cells::Cell;
use super::classes::Class;
use super::counts::{CellCounts, State};
use super::problem::Problem;

/// The owners of each thread for `counts`; none where the counts contradict
/// each other or the host.
pub(super) fn rebuild(
    problem: &Problem,
    cells: &[Cell],
    classes: &[Vec<Class>],
    counts: &[CellCounts],
    core_sets: &[usize],
) -> Option<Vec<Option<u32>>> {
    let mut had: Vec<Vec<u32>> = vec![Vec::new(); problem.threads.len()];
    for (k, container) in (0u32..).zip(&problem.containers) {
        for &thread in container.previous() {
            had[thread].push(k);
        }
    }
    let mut owners = vec![None; problem.threads.len()];
    for ((cell, classes), counts) in cells.iter().zip(classes).zip(counts) {
        if cell.is_wide {
            for (&core, content) in cell.cores.iter().zip(&counts.cores) {
                put_all(&problem.cores[core], content, &had, &mut owners)?;
            }
            continue;
        }
        for (core, new) in place_cell(cell, classes, counts, core_sets)? {
            put(&problem.cores[core], new, &had, &mut owners)?;
        }
    }
    Some(owners)
}

/// Gives the threads of a core to `new`, each to a previous one where it can.
fn put(
    threads: &[usize],
    new: [Option<usize>; 2],
    had: &[Vec<u32>],
    owners: &mut [Option<u32>],
) -> Option<()> {
    let new = [index(new[0])?, index(new[1])?];
    let kept = |thread: usize, owner: Option<u32>| owner.is_some_and(|k| had[thread].contains(&k));
    match *threads {
        [only] => {
            owners[only] = new[0];
            new[1].is_none().then_some(())
        }
        [first, second] => {
            let straight = u8::from(kept(first, new[0])) + u8::from(kept(second, new[1]));
            let crossed = u8::from(kept(first, new[1])) + u8::from(kept(second, new[0]));
            let [a, b] = if crossed > straight {
                [new[1], new[0]]
            } else {
                new
            };
            owners[first] = a;
            owners[second] = b;
            Some(())
        }
        _ => None,
    }
}

/// Gives the threads of a core to `content`, an entry a thread, each to a
/// previous one where it can.
fn put_all(
    threads: &[usize],
    content: &[usize],
    had: &[Vec<u32>],
    owners: &mut [Option<u32>],
) -> Option<()> {
    let mut left: Vec<u32> = content
        .iter()
        .map(|&k| u32::try_from(k))
        .collect::<Result<_, _>>()
        .ok()?;
    let mut open = Vec::with_capacity(threads.len());
    for &thread in threads {
        match left.iter().position(|k| had[thread].contains(k)) {
            Some(at) => owners[thread] = Some(left.remove(at)),
            None => open.push(thread),
        }
    }
    for k in left {
        owners[open.pop()?] = Some(k);
    }
    Some(())
}

/// The index as an owner; none where it does not fit.
#[expect(
    clippy::option_option,
    reason = "nobody owns the thread, or the index does not fit"
)]
fn index(owner: Option<usize>) -> Option<Option<u32>> {
    owner.map(u32::try_from).transpose().ok()
}

/// The containers on each core of a cell, in no order within the core.
fn place_cell(
    cell: &Cell,
    classes: &[Class],
    counts: &CellCounts,
    core_sets: &[usize],
) -> Option<Vec<(usize, [Option<usize>; 2])>> {
    let mut free = Free::new(cell, classes);
    let mut placed = Vec::with_capacity(cell.cores.len());
    let mut whole = counts.whole.clone();
    let mut lone = counts.lone.clone();
    let mut stubs = counts.shared.clone();
    // By container, the cores that its claimed stubs lie on.
    let mut claims: Vec<Vec<usize>> = vec![Vec::new(); stubs.len()];
    for kept in &counts.kept {
        for _ in 0..kept.count {
            let core = free.of_class(kept.class)?;
            match kept.state {
                State::Whole(k) => {
                    whole[k] = whole[k].checked_sub(1)?;
                    placed.push((core, [Some(k), Some(k)]));
                }
                State::Lone(k) => {
                    lone[k] = lone[k].checked_sub(1)?;
                    placed.push((core, [Some(k), None]));
                }
                State::Both => {
                    let (a, b) = classes[kept.class].pair()?;
                    stubs[a] = stubs[a].checked_sub(1)?;
                    stubs[b] = stubs[b].checked_sub(1)?;
                    placed.push((core, [Some(a), Some(b)]));
                }
                State::Part(k) => claims[k].push(core),
            }
        }
    }
    for (a, b, core) in pair_sets(&stubs, &mut claims, core_sets)? {
        let core = match core {
            Some(core) => core,
            None => free.any()?,
        };
        placed.push((core, [Some(a), Some(b)]));
    }
    for (k, (&whole, &lone)) in whole.iter().zip(&lone).enumerate() {
        for _ in 0..whole {
            placed.push((free.any()?, [Some(k), Some(k)]));
        }
        for _ in 0..lone {
            placed.push((free.any()?, [Some(k), None]));
        }
    }
    Some(placed)
}

/// Cores that are not given away yet.
pub(super) struct Free {
    /// By class, largest core number first.
    of_class: Vec<Vec<usize>>,
    /// Those without previous owner.
    fresh: Vec<usize>,
}

impl Free {
    pub(super) fn new(cell: &Cell, classes: &[Class]) -> Self {
        let mut classed: Vec<usize> = classes.iter().flat_map(|c| c.cores.clone()).collect();
        classed.sort_unstable();
        let backwards = |cores: &[usize]| cores.iter().rev().copied().collect();
        Self {
            of_class: classes.iter().map(|c| backwards(&c.cores)).collect(),
            fresh: backwards(&cell.cores)
                .into_iter()
                .filter(|core| classed.binary_search(core).is_err())
                .collect(),
        }
    }

    pub(super) fn of_class(&mut self, class: usize) -> Option<usize> {
        self.of_class.get_mut(class)?.pop()
    }

    pub(super) fn any(&mut self) -> Option<usize> {
        self.fresh
            .pop()
            .or_else(|| self.of_class.iter_mut().find_map(Vec::pop))
    }
}

/// [`pair`], where containers with the same entry in `core_sets` may not share
/// a core: each such set is paired as if it were one container, and its edges
/// are then dealt out to its members' stubs, the claimed ones to who claims.
fn pair_sets(
    stubs: &[usize],
    claims: &mut [Vec<usize>],
    core_sets: &[usize],
) -> Option<Vec<(usize, usize, Option<usize>)>> {
    if core_sets.iter().enumerate().all(|(k, &set)| k == set) {
        return pair(stubs, claims);
    }
    let mut of_set = vec![0; stubs.len()];
    let mut claims_of_set = vec![Vec::new(); stubs.len()];
    let mut claimant = std::collections::BTreeMap::new();
    let mut unclaimed = vec![Vec::new(); stubs.len()];
    for (k, &set) in core_sets.iter().enumerate() {
        of_set[set] += stubs[k];
        let open = stubs[k].checked_sub(claims[k].len())?;
        unclaimed[set].extend(std::iter::repeat_n(k, open));
        for core in claims[k].drain(..) {
            claims_of_set[set].push(core);
            claimant.insert(core, k);
        }
    }
    let edges = pair(&of_set, &mut claims_of_set)?;
    let mut dealt = Vec::with_capacity(edges.len());
    for (first, second, core) in edges {
        let claims = core.and_then(|core| claimant.get(&core).copied());
        let mut member = |set: usize| match claims {
            Some(k) if core_sets[k] == set => Some(k),
            _ => unclaimed[set].pop(),
        };
        dealt.push((member(first)?, member(second)?, core));
    }
    Some(dealt)
}

/// Pairs the stubs: two containers and the claimed core, if any, of each edge.
fn pair(stubs: &[usize], claims: &mut [Vec<usize>]) -> Option<Vec<(usize, usize, Option<usize>)>> {
    let mut left = stubs.to_vec();
    let total: usize = left.iter().sum();
    let mut edges = Vec::with_capacity(total / 2);
    if total % 2 == 1 || claims.iter().zip(&left).any(|(c, &d)| c.len() > d) {
        return None;
    }
    for remaining in (1..=total / 2).rev() {
        let unclaimed = |k: usize| left[k] - claims[k].len();
        // The most stubs; of equals the smallest index.
        let most = |allowed: &dyn Fn(usize) -> bool| {
            (0..left.len())
                .filter(|&k| left[k] > 0 && allowed(k))
                .max_by_key(|&k| (left[k], std::cmp::Reverse(k)))
        };
        let mut first = most(&|_| true)?;
        let claimed = most(&|k| !claims[k].is_empty());
        if left[first] < remaining
            && let Some(k) = claimed
        {
            first = k;
        }
        let second = if claims[first].is_empty() && claimed.is_some() {
            // Only a full `first` gets here: its edges must use up the claims.
            most(&|k| k != first && !claims[k].is_empty())?
        } else if claims[first].is_empty() || unclaimed(first) == 0 {
            most(&|k| k != first && unclaimed(k) > 0)?
        } else {
            most(&|k| k != first)?
        };
        let (open_first, open_second) = (unclaimed(first) > 0, unclaimed(second) > 0);
        let core = if !claims[first].is_empty() && open_second {
            claims[first].pop()
        } else if !claims[second].is_empty() && open_first {
            claims[second].pop()
        } else if open_first && open_second {
            None
        } else {
            return None;
        };
        left[first] -= 1;
        left[second] -= 1;
        edges.push((first, second, core));
    }
    claims.iter().all(Vec::is_empty).then_some(edges)
}
