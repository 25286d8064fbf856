//! An assignment that knows its cost: changing the owner of one thread updates
//! it in constant time (for a core of constant width). [`super::cost`] is the
//! obvious form that this one is tested against.

use super::problem::{NUMA, Owners, Problem};

/// The incremental cost of an assignment of a [`Problem`] whose previous sets
/// are disjoint.
#[derive(Clone, Debug)]
pub(super) struct State<'a> {
    pub(super) problem: &'a Problem,
    owners: Vec<Option<u32>>,
    /// Previous owner of each thread.
    was: Vec<Option<u32>>,
    /// For each level, row k column g: threads of k in g, and threads of P_k.
    count: [Vec<Count>; 2],
    /// For each level, groups each container is in.
    used: [Vec<u32>; 2],
    /// For each level, the load of each group, milli-CPU.
    load: [Vec<i64>; 2],
    cost: i64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    now: i32,
    before: i32,
}

impl<'a> State<'a> {
    /// Nobody owns anything.
    pub(super) fn empty(problem: &'a Problem) -> Self {
        let containers = problem.containers.len();
        let groups = |level: usize| problem.levels[level].groups.len();
        let mut state = Self {
            problem,
            owners: vec![None; problem.threads.len()],
            was: vec![None; problem.threads.len()],
            count: [0, 1].map(|l| vec![Count::default(); groups(l) * containers]),
            used: [0, 1].map(|_| vec![0; containers]),
            load: [0, 1].map(|l| vec![0; groups(l)]),
            cost: 0,
        };
        let weights = &problem.weights.movement;
        for (k, container) in (0u32..).zip(&problem.containers) {
            for &thread in container.previous() {
                debug_assert!(state.was[thread].is_none(), "previous sets are disjoint");
                state.was[thread] = Some(k);
                state.cost += weights.thread;
                for (level, data) in problem.levels.iter().enumerate() {
                    let group = problem.threads[thread].group[level];
                    let index = k as usize * data.groups.len() + group;
                    state.count[level][index].before += 1;
                    state.cost += data.movement;
                }
            }
        }
        state
    }

    /// The given assignment.
    pub(super) fn new(problem: &'a Problem, owners: &Owners) -> Self {
        let mut state = Self::empty(problem);
        for (thread, &owner) in owners.iter().enumerate() {
            if owner.is_some() {
                state.set(thread, owner);
            }
        }
        state
    }

    pub(super) fn cost(&self) -> i64 {
        self.cost
    }

    pub(super) fn owners(&self) -> &Owners {
        &self.owners
    }

    pub(super) fn owner(&self, thread: usize) -> Option<u32> {
        self.owners[thread]
    }

    /// Who owned `thread` in the last round.
    pub(super) fn was(&self, thread: usize) -> Option<u32> {
        self.was[thread]
    }

    /// Gives `thread` to `owner`, or frees it.
    pub(super) fn set(&mut self, thread: usize, owner: Option<u32>) {
        let old = self.owners[thread];
        if old == owner {
            return;
        }
        let core = self.problem.threads[thread].core;
        self.cost -= self.smt(core);
        if let Some(k) = old {
            self.take(thread, k);
        }
        self.owners[thread] = owner;
        if let Some(k) = owner {
            self.give(thread, k);
        }
        self.cost += self.smt(core);
    }

    /// Exchanges the owners of two threads.
    pub(super) fn swap(&mut self, a: usize, b: usize) {
        let (x, y) = (self.owners[a], self.owners[b]);
        if x != y {
            // Each container's count moves between groups once; freeing `a`
            // first keeps every count within its request.
            self.set(a, None);
            self.set(b, x);
            self.set(a, y);
        }
    }

    /// What a thread costs whoever sits beside it: slow core, away from home.
    pub(super) fn own_cost(&self, thread: usize, k: u32) -> i64 {
        let data = &self.problem.threads[thread];
        let container = &self.problem.containers[k as usize];
        let away = if container.away[data.group[NUMA]] {
            self.problem.weights.away
        } else {
            0
        };
        (data.slow + away) * container.rho
    }

    fn give(&mut self, thread: usize, k: u32) {
        let problem = self.problem;
        let data = &problem.threads[thread];
        let container = &problem.containers[k as usize];
        self.cost += self.own_cost(thread, k);
        if self.was[thread] == Some(k) {
            self.cost -= problem.weights.movement.thread;
        }
        for (level, weights) in problem.levels.iter().enumerate() {
            let group = data.group[level];
            let count = &mut self.count[level][k as usize * weights.groups.len() + group];
            if count.now < count.before {
                self.cost -= weights.movement;
            }
            count.now += 1;
            if count.now == 1 {
                let used = &mut self.used[level][k as usize];
                *used += 1;
                if *used > 1 {
                    self.cost += weights.spread * container.load;
                }
            }
            let load = &mut self.load[level][group];
            let over = (*load - weights.groups[group].share).max(0);
            *load += container.rho;
            self.cost += weights.balance * ((*load - weights.groups[group].share).max(0) - over);
        }
    }

    fn take(&mut self, thread: usize, k: u32) {
        let problem = self.problem;
        let data = &problem.threads[thread];
        let container = &problem.containers[k as usize];
        self.cost -= self.own_cost(thread, k);
        if self.was[thread] == Some(k) {
            self.cost += problem.weights.movement.thread;
        }
        for (level, weights) in problem.levels.iter().enumerate() {
            let group = data.group[level];
            let count = &mut self.count[level][k as usize * weights.groups.len() + group];
            count.now -= 1;
            if count.now < count.before {
                self.cost += weights.movement;
            }
            if count.now == 0 {
                let used = &mut self.used[level][k as usize];
                *used -= 1;
                if *used > 0 {
                    self.cost -= weights.spread * container.load;
                }
            }
            let load = &mut self.load[level][group];
            let over = (*load - weights.groups[group].share).max(0);
            *load -= container.rho;
            self.cost -= weights.balance * (over - (*load - weights.groups[group].share).max(0));
        }
    }

    /// SMT cost of a core.
    pub(super) fn smt(&self, core: usize) -> i64 {
        self.smt_with(core, 0, 0)
    }

    /// SMT cost of a core if container `k` had `more` of its free threads.
    pub(super) fn smt_with(&self, core: usize, k: u32, more: usize) -> i64 {
        let weights = &self.problem.weights;
        let owned = self.problem.cores[core].iter().map(|&t| self.owners[t]);
        let added = std::iter::repeat_n(Some(k), more);
        let (mut busy, mut total, mut foreign, mut first) = (0, 0, false, None);
        for k in owned.chain(added).flatten() {
            busy += 1;
            total += self.problem.containers[k as usize].rho;
            foreign |= first.is_some_and(|f| f != k);
            first = Some(k);
        }
        if busy < 2 {
            return 0;
        }
        // With two owners or more, every busy thread has a foreign sibling.
        let rate = weights.smt_busy + if foreign { weights.smt_foreign } else { 0 };
        rate * total
    }
}
