//! In how many ways a container's threads lie in a cell of cores of at most two
//! threads, and what they cost: psi of [`super::lagrange`], which has the terms.

use super::classes::Class;

/// A way to treat a container's threads in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// f.
    pub(super) whole: usize,
    /// m.
    pub(super) shared: usize,
    /// u = 2 n - 2 f - m.
    pub(super) halves: usize,
    /// c.
    pub(super) cost: i64,
}

/// What a container had in a cell, as cores of each kind of class.
#[derive(Clone, Debug, Default)]
pub(super) struct Had {
    /// Cores with both threads its own.
    both: usize,
    /// Cores with one thread its own, the other nobody's.
    one: usize,
    /// Cores that it had with another: that one, and how many.
    pub(super) pairs: Vec<(usize, usize)>,
}

impl Had {
    pub(super) fn of(classes: &[Class], k: usize) -> Self {
        let mut had = Self::default();
        for class in classes {
            match class.pair() {
                Some((a, b)) if a == k => had.pairs.push((b, class.cores.len())),
                Some((a, b)) if b == k => had.pairs.push((a, class.cores.len())),
                Some(_) => {}
                None => match class.count(k) {
                    0 => {}
                    1 => had.one += class.cores.len(),
                    _ => had.both += class.cores.len(),
                },
            }
        }
        had
    }

    /// `split` says which pairs have pi = M_thread.
    pub(super) fn claims(&self, split: impl Fn(usize) -> bool) -> Claims {
        let mut claims = Claims {
            both: self.both,
            own: self.one,
            halves: 0,
        };
        for &(other, cores) in &self.pairs {
            match split(other) {
                true => claims.halves += cores,
                false => claims.own += cores,
            }
        }
        claims
    }
}

/// What a container may keep in a cell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Claims {
    /// Cores with both threads its own.
    both: usize,
    /// Further cores of which it may keep a thread for itself,
    own: usize,
    /// or half a one.
    halves: usize,
}

impl Claims {
    /// Threads kept two a core, further cores touched, and own claims on those:
    /// what (f, m) of n threads come to.
    pub(super) fn kept(self, [threads, whole, shared]: [usize; 3]) -> [usize; 3] {
        debug_assert!(2 * whole + shared <= threads);
        let twice = whole.min(self.both);
        [twice, threads - whole - twice, self.both - twice + self.own]
    }

    /// Most that (f, m) of n threads keep, as a profit.
    fn profit(self, each: i64, counts: [usize; 3]) -> i64 {
        let [twice, touched, own] = self.kept(counts);
        let once = touched.min(own);
        let half = (touched - once).min(counts[2]).min(self.halves);
        each * (2 * twice + once) as i64 + (each + 1) / 2 * half as i64
    }

    fn is_empty(self) -> bool {
        self.both + self.own + self.halves == 0
    }
}

/// What the ways of a container in a cell depend on, beside its claims.
#[derive(Clone, Copy, Debug)]
pub(super) struct Treatment {
    pub(super) rho: i64,
    pub(super) smt_busy: i64,
    pub(super) smt_foreign: i64,
    /// M_thread.
    pub(super) each: i64,
    /// Most threads on cores shared with others.
    pub(super) most_shared: usize,
    /// Whether cores have two threads.
    pub(super) is_paired: bool,
}

impl Treatment {
    /// All ways of `threads` with at most `shared` on shared cores, priced
    /// without what they keep.
    pub(super) fn all(self, threads: usize, shared: usize) -> impl Iterator<Item = Way> {
        let most_shared = self.most_shared.min(threads).min(shared);
        (0..=most_shared).flat_map(move |shared| {
            let most_whole = match self.is_paired {
                true => (threads - shared) / 2,
                false => 0,
            };
            (0..=most_whole).map(move |whole| Way {
                whole,
                shared,
                halves: 2 * threads - 2 * whole - shared,
                cost: 2 * self.smt_busy * self.rho * whole as i64
                    + (self.smt_busy + self.smt_foreign) * self.rho * shared as i64,
            })
        })
    }

    /// The ways of `threads`, by half cores, without those that another of the
    /// same parity of m beats.
    pub(super) fn best(self, claims: Claims, threads: usize) -> Vec<Way> {
        let mut ways = Vec::new();
        self.add_best(claims, threads, &mut Vec::new(), &mut ways);
        ways
    }

