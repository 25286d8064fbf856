//! One cell of a leaf of [`super::division`]: what it costs at least with the
//! threads that each container has in it, and how they lie then.

use std::borrow::Cow;

use super::counts::{CellCounts, Kept, State};
use super::lagrange::Relaxation;
use super::ways::Way;

/// Above any price; sums of it do not overflow.
pub(super) const NEVER: i64 = i64::MAX / 4;

/// What is chosen at once in a cell: the ways of a part, or of two parts that
/// had cores together.
struct Item<'a> {
    parts: (usize, Option<usize>),
    /// Of two parts: both together.
    ways: Cow<'a, [Way]>,
    /// Of two parts: the ways of each.
    each: Vec<[Way; 2]>,
}

const NOTHING: Way = Way {
    whole: 0,
    shared: 0,
    halves: 0,
    cost: 0,
};

/// The items of a cell with `threads` of each part, and the constant of those
/// pair classes that have pi = M_thread.
fn items<'a>(relaxation: &'a Relaxation<'_>, h: usize, threads: &[usize]) -> (Vec<Item<'a>>, i64) {
    let parts = &relaxation.parts;
    let mut part_of = vec![usize::MAX; parts.len()];
    for (j, part) in parts.iter().enumerate() {
        part_of[part.container] = j;
    }
    let is_here = |k: usize| threads[part_of[k]] > 0;
    // The one other container here that it had cores with.
    let partner = |j: usize| {
        let mut others = parts[j].had[h].pairs.iter().filter(|(k, _)| is_here(*k));
        match (others.next(), others.next()) {
            (Some(&(k, cores)), None) => Some((part_of[k], cores)),
            _ => None,
        }
    };
    let mutual = |j: usize| partner(j).filter(|&(other, _)| partner(other).is_some());
    let mut constant = 0;
    for class in &relaxation.classes[h] {
        if let Some((a, b)) = class.pair()
            && is_here(a)
            && is_here(b)
            && mutual(part_of[a]).is_none()
        {
            constant -= relaxation.problem.weights.movement.thread * class.cores.len() as i64;
        }
    }
    let mut items = Vec::with_capacity(parts.len());
    for (j, part) in parts.iter().enumerate() {
        let n = threads[j];
        if n == 0 {
            continue;
        }
        match mutual(j) {
            Some((other, cores)) if j < other => {
                let (ways, each) = relaxation.pair_ways(h, [j, other], [n, threads[other]], cores);
                items.push(Item {
                    parts: (j, Some(other)),
                    ways: Cow::Owned(ways),
                    each,
                });
            }
            Some(_) => {}
            // Without pair classes the ways are always the same.
            None => items.push(Item {
                parts: (j, None),
                ways: match part.had[h].pairs.is_empty() {
                    true => Cow::Borrowed(part.ways[h].of(n)),
                    false => Cow::Owned(relaxation.ways(part, h, n, is_here)),
                },
                each: Vec::new(),
            }),
        }
    }
    (items, constant)
}

