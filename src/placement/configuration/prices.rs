//! Prices that outlive their round.
//!
//! From one event to the next most containers, and most of what L3s can hold, stay as they
//! were, and so do the best prices: a search that starts from those of the round before has
//! after one pricing the bound that otherwise takes some ten. Any prices give a valid
//! bound (see the module above), so nothing has to be known of the host they were found on:
//! what no longer fits is left out, what is missing is made up.
//!
//! They are a part of what a decision is made from, and of what it leaves. So both are in the
//! journal, and a round that is decided again, alone, gives the same bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::choices::{SCALE, Units};
use crate::placement::problem::Problem;

/// Most numbers that are kept, of prices as of columns: the journal writes them every round.
pub(super) const MOST: usize = 1 << 15;

/// The best prices of a round's bound over patterns, to start the next one from. Empty
/// where none were needed: on hosts of fewer than three L3 domains they never are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prices {
    /// By container id and L3 domain: of 1, 2, ... threads in it, micro-CPU.
    containers: BTreeMap<String, Vec<Vec<i64>>>,
    /// Of a milli-CPU in a NUMA node, in 1 / 64 micro-CPU.
    nodes: Vec<i64>,
}

impl Prices {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.containers.is_empty()
    }

    /// `prices` by class, container, threads; `nodes` by node; both in 1 / [`SCALE`]
    /// micro-CPU. Empty where there are too many to be kept.
    pub(super) fn new(
        problem: &Problem,
        units: &Units,
        prices: &[Vec<Vec<i64>>],
        nodes: &[i64],
    ) -> Self {
        let class_of = classes(units);
        let count: usize = class_of
            .iter()
            .flat_map(|&c| &prices[c])
            .map(Vec::len)
            .sum();
        if count > MOST {
            return Self::default();
        }
        let of = |k: usize| {
            let by_group = class_of.iter().map(|&c| prices[c][k].iter().skip(1));
            by_group
                .map(|own| own.map(|p| p / SCALE).collect())
                .collect()
        };
        let ids = problem.containers.iter().map(|k| k.id.clone());
        Self {
            containers: ids.enumerate().map(|(k, id)| (id, of(k))).collect(),
            nodes: nodes.to_vec(),
        }
    }

    /// The prices of 1, 2, ... threads of a container in an L3 domain, micro-CPU; none, never
    /// empty, for a container or a domain that is not known.
    pub(super) fn of(&self, id: &str, group: usize) -> Option<&[i64]> {
        let known = self.containers.get(id)?.get(group)?;
        (!known.is_empty()).then_some(known)
    }

    /// Of a milli-CPU in a node, in 1 / [`SCALE`] micro-CPU.
    pub(super) fn node(&self, node: usize) -> Option<i64> {
        self.nodes.get(node).copied()
    }

    /// What a thread of a container that is not known may be worth, by its rho: the mean of
    /// those that are.
    pub(super) fn rate(&self, problem: &Problem) -> f64 {
        let (mut worth, mut rho) = (0.0, 0.0);
        for container in &problem.containers {
            let known = self.containers.get(&container.id).into_iter().flatten();
            for own in known {
                if let Some(&last) = own.last() {
                    worth += last as f64 / own.len() as f64;
                    rho += container.rho as f64;
                }
            }
        }
        if rho > 0.0 { worth / rho } else { 0.0 }
    }
}

/// The price of `threads` (at least 1) by the prices of [`Prices::of`]; beyond the threads
/// that there were, in proportion.
pub(super) fn price(known: &[i64], threads: usize) -> f64 {
    match known.get(threads - 1) {
        Some(&price) => price as f64,
        None => known[known.len() - 1] as f64 * threads as f64 / known.len() as f64,
    }
}

/// The class of each L3 group.
pub(super) fn classes(units: &Units) -> Vec<usize> {
    let mut pairs = units.domains();
    pairs.sort_unstable();
    pairs.into_iter().map(|(_, class)| class).collect()
}
