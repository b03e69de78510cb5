//! A batch on a connection: its body is handed on as it arrives, and the
//! thread's other connections have a turn after each [`READ_BYTES`]. While an
//! order finds no room nothing is read, which holds the client up.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::http::api::batch;
use crate::http::api::batch::{BODY_TIMEOUTS, Batch, BatchCompletion, Consumed, READ_BYTES};
use crate::http::api::problem::Problem;
use crate::http::api::service::Service;
use crate::http::server::connection::batch_deadline::BatchDeadline;
use crate::http::server::connection::output::OUTPUT_BYTES;
use crate::http::server::connection::{Connection, Next, Turn};
use crate::http::server::socket::Ended;
use crate::http::wire::date::{DATE_LEN, write_date};
use crate::http::wire::reply::{CONTINUE, Framing, Reply};
use crate::http::wire::{BodyDecoder, BodyFraming, Head};
use crate::metrics::{Reason, Route};

/// A large reply is written in pieces of this size: each has the write timeout
/// for itself, within [`BODY_TIMEOUTS`] of them for all, and the thread's other
/// connections a turn after it.
const WRITE_BYTES: usize = 256 << 10;

impl Connection {
    /// Reads a batch, waits for its outcomes and sends them.
    pub(crate) fn batch(&mut self, head: &Head) -> Next {
        // From the head on, since what is admitted is in execution. The drain
        // ends it if the client doesn't.
        self.executing.get_or_insert_with(|| self.service.execute());
        let framing = Framing::of(head);
        let begun = {
            let mut prefer = head.prefer(&self.input[self.start..]);
            let prefer = [prefer.next(), prefer.next()];
            Batch::begin(&self.service, head.body, prefer, self.socket.waker())
        };
        let mut batch = match begun {
            Ok(batch) => batch,
            Err(refusal) => return self.refuse_batch(refusal.reason, &refusal.reply),
        };
        self.start += head.len;
        if head.expect_continue && self.start == self.input.len() {
            self.output.extend_from_slice(CONTINUE);
        }
        // Replies to earlier requests don't wait for this one.
        if !self.flush() {
            return Next::Drop;
        }
        let mut input = mem::take(&mut self.input);
        let read = self.batch_body(head.body, &mut batch, &mut input);
        self.input = input;
        if let Err(next) = read {
            return next;
        }
        let mut finishing = batch.finish();
        let reply = self.outcomes(&mut finishing);
        let keep_alive = framing.keep_alive && !self.is_ending();
        let framing = Framing {
            keep_alive,
            ..framing
        };
        // The batch keeps its place until its reply is out.
        if !self.write_large(&reply, framing) {
            return Next::Drop;
        }
        self.replied(keep_alive)
    }

    /// Reads the body and feeds it; what follows it stays in `input`, from
    /// `self.start` on.
    fn batch_body(
        &mut self,
        framing: BodyFraming,
        batch: &mut Batch,
        input: &mut Vec<u8>,
    ) -> Result<(), Next> {
        let max = self.service.limits.max_batch_body;
        let Ok(mut decoder) = BodyDecoder::new(framing, max) else {
            return Err(
                self.refuse_batch(Reason::TooLarge, &batch::too_large(&self.service.limits))
            );
        };
        let mut patience = BatchDeadline::new(&self.service.limits);
        loop {
            let run = match decoder.run(&input[self.start..]) {
                Ok(run) => run,
                Err(error) if error.status() == 413 => {
                    let reply = batch::too_large(&self.service.limits);
                    return Err(self.refuse_batch(Reason::TooLarge, &reply));
                }
                Err(error) => {
                    return Err(self.refuse_body(Route::Submit, Reason::Invalid, error.into()));
                }
            };
            let content = &input[self.start..][run.content.clone()];
            self.start += run.content.end;
            if !content.is_empty() {
                patience.came(content.len());
                self.turn.bytes += content.len();
                self.feed(batch, content, &mut patience)?;
            }
            if run.done {
                break;
            }
            if self.turn.bytes >= READ_BYTES {
                self.turn = Turn::default();
                self.socket.give_way();
            }
            if self.start == input.len() {
                self.read_batch(input, &mut patience)?;
            }
        }
        let fed = self.step(|service| batch.end(service))?;
        self.fed(batch, &fed, &mut patience)
    }

    /// Feeds content, waiting for room as often as need be.
    fn feed(
        &mut self,
        batch: &mut Batch,
        mut content: &[u8],
        patience: &mut BatchDeadline,
    ) -> Result<(), Next> {
        loop {
            let fed = self.step(|service| batch.feed(service, content))?;
            self.fed(batch, &fed, patience)?;
            match fed {
                Consumed::Blocked(taken) => content = &content[taken..],
                _ => return Ok(()),
            }
        }
    }

