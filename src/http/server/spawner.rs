//! A coroutine for each accepted connection, within the limits.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use may::coroutine::Builder;

use crate::http::api::service::{Executing, Service};
use crate::http::runtime::run_queue::RunQueues;
use crate::http::runtime::timers::Timers;
use crate::http::server::connection::Connection;
use crate::http::server::connection_permit::ConnectionLimit;
use crate::http::server::socket::Socket;
use crate::http::server::stack::stack_words;
use crate::sync::log_limit::LogLimit;
use crate::tls::Tls;

/// Connections past the limit that are refused with a reply at a time; more are
/// closed without one.
pub(crate) const REFUSING_MAX: usize = 64;

static UNSERVED: LogLimit = LogLimit::new();

pub(crate) struct Spawner {
    /// The I/O thread that accepts.
    thread: usize,
    context: Arc<ConnectionContext>,
    serving: Arc<ConnectionLimit>,
    refusing: Arc<ConnectionLimit>,
}

/// What connections share.
struct ConnectionContext {
    service: Arc<Service>,
    tls: Option<Arc<Tls>>,
    run_queues: Arc<RunQueues>,
    timers: Arc<Timers>,
}

impl Spawner {
    /// Spawns what the coroutine that polls `listener` accepts.
    pub(crate) fn new(
        listener: &TcpListener,
        service: Arc<Service>,
        tls: Option<Arc<Tls>>,
        run_queues: Arc<RunQueues>,
        timers: Arc<Timers>,
    ) -> Self {
        let connections_max = service.limits.max_connections;
        Self {
            thread: run_queues.thread_of(listener.as_raw_fd()),
            serving: ConnectionLimit::new(service.clone(), connections_max),
            refusing: ConnectionLimit::new(service.clone(), REFUSING_MAX),
            context: Arc::new(ConnectionContext {
                service,
                tls,
                run_queues,
                timers,
            }),
        }
    }

    /// Serves, refuses or closes a connection from this peer.
    ///
    /// # Errors
    /// When there is no memory for its stack.
    pub(crate) fn spawn(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        let (permit, is_refused) = match self.serving.try_acquire() {
            Some(permit) => (permit, false),
            None => match self.refusing.try_acquire() {
                Some(permit) => (permit, true),
                None => return Ok(()),
            },
        };
        // Runs on the thread that polls the socket, from the start to the end.
        let id = stream.as_raw_fd();
        let builder = Builder::new().id(id as usize).stack_size(stack_words());
        let is_local = self.context.run_queues.thread_of(id) == self.thread;
        let context = self.context.clone();
        let first = self.context.service.execute();
        let connection = move || {
            let _permit = permit;
            context.run(stream, peer, is_refused, first);
        };
        // `may` panics when it gets no memory for a stack.
        let spawned = catch_unwind(AssertUnwindSafe(|| {
            if !is_local {
                return may::go!(builder, connection);
            }
            // At once, up to where it first waits, which spares this thread a
            // wake-up.
            // SAFETY: as with `go!`, the coroutine must not overflow its stack,
            // whose size is measured, nor be cancelled, which none here is.
            unsafe { builder.spawn_local(connection) }
        }));
        match spawned {
            Ok(spawned) => spawned.map(drop),
            Err(_) => Err(io::Error::from(io::ErrorKind::OutOfMemory)),
        }
    }
}

impl ConnectionContext {
    /// The life of a connection, on its own coroutine.
    fn run(&self, stream: TcpStream, peer: SocketAddr, is_refused: bool, first: Executing) {
        match Socket::new(stream, &self.timers, &self.run_queues) {
            Ok(Some(socket)) => {
                let connection = Connection::new(socket, peer, self.service.clone(), first);
                let tls = self.tls.as_ref().map(|tls| tls.orders());
                if is_refused {
                    connection.refuse(tls);
                } else {
                    connection.serve(tls);
                }
            }
            Ok(None) => UNSERVED.log(|suppressed| {
                tracing::warn!(suppressed, "no timer slot for a connection");
            }),
            Err(error) => UNSERVED.log(|suppressed| {
                tracing::warn!(suppressed, %error, "can't poll a connection");
            }),
        }
    }
}
