//! The placement model: which hyper-threads each container may use.
//!
//! Everything here is pure: an [`Instance`] in, an [`Answer`] out. [`place()`]
//! is the way in; `check` reads host files, `report` writes plans.

mod aggregated;
mod anneal;
mod batch;
mod cells;
mod check;
mod classes;
mod companies;
mod configuration;
mod conflict;
pub mod cost;
mod counts;
mod division;
mod divisions;
#[doc(hidden)]
pub mod enumerate;
mod exchange;
mod explain;
mod greedy;
mod guard;
mod host_model;
mod keep;
mod labels;
mod lagrange;
#[cfg(test)]
mod laws;
mod leaf;
mod lend;
mod lower;
mod naive;
#[cfg(test)]
mod oracle;
mod overfull;
mod partition;
mod place;
mod pool;
pub mod problem;
#[cfg(test)]
mod random;
mod rebuild;
mod report;
mod rows;
mod rule_rows;
mod rules;
mod search;
pub mod solve;
mod state;
mod symmetry;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod types;
mod warm;
mod ways;
mod what_if;

pub use batch::{Checksum, Origin, batch_answer, batch_error};
pub use check::{HostFileError, ValueError, check_instance, parse_host};
pub use configuration::{Columns, Prices};
pub use cost::placement_cost;
pub use exchange::{Exchange, ExchangeError, Imported, ModelKind};
pub use explain::{Annotation, Change, Explained, explain};
pub use host_model::HostModels;
pub use lend::{DEFAULT_BAND_MCPU, Lending, LendingPolicy, Overrun};
pub use place::{Placed, PlacementError, place, place_from};
pub use pool::{POOL, cpusets};
pub use problem::{Problem, ProblemError};
pub use report::{HostPlanError, PlanReport, Timing, plan_host, plan_instance};
pub use rules::{Constraint, Resolved, RuleKind, RuleLevel, idle_rules};
pub use types::{
    Answer, ContainerSpec, CostParts, HostFile, Instance, Kind, LARGEST_WEIGHT, LevelWeights,
    MoveWeights, Placement, SolveSettings, Status, System, Weights,
};
pub use warm::{RootBasis, WarmStart};
pub use what_if::{ChangeError, Idle, Room, Side, Step, changed, changed_weights, reprice, sides};
