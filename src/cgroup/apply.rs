//! Carrying out a round: journal, write, verify; undo it if anything fails.
//!
//! # Steps of [`fence`]
//! 1. The plan's CPUs are still online, else the round is refused.
//! 2. The originals of directories that we never wrote, and the decision with
//!    its writes, go to the journal, durably.
//! 3. Each write happens only if the directory is still the same (inode) and
//!    holds what the plan expects.
//! 4. Verification as sets: a write that succeeded may not be in force (a v2
//!    kernel widens an offline list silently). The effective set of each written
//!    directory must be the wanted one, and each thread of its subtree be
//!    allowed no CPU outside its directory's effective set. From Linux 6.2 on
//!    the kernel intersects with the mask that a thread has given itself, so
//!    fewer is no failure; such threads are counted. A fork during the write
//!    may inherit the old mask for a moment: a thread that does not fit is read
//!    again a few times, and threads that appeared meanwhile are looked at too.
//! 5. Commit, or the writes in reverse order, which passes through the same
//!    legal states.
//!
//! A container that vanishes on the way is no failure: its writes are skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::{fmt, io};

use super::journal::{Journal, JournalError, JournalState, Original};
use super::tree::{CpusetTree, errno, is_gone};
use super::writes::{CpusetWrite, PlanError, is_below, map_by_rank, plan_writes, shown};
use super::{Container, ContainerKey, Fence, Version};
use crate::cpuset::CpuSet;

/// How often a thread that does not fit is read again.
const THREAD_READS: u32 = 10;
/// Most processes of a directory that an original remembers.
const MAX_MEMBERS: usize = 4096;

/// What stops a round. Directories are given safe for a terminal.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// CPUs of the plan went offline.
    #[error("CPU {gone} went offline after the plan was made; plan again")]
    Offline {
        /// The CPUs.
        gone: CpuSet,
    },
    /// Somebody else has written meanwhile.
    #[error("{directory} holds {found:?} where the plan expects {expected:?}; plan again")]
    Stale {
        /// The directory.
        directory: String,
        /// What the plan expects, as a list.
        expected: String,
        /// What is there, as a list.
        found: String,
    },
    /// A file cannot be read.
    #[error("cannot read the cpuset of {directory}")]
    Read {
        /// The directory.
        directory: String,
        /// What failed.
        #[source]
        source: io::Error,
    },
    /// The kernel refuses a write.
    #[error("cannot set cpuset.cpus of {directory} to {value:?}{}", hint(source))]
    Write {
        /// The directory.
        directory: String,
        /// What was written, as a list.
        value: String,
        /// What the kernel says.
        #[source]
        source: io::Error,
    },
    /// A write succeeded but is not in force.
    #[error("{directory} was set to {wanted:?}, but {effective:?} is in force")]
    NotInForce {
        /// The directory.
        directory: String,
        /// What was written, as a list.
        wanted: String,
        /// The effective set, as a list.
        effective: String,
    },
    /// A thread may run outside its directory's set.
    #[error("thread {thread} of {directory} may run on {allowed:?}, not only on {effective:?}")]
    Thread {
        /// The directory.
        directory: String,
        /// Its id.
        thread: u32,
        /// Its affinity, as a list.
        allowed: String,
        /// The effective set, as a list.
        effective: String,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(errno::EACCES) => " (no permission, or beyond the parent's set)",
        Some(errno::EBUSY) => " (a cgroup in it still has the CPUs)",
        Some(errno::EINVAL) => " (a CPU is offline, or an exclusive sibling has it)",
        Some(errno::ENOSPC) => " (a populated cgroup cannot be emptied)",
        _ => "",
    }
}

/// A round that was carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Directories that were written, with their final lists.
    pub written: BTreeMap<ContainerKey, CpuSet>,
    /// Directories that vanished meanwhile.
    pub vanished: BTreeSet<ContainerKey>,
    /// Threads seen while verifying.
    pub threads: u32,
    /// Those whose own affinity is narrower than the effective set.
    pub narrower: u32,
}

