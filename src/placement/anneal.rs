//! Local search: simulated annealing over exchanges of threads, for starts and
//! for hosts too large to prove.
//!
//! Kirkpatrick, Gelatt and Vecchi, "Optimization by Simulated Annealing",
//! Science 220 (1983). A proposal is one of
//!
//! - two threads exchange their owners (or one moves to a free thread),
//! - a container gets back a thread that it had before,
//! - two cores exchange their owners,
//! - a container's cores in one group change places with cores of another;
//!
//! a proposal that raises the cost by d is accepted with probability about
//! exp(-d / T). Here that is d <= T e with e exponential, drawn from the bits
//! of an integer, so that no rounding of `exp` can make two builds differ.
//!
//! Rounds of growing length start from the best assignment so far; in each, T
//! falls from about a core-sharing thread's cost (or a part of it, see
//! [`HEATS`]) to 1/600 of that. The
//! schedule depends on the problem and the seed alone: a budget only cuts it,
//! so more work never gives a worse answer.

use super::problem::Problem;
use super::state::{Changes, State};
use crate::splitmix::SplitMix64;

/// Proposals of the first round for each thread; later rounds double it.
const FIRST_ROUND: u64 = 16;
/// Where T starts in each round, of [`FULL_HEAT`]: gently first, since best fit
/// is a good start and the budget may be short, then in turns.
const HEATS: [i64; 4] = [4, 64, 16, 64];
/// The heat at which T is what a thread pays that shares its core.
const FULL_HEAT: i64 = 64;
/// Steps of the temperature in a round.
const STEPS: u64 = 48;
/// The temperature falls by this ratio in each step: to 1/600 in a round.
const COOLING: (i64, i64) = (7, 8);
/// Proposals between two looks at the clock: far below a millisecond.
const CHECK: u64 = 64;

/// The choices of one search.
#[derive(Clone, Debug)]
struct Random(SplitMix64);

impl Random {
    /// Below `n`, which is at least 1 and far below 2^32.
    fn below(&mut self, n: usize) -> usize {
        let wide = (self.0.next() >> 32) * n as u64;
        usize::try_from(wide >> 32).unwrap_or(0)
    }

    /// `scale` times an exponential variate of mean about 1: -log2 of a
    /// uniform number, its mantissa taken linearly, times ln 2 (177 / 256).
    fn exponential(&mut self, scale: i64) -> i64 {
        let bits = self.0.next() | 1;
        let zeros = i64::from(bits.leading_zeros());
        let mantissa = bits << zeros << 1 >> 56;
        let log2 = (zeros + 1) * 256 - i64::from(u8::try_from(mantissa).unwrap_or(0));
        scale.saturating_mul(log2) / 256 * 177 / 256
    }
}

/// Where a search stopped.
#[derive(Debug)]
pub(super) struct Annealed {
    /// The best assignment, never above the start.
    pub(super) owners: Vec<Option<u32>>,
    /// Its cost.
    pub(super) cost: i64,
    /// Proposals made.
    pub(super) work: u64,
}

/// Searches from `start` until `limit` proposals are made, `stop` says so, or
/// the cost reaches `target`.
pub(super) fn anneal(
    start: State<'_>,
    seed: u64,
    limit: u64,
    target: i64,
    stop: &dyn Fn() -> bool,
) -> Annealed {
    let mut search = Search::new(start, seed);
    let mut length = FIRST_ROUND * (search.state.problem.threads.len() as u64).max(STEPS);
    for heat in HEATS.into_iter().cycle() {
        if !search.round(heat, length, limit, target, stop) {
            break;
        }
        length *= 2;
    }
    Annealed {
        cost: search.best_cost,
        owners: search.best,
        work: search.work,
    }
}

/// The threads of two cores, place by place.
fn threads_of(problem: &Problem, a: usize, b: usize) -> impl Iterator<Item = (usize, usize)> {
    let other = problem.cores[b].iter().copied();
    problem.cores[a].iter().copied().zip(other)
}

