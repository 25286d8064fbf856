//! Sets that are merged, and the orbits they end as.

use crate::sparse::{Index, index};

/// Disjoint sets of indices (union-find), each named by its least member.
#[derive(Clone, Debug)]
pub(super) struct Sets {
    parent: Vec<Index>,
}

impl Sets {
    pub(super) fn new(size: usize) -> Self {
        Self {
            parent: (0..index(size)).collect(),
        }
    }

    pub(super) fn find(&mut self, v: Index) -> Index {
        let mut root = v;
        while self.parent[root as usize] != root {
            root = self.parent[root as usize];
        }
        let mut at = v;
        while self.parent[at as usize] != root {
            at = std::mem::replace(&mut self.parent[at as usize], root);
        }
        root
    }

    pub(super) fn join(&mut self, a: Index, b: Index) {
        let (a, b) = (self.find(a), self.find(b));
        self.parent[a.max(b) as usize] = a.min(b);
    }

    /// The sets of more than one member, members ascending.
    pub(super) fn into_orbits(mut self) -> Orbits {
        let mut keyed: Vec<(Index, Index)> = (0..index(self.parent.len()))
            .map(|v| (self.find(v), v))
            .collect();
        keyed.sort_unstable();
        let mut orbits = Orbits::default();
        for orbit in keyed.chunk_by(|a, b| a.0 == b.0) {
            if orbit.len() > 1 {
                orbits.start.push(orbits.members.len());
                orbits.members.extend(orbit.iter().map(|&(_, v)| v));
            }
        }
        orbits
    }
}

/// Orbits of a group on the columns, those of one column left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orbits {
    start: Vec<usize>,
    members: Vec<Index>,
}

impl Orbits {
    /// Columns of each orbit.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[Index]> {
        let ends = self.start.iter().skip(1).copied();
        let ends = ends.chain([self.members.len()]);
        self.start
            .iter()
            .zip(ends)
            .map(|(&start, end)| &self.members[start..end])
    }

    /// Columns in all orbits.
    pub(crate) fn columns(&self) -> usize {
        self.members.len()
    }

    /// Gives the members other names.
    pub(super) fn rename(mut self, name: &[Index]) -> Self {
        for member in &mut self.members {
            *member = name[*member as usize];
        }
        self
    }
}