/// A round that failed and was undone.
#[derive(Debug)]
pub struct ApplyError {
    /// What failed.
    pub failure: Failure,
    /// The list that each directory of the round has now.
    pub left: Vec<(ContainerKey, CpuSet)>,
    /// Directories that vanished meanwhile.
    pub vanished: BTreeSet<ContainerKey>,
    /// Directories that could not be put back, with the reason; safe for a
    /// terminal.
    pub stuck: Vec<String>,
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)?;
        if !self.stuck.is_empty() {
            write!(f, "; not put back: {}", self.stuck.join("; "))?;
        }
        Ok(())
    }
}

impl std::error::Error for ApplyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.failure.source()
    }
}

/// Refuses a plan when CPUs that it counted on have gone offline.
///
/// # Errors
/// [`Failure::Offline`].
pub fn check_online(tree: &CpusetTree<'_>, planned: &CpuSet) -> Result<(), Failure> {
    match tree.online() {
        Some(online) if !planned.is_subset(&online) => Err(Failure::Offline {
            gone: planned.difference(&online),
        }),
        _ => Ok(()),
    }
}

/// What the journal must know of the directories of `containers` before they
/// are written: each managed container's subtree, as it is now.
///
/// A directory that appeared when its container was fenced already was made
/// inside our set, so what it would have had without us is the part of the
/// container's original with the same rank.
///
/// # Errors
/// If a directory cannot be read or has changed since it was observed.
pub fn read_originals<'c>(
    tree: &CpusetTree<'_>,
    containers: impl IntoIterator<Item = &'c Container>,
    state: &JournalState,
) -> Result<Vec<Original>, Failure> {
    let mut originals = Vec::new();
    for container in containers {
        if container.fence != Fence::Managed {
            continue;
        }
        let top = container.dir();
        let first_top = state
            .originals
            .get(&top.key)
            .filter(|_| !state.needs_original(&top.key, &top.cpus));
        for dir in &container.subtree {
            if !state.needs_original(&dir.key, &dir.cpus) {
                continue;
            }
            let read = |error: io::Error| Failure::Read {
                directory: shown(&dir.path),
                source: error,
            };
            if !tree.is_alive(&dir.key, &dir.path).map_err(read)? {
                continue;
            }
            let text = match tree.text(&dir.path, super::writes::CPUS_FILE) {
                Ok(text) => text,
                Err(error) if is_gone(&error) => continue,
                Err(error) => return Err(read(error)),
            };
            let found = CpuSet::parse_list(&text)
                .map_err(|e| read(io::Error::new(io::ErrorKind::InvalidData, e)))?;
            if found != dir.cpus {
                return Err(Failure::Stale {
                    directory: shown(&dir.path),
                    expected: dir.cpus.to_string(),
                    found: found.to_string(),
                });
            }
            let (mut cpus, mut effective) = (found, dir.effective.clone());
            if let Some(first_top) = first_top.filter(|_| dir.key != top.key) {
                let now = if top.effective.is_empty() {
                    &top.cpus
                } else {
                    &top.effective
                };
                let map = |set: &CpuSet| map_by_rank(now, set, first_top.in_force());
                effective = map(&effective);
                if !cpus.is_empty() {
                    cpus = map(&cpus);
                }
            }
            let mut members = match tree.version {
                Version::V1 => tree.processes(&dir.path).unwrap_or_default(),
                Version::V2 => Vec::new(),
            };
            members.truncate(MAX_MEMBERS);
            originals.push(Original {
                key: dir.key.clone(),
                container: top.key.clone(),
                path: dir.path.clone(),
                text,
                cpus,
                effective,
                mems: dir.mems.clone(),
                members,
            });
        }
    }
    Ok(originals)
}

