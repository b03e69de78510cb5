//! A nonblocking socket on a coroutine, with a deadline for every wait.
//!
//! Events are edge-triggered: an event says that something has arrived since
//! the last one, so what it said must be remembered until a call has found the
//! socket empty (or full). A read that returns less than it was offered has
//! emptied it (epoll(7)), which saves the read that would have said so, unless
//! the peer has closed its side: then the end is still to be read.
//!
//! With [TLS](tls), what is read and written is its content; a socket without
//! pays for one branch.

#[cfg(any(test, fuzzing))]
pub(crate) mod scripted;
mod stream;
pub(crate) mod tls;

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustls::ServerConnection;

use crate::http::runtime::run_queue::RunQueues;
use crate::http::runtime::timers::Timers;
use crate::http::server::quantum::{QUANTUM_BYTES, Quantum};
#[cfg(any(test, fuzzing))]
use crate::http::server::socket::scripted::Stream;
#[cfg(not(any(test, fuzzing)))]
use crate::http::server::socket::stream::SystemStream as Stream;

/// Why a read or a write did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketError {
    /// The peer has closed its side, and all that it sent has been read.
    Closed,
    TimedOut,
    /// The connection is broken; nothing can be read or written any more.
    Broken,
    /// The waker was called, and the caller doesn't want to wait any longer.
    Interrupted,
}

pub(crate) struct Socket {
    quantum: Quantum,
    /// A read may find something.
    readable: bool,
    /// The peer has closed or broken its side: read to the end.
    hung_up: bool,
    /// Set once its handshake is over.
    tls: Option<Box<ServerConnection>>,
    stream: Stream,
}

impl Socket {
    /// Makes a socket of an accepted stream; `None` if no timer slot is free.
    ///
    /// # Errors
    /// When the stream can't be polled.
    pub(crate) fn new(
        stream: TcpStream,
        timers: &Arc<Timers>,
        run_queues: &Arc<RunQueues>,
    ) -> io::Result<Option<Self>> {
        let stream = Stream::new(stream, timers, run_queues)?;
        Ok(stream.map(Self::over))
    }

    fn over(stream: Stream) -> Self {
        Self {
            quantum: Quantum::default(),
            readable: true,
            hung_up: false,
            tls: None,
            stream,
        }
    }

    /// What wakes this connection's coroutine.
    pub(crate) fn waker(&self) -> &Waker {
        self.stream.waker()
    }

    /// Whether the peer was seen to have closed its side.
    pub(crate) fn is_hung_up(&self) -> bool {
        self.hung_up
    }

    /// Where the connection's work is counted, so that it gives way in time.
    pub(crate) fn quantum(&mut self) -> &mut Quantum {
        &mut self.quantum
    }

    /// Parks until an event, the waker or (about) the deadline. Several may
    /// have come, or none: the caller checks what it waits for.
    pub(crate) fn park(&mut self, until: Option<Instant>) {
        if let Some(until) = until {
            self.stream.arm(until);
        }
        self.wait_for_events();
    }

    /// Lets the thread's other connections run: parks until the thread has
    /// polled once more and this one's turn has come. Events don't end it, or a
    /// client that sends on would be served before those that wait.
    pub(crate) fn give_way(&mut self) {
        self.stream.wake_in_turn();
        while self.stream.awaits_turn() {
            self.wait_for_events();
        }
    }

    fn wait_for_events(&mut self) {
        let events = self.stream.wait();
        let gone = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        self.hung_up |= events.intersects(gone);
        self.readable |= events.intersects(gone | EventFlags::IN);
        self.quantum = Quantum::default();
    }

