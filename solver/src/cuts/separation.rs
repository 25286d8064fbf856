//! Rounds of separation: which separators run, for how long, what they earned.

use std::sync::Arc;

use super::cut::Cut;
use super::gomory::{self, Weights};
use super::pass::Pass;
use super::pool::{Pool, distinct};
use super::product::Products;
use super::row::{Frame, Rows, Scratch, Source};
use super::select::select;
use super::{clique, cmir, implied_bound, params, product, zero_half};
use crate::lp::{Lp, LpRow, SparseVector, VarStatus};
use crate::mip::Mip;
use crate::sparse::Index;
use crate::structure::{Cliques, VariableBounds};
use crate::tally::{Effort, Tally};
use crate::technique::{Technique, Techniques};
use crate::tol;
use crate::whole::{fractionality, is_whole};
use crate::work::Budget;

impl Rows for Lp {
    fn entries(&self, i: usize) -> (&[Index], &[f64]) {
        self.row(i)
    }
}

/// A relaxation solved to optimality, and what the cuts may rely on.
pub(crate) struct Relaxation<'a> {
    pub(crate) mip: &'a Arc<Mip>,
    pub(crate) lp: &'a mut Lp,
    /// Bounds of the columns that cuts may use. Cuts are global if they are.
    pub(crate) lower: &'a [f64],
    pub(crate) upper: &'a [f64],
    /// Whether `lower` and `upper` hold below the current node only.
    pub(crate) is_local: bool,
    pub(crate) cliques: &'a Cliques,
    pub(crate) variable_bounds: &'a VariableBounds,
    pub(crate) is_root: bool,
    /// The solution's mean over symmetric ones, if there are any.
    pub(crate) mean: Option<&'a [f64]>,
    /// A feasible point (an incumbent, in tests a known optimum): cuts that it
    /// violates are dropped, unless it is outside `lower` and `upper`.
    pub(crate) known: Option<&'a [f64]>,
}

/// The rows of the relaxation as separators see them at the point `x`, where
/// they have these activities.
fn frame_at<'a>(relaxation: &'a Relaxation<'_>, x: &'a [f64], activity: &'a [f64]) -> Frame<'a> {
    let lp = &*relaxation.lp;
    Frame::new(
        relaxation.mip,
        Source {
            rows: lp,
            row_lower: lp.row_lower(),
            row_upper: lp.row_upper(),
            duals: lp.duals(),
            x,
            activity,
        },
        relaxation.lower,
        relaxation.upper,
        relaxation.variable_bounds,
    )
}

/// What a technique has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counter {
    /// Rounds it ran in, cuts found, cuts added, ticks spent.
    pub(crate) rounds: u64,
    pub(crate) found: u64,
    pub(crate) applied: u64,
    pub(crate) ticks: u64,
    /// Rounds in a row without a cut applied.
    idle: u32,
    /// Rounds to sit out.
    pause: u32,
}

/// The separators, cheapest first, and the techniques that each serves.
const ORDER: [&[Technique]; 6] = [
    &[Technique::ImpliedBound],
    &[Technique::CliqueCuts],
    &[Technique::ProductCuts],
    &[
        Technique::Cmir,
        Technique::KnapsackCover,
        Technique::FlowCover,
    ],
    &[Technique::Gomory],
    &[Technique::ZeroHalf],
];

/// Separates, and remembers what paid.
#[derive(Debug)]
pub(crate) struct Separation {
    techniques: Techniques,
    /// By position in `Technique::ALL`.
    counters: Vec<Counter>,
    /// What of it was told already.
    told: Vec<Counter>,
    pool: Pool,
    /// Products that rows state, once they are looked for.
    products: Option<Products>,
    scratch: Scratch,
    /// By cut row of the relaxation: rounds in a row that it was idle.
    ages: Vec<u32>,
    rounds: u64,
}

