//! How a consumer goes to sleep when its queue is empty, and how a producer
//! wakes one without paying for it on every push.
//!
//! A consumer spins (if it has a core of its own), gives up its time slice a
//! few times, then *announces* itself in a bit mask, polls the queue once more
//! and parks. A producer pushes, then reads the mask; it makes a system call
//! only if a consumer is announced and none has been woken already.
//!
//! When nobody waits for what was pushed (an order acknowledged as queued), a
//! wake-up for each push is a waste: the consumer is faster than the producer
//! and would go back to sleep each time. So a consumer that has just had such
//! an item *naps* a few times before it sleeps for good, and a push that
//! [deferred](Urgency::Deferred) leaves a napping consumer alone.
//!
//! # Why no wake-up is lost
//!
//! 1. *Announce against push.* The consumer writes its bit, passes a SeqCst
//!    fence and polls the queue; the producer pushes, passes a SeqCst fence and
//!    reads the mask. Of the two fences one comes first, so either the poll
//!    finds the order or the producer finds the bit.
//! 2. *One wake at a time.* `waking` is set by the producer that unparks and
//!    cleared by the consumer it woke, which then passes a fence and polls. A
//!    producer that sees `waking` and skips has pushed before that poll, so the
//!    order is found; a consumer that leaves more behind wakes the next one
//!    ([`Parking::next`] does this for it).
//! 3. *No consumer left to wake.* A producer that set `waking` and finds the
//!    mask empty (the consumers took their bits back) clears `waking`, passes a
//!    fence and reads again, so that a push which skipped meanwhile is covered.
//! 4. *A bit taken back.* A consumer that finds an order after announcing
//!    clears its bit. If a producer was faster, its wake has been swallowed:
//!    others may have skipped theirs because of it, so the consumer clears
//!    `waking` as if it had slept and passes the wake on. The park token that
//!    is left over costs one empty turn of the loop, never a lost order.
//!
//! 5. *Naps.* A consumer counts itself as napping before it announces itself,
//!    and no longer when the nap is over; then it passes a fence and polls. A
//!    producer that saw a napper and skipped has pushed before that poll, as
//!    in point 2.
//!
//! 6. *Pauses.* A consumer that pauses doesn't poll between announcing itself
//!    and parking; it reads the flag `urgent` instead. A producer whose item is
//!    urgent pushes, passes a fence, sets the flag unless it is set, passes the
//!    fence of point 1 and reads the mask. The consumer clears the flag, passes
//!    a fence and polls. So either that poll finds the item, or the producer
//!    sees the flag cleared and sets it; and then, by the fences of point 1,
//!    either the consumer reads the flag before it parks or the producer finds
//!    the bit.
//!
//! The models in `loom_models` check this with `loom`.

use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::sync::primitive::{
    AtomicBool, AtomicU64, OnceLock, Ordering, Thread, current, fence, park, park_pause,
    park_timeout, yield_now,
};

/// Empty polls with a pause in between, before the time slice is given up.
/// About 10 µs, the price of one sleep and wake-up.
const SPINS: u32 = 200;
/// Empty polls with a `sched_yield` in between, before parking. On a machine
/// with fewer cores than busy threads this lets the producer fill the queue,
/// which costs less than a futex wake for each order.
const YIELDS: u32 = 2;

/// How long a nap takes, apart from the kernel's timer slack (50 µs by
/// default). An order that can wait waits about as long as this at most.
const NAP: Duration = Duration::from_micros(50);
/// Naps that find nothing before a consumer sleeps for good.
const NAPS: u32 = if cfg!(orders_loom) { 1 } else { 4 };

/// How soon an item must be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// A submitter waits for it: wake a consumer now.
    Now,
    /// Nobody waits for it: a consumer that naps may finish its nap.
    Deferred,
}

/// What a consumer does between an empty queue and sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Spin first: right when the thread has a core to itself.
    Spin,
    /// Give the core up at once: right when threads share cores, or under a
    /// CPU quota, where spinning burns what the others need.
    Yield,
}

/// The consumers of one queue, asleep or awake.
pub struct Parking {
    /// A bit a consumer, set while it sleeps or is about to. Set by the
    /// consumer, cleared by the thread that wakes it (or by itself).
    asleep: Box<[CachePadded<AtomicU64>]>,
    /// Set while a consumer is unparked and has not polled yet.
    waking: CachePadded<AtomicBool>,
    /// An urgent item was pushed since the consumer's last round began.
    urgent: CachePadded<AtomicBool>,
    #[cfg(test)]
    pausing: std::sync::atomic::AtomicBool,
    /// How many of those asleep only nap.
    napping: CachePadded<AtomicU64>,
    /// Written once by each consumer, before its first announcement.
    threads: Box<[OnceLock<Thread>]>,
    idle: Idle,
}

