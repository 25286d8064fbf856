//! The model of the kernel's rules agrees with the v1 kernel of this machine.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    missing_docs,
    reason = "test code"
)]

#[allow(dead_code, unreachable_pub, reason = "shared by several tests")]
mod support;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use cpufence::cgroup::Version;
use cpufence::cgroup::kernel_model::KernelModel;
use cpufence::cpuset::{CpuId, CpuSet};
use support::V1;

/// Directories that come and go, relative to the test's own.
const DIRS: [&str; 8] = ["a", "b", "c", "a/x", "a/y", "b/x", "a/x/p", "a/x/q"];
const FILES: [&str; 5] = [
    "cpuset.cpus",
    "cpuset.mems",
    "cpuset.effective_cpus",
    "cpuset.cpu_exclusive",
    "cgroup.procs",
];

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

fn list(path: &str) -> CpuSet {
    CpuSet::parse_list(&fs::read_to_string(path).unwrap()).unwrap()
}

fn number(result: &io::Result<()>) -> i32 {
    result
        .as_ref()
        .err()
        .map_or(0, |e| e.raw_os_error().unwrap_or(-1))
}

/// An exclusive directory beside another test's is in its way.
static ALONE: Mutex<()> = Mutex::new(());

struct Pair {
    group: V1,
    /// The test's own directory.
    dir: PathBuf,
    model: KernelModel,
    tasks: Vec<u32>,
    /// How often each operation ended in each error number.
    seen: std::collections::BTreeMap<(&'static str, i32), u32>,
}

impl Pair {
    fn new(test: &str) -> Option<Self> {
        let mut group = V1::new(test)?;
        let mount = group.cpuset_mount();
        let possible = list("/sys/devices/system/cpu/possible");
        let online = list("/sys/devices/system/cpu/online");
        let ids = possible.iter().last().unwrap().0 + 1;
        let model = KernelModel::new(Version::V1, &mount, ids);
        for cpu in (0..ids).map(CpuId).filter(|cpu| !online.contains(*cpu)) {
            model.set_online(cpu, false);
        }
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut release = release
            .split('.')
            .map(|n| n.trim().parse::<u32>().unwrap_or(0));
        if (release.next(), release.next()) < (Some(6), Some(12)) {
            model.without_deadline_servers();
        }
        let top = group.name().as_bytes().to_vec();
        model.mkdir(&top).unwrap();
        for file in ["cpuset.cpus", "cpuset.mems"] {
            model.write_file(&top, file, &group.read("", file)).unwrap();
        }
        for _ in 0..4 {
            group.spawn("", &["sleep", "1000"]);
        }
        let tasks: Vec<u32> = group
            .read("", "tasks")
            .lines()
            .map(|t| t.parse().unwrap())
            .collect();
        assert_eq!(tasks.len(), 4);
        for &task in &tasks {
            model.spawn(task, None);
            model.write_file(&top, "tasks", &task.to_string()).unwrap();
        }
        Some(Self {
            dir: mount.join(group.name()),
            group,
            model,
            tasks,
            seen: std::collections::BTreeMap::new(),
        })
    }

    fn path(&self, below: &str) -> Vec<u8> {
        let slash = if below.is_empty() { "" } else { "/" };
        format!("{}{slash}{below}", self.group.name()).into_bytes()
    }

    fn compare(
        &mut self,
        what: &'static str,
        detail: &str,
        real: &io::Result<()>,
        model: &io::Result<()>,
    ) {
        assert_eq!(
            number(real),
            number(model),
            "{what} {detail}: kernel {real:?}, model {model:?}"
        );
        *self.seen.entry((what, number(real))).or_default() += 1;
        for below in [""].into_iter().chain(DIRS) {
            let there = self.dir.join(below).exists();
            let modelled = self.model.read_file(&self.path(below), "cpuset.cpus");
            assert_eq!(there, modelled.is_ok(), "{what} {detail}: {below} exists");
            for file in FILES.into_iter().filter(|_| there) {
                let kernel = fs::read_to_string(self.dir.join(below).join(file)).unwrap();
                let mut kernel: Vec<&str> = kernel.trim().split('\n').collect();
                kernel.sort_unstable();
                let model = self.model.read_file(&self.path(below), file).unwrap();
                let mut model: Vec<&str> = model.trim().split('\n').collect();
                model.sort_unstable();
                assert_eq!(kernel, model, "{what} {detail}: then {file} of '{below}'");
            }
        }
    }