    /// Adds them to `ways`; `least` is room to work in.
    fn add_best(
        self,
        claims: Claims,
        threads: usize,
        least: &mut Vec<Option<Way>>,
        ways: &mut Vec<Way>,
    ) {
        // The cheapest by half cores, whose parity is that of m.
        least.clear();
        least.resize(2 * threads + 1, None);
        // With nothing to keep two shared threads are never better than a core
        // of its own: as many half cores, and nobody else's threads there.
        let most = if claims.is_empty() { 1 } else { usize::MAX };
        for mut way in self.all(threads, most) {
            way.cost -= claims.profit(self.each, [threads, way.whole, way.shared]);
            let slot = &mut least[way.halves];
            if slot.is_none_or(|other| way.cost < other.cost) {
                *slot = Some(way);
            }
        }
        let mut cheapest = [i64::MAX; 2];
        for way in least.iter().flatten() {
            let cheapest = &mut cheapest[way.shared % 2];
            if way.cost < *cheapest {
                *cheapest = way.cost;
                ways.push(*way);
            }
        }
    }

    /// The ways of up to `most` threads.
    pub(super) fn list(self, claims: Claims, most: usize) -> Ways {
        // About n ways of n threads, where a core has two.
        let all = match self.is_paired {
            true => (most + 1) * (most + 2) / 2,
            false => most + 1,
        };
        let mut ways = Ways {
            all: Vec::with_capacity(all),
            corners: Vec::with_capacity(2 * (most + 1)),
            ends: Vec::with_capacity(most + 1),
        };
        let mut room = Vec::with_capacity(2 * most + 1);
        for threads in 0..=most {
            let start = ways.all.len();
            self.add_best(claims, threads, &mut room, &mut ways.all);
            let corners = ways.corners.len();
            for way in &ways.all[start..] {
                add_corner(&mut ways.corners, corners, (way.halves as i64, way.cost));
            }
            ways.ends.push((ways.all.len(), ways.corners.len()));
        }
        ways
    }
}

/// The ways of a container in a cell, by threads.
#[derive(Clone, Debug, Default)]
pub(super) struct Ways {
    all: Vec<Way>,
    /// Half cores and cost of the ways that are the cheapest at some price of a
    /// half core: corners of the lower left hull, by half cores.
    corners: Vec<(i64, i64)>,
    /// Ends in `all` and `corners`, by threads.
    ends: Vec<(usize, usize)>,
}

impl Ways {
    /// The ways of `threads`.
    pub(super) fn of(&self, threads: usize) -> &[Way] {
        let start = threads.checked_sub(1).map_or(0, |n| self.ends[n].0);
        &self.all[start..self.ends[threads].0]
    }

    /// psi at a price of a half core, and its half cores (the fewest), by threads.
    pub(super) fn least(&self, price: i64) -> impl Iterator<Item = (i64, i64)> {
        let mut start = 0;
        self.ends.iter().map(move |&(_, end)| {
            let corners = &self.corners[std::mem::replace(&mut start, end)..end];
            let priced = corners
                .iter()
                .map(|(halves, cost)| (cost + price * halves, *halves));
            priced.min().unwrap_or((0, 0))
        })
    }
}

/// Adds a point that is right of those from `from` on, if it is cheaper, and
/// drops those that are no corners then.
fn add_corner(corners: &mut Vec<(i64, i64)>, from: usize, (x, y): (i64, i64)) {
    if corners.len() > from && corners[corners.len() - 1].1 <= y {
        return;
    }
    while let [.., (x0, y0), (x1, y1)] = corners[from..] {
        if (y1 - y0) * (x - x0) < (y - y0) * (x1 - x0) {
            break;
        }
        corners.pop();
    }
    corners.push((x, y));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::random::Random;

    /// The corners give the cheapest of all ways with the fewest half cores, at
    /// any price.
    #[test]
    fn the_cheapest_way_is_a_corner() {
        let mut random = Random(1);
        for _ in 0..200 {
            let mut below = |n: usize| random.below(n);
            let is_paired = below(4) > 0;
            let treatment = Treatment {
                rho: below(1000) as i64 + 1,
                smt_busy: below(400) as i64,
                smt_foreign: below(400) as i64,
                each: below(300) as i64 * 1000,
                most_shared: if is_paired { below(8) } else { 0 },
                is_paired,
            };
            let claims = Claims {
                both: below(3),
                own: below(4),
                halves: below(4),
            };
            let most = below(12);
            let ways = treatment.list(claims, most);
            for _ in 0..20 {
                let price = i64::try_from(below(400_000)).unwrap();
                for (n, least) in ways.least(price).enumerate() {
                    let all = treatment.all(n, usize::MAX).map(|way| {
                        let kept = claims.profit(treatment.each, [n, way.whole, way.shared]);
                        let halves = way.halves as i64;
                        (way.cost - kept + price * halves, halves)
                    });

                    assert_eq!(Some(least), all.min());
                }
            }
        }
    }
}
