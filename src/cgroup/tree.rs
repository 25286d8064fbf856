//! The live cpuset hierarchy through a [`Host`]: reading and writing one
//! directory's lists, its threads and their affinity.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::writes::{CPUS_FILE, parent_path};
use super::{ContainerKey, Host, Version};
use crate::cpuset::CpuSet;

/// Where the kernel lists the CPUs that are online.
pub const ONLINE_FILE: &str = "/sys/devices/system/cpu/online";

/// Linux error numbers that cpuset writes give; the same on every
/// architecture that Rust's Linux targets share (`asm-generic/errno-base.h`).
pub mod errno {
    /// No such file: the directory was removed before it was opened.
    pub const ENOENT: i32 = 2;
    /// No such process.
    pub const ESRCH: i32 = 3;
    /// Beyond the parent's set.
    pub const EACCES: i32 = 13;
    /// A child needs the CPU, or a directory is in use.
    pub const EBUSY: i32 = 16;
    /// It exists.
    pub const EEXIST: i32 = 17;
    /// No such device: the directory was removed after it was opened.
    pub const ENODEV: i32 = 19;
    /// Bad list, offline CPU (v1), overlap of exclusive siblings.
    pub const EINVAL: i32 = 22;
    /// Emptying a populated directory, or attaching to an empty one.
    pub const ENOSPC: i32 = 28;
    /// A CPU number that the kernel was not built for.
    pub const ERANGE: i32 = 34;
}

/// Whether an error says that the directory (or process) is gone.
#[must_use]
pub fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(errno::ENOENT | errno::ENODEV | errno::ESRCH)
    ) || error.kind() == io::ErrorKind::NotFound
}

/// The hierarchy that holds the cpuset controller.
#[derive(Clone)]
pub struct CpusetTree<'a> {
    /// The host's files.
    pub host: &'a dyn Host,
    /// Mount point as the host sees it, e.g. `/sys/fs/cgroup/cpuset`.
    pub mount: PathBuf,
    /// Which rules hold.
    pub version: Version,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
}

impl std::fmt::Debug for CpusetTree<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CpusetTree")
            .field("mount", &self.mount)
            .field("version", &self.version)
            .field("boot_id", &self.boot_id)
            .finish_non_exhaustive()
    }
}

