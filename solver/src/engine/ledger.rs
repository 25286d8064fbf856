//! What a solve has so far, and whether that is enough: incumbent, dual bound,
//! counters, and the stopping rules that do not depend on the clock.

use crate::check::Checked;
use crate::model::{Model, Sense};
use crate::options::Options;
use crate::outcome::{self, Counters, Status};
use crate::tol;

/// The clock-free limits of a solve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) work: u64,
    pub(super) nodes: u64,
    pub(super) lp_iterations: u64,
    pub(super) gap_relative: f64,
    pub(super) gap_absolute: f64,
    pub(super) cutoff: Option<f64>,
}

impl Limits {
    pub(super) fn of(options: &Options) -> Self {
        Self {
            work: options.work_limit.unwrap_or(u64::MAX),
            nodes: options.node_limit.unwrap_or(u64::MAX),
            lp_iterations: options.lp_iteration_limit.unwrap_or(u64::MAX),
            // A NaN gap is no gap.
            gap_relative: options.gap_relative.max(0.0),
            gap_absolute: options.gap_absolute.max(0.0),
            cutoff: options.cutoff,
        }
    }
}

/// Incumbent, bound and counters; objective values in the caller's sense.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    sense: Sense,
    limits: Limits,
    incumbent: Option<Checked>,
    bound: Option<f64>,
    pub(super) counters: Counters,
}

impl Ledger {
    pub(super) fn new(model: &Model, limits: Limits) -> Self {
        Self {
            sense: model.sense,
            limits,
            incumbent: None,
            bound: None,
            counters: Counters::default(),
        }
    }

    /// Whether objective `a` is strictly better than `b`.
    fn is_better(&self, a: f64, b: f64) -> bool {
        match self.sense {
            Sense::Minimize => a < b,
            Sense::Maximize => a > b,
        }
    }

    pub(super) fn incumbent(&self) -> Option<&Checked> {
        self.incumbent.as_ref()
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether `objective` is of interest at all.
    pub(super) fn beats_cutoff(&self, objective: f64) -> bool {
        self.limits
            .cutoff
            .is_none_or(|cutoff| self.is_better(objective, cutoff))
    }

    /// Takes the point if it is better than what is there and the cutoff.
    pub(super) fn offer(&mut self, checked: Checked) -> bool {
        let objective = checked.objective();
        let improves = self
            .incumbent
            .as_ref()
            .is_none_or(|best| self.is_better(objective, best.objective()));
        let taken = improves && self.beats_cutoff(objective);
        if taken {
            self.incumbent = Some(checked);
            self.clamp_bound();
        }
        taken
    }

    /// Takes the bound if it is tighter than the one that is there, as far as
    /// the incumbent allows.
    pub(super) fn raise(&mut self, bound: f64) -> bool {
        let known = self.bound;
        let is_tighter = !bound.is_nan() && known.is_none_or(|known| self.is_better(known, bound));
        if is_tighter {
            self.bound = Some(bound);
            self.clamp_bound();
        }
        self.bound != known
    }

    /// A feasible point's objective is a bound that no valid dual bound
    /// passes, but by round-off.
    fn clamp_bound(&mut self) {
        if let (Some(best), Some(bound)) = (&self.incumbent, self.bound)
            && self.is_better(best.objective(), bound)
        {
            self.bound = Some(best.objective());
        }
    }

    pub(super) fn bound(&self) -> Option<f64> {
        self.bound
    }

    /// Whether incumbent and bound are close enough, and what that is called.
    pub(super) fn gap_verdict(&self) -> Option<Status> {
        let (objective, bound) = (self.incumbent.as_ref()?.objective(), self.bound?);
        let gap = outcome::relative_gap(objective, bound);
        if gap <= self.limits.gap_relative.min(tol::OPTIMAL_GAP) {
            Some(Status::Optimal)
        } else if gap <= self.limits.gap_relative
            || (objective - bound).abs() <= self.limits.gap_absolute
        {
            Some(Status::GapReached)
        } else {
            None
        }
    }

    /// Whether incumbent and bound differ by round-off alone, as they may where
    /// nothing is left to search: a gap relative to an objective of nearly zero
    /// says nothing.
    pub(super) fn is_closed(&self) -> bool {
        self.incumbent
            .as_ref()
            .zip(self.bound)
            .is_some_and(|(best, bound)| {
                let objective = best.objective();
                (objective - bound).abs() <= tol::OPTIMAL_GAP * objective.abs().max(1.0)
            })
    }

    /// Whether the solve may end here, whatever the clock says.
    pub(super) fn verdict(&self) -> Option<Status> {
        if let Some(status) = self.gap_verdict() {
            return Some(status);
        }
        if self.incumbent.is_none()
            && let (Some(cutoff), Some(bound)) = (self.limits.cutoff, self.bound)
            && !self.is_better(bound, cutoff)
        {
            return Some(Status::Infeasible);
        }
        if self.counters.nodes >= self.limits.nodes {
            return Some(Status::NodeLimit);
        }
        if self.counters.lp_iterations >= self.limits.lp_iterations {
            return Some(Status::IterationLimit);
        }
        (self.counters.work >= self.limits.work).then_some(Status::TimeLimit)
    }

    pub(super) fn into_parts(self) -> (Option<Checked>, Option<f64>, Counters) {
        (self.incumbent, self.bound, self.counters)
    }
}
