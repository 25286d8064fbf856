//! Who a container belongs to and what runs in it, from whatever files the
//! runtime left on the host. Everything is optional.
//!
//! | source | file | gives |
//! |-|-|-|
//! | operator | `/etc/cpufence/context.d/*.toml` | all fields; overrides the others |
//! | OCI bundle | `/run/containerd/io.containerd.runtime.v2.task/NAMESPACE/ID/config.json` | annotations (CRI labels), CPU shares |
//! | Docker | `DATA/containers/ID/config.v2.json`, `hostconfig.json` | image, name, labels, memory |
//! | CRI-O, Podman | `/var/lib/containers/storage/overlay-containers/ID/userdata/config.json`, `.../containers.json` | annotations, image, name |
//! | systemd | the unit file | user |
//! | the path | | job, user id, slice, container name |
//! | cgroup | `memory.max`, `memory.limit_in_bytes` | memory |
//!
//! A third party's file that is malformed or larger than 1 MiB counts as absent,
//! with a note. The operator's own file that is malformed is named with line
//! and reason.
//!
//! # The operator's file
//! ```toml
//! [[context]]
//! match = "batch/*"            # glob as in the settings, on the path below the mount
//! owner = "team-a"             # every key but match is optional
//! image = "registry/solver:3"
//! app = "solver"
//! memory_bytes = 8589934592
//! network_bps = 1000000000
//! ```
//! Files are read by name; the first entry that matches gives its keys.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::layouts::Found;
use super::{Context, Glob, Host, Layout};
use crate::report::escape_name;

const DROP_IN_DIR: &str = "/etc/cpufence/context.d";
const TASK_DIR: &str = "/run/containerd/io.containerd.runtime.v2.task";
const STORAGE_DIRS: [&str; 2] = [
    "/var/lib/containers/storage/overlay-containers",
    "/run/containers/storage/overlay-containers",
];
const UNIT_DIRS: [&str; 5] = [
    "/run/systemd/transient",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Largest file of a third party that is read, bytes.
const LARGEST: usize = 1 << 20;

/// Longest text taken from a third party, bytes.
const LONGEST_TEXT: usize = 1024;

/// One `[[context]]` entry as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    #[serde(rename = "match")]
    pattern: String,
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    app: Option<String>,
    #[serde(default)]
    memory_bytes: Option<u64>,
    #[serde(default)]
    network_bps: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDropIn {
    #[serde(default)]
    context: Vec<RawEntry>,
}

/// What a runtime's files say of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RuntimeInfo {
    pub(crate) context: Context,
    /// A pod's sandbox (pause), which only holds namespaces.
    pub(crate) sandbox: bool,
    /// CPU shares as given to the runtime.
    pub(crate) shares: Option<u64>,
    /// `--cpuset-cpus` as given to Docker, or `cpus` of the OCI bundle.
    pub(crate) cpuset_cpus: Option<String>,
}

#[derive(Deserialize)]
struct DockerDaemon {
    #[serde(rename = "data-root")]
    data_root: Option<PathBuf>,
}

/// Where Docker keeps its containers' files.
pub(crate) fn docker_dir(host: &dyn Host) -> PathBuf {
    let daemon = json::<DockerDaemon>(host, Path::new("/etc/docker/daemon.json"));
    let root = daemon
        .and_then(|d| d.data_root)
        .filter(|dir| dir.is_absolute());
    root.unwrap_or_else(|| PathBuf::from("/var/lib/docker"))
}

/// Reads contexts; what is shared between containers is read once.
pub(crate) struct ContextReader<'a> {
    host: &'a dyn Host,
    entries: Vec<(Glob, Context)>,
    /// containerd's running tasks: id -> namespace.
    tasks: BTreeMap<String, String>,
    docker_dir: PathBuf,
    /// CRI-O's and Podman's containers by id; none until asked for.
    stored: Option<BTreeMap<String, StoredContainer>>,
    pub(crate) notes: Vec<String>,
}

impl<'a> ContextReader<'a> {
    pub(crate) fn new(host: &'a dyn Host) -> Self {
        let mut reader = Self {
            host,
            entries: Vec::new(),
            tasks: BTreeMap::new(),
            docker_dir: docker_dir(host),
            stored: None,
            notes: Vec::new(),
        };
        reader.read_drop_ins();
        reader.read_tasks();
        reader
    }

