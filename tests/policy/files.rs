//! The repository's files as text.

use std::path::Path;
use std::sync::LazyLock;

/// One text file of the repository.
pub(crate) struct TextFile {
    /// Path below the root, with `/`.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) text: String,
}

impl TextFile {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Every text file, ascending by path. Build output, version control and what
/// editors leave are not the repository's.
pub(crate) static FILES: LazyLock<Vec<TextFile>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if is_foreign(root, &entry.path()) {
                continue;
            }
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                found.extend(read_text(root, &entry.path()));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    let has = |path: &str| found.iter().any(|file| file.path == path);
    assert!(has("src/lib.rs") && has("solver/src/lib.rs") && has("Cargo.toml"));
    found
});

fn is_foreign(root: &Path, path: &Path) -> bool {
    ["target", ".git", ".idea", ".vscode"]
        .iter()
        .any(|name| path == root.join(name))
}

/// None for a binary file, such as a journal among the fixtures.
fn read_text(root: &Path, path: &Path) -> Option<TextFile> {
    let text = String::from_utf8(std::fs::read(path).unwrap()).ok()?;
    let path = path.strip_prefix(root).unwrap().to_str()?.to_owned();
    (!text.contains('\0')).then_some(TextFile { path, text })
}
