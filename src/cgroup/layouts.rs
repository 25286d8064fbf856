//! Which directories the known container runtimes make. Pure: names only.
//!
//! | runtime | directory of a container |
//! |-|-|
//! | Docker | `docker/ID`, `docker-ID.scope`, `PARENT/ID` below any other parent |
//! | containerd, CRI-O | `cri-containerd-ID.scope`, `crio-ID.scope`, `nerdctl-ID.scope`, `k8s.io/ID`, `NAMESPACE/NAME` of a running task |
//! | Podman | `libpod-ID.scope`, `libpod-ID` |
//! | kubepods | one of these, or `ID`, right below a pod's directory (`podUID`, `...-podUID.slice`) |
//! | Slurm | `slurm*/uid_U/job_J/step_S`, `*slurmstepd.scope/job_J/step_S` |
//! | LXC | `lxc/NAME`, `lxc.payload/NAME`, `lxc.payload.NAME` |
//! | systemd | a service or scope below `system.slice` or `machine.slice`: a candidate only |
//!
//! ID is hexadecimal: 64 digits, or at least 12 where the name around it
//! already says what it is. The directories above are where the runtimes make
//! the next container: they are never taken for one. A runtime's monitor
//! (`crio-conmon-ID.scope`, `lxc.monitor.NAME`) is not a container.
//!
//! A systemd unit is a container only if it has a CPU quota of at least one
//! CPU, no known container inside, and is not one that runs containers or the
//! host itself ([`is_system_unit`]): nobody asked for the others to be fenced.

use super::Layout;

/// A directory that looks like a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) layout: Layout,
    /// The runtime's id: hexadecimal, hence safe in a path. Empty: none.
    pub(crate) runtime_id: String,
}

impl Found {
    fn new(layout: Layout, id: &[u8]) -> Self {
        Self {
            layout,
            runtime_id: String::from_utf8_lossy(id).into_owned(),
        }
    }
}

/// What the directory with these names (from the mount down) is, if known.
pub(crate) fn classify(names: &[&[u8]]) -> Option<Found> {
    let (&name, parents) = names.split_last()?;
    let parent = parents.last().copied().unwrap_or_default();
    if let Some((_, kubepods_below)) = split_after(parents, is_kubepods) {
        let pod = kubepods_below.last().copied().unwrap_or(parent);
        let id = kubernetes_id(name).filter(|_| is_pod(pod))?;
        return Some(Found::new(Layout::Kubepods, id));
    }
    if let Some((prefix, id)) = prefixed_id(name) {
        let layout = match prefix {
            b"docker" => Layout::Docker,
            b"libpod" => Layout::Podman,
            _ => Layout::Cri,
        };
        return Some(Found::new(layout, id));
    }
    if let Some((slice, id)) = colon_id(name) {
        let layout = if is_kubepods(slice) || is_pod(slice) {
            Layout::Kubepods
        } else {
            Layout::Cri
        };
        return Some(Found::new(layout, id));
    }
    if parent == b"docker" && is_hex(name, 12) {
        return Some(Found::new(Layout::Docker, name));
    }
    if parent == b"k8s.io" && is_hex(name, 12) {
        return Some(Found::new(Layout::Cri, name));
    }
    if is_step(name, parents) {
        return Some(Found::new(Layout::Slurm, b""));
    }
    if name
        .strip_prefix(b"lxc.payload.")
        .is_some_and(|rest| !rest.is_empty())
        || parent == b"lxc"
        || parent == b"lxc.payload"
    {
        return Some(Found::new(Layout::Lxc, b""));
    }
    if name.len() == 64 && is_hex(name, 64) {
        let layout = if parent == b"default" {
            Layout::Cri
        } else {
            Layout::Docker
        };
        return Some(Found::new(layout, name));
    }
    is_unit(name, parents).then(|| Found::new(Layout::Systemd, b""))
}

/// Whether `names` is at or below a `kubepods` directory.
pub(crate) fn is_in_kubepods(names: &[&[u8]]) -> bool {
    names.iter().any(|name| is_kubepods(name))
        || names
            .last()
            .and_then(|n| colon_id(n))
            .is_some_and(|(s, _)| is_pod(s))
}

