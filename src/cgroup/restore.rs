//! Putting every cpuset back as it was before us.
//!
//! For each container in the journal that still lives (same boot, same inode)
//! and whose list is one that we left there, its directories get their original
//! lists, by the two passes of [`super::writes`] over the directories that are
//! there now:
//!
//! - v1: the original without the CPUs that are offline or that the parent no
//!   longer has; if something is missing, the original is remembered for the
//!   next time. A directory that appeared meanwhile is moved by rank only where
//!   it would be in the way.
//! - v2: the original list as it was. An empty one is written as a newline;
//!   kernels that refuse that for a populated cgroup (ENOSPC) get the parent's
//!   effective set, and the report says so.
//!
//! What somebody else has changed is left alone, named, and dropped from the
//! journal: it counts as never assigned, like all that was given back. A run that is
//! interrupted anywhere can be repeated: its writes are journalled first, and
//! where the journal cannot be written its values are recognised by being the
//! original, or the original together with a list of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::apply::{Applied, Strictness, step, verify, write_back};
use super::journal::{Journal, JournalState, Original, chain};
use super::tree::{CpusetTree, errno, is_gone};
use super::writes::{CpusetWrite, Node, Tree, map_by_rank, nearest_ancestor, sequence, shown};
use super::{ContainerKey, Version};
use crate::cpuset::CpuSet;

/// What `restore` did. Names are paths below the mount, safe for a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Containers that are as they were before us.
    pub restored: Vec<String>,
    /// Containers that have their CPUs back, but not to the letter, with the
    /// reason; the originals are kept.
    pub partial: Vec<(String, String)>,
    /// Containers that were not touched, or not wholly, with the reason.
    pub left_alone: Vec<(String, String)>,
    /// Containers that are gone.
    pub vanished: Vec<String>,
    /// Number of directories written.
    pub written: usize,
    /// What went wrong without changing the result, in words.
    pub notes: Vec<String>,
}

/// What became of a container of the journal.
enum Found {
    /// It is to be given back.
    Job(Box<Job>),
    /// It is gone.
    Vanished,
    /// Its list is somebody else's, who has it from now on; the reason in words.
    Foreign(String),
}

/// A living container that is to be given back.
struct Job {
    name: String,
    tree: Tree,
    /// By directory: whether it is known and holds a list that we left.
    ours: Vec<bool>,
    /// What is missing from the original, in words.
    missing: Vec<String>,
    /// What the user should know besides.
    notes: Vec<String>,
}

/// Brings every living container of the journal back to its original and
/// records that. Never fails as a whole: see the report.
pub fn restore(tree: &CpusetTree<'_>, journal: &mut Journal) -> RestoreReport {
    let mut report = RestoreReport::default();
    let gone = dead(tree, journal.state());
    let dead: BTreeSet<&ContainerKey> = gone.iter().collect();
    let mut jobs = Vec::new();
    let mut given_up = Vec::new();
    let state = journal.state();
    for original in state.originals.values() {
        if original.key != original.container {
            continue;
        }
        let name = shown(&original.path);
        if dead.contains(&original.key) {
            report.vanished.push(name);
            continue;
        }
        match prepare(tree, state, original) {
            Ok(Found::Job(job)) => jobs.push(*job),
            Ok(Found::Vanished) => report.vanished.push(name),
            Ok(Found::Foreign(reason)) => {
                report.left_alone.push((name, reason));
                let inside = state.originals.values();
                let inside = inside.filter(|other| other.container == original.key);
                given_up.extend(inside.map(|other| other.key.clone()));
            }
            Err(reason) => report.left_alone.push((name, reason)),
        }
    }
    let writes = plan(tree.version, &mut jobs, &mut report);
    if !writes.is_empty()
        && let Err(error) = journal.restoring(&writes)
    {
        let why = chain(&error);
        report
            .notes
            .push(format!("the restore is not journalled: {why}"));
    }
    let mut applied = Applied::default();
    let mut failed: BTreeMap<ContainerKey, String> = BTreeMap::new();
    let mut done = Vec::new();
    for write in &writes {
        if failed.contains_key(&write.container) {
            continue;
        }
        match step_back(tree, write, &mut applied) {
            Ok(true) => done.push(write),
            Ok(false) => {}
            Err(reason) => {
                failed.insert(write.container.clone(), reason);
            }
        }
    }
    report.written = done.iter().map(|w| &w.key).collect::<BTreeSet<_>>().len();
    let mut records = Vec::new();
    for mut job in jobs {
        let key = &job.tree.nodes[0].key;
        if applied.vanished.contains(key) {
            report.vanished.push(job.name);
            continue;
        }
        let mine: Vec<&CpusetWrite> = done
            .iter()
            .copied()
            .filter(|w| w.container == *key)
            .collect();
        if let Err(failure) = verify(tree, &mine, Strictness::AsKernel, &mut applied) {
            job.missing.push(chain(&failure));
        }
        if let Some(reason) = failed.remove(key) {
            report.left_alone.push((job.name, reason));
            continue;
        }
        let given_up = &mut given_up;
        finish(
            tree,
            journal.state(),
            &mut job,
            &mut records,
            &mut report,
            given_up,
        );
        if job.missing.is_empty() {
            report.restored.push(job.name);
        } else {
            report.partial.push((job.name, job.missing.join("; ")));
        }
    }
    given_up.extend(gone);
    let open = journal.state().open_intent.as_ref();
    let ended = match open.map(|intent| intent.decision.seq) {
        Some(seq) => journal.roll_back(seq, "interrupted, then restored".into(), Vec::new()),
        None => Ok(()),
    };
    for outcome in [ended, journal.restored(records), journal.forget(given_up)] {
        if let Err(error) = outcome {
            let why = chain(&error);
            report
                .notes
                .push(format!("the restore is not journalled: {why}"));
        }
    }
    report
}

