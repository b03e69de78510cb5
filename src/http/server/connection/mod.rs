//! One connection: requests in, replies out, in order.
//!
//! [`ReadBuffer`] owns what was received and [`Replies`] what is to be sent;
//! [`receive_head`], [`BodyReader`] and [`BatchReader`] receive the parts of a
//! request, [`Remote`] says what it is, and [`RouteCall`] has it answered. None
//! of these writes a last reply: each reports an [`Ending`], and [`Connection`]
//! ends the connection in one place.

mod batch;
mod batch_deadline;
mod body;
mod capacity;
mod ending;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod handshake;
mod head;
mod linger;
mod proxy_header;
mod read_buffer;
mod remote;
mod replies;
mod route_call;
mod write_buffer;

pub(super) use self::capacity::KEPT_BYTES;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ServerConfig;

use crate::http::api::access_log::Asked;
use crate::http::api::batch::BODY_TIMEOUTS;
use crate::http::api::problem::Problem;
use crate::http::api::router::{Action, RouteRefusal};
use crate::http::api::service::{Executing, Service};
use crate::http::server::connection::batch::BatchReader;
use crate::http::server::connection::body::BodyReader;
use crate::http::server::connection::ending::{Ending, count_refused};
use crate::http::server::connection::handshake::handshake;
use crate::http::server::connection::head::{parse_head, receive_head};
use crate::http::server::connection::linger::{LINGER_TIME, LINGER_TIME_UNREAD, linger};
use crate::http::server::connection::read_buffer::ReadBuffer;
use crate::http::server::connection::remote::Remote;
use crate::http::server::connection::replies::{Replies, ReplyContext};
use crate::http::server::connection::route_call::RouteCall;
use crate::http::server::connection::write_buffer::WriteFailed;
use crate::http::server::socket::Socket;
use crate::http::wire::reply::Framing;
use crate::http::wire::{BodyFraming, Head, Method};
use crate::metrics::Route;
use crate::pipeline::gate::GateState;

/// How late the second refusal in a row for a quota is, and each after it.
const REPEATED_REFUSAL_DELAY: Duration = Duration::from_millis(10);

pub(crate) struct Connection {
    service: Arc<Service>,
    socket: Socket,
    remote: Remote,
    input: ReadBuffer,
    replies: Replies,
}

impl Connection {
    /// A connection from this peer.
    pub(crate) fn new(
        socket: Socket,
        peer: SocketAddr,
        service: Arc<Service>,
        first: Executing,
    ) -> Self {
        Self {
            socket,
            remote: Remote::new(peer, &service),
            input: ReadBuffer::default(),
            replies: Replies::new(service.clone(), first),
            service,
        }
    }

    /// Serves requests until the connection ends; with a configuration, in TLS.
    pub(crate) fn serve(mut self, tls: Option<Arc<ServerConfig>>) {
        if let Err(ending) = self.open(tls) {
            return self.end(ending, LINGER_TIME_UNREAD);
        }
        let mut idle = self.service.limits.head_timeout;
        let ending = loop {
            match self.request(idle) {
                Ok(()) => idle = self.service.limits.idle_timeout,
                Err(ending) => break ending,
            }
        };
        self.end(ending, LINGER_TIME);
    }

    /// Takes in what comes before the first request: whose connection it is,
    /// and TLS, if there is a configuration.
    fn open(&mut self, tls: Option<Arc<ServerConfig>>) -> Result<(), Ending> {
        proxy_header::receive(&mut self.socket, &mut self.remote.origin, &self.service)?;
        if let Some(config) = tls {
            self.remote.caller = handshake(&mut self.socket, config, &self.service)?;
        }
        Ok(())
    }

    /// Refuses the connection itself: too many.
    pub(crate) fn refuse(mut self, tls: Option<Arc<ServerConfig>>) {
        if let Err(ending) = self.open(tls) {
            return self.end(ending, LINGER_TIME_UNREAD);
        }
        // To the end of the lingering close: the request stays unread, and a
        // reset could take the reply from the client.
        let _first = self.replies.take_first();
        let report = Problem::TooManyConnections
            .report("as many connections are open as --max-connections allows")
            .retry_after(1);
        self.end(Ending::refuse(Route::Other, report), LINGER_TIME_UNREAD);
    }

    /// Serves one request.
    fn request(&mut self, idle: Duration) -> Result<(), Ending> {
        self.replies.context = ReplyContext::default();
        let head = self.head(idle).inspect_err(|_| {
            // What can't be parsed, or hasn't come whole, may say so already.
            self.replies.context.head_only = self.input.begins_with_head();
        })?;
        let received = self.input.received();
        let begun = self.service.access_log.begin(Some(head.method), || Asked {
            traceparent: head.traceparent(received),
            client_address: self.remote.client_address(&self.service, &head, received),
        });
        let routed = self.remote.route(&self.service, &head, received);
        let route = routed.label;
        self.replies.context = ReplyContext {
            head_only: head.method == Method::Head,
            allow_origin: routed.allow_origin,
            begun,
        };
        let target = match routed.action {
            Action::Call(target) => target,
            Action::Batch => return self.batch(&head),
            Action::RefuseUnread(refusal) => {
                count_refused(&self.service, route, refusal);
                self.pace(refusal)?;
                if self.leaves_unread(refusal, &head) {
                    let path = head.path(self.input.received());
                    let path = std::str::from_utf8(&path).unwrap_or_default(); // ASCII
                    return Err(Ending::refuse(route, refusal.report(path)));
                }
                Err(refusal)
            }
        };
        let body = BodyReader {
            service: &self.service,
            socket: &mut self.socket,
            input: &mut self.input,
            output: &mut self.replies.buffer,
            head: &head,
            route,
        }
        .read()?;
        self.replies.execute();
        let reply = RouteCall {
            service: &self.service,
            socket: &mut self.socket,
            output: &mut self.replies.buffer,
            client: self.remote.caller.name(),
            head: &head,
            received: self.input.received(),
            body: &body,
        }
        .reply(target);
        self.remote.caller.replied();
        let keep_alive = head.keep_alive && reply.status != 500 && !self.is_ending();
        let framing = Framing {
            keep_alive,
            ..Framing::of(&head)
        };
        self.replies
            .push(&mut self.socket, &self.remote, route, reply, framing)?;
        self.input.consume(head.len + body.buffered_len());
        self.socket.quantum().count_bytes(head.len + body.len());
        // A reply waits only for one whose request is here already.
        let more = keep_alive && !self.input.is_empty();
        if !more || self.replies.buffer.is_full() {
            self.replies.flush(&mut self.socket)?;
        }
        self.replied(keep_alive, &head)
    }