    fn write(&mut self, what: &'static str, below: &str, file: &str, text: &str) {
        let real = fs::OpenOptions::new()
            .write(true)
            .open(self.dir.join(below).join(file))
            .and_then(|mut f| io::Write::write(&mut f, text.as_bytes()).map(drop));
        let model = self.model.write_file(&self.path(below), file, text);
        self.compare(what, &format!("{text:?} > {below}/{file}"), &real, &model);
    }

    fn mkdir(&mut self, below: &str) {
        let real = fs::create_dir(self.dir.join(below));
        let model = self.model.mkdir(&self.path(below));
        self.compare("mkdir", below, &real, &model);
    }

    fn rmdir(&mut self, below: &str) {
        let real = fs::remove_dir(self.dir.join(below));
        let model = self.model.rmdir(&self.path(below));
        self.compare("rmdir", below, &real, &model);
    }

    fn attach(&mut self, below: &str, task: u32) {
        self.write("attach", below, "tasks", &task.to_string());
    }

    fn step(&mut self, random: &mut Random, exclusive: bool, lists: &[String]) {
        let below = random.pick(&DIRS);
        match random.below(20) {
            0..=3 => self.mkdir(below),
            4 => self.rmdir(below),
            5..=7 => self.write(
                "mems",
                below,
                "cpuset.mems",
                random.pick(&["0", "0", "0", "", "\n"]),
            ),
            8..=9 if exclusive => {
                let value = random.pick(&["0", "1", "1", "x"]);
                self.write("exclusive", below, "cpuset.cpu_exclusive", value);
            }
            10..=12 => {
                let task = random.pick(&self.tasks);
                let below = if random.below(4) == 0 { "" } else { below };
                self.attach(below, task);
            }
            _ => {
                let text = &lists[random.below(lists.len())];
                self.write("cpus", below, "cpuset.cpus", text);
            }
        }
    }
}

/// Lists over the CPUs that are there, and what a kernel refuses.
fn lists() -> Vec<String> {
    let online: Vec<u32> = list("/sys/devices/system/cpu/online")
        .iter()
        .map(|c| c.0)
        .collect();
    let possible = list("/sys/devices/system/cpu/possible");
    let beyond = possible.iter().last().unwrap().0 + 1;
    let (first, last) = (online[0], online[online.len() - 1]);
    let all: CpuSet = online.iter().copied().map(CpuId).collect();
    let mut lists = vec![all.to_string(); 4];
    for &cpu in &[first, last] {
        lists.extend([format!("{cpu}"), format!("{cpu}\n"), format!("{cpu},{cpu}")]);
    }
    let odd = ["\n", "\n", "", "x", "1-0", "0-", "-1", "0,,0", "0-0:1/1"];
    lists.extend(odd.map(String::from));
    lists.extend([
        format!("{beyond}"),
        format!("{first},{beyond}"),
        "60000".into(),
    ]);
    let possible_offline = possible.difference(&all);
    lists.extend(possible_offline.first().map(|cpu| cpu.to_string()));
    lists
}

fn run(test: &str, exclusive: bool, steps: usize) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mut pair) = Pair::new(test) else {
        return;
    };
    if exclusive {
        // Its parent, the root, always is.
        pair.write("exclusive", "", "cpuset.cpu_exclusive", "1");
        let done = pair.seen.contains_key(&("exclusive", 0));
        assert!(done, "another directory below the root has CPUs");
    }
    let lists = lists();
    let mut random = Random(1);
    for _ in 0..steps {
        pair.step(&mut random, exclusive, &lists);
    }
    eprintln!("{test}: {:?}", pair.seen);
    // The walk has met every answer that the model gives.
    let mut wanted = vec![
        ("mkdir", 0),
        ("mkdir", 17),
        ("mkdir", 2),
        ("rmdir", 0),
        ("rmdir", 16),
        ("attach", 0),
        ("attach", 28),
        ("cpus", 0),
        ("cpus", 13),
        ("cpus", 16),
        ("cpus", 22),
        ("cpus", 28),
        ("cpus", 34),
        ("mems", 0),
        ("mems", 13),
        ("mems", 16),
        ("mems", 28),
    ];
    if exclusive {
        wanted.extend([
            ("exclusive", 0),
            ("exclusive", 13),
            ("exclusive", 16),
            ("exclusive", 22),
        ]);
    }
    for case in wanted {
        assert!(
            pair.seen.contains_key(&case),
            "no {case:?} in {:?}",
            pair.seen
        );
    }
}

#[test]
fn random_operations_agree_with_the_kernel() {
    run("kernel_model", false, 4000);
}

#[test]
fn random_operations_with_exclusive_directories_agree_with_the_kernel() {
    run("kernel_model_exclusive", true, 4000);
}
