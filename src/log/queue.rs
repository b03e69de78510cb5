//! The queue between those who log and the thread that writes.
//!
//! A pipe that nobody reads, a terminal that is stopped or a full disk makes a
//! write to standard error wait, for ever perhaps. Only the thread `log` waits
//! for it: the others put their lines into a bounded queue, and what finds no
//! space there is dropped and counted.

use std::io;
use std::io::Write;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// Bytes of lines that may wait; some thousand lines.
const BYTES_MAX: usize = 256 << 10;

#[derive(Default)]
pub(crate) struct LineQueue {
    state: Mutex<State>,
    /// There are lines to be written.
    filled: Condvar,
    /// All lines are written.
    empty: Condvar,
    /// The thread that writes, once it runs.
    writer: OnceLock<ThreadId>,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    /// The thread has taken lines and is writing them.
    writing: bool,
    /// Lines dropped since the last that were reported.
    dropped: u64,
    /// Nobody reads: a flush has waited in vain since the last write.
    stalled: bool,
}

impl State {
    /// Whether there is nothing to be written or reported.
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.dropped == 0
    }

    fn is_written(&self) -> bool {
        !self.writing && self.is_empty()
    }
}

impl LineQueue {
    /// Starts the thread that writes to `out`. When lines were dropped, it
    /// calls `report` with their number once it can write again.
    pub(crate) fn start(
        self: &Arc<Self>,
        out: impl Write + Send + 'static,
        report: impl Fn(u64) + Send + 'static,
    ) -> io::Result<()> {
        let queue = self.clone();
        thread::Builder::new()
            .name("log".into())
            .spawn(move || queue.run(out, report))
            .map(drop)
    }

    fn run(&self, mut out: impl Write, report: impl Fn(u64)) {
        self.writer.get_or_init(|| thread::current().id());
        let mut lines = Vec::new();
        loop {
            lines.clear();
            let mut state = self.state();
            state.writing = false;
            state.stalled = false;
            if state.is_empty() {
                self.empty.notify_all();
            }
            let mut state = self
                .filled
                .wait_while(state, |state| state.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            mem::swap(&mut state.lines, &mut lines);
            let dropped = mem::take(&mut state.dropped);
            state.writing = true;
            drop(state);
            if dropped > 0 {
                report(dropped);
            }
            // What can't be written can't be reported either.
            let _ = out.write_all(&lines);
        }
    }

    /// Adds a line, or drops it.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut state = self.state();
        // One line always fits, and so does a report of those that didn't: a
        // queue that stays full would drop it, and it would be due again.
        let fits = state.lines.is_empty() || state.lines.len() + line.len() <= BYTES_MAX;
        if fits || self.writer.get() == Some(&thread::current().id()) {
            state.lines.extend_from_slice(line);
            drop(state);
            self.filled.notify_one();
        } else {
            state.dropped += 1;
        }
    }

    /// Whether all lines are written, as far as can be said without waiting for
    /// the lock: also for a signal handler.
    pub(crate) fn is_written(&self) -> bool {
        match self.state.try_lock() {
            Ok(state) => state.is_written(),
            Err(TryLockError::Poisoned(state)) => state.into_inner().is_written(),
            Err(TryLockError::WouldBlock) => false,
        }
    }

    /// Waits until all lines are written, or for so long.
    pub(crate) fn flush(&self, timeout: Duration) {
        self.wait(self.state(), timeout);
    }

    /// The same, but not at all if another wait was in vain and nothing was
    /// written since: for a thread that has other work to do.
    pub(crate) fn flush_unless_stalled(&self, timeout: Duration) {
        let state = self.state();
        if !state.stalled {
            self.wait(state, timeout);
        }
    }

    fn wait(&self, mut state: MutexGuard<'_, State>, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        while !state.is_written() {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                state.stalled = true;
                return;
            };
            (state, _) = self
                .empty
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A panic while it is held leaves whole lines behind.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// Writes once for each permit; what it wrote can be read.
    struct Gated {
        permits: Receiver<()>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.permits.recv().expect("the test holds a sender");
            self.written
                .send(bytes.to_vec())
                .map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn start() -> (Arc<LineQueue>, Sender<()>, Receiver<Vec<u8>>) {
        start_with(Arc::default())
    }

    fn start_with(queue: Arc<LineQueue>) -> (Arc<LineQueue>, Sender<()>, Receiver<Vec<u8>>) {
        let (permit, permits) = channel();
        let (written, lines) = channel();
        let reported = queue.clone();
        let report = move |count| reported.push(format!("{count} dropped\n").as_bytes());
        queue.start(Gated { permits, written }, report).unwrap();
        (queue, permit, lines)
    }

    #[test]
    fn lines_come_out_in_order() {
        let (queue, permit, lines) = start();
        for _ in 0..100 {
            permit.send(()).unwrap();
        }
        let text: String = (0..100).map(|n| format!("line {n}\n")).collect();
        for line in text.split_inclusive('\n') {
            queue.push(line.as_bytes());
        }
        queue.flush(LONG);
        let written: Vec<u8> = lines.try_iter().flatten().collect();
        assert_eq!(String::from_utf8(written).unwrap(), text);
    }

    #[test]
    fn a_stalled_reader_delays_nobody_and_drops_are_counted() {
        let (queue, permit, lines) = start();
        let line = [b'x'; 1024];
        let pushed = 4 * BYTES_MAX / line.len();
        queue.push(&line);
        while !queue.state().writing {
            thread::yield_now(); // so that all lines dropped are in one report
        }
        for _ in 1..pushed {
            queue.push(&line);
        }
        queue.flush(Duration::from_millis(10));
        // Returns, though the next permit never comes if it doesn't.
        queue.flush_unless_stalled(Duration::MAX / 4);
        // The lines taken first, the queue, and the report.
        for _ in 0..3 {
            permit.send(()).unwrap();
        }
        queue.flush(LONG);
        let written: Vec<u8> = lines.try_iter().flatten().collect();
        let report = written.iter().rposition(|byte| *byte == b'x').unwrap() + 1;
        let report = str::from_utf8(&written[report..]).unwrap();
        let dropped = report.strip_suffix(" dropped\n").unwrap().parse::<usize>();
        let whole = written.iter().filter(|byte| **byte == b'x').count() / line.len();
        assert_eq!(whole + dropped.unwrap(), pushed);
        assert!(whole * line.len() <= 2 * BYTES_MAX);
    }

    #[test]
    fn what_a_full_queue_drops_before_it_is_read_is_reported() {
        let queue = Arc::<LineQueue>::default();
        let line = [b'x'; 1024];
        let fits = BYTES_MAX / line.len();
        for _ in 0..fits + 7 {
            queue.push(&line);
        }
        let (queue, permit, lines) = start_with(queue);
        for _ in 0..2 {
            permit.send(()).unwrap();
        }
        queue.flush(LONG);
        let written: Vec<u8> = lines.try_iter().flatten().collect();
        assert_eq!(&written[fits * line.len()..], b"7 dropped\n");
    }

    #[test]
    fn a_line_that_is_too_long_gets_in_alone() {
        let (queue, permit, lines) = start();
        permit.send(()).unwrap();
        queue.push(&vec![b'x'; 2 * BYTES_MAX]);
        queue.flush(LONG);
        assert_eq!(
            lines.try_iter().map(|line| line.len()).sum::<usize>(),
            2 * BYTES_MAX
        );
    }
}
