//! A simulation as a table, as CSV (one row an interval) and as JSON.

use serde::Serialize;

use super::counters::Counters;
use super::run::{Outcome, PolicyRun};
use super::scenario::Scenario;

/// The schema of [`json`].
const SCHEMA: &str = "simulation/1";

/// A figure of a run: its name in the table, what it means, its value.
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) value: f64,
}

/// What is shown of a run, in the order of the table.
pub(super) fn figures(run: &PolicyRun, scenario: &Scenario) -> Vec<Figure> {
    let c = &run.total;
    let hours = f64::from(scenario.rounds) * scenario.interval_s / 3600.0;
    let h = |seconds: f64| seconds / 3600.0;
    #[expect(clippy::cast_precision_loss, reason = "for display")]
    let count = |n: u64| n as f64;
    let decisions = run.samples.iter().filter(|s| s.work > 0).count();
    let work: u64 = run.samples.iter().map(|s| s.work).sum();
    let most = run.samples.iter().map(|s| s.work).max().unwrap_or(0);
    let mean = count(work) / count(decisions.max(1) as u64);
    let figure = |name, unit, value| Figure { name, unit, value };
    vec![
        figure("wanted", "CPU hours", h(c.wanted_s)),
        figure("busy sibling", "thread hours", h(c.smt_s)),
        figure("foreign sibling", "thread hours", h(c.foreign_s)),
        figure("contended CPU", "thread hours", h(c.contended_s)),
        figure("further nodes", "container hours", h(c.nodes_s)),
        figure("over capacity", "container hours", h(c.over_s)),
        figure("waiting", "CPU hours", h(c.waiting_s)),
        figure("lent", "thread hours", h(c.lent_s)),
        figure("moves an hour", "threads", count(c.moves) / hours),
        figure("work, mean", "units a decision", mean),
        figure("work, most", "units", count(most)),
    ]
}

/// The runs side by side, for people.
#[must_use]
pub fn table(scenario: &Scenario, outcome: &Outcome) -> String {
    let mut rows: Vec<Vec<String>> = vec![vec!["COUNTER".into(), "UNIT".into()]];
    for run in &outcome.runs {
        rows[0].push(run.policy.name().to_uppercase());
        for (place, figure) in figures(run, scenario).into_iter().enumerate() {
            if rows.len() <= place + 1 {
                rows.push(vec![figure.name.into(), figure.unit.into()]);
            }
            rows[place + 1].push(format!("{:.3}", figure.value));
        }
    }
    let columns = rows[0].len();
    let widths: Vec<usize> = (0..columns)
        .map(|c| rows.iter().map(|row| row[c].len()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(c, (cell, width))| {
                if c < 2 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// One row for each interval and policy.
#[must_use]
pub fn csv(scenario: &Scenario, outcome: &Outcome) -> String {
    let mut text = String::from(
        "policy,time_s,containers,requested,wanted_s,waiting_s,smt_s,foreign_s,contended_s,nodes_s,over_s,lent_s,moves,work\n",
    );
    for run in &outcome.runs {
        for s in &run.samples {
            let c = &s.counters;
            let seconds = [
                c.wanted_s,
                c.waiting_s,
                c.smt_s,
                c.foreign_s,
                c.contended_s,
                c.nodes_s,
                c.over_s,
                c.lent_s,
            ];
            let seconds: Vec<String> = seconds.iter().map(|s| format!("{s:.6}")).collect();
            text.push_str(&format!(
                "{},{},{},{},{},{},{}\n",
                run.policy.name(),
                f64::from(s.round) * scenario.interval_s,
                s.containers,
                s.requested,
                seconds.join(","),
                c.moves,
                s.work
            ));
        }
    }
    text
}

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    scenario: &'a str,
    seed: u64,
    rounds: u32,
    interval_s: f64,
    policies: Vec<PolicyReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timing: Option<Vec<Timing>>,
}

#[derive(Serialize)]
struct PolicyReport {
    policy: &'static str,
    #[serde(flatten)]
    counters: Counters,
    moves_per_hour: f64,
    work: u64,
    work_most: u64,
}

#[derive(Serialize)]
struct Timing {
    policy: &'static str,
    decisions: usize,
    median_ms: f64,
    most_ms: f64,
}

/// One line of JSON, schema `simulation/1`. `timing` is the only part that
/// differs between runs of one seed; it is left out on request.
///
/// # Errors
/// Never: all keys are texts and all numbers finite.
pub fn json(
    scenario: &Scenario,
    seed: u64,
    outcome: &Outcome,
    with_timing: bool,
) -> Result<String, serde_json::Error> {
    let hours = f64::from(scenario.rounds) * scenario.interval_s / 3600.0;
    #[expect(clippy::cast_precision_loss, reason = "for display")]
    let rate = |moves: u64| moves as f64 / hours;
    let policies = outcome.runs.iter().map(|run| PolicyReport {
        policy: run.policy.name(),
        counters: run.total,
        moves_per_hour: rate(run.total.moves),
        work: run.samples.iter().map(|s| s.work).sum(),
        work_most: run.samples.iter().map(|s| s.work).max().unwrap_or(0),
    });
    let timing = || outcome.runs.iter().filter_map(latency).collect();
    serde_json::to_string(&Report {
        schema: SCHEMA,
        scenario: &scenario.name,
        seed,
        rounds: scenario.rounds,
        interval_s: scenario.interval_s,
        policies: policies.collect(),
        timing: with_timing.then(timing),
    })
}

/// None where nothing is decided.
fn latency(run: &PolicyRun) -> Option<Timing> {
    let mut sorted = run.latencies.clone();
    sorted.sort_unstable();
    let ms = |d: &std::time::Duration| (d.as_secs_f64() * 1e6).round() / 1e3;
    Some(Timing {
        policy: run.policy.name(),
        decisions: sorted.len(),
        median_ms: ms(sorted.get(sorted.len() / 2)?),
        most_ms: ms(sorted.last()?),
    })
}
