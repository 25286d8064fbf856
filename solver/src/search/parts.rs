//! Independent parts of a problem, each searched on its own.
//!
//! Where no row links two sets of columns, an optimum of the whole is made of
//! optima of the parts, while one tree over both would try every way of
//! branching in one part below every way in the other:
//!
//! ```text
//! min c x = offset + sum_k z_k        z_k: the minimum of part k
//!        >= offset + sum_k (b_k - s max(1, |b_k|))
//! ```
//!
//! with b_k a proved bound of part k and s = [`tol::BOUND_SAFETY`] what a
//! search may leave out of it as round-off. This holds from the first round on,
//! solved or not, so the sum is told after each step; and as soon as every part
//! has a point, so has the whole.
//!
//! **Turns.** Parts are searched in turns, the small ones first, each with a
//! limit of ticks that grows by [`GROWTH`] from round to round: a hard part
//! does not keep the others waiting, and what is searched again costs a small
//! share. The last one that is left has no limit.
//!
//! **No cutoff.** A part is solved to its own optimum: how much of the room
//! below an incumbent the other parts need is not known. Bounds that a cutoff
//! has tightened before the problem fell apart are kept: whatever is better
//! than the incumbent meets them, and its parts do.
//!
//! **When it does not apply.** A part without a feasible point leaves none to
//! the whole. One whose relaxation is unbounded, that numerical trouble leaves
//! open, or whose point is refused in the whole makes the search go on with the
//! whole, as does a sum so much smaller than its terms (+10^9 - 10^9) that their
//! round-off is a gap.
//!
//! Source: G. Gamrath, T. Koch, A. Martin, M. Miltenberger, D. Weninger 2015,
//! "Progress in presolving for mixed integer programming", section 5; they
//! solve small parts ahead, here all take turns.

use super::{Carry, Ending, Lattice, Listener, Progress, SearchParams, search, settled};
use crate::basis::Basis;
use crate::heuristics::{feasibility_jump, jump_ticks};
use crate::mip::Mip;
use crate::structure::components::{Component, components};
use crate::tally::Effort;
use crate::technique::Technique;
use crate::tol;
use crate::work::Budget;

/// Ticks of a part's first turn: for each entry, and at least (10 ms).
const TICKS_PER_ENTRY: u64 = 200;
const LEAST_TICKS: u64 = 2_000_000;

/// By how much turns grow from round to round.
const GROWTH: u64 = 8;

/// What is known of a part.
#[derive(Clone, Debug)]
struct Known {
    /// Best point and its objective.
    best: Option<(f64, Vec<f64>)>,
    bound: f64,
    is_rooted: bool,
    /// Whether its first relaxation's basis is known.
    is_based: bool,
}

/// The whole, as the search of part `at` sees it.
struct Whole<'a> {
    mip: &'a Mip,
    params: &'a SearchParams,
    lattice: Option<Lattice>,
    parts: &'a [Component],
    known: Vec<Known>,
    at: usize,
    /// What is known of the first root relaxation's basis.
    basis: Basis,
    carry: &'a mut Carry,
    /// What had been done before the search of this part.
    before: Progress,
    /// Whether the listener wants no more.
    is_ended: bool,
    listener: &'a mut dyn Listener,
}

/// Searches `mip` by its parts, if it has several. None if it is to be searched
/// as a whole.
pub(super) fn search_parts(
    mip: &Mip,
    params: &SearchParams,
    carry: &mut Carry,
    budget: &mut Budget,
    listener: &mut dyn Listener,
) -> Option<Ending> {
    if mip.integers() == 0 {
        return None;
    }
    let before = budget.ticks();
    let parts = components(mip, budget);
    if parts.is_empty() {
        return None;
    }
    let effort = Effort {
        calls: 1,
        found: parts.len() as u64,
        used: parts.len() as u64,
        ticks: budget.ticks() - before,
    };
    carry.progress.tally.add(Technique::Components, "", effort);
    let none = Known {
        best: None,
        bound: f64::NEG_INFINITY,
        is_rooted: false,
        is_based: false,
    };
    let mut whole = Whole {
        mip,
        params,
        lattice: Lattice::coarser(params.lattice, Lattice::of(mip)),
        known: vec![none; parts.len()],
        parts: &parts,
        at: 0,
        basis: Basis::unknown(mip.columns(), mip.rows()),
        carry,
        before: Progress::default(),
        is_ended: false,
        listener,
    };
    whole.start();
    let ending = if whole.jump(budget) {
        whole.run(budget)
    } else {
        Some(if budget.is_over() {
            Ending::Stopped
        } else {
            Ending::Limit
        })
    };
    if ending.is_none()
        && let Some(point) = whole.point()
    {
        carry.starts = vec![point];
    }
    ending
}

