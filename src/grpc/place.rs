//! A response that keeps its call's place until the client has taken it.
//!
//! A client may leave a response untaken for as long as it likes, by a window of
//! flow control that it never opens, and answer pings meanwhile. Nobody is asked
//! for the next frame then, so no timeout here could end it; so calls are
//! counted until their response is out.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

/// A body with a place.
pub(super) struct Placed<B> {
    inner: B,
    _place: OwnedSemaphorePermit,
}

impl<B> Placed<B> {
    pub(super) fn new(inner: B, place: OwnedSemaphorePermit) -> Self {
        Self {
            inner,
            _place: place,
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
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
