//! Which `cpuset.cpus` files to write, in which order, to bring containers
//! from the sets they have to the sets they shall have. Pure.
//!
//! # The problem
//! A v1 kernel refuses a child that is no subset of its parent (EACCES), a
//! parent that drops a CPU of a child (EBUSY), an exclusive directory that
//! overlaps a sibling (EINVAL) and an empty list where tasks run (ENOSPC):
//! `kernel/cgroup/cpuset-v1.c`, `validate_change_legacy`; `cpuset.c`,
//! `validate_change`. v2 accepts any order, but a child whose list shares no
//! CPU with its parent silently gets all of the parent's. A round must never
//! pass through a state that a kernel refuses or widens on its own.
//!
//! # Two passes
//! For a container's directories d with old sets o(d) and new sets t(d), both
//! nested (a child within its parent):
//!
//! ```text
//! widen   parents first    write o(d) | t(d)   where that differs from o(d)
//! narrow  children first   write t(d)          where that differs from o(d) | t(d)
//! ```
//!
//! While widening, a parent has o|t when its child is given o|t, a subset of
//! it. While narrowing, a parent still has o|t when its child drops to t, and
//! drops to t when all its children have. The same states in reverse order
//! undo a round.
//!
//! # Descendants
//! A directory inside a container that had the container's whole set follows
//! it. A narrower one is mapped by rank: the CPU at place i of the n CPUs of the
//! container becomes the one at place i of the m new ones, or floor(i m / n)
//! where the container shrinks. That keeps subsets nested and, where the sizes
//! allow it, disjoint ones disjoint. The places are those of the first
//! observation (journal), so a set that shrinks and grows again comes back. An
//! empty list is left: on v2 it means the parent's, on v1 nothing runs there.
//!
//! # Exclusive siblings (v1)
//! An exclusive directory may not overlap a sibling even for a moment, so those
//! that conflict first shrink to what they keep, then move piecewise into CPUs
//! that nobody holds. A cycle is broken by parking one container on a spare
//! CPU; with no spare one the plan is refused. Every v1 sequence is checked
//! against the rules above before it is returned ([`check_v1`]).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::emptied::is_emptied;
use super::journal::JournalState;
use super::{Container, ContainerKey, CpusetDir, Fence, Version};
use crate::cpuset::{CpuId, CpuSet};

/// The file that holds a directory's CPU list.
pub const CPUS_FILE: &str = "cpuset.cpus";

/// One write of a CPU list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpusetWrite {
    /// Identity of the directory.
    pub key: ContainerKey,
    /// Identity of the container that the directory belongs to.
    pub container: ContainerKey,
    /// The directory below the cpuset mount, raw bytes, no leading slash.
    pub path: Vec<u8>,
    /// The file in it.
    pub file: String,
    /// What it must hold when the write happens.
    pub old: CpuSet,
    /// What is written. Empty only on v2, to clear a list that was empty.
    pub new: CpuSet,
}

/// Why no write sequence exists for what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot fence {id}: {reason}")]
pub struct PlanError {
    /// The container.
    pub key: ContainerKey,
    /// Its name, safe for a terminal.
    pub id: String,
    /// What stands in the way.
    pub reason: Refusal,
}

/// What stands in the way of a write sequence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No CPU at all.
    #[error("its new set is empty, but a populated cgroup needs at least one CPU")]
    EmptyTarget,
    /// CPUs that the parent does not have.
    #[error("its new set {target} is not within its parent's {bound}; widen the parent first")]
    OutsideParent {
        /// The set asked for.
        target: CpuSet,
        /// The parent's.
        bound: CpuSet,
    },
    /// A v1 directory whose list is empty: its runtime has not set it up yet.
    #[error("its cpuset.cpus is empty: it is still being set up")]
    Unset,
    /// A v2 partition takes CPUs from its siblings.
    #[error("{directory} is a cpuset partition ({state})")]
    Partition {
        /// The directory, safe for a terminal.
        directory: String,
        /// Its `cpuset.cpus.partition`.
        state: String,
    },
    /// Exclusive directories that cannot pass each other.
    #[error("{directory} is exclusive and {reason}")]
    Exclusive {
        /// The directory, safe for a terminal.
        directory: String,
        /// What it conflicts with.
        reason: String,
    },
    /// The observed lists break the kernel's own rules: read halfway through a change.
    #[error("{directory}: {reason}; observe again")]
    Inconsistent {
        /// The directory, safe for a terminal.
        directory: String,
        /// The rule that is broken.
        reason: String,
    },
}

