//! What is shipped beside the binary agrees with the code.

use cpufence::config::{Config, parse_config};

use crate::files::FILES;

fn shipped(path: &str) -> &'static str {
    let file = FILES.iter().find(|file| file.path == path);
    &file.unwrap_or_else(|| panic!("{path} is shipped")).text
}

const EXAMPLE: &str = "packaging/config.toml";

/// The example file with its commented-out settings (`#key`, no space; prose
/// is `# text`) switched on.
fn switched_on() -> String {
    let line_on = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with([' ', '#']) => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    shipped(EXAMPLE).lines().map(line_on).collect()
}

#[test]
fn example_config_is_valid_and_changes_nothing() {
    let parsed = |text: &str| parse_config(text, EXAMPLE).unwrap();
    assert_eq!(parsed(shipped(EXAMPLE)), Config::default());
    assert_eq!(parsed(&switched_on()), Config::default());
}

#[test]
fn example_config_shows_every_key() {
    let settings: toml::Table = switched_on().parse().unwrap();
    let keys = |section: &str| -> Vec<String> {
        settings[section]
            .as_table()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    let solve = [
        "budget",
        "gap_refuse",
        "gap_stop",
        "least_gain",
        "max_moves",
        "seed",
    ];
    assert_eq!(keys("solve"), solve);
    assert_eq!(keys("host"), ["system_cpus", "system_usage"]);
    let weights = [
        "away",
        "balance",
        "move",
        "slow_core",
        "smt_busy",
        "smt_foreign",
        "spread",
    ];
    assert_eq!(keys("weights"), weights);
    assert_eq!(keys("lending"), ["policy", "reserve"]);
    // What the model brings is the default of `step`.
    assert_eq!(keys("predict"), ["coverage"]);
}

/// `# [[containers]]` and what follows it, as the comments show it.
#[test]
fn example_containers_are_valid() {
    let text = shipped(EXAMPLE);
    let start = text.find("# [[containers]]").unwrap();
    let example = |from: usize| {
        let lines = text[from..].lines().take_while(|l| l.starts_with('#'));
        let lines: Vec<&str> = lines.map(|l| l[1..].trim()).collect();
        parse_config(&lines.join("\n"), EXAMPLE).unwrap()
    };
    let config = example(start);
    let patterns: Vec<&str> = config
        .containers
        .iter()
        .map(|c| c.pattern.as_str())
        .collect();
    assert_eq!(patterns, ["batch/*", "docker/*"]);
    let config = example(text.find("# [[constraints]]").unwrap());
    assert_eq!(config.constraints.len(), 1);
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
