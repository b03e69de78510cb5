//! Where in the sequence a time is: bisection over any archive.
//!
//! Commits follow one another in time as well as in sequence, as far as the
//! clock does. Where it was set back, one of the places that fit is found.

use crate::ledger::archive::Archive;
use crate::ledger::outcome::Record;

/// Looks for the position before the first outcome that was committed at a time
/// or later. The caller reads what follows each [`probe`](Self::probe) and
/// hands it to [`take`](Self::take).
#[derive(Clone, Debug)]
pub(crate) struct TimeSearch {
    unix_nanos: u64,
    /// What follows `high` is late enough, or there is nothing; up to `low`
    /// all is earlier.
    low: u64,
    high: u64,
    /// How far past `high` a shared ledger may reach, by the next guess; 0:
    /// `high` is its end.
    reach: u64,
}

impl TimeSearch {
    pub(crate) fn new(archive: &dyn Archive, unix_nanos: u64) -> Self {
        let low = archive.oldest_seq().saturating_sub(1);
        Self {
            unix_nanos,
            low,
            high: archive.last_seq().max(low),
            reach: u64::from(archive.is_shared()),
        }
    }

    /// The position after which one outcome is to be read; `None` once the
    /// place is [found](Self::found).
    pub(crate) fn probe(&self) -> Option<u64> {
        if self.low < self.high {
            Some(self.low + (self.high - self.low) / 2)
        } else {
            (self.reach > 0).then_some(self.low)
        }
    }

    /// Takes the first outcome after the probe, if there is one.
    pub(crate) fn take(&mut self, next: Option<&Record>) {
        let Some(probe) = self.probe() else {
            return;
        };
        let at_end = self.low == self.high;
        match next {
            Some(record) if record.committed_at < self.unix_nanos => {
                self.low = record.outcome.seq.max(probe);
                self.high = self.high.max(self.low);
                if at_end {
                    self.high = self.low.saturating_add(self.reach);
                    self.reach = self.reach.saturating_mul(2);
                }
            }
            _ if at_end => self.reach = 0,
            _ => self.high = probe,
        }
    }

    /// The position, once there is nothing more to probe.
    pub(crate) fn found(&self) -> u64 {
        self.low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::outcome::{Outcome, Status};

    fn record(seq: u64, committed_at: u64) -> Record {
        let outcome = Outcome {
            seq,
            status: Status::Processed,
            reason: None,
        };
        Record {
            outcome,
            accepted_at: 0,
            committed_at,
            id: "a".into(),
            order: "{}".into(),
            submitter: None,
        }
    }

    /// The position found, and how many reads it took. `known` is the last
    /// sequence that a shared ledger is known to have.
    fn search(records: &[Record], known: Option<u64>, time: u64) -> (u64, u32) {
        let last = records.last().map_or(0, |last| last.outcome.seq);
        let mut search = TimeSearch {
            unix_nanos: time,
            low: records.first().map_or(0, |first| first.outcome.seq - 1),
            high: known.unwrap_or(last),
            reach: u64::from(known.is_some()),
        };
        let mut reads = 0;
        while let Some(probe) = search.probe() {
            search.take(records.iter().find(|record| record.outcome.seq > probe));
            reads += 1;
        }
        (search.found(), reads)
    }

    #[test]
    fn every_time_has_its_place() {
        // Pruned at the start, three commits a nanosecond, and gaps.
        let seqs = (5..105).filter(|seq| seq % 7 != 0);
        let records: Vec<_> = seqs.map(|seq| record(seq, seq / 3)).collect();
        for time in 0..40 {
            let first = records.iter().find(|record| record.committed_at >= time);
            for known in [None, Some(4), Some(60), Some(104)] {
                let (found, reads) = search(&records, known, time);
                let next = records.iter().find(|record| record.outcome.seq > found);
                assert_eq!(next, first, "{time} {known:?}: {found}");
                assert!(reads <= 30, "{reads} reads");
            }
        }
    }

    #[test]
    fn an_empty_ledger_has_one_place() {
        assert_eq!(search(&[], None, 7), (0, 0));
        assert_eq!(search(&[], Some(0), 7), (0, 1));
    }

    #[test]
    fn a_clock_that_was_set_back_ends_no_search() {
        let times = [1, 5, 9, 2, 3, 4, 8, 10];
        let records: Vec<_> = (1..).zip(times).map(|(seq, at)| record(seq, at)).collect();
        for time in 0..12 {
            let (found, _) = search(&records, None, time);
            assert!(found <= records.len() as u64);
        }
    }
}
