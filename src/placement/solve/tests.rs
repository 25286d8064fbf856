use super::*;
use crate::cpuset::{CpuId, CpuSet};
use crate::placement::counts::State;
use crate::placement::division::divide;
use crate::placement::enumerate::enumerate;
use crate::placement::lagrange::{Multipliers, Relaxation};
use crate::placement::problem::{L3, NUMA};
use crate::placement::random::{Random, Shape, assignment, instance, problem};
use crate::placement::types::{Instance, Weights};

const SMALL: Shape = Shape {
    width: 2,
    threads: 8,
    containers: 4,
    overlap: false,
};

fn unlimited() -> SolveSettings {
    SolveSettings::default()
}

/// How many hosts had what.
#[derive(Debug, Default)]
struct Seen {
    hosts: u32,
    whole: u32,
    lone: u32,
    both: u32,
    part: u32,
    smt_1: u32,
    smt_2: u32,
    not_nested: u32,
    offline: u32,
    two_levels: u32,
    alike: u32,
    whole_group: u32,
    /// Proved by the search over divisions alone, from a random start.
    divided: u32,
    /// Of those, without a node: by the multipliers.
    by_multipliers: u32,
    cut: u32,
}

/// The Lagrangian bound at any multipliers, and the search over divisions at
/// any limit, against the least cost.
fn check_division(
    random: &mut Random,
    problem: &Problem,
    start: &Owners,
    least: i64,
    seen: &mut Seen,
) {
    let relaxation = Relaxation::new(problem).expect("few cells and no rules");
    assert_eq!(least % relaxation.grid, 0, "the grid");
    let mut price = |most: usize| i64::try_from(random.below(most + 1)).unwrap();
    for _ in 0..3 {
        let multipliers = Multipliers {
            halves: relaxation.cells.iter().map(|_| price(300_000)).collect(),
            load: relaxation
                .charged
                .iter()
                .map(|c| price(usize::try_from(c.balance).unwrap()))
                .collect(),
        };
        let bound = relaxation.evaluate(&multipliers).bound;
        assert!(bound <= least, "{bound} above {least} at {multipliers:?}");
    }
    let first = priced(problem, start);
    let mut last = first;
    let limits = [1, 5, 8, 16, 50, u64::MAX];
    for limit in limits {
        let relaxation = relaxation.clone();
        let divided = divide(relaxation, start, first, limit, &|| false);
        assert_eq!(divided.cost, priced(problem, &divided.owners));
        assert!(divided.cost <= last, "more work is never worse");
        assert!(
            divided.lower_bound <= least,
            "limit {limit}: bound {} above {least}",
            divided.lower_bound
        );
        assert!(divided.cost >= least);
        let again = divide(
            Relaxation::new(problem).expect("as before"),
            start,
            first,
            divided.work,
            &|| false,
        );
        assert_eq!(again, divided, "a run that ends where another did");
        assert!(divided.work <= limit, "no more work than allowed");
        last = divided.cost;
        let proved = divided.lower_bound == divided.cost;
        assert!(!proved || divided.cost == least);
        if limit == u64::MAX {
            seen.divided += u32::from(proved);
        } else {
            seen.cut += u32::from(divided.is_cut);
        }
    }
    let mut relaxation = relaxation;
    let root = relaxation.ascend(least, &mut || true);
    assert!(root.bound <= least);
    seen.by_multipliers += u32::from(root.bound > least - relaxation.grid);
}

/// The cost at a point of the model.
fn model_cost(model: &Aggregated, point: &[f64]) -> i64 {
    let steps = model.model.objective(point) - model.model.offset;
    assert!((steps - steps.round()).abs() < 1e-6, "{steps}");
    #[expect(clippy::cast_possible_truncation, reason = "a small integer")]
    let steps = steps.round() as i64;
    model.constant + model.divisor * steps
}

