use std::time::Duration;

use super::*;
use crate::cpuset::{CpuId, CpuSet};
use crate::placement::conflict::{Room, Settled, settle};
use crate::placement::cost::{cost, priced};
use crate::placement::enumerate::enumerate;
use crate::placement::exchange::{Exchange, ExchangeError, ModelKind};
use crate::placement::place::{Placed, place};
use crate::placement::random::{KINDS, Random, Shape, assignment, random_rule, with_rules};
use crate::placement::state::State;
use crate::placement::testing::{apart, container, pin, rule, socket_cores, together, topology};
use crate::placement::types::{ContainerSpec, SolveSettings, Status, System, Weights};

fn solve(instance: &Instance) -> Placed {
    let settings = SolveSettings {
        budget: None,
        ..SolveSettings::default()
    };
    place(instance, &instance.withheld(), &settings, &|| {
        Duration::ZERO
    })
    .unwrap()
}

/// Two sockets of two cores of two threads: CPUs c and c + 4 are core c.
fn host(containers: Vec<ContainerSpec>, constraints: Vec<Constraint>) -> Instance {
    Instance {
        weights: Weights::default(),
        topology: topology(2, 1, 2, 2),
        containers,
        constraints,
        system: System::default(),
        lending: crate::placement::Lending::default(),
    }
}

fn at(id: &str, cpus: &[u32]) -> ContainerSpec {
    ContainerSpec {
        previous: Some(cpus.iter().map(|&c| CpuId(c)).collect()),
        ..container(id, u32::try_from(cpus.len()).unwrap(), 0.5)
    }
}

fn cores(placed: &Placed, id: &str) -> Vec<u32> {
    let mut cores: Vec<u32> = placed.answer.placement[id]
        .iter()
        .map(|c| c.0 % 4)
        .collect();
    cores.sort_unstable();
    cores.dedup();
    cores
}

/// Each rule by hand: what is not so without it, and is so with it.
#[test]
fn each_rule_changes_the_plan() {
    // web fills core 0 where it was, db and log share core 1.
    let here = || vec![at("db", &[1]), at("log", &[5]), at("web", &[0, 4])];
    let free = solve(&host(here(), vec![]));
    let node = |placed: &Placed, id: &str| -> Vec<u32> {
        let mut nodes: Vec<u32> = cores(placed, id).iter().map(|c| c / 2).collect();
        nodes.dedup();
        nodes
    };
    assert_eq!(free.answer.status, Status::Optimal);

    let pinned = solve(&host(here(), vec![pin("web", 1)]));
    assert_eq!(pinned.answer.status, Status::Optimal);
    assert_eq!(node(&pinned, "web"), [1]);
    assert_ne!(node(&free, "web"), [1]);

    let rules = vec![apart("db", Some("*"), RuleLevel::Numa)];
    let placed = solve(&host(here(), rules));
    for other in ["log", "web"] {
        assert_ne!(node(&placed, "db"), node(&placed, other));
    }

    let rules = vec![together("?*", RuleLevel::Numa), pin("db", 1)];
    let placed = solve(&host(here(), rules));
    for id in ["db", "log", "web"] {
        assert_eq!(node(&placed, id), [1], "{id}");
    }

    // Six threads, each container spread over cores of its own: on whole
    // cores web has one core, wholly.
    let whole = solve(&host(here(), vec![rule(RuleKind::WholeCores, "web")]));
    assert_eq!(cores(&whole, "web").len(), 1);

    let four = || vec![container("big", 4, 4.0)];
    let free = solve(&host(four(), vec![]));
    assert_eq!(
        cores(&free, "big").len(),
        2,
        "one node, both threads of its cores"
    );
    let placed = solve(&host(four(), vec![socket_cores("big", 1)]));
    assert_eq!(node(&placed, "big"), [0, 1], "one core of each socket");

    let shared = || {
        vec![
            at("a", &[0]),
            at("b", &[4]),
            at("c", &[1]),
            at("d", &[5]),
            at("e", &[2]),
            at("f", &[6]),
            at("g", &[3]),
        ]
    };
    let placed = solve(&host(
        shared(),
        vec![apart("a", Some("b"), RuleLevel::Core)],
    ));
    assert_eq!(placed.answer.status, Status::Optimal);
    assert_ne!(cores(&placed, "a"), cores(&placed, "b"));
    let placed = solve(&host(
        shared(),
        vec![apart("a", Some("*"), RuleLevel::Core)],
    ));
    for other in ["b", "c", "d", "e", "f", "g"] {
        assert_ne!(cores(&placed, "a"), cores(&placed, other));
    }
    let text = crate::placement::explain(
        &host(shared(), vec![]),
        &CpuSet::new(),
        &placed,
        &std::collections::BTreeMap::new(),
    );
    assert!(
        text.iter().any(|e| e.text.contains("would break a rule")),
        "{text:?}"
    );
}

