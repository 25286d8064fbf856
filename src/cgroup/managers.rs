//! Others who set the CPUs of containers, as far as their files and processes
//! show it.
//!
//! Two writers of one cpuset undo each other, the kubelet every 10 s. A
//! container whose cpuset belongs to one of these is left alone:
//!
//! | manager | containers | sign |
//! |-|-|-|
//! | kubelet, static CPU manager policy | kubepods | `policyName` in `/var/lib/kubelet/cpu_manager_state`, else `cpuManagerPolicy` in `config.yaml` |
//! | NRI resource policy plugins | kubepods, CRI | `/var/lib/nri-resource-policy` and a running `nri-resource-policy-*` |
//! | Koordinator | kubepods | a running `koordlet` |
//! | Slurm | its steps | `ConstrainCores=yes` in `cgroup.conf` |
//!
//! Signs that a stopped manager leaves behind do not count, except the kubelet's
//! own state file: its containers keep what it gave them.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use super::{Host, Layout};

pub(crate) const KUBELET_STATE: &str = "/var/lib/kubelet/cpu_manager_state";
pub(crate) const KUBELET_CONFIG: &str = "/var/lib/kubelet/config.yaml";
const NRI_STATE: &str = "/var/lib/nri-resource-policy";
const SLURM_CONFIGS: [&str; 2] = ["/etc/slurm/cgroup.conf", "/etc/slurm-llnl/cgroup.conf"];

/// Who owns which containers' cpusets; the text names owner, sign and way out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owners {
    pub(crate) kubelet: Option<String>,
    pub(crate) nri: Option<String>,
    pub(crate) koordinator: Option<String>,
    pub(crate) slurm: Option<String>,
}

impl Owners {
    /// Looks for owners. Reads a handful of files; walks the processes only
    /// where a file or directory says that it is worth it.
    pub(crate) fn read(host: &dyn Host) -> Self {
        let exists = |path: &str| host.inode(Path::new(path)).is_ok();
        let koordinator_files = exists("/run/koordlet") || exists("/var/run/koordlet");
        let names = if koordinator_files || exists(NRI_STATE) {
            process_names(host)
        } else {
            BTreeSet::new()
        };
        Self::with_processes(host, &names)
    }

    /// The same with the names of all processes at hand.
    pub(crate) fn with_processes(host: &dyn Host, names: &BTreeSet<String>) -> Self {
        let kubelet = kubelet_static(host).map(|file| {
            format!(
                "the kubelet's static CPU manager policy sets its cpuset ({file}); \
                 set cpuManagerPolicy: none to let cpufence do it"
            )
        });
        let nri = names
            .iter()
            .find(|n| n.starts_with("nri-resource-po"))
            .map(|name| {
                format!(
                    "the NRI plugin {name} sets its cpuset; remove the plugin to let cpufence do it"
                )
            });
        let koordinator = names.contains("koordlet").then(|| {
            "Koordinator's koordlet sets its cpuset; turn off its CPU features to let cpufence do it".to_string()
        });
        let slurm = SLURM_CONFIGS.iter().find(|path| constrains_cores(host, path)).map(|path| {
            format!("Slurm sets its cpuset ({path}: ConstrainCores=yes); set it to no to let cpufence do it")
        });
        Self {
            kubelet,
            nri,
            koordinator,
            slurm,
        }
    }

    /// Who owns the cpuset of a container found as `layout`.
    pub(crate) fn of(&self, layout: Layout) -> Option<&str> {
        let owner = match layout {
            Layout::Kubepods => self
                .kubelet
                .as_ref()
                .or(self.nri.as_ref())
                .or(self.koordinator.as_ref()),
            Layout::Cri => self.nri.as_ref(),
            Layout::Slurm => self.slurm.as_ref(),
            Layout::Config | Layout::Docker | Layout::Podman | Layout::Systemd | Layout::Lxc => {
                None
            }
        };
        owner.map(String::as_str)
    }
}

#[derive(Deserialize)]
struct KubeletState {
    #[serde(rename = "policyName")]
    policy: String,
}

/// The file that says the kubelet's policy is static; the state file, which
/// tells what runs, before the configuration, which tells what is wanted.
fn kubelet_static(host: &dyn Host) -> Option<&'static str> {
    if let Some(text) = host.text(Path::new(KUBELET_STATE))
        && let Ok(state) = serde_json::from_str::<KubeletState>(&text)
    {
        return (state.policy == "static").then_some(KUBELET_STATE);
    }
    let text = host.text(Path::new(KUBELET_CONFIG))?;
    let policy = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("cpuManagerPolicy:"))?;
    (policy.trim().trim_matches(['"', '\'']) == "static").then_some(KUBELET_CONFIG)
}

fn constrains_cores(host: &dyn Host, path: &str) -> bool {
    setting(host, path, "ConstrainCores")
        .is_some_and(|v| v.eq_ignore_ascii_case("yes") || v.eq_ignore_ascii_case("true"))
}

/// The value of `key=value` in a file with `#` comments; keys in any case.
pub(crate) fn setting(host: &dyn Host, path: &str, key: &str) -> Option<String> {
    let text = host.text(Path::new(path))?;
    text.lines().rev().find_map(|line| {
        let (name, value) = line.split('#').next()?.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case(key)
            .then(|| value.trim().trim_matches(['"', '\'']).to_string())
    })
}

/// The names (`comm`, at most 15 bytes) of all processes.
pub(crate) fn process_names(host: &dyn Host) -> BTreeSet<String> {
    let entries = host.list(Path::new("/proc")).unwrap_or_default();
    let pids = entries
        .iter()
        .filter_map(|e| e.name.to_str())
        .filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
    pids.filter_map(|pid| host.text(&Path::new("/proc").join(pid).join("comm")))
        .collect()
}
