use std::time::Duration;

use super::super::cost::cost;
use super::super::enumerate::enumerate;
use super::super::random::{Random, Shape, instance};
use super::super::solve::Prepared;
use super::super::types::{Instance, SolveSettings};
use super::choices::{Choice, Class, SCALE, Units};
use super::pricing::{FINEST, Part, Pricer, Pricing, pattern_cost};
use super::split::{NEVER, Request, Splitter};
use super::*;
use crate::cpuset::{CpuId, CpuSet};
use crate::placement::oracle::assignments;
use crate::placement::problem::NUMA;
use crate::placement::{HostModels, WarmStart, place_from, testing};
use branchcut::StopFlag;

mod columns;

fn number(random: &mut Random, below: usize) -> i64 {
    i64::try_from(random.below(below)).unwrap()
}

/// A small host of several L3s, alike or not.
fn chiplets(random: &mut Random) -> Instance {
    chiplets_of(random, 2)
}

/// The same with cores of at most so many threads.
fn chiplets_of(random: &mut Random, width: u32) -> Instance {
    let shape = Shape {
        width,
        threads: if width > 2 { 8 } else { 9 },
        containers: 4,
        overlap: false,
    };
    let mut host = instance(random, shape);
    if random.chance(50) {
        // Regular: alike L3s, whose patterns are priced once.
        let (nodes, l3s) = [(1, 3), (1, 4), (2, 2), (2, 1), (4, 1)][random.below(5)];
        host.topology = testing::topology(nodes, l3s, 1, width);
        for container in &mut host.containers {
            container.cpus = container.cpus.min(3);
            if random.chance(60) {
                container.previous = None;
            }
        }
        let online = host.topology.cpus.len();
        while host
            .containers
            .iter()
            .map(|k| k.cpus as usize)
            .sum::<usize>()
            > online
        {
            host.containers.pop();
        }
        let known = |cpu: &CpuId| host.topology.cpus.iter().any(|c| c.id == *cpu);
        for container in &mut host.containers {
            if let Some(previous) = &mut container.previous {
                previous.retain(known);
            }
        }
    }
    host
}

fn run(problem: &Problem, start: &[Option<u32>], limit: u64) -> dual::Found {
    run_from(problem, start, limit, &Default::default())
}

/// Without anything from an earlier round.
fn cold(problem: &Problem) -> Search<'_> {
    Search::new(problem, &Prices::default(), &Columns::default()).unwrap()
}

/// From what an earlier round left.
fn run_from(
    problem: &Problem,
    start: &[Option<u32>],
    limit: u64,
    (prices, columns): &(Prices, Columns),
) -> dual::Found {
    let mut search = Search::new(problem, prices, columns).unwrap();
    search.run(&Task {
        owners: start,
        cost: cost(problem, start).total(),
        lower_bound: i64::MIN / 4,
        seed: 1,
        limit,
        pricings: u64::MAX,
        stop: &|| false,
    })
}

/// Against trying every assignment. A bound above the least cost is the worst defect.
#[test]
fn bounds_are_never_above_the_least_cost() {
    check_bounds(2, testing_hosts());
}

#[test]
fn bounds_of_wide_cores_are_never_above_the_least_cost() {
    check_bounds(4, testing_hosts());
}

fn check_bounds(width: u32, hosts_wanted: u64) {
    let (mut hosts, mut tight, mut found) = (0, 0, 0);
    for seed in 0..hosts_wanted {
        let random = &mut Random(seed);
        let host = chiplets_of(random, width);
        let problem = Problem::new(&host, &CpuSet::new()).unwrap();
        // Wide hosts come larger than there is time to try.
        if width > 2 && assignments(&problem) > 300_000 {
            continue;
        }
        let start = super::super::random::assignment(random, &problem);
        let (least, _) = enumerate(&problem, 3_000_000);
        for limit in [1, 20, 8000] {
            let result = run(&problem, &start, limit);
            assert!(
                result.lower_bound <= least,
                "seed {seed}, limit {limit}: {} above {least}",
                result.lower_bound
            );
            assert!(result.work <= limit);
            assert_eq!(result.cost, cost(&problem, &result.owners).total());
            assert!(problem.is_complete(&result.owners));
            assert!(result.cost >= least && result.cost <= cost(&problem, &start).total());
            if limit == 8000 {
                hosts += 1;
                tight += u64::from(result.lower_bound == least);
                found += u64::from(result.cost == least);
            }
        }
    }
    assert!(hosts == hosts_wanted || width > 2 && hosts * 2 > hosts_wanted);
    // Not by being idle.
    assert!(tight * 10 > hosts * 4, "{tight} of {hosts} tight");
    assert!(found * 10 > hosts * 8, "{found} of {hosts} found");
}

