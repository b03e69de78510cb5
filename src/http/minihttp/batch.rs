//! A batch on a connection of this engine.

use std::io::BufRead;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use may::coroutine;
use may_minihttp::Request as MiniRequest;

use crate::http::api::batch;
use crate::http::api::batch::{BODY_TIMEOUTS, Batch, Fed, READ_BYTES};
use crate::http::api::problem::Problem;
use crate::http::minihttp::connection::{Connection, too_many_waiting};
use crate::http::minihttp::request::header;
use crate::http::runtime::run_queue::TaskWaker;
use crate::http::runtime::timers::{TimerSlot, Timers};
use crate::http::wire::BodyFraming;
use crate::http::wire::reply::Reply;
use crate::metrics::Reason;
use crate::sync::wake_queue::WakeQueue;

/// When a body is given up.
struct EndOfBody {
    at: Instant,
    /// Ends the crate's read.
    task_waker: Arc<TaskWaker>,
    /// TimerSlot while the crate reads.
    seat: Option<TimerSlot>,
}

impl EndOfBody {
    /// Before the crate reads; `false` if there is no seat.
    fn arm(&mut self, timers: &Arc<Timers>) -> bool {
        if self.seat.is_none() {
            self.seat = timers.take(self.task_waker.clone());
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
    pub(crate) fn batch(
        &mut self,
        request: MiniRequest<'_, '_, '_>,
        length: Option<usize>,
    ) -> Reply {
        let task_waker = self.task_waker();
        let waker = Waker::from(task_waker.clone());
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
            if !end.arm(&self.timers) {
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
                if !self.wait_for_room(&mut batch, &task_waker, &mut end) {
                    return self.cut_off(Reason::Full, too_many_waiting());
                }
                match fed {
                    Fed::All => break,
                    Fed::Full(taken) => rest = &rest[taken..],
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
                self.run_queues.flush();
                coroutine::park();
            }
        }
        if batch.end(&self.service) == Fed::TooManyLines {
            return self.too_many_lines();
        }
        if !self.wait_for_room(&mut batch, &task_waker, &mut end) {
            return self.cut_off(Reason::Full, too_many_waiting());
        }
        drop(end);
        let Some(seat) = self.timers.take(task_waker) else {
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
        let mut task_waker = None;
        let now = Instant::now();
        self.with_socket(|socket| task_waker = self.run_queues.reading_waker(socket, now).ok());
        Some(EndOfBody {
            at: now + timeout,
            task_waker: task_waker?,
            seat: None,
        })
    }

    /// Waits until an order finds room, which is not the client's time. `false`
    /// if there is no seat to wait in.
    fn wait_for_room(
        &self,
        batch: &mut Batch,
        task_waker: &Arc<TaskWaker>,
        end: &mut EndOfBody,
    ) -> bool {
        let since = Instant::now();
        let Some(mut until) = batch.no_room(&self.service) else {
            return true;
        };
        // A connection has one seat.
        end.seat = None;
        let Some(seat) = self.timers.take(task_waker.clone()) else {
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
        if self.service.admission.is_closed() {
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
