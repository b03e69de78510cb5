//! One connection: requests in, replies out, in order.
//!
//! [`ReadBuffer`] owns what was received and [`WriteBuffer`] what is to be
//! sent; [`receive_head`], [`BodyReader`] and [`BatchReader`] receive the parts
//! of a request. None of these writes a last reply: each reports an [`Ending`],
//! and [`Connection`] ends the connection in one place.

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
mod write_buffer;

pub(super) use self::capacity::KEPT_BYTES;

use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::ServerConfig;

use crate::access::Caller;
use crate::http::api::access_log::{Asked, Begun};
use crate::http::api::batch::BODY_TIMEOUTS;
use crate::http::api::problem::Problem;
use crate::http::api::router;
use crate::http::api::router::{
    Action, Handled, Port, Request, RequestHead, RouteRefusal, Routed, Target, Wait,
};
use crate::http::api::service::{Executing, Service};
use crate::http::api::site::Source;
use crate::http::server::connection::batch::BatchReader;
use crate::http::server::connection::body::{BodyReader, RequestBody};
use crate::http::server::connection::ending::{Ending, count_refused};
use crate::http::server::connection::handshake::handshake;
use crate::http::server::connection::head::{parse_head, receive_head};
use crate::http::server::connection::linger::{LINGER_TIME, LINGER_TIME_UNREAD, linger};
use crate::http::server::connection::read_buffer::ReadBuffer;
use crate::http::server::connection::write_buffer::{WriteBuffer, WriteFailed};
use crate::http::server::socket::Socket;
use crate::http::wire::reply::{Framing, Reply};
use crate::http::wire::{BodyFraming, Head, HeadLines, Method};
use crate::metrics::Route;
use crate::order::Submission;
use crate::peer::Origin;
use crate::pipeline::gate::GateState;
use crate::sync::memory_budget::FREE_BYTES;

/// How late the second refusal in a row for a quota is, and each after it.
const REPEATED_REFUSAL_DELAY: Duration = Duration::from_millis(10);

pub(crate) struct Connection {
    socket: Socket,
    service: Arc<Service>,
    input: ReadBuffer,
    output: WriteBuffer,
    /// Set while a request runs and until its reply is out: the drain waits.
    executing: Option<Executing>,
    /// Set until the first reply is out. Its client has connected before the
    /// drain, and its request may be on the way.
    first: Option<Executing>,
    /// The request being read is `HEAD`: no reply to it has a body.
    head_only: bool,
    /// What lets the page that sent the current request read its reply.
    allow_origin: Option<&'static str>,
    origin: Origin,
    caller: Caller,
    /// The last request that a quota counts was refused for it.
    was_over_quota: bool,
    /// The current request, if it will be logged.
    begun: Option<Begun>,
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
            origin: Origin::new(peer, &service.proxies),
            socket,
            input: ReadBuffer::default(),
            output: WriteBuffer::new(service.limits.write_timeout),
            executing: None,
            first: Some(first),
            head_only: false,
            allow_origin: None,
            caller: Caller::default(),
            was_over_quota: false,
            begun: None,
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
        proxy_header::receive(&mut self.socket, &mut self.origin, &self.service)?;
        if let Some(config) = tls {
            self.caller = handshake(&mut self.socket, config, &self.service)?;
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
        let _first = self.first.take();
        let report = Problem::TooManyConnections
            .report("as many connections are open as --max-connections allows")
            .retry_after(1);
        self.end(Ending::refuse(Route::Other, report), LINGER_TIME_UNREAD);
    }

