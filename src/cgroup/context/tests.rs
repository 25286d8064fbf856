use std::io;

use proptest::prelude::*;

use super::*;
use crate::cgroup::Entry;

/// A host made of files; directories are what their paths imply.
#[derive(Default)]
struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    fn with(mut self, path: &str, text: impl Into<Vec<u8>>) -> Self {
        self.0.insert(path.to_string(), text.into());
        self
    }
}

impl Host for Files {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let bytes = path.to_str().and_then(|p| self.0.get(p));
        bytes.cloned().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn write(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Err(ErrorKind::PermissionDenied.into())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let prefix = format!("{}/", path.display());
        let below = self.0.keys().filter_map(|p| p.strip_prefix(&prefix));
        let mut entries: Vec<Entry> = below
            .map(|rest| {
                let (name, is_dir) = rest
                    .split_once('/')
                    .map_or((rest, false), |(name, _)| (name, true));
                Entry {
                    name: name.into(),
                    is_dir,
                    inode: 1,
                }
            })
            .collect();
        entries.dedup();
        if entries.is_empty() {
            Err(ErrorKind::NotFound.into())
        } else {
            Ok(entries)
        }
    }

    fn inode(&self, _: &Path) -> io::Result<u64> {
        Ok(1)
    }
}

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn read(host: &Files, path: &str) -> RuntimeInfo {
    let names: Vec<&[u8]> = path.split('/').map(str::as_bytes).collect();
    let found = crate::cgroup::layouts::classify(&names);
    ContextReader::new(host).read(&names, found.as_ref())
}

fn text(value: &str) -> Option<String> {
    Some(value.to_string())
}

#[test]
fn docker() {
    let dir = format!("/data/containers/{ID}");
    let host = Files::default()
        .with("/etc/docker/daemon.json", r#"{"data-root":"/data","log-driver":"local"}"#)
        .with(
            &format!("{dir}/config.v2.json"),
            r#"{"Name":"/web-1","Config":{"Image":"nginx:1.27","Labels":{"com.docker.compose.project":"shop"}},"Pid":3}"#,
        )
        .with(
            &format!("{dir}/hostconfig.json"),
            r#"{"Memory":1048576,"CpuShares":0,"CpusetCpus":"0-1","NanoCpus":0}"#,
        );
    let info = read(&host, &format!("docker/{ID}"));
    assert_eq!(
        info.context,
        Context {
            owner: text("shop"),
            image: text("nginx:1.27"),
            app: text("web-1"),
            memory_bytes: Some(1_048_576),
            network_bps: None
        }
    );
    assert_eq!(
        (info.sandbox, info.shares, info.cpuset_cpus),
        (false, None, text("0-1"))
    );
    assert_eq!(
        read(&host, &format!("system.slice/docker-{ID}.scope")).context,
        info.context
    );
}

#[test]
fn containerd_under_kubernetes() {
    let config = |role: &str| {
        format!(
            r#"{{"ociVersion":"1.1.0","process":{{"args":["x"]}},"annotations":{{
            "io.kubernetes.cri.container-type":"{role}","io.kubernetes.cri.container-name":"api",
            "io.kubernetes.cri.sandbox-namespace":"prod","io.kubernetes.cri.image-name":"r/api:7",
            "kubernetes.io/egress-bandwidth":"10M"}},
            "linux":{{"resources":{{"cpu":{{"shares":2048,"quota":-1}},"devices":[]}}}}}}"#
        )
    };
    let file = format!("{TASK_DIR}/k8s.io/{ID}/config.json");
    let path = format!(
        "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-{ID}.scope"
    );
    let info = read(&Files::default().with(&file, config("container")), &path);
    assert_eq!(
        (
            info.context.owner,
            info.context.image,
            info.context.app,
            info.context.network_bps
        ),
        (text("prod"), text("r/api:7"), text("api"), Some(10_000_000))
    );
    assert_eq!((info.shares, info.sandbox), (Some(2048), false));
    assert!(read(&Files::default().with(&file, config("sandbox")), &path).sandbox);
}

#[test]
fn podman_and_crio_share_their_storage() {
    let host = Files::default().with(
        &format!("{}/containers.json", STORAGE_DIRS[0]),
        format!(
            r#"[{{"id":"other"}},{{"id":"{ID}","names":["db"],"image":"sha","metadata":"{{\"image-name\":\"pg:16\",\"name\":\"db\"}}"}}]"#
        ),
    );
    let info = read(&host, &format!("machine.slice/libpod-{ID}.scope"));
    assert_eq!(
        (info.context.image, info.context.app),
        (text("pg:16"), text("db"))
    );
    let host = Files::default().with(
        &format!("{}/{ID}/userdata/config.json", STORAGE_DIRS[1]),
        r#"{"annotations":{"io.kubernetes.cri-o.ContainerType":"sandbox","io.kubernetes.pod.namespace":"kube-system"}}"#,
    );
    let info = read(&host, &format!("kubepods/pod1/crio-{ID}"));
    assert!(info.sandbox);
    assert_eq!(info.context.owner, text("kube-system"));
}