/// Carries out the writes of a plan and verifies them.
///
/// # Errors
/// On the first failure; everything is undone then, see [`ApplyError`].
pub fn apply_writes(
    tree: &CpusetTree<'_>,
    writes: &[CpusetWrite],
) -> Result<Applied, Box<ApplyError>> {
    let mut applied = Applied::default();
    let mut done: Vec<&CpusetWrite> = Vec::new();
    let outcome = writes
        .iter()
        .try_for_each(|write| {
            if step(tree, write, &mut applied)? {
                done.push(write);
                applied.written.insert(write.key.clone(), write.new.clone());
            }
            Ok(())
        })
        .and_then(|()| verify(tree, &done, Strictness::Exact, &mut applied));
    match outcome {
        Ok(()) => {
            let vanished = &applied.vanished;
            applied.written.retain(|key, _| !vanished.contains(key));
            Ok(applied)
        }
        Err(failure) => Err(Box::new(undo(
            tree,
            failure,
            writes,
            &done,
            applied.vanished,
        ))),
    }
}

/// One write; false if the directory has vanished.
pub(super) fn step(
    tree: &CpusetTree<'_>,
    write: &CpusetWrite,
    applied: &mut Applied,
) -> Result<bool, Failure> {
    if applied.vanished.contains(&write.key) || applied.vanished.contains(&write.container) {
        applied.vanished.insert(write.key.clone());
        return Ok(false);
    }
    let directory = || shown(&write.path);
    let alive = |source| Failure::Read {
        directory: directory(),
        source,
    };
    if !tree.is_alive(&write.key, &write.path).map_err(alive)? {
        applied.vanished.insert(write.key.clone());
        return Ok(false);
    }
    match tree.cpus(&write.path) {
        Ok(found) if found == write.old => {}
        Ok(found) => {
            return Err(Failure::Stale {
                directory: directory(),
                expected: write.old.to_string(),
                found: found.to_string(),
            });
        }
        Err(error) if is_gone(&error) => {
            applied.vanished.insert(write.key.clone());
            return Ok(false);
        }
        Err(error) => return Err(alive(error)),
    }
    let Err(source) = tree.write(&write.path, &write.file, &write.new) else {
        return Ok(true);
    };
    // A cgroup on its way out may also answer ENOSPC or EBUSY.
    if is_gone(&source) || !tree.is_alive(&write.key, &write.path).map_err(alive)? {
        applied.vanished.insert(write.key.clone());
        return Ok(false);
    }
    Err(Failure::Write {
        directory: directory(),
        value: write.new.to_string(),
        source,
    })
}

/// What a written list must have brought into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strictness {
    /// Exactly itself: a plan names only CPUs that its parent has.
    Exact,
    /// What the kernel makes of it: a list that is given back may be empty,
    /// or name CPUs that are offline.
    AsKernel,
}

/// Checks that what was written is in force, for directories and threads.
pub(super) fn verify(
    tree: &CpusetTree<'_>,
    done: &[&CpusetWrite],
    strictness: Strictness,
    applied: &mut Applied,
) -> Result<(), Failure> {
    let last: BTreeMap<&[u8], &CpusetWrite> =
        done.iter().map(|w| (w.path.as_slice(), *w)).collect();
    let mut top: Option<&[u8]> = None;
    // Ascending paths: a directory comes before everything below it.
    let mut by_depth: Vec<_> = last.iter().collect();
    by_depth.sort_by_key(|(path, _)| path.split(|&b| b == b'/').collect::<Vec<_>>());
    for (path, write) in by_depth {
        if top.is_some_and(|top| is_below(path, top)) || applied.vanished.contains(&write.key) {
            continue;
        }
        top = Some(path);
        let read = |source| Failure::Read {
            directory: shown(path),
            source,
        };
        for (path, inode) in tree.walk(path, write.key.inode).map_err(read)? {
            let write = last.get(path.as_slice()).filter(|w| w.key.inode == inode);
            match verify_directory(tree, &path, write.copied(), strictness, applied) {
                Err(Failure::Read { source, .. }) if is_gone(&source) => {
                    if let Some(write) = write {
                        applied.vanished.insert(write.key.clone());
                    }
                }
                other => other?,
            }
        }
    }
    Ok(())
}

