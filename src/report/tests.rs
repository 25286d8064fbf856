use proptest::prelude::*;

use super::*;
use crate::cpuset::{CpuId, CpuSet};
use crate::placement::Placement;
use crate::topology::{Level, Topology, make_topology};

fn set(list: &str) -> CpuSet {
    CpuSet::parse_list(list).unwrap()
}

fn sets(pairs: &[(&str, &str)]) -> Placement {
    let pair = |(id, list): &(&str, &str)| ((*id).to_string(), set(list));
    pairs.iter().map(pair).collect()
}

#[test]
fn a_small_host() {
    let host = make_topology(2, 1, 2, 2);
    let base = sets(&[("docker/web", "0,4"), ("docker/db", "1,2"), ("over", "2")]);
    let lent = sets(&[("batch", "3,6,7"), ("b2", "7")]);
    let want = "\
node 0 (socket 0)
  L3 0
  +-----+-----+
  | 0 D | 1 C |
  | 4 D | 5 . |
  +-----+-----+
node 1 (socket 1)
  L3 1
  +-----+-----+
  | 2 * | 3 b |
  | 6 b | 7 + |
  +-----+-----+

A  b2            0  - lent 7
B  batch         0  - lent 3,6-7
C  docker/db     2  1-2
D  docker/web    2  0,4
E  over          1  2
. free, a lent to A, + lent to several, * several owners
";
    assert_eq!(format_diagram(&host, &base, &lent, 80), want);
}

#[test]
fn threads_that_are_lent_beside_their_owner() {
    let host = make_topology(1, 1, 2, 2);
    let base = sets(&[("db", "0,2"), ("web", "1")]);
    let lent = sets(&[("web", "0,2-3")]);
    let want = "\
node 0 (socket 0)
  L3 0
  +------+------+
  | 0 A' | 1 B  |
  | 2 A' | 3 b  |
  +------+------+

A  db     2  0,2
B  web    1  1 lent 0,2-3
. free, a lent to A, A' lent besides
";
    assert_eq!(format_diagram(&host, &base, &lent, 80), want);
}

/// Two nodes under one L3 (sub-NUMA clustering), the second node's core slower
/// and without its sibling, a third node's cores without L3.
#[test]
fn what_does_not_nest() {
    let mut host = make_topology(1, 1, 4, 2);
    for (id, l3, numa, perf) in [(1, 0, 1, 750), (2, 5, 2, 1000), (3, 6, 2, 1000)] {
        for cpu in host.cpus.iter_mut().filter(|cpu| cpu.core == Some(id)) {
            (cpu.l3, cpu.numa, cpu.perf) = (Some(l3), Some(numa), perf);
        }
    }
    host.no_l3 = set("2-3,6-7");
    let off = &mut host.cpus[5];
    (off.online, off.core, off.l3, off.numa, off.socket) = (false, None, None, None, None);
    host.cpus[3].isolated = true;
    let want = "\
socket  node  cache  cores  threads    speed  CPUs
     0     0   L3 0      1   2 each  100.0 %  0,4
     0     1   L3 0      1   1 each   75.0 %  1
     0     2   none      2   2 each  100.0 %  2-3,6-7
offline: 5
isolated: 3

node 0 (socket 0)
  L3 0
  +---+
  | 0 |
  | 4 |
  +---+
node 1 (socket 0)
  L3 0, speed 75.0 %
  +---+
  | 1 |
  +---+
node 2 (socket 0)
  no shared cache
  +---+---+
  | 2 | 3 |
  | 6 | 7 |
  +---+---+
";
    assert_eq!(format_topology(&host, 80), want);
}

