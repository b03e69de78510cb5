//! One connection: requests in, replies out, in order.

mod batch;
mod batch_deadline;
mod body;
mod input;
mod output;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::http::api::problem::Problem;
use crate::http::api::router;
use crate::http::api::router::{Action, Handled, Port, Request, Target, Wait};
use crate::http::api::service::{Executing, Service};
use crate::http::server::connection::body::BodyPlace;
use crate::http::server::connection::output::OUTPUT_BYTES;
use crate::http::server::socket::Socket;
use crate::http::wire::reply::{Framing, Reply};
use crate::http::wire::{BodyFraming, Head};
use crate::metrics::Route;
use crate::pipeline::gate::GateState;

/// What a connection takes before the others on its thread have their turn.
const TURN_REQUESTS: usize = 16;
const TURN_BYTES: usize = 64 << 10;

/// What becomes of the connection.
pub(crate) enum Next {
    Request,
    /// The last reply has been written to the output.
    Close,
    /// There is nobody to reply to.
    Drop,
}

pub(crate) struct Connection {
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

impl Connection {
    pub(crate) fn new(socket: Socket, service: Arc<Service>) -> Self {
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
    pub(crate) fn serve(mut self) {
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
    pub(crate) fn refuse(mut self) {
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
        let (path, content_type) = (head.path(buffer), head.content_type(buffer));
        let routed = router::route(Port::Orders, Some(head.method), path, content_type);
        let route = routed.label;
        let target = match routed.action {
            Action::Call(target) => target,
            Action::Batch => return self.batch(&head),
            Action::RefuseUnread(refusal) => Err(refusal),
        };
        let (body, _room) = match self.body(&head, route) {
            Ok(body) => body,
            Err(next) => return next,
        };
        self.executing.get_or_insert_with(|| self.service.execute());
        let reply = self.handle(target, &head, &body);
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
        self.service.is_closing() || self.service.admission.state() == GateState::Draining
    }

    /// Calls the route and waits for its reply.
    fn handle(&mut self, target: Target, head: &Head, body: &BodyPlace) -> Reply {
        let mut wait = match self.call(target, head, body) {
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
    fn call(&self, target: Target, head: &Head, body: &BodyPlace) -> thread::Result<Handled<Wait>> {
        let buffer = &self.input[self.start..];
        let body = match body {
            BodyPlace::Input(bytes) => &buffer[head.len..head.len + bytes],
            BodyPlace::Own(body) => body,
        };
        let mut prefer = head.prefer(buffer);
        let mut accept = head.accept(buffer);
        let request = Request {
            path: head.path(buffer),
            query: head.query(buffer),
            prefer: [prefer.next(), prefer.next()],
            accept: [accept.next(), accept.next()],
            body: (head.body != BodyFraming::None).then_some(body),
        };
        let waker = self.socket.waker();
        catch_unwind(AssertUnwindSafe(|| {
            router::call(&self.service, target, &request, waker)
        }))
    }
}
