//! Receiving a batch: its body is fed to it as it arrives. While an order waits
//! for space in the queue nothing is read, which holds the client up.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use crate::access::Identity;
use crate::http::api::batch;
use crate::http::api::batch::{Batch, BatchCompletion, Consumed, READ_BYTES};
use crate::http::api::problem::{Problem, Report};
use crate::http::api::service::Service;
use crate::http::server::connection::batch_deadline::BatchDeadline;
use crate::http::server::connection::ending::Ending;
use crate::http::server::connection::read_buffer::ReadBuffer;
use crate::http::server::socket::{Socket, SocketError};
use crate::http::wire::reply::Reply;
use crate::http::wire::{
    BodyDecoder, BodyFraming, ContentCoding, ContentDecoder, Head, Undecodable,
};
use crate::metrics::{Reason, Route};
use crate::order::Submission;

/// What a step of decoding counts in the quantum beside its content. Thousands
/// of empty frames fit in what is received at a time: no content, but 6 ms.
const STEP_BYTES: usize = 256;

/// Begins the batch with this head, which `received` starts with.
pub(crate) fn begin(
    service: &Arc<Service>,
    socket: &Socket,
    head: &Head,
    received: &[u8],
    identity: Identity,
) -> Result<Batch, Ending> {
    let (framing, coding) = (head.body, head.content_coding);
    Batch::begin(
        service,
        framing,
        coding,
        head.prefer(received),
        Submission {
            client: identity.name,
            traceparent: head.traceparent(received),
        },
        socket.waker(),
        identity.quota,
    )
    .map_err(|refusal| Ending::reject(service, Route::Submit, refusal.reason, refusal.reply))
}

/// Receives the body of one batch.
pub(crate) struct BatchReader<'a> {
    service: &'a Service,
    socket: &'a mut Socket,
    batch: &'a mut Batch,
    deadline: BatchDeadline,
    /// Content so far, decoded.
    content_bytes: u64,
}

impl<'a> BatchReader<'a> {
    pub(crate) fn new(service: &'a Service, socket: &'a mut Socket, batch: &'a mut Batch) -> Self {
        let limits = &service.limits;
        Self {
            service,
            socket,
            batch,
            deadline: BatchDeadline::new(limits.body_timeout, limits.max_body),
            content_bytes: 0,
        }
    }

    /// Reads the body, which `input` begins with, and feeds it. What follows it
    /// remains in `input`.
    pub(crate) fn read(
        mut self,
        framing: BodyFraming,
        coding: ContentCoding,
        input: &mut ReadBuffer,
    ) -> Result<(), Ending> {
        let max = self.service.limits.max_batch_body;
        let mut decoder = BodyDecoder::new(framing, max).map_err(|_| self.too_large())?;
        let mut content_decoder = coding.decoder();
        loop {
            let run = decoder
                .run(input.received())
                .map_err(|error| match error.status() {
                    413 => self.too_large(),
                    _ => self.reject(Reason::Invalid, Report::from(error).reply()),
                })?;
            if !run.content.is_empty() {
                let received = &input.received()[run.content.clone()];
                match &mut content_decoder {
                    None => self.take(received)?,
                    Some(decoder) => self.decode(decoder, received)?,
                }
            }
            input.consume(run.content.end);
            if run.done {
                break;
            }
            if self.socket.quantum().is_spent() {
                self.socket.give_way();
            }
            if input.is_empty() {
                self.receive(input)?;
            }
        }
        if content_decoder.is_some_and(|decoder| !decoder.is_complete()) {
            return Err(self.reject(Reason::Invalid, batch::undecodable()));
        }
        let fed = self.guarded(|batch, service| batch.end(service))?;
        self.wait_for_space(&fed)
    }

    /// Decodes what has been received and takes it, with the thread's other
    /// connections running in between: a little may become much.
    fn decode(&mut self, decoder: &mut ContentDecoder, mut received: &[u8]) -> Result<(), Ending> {
        self.socket.quantum().count_bytes(received.len());
        while let Some(content) = decoder.next(&mut received) {
            let content = content
                .map_err(|Undecodable| self.reject(Reason::Invalid, batch::undecodable()))?;
            self.content_bytes += content.len() as u64;
            if self.content_bytes > self.service.limits.max_batch_body {
                return Err(self.too_large());
            }
            self.take(content)?;
            self.socket.quantum().count_bytes(STEP_BYTES);
            if self.socket.quantum().is_spent() {
                self.socket.give_way();
            }
        }
        Ok(())
    }

