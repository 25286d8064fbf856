//! `plan --export` and `--import-solution`: the placement MIP for other
//! solvers, and what their solutions are worth.

use std::io::Write;
use std::path::Path;

use branchcut::io;
use serde::Serialize;

use super::args::{ExchangeArgs, ModelForm};
use super::exit::{self, Failure};
use super::plan::summary;
use super::render;
use super::subject::Subject;
use crate::error::chain;
use crate::placement::{CostParts, Exchange, ExchangeError, Imported, ModelKind, PlanReport};
use crate::report::{display_name, escape_name};

pub(super) fn run(
    subject: &Subject,
    arguments: &ExchangeArgs,
    json: bool,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let kind = match arguments.model {
        Some(ModelForm::Naive) => ModelKind::Naive,
        Some(ModelForm::Aggregated) | None => ModelKind::Aggregated,
    };
    let exchange = Exchange::new(&subject.instance, &subject.unavailable, kind)
        .map_err(|e| Failure::bad_input(format_args!("{}: {}", subject.name, chain(&e))))?;
    if let Some(file) = &arguments.export {
        export(&exchange, file, json, out)
    } else if let Some(file) = &arguments.import_solution {
        import(subject, &exchange, file, json, out)
    } else {
        Ok(exit::DONE)
    }
}

/// What was exported.
#[derive(Serialize)]
struct Exported<'a> {
    schema: &'static str,
    file: &'a str,
    rows: usize,
    columns: usize,
    legend: Vec<String>,
}

fn export(
    exchange: &Exchange,
    file: &Path,
    json: bool,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let name = escape_name(file.as_os_str().as_encoded_bytes());
    let model = exchange.model();
    io::write_path(model, file)
        .map_err(|e| Failure::bad_input(format_args!("cannot write the model {name}: {e}")))?;
    let done = Exported {
        schema: "export/1",
        file: &name,
        rows: model.rows().len(),
        columns: model.columns().len(),
        legend: exchange.legend(),
    };
    if json {
        return print_json(&done, out);
    }
    writeln!(
        out,
        "{name}: {} rows, {} columns, all integer; minimise the cost in micro-CPU",
        done.rows, done.columns
    )?;
    write!(out, "{}", render::section("\nnames", &done.legend))?;
    Ok(exit::DONE)
}

/// A solution beside the plan.
#[derive(Serialize)]
struct Judged<'a> {
    schema: &'static str,
    cost: i64,
    cost_parts: CostParts,
    /// What the file's point says of its own cost.
    objective: f64,
    moved_threads: u32,
    placement: std::collections::BTreeMap<&'a str, Vec<u32>>,
    ours: &'a PlanReport,
}

fn import(
    subject: &Subject,
    exchange: &Exchange,
    file: &Path,
    json: bool,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let name = escape_name(file.as_os_str().as_encoded_bytes());
    let point =
        io::read_solution(file, exchange.model()).map_err(|e| Failure::bad_input(chain(&e)))?;
    let theirs = exchange
        .import(&point)
        .map_err(|e: ExchangeError| Failure::bad_input(format_args!("{name}: {}", chain(&e))))?;
    let (placed, ours) = subject.plan(&subject.instance)?;
    if json {
        let cpus = |set: &crate::cpuset::CpuSet| set.iter().map(|cpu| cpu.0).collect();
        let sets = theirs.placement.iter();
        let judged = Judged {
            schema: "import/1",
            cost: theirs.parts.total(),
            cost_parts: theirs.parts,
            objective: theirs.objective,
            moved_threads: theirs.moved_threads,
            placement: sets.map(|(id, set)| (id.as_str(), cpus(set))).collect(),
            ours: &ours,
        };
        print_json(&judged, out)?;
    } else {
        print_beside(&name, &theirs, &ours, &placed.base, out)?;
    }
    let cost = theirs.parts.total();
    if cost < ours.lower_bound {
        return Err(Failure::new(
            exit::BUG,
            format_args!(
                "{name} costs {cost} micro-CPU, below the lower bound {} of the plan; please report this host and file",
                ours.lower_bound
            ),
        ));
    }
    Ok(exit::DONE)
}

fn print_beside(
    name: &str,
    theirs: &Imported,
    ours: &PlanReport,
    base: &crate::placement::Placement,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let cost = theirs.parts.total();
    #[expect(clippy::cast_precision_loss, reason = "costs stay below 2^53")]
    let gap = (cost - ours.lower_bound) as f64 / cost.max(1) as f64;
    let mut lines = vec![
        format!("the solution in {name}"),
        render::proof_line(cost, ours.lower_bound, gap),
        format!("paid for: {}", render::parts_line(&theirs.parts)),
        format!("{} threads move", theirs.moved_threads),
    ];
    #[expect(clippy::cast_precision_loss, reason = "costs stay below 2^53")]
    if theirs.objective - cost as f64 > 0.5 {
        lines.push(format!(
            "its point says {:.0} micro-CPU, more than its placement costs",
            theirs.objective
        ));
    }
    write!(out, "{}", render::hanging("theirs", &lines))?;
    write!(out, "{}", summary("ours  ", ours))?;
    let verdict = match cost.cmp(&ours.cost) {
        std::cmp::Ordering::Equal => "both cost the same".to_owned(),
        std::cmp::Ordering::Less => {
            format!("theirs costs {} CPUs less", render::cpus(ours.cost - cost))
        }
        std::cmp::Ordering::Greater => {
            format!("ours costs {} CPUs less", render::cpus(cost - ours.cost))
        }
    };
    writeln!(out, "\n{verdict}\n")?;
    let mut rows = vec![["CONTAINER", "THEIRS", "OURS"].map(String::from).to_vec()];
    for (id, set) in &theirs.placement {
        let our_set = base.get(id).cloned().unwrap_or_default();
        rows.push(vec![
            display_name(id),
            render::shown(set),
            render::shown(&our_set),
        ]);
    }
    write!(out, "{}", render::table(&rows))?;
    Ok(())
}

/// One object on one line.
pub(super) fn print_json<T: Serialize>(value: &T, out: &mut dyn Write) -> Result<u8, Failure> {
    let line = serde_json::to_string(value).map_err(|e| Failure::new(exit::BUG, e))?;
    writeln!(out, "{line}")?;
    Ok(exit::DONE)
}
