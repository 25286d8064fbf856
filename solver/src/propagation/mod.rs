//! Bounds under propagation, and what is learned when they contradict.

mod conflict;
mod domain;
mod rows;

pub(crate) use domain::{Domain, KINDS, Reason};

#[cfg(test)]
mod tests;
