//! `decide` on small hosts; expected sets worked out by hand.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::record::Round;
use super::replay::decide_again;
use super::{Decision, Event, Managed, Settings, State, decide};
use crate::cgroup::journal::JournalState;
use crate::cgroup::{
    Container, ContainerKey, Context, CpusetDir, Fence, Layout, Pinned, Request, RequestSource,
    Version,
};
use crate::codec;
use crate::cpuset::CpuSet;
use crate::placement::{
    Constraint, HostModels, Kind, POOL, Prices, RuleKind, RuleLevel, SolveSettings, Status,
    WarmStart,
};
use crate::predict::{Link, Prediction};
use crate::topology::make_topology;

fn set(text: &str) -> CpuSet {
    CpuSet::parse_list(text).unwrap()
}

/// A container that asks for `cpus` by its quota and is predicted to use them
/// all; it has every CPU of an eight-thread host.
fn container(id: &str, inode: u64, cpus: u32) -> Managed {
    let key = ContainerKey {
        boot_id: "test".into(),
        inode,
    };
    let dir = CpusetDir {
        key: key.clone(),
        path: id.as_bytes().to_vec(),
        cpus: set("0-7"),
        effective: set("0-7"),
        mems: "0".into(),
        exclusive: false,
        partition: None,
    };
    let container = Container {
        key,
        id: id.into(),
        layout: Layout::Config,
        subtree: vec![dir],
        parent_effective: set("0-7"),
        request: Request {
            cpus: Some(cpus),
            mcpu: Some(u64::from(cpus) * 1000),
            source: RequestSource::Quota,
            kind_configured: false,
            kind: Kind::Static,
        },
        quota_mcpu: Some(u64::from(cpus) * 1000),
        usage_ns: None,
        throttling: None,
        context: Context::default(),
        home: None,
        pinned: Pinned::default(),
        priority: 0,
        fence: Fence::Managed,
    };
    let prediction = Prediction {
        p95: f64::from(cpus),
        p50: None,
        link: Link::Request,
        age_s: 0.0,
        interval_s: None,
        confidence: None,
        why: "the request".into(),
    };
    Managed {
        container,
        prediction,
        assigned: None,
        overrun: None,
    }
}

fn holds(m: &mut Managed, cpus: &str) {
    m.container.subtree[0].cpus = set(cpus);
    m.container.subtree[0].effective = set(cpus);
}

/// Two nodes of one L3 with two cores of two threads: CPUs 0-3 are the cores
/// (0, 1 on node 0), CPUs 4-7 their siblings.
fn state(containers: Vec<Managed>) -> State {
    let solve = SolveSettings {
        budget: None,
        work_limit: Some(1_000_000),
        ..SolveSettings::default()
    };
    State {
        now_s: 0.0,
        version: Version::V1,
        topology: make_topology(2, 1, 2, 2),
        settings: Settings {
            solve,
            ..Settings::default()
        },
        containers,
        pool_assigned: None,
        first_sets: JournalState::default(),
        warm: WarmStart::default(),
    }
}

fn decided(state: &State) -> Decision {
    let mut hosts = HostModels::default();
    decide(state, &Event::Rebalance, &mut hosts, &|| Duration::ZERO)
}

#[test]
fn events_are_what_came_and_went() {
    assert_eq!(
        Event::infer(["a"], ["a", "b"]),
        Event::Add(vec!["b".into()])
    );
    assert_eq!(
        Event::infer(["a", "b"], ["c"]),
        Event::Add(vec!["c".into()])
    );
    assert_eq!(
        Event::infer(["a", "b"], ["b"]),
        Event::Remove(vec!["a".into()])
    );
    assert_eq!(Event::infer(["a"], ["a"]), Event::Rebalance);
}

