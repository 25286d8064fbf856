//! `cpufence plan` and `apply --dry-run`: what would be done; changes nothing.
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use super::args::{PlanArgs, SearchLimits};
use super::batch;
use super::exchange;
use super::exit::{self, Failure};
use super::log::Log;
use super::render;
use super::settings::{Session, with_limits, with_policy};
use super::subject::Subject;
use super::what_if;
use crate::cgroup::CpusetWrite;
use crate::cgroup::journal::LockError;
use crate::config::Config;
use crate::cpuset::{CpuId, CpuSet};
use crate::engine::record::Round;
use crate::engine::shell::{self, ShellError, Sight};
use crate::error::chain;
use crate::placement::{Instance, Placement, PlanReport, SolveSettings, Status, Timing};
use crate::report::{escape_name, format_diagram};
use crate::topology::Topology;

/// Columns of a diagram.
pub(super) const WIDTH: usize = 100;

/// `plan` of this machine.
pub(super) fn run(
    session: &Session,
    limits: &SearchLimits,
    json: bool,
    log: &Log,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let config = with_policy(session.config()?, limits);
    let (sight, round) = shell::plan(&session.site(&config), &with_limits(&config.solve, limits))
        .map_err(failure)?;
    print_round(&sight, &round, json, log, out)?;
    Ok(code(round.decision.plan.answer.status))
}

/// `plan` with all that can be asked of it.
pub(super) fn dispatch(
    session: &Session,
    arguments: &PlanArgs,
    log: &Log,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let PlanArgs {
        host,
        limits,
        json,
        what_if: changes,
        exchange: models,
        batch: many,
    } = arguments;
    if models.model.is_some() && models.export.is_none() && models.import_solution.is_none() {
        let text = "--model says how --export writes or --import-solution reads; give one of them";
        return Err(Failure::new(exit::USAGE, text));
    }
    if many.batch.is_some() {
        return batch::run(session, many, limits, log);
    }
    let asked = models.export.is_some() || models.import_solution.is_some();
    let changed = !changes.what_if.is_empty() || changes.weights.is_some() || changes.compare;
    if !asked && !changed && host.is_none() {
        return run(session, limits, *json, log, out);
    }
    let subject = Subject::new(session, host.as_deref(), limits, log)?;
    if asked {
        exchange::run(&subject, models, *json, out)
    } else if changed {
        what_if::run(&subject, changes, *json, out)
    } else {
        let (_, report) = subject.plan(&subject.instance)?;
        print_plan(&subject.instance, &report, *json, out)?;
        Ok(code(report.status))
    }
}

/// Prints the plan of an instance, for people or as JSON.
pub(super) fn print_plan(
    instance: &Instance,
    report: &PlanReport,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if json {
        writeln!(out, "{}", report.to_json_line())?;
        return Ok(());
    }
    let before = |id: &str| -> CpuSet {
        let spec = instance.containers.iter().find(|c| c.id == id);
        spec.and_then(|c| c.previous.as_ref())
            .into_iter()
            .flatten()
            .copied()
            .collect()
    };
    let rows = render::container_table(instance, before, &report.cpuset);
    print_report(&instance.topology, report, &rows, out)
}

/// Exit code of a plan.
pub(super) fn code(status: Status) -> u8 {
    if matches!(status, Status::Kept | Status::Relaxed) {
        exit::KEPT
    } else {
        exit::DONE
    }
}

/// Settings for commands that look at a host and need no placement.
pub(super) fn no_search(config: &Config) -> SolveSettings {
    SolveSettings {
        work_limit: Some(0),
        budget: None,
        ..config.solve.clone()
    }
}

/// The plan of a round as `plan/1`.
pub(super) fn report(round: &Round) -> PlanReport {
    let seconds = |s: f64| Duration::try_from_secs_f64(s).unwrap_or_default();
    let answer = &round.decision.plan.answer;
    let timing = Timing::new(
        round.state.settings.solve.budget,
        seconds(round.decision.build_s),
        seconds(round.elapsed_s),
        answer.work,
    );
    PlanReport::of(
        answer,
        round.decision.plan.cpusets.clone(),
        round.decision.explanation.clone(),
        Some(timing),
    )
}

