//! The reader threads and their queue.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::ledger::journal::archive::range_reader::{JournalFiles, RangeReader};
use crate::ledger::{Archive, LedgerId, Read, ReadError, ReadRange};
use crate::metrics::DiskGauges;
use crate::sync::crash;

/// Threads that read.
const READERS: usize = 2;
/// Reads that may wait for them.
const READS_WAITING: usize = 256;

type Job = Box<dyn FnOnce(&RangeReader) + Send>;

/// The journal's read side.
pub struct JournalArchive {
    jobs: SyncSender<Job>,
    files: JournalFiles,
}

impl JournalArchive {
    /// Starts the readers. They end with the archive.
    pub(crate) fn start(files: JournalFiles) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(READS_WAITING);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..READERS {
            let queue = queue.clone();
            let reader = RangeReader::new(files.clone());
            crash::spawn(format!("reader-{number}"), move || run(&reader, &queue))?;
        }
        Ok(Self { jobs, files })
    }

    /// As [`Archive::read_range`], on the caller's thread, which waits for the
    /// disk.
    #[cfg(test)]
    pub(crate) fn range(&self, after: u64, limit: usize, bytes_max: usize) -> ReadRange {
        RangeReader::new(self.files.clone()).range(after, limit, bytes_max)
    }

    fn push<R: 'static>(
        &self,
        reply: impl FnOnce(Result<R, ReadError>) + Send + 'static,
        read: impl FnOnce(&RangeReader) -> Result<R, ReadError> + Send + 'static,
    ) {
        // The reply must outlive a job that the queue doesn't take.
        let reply = Arc::new(Mutex::new(Some(reply)));
        let take =
            |reply: &Mutex<Option<_>>| reply.lock().unwrap_or_else(PoisonError::into_inner).take();
        let job_reply = reply.clone();
        let job: Job = Box::new(move |reader| {
            let answer = read(reader);
            if let Some(reply) = take(&job_reply) {
                reply(answer);
            }
        });
        let error = match self.jobs.try_send(job) {
            Ok(()) => return,
            Err(TrySendError::Full(_)) => ReadError::Busy,
            Err(TrySendError::Disconnected(_)) => {
                ReadError::Failed("the readers have ended".into())
            }
        };
        if let Some(reply) = take(&reply) {
            reply(Err(error));
        }
    }
}

fn run(reader: &RangeReader, queue: &Mutex<Receiver<Job>>) {
    loop {
        // Held while waiting: the other readers wait for the lock instead.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(reader),
            Err(_) => return, // the archive is gone
        }
    }
}

impl Archive for JournalArchive {
    fn read(&self, seq: u64, reply: Box<dyn FnOnce(Read) + Send>) {
        self.push(reply, move |reader| reader.get(seq));
    }

    fn read_range(
        &self,
        after: u64,
        limit: usize,
        bytes_max: usize,
        reply: Box<dyn FnOnce(ReadRange) + Send>,
    ) {
        self.push(reply, move |reader| reader.range(after, limit, bytes_max));
    }

    fn last_seq(&self) -> u64 {
        self.files.index.last_seq()
    }

    fn oldest_seq(&self) -> u64 {
        self.files.index.oldest_seq()
    }

    fn ledger_id(&self) -> LedgerId {
        self.files.manifest.shown
    }

    fn disk(&self) -> Option<DiskGauges> {
        Some(DiskGauges {
            segments: self.files.index.segments(),
            free_bytes: self.files.storage.free_bytes(),
        })
    }

    fn kind(&self) -> &'static str {
        "journal"
    }
}
