//! `plan --what-if`, `--weights`, `--compare`: the plan of a host that is not
//! quite the one at hand, alone or beside the plan as things are.

use std::io::Write;

use serde::Serialize;

use super::args::WhatIfArgs;
use super::exchange::print_json;
use super::exit::Failure;
use super::plan::{code, print_plan, summary};
use super::render;
use super::subject::Subject;
use crate::cpuset::CpuSet;
use crate::error::chain;
use crate::placement::{
    CostParts, Idle, Instance, PlanReport, Side, Step, Weights, changed, changed_weights, reprice,
    sides,
};
use crate::report::display_name;

pub(super) fn run(
    subject: &Subject,
    arguments: &WhatIfArgs,
    json: bool,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let mut instance = changed(&subject.instance, &arguments.what_if)
        .map_err(|e| Failure::bad_input(format_args!("--what-if {}", chain(&e))))?;
    if let Some(text) = &arguments.weights {
        instance.weights = changed_weights(instance.weights, text)
            .map_err(|e| Failure::bad_input(format_args!("--weights: {e}")))?;
    }
    let (then, report) = subject.plan(&instance)?;
    if !arguments.compare {
        print_plan(&instance, &report, json, out)?;
        return Ok(code(report.status));
    }
    let (now, now_report) = subject.plan(&subject.instance)?;
    let repriced = if instance.weights == subject.instance.weights {
        None
    } else {
        let parts = reprice(&now, &subject.unavailable, instance.weights)
            .map_err(|e| Failure::bad_input(chain(&e)))?;
        Some(parts)
    };
    let idle = |instance: &Instance, placed: &crate::placement::Placed| {
        Idle::new(instance, &subject.unavailable, &placed.answer.placement)
    };
    let (idle_now, idle_then) = (idle(&subject.instance, &now), idle(&instance, &then));
    let comparison = Comparison {
        schema: "what_if/1",
        changes: &arguments.what_if,
        weights: repriced.is_some().then_some(instance.weights),
        falls_idle: idle_then.cores.difference(&idle_now.cores),
        falls_busy: idle_now.cores.difference(&idle_then.cores),
        now: Scene {
            plan: &now_report,
            idle: idle_now,
        },
        then: Scene {
            plan: &report,
            idle: idle_then,
        },
        now_at_new_weights: repriced,
        containers: sides(&now, &then),
    };
    if json {
        print_json(&comparison, out)?;
    } else {
        comparison.print(&subject.instance, out)?;
    }
    Ok(code(report.status))
}

/// Two plans side by side, schema `what_if/1`.
#[derive(Serialize)]
struct Comparison<'a> {
    schema: &'static str,
    changes: &'a [String],
    /// The weights of `then` where they differ.
    weights: Option<Weights>,
    now: Scene<'a>,
    then: Scene<'a>,
    /// What `now` costs at the weights of `then`.
    now_at_new_weights: Option<CostParts>,
    containers: Vec<Side>,
    falls_idle: CpuSet,
    falls_busy: CpuSet,
}

#[derive(Serialize)]
struct Scene<'a> {
    plan: &'a PlanReport,
    idle: Idle,
}

impl Comparison<'_> {
    fn print(&self, instance: &Instance, out: &mut dyn Write) -> Result<(), Failure> {
        writeln!(out, "host     {}", render::host_line(&instance.topology))?;
        for change in self.changes {
            writeln!(out, "what if  {}", display_name(change))?;
        }
        writeln!(out, "\n{}", self.figures())?;
        if let Some(parts) = &self.now_at_new_weights {
            writeln!(
                out,
                "The weights differ, and so does what a cost means: at the new weights, the plan as it is costs {}.\n",
                render::cpus(parts.total())
            )?;
        }
        write!(out, "{}", self.who_moves())?;
        writeln!(
            out,
            "\ncores that fall idle: CPUs {}; that are no longer idle: CPUs {}\n",
            render::shown(&self.falls_idle),
            render::shown(&self.falls_busy)
        )?;
        write!(out, "{}", summary("as it is", self.now.plan))?;
        write!(out, "{}", summary("what if ", self.then.plan))?;
        Ok(())
    }

    /// The figures of both plans and what lies between them.
    fn figures(&self) -> String {
        let both = [&self.now, &self.then];
        let mut rows = vec![
            ["", "AS IT IS", "WHAT IF", "CHANGE"]
                .map(String::from)
                .to_vec(),
        ];
        let mut add = |name: &str, cells: [String; 2], change: String| {
            let [a, b] = cells;
            rows.push(vec![name.into(), a, b, change]);
        };
        let signed = |micro: i64| {
            let sign = if micro > 0 { "+" } else { "" };
            format!("{sign}{}", render::cpus(micro))
        };
        type Part = fn(&CostParts) -> i64;
        let parts = |part: Part| {
            let [a, b] = both.map(|scene| part(&scene.plan.cost_parts));
            ([a, b].map(render::cpus), signed(b - a))
        };
        let named: [(&str, Part); 7] = [
            ("cost, CPUs lost", CostParts::total),
            ("  busy siblings", |p| p.smt),
            ("  spread", |p| p.spread),
            ("  balance", |p| p.balance),
            ("  movement", |p| p.movement),
            ("  slow cores", |p| p.slow),
            ("  away from home", |p| p.away),
        ];
        for (name, part) in named {
            let (cells, change) = parts(part);
            let is_zero = both.iter().all(|scene| part(&scene.plan.cost_parts) == 0);
            if !(is_zero && name.starts_with(' ')) {
                add(name, cells, change);
            }
        }
        add(
            "at least",
            both.map(|scene| render::cpus(scene.plan.lower_bound)),
            String::new(),
        );
        add(
            "threads that move",
            both.map(|scene| scene.plan.moved_threads.to_string()),
            String::new(),
        );
        add(
            "idle cores",
            both.map(|scene| scene.idle.count.to_string()),
            String::new(),
        );
        add(
            "largest container that still fits on one node with idle siblings",
            both.map(|scene| match scene.idle.room {
                None => "none".into(),
                Some(room) => match room.node {
                    Some(node) => format!("{} threads, node {node}", room.threads),
                    None => format!("{} threads", room.threads),
                },
            }),
            String::new(),
        );
        render::table(&rows)
    }

    fn who_moves(&self) -> String {
        let head = ["CONTAINER", "BEFORE", "AS IT IS", "WHAT IF", ""];
        let mut rows = vec![head.map(String::from).to_vec()];
        for side in &self.containers {
            let step = match side.step {
                Step::New => "new",
                Step::Gone => "gone",
                Step::Moves => "moves",
                Step::Stays => "",
            };
            rows.push(vec![
                display_name(&side.container),
                render::shown(&side.before),
                render::shown(&side.now),
                render::shown(&side.then),
                step.into(),
            ]);
        }
        render::table(&rows)
    }
}
