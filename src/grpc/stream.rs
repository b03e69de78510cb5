//! `SubmitStream`: many orders, one response for each, in order.
//!
//! One state machine, driven by the response side: nothing is read while the
//! client takes no responses, or while [`STREAM_WINDOW`] orders, or
//! [`STREAM_BYTES`] of them, are without one, and HTTP/2 flow control passes that
//! on. An order that finds no room in the queue
//! is held, and nothing is read behind it.

use std::{collections::VecDeque, pin::Pin, sync::Arc, task::Waker, time::Duration};

use futures_util::{Stream, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, sleep_until},
};
use tonic::{Status, Streaming};

use super::{
    Door, Phase, STREAM_BYTES, STREAM_WINDOW,
    body::Oversize,
    proto::{
        Order as OrderMessage, OrderStatus, SubmitResult, SubmitStreamRequest, SubmitStreamResponse,
    },
    reading,
    status::{Kind, Refusal},
    submit::{MOMENT, decode, status_of, terms},
    wake::Sleeper,
};
use crate::{
    admission::{Admission, Admitted, Offered, Rejection, Ticket},
    ledger::{self, Outcome, Read},
    metrics::Reason,
    order::{ID_LEN_MAX, Order},
    pipeline::{
        gate::State,
        progress::Watch,
        ticket::{Answer, Promise},
    },
};

/// What a call answers with.
pub(super) type Responses =
    Pin<Box<dyn Stream<Item = Result<SubmitStreamResponse, Status>> + Send>>;

