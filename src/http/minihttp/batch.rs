//! A batch on a connection of this engine.

use std::{io::BufRead, sync::Arc, task::Waker, time::Instant};

use may::coroutine;
use may_minihttp::Request as MiniRequest;

use super::{
    super::{
        batch::{self, BODY_TIMEOUTS, Batch, Fed, READ_BYTES},
        deadline::{Deadlines, Taken},
        dispatch::Sleeper,
        framing::BodyFraming,
        problem::Problem,
        reply::Reply,
    },
    connection::{Connection, too_many_waiting},
    request::header,
};
use crate::{metrics::Reason, pipeline::ticket::Flush};

/// When a body is given up.
struct EndOfBody {
    at: Instant,
    /// Ends the crate's read.
    sleeper: Arc<Sleeper>,
    /// Taken while the crate reads.
    seat: Option<Taken>,
}

impl EndOfBody {
    /// Before the crate reads; `false` if there is no seat.
    fn arm(&mut self, deadlines: &Arc<Deadlines>) -> bool {
        if self.seat.is_none() {
            self.seat = deadlines.take(self.sleeper.clone());
            if let Some(seat) = &self.seat {
                seat.arm(self.at);
            }
        }
        self.seat.is_some()
    }
}

impl Connection {
    /// Refuses a batch, counted, whose body has not been read to its end: what
    /// comes of it is no request, so nothing more is heard on the connection.
    fn cut_off(&mut self, reason: Reason, reply: Reply) -> Reply {
        self.service.admission.reject(reason);
        self.hear_no_more();
        reply
    }

    /// Reads a batch and waits for its outcomes. While the crate reads, only
    /// the socket can wake us.
    pub(super) fn batch(
        &mut self,
        request: MiniRequest<'_, '_, '_>,
        length: Option<usize>,
    ) -> Reply {
        let sleeper = self.sleeper();
        let waker = Waker::from(sleeper.clone());
        let framing = match length {
            Some(length) => BodyFraming::Length(length as u64),
            None => BodyFraming::None,
        };
        let begun = {
            let mut prefer = header(&request, "prefer");
            let prefer = [prefer.next(), prefer.next()];
            Batch::begin(&self.service, framing, prefer, &waker)
        };
        // Dropping it reads what has come of it, which would else be the next
        // request.
        let mut body = request.body();
        let mut batch = match begun {
            Ok(batch) => batch,
            Err(refusal) => return self.cut_off(refusal.reason, refusal.reply),
        };
        let Some(mut end) = self.end_of_body() else {
            return self.cut_off(Reason::Full, too_many_waiting());
        };
        let (mut left, mut turn) = (length.unwrap_or(0), 0);
        while left > 0 {
            if !end.arm(&self.deadlines) {
                return self.cut_off(Reason::Full, too_many_waiting());
            }
            let piece = body.fill_buf().unwrap_or_default();
            if piece.is_empty() {
                return self.broken_off(&end);
            }
            let bytes = piece.len();
            let mut rest = piece;
            loop {
                let fed = batch.feed(&self.service, rest);
                if !self.wait_for_room(&mut batch, &sleeper, &mut end) {
                    return self.cut_off(Reason::Full, too_many_waiting());
                }
                match fed {
                    Fed::All => break,
                    Fed::NoRoom(taken) => rest = &rest[taken..],
                    Fed::TooManyLines => return self.too_many_lines(),
                }
            }
            body.consume(bytes);
            left -= bytes;
            turn += bytes;
            if turn >= READ_BYTES {
                turn = 0;
                // The thread's other connections have their turn.
                waker.wake_by_ref();
                self.dispatch.flush();
                coroutine::park();
            }
        }
        if batch.end(&self.service) == Fed::TooManyLines {
            return self.too_many_lines();
        }
        if !self.wait_for_room(&mut batch, &sleeper, &mut end) {
            return self.cut_off(Reason::Full, too_many_waiting());
        }
        drop(end);
        let Some(seat) = self.deadlines.take(sleeper) else {
            return self.cut_off(Reason::Full, too_many_waiting());
        };
        let mut finishing = batch.finish();
        loop {
            if let Some(reply) = finishing.poll(&self.service) {
                return reply;
            }
            seat.arm(finishing.until());
            coroutine::park();
        }
    }

    /// When the body has to be here; `None` if there is no descriptor left.
    fn end_of_body(&self) -> Option<EndOfBody> {
        let timeout = self.service.limits.body_timeout * BODY_TIMEOUTS;
        let mut sleeper = None;
        let now = Instant::now();
        self.with_socket(|socket| sleeper = self.dispatch.reading_sleeper(socket, now).ok());
        Some(EndOfBody {
            at: now + timeout,
            sleeper: sleeper?,
            seat: None,
        })
    }

    /// Waits until an order finds room, which is not the client's time. `false`
    /// if there is no seat to wait in.
    fn wait_for_room(
        &self,
        batch: &mut Batch,
        sleeper: &Arc<Sleeper>,
        end: &mut EndOfBody,
    ) -> bool {
        let since = Instant::now();
        let Some(mut until) = batch.no_room(&self.service) else {
            return true;
        };
        // A connection has one seat.
        end.seat = None;
        let Some(seat) = self.deadlines.take(sleeper.clone()) else {
            return false;
        };
        loop {
            seat.arm(until);
            coroutine::park();
            match batch.no_room(&self.service) {
                Some(later) => until = later,
                None => break,
            }
        }
        end.at += since.elapsed();
        true
    }

    /// The body ended before its time: the client's doing, or ours.
    fn broken_off(&mut self, end: &EndOfBody) -> Reply {
        if self.service.admission.pipeline().gate.is_closed() {
            return self.cut_off(Reason::Draining, batch::drained());
        }
        if Instant::now() >= end.at {
            return self.cut_off(Reason::Timeout, batch::took_too_long());
        }
        let detail = "the connection ended within the batch; what was taken of it stands";
        let report = Problem::BodyCutShort.report(detail);
        self.cut_off(Reason::Invalid, report.reply())
    }

    fn too_many_lines(&mut self) -> Reply {
        let reply = batch::too_many_lines(&self.service);
        self.cut_off(Reason::TooLarge, reply)
    }
}
