//! One connection of the engine: a request in, a reply out.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;

use may::coroutine;
use may_minihttp::{HttpService, Request as MiniRequest, Response};

use crate::access::Caller;
use crate::http::api::access_log::Asked;
use crate::http::api::problem::Problem;
use crate::http::api::router;
use crate::http::api::router::{
    Action, Handled, Port, Request, RequestHead, RouteRefusal, Routed, Target, Wait,
};
use crate::http::api::service::Service;
use crate::http::minihttp::deadline::ConnectionDeadline;
use crate::http::minihttp::request::{
    Lines, Untrusted, body_length, discard_body, header, joined_lines, read_body, source,
    traceparent,
};
use crate::http::minihttp::response::write;
use crate::http::minihttp::socket::Socket;
use crate::http::runtime::run_queue::{RunQueues, TaskWaker};
use crate::http::runtime::timers::Timers;
use crate::http::wire::reply::{Body, Reply};
use crate::http::wire::{ContentCoding, FieldLines, Method, normalized_text};
use crate::metrics::{Reason, Route};
use crate::order::Submission;
use crate::peer::Origin;

/// Requests between two checks of whether the client receives its replies,
/// which the crate would else collect without a bound.
const CHECK_EVERY: u32 = 64;

/// What the connections of one port share.
pub(super) struct PortShared {
    pub(super) port: Port,
    pub(super) service: Arc<Service>,
    pub(super) run_queues: Arc<RunQueues>,
    pub(super) timers: Arc<Timers>,
    /// Connections open now.
    pub(super) open: AtomicUsize,
    /// The header line that names the ledger, once it was asked for.
    pub(super) ledger_line: OnceLock<&'static str>,
}

/// One connection of the engine.
pub(super) struct Connection {
    shared: Arc<PortShared>,
    socket: Socket,
    /// `None` for one that is ended at once.
    deadline: Option<Arc<ConnectionDeadline>>,
    /// Made on the first request, on the connection's own coroutine.
    task_waker: Option<Arc<TaskWaker>>,
    /// Requests since the client was last seen to receive its replies.
    unchecked: u32,
    /// Nothing that comes on this connection is executed any more.
    ended: bool,
    /// `None` where it doesn't matter.
    origin: Option<Origin>,
    caller: Caller,
}

impl Connection {
    /// One more connection among the open ones; ended at once if it is not
    /// `wanted`.
    pub(super) fn new(shared: &Arc<PortShared>, descriptor: RawFd, wanted: bool) -> Self {
        shared.service.metrics().http.connections.inc();
        let socket = Socket::of(descriptor);
        socket.set_nodelay();
        let deadline = wanted.then(|| {
            let timeout = shared.service.limits.head_timeout;
            ConnectionDeadline::start(socket, timeout, &shared.timers, &shared.run_queues)
        });
        let deadline = deadline.flatten();
        if deadline.is_none() {
            socket.shut_down();
        }
        Self {
            shared: shared.clone(),
            socket,
            task_waker: None,
            unchecked: 0,
            ended: deadline.is_none(),
            origin: origin(&shared.service, socket),
            caller: Caller::default(),
            deadline,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Before the connection is not counted any more, so that the next one
        // finds a timer slot.
        if let Some(deadline) = self.deadline.take() {
            deadline.release();
        }
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
        self.shared.service.metrics().http.connections.dec();
    }
}

impl HttpService for Connection {
    fn call(
        &mut self,
        request: MiniRequest<'_, '_, '_>,
        response: &mut Response<'_>,
    ) -> io::Result<()> {
        let access_log = &self.shared.service.access_log;
        let method = Method::from_token(request.method());
        let begun = access_log.begin(method, || Asked {
            traceparent: traceparent(&request),
            client_address: self.client_address(&request),
        });
        let (label, reply) = match self.unexpected() {
            Some(reply) => (Route::Other, reply),
            None => self.answer(request),
        };
        self.caller.replied();
        self.shared
            .service
            .metrics()
            .http
            .request(label, reply.status);
        let (origin, name) = (self.origin.as_ref(), self.caller.name());
        let access_log = &self.shared.service.access_log;
        access_log.end(begun, origin, label, name, &reply);
        write(reply, response, &self.shared.ledger_line);
        if self.ended {
            // Again: reading on has made the crate forget the first time.
            self.socket.shut_down_reading();
        } else if let Some(deadline) = &self.deadline {
            deadline.set(self.shared.service.limits.idle_timeout);
        }
        Ok(())
    }
}

impl Connection {
    /// The reply to any request on a connection that should have ended, or
    /// whose client reads no replies.
    fn unexpected(&mut self) -> Option<Reply> {
        if self.ended {
            let detail = "an earlier request on this connection was refused";
            return Some(Problem::MalformedRequest.report(detail).reply());
        }
        self.unchecked += 1;
        if self.unchecked < CHECK_EVERY {
            return None;
        }
        self.unchecked = 0;
        if self.socket.is_writable() {
            return None;
        }
        self.end();
        let report = Problem::RequestTimeout.report("replies are not being read");
        Some(report.reply())
    }

