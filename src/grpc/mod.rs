//! gRPC: orders over HTTP/2, for programs that speak `proto/order.proto`.
//!
//! `tonic` on a tokio runtime of this door's own: with `--grpc-listen off`
//! there is none. The door knows admission, as the HTTP doors do, and its orders
//! are the same orders.
//!
//! | room | holds |
//! |---|---|
//! | [`proto`] | the messages, generated |
//! | `listener` | accepting, the limit of connections, the preface's timeout |
//! | `switch` | which service a request is for; what its body is held to |
//! | `place` | how long a call counts |
//! | `body` | limits and budget of messages, before they are decoded |
//! | `submit`, `stream`, `reading`, `follow`, `health` | the calls |
//! | `status` | what a refusal looks like |
//! | `wake` | how the pipeline wakes calls: once a batch |
//!
//! # Bounds
//!
//! Connections, streams a connection, calls ([`CALLS_MAX`], [`CHECKS_MAX`]),
//! bytes of a header list and of a message, all messages being received
//! (`--body-bytes`, shared with HTTP), orders of a stream without a response
//! ([`STREAM_WINDOW`], [`STREAM_BYTES`]), streams of each long-lived kind
//! ([`SUBMIT_STREAMS_MAX`], [`FOLLOWERS_MAX`], [`WATCHERS_MAX`],
//! [`REFLECTIONS_MAX`]), a page a follower, the time that a request takes,
//! streams of a connection that break the rules ([`RESETS_MAX`]). HTTP/2 pings
//! end connections that don't answer, which one that never reads doesn't.
//!
//! # The end
//!
//! [`Running::drain`]: no more connections, GOAWAY on those there are; streams
//! of orders end after their last response; calls that come meanwhile find the
//! gate closed. [`Running::over`]: nothing is inside any more (or the deadline
//! has passed, and what is inside is withdrawn), so those who wait look again
//! and followers end. [`Running::wait_closed`] gives connections a moment to
//! close; those that don't are cut off.

mod body;
mod follow;
mod health;
mod listener;
mod lookup;
mod permit;
pub mod proto;
mod router;
mod status;
mod stream;
mod submit;
mod task_waker;

pub(crate) use self::listener::REFUSING_MAX;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tonic::{Request, Response, Status, Streaming, transport};

use crate::admission::Admission;
use crate::config::{Ack, Config};
use crate::grpc::body::{Oversize, Rules};
use crate::grpc::proto::order_service_server::OrderService;
use crate::grpc::proto::{
    FollowRequest, GetOrderRequest, GetOrderResponse, SubmitRequest, SubmitResponse,
    SubmitStreamRequest,
};
use crate::grpc::status::{Kind, Refusal};
use crate::grpc::task_waker::Wakeups;
use crate::metrics::Reason;
use crate::sync::memory_budget::MemoryBudget;
use crate::sync::wake_queue::WakeQueue;

/// The full name of the service.
pub const SERVICE: &str = "orders.v1.OrderService";
/// Calls of all kinds open at a time, over all connections, until their response
/// is taken: connections times streams would be many more, at some 10 KB each.
pub const CALLS_MAX: usize = 16_384;
/// `grpc.health.v1.Health/Check` calls open at a time, over all connections,
/// which are not among those: probes are few, and answered at once.
pub const CHECKS_MAX: usize = 256;
/// `SubmitStream` calls open at a time, over all connections.
pub const SUBMIT_STREAMS_MAX: usize = 1024;
/// `Follow` calls open at a time, over all connections: each holds a page of up
/// to 1 MiB.
pub const FOLLOWERS_MAX: usize = 256;
/// `grpc.health.v1.Health/Watch` calls open at a time, over all connections:
/// several for each connection there may be by default.
pub const WATCHERS_MAX: usize = 4096;
/// Reflection calls open at a time, over all connections: each may hold a window
/// of requests unread.
pub const REFLECTIONS_MAX: usize = 64;
/// Orders of one `SubmitStream` that may be without a response.
pub const STREAM_WINDOW: usize = 1024;
/// Bytes of such orders, past which nothing more is read of a stream either: they
/// stay in memory until their response is taken, whatever the queue says.
pub const STREAM_BYTES: usize = 256 << 10;
/// Bytes that one call may have on the way before they are read, and one
/// connection. The second is that much larger for the sake of calls that are
/// held back: `h2` ends a connection whose unread frames are many and small,
/// counting 256 bytes less their size for each against half of its window, and
/// orders are small. So one such call may stand full of the smallest orders
/// there are, or nine of ordinary ones.
const CALL_BYTES: u32 = 64 << 10;
const CONNECTION_BYTES: u32 = 4 << 20;
/// Bytes of a request's header list, as HTTP/2 counts them (RFC 9113 section
/// 6.5.2).
pub const HEADER_LIST_MAX: u32 = 16 << 10;
/// Streams of one connection that may end because the client broke the rules of
/// HTTP/2, before the connection does. That a client could have the server reset
/// streams without a limit was CVE-2025-8671; `tonic` leaves the limit out unless
/// it is given.
pub const RESETS_MAX: usize = 1024;
/// What a message may have beside an order of `--max-body` bytes.
const MESSAGE_OVERHEAD: usize = 1 << 10;

