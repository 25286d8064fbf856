//! Reductions before the search, and the stack that undoes them.

mod postsolve;

pub(crate) use postsolve::Postsolve;

use crate::mip::Mip;
use crate::technique::Techniques;
use crate::work::Budget;

/// What became of a problem.
#[derive(Debug)]
pub(crate) enum Presolved {
    /// A smaller problem with the same optimum.
    Reduced(Reduced),
    /// It has no feasible point.
    Infeasible,
    /// It has none, or its objective has no bound.
    UnboundedOrInfeasible,
    /// The budget was over; nothing is to be used.
    Stopped,
}

/// A smaller problem, and the way back.
#[derive(Debug)]
pub(crate) struct Reduced {
    /// The problem; its offset holds what was fixed.
    pub(crate) mip: Mip,
    /// The way back.
    pub(crate) postsolve: Postsolve,
    /// Which reductions were applied, and how often.
    pub(crate) log: Vec<(&'static str, u64)>,
}

/// Reduces `mip` by the techniques that are on.
pub(crate) fn presolve(mip: &Mip, _techniques: Techniques, _budget: &mut Budget) -> Presolved {
    Presolved::Reduced(Reduced {
        mip: mip.clone(),
        postsolve: Postsolve::identity(mip),
        log: Vec::new(),
    })
}
