//! Counters against enumeration of all placements; scenarios small enough to
//! follow by hand.

use std::time::Duration;

use super::counters::{Counters, Places};
use super::*;
use crate::cpuset::{CpuId, CpuSet};
use crate::topology::{Topology, make_topology};

fn set(text: &str) -> CpuSet {
    CpuSet::parse_list(text).unwrap()
}

/// A thread: container, crowd and the CPUs to choose from.
type Thread = (usize, usize, Vec<CpuId>);

/// Calls `see` for every choice of a CPU for each thread, threads of one crowd
/// on distinct CPUs.
fn each_choice(threads: &[Thread], chosen: &mut Vec<CpuId>, see: &mut dyn FnMut(&[CpuId])) {
    let Some((_, crowd, cpus)) = threads.get(chosen.len()) else {
        see(chosen);
        return;
    };
    for &cpu in cpus {
        let is_taken = |(t, c): (&Thread, &CpuId)| t.1 == *crowd && *c == cpu;
        if !threads.iter().zip(chosen.iter()).any(is_taken) {
            chosen.push(cpu);
            each_choice(threads, chosen, see);
            chosen.pop();
        }
    }
}

/// The counters of one second by enumeration; whole numbers of threads.
fn enumerated(topology: &Topology, containers: &[(CpuSet, usize)]) -> Counters {
    let crowd_of = |set: &CpuSet| containers.iter().position(|c| c.0 == *set).unwrap();
    let threads: Vec<Thread> = containers
        .iter()
        .enumerate()
        .flat_map(|(k, (set, n))| std::iter::repeat_n((k, crowd_of(set), set.iter().collect()), *n))
        .collect();
    let cpu = |id: CpuId| topology.cpus.iter().find(|c| c.id == id).unwrap();
    let mut sum = Counters::default();
    let mut count = 0.0;
    each_choice(&threads, &mut Vec::new(), &mut |chosen| {
        count += 1.0;
        for (i, a) in threads.iter().enumerate() {
            for (j, b) in threads.iter().enumerate() {
                let (x, y) = (cpu(chosen[i]), cpu(chosen[j]));
                if i != j && x.id != y.id && x.core == y.core {
                    sum.smt_s += 1.0;
                    sum.foreign_s += f64::from(u8::from(a.0 != b.0));
                }
                sum.contended_s += f64::from(u8::from(i != j && x.id == y.id));
            }
        }
        for k in 0..containers.len() {
            let own = threads.iter().zip(chosen).filter(|(t, _)| t.0 == k);
            let mut nodes: Vec<_> = own.map(|(_, c)| cpu(*c).numa).collect();
            nodes.sort_unstable();
            nodes.dedup();
            sum.nodes_s += f64::from(u32::try_from(nodes.len().saturating_sub(1)).unwrap());
        }
    });
    Counters {
        smt_s: sum.smt_s / count,
        foreign_s: sum.foreign_s / count,
        contended_s: sum.contended_s / count,
        nodes_s: sum.nodes_s / count,
        ..sum
    }
}

fn assert_near(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-9, "{a} and {b}");
}

#[test]
fn counters_are_the_means_over_all_placements() {
    // Two nodes of two cores of two threads: siblings c and c + 4, node 0 has
    // CPUs 0, 1, 4, 5.
    let host = make_topology(2, 1, 2, 2);
    let cases: [&[(&str, usize)]; 6] = [
        &[("0-7", 3)],
        &[("0-7", 2), ("0-7", 2)],
        &[("0,4", 1), ("1,5", 2), ("2-3,6-7", 2)],
        &[("0,1", 1), ("4,5", 2)],
        &[("0,4", 2), ("0-1,4-5", 2)],
        &[("0,2,4", 2), ("0,2,4", 1), ("4-7", 2)],
    ];
    for case in cases {
        let whole: Vec<_> = case.iter().map(|(s, n)| (set(s), *n)).collect();
        let wanted: Vec<_> = case
            .iter()
            .map(|(s, n)| (set(s), f64::from(u32::try_from(*n).unwrap())))
            .collect();
        let want = enumerated(&host, &whole);
        let (got, _) = Places::new(&host).count(&wanted, 1.0);
        assert_near(got.smt_s, want.smt_s);
        assert_near(got.foreign_s, want.foreign_s);
        assert_near(got.contended_s, want.contended_s);
        assert_near(got.nodes_s, want.nodes_s);
    }
}

