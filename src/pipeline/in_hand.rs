//! An order that a worker or the committer has in hand, so that a panic of that
//! thread doesn't lose it.
//!
//! Whoever takes an order out of a place ends it or puts it into the next one.
//! In between it is an [`InHand`]; one that a panic drops is put aside, for what
//! is left of the thread to end: see `wreck`.

use std::cell::RefCell;
use std::ops::Deref;
use std::sync::Arc;
use std::thread;

use crate::pipeline::InFlight;

thread_local! {
    /// Orders that a panic of this thread has dropped: as many as it had in hand.
    static DROPPED: RefCell<Vec<Arc<InFlight>>> = const { RefCell::new(Vec::new()) };
}

/// An order that its holder must end or pass on.
pub(crate) struct InHand(Option<Arc<InFlight>>);

impl InHand {
    pub(crate) fn new(job: Arc<InFlight>) -> Self {
        Self(Some(job))
    }

    /// The order, which is the caller's to end from here on: nothing in between
    /// may panic.
    pub(crate) fn let_go(mut self) -> Arc<InFlight> {
        self.0.take().expect("taken here only, and this ends it")
    }
}

impl Deref for InHand {
    type Target = Arc<InFlight>;

    fn deref(&self) -> &Arc<InFlight> {
        self.0.as_ref().expect("taken by `let_go` only")
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        if let Some(job) = self.0.take()
            && thread::panicking()
        {
            // Not there any more when the thread is about to end.
            let _ = DROPPED.try_with(|dropped| dropped.borrow_mut().push(job));
        }
    }
}

/// Takes the orders that a panic of this thread has dropped.
pub(crate) fn dropped() -> Vec<Arc<InFlight>> {
    DROPPED.take()
}
