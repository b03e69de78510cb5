//! The read side: outcomes by sequence and by range, read from the files by a
//! few threads behind a bounded queue, so that no reader waits for a disk and
//! none slows the writer.
//!
//! Everything that is handed out has been verified by its checksum. Readers
//! see what is durable and nothing else. Memory: one buffer a thread.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};

use crate::ledger::journal::format::{SEGMENT_HEAD, Salt, segment_name};
use crate::ledger::journal::frame_reader::{Frame, Scan};
use crate::ledger::journal::segment_index::{Index, Segment, SegmentIndex};
use crate::ledger::journal::storage::{File, Storage};
use crate::ledger::{Archive, LedgerId, Read, ReadError, ReadRange, Record};

/// Threads that read.
const READERS: usize = 2;
/// Reads that may wait for them.
const READS_WAITING: usize = 256;

type Job = Box<dyn FnOnce(&mut Reader) + Send>;

/// The journal's read side.
pub struct JournalArchive {
    jobs: SyncSender<Job>,
    /// What a reader is made of.
    files: Files,
}

#[derive(Clone)]
pub(super) struct Files {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) catalogue: Arc<SegmentIndex>,
    pub(super) ledger: LedgerId,
    pub(super) salt: Salt,
    pub(super) segment_bytes: u64,
}

/// One thread's reader. Keeps the file that it read last.
pub(super) struct Reader {
    files: Files,
    open: Option<(u32, Box<dyn File>)>,
}

