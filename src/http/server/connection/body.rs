//! Receiving the body of a request that is not a batch: all of it, before its
//! route is called.

use std::time::Instant;

use crate::http::api::problem::{Problem, Report};
use crate::http::api::service::Service;
use crate::http::server::connection::capacity::BUFFER_BYTES;
use crate::http::server::connection::ending::Ending;
use crate::http::server::connection::read_buffer::ReadBuffer;
use crate::http::server::connection::write_buffer::WriteBuffer;
use crate::http::server::socket::{Socket, SocketError};
use crate::http::wire::{BodyDecoder, BodyFraming, Head};
use crate::metrics::{Reason, Route};
use crate::sync::memory_budget::{FREE_BYTES, MemoryPermit};

/// The whole body of a request.
pub(crate) struct RequestBody {
    content: Content,
    /// For what it takes beside the buffer that every connection has.
    _permit: Option<MemoryPermit>,
}

enum Content {
    /// So many bytes of the read buffer, behind the head.
    Buffered(usize),
    Decoded(Vec<u8>),
}

impl RequestBody {
    fn buffered(bytes: usize, permit: Option<MemoryPermit>) -> Self {
        Self {
            content: Content::Buffered(bytes),
            _permit: permit,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.content {
            Content::Buffered(bytes) => *bytes,
            Content::Decoded(body) => body.len(),
        }
    }

    /// How much of the read buffer is part of it.
    pub(crate) fn buffered_len(&self) -> usize {
        match &self.content {
            Content::Buffered(bytes) => *bytes,
            Content::Decoded(_) => 0,
        }
    }

    /// Its bytes; `behind_head` is what the read buffer has there.
    pub(crate) fn bytes<'a>(&'a self, behind_head: &'a [u8]) -> &'a [u8] {
        match &self.content {
            Content::Buffered(bytes) => &behind_head[..*bytes],
            Content::Decoded(body) => body,
        }
    }
}

/// Receives one body.
pub(crate) struct BodyReader<'a> {
    pub(crate) service: &'a Service,
    pub(crate) socket: &'a mut Socket,
    pub(crate) input: &'a mut ReadBuffer,
    pub(crate) output: &'a mut WriteBuffer,
    pub(crate) head: &'a Head,
    pub(crate) route: Route,
}

impl BodyReader<'_> {
    pub(crate) fn read(mut self) -> Result<RequestBody, Ending> {
        let (max, framing) = (self.service.limits.max_body, self.head.body);
        let announced = match framing {
            BodyFraming::None => return Ok(RequestBody::buffered(0, None)),
            BodyFraming::Length(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
            BodyFraming::Chunked => max,
        };
        if announced > max {
            let detail = format!("the body is over the limit of {max} bytes (--max-body)");
            let report = Problem::BodyTooLarge.report(&detail);
            return Err(self.refuse(Reason::TooLarge, report));
        }
        let received = self.received();
        if framing != BodyFraming::Chunked && received >= announced {
            return Ok(RequestBody::buffered(announced, None));
        }
        if self.head.expect_continue && received == 0 {
            self.output.push_continue();
        }
        self.output.flush(self.socket)?;
        let until = Instant::now() + self.service.limits.body_timeout;
        if framing == BodyFraming::Chunked {
            self.chunked(until)
        } else {
            self.of_length(announced, until)
        }
    }

    fn of_length(&mut self, length: usize, until: Instant) -> Result<RequestBody, Ending> {
        let mut permit = self.service.bodies.empty_permit();
        let mut received = self.received();
        while received < length {
            // As much again as has come: the client has sent what is held.
            let step = (length - received).min(received.max(BUFFER_BYTES));
            self.grow(&mut permit, received + step)?;
            self.fill(step, until)?;
            received = self.received();
        }
        Ok(RequestBody::buffered(length, Some(permit)))
    }

    fn chunked(&mut self, until: Instant) -> Result<RequestBody, Ending> {
        let max = self.service.limits.max_body;
        let mut permit = self.service.bodies.empty_permit();
        let mut body = Vec::new();
        // Infallible: only a stated length can be over the limit at once.
        let mut decoder = BodyDecoder::new(BodyFraming::Chunked, max as u64)
            .map_err(|error| self.refuse(Reason::TooLarge, error.into()))?;
        loop {
            let behind_head = &self.input.received()[self.head.len..];
            let decoded = decoder.decode(behind_head, &mut body).map_err(|error| {
                let reason = match error.status() {
                    413 => Reason::TooLarge,
                    _ => Reason::Invalid,
                };
                self.refuse(reason, error.into())
            })?;
            // The head remains: the route reads it.
            self.input.remove(self.head.len, decoded.consumed);
            if decoded.done {
                return Ok(RequestBody {
                    content: Content::Decoded(body),
                    _permit: Some(permit),
                });
            }
            self.grow(&mut permit, body.capacity().min(max))?;
            self.fill(BUFFER_BYTES, until)?;
        }
    }

    /// Bytes received behind the head.
    fn received(&self) -> usize {
        self.input.received().len() - self.head.len
    }

    /// Makes the permit one for so many bytes of a body.
    fn grow(&self, permit: &mut MemoryPermit, bytes: usize) -> Result<(), Ending> {
        if permit.grow_to(bytes.saturating_sub(FREE_BYTES)) {
            return Ok(());
        }
        let report = Problem::BodyMemory
            .report("all bodies being read are over their limit (--body-bytes)")
            .retry_after(1);
        Err(self.refuse(Reason::Full, report))
    }

    fn fill(&mut self, wanted: usize, until: Instant) -> Result<(), Ending> {
        let service = self.service;
        let filled = self
            .input
            .fill(self.socket, wanted, until, || !service.is_closing());
        match filled {
            // Closing, but this request still comes in.
            Ok(()) | Err(SocketError::Interrupted) => Ok(()),
            Err(SocketError::TimedOut) => {
                let detail = "the body did not arrive within --body-timeout";
                Err(self.refuse(Reason::Timeout, Problem::RequestTimeout.report(detail)))
            }
            Err(SocketError::Closed) => {
                let detail = "the connection ended within the body";
                Err(self.refuse(Reason::Invalid, Problem::BodyCutShort.report(detail)))
            }
            Err(SocketError::Broken) => {
                Err(Ending::reject_gone(service, self.route, Reason::Invalid))
            }
        }
    }

    fn refuse(&self, reason: Reason, report: Report<'_>) -> Ending {
        Ending::reject(self.service, self.route, reason, report.reply())
    }
}
