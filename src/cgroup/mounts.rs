//! Which control group hierarchies the host has mounted, and where.
//!
//! Source: `/proc/self/mountinfo` (proc_pid_mountinfo(5)),
//! `Documentation/admin-guide/cgroup-v1/cgroups.rst`, `cgroup-v2.rst`.
//!
//! A v1 hierarchy is named by the controllers in its super block's options; two
//! controllers may share one (`cpu,cpuacct`). The unified hierarchy has file
//! system type `cgroup2`. Of several mounts of the same controller that are
//! visible, one that shows the whole hierarchy (root `/`) comes before one that
//! shows a part, then the first in the file's order. The cpuset controller is
//! either on a v1 hierarchy or in the unified one, never in both: a v1 mount
//! of it decides, and with a unified mount beside it the host is *hybrid*.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Host, Version};
use crate::report::escape_name;

const MOUNTINFO: &str = "/proc/self/mountinfo";

/// A mounted control group hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// v1 or v2.
    pub version: Version,
    /// Mount point, as the host sees it.
    pub point: PathBuf,
    /// The directory of the hierarchy that is mounted there, without slashes
    /// at either end; empty for the whole hierarchy.
    pub root: Vec<u8>,
    /// Whether it is mounted read-only.
    pub read_only: bool,
}

impl Mount {
    /// The directory at `path` below this mount.
    #[must_use]
    pub fn dir(&self, path: &[u8]) -> PathBuf {
        self.point.join(OsStr::from_bytes(path))
    }

    /// The directory that has, in this hierarchy, the place that `path` has
    /// below `other`; none if this mount does not show it.
    #[must_use]
    pub fn same_place(&self, other: &Self, path: &[u8]) -> Option<PathBuf> {
        if self.root == other.root {
            return Some(self.dir(path));
        }
        let whole = join(&other.root, path);
        strip(&whole, &self.root).map(|rest| self.dir(rest))
    }
}

/// `a/b`, where either may be empty.
pub(super) fn join(a: &[u8], b: &[u8]) -> Vec<u8> {
    match (a, b) {
        ([], rest) | (rest, []) => rest.to_vec(),
        _ => [a, b"/", b].concat(),
    }
}

/// `path` below `base`; none if it lies elsewhere.
fn strip<'a>(path: &'a [u8], base: &[u8]) -> Option<&'a [u8]> {
    let rest = path.strip_prefix(base)?;
    match rest {
        [] => Some(rest),
        _ if base.is_empty() => Some(rest),
        [b'/', below @ ..] => Some(below),
        _ => None,
    }
}

/// Where each controller is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Which version holds the cpuset controller.
    pub version: Version,
    /// Whether v1 and v2 are mounted both.
    pub hybrid: bool,
    /// Where the cpuset controller is.
    pub cpuset: Mount,
    /// Where `cpu.cfs_quota_us` or `cpu.max` is.
    pub cpu: Option<Mount>,
    /// Where `cpuacct.usage` is; v2: where `cpu.stat` is.
    pub cpuacct: Option<Mount>,
    /// Where memory limits and `memory.numa_stat` are.
    pub memory: Option<Mount>,
    /// The unified hierarchy, in hybrid mode too.
    pub unified: Option<Mount>,
}

impl Hierarchy {
    /// Finds the hierarchies of `host`.
    ///
    /// # Errors
    /// If there is no cpuset controller that children can use: says which
    /// command changes that, and its effect.
    pub fn read(host: &dyn Host) -> Result<Self, HierarchyError> {
        read_hierarchy(host)
    }

    /// A directory of the cpuset hierarchy.
    #[must_use]
    pub fn dir(&self, path: &[u8]) -> PathBuf {
        self.cpuset.dir(path)
    }

    /// The file with the CPUs of a directory.
    #[must_use]
    pub fn cpus_file(&self, path: &[u8]) -> PathBuf {
        self.dir(path).join("cpuset.cpus")
    }
}

/// Why containers cannot be fenced on this host, with what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HierarchyError {
    /// The list of mounts cannot be read.
    #[error(
        "cannot read {MOUNTINFO}: {0}; mount proc, or check that --root names a whole host tree"
    )]
    Unreadable(String),
    /// Nothing of type cgroup or cgroup2 is mounted.
    #[error(
        "no control group hierarchy is mounted: run 'mount -t cgroup2 none /sys/fs/cgroup'; \
         it only makes the groups visible"
    )]
    NotMounted,
    /// v1 hierarchies are mounted, none with cpuset, and the unified one has none.
    #[error(
        "the cpuset controller is not mounted: run 'mkdir -p {at} && mount -t cgroup -o cpuset cpuset {at}'; \
         it creates one group with all CPUs and changes no process"
    )]
    NoV1Cpuset {
        /// Where it is customary.
        at: String,
    },
    /// v1 with file names of before 2.6.25.
    #[error(
        "the cpuset hierarchy at {} is mounted with 'noprefix' (or as type cpuset): mount it once more with \
         'mount -t cgroup -o cpuset'; nothing else changes", point.display()
    )]
    NoPrefix {
        /// Its mount point.
        point: PathBuf,
    },
    /// Switched off or not built in.
    #[error(
        "the kernel has no cpuset controller in {}: {why}", dir.display()
    )]
    NoController {
        /// The unified mount.
        dir: PathBuf,
        /// Why, and what to do.
        why: String,
    },
    /// v2: not handed to children.
    #[error(
        "the cpuset controller is not enabled below {}: run '{command}'; on kernels before 6.2 this resets the CPU \
         affinity of every process there for good (taskset, CPUAffinity=)", dir.display()
    )]
    NotEnabled {
        /// The directory whose children have no cpuset files.
        dir: PathBuf,
        /// The one command that changes it.
        command: String,
    },
}

