//! Who is lent what; expected sets worked out by hand, and properties on
//! random hosts checked from the topology alone.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::placement::random::{Random, Shape, instance as random_instance};
use crate::placement::testing::{container, topology};
use crate::placement::{Constraint, Placed, SolveSettings, System, Weights, explain, place};

fn set(text: &str) -> CpuSet {
    CpuSet::parse_list(text).unwrap()
}

fn at(kind: Kind, id: &str, p95: f64, cpus: &str) -> ContainerSpec {
    let cpus = set(cpus);
    ContainerSpec {
        kind,
        previous: Some(cpus.iter().collect()),
        ..container(id, u32::try_from(cpus.len()).unwrap(), p95)
    }
}

/// One socket, one L3, four cores of two threads: CPU c and c + 4 are siblings.
fn host(policy: LendingPolicy, containers: Vec<ContainerSpec>) -> Instance {
    Instance {
        weights: Weights::default(),
        topology: topology(1, 1, 4, 2),
        containers,
        constraints: Vec::new(),
        system: System::default(),
        lending: Lending {
            policy,
            ..Lending::default()
        },
    }
}

/// Nobody moves: the budget allows no step of search, and what was there is
/// what keep-and-fit gives.
fn kept(instance: &Instance) -> Placed {
    let settings = SolveSettings {
        budget: None,
        work_limit: Some(0),
        max_moves: Some(0),
        ..SolveSettings::default()
    };
    place(instance, &instance.withheld(), &settings, &|| {
        Duration::ZERO
    })
    .unwrap()
}

fn lent(instance: &Instance) -> BTreeMap<String, String> {
    let answer = kept(instance).answer;
    for (id, base) in &answer.placement {
        let spec = instance.containers.iter().find(|c| c.id == *id);
        if let Some(previous) = spec.and_then(|c| c.previous.as_ref()) {
            assert_eq!(
                *base,
                previous.iter().copied().collect(),
                "{id} was to stay"
            );
        }
    }
    answer
        .lent
        .iter()
        .map(|(id, set)| (id.clone(), set.to_string()))
        .collect()
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(id, set)| ((*id).to_owned(), (*set).to_owned()))
        .collect()
}

/// Kind::Static `s` on core 0, `t` on one thread of core 1, burst `b` on one of core 2.
fn mixed(policy: LendingPolicy) -> Instance {
    host(
        policy,
        vec![
            at(Kind::Static, "s", 0.2, "0,4"),
            at(Kind::Static, "t", 0.5, "1"),
            at(Kind::Burst, "b", 1.0, "2"),
        ],
    )
}

#[test]
fn each_policy_lends_what_it_says() {
    // Owned: 0 and 4 (s), 1 (t), 2 (b). Free: 5, 6, 3, 7.
    let lent_by = |policy| lent(&mixed(policy));
    assert_eq!(lent_by(LendingPolicy::Empty), pairs(&[("b", "3,5-7")]));
    // Core 3 alone has no owner.
    assert_eq!(lent_by(LendingPolicy::EmptyCores), pairs(&[("b", "3,7")]));
    // s uses 0.1 of a thread, t 0.5: core 0 is lent, core 1 is not; core 2 has
    // no static owner, so its free thread is lent.
    assert_eq!(
        lent_by(LendingPolicy::Oversubscribe),
        pairs(&[("b", "0,3-4,6-7")])
    );
}

#[test]
fn a_core_of_two_owners_needs_both_to_use_little() {
    let of = |p95| {
        let containers = vec![
            at(Kind::Static, "s", 0.1, "0"),
            at(Kind::Static, "t", p95, "4"),
            at(Kind::Burst, "b", 1.0, "1-3,5-7"),
        ];
        lent(&host(LendingPolicy::Oversubscribe, containers))
    };
    assert_eq!(of(0.2), pairs(&[("b", "0,4")]));
    assert_eq!(of(0.201), pairs(&[]));
}