fn split_after<'a, 'n>(
    names: &'a [&'n [u8]],
    is: fn(&[u8]) -> bool,
) -> Option<(&'n [u8], &'a [&'n [u8]])> {
    let at = names.iter().position(|name| is(name))?;
    Some((names[at], &names[at + 1..]))
}

/// `kubepods`, `kubepods.slice`, or the same under a `cgroupRoot`
/// (`kubelet-kubepods.slice`).
fn is_kubepods(name: &[u8]) -> bool {
    name == b"kubepods" || name == b"kubepods.slice" || name.ends_with(b"-kubepods.slice")
}

fn is_pod(name: &[u8]) -> bool {
    name.starts_with(b"pod") || name.windows(4).any(|w| w == b"-pod") && name.ends_with(b".slice")
}

/// The id of a container right below a pod.
fn kubernetes_id(name: &[u8]) -> Option<&[u8]> {
    prefixed_id(name)
        .map(|(_, id)| id)
        .or_else(|| is_hex(name, 12).then_some(name))
}

/// `PREFIX-ID`, with or without `.scope`, of a known runtime.
fn prefixed_id(name: &[u8]) -> Option<(&'static [u8], &[u8])> {
    const PREFIXES: [&[u8]; 5] = [b"docker", b"libpod", b"cri-containerd", b"crio", b"nerdctl"];
    let stem = name.strip_suffix(b".scope").unwrap_or(name);
    PREFIXES.into_iter().find_map(|prefix| {
        let id = stem.strip_prefix(prefix)?.strip_prefix(b"-")?;
        is_hex(id, 12).then_some((prefix, id))
    })
}

/// `SLICE:PREFIX:ID`: a systemd-style name given to a runtime that makes plain
/// directories.
fn colon_id(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = name.splitn(3, |&b| b == b':');
    let (slice, _prefix, id) = (parts.next()?, parts.next()?, parts.next()?);
    (slice.ends_with(b".slice") && is_hex(id, 12)).then_some((slice, id))
}

fn is_hex(text: &[u8], least: usize) -> bool {
    (least..=64).contains(&text.len())
        && text
            .iter()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
}

fn is_step(name: &[u8], parents: &[&[u8]]) -> bool {
    let slurm =
        |n: &[u8]| n == b"slurm" || n.starts_with(b"slurm_") || n.ends_with(b"slurmstepd.scope");
    name.starts_with(b"step_")
        && parents.last().is_some_and(|p| p.starts_with(b"job_"))
        && parents.iter().any(|p| slurm(p))
}

fn is_unit(name: &[u8], parents: &[&[u8]]) -> bool {
    let top = parents.first().copied().unwrap_or_default();
    (name.ends_with(b".service") || name.ends_with(b".scope"))
        && (top == b"system.slice" || top == b"machine.slice")
        && parents.iter().all(|p| p.ends_with(b".slice"))
        && !is_system_unit(name)
}

/// Whether a unit runs containers or keeps the host alive.
fn is_system_unit(name: &[u8]) -> bool {
    const PREFIXES: [&[u8]; 30] = [
        b"NetworkManager",
        b"buildkit",
        b"conmon",
        b"containerd",
        b"cpufence",
        b"cri-",
        b"crio",
        b"dbus",
        b"docker",
        b"emergency",
        b"getty@",
        b"incus",
        b"init",
        b"irqbalance",
        b"k0s",
        b"k3s",
        b"kubelet",
        b"libvirt",
        b"lxc",
        b"lxd",
        b"nomad",
        b"podman",
        b"polkit",
        b"rke2",
        b"serial-getty@",
        b"session-",
        b"slurm",
        b"snap.",
        b"ssh",
        b"systemd-",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || name.starts_with(b"user@")
        || name.windows(8).any(|w| w == b"-conmon-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn layout(path: &str) -> Option<(Layout, String)> {
        let path = path.replace("ID", ID);
        let names: Vec<&[u8]> = path.split('/').map(str::as_bytes).collect();
        classify(&names).map(|found| (found.layout, found.runtime_id))
    }

    #[test]
    fn the_directories_of_the_known_runtimes() {
        let pod = "8b4b7d6a_1111_2222_3333_444455556666";
        for (path, expected) in [
            ("docker/ID".to_string(), Layout::Docker),
            ("system.slice/docker-ID.scope".into(), Layout::Docker),
            ("my/parent/ID".into(), Layout::Docker),
            ("my.slice/docker-ID.scope".into(), Layout::Docker),
            ("k8s.io/ID".into(), Layout::Cri),
            ("default/ID".into(), Layout::Cri),
            ("system.slice/cri-containerd-ID.scope".into(), Layout::Cri),
            ("system.slice:docker:ID".into(), Layout::Cri),
            ("machine.slice/libpod-ID.scope".into(), Layout::Podman),
            ("libpod_parent/libpod-ID".into(), Layout::Podman),
            (
                "user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope".into(),
                Layout::Podman,
            ),
            (
                "kubepods/burstable/pod8b4b7d6a-1111/ID".into(),
                Layout::Kubepods,
            ),
            ("kubepods/pod8b4b7d6a-1111/ID".into(), Layout::Kubepods),
            (
                "kubepods/besteffort/pod8b4b7d6a-1111/crio-ID".into(),
                Layout::Kubepods,
            ),
            (
                format!(
                    "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{pod}.slice/cri-containerd-ID.scope"
                ),
                Layout::Kubepods,
            ),
            (
                format!(
                    "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{pod}.slice/crio-ID.scope"
                ),
                Layout::Kubepods,
            ),
            (
                format!(
                    "system.slice/containerd.service/kubepods-besteffort-pod{pod}.slice:cri-containerd:ID"
                ),
                Layout::Kubepods,
            ),
        ] {
            assert_eq!(layout(&path), Some((expected, ID.to_string())), "{path}");
        }
        for (path, expected) in [
            ("slurm/uid_1000/job_12/step_0", Layout::Slurm),
            ("slurm_node1/uid_1000/job_12/step_batch", Layout::Slurm),
            ("system.slice/slurmstepd.scope/job_12/step_3", Layout::Slurm),
            (
                "system.slice/node1_slurmstepd.scope/job_12/step_3",
                Layout::Slurm,
            ),
            ("lxc/web", Layout::Lxc),
            ("lxc.payload.web", Layout::Lxc),
            ("lxc.payload/web", Layout::Lxc),
            ("system.slice/postgres.service", Layout::Systemd),
            ("machine.slice/machine-db.scope", Layout::Systemd),
            (
                "system.slice/system-app.slice/app@1.service",
                Layout::Systemd,
            ),
        ] {
            assert_eq!(layout(path), Some((expected, String::new())), "{path}");
        }
    }

    #[test]
    fn directories_in_which_others_create_containers_are_not_containers() {
        for path in [
            "docker",
            "docker/buildkit",
            "system.slice",
            "machine.slice",
            "kubepods",
            "kubepods/burstable",
            "kubepods/burstable/pod8b4b7d6a-1111",
            "kubepods.slice/kubepods-burstable.slice",
            "kubepods.slice/kubepods-pod8b4b.slice",
            "slurm",
            "slurm/uid_1",
            "slurm/uid_1/job_2",
            "system.slice/slurmstepd.scope",
            "system.slice/slurmstepd.scope/job_3",
            "lxc",
            "lxc.payload",
            "lxc.monitor.web",
            "system.slice/docker.service",
            "system.slice/containerd.service",
            "system.slice/systemd-journald.service",
            "system.slice/ssh.service",
            "init.scope",
            "user.slice/user-0.slice/session-1.scope",
            "user.slice/user-1000.slice/user@1000.service",
            "machine.slice/libpod-conmon-ID.scope",
            "system.slice/crio-conmon-ID.scope",
            "libpod_parent",
            "default",
            "default/web",
            "k8s.io",
            "a/step_1",
            "kubepods/burstable/ID",
            "kubepods/pod1/other",
            "docker/0123456789AB",
            "x/0123456789abcdef",
        ] {
            assert_eq!(layout(path), None, "{path}");
        }
    }
}
