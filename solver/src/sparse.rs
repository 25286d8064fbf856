//! A sparse matrix held by its major vectors (rows or columns).

use crate::work::Budget;

/// Entries touched between two looks at the budget.
const CHUNK: usize = 1 << 14;

/// Index of a row or column inside the solver. Half the memory of a `usize`
/// where most of the memory is indices.
pub(crate) type Index = u32;

/// `index` as an [`Index`].
///
/// # Panics
/// Beyond `u32::MAX`, which no model that fits in memory reaches.
#[expect(clippy::expect_used, reason = "a model of 2^32 rows is out of reach")]
#[inline]
pub(crate) fn index(index: usize) -> Index {
    Index::try_from(index).expect("fewer than 2^32 rows and columns")
}

/// Vectors of `(minor index, value)`, stored one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matrix {
    start: Vec<usize>,
    indices: Vec<Index>,
    values: Vec<f64>,
}

impl Default for Matrix {
    fn default() -> Self {
        Self {
            start: vec![0],
            indices: Vec::new(),
            values: Vec::new(),
        }
    }
}

impl Matrix {
    /// Number of major vectors.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.start.len() - 1
    }

    /// Number of entries.
    pub(crate) fn nonzeros(&self) -> usize {
        self.indices.len()
    }

    /// Appends a major vector.
    pub(crate) fn push(&mut self, entries: impl IntoIterator<Item = (Index, f64)>) {
        for (minor, value) in entries {
            self.indices.push(minor);
            self.values.push(value);
        }
        self.start.push(self.indices.len());
    }

    /// Minor indices and values of vector `major`.
    #[inline]
    pub(crate) fn get(&self, major: usize) -> (&[Index], &[f64]) {
        let range = self.start[major]..self.start[major + 1];
        (&self.indices[range.clone()], &self.values[range])
    }

    /// Entries of vector `major`.
    #[inline]
    pub(crate) fn iter(&self, major: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let (indices, values) = self.get(major);
        indices
            .iter()
            .map(|&i| i as usize)
            .zip(values.iter().copied())
    }

    /// Number of entries of vector `major`.
    #[inline]
    pub(crate) fn count(&self, major: usize) -> usize {
        self.start[major + 1] - self.start[major]
    }

    /// The same entries by minor index, of which there are `minors`. Within
    /// each vector of the result, indices ascend.
    pub(crate) fn transpose(&self, minors: usize) -> Self {
        self.transpose_within(minors, &mut Budget::unlimited())
    }

    /// [`Matrix::transpose`], without entries where `budget` is over before it is
    /// done.
    pub(crate) fn transpose_within(&self, minors: usize, budget: &mut Budget) -> Self {
        let mut next = vec![0_usize; minors + 1];
        for some in self.indices.chunks(CHUNK) {
            for &minor in some {
                next[minor as usize + 1] += 1;
            }
            budget.spend_entries(some.len());
            if budget.is_over() {
                return Self::empty(minors);
            }
        }
        for minor in 0..minors {
            next[minor + 1] += next[minor];
        }
        let mut result = Self {
            start: next.clone(),
            indices: vec![0; self.indices.len()],
            values: vec![0.0; self.values.len()],
        };
        for major in 0..self.len() {
            for (minor, value) in self.iter(major) {
                let at = next[minor];
                next[minor] += 1;
                result.indices[at] = index(major);
                result.values[at] = value;
            }
            budget.spend_entries(2 * self.count(major));
            if budget.is_over() {
                return Self::empty(minors);
            }
        }
        result
    }

    /// A copy, whose last vectors are empty where `budget` is over before it is
    /// done; each entry as `to(major, minor, value)`.
    pub(crate) fn map_within(
        &self,
        budget: &mut Budget,
        to: impl Fn(usize, usize, f64) -> f64,
    ) -> Self {
        let mut result = Self {
            start: Vec::with_capacity(self.start.len()),
            indices: Vec::with_capacity(self.indices.len()),
            values: Vec::with_capacity(self.values.len()),
        };
        result.start.push(0);
        for major in 0..self.len() {
            if !budget.is_over() {
                let (indices, values) = self.get(major);
                result.indices.extend_from_slice(indices);
                let pairs = indices.iter().zip(values);
                result
                    .values
                    .extend(pairs.map(|(&minor, &value)| to(major, minor as usize, value)));
                budget.spend_entries(indices.len());
            }
            result.start.push(result.indices.len());
        }
        result
    }

    /// `majors` vectors without entries.
    fn empty(majors: usize) -> Self {
        Self {
            start: vec![0; majors + 1],
            ..Self::default()
        }
    }

    /// [`Matrix::transpose`] into the memory of `result`.
    pub(crate) fn transpose_into(&self, minors: usize, result: &mut Self) {
        let Self {
            start,
            indices,
            values,
        } = result;
        start.clear();
        start.resize(minors + 2, 0);
        for &minor in &self.indices {
            start[minor as usize + 2] += 1;
        }
        for minor in 0..minors {
            start[minor + 2] += start[minor + 1];
        }
        indices.resize(self.indices.len(), 0);
        values.resize(self.values.len(), 0.0);
        for major in 0..self.len() {
            for (minor, value) in self.iter(major) {
                // One place on: the starts are shifted until all is placed.
                let at = start[minor + 1];
                start[minor + 1] += 1;
                indices[at] = index(major);
                values[at] = value;
            }
        }
        start.pop();
    }

    /// Without vectors; keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.start.truncate(1);
        self.indices.clear();
        self.values.clear();
    }
}