    fn read_drop_ins(&mut self) {
        for entry in self.host.list(Path::new(DROP_IN_DIR)).unwrap_or_default() {
            if entry.is_dir || !entry.name.as_encoded_bytes().ends_with(b".toml") {
                continue;
            }
            let path = Path::new(DROP_IN_DIR).join(&entry.name);
            match read_drop_in(self.host, &path) {
                Ok(entries) => self.entries.extend(entries),
                Err(reason) => {
                    let file = escape_name(path.as_os_str().as_encoded_bytes());
                    self.notes
                        .push(format!("{file}{reason}; the file is left out"));
                }
            }
        }
    }

    fn read_tasks(&mut self) {
        for namespace in self.host.list(Path::new(TASK_DIR)).unwrap_or_default() {
            let Some(name) = namespace.name.to_str() else {
                continue;
            };
            for task in self
                .host
                .list(&Path::new(TASK_DIR).join(name))
                .unwrap_or_default()
            {
                if let (true, Some(id)) = (task.is_dir, task.name.to_str()) {
                    self.tasks.insert(id.to_string(), name.to_string());
                }
            }
        }
    }

    /// Whether `names` is NAMESPACE/ID of a task that containerd runs.
    pub(crate) fn is_task(&self, names: &[&[u8]]) -> bool {
        let [namespace, id] = names else { return false };
        let namespace_of = str::from_utf8(id).ok().and_then(|id| self.tasks.get(id));
        namespace_of.is_some_and(|n| n.as_bytes() == *namespace)
    }

    /// What is known of the container at `names`, found as `found`.
    pub(crate) fn read(&mut self, names: &[&[u8]], found: Option<&Found>) -> RuntimeInfo {
        let mut info = RuntimeInfo::default();
        if let Some(found) = found {
            let id = runtime_id(names, found);
            match found.layout {
                Layout::Systemd => self.read_unit(names, &mut info.context),
                Layout::Slurm => {
                    info.context.owner = named(names, b"uid_");
                    info.context.app = named(names, b"job_");
                }
                Layout::Lxc => {
                    let name = names.last().copied().unwrap_or_default();
                    info.context.app = Some(escape_name(
                        name.strip_prefix(b"lxc.payload.").unwrap_or(name),
                    ));
                }
                Layout::Config
                | Layout::Docker
                | Layout::Cri
                | Layout::Podman
                | Layout::Kubepods => {
                    if let Some(id) = id {
                        self.read_docker(&id, &mut info);
                        self.read_bundle(&id, &mut info);
                        self.read_stored(&id, &mut info);
                    }
                }
            }
        }
        let path = names.join(&b'/');
        if let Some((_, given)) = self.entries.iter().find(|(glob, _)| glob.matches(&path)) {
            info.context = merge(given.clone(), info.context);
        }
        for text in [
            &mut info.context.owner,
            &mut info.context.image,
            &mut info.context.app,
        ] {
            *text = text.take().filter(|t| !t.is_empty()).map(|t| shorten(&t));
        }
        info
    }

    fn read_docker(&self, id: &str, info: &mut RuntimeInfo) {
        let dir = self.docker_dir.join("containers").join(id);
        let Some(container) = self.json::<DockerContainer>(&dir.join("config.v2.json")) else {
            return;
        };
        let labels = &container.config.labels;
        let context = Context {
            owner: label(
                labels,
                &[
                    "io.kubernetes.pod.namespace",
                    "com.docker.compose.project",
                    "com.docker.stack.namespace",
                ],
            ),
            image: container.config.image,
            app: label(
                labels,
                &["io.kubernetes.container.name", "com.docker.compose.service"],
            )
            .or_else(|| {
                container
                    .name
                    .map(|name| name.trim_start_matches('/').to_string())
            }),
            ..Context::default()
        };
        info.sandbox |=
            label(labels, &["io.kubernetes.docker.type"]).as_deref() == Some("podsandbox");
        if let Some(host) = self.json::<DockerHostConfig>(&dir.join("hostconfig.json")) {
            info.context.memory_bytes = host
                .memory
                .and_then(|m| u64::try_from(m).ok())
                .filter(|&m| m > 0);
            info.cpuset_cpus = host.cpuset_cpus.filter(|c| !c.is_empty());
            info.shares = host
                .cpu_shares
                .and_then(|s| u64::try_from(s).ok())
                .filter(|&s| s > 0);
        }
        info.context = merge(context, std::mem::take(&mut info.context));
    }

