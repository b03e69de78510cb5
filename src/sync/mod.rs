//! Building blocks that several layers share: parking and waking threads, a
//! value to wait for, lists of wakers, budgets. Nothing here knows what an
//! order is.

pub(crate) mod crash;
pub(crate) mod dispatch_queue;
pub(crate) mod log_limit;
#[cfg(all(test, orders_loom))]
mod loom_models;
pub(crate) mod memory_budget;
#[cfg(all(test, orders_loom))]
pub(crate) mod modelled;
pub(crate) mod oneshot;
pub(crate) mod parking;
pub(crate) mod primitive;
pub(crate) mod rate_limit;
pub(crate) mod wake_queue;
pub(crate) mod watch_list;
