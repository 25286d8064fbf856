//! A set of logical CPUs and its text form, the kernel's list format
//! (`0-3,8`, `Documentation/admin-guide/kernel-parameters.rst`, "CPU lists").
//!
//! Sets are compared, never strings: the kernel normalises what is written.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kernel's number of a logical CPU (hyper-thread).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CpuId(pub u32);

impl fmt::Display for CpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Largest CPU number accepted, above every kernel's `NR_CPUS` (8192): bounds
/// the memory that a hostile list can ask for.
pub const MAX_CPU: u32 = 65_535;

/// A set of logical CPUs. Ordered ascending; equality is set equality.
///
/// Serialised as its list text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CpuSet {
    /// Bit `i % 64` of word `i / 64` is CPU `i`; no trailing zero words.
    words: Vec<u64>,
}

/// A text that is no CPU list (or mask): the kernel's parser would refuse it, or
/// only a kernel knows what it means.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not a CPU list: {reason} (expected e.g. '0-3,8')", text.escape_debug())]
pub struct CpuListError {
    /// What was read.
    pub text: String,
    /// Why it is refused.
    pub reason: &'static str,
}

impl CpuSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { words: Vec::new() }
    }

    /// Adds `cpu`; true if it was not there.
    pub fn insert(&mut self, cpu: CpuId) -> bool {
        let (word, bit) = split(cpu);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        new
    }

    /// Takes `cpu` out; true if it was there.
    pub fn remove(&mut self, cpu: CpuId) -> bool {
        let (word, bit) = split(cpu);
        let there = self.contains(cpu);
        if there {
            self.words[word] &= !bit;
            self.trim();
        }
        there
    }

    /// Whether `cpu` is in the set.
    #[must_use]
    pub fn contains(&self, cpu: CpuId) -> bool {
        let (word, bit) = split(cpu);
        self.words.get(word).is_some_and(|w| w & bit != 0)
    }

    /// Number of CPUs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Whether no CPU is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The CPUs, ascending.
    pub fn iter(&self) -> impl Iterator<Item = CpuId> + '_ {
        self.words.iter().zip(0u32..).flat_map(|(&word, index)| {
            (0..64u32)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| CpuId(index * 64 + bit))
        })
    }

    /// Smallest CPU.
    #[must_use]
    pub fn first(&self) -> Option<CpuId> {
        self.iter().next()
    }

    /// `self` and `other` together.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    /// What `self` and `other` share.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    /// `self` without `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    /// Whether every CPU of `self` is in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.difference(other).is_empty()
    }

    /// Whether the sets share no CPU.
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.intersection(other).is_empty()
    }

    /// Reads the kernel's list format as the kernel's parser does
    /// (`lib/bitmap-str.c`, `bitmap_parselist`): ranges, strides `0-7:1/2`,
    /// commas and white space between items, any number of them. An empty text
    /// is the empty set. A NUL, or a newline right after a number or
    /// range, ends it.
    ///
    /// # Errors
    /// Names what the kernel would refuse; also numbers above [`MAX_CPU`], and
    /// `N` and `all`, whose meaning depends on the kernel that reads them.
    pub fn parse_list(text: &str) -> Result<Self, CpuListError> {
        parse::parse_list(text)
    }

    /// Reads the kernel's mask format: comma-separated 32-bit hexadecimal
    /// groups, most significant first (`ff,00000001`); trailing NUL bytes and
    /// white space are dropped.
    ///
    /// # Errors
    /// On a group that is not hexadecimal or wider than 32 bits.
    pub fn parse_mask(text: &str) -> Result<Self, CpuListError> {
        parse::parse_mask(text)
    }

    fn zip(&self, other: &Self, op: impl Fn(u64, u64) -> u64) -> Self {
        let len = self.words.len().max(other.words.len());
        let word = |set: &Self, i: usize| set.words.get(i).copied().unwrap_or(0);
        let mut out = Self {
            words: (0..len)
                .map(|i| op(word(self, i), word(other, i)))
                .collect(),
        };
        out.trim();
        out
    }

    fn trim(&mut self) {
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }
}

fn split(cpu: CpuId) -> (usize, u64) {
    ((cpu.0 / 64) as usize, 1 << (cpu.0 % 64))
}

impl fmt::Display for CpuSet {
    /// The list form with maximal ranges, as the kernel prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ids = self.iter().map(|c| c.0).peekable();
        let mut separator = "";
        while let Some(start) = ids.next() {
            let mut end = start;
            while ids.next_if_eq(&(end + 1)).is_some() {
                end += 1;
            }
            if start == end {
                write!(f, "{separator}{start}")?;
            } else {
                write!(f, "{separator}{start}-{end}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

impl FromIterator<CpuId> for CpuSet {
    fn from_iter<I: IntoIterator<Item = CpuId>>(iter: I) -> Self {
        let mut set = Self::new();
        for cpu in iter {
            set.insert(cpu);
        }
        set
    }
}

impl Extend<CpuId> for CpuSet {
    fn extend<I: IntoIterator<Item = CpuId>>(&mut self, iter: I) {
        for cpu in iter {
            self.insert(cpu);
        }
    }
}

impl From<CpuSet> for String {
    fn from(set: CpuSet) -> Self {
        set.to_string()
    }
}

impl TryFrom<String> for CpuSet {
    type Error = CpuListError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse_list(&text)
    }
}

mod parse;

#[cfg(test)]
mod tests;
