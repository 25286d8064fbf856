//! Hand-worked cases and properties of the whole round.

use std::cell::Cell;
use std::time::Duration;

use proptest::prelude::*;

use super::cost::cost;
use super::greedy::greedy;
use super::keep::keep_and_fit;
use super::overfull::giving_up_order;
use super::state::{Changes, State};
use super::testing::{container, flat_host, host, topology};
use super::*;
use crate::cpuset::{CpuId, CpuSet};

/// Work enough for these hosts, and no clock.
fn settings() -> SolveSettings {
    SolveSettings {
        work_limit: Some(400),
        ..SolveSettings::default()
    }
}

fn no_clock() -> Duration {
    Duration::ZERO
}

fn solve(instance: &Instance) -> Placed {
    place(instance, &CpuSet::new(), &settings(), &no_clock).expect("a plan")
}

fn list(text: &str) -> CpuSet {
    CpuSet::parse_list(text).expect("a list")
}

fn at(spec: ContainerSpec, cpus: &str) -> ContainerSpec {
    ContainerSpec {
        previous: Some(list(cpus).iter().collect()),
        ..spec
    }
}

/// Two sockets of two cores of two threads: cores are {0,4} {1,5} | {2,6} {3,7}.
fn small() -> crate::topology::Topology {
    topology(2, 1, 2, 2)
}

#[test]
fn greedy_fills_one_node_with_whole_cores_where_the_host_is_full() {
    // a: 4 threads, b and c: 2 each, all busy (rho 1000). Whole cores are best:
    // a takes node 0, b and c a core each of node 1. Each of the 8 threads has
    // a busy sibling of its own container: 8 x 200 x 1000 = 1,600,000. The loads
    // are even (4000 each), nothing is spread.
    let containers = vec![
        container("a", 4, 4.0),
        container("b", 2, 2.0),
        container("c", 2, 2.0),
    ];
    let instance = host(small(), containers);
    let problem = Problem::new(&instance, &CpuSet::new()).unwrap();
    let state = greedy(&problem);
    assert_eq!(state.cost(), 1_600_000);
    let placement = problem.placement(state.owners());
    assert_eq!(placement["a"], list("0-1,4-5"));
    assert_eq!(placement["b"], list("2,6"));
    assert_eq!(placement["c"], list("3,7"));
}

#[test]
fn greedy_leaves_siblings_idle_where_there_is_room() {
    // Two threads on two idle cores of one node cost nothing for SMT. The load
    // of 2000 on node 0 is 1000 above its even share: L3 and NUMA coincide, so
    // balance is charged at L3 only: 100 x 1000 = 100,000. Spreading them over
    // both nodes would cost 600 x 2000 instead.
    let instance = host(small(), vec![container("a", 2, 2.0)]);
    let problem = Problem::new(&instance, &CpuSet::new()).unwrap();
    let state = greedy(&problem);
    assert_eq!(state.cost(), 100_000);
    assert_eq!(problem.placement(state.owners())["a"], list("0-1"));
}

#[test]
fn keep_and_fit_keeps_shrinks_and_grows() {
    // a had 0-1 and needs one thread: both leave the same cost, so it gives up
    // the larger number, 1. b had 2 and needs two: it gets 3, the idle core of
    // its node. c is new and busier than the rest: node 0 has idle core {1,5}.
    let instance = host(
        small(),
        vec![
            at(container("a", 1, 0.5), "0-1"),
            at(container("b", 2, 1.0), "2"),
            container("c", 1, 1.0),
        ],
    );
    let problem = Problem::new(&instance, &CpuSet::new()).unwrap();
    let state = keep_and_fit(&problem);
    let placement = problem.placement(state.owners());
    assert_eq!(placement["a"], list("0"));
    assert_eq!(placement["b"], list("2-3"));
    assert_eq!(placement["c"], list("1"));
}

