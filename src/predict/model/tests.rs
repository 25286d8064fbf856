use super::*;
use crate::predict::lightgbm::{Dictionaries, read};

fn imported() -> Forest {
    let text = include_str!("../../../fixtures/predict/lightgbm/nan.txt");
    read(text, &Dictionaries::new(), None).unwrap()
}

fn metadata() -> Metadata {
    Metadata {
        origin: Origin::LightGbm,
        target: Target::Plain,
        groups: vec![("planetlab".into(), 1000), ("nab".into(), 24)],
        rows: 1024,
        interval_s: Some((60.0, 300.0)),
        seed: 7,
        newest_s: 1.7e9,
        offsets: vec![0.25],
        pace: Pace::default(),
        importance: vec![("x".into(), 0.75), ("y".into(), 0.25)],
        licence: "MIT".into(),
    }
}

fn model() -> Model {
    Model::new(metadata(), vec![imported()]).unwrap()
}

/// The same trees with other numbers: four quantiles, as grown here.
fn grown(trees: usize) -> Forest {
    let (columns, _, _, source) = imported().into_parts();
    let widen = |mut tree: crate::predict::forest::Tree| {
        tree.leaves = tree
            .leaves
            .iter()
            .flat_map(|v| [0.5, 0.9, 0.95, 1.0].map(|f| f * v))
            .collect();
        tree
    };
    let trees = source.into_iter().cycle().take(trees).map(widen).collect();
    let quantiles = vec![0.5, 0.9, 0.95, 0.99];
    round_leaves(Forest::new(columns, quantiles, vec![0.1; 4], trees).unwrap()).unwrap()
}

#[test]
fn what_is_written_is_read() {
    let model = model();
    let bytes = model.encode().unwrap();
    assert!(Model::decode(&bytes).unwrap() == model);
    let own = Model::new(
        Metadata {
            offsets: Vec::new(),
            ..metadata()
        },
        vec![grown(40)],
    )
    .unwrap();
    let bytes = own.encode().unwrap();
    let again = Model::decode(&bytes).unwrap();
    assert!(again == own && again.encode().unwrap() == bytes);
    // Four bytes a leaf value, at most eight a split, and a head.
    let splits = 40 * 14;
    assert!(
        bytes.len() < 4 * 4 * (splits + 40) + 8 * splits + 40 * 60 + 2000,
        "{}",
        bytes.len()
    );
}

#[test]
fn quantiles_are_calibrated_and_sorted() {
    let row = [90.0, 0.0, 1.0, 2.0, 1.0];
    let mut raw = [0.0];
    imported().evaluate(&row, &mut raw);
    let mut out = [0.0];
    model().evaluate(&row, &mut out);
    assert!((out[0] - raw[0] - 0.25).abs() < 1e-12);
    // The offset of the lower one lifts it above the other: sorted.
    let (columns, _, base, trees) = imported().into_parts();
    let median = Forest::new(columns, vec![0.5], base, trees).unwrap();
    let offsets = Metadata {
        offsets: vec![5.0, 1.0],
        ..metadata()
    };
    let both = Model::new(offsets, vec![imported(), median]).unwrap();
    let mut out = [0.0; 2];
    both.evaluate(&row, &mut out);
    assert!((out[0] - raw[0] - 1.0).abs() < 1e-12 && (out[1] - raw[0] - 5.0).abs() < 1e-12);
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let error = Model::new(metadata(), vec![imported(), imported()]).unwrap_err();
    assert_eq!(error.to_string(), "a quantile occurs twice");
    let (mut columns, _, base, trees) = imported().into_parts();
    columns[3].kind = Kind::Categorical {
        levels: vec!["other".into()],
    };
    let other = Forest::new(columns, vec![0.5], base, trees).unwrap();
    let error = Model::new(metadata(), vec![imported(), other]).unwrap_err();
    assert!(
        error.to_string().starts_with("column owner: not the same"),
        "{error}"
    );
    assert!(model().with_offsets(vec![f64::NAN]).is_err());
    assert!(model().with_offsets(vec![1.0, 2.0]).is_err());
}

#[test]
fn other_files_are_refused_by_name() {
    let bytes = model().encode().unwrap();
    let refused = |bytes: &[u8]| crate::error::chain(&Model::decode(bytes).unwrap_err());
    assert!(refused(b"tree\nversion=v4\n").contains("not a file of this kind"));
    assert!(refused(&[]).contains("not a file of this kind"));
    let mut newer = bytes.clone();
    newer[8] = 9;
    assert!(refused(&newer).contains("schema version 9, this release reads 2"));
    for length in [8, 11, 12, 15, 40, bytes.len() - 1] {
        let error = refused(&bytes[..length]);
        assert!(
            error.contains("cut short") || error.contains("nothing follows"),
            "{length}: {error}"
        );
    }
    let twice = [&bytes[..], &bytes[HEADER_LEN..]].concat();
    assert!(refused(&twice).contains("2 frames"));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let bytes = model().encode().unwrap();
    for byte in (0..bytes.len()).step_by(if bytes.len() > 4000 { 7 } else { 1 }) {
        let mut broken = bytes.clone();
        broken[byte] ^= 1 << (byte % 8);
        assert!(Model::decode(&broken).is_err(), "byte {byte}");
    }
}
