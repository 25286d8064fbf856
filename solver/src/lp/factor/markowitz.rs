//! Sparse LU factorisation: singletons first, then Markowitz pivoting with
//! threshold partial pivoting.
//!
//! A pivot (row r, position p) costs at most (row count - 1)(column count - 1)
//! entries of fill (H. Markowitz 1957); among entries of at least
//! [`Factor::threshold`] times the largest of their active column, one of small
//! cost is taken, found by looking at a few of the shortest rows and columns
//! (U. Suhl and L. Suhl 1990, "Computing sparse LU factorizations for
//! large-scale linear programming bases"). Singletons cost nothing, so in a
//! typical basis most of the matrix is only permuted.
//!
//! The active submatrix is kept by columns with values, and by rows as a
//! pattern. Step k with pivot (r, p) and multipliers l_i = a_ip / a_rp:
//!
//! ```text
//! L line r: (i, l_i);   U column r: what earlier pivots left of column p;   diagonal a_rp
//! a_ij -= l_i a_rj  for each active column j of row r, whose a_rj becomes U's
//! ```

use std::sync::Arc;

use super::triangular::NONE;
use super::{BasisColumns, Factor, Factored};
use crate::sparse::{Index, Matrix, index};
use crate::work::Budget;

/// Absolute: entries below this are round-off of the elimination.
const DROP: f64 = 1e-14;

/// Absolute: a column whose largest entry is below this has no pivot.
const SINGULAR: f64 = 1e-10;

/// Lines looked at for a pivot beyond the first acceptable one.
const LOOKS: usize = 4;

/// Doubly linked lists of lines by their number of active entries.
#[derive(Clone, Debug, Default)]
struct Counts {
    head: Vec<Index>,
    next: Vec<Index>,
    previous: Vec<Index>,
    count: Vec<Index>,
}

impl Counts {
    fn reset(&mut self, lines: usize, longest: usize) {
        self.head.clear();
        self.head.resize(longest + 1, NONE);
        self.next.clear();
        self.next.resize(lines, NONE);
        self.previous.clear();
        self.previous.resize(lines, NONE);
        self.count.clear();
        self.count.resize(lines, NONE);
    }

    fn insert(&mut self, line: usize, count: usize) {
        let head = self.head[count];
        self.next[line] = head;
        self.previous[line] = NONE;
        if head != NONE {
            self.previous[head as usize] = index(line);
        }
        self.head[count] = index(line);
        self.count[line] = index(count);
    }

    fn remove(&mut self, line: usize) {
        let count = self.count[line];
        if count == NONE {
            return;
        }
        let (next, previous) = (self.next[line], self.previous[line]);
        if previous == NONE {
            self.head[count as usize] = next;
        } else {
            self.next[previous as usize] = next;
        }
        if next != NONE {
            self.previous[next as usize] = previous;
        }
        self.count[line] = NONE;
    }

    fn change(&mut self, line: usize, count: usize) {
        if self.count[line] != index(count) {
            self.remove(line);
            self.insert(line, count);
        }
    }
}

/// Singletons smaller than this times their column's largest active entry wait
/// for the threshold test.
const SINGLETON: f64 = 1e-3;

/// A line with one active entry.
#[derive(Clone, Copy, Debug)]
enum Line {
    Column(Index),
    Row(Index),
}

/// The whole matrix, and how much of it is active.
#[derive(Clone, Debug, Default)]
struct Singletons {
    /// By position, and the pattern by row.
    entries: Matrix,
    pattern: Matrix,
    column_count: Vec<u32>,
    row_count: Vec<u32>,
    queue: Vec<Line>,
}

impl Singletons {
    /// Loads the matrix, or a part of it where the budget is over.
    fn load(&mut self, m: usize, columns: &dyn BasisColumns, budget: &mut Budget) {
        self.entries.clear();
        self.row_count.clear();
        self.row_count.resize(m, 0);
        self.column_count.clear();
        self.queue.clear();
        let mut column = Vec::new();
        for position in 0..m {
            column.clear();
            columns.column(position, &mut |row, value| {
                if value.abs() > DROP {
                    column.push((index(row), value));
                    self.row_count[row] += 1;
                }
            });
            budget.spend_entries(column.len());
            if budget.is_over() {
                return;
            }
            self.column_count.push(index(column.len()));
            self.entries.push(column.iter().copied());
        }
        self.entries.transpose_into(m, &mut self.pattern);
        for line in 0..m {
            if self.row_count[line] == 1 {
                self.queue.push(Line::Row(index(line)));
            }
        }
        for line in 0..m {
            if self.column_count[line] == 1 {
                self.queue.push(Line::Column(index(line)));
            }
        }
    }
}

