//! What the sources may and may not say.

use std::path::Path;

use crate::files::{FILES, TextFile};

/// The files that touch clock, environment or files of the machine. A new one
/// is a decision about the design (pure core, thin shell): its attribute
/// `#![expect(clippy::disallowed_methods, reason = "...")]` tells why.
const EDGES: &[&str] = &[
    "solver/src/cli/bench/catalogue.rs",
    "solver/src/cli/bench/child.rs",
    "solver/src/cli/bench/report.rs",
    "solver/src/cli/usage.rs",
    "solver/src/clock.rs",
    "solver/src/io/file.rs",
    "solver/src/memory.rs",
    "src/cgroup/fs.rs",
    "src/cgroup/journal/disk.rs",
    "src/cli/batch.rs",
    "src/cli/demo.rs",
    "src/cli/evaluate.rs",
    "src/cli/progress.rs",
    "src/cli/replay.rs",
    "src/cli/settings.rs",
    "src/cli/simulate.rs",
    "src/cli/subject.rs",
    "src/cli/train.rs",
    "src/engine/shell.rs",
    "src/history/store.rs",
    "src/predict/archive_rows/cache.rs",
    "src/predict/dataset/read.rs",
    "src/predict/store.rs",
];

fn rust_files() -> impl Iterator<Item = &'static TextFile> {
    FILES.iter().filter(|file| file.is_rust())
}

/// Sources of the two crates, without tests and benches.
fn crate_files() -> impl Iterator<Item = &'static TextFile> {
    let ours = |f: &&TextFile| f.path.starts_with("src/") || f.path.starts_with("solver/src/");
    let tests = |f: &&TextFile| f.path.ends_with("/tests.rs") || f.path.contains("/tests/");
    rust_files().filter(move |file| ours(file) && !tests(file))
}

/// Lines with `needle`, as `path:line: text`.
fn hits<'a>(files: impl Iterator<Item = &'a TextFile>, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            if line.contains(needle) {
                found.push(format!("{}:{}: {}", file.path, index + 1, line.trim()));
            }
        }
    }
    found
}

fn assert_none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

#[test]
fn edges_are_the_reviewed_ones() {
    let found: Vec<&str> = crate_files()
        .filter(|file| file.text.contains("clippy::disallowed_methods"))
        .filter(|file| !only_in_tests(&file.text))
        .map(|file| file.path.as_str())
        .collect();
    assert_eq!(
        found, EDGES,
        "left: edges in the sources, right: the reviewed list"
    );
}

/// Whether the lint is silenced in the test module alone, a file's last item.
fn only_in_tests(text: &str) -> bool {
    let tests = text.rfind("#[cfg(test)]\nmod tests").unwrap_or(text.len());
    !text[..tests].contains("clippy::disallowed_methods")
}

#[test]
fn hash_order_is_never_excused() {
    let lint = concat!("clippy::disallowed", "_types");
    assert_none(&hits(rust_files(), lint), "a lint that is never silenced");
}

#[test]
fn unsafe_code_is_denied_everywhere() {
    let manifest = |path: &str| -> toml::Table {
        let file = FILES.iter().find(|file| file.path == path).unwrap();
        file.text.parse().unwrap()
    };
    let root = manifest("Cargo.toml");
    let lint = &root["workspace"]["lints"]["rust"]["unsafe_code"];
    assert_eq!(lint.as_str(), Some("deny"));
    for member in [root, manifest("solver/Cargo.toml")] {
        let name = member["package"]["name"].as_str().unwrap();
        assert_eq!(member["lints"]["workspace"].as_bool(), Some(true), "{name}");
    }
    let solver = FILES
        .iter()
        .find(|f| f.path == "solver/src/lib.rs")
        .unwrap();
    assert!(solver.text.contains("#![forbid(unsafe_code)]"));
    for level in ["allow", "expect", "warn"] {
        let silenced = format!("{level}({}", concat!("unsafe", "_code"));
        assert_none(&hits(rust_files(), &silenced), "unsafe code");
    }
}

#[test]
fn bincode_is_known_to_the_codec_alone() {
    let uses = |file: &&TextFile| {
        let code = |line: &str| !line.trim_start().starts_with("//") && line.contains("bincode");
        file.text.lines().any(code)
    };
    let found: Vec<&str> = rust_files()
        .filter(|file| !file.path.starts_with("tests/policy/"))
        .filter(uses)
        .map(|file| file.path.as_str())
        .collect();
    assert_eq!(found, ["src/codec.rs"]);
}

#[test]
fn no_test_is_ignored() {
    for attribute in [concat!("#[ign", "ore"), concat!(", ign", "ore")] {
        assert_none(&hits(rust_files(), attribute), "ignored tests");
    }
}

/// A test that cannot run says `SKIPPED name: reason` on one line and passes;
/// CI collects these lines.
#[test]
fn skipped_tests_say_why() {
    let mark = concat!("\"SKIP", "PED");
    let vague = |hit: &String| !hit.split(mark).skip(1).all(|rest| rest.contains(": "));
    let found: Vec<String> = hits(rust_files(), mark).into_iter().filter(vague).collect();
    assert_none(&found, "skip lines without a reason");
}

#[test]
fn no_file_names_somebodys_machine() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut needles = vec![
        concat!("/ro", "ot/").to_owned(),
        concat!("/ho", "me/").to_owned(),
        concat!("/wo", "rk/").to_owned(),
        concat!("/Us", "ers/").to_owned(),
    ];
    if root.components().count() > 2 {
        needles.extend(root.to_str().map(str::to_owned));
    }
    for needle in needles {
        assert_none(&hits(FILES.iter(), &needle), "paths of a machine");
    }
}

/// A plain release build must leave its binaries in `target/release`.
#[test]
fn no_cargo_configuration_names_a_target() {
    for file in FILES
        .iter()
        .filter(|file| file.path.contains(".cargo/config"))
    {
        let config: toml::Table = file.text.parse().unwrap();
        let target = config.get("build").and_then(|build| build.get("target"));
        assert_eq!(target, None, "{}", file.path);
    }
}
