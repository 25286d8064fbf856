//! The edge that reads the host's CPUs from sysfs.
//!
//! Sources: `Documentation/ABI/stable/sysfs-devices-system-cpu`,
//! `Documentation/admin-guide/cputopology.rst`,
//! `Documentation/ABI/testing/sysfs-devices-system-cpu` (caches, capacity,
//! cpufreq), `Documentation/ABI/stable/sysfs-devices-node`.
//!
//! Rules, each learnt from a real machine:
//! - A file that is missing means "not so": old kernels have masks and no
//!   lists, guests have no caches, a CPU without an `online` flag is always on.
//! - A file whose content is no list, names CPUs that disagree with another
//!   file, or leaves out the CPU it belongs to, is an error: guessing would put
//!   two containers on one core.
//! - Groups come from the kernel's sibling sets, never from ids: `core_id`
//!   repeats within a package, a cache's `id` repeats or is absent.
//! - A CPU that is offline may still have a directory with topology files, and
//!   node and sibling sets of old kernels name offline CPUs: every set is cut
//!   to the online CPUs.
//! - CPUs come and go while files are read: the list of online CPUs is read
//!   again afterwards, and the whole starts over if it changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Cpu, Topology};
use crate::cgroup::Host;
use crate::cpuset::{CpuId, CpuSet};

mod speed;

const CPU_DIR: &str = "/sys/devices/system/cpu";
const NODE_DIR: &str = "/sys/devices/system/node";

/// Reads that hotplug may spoil before giving up.
const ATTEMPTS: u32 = 4;

/// Why the host's CPUs cannot be known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// A file holds what no kernel writes, or what contradicts another file.
    #[error("{} holds '{value}', expected {expected}; look at the file, or check that --root names a whole sysfs tree", path.display())]
    Malformed {
        /// The file, as the host sees it.
        path: PathBuf,
        /// What it holds, control characters escaped, cut at 80 characters.
        value: String,
        /// What it should hold.
        expected: String,
    },
    /// No CPU, or none that is online.
    #[error("no online CPU under {}; check that sysfs is mounted there, or what --root names", path.display())]
    NoCpus {
        /// The directory, as the host sees it.
        path: PathBuf,
    },
    /// CPUs went on- and offline faster than they could be read.
    #[error("{} changed during each of {attempts} reads; run again when CPU hotplug has settled", path.display())]
    Unsettled {
        /// The list of online CPUs.
        path: PathBuf,
        /// How often it was tried.
        attempts: u32,
    },
}

/// Reads the host's CPUs: which are online, their cores, caches, nodes and
/// sockets, and their relative speeds.
///
/// # Errors
/// Names the first file whose content is malformed or contradicts another; a
/// missing file is never an error unless no CPU is left.
pub fn read_topology(host: &dyn Host) -> Result<Topology, TopologyError> {
    let reader = Reader { host };
    for _ in 0..ATTEMPTS {
        let before = reader.cpus()?;
        let topology = reader.topology(&before);
        if reader.cpus()? == before {
            return topology;
        }
    }
    Err(TopologyError::Unsettled {
        path: Path::new(CPU_DIR).join("online"),
        attempts: ATTEMPTS,
    })
}

/// A set that one file gives for one CPU.
struct Source {
    path: PathBuf,
    set: CpuSet,
}

type Sources = BTreeMap<CpuId, Source>;

#[derive(PartialEq, Eq)]
struct Cpus {
    present: CpuSet,
    online: CpuSet,
}

struct Reader<'a> {
    host: &'a dyn Host,
}

fn malformed(path: &Path, value: &str, expected: impl Into<String>) -> TopologyError {
    let cut: String = value.chars().take(80).collect();
    TopologyError::Malformed {
        path: path.to_path_buf(),
        value: cut.escape_debug().to_string(),
        expected: expected.into(),
    }
}

fn cpu_file(cpu: CpuId, name: &str) -> PathBuf {
    PathBuf::from(format!("{CPU_DIR}/cpu{cpu}/{name}"))
}