#[test]
fn two_busy_pairs_get_a_node_each_without_shared_cores() {
    let plan = decided(&state(vec![container("a", 1, 2), container("b", 2, 2)])).plan;
    assert_eq!(plan.answer.status, Status::Optimal);
    // Two cores a node: two busy threads each leave every sibling idle, stay on
    // one node and load both alike. Nothing is lost.
    assert_eq!(plan.answer.cost(), 0);
    let (a, b) = (&plan.cpusets["a"], &plan.cpusets["b"]);
    let nodes = [set("0,1,4,5"), set("2,3,6,7")];
    assert!(nodes.iter().any(|n| a.is_subset(n)) && nodes.iter().any(|n| b.is_subset(n)));
    assert_eq!(plan.writes.len(), 2);
    assert!(
        plan.writes
            .iter()
            .all(|w| w.old == set("0-7") && w.new.len() == 2)
    );
}

#[test]
fn what_is_in_place_is_not_written_again() {
    let mut a = container("a", 1, 2);
    holds(&mut a, "0-1");
    a.assigned = Some(set("0-1"));
    let plan = decided(&state(vec![a])).plan;
    assert_eq!(plan.cpusets["a"], set("0-1"));
    assert_eq!(plan.writes, []);
    assert_eq!(plan.answer.moved_threads, 0);
}

#[test]
fn a_cpuset_of_the_right_size_is_adopted() {
    let mut a = container("a", 1, 2);
    holds(&mut a, "2-3");
    let plan = decided(&state(vec![a])).plan;
    assert_eq!(
        plan.cpusets["a"],
        set("2-3"),
        "staying costs nothing, so it stays"
    );
    assert_eq!(plan.writes, []);
}

#[test]
fn the_cpus_of_one_that_is_left_alone_are_taken() {
    let mut foreign = container("x", 1, 4);
    holds(&mut foreign, "0,1,4,5");
    foreign.container.fence = Fence::LeftAlone("the kubelet's".into());
    let decision = decided(&state(vec![container("a", 2, 2), foreign]));
    assert!(decision.plan.cpusets["a"].is_subset(&set("2,3,6,7")));
    assert_eq!(decision.plan.left_alone["x"], "the kubelet's");
    assert!(!decision.plan.cpusets.contains_key("x"));
    assert!(decision.plan.writes.iter().all(|w| w.path == b"a"));
    assert!(
        decision
            .explanation
            .iter()
            .any(|l| l == "x: left alone: the kubelet's")
    );
}

#[test]
fn one_that_is_left_alone_with_all_cpus_takes_none() {
    let mut roaming = container("x", 1, 4);
    roaming.container.fence = Fence::LeftAlone("pins its threads".into());
    let plan = decided(&state(vec![container("a", 2, 8), roaming])).plan;
    assert_eq!(plan.cpusets["a"], set("0-7"));
}

#[test]
fn system_and_isolated_cpus_are_not_given_out() {
    let mut state = state(vec![container("a", 1, 6)]);
    state.settings.system.cpus = set("0");
    state.topology.cpus[7].isolated = true;
    let decision = decided(&state);
    assert_eq!(decision.plan.cpusets["a"], set("1-6"));
    assert!(
        decision
            .explanation
            .iter()
            .any(|l| l.contains("CPUs 7 are isolated at boot"))
    );
}

#[test]
fn one_below_a_narrower_parent_is_left_alone_and_named() {
    let mut narrow = container("n", 1, 1);
    holds(&mut narrow, "0");
    narrow.container.parent_effective = set("0-1");
    let plan = decided(&state(vec![container("a", 2, 2), narrow])).plan;
    assert!(plan.left_alone["n"].starts_with("its parent directory is limited to CPUs 0-1"));
    assert!(
        !plan.cpusets["a"].contains(crate::cpuset::CpuId(0)),
        "what it holds is taken"
    );
}

#[test]
fn a_common_narrow_parent_bounds_everybody() {
    let mut both = [container("a", 1, 1), container("b", 2, 1)];
    for m in &mut both {
        m.container.parent_effective = set("2,3");
        holds(m, "2-3");
    }
    let plan = decided(&state(both.into())).plan;
    let union = plan.cpusets["a"].union(&plan.cpusets["b"]);
    assert_eq!((plan.cpusets["a"].len(), union), (1, set("2-3")));
}

