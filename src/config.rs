//! Settings: `config.toml` as typed, then as checked values.
//!
//! Every key has a default, so no file is a good file. An unknown key is an
//! error: a misspelt guardrail must not be silently off.

use std::time::Duration;

use serde::Deserialize;

use crate::cpuset::CpuSet;
use crate::placement::{
    Constraint, DEFAULT_BAND_MCPU, Kind, LARGEST_WEIGHT, Lending, LendingPolicy, SolveSettings,
    System, Weights,
};
use crate::units::parse_duration;

/// Where the settings live unless `--config` says otherwise.
pub const DEFAULT_PATH: &str = "/etc/cpufence/config.toml";

/// Checked settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Budget, gaps and guardrails.
    pub solve: SolveSettings,
    /// CPUs of the host's own work.
    pub system: System,
    /// Cost weights.
    pub weights: Weights,
    /// Which containers are managed; empty: the known layouts.
    pub containers: Vec<ContainerEntry>,
    /// What a placement must keep.
    pub constraints: Vec<Constraint>,
    /// What burst and pooled containers are lent.
    pub lending: Lending,
    /// How the predictor is calibrated.
    pub predict: PredictSettings,
}

/// How the predictor is calibrated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PredictSettings {
    /// Share of ten-minute stretches whose P95 is to stay at or below the prediction.
    pub coverage: f64,
    /// Change of a container's offset per miss, in distances of the trees' P95 from their median; none: the model's.
    pub step: Option<f64>,
}

impl Default for PredictSettings {
    fn default() -> Self {
        Self {
            coverage: 0.95,
            step: None,
        }
    }
}

/// One `[[containers]]` entry; the first match wins.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerEntry {
    /// Glob on the path below the mount.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Overrides the kind.
    pub kind: Option<Kind>,
    /// Overrides the request, threads.
    pub cpus: Option<u32>,
    /// Larger keeps its exclusivity longer on an over-full host.
    #[serde(default)]
    pub priority: i32,
    /// True: never fenced; false: fenced even if its threads pinned
    /// themselves. Absent: left alone if they did.
    pub fixed: Option<bool>,
}

