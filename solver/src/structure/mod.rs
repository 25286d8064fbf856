//! What the rows say beyond themselves: cliques, implications, variable bounds.

pub(crate) mod cliques;
pub(crate) mod components;
pub(crate) mod implications;

pub(crate) use cliques::{Cliques, Literal};
pub(crate) use implications::VariableBounds;
