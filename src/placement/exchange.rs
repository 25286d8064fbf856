//! The placement MIP for other solvers: the model with columns that have
//! names, and back from a point of it to the placement it stands for.
//!
//! The objective is the cost itself, in micro-CPU (the solver at home gets it
//! divided by its greatest common divisor). Containers are numbered from 0,
//! ascending by id, the pooled ones together as `@pool`; on an over-full host
//! the model is that of the relaxed problem ([`super::overfull`]).
//!
//! A point stands for a placement if its columns are whole numbers and the
//! rows hold. What breaks a rule of the host is said in its terms first; the
//! cost is worked out from the placement, never taken from the point.

use branchcut::check::{self, Refusal};
use branchcut::{Column, Model, ModelError};

use super::aggregated::Aggregated;
use super::cost::cost;
use super::counts::CellCounts;
use super::host_model::HostModels;
use super::labels::Labels;
use super::naive::Naive;
use super::place::{PlacementError, pose};
use super::problem::{LEVEL_NAMES, Problem};
use super::types::{CostParts, Instance, Placement};
use crate::cpuset::CpuSet;

/// Most coefficients of a thread-level model, estimated: about 200 MiB of text.
const MOST_COEFFICIENTS: usize = 8 << 20;

/// Which of the two models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModelKind {
    /// Counts per cell ([`super::aggregated`]).
    #[default]
    Aggregated,
    /// A column for each thread and container ([`super::naive`]).
    Naive,
}

/// Why there is no such model, or a point is no placement.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExchangeError {
    /// The instance cannot be placed at all.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// A core of threads that differ, or too many ways to share a core.
    #[error(
        "the aggregated model needs cores of like threads, and on cores of more than two few sets \
         of containers that may meet; use the naive model"
    )]
    NoCells,
    /// The thread-level model would be too large.
    #[error(
        "the naive model of {threads} threads and {containers} containers is too large to be written; \
         use the aggregated model"
    )]
    TooLarge {
        /// Offered threads.
        threads: usize,
        /// Containers of the problem.
        containers: usize,
    },
    /// A bug: the model cannot be built from its own parts.
    #[error("the model cannot be written: {0}")]
    Model(#[from] ModelError),
    /// A value that is not whole.
    #[error("column {column} is {value}; expected a whole number")]
    Fractional {
        /// The column's name.
        column: String,
        /// Its value.
        value: f64,
    },
    /// A container with more or fewer threads than it requests.
    #[error("container '{}' gets {given} threads; it requests {requested}", id.escape_debug())]
    Request {
        /// The container.
        id: String,
        /// Its threads in the point.
        given: usize,
        /// r_k.
        requested: usize,
    },
    /// A thread with several owners.
    #[error("CPU {cpu} has two owners, '{}' and '{}'", first.escape_debug(), second.escape_debug())]
    TwoOwners {
        /// The CPU.
        cpu: u32,
        /// One owner.
        first: String,
        /// Another.
        second: String,
    },
    /// The counts of a cell contradict each other.
    #[error("cell h{cell}: {reason}")]
    Cell {
        /// Its number.
        cell: usize,
        /// What does not go together.
        reason: String,
    },
    /// Counts that no placement has.
    #[error("{0}")]
    Counts(&'static str),
    /// Another rule of the model.
    #[error("it breaks the model: {}{refusal}", name.as_ref().map_or(String::new(), |n| format!("{n}: ")))]
    Refused {
        /// The row's or column's name.
        name: Option<String>,
        /// What is wrong.
        refusal: Refusal,
    },
}

/// A placement that a point stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// Base threads by container id.
    pub placement: Placement,
    /// What it costs, by cause.
    pub parts: CostParts,
    /// The point's own objective, micro-CPU; above the cost where the point is
    /// no optimum and says more than the placement needs.
    pub objective: f64,
    /// Threads that left their previous base sets.
    pub moved_threads: u32,
}

/// The model of an instance.
#[derive(Clone, Debug)]
pub struct Exchange {
    problem: Problem,
    form: Form,
    model: Model,
}

