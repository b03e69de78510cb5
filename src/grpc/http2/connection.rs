//! A connection: its calls, and its end.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, Connection, SendResponse};
use http::Request;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::access::Caller;
use crate::grpc::body::{Collector, RequestBody};
use crate::grpc::connection_permit::ConnectionPermit;
use crate::grpc::front_end::{DrainPhase, FrontEnd, Signals};
use crate::grpc::http2::connection_calls::ConnectionCalls;
use crate::grpc::http2::socket::{Activity, Socket};
use crate::grpc::http2::transport::{Handshake, Transport};
use crate::grpc::http2::{call, keepalive, proxy_header};
use crate::grpc::limits::{
    CALL_WINDOW_BYTES, HEADER_LIST_BYTES_MAX, Limits, RESET_MEMORY, RESET_STREAMS_MAX,
    SEND_BUFFER_BYTES_MAX,
};
use crate::grpc::router::Services;
use crate::peer::Origin;
use crate::sync::log_limit::LogLimit;

type Accepted = Option<Result<(Request<RecvStream>, SendResponse<Bytes>), h2::Error>>;

/// A connection that has just begun.
pub(crate) struct Incoming {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) permit: ConnectionPermit,
    /// `None` where no TLS is spoken.
    pub(crate) handshake: Option<Handshake>,
}

/// One whose first request can be read.
struct Opened {
    socket: Socket,
    caller: Caller,
    origin: Origin,
}

impl Incoming {
    /// Takes in what comes before HTTP/2: whose connection it is, and TLS;
    /// `None` if that fails.
    async fn open(mut self, front_end: &FrontEnd) -> Option<Opened> {
        let FrontEnd {
            proxies, limits, ..
        } = front_end;
        let mut origin = Origin::new(self.peer, proxies);
        if origin.begins_with_header(proxies) {
            let header = proxy_header::receive(&mut self.stream, origin.peer());
            let source = timeout(limits.head_timeout, header).await.ok()??;
            origin.relay(source, proxies);
        }
        let (transport, caller) = match self.handshake {
            None => (Transport::Plain(self.stream), Caller::default()),
            Some(handshake) => {
                let metrics = &front_end.admission.metrics().tls;
                handshake.run(self.stream, metrics).await?
            }
        };
        Some(Opened {
            socket: Socket::new(transport, limits, self.permit),
            caller,
            origin,
        })
    }
}

/// Serves a connection to its end.
pub(crate) async fn serve(
    incoming: Incoming,
    services: Arc<dyn Services>,
    front_end: Arc<FrontEnd>,
) {
    let limits = &front_end.limits;
    let Some(opened) = incoming.open(&front_end).await else {
        return;
    };
    let Opened {
        socket,
        caller,
        origin,
    } = opened;
    let activity = socket.activity();
    let mut connection = match builder(limits).handshake::<_, Bytes>(socket).await {
        Ok(connection) => connection,
        Err(error) => return ended(&error),
    };
    let mut drain = pin!(drain_begins(front_end.signals()));
    let calls = Arc::new(ConnectionCalls::new(
        services,
        front_end.clone(),
        caller,
        origin,
    ));
    let pings = connection.ping_pong().expect("it is requested once");
    let (interval, patience) = (limits.keepalive_interval, limits.keepalive_timeout);
    let mut silent = pin!(keepalive::watch(pings, &activity, interval, patience));
    let mut bodies = Bodies::default();
    let mut draining = false;
    loop {
        tokio::select! {
            biased;
            () = &mut drain, if !draining => {
                draining = true;
                connection.graceful_shutdown();
            }
            accepted = poll_fn(|cx| accept(&mut connection, &activity, &bodies, cx)) => {
                match accepted {
                    Some(Ok((request, respond))) => begin(&calls, &mut bodies, request, respond),
                    Some(Err(error)) => return ended(&error),
                    None => return,
                }
            }
            () = &mut silent => return,
        }
    }
}

/// The next call. Whenever a turn of reading is over, what it brought is
/// collected before more is read.
fn accept(
    connection: &mut Connection<Socket, Bytes>,
    activity: &Activity,
    bodies: &Bodies,
    cx: &mut Context<'_>,
) -> Poll<Accepted> {
    if activity.turn_is_over() {
        bodies.collect();
        activity.begin_turn();
    }
    pin!(connection.accept()).poll(cx)
}

fn begin(
    calls: &Arc<ConnectionCalls>,
    bodies: &mut Bodies,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let request = request.map(RequestBody::new);
    let collector = request.body().collector();
    bodies.push(collector.clone());
    tokio::spawn(call::serve(calls.clone(), request, collector, respond));
}

async fn drain_begins(mut signals: watch::Receiver<Signals>) {
    // The server holds the sender for as long as the connection lives.
    let _ = signals
        .wait_for(|now| now.drain != DrainPhase::Serving)
        .await;
}

fn ended(error: &h2::Error) {
    static LIMIT: LogLimit = LogLimit::new();
    LIMIT.log(|suppressed| tracing::debug!(suppressed, %error, "a gRPC connection ended"));
}

/// The bodies of a connection's calls, some of which may be gone.
#[derive(Default)]
struct Bodies {
    bodies: Vec<Collector>,
    /// How many there may be before those that are gone are looked for.
    prune_at: usize,
}

impl Bodies {
    fn push(&mut self, body: Collector) {
        if self.bodies.len() >= self.prune_at {
            self.bodies.retain(Collector::is_live);
            self.prune_at = 2 * self.bodies.len().max(8);
        }
        self.bodies.push(body);
    }

    fn collect(&self) {
        self.bodies.iter().for_each(Collector::collect);
    }
}

/// HTTP/2 within the limits.
fn builder(limits: &Limits) -> Builder {
    let streams_max = limits.connection_streams_max();
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(streams_max)
        .initial_window_size(CALL_WINDOW_BYTES)
        .initial_connection_window_size(limits.connection_window_bytes())
        // What it guards is bounded by turns: no more than one brings is ever
        // uncollected. And it is spent for good on small frames that an honest
        // client has sent before it learns that its stream has ended.
        .data_frame_budget(usize::MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .max_send_buffer_size(SEND_BUFFER_BYTES_MAX)
        .max_local_error_reset_streams(Some(RESET_STREAMS_MAX))
        // Frames that were on their way when a stream ended are ignored, as
        // many streams as may end at once; else each would count as a
        // violation.
        .max_concurrent_reset_streams(streams_max as usize)
        .reset_stream_duration(RESET_MEMORY)
        // As many calls as may be open may be taken back before they begin.
        .max_pending_accept_reset_streams(streams_max as usize);
    builder
}
