//! A model under construction: integer columns and rows in exact integers.

use branchcut::{Column, Model, Row, Sense};

/// Terms of a row: column and coefficient; a column may occur more than once.
pub(super) type Terms = Vec<(usize, i64)>;

/// Integer columns and rows, minimized. Costs and coefficients stay exact
/// until [`Draft::finish`].
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// Constant of the objective.
    pub(super) constant: i64,
    columns: Vec<DraftColumn>,
    rows: Vec<(Option<i64>, Option<i64>, Terms)>,
}

#[derive(Clone, Copy, Debug)]
struct DraftColumn {
    letter: char,
    cost: i64,
    lower: i64,
    upper: i64,
}

impl Draft {
    /// Adds an integer column; its index.
    pub(super) fn column(&mut self, letter: char, cost: i64, lower: i64, upper: i64) -> usize {
        self.columns.push(DraftColumn {
            letter,
            cost,
            lower,
            upper,
        });
        self.columns.len() - 1
    }

    /// Narrows a column's bounds.
    pub(super) fn narrow(&mut self, column: usize, lower: i64, upper: i64) {
        let column = &mut self.columns[column];
        column.lower = column.lower.max(lower);
        column.upper = column.upper.min(upper);
    }

    /// Adds to a column's cost.
    pub(super) fn charge(&mut self, column: usize, cost: i64) {
        self.columns[column].cost += cost;
    }

    /// terms <= upper.
    pub(super) fn at_most(&mut self, terms: Terms, upper: i64) {
        self.rows.push((None, Some(upper), terms));
    }

    /// terms >= lower.
    pub(super) fn at_least(&mut self, terms: Terms, lower: i64) {
        self.rows.push((Some(lower), None, terms));
    }

    /// terms = value.
    pub(super) fn equal(&mut self, terms: Terms, value: i64) {
        self.rows.push((Some(value), Some(value), terms));
    }

    /// How many columns there are.
    pub(super) fn columns(&self) -> usize {
        self.columns.len()
    }

    /// The model with costs divided by their greatest common divisor, and that
    /// divisor: cost = constant + divisor x objective.
    pub(super) fn finish(self) -> (Model, i64) {
        let divisor = self
            .columns
            .iter()
            .fold(0, |g, column| gcd(g, column.cost.unsigned_abs()));
        let divisor = i64::try_from(divisor).unwrap_or(1).max(1);
        let mut model = Model::new(Sense::Minimize);
        // So that relative gaps are those of the cost.
        model.offset = self.constant as f64 / divisor as f64;
        for (index, column) in self.columns.iter().enumerate() {
            let column = Column {
                name: format!("{}{index}", column.letter),
                cost: (column.cost / divisor) as f64,
                lower: column.lower as f64,
                upper: column.upper as f64,
                integer: true,
            };
            // Costs are integers, so they are finite.
            let added = model.add_column(column);
            debug_assert!(added.is_ok(), "{added:?}");
        }
        for (lower, upper, terms) in self.rows {
            let row = Row {
                name: String::new(),
                lower: lower.map_or(f64::NEG_INFINITY, |side| side as f64),
                upper: upper.map_or(f64::INFINITY, |side| side as f64),
                coefficients: terms.into_iter().map(|(j, a)| (j, a as f64)).collect(),
            };
            // Coefficients are integers and the columns exist.
            let added = model.add_row(row);
            debug_assert!(added.is_ok(), "{added:?}");
        }
        (model, divisor)
    }
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
