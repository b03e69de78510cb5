//! `Follow`: the feed as a server stream.
//!
//! A page of outcomes is read when the client has taken the last one; past the
//! end, the stream watches the pipeline's progress. Its token is checked before
//! each outcome, and when the tokens have been read again. A follower that
//! doesn't read holds one page, and slows nobody.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::sync::watch;
use tokio::time::sleep;
use tonic::metadata::MetadataValue;
use tonic::{Response, Status};

use crate::access::Grant;
use crate::grpc::error::{CallError, ErrorReason};
use crate::grpc::front_end::{DrainPhase, FrontEnd, Signals};
use crate::grpc::limits::{PAGE_BYTES_MAX, PAGE_OUTCOMES_MAX};
use crate::grpc::proto::{FollowRequest, FollowResponse};
use crate::grpc::ready_queue::TaskWaker;
use crate::grpc::{convert, status};
use crate::ledger::{Archive, ReadError, ReadRange, Record, TimeSearch};
use crate::pipeline::gate::GateState;
use crate::sync::oneshot::Oneshot;

/// Metadata of the response: which ledger the sequences belong to.
const LEDGER_ID: &str = "orders-ledger-id";
/// How often a page is requested while the ledger's readers are busy, and the
/// pause after the first attempt. It doubles each time: a second in all.
const READ_ATTEMPTS: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(8);

/// What a call answers with.
pub(super) type Outcomes = Pin<Box<dyn Stream<Item = Result<FollowResponse, Status>> + Send>>;

struct Follower {
    front_end: Arc<FrontEnd>,
    archive: Arc<dyn Archive>,
    task_waker: Arc<TaskWaker>,
    signals: watch::Receiver<Signals>,
    /// `None` where it needs no token.
    grant: Option<Grant>,
    /// Of the signals, before the token was checked.
    reloads: u64,
    page: VecDeque<Arc<Record>>,
    /// The end of a shared ledger has been read, once: before that it may have
    /// more than this process knows.
    at_end: bool,
    /// The last sequence in the page or before it.
    after: u64,
    /// A read has found nothing after `after` up to here: of a shared ledger,
    /// the last message may be no outcome.
    empty_to: u64,
    /// Looks for the first position, if the request names a time.
    search: Option<TimeSearch>,
}

/// Serves the outcomes after a sequence.
pub(super) fn serve(
    front_end: Arc<FrontEnd>,
    request: &FollowRequest,
    grant: Option<Grant>,
) -> Result<Response<Outcomes>, CallError> {
    let Some(archive) = front_end.admission.archive().cloned() else {
        return Err(status::closed(GateState::Recovering));
    };
    check(request, &*archive)?;
    let since = since(request)?;
    let ledger_id = archive.ledger_id().to_string();
    let signals = front_end.signals();
    let reloads = signals.borrow().reloads;
    let follower = Follower {
        at_end: !archive.is_shared(),
        search: since.map(|since| TimeSearch::new(&*archive, since)),
        archive,
        task_waker: front_end.task_waker(),
        signals,
        reloads,
        grant,
        page: VecDeque::new(),
        after: request.after,
        empty_to: 0,
        front_end,
    };
    let outcomes: Outcomes = Box::pin(stream::unfold(Some(follower), async |follower| {
        let mut follower = follower?;
        Some(match follower.next().await {
            Ok(response) => (Ok(response), Some(follower)),
            Err(error) => (Err(error.status()), None),
        })
    }));
    let mut response = Response::new(outcomes);
    let ledger_id = MetadataValue::try_from(ledger_id).expect("hexadecimal digits are ASCII");
    response.metadata_mut().insert(LEDGER_ID, ledger_id);
    Ok(response)
}

/// The time to begin at, in nanoseconds since the Unix epoch.
fn since(request: &FollowRequest) -> Result<Option<u64>, CallError> {
    let refused = |detail| ErrorReason::InvalidRequest.error(detail).field("since");
    let Some(since) = &request.since else {
        return Ok(None);
    };
    if request.after != 0 {
        return Err(refused("after and since are two beginnings: leave one out"));
    }
    let unix_nanos = convert::unix_nanos(since);
    let unix_nanos = unix_nanos.ok_or_else(|| refused("since is no valid timestamp"))?;
    Ok(Some(unix_nanos))
}

