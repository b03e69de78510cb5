//! Threads, coroutines and tasks whose panic ends the process.
//!
//! The service is crash-only: a panic in one of its own threads is a bug, what
//! the thread left half done can't be trusted, and recovery at the next start
//! is the way back that is proven. So nothing is cleaned up: the process ends
//! at once, with exit code 1. Committed outcomes are on disk by then; orders
//! that were only acknowledged as queued are lost as in any crash.
//!
//! (Candea and Fox, "Crash-Only Software", HotOS 2003.)

use std::io;
use std::process;
use std::thread::{self, JoinHandle};

/// The exit code after a panic.
const EXIT_CODE: i32 = 1;

/// Starts a named thread whose panic ends the process.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn spawn<T: Send + 'static>(
    name: impl Into<String>,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.into()).spawn(move || {
        let _guard = guard();
        run()
    })
}

/// Ends the process if it is dropped by a panic: for coroutines and tasks that
/// others wait for, and whose schedulers would swallow the panic.
pub(crate) fn guard() -> ExitOnPanic {
    ExitOnPanic
}

#[must_use = "it guards as long as it is held"]
pub(crate) struct ExitOnPanic;

impl Drop for ExitOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            let name = thread::current().name().unwrap_or_default().to_owned();
            // The panic hook has reported the panic itself.
            tracing::error!(
                thread = name,
                "a thread of the service panicked; the process ends"
            );
            process::exit(EXIT_CODE);
        }
    }
}
