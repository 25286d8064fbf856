//! The placement instances through [`place`], at budgets and to the proof.
//!
//! Method: one thread, one instance after the other, the problem built anew in
//! each run. `cost`, `bound`, `gap` (proven) and `to best` (the gap to the best
//! known cost, over at least 1 % of 200 sum p_k) are those of the answer; `ms`
//! is CPU time of the process: in all, until the search began, until the MIP
//! began. Budgets are wall-clock time, with `--cpu` CPU time (on a busy machine
//! a wall-clock budget is mostly other work's); `late` is how far beyond it the
//! call returned. Every answer is priced by `evaluate.py` (needs
//! python3); a disagreement, a bound above the best known cost or an answer
//! above greedy or keep-and-fit ends the bench.
//!
//! ```text
//! cargo bench --bench placement                       all instances, to the proof (1 s at most) and at 1, 5, 10, 50 ms
//! cargo bench --bench placement -- x64 t16            those whose names begin so
//! cargo bench --bench placement -- --proof 5          the proof alone, 5 s at most
//! cargo bench --bench placement -- --cpu              budgets of CPU time
//! cargo bench --bench placement -- --work             from little work to much: whether the cost ever rises
//! cargo bench --bench placement -- --late 28          28 runs of each at 1, 10 and 50 ms: how late they are
//! cargo bench --bench placement -- --late 28 --at 1   the budget of 1 ms alone
//! cargo bench --bench placement -- --rounds 10000     many rounds on one host of 96 threads (x96-75-none)
//! cargo bench --bench placement -- --rounds 10000 --seed 2 x64-75-none    other events, another host
//! cargo bench --bench placement -- --rounds 100 --at 50 e128-75-none       50 ms of CPU a round, not 1 s
//! cargo bench --bench placement -- --rounds 100 --at 50 --cold e128-75-none    each round without what the search of the one before left
//! ```
#![allow(clippy::print_stdout, reason = "a table is the result")]
#![expect(clippy::expect_used, reason = "a bench may stop on broken input")]
#![expect(clippy::disallowed_methods, reason = "a bench reads files and clocks")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use cpufence::cpuset::{CpuId, CpuSet};
use cpufence::placement::{
    ContainerSpec, HostModels, Instance, Placed, Placement, SolveSettings, Status, WarmStart,
    parse_host, place, place_from,
};

use common::{Random, cpu};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/placement");
const BUDGETS_MS: [u64; 4] = [1, 5, 10, 50];
const LATE_BUDGETS_MS: [u64; 3] = [1, 10, 50];
/// The most work of a run with `--work`, as a power of 2.
const WORK_POWERS: u32 = 16;
/// Largest budget of a run to the proof.
const PROOF_S: usize = 1;

struct Subject {
    name: String,
    path: PathBuf,
    instance: Instance,
    best_known: i64,
}

fn subjects(prefixes: &[String]) -> Vec<Subject> {
    let Ok(references) = std::fs::read(Path::new(DATA).join("references.json")) else {
        println!("skipped: no placement instances beside the repository ({DATA})");
        return Vec::new();
    };
    let references: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&references).expect("references");
    references
        .into_iter()
        .filter(|(name, _)| prefixes.is_empty() || prefixes.iter().any(|p| name.starts_with(p)))
        .map(|(name, reference)| {
            let path = Path::new(DATA).join(format!("instances/{name}.json"));
            let bytes = std::fs::read(&path).expect("an instance");
            Subject {
                instance: parse_host(&bytes, &name).expect("an instance"),
                best_known: reference["best_known"].as_i64().expect("a cost"),
                name,
                path,
            }
        })
        .collect()
}

struct Run {
    placed: Placed,
    cpu: Duration,
    build: Duration,
    search: Duration,
    wall: Duration,
}

fn settings(budget: Duration) -> SolveSettings {
    SolveSettings {
        budget: Some(budget),
        ..SolveSettings::default()
    }
}

/// One run. With `by_cpu` the budget is of CPU time, so that the phases are.
fn run(instance: &Instance, budget: Duration, by_cpu: bool) -> Run {
    let (warm, mut hosts) = (WarmStart::default(), HostModels::default());
    run_from(instance, &warm, &mut hosts, budget, by_cpu)
}

