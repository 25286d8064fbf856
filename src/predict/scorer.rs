//! A model applied to rows of the features.
//!
//! Columns are found by name, so that a model trained elsewhere on some of the
//! features, in any order, can be used; a column that is no feature here is an error.

use std::collections::BTreeMap;

use super::dataset::code_value;
use super::features::{CATEGORIES, COUNT, FEATURES, HOUR_MAX, Kind};
use super::forest;
use super::model::{Model, Target};

/// Least scale of the scale-free variant, in the unit of the rows (percent).
const LEAST_SCALE: f64 = 0.1;

/// A column that is no feature, or not of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the model's column {column} is {reason}")]
pub struct ColumnError {
    /// Its name.
    pub column: String,
    /// What is wrong.
    pub reason: &'static str,
}

/// A model with its columns found; see the module's documentation.
#[derive(Clone, Debug)]
pub struct Scorer {
    model: Model,
    /// Feature of each column.
    places: Vec<usize>,
    /// Codes of the four categories' names.
    codes: [BTreeMap<String, u32>; 4],
}

impl Scorer {
    /// Finds the model's columns.
    ///
    /// # Errors
    /// If one is not a feature, or numeric where that is a category.
    pub fn new(model: Model) -> Result<Self, ColumnError> {
        let mut places = Vec::new();
        let mut codes: [BTreeMap<String, u32>; 4] = Default::default();
        for column in model.columns() {
            let error = |reason| ColumnError {
                column: column.name.clone(),
                reason,
            };
            let place = FEATURES.iter().position(|f| f.name == column.name);
            let place = place.ok_or_else(|| error("not a feature of this release"))?;
            match (&column.kind, FEATURES[place].kind) {
                (forest::Kind::Categorical { levels }, Kind::Category) => {
                    codes[place - CATEGORIES] = levels.iter().cloned().zip(0..).collect();
                }
                (forest::Kind::Numeric { .. }, Kind::Level | Kind::Plain) => {}
                (forest::Kind::Numeric { .. }, Kind::Category) => {
                    return Err(error("numeric, a category is expected"));
                }
                (forest::Kind::Categorical { .. }, _) => {
                    return Err(error("a category, a number is expected"));
                }
            }
            places.push(place);
        }
        Ok(Self {
            model,
            places,
            codes,
        })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Feature of each column of the model.
    pub(super) fn places(&self) -> &[usize] {
        &self.places
    }

    /// Codes of owner, image, app and kind in the model's dictionaries; NaN: missing or unseen.
    #[must_use]
    pub fn codes(&self, categories: &[Option<String>; 4]) -> [f32; 4] {
        let mut codes = [f32::NAN; 4];
        for ((code, name), known) in codes.iter_mut().zip(categories).zip(&self.codes) {
            let found = name.as_ref().and_then(|name| known.get(name));
            *code = found.map_or(f32::NAN, |&code| code_value(code));
        }
        codes
    }

    /// What one unit of the trees' sums is in the row's unit.
    #[must_use]
    pub fn unit(&self, row: &[f32]) -> f64 {
        match self.model.metadata().target {
            Target::Plain | Target::AboveHourMax => 1.0,
            Target::OfHourMax => scale(row),
        }
    }

    /// Writes the quantiles of a row, whose categories are [`Self::codes`], into `out`
    /// (one number a quantile of the model), ascending, in the row's unit, not clamped.
    /// `columns` is scratch.
    pub fn predict(&self, row: &[f32; COUNT], columns: &mut Vec<f64>, out: &mut [f64]) {
        let scale = self.unit(row);
        columns.clear();
        columns.extend(self.places.iter().map(|&place| {
            let value = f64::from(row[place]);
            match FEATURES[place].kind {
                Kind::Level => value / scale,
                Kind::Plain | Kind::Category => value,
            }
        }));
        self.model.evaluate(columns, out);
        let base = match self.model.metadata().target {
            Target::AboveHourMax => base(row),
            Target::Plain | Target::OfHourMax => 0.0,
        };
        for value in out.iter_mut() {
            *value = *value * scale + base;
        }
    }
}

/// What is taken off the target where it is stated above the last hour's largest use.
#[must_use]
pub fn base(row: &[f32]) -> f64 {
    let hour_max = row.get(HOUR_MAX).copied().unwrap_or(f32::NAN);
    if hour_max.is_nan() {
        0.0
    } else {
        hour_max.into()
    }
}

/// What levels and target are divided by in the scale-free variant.
#[must_use]
pub fn scale(row: &[f32]) -> f64 {
    // `max` passes over NaN.
    f64::from(row.get(HOUR_MAX).copied().unwrap_or(f32::NAN)).max(LEAST_SCALE)
}
