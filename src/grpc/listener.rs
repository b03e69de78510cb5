//! The port: accepting, up to the limit, and what guards a connection below
//! HTTP/2.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep, timeout};
use tonic::transport::server::Connected;

/// The client's connection preface and the head of its first frame, which must
/// follow (RFC 9113 section 3.4).
const PREFACE_BYTES: usize = 24 + 9;
/// An empty SETTINGS frame, then GOAWAY with ENHANCE_YOUR_CALM (RFC 9113
/// sections 6.5, 6.8 and 7): what a connection past the limit hears.
const REFUSAL: &[u8] = b"\0\0\0\x04\0\0\0\0\0\
    \0\0\x1c\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0btoo many connections";
/// Connections past the limit that are being told so; more are closed at once.
pub(crate) const REFUSING_MAX: usize = 16;
/// How long one of them may take to close, and bytes that are read of it
/// meanwhile.
const FAREWELL: Duration = Duration::from_secs(1);
const FAREWELL_BYTES: usize = 64 << 10;
/// After an error that is the server's, such as no more descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// An accepted connection: its place is given back when it is dropped, and it
/// breaks if the preface doesn't come in time. What comes later is guarded by
/// HTTP/2's own pings.
pub(super) struct Connection {
    stream: TcpStream,
    preface: Option<Preface>,
    _place: OwnedSemaphorePermit,
}

struct Preface {
    missing: usize,
    timeout: Pin<Box<Sleep>>,
}

/// Accepts for as long as it is polled, never more than `connections_max` at a
/// time.
pub(super) fn accept(
    listener: TcpListener,
    connections_max: usize,
    head_timeout: Duration,
) -> impl Stream<Item = io::Result<Connection>> {
    let places = Arc::new(Semaphore::new(connections_max));
    let refusing = Arc::new(Semaphore::new(REFUSING_MAX));
    let state = (listener, places, refusing);
    stream::unfold(state, move |(listener, places, refusing)| async move {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Most are the connection's own, and over with it; for the
                    // others a pause keeps this from spinning.
                    tracing::debug!(%error, "can't accept a gRPC connection");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            // A socket that refuses is broken, and its first read says so.
            let _ = stream.set_nodelay(true);
            let Ok(place) = places.clone().try_acquire_owned() else {
                // Fits into the buffer of a fresh socket, or is not heard.
                let _ = stream.try_write(REFUSAL);
                if let Ok(place) = refusing.clone().try_acquire_owned() {
                    tokio::spawn(see_out(stream, place));
                }
                continue;
            };
            let connection = Connection {
                stream,
                preface: Some(Preface {
                    missing: PREFACE_BYTES,
                    timeout: Box::pin(sleep(head_timeout)),
                }),
                _place: place,
            };
            return Some((Ok(connection), (listener, places, refusing)));
        }
    })
}

/// Takes in what a client sends that was refused, until it closes: a socket that
/// is closed with bytes unread resets its connection, and what was said may be
/// lost.
async fn see_out(mut stream: TcpStream, _place: OwnedSemaphorePermit) {
    let _ = poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)).await;
    let mut bytes = [0; 1 << 10];
    let unread = async {
        let mut read = 0;
        while read < FAREWELL_BYTES && stream.readable().await.is_ok() {
            match stream.try_read(&mut bytes) {
                Ok(0) => return,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    let _ = timeout(FAREWELL, unread).await; // in time or not: it is over
}

impl AsyncRead for Connection {
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
        let Some(waits) = preface else { return read };
        if read.is_ready() {
            let bytes = buf.filled().len() - before;
            waits.missing = waits.missing.saturating_sub(bytes);
            if waits.missing == 0 {
                *preface = None;
            }
            return read;
        }
        ready!(waits.timeout.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Connection {
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

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}
