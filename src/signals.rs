//! Signals: SIGTERM and SIGINT end the process, SIGHUP never does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{io, process, thread};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::exit;

/// Whether SIGHUP ends the process: a tool, whose terminal was closed.
pub(crate) struct HangUp(Arc<AtomicBool>);

impl HangUp {
    /// Survives SIGHUP from now on: a terminal that is closed, or an operator
    /// who has something reread.
    pub(crate) fn survive() -> io::Result<Self> {
        let ends = Arc::new(AtomicBool::new(false));
        flag::register_conditional_default(SIGHUP, ends.clone())?;
        Ok(Self(ends))
    }

    /// Leaves the signal with its usual effect.
    pub(crate) fn ends_the_process(&self) {
        // Read by the handler, whenever that runs.
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A signal that comes again within this time is the same request: terminals,
/// timeout(1) and supervisors send it to the process and to its group.
const REPEATED: Duration = Duration::from_secs(2);

/// Calls `hang_up` on each SIGHUP, and `stop` on the first SIGTERM or SIGINT;
/// the second ends the process at once, unless it is the first one
/// [again](REPEATED).
pub(crate) fn watch(
    hang_up: impl Fn() + Send + 'static,
    stop: impl FnOnce(i32) + Send + 'static,
) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let mut stop = Some(stop);
            let mut first = None;
            for signal in signals.forever() {
                if signal == SIGHUP {
                    hang_up();
                } else if let Some(stop) = stop.take() {
                    first = Some((signal, Instant::now()));
                    stop(signal);
                } else if first.is_some_and(|(it, at)| it == signal && at.elapsed() < REPEATED) {
                    tracing::info!(
                        signal,
                        "the same signal again: send it once more after 2s to stop without draining"
                    );
                } else {
                    tracing::warn!("second signal: stopped without draining");
                    process::exit(exit::DEADLINE.into());
                }
            }
        })?;
    Ok(())
}
