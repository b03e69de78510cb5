//! A request's body on its way to the decoder: messages of bounded size that
//! arrive in time, inside the budget of all bodies.
//!
//! A gRPC message comes behind five bytes, a flag and its length, and is not
//! aligned with the frames of HTTP/2 ("gRPC over HTTP2", Length-Prefixed-Message).
//! This looks at no more than those five. A message over the limit ends a call
//! with one message; in a stream it is dropped as it comes, an empty one is put
//! in its place, and [`Oversize`] says which it was.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};
use tonic::Status;

use crate::admission::Admission;
use crate::grpc::status::{Kind, Refusal};
use crate::metrics::Reason;
use crate::sync::memory_budget::{MemoryBudget, MemoryPermit};

/// Flag and length in front of a message.
const HEAD: usize = 5;

/// Which messages of a stream were dropped for their size, by number from 1.
/// Written by the body, read by whoever gets the empty ones.
#[derive(Clone, Default)]
pub(super) struct Oversize(Arc<Mutex<VecDeque<u64>>>);

impl Oversize {
    fn drop_message(&self, number: u64) {
        self.list().push_back(number);
    }

    /// Whether this message was dropped; to be asked once, in order.
    pub(super) fn was_dropped(&self, number: u64) -> bool {
        self.list().pop_front_if(|first| *first == number).is_some()
    }

    fn list(&self) -> std::sync::MutexGuard<'_, VecDeque<u64>> {
        // Single pushes and pops: never half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What all bodies are held to.
pub(super) struct Rules {
    /// Counts what is refused.
    pub(super) admission: Arc<Admission>,
    pub(super) message_max: usize,
    pub(super) timeout: Duration,
    pub(super) bodies: Arc<MemoryBudget>,
}

/// What a call does with a message over the limit.
#[derive(Clone)]
pub(super) enum TooLarge {
    /// Ends: a call with one message.
    Ends,
    /// The same, and counts a rejected order.
    EndsCounted,
    /// Ends: a stream.
    EndsStream,
    /// Drops the message and goes on.
    Drops(Oversize),
}

/// A body held to the rules.
pub(super) struct Metered<B> {
    inner: B,
    rules: Arc<Rules>,
    too_large: TooLarge,
    messages: u64,
    state: State,
    /// What the decoder is to see next.
    passed: VecDeque<Bytes>,
    /// Runs while a message has begun and not ended, and, for a call with one
    /// message, until the request has.
    timeout: Option<Pin<Box<Sleep>>>,
    /// The client has said that nothing comes behind what is here.
    ended: bool,
    /// For a call with one message, which is held until the request ends.
    room: Option<MemoryPermit>,
    /// A place among the streams of a kind, given back with the body.
    _place: Option<OwnedSemaphorePermit>,
}

enum State {
    /// So many bytes of a head are here; they are passed on when all are.
    Head([u8; HEAD], usize),
    /// So many bytes of a message are missing.
    Message(
        usize,
        #[expect(dead_code, reason = "held until the message is here")] Option<MemoryPermit>,
    ),
    /// So many bytes of a message that is dropped are missing.
    Dropped(usize),
}

impl<B> Metered<B> {
    pub(super) fn new(
        inner: B,
        rules: Arc<Rules>,
        too_large: TooLarge,
        place: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            inner,
            rules,
            too_large,
            messages: 0,
            state: State::Head([0; HEAD], 0),
            passed: VecDeque::new(),
            timeout: None,
            ended: false,
            room: None,
            _place: place,
        }
    }

    /// Whether messages may come whenever the client likes.
    fn is_stream(&self) -> bool {
        matches!(self.too_large, TooLarge::Drops(_) | TooLarge::EndsStream)
    }

