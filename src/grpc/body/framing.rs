//! Where messages begin and end, and which bytes the decoder is to read.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::grpc::body::message_guard::{Message, MessageGuard};
use crate::grpc::error::CallError;

/// Flag and length in front of a message.
const HEAD_BYTES: usize = 5;

#[derive(Default)]
pub(super) struct Framing {
    state: FramingState,
    /// What the decoder is to read next.
    passed: VecDeque<Bytes>,
}

enum FramingState {
    /// The first `have` bytes of a head, which are passed on once all are here.
    Head { head: [u8; HEAD_BYTES], have: usize },
    /// Bytes of a message are missing.
    Passing { missing: usize },
    /// Bytes of a message that is dropped are missing.
    Dropping { missing: usize },
}

impl Default for FramingState {
    fn default() -> Self {
        Self::Head {
            head: [0; HEAD_BYTES],
            have: 0,
        }
    }
}

impl Framing {
    pub(super) fn is_between_messages(&self) -> bool {
        matches!(self.state, FramingState::Head { have: 0, .. })
    }

    /// Whether all that was passed on has been read.
    pub(super) fn is_empty(&self) -> bool {
        self.passed.is_empty()
    }

    /// The next bytes for the decoder.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        self.passed.pop_front()
    }

    /// Sorts out what the decoder is to read of `bytes`. Nearly always that is all,
    /// in one piece.
    pub(super) fn push(
        &mut self,
        bytes: &Bytes,
        guard: &mut MessageGuard,
        request_ended: bool,
    ) -> Result<(), CallError> {
        // What is passed on next begins at `from`.
        let (mut from, mut at) = (0, 0);
        while at < bytes.len() {
            let left = bytes.len() - at;
            match &mut self.state {
                FramingState::Head { head, have } => {
                    let (head_from, had) = (at, *have);
                    let take = (HEAD_BYTES - had).min(left);
                    at += take;
                    head[had..had + take].copy_from_slice(&bytes[head_from..at]);
                    *have += take;
                    let begun = if *have == HEAD_BYTES {
                        let head = *head;
                        let here = bytes.len() - at;
                        Some((head, self.begin(head, here, guard, request_ended)?))
                    } else {
                        None
                    };
                    if had > 0 || !matches!(begun, Some((_, Message::Passes))) {
                        // Not in one piece with what surrounds it.
                        self.pass(bytes.slice(from..head_from));
                        from = at;
                        match begun {
                            None => {}
                            Some((head, Message::Passes)) => {
                                self.pass(Bytes::copy_from_slice(&head));
                            }
                            Some((_, Message::Dropped)) => {
                                self.pass(Bytes::from_static(&[0; HEAD_BYTES]));
                            }
                        }
                    }
                }
                FramingState::Passing { missing } | FramingState::Dropping { missing } => {
                    let take = (*missing).min(left);
                    *missing -= take;
                    at += take;
                }
            }
            if let FramingState::Dropping { .. } = self.state {
                from = at;
            }
            self.end_message(guard);
        }
        self.pass(bytes.slice(from..));
        Ok(())
    }

    fn pass(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.passed.push_back(bytes);
        }
    }

    fn begin(
        &mut self,
        head: [u8; HEAD_BYTES],
        bytes_here: usize,
        guard: &mut MessageGuard,
        request_ended: bool,
    ) -> Result<Message, CallError> {
        let [_, length @ ..] = head;
        let missing = u32::from_be_bytes(length) as usize;
        let message = guard.begin(missing, bytes_here, request_ended)?;
        self.state = match message {
            Message::Passes => FramingState::Passing { missing },
            Message::Dropped => FramingState::Dropping { missing },
        };
        Ok(message)
    }

    fn end_message(&mut self, guard: &mut MessageGuard) {
        if let FramingState::Passing { missing: 0 } | FramingState::Dropping { missing: 0 } =
            self.state
        {
            self.state = FramingState::default();
            guard.end();
        }
    }
}
