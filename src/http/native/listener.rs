//! Accepting connections: within the limit, and without spinning when the
//! process runs out of descriptors.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use may::{
    coroutine::Builder,
    io::{CoIo, WaitIo},
};
use rustix::io::Errno;

use super::{
    super::{Service, deadline::Deadlines, dispatch::Dispatch},
    connection::Connection,
    socket::Socket,
};

/// A connection's stack, in bytes. Measured with the deepest request (see
/// `tests/stack.rs`), in a debug build, where frames are several times larger.
pub const STACK_BYTES: usize = if cfg!(debug_assertions) {
    128 << 10
} else {
    32 << 10
};

/// Connections past the limit that are told so at a time; more are dropped.
const REFUSING: usize = 64;
/// How long accepting pauses when there is no descriptor: at first and at most.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(640);

/// The order port, listening.
pub struct Listener {
    shared: Arc<Shared>,
    address: SocketAddr,
}

struct Shared {
    service: Arc<Service>,
    dispatch: Arc<Dispatch>,
    deadlines: Arc<Deadlines>,
    stopping: AtomicBool,
    /// Wakes the coroutine that accepts.
    accepting: std::sync::OnceLock<may::io::WaitIoWaker>,
    /// Connections open now, those being refused among them.
    open: AtomicUsize,
}

impl Listener {
    /// Listens on `listener` and serves what comes, on coroutines.
    ///
    /// # Errors
    /// When the system refuses a thread or the listener can't be polled.
    pub fn start(
        listener: TcpListener,
        service: Arc<Service>,
        dispatch: Arc<Dispatch>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let seats = service.limits.max_connections + REFUSING;
        let shared = Arc::new(Shared {
            service,
            dispatch,
            deadlines: Deadlines::start(seats)?,
            stopping: AtomicBool::new(false),
            accepting: std::sync::OnceLock::new(),
            open: AtomicUsize::new(0),
        });
        let listener = CoIo::new(listener).map_err(io::Error::other)?;
        shared.accepting.get_or_init(|| listener.waker());
        let accepting = shared.clone();
        let id = listener.as_raw_fd() as usize;
        may::go!(Builder::new().id(id).stack_size(stack_words()), move || {
            accepting.accept(&listener);
        })?;
        Ok(Self { shared, address })
    }

    /// The address bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting and closes the listening socket; open connections go on.
    pub fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        if let Some(waker) = self.shared.accepting.get() {
            waker.wakeup();
        }
    }

    /// Has every connection look around: for a closed service, or a deadline
    /// that has passed.
    pub fn wake_all(&self) {
        self.shared.deadlines.wake_all();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
        self.shared.service.closing.store(true, Ordering::Release);
        self.wake_all();
        self.shared.deadlines.stop();
    }
}

/// `may` counts stacks in words.
pub(crate) fn stack_words() -> usize {
    STACK_BYTES / size_of::<usize>()
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &CoIo<TcpListener>) {
        let mut pause = PAUSE_MIN;
        while !self.stopping.load(Ordering::Acquire) {
            match listener.inner().accept() {
                Ok((stream, _)) => {
                    pause = PAUSE_MIN;
                    self.spawn(stream);
                }
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::AGAIN) => {
                        listener.wait_io();
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
                        may::coroutine::sleep(pause);
                        pause = (pause * 2).min(PAUSE_MAX);
                    }
                },
            }
        }
    }

    fn spawn(self: &Arc<Self>, stream: TcpStream) {
        let id = stream.as_raw_fd() as usize;
        let shared = self.clone();
        // Starts on the thread that polls the socket, and stays there.
        let builder = Builder::new().id(id).stack_size(stack_words());
        let spawned = may::go!(builder, move || shared.connection(stream));
        if let Err(error) = spawned {
            tracing::warn!(%error, "can't start a connection");
        }
    }

    fn connection(&self, stream: TcpStream) {
        // Replies are small and complete: nothing is gained by delaying them.
        // A socket that refuses is broken, and its first read says so.
        let _ = stream.set_nodelay(true);
        let stream = match CoIo::new(stream) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(error = %io::Error::other(error), "can't poll a connection");
                return;
            }
        };
        let Ok(socket) = Socket::new(stream, &self.deadlines, &self.dispatch) else {
            return; // even those being refused are too many
        };
        let connection = Connection::new(socket, self.service.clone());
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        self.service.metrics().http.connections.inc();
        let _open = Open(self);
        if before < self.service.limits.max_connections {
            connection.serve();
        } else {
            connection.refuse();
        }
    }
}

/// Counts a connection as open, also when its coroutine unwinds.
struct Open<'a>(&'a Shared);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.service.metrics().http.connections.dec();
    }
}
