//! Space that is held for the pending file, so that a drain on a full disk can
//! still write it.
//!
//! A file of zeroes takes the space while the service runs. A drain that finds
//! none removes the file and tries again. The preallocator makes the file, and
//! makes neither it nor a segment once the space was given up.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;

use crate::ledger::journal::file_names::PENDING_RESERVE;
use crate::ledger::journal::limits::PENDING_RESERVE_SHARE;
use crate::ledger::journal::storage::{Storage, write_full};

/// Sizes are whole multiples of this, and so many zeroes are written and synced
/// at once.
const STEP: u64 = 1 << 20;

/// The file `pending.reserve`. Clones share its state.
#[derive(Clone)]
pub(crate) struct PendingReserve {
    storage: Arc<dyn Storage>,
    bytes: u64,
    /// Set by the drain before it removes the file, and never reset.
    released: Arc<AtomicBool>,
}

impl PendingReserve {
    /// For a journal with segments of that size. Small ones, as tests have
    /// them, reserve nothing.
    pub(crate) fn new(storage: Arc<dyn Storage>, segment_bytes: u64) -> Self {
        Self {
            storage,
            bytes: segment_bytes / PENDING_RESERVE_SHARE / STEP * STEP,
            released: Arc::default(),
        }
    }

    /// Whether the space was given up for the pending file.
    pub(crate) fn is_released(&self) -> bool {
        // Relaxed: it publishes nothing. A file that is begun in spite of it is
        // removed again, and a drain tries again.
        self.released.load(Ordering::Relaxed)
    }

    /// Makes the file unless it is there.
    ///
    /// # Errors
    /// When it can't be made. What was written is removed then.
    pub(crate) fn make_if_missing(&self) -> io::Result<()> {
        if self.bytes == 0 || self.is_released() || self.is_made()? {
            return Ok(());
        }
        // What is left of a nearly full volume is not taken again and again.
        let free = self.storage.free_bytes();
        if free.is_some_and(|free| free < self.bytes) {
            return Err(Errno::NOSPC.into());
        }
        let made = self.write_zeroes();
        if made.is_err() || self.is_released() {
            // Should that fail, the next start replaces it.
            let _ = self.storage.remove(PENDING_RESERVE);
        }
        made
    }

    /// Gives the space up; `false` if there was none to give.
    pub(super) fn release(&self) -> bool {
        self.released.store(true, Ordering::Relaxed);
        self.storage.remove(PENDING_RESERVE).is_ok()
    }

    fn is_made(&self) -> io::Result<bool> {
        match self.storage.open(PENDING_RESERVE) {
            Ok(file) => Ok(file.len()? >= self.bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn write_zeroes(&self) -> io::Result<()> {
        let file = self.storage.create(PENDING_RESERVE)?;
        let zeroes = vec![0; STEP as usize];
        for offset in (0..self.bytes).step_by(STEP as usize) {
            write_full(&*file, &zeroes, offset)?;
            // Where space is taken at writeback, it is taken now.
            file.sync()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::journal::file_names::{PENDING, PENDING_NEW};
    use crate::ledger::journal::limits::SEGMENT_BYTES;
    use crate::ledger::journal::pending_file::format::load;
    use crate::ledger::journal::pending_file::tests::{ID, pending_file, two};
    use crate::ledger::journal::tests::disk::{Crash, Disk, Fault};

    /// A full disk with the space reserved on it.
    fn full(seed: u64) -> Disk {
        let disk = Disk::new(seed);
        let reserve = pending_file(&disk).reserve;
        reserve.make_if_missing().unwrap();
        disk.set_capacity(disk.bytes(PENDING_RESERVE).len());
        disk
    }

    #[test]
    fn it_is_a_share_of_a_segment() {
        for (segment, bytes) in [(SEGMENT_BYTES, 8 << 20), (17 << 20, 2 << 20), (4096, 0)] {
            let disk = Disk::new(1);
            let reserve = PendingReserve::new(Arc::new(disk.clone()), segment);
            reserve.make_if_missing().unwrap();
            assert_eq!(disk.has(PENDING_RESERVE), bytes > 0);
            if bytes > 0 {
                assert_eq!(disk.bytes(PENDING_RESERVE), vec![0; bytes]);
                // Not again.
                let ops = disk.ops();
                reserve.make_if_missing().unwrap();
                assert_eq!(disk.ops(), ops);
            }
        }
    }

    #[test]
    fn one_that_was_not_finished_is_made_anew() {
        let disk = Disk::new(1);
        disk.set_capacity(3 << 20);
        let reserve = pending_file(&disk).reserve;
        assert!(reserve.make_if_missing().is_err());
        assert!(!disk.has(PENDING_RESERVE), "its space is free again");
        disk.set_capacity(1 << 30);
        disk.create(PENDING_RESERVE).unwrap();
        reserve.make_if_missing().unwrap();
        assert_eq!(disk.bytes(PENDING_RESERVE).len(), 8 << 20);
    }

    #[test]
    fn a_full_disk_takes_the_pending_orders_all_the_same() {
        let disk = full(1);
        let file = pending_file(&disk);
        file.write(9, two().into_iter()).unwrap();
        assert_eq!(load(&disk, ID).unwrap().unwrap().orders, two());
        // It is not made again for this process, which needs the space.
        assert!(!disk.has(PENDING_RESERVE));
        file.reserve.make_if_missing().unwrap();
        assert!(file.reserve.is_released() && !disk.has(PENDING_RESERVE));
        // There is none to give up a second time.
        disk.set_capacity(disk.bytes(PENDING).len());
        let error = file.write(9, two().into_iter()).unwrap_err().to_string();
        assert!(error.starts_with("can't write pending.new"), "{error}");
        assert!(!disk.has(PENDING_NEW));
        assert_eq!(load(&disk, ID).unwrap().unwrap().orders, two());
    }

    #[test]
    fn it_is_given_up_for_space_alone() {
        let disk = full(1);
        disk.plan(1, Fault::Fails);
        let file = pending_file(&disk);
        assert!(file.write(9, two().into_iter()).is_err());
        assert!(disk.has(PENDING_RESERVE) && !file.reserve.is_released());
    }

    #[test]
    fn a_crash_while_it_is_used_leaves_the_orders_or_none() {
        let ops = {
            let disk = full(1);
            let before = disk.ops();
            pending_file(&disk).write(9, two().into_iter()).unwrap();
            disk.ops() - before
        };
        for at in 1..=ops {
            for crash in [Crash::Kill, Crash::PowerLoss] {
                let disk = full(at);
                disk.plan(at, Fault::Dies);
                let written = pending_file(&disk).write(9, two().into_iter());
                disk.restart(crash);
                match load(&disk, ID).unwrap() {
                    Some(found) => assert_eq!(found.orders, two()),
                    None => assert!(written.is_err(), "lost at {at} by {crash:?}"),
                }
            }
        }
    }
}