#[derive(Clone, Debug)]
enum Form {
    Aggregated(Box<Aggregated>),
    Naive(Box<Naive>),
}

impl Exchange {
    /// Builds the model of `instance` on its online CPUs without `unavailable`.
    ///
    /// # Errors
    /// If the instance cannot be placed, or has no such model.
    pub fn new(
        instance: &Instance,
        unavailable: &CpuSet,
        kind: ModelKind,
    ) -> Result<Self, ExchangeError> {
        let problem = pose(instance, unavailable, &mut HostModels::default())?.problem;
        let (form, model) = match kind {
            ModelKind::Aggregated => {
                let form = Aggregated::build(&problem, &[]).ok_or(ExchangeError::NoCells)?;
                let scale = (form.constant, form.divisor);
                let labels = Labels::numbers(&problem, &form.classes);
                let model = named(&form.model, scale, form.names(&labels))?;
                (Form::Aggregated(Box::new(form)), model)
            }
            ModelKind::Naive => {
                check_size(&problem)?;
                let form = Naive::build(&problem);
                let scale = (form.constant, form.divisor);
                let labels = Labels::numbers(&problem, &[]);
                let model = named(&form.model, scale, form.names(&problem, &labels))?;
                (Form::Naive(Box::new(form)), model)
            }
        };
        Ok(Self {
            problem,
            form,
            model,
        })
    }

    /// The model; its objective is the cost in micro-CPU.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What the numbers in the columns' names stand for, a line each.
    #[must_use]
    pub fn legend(&self) -> Vec<String> {
        let problem = &self.problem;
        let containers = problem.containers.iter().enumerate();
        let mut lines: Vec<String> = containers
            .map(|(k, c)| format!("k{k}  container {}", c.id.escape_debug()))
            .collect();
        if let Form::Aggregated(form) = &self.form {
            for (h, cell) in form.cells.iter().enumerate() {
                let threads = cell.cores.iter().flat_map(|&core| &problem.cores[core]);
                let cpus: CpuSet = threads.map(|&t| problem.threads[t].cpu).collect();
                let cores = cell.cores.len();
                lines.push(format!(
                    "h{h}  cell of {cores} cores of {} threads: CPUs {cpus}",
                    cell.width
                ));
            }
        }
        for (name, level) in LEVEL_NAMES.iter().zip(&problem.levels) {
            for (g, group) in level.groups.iter().enumerate() {
                let cpus: CpuSet = group
                    .threads
                    .iter()
                    .map(|&t| problem.threads[t].cpu)
                    .collect();
                lines.push(format!("{name}{g}  CPUs {cpus}"));
            }
        }
        lines
    }

