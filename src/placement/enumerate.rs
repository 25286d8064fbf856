//! The least cost by trying every assignment: the oracle of the tests, for
//! hosts of about ten threads.

use super::cost::cost;
use super::problem::Problem;

/// The least cost of an assignment that keeps the rules, and one that has it;
/// `i64::MAX` and none where there is none.
///
/// # Panics
/// Where there are more than `limit` assignments to try.
#[must_use]
pub fn enumerate(problem: &Problem, limit: u64) -> (i64, Vec<Option<u32>>) {
    let mut search = Search {
        problem,
        left: problem.containers.iter().map(|k| k.request).collect(),
        idle: problem.threads.len() - problem.containers.iter().map(|k| k.request).sum::<usize>(),
        owners: vec![None; problem.threads.len()],
        best: (i64::MAX, Vec::new()),
        tried: 0,
        limit,
    };
    search.from(0);
    search.best
}

struct Search<'a> {
    problem: &'a Problem,
    left: Vec<usize>,
    idle: usize,
    owners: Vec<Option<u32>>,
    best: (i64, Vec<Option<u32>>),
    tried: u64,
    limit: u64,
}

impl Search<'_> {
    fn from(&mut self, thread: usize) {
        if thread == self.owners.len() {
            self.tried += 1;
            assert!(self.tried <= self.limit, "too many assignments to try");
            let keeps = self.problem.rules.broken(self.problem, &self.owners) == 0;
            let total = cost(self.problem, &self.owners).total();
            if keeps && total < self.best.0 {
                self.best = (total, self.owners.clone());
            }
            return;
        }
        for (k, owner) in (0u32..).take(self.left.len()).enumerate() {
            if self.left[k] > 0 {
                self.left[k] -= 1;
                self.owners[thread] = Some(owner);
                self.from(thread + 1);
                self.left[k] += 1;
            }
        }
        if self.idle > 0 {
            self.idle -= 1;
            self.owners[thread] = None;
            self.from(thread + 1);
            self.idle += 1;
        }
    }
}
