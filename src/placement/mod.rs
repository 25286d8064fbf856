//! The placement model: which hyper-threads each container may use.
//!
//! Everything here is pure: an [`Instance`] in, an [`Answer`] out.

pub mod cost;
pub mod problem;
mod types;

pub use problem::{Problem, ProblemError};
pub use types::{
    Answer, ContainerSpec, CostParts, HostFile, Instance, Kind, LevelWeights, MoveWeights,
    Placement, SolveSettings, Status, Weights,
};
