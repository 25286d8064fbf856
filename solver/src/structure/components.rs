//! Independent parts: columns and rows that no entry links.
//!
//! Source: T. Achterberg, R. Bixby, Z. Gu, E. Rothberg, D. Weninger 2020,
//! "Presolve reductions in mixed integer programming", section 7.3.

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

/// The parts of `mip`, each with at least one row, in the order of their first
/// columns; and the columns that are in no row.
pub(crate) fn components(mip: &Mip, budget: &mut Budget) -> (Vec<Component>, Vec<Index>) {
    let n = mip.columns();
    let mut parent: Vec<Index> = (0..n).map(index).collect();
    budget.spend_entries(mip.by_row.nonzeros() + n + mip.rows());
    for i in 0..mip.rows() {
        let (columns, _) = mip.by_row.get(i);
        if let Some((&first, rest)) = columns.split_first() {
            let mut root = find(&mut parent, first);
            for &j in rest {
                let other = find(&mut parent, j);
                // The smaller index leads.
                parent[root.max(other) as usize] = root.min(other);
                root = root.min(other);
            }
        }
    }
    // Number the parts by their first columns.
    let mut part_of = vec![Index::MAX; n];
    let mut loose = Vec::new();
    let mut parts: Vec<(Vec<Index>, Vec<Index>)> = Vec::new();
    let mut at = vec![0; n];
    for j in 0..n {
        if mip.by_column.count(j) == 0 {
            loose.push(index(j));
            continue;
        }
        let root = find(&mut parent, index(j)) as usize;
        if part_of[root] == Index::MAX {
            part_of[root] = index(parts.len());
            parts.push((Vec::new(), Vec::new()));
        }
        let part = part_of[root];
        part_of[j] = part;
        at[j] = index(parts[part as usize].0.len());
        parts[part as usize].0.push(index(j));
    }
    for i in 0..mip.rows() {
        if let Some(&first) = mip.by_row.get(i).0.first() {
            parts[part_of[first as usize] as usize].1.push(index(i));
        }
    }
    let parts = parts
        .into_iter()
        .map(|(columns, rows)| Component {
            mip: part(mip, &columns, &rows, &at),
            columns,
            rows,
        })
        .collect();
    (parts, loose)
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

    #[test]
    fn two_parts_and_a_loose_column() {
        // Rows: x0 + x3, x1 - x4, x3 + 2 x5; x2 alone.
        let mut mip = Mip::default();
        for j in 0..6 {
            mip.cost.push(f64::from(j));
            mip.lower.push(0.0);
            mip.upper.push(1.0);
            mip.integer.push(true);
        }
        mip.push_row([(0, 1.0), (3, 1.0)], 0.0, 1.0);
        mip.push_row([(1, 1.0), (4, -1.0)], 0.0, 1.0);
        mip.push_row([(3, 1.0), (5, 2.0)], 0.0, 2.0);
        mip.finish();
        let (parts, loose) = components(&mip, &mut Budget::unlimited());
        assert_eq!(loose, [2]);
        assert_eq!(parts.len(), 2);
        assert_eq!(
            (&parts[0].columns[..], &parts[0].rows[..]),
            (&[0, 3, 5][..], &[0, 2][..])
        );
        assert_eq!(
            (&parts[1].columns[..], &parts[1].rows[..]),
            (&[1, 4][..], &[1][..])
        );
        assert_eq!(parts[0].mip.by_row.get(1), (&[1, 2][..], &[1.0, 2.0][..]));
        assert_eq!(parts[1].mip.cost, [1.0, 4.0]);
    }
}
