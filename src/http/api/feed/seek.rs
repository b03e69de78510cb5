//! The position of a reader that names a time: a few reads, one after the other.

use std::sync::Arc;
use std::task::Waker;

use crate::admission::Admission;
use crate::ledger::{ReadError, ReadRange, TimeSearch};
use crate::sync::oneshot::Oneshot;

/// A search, and the read that it waits for.
pub(super) struct Seek {
    unix_nanos: u64,
    search: Option<TimeSearch>,
    read: Option<Arc<Oneshot<ReadRange>>>,
}

/// How far a search is.
pub(super) enum Sought {
    /// A read is under way; its end calls the waker.
    Not,
    /// The outcomes after this sequence are wanted.
    Found(u64),
    /// Outcomes from that time on may have been removed.
    Pruned { oldest: u64 },
    /// The ledger isn't open.
    Closed,
    /// A read failed.
    Unread(ReadError),
}

impl Seek {
    pub(super) fn new(unix_nanos: u64) -> Self {
        Self {
            unix_nanos,
            search: None,
            read: None,
        }
    }

    /// Goes on as far as the answers that are there allow.
    pub(super) fn poll(&mut self, admission: &Admission, waker: &Waker) -> Sought {
        let Some(archive) = admission.archive() else {
            return Sought::Closed;
        };
        let new = || TimeSearch::new(&**archive, self.unix_nanos);
        let search = self.search.get_or_insert_with(new);
        loop {
            if let Some(read) = &self.read {
                match read.get() {
                    None => return Sought::Not,
                    Some(Ok(records)) => search.take(records.first().map(|record| &**record)),
                    Some(Err(ReadError::Gone { oldest, .. })) => {
                        return Sought::Pruned { oldest: *oldest };
                    }
                    Some(Err(why)) => return Sought::Unread(why.clone()),
                }
            }
            let Some(probe) = search.probe() else {
                let (after, oldest) = (search.found(), archive.oldest_seq());
                return match after < oldest && oldest > 1 {
                    true => Sought::Pruned { oldest },
                    false => Sought::Found(after),
                };
            };
            let oneshot = Arc::new(Oneshot::new(Some(waker.clone())));
            self.read = Some(oneshot.clone());
            admission.read_range(probe, 1, 1, move |records| oneshot.complete(records));
        }
    }
}
