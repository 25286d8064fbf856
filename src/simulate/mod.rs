//! Simulation of a scenario: the same containers, arrivals and demands on one
//! host under several policies, side by side. Pure: the scenario, its topology
//! and its traces in, counters out; the same seed gives the same bytes.
//!
//! | policy | what it is |
//! |-|-|
//! | `unfenced` | no fences: every container may run on every online CPU |
//! | `greedy` | newcomers are placed by best fit, nobody moves ([`crate::engine::decide()`] without its search) |
//! | `cpufence` | [`crate::engine::decide()`] as in `apply`, stopped at a work count |
//!
//! The last two predict use as on a live host, from the samples of the rounds
//! before, and lend by the scenario's `[lending]`.
//!
//! **Model.** A round lies at the beginning of every interval: containers come
//! and go, a policy decides, then each container k wants d_k CPUs for the whole
//! interval. It runs n_k threads, n_k = d_k rounded up or down at random so
//! that its mean is d_k. Containers with the same cpuset S are a *crowd*; the
//! threads of a crowd are on distinct CPUs of S, every choice equally likely;
//! crowds are independent. Where a crowd wants D > |S| CPUs, each of its threads
//! runs |S| / D of the time. What follows are the expected values, computed
//! from the sets by counting ([`counters`]), not by sampling. No interference
//! is modelled: a thread with a busy sibling is counted, not slowed down.
//!
//! A real scheduler prefers idle cores within a set, under every policy, so
//! all SMT figures are upper estimates.

mod counters;
mod load;
mod report;
mod run;
mod scenario;
mod svg;
#[cfg(test)]
mod tests;

pub use counters::Counters;
pub use report::{csv, json, table};
pub use run::{Outcome, PolicyRun, Sample, SimulationError, run};
pub use scenario::{HostSource, Policy, Scenario, ScenarioError, parse_scenario};
pub use svg::chart;