/// A directory that is to change, or that matters to one that does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Identity.
    pub key: ContainerKey,
    /// Path below the mount.
    pub path: Vec<u8>,
    /// Place of its parent in the tree; none for the container's own directory.
    pub parent: Option<usize>,
    /// `cpuset.cpus` now.
    pub old: CpuSet,
    /// `cpuset.cpus` wanted.
    pub new: CpuSet,
    /// `cpuset.cpu_exclusive`.
    pub exclusive: bool,
}

/// A container's directories, its own first, parents before children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Name of the container for messages, safe for a terminal.
    pub id: String,
    /// What its parent directory offers.
    pub bound: CpuSet,
    /// The directories; never empty.
    pub nodes: Vec<Node>,
}

/// The writes that give every container its target, in order.
///
/// `moves` holds each container with the set its own directory shall have in
/// force; one that stays as it is may be given with its present set and should
/// be where a sibling is exclusive. A container that is not
/// [`Fence::Managed`] gets no writes. `state` tells which sets the directories
/// had at first (see the module's text); `JournalState::default()` is fine.
///
/// A directory whose effective set is already the wanted one is not written.
///
/// # Errors
/// If a target is empty or beyond the parent's set, a directory is a partition
/// or not set up yet, or exclusive directories cannot pass each other.
pub fn plan_writes(
    version: Version,
    moves: &[(&Container, CpuSet)],
    state: &JournalState,
) -> Result<Vec<CpusetWrite>, PlanError> {
    let trees = moves
        .iter()
        .map(|(container, target)| build_tree(version, container, target, state))
        .collect::<Result<Vec<_>, _>>()?;
    sequence(version, &trees)
}

fn build_tree(
    version: Version,
    container: &Container,
    target: &CpuSet,
    state: &JournalState,
) -> Result<Tree, PlanError> {
    let refuse = |reason| PlanError {
        key: container.key.clone(),
        id: container.id.clone(),
        reason,
    };
    let mut nodes: Vec<Node> = Vec::new();
    for dir in &container.subtree {
        nodes.push(Node {
            key: dir.key.clone(),
            path: dir.path.clone(),
            parent: nearest_ancestor(&nodes, &dir.path),
            old: dir.cpus.clone(),
            new: dir.cpus.clone(),
            exclusive: dir.exclusive,
        });
    }
    let mut tree = Tree {
        id: container.id.clone(),
        bound: container.parent_effective.clone(),
        nodes,
    };
    if container.fence != Fence::Managed {
        return Ok(tree);
    }
    let top = container.dir();
    if target.is_empty() {
        return Err(refuse(Refusal::EmptyTarget));
    }
    if !target.is_subset(&tree.bound) {
        return Err(refuse(Refusal::OutsideParent {
            target: target.clone(),
            bound: tree.bound,
        }));
    }
    let emptied = |dir: &CpusetDir| is_emptied(state, version, &dir.key, &dir.cpus);
    if version == Version::V1 && top.cpus.is_empty() && !emptied(top) {
        return Err(refuse(Refusal::Unset));
    }
    for dir in &container.subtree {
        if let Some(partition) = &dir.partition {
            return Err(refuse(Refusal::Partition {
                directory: shown(&dir.path),
                state: partition.escape_debug().to_string(),
            }));
        }
    }
    let in_force = version == Version::V2 && top.effective == *target;
    if !in_force {
        tree.nodes[0].new = target.clone();
    }
    for i in 1..tree.nodes.len() {
        let dir = &container.subtree[i];
        if dir.cpus.is_empty() && !emptied(dir) {
            continue;
        }
        let (base_top, base) = first_sets(version, container, i, state);
        let mapped = match version {
            Version::V1 => {
                let mapped = map_by_rank(&base_top, &base, target);
                let parent = &tree.nodes[tree.nodes[i].parent.unwrap_or(0)].new;
                let clipped = mapped.intersection(parent);
                // Only where the sets were not nested at first.
                if clipped.is_empty() {
                    parent.clone()
                } else {
                    clipped
                }
            }
            // One that shares nothing with the container never had a say.
            Version::V2 if base.is_disjoint(&base_top) => continue,
            Version::V2 => {
                let mapped = map_by_rank(&base_top, &base, target);
                // In force already, as far as the container lets it.
                if dir.cpus.intersection(target) == mapped {
                    continue;
                }
                mapped
            }
        };
        tree.nodes[i].new = mapped;
    }
    Ok(tree)
}