/// Directories of the journal that are gone: of another boot, removed, or
/// their path reused.
#[must_use]
pub fn dead(tree: &CpusetTree<'_>, state: &JournalState) -> Vec<ContainerKey> {
    state
        .originals
        .values()
        .filter(|original| matches!(tree.is_alive(&original.key, &original.path), Ok(false)))
        .map(|original| original.key.clone())
        .collect()
}

/// Reads a container and works out what each of its directories shall have;
/// an error in words if it cannot be given back now.
fn prepare(
    tree: &CpusetTree<'_>,
    state: &JournalState,
    original: &Original,
) -> Result<Found, String> {
    let unreadable = |error: io::Error| format!("cannot read it: {error}");
    let path = &original.path;
    let gone = |error: &io::Error| is_gone(error);
    let bound = match tree.parent_effective(path) {
        Ok(bound) => bound,
        Err(error) if gone(&error) => return Ok(Found::Vanished),
        Err(error) => return Err(unreadable(error)),
    };
    let mut job = Job {
        name: shown(path),
        tree: Tree {
            id: shown(path),
            bound: bound.clone(),
            nodes: Vec::new(),
        },
        ours: Vec::new(),
        missing: Vec::new(),
        notes: Vec::new(),
    };
    for (path, inode) in tree.walk(path, original.key.inode).map_err(unreadable)? {
        let key = ContainerKey {
            boot_id: tree.boot_id.clone(),
            inode,
        };
        let old = match tree.cpus(&path) {
            Ok(old) => old,
            Err(error) if gone(&error) && key == original.key => return Ok(Found::Vanished),
            Err(error) if gone(&error) => continue,
            Err(error) => return Err(unreadable(error)),
        };
        if tree.version == Version::V2
            && let Ok(partition) = tree.text(&path, "cpuset.cpus.partition")
            && partition != "member"
        {
            return Err(format!("{} is a cpuset partition", shown(&path)));
        }
        let parent = nearest_ancestor(&job.tree.nodes, &path);
        let known = state.originals.get(&key);
        let emptied = tree.version == Version::V1 && old.is_empty();
        let ours = known.is_some_and(|known| emptied || is_ours(state, known, &old, &bound));
        if parent.is_none() && !ours {
            return Ok(Found::Foreign(format!(
                "its cpuset.cpus is '{old}', which is not ours; before cpufence it was '{}'",
                original.text.escape_debug()
            )));
        }
        let nodes = &job.tree.nodes;
        let first = known.filter(|_| ours).map(|known| &known.cpus);
        let new = match (tree.version, first) {
            (Version::V2, first) => first.unwrap_or(&old).clone(),
            (Version::V1, Some(first)) => {
                let limit = parent.map_or(&bound, |p| &nodes[p].new);
                let usable = first.intersection(limit);
                if usable.is_empty() && parent.is_none() {
                    return Err(format!("none of its original CPUs {first} can be used now"));
                }
                if usable.is_empty() && !first.is_empty() {
                    limit.clone()
                } else {
                    usable
                }
            }
            (Version::V1, None) => {
                let limit = parent.map_or(&bound, |p| &nodes[p].new);
                if old.is_subset(limit) {
                    old.clone()
                } else {
                    let mapped = map_by_rank(&nodes[0].old, &old, &nodes[0].new);
                    let mapped = mapped.intersection(limit);
                    if mapped.is_empty() {
                        limit.clone()
                    } else {
                        mapped
                    }
                }
            }
        };
        if old.is_empty() && !new.is_empty() && tree.version == Version::V1 {
            // The kernel does that when all CPUs of a directory go offline.
            job.notes.push(format!(
                "{} had lost all its CPUs, and the kernel has moved its processes to the parent; move back those that still run: {:?}",
                shown(&path),
                known.map_or(&[][..], |known| &known.members)
            ));
        }
        job.ours.push(ours);
        let exclusive = tree.version == Version::V1
            && tree
                .text(&path, "cpuset.cpu_exclusive")
                .is_ok_and(|text| text == "1");
        job.tree.nodes.push(Node {
            key,
            path,
            parent,
            old,
            new,
            exclusive,
        });
    }
    Ok(Found::Job(Box::new(job)))
}

