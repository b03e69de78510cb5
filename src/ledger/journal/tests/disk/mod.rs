//! A disk in memory that forgets what was not synced, and fails on demand.
//!
//! What a power loss leaves of a file: its synced bytes, and of each sector
//! written since, any version that it had, at random. Of the names: those
//! synced, and any selection of the changes since. What a kill leaves:
//! everything that was written, synced or not. Directories are gone with all that
//! is in them if their own name was not synced. After a failed sync the cache
//! holds what was written and takes it for clean, so that later syncs don't
//! write it: the disk has some of it, at random.

mod inode;
mod simulated;
mod state;
mod tree;

pub(crate) use self::simulated::Disk;
pub(crate) use self::state::{Crash, Fault};