#[test]
fn a_better_place_is_found_and_paid_for_by_core_sharing() {
    // a and b sit on the two threads of one core without need; core {1,5} idles.
    // Staying costs 2 x 300 x 1000; moving one thread costs 5,000 and nothing
    // else on this host of one L3 and one node.
    let instance = host(
        topology(1, 1, 2, 2),
        vec![
            at(container("a", 1, 1.0), "0"),
            at(container("b", 1, 1.0), "2"),
        ],
    );
    let placed = solve(&instance);
    assert_eq!(placed.keep_cost, 600_000);
    assert_eq!(placed.answer.cost(), 5_000);
    assert_eq!(placed.answer.moved_threads, 1);
    let explained = explain(&instance, &CpuSet::new(), &placed, &Default::default());
    let moved = explained
        .iter()
        .find(|e| e.change == Change::Moved)
        .unwrap();
    assert_eq!(moved.saved.unwrap().smt, 600_000);
    assert_eq!(moved.saved.unwrap().movement, -5_000);
    assert!(
        moved.text.contains(
            "saves 0.595 CPU in all: core sharing 0.600 CPU, for movement 0.005 CPU more"
        ),
        "{}",
        moved.text
    );
    let kept = explained.iter().find(|e| e.change == Change::Kept).unwrap();
    // Its only free threads are the siblings: 300 x 2000 more for sharing with
    // the other, or nothing gained; either way the move itself costs 0.005.
    assert!(kept.saved.unwrap().total() > 0, "{}", kept.text);
}

#[test]
fn nothing_to_place_is_proved_at_once() {
    let placed = solve(&flat_host(2, Vec::new()));
    assert_eq!(placed.answer.status, Status::Optimal);
    assert_eq!(placed.answer.cost(), 0);
    assert!(placed.answer.placement.is_empty());
}

#[test]
fn no_thread_left_is_an_error_with_a_next_step() {
    let error = place(
        &flat_host(2, vec![container("a", 1, 1.0)]),
        &list("0-1"),
        &settings(),
        &no_clock,
    )
    .unwrap_err();
    assert!(error.to_string().contains("2 are online"), "{error}");
}

#[test]
fn pooled_containers_get_the_free_threads_too() {
    let pooled = |id| ContainerSpec {
        kind: Kind::Pooled,
        ..container(id, 0, 0.25)
    };
    // The pool needs ceil(0.5) = 1 thread; 4 - 2 - 1 = 1 thread is lent.
    let instance = flat_host(4, vec![pooled("p"), container("a", 2, 1.0), pooled("q")]);
    let placed = solve(&instance);
    let answer = &placed.answer;
    assert_eq!(answer.placement[POOL].len(), 1);
    assert_eq!(answer.lent[POOL].len(), 1);
    let sets = cpusets(&instance, answer);
    assert_eq!(sets.keys().collect::<Vec<_>>(), ["a", "p", "q"]);
    assert_eq!(sets["p"], sets["q"]);
    assert_eq!(sets["p"], answer.placement[POOL].union(&answer.lent[POOL]));
    assert_eq!(sets["a"].union(&sets["p"]), list("0-3"));
    assert!(sets["a"].is_disjoint(&sets["p"]));
}

#[test]
fn the_weakest_share_on_an_over_full_host() {
    // 7 of 4 threads. In the order of giving up: c (priority -1), b (uses less
    // than a), a. Without c, 5 are requested; without b too, 3 for a leave one
    // thread, but b needs two: so a shares as well and all are on 4 threads.
    let weak = ContainerSpec {
        priority: -1,
        ..container("c", 2, 2.0)
    };
    let instance = flat_host(
        4,
        vec![container("a", 3, 3.0), container("b", 2, 1.0), weak.clone()],
    );
    let placed = solve(&instance);
    let answer = &placed.answer;
    assert_eq!(answer.status, Status::Fallback);
    assert_eq!(answer.lower_bound, 0);
    let sizes: Vec<usize> = answer.placement.values().map(CpuSet::len).collect();
    assert_eq!(sizes, [3, 2, 2]);
    assert!(answer.reasons[0].contains("over-full: 7 threads requested, 4 offered"));
    assert!(
        answer.reasons[1].contains("a, b, c share 4 threads"),
        "{:?}",
        answer.reasons
    );

    // With a on two threads it keeps them for itself; b and c share the others.
    let instance = flat_host(
        4,
        vec![container("a", 2, 2.0), container("b", 2, 1.0), weak],
    );
    let answer = solve(&instance).answer;
    assert!(answer.placement["a"].is_disjoint(&answer.placement["b"]));
    assert!(answer.placement["a"].is_disjoint(&answer.placement["c"]));
    assert_eq!(answer.placement["b"], answer.placement["c"]);
}