impl Separation {
    pub(crate) fn new(techniques: Techniques, mip: &Mip) -> Self {
        let mut scratch = Scratch::default();
        scratch.resize(mip.columns() + mip.rows());
        Self {
            techniques,
            counters: vec![Counter::default(); Technique::ALL.len()],
            told: vec![Counter::default(); Technique::ALL.len()],
            pool: Pool::default(),
            products: None,
            scratch,
            ages: Vec::new(),
            rounds: 0,
        }
    }

    /// Adds what was done since the last call.
    pub(crate) fn tell(&mut self, tally: &mut Tally) {
        for &technique in Technique::ALL {
            let now = self.counters[technique as usize];
            let told = std::mem::replace(&mut self.told[technique as usize], now);
            let effort = Effort {
                calls: now.rounds - told.rounds,
                found: now.found - told.found,
                used: now.applied - told.applied,
                ticks: now.ticks - told.ticks,
            };
            tally.add(technique, "", effort);
        }
    }

    /// One round: cuts that the relaxation's solution violates, best first.
    pub(crate) fn round(
        &mut self,
        relaxation: &mut Relaxation<'_>,
        budget: &mut Budget,
    ) -> Vec<Cut> {
        self.rounds += 1;
        let mip = Arc::clone(relaxation.mip);
        let fractional = (0..mip.columns())
            .filter(|&j| mip.integer[j] && fractionality(relaxation.lp.x()[j]) > params::FRACTIONAL)
            .count();
        budget.spend_entries(mip.columns());
        if fractional == 0 {
            return Vec::new();
        }
        let mut found = self.pool.take_violated(relaxation.lp.x(), budget);
        let pooled = found.len();
        let nonzeros = mip.by_row.nonzeros() + mip.columns() + mip.rows();
        let share: usize = if relaxation.is_root { 1 } else { 8 };
        for (position, techniques) in ORDER.iter().enumerate() {
            if budget.is_over() {
                return Vec::new();
            }
            let allowance = self.allowance(position, nonzeros) / share as u64;
            if allowance > 0 {
                let limit = budget.ticks() + allowance;
                found.extend(self.run(position, relaxation, limit, budget));
                if techniques[0] == Technique::ProductCuts {
                    found.extend(self.products_at_mean(relaxation, limit, budget));
                    // Cheap, and where there are any the dearer ones that are
                    // found before they hold are soon forgotten.
                    if found.iter().any(|cut| cut.source == Technique::ProductCuts) {
                        break;
                    }
                }
            }
        }
        // A point outside the bounds that the cuts rely on says nothing.
        let is_inside = |point: &[f64]| {
            (0..mip.columns()).all(|j| {
                point[j] >= relaxation.lower[j] - tol::FEASIBILITY
                    && point[j] <= relaxation.upper[j] + tol::FEASIBILITY
            })
        };
        if let Some(point) = relaxation.known.filter(|point| is_inside(point)) {
            found.retain(|cut| !cut.violates(point));
        }
        let found = distinct(found);
        let limit = params::CUTS + mip.columns().min(mip.rows()) / (2 * share);
        let chosen = select(&mip, relaxation.lp.cost(), &found, limit, budget);
        for &k in &chosen {
            let counter = &mut self.counters[found[k].source as usize];
            counter.applied += 1;
            counter.idle = 0;
        }
        // The best of what is left wait in the pool.
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_by(|&p, &q| found[q].efficacy.total_cmp(&found[p].efficacy));
        order.truncate(params::CUTS + pooled);
        let mut found: Vec<Option<Cut>> = found.into_iter().map(Some).collect();
        let chosen: Vec<Cut> = chosen.iter().filter_map(|&k| found[k].take()).collect();
        self.pool
            .keep(order.into_iter().filter_map(|k| found[k].take()));
        chosen
    }