    fn read_bundle(&self, id: &str, info: &mut RuntimeInfo) {
        if let Some(namespace) = self.tasks.get(id) {
            let path = Path::new(TASK_DIR)
                .join(namespace)
                .join(id)
                .join("config.json");
            if let Some(bundle) = self.json(&path) {
                take_bundle(bundle, info);
            }
        }
    }

    /// CRI-O and Podman share their storage.
    fn read_stored(&mut self, id: &str, info: &mut RuntimeInfo) {
        for dir in STORAGE_DIRS {
            if let Some(bundle) = self.json(&Path::new(dir).join(id).join("userdata/config.json")) {
                take_bundle(bundle, info);
                break;
            }
        }
        if let Some(stored) = self.stored().get(id) {
            let metadata: StoredMetadata =
                serde_json::from_str(&stored.metadata).unwrap_or_default();
            let name = metadata.name.or_else(|| stored.names.first().cloned());
            let context = Context {
                image: metadata.image_name,
                app: name,
                ..Context::default()
            };
            info.context = merge(std::mem::take(&mut info.context), context);
        }
    }

    fn stored(&mut self) -> &BTreeMap<String, StoredContainer> {
        if self.stored.is_none() {
            let list = self
                .json::<Vec<StoredContainer>>(&Path::new(STORAGE_DIRS[0]).join("containers.json"));
            self.stored = Some(
                list.unwrap_or_default()
                    .into_iter()
                    .map(|c| (c.id.clone(), c))
                    .collect(),
            );
        }
        self.stored.get_or_insert_default()
    }

    fn read_unit(&self, names: &[&[u8]], context: &mut Context) {
        let [.., slice, unit] = names else { return };
        let user = UNIT_DIRS.iter().find_map(|dir| {
            let text = self.host.text(
                &Path::new(dir).join(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(unit)),
            )?;
            let user = text.lines().rev().find_map(|l| l.strip_prefix("User="))?;
            Some(user.trim().to_string())
        });
        context.owner = user.or_else(|| Some(escape_name(slice)));
        let stem = unit
            .strip_suffix(b".service")
            .or_else(|| unit.strip_suffix(b".scope"))
            .unwrap_or(unit);
        context.app = Some(escape_name(stem));
    }

    fn json<T: DeserializeOwned>(&self, path: &Path) -> Option<T> {
        json(self.host, path)
    }
}

/// A third party's JSON file; none if it is absent, too large or not as
/// expected.
fn json<T: DeserializeOwned>(host: &dyn Host, path: &Path) -> Option<T> {
    let bytes = host.read(path).ok().filter(|b| b.len() <= LARGEST)?;
    serde_json::from_slice(&bytes).ok()
}

fn read_drop_in(host: &dyn Host, path: &Path) -> Result<Vec<(Glob, Context)>, String> {
    let bytes = match host.read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!(": {error}")),
    };
    parse_drop_in(&bytes)
}

/// Reads an operator's file. An error begins with `:LINE: ` where the line is
/// known.
fn parse_drop_in(bytes: &[u8]) -> Result<Vec<(Glob, Context)>, String> {
    let text = str::from_utf8(bytes)
        .map_err(|e| format!(": not UTF-8 from byte {} on", e.valid_up_to()))?;
    let raw: RawDropIn = toml::from_str(text).map_err(|e| {
        let line = e.span().map_or(String::new(), |s| {
            format!(":{}", 1 + text[..s.start].matches('\n').count())
        });
        let keys = "expected [[context]] with match, owner, image, app, memory_bytes, network_bps";
        format!(
            "{line}: {}; {keys}",
            escape_name(e.message().replace('\n', ", ").as_bytes())
        )
    })?;
    raw.context
        .into_iter()
        .zip(1..)
        .map(|(e, number)| {
            let glob =
                Glob::new(&e.pattern).map_err(|error| format!(": context {number}: {error}"))?;
            let RawEntry {
                owner,
                image,
                app,
                memory_bytes,
                network_bps,
                ..
            } = e;
            Ok((
                glob,
                Context {
                    owner,
                    image,
                    app,
                    memory_bytes,
                    network_bps,
                },
            ))
        })
        .collect()
}

/// `first`, and what it lacks from `second`.
fn merge(first: Context, second: Context) -> Context {
    Context {
        owner: first.owner.or(second.owner),
        image: first.image.or(second.image),
        app: first.app.or(second.app),
        memory_bytes: first.memory_bytes.or(second.memory_bytes),
        network_bps: first.network_bps.or(second.network_bps),
    }
}

