//! One connection: requests in, replies out, in order.

mod batch;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    super::{
        Executing, Service,
        batch::is_batch,
        date::{DATE_LEN, write_date},
        framing::{BodyDecoder, BodyFraming, Head, HeadLimits, parse_head},
        problem::{Problem, Report},
        reply::{Body, CONTINUE, Framing, Reply},
        routes::{self, Handled, Port, Request},
    },
    socket::{Ended, Socket},
};
use crate::{
    bodies::{FREE_BYTES, Room},
    metrics::{Reason, Route},
    pipeline::gate::State,
};

/// What the input buffer starts with; enough for most requests.
const INPUT_BYTES: usize = FREE_BYTES;
/// Buffers that grew past this are given back between requests.
const KEPT_BYTES: usize = 32 << 10;
/// Replies are sent once so much has come together, whatever else is waiting.
const OUTPUT_BYTES: usize = 64 << 10;
/// What a connection takes before the others on its thread have their turn.
const TURN_REQUESTS: usize = 16;
const TURN_BYTES: usize = 64 << 10;
/// After the last reply: what is read and dropped, and for how long, so that
/// the reply isn't lost to a reset (RFC 9112 section 9.6).
const LINGER_BYTES: usize = 1 << 20;
const LINGER: Duration = Duration::from_secs(2);

/// What becomes of the connection.
enum Next {
    Request,
    /// The last reply has been written to the output.
    Close,
    /// There is nobody to reply to.
    Drop,
}

pub(super) struct Connection {
    socket: Socket,
    service: Arc<Service>,
    /// What has arrived; requests are taken from `start` on.
    input: Vec<u8>,
    start: usize,
    /// How far the end of a head was looked for.
    searched: usize,
    output: Vec<u8>,
    /// The peer didn't take what was written: nothing may follow.
    broken: bool,
    /// Set while a request runs and until its reply is out: the drain waits.
    executing: Option<Executing>,
    /// Requests and bytes taken since the thread's other connections had their
    /// turn.
    turn: Turn,
}

#[derive(Default)]
struct Turn {
    requests: usize,
    bytes: usize,
}

/// A body, and the room that it takes while it is being read.
enum BodyPlace {
    /// In the input buffer, behind the head.
    Input(usize),
    /// Decoded.
    Own(Vec<u8>),
}

impl BodyPlace {
    fn len(&self) -> usize {
        match self {
            Self::Input(bytes) => *bytes,
            Self::Own(body) => body.len(),
        }
    }
}

impl Connection {
    pub(super) fn new(socket: Socket, service: Arc<Service>) -> Self {
        Self {
            socket,
            service,
            input: Vec::new(),
            start: 0,
            searched: 0,
            output: Vec::new(),
            broken: false,
            executing: None,
            turn: Turn::default(),
        }
    }

    /// Serves requests until the connection ends.
    pub(super) fn serve(mut self) {
        let mut idle = self.service.limits.head_timeout;
        loop {
            match self.request(idle) {
                Next::Request => idle = self.service.limits.idle_timeout,
                Next::Close => return self.linger(),
                Next::Drop => return,
            }
        }
    }

    /// Refuses the connection itself: too many.
    pub(super) fn refuse(mut self) {
        let report = Problem::TooManyConnections
            .report("as many connections are open as --max-connections allows")
            .retry_after(1);
        self.last(Route::Other, report);
        self.linger();
    }

    fn request(&mut self, idle: Duration) -> Next {
        let head = match self.head(idle) {
            Ok(head) => head,
            Err(next) => return next,
        };
        let buffer = &self.input[self.start..];
        let route = routes::route(head.path(buffer));
        if is_batch(route, head.method, head.content_type(buffer)) {
            return self.batch(&head);
        }
        let (body, _room) = match self.body(&head, route) {
            Ok(body) => body,
            Err(next) => return next,
        };
        self.executing.get_or_insert_with(|| self.service.execute());
        let reply = self.handle(&head, &body);
        let keep_alive = head.keep_alive && reply.status != 500 && !self.is_ending();
        let framing = Framing {
            keep_alive,
            ..Framing::of(&head)
        };
        self.reply(route, &reply, framing);
        self.start += match body {
            BodyPlace::Input(bytes) => head.len + bytes,
            BodyPlace::Own(_) => head.len,
        };
        if self.broken {
            return Next::Drop;
        }
        self.turn.bytes += head.len + body.len();
        // A reply waits only for one whose request is here already.
        let more = keep_alive && self.start < self.input.len();
        if (!more || self.output.len() >= OUTPUT_BYTES) && !self.flush_all() {
            return Next::Drop;
        }
        self.replied(keep_alive)
    }