    /// Ticks that separator `position` may spend in this round.
    fn allowance(&mut self, position: usize, nonzeros: usize) -> u64 {
        let mut applied = 0;
        let mut found = 0;
        let mut rounds = 0;
        let mut is_on = false;
        for &technique in ORDER[position] {
            let counter = &self.counters[technique as usize];
            is_on |= self.techniques.has(technique);
            applied += counter.applied;
            found += counter.found;
            rounds = rounds.max(counter.rounds);
        }
        let first = &mut self.counters[ORDER[position][0] as usize];
        if !is_on {
            return 0;
        }
        if first.pause > 0 {
            first.pause -= 1;
            return 0;
        }
        let base = params::ROUND_TICKS + params::ROUND_TICKS_PER_ENTRY * nonzeros as u64;
        // Unknown at first, then by what came of it.
        if rounds < 3 || applied > rounds {
            2 * base
        } else if found > 0 {
            base
        } else {
            base / 2
        }
    }

    /// Runs separator `position`.
    fn run(
        &mut self,
        position: usize,
        relaxation: &mut Relaxation<'_>,
        limit: u64,
        budget: &mut Budget,
    ) -> Vec<Cut> {
        let is_product = ORDER[position][0] == Technique::ProductCuts;
        if is_product && self.products.as_ref().is_some_and(Products::is_empty) {
            return Vec::new();
        }
        let before = budget.ticks();
        let weights = if ORDER[position][0] == Technique::Gomory {
            tableau(relaxation, limit, budget)
        } else {
            Vec::new()
        };
        let lp = &*relaxation.lp;
        let frame = frame_at(relaxation, lp.x(), lp.activity());
        budget.spend_entries(relaxation.mip.by_row.nonzeros());
        self.scratch.resize(frame.variables());
        let mut pass = Pass {
            frame: &frame,
            scratch: &mut self.scratch,
            budget,
            techniques: self.techniques,
            limit,
            is_local: relaxation.is_local,
            found: Vec::new(),
        };
        match ORDER[position][0] {
            Technique::ImpliedBound => {
                implied_bound::separate(&mut pass, relaxation.variable_bounds);
            }
            Technique::CliqueCuts => clique::separate(&mut pass, relaxation.cliques),
            Technique::ProductCuts => {
                let products = self.products.get_or_insert_with(|| {
                    Products::of(relaxation.mip, relaxation.cliques, pass.budget)
                });
                product::separate(&mut pass, products);
            }
            Technique::ZeroHalf => zero_half::separate(&mut pass),
            Technique::Gomory => gomory::separate(&mut pass, &weights),
            _ => cmir::separate(&mut pass),
        }
        let found = pass.found;
        for cut in &found {
            self.counters[cut.source as usize].found += 1;
        }
        let first = &mut self.counters[ORDER[position][0] as usize];
        first.rounds += 1;
        first.ticks += budget.ticks() - before;
        if found.is_empty() {
            first.idle += 1;
            if first.idle >= params::IDLE_ROUNDS {
                first.pause = 1 << (first.idle - params::IDLE_ROUNDS).min(params::LONGEST_PAUSE);
            }
        } else {
            first.idle = 0;
        }
        found
    }

    /// Whether products may be stated by rows: there are some, or nobody looked yet.
    pub(crate) fn looks_for_products(&self) -> bool {
        self.techniques.has(Technique::ProductCuts)
            && self
                .products
                .as_ref()
                .is_none_or(|products| !products.is_empty())
    }

    /// Product cuts that the mean of symmetric solutions violates. It is as good
    /// as the solution, so that no bound is gained before it is cut off; and
    /// what is found for one column is found for all symmetric ones, while a
    /// single solution moves on to the ones that have no cut yet.
    fn products_at_mean(
        &mut self,
        relaxation: &Relaxation<'_>,
        limit: u64,
        budget: &mut Budget,
    ) -> Vec<Cut> {
        let (Some(mean), Some(products)) = (relaxation.mean, &self.products) else {
            return Vec::new();
        };
        let before = budget.ticks();
        let lp = &*relaxation.lp;
        let dot = |i: usize| {
            let (columns, values) = lp.row(i);
            let terms = columns.iter().zip(values);
            terms.map(|(&j, &a)| a * mean[j as usize]).sum::<f64>()
        };
        let activity: Vec<f64> = (0..lp.rows()).map(dot).collect();
        let frame = frame_at(relaxation, mean, &activity);
        budget.spend_entries(2 * relaxation.mip.by_row.nonzeros());
        let mut pass = Pass {
            frame: &frame,
            scratch: &mut self.scratch,
            budget,
            techniques: self.techniques,
            limit,
            is_local: relaxation.is_local,
            found: Vec::new(),
        };
        product::separate(&mut pass, products);
        let found = pass.found;
        let counter = &mut self.counters[Technique::ProductCuts as usize];
        counter.found += found.len() as u64;
        counter.ticks += budget.ticks() - before;
        found
    }

