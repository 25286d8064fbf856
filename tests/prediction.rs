//! The chain of predictors on the live path: rounds of `apply` on a host tree in
//! a temporary directory, with models good, bad and broken.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    reason = "test code"
)]

#[allow(dead_code, unreachable_pub, reason = "shared by several tests")]
mod support;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use cpufence::cgroup::{Container, Entry, Host, RealHost};
use cpufence::config::{Config, parse_config};
use cpufence::engine::record::Round;
use cpufence::engine::replay::replay;
use cpufence::engine::shell::{HISTORY, Sight, Site, apply, plan};
use cpufence::history::{self, History, Observation};
use cpufence::placement::SolveSettings;
use cpufence::predict::forecast::{Chain, Forecast};
use cpufence::predict::forest::{Child, Column, Forest, Kind, Missing, Node, Split, Tree};
use cpufence::predict::model::{Metadata, Model, Origin, Target};
use cpufence::predict::online::Pace;
use cpufence::predict::store::{current_model, host_model, install_model};
use cpufence::predict::{Link, Prediction};

const BOOT: &str = "11111111-2222-3333-4444-555555555555";
const HOUR_S: f64 = 3_600.0;

/// Uptime of the rounds of `apply`: five hours after the first sample.
const NOW_S: f64 = 100_000.0;

fn wall_s() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64()
}

/// A v1 host whose effective sets are what was written.
struct V1(RealHost);

impl Host for V1 {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if path.ends_with("cpuset.effective_cpus") {
            return self.0.read(&path.with_file_name("cpuset.cpus"));
        }
        self.0.read(path)
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.0.write(path, bytes)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.0.list(path)
    }
    fn inode(&self, path: &Path) -> io::Result<u64> {
        self.0.inode(path)
    }
}

struct Machine {
    dir: tempfile::TempDir,
    host: V1,
    config: Config,
}

