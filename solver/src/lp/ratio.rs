//! The ratio test of the dual simplex: long steps with Harris's tolerance.
//!
//! The leaving variable violates a bound by `slope`. With a = sigma alpha_j w_j
//! (sigma the side of the violation, w_j the way that j may move) and e = w_j
//! d_j >= 0, reduced cost j reaches zero at the dual step e / a. Passing it
//! moves a boxed j to its other bound, which lessens the slope of the dual
//! objective by a (u_j - l_j); the step goes on while the slope stays above [`params::SLOPE`]
//! (Maros 2003, "A generalized dual phase-2 simplex algorithm").
//!
//! Breakpoints are taken in groups: all with e / a <= min (e + tolerance) / a
//! (Harris 1973). Within the last groups the largest |alpha| is taken.

use super::params;
use super::state::State;
use crate::sparse::Index;

/// Pivots below this fraction of the largest passed candidate's are avoided.
const SMALL: f64 = 0.1;

impl State {
    /// The entering variable for a violation of `delta` (negative: below the
    /// lower bound) at the current `row`; none where the dual is unbounded.
    /// The first `flips` entries of `candidates` are to move to their other
    /// bound.
    pub(super) fn dual_ratio(&mut self, delta: f64, least_pivot: f64) -> Option<(usize, usize)> {
        let sigma = if delta < 0.0 { -1.0 } else { 1.0 };
        self.candidates.clear();
        for &v in &self.row.index {
            let way = self.way[v as usize];
            if way == 0 {
                continue;
            }
            let alpha = sigma * self.row.value[v as usize];
            let a = match way {
                1 => alpha,
                -1 => -alpha,
                _ => alpha.abs(),
            };
            if a > least_pivot {
                self.candidates.push((v, a));
            }
        }
        if self.candidates.is_empty() {
            return None;
        }
        self.long_step(delta.abs())
    }

    /// e = w_j d_j of a candidate.
    #[inline]
    fn distance(&self, v: Index) -> f64 {
        let v = v as usize;
        match self.way[v] {
            1 => self.d[v],
            -1 => -self.d[v],
            // A free variable's reduced cost is zero but for round-off.
            _ => 0.0,
        }
    }

    #[inline]
    fn range(&self, v: Index) -> f64 {
        self.upper[v as usize] - self.lower[v as usize]
    }

    fn long_step(&mut self, mut slope: f64) -> Option<(usize, usize)> {
        let mut list = std::mem::take(&mut self.candidates);
        let mut groups = std::mem::take(&mut self.groups);
        groups.clear();
        // Candidates beyond the first one that ends the step are of no use: a
        // step that grows tenfold finds them without sorting.
        let mut useful = 0;
        let mut reach = 0.0;
        let mut remaining = slope;
        loop {
            let mut next = f64::INFINITY;
            let start = useful;
            for k in start..list.len() {
                let (v, a) = list[k];
                let e = self.distance(v);
                if e <= reach * a {
                    remaining -= a * self.range(v);
                    list.swap(useful, k);
                    useful += 1;
                } else {
                    next = next.min((e + params::DUAL) / a);
                }
            }
            // A violation may itself be below that: then the first group ends it.
            if (remaining <= params::SLOPE && useful > 0) || useful == list.len() {
                break;
            }
            reach = next.max(10.0 * reach);
        }
        // The useful ones by ratio e / a, so that a group is a run of them, and
        // for each the least (e + tolerance) / a from it on.
        let mut ratios = std::mem::take(&mut self.ratios);
        ratios.clear();
        for &(v, a) in &list[..useful] {
            ratios.push((self.distance(v).max(0.0) / a, v, a, 0.0));
        }
        ratios.sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)));
        let mut least = f64::INFINITY;
        for ratio in ratios.iter_mut().rev() {
            least = least.min(ratio.0 + params::DUAL / ratio.2);
            ratio.3 = least;
        }
        for (entry, &(_, v, a, _)) in list.iter_mut().zip(&ratios) {
            *entry = (v, a);
        }
        let mut grouped = 0;
        let mut largest = 0.0_f64;
        while grouped < useful {
            groups.push(grouped);
            let limit = ratios[grouped].3;
            while grouped < useful && ratios[grouped].0 <= limit {
                let (_, v, a, _) = ratios[grouped];
                slope -= a * self.range(v);
                largest = largest.max(a);
                grouped += 1;
            }
            if slope <= params::SLOPE {
                break;
            }
        }
        self.ratios = ratios;
        // The last group with a pivot that is not small.
        let mut chosen = None;
        let mut end = grouped;
        for &start in groups.iter().rev() {
            let mut best = (start, 0.0);
            for (k, &(v, a)) in list.iter().enumerate().take(end).skip(start) {
                let best_v = list[best.0].0;
                if a > best.1
                    || (a >= best.1
                        && super::state::fraction(v as usize)
                            < super::state::fraction(best_v as usize))
                {
                    best = (k, a);
                }
            }
            if chosen.is_none() || best.1 > 0.0 {
                chosen = Some((list[best.0].0 as usize, start));
            }
            if best.1 > (SMALL * largest).min(1.0) {
                break;
            }
            end = start;
        }
        self.candidates = list;
        self.groups = groups;
        chosen
    }
}