    /// Which rows of `lp` to keep, after a solve with the cuts of the last
    /// round: cut rows whose slack was basic for more than `age` solves go.
    /// None if all stay. `rows`: of the problem itself, always kept.
    pub(crate) fn purge(&mut self, lp: &Lp, rows: usize, age: u32) -> Option<Vec<bool>> {
        let cuts = lp.rows().saturating_sub(rows);
        self.ages.resize(cuts, 0);
        if cuts == 0 {
            return None;
        }
        let basis = lp.basis();
        let mut keep = vec![true; lp.rows()];
        for k in 0..cuts {
            if basis.rows[rows + k] == VarStatus::Basic {
                self.ages[k] += 1;
                keep[rows + k] = self.ages[k] <= age;
            } else {
                self.ages[k] = 0;
            }
        }
        if keep.iter().all(|&keep| keep) {
            return None;
        }
        let mut k = 0;
        self.ages.retain(|_| {
            k += 1;
            keep[rows + k - 1]
        });
        Some(keep)
    }
}

/// `cuts` as rows of a relaxation.
pub(crate) fn lp_rows(cuts: &[Cut]) -> Vec<LpRow> {
    cuts.iter()
        .map(|cut| LpRow {
            terms: cut.terms.clone(),
            lower: f64::NEG_INFINITY,
            upper: cut.rhs,
        })
        .collect()
}

/// Weights of the tableau rows worth rounding, most fractional first.
fn tableau(relaxation: &mut Relaxation<'_>, limit: u64, budget: &mut Budget) -> Vec<Weights> {
    let (mip, lp) = (relaxation.mip, &mut *relaxation.lp);
    if !lp.is_tableau_ready() {
        return Vec::new();
    }
    let columns = mip.columns();
    let mut candidates: Vec<(f64, usize)> = Vec::new();
    for (position, &v) in lp.basis_head().iter().enumerate() {
        let v = v as usize;
        let fraction = if v < columns {
            if mip.integer[v] {
                fractionality(lp.x()[v])
            } else {
                0.0
            }
        } else {
            // An activity of integers.
            let (indices, values) = lp.row(v - columns);
            budget.spend_entries(indices.len());
            let integral = indices
                .iter()
                .zip(values)
                .all(|(&j, &a)| mip.integer[j as usize] && is_whole(a));
            if integral {
                // Columns say more.
                0.1 * fractionality(lp.activity()[v - columns])
            } else {
                0.0
            }
        };
        if fraction > params::LEAST_FRACTION {
            candidates.push((fraction, position));
        }
    }
    candidates.sort_by(|p, q| q.0.total_cmp(&p.0).then(p.1.cmp(&q.1)));
    candidates.truncate(params::TABLEAU_ROWS);
    let mut rho = SparseVector::new(lp.rows());
    let mut rows = Vec::new();
    // Half of the turn for the weights, half for the rounding.
    let limit = budget.ticks() + limit.saturating_sub(budget.ticks()) / 2;
    for (_, position) in candidates {
        if budget.ticks() > limit || budget.is_over() {
            break;
        }
        lp.basis_inverse_row(position, &mut rho);
        budget.spend_entries(lp.rows());
        let mut weights: Weights = rho
            .indices
            .iter()
            .map(|&i| (i as usize, rho.values[i as usize]))
            .filter(|&(_, w)| w != 0.0)
            .collect();
        weights.sort_unstable_by_key(|&(i, _)| i);
        rows.extend(gomory::tidy(weights));
    }
    rows
}