/// The MIP within what is left for a cost still finds the least; from starts at it and above.
#[test]
fn what_is_left_holds_the_optimum() {
    let (mut narrowed, mut above) = (0, 0);
    for seed in 0..4 * testing_hosts() {
        let random = &mut Random(seed);
        let host = chiplets_of(random, [2, 2, 2, 3][(seed % 4) as usize]);
        let problem = Problem::new(&host, &CpuSet::new()).unwrap();
        let (least, best) = enumerate(&problem, 3_000_000);
        let start = super::super::random::assignment(random, &problem);
        let Some(rises) = run(&problem, &start, 8000).rises else {
            continue;
        };
        for start in [&start, &best] {
            let cost = cost(&problem, start).total();
            let ranges = rises.ranges(cost);
            for range in &ranges {
                let threads = &problem.levels[L3].groups[range.group].threads;
                for (k, &[low, high]) in range.threads.iter().enumerate() {
                    let of_k = |&&t: &&usize| best[t] == u32::try_from(k).ok();
                    let n = i64::try_from(threads.iter().filter(of_k).count()).unwrap();
                    assert!((low..=high).contains(&n), "seed {seed}: {low} {n} {high}");
                    let most = problem.containers[k].request.min(threads.len());
                    narrowed += u32::from(low > 0) + u32::from(high < i64::try_from(most).unwrap());
                }
            }
            let settings = SolveSettings::default();
            let prepared = Prepared::within(&problem, start, &ranges);
            let solved = prepared.solve(&settings, None, &StopFlag::default());
            assert_eq!(solved.parts.total(), least, "seed {seed}");
            assert_eq!(solved.lower_bound, least, "seed {seed}");
            above += u32::from(cost > least);
        }
    }
    assert!(narrowed > 400 && above > 40, "{narrowed}, {above}");
}

/// `CPUFENCE_CHIPLET_HOSTS=20000` tries more.
fn testing_hosts() -> u64 {
    let set = option_env!("CPUFENCE_CHIPLET_HOSTS");
    set.map_or(250, |hosts| hosts.parse().unwrap())
}

/// A random class, and prices.
fn class(random: &mut Random) -> (Class, Vec<i64>, Vec<Vec<i64>>) {
    let width = 2 + random.below(2);
    let halves = width * (1 + random.below(3));
    let containers = 1 + random.below(4);
    let (mut choices, mut rho, mut prices) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..containers {
        rho.push(number(random, 30));
        let mut own = vec![Choice {
            threads: 0,
            halves: 0,
            cost: 0,
        }];
        for threads in 1..=random.below(4) {
            for _ in 0..1 + random.below(2) {
                own.push(Choice {
                    threads,
                    halves: threads + random.below(threads + 1),
                    cost: number(random, 5000) * SCALE,
                });
            }
        }
        let mut received = vec![0];
        received.extend((0..4).map(|_| number(random, 6000) * SCALE));
        choices.push(own);
        prices.push(received);
    }
    let class = Class {
        size: 1,
        width,
        halves,
        threads: halves,
        share: number(random, 60),
        choices,
    };
    (class, rho, prices)
}

/// Every pattern of the containers from `k` on: its parts.
fn patterns(class: &Class, k: usize, halves: usize) -> Vec<Vec<Part>> {
    if k == class.choices.len() {
        return if class.width > 2 || halves.is_multiple_of(2) {
            vec![Vec::new()]
        } else {
            Vec::new()
        };
    }
    let mut all = Vec::new();
    for choice in class.choices[k].iter().filter(|c| c.halves <= halves) {
        for rest in patterns(class, k + 1, halves - choice.halves) {
            let mut parts = vec![Part {
                threads: choice.threads,
                halves: choice.halves,
            }];
            parts.extend(rest);
            all.push(parts);
        }
    }
    all
}