/// What the door needs of the configuration.
#[derive(Clone, Debug)]
pub struct Limits {
    /// What a response to an order waits for.
    pub ack: Ack,
    /// How long it waits at most.
    pub ack_timeout: Duration,
    /// Bytes of one message.
    pub message_max: usize,
    /// From the first byte of a message of a stream to its last; in other calls,
    /// from the call's begin to the request's end.
    pub body_timeout: Duration,
    /// For a connection's preface to arrive.
    pub head_timeout: Duration,
    /// Connections open at a time.
    pub connections_max: usize,
    /// Calls open at a time on one connection.
    pub streams_max: u32,
    /// How long a connection may be silent before it is pinged.
    pub keepalive_interval: Duration,
    /// How long the answer to a ping may take.
    pub keepalive_timeout: Duration,
}

impl Limits {
    /// The limits of a configuration.
    pub fn of(config: &Config) -> Self {
        Self {
            ack: config.ack,
            ack_timeout: config.ack_timeout,
            message_max: config.max_body + MESSAGE_OVERHEAD,
            body_timeout: config.body_timeout,
            head_timeout: config.head_timeout,
            connections_max: config.grpc_max_connections,
            streams_max: config.grpc_max_streams as u32,
            keepalive_interval: config.grpc_keepalive_interval,
            keepalive_timeout: config.grpc_keepalive_timeout,
        }
    }
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// The gate is closed.
    Draining,
    /// Nothing is inside any more, or what is is withdrawn.
    Over,
}

/// What all calls share.
pub(crate) struct Door {
    admission: Arc<Admission>,
    limits: Limits,
    wakeups: Arc<Wakeups>,
    phase: watch::Sender<Phase>,
    calls: Arc<Semaphore>,
    checks: Arc<Semaphore>,
    submit_streams: Arc<Semaphore>,
    followers: Arc<Semaphore>,
    watchers: Arc<Semaphore>,
    reflections: Arc<Semaphore>,
}

/// The list of those who wait for the pipeline, made before it runs.
#[derive(Clone, Default)]
pub struct Waiting(Arc<Wakeups>);

impl Waiting {
    /// What the pipeline flushes behind a batch.
    pub fn door(&self) -> Arc<dyn WakeQueue> {
        self.0.clone()
    }
}

/// The door, being served.
pub struct Running {
    door: Arc<Door>,
    address: SocketAddr,
    /// TimerSlot by the end.
    runtime: Option<Runtime>,
    /// Hears when all connections have closed.
    closed: mpsc::Receiver<()>,
}

