//! A sparse matrix held by its major vectors (rows or columns).

/// Index of a row or column inside the solver. Half the memory of a `usize`
/// where most of the memory is indices.
pub(crate) type Index = u32;

/// `index` as an [`Index`].
///
/// # Panics
/// Beyond `u32::MAX`, which no model that fits in memory reaches.
#[expect(clippy::expect_used, reason = "a model of 2^32 rows is out of reach")]
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
    pub(crate) fn get(&self, major: usize) -> (&[Index], &[f64]) {
        let range = self.start[major]..self.start[major + 1];
        (&self.indices[range.clone()], &self.values[range])
    }

    /// Entries of vector `major`.
    pub(crate) fn iter(&self, major: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let (indices, values) = self.get(major);
        indices
            .iter()
            .map(|&i| i as usize)
            .zip(values.iter().copied())
    }

    /// Number of entries of vector `major`.
    pub(crate) fn count(&self, major: usize) -> usize {
        self.start[major + 1] - self.start[major]
    }

    /// The same entries by minor index, of which there are `minors`. Within
    /// each vector of the result, indices ascend.
    pub(crate) fn transpose(&self, minors: usize) -> Self {
        let mut start = vec![0_usize; minors + 1];
        for &minor in &self.indices {
            start[minor as usize + 1] += 1;
        }
        for minor in 0..minors {
            start[minor + 1] += start[minor];
        }
        let mut next = start.clone();
        let mut indices = vec![0; self.indices.len()];
        let mut values = vec![0.0; self.values.len()];
        for major in 0..self.len() {
            for (minor, value) in self.iter(major) {
                let at = next[minor];
                next[minor] += 1;
                indices[at] = index(major);
                values[at] = value;
            }
        }
        Self {
            start,
            indices,
            values,
        }
    }
}
