//! The edge: the journal's files. Behind a trait so that a test can let the
//! disk fill up, or the process die, at any operation.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is the edge to the file system"
)]

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// What the journal needs of a file system. Paths are real ones.
pub trait Disk: Debug {
    /// Makes a directory and those above it.
    ///
    /// # Errors
    /// As the system call fails.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Names of the files in a directory, ascending.
    ///
    /// # Errors
    /// As the system call fails.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// The bytes of a file.
    ///
    /// # Errors
    /// As the system call fails.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Length of a file, bytes.
    ///
    /// # Errors
    /// As the system call fails.
    fn size(&self, path: &Path) -> io::Result<u64>;

    /// Appends to a file, which is created where it is missing.
    ///
    /// # Errors
    /// As the system call fails; a part of the bytes may then be in the file.
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Makes a file's bytes durable.
    ///
    /// # Errors
    /// As the system call fails.
    fn sync(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory's entries durable.
    ///
    /// # Errors
    /// As the system call fails.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Cuts a file to `len` bytes.
    ///
    /// # Errors
    /// As the system call fails.
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()>;

    /// Renames a file within its directory.
    ///
    /// # Errors
    /// As the system call fails.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Deletes a file.
    ///
    /// # Errors
    /// As the system call fails.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The real one.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

/// Longest file read: bounds memory when something foreign lies in the
/// journal's directory. Far above any segment.
const MAX_FILE: u64 = 256 << 20;

impl Disk for RealDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            // Our own names are ASCII.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = File::open(path)?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "longer than 256 MiB",
            ));
        }
        Ok(bytes)
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.len())
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        file.write_all(bytes)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        OpenOptions::new().append(true).open(path)?.sync_data()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(path)?.set_len(len)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// Why a run cannot have the state directory for itself.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run has it.
    #[error(
        "another run{} uses {dir}; wait until it ends",
        holder.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    Held {
        /// The state directory.
        dir: String,
        /// Its process, as far as it told.
        holder: Option<u32>,
    },
    /// The lock file cannot be made or locked.
    #[error("cannot lock {path}")]
    Io {
        /// The lock file.
        path: String,
        /// What failed.
        #[source]
        source: io::Error,
    },
}

/// The exclusive use of a state directory; ends when dropped, or with the
/// process however that ends.
#[derive(Debug)]
pub struct Lock {
    dir: PathBuf,
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file would be enough, but for a process that another thread is starting:
        // it has the file, and with it the lock, until it executes its program.
        let _ = self.file.unlock();
    }
}

impl Lock {
    /// Takes the state directory `dir`, which is made where it is missing
    /// (mode 0777 less the umask). Does not wait.
    ///
    /// # Errors
    /// If another run has it, or the file `lock` cannot be made in it.
    pub fn acquire(dir: &Path) -> Result<Self, LockError> {
        let path = dir.join("lock");
        let fail = |source| LockError::Io {
            path: path.display().to_string(),
            source,
        };
        fs::create_dir_all(dir).map_err(fail)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = (&file).take(32).read_to_string(&mut text);
                return Err(LockError::Held {
                    dir: dir.display().to_string(),
                    holder: text.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(fail(source)),
        }
        // Only for the message above: a full disk must not stop a restore.
        let pid = format!("{}\n", std::process::id());
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(pid.as_bytes()));
        Ok(Self {
            dir: dir.to_path_buf(),
            file,
        })
    }

    /// The state directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As while another thread starts a process, which has all files until it executes its program.
    #[test]
    fn a_lock_ends_although_its_file_is_open_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::acquire(dir.path()).unwrap();
        let elsewhere = lock.file.try_clone().unwrap();
        assert!(matches!(
            Lock::acquire(dir.path()),
            Err(LockError::Held { .. })
        ));
        drop(lock);
        drop(Lock::acquire(dir.path()).unwrap());
        drop(elsewhere);
    }
}
