//! Models that lose or do not fit are refused, with the reason.

use std::fs;

use cpufence::predict::Link;
use cpufence::predict::forest::{Forest, Tree};
use cpufence::predict::model::{Metadata, Model};
use cpufence::predict::store::{current_model, install_model};

use super::machine::{Machine, column, falling, model, of};

#[test]
fn a_model_that_loses_is_refused_and_comes_back() {
    let names: Vec<String> = (0..8).map(|i| format!("c{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let machine = Machine::new(&names);
    install_model(&machine.state(), &model(40.0, |_| ())).unwrap();
    // Eight containers, six hours of which the first and a last quarter give none:
    // 8 x 6 x 4.75 = 228 outcomes that have faded by a tenth at most.
    machine.live(6.0, |_, ago_s| Some(falling(ago_s)));
    let (sight, round) = machine.apply();
    assert_eq!(sight.model.state, "refused");
    let reason = sight.model.reason.unwrap();
    assert!(
        reason.contains("loses to the maximum of the last hour"),
        "{reason}"
    );
    for name in &names {
        let prediction = of(&round, name);
        assert!(
            prediction.link != Link::Trees && prediction.p95 <= 2.0,
            "{prediction:?}"
        );
        assert!(
            prediction.why.contains("loses to the maximum"),
            "{prediction:?}"
        );
    }
    let told = round.decision.explanation.join("\n");
    assert!(told.contains("loses to the maximum"), "{told}");
    // A better one is judged anew.
    install_model(&machine.state(), &model(1.0, |_| ())).unwrap();
    let (sight, _) = machine.apply();
    assert_eq!((sight.model.state, sight.model.reason), ("used", None));
    // The one before is kept.
    let previous = current_model(&machine.state()).with_file_name("previous.cpm");
    let kept = Model::decode(&fs::read(previous).unwrap()).unwrap();
    assert!(kept.forests() == model(40.0, |_| ()).forests());
}

#[test]
fn models_that_do_not_fit_are_refused_by_name() {
    let machine = Machine::new(&["a"]);
    machine.live(5.0, |_, ago_s| Some(falling(ago_s)));
    let path = current_model(&machine.state());
    let state_of = |bytes: &[u8]| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let (sight, round) = machine.plan();
        let prediction = of(&round, "a").clone();
        assert!(
            prediction.link != Link::Trees && prediction.p95 <= 2.0,
            "{prediction:?}"
        );
        (
            sight.model.state,
            sight.model.reason.unwrap_or_default(),
            prediction.why,
        )
    };
    let whole = |words: &str, bytes: &[u8]| {
        let (state, reason, why) = state_of(bytes);
        assert_eq!(state, "refused");
        assert!(
            reason.contains(words) && why.contains(words),
            "{words}: {reason}; {why}"
        );
    };
    let good = model(1.0, |_| ()).encode().unwrap();
    whole("cut short", &good[..good.len() - 7]);
    whole("not a file of this kind", b"tree\nversion=v4\n");
    let mut newer = good.clone();
    newer[8] = 9;
    whole("schema version 9, this release reads 2", &newer);
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 4;
    whole("checksum", &flipped);
    let old = model(1.0, |m| m.newest_s -= 200.0 * 86_400.0);
    whole(
        "too old: its newest training data is 201 days old",
        &old.encode().unwrap(),
    );
    let one = |quantile, name: &str, most| {
        let columns = vec![column(name, most)];
        let tree = Tree {
            leaves: vec![30.0],
            ..Tree::default()
        };
        let forest = Forest::new(columns, vec![quantile], vec![0.0], vec![tree]).unwrap();
        let metadata = model(1.0, |_| ()).metadata().clone();
        Model::new(
            Metadata {
                offsets: Vec::new(),
                ..metadata
            },
            vec![forest],
        )
        .unwrap()
        .encode()
        .unwrap()
    };
    whole(
        "column moon_phase is not a feature",
        &one(0.95, "moon_phase", 1.0),
    );
    whole(
        "no quantile near the wanted coverage 0.95; it has [0.5]",
        &one(0.5, "last", 200.0),
    );
    // For the container alone.
    let (state, _, why) = state_of(&one(0.95, "hour_max", 5.0));
    assert_eq!(state, "used");
    assert!(
        why.contains("out of the model's range: hour_max is 3"),
        "{why}"
    );
    let (_, _, why) = state_of(
        &model(1.0, |m| m.interval_s = Some((5.0, 15.0)))
            .encode()
            .unwrap(),
    );
    assert!(
        why.contains("samples every 60 s, the model was trained on 5 to 15 s"),
        "{why}"
    );
}
