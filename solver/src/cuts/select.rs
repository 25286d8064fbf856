//! Which of the found cuts go into the relaxation.
//!
//! Score: efficacy, plus a tenth of the parallelism to the objective and of the
//! share of integer columns. Best first; a cut too parallel to a chosen one is
//! left out: cuts of nearly the best score may be closer to each other than
//! others.
//!
//! Source: T. Achterberg 2007, "Constraint integer programming", section 3.3.8;
//! F. Wesselmann, U. Suhl 2012, "Implementing cutting plane management and
//! selection techniques".

use super::cut::Cut;
use crate::mip::Mip;
use crate::technique::Technique;
use crate::work::Budget;

/// Weight of the parallelism to the objective.
const OBJECTIVE_WEIGHT: f64 = 0.1;

/// Weight of the share of integer columns.
const INTEGER_WEIGHT: f64 = 0.1;

/// Share of the best score from which on a cut is good.
const GOOD: f64 = 0.9;

/// Largest parallelism to a chosen cut: for good cuts and cuts of products, for
/// others.
const GOOD_PARALLELISM: f64 = 0.8;
/// See [`GOOD_PARALLELISM`].
const PARALLELISM: f64 = 0.4;

/// Positions of at most `limit` of `cuts`, best first.
pub(crate) fn select(
    mip: &Mip,
    cost: &[f64],
    cuts: &[Cut],
    limit: usize,
    budget: &mut Budget,
) -> Vec<usize> {
    let cost_norm = cost.iter().map(|c| c * c).sum::<f64>().sqrt();
    let score = |cut: &Cut| {
        let mut product = 0.0;
        let mut integers = 0_usize;
        for &(j, a) in &cut.terms {
            product += a * cost[j as usize];
            integers += usize::from(mip.integer[j as usize]);
        }
        let objective = if cost_norm > 0.0 {
            product.abs() / (cost_norm * cut.norm)
        } else {
            0.0
        };
        cut.efficacy
            + OBJECTIVE_WEIGHT * objective
            + INTEGER_WEIGHT * integers as f64 / cut.terms.len() as f64
    };
    let mut scored: Vec<(f64, usize)> = Vec::with_capacity(cuts.len());
    for (position, cut) in cuts.iter().enumerate() {
        budget.spend_entries(cut.terms.len());
        scored.push((score(cut), position));
    }
    scored.sort_by(|p, q| {
        let (a, b) = (&cuts[p.1].terms, &cuts[q.1].terms);
        q.0.total_cmp(&p.0)
            .then(a.len().cmp(&b.len()))
            .then_with(|| a.iter().map(|term| term.0).cmp(b.iter().map(|term| term.0)))
    });
    let best = scored.first().map_or(0.0, |scored| scored.0);
    let mut chosen: Vec<usize> = Vec::new();
    for (score, position) in scored {
        let cut = &cuts[position];
        if chosen.len() >= limit || budget.is_over() {
            break;
        }
        // Cuts of products share most columns with each other, as the rows of a
        // formulation do, and are needed all the same.
        let is_product = cut.source == Technique::ProductCuts;
        let most = if is_product || score >= GOOD * best {
            GOOD_PARALLELISM
        } else {
            PARALLELISM
        };
        let is_new = chosen.iter().all(|&other| {
            let other = &cuts[other];
            budget.spend_entries(cut.terms.len().min(other.terms.len()));
            cut.parallelism(other) <= most
        });
        if is_new {
            chosen.push(position);
        }
    }
    chosen
}
