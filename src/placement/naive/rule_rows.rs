//! The rules thread by thread ([`super::super::rule_rows`] has those between
//! groups).
//!
//! ```text
//! apart on a core   x[t,a] + x[u,b] <= 1          for threads t != u of a core
//! w[c,k] in {0,1}   x[t,k] <= w[c,k]              k has a thread of core c
//! cores a socket    sum_{c in socket} w[c,k] <= most
//! d[c,k] in {0,1}   |c| w - sum_t x[t,k] <= |c| d  the core is k's, but not wholly
//! whole cores       sum_c d[c,k] <= 1
//! ```

use super::super::problem::Problem;
use super::super::rows::{Draft, Terms};
use super::super::rule_rows::group_rules;
use super::Naive;

impl Naive {
    /// Adds columns and rows.
    pub(super) fn rules(&mut self, problem: &Problem, draft: &mut Draft) {
        let rules = &problem.rules;
        if rules.is_empty() {
            return;
        }
        self.present = group_rules(problem, draft, &|level, group, k| {
            let inside = problem.levels[level].groups[group].threads.iter();
            inside.map(|&t| (self.assigned[t][k], 1)).collect()
        });
        for core in problem.cores.iter() {
            for (a, row) in rules.core_apart.iter().enumerate() {
                for (b, _) in row.iter().enumerate().filter(|(_, apart)| **apart) {
                    for &t in core {
                        for &u in core.iter().filter(|&&u| u != t) {
                            let pair = [(self.assigned[t][a], 1), (self.assigned[u][b], 1)];
                            draft.at_most(pair.to_vec(), 1);
                        }
                    }
                }
            }
        }
        for &(k, most) in &rules.socket_cores {
            let held = self.held(problem, k, draft);
            for socket in 0..problem.sockets {
                let there = held.iter().zip(problem.cores.iter());
                let there = there.filter(|(_, core)| problem.threads[core[0]].socket == socket);
                draft.at_most(there.map(|(&w, _)| (w, 1)).collect(), most as i64);
            }
        }
        for &k in &rules.whole {
            let held = self.held(problem, k, draft);
            let mut partly = Terms::new();
            for (c, core) in problem
                .cores
                .iter()
                .enumerate()
                .filter(|(_, c)| c.len() > 1)
            {
                let size = core.len() as i64;
                let d = draft.column('d', 0, 0, 1);
                self.cores.push((d, c, k, true));
                partly.push((d, 1));
                let mut terms: Terms = core.iter().map(|&t| (self.assigned[t][k], -1)).collect();
                terms.extend([(held[c], size), (d, -size)]);
                draft.at_most(terms, 0);
            }
            draft.at_most(partly, 1);
        }
    }

    /// w of `k`, by core.
    fn held(&mut self, problem: &Problem, k: usize, draft: &mut Draft) -> Vec<usize> {
        let mut held = Vec::with_capacity(problem.cores.len());
        for (c, core) in problem.cores.iter().enumerate() {
            let w = draft.column('w', 0, 0, 1);
            self.cores.push((w, c, k, false));
            held.push(w);
            for &t in core {
                draft.at_most(vec![(self.assigned[t][k], 1), (w, -1)], 0);
            }
        }
        held
    }
}