#[test]
fn a_pooled_container_binds_the_pool() {
    let pooled = ContainerSpec {
        kind: Kind::Pooled,
        ..container("batch/x", 0, 0.5)
    };
    let instance = host(
        vec![pooled, container("web", 1, 1.0)],
        vec![pin("batch/*", 1)],
    );
    let placed = solve(&instance);
    let pool = &placed.answer.placement[POOL];
    assert!(pool.iter().all(|c| c.0 % 4 >= 2), "{pool}");
}

#[test]
fn labels_choose_like_ids() {
    let labelled = |id: &str, app: &str| ContainerSpec {
        labels: [("app".to_owned(), app.to_owned())].into(),
        ..container(id, 1, 1.0)
    };
    let containers = vec![
        labelled("a", "shop/web"),
        labelled("b", "shop/db"),
        container("c", 1, 1.0),
    ];
    let placed = solve(&host(
        containers,
        vec![pin("label:app=shop/*", 1), pin("c", 0)],
    ));
    let nodes = |id: &str| cores(&placed, id)[0] / 2;
    assert_eq!([nodes("a"), nodes("b"), nodes("c")], [1, 1, 0]);
    let wrong = pin("label:app", 1).fault().unwrap();
    assert_eq!((wrong.0, wrong.1.as_str()), ("containers", "\"label:app\""));
}

#[test]
fn contradictions_are_named_and_the_softest_is_given_up() {
    let here = || vec![container("a", 2, 1.0), container("b", 2, 1.0)];
    // Rule 2 and rule 3 contradict each other, rule 1 is of no matter.
    let rules = vec![
        rule(RuleKind::WholeCores, "a"),
        pin("*", 0),
        apart("a", Some("b"), RuleLevel::Numa),
    ];
    let placed = solve(&host(here(), rules.clone()));
    assert_eq!(placed.answer.status, Status::Relaxed);
    assert_eq!(
        placed.answer.reasons[0],
        "the smallest set of rules that contradict each other is rule 2 ('*' on NUMA node 0), rule 3 ('a' apart \
         from 'b' on every NUMA node); rule 3 ('a' apart from 'b' on every NUMA node) is the softest of them and is given up"
    );
    assert_eq!(placed.answer.lower_bound, placed.answer.cost());
    // A higher priority makes the other one the softest.
    let mut firm = rules;
    firm[2].priority = 1;
    let placed = solve(&host(here(), firm));
    assert!(placed.answer.reasons[0].contains("rule 2 ('*' on NUMA node 0) is the softest"));

    let placed = solve(&host(here(), vec![pin("a", 7)]));
    assert_eq!(
        placed.answer.reasons[0],
        "rule 1 ('a' on NUMA node 7) cannot be kept on this host and is given up"
    );
    // Replayed at its work count, the answer is the same.
    let settings = SolveSettings {
        work_limit: Some(placed.answer.work),
        ..SolveSettings::default()
    };
    let instance = host(here(), vec![pin("a", 7)]);
    let again = place(&instance, &CpuSet::new(), &settings, &|| Duration::MAX).unwrap();
    assert_eq!(again.answer, placed.answer);
}

