//! The built-in model on a host without one of its own: on trial until it wins.

use cpufence::predict::Link;

use super::machine::{Machine, falling, of};

const NAMES: [&str; 8] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"];

/// Half a CPU times noise with a long tail, drawn anew each minute.
fn noisy(id: &str, ago_s: f64) -> f64 {
    let place = id.bytes().map(u64::from).sum::<u64>() * 1_000 + ago_s as u64 / 60;
    let mut bits = place.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^= bits >> 32;
    // Four uniform numbers: nearly normal, with deviation 0.58.
    let sum: f64 = (0..4)
        .map(|i| f64::from((bits >> (16 * i)) as u16) / 65_536.0)
        .sum();
    0.5 * (0.7 * (sum - 2.0)).exp()
}

#[test]
fn it_speaks_once_it_wins() {
    let machine = Machine::new(&NAMES);
    // Two hours: 8 x 6 outcomes at most, too few to judge by.
    machine.live(2.0, |_, ago_s| Some(falling(ago_s)));
    let (sight, round) = machine.plan();
    assert_eq!((sight.model.state, sight.model.built_in), ("trial", true));
    let reason = sight.model.reason.unwrap();
    assert!(
        reason.contains("the built-in one is on trial") && reason.contains("of 180 outcomes"),
        "{reason}"
    );
    for name in NAMES {
        let prediction = of(&round, name);
        assert!(prediction.link != Link::Trees, "{prediction:?}");
        assert!(prediction.why.contains("on trial"), "{prediction:?}");
    }
    let told = round.decision.explanation.join("\n");
    assert!(told.contains("on trial"), "{told}");
    // Six hours: 8 x 6 x 4.75 = 228 outcomes. Ten minutes of independent noise pass
    // the maximum of the hour before one time in seven.
    let machine = Machine::new(&NAMES);
    machine.live(6.0, |container, ago_s| Some(noisy(&container.id, ago_s)));
    let (sight, round) = machine.apply();
    assert_eq!(
        (sight.model.state, sight.model.reason),
        ("used", None),
        "{:?}",
        sight.model.losses
    );
    let (trees, hour_max) = sight.model.losses.unwrap();
    assert!(trees < hour_max, "{trees} {hour_max}");
    for name in NAMES {
        assert_eq!(of(&round, name).link, Link::Trees, "{:?}", of(&round, name));
    }
}

#[test]
fn it_stays_on_trial_where_it_loses() {
    let machine = Machine::new(&NAMES);
    // The hour's maximum is right to the last digit.
    machine.live(6.0, |_, _| Some(0.5));
    let (sight, round) = machine.apply();
    assert_eq!((sight.model.state, sight.model.built_in), ("trial", true));
    let reason = sight.model.reason.unwrap();
    assert!(
        reason.contains("loses to the maximum of the last hour"),
        "{reason}"
    );
    for name in NAMES {
        let prediction = of(&round, name);
        assert!(prediction.link != Link::Trees, "{prediction:?}");
    }
}
