//! One connection of the engine: a request in, a reply out.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;

use may::coroutine;
use may_minihttp::{HttpService, Request as MiniRequest, Response};

use crate::http::api::batch::is_batch;
use crate::http::api::feed::Room;
use crate::http::api::problem::Problem;
use crate::http::api::router;
use crate::http::api::router::{Handled, Port, Request, Wait};
use crate::http::api::service::Service;
use crate::http::minihttp::request::{Framed, framed, header};
use crate::http::minihttp::response::write;
use crate::http::runtime::run_queue::{RunQueues, TaskWaker};
use crate::http::runtime::timers::{TimerSlot, Timers};
use crate::http::wire::Method;
use crate::http::wire::reply::{Body, Reply};
use crate::metrics::{Reason, Route};
use crate::sync::memory_budget;

/// One connection of the engine.
pub(crate) struct Connection {
    pub(crate) port: Port,
    pub(crate) service: Arc<Service>,
    pub(crate) run_queues: Arc<RunQueues>,
    pub(crate) timers: Arc<Timers>,
    pub(crate) open: Arc<AtomicUsize>,
    pub(crate) ledger_line: Arc<OnceLock<&'static str>>,
    /// Room for the largest page so far: the crate copies a reply into a buffer
    /// that it keeps at its largest as long as the connection lives.
    pub(crate) page_room: Option<Room>,
    /// The same for the replies of batches.
    pub(crate) reply_room: memory_budget::MemoryPermit,
    /// TimerSlot after such a reply, until the next request: ends the connection,
    /// or that room would be held for as long as an idle client likes.
    pub(crate) farewell: Option<TimerSlot>,
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

    pub(crate) fn task_waker(&mut self) -> Arc<TaskWaker> {
        let (run_queues, socket) = (&self.run_queues, self.socket);
        self.task_waker
            .get_or_insert_with(|| run_queues.parked_waker(socket, coroutine::current()))
            .clone()
    }
}

pub(crate) fn too_many_waiting() -> Reply {
    let report = Problem::TooManyConnections.report("too many requests are waiting");
    report.retry_after(1).reply()
}
