//! Makes segments ahead of use, and removes old ones: a thread beside the
//! writer, so that a change of segment costs the writer nothing.
//!
//! A segment is written with zeroes under another name, synced, renamed, and
//! its name synced: one that bears a segment's name is whole, its blocks are
//! there, and a commit in it changes no metadata. The next one is handed over
//! through [`Handover`]; one is made ahead.
//!
//! It is also what tries again when there is no space: every [`RETRY`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use crate::ledger::Wake;
use crate::ledger::journal::format::segment_name;
use crate::ledger::journal::health::Health;
use crate::ledger::journal::segment_index::SegmentIndex;
use crate::ledger::journal::storage::{File, Storage, is_full, write_full};

/// The name of a segment that is not whole yet.
pub(super) const NEW: &str = "journal.new";
/// Zeroes written in one go.
const ZEROES: usize = 1 << 20;
/// Zeroes synced in one go: a whole segment at once would hold up the commits
/// that are waiting for the same disk.
const SYNC_BYTES: u64 = 4 << 20;
/// How long after finding no space it tries again.
const RETRY: Duration = Duration::from_millis(250);

/// A segment ready to be written to: zeroes, durable.
pub(super) struct Prepared {
    pub(super) number: u32,
    pub(super) file: Box<dyn File>,
}

/// Why there is no next segment.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    /// No space; later perhaps.
    Full(String),
    /// Never again.
    Failed(String),
}

impl Stop {
    /// What an error of `doing` something means.
    pub(super) fn of(doing: &str, error: &io::Error) -> Self {
        let why = format!("{doing}: {error}");
        if is_full(error) {
            Self::Full(why)
        } else {
            Self::Failed(why)
        }
    }
}

/// Between writer and preparer.
pub(super) struct Handover {
    state: Mutex<Turn>,
    changed: Condvar,
    /// The writer, which has found no space, may look again.
    try_again: AtomicBool,
}

struct Turn {
    next: Next,
    /// The writer waits for space.
    writer_full: bool,
    ended: bool,
}

enum Next {
    /// To be made; the number.
    Wanted(u32),
    Ready(Prepared),
    /// Could not be made; the number.
    Stopped(u32, Stop),
}

/// Makes segments and removes old ones.
pub(super) struct Preallocator {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) catalogue: Arc<SegmentIndex>,
    pub(super) health: Arc<Health>,
    pub(super) segment_bytes: u64,
    pub(super) window: u64,
    /// `None`: nothing is removed (any more).
    pub(super) retain_bytes: Option<u64>,
    pub(super) wake: Wake,
}

/// Who prepares.
pub(super) enum Background {
    /// A thread.
    Thread(JoinHandle<()>),
    /// The writer itself, when it needs a segment: for tests that must run the
    /// same way twice.
    #[cfg(test)]
    Inline(Preallocator),
}

impl Handover {
    /// A handover of segment `number` as the first, which may be there.
    pub(super) fn new(number: u32, ready: Option<Box<dyn File>>) -> Arc<Self> {
        let next = match ready {
            Some(file) => Next::Ready(Prepared { number, file }),
            None => Next::Wanted(number),
        };
        Arc::new(Self {
            state: Mutex::new(Turn {
                next,
                writer_full: false,
                ended: false,
            }),
            changed: Condvar::new(),
            try_again: AtomicBool::new(false),
        })
    }

    /// Waits until the next segment has been made, or could not be.
    pub(super) fn wait_until_made(&self) {
        drop(self.made());
    }

