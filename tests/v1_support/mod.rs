//! A directory of our own in the real v1 cpuset hierarchy, removed afterwards.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where the hierarchy is mounted.
pub const MOUNT: &str = "/sys/fs/cgroup/cpuset";

/// A directory `cpufence-test-<pid>-<name>` right below the mount, with all
/// CPUs and nodes, and the processes started for it. Dropped: processes are
/// killed, directories removed, also when a test panics.
#[derive(Debug)]
pub struct TestCgroup {
    /// Its name, that is its path below the mount.
    pub name: String,
    children: Vec<Child>,
    /// Held shared by ordinary tests, alone by those that set `cpu_exclusive`.
    _lock: fs::File,
}

impl TestCgroup {
    /// None, after one `SKIPPED` line, where this is not root on a v1 host.
    pub fn new(test: &str, name: &str, alone: bool) -> Option<Self> {
        let skip = |why: &str| {
            eprintln!("SKIPPED {test}: {why}");
            None
        };
        if !Path::new(MOUNT).join("cpuset.cpus").exists() {
            return skip("no v1 cpuset hierarchy at /sys/fs/cgroup/cpuset");
        }
        let lock = fs::File::open(MOUNT).unwrap();
        if alone {
            lock.lock()
        } else {
            lock.lock_shared()
        }
        .unwrap();
        let name = format!("cpufence-test-{}-{name}", std::process::id());
        let dir = Path::new(MOUNT).join(&name);
        if let Err(error) = fs::create_dir(&dir) {
            return skip(&format!("cannot make {}: {error}", dir.display()));
        }
        let group = Self {
            name,
            children: Vec::new(),
            _lock: lock,
        };
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let all = fs::read(Path::new(MOUNT).join(file)).unwrap();
            // An exclusive directory of another test may hold the CPUs for a moment.
            let mut tries = 0;
            while let Err(error) = fs::write(dir.join(file), &all) {
                assert!(tries < 600, "{file}: {error}");
                tries += 1;
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Some(group)
    }

    /// The real directory of a path below this one.
    pub fn dir(&self, below: &str) -> PathBuf {
        Path::new(MOUNT).join(&self.name).join(below)
    }

    /// Makes a directory below this one with its own CPUs and this one's nodes.
    #[allow(dead_code, reason = "used by some of the tests")]
    pub fn make(&self, below: &str, cpus: &str) -> io::Result<()> {
        let dir = self.dir(below);
        fs::create_dir(&dir)?;
        fs::write(dir.join("cpuset.mems"), fs::read(self.dir("cpuset.mems"))?)?;
        fs::write(dir.join("cpuset.cpus"), cpus)
    }

    /// Starts `sh -c script`, which is killed in the end; its id.
    pub fn start(&mut self, script: &str) -> u32 {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null());
        let child = command.spawn().unwrap();
        let id = child.id();
        self.children.push(child);
        id
    }
}

impl Drop for TestCgroup {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let dir = self.dir("");
        // Grandchildren, and tasks that are still on their way out.
        for _ in 0..200 {
            if remove(&dir) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        eprintln!("cannot remove {}", dir.display());
    }
}

/// Removes a directory with all below; true if it is gone.
fn remove(dir: &Path) -> bool {
    let Ok(entries) = fs::read_dir(dir) else {
        return !dir.exists();
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let tasks = fs::read_to_string(dir.join("tasks")).unwrap_or_default();
    for task in tasks.lines() {
        let _ = Command::new("kill").args(["-9", task]).status();
    }
    fs::remove_dir(dir).is_ok() || !dir.exists()
}