/// The result of [`Parking::next`].
pub struct Wakeup<T> {
    /// What was found, or `None` if the queue is closed and empty.
    pub item: Option<T>,
    /// How often the consumer slept.
    pub parks: u64,
}

/// The result of one poll of a queue.
pub enum Dequeue<T> {
    /// An item, and whether more are waiting behind it.
    Item(T, bool),
    /// Nothing now.
    Empty,
    /// Nothing now, and nothing will come any more.
    Closed,
}

impl Parking {
    /// For `consumers` threads.
    pub fn new(consumers: usize, idle: Idle) -> Self {
        Self {
            asleep: (0..consumers.div_ceil(64))
                .map(|_| CachePadded::new(AtomicU64::new(0)))
                .collect(),
            waking: CachePadded::new(AtomicBool::new(false)),
            urgent: CachePadded::new(AtomicBool::new(false)),
            #[cfg(test)]
            pausing: std::sync::atomic::AtomicBool::new(false),
            napping: CachePadded::new(AtomicU64::new(0)),
            threads: (0..consumers).map(|_| OnceLock::new()).collect(),
            idle,
        }
    }

    /// Waits until `poll` yields something. `me` is the consumer's own number,
    /// below the count given to [`Parking::new`]; always the same thread.
    /// `last` is how its last item was pushed, and so what to expect of the
    /// next.
    ///
    /// `poll` is called often and must not block.
    pub fn next<T>(
        &self,
        me: usize,
        last: Urgency,
        mut poll: impl FnMut() -> Dequeue<T>,
    ) -> Wakeup<T> {
        let mut naps = match last {
            Urgency::Now => 0,
            Urgency::Deferred => NAPS,
        };
        let mut parks = 0;
        let found = |item, more, parks| {
            if more {
                self.notify(Urgency::Now); // the producers may have relied on us (point 2)
            }
            Wakeup {
                item: Some(item),
                parks,
            }
        };
        loop {
            for attempt in 0..self.attempts() {
                match poll() {
                    Dequeue::Item(item, more) => return found(item, more, parks),
                    Dequeue::Closed => return Wakeup { item: None, parks },
                    Dequeue::Empty if attempt < self.spins() => std::hint::spin_loop(),
                    Dequeue::Empty => yield_now(),
                }
            }
            let nap = naps > 0;
            self.announce(me, nap);
            let polled = poll();
            match polled {
                Dequeue::Empty if nap => {
                    park_timeout(NAP);
                    naps -= 1;
                }
                Dequeue::Empty => {
                    parks += 1;
                    while self.is_announced(me) {
                        park();
                    }
                }
                Dequeue::Item(..) | Dequeue::Closed => {}
            }
            let woken = self.retract(me, nap);
            match polled {
                Dequeue::Item(item, more) => return found(item, more || woken, parks), // point 4
                Dequeue::Closed => return Wakeup { item: None, parks },
                Dequeue::Empty => {}
            }
        }
    }

    /// Before the only consumer polls: what was [urgent](Self::notify_urgent)
    /// is found by that poll.
    pub(crate) fn begin_round(&self) {
        if self.urgent.load(Ordering::Relaxed) {
            self.urgent.store(false, Ordering::Relaxed);
            // Pairs with the first fence in `notify_urgent` (point 6).
            fence(Ordering::SeqCst);
        }
    }

    /// [`notify`](Self::notify) with [`Urgency::Now`], for a consumer that may
    /// [pause](Self::pause).
    pub(crate) fn notify_urgent(&self) {
        // Pairs with the fence in `begin_round` (point 6).
        fence(Ordering::SeqCst);
        if !self.urgent.load(Ordering::Relaxed) {
            self.urgent.store(true, Ordering::Relaxed);
        }
        self.notify(Urgency::Now);
    }

    /// Lets items come together: the only consumer sleeps for `time`, as in a
    /// nap, whatever is in the queue, unless it is urgent or `must_wake` says
    /// so. [`notify_urgent`](Self::notify_urgent) and
    /// [`end_naps`](Self::end_naps) end it.
    pub(crate) fn pause(&self, me: usize, time: Duration, must_wake: impl Fn() -> bool) {
        self.announce(me, true);
        if !self.urgent.load(Ordering::Relaxed) && !must_wake() {
            #[cfg(test)]
            self.pausing.store(true, Ordering::SeqCst);
            park_pause(time);
            #[cfg(test)]
            self.pausing.store(false, Ordering::SeqCst);
        }
        // The caller polls next, and so passes on a wake-up that was swallowed.
        self.retract(me, true);
    }