    /// What comes after a reply: a turn for others, perhaps.
    fn replied(&mut self, keep_alive: bool) -> Next {
        self.turn.requests += 1;
        if self.turn.requests >= TURN_REQUESTS || self.turn.bytes >= TURN_BYTES {
            self.turn = Turn::default();
            if !self.flush_all() {
                return Next::Drop;
            }
            self.socket.give_way();
        }
        if keep_alive {
            Next::Request
        } else {
            Next::Close
        }
    }

    /// Whether this connection should not go on to another request.
    fn is_ending(&self) -> bool {
        self.service.is_closing()
            || self.service.admission.pipeline().gate.state() == State::Draining
    }

    /// Waits for the next request's head.
    fn head(&mut self, idle: Duration) -> Result<Head, Next> {
        let (mut idle_until, mut head_until) = (None, None);
        loop {
            let waiting = &self.input[self.start..];
            match parse_head(waiting, &mut self.searched, &HeadLimits::default()) {
                Ok(Some(head)) => return Ok(head),
                Ok(None) => {}
                Err(error) => {
                    self.last(Route::Other, error.into());
                    return Err(Next::Close);
                }
            }
            let begun = !waiting.is_empty();
            if !self.flush_all() {
                return Err(Next::Drop);
            }
            if !begun && self.service.is_closing() {
                return Err(Next::Close);
            }
            let (until, timeout) = if begun {
                (&mut head_until, self.service.limits.head_timeout)
            } else {
                (&mut idle_until, idle)
            };
            let until = *until.get_or_insert_with(|| Instant::now() + timeout);
            match self.fill(INPUT_BYTES, until) {
                Ok(()) => {}
                Err(Ended::Timeout) if begun => {
                    let detail = "the head did not arrive within --head-timeout";
                    self.last(Route::Other, Problem::RequestTimeout.report(detail));
                    return Err(Next::Close);
                }
                Err(Ended::Woken) if begun => {} // closing: but this one still comes in
                Err(Ended::Timeout | Ended::Woken) => return Err(Next::Close),
                Err(Ended::Closed | Ended::Broken) => return Err(Next::Drop),
            }
        }
    }