    /// Waits for room, if that is what it takes.
    fn fed(
        &mut self,
        batch: &mut Batch,
        fed: &Consumed,
        patience: &mut BatchDeadline,
    ) -> Result<(), Next> {
        if *fed == Consumed::TooManyLines {
            let reply = batch::too_many_lines(&self.service.limits);
            return Err(self.refuse_batch(Reason::TooLarge, &reply));
        }
        let mut since = None;
        while let Some(until) = batch.retry_blocked(&self.service) {
            since.get_or_insert_with(Instant::now);
            self.socket.park(Some(until));
            self.turn = Turn::default();
        }
        if let Some(since) = since {
            patience.pause(since.elapsed());
        }
        Ok(())
    }

    /// A step of the batch; a panic in it ends the connection.
    fn step(&mut self, step: impl FnOnce(&Service) -> Consumed) -> Result<Consumed, Next> {
        catch_unwind(AssertUnwindSafe(|| step(&self.service))).map_err(|_| {
            self.last(
                Route::Submit,
                Problem::Internal.report("the batch could not be handled"),
            );
            Next::Close
        })
    }

    /// Reads more of the body into the empty buffer.
    fn read_batch(
        &mut self,
        input: &mut Vec<u8>,
        patience: &mut BatchDeadline,
    ) -> Result<(), Next> {
        input.clear();
        self.start = 0;
        input.reserve(READ_BYTES);
        let service = &self.service;
        let admission = &service.admission;
        let read = loop {
            if service.is_closing() {
                return Err(self.drained());
            }
            if admission.is_closed() {
                patience.hurry();
            }
            // A client may always have more here: it is out of time all the same.
            let (hurried, now) = (patience.hurried, Instant::now());
            if now >= patience.end || hurried && now >= patience.until {
                break Err(Ended::Timeout);
            }
            let look = || !service.is_closing() && (hurried || !admission.is_closed());
            match self.socket.read(input, patience.until, look) {
                Err(Ended::Woken) => {}
                read => break read,
            }
        };
        match read {
            Ok(()) => Ok(()),
            Err(Ended::Timeout) if patience.hurried => Err(self.drained()),
            Err(Ended::Timeout | Ended::Woken) if Instant::now() >= patience.end => {
                Err(self.refuse_batch(Reason::Timeout, &batch::took_too_long()))
            }
            Err(Ended::Timeout | Ended::Woken) => {
                let detail = "the batch came too slowly: --max-body bytes of it within each \
                    --body-timeout are the least; what was taken of it is not undone";
                let report = Problem::RequestTimeout.report(detail);
                Err(self.refuse_body(Route::Submit, Reason::Timeout, report))
            }
            Err(Ended::Closed) => {
                let detail =
                    "the connection ended within the batch; what was taken of it is not undone";
                let report = Problem::BodyCutShort.report(detail);
                Err(self.refuse_body(Route::Submit, Reason::Invalid, report))
            }
            Err(Ended::Broken) => {
                self.reject(Route::Submit, Reason::Invalid);
                Err(Next::Drop)
            }
        }
    }

    /// The process is about to end, and the body has not.
    fn drained(&mut self) -> Next {
        self.refuse_batch(Reason::Draining, &batch::drained())
    }

    /// The last reply, to a batch that is not read (to its end).
    fn refuse_batch(&mut self, reason: Reason, reply: &Reply) -> Next {
        self.reject(Route::Submit, reason);
        self.reply(Route::Submit, reply, Framing::LAST);
        Next::Close
    }

    fn outcomes(&mut self, batch: &mut BatchCompletion) -> Reply {
        loop {
            if let Some(reply) = batch.poll(&self.service) {
                return reply;
            }
            self.socket.park(Some(batch.until()));
            self.turn = Turn::default();
        }
    }

    /// Sends a reply from where it lies; `false` if the peer doesn't take it.
    fn write_large(&mut self, reply: &Reply, framing: Framing) -> bool {
        let body = reply.body.as_slice();
        if body.len() <= OUTPUT_BYTES {
            self.reply(Route::Submit, reply, framing);
            return self.flush_all();
        }
        self.service
            .metrics()
            .http
            .request(Route::Submit, reply.status);
        let mut date = [0; DATE_LEN];
        write_date(&mut date);
        reply.encode_head(framing, &date, &mut self.output);
        if !self.flush() {
            return false;
        }
        let timeout = self.service.limits.write_timeout;
        let end = Instant::now() + timeout * BODY_TIMEOUTS;
        for piece in body.chunks(WRITE_BYTES) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.socket.write(piece, timeout.min(left)).is_err() {
                self.broken = true;
                return false;
            }
            self.socket.give_way();
        }
        self.flush_all()
    }
}
