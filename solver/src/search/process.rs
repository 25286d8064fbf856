//! One node: propagation, relaxation, fixing by reduced costs, branching.
//!
//! **Reduced costs.** With a relaxation's bound b, reduced cost d_j > 0 and
//! limit z on what is of interest, a point with objective below z has
//!
//! ```text
//! x_j <= l_j + (z - b) / d_j        (d_j < 0:  x_j >= u_j + (z - b) / d_j)
//! ```
//!
//! since moving x_j from the bound at which the proof of b puts it costs d_j a
//! unit.
//!
//! **Integral relaxations** are offered as points. If the point is refused
//! (rounding its integers broke a row), or what was taken in its place is
//! worse than the relaxation, the node is not settled: it is branched on an
//! integer column that still has a choice.

use std::sync::Arc;

use super::Ending;
use super::node::{Decision as Bound, Node, Origin, Path};
use super::tree::Tree;
use crate::branching::{Decision, Scope, Side, most_fractional};
use crate::lp::{Basis, LpLimits, LpStatus, VarStatus};
use crate::propagation::Reason;
use crate::sparse::index;
use crate::tally::Effort;
use crate::technique::Technique;
use crate::tol;
use crate::work::Budget;

/// Least |reduced cost| that fixes.
const REDUCED_COST: f64 = 1e-7;

/// Relative to max(1, |objective|): how far may a point's objective be from
/// its relaxation's and still settle the node?
const SETTLED: f64 = 1e-6;

/// Distance from an integer that is round-off alone.
const ROUND_OFF: f64 = 1e-11;

/// How often a node's relaxation is solved again after bounds were tightened.
const RESOLVES: u32 = 30;

/// Levels of magnitude beyond which an integer domain is split at the
/// relaxation's value or zero, not in the middle.
const WIDE: f64 = 1e9;

/// The relaxation of a node.
pub(super) enum Relaxed {
    /// Nothing of interest is left; proved with that bound.
    Pruned(f64),
    /// Solved, with that bound; `x` and `fractional` of the tree are set.
    Open(f64),
    /// Could not be solved.
    Unsolved,
}

/// The bound (and side) that reduced cost `d` puts on an integer column with
/// these bounds when the objective may still rise by `gap`, if it tightens.
pub(super) fn reduced_cost_bound(d: f64, lower: f64, upper: f64, gap: f64) -> Option<(bool, f64)> {
    if d > REDUCED_COST && lower.is_finite() {
        let value = lower + gap / d;
        (value < upper - tol::FEASIBILITY).then_some((true, value))
    } else if d < -REDUCED_COST && upper.is_finite() {
        let value = upper + gap / d;
        (value > lower + tol::FEASIBILITY).then_some((false, value))
    } else {
        None
    }
}

