//! Prediction of a container's CPU use: the 0.95 quantile of the P95 of the
//! next ten minutes.

mod fallback;
pub mod forest;
#[cfg(test)]
mod fuzz;
pub mod lightgbm;
pub mod model;
mod types;

pub use fallback::Fallback;
pub use types::{Features, Link, Prediction, Predictor};
