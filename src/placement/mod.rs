//! The placement model: which hyper-threads each container may use.
//!
//! Everything here is pure: an [`Instance`] in, an [`Answer`] out.

mod aggregated;
mod cells;
mod classes;
pub mod cost;
mod counts;
#[doc(hidden)]
pub mod enumerate;
mod lower;
mod naive;
pub mod problem;
mod rebuild;
mod rows;
pub mod solve;
mod symmetry;
#[cfg(test)]
mod testing;
mod types;

pub use problem::{Problem, ProblemError};
pub use types::{
    Answer, ContainerSpec, CostParts, HostFile, Instance, Kind, LevelWeights, MoveWeights,
    Placement, SolveSettings, Status, Weights,
};