fn verify_directory(
    tree: &CpusetTree<'_>,
    path: &[u8],
    write: Option<&CpusetWrite>,
    strictness: Strictness,
    applied: &mut Applied,
) -> Result<(), Failure> {
    let read = |source| Failure::Read {
        directory: shown(path),
        source,
    };
    let effective = tree.effective(path).map_err(read)?;
    if let Some(write) = write {
        let wanted = if strictness == Strictness::AsKernel && tree.version == Version::V2 {
            let offered = tree.parent_effective(path).map_err(read)?;
            let both = write.new.intersection(&offered);
            if both.is_empty() { offered } else { both }
        } else {
            write.new.clone()
        };
        if effective != wanted {
            // A removal on the way looks like anything.
            if !tree.is_alive(&write.key, path).map_err(read)? {
                applied.vanished.insert(write.key.clone());
                return Ok(());
            }
            return Err(Failure::NotInForce {
                directory: shown(path),
                wanted: wanted.to_string(),
                effective: effective.to_string(),
            });
        }
    }
    let mut seen = BTreeSet::new();
    // The second time for threads that were being forked at the first.
    for _ in 0..2 {
        for thread in tree.threads(path).map_err(read)? {
            if seen.insert(thread) {
                verify_thread(tree, path, thread, &effective, applied)?;
            }
        }
    }
    Ok(())
}

fn verify_thread(
    tree: &CpusetTree<'_>,
    path: &[u8],
    thread: u32,
    effective: &CpuSet,
    applied: &mut Applied,
) -> Result<(), Failure> {
    let read = |source| Failure::Read {
        directory: shown(path),
        source,
    };
    let mut allowed = CpuSet::new();
    for attempt in 0..THREAD_READS {
        match tree.allowed(thread).map_err(read)? {
            None => return Ok(()),
            Some(set) if set.is_subset(effective) => {
                applied.threads += 1;
                applied.narrower += u32::from(set != *effective);
                return Ok(());
            }
            Some(set) => allowed = set,
        }
        // It may have moved to another cgroup.
        if attempt > 0 && !tree.threads(path).map_err(read)?.contains(&thread) {
            return Ok(());
        }
        std::thread::yield_now();
    }
    Err(Failure::Thread {
        directory: shown(path),
        thread,
        allowed: allowed.to_string(),
        effective: effective.to_string(),
    })
}

fn undo(
    tree: &CpusetTree<'_>,
    failure: Failure,
    writes: &[CpusetWrite],
    done: &[&CpusetWrite],
    vanished: BTreeSet<ContainerKey>,
) -> ApplyError {
    let mut error = ApplyError {
        failure,
        left: Vec::new(),
        vanished,
        stuck: Vec::new(),
    };
    for write in done.iter().rev() {
        let directory = shown(&write.path);
        match tree.is_alive(&write.key, &write.path) {
            Ok(true) => {}
            _ => {
                error.vanished.insert(write.key.clone());
                continue;
            }
        }
        match tree.cpus(&write.path) {
            Ok(now) if now == write.new => {}
            // Somebody else's value, or one that an earlier step left.
            Ok(now) => {
                let note = format!("{directory} holds {now}");
                if now != write.old {
                    error.stuck.push(note);
                }
                continue;
            }
            Err(source) => {
                error.stuck.push(format!("{directory}: {source}"));
                continue;
            }
        }
        if let Err(source) = write_back(tree, &write.path, &write.file, &write.old)
            && !is_gone(&source)
        {
            error.stuck.push(format!("{directory}: {source}"));
        }
    }
    let mut seen = BTreeSet::new();
    for write in writes {
        if seen.insert(&write.key)
            && tree.is_alive(&write.key, &write.path).unwrap_or(false)
            && let Ok(now) = tree.cpus(&write.path)
        {
            error.left.push((write.key.clone(), now));
        }
    }
    error
}

