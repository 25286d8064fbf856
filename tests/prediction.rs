//! The chain of predictors on the live path: rounds of `apply` on a host tree in
//! a temporary directory, with models good, bad and broken; retraining, import and export by the binary.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    reason = "test code"
)]

#[path = "prediction/chain.rs"]
mod chain;
#[path = "prediction/exchange.rs"]
mod exchange;
#[path = "prediction/machine.rs"]
mod machine;
#[path = "prediction/refusals.rs"]
mod refusals;
#[path = "prediction/retraining.rs"]
mod retraining;
#[allow(dead_code, unreachable_pub, reason = "shared by several tests")]
mod support;
#[path = "prediction/trial.rs"]
mod trial;

const BOOT: &str = "11111111-2222-3333-4444-555555555555";
const HOUR_S: f64 = 3_600.0;
