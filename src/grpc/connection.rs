//! An accepted connection, which holds its permit until it is dropped and breaks
//! if the client's preface doesn't come in time. What comes later is guarded by
//! HTTP/2's own pings.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};
use tonic::transport::server::Connected;

/// The client's connection preface and the head of its first frame, which must
/// follow (RFC 9113 section 3.4).
const PREFACE_BYTES: usize = 24 + 9;

pub(super) struct GrpcConnection {
    stream: TcpStream,
    /// `None` once the preface has arrived.
    preface: Option<AwaitedPreface>,
    _permit: OwnedSemaphorePermit,
}

struct AwaitedPreface {
    bytes_missing: usize,
    timeout: Pin<Box<Sleep>>,
}

impl GrpcConnection {
    /// A connection whose preface must arrive within `head_timeout`.
    pub(super) fn new(
        stream: TcpStream,
        head_timeout: Duration,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            stream,
            preface: Some(AwaitedPreface {
                bytes_missing: PREFACE_BYTES,
                timeout: Box::pin(sleep(head_timeout)),
            }),
            _permit: permit,
        }
    }
}

impl AsyncRead for GrpcConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let Self {
            stream, preface, ..
        } = &mut *self;
        let read = Pin::new(stream).poll_read(cx, buf);
        let Some(awaited) = preface else { return read };
        if read.is_ready() {
            let bytes = buf.filled().len() - before;
            awaited.bytes_missing = awaited.bytes_missing.saturating_sub(bytes);
            if awaited.bytes_missing == 0 {
                *preface = None;
            }
            return read;
        }
        ready!(awaited.timeout.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for GrpcConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}

impl Connected for GrpcConnection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}
