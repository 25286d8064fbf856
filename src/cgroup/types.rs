//! Plain data of one observation of the cgroup tree.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cpuset::CpuSet;
use crate::placement::Kind;

/// Which hierarchy holds the cpuset controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// A v1 hierarchy, also in hybrid mode.
    V1,
    /// The unified hierarchy.
    V2,
}

/// Identity of a cgroup directory: paths are reused, inodes of one boot are not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContainerKey {
    /// `/proc/sys/kernel/random/boot_id`, as the kernel prints it.
    pub boot_id: String,
    /// Inode of the cgroup directory (cpuset hierarchy).
    pub inode: u64,
}

impl fmt::Display for ContainerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.boot_id, self.inode)
    }
}

/// The kind of directory layout that a container was found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Named by a `[[containers]]` entry.
    Config,
    /// `docker/ID`, `docker-ID.scope`.
    Docker,
    /// containerd or CRI-O outside kubepods.
    Cri,
    /// `libpod-ID.scope`.
    Podman,
    /// Below `kubepods` or `kubepods.slice`.
    Kubepods,
    /// A systemd service or scope.
    Systemd,
    /// `slurm/uid_U/job_J`, `slurmstepd.scope`.
    Slurm,
    /// `lxc/NAME`, `lxc.payload.NAME`.
    Lxc,
}

/// Where a container's request comes from, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestSource {
    /// `cpus` of the configuration.
    Config,
    /// ceil(quota / period).
    Quota,
    /// Size of the original cpuset, a strict subset of the parent's.
    OriginalCpuset,
    /// CPU shares or weight where they mean a request (kubepods).
    Shares,
    /// None of these.
    None,
}

/// What a container asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Whole threads (r_k), rounded up; none if unknown.
    pub cpus: Option<u32>,
    /// The same before rounding, milli-CPU.
    pub mcpu: Option<u64>,
    /// Where it comes from.
    pub source: RequestSource,
    /// Whether `kind` below comes from the configuration.
    pub kind_configured: bool,
    /// Static, burst or pooled.
    pub kind: Kind,
}

/// CFS bandwidth control counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttling {
    /// Enforcement periods that have elapsed.
    pub periods: u64,
    /// Periods in which the group was throttled.
    pub throttled: u64,
}

/// What is known of a container beside its cgroup; missing is fine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// Owner: pod namespace, user, unit slice.
    pub owner: Option<String>,
    /// Image reference.
    pub image: Option<String>,
    /// Application or container name.
    pub app: Option<String>,
    /// Memory limit, bytes.
    pub memory_bytes: Option<u64>,
    /// Network limit, bit/s.
    pub network_bps: Option<u64>,
}

/// One cgroup directory with its cpuset files. A v1 directory of another
/// controller never appears here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpusetDir {
    /// Identity of the directory.
    pub key: ContainerKey,
    /// Path below the cpuset mount, raw bytes of the file system, no leading slash.
    pub path: Vec<u8>,
    /// `cpuset.cpus` as a set (v2: empty means the parent's).
    pub cpus: CpuSet,
    /// `cpuset.cpus.effective` (v2) or `cpuset.effective_cpus` (v1).
    pub effective: CpuSet,
    /// `cpuset.mems`, as text.
    pub mems: String,
    /// `cpuset.cpu_exclusive` (v1).
    pub exclusive: bool,
    /// `cpuset.cpus.partition` when it is not `member` (v2).
    pub partition: Option<String>,
}

/// Threads of a container whose own affinity is narrower than its cpuset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// Threads seen.
    pub threads: u32,
    /// Threads with an affinity narrower than the effective set.
    pub pinned: u32,
}

/// Whether cpufence may write a container's cpuset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fence {
    /// Yes.
    Managed,
    /// No, for the reason given (another writer, self-pinned, exclusive...).
    LeftAlone(String),
}

/// A container as observed in one round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Identity.
    pub key: ContainerKey,
    /// Display name: the path below the mount; bytes that are control,
    /// backslash or not UTF-8 as `\xNN`. Safe for a terminal.
    pub id: String,
    /// How it was found.
    pub layout: Layout,
    /// Its own directory first, then every descendant, parents before children.
    pub subtree: Vec<CpusetDir>,
    /// Effective set of its parent directory: the most it can have.
    pub parent_effective: CpuSet,
    /// What it asks for.
    pub request: Request,
    /// CFS quota, milli-CPU; none: unlimited or unknown.
    pub quota_mcpu: Option<u64>,
    /// CPU time used since its start, nanoseconds; none: no accounting.
    pub usage_ns: Option<u64>,
    /// Bandwidth control counters.
    pub throttling: Option<Throttling>,
    /// What is known beside the cgroup.
    pub context: Context,
    /// NUMA node that holds most of its memory.
    pub home: Option<u32>,
    /// Its threads' own affinity.
    pub pinned: Pinned,
    /// Larger keeps its exclusivity longer on an over-full host; 0 unless
    /// the configuration says otherwise.
    pub priority: i32,
    /// Whether we may fence it.
    pub fence: Fence,
}

impl Container {
    /// Its own directory.
    ///
    /// # Panics
    /// If `subtree` is empty, which discovery never makes.
    #[must_use]
    pub fn dir(&self) -> &CpusetDir {
        &self.subtree[0]
    }
}