    /// Takes content, decoded.
    fn take(&mut self, content: &[u8]) -> Result<(), Ending> {
        self.deadline.received(content.len());
        self.socket.quantum().count_bytes(content.len());
        self.feed(content)
    }

    /// Feeds content, waiting for space in the queue as often as need be.
    fn feed(&mut self, mut content: &[u8]) -> Result<(), Ending> {
        loop {
            let fed = self.guarded(|batch, service| batch.feed(service, content))?;
            self.wait_for_space(&fed)?;
            match fed {
                Consumed::Blocked(taken) => content = &content[taken..],
                _ => return Ok(()),
            }
        }
    }

    /// Waits until the queue has taken the order that found it full, if one
    /// did.
    fn wait_for_space(&mut self, fed: &Consumed) -> Result<(), Ending> {
        match fed {
            Consumed::TooManyLines => {
                let reply = batch::too_many_lines(&self.service.limits);
                return Err(self.reject(Reason::TooLarge, reply));
            }
            Consumed::OutOfMemory => {
                return Err(self.reject(Reason::Full, batch::out_of_reply_memory()));
            }
            Consumed::All | Consumed::Blocked(_) => {}
        }
        let mut since = None;
        while let Some(until) = self.batch.retry_blocked(self.service) {
            since.get_or_insert_with(Instant::now);
            self.socket.park(Some(until));
        }
        if let Some(since) = since {
            self.deadline.extend(since.elapsed());
        }
        Ok(())
    }

    /// A step of the batch. A panic in it ends the connection.
    fn guarded(
        &mut self,
        step: impl FnOnce(&mut Batch, &Service) -> Consumed,
    ) -> Result<Consumed, Ending> {
        let stepped = catch_unwind(AssertUnwindSafe(|| step(self.batch, self.service)));
        stepped.map_err(|_| {
            let report = Problem::Internal.report("the batch could not be handled");
            Ending::refuse(Route::Submit, report)
        })
    }

    /// Receives more of the body into the empty buffer.
    fn receive(&mut self, input: &mut ReadBuffer) -> Result<(), Ending> {
        let (service, admission) = (self.service, &self.service.admission);
        let received = loop {
            if service.is_closing() {
                return Err(self.reject(Reason::Draining, batch::drained()));
            }
            if admission.is_closed() {
                self.deadline.begin_drain();
            }
            if self.deadline.forbids_read(Instant::now()) {
                break Err(SocketError::TimedOut);
            }
            let (next, is_draining) = (self.deadline.next(), self.deadline.is_draining());
            let keep_waiting = || !service.is_closing() && (is_draining || !admission.is_closed());
            match input.refill(self.socket, READ_BYTES, next, keep_waiting) {
                Err(SocketError::Interrupted) => {}
                received => break received,
            }
        };
        received.map_err(|error| self.ending(error))
    }

    /// How the connection ends when the rest of the body doesn't come.
    fn ending(&self, error: SocketError) -> Ending {
        match error {
            SocketError::TimedOut | SocketError::Interrupted => {
                if self.deadline.is_draining() {
                    self.reject(Reason::Draining, batch::drained())
                } else if self.deadline.is_over(Instant::now()) {
                    self.reject(Reason::Timeout, batch::took_too_long())
                } else {
                    let detail = "the batch arrived too slowly: at least --max-body bytes of it must \
                        come within each --body-timeout; what was accepted of it remains accepted";
                    let report = Problem::RequestTimeout.report(detail);
                    self.reject(Reason::Timeout, report.reply())
                }
            }
            SocketError::Closed => {
                let detail = "the connection ended within the batch; what was accepted of it remains accepted";
                let report = Problem::BodyCutShort.report(detail);
                self.reject(Reason::Invalid, report.reply())
            }
            SocketError::Broken => {
                Ending::reject_gone(self.service, Route::Submit, Reason::Invalid)
            }
        }
    }

    fn too_large(&self) -> Ending {
        self.reject(Reason::TooLarge, batch::too_large(&self.service.limits))
    }

    fn reject(&self, reason: Reason, reply: Reply) -> Ending {
        Ending::reject(self.service, Route::Submit, reason, reply)
    }
}

/// Waits for the outcomes of a batch that has been read.
pub(crate) fn wait_for_outcomes(
    batch: &mut BatchCompletion,
    socket: &mut Socket,
    service: &Service,
) -> Reply {
    loop {
        if let Some(reply) = batch.poll(service) {
            return reply;
        }
        socket.park(Some(batch.until()));
    }
}
