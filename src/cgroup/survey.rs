//! What on this host helps, hinders or competes with fencing: the facts behind
//! `cpufence doctor`. Reads only; what cannot be read counts as absent.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::managers::{KUBELET_CONFIG, KUBELET_STATE, Owners, process_names, setting};
use super::mounts::has_word;
use super::writes::parent_path;
use super::{Container, Fence, Hierarchy, Host, Observation, Version};
use crate::cpuset::CpuSet;
use crate::report::escape_name;

/// Most unit files that are looked at for `AllowedCPUs=`.
const MOST_UNITS: usize = 4096;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Info,
    /// Something competes with cpufence or limits it.
    Warn,
    /// Nothing can be fenced.
    Problem,
}

/// One finding of `doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    /// What it is about, one word.
    pub(crate) topic: &'static str,
    /// What was found, safe for a terminal.
    pub(crate) found: String,
    /// What cpufence does about it, and what the operator can do.
    pub(crate) next: Option<String>,
}

impl Finding {
    pub(crate) fn new(level: Level, topic: &'static str, found: impl Into<String>) -> Self {
        Self {
            level,
            topic,
            found: found.into(),
            next: None,
        }
    }

    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

/// The kernel's release, e.g. `6.12.3-amd64`.
pub(crate) fn kernel_release(host: &dyn Host) -> Option<String> {
    let text = host.text(Path::new("/proc/sys/kernel/osrelease"))?;
    Some(escape_name(text.as_bytes()))
}

/// What follows from the kernel's version.
pub(crate) fn kernel(release: Option<&str>, version: Option<Version>) -> Vec<Finding> {
    let Some(release) = release else {
        return vec![Finding::new(Level::Info, "kernel", "release unknown")];
    };
    let mut findings = vec![Finding::new(
        Level::Ok,
        "kernel",
        format!("Linux {release}"),
    )];
    let Some(number) = parse_release(release) else {
        return findings;
    };
    if number < (6, 2) {
        findings.push(
            Finding::new(
                Level::Info,
                "kernel",
                "before 6.2, a cpuset write resets the affinity that threads chose, for good",
            )
            .next("containers with such threads are left alone and named by status"),
        );
    }
    if version == Some(Version::V2) && number < (6, 20) {
        findings.push(
            Finding::new(
                Level::Info,
                "kernel",
                "before about 6.20, the cpuset of a group with processes cannot be emptied: \
                 'No space left on device' (ENOSPC) on cpuset.cpus means this, not a full disk",
            )
            .next("restore writes the parent's CPUs instead, which allows the same"),
        );
    }
    findings
}

fn parse_release(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Mounts and controllers.
pub(crate) fn hierarchy(host: &dyn Host, hierarchy: &Hierarchy) -> Vec<Finding> {
    let version = match (hierarchy.version, hierarchy.hybrid) {
        (Version::V1, false) => "v1",
        (Version::V1, true) => "v1 beside a unified tree (hybrid)",
        (Version::V2, false) => "v2",
        (Version::V2, true) => "v2 beside v1 controllers (hybrid)",
    };
    let point = shown(&hierarchy.cpuset.point);
    let mut findings = vec![Finding::new(
        Level::Ok,
        "cgroups",
        format!("{version}, cpuset at {point}"),
    )];
    if hierarchy.cpuset.read_only {
        findings.push(
            Finding::new(
                Level::Problem,
                "cgroups",
                format!("{point} is mounted read-only"),
            )
            .next(format!("run 'mount -o remount,rw {point}' on the host")),
        );
    }
    let mut missing = |name: &str, level, consequence: &str| {
        let command = match hierarchy.unified.as_ref() {
            Some(unified) => format!(
                "{consequence}; 'echo +{name} > {}/cgroup.subtree_control' changes that",
                shown(&unified.point)
            ),
            None => consequence.to_string(),
        };
        findings.push(
            Finding::new(
                level,
                "cgroups",
                format!("the {name} controller is not available to containers"),
            )
            .next(command),
        );
    };
    // On v2, cpu.stat has the usage whether or not a controller is enabled.
    if hierarchy.cpuacct.is_none() {
        missing(
            "cpuacct",
            Level::Warn,
            "no usage is known: every prediction is the request",
        );
    }
    let enabled = |mount: Option<&super::Mount>, name: &str| {
        mount.is_some_and(|m| {
            m.version == Version::V1
                || host
                    .text(&m.point.join("cgroup.subtree_control"))
                    .is_some_and(|text| has_word(&text, name))
        })
    };
    if !enabled(hierarchy.cpu.as_ref(), "cpu") {
        missing(
            "cpu",
            Level::Warn,
            "quotas, shares and throttling are unknown: name containers and cpus in [[containers]]",
        );
    }
    if !enabled(hierarchy.memory.as_ref(), "memory") {
        missing(
            "memory",
            Level::Info,
            "memory limits and home nodes are unknown",
        );
    }
    findings
}

/// Whether cpusets may be written: those of the containers, else the mount.
pub(crate) fn permission(
    host: &dyn Host,
    hierarchy: &Hierarchy,
    containers: &[Container],
) -> Finding {
    let managed = containers.iter().filter(|c| c.fence == Fence::Managed);
    let mut files: Vec<PathBuf> = managed
        .map(|c| hierarchy.cpus_file(&c.dir().path))
        .collect();
    if files.is_empty() {
        files.push(hierarchy.dir(b"").join("cgroup.procs"));
    }
    let refused = files.iter().find_map(|file| {
        let error = host.check_writable(file).err()?;
        (error.kind() != std::io::ErrorKind::NotFound).then_some((file, error))
    });
    match refused {
        None => Finding::new(Level::Ok, "permission", "cpusets can be written"),
        Some((file, error)) => Finding::new(
            Level::Problem,
            "permission",
            format!("{} cannot be written: {error}", shown(file)),
        )
        .next("run apply and restore as root ('sudo cpufence apply'); the others need no root"),
    }
}

/// The containers: which are left alone, which cannot be reached, and which
/// directories above them are narrower than the host.
pub(crate) fn containers(
    host: &dyn Host,
    hierarchy: &Hierarchy,
    observation: &Observation,
) -> Vec<Finding> {
    let all = &observation.containers;
    let managed = all.iter().filter(|c| c.fence == Fence::Managed).count();
    let mut findings = vec![if all.is_empty() {
        Finding::new(Level::Info, "containers", "none found")
            .next("name them by [[containers]] entries in /etc/cpufence/config.toml")
    } else {
        Finding::new(
            Level::Ok,
            "containers",
            format!(
                "{managed} may be fenced, {} are left alone",
                all.len() - managed
            ),
        )
    }];
    findings.extend(all.iter().filter_map(|c| match &c.fence {
        Fence::Managed => None,
        Fence::LeftAlone(reason) => Some(Finding::new(
            Level::Info,
            "containers",
            format!("{} is left alone: {reason}", c.id),
        )),
    }));
    let level = if all.is_empty() {
        Level::Problem
    } else {
        Level::Warn
    };
    findings.extend(observation.blocked.iter().map(|b| {
        Finding::new(
            level,
            "containers",
            format!("{} cannot be fenced: {}", b.id, b.error),
        )
    }));
    findings.extend(all.iter().filter_map(throttled));
    findings.extend(narrow_ancestors(host, hierarchy, observation));
    findings
}

/// A quota below what the cpuset allows throttles: pinned or not.
fn throttled(container: &Container) -> Option<Finding> {
    let quota = container.quota_mcpu?;
    let effective = &container.dir().effective;
    let fenced = effective != &container.parent_effective;
    let cpus = effective.len() as u64;
    (fenced && quota < 1000 * cpus).then(|| {
        Finding::new(
            Level::Info,
            "quota",
            format!(
                "{}: a quota of {}.{:03} CPUs on a cpuset of {cpus} CPUs throttles it before the set is used up",
                container.id,
                quota / 1000,
                quota % 1000
            ),
        )
        .next("cpufence never changes quotas; raise or drop the quota where the set is the limit you want")
    })
}

/// Directories above containers, and those that runtimes make, which have fewer
/// CPUs than the mount: on v1 every CPU that was ever offline is gone from them.
fn narrow_ancestors(
    host: &dyn Host,
    hierarchy: &Hierarchy,
    observation: &Observation,
) -> Vec<Finding> {
    const MADE_BY_RUNTIMES: [&[u8]; 8] = [
        b"docker",
        b"kubepods",
        b"kubepods.slice",
        b"k8s.io",
        b"lxc",
        b"machine.slice",
        b"slurm",
        b"system.slice",
    ];
    let mut paths: BTreeSet<Vec<u8>> = MADE_BY_RUNTIMES.iter().map(|p| p.to_vec()).collect();
    for container in &observation.containers {
        let mut path = parent_path(&container.dir().path);
        while !path.is_empty() {
            paths.insert(path.to_vec());
            path = parent_path(path);
        }
    }
    let file = match hierarchy.version {
        Version::V1 => "cpuset.cpus",
        Version::V2 => "cpuset.cpus.effective",
    };
    let read = |path: &[u8]| CpuSet::parse_list(&host.text(&hierarchy.dir(path).join(file))?).ok();
    let mut known: BTreeMap<&[u8], CpuSet> = BTreeMap::new();
    known.insert(b"", observation.root_effective.clone());
    let mut findings = Vec::new();
    // Ascending: a directory comes before those below it.
    for path in &paths {
        let Some(cpus) = read(path) else { continue };
        let above = known
            .get(parent_path(path))
            .unwrap_or(&observation.root_effective);
        let missing = above.difference(&cpus);
        if !missing.is_empty() && !cpus.is_empty() {
            let dir = shown(&hierarchy.dir(path));
            let finding = Finding::new(
                Level::Warn,
                "ancestors",
                format!(
                    "{dir} has CPUs {cpus}, its parent has {missing} besides: containers below it cannot use those"
                ),
            );
            findings.push(match hierarchy.version {
                Version::V1 => finding.next(format!(
                    "a CPU that was offline for a moment is lost to v1 cpusets; if nobody meant it, run \
                     'echo {above} > {dir}/cpuset.cpus'"
                )),
                Version::V2 => finding.next("somebody narrowed it, or a partition took the CPUs; cpufence plans within it"),
            });
        }
        known.insert(path, cpus);
    }
    findings
}

/// Everyone else who sets CPUs.
pub(crate) fn other_managers(host: &dyn Host, hierarchy: Option<&Hierarchy>) -> Vec<Finding> {
    let names = process_names(host);
    let mut findings = owners(host, &names);
    findings.extend(daemons(host, &names));
    findings.extend(kernel_isolation(host, hierarchy));
    findings.extend(docker_cpusets(host));
    findings.extend(systemd_units(host));
    if findings.is_empty() {
        findings.push(Finding::new(
            Level::Ok,
            "managers",
            "no other manager of CPUs found",
        ));
    }
    findings
}

/// Managers that own cpusets, and their milder settings.
fn owners(host: &dyn Host, names: &BTreeSet<String>) -> Vec<Finding> {
    let owners = Owners::with_processes(host, names);
    let mut findings = Vec::new();
    let mut owned = |topic, whose: &str, reason: Option<String>| {
        let found = reason.is_some();
        findings.extend(reason.map(|reason| {
            let (what, next) = reason.split_once("; ").unwrap_or((&reason, ""));
            Finding::new(Level::Warn, topic, format!("for {whose}: {what}"))
                .next(format!("they are left alone; {next}"))
        }));
        found
    };
    let kubelet = owned("kubelet", "pods", owners.kubelet);
    let nri = owned("nri", "pods", owners.nri);
    owned("koordinator", "pods", owners.koordinator);
    let slurm = owned("slurm", "job steps", owners.slurm);
    if !kubelet && (names.contains("kubelet") || host.text(Path::new(KUBELET_STATE)).is_some()) {
        findings.push(
            Finding::new(
                Level::Info,
                "kubelet",
                format!("its CPU manager policy is not static ({KUBELET_STATE}, {KUBELET_CONFIG})"),
            )
            .next("it does not write cpusets of running pods; pods may be fenced"),
        );
    }
    let plugins = host.list(Path::new("/opt/nri/plugins")).unwrap_or_default();
    if !nri && !plugins.is_empty() {
        let list: Vec<String> = plugins
            .iter()
            .map(|e| escape_name(e.name.as_bytes()))
            .collect();
        findings.push(
            Finding::new(
                Level::Info,
                "nri",
                format!("plugins in /opt/nri/plugins: {}", list.join(", ")),
            )
            .next("one that writes cpusets undoes fences; those containers are then left alone"),
        );
    }
    if !slurm && (names.contains("slurmd") || names.contains("slurmstepd")) {
        let affinity = ["/etc/slurm/slurm.conf", "/etc/slurm-llnl/slurm.conf"]
            .iter()
            .find_map(|path| setting(host, path, "TaskPlugin"))
            .is_some_and(|plugins| plugins.to_ascii_lowercase().contains("affinity"));
        findings.push(if affinity {
            Finding::new(
                Level::Warn,
                "slurm",
                "TaskPlugin has task/affinity: it binds the tasks of jobs",
            )
            .next("steps with bound threads are left alone; drop task/affinity from TaskPlugin to fence them")
        } else {
            Finding::new(
                Level::Info,
                "slurm",
                "slurmd runs without ConstrainCores=yes and task/affinity",
            )
            .next("it sets no cpusets; steps may be fenced")
        });
    }
    findings
}

/// Daemons that move processes or interrupts.
fn daemons(host: &dyn Host, names: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if names.contains("numad") {
        findings.push(
            Finding::new(
                Level::Warn,
                "numad",
                "numad binds processes to memory nodes by their affinity",
            )
            .next(
                "containers that it bound are left alone; run 'systemctl disable --now numad', cpufence places by node",
            ),
        );
    }
    if names.contains("irqbalance") {
        let banned = [
            "/etc/default/irqbalance",
            "/etc/sysconfig/irqbalance",
            "/etc/irqbalance.env",
        ]
        .iter()
        .find_map(|path| {
            setting(host, path, "IRQBALANCE_BANNED_CPULIST")
                .or_else(|| setting(host, path, "IRQBALANCE_BANNED_CPUS"))
        });
        let found = match banned.filter(|b| !b.is_empty()) {
            Some(banned) => format!(
                "irqbalance spreads interrupts over all CPUs but {}",
                escape_name(banned.as_bytes())
            ),
            None => "irqbalance spreads interrupts over all CPUs, fenced ones too".to_string(),
        };
        findings.push(Finding::new(Level::Info, "irqbalance", found).next(
            "cpufence leaves interrupts alone; set IRQBALANCE_BANNED_CPULIST to keep them off CPUs that must be quiet",
        ));
    }
    if names.contains("tuned") {
        let profile = host
            .text(Path::new("/etc/tuned/active_profile"))
            .unwrap_or_default();
        if profile.contains("cpu-partitioning") || profile.contains("realtime") {
            findings.push(
                Finding::new(
                    Level::Warn,
                    "tuned",
                    format!(
                        "tuned's profile {} isolates CPUs and moves processes off them",
                        escape_name(profile.as_bytes())
                    ),
                )
                .next("name its isolated_cores in host.system_cpus, or change the profile"),
            );
        }
    }
    if names.contains("nomad") {
        findings.push(
            Finding::new(
                Level::Warn,
                "nomad",
                "a Nomad client runs: it writes the cpusets of its share and reserve groups",
            )
            .next("do not name its groups in [[containers]], or run tasks without 'cores'"),
        );
    }
    findings
}

/// CPUs set aside at boot or by partitions.
fn kernel_isolation(host: &dyn Host, hierarchy: Option<&Hierarchy>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let list = |path: &Path| {
        let set = CpuSet::parse_list(&host.text(path)?).ok()?;
        (!set.is_empty()).then_some(set)
    };
    let from_cmdline = |key: &str| {
        let text = host.text(Path::new("/proc/cmdline"))?;
        let value = text
            .split_ascii_whitespace()
            .find_map(|w| w.strip_prefix(key)?.strip_prefix('='))?;
        Some(escape_name(value.as_bytes()))
    };
    for (key, file, level, next) in [
        (
            "isolcpus",
            "/sys/devices/system/cpu/isolated",
            Level::Info,
            "containers are not given these CPUs: the scheduler does not balance over them",
        ),
        (
            "nohz_full",
            "/sys/devices/system/cpu/nohz_full",
            Level::Info,
            "containers may be given these CPUs; name them in host.system_cpus if they are meant for others",
        ),
    ] {
        // The sysfs file is what holds; the kernel prints "(null)" for none.
        let found = list(Path::new(file))
            .map(|set| set.to_string())
            .or_else(|| {
                host.text(Path::new(file))
                    .is_none()
                    .then(|| from_cmdline(key))?
            });
        findings.extend(found.map(|cpus| {
            Finding::new(level, "isolation", format!("{key}: CPUs {cpus}")).next(next)
        }));
    }
    let Some(hierarchy) = hierarchy.filter(|h| h.version == Version::V2) else {
        return findings;
    };
    if let Some(cpus) = list(&hierarchy.dir(b"").join("cpuset.cpus.isolated")) {
        findings.push(
            Finding::new(
                Level::Warn,
                "partitions",
                format!("isolated cpuset partitions hold CPUs {cpus}"),
            )
            .next("they are taken out of the parent's CPUs; containers are not given them"),
        );
    }
    for entry in host.list(&hierarchy.dir(b"")).unwrap_or_default() {
        let dir = hierarchy.dir(entry.name.as_bytes());
        let state = entry
            .is_dir
            .then(|| host.text(&dir.join("cpuset.cpus.partition")))
            .flatten();
        if let Some(state) = state.filter(|s| !s.is_empty() && s != "member") {
            let found = format!(
                "{} is a cpuset partition ({})",
                shown(&dir),
                escape_name(state.as_bytes())
            );
            findings.push(Finding::new(Level::Warn, "partitions", found).next(
                "its CPUs are not the containers' elsewhere; write 'member' to cpuset.cpus.partition to give them back",
            ));
        }
    }
    findings
}

#[derive(Deserialize)]
struct DockerHostConfig {
    #[serde(rename = "CpusetCpus")]
    cpus: Option<String>,
}

/// Containers that Docker was told to pin.
fn docker_cpusets(host: &dyn Host) -> Vec<Finding> {
    let dir = super::context::docker_dir(host).join("containers");
    let mut pinned = Vec::new();
    for entry in host.list(&dir).unwrap_or_default() {
        let text = host.text(&dir.join(&entry.name).join("hostconfig.json"));
        let config = text.and_then(|t| serde_json::from_str::<DockerHostConfig>(&t).ok());
        if let Some(cpus) = config.and_then(|c| c.cpus).filter(|c| !c.is_empty()) {
            let id = escape_name(entry.name.as_bytes());
            let id: String = id.chars().take(12).collect();
            pinned.push(format!("{id} on {}", escape_name(cpus.as_bytes())));
        }
    }
    if pinned.is_empty() {
        return Vec::new();
    }
    vec![
        Finding::new(
            Level::Info,
            "docker",
            format!(
                "containers started with --cpuset-cpus: {}",
                pinned.join(", ")
            ),
        )
        .next(
            "the size of that set is their request, they may be moved; any 'docker update' writes the old set back",
        ),
    ]
}

/// Units that bind their processes.
fn systemd_units(host: &dyn Host) -> Vec<Finding> {
    const DIRS: [&str; 6] = [
        "/etc/systemd/system",
        "/etc/systemd/system.control",
        "/run/systemd/system",
        "/run/systemd/system.control",
        "/run/systemd/transient",
        "/usr/lib/systemd/system",
    ];
    let mut files = vec![PathBuf::from("/etc/systemd/system.conf")];
    for dir in DIRS {
        for entry in host.list(Path::new(dir)).unwrap_or_default() {
            let path = Path::new(dir).join(&entry.name);
            if entry.is_dir && entry.name.as_bytes().ends_with(b".d") {
                let below = host.list(&path).unwrap_or_default();
                files.extend(below.iter().map(|e| path.join(&e.name)));
            } else if !entry.is_dir && is_unit_file(&entry.name) {
                files.push(path);
            }
        }
    }
    let mut bound = Vec::new();
    for file in files.iter().take(MOST_UNITS) {
        let Some(text) = host.text(file) else {
            continue;
        };
        let line = text.lines().find(|line| {
            let value = ["AllowedCPUs=", "StartupAllowedCPUs=", "CPUAffinity="]
                .iter()
                .find_map(|key| line.strip_prefix(key));
            value.is_some_and(|v| !v.trim().is_empty())
        });
        bound
            .extend(line.map(|line| format!("{} ({})", shown(file), escape_name(line.as_bytes()))));
    }
    if bound.is_empty() {
        return Vec::new();
    }
    vec![
        Finding::new(
            Level::Warn,
            "systemd",
            format!("units with CPUs of their own: {}", bound.join(", ")),
        )
        .next(
            "systemd writes a unit's own cgroup again on daemon-reload; use [[containers]] entries that do not name \
             those units, or drop the setting",
        ),
    ]
}

fn is_unit_file(name: &OsStr) -> bool {
    [&b".service"[..], b".scope", b".slice"]
        .iter()
        .any(|end| name.as_bytes().ends_with(end))
}

fn shown(path: &Path) -> String {
    escape_name(path.as_os_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_as_uname_prints_them() {
        assert_eq!(parse_release("6.12.3-amd64"), Some((6, 12)));
        assert_eq!(parse_release("7.0-rc1"), Some((7, 0)));
        assert_eq!(parse_release("5.15.0-1034-aws"), Some((5, 15)));
        assert_eq!(parse_release("weird"), None);
    }

    #[test]
    fn what_a_kernel_cannot_do_is_told() {
        let topics = |release, version| kernel(Some(release), version).len();
        // Affinity before 6.2; emptying on v2 before 6.20.
        assert_eq!(topics("6.1.0", Some(Version::V1)), 2);
        assert_eq!(topics("6.1.0", Some(Version::V2)), 3);
        assert_eq!(topics("6.12.1", Some(Version::V2)), 2);
        assert_eq!(topics("6.20.0", Some(Version::V2)), 1);
        assert_eq!(topics("7.1", Some(Version::V2)), 1);
    }
}
