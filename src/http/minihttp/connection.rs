//! One connection of the engine: a request in, a reply out.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;

use may::coroutine;
use may_minihttp::{HttpService, Request as MiniRequest, Response};

use crate::http::api::batch::is_batch;
use crate::http::api::problem::Problem;
use crate::http::api::router;
use crate::http::api::router::{Handled, Port, Request, Wait};
use crate::http::api::service::Service;
use crate::http::minihttp::request::{Framed, framed, header};
use crate::http::minihttp::response::write;
use crate::http::runtime::run_queue::{RunQueues, TaskWaker};
use crate::http::runtime::timers::Timers;
use crate::http::wire::Method;
use crate::http::wire::reply::{Body, Reply};
use crate::metrics::{Reason, Route};

/// Why batches are refused.
const NO_BATCHES: &str = "may_minihttp takes no batches: send the orders one by one, or start the \
    server with --http-engine native";
/// Why pages of the feed are refused.
const NO_FEED: &str =
    "may_minihttp serves no feed: start the server with --http-engine native to have it";

/// One connection of the engine.
pub(crate) struct Connection {
    pub(crate) port: Port,
    pub(crate) service: Arc<Service>,
    pub(crate) run_queues: Arc<RunQueues>,
    pub(crate) timers: Arc<Timers>,
    pub(crate) open: Arc<AtomicUsize>,
    pub(crate) ledger_line: Arc<OnceLock<&'static str>>,
    /// The socket, owned by the crate's loop, which outlives every call of us.
    pub(crate) socket: RawFd,
    /// Made on the first request, on the connection's own coroutine.
    pub(crate) task_waker: Option<Arc<TaskWaker>>,
    /// Requests since the client was last seen to take its replies.
    pub(crate) requests: u32,
    /// Nothing that comes on this connection is executed any more.
    pub(crate) ended: bool,
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
        let (route, reply) = self.answer(request);
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
        let route = router::route(path);
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
            let problem = Problem::NotImplemented;
            let reply = self.end(route, Reason::Invalid, problem, NO_BATCHES);
            // Dropping the reader drops what has come of the body: it would be
            // taken for the next request, and that would end the connection
            // before this reply is out.
            drop(request.body());
            return (route, reply);
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
        let prefer: Vec<String> = header(&request, "prefer").map(str::to_owned).collect();
        let accept: Vec<String> = header(&request, "accept").map(str::to_owned).collect();
        let (body, room) = match self.body(request, announced) {
            Ok(body) => body,
            Err((reason, problem, detail)) => {
                return (route, self.end(route, reason, problem, detail));
            }
        };
        if self.port == Port::Orders
            && route == Route::Feed
            && matches!(method, Method::Get | Method::Head)
        {
            let report = Problem::NotImplemented.report(NO_FEED);
            return (route, without_body(report.reply(), method));
        }
        let request = Request {
            method,
            path,
            query,
            prefer: [prefer.first().map(|s| &**s), prefer.get(1).map(|s| &**s)],
            accept: [accept.first().map(|s| &**s), accept.get(1).map(|s| &**s)],
            body: length.map(|_| &*body),
        };
        let task_waker = self.task_waker();
        let waker = Waker::from(task_waker.clone());
        let handled = router::handle(&self.service, self.port, &request, &waker);
        drop((body, room));
        let reply = match handled {
            Handled::Reply(reply) => reply,
            Handled::Wait(wait) => self.wait(wait, task_waker),
        };
        (route, without_body(reply, method))
    }

    /// Refuses a request after which nothing on the connection can be trusted.
    pub(crate) fn end(
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

    pub(crate) fn hear_no_more(&mut self) {
        self.ended = true;
        self.deafen();
    }

    fn wait(&self, mut wait: Wait, task_waker: Arc<TaskWaker>) -> Reply {
        let Some(seat) = self.timers.take(task_waker) else {
            return too_many_waiting();
        };
        loop {
            if let Some(reply) = wait.poll(&self.service) {
                return reply;
            }
            if let Some(until) = wait.until() {
                seat.arm(until);
            }
            coroutine::park();
        }
    }

    pub(crate) fn task_waker(&mut self) -> Arc<TaskWaker> {
        let (run_queues, socket) = (&self.run_queues, self.socket);
        self.task_waker
            .get_or_insert_with(|| run_queues.parked_waker(socket, coroutine::current()))
            .clone()
    }
}

/// The reply as `HEAD` gets it.
fn without_body(reply: Reply, method: Method) -> Reply {
    let body = match method {
        Method::Head => Body::Static(b""),
        _ => return reply,
    };
    Reply { body, ..reply }
}

fn too_many_waiting() -> Reply {
    let report = Problem::TooManyConnections.report("too many requests are waiting");
    report.retry_after(1).reply()
}
