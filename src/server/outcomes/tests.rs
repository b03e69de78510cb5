//! Pages of a ledger that begins late, fails, or grows meanwhile.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use crate::ledger::{Archive, LedgerId, Outcome, Read, ReadError, ReadRange, Record, Status};
use crate::order::HashKey;
use crate::server::outcomes::{Outcomes, OutcomesError};

/// Sequences of a ledger whose first ones are gone. One of them is no order.
struct Sequences {
    oldest: u64,
    last: u64,
    no_order: u64,
    /// How many of the next reads find no reader, or fail.
    busy: AtomicUsize,
    fails_at: u64,
    /// Other instances commit as fast as it is read.
    shared: bool,
}

impl Sequences {
    fn new(oldest: u64, last: u64) -> Self {
        Self {
            oldest,
            last,
            no_order: 0,
            busy: AtomicUsize::new(0),
            fails_at: u64::MAX,
            shared: false,
        }
    }

    fn record(&self, seq: u64) -> Arc<Record> {
        let value = if seq == self.no_order { "true" } else { "1.50" };
        Arc::new(Record {
            outcome: Outcome {
                seq,
                status: Status::Failed,
                reason: Some("it rained".into()),
            },
            accepted_at: 1_000_000_000,
            committed_at: 2_000_000_000,
            id: format!("o-{seq}").into(),
            order: format!(r#"{{"id":"o-{seq}","value":{value}}}"#).into(),
            submitter: None,
        })
    }

    fn read(&self, after: u64) -> Vec<Result<u64, OutcomesError>> {
        Outcomes::new(self, &HashKey::from_bytes([3; 16]), after)
            .map(|outcome| outcome.map(|it| it.seq()))
            .collect()
    }
}

impl Archive for Sequences {
    fn read(&self, _seq: u64, _reply: Box<dyn FnOnce(Read) + Send>) {
        unreachable!("ranges only")
    }

    fn read_range(
        &self,
        after: u64,
        limit: usize,
        _bytes_max: usize,
        reply: Box<dyn FnOnce(ReadRange) + Send>,
    ) {
        let (seq, oldest) = (after + 1, self.oldest);
        let busy = |left: usize| left.checked_sub(1);
        if self
            .busy
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, busy)
            .is_ok()
        {
            return reply(Err(ReadError::Busy));
        }
        if seq < oldest {
            return reply(Err(ReadError::Gone { seq, oldest }));
        }
        if seq >= self.fails_at {
            return reply(Err(ReadError::Failed("the disk is gone".into())));
        }
        let end = if self.shared { u64::MAX } else { self.last };
        let end = end.min(self.fails_at - 1);
        let page = (seq..=end).take(limit);
        reply(Ok(page.map(|seq| self.record(seq)).collect()));
    }

    fn last_seq(&self) -> u64 {
        self.last
    }

    fn oldest_seq(&self) -> u64 {
        self.oldest
    }

    fn ledger_id(&self) -> LedgerId {
        LedgerId::random()
    }

    fn kind(&self) -> &'static str {
        "sequences"
    }
}

fn all(seqs: RangeInclusive<u64>) -> Vec<Result<u64, OutcomesError>> {
    seqs.map(Ok).collect()
}

#[test]
fn every_page_is_read_in_order_from_the_sequence_on() {
    let ledger = Sequences::new(1, 3000);
    assert_eq!(ledger.read(0), all(1..=3000));
    assert_eq!(ledger.read(1500), all(1501..=3000));
    assert_eq!(ledger.read(3000), []);
    assert_eq!(Sequences::new(1, 0).read(0), []);
    let [ref first, ..] = Outcomes::new(&ledger, &HashKey::from_bytes([3; 16]), 0)
        .map(Result::unwrap)
        .collect::<Vec<_>>()[..]
    else {
        panic!("some");
    };
    assert_eq!(first.id().as_str(), "o-1");
    assert_eq!(first.value().to_string(), "1.5");
    assert_eq!(first.json(), r#"{"id":"o-1","value":1.50}"#);
    assert_eq!(
        (first.is_processed(), first.reason()),
        (false, Some("it rained"))
    );
    let second = Duration::from_secs(1);
    assert_eq!(first.accepted_at(), UNIX_EPOCH + second);
    assert_eq!(first.committed_at(), UNIX_EPOCH + 2 * second);
}

#[test]
fn what_is_gone_is_said_once_and_the_rest_is_read() {
    let ledger = Sequences::new(5, 7);
    let gone = |seq, oldest| Err(OutcomesError::Gone { seq, oldest });
    assert_eq!(ledger.read(0), [vec![gone(1, 5)], all(5..=7)].concat());
    assert_eq!(ledger.read(3), [vec![gone(4, 5)], all(5..=7)].concat());
    assert_eq!(ledger.read(4), all(5..=7));
    // All are gone, and then more than there were.
    let ledger = Sequences::new(8, 7);
    assert_eq!(ledger.read(0), [gone(1, 8)]);
    let ledger = Sequences::new(20, 7);
    assert_eq!(ledger.read(0), [gone(1, 20)]);
}

#[test]
fn a_position_past_the_end_reads_nothing() {
    let ahead = OutcomesError::Ahead {
        after: 8,
        last_seq: 7,
    };
    assert_eq!(Sequences::new(1, 7).read(8), [Err(ahead)]);
}

#[test]
fn what_other_instances_commit_meanwhile_is_not_chased() {
    let mut ledger = Sequences::new(1, 3000);
    ledger.shared = true;
    assert_eq!(ledger.read(0), all(1..=3000));
}

#[test]
fn it_goes_on_after_what_is_no_order() {
    let mut ledger = Sequences::new(1, 3);
    ledger.no_order = 2;
    let read = ledger.read(0);
    assert_eq!((&read[0], &read[2]), (&Ok(1), &Ok(3)));
    let Err(OutcomesError::NoOrder { seq: 2, why }) = &read[1] else {
        panic!("{:?}", read[1]);
    };
    assert!(why.contains("value"), "{why}");
}

#[test]
fn it_waits_for_busy_readers_and_ends_with_a_failure() {
    let mut ledger = Sequences::new(1, 3);
    ledger.busy = AtomicUsize::new(2);
    assert_eq!(ledger.read(0), all(1..=3));
    ledger.fails_at = 3;
    let why = "the ledger can't be read: the disk is gone".to_owned();
    let failed = vec![Err(OutcomesError::Unreadable(why))];
    assert_eq!(ledger.read(0), [all(1..=2), failed].concat());
}