#[test]
fn the_priced_pattern_is_the_cheapest_of_all() {
    let (mut over, mut lost) = (0, 0);
    for seed in 0..600 {
        let random = &mut Random(seed);
        let (class, rho, prices) = class(random);
        let balance = number(random, 40);
        let mut coarser = i64::MIN;
        // 16: most of the load is lost to rounding; 1024: none.
        for steps in [16, 256, FINEST] {
            let pricing = Pricing {
                class: &class,
                rho: &rho,
                balance,
                prices: &prices,
                steps,
            };
            let priced = Pricer::default().price(pricing).unwrap();
            let worth = |parts: &Vec<Part>| {
                let received: i64 = parts.iter().zip(&prices).map(|(p, x)| x[p.threads]).sum();
                // Of equal choices the cheapest.
                let own = parts.iter().zip(&class.choices).map(|(part, choices)| {
                    let same = |c: &&Choice| c.threads == part.threads && c.halves == part.halves;
                    choices.iter().filter(same).map(|c| c.cost).min().unwrap()
                });
                let load: i64 = parts
                    .iter()
                    .zip(&rho)
                    .map(|(p, r)| r * p.threads as i64)
                    .sum();
                let excess = balance * (load - class.share).max(0) * SCALE;
                (own.sum::<i64>() + excess - received, excess)
            };
            let all = patterns(&class, 0, class.halves);
            let (least, excess) = all.iter().map(worth).min().unwrap();
            assert!(priced.value <= least, "seed {seed}");
            assert!(priced.value >= coarser, "seed {seed}");
            lost += u32::from(priced.value < least);
            coarser = priced.value;
            if steps == FINEST {
                assert_eq!(priced.value, least, "seed {seed}");
                over += u32::from(excess > 0);
            }
            let received: i64 = priced
                .parts
                .iter()
                .zip(&prices)
                .map(|(p, x)| x[p.threads])
                .sum();
            assert_eq!(priced.cost, priced.value + received);
            assert!(all.contains(&priced.parts));
            let values = Pricer::default().values(pricing, &|| false).unwrap();
            for (k, values) in values.iter().enumerate() {
                assert_eq!(values.iter().min(), Some(&priced.value), "seed {seed}");
                for (n, &value) in values.iter().enumerate() {
                    let so = all.iter().filter(|parts| parts[k].threads == n);
                    let least = so.map(worth).min().map_or(NEVER, |least| least.0);
                    assert!(value <= least, "seed {seed}");
                    assert!(value == least || steps < FINEST, "seed {seed}");
                }
            }
        }
    }
    assert!(over >= 50 && lost >= 50, "{over}, {lost}");
}

#[test]
fn a_pattern_costs_what_its_pricing_says() {
    let mut same = 0;
    for seed in 0..200 {
        let random = &mut Random(seed);
        let (mut class, rho, prices) = class(random);
        for choices in &mut class.choices {
            // As of a host: one choice of so many threads and halves.
            choices.dedup_by_key(|c| (c.threads, c.halves));
        }
        for steps in [64, FINEST] {
            let pricing = Pricing {
                class: &class,
                rho: &rho,
                balance: 7,
                prices: &prices,
                steps,
            };
            let priced = Pricer::default().price(pricing).unwrap();
            let cost = pattern_cost(&class, &rho, 7, steps, &priced.parts);
            assert_eq!(cost, priced.cost, "seed {seed}");
            same += 1;
        }
    }
    assert_eq!(same, 400);
}

/// Every way to part `left` threads over units that hold `most` each.
fn splits(most: &[usize], left: usize) -> Vec<Vec<usize>> {
    let Some((&first, rest)) = most.split_first() else {
        return if left == 0 {
            vec![Vec::new()]
        } else {
            Vec::new()
        };
    };
    let mut all = Vec::new();
    for own in 0..=first.min(left) {
        for mut others in splits(rest, left - own) {
            others.insert(0, own);
            all.push(others);
        }
    }
    all
}

