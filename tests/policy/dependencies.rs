//! Every package that a Linux build, test or bench links in or runs: normal,
//! build and dev dependencies on x86_64 and aarch64, from `cargo metadata`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use crate::spdx;

const TARGETS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

const CRATES_IO: &str = "https://github.com/rust-lang/crates.io-index";

const LICENCES: [&str; 8] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Packages that exist to compile, find or bind native code.
const NATIVE_TOOLS: [&str; 10] = [
    "bindgen",
    "cbindgen",
    "cc",
    "cmake",
    "cxx-build",
    "nasm-rs",
    "pkg-config",
    "system-deps",
    "vcpkg",
    "cpp_build",
];

/// Packages with a `links` key, or named `*-sys`, that bring no native code.
const NOT_NATIVE: [(&str, &str); 1] = [(
    "linux-raw-sys",
    "constants and types of the kernel's interface, no library",
)];

static METADATA: LazyLock<Value> = LazyLock::new(|| {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    for target in TARGETS {
        cargo.args(["--filter-platform", target]);
    }
    let output = cargo.output().expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {errors}");
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
});

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The packages of the resolved graph.
fn packages() -> Vec<&'static Value> {
    let resolved: BTreeSet<&str> = array(&METADATA["resolve"], "nodes")
        .iter()
        .map(|node| text(node, "id"))
        .collect();
    let found: Vec<&Value> = array(&METADATA, "packages")
        .iter()
        .filter(|package| resolved.contains(text(package, "id")))
        .collect();
    assert_eq!(
        found.len(),
        resolved.len(),
        "every resolved package is listed"
    );
    assert!(found.len() > 20, "the graph was read");
    found
}

fn members() -> Vec<&'static Value> {
    let ids: BTreeSet<&str> = array(&METADATA, "workspace_members")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let members: Vec<&Value> = packages()
        .into_iter()
        .filter(|package| ids.contains(text(package, "id")))
        .collect();
    let names: Vec<&str> = members
        .iter()
        .map(|package| text(package, "name"))
        .collect();
    assert_eq!(
        names,
        ["branchcut", "cpufence"],
        "a new member needs a look here"
    );
    members
}

fn assert_none(broken: &[String], rule: &str) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn licences_are_on_the_list() {
    let mut broken = Vec::new();
    for package in packages() {
        let licence = text(package, "license");
        let verdict = spdx::is_allowed(licence, &LICENCES);
        if verdict != Ok(true) {
            broken.push(format!(
                "{}: {licence:?} {verdict:?}",
                text(package, "name")
            ));
        }
    }
    assert_none(&broken, "licences outside the list");
}

#[test]
fn sources_are_crates_io_and_this_workspace() {
    let ours: BTreeSet<&str> = members()
        .iter()
        .map(|package| text(package, "id"))
        .collect();
    let mut broken = Vec::new();
    for package in packages() {
        let expected = match ours.contains(text(package, "id")) {
            true => Value::Null,
            false => Value::from(format!("registry+{CRATES_IO}")),
        };
        if package["source"] != expected {
            broken.push(format!("{}: {}", text(package, "name"), package["source"]));
        }
    }
    assert_none(&broken, "packages from elsewhere");
}

#[test]
fn no_package_brings_native_code() {
    let mut broken = Vec::new();
    for package in packages() {
        let name = text(package, "name");
        let excused = NOT_NATIVE.iter().any(|(excused, _)| *excused == name);
        if !excused && (!package["links"].is_null() || name.ends_with("-sys")) {
            broken.push(format!("{name}: links {}", package["links"]));
        }
        if NATIVE_TOOLS.contains(&name) {
            broken.push(format!("{name}: a tool for native code"));
        }
    }
    assert_none(&broken, "native code");
}

#[test]
fn members_have_no_build_script_and_no_wildcard_version() {
    let mut broken = Vec::new();
    for package in members() {
        let name = text(package, "name");
        let kinds = array(package, "targets")
            .iter()
            .flat_map(|t| array(t, "kind"));
        if kinds.into_iter().any(|kind| kind == "custom-build") {
            broken.push(format!("{name} has a build script"));
        }
        for dependency in array(package, "dependencies") {
            if text(dependency, "req") == "*" && dependency["path"].is_null() {
                broken.push(format!("{name} takes any {}", text(dependency, "name")));
            }
        }
    }
    assert_none(&broken, "members");
}

/// bincode 3.0.0 does not compile and 2 has another format: the files we have
/// written stay readable with exactly this one.
#[test]
fn bincode_is_pinned() {
    let found: Vec<(&str, &str)> = members()
        .iter()
        .flat_map(|package| array(package, "dependencies"))
        .filter(|dependency| text(dependency, "name") == "bincode")
        .map(|dependency| (text(dependency, "req"), text(dependency, "kind")))
        .collect();
    assert_eq!(found, [("=1.3.3", "")]);
}

/// The solver knows nothing of hosts.
#[test]
fn branchcut_stands_alone() {
    let members = members();
    let depends = |package: &Value, on: &str| {
        let dependencies = array(package, "dependencies");
        dependencies.iter().any(|d| text(d, "name") == on)
    };
    assert!(!depends(members[0], "cpufence"));
    assert!(depends(members[1], "branchcut"));
}

#[test]
fn deny_toml_says_the_same() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml");
    let deny: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    let list = |section: &str, key: &str| -> Vec<String> {
        let items = deny[section][key].as_array().unwrap();
        let name = |item: &toml::Value| match item {
            toml::Value::Table(table) => table["crate"].as_str().unwrap().to_owned(),
            other => other.as_str().unwrap().to_owned(),
        };
        let mut names: Vec<String> = items.iter().map(name).collect();
        names.sort();
        names
    };
    let sorted = |names: &[&str]| {
        let mut names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(list("graph", "targets"), sorted(&TARGETS));
    assert_eq!(list("licenses", "allow"), sorted(&LICENCES));
    assert_eq!(list("bans", "deny"), sorted(&NATIVE_TOOLS));
    assert_eq!(list("sources", "allow-registry"), [CRATES_IO]);
    assert_eq!(deny["bans"]["wildcards"].as_str(), Some("deny"));
    assert_eq!(deny["sources"]["unknown-registry"].as_str(), Some("deny"));
    assert_eq!(deny["sources"]["unknown-git"].as_str(), Some("deny"));
}
