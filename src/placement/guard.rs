//! Guardrails: what is done with what a search found, and what is said of it.

use super::problem::{Owners, Problem};
use super::search::Search;
use super::types::{SolveSettings, Status};

/// Relative gap up to which an answer counts as proved.
const PROVED_GAP: f64 = 1e-6;

/// What is to be done, after the guardrails.
pub(super) struct Found {
    pub(super) status: Status,
    pub(super) reasons: Vec<String>,
    pub(super) lower_bound: i64,
    pub(super) owners: Vec<Option<u32>>,
}

/// Whether the answer of a search stands, and why.
pub(super) fn guard(problem: &Problem, settings: &SolveSettings, search: &Search) -> Found {
    let gap = relative_gap(search.cost, search.lower_bound);
    let yardstick = search.greedy_cost.min(search.keep_cost);
    let mut reasons = Vec::new();
    let mut status =
        if gap <= settings.gap_stop.min(PROVED_GAP) || search.cost == search.lower_bound {
            Status::Optimal
        } else if gap <= settings.gap_stop {
            reasons.push(format!(
                "the search stopped at a gap of {}, within the {} asked for",
                percent(gap),
                percent(settings.gap_stop)
            ));
            Status::GapReached
        } else if search.cost < yardstick {
            reasons.push(format!(
                "the budget ended the search at a gap of {}",
                percent(gap)
            ));
            Status::TimeLimit
        } else {
            let which = if search.keep_cost <= search.greedy_cost {
                "keeping everything and fitting in what is new"
            } else {
                "greedy best fit"
            };
            reasons.push(format!(
                "nothing better than {which} was found within the budget (gap {})",
                percent(gap)
            ));
            Status::Fallback
        };
    reasons.extend(search.trouble.clone());
    let mut owners = search.owners.clone();
    if let Some(reason) = refusal(problem, settings, search, gap) {
        status = Status::Kept;
        reasons.insert(0, reason);
        owners.clone_from(&search.keep);
    }
    Found {
        status,
        reasons,
        lower_bound: search.lower_bound,
        owners,
    }
}

/// Why a guardrail keeps the old placement; none if none does.
fn refusal(
    problem: &Problem,
    settings: &SolveSettings,
    search: &Search,
    gap: f64,
) -> Option<String> {
    let moved = |owners: &Owners| super::cost::moved_threads(problem, owners);
    let (plan, kept) = (moved(&search.owners), moved(&search.keep));
    if let Some(refuse) = settings.gap_refuse
        && gap > refuse.max(PROVED_GAP)
    {
        return Some(format!(
            "the old placement is kept: a gap of {} is above the {} allowed (solve.gap_refuse)",
            percent(gap),
            percent(refuse)
        ));
    }
    // What keeping moves has to move: its request or the host changed.
    if plan <= kept {
        return None;
    }
    if let Some(most) = settings.max_moves
        && plan > most
    {
        return Some(format!(
            "the old placement is kept: the plan moves {plan} threads, {most} are allowed a round \
             (solve.max_moves)"
        ));
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "costs stay below 2^53, see `Problem`"
    )]
    let gain = (search.keep_cost - search.cost) as f64;
    (gain < settings.least_gain).then(|| {
        format!(
            "the old placement is kept: moving gains {} CPU, less than the {} CPU asked for \
             (solve.least_gain)",
            gain / 1e6,
            settings.least_gain / 1e6
        )
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "costs stay below 2^53, see `Problem`"
)]
fn relative_gap(cost: i64, bound: i64) -> f64 {
    (cost - bound) as f64 / cost.max(1) as f64
}

fn percent(part: f64) -> String {
    format!("{:.2} %", part * 100.0)
}