struct Search<'a> {
    state: State<'a>,
    /// Whether all cores are equal in width.
    is_even: bool,
    /// Containers with a previous set.
    veterans: Vec<u32>,
    best: Vec<Option<u32>>,
    best_cost: i64,
    random: Random,
    hot: i64,
    work: u64,
    /// The proposal: pairs of threads that exchange their owners, in turn.
    pairs: Vec<(usize, usize)>,
    changes: Changes,
    /// For each level and group, the cores with a thread in it.
    cores_of: [Vec<Vec<usize>>; 2],
    /// Room for a block's cores.
    sources: Vec<usize>,
    /// Room for the cores it changes places with, by rank.
    targets: Vec<(u8, usize)>,
}

impl<'a> Search<'a> {
    fn new(state: State<'a>, seed: u64) -> Self {
        let problem = state.problem;
        let weights = &problem.weights;
        let containers = i64::try_from(problem.containers.len()).unwrap_or(1).max(1);
        let rho = problem.containers.iter().map(|k| k.rho).sum::<i64>() / containers;
        let hot = rho * (weights.smt_busy + weights.smt_foreign).max(1);
        Self {
            is_even: problem
                .cores
                .windows(2)
                .all(|pair| pair[0].len() == pair[1].len()),
            veterans: (0u32..)
                .zip(&problem.containers)
                .filter(|(_, k)| !k.previous().is_empty())
                .map(|(k, _)| k)
                .collect(),
            best: state.owners().to_vec(),
            best_cost: state.cost(),
            random: Random(SplitMix64(seed)),
            hot,
            work: 0,
            pairs: Vec::new(),
            changes: Changes::new(problem),
            cores_of: [0, 1].map(|level| {
                let mut cores = vec![Vec::new(); problem.levels[level].groups.len()];
                for (index, core) in problem.cores.iter().enumerate() {
                    for &thread in core {
                        let own = &mut cores[problem.threads[thread].group[level]];
                        if own.last() != Some(&index) {
                            own.push(index);
                        }
                    }
                }
                cores
            }),
            sources: Vec::new(),
            targets: Vec::new(),
            state,
        }
    }

    fn open(&self, limit: u64, target: i64) -> bool {
        self.work < limit && self.best_cost > target && self.state.problem.threads.len() > 1
    }

    /// One cooling; false if the search is over.
    fn round(
        &mut self,
        heat: i64,
        length: u64,
        limit: u64,
        target: i64,
        stop: &dyn Fn() -> bool,
    ) -> bool {
        let mut hot = self.hot * heat / FULL_HEAT;
        for _ in 0..STEPS {
            for _ in 0..length / STEPS {
                if self.work.is_multiple_of(CHECK) && stop() || !self.open(limit, target) {
                    return false;
                }
                self.work += 1;
                self.propose(hot);
            }
            hot = hot * COOLING.0 / COOLING.1;
        }
        self.state = State::new(self.state.problem, &self.best);
        true
    }

    fn propose(&mut self, temperature: i64) {
        let mut pairs = std::mem::take(&mut self.pairs);
        pairs.clear();
        match self.random.below(16) {
            0 | 1 => self.swap_cores(&mut pairs),
            2..=5 => self.swap_blocks(&mut pairs),
            6..=8 if !self.veterans.is_empty() => self.go_back(&mut pairs),
            _ => self.swap_threads(&mut pairs),
        }
        let priced = match pairs[..] {
            [] => Some(0),
            [(a, b)] => self.state.swap_rise(a, b),
            _ if self.is_even => self.state.exchange_rise(&pairs, &mut self.changes),
            _ => None,
        };
        match priced {
            Some(rise) => {
                if self.accepts(rise, temperature) {
                    self.swap(&pairs);
                    self.note();
                }
            }
            None => {
                let before = self.state.cost();
                self.swap(&pairs);
                if self.accepts(self.state.cost() - before, temperature) {
                    self.note();
                } else {
                    pairs.reverse();
                    self.swap(&pairs);
                }
            }
        }
        self.pairs = pairs;
    }

