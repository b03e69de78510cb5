//! A response that holds its call's permit until the client has taken it.
//!
//! A client may leave a response untaken for as long as it likes, by a window of
//! flow control that it never opens, and answer pings meanwhile. The body isn't
//! polled for its next frame then, so no timeout here could end it; so calls are
//! counted until their response is out.
//!
//! The body alone doesn't know when that is: `h2` takes a whole frame as soon as
//! the window has a byte, keeps what exceeds it, and is done with the body. So
//! the bytes themselves hold the permit, too.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

pub(super) struct PermitBody<B> {
    inner: B,
    permit: Arc<OwnedSemaphorePermit>,
}

/// Owns bytes and the permit.
struct PermitBytes {
    bytes: Bytes,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for PermitBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<B> PermitBody<B> {
    pub(super) fn new(inner: B, permit: OwnedSemaphorePermit) -> Self {
        Self {
            inner,
            permit: Arc::new(permit),
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for PermitBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let with_permit = |bytes| {
            Bytes::from_owner(PermitBytes {
                bytes,
                _permit: self.permit.clone(),
            })
        };
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(with_permit))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
