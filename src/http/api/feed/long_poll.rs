//! One reader of the feed, from its request to its reply.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::admission::wording;
use crate::http::api::feed::page::{PageRead, Unread};
use crate::http::api::feed::query::FeedQuery;
use crate::http::api::feed::seek::{Seek, Sought};
use crate::http::api::feed_line::with_ledger_id;
use crate::http::api::handled::Handled;
use crate::http::api::problem::{Problem, busy, closed, shown, unreadable};
use crate::http::api::service::Service;
use crate::http::wire::reply::{NDJSON, Reply};
use crate::ledger::ReadError;
use crate::pipeline::gate::GateState;
use crate::sync::watch_list::Watch;

/// How long a reader that may wait does so before it asks again, when the
/// archive has more to read than it takes on.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// A reader of the feed that has no reply yet.
pub(crate) struct LongPoll {
    after: u64,
    limit: usize,
    /// When it is answered whether there is something or not.
    until: Instant,
    /// The archive may know no more than it was asked for: of a shared ledger
    /// the end is read, once.
    at_end: bool,
    /// A read has found nothing after `after` up to here: of a shared ledger,
    /// the last message may be no outcome.
    empty_to: u64,
    waker: Waker,
    step: PollStep,
}

enum PollStep {
    /// The position is looked for by its time.
    Seek(Seek),
    /// To check whether there is something.
    Check,
    /// There was nothing; the watch calls the waker when to check again.
    Watch { _watch: Watch },
    /// There is something, and it is being read.
    Read(Arc<PageRead>),
    /// The archive was busy.
    Pause(Instant),
}

/// What there is after a reader's position.
enum Available {
    Something,
    Nothing,
    Refused(Reply),
}

/// Answers with the outcomes after a sequence.
pub(crate) fn feed(service: &Service, query: &str, waker: &Waker) -> Handled<LongPoll> {
    let FeedQuery {
        after,
        since,
        limit,
        wait,
    } = match FeedQuery::read(query) {
        Ok(query) => query,
        Err(bad) => {
            let report = Problem::InvalidParameter.report(bad.to_string());
            return Handled::Reply(report.parameter(shown(bad.parameter())).reply());
        }
    };
    let mut long_poll = LongPoll {
        after,
        limit,
        until: Instant::now() + wait,
        at_end: false,
        empty_to: 0,
        waker: waker.clone(),
        step: since.map_or(PollStep::Check, |since| PollStep::Seek(Seek::new(since))),
    };
    match long_poll.poll(service) {
        Some(reply) => Handled::Reply(reply),
        None => Handled::Wait(long_poll),
    }
}

impl LongPoll {
    /// The reply, if it is there or the time is up.
    pub(crate) fn poll(&mut self, service: &Service) -> Option<Reply> {
        if let PollStep::Pause(until) = self.step
            && Instant::now() < until
        {
            return None;
        }
        if let PollStep::Seek(seek) = &mut self.step {
            self.after = match seek.poll(&service.admission, &self.waker) {
                Sought::Not => return None,
                Sought::Found(after) => after,
                Sought::Pruned { oldest } => return Some(pruned(oldest, service)),
                Sought::Closed => return Some(closed(service.admission.state()).reply()),
                Sought::Unread(why) => return Some(refusal(&why.into(), service)),
            };
            self.step = PollStep::Check;
        }
        loop {
            if !matches!(self.step, PollStep::Read(_))
                && let Some(reply) = self.check(service)
            {
                return Some(reply);
            }
            let PollStep::Read(read) = &self.step else {
                return None;
            };
            match read.lines(self.after, self.limit)? {
                // The end has been read; there may be more by now.
                Ok(lines) if lines.is_empty() && service.admission.is_shared() => {
                    self.at_end = true;
                    self.empty_to = read.last_seq();
                    self.step = PollStep::Check;
                }
                Ok(lines) => return Some(page(lines, service)),
                Err(Unread::Archive(ReadError::Busy)) if Instant::now() + PAUSE < self.until => {
                    self.step = PollStep::Pause(Instant::now() + PAUSE);
                    return None;
                }
                Err(why) => return Some(refusal(why, service)),
            }
        }
    }