#[test]
fn hysteresis_lends_at_the_threshold_and_takes_back_above_release() {
    let with = |p95: f64, before: &str, overrun: Option<Overrun>| {
        let mut instance = host(
            LendingPolicy::Oversubscribe,
            vec![
                ContainerSpec {
                    overrun,
                    ..at(Kind::Static, "s", p95, "0,4")
                },
                at(Kind::Burst, "b", 1.0, "1-3,5-7"),
            ],
        );
        instance.lending.before = set(before);
        let text = {
            let placed = kept(&instance);
            let all = explain(&instance, &CpuSet::new(), &placed, &BTreeMap::new());
            all.into_iter().find(|e| e.container == "s").unwrap().text
        };
        (lent(&instance).contains_key("b"), text)
    };
    // Two threads: a use of 0.4 CPU is 0.2 of a thread, of 0.8 CPU 0.4.
    let (is_lent, text) = with(0.4, "", None);
    assert!(
        is_lent && text.contains("0.200 of a thread, at most 0.2 (lending.threshold)"),
        "{text}"
    );
    let (is_lent, text) = with(0.41, "", None);
    assert!(
        !is_lent && text.contains("lends nothing: predicted use 0.205"),
        "{text}"
    );
    let (is_lent, text) = with(0.8, "0", None);
    assert!(
        is_lent && text.contains("at most 0.4 (lending.release; it lent before)"),
        "{text}"
    );
    let (is_lent, text) = with(0.81, "0", None);
    assert!(
        !is_lent && text.contains("takes its threads back: predicted use 0.405"),
        "{text}"
    );
    // More than predicted: taken back, however little is predicted now.
    let overrun = Overrun {
        used: 0.5,
        predicted: 0.1,
    };
    let (is_lent, text) = with(0.1, "0,4", Some(overrun));
    assert!(
        !is_lent && text.contains("it used 0.500 CPU, more than the 0.100 predicted"),
        "{text}"
    );
}

