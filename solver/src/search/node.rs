//! Nodes of the tree: the path of decisions from the root, shared by all
//! nodes below, and what is known of the node's relaxation.

use std::sync::Arc;

use super::cutting::NodeBasis;
use crate::branching::Side;
use crate::sparse::Index;

/// A bound set on the way to a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Decision {
    pub(crate) column: Index,
    pub(crate) is_upper: bool,
    pub(crate) value: f64,
}

/// The last step of a way from the root, and the way to it.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) parent: Option<Arc<Path>>,
    /// Number of steps from the root.
    pub(crate) depth: usize,
    /// What strong branching showed at the parent.
    pub(crate) implied: Box<[Decision]>,
    pub(crate) decision: Decision,
}

impl Drop for Path {
    /// Step by step: a long way would overflow the stack by recursion.
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(path) = next {
            next = Arc::into_inner(path).and_then(|mut path| path.parent.take());
        }
    }
}

/// Whether two ways are the same, by identity.
pub(crate) fn is_same(a: Option<&Arc<Path>>, b: Option<&Arc<Path>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}

/// The decision that made a node, to learn what it was worth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) column: Index,
    pub(crate) side: Side,
    /// How far the parent's relaxation was from the new bound.
    pub(crate) distance: f64,
    /// Objective of the parent's relaxation, in the LP's terms.
    pub(crate) objective: f64,
}

/// An unsolved node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Proved: nothing below is better.
    pub(crate) bound: f64,
    /// Guess of the best objective below.
    pub(crate) estimate: f64,
    pub(crate) path: Option<Arc<Path>>,
    /// The parent's optimal basis.
    pub(crate) basis: Option<Arc<NodeBasis>>,
    pub(crate) origin: Option<Origin>,
}