#[test]
fn what_the_path_tells() {
    let host = Files::default().with(
        "/etc/systemd/system/db.service",
        "[Service]\nUser=postgres\nCPUQuota=200%\n",
    );
    let context = read(&host, "system.slice/db.service").context;
    assert_eq!((context.owner, context.app), (text("postgres"), text("db")));
    let context = read(&host, "system.slice/app.service").context;
    assert_eq!(
        (context.owner, context.app),
        (text("system.slice"), text("app"))
    );
    let context = read(&host, "slurm/uid_7/job_9/step_0").context;
    assert_eq!((context.owner, context.app), (text("uid_7"), text("job_9")));
    assert_eq!(read(&host, "lxc.payload.web").context.app, text("web"));
    assert_eq!(read(&host, "unknown/thing").context, Context::default());
}

#[test]
fn the_operators_file_comes_first() {
    let host = Files::default()
        .with(
            "/etc/cpufence/context.d/10-a.toml",
            "[[context]]\nmatch = \"lxc/*\"\nowner = \"team\"\nmemory_bytes = 5\nnetwork_bps = 6\n",
        )
        .with(
            "/etc/cpufence/context.d/20-b.toml",
            "[[context]]\nmatch = \"**\"\nowner = \"late\"\napp = \"late\"\n",
        )
        .with("/etc/cpufence/context.d/ignored.txt", "no toml");
    let context = read(&host, "lxc/web").context;
    assert_eq!(
        context,
        Context {
            owner: text("team"),
            image: None,
            app: text("web"),
            memory_bytes: Some(5),
            network_bps: Some(6)
        }
    );
    assert_eq!(read(&host, "other").context.app, text("late"));
}

#[test]
fn a_malformed_operators_file_is_named_with_its_line() {
    for (bytes, part) in [
        (
            &b"[[context]]\nmatch = \"a\"\nmemory = 3\n"[..],
            ":3: unknown field `memory`",
        ),
        (b"[[context]]\nowner = \"a\"\n", ":1: missing field `match`"),
        (
            b"[[context]]\nmatch = \"/a\"\n",
            ": context 1: '/a' begins with a slash",
        ),
        (b"\xff", ": not UTF-8 from byte 0 on"),
        (b"[[context]]\nmatch = \"a\"\nmemory_bytes = -1\n", ":3: "),
    ] {
        let host = Files::default().with("/etc/cpufence/context.d/x.toml", bytes);
        let notes = ContextReader::new(&host).notes;
        let expected = format!("/etc/cpufence/context.d/x.toml{part}");
        assert!(
            notes.len() == 1 && notes[0].starts_with(&expected),
            "{notes:?}, expected {expected}"
        );
    }
}

#[test]
fn third_party_text_is_made_safe_and_short() {
    let long = "x".repeat(3000);
    let host = Files::default().with(
        &format!("/var/lib/docker/containers/{ID}/config.v2.json"),
        format!(r#"{{"Name":"/a\u001b[31mb","Config":{{"Image":"{long}"}}}}"#),
    );
    let context = read(&host, &format!("docker/{ID}")).context;
    assert_eq!(context.app, text(r"a\x1b[31mb"));
    assert_eq!(context.image.unwrap().len(), LONGEST_TEXT);
}

#[test]
fn quantities() {
    for (quantity, value) in [
        ("10M", Some(10_000_000)),
        ("1Gi", Some(1 << 30)),
        ("7", Some(7)),
        ("1.5M", None),
        ("x", None),
        ("", None),
    ] {
        assert_eq!(parse_quantity(quantity), value, "{quantity}");
    }
    assert_eq!(parse_quantity("99999999999G"), None);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), json in "[\\[\\]{}\":,a-zA-Z0-9]{0,80}") {
        for content in [bytes, json.into_bytes()] {
            let host = Files::default()
                .with("/etc/cpufence/context.d/x.toml", content.clone())
                .with("/etc/docker/daemon.json", content.clone())
                .with(&format!("{TASK_DIR}/moby/{ID}/config.json"), content.clone())
                .with(&format!("/var/lib/docker/containers/{ID}/config.v2.json"), content.clone())
                .with(&format!("{}/containers.json", STORAGE_DIRS[0]), content);
            let _ = read(&host, &format!("docker/{ID}"));
        }
    }
}
