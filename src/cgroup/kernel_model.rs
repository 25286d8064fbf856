//! A model of the kernel's cpuset rules that stands in for a host: for tests,
//! which can let it run out of CPUs, lose directories and take CPUs offline.
//!
//! What it knows, for directories below one mount (source: `kernel/cgroup/`
//! `cpuset.c`, `cpuset-v1.c`; behaviour on 6.12 and 6.18):
//!
//! | operation | v1 | v2 |
//! |-|-|-|
//! | write a list: CPU number too large | ERANGE | ERANGE |
//! | malformed list | EINVAL | EINVAL |
//! | offline CPU | EINVAL | accepted |
//! | not within the parent's | EACCES | accepted |
//! | not covering a child's | EBUSY | accepted |
//! | overlap where one sibling is exclusive | EINVAL | (no such flag) |
//! | exclusive directory left with too few CPUs for the host's deadline servers | EBUSY | (no such flag) |
//! | clear while tasks run in it or below | ENOSPC | ENOSPC, or accepted (newer kernels) |
//! | zero bytes | nothing, success | nothing, success |
//! | effective set | the list | list & parent's effective; all of that if nothing is left |
//! | attach: list or mems empty | ENOSPC | accepted |
//! | CPU goes offline | leaves every list for good; tasks of an emptied directory move to the nearest ancestor that has CPUs | effective follows, and comes back |
//!
//! Threads are allowed what is in force in their directory and in their own
//! mask, or all that is in force if they share nothing (Linux 6.2 and later).
//! Deadline servers (Linux 6.12 and later) reserve 5 % of each online CPU, and
//! a directory may use 95 % of each of its own: `dl_cpuset_cpumask_can_shrink`.
//! Not modelled: partitions, `SCHED_DEADLINE` tasks, memory migration,
//! `clone_children`, threaded domains.
//!
//! A test on a real v1 kernel (`tests/kernel_model_v1.rs`) compares the two on
//! random operations.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::tree::{ONLINE_FILE, errno};
use super::writes::{is_below, parent_path};
use super::{
    Container, ContainerKey, Context, CpusetDir, Entry, Fence, Host, Layout, Pinned, Request,
    RequestSource, Version,
};
use crate::cpuset::{CpuId, CpuSet};
use crate::placement::Kind;

/// Boot id of every model.
pub const BOOT_ID: &str = "00000000-0000-4000-8000-000000000001";

/// The modelled host. Paths are those below the mount, raw bytes.
#[derive(Debug)]
pub struct KernelModel {
    version: Version,
    mount: PathBuf,
    model: RefCell<Model>,
}

#[derive(Clone, Debug)]
struct Model {
    /// CPU numbers from here on are out of range.
    cpu_ids: u32,
    online: CpuSet,
    /// NUMA nodes with memory.
    nodes: CpuSet,
    dirs: BTreeMap<Vec<u8>, Dir>,
    threads: BTreeMap<u32, Thread>,
    next_inode: u64,
    can_clear: bool,
    deadline_servers: bool,
    writes: Vec<(Vec<u8>, CpuSet)>,
}

#[derive(Clone, Debug)]
struct Dir {
    inode: u64,
    cpus: CpuSet,
    mems: CpuSet,
    exclusive: bool,
}

#[derive(Clone, Debug)]
struct Thread {
    dir: Vec<u8>,
    mask: Option<CpuSet>,
}

fn os<T>(number: i32) -> io::Result<T> {
    Err(io::Error::from_raw_os_error(number))
}

impl KernelModel {
    /// A host with CPUs `0..cpus`, all online, one NUMA node and an empty
    /// hierarchy at `mount`.
    #[must_use]
    pub fn new(version: Version, mount: impl Into<PathBuf>, cpus: u32) -> Self {
        let online: CpuSet = (0..cpus).map(CpuId).collect();
        let nodes: CpuSet = [CpuId(0)].into_iter().collect();
        let root = Dir {
            inode: 1,
            cpus: online.clone(),
            mems: nodes.clone(),
            exclusive: true,
        };
        Self {
            version,
            mount: mount.into(),
            model: RefCell::new(Model {
                cpu_ids: cpus,
                online,
                nodes,
                dirs: [(Vec::new(), root)].into(),
                threads: BTreeMap::new(),
                next_inode: 2,
                can_clear: false,
                deadline_servers: true,
                writes: Vec::new(),
            }),
        }
    }