/// The same from what was left by an earlier round, with the models of earlier rounds' hosts.
fn run_from(
    instance: &Instance,
    warm: &WarmStart,
    hosts: &mut HostModels,
    budget: Duration,
    by_cpu: bool,
) -> Run {
    let (started, before) = (Instant::now(), cpu());
    let clock = || match by_cpu {
        true => cpu() - before,
        false => started.elapsed(),
    };
    let settings = settings(budget);
    let placed =
        place_from(instance, &CpuSet::new(), &settings, warm, hosts, &clock).expect("a plan");
    Run {
        wall: started.elapsed(),
        cpu: cpu() - before,
        build: placed.build,
        search: placed.search,
        placed,
    }
}

/// The cost by `evaluate.py`; none without python3.
fn evaluated(subject: &Subject, placement: &Placement) -> Option<i64> {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("placement.json");
    let sets: BTreeMap<&String, Vec<u32>> = placement
        .iter()
        .map(|(id, set)| (id, set.iter().map(|cpu| cpu.0).collect()))
        .collect();
    std::fs::write(&file, serde_json::to_vec(&sets).expect("JSON")).expect("a file");
    let output = Command::new("python3")
        .arg(Path::new(DATA).join("evaluate.py"))
        .arg(&subject.path)
        .arg(&file)
        .output()
        .ok()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", subject.name);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    value["cost"].as_i64()
}

fn check(subject: &Subject, placed: &Placed) {
    let (name, answer) = (&subject.name, &placed.answer);
    let cost = answer.cost();
    let checked = evaluated(subject, &answer.placement);
    assert!(
        checked.is_none_or(|c| c == cost),
        "{name}: {checked:?} for {cost}"
    );
    assert!(
        answer.lower_bound <= subject.best_known,
        "{name}: bound {} above {}",
        answer.lower_bound,
        subject.best_known
    );
    let yardstick = placed.greedy_cost.min(placed.keep_cost);
    assert!(cost <= yardstick, "{name}: {cost} above {yardstick}");
}