#[test]
fn aggregated_optimum_is_the_least_cost_of_all_assignments() {
    let mut seen = Seen::default();
    for seed in 0..3000 {
        let mut random = Random(seed);
        let instance = instance(&mut random, SMALL);
        let problem = Problem::new(&instance, &CpuSet::new()).unwrap();
        let (least, _) = enumerate(&problem, 1_000_000);

        let model = Aggregated::build(&problem, &[]).expect("no core is wider than two");
        let outcome = branchcut::solve(&model.model, &Options::default());
        let point = outcome.point.as_deref().expect("the model is feasible");
        assert_eq!(model_cost(&model, point), least, "seed {seed}: model");
        let counts = model.counts(point).expect("the point is integral");
        let owners = model
            .rebuild(&problem, &counts)
            .expect("a feasible point can be rebuilt");
        assert!(problem.is_complete(&owners), "seed {seed}");
        assert_eq!(
            cost(&problem, &owners).total(),
            least,
            "seed {seed}: rebuilt"
        );

        let start = assignment(&mut random, &problem);
        let solved = solve(&problem, &start, &unlimited(), None, &StopFlag::default());
        assert_eq!(solved.parts.total(), least, "seed {seed}: from a start");
        assert_eq!(solved.lower_bound, least, "seed {seed}: bound");
        assert_eq!(solved.end, End::Optimal, "seed {seed}");
        assert!(lower_bound(&problem) <= least, "seed {seed}: trivial bound");
        check_division(&mut random, &problem, &start, least, &mut seen);
        seen.alike += u32::from(!model.alike.is_empty());
        note(&mut seen, &instance, &problem, &counts);
    }
    eprintln!("{seen:?}");
    for (what, count) in [
        ("divided", seen.divided),
        ("by multipliers", seen.by_multipliers),
        ("cut", seen.cut),
        ("F", seen.whole),
        ("S", seen.lone),
        ("X", seen.both),
        ("P", seen.part),
        ("SMT 1", seen.smt_1),
        ("SMT 2", seen.smt_2),
        ("L3 over two nodes", seen.not_nested),
        ("offline CPU", seen.offline),
        ("two levels", seen.two_levels),
        ("alike groups", seen.alike),
        ("a request above a group's cores", seen.whole_group),
    ] {
        assert!(
            count >= 50,
            "only {count} hosts of {} had {what}",
            seen.hosts
        );
    }
}

fn note(seen: &mut Seen, instance: &Instance, problem: &Problem, counts: &[counts::CellCounts]) {
    let has = |wanted: fn(State) -> bool| {
        let mut kept = counts.iter().flat_map(|cell| &cell.kept);
        u32::from(kept.any(|kept| kept.count > 0 && wanted(kept.state)))
    };
    seen.hosts += 1;
    seen.whole += has(|state| matches!(state, State::Whole(_)));
    seen.lone += has(|state| matches!(state, State::Lone(_)));
    seen.both += has(|state| matches!(state, State::Both));
    seen.part += has(|state| matches!(state, State::Part(_)));
    let wide = problem.cores.iter().any(|core| core.len() == 2);
    seen.smt_1 += u32::from(!wide);
    seen.smt_2 += u32::from(wide);
    let split = problem.levels[L3].groups.iter().any(|group| {
        let node = |&thread: &usize| problem.threads[thread].group[NUMA];
        group
            .threads
            .iter()
            .any(|t| node(t) != node(&group.threads[0]))
    });
    seen.not_nested += u32::from(split);
    let mut cpus = instance.topology.cpus.iter();
    seen.offline += u32::from(cpus.any(|cpu| !cpu.online));
    let levels = problem.levels.iter().filter(|level| level.spread > 0);
    let above = levels.flat_map(|level| &level.groups).any(|group| {
        let mut cores: Vec<usize> = group
            .threads
            .iter()
            .map(|&t| problem.threads[t].core)
            .collect();
        cores.sort_unstable();
        cores.dedup();
        let most = problem.containers.iter().map(|k| k.request).max();
        most.is_some_and(|most| most.min(group.threads.len()) > cores.len())
    });
    seen.whole_group += u32::from(above);
    let charged = |level: usize| {
        let level = &problem.levels[level];
        level.spread + level.balance + level.movement > 0
    };
    seen.two_levels += u32::from(charged(L3) && charged(NUMA));
}