#[test]
fn parts_of_a_thread_and_too_many_threads() {
    let places = Places::new(&make_topology(1, 1, 2, 2));
    // 1.5 threads on the two of one core: half of the time both run, and then
    // each has a busy sibling: 2 x 0.5.
    let (c, used) = places.count(&[(set("0,2"), 1.5)], 10.0);
    assert_near(c.smt_s, 10.0);
    assert_near(c.waiting_s, 0.0);
    assert_near(used[0], 1.5);
    // 3 on 2 CPUs: one CPU's worth waits, all of the time.
    let (c, used) = places.count(&[(set("0,2"), 3.0)], 10.0);
    assert_near(c.waiting_s, 10.0);
    assert_near(c.over_s, 10.0);
    assert_near(used[0], 2.0);
    // Nobody wants anything.
    let (c, _) = places.count(&[(set("0,2"), 0.0)], 10.0);
    assert_eq!(c, Counters::default());
}

const SMALL: &str = r#"
schema = "simulate/1"
name = "small"
seed = 3
duration = "20m"
interval = "1m"
work = 500
[host]
sockets = 2
cores = 2
smt = 2
[[containers]]
id = "db"
cpus = 2
usage = { mean = 0.9, noise = 0.05, memory = 0.5 }
[[containers]]
id = "late"
cpus = 1
kind = "burst"
arrives = "5m"
leaves = "10m"
most = 3
usage = { mean = 2, swing = 0.5, period = "10m" }
[[arrivals]]
name = "web"
per_hour = 12
lifetime = "8m"
cpus = [1, 2]
usage = { mean = 0.5, noise = 0.2 }
"#;

fn host_of(scenario: &Scenario) -> Topology {
    match &scenario.host {
        HostSource::Known(topology) => (**topology).clone(),
        HostSource::File(_) => panic!("a known host"),
    }
}

fn simulated(scenario: &Scenario, seed: u64, traces: Option<&str>) -> Outcome {
    let traces = traces.map(|text| ("t.csv", text));
    let host = host_of(scenario);
    run(
        scenario,
        seed,
        &host,
        traces,
        &|| Duration::ZERO,
        &mut |_, _| {},
    )
    .unwrap()
}

#[test]
fn a_seed_gives_the_same_bytes() {
    let scenario = parse_scenario(SMALL, "s.toml").unwrap();
    let (a, b) = (simulated(&scenario, 3, None), simulated(&scenario, 3, None));
    assert_eq!(a, b);
    assert_eq!(csv(&scenario, &a), csv(&scenario, &b));
    assert_eq!(chart(&scenario, &a), chart(&scenario, &b));
    let other = simulated(&scenario, 4, None);
    assert_ne!(csv(&scenario, &a), csv(&scenario, &other));
    let line = json(&scenario, 3, &a, false).unwrap();
    assert!(line.starts_with("{\"schema\":\"simulation/1\",\"scenario\":\"small\",\"seed\":3,"));
    assert!(!line.contains("timing"));
    // Everybody wants the same under every policy; fences keep foreign
    // siblings apart better than none.
    let [unfenced, greedy, ours] = &a.runs[..] else {
        panic!("three policies");
    };
    for run in [greedy, ours] {
        assert_near(run.total.wanted_s, unfenced.total.wanted_s);
        assert!(run.total.foreign_s < unfenced.total.foreign_s);
        assert!(run.total.nodes_s < unfenced.total.nodes_s);
        assert!(run.total.lent_s > 0.0);
    }
    assert_eq!(greedy.total.moves, 0);
    assert!(greedy.samples.iter().all(|s| s.work == 0));
    // `late` is there from round 5 to 9.
    let there = |round: usize| unfenced.samples[round].containers;
    assert!(there(5) > there(4) || there(4) > 2);
    let table = table(&scenario, &a);
    assert!(table.starts_with("COUNTER"), "{table}");
    assert_eq!(table.lines().count(), 12, "{table}");
}

