//! What an L3 may hold at all, if the cost is to be no more than is known.
//!
//! At any prices the bound (see the module above) is a sum of minima, one a unit and one a
//! container. With n_gk = n imposed, two of them change:
//!
//! ```text
//! bound(g, k, n) = bound + (min F_g with n_k = n) - (min F_g) + (min C_k with w_g = n) - (min C_k)
//! ```
//!
//! *Proposition.* Where that is above a cost, no assignment at that cost or below has n threads of
//! k in g. *Proof.* That of the bound, over the assignments with n_gk = n alone. []
//!
//! So the MIP gets the least and the most n left for each g and k as bounds, at the best
//! cost known. (When this came, proofs on hosts e128 took half of the time.)
//!
//! Source: Geoffrion, "Lagrangean relaxation for integer programming", Math.
//! Programming Study 2 (1974): penalties.

use super::choices::{SCALE, Units};

/// By how much the bound rises with a number of threads imposed.
#[derive(Clone, Debug)]
pub(in super::super) struct Rises {
    /// The bound, in 1 / [`SCALE`] micro-CPU.
    bound: i128,
    /// L3 group; by container and threads, at the bound's scale.
    groups: Vec<(usize, Vec<Vec<i64>>)>,
}

/// The threads of each container, least and most, that an L3 group may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Range {
    pub(in super::super) group: usize,
    /// By container.
    pub(in super::super) threads: Vec<[i64; 2]>,
}

impl Rises {
    /// `patterns`: the least F by class, container and threads; `splits`: the least C by
    /// container, unit and threads.
    pub(super) fn new(
        units: &Units,
        bound: i128,
        mut patterns: Vec<Vec<Vec<i64>>>,
        mut splits: Vec<Vec<Vec<i64>>>,
    ) -> Self {
        for values in patterns.iter_mut().chain(&mut splits).flatten() {
            let least = values.iter().copied().min().unwrap_or(0);
            for value in values {
                *value = value.saturating_sub(least);
            }
        }
        let classes = units.nodes.iter().flat_map(|node| &node.units);
        let groups = units.groups.iter().flatten();
        let groups = groups.zip(classes).enumerate().map(|(unit, (&group, &c))| {
            let by_container = patterns[c].iter().zip(&splits);
            let rises = by_container.map(|(pattern, split)| {
                let both = pattern.iter().zip(&split[unit]);
                both.map(|(a, b)| a.saturating_add(*b)).collect()
            });
            (group, rises.collect())
        });
        Self {
            bound,
            groups: groups.collect(),
        }
    }

    /// What is left for assignments at `cost`, micro-CPU, or below.
    pub(in super::super) fn ranges(&self, cost: i64) -> Vec<Range> {
        let room = i128::from(cost) * i128::from(SCALE) - self.bound;
        let is_left = |rise: &i64| i128::from(*rise) <= room;
        let range = |rises: &Vec<i64>| {
            let least = rises.iter().position(is_left).unwrap_or(0);
            let most = rises.iter().rposition(is_left);
            [least as i64, most.unwrap_or(rises.len() - 1) as i64]
        };
        let groups = self.groups.iter().map(|(group, rises)| Range {
            group: *group,
            threads: rises.iter().map(range).collect(),
        });
        groups.collect()
    }
}
