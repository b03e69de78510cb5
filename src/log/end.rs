//! The end of the process waits for its last lines, however it comes: by a
//! return from `main`, by `exit` in a library, by an abort.

use std::ffi::c_int;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::SIGABRT;
use signal_hook::low_level::{emulate_default_handler, register};

use crate::log::{QUEUE, stderr};

/// How long it waits for them to be read.
const LAST_LINES: Duration = Duration::from_secs(1);
const BETWEEN_POLLS: Duration = Duration::from_millis(1);

// SAFETY: the declaration is that of the C standard (7.22.4.2), and a function
// that doesn't unwind may be registered from anywhere.
unsafe extern "C" {
    /// exit(3) calls `call`, on the thread that exits.
    safe fn atexit(call: extern "C" fn()) -> c_int;
}

/// Has the end wait from now on.
pub(super) fn prepare() -> io::Result<()> {
    if atexit(at_exit) != 0 {
        return Err(io::Error::other("atexit"));
    }
    // SAFETY: `at_abort` may run in a signal handler, as it says.
    unsafe { register(SIGABRT, at_abort) }.map(drop)
}

/// Waits until what was printed and logged is written; not longer than a
/// second, should nobody read it.
extern "C" fn at_exit() {
    let deadline = Instant::now() + LAST_LINES;
    while !stderr::is_read() && Instant::now() < deadline {
        thread::sleep(BETWEEN_POLLS);
    }
    if let Some(queue) = QUEUE.get() {
        queue.flush(deadline.saturating_duration_since(Instant::now()));
    }
}

/// The same in a signal handler, so that it doesn't allocate, panic or wait for
/// a lock, which this thread may hold: it only sleeps between two looks.
fn at_abort() {
    let polls = LAST_LINES.as_millis() / BETWEEN_POLLS.as_millis();
    let is_written = || stderr::is_read() && QUEUE.get().is_none_or(|queue| queue.is_written());
    for _ in 0..polls {
        if is_written() {
            break;
        }
        thread::sleep(BETWEEN_POLLS);
    }
    let _ = emulate_default_handler(SIGABRT); // doesn't return
}
