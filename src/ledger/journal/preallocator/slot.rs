//! The slot for one segment between the preallocator, which fills it, and the
//! writer, which empties it.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::ledger::journal::file_names::segment_name;
use crate::ledger::journal::storage::File;
use crate::ledger::journal::write_error::WriteError;

/// How long after a failed attempt the preallocator tries again, at first.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// A segment ready to be written to: zeroes, durable.
pub(crate) struct PreparedSegment {
    pub(crate) number: u32,
    pub(crate) file: Box<dyn File>,
}

pub(crate) struct SegmentSlot {
    state: Mutex<SlotState>,
    changed: Condvar,
    /// A writer that waits may try again.
    retry: AtomicBool,
    /// Why nothing may be written any more.
    fault: OnceLock<String>,
}

struct SlotState {
    /// Of the next segment.
    number: u32,
    content: Content,
    /// The writer waits to try again.
    writer_waits: bool,
    closed: bool,
}

enum Content {
    /// The segment is to be made.
    Empty,
    Ready(Box<dyn File>),
    /// It could not be made.
    Unavailable(WriteError),
}

impl SegmentSlot {
    /// A slot for segment `number` as the first, which may exist already.
    pub(crate) fn new(number: u32, ready: Option<Box<dyn File>>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(SlotState {
                number,
                content: ready.map_or(Content::Empty, Content::Ready),
                writer_waits: false,
                closed: false,
            }),
            changed: Condvar::new(),
            retry: AtomicBool::new(false),
            fault: OnceLock::new(),
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

    /// Why the next segment could not be made, if that may pass.
    pub(super) fn unavailable(&self) -> Option<String> {
        match &self.state().content {
            Content::Unavailable(WriteError::Later(why)) => Some(why.clone()),
            _ => None,
        }
    }

    /// Why nothing may be written any more. Cheap enough to ask often.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.get().map(String::as_str)
    }

    /// Whether a writer that waits should try again; resets it. Cheap enough to
    /// ask often.
    pub(super) fn take_retry(&self) -> bool {
        // Relaxed: a hint, which publishes nothing.
        self.retry.load(Ordering::Relaxed) && self.retry.swap(false, Ordering::Relaxed)
    }

    /// The writer waits to try again, or doesn't any more.
    pub(super) fn set_writer_waits(&self, waits: bool) {
        self.state().writer_waits = waits;
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// The number of the segment in the slot, or of the one to be made.
    pub(super) fn next_number(&self) -> u32 {
        self.state().number
    }

    /// The segment to make, if one is wanted.
    pub(super) fn request(&self) -> Option<u32> {
        let state = self.state();
        match state.content {
            Content::Empty | Content::Unavailable(WriteError::Later(_)) => Some(state.number),
            Content::Ready(_) | Content::Unavailable(WriteError::Fatal(_)) => None,
        }
    }

    /// Fills the slot for a [`request`](Self::request).
    pub(super) fn fill(&self, segment: Result<Box<dyn File>, WriteError>) {
        self.state().content = segment.map_or_else(Content::Unavailable, Content::Ready);
        self.changed.notify_all();
    }

    /// Nothing may be written any more.
    pub(super) fn fail(&self, why: &str) {
        if self.fault.set(why.to_owned()).is_ok() {
            self.fill(Err(WriteError::Fatal(why.to_owned())));
        }
    }

    /// Whether the segment in the slot still has its name.
    pub(super) fn check_linked(&self) -> Result<(), String> {
        let state = self.state();
        match &state.content {
            // What can't be looked at isn't known to be gone.
            Content::Ready(file) if !file.is_linked().unwrap_or(true) => {
                Err(format!("{} was removed", segment_name(state.number)))
            }
            _ => Ok(()),
        }
    }

    /// Signals a writer that waits to try again, or to look at the
    /// [`fault`](Self::fault). Returns whether one is to be woken.
    pub(super) fn signal_retry(&self) -> bool {
        let waits = self.state().writer_waits;
        if waits {
            self.retry.store(true, Ordering::Relaxed);
        }
        waits || self.fault.get().is_some()
    }

    /// Waits until a segment is wanted, or for so long, or less if the writer
    /// waits; `false`: the slot has been closed.
    pub(super) fn wait_for_work(&self, pause: Duration) -> bool {
        let mut state = self.state();
        loop {
            if state.closed {
                return false;
            }
            if matches!(state.content, Content::Empty) {
                return true;
            }
            let pause = if state.writer_waits {
                pause.min(RETRY_INTERVAL)
            } else {
                pause
            };
            let (back, timeout) = self
                .changed
                .wait_timeout(state, pause)
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
        // A poisoned state is consistent: its fields are replaced one by one,
        // and each is valid with any other.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, SlotState>) -> MutexGuard<'a, SlotState> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }
}
