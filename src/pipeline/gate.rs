//! The gate: whether orders are taken at all, and how many, in orders and in
//! bytes, are inside.
//!
//! Going in is one atomic addition on one word that holds both counts, then a
//! load of the state; so closing the gate and then finding the word at zero
//! means that nothing is inside and nothing will be.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_utils::CachePadded;

use crate::ledger::Unavailable;
use crate::sync::primitive::{
    AtomicU8, AtomicU64, OnceLock, Ordering, Thread, current, fence, park_pause,
};
use crate::sync::watch_list::WatchList;

/// Bytes are counted in the lower bits: up to 256 GiB.
const BYTES_BITS: u32 = 38;
const BYTES_MASK: u64 = (1 << BYTES_BITS) - 1;
/// Orders above them: up to 67 million.
const ONE_ORDER: u64 = 1 << BYTES_BITS;
/// The largest byte limit, which leaves space for one order too many per thread
/// to be counted before it is refused.
pub(crate) const BYTES_MAX: u64 = 1 << 37;

/// Whether orders are taken, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum GateState {
    /// The ledger is being recovered.
    Recovering = 0,
    /// Orders are taken.
    Open = 1,
    /// The process is about to end.
    Draining = 2,
    /// The ledger has failed.
    LedgerDown = 3,
    /// The ledger has no space; orders are taken again when there is some.
    LedgerFull = 4,
    /// The ledger's servers can't be reached; likewise.
    LedgerAway = 5,
}

const SHEDDING_FULL: u8 = GateState::LedgerFull as u8;
const SHEDDING_AWAY: u8 = GateState::LedgerAway as u8;

/// Why an order was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The gate isn't open.
    Closed(GateState),
    /// It would be too many bytes.
    Bytes,
    /// It would be one order too many.
    Orders,
}

pub struct Gate {
    /// Orders and bytes inside. Added to by admissions, subtracted from by
    /// the thread that ends an order (the committer, a batch at a time).
    inside: CachePadded<AtomicU64>,
    state: CachePadded<AtomicU8>,
    /// The ledger is open but takes nothing: the state that says so, or 0.
    /// Written by the committer.
    shedding: AtomicU8,
    bytes_max: u64,
    orders_max: u64,
    /// The thread that drains, written before the state says so.
    drainer: OnceLock<Thread>,
    /// Watchers of the state.
    pub(crate) changed: Arc<WatchList>,
}

impl Gate {
    /// A gate that lets `bytes_max` bytes and `orders_max` orders in,
    /// recovering at first.
    pub fn new(bytes_max: u64, orders_max: u64) -> Self {
        Self {
            inside: CachePadded::new(AtomicU64::new(0)),
            state: CachePadded::new(AtomicU8::new(GateState::Recovering as u8)),
            shedding: AtomicU8::new(0),
            bytes_max: bytes_max.min(BYTES_MAX),
            orders_max,
            drainer: OnceLock::new(),
            changed: Arc::default(),
        }
    }

    /// Lets an order of so many bytes in; whether it found none inside. One
    /// that is alone always fits.
    ///
    /// # Errors
    /// When the gate is closed, or when it would be too many bytes or orders.
    pub fn enter(&self, bytes: u64) -> Result<bool, Refused> {
        // SeqCst, with `close`: an order either sees the gate closed or is seen
        // inside by the thread that closed it.
        let before = self.inside.fetch_add(ONE_ORDER + bytes, Ordering::SeqCst);
        let state = self.state();
        let refused = if state != GateState::Open {
            Refused::Closed(state)
        } else if before != 0 && (before & BYTES_MASK) + bytes > self.bytes_max {
            Refused::Bytes
        } else if before >> BYTES_BITS >= self.orders_max {
            Refused::Orders
        } else {
            return Ok(before == 0);
        };
        self.leave(1, bytes);
        Err(refused)
    }

    /// Counts pending orders as inside, before the gate opens. `false`, and
    /// nothing is counted, if they exceed a limit.
    pub fn enter_pending(&self, orders: u64, bytes: u64) -> bool {
        // One alone has been let in whatever its size.
        let fits = orders <= self.orders_max && (orders == 1 || bytes <= self.bytes_max);
        if fits {
            // Relaxed: the gate opens behind it, and nobody leaves before.
            let counts = orders * ONE_ORDER + bytes;
            self.inside.fetch_add(counts, Ordering::Relaxed);
        }
        fits
    }

    /// Lets so many orders and bytes out.
    pub fn leave(&self, orders: u64, bytes: u64) {
        // Release: what was done for the orders is visible to the thread that
        // finds none inside (pairs with the Acquire load in `wait_empty`).
        let before = self
            .inside
            .fetch_sub(orders * ONE_ORDER + bytes, Ordering::SeqCst);
        if before >> BYTES_BITS == orders {
            // Pairs with the fence in `wait_empty`.
            fence(Ordering::SeqCst);
            if let Some(thread) = self.drainer.get() {
                thread.unpark();
            }
        }
    }

    pub fn orders(&self) -> u64 {
        self.inside.load(Ordering::Relaxed) >> BYTES_BITS
    }

    pub fn bytes(&self) -> u64 {
        self.inside.load(Ordering::Relaxed) & BYTES_MASK
    }

    pub fn orders_max(&self) -> u64 {
        self.orders_max
    }