    fn answer(&mut self, request: MiniRequest<'_, '_, '_>) -> (Route, Reply) {
        let port = self.shared.port;
        let _executing = (port != Port::Admin).then(|| self.shared.service.execute());
        let target = normalized_text(request.path()).into_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let method = Method::from_token(request.method());
        let routed = self.route(method, path, &request);
        let label = routed.label;
        let mut reply = match self.serve(routed.action, path, query, request) {
            Ok(reply) => reply,
            Err(untrusted) => self.refuse(label, untrusted),
        };
        reply.allow_origin = routed.allow_origin;
        if method == Some(Method::Head) {
            return (label, without_body(reply));
        }
        (label, reply)
    }

    /// Who asks, where that isn't who has connected.
    fn client_address(&self, request: &MiniRequest<'_, '_, '_>) -> Option<IpAddr> {
        let proxies = &self.shared.service.proxies;
        self.origin.as_ref()?.behind(proxies, &Lines(request))
    }

    /// Decides what a request is.
    fn route(
        &mut self,
        method: Option<Method>,
        path: &str,
        request: &MiniRequest<'_, '_, '_>,
    ) -> Routed {
        let source = source(request);
        let head = RequestHead {
            method,
            path: path.as_bytes(),
            content_type: header(request, "content-type").next().map(str::as_bytes),
            source: source.unwrap_or_default(),
            authorization: header(request, "authorization").next().map(str::as_bytes),
            asks_for_method: header(request, "access-control-request-method")
                .next()
                .is_some(),
            has_idempotency_key: header(request, "idempotency-key").next().is_some(),
        };
        let PortShared { port, service, .. } = &*self.shared;
        let Service {
            sites,
            access,
            proxies,
            ..
        } = &**service;
        let origin = self.origin.as_ref();
        let address = || match origin {
            Some(origin) => origin.client(proxies, &Lines(request)),
            None => Ipv4Addr::UNSPECIFIED.into(), // it has gone
        };
        let routed = router::route(*port, sites, access, &mut self.caller, &head, address);
        match source {
            Ok(_) => routed,
            Err(error) => Routed {
                action: Action::RefuseUnread(RouteRefusal::Malformed(error)),
                allow_origin: None,
                ..routed
            },
        }
    }

    /// Serves a request, unless it is refused before its body is read whole.
    fn serve(
        &mut self,
        action: Action,
        path: &str,
        query: &str,
        request: MiniRequest<'_, '_, '_>,
    ) -> Result<Reply, Box<Untrusted>> {
        let length = body_length(&request)?;
        let target = match action {
            Action::Call(target) => target,
            Action::RefuseUnread(refusal) => return Err(self.leave_unread(refusal, path, request)),
            Action::Batch => {
                // Only the native engine reads batches.
                return Err(self.leave_unread(RouteRefusal::NoBatches, path, request));
            }
        };
        let service = self.shared.service.clone();
        let length = match length {
            Some(1..) if self.shared.port == Port::Admin => {
                return Err(self.refuse_body(target, path, request));
            }
            length => length,
        };
        if length > Some(service.limits.max_body) {
            let report = Problem::BodyTooLarge.report("the body is over the limit (--max-body)");
            return Err(Untrusted::new(Reason::TooLarge, report));
        }
        let prefer = joined_lines(&request, "prefer");
        let accept = joined_lines(&request, "accept");
        let key = header(&request, "idempotency-key").next();
        let key = key.map(str::to_owned);
        let submission = Submission {
            client: self.caller.name(),
            traceparent: traceparent(&request),
        };
        let content_coding = header(&request, "content-encoding")
            .fold(ContentCoding::Identity, |coding, line| {
                coding.with_line(line.as_bytes())
            });
        if let (Some(1..), Some(deadline)) = (length, &self.deadline) {
            deadline.set(service.limits.body_timeout);
        }
        let body = read_body(request, length.unwrap_or(0), &service.bodies, &self.socket);
        let (body, permit) = body.map_err(|untrusted| self.too_late().unwrap_or(untrusted))?;
        if let Some(deadline) = &self.deadline {
            deadline.suspend();
        }
        let request = Request {
            path: path.as_bytes(),
            query,
            prefer: FieldLines::new("prefer", prefer.as_bytes()),
            accept: FieldLines::new("accept", accept.as_bytes()),
            idempotency_key: key.as_deref(),
            submission,
            content_coding,
            body: length.map(|_| &*body),
        };
        let waker = Waker::from(self.task_waker());
        let handled = router::call(&service, target, &request, &waker);
        drop((body, permit));
        Ok(match handled {
            Handled::Reply(reply) => reply,
            Handled::Wait(wait) => self.wait(wait),
        })
    }