/// Prints a round, for people or as JSON.
pub(super) fn print_round(
    sight: &Sight,
    round: &Round,
    json: bool,
    log: &Log,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    sight.notes.iter().for_each(|note| log.note(note));
    let report = report(round);
    if json {
        writeln!(out, "{}", report.to_json_line())?;
        return Ok(());
    }
    if round.state.containers.is_empty() {
        writeln!(
            out,
            "no containers found: name them by [[containers]] in the settings file; `cpufence doctor` says more\n"
        )?;
    }
    let rows = member_table(round);
    print_report(&round.state.topology, &report, &rows, out)?;
    write!(
        out,
        "{}",
        render::section("writes", &write_lines(&round.decision.plan.writes))
    )?;
    Ok(())
}

fn member_table(round: &Round) -> String {
    let head = [
        "CONTAINER",
        "KIND",
        "CPUS",
        "P95",
        "CPUSET NOW",
        "PLANNED",
        "",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    for m in &round.state.containers {
        let c = &m.container;
        let now = &c.dir().effective;
        let planned = round.decision.plan.cpusets.get(&c.id);
        rows.push(vec![
            c.id.clone(),
            format!("{:?}", c.request.kind).to_lowercase(),
            c.request.cpus.map_or_else(|| "-".into(), |n| n.to_string()),
            format!("{:.2}", m.prediction.p95),
            render::shown(now),
            planned.map_or_else(|| "-".into(), render::shown),
            match planned {
                None => "left alone".into(),
                Some(set) if set == now => String::new(),
                Some(_) => "changes".into(),
            },
        ]);
    }
    render::table(&rows)
}

fn write_lines(writes: &[CpusetWrite]) -> Vec<String> {
    let line = |w: &CpusetWrite| {
        format!(
            "{}/{}: {} -> {}",
            escape_name(&w.path),
            w.file,
            render::shown(&w.old),
            render::shown(&w.new)
        )
    };
    writes.iter().map(line).collect()
}

fn print_report(
    topology: &Topology,
    report: &PlanReport,
    rows: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    writeln!(out, "host  {}", render::host_line(topology))?;
    write!(out, "{}", summary("plan", report))?;
    writeln!(
        out,
        "\n{}",
        format_diagram(topology, &set(&report.placement), &set(&report.lent), WIDTH)
    )?;
    write!(out, "{rows}")?;
    write!(out, "{}", render::section("\nwhy", &report.explanation))?;
    Ok(())
}

/// Status, proof, cost by cause and movement of a plan under a heading.
pub(super) fn summary(heading: &str, report: &PlanReport) -> String {
    let mut lines = vec![
        render::status_words(report.status).to_owned(),
        render::proof_line(report.cost, report.lower_bound, report.gap),
        format!("paid for: {}", render::parts_line(&report.cost_parts)),
    ];
    if let Some(t) = &report.timing {
        lines.push(format!(
            "{} threads move; {:.1} ms, work {}",
            report.moved_threads, t.elapsed_ms, t.work
        ));
    }
    render::hanging(heading, &lines)
}

fn set(sets: &BTreeMap<String, Vec<u32>>) -> Placement {
    sets.iter()
        .map(|(id, cpus)| (id.clone(), cpus.iter().copied().map(CpuId).collect()))
        .collect()
}

/// The exit code and message of a round that could not take place.
pub(super) fn failure(error: ShellError) -> Failure {
    let code = match &error {
        ShellError::Topology(_) | ShellError::Rule(_) | ShellError::Record(_) => exit::BAD_INPUT,
        ShellError::Hierarchy(_) | ShellError::Permission { .. } | ShellError::Journal(_) => {
            exit::NOT_FIT
        }
        ShellError::Lock(lock) => {
            if matches!(lock, LockError::Held { .. }) {
                exit::KEPT
            } else {
                exit::NOT_FIT
            }
        }
    };
    let next = match &error {
        ShellError::Lock(LockError::Io { source, .. })
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            "; run as root, or name a directory of yours with --state"
        }
        _ => "",
    };
    Failure::new(code, chain(&error) + next)
}
