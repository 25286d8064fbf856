//! Random hosts of every shape against an oracle: trying every assignment
//! where that is short, else the thread-level model.
//!
//! `CPUFENCE_RANDOM_HOSTS=2000 cargo test --release --lib any_shape -- --nocapture`
//! is the full run (counts by shape are printed); without it a short one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use branchcut::Options;

use super::cost::cost;
use super::enumerate::enumerate;
use super::naive::Naive;
use super::place::place;
use super::problem::Problem;
use super::random::{Random, any_shape, rule_name};
use super::types::{Answer, Instance, SolveSettings, Status};
use crate::cpuset::CpuSet;

/// Hosts of the short run.
const SHORT: u64 = 40;
/// Most assignments that are tried.
const ASSIGNMENTS: u64 = 20_000;
/// Hosts whose least cost each kind of rule changes, of 2,000.
const BINDING: u64 = 50;
/// Hosts between two reports of the full run.
const REPORT: u64 = 250;
/// The name of all shapes together.
const ALL: &str = "all";
/// Work of either search on one host; in the full run five times that for the
/// oracle, which is slower, and ten times for the answer.
const WORK: u64 = 200;

/// n! / (idle! prod r_k!), saturating.
pub(super) fn assignments(problem: &Problem) -> u64 {
    let mut left = problem.threads.len();
    let mut count = 1u64;
    for container in &problem.containers {
        // left over request, by a product that stays an integer.
        let mut ways = 1u64;
        for i in 0..container.request {
            ways = ways.saturating_mul((left - i) as u64) / (i as u64 + 1);
        }
        count = count.saturating_mul(ways);
        left -= container.request;
    }
    count
}

/// The least cost; above any where no assignment keeps the rules, none where
/// that takes too long to say.
fn least(problem: &Problem, work: u64, has_time: bool) -> Option<i64> {
    if assignments(problem) <= ASSIGNMENTS {
        return Some(enumerate(problem, ASSIGNMENTS).0);
    }
    if !has_time {
        // The thread-level model takes half a second a host.
        return None;
    }
    let naive = Naive::build(problem);
    let options = Options::default().with_work_limit(work);
    let outcome = branchcut::solve(&naive.model, &options);
    match outcome.status {
        branchcut::Status::Optimal => outcome
            .point
            .and_then(|point| naive.owners(&point))
            .map(|owners| cost(problem, &owners).total()),
        branchcut::Status::Infeasible => Some(i64::MAX),
        _ => None,
    }
}

/// Hosts of a shape.
#[derive(Default)]
struct Counts {
    all: u64,
    /// The oracle told the least cost.
    decided: u64,
    /// Some placement keeps the rules.
    feasible: u64,
    /// The answer was proved.
    proved: u64,
    /// The least cost is another without the rule.
    bound: u64,
}

/// The kinds of rules without one of which the least cost is another, each
/// once; any cheaper assignment shows it, proved or not.
fn binding(
    instance: &Instance,
    least: i64,
    answer: &dyn Fn(&Instance) -> Answer,
) -> BTreeSet<String> {
    let rules = &instance.constraints;
    let binds = |at: &usize| {
        let mut without = instance.clone();
        without.constraints.remove(*at);
        let answer = answer(&without);
        !matches!(answer.status, Status::Kept | Status::Relaxed) && answer.cost() < least
    };
    let binding = (0..rules.len()).filter(binds);
    binding.map(|at| rule_name(&rules[at])).collect()
}

#[test]
fn hosts_of_any_shape_agree_with_the_oracle() {
    // Read when built: these sources do not look at the environment.
    let wanted = option_env!("CPUFENCE_RANDOM_HOSTS").and_then(|n| n.parse().ok());
    let (hosts, work, answer_work) = match wanted {
        Some(hosts) => (hosts, 5 * WORK, 10 * WORK),
        None => (SHORT, WORK, WORK),
    };
    let settings = SolveSettings {
        budget: None,
        work_limit: Some(answer_work),
        ..SolveSettings::default()
    };
    let answer = |instance: &Instance| {
        let placed = place(instance, &CpuSet::new(), &settings, &|| Duration::ZERO);
        placed.unwrap().answer
    };
    let mut shapes: BTreeMap<String, Counts> = BTreeMap::new();
    for seed in 0..hosts {
        let mut random = Random(70_000 + seed);
        let (instance, shape) = any_shape(&mut random);
        let problem = Problem::new(&instance, &CpuSet::new()).unwrap();
        let oracle = least(&problem, work, wanted.is_some());
        let answered = answer(&instance);
        let is_proved = answered.status == Status::Optimal;
        let has_rule = !instance.constraints.is_empty();
        let feasible = oracle.filter(|&least| least < i64::MAX);
        let bound = feasible.map_or_else(BTreeSet::new, |least| binding(&instance, least, &answer));
        let parts: BTreeSet<String> = shape.into_iter().chain([ALL.to_owned()]).collect();
        for part in parts {
            let counts = shapes.entry(part).or_default();
            counts.all += 1;
            counts.decided += u64::from(oracle.is_some());
            counts.feasible += u64::from(feasible.is_some());
            counts.proved += u64::from(is_proved);
        }
        for rule in bound {
            shapes.entry(rule).or_default().bound += 1;
        }
        if seed % REPORT == REPORT - 1 {
            report(seed + 1, &shapes);
        }
        let Some(least) = oracle else { continue };
        check(seed, &answered, least, has_rule);
    }
    report(hosts, &shapes);
    for (shape, counts) in &shapes {
        let few = hosts >= 2000 && shape.starts_with("rule") && counts.bound < BINDING;
        assert!(
            !few,
            "{shape} changes the least cost of {} hosts alone",
            counts.bound
        );
    }
    let part = if wanted.is_some() { 6 } else { 1 };
    let decided = shapes[ALL].decided;
    assert!(decided * 8 >= hosts * part, "only {decided} of {hosts}");
}

fn report(hosts: u64, shapes: &BTreeMap<String, Counts>) {
    eprintln!("{hosts} hosts");
    for (shape, counts) in shapes {
        let Counts {
            all,
            decided,
            feasible,
            proved,
            bound,
        } = counts;
        eprintln!(
            "{shape}: {all}, {decided} decided, {feasible} feasible, {proved} proved, {bound} bound"
        );
    }
}

/// What an answer may claim where the least cost is known.
fn check(seed: u64, answer: &Answer, least: i64, has_rule: bool) {
    let is_proved = answer.status == Status::Optimal;
    if least == i64::MAX {
        assert!(!is_proved, "seed {seed}: no placement keeps the rules");
        return;
    }
    if matches!(answer.status, Status::Kept | Status::Relaxed) {
        // Short of work: nothing is claimed.
        assert!(has_rule, "seed {seed}");
        assert_ne!(
            answer.status,
            Status::Relaxed,
            "seed {seed}: the rules can be kept"
        );
        return;
    }
    assert!(
        answer.lower_bound <= least,
        "seed {seed}: bound {} above {least}",
        answer.lower_bound
    );
    assert!(
        answer.cost() >= least,
        "seed {seed}: {} below {least}",
        answer.cost()
    );
    assert!(
        !is_proved || answer.cost() == least,
        "seed {seed}: {} is not {least}",
        answer.cost()
    );
}
