//! Events, `decide`, guardrails (pure); `shell.rs` runs them on a real host.
