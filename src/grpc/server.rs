//! The gRPC port, served: started, drained, and closed.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use tokio::runtime::Runtime;

use crate::access::Access;
use crate::admission::Admission;
use crate::grpc::body::BodyRules;
use crate::grpc::front_end::{DrainPhase, FrontEnd};
use crate::grpc::http2;
use crate::grpc::limits::Limits;
use crate::grpc::listener::Acceptor;
use crate::grpc::ready_queue::ReadyQueue;
use crate::grpc::router::{self, Services};
use crate::peer::Proxies;
use crate::sync::memory_budget::MemoryBudget;
use crate::tls::Tls;

/// The port as it is configured.
pub(crate) struct GrpcPort {
    pub(crate) listener: TcpListener,
    pub(crate) limits: Limits,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) proxies: Proxies,
    pub(crate) threads: usize,
}

pub(crate) struct GrpcServer {
    front_end: Arc<FrontEnd>,
    address: SocketAddr,
    /// `None` once it is being dropped.
    runtime: Option<Runtime>,
    /// Disconnected once all connections have closed.
    closed: mpsc::Receiver<Infallible>,
}

impl GrpcServer {
    /// Serves the port. in TLS if it is given.
    ///
    /// # Errors
    /// When the system gives no threads or poll list.
    pub(crate) fn start(
        port: GrpcPort,
        admission: Arc<Admission>,
        access: Arc<Access>,
        bodies: Arc<MemoryBudget>,
        ready_queue: Arc<ReadyQueue>,
    ) -> io::Result<Self> {
        let GrpcPort {
            listener,
            limits,
            tls,
            proxies,
            threads,
        } = port;
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = runtime(threads)?;
        runtime.spawn(ready_queue.clone().dispatch());
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let rules = BodyRules {
            admission: admission.clone(),
            message_bytes_max: limits.message_bytes_max,
            timeout: limits.body_timeout,
            bodies,
        };
        let front_end = Arc::new(FrontEnd::new(
            admission,
            access,
            proxies,
            limits,
            ready_queue,
        ));
        let acceptor = Acceptor::new(listener, &front_end, tls, threads);
        let services = router::services(&front_end, rules);
        let (open, closed) = mpsc::channel();
        runtime.spawn(accept(acceptor, services, front_end.clone(), open));
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

    /// Has all calls that wait for an order or for the feed check once more.
    /// The gate must be empty, or the pipeline force draining.
    pub(crate) fn finish_drain(&self) {
        self.front_end.enter_phase(DrainPhase::Drained);
    }

    /// Has calls that last check their tokens, which were read again.
    pub(crate) fn tokens_reloaded(&self) {
        self.front_end.tokens_reloaded();
    }

    /// Waits until all connections have closed, or `deadline` has passed. Those
    /// that are open then are cut off when this is dropped.
    pub(crate) fn wait_closed(&self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        if let Err(mpsc::RecvTimeoutError::Timeout) = self.closed.recv_timeout(left) {
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

/// Serves connections until a drain begins. Each holds a clone of `open`.
async fn accept(
    acceptor: Acceptor,
    services: Arc<dyn Services>,
    front_end: Arc<FrontEnd>,
    open: mpsc::Sender<Infallible>,
) {
    let mut signals = front_end.signals();
    // `GrpcServer` holds the sender, so this ends with the phase.
    let mut drain = pin!(signals.wait_for(|now| now.drain != DrainPhase::Serving));
    loop {
        let incoming = tokio::select! {
            biased;
            _ = &mut drain => return,
            incoming = acceptor.next() => incoming,
        };
        let connection = http2::serve(incoming, services.clone(), front_end.clone());
        let open = open.clone();
        tokio::spawn(async move {
            connection.await;
            drop(open);
        });
    }
}
