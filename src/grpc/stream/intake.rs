//! What comes of a request: an order that is taken, held or refused.

use tokio::time::Instant;

use crate::admission::{Admitted, Offered, Rejection};
use crate::grpc::lookup;
use crate::grpc::proto::{Order as OrderMessage, SubmitStreamRequest, SubmitStreamResponse};
use crate::grpc::status::{Kind, Refusal};
use crate::grpc::stream::entry::{Entry, Held, Waits};
use crate::grpc::stream::response::committed;
use crate::grpc::stream::{End, Submissions};
use crate::grpc::submit::{decode, terms};
use crate::ledger;
use crate::metrics::Reason;
use crate::order::ID_LEN_MAX;
use crate::pipeline::gate::GateState;

impl Submissions {
    /// Takes one request.
    pub(super) fn take(&mut self, request: SubmitStreamRequest) {
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
                let waker = self.task_waker.waker();
                match first.offer(&self.door.admission, &waker) {
                    Some(offered) => self.settle(first, offered),
                    None => self.held = Some(first),
                }
            }
            Err(refusal) => self.answer(index, refusal.result(index, id)),
        }
    }

    /// Notes what came of an order that was offered.
    pub(super) fn settle(&mut self, held: Held, offered: Offered) {
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
                    let read = lookup::begin(&self.door, outcome.seq, &self.task_waker);
                    Waits::Reason { outcome, read }
                } else {
                    Waits::Turn(committed(index, &id, outcome, true))
                }
            }
            Offered::Rejected(rejection) => {
                if let Rejection::Closed(state @ (GateState::Draining | GateState::LedgerDown)) =
                    rejection
                {
                    self.stop(End::With(Refusal::closed(state).status()));
                }
                let refusal = Refusal::rejected(&rejection);
                Waits::Turn(refusal.result(index, id.clone()))
            }
            Offered::Full(_) => unreachable!("it is held instead"),
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
    pub(super) fn expire(&mut self) {
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
}

/// An id as it is repeated to its sender: not more of it than an id may be.
fn shown(order: Option<&OrderMessage>) -> String {
    match order {
        Some(order) if order.id.len() <= ID_LEN_MAX => order.id.clone(),
        _ => String::new(),
    }
}
