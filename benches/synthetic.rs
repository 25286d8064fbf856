//! Hosts that the instance files do not have: wide cores, patterns of
//! containers that stay apart on cores, and ever more L3s.
//!
//! Method: hosts of a seeded generator (requests of 1 to 12 threads, predicted
//! use of 5 to 100 % a thread, until the host is as full as wanted); `moved` hosts
//! have the plan of a round before (budget 1 s), with one container gone and one
//! new. One thread; budgets and times are of CPU time, with build.
//!
//! ```text
//! cargo bench --bench synthetic                   all families; wide and apart at 50 ms and at 1 s
//! cargo bench --bench synthetic -- wide           cores of 4 and 8 threads
//! cargo bench --bench synthetic -- apart          64 threads, web/* apart from db/* by core
//! cargo bench --bench synthetic -- rounds          100 events in turn on wide and apart hosts, with warm starts and without
//! cargo bench --bench synthetic -- growth         128, 256 and 512 threads, L3s of 8 cores, at 5 s
//! ```
#![allow(clippy::print_stdout, reason = "a table is the result")]
#![expect(clippy::expect_used, reason = "a bench may stop on broken input")]
#![expect(clippy::disallowed_methods, reason = "a bench reads its arguments")]

mod common;

use std::time::Duration;

use cpufence::cpuset::CpuSet;
use cpufence::placement::{
    HostModels, Instance, Placed, SolveSettings, Status, WarmStart, parse_host, place_from,
};
use serde_json::{Value, json};

use common::{Random, cpu};

/// Nodes, L3s of a node, cores of an L3, threads of a core.
type Shape = [u64; 4];

struct Host {
    name: String,
    shape: Shape,
    /// Per cent of the threads that are requested.
    fill: u64,
    is_moved: bool,
    /// Names begin with `web/` and `db/`, and these are apart by core.
    is_apart: bool,
    seed: u64,
}

const REQUESTS: [u64; 10] = [1, 1, 2, 2, 3, 4, 4, 6, 8, 12];
const NAMES: [&str; 4] = ["web", "web", "db", "job"];

impl Host {
    fn threads(&self) -> u64 {
        self.shape.iter().product()
    }

    fn cpus(&self) -> Vec<Value> {
        let [nodes, l3s, cores, width] = self.shape;
        let all = nodes * l3s * cores;
        let cpu = |id: u64| {
            let l3 = id % all / cores;
            json!({"id": id, "core": id % all, "l3": l3, "numa": l3 / l3s, "socket": l3 / l3s,
                   "online": true, "perf": 1000})
        };
        (0..all * width).map(cpu).collect()
    }

    fn instance(&self, containers: &[Value]) -> Instance {
        let mut constraints = Vec::new();
        if self.is_apart {
            let rule = json!({"kind": "anti_affinity", "containers": "web/*", "others": "db/*",
                              "level": "core"});
            constraints.push(rule);
        }
        let host = json!({"schema": "placement/1", "name": self.name, "seed": self.seed,
            "weights": {}, "topology": {"cpus": self.cpus()}, "containers": containers,
            "constraints": constraints});
        parse_host(host.to_string().as_bytes(), &self.name).expect("a host")
    }

    fn containers(&self) -> Vec<Value> {
        let mut random = Random(self.seed);
        let mut left = self.threads() * self.fill / 100;
        let mut containers = Vec::new();
        while left > 0 {
            let cpus = random.pick(&REQUESTS).min(left);
            left -= cpus;
            let name = random.pick(&NAMES);
            let rho = 50 + random.below(951);
            containers.push(
                json!({"id": format!("{name}/{}", containers.len()), "cpus": cpus,
                "predicted_p95": 0.0, "rho_mcpu": rho, "kind": "static"}),
            );
        }
        containers
    }

    /// The instance to be measured.
    fn build(&self) -> Instance {
        let mut containers = self.containers();
        let instance = self.instance(&containers);
        if !self.is_moved {
            return instance;
        }
        keep(
            &mut containers,
            &run(&instance, Duration::from_secs(1), &WarmStart::default()).0,
        );
        // The first one goes, another of its size comes.
        containers[0]["id"] = "job/new".into();
        containers[0]["rho_mcpu"] = 500.into();
        containers[0]["previous"] = Value::Null;
        self.instance(&containers)
    }
}

/// Each container has been where the plan put it.
fn keep(containers: &mut [Value], plan: &Placed) {
    for container in containers {
        let id = container["id"].as_str().expect("an id");
        let set = plan.answer.placement[id].iter();
        container["previous"] = set.map(|cpu| cpu.0).collect::<Vec<u32>>().into();
    }
}

