//! Sparse vectors of different and changing lengths in one store: the rows or
//! columns of a triangular factor.

use crate::sparse::{Index, index};

/// Entries that a line gets beyond its length when it moves.
const SPARE: usize = 4;

/// Lines of `(index, value)` entries. A line that outgrows its place moves to
/// the end of the store.
#[derive(Debug, Default)]
pub(super) struct Lines {
    spans: Vec<Span>,
    room: Vec<u32>,
    indices: Vec<Index>,
    values: Vec<f64>,
}

/// Where a line is: together, as each step of a solve needs both.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    length: u32,
}

impl Clone for Lines {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        copy.clone_from(self);
        copy
    }

    fn clone_from(&mut self, other: &Self) {
        self.spans.clone_from(&other.spans);
        self.room.clone_from(&other.room);
        self.indices.clone_from(&other.indices);
        self.values.clone_from(&other.values);
    }
}

impl Lines {
    /// `count` empty lines.
    pub(super) fn reset(&mut self, count: usize) {
        self.spans.clear();
        self.spans.resize(count, Span::default());
        self.room.clear();
        self.room.resize(count, 0);
        self.indices.clear();
        self.values.clear();
    }

    /// Indices and values of `line`.
    #[inline]
    pub(super) fn get(&self, line: usize) -> (&[Index], &[f64]) {
        let span = self.spans[line];
        let range = span.start as usize..span.start as usize + span.length as usize;
        (&self.indices[range.clone()], &self.values[range])
    }

    /// Replaces `line` by `entries`, stored at the end.
    pub(super) fn set(&mut self, line: usize, entries: impl IntoIterator<Item = (Index, f64)>) {
        let start = self.indices.len();
        for (minor, value) in entries {
            self.indices.push(minor);
            self.values.push(value);
        }
        let length = index(self.indices.len() - start);
        self.spans[line] = Span {
            start: index(start),
            length,
        };
        self.room[line] = length;
    }

    /// Adds an entry to `line`.
    pub(super) fn push(&mut self, line: usize, minor: Index, value: f64) {
        let length = self.spans[line].length as usize;
        if length == self.room[line] as usize {
            let old = self.spans[line].start as usize;
            let start = self.indices.len();
            self.indices.extend_from_within(old..old + length);
            self.values.extend_from_within(old..old + length);
            let room = length + length / 2 + SPARE;
            self.indices.resize(start + room, 0);
            self.values.resize(start + room, 0.0);
            self.spans[line].start = index(start);
            self.room[line] = index(room);
        }
        let at = self.spans[line].start as usize + length;
        self.indices[at] = minor;
        self.values[at] = value;
        self.spans[line].length += 1;
    }

    /// Removes the entry `minor` of `line`, which must be there.
    pub(super) fn remove(&mut self, line: usize, minor: Index) {
        let start = self.spans[line].start as usize;
        let end = start + self.spans[line].length as usize;
        if let Some(at) = self.indices[start..end].iter().position(|&i| i == minor) {
            self.indices[start + at] = self.indices[end - 1];
            self.values[start + at] = self.values[end - 1];
            self.spans[line].length -= 1;
        }
    }

    /// Empties `line`.
    pub(super) fn clear(&mut self, line: usize) {
        self.spans[line].length = 0;
    }

    /// Makes this the transpose of `other` (both over the same index range).
    /// With `spare`, lines have room to grow in place.
    pub(super) fn transpose_of(&mut self, other: &Self, spare: bool) {
        let count = other.spans.len();
        self.reset(count);
        for line in 0..count {
            for &i in other.get(line).0 {
                self.room[i as usize] += 1;
            }
        }
        let mut next = 0;
        for line in 0..count {
            if spare {
                self.room[line] += self.room[line] / 2 + 1;
            }
            self.spans[line].start = index(next);
            next += self.room[line] as usize;
        }
        self.indices.resize(next, 0);
        self.values.resize(next, 0.0);
        for line in 0..count {
            let (indices, values) = other.get(line);
            for (&i, &value) in indices.iter().zip(values) {
                let i = i as usize;
                let span = &mut self.spans[i];
                let at = (span.start + span.length) as usize;
                span.length += 1;
                self.indices[at] = index(line);
                self.values[at] = value;
            }
        }
    }

    /// Entries stored, gaps included.
    pub(super) fn stored(&self) -> usize {
        self.indices.len()
    }
}
