//! Properties of CPU sets, with ordered sets of numbers as the model.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{CpuId, CpuSet};

type Model = BTreeSet<u32>;

fn set(model: &Model) -> CpuSet {
    model.iter().copied().map(CpuId).collect()
}

fn model(set: &CpuSet) -> Model {
    set.iter().map(|cpu| cpu.0).collect()
}

/// Sets with runs, gaps and members around the word size.
fn models() -> impl Strategy<Value = Model> {
    prop::collection::vec((0u32..600, 1u32..70), 0..8)
        .prop_map(|runs| runs.into_iter().flat_map(|(at, n)| at..at + n).collect())
}

proptest! {
    #[test]
    fn parse_format_is_identity(m in models()) {
        let c = set(&m);
        prop_assert_eq!(&CpuSet::parse_list(&c.to_string()).unwrap(), &c);
        prop_assert_eq!(model(&c), m);
    }

    #[test]
    fn json_is_the_list(m in models()) {
        let c = set(&m);
        let json = serde_json::to_string(&c).unwrap();
        prop_assert_eq!(&json, &format!("\"{c}\""));
        prop_assert_eq!(serde_json::from_str::<CpuSet>(&json).unwrap(), c);
    }

    #[test]
    fn mask_and_list_agree(m in models()) {
        let words = m.last().map_or(1, |last| last / 32 + 1);
        let word = |w: u32| m.iter().filter(|&&c| c / 32 == w).fold(0u32, |a, c| a | 1 << (c % 32));
        let text: Vec<String> = (0..words).rev().map(|w| format!("{:08x}", word(w))).collect();
        prop_assert_eq!(CpuSet::parse_mask(&text.join(",")).unwrap(), set(&m));
    }

    #[test]
    fn algebra(a in models(), b in models()) {
        let (x, y) = (set(&a), set(&b));
        prop_assert_eq!(model(&x.union(&y)), &a | &b);
        prop_assert_eq!(model(&x.intersection(&y)), &a & &b);
        prop_assert_eq!(model(&x.difference(&y)), &a - &b);
        prop_assert_eq!(x.is_subset(&y), a.is_subset(&b));
        prop_assert_eq!(x.is_disjoint(&y), a.is_disjoint(&b));
        prop_assert_eq!(x == y, a == b);
        // Equal sets have one representation, however they came about.
        prop_assert_eq!(x.union(&y).difference(&y), x.difference(&y));
        prop_assert_eq!(x.len(), a.len());
        prop_assert_eq!(x.is_empty(), a.is_empty());
        prop_assert_eq!(x.first().map(|c| c.0), a.first().copied());
    }

    #[test]
    fn insert_and_remove(m in models(), ids in prop::collection::vec(0u32..700, 0..20)) {
        let (mut c, mut m) = (set(&m), m);
        for (i, id) in ids.into_iter().enumerate() {
            let cpu = CpuId(id);
            prop_assert_eq!(c.contains(cpu), m.contains(&id));
            if i % 2 == 0 {
                prop_assert_eq!(c.insert(cpu), m.insert(id));
            } else {
                prop_assert_eq!(c.remove(cpu), m.remove(&id));
            }
        }
        prop_assert_eq!(c, set(&m));
    }

    #[test]
    fn no_text_panics(text in "\\PC*", list in "[0-9,:/ N\\n\\-]{0,20}") {
        let _ = CpuSet::parse_list(&text);
        let _ = CpuSet::parse_mask(&text);
        let _ = CpuSet::parse_list(&list);
    }
}

#[test]
fn lists_by_hand() {
    let cases = [
        ("", ""),
        ("0-3,8\n", "0-3,8"),
        ("8,0-3", "0-3,8"),
        ("0 1", "0-1"),
        ("0,,1,", "0-1"),
        (" \t\x0b1\x0c\r", "1"),
        ("0-7:1/2", "0,2,4,6"),
        ("0-9:2/4", "0-1,4-5,8-9"),
        ("4-9:0/3", ""),
        ("0-3:4/4", "0-3"),
        ("0-1:1/2147483647", "0"),
        ("007", "7"),
        // A newline right after a number or range, or a NUL, ends the text; after
        // a stride a newline does not.
        ("0-1:1/2\n1", "0-1"),
        ("0\n1", "0"),
        ("0 \n1", "0-1"),
        ("\n0", "0"),
        ("0\0,x", "0"),
        ("65535", "65535"),
    ];
    for (text, list) in cases {
        let read = CpuSet::parse_list(text).map(|c| c.to_string());
        assert_eq!(read.as_deref(), Ok(list), "{text:?}");
    }
}

#[test]
fn lists_refused() {
    let texts = [
        "x",
        "-1",
        "0-",
        "1-0",
        "+1",
        "0x1",
        "0--1",
        "0 - 1",
        "0-1: 1/2",
        "0:1/2",
        "0-1:1",
        "0-1:3/2",
        "0-1:1/0",
        "0-1:1/2/3",
        "0-x",
        "0;1",
        "N",
        "0-N",
        "all",
        "65536",
        "4294967296",
        "0-1:1/2147483648",
        "\u{661}",
        "0\u{a0}1",
    ];
    for text in texts {
        assert!(CpuSet::parse_list(text).is_err(), "{text:?}");
    }
    let message = CpuSet::parse_list("0-x\x1b").unwrap_err().to_string();
    assert_eq!(
        message,
        "'0-x\\u{1b}' is not a CPU list: a CPU number is missing or not decimal (expected e.g. '0-3,8')"
    );
}

#[test]
fn masks_by_hand() {
    for (text, list) in [
        ("0", ""),
        ("f\n\0", "0-3"),
        ("ff,00000001", "0,32-39"),
        ("8000,00000000,00000100", "8,79"),
    ] {
        let read = CpuSet::parse_mask(text).map(|c| c.to_string());
        assert_eq!(read.as_deref(), Ok(list), "{text:?}");
    }
    for text in ["", ",", "1,", "g", "+1", "0x1", "100000000", "1 1"] {
        assert!(CpuSet::parse_mask(text).is_err(), "{text:?}");
    }
}