/// A settings file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {reason}", line.map(|l| format!(":{l}")).unwrap_or_default())]
pub struct ConfigError {
    /// The file.
    pub file: String,
    /// Line, where known.
    pub line: Option<usize>,
    /// Key, value, what was expected.
    pub reason: String,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct RawConfig {
    solve: RawSolve,
    host: RawHost,
    weights: Weights,
    containers: Vec<ContainerEntry>,
    constraints: Vec<Constraint>,
    lending: RawLending,
    predict: RawPredict,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct RawPredict {
    coverage: Option<f64>,
    step: Option<f64>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct RawSolve {
    budget: Option<String>,
    gap_stop: Option<f64>,
    gap_refuse: Option<OffOr<f64>>,
    least_gain: Option<f64>,
    max_moves: Option<OffOr<u32>>,
    seed: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct RawHost {
    system_cpus: String,
    system_usage: Option<OffOr<f64>>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLending {
    policy: LendingPolicy,
    threshold: Option<f64>,
    release: Option<f64>,
    reserve: Option<u32>,
}

impl RawLending {
    /// The settings in milli-CPU.
    pub(crate) fn checked(self) -> Result<Lending, String> {
        let ratios = [("threshold", self.threshold), ("release", self.release)];
        for (key, value) in ratios {
            let Some(value) = value else { continue };
            if self.policy != LendingPolicy::Oversubscribe {
                return Err(format!(
                    "lending.{key} = {value}: policy is \"{}\", which has none; set lending.policy = \
                     \"oversubscribe\", or remove lending.{key}",
                    self.policy.name()
                ));
            }
            if !(0.0..=1.0).contains(&value) {
                return Err(format!(
                    "lending.{key} = {value}: expected 0 to 1, the share of each of its threads that a \
                     static container is predicted to use; correct it"
                ));
            }
        }
        let defaults = Lending::default();
        let threshold_mcpu = self.threshold.map_or(defaults.threshold_mcpu, share_mcpu);
        let next = (threshold_mcpu + DEFAULT_BAND_MCPU).min(1000);
        let lending = Lending {
            policy: self.policy,
            threshold_mcpu,
            release_mcpu: self.release.map_or(next, share_mcpu),
            reserve: self.reserve.unwrap_or(defaults.reserve),
            before: CpuSet::new(),
        };
        match lending.fault() {
            Some((key, value, expected, next)) => Err(format!(
                "lending.{key} = {value}: expected {expected}; {next}"
            )),
            None => Ok(lending),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OffOr<T> {
    Value(T),
    Word(String),
}

impl<T> OffOr<T> {
    fn checked(self, key: &str) -> Result<Option<T>, String> {
        match self {
            Self::Value(value) => Ok(Some(value)),
            Self::Word(word) if word == "off" => Ok(None),
            Self::Word(word) => Err(format!(
                "{key} = \"{}\": expected \"off\" or a number",
                word.escape_debug()
            )),
        }
    }
}

/// Reads and checks the text of a settings file; `file` is named in errors.
///
/// # Errors
/// Names line or key, value and what was expected.
pub fn parse_config(text: &str, file: &str) -> Result<Config, ConfigError> {
    let fail = |line, reason| ConfigError {
        file: file.to_string(),
        line,
        reason,
    };
    let raw: RawConfig = toml::from_str(text).map_err(|e| {
        let line = e
            .span()
            .map(|span| 1 + text[..span.start].matches('\n').count());
        fail(line, e.message().replace('\n', ", "))
    })?;
    check(raw).map_err(|reason| fail(None, reason))
}

fn check(raw: RawConfig) -> Result<Config, String> {
    for (rule, number) in raw.constraints.iter().zip(1..) {
        if let Some((key, value, expected)) = rule.fault() {
            return Err(format!(
                "constraints (entry {number}): {key} is {}; expected {expected}",
                value.escape_debug()
            ));
        }
    }
    let defaults = SolveSettings::default();
    let solve = SolveSettings {
        budget: match raw.solve.budget {
            Some(text) => Some(parse_budget(&text).map_err(|e| format!("solve.budget: {e}"))?),
            None => defaults.budget,
        },
        work_limit: None,
        gap_stop: ratio(
            "solve.gap_stop",
            raw.solve.gap_stop.unwrap_or(defaults.gap_stop),
        )?,
        gap_refuse: match raw
            .solve
            .gap_refuse
            .map(|v| v.checked("solve.gap_refuse"))
            .transpose()?
            .flatten()
        {
            Some(value) => Some(ratio("solve.gap_refuse", value)?),
            None => None,
        },
        least_gain: ratio(
            "solve.least_gain",
            raw.solve.least_gain.unwrap_or(defaults.least_gain),
        )?,
        max_moves: raw
            .solve
            .max_moves
            .map(|v| v.checked("solve.max_moves"))
            .transpose()?
            .flatten(),
        seed: raw.solve.seed.unwrap_or(defaults.seed),
    };
    let system_cpus =
        CpuSet::parse_list(&raw.host.system_cpus).map_err(|e| format!("host.system_cpus: {e}"))?;
    let usage = raw
        .host
        .system_usage
        .map(|v| v.checked("host.system_usage"))
        .transpose()?
        .flatten();
    let usage_mcpu = usage.map(milli).transpose()?;
    check_weights(&raw.weights)?;
    for (entry, number) in raw.containers.iter().zip(1..) {
        if entry.cpus == Some(0) {
            return Err(format!(
                "containers (entry {number}, match \"{}\"): cpus = 0, expected an integer >= 1",
                entry.pattern.escape_debug()
            ));
        }
    }
    Ok(Config {
        solve,
        system: System {
            cpus: system_cpus,
            usage_mcpu,
        },
        weights: raw.weights,
        containers: raw.containers,
        constraints: raw.constraints,
        lending: raw.lending.checked()?,
        predict: check_predict(&raw.predict)?,
    })
}

fn check_predict(raw: &RawPredict) -> Result<PredictSettings, String> {
    let checked = |key: &str, value: Option<f64>, least: f64, most: f64| match value {
        Some(value) if !(least..=most).contains(&value) => Err(format!(
            "predict.{key} = {value}: expected a number from {least} to {most}"
        )),
        given => Ok(given),
    };
    let coverage = checked("coverage", raw.coverage, 0.5, 0.995)?;
    Ok(PredictSettings {
        coverage: coverage.unwrap_or(PredictSettings::default().coverage),
        step: checked("step", raw.step, 0.0, 0.5)?,
    })
}

/// A budget: a duration of at least 1 ms.
///
/// # Errors
/// Names the value and what was expected.
pub fn parse_budget(text: &str) -> Result<Duration, String> {
    let budget = parse_duration(text)?;
    if budget < Duration::from_millis(1) {
        return Err(format!("'{text}' is too short: expected at least 1ms"));
    }
    Ok(budget)
}

fn ratio(key: &str, value: f64) -> Result<f64, String> {
    if value.is_finite() && value >= 0.0 {
        Ok(value)
    } else {
        Err(format!("{key} = {value}: expected a number >= 0"))
    }
}

fn milli(usage: f64) -> Result<u32, String> {
    if !(0.0..=1.0).contains(&usage) {
        return Err(format!(
            "host.system_usage = {usage}: expected \"off\" or 0 to 1, the CPUs that the host's own work \
             keeps busy of each system CPU"
        ));
    }
    Ok(share_mcpu(usage))
}

/// A share from 0 to 1 in milli-CPU.
fn share_mcpu(share: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be from 0 to 1"
    )]
    let milli = (share * 1000.0).round() as u32;
    milli
}

fn check_weights(weights: &Weights) -> Result<(), String> {
    match weights.first_wrong() {
        Some((key, value)) => Err(format!(
            "weights.{key} = {value}: expected an integer from 0 to {LARGEST_WEIGHT}"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::{LevelWeights, MoveWeights};

    fn reason(text: &str) -> String {
        parse_config(text, "c.toml").unwrap_err().to_string()
    }

    #[test]
    fn no_text_is_the_defaults() {
        assert_eq!(parse_config("", "c").unwrap(), Config::default());
    }

    #[test]
    fn the_documented_keys_are_read() {
        let text = r#"
            [solve]
            budget = "10ms"
            gap_stop = 0.01
            gap_refuse = 0.5
            least_gain = 0.02
            max_moves = 7
            seed = 3
            [host]
            system_cpus = "0,32"
            [weights]
            smt_busy = 1
            spread = { l3 = 2, numa = 3 }
            move = { thread = 4, l3 = 5, numa = 6 }
            [[containers]]
            match = "batch/*"
            kind = "burst"
            cpus = 4
            [[containers]]
            match = "x/**"
        "#;
        let config = parse_config(text, "c").unwrap();
        assert_eq!(config.solve.budget, Some(Duration::from_millis(10)));
        assert_eq!(config.solve.gap_refuse, Some(0.5));
        assert_eq!(config.solve.max_moves, Some(7));
        assert_eq!(config.system.cpus.to_string(), "0,32");
        assert_eq!(config.weights.smt_busy, 1);
        assert_eq!(
            config.weights.smt_foreign, 100,
            "what is not named keeps its default"
        );
        assert_eq!(config.weights.spread, LevelWeights { l3: 2, numa: 3 });
        assert_eq!(
            config.weights.movement,
            MoveWeights {
                thread: 4,
                l3: 5,
                numa: 6
            }
        );
        assert_eq!(config.containers[0].kind, Some(Kind::Burst));
        assert_eq!(config.containers[1].cpus, None);
    }

    #[test]
    fn lending_has_defaults_that_follow_the_threshold() {
        let read = |text: &str| {
            let text = format!("[lending]\npolicy = \"oversubscribe\"\n{text}");
            let lending = parse_config(&text, "c").unwrap().lending;
            (
                lending.threshold_mcpu,
                lending.release_mcpu,
                lending.reserve,
            )
        };
        assert_eq!(read(""), (200, 400, 1));
        assert_eq!(read("threshold = 0.5"), (500, 700, 1));
        assert_eq!(read("threshold = 0.9"), (900, 1000, 1));
        assert_eq!(
            read("threshold = 0\nrelease = 0.05\nreserve = 3"),
            (0, 50, 3)
        );
        let config = parse_config("[lending]\npolicy = \"empty\"", "c").unwrap();
        assert_eq!(config.lending.policy, LendingPolicy::Empty);
    }

    #[test]
    fn off_is_a_value() {
        let config =
            parse_config("[solve]\ngap_refuse = \"off\"\nmax_moves = \"off\"", "c").unwrap();
        assert_eq!(
            (config.solve.gap_refuse, config.solve.max_moves),
            (None, None)
        );
    }

    #[test]
    fn bad_settings_are_named() {
        assert!(reason("[solve]\nbudgte = \"1s\"").starts_with("c.toml:2: unknown field `budgte`"));
        assert!(
            reason("[solve]\nbudget = \"soon\"").contains("solve.budget: 'soon' is not a duration")
        );
        assert!(reason("[solve]\nbudget = \"0ms\"").contains("expected at least 1ms"));
        assert!(
            reason("[solve]\ngap_stop = -1")
                .contains("solve.gap_stop = -1: expected a number >= 0")
        );
        assert!(reason("[solve]\ngap_refuse = \"on\"").contains("expected \"off\" or a number"));
        assert!(
            reason("[host]\nsystem_cpus = \"3-1\"")
                .contains("host.system_cpus: '3-1' is not a CPU list")
        );
        assert!(
            reason("[host]\nsystem_usage = 1.5")
                .contains("host.system_usage = 1.5: expected \"off\"")
        );
        assert!(reason("[weights]\nsmt_busy = -5").contains("weights.smt_busy = -5: expected"));
        assert!(
            reason("[[containers]]\nmatch = \"a\"\ncpus = 0")
                .contains("cpus = 0, expected an integer >= 1")
        );
        assert!(reason("[[containers]]\nmatch = \"a\"\nkind = \"fast\"").starts_with("c.toml:3: "));
        assert!(reason("[[containers]]\nkind = \"burst\"").contains("match"));
        assert!(reason("[[constraints]]\na = 1").starts_with("c.toml:2: unknown field `a`"));
        let lending = |text: &str| reason(&format!("[lending]\n{text}"));
        assert!(lending("policy = \"all\"").starts_with("c.toml:2: unknown variant `all`"));
        assert!(lending("reserv = 2").starts_with("c.toml:2: unknown field `reserv`"));
        let text = lending("threshold = 0.3");
        assert!(
            text.contains("lending.threshold = 0.3: policy is \"empty-cores\""),
            "{text}"
        );
        assert!(text.contains("or remove lending.threshold"), "{text}");
        let over = |text: &str| lending(&format!("policy = \"oversubscribe\"\n{text}"));
        let text = over("threshold = 1.5");
        assert!(
            text.contains("lending.threshold = 1.5: expected 0 to 1"),
            "{text}"
        );
        assert!(over("threshold = nan").contains("lending.threshold = NaN: expected 0 to 1"));
        assert!(
            over("threshold = 1").contains("lending.threshold = 1: expected 0 or more and below 1")
        );
        let text = over("threshold = 0.5\nrelease = 0.4");
        assert!(
            text.contains("lending.release = 0.4: expected above threshold (0.5)"),
            "{text}"
        );
        assert!(text.contains("raise it or lower threshold"), "{text}");
        assert!(over("threshold = 0.4\nrelease = 0.4").contains("expected above threshold (0.4)"));
        assert!(lending("reserve = 0").contains("lending.reserve = 0: expected 1 or more"));
        let rule = "[[constraints]]\nkind = \"numa_pin\"\ncontainers = \"web/*\"\n";
        assert!(reason(rule).contains("entry 1): node is absent; expected a node's number"));
        assert!(reason("[solve\n").starts_with("c.toml:1: "));
    }
}
