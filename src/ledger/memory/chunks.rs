//! The outcomes: a list of chunks that one thread appends to and many read.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::ledger::{Read, ReadError, Record};

/// Outcomes in a chunk.
pub(super) const CHUNK: u64 = 1024;

struct Chunk {
    /// Written in order by the writer, each once.
    records: Box<[OnceLock<Arc<Record>>]>,
}

/// What the writer and the readers share.
pub(super) struct Chunks {
    window: u64,
    list: Mutex<VecDeque<Arc<Chunk>>>,
    /// First sequence of the first chunk. Changed under the lock.
    oldest: AtomicU64,
    /// Stored by the writer once the record is there.
    last: AtomicU64,
}

/// The writer's end.
pub(super) struct Appender {
    chunks: Arc<Chunks>,
    newest: Arc<Chunk>,
    next_seq: u64,
}

impl Chunk {
    fn new() -> Self {
        Self {
            records: (0..CHUNK).map(|_| OnceLock::new()).collect(),
        }
    }
}

impl Chunks {
    pub(super) fn last_seq(&self) -> u64 {
        // Pairs with the Release store in `publish`.
        self.last.load(Ordering::Acquire)
    }

    pub(super) fn oldest_seq(&self) -> u64 {
        self.oldest.load(Ordering::Relaxed)
    }

    pub(super) fn get(&self, seq: u64) -> Read {
        let list = self.list();
        let oldest = self.oldest.load(Ordering::Relaxed);
        let Some(index) = seq.checked_sub(oldest) else {
            return Err(ReadError::Gone { seq, oldest });
        };
        let chunk = list.get((index / CHUNK) as usize).cloned();
        drop(list);
        chunk
            .and_then(|chunk| chunk.records[(index % CHUNK) as usize].get().cloned())
            .ok_or_else(|| ReadError::Failed(format!("sequence {seq} is not committed yet")))
    }

    /// How many outcomes are held, or could be in the chunks there are.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> u64 {
        self.list().len() as u64 * CHUNK
    }

    fn list(&self) -> MutexGuard<'_, VecDeque<Arc<Chunk>>> {
        // A poisoned list is consistent: it is changed by single pushes and pops.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Appender {
    /// An empty list that holds the newest `window` outcomes, rounded up to
    /// whole chunks.
    pub(super) fn new(window: u64) -> Self {
        let newest = Arc::new(Chunk::new());
        let chunks = Arc::new(Chunks {
            window,
            list: Mutex::new(VecDeque::from([newest.clone()])),
            oldest: AtomicU64::new(1),
            last: AtomicU64::new(0),
        });
        Self {
            chunks,
            newest,
            next_seq: 1,
        }
    }

    pub(super) fn chunks(&self) -> &Arc<Chunks> {
        &self.chunks
    }

    /// The sequence of the next record.
    pub(super) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Appends the record with the next sequence. Readers see it when it is
    /// [published](Self::publish).
    pub(super) fn push(&mut self, record: Record) {
        debug_assert_eq!(record.outcome.seq, self.next_seq);
        let index = ((self.next_seq - 1) % CHUNK) as usize;
        self.next_seq += 1;
        let fresh = self.newest.records[index].set(Arc::new(record)).is_ok();
        assert!(fresh, "a sequence is given once");
        if index as u64 == CHUNK - 1 {
            self.add_chunk();
        }
    }

    /// Makes all that was pushed visible to readers.
    pub(super) fn publish(&self) {
        // Pairs with the Acquire load in `last_seq`.
        self.chunks.last.store(self.next_seq - 1, Ordering::Release);
    }

    fn add_chunk(&mut self) {
        self.newest = Arc::new(Chunk::new());
        let mut list = self.chunks.list();
        list.push_back(self.newest.clone());
        let mut dropped = None;
        if (list.len() as u64 - 2) * CHUNK >= self.chunks.window {
            dropped = list.pop_front();
            self.chunks.oldest.fetch_add(CHUNK, Ordering::Relaxed);
        }
        drop(list);
        drop(dropped); // a thousand records, freed outside the lock
    }
}
