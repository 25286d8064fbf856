use super::*;
use crate::cpuset::CpuId;
use crate::placement::testing::{container, topology};
use crate::placement::types::System;

fn host() -> Instance {
    let had = |id: &str, cpus: &[u32]| ContainerSpec {
        previous: Some(cpus.iter().map(|&c| CpuId(c)).collect()),
        ..container(id, u32::try_from(cpus.len()).unwrap(), 1.0)
    };
    Instance {
        weights: Weights::default(),
        // Cores 0 to 7 with CPUs c and c + 8; cores 4 to 7 on node 1.
        topology: topology(2, 1, 4, 2),
        containers: vec![had("a", &[0, 8]), had("b", &[1, 2])],
        constraints: Vec::new(),
        system: System::default(),
        lending: crate::placement::Lending::default(),
    }
}

fn with(changes: &[&str]) -> Result<Instance, ChangeError> {
    let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
    changed(&host(), &changes)
}

#[test]
fn changes_apply_in_order() {
    let changed = with(&[
        "add:cpus=8,p95=3.5",
        "remove:a",
        "add:cpus=1,id=a,kind=burst,home=1,priority=-2",
        "change:b,p95=0.25",
        "add:kind=pooled,p95=0.5,cpus=0",
    ])
    .unwrap();
    let ids: Vec<&str> = changed.containers.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(ids, ["b", "what-if-1", "a", "what-if-2"]);
    let [b, new, a, pooled] = &changed.containers[..] else {
        panic!("four containers");
    };
    assert_eq!((b.cpus, b.predicted_p95), (2, 0.25));
    assert_eq!(
        (new.cpus, new.predicted_p95, new.kind),
        (8, 3.5, Kind::Static)
    );
    // Without p95 the request is taken at its word.
    assert_eq!((a.cpus, a.predicted_p95, a.kind), (1, 1.0, Kind::Burst));
    assert_eq!((a.home, a.priority, &a.previous), (Some(1), -2, &None));
    assert_eq!(pooled.kind, Kind::Pooled);
}

#[test]
fn senseless_changes_are_named() {
    let cases = [
        ("grow:a", "expected add:cpus=8"),
        ("add:p95=1", "expected cpus=N"),
        (
            "add:cpus=eight",
            "cpus is 'eight', expected a number of threads",
        ),
        ("add:cpus=1,cpus=2", "cpus is given twice"),
        ("add:cpus=1,color=red", "unknown key 'color'"),
        ("add:cpus", "'cpus' is not KEY=VALUE"),
        ("add:cpus=1,kind=fast", "expected static, burst or pooled"),
        ("remove:c", "no container has the id 'c'"),
        ("change:a", "expected change:ID,KEY=VALUE"),
        ("add:cpus=1,p95=-1", "predicted_p95 is -1"),
        ("add:cpus=1,id=a", "the id of containers[0] too"),
    ];
    for (text, wanted) in cases {
        let error = with(&[text]).unwrap_err().to_string();
        assert!(error.contains(wanted), "{text}: {error}");
    }
}

#[test]
fn weights_change_by_name() {
    let weights = changed_weights(Weights::default(), "smt_busy=300,spread.numa=900").unwrap();
    assert_eq!((weights.smt_busy, weights.spread.numa), (300, 900));
    assert_eq!(weights.smt_foreign, 100);
    for (text, wanted) in [
        ("smt=1", "unknown weight 'smt'; expected one of smt_busy, "),
        ("smt_busy", "is not NAME=VALUE"),
        ("smt_busy=-1", "smt_busy is '-1'"),
        ("smt_busy=x", "smt_busy is 'x'"),
    ] {
        let error = changed_weights(Weights::default(), text).unwrap_err();
        assert!(error.contains(wanted), "{text}: {error}");
    }
}

#[test]
fn idle_cores_and_the_largest_fit() {
    let instance = host();
    let set = |text: &str| CpuSet::parse_list(text).unwrap();
    // Cores 0, 1, 2 are used; 3 is idle on node 0, 4 to 7 on node 1.
    let placement: Placement = [("a".into(), set("0,8")), ("b".into(), set("1-2"))].into();
    let idle = Idle::new(&instance, &CpuSet::new(), &placement);
    assert_eq!(idle.cores, set("3-7,11-15"));
    assert_eq!(idle.count, 5);
    let room = |threads, node| Some(Room { threads, node });
    assert_eq!(idle.room, room(4, Some(1)));
    // CPU 12 is the system's: core 4 is not known to be idle.
    let idle = Idle::new(&instance, &set("12"), &placement);
    assert_eq!((idle.count, idle.room), (4, room(3, Some(1))));
    let all: Placement = [("a".into(), set("0-7"))].into();
    assert_eq!(Idle::new(&instance, &CpuSet::new(), &all).room, None);
}
