//! The edge: files of the host under a root directory.
//!
//! Everything that reads or writes a cgroup, `/proc` or `/etc` file goes
//! through [`Host`], so that a captured tree, a model of the kernel's rules or
//! a fault injector can stand in for the live one. Paths are absolute as the
//! host sees them (`/sys/fs/cgroup/...`).
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the edge to the file system"
)]

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Longest pseudo-file read: bounds memory on a hostile tree.
const MAX_FILE: u64 = 16 << 20;

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// File name, raw bytes.
    pub name: OsString,
    /// Whether it is a directory (links are not followed).
    pub is_dir: bool,
    /// Inode.
    pub inode: u64,
}

/// The files of a host.
pub trait Host {
    /// The bytes of a file.
    ///
    /// # Errors
    /// As the system call fails; `InvalidData` above 16 MiB.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Writes `bytes` to an existing file in one `write(2)`.
    ///
    /// # Errors
    /// As the system call fails; a short write is `WriteZero`.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Entries of a directory, by name.
    ///
    /// # Errors
    /// As the system call fails.
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>>;

    /// Inode of a file or directory.
    ///
    /// # Errors
    /// As the system call fails.
    fn inode(&self, path: &Path) -> io::Result<u64>;

    /// Whether a file may be written; nothing is written.
    ///
    /// # Errors
    /// As opening it for writing fails.
    fn check_writable(&self, path: &Path) -> io::Result<()> {
        self.inode(path).map(|_| ())
    }

    /// The text of a file without trailing white space and NUL bytes; none
    /// where it cannot be read ("missing files mean not so").
    fn text(&self, path: &Path) -> Option<String> {
        let bytes = self.read(path).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        Some(
            text.trim_end_matches(|c: char| c.is_whitespace() || c == '\0')
                .to_string(),
        )
    }
}

/// The real file system below `root`.
#[derive(Clone, Debug)]
pub struct RealHost {
    root: PathBuf,
}

impl RealHost {
    /// The host whose `/` is `root` (`/` for the live one).
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where a host path lies really.
    #[must_use]
    pub fn locate(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

impl Host for RealHost {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = fs::File::open(self.locate(path))?
            .take(MAX_FILE + 1)
            .read_to_end(&mut bytes)?;
        if read as u64 > MAX_FILE {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "longer than 16 MiB",
            ));
        }
        Ok(bytes)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(self.locate(path))?;
        match file.write(bytes)? {
            written if written == bytes.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    fn check_writable(&self, path: &Path) -> io::Result<()> {
        fs::OpenOptions::new()
            .write(true)
            .open(self.locate(path))
            .map(|_| ())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.locate(path))? {
            let entry = entry?;
            entries.push(Entry {
                name: entry.file_name(),
                is_dir: entry.file_type()?.is_dir(),
                inode: entry.ino(),
            });
        }
        entries.sort();
        Ok(entries)
    }

    fn inode(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::symlink_metadata(self.locate(path))?.ino())
    }
}