impl HierarchyError {
    /// For v2 directories, topmost first, whose `cgroup.subtree_control` lacks
    /// cpuset.
    #[must_use]
    pub fn not_enabled(dirs: &[PathBuf]) -> Self {
        let files: Vec<String> = dirs
            .iter()
            .map(|dir| shell_quote(&dir.join("cgroup.subtree_control")))
            .collect();
        // tee writes its files in the order given, parents first.
        let command = match files.as_slice() {
            [one] => format!("echo +cpuset > {one}"),
            several => format!("echo +cpuset | tee {}", several.join(" ")),
        };
        Self::NotEnabled {
            dir: dirs.first().cloned().unwrap_or_default(),
            command,
        }
    }
}

/// A path as one word of a POSIX shell; unsafe names in `$'..'` form (bash).
fn shell_quote(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._-:@%+=,".contains(b);
    let escaped = escape_name(bytes);
    if bytes.iter().all(plain) {
        escaped
    } else if escaped.as_bytes() == bytes {
        format!("'{}'", escaped.replace('\'', "'\\''"))
    } else {
        format!("$'{}'", escaped.replace('\'', "\\'"))
    }
}

/// One line of mountinfo.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    id: u64,
    parent: u64,
    root: Vec<u8>,
    point: Vec<u8>,
    options: Vec<u8>,
    fs_type: Vec<u8>,
    super_options: Vec<u8>,
}

impl Line {
    fn has_super_option(&self, name: &[u8]) -> bool {
        self.super_options
            .split(|&b| b == b',')
            .any(|option| option == name)
    }

    fn mount(&self) -> Mount {
        let ro = |options: &[u8]| options.split(|&b| b == b',').any(|option| option == b"ro");
        Mount {
            version: if self.fs_type == b"cgroup2" {
                Version::V2
            } else {
                Version::V1
            },
            point: PathBuf::from(OsStr::from_bytes(&self.point)),
            root: self
                .root
                .trim_ascii()
                .strip_prefix(b"/")
                .unwrap_or(&self.root)
                .to_vec(),
            read_only: ro(&self.options) || ro(&self.super_options),
        }
    }
}

/// Undoes the kernel's `\ooo` escapes (`fs/proc_namespace.c`, `mangle`).
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        match tail {
            [
                a @ b'0'..=b'3',
                b @ b'0'..=b'7',
                c @ b'0'..=b'7',
                after @ ..,
            ] if byte == b'\\' => {
                out.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = after;
            }
            _ => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    out
}

/// Reads one line; none for what no kernel writes, which is passed over: a
/// foreign line must not hide the ones that count.
fn parse_line(line: &[u8]) -> Option<Line> {
    let mut fields = line.split(|&b| b == b' ');
    let number = |field: Option<&[u8]>| str::from_utf8(field?).ok()?.parse().ok();
    let id = number(fields.next())?;
    let parent = number(fields.next())?;
    let _device = fields.next()?;
    let root = unescape(fields.next()?);
    let point = unescape(fields.next()?);
    let options = fields.next()?.to_vec();
    // Optional fields (shared:N, master:N ...) end with a hyphen.
    fields.by_ref().find(|field| field == b"-")?;
    let fs_type = unescape(fields.next()?);
    let _source = fields.next()?;
    let super_options = fields.next().unwrap_or_default().to_vec();
    (point.first() == Some(&b'/')).then_some(Line {
        id,
        parent,
        root,
        point,
        options,
        fs_type,
        super_options,
    })
}

/// Whether something was mounted over `line`, so that its path leads elsewhere.
fn is_hidden(line: &Line, lines: &[Line]) -> bool {
    let mut chain = vec![line];
    while let Some(parent) = chain
        .last()
        .and_then(|last| lines.iter().find(|l| l.id == last.parent))
    {
        if chain.iter().any(|l| l.id == parent.id) {
            break;
        }
        chain.push(parent);
    }
    lines.iter().any(|other| {
        chain.iter().any(|l| l.id == other.parent)
            && !chain.iter().any(|l| l.id == other.id)
            && strip(&line.point, trim_slash(&other.point)).is_some()
    })
}