    /// When to poll again at the latest; `None`: the archive will wake it.
    pub(crate) fn until(&self) -> Option<Instant> {
        match &self.step {
            PollStep::Check | PollStep::Watch { .. } => Some(self.until),
            PollStep::Pause(until) => Some(*until),
            PollStep::Read(_) | PollStep::Seek(_) => None,
        }
    }

    /// The reply when nobody is going to receive a later one; `None` if it is
    /// about to be there.
    pub(crate) fn give_up(&self, service: &Service) -> Option<Reply> {
        match &self.step {
            PollStep::Read(_) | PollStep::Seek(_) => None,
            _ => Some(page(Bytes::new(), service)),
        }
    }

    /// Begins to read, or to watch; or answers.
    fn check(&mut self, service: &Service) -> Option<Reply> {
        let mut watch = None;
        loop {
            match self.available(service) {
                Available::Refused(reply) => return Some(reply),
                Available::Something => {
                    let (after, limit) = (self.after, self.limit);
                    let pages = &service.pages;
                    let read = pages.read(&service.admission, after, limit, &self.waker);
                    self.step = PollStep::Read(read);
                    return None;
                }
                Available::Nothing if self.is_over(service) => return self.give_up(service),
                Available::Nothing => match watch {
                    // Checked once more behind the watch: what was committed
                    // before it was listed has not been missed.
                    Some(_watch) => {
                        self.step = PollStep::Watch { _watch };
                        return None;
                    }
                    None => watch = Some(service.admission.watch(&self.waker)),
                },
            }
        }
    }

    fn available(&self, service: &Service) -> Available {
        let Some(archive) = service.admission.archive() else {
            return Available::Refused(closed(service.admission.state()).reply());
        };
        let (oldest, last) = (archive.oldest_seq(), archive.last_seq());
        // Of a shared ledger, only a read finds out where it ends.
        if self.after >= last && archive.is_shared() && !self.at_end {
            return Available::Something;
        }
        if self.after > last {
            let report = Problem::FeedAhead.report(wording::feed_ahead(last));
            let reply = report.last_seq(last).reply();
            return Available::Refused(with_ledger_id(reply, &service.admission));
        }
        if self.after.saturating_add(1) < oldest {
            return Available::Refused(pruned(oldest, service));
        }
        if self.after.max(self.empty_to) < last {
            Available::Something
        } else {
            Available::Nothing
        }
    }

    /// Whether there is nothing more to wait for.
    fn is_over(&self, service: &Service) -> bool {
        let ending = matches!(
            service.admission.state(),
            GateState::Draining | GateState::LedgerDown // a drain leaves this state as it is
        );
        ending || Instant::now() >= self.until
    }
}

fn page(lines: Bytes, service: &Service) -> Reply {
    with_ledger_id(Reply::shared(200, NDJSON, lines), &service.admission)
}

fn refusal(why: &Unread, service: &Service) -> Reply {
    match why {
        // Pruned since the bounds were read.
        Unread::Archive(ReadError::Gone { oldest, .. }) => pruned(*oldest, service),
        Unread::Archive(why @ ReadError::Ahead { .. }) => {
            let report = unreadable(why, Problem::FeedPruned);
            with_ledger_id(report.reply(), &service.admission)
        }
        Unread::Archive(why) => unreadable(why, Problem::FeedPruned).reply(),
        Unread::Full => busy(why.to_string()).reply(),
    }
}

fn pruned(oldest: u64, service: &Service) -> Reply {
    let report = Problem::FeedPruned.report(wording::feed_pruned(oldest));
    with_ledger_id(report.oldest_seq(oldest).reply(), &service.admission)
}
