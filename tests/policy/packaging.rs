//! What is shipped beside the binary agrees with the code.

use cpufence::placement::{SolveSettings, Weights};

use crate::files::FILES;

fn shipped(path: &str) -> &'static str {
    let file = FILES.iter().find(|file| file.path == path);
    &file.unwrap_or_else(|| panic!("{path} is shipped")).text
}

/// The settings of the example file with its commented-out ones (`#key`, no
/// space; prose is `# text`) switched on.
fn example_settings() -> toml::Table {
    let switched_on = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with([' ', '#']) => rest.to_owned(),
        _ => line.to_owned(),
    };
    let lines: Vec<String> = shipped("packaging/config.toml")
        .lines()
        .map(switched_on)
        .collect();
    lines
        .join("\n")
        .parse()
        .unwrap_or_else(|error| panic!("packaging/config.toml: {error}"))
}

#[test]
fn example_config_shows_the_default_weights() {
    let weights: Weights = example_settings()["weights"].clone().try_into().unwrap();
    assert_eq!(weights, Weights::default());
}

#[test]
fn example_config_shows_the_default_guardrails() {
    let settings = example_settings();
    let solve = &settings["solve"];
    let defaults = SolveSettings::default();
    let budget = defaults.budget.unwrap().as_millis();
    assert_eq!(
        solve["budget"].as_str(),
        Some(format!("{budget}ms").as_str())
    );
    assert_eq!(solve["gap_stop"].as_float(), Some(defaults.gap_stop));
    assert_eq!(solve["gap_refuse"].as_str(), Some("off"));
    assert_eq!(defaults.gap_refuse, None);
    assert_eq!(solve["least_gain"].as_float(), Some(defaults.least_gain));
    assert_eq!(solve["max_moves"].as_str(), Some("off"));
    assert_eq!(defaults.max_moves, None);
    assert_eq!(solve["seed"].as_integer(), Some(0));
    assert_eq!(defaults.seed, 0);
}

#[test]
fn the_two_set_up_commands_are_in_the_readme() {
    for command in ["cargo run --release -- demo", "cargo test --workspace"] {
        assert!(shipped("README.md").contains(command), "{command}");
    }
}

/// 10 s is the sampling interval that predictions stand on.
#[test]
fn timer_runs_every_ten_seconds() {
    let timer = shipped("packaging/cpufence.timer");
    for line in [
        "OnUnitActiveSec=10s",
        "AccuracySec=1s",
        "WantedBy=timers.target",
    ] {
        assert!(timer.lines().any(|l| l == line), "{line}");
    }
    let service = shipped("packaging/cpufence.service");
    assert!(service.contains("\nType=oneshot\n"));
    assert!(service.contains("/cpufence apply\n"));
}