/// The sets that descendant `i` and the container's own directory had when
/// neither was ours, or have now if the journal does not know or somebody else
/// has changed them since.
fn first_sets(
    version: Version,
    container: &Container,
    i: usize,
    state: &JournalState,
) -> (CpuSet, CpuSet) {
    let (top, dir) = (container.dir(), &container.subtree[i]);
    let ours = |key, cpus| {
        state.is_ours(key, cpus, &container.parent_effective)
            || is_emptied(state, version, key, cpus)
    };
    if let (Some(first_top), Some(first)) =
        (state.originals.get(&top.key), state.originals.get(&dir.key))
        && ours(&top.key, &top.cpus)
        && ours(&dir.key, &dir.cpus)
        && !first.cpus.is_empty()
    {
        return (first_top.in_force().clone(), first.cpus.clone());
    }
    let top = if top.cpus.is_empty() || !top.effective.is_empty() {
        &top.effective
    } else {
        &top.cpus
    };
    (top.clone(), dir.cpus.clone())
}

/// `part` of `whole`, carried over to `target` by rank; all of `target` if
/// `part` covers `whole` or shares nothing with it. Never empty unless
/// `target` is.
#[must_use]
pub fn map_by_rank(whole: &CpuSet, part: &CpuSet, target: &CpuSet) -> CpuSet {
    if whole.is_subset(part) || whole.is_disjoint(part) {
        return target.clone();
    }
    let to: Vec<CpuId> = target.iter().collect();
    let n = whole.len();
    whole
        .iter()
        .enumerate()
        .filter(|(_, cpu)| part.contains(*cpu))
        .map(|(rank, _)| {
            let place = if to.len() < n {
                rank * to.len() / n
            } else {
                rank
            };
            to[place]
        })
        .collect()
}

