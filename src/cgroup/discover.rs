//! Finds the containers of a host and reads what is known of each.
//!
//! # Which directories are containers
//! With `[[containers]]` entries, exactly the directories that match one; with
//! none, those that a known runtime made (`layouts.rs`). Always the outermost
//! match: what lies below belongs to the container. A directory in which others
//! create containers is never one unless an entry says so.
//!
//! A directory in which nothing runs is passed over, unless an entry names it:
//! there is nothing to fence, and on v1 it may not be ready for tasks yet. On v1
//! an empty `cpuset.cpus` or `cpuset.mems` means that nothing can run there.
//! Pod sandboxes (pause) are passed over where the runtime's files tell.
//!
//! # Which are left alone
//! See [`Fence::LeftAlone`]; the reasons that show without a journal:
//! another manager owns the cpuset (`managers.rs`), a v2 partition, a v1
//! exclusive cpuset that no entry names, threads with an affinity of their own,
//! more directories below than can be written in one round.
//!
//! # Limits
//! At most 65,536 directories, 32 levels deep, are walked, and 512 in one
//! container: bounds for a hostile tree. Containers come and go during the
//! walk; one that vanishes is left out.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::context::{ContextReader, RuntimeInfo};
use super::glob::Places;
use super::layouts::{self, Found};
use super::managers::Owners;
use super::request::{Quota, RequestFacts, request};
use super::tree::is_gone;
use super::{
    Container, ContainerKey, ContainerRule, CpusetDir, CpusetTree, Fence, Hierarchy,
    HierarchyError, Host, Layout, Version, affinity, home, mounts, usage,
};
use crate::cpuset::CpuSet;
use crate::report::escape_name;

const MOST_DIRECTORIES: usize = 65_536;
const DEEPEST: usize = 32;
const MOST_IN_CONTAINER: usize = 512;

/// A container that cannot be fenced because its v2 parent does not hand the
/// cpuset controller to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The container.
    pub id: String,
    /// What is missing, with the command and its effect.
    pub error: HierarchyError,
}

/// What one look at the host found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// The containers, by id.
    pub containers: Vec<Container>,
    /// Containers without cpuset files (v2), by id.
    pub blocked: Vec<Blocked>,
    /// What could not be read and counts as absent, in words.
    pub notes: Vec<String>,
    /// Which entries name no directory (or only those of entries before), in words.
    pub idle_entries: Vec<String>,
    /// The CPUs in force at the mount itself.
    pub root_effective: CpuSet,
}

/// A directory that is a container, before it is read.
struct Candidate {
    /// Names from the mount down, raw bytes.
    names: Vec<Vec<u8>>,
    inode: u64,
    /// Index of the rule that named it.
    rule: Option<usize>,
    /// As a known runtime's.
    found: Option<Found>,
}

/// Looks at the host's containers.
///
/// `originals`: each container's cpuset before cpufence first wrote it, from
/// the journal; a container that is not in it is taken as it is now.
#[must_use]
pub fn observe(
    host: &dyn Host,
    hierarchy: &Hierarchy,
    rules: &[ContainerRule],
    originals: &BTreeMap<ContainerKey, CpuSet>,
) -> Observation {
    let mut observer = Observer::new(host, hierarchy, rules, originals);
    let candidates = observer.find();
    let is_idle = |i: &usize| candidates.iter().all(|c| c.rule != Some(*i));
    let idle = (0..rules.len()).filter(is_idle);
    let note = |i: usize| {
        let pattern = rules[i].glob.text().escape_debug();
        format!("containers, match \"{pattern}\": names no container that is here")
    };
    observer.out.idle_entries = idle.map(note).collect();
    observer.sample = affinity::sample_size(candidates.len());
    for candidate in &candidates {
        observer.read(candidate);
    }
    observer.finish()
}

struct Observer<'a> {
    host: &'a dyn Host,
    hierarchy: &'a Hierarchy,
    rules: &'a [ContainerRule],
    originals: &'a BTreeMap<ContainerKey, CpuSet>,
    tree: CpusetTree<'a>,
    context: ContextReader<'a>,
    owners: Owners,
    /// Whether memory nodes matter.
    nodes: bool,
    /// Status files read a container.
    sample: usize,
    directories: usize,
    /// Facts of parent directories, each read once, by path.
    parents: BTreeMap<Vec<u8>, Parent>,
    out: Observation,
}

