//! `cpufence demo`: the whole path on an embedded host, traces and containers.
//!
//! The host (`fixtures/demo/host.json`) has containers pinned in CPU order by
//! somebody who did not look at the topology, and a newcomer. Their use is
//! predicted from the traces, the round is decided as on a live host, and the
//! host is shown before and after. Nothing is written.
#![expect(
    clippy::disallowed_methods,
    reason = "reads the clock for the budget: an edge"
)]

use std::io::Write;
use std::time::Instant;

use super::exit::{self, Failure};
use super::plan::{WIDTH, report, summary};
use super::render;
use crate::engine::record::Round;
use crate::engine::{Event, Managed, State, decide, embedded_state};
use crate::placement::{
    ContainerSpec, HostModels, Instance, Lending, Placement, System, placement_cost,
};
use crate::report::format_diagram;

pub(super) fn run(json: bool, out: &mut dyn Write) -> Result<u8, Failure> {
    let start = Instant::now();
    let state = embedded_state().map_err(|e| Failure::new(exit::BUG, e))?;
    let newcomers: Vec<String> = state
        .containers
        .iter()
        .filter(|m| m.assigned.is_none())
        .map(|m| m.container.id.clone())
        .collect();
    let event = Event::Add(newcomers);
    let decision = decide(&state, &event, &mut HostModels::default(), &|| {
        start.elapsed()
    });
    let round = Round {
        state,
        event,
        decision,
        elapsed_s: start.elapsed().as_secs_f64(),
    };
    if json {
        writeln!(out, "{}", report(&round).to_json_line())?;
    } else {
        print(&round, out)?;
    }
    Ok(exit::DONE)
}

fn print(round: &Round, out: &mut dyn Write) -> Result<(), Failure> {
    let state = &round.state;
    let report = report(round);
    let before: Placement = state
        .containers
        .iter()
        .filter_map(|m| Some((m.container.id.clone(), m.assigned.clone()?)))
        .collect();
    writeln!(
        out,
        "An embedded host with recorded containers; nothing on this machine is read or changed.\n"
    )?;
    writeln!(out, "host    {}", render::host_line(&state.topology))?;
    let old =
        placement_cost(&placed_before(state), &before).map_err(|e| Failure::new(exit::BUG, e))?;
    writeln!(
        out,
        "\nBEFORE  pinned in CPU order: cost {} CPUs lost ({})",
        render::cpus(old.total()),
        render::parts_line(&old)
    )?;
    writeln!(
        out,
        "{}",
        format_diagram(&state.topology, &before, &Placement::new(), WIDTH)
    )?;
    writeln!(out, "PREDICTED P95 of the next 10 minutes, CPUs")?;
    let rows: Vec<Vec<String>> = state
        .containers
        .iter()
        .map(|m| {
            let request = m.container.request.cpus.unwrap_or(0);
            vec![
                format!("  {}", m.container.id),
                format!("{:.2} of {request}", m.prediction.p95),
                m.prediction.why.clone(),
            ]
        })
        .collect();
    writeln!(out, "{}", render::table(&rows))?;
    write!(out, "{}", summary("AFTER ", &report))?;
    writeln!(
        out,
        "{}",
        format_diagram(
            &state.topology,
            &round.decision.plan.answer.placement,
            &Placement::new(),
            WIDTH
        )
    )?;
    write!(out, "{}", render::section("WHY", &report.explanation))?;
    writeln!(
        out,
        "\nNext: `cpufence doctor`, then `cpufence plan` on a real host."
    )?;
    Ok(())
}

/// The containers that had a place before, for the price of that placement.
fn placed_before(state: &State) -> Instance {
    let spec = |m: &Managed| {
        Some(ContainerSpec {
            kind: m.container.request.kind,
            previous: Some(m.assigned.as_ref()?.iter().collect()),
            home: m.container.home,
            ..ContainerSpec::new(
                m.container.id.clone(),
                m.container.request.cpus?,
                m.prediction.p95,
            )
        })
    };
    Instance {
        weights: state.settings.weights,
        topology: state.topology.clone(),
        containers: state.containers.iter().filter_map(spec).collect(),
        constraints: Vec::new(),
        system: System::default(),
        lending: Lending::default(),
    }
}