    /// Lets lists of populated v2 directories be cleared, as newer kernels do.
    pub fn allow_clearing(&self) {
        self.model.borrow_mut().can_clear = true;
    }

    /// Drops the deadline servers' rule, as before Linux 6.12.
    pub fn without_deadline_servers(&self) {
        self.model.borrow_mut().deadline_servers = false;
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// EEXIST, ENOENT.
    pub fn mkdir(&self, path: &[u8]) -> io::Result<()> {
        let model = &mut *self.model.borrow_mut();
        if model.dirs.contains_key(path) {
            return os(errno::EEXIST);
        }
        if !model.dirs.contains_key(parent_path(path)) {
            return os(errno::ENOENT);
        }
        let inode = model.next_inode;
        model.next_inode += 1;
        let dir = Dir {
            inode,
            cpus: CpuSet::new(),
            mems: CpuSet::new(),
            exclusive: false,
        };
        model.dirs.insert(path.to_vec(), dir);
        Ok(())
    }

    /// Makes a directory with the given list and, on v1, its parent's mems.
    ///
    /// # Errors
    /// As [`Self::mkdir`] and a write.
    pub fn make(&self, path: &[u8], cpus: &str) -> io::Result<()> {
        self.mkdir(path)?;
        let mems = self.dir(parent_path(path))?.mems.to_string();
        self.write_file(path, "cpuset.mems", &mems)?;
        self.write_file(path, "cpuset.cpus", cpus)
    }

    /// Removes a directory.
    ///
    /// # Errors
    /// ENOENT; EBUSY with tasks or directories in it.
    pub fn rmdir(&self, path: &[u8]) -> io::Result<()> {
        let model = &mut *self.model.borrow_mut();
        if !model.dirs.contains_key(path) {
            return os(errno::ENOENT);
        }
        if model.is_populated(path) || model.children(path).next().is_some() {
            return os(errno::EBUSY);
        }
        model.dirs.remove(path);
        Ok(())
    }

    /// Ends every thread in a directory and below, and removes them all.
    pub fn kill(&self, path: &[u8]) {
        let model = &mut *self.model.borrow_mut();
        let inside = |dir: &[u8]| dir == path || is_below(dir, path);
        model.threads.retain(|_, thread| !inside(&thread.dir));
        model.dirs.retain(|dir, _| !inside(dir));
    }

    /// Starts a thread in the root directory, with a mask of its own or none.
    pub fn spawn(&self, id: u32, mask: Option<CpuSet>) {
        let dir = Vec::new();
        let threads = &mut self.model.borrow_mut().threads;
        threads.insert(id, Thread { dir, mask });
    }

    /// Ends a thread.
    pub fn exit(&self, id: u32) {
        self.model.borrow_mut().threads.remove(&id);
    }

    /// Takes a CPU offline or online.
    pub fn set_online(&self, cpu: CpuId, online: bool) {
        let version = self.version;
        let model = &mut *self.model.borrow_mut();
        if online {
            model.online.insert(cpu);
        } else {
            model.online.remove(cpu);
        }
        let root = model.online.clone();
        model.dirs.entry(Vec::new()).and_modify(|d| d.cpus = root);
        if version == Version::V2 || online {
            return;
        }
        for dir in model.dirs.values_mut() {
            dir.cpus.remove(cpu);
        }
        let dirs = &model.dirs;
        for thread in model.threads.values_mut() {
            while dirs[&thread.dir].cpus.is_empty() {
                thread.dir = parent_path(&thread.dir).to_vec();
            }
        }
    }

    /// Writes a file of a directory as `echo text > file` would, without the
    /// newline where `text` has none.
    ///
    /// # Errors
    /// As the kernel's.
    pub fn write_file(&self, path: &[u8], file: &str, text: &str) -> io::Result<()> {
        let version = self.version;
        let model = &mut *self.model.borrow_mut();
        if !model.dirs.contains_key(path) {
            return os(errno::ENOENT);
        }
        if text.is_empty() {
            return Ok(());
        }
        match (file, version) {
            ("cpuset.cpus", _) => model.write_cpus(version, path, text),
            ("cpuset.mems", _) => model.write_mems(version, path, text),
            ("cpuset.cpu_exclusive", Version::V1) => model.write_exclusive(path, text),
            ("tasks", Version::V1) | ("cgroup.procs" | "cgroup.threads", _) => {
                model.attach(version, path, text)
            }
            // A directory of cgroupfs takes no new files.
            _ => os(errno::EACCES),
        }
    }

    /// Reads a file of a directory, without the newline.
    ///
    /// # Errors
    /// ENOENT.
    pub fn read_file(&self, path: &[u8], file: &str) -> io::Result<String> {
        let dir = self.dir(path)?;
        let model = self.model.borrow();
        let effective = || model.effective(self.version, path);
        Ok(match (file, self.version) {
            ("cpuset.cpus", _) => dir.cpus.to_string(),
            ("cpuset.mems" | "cpuset.effective_mems", _) => dir.mems.to_string(),
            ("cpuset.effective_cpus", Version::V1) | ("cpuset.cpus.effective", Version::V2) => {
                effective().to_string()
            }
            ("cpuset.cpu_exclusive", Version::V1) => u8::from(dir.exclusive).to_string(),
            ("cpuset.cpus.partition", Version::V2) if !path.is_empty() => "member".into(),
            ("tasks", Version::V1) | ("cgroup.procs", _) | ("cgroup.threads", Version::V2) => {
                let threads = model.threads.iter();
                let mine = threads.filter(|(_, thread)| thread.dir == path);
                mine.map(|(id, _)| format!("{id}\n")).collect()
            }
            _ => return os(errno::ENOENT),
        })
    }

    /// Every list write that changed something, in order.
    #[must_use]
    pub fn writes(&self) -> Vec<(Vec<u8>, CpuSet)> {
        self.model.borrow().writes.clone()
    }

    /// `cpuset.cpus` of every directory but the root, by path.
    #[must_use]
    pub fn lists(&self) -> BTreeMap<Vec<u8>, CpuSet> {
        let model = self.model.borrow();
        let dirs = model.dirs.iter().filter(|(path, _)| !path.is_empty());
        dirs.map(|(path, dir)| (path.clone(), dir.cpus.clone()))
            .collect()
    }

    /// v2 directories whose list has no CPU in common with what their parent
    /// has in force, so that the kernel gives them all of that.
    #[must_use]
    pub fn silently_widened(&self) -> Vec<Vec<u8>> {
        let model = self.model.borrow();
        let lost = |path: &[u8], dir: &Dir| {
            let offered = model.effective(self.version, parent_path(path));
            !path.is_empty() && !dir.cpus.is_empty() && dir.cpus.is_disjoint(&offered)
        };
        let dirs = model.dirs.iter().filter(|(path, dir)| lost(path, dir));
        dirs.map(|(path, _)| path.clone()).collect()
    }

    /// A container as discovery would observe it: managed, nothing known but
    /// its directories.
    ///
    /// # Panics
    /// If there is no such directory.
    #[must_use]
    #[expect(clippy::expect_used, reason = "test support, panics as documented")]
    pub fn container(&self, path: &[u8]) -> Container {
        let model = self.model.borrow();
        let top = model.dirs.get(path).expect("the container's directory");
        let below = model.dirs.iter().filter(|(dir, _)| is_below(dir, path));
        let subtree: Vec<CpusetDir> = [(&path.to_vec(), top)]
            .into_iter()
            .chain(below)
            .map(|(path, dir)| CpusetDir {
                key: key(dir.inode),
                path: path.clone(),
                cpus: dir.cpus.clone(),
                effective: model.effective(self.version, path),
                mems: dir.mems.to_string(),
                exclusive: dir.exclusive,
                partition: None,
            })
            .collect();
        Container {
            key: key(top.inode),
            id: super::writes::shown(path),
            layout: Layout::Config,
            subtree,
            parent_effective: model.effective(self.version, parent_path(path)),
            request: Request {
                cpus: None,
                mcpu: None,
                source: RequestSource::None,
                kind_configured: false,
                kind: Kind::Static,
            },
            quota_mcpu: None,
            usage_ns: None,
            throttling: None,
            context: Context::default(),
            home: None,
            pinned: Pinned::default(),
            priority: 0,
            fence: Fence::Managed,
        }
    }

    fn dir(&self, path: &[u8]) -> io::Result<Dir> {
        let model = self.model.borrow();
        model
            .dirs
            .get(path)
            .cloned()
            .map_or_else(|| os(errno::ENOENT), Ok)
    }

    /// The directory and file name of a path below the mount.
    fn split<'p>(&self, path: &'p Path) -> Option<(&'p [u8], &'p str)> {
        let below = path.strip_prefix(&self.mount).ok()?;
        let file = below.file_name()?.to_str()?;
        Some((below.parent()?.as_os_str().as_bytes(), file))
    }
}