    fn accepts(&mut self, rise: i64, temperature: i64) -> bool {
        rise <= 0 || rise <= self.random.exponential(temperature)
    }

    fn swap(&mut self, pairs: &[(usize, usize)]) {
        for &(a, b) in pairs {
            self.state.swap(a, b);
        }
    }

    fn note(&mut self) {
        if self.state.cost() < self.best_cost {
            self.best_cost = self.state.cost();
            self.best.copy_from_slice(self.state.owners());
        }
    }

    fn swap_threads(&mut self, pairs: &mut Vec<(usize, usize)>) {
        let threads = self.state.problem.threads.len();
        pairs.push((self.random.below(threads), self.random.below(threads)));
    }

    fn swap_cores(&mut self, pairs: &mut Vec<(usize, usize)>) {
        let problem: &'a Problem = self.state.problem;
        let cores = problem.cores.len();
        let (a, b) = (self.random.below(cores), self.random.below(cores));
        pairs.extend(threads_of(problem, a, b));
    }

    /// A container takes back a thread of its previous set for one that is not.
    fn go_back(&mut self, pairs: &mut Vec<(usize, usize)>) {
        let problem: &'a Problem = self.state.problem;
        let k = self.veterans[self.random.below(self.veterans.len())];
        let previous = problem.containers[k as usize].previous();
        let thread = previous[self.random.below(previous.len())];
        if self.state.owner(thread) == Some(k) {
            return;
        }
        // The first of its other threads at or after a random place.
        let threads = problem.threads.len();
        let from = self.random.below(threads);
        let other = (from..threads)
            .chain(0..from)
            .find(|&t| self.state.owner(t) == Some(k) && self.state.was(t) != Some(k));
        pairs.extend(other.map(|other| (thread, other)));
    }

    /// The cores of a container in one group change places with as many cores
    /// of another group: first those of whoever owns a random thread there,
    /// then idle ones, then others. Whole cores, so that what shares a core
    /// keeps sharing it.
    fn swap_blocks(&mut self, pairs: &mut Vec<(usize, usize)>) {
        let problem: &'a Problem = self.state.problem;
        let level = self.random.below(2);
        let groups = &problem.levels[level].groups;
        let from = self.random.below(problem.threads.len());
        let (Some(k), a) = (self.state.owner(from), problem.threads[from].group[level]) else {
            return;
        };
        let b = self.random.below(groups.len());
        if a == b {
            return;
        }
        let target = &groups[b].threads;
        let partner = self.state.owner(target[self.random.below(target.len())]);
        if partner == Some(k) {
            return;
        }
        let mut sources = std::mem::take(&mut self.sources);
        let mut targets = std::mem::take(&mut self.targets);
        sources.clear();
        targets.clear();
        let state = &self.state;
        let has = |core: usize, owner: Option<u32>| {
            problem.cores[core].iter().any(|&t| state.owner(t) == owner)
        };
        sources.extend(self.cores_of[level][a].iter().filter(|&&c| has(c, Some(k))));
        let of_b = self.cores_of[level][b]
            .iter()
            .filter(|&&c| !has(c, Some(k)));
        targets.extend(of_b.map(|&c| {
            let rank = if has(c, partner) {
                0
            } else if problem.cores[c].iter().all(|&t| state.owner(t).is_none()) {
                1
            } else {
                2
            };
            (rank, c)
        }));
        targets.sort_unstable();
        for (&x, &(_, y)) in sources.iter().zip(&targets) {
            pairs.extend(threads_of(problem, x, y));
        }
        self.sources = sources;
        self.targets = targets;
    }
}