/// What a factorisation needs beyond its result; kept to spare allocations. A
/// copy starts empty: it has nothing to keep.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    singletons: Singletons,
    /// Active entries by position.
    columns: Vec<Vec<(Index, f64)>>,
    /// Active positions by row; may list a position whose entry was dropped.
    rows: Vec<Vec<Index>>,
    /// U entries by position.
    upper: Vec<Vec<(Index, f64)>>,
    largest: Vec<f64>,
    by_column: Counts,
    by_row: Counts,
    /// Multipliers by row.
    multiplier: Vec<f64>,
    marked: Vec<bool>,
    pivot_columns: Vec<(Index, f64)>,
}

impl Clone for Scratch {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Scratch {
    fn reset(&mut self, m: usize) {
        for lines in [&mut self.columns, &mut self.upper] {
            lines.resize_with(m, Vec::new);
            for line in lines.iter_mut() {
                line.clear();
            }
        }
        self.rows.resize_with(m, Vec::new);
        for row in &mut self.rows {
            row.clear();
        }
        self.largest.clear();
        self.largest.resize(m, 0.0);
        self.multiplier.clear();
        self.multiplier.resize(m, 0.0);
        self.marked.clear();
        self.marked.resize(m, false);
        self.by_column.reset(m, m);
        self.by_row.reset(m, m);
    }

    fn measure(&mut self, position: usize) {
        self.largest[position] = self.columns[position]
            .iter()
            .fold(0.0, |largest, &(_, a)| largest.max(a.abs()));
    }
}

impl Factor {
    /// Factorises the basis matrix. On `Singular` the factor is not usable:
    /// replace the columns named and factorise again.
    pub(crate) fn factorize(
        &mut self,
        columns: &dyn BasisColumns,
        budget: &mut Budget,
    ) -> Factored {
        let m = self.m;
        let mut scratch = std::mem::take(&mut self.scratch);
        self.begin();
        scratch.singletons.load(m, columns, budget);
        let pivots = self.take_singletons(&mut scratch.singletons, budget);
        let mut result = Factored::Ok;
        if budget.is_over() {
            result = Factored::Stopped;
        } else if pivots < m {
            self.load_nucleus(&mut scratch);
            result = self.eliminate(&mut scratch, m - pivots, budget);
        }
        if result == Factored::Ok {
            self.finish();
        }
        self.scratch = scratch;
        result
    }

    /// Pivots on columns and rows with one active entry, while there are any.
    /// Their elimination changes no value, so the matrix stays as it is and
    /// only counts move. Number of pivots.
    fn take_singletons(&mut self, s: &mut Singletons, budget: &mut Budget) -> usize {
        let mut pivots = 0;
        while let Some(line) = s.queue.pop() {
            if budget.is_over() {
                break;
            }
            // The pivot's row and position.
            let (row, position) = match line {
                Line::Column(position) => {
                    let position = position as usize;
                    if self.row_of[position] != NONE || s.column_count[position] != 1 {
                        continue;
                    }
                    let active = |&&i: &&Index| self.position_of[i as usize] == NONE;
                    let Some(&row) = s.entries.get(position).0.iter().find(active) else {
                        continue;
                    };
                    (row as usize, position)
                }
                Line::Row(row) => {
                    let row = row as usize;
                    if self.position_of[row] != NONE || s.row_count[row] != 1 {
                        continue;
                    }
                    let active = |&&p: &&Index| self.row_of[p as usize] == NONE;
                    let Some(&position) = s.pattern.get(row).0.iter().find(active) else {
                        continue;
                    };
                    (row, position as usize)
                }
            };
            let pivot = s
                .entries
                .iter(position)
                .find(|&(i, _)| i == row)
                .map_or(0.0, |(_, a)| a);
            let largest = s
                .entries
                .iter(position)
                .filter(|&(i, _)| self.position_of[i] == NONE)
                .fold(0.0_f64, |largest, (_, a)| largest.max(a.abs()));
            if pivot.abs() < SINGULAR.max(SINGLETON * largest) {
                continue;
            }
            pivots += 1;
            budget.spend_entries(4 * s.entries.count(position) + s.pattern.count(row));
            self.position_of[row] = index(position);
            self.row_of[position] = index(row);
            self.order.push(index(row));
            self.diagonal[row] = pivot;
            let position_of = &self.position_of;
            let is_above = |i: usize| position_of[i] != NONE && i != row;
            self.upper_columns.set(
                row,
                s.entries
                    .iter(position)
                    .filter(|&(i, _)| is_above(i))
                    .map(|(i, a)| (index(i), a)),
            );
            if s.column_count[position] > 1 {
                let lower = Arc::make_mut(&mut self.lower);
                lower.columns.set(
                    row,
                    s.entries
                        .iter(position)
                        .filter(|&(i, _)| position_of[i] == NONE)
                        .map(|(i, a)| (index(i), a / pivot)),
                );
                lower.order.push(index(row));
            }
            for (i, _) in s.entries.iter(position) {
                if self.position_of[i] == NONE {
                    s.row_count[i] -= 1;
                    if s.row_count[i] == 1 {
                        s.queue.push(Line::Row(index(i)));
                    }
                }
            }
            for &other in s.pattern.get(row).0 {
                let p = other as usize;
                if self.row_of[p] == NONE {
                    s.column_count[p] -= 1;
                    if s.column_count[p] == 1 {
                        s.queue.push(Line::Column(other));
                    }
                }
            }
        }
        pivots
    }