fn key(inode: u64) -> ContainerKey {
    ContainerKey {
        boot_id: BOOT_ID.into(),
        inode,
    }
}

impl Model {
    fn children<'m>(&'m self, path: &'m [u8]) -> impl Iterator<Item = (&'m Vec<u8>, &'m Dir)> {
        self.dirs
            .iter()
            .filter(move |(dir, _)| !dir.is_empty() && parent_path(dir) == path)
    }

    fn is_populated(&self, path: &[u8]) -> bool {
        self.threads
            .values()
            .any(|thread| thread.dir == path || is_below(&thread.dir, path))
    }

    fn effective(&self, version: Version, path: &[u8]) -> CpuSet {
        if path.is_empty() {
            return self.online.clone();
        }
        let list = &self.dirs[path].cpus;
        if version == Version::V1 {
            return list.clone();
        }
        let offered = self.effective(version, parent_path(path));
        let both = list.intersection(&offered);
        if both.is_empty() { offered } else { both }
    }

    fn write_cpus(&mut self, version: Version, path: &[u8], text: &str) -> io::Result<()> {
        if path.is_empty() {
            return os(errno::EACCES);
        }
        let Ok(cpus) = CpuSet::parse_list(text) else {
            return os(errno::EINVAL);
        };
        if cpus.iter().any(|cpu| cpu.0 >= self.cpu_ids) {
            return os(errno::ERANGE);
        }
        if version == Version::V1 && !cpus.is_subset(&self.online) {
            return os(errno::EINVAL);
        }
        let now = self.dirs[path].clone();
        if cpus == now.cpus {
            return Ok(());
        }
        let trial = Dir {
            cpus: cpus.clone(),
            ..now.clone()
        };
        self.validate(version, path, &now, &trial)?;
        self.dirs.insert(path.to_vec(), trial);
        self.writes.push((path.to_vec(), cpus));
        Ok(())
    }

    fn write_mems(&mut self, version: Version, path: &[u8], text: &str) -> io::Result<()> {
        if path.is_empty() {
            return os(errno::EACCES);
        }
        let Ok(mems) = CpuSet::parse_list(text) else {
            return os(errno::EINVAL);
        };
        if !mems.is_subset(&self.nodes) {
            return os(errno::EINVAL);
        }
        let now = self.dirs[path].clone();
        if mems == now.mems {
            return Ok(());
        }
        let trial = Dir {
            mems,
            ..now.clone()
        };
        self.validate(version, path, &now, &trial)?;
        self.dirs.insert(path.to_vec(), trial);
        Ok(())
    }

    fn write_exclusive(&mut self, path: &[u8], text: &str) -> io::Result<()> {
        let Ok(value) = text.trim().parse::<u64>() else {
            return os(errno::EINVAL);
        };
        let now = self.dirs[path].clone();
        let trial = Dir {
            exclusive: value != 0,
            ..now.clone()
        };
        self.validate(Version::V1, path, &now, &trial)?;
        self.dirs.insert(path.to_vec(), trial);
        Ok(())
    }

    /// `validate_change`: the checks in the kernel's order.
    fn validate(&self, version: Version, path: &[u8], now: &Dir, trial: &Dir) -> io::Result<()> {
        let within = |inner: &Dir, outer: &Dir| {
            inner.cpus.is_subset(&outer.cpus)
                && inner.mems.is_subset(&outer.mems)
                && (outer.exclusive || !inner.exclusive)
        };
        let above = parent_path(path);
        if version == Version::V1 {
            if self.children(path).any(|(_, child)| !within(child, trial)) {
                return os(errno::EBUSY);
            }
            if !path.is_empty() && !within(trial, &self.dirs[above]) {
                return os(errno::EACCES);
            }
        }
        if path.is_empty() {
            return Ok(());
        }
        let clears = |now: &CpuSet, new: &CpuSet| !now.is_empty() && new.is_empty();
        if self.is_populated(path)
            && (clears(&now.cpus, &trial.cpus) || clears(&now.mems, &trial.mems))
            && (version == Version::V1 || !self.can_clear)
        {
            return os(errno::ENOSPC);
        }
        if version == Version::V1
            && self.deadline_servers
            && now.exclusive
            && !now.cpus.is_empty()
            && 95 * trial.cpus.len() < 5 * self.online.len()
        {
            return os(errno::EBUSY);
        }
        let mut siblings = self.children(above).filter(|(other, _)| *other != path);
        if siblings.any(|(_, other)| {
            (trial.exclusive || other.exclusive) && !trial.cpus.is_disjoint(&other.cpus)
        }) {
            return os(errno::EINVAL);
        }
        Ok(())
    }

    fn attach(&mut self, version: Version, path: &[u8], text: &str) -> io::Result<()> {
        let Ok(id) = text.trim().parse::<u32>() else {
            return os(errno::EINVAL);
        };
        let dir = &self.dirs[path];
        let unset = dir.cpus.is_empty() || dir.mems.is_empty();
        let Some(thread) = self.threads.get_mut(&id) else {
            return os(errno::ESRCH);
        };
        if thread.dir == path {
            return Ok(());
        }
        if version == Version::V1 && unset {
            return os(errno::ENOSPC);
        }
        thread.dir = path.to_vec();
        Ok(())
    }
}

