//! Moving exclusive sibling directories (v1) past each other. Pure.
//!
//! `cpuset.cpu_exclusive` forbids an overlap with any sibling at any moment
//! (EINVAL), so the widening pass of [`super::writes`] is out of the question
//! where sets are exchanged. For the containers i below one parent, with the
//! set c(i) now and the set t(i) wanted, where c and t are both free of
//! conflicts:
//!
//! 1. shrink: c(i) becomes c(i) & t(i), where that is not empty; a container
//!    that keeps nothing shrinks to one CPU when the rest is stuck;
//! 2. move: while some c(i) is not within t(i), put i on the CPUs of t(i) that
//!    no sibling in conflict holds; if there is none for anybody, park one
//!    container, once, on a CPU that nobody holds;
//! 3. grow: every c(i) becomes t(i). All c(j) are within t(j) by then, so
//!    nothing overlaps.
//!
//! A parked container leaves its old CPUs to another one, so each parking makes
//! progress; with no spare CPU the plan is refused.

use super::writes::{CpusetWrite, PlanError, Refusal, Tree, current, shown, two_passes, wanted};
use crate::cpuset::CpuSet;

/// The writes for containers of one parent directory, some of them exclusive.
///
/// # Errors
/// If a cycle cannot be broken for want of a spare CPU.
pub(super) fn staged(group: &[&Tree]) -> Result<Vec<CpusetWrite>, PlanError> {
    let mut stage = Stage {
        group,
        now: group.iter().map(|tree| current(tree)).collect(),
        writes: Vec::new(),
    };
    let moving: Vec<usize> = (0..group.len())
        .filter(|&i| group[i].nodes[0].old != group[i].nodes[0].new)
        .collect();
    for &i in &moving {
        let kept = stage.top(i).intersection(&group[i].nodes[0].new);
        stage.put(i, &kept);
    }
    let mut shrunk = false;
    let mut parked = vec![false; group.len()];
    loop {
        let waiting: Vec<usize> = moving
            .iter()
            .copied()
            .filter(|&i| !stage.top(i).is_subset(&group[i].nodes[0].new))
            .collect();
        let Some(&first) = waiting.first() else { break };
        let step = waiting.iter().find_map(|&i| {
            let free = group[i].nodes[0].new.difference(&stage.held(i));
            (!free.is_empty()).then_some((i, free))
        });
        if let Some((i, free)) = step {
            stage.put(i, &free);
        } else if !shrunk {
            shrunk = true;
            for &i in &waiting {
                let one = stage.top(i).first().into_iter().collect();
                stage.put(i, &one);
            }
        } else {
            let step = waiting.iter().find_map(|&i| {
                let spare = group[i].bound.difference(&stage.all_held());
                let spare: CpuSet = spare.first().into_iter().collect();
                (!parked[i] && !spare.is_empty()).then_some((i, spare))
            });
            let Some((i, spare)) = step else {
                let tree = group[first];
                return Err(PlanError {
                    key: tree.nodes[0].key.clone(),
                    id: tree.id.clone(),
                    reason: Refusal::Exclusive {
                        directory: shown(&tree.nodes[0].path),
                        reason: format!(
                            "cannot move from {} to {}: no spare CPU to pass its siblings",
                            tree.nodes[0].old, tree.nodes[0].new
                        ),
                    },
                });
            };
            parked[i] = true;
            stage.put(i, &spare);
        }
    }
    for (i, tree) in group.iter().enumerate() {
        two_passes(tree, &mut stage.now[i], &wanted(tree), &mut stage.writes);
    }
    Ok(stage.writes)
}

struct Stage<'a> {
    group: &'a [&'a Tree],
    /// Present sets by container and directory.
    now: Vec<Vec<CpuSet>>,
    writes: Vec<CpusetWrite>,
}

impl Stage<'_> {
    fn top(&self, i: usize) -> &CpuSet {
        &self.now[i][0]
    }

    /// CPUs of the siblings that container `i` may not overlap.
    fn held(&self, i: usize) -> CpuSet {
        let mine = self.group[i].nodes[0].exclusive;
        (0..self.group.len())
            .filter(|&j| j != i && (mine || self.group[j].nodes[0].exclusive))
            .fold(CpuSet::new(), |held, j| held.union(self.top(j)))
    }

    fn all_held(&self) -> CpuSet {
        self.now
            .iter()
            .fold(CpuSet::new(), |held, sets| held.union(&sets[0]))
    }

    /// Puts container `i` on `cpus`; its directories keep what lies in there,
    /// or take their parent's.
    fn put(&mut self, i: usize, cpus: &CpuSet) {
        if cpus.is_empty() {
            return;
        }
        let tree = self.group[i];
        let mut new: Vec<CpuSet> = Vec::new();
        for (node, now) in tree.nodes.iter().zip(&self.now[i]) {
            let set = match node.parent {
                None => cpus.clone(),
                Some(_) if now.is_empty() => CpuSet::new(),
                Some(parent) => {
                    let kept = now.intersection(&new[parent]);
                    if kept.is_empty() {
                        new[parent].clone()
                    } else {
                        kept
                    }
                }
            };
            new.push(set);
        }
        two_passes(tree, &mut self.now[i], &new, &mut self.writes);
    }
}
