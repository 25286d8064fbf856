//! Sparse vectors of different and changing lengths in one store: the rows or
//! columns of a triangular factor.

use crate::sparse::Index;

/// Entries that a line gets beyond its length when it moves.
const SPARE: usize = 4;

/// Lines of `(index, value)` entries. A line that outgrows its place moves to
/// the end of the store.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    start: Vec<usize>,
    length: Vec<u32>,
    room: Vec<u32>,
    indices: Vec<Index>,
    values: Vec<f64>,
}

impl Lines {
    /// `count` empty lines.
    pub(super) fn reset(&mut self, count: usize) {
        self.start.clear();
        self.start.resize(count, 0);
        self.length.clear();
        self.length.resize(count, 0);
        self.room.clear();
        self.room.resize(count, 0);
        self.indices.clear();
        self.values.clear();
    }

    /// Indices and values of `line`.
    #[inline]
    pub(super) fn get(&self, line: usize) -> (&[Index], &[f64]) {
        let range = self.start[line]..self.start[line] + self.length[line] as usize;
        (&self.indices[range.clone()], &self.values[range])
    }

    /// Replaces `line` by `entries`, stored at the end.
    pub(super) fn set(&mut self, line: usize, entries: impl IntoIterator<Item = (Index, f64)>) {
        let start = self.indices.len();
        for (index, value) in entries {
            self.indices.push(index);
            self.values.push(value);
        }
        self.start[line] = start;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most the number of rows"
        )]
        let length = (self.indices.len() - start) as u32;
        self.length[line] = length;
        self.room[line] = length;
    }

    /// Adds an entry to `line`.
    pub(super) fn push(&mut self, line: usize, index: Index, value: f64) {
        let length = self.length[line] as usize;
        if length == self.room[line] as usize {
            let old = self.start[line];
            let start = self.indices.len();
            self.indices.extend_from_within(old..old + length);
            self.values.extend_from_within(old..old + length);
            let room = length + length / 2 + SPARE;
            self.indices.resize(start + room, 0);
            self.values.resize(start + room, 0.0);
            self.start[line] = start;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "at most twice the number of rows"
            )]
            let room = room as u32;
            self.room[line] = room;
        }
        let at = self.start[line] + length;
        self.indices[at] = index;
        self.values[at] = value;
        self.length[line] += 1;
    }

    /// Removes the entry `index` of `line`, which must be there.
    pub(super) fn remove(&mut self, line: usize, index: Index) {
        let start = self.start[line];
        let end = start + self.length[line] as usize;
        if let Some(at) = (start..end).find(|&at| self.indices[at] == index) {
            self.indices[at] = self.indices[end - 1];
            self.values[at] = self.values[end - 1];
            self.length[line] -= 1;
        }
    }

    /// Empties `line`.
    pub(super) fn clear(&mut self, line: usize) {
        self.length[line] = 0;
    }

    /// Makes this the transpose of `other` (both over the same index range).
    /// With `spare`, lines have room to grow in place.
    pub(super) fn transpose_of(&mut self, other: &Self, spare: bool) {
        let count = other.start.len();
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
            self.start[line] = next;
            next += self.room[line] as usize;
        }
        self.indices.resize(next, 0);
        self.values.resize(next, 0.0);
        for line in 0..count {
            let (indices, values) = other.get(line);
            for (&i, &value) in indices.iter().zip(values) {
                let i = i as usize;
                let at = self.start[i] + self.length[i] as usize;
                #[expect(clippy::cast_possible_truncation, reason = "a row index")]
                let line = line as Index;
                self.indices[at] = line;
                self.values[at] = value;
                self.length[i] += 1;
            }
        }
    }

    /// Entries stored, gaps included.
    pub(super) fn stored(&self) -> usize {
        self.indices.len()
    }
}
