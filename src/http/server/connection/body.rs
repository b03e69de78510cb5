//! The body of a request that is not a batch: waited for as a whole.

use std::time::Instant;

use crate::http::api::problem::{Problem, Report};
use crate::http::server::connection::input::INPUT_BYTES;
use crate::http::server::connection::{Connection, Next};
use crate::http::server::socket::Ended;
use crate::http::wire::reply::CONTINUE;
use crate::http::wire::{BodyDecoder, BodyFraming, Head};
use crate::metrics::{Reason, Route};
use crate::sync::memory_budget::{FREE_BYTES, MemoryPermit};

/// Where a body is.
pub(crate) enum BodyPlace {
    /// In the input buffer, behind the head.
    Input(usize),
    /// Decoded.
    Own(Vec<u8>),
}

impl BodyPlace {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Input(bytes) => *bytes,
            Self::Own(body) => body.len(),
        }
    }
}

impl Connection {
    /// Waits for the whole body; where it is, and the room that it holds: what
    /// it takes beside the buffer that every connection has, as it comes.
    pub(crate) fn body(
        &mut self,
        head: &Head,
        route: Route,
    ) -> Result<(BodyPlace, Option<MemoryPermit>), Next> {
        let max = self.service.limits.max_body;
        let announced = match head.body {
            BodyFraming::None => return Ok((BodyPlace::Input(0), None)),
            BodyFraming::Length(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
            BodyFraming::Chunked => max,
        };
        if announced > max {
            let detail = format!("the body is over the limit of {max} bytes (--max-body)");
            return Err(self.refuse_body(
                route,
                Reason::TooLarge,
                Problem::BodyTooLarge.report(&detail),
            ));
        }
        let have = self.input.len() - self.start - head.len;
        if head.body != BodyFraming::Chunked && have >= announced {
            return Ok((BodyPlace::Input(announced), None));
        }
        let mut room = self.service.bodies.empty_permit();
        if head.expect_continue && have == 0 {
            self.output.extend_from_slice(CONTINUE);
        }
        if !self.flush() {
            return Err(Next::Drop);
        }
        let until = Instant::now() + self.service.limits.body_timeout;
        let body = match head.body {
            BodyFraming::Chunked => self.chunked(head, route, until, &mut room)?,
            _ => {
                let mut have = have;
                while have < announced {
                    // As much again as has come: what is held was sent.
                    let step = (announced - have).min(have.max(INPUT_BYTES));
                    self.grow(route, &mut room, have + step)?;
                    self.fill_body(route, step, until)?;
                    have = self.input.len() - self.start - head.len;
                }
                BodyPlace::Input(announced)
            }
        };
        Ok((body, Some(room)))
    }

    /// Takes room for so much of a body.
    fn grow(&mut self, route: Route, room: &mut MemoryPermit, bytes: usize) -> Result<(), Next> {
        if room.grow_to(bytes.saturating_sub(FREE_BYTES)) {
            return Ok(());
        }
        let report = Problem::BodyMemory
            .report("all bodies being read are over their limit (--body-bytes)")
            .retry_after(1);
        Err(self.refuse_body(route, Reason::Full, report))
    }

    fn chunked(
        &mut self,
        head: &Head,
        route: Route,
        until: Instant,
        room: &mut MemoryPermit,
    ) -> Result<BodyPlace, Next> {
        let max = self.service.limits.max_body as u64;
        let mut body = Vec::new();
        // Infallible: only a stated length can be over the limit at once.
        let mut decoder = match BodyDecoder::new(BodyFraming::Chunked, max) {
            Ok(decoder) => decoder,
            Err(error) => return Err(self.refuse_body(route, Reason::TooLarge, error.into())),
        };
        loop {
            let from = self.start + head.len;
            match decoder.decode(&self.input[from..], &mut body) {
                Ok(decoded) => {
                    // The head stays where it is: it is read again later.
                    self.input.drain(from..from + decoded.consumed);
                    if decoded.done {
                        return Ok(BodyPlace::Own(body));
                    }
                    self.grow(route, room, body.capacity().min(max as usize))?;
                }
                Err(error) => {
                    let reason = if error.status() == 413 {
                        Reason::TooLarge
                    } else {
                        Reason::Invalid
                    };
                    return Err(self.refuse_body(route, reason, error.into()));
                }
            }
            self.fill_body(route, INPUT_BYTES, until)?;
        }
    }

    /// Reads more of a body.
    fn fill_body(&mut self, route: Route, room: usize, until: Instant) -> Result<(), Next> {
        match self.fill(room, until) {
            Ok(()) | Err(Ended::Woken) => Ok(()),
            Err(Ended::Timeout) => {
                let detail = "the body did not arrive within --body-timeout";
                let report = Problem::RequestTimeout.report(detail);
                Err(self.refuse_body(route, Reason::Timeout, report))
            }
            Err(Ended::Closed) => {
                let report = Problem::BodyCutShort.report("the connection ended within the body");
                Err(self.refuse_body(route, Reason::Invalid, report))
            }
            Err(Ended::Broken) => {
                self.reject(route, Reason::Invalid);
                Err(Next::Drop)
            }
        }
    }

    pub(crate) fn refuse_body(&mut self, route: Route, reason: Reason, report: Report<'_>) -> Next {
        self.reject(route, reason);
        self.last(route, report);
        Next::Close
    }

    /// Counts a submission that ended before admission saw it.
    pub(crate) fn reject(&self, route: Route, reason: Reason) {
        if route == Route::Submit {
            self.service.admission.reject(reason);
        }
    }
}