    /// Whether so many bytes more would be within the limit.
    pub fn has_space(&self, bytes: u64) -> bool {
        self.bytes() + bytes <= self.bytes_max
    }

    /// Whether at most half of the bytes allowed are inside.
    pub fn is_half_free(&self) -> bool {
        self.bytes() <= self.bytes_max / 2
    }

    pub fn state(&self) -> GateState {
        match self.state.load(Ordering::SeqCst) {
            0 => GateState::Recovering,
            1 => match self.shedding.load(Ordering::Relaxed) {
                0 => GateState::Open,
                SHEDDING_FULL => GateState::LedgerFull,
                _ => GateState::LedgerAway,
            },
            2 => GateState::Draining,
            _ => GateState::LedgerDown,
        }
    }

    /// Opens the gate after recovery; it does not reopen. Flush the wake
    /// queues after this and after [`close`](Self::close), for the watchers.
    pub fn open(&self) {
        let _ = self.state.compare_exchange(
            GateState::Recovering as u8,
            GateState::Open as u8,
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
        self.changed.notify();
    }

    /// Closes it for good. A failed ledger remains the reason.
    pub fn close(&self, state: GateState) {
        self.state.fetch_max(state as u8, Ordering::SeqCst);
        self.changed.notify();
    }

    /// Whether it is closed for good.
    pub fn is_closed(&self) -> bool {
        matches!(self.state(), GateState::Draining | GateState::LedgerDown)
    }

    /// Sheds orders while the ledger takes none. Returns whether that is news,
    /// and the wake queues are to be flushed. For the committer.
    #[must_use = "watchers sleep until the wake queues are flushed"]
    pub fn shed(&self, why: Option<Unavailable>) -> bool {
        let shedding = match why {
            None => 0,
            Some(Unavailable::Full) => SHEDDING_FULL,
            Some(Unavailable::Away) => SHEDDING_AWAY,
        };
        let changes = self.shedding.load(Ordering::Relaxed) != shedding;
        if changes {
            self.shedding.store(shedding, Ordering::Relaxed);
            self.changed.notify();
        }
        changes
    }

    /// Parks the calling thread until nothing is inside or `deadline` has
    /// passed; returns which. For the one thread that drains.
    pub fn wait_empty(&self, deadline: Instant) -> bool {
        self.drainer.get_or_init(current);
        // Pairs with the fence in `leave`: either the zero is seen below, or
        // the handle written above is seen there.
        fence(Ordering::SeqCst);
        loop {
            // Acquire pairs with the subtraction in `leave`; the fence above
            // orders the first look behind `close`.
            if self.inside.load(Ordering::Acquire) >> BYTES_BITS == 0 {
                return true;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return false;
            };
            park_pause(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn counts_orders_and_bytes_and_refuses_past_the_limit() {
        let gate = Gate::new(100, 3);
        assert_eq!(gate.enter(1), Err(Refused::Closed(GateState::Recovering)));
        gate.open();
        assert_eq!(gate.enter(60), Ok(true));
        assert_eq!(gate.enter(41), Err(Refused::Bytes));
        assert_eq!(gate.enter(40), Ok(false));
        assert_eq!((gate.orders(), gate.bytes()), (2, 100));
        gate.leave(2, 100);
        assert_eq!(gate.enter(101), Ok(true), "alone");
        assert_eq!(gate.enter(1), Err(Refused::Bytes));
        gate.leave(1, 101);
        assert_eq!((gate.orders(), gate.bytes()), (0, 0));
        for found_none in [true, false, false] {
            assert_eq!(gate.enter(1), Ok(found_none));
        }
        assert_eq!(gate.enter(1), Err(Refused::Orders));
        assert_eq!((gate.orders(), gate.bytes()), (3, 3));
    }

    #[test]
    fn pending_orders_are_inside_before_it_opens() {
        let gate = Gate::new(100, 3);
        assert!(!gate.enter_pending(4, 40) && !gate.enter_pending(2, 101));
        assert_eq!((gate.orders(), gate.bytes()), (0, 0));
        assert!(gate.enter_pending(3, 100));
        gate.open();
        assert_eq!(gate.enter(1), Err(Refused::Bytes));
        gate.leave(1, 50);
        assert_eq!(gate.enter(1), Ok(false));
        assert_eq!((gate.orders(), gate.bytes()), (3, 51));
    }

    #[test]
    fn closes_for_good_and_for_the_worst_reason() {
        let gate = Gate::new(100, 10);
        gate.open();
        gate.close(GateState::Draining);
        gate.open();
        assert_eq!(gate.enter(1), Err(Refused::Closed(GateState::Draining)));
        gate.close(GateState::LedgerDown);
        gate.close(GateState::Draining);
        assert_eq!(gate.enter(1), Err(Refused::Closed(GateState::LedgerDown)));
    }

    #[test]
    fn a_drainer_waits_for_the_last_one() {
        let gate = Gate::new(100, 10);
        gate.open();
        gate.enter(5).unwrap();
        gate.enter(5).unwrap();
        gate.close(GateState::Draining);
        assert!(!gate.wait_empty(Instant::now()), "two are inside");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                gate.leave(1, 5);
                gate.leave(1, 5);
            });
            assert!(gate.wait_empty(Instant::now() + Duration::from_secs(60)));
        });
    }
}
