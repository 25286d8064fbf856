//! Reductions before the search, and the stack that undoes them.
//!
//! Rows and columns wait in queues while something about them has changed; each
//! look at one tries the reductions of [`rows`], [`columns`] and
//! [`substitute`]. Once both queues are empty, the reductions that compare
//! whole vectors run, and what they change is queued again, until nothing much
//! changes or the effort limit is met.
//!
//! Every reduction keeps the optimum; those under
//! [`Technique::DualReductions`] and [`Technique::Dominated`] may cut off
//! optimal points, never all of them. Restoring keeps feasibility within the
//! tolerances and the objective. Sources are named with each technique.

mod arithmetic;
mod cliques;
mod columns;
mod dominated;
mod integers;
mod lines;
mod parallel;
mod postsolve;
mod probing;
mod rows;
mod state;
mod substitute;
#[cfg(test)]
mod tests;

pub(crate) use postsolve::Postsolve;

use crate::mip::Mip;
use crate::sparse::index;
use crate::technique::{Technique, Techniques};
use crate::work::Budget;

use state::{State, Step, Stop};

/// What became of a problem.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "made once a solve and taken apart at once"
)]
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
    pub(crate) log: Vec<(Technique, &'static str, u64)>,
}

macro_rules! counts {
    ($($variant:ident = $technique:ident, $name:literal;)*) => {
        /// A reduction that is counted.
        #[derive(Clone, Copy, Debug)]
        enum Count { $($variant,)* }

        impl Count {
            const ALL: &'static [(Self, Technique, &'static str)] =
                &[$((Self::$variant, Technique::$technique, $name),)*];
        }
    };
}

counts! {
    EmptyRow = Presolve, "empty rows";
    SingletonRow = Presolve, "singleton rows";
    RedundantRow = Presolve, "redundant rows";
    RedundantSide = Presolve, "redundant sides";
    ForcingRow = Presolve, "forcing rows";
    Bound = Presolve, "bounds";
    Coefficient = CoefficientTightening, "coefficients";
    RoundedSide = Presolve, "rounded sides";
    FixedColumn = Presolve, "fixed columns";
    EmptyColumn = Presolve, "empty columns";
    DualFixing = DualReductions, "dual fixings";
    Unlocked = DualReductions, "unlocked columns";
    DualSide = DualReductions, "dual sides";
    Slack = Substitution, "slack columns";
    Doubleton = Substitution, "doubleton equations";
    ImpliedFree = Substitution, "implied free columns";
    ParallelRow = Parallel, "parallel rows";
    ParallelColumn = Parallel, "parallel columns";
    Dominated = Dominated, "dominated columns";
    ImpliedInteger = Presolve, "implied integers";
    ProbingFixed = Probing, "probing fixings";
    ProbingBound = Probing, "probing bounds";
    ProbingEqual = Probing, "probing equalities";
    Clique = CliqueMerging, "clique rows";
    CliqueFixed = CliqueMerging, "clique fixings";
}

/// How often each reduction was applied.
#[derive(Clone, Debug, Default)]
struct Log([u64; Count::ALL.len()]);

impl Log {
    fn add(&mut self, count: Count) {
        self.0[count as usize] += 1;
    }

    /// Rows, columns and entries that went or changed, roughly.
    fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    fn entries(&self) -> Vec<(Technique, &'static str, u64)> {
        Count::ALL
            .iter()
            .map(|&(count, technique, name)| (technique, name, self.0[count as usize]))
            .filter(|&(.., times)| times > 0)
            .collect()
    }
}

/// Ticks that presolve may use, for each entry of the problem and in all.
const TICKS_PER_ENTRY: u64 = 60;
const LEAST_TICKS: u64 = 200_000;

/// Most rounds over everything.
const ROUNDS: usize = 12;

/// A round in which fewer reductions than this share of the columns (1 in so
/// many) applied is the last one.
const LEAST_SHARE: u64 = 500;

