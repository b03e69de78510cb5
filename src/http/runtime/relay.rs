//! Wakes the watchers of progress where they are many: the committer wakes this
//! one coroutine, which wakes them on an I/O thread.

use std::io;
use std::sync::Arc;

use may::coroutine;

use crate::http::runtime::run_queue::RunQueues;
use crate::sync::crash;
use crate::sync::wake_queue::WakeQueues;
use crate::sync::watch_list::WatchList;

/// Starts the relay of `watchers`, which runs as long as the process.
///
/// # Errors
/// When the system gives no memory for a stack.
pub(crate) fn start(
    run_queues: Arc<RunQueues>,
    wake_queues: WakeQueues,
    watchers: Arc<WatchList>,
) -> io::Result<()> {
    may::go!(coroutine::Builder::new().id(0), move || {
        let _guard = crash::guard();
        watchers.set_relay(run_queues.parked_waker(0, coroutine::current()).into());
        loop {
            coroutine::park();
            watchers.wake_listed();
            wake_queues.flush();
        }
    })?;
    Ok(())
}
