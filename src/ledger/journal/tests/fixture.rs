//! What the tests share: orders, and a journal on a simulated disk.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use crate::ledger::journal::OpenError;
use crate::ledger::journal::lock::DirectoryLock;
use crate::ledger::journal::manifest::Manifest;
use crate::ledger::journal::open::{Journal, Opening, Options};
use crate::ledger::journal::preallocator::SegmentSupply;
use crate::ledger::journal::recovery::NoSpace;
use crate::ledger::journal::storage::Storage;
use crate::ledger::journal::tests::disk::Disk;
use crate::ledger::journal::writer::JournalLedger;
use crate::ledger::{
    Archive, CommitResult, Completion, Item, Ledger, LedgerFailed, LedgerId, Record, Status,
    Submitter,
};
use crate::order::{Client, HashKey, Order, Submission, TraceParent, decode};

/// An evaluated order.
#[derive(Clone)]
pub(super) struct Evaluated {
    pub(super) order: Order,
    reason: Option<Arc<str>>,
    pub(super) accepted_at: u64,
}

impl Evaluated {
    /// Whether a record is that of this order.
    pub(super) fn is_in(&self, record: &Record) -> bool {
        record.outcome.status == self.status()
            && record.outcome.reason == self.reason
            && record.accepted_at == self.accepted_at
            && *record.id == *self.order.id().as_str()
            && *record.order == *self.order.json()
            && record.submitter == Submitter::of(self.order.submission())
    }
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

/// The `number`th order, padded by so many bytes; every fifth has failed. Of
/// every third it is known who submitted it, of every fourth in which trace.
pub(super) fn evaluated(number: u64, padding: usize) -> Evaluated {
    let note = "ü".repeat(padding / 2);
    let json = format!(r#"{{"id":"o-{number}","value":{number},"note":"{note}"}}"#);
    let mut order = decode(json.as_bytes(), &HashKey::from_bytes([1; 16])).unwrap();
    let traceparent = format!("00-{:032x}-{:016x}-01", number + 1, number + 2);
    order.set_submission(Submission {
        client: number
            .is_multiple_of(3)
            .then(|| Client::named(&format!("desk-{}", number % 9)).unwrap()),
        traceparent: TraceParent::parse(traceparent.as_bytes())
            .filter(|_| number.is_multiple_of(4)),
    });
    Evaluated {
        order,
        reason: number.is_multiple_of(5).then(|| "no: ü".into()),
        accepted_at: 1000 + number,
    }
}

pub(super) const ID: LedgerId = LedgerId([7; 16]);

pub(super) fn options(segment_bytes: u64) -> Options {
    Options {
        window: 1_000_000,
        retain_bytes: None,
        retain_age: None,
        expected: None,
        segment_bytes: Some(segment_bytes),
    }
}

/// A journal, and what was visited when it was opened.
pub(super) type Opened = Result<(Journal<Evaluated>, Vec<Record>), OpenError>;

/// Opens the journal on a simulated disk as a process does: its directory is
/// made, and locked.
pub(super) fn open_locked(disk: &Disk, options: &Options) -> Opened {
    let lock = DirectoryLock::acquire(disk, Path::new("/data/orders"))?;
    open_with(disk, options, Some(Arc::new(lock)))
}

/// Opens the journal on a simulated disk that holds nothing else.
pub(super) fn open(disk: &Disk, options: &Options) -> Opened {
    open_with(disk, options, None)
}

thread_local! {
    /// Wall time for retention, in nanoseconds since the Unix epoch. The
    /// preallocator runs on the test's thread.
    static NOW: Cell<u64> = const { Cell::new(0) };
}

fn now() -> u64 {
    NOW.get()
}

pub(super) fn set_now(unix_nanos: u64) {
    NOW.set(unix_nanos);
}

/// Opens the journal at this time, in nanoseconds since the Unix epoch.
pub(super) fn open_at(disk: &Disk, options: &Options, unix_nanos: u64) -> Opened {
    set_now(unix_nanos);
    open(disk, options)
}

fn open_with(disk: &Disk, options: &Options, lock: Option<Arc<DirectoryLock>>) -> Opened {
    let mut visited = Vec::new();
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let opening = Opening {
        storage,
        lock,
        new: Manifest::of(ID, options.segment_bytes.expect("chosen by the test")),
        options,
        wake: Arc::new(|| {}),
        no_space: NoSpace::Fail,
        now,
    };
    let journal = opening.run(
        &mut |_| {},
        &mut |record| visited.push(record.to_record()),
        |preallocator, slot| Ok(SegmentSupply::inline(preallocator, slot)),
    )?;
    Ok((journal, visited))
}

/// Appends orders, and returns what came back.
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
pub(super) fn committed(completions: &[Completion<Evaluated>]) -> Vec<u64> {
    let seq = |completion: &Completion<Evaluated>| match completion.result {
        CommitResult::Committed { seq, .. } => seq,
        ref other => panic!("{other:?}"),
    };
    completions.iter().map(seq).collect()
}

/// All that the archive has.
pub(super) fn read_all(journal: &Journal<Evaluated>) -> Vec<Record> {
    let archive = &journal.archive;
    let found = archive.range(archive.oldest_seq() - 1, usize::MAX, usize::MAX);
    let records = found.unwrap().into_iter();
    records.map(Arc::unwrap_or_clone).collect()
}