/// What a container's parent says.
#[derive(Clone)]
struct Parent {
    effective: CpuSet,
    /// v1: exclusive children, by path.
    exclusive: Vec<(Vec<u8>, CpuSet)>,
    /// The tightest limit of the parent and its ancestors.
    quota: Option<Quota>,
}

impl<'a> Observer<'a> {
    fn new(
        host: &'a dyn Host,
        hierarchy: &'a Hierarchy,
        rules: &'a [ContainerRule],
        originals: &'a BTreeMap<ContainerKey, CpuSet>,
    ) -> Self {
        let mut observer = Self {
            host,
            hierarchy,
            rules,
            originals,
            tree: CpusetTree {
                host,
                mount: hierarchy.cpuset.point.clone(),
                version: hierarchy.version,
                boot_id: host
                    .text(Path::new("/proc/sys/kernel/random/boot_id"))
                    .unwrap_or_default(),
            },
            context: ContextReader::new(host),
            owners: Owners::read(host),
            nodes: home::has_several_nodes(host),
            sample: affinity::SAMPLE,
            directories: 0,
            parents: BTreeMap::new(),
            out: Observation::default(),
        };
        observer.out.root_effective = observer.effective(b"", &CpuSet::new());
        observer
    }

    fn finish(mut self) -> Observation {
        let managed: Vec<Vec<u8>> = self
            .out
            .containers
            .iter()
            .map(|c| c.dir().path.clone())
            .collect();
        // CPUs of an exclusive sibling that is no container of ours are out of reach.
        for container in &mut self.out.containers {
            let parent = self.parents.get(parent_path(&container.dir().path));
            for (path, cpus) in parent.into_iter().flat_map(|p| &p.exclusive) {
                if !managed.contains(path) {
                    container.parent_effective = container.parent_effective.difference(cpus);
                }
            }
        }
        self.out.containers.sort_by(|a, b| a.id.cmp(&b.id));
        self.out.blocked.sort_by(|a, b| a.id.cmp(&b.id));
        self.out.notes.append(&mut self.context.notes);
        self.out
    }

    fn note(&mut self, path: &Path, what: impl std::fmt::Display) {
        self.out.notes.push(format!(
            "{}: {what}",
            escape_name(path.as_os_str().as_bytes())
        ));
    }

    /// All containers, in the order of the walk.
    fn find(&mut self) -> Vec<Candidate> {
        let places: Vec<Places> = self.rules.iter().map(|r| r.glob.start()).collect();
        let mut found = Vec::new();
        self.walk(&mut Vec::new(), &places, &mut found);
        if self.directories > MOST_DIRECTORIES {
            let text =
                format!("more than {MOST_DIRECTORIES} directories: the rest was not looked at");
            self.note(&self.hierarchy.cpuset.point, text);
        }
        found
    }

    fn walk(&mut self, names: &mut Vec<Vec<u8>>, places: &[Places], found: &mut Vec<Candidate>) {
        let dir = self.hierarchy.dir(&names.join(&b'/'));
        let entries = match self.host.list(&dir) {
            Ok(entries) => entries,
            Err(error) if is_gone(&error) => return,
            Err(error) => return self.note(&dir, format_args!("cannot be listed: {error}")),
        };
        for entry in entries.into_iter().filter(|e| e.is_dir) {
            self.directories += 1;
            if self.directories > MOST_DIRECTORIES {
                return;
            }
            names.push(entry.name.as_bytes().to_vec());
            self.visit(names, entry.inode, places, found);
            names.pop();
        }
    }

    /// Takes one directory, or goes on below it.
    fn visit(
        &mut self,
        names: &mut Vec<Vec<u8>>,
        inode: u64,
        places: &[Places],
        found: &mut Vec<Candidate>,
    ) {
        let name = names.last().map(Vec::as_slice).unwrap_or_default();
        let places: Vec<Places> = self
            .rules
            .iter()
            .zip(places)
            .map(|(rule, places)| rule.glob.step(places, name))
            .collect();
        let rule = self
            .rules
            .iter()
            .zip(&places)
            .position(|(rule, places)| rule.glob.accepts(places));
        let dead = !self.rules.is_empty() && places.iter().all(Places::is_dead);
        if dead {
            return;
        }
        let slices: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let known = self.classify(&slices);
        let candidate = |names: &[Vec<u8>]| Candidate {
            names: names.to_vec(),
            inode,
            rule,
            found: known.clone(),
        };
        let is_unit = known.as_ref().is_some_and(|f| f.layout == Layout::Systemd);
        if rule.is_some() || (self.rules.is_empty() && known.is_some() && !is_unit) {
            return found.push(candidate(names));
        }
        let before = found.len();
        if names.len() < DEEPEST {
            self.walk(names, &places, found);
        }
        // A unit is a container only where nothing below it is one.
        if self.rules.is_empty() && is_unit && found.len() == before && self.asks_for_a_cpu(names) {
            found.push(candidate(names));
        }
    }