fn to_best(subject: &Subject, cost: i64) -> f64 {
    let loads = subject.instance.containers.iter().map(|c| {
        let rho = cpufence::placement::problem::rho(c).expect("a use");
        rho * i64::from(c.cpus)
    });
    let least = 200 * loads.sum::<i64>() / 100;
    (cost - subject.best_known) as f64 / subject.best_known.max(least).max(1) as f64
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The instances' families: names up to the first `-`.
fn family(name: &str) -> &str {
    name.split('-').next().unwrap_or(name)
}

/// What is to be measured of each instance.
#[derive(Clone, Copy)]
struct Question {
    budget: Duration,
    by_cpu: bool,
    is_proof: bool,
}

fn table(subjects: &[Subject], question: Question) {
    let Question {
        budget,
        by_cpu,
        is_proof,
    } = question;
    println!(
        "\n{}, ms: CPU",
        match is_proof {
            true => "to the proof".to_owned(),
            false => format!(
                "budget {} ms of {}",
                budget.as_millis(),
                if by_cpu { "CPU time" } else { "time" }
            ),
        }
    );
    println!(
        "| instance | status | cost | best known | bound | gap, % | to best, % | ms | build | search | MIP | late, ms | work |"
    );
    println!("|-|-|-|-|-|-|-|-|-|-|-|-|-|");
    let mut families: BTreeMap<&str, Family> = BTreeMap::new();
    for subject in subjects {
        let run = run(&subject.instance, budget, by_cpu);
        check(subject, &run.placed);
        let answer = &run.placed.answer;
        let status = serde_json::to_value(answer.status).expect("JSON");
        let to_best = 100.0 * to_best(subject, answer.cost());
        let late = if by_cpu { run.cpu } else { run.wall }.saturating_sub(budget);
        println!(
            "| {} | {} | {} | {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {} |",
            subject.name,
            status.as_str().unwrap_or_default(),
            answer.cost(),
            subject.best_known,
            answer.lower_bound,
            100.0 * answer.gap(),
            to_best,
            ms(run.cpu),
            ms(run.build),
            ms(run.search.saturating_sub(run.build)),
            ms(run.cpu.saturating_sub(run.search)),
            ms(late),
            answer.work,
        );
        let family = families.entry(family(&subject.name)).or_default();
        family.proved += usize::from(answer.status == Status::Optimal);
        family.to_best.push(to_best);
        family.gap.push(100.0 * answer.gap());
        family.ms.push(ms(run.cpu));
    }
    println!("\n| hosts | proved | gap, % | to best, % | ms |\n|-|-|-|-|-|");
    for (name, family) in families {
        println!(
            "| {name} | {} of {} | {} | {} | {} |",
            family.proved,
            family.ms.len(),
            middle_and_worst(family.gap),
            middle_and_worst(family.to_best),
            middle_and_worst(family.ms),
        );
    }
}

/// A family's results.
#[derive(Default)]
struct Family {
    proved: usize,
    gap: Vec<f64>,
    to_best: Vec<f64>,
    ms: Vec<f64>,
}

/// "median, worst"
fn middle_and_worst(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    let median = f64::midpoint(values[(n - 1) / 2], values[n / 2]);
    format!("{median:.2}, {:.2}", values[n - 1])
}

/// Ends the bench where more work gives a higher cost.
fn works(subjects: &[Subject]) {
    let mut runs = 0;
    for subject in subjects {
        let mut last = i64::MAX;
        for power in 0..=WORK_POWERS {
            let settings = SolveSettings {
                budget: None,
                work_limit: Some(1 << power),
                ..SolveSettings::default()
            };
            let placed = place(&subject.instance, &CpuSet::new(), &settings, &|| {
                Duration::ZERO
            })
            .expect("a plan");
            let cost = placed.answer.cost();
            assert!(
                cost <= last,
                "{}: {cost} after {last} with 2^{power} work",
                subject.name
            );
            if power == WORK_POWERS {
                check(subject, &placed);
            }
            last = cost;
            runs += 1;
        }
    }
    println!("{runs} runs, no cost rises with the work");
}

/// How late `runs` runs of each instance return, by the clock on the wall and
/// in CPU time of the process.
fn late(subjects: &[Subject], runs: usize, only_ms: Option<u64>) {
    println!(
        "| budget, ms | runs | clock | median, ms | 99 % | 99.9 % | worst | above 1 ms or 2 % | who |"
    );
    println!("|-|-|-|-|-|-|-|-|-|");
    let budgets = only_ms.map_or(LATE_BUDGETS_MS.to_vec(), |ms| vec![ms]);
    for budget in budgets.into_iter().map(Duration::from_millis) {
        let (mut wall, mut cpu) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            for subject in subjects {
                let run = run(&subject.instance, budget, false);
                wall.push((run.wall.saturating_sub(budget), subject.name.as_str()));
                cpu.push((run.cpu.saturating_sub(budget), subject.name.as_str()));
            }
        }
        for (clock, mut late) in [("wall", wall), ("CPU", cpu)] {
            late.sort();
            let at = |permille: usize| ms(late[(late.len() - 1) * permille / 1000].0);
            let allowed = Duration::from_millis(1).max(budget / 50);
            let above: Vec<_> = late.iter().filter(|l| l.0 > allowed).collect();
            let mut who: Vec<&str> = above.iter().map(|l| l.1).collect();
            who.sort_unstable();
            who.dedup();
            println!(
                "| {} | {} | {clock} | {:.2} | {:.2} | {:.2} | {:.2} | {} | {} |",
                budget.as_millis(),
                late.len(),
                at(500),
                at(990),
                at(999),
                at(1000),
                above.len(),
                who.join(" ")
            );
        }
    }
}

