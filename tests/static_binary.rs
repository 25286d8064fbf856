//! The release binary that is shipped: static, small, and at home in an empty
//! directory tree. It is what
//! `RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --target x86_64-unknown-linux-gnu`
//! leaves, or the file named by `CPUFENCE_STATIC_BINARY`.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "test code: reads the binary under test and says what it skips"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const LARGEST: u64 = 8 << 20;

/// The binary, or a line that says why the test is skipped.
fn binary(test: &str) -> Option<PathBuf> {
    let built = "target/x86_64-unknown-linux-gnu/release/cpufence";
    let path = std::env::var_os("CPUFENCE_STATIC_BINARY").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join(built),
        PathBuf::from,
    );
    if !path.is_file() {
        eprintln!("SKIPPED {test}: no static release binary at {built}");
        return None;
    }
    Some(path)
}

/// Program header types of a 64-bit little-endian ELF file (gABI, "Program Header").
fn segment_types(elf: &[u8]) -> Vec<u32> {
    assert_eq!(
        &elf[..6],
        b"\x7fELF\x02\x01",
        "a 64-bit little-endian ELF file"
    );
    let half = |at: usize| usize::from(u16::from_le_bytes(elf[at..at + 2].try_into().unwrap()));
    let word = |at: usize| u32::from_le_bytes(elf[at..at + 4].try_into().unwrap());
    let start = usize::try_from(u64::from_le_bytes(elf[32..40].try_into().unwrap())).unwrap();
    let (size, count) = (half(54), half(56));
    (0..count).map(|index| word(start + index * size)).collect()
}

#[test]
fn release_binary_is_static() {
    const LOAD: u32 = 1;
    const INTERPRETER: u32 = 3;
    let Some(path) = binary("release_binary_is_static") else {
        return;
    };
    let types = segment_types(&std::fs::read(path).unwrap());
    assert!(types.contains(&LOAD), "{types:?}");
    assert!(
        !types.contains(&INTERPRETER),
        "it asks for a dynamic loader"
    );
    // The check sees one where there is one: this test itself is dynamic.
    let own = segment_types(&std::fs::read(std::env::current_exe().unwrap()).unwrap());
    assert!(own.contains(&INTERPRETER) || cfg!(target_feature = "crt-static"));
}

#[test]
fn release_binary_is_small() {
    let Some(path) = binary("release_binary_is_small") else {
        return;
    };
    let size = std::fs::metadata(path).unwrap().len();
    assert!(size <= LARGEST, "{size} bytes, the limit is {LARGEST}");
}

#[test]
fn demo_needs_nothing_but_the_binary() {
    let name = "demo_needs_nothing_but_the_binary";
    let Some(path) = binary(name) else { return };
    let root = tempfile::tempdir().unwrap();
    std::fs::copy(path, root.path().join("cpufence")).unwrap();
    let chroot = |program: &[&str]| {
        let mut command = Command::new("chroot");
        command.arg(root.path()).args(program);
        command.output()
    };
    match chroot(&["/cpufence", "--version"]) {
        Ok(output) if output.status.code() != Some(125) => {}
        _ => {
            eprintln!("SKIPPED {name}: chroot needs root");
            return;
        }
    }
    let started = Instant::now();
    let output = chroot(&["/cpufence", "demo"]).unwrap();
    let took = started.elapsed();
    let (text, errors) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(0), "{text}{errors}");
    assert!(text.lines().count() > 10, "it shows the host: {text}");
    assert!(text.contains("gap"), "it shows the proof: {text}");
    assert!(took <= Duration::from_secs(2), "{took:?}");
    let left: Vec<_> = std::fs::read_dir(root.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["cpufence"], "it leaves nothing behind");
}