#[test]
fn shares_do_not_narrow_below_the_predicted_use() {
    let mut a = container("a", 1, 1);
    a.container.request.source = RequestSource::Shares;
    a.prediction.p95 = 2.4;
    let plan = decided(&state(vec![a])).plan;
    assert_eq!(plan.cpusets["a"].len(), 3, "ceil of 2.4");
}

#[test]
fn pooled_ones_share_a_base_and_the_free_threads() {
    let pooled = |id, inode| {
        let mut m = container(id, inode, 1);
        m.container.request = Request {
            cpus: None,
            mcpu: None,
            source: RequestSource::None,
            kind_configured: false,
            kind: Kind::Pooled,
        };
        m.prediction.p95 = 0.6;
        m
    };
    let plan = decided(&state(vec![
        container("a", 1, 4),
        pooled("p", 2),
        pooled("q", 3),
    ]))
    .plan;
    assert_eq!(plan.answer.placement[POOL].len(), 2, "ceil of 0.6 + 0.6");
    assert_eq!(plan.cpusets["p"], plan.cpusets["q"]);
    assert_eq!(plan.cpusets["p"].union(&plan.cpusets["a"]), set("0-7"));
    assert!(plan.cpusets["p"].is_disjoint(&plan.cpusets["a"]));
}

#[test]
fn an_over_full_host_keeps_sizes_and_gives_up_exclusivity() {
    let plan = decided(&state(vec![container("a", 1, 6), container("b", 2, 4)])).plan;
    assert_eq!(plan.answer.status, Status::Fallback);
    assert_eq!((plan.cpusets["a"].len(), plan.cpusets["b"].len()), (6, 4));
    assert_eq!(plan.answer.lower_bound, 0);
}

#[test]
fn no_cpu_left_keeps_everything_as_it_is() {
    let mut state = state(vec![container("a", 1, 1)]);
    state.settings.system.cpus = set("0-7");
    let plan = decided(&state).plan;
    assert_eq!(plan.answer.status, Status::Kept);
    assert_eq!((plan.writes.len(), plan.cpusets.len()), (0, 0));
    assert!(
        plan.answer.reasons[0].contains("no CPU is left"),
        "{:?}",
        plan.answer.reasons
    );
}

#[test]
fn a_round_survives_the_journal_and_is_decided_again() {
    let state = state(vec![
        container("a", 1, 3),
        container("b", 2, 2),
        container("c", 3, 1),
    ]);
    let event = Event::Add(vec!["a".into()]);
    let decision = decide(&state, &event, &mut HostModels::default(), &|| {
        Duration::ZERO
    });
    let round = Round {
        state,
        event,
        decision,
        elapsed_s: 0.25,
    };
    let read = Round::decode(&round.encode().unwrap()).unwrap();
    assert_eq!(read, round);
    assert!(decide_again(&read, &mut HostModels::default()).is_same(&round.decision));
    let mut bytes = round.encode().unwrap();
    bytes[0] = 99;
    assert!(
        Round::decode(&bytes)
            .unwrap_err()
            .to_string()
            .contains("schema version 99")
    );
}

/// Schema 4 had prices in place of warm starts, [`None`] where there were none.
#[test]
fn a_round_of_schema_4_is_read() {
    let state = state(vec![container("a", 1, 3), container("b", 2, 2)]);
    let event = Event::Rebalance;
    let round = Round {
        decision: decide(&state, &event, &mut HostModels::default(), &|| {
            Duration::ZERO
        }),
        state,
        event,
        elapsed_s: 0.25,
    };
    let prices = Some(Prices::default());
    let plain = codec::encode_value(&(&round, &prices, &prices)).unwrap();
    let mut encoder = DeflateEncoder::new(4u32.to_le_bytes().to_vec(), Compression::fast());
    encoder.write_all(&plain).unwrap();
    let read = Round::decode(&encoder.finish().unwrap()).unwrap();
    assert_eq!(read.state.warm.prices, prices);
    assert_eq!(read.decision.warm, None);
    assert_eq!(read.decision.plan, round.decision.plan);
    assert!(decide_again(&read, &mut HostModels::default()).is_same(&round.decision));
    assert!(round.decision.is_same(&round.decision));
}

