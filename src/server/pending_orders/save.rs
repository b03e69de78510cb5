//! Orders being added to the pending file: on a thread of its own, since the
//! disk may hang.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crate::ledger::journal::{PendingFileError, PendingOrder};
use crate::pipeline::InFlight;
use crate::server::pending_orders::shared_file::SharedFile;
use crate::sync::crash;

pub(super) struct Save {
    pub(super) jobs: Arc<[Arc<InFlight>]>,
    pub(super) begun: Instant,
    pub(super) thread: JoinHandle<Result<(), PendingFileError>>,
}

impl Save {
    /// Adds orders that have no outcome up to sequence `after_seq`.
    pub(super) fn begin(
        file: Arc<SharedFile>,
        after_seq: u64,
        jobs: Vec<Arc<InFlight>>,
    ) -> io::Result<Self> {
        let jobs: Arc<[_]> = jobs.into();
        let added = jobs.clone();
        let thread = crash::spawn("pending-saver", move || file.add(after_seq, orders(&added)))?;
        Ok(Self {
            jobs,
            begun: Instant::now(),
            thread,
        })
    }

    pub(super) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

pub(super) fn orders(
    jobs: &[Arc<InFlight>],
) -> impl ExactSizeIterator<Item = PendingOrder<'_>> + Clone {
    jobs.iter()
        .map(|job| PendingOrder::new(job.accepted_at, &job.order))
}