#[test]
fn rebuilding_never_costs_more_than_the_model_says() {
    let shape = Shape {
        threads: 40,
        containers: 9,
        ..SMALL
    };
    let mut cheaper = 0;
    for seed in 0..2000 {
        let mut random = Random(seed);
        let problem = problem(&mut random, shape);
        let model = Aggregated::build(&problem, &[]).unwrap();
        let given = assignment(&mut random, &problem);
        let mut owners = given.clone();
        merge_shared(&problem, &model.cells, &mut owners);
        assert!(cost(&problem, &owners).total() <= cost(&problem, &given).total());
        let mut counts = counts::count(&problem, &model.cells, &model.classes, &owners);
        symmetry::sort(&problem, &model.alike, &mut counts);
        let point = model.point(&problem, &counts);
        branchcut::check::check(&model.model, &point)
            .expect("counts of an assignment are feasible");
        let whole = model_cost(&model, &point);
        assert!(whole <= cost(&problem, &owners).total(), "seed {seed}");
        assert_eq!(model.counts(&point).map(strip), Some(strip(counts.clone())));
        // Also where the model gives up some of what could be kept.
        for cell in &mut counts {
            for kept in &mut cell.kept {
                kept.count = random.below(kept.count + 1);
            }
        }
        let said = model_cost(&model, &model.point(&problem, &counts));
        let rebuilt = model.rebuild(&problem, &counts).unwrap();
        assert!(problem.is_complete(&rebuilt), "seed {seed}");
        let costs = cost(&problem, &rebuilt).total();
        assert!(costs <= said, "seed {seed}: {costs} above {said}");
        cheaper += u32::from(costs < said);
    }
    // The bound is not always tight, so the test can see a difference.
    assert!(cheaper > 0);
}

/// Without entries of count 0.
fn strip(mut counts: Vec<counts::CellCounts>) -> Vec<counts::CellCounts> {
    for cell in &mut counts {
        cell.kept.retain(|kept| kept.count > 0);
        cell.kept.sort_by_key(|kept| (kept.class, kept.state));
    }
    counts
}

#[test]
fn thread_level_optimum_is_the_least_cost_also_on_wide_cores() {
    let mut wide = 0;
    for seed in 0..120 {
        let mut random = Random(10_000 + seed);
        let shape = Shape {
            width: 4,
            threads: 7,
            containers: 3,
            overlap: true,
        };
        let problem = problem(&mut random, shape);
        let (least, _) = enumerate(&problem, 1_000_000);
        let model = Naive::build(&problem);
        let start = assignment(&mut random, &problem);
        let point = model.point(&problem, &start);
        branchcut::check::check(&model.model, &point).expect("an assignment is feasible");
        let outcome = branchcut::solve(&model.model, &Options::default());
        let owners = model.owners(outcome.point.as_deref().unwrap()).unwrap();
        assert_eq!(cost(&problem, &owners).total(), least, "seed {seed}");
        let solved = solve(&problem, &start, &unlimited(), None, &StopFlag::default());
        let aggregated = Aggregated::build(&problem, &[]).expect("like threads");
        if problem.cores.iter().any(|core| core.len() > 2) {
            wide += 1;
            assert!(solved.lower_bound <= least, "seed {seed}");
            if aggregated.claims.ignored == 0 {
                assert_eq!(solved.parts.total(), least, "seed {seed}");
                assert_eq!(solved.lower_bound, least, "seed {seed}");
            }
        }
        assert!(lower_bound(&problem) <= least, "seed {seed}: trivial bound");
    }
    assert!(wide >= 30, "only {wide} hosts had wide cores");
}

#[test]
fn threads_that_two_containers_had_leave_the_bound_valid() {
    let mut overlapping = 0;
    for seed in 0..600 {
        let mut random = Random(20_000 + seed);
        let shape = Shape {
            overlap: true,
            threads: 7,
            ..SMALL
        };
        let problem = problem(&mut random, shape);
        let (least, _) = enumerate(&problem, 1_000_000);
        let start = assignment(&mut random, &problem);
        let before = cost(&problem, &start).total();
        let solved = solve(&problem, &start, &unlimited(), None, &StopFlag::default());
        assert!(solved.lower_bound <= least, "seed {seed}");
        assert!(solved.parts.total() <= before, "seed {seed}");
        assert_eq!(solved.improved, solved.parts.total() < before);
        let claims = crate::placement::classes::claims(&problem).ignored;
        if claims == 0 {
            assert_eq!(solved.parts.total(), least, "seed {seed}");
        }
        overlapping += u32::from(claims > 0);
    }
    assert!(overlapping >= 50, "{overlapping}");
}

