//! What carries a connection's bytes: TCP, or TLS over it.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::access::Caller;
use crate::metrics::{HandshakeResult, TlsMetrics};
use crate::sync::log_limit::LogLimit;
use crate::tls::{client_at, refuses_client};

/// Bytes of records that the socket has not taken.
const RECORDS_BYTES_MAX: usize = 16 << 10;

pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// TLS for one connection.
pub(crate) struct Handshake {
    pub(crate) config: Arc<ServerConfig>,
    /// So many steps of handshakes run at a time: calls don't wait behind those
    /// of all clients that have just connected.
    pub(crate) steps: Arc<Semaphore>,
    pub(crate) timeout: Duration,
}

impl Handshake {
    /// What is begun, and who has shown a certificate; `None` if it fails, or
    /// takes too long.
    pub(super) async fn run(
        self,
        stream: TcpStream,
        metrics: &TlsMetrics,
    ) -> Option<(Transport, Caller)> {
        let handshaking = metrics.begin();
        let done = timeout(self.timeout, self.steps(stream)).await.ok()?;
        let checked = done.and_then(|mut tls| {
            let connection = tls.get_mut().1;
            connection.set_buffer_limit(Some(RECORDS_BYTES_MAX));
            let certificates = connection.peer_certificates().unwrap_or_default();
            let name = client_at(certificates, SystemTime::now()).map_err(io::Error::other)?;
            let caller = name.map_or_else(Caller::default, |name| {
                static LIMIT: LogLimit = LogLimit::new();
                LIMIT.log(|suppressed| tracing::debug!(suppressed, name, "a client has connected"));
                Caller::certified(name)
            });
            Ok((Transport::Tls(Box::new(tls)), caller))
        });
        handshaking.end(match &checked {
            Ok(_) => HandshakeResult::Completed,
            Err(error) => result_of(error),
        });
        checked
            .inspect_err(|error| {
                static LIMIT: LogLimit = LogLimit::new();
                LIMIT.log(|suppressed| {
                    tracing::debug!(suppressed, %error, "a TLS handshake failed");
                });
            })
            .ok()
    }

    async fn steps(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let mut handshake = pin!(TlsAcceptor::from(self.config.clone()).accept(stream));
        let mut permit = Box::pin(self.steps.clone().acquire_owned());
        poll_fn(|cx| {
            let _permit = ready!(permit.as_mut().poll(cx));
            permit.set(self.steps.clone().acquire_owned());
            handshake.as_mut().poll(cx)
        })
        .await
    }
}

/// How a handshake ended with this error.
fn result_of(error: &io::Error) -> HandshakeResult {
    let refusal = error.get_ref();
    match refusal.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) if refuses_client(error) => HandshakeResult::Certificate,
        Some(_) => HandshakeResult::Refused,
        None => HandshakeResult::Unfinished,
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }
}