    /// Sorts out what the decoder is to see. Nearly always that is all, in one
    /// piece.
    fn sort(&mut self, bytes: &Bytes) -> Result<(), Refusal> {
        // What is passed on next begins at `from`.
        let (mut from, mut at) = (0, 0);
        while at < bytes.len() {
            let left = bytes.len() - at;
            match &mut self.state {
                State::Head(head, have) => {
                    let had = *have;
                    let take = (HEAD - had).min(left);
                    head[had..had + take].copy_from_slice(&bytes[at..at + take]);
                    *have += take;
                    let head = (*have == HEAD).then_some(*head);
                    at += take;
                    let passes = match head {
                        None => false,
                        Some(head) => self.begin(head, bytes.len() - at)?,
                    };
                    if had == 0 && passes {
                        self.end_message(); // an empty one is over already
                        continue;
                    }
                    self.pass(bytes.slice(from..at - take));
                    from = at;
                    match head {
                        None => {}
                        Some(head) if passes => self.pass(Bytes::copy_from_slice(&head)),
                        Some(_) => self.pass(Bytes::from_static(&[0; HEAD])),
                    }
                }
                State::Message(missing, _) => {
                    let take = (*missing).min(left);
                    *missing -= take;
                    at += take;
                }
                State::Dropped(missing) => {
                    let take = (*missing).min(left);
                    *missing -= take;
                    at += take;
                    from = at;
                }
            }
            self.end_message();
        }
        self.pass(bytes.slice(from..));
        Ok(())
    }

    fn pass(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.passed.push_back(bytes);
        }
    }

    /// A message begins, of which so many bytes are here: whether the decoder is
    /// to see it.
    fn begin(&mut self, head: [u8; HEAD], here: usize) -> Result<bool, Refusal> {
        let [_, length @ ..] = head;
        let bytes = u32::from_be_bytes(length) as usize;
        self.messages += 1;
        let limit = self.rules.message_max;
        if bytes > limit {
            if let TooLarge::Drops(oversize) = &self.too_large {
                oversize.drop_message(self.messages);
                self.state = State::Dropped(bytes);
                return Ok(false);
            }
            self.reject(Reason::TooLarge);
            return Err(Kind::TooLarge.because(format!("the message is over {limit} bytes")));
        }
        if bytes <= here && (self.ended || self.is_stream()) {
            // Nothing is waited for: it takes no room, as over HTTP.
            self.state = State::Message(bytes, None);
            return Ok(true);
        }
        // However small the budget is, one message fits.
        let bodies = &self.rules.bodies;
        let Some(room) = bodies.try_acquire(bytes.min(bodies.bytes_max())) else {
            self.reject(Reason::Full);
            return Err(Kind::BodyMemory
                .because("too much is being received at once")
                .retry_after(1));
        };
        self.state = if self.is_stream() {
            State::Message(bytes, Some(room))
        } else {
            self.room = Some(room);
            State::Message(bytes, None)
        };
        Ok(true)
    }

    fn end_message(&mut self) {
        if let State::Message(0, _) | State::Dropped(0) = self.state {
            self.state = State::Head([0; HEAD], 0);
            if self.is_stream() {
                self.timeout = None;
            }
        }
    }

    fn reject(&self, reason: Reason) {
        if !matches!(self.too_large, TooLarge::Ends | TooLarge::EndsStream) {
            self.rules.admission.reject(reason);
        }
    }

    /// Ends the call if what is awaited takes too long.
    fn late(&mut self, cx: &mut Context<'_>) -> Poll<Refusal> {
        if let State::Head(_, 0) = self.state
            && self.is_stream()
        {
            return Poll::Pending;
        }
        let allowed = self.rules.timeout;
        let timeout = self.timeout.get_or_insert_with(|| Box::pin(sleep(allowed)));
        ready!(timeout.as_mut().poll(cx));
        self.reject(Reason::Timeout);
        let what = if self.is_stream() {
            "a message"
        } else {
            "the request"
        };
        Poll::Ready(Kind::TooSlow.because(format!("{what} took over {allowed:?} to arrive")))
    }
}

impl<B> Body for Metered<B>
where
    B: Body<Data = Bytes, Error = Status> + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            if let Some(bytes) = self.passed.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            let frame = match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Pending => {
                    let refusal = ready!(self.late(cx));
                    return Poll::Ready(Some(Err(refusal.status())));
                }
                Poll::Ready(Some(Ok(frame))) => frame,
                ended => return ended,
            };
            match frame.into_data() {
                Ok(bytes) => {
                    self.ended = self.inner.is_end_stream();
                    if let Err(refusal) = self.sort(&bytes) {
                        return Poll::Ready(Some(Err(refusal.status())));
                    }
                }
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.passed.is_empty() && self.inner.is_end_stream()
    }
}

#[cfg(test)]
mod tests;
