//! What the integration tests share: the real binary as a child process on
//! ports of its own, and clients that speak through real sockets.
//!
//! | file | holds |
//! |---|---|
//! | `mod.rs` | waiting for a condition, tests on both engines |
//! | `service.rs` | the process: started, watched, ended |
//! | `client.rs` | a raw HTTP/1.1 client that can send any bytes |
//! | `directory.rs` | a data directory, and services with a journal in it |
//! | `injected.rs` | strace, tampering with a service's system calls |
//! | `address.rs` | ports that outlive a process |
//! | `small.rs` | a file system that fills quickly |
//! | `figures.rs` | `/metrics` as a map, and the accounting identity |
//! | `load.rs` | many clients at once |

#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each test file uses its part"
)]

mod address;
mod client;
mod directory;
mod figures;
mod injected;
mod load;
mod service;
mod small;

use std::thread;
use std::time::{Duration, Instant};

pub(crate) use address::lasting_address;
pub(crate) use client::{Client, Reply, get, order, post, submit};
pub(crate) use directory::Directory;
pub(crate) use figures::Figures;
pub(crate) use injected::Injected;
pub(crate) use load::{Crowd, batch_of_junk, gives_up_on_who_never_reads, python, unread_batches};
pub(crate) use service::{BASE_FLAGS, Ended, Service};
pub(crate) use small::Small;

/// Deadline of anything that should happen at once. Generous, since the machine
/// may be busy; a test that passes never waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Calls `poll` until it returns something, and returns that.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(Instant::now() < deadline, "did not happen in time: {what}");
        thread::sleep(Duration::from_millis(5)); // between two polls, not instead of one
    }
}

/// [`eventually`] for a plain condition.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(what, || holds().then_some(()));
}

/// Makes tests of functions that take the engine's name: one on each engine.
macro_rules! on_both_engines {
    ($($test:ident),* $(,)?) => {
        mod native {
            $(#[test] fn $test() { super::$test("native"); })*
        }
        mod may_minihttp {
            $(#[test] fn $test() { super::$test("may_minihttp"); })*
        }
    };
}
pub(crate) use on_both_engines;
