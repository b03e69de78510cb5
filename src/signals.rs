//! Signals: SIGTERM and SIGINT end the process, SIGHUP never does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// Calls `stop` on the first SIGTERM or SIGINT; the second ends the process at
/// once.
pub(crate) fn watch(stop: impl FnOnce(i32) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let mut stop = Some(stop);
            for signal in signals.forever() {
                if signal == SIGHUP {
                    tracing::info!("SIGHUP: this version has nothing to read again");
                } else if let Some(stop) = stop.take() {
                    stop(signal);
                } else {
                    tracing::warn!("second signal: stopped without draining");
                    process::exit(exit::DEADLINE.into());
                }
            }
        })?;
    Ok(())
}
