//! Control groups, v1, v2 and hybrid as one type: finding containers, reading
//! what they ask for and use, fencing them by cpuset, undoing it.
//!
//! `fs.rs` is the edge: every read and write of a cgroup file goes through it,
//! under a root directory.

mod affinity;
pub mod apply;
mod context;
mod discover;
mod emptied;
mod exclusive;
mod fs;
mod glob;
mod home;
pub mod journal;
pub mod kernel_model;
mod layouts;
mod managers;
mod mounts;
mod request;
pub mod restore;
mod rules;
pub(crate) mod survey;
pub mod tree;
mod types;
mod usage;
pub mod writes;

pub use apply::{Applied, FenceError, Fenced, fence};
pub use discover::{Blocked, Observation, observe};
pub use emptied::{describe_emptied, is_emptied};
pub use fs::{Entry, Host, RealHost};
pub use glob::{Glob, GlobError, Places};
pub use mounts::{Hierarchy, HierarchyError, Mount};
pub use request::{Quota, RequestFacts, Share, request};
pub use restore::{RestoreReport, restore};
pub use rules::ContainerRule;
pub use tree::CpusetTree;
pub use types::{
    Container, ContainerKey, Context, CpusetDir, Fence, Layout, Pinned, Request, RequestSource,
    Throttling, Version,
};
pub use writes::{CpusetWrite, PlanError, plan_writes};
