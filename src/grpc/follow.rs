//! `Follow`: the feed as a server stream.
//!
//! A page of outcomes is read when the client has taken the last one; past the
//! end, the stream watches the pipeline's progress. A follower that doesn't
//! read holds one page, and slows nobody.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::sleep;
use tonic::metadata::MetadataValue;
use tonic::{Response, Status};

use crate::grpc::proto::{FollowRequest, FollowResponse};
use crate::grpc::status::{Kind, Refusal};
use crate::grpc::task_waker::TaskWaker;
use crate::grpc::{Door, Phase, lookup};
use crate::ledger::{Archive, ReadError, ReadRange, Record};
use crate::pipeline::gate::GateState;
use crate::sync::oneshot::Oneshot;
use crate::sync::wake_queue::WakeQueue;

/// Metadata of the response: which ledger the sequences belong to.
const LEDGER_ID: &str = "orders-ledger-id";
/// What is read at a time, in bytes of text and in outcomes.
const PAGE_BYTES: usize = 1 << 20;
const PAGE_OUTCOMES: usize = 4096;
/// When the readers are busy: how often to ask again, and after how long at
/// first, twice that each time: two seconds in all.
const ASKS: u32 = 8;
const PAUSE: Duration = Duration::from_millis(8);

/// What a call answers with.
pub(super) type Outcomes = Pin<Box<dyn Stream<Item = Result<FollowResponse, Status>> + Send>>;

struct Follower {
    door: Arc<Door>,
    archive: Arc<dyn Archive>,
    task_waker: Arc<TaskWaker>,
    phase: watch::Receiver<Phase>,
    page: VecDeque<Arc<Record>>,
    /// The last sequence in the page or before it.
    after: u64,
    /// Its place among the followers.
    _place: OwnedSemaphorePermit,
}

/// Serves the outcomes after a sequence.
pub(super) fn serve(
    door: Arc<Door>,
    request: FollowRequest,
    place: OwnedSemaphorePermit,
) -> Result<Response<Outcomes>, Refusal> {
    let FollowRequest { after, ledger_id } = request;
    let Some(archive) = door.admission.archive().cloned() else {
        return Err(Refusal::closed(GateState::Recovering));
    };
    let ours = archive.ledger_id().to_string();
    if !ledger_id.is_empty() && ledger_id != ours {
        return Err(Kind::OtherLedger.because(format!(
            "the sequence belongs to another ledger: this is {ours}"
        )));
    }
    let (oldest, last) = (archive.oldest_seq(), archive.last_seq());
    if after > last {
        return Err(Kind::Ahead
            .because(format!("the last sequence is {last}"))
            .number("oldest_seq", oldest)
            .number("last_seq", last));
    }
    if after + 1 < oldest {
        return Err(pruned(&*archive, after + 1));
    }
    let follower = Follower {
        archive,
        task_waker: door.wakeups.task_waker(),
        phase: door.phase.subscribe(),
        page: VecDeque::new(),
        after,
        door,
        _place: place,
    };
    let outcomes: Outcomes = Box::pin(stream::unfold(Some(follower), async |follower| {
        let mut follower = follower?;
        Some(match follower.next().await {
            Ok(response) => (Ok(response), Some(follower)),
            Err(refusal) => (Err(refusal.status()), None),
        })
    }));
    let mut response = Response::new(outcomes);
    let ours = MetadataValue::try_from(ours).expect("hexadecimal digits are ASCII");
    response.metadata_mut().insert(LEDGER_ID, ours);
    Ok(response)
}

fn pruned(archive: &dyn Archive, seq: u64) -> Refusal {
    let oldest = archive.oldest_seq();
    Refusal::unreadable(&ReadError::Gone { seq, oldest }).number("last_seq", archive.last_seq())
}

impl Follower {
    async fn next(&mut self) -> Result<FollowResponse, Refusal> {
        loop {
            if let Some(record) = self.page.pop_front() {
                return Ok(FollowResponse {
                    record: Some(lookup::message(&record)),
                });
            }
            // Before the look at the end: what was committed until then is sent.
            let over = *self.phase.borrow_and_update() == Phase::Over;
            if self.archive.last_seq() > self.after {
                self.page = self.read().await?.into();
                if let Some(last) = self.page.back() {
                    self.after = last.outcome.seq;
                    continue;
                }
            }
            if over {
                return Err(Refusal::closed(self.door.admission.state()));
            }
            self.progress().await;
        }
    }

    /// Waits until there is something to read, or nothing will come any more.
    async fn progress(&mut self) {
        let Self {
            door,
            archive,
            task_waker,
            phase,
            after,
            ..
        } = self;
        let waker = task_waker.waker();
        let mut watch = None;
        tokio::select! {
            biased;
            () = task_waker.until(|| {
                // Watched first, looked then: it may move in between.
                watch = Some(door.admission.watch(&waker));
                (archive.last_seq() > *after).then_some(())
            }) => {}
            _ = phase.wait_for(|phase| *phase == Phase::Over) => {}
        }
    }

    /// The next page; asks again while the readers are busy.
    async fn read(&self) -> Result<Vec<Arc<Record>>, Refusal> {
        let mut pause = PAUSE;
        for ask in 1.. {
            match self.page().await {
                Ok(page) => return Ok(page),
                Err(ReadError::Busy) if ask < ASKS => {}
                Err(ReadError::Gone { seq, .. }) => return Err(pruned(&*self.archive, seq)),
                Err(why) => return Err(Refusal::unreadable(&why)),
            }
            sleep(pause).await;
            pause *= 2;
        }
        unreachable!("it returns at the last ask")
    }

    async fn page(&self) -> ReadRange {
        let oneshot = Arc::new(Oneshot::new(Some(self.task_waker.waker())));
        let (reply, wakeups) = (oneshot.clone(), self.door.wakeups.clone());
        self.archive.read_range(
            self.after,
            PAGE_OUTCOMES,
            PAGE_BYTES,
            Box::new(move |page| {
                reply.complete(page);
                wakeups.flush();
            }),
        );
        self.task_waker.until(|| oneshot.get().cloned()).await
    }
}