#[test]
fn a_split_is_the_cheapest_of_all() {
    for seed in 0..300 {
        let random = &mut Random(seed);
        let problem = Problem::new(&chiplets(random), &CpuSet::new()).unwrap();
        let Some(units) = Units::new(&problem) else {
            continue;
        };
        let mut prices: Vec<Vec<Vec<i64>>> = Vec::new();
        for class in &units.classes {
            let of = |random: &mut Random, r: usize| {
                let most = r.min(class.threads);
                let mut own = vec![0];
                own.extend((0..most).map(|_| number(random, 4000) - 1000));
                own
            };
            let requests = problem.containers.iter().map(|k| k.request);
            prices.push(requests.map(|r| of(random, r)).collect());
        }
        let rates: Vec<i64> = units.nodes.iter().map(|_| number(random, 300)).collect();
        for (k, container) in problem.containers.iter().enumerate() {
            let request = Request {
                index: k,
                threads: container.request,
                spread: number(random, 2000),
                movement: number(random, 800),
                rates: &rates,
            };
            let mut split = Vec::new();
            let value = Splitter::default().split(&units, request, &prices, &mut split);
            let all: Vec<usize> = units.nodes.iter().flat_map(|n| n.units.clone()).collect();
            let most: Vec<usize> = all.iter().map(|&c| units.classes[c].threads).collect();
            let worth = |split: &Vec<usize>| {
                let mut total = 0;
                let mut threads = split.iter();
                for (node, rate) in units.nodes.iter().zip(&rates) {
                    let mut inside = 0;
                    for (&c, &w) in node.units.iter().zip(&mut threads) {
                        total += prices[c][k][w];
                        inside += w as i64;
                    }
                    total += rate * inside + if inside > 0 { request.spread } else { 0 };
                    total += request.movement * (node.before[k] - inside).max(0);
                }
                total
            };
            let least = splits(&most, container.request).iter().map(worth).min();
            assert_eq!(Some(value), least, "seed {seed}");
            assert_eq!(worth(&split), value, "seed {seed}");
            assert_eq!(split.iter().sum::<usize>(), container.request);
            let values = Splitter::values(&units, request, &prices, &|| false).unwrap();
            let all_splits = splits(&most, container.request);
            for (unit, values) in values.iter().enumerate() {
                for (n, &value) in values.iter().enumerate() {
                    let so = all_splits.iter().filter(|split| split[unit] == n);
                    assert_eq!(value, so.map(worth).min().unwrap_or(NEVER), "seed {seed}");
                }
            }
        }
    }
}

/// 2 nodes of 2 alike L3s each, nothing placed: one class. A container that was on
/// one L3 tells it, and its node, from the others.
#[test]
fn alike_units_are_priced_once() {
    let mut host = Instance {
        topology: testing::topology(2, 2, 2, 2),
        ..testing::flat_host(1, vec![testing::container("a", 3, 2.0)])
    };
    let units = |host: &Instance| Units::new(&Problem::new(host, &CpuSet::new()).unwrap()).unwrap();
    let plain = units(&host);
    assert_eq!(plain.classes.len(), 1);
    assert_eq!(plain.classes[0].size, 4);
    assert_eq!(plain.groups, [[0, 1], [2, 3]]);
    host.containers[0].previous = Some(vec![CpuId(0), CpuId(8)]);
    let had = units(&host);
    let sizes: Vec<usize> = had.classes.iter().map(|c| c.size).collect();
    assert_eq!(sizes, [1, 1, 2]);
    assert_eq!(had.nodes[0].before, [2]);
    // Both threads of core 0: a whole core there keeps two, at 5,000 each.
    let whole = had.classes[0].choices[0]
        .iter()
        .find(|c| c.threads == 2 && c.halves == 2)
        .unwrap();
    // 2 x 200 x 667 busy, spread 60 x 2001, 2 threads kept at 5,000.
    assert_eq!(whole.cost, (266_800 + 120_060 - 10_000) * SCALE);
}

/// Stopping at a work count, or starting with that as the limit, is the same.
#[test]
fn a_limit_replays_a_stop() {
    let random = &mut Random(11);
    let mut host = testing::flat_host(1, Vec::new());
    host.topology = testing::topology(2, 4, 2, 2);
    for k in 0..9 {
        let cpus = u32::try_from(1 + random.below(4)).unwrap();
        host.containers.push(testing::container(
            &format!("c{k}"),
            cpus,
            0.7 * f64::from(cpus),
        ));
    }
    let problem = Problem::new(&host, &CpuSet::new()).unwrap();
    let start = super::super::random::assignment(random, &problem);
    let first = cost(&problem, &start).total();
    let (mut improved, mut last) = (0, i64::MIN);
    for looks in [1u64, 2, 7, 30, 90, 250] {
        let asked = std::cell::Cell::new(0);
        let mut search = cold(&problem);
        let stopped = search.run(&Task {
            owners: &start,
            cost: first,
            lower_bound: 0,
            seed: 5,
            limit: u64::MAX,
            pricings: u64::MAX,
            stop: &|| {
                asked.set(asked.get() + 1);
                asked.get() > looks
            },
        });
        let mut again = cold(&problem);
        let replayed = again.run(&Task {
            owners: &start,
            cost: first,
            lower_bound: 0,
            seed: 5,
            limit: stopped.work,
            pricings: u64::MAX,
            stop: &|| false,
        });
        assert_eq!(replayed.work, stopped.work);
        assert_eq!(replayed.owners, stopped.owners);
        assert_eq!(again.leave(), search.leave());
        assert_eq!(replayed.lower_bound, stopped.lower_bound);
        assert!(stopped.lower_bound >= last);
        last = stopped.lower_bound;
        improved += u32::from(stopped.cost < first);
    }
    assert!(improved > 0);
    assert!(problem.levels[NUMA].groups.len() == 2);
}