#[test]
fn the_order_of_containers_does_not_matter() {
    let members = [
        container("a", 1, 3),
        container("b", 2, 2),
        container("c", 3, 2),
    ];
    let plan = decided(&state(members.to_vec())).plan;
    let mut reversed = members.to_vec();
    reversed.reverse();
    assert_eq!(decided(&state(reversed)).plan.cpusets, plan.cpusets);
}

/// A round that the clock cut after `most` looks, from its record: the same, and decided again
/// alone the same.
fn recorded_and_decided_again(state: State, decision: Decision, most: u32) {
    let round = Round {
        state,
        event: Event::Rebalance,
        decision,
        elapsed_s: 0.0,
    };
    let read = Round::decode(&round.encode().unwrap()).unwrap();
    assert_eq!(read, round);
    assert!(
        decide_again(&read, &mut HostModels::default()).is_same(&round.decision),
        "{most} looks"
    );
}

/// Eight L3s of eight threads: rounds that the clock cuts anywhere leave prices, the next
/// begins with them, and each is decided again alone, from its record.
#[test]
fn prices_go_from_round_to_round_and_into_the_record() {
    let all = "0-63";
    let busy = |index: u32| {
        let cpus = [3, 7, 4, 2, 6, 9, 5][index as usize % 7];
        let mut m = container(&format!("c{index:02}"), u64::from(index) + 1, cpus);
        holds(&mut m, all);
        m.container.parent_effective = set(all);
        m.prediction.p95 = f64::from(cpus) * f64::from(3 + index % 6) / 8.0;
        m
    };
    let mut members: Vec<Managed> = (0..10).map(busy).collect();
    let (mut warm, mut begun, mut bounds) = (WarmStart::default(), 0, (0, 0));
    for round in 0..16u32 {
        if round % 3 == 1 {
            members.remove(round as usize % members.len());
            members.push(busy(10 + round));
        }
        let mut now = state(members.clone());
        now.topology = make_topology(2, 4, 4, 2);
        now.settings.solve.work_limit = None;
        now.settings.solve.budget = Some(Duration::from_millis(50));
        now.warm = warm;
        // Some looks at the clock, and the time is over.
        let most = [40, 4000, 9, 250, 900][round as usize % 5];
        let decide_within = |now: &State| {
            let asked = std::cell::Cell::new(0);
            decide(now, &Event::Rebalance, &mut HostModels::default(), &|| {
                asked.set(asked.get() + 1);
                Duration::from_secs(u64::from(asked.get() > most))
            })
        };
        let decision = decide_within(&now);
        let cold = State {
            warm: WarmStart::default(),
            ..now.clone()
        };
        begun += u32::from(now.warm.prices.as_ref().is_some_and(|p| !p.is_empty()));
        bounds.0 += decision.plan.answer.lower_bound;
        bounds.1 += decide_within(&cold).plan.answer.lower_bound;
        for m in &mut members {
            m.assigned = decision.plan.answer.placement.get(&m.container.id).cloned();
        }
        warm = decision.warm.clone().unwrap();
        recorded_and_decided_again(now, decision, most);
    }
    assert!(begun > 10, "{begun} rounds began with prices");
    assert!(bounds.0 > bounds.1, "{bounds:?}");
}