    fn made(&self) -> MutexGuard<'_, Turn> {
        let mut turn = self.turn();
        while matches!(turn.next, Next::Wanted(_)) {
            turn = self.wait(turn);
        }
        turn
    }

    /// Takes the next segment. Waits while it is being made.
    pub(super) fn take(&self) -> Result<Prepared, Stop> {
        let mut turn = self.made();
        if let Next::Stopped(_, why) = &turn.next {
            return Err(why.clone());
        }
        let (Next::Ready(Prepared { number, .. })
        | Next::Wanted(number)
        | Next::Stopped(number, _)) = turn.next;
        let after = Next::Wanted(number.checked_add(1).expect("2³² segments fill no disk"));
        self.changed.notify_all();
        match std::mem::replace(&mut turn.next, after) {
            Next::Ready(prepared) => Ok(prepared),
            _ => unreachable!("neither wanted nor stopped: looked at above, under the lock"),
        }
    }

    /// Whether a writer that found no space should look again. Asked often.
    pub(super) fn may_try_again(&self) -> bool {
        // Relaxed: a hint. The order of things is the storage's.
        self.try_again.load(Ordering::Relaxed) && self.try_again.swap(false, Ordering::Relaxed)
    }

    /// The writer has found no space, or has found some.
    pub(super) fn set_writer_full(&self, full: bool) {
        self.turn().writer_full = full;
        self.changed.notify_all();
    }

    fn end(&self) {
        self.turn().ended = true;
        self.changed.notify_all();
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        // Replaced whole: never half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, turn: MutexGuard<'a, Turn>) -> MutexGuard<'a, Turn> {
        self.changed
            .wait(turn)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Preallocator {
    /// Starts the thread.
    pub(super) fn start(self, handover: &Arc<Handover>) -> io::Result<Background> {
        struct Guard(Arc<Handover>);
        impl Drop for Guard {
            fn drop(&mut self) {
                if thread::panicking() {
                    let why = Stop::Failed("the preparer panicked".into());
                    self.0.turn().next = Next::Stopped(0, why);
                    self.0.changed.notify_all();
                }
            }
        }
        let guard = Guard(handover.clone());
        let thread = thread::Builder::new()
            .name("preparer".into())
            .spawn(move || {
                let mut preparer = self;
                preparer.run(&guard.0);
            })?;
        Ok(Background::Thread(thread))
    }

    fn run(&mut self, handover: &Handover) {
        loop {
            self.step(handover);
            let mut turn = handover.turn();
            if turn.writer_full {
                drop(turn);
                handover.try_again.store(true, Ordering::Relaxed);
                (self.wake)();
                turn = handover.turn();
            }
            loop {
                if turn.ended {
                    return;
                }
                let short = match &turn.next {
                    Next::Wanted(_) => break,
                    Next::Stopped(_, Stop::Full(_)) => true,
                    Next::Ready(_) | Next::Stopped(..) => turn.writer_full,
                };
                if !short {
                    turn = handover.wait(turn);
                    continue;
                }
                let (back, timeout) = handover
                    .changed
                    .wait_timeout(turn, RETRY)
                    .unwrap_or_else(PoisonError::into_inner);
                turn = back;
                if timeout.timed_out() {
                    break;
                }
            }
        }
    }

    /// Removes what may go, and makes the next segment if it is wanted.
    pub(super) fn step(&mut self, handover: &Handover) {
        self.retain();
        let turn = handover.turn();
        let (number, was_full) = match turn.next {
            Next::Wanted(number) => (number, false),
            Next::Stopped(number, Stop::Full(_)) => (number, true),
            Next::Ready(_) | Next::Stopped(..) => return,
        };
        drop(turn);
        let next = match self.make(number, handover) {
            Ok(Some(file)) => Next::Ready(Prepared { number, file }),
            Ok(None) => return, // ended
            Err(error) => {
                let why = Stop::of(&format!("can't make {}", segment_name(number)), &error);
                if !was_full {
                    tracing::warn!("the journal's next segment: {error}; make space on the disk");
                }
                Next::Stopped(number, why)
            }
        };
        self.measure(matches!(next, Next::Ready(_)));
        handover.turn().next = next;
        handover.changed.notify_all();
    }

    fn make(&self, number: u32, handover: &Handover) -> io::Result<Option<Box<dyn File>>> {
        let fill = || {
            let file = self.storage.create(NEW)?;
            let zeroes = vec![0; ZEROES.min(self.segment_bytes as usize)];
            let mut offset = 0;
            while offset < self.segment_bytes {
                if handover.turn().ended {
                    return Ok(None);
                }
                let some = (self.segment_bytes - offset).min(zeroes.len() as u64);
                write_full(&*file, &zeroes[..some as usize], offset)?;
                offset += some;
                if offset == self.segment_bytes || offset.is_multiple_of(SYNC_BYTES) {
                    file.sync()?;
                }
            }
            Ok(Some(file))
        };
        let file = fill();
        if !matches!(file, Ok(Some(_))) {
            // Gives its space back. Should that fail, the next one replaces it.
            let _ = self.storage.remove(NEW);
            return file;
        }
        self.storage.rename(NEW, &segment_name(number))?;
        self.storage.sync_names()?;
        file
    }

    /// Removes the oldest segments while there are more bytes than to be
    /// retained. Each one's removal is durable before the next, so that a
    /// crash leaves no gap.
    fn retain(&mut self) {
        let Some(retain_bytes) = self.retain_bytes else {
            return;
        };
        while self.catalogue.bytes() + self.segment_bytes > retain_bytes
            && let Some(number) = self.catalogue.pop_oldest(self.window)
        {
            let name = segment_name(number);
            let removed = self.storage.remove(&name);
            if let Err(error) = removed.and_then(|()| self.storage.sync_names()) {
                tracing::error!(
                    "can't remove {name}: {error}; no segment is removed until the next start"
                );
                self.retain_bytes = None;
                return;
            }
            self.measure(true);
        }
    }

    fn measure(&self, prepared: bool) {
        let ahead = if prepared { self.segment_bytes } else { 0 };
        self.health.set_disk_bytes(self.catalogue.bytes() + ahead);
    }
}

impl Background {
    /// Lets an inline preparer do what a thread would do by itself.
    pub(super) fn let_prepare(&mut self, handover: &Handover) {
        match self {
            Self::Thread(_) => {}
            #[cfg(test)]
            Self::Inline(preparer) => preparer.step(handover),
        }
        let _ = handover;
    }

    /// Whether it tells when to try again.
    pub(super) fn is_inline(&self) -> bool {
        !matches!(self, Self::Thread(_))
    }

    /// Ends the thread.
    pub(super) fn end(self, handover: &Handover) {
        handover.end();
        match self {
            // A panic has been handed over as a failure.
            Self::Thread(thread) => drop(thread.join()),
            #[cfg(test)]
            Self::Inline(_) => {}
        }
    }
}
