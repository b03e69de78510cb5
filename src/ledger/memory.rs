//! The ledger that keeps nothing: outcomes live in memory and end with the
//! process. For tests, demonstrations and benchmarks.
//!
//! It holds as many outcomes as the dedupe window, in chunks of 1,024; the
//! oldest chunk goes when the window has moved past it. The writer appends to
//! the newest chunk without a lock; the list of chunks is locked only to add
//! one, by the writer, and to copy a pointer out, by a reader.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::clock;
use crate::ledger::{
    Archive, CommitResult, Item, Ledger, LedgerFailed, LedgerId, Outcome, Read, ReadError,
    ReadRange, Receipt, Record,
};

/// Outcomes in a chunk.
const CHUNK: u64 = 1024;
/// Items taken in one go: what fits the caches while receipts are handed on.
const BATCH: usize = 1024;

struct Chunk {
    /// Written in order by the writer, each once.
    records: Box<[OnceLock<Arc<Record>>]>,
}

struct Shared {
    window: u64,
    /// The sequence of the first record of the first chunk, and the chunks.
    chunks: Mutex<VecDeque<Arc<Chunk>>>,
    /// First sequence of the first chunk; changed under the lock.
    oldest: AtomicU64,
    /// Stored by the writer once the record is there (Release); readers load it
    /// with Acquire and find the record.
    last: AtomicU64,
    id: LedgerId,
}

/// The write side.
pub struct MemoryLedger<T> {
    shared: Arc<Shared>,
    newest: Arc<Chunk>,
    next_seq: u64,
    done: Vec<Receipt<T>>,
}

/// The read side.
pub struct MemoryArchive(Arc<Shared>);

/// Opens an empty ledger that keeps the newest `window` outcomes (rounded up
/// to whole chunks).
pub fn open<T: Item>(window: usize) -> (MemoryLedger<T>, MemoryArchive) {
    let first = Arc::new(Chunk::new());
    let shared = Arc::new(Shared {
        window: window as u64,
        chunks: Mutex::new(VecDeque::from([first.clone()])),
        oldest: AtomicU64::new(1),
        last: AtomicU64::new(0),
        id: LedgerId::random(),
    });
    let ledger = MemoryLedger {
        shared: shared.clone(),
        newest: first,
        next_seq: 1,
        done: Vec::with_capacity(BATCH),
    };
    (ledger, MemoryArchive(shared))
}

impl Chunk {
    fn new() -> Self {
        Self {
            records: (0..CHUNK).map(|_| OnceLock::new()).collect(),
        }
    }
}

