//! Which objective values are still of interest.
//!
//! With an incumbent (or cutoff) of objective z, a node is pruned from
//!
//! ```text
//! limit = v + 2 GRID s          where the objective has steps of s; v is its
//!                               largest value below z
//! limit = z - max(1e-9, g |z - o|)  otherwise
//! ```
//!
//! on, g a part of the gap that was asked for and o the objective that the
//! caller, who has a constant of his own, calls zero. The second spares the nodes
//! that differ from the incumbent by round-off. What a pruned node's bound was
//! is kept, so that the final bound says what was proved.

use crate::bound::Grid;
use crate::mip::Mip;
use crate::tol;

/// Values `base + k step` for integers k.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lattice {
    pub(crate) base: f64,
    pub(crate) step: f64,
}

/// By how much must a point beat the incumbent, whatever gap was asked for:
/// relative to |z| and absolute.
const RELATIVE_IMPROVEMENT: f64 = 2e-10;
const LEAST_IMPROVEMENT: f64 = 1e-9;

/// In steps: how far from a value of the lattice is an incumbent's objective
/// or a cutoff still that value?
const ON_LATTICE: f64 = 1e-6;

/// Largest multiple of the step that is still told from its neighbours.
const LARGEST: f64 = 1e12;

impl Lattice {
    /// The lattice of the objective of `mip`, if it has one.
    pub(crate) fn of(mip: &Mip) -> Option<Self> {
        let terms = mip.cost.iter().copied().zip(mip.integer.iter().copied());
        let grid = Grid::of_costs(terms)?;
        Some(Self {
            base: mip.offset,
            step: grid.step(),
        })
    }

    /// The coarser one.
    pub(crate) fn coarser(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        match (a, b) {
            (Some(a), Some(b)) => Some(if b.step > a.step { b } else { a }),
            (a, b) => a.or(b),
        }
    }

    /// `bound` rounded up, if it lies above a value by more than tolerances
    /// explain.
    pub(crate) fn round_up(self, bound: f64) -> f64 {
        let steps = (bound - self.base) / self.step;
        if steps.abs() < LARGEST {
            bound.max(self.base + (steps - tol::GRID).ceil() * self.step)
        } else {
            bound
        }
    }
}

/// From which bound on a node holds nothing better than objective `z` by more
/// than the `gap`, relative to its distance from `origin`.
pub(crate) fn prune_limit(z: f64, lattice: Option<Lattice>, gap: f64, origin: f64) -> f64 {
    if !z.is_finite() {
        return z;
    }
    let least = LEAST_IMPROVEMENT
        .max(RELATIVE_IMPROVEMENT * z.abs())
        .max(gap * (z - origin).abs());
    match lattice {
        Some(lattice) if (z - lattice.base).abs() / lattice.step < LARGEST => {
            let below = ((z - lattice.base) / lattice.step - ON_LATTICE).ceil() - 1.0;
            let limit = lattice.base + (below + 2.0 * tol::GRID) * lattice.step;
            limit.min(z - least)
        }
        _ => z - least,
    }
}

/// `bound` on all points of a finished search as far as an incumbent of
/// objective `z` allows it to be claimed: a bound that misses z by round-off
/// alone is z.
pub(crate) fn settled(bound: f64, z: f64) -> f64 {
    if bound >= z - tol::BOUND_SAFETY * z.abs().max(1.0) {
        z
    } else {
        bound
    }
}
