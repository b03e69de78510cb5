//! `SubmitStream`: many orders, one response for each, in order.
//!
//! One state machine, driven by the response side: nothing is read while the
//! client takes no responses, or while [`STREAM_WINDOW`] orders, or
//! [`STREAM_BYTES`] of them, are without one, and HTTP/2 flow control passes that
//! on. An order that finds no room in the queue
//! is held, and nothing is read behind it.

mod entry;
mod intake;
mod response;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};
use tonic::{Status, Streaming};

use crate::admission::Offered;
use crate::grpc::body::Oversize;
use crate::grpc::proto::{SubmitStreamRequest, SubmitStreamResponse};
use crate::grpc::status::Refusal;
use crate::grpc::stream::entry::{Entry, Held, Waits};
use crate::grpc::stream::response::{committed, queued};
use crate::grpc::submit::MOMENT;
use crate::grpc::task_waker::TaskWaker;
use crate::grpc::{Door, Phase, STREAM_BYTES, STREAM_WINDOW, lookup};
use crate::pipeline::answer::Answer;

/// What a call answers with.
pub(super) type Responses =
    Pin<Box<dyn Stream<Item = Result<SubmitStreamResponse, Status>> + Send>>;

/// One stream.
struct Submissions {
    door: Arc<Door>,
    requests: Streaming<SubmitStreamRequest>,
    /// Which requests were dropped for their size.
    oversize: Oversize,
    task_waker: Arc<TaskWaker>,
    phase: watch::Receiver<Phase>,
    /// In the order of the requests.
    entries: VecDeque<Entry>,
    /// Bytes of the orders that their tickets hold.
    bytes: usize,
    /// The order that waits for room, behind all entries.
    held: Option<Held>,
    /// Requests read so far.
    read: u64,
    /// Set when nothing more is read: what to end with after the last response.
    end: Option<End>,
    /// Its place among the streams.
    _place: OwnedSemaphorePermit,
}

/// How a stream ends.
enum End {
    Ok,
    With(Status),
}

/// What has happened.
enum Event {
    Request(Result<Option<SubmitStreamRequest>, Status>),
    Offered(Box<(Held, Offered)>),
    Phase,
    Look,
}

/// Serves a stream.
pub(super) fn serve(
    door: Arc<Door>,
    requests: Streaming<SubmitStreamRequest>,
    oversize: Oversize,
    place: OwnedSemaphorePermit,
) -> Responses {
    let submissions = Submissions {
        requests,
        oversize,
        task_waker: door.wakeups.task_waker(),
        phase: door.phase.subscribe(),
        entries: VecDeque::new(),
        bytes: 0,
        held: None,
        read: 0,
        end: None,
        door,
        _place: place,
    };
    Box::pin(stream::unfold(
        Some(submissions),
        async |submissions| match submissions {
            None => None,
            Some(mut submissions) => match submissions.next().await {
                Some(Ok(response)) => Some((Ok(response), Some(submissions))),
                Some(Err(status)) => Some((Err(status), None)),
                None => None,
            },
        },
    ))
}

impl Submissions {
    /// The next response; `None` after the last.
    async fn next(&mut self) -> Option<Result<SubmitStreamResponse, Status>> {
        loop {
            if let Some(response) = self.answered() {
                return Some(Ok(response));
            }
            if self.entries.is_empty()
                && self.held.is_none()
                && let Some(end) = self.end.take()
            {
                return match end {
                    End::Ok => None,
                    End::With(status) => Some(Err(status)),
                };
            }
            match self.event().await {
                Event::Request(Ok(Some(request))) => self.take(request),
                Event::Request(Ok(None)) => self.stop(End::Ok),
                Event::Request(Err(status)) => self.stop(End::With(status)),
                Event::Phase => {
                    let state = self.door.admission.state();
                    self.stop(End::With(Refusal::closed(state).status()));
                }
                Event::Offered(offer) => self.settle(offer.0, offer.1),
                Event::Look => self.expire(),
            }
        }
    }

    /// Waits until there is something to do.
    async fn event(&mut self) -> Event {
        let waker = self.task_waker.waker();
        let Self {
            door,
            requests,
            task_waker,
            phase,
            entries,
            bytes,
            held,
            end,
            ..
        } = self;
        let serving = end.is_none();
        let over = *phase.borrow() == Phase::Over && !serving;
        // At the end, orders may be withdrawn that nobody tells us of.
        let awaited = if serving {
            Phase::Draining
        } else {
            Phase::Over
        };
        let reads =
            serving && held.is_none() && entries.len() < STREAM_WINDOW && *bytes < STREAM_BYTES;
        let front = entries.front().and_then(Entry::until);
        let until = [front, held.as_ref().map(|held| held.until)]
            .into_iter()
            .flatten()
            .min();
        tokio::select! {
            biased;
            event = task_waker.until(|| {
                if entries.front().is_some_and(Entry::is_ready) {
                    return Some(Event::Look);
                }
                // Watched first, offered then: it may move in between.
                let mut waits = held.take()?;
                waits.watch = Some(door.admission.watch(&waker));
                match waits.offer(&door.admission, &waker) {
                    Some(offered) => Some(Event::Offered(Box::new((waits, offered)))),
                    None => {
                        *held = Some(waits);
                        None
                    }
                }
            }) => event,
            _ = phase.wait_for(|phase| *phase >= awaited), if !over => {
                if serving { Event::Phase } else { Event::Look }
            }
            request = requests.message(), if reads => Event::Request(request),
            () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => Event::Look,
        }
    }

    fn stop(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    /// The response to the first request that has none, if it is there.
    fn answered(&mut self) -> Option<SubmitStreamResponse> {
        let front = self.entries.front_mut()?;
        let index = front.index;
        let response = match &mut front.state {
            Waits::Turn(response) => std::mem::take(response),
            Waits::Reason { outcome, read } => {
                let read = read.get()?;
                outcome.reason = lookup::reason_of(read);
                committed(index, &front.id, outcome.clone(), true)
            }
            Waits::Outcome { ticket, until } => match ticket.answer() {
                Some(Answer::Committed(outcome)) => {
                    committed(index, &front.id, outcome, ticket.is_duplicate())
                }
                Some(Answer::Withdrawn(why)) => {
                    let id = std::mem::take(&mut front.id);
                    Refusal::withdrawn(&self.door.admission, &why).result(index, id)
                }
                None if Instant::now() < *until => return None,
                None if ticket.ack_queued() => queued(index, &front.id, ticket.is_duplicate()),
                None => {
                    // It ended this very moment: the answer is about to be there.
                    *until = Instant::now() + MOMENT;
                    return None;
                }
            },
        };
        self.bytes -= front.bytes;
        self.entries.pop_front();
        Some(response)
    }
}