fn run(instance: &Instance, budget: Duration, warm: &WarmStart) -> (Placed, Duration) {
    let before = cpu();
    let settings = SolveSettings {
        budget: Some(budget),
        ..SolveSettings::default()
    };
    let clock = || cpu() - before;
    let (nobody, mut hosts) = (CpuSet::new(), HostModels::default());
    let placed = place_from(instance, &nobody, &settings, warm, &mut hosts, &clock);
    let placed = placed.expect("a plan");
    (placed, cpu() - before)
}

/// Fill, and whether there was a round before.
const CASES: [(u64, bool); 5] = [
    (50, false),
    (75, false),
    (95, false),
    (75, true),
    (95, true),
];

fn cases(name: &str, shape: Shape, is_apart: bool, seed: Option<u64>) -> Vec<Host> {
    let host = |(fill, is_moved): (u64, bool)| Host {
        name: format!("{name}, {fill} %{}", if is_moved { ", moved" } else { "" }),
        shape,
        fill,
        is_moved,
        is_apart,
        seed: seed.unwrap_or(fill),
    };
    CASES.map(host).into()
}

fn wide() -> Vec<Host> {
    let shapes = [
        ("2 nodes x 8 cores x 4", [2, 1, 8, 4]),
        ("2 nodes x 4 x 2 cores x 4", [2, 4, 2, 4]),
        ("2 nodes x 4 cores x 8", [2, 1, 4, 8]),
        ("2 nodes x 12 cores x 8", [2, 1, 12, 8]),
    ];
    shapes
        .iter()
        .flat_map(|&(name, shape)| cases(name, shape, false, None))
        .collect()
}

fn apart() -> Vec<Host> {
    let of = |seed: u64| cases(&format!("seed {seed}"), [2, 1, 16, 2], true, Some(seed));
    [1, 2].into_iter().flat_map(of).collect()
}

fn growth() -> Vec<Host> {
    let host = |l3s: u64| Host {
        name: format!("{} threads", l3s * 32),
        shape: [2, l3s, 8, 2],
        fill: 75,
        is_moved: false,
        is_apart: false,
        seed: 7,
    };
    [4, 8, 16].map(host).into()
}

fn table(title: &str, hosts: &[Host], budgets: &[Duration]) {
    println!("\n{title}\n");
    println!("| host | containers | budget, ms | status | cost | bound | gap, % | CPU, ms |");
    println!("|-|-|-|-|-|-|-|-|");
    for host in hosts {
        let instance = host.build();
        for &budget in budgets {
            let (placed, time) = run(&instance, budget, &WarmStart::default());
            let answer = &placed.answer;
            // Greedy and keep-and-fit may be cheaper where they break a rule.
            let yardstick = placed.greedy_cost.min(placed.keep_cost);
            assert!(host.is_apart || answer.cost() <= yardstick, "{}", host.name);
            println!(
                "| {} | {} | {} | {:?} | {} | {} | {:.2} | {:.1} |",
                host.name,
                instance.containers.len(),
                budget.as_millis(),
                answer.status,
                answer.cost(),
                answer.lower_bound,
                100.0 * answer.gap(),
                time.as_secs_f64() * 1e3,
            );
        }
    }
}

/// What the rounds of one kind came to.
#[derive(Default)]
struct Tally {
    times: Vec<f64>,
    /// Of the root relaxation, and in all.
    iterations: [Vec<f64>; 2],
    proved: u32,
    cost: i64,
}

impl Tally {
    fn add(&mut self, placed: &Placed, time: Duration) {
        self.times.push(time.as_secs_f64() * 1e3);
        for (all, more) in self.iterations.iter_mut().zip(placed.lp_iterations) {
            all.push(more as f64);
        }
        self.proved += u32::from(placed.answer.status == Status::Optimal);
        self.cost += placed.answer.cost();
    }

    fn print(mut self, name: &str, kind: &str) {
        let at = |values: &mut Vec<f64>, part: usize| {
            values.sort_by(f64::total_cmp);
            values[(values.len() - 1) * part / 10]
        };
        let events = self.times.len();
        let total: f64 = self.times.iter().sum();
        let [root, all] = &mut self.iterations;
        println!(
            "| {name} | {kind} | {:.2}, {:.2} | {:.2} | {:.0}, {:.0} | {:.0}, {:.0} | {} of {events} | {:.4} |",
            at(&mut self.times, 5),
            at(&mut self.times, 9),
            total / events as f64,
            at(root, 5),
            at(root, 9),
            at(all, 5),
            at(all, 9),
            self.proved,
            self.cost as f64 / 1e6 / events as f64,
        );
    }
}