    /// What the singletons left, as the active submatrix.
    fn load_nucleus(&self, scratch: &mut Scratch) {
        let m = self.m;
        scratch.reset(m);
        for position in (0..m).filter(|&p| self.row_of[p] == NONE) {
            for (i, a) in scratch.singletons.entries.iter(position) {
                if self.position_of[i] == NONE {
                    scratch.columns[position].push((index(i), a));
                    scratch.rows[i].push(index(position));
                } else {
                    scratch.upper[position].push((index(i), a));
                }
            }
            scratch.measure(position);
        }
        for line in 0..m {
            if self.row_of[line] == NONE {
                let count = scratch.columns[line].len();
                scratch.by_column.insert(line, count);
            }
            if self.position_of[line] == NONE {
                let count = scratch.rows[line].len();
                scratch.by_row.insert(line, count);
            }
        }
    }

    /// Markowitz pivots on the nucleus, of which there must be `left`.
    fn eliminate(&mut self, s: &mut Scratch, mut left: usize, budget: &mut Budget) -> Factored {
        let m = self.m;
        while left > 0 {
            let Some((row, position)) = find_pivot(s, self.threshold) else {
                break;
            };
            let touched = self.pivot(s, row, position);
            budget.spend(touched as u64);
            if budget.is_over() {
                return Factored::Stopped;
            }
            left -= 1;
        }
        if left == 0 {
            return Factored::Ok;
        }
        let rows = (0..m).filter(|&row| self.position_of[row] == NONE);
        let positions = (0..m).filter(|&position| self.row_of[position] == NONE);
        Factored::Singular {
            replacements: positions.zip(rows).collect(),
        }
    }

