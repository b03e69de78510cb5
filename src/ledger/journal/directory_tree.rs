//! The directories above a data directory: what a journal needs before it has a
//! [`Storage`].
//!
//! As for files: a name made in a directory is durable when
//! [`sync_dir`](DirectoryTree::sync_dir) of that directory has returned.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use rustix::io::Errno;

use crate::ledger::journal::directory::Directory;
use crate::ledger::journal::storage::Storage;

pub(crate) trait DirectoryTree {
    fn is_dir(&self, path: &Path) -> bool;
    /// Succeeds if `path` is a directory that may be read.
    fn read_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes one directory, for this user only.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Opens a directory and holds it.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn Storage>>;
}

/// That of the operating system.
pub(crate) struct FileSystem;

impl DirectoryTree for FileSystem {
    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn read_dir(&self, path: &Path) -> io::Result<()> {
        fs::read_dir(path).map(drop)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(path)?;
        // Whatever the umask.
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn Storage>> {
        Ok(Arc::new(Directory::open(path)?))
    }
}

/// Makes `dir`, in a directory that there is, and its name durable. Missing
/// ancestors are not made: a path that is mistyped would become a new ledger.
pub(crate) fn create_dir_durably(tree: &dyn DirectoryTree, dir: &Path) -> io::Result<()> {
    let parent = match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("/"),
    };
    if tree.is_dir(dir) {
        // It may have been made by a process that was killed before it could
        // make the name durable. A process that may not read the parent hasn't
        // made anything there.
        return match tree.read_dir(&parent) {
            Ok(()) => if_supported(&parent, tree.sync_dir(&parent)),
            Err(_) => Ok(()),
        };
    }
    if !tree.is_dir(&parent) {
        let parent = parent.display();
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("{parent} doesn't exist, and is not made: make it if the path is right"),
        ));
    }
    match tree.create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Fails if the name is that of a file.
    tree.read_dir(dir)?;
    if_supported(&parent, tree.sync_dir(&parent))
}

/// Not all directories can be synced: those of a file system that is read-only
/// or doesn't support it, and those that belong to others. A name in them that
/// isn't durable is not in this process's hands.
fn if_supported(dir: &Path, synced: io::Result<()>) -> io::Result<()> {
    let Err(error) = synced else {
        return Ok(());
    };
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    match errno {
        Some(
            Errno::INVAL | Errno::ROFS | Errno::NOTSUP | Errno::NOSYS | Errno::ACCESS | Errno::PERM,
        ) => {
            tracing::debug!(dir = %dir.display(), "can't be synced: {error}");
            Ok(())
        }
        _ => Err(error),
    }
}
