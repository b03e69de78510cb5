//! The service put together: started from a configuration, ended by a drain.
//!
//! | file | what it is for |
//! |---|---|
//! | `running` | [`Server`]: what is running |
//! | `start` | binding, threads, front ends |
//! | `recovery` | opening the ledger, beside a caller that may end meanwhile |
//! | `outcomes` | [`Outcomes`]: what the ledger holds, read before orders are taken |
//! | `ports`, `coroutines` | sockets and descriptor limits; the coroutine scheduler |
//! | `open_ledger` | recovery, and the dedupe window filled from it |
//! | `pending_orders` | the pending file: written by a drain, taken up by a start |
//! | `memory` | the most memory that a configuration allows |
//! | `attempt` | panics of libraries at the start, as errors |
//! | `drain` | the end: a drain, or after the ledger has failed |

mod attempt;
mod coroutines;
mod drain;
mod error;
mod memory;
mod open_ledger;
mod outcomes;
mod pending_orders;
mod ports;
mod recovery;
mod running;
mod start;

pub use self::attempt::is_starting;
pub use self::drain::Drained;
pub use self::error::StartError;
pub use self::memory::MemoryBounds;
pub use self::outcomes::{CommittedOrder, Outcomes, OutcomesError};
pub use self::recovery::{Recovered, Recovery};
pub use self::running::Server;