impl Running {
    /// Serves `listener` on so many threads.
    ///
    /// # Errors
    /// When the system gives no threads or poll list.
    pub fn start(
        listener: TcpListener,
        limits: Limits,
        admission: Arc<Admission>,
        bodies: Arc<MemoryBudget>,
        waiting: Waiting,
        threads: usize,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let number = AtomicUsize::new(0);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name_fn(move || format!("grpc-{}", number.fetch_add(1, Ordering::Relaxed)))
            .enable_io()
            .enable_time()
            .build()?;
        let (phase, mut ends) = watch::channel(Phase::Serving);
        let door = Arc::new(Door {
            admission: admission.clone(),
            limits: limits.clone(),
            wakeups: waiting.0,
            phase,
            calls: Arc::new(Semaphore::new(CALLS_MAX)),
            checks: Arc::new(Semaphore::new(CHECKS_MAX)),
            submit_streams: Arc::new(Semaphore::new(SUBMIT_STREAMS_MAX)),
            followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
            watchers: Arc::new(Semaphore::new(WATCHERS_MAX)),
            reflections: Arc::new(Semaphore::new(REFLECTIONS_MAX)),
        });
        runtime.spawn(door.wakeups.clone().serve());

        let rules = Rules {
            admission,
            message_max: limits.message_max,
            timeout: limits.body_timeout,
            bodies,
        };
        let switch = router::services(&door, rules);
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let incoming = listener::accept(listener, limits.connections_max, limits.head_timeout);
        let server = transport::Server::builder()
            .max_concurrent_streams(limits.streams_max)
            .initial_stream_window_size(CALL_BYTES)
            .initial_connection_window_size(CONNECTION_BYTES)
            .http2_keepalive_interval(Some(limits.keepalive_interval))
            .http2_keepalive_timeout(Some(limits.keepalive_timeout))
            .http2_max_header_list_size(HEADER_LIST_MAX)
            .http2_max_local_error_reset_streams(Some(RESETS_MAX));
        let (closing, closed) = mpsc::channel();
        runtime.spawn(async move {
            let drain = async {
                // The door outlives the server, so this ends with the phase.
                let _ = ends.wait_for(|phase| *phase != Phase::Serving).await;
            };
            if let Err(error) = server
                .serve_with_incoming_shutdown(switch, incoming, drain)
                .await
            {
                tracing::error!(%error, "the gRPC port is closed");
            }
            let _ = closing.send(()); // nobody waits before a drain
        });
        Ok(Self {
            door,
            address,
            runtime: Some(runtime),
            closed,
        })
    }

    /// The address bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections and orders. The gate must be closed.
    pub fn drain(&self) {
        self.door.phase.send_replace(Phase::Draining);
    }

    /// Has all calls look again that wait for an order or for the feed. The gate
    /// must be empty, or the pipeline force_draining.
    pub fn over(&self) {
        self.door.phase.send_replace(Phase::Over);
    }

    /// Waits until all connections have closed, or `deadline` has passed. What
    /// is open then is cut off when this is dropped.
    pub fn wait_closed(&self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        if self.closed.recv_timeout(left).is_err() {
            tracing::debug!("gRPC connections are cut off");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Calls don't block, so nothing is waited for.
            runtime.shutdown_background();
        }
    }
}

impl Door {
    /// A place among the streams of a kind.
    fn place(&self, places: &Arc<Semaphore>, what: &str) -> Result<OwnedSemaphorePermit, Refusal> {
        places.clone().try_acquire_owned().map_err(|_| {
            Kind::TooManyStreams
                .because(format!("as many {what} as the server takes"))
                .retry_after(1)
        })
    }
}

/// The service.
struct Calls(Arc<Door>);

#[tonic::async_trait]
impl OrderService for Calls {
    async fn submit(
        &self,
        request: Request<SubmitRequest>,
    ) -> Result<Response<SubmitResponse>, Status> {
        let response = submit::submit(&self.0, request.into_inner()).await?;
        Ok(Response::new(response))
    }

    type SubmitStreamStream = stream::Responses;

    async fn submit_stream(
        &self,
        mut request: Request<Streaming<SubmitStreamRequest>>,
    ) -> Result<Response<stream::Responses>, Status> {
        let place = self.0.place(&self.0.submit_streams, "streams of orders");
        let place = place.inspect_err(|_| self.0.admission.reject(Reason::Full))?;
        let oversize = request.extensions_mut().remove::<Oversize>();
        let requests = request.into_inner();
        let responses = stream::serve(
            self.0.clone(),
            requests,
            oversize.unwrap_or_default(),
            place,
        );
        Ok(Response::new(responses))
    }

    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<GetOrderResponse>, Status> {
        let response = lookup::get_order(&self.0, request.into_inner()).await?;
        Ok(Response::new(response))
    }

    type FollowStream = follow::Outcomes;

    async fn follow(
        &self,
        request: Request<FollowRequest>,
    ) -> Result<Response<follow::Outcomes>, Status> {
        let place = self.0.place(&self.0.followers, "followers")?;
        Ok(follow::serve(self.0.clone(), request.into_inner(), place)?)
    }
}
