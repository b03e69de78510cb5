//! Why orders failed that a batch submits again. The window knows that they
//! failed, the archive knows why.
//!
//! One read at a time a batch, of a range of sequences: lines that are sent
//! again come in about the order in which they were committed, so that one read
//! serves hundreds of them. What can't be read (in time) is left out.

use std::ops::Range;
use std::sync::Arc;
use std::task::Waker;

use crate::admission::Admission;
use crate::ledger::ReadRange;
use crate::sync::oneshot::Oneshot;

/// Sequences in one read at most.
pub(super) const READ_SEQS_MAX: u64 = 1024;
/// Bytes of text in it, unless one record is longer.
const READ_BYTES_MAX: usize = 256 << 10;

/// Reads reasons for one batch.
pub(super) struct FailureReasons {
    admission: Arc<Admission>,
    waker: Waker,
    latest: Option<Arc<Oneshot<ReasonRange>>>,
    /// Nothing more is read.
    over: bool,
}

/// What was read, without the orders.
struct ReasonRange {
    seqs: Range<u64>,
    reasons: Vec<(u64, Arc<str>)>,
}

/// How far the reason of one failure is read.
pub(super) enum ReasonRead {
    /// `None` if there is none to be had.
    Done(Option<Arc<str>>),
    /// The waker will be called.
    Reading,
    NotBegun,
}

impl FailureReasons {
    /// Reads from the archive, for a coroutine that `waker` wakes.
    pub(super) fn new(admission: &Arc<Admission>, waker: &Waker) -> Self {
        Self {
            admission: admission.clone(),
            waker: waker.clone(),
            latest: None,
            over: false,
        }
    }

    /// Why the order with this sequence failed.
    pub(super) fn of(&self, seq: u64) -> ReasonRead {
        if self.over {
            return ReasonRead::Done(None);
        }
        let Some(range) = &self.latest else {
            return ReasonRead::NotBegun;
        };
        match range.get() {
            None => ReasonRead::Reading,
            Some(range) if range.seqs.contains(&seq) => ReasonRead::Done(range.reason(seq)),
            Some(_) => ReasonRead::NotBegun,
        }
    }

    /// Reads these sequences, [`READ_SEQS_MAX`] at most, the first of them for
    /// sure. For when nothing else is being read.
    pub(super) fn read(&mut self, seqs: Range<u64>) {
        let oneshot = Arc::new(Oneshot::new(Some(self.waker.clone())));
        self.latest = Some(oneshot.clone());
        let (after, limit) = (seqs.start - 1, (seqs.end - seqs.start) as usize);
        let reply = move |read| oneshot.complete(ReasonRange::of(seqs, read));
        self.admission
            .read_range(after, limit, READ_BYTES_MAX, reply);
    }

    /// Whether something is being read.
    pub(super) fn is_reading(&self) -> bool {
        !self.over && matches!(&self.latest, Some(range) if range.get().is_none())
    }

    /// Reads nothing more: what is not known by now stays so.
    pub(super) fn stop(&mut self) {
        self.over = true;
    }
}

impl ReasonRange {
    fn of(seqs: Range<u64>, read: ReadRange) -> Self {
        let records = match read {
            Ok(records) if !records.is_empty() => records,
            // A look-up says why; here the sequence must do.
            _ => return Self::unreadable(seqs),
        };
        // It may be less than was asked for, but never nothing.
        let end = records.last().map_or(seqs.end, |it| it.outcome.seq + 1);
        let reasons = records
            .iter()
            .filter_map(|record| Some((record.outcome.seq, record.outcome.reason.clone()?)));
        Self {
            reasons: reasons.collect(),
            seqs: seqs.start..end,
        }
    }

    fn unreadable(seqs: Range<u64>) -> Self {
        Self {
            seqs,
            reasons: Vec::new(),
        }
    }

    fn reason(&self, seq: u64) -> Option<Arc<str>> {
        let at = self.reasons.binary_search_by_key(&seq, |(seq, _)| *seq);
        at.ok().map(|at| self.reasons[at].1.clone())
    }
}

#[cfg(test)]
mod tests {
    use crate::ledger::{Outcome, ReadError, Record, Status};

    use super::*;

    fn failed(seq: u64) -> Arc<Record> {
        Arc::new(Record {
            outcome: Outcome {
                seq,
                status: Status::Failed,
                reason: Some(format!("reason {seq}").into()),
            },
            accepted_at: 0,
            committed_at: 0,
            id: "a".into(),
            order: "{}".into(),
            submitter: None,
        })
    }

    #[test]
    fn a_read_that_brings_less_than_was_asked_for_brings_the_first() {
        let range = ReasonRange::of(5..10, Ok(vec![failed(5), failed(6)]));
        assert_eq!(range.seqs, 5..7);
        assert_eq!(range.reason(6).as_deref(), Some("reason 6"));
        // So nobody asks for ever: what brings nothing, answers for all.
        for nothing in [Ok(Vec::new()), Err(ReadError::Busy)] {
            let range = ReasonRange::of(5..10, nothing);
            assert_eq!((range.seqs.clone(), range.reason(5)), (5..10, None));
        }
    }
}