    #[cfg(test)]
    pub(crate) fn is_pausing(&self) -> bool {
        self.pausing.load(Ordering::SeqCst)
    }

    /// Whether a consumer naps or pauses: a hint, for a producer that may want
    /// to [end](Self::end_naps) it.
    pub(crate) fn is_anyone_napping(&self) -> bool {
        self.napping.load(Ordering::Relaxed) > 0
    }

    /// Wakes a consumer that naps; leaves one alone that sleeps, since it has
    /// found the queue empty.
    pub(crate) fn end_naps(&self) {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        if self.napping.load(Ordering::Relaxed) > 0 {
            self.notify(Urgency::Now);
        }
    }

    /// Wakes a sleeping consumer if there is one and none has been woken
    /// already. To be called after a push. Returns whether it made the system
    /// call.
    pub fn notify(&self, urgency: Urgency) -> bool {
        loop {
            // Pairs with the fences in `announce` and `retract` (points 1, 2
            // and 5).
            fence(Ordering::SeqCst);
            if self.waking.load(Ordering::Relaxed) || !self.anyone_asleep() {
                return false;
            }
            if urgency == Urgency::Deferred && self.napping.load(Ordering::Relaxed) > 0 {
                return false;
            }
            let ours =
                self.waking
                    .compare_exchange(false, true, Ordering::Relaxed, Ordering::Relaxed);
            if ours.is_err() {
                return false;
            }
            if let Some(thread) = self.take_one() {
                thread.unpark();
                return true;
            }
            // Point 3: read the mask again after clearing the flag.
            self.waking.store(false, Ordering::Relaxed);
        }
    }

    /// Wakes every consumer, for a queue that has been closed.
    pub fn notify_all(&self) {
        fence(Ordering::SeqCst);
        while let Some(thread) = self.take_one() {
            thread.unpark();
        }
    }

    fn spins(&self) -> u32 {
        match self.idle {
            Idle::Spin if !cfg!(orders_loom) => SPINS,
            _ => 0,
        }
    }

    fn attempts(&self) -> u32 {
        if cfg!(orders_loom) {
            1
        } else {
            self.spins() + YIELDS
        }
    }

    fn announce(&self, me: usize, nap: bool) {
        if nap {
            self.napping.fetch_add(1, Ordering::Relaxed); // point 5
        }
        self.threads[me].get_or_init(current);
        // Release: the thread that takes the bit sees the handle written above
        // (pairs with the Acquire in `take_one`).
        self.asleep[me / 64].fetch_or(bit(me), Ordering::Release);
        // Pairs with the fence in `notify` (point 1).
        fence(Ordering::SeqCst);
    }

    /// Takes the announcement back; returns whether a producer took it before,
    /// and so woke this consumer or was about to.
    fn retract(&self, me: usize, nap: bool) -> bool {
        if nap {
            self.napping.fetch_sub(1, Ordering::Relaxed);
        }
        // Acquire pairs with the Release of the thread that took the bit: its
        // setting of `waking` comes before our clearing of it.
        let before = self.asleep[me / 64].fetch_and(!bit(me), Ordering::AcqRel);
        let woken = before & bit(me) == 0;
        if woken {
            self.waking.store(false, Ordering::Relaxed);
        }
        // The next poll comes after this; pairs with the fence in `notify`
        // (points 2 and 5).
        fence(Ordering::SeqCst);
        woken
    }

    fn is_announced(&self, me: usize) -> bool {
        // Acquire: what the waker did before it took the bit is seen after it
        // (pairs with the AcqRel in `take_one`).
        self.asleep[me / 64].load(Ordering::Acquire) & bit(me) != 0
    }

    fn anyone_asleep(&self) -> bool {
        self.asleep
            .iter()
            .any(|word| word.load(Ordering::Relaxed) != 0)
    }

    /// Takes the bit of one sleeping consumer, the lowest numbered first, so
    /// that a lightly loaded pool keeps few threads (and their caches) warm.
    fn take_one(&self) -> Option<&Thread> {
        for (index, word) in self.asleep.iter().enumerate() {
            let mut mask = word.load(Ordering::Relaxed);
            while mask != 0 {
                let lowest = mask & mask.wrapping_neg();
                // Acquire pairs with the Release in `announce`, Release with
                // the Acquire in `is_announced`.
                let before = word.fetch_and(!lowest, Ordering::AcqRel);
                if before & lowest != 0 {
                    let consumer = index * 64 + lowest.trailing_zeros() as usize;
                    return self.threads[consumer].get();
                }
                mask = before & !lowest;
            }
        }
        None
    }
}

fn bit(consumer: usize) -> u64 {
    1 << (consumer % 64)
}

#[cfg(all(test, orders_loom))]
mod loom_models;