#[test]
fn a_large_host_has_no_boxes() {
    // 2 L3s of 20 cores: 80 threads, numbered 0-39 and 40-79.
    let host = make_topology(1, 2, 20, 2);
    let base = sets(&[("a", "0-9,40-49"), ("b", "25")]);
    let want = "\
node 0 (socket 0)
  L3 0: 0-19,40-59                L3 1: 20-39,60-79
  |AAAAAAAAAA..........|          |.....B..............|
  |AAAAAAAAAA..........|          |....................|

A  a   20  0-9,40-49
B  b    1  25
. free
";
    let drawn = format_diagram(&host, &base, &Placement::new(), 80);
    // Titles may be as wide as 30 columns, so blocks are padded to their titles.
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeezed(&drawn), squeezed(want));
    assert_eq!(
        format_diagram(&host, &Placement::new(), &Placement::new(), 80),
        ""
    );
}

#[test]
fn hostile_names_are_escaped_and_cut() {
    let host = make_topology(1, 1, 1, 1);
    let long = "x".repeat(255);
    let base = sets(&[("a\x1b[2J\n", "0"), (&long, "0"), ("a\\x0a", "0")]);
    let drawn = format_diagram(&host, &base, &Placement::new(), 60);
    assert!(drawn.contains("a\\x1b[2J\\x0a"), "{drawn}");
    assert!(drawn.contains("a\\x0a "), "{drawn}");
    assert!(drawn.lines().all(|line| line.chars().count() <= 60));
    assert!(!drawn.contains('\x1b'));
}

/// Draws `owners` containers round-robin over the first `used` CPUs.
fn round_robin(host: &Topology, owners: u32, used: u32) -> Placement {
    let mut base = Placement::new();
    for cpu in host.online().iter().filter(|cpu| cpu.0 < used) {
        if let Some(owner) = cpu.0.checked_rem(owners) {
            base.entry(format!("kubepods/pod-{owner:04}"))
                .or_default()
                .insert(cpu);
        }
    }
    base
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Hosts of 1 to 384 threads fit the width, and each thread is drawn once.
    #[test]
    fn fits_and_is_complete(
        (sockets, llcs, cores) in (1u32..5, 1u32..7, 1u32..9),
        smt in prop::sample::select(vec![1u32, 2, 4, 8]),
        owners in 0u32..60,
        width in 72usize..110,
        used in 0u32..500,
    ) {
        let smt = if sockets * llcs * cores * smt > 384 { 1 } else { smt };
        let host = make_topology(sockets, llcs, cores, smt);
        let base = round_robin(&host, owners, used);
        let text = format_diagram(&host, &base, &Placement::new(), width);
        for line in text.lines().chain(format_topology(&host, width).lines()) {
            prop_assert!(line.chars().count() <= width, "{line:?}");
        }
        if text.is_empty() {
            prop_assert!(base.is_empty() && host.online().len() > DETAILED);
            return Ok(());
        }
        // Count what lies between the walls.
        let letters = if base.len() > 26 { 2 } else { 1 };
        let mut drawn = 0;
        for line in text.lines().filter(|line| line.starts_with("  |")) {
            let inside = line.replace('|', " ");
            drawn += match (host.online().len() > DETAILED, base.is_empty()) {
                (false, true) => inside.split_whitespace().count(),
                (false, false) => inside.split_whitespace().count() / 2,
                (true, _) if letters == 1 => inside.replace(' ', "").len(),
                (true, _) => inside.split_whitespace().count(),
            };
        }
        prop_assert_eq!(drawn, host.online().len());
    }

    /// Every owned CPU stands beside its owner's letter.
    #[test]
    fn boxes_name_the_owner(owners in 1u32..20, cores in 1u32..8) {
        let host = make_topology(2, 1, cores, 2);
        let base = round_robin(&host, owners, 1000);
        let text = format_diagram(&host, &base, &Placement::new(), 100);
        for (index, set) in base.values().enumerate() {
            let letter = ('A'..='Z').nth(index).unwrap();
            for CpuId(cpu) in set.iter() {
                prop_assert!(text.contains(&format!(" {cpu} {letter} |")), "{text}");
            }
        }
        prop_assert_eq!(host.groups(Level::Core).len(), 2 * cores as usize);
    }
}
