//! Makes a failing model smaller while it still fails.

use super::generate::Case;

/// A smaller case for which `fails` still holds.
pub(crate) fn shrink(case: &Case, fails: &dyn Fn(&Case) -> bool) -> Case {
    let mut best = case.clone();
    // Each try solves; a few hundred are enough.
    let mut tries = 600;
    loop {
        let mut progressed = false;
        let mut nth = 0;
        while let Some(smaller) = candidate(&best, nth) {
            nth += 1;
            if tries == 0 {
                return best;
            }
            if smaller == best {
                continue;
            }
            tries -= 1;
            if fails(&smaller) {
                best = smaller;
                progressed = true;
                // What is at this place now is new.
                nth -= 1;
            }
        }
        if !progressed {
            return best;
        }
    }
}

/// The `nth` way to make `case` smaller; none after the last.
fn candidate(case: &Case, mut nth: usize) -> Option<Case> {
    let mut small = case.clone();
    if nth < case.rows.len() {
        small.rows.remove(nth);
        return Some(small);
    }
    nth -= case.rows.len();
    if nth < case.columns.len() {
        small.drop_column(nth);
        return Some(small);
    }
    nth -= case.columns.len();
    if nth == 0 {
        small.offset = 0;
        return Some(small);
    }
    nth -= 1;
    if nth == 0 {
        for row in &mut small.rows {
            row.scale = 1.0;
        }
        for column in &mut small.columns {
            column.scale = 1.0;
        }
        return Some(small);
    }
    nth -= 1;
    // Entries out of the rows.
    for row in 0..case.rows.len() {
        let entries = case.rows[row].coefficients.len();
        if nth < entries {
            small.rows[row].coefficients.remove(nth);
            return Some(small);
        }
        nth -= entries;
    }
    // Sides that are not needed.
    if nth < 2 * case.rows.len() {
        let row = &mut small.rows[nth / 2];
        if nth.is_multiple_of(2) {
            row.lower = None;
        } else {
            row.upper = None;
        }
        return Some(small);
    }
    nth -= 2 * case.rows.len();
    // Costs and bounds.
    if nth < 3 * case.columns.len() {
        let column = &mut small.columns[nth / 3];
        match nth % 3 {
            0 => column.cost = 0,
            1 => column.cost = column.cost.signum(),
            _ => {
                if let (Some(lower), Some(upper)) = (column.lower, column.upper)
                    && upper > lower + 1
                {
                    column.upper = Some(lower + 1);
                }
            }
        }
        return Some(small);
    }
    nth -= 3 * case.columns.len();
    // Simpler coefficients.
    for row in 0..case.rows.len() {
        let entries = case.rows[row].coefficients.len();
        if nth < entries {
            let value = &mut small.rows[row].coefficients[nth].1;
            *value = value.signum();
            return Some(small);
        }
        nth -= entries;
    }
    None
}
