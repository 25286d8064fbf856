//! What a round leaves for the next one to start from.
//!
//! A part of what a decision is made from, and of what it leaves: both are in the journal, so
//! that a round that is decided again, alone, gives the same bytes. It changes where the
//! search begins, never what an answer is held to.
//!
//! **The basis** of the MIP's root relaxation is kept by what columns and rows mean, since
//! their numbers change with every container that comes or goes. A column's key is its name
//! with the containers' ids in it ([`super::labels`]); a row's is the key of the rarest of its
//! columns, which kinds of columns it has, and how many such rows came before. Each is
//! kept as its CRC-32: two of the same at worst make a worse start. Kept are all
//! columns that presolve left, and the rows that are not basic; a row of which nothing is known
//! is basic.

use std::collections::BTreeMap;

use branchcut::{Basis, BasisStatus, Model};
use serde::{Deserialize, Serialize};

use super::configuration::{Columns, Prices};

/// Most columns and rows of a basis that is kept: the journal has it every round.
const MOST: usize = 1 << 12;

/// What a round's search leaves: see [`super::place_from`]. By default, nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmStart {
    /// Of the best bound over patterns; where there was none, those that the round began
    /// with. None where no prices are needed.
    pub prices: Option<Prices>,
    /// The columns in use there, likewise.
    pub columns: Columns,
    /// Of the MIP; where there was none, that which the round began with.
    pub basis: RootBasis,
}

/// The optimal basis of a MIP's root relaxation by the keys of columns and rows, each list
/// ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootBasis {
    /// Columns that are basic, at their lower, at their upper bound.
    columns: [Vec<u32>; 3],
    /// Rows at their lower side, and at their upper.
    rows: [Vec<u32>; 2],
}

/// In the order of [`RootBasis`]'s lists.
const COLUMNS: [BasisStatus; 3] = [BasisStatus::Basic, BasisStatus::Lower, BasisStatus::Upper];
const ROWS: [BasisStatus; 2] = [BasisStatus::Lower, BasisStatus::Upper];

impl RootBasis {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.columns.iter().chain(&self.rows).map(Vec::len).sum()
    }

    /// `basis` of a model with these keys; empty where it is too large to be kept.
    pub(super) fn new(keys: &Keys, basis: &Basis) -> Self {
        let of = |keys: &[u32], all: &[BasisStatus], wanted: BasisStatus| {
            let with = keys.iter().zip(all).filter(|&(_, &is)| is == wanted);
            let mut found: Vec<u32> = with.map(|(&key, _)| key).collect();
            found.sort_unstable();
            found.dedup();
            found
        };
        let found = Self {
            columns: COLUMNS.map(|wanted| of(&keys.columns, &basis.columns, wanted)),
            rows: ROWS.map(|wanted| of(&keys.rows, &basis.rows, wanted)),
        };
        if found.len() > MOST {
            return Self::default();
        }
        found
    }

    /// The same for a model with these keys; none where nothing is known.
    pub(super) fn of(&self, keys: &Keys) -> Option<Basis> {
        if self.is_empty() {
            return None;
        }
        let find = |keys: &[u32], lists: &[Vec<u32>], of: &[BasisStatus]| {
            let status = |key| {
                let mut all = lists.iter().zip(of);
                let known = all.find(|(list, _)| list.binary_search(key).is_ok());
                known.map_or(BasisStatus::Unknown, |(_, &status)| status)
            };
            keys.iter().map(status).collect()
        };
        Some(Basis {
            columns: find(&keys.columns, &self.columns, &COLUMNS),
            rows: find(&keys.rows, &self.rows, &ROWS),
        })
    }
}

/// What the columns and rows of a model are called from round to round.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    columns: Vec<u32>,
    rows: Vec<u32>,
}

impl Keys {
    /// Of `model`, whose columns have these names.
    pub(super) fn new(model: &Model, names: &[String]) -> Self {
        let columns: Vec<u32> = names
            .iter()
            .map(|n| crc32fast::hash(n.as_bytes()))
            .collect();
        let mut entries = vec![0u32; columns.len()];
        for row in model.rows() {
            for &(column, _) in &row.coefficients {
                entries[column] += 1;
            }
        }
        let letter = |column: usize| names[column].bytes().next().unwrap_or(0);
        let mut before: BTreeMap<(u32, u64), u32> = BTreeMap::new();
        let mut key = |row: &branchcut::Row| {
            let all = || row.coefficients.iter().map(|&(column, _)| column);
            let rarest = all().min_by_key(|&column| (entries[column], column));
            let rarest = rarest.map_or(0, |column| columns[column]);
            let kinds = all().fold(0u64, |kinds, column| kinds | 1 << (letter(column) & 63));
            let nth = before.entry((rarest, kinds)).or_default();
            *nth += 1;
            let mut hasher = crc32fast::Hasher::new();
            hasher.update(&rarest.to_le_bytes());
            hasher.update(&kinds.to_le_bytes());
            hasher.update(&nth.to_le_bytes());
            hasher.finalize()
        };
        let rows = model.rows().iter().map(&mut key).collect();
        Self { columns, rows }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cpuset::CpuSet;
    use crate::placement::testing::{container, host, topology};
    use crate::placement::{HostModels, Instance, Placed, SolveSettings, place_from};

    fn placed(host: &Instance, warm: &WarmStart) -> Placed {
        let settings = SolveSettings {
            work_limit: Some(20_000),
            ..SolveSettings::default()
        };
        let (nobody, hosts) = (CpuSet::new(), &mut HostModels::default());
        place_from(host, &nobody, &settings, warm, hosts, &|| Duration::ZERO).unwrap()
    }

    /// Two nodes of six cores of four threads: a MIP in every round. A container goes, then
    /// one comes, then the use of one changes.
    #[test]
    fn rounds_from_the_basis_of_the_one_before_take_fewer_iterations() {
        let (mut cold, mut warm) = (0, 0);
        for seed in 0..4 {
            let member = |k: u32| {
                let cpus = [3, 5, 2, 6, 4, 7, 1][(k + seed) as usize % 7];
                let p95 = f64::from(cpus) * f64::from(2 + (3 * k + seed) % 7) / 9.0;
                container(&format!("c{k:02}"), cpus, p95)
            };
            let mut now = host(topology(2, 1, 6, 4), (0..9).map(member).collect());
            let mut left = placed(&now, &WarmStart::default());
            for event in 0..6u32 {
                for container in &mut now.containers {
                    let set = &left.answer.placement[&container.id];
                    container.previous = Some(set.iter().collect());
                }
                match event % 3 {
                    0 => drop(now.containers.remove(event as usize + 1)),
                    1 => now.containers.push(member(20 + event)),
                    _ => now.containers[event as usize].predicted_p95 *= 0.8,
                }
                assert!(!left.warm.basis.is_empty());
                let from_nothing = placed(&now, &WarmStart::default());
                left = placed(&now, &left.warm);
                let answers = [&from_nothing.answer, &left.answer];
                assert_eq!(answers[0].cost(), answers[1].cost(), "{seed} {event}");
                assert_eq!(answers[0].lower_bound, answers[1].lower_bound);
                cold += from_nothing.lp_iterations[0];
                warm += left.lp_iterations[0];
            }
        }
        println!("{cold} iterations from nothing, {warm} from bases");
        assert!(warm * 2 < cold, "{warm} of {cold}");
    }
}