    fn classify(&self, names: &[&[u8]]) -> Option<Found> {
        layouts::classify(names).or_else(|| {
            let task = self.context.is_task(names);
            task.then(|| Found {
                layout: Layout::Cri,
                runtime_id: String::new(),
            })
        })
    }

    fn asks_for_a_cpu(&self, names: &[Vec<u8>]) -> bool {
        let quota = usage::read_quota(self.host, self.hierarchy, &names.join(&b'/'));
        quota.is_some_and(|quota| quota.mcpu() >= 1000)
    }

    /// Reads one container into the observation, unless it vanished, is empty
    /// or holds only namespaces.
    fn read(&mut self, candidate: &Candidate) {
        let (host, hierarchy) = (self.host, self.hierarchy);
        let path = candidate.names.join(&b'/');
        let id = container_id(&path);
        let rule = candidate.rule.map(|i| &self.rules[i]);
        let names: Vec<&[u8]> = candidate.names.iter().map(Vec::as_slice).collect();
        let info = self.context.read(&names, candidate.found.as_ref());
        if info.sandbox && rule.is_none() {
            return;
        }
        let mut parent = self.parent(parent_path(&path));
        let tree = match self.subtree(&path, candidate.inode, &parent.effective) {
            Ok(Some(tree)) => tree,
            Ok(None) => {
                let error = HierarchyError::not_enabled(&self.without_cpuset(&path));
                return self.out.blocked.push(Blocked { id, error });
            }
            Err(error) if is_gone(&error) => return,
            Err(error) => {
                return self.note(&hierarchy.dir(&path), format_args!("left out: {error}"));
            }
        };
        let own = &tree.cpusets[0];
        let population = affinity::read_population(&self.tree, &tree.dirs, self.sample);
        let unready =
            hierarchy.version == Version::V1 && (own.cpus.is_empty() || own.mems.is_empty());
        let original = self.originals.get(&own.key);
        // Ours, and emptied by the kernel: `super::emptied`.
        let emptied = unready && own.cpus.is_empty() && original.is_some_and(|o| !o.is_empty());
        if population.threads == 0 && (rule.is_none() || unready) && !emptied {
            return;
        }
        if parent.effective.is_empty() {
            parent.effective.clone_from(&self.out.root_effective);
        }
        let own_quota = usage::read_quota(host, hierarchy, &path);
        let kubepods = layouts::is_in_kubepods(&names);
        let request = request(&RequestFacts {
            config_cpus: rule.and_then(|r| r.cpus),
            config_kind: rule.and_then(|r| r.kind),
            own_quota,
            ancestor_quota: parent.quota,
            original: original.unwrap_or(&own.cpus),
            parent: &parent.effective,
            share: kubepods
                .then(|| usage::read_share(host, hierarchy, &path, info.shares))
                .flatten(),
        });
        if let Some(cpus) = rule
            .and_then(|r| r.cpus)
            .filter(|&c| request.cpus.is_some_and(|r| r < c))
        {
            let have = parent.effective.len();
            self.out.notes.push(format!(
                "{id}: cpus = {cpus} is more than the {have} that its parent directory has"
            ));
        }
        let limit = match (own_quota, parent.quota) {
            (Some(own), Some(other)) => Some(own.tightest(other)),
            (own, other) => own.or(other),
        };
        let RuntimeInfo { mut context, .. } = info;
        context.memory_bytes =
            usage::read_memory_limit(host, hierarchy, &path).or(context.memory_bytes);
        let layout = match (&candidate.found, rule) {
            (_, Some(_)) | (None, _) => Layout::Config,
            (Some(found), None) => found.layout,
        };
        let fence = self.fence(candidate, &tree, population.pinned);
        self.out.containers.push(Container {
            key: own.key.clone(),
            id,
            layout,
            parent_effective: parent.effective,
            request,
            quota_mcpu: limit.map(Quota::mcpu),
            usage_ns: usage::read_usage_ns(host, hierarchy, &path),
            throttling: usage::read_throttling(host, hierarchy, &path),
            context,
            home: self
                .nodes
                .then(|| home::read_home(host, hierarchy, &path))
                .flatten(),
            pinned: population.pinned,
            priority: rule.map_or(0, |r| r.priority),
            fence,
            subtree: tree.cpusets,
        });
    }

