//! A v1 host in a temporary directory, its past, and small models for it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use cpufence::cgroup::{Container, Entry, Host, RealHost};
use cpufence::config::{Config, parse_config};
use cpufence::engine::record::Round;
use cpufence::engine::shell::{HISTORY, Sight, Site, apply, plan};
use cpufence::history::{self, History, Observation};
use cpufence::placement::SolveSettings;
use cpufence::predict::Prediction;
use cpufence::predict::forecast::{Chain, Forecast};
use cpufence::predict::forest::{Child, Column, Forest, Kind, Missing, Node, Split, Tree};
use cpufence::predict::model::{Metadata, Model, Origin, Target};
use cpufence::predict::online::Pace;
use cpufence::predict::store::host_model;

use super::{BOOT, HOUR_S};

/// Uptime of the rounds of `apply`: five hours after the first sample.
pub(crate) const NOW_S: f64 = 100_000.0;

pub(crate) fn wall_s() -> f64 {
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

pub(crate) struct Machine {
    pub(crate) dir: tempfile::TempDir,
    host: V1,
    config: Config,
}

impl Machine {
    /// 16 CPUs, containers `batch/NAME` of two CPUs each.
    pub(crate) fn new(names: &[&str]) -> Self {
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

    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn group(&self, group: &str) {
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

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(crate) fn site<'a>(&'a self, state: &'a Path) -> Site<'a> {
        Site {
            host: &self.host,
            state_dir: state,
            config: &self.config,
        }
    }

    pub(crate) fn plan(&self) -> (Sight, Round) {
        plan(&self.site(&self.state()), &settings()).unwrap()
    }

    /// A round; its predictions by container.
    pub(crate) fn apply(&self) -> (Sight, Round) {
        let (sight, round, end) = apply(&self.site(&self.state()), &settings()).unwrap();
        assert_eq!(end, cpufence::engine::shell::End::Done, "{:?}", sight.notes);
        (sight, round)
    }

    /// Hours of rounds a minute apart before now, as the store would have them:
    /// `use_of(container, seconds before now)`, CPUs; none: not there.
    pub(crate) fn live(&self, hours: f64, use_of: impl Fn(&Container, f64) -> Option<f64>) {
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
            coverage: 0.95,
            step: None,
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

pub(crate) fn settings() -> SolveSettings {
    SolveSettings {
        budget: None,
        work_limit: Some(1),
        ..SolveSettings::default()
    }
}

pub(crate) fn of<'a>(round: &'a Round, name: &str) -> &'a Prediction {
    let id = format!("batch/{name}");
    let found = round.state.containers.iter().find(|m| m.container.id == id);
    &found.unwrap().prediction
}

pub(crate) fn column(name: &str, most: f64) -> Column {
    Column {
        name: name.into(),
        kind: Kind::Numeric { least: 0.0, most },
    }
}

/// Steps of 5 % of the request: what was last seen, rounded up, times `factor`.
/// Two quantiles, the median 2 % below.
pub(crate) fn model(factor: f64, change: impl Fn(&mut Metadata)) -> Model {
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
        pace: Pace::default(),
        importance: Vec::new(),
        licence: "none".into(),
    };
    change(&mut metadata);
    Model::new(metadata, vec![forest]).unwrap()
}

/// Falls from 1.6 CPUs to 0.4 at `ago_s` 0: the last hour's maximum is always late.
pub(crate) fn falling(ago_s: f64) -> f64 {
    0.4 + 1.2 * ago_s / (5.0 * HOUR_S)
}