    /// Refuses a request for what its head says.
    fn leave_unread(
        &mut self,
        refusal: RouteRefusal,
        path: &str,
        request: MiniRequest<'_, '_, '_>,
    ) -> Box<Untrusted> {
        if let Some(reason) = refusal.denied() {
            self.shared.service.metrics().denied.inc(reason);
        }
        self.end();
        discard_body(request);
        Untrusted::new(refusal.reason(), refusal.report(path))
    }

    /// Refuses a request for its body, if for nothing else: no route of the
    /// admin port takes one, and probes need its connections.
    fn refuse_body(
        &mut self,
        target: Target,
        path: &str,
        request: MiniRequest<'_, '_, '_>,
    ) -> Box<Untrusted> {
        if let Err(refusal) = target {
            return self.leave_unread(refusal, path, request);
        }
        self.end();
        discard_body(request);
        let report = Problem::BodyTooLarge.report("the admin port takes no bodies");
        Untrusted::new(Reason::TooLarge, report)
    }

    /// The refusal of a body that has not arrived in its time.
    fn too_late(&self) -> Option<Box<Untrusted>> {
        let has_passed = |deadline: &Arc<ConnectionDeadline>| deadline.has_passed();
        self.deadline.as_ref().is_some_and(has_passed).then(|| {
            let detail = "the body did not arrive within --body-timeout";
            Untrusted::new(Reason::Timeout, Problem::RequestTimeout.report(detail))
        })
    }

    /// Refuses a request after which nothing on the connection can be trusted.
    fn refuse(&mut self, label: Route, untrusted: Box<Untrusted>) -> Reply {
        if label == Route::Submit {
            self.shared.service.admission.reject(untrusted.reason);
        }
        self.end();
        untrusted.report.reply()
    }

    /// Executes nothing more, and has the crate close the connection.
    fn end(&mut self) {
        self.ended = true;
        self.socket.shut_down_reading();
        if let Some(deadline) = &self.deadline {
            deadline.end();
        }
    }

    fn wait(&self, mut wait: Wait) -> Reply {
        loop {
            if let Some(reply) = wait.poll(&self.shared.service) {
                return reply;
            }
            if let (Some(until), Some(deadline)) = (wait.until(), &self.deadline) {
                deadline.unpark_at(until, coroutine::current);
            }
            coroutine::park();
        }
    }

    fn task_waker(&mut self) -> Arc<TaskWaker> {
        let (shared, socket) = (&self.shared, &self.socket);
        self.task_waker
            .get_or_insert_with(|| {
                let coroutine = coroutine::current();
                shared
                    .run_queues
                    .parked_waker(socket.descriptor(), coroutine)
            })
            .clone()
    }
}

/// Where a connection comes from, if that matters and its peer is still there.
fn origin(service: &Service, socket: Socket) -> Option<Origin> {
    let peer = service.needs_origin().then(|| socket.peer()).flatten()?;
    Some(Origin::new(peer, &service.proxies))
}

/// The reply as `HEAD` gets it.
fn without_body(reply: Reply) -> Reply {
    Reply {
        body: Body::Static(b""),
        ..reply
    }
}
