//! What a call has received and not read, inside its window.
//!
//! `h2` keeps each DATA frame that nobody reads, at some 250 bytes beside its
//! payload, and takes too many small ones for a flood: it ends the connection
//! with ENHANCE_YOUR_CALM. Orders are small, each may come in a frame of its
//! own, and a stream that is held back by a full queue doesn't read. So frames
//! are collected from `h2` as they come, and their payloads joined, which costs
//! no more than their bytes. The window opens again for what the call has read,
//! not for what is collected: flow control holds the client back.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http_body::{Body, Frame};
use tonic::Status;

use crate::grpc::limits::READ_PIECE_BYTES;

/// Read by the call's task.
pub(crate) struct RequestBody(Arc<Mutex<Received>>);

/// The other end, which collects for it.
#[derive(Clone)]
pub(crate) struct Collector(Weak<Mutex<Received>>);

struct Received {
    stream: RecvStream,
    collected: BytesMut,
    /// What follows that: nothing more, or an error.
    end: Option<Result<(), Status>>,
    /// The call's task.
    reader: Waker,
}

impl RequestBody {
    pub(crate) fn new(stream: RecvStream) -> Self {
        Self(Arc::new(Mutex::new(Received {
            stream,
            collected: BytesMut::new(),
            end: None,
            reader: Waker::noop().clone(),
        })))
    }

    pub(crate) fn collector(&self) -> Collector {
        Collector(Arc::downgrade(&self.0))
    }
}

impl Collector {
    /// Whether the body is still there to be read.
    pub(crate) fn is_live(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// Collects what has arrived, whether or not the call reads. Its task is
    /// woken as if it had not been collected.
    pub(crate) fn collect(&self) {
        if let Some(received) = self.0.upgrade() {
            let mut received = lock(&received);
            let reader = received.reader.clone();
            received.collect(&mut Context::from_waker(&reader));
        }
    }

    /// The same for the call's own task, which is woken when more arrives.
    pub(crate) fn poll_collect(&self, cx: &mut Context<'_>) {
        if let Some(received) = self.0.upgrade() {
            let mut received = lock(&received);
            received.read_by(cx);
            received.collect(cx);
        }
    }
}

impl Received {
    fn read_by(&mut self, cx: &Context<'_>) {
        if !self.reader.will_wake(cx.waker()) {
            self.reader.clone_from(cx.waker());
        }
    }

    fn collect(&mut self, cx: &mut Context<'_>) {
        while self.end.is_none()
            && let Poll::Ready(data) = self.stream.poll_data(cx)
        {
            match data {
                Some(Ok(bytes)) => self.collected.extend_from_slice(&bytes),
                Some(Err(error)) => self.end = Some(Err(broken_off(&error))),
                None => self.end = Some(Ok(())),
            }
        }
    }

    /// The call takes so many bytes.
    fn release(&mut self, bytes: usize) {
        // It fails only when the stream has ended, whose window is nobody's.
        let _ = self.stream.flow_control().release_capacity(bytes);
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        if !self.collected.is_empty() {
            let bytes = self.collected.len().min(READ_PIECE_BYTES);
            let piece = self.collected.split_to(bytes).freeze();
            if self.collected.is_empty() {
                self.collected = BytesMut::new(); // its memory goes with the piece
            }
            self.release(bytes);
            return Poll::Ready(Some(Ok(piece)));
        }
        if let Some(end) = &self.end {
            return Poll::Ready(end.clone().err().map(Err));
        }
        self.read_by(cx);
        Poll::Ready(match ready!(self.stream.poll_data(cx)) {
            Some(Ok(bytes)) => {
                self.release(bytes.len());
                Some(Ok(bytes))
            }
            Some(Err(error)) => {
                self.end = Some(Err(broken_off(&error)));
                Some(Err(broken_off(&error)))
            }
            None => {
                self.end = Some(Ok(()));
                None
            }
        })
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let data = ready!(lock(&self.0).poll_read(cx));
        Poll::Ready(data.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        let received = lock(&self.0);
        let ended = matches!(received.end, Some(Ok(()))) || received.stream.is_end_stream();
        received.collected.is_empty() && ended
    }
}

fn lock(received: &Mutex<Received>) -> MutexGuard<'_, Received> {
    // Each step leaves it whole.
    received.lock().unwrap_or_else(PoisonError::into_inner)
}

fn broken_off(error: &h2::Error) -> Status {
    Status::cancelled(format!("the request was broken off: {error}"))
}