/// The writes that bring every tree from its old to its new sets.
///
/// # Errors
/// On v1, if no order respects the kernel's rules.
pub fn sequence(version: Version, trees: &[Tree]) -> Result<Vec<CpusetWrite>, PlanError> {
    let mut writes = Vec::new();
    let mut groups: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
    for (index, tree) in trees.iter().enumerate() {
        groups
            .entry(parent_path(&tree.nodes[0].path))
            .or_default()
            .push(index);
    }
    if version == Version::V2 {
        for tree in trees {
            let new = wanted(tree);
            two_passes(tree, &mut current(tree), &new, &mut writes);
        }
        return Ok(writes);
    }
    for group in groups.values() {
        let group: Vec<&Tree> = group.iter().map(|&i| &trees[i]).collect();
        let mut plain = Vec::new();
        for tree in &group {
            two_passes(tree, &mut current(tree), &wanted(tree), &mut plain);
        }
        match check_v1(&group, &plain) {
            Ok(()) => writes.extend(plain),
            Err(PlanError {
                reason: Refusal::Exclusive { .. },
                ..
            }) => {
                let staged = super::exclusive::staged(&group)?;
                check_v1(&group, &staged)?;
                writes.extend(staged);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(writes)
}

pub(super) fn current(tree: &Tree) -> Vec<CpuSet> {
    tree.nodes.iter().map(|n| n.old.clone()).collect()
}

pub(super) fn wanted(tree: &Tree) -> Vec<CpuSet> {
    tree.nodes.iter().map(|n| n.new.clone()).collect()
}

/// Appends the two passes from `now` to `new`; `now` becomes `new`.
pub(super) fn two_passes(
    tree: &Tree,
    now: &mut [CpuSet],
    new: &[CpuSet],
    writes: &mut Vec<CpusetWrite>,
) {
    let mut set = |node: &Node, now: &mut CpuSet, value: CpuSet| {
        if *now != value {
            writes.push(CpusetWrite {
                key: node.key.clone(),
                container: tree.nodes[0].key.clone(),
                path: node.path.clone(),
                file: CPUS_FILE.into(),
                old: std::mem::replace(now, value.clone()),
                new: value,
            });
        }
    };
    for (i, node) in tree.nodes.iter().enumerate() {
        // A list that is empty or wholly beyond the parent's (v2) means the
        // parent's: there is nothing to widen from. Clearing is the last step.
        let offered = (i == 0).then_some(&tree.bound);
        let has_a_say = !now[i].is_empty() && offered.is_none_or(|o| !now[i].is_disjoint(o));
        if has_a_say && !new[i].is_empty() {
            let both = now[i].union(&new[i]);
            set(node, &mut now[i], both);
        }
    }
    for (i, node) in tree.nodes.iter().enumerate().rev() {
        set(node, &mut now[i], new[i].clone());
    }
}

/// Checks that no write of a sequence leads through a state that a v1 kernel
/// refuses, as far as the given trees (one parent directory) tell.
///
/// # Errors
/// Names the first directory and the rule.
pub fn check_v1(group: &[&Tree], writes: &[CpusetWrite]) -> Result<(), PlanError> {
    let mut place = BTreeMap::new();
    let mut now: Vec<Vec<CpuSet>> = Vec::new();
    for (t, tree) in group.iter().enumerate() {
        now.push(current(tree));
        for (i, node) in tree.nodes.iter().enumerate() {
            place.insert(&node.key, (t, i));
        }
    }
    let involved: BTreeSet<&ContainerKey> = writes.iter().map(|w| &w.key).collect();
    for write in writes {
        let Some(&(t, i)) = place.get(&write.key) else {
            continue;
        };
        let tree = group[t];
        let node = &tree.nodes[i];
        let refuse = |reason| {
            Err(PlanError {
                key: tree.nodes[0].key.clone(),
                id: tree.id.clone(),
                reason,
            })
        };
        let inconsistent = |reason: String| Refusal::Inconsistent {
            directory: shown(&node.path),
            reason,
        };
        let bound = node.parent.map_or(&tree.bound, |p| &now[t][p]);
        if !write.new.is_subset(bound) {
            return refuse(inconsistent(format!(
                "{} would not be within its parent's {bound}",
                write.new
            )));
        }
        let is_sibling = |other: &Node| other.parent == node.parent && other.key != node.key;
        for (j, child) in tree.nodes.iter().enumerate() {
            if child.parent == Some(i) && !now[t][j].is_subset(&write.new) {
                return refuse(inconsistent(format!(
                    "{} would not cover {} of {}",
                    write.new,
                    now[t][j],
                    shown(&child.path)
                )));
            }
        }
        let siblings = if i == 0 {
            let tops = group.iter().enumerate().filter(|(other, _)| *other != t);
            tops.map(|(other, tree)| (&tree.nodes[0], &now[other][0]))
                .collect::<Vec<_>>()
        } else {
            let inside = tree.nodes.iter().zip(&now[t]);
            inside.filter(|(other, _)| is_sibling(other)).collect()
        };
        for (other, set) in siblings {
            if (node.exclusive || other.exclusive) && !set.is_disjoint(&write.new) {
                let (exclusive, rest) = if node.exclusive {
                    (node, other)
                } else {
                    (other, node)
                };
                let moving = if involved.contains(&rest.key) {
                    "while moving"
                } else {
                    "which stays"
                };
                return refuse(Refusal::Exclusive {
                    directory: shown(&exclusive.path),
                    reason: format!("would overlap {} {moving}", shown(&rest.path)),
                });
            }
        }
        now[t][i].clone_from(&write.new);
    }
    Ok(())
}

pub(super) fn nearest_ancestor(nodes: &[Node], path: &[u8]) -> Option<usize> {
    nodes.iter().rposition(|n| is_below(path, &n.path))
}

/// Whether `path` lies strictly below `ancestor` (both below one mount).
#[must_use]
pub fn is_below(path: &[u8], ancestor: &[u8]) -> bool {
    ancestor.is_empty() && !path.is_empty()
        || path
            .strip_prefix(ancestor)
            .is_some_and(|rest| rest.first() == Some(&b'/'))
}

/// The directory above, empty for one right below the mount.
#[must_use]
pub fn parent_path(path: &[u8]) -> &[u8] {
    path.iter()
        .rposition(|&b| b == b'/')
        .map_or(&[], |slash| &path[..slash])
}

/// A path for a message: control bytes, backslash and what is not UTF-8 as `\xNN`.
#[must_use]
pub fn shown(path: &[u8]) -> String {
    let mut out = String::new();
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || c == '\\' {
                let mut buffer = [0; 4];
                for byte in c.encode_utf8(&mut buffer).bytes() {
                    out.push_str(&format!("\\x{byte:02x}"));
                }
            } else {
                out.push(c);
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}
