//! An assignment that knows its cost: changing the owner of one thread updates
//! it in constant time (for a core of constant width). [`super::cost`] is the
//! obvious form that this one is tested against.

use super::problem::{L3, NUMA, Owners, Problem};

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
    /// For each level, the load of each group above its even share, milli-CPU.
    over: [Vec<i64>; 2],
    cost: i64,
    /// What broken rules add.
    penalty: i64,
    has_rules: bool,
    /// Room for [`State::give_rise`].
    scratch: Vec<(usize, i32)>,
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
            over: [0, 1].map(|l| {
                let groups = problem.levels[l].groups.iter();
                groups.map(|group| -group.share).collect()
            }),
            cost: 0,
            penalty: 0,
            has_rules: !problem.rules.is_empty(),
            scratch: Vec::new(),
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

    /// The cost, with what broken rules add.
    pub(super) fn cost(&self) -> i64 {
        self.cost + self.penalty
    }

    /// What is broken at these threads by these owners, priced.
    fn penalty_near(&self, threads: [usize; 2], of: [Option<u32>; 2]) -> i64 {
        if !self.has_rules {
            return 0;
        }
        let problem = self.problem;
        let now = |level: usize, group: usize, k: usize| {
            let groups = problem.levels[level].groups.len();
            i64::from(self.count[level][k * groups + group].now)
        };
        let rules = &problem.rules;
        let broken = rules.broken_near(problem, &self.owners, threads, of, &now);
        rules.price.saturating_mul(broken)
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

    /// Whether `k` owns a thread.
    pub(super) fn is_placed(&self, k: u32) -> bool {
        self.used[L3][k as usize] > 0
    }

    /// Gives `thread` to `owner`, or frees it.
    pub(super) fn set(&mut self, thread: usize, owner: Option<u32>) {
        let old = self.owners[thread];
        if old == owner {
            return;
        }
        let core = self.problem.threads[thread].core;
        self.penalty -= self.penalty_near([thread; 2], [old, owner]);
        self.cost -= self.smt(core);
        if let Some(k) = old {
            self.cost -= self.thread_cost(thread, k);
            self.leave(thread, k);
        }
        self.owners[thread] = owner;
        if let Some(k) = owner {
            self.cost += self.thread_cost(thread, k);
            self.enter(thread, k);
        }
        self.cost += self.smt(core);
        self.penalty += self.penalty_near([thread; 2], [old, owner]);
    }

    /// Exchanges the owners of two threads.
    pub(super) fn swap(&mut self, a: usize, b: usize) {
        let (x, y) = (self.owners[a], self.owners[b]);
        if x == y {
            return;
        }
        self.penalty -= self.penalty_near([a, b], [x, y]);
        let threads = &self.problem.threads;
        let (first, second) = (threads[a].core, threads[b].core);
        // Inside a group of each level the groups' numbers stay as they are.
        let same_groups = threads[a].group == threads[b].group;
        self.cost -= self.smt(first);
        if second != first {
            self.cost -= self.smt(second);
        }
        for (thread, owner) in [(a, x), (b, y)] {
            if let Some(k) = owner {
                self.cost -= self.thread_cost(thread, k);
                if !same_groups {
                    self.leave(thread, k);
                }
            }
        }
        self.owners.swap(a, b);
        for (thread, owner) in [(a, y), (b, x)] {
            if let Some(k) = owner {
                self.cost += self.thread_cost(thread, k);
                if !same_groups {
                    self.enter(thread, k);
                }
            }
        }
        self.cost += self.smt(first);
        if second != first {
            self.cost += self.smt(second);
        }
        self.penalty += self.penalty_near([a, b], [x, y]);
    }

    /// What [`State::swap`] would add to the cost; none under rules, where only
    /// doing it tells.
    pub(super) fn swap_rise(&self, a: usize, b: usize) -> Option<i64> {
        let (x, y) = (self.owners[a], self.owners[b]);
        if x == y {
            return Some(0);
        }
        if self.has_rules {
            return None;
        }
        let threads = &self.problem.threads;
        let mut rise = 0;
        if threads[a].core != threads[b].core {
            rise += self.smt_rise(a, y) + self.smt_rise(b, x);
        }
        let cost = |thread: usize, k: Option<u32>| k.map_or(0, |k| self.thread_cost(thread, k));
        rise += cost(a, y) + cost(b, x) - cost(a, x) - cost(b, y);
        let groups = [threads[a].group, threads[b].group];
        for level in [L3, NUMA] {
            let [of_a, of_b] = groups.map(|group| group[level]);
            if of_a != of_b {
                let rho = |k: Option<u32>| k.map_or(0, |k| self.problem.containers[k as usize].rho);
                let more = rho(y) - rho(x);
                rise += self.over_rise(level, of_a, more) + self.over_rise(level, of_b, -more);
                for (owner, from, to) in [(x, of_a, of_b), (y, of_b, of_a)] {
                    if let Some(k) = owner {
                        rise += self.count_rise(level, k, from, -1);
                        rise += self.count_rise(level, k, to, 1);
                    }
                }
            }
        }
        Some(rise)
    }

    /// What exchanging the owners of these pairs of threads would add to the
    /// cost, where the cores of the first ones change places with those of the
    /// others, equal in width; none where only doing it tells.
    pub(super) fn exchange_rise(
        &self,
        pairs: &[(usize, usize)],
        changes: &mut Changes,
    ) -> Option<i64> {
        if self.has_rules {
            return None;
        }
        let threads = &self.problem.threads;
        let mut rise = 0;
        for &(a, b) in pairs {
            let (x, y) = (self.owners[a], self.owners[b]);
            if x == y {
                continue;
            }
            for (k, from, to) in [(x, a, b), (y, b, a)] {
                let Some(k) = k else { continue };
                rise += self.thread_cost(to, k) - self.thread_cost(from, k);
                for level in [L3, NUMA] {
                    let [from, to] = [from, to].map(|thread| threads[thread].group[level]);
                    if from != to {
                        changes.add(self, level, k, from, -1);
                        changes.add(self, level, k, to, 1);
                    }
                }
            }
        }
        Some(rise + changes.settle(self))
    }

    /// What `k` having the free threads `given` too would add to the cost;
    /// `added` of it on their cores.
    pub(super) fn give_rise(&mut self, given: &[usize], k: u32, added: i64) -> i64 {
        if self.has_rules {
            let before = self.cost();
            for &thread in given {
                self.set(thread, Some(k));
            }
            let after = self.cost();
            for &thread in given {
                self.set(thread, None);
            }
            return after - before;
        }
        let container = &self.problem.containers[k as usize];
        let mut rise = added;
        let mut more = std::mem::take(&mut self.scratch);
        for (level, weights) in self.problem.levels.iter().enumerate() {
            more.clear();
            for &thread in given {
                let group = self.problem.threads[thread].group[level];
                match more.iter_mut().find(|(g, _)| *g == group) {
                    Some((_, n)) => *n += 1,
                    None => more.push((group, 1)),
                }
            }
            for &(group, n) in &more {
                rise += self.count_rise(level, k, group, n);
                rise += self.over_rise(level, group, container.rho * i64::from(n));
            }
            // The first group that it is in costs nothing.
            if self.used[level][k as usize] == 0 && !more.is_empty() {
                rise -= weights.spread * container.load;
            }
        }
        self.scratch = more;
        rise
    }

    /// What the core of `thread` pays more if that belongs to `new`.
    fn smt_rise(&self, thread: usize, new: Option<u32>) -> i64 {
        let core = self.problem.threads[thread].core;
        let sibling = match self.problem.cores[core][..] {
            [_] => return 0,
            [a, b] if a == thread => b,
            [a, _] => a,
            _ => {
                let own = self.problem.cores[core].iter();
                let with_new = own.map(|&t| if t == thread { new } else { self.owners[t] });
                return self.company_cost(with_new) - self.smt(core);
            }
        };
        let beside = self.owners[sibling];
        self.pair_cost(beside, new) - self.pair_cost(beside, self.owners[thread])
    }

    /// What `k` pays more with `more` threads in a group.
    fn count_rise(&self, level: usize, k: u32, group: usize, more: i32) -> i64 {
        let weights = &self.problem.levels[level];
        let count = self.count[level][k as usize * weights.groups.len() + group];
        let after = count.now + more;
        let lost = |now: i32| i64::from((count.before - now).max(0));
        let is_in = |now: i32| i64::from(now > 0);
        let spread = weights.spread * self.problem.containers[k as usize].load;
        weights.movement * (lost(after) - lost(count.now))
            + spread * (is_in(after) - is_in(count.now))
    }

    /// What a group costs more with `more` load.
    fn over_rise(&self, level: usize, group: usize, more: i64) -> i64 {
        let over = self.over[level][group];
        self.problem.levels[level].balance * ((over + more).max(0) - over.max(0))
    }

    /// What a thread costs `k`, whoever sits beside it: slow core, away from
    /// home, less what leaving it would cost.
    pub(super) fn thread_cost(&self, thread: usize, k: u32) -> i64 {
        let data = &self.problem.threads[thread];
        let container = &self.problem.containers[k as usize];
        let weights = &self.problem.weights;
        let mut rate = data.slow;
        if container.away[data.group[NUMA]] {
            rate += weights.away;
        }
        let stays = self.was[thread] == Some(k);
        rate * container.rho - if stays { weights.movement.thread } else { 0 }
    }

    fn enter(&mut self, thread: usize, k: u32) {
        let problem = self.problem;
        let container = &problem.containers[k as usize];
        for (level, weights) in problem.levels.iter().enumerate() {
            let group = problem.threads[thread].group[level];
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
            let over = &mut self.over[level][group];
            let before = (*over).max(0);
            *over += container.rho;
            self.cost += weights.balance * ((*over).max(0) - before);
        }
    }

    fn leave(&mut self, thread: usize, k: u32) {
        let problem = self.problem;
        let container = &problem.containers[k as usize];
        for (level, weights) in problem.levels.iter().enumerate() {
            let group = problem.threads[thread].group[level];
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
            let over = &mut self.over[level][group];
            let before = (*over).max(0);
            *over -= container.rho;
            self.cost += weights.balance * ((*over).max(0) - before);
        }
    }

    /// SMT cost of a core.
    pub(super) fn smt(&self, core: usize) -> i64 {
        let [a, b] = self.problem.cores[core][..] else {
            return self.smt_with(core, 0, 0);
        };
        self.pair_cost(self.owners[a], self.owners[b])
    }

    /// SMT cost of a core of two threads with these owners.
    pub(super) fn pair_cost(&self, first: Option<u32>, second: Option<u32>) -> i64 {
        let (Some(j), Some(k)) = (first, second) else {
            return 0;
        };
        let weights = &self.problem.weights;
        let rho = |k: u32| self.problem.containers[k as usize].rho;
        let foreign = if j == k { 0 } else { weights.smt_foreign };
        (weights.smt_busy + foreign) * (rho(j) + rho(k))
    }

    /// SMT cost of a core if container `k` had `more` of its free threads.
    pub(super) fn smt_with(&self, core: usize, k: u32, more: usize) -> i64 {
        if let [first, second] = self.problem.cores[core][..] {
            let mut two = [self.owners[first], self.owners[second]];
            for slot in two.iter_mut().filter(|slot| slot.is_none()).take(more) {
                *slot = Some(k);
            }
            return self.pair_cost(two[0], two[1]);
        }
        let owned = self.problem.cores[core].iter().map(|&t| self.owners[t]);
        self.company_cost(owned.chain(std::iter::repeat_n(Some(k), more)))
    }

    /// SMT cost of a core whose threads have these owners.
    fn company_cost(&self, owners: impl Iterator<Item = Option<u32>>) -> i64 {
        let weights = &self.problem.weights;
        let (mut busy, mut total, mut foreign, mut first) = (0, 0, false, None);
        for k in owners.flatten() {
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

/// Room for [`State::exchange_rise`]: threads that containers would have more
/// or less of in groups, and load.
#[derive(Clone, Debug)]
pub(super) struct Changes {
    /// For each level, row k column g.
    threads: [Vec<i32>; 2],
    /// Which of them were touched: level, container, group.
    touched: Vec<(usize, u32, usize)>,
    /// For each level.
    load: [Vec<i64>; 2],
}

impl Changes {
    pub(super) fn new(problem: &Problem) -> Self {
        let groups = |level: usize| problem.levels[level].groups.len();
        Self {
            threads: [0, 1].map(|level| vec![0; groups(level) * problem.containers.len()]),
            touched: Vec::new(),
            load: [0, 1].map(|level| vec![0; groups(level)]),
        }
    }

    fn add(&mut self, state: &State<'_>, level: usize, k: u32, group: usize, more: i32) {
        let groups = self.load[level].len();
        let threads = &mut self.threads[level][k as usize * groups + group];
        if *threads == 0 {
            self.touched.push((level, k, group));
        }
        *threads += more;
        self.load[level][group] += i64::from(more) * state.problem.containers[k as usize].rho;
    }

    /// What all of it costs; forgets it.
    fn settle(&mut self, state: &State<'_>) -> i64 {
        let mut rise = 0;
        for (level, k, group) in self.touched.drain(..) {
            // An entry that was 0 in between is there twice.
            let groups = self.load[level].len();
            let more = std::mem::take(&mut self.threads[level][k as usize * groups + group]);
            let load = std::mem::take(&mut self.load[level][group]);
            rise += state.count_rise(level, k, group, more);
            rise += state.over_rise(level, group, load);
        }
        rise
    }
}
