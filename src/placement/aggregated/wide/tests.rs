use branchcut::{Options, Status, check};

use super::super::Aggregated;
use crate::cpuset::CpuSet;
use crate::placement::cells::Cell;
use crate::placement::cost::priced;
use crate::placement::counts;
use crate::placement::enumerate::enumerate;
use crate::placement::problem::Problem;
use crate::placement::random::{Random, Shape, assignment, instance, with_rules};
use crate::placement::rules::RuleLevel;
use crate::placement::testing::{apart, container, topology};
use crate::placement::types::Instance;

/// How many hosts had what.
#[derive(Debug, Default)]
struct Seen {
    hosts: u32,
    /// No placement keeps the rules.
    infeasible: u32,
    /// The optimum has a busy core, one with two containers, with three.
    busy: u32,
    mixed: u32,
    three: u32,
    /// It keeps threads on a mixed core.
    kept: u32,
    /// More than one company; cells of one core.
    companies: u32,
    single: u32,
    /// Random assignments whose point was checked.
    points: u32,
}

/// The model's optimum is the least cost of all assignments, its point can be
/// rebuilt at that cost, and an assignment's own point costs what it costs.
fn check(random: &mut Random, instance: &Instance, seed: u64, seen: &mut Seen) {
    let at = format!("seed {seed}: {:?}", instance.constraints);
    let problem = Problem::new(instance, &CpuSet::new()).unwrap();
    let model = Aggregated::build(&problem, &[]).expect("like threads, few companies");
    if !model.cells.iter().any(|cell| cell.is_wide) {
        return;
    }
    seen.hosts += 1;
    let cost_of = |point: &[f64]| -> i64 {
        let steps = model.model.objective(point) - model.model.offset;
        assert!((steps - steps.round()).abs() < 1e-6, "{at}: {steps}");
        #[expect(clippy::cast_possible_truncation, reason = "a small integer")]
        let steps = steps.round() as i64;
        model.constant + model.divisor * steps
    };
    for _ in 0..3 {
        let owners = assignment(random, &problem);
        if problem.rules.broken(&problem, &owners) > 0 || model.claims.ignored > 0 {
            continue;
        }
        let counted = counts::count(&problem, &model.cells, &model.classes, &owners);
        // Alike groups are kept in order; a random assignment is in any.
        // So are shared cores of two threads, see `shares_once`.
        let is_any = |cell: &Cell| cell.is_wide || cell.width == 1;
        if model.alike.is_empty() && model.cells.iter().all(is_any) {
            let point = model.point(&problem, &counted);
            assert!(
                check::check(&model.model, &point).is_ok(),
                "{at}: {owners:?}"
            );
            let rebuilt = model.rebuild(&problem, &counted).unwrap();
            // Relabelled within its cores; on cores of one thread, moved.
            let cost = cost_of(&point);
            assert!(cost >= priced(&problem, &rebuilt), "{at}: {owners:?}");
            assert!(cost <= priced(&problem, &owners), "{at}: {owners:?}");
            seen.points += 1;
        }
    }
    let (least, _) = enumerate(&problem, 4_000_000);
    let outcome = branchcut::solve(&model.model, &Options::default());
    if least == i64::MAX {
        assert_eq!(outcome.status, Status::Infeasible, "{at}");
        seen.infeasible += 1;
        return;
    }
    let point = outcome
        .point
        .as_deref()
        .unwrap_or_else(|| panic!("{at}: {:?}", outcome.status));
    let ignored = problem.weights.movement.thread * i64::try_from(model.claims.ignored).unwrap();
    let found = cost_of(point);
    assert!(
        found >= least && found <= least + ignored,
        "{at}: {found}, {least}"
    );
    let counts = model.counts(point).expect("the point is integral");
    let owners = model
        .rebuild(&problem, &counts)
        .expect("a point can be rebuilt");
    assert!(problem.is_complete(&owners), "{at}");
    let rebuilt = priced(&problem, &owners);
    assert!(rebuilt <= found && rebuilt >= least, "{at}: {rebuilt}");
    note(&problem, &model, &counts, seen);
}

