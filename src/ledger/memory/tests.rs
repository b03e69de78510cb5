//! Sequences, ranges, and what is dropped behind the window.

use std::sync::Arc;

use crate::ledger::memory::chunks::CHUNK;
use crate::ledger::memory::{MemoryLedger, open};
use crate::ledger::{Archive, CommitResult, Item, Ledger, ReadError, Status};
use crate::order::{HashKey, Order, decode};

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
    ledger.completions(&mut done).unwrap();
    done.iter()
        .map(|completion| match completion.result {
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
    let record = archive.chunks.get(4).unwrap();
    assert_eq!(
        (record.outcome.seq, &*record.id, record.accepted_at),
        (4, "o-0", 5)
    );
    assert_eq!(&*record.order, r#"{"id":"o-0","value":1}"#);
    assert!(matches!(archive.chunks.get(6), Err(ReadError::Failed(_))));
    assert!(matches!(
        archive.chunks.get(0),
        Err(ReadError::Gone { oldest: 1, .. })
    ));
}

#[test]
fn a_range_ends_at_its_limits_and_at_the_last() {
    let (mut ledger, archive) = open(10);
    assert_eq!((archive.oldest_seq(), archive.last_seq()), (1, 0));
    append(&mut ledger, 5);
    let one = archive.chunks.get(1).unwrap().text_bytes();
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
fn the_oldest_are_dropped_when_the_window_has_passed_them() {
    let window = 2 * CHUNK;
    let (mut ledger, archive) = open(window as usize);
    let total = 5 * CHUNK;
    for _ in 0..total / 512 {
        append(&mut ledger, 512);
    }
    for seq in total - window + 1..=total {
        assert_eq!(archive.chunks.get(seq).unwrap().outcome.seq, seq);
    }
    assert!(matches!(archive.chunks.get(1), Err(ReadError::Gone { .. })));
    let capacity = archive.chunks.capacity();
    assert!(
        capacity <= window + 2 * CHUNK,
        "{capacity} for a window of {window}"
    );
}
