//! The slot for one segment between the preallocator, which fills it, and the
//! writer, which empties it.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::ledger::journal::storage::File;
use crate::ledger::journal::write_error::WriteError;

/// How long after finding no space the preallocator tries again.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// A segment ready to be written to: zeroes, durable.
pub(crate) struct PreparedSegment {
    pub(crate) number: u32,
    pub(crate) file: Box<dyn File>,
}

pub(crate) struct SegmentSlot {
    state: Mutex<SlotState>,
    changed: Condvar,
    /// A writer that has found no space may try again.
    retry: AtomicBool,
}

struct SlotState {
    /// Of the next segment.
    number: u32,
    content: Content,
    /// The writer waits for space.
    writer_full: bool,
    closed: bool,
}

enum Content {
    /// The segment is to be made.
    Empty,
    Ready(Box<dyn File>),
    /// It could not be made.
    Unavailable(WriteError),
}

/// A segment that the preallocator is to make.
pub(super) struct Request {
    pub(super) number: u32,
    /// The last attempt found no space.
    pub(super) was_full: bool,
}

impl SegmentSlot {
    /// A slot for segment `number` as the first, which may exist already.
    pub(crate) fn new(number: u32, ready: Option<Box<dyn File>>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(SlotState {
                number,
                content: ready.map_or(Content::Empty, Content::Ready),
                writer_full: false,
                closed: false,
            }),
            changed: Condvar::new(),
            retry: AtomicBool::new(false),
        })
    }

    /// Takes the next segment. Waits while it is being made.
    pub(super) fn take(&self) -> Result<PreparedSegment, WriteError> {
        let mut state = self.wait_while_empty();
        match mem::replace(&mut state.content, Content::Empty) {
            Content::Ready(file) => {
                let number = state.number;
                state.number = number.checked_add(1).expect("2³² segments fill no disk");
                self.changed.notify_all();
                Ok(PreparedSegment { number, file })
            }
            Content::Unavailable(error) => {
                state.content = Content::Unavailable(error.clone());
                Err(error)
            }
            Content::Empty => unreachable!("waited for above, under the same lock"),
        }
    }

    /// Waits until the next segment has been made, or could not be.
    pub(super) fn wait_until_filled(&self) {
        drop(self.wait_while_empty());
    }

    /// Whether a writer that found no space should try again; resets it. Cheap
    /// enough to ask often.
    pub(super) fn take_retry(&self) -> bool {
        // Relaxed: a hint, which publishes nothing.
        self.retry.load(Ordering::Relaxed) && self.retry.swap(false, Ordering::Relaxed)
    }

    /// The writer has found no space, or has found some.
    pub(super) fn set_writer_full(&self, full: bool) {
        self.state().writer_full = full;
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// The segment to make, if one is wanted.
    pub(super) fn request(&self) -> Option<Request> {
        let state = self.state();
        let was_full = match state.content {
            Content::Empty => false,
            Content::Unavailable(WriteError::Full(_)) => true,
            Content::Ready(_) | Content::Unavailable(_) => return None,
        };
        let number = state.number;
        Some(Request { number, was_full })
    }

    /// Fills the slot for a [`Request`].
    pub(super) fn fill(&self, segment: Result<Box<dyn File>, WriteError>) {
        self.state().content = segment.map_or_else(Content::Unavailable, Content::Ready);
        self.changed.notify_all();
    }

    /// Signals a writer that waits for space to try again. Returns whether one
    /// does.
    pub(super) fn signal_retry(&self) -> bool {
        let waits = self.state().writer_full;
        if waits {
            self.retry.store(true, Ordering::Relaxed);
        }
        waits
    }

    /// Waits until a segment is wanted, or an attempt that found no space is to be
    /// repeated; `false`: the slot has been closed.
    pub(super) fn wait_for_work(&self) -> bool {
        let mut state = self.state();
        loop {
            if state.closed {
                return false;
            }
            let no_space = match &state.content {
                Content::Empty => return true,
                Content::Unavailable(WriteError::Full(_)) => true,
                Content::Ready(_) | Content::Unavailable(_) => state.writer_full,
            };
            if !no_space {
                state = self.wait(state);
                continue;
            }
            let (back, timeout) = self
                .changed
                .wait_timeout(state, RETRY_INTERVAL)
                .unwrap_or_else(PoisonError::into_inner);
            state = back;
            if timeout.timed_out() {
                return true;
            }
        }
    }

    fn wait_while_empty(&self) -> MutexGuard<'_, SlotState> {
        let mut state = self.state();
        while matches!(state.content, Content::Empty) {
            state = self.wait(state);
        }
        state
    }

    fn state(&self) -> MutexGuard<'_, SlotState> {
        // A poisoned state is consistent: its fields are replaced one by one, and
        // each is valid with any other.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, SlotState>) -> MutexGuard<'a, SlotState> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }
}
