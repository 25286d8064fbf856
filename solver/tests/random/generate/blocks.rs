//! Interchangeable blocks of columns, some of blocks that are interchangeable
//! themselves (a wreath product), some with one entry that spoils it.
//!
//! Column (block b, part p, item i) is `(b * parts + p) * items + i`. Costs,
//! bounds and the rows inside a part depend on the item alone; rows inside a
//! block sum over its parts, rows of the whole over all blocks.

use super::{Case, Random, entries, some_point};

pub(super) fn blocks(case: &mut Case, random: &mut Random) {
    let (blocks, parts, items) =
        [(2, 2, 2), (3, 1, 3), (3, 2, 1), (4, 1, 2), (2, 1, 4)][random.below(5) as usize];
    let is_binary = random.chance(60);
    let bounds: Vec<(i64, i64)> = (0..items)
        .map(|_| match is_binary {
            true => (0, 1),
            false => {
                let lower = random.within(-2, 1);
                (lower, lower + random.within(1, 2))
            }
        })
        .collect();
    let costs: Vec<i64> = (0..items).map(|_| random.within(-5, 6)).collect();
    for _ in 0..blocks * parts {
        for item in 0..items {
            let (lower, upper) = bounds[item];
            case.column(costs[item], Some(lower), Some(upper), true);
        }
    }
    let point = some_point(random, case);
    // Each set of parts gets the same row, over the sum of them.
    let repeat = |case: &mut Case, random: &mut Random, sets: &[Vec<usize>]| {
        let pattern = entries(random, items, 80, 4);
        let rows: Vec<Vec<(usize, i64)>> = sets
            .iter()
            .map(|set| {
                let terms = set
                    .iter()
                    .flat_map(|part| pattern.iter().map(move |&(i, a)| (part * items + i, a)));
                terms.collect()
            })
            .collect();
        let most = rows.iter().map(|row| Case::activity(row, &point)).max();
        let side = most.unwrap_or(0) + random.within(-1, 2);
        let is_equation = sets.len() == 1 && random.chance(40);
        for row in rows {
            case.row(row, is_equation.then_some(side), Some(side));
        }
    };
    let part: Vec<Vec<usize>> = (0..blocks * parts).map(|p| vec![p]).collect();
    let block: Vec<Vec<usize>> = (0..blocks)
        .map(|b| (0..parts).map(|p| b * parts + p).collect())
        .collect();
    let whole = vec![(0..blocks * parts).collect()];
    for _ in 0..random.within(0, 1) {
        repeat(case, random, &part);
    }
    for _ in 0..random.within(1, 2) {
        repeat(case, random, &block);
    }
    for _ in 0..random.within(1, 2) {
        repeat(case, random, &whole);
    }
    if random.chance(20) {
        let at = random.below(case.columns.len() as i64) as usize;
        case.columns[at].cost += random.within(-1, 1);
    }
}
