//! Each link speaks where it should, and replay repeats it.

use cpufence::engine::replay::replay;
use cpufence::predict::Link;
use cpufence::predict::store::install_model;

use super::HOUR_S;
use super::machine::{Machine, falling, model, of};

#[test]
fn trees_speak_on_the_live_path_and_replay_is_the_same() {
    let machine = Machine::new(&["a", "b"]);
    install_model(&machine.state(), &model(1.0, |_| ())).unwrap();
    machine.live(5.0, |_, ago_s| Some(falling(ago_s)));
    let (sight, round) = machine.apply();
    let a = of(&round, "a");
    assert_eq!(a.link, Link::Trees, "{a:?}");
    // Last: 0.4 CPU of 2 are 20 %, the step above is 20 (<= 20) or 25 %.
    let offset_most = 0.64 * 0.5;
    assert!(a.p95 > 0.3 && a.p95 < 0.5 + offset_most, "{a:?}");
    assert!(a.p50.unwrap() < a.p95);
    assert!(
        a.age_s >= 5.0 * HOUR_S - 1.0 && a.interval_s == Some(60.0),
        "{a:?}"
    );
    let confidence = a.confidence.unwrap();
    assert!(
        confidence.coverage > 0.9 && confidence.outcomes > 10.0,
        "{a:?}"
    );
    assert_eq!((sight.model.state, &sight.model.reason), ("used", &None));
    // What is planned says what it stands on.
    let told = round.decision.explanation.join("\n");
    assert!(told.contains("trees 0."), "{told}");
    let journal = machine.state().join("journal");
    let rounds: Vec<_> = replay(&journal).unwrap().map(Result::unwrap).collect();
    assert_eq!(rounds.len(), 1);
    assert!(rounds[0].is_same() && rounds[0].round.state == round.state);
    // The next round goes on from what was stored.
    let (sight, round) = machine.apply();
    assert_eq!(of(&round, "b").link, Link::Trees);
    assert!(sight.model.outcomes > 20.0);
}

#[test]
fn every_link_below_the_trees() {
    let names = ["aged", "quiet", "fresh", "peer1", "peer2", "peer3", "new"];
    let machine = Machine::new(&names);
    for peer in ["fresh", "new"] {
        machine.file(
            &format!("etc/cpufence/context.d/{peer}.toml"),
            &format!("[[context]]\nmatch = \"batch/{peer}\"\napp = \"solver\"\n"),
        );
    }
    machine.file(
        "etc/cpufence/context.d/peers.toml",
        "[[context]]\nmatch = \"batch/peer*\"\napp = \"solver\"\n",
    );
    machine.live(5.0, |container, ago_s| match container.id.as_str() {
        // Above now: yesterday counts; at its peak now: the hour does.
        "batch/aged" => Some(falling(ago_s)),
        "batch/quiet" => Some(if ago_s < 300.0 { 1.0 } else { 0.5 }),
        "batch/fresh" => (ago_s <= 1_200.0).then_some(0.1),
        "batch/new" => None,
        _ => Some(0.3),
    });
    let (sight, round) = machine.apply();
    assert_eq!(sight.model.state, "trial");
    assert_eq!(
        of(&round, "aged").link,
        Link::DayP95,
        "{:?}",
        of(&round, "aged")
    );
    assert_eq!(
        of(&round, "quiet").link,
        Link::HourMax,
        "{:?}",
        of(&round, "quiet")
    );
    assert_eq!(
        of(&round, "fresh").link,
        Link::Blend,
        "{:?}",
        of(&round, "fresh")
    );
    let new = of(&round, "new");
    assert_eq!(new.link, Link::Request);
    // Three peers use 0.3 of 2 CPUs each, to a histogram's bucket of 5 %.
    assert!(new.p95 > 0.29 && new.p95 < 0.33, "{new:?}");
    assert!(
        new.why.contains("the most that 3 like it use here"),
        "{new:?}"
    );
    let told = round.decision.explanation.join("\n");
    assert!(told.contains("no trained model"), "{told}");
    // The trees are blended in between one hour and two.
    install_model(&machine.state(), &model(1.0, |_| ())).unwrap();
    machine.live(1.5, |_, _| Some(0.38));
    let (_, round) = machine.plan();
    let a = of(&round, "aged");
    assert_eq!(a.link, Link::Trees);
    assert!(a.why.contains("50 % of the way from 0.38"), "{a:?}");
}