impl Machine {
    /// 16 CPUs, containers `batch/NAME` of two CPUs each.
    fn new(names: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let host = V1(RealHost::new(dir.path()));
        let text = "[[containers]]\nmatch = \"batch/*\"\ncpus = 2\n";
        let machine = Self {
            host,
            config: parse_config(text, "config.toml").unwrap(),
            dir,
        };
        let mut mounts = String::from("20 1 0:20 / / rw - ext4 /dev/vda rw\n");
        for (controller, number) in ["cpuacct", "cpuset"].into_iter().zip(30..) {
            mounts += &format!(
                "{number} 20 0:{number} / /sys/fs/cgroup/{controller} rw - cgroup cgroup rw,{controller}\n"
            );
        }
        machine.file("proc/self/mountinfo", &mounts);
        machine.file("proc/sys/kernel/random/boot_id", BOOT);
        machine.file("proc/sys/kernel/osrelease", "6.12.1\n");
        machine.file("proc/uptime", &format!("{NOW_S} 0\n"));
        machine.file("sys/devices/system/cpu/online", "0-15\n");
        machine.file("sys/devices/system/cpu/present", "0-15\n");
        machine.group("");
        machine.group("batch");
        for name in names {
            machine.group(&format!("batch/{name}"));
        }
        machine
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn group(&self, group: &str) {
        let files = [
            ("cpuset.cpus", "0-15\n"),
            ("cpuset.mems", "0\n"),
            ("cpuset.cpu_exclusive", "0\n"),
            ("cgroup.procs", ""),
            ("tasks", ""),
        ];
        for (file, text) in files {
            self.file(&format!("sys/fs/cgroup/cpuset/{group}/{file}"), text);
        }
        self.file(
            &format!("sys/fs/cgroup/cpuacct/{group}/cpuacct.usage"),
            "0\n",
        );
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn site<'a>(&'a self, state: &'a Path) -> Site<'a> {
        Site {
            host: &self.host,
            state_dir: state,
            config: &self.config,
        }
    }

    fn plan(&self) -> (Sight, Round) {
        plan(&self.site(&self.state()), &settings()).unwrap()
    }

    /// A round; its predictions by container.
    fn apply(&self) -> (Sight, Round) {
        let (sight, round, end) = apply(&self.site(&self.state()), &settings()).unwrap();
        assert_eq!(end, cpufence::engine::shell::End::Done, "{:?}", sight.notes);
        (sight, round)
    }

    /// Hours of rounds a minute apart before now, as the store would have them:
    /// `use_of(container, seconds before now)`, CPUs; none: not there.
    fn live(&self, hours: f64, use_of: impl Fn(&Container, f64) -> Option<f64>) {
        let (sight, _) = self.plan();
        let containers: Vec<&Container> = sight
            .state
            .containers
            .iter()
            .map(|m| &m.container)
            .collect();
        let dir = self.state().join(HISTORY);
        let (mut history, mut forecast) = (History::default(), Forecast::default());
        let trees = host_model(&self.state());
        let chain = Chain {
            trees: trees.as_ref().map_err(String::as_str),
            pace: Pace {
                coverage: 0.95,
                step: 0.02,
            },
        };
        let mut used = vec![0.0; containers.len()];
        let rounds = (hours * 60.0) as u32;
        for i in (0..=rounds).rev() {
            let ago_s = 60.0 * f64::from(i);
            let now = history::Round {
                boot_id: BOOT.into(),
                wall_s: wall_s() - ago_s,
                uptime_s: NOW_S - ago_s,
                cpus_online: 16,
            };
            let mut samples = Vec::new();
            for (container, cpu_s) in containers.iter().zip(&mut used) {
                let Some(cpus) = use_of(container, ago_s) else {
                    continue;
                };
                *cpu_s += 60.0 * cpus;
                let mut sample = Observation::of(container, now.wall_s, now.uptime_s);
                sample.usage_ns = Some((*cpu_s * 1e9) as u64);
                samples.push(sample);
            }
            let _ = history.record(&now, &samples);
            forecast.observe(&history, &now, &samples, &chain);
            let known: Vec<_> = samples
                .iter()
                .map(|s| (s.key.clone(), history.features(&now, s, Some(2.0))))
                .collect();
            let _ = forecast.predict(&now, &known, &chain);
        }
        assert_eq!(history.save(&dir, &history::Limits::default()), []);
        assert_eq!(forecast.save(&dir), None);
        // The counters as the last round read them.
        for (container, cpu_s) in containers.iter().zip(used) {
            let path = format!("sys/fs/cgroup/cpuacct/{}/cpuacct.usage", container.id);
            self.file(&path, &format!("{}\n", (cpu_s * 1e9) as u64));
        }
    }
}

fn settings() -> SolveSettings {
    SolveSettings {
        budget: None,
        work_limit: Some(1),
        ..SolveSettings::default()
    }
}

fn of<'a>(round: &'a Round, name: &str) -> &'a Prediction {
    let id = format!("batch/{name}");
    let found = round.state.containers.iter().find(|m| m.container.id == id);
    &found.unwrap().prediction
}

fn column(name: &str, most: f64) -> Column {
    Column {
        name: name.into(),
        kind: Kind::Numeric { least: 0.0, most },
    }
}

/// Steps of 5 % of the request: what was last seen, rounded up, times `factor`.
/// Two quantiles, the median 2 % below.
fn model(factor: f64, change: impl Fn(&mut Metadata)) -> Model {
    let mut tree = Tree::default();
    for i in 0..30_u16 {
        let next = usize::from(i) + 1;
        tree.nodes.push(Node {
            split: Split::Numeric {
                threshold: 5.0 * f64::from(next as u16),
                missing: Missing::NaN,
                missing_left: true,
            },
            feature: 0,
            left: Child::leaf(usize::from(i)).unwrap(),
            right: if next < 30 {
                Child::node(next)
            } else {
                Child::leaf(next)
            }
            .unwrap(),
        });
    }
    for i in 0..=30 {
        let value = 5.0 * f64::from(i + 1) * factor;
        tree.leaves.extend([value - 2.0, value]);
    }
    let columns = vec![column("last", 200.0), column("hour_max", 200.0)];
    let forest = Forest::new(columns, vec![0.5, 0.95], vec![0.0; 2], vec![tree]).unwrap();
    let mut metadata = Metadata {
        origin: Origin::Grown,
        target: Target::Plain,
        groups: Vec::new(),
        rows: 1_000,
        interval_s: Some((10.0, 300.0)),
        seed: 0,
        newest_s: wall_s() - 86_400.0,
        offsets: Vec::new(),
        importance: Vec::new(),
        licence: "none".into(),
    };
    change(&mut metadata);
    Model::new(metadata, vec![forest]).unwrap()
}

