//! The gRPC port, served: started, drained, and closed.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use tokio::runtime::Runtime;
use tonic::transport;

use crate::admission::Admission;
use crate::grpc::body::BodyRules;
use crate::grpc::front_end::{DrainPhase, FrontEnd};
use crate::grpc::limits::{
    CALL_WINDOW_BYTES, CONNECTION_WINDOW_BYTES, HEADER_LIST_BYTES_MAX, Limits, RESET_STREAMS_MAX,
};
use crate::grpc::ready_queue::ReadyQueue;
use crate::grpc::{listener, router};
use crate::sync::memory_budget::MemoryBudget;

pub(crate) struct GrpcServer {
    front_end: Arc<FrontEnd>,
    address: SocketAddr,
    /// `None` once it is being dropped.
    runtime: Option<Runtime>,
    /// Receives once all connections have closed.
    closed: mpsc::Receiver<()>,
}

impl GrpcServer {
    /// Serves `listener` on this number of threads.
    ///
    /// # Errors
    /// When the system gives no threads or poll list.
    pub(crate) fn start(
        listener: TcpListener,
        limits: Limits,
        admission: Arc<Admission>,
        bodies: Arc<MemoryBudget>,
        ready_queue: Arc<ReadyQueue>,
        threads: usize,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = runtime(threads)?;
        runtime.spawn(ready_queue.clone().dispatch());
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let incoming = listener::accept(listener, &limits);
        let server = transport(&limits);
        let rules = BodyRules {
            admission: admission.clone(),
            message_bytes_max: limits.message_bytes_max,
            timeout: limits.body_timeout,
            bodies,
        };
        let front_end = Arc::new(FrontEnd::new(admission, limits, ready_queue));
        let router = router::services(&front_end, rules);
        let (closing, closed) = mpsc::channel();
        let mut phase = front_end.phase();
        runtime.spawn(async move {
            let drain = async {
                // `GrpcServer` holds the sender, so this ends with the phase.
                let _ = phase.wait_for(|phase| *phase != DrainPhase::Serving).await;
            };
            if let Err(error) = server
                .serve_with_incoming_shutdown(router, incoming, drain)
                .await
            {
                tracing::error!(%error, "the gRPC port is closed");
            }
            let _ = closing.send(()); // nobody waits before a drain
        });
        Ok(Self {
            front_end,
            address,
            runtime: Some(runtime),
            closed,
        })
    }

    /// The address bound.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections and orders. The gate must be closed.
    pub(crate) fn drain(&self) {
        self.front_end.enter_phase(DrainPhase::Draining);
    }

    /// Has all calls that wait for an order or for the feed check once more. The
    /// gate must be empty, or the pipeline force draining.
    pub(crate) fn finish_drain(&self) {
        self.front_end.enter_phase(DrainPhase::Drained);
    }

    /// Waits until all connections have closed, or `deadline` has passed. Those
    /// that are open then are cut off when this is dropped.
    pub(crate) fn wait_closed(&self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        if self.closed.recv_timeout(left).is_err() {
            tracing::debug!("gRPC connections are cut off");
        }
    }
}

impl Drop for GrpcServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Calls don't block, so nothing is waited for.
            runtime.shutdown_background();
        }
    }
}

fn runtime(threads: usize) -> io::Result<Runtime> {
    let number = AtomicUsize::new(0);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name_fn(move || format!("grpc-{}", number.fetch_add(1, Ordering::Relaxed)))
        .enable_io()
        .enable_time()
        .build()
}

/// HTTP/2 within the limits.
fn transport(limits: &Limits) -> transport::Server {
    transport::Server::builder()
        .max_concurrent_streams(limits.streams_max)
        .initial_stream_window_size(CALL_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keepalive_interval(Some(limits.keepalive_interval))
        .http2_keepalive_timeout(Some(limits.keepalive_timeout))
        .http2_max_header_list_size(HEADER_LIST_BYTES_MAX)
        .http2_max_local_error_reset_streams(Some(RESET_STREAMS_MAX))
}
