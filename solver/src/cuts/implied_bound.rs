//! Implied bound cuts: variable bounds that the relaxation violates.
//!
//! `x_j <= a z + b` and `x_j >= a z + b` are known from the rows and from
//! probing (see [`crate::structure::implications`]). A row
//! `sum_j x_j <= M z` implies one for each j, tighter than itself:
//! disaggregation, found as needed.
//!
//! Source: M. Savelsbergh 1994, "Preprocessing and probing techniques for mixed
//! integer programming problems"; T. Achterberg 2007, section 8.6.

use super::pass::Pass;
use crate::sparse::index;
use crate::structure::VariableBounds;
use crate::technique::Technique;

/// Finds violated variable bounds.
pub(crate) fn separate(pass: &mut Pass<'_, '_>, bounds: &VariableBounds) {
    if bounds.len() == 0 {
        return;
    }
    let frame = pass.frame;
    pass.budget.spend_entries(frame.columns + bounds.len());
    for j in 0..frame.columns {
        if pass.is_spent() {
            return;
        }
        let x = frame.value[j];
        let sides = [(1.0, bounds.upper(j)), (-1.0, bounds.lower(j))];
        for (sign, list) in sides {
            for bound in list {
                let z = bound.binary as usize;
                if z == j || sign * (x - bound.at(frame.value[z])) <= super::params::LEAST_VIOLATION
                {
                    continue;
                }
                let mut terms = vec![(index(j), sign), (bound.binary, -sign * bound.a)];
                terms.sort_unstable_by_key(|&(j, _)| j);
                pass.offer(terms, sign * bound.b, Technique::ImpliedBound);
            }
        }
    }
}