fn trim_slash(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

/// The visible control group mounts, those of a whole hierarchy first.
fn parse_mountinfo(bytes: &[u8]) -> Vec<Line> {
    let lines: Vec<Line> = bytes
        .split(|&b| b == b'\n')
        .filter_map(parse_line)
        .collect();
    let mut groups: Vec<Line> = lines
        .iter()
        .filter(|l| l.fs_type == b"cgroup" || l.fs_type == b"cgroup2")
        .filter(|l| !is_hidden(l, &lines))
        .cloned()
        .collect();
    groups.sort_by_key(|l| l.root != b"/");
    groups
}

fn read_hierarchy(host: &dyn Host) -> Result<Hierarchy, HierarchyError> {
    let bytes = host
        .read(Path::new(MOUNTINFO))
        .map_err(|e| HierarchyError::Unreadable(e.to_string()))?;
    let groups = parse_mountinfo(&bytes);
    if groups.is_empty() {
        return Err(HierarchyError::NotMounted);
    }
    let v1 = |controller: &[u8]| {
        groups
            .iter()
            .find(|l| l.fs_type == b"cgroup" && l.has_super_option(controller))
    };
    let unified = groups
        .iter()
        .find(|l| l.fs_type == b"cgroup2")
        .map(Line::mount);
    let either = |controller: &[u8]| v1(controller).map(Line::mount).or_else(|| unified.clone());
    let cpuset = match (v1(b"cpuset"), &unified) {
        (Some(line), _) if line.has_super_option(b"noprefix") => {
            return Err(HierarchyError::NoPrefix {
                point: line.mount().point,
            });
        }
        (Some(line), _) => line.mount(),
        (None, Some(unified)) => {
            let any_v1 = groups.iter().find(|l| l.fs_type == b"cgroup");
            check_unified(host, unified, any_v1)?;
            unified.clone()
        }
        (None, None) => return Err(missing_v1(&groups[0])),
    };
    Ok(Hierarchy {
        version: cpuset.version,
        hybrid: unified.is_some() && groups.iter().any(|l| l.fs_type == b"cgroup"),
        cpuset,
        cpu: either(b"cpu"),
        cpuacct: either(b"cpuacct"),
        memory: either(b"memory"),
        unified,
    })
}

/// The error for v1 hierarchies without cpuset: names a directory beside `other`.
fn missing_v1(other: &Line) -> HierarchyError {
    let beside = Path::new(OsStr::from_bytes(&other.point))
        .parent()
        .unwrap_or(Path::new("/sys/fs/cgroup"));
    HierarchyError::NoV1Cpuset {
        at: shell_quote(&beside.join("cpuset")),
    }
}

/// Checks that the unified hierarchy has cpuset and hands it to its children.
fn check_unified(
    host: &dyn Host,
    unified: &Mount,
    any_v1: Option<&Line>,
) -> Result<(), HierarchyError> {
    let lists = |file: &str| {
        host.text(&unified.point.join(file))
            .is_some_and(|text| has_word(&text, "cpuset"))
    };
    if !lists("cgroup.controllers") {
        return Err(match (cpuset_in_kernel(host), any_v1) {
            (Some(CpusetInKernel::OnV1), Some(other)) => missing_v1(other),
            // On no hierarchy yet and v1 in use: either place would do, v1 is the host's way.
            (Some(CpusetInKernel::Free), Some(other)) => missing_v1(other),
            (Some(CpusetInKernel::OnV1), None) => HierarchyError::NoController {
                dir: unified.point.clone(),
                why: "a v1 hierarchy holds it that is not mounted here: unmount that one, or run in the host's own \
                      mount namespace"
                    .into(),
            },
            (Some(CpusetInKernel::Disabled), _) => HierarchyError::NoController {
                dir: unified.point.clone(),
                why: "it is disabled: remove 'cgroup_disable=cpuset' from the kernel's command line and reboot".into(),
            },
            (Some(CpusetInKernel::Free), None) | (None, _) if !unified.root.is_empty() => {
                HierarchyError::NoController {
                    dir: unified.point.clone(),
                    why: "it is not delegated to this part of the hierarchy: run on the host itself".into(),
                }
            }
            (Some(CpusetInKernel::Free) | None, _) => HierarchyError::NoController {
                dir: unified.point.clone(),
                why: "it lists other controllers only: run on the host itself, on a kernel built with CONFIG_CPUSETS"
                    .into(),
            },
        });
    }
    if lists("cgroup.subtree_control") {
        Ok(())
    } else {
        Err(HierarchyError::not_enabled(std::slice::from_ref(
            &unified.point,
        )))
    }
}

pub(super) fn has_word(text: &str, word: &str) -> bool {
    text.split_ascii_whitespace().any(|w| w == word)
}

enum CpusetInKernel {
    Disabled,
    OnV1,
    Free,
}

/// What `/proc/cgroups` says of cpuset; none if it is not listed.
fn cpuset_in_kernel(host: &dyn Host) -> Option<CpusetInKernel> {
    let text = host.text(Path::new("/proc/cgroups"))?;
    let line = text
        .lines()
        .find(|l| l.split_ascii_whitespace().next() == Some("cpuset"))?;
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    Some(match (fields.get(1), fields.get(3)) {
        (_, Some(&"0")) => CpusetInKernel::Disabled,
        (Some(&hierarchy), _) if hierarchy != "0" => CpusetInKernel::OnV1,
        _ => CpusetInKernel::Free,
    })
}

#[cfg(test)]
mod tests;
