//! Waking coroutines from the pipeline's threads, one system call a batch.
//!
//! Waking a `may` coroutine from a plain thread costs a write to an eventfd
//! each time. So a waker that the committer calls only puts its coroutine on
//! the list of the I/O thread it belongs to; the flush behind a batch writes
//! one eventfd for each I/O thread that has somebody listed, and a coroutine
//! on that thread, the dispatcher, wakes the others from there, which costs a
//! push into a local run queue.
//!
//! A coroutine must be woken on its own I/O thread, for another reason, too.
//! From elsewhere, `may` resumes it on whatever thread comes next, and there it
//! can run to its end while the thread that put it to sleep still looks at the
//! socket's state, which lies on the coroutine's stack; and a socket that is
//! closed on one thread can be taken off the poll list of another, where its
//! number already means somebody else. So the sweeper of the timers and the
//! drain go through here as well.
//!
//! # Why nobody stays listed and asleep
//!
//! Who lists a coroutine flushes afterwards. The flush skips the eventfd only
//! if `signalled` is set, that is, if the dispatcher has not yet begun to empty
//! the list: it clears the flag (SeqCst) before it does. So it is either
//! written to or still to look.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use crossbeam_queue::SegQueue;
use crossbeam_utils::CachePadded;
use may::coroutine::Coroutine;
use may::io::{CoIo, WaitIo, WaitIoWaker};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::fcntl_dupfd_cloexec;

use crate::sync::wake_queue::WakeQueue;

/// How a coroutine waits, and so how it is woken.
enum How {
    /// In `wait_io`.
    Io(WaitIoWaker),
    /// In `coroutine::park_timeout`.
    Park(Coroutine),
}

/// A coroutine that waits for an answer or for its socket.
pub(crate) struct TaskWaker {
    how: How,
    /// Whether it is on the list, so that it is there once at most.
    listed: AtomicBool,
    run_queue: Arc<RunQueue>,
}

/// What belongs to one I/O thread.
struct RunQueue {
    /// Those to wake. Each is listed once at most, so that there are never more
    /// than there are connections.
    list: SegQueue<Arc<TaskWaker>>,
    /// Whether the dispatcher has been signalled and has not begun yet.
    signalled: CachePadded<AtomicBool>,
    event: File,
}

/// The lists and dispatchers of all I/O threads.
pub(crate) struct RunQueues {
    run_queues: Box<[Arc<RunQueue>]>,
}

impl RunQueues {
    /// Starts a dispatcher on each of `io_threads`.
    ///
    /// # Errors
    /// When the system gives no eventfd.
    pub(crate) fn start(io_threads: usize) -> io::Result<Arc<Self>> {
        let run_queues = (0..io_threads)
            .map(|thread| RunQueue::start(thread, io_threads))
            .collect::<io::Result<_>>()?;
        Ok(Arc::new(Self { run_queues }))
    }

    /// A task_waker that waits in `wait_io` on a socket with this descriptor.
    pub(crate) fn io_waker(&self, socket: RawFd, waker: WaitIoWaker) -> Arc<TaskWaker> {
        self.task_waker(socket, How::Io(waker))
    }

    /// A task_waker that parks, on the I/O thread of a socket with this descriptor.
    pub(crate) fn parked_waker(&self, socket: RawFd, coroutine: Coroutine) -> Arc<TaskWaker> {
        self.task_waker(socket, How::Park(coroutine))
    }

    fn task_waker(&self, socket: RawFd, how: How) -> Arc<TaskWaker> {
        // `may` polls a descriptor on the thread of its number modulo threads.
        let run_queue = self.run_queues[socket as usize % self.run_queues.len()].clone();
        Arc::new(TaskWaker {
            how,
            listed: AtomicBool::new(false),
            run_queue,
        })
    }
}

impl WakeQueue for RunQueues {
    fn flush(&self) {
        for run_queue in &self.run_queues {
            if !run_queue.list.is_empty() {
                run_queue.signal();
            }
        }
    }
}

/// Waking puts it on its thread's list; [`RunQueues::flush`] does the rest.
impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // AcqRel pairs with the dispatcher's: who finds it listed knows that
        // the dispatcher will wake it after seeing what came before.
        if !self.listed.swap(true, Ordering::AcqRel) {
            self.run_queue.list.push(self.clone());
        }
    }
}

impl RunQueue {
    fn start(thread: usize, threads: usize) -> io::Result<Arc<Self>> {
        let event = event_on_thread(thread, threads)?;
        let run_queue = Arc::new(Self {
            list: SegQueue::new(),
            signalled: CachePadded::new(AtomicBool::new(false)),
            event: event.try_clone()?.into(),
        });
        let io = CoIo::new(File::from(event)).map_err(io::Error::other)?;
        let dispatcher = run_queue.clone();
        may::go!(may::coroutine::Builder::new().id(thread), move || {
            // Edge-triggered: each write is an event of its own, so that the
            // counter need not be read.
            loop {
                io.wait_io();
                dispatcher.wake_listed();
            }
        })?;
        Ok(run_queue)
    }

    fn wake_listed(&self) {
        self.signalled.store(false, Ordering::SeqCst);
        // No more than were listed at the start: those who come meanwhile have
        // signalled again, and the others want their turn.
        for _ in 0..self.list.len() {
            let Some(task_waker) = self.list.pop() else {
                break;
            };
            // AcqRel: pairs with the swap in `wake_by_ref`, either way.
            task_waker.listed.swap(false, Ordering::AcqRel);
            match &task_waker.how {
                How::Io(waker) => waker.wakeup(),
                How::Park(coroutine) => coroutine.unpark(),
            }
        }
        if !self.list.is_empty() {
            self.signal();
        }
    }

    fn signal(&self) {
        if !self.signalled.swap(true, Ordering::SeqCst) {
            let one = 1_u64.to_ne_bytes();
            // Fails only if the counter is full, and then an event is pending.
            let _ = io::Write::write(&mut &self.event, &one);
        }
    }
}

/// An eventfd whose number puts it on the I/O thread wanted.
fn event_on_thread(thread: usize, threads: usize) -> io::Result<OwnedFd> {
    let mut event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    while event.as_raw_fd() as usize % threads != thread {
        let next = event.as_raw_fd() + 1;
        event = fcntl_dupfd_cloexec(event, next)?;
    }
    Ok(event)
}