impl Shared {
    fn chunks(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<Chunk>>> {
        // The list is changed by single pushes and pops: never half done.
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> MemoryLedger<T> {
    fn keep(&mut self, record: Record) {
        let index = ((record.outcome.seq - 1) % CHUNK) as usize;
        let fresh = self.newest.records[index].set(Arc::new(record)).is_ok();
        assert!(fresh, "a sequence is given once");
        if index as u64 == CHUNK - 1 {
            self.newest = Arc::new(Chunk::new());
            let mut chunks = self.shared.chunks();
            chunks.push_back(self.newest.clone());
            let mut dropped = None;
            if (chunks.len() as u64 - 2) * CHUNK >= self.shared.window {
                dropped = chunks.pop_front();
                self.shared.oldest.fetch_add(CHUNK, Ordering::Relaxed);
            }
            drop(chunks);
            drop(dropped); // a thousand records, freed outside the lock
        }
    }
}

impl<T: Item> Ledger<T> for MemoryLedger<T> {
    fn room(&self) -> usize {
        BATCH
    }

    fn append(&mut self, batch: &mut Vec<T>) {
        let at = clock::unix_nanos();
        for item in batch.drain(..) {
            let seq = self.next_seq;
            self.next_seq += 1;
            let order = item.order();
            self.keep(Record {
                outcome: Outcome {
                    seq,
                    status: item.status(),
                    reason: item.reason().cloned(),
                },
                accepted_at: item.accepted_at(),
                committed_at: at,
                id: order.id().as_str().into(),
                order: order.json().into(),
            });
            self.done.push(Receipt {
                item,
                result: CommitResult::Committed { seq, at },
            });
        }
        // Pairs with the Acquire load in `last_seq`.
        self.shared.last.store(self.next_seq - 1, Ordering::Release);
    }

    fn receipts(&mut self, done: &mut Vec<Receipt<T>>) -> Result<(), LedgerFailed> {
        done.append(&mut self.done);
        Ok(())
    }
}

impl Archive for MemoryArchive {
    fn read(&self, seq: u64, reply: Box<dyn FnOnce(Read) + Send>) {
        reply(self.get(seq));
    }

    fn read_range(
        &self,
        after: u64,
        limit: usize,
        bytes_max: usize,
        reply: Box<dyn FnOnce(ReadRange) + Send>,
    ) {
        reply(self.range(after, limit, bytes_max));
    }

    fn last_seq(&self) -> u64 {
        // Pairs with the Release store in `append`.
        self.0.last.load(Ordering::Acquire)
    }

    fn oldest_seq(&self) -> u64 {
        self.0.oldest.load(Ordering::Relaxed)
    }

    fn ledger_id(&self) -> LedgerId {
        self.0.id
    }

    fn kind(&self) -> &'static str {
        "memory"
    }
}

impl MemoryArchive {
    fn range(&self, after: u64, limit: usize, bytes_max: usize) -> ReadRange {
        let first = after.saturating_add(1);
        let mut found = Vec::new();
        let mut bytes = 0;
        for seq in (first..=self.last_seq()).take(limit) {
            let record = self.get(seq)?;
            bytes += record.text_bytes();
            if !found.is_empty() && bytes > bytes_max {
                break;
            }
            found.push(record);
        }
        Ok(found)
    }

    fn get(&self, seq: u64) -> Read {
        let chunks = self.0.chunks();
        let oldest = self.0.oldest.load(Ordering::Relaxed);
        let Some(index) = seq.checked_sub(oldest) else {
            return Err(ReadError::Gone { seq, oldest });
        };
        let chunk = chunks.get((index / CHUNK) as usize).cloned();
        drop(chunks);
        chunk
            .and_then(|chunk| chunk.records[(index % CHUNK) as usize].get().cloned())
            .ok_or_else(|| ReadError::Failed(format!("sequence {seq} is not committed yet")))
    }
}

#[cfg(test)]
mod tests {
    use crate::ledger::Status;
    use crate::order::{HashKey, Order, decode};

    use super::*;

    struct Plain(Order, Status);

    impl Item for Plain {
        fn order(&self) -> &Order {
            &self.0
        }
        fn accepted_at(&self) -> u64 {
            5
        }
        fn status(&self) -> Status {
            self.1
        }
        fn reason(&self) -> Option<&Arc<str>> {
            None
        }
    }

    fn append(ledger: &mut MemoryLedger<Plain>, count: usize) -> Vec<u64> {
        let key = HashKey::from_bytes([1; 16]);
        let mut batch: Vec<_> = (0..count)
            .map(|n| {
                let json = format!(r#"{{"id":"o-{n}","value":1}}"#);
                Plain(decode(json.as_bytes(), &key).unwrap(), Status::Processed)
            })
            .collect();
        ledger.append(&mut batch);
        let mut done = Vec::new();
        ledger.receipts(&mut done).unwrap();
        done.iter()
            .map(|receipt| match receipt.result {
                CommitResult::Committed { seq, .. } => seq,
                ref other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn sequences_start_at_one_and_have_no_gaps() {
        let (mut ledger, archive) = open(10);
        assert_eq!(append(&mut ledger, 3), [1, 2, 3]);
        assert_eq!(append(&mut ledger, 2), [4, 5]);
        let record = archive.get(4).unwrap();
        assert_eq!(
            (record.outcome.seq, &*record.id, record.accepted_at),
            (4, "o-0", 5)
        );
        assert_eq!(&*record.order, r#"{"id":"o-0","value":1}"#);
        assert!(matches!(archive.get(6), Err(ReadError::Failed(_))));
        assert!(matches!(
            archive.get(0),
            Err(ReadError::Gone { oldest: 1, .. })
        ));
    }

    #[test]
    fn a_range_ends_at_its_limits_and_at_the_last() {
        let (mut ledger, archive) = open(10);
        assert_eq!((archive.oldest_seq(), archive.last_seq()), (1, 0));
        append(&mut ledger, 5);
        let one = archive.get(1).unwrap().text_bytes();
        let seqs = |after, limit, bytes| -> Vec<u64> {
            let records = archive.range(after, limit, bytes).unwrap();
            records.iter().map(|record| record.outcome.seq).collect()
        };
        assert_eq!(seqs(0, 9, usize::MAX), [1, 2, 3, 4, 5]);
        assert_eq!(seqs(3, 1, usize::MAX), [4]);
        assert_eq!(seqs(1, 9, 2 * one), [2, 3]);
        assert_eq!(seqs(1, 9, 0), [2], "one always");
        assert!(seqs(5, 9, 9).is_empty() && seqs(u64::MAX, 9, 9).is_empty());
    }

    #[test]
    fn the_oldest_go_when_the_window_has_passed_them() {
        let window = 2 * CHUNK;
        let (mut ledger, archive) = open(window as usize);
        let total = 5 * CHUNK;
        for _ in 0..total / 512 {
            append(&mut ledger, 512);
        }
        for seq in total - window + 1..=total {
            assert_eq!(archive.get(seq).unwrap().outcome.seq, seq);
        }
        assert!(matches!(archive.get(1), Err(ReadError::Gone { .. })));
        let kept = archive.0.chunks().len() as u64 * CHUNK;
        assert!(
            kept <= window + 2 * CHUNK,
            "{kept} kept for a window of {window}"
        );
    }
}
