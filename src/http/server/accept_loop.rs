//! The coroutine that accepts connections. It doesn't spin when the process
//! runs out of descriptors.
//!
//! # Why a stop resets no connection
//!
//! Closing a listening socket resets what its queues hold: connections that the
//! kernel has completed and nobody has accepted, and handshakes under way. To
//! those clients the connection may be open already, and their requests on the
//! way. So a stop first has the kernel drop what would begin a handshake (SYN,
//! RFC 9293 section 3.5) by a filter on the socket (socket(7),
//! `SO_ATTACH_FILTER`), then accepts for a time in which handshakes come to
//! their end, then whatever is left, and only then closes. A client whose SYN
//! was dropped sends it again after a second (RFC 6298) and is refused then.

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
use socket2::{SockFilter, SockRef};

use crate::http::runtime::run_queue::RunQueues;
use crate::http::runtime::timers::{TimerSlot, Timers};
use crate::http::server::polled::{PolledFd, poll};
use crate::http::server::spawner::Spawner;
use crate::http::server::stack::stack_words;
use crate::sync::crash;
use crate::sync::log_limit::LogLimit;
use crate::sync::wake_queue::WakeQueue;

/// Connections accepted before the thread's other coroutines run.
const QUANTUM_CONNECTIONS: usize = 16;
/// How long accepting pauses when there is no descriptor: at first and at most.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(640);
/// How long handshakes under way at a stop may take: some round trips.
const HANDSHAKE: Duration = Duration::from_millis(100);

/// Stops an accept loop.
pub(crate) struct AcceptHandle {
    stopping: AtomicBool,
    closed: AtomicBool,
    /// Wakes the loop's coroutine.
    waker: Waker,
    run_queues: Arc<RunQueues>,
}

impl AcceptHandle {
    /// Ends the loop, which closes the listening socket once it has accepted
    /// all that has connected.
    pub(crate) fn stop(&self) {
        // Pairs with the load in `is_stopping`.
        self.stopping.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether the loop has ended and the listening socket is closed.
    pub(crate) fn is_closed(&self) -> bool {
        // Pairs with the store at the coroutine's end: what it accepted is
        // counted as executing.
        self.closed.load(Ordering::Acquire)
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
        closed: AtomicBool::new(false),
        waker: task_waker.into(),
        run_queues,
    });
    let accept_loop = AcceptLoop {
        handle: handle.clone(),
        spawner,
        polled,
        timer,
        closes_at: None,
        listener,
    };
    let builder = Builder::new().id(id as usize).stack_size(stack_words());
    let running = handle.clone();
    may::go!(builder, move || {
        let _guard = crash::guard();
        accept_loop.run();
        // Pairs with the load in `is_closed`.
        running.closed.store(true, Ordering::Release);
    })?;
    Ok(handle)
}

struct AcceptLoop {
    handle: Arc<AcceptHandle>,
    spawner: Spawner,
    /// Dropped before the listener.
    polled: CoIo<PolledFd>,
    timer: TimerSlot,
    /// When it may close, once it has been stopped.
    closes_at: Option<Instant>,
    listener: TcpListener,
}

impl AcceptLoop {
    fn run(mut self) {
        let mut pause = PAUSE_MIN;
        let mut accepted_now = 0;
        loop {
            if self.closes_at.is_none() && self.handle.is_stopping() {
                self.closes_at = Some(Instant::now() + HANDSHAKE);
                if let Err(error) = drop_handshakes(&self.listener) {
                    tracing::debug!(%error, "connections that are still made may be reset");
                }
            }
            if accepted_now == QUANTUM_CONNECTIONS {
                accepted_now = 0;
                self.handle.wake(); // this coroutine, once the thread has polled
                self.polled.wait_io();
                continue;
            }
            accepted_now += 1;
            // Before the call that finds no connection, or one could come in
            // between.
            let last = self.may_close();
            let accepted = self.listener.accept();
            let Err(error) = accepted.and_then(|(stream, peer)| self.spawner.spawn(stream, peer))
            else {
                pause = PAUSE_MIN;
                continue;
            };
            match Errno::from_io_error(&error) {
                Some(errno) if is_of_the_peer(errno) => {}
                _ if last => return,
                Some(Errno::AGAIN) => {
                    accepted_now = 0;
                    self.wait();
                }
                _ => {
                    if pause == PAUSE_MIN {
                        static LIMIT: LogLimit = LogLimit::new();
                        LIMIT.log(|suppressed| {
                            let what = "can't accept connections; open ones go on";
                            tracing::warn!(suppressed, %error, "{what}");
                        });
                    }
                    self.sleep(pause);
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    fn may_close(&self) -> bool {
        self.closes_at.is_some_and(|at| Instant::now() >= at)
    }

    /// Waits for a connection or a stop, or for the time to close.
    fn wait(&self) {
        if let Some(at) = self.closes_at {
            self.timer.arm(at);
        }
        self.polled.wait_io();
    }

    /// Ends early for a stop, unless that has been seen.
    fn sleep(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let goes_on = || self.closes_at.is_some() || !self.handle.is_stopping();
        while Instant::now() < until && goes_on() {
            self.timer.arm(until);
            self.polled.wait_io();
        }
    }
}

/// Has the kernel drop every segment that begins a handshake with `listener`.
fn drop_handshakes(listener: &TcpListener) -> io::Result<()> {
    // Classic BPF (bpf(4) of FreeBSD, linux/filter.h): the filter sees the
    // segment from its TCP header on, whose byte 13 holds the flags.
    const LOAD_BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
    const JUMP_IF_SET: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K: as many bytes are let through
    const FLAGS_OFFSET: u32 = 13;
    const SYN: u32 = 2;
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS_OFFSET),
        SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
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
