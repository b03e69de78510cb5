//! One connection of the engine: a request in, a reply out.

use std::{
    io,
    os::fd::RawFd,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
};

use may::coroutine;
use may_minihttp::{HttpService, Request as MiniRequest, Response};

use super::{
    super::{
        Service,
        batch::is_batch,
        deadline::{Deadlines, Taken},
        dispatch::{Dispatch, Sleeper},
        feed::Room,
        framing::Method,
        problem::Problem,
        reply::{Body, Reply},
        routes::{self, Handled, Port, Request, Wait},
    },
    request::{Framed, framed, header},
    response::write,
};
use crate::{
    bodies,
    metrics::{Reason, Route},
};

/// One connection of the engine.
pub(super) struct Connection {
    pub(super) port: Port,
    pub(super) service: Arc<Service>,
    pub(super) dispatch: Arc<Dispatch>,
    pub(super) deadlines: Arc<Deadlines>,
    pub(super) open: Arc<AtomicUsize>,
    pub(super) ledger_line: Arc<OnceLock<&'static str>>,
    /// Room for the largest page so far: the crate copies a reply into a buffer
    /// that it keeps at its largest as long as the connection lives.
    pub(super) page_room: Option<Room>,
    /// The same for the replies of batches.
    pub(super) reply_room: bodies::Room,
    /// Taken after such a reply, until the next request: ends the connection,
    /// or that room would be held for as long as an idle client likes.
    pub(super) farewell: Option<Taken>,
    /// The socket, owned by the crate's loop, which outlives every call of us.
    pub(super) socket: RawFd,
    /// Made on the first request, on the connection's own coroutine.
    pub(super) sleeper: Option<Arc<Sleeper>>,
    /// Requests since the client was last seen to take its replies.
    pub(super) requests: u32,
    /// Nothing that comes on this connection is executed any more.
    pub(super) ended: bool,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.service.metrics().http.connections.dec();
    }
}

impl HttpService for Connection {
    fn call(
        &mut self,
        request: MiniRequest<'_, '_, '_>,
        response: &mut Response<'_>,
    ) -> io::Result<()> {
        self.farewell = None; // a connection has one seat
        let (route, reply) = self.answer(request);
        let reply = self.make_room(reply);
        self.service.metrics().http.request(route, reply.status);
        write(reply, response, &self.ledger_line);
        Ok(())
    }
}

impl Connection {
    fn answer(&mut self, request: MiniRequest<'_, '_, '_>) -> (Route, Reply) {
        if self.ended {
            let detail = "an earlier request on this connection was refused";
            return (
                Route::Other,
                Problem::MalformedRequest.report(detail).reply(),
            );
        }
        if !self.is_taken() {
            let detail = "replies are not being read";
            return (
                Route::Other,
                self.end(
                    Route::Other,
                    Reason::Invalid,
                    Problem::RequestTimeout,
                    detail,
                ),
            );
        }
        let _executing = (self.port == Port::Orders).then(|| self.service.execute());
        let target = request.path().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let route = routes::route(path);
        let length = match framed(&request) {
            Framed::None => None,
            Framed::Body(length) => Some(length),
            Framed::Refused(problem, detail) => {
                return (route, self.end(route, Reason::Invalid, problem, detail));
            }
        };
        let method = Method::from_token(request.method());
        let content_type = header(&request, "content-type").next();
        if let Some(method) = method
            && self.port == Port::Orders
            && is_batch(route, method, content_type)
        {
            return (route, self.batch(request, length));
        }
        let announced = length.unwrap_or(0);
        if announced > self.service.limits.max_body {
            let detail = "the body is over the limit (--max-body)";
            return (
                route,
                self.end(route, Reason::TooLarge, Problem::BodyTooLarge, detail),
            );
        }
        let Some(method) = method else {
            let detail = "the method is not known";
            return (
                route,
                self.end(route, Reason::Invalid, Problem::NotImplemented, detail),
            );
        };
        let content_type = content_type.map(str::to_owned);
        let prefer: Vec<String> = header(&request, "prefer").map(str::to_owned).collect();
        let accept: Vec<String> = header(&request, "accept").map(str::to_owned).collect();
        let (body, room) = match self.body(request, announced) {
            Ok(body) => body,
            Err((reason, problem, detail)) => {
                return (route, self.end(route, reason, problem, detail));
            }
        };
        let request = Request {
            method,
            path,
            query,
            content_type: content_type.as_deref(),
            prefer: [prefer.first().map(|s| &**s), prefer.get(1).map(|s| &**s)],
            accept: [accept.first().map(|s| &**s), accept.get(1).map(|s| &**s)],
            body: length.map(|_| &*body),
        };
        let sleeper = self.sleeper();
        let waker = Waker::from(sleeper.clone());
        let handled = routes::handle(&self.service, self.port, &request, &waker);
        drop((body, room));
        let reply = match handled {
            Handled::Reply(reply) => reply,
            Handled::Wait(wait) => self.wait(wait, sleeper),
        };
        let head = method == Method::Head;
        (
            route,
            if head {
                Reply {
                    body: Body::Static(b""),
                    ..reply
                }
            } else {
                reply
            },
        )
    }

    /// Refuses a request after which nothing on the connection can be trusted.
    pub(super) fn end(
        &mut self,
        route: Route,
        reason: Reason,
        problem: Problem,
        detail: &str,
    ) -> Reply {
        if route == Route::Submit {
            self.service.admission.reject(reason);
        }
        self.hear_no_more();
        let report = problem.report(detail);
        match problem.status() {
            503 => report.retry_after(1).reply(),
            _ => report.reply(),
        }
    }

    pub(super) fn hear_no_more(&mut self) {
        self.ended = true;
        self.deafen();
    }

    fn wait(&self, mut wait: Wait, sleeper: Arc<Sleeper>) -> Reply {
        let Some(seat) = self.deadlines.take(sleeper) else {
            return too_many_waiting();
        };
        loop {
            if let Some(reply) = wait.poll(&self.service) {
                return reply;
            }
            if self.is_hung_up()
                && let Some(reply) = wait.give_up(&self.service)
            {
                return reply;
            }
            if let Some(until) = wait.until() {
                seat.arm(until);
            }
            coroutine::park();
        }
    }

    pub(super) fn sleeper(&mut self) -> Arc<Sleeper> {
        let (dispatch, socket) = (&self.dispatch, self.socket);
        self.sleeper
            .get_or_insert_with(|| dispatch.parked_sleeper(socket, coroutine::current()))
            .clone()
    }
}

pub(super) fn too_many_waiting() -> Reply {
    let report = Problem::TooManyConnections.report("too many requests are waiting");
    report.retry_after(1).reply()
}