    /// Whether a container may be fenced, as far as it shows without a journal.
    fn fence(&self, candidate: &Candidate, tree: &Tree, pinned: super::Pinned) -> Fence {
        let rule = candidate.rule.map(|i| &self.rules[i]);
        let found = candidate.found.as_ref().map(|f| f.layout);
        let owner = found.and_then(|layout| self.owners.of(layout));
        let named = |dir: &CpusetDir| container_id(&dir.path);
        let reason = if rule.and_then(|r| r.fixed) == Some(true) {
            Some("the settings say fixed = true".to_string())
        } else if let Some(owner) = owner {
            Some(owner.to_string())
        } else if let Some((dir, state)) = tree
            .cpusets
            .iter()
            .find_map(|d| Some((d, d.partition.as_ref()?)))
        {
            let state = escape_name(state.as_bytes());
            Some(format!(
                "{} is a cpuset partition ({state}); write 'member' to its cpuset.cpus.partition",
                named(dir)
            ))
        } else if let Some(dir) = tree.cpusets.iter().find(|d| d.exclusive && rule.is_none()) {
            Some(format!(
                "{} is exclusive (cpuset.cpu_exclusive), so another manager owns it; name it in [[containers]] to fence it",
                named(dir)
            ))
        } else if tree.truncated {
            Some(format!("it has more than {MOST_IN_CONTAINER} directories"))
        } else if pinned.pinned > 0 && rule.and_then(|r| r.fixed) != Some(false) {
            Some(format!(
                "{} of {} threads looked at chose fewer CPUs than its cpuset has; fixed = false fences it all the same",
                pinned.pinned, pinned.threads
            ))
        } else {
            None
        };
        reason.map_or(Fence::Managed, Fence::LeftAlone)
    }

    /// CPUs, exclusive children and limits of a container's parent directory.
    fn parent(&mut self, path: &[u8]) -> Parent {
        if let Some(parent) = self.parents.get(path) {
            return parent.clone();
        }
        let above = if path.is_empty() {
            None
        } else {
            Some(self.parent(parent_path(path)))
        };
        let parent = Parent {
            effective: match &above {
                None => self.out.root_effective.clone(),
                Some(above) => self.effective(path, &above.effective),
            },
            exclusive: self.exclusive_children(path),
            quota: above.and_then(|above| {
                let own = usage::read_quota(self.host, self.hierarchy, path);
                match (own, above.quota) {
                    (Some(own), Some(other)) => Some(own.tightest(other)),
                    (own, other) => own.or(other),
                }
            }),
        };
        self.parents.insert(path.to_vec(), parent.clone());
        parent
    }

    /// v1: the children of a directory that are exclusive, with their CPUs.
    fn exclusive_children(&self, path: &[u8]) -> Vec<(Vec<u8>, CpuSet)> {
        if self.hierarchy.version == Version::V2 || !self.flag(path, "cpu_exclusive") {
            // A child can be exclusive only below an exclusive parent.
            return Vec::new();
        }
        let entries = self
            .host
            .list(&self.hierarchy.dir(path))
            .unwrap_or_default();
        let children = entries
            .iter()
            .filter(|e| e.is_dir)
            .map(|e| mounts::join(path, e.name.as_bytes()));
        children
            .filter(|child| self.flag(child, "cpu_exclusive"))
            .filter_map(|child| Some((self.list_file(&child, "cpus").ok()?, child)))
            .map(|(cpus, child)| (child, cpus))
            .collect()
    }

    fn file(&self, path: &[u8], name: &str) -> PathBuf {
        self.hierarchy.dir(path).join(format!("cpuset.{name}"))
    }

    fn flag(&self, path: &[u8], name: &str) -> bool {
        self.host
            .text(&self.file(path, name))
            .is_some_and(|text| text.trim() == "1")
    }

    fn list_file(&self, path: &[u8], name: &str) -> io::Result<CpuSet> {
        let bytes = self.host.read(&self.file(path, name))?;
        let text = str::from_utf8(&bytes).map_err(|e| io::Error::new(ErrorKind::InvalidData, e))?;
        CpuSet::parse_list(text).map_err(|error| {
            io::Error::new(ErrorKind::InvalidData, format!("cpuset.{name}: {error}"))
        })
    }