/// `rounds` events on a host: in turn as the dice say a
/// container comes (a fill of 95 % at most), one goes, or predictions change
/// (three containers by up to 30 %). Each round starts from the placement of
/// the one before, and unless `is_cold` from what its search left. `gap` is the proven one, percent.
fn rounds(subject: &Subject, rounds: u64, seed: u64, budget: Duration, is_cold: bool) {
    let mut instance = subject.instance.clone();
    let threads = instance.topology.online().len();
    let mut random = Random(seed);
    let (mut times, mut proved, mut work) = (Vec::new(), 0u64, 0u64);
    let (mut gaps, mut cost, mut warm) = (Vec::new(), 0, WarmStart::default());
    let mut hosts = HostModels::default();
    let before = cpu();
    for round in 0..rounds {
        let requested: usize = instance.containers.iter().map(|c| c.cpus as usize).sum();
        let cpus: u32 = random.pick(&[1, 2, 2, 4, 4, 4, 8, 8, 12, 16]);
        let dice = random.below(10);
        if dice < 4 && (requested + cpus as usize) * 20 <= threads * 19 {
            let mut added = ContainerSpec::new(format!("n{round}"), cpus, 0.0);
            let rho = i64::try_from(50 + random.below(901)).expect("small");
            added.rho_mcpu = Some(rho);
            instance.containers.push(added);
        } else if dice < 8 && instance.containers.len() > 4 {
            let gone = random.below(instance.containers.len() as u64);
            instance
                .containers
                .remove(usize::try_from(gone).expect("small"));
        } else {
            for _ in 0..3 {
                let of = random.below(instance.containers.len() as u64);
                let container = &mut instance.containers[usize::try_from(of).expect("small")];
                let rho = container.rho_mcpu.unwrap_or(500);
                let part = 70 + i64::try_from(random.below(61)).expect("small");
                container.rho_mcpu = Some((rho * part / 100).clamp(50, 1000));
            }
        }
        let mut run = run_from(&instance, &warm, &mut hosts, budget, true);
        if !is_cold {
            warm = std::mem::take(&mut run.placed.warm);
        }
        let answer = &run.placed.answer;
        cost += answer.cost_parts.total();
        gaps.push(100.0 * answer.gap());
        times.push(run.cpu);
        work += run.placed.answer.work;
        proved += u64::from(run.placed.answer.status == Status::Optimal);
        for container in &mut instance.containers {
            let set = &run.placed.answer.placement[&container.id];
            container.previous = Some(set.iter().collect::<Vec<CpuId>>());
        }
    }
    let total = cpu() - before;
    times.sort_unstable();
    gaps.sort_by(f64::total_cmp);
    let at = |part: usize| ms(times[(times.len() - 1) * part / 1000]);
    println!(
        "{rounds} rounds on {threads} threads: {:.1} s of CPU, {proved} proved, {work} work; a round, ms: median {:.2}, 90 % {:.2}, 99 % {:.2}, worst {:.2}; gap: median {:.2}, 90 % {:.2}, worst {:.2}; mean cost {:.3} CPU",
        total.as_secs_f64(),
        at(500),
        at(900),
        at(990),
        at(1000),
        gaps[(gaps.len() - 1) / 2],
        gaps[(gaps.len() - 1) * 9 / 10],
        gaps[gaps.len() - 1],
        cost as f64 / 1e6 / rounds as f64
    );
}

fn main() {
    let mut names = Vec::new();
    let (mut runs, mut events, mut seed, mut proof) = (0, 0, 1, None);
    let (mut by_cpu, mut by_work, mut is_cold, mut only_ms) = (false, false, false, None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|n| n.parse().ok()).expect("a number");
        match arg.as_str() {
            "--bench" => {}
            "--proof" => proof = Some(number()),
            "--cpu" => by_cpu = true,
            "--work" => by_work = true,
            "--cold" => is_cold = true,
            "--late" => runs = number(),
            "--at" => only_ms = u64::try_from(number()).ok(),
            "--rounds" => events = number(),
            "--seed" => seed = u64::try_from(number()).expect("a seed"),
            _ => names.push(arg),
        }
    }
    if events > 0 && names.is_empty() {
        names.push("x96-75-none".to_owned());
    }
    let subjects = subjects(&names);
    if subjects.is_empty() {
        return;
    }
    if runs > 0 {
        late(&subjects, runs, only_ms);
    } else if events > 0 {
        let budget = Duration::from_millis(only_ms.unwrap_or(1000));
        let events = u64::try_from(events).expect("a count");
        rounds(&subjects[0], events, seed, budget, is_cold);
    } else if by_work {
        works(&subjects);
    } else {
        let seconds = u64::try_from(proof.unwrap_or(PROOF_S)).expect("seconds");
        table(
            &subjects,
            Question {
                budget: Duration::from_secs(seconds),
                by_cpu: true,
                is_proof: true,
            },
        );
        for budget in BUDGETS_MS.map(Duration::from_millis) {
            if proof.is_none() {
                table(
                    &subjects,
                    Question {
                        budget,
                        by_cpu,
                        is_proof: false,
                    },
                );
            }
        }
    }
}