#[test]
fn a_stopped_solve_is_never_worse_than_its_start() {
    for seed in 0..40 {
        let mut random = Random(30_000 + seed);
        let problem = problem(&mut random, SMALL);
        let (least, best) = enumerate(&problem, 1_000_000);
        let stop = StopFlag::default();
        stop.stop();
        let solved = solve(&problem, &best, &unlimited(), None, &stop);
        assert_eq!(solved.parts.total(), least, "seed {seed}");
        assert!(!solved.improved);
        assert!((0..=least).contains(&solved.lower_bound), "seed {seed}");
    }
}

#[test]
fn ends_are_told_by_the_exact_gap() {
    let reason = || "limit".to_owned();
    assert_eq!(end(0, 0, 0.0, reason()), End::Optimal);
    assert_eq!(end(100, 100, 0.0, reason()), End::Optimal);
    assert_eq!(end(100, 99, 0.0, reason()), End::Stopped(reason()));
    assert_eq!(end(100, 99, 0.01, reason()), End::GapReached);
    // 5e-7 of the cost: optimal only where the asked gap allows as much.
    assert_eq!(end(2_000_000, 1_999_999, 0.1, reason()), End::Optimal);
    assert_eq!(
        end(2_000_000, 1_999_999, 0.0, reason()),
        End::Stopped(reason())
    );
}

/// With default weights and rho <= 1000 a thread that changes nodes costs
/// 155,000 and more; it takes at most (100 + 50) x 1000 of load away from the
/// groups it leaves. So where nothing but balance can gain (one thread a core,
/// alike cores, nobody spread over nodes, no home, no newcomer), every
/// container keeps its nodes.
#[test]
fn balance_alone_moves_no_running_container_across_nodes() {
    let (mut uneven, mut moved) = (0, 0);
    for seed in 0..300 {
        let mut random = Random(40_000 + seed);
        let shape = Shape {
            width: 1,
            threads: 8,
            ..SMALL
        };
        let mut instance = instance(&mut random, shape);
        instance.weights = Weights::default();
        let mut free: [Vec<CpuId>; 2] = [Vec::new(), Vec::new()];
        for cpu in &mut instance.topology.cpus {
            // Three L3s over two nodes, the middle one over both.
            let numa = cpu.id.0 % 2;
            (cpu.numa, cpu.l3) = (Some(numa), Some(numa + u32::from(cpu.id.0 < 2)));
            cpu.perf = 1000;
            if cpu.online {
                free[numa as usize].push(cpu.id);
            }
        }
        instance.containers.retain_mut(|container| {
            let node = free
                .iter()
                .position(|cpus| cpus.len() >= container.cpus as usize);
            container.home = None;
            container.previous = node.map(|node| {
                let keep = free[node].len() - container.cpus as usize;
                free[node].split_off(keep)
            });
            node.is_some()
        });
        let problem = Problem::new(&instance, &CpuSet::new()).unwrap();
        let (least, start) = enumerate(&problem, 1_000_000);
        let solved = solve(&problem, &start, &unlimited(), None, &StopFlag::default());
        assert_eq!((solved.parts.total(), solved.lower_bound), (least, least));
        for owners in [&start, &solved.owners] {
            for (k, container) in (0u32..).zip(&problem.containers) {
                let nodes = |threads: &mut dyn Iterator<Item = usize>| {
                    let mut nodes = vec![0; problem.levels[NUMA].groups.len()];
                    threads.for_each(|thread| nodes[problem.threads[thread].group[NUMA]] += 1);
                    nodes
                };
                let before = nodes(&mut container.previous().iter().copied());
                let own = |&thread: &usize| owners[thread] == Some(k);
                let after = nodes(&mut (0..owners.len()).filter(own));
                assert_eq!(before, after, "seed {seed}");
            }
        }
        uneven += u32::from(solved.parts.balance > 0);
        moved += u32::from(solved.parts.movement > 0);
    }
    // There was load to even out, and within nodes it was.
    assert!(uneven >= 50 && moved >= 10, "{uneven} {moved}");
}
