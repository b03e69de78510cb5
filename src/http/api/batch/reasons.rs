//! Why orders failed that a batch submits again. The window knows that they
//! failed, the archive knows why.
//!
//! One read at a time a batch, of a stretch of sequences: lines that are sent
//! again stand in about the order in which they were committed, so that one
//! read serves hundreds of them. What can't be read (in time) is left out.

use std::ops::Range;
use std::sync::Arc;
use std::task::Waker;

use crate::admission::Admission;
use crate::ledger::ReadRange;
use crate::sync::oneshot::Oneshot;

/// Sequences in a stretch at most.
pub(crate) const STRETCH: u64 = 1024;
/// Bytes of text in it, unless one record is longer.
const STRETCH_BYTES: usize = 256 << 10;

/// Reads reasons for one batch.
pub(crate) struct Reasons {
    admission: Arc<Admission>,
    waker: Waker,
    stretch: Option<Arc<Oneshot<Stretch>>>,
    /// Nothing more is read.
    over: bool,
}

/// What was read, without the orders.
struct Stretch {
    seqs: Range<u64>,
    reasons: Vec<(u64, Arc<str>)>,
}

/// What is known of one sequence.
pub(crate) enum Reason {
    /// This, or that there is none to be had.
    Known(Option<Arc<str>>),
    /// It is being read: `waker` will be called.
    Coming,
    /// Nobody has asked for it.
    Unread,
}

impl Reasons {
    /// Reads from the archive, for a coroutine that `waker` wakes.
    pub(crate) fn new(admission: &Arc<Admission>, waker: &Waker) -> Self {
        Self {
            admission: admission.clone(),
            waker: waker.clone(),
            stretch: None,
            over: false,
        }
    }

    /// Why the order with this sequence failed.
    pub(crate) fn of(&self, seq: u64) -> Reason {
        if self.over {
            return Reason::Known(None);
        }
        let Some(stretch) = &self.stretch else {
            return Reason::Unread;
        };
        match stretch.get() {
            None => Reason::Coming,
            Some(stretch) if stretch.seqs.contains(&seq) => Reason::Known(stretch.reason(seq)),
            Some(_) => Reason::Unread,
        }
    }

    /// Reads these sequences, [`STRETCH`] at most, the first of them for sure.
    /// For when nothing else is [`Coming`](Reason::Coming).
    pub(crate) fn read(&mut self, seqs: Range<u64>) {
        let oneshot = Arc::new(Oneshot::new(Some(self.waker.clone())));
        self.stretch = Some(oneshot.clone());
        let (after, limit) = (seqs.start - 1, (seqs.end - seqs.start) as usize);
        let reply = move |read| oneshot.complete(Stretch::of(seqs, read));
        self.admission
            .read_range(after, limit, STRETCH_BYTES, reply);
    }

    /// Whether something is being read.
    pub(crate) fn is_reading(&self) -> bool {
        !self.over && matches!(&self.stretch, Some(stretch) if stretch.get().is_none())
    }

    /// Reads nothing more: what is not known by now stays so.
    pub(crate) fn stop(&mut self) {
        self.over = true;
    }
}

impl Stretch {
    fn of(seqs: Range<u64>, read: ReadRange) -> Self {
        let records = match read {
            Ok(records) if !records.is_empty() => records,
            // Said once, by who answers look-ups; here the seq must do.
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
        })
    }

    #[test]
    fn a_read_that_brings_less_than_was_asked_for_brings_the_first() {
        let stretch = Stretch::of(5..10, Ok(vec![failed(5), failed(6)]));
        assert_eq!(stretch.seqs, 5..7);
        assert_eq!(stretch.reason(6).as_deref(), Some("reason 6"));
        // So nobody asks for ever: what brings nothing, answers for all.
        for nothing in [Ok(Vec::new()), Err(ReadError::Busy)] {
            let stretch = Stretch::of(5..10, nothing);
            assert_eq!((stretch.seqs.clone(), stretch.reason(5)), (5..10, None));
        }
    }
}
