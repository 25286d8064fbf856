//! Random hosts of every shape against an oracle: trying every assignment
//! where that is short, else the thread-level model.
//!
//! `CPUFENCE_RANDOM_HOSTS=2000 cargo test --release --lib any_shape -- --nocapture`
//! is the full run (counts by shape are printed); without it a short one.

use std::collections::BTreeMap;
use std::time::Duration;

use branchcut::Options;

use super::cost::cost;
use super::enumerate::enumerate;
use super::naive::Naive;
use super::place::place;
use super::problem::Problem;
use super::random::{Random, any_shape};
use super::types::{SolveSettings, Status};
use crate::cpuset::CpuSet;

/// Hosts of the short run.
const SHORT: u64 = 40;
/// Most assignments that are tried.
const ASSIGNMENTS: u64 = 20_000;
/// Work of either search on one host; twenty times that in the full run.
const WORK: u64 = 200;

/// n! / (idle! prod r_k!), saturating.
fn assignments(problem: &Problem) -> u64 {
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

#[test]
fn hosts_of_any_shape_agree_with_the_oracle() {
    // Read when built: these sources do not look at the environment.
    let wanted = option_env!("CPUFENCE_RANDOM_HOSTS").and_then(|n| n.parse().ok());
    let (hosts, work) = match wanted {
        Some(hosts) => (hosts, 20 * WORK),
        None => (SHORT, WORK),
    };
    let mut shapes: BTreeMap<String, [u32; 3]> = BTreeMap::new();
    let (mut decided, mut proved) = (0, 0);
    for seed in 0..hosts {
        let mut random = Random(70_000 + seed);
        let (instance, shape) = any_shape(&mut random);
        let problem = Problem::new(&instance, &CpuSet::new()).unwrap();
        let oracle = if assignments(&problem) <= ASSIGNMENTS {
            Some(enumerate(&problem, ASSIGNMENTS).0)
        } else if wanted.is_none() {
            // The thread-level model takes half a second a host.
            None
        } else {
            let naive = Naive::build(&problem);
            let options = Options::default().with_work_limit(work);
            let outcome = branchcut::solve(&naive.model, &options);
            match outcome.status {
                branchcut::Status::Optimal => outcome
                    .point
                    .and_then(|point| naive.owners(&point))
                    .map(|owners| cost(&problem, &owners).total()),
                branchcut::Status::Infeasible => Some(i64::MAX),
                _ => None,
            }
        };
        let settings = SolveSettings {
            budget: None,
            work_limit: Some(work),
            ..SolveSettings::default()
        };
        let placed = place(&instance, &CpuSet::new(), &settings, &|| Duration::ZERO).unwrap();
        let answer = &placed.answer;
        let is_proved = answer.status == Status::Optimal;
        for part in shape {
            let counts = shapes.entry(part).or_default();
            counts[0] += 1;
            counts[1] += u32::from(oracle.is_some());
            counts[2] += u32::from(is_proved);
        }
        decided += u64::from(oracle.is_some());
        proved += u64::from(is_proved);
        let Some(least) = oracle else { continue };
        if least == i64::MAX {
            assert!(!is_proved, "seed {seed}: no placement keeps the rules");
            continue;
        }
        if matches!(answer.status, Status::Kept | Status::Relaxed) {
            // Short of work: nothing is claimed.
            assert!(!instance.constraints.is_empty(), "seed {seed}");
            assert_ne!(
                answer.status,
                Status::Relaxed,
                "seed {seed}: the rules can be kept"
            );
            continue;
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
    eprintln!("{hosts} hosts, {decided} decided by the oracle, {proved} proved");
    for (shape, [all, decided, proved]) in &shapes {
        eprintln!("{shape}: {all}, {decided} decided, {proved} proved");
    }
    let part = if wanted.is_some() { 6 } else { 1 };
    assert!(decided * 8 >= hosts * part, "only {decided} of {hosts}");
}
