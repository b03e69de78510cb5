//! The service put together: started from a configuration, ended by a drain.
//!
//! | file | what it is for |
//! |---|---|
//! | `running` | [`Server`]: what is running |
//! | `start` | binding, threads, front ends; then opening the ledger |
//! | `ports`, `coroutines` | sockets and descriptor limits; the coroutine scheduler |
//! | `open_ledger` | recovery, and the dedupe window filled from it |
//! | `pending_orders` | the pending file: written by a drain, taken up by a start |
//! | `drain` | the end: a drain, or after the ledger has failed |

mod coroutines;
mod drain;
mod error;
mod open_ledger;
mod pending_orders;
mod ports;
mod running;
mod start;

pub use self::drain::Drained;
pub use self::error::StartError;
pub use self::running::Server;
