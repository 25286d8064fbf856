//! A model from columns, rows and triplets (row, column, coefficient), in any
//! order: the form that generators and other tools' sparse matrices have.

use crate::model::{Column, Model, ModelError, Row, Sense};

impl Column {
    /// A continuous column without a name.
    #[must_use]
    pub fn continuous(lower: f64, upper: f64, cost: f64) -> Self {
        Self {
            name: String::new(),
            cost,
            lower,
            upper,
            integer: false,
        }
    }

    /// An integer column without a name.
    #[must_use]
    pub fn integer(lower: f64, upper: f64, cost: f64) -> Self {
        Self {
            integer: true,
            ..Self::continuous(lower, upper, cost)
        }
    }

    /// A column that is 0 or 1, without a name.
    #[must_use]
    pub fn binary(cost: f64) -> Self {
        Self::integer(0.0, 1.0, cost)
    }

    /// The same column with that name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }
}

impl Row {
    /// `lower <= .. <= upper` without a name and still without coefficients.
    #[must_use]
    pub fn between(lower: f64, upper: f64) -> Self {
        Self {
            name: String::new(),
            lower,
            upper,
            coefficients: vec![],
        }
    }

    /// `.. <= upper`.
    #[must_use]
    pub fn at_most(upper: f64) -> Self {
        Self::between(f64::NEG_INFINITY, upper)
    }

    /// `.. >= lower`.
    #[must_use]
    pub fn at_least(lower: f64) -> Self {
        Self::between(lower, f64::INFINITY)
    }

    /// `.. = side`.
    #[must_use]
    pub fn equal(side: f64) -> Self {
        Self::between(side, side)
    }

    /// The same row with that name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }
}

impl Model {
    /// A model of these columns and rows, with a coefficient for each triplet
    /// `(row, column, value)`.
    ///
    /// The shape is that of `columns` and `rows`: a column or row that no
    /// triplet names is there all the same, empty. Triplets may come in any
    /// order; those of the same place are added up, together with what `rows`
    /// hold already, and sums of zero are dropped.
    ///
    /// ```
    /// use branchcut::{Column, Model, Options, Row, Sense, Status, solve};
    ///
    /// // max 5x + 4y,  6x + 4y <= 24,  x + 2y <= 6,  x and y whole
    /// let model = Model::from_triplets(
    ///     Sense::Maximize,
    ///     [
    ///         Column::integer(0.0, f64::INFINITY, 5.0).named("x"),
    ///         Column::integer(0.0, f64::INFINITY, 4.0).named("y"),
    ///     ],
    ///     [Row::at_most(24.0), Row::at_most(6.0)],
    ///     [(0, 0, 6.0), (0, 1, 4.0), (1, 0, 1.0), (1, 1, 2.0)],
    /// )?;
    /// let outcome = solve(&model, &Options::default());
    /// assert_eq!(outcome.status, Status::Optimal);
    /// assert_eq!(outcome.objective, Some(20.0));
    /// assert_eq!(outcome.point, Some(vec![4.0, 0.0]));
    /// # Ok::<(), branchcut::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// On a triplet whose row or column does not exist, and as
    /// [`Model::add_column`] and [`Model::add_row`].
    pub fn from_triplets(
        sense: Sense,
        columns: impl IntoIterator<Item = Column>,
        rows: impl IntoIterator<Item = Row>,
        triplets: impl IntoIterator<Item = (usize, usize, f64)>,
    ) -> Result<Self, ModelError> {
        let mut model = Self::new(sense);
        for column in columns {
            model.add_column(column)?;
        }
        let mut rows: Vec<Row> = rows.into_iter().collect();
        let count = rows.len();
        for (row, column, value) in triplets {
            let Some(row) = rows.get_mut(row) else {
                return Err(ModelError::NoSuchRow {
                    row,
                    column,
                    rows: count,
                });
            };
            row.coefficients.push((column, value));
        }
        for row in rows {
            model.add_row(row)?;
        }
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_by_three(triplets: &[(usize, usize, f64)]) -> Result<Model, ModelError> {
        Model::from_triplets(
            Sense::Minimize,
            (0..3).map(|_| Column::binary(1.0)),
            [Row::at_least(1.0), Row::equal(2.0).named("r")],
            triplets.iter().copied(),
        )
    }

    #[test]
    fn places_are_added_up_in_any_order() {
        let model = two_by_three(&[
            (1, 2, 4.0),
            (0, 1, 2.0),
            (1, 0, 3.0),
            (0, 1, 0.5),
            (0, 2, 1.0),
            (0, 2, -1.0),
        ])
        .unwrap();
        assert_eq!(model.columns().len(), 3);
        assert_eq!(model.rows()[0].coefficients, [(1, 2.5)]);
        assert_eq!(model.rows()[1].coefficients, [(0, 3.0), (2, 4.0)]);
        assert_eq!(model.rows()[1].name, "r");
        assert_eq!((model.rows()[0].lower, model.rows()[1].upper), (1.0, 2.0));
    }

    #[test]
    fn empty_rows_and_columns_stay() {
        let model = two_by_three(&[]).unwrap();
        assert_eq!((model.rows().len(), model.nonzeros()), (2, 0));
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let error = |triplet| two_by_three(&[triplet]).unwrap_err().to_string();
        assert_eq!(
            error((2, 0, 1.0)),
            "a coefficient of column 0 is in row 2, but there are 2 rows"
        );
        assert_eq!(
            error((1, 3, 1.0)),
            "row 'r' names column 3, but there are 3"
        );
        assert_eq!(
            error((1, 0, f64::NAN)),
            "row 'r': NaN is not a finite number"
        );
        let column = Column::continuous(0.0, 1.0, f64::INFINITY).named("x");
        assert_eq!(
            Model::from_triplets(Sense::Minimize, [column], [], [])
                .unwrap_err()
                .to_string(),
            "column 'x': inf is not a finite number"
        );
    }
}