    /// Delays a refusal that follows one for the same reason, a quota: to refuse
    /// as fast as a client asks would cost the others more than its orders.
    /// Other requests on the connection are not delayed, since they may be of
    /// others behind the same proxy. A client that has closed its side may
    /// still read, so that doesn't end the delay.
    #[cold]
    fn pace(&mut self, refusal: RouteRefusal) -> Result<(), WriteFailed> {
        if !self.remote.is_over_quota_again(refusal) {
            return Ok(());
        }
        self.replies.flush(&mut self.socket)?;
        let until = Instant::now() + REPEATED_REFUSAL_DELAY;
        while Instant::now() < until && !self.is_ending() {
            self.socket.park(Some(until));
        }
        Ok(())
    }

    /// Whether a refusal ends the connection, with the body unread.
    fn leaves_unread(&self, refusal: RouteRefusal, head: &Head) -> bool {
        match head.body {
            BodyFraming::None => false,
            BodyFraming::Length(bytes) if refusal.keeps_connection() => {
                let received = self.input.received().len() - head.len;
                let most = self.service.limits.max_body.min(received);
                bytes > most as u64
            }
            BodyFraming::Length(_) | BodyFraming::Chunked => true,
        }
    }

    /// Waits for the next request's head, with all replies sent unless it is
    /// here already.
    fn head(&mut self, idle: Duration) -> Result<Head, Ending> {
        if let Some(head) = parse_head(&mut self.input)? {
            return Ok(head);
        }
        self.replies.flush(&mut self.socket)?;
        receive_head(&mut self.input, &mut self.socket, &self.service, idle)
    }

    /// Serves a batch: reads it, waits for its outcomes and sends them.
    fn batch(&mut self, head: &Head) -> Result<(), Ending> {
        // From the head on, since what is admitted is in execution. The drain
        // ends it if the client doesn't.
        self.replies.execute();
        let received = self.input.received();
        let identity = self.remote.caller.identity();
        let mut batch = batch::begin(&self.service, &self.socket, head, received, identity)?;
        self.input.consume(head.len);
        if head.expect_continue && self.input.is_empty() {
            self.replies.buffer.push_continue();
        }
        // Replies to earlier requests don't wait for this one.
        self.replies.buffer.flush(&mut self.socket)?;
        BatchReader::new(&self.service, &mut self.socket, &mut batch).read(
            head.body,
            head.content_coding,
            &mut self.input,
        )?;
        let mut finishing = batch.finish();
        let reply = batch::wait_for_outcomes(&mut finishing, &mut self.socket, &self.service);
        self.remote.caller.replied();
        let keep_alive = head.keep_alive && !self.is_ending();
        let framing = Framing {
            keep_alive,
            ..Framing::of(head)
        };
        let limit = self.service.limits.write_timeout * BODY_TIMEOUTS;
        self.replies
            .send_batch(&mut self.socket, &self.remote, reply, framing, limit)?;
        // The batch holds its permits until its reply is out.
        drop(finishing);
        self.replies.flush(&mut self.socket)?;
        self.replied(keep_alive, head)
    }

    /// Whether this connection should not go on to another request.
    fn is_ending(&self) -> bool {
        self.service.is_closing() || self.service.admission.state() == GateState::Draining
    }

    /// After a reply the thread's other connections run, if this one's quantum
    /// is spent.
    fn replied(&mut self, keep_alive: bool, head: &Head) -> Result<(), Ending> {
        self.replies.replied();
        self.socket.quantum().count_request();
        if self.socket.quantum().is_spent() {
            self.replies.flush(&mut self.socket)?;
            self.socket.give_way();
        }
        match (keep_alive, head.keep_alive) {
            (true, _) => Ok(()),
            (false, true) => Err(Ending::Close),
            (false, false) => Err(Ending::Asked),
        }
    }

    /// Sends what is left, and closes so that the client can read it, within
    /// this time.
    fn end(mut self, ending: Ending, linger_time: Duration) {
        self.remote.caller.replied();
        match ending {
            Ending::Drop => return,
            Ending::Refuse(route, reply) => {
                let framing = Framing {
                    head_only: self.replies.context.head_only,
                    ..Framing::LAST
                };
                let (socket, remote) = (&mut self.socket, &self.remote);
                if (self.replies.push(socket, remote, route, *reply, framing)).is_err() {
                    return;
                }
            }
            // It sends nothing more: no byte is left unread.
            Ending::Asked if self.input.is_empty() => {
                let _ = self.replies.flush(&mut self.socket);
                self.socket.close_notify();
                return;
            }
            Ending::Asked | Ending::Close => {}
        }
        if self.replies.flush(&mut self.socket).is_ok() {
            drop((self.input, self.replies));
            linger(self.socket, linger_time);
        }
    }
}
