//! `cpufence status`: host, containers, violations, the last decision.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

use super::exit::{self, Failure};
use super::log::Log;
use super::settings::Session;
use super::{plan, render};
use crate::cgroup::{Container, Fence};
use crate::cpuset::{CpuId, CpuSet};
use crate::engine::record::Round;
use crate::engine::shell::ModelState;
use crate::engine::{Managed, request_words, shell};
use crate::placement::{Kind, POOL, Placement, Status};
use crate::predict::{Confidence, Link};
use crate::report::format_diagram;
use crate::topology::Summary;

/// `--json` of `status` (schema `status/1`).
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    host: Summary,
    containers: Vec<Row>,
    violations: Vec<String>,
    last_decision: Option<Last>,
    model: ModelState,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Row {
    id: String,
    layout: String,
    kind: Kind,
    request_cpus: Option<u32>,
    request_source: String,
    quota_mcpu: Option<u64>,
    throttled_share: Option<f64>,
    predicted_p95: f64,
    predicted_p50: Option<f64>,
    prediction_link: Link,
    prediction_source: String,
    confidence: Option<Confidence>,
    history_age_s: f64,
    interval_s: Option<f64>,
    home: Option<u32>,
    cpuset: CpuSet,
    assigned: Option<CpuSet>,
    lent: Option<CpuSet>,
    owner: Option<String>,
    image: Option<String>,
    app: Option<String>,
    left_alone: Option<String>,
}

#[derive(Debug, Serialize)]
struct Last {
    event: String,
    status: Status,
    cost: i64,
    lower_bound: i64,
    gap: f64,
    moved_threads: u32,
    age_s: f64,
}

pub(super) fn run(
    session: &Session,
    json: bool,
    log: &Log,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let config = session.config()?;
    let (sight, _) =
        shell::plan(&session.site(&config), &plan::no_search(&config)).map_err(plan::failure)?;
    let last = sight.last.as_ref();
    let report = Report {
        schema: "status/1",
        host: sight.state.topology.summary(),
        containers: sight
            .state
            .containers
            .iter()
            .map(|m| row(m, sight.state.pool_assigned.as_ref(), last))
            .collect(),
        violations: violations(
            &sight.state.containers,
            last,
            &sight.state.topology.online(),
        ),
        last_decision: last.map(|round| last_decision(round, sight.state.now_s)),
        model: sight.model,
        notes: sight.notes,
    };
    if json {
        writeln!(
            out,
            "{}",
            serde_json::to_string(&report).map_err(std::io::Error::from)?
        )?;
        return Ok(exit::DONE);
    }
    report.notes.iter().for_each(|note| log.note(note));
    writeln!(
        out,
        "host      {}",
        render::host_line(&sight.state.topology)
    )?;
    match &report.last_decision {
        None => writeln!(
            out,
            "decision  none yet: `cpufence plan` shows what the first would be"
        )?,
        Some(l) => writeln!(
            out,
            "decision  {} {:.0} s ago: {} (cost {}, gap {:.2} %)",
            l.event,
            l.age_s,
            render::status_words(l.status),
            render::cpus(l.cost),
            l.gap * 100.0
        )?,
    }
    writeln!(out, "model     {}", model_words(&report.model))?;
    let (owners, lent) = owners(
        &sight.state.containers,
        sight.state.pool_assigned.as_ref(),
        last,
    );
    if !owners.is_empty() {
        write!(
            out,
            "\n{}",
            format_diagram(&sight.state.topology, &owners, &lent, plan::WIDTH)
        )?;
    }
    write!(out, "\n{}", container_table(&report.containers))?;
    write!(out, "{}", render::section("violations", &report.violations))?;
    Ok(exit::DONE)
}

fn model_words(model: &ModelState) -> String {
    let fares = match model.coverage {
        Some(covered) => format!(
            "; it covered {:.1} % of {:.0} outcomes here",
            100.0 * covered,
            model.outcomes
        ),
        None => String::new(),
    };
    match (&model.reason, model.state) {
        (None, _) if model.built_in => format!("built-in, used{fares}"),
        (None, state) => format!("{state}{fares}"),
        (Some(reason), "trial") => {
            format!("{reason}{fares}; the last day and hour and the request are used")
        }
        (Some(reason), state) => format!("{state}: {reason}{fares}"),
    }
}

/// The base set that a container was given last: of a pooled one that has a
/// fence, the pool's.
fn assigned<'a>(m: &'a Managed, pool: Option<&'a CpuSet>) -> Option<&'a CpuSet> {
    let c = &m.container;
    let pooled = c.request.kind == Kind::Pooled && is_narrow(c);
    let pool = pool.filter(|pool| pooled && pool.is_subset(&c.dir().effective));
    m.assigned.as_ref().or(pool)
}

/// Whether a container has fewer CPUs than its parent.
fn is_narrow(c: &Container) -> bool {
    !c.parent_effective.is_subset(&c.dir().effective)
}

/// What a container is lent, of what the last decision lent to it.
fn lent(m: &Managed, pool: Option<&CpuSet>, last: Option<&Round>) -> Option<CpuSet> {
    let base = assigned(m, pool)?;
    let id = match m.container.request.kind {
        Kind::Static => return None,
        Kind::Burst => &m.container.id,
        Kind::Pooled => POOL,
    };
    let lent = last?.decision.plan.answer.lent.get(id)?;
    let now = m.container.dir().effective.intersection(lent);
    Some(now.difference(base)).filter(|lent| !lent.is_empty())
}

