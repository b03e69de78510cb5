//! Building blocks that several layers share: parking and waking threads, a value
//! to wait for, lists of wakers, budgets. Nothing here knows what an order is.

pub(crate) mod crash;
pub(crate) mod memory_budget;
pub(crate) mod oneshot;
pub(crate) mod parking;
pub(crate) mod primitive;
pub(crate) mod wake_queue;
pub(crate) mod watch_list;
