//! Control groups, v1, v2 and hybrid as one type: finding containers, reading
//! what they ask for and use, fencing them by cpuset, undoing it.
//!
//! `fs.rs` is the edge: every read and write of a cgroup file goes through it,
//! under a root directory.

pub mod apply;
mod exclusive;
mod fs;
pub mod journal;
pub mod kernel_model;
pub mod restore;
pub mod tree;
mod types;
pub mod writes;

pub use apply::{Applied, FenceError, Fenced, fence};
pub use fs::{Entry, Host, RealHost};
pub use restore::{RestoreReport, restore};
pub use tree::CpusetTree;
pub use types::{
    Container, ContainerKey, Context, CpusetDir, Fence, Layout, Pinned, Request, RequestSource,
    Throttling, Version,
};
pub use writes::{CpusetWrite, PlanError, plan_writes};