impl JournalArchive {
    /// Starts the readers. They end with the archive.
    pub(super) fn start(files: Files) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(READS_WAITING);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..READERS {
            let queue = queue.clone();
            let mut reader = Reader::new(files.clone());
            thread::Builder::new()
                .name(format!("reader-{number}"))
                .spawn(move || reader.run(&queue))?;
        }
        Ok(Self { jobs, files })
    }

    /// As [`Archive::read_range`], on the caller's thread, which waits for the
    /// disk.
    ///
    /// # Errors
    /// [`ReadError::Gone`] when the first has been dropped,
    /// [`ReadError::Failed`] when one can't be read.
    pub fn range(&self, after: u64, limit: usize, bytes_max: usize) -> ReadRange {
        Reader::new(self.files.clone()).range(after, limit, bytes_max)
    }

    fn push<R: 'static>(
        &self,
        reply: impl FnOnce(Result<R, ReadError>) + Send + 'static,
        read: impl FnOnce(&mut Reader) -> Result<R, ReadError> + Send + 'static,
    ) {
        // The reply must outlive a job that is not taken.
        let reply = Arc::new(Mutex::new(Some(reply)));
        let take =
            |reply: &Mutex<Option<_>>| reply.lock().unwrap_or_else(PoisonError::into_inner).take();
        let replied = reply.clone();
        let job: Job = Box::new(move |reader| {
            let answer = read(reader);
            if let Some(reply) = take(&replied) {
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
        self.files.catalogue.last_seq()
    }

    fn oldest_seq(&self) -> u64 {
        self.files.catalogue.oldest_seq()
    }

    fn ledger_id(&self) -> LedgerId {
        self.files.ledger
    }

    fn kind(&self) -> &'static str {
        "journal"
    }
}

impl Reader {
    pub(super) fn new(files: Files) -> Self {
        Self { files, open: None }
    }

    fn run(&mut self, queue: &Mutex<Receiver<Job>>) {
        loop {
            // Held while waiting: the other reader waits for the lock instead.
            let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            match job {
                Ok(job) => job(self),
                Err(_) => return, // the archive is gone
            }
        }
    }

    fn get(&mut self, seq: u64) -> Read {
        let mut found = match seq.checked_sub(1) {
            Some(after) => self.range(after, 1, 0)?,
            None => return Err(self.gone(0)),
        };
        found
            .pop()
            .ok_or_else(|| ReadError::Failed(format!("sequence {seq} is not committed yet")))
    }

    pub(super) fn range(&mut self, after: u64, limit: usize, bytes_max: usize) -> ReadRange {
        let last_seq = self.files.catalogue.last_seq();
        let mut found = Vec::new();
        let mut room = Room {
            records: limit,
            bytes: bytes_max,
        };
        let mut seq = after.saturating_add(1);
        while seq <= last_seq && room.records > 0 {
            let Some(place) = self.files.catalogue.find(seq) else {
                return Err(self.gone(seq));
            };
            let until = place.end_seq.min(last_seq + 1);
            let before = seq;
            match self.segment(&place.segment, seq..until, &mut room, &mut found) {
                Ok(next) => seq = next,
                // Removed since it was found.
                Err(_) if self.files.catalogue.oldest_seq() > seq => return Err(self.gone(seq)),
                Err(error) => return Err(error),
            }
            if seq == before {
                break;
            }
        }
        Ok(found)
    }

    /// Reads from one segment, in which these sequences stand; says which comes
    /// next.
    fn segment(
        &mut self,
        segment: &Arc<Segment>,
        seqs: std::ops::Range<u64>,
        room: &mut Room,
        found: &mut Vec<Arc<Record>>,
    ) -> Result<u64, ReadError> {
        let Self { files, open } = self;
        let name = segment_name(segment.number);
        let failed = |error: io::Error| ReadError::Failed(format!("{name}: {error}"));
        let damaged =
            |offset: u64| ReadError::Failed(format!("{name} is damaged at offset {offset}"));
        if open
            .as_ref()
            .is_none_or(|(number, _)| *number != segment.number)
        {
            let file = files.storage.open(&name).map_err(failed)?;
            *open = Some((segment.number, file));
        }
        let (_, file) = open.as_ref().expect("opened above");
        let index = match segment.index() {
            Some(index) => index,
            None => make_index(files, &**file, segment, seqs.end, &failed, &damaged)?,
        };
        let start = index.floor(seqs.start - segment.first_seq);
        let mut offset = start.map_or(SEGMENT_HEAD as u64, u64::from);
        let mut scan = Scan::new(&**file, segment.number, files.segment_bytes, files.salt);
        let mut next = seqs.start;
        while next < seqs.end {
            let Frame::Here(head, body) = scan.frame(offset).map_err(failed)? else {
                return Err(damaged(offset));
            };
            let end_seq = head.first_seq + u64::from(head.count);
            if head.first_seq > next {
                return Err(damaged(offset));
            }
            if end_seq > next {
                for record in body.records(next) {
                    let record = record.map_err(|at| damaged(offset + 64 + at as u64))?;
                    let full = found.is_empty();
                    if record.seq >= seqs.end || !room.take(record.texts(), full) {
                        return Ok(next);
                    }
                    found.push(Arc::new(record.to_record()));
                    next += 1;
                }
            }
            offset = head.end();
        }
        Ok(next)
    }

    fn gone(&self, seq: u64) -> ReadError {
        ReadError::Gone {
            seq,
            oldest: self.files.catalogue.oldest_seq(),
        }
    }
}

/// What may still be read.
struct Room {
    records: usize,
    bytes: usize,
}

impl Room {
    /// Takes place for one record; the first gets in whatever its size.
    fn take(&mut self, bytes: usize, first: bool) -> bool {
        let fits = self.records > 0 && (first || bytes <= self.bytes);
        if fits {
            self.records -= 1;
            self.bytes = self.bytes.saturating_sub(bytes);
        } else {
            self.records = 0;
        }
        fits
    }
}

/// Indexes a segment that the last start did not read: from head to head, up
/// to the frame that holds the sequence before `end_seq`.
fn make_index(
    files: &Files,
    file: &dyn File,
    segment: &Arc<Segment>,
    end_seq: u64,
    failed: &impl Fn(io::Error) -> ReadError,
    damaged: &impl Fn(u64) -> ReadError,
) -> Result<Arc<Index>, ReadError> {
    let index = Index::new(files.segment_bytes);
    let mut scan = Scan::new(file, segment.number, files.segment_bytes, files.salt);
    let (mut offset, mut seq) = (SEGMENT_HEAD as u64, segment.first_seq);
    while seq < end_seq {
        let head = scan.head(offset).map_err(failed)?;
        let head = head.filter(|head| head.first_seq == seq);
        let head = head.ok_or_else(|| damaged(offset))?;
        index.note(seq - segment.first_seq, offset as u32);
        seq += u64::from(head.count);
        offset = head.end();
    }
    files.catalogue.set_index(segment, index.clone());
    Ok(index)
}
