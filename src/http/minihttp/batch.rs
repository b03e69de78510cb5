//! A batch on a connection of this engine.

use std::{io::BufRead, task::Waker};

use may::coroutine;
use may_minihttp::Request as MiniRequest;

use super::{
    super::{
        batch::{self, Batch, Fed, READ_BYTES},
        deadline::Taken,
        framing::BodyFraming,
        problem::Problem,
        reply::Reply,
    },
    connection::{Connection, too_many_waiting},
    request::header,
};
use crate::{metrics::Reason, pipeline::ticket::Flush};

impl Connection {
    /// The same for a batch, whose body has not been read to its end.
    fn cut_off(&mut self, reason: Reason, reply: Reply) -> Reply {
        self.service.admission.reject(reason);
        self.hear_no_more();
        reply
    }

    /// Reads a batch and waits for its outcomes. The crate has no timeouts: a
    /// client that trickles keeps its place.
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
        let Some(seat) = self.deadlines.take(sleeper) else {
            return self.cut_off(Reason::Full, too_many_waiting());
        };
        let (mut left, mut turn) = (length.unwrap_or(0), 0);
        while left > 0 {
            let piece = body.fill_buf().unwrap_or_default();
            if piece.is_empty() {
                let detail = "the connection ended within the batch; what was taken of it stands";
                let report = Problem::BodyCutShort.report(detail);
                return self.cut_off(Reason::Invalid, report.reply());
            }
            let bytes = piece.len();
            let mut rest = piece;
            loop {
                let fed = batch.feed(&self.service, rest);
                self.wait_for_room(&mut batch, &seat);
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
        self.wait_for_room(&mut batch, &seat);
        let mut finishing = batch.finish();
        loop {
            if let Some(reply) = finishing.poll(&self.service) {
                return reply;
            }
            seat.arm(finishing.until());
            coroutine::park();
        }
    }

    fn wait_for_room(&self, batch: &mut Batch, seat: &Taken) {
        while let Some(until) = batch.no_room(&self.service) {
            seat.arm(until);
            coroutine::park();
        }
    }

    fn too_many_lines(&mut self) -> Reply {
        let reply = batch::too_many_lines(&self.service);
        self.cut_off(Reason::TooLarge, reply)
    }
}