#[test]
fn a_request_above_the_host_gets_all_and_leaves_the_others_exclusive() {
    let instance = flat_host(
        4,
        vec![
            container("a", 9, 3.0),
            container("b", 2, 1.0),
            container("c", 2, 1.0),
        ],
    );
    let answer = solve(&instance).answer;
    assert_eq!(answer.placement["a"], list("0-3"));
    assert!(answer.placement["b"].is_disjoint(&answer.placement["c"]));
    assert_eq!(answer.status, Status::Fallback);
    assert!(
        answer
            .reasons
            .iter()
            .any(|r| r.contains("a requests 9 of 4 threads")),
        "{:?}",
        answer.reasons
    );
}

#[test]
fn the_pool_gives_way_before_anybody_shares() {
    // The pool asks for ceil(3.0) = 3 of 4 threads beside two: it gets 2, and
    // its largest member needs only one.
    let pooled = |id| ContainerSpec {
        kind: Kind::Pooled,
        ..container(id, 0, 1.0)
    };
    let instance = flat_host(
        4,
        vec![
            pooled("p"),
            pooled("q"),
            pooled("r"),
            container("a", 2, 2.0),
        ],
    );
    let answer = solve(&instance).answer;
    assert_eq!(answer.placement[POOL].len(), 2);
    assert!(answer.placement[POOL].is_disjoint(&answer.placement["a"]));
    assert_eq!(answer.status, Status::Fallback);
}

/// Two containers on one core, where moving pays 595,000 micro-CPU.
fn movable() -> Instance {
    host(
        topology(1, 1, 2, 2),
        vec![
            at(container("a", 1, 1.0), "0"),
            at(container("b", 1, 1.0), "2"),
        ],
    )
}

#[test]
fn guardrails_keep_the_old_placement_and_say_so() {
    let cases = [
        (
            SolveSettings {
                gap_refuse: Some(0.0),
                work_limit: Some(0),
                ..settings()
            },
            "solve.gap_refuse",
        ),
        (
            SolveSettings {
                least_gain: 595_001.0,
                ..settings()
            },
            "solve.least_gain",
        ),
        (
            SolveSettings {
                max_moves: Some(0),
                ..settings()
            },
            "solve.max_moves",
        ),
    ];
    for (settings, named) in cases {
        let placed = place(&movable(), &CpuSet::new(), &settings, &no_clock).unwrap();
        assert_eq!(placed.answer.status, Status::Kept, "{named}");
        assert_eq!(placed.answer.placement["a"], list("0"));
        assert_eq!(placed.answer.placement["b"], list("2"));
        assert_eq!(placed.answer.moved_threads, 0);
        assert!(
            placed.answer.reasons[0].contains(named),
            "{:?}",
            placed.answer.reasons
        );
    }
    // One that just allows the move.
    let settings = SolveSettings {
        least_gain: 595_000.0,
        max_moves: Some(1),
        ..settings()
    };
    let placed = place(&movable(), &CpuSet::new(), &settings, &no_clock).unwrap();
    assert_eq!(placed.answer.moved_threads, 1);
}

