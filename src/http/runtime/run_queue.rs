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
//! A coroutine that gives way to the others of its thread is woken here, too:
//! one between two polls, in turn.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::task::Wake;

use crossbeam_queue::SegQueue;
use may::coroutine::Coroutine;
use may::io::{CoIo, WaitIo, WaitIoWaker};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::fcntl_dupfd_cloexec;

use crate::sync::crash;
use crate::sync::dispatch_queue::{DispatchQueue, Task};
use crate::sync::primitive::{AtomicBool, Ordering};
use crate::sync::wake_queue::WakeQueue;

/// How a coroutine is woken, which depends on how it waits.
enum WakeBy {
    /// It is in `wait_io`.
    Io(WaitIoWaker),
    /// It has parked.
    Unpark(Coroutine),
    /// Someone else decides what is to be done for it.
    Call(Box<dyn Fn() + Send + Sync>),
}

/// Wakes one coroutine, by way of its thread's run queue.
pub(crate) struct TaskWaker {
    wake_by: WakeBy,
    queued: AtomicBool,
    /// It has given way, and its turn has not come. Set and cleared on the I/O
    /// thread.
    awaits_turn: AtomicBool,
    run_queue: Arc<RunQueue>,
}

/// The coroutines to wake on one I/O thread.
struct RunQueue {
    tasks: DispatchQueue<TaskWaker>,
    /// Those that have given way, in the order in which they did: one of them
    /// runs between two polls. Each is in it once at most.
    turns: SegQueue<Arc<TaskWaker>>,
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

    /// Calls this, which must not park, on the I/O thread of a socket with this
    /// descriptor.
    pub(crate) fn calling_waker(
        &self,
        socket: RawFd,
        call: impl Fn() + Send + Sync + 'static,
    ) -> Arc<TaskWaker> {
        self.task_waker(socket, WakeBy::Call(Box::new(call)))
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
            awaits_turn: AtomicBool::new(false),
            run_queue,
        })
    }
}

impl WakeQueue for RunQueues {
    fn flush(&self) {
        for run_queue in &self.run_queues {
            run_queue.tasks.flush(|| run_queue.signal());
        }
    }
}

/// Waking queues the coroutine; [`RunQueues::flush`] does the rest.
impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.run_queue.tasks.push(self);
    }
}

impl Task for TaskWaker {
    fn queued(&self) -> &AtomicBool {
        &self.queued
    }
}

impl TaskWaker {
    /// Has the coroutine woken once its thread has polled, and all have had
    /// their turn that have asked for one before. To be called by the coroutine
    /// itself, which then parks while it [awaits](Self::awaits_turn) that.
    pub(crate) fn wake_in_turn(self: &Arc<Self>) {
        let turns = &self.run_queue.turns;
        // Where others wait, the dispatcher is signalled already: all of this
        // is on one thread.
        let is_first = turns.is_empty();
        self.awaits_turn.store(true, Ordering::Relaxed);
        turns.push(self.clone());
        if is_first {
            self.run_queue.signal();
        }
    }

    pub(crate) fn awaits_turn(&self) -> bool {
        self.awaits_turn.load(Ordering::Relaxed)
    }

    fn wake_now(&self) {
        match &self.wake_by {
            WakeBy::Io(waker) => waker.wakeup(),
            WakeBy::Unpark(coroutine) => coroutine.unpark(),
            WakeBy::Call(call) => call(),
        }
    }
}

impl RunQueue {
    fn start(thread: usize, threads: usize) -> io::Result<Arc<Self>> {
        let event = eventfd_on_thread(thread, threads)?;
        let run_queue = Arc::new(Self {
            tasks: DispatchQueue::default(),
            turns: SegQueue::new(),
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
                dispatcher.next_turn();
            }
        })?;
        Ok(run_queue)
    }

    fn wake_queued(&self) {
        self.tasks.dispatch(TaskWaker::wake_now);
    }

    /// Wakes one of those that have given way. The thread polls before the
    /// next: what a request waits for that has just come does not grow with
    /// the number of connections that always have more to do.
    fn next_turn(&self) {
        if let Some(next) = self.turns.pop() {
            next.awaits_turn.store(false, Ordering::Relaxed);
            next.wake_now();
        }
        if !self.turns.is_empty() {
            self.signal();
        }
    }

    fn signal(&self) {
        let one = 1_u64.to_ne_bytes();
        // Fails only if the counter is full, and then an event is pending.
        let _ = io::Write::write(&mut &self.eventfd, &one);
    }
}

/// An eventfd with a number that `may` polls on this thread.
pub(super) fn eventfd_on_thread(thread: usize, threads: usize) -> io::Result<OwnedFd> {
    let mut event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    while event.as_raw_fd() as usize % threads != thread {
        let next = event.as_raw_fd() + 1;
        event = fcntl_dupfd_cloexec(event, next)?;
    }
    Ok(event)
}