/// Reduces `mip` by the techniques that are on.
pub(crate) fn presolve(mip: &Mip, techniques: Techniques, budget: &mut Budget) -> Presolved {
    let mut state = State::new(mip, techniques, budget);
    let result = if techniques.has(Technique::Presolve) {
        let entries = mip.by_row.nonzeros() + mip.rows() + mip.columns();
        state.tick_limit = state.budget.ticks() + LEAST_TICKS + TICKS_PER_ENTRY * entries as u64;
        run(&mut state)
    } else {
        crossed(&state)
    };
    match result {
        Ok(()) => {
            let (reduced, columns) = state.snapshot();
            let rows = (0..mip.rows()).filter(|&i| state.is_row[i]);
            let rows = rows.map(index).collect();
            state.postsolve.set_kept(columns, rows);
            Presolved::Reduced(Reduced {
                mip: reduced,
                postsolve: std::mem::take(&mut state.postsolve),
                log: state.log.entries(),
            })
        }
        Err(Stop::Infeasible) => Presolved::Infeasible,
        Err(Stop::UnboundedOrInfeasible) => Presolved::UnboundedOrInfeasible,
        Err(Stop::Over) => Presolved::Stopped,
    }
}

/// Bounds or sides that exclude each other, beyond the tolerances.
fn crossed(state: &State<'_>) -> Step {
    let columns = state.lower.iter().zip(&state.upper);
    let rows = state.row_lower.iter().zip(&state.row_upper);
    for (&lower, &upper) in columns.chain(rows) {
        if lower > upper && lower - upper > state::violation(upper) {
            return Err(Stop::Infeasible);
        }
    }
    Ok(())
}

fn run(state: &mut State<'_>) -> Step {
    crossed(state)?;
    compare(state)?;
    if state.has(Technique::Probing) && !state.is_exhausted() {
        let before = state.log.total();
        probing::probe(state)?;
        if state.log.total() > before {
            compare(state)?;
        }
    }
    if state.has(Technique::CliqueMerging) && !state.is_exhausted() {
        let before = state.log.total();
        cliques::merge(state)?;
        if state.log.total() > before {
            compare(state)?;
        }
    }
    integers::declare(state)?;
    settle(state)
}

/// Rounds of looking at single and comparing whole rows and columns.
fn compare(state: &mut State<'_>) -> Step {
    for _ in 0..ROUNDS {
        let before = state.log.total();
        settle(state)?;
        if state.is_exhausted() {
            break;
        }
        if state.has(Technique::Parallel) {
            parallel::rows(state)?;
            parallel::columns(state)?;
        }
        if state.has(Technique::Dominated) {
            dominated::columns(state)?;
        }
        // On large problems a round must be worth its cost.
        let least = 1 + state.is_column.len() as u64 / LEAST_SHARE;
        if state.log.total() < before + least {
            break;
        }
    }
    settle(state)
}

/// Looks at rows and columns until none waits.
fn settle(state: &mut State<'_>) -> Step {
    let (mut row, mut column) = (Vec::new(), Vec::new());
    while !state.row_queue.is_empty() || !state.column_queue.is_empty() {
        for i in state.row_queue.take() {
            let i = i as usize;
            state.row_queue.leave(i);
            if state.is_row[i] && !state.is_exhausted() {
                state.reduce_row(i, &mut row)?;
            }
        }
        for j in state.column_queue.take() {
            let j = j as usize;
            state.column_queue.leave(j);
            if state.is_column[j] && !state.is_exhausted() {
                state.reduce_column(j, &mut column, &mut row)?;
            }
        }
        if state.row_queue.is_empty() && state.has(Technique::Substitution) {
            substitutions(state, &mut row)?;
        }
    }
    Ok(())
}

/// Substitutes by equations; what changes is queued.
fn substitutions(state: &mut State<'_>, row: &mut Vec<lines::Entry>) -> Step {
    for i in 0..state.is_row.len() {
        if state.is_row[i] && !state.is_exhausted() {
            state.substitute_by(i, row)?;
        }
    }
    Ok(())
}