impl Whole<'_> {
    /// Takes over the points to start from, by their parts.
    fn start(&mut self) {
        for start in &self.carry.starts {
            if start.len() != self.mip.columns() {
                continue;
            }
            take_parts(self.parts, &mut self.known, start);
        }
        self.offer_point("start");
    }

    /// Feasibility jump on the whole, so that there is a point before each part
    /// had its turn; false if the search is over.
    fn jump(&mut self, budget: &mut Budget) -> bool {
        if self.carry.best.is_some()
            || self.carry.restarts > 0
            || !self.params.techniques.has(Technique::FeasibilityJump)
        {
            return true;
        }
        let before = budget.ticks();
        let (cutoff, seed) = (self.params.cutoff, self.params.seed);
        let point = feasibility_jump(self.mip, cutoff, seed, jump_ticks(self.mip), budget);
        if budget.is_over() {
            return false;
        }
        if let Some(point) = &point {
            take_parts(self.parts, &mut self.known, point);
            self.offer_point(Technique::FeasibilityJump.name());
        }
        let effort = Effort {
            calls: 1,
            found: u64::from(point.is_some()),
            used: u64::from(self.carry.best.is_some()),
            ticks: budget.ticks() - before,
        };
        let progress = &mut self.carry.progress;
        progress.tally.add(Technique::FeasibilityJump, "", effort);
        if self.carry.best.is_none() {
            return true;
        }
        progress.steps += 1;
        self.listener.step(progress)
    }

    /// Turns until all is solved.
    fn run(&mut self, budget: &mut Budget) -> Option<Ending> {
        let size = |k: usize| self.parts[k].mip.columns() + self.parts[k].mip.by_row.nonzeros();
        let mut order: Vec<usize> = (0..self.parts.len()).collect();
        order.sort_by_key(|&k| (size(k), k));
        let mut growth = 1_u64;
        while !order.is_empty() {
            let mut left = Vec::new();
            for (nth, &k) in order.iter().enumerate() {
                let is_last = nth + 1 == order.len() && left.is_empty();
                let limit = if is_last {
                    u64::MAX
                } else {
                    let entries = self.parts[k].mip.by_row.nonzeros() as u64;
                    growth.saturating_mul(LEAST_TICKS + TICKS_PER_ENTRY * entries)
                };
                match self.turn(k, limit, budget) {
                    Turn::Solved => {}
                    Turn::Limit => left.push(k),
                    Turn::End(ending) => return Some(ending),
                    Turn::Whole => return None,
                }
            }
            order = left;
            growth = growth.saturating_mul(GROWTH);
        }
        self.finish()
    }

    /// Searches part `k` for that many ticks at most.
    fn turn(&mut self, k: usize, limit: u64, budget: &mut Budget) -> Turn {
        let left = self.carry.tick_end.saturating_sub(budget.ticks());
        self.before = self.carry.progress.clone();
        self.at = k;
        let part = &self.parts[k];
        let known = &self.known[k];
        let params = SearchParams {
            techniques: self.params.techniques,
            seed: self.params.seed,
            nodes: self.params.nodes.saturating_sub(self.before.nodes),
            ticks: limit.min(left),
            memory: self.params.memory,
            starts: known.best.iter().map(|(_, x)| x.clone()).collect(),
            basis: (self.carry.basis.as_ref())
                .filter(|_| !known.is_based)
                .map(|basis| basis.part(&part.columns, &part.rows)),
            debug: self
                .carry
                .debug
                .as_ref()
                .filter(|debug| debug.len() == self.mip.columns())
                .map(|debug| part.part_of(debug)),
            ..SearchParams::default()
        };
        let end = search(&part.mip, &params, budget, self);
        self.note(&end.progress);
        match end.ending {
            _ if self.is_ended => Turn::End(Ending::Limit),
            Ending::Stopped => Turn::End(Ending::Stopped),
            Ending::Memory => Turn::End(Ending::Memory),
            Ending::Infeasible => Turn::End(self.carry.infeasible()),
            Ending::Exhausted if end.unresolved == 0 => {
                if self.known[k].best.is_none() {
                    return Turn::End(self.carry.infeasible());
                }
                Turn::Solved
            }
            Ending::Limit
                if budget.ticks() >= self.carry.tick_end
                    || self.carry.progress.nodes >= self.params.nodes =>
            {
                Turn::End(Ending::Limit)
            }
            Ending::Limit => Turn::Limit,
            Ending::Exhausted | Ending::UnboundedRelaxation | Ending::Trouble => Turn::Whole,
        }
    }

    /// All parts are solved: whether that settles the whole.
    fn finish(&mut self) -> Option<Ending> {
        let point = self.point()?;
        let objective = self.mip.objective(&point);
        let scale = |z: f64| tol::OPTIMAL_GAP / 2.0 * z.abs().max(1.0);
        match self.carry.best {
            Some(best) if best <= objective + scale(objective) => {
                let gap = best - self.bound();
                (gap <= scale(best - self.params.origin)).then_some(Ending::Exhausted)
            }
            _ => (objective >= self.params.cutoff).then_some(Ending::Exhausted),
        }
    }

    /// Takes over the counters and the bound of the part's search.
    fn note(&mut self, progress: &Progress) {
        let known = &mut self.known[self.at];
        known.bound = known.bound.max(progress.bound);
        let bound = self.bound();
        let total = &mut self.carry.progress;
        total.steps = self.before.steps + progress.steps;
        total.nodes = self.before.nodes + progress.nodes;
        total.lp_iterations = progress.lp_iterations;
        total.open = progress.open;
        total.bound = total.bound.max(bound);
        total.tally = self.before.tally.clone();
        total.tally.absorb(&progress.tally);
    }

    /// Proved bound of the whole.
    fn bound(&self) -> f64 {
        let mut bound = self.mip.offset;
        for known in &self.known {
            bound += known.bound - tol::BOUND_SAFETY * known.bound.abs().max(1.0);
        }
        if !bound.is_finite() {
            return f64::NEG_INFINITY;
        }
        if let Some(lattice) = self.lattice {
            bound = lattice.round_up(bound);
        }
        let best = self.carry.best.unwrap_or(f64::INFINITY);
        settled(bound, best).min(best)
    }

    /// The point of the whole that the parts' best make.
    fn point(&self) -> Option<Vec<f64>> {
        let mut point = vec![0.0; self.mip.columns()];
        for (part, known) in self.parts.iter().zip(&self.known) {
            let (_, x) = known.best.as_ref()?;
            for (&j, &value) in part.columns.iter().zip(x) {
                point[j as usize] = value;
            }
        }
        Some(point)
    }

    /// Offers the parts' best, once every part has one.
    fn offer_point(&mut self, source: &'static str) {
        if let Some(point) = self.point()
            && let Some(objective) = self.listener.offer(&point, source)
        {
            let best = self.carry.best.unwrap_or(f64::INFINITY);
            self.carry.best = Some(best.min(objective));
        }
    }
}

