//! The open nodes, ordered by bound and by estimate.
//!
//! Ties go to the older node, so the order depends on the search alone.

use std::collections::BTreeSet;

use super::node::Node;
use crate::sparse::{Index, index};

/// A float as an integer of the same order.
fn key(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}

/// A set of nodes.
#[derive(Debug, Default)]
pub(crate) struct Open {
    nodes: Vec<Option<Node>>,
    free: Vec<Index>,
    /// (key, serial, slot)
    by_bound: BTreeSet<(u64, u64, Index)>,
    by_estimate: BTreeSet<(u64, u64, Index)>,
    /// Serial number of the node in each slot.
    serials: Vec<u64>,
    next_serial: u64,
}

/// A node in the set, as long as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    slot: Index,
    serial: u64,
}

impl Open {
    pub(crate) fn len(&self) -> usize {
        self.by_bound.len()
    }

    /// Adds a node.
    pub(crate) fn push(&mut self, node: Node) -> Ticket {
        let serial = self.next_serial;
        self.next_serial += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(None);
            self.serials.push(0);
            index(self.nodes.len() - 1)
        });
        self.by_bound.insert((key(node.bound), serial, slot));
        self.by_estimate.insert((key(node.estimate), serial, slot));
        self.nodes[slot as usize] = Some(node);
        self.serials[slot as usize] = serial;
        Ticket { slot, serial }
    }

    fn take(&mut self, slot: Index, serial: u64) -> Option<Node> {
        let node = self.nodes[slot as usize].take()?;
        self.by_bound.remove(&(key(node.bound), serial, slot));
        self.by_estimate.remove(&(key(node.estimate), serial, slot));
        self.free.push(slot);
        Some(node)
    }

    /// The node of a ticket, if it is still there.
    pub(crate) fn get(&self, ticket: Ticket) -> Option<&Node> {
        (self.serials[ticket.slot as usize] == ticket.serial)
            .then(|| self.nodes[ticket.slot as usize].as_ref())
            .flatten()
    }

    /// Takes the node of a ticket.
    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<Node> {
        self.get(ticket)?;
        self.take(ticket.slot, ticket.serial)
    }

    /// Takes the node of least bound.
    pub(crate) fn pop_bound(&mut self) -> Option<Node> {
        let &(_, serial, slot) = self.by_bound.first()?;
        self.take(slot, serial)
    }

    /// Takes the node of least estimate.
    pub(crate) fn pop_estimate(&mut self) -> Option<Node> {
        let &(_, serial, slot) = self.by_estimate.first()?;
        self.take(slot, serial)
    }

    /// Drops the nodes with a bound of at least `limit`; the least of their
    /// bounds.
    pub(crate) fn prune(&mut self, limit: f64) -> f64 {
        let mut least = f64::INFINITY;
        while let Some(&(bound, serial, slot)) = self.by_bound.last() {
            if bound < key(limit) {
                break;
            }
            if let Some(node) = self.take(slot, serial) {
                least = least.min(node.bound);
            }
        }
        least
    }

    /// Least bound; infinite where there is no node.
    pub(crate) fn bound(&self) -> f64 {
        self.by_bound
            .first()
            .and_then(|&(_, _, slot)| self.nodes[slot as usize].as_ref())
            .map_or(f64::INFINITY, |node| node.bound)
    }
}
