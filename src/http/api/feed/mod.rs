//! `GET /orders?after=SEQ&limit=N&wait=S`: the feed, committed outcomes in the
//! order of their sequence.
//!
//! A page holds what comes after `after`. It may be shorter than `limit`
//! though more is there: it ends at [`Pages`]' size, and readers at the same
//! place share one. So a reader asks for the next page with the sequence of the
//! last line, and has seen all there is when a page is empty.
//!
//! While there is nothing, a reader with `wait` is on the pipeline's watch list
//! and takes no memory but its connection's. Its wait ends with the first
//! outcome, in time, with the drain, or when its client hangs up.

mod pages;
mod query;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::http::api::feed::pages::{Reading, Unread};
use crate::http::api::feed::query::Asked;
use crate::http::api::problem::Problem;
use crate::http::api::router::{Handled, Wait, closed};
use crate::http::api::service::Service;
use crate::http::wire::reply::{Body, NDJSON, Reply};
use crate::ledger::ReadError;
use crate::pipeline::gate::GateState;
use crate::sync::watch_list::Watch;

pub(crate) use self::pages::{Pages, Slice};

/// The header that tells one ledger's sequences from another's.
pub(crate) const LEDGER_ID: &str = "Orders-Ledger-Id";
/// How long a reader that may wait does so before it asks again, when the
/// archive has more to read than it takes on.
const PAUSE: Duration = Duration::from_millis(50);

/// Bytes on a page at most, unless one line is longer.
pub(crate) const PAGE_BYTES: usize = 1 << 20;

/// A reader of the feed that has no answer yet.
pub(crate) struct Follow {
    after: u64,
    limit: usize,
    /// When it is answered whether there is something or not.
    until: Instant,
    waker: Waker,
    step: Step,
}

enum Step {
    /// To look whether there is something.
    Look,
    /// There was nothing; the watch says when to look again.
    Watch { _watch: Watch },
    /// There is something, and it is being read.
    Read(Arc<Reading>),
    /// The archive was too busy.
    Pause(Instant),
}

/// What a reader finds at its place.
enum Found {
    Something,
    Nothing,
    Refused(Reply),
}

/// Answers with the outcomes after a sequence.
pub(crate) fn feed(service: &Service, query: &str, waker: &Waker) -> Handled {
    let Asked { after, limit, wait } = match Asked::read(query) {
        Ok(asked) => asked,
        Err(refused) => {
            let detail = refused.to_string();
            let report = Problem::InvalidParameter.report(&detail);
            let name = crate::http::api::router::shown(refused.parameter());
            return Handled::Reply(report.text("parameter", name).reply());
        }
    };
    let mut follow = Follow {
        after,
        limit,
        until: Instant::now() + wait,
        waker: waker.clone(),
        step: Step::Look,
    };
    match follow.poll(service) {
        Some(reply) => Handled::Reply(reply),
        None => Handled::Wait(Wait::Feed(follow)),
    }
}

/// The same reply with the header that names the ledger, once it is open.
pub(crate) fn with_ledger_id(reply: Reply, service: &Service) -> Reply {
    match service.admission.archive() {
        Some(archive) => reply.with_header(LEDGER_ID, archive.ledger_id().to_string()),
        None => reply,
    }
}

/// The 503 for a reader that finds no room or no reader's thread.
pub(crate) fn busy(detail: &str) -> Reply {
    Problem::FeedBusy.report(detail).retry_after(1).reply()
}

impl Follow {
    pub(crate) fn poll(&mut self, service: &Service) -> Option<Reply> {
        if let Step::Pause(until) = self.step
            && Instant::now() < until
        {
            return None;
        }
        if !matches!(self.step, Step::Read(_))
            && let Some(reply) = self.look(service)
        {
            return Some(reply);
        }
        let Step::Read(reading) = &self.step else {
            return None;
        };
        match reading.slice(self.after, self.limit)? {
            Ok(slice) => Some(with_ledger_id(page(Body::Page(slice)), service)),
            Err(Unread::Archive(ReadError::Busy)) if Instant::now() + PAUSE < self.until => {
                self.step = Step::Pause(Instant::now() + PAUSE);
                None
            }
            Err(why) => Some(self.unread(why, service)),
        }
    }

    /// When to poll again at the latest; `None`: the archive will wake it.
    pub(crate) fn until(&self) -> Option<Instant> {
        match &self.step {
            Step::Look | Step::Watch { .. } => Some(self.until),
            Step::Pause(until) => Some(*until),
            Step::Read(_) => None,
        }
    }

    /// The answer when nobody is going to read a later one; `None` if it is
    /// about to be there.
    pub(crate) fn give_up(&self, service: &Service) -> Option<Reply> {
        match &self.step {
            Step::Read(_) => None,
            _ => Some(with_ledger_id(page(Body::Static(b"")), service)),
        }
    }

    /// Begins to read, or to watch; or answers.
    fn look(&mut self, service: &Service) -> Option<Reply> {
        let mut watch = None;
        loop {
            match self.find(service) {
                Found::Refused(reply) => return Some(reply),
                Found::Something => {
                    let (after, limit) = (self.after, self.limit);
                    let pages = &service.pages;
                    let reading = pages.read(&service.admission, after, limit, &self.waker);
                    self.step = Step::Read(reading);
                    return None;
                }
                Found::Nothing if self.is_over(service) => return self.give_up(service),
                Found::Nothing => match watch {
                    // What came before the watch was looked for behind it.
                    Some(_watch) => {
                        self.step = Step::Watch { _watch };
                        return None;
                    }
                    None => watch = Some(service.admission.watch(&self.waker)),
                },
            }
        }
    }

    fn find(&self, service: &Service) -> Found {
        let Some(archive) = service.admission.archive() else {
            return Found::Refused(closed(service.admission.state()));
        };
        let (oldest, last) = (archive.oldest_seq(), archive.last_seq());
        if self.after > last {
            let detail = format!("the last sequence is {last}");
            let report = Problem::FeedAhead.report(&detail).number("last_seq", last);
            return Found::Refused(with_ledger_id(report.reply(), service));
        }
        if self.after.saturating_add(1) < oldest {
            return Found::Refused(self.pruned(oldest, service));
        }
        if self.after < last {
            Found::Something
        } else {
            Found::Nothing
        }
    }

    fn pruned(&self, oldest: u64, service: &Service) -> Reply {
        let detail = format!("the oldest sequence kept is {oldest}");
        let report = Problem::FeedPruned.report(&detail);
        with_ledger_id(report.number("oldest_seq", oldest).reply(), service)
    }

    fn unread(&self, why: &Unread, service: &Service) -> Reply {
        match why {
            // Pruned since the bounds were looked at.
            Unread::Archive(ReadError::Gone { oldest, .. }) => self.pruned(*oldest, service),
            Unread::Archive(ReadError::Busy) | Unread::Full => busy(&why.to_string()),
            Unread::Archive(ReadError::Failed(_)) => {
                let detail = why.to_string();
                Problem::LedgerDown.report(&detail).retry_after(1).reply()
            }
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

fn page(body: Body) -> Reply {
    Reply {
        content_type: Some(NDJSON),
        body,
        ..Reply::empty(200)
    }
}
