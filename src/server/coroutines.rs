//! The coroutine scheduler, which belongs to the process.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cpu::plan::Plan;
use crate::cpu::topology;
use crate::http::server;
use crate::server::error::StartError;

/// Sets the coroutine scheduler up, once for the process; returns how many
/// threads it has.
///
/// # Panics
/// When the scheduler gets no epoll instance, thread or stack.
pub(super) fn start_coroutines(plan: &Plan) -> Result<usize, StartError> {
    // It reads the mask, too, and doesn't say why it panics.
    if core_affinity::get_core_ids().is_none() {
        return Err(StartError::System {
            what: "the coroutine scheduler, which reads the affinity mask",
            source: io::Error::last_os_error(),
        });
    }
    static IO_THREADS: OnceLock<usize> = OnceLock::new();
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    let io_threads = *IO_THREADS.get_or_init(|| {
        // The plan places the threads.
        may::config().set_worker_pin(false);
        may::config()
            .set_workers(plan.io_threads)
            .set_stack_size(server::stack_words())
            // Stacks pooled for reuse; more are mapped as connections come.
            .set_pool_capacity(128);
        plan.io_threads
    });
    if STARTED.fetch_add(1, Ordering::Relaxed) == 0 {
        for (thread, core) in plan.io_cores.iter().enumerate() {
            let Some(core) = *core else { continue };
            may::go!(may::coroutine::Builder::new().id(thread), move || {
                if let Err(why) = topology::pin_current(core) {
                    tracing::warn!(io_thread = thread, core = core.id, %why, "not pinned");
                }
            })
            .map_err(StartError::system("the coroutine scheduler"))?;
        }
    }
    Ok(io_threads)
}
