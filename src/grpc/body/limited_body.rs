//! The body that the decoder reads, held to the rules.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use tonic::Status;

use crate::grpc::body::framing::Framing;
use crate::grpc::body::message_guard::MessageGuard;
use crate::grpc::body::rules::{BodyRules, RequestKind};

pub(crate) struct LimitedBody<B> {
    inner: B,
    guard: MessageGuard,
    pub(super) framing: Framing,
}

impl<B> LimitedBody<B> {
    pub(crate) fn new(inner: B, rules: Arc<BodyRules>, kind: RequestKind) -> Self {
        Self {
            inner,
            guard: MessageGuard::new(rules, kind),
            framing: Framing::default(),
        }
    }
}

impl<B> Body for LimitedBody<B>
where
    B: Body<Data = Bytes, Error = Status> + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Self {
            inner,
            guard,
            framing,
            ..
        } = &mut *self;
        loop {
            if let Some(bytes) = framing.pop() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            let frame = match Pin::new(&mut *inner).poll_frame(cx) {
                Poll::Pending => {
                    let error = ready!(guard.poll_timeout(cx, framing.is_between_messages()));
                    return Poll::Ready(Some(Err(error.status())));
                }
                Poll::Ready(Some(Ok(frame))) => frame,
                ended => return ended,
            };
            match frame.into_data() {
                Ok(bytes) => {
                    if let Err(error) = framing.push(&bytes, guard, inner.is_end_stream()) {
                        return Poll::Ready(Some(Err(error.status())));
                    }
                }
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.framing.is_empty() && self.inner.is_end_stream()
    }
}