    /// The placement that `point` stands for: one value a column, in order.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn import(&self, point: &[f64]) -> Result<Imported, ExchangeError> {
        let mut whole = Vec::with_capacity(point.len());
        for (column, &value) in self.model.columns().iter().zip(point) {
            let rounded = value.round();
            if !value.is_finite() || (value - rounded).abs() > branchcut::tol::INTEGRALITY {
                return Err(ExchangeError::Fractional {
                    column: column.name.clone(),
                    value,
                });
            }
            whole.push(rounded);
        }
        match &self.form {
            Form::Aggregated(form) => self.check_counts(form, &whole)?,
            Form::Naive(form) => self.check_threads(&form.assigned(&whole))?,
        }
        let checked = check::check(&self.model, &whole).map_err(|refusal| {
            let name = refusal.name(&self.model).map(ToOwned::to_owned);
            ExchangeError::Refused { name, refusal }
        })?;
        let owners = match &self.form {
            Form::Aggregated(form) => form
                .counts(&whole)
                .and_then(|counts| form.rebuild(&self.problem, &counts)),
            Form::Naive(form) => form.owners(&whole),
        };
        let owners = owners.filter(|owners| self.problem.is_complete(owners));
        let owners = owners.ok_or(ExchangeError::Counts(
            "the cores that keep previous owners (F, S, X, P) contradict the counts",
        ))?;
        Ok(Imported {
            placement: self.problem.placement(&owners),
            parts: cost(&self.problem, &owners),
            objective: checked.objective(),
            moved_threads: super::cost::moved_threads(&self.problem, &owners),
        })
    }

    /// The point of an assignment that breaks no rule of the model.
    #[cfg(test)]
    pub(super) fn point_of(&self, owners: &super::problem::Owners) -> Vec<f64> {
        match &self.form {
            Form::Naive(naive) => naive.point(&self.problem, owners),
            Form::Aggregated(form) => {
                let counts =
                    super::counts::count(&self.problem, &form.cells, &form.classes, owners);
                form.point(&self.problem, &counts)
            }
        }
    }

    fn check_requests(&self, given: impl Fn(usize) -> usize) -> Result<(), ExchangeError> {
        for (k, container) in self.problem.containers.iter().enumerate() {
            if given(k) != container.request {
                return Err(ExchangeError::Request {
                    id: container.id.clone(),
                    given: given(k),
                    requested: container.request,
                });
            }
        }
        Ok(())
    }

    fn check_threads(&self, has: &[Vec<bool>]) -> Result<(), ExchangeError> {
        let id = |k: usize| self.problem.containers[k].id.clone();
        for (thread, row) in self.problem.threads.iter().zip(has) {
            let mut owners = (0..row.len()).filter(|&k| row[k]);
            if let (Some(first), Some(second)) = (owners.next(), owners.next()) {
                return Err(ExchangeError::TwoOwners {
                    cpu: thread.cpu.0,
                    first: id(first),
                    second: id(second),
                });
            }
        }
        self.check_requests(|k| has.iter().filter(|row| row[k]).count())
    }

    fn check_counts(&self, form: &Aggregated, point: &[f64]) -> Result<(), ExchangeError> {
        let refused = |cell, reason: &str| ExchangeError::Cell {
            cell,
            reason: reason.to_owned(),
        };
        let counts = form.counts(point).ok_or(ExchangeError::Counts(
            "a count is negative, whole and shared cores (2 f + m) exceed the threads n, or the \
             parts of a wide cell do not fit its cores",
        ))?;
        self.check_requests(|k| counts.iter().map(|cell| cell.threads(k)).sum())?;
        for (h, (cell, counts)) in form.cells.iter().zip(&counts).enumerate() {
            let CellCounts {
                whole,
                lone,
                shared,
                ..
            } = counts;
            let stubs: usize = shared.iter().sum();
            let mut of_set = vec![0; shared.len()];
            for (&set, &m) in form.core_sets.iter().zip(shared) {
                of_set[set] += m;
            }
            if stubs % 2 == 1 || of_set.iter().any(|&m| 2 * m > stubs) {
                let reason = "threads on shared cores (m) cannot be paired between containers";
                return Err(refused(h, reason));
            }
            let used = whole.iter().chain(lone).sum::<usize>() + stubs / 2;
            let cores = cell.cores.len();
            if used > cores {
                return Err(refused(
                    h,
                    &format!("{used} cores are used, it has {cores}"),
                ));
            }
        }
        Ok(())
    }
}

fn check_size(problem: &Problem) -> Result<(), ExchangeError> {
    let (threads, containers) = (problem.threads.len(), problem.containers.len());
    let siblings: usize = problem.cores.iter().map(|c| c.len() * (c.len() - 1)).sum();
    // Two rows for each ordered pair of siblings and container.
    let coefficients = 2 * siblings * containers * (containers + 2);
    if coefficients > MOST_COEFFICIENTS {
        return Err(ExchangeError::TooLarge {
            threads,
            containers,
        });
    }
    Ok(())
}

/// `model` with its columns named and the cost as its objective.
fn named(
    model: &Model,
    (constant, divisor): (i64, i64),
    names: Vec<String>,
) -> Result<Model, ModelError> {
    let mut out = Model::new(model.sense);
    out.name = "placement".into();
    out.offset = constant as f64;
    for (column, name) in model.columns().iter().zip(names) {
        out.add_column(Column {
            name,
            cost: column.cost * divisor as f64,
            ..column.clone()
        })?;
    }
    for row in model.rows() {
        out.add_row(row.clone())?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