#[test]
fn the_explanation_says_what_lending_risks() {
    let texts = |policy| {
        let instance = mixed(policy);
        let placed = kept(&instance);
        let explained = explain(&instance, &CpuSet::new(), &placed, &BTreeMap::new());
        explained
            .into_iter()
            .map(|e| e.text)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let text = texts(LendingPolicy::Empty);
    assert!(
        text.contains("1 of its threads (1) has a lent sibling, which costs each up to 30.0 %"),
        "{text}"
    );
    assert!(text.contains("may use the free 3,5-7 too"), "{text}");
    let text = texts(LendingPolicy::Oversubscribe);
    assert!(
        text.contains("lends 0,4 (2 of its 2 threads) to b: predicted use 0.100 of a thread"),
        "{text}"
    );
    assert!(
        text.contains("2 of its threads (0,4) have a lent sibling"),
        "{text}"
    );
    assert!(
        text.contains("may use the free 3,6-7 and 0,4 of others that need little too"),
        "{text}"
    );
    assert!(!texts(LendingPolicy::EmptyCores).contains("sibling"));
}

#[test]
fn the_pool_gets_every_free_thread_under_each_policy() {
    let pooled = ContainerSpec {
        kind: Kind::Pooled,
        ..container("p", 0, 0.1)
    };
    for (_, policy) in LendingPolicy::NAMED {
        let mut instance = mixed(policy);
        instance.containers.push(pooled.clone());
        let answer = kept(&instance).answer;
        let owned = answer
            .placement
            .values()
            .fold(CpuSet::new(), |all, s| all.union(s));
        let free = set("0-7").difference(&owned);
        assert!(free.is_subset(&answer.lent[POOL]), "{policy:?}");
        let lends_owned = policy == LendingPolicy::Oversubscribe;
        assert_eq!(
            answer.lent[POOL].contains(CpuId(0)),
            lends_owned,
            "{policy:?}"
        );
    }
}

#[test]
fn the_pool_keeps_its_reserve() {
    let pooled = |id: &str| ContainerSpec {
        kind: Kind::Pooled,
        ..container(id, 0, 0.1)
    };
    let mut instance = host(
        LendingPolicy::EmptyCores,
        vec![pooled("p"), container("s", 4, 4.0)],
    );
    assert_eq!(kept(&instance).answer.placement[POOL].len(), 1);
    instance.lending.reserve = 3;
    assert_eq!(kept(&instance).answer.placement[POOL].len(), 3);
    // Over-full: the statics want all eight threads, the reserve stays.
    instance.containers[1].cpus = 6;
    assert_eq!(kept(&instance).answer.placement[POOL].len(), 3);
    instance.containers[1].cpus = 7;
    let answer = kept(&instance).answer;
    assert_eq!(answer.placement[POOL].len(), 3);
    assert_eq!(answer.placement["s"].len(), 7);
}

#[test]
fn an_over_full_host_lends_no_owned_thread() {
    // Nine threads of eight: oversubscribe lends no owner's thread then.
    let instance = host(
        LendingPolicy::Oversubscribe,
        vec![
            container("s", 5, 0.1),
            ContainerSpec {
                kind: Kind::Burst,
                ..container("b", 4, 4.0)
            },
        ],
    );
    let answer = kept(&instance).answer;
    assert!(answer.lent.is_empty(), "{:?}", answer.lent);
    assert_eq!(
        (answer.placement["s"].len(), answer.placement["b"].len()),
        (5, 4)
    );
}

#[test]
fn offline_and_withheld_siblings_count() {
    let mut instance = host(
        LendingPolicy::EmptyCores,
        vec![at(Kind::Burst, "b", 1.0, "0,4")],
    );
    // CPU 5 is offline: core 1 is CPU 1 alone, and empty. CPU 6 is isolated:
    // core 2 is somebody's.
    instance.topology.cpus[5].online = false;
    instance.topology.cpus[6].isolated = true;
    assert_eq!(lent(&instance), pairs(&[("b", "1,3,7")]));
    instance.lending.policy = LendingPolicy::Empty;
    assert_eq!(lent(&instance), pairs(&[("b", "1-3,7")]));
    // The host's own work on CPU 3 is an owner that uses 0.3 of it.
    instance.system = System {
        cpus: set("3"),
        usage_mcpu: Some(300),
    };
    assert_eq!(lent(&instance), pairs(&[("b", "1-2,7")]));
    instance.lending.policy = LendingPolicy::EmptyCores;
    assert_eq!(lent(&instance), pairs(&[("b", "1")]));
    instance.lending.policy = LendingPolicy::Oversubscribe;
    assert_eq!(lent(&instance), pairs(&[("b", "1")]));
    instance.system.usage_mcpu = Some(200);
    assert_eq!(lent(&instance), pairs(&[("b", "1,3,7")]));
}

#[test]
fn exclusive_cpusets_lend_and_are_lent_nothing() {
    let mut instance = mixed(LendingPolicy::Oversubscribe);
    instance.containers[0].exclusive = true;
    assert_eq!(lent(&instance), pairs(&[("b", "3,6-7")]));
    instance.containers[2].exclusive = true;
    assert_eq!(lent(&instance), pairs(&[]));
}

fn rule(kind: RuleKind, level: Option<RuleLevel>) -> Constraint {
    Constraint {
        kind,
        containers: "b".into(),
        others: None,
        level,
        cores: None,
        node: None,
        priority: 0,
    }
}

#[test]
fn rules_hold_for_lent_threads() {
    use LendingPolicy::{Empty, Oversubscribe};
    use RuleKind::{AntiAffinity, CoTenancy, MaxCoresPerSocket, NumaPin, WholeCores};
    // Two nodes of two L3s of two cores; b on core 0 (CPUs 0, 8), static s on
    // core 2 (CPU 2, its sibling 10 is free).
    let with = |rule: Constraint, policy| {
        let mut instance = host(
            policy,
            vec![
                at(Kind::Burst, "b", 2.0, "0,8"),
                at(Kind::Static, "s", 0.1, "2"),
            ],
        );
        instance.topology = topology(2, 2, 2, 2);
        instance.constraints = vec![rule];
        lent(&instance).get("b").cloned().unwrap_or_default()
    };
    let pin = Constraint {
        node: Some(0),
        ..rule(NumaPin, None)
    };
    assert_eq!(with(pin, Empty), "1,3,9-11");
    let apart = |level| Constraint {
        others: Some("s".into()),
        ..rule(AntiAffinity, Some(level))
    };
    assert_eq!(with(apart(RuleLevel::Core), Oversubscribe), "1,3-7,9,11-15");
    assert_eq!(with(apart(RuleLevel::L3), Empty), "1,4-7,9,12-15");
    let few = Constraint {
        cores: Some(2),
        ..rule(MaxCoresPerSocket, None)
    };
    // One more core on socket 0, two on socket 1, in CPU order.
    assert_eq!(with(few, Empty), "1,4-5,9,12-13");
    assert_eq!(with(rule(WholeCores, None), Empty), "");
    let whole = Constraint {
        containers: "s".into(),
        ..rule(WholeCores, None)
    };
    assert_eq!(with(whole, Oversubscribe), "1,3-7,9,11-15");
    // A co-tenant alone in its rule: the L3 of its base set.
    assert_eq!(with(rule(CoTenancy, Some(RuleLevel::L3)), Empty), "1,9");
}

#[test]
fn of_two_apart_the_one_of_higher_priority_is_served_first() {
    let with = |priority| {
        let mut instance = host(
            LendingPolicy::EmptyCores,
            vec![
                at(Kind::Burst, "a", 2.0, "0,4"),
                ContainerSpec {
                    priority,
                    ..at(Kind::Burst, "b", 2.0, "1,5")
                },
            ],
        );
        instance.constraints = vec![Constraint {
            containers: "a".into(),
            others: Some("b".into()),
            ..rule(RuleKind::AntiAffinity, Some(RuleLevel::Core))
        }];
        lent(&instance)
    };
    assert_eq!(with(0), pairs(&[("a", "2-3,6-7")]));
    assert_eq!(with(1), pairs(&[("b", "2-3,6-7")]));
}

/// From the topology alone, core by core: nothing that a policy forbids is
/// lent, everything that it allows is, base sets are the same under every
/// policy, and only burst containers and the pool are lent anything.
#[test]
fn random_hosts_lend_what_the_policy_allows() {
    let mut random = Random(11);
    let shape = Shape {
        width: 3,
        threads: 14,
        containers: 5,
        overlap: false,
    };
    let (mut forbidden, mut oversubscribed, mut lasting) = (0, 0, 0);
    for _ in 0..400 {
        let mut instance = random_instance(&mut random, shape);
        for spec in &mut instance.containers {
            spec.kind = match random.below(3) {
                0 => Kind::Burst,
                1 if spec.cpus == 1 => Kind::Pooled,
                _ => Kind::Static,
            };
            spec.predicted_p95 =
                f64::from(spec.cpus) * f64::from(u32::try_from(random.below(60)).unwrap()) / 100.0;
            if random.chance(10) {
                spec.overrun = Some(Overrun {
                    used: 2.0,
                    predicted: 1.0,
                });
            }
        }
        let all = instance.topology.cpus.iter().map(|cpu| cpu.id);
        instance.lending.before = all.filter(|_| random.chance(40)).collect();
        let mut bases = Vec::new();
        for (_, policy) in LendingPolicy::NAMED {
            instance.lending.policy = policy;
            let placed = kept(&instance);
            let answer = &placed.answer;
            let online = instance.topology.online();
            let cores = instance.topology.cpus.iter().filter(|cpu| cpu.online);
            let mut by_core: BTreeMap<u32, CpuSet> = BTreeMap::new();
            for cpu in cores {
                by_core.entry(cpu.core.unwrap()).or_default().insert(cpu.id);
            }
            let spec = |id: &str| {
                placed
                    .normal
                    .containers
                    .iter()
                    .find(|c| c.id == id)
                    .unwrap()
            };
            for (id, set) in &answer.lent {
                assert_ne!(spec(id).kind, Kind::Static);
                assert!(set.is_subset(&online) && set.is_disjoint(&answer.placement[id]));
            }
            for core in by_core.values() {
                let owners: Vec<&ContainerSpec> = answer
                    .placement
                    .iter()
                    .filter(|(_, base)| !base.is_disjoint(core))
                    .map(|(id, _)| spec(id))
                    .collect();
                let is_low = |c: &&ContainerSpec| {
                    let share = c.predicted_p95 / f64::from(c.cpus);
                    let before = c.previous.iter().flatten();
                    let did = before
                        .into_iter()
                        .any(|p| instance.lending.before.contains(*p));
                    let limit = if did { 0.4 } else { 0.2 };
                    lasting += usize::from(did && share > 0.2 && share <= 0.4);
                    c.kind != Kind::Static || (c.overrun.is_none() && share <= limit)
                };
                let may_lend = owners.iter().all(is_low);
                for cpu in core.iter() {
                    let owner = owners
                        .iter()
                        .find(|c| answer.placement[&c.id].contains(cpu));
                    let allowed = match policy {
                        LendingPolicy::Empty => owner.is_none(),
                        LendingPolicy::EmptyCores => owners.is_empty(),
                        LendingPolicy::Oversubscribe => {
                            may_lend && owner.is_none_or(|c| c.kind == Kind::Static)
                        }
                    };
                    forbidden += usize::from(!allowed);
                    oversubscribed += usize::from(allowed && owner.is_some());
                    for borrower in placed
                        .normal
                        .containers
                        .iter()
                        .filter(|c| c.kind != Kind::Static)
                    {
                        let has = answer
                            .lent
                            .get(&borrower.id)
                            .is_some_and(|s| s.contains(cpu));
                        let own = answer.placement[&borrower.id].contains(cpu);
                        let allowed = allowed || (borrower.id == POOL && owner.is_none());
                        assert_eq!(has, allowed && !own, "{policy:?} {cpu} {}", borrower.id);
                    }
                }
            }
            bases.push(answer.placement.clone());
        }
        assert!(bases.windows(2).all(|pair| pair[0] == pair[1]));
    }
    // Each case came up often.
    assert!(forbidden > 1000 && oversubscribed > 200 && lasting > 100);
}
