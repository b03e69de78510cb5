//! A response that keeps its call's place until the client has taken it.
//!
//! A client may leave a response untaken for as long as it likes, by a window of
//! flow control that it never opens, and answer pings meanwhile. Nobody is asked
//! for the next frame then, so no timeout here could end it; so calls are
//! counted until their response is out.
//!
//! The body alone doesn't know when that is: `h2` takes a whole frame as soon as
//! the window has a byte, keeps what exceeds it, and is done with the body. So
//! the bytes themselves hold the place, too.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

/// A body with a place.
pub(super) struct Placed<B> {
    inner: B,
    place: Arc<OwnedSemaphorePermit>,
}

/// Bytes with a place.
struct Held {
    bytes: Bytes,
    _place: Arc<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<B> Placed<B> {
    pub(super) fn new(inner: B, place: OwnedSemaphorePermit) -> Self {
        Self {
            inner,
            place: Arc::new(place),
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Placed<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let held = |bytes| {
            Bytes::from_owner(Held {
                bytes,
                _place: self.place.clone(),
            })
        };
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(held))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