impl CpusetTree<'_> {
    /// A directory given by its path below the mount.
    #[must_use]
    pub fn dir(&self, path: &[u8]) -> PathBuf {
        if path.is_empty() {
            self.mount.clone()
        } else {
            self.mount.join(OsStr::from_bytes(path))
        }
    }

    /// Whether `path` is still the directory `key`, of this boot.
    ///
    /// # Errors
    /// As the system call fails, other than for want of the directory.
    pub fn is_alive(&self, key: &ContainerKey, path: &[u8]) -> io::Result<bool> {
        if key.boot_id != self.boot_id {
            return Ok(false);
        }
        match self.host.inode(&self.dir(path)) {
            Ok(inode) => Ok(inode == key.inode),
            Err(error) if is_gone(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A file of a directory as text, without trailing white space.
    ///
    /// # Errors
    /// As the system call fails.
    pub fn text(&self, path: &[u8], file: &str) -> io::Result<String> {
        let bytes = self.host.read(&self.dir(path).join(file))?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(text
            .trim_end_matches(|c: char| c.is_whitespace() || c == '\0')
            .to_string())
    }

    /// `cpuset.cpus`.
    ///
    /// # Errors
    /// As the system call fails; `InvalidData` if it is no list.
    pub fn cpus(&self, path: &[u8]) -> io::Result<CpuSet> {
        parse(&self.text(path, CPUS_FILE)?)
    }

    /// The set in force in a directory. v1 kernels before 3.17 do not show it
    /// apart from the list.
    ///
    /// # Errors
    /// As [`Self::cpus`].
    pub fn effective(&self, path: &[u8]) -> io::Result<CpuSet> {
        let file = match self.version {
            Version::V1 => "cpuset.effective_cpus",
            Version::V2 => "cpuset.cpus.effective",
        };
        match self.text(path, file) {
            Ok(text) => parse(&text),
            Err(error) if is_gone(&error) && self.version == Version::V1 => self.cpus(path),
            Err(error) => Err(error),
        }
    }

    /// The set in force in the directory above.
    ///
    /// # Errors
    /// As [`Self::cpus`].
    pub fn parent_effective(&self, path: &[u8]) -> io::Result<CpuSet> {
        self.effective(parent_path(path))
    }

    /// Writes a list in one `write(2)`. The empty set is written as a newline:
    /// a write of zero bytes does nothing and succeeds.
    ///
    /// # Errors
    /// As the system call fails.
    pub fn write(&self, path: &[u8], file: &str, cpus: &CpuSet) -> io::Result<()> {
        let text = format!("{cpus}\n");
        self.host.write(&self.dir(path).join(file), text.as_bytes())
    }

    /// The threads in a directory itself.
    ///
    /// # Errors
    /// As the system call fails.
    pub fn threads(&self, path: &[u8]) -> io::Result<Vec<u32>> {
        self.ids(
            path,
            match self.version {
                Version::V1 => "tasks",
                Version::V2 => "cgroup.threads",
            },
        )
    }

    /// The processes in a directory itself.
    ///
    /// # Errors
    /// As the system call fails.
    pub fn processes(&self, path: &[u8]) -> io::Result<Vec<u32>> {
        self.ids(path, "cgroup.procs")
    }

    fn ids(&self, path: &[u8], file: &str) -> io::Result<Vec<u32>> {
        let text = self.text(path, file)?;
        // A process outside our PID namespace is listed as 0.
        let ids = text.lines().filter_map(|line| line.trim().parse().ok());
        Ok(ids.filter(|&id| id != 0).collect())
    }

    /// The CPUs that a thread may run on; none if it is gone.
    ///
    /// # Errors
    /// As the system call fails; `InvalidData` if the kernel does not tell.
    pub fn allowed(&self, thread: u32) -> io::Result<Option<CpuSet>> {
        let path = format!("/proc/{thread}/status");
        let bytes = match self.host.read(Path::new(&path)) {
            Ok(bytes) => bytes,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let text = String::from_utf8_lossy(&bytes);
        let list = text
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        match list {
            Some(list) => parse(list).map(Some),
            // Nothing is left of a thread that has just ended.
            None if text.is_empty() => Ok(None),
            None => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{path} has no Cpus_allowed_list"),
            )),
        }
    }

    /// The directories right below one, with their inodes.
    ///
    /// # Errors
    /// As the system call fails.
    pub fn children(&self, path: &[u8]) -> io::Result<Vec<(Vec<u8>, u64)>> {
        let entries = self.host.list(&self.dir(path))?;
        Ok(entries
            .into_iter()
            .filter(|entry| entry.is_dir)
            .map(|entry| {
                let name = entry.name.as_bytes();
                let below = if path.is_empty() {
                    name.to_vec()
                } else {
                    [path, b"/", name].concat()
                };
                (below, entry.inode)
            })
            .collect())
    }

    /// A directory and all below it that are there, parents before children.
    ///
    /// # Errors
    /// As the system call fails, other than for want of a directory.
    pub fn walk(&self, path: &[u8], inode: u64) -> io::Result<Vec<(Vec<u8>, u64)>> {
        let mut found = vec![(path.to_vec(), inode)];
        let mut next = 0;
        while next < found.len() {
            match self.children(&found[next].0) {
                Ok(children) => found.extend(children),
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
            next += 1;
        }
        Ok(found)
    }

    /// The CPUs that are online now; none where the host does not tell.
    #[must_use]
    pub fn online(&self) -> Option<CpuSet> {
        parse(&self.host.text(Path::new(ONLINE_FILE))?).ok()
    }
}

fn parse(text: &str) -> io::Result<CpuSet> {
    CpuSet::parse_list(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