/// Writes a list that was there before; true if it is really that one. A v2
/// kernel that cannot clear the list of a populated directory gets the
/// parent's effective set instead, which has the same effect for now.
pub(super) fn write_back(
    tree: &CpusetTree<'_>,
    path: &[u8],
    file: &str,
    cpus: &CpuSet,
) -> io::Result<bool> {
    match tree.write(path, file, cpus) {
        Ok(()) => Ok(true),
        Err(error) if cpus.is_empty() && error.raw_os_error() == Some(errno::ENOSPC) => {
            tree.write(path, file, &tree.parent_effective(path)?)?;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Why a round was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    /// No write sequence exists. Nothing was written.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The host is not as planned. Nothing was written.
    #[error("the round was not begun")]
    Host(#[source] Failure),
    /// The journal cannot take the round. Nothing was written.
    #[error(
        "the round was not begun: the journal cannot record it; free space or fix the state directory"
    )]
    Journal(#[source] JournalError),
    /// It failed on the way and was undone.
    #[error("the round was undone")]
    Undone(#[source] Box<ApplyError>),
}

/// A round that was carried out and journalled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fenced {
    /// Its number.
    pub seq: u64,
    /// Its writes, in order.
    pub writes: Vec<CpusetWrite>,
    /// What became of them.
    pub applied: Applied,
    /// What went wrong without changing the result, in words.
    pub notes: Vec<String>,
}

/// Gives every container its target: plans, journals, writes, verifies.
///
/// `online`: the CPUs that the plan counted on. `payload`: the engine's record
/// of the decision; `outcome` makes what is added to it afterwards. Directories
/// that are gone are dropped from the journal on the way.
///
/// # Errors
/// See [`FenceError`]; each of them leaves the cpusets as they were.
pub fn fence(
    tree: &CpusetTree<'_>,
    journal: &mut Journal,
    moves: &[(&Container, CpuSet)],
    online: &CpuSet,
    payload: Vec<u8>,
    outcome: impl FnOnce(&Applied) -> Vec<u8>,
) -> Result<Fenced, FenceError> {
    let dead = super::restore::dead(tree, journal.state());
    let writes = plan_writes(tree.version, moves, journal.state())?;
    check_online(tree, online).map_err(FenceError::Host)?;
    let containers = moves.iter().map(|(container, _)| *container);
    let originals = read_originals(tree, containers, journal.state()).map_err(FenceError::Host)?;
    journal.forget(dead).map_err(FenceError::Journal)?;
    if writes.is_empty() && originals.is_empty() {
        let applied = Applied::default();
        let settled = settled(moves, &applied);
        let seq = journal
            .note_decision(payload, outcome(&applied), settled)
            .map_err(FenceError::Journal)?;
        return Ok(Fenced {
            seq,
            writes,
            applied,
            notes: Vec::new(),
        });
    }
    let seq = journal
        .begin(payload, originals, &writes)
        .map_err(FenceError::Journal)?;
    match apply_writes(tree, &writes) {
        Ok(applied) => {
            let settled = settled(moves, &applied);
            let mut notes = Vec::new();
            if let Err(error) = journal.commit(seq, outcome(&applied), settled) {
                let why = super::journal::chain(&error);
                notes.push(format!("the end of the round is not journalled: {why}"));
            }
            Ok(Fenced {
                seq,
                writes,
                applied,
                notes,
            })
        }
        Err(mut error) => {
            let reason = super::journal::chain(&error.failure);
            if let Err(journal) = journal.roll_back(seq, reason, error.left.clone()) {
                let why = super::journal::chain(&journal);
                error
                    .stuck
                    .push(format!("the undo is not journalled: {why}"));
            }
            Err(FenceError::Undone(error))
        }
    }
}

/// The list that each directory of the managed containers has after the round.
fn settled(moves: &[(&Container, CpuSet)], applied: &Applied) -> Vec<(ContainerKey, CpuSet)> {
    moves
        .iter()
        .filter(|(container, _)| container.fence == Fence::Managed)
        .flat_map(|(container, _)| &container.subtree)
        .filter(|dir| !applied.vanished.contains(&dir.key))
        .map(|dir| {
            let now = applied.written.get(&dir.key).unwrap_or(&dir.cpus);
            (dir.key.clone(), now.clone())
        })
        .collect()
}