fn note(problem: &Problem, model: &Aggregated, counts: &[counts::CellCounts], seen: &mut Seen) {
    let cores = counts.iter().flat_map(|cell| &cell.cores);
    let distinct = cores.map(|core| {
        let mut owners = core.clone();
        owners.sort_unstable();
        owners.dedup();
        (owners.len(), core.len())
    });
    let distinct: Vec<(usize, usize)> = distinct.collect();
    seen.busy += u32::from(distinct.iter().any(|d| d.0 == 1 && d.1 > 1));
    seen.mixed += u32::from(distinct.iter().any(|d| d.0 > 1));
    seen.three += u32::from(distinct.iter().any(|d| d.0 > 2));
    let wide = || model.of_cell.iter().filter_map(|cell| cell.wide.as_ref());
    seen.companies += u32::from(wide().any(|wide| wide.mixed.len() > 1));
    seen.single += u32::from(wide().count() > problem.levels[0].groups.len());
    let had = |class: &super::Class, core: &[usize]| core.iter().any(|&k| class.count(k) > 0);
    let kept =
        model
            .cells
            .iter()
            .zip(&model.classes)
            .zip(counts)
            .any(|((cell, classes), counts)| {
                cell.cores.iter().zip(&counts.cores).any(|(core, content)| {
                    let class = classes.iter().find(|class| class.cores.contains(core));
                    content.windows(2).any(|pair| pair[0] != pair[1])
                        && class.is_some_and(|class| had(class, content))
                })
            });
    seen.kept += u32::from(kept);
}

fn shape(width: u32, threads: usize) -> Shape {
    Shape {
        width,
        threads,
        containers: 4,
        overlap: false,
    }
}

#[test]
fn optimum_is_the_least_cost_of_all_assignments() {
    let mut seen = Seen::default();
    for seed in 0..900 {
        let mut random = Random(seed);
        let width = if seed % 3 == 0 { 8 } else { 4 };
        let overlap = seed % 10 == 0;
        let shape = Shape {
            overlap,
            ..shape(width, 9)
        };
        let instance = instance(&mut random, shape);
        check(&mut random, &instance, seed, &mut seen);
    }
    eprintln!("{seen:?}");
    assert!(
        seen.hosts > 400 && seen.busy > 100 && seen.points > 300,
        "{seen:?}"
    );
    assert!(
        seen.mixed > 100 && seen.three > 20 && seen.kept > 30,
        "{seen:?}"
    );
}

#[test]
fn optimum_under_rules_is_the_least_cost_that_keeps_them() {
    let mut seen = Seen::default();
    for seed in 0..900 {
        let mut random = Random(10_000 + seed);
        let instance = with_rules(&mut random, shape(if seed % 3 == 0 { 8 } else { 4 }, 8));
        check(&mut random, &instance, seed, &mut seen);
    }
    eprintln!("{seen:?}");
    assert!(
        seen.hosts > 400 && seen.infeasible > 30 && seen.points > 100,
        "{seen:?}"
    );
    assert!(seen.companies > 0 && seen.single > 50, "{seen:?}");
}

/// Patterns that are apart from each other on cores of two, three and four
/// threads: any graph of who may meet whom, with other rules beside it.
#[test]
fn optimum_of_any_pattern_apart_is_the_least_cost() {
    let mut seen = Seen::default();
    for seed in 0..2000 {
        let mut random = Random(20_000 + seed);
        let width = [2, 2, 3, 4][random.below(4)];
        let mut instance = with_rules(
            &mut random,
            Shape {
                containers: 5,
                ..shape(width, 8)
            },
        );
        instance.constraints.truncate(random.below(2));
        for a in 0..5 {
            for b in 0..a {
                if random.chance(35) {
                    let other = format!("c{b}");
                    instance.constraints.push(apart(
                        &format!("c{a}"),
                        Some(&other),
                        RuleLevel::Core,
                    ));
                }
            }
        }
        check(&mut random, &instance, seed, &mut seen);
    }
    eprintln!("{seen:?}");
    assert!(
        seen.hosts > 300 && seen.companies > 80 && seen.infeasible > 50,
        "{seen:?}"
    );
}

/// Two cores of four threads. a (3 threads, busy) and b (3) get a core each;
/// c (2, nearly idle) must go with them: one thread beside each costs 300 per
/// mille of 4 threads, both beside one of them 300 of three and 200 of three:
/// 1000 (3 x 200 + 3 x 300) + 2 x 300 x 50 needs five threads on a core. So
/// a and b mixed: 6 x 300 x 1000 + 2 x 300 x 50.
#[test]
fn a_host_by_hand() {
    let rho = |id: &str, cpus: u32, rho: i64| crate::placement::ContainerSpec {
        rho_mcpu: Some(rho),
        ..container(id, cpus, 0.0)
    };
    let instance = Instance {
        weights: crate::placement::Weights::default(),
        topology: topology(1, 1, 2, 4),
        containers: vec![rho("a", 3, 1000), rho("b", 3, 1000), rho("c", 2, 50)],
        constraints: Vec::new(),
        system: crate::placement::System::default(),
        lending: crate::placement::Lending::default(),
    };
    let problem = Problem::new(&instance, &CpuSet::new()).unwrap();
    let model = Aggregated::build(&problem, &[]).unwrap();
    let outcome = branchcut::solve(&model.model, &Options::default());
    let owners = model.rebuild(&problem, &model.counts(&outcome.point.unwrap()).unwrap());
    assert_eq!(priced(&problem, &owners.unwrap()), 1_830_000);
}