/// Groups labelled 0, 1, ... by their smallest CPU.
fn dense_labels(cpus: &CpuSet, set_of: impl Fn(CpuId) -> CpuSet) -> BTreeMap<CpuId, u32> {
    let mut labels = BTreeMap::new();
    let mut next = 0;
    for cpu in cpus.iter() {
        if labels.contains_key(&cpu) {
            continue;
        }
        for member in set_of(cpu).iter() {
            labels.entry(member).or_insert(next);
        }
        labels.insert(cpu, next);
        next += 1;
    }
    labels
}

/// Checks that sets are equal or disjoint.
fn check_partition(sources: &Sources) -> Result<(), TopologyError> {
    for (cpu, source) in sources {
        for member in source.set.iter() {
            let Some(other) = sources.get(&member) else {
                continue;
            };
            if other.set != source.set {
                return Err(malformed(
                    &source.path,
                    &source.set.to_string(),
                    format!(
                        "the online CPUs that {} names ({}), because CPU {cpu} claims CPU {member}",
                        other.path.display(),
                        other.set
                    ),
                ));
            }
        }
    }
    Ok(())
}

impl Reader<'_> {
    fn text(&self, path: &Path) -> Option<String> {
        self.host.text(path)
    }

    fn list(&self, path: &Path) -> Result<Option<CpuSet>, TopologyError> {
        let Some(text) = self.text(path) else {
            return Ok(None);
        };
        // So some kernels print an unset `nohz_full`, padded with spaces.
        if text.trim() == "(null)" {
            return Ok(Some(CpuSet::new()));
        }
        // The parser stops at a newline, as the kernel's does; here it would
        // hide what follows.
        let read = match CpuSet::parse_list(&text) {
            Ok(set) if !text.contains(['\n', '\0']) => Ok(set),
            Ok(_) => Err("more than one line"),
            Err(error) => Err(error.reason),
        };
        read.map(Some).map_err(|reason| {
            let expected = format!("a CPU list such as '0-3,8' ({reason})");
            malformed(path, &text, expected)
        })
    }

    fn mask(&self, path: &Path) -> Result<Option<CpuSet>, TopologyError> {
        let Some(text) = self.text(path) else {
            return Ok(None);
        };
        CpuSet::parse_mask(&text).map(Some).map_err(|e| {
            malformed(
                path,
                &text,
                format!("a CPU mask such as 'ff,00000001' ({})", e.reason),
            )
        })
    }

    fn number(&self, path: &Path) -> Result<Option<i64>, TopologyError> {
        let Some(text) = self.text(path) else {
            return Ok(None);
        };
        text.trim()
            .parse()
            .map(Some)
            .map_err(|_| malformed(path, &text, "a whole number"))
    }

    /// The first of the list files, then the first of the mask files, that
    /// exists for `cpu`; must name `cpu`. Cut to `online`.
    fn set_of(
        &self,
        cpu: CpuId,
        lists: &[&str],
        masks: &[&str],
        online: &CpuSet,
    ) -> Result<Option<Source>, TopologyError> {
        let lists = lists.iter().map(|name| (name, true));
        let masks = masks.iter().map(|name| (name, false));
        for (name, is_list) in lists.chain(masks) {
            let path = cpu_file(cpu, name);
            let read = if is_list {
                self.list(&path)?
            } else {
                self.mask(&path)?
            };
            let Some(set) = read else { continue };
            if !set.contains(cpu) {
                let text = self.text(&path).unwrap_or_default();
                return Err(malformed(
                    &path,
                    &text,
                    format!("a set with CPU {cpu} itself in it"),
                ));
            }
            let set = set.intersection(online);
            return Ok(Some(Source { path, set }));
        }
        Ok(None)
    }

    fn numbered_entries(&self, dir: &str, prefix: &str) -> Vec<u32> {
        let entries = self.host.list(Path::new(dir)).unwrap_or_default();
        let mut numbers: Vec<u32> = entries
            .iter()
            .filter_map(|entry| entry.name.to_str()?.strip_prefix(prefix))
            // `parse` alone would take "+5" too.
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .filter_map(|digits| digits.parse().ok())
            .collect();
        numbers.sort_unstable();
        numbers
    }

    /// Present and online CPUs. Where there is no list of online CPUs, each
    /// CPU's own flag counts, and one without a flag cannot be switched off.
    fn cpus(&self) -> Result<Cpus, TopologyError> {
        let dir = Path::new(CPU_DIR);
        let mut present = match self.list(&dir.join("present"))? {
            Some(set) => set,
            None => self
                .numbered_entries(CPU_DIR, "cpu")
                .into_iter()
                .filter(|&cpu| cpu <= crate::cpuset::MAX_CPU)
                .map(CpuId)
                .collect(),
        };
        let online = match self.list(&dir.join("online"))? {
            Some(set) => set,
            None => {
                let mut online = CpuSet::new();
                for cpu in present.iter() {
                    let path = cpu_file(cpu, "online");
                    match self.text(&path).as_deref() {
                        None | Some("1") => {
                            online.insert(cpu);
                        }
                        Some("0") => {}
                        Some(text) => return Err(malformed(&path, text, "0 or 1")),
                    }
                }
                online
            }
        };
        if online.is_empty() {
            return Err(TopologyError::NoCpus {
                path: dir.to_path_buf(),
            });
        }
        present = present.union(&online);
        Ok(Cpus { present, online })
    }

    fn topology(&self, cpus: &Cpus) -> Result<Topology, TopologyError> {
        let online = &cpus.online;
        let sockets = self.sockets(online)?;
        let cores = self.cores(online, &sockets)?;
        let (caches, no_l3) = self.last_level_caches(online, &cores)?;
        let nodes = self.nodes(online)?;
        for (labels, what) in [(&sockets, "socket"), (&nodes, "NUMA node")] {
            check_cores_inside(&cores, labels, what)?;
        }
        let core_labels = dense_labels(online, |cpu| cores[&cpu].set.clone());
        let l3_labels = dense_labels(online, |cpu| caches[&cpu].clone());
        let speeds = self.speeds(online)?;
        let isolated = self.flags("isolated")?;
        let nohz_full = self.flags("nohz_full")?;

        let cpu = |id: CpuId| {
            let label = |labels: &BTreeMap<CpuId, u32>| labels.get(&id).copied();
            Cpu {
                id,
                core: label(&core_labels),
                l3: label(&l3_labels),
                numa: label(&nodes),
                socket: label(&sockets),
                online: online.contains(id),
                perf: label(&speeds).unwrap_or(1000),
                isolated: isolated.contains(id),
                nohz_full: nohz_full.contains(id),
            }
        };
        Ok(Topology {
            cpus: cpus.present.iter().map(cpu).collect(),
            no_l3,
            dies: self.dies(online)?,
        })
    }

    fn flags(&self, name: &str) -> Result<CpuSet, TopologyError> {
        let set = self.list(&Path::new(CPU_DIR).join(name))?;
        Ok(set.unwrap_or_default())
    }

    /// Socket of each CPU: `physical_package_id`; where the firmware gives none
    /// (-1 or no file), the smallest CPU of the package's set; else 0.
    fn sockets(&self, online: &CpuSet) -> Result<BTreeMap<CpuId, u32>, TopologyError> {
        let mut sockets = BTreeMap::new();
        for cpu in online.iter() {
            let path = cpu_file(cpu, "topology/physical_package_id");
            let id = self.number(&path)?.and_then(|id| u32::try_from(id).ok());
            let socket = match id {
                Some(id) => id,
                None => self
                    .set_of(
                        cpu,
                        &["topology/package_cpus_list", "topology/core_siblings_list"],
                        &["topology/package_cpus", "topology/core_siblings"],
                        online,
                    )?
                    .and_then(|source| source.set.first())
                    .map_or(0, |first| first.0),
            };
            sockets.insert(cpu, socket);
        }
        Ok(sockets)
    }

    /// The threads of each CPU's core. Only a kernel that shows no sibling set
    /// at all leaves `core_id` (unique within socket and die) to go by.
    fn cores(
        &self,
        online: &CpuSet,
        sockets: &BTreeMap<CpuId, u32>,
    ) -> Result<Sources, TopologyError> {
        let mut cores = Sources::new();
        let mut by_id: BTreeMap<(u32, i64, i64), CpuSet> = BTreeMap::new();
        for cpu in online.iter() {
            let set = self.set_of(
                cpu,
                &["topology/core_cpus_list", "topology/thread_siblings_list"],
                &["topology/core_cpus", "topology/thread_siblings"],
                online,
            )?;
            if let Some(source) = set {
                cores.insert(cpu, source);
            } else if let Some(core) = self.number(&cpu_file(cpu, "topology/core_id"))? {
                let die = self.number(&cpu_file(cpu, "topology/die_id"))?;
                let key = (sockets[&cpu], die.unwrap_or(0), core);
                by_id.entry(key).or_default().insert(cpu);
            } else {
                let path = cpu_file(cpu, "topology/core_cpus_list");
                let set = CpuSet::from_iter([cpu]);
                cores.insert(cpu, Source { path, set });
            }
        }
        check_partition(&cores)?;
        for set in by_id.into_values() {
            for cpu in set.iter() {
                let path = cpu_file(cpu, "topology/core_id");
                let set = set.clone();
                cores.insert(cpu, Source { path, set });
            }
        }
        Ok(cores)
    }

    /// The CPUs that share each CPU's L3, and the CPUs that have none: for them
    /// the last-level cache stands in, or the core where that is no larger.
    fn last_level_caches(
        &self,
        online: &CpuSet,
        cores: &Sources,
    ) -> Result<(BTreeMap<CpuId, CpuSet>, CpuSet), TopologyError> {
        let mut l3s = Sources::new();
        let mut others: BTreeMap<i64, Sources> = BTreeMap::new();
        let mut no_l3 = CpuSet::new();
        for cpu in online.iter() {
            match self.last_level_cache(cpu, online)? {
                Some((3, source)) => {
                    l3s.insert(cpu, source);
                }
                found => {
                    no_l3.insert(cpu);
                    if let Some((level, source)) = found {
                        others.entry(level).or_default().insert(cpu, source);
                    }
                }
            }
        }
        check_partition(&l3s)?;
        for sources in others.values() {
            check_partition(sources)?;
        }
        let mut sets = BTreeMap::new();
        for (cpu, core) in cores {
            // A core has one cache: its first thread's, should a guest's
            // sysfs give the threads different ones.
            let first = core.set.first().unwrap_or(*cpu);
            let cache = l3s
                .get(&first)
                .or_else(|| others.values().find_map(|sources| sources.get(&first)));
            let set = cache.map_or_else(|| core.set.clone(), |c| c.set.union(&core.set));
            sets.insert(*cpu, set);
        }
        Ok((sets, no_l3))
    }

    /// Level and CPUs of the L3 of `cpu`, or of its highest cache that holds
    /// data. Instruction caches do not count.
    fn last_level_cache(
        &self,
        cpu: CpuId,
        online: &CpuSet,
    ) -> Result<Option<(i64, Source)>, TopologyError> {
        let mut best: Option<(i64, u32)> = None;
        let dir = format!("{CPU_DIR}/cpu{cpu}/cache");
        // The highest index is the L3 nearly everywhere.
        for index in self.numbered_entries(&dir, "index").into_iter().rev() {
            let file = |name: &str| PathBuf::from(format!("{dir}/index{index}/{name}"));
            let Some(level) = self.number(&file("level"))? else {
                continue;
            };
            let kind = self.text(&file("type"));
            let holds_data = match kind.as_deref() {
                Some("Instruction") => false,
                Some("Unified") | None => true,
                Some("Data") => level != 3,
                Some(text) => {
                    return Err(malformed(
                        &file("type"),
                        text,
                        "Unified, Data or Instruction",
                    ));
                }
            };
            let shown = ["shared_cpu_list", "shared_cpu_map"]
                .iter()
                .any(|name| self.text(&file(name)).is_some());
            if !holds_data || !shown {
                continue;
            }
            if level == 3 {
                best = Some((level, index));
                break;
            }
            if best.is_none_or(|(highest, _)| level > highest) {
                best = Some((level, index));
            }
        }
        let Some((level, index)) = best else {
            return Ok(None);
        };
        let list = format!("cache/index{index}/shared_cpu_list");
        let mask = format!("cache/index{index}/shared_cpu_map");
        let source = self.set_of(cpu, &[&list], &[&mask], online)?;
        Ok(source.map(|source| (level, source)))
    }

    /// NUMA node of each CPU: the smallest of the nodes that claim it, which
    /// must all claim the same online CPUs. Memory-only nodes have no part in
    /// it. A CPU that no node claims goes to the smallest node with CPUs, or to
    /// node 0 where nothing is known of nodes.
    fn nodes(&self, online: &CpuSet) -> Result<BTreeMap<CpuId, u32>, TopologyError> {
        let mut nodes: Vec<(u32, Source)> = Vec::new();
        for node in self.numbered_entries(NODE_DIR, "node") {
            let file = |name: &str| PathBuf::from(format!("{NODE_DIR}/node{node}/{name}"));
            let (path, set) = match self.list(&file("cpulist"))? {
                Some(set) => (file("cpulist"), set),
                None => match self.mask(&file("cpumap"))? {
                    Some(set) => (file("cpumap"), set),
                    None => continue,
                },
            };
            let set = set.intersection(online);
            if set.is_empty() {
                continue;
            }
            let clash = nodes
                .iter()
                .find(|(_, other)| other.set != set && !other.set.is_disjoint(&set));
            if let Some((other, source)) = clash {
                return Err(malformed(
                    &path,
                    &set.to_string(),
                    format!("the CPUs of node {other} ({}) or none of them", source.set),
                ));
            }
            nodes.push((node, Source { path, set }));
        }
        let fallback = nodes.first().map_or(0, |(node, _)| *node);
        let node_of = |cpu: CpuId| {
            let claims = nodes.iter().find(|(_, source)| source.set.contains(cpu));
            claims.map_or(fallback, |(node, _)| *node)
        };
        Ok(online.iter().map(|cpu| (cpu, node_of(cpu))).collect())
    }

    /// The dies, where the kernel knows them (`die_id` is -1 where it does not).
    fn dies(&self, online: &CpuSet) -> Result<Vec<CpuSet>, TopologyError> {
        let mut dies: Vec<CpuSet> = Vec::new();
        let mut seen = CpuSet::new();
        for cpu in online.iter() {
            if seen.contains(cpu) {
                continue;
            }
            let known = self.number(&cpu_file(cpu, "topology/die_id"))?;
            if known.is_none_or(|id| id < 0) {
                continue;
            }
            let lists = ["topology/die_cpus_list"];
            let masks = ["topology/die_cpus"];
            if let Some(source) = self.set_of(cpu, &lists, &masks, online)? {
                seen = seen.union(&source.set);
                dies.push(source.set);
            }
        }
        Ok(dies)
    }
}

/// Checks that no core's threads carry different labels.
fn check_cores_inside(
    cores: &Sources,
    labels: &BTreeMap<CpuId, u32>,
    what: &str,
) -> Result<(), TopologyError> {
    for (cpu, core) in cores {
        for member in core.set.iter() {
            if labels[&member] != labels[cpu] {
                return Err(malformed(
                    &core.path,
                    &core.set.to_string(),
                    format!(
                        "threads of one {what} (CPU {cpu}: {}, CPU {member}: {})",
                        labels[cpu], labels[&member]
                    ),
                ));
            }
        }
    }
    Ok(())
}
