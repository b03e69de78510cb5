//! How the service ends: by a drain, or for a fault.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::api::batch::LAST_BYTES;
use crate::pipeline::gate::GateState;
use crate::server::Server;

/// How long a drain waits, past its deadline, for what the ledger has in hand: a
/// commit takes milliseconds, and a slow disk some hundred of them. After a
/// fault likewise, and for the thread that broke: it reports that before it has
/// ended what it held.
const LAST_COMMIT: Duration = Duration::from_secs(2);
/// How long replies may take to get out once the last order has its outcome.
/// They go to sockets that are open: whose buffers are full by then is not
/// reading.
const FAREWELL: Duration = Duration::from_secs(1);

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Orders that got their outcome since it began.
    pub drained: u64,
    /// Orders somebody was told were queued, and which are on disk for the
    /// next start.
    pub kept: usize,
    /// Orders somebody was told were queued, and which are lost now, or with a
    /// ledger that didn't answer in time.
    pub lost: usize,
    /// Orders were to be kept and could not be: not with the memory ledger,
    /// which keeps none.
    pub keeping_failed: bool,
    /// Whether all was done before the deadline.
    pub in_time: bool,
    /// How long it took.
    pub took: Duration,
}

impl Server {
    /// Ends the service: takes no more orders, finishes those inside, sends
    /// the replies. What is still inside after `timeout` is withdrawn, and
    /// those who wait for it are told that sending it again is safe; what
    /// somebody was told is queued is kept for the next start, if the ledger
    /// has a place for it.
    pub fn drain(mut self, timeout: Duration) -> Drained {
        let start = Instant::now();
        let deadline = start + timeout;
        let before = self.pipeline.metrics.ledger.outcomes();
        self.pipeline.gate.close(GateState::Draining);
        if let Some(native) = &self.native {
            native.stop();
        }
        if let Some(grpc) = &self.grpc {
            grpc.drain();
        }
        // Those who wait for the feed have nothing to wait for any more, and
        // batches whose lines are still coming have to come to their end.
        self.pipeline.progress.notify();
        self.pipeline.wake_queues.flush();
        if self.native.is_none() {
            // The other engine's can't be asked to hurry: they are ended.
            let last = Instant::now() + LAST_BYTES;
            wait_for_none(&self.service.batches, last.min(deadline));
        }
        self.timers.wake_all();
        let in_time = self.pipeline.gate.wait_empty(deadline);
        let mut missed = 0;
        if !in_time {
            missed = self.pipeline.fence(LAST_COMMIT);
            self.timers.wake_all();
        }
        if let Some(grpc) = &self.grpc {
            grpc.finish_drain();
        }
        // Before the committer ends, and with it the hold on the directory; and
        // before replies, which are on their way by themselves.
        let kept = self.keeper.finish(&self.pipeline, missed);
        // They have what they wait for, or it doesn't come any more.
        wait_for_none(&self.service.batches, deadline);
        let farewell = Instant::now() + FAREWELL;
        self.replies_out(farewell);
        if let Some(grpc) = &self.grpc {
            grpc.wait_closed(farewell);
        }

        self.service.closing.store(true, Ordering::Release);
        self.timers.wake_all();
        if self.service.batches.load(Ordering::SeqCst) > 0 {
            // Those that have not are told so.
            self.replies_out(Instant::now() + FAREWELL);
        }
        self.timers.stop();
        self.service.observer.stop();
        self.pipeline.close();
        if let (true, Some(threads)) = (in_time, self.threads) {
            threads.join();
        } // else a worker may be stuck in its processor: not waited for
        Drained {
            drained: self.pipeline.metrics.ledger.outcomes() - before,
            kept: kept.kept + kept.standing,
            lost: kept.lost,
            keeping_failed: kept.can_keep && kept.lost > 0,
            in_time,
            took: start.elapsed(),
        }
    }

    /// After a fault: waits for what is between two places or with the ledger,
    /// two seconds at most, keeps what somebody was told is queued for the next
    /// start as far as it can be had, and gives those who wait a second to hear
    /// that it is over. The process should end then.
    pub fn abandon(&mut self) {
        if let Some(native) = &self.native {
            native.stop();
        }
        // The gate is closed. Those who wait, for orders or for the feed, have
        // nothing to wait for any more.
        let missed = self.pipeline.fence(LAST_COMMIT);
        // A batch whose lines are still coming is told so now, and not cut when
        // the process ends.
        self.service.closing.store(true, Ordering::Release);
        self.timers.wake_all();
        if let Some(grpc) = &self.grpc {
            grpc.drain();
            grpc.finish_drain();
        }
        let finished = self.keeper.finish(&self.pipeline, missed);
        let (kept, lost) = (finished.kept + finished.standing, finished.lost);
        if kept + lost > 0 {
            tracing::error!(kept, lost, "orders were told queued and have no outcome");
        }
        let farewell = Instant::now() + FAREWELL;
        self.replies_out(farewell);
        if let Some(grpc) = &self.grpc {
            grpc.wait_closed(farewell);
        }
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

/// Waits until a count is zero. Those who count don't know the draining thread,
/// so it looks every millisecond, once in its life.
fn wait_for_none(count: &AtomicUsize, deadline: Instant) {
    while count.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
        thread::park_timeout(Duration::from_millis(1));
    }
}
