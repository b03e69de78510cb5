//! Calling the route of a request that isn't a batch, and waiting for its reply.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crate::http::api::problem::Problem;
use crate::http::api::router;
use crate::http::api::router::{Handled, Request, Target, Wait};
use crate::http::api::service::Service;
use crate::http::server::connection::body::RequestBody;
use crate::http::server::connection::write_buffer::WriteBuffer;
use crate::http::server::socket::Socket;
use crate::http::wire::reply::Reply;
use crate::http::wire::{BodyFraming, Head};
use crate::order::{Client as ClientName, Submission};

/// One request, received whole.
pub(super) struct RouteCall<'a> {
    pub(super) service: &'a Arc<Service>,
    pub(super) socket: &'a mut Socket,
    pub(super) output: &'a mut WriteBuffer,
    pub(super) client: Option<ClientName>,
    pub(super) head: &'a Head,
    /// Begins with the head.
    pub(super) received: &'a [u8],
    pub(super) body: &'a RequestBody,
}

impl RouteCall<'_> {
    /// Calls the route and waits for its reply.
    pub(super) fn reply(self, target: Target) -> Reply {
        let mut wait = match self.call(target) {
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
        let _ = self.output.flush(self.socket);
        loop {
            if let Some(reply) = wait.poll(self.service) {
                return reply;
            }
            if self.socket.is_hung_up()
                && let Some(reply) = wait.give_up(self.service)
            {
                return reply;
            }
            self.socket.park(wait.until());
        }
    }

    /// Calls the route; an error is a panic in it.
    fn call(&self, target: Target) -> thread::Result<Handled<Wait>> {
        let (head, received) = (self.head, self.received);
        let body = self.body.bytes(&received[head.len..]);
        let (path, query) = (head.path(received), head.query(received));
        let request = Request {
            path: &path,
            query: &query,
            prefer: head.prefer(received),
            accept: head.accept(received),
            idempotency_key: head.idempotency_key(received),
            submission: Submission {
                client: self.client,
                traceparent: head.traceparent(received),
            },
            content_coding: head.content_coding,
            body: (head.body != BodyFraming::None).then_some(body),
        };
        let waker = self.socket.waker();
        catch_unwind(AssertUnwindSafe(|| {
            router::call(self.service, target, &request, waker)
        }))
    }
}
