//! What the tests share: orders, a journal on a simulated disk, seeds.

mod damage;
pub(super) mod disk;
mod faults;
mod files;
mod live_reader;
mod pending;
mod pending_verify;
mod power;

use std::sync::Arc;

use crate::ledger::journal::preallocator::Background;
use crate::ledger::journal::storage::Source;
use crate::ledger::journal::tests::disk::Disk;
use crate::ledger::journal::{
    Journal, JournalLedger, LedgerId, Manifest, Open, OpenError, Options, Storage,
};
use crate::ledger::{
    Archive, CommitResult, Completion, Item, Ledger, LedgerFailed, Record, Status,
};
use crate::order::{HashKey, Order, decode};

/// A evaluated order.
#[derive(Clone)]
pub(super) struct Evaluated {
    order: Order,
    reason: Option<Arc<str>>,
    accepted_at: u64,
}

impl Item for Evaluated {
    fn order(&self) -> &Order {
        &self.order
    }
    fn accepted_at(&self) -> u64 {
        self.accepted_at
    }
    fn status(&self) -> Status {
        match self.reason {
            Some(_) => Status::Failed,
            None => Status::Processed,
        }
    }
    fn reason(&self) -> Option<&Arc<str>> {
        self.reason.as_ref()
    }
}

/// The `number`th order, padded by so many bytes; every fifth has failed.
pub(super) fn evaluated(number: u64, padding: usize) -> Evaluated {
    let note = "ü".repeat(padding / 2);
    let json = format!(r#"{{"id":"o-{number}","value":{number},"note":"{note}"}}"#);
    let order = decode(json.as_bytes(), &HashKey::from_bytes([1; 16])).unwrap();
    Evaluated {
        order,
        reason: number.is_multiple_of(5).then(|| "no: ü".into()),
        accepted_at: 1000 + number,
    }
}

/// Whether a record is that of an order.
pub(super) fn is_that(record: &Record, order: &Evaluated) -> bool {
    record.outcome.status == order.status()
        && record.outcome.reason == order.reason
        && record.accepted_at == order.accepted_at
        && *record.id == *order.order.id().as_str()
        && *record.order == *order.order.json()
}

pub(super) const ID: LedgerId = LedgerId([7; 16]);

pub(super) fn options(segment_bytes: u64) -> Options {
    Options {
        window: 1_000_000,
        retain_bytes: None,
        segment_bytes,
    }
}

/// Opens the journal on a simulated disk; also gives what was visited.
pub(super) fn open(
    disk: &Disk,
    options: &Options,
) -> Result<(Journal<Evaluated>, Vec<Record>), OpenError> {
    let mut visited = Vec::new();
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let open = Open {
        storage,
        lock: None,
        new: Manifest {
            ledger: ID,
            segment_bytes: options.segment_bytes,
        },
        options,
        wake: Arc::new(|| {}),
    };
    let journal = open.run(
        &mut |_| {},
        &mut |record| visited.push(record.to_record()),
        |mut preparer, handover| {
            preparer.step(handover);
            Ok(Background::Inline(preparer))
        },
    )?;
    Ok((journal, visited))
}

/// Appends orders, and gives what came back.
pub(super) fn append(
    ledger: &mut JournalLedger<Evaluated>,
    orders: &[Evaluated],
) -> (Vec<Completion<Evaluated>>, Result<(), LedgerFailed>) {
    let mut done = Vec::new();
    ledger.append(&mut orders.to_vec());
    let result = ledger.completions(&mut done);
    (done, result)
}

/// The sequences of orders that were all committed.
pub(super) fn committed(receipts: &[Completion<Evaluated>]) -> Vec<u64> {
    let seq = |receipt: &Completion<Evaluated>| match receipt.result {
        CommitResult::Committed { seq, .. } => seq,
        ref other => panic!("{other:?}"),
    };
    receipts.iter().map(seq).collect()
}

/// All that the archive has.
pub(super) fn read_all(journal: &Journal<Evaluated>) -> Vec<Record> {
    let archive = &journal.archive;
    let found = archive.range(archive.oldest_seq() - 1, usize::MAX, usize::MAX);
    let records = found.unwrap().into_iter();
    records.map(Arc::unwrap_or_clone).collect()
}

/// The seeds of a random test: `count` of them, or the one in
/// `ORDERS_TEST_SEED`; or as many as `ORDERS_TEST_SEEDS` says.
pub(super) fn for_seeds(count: u64, test: impl Fn(u64)) {
    struct Say(u64);
    impl Drop for Say {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("again with ORDERS_TEST_SEED={}", self.0);
            }
        }
    }
    let number = |name| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().unwrap())
    };
    let seeds = match number("ORDERS_TEST_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ORDERS_TEST_SEEDS").unwrap_or(count),
    };
    for seed in seeds {
        let _say = Say(seed);
        test(seed);
    }
}

#[test]
fn what_goes_in_comes_out_again() {
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
        let (receipts, result) = append(&mut journal.ledger, batch);
        result.unwrap();
        seqs.extend(committed(&receipts));
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
            .all(|(record, order)| is_that(record, order))
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
        (journal.recovered.records, journal.recovered.cut),
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
    let one = orders[49].order.json().len() + "o-50".len() + "no: ü".len();
    assert_eq!(seqs(49, 10, one).len(), 1);
    assert_eq!(seqs(49, 10, 3 * one).len(), 3);
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
    let (receipts, result) = append(&mut journal.ledger, &orders);
    result.unwrap();
    assert_eq!(receipts[1].result, CommitResult::InDoubt);
    let seqs = [0, 2, 3].map(|n| match receipts[n].result {
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
