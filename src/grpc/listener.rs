//! The port: accepting connections up to the limit, and refusing those past it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use crate::grpc::connection_permit::ConnectionLimit;
use crate::grpc::front_end::FrontEnd;
use crate::grpc::http2::{Handshake, Incoming};
use crate::grpc::limits::{LINGER_BYTES_MAX, LINGER_MAX, Limits, REFUSING_MAX};
use crate::sync::log_limit::LogLimit;
use crate::tls::Tls;

/// An empty SETTINGS frame, then GOAWAY with ENHANCE_YOUR_CALM (RFC 9113
/// sections 6.5, 6.8 and 7): what a connection past the limit receives.
const REFUSAL: &[u8] = b"\0\0\0\x04\0\0\0\0\0\
    \0\0\x1c\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0btoo many connections";
/// After an error that is the server's, such as no more descriptors.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Acceptor {
    listener: TcpListener,
    limits: Limits,
    tls: Option<Arc<Tls>>,
    /// Permits for steps of handshakes.
    handshake_steps: Arc<Semaphore>,
    connections: ConnectionLimit,
    refusing: Arc<Semaphore>,
}

impl Acceptor {
    /// Connections to `listener`, in TLS if it is given.
    pub(super) fn new(
        listener: TcpListener,
        front_end: &FrontEnd,
        tls: Option<Arc<Tls>>,
        threads: usize,
    ) -> Self {
        let limits = &front_end.limits;
        Self {
            listener,
            tls,
            // One thread is left for calls, where there is more than one.
            handshake_steps: Arc::new(Semaphore::new((threads - 1).max(1))),
            connections: ConnectionLimit::new(limits.connections_max, front_end.metrics.clone()),
            limits: limits.clone(),
            refusing: Arc::new(Semaphore::new(REFUSING_MAX)),
        }
    }

    /// The next connection, never more than the limit at a time.
    pub(super) async fn next(&self) -> Incoming {
        loop {
            let (stream, peer) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Most errors concern a connection that is gone by then;
                    // for the others a pause keeps this from spinning.
                    static LIMIT: LogLimit = LogLimit::new();
                    LIMIT.log(|suppressed| {
                        tracing::debug!(suppressed, %error, "can't accept a gRPC connection");
                    });
                    sleep(PAUSE).await;
                    continue;
                }
            };
            // If the socket refuses, it is broken, and its first read fails.
            let _ = stream.set_nodelay(true);
            match self.connections.try_acquire() {
                Some(permit) => {
                    return Incoming {
                        stream,
                        peer,
                        permit,
                        handshake: self.handshake(),
                    };
                }
                None => self.refuse(stream),
            }
        }
    }

    fn handshake(&self) -> Option<Handshake> {
        let tls = self.tls.as_ref()?;
        Some(Handshake {
            config: tls.grpc(),
            steps: self.handshake_steps.clone(),
            timeout: self.limits.head_timeout,
        })
    }

    fn refuse(&self, stream: TcpStream) {
        if self.tls.is_some() {
            return; // to say why would take a handshake
        }
        // Fits into the buffer of a fresh socket; if not, the client goes
        // without.
        let _ = stream.try_write(REFUSAL);
        if let Ok(permit) = self.refusing.clone().try_acquire_owned() {
            tokio::spawn(linger(stream, permit));
        }
    }
}

/// Reads what a refused client sends, until it closes: a socket that is closed
/// with bytes unread resets its connection, and the refusal may be lost.
async fn linger(mut stream: TcpStream, _permit: OwnedSemaphorePermit) {
    let _ = poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)).await;
    let mut bytes = [0; 1 << 10];
    let unread = async {
        let mut read = 0;
        while read < LINGER_BYTES_MAX && stream.readable().await.is_ok() {
            match stream.try_read(&mut bytes) {
                Ok(0) => return,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    let _ = timeout(LINGER_MAX, unread).await; // in time or not, it is closed now
}