/// Whether a list is one that we, or an interrupted restore of ours, left.
fn is_ours(state: &JournalState, original: &Original, now: &CpuSet, offered: &CpuSet) -> bool {
    if let Some(given_back) = state.restored.get(&original.key) {
        return given_back == now || original.cpus == *now;
    }
    // On v1 a restore writes only what the parent has.
    let usable = original.cpus.intersection(offered);
    // On v2 a list that cannot be cleared becomes the parent's set.
    let target = |set: &CpuSet| {
        *set == original.cpus
            || (!set.is_empty() && *set == usable)
            || (original.cpus.is_empty() && set == offered)
    };
    let widened = |set: &CpuSet| set.union(&original.cpus) == *now || set.union(&usable) == *now;
    state.is_ours(&original.key, now, offered)
        || target(now)
        || state
            .expected
            .get(&original.key)
            .is_some_and(|expected| expected.iter().any(widened))
}

/// The writes for all jobs. A container that cannot be moved for its exclusive
/// siblings is left alone.
fn plan(version: Version, jobs: &mut Vec<Job>, report: &mut RestoreReport) -> Vec<CpusetWrite> {
    loop {
        let trees: Vec<Tree> = jobs.iter().map(|job| job.tree.clone()).collect();
        match sequence(version, &trees) {
            Ok(writes) => return writes,
            Err(error) => {
                let blocked = |job: &Job| job.tree.nodes[0].key == error.key;
                for job in jobs.iter().filter(|job| blocked(job)) {
                    let reason = error.reason.to_string();
                    report.left_alone.push((job.name.clone(), reason));
                }
                jobs.retain(|job| !blocked(job));
            }
        }
    }
}

/// One write; a list that cannot be cleared gets the parent's set.
fn step_back(
    tree: &CpusetTree<'_>,
    write: &CpusetWrite,
    applied: &mut Applied,
) -> Result<bool, String> {
    match step(tree, write, applied) {
        Ok(written) => Ok(written),
        Err(super::apply::Failure::Write { source, .. })
            if write.new.is_empty() && source.raw_os_error() == Some(errno::ENOSPC) =>
        {
            // Reported by `finish`, which finds the list not empty.
            write_back(tree, &write.path, &write.file, &write.new)
                .map(|_| false)
                .map_err(|error| error.to_string())
        }
        Err(failure) => Err(chain(&failure)),
    }
}

/// Compares with the originals and makes the records.
fn finish(
    tree: &CpusetTree<'_>,
    state: &JournalState,
    job: &mut Job,
    records: &mut Vec<(ContainerKey, CpuSet, bool)>,
    report: &mut RestoreReport,
    given_up: &mut Vec<ContainerKey>,
) {
    report.notes.append(&mut job.notes);
    for (node, &ours) in job.tree.nodes.iter().zip(&job.ours) {
        let Some(original) = state.originals.get(&node.key) else {
            continue;
        };
        if !ours {
            let reason = format!("its cpuset.cpus was '{}', which is not ours", node.old);
            report.left_alone.push((shown(&node.path), reason));
            given_up.push(node.key.clone());
            continue;
        }
        let now = match tree.cpus(&node.path) {
            Ok(now) => now,
            Err(error) => {
                if !is_gone(&error) {
                    job.missing.push(format!("cannot read it: {error}"));
                }
                continue;
            }
        };
        let complete = now == original.cpus;
        if !complete {
            let place = if node.parent.is_none() {
                String::new()
            } else {
                format!("{}: ", shown(&node.path))
            };
            job.missing.push(if original.cpus.is_empty() {
                format!(
                    "{place}this kernel cannot clear cpuset.cpus while processes run there, so it has its parent's CPUs {now}"
                )
            } else {
                format!(
                    "{place}has {now} of {}; run restore again when the rest is online and in its parent's set",
                    original.cpus
                )
            });
        }
        records.push((node.key.clone(), now, complete));
    }
}