/// Falls from 1.6 CPUs to 0.4 at `ago_s` 0: the last hour's maximum is always late.
fn falling(ago_s: f64) -> f64 {
    0.4 + 1.2 * ago_s / (5.0 * HOUR_S)
}

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
    assert_eq!(sight.model.state, "none");
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
    whole("schema version 9, this release reads 1", &newer);
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

/// An archive of 25 hours: four containers that follow the hour of the day, each in
/// its own measure, sampled every five minutes.
fn archive(dir: &Path) {
    let mut history = History::default();
    let begin_s = 1_767_225_600.0;
    let mut used = [0.0_f64; 4];
    for i in 0..=300_u32 {
        let passed_s = 300.0 * f64::from(i);
        let now = history::Round {
            boot_id: BOOT.into(),
            wall_s: begin_s + passed_s,
            uptime_s: 1_000.0 + passed_s,
            cpus_online: 16,
        };
        let mut samples = Vec::new();
        for (k, cpu_s) in (0_u32..).zip(&mut used) {
            let phase = std::f64::consts::TAU * passed_s / (6.0 * HOUR_S) + f64::from(k);
            // What no model knows: the golden ratio's multiples, spread evenly.
            let noise = (f64::from(i * 4 + k) * 0.618_033_988_749_894_9).fract();
            *cpu_s += 300.0 * (0.9 + 0.6 * phase.sin() + 0.2 * noise);
            samples.push(Observation {
                key: cpufence::cgroup::ContainerKey {
                    boot_id: BOOT.into(),
                    inode: u64::from(k) + 2,
                },
                id: format!("batch/c{k}"),
                context: cpufence::cgroup::Context {
                    app: Some(format!("app{}", k % 3)),
                    ..Default::default()
                },
                request: Some(2.0),
                wall_s: now.wall_s,
                uptime_s: now.uptime_s,
                usage_ns: Some((*cpu_s * 1e9) as u64),
            });
        }
        let _ = history.record(&now, &samples);
    }
    assert_eq!(history.save(dir, &history::Limits::default()), []);
}

#[test]
fn retraining_takes_what_is_not_worse() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    // A fleet: two hosts' directories, one with `history` in between.
    archive(&dir.path().join("fleet/one/history"));
    archive(&dir.path().join("fleet/two"));
    let state = path("state");
    let train = |history: &str, more: &[&str]| {
        let base = ["--state", &state, "train", "--history", history, "--json"];
        let output = support::cpufence(&[&base[..], more].concat());
        let json = support::stdout(&output);
        let report: serde_json::Value = serde_json::from_str(&json)
            .unwrap_or_else(|e| panic!("{e}: {json} {}", support::stderr(&output)));
        (output.status.code(), report)
    };
    let small = [
        "--trees",
        "12",
        "--leaves",
        "4",
        "--rate",
        "0.3",
        "--patience",
        "0",
    ];
    let (code, first) = train(&path("fleet"), &small);
    assert_eq!(code, Some(0), "{first}");
    assert_eq!(first["hosts"], 2);
    assert_eq!(first["old_loss"], serde_json::Value::Null);
    let loss = |report: &serde_json::Value, key: &str| report[key].as_f64().unwrap();
    assert!(
        loss(&first, "new_loss") < 0.8 * loss(&first, "hour_max_loss"),
        "{first}"
    );
    let current = current_model(Path::new(&state));
    let bytes = fs::read(&current).unwrap();
    let model = Model::decode(&bytes).unwrap();
    assert_eq!(model.metadata().interval_s, Some((300.0, 300.0)));
    // The same rows and seed: the same bytes, no worse, taken; the one before is kept.
    let (code, again) = train(&path("fleet"), &[&small[..], &["--threads", "2"]].concat());
    assert_eq!(
        (code, &again["installed"]),
        (Some(0), &true.into()),
        "{again}"
    );
    assert!((loss(&again, "old_loss") - loss(&first, "new_loss")).abs() < 1e-12);
    assert!(fs::read(&current).unwrap() == bytes);
    assert!(fs::read(current.with_file_name("previous.cpm")).unwrap() == bytes);
    // One that has hardly learned is worse: kept, exit 5, nothing touched.
    let (code, worse) = train(
        &path("fleet"),
        &["--trees", "1", "--leaves", "2", "--rate", "0.01"],
    );
    assert_eq!(
        (code, &worse["installed"]),
        (Some(5), &false.into()),
        "{worse}"
    );
    assert!(
        worse["reason"].as_str().unwrap().contains("worse"),
        "{worse}"
    );
    assert!(fs::read(&current).unwrap() == bytes);
    // No archive, or too little: exit 3.
    let base = ["--state", &state, "train", "--history"];
    let output = support::cpufence(&[&base[..], &[&path("state")]].concat());
    assert_eq!(output.status.code(), Some(3));
    assert!(support::stderr(&output).contains("no archive here"));
}