    /// The CPUs in force in a directory; what the parent has where the file is
    /// missing (cpuset not enabled there), then what is online.
    fn effective(&self, path: &[u8], above: &CpuSet) -> CpuSet {
        let name = match self.hierarchy.version {
            Version::V1 => "effective_cpus",
            Version::V2 => "cpus.effective",
        };
        if let Ok(set) = self.list_file(path, name) {
            return set;
        }
        // Kernels before 3.17 have no such file.
        let own = self.list_file(path, "cpus").unwrap_or_default();
        match (self.hierarchy.version, above.is_empty()) {
            (Version::V1, _) if !own.is_empty() => own,
            (Version::V2, false) if !own.is_disjoint(above) => own.intersection(above),
            (_, false) => above.clone(),
            (_, true) => {
                let online = self.host.text(Path::new("/sys/devices/system/cpu/online"));
                online
                    .and_then(|text| CpuSet::parse_list(&text).ok())
                    .unwrap_or_default()
            }
        }
    }

    /// The container's directories; none if it has no cpuset files (v2).
    fn subtree(&mut self, path: &[u8], inode: u64, above: &CpuSet) -> io::Result<Option<Tree>> {
        let mut tree = Tree::default();
        self.add_directory(&mut tree, path, inode, above)?;
        Ok((!tree.cpusets.is_empty()).then_some(tree))
    }

    fn add_directory(
        &mut self,
        tree: &mut Tree,
        path: &[u8],
        inode: u64,
        above: &CpuSet,
    ) -> io::Result<()> {
        let dir = self.hierarchy.dir(path);
        let effective = match self.list_file(path, "cpus") {
            Ok(cpus) => {
                let effective = self.effective(path, above);
                let partition = self.partition(path);
                tree.cpusets.push(CpusetDir {
                    key: ContainerKey {
                        boot_id: self.tree.boot_id.clone(),
                        inode,
                    },
                    path: path.to_vec(),
                    cpus,
                    effective: effective.clone(),
                    mems: self.host.text(&self.file(path, "mems")).unwrap_or_default(),
                    exclusive: self.hierarchy.version == Version::V1
                        && self.flag(path, "cpu_exclusive"),
                    partition,
                });
                effective
            }
            // v2 without the controller: the nearest ancestor's set holds.
            Err(error) if error.kind() == ErrorKind::NotFound && self.host.inode(&dir).is_ok() => {
                above.clone()
            }
            Err(error) => return Err(error),
        };
        tree.dirs.push((path.to_vec(), effective.clone()));
        if tree.dirs.len() > MOST_IN_CONTAINER {
            tree.truncated = true;
            return Ok(());
        }
        for entry in self.host.list(&dir)?.into_iter().filter(|e| e.is_dir) {
            if tree.truncated {
                break;
            }
            let child = [path, b"/", entry.name.as_bytes()].concat();
            match self.add_directory(tree, &child, entry.inode, &effective) {
                Err(error) if is_gone(&error) => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// The directories above `path`, topmost first, that do not hand the cpuset
    /// controller to their children.
    fn without_cpuset(&self, path: &[u8]) -> Vec<PathBuf> {
        let mut dirs = Vec::new();
        let mut above = parent_path(path);
        loop {
            let dir = self.hierarchy.dir(above);
            let control = self.host.text(&dir.join("cgroup.subtree_control"));
            if !control.is_some_and(|text| mounts::has_word(&text, "cpuset")) {
                dirs.insert(0, dir);
            }
            if above.is_empty() {
                return dirs;
            }
            above = parent_path(above);
        }
    }

    fn partition(&self, path: &[u8]) -> Option<String> {
        if self.hierarchy.version == Version::V1 {
            return None;
        }
        let state = self.host.text(&self.file(path, "cpus.partition"))?;
        (!state.is_empty() && state != "member").then_some(state)
    }
}

/// The directories of one container, parents before children.
#[derive(Default)]
struct Tree {
    /// Those with cpuset files.
    cpusets: Vec<CpusetDir>,
    /// All of them, with the CPUs in force.
    dirs: Vec<(Vec<u8>, CpuSet)>,
    truncated: bool,
}

fn parent_path(path: &[u8]) -> &[u8] {
    path.iter()
        .rposition(|&b| b == b'/')
        .map_or(b"", |at| &path[..at])
}

/// The display name of a path. `@pool` is the pooled pseudo-container's.
fn container_id(path: &[u8]) -> String {
    let id = escape_name(path);
    if id == crate::placement::POOL {
        id.replace('@', "\\x40")
    } else {
        id
    }
}
