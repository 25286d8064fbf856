//! The rules in terms of counts per cell ([`super::super::rule_rows`] has those
//! between groups).
//!
//! ```text
//! apart on a core   containers that may meet nobody have no m; sets that are all
//!                   apart from each other count as one in the pairing of m
//! cores a socket    sum_{h in socket} (n - f) <= most
//! whole cores       sum of n - 2 f over cells with two threads a core <= 1
//! wide cells        see [`super::wide`]
//! ```

use super::super::cells::Cell;
use super::super::problem::Problem;
use super::super::rows::{Draft, Terms};
use super::super::rule_rows::{Present, group_rules};
use super::CellColumns;

/// Adds the rows; the columns z.
pub(super) fn rule_rows(
    problem: &Problem,
    cells: &[Cell],
    of_cell: &[CellColumns],
    draft: &mut Draft,
) -> Vec<Present> {
    let rules = &problem.rules;
    if rules.is_empty() {
        return Vec::new();
    }
    let present = group_rules(problem, draft, &|level, group, k| {
        let inside = cells.iter().zip(of_cell);
        inside
            .filter(|(cell, _)| cell.group[level] == group)
            .map(|(_, columns)| (columns.threads[k], 1))
            .collect()
    });
    for &(k, most) in &rules.socket_cores {
        for socket in 0..problem.sockets {
            let mut touched = Terms::new();
            for (_, columns) in cells
                .iter()
                .zip(of_cell)
                .filter(|(c, _)| c.socket == socket)
            {
                touched.extend(columns.touched(k, 1, true));
            }
            if !touched.is_empty() {
                draft.at_most(touched, most as i64);
            }
        }
    }
    for &k in &rules.whole {
        let mut lone = Terms::new();
        for (cell, columns) in cells.iter().zip(of_cell).filter(|(c, _)| c.width > 1) {
            if let Some(wide) = &columns.wide {
                lone.extend(wide.partly(k, columns.threads[k]));
                continue;
            }
            debug_assert_eq!(cell.width, 2);
            lone.push((columns.threads[k], 1));
            lone.extend(columns.whole[k].map(|f| (f, -2)));
        }
        if !lone.is_empty() {
            draft.at_most(lone, 1);
        }
    }
    present
}
