//! A connection's bytes.
//!
//! The client's preface must arrive in time and be one; what comes later is
//! guarded by pings. Reading stops after a turn of so many bytes, until the
//! connection has put away what they brought. A client that takes nothing of
//! what is written to it breaks the connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::grpc::connection_permit::ConnectionPermit;
use crate::grpc::http2::transport::Transport;
use crate::grpc::limits::{Limits, READ_TURN_BYTES};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The preface and the head of the frame behind it.
const OPENING_BYTES: usize = PREFACE.len() + 9;
/// GOAWAY with PROTOCOL_ERROR (RFC 9113 sections 6.8 and 7), to a client whose
/// first frame is none of SETTINGS.
const NO_SETTINGS: &[u8] = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01";

pub(super) struct Socket {
    stream: Transport,
    /// `None` once the client's first bytes have arrived.
    opening: Option<Opening>,
    activity: Arc<Activity>,
    write_timeout: Duration,
    /// Runs while the client takes nothing.
    blocked: Option<Pin<Box<Sleep>>>,
    _permit: ConnectionPermit,
}

/// What has been read. For the connection's own task alone, hence `Relaxed`.
#[derive(Default)]
pub(super) struct Activity {
    bytes_read: AtomicU64,
    /// Of those, since the last turn.
    turn_bytes: AtomicUsize,
}

struct Opening {
    bytes: [u8; OPENING_BYTES],
    have: usize,
    timeout: Pin<Box<Sleep>>,
}

impl Socket {
    /// A connection whose preface must arrive within `--head-timeout`.
    pub(super) fn new(stream: Transport, limits: &Limits, permit: ConnectionPermit) -> Self {
        Self {
            stream,
            opening: Some(Opening {
                bytes: [0; OPENING_BYTES],
                have: 0,
                timeout: Box::pin(sleep(limits.head_timeout)),
            }),
            activity: Arc::default(),
            write_timeout: limits.write_timeout,
            blocked: None,
            _permit: permit,
        }
    }

    pub(super) fn activity(&self) -> Arc<Activity> {
        self.activity.clone()
    }

    /// Checks that a write makes progress now and then.
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.blocked = None;
            return written;
        }
        let timeout = self.write_timeout;
        let blocked = self.blocked.get_or_insert_with(|| Box::pin(sleep(timeout)));
        ready!(blocked.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Activity {
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    pub(super) fn turn_is_over(&self) -> bool {
        self.turn_bytes.load(Ordering::Relaxed) >= READ_TURN_BYTES
    }

    pub(super) fn begin_turn(&self) {
        self.turn_bytes.store(0, Ordering::Relaxed);
    }

    fn add(&self, bytes: usize) {
        self.bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
        self.turn_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Opening {
    /// Takes in what was read; whether it may be what a client opens with.
    fn take(&mut self, read: &[u8]) -> bool {
        let take = read.len().min(OPENING_BYTES - self.have);
        self.bytes[self.have..][..take].copy_from_slice(&read[..take]);
        self.have += take;
        // `h2` checks the preface itself, but not that SETTINGS follow: a frame
        // of type 4 on stream 0 that acknowledges nothing (RFC 9113 section
        // 3.4).
        let [kind, flags, stream @ ..] = &self.bytes[PREFACE.len() + 3..] else {
            return false; // it has six bytes
        };
        !self.is_whole()
            || !self.bytes.starts_with(PREFACE)
            || *kind == 4 && flags & 1 == 0 && *stream == [0; 4]
    }

    fn is_whole(&self) -> bool {
        self.have == OPENING_BYTES
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let Self {
            stream,
            opening,
            activity,
            ..
        } = &mut *self;
        if activity.turn_is_over() {
            // Behind the tasks of the calls, which this has woken.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = Pin::new(&mut *stream).poll_read(cx, buf);
        if read.is_ready() {
            activity.add(buf.filled().len() - before);
        }
        let Some(awaited) = opening else { return read };
        if read.is_ready() {
            if !awaited.take(&buf.filled()[before..]) {
                // Fits into the buffer of a fresh socket; if not, the client
                // goes without.
                if Pin::new(&mut *stream)
                    .poll_write(cx, NO_SETTINGS)
                    .is_ready()
                {
                    let _ = Pin::new(&mut *stream).poll_flush(cx);
                }
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            if awaited.is_whole() {
                *opening = None;
            }
            return read;
        }
        ready!(awaited.timeout.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, written)
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
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, written)
    }
}