impl Tree<'_> {
    /// Solves a node; the child to go on with.
    pub(super) fn process(
        &mut self,
        mut node: Node,
        budget: &mut Budget,
    ) -> Result<Option<Node>, Ending> {
        self.current_bound = node.bound;
        if node.bound >= self.limit {
            self.finish(node.bound);
            return Ok(None);
        }
        let is_warm = self.stands_at_parent(node.path.as_ref());
        let is_alive = self.activate(node.path.as_ref(), budget);
        budget.spend_entries(10);
        if budget.is_over() {
            return Err(Ending::Stopped);
        }
        if !is_alive {
            self.learn_from_propagation(budget);
            self.prune(&node, self.limit, "propagation");
            return Ok(None);
        }
        if !is_warm && let Some(basis) = &node.basis {
            self.restore_basis(basis);
        }
        self.sync_bounds();
        for resolve in 0..=RESOLVES {
            match self.relax(node.bound, budget)? {
                Relaxed::Pruned(bound) => {
                    self.learn_from_relaxation(budget);
                    self.prune(&node, bound, "relaxation");
                    return Ok(None);
                }
                Relaxed::Unsolved => return Ok(self.branch_anywhere(&node)),
                Relaxed::Open(bound) => {
                    node.bound = bound;
                    self.current_bound = bound;
                }
            }
            if resolve == 0 {
                self.observe_gain(&node);
            }
            if self.fractional.is_empty() {
                return Ok(self.settle(&node));
            }
            if self.fix_by_reduced_costs() {
                if !self.propagate(budget) || !self.share_bounds(budget) {
                    self.learn_from_propagation(budget);
                    self.prune(&node, self.limit, "reduced costs");
                    return Ok(None);
                }
                if self.leaves_domain() {
                    self.sync_bounds();
                    continue;
                }
            }
            self.sync_bounds();
            if resolve == 0 && node.path.is_some() {
                self.heuristics_at_node(budget)?;
                if node.bound >= self.limit {
                    self.finish(node.bound);
                    return Ok(None);
                }
                match self.separate_at_node(node.bound, budget)? {
                    Relaxed::Pruned(bound) => {
                        self.prune(&node, bound, "cuts");
                        return Ok(None);
                    }
                    Relaxed::Unsolved => return Ok(self.branch_anywhere(&node)),
                    Relaxed::Open(bound) => {
                        node.bound = bound;
                        self.current_bound = bound;
                        if self.fractional.is_empty() {
                            return Ok(self.settle(&node));
                        }
                    }
                }
            }
            match self.choose(budget) {
                Decision::Stopped => return Err(Ending::Stopped),
                Decision::Infeasible => {
                    self.prune(&node, self.limit, "strong branching");
                    return Ok(None);
                }
                Decision::Tightened => {
                    if !self.propagate(budget) {
                        self.prune(&node, self.limit, "strong branching and propagation");
                        return Ok(None);
                    }
                    self.sync_bounds();
                }
                Decision::Branch {
                    column,
                    value,
                    down,
                    up,
                } => {
                    self.pseudocosts.observe_score(down, up);
                    return Ok(self.branch(&node, column, value.floor(), value, down, up));
                }
            }
        }
        Ok(self.branch_anywhere(&node))
    }

    pub(super) fn propagate(&mut self, budget: &mut Budget) -> bool {
        if self.params.techniques.has(Technique::Propagation) {
            let before = budget.ticks();
            let is_alive = self.domain.propagate(budget);
            let effort = Effort {
                calls: 1,
                ticks: budget.ticks() - before,
                ..Effort::default()
            };
            self.count(Technique::Propagation, effort);
            is_alive
        } else {
            !self.domain.is_infeasible()
        }
    }

    /// The node holds nothing of interest, proved with that bound by `what`.
    fn prune(&mut self, node: &Node, bound: f64, what: &str) {
        self.check_debug(what);
        self.finish(bound);
        self.note_pruned(node, true);
    }

    fn note_pruned(&mut self, node: &Node, is_pruned: bool) {
        if let Some(origin) = &node.origin {
            self.pseudocosts
                .observe_child(origin.column as usize, origin.side, is_pruned);
        }
    }

    /// Learns what the decision that made the node was worth.
    fn observe_gain(&mut self, node: &Node) {
        self.note_pruned(node, false);
        if let Some(origin) = &node.origin {
            let gain = self.lp.objective() - origin.objective;
            self.pseudocosts
                .observe(origin.column as usize, origin.side, origin.distance, gain);
        }
    }

    /// Solves the relaxation at the LP's bounds.
    pub(super) fn relax(&mut self, bound: f64, budget: &mut Budget) -> Result<Relaxed, Ending> {
        let mut limits = LpLimits {
            cutoff: self.lp_cutoff(),
            ..LpLimits::default()
        };
        let mut is_retry = false;
        loop {
            let (ticks, iterations) = (budget.ticks(), self.lp.iterations());
            let status = self.lp.solve(&limits, budget);
            self.relaxation_ticks += budget.ticks() - ticks;
            let iterations = self.lp.iterations().saturating_sub(iterations);
            self.node_iterations += iterations;
            self.resolves += 1;
            match status {
                LpStatus::Stopped => return Err(Ending::Stopped),
                LpStatus::Infeasible => return Ok(Relaxed::Pruned(self.limit)),
                LpStatus::Optimal => break,
                LpStatus::Cutoff if limits.cutoff.is_finite() => {
                    let proved = self.proved_bound(bound);
                    if proved >= self.limit {
                        return Ok(Relaxed::Pruned(proved));
                    }
                    limits.cutoff = f64::INFINITY;
                }
                LpStatus::Cutoff
                | LpStatus::IterationLimit
                | LpStatus::Unbounded
                | LpStatus::Trouble => {
                    if is_retry || budget.is_over() {
                        return Ok(Relaxed::Unsolved);
                    }
                    is_retry = true;
                    limits.cutoff = f64::INFINITY;
                    self.lp.set_basis(&slack_basis(&self.lp));
                }
            }
        }
        let proved = self.proved_bound(bound);
        if proved >= self.limit {
            return Ok(Relaxed::Pruned(proved));
        }
        self.x.clear();
        self.x.extend_from_slice(self.lp.x());
        self.fractional.clear();
        for (j, &value) in self.x.iter().enumerate() {
            if self.mip.integer[j] && (value - value.round()).abs() > tol::INTEGRALITY {
                self.fractional.push((j, value));
            }
        }
        budget.spend_entries(self.x.len());
        Ok(Relaxed::Open(proved))
    }

    /// What the LP's multipliers prove, or `bound` where that is better.
    pub(super) fn proved_bound(&mut self, bound: f64) -> f64 {
        let safe = self.lp.safe_bound(self.domain.lower(), self.domain.upper());
        self.lp_bound = safe + self.mip.offset;
        bound.max(self.lp_bound)
    }

    /// The relaxation is integral: takes its point. A node that this does not
    /// settle is branched.
    fn settle(&mut self, node: &Node) -> Option<Node> {
        let objective = self.lp.objective() + self.mip.offset;
        let mut is_settled = objective >= self.limit;
        if !is_settled {
            let mut point = self.x.clone();
            for (value, &integer) in point.iter_mut().zip(&self.mip.integer) {
                if integer {
                    *value = value.round();
                }
            }
            is_settled = self.offer(&point, "relaxation")
                && self
                    .carry
                    .best
                    .is_some_and(|best| best <= objective + SETTLED * objective.abs().max(1.0));
        }
        if is_settled || node.bound >= self.limit {
            self.finish(node.bound);
            return None;
        }
        self.branch_nearly_integral(node)
    }

    /// Branches on the integer column that is farthest from an integer, if
    /// only by less than the tolerance: rounding it may be what broke a row
    /// (x <= 10^6 z with z = 10^-6).
    fn branch_nearly_integral(&mut self, node: &Node) -> Option<Node> {
        let (lower, upper) = (self.domain.lower(), self.domain.upper());
        let mut farthest: Option<(f64, usize)> = None;
        for (j, &value) in self.x.iter().enumerate() {
            let distance = (value - value.round()).abs();
            if self.mip.integer[j]
                && lower[j] < upper[j]
                && distance > ROUND_OFF
                && farthest.is_none_or(|(known, _)| distance > known)
            {
                farthest = Some((distance, j));
            }
        }
        let Some((_, j)) = farthest else {
            return self.branch_anywhere(node);
        };
        let value = self.x[j];
        let floor = value.floor().clamp(lower[j], upper[j] - 1.0);
        self.fractional.clear();
        let next = self.branch(node, j, floor, value, 0.0, 0.0);
        next.map(|node| Node {
            origin: None,
            ..node
        })
    }

    /// Fixes integer columns by the relaxation's reduced costs; whether any
    /// bound moved. The gap is to what these very reduced costs prove: a
    /// better bound from elsewhere does not count.
    fn fix_by_reduced_costs(&mut self) -> bool {
        let gap = self.limit - self.lp_bound;
        if !gap.is_finite() || !self.params.techniques.has(Technique::ReducedCostFixing) {
            return false;
        }
        let mut moved = false;
        for (j, &d) in self.lp.reduced_costs().iter().enumerate() {
            if d.abs() <= REDUCED_COST || !self.mip.integer[j] {
                continue;
            }
            let (l, u) = (self.domain.lower()[j], self.domain.upper()[j]);
            if let Some((is_upper, value)) = reduced_cost_bound(d, l, u, gap) {
                let before = self.domain.trail().len();
                self.domain.tighten(j, is_upper, value, Reason::ReducedCost);
                moved |= self.domain.trail().len() > before;
            }
        }
        moved
    }

    /// Whether the relaxation's point left the domain.
    fn leaves_domain(&self) -> bool {
        let (lower, upper) = (self.domain.lower(), self.domain.upper());
        self.x
            .iter()
            .zip(lower.iter().zip(upper))
            .any(|(&x, (&l, &u))| x < l - tol::FEASIBILITY || x > u + tol::FEASIBILITY)
    }

    fn choose(&mut self, budget: &mut Budget) -> Decision {
        let objective = self.lp.objective();
        let cutoff = self.lp_cutoff();
        #[expect(clippy::cast_precision_loss, reason = "a mean")]
        let mean_iterations = self.node_iterations as f64 / self.resolves.max(1) as f64;
        let mut scope = Scope {
            lp: &mut self.lp,
            domain: &mut self.domain,
            pseudocosts: &mut self.pseudocosts,
            fractional: &self.fractional,
            objective,
            cutoff,
            mean_iterations,
            propagate: self.params.techniques.has(Technique::Propagation),
        };
        if !self.params.techniques.has(Technique::Reliability) {
            return most_fractional(&scope);
        }
        self.reliability
            .select(&mut scope, self.relaxation_ticks, self.root_ticks, budget)
    }

    /// Splits the node into x <= `floor` and x >= `floor + 1`; the child to go
    /// on with, the other left open.
    fn branch(
        &mut self,
        node: &Node,
        column: usize,
        floor: f64,
        value: f64,
        down: f64,
        up: f64,
    ) -> Option<Node> {
        let level = self.domain.level();
        let implied: Box<[Bound]> = if level == 0 {
            Box::new([])
        } else {
            self.domain.trail()[self.domain.level_start(level)..]
                .iter()
                .filter(|change| change.reason == Reason::Other)
                .map(|change| Bound {
                    column: change.column,
                    is_upper: change.is_upper,
                    value: change.new,
                })
                .collect()
        };
        let basis = Arc::new(self.node_basis());
        let objective = self.lp.objective();
        let relaxation = node.bound.max(objective + self.mip.offset);
        let rounding = self
            .pseudocosts
            .rounding_estimate(self.fractional.iter().copied());
        let own = self
            .pseudocosts
            .gain(column, Side::Down, value)
            .min(self.pseudocosts.gain(column, Side::Up, value));
        let rest = (rounding - own).max(0.0);
        let child = |side: Side| {
            let (bound, distance, gain) = match side {
                Side::Down => (
                    Bound {
                        column: index(column),
                        is_upper: true,
                        value: floor,
                    },
                    value - floor,
                    down,
                ),
                Side::Up => (
                    Bound {
                        column: index(column),
                        is_upper: false,
                        value: floor + 1.0,
                    },
                    floor + 1.0 - value,
                    up,
                ),
            };
            Node {
                bound: node.bound,
                estimate: relaxation + rest + if gain.is_finite() { gain } else { 0.0 },
                path: Some(Arc::new(Path {
                    parent: node.path.clone(),
                    depth: level + 1,
                    implied: implied.clone(),
                    decision: bound,
                })),
                basis: Some(Arc::clone(&basis)),
                origin: Some(Origin {
                    column: index(column),
                    side,
                    distance,
                    objective,
                }),
            }
        };
        // The side to which the column has moved since the root.
        let root = self.root_x.get(column).copied().unwrap_or(value);
        let is_up = if (value - root).abs() > tol::INTEGRALITY {
            value > root
        } else {
            value - floor > 0.5
        };
        let (first, second) = if is_up {
            (Side::Up, Side::Down)
        } else {
            (Side::Down, Side::Up)
        };
        let other = child(second);
        let next = child(first);
        self.leave(other);
        Some(next)
    }

    /// Branches on an integer column that still has a choice, where the
    /// relaxation does not tell which. Without one the node stays unsolved,
    /// its bound open.
    fn branch_anywhere(&mut self, node: &Node) -> Option<Node> {
        let (lower, upper) = (self.domain.lower(), self.domain.upper());
        let column = (0..self.mip.columns()).find(|&j| self.mip.integer[j] && lower[j] < upper[j]);
        let Some(j) = column else {
            self.finish(node.bound);
            self.carry.unresolved += 1;
            return None;
        };
        let (l, u) = (lower[j], upper[j]);
        let middle = if u - l < WIDE {
            l + ((u - l) / 2.0).floor()
        } else {
            self.x.get(j).map_or(0.0, |x| x.floor())
        };
        let floor = middle.clamp(l, u - 1.0);
        self.fractional.clear();
        let next = self.branch(node, j, floor, floor + 0.5, 0.0, 0.0);
        // Nothing is to be learned from it.
        next.map(|node| Node {
            origin: None,
            ..node
        })
    }
}

/// Every row basic, every column at the bound nearer to zero.
pub(super) fn slack_basis(lp: &crate::lp::Lp) -> Basis {
    let columns = lp
        .col_lower()
        .iter()
        .zip(lp.col_upper())
        .map(|(&l, &u)| match (l.is_finite(), u.is_finite()) {
            (true, true) if u.abs() < l.abs() => VarStatus::Upper,
            (true, _) => VarStatus::Lower,
            (false, true) => VarStatus::Upper,
            (false, false) => VarStatus::Free,
        })
        .collect();
    Basis {
        columns,
        rows: vec![VarStatus::Basic; lp.rows()],
    }
}