#[test]
fn traces_are_in_cpus_or_in_percent() {
    let base = |usage: &str| {
        let text = format!(
            "schema = \"simulate/1\"\nduration = \"4m\"\ninterval = \"1m\"\ntraces = \"t.csv\"\n\
             policies = [\"unfenced\"]\n[host]\ncores = 4\n[[containers]]\nid = \"a\"\ncpus = 2\n\
             usage = {{ trace = \"x\"{usage} }}"
        );
        parse_scenario(&text, "s.toml").unwrap()
    };
    let wanted = |usage: &str, traces: &str| -> Vec<f64> {
        let scenario = base(usage);
        let outcome = simulated(&scenario, 0, Some(traces));
        let samples = outcome.runs[0].samples.iter();
        samples
            .map(|s| (s.counters.wanted_s / 60.0 * 1e6).round() / 1e6)
            .collect()
    };
    let cpus = "trace_id,timestamp_s,cpus\nx,60,0.5\nx,120,1.5\nx,180,1\n";
    let percent = "trace_id,timestamp_s,cpu_pct\nx,60,25\nx,120,75\nx,180,50\n";
    // The fourth interval begins the trace again.
    assert_eq!(wanted("", cpus), [0.5, 1.5, 1.0, 0.5]);
    assert_eq!(wanted("", percent), [0.5, 1.5, 1.0, 0.5]);
    assert_eq!(
        wanted(", percent_of = \"cpu\"", percent),
        [0.25, 0.75, 0.5, 0.25]
    );
    assert_eq!(wanted(", offset = \"1m\"", cpus), [1.5, 1.0, 0.5, 1.5]);
    let scenario = base("");
    let host = host_of(&scenario);
    let fails = |text: &str| {
        let traces = Some(("t.csv", text));
        let ended = run(
            &scenario,
            0,
            &host,
            traces,
            &|| Duration::ZERO,
            &mut |_, _| {},
        );
        ended.unwrap_err().to_string()
    };
    assert!(fails("trace_id,timestamp_s,cpus\ny,60,1\n").contains("usage.trace = \"x\""));
    let text = fails("trace_id,timestamp_s,cpus\nx,60,-1\n");
    assert!(
        text.contains("t.csv: line 2, column cpus") && text.ends_with("correct the file"),
        "{text}"
    );
}

#[test]
fn scenarios_that_make_no_sense_are_named() {
    let with = |from: &str, to: &str| {
        assert!(SMALL.contains(from), "{from}");
        parse_scenario(&SMALL.replacen(from, to, 1), "s.toml")
            .unwrap_err()
            .to_string()
    };
    for (from, to, part) in [
        (
            "simulate/1",
            "simulate/2",
            "schema is \"simulate/2\"; expected \"simulate/1\"",
        ),
        ("seed = 3", "sed = 3", "s.toml:4: unknown field `sed`"),
        ("\"20m\"", "\"soon\"", "duration: 'soon' is not a duration"),
        ("\"20m\"", "\"10s\"", "duration = \"10s\": 0 intervals"),
        (
            "interval = \"1m\"",
            "interval = \"10ms\"",
            "interval = 0.01: expected 1 to 3600",
        ),
        (
            "work = 500",
            "policies = []",
            "policies: expected one or more",
        ),
        (
            "work = 500",
            "policies = [\"greedy\", \"greedy\"]",
            "each once",
        ),
        (
            "sockets = 2",
            "file = \"h.json\"",
            "host: expected one of file, embedded, or a shape",
        ),
        (
            "cores = 2",
            "cores = 0",
            "host.cores = 0: expected 1 to 4096",
        ),
        ("cores = 2", "cores = 4000", "host: 16000 threads"),
        (
            "id = \"late\"",
            "id = \"db\"",
            "id \"db\"): expected each id once",
        ),
        (
            "id = \"late\"",
            "id = \"web-1\"",
            "name \"web\"): expected a name of its own",
        ),
        (
            "leaves = \"10m\"",
            "leaves = \"5m\"",
            "expected it to leave later",
        ),
        (
            "mean = 2,",
            "mean = -2,",
            "usage.mean = -2: expected 0 to 100",
        ),
        (
            ", period = \"10m\"",
            "",
            "expected swing and period together",
        ),
        (
            "mean = 0.5, noise = 0.2",
            "trace = \"x\"",
            "names no trace file; set traces",
        ),
        (
            "memory = 0.5",
            "memory = 1",
            "usage.memory = 1: expected 0 to 0.999",
        ),
        (
            "per_hour = 12",
            "per_hour = 0",
            "per_hour = 0: expected 0.001 to 10000",
        ),
        (
            "cpus = [1, 2]",
            "cpus = []",
            "expected the sizes to draw from",
        ),
        (
            "cpus = [1, 2]",
            "cpus = [0]",
            "cpus = 0: expected 1 to 4096 threads",
        ),
        (
            "[host]",
            "[lending]\nreserve = 0\n[host]",
            "lending.reserve = 0",
        ),
    ] {
        let text = with(from, to);
        assert!(
            text.starts_with("s.toml") && text.contains(part),
            "{from} -> {to}: {text}"
        );
    }
    let json = r#"{"schema": "simulate/1", "duration": "1m",
        "intervall": "1m"}"#;
    let text = parse_scenario(json, "s.json").unwrap_err().to_string();
    assert!(
        text.starts_with("s.json:2: unknown field `intervall`"),
        "{text}"
    );
}