/// Six cores of four threads a node, `c*` apart from `d*` by core: a MIP in every round, cut
/// by the clock anywhere. Its basis goes from round to round, and each is decided again alone,
/// from its record.
#[test]
fn bases_go_from_round_to_round_and_into_the_record() {
    let all = "0-47";
    let busy = |index: u32| {
        let cpus = [3, 7, 4, 2, 6, 1, 5][index as usize % 7];
        let name = ["c", "d"][index as usize % 2];
        let mut m = container(&format!("{name}{index:02}"), u64::from(index) + 1, cpus);
        holds(&mut m, all);
        m.container.parent_effective = set(all);
        m.prediction.p95 = f64::from(cpus) * f64::from(3 + index % 6) / 8.0;
        m
    };
    let mut members: Vec<Managed> = (0..9).map(busy).collect();
    let (mut warm, mut begun, mut left) = (WarmStart::default(), 0, 0);
    for round in 0..15u32 {
        match round % 3 {
            1 => drop(members.remove(round as usize % members.len())),
            2 => members.push(busy(10 + round)),
            _ => members[1].prediction.p95 *= 0.9,
        }
        let mut now = state(members.clone());
        now.topology = make_topology(2, 1, 6, 4);
        now.settings.constraints = vec![Constraint {
            kind: RuleKind::AntiAffinity,
            containers: "c*".into(),
            others: Some("d*".into()),
            level: Some(RuleLevel::Core),
            cores: None,
            node: None,
            priority: 0,
        }];
        now.settings.solve.work_limit = None;
        now.settings.solve.budget = Some(Duration::from_millis(200));
        now.warm = warm;
        let most = [u32::MAX, 3, u32::MAX, 40, 4000][round as usize % 5];
        let asked = std::cell::Cell::new(0);
        let decision = decide(&now, &Event::Rebalance, &mut HostModels::default(), &|| {
            asked.set(asked.get() + 1);
            Duration::from_secs(u64::from(asked.get() > most))
        });
        begun += u32::from(!now.warm.basis.is_empty());
        warm = decision.warm.clone().unwrap();
        left += u32::from(warm.basis != now.warm.basis);
        for m in &mut members {
            m.assigned = decision.plan.answer.placement.get(&m.container.id).cloned();
        }
        recorded_and_decided_again(now, decision, most);
    }
    assert!(
        begun > 10 && left > 8,
        "{begun} began with a basis, {left} left another"
    );
}

/// A life of 40 rounds: CPUs go offline and come back, containers come and go, predictions
/// and weights change. With the models of earlier rounds' hosts every record is, to the
/// byte, the one that is made without, also when the rounds come in another order; and as
/// many models are made as there are different hosts.
#[test]
fn models_of_earlier_hosts_change_no_byte() {
    let busy = |index: u32| {
        let cpus = [3, 1, 4, 2, 2][index as usize % 5];
        let mut m = container(&format!("c{index:02}"), u64::from(index) + 1, cpus);
        holds(&mut m, "0-15");
        m.container.parent_effective = set("0-15");
        m
    };
    let mut members: Vec<Managed> = (0..5).map(busy).collect();
    let mut hosts = HostModels::default();
    let (mut different, mut life) = (Vec::new(), Vec::new());
    for round in 0..40u32 {
        match round % 4 {
            0 if members.len() > 3 => drop(members.remove(round as usize % members.len())),
            1 => members.push(busy(5 + round)),
            _ => {
                let at = round as usize % members.len();
                members[at].prediction.p95 *= 0.5 + f64::from(round % 3) / 2.0;
            }
        }
        let mut now = state(members.clone());
        now.topology = make_topology(2, 1, 4, 2);
        let gone: &[usize] = [&[][..], &[5], &[5, 13]][round as usize / 5 % 3];
        for &cpu in gone {
            now.topology.cpus[cpu].online = false;
        }
        if round / 10 % 2 == 1 {
            now.settings.weights.smt_foreign = 400;
        }
        let host = (now.topology.clone(), now.settings.weights);
        if !different.contains(&host) {
            different.push(host);
        }
        let record = recorded(&now, &mut HostModels::default());
        assert_eq!(record, recorded(&now, &mut hosts), "round {round}");
        let placement = Round::decode(&record)
            .unwrap()
            .decision
            .plan
            .answer
            .placement;
        for m in &mut members {
            m.assigned = placement.get(&m.container.id).cloned();
        }
        life.push((now, record));
    }
    for (now, record) in life.iter().rev() {
        assert_eq!(*record, recorded(now, &mut hosts));
    }
    assert_eq!(different.len(), 6);
    assert_eq!(hosts.builds(), 6, "80 rounds on 6 hosts");
}

/// The round's record.
fn recorded(state: &State, hosts: &mut HostModels) -> Vec<u8> {
    let event = Event::Rebalance;
    let round = Round {
        decision: decide(state, &event, hosts, &|| Duration::ZERO),
        state: state.clone(),
        event,
        elapsed_s: 0.0,
    };
    round.encode().unwrap()
}