/// Events in turn: a container goes, one of another size comes, three are used otherwise. Each
/// round from the placement of the one before, once with what its search left and once
/// without; the next goes on from the first.
fn rounds(host: &Host, events: usize, budget: Duration) {
    let mut random = Random(host.seed);
    let mut containers = host.containers();
    let (cold, mut warm) = (WarmStart::default(), WarmStart::default());
    let mut tallies = [Tally::default(), Tally::default()];
    for event in 0..=events {
        if event > 0 {
            change(host, event, &mut containers, &mut random);
        }
        let instance = host.instance(&containers);
        let without = run(&instance, budget, &cold);
        let (mut placed, time) = run(&instance, budget, &warm);
        keep(&mut containers, &placed);
        warm = std::mem::take(&mut placed.warm);
        if event > 0 {
            tallies[0].add(&without.0, without.1);
            tallies[1].add(&placed, time);
        }
    }
    let [without, with] = tallies;
    without.print(&host.name, "cold");
    with.print(&host.name, "warm");
}

fn change(host: &Host, event: usize, containers: &mut Vec<Value>, random: &mut Random) {
    let any = |random: &mut Random, all: &[Value]| {
        usize::try_from(random.below(all.len() as u64)).expect("small")
    };
    let requested: u64 = containers.iter().filter_map(|c| c["cpus"].as_u64()).sum();
    let most = host.threads() * host.fill / 100;
    match event % 3 {
        1 => drop(containers.remove(any(random, containers))),
        2 => {
            let cpus = random.pick(&REQUESTS).min(most - requested).max(1);
            let name = random.pick(&NAMES);
            let rho = 50 + random.below(951);
            containers.push(json!({"id": format!("{name}/n{event}"), "cpus": cpus,
                "predicted_p95": 0.0, "rho_mcpu": rho, "kind": "static"}));
        }
        _ => {
            for _ in 0..3 {
                let at = any(random, containers);
                let rho = containers[at]["rho_mcpu"].as_u64().expect("a use");
                let rho = rho * (70 + random.below(61)) / 100;
                containers[at]["rho_mcpu"] = rho.clamp(50, 1000).into();
            }
        }
    }
}

/// Hosts whose rounds have a MIP.
fn with_mips() -> Vec<Host> {
    let host = |(name, shape, fill, is_apart, seed): (&str, Shape, u64, bool, u64)| Host {
        name: format!("{name}, {fill} %, seed {seed}"),
        shape,
        fill,
        is_moved: false,
        is_apart,
        seed,
    };
    let wide = [
        ("2 nodes x 8 cores x 4", [2, 1, 8, 4]),
        ("2 nodes x 12 cores x 8", [2, 1, 12, 8]),
    ];
    let apart = ("2 nodes x 16 cores x 2, apart", [2, 1, 16, 2]);
    let wide = wide.into_iter().flat_map(|(name, shape)| {
        [(75, 1), (95, 2)].map(|(fill, seed)| (name, shape, fill, false, seed))
    });
    let apart = [(75, 1), (95, 2)].map(|(fill, seed)| (apart.0, apart.1, fill, true, seed));
    wide.chain(apart).map(host).collect()
}

fn main() {
    let args = std::env::args().skip(1);
    let wanted: Vec<String> = args.filter(|a| !a.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|w| w == name);
    let short = [Duration::from_millis(50), Duration::from_secs(1)];
    if is_wanted("wide") {
        table("Wide cores", &wide(), &short);
    }
    if is_wanted("apart") {
        table(
            "64 threads, web/* apart from db/* by core",
            &apart(),
            &short,
        );
    }
    if wanted.iter().any(|w| w == "rounds") {
        println!("\n100 rounds in turn, with and without what the round before left, at 1 s\n");
        println!(
            "| host | start | CPU, ms: median, 90 % | mean | iterations of the root LP: median, 90 % | of all LPs | proved | mean cost |"
        );
        println!("|-|-|-|-|-|-|-|-|");
        for host in with_mips() {
            rounds(&host, 100, Duration::from_secs(1));
        }
    }
    if is_wanted("growth") {
        table("Growth", &growth(), &[Duration::from_secs(5)]);
    }
}
