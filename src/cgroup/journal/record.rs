//! What the journal holds: records, and the state they add up to. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::cgroup::{ContainerKey, CpusetWrite};
use crate::cpuset::CpuSet;

/// A directory as it was before our first write to its container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Original {
    /// Identity of the directory.
    pub key: ContainerKey,
    /// Identity of the container that it belongs to.
    pub container: ContainerKey,
    /// Its path below the cpuset mount.
    pub path: Vec<u8>,
    /// `cpuset.cpus` as read, without trailing white space.
    pub text: String,
    /// What `restore` writes: `text` as a set; for a directory that appeared
    /// in a container when that was fenced already, the part of the
    /// container's original that has the same rank.
    pub cpus: CpuSet,
    /// The set in force with it.
    pub effective: CpuSet,
    /// `cpuset.mems` as read.
    pub mems: String,
    /// Processes in it (v1 only: there the kernel moves them to the parent for
    /// good when all their CPUs go offline).
    pub members: Vec<u32>,
}

impl Original {
    /// The set that was in force: the list, or the parent's where it is empty.
    #[must_use]
    pub fn in_force(&self) -> &CpuSet {
        if self.effective.is_empty() {
            &self.cpus
        } else {
            &self.effective
        }
    }
}

/// An opaque record of the engine, stored as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload(pub Vec<u8>);

// As one byte string: serde would store a Vec<u8> element by element.
impl Serialize for Payload {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Payload;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Payload, E> {
                Ok(Payload(bytes))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Payload, E> {
                Ok(Payload(bytes.to_vec()))
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}

/// A decision with its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Number of the round, ascending, starting at 1.
    pub seq: u64,
    /// The engine's record of it.
    pub payload: Payload,
}

/// A round whose writes have begun and whose end is not recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The decision.
    pub decision: Decision,
    /// Its writes, in order.
    pub writes: Vec<CpusetWrite>,
}

/// One record. The order of the variants is part of the format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// First in each segment: everything that earlier segments add up to.
    Head(JournalState),
    /// A directory before our first write to its container.
    Original(Original),
    /// A round's decision and writes, before the first write.
    Intent(Intent),
    /// A round is done.
    Commit {
        /// The round.
        seq: u64,
        /// What the engine adds after the writes (times, verification).
        outcome: Payload,
        /// The list that each directory of the round has now, written or found
        /// in force.
        settled: Vec<(ContainerKey, CpuSet)>,
    },
    /// A round was undone.
    RolledBack {
        /// The round.
        seq: u64,
        /// Why, in words.
        reason: String,
        /// The list that each directory of the round was left with.
        left: Vec<(ContainerKey, CpuSet)>,
    },
    /// The writes that `restore` is about to make, so that an interrupted one
    /// finds its own values again.
    Restoring {
        /// In order.
        writes: Vec<CpusetWrite>,
    },
    /// `restore` gave a directory back.
    Restored {
        /// The directory.
        key: ContainerKey,
        /// Its list now.
        value: CpuSet,
        /// Whether that is the original; if not (CPUs offline, a kernel that
        /// cannot clear a list), the original is kept for another `restore`.
        complete: bool,
    },
    /// The directory is gone.
    Forgotten {
        /// The directory.
        key: ContainerKey,
    },
}

/// What the records add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalState {
    /// Number of the last round; 0 before the first.
    pub seq: u64,
    /// Directories as they were before us.
    pub originals: BTreeMap<ContainerKey, Original>,
    /// Lists as of the last committed round; a directory that is not in here
    /// counts as never assigned.
    pub last_committed: BTreeMap<ContainerKey, CpuSet>,
    /// Lists that a directory may have if nobody else writes it: the original,
    /// then that of the last committed round and of every interrupted one
    /// since.
    pub expected: BTreeMap<ContainerKey, BTreeSet<CpuSet>>,
    /// Lists that an incomplete `restore` left, until the next fence.
    pub restored: BTreeMap<ContainerKey, CpuSet>,
    /// The last committed decision.
    pub last_decision: Option<Decision>,
    /// The round that was interrupted, if the last one was.
    pub open_intent: Option<Intent>,
}

impl JournalState {
    /// Whether the list that a directory has now is one that we expect: the
    /// original where we never wrote, else the last committed one, or old or
    /// new value of an interrupted round. A directory that the journal does not
    /// know, or that `restore` gave back, is free to be taken as it is.
    ///
    /// `offered`: what the parent of the container has in force. A list without
    /// the CPUs that are not in there is still ours (v1 drops those that go
    /// offline for good), and so is all of it in place of an empty list (what a
    /// v2 kernel that refuses to clear one is given instead).
    #[must_use]
    pub fn is_ours(&self, key: &ContainerKey, now: &CpuSet, offered: &CpuSet) -> bool {
        let like = |set: &CpuSet| {
            set == now
                || (!now.is_empty() && set.intersection(offered) == *now)
                || (set.is_empty() && now == offered)
        };
        self.expected
            .get(key)
            .is_none_or(|expected| expected.iter().any(like))
    }

    /// Whether the original of a directory must be recorded before the next
    /// write to its container: there is none, or somebody has changed the list
    /// since `restore` gave it back.
    #[must_use]
    pub fn needs_original(&self, key: &ContainerKey, now: &CpuSet) -> bool {
        !self.originals.contains_key(key) || self.restored.get(key).is_some_and(|was| was != now)
    }

    /// Takes a record in.
    pub fn add(&mut self, record: &Record) {
        match record {
            Record::Head(state) => self.clone_from(state),
            Record::Original(original) => {
                let key = &original.key;
                let found = CpuSet::parse_list(&original.text);
                let found = found.unwrap_or_else(|_| original.cpus.clone());
                self.expected.insert(key.clone(), [found].into());
                self.originals.insert(key.clone(), original.clone());
                self.restored.remove(key);
            }
            Record::Intent(intent) => {
                self.seq = intent.decision.seq;
                self.expect(&intent.writes);
                self.open_intent = Some(intent.clone());
            }
            Record::Commit { seq, settled, .. } => {
                for (key, set) in settled {
                    self.last_committed.insert(key.clone(), set.clone());
                    self.expected.insert(key.clone(), [set.clone()].into());
                    self.restored.remove(key);
                }
                if let Some(intent) = self.close(*seq) {
                    self.last_decision = Some(intent.decision);
                }
            }
            Record::RolledBack { seq, left, .. } => {
                for (key, set) in left {
                    self.expected.insert(key.clone(), [set.clone()].into());
                }
                self.close(*seq);
            }
            Record::Restoring { writes } => self.expect(writes),
            Record::Restored {
                key,
                value,
                complete,
            } => {
                self.last_committed.remove(key);
                self.expected.remove(key);
                if *complete {
                    self.originals.remove(key);
                    self.restored.remove(key);
                } else {
                    self.restored.insert(key.clone(), value.clone());
                }
            }
            Record::Forgotten { key } => {
                self.originals.remove(key);
                self.last_committed.remove(key);
                self.expected.remove(key);
                self.restored.remove(key);
            }
        }
    }

    fn expect(&mut self, writes: &[CpusetWrite]) {
        for write in writes {
            let expected = self.expected.entry(write.key.clone()).or_default();
            expected.insert(write.old.clone());
            expected.insert(write.new.clone());
            self.restored.remove(&write.key);
        }
    }

    fn close(&mut self, seq: u64) -> Option<Intent> {
        self.open_intent
            .take_if(|intent| intent.decision.seq == seq)
    }
}