#[test]
fn a_quota_below_the_cpuset_is_named() {
    let instance = flat_host(4, vec![container("a", 4, 1.0)]);
    let annotation = Annotation {
        request_source: Some("cpus in the config".into()),
        quota_mcpu: Some(1500),
        prediction: Some("maximum of the last hour: no day of history yet".into()),
        notes: Vec::new(),
    };
    let placed = solve(&instance);
    let annotations = [("a".to_owned(), annotation)].into();
    let text = &explain(&instance, &CpuSet::new(), &placed, &annotations)[0].text;
    assert_eq!(
        text,
        "a: new, gets 0-3; requests 4 threads (cpus in the config); predicted P95 1.000 CPU \
         (maximum of the last hour: no day of history yet); \
         a quota of 1.500 CPU below its cpuset of 4 throttles it"
    );
}

#[test]
fn a_plan_is_one_line_of_plan_1() {
    let instance = flat_host(2, vec![container("a\n", 1, 1.0)]);
    let placed = solve(&instance);
    let timing = Timing::new(
        Some(Duration::from_millis(50)),
        Duration::from_micros(1250),
        Duration::from_millis(3),
        7,
    );
    let report = PlanReport::new(&instance, &placed.answer, &[], Some(timing));
    assert_eq!(
        report.to_json_line(),
        "{\"schema\":\"plan/1\",\"status\":\"optimal\",\"cost\":0,\"lower_bound\":0,\"gap\":0.0,\
         \"placement\":{\"a\\n\":[0]},\"lent\":{},\"cpuset\":{\"a\\n\":\"0\"},\
         \"cost_parts\":{\"smt\":0,\"spread\":0,\"balance\":0,\"move\":0,\"slow\":0,\"away\":0},\
         \"moved_threads\":0,\"explanation\":[],\
         \"timing\":{\"budget_ms\":50.0,\"build_ms\":1.25,\"elapsed_ms\":3.0,\"work\":7}}"
    );
    assert!(!report.to_replay_line().contains("timing"));
}

/// A random host with random containers; previous sets are disjoint.
fn instances() -> impl Strategy<Value = Instance> {
    let shape = (1u32..=2, 1u32..=2, 1u32..=3, 1u32..=3);
    let container = (1u32..=5, 0u32..=1200, 0u8..=9, 0u8..=3, -1i32..=1);
    (
        shape,
        prop::collection::vec(container, 0..7),
        prop::collection::vec(any::<u16>(), 36),
        prop::collection::vec(any::<u16>(), 36),
    )
        .prop_map(|((sockets, l3s, cores, smt), specs, order, offline)| {
            let mut topology = topology(sockets, l3s, cores, smt);
            for (cpu, chance) in topology.cpus.iter_mut().zip(&offline) {
                cpu.online = cpu.id.0 == 0 || chance % 10 > 0;
                cpu.perf = if chance % 7 == 0 { 700 } else { 1000 };
            }
            let mut left: Vec<CpuId> = topology.cpus.iter().map(|c| c.id).collect();
            left.sort_by_key(|c| (order[c.0 as usize], *c));
            let containers = specs
                .into_iter()
                .enumerate()
                .map(|(index, (cpus, use_percent, kind, place, priority))| {
                    let mut spec = container_of(index, cpus, use_percent, kind);
                    spec.priority = priority;
                    spec.home = (place == 3).then_some(0);
                    if place > 0 {
                        // About as many as it requests now, sometimes fewer.
                        let size = (cpus as usize).min(left.len());
                        spec.previous = Some(left.drain(..size).collect());
                    }
                    spec
                })
                .collect();
            host(topology, containers)
        })
}

fn container_of(index: usize, cpus: u32, use_percent: u32, kind: u8) -> ContainerSpec {
    let p95 = f64::from(cpus * use_percent) / 1000.0;
    let mut spec = container(&format!("c{index}"), cpus, p95);
    match kind {
        0 => spec.kind = Kind::Burst,
        1 | 2 => {
            spec.kind = Kind::Pooled;
            spec.cpus = u32::from(kind == 2);
        }
        _ => {}
    }
    spec
}

