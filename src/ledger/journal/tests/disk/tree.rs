//! The directories above the data directory.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::ledger::journal::directory_tree::DirectoryTree;
use crate::ledger::journal::storage::Storage;
use crate::ledger::journal::tests::disk::simulated::Disk;
use crate::ledger::journal::tests::disk::state::OpResult;

impl DirectoryTree for Disk {
    fn is_dir(&self, path: &Path) -> bool {
        let above = [Path::new("/"), Path::new("/data")];
        above.contains(&path) || self.with(|state| state.dirs.contains_key(path))
    }

    fn read_dir(&self, path: &Path) -> io::Result<()> {
        if self.is_dir(path) {
            Ok(())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.with(|state| {
            let result = state.next_op()?;
            let made = match result {
                OpResult::Succeeds | OpResult::SyncFails => true,
                OpResult::Fails(_) => false,
                OpResult::Dies => state.random.percent(50),
            };
            if made {
                state.dirs.insert(path.to_owned(), false);
            }
            result.into()
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.with(|state| match state.next_op()? {
            OpResult::Succeeds => {
                let made = state.dirs.iter_mut();
                for (_, durable) in made.filter(|(dir, _)| dir.parent() == Some(path)) {
                    *durable = true;
                }
                Ok(())
            }
            OpResult::SyncFails => Err(io::Error::other("a planned failure of a sync")),
            result => result.into(),
        })
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn Storage>> {
        self.read_dir(path)?;
        Ok(Arc::new(self.clone()))
    }
}
