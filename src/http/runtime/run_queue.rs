//! Waking coroutines from the pipeline's threads, one system call a batch.
//!
//! Waking a `may` coroutine from a plain thread costs a write to an eventfd
//! each time. So a waker that the committer calls only puts its coroutine on
//! the run queue of the I/O thread it belongs to. The flush behind a batch
//! writes one eventfd for each I/O thread with a run queue that isn't empty; a
//! coroutine on that thread, the dispatcher, wakes the others from there, which
//! costs a push into a list of `may`'s own.
//!
//! A coroutine must be woken on its own I/O thread for another reason, too.
//! From elsewhere, `may` resumes it on whichever thread is next, and there it
//! can run to its end while the thread that parked it still reads the socket's
//! state, which lies on the coroutine's stack; and a socket that is closed on
//! one thread can be taken off the poll list of another, where its number may
//! belong to another socket already. So the timer thread and the drain go
//! through here as well.
//!
//! # Why no queued coroutine is left asleep
//!
//! The thread that queues a coroutine flushes afterwards. The flush skips the
//! eventfd only if `signalled` is set, that is, if the dispatcher was signalled
//! and has not begun to empty the queue: it clears the flag before it does.
//! Both sides swap the flag, and one swap comes first. Either the flush's is
//! second: it finds the flag clear and signals the dispatcher. Or the
//! dispatcher's is: it sees all that happened before the flush's, and so the
//! coroutine in the queue.

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

use crate::sync::crash;
use crate::sync::wake_queue::WakeQueue;

/// How a coroutine is woken, which depends on how it waits.
enum WakeBy {
    /// It is in `wait_io`.
    Io(WaitIoWaker),
    /// It has parked.
    Unpark(Coroutine),
}

/// Wakes one coroutine, by way of its thread's run queue.
pub(crate) struct TaskWaker {
    wake_by: WakeBy,
    /// Whether it is in the run queue, so that it is there once at most.
    queued: AtomicBool,
    run_queue: Arc<RunQueue>,
}

/// The coroutines to wake on one I/O thread.
struct RunQueue {
    /// Each is in it once at most, so it never holds more than there are
    /// connections.
    tasks: SegQueue<Arc<TaskWaker>>,
    /// Whether the dispatcher has been signalled and has not begun yet.
    signalled: CachePadded<AtomicBool>,
    eventfd: File,
}

/// The run queues and dispatchers of all I/O threads.
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

    /// Wakes a coroutine that waits in `wait_io` for a socket with this
    /// descriptor.
    pub(crate) fn io_waker(&self, socket: RawFd, waker: WaitIoWaker) -> Arc<TaskWaker> {
        self.task_waker(socket, WakeBy::Io(waker))
    }

    /// Wakes a coroutine that parks, on the I/O thread of a socket with this
    /// descriptor.
    pub(crate) fn parked_waker(&self, socket: RawFd, coroutine: Coroutine) -> Arc<TaskWaker> {
        self.task_waker(socket, WakeBy::Unpark(coroutine))
    }

    /// The I/O thread of a socket with this descriptor: `may` polls it on the
    /// thread of its number modulo threads.
    pub(crate) fn thread_of(&self, socket: RawFd) -> usize {
        socket as usize % self.run_queues.len()
    }

    fn task_waker(&self, socket: RawFd, wake_by: WakeBy) -> Arc<TaskWaker> {
        let run_queue = self.run_queues[self.thread_of(socket)].clone();
        Arc::new(TaskWaker {
            wake_by,
            queued: AtomicBool::new(false),
            run_queue,
        })
    }
}

impl WakeQueue for RunQueues {
    fn flush(&self) {
        for run_queue in &self.run_queues {
            if !run_queue.tasks.is_empty() {
                run_queue.signal();
            }
        }
    }
}

/// Waking queues the coroutine; [`RunQueues::flush`] does the rest.
impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // AcqRel, pairs with the swap in `wake_queued`: a caller that finds it
        // queued knows that the dispatcher will wake it after seeing all that
        // the caller did before.
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.run_queue.tasks.push(self.clone());
        }
    }
}

impl RunQueue {
    fn start(thread: usize, threads: usize) -> io::Result<Arc<Self>> {
        let event = eventfd_on_thread(thread, threads)?;
        let run_queue = Arc::new(Self {
            tasks: SegQueue::new(),
            signalled: CachePadded::new(AtomicBool::new(false)),
            eventfd: event.try_clone()?.into(),
        });
        let io = CoIo::new(File::from(event)).map_err(io::Error::other)?;
        let dispatcher = run_queue.clone();
        may::go!(may::coroutine::Builder::new().id(thread), move || {
            let _guard = crash::guard();
            // Edge-triggered: each write is an event of its own, so that the
            // counter need not be read.
            loop {
                io.wait_io();
                dispatcher.wake_queued();
            }
        })?;
        Ok(run_queue)
    }

    fn wake_queued(&self) {
        // Pairs with the swap in `signal`.
        self.signalled.swap(false, Ordering::SeqCst);
        // No more than were queued at the start: those that come meanwhile have
        // their own signal, and the thread's other coroutines have a turn
        // first.
        for _ in 0..self.tasks.len() {
            let Some(task_waker) = self.tasks.pop() else {
                break;
            };
            // AcqRel, pairs with the swap in `wake_by_ref`, either way.
            task_waker.queued.swap(false, Ordering::AcqRel);
            match &task_waker.wake_by {
                WakeBy::Io(waker) => waker.wakeup(),
                WakeBy::Unpark(coroutine) => coroutine.unpark(),
            }
        }
        if !self.tasks.is_empty() {
            self.signal();
        }
    }

    fn signal(&self) {
        // Pairs with the swap in `wake_queued`.
        if !self.signalled.swap(true, Ordering::SeqCst) {
            let one = 1_u64.to_ne_bytes();
            // Fails only if the counter is full, and then an event is pending.
            let _ = io::Write::write(&mut &self.eventfd, &one);
        }
    }
}

/// An eventfd with a number that `may` polls on this thread.
fn eventfd_on_thread(thread: usize, threads: usize) -> io::Result<OwnedFd> {
    let mut event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    while event.as_raw_fd() as usize % threads != thread {
        let next = event.as_raw_fd() + 1;
        event = fcntl_dupfd_cloexec(event, next)?;
    }
    Ok(event)
}
