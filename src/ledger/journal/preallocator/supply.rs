//! The writer's end: takes segments, and ends the preallocator.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::ledger::journal::preallocator::slot::{PreparedSegment, SegmentSlot};
use crate::ledger::journal::preallocator::worker::Preallocator;
use crate::ledger::journal::write_error::WriteError;
use crate::sync::crash;

pub(crate) struct SegmentSupply {
    slot: Arc<SegmentSlot>,
    runner: Runner,
}

enum Runner {
    /// `None` after it has ended.
    Thread(Option<JoinHandle<()>>),
    /// The writer runs it when it needs a segment: for tests that must run the
    /// same way twice.
    #[cfg(test)]
    Inline {
        preallocator: Box<Preallocator>,
        /// Segments taken so far.
        taken: usize,
    },
}

impl SegmentSupply {
    /// Starts the preallocator's thread.
    pub(crate) fn start(
        mut preallocator: Preallocator,
        slot: Arc<SegmentSlot>,
    ) -> io::Result<Self> {
        let filled = slot.clone();
        let thread = crash::spawn("preallocator", move || preallocator.run(&filled))?;
        Ok(Self {
            slot,
            runner: Runner::Thread(Some(thread)),
        })
    }

    #[cfg(test)]
    pub(crate) fn inline(preallocator: Preallocator, slot: Arc<SegmentSlot>) -> Self {
        let mut preallocator = Box::new(preallocator);
        preallocator.step(&slot);
        preallocator.record_extent();
        Self {
            slot,
            runner: Runner::Inline {
                preallocator,
                taken: 0,
            },
        }
    }

    /// Takes the next segment. Waits while it is being made.
    pub(crate) fn take(&mut self) -> Result<PreparedSegment, WriteError> {
        self.step_inline();
        let prepared = self.slot.take()?;
        self.record_inline();
        self.step_inline();
        Ok(prepared)
    }

    /// Waits until the next segment has been made, or could not be.
    pub(crate) fn wait_until_filled(&self) {
        self.slot.wait_until_filled();
    }

    /// Why there is no next segment for now.
    pub(crate) fn unavailable(&self) -> Option<String> {
        self.slot.unavailable()
    }

    /// Why nothing may be written any more.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.slot.fault()
    }

    /// Whether a writer that waits should try again; resets it.
    pub(crate) fn take_retry(&self) -> bool {
        match self.runner {
            Runner::Thread(_) => self.slot.take_retry(),
            #[cfg(test)]
            Runner::Inline { .. } => true,
        }
    }

    /// The writer waits to try again, or doesn't any more.
    pub(crate) fn set_writer_waits(&self, waits: bool) {
        self.slot.set_writer_waits(waits);
    }

    /// Ends the preallocator.
    pub(crate) fn close(&mut self) {
        self.slot.close();
        match &mut self.runner {
            Runner::Thread(thread) => {
                // A panic ends the process.
                let _ = thread.take().map(JoinHandle::join);
            }
            #[cfg(test)]
            Runner::Inline { .. } => {}
        }
    }

    fn step_inline(&mut self) {
        match &mut self.runner {
            Runner::Thread(_) => {}
            #[cfg(test)]
            Runner::Inline { preallocator, .. } => {
                preallocator.step(&self.slot);
            }
        }
    }

    /// The writer may be ahead of the extent, by as many segments as it likes,
    /// and what it relies on must be durable without it.
    fn record_inline(&mut self) {
        match &mut self.runner {
            Runner::Thread(_) => {}
            #[cfg(test)]
            Runner::Inline {
                preallocator,
                taken,
            } => {
                *taken += 1;
                if taken.is_multiple_of(3) {
                    preallocator.record_extent();
                }
            }
        }
    }
}
