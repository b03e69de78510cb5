//! How the service ends: by a drain, or for a fault.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::server::Listener;
use crate::pipeline::Threads;
use crate::pipeline::gate::GateState;
use crate::server::pending_orders::Saved;
use crate::server::running::Server;

/// How long a force drain waits for orders that are with the ledger or a
/// processor: a commit takes milliseconds, and on a slow disk some hundred of
/// them.
const LAST_COMMIT: Duration = Duration::from_secs(2);
/// How long replies may take to be written once the last order has its outcome.
/// A client whose socket is full by then is not reading.
const LINGER: Duration = Duration::from_secs(1);

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Orders that got their outcome since it began.
    pub drained: u64,
    /// Orders acknowledged as queued that are in the pending file, for the next
    /// start.
    pub kept: usize,
    /// Orders acknowledged as queued that are lost, or with a ledger that
    /// didn't answer in time.
    pub lost: usize,
    /// The pending file could not hold them all. Not set with the memory
    /// ledger, which has none.
    pub keeping_failed: bool,
    /// Whether everything was done before the deadline.
    pub in_time: bool,
    /// How long it took.
    pub took: Duration,
}

impl Server {
    /// Ends the service: takes no more orders, finishes those inside, sends the
    /// replies. It begins by writing orders acknowledged as queued to the
    /// pending file, if the ledger has one: a kill meanwhile loses none. A
    /// [recovery](Self::recovery) that still runs is not waited for; the process
    /// should end then. Orders that are still inside after `timeout` are
    /// withdrawn: a client that waits gets a 503 that says that a retry is safe,
    /// and orders acknowledged as queued remain in the pending file for the next
    /// start.
    pub fn drain(mut self, timeout: Duration) -> Drained {
        let start = Instant::now();
        let deadline = start + timeout;
        let before = self.pipeline.metrics.ledger.outcomes();
        self.pipeline.gate.close(GateState::Draining);
        self.pipeline.end_pause();
        // It withdraws what waits to be tried again.
        self.pipeline.pending_queue.wake_feeder();
        if let Some(native) = &self.native {
            native.stop();
        }
        if let Some(grpc) = &self.grpc {
            grpc.drain();
        }
        // Readers of the feed have nothing to wait for any more, and batches
        // whose lines are still arriving must end.
        self.pipeline.progress.notify();
        self.pipeline.wake_queues.flush();
        self.timers.wake_all();
        // While it is recovering nothing is inside but pending orders, which
        // are in their file.
        let recovering = self.threads.is_none();
        let in_time = recovering || self.pending.wait_empty(&self.pipeline, deadline);
        let mut missed = Vec::new();
        if !in_time {
            missed = self.pipeline.force_drain(LAST_COMMIT);
            self.timers.wake_all();
        }
        if let Some(grpc) = &self.grpc {
            grpc.finish_drain();
        }
        // Before the committer ends, and with it the lock on the directory.
        let saved = std::mem::take(&mut self.pending).save(&self.pipeline, missed);
        // Their outcomes are there, or won't come any more.
        wait_for_none(&self.service.batches, deadline);
        let linger_until = Instant::now() + LINGER;
        self.accepted_all(linger_until);
        self.replies_out(linger_until);
        if let Some(grpc) = &self.grpc {
            grpc.wait_closed(linger_until);
        }

        self.service.closing.store(true, Ordering::Release);
        self.timers.wake_all();
        // Batches that are still waiting get a 503.
        if self.native.is_some() {
            self.replies_out(Instant::now() + LINGER);
        }
        self.timers.stop();
        self.service.observer.stop();
        self.pipeline.close();
        // If not in time, a worker may be stuck in its processor.
        if let (true, Some(threads)) = (in_time, self.threads) {
            join(threads, deadline.max(Instant::now() + LAST_COMMIT));
        }
        Drained {
            drained: self.pipeline.metrics.ledger.outcomes() - before,
            kept: saved.kept,
            lost: saved.lost,
            keeping_failed: saved.durable && saved.lost > 0,
            in_time,
            took: start.elapsed(),
        }
    }

    /// Ends the service after its ledger has failed: waits up to two seconds
    /// for orders that are with a processor or the ledger, writes orders
    /// acknowledged as queued to the pending file as far as possible, and gives
    /// the replies a second to be written. The process should end then.
    pub fn abandon(mut self) {
        if let Some(native) = &self.native {
            native.stop();
        }
        // The gate is closed already.
        let missed = self.pipeline.force_drain(LAST_COMMIT);
        // A batch whose lines are still arriving gets its 503 now, instead of
        // being cut off when the process ends.
        self.service.closing.store(true, Ordering::Release);
        self.timers.wake_all();
        if let Some(grpc) = &self.grpc {
            grpc.drain();
            grpc.finish_drain();
        }
        let Saved { kept, lost, .. } =
            std::mem::take(&mut self.pending).save(&self.pipeline, missed);
        if kept + lost > 0 {
            tracing::error!(
                kept,
                lost,
                "orders were acknowledged as queued and have no outcome"
            );
        }
        let linger_until = Instant::now() + LINGER;
        self.replies_out(linger_until);
        if let Some(grpc) = &self.grpc {
            grpc.wait_closed(linger_until);
        }
        self.pipeline.close();
        // If there are orders, one thread may be stuck in its processor or the
        // ledger.
        if let (0, Some(threads)) = (self.pipeline.gate.orders(), self.threads) {
            join(threads, Instant::now() + LAST_COMMIT);
        }
    }

    /// Waits until all that has connected is accepted. From then on each
    /// connection whose client has no reply yet counts as executing.
    fn accepted_all(&self, deadline: Instant) {
        let closed = || self.native.as_ref().is_none_or(Listener::is_closed);
        wait_until(closed, deadline);
    }

    /// Waits until no request is in execution.
    fn replies_out(&self, deadline: Instant) {
        wait_for_none(&self.service.executing, deadline);
        if self.native.is_none() {
            // The crate writes a reply after our part in the request is over,
            // and gives no sign of having done it.
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Waits for the threads' own end. The journal writes a last record then, and
/// its preallocator may be in a call: nothing that was answered relies on
/// either.
fn join(threads: Threads, deadline: Instant) {
    if !threads.join(deadline) {
        tracing::warn!(
            "the ledger has not closed: ending without that; the next start recovers \
             as after a crash"
        );
    }
}

fn wait_for_none(count: &AtomicUsize, deadline: Instant) {
    wait_until(|| count.load(Ordering::SeqCst) == 0, deadline);
}

/// The threads that bring it about don't know the draining thread, so it polls
/// every millisecond, once in its life.
fn wait_until(holds: impl Fn() -> bool, deadline: Instant) {
    while !holds() && Instant::now() < deadline {
        thread::park_timeout(Duration::from_millis(1));
    }
}
