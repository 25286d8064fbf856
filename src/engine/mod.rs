//! Events, `decide`, guardrails (pure); `shell.rs` runs them on a real host.

mod decide;
pub mod record;
pub mod replay;
pub mod shell;
mod state;

#[cfg(test)]
mod tests;

pub use decide::{decide, pool_base, request_words};
pub use state::{Decision, Event, Managed, Plan, Settings, State};