    /// Serves one request.
    fn request(&mut self, idle: Duration) -> Result<(), Ending> {
        self.head_only = false;
        self.allow_origin = None;
        self.begun = None;
        let head = self.head(idle).inspect_err(|_| {
            // What can't be parsed, or hasn't come whole, may say so already.
            self.head_only = self.input.begins_with_head();
        })?;
        self.head_only = head.method == Method::Head;
        self.begun = self.service.access_log.begin(Some(head.method), || Asked {
            traceparent: head.traceparent(self.input.received()),
            client_address: self.client_address(&head),
        });
        let routed = self.route(&head);
        let route = routed.label;
        self.allow_origin = routed.allow_origin;
        if self.was_over_quota && routed.is_served() && self.caller.quota().is_some() {
            self.was_over_quota = false;
        }
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
            output: &mut self.output,
            head: &head,
            route,
        }
        .read()?;
        self.executing.get_or_insert_with(|| self.service.execute());
        let mut reply = self.handle(target, &head, &body);
        self.caller.replied();
        reply.allow_origin = self.allow_origin;
        let keep_alive = head.keep_alive && reply.status != 500 && !self.is_ending();
        let framing = Framing {
            keep_alive,
            ..Framing::of(&head)
        };
        self.reply(route, &reply, framing)?;
        self.input.consume(head.len + body.buffered_len());
        self.socket.quantum().count_bytes(head.len + body.len());
        // A reply waits only for one whose request is here already.
        let more = keep_alive && !self.input.is_empty();
        if !more || self.output.is_full() {
            self.flush_all()?;
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
        let over_quota = matches!(refusal, RouteRefusal::OverQuota(_));
        if !over_quota || !mem::replace(&mut self.was_over_quota, true) {
            return Ok(());
        }
        self.flush_all()?;
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

    /// Who asks, where that isn't who has connected.
    fn client_address(&self, head: &Head) -> Option<IpAddr> {
        let lines = HeadLines(&self.input.received()[..head.len]);
        self.origin.behind(&self.service.proxies, &lines)
    }

    /// Decides what a request is.
    fn route(&mut self, head: &Head) -> Routed {
        let received = self.input.received();
        let lines = HeadLines(&received[..head.len]);
        let path = head.path(received);
        let head = RequestHead {
            method: Some(head.method),
            path: &path,
            content_type: head.content_type(received),
            source: Source {
                host: head.host(received),
                origin: head.origin(received),
                is_cross_site: head.is_cross_site,
                navigates: head.navigates,
            },
            authorization: head.authorization(received),
            asks_for_method: head.asks_for_method,
            has_idempotency_key: head.idempotency_key(received).is_some(),
        };
        let Service {
            sites,
            access,
            proxies,
            ..
        } = &*self.service;
        let address = || self.origin.client(proxies, &lines);
        router::route(
            Port::Orders,
            sites,
            access,
            &mut self.caller,
            &head,
            address,
        )
    }

    /// Waits for the next request's head, with all replies sent unless it is
    /// here already.
    fn head(&mut self, idle: Duration) -> Result<Head, Ending> {
        if let Some(head) = parse_head(&mut self.input)? {
            return Ok(head);
        }
        self.flush_all()?;
        receive_head(&mut self.input, &mut self.socket, &self.service, idle)
    }

    /// Calls the route and waits for its reply.
    fn handle(&mut self, target: Target, head: &Head, body: &RequestBody) -> Reply {
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
        // doesn't take them, the order goes on all the same, and its own reply
        // fails.
        let _ = self.output.flush(&mut self.socket);
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
        }
    }

    /// Calls the route; an error is a panic in it.
    fn call(
        &self,
        target: Target,
        head: &Head,
        body: &RequestBody,
    ) -> thread::Result<Handled<Wait>> {
        let received = self.input.received();
        let body = body.bytes(&received[head.len..]);
        let (path, query) = (head.path(received), head.query(received));
        let request = Request {
            path: &path,
            query: &query,
            prefer: head.prefer(received),
            accept: head.accept(received),
            idempotency_key: head.idempotency_key(received),
            submission: Submission {
                client: self.caller.name(),
                traceparent: head.traceparent(received),
            },
            content_coding: head.content_coding,
            body: (head.body != BodyFraming::None).then_some(body),
        };
        let waker = self.socket.waker();
        catch_unwind(AssertUnwindSafe(|| {
            router::call(&self.service, target, &request, waker)
        }))
    }

