//! LightGBM's text models, version 4: read and written.
//!
//! **Problem.** A fleet trains with what it has (LightGBM on Dask or Spark), and
//! what we grew should serve elsewhere; both ways with equal predictions.
//!
//! **Format** (LightGBM `src/boosting/gbdt_model_text.cpp`, `src/io/tree.cpp`):
//! lines `key=value`, a head, one block a tree from `Tree=N` on, `end of trees`,
//! then importances, parameters and `pandas_categorical:JSON`. Children are
//! indices, leaves bitwise complements. `decision_type` is 1 for a categorical
//! split, plus 2 if what is missing goes left, plus 4 times what is missing
//! (0 none, 1 zero, 2 NaN). A categorical threshold is the index of a set in
//! `cat_boundaries`, `cat_threshold`. Shrinkage and average are inside the
//! leaf values, whose sum over trees, in order, is the prediction.
//!
//! **Dictionaries.** A category is a number in the file. Its name comes from
//! `pandas_categorical` (one list a categorical column, in their order), else
//! from a sidecar that the caller read, else it is the number itself.
//!
//! **What cannot be evaluated is refused by name**: other versions, linear
//! trees, averaged (random) forests, several classes, other objectives than one
//! quantile, thresholds that are no numbers.

mod read;
mod write;

pub use read::{Dictionaries, ReadError, read};
pub use write::{WriteError, format_dictionaries, format_model};

#[cfg(test)]
mod tests;
