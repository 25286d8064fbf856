//! Prediction of a container's CPU use: the 0.95 quantile of the P95 of the
//! next ten minutes.

pub mod archive_rows;
pub mod binning;
pub mod bootstrap;
mod built_in;
pub mod dataset;
pub mod evaluate;
mod fallback;
pub mod features;
pub mod follow;
pub mod forecast;
pub mod forest;
#[cfg(test)]
mod fuzz;
pub mod grow;
pub mod lightgbm;
mod memory;
pub mod model;
pub mod online;
pub mod pace;
mod rank;
pub mod scorer;
pub mod store;
pub mod train;
pub mod trees;
mod types;

pub use built_in::built_in;
pub use fallback::Fallback;
pub use memory::Memory;
pub use types::{Confidence, Features, Link, Prediction, Predictor};
