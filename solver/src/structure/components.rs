//! Independent parts: columns and rows that no entry links.
//!
//! Two columns belong together if a row has both; the parts are the classes of
//! the transitive closure, found by union and find over the rows.
//!
//! Source: G. Gamrath, T. Koch, A. Martin, M. Miltenberger, D. Weninger 2015,
//! "Progress in presolving for mixed integer programming", section 5.

use crate::mip::Mip;
use crate::sparse::{Index, Matrix, index};
use crate::work::Budget;

/// A part of a problem that can be solved on its own.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    /// The part; its offset is 0.
    pub(crate) mip: Mip,
    /// By column of the part: the column of the whole, ascending.
    pub(crate) columns: Vec<Index>,
    /// By row of the part: the row of the whole, ascending.
    pub(crate) rows: Vec<Index>,
}

impl Component {
    /// The part of `x`, a point of the whole.
    pub(crate) fn part_of(&self, x: &[f64]) -> Vec<f64> {
        self.columns.iter().map(|&j| x[j as usize]).collect()
    }
}

/// The parts of `mip` in the order of their first columns; columns that are in
/// no row make up one part. None where all is one part.
pub(crate) fn components(mip: &Mip, budget: &mut Budget) -> Vec<Component> {
    let n = mip.columns();
    let mut parent: Vec<Index> = (0..n).map(index).collect();
    let mut loose: Option<Index> = None;
    budget.spend_entries(mip.by_row.nonzeros() + n + mip.rows());
    for i in 0..mip.rows() {
        if let Some((&first, rest)) = mip.by_row.get(i).0.split_first() {
            for &j in rest {
                join(&mut parent, first, j);
            }
        }
    }
    for j in (0..n).filter(|&j| mip.by_column.count(j) == 0) {
        let first = *loose.get_or_insert(index(j));
        join(&mut parent, first, index(j));
    }
    // Number the parts by their first columns.
    let mut part_of = vec![Index::MAX; n];
    let mut at = vec![0; n];
    let mut parts: Vec<(Vec<Index>, Vec<Index>)> = Vec::new();
    for j in 0..n {
        let root = find(&mut parent, index(j)) as usize;
        if part_of[root] == Index::MAX {
            part_of[root] = index(parts.len());
            parts.push((Vec::new(), Vec::new()));
        }
        part_of[j] = part_of[root];
        let (columns, _) = &mut parts[part_of[j] as usize];
        at[j] = index(columns.len());
        columns.push(index(j));
    }
    if parts.len() < 2 {
        return Vec::new();
    }
    for i in 0..mip.rows() {
        // A row without entries is presolve's to judge; here it goes along
        // with the first part.
        let part = mip
            .by_row
            .get(i)
            .0
            .first()
            .map_or(0, |&j| part_of[j as usize]);
        parts[part as usize].1.push(index(i));
    }
    budget.spend_entries(2 * mip.by_row.nonzeros() + n + mip.rows());
    parts
        .into_iter()
        .map(|(columns, rows)| Component {
            mip: part(mip, &columns, &rows, &at),
            columns,
            rows,
        })
        .collect()
}

/// Puts the sets of `a` and `b` together; the smaller root leads.
fn join(parent: &mut [Index], a: Index, b: Index) {
    let (a, b) = (find(parent, a), find(parent, b));
    parent[a.max(b) as usize] = a.min(b);
}

/// The root of `j`, paths halved on the way.
fn find(parent: &mut [Index], mut j: Index) -> Index {
    while parent[j as usize] != j {
        parent[j as usize] = parent[parent[j as usize] as usize];
        j = parent[j as usize];
    }
    j
}

fn part(mip: &Mip, columns: &[Index], rows: &[Index], at: &[Index]) -> Mip {
    let by = |values: &[f64], which: &[Index]| which.iter().map(|&k| values[k as usize]).collect();
    let mut by_row = Matrix::default();
    for &i in rows {
        by_row.push(mip.by_row.iter(i as usize).map(|(j, a)| (at[j], a)));
    }
    Mip {
        offset: 0.0,
        cost: by(&mip.cost, columns),
        lower: by(&mip.lower, columns),
        upper: by(&mip.upper, columns),
        integer: columns.iter().map(|&j| mip.integer[j as usize]).collect(),
        row_lower: by(&mip.row_lower, rows),
        row_upper: by(&mip.row_upper, rows),
        by_column: by_row.transpose(columns.len()),
        by_row,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binaries(columns: u32) -> Mip {
        let mut mip = Mip::default();
        for j in 0..columns {
            mip.cost.push(f64::from(j));
            mip.lower.push(0.0);
            mip.upper.push(1.0);
            mip.integer.push(true);
        }
        mip
    }

    #[test]
    fn two_parts_and_loose_columns() {
        // Rows: x0 + x3, x1 - x4, x3 + 2 x5; x2 and x6 alone.
        let mut mip = binaries(7);
        mip.push_row([(0, 1.0), (3, 1.0)], 0.0, 1.0);
        mip.push_row([(1, 1.0), (4, -1.0)], 0.0, 1.5);
        mip.push_row([(3, 1.0), (5, 2.0)], 0.0, 2.0);
        mip.finish();
        let parts = components(&mip, &mut Budget::unlimited());
        let columns: Vec<&[Index]> = parts.iter().map(|part| &part.columns[..]).collect();
        assert_eq!(columns, [&[0, 3, 5][..], &[1, 4], &[2, 6]]);
        assert_eq!(parts[0].mip.by_row.get(1), (&[1, 2][..], &[1.0, 2.0][..]));
        assert_eq!(parts[0].mip.row_upper, [1.0, 2.0]);
        assert_eq!(parts[1].mip.cost, [1.0, 4.0]);
        assert_eq!(parts[1].mip.row_upper, [1.5]);
        assert_eq!(parts[2].mip.rows(), 0);
        assert_eq!(
            parts[1].part_of(&[0.0, 7.0, 0.0, 0.0, 8.0, 0.0, 0.0]),
            [7.0, 8.0]
        );
    }

    #[test]
    fn one_part_is_not_split() {
        let mut mip = binaries(3);
        mip.push_row([(0, 1.0), (2, 1.0)], 0.0, 1.0);
        mip.push_row([(2, 1.0), (1, 1.0)], 0.0, 1.0);
        mip.finish();
        assert!(components(&mip, &mut Budget::unlimited()).is_empty());
        assert!(components(&binaries(0), &mut Budget::unlimited()).is_empty());
    }
}