fn is_overfull(placed: &Placed, offered: usize) -> bool {
    let requested: usize = placed
        .normal
        .containers
        .iter()
        .map(|c| c.cpus as usize)
        .sum();
    requested > offered
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Every container gets what it requests, of offered threads, exclusively
    /// unless the host is over-full; the answer is no worse than the yardsticks.
    #[test]
    fn answers_are_feasible_and_not_above_the_yardsticks(instance in instances()) {
        let placed = solve(&instance);
        let answer = &placed.answer;
        let online = instance.topology.online();
        let overfull = is_overfull(&placed, online.len());
        for spec in &placed.normal.containers {
            let set = &answer.placement[&spec.id];
            prop_assert!(set.is_subset(&online));
            let full = (spec.cpus as usize).min(online.len());
            if spec.id == POOL && overfull {
                prop_assert!(!set.is_empty() && set.len() <= full);
            } else {
                prop_assert_eq!(set.len(), full);
            }
        }
        prop_assert_eq!(answer.placement.len(), placed.normal.containers.len());
        let owned: usize = answer.placement.values().map(CpuSet::len).sum();
        let union = answer.placement.values().fold(CpuSet::new(), |all, s| all.union(s));
        if overfull {
            prop_assert_eq!(answer.status, Status::Fallback);
            prop_assert!(answer.reasons[0].contains("over-full"));
        } else {
            prop_assert_eq!(owned, union.len());
        }
        for lent in answer.lent.values() {
            prop_assert!(lent.is_subset(&online) && lent.is_disjoint(&union));
        }
        prop_assert!(answer.cost() <= placed.greedy_cost);
        prop_assert!(answer.cost() <= placed.keep_cost);
        prop_assert!(answer.lower_bound <= answer.cost());
        // Explaining never fails and speaks of every container once.
        let explained = explain(&instance, &CpuSet::new(), &placed, &Default::default());
        prop_assert_eq!(explained.len(), placed.normal.containers.len());
    }

    /// On an over-full host, exclusivity is lost in the stated order: whoever
    /// shares (other than with those that run everywhere) comes before whoever
    /// does not.
    #[test]
    fn exclusivity_is_lost_in_the_stated_order(instance in instances()) {
        let placed = solve(&instance);
        let online = instance.topology.online();
        prop_assume!(is_overfull(&placed, online.len()));
        let normal: Vec<ContainerSpec> = placed.normal.containers.iter()
            .filter(|c| (c.cpus as usize) < online.len() || c.kind == Kind::Pooled)
            .cloned().collect();
        let set = |c: &ContainerSpec| &placed.answer.placement[&c.id];
        let shares: Vec<bool> = giving_up_order(&normal).into_iter().map(|i| {
            let own = set(&normal[i]);
            normal.iter().any(|c| c.id != normal[i].id && !set(c).is_disjoint(own))
        }).collect();
        let last = shares.iter().rposition(|&s| s);
        // Sharers may happen to find threads of their own, so the claim is
        // about the part of the host that they were given.
        let exclusive: usize = last.map_or(0, |last| {
            giving_up_order(&normal)[last + 1..].iter().map(|&i| normal[i].cpus as usize).sum()
        });
        prop_assert!(exclusive <= online.len());
        for (place, &index) in giving_up_order(&normal).iter().enumerate() {
            if last.is_some_and(|last| place > last) {
                let own = set(&normal[index]);
                prop_assert!(normal.iter().all(|c| c.id == normal[index].id || set(c).is_disjoint(own)));
            }
        }
    }

    /// The order in which containers and CPUs are listed changes nothing.
    #[test]
    fn shuffled_input_gives_the_same_plan(
        instance in instances(),
        order in prop::collection::vec(any::<u16>(), 36),
    ) {
        let mut shuffled = instance.clone();
        let mut keyed: Vec<_> = order.iter().zip(shuffled.containers).collect();
        keyed.sort_by_key(|(key, c)| (**key, c.id.clone()));
        shuffled.containers = keyed.into_iter().map(|(_, c)| c).collect();
        shuffled.topology.cpus.sort_by_key(|c| (order[c.id.0 as usize], c.id));
        for c in &mut shuffled.containers {
            c.previous.iter_mut().for_each(|p| p.reverse());
        }
        let (a, b) = (solve(&instance), solve(&shuffled));
        let line = |i: &Instance, p: &Placed| {
            let explained = explain(i, &CpuSet::new(), p, &Default::default());
            PlanReport::new(i, &p.answer, &explained, None).to_json_line()
        };
        prop_assert_eq!(line(&instance, &a), line(&shuffled, &b));
    }

    /// More work never gives a worse answer, and a run that the clock cut
    /// short is repeated by its work count alone.
    #[test]
    fn work_replays_and_only_helps(instance in instances(), ticks in 1u64..200) {
        // A clock that moves by a step at each look and ends the budget.
        let looks = Cell::new(0u64);
        let clock = || {
            looks.set(looks.get() + 1);
            Duration::from_millis(looks.get() * 50 / ticks)
        };
        let timed = SolveSettings { work_limit: None, ..settings() };
        let cut = place(&instance, &CpuSet::new(), &timed, &clock).unwrap();
        let replay = SolveSettings { work_limit: Some(cut.answer.work), ..timed };
        let again = place(&instance, &CpuSet::new(), &replay, &|| unreachable_clock()).unwrap();
        let line = |p: &Placed| PlanReport::new(&instance, &p.answer, &[], None).to_json_line();
        prop_assert_eq!(line(&cut), line(&again));
        let mut last = i64::MAX;
        for work in [0, 1, 10, 100, 400] {
            let more = SolveSettings { work_limit: Some(work), ..settings() };
            let placed = place(&instance, &CpuSet::new(), &more, &no_clock).unwrap();
            prop_assert!(placed.answer.work <= work);
            prop_assert!(placed.answer.cost() <= last);
            last = placed.answer.cost();
        }
    }

    /// The incremental cost is the cost.
    #[test]
    fn the_state_knows_its_cost(
        instance in instances(),
        moves in prop::collection::vec((any::<u16>(), any::<u16>(), any::<u16>()), 1..60),
    ) {
        let instance = pool::normalise(&instance);
        let Ok(problem) = Problem::new(&instance, &CpuSet::new()) else { return Ok(()) };
        let threads = problem.threads.len();
        let mut state = State::empty(&problem);
        let mut changes = Changes::new(&problem);
        for (a, b, k) in moves {
            let (a, b) = (usize::from(a) % threads, usize::from(b) % threads);
            let before = state.cost();
            if k % 3 == 0 {
                let rise = state.swap_rise(a, b);
                state.swap(a, b);
                prop_assert!(rise.is_none_or(|rise| before + rise == state.cost()));
            } else if k % 3 == 1 {
                // The core of one and those of the other and of the next thread.
                let core = |thread: usize| &problem.cores[problem.threads[thread % threads].core];
                let blocks = [(a, b), (b + 1, a + 1)];
                let even = blocks.iter().all(|&(x, y)| core(x).len() == core(y).len());
                let mut cores: Vec<_> = blocks.iter().flat_map(|&(x, y)| [core(x), core(y)]).collect();
                cores.sort();
                cores.dedup();
                if even && cores.len() == 4 {
                    let pairs: Vec<(usize, usize)> = blocks
                        .iter()
                        .flat_map(|&(x, y)| core(x).iter().copied().zip(core(y).iter().copied()))
                        .collect();
                    let rise = state.exchange_rise(&pairs, &mut changes);
                    for &(x, y) in &pairs {
                        state.swap(x, y);
                    }
                    prop_assert!(rise.is_none_or(|rise| before + rise == state.cost()));
                }
            } else {
                let choices = problem.containers.len() + 1;
                let k = u32::from(k) / 3 % u32::try_from(choices).unwrap();
                state.set(a, k.checked_sub(1));
            }
            prop_assert_eq!(state.cost(), cost(&problem, state.owners()).total());
            let copy = State::new(&problem, state.owners());
            prop_assert_eq!(copy.cost(), state.cost());
        }
    }
}

/// With a work limit the clock may be looked at for the report alone; time
/// that never moves forward shows that it does not steer.
fn unreachable_clock() -> Duration {
    Duration::MAX
}
