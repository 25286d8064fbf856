//! The problem as the caller wrote it; never changed after.
//!
//! minimize or maximize  offset + sum_j cost_j x_j
//! subject to            lower_i <= sum_j a_ij x_j <= upper_i   for each row i
//!                       lower_j <= x_j <= upper_j              for each column j
//!                       x_j integer                            for j marked integer
//!
//! A model is handed to a worker thread that may outlive the call that started
//! it (an engine that cannot be stopped in time is left behind), so columns
//! and rows are shared: cloning a model costs two reference counts, whatever
//! its size.

use std::sync::Arc;

/// Direction of the objective.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sense {
    /// Smaller is better.
    #[default]
    Minimize,
    /// Larger is better.
    Maximize,
}

/// A column (variable).
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name, unique where the file format needs it; may be empty.
    pub name: String,
    /// Objective coefficient.
    pub cost: f64,
    /// Lower bound; `-inf` for none.
    pub lower: f64,
    /// Upper bound; `+inf` for none.
    pub upper: f64,
    /// Whether only integral values are allowed.
    pub integer: bool,
}

/// A row (linear constraint) `lower <= sum coefficients <= upper`.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Name; may be empty.
    pub name: String,
    /// Lower side; `-inf` for none.
    pub lower: f64,
    /// Upper side; `+inf` for none.
    pub upper: f64,
    /// `(column index, coefficient)`, each column at most once, ascending.
    pub coefficients: Vec<(usize, f64)>,
}

/// A mixed integer program.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    /// Name of the problem.
    pub name: String,
    /// Direction of the objective.
    pub sense: Sense,
    /// Constant of the objective.
    pub offset: f64,
    columns: Arc<Vec<Column>>,
    rows: Arc<Vec<Row>>,
}

/// A column or row that cannot be part of a model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A coefficient or cost is NaN or infinite.
    #[error("{place} '{name}': {value} is not a finite number")]
    NotFinite {
        /// `row` or `column`.
        place: &'static str,
        /// Its name.
        name: String,
        /// The value.
        value: f64,
    },
    /// The constant of the objective is NaN or infinite.
    #[error("the objective's constant {0} is not a finite number")]
    BadOffset(f64),
    /// A bound is NaN.
    #[error("{place} '{name}': a bound is not a number")]
    BadBound {
        /// `row` or `column`.
        place: &'static str,
        /// Its name.
        name: String,
    },
    /// A triplet names a row that does not exist.
    #[error("a coefficient of column {column} is in row {row}, but there are {rows} rows")]
    NoSuchRow {
        /// The row index.
        row: usize,
        /// The column index.
        column: usize,
        /// How many rows there are.
        rows: usize,
    },
    /// A row names a column that does not exist.
    #[error("row '{row}' names column {column}, but there are {columns}")]
    NoSuchColumn {
        /// The row.
        row: String,
        /// The column index.
        column: usize,
        /// How many columns there are.
        columns: usize,
    },
}

impl Model {
    /// An empty model.
    #[must_use]
    pub fn new(sense: Sense) -> Self {
        Self {
            sense,
            ..Self::default()
        }
    }

    /// Adds a column; its index.
    ///
    /// # Errors
    /// On a cost that is not finite or a bound that is NaN. Crossed bounds are
    /// allowed: the model is then infeasible.
    pub fn add_column(&mut self, column: Column) -> Result<usize, ModelError> {
        if !column.cost.is_finite() {
            return Err(ModelError::NotFinite {
                place: "column",
                name: column.name,
                value: column.cost,
            });
        }
        if column.lower.is_nan() || column.upper.is_nan() {
            return Err(ModelError::BadBound {
                place: "column",
                name: column.name,
            });
        }
        Arc::make_mut(&mut self.columns).push(column);
        Ok(self.columns.len() - 1)
    }

    /// Adds a row; its index. Entries of one column are added up, zeros are
    /// dropped.
    ///
    /// # Errors
    /// On a coefficient that is not finite, a side that is NaN, or a column
    /// that does not exist.
    pub fn add_row(&mut self, mut row: Row) -> Result<usize, ModelError> {
        if row.lower.is_nan() || row.upper.is_nan() {
            return Err(ModelError::BadBound {
                place: "row",
                name: row.name,
            });
        }
        row.coefficients.sort_by_key(|&(column, _)| column);
        row.coefficients.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        row.coefficients.retain(|&(_, value)| value != 0.0);
        for &(column, value) in &row.coefficients {
            if !value.is_finite() {
                return Err(ModelError::NotFinite {
                    place: "row",
                    name: row.name,
                    value,
                });
            }
            if column >= self.columns.len() {
                return Err(ModelError::NoSuchColumn {
                    row: row.name,
                    column,
                    columns: self.columns.len(),
                });
            }
        }
        Arc::make_mut(&mut self.rows).push(row);
        Ok(self.rows.len() - 1)
    }

    /// The columns, by index.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The rows, by index.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Number of coefficients in the rows.
    #[must_use]
    pub fn nonzeros(&self) -> usize {
        self.rows.iter().map(|row| row.coefficients.len()).sum()
    }

    /// Number of columns marked integer.
    #[must_use]
    pub fn integers(&self) -> usize {
        self.columns.iter().filter(|column| column.integer).count()
    }

    /// The objective at `point` (`point[j]`: value of column j), with offset.
    /// Columns that `point` lacks count as zero.
    #[must_use]
    pub fn objective(&self, point: &[f64]) -> f64 {
        self.offset
            + self
                .columns
                .iter()
                .zip(point)
                .map(|(c, x)| c.cost * x)
                .sum::<f64>()
    }
}