/// The runtime's id of a container; for `NAMESPACE/NAME` of containerd the name.
fn runtime_id(names: &[&[u8]], found: &Found) -> Option<String> {
    if !found.runtime_id.is_empty() {
        return Some(found.runtime_id.clone());
    }
    let name = str::from_utf8(names.last()?).ok()?;
    // A single name of a path, nothing that climbs out of a directory.
    (!name.starts_with('.') && !name.is_empty()).then(|| name.to_string())
}

/// The name in a path that begins with `prefix`.
fn named(names: &[&[u8]], prefix: &[u8]) -> Option<String> {
    names
        .iter()
        .find(|n| n.starts_with(prefix))
        .map(|n| escape_name(n))
}

/// Third-party text: printable, bounded.
fn shorten(text: &str) -> String {
    let end = (0..=text.len().min(LONGEST_TEXT))
        .rev()
        .find(|&i| text.is_char_boundary(i))
        .unwrap_or(0);
    escape_name(&text.as_bytes()[..end])
}

fn label(labels: &Option<BTreeMap<String, String>>, keys: &[&str]) -> Option<String> {
    let labels = labels.as_ref()?;
    keys.iter().find_map(|&key| labels.get(key)).cloned()
}

#[derive(Deserialize)]
struct DockerContainer {
    #[serde(rename = "Name")]
    name: Option<String>,
    #[serde(rename = "Config")]
    config: DockerConfig,
}

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(rename = "Image")]
    image: Option<String>,
    #[serde(rename = "Labels")]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct DockerHostConfig {
    #[serde(rename = "Memory")]
    memory: Option<i64>,
    #[serde(rename = "CpuShares")]
    cpu_shares: Option<i64>,
    #[serde(rename = "CpusetCpus")]
    cpuset_cpus: Option<String>,
}

#[derive(Deserialize)]
struct StoredContainer {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    metadata: String,
}

#[derive(Deserialize, Default)]
struct StoredMetadata {
    #[serde(rename = "image-name")]
    image_name: Option<String>,
    name: Option<String>,
}

/// An OCI runtime configuration, of which little is used.
#[derive(Deserialize)]
struct Bundle {
    annotations: Option<BTreeMap<String, String>>,
    linux: Option<BundleLinux>,
}

#[derive(Deserialize)]
struct BundleLinux {
    resources: Option<BundleResources>,
}

#[derive(Deserialize)]
struct BundleResources {
    cpu: Option<BundleCpu>,
}

#[derive(Deserialize)]
struct BundleCpu {
    shares: Option<u64>,
    cpus: Option<String>,
}

fn take_bundle(bundle: Bundle, info: &mut RuntimeInfo) {
    let annotations = &bundle.annotations;
    let context = Context {
        owner: label(
            annotations,
            &[
                "io.kubernetes.cri.sandbox-namespace",
                "io.kubernetes.pod.namespace",
            ],
        ),
        image: label(
            annotations,
            &[
                "io.kubernetes.cri.image-name",
                "io.kubernetes.cri-o.ImageName",
                "io.kubernetes.cri-o.Image",
                "org.opencontainers.image.ref.name",
            ],
        ),
        app: label(
            annotations,
            &[
                "io.kubernetes.cri.container-name",
                "io.kubernetes.container.name",
                "org.opencontainers.image.title",
            ],
        ),
        memory_bytes: None,
        network_bps: label(
            annotations,
            &[
                "kubernetes.io/egress-bandwidth",
                "kubernetes.io/ingress-bandwidth",
            ],
        )
        .and_then(|text| parse_quantity(&text)),
    };
    let role = label(
        annotations,
        &[
            "io.kubernetes.cri.container-type",
            "io.kubernetes.cri-o.ContainerType",
        ],
    );
    info.sandbox |= role.as_deref() == Some("sandbox");
    info.context = merge(std::mem::take(&mut info.context), context);
    if let Some(cpu) = bundle.linux.and_then(|l| l.resources).and_then(|r| r.cpu) {
        info.shares = info.shares.or(cpu.shares);
        info.cpuset_cpus = info
            .cpuset_cpus
            .take()
            .or(cpu.cpus.filter(|c| !c.is_empty()));
    }
}

/// A Kubernetes quantity, e.g. `10M`, `1Gi`; whole numbers only.
fn parse_quantity(text: &str) -> Option<u64> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "" => 1,
        "k" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests;
