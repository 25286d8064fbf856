//! Events, `decide`, guardrails (pure); `shell.rs` runs them on a real host.

mod decide;
mod embedded;
pub mod record;
pub mod replay;
pub mod shell;
mod state;

#[cfg(test)]
mod tests;

pub use decide::{decide, pool_base, problem_of, request_words};
pub use embedded::embedded_state;
pub use state::{Decision, Event, Managed, Plan, Settings, State};
