//! The least load above the even shares of two groups when no container is
//! split between them: what branching would find out one container at a time.
//!
//! A subset of the containers in the first group, with t threads and load b,
//! fits iff t <= |g_1| and R - t <= |g_2|. Which pairs (t, b) there are is a
//! subset-sum table: a set of bits b for each t, shifted by p_k and r_k for
//! each container k (Bellman 1957). With
//!
//! ```text
//! T = min over fitting (t, b) of max(0, b - tau_1) + max(0, p - b - tau_2)
//! ```
//!
//! every placement has E_1 + E_2 >= T or splits a container, so
//!
//! ```text
//! E_1 + E_2 + T sum_k (y[1,k] + y[2,k] - 1) >= T
//! ```

use super::problem::Problem;

/// Most words to be shifted: a fraction of a millisecond.
const LARGEST: usize = 1 << 20;

/// T of a level; none where it has not two groups, where a container fits in
/// neither or where the table would be too large.
pub(super) fn least_excess(problem: &Problem, level: usize) -> Option<i64> {
    let [first, second] = &problem.levels[level].groups[..] else {
        return None;
    };
    let room = [first.threads.len(), second.threads.len()];
    let requested: usize = problem.containers.iter().map(|k| k.request).sum();
    let load: i64 = problem.containers.iter().map(|k| k.load).sum();
    let words = usize::try_from(load).ok()? / 64 + 1;
    let size = words.checked_mul(room[0] + 1)?;
    if size.checked_mul(problem.containers.len())? > LARGEST {
        return None;
    }
    // Bit b of row t: t threads and load b can be in the first group.
    let mut table = vec![vec![0u64; words]; room[0] + 1];
    table[0][0] = 1;
    for container in &problem.containers {
        let shift = usize::try_from(container.load).ok()?;
        for t in (container.request..=room[0]).rev() {
            let (below, from_t) = table.split_at_mut(t);
            add_shifted(&mut from_t[0], &below[t - container.request], shift);
        }
    }
    let fitting = table
        .iter()
        .enumerate()
        .filter(|(t, _)| requested - t.min(&requested) <= room[1]);
    fitting
        .flat_map(|(_, row)| (0i64..).zip(row))
        .filter(|(_, word)| **word != 0)
        .flat_map(|(index, &word)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| index * 64 + bit)
        })
        .map(|b| (b - first.share).max(0) + (load - b - second.share).max(0))
        .min()
}

/// into |= from << shift.
fn add_shifted(into: &mut [u64], from: &[u64], shift: usize) {
    let (words, bits) = (shift / 64, shift % 64);
    let mut carry = 0;
    for (into, &word) in into.iter_mut().skip(words).zip(from) {
        *into |= word << bits | carry;
        carry = if bits == 0 { 0 } else { word >> (64 - bits) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::problem::L3;
    use crate::placement::random::{Random, Shape, problem};

    #[test]
    fn shifting_carries_between_words() {
        let from = [1 << 63 | 1, 2];
        let mut into = [0, 0];
        add_shifted(&mut into, &from, 1);
        assert_eq!(into, [2, 5]);
        let mut into = [8, 0];
        add_shifted(&mut into, &from, 64);
        assert_eq!(into, [8, 1 << 63 | 1]);
        let mut into = [0, 0];
        add_shifted(&mut into, &from, 65);
        assert_eq!(into, [0, 2]);
    }

    /// Against trying every subset.
    #[test]
    fn least_excess_is_that_of_the_best_subset() {
        let shape = Shape {
            width: 2,
            threads: 12,
            containers: 6,
            overlap: false,
        };
        let (mut some, mut positive, mut split) = (0, 0, 0);
        for seed in 0..600 {
            let problem = problem(&mut Random(seed), shape);
            let [first, second] = &problem.levels[L3].groups[..] else {
                assert_eq!(least_excess(&problem, L3), None);
                continue;
            };
            let mut least: Option<i64> = None;
            for subset in 0u32..1 << problem.containers.len() {
                let (mut threads, mut loads) = ([0, 0], [0, 0]);
                for (k, container) in problem.containers.iter().enumerate() {
                    let side = (subset >> k & 1) as usize;
                    threads[side] += container.request;
                    loads[side] += container.load;
                }
                if threads[0] <= first.threads.len() && threads[1] <= second.threads.len() {
                    let over = |load: i64, share: i64| (load - share).max(0);
                    let total = over(loads[0], first.share) + over(loads[1], second.share);
                    least = Some(least.map_or(total, |l| l.min(total)));
                }
            }
            assert_eq!(least_excess(&problem, L3), least, "seed {seed}");
            some += u32::from(least.is_some());
            positive += u32::from(least.is_some_and(|l| l > 0));
            split += u32::from(least.is_none());
        }
        assert!(
            some >= 50 && positive >= 50 && split >= 1,
            "{some} {positive} {split}"
        );
    }
}
