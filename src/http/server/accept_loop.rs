//! The coroutine that accepts connections. It doesn't spin when the process
//! runs out of descriptors.

use std::io;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use may::coroutine::Builder;
use may::io::{CoIo, WaitIo};
use rustix::io::Errno;

use crate::http::runtime::run_queue::RunQueues;
use crate::http::runtime::timers::{TimerSlot, Timers};
use crate::http::server::polled::{PolledFd, poll};
use crate::http::server::spawner::Spawner;
use crate::http::server::stack::stack_words;
use crate::sync::crash;
use crate::sync::wake_queue::WakeQueue;

/// Connections accepted before the thread's other coroutines run.
const QUANTUM_CONNECTIONS: usize = 16;
/// How long accepting pauses when there is no descriptor: at first and at most.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(640);

/// Stops an accept loop.
pub(crate) struct AcceptHandle {
    stopping: AtomicBool,
    /// Wakes the loop's coroutine.
    waker: Waker,
    run_queues: Arc<RunQueues>,
}

impl AcceptHandle {
    /// Ends the loop, which closes the listening socket.
    pub(crate) fn stop(&self) {
        // Pairs with the load in `is_stopping`.
        self.stopping.store(true, Ordering::Release);
        self.wake();
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn wake(&self) {
        self.waker.wake_by_ref();
        self.run_queues.flush();
    }
}

/// Starts to accept what comes to `listener`, on a coroutine.
///
/// # Errors
/// When the listener can't be polled, or no timer slot is free for it.
pub(crate) fn start(
    listener: TcpListener,
    spawner: Spawner,
    run_queues: Arc<RunQueues>,
    timers: &Arc<Timers>,
) -> io::Result<Arc<AcceptHandle>> {
    let polled = poll(&listener)?;
    let id = listener.as_raw_fd();
    let task_waker = run_queues.io_waker(id, polled.waker());
    let timer = timers
        .take(task_waker.clone())
        .ok_or_else(|| io::Error::other("no timer slot for the listener"))?;
    let handle = Arc::new(AcceptHandle {
        stopping: AtomicBool::new(false),
        waker: task_waker.into(),
        run_queues,
    });
    let accept_loop = AcceptLoop {
        handle: handle.clone(),
        spawner,
        polled,
        timer,
        listener,
    };
    let builder = Builder::new().id(id as usize).stack_size(stack_words());
    may::go!(builder, move || {
        let _guard = crash::guard();
        accept_loop.run();
    })?;
    Ok(handle)
}

struct AcceptLoop {
    handle: Arc<AcceptHandle>,
    spawner: Spawner,
    /// Dropped before the listener.
    polled: CoIo<PolledFd>,
    timer: TimerSlot,
    listener: TcpListener,
}

impl AcceptLoop {
    fn run(self) {
        let mut pause = PAUSE_MIN;
        let mut accepted_now = 0;
        while !self.handle.is_stopping() {
            if accepted_now == QUANTUM_CONNECTIONS {
                accepted_now = 0;
                self.handle.wake(); // this coroutine, once the thread has polled
                self.polled.wait_io();
                continue;
            }
            accepted_now += 1;
            let accepted = self.listener.accept();
            let Err(error) = accepted.and_then(|(stream, _)| self.spawner.spawn(stream)) else {
                pause = PAUSE_MIN;
                continue;
            };
            match Errno::from_io_error(&error) {
                Some(Errno::AGAIN) => {
                    accepted_now = 0;
                    self.polled.wait_io();
                }
                Some(errno) if is_of_the_peer(errno) => {}
                _ => {
                    if pause == PAUSE_MIN {
                        tracing::warn!(%error, "can't accept connections; open ones go on");
                    }
                    self.sleep(pause);
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    fn sleep(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while Instant::now() < until && !self.handle.is_stopping() {
            self.timer.arm(until);
            self.polled.wait_io();
        }
    }
}

/// Whether one peer has gone, or its network, and the next connection may do
/// better (accept(2), "Error handling"); so does the call that a signal has
/// interrupted.
fn is_of_the_peer(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::INTR
            | Errno::CONNABORTED
            | Errno::NETDOWN
            | Errno::PROTO
            | Errno::NOPROTOOPT
            | Errno::HOSTDOWN
            | Errno::NONET
            | Errno::HOSTUNREACH
            | Errno::OPNOTSUPP
            | Errno::NETUNREACH
    )
}
