//! What is appended is found again, by readers and by the next start.

use crate::ledger::journal::storage::Source;
use crate::ledger::journal::tests::disk::Disk;
use crate::ledger::journal::tests::fixture::{
    append, committed, evaluated, open, options, read_all,
};
use crate::ledger::{Archive, CommitResult};

#[test]
fn appended_orders_are_read_back() {
    let disk = Disk::new(1);
    let options = options(64 << 10);
    let (mut journal, visited) = open(&disk, &options).unwrap();
    assert!(visited.is_empty());
    assert_eq!(
        (journal.recovered.last_seq, journal.recovered.oldest_seq),
        (0, 1)
    );
    assert!(read_all(&journal).is_empty());
    let orders: Vec<_> = (1..=500)
        .map(|number| evaluated(number, number as usize % 900))
        .collect();
    let mut seqs = Vec::new();
    for batch in orders.chunks(7) {
        let (completions, result) = append(&mut journal.ledger, batch);
        result.unwrap();
        seqs.extend(committed(&completions));
        // Visible as soon as it is durable.
        assert_eq!(journal.archive.last_seq(), seqs.len() as u64);
    }
    assert!(seqs.iter().copied().eq(1..=500));
    let before = read_all(&journal);
    drop(journal);
    let (journal, visited) = open(&disk, &options).unwrap();
    assert_eq!(visited, before);
    assert_eq!(read_all(&journal), before);
    assert!(
        before
            .iter()
            .zip(&orders)
            .all(|(record, order)| order.is_in(record))
    );
    assert!(
        before
            .iter()
            .zip(1..)
            .all(|(record, seq)| record.outcome.seq == seq)
    );
    // One time a batch.
    assert!(before.chunks(7).all(|batch| {
        batch
            .iter()
            .all(|r| r.committed_at == batch[0].committed_at)
    }));
    assert_eq!(
        (journal.recovered.records, journal.recovered.torn_tail),
        (500, None)
    );
    assert!(disk.names().unwrap().len() > 3, "several segments");
}

#[test]
fn a_range_is_limited_by_count_and_by_bytes() {
    let disk = Disk::new(1);
    let (mut journal, _) = open(&disk, &options(4096)).unwrap();
    let orders: Vec<_> = (1..=100).map(|number| evaluated(number, 0)).collect();
    for batch in orders.chunks(9) {
        append(&mut journal.ledger, batch).1.unwrap();
    }
    let seqs = |after, limit, bytes| -> Vec<u64> {
        let records = journal.archive.range(after, limit, bytes).unwrap();
        records.iter().map(|record| record.outcome.seq).collect()
    };
    for after in 0..100 {
        assert_eq!(seqs(after, 1, 0), [after + 1]);
        assert!(
            seqs(after, 30, 1 << 20)
                .into_iter()
                .eq(after + 1..=100.min(after + 30))
        );
    }
    assert!(seqs(100, 10, 1000).is_empty() && seqs(1000, 10, 1000).is_empty());
    assert!(seqs(u64::MAX, 10, 1000).is_empty() && seqs(3, 0, 1000).is_empty());
    let records = journal.archive.range(49, 3, usize::MAX).unwrap();
    let bytes: usize = records.iter().map(|record| record.text_bytes()).sum();
    let first = orders[49].order.json().len() + "o-50".len() + "no: ü".len();
    assert_eq!(seqs(49, 10, first).len(), 1);
    assert_eq!(seqs(49, 10, bytes - 1).len(), 2);
    assert_eq!(seqs(49, 10, bytes).len(), 3);
}

#[test]
fn long_orders_are_split_into_batches_and_too_long_ones_are_in_doubt() {
    let disk = Disk::new(1);
    let (mut journal, _) = open(&disk, &options(4096)).unwrap();
    let orders = [
        evaluated(1, 3000),
        evaluated(2, 8000),
        evaluated(3, 2000),
        evaluated(4, 10),
    ];
    let (completions, result) = append(&mut journal.ledger, &orders);
    result.unwrap();
    assert_eq!(completions[1].result, CommitResult::InDoubt);
    let seqs = [0, 2, 3].map(|n| match completions[n].result {
        CommitResult::Committed { seq, .. } => seq,
        ref other => panic!("{other:?}"),
    });
    assert_eq!(seqs, [1, 2, 3]);
    let ids: Vec<_> = read_all(&journal)
        .iter()
        .map(|record| record.id.clone())
        .collect();
    assert_eq!(ids, ["o-1", "o-3", "o-4"].map(Box::from));
}