#[test]
fn import_export_and_predict_by_the_binary() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let fixture = |name: &str| {
        format!(
            "{}/fixtures/predict/lightgbm/{name}",
            env!("CARGO_MANIFEST_DIR")
        )
    };
    let run = |args: &[&str]| support::cpufence(args);
    let (model, text) = (path("m.cpm"), path("out.txt"));
    let output = run(&["import", &fixture("nan.txt"), "--out", &model]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        support::stderr(&output)
    );
    // Its columns are no features here: said at once, and a host would refuse it.
    assert!(support::stderr(&output).contains("a host will refuse it: features absent"));
    let output = run(&["export", "--model", &model, "--out", &text]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        support::stderr(&output)
    );
    assert!(
        fs::read_to_string(&text)
            .unwrap()
            .starts_with("tree\nversion=v4\n")
    );
    let names = fs::read_to_string(format!("{text}.dictionary.json")).unwrap();
    assert!(
        names.contains(r#""kind":["static","burst","pooled"]"#),
        "{names}"
    );
    for (args, words) in [
        (
            &["import", &fixture("refused-linear.txt"), "--out", &model][..],
            "tree 0 is linear",
        ),
        (
            &["import", &fixture("nan.json"), "--out", &model],
            "first line is not 'tree'",
        ),
        (
            &[
                "import",
                &fixture("nan.txt"),
                &fixture("zero.txt"),
                "--out",
                &model,
            ],
            "not the same in all",
        ),
        (
            &["export", "--model", &fixture("nan.txt"), "--out", &text],
            "not a file of this kind",
        ),
        (
            &[
                "export",
                "--model",
                &model,
                "--quantile",
                "0.5",
                "--out",
                &text,
            ],
            "no quantile 0.5; it has [0.95]",
        ),
    ] {
        let before = fs::read(&model).unwrap();
        let output = run(args);
        assert_eq!(output.status.code(), Some(3), "{args:?}");
        assert!(
            support::stderr(&output).contains(words),
            "{}",
            support::stderr(&output)
        );
        assert!(fs::read(&model).unwrap() == before);
    }
    let demo = format!("{}/fixtures/traces/demo.csv", env!("CARGO_MANIFEST_DIR"));
    let state = path("state");
    let output = run(&[
        "--state", &state, "predict", "--trace", &demo, "--cpus", "4", "--json",
    ]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        support::stderr(&output)
    );
    let report: serde_json::Value = serde_json::from_str(&support::stdout(&output)).unwrap();
    assert_eq!(report["schema"], "predict/1");
    assert_eq!(report["refused"], "no trained model");
    let first = &report["containers"][0];
    assert_eq!(first["id"], "frontend");
    assert!(
        first["why"].as_str().unwrap().contains("no trained model"),
        "{first}"
    );
}
