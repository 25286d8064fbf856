//! Patterns and splits that outlive their round.
//!
//! Prices alone (see [`super::prices`]) say where to begin; the columns that were in use there
//! say how the bound falls off around it, which otherwise takes a pricing for each to
//! find. Columns of another round may cost something else now, or not fit: each is priced
//! anew, and left out where this host cannot hold it. They only choose where to price, so
//! no bound depends on them.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::bundle::{Bundle, Parts};
use super::choices::{Class, Units};
use super::prices::MOST;
use super::pricing::{Part, parity};
use crate::placement::problem::Problem;

/// The columns in use at a round's best bound over patterns, for the next one to go on with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// Ids, ascending; the other fields mean them by their place here.
    containers: Vec<String>,
    /// By L3 domain, its patterns: container, threads, halves of cores (w-ths on cores of w > 2).
    patterns: Vec<Vec<Vec<[u32; 3]>>>,
    /// By container, its splits: L3 domain, threads.
    splits: Vec<Vec<Vec<[u32; 2]>>>,
}

/// What a column stands for, by block.
pub(super) type Used = Vec<(usize, Rc<Parts>)>;

/// The columns that have weight, or are new.
pub(super) fn used(bundle: &Bundle) -> Used {
    let blocks = bundle.blocks.iter().enumerate();
    let columns = blocks.flat_map(|(b, block)| block.iter().map(move |column| (b, column)));
    let used = columns.filter(|(_, column)| column.is_in_use());
    used.map(|(b, column)| (b, Rc::clone(&column.parts)))
        .collect()
}

impl Columns {
    /// None where there are too many to be kept.
    pub(super) fn new(problem: &Problem, units: &Units, used: &Used) -> Self {
        let domains = units.domains();
        let classes = units.classes.len();
        let containers = problem.containers.len();
        let mut patterns = vec![Vec::new(); domains.len()];
        let mut splits = vec![Vec::new(); containers];
        let mut turn = vec![0; classes];
        let mut count = 0;
        for (block, parts) in used {
            match &**parts {
                Parts::Pattern(parts) => {
                    // Alike domains, which the next round may tell apart, share them out.
                    let of_class = domains.iter().filter(|(_, class)| class == block);
                    let alike: Vec<usize> = of_class.map(|(group, _)| *group).collect();
                    let group = alike[turn[*block] % alike.len()];
                    turn[*block] += 1;
                    let held = parts.iter().enumerate().filter(|(_, p)| p.threads > 0);
                    let held: Vec<[u32; 3]> = held
                        .map(|(k, p)| [k, p.threads, p.halves].map(small))
                        .collect();
                    count += 3 * held.len();
                    patterns[group].push(held);
                }
                Parts::Split(threads) => {
                    let held = threads.iter().zip(&domains).filter(|(w, _)| **w > 0);
                    let held: Vec<[u32; 2]> = held
                        .map(|(w, (group, _))| [*group, *w].map(small))
                        .collect();
                    count += 2 * held.len();
                    splits[block - classes].push(held);
                }
            }
        }
        if count > MOST {
            return Self::default();
        }
        Self {
            containers: problem.containers.iter().map(|k| k.id.clone()).collect(),
            patterns,
            splits,
        }
    }

    /// The patterns that the units can hold: class, and by container.
    pub(super) fn patterns(&self, problem: &Problem, units: &Units) -> Vec<(usize, Vec<Part>)> {
        let places = self.places();
        let mut found = Vec::new();
        for (group, class) in units.domains() {
            for pattern in self.patterns.get(group).into_iter().flatten() {
                let by_place: BTreeMap<u32, (u32, u32)> =
                    pattern.iter().map(|&[k, n, h]| (k, (n, h))).collect();
                let ids = problem.containers.iter().map(|k| k.id.as_str());
                let held = ids.map(|id| by_place.get(places.get(id)?).copied());
                if let Some(parts) = fitting(&units.classes[class], held) {
                    found.push((class, parts));
                }
            }
        }
        found
    }

    /// The splits that give containers their requests: container, and threads in the order of
    /// `units.nodes`.
    pub(super) fn splits(&self, problem: &Problem, units: &Units) -> Vec<(usize, Vec<usize>)> {
        let places = self.places();
        let domains = units.domains();
        let mut found = Vec::new();
        for (k, container) in problem.containers.iter().enumerate() {
            let place = places.get(container.id.as_str());
            let known = place.and_then(|&place| self.splits.get(place as usize));
            for held in known.into_iter().flatten() {
                let by_group: BTreeMap<u32, u32> = held.iter().map(|&[g, w]| (g, w)).collect();
                let of = |&(group, class): &(usize, usize)| {
                    let most = units.classes[class].threads;
                    let threads = by_group.get(&small(group)).map_or(0, |&w| w as usize);
                    threads.min(most)
                };
                let split: Vec<usize> = domains.iter().map(of).collect();
                if split.iter().sum::<usize>() == container.request {
                    found.push((k, split));
                }
            }
        }
        found
    }

    /// How many patterns and splits.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        let patterns = self.patterns.iter().map(Vec::len).sum();
        (patterns, self.splits.iter().map(Vec::len).sum())
    }

    /// By id.
    fn places(&self) -> BTreeMap<&str, u32> {
        self.containers
            .iter()
            .map(String::as_str)
            .zip(0..)
            .collect()
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// What containers held, threads and halves, where a unit of the class can hold it; with the
/// threads' cheapest choice where theirs is none now.
fn fitting(class: &Class, held: impl Iterator<Item = Option<(u32, u32)>>) -> Option<Vec<Part>> {
    let mut parts = Vec::with_capacity(class.choices.len());
    let mut halves = 0;
    for (choices, held) in class.choices.iter().zip(held) {
        let (threads, was) = held.map_or((0, 0), |(n, h)| (n as usize, h as usize));
        let choices = choices.iter().filter(|c| c.threads == threads);
        let choice = choices.min_by_key(|c| (c.halves != was, c.cost))?;
        halves += choice.halves;
        parts.push(Part {
            threads,
            halves: choice.halves,
        });
    }
    let fits = halves <= class.halves && halves.is_multiple_of(parity(class));
    fits.then_some(parts)
}