/// One stream.
struct Submissions {
    door: Arc<Door>,
    requests: Streaming<SubmitStreamRequest>,
    /// Which requests were dropped for their size.
    oversize: Oversize,
    sleeper: Arc<Sleeper>,
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

/// A request without a response yet.
struct Entry {
    index: u64,
    id: String,
    /// Of the order, while a ticket holds it.
    bytes: usize,
    state: Waits,
}

/// What a request waits for.
enum Waits {
    /// Its turn.
    Turn(SubmitStreamResponse),
    /// Its order's outcome, or the end of its patience.
    Outcome { ticket: Ticket, until: Instant },
    /// Why it failed, the first time.
    Reason {
        outcome: Outcome,
        read: Arc<Promise<Read>>,
    },
}

/// An order that waits for room.
struct Held {
    index: u64,
    id: String,
    /// `None` once it was taken or refused.
    order: Option<Order>,
    bytes: usize,
    wait: Duration,
    until: Instant,
    /// Wakes us when the pipeline moves.
    watch: Option<Watch>,
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
        sleeper: door.wakeups.sleeper(),
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
                    let state = self.door.admission.pipeline().gate.state();
                    self.stop(End::With(Refusal::closed(state).status()));
                }
                Event::Offered(offer) => self.settle(offer.0, offer.1),
                Event::Look => self.expire(),
            }
        }
    }

    /// Waits until there is something to do.
    async fn event(&mut self) -> Event {
        let waker = self.sleeper.waker();
        let Self {
            door,
            requests,
            sleeper,
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
            event = sleeper.until(|| {
                if entries.front().is_some_and(Entry::is_ready) {
                    return Some(Event::Look);
                }
                // Watched first, offered then: it may move in between.
                let mut waits = held.take()?;
                waits.watch = Some(door.admission.pipeline().watch(&waker));
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

    /// Takes one request.
    fn take(&mut self, request: SubmitStreamRequest) {
        self.read += 1;
        let index = self.read;
        let SubmitStreamRequest {
            order,
            ack_mode,
            wait,
        } = request;
        let id = shown(order.as_ref());
        if self.oversize.was_dropped(index) {
            self.door.admission.reject(Reason::TooLarge);
            let limit = self.door.limits.message_max;
            let refusal = Kind::TooLarge.because(format!(
                "the request is over {limit} bytes and was not read"
            ));
            return self.answer(index, refusal.result(index, id));
        }
        let wait = match terms(&self.door, ack_mode, wait) {
            Ok(wait) => wait,
            Err(refusal) => return self.answer(index, refusal.result(index, id)),
        };
        match decode(&self.door.admission, order) {
            Ok(order) => {
                let mut first = Held {
                    index,
                    id,
                    bytes: order.json().len(),
                    order: Some(order),
                    wait,
                    until: Instant::now() + self.door.limits.ack_timeout,
                    watch: None,
                };
                let waker = self.sleeper.waker();
                match first.offer(&self.door.admission, &waker) {
                    Some(offered) => self.settle(first, offered),
                    None => self.held = Some(first),
                }
            }
            Err(refusal) => self.answer(index, refusal.result(index, id)),
        }
    }

    /// Notes what came of an order that was offered.
    fn settle(&mut self, held: Held, offered: Offered) {
        let Held {
            index,
            id,
            bytes,
            wait,
            ..
        } = held;
        let state = match offered {
            Offered::Admitted(Admitted::Waiting(ticket)) => Waits::Outcome {
                ticket,
                until: Instant::now() + wait,
            },
            Offered::Admitted(Admitted::Committed(outcome)) => {
                if outcome.status == ledger::Status::Failed {
                    let read = reading::begin(&self.door, outcome.seq, &self.sleeper);
                    Waits::Reason { outcome, read }
                } else {
                    Waits::Turn(committed(index, &id, outcome, true))
                }
            }
            Offered::Rejected(rejection) => {
                if let Rejection::Closed(state @ (State::Draining | State::LedgerDown)) = rejection
                {
                    self.stop(End::With(Refusal::closed(state).status()));
                }
                let refusal = Refusal::rejected(&rejection);
                Waits::Turn(refusal.result(index, id.clone()))
            }
            Offered::NoRoom(_) => unreachable!("it is held instead"),
        };
        let bytes = match &state {
            Waits::Outcome { .. } => bytes,
            Waits::Turn(_) | Waits::Reason { .. } => 0,
        };
        self.bytes += bytes;
        self.entries.push_back(Entry {
            index,
            id,
            bytes,
            state,
        });
    }

    /// Gives up on an order that found no room in time.
    fn expire(&mut self) {
        if let Some(Held {
            index,
            id,
            order: Some(order),
            ..
        }) = self.held.take_if(|held| held.until <= Instant::now())
        {
            let rejection = self.door.admission.give_up(order);
            self.answer(index, Refusal::rejected(&rejection).result(index, id));
        }
    }

    fn answer(&mut self, index: u64, response: SubmitStreamResponse) {
        self.entries.push_back(Entry {
            index,
            id: String::new(),
            bytes: 0,
            state: Waits::Turn(response),
        });
    }

    /// The response to the first request that has none, if it is there.
    fn answered(&mut self) -> Option<SubmitStreamResponse> {
        let pipeline = self.door.admission.pipeline();
        let front = self.entries.front_mut()?;
        let index = front.index;
        let response = match &mut front.state {
            Waits::Turn(response) => std::mem::take(response),
            Waits::Reason { outcome, read } => {
                let read = read.get()?;
                outcome.reason = reading::reason_of(read);
                committed(index, &front.id, outcome.clone(), true)
            }
            Waits::Outcome { ticket, until } => match ticket.answer() {
                Some(Answer::Committed(outcome)) => {
                    committed(index, &front.id, outcome, ticket.is_duplicate())
                }
                Some(Answer::Withdrawn(why)) => {
                    let id = std::mem::take(&mut front.id);
                    Refusal::withdrawn(pipeline, &why).result(index, id)
                }
                None if Instant::now() < *until => return None,
                None if ticket.tell_queued() => queued(index, &front.id, ticket.is_duplicate()),
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

impl Held {
    /// Offers the order; `None` if there is no room.
    fn offer(&mut self, admission: &Admission, waker: &Waker) -> Option<Offered> {
        let waiting = (!self.wait.is_zero()).then_some(waker);
        match admission.offer(self.order.take()?, waiting) {
            Offered::NoRoom(order) => {
                self.order = Some(order);
                None
            }
            offered => Some(offered),
        }
    }
}

impl Entry {
    /// When to look again at the latest; `None`: it wakes us by itself.
    fn until(&self) -> Option<Instant> {
        match &self.state {
            Waits::Outcome { until, .. } => Some(*until),
            Waits::Turn(_) | Waits::Reason { .. } => None,
        }
    }

    fn is_ready(&self) -> bool {
        match &self.state {
            Waits::Turn(_) => true,
            Waits::Outcome { ticket, .. } => ticket.answer().is_some(),
            Waits::Reason { read, .. } => read.get().is_some(),
        }
    }
}

/// An id as it is repeated to its sender: not more of it than an id may be.
fn shown(order: Option<&OrderMessage>) -> String {
    match order {
        Some(order) if order.id.len() <= ID_LEN_MAX => order.id.clone(),
        _ => String::new(),
    }
}

fn committed(index: u64, id: &str, outcome: Outcome, duplicate: bool) -> SubmitStreamResponse {
    let result = match (duplicate, outcome.status) {
        (true, _) => SubmitResult::Duplicate,
        (false, ledger::Status::Processed) => SubmitResult::Processed,
        (false, ledger::Status::Failed) => SubmitResult::Failed,
    };
    SubmitStreamResponse {
        index,
        id: id.to_owned(),
        result: result.into(),
        outcome: if duplicate {
            status_of(outcome.status).into()
        } else {
            OrderStatus::Unspecified.into()
        },
        seq: outcome.seq,
        detail: outcome.reason.as_deref().unwrap_or_default().to_owned(),
        ..SubmitStreamResponse::default()
    }
}

fn queued(index: u64, id: &str, duplicate: bool) -> SubmitStreamResponse {
    let (result, outcome) = if duplicate {
        (SubmitResult::Duplicate, OrderStatus::Queued)
    } else {
        (SubmitResult::Queued, OrderStatus::Unspecified)
    };
    SubmitStreamResponse {
        index,
        id: id.to_owned(),
        result: result.into(),
        outcome: outcome.into(),
        ..SubmitStreamResponse::default()
    }
}