/// Fenced sets by container, for the diagram: those narrower than their
/// parent's; and what of them is lent.
fn owners(
    containers: &[Managed],
    pool: Option<&CpuSet>,
    last: Option<&Round>,
) -> (Placement, Placement) {
    let (mut base, mut more) = (Placement::new(), Placement::new());
    for m in containers.iter().filter(|m| is_narrow(&m.container)) {
        let c = &m.container;
        let lent = lent(m, pool, last).unwrap_or_default();
        base.insert(c.id.clone(), c.dir().effective.difference(&lent));
        if !lent.is_empty() {
            more.insert(c.id.clone(), lent);
        }
    }
    (base, more)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a ratio of counters, for display"
)]
fn row(m: &Managed, pool: Option<&CpuSet>, last: Option<&Round>) -> Row {
    let c = &m.container;
    Row {
        id: c.id.clone(),
        layout: format!("{:?}", c.layout).to_lowercase(),
        kind: c.request.kind,
        request_cpus: c.request.cpus,
        request_source: request_words(m),
        quota_mcpu: c.quota_mcpu,
        throttled_share: c
            .throttling
            .filter(|t| t.periods > 0)
            .map(|t| t.throttled as f64 / t.periods as f64),
        predicted_p95: m.prediction.p95,
        predicted_p50: m.prediction.p50,
        prediction_link: m.prediction.link,
        confidence: m.prediction.confidence,
        history_age_s: m.prediction.age_s,
        interval_s: m.prediction.interval_s,
        prediction_source: m.prediction.why.clone(),
        home: c.home,
        cpuset: c.dir().effective.clone(),
        assigned: assigned(m, pool).cloned(),
        lent: lent(m, pool, last),
        owner: c.context.owner.as_deref().map(crate::report::display_name),
        image: c.context.image.as_deref().map(crate::report::display_name),
        app: c.context.app.as_deref().map(crate::report::display_name),
        left_alone: match &c.fence {
            Fence::Managed => None,
            Fence::LeftAlone(reason) => Some(reason.clone()),
        },
    }
}

fn last_decision(round: &Round, now_s: f64) -> Last {
    let answer = &round.decision.plan.answer;
    Last {
        event: round.event.name().into(),
        status: answer.status,
        cost: answer.cost(),
        lower_bound: answer.lower_bound,
        gap: answer.gap(),
        moved_threads: answer.moved_threads,
        age_s: (now_s - round.state.now_s).max(0.0),
    }
}

fn container_table(rows: &[Row]) -> String {
    let head = [
        "CONTAINER",
        "FOUND AS",
        "KIND",
        "CPUS",
        "FROM",
        "P95",
        "CPUSET",
        "",
    ]
    .map(String::from)
    .to_vec();
    let lines = rows.iter().map(|r| {
        vec![
            r.id.clone(),
            r.layout.clone(),
            format!("{:?}", r.kind).to_lowercase(),
            r.request_cpus.map_or_else(|| "-".into(), |n| n.to_string()),
            r.request_source.clone(),
            format!("{:.2}", r.predicted_p95),
            render::shown(&r.cpuset),
            match (&r.left_alone, &r.assigned, &r.lent) {
                (Some(reason), _, _) => format!("left alone: {reason}"),
                (None, Some(_), Some(lent)) => format!("fenced, lent {lent}"),
                (None, Some(_), None) => "fenced".into(),
                (None, None, _) => "not fenced".into(),
            },
        ]
    });
    render::table(&std::iter::once(head).chain(lines).collect::<Vec<_>>())
}

/// What is not as a plan would have it.
fn violations(containers: &[Managed], last: Option<&Round>, online: &CpuSet) -> Vec<String> {
    let mut found = Vec::new();
    let mut owner: BTreeMap<CpuId, &str> = BTreeMap::new();
    for m in containers
        .iter()
        .filter(|m| m.assigned.is_some() && m.container.request.kind != Kind::Pooled)
    {
        let c = &m.container;
        let mut shared: BTreeMap<&str, CpuSet> = BTreeMap::new();
        let lent = lent(m, None, last).unwrap_or_default();
        for cpu in c.dir().effective.difference(&lent).iter() {
            if let Some(other) = owner.insert(cpu, &c.id) {
                shared.entry(other).or_default().insert(cpu);
            }
        }
        found.extend(
            shared
                .iter()
                .map(|(other, set)| format!("{} and {other} share CPUs {set}", c.id)),
        );
    }
    for m in containers {
        let c = &m.container;
        let planned = last
            .and_then(|round| round.decision.plan.cpusets.get(&c.id))
            .filter(|_| m.assigned.is_some());
        if let Some(set) = planned.filter(|set| **set != c.dir().effective) {
            found.push(format!(
                "{}: its cpuset in force is {}, planned was {set}",
                c.id,
                c.dir().effective
            ));
        }
        if let Some(lost) = planned
            .map(|set| set.difference(online))
            .filter(|lost| !lost.is_empty())
        {
            found.push(format!("{}: its CPUs {lost} are offline", c.id));
        }
        if c.pinned.pinned > 0 {
            found.push(format!(
                "{}: {} of {} threads have an affinity narrower than the cpuset",
                c.id, c.pinned.pinned, c.pinned.threads
            ));
        }
        let lent = lent(m, None, last).unwrap_or_default();
        let own = c.dir().effective.difference(&lent).len();
        let size = u64::try_from(own).unwrap_or(u64::MAX) * 1000;
        if let (Some(quota), Some(t), true) = (c.quota_mcpu, c.throttling, m.assigned.is_some())
            && quota < size
        {
            found.push(format!(
                "{}: its quota of {quota} milli-CPU is below its cpuset of {size}: throttled in {} of {} periods",
                c.id, t.throttled, t.periods
            ));
        }
    }
    found
}
