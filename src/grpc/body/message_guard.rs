//! Size, time and memory of the message that is being received.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::{Sleep, sleep};

use crate::grpc::body::rules::{BodyRules, RequestKind};
use crate::grpc::error::{CallError, ErrorReason};
use crate::metrics::Reason;
use crate::sync::memory_budget::MemoryPermit;

pub(super) struct MessageGuard {
    rules: Arc<BodyRules>,
    kind: RequestKind,
    messages: u64,
    /// For the message that is being received; of a request with one message,
    /// until the request ends.
    permit: Option<MemoryPermit>,
    /// Runs as long.
    timeout: Option<Pin<Box<Sleep>>>,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Passes,
    Dropped,
}

impl MessageGuard {
    pub(super) fn new(rules: Arc<BodyRules>, kind: RequestKind) -> Self {
        Self {
            rules,
            kind,
            messages: 0,
            permit: None,
            timeout: None,
        }
    }

    /// A message of `bytes` begins, of which `bytes_here` have arrived; behind
    /// those the request may have ended.
    pub(super) fn begin(
        &mut self,
        bytes: usize,
        bytes_here: usize,
        request_ended: bool,
    ) -> Result<Message, CallError> {
        self.messages += 1;
        if self.messages > 1 && !self.kind.is_stream() {
            self.reject(Reason::Invalid);
            return Err(ErrorReason::BadMessage.error("the request has more than one message"));
        }
        let limit = self.rules.message_bytes_max;
        if bytes > limit {
            if let RequestKind::OrderStream(dropped) = &self.kind {
                dropped.push(self.messages);
                return Ok(Message::Dropped);
            }
            self.reject(Reason::TooLarge);
            let detail = format!("the message is over {limit} bytes");
            return Err(ErrorReason::TooLarge.error(detail));
        }
        if bytes <= bytes_here && (request_ended || self.kind.is_stream()) {
            // Nothing is waited for: it needs no permit, as over HTTP.
            return Ok(Message::Passes);
        }
        // The decoder allocates the whole message at once. However small the
        // budget is, one fits.
        let bodies = &self.rules.bodies;
        self.permit = bodies.try_acquire(bytes.min(bodies.bytes_max()));
        if self.permit.is_none() {
            self.reject(Reason::Full);
            return Err(ErrorReason::BodyMemory
                .error("too much is being received at once")
                .retry_after(1));
        }
        Ok(Message::Passes)
    }

    /// The message has arrived, or has been dropped.
    pub(super) fn end(&mut self) {
        if self.kind.is_stream() {
            self.permit = None;
            self.timeout = None;
        }
    }

    /// Ready once the message, or a request with one message, takes too long.
    pub(super) fn poll_timeout(
        &mut self,
        cx: &mut Context<'_>,
        between_messages: bool,
    ) -> Poll<CallError> {
        let is_stream = self.kind.is_stream();
        if between_messages && is_stream {
            return Poll::Pending;
        }
        let allowed = self.rules.timeout;
        let timeout = self.timeout.get_or_insert_with(|| Box::pin(sleep(allowed)));
        ready!(timeout.as_mut().poll(cx));
        self.reject(Reason::Timeout);
        let what = if is_stream {
            "a message"
        } else {
            "the request"
        };
        let detail = format!("{what} took over {allowed:?} to arrive");
        Poll::Ready(ErrorReason::TooSlow.error(detail))
    }

    fn reject(&self, reason: Reason) {
        if self.kind.has_orders() {
            self.rules.admission.reject(reason);
        }
    }
}
