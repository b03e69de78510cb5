//! Accepting connections: within the limit, and without spinning when the
//! process runs out of descriptors.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::{Duration, Instant};

use may::coroutine::Builder;
use may::io::{CoIo, WaitIo};
use rustix::io::Errno;

use crate::http::api::service::Service;
use crate::http::runtime::run_queue::RunQueues;
use crate::http::runtime::timers::{TimerSlot, Timers};
use crate::http::server::connection::Connection;
use crate::http::server::polled::{PolledFd, poll};
use crate::http::server::socket::Socket;
use crate::sync::wake_queue::WakeQueue;

/// A connection's stack, in bytes; only what is touched takes memory. The
/// deepest request of `tests/faults.rs` touches 25 KiB in a debug build, whose
/// frames are several times larger than a release build's. An overflow hits the
/// guard page and ends the process.
pub(crate) const STACK_BYTES: usize = if cfg!(debug_assertions) {
    128 << 10
} else {
    64 << 10
};

/// Connections past the limit that are told so at a time; more are dropped.
pub(crate) const REFUSING_MAX: usize = 64;
/// Connections accepted before the others on the thread have their turn.
const ACCEPT_TURN: usize = 16;
/// How long accepting pauses when there is no descriptor: at first and at most.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(640);

/// The order port, listening.
pub(crate) struct Listener {
    shared: Arc<Shared>,
    address: SocketAddr,
}

struct Shared {
    service: Arc<Service>,
    run_queues: Arc<RunQueues>,
    timers: Arc<Timers>,
    stopping: AtomicBool,
    /// Wakes the coroutine that accepts.
    accepting: OnceLock<Waker>,
    serving: AtomicUsize,
    refusing: AtomicUsize,
}

impl Listener {
    /// Listens on `listener` and serves what comes, on coroutines.
    ///
    /// # Errors
    /// When the listener can't be polled, or there is no seat for it.
    pub(crate) fn start(
        listener: TcpListener,
        service: Arc<Service>,
        run_queues: Arc<RunQueues>,
        timers: Arc<Timers>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let polled = poll(&listener)?;
        let id = listener.as_raw_fd();
        let task_waker = run_queues.io_waker(id, polled.waker());
        let seat = timers
            .take(task_waker.clone())
            .ok_or_else(|| io::Error::other("no seat for the listener"))?;
        let shared = Arc::new(Shared {
            service,
            run_queues,
            timers,
            stopping: AtomicBool::new(false),
            accepting: OnceLock::from(Waker::from(task_waker)),
            serving: AtomicUsize::new(0),
            refusing: AtomicUsize::new(0),
        });
        let accepting = Accepting {
            shared: shared.clone(),
            polled,
            seat,
            listener,
        };
        let builder = Builder::new().id(id as usize).stack_size(stack_words());
        may::go!(builder, move || accepting.run())?;
        Ok(Self { shared, address })
    }

    /// The address bound.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting and closes the listening socket; open connections go on.
    pub(crate) fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.wake();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
    }
}

/// `may` counts stacks in words.
pub(crate) fn stack_words() -> usize {
    STACK_BYTES / size_of::<usize>()
}

/// The coroutine that accepts.
struct Accepting {
    shared: Arc<Shared>,
    /// Dropped before the listener.
    polled: CoIo<PolledFd>,
    seat: TimerSlot,
    listener: TcpListener,
}

impl Accepting {
    fn run(self) {
        let shared = &self.shared;
        let mut pause = PAUSE_MIN;
        let mut turn = 0;
        while !shared.stopping.load(Ordering::Acquire) {
            if turn == ACCEPT_TURN {
                turn = 0;
                shared.wake(); // ourselves, after one more poll
                self.polled.wait_io();
                continue;
            }
            turn += 1;
            let accepted = self
                .listener
                .accept()
                .and_then(|(stream, _)| shared.spawn(stream));
            let Err(error) = accepted else {
                pause = PAUSE_MIN;
                continue;
            };
            match Errno::from_io_error(&error) {
                Some(Errno::AGAIN) => {
                    turn = 0;
                    self.polled.wait_io();
                }
                // The peer has gone, or its network; the next may be well
                // (accept(2), "Error handling").
                Some(
                    Errno::INTR
                    | Errno::CONNABORTED
                    | Errno::NETDOWN
                    | Errno::PROTO
                    | Errno::NOPROTOOPT
                    | Errno::HOSTDOWN
                    | Errno::NONET
                    | Errno::HOSTUNREACH
                    | Errno::OPNOTSUPP
                    | Errno::NETUNREACH,
                ) => {}
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
        while Instant::now() < until && !self.shared.stopping.load(Ordering::Acquire) {
            self.seat.arm(until);
            self.polled.wait_io();
        }
    }
}

impl Shared {
    fn wake(&self) {
        if let Some(waker) = self.accepting.get() {
            waker.wake_by_ref();
        }
        self.run_queues.flush();
    }

    fn spawn(self: &Arc<Self>, stream: TcpStream) -> io::Result<()> {
        let id = stream.as_raw_fd() as usize;
        let max = self.service.limits.max_connections;
        let (place, refused) = match Place::take(self, |shared| &shared.serving, max) {
            Some(place) => (place, false),
            None => match Place::take(self, |shared| &shared.refusing, REFUSING_MAX) {
                Some(place) => (place, true),
                None => return Ok(()), // even those being refused are too many
            },
        };
        // Starts on the thread that polls the socket, and stays there.
        let builder = Builder::new().id(id).stack_size(stack_words());
        // `may` panics when it gets no memory for a stack.
        let spawned = catch_unwind(AssertUnwindSafe(|| {
            may::go!(builder, move || place.serve(stream, refused))
        }));
        match spawned {
            Ok(spawned) => spawned.map(drop),
            Err(_) => Err(io::Error::from(io::ErrorKind::OutOfMemory)),
        }
    }
}

/// A place among the connections; given back also when a coroutine unwinds.
struct Place {
    shared: Arc<Shared>,
    counter: fn(&Shared) -> &AtomicUsize,
}

impl Place {
    fn take(
        shared: &Arc<Shared>,
        counter: fn(&Shared) -> &AtomicUsize,
        max: usize,
    ) -> Option<Self> {
        // One coroutine accepts, so nobody else adds.
        if counter(shared).load(Ordering::Relaxed) >= max {
            return None;
        }
        counter(shared).fetch_add(1, Ordering::Relaxed);
        shared.service.metrics().http.connections.inc();
        Some(Self {
            shared: shared.clone(),
            counter,
        })
    }

    fn serve(self, stream: TcpStream, refused: bool) {
        // Replies are small and complete: nothing is gained by delaying them.
        // A socket that refuses is broken, and its first read says so.
        let _ = stream.set_nodelay(true);
        let Shared {
            service,
            run_queues,
            timers,
            ..
        } = &*self.shared;
        match Socket::new(stream, timers, run_queues) {
            Ok(Some(socket)) => {
                let connection = Connection::new(socket, service.clone());
                if refused {
                    connection.refuse();
                } else {
                    connection.serve();
                }
            }
            Ok(None) => tracing::warn!("no seat for a connection"),
            Err(error) => tracing::warn!(%error, "can't poll a connection"),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        (self.counter)(&self.shared).fetch_sub(1, Ordering::Relaxed);
        self.shared.service.metrics().http.connections.dec();
    }
}