    /// Serves a batch: reads it, waits for its outcomes and sends them.
    fn batch(&mut self, head: &Head) -> Result<(), Ending> {
        // From the head on, since what is admitted is in execution. The drain
        // ends it if the client doesn't.
        self.executing.get_or_insert_with(|| self.service.execute());
        let received = self.input.received();
        let identity = self.caller.identity();
        let mut batch = batch::begin(&self.service, &self.socket, head, received, identity)?;
        self.input.consume(head.len);
        if head.expect_continue && self.input.is_empty() {
            self.output.push_continue();
        }
        // Replies to earlier requests don't wait for this one.
        self.output.flush(&mut self.socket)?;
        BatchReader::new(&self.service, &mut self.socket, &mut batch).read(
            head.body,
            head.content_coding,
            &mut self.input,
        )?;
        let mut finishing = batch.finish();
        let mut reply = batch::wait_for_outcomes(&mut finishing, &mut self.socket, &self.service);
        self.caller.replied();
        reply.allow_origin = self.allow_origin;
        let keep_alive = head.keep_alive && !self.is_ending();
        let framing = Framing {
            keep_alive,
            ..Framing::of(head)
        };
        self.count_reply(Route::Submit, &reply);
        let limit = self.service.limits.write_timeout * BODY_TIMEOUTS;
        self.output.send(&mut self.socket, &reply, framing, limit)?;
        // The batch holds its permits until its reply is out.
        drop((reply, finishing));
        self.flush_all()?;
        self.replied(keep_alive, head)
    }

    /// Whether this connection should not go on to another request.
    fn is_ending(&self) -> bool {
        self.service.is_closing() || self.service.admission.state() == GateState::Draining
    }

    fn reply(&mut self, route: Route, reply: &Reply, framing: Framing) -> Result<(), WriteFailed> {
        let bytes = reply.body.owned_len();
        if bytes > FREE_BYTES {
            return self.large_reply(route, reply, bytes, framing);
        }
        self.count_reply(route, reply);
        self.output.reply(&mut self.socket, reply, framing)
    }

    /// Sends a reply that counts in the memory of all replies, or says that
    /// there is none. Outcomes of orders that were submitted are small.
    fn large_reply(
        &mut self,
        route: Route,
        reply: &Reply,
        bytes: usize,
        framing: Framing,
    ) -> Result<(), WriteFailed> {
        let permit = self.service.replies.try_acquire(bytes);
        let refusal = permit.is_none().then(|| {
            let detail = "all replies being sent are over their limit (--reply-bytes)";
            let mut refusal = Problem::ReplyMemory.report(detail).retry_after(1).reply();
            refusal.allow_origin = reply.allow_origin;
            refusal
        });
        let reply = refusal.as_ref().unwrap_or(reply);
        self.count_reply(route, reply);
        self.output.reply(&mut self.socket, reply, framing)
    }

    fn count_reply(&mut self, route: Route, reply: &Reply) {
        self.service.metrics().http.request(route, reply.status);
        let begun = self.begun.take();
        let (origin, name) = (Some(&self.origin), self.caller.name());
        self.service
            .access_log
            .end(begun, origin, route, name, reply);
    }

    /// Sends what has been gathered, with no request in execution: all replies
    /// are out then.
    fn flush_all(&mut self) -> Result<(), WriteFailed> {
        let flushed = self.output.flush(&mut self.socket);
        self.executing = None;
        flushed
    }

    /// After a reply the thread's other connections run, if this one's quantum
    /// is spent.
    fn replied(&mut self, keep_alive: bool, head: &Head) -> Result<(), Ending> {
        if self.executing.is_none() {
            self.first = None;
        }
        self.socket.quantum().count_request();
        if self.socket.quantum().is_spent() {
            self.flush_all()?;
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
        self.caller.replied();
        match ending {
            Ending::Drop => return,
            Ending::Refuse(route, mut reply) => {
                reply.allow_origin = self.allow_origin;
                let framing = Framing {
                    head_only: self.head_only,
                    ..Framing::LAST
                };
                if self.reply(route, &reply, framing).is_err() {
                    return;
                }
            }
            // It sends nothing more: no byte is left unread.
            Ending::Asked if self.input.is_empty() => {
                let _ = self.flush_all();
                self.socket.close_notify();
                return;
            }
            Ending::Asked | Ending::Close => {}
        }
        if self.flush_all().is_ok() {
            drop((self.input, self.output, self.first));
            linger(self.socket, linger_time);
        }
    }
}