    /// Appends what has arrived to `buffer`, as far as its spare capacity goes,
    /// waiting for the first byte until `until`. `keep_waiting` is evaluated
    /// after each wake-up that brought no byte.
    pub(crate) fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        until: Instant,
        keep_waiting: impl Fn() -> bool,
    ) -> Result<(), SocketError> {
        debug_assert!(
            buffer.len() < buffer.capacity(),
            "an empty read looks like the end"
        );
        if let Some(mut tls) = self.tls.take() {
            let read = self.read_decrypted(&mut tls, buffer, until, keep_waiting);
            self.tls = Some(tls);
            return read;
        }
        loop {
            if self.readable {
                match self.stream.read(buffer) {
                    Ok(0) => return Err(SocketError::Closed),
                    Ok(_) => {
                        self.readable = self.hung_up || buffer.len() == buffer.capacity();
                        return Ok(());
                    }
                    Err(Errno::INTR) => continue,
                    Err(Errno::AGAIN) => self.readable = false,
                    Err(_) => return Err(SocketError::Broken),
                }
            }
            self.await_bytes(until, &keep_waiting)?;
        }
    }

    /// Receives at most as many bytes as `piece` takes, before TLS: what comes
    /// behind them stays where it is.
    pub(crate) fn read_some(
        &mut self,
        piece: &mut [u8],
        until: Instant,
        keep_waiting: impl Fn() -> bool,
    ) -> Result<usize, SocketError> {
        loop {
            if self.readable {
                match self.stream.read_into(piece) {
                    Ok(0) => return Err(SocketError::Closed),
                    Ok(received) => {
                        self.readable = self.hung_up || received == piece.len();
                        return Ok(received);
                    }
                    Err(Errno::INTR) => continue,
                    Err(Errno::AGAIN) => self.readable = false,
                    Err(_) => return Err(SocketError::Broken),
                }
            }
            self.await_bytes(until, &keep_waiting)?;
        }
    }

    /// Waits until a read may find something.
    fn await_bytes(
        &mut self,
        until: Instant,
        keep_waiting: &impl Fn() -> bool,
    ) -> Result<(), SocketError> {
        self.park(Some(until));
        if self.readable {
            return Ok(());
        }
        if Instant::now() >= until {
            // The event may be on its way: the process was stopped, say, and
            // the timer was first.
            self.readable = self.stream.is_readable();
            return match self.readable {
                true => Ok(()),
                false => Err(SocketError::TimedOut),
            };
        }
        match keep_waiting() {
            true => Ok(()),
            false => Err(SocketError::Interrupted),
        }
    }

    /// Writes all of `bytes`, waiting at most `timeout` for the peer to take
    /// them, and gives way whenever the quantum is spent. After an error some
    /// may be out: nothing may be written any more.
    pub(crate) fn write(&mut self, mut bytes: &[u8], timeout: Duration) -> Result<(), SocketError> {
        if let Some(mut tls) = self.tls.take() {
            let written = self.write_encrypted(&mut tls, bytes, timeout);
            self.tls = Some(tls);
            return written;
        }
        let mut until = None; // nearly always all of it goes at once
        while !bytes.is_empty() {
            let piece = &bytes[..bytes.len().min(QUANTUM_BYTES)];
            match self.stream.send(piece) {
                Ok(sent) => {
                    bytes = &bytes[sent..];
                    self.quantum.count_bytes(sent);
                    if !bytes.is_empty() && self.quantum.is_spent() {
                        self.give_way();
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let now = Instant::now();
                    let until = *until.get_or_insert(now + timeout);
                    if now >= until {
                        return Err(SocketError::TimedOut);
                    }
                    self.park(Some(until));
                }
                Err(_) => return Err(SocketError::Broken),
            }
        }
        Ok(())
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.close_notify();
        self.stream.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::http::server::socket::scripted::{Script, Step};

    #[test]
    fn what_has_come_unannounced_is_read_at_the_deadline() {
        let steps = [Step::ArriveUnannounced(3), Step::Pause];
        let script = Script::new(b"abcd".to_vec(), steps, 1, || false);
        let mut socket = Socket::scripted(Rc::new(RefCell::new(script)));
        let (mut buffer, now) = (Vec::with_capacity(8), Instant::now());
        assert_eq!(socket.read(&mut buffer, now, || true), Ok(()));
        assert_eq!(buffer, b"abc");
        let read = socket.read(&mut buffer, now, || true);
        assert_eq!(read, Err(SocketError::TimedOut));
    }
}