/// The least cost of a cell with `threads` of each part, as far as the
/// text of [`super::division`] says, and a way for each part; none where they do not fit.
pub(super) fn treat(
    relaxation: &Relaxation<'_>,
    h: usize,
    threads: &[usize],
) -> Option<(i64, Vec<Way>)> {
    let (items, constant) = items(relaxation, h, threads);
    let room = 2 * relaxation.cells[h].cores.len();
    let mut taken = vec![NOTHING; threads.len()];
    let mut take = |item: &Item<'_>, index: usize| match item.parts {
        (j, None) => taken[j] = item.ways[index],
        (j, Some(other)) => [taken[j], taken[other]] = item.each[index],
    };
    // Each item's cheapest way, where that fits.
    let cheapest: Vec<usize> = items
        .iter()
        .map(|item| {
            let ways = item.ways.iter().enumerate();
            let least = ways.min_by_key(|(_, w)| (w.cost, w.halves));
            least.map_or(0, |(index, _)| index)
        })
        .collect();
    let chosen = || {
        items
            .iter()
            .zip(&cheapest)
            .map(|(item, &index)| item.ways[index])
    };
    let shared: usize = chosen().map(|w| w.shared).sum();
    if chosen().map(|w| w.halves).sum::<usize>() <= room && shared.is_multiple_of(2) {
        let cost: i64 = chosen().map(|w| w.cost).sum();
        for (item, &index) in items.iter().zip(&cheapest) {
            take(item, index);
        }
        return Some((constant + cost, taken));
    }
    // By half cores used, whose parity is that of sum m: the least cost of the
    // items so far.
    let width = room + 1;
    let mut least = vec![NEVER; width];
    least[0] = 0;
    let mut by_item: Vec<Vec<u32>> = Vec::with_capacity(items.len());
    let mut reached = 0;
    for item in &items {
        let mut next = vec![NEVER; width];
        let mut by = vec![0; width];
        for (index, way) in (0u32..).zip(item.ways.iter()) {
            let Some(most) = room.checked_sub(way.halves) else {
                continue;
            };
            let within = least.iter().enumerate().take(most.min(reached) + 1);
            for (used, &before) in within {
                let to = used + way.halves;
                if before < NEVER && before + way.cost < next[to] {
                    next[to] = before + way.cost;
                    by[to] = index;
                }
            }
        }
        let widest = item.ways.iter().map(|w| w.halves).max().unwrap_or(0);
        reached = (reached + widest).min(room);
        least = next;
        by_item.push(by);
    }
    let even = (0..=room).step_by(2);
    let (cost, mut used) = even.map(|used| (least[used], used)).min()?;
    if cost >= NEVER {
        return None;
    }
    for (item, by) in items.iter().zip(&by_item).rev() {
        let index = by[used] as usize;
        take(item, index);
        used -= item.ways[index].halves;
    }
    Some((constant + cost, taken))
}

/// The counts of a cell: as many kept threads as the ways allow, the cores
/// that two containers had to both where both share one.
pub(super) fn counts(
    relaxation: &Relaxation<'_>,
    h: usize,
    threads: &[usize],
    ways: &[Way],
) -> CellCounts {
    let containers = relaxation.problem.containers.len();
    let mut counts = CellCounts::empty(containers);
    for ((part, way), n) in relaxation.parts.iter().zip(ways).zip(threads) {
        let k = part.container;
        counts.whole[k] = way.whole;
        counts.shared[k] = way.shared;
        counts.lone[k] = n - 2 * way.whole - way.shared;
    }
    let classes = &relaxation.classes[h];
    let mut left: Vec<usize> = classes.iter().map(|class| class.cores.len()).collect();
    let (mut whole, mut lone, mut shared) = (
        counts.whole.clone(),
        counts.lone.clone(),
        counts.shared.clone(),
    );
    let mut keep = |class: usize, state: State, count: usize| {
        if count > 0 {
            counts.kept.push(Kept {
                class,
                state,
                count,
            });
        }
    };
    // Shared cores on which nothing is kept yet.
    let mut unclaimed = shared.iter().sum::<usize>() / 2;
    for (o, class) in classes.iter().enumerate() {
        if let Some((a, b)) = class.pair() {
            let both = left[o].min(shared[a]).min(shared[b]).min(unclaimed);
            keep(o, State::Both, both);
            left[o] -= both;
            shared[a] -= both;
            shared[b] -= both;
            unclaimed -= both;
        }
    }
    // Cores that a container had whole, then those that it had alone, then
    // those that it had with another.
    let rank = |o: &usize| match classes[*o].owners[..] {
        [a, b] if a == b => 0,
        [_] => 1,
        _ => 2,
    };
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.sort_by_key(|o| (rank(o), *o));
    for &o in order.iter().filter(|o| rank(o) == 0) {
        let k = classes[o].owners[0];
        let count = left[o].min(whole[k]);
        keep(o, State::Whole(k), count);
        left[o] -= count;
        whole[k] -= count;
    }
    // One thread kept: alone, of a whole core, of a shared one.
    for &o in &order {
        for k in classes[o].distinct() {
            let count = left[o].min(lone[k]);
            keep(o, State::Lone(k), count);
            left[o] -= count;
            lone[k] -= count;
            if rank(&o) > 0 {
                let count = left[o].min(whole[k]);
                keep(o, State::Whole(k), count);
                left[o] -= count;
                whole[k] -= count;
            }
            let count = left[o].min(shared[k]).min(unclaimed);
            keep(o, State::Part(k), count);
            left[o] -= count;
            shared[k] -= count;
            unclaimed -= count;
        }
    }
    counts
}
