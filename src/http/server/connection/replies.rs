//! The replies of a connection: counted, logged, sent within what all replies
//! may take in memory. A drain waits until they are out.

use std::sync::Arc;
use std::time::Duration;

use crate::http::api::access_log::Begun;
use crate::http::api::problem::Problem;
use crate::http::api::service::{Executing, Service};
use crate::http::server::connection::remote::Remote;
use crate::http::server::connection::write_buffer::{WriteBuffer, WriteFailed};
use crate::http::server::socket::Socket;
use crate::http::wire::reply::{Framing, Reply};
use crate::metrics::Route;
use crate::sync::memory_budget::FREE_BYTES;

pub(super) struct Replies {
    service: Arc<Service>,
    pub(super) buffer: WriteBuffer,
    /// Set while a request runs and until its reply is out: the drain waits.
    executing: Option<Executing>,
    /// Set until the first reply is out. Its client has connected before the
    /// drain, and its request may be on the way.
    first: Option<Executing>,
    /// Of the current request.
    pub(super) context: ReplyContext,
}

/// What a request determines about its reply beforehand.
#[derive(Default)]
pub(super) struct ReplyContext {
    /// It is `HEAD`: no reply to it has a body.
    pub(super) head_only: bool,
    /// What lets the page that sent it read the reply.
    pub(super) allow_origin: Option<&'static str>,
    /// Set if it will be logged.
    pub(super) begun: Option<Begun>,
}

impl Replies {
    pub(super) fn new(service: Arc<Service>, first: Executing) -> Self {
        Self {
            buffer: WriteBuffer::new(service.limits.write_timeout),
            executing: None,
            first: Some(first),
            context: ReplyContext::default(),
            service,
        }
    }

    /// The current request begins to run.
    pub(super) fn execute(&mut self) {
        self.executing.get_or_insert_with(|| self.service.execute());
    }

    /// What makes the drain wait for the first reply.
    pub(super) fn take_first(&mut self) -> Option<Executing> {
        self.first.take()
    }

    /// Gathers a reply, or sends it if it is large.
    pub(super) fn push(
        &mut self,
        socket: &mut Socket,
        remote: &Remote,
        route: Route,
        mut reply: Reply,
        framing: Framing,
    ) -> Result<(), WriteFailed> {
        reply.allow_origin = self.context.allow_origin;
        let bytes = reply.body.owned_len();
        if bytes > FREE_BYTES {
            return self.push_large(socket, remote, route, &reply, framing);
        }
        self.count(remote, route, &reply);
        self.buffer.reply(socket, &reply, framing)
    }

    /// Sends a reply that counts in the memory of all replies, or says that
    /// there is none. Outcomes of orders that were submitted are small.
    fn push_large(
        &mut self,
        socket: &mut Socket,
        remote: &Remote,
        route: Route,
        reply: &Reply,
        framing: Framing,
    ) -> Result<(), WriteFailed> {
        let permit = self.service.replies.try_acquire(reply.body.owned_len());
        let refusal = permit.is_none().then(|| {
            let detail = "all replies being sent are over their limit (--reply-bytes)";
            let mut refusal = Problem::ReplyMemory.report(detail).retry_after(1).reply();
            refusal.allow_origin = reply.allow_origin;
            refusal
        });
        let reply = refusal.as_ref().unwrap_or(reply);
        self.count(remote, route, reply);
        self.buffer.reply(socket, reply, framing)
    }

    /// Sends the reply to a batch: all of it has `limit`.
    pub(super) fn send_batch(
        &mut self,
        socket: &mut Socket,
        remote: &Remote,
        mut reply: Reply,
        framing: Framing,
        limit: Duration,
    ) -> Result<(), WriteFailed> {
        reply.allow_origin = self.context.allow_origin;
        self.count(remote, Route::Submit, &reply);
        self.buffer.send(socket, &reply, framing, limit)
    }

    fn count(&mut self, remote: &Remote, route: Route, reply: &Reply) {
        self.service.metrics().http.request(route, reply.status);
        let begun = self.context.begun.take();
        let (origin, name) = (Some(&remote.origin), remote.caller.name());
        self.service
            .access_log
            .end(begun, origin, route, name, reply);
    }

    /// Sends what has been gathered, with no request in execution: all replies
    /// are out then.
    pub(super) fn flush(&mut self, socket: &mut Socket) -> Result<(), WriteFailed> {
        let flushed = self.buffer.flush(socket);
        self.executing = None;
        flushed
    }

    /// A reply has been gathered or sent.
    pub(super) fn replied(&mut self) {
        if self.executing.is_none() {
            self.first = None;
        }
    }
}
