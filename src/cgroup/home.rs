//! The NUMA node that holds most of a container's memory.
//!
//! `memory.numa_stat` of v1 (`cgroup-v1/memory.rst`) counts pages a node, own
//! and with descendants (`hierarchical_total`); v2 (`cgroup-v2.rst`) counts
//! bytes by type, descendants included. A node is home if it holds more than
//! half; otherwise there is none, and no move is charged for it.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Hierarchy, Host};
use crate::cpuset::CpuSet;

/// Whether the host has more than one memory node, so that a home matters.
/// Unknown counts as yes.
pub(super) fn has_several_nodes(host: &dyn Host) -> bool {
    let online = host.text(Path::new("/sys/devices/system/node/online"));
    online
        .and_then(|text| CpuSet::parse_list(&text).ok())
        .is_none_or(|nodes| nodes.len() != 1)
}

/// The home node of the container at `path` below the cpuset mount.
pub(super) fn read_home(host: &dyn Host, hierarchy: &Hierarchy, path: &[u8]) -> Option<u32> {
    let dir = hierarchy
        .memory
        .as_ref()?
        .same_place(&hierarchy.cpuset, path)?;
    parse_home(&host.text(&dir.join("memory.numa_stat"))?)
}

fn parse_home(text: &str) -> Option<u32> {
    // v1: key=total N0=.. ; v2: key N0=.. . The sum over the first of these
    // groups of lines that exists: shmem and mapped files are parts of `file`.
    [&["hierarchical_total"][..], &["total"], &["anon", "file"]]
        .into_iter()
        .map(|keys| by_node(text, keys))
        .find(|nodes| !nodes.is_empty())
        .and_then(majority)
}

fn by_node(text: &str, keys: &[&str]) -> BTreeMap<u32, u128> {
    let mut nodes = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let key = words.next().unwrap_or_default();
        if !keys.contains(&key.split('=').next().unwrap_or_default()) {
            continue;
        }
        for (node, amount) in words.filter_map(parse_node) {
            *nodes.entry(node).or_default() += u128::from(amount);
        }
    }
    nodes
}

fn parse_node(word: &str) -> Option<(u32, u64)> {
    let (node, amount) = word.strip_prefix('N')?.split_once('=')?;
    Some((node.parse().ok()?, amount.parse().ok()?))
}

fn majority(nodes: BTreeMap<u32, u128>) -> Option<u32> {
    let all: u128 = nodes.values().sum();
    nodes
        .into_iter()
        .find(|&(_, amount)| 2 * amount > all)
        .map(|(node, _)| node)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn v1_counts_pages() {
        let text = "total=10 N0=9 N1=1\nfile=4 N0=4 N1=0\nanon=6 N0=5 N1=1\nunevictable=0 N0=0 N1=0\n\
                    hierarchical_total=30 N0=9 N1=21\nhierarchical_file=4 N0=4 N1=0\n";
        // 21 of 30 pages of the whole subtree are on node 1.
        assert_eq!(parse_home(text), Some(1));
        assert_eq!(parse_home("total=10 N0=9 N1=1\n"), Some(0));
    }

    #[test]
    fn v2_sums_anonymous_and_file_memory() {
        // Node 0: 4096 + 0, node 1: 0 + 8192.
        let text = "anon N0=4096 N1=0\nfile N0=0 N1=8192\nshmem N0=99999 N1=0\nkernel_stack N0=99999 N1=0\n";
        assert_eq!(parse_home(text), Some(1));
    }

    #[test]
    fn half_is_no_majority() {
        assert_eq!(parse_home("total=10 N0=5 N1=5\n"), None);
        assert_eq!(parse_home("total=0 N0=0 N1=0\n"), None);
        assert_eq!(
            parse_home("anon N0=4 N1=3 N2=3\nfile N0=0 N1=0 N2=0\n"),
            None
        );
        assert_eq!(parse_home(""), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(total=|anon |file | N[0-9]{1,11}=[0-9]{1,22}|\\PC{0,10}|\n){0,12}") {
            let _ = parse_home(&text);
        }
    }
}