/// Checks that the ledger has what follows the requested sequence.
fn check(request: &FollowRequest, archive: &dyn Archive) -> Result<(), CallError> {
    let FollowRequest {
        after, ledger_id, ..
    } = request;
    let ours = archive.ledger_id().to_string();
    if !ledger_id.is_empty() && *ledger_id != ours {
        return Err(ErrorReason::OtherLedger.error(format!(
            "the sequence belongs to another ledger: this is {ours}"
        )));
    }
    let (oldest, last) = (archive.oldest_seq(), archive.last_seq());
    // Of a shared ledger, only a read finds out where it ends.
    if *after > last && !archive.is_shared() {
        return Err(ErrorReason::FeedAhead
            .error(format!("the last sequence is {last}"))
            .number("oldest_seq", oldest)
            .number("last_seq", last));
    }
    let first = after.saturating_add(1);
    if first < oldest {
        return Err(status::pruned(archive, first));
    }
    Ok(())
}

impl Follower {
    async fn next(&mut self) -> Result<FollowResponse, CallError> {
        if let Some(search) = self.search.take() {
            self.after = self.seek(search).await?;
        }
        loop {
            self.check_token()?;
            if let Some(record) = self.page.pop_front() {
                return Ok(FollowResponse {
                    record: Some(convert::order_record(&record)),
                });
            }
            // Read before the last sequence: what was committed until then is
            // sent.
            let drained = self.signals.borrow().drain == DrainPhase::Drained;
            let to_read_end = !std::mem::replace(&mut self.at_end, true);
            // Likewise: what comes while it reads is past it.
            let last_seq = self.archive.last_seq();
            if last_seq > self.after.max(self.empty_to) || to_read_end {
                let page = self
                    .read(self.after, PAGE_OUTCOMES_MAX, PAGE_BYTES_MAX)
                    .await?;
                self.page = page.into();
                if let Some(last) = self.page.back() {
                    self.after = last.outcome.seq;
                    continue;
                }
                self.empty_to = last_seq;
            }
            if drained {
                return Err(status::closed(self.front_end.admission.state()));
            }
            self.progress().await;
        }
    }

    /// Ends the call if its token is no longer good for it.
    fn check_token(&mut self) -> Result<(), CallError> {
        let Some(grant) = &mut self.grant else {
            return Ok(());
        };
        let checked = grant.check(&self.front_end.access);
        checked.map(drop).map_err(|denied| {
            self.front_end.count_denied(denied.reason());
            status::denied(denied)
        })
    }

    /// The position that a search finds.
    async fn seek(&self, mut search: TimeSearch) -> Result<u64, CallError> {
        while let Some(probe) = search.probe() {
            let next = self.read(probe, 1, 1).await?;
            search.take(next.first().map(|record| &**record));
        }
        let (after, oldest) = (search.found(), self.archive.oldest_seq());
        if after < oldest && oldest > 1 {
            return Err(status::pruned(&*self.archive, after + 1));
        }
        Ok(after)
    }

    /// Waits until there is something to read, nothing will come any more, or
    /// the token has to be checked.
    async fn progress(&mut self) {
        let Self {
            front_end,
            archive,
            task_waker,
            signals,
            reloads,
            after,
            empty_to,
            ..
        } = self;
        let read_to = (*after).max(*empty_to);
        let waker = task_waker.waker();
        let mut watch = None;
        tokio::select! {
            biased;
            () = task_waker.wait_for(|| {
                // Watched first, then checked: it may move in between.
                watch = Some(front_end.admission.watch(&waker));
                (archive.last_seq() > read_to).then_some(())
            }) => {}
            _ = signals.wait_for(|now| {
                now.drain == DrainPhase::Drained || now.reloads != *reloads
            }) => {}
        }
        *reloads = signals.borrow().reloads;
    }

    /// Reads the next page; tries again while the ledger's readers are busy.
    async fn read(
        &self,
        after: u64,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<Arc<Record>>, CallError> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            match self.read_page(after, limit, bytes_max).await {
                Ok(page) => return Ok(page),
                Err(ReadError::Busy) if attempt < READ_ATTEMPTS => {}
                Err(ReadError::Gone { seq, .. }) => {
                    return Err(status::pruned(&*self.archive, seq));
                }
                Err(why) => return Err(status::unreadable(&why)),
            }
            sleep(pause).await;
            pause *= 2;
        }
        unreachable!("it returns after the last attempt")
    }

    async fn read_page(&self, after: u64, limit: usize, bytes_max: usize) -> ReadRange {
        let oneshot = Arc::new(Oneshot::new(Some(self.task_waker.waker())));
        let reply = oneshot.clone();
        let admission = &self.front_end.admission;
        admission.read_range(after, limit, bytes_max, move |page| reply.complete(page));
        self.task_waker.wait_for(|| oneshot.get().cloned()).await
    }
}