/// From prices and columns of the same host, and of any other, the bound is no less valid; from
/// its own it is there after the first pricing.
#[test]
fn prices_of_an_earlier_round_bound_at_once() {
    let (mut sooner, mut hosts, mut others) = (0, 0, Default::default());
    for seed in 0..testing_hosts() {
        let random = &mut Random(seed);
        let host = chiplets_of(random, [2, 2, 3][(seed % 3) as usize]);
        let problem = Problem::new(&host, &CpuSet::new()).unwrap();
        if assignments(&problem) > 300_000 {
            continue;
        }
        let start = super::super::random::assignment(random, &problem);
        let (least, _) = enumerate(&problem, 3_000_000);
        let mut cold = cold(&problem);
        let first = pricings(&mut cold, &problem, &start, 1);
        let last = pricings(&mut cold, &problem, &start, u64::MAX);
        let own = cold.leave().unwrap();
        let mut warm = Search::new(&problem, &own.0, &own.1).unwrap();
        let at_once = pricings(&mut warm, &problem, &start, 1);
        let bound = run_from(&problem, &start, 2000, &others).lower_bound;
        for bound in [first, last, at_once, bound] {
            assert!(bound <= least, "seed {seed}: {bound} above {least}");
        }
        // Steps of the load are coarser at first, which may lose a little.
        let is_there = (last - at_once) * 10 <= last - first;
        hosts += u64::from(first < last);
        sooner += u64::from(first < last && is_there);
        others = own;
    }
    assert!(
        hosts > 20 && sooner * 10 > hosts * 8,
        "{sooner} of {hosts} hosts"
    );
}

/// The bound after so many pricings more.
fn pricings(
    search: &mut Search<'_>,
    problem: &Problem,
    start: &[Option<u32>],
    pricings: u64,
) -> i64 {
    let task = Task {
        owners: start,
        cost: cost(problem, start).total(),
        lower_bound: i64::MIN / 4,
        seed: 1,
        limit: u64::MAX,
        pricings,
        stop: &|| false,
    };
    search.run(&task).lower_bound
}

/// From earlier prices, too, more work never gives a dearer answer: what the first pricings round
/// to is not lost again.
#[test]
fn more_work_from_earlier_prices_only_helps() {
    let (mut gains, mut begun) = (0, 0);
    for seed in 0..3 {
        let random = &mut Random(seed);
        let mut host = testing::host(testing::topology(2, 4, 4, 2), Vec::new());
        for k in 0..11 {
            let cpus = 1 + u32::try_from(random.below(8)).unwrap();
            let p95 = f64::from(cpus) * (1 + random.below(20)) as f64 / 20.0;
            let id = format!("c{k:02}");
            host.containers.push(testing::container(&id, cpus, p95));
        }
        let within = |work: u64, warm: &WarmStart| {
            let settings = SolveSettings {
                work_limit: Some(work),
                ..SolveSettings::default()
            };
            let hosts = &mut HostModels::default();
            let none = CpuSet::new();
            place_from(&host, &none, &settings, warm, hosts, &|| Duration::ZERO).unwrap()
        };
        let warm = within(20_000, &WarmStart::default()).warm;
        begun += u32::from(warm.prices.as_ref().is_some_and(|p| !p.is_empty()));
        let mut last = i64::MAX;
        for work in (0..10).map(|i| 80 * i).chain((11..15).map(|i| 1 << i)) {
            let answer = within(work, &warm).answer;
            let cost = answer.cost();
            assert!(
                cost <= last,
                "seed {seed}, work {work}: {cost} above {last}"
            );
            gains += u32::from(cost < last && last < i64::MAX);
            last = cost;
        }
    }
    assert!(begun == 3 && gains > 3, "{begun} begun, {gains} gains");
}