/// Takes the parts of a point of the whole that are feasible.
fn take_parts(parts: &[Component], known: &mut [Known], point: &[f64]) {
    for (part, known) in parts.iter().zip(known) {
        let x = part.part_of(point);
        if part.mip.is_feasible(&x) {
            known.take(part.mip.objective(&x), &x);
        }
    }
}

/// What became of a turn.
enum Turn {
    Solved,
    Limit,
    /// The search is over.
    End(Ending),
    /// The whole must be searched.
    Whole,
}

impl Known {
    /// Takes a point if it is better; whether it was.
    fn take(&mut self, objective: f64, x: &[f64]) -> bool {
        let is_better = self.best.as_ref().is_none_or(|(best, _)| objective < *best);
        if is_better {
            self.best = Some((objective, x.to_vec()));
        }
        is_better
    }
}

impl Listener for Whole<'_> {
    fn offer(&mut self, x: &[f64], source: &'static str) -> Option<f64> {
        let part = &self.parts[self.at].mip;
        if !part.is_feasible(x) {
            return None;
        }
        let objective = part.objective(x);
        if self.known[self.at].take(objective, x) {
            self.offer_point(source);
        }
        Some(objective)
    }

    fn step(&mut self, progress: &Progress) -> bool {
        self.note(progress);
        self.is_ended = !self.listener.step(&self.carry.progress);
        !self.is_ended
    }

    fn root_basis(&mut self, basis: &Basis) {
        let known = &mut self.known[self.at];
        if self.carry.restarts == 0 && !known.is_based {
            known.is_based = true;
            let part = &self.parts[self.at];
            self.basis.take_part(basis, &part.columns, &part.rows);
            self.listener.root_basis(&self.basis);
        }
    }

    fn root_solved(&mut self) {
        let known = &mut self.known[self.at];
        if !known.is_rooted {
            known.is_rooted = true;
            if self.known.iter().all(|known| known.is_rooted) {
                self.listener.root_solved();
            }
        }
    }
}