#[test]
fn absurd_rules_are_named() {
    let cases = [
        (rule(RuleKind::NumaPin, "a"), "node", "absent"),
        (rule(RuleKind::AntiAffinity, "a"), "level", "absent"),
        (rule(RuleKind::MaxCoresPerSocket, "a"), "cores", "absent"),
        (together("a", RuleLevel::Core), "level", "core"),
        (pin("/a", 0), "containers", "\"/a\""),
        (apart("a", Some(""), RuleLevel::L3), "others", "\"\""),
        (
            Constraint {
                cores: Some(1),
                ..pin("a", 0)
            },
            "cores",
            "1",
        ),
        (
            Constraint {
                others: Some("b".into()),
                ..pin("a", 0)
            },
            "others",
            "b",
        ),
    ];
    for (rule, key, value) in cases {
        let (found, shown, _) = rule.fault().unwrap();
        assert_eq!((found, shown.as_str()), (key, value), "{rule:?}");
    }
    assert_eq!(apart("a", Some("*"), RuleLevel::Core).fault(), None);
}

/// A host whose best placement breaks a rule of this kind and level, and that
/// rule: one that binds, most often.
fn with_binding_rule(random: &mut Random, wanted: (RuleKind, Option<RuleLevel>)) -> Instance {
    loop {
        let mut containers = Vec::new();
        let mut left = 8;
        let mut cpus: Vec<u32> = (0..8).collect();
        random.shuffle(&mut cpus);
        for k in 0..2 + random.below(3) {
            let request = (1 + random.below(3)).min(left);
            left -= request;
            if request == 0 {
                break;
            }
            let had: Vec<u32> = cpus.drain(..request).collect();
            let spec = at(&format!("c{k}"), &had);
            containers.push(ContainerSpec {
                previous: spec.previous.filter(|_| random.chance(60)),
                rho_mcpu: Some(50 + i64::try_from(random.below(951)).unwrap()),
                ..spec
            });
        }
        let mut instance = host(containers, vec![]);
        if random.chance(50) {
            // One socket of two L3s; the last core slower or narrower.
            instance.topology = topology(1, 2, 2, 2);
            for cpu in &mut instance.topology.cpus {
                cpu.numa = Some(cpu.id.0 % 2);
                cpu.socket = cpu.numa;
            }
            if left > 0 && random.chance(50) {
                instance.topology.cpus[7].online = false;
                for spec in &mut instance.containers {
                    spec.previous = None;
                }
            }
        }
        let free = Problem::new(&instance, &CpuSet::new()).unwrap();
        let (_, best) = enumerate(&free, 1 << 20);
        for _ in 0..40 {
            let rule = random_rule(random);
            if (rule.kind, rule.level) != wanted {
                continue;
            }
            instance.constraints = vec![rule];
            let problem = Problem::new(&instance, &CpuSet::new()).unwrap();
            if problem.rules.broken(&problem, &best) > 0 {
                return instance;
            }
        }
    }
}

/// The owners in a plan's base placement.
fn owners_of(placed: &Placed, problem: &Problem) -> Vec<Option<u32>> {
    let mut owners = vec![None; problem.threads.len()];
    for (k, container) in (0u32..).zip(&problem.containers) {
        for (thread, owner) in problem.threads.iter().zip(&mut owners) {
            if placed.base[&container.id].contains(thread.cpu) {
                *owner = Some(k);
            }
        }
    }
    owners
}

/// A plan against trying every assignment: the cost, the rules kept, the
/// bound, and that rules which are given up cannot be kept. The least cost
/// under all rules.
fn check_plan(instance: &Instance, placed: &Placed, at: &str) -> i64 {
    let all = Problem::new(instance, &instance.withheld()).unwrap();
    let (least, _) = enumerate(&all, 1 << 20);
    let problem = &placed.problem;
    let owners = owners_of(placed, problem);
    assert_eq!(cost(problem, &owners), placed.answer.cost_parts, "{at}");
    assert_eq!(problem.rules.broken(problem, &owners), 0, "{at}");
    if placed.answer.status == Status::Relaxed {
        assert_eq!(least, i64::MAX, "{at}: rules given up that can be kept");
    } else {
        assert_ne!(least, i64::MAX, "{at}: {:?}", placed.answer.status);
    }
    let best = match placed.answer.status {
        Status::Relaxed => enumerate(problem, 1 << 20).0,
        _ => least,
    };
    assert_eq!(placed.answer.cost(), best, "{at}");
    assert_eq!(placed.answer.lower_bound, best, "{at}");
    least
}

