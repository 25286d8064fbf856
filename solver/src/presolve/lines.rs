//! Sparse vectors that change: one arena, each vector a range with room.
//!
//! An entry whose partner (its column, for a row) is dead stays until the
//! vector is next compacted, so killing a column costs nothing in its rows.

use crate::sparse::{Index, Matrix};

/// An entry: minor index and value.
pub(super) type Entry = (Index, f64);

/// Sparse vectors in one arena.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    start: Vec<usize>,
    len: Vec<usize>,
    room: Vec<usize>,
    entries: Vec<Entry>,
}

impl Lines {
    pub(super) fn of(matrix: &Matrix) -> Self {
        let mut lines = Self {
            start: Vec::with_capacity(matrix.len()),
            len: Vec::with_capacity(matrix.len()),
            room: Vec::new(),
            entries: Vec::with_capacity(matrix.nonzeros()),
        };
        for k in 0..matrix.len() {
            let (indices, values) = matrix.get(k);
            lines.start.push(lines.entries.len());
            lines.len.push(indices.len());
            lines
                .entries
                .extend(indices.iter().copied().zip(values.iter().copied()));
        }
        lines.room = lines.len.clone();
        lines
    }

    /// The entries of vector `k`, dead ones among them.
    pub(super) fn get(&self, k: usize) -> &[Entry] {
        &self.entries[self.start[k]..self.start[k] + self.len[k]]
    }

    /// The entry at `position` of vector `k`.
    pub(super) fn at(&mut self, k: usize, position: usize) -> &mut Entry {
        &mut self.entries[self.start[k] + position]
    }

    /// The position of `minor` in vector `k`.
    pub(super) fn find(&self, k: usize, minor: Index) -> Option<usize> {
        self.get(k).iter().position(|&(m, _)| m == minor)
    }

    /// Sets an entry that is there.
    pub(super) fn set(&mut self, k: usize, minor: Index, value: f64) {
        if let Some(position) = self.find(k, minor) {
            self.at(k, position).1 = value;
        }
    }

    /// Removes an entry; the last one takes its place.
    pub(super) fn remove(&mut self, k: usize, minor: Index) {
        if let Some(position) = self.find(k, minor) {
            let last = self.start[k] + self.len[k] - 1;
            self.entries.swap(self.start[k] + position, last);
            self.len[k] -= 1;
        }
    }

    /// Appends an entry.
    pub(super) fn push(&mut self, k: usize, entry: Entry) {
        if self.len[k] == self.room[k] {
            let start = self.entries.len();
            self.entries
                .extend_from_within(self.start[k]..self.start[k] + self.len[k]);
            self.start[k] = start;
            self.room[k] = 2 * self.len[k] + 4;
            self.entries.resize(start + self.room[k], (0, 0.0));
        }
        let at = self.start[k] + self.len[k];
        self.entries[at] = entry;
        self.len[k] += 1;
    }

    /// Keeps only the entries of vector `k` whose minors are `alive`.
    pub(super) fn compact(&mut self, k: usize, alive: &[bool]) {
        let start = self.start[k];
        let mut kept = start;
        for p in start..start + self.len[k] {
            let entry = self.entries[p];
            if alive[entry.0 as usize] {
                self.entries[kept] = entry;
                kept += 1;
            }
        }
        self.len[k] = kept - start;
    }

    /// Length of vector `k` with its dead entries.
    pub(super) fn raw_len(&self, k: usize) -> usize {
        self.len[k]
    }
}
