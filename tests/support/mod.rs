//! What several integration tests need: the binary, a parent cgroup of one's
//! own on the real v1 hierarchies, removed afterwards whatever happens.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The `cpufence` binary of this build.
pub(crate) fn cpufence(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cpufence"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("stdout is UTF-8")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Says that a test did not run, in the form that CI collects.
pub(crate) fn skipped(test: &str, reason: &str) {
    eprintln!("SKIPPED {test}: {reason}");
}

/// Where a v1 controller is mounted.
fn v1_mount(controller: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = mounts.lines().find(|line| {
        let Some((_, tail)) = line.split_once(" - ") else {
            return false;
        };
        let mut fields = tail.split(' ');
        fields.next() == Some("cgroup")
            && fields
                .nth(1)
                .is_some_and(|o| o.split(',').any(|c| c == controller))
    })?;
    line.split(' ').nth(4).map(PathBuf::from)
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .any(|l| l.starts_with("Uid:") && l.split_whitespace().nth(1) == Some("0"))
}

/// A parent cgroup of this test on the real v1 hierarchies, with containers in it.
pub(crate) struct V1 {
    name: String,
    mounts: Vec<PathBuf>,
    processes: Vec<Child>,
    pub(crate) dir: tempfile::TempDir,
}

impl V1 {
    /// The parent; none (and a line that says so) where that is not possible.
    pub(crate) fn new(test: &str) -> Option<Self> {
        let controllers = ["cpuset", "cpu", "cpuacct"];
        let mounts: Vec<PathBuf> = controllers.iter().filter_map(|c| v1_mount(c)).collect();
        if mounts.len() < controllers.len() {
            skipped(
                test,
                "no cgroup v1 hierarchies with cpuset, cpu and cpuacct",
            );
            return None;
        }
        if !is_root() {
            skipped(test, "needs root to make cgroups");
            return None;
        }
        let name = format!(
            "cpufence-test-{}-{}",
            std::process::id(),
            test.replace(' ', "-")
        );
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut v1 = Self {
            name,
            mounts,
            processes: Vec::new(),
            dir,
        };
        v1.make("");
        Some(v1)
    }

    /// The parent's name, that is its path below each mount.
    #[allow(dead_code, reason = "not every test needs it")]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where the cpuset hierarchy is mounted.
    #[allow(dead_code, reason = "not every test needs it")]
    pub(crate) fn cpuset_mount(&self) -> PathBuf {
        self.mounts[0].clone()
    }

    fn path(&self, controller: usize, container: &str) -> PathBuf {
        self.mounts[controller].join(&self.name).join(container)
    }

    /// A cgroup below the parent, with all CPUs of its own parent.
    pub(crate) fn make(&mut self, container: &str) {
        for controller in 0..self.mounts.len() {
            let path = self.path(controller, container);
            if !path.is_dir() {
                fs::create_dir(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            }
        }
        let path = self.path(0, container);
        for file in ["cpuset.mems", "cpuset.cpus"] {
            let value = fs::read_to_string(path.join("..").join(file)).unwrap();
            fs::write(path.join(file), value.trim())
                .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        }
    }

    /// A container with a quota of whole CPUs and one process in it.
    pub(crate) fn container(&mut self, container: &str, cpus: u32, command: &[&str]) {
        self.make(container);
        self.quota(container, 1000 * cpus);
        self.spawn(container, command);
    }

    /// A process in a container.
    pub(crate) fn spawn(&mut self, container: &str, command: &[&str]) {
        let child = Command::new(command[0])
            .args(&command[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the command runs");
        for controller in 0..self.mounts.len() {
            fs::write(
                self.path(controller, container).join("cgroup.procs"),
                child.id().to_string(),
            )
            .unwrap();
        }
        self.processes.push(child);
    }

    /// A cpuset file of a container, trimmed.
    pub(crate) fn read(&self, container: &str, file: &str) -> String {
        let path = self.path(0, container).join(file);
        fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
            .trim()
            .to_string()
    }

    pub(crate) fn write(&self, container: &str, file: &str, value: &str) {
        let path = self.path(0, container).join(file);
        fs::write(&path, value).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }

    /// The affinity lists of every thread of a container.
    pub(crate) fn affinities(&self, container: &str) -> BTreeSet<String> {
        let tasks = self.read(container, "tasks");
        let status =
            |tid: &str| fs::read_to_string(format!("/proc/{tid}/status")).unwrap_or_default();
        let list = |text: &str| {
            text.lines()
                .find_map(|l| Some(l.strip_prefix("Cpus_allowed_list:")?.trim().to_string()))
        };
        tasks.lines().filter_map(|tid| list(&status(tid))).collect()
    }

    /// The arguments that point `cpufence` at this parent alone, then `rest`.
    pub(crate) fn run(&self, rest: &[&str]) -> Output {
        let (config, state) = (self.config(), self.state());
        let mut args = vec!["--config", config.as_str(), "--state", state.as_str()];
        args.extend(rest);
        cpufence(&args)
    }

    pub(crate) fn state(&self) -> String {
        self.dir.path().join("state").display().to_string()
    }

    /// Sets the quota of a container, milli-CPU.
    #[allow(dead_code, reason = "not every test needs it")]
    pub(crate) fn quota(&self, container: &str, milli: u32) {
        let cpu = self.path(1, container);
        fs::write(cpu.join("cpu.cfs_period_us"), "100000").unwrap();
        fs::write(cpu.join("cpu.cfs_quota_us"), (milli * 100).to_string()).unwrap();
    }

    /// Writes the settings file, in place of the one made at first use.
    #[allow(dead_code, reason = "not every test needs it")]
    pub(crate) fn settings(&self, text: &str) {
        fs::write(self.dir.path().join("config.toml"), text).unwrap();
    }

    /// The settings file, made at first use.
    pub(crate) fn config(&self) -> String {
        let path = self.dir.path().join("config.toml");
        if !path.exists() {
            let text = format!(
                "[solve]\nbudget = \"500ms\"\n[[containers]]\nmatch = \"{}/*\"\n",
                self.name
            );
            fs::write(&path, text).unwrap();
        }
        path.display().to_string()
    }
}

impl Drop for V1 {
    fn drop(&mut self) {
        for child in &mut self.processes {
            let _ = child.kill();
            let _ = child.wait();
        }
        for controller in 0..self.mounts.len() {
            remove_tree(&self.path(controller, ""));
        }
    }
}

/// Removes a cgroup and what is below it; waits for its last task to end.
fn remove_tree(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    for _ in 0..200 {
        if fs::remove_dir(dir).is_ok() || !dir.exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