#[test]
fn plans_under_rules_are_those_of_enumeration() {
    let shape = Shape {
        width: 2,
        threads: 8,
        containers: 4,
        overlap: false,
    };
    let mut relaxed = 0;
    for seed in 0..1000 {
        let mut random = Random(seed);
        let mut instance = with_rules(&mut random, shape);
        if random.chance(30) {
            let core = Some(u32::try_from(random.below(3)).unwrap());
            let cpus = instance.topology.cpus.iter();
            instance.system = System {
                cpus: cpus
                    .filter(|cpu| cpu.core == core)
                    .map(|cpu| cpu.id)
                    .collect(),
                usage_mcpu: Some(u32::try_from(random.below(1001)).unwrap()),
            };
        }
        let placed = solve(&instance);
        check_plan(
            &instance,
            &placed,
            &format!("seed {seed}: {:?}", instance.constraints),
        );
        relaxed += u32::from(placed.answer.status == Status::Relaxed);
    }
    assert!(relaxed > 50, "{relaxed}");
}

/// Isolated CPUs and those of `off` are given to nobody, also on a host that
/// is over-full without them; else the plan has the least cost on the others.
#[test]
fn withheld_cpus_are_given_to_nobody() {
    let shape = Shape {
        width: 2,
        threads: 8,
        containers: 4,
        overlap: false,
    };
    let (mut fits, mut over_full) = (0, 0);
    for seed in 0..600 {
        let mut random = Random(seed);
        let mut instance = with_rules(&mut random, shape);
        let mut withheld = Vec::new();
        for cpu in &mut instance.topology.cpus {
            cpu.isolated = random.chance(10);
            let is_system = random.chance(10);
            instance.system.cpus = match is_system {
                true => instance.system.cpus.union(&[cpu.id].into_iter().collect()),
                false => instance.system.cpus,
            };
            if cpu.isolated || is_system {
                withheld.push(cpu.id);
            }
        }
        let online = instance.topology.online();
        let offered = online.iter().filter(|cpu| !withheld.contains(cpu)).count();
        if offered == 0 {
            continue;
        }
        let placed = solve(&instance);
        for (id, set) in placed.answer.placement.iter().chain(&placed.answer.lent) {
            assert!(
                withheld.iter().all(|cpu| !set.contains(*cpu)),
                "seed {seed}: {id} on {set} of {withheld:?}"
            );
        }
        let requests = placed.normal.containers.iter().map(|c| c.cpus as usize);
        if requests.sum::<usize>() > offered {
            over_full += 1;
        } else {
            check_plan(&instance, &placed, &format!("seed {seed}: {withheld:?}"));
            fits += u32::from(!withheld.is_empty());
        }
    }
    assert!(fits > 100 && over_full > 100, "{fits} {over_full}");
}

/// The same where the rule changes the optimum: fifty times for each kind.
#[test]
fn rules_that_bind_are_kept_at_the_least_cost() {
    for kind in KINDS {
        let mut bound = 0;
        for seed in 0..300 {
            if bound == 50 {
                break;
            }
            let instance = with_binding_rule(&mut Random(seed), kind);
            let placed = solve(&instance);
            let rules = &instance.constraints;
            let least = check_plan(&instance, &placed, &format!("seed {seed}: {rules:?}"));
            let free = Instance {
                constraints: vec![],
                ..instance.clone()
            };
            let free = Problem::new(&free, &CpuSet::new()).unwrap();
            bound += u32::from(least < i64::MAX && least > enumerate(&free, 1 << 20).0);
        }
        assert_eq!(bound, 50, "{kind:?}");
    }
}

