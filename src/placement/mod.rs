//! The placement model: which hyper-threads each container may use.
//!
//! Everything here is pure: an [`Instance`] in, an [`Answer`] out.

mod types;

pub use types::{
    Answer, ContainerSpec, CostParts, HostFile, Instance, Kind, LevelWeights, MoveWeights,
    Placement, SolveSettings, Status, Weights,
};
