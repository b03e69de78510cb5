//! The state machine of a stream: reads requests while it may, and has the next
//! response as soon as it is there.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Waker;

use futures_util::{Stream, stream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tonic::{Status, Streaming};

use crate::access::Denied;
use crate::admission::{Admission, Admitted, Rejection};
use crate::grpc::front_end::{DrainPhase, FrontEnd, Signals};
use crate::grpc::proto::{SubmitStreamRequest, SubmitStreamResponse};
use crate::grpc::ready_queue::TaskWaker;
use crate::grpc::stream::entry::Entry;
use crate::grpc::stream::intake::{Intake, OfCall};
use crate::grpc::stream::response::failed;
use crate::grpc::stream::response_queue::ResponseQueue;
use crate::grpc::stream::waiting_order::{Offer, OrderRequest, WaitingOrder};
use crate::grpc::{error, status};
use crate::metrics::Reason;
use crate::pipeline::gate::GateState;

/// What a call answers with.
pub(crate) type Responses =
    Pin<Box<dyn Stream<Item = Result<SubmitStreamResponse, Status>> + Send>>;

struct Submissions {
    front_end: Arc<FrontEnd>,
    requests: Streaming<SubmitStreamRequest>,
    task_waker: Arc<TaskWaker>,
    signals: watch::Receiver<Signals>,
    /// Of the signals, before the token was checked.
    reloads: u64,
    intake: Intake,
    responses: ResponseQueue,
    /// The last order read, if the queue has not taken it yet.
    waiting: Option<WaitingOrder>,
    /// Set when nothing more is read: how to end after the last response.
    end: Option<Result<(), Status>>,
}

/// What has happened.
enum Event {
    Request(Result<Option<SubmitStreamRequest>, Status>),
    /// The order that was waiting has been admitted or rejected.
    Settled(Box<(OrderRequest, Result<Admitted, Rejection>)>),
    DrainBegan,
    /// The call's token is no longer good for it.
    Denied(Denied),
    /// The first response is there, or a deadline has passed.
    Check,
}

/// Serves a stream.
pub(crate) fn serve(
    front_end: Arc<FrontEnd>,
    requests: Streaming<SubmitStreamRequest>,
    call: OfCall,
) -> Responses {
    let task_waker = front_end.task_waker();
    let signals = front_end.signals();
    let reloads = signals.borrow().reloads;
    let submissions = Submissions {
        requests,
        signals,
        reloads,
        intake: Intake::new(front_end.clone(), task_waker.clone(), call),
        responses: ResponseQueue::default(),
        waiting: None,
        end: None,
        task_waker,
        front_end,
    };
    Box::pin(stream::unfold(Some(submissions), async |submissions| {
        let mut submissions = submissions?;
        match submissions.next().await? {
            Ok(response) => Some((Ok(response), Some(submissions))),
            Err(status) => Some((Err(status), None)),
        }
    }))
}

impl Submissions {
    /// The next response; `None` after the last.
    async fn next(&mut self) -> Option<Result<SubmitStreamResponse, Status>> {
        loop {
            if let Some(response) = self.responses.pop(&self.front_end.admission) {
                return Some(Ok(response));
            }
            if self.responses.is_empty()
                && self.waiting.is_none()
                && let Some(end) = self.end.take()
            {
                return end.err().map(Err);
            }
            match self.event().await {
                Event::Request(Ok(Some(request))) => self.take(request),
                Event::Request(Ok(None)) => self.stop(Ok(())),
                Event::Request(Err(status)) => self.stop(Err(self.undecodable(status))),
                Event::DrainBegan => {
                    let state = self.front_end.admission.state();
                    self.stop(Err(status::closed(state).status()));
                }
                Event::Denied(denied) => {
                    let waiting = self.waiting.take();
                    self.deny(denied, waiting);
                }
                Event::Settled(settled) => self.settle(settled.0, settled.1),
                Event::Check => self.expire(),
            }
        }
    }

    /// Waits until there is something to do.
    async fn event(&mut self) -> Event {
        let Self {
            front_end,
            requests,
            task_waker,
            signals,
            reloads,
            intake,
            responses,
            waiting,
            end,
        } = self;
        let (admission, waker) = (&front_end.admission, task_waker.waker());
        let serving = end.is_none();
        let drained = !serving && signals.borrow().drain == DrainPhase::Drained;
        let awaited_phase = if serving {
            DrainPhase::Draining
        } else {
            // A drain that ends at its deadline withdraws orders without waking
            // anyone.
            DrainPhase::Drained
        };
        let reads = serving && waiting.is_none() && responses.has_capacity();
        let deadlines = [
            responses.deadline(),
            waiting.as_ref().map(WaitingOrder::next_try),
        ];
        let deadline = deadlines.into_iter().flatten().min();
        tokio::select! {
            biased;
            event = task_waker.wait_for(|| {
                if responses.is_ready() {
                    return Some(Event::Check);
                }
                if (serving || waiting.is_some())
                    && let Err(denied) = intake.check_token()
                {
                    return Some(Event::Denied(denied));
                }
                offer(waiting, admission, &waker)
            }) => event,
            now = signals.wait_for(|now| {
                now.drain >= awaited_phase || now.reloads != *reloads
            }), if !drained => {
                let now = *now.expect("the front end has the sender");
                *reloads = now.reloads;
                let drains = serving && now.drain >= awaited_phase;
                if drains { Event::DrainBegan } else { Event::Check }
            }
            request = requests.message(), if reads => Event::Request(request),
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                Event::Check
            }
        }
    }

    fn take(&mut self, request: SubmitStreamRequest) {
        let checked = self.intake.check_token();
        match self.intake.decode(request) {
            Ok(order) if let Err(denied) = checked => self.deny(denied, Some(order)),
            Ok(order) => match order.offer(&self.front_end.admission, &self.task_waker.waker()) {
                Offer::Settled(request, result) => self.settle(request, result),
                Offer::Full(order) => self.waiting = Some(*order),
            },
            Err(answered) => self.responses.push(*answered),
        }
    }

    fn settle(&mut self, request: OrderRequest, result: Result<Admitted, Rejection>) {
        if let Err(Rejection::Closed(state @ (GateState::Draining | GateState::LedgerDown))) =
            result
        {
            self.stop(Err(status::closed(state).status()));
        }
        self.responses.push(self.intake.entry(request, result));
    }

    /// Ends the stream for its token, behind the responses to what was read: an
    /// order that was not admitted is rejected, and counted with the call.
    fn deny(&mut self, denied: Denied, order: Option<WaitingOrder>) {
        self.front_end.count_denied(denied.reason());
        self.front_end.admission.reject(Reason::Unauthorized);
        let error = status::denied(denied);
        // Also where the client has no more requests.
        if !matches!(self.end, Some(Err(_))) {
            self.end = Some(Err(error.status()));
        }
        if let Some(order) = order {
            let OrderRequest { index, id, .. } = order.into_request();
            let response = failed(index, id, error);
            self.responses.push(Entry::answered(response));
        }
    }

    /// Rejects an order that has waited until its deadline: for space in the
    /// queue, or for its client's rate.
    fn expire(&mut self) {
        let expired = |order: &mut WaitingOrder| order.deadline <= Instant::now();
        if let Some(order) = self.waiting.take_if(expired) {
            let order = match order.give_up_rate() {
                Ok((request, over)) => {
                    self.front_end.admission.reject(Reason::RateLimited);
                    let error = status::over_quota(&over);
                    let response = failed(request.index, request.id, error);
                    return self.responses.push(Entry::answered(response));
                }
                Err(order) => *order,
            };
            let (request, rejection) = order.give_up(&self.front_end.admission);
            self.settle(request, Err(rejection));
        }
    }

    /// The status that ends the stream, where a request can't be decoded.
    fn undecodable(&self, status: Status) -> Status {
        match error::of_library(&status) {
            Some(error) => {
                self.front_end.admission.reject(Reason::Invalid);
                error.status()
            }
            None => status,
        }
    }

    fn stop(&mut self, end: Result<(), Status>) {
        self.end.get_or_insert(end);
    }
}

/// Offers the order that waits for the queue, which may take it now.
fn offer(
    waiting: &mut Option<WaitingOrder>,
    admission: &Admission,
    waker: &Waker,
) -> Option<Event> {
    match waiting.take()?.offer_and_watch(admission, waker) {
        Offer::Settled(request, result) => Some(Event::Settled(Box::new((request, result)))),
        Offer::Full(order) => {
            *waiting = Some(*order);
            None
        }
    }
}