/// The smallest contradiction against trying every set of rules.
#[test]
fn the_smallest_contradiction_is_named() {
    let shape = Shape {
        width: 2,
        threads: 6,
        containers: 3,
        overlap: false,
    };
    let mut sizes = [0; 6];
    for seed in 0..160u32 {
        let mut random = Random(u64::from(seed));
        let mut instance = with_rules(&mut random, shape);
        if seed % 4 > 0 {
            // Rules that can each be kept contradict each other in sets.
            instance = with_binding_rule(&mut random, KINDS[seed as usize % 8]);
            let mut drawn: Vec<Constraint> = (0..12).map(|_| random_rule(&mut random)).collect();
            drawn.retain(|rule| {
                instance.constraints = vec![rule.clone()];
                let problem = Problem::new(&instance, &CpuSet::new()).unwrap();
                enumerate(&problem, 1 << 20).0 < i64::MAX
            });
            drawn.truncate(5);
            instance.constraints = drawn;
        }
        let rules = resolve(&instance);
        let keeps = |set: usize| {
            let some = (0..rules.len()).filter(|i| set >> i & 1 == 1);
            let some: Vec<Resolved> = some.map(|i| rules[i].clone()).collect();
            let problem = Problem::with_rules(&instance, &CpuSet::new(), &some).unwrap();
            enumerate(&problem, 1 << 20).0 < i64::MAX
        };
        let problem = Problem::new(&instance, &CpuSet::new()).unwrap();
        let mut room = Room {
            work: None,
            time_left: &|| None,
            spent: 0,
        };
        let Settled::Kept {
            given_up,
            owners,
            rules: left,
        } = settle(&problem, &rules, &mut room)
        else {
            panic!("seed {seed}: nothing limits the search");
        };
        let problem = Problem::with_rules(&instance, &CpuSet::new(), &left).unwrap();
        assert_eq!(problem.rules.broken(&problem, &owners), 0, "seed {seed}");
        let mut gone = 0;
        for up in &given_up {
            let sets = (1..1usize << rules.len()).filter(|set| set & gone == 0 && !keeps(*set));
            let least = sets.map(usize::count_ones).min().unwrap();
            assert!(up.is_smallest);
            assert_eq!(up.conflict.len(), least as usize, "seed {seed}: {up:?}");
            let set = up.conflict.iter().fold(0, |set, i| set | 1 << i);
            assert!(!keeps(set), "seed {seed}: {up:?}");
            let softest = up
                .conflict
                .iter()
                .min_by_key(|&&i| softness(i, &rules[i].rule));
            assert_eq!(softest, Some(&up.rule));
            gone |= 1 << up.rule;
            sizes[up.conflict.len()] += 1;
        }
        assert!(keeps(((1 << rules.len()) - 1) & !gone));
    }
    assert!(sizes[1] > 5 && sizes[2] > 40 && sizes[3] > 0, "{sizes:?}");
}

/// The incremental cost knows the rules; both models refuse exactly what breaks
/// one.
#[test]
fn states_and_models_know_what_is_broken() {
    let shape = Shape {
        width: 3,
        threads: 9,
        containers: 4,
        overlap: false,
    };
    let (mut kept, mut broken) = (0, 0);
    for seed in 0..600 {
        let mut random = Random(seed);
        let instance = with_rules(&mut random, shape);
        let problem = Problem::new(&instance, &CpuSet::new()).unwrap();
        let owners = assignment(&mut random, &problem);
        let mut state = State::new(&problem, &owners);
        assert_eq!(state.cost(), priced(&problem, &owners), "seed {seed}");
        let threads = problem.threads.len();
        let (a, b) = (random.below(threads), random.below(threads));
        state.swap(a, b);
        assert_eq!(
            state.cost(),
            priced(&problem, state.owners()),
            "seed {seed}"
        );

        let form = Exchange::new(&instance, &CpuSet::new(), ModelKind::Naive).unwrap();
        let found = form.import(&form.point_of(&owners));
        if problem.rules.broken(&problem, &owners) == 0 {
            kept += 1;
            assert_eq!(found.unwrap().parts, cost(&problem, &owners), "seed {seed}");
        } else {
            broken += 1;
            assert!(
                matches!(found, Err(ExchangeError::Refused { .. })),
                "seed {seed}: {found:?}"
            );
        }
    }
    assert!(kept > 50 && broken > 200, "{kept} {broken}");
}