    /// Waits for the whole body; where it is, and the room that it holds: what
    /// it takes beside the buffer that every connection has, as it comes.
    fn body(&mut self, head: &Head, route: Route) -> Result<(BodyPlace, Option<Room>), Next> {
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
        let mut room = self.service.bodies.room();
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
    fn grow(&mut self, route: Route, room: &mut Room, bytes: usize) -> Result<(), Next> {
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
        room: &mut Room,
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

    fn refuse_body(&mut self, route: Route, reason: Reason, report: Report<'_>) -> Next {
        self.reject(route, reason);
        self.last(route, report);
        Next::Close
    }

    /// Counts a submission that ended before admission saw it.
    fn reject(&self, route: Route, reason: Reason) {
        if route == Route::Submit {
            self.service.admission.reject(reason);
        }
    }

    /// Calls the route and waits for its reply.
    fn handle(&mut self, head: &Head, body: &BodyPlace) -> Reply {
        let mut wait = match self.call(head, body) {
            Ok(Handled::Reply(reply)) => return reply,
            Ok(Handled::Wait(wait)) => wait,
            Err(_) => {
                return Problem::Internal
                    .report("the request could not be handled")
                    .reply();
            }
        };
        // Replies to earlier requests don't wait for this one. If the peer
        // doesn't take them, the order goes on all the same.
        self.flush();
        loop {
            if let Some(reply) = wait.poll(&self.service) {
                return reply;
            }
            if self.socket.is_hung_up()
                && let Some(reply) = wait.give_up(&self.service)
            {
                return reply;
            }
            self.socket.park(wait.until());
            self.turn = Turn::default();
        }
    }

    /// Calls the route; an error is a panic in it.
    fn call(&self, head: &Head, body: &BodyPlace) -> thread::Result<Handled> {
        let buffer = &self.input[self.start..];
        let body = match body {
            BodyPlace::Input(bytes) => &buffer[head.len..head.len + bytes],
            BodyPlace::Own(body) => body,
        };
        let mut prefer = head.prefer(buffer);
        let mut accept = head.accept(buffer);
        let request = Request {
            method: head.method,
            path: head.path(buffer),
            query: head.query(buffer),
            content_type: head.content_type(buffer),
            prefer: [prefer.next(), prefer.next()],
            accept: [accept.next(), accept.next()],
            body: (head.body != BodyFraming::None).then_some(body),
        };
        let waker = self.socket.waker();
        catch_unwind(AssertUnwindSafe(|| {
            routes::handle(&self.service, Port::Orders, &request, waker)
        }))
    }

    fn reply(&mut self, route: Route, reply: &Reply, framing: Framing) {
        self.service.metrics().http.request(route, reply.status);
        let mut date = [0; DATE_LEN];
        write_date(&mut date);
        let page = match &reply.body {
            Body::Page(page) if !framing.head_only => page.as_slice(),
            _ => &[],
        };
        if page.len() < OUTPUT_BYTES {
            reply.encode(framing, &date, &mut self.output);
            return;
        }
        // Written from where it lies: it is counted there, and here it isn't.
        reply.encode_head(framing, &date, &mut self.output);
        self.turn.bytes += page.len();
        if self.flush() {
            let timeout = self.service.limits.write_timeout;
            self.broken = self.socket.write(page, timeout).is_err();
        }
    }

    /// The last reply of this connection.
    fn last(&mut self, route: Route, report: Report<'_>) {
        self.reply(route, &report.reply(), Framing::LAST);
    }

    /// Sends what is in the output buffer; `false` if the peer doesn't take it.
    fn flush(&mut self) -> bool {
        if self.output.is_empty() || self.broken {
            return !self.broken;
        }
        let timeout = self.service.limits.write_timeout;
        self.broken = self.socket.write(&self.output, timeout).is_err();
        self.output.clear();
        if self.output.capacity() > KEPT_BYTES {
            self.output = Vec::new();
        }
        !self.broken
    }

    /// The same with no request in execution: all replies are out then.
    fn flush_all(&mut self) -> bool {
        let written = self.flush();
        self.executing = None;
        written
    }

    /// Reads at least a byte into the input buffer, making room for `wanted`.
    fn fill(&mut self, wanted: usize, until: Instant) -> Result<(), Ended> {
        if self.start == self.input.len() {
            self.input.clear();
            self.start = 0;
            if self.input.capacity() > KEPT_BYTES {
                self.input = Vec::new();
            }
        } else if self.start > 0 && self.input.capacity() - self.input.len() < wanted {
            self.input.drain(..self.start);
            self.start = 0;
        }
        if self.input.capacity() - self.input.len() < wanted.min(INPUT_BYTES / 4) {
            self.input.reserve(wanted);
        }
        let service = &self.service;
        self.socket
            .read(&mut self.input, until, || !service.is_closing())
    }

    /// Sends what is left, then waits for the peer to close, within limits.
    fn linger(mut self) {
        if !self.flush_all() || self.socket.finish().is_err() {
            return;
        }
        let until = Instant::now() + LINGER;
        let mut dropped = 0;
        self.input = Vec::with_capacity(INPUT_BYTES);
        while dropped < LINGER_BYTES {
            self.input.clear();
            match self.socket.read(&mut self.input, until, || true) {
                Ok(()) => dropped += self.input.len(),
                Err(_) => return,
            }
        }
    }
}