    /// Eliminates with the entry at (row, position). Entries touched.
    fn pivot(&mut self, s: &mut Scratch, row: usize, position: usize) -> usize {
        let mut touched = 1;
        let mut column = std::mem::take(&mut s.columns[position]);
        let Some(at) = column.iter().position(|&(i, _)| i as usize == row) else {
            unreachable!("the pivot is an entry of its column");
        };
        let pivot = column.swap_remove(at).1;
        self.row_of[position] = index(row);
        self.position_of[row] = index(position);
        self.order.push(index(row));
        self.diagonal[row] = pivot;
        self.upper_columns
            .set(row, s.upper[position].iter().copied());
        s.by_column.remove(position);
        s.by_row.remove(row);
        // Row r leaves the active columns; its entries there are U's.
        let mut pattern = std::mem::take(&mut s.rows[row]);
        s.pivot_columns.clear();
        for &j in &pattern {
            let j = j as usize;
            if j == position {
                continue;
            }
            let other = &mut s.columns[j];
            touched += other.len();
            if let Some(at) = other.iter().position(|&(i, _)| i as usize == row) {
                let value = other.swap_remove(at).1;
                s.upper[j].push((index(row), value));
                s.pivot_columns.push((index(j), value));
            }
        }
        pattern.clear();
        s.rows[row] = pattern;
        // Column p leaves the active rows.
        for (i, value) in &mut column {
            let i = *i as usize;
            *value /= pivot;
            s.multiplier[i] = *value;
            touched += s.rows[i].len();
            if let Some(at) = s.rows[i].iter().position(|&j| j as usize == position) {
                s.rows[i].swap_remove(at);
            }
        }
        if !column.is_empty() {
            let lower = Arc::make_mut(&mut self.lower);
            lower.columns.set(row, column.iter().copied());
            lower.order.push(index(row));
            let pivot_columns = std::mem::take(&mut s.pivot_columns);
            for &(j, value) in &pivot_columns {
                touched += subtract(s, j as usize, value, &column);
            }
            s.pivot_columns = pivot_columns;
        }
        for at in 0..s.pivot_columns.len() {
            let j = s.pivot_columns[at].0 as usize;
            s.measure(j);
            let count = s.columns[j].len();
            touched += count;
            s.by_column.change(j, count);
        }
        for &(i, _) in &column {
            let i = i as usize;
            s.multiplier[i] = 0.0;
            let count = s.rows[i].len();
            s.by_row.change(i, count);
        }
        column.clear();
        s.columns[position] = column;
        touched
    }
}

/// Column j -= value * multipliers, with its fill. Entries touched.
fn subtract(s: &mut Scratch, j: usize, value: f64, multipliers: &[(Index, f64)]) -> usize {
    let mut column = std::mem::take(&mut s.columns[j]);
    let mut kept = 0;
    for at in 0..column.len() {
        let (i, mut a) = column[at];
        let row = i as usize;
        let multiplier = s.multiplier[row];
        if multiplier != 0.0 {
            a -= multiplier * value;
            s.marked[row] = true;
            if a.abs() <= DROP {
                if let Some(at) = s.rows[row].iter().position(|&p| p as usize == j) {
                    s.rows[row].swap_remove(at);
                }
                continue;
            }
        }
        column[kept] = (i, a);
        kept += 1;
    }
    let touched = column.len() + multipliers.len();
    column.truncate(kept);
    for &(i, multiplier) in multipliers {
        let row = i as usize;
        if s.marked[row] {
            s.marked[row] = false;
            continue;
        }
        let a = -multiplier * value;
        if a.abs() > DROP {
            column.push((i, a));
            s.rows[row].push(index(j));
        }
    }
    s.columns[j] = column;
    touched
}

/// A pivot (row, position) of small Markowitz cost; none where every active
/// column is zero.
fn find_pivot(s: &mut Scratch, threshold: f64) -> Option<(usize, usize)> {
    // Singletons: no fill. A column singleton needs no stability test beyond
    // not being zero.
    while s.by_column.head[1] != NONE {
        let position = s.by_column.head[1] as usize;
        if s.largest[position] >= SINGULAR {
            return Some((s.columns[position][0].0 as usize, position));
        }
        s.by_column.remove(position);
    }
    let mut best: Option<(u64, f64, usize, usize)> = None;
    let mut looks = 0;
    let longest = s.by_column.head.len() - 1;
    for count in 1..=longest {
        if let Some((cost, ..)) = best
            && cost <= ((count - 1) * (count - 1)) as u64
        {
            break;
        }
        let mut line = s.by_row.head[count];
        while line != NONE {
            let row = line as usize;
            line = s.by_row.next[row];
            let mut found = false;
            for &position in &s.rows[row] {
                let position = position as usize;
                if s.by_column.count[position] == NONE || s.largest[position] < SINGULAR {
                    continue;
                }
                let column = &s.columns[position];
                let cost = ((count - 1) * (column.len() - 1)) as u64;
                if best.is_some_and(|(least, ..)| cost > least) {
                    continue;
                }
                let value = column
                    .iter()
                    .find(|&&(i, _)| i as usize == row)
                    .map_or(0.0, |&(_, a)| a.abs());
                if value >= threshold * s.largest[position] {
                    found = true;
                    let is_better = best.is_none_or(|(least, size, ..)| {
                        cost < least || (cost == least && value > size)
                    });
                    if is_better {
                        best = Some((cost, value, row, position));
                    }
                }
            }
            if found {
                looks += 1;
                if count == 1 || looks >= LOOKS {
                    return best.map(|(_, _, row, position)| (row, position));
                }
            }
        }
        let mut line = s.by_column.head[count];
        while line != NONE {
            let position = line as usize;
            line = s.by_column.next[position];
            if s.largest[position] < SINGULAR {
                s.by_column.remove(position);
                continue;
            }
            for &(i, a) in &s.columns[position] {
                if a.abs() < threshold * s.largest[position] {
                    continue;
                }
                let rows = s.rows[i as usize].len();
                let cost = ((count - 1) * rows.saturating_sub(1)) as u64;
                let is_better = best.is_none_or(|(least, size, ..)| {
                    cost < least || (cost == least && a.abs() > size)
                });
                if is_better {
                    best = Some((cost, a.abs(), i as usize, position));
                }
            }
            looks += 1;
            if looks >= LOOKS && best.is_some() {
                return best.map(|(_, _, row, position)| (row, position));
            }
        }
    }
    best.map(|(_, _, row, position)| (row, position))
}
