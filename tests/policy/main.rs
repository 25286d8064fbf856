//! The project's rules that no compiler checks: what may be linked in, from
//! where, under which licence; where the outside world is touched; what no
//! file may contain. `deny.toml` says the same of dependencies for cargo-deny,
//! and `dependencies::deny_toml_says_the_same` keeps the two equal.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "test code: reads the repository, and a broken rule is a panic"
)]

mod dependencies;
mod files;
mod packaging;
mod sources;
mod spdx;