impl Host for KernelModel {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if path == Path::new(ONLINE_FILE) {
            return Ok(format!("{}\n", self.model.borrow().online).into_bytes());
        }
        if path == Path::new("/proc/sys/kernel/random/boot_id") {
            return Ok(format!("{BOOT_ID}\n").into_bytes());
        }
        if let Ok(rest) = path.strip_prefix("/proc") {
            let id = rest.iter().next().and_then(|id| id.to_str()?.parse().ok());
            let model = self.model.borrow();
            let thread = id.and_then(|id: u32| model.threads.get(&id));
            let Some(thread) = thread.filter(|_| rest.ends_with("status")) else {
                return os(errno::ENOENT);
            };
            let offered = model.effective(self.version, &thread.dir);
            let both = thread.mask.as_ref().map(|mask| mask.intersection(&offered));
            let allowed = both.filter(|both| !both.is_empty()).unwrap_or(offered);
            return Ok(format!("Name:\tmodel\nCpus_allowed_list:\t{allowed}\n").into_bytes());
        }
        match self.split(path) {
            Some((dir, file)) => Ok(format!("{}\n", self.read_file(dir, file)?).into_bytes()),
            None => os(errno::ENOENT),
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match (self.split(path), std::str::from_utf8(bytes)) {
            (Some((dir, file)), Ok(text)) => self.write_file(dir, file, text),
            (Some(_), Err(_)) => os(errno::EINVAL),
            (None, _) => os(errno::ENOENT),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let Ok(below) = path.strip_prefix(&self.mount) else {
            return os(errno::ENOENT);
        };
        let below = below.as_os_str().as_bytes();
        self.dir(below)?;
        let model = self.model.borrow();
        let children = model.children(below).map(|(path, dir)| Entry {
            name: OsString::from_vec(path.rsplit(|&b| b == b'/').next().unwrap_or(path).to_vec()),
            is_dir: true,
            inode: dir.inode,
        });
        Ok(children.collect())
    }

    fn inode(&self, path: &Path) -> io::Result<u64> {
        let Ok(below) = path.strip_prefix(&self.mount) else {
            return os(errno::ENOENT);
        };
        Ok(self.dir(below.as_os_str().as_bytes())?.inode)
    }
}
