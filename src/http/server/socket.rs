//! A nonblocking socket on a coroutine, with a deadline for every wait.
//!
//! Events are edge-triggered: an event says that something came since the last
//! one, so what it said must be remembered until a call has found the socket
//! empty (or full). A read that returns less than it was offered has emptied
//! it (epoll(7)), which saves the read that would have said so, unless the
//! peer has closed its side: then the end is still to be read.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use may::io::{CoIo, WaitIo};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::http::runtime::run_queue::RunQueues;
use crate::http::runtime::timers::{TimerSlot, Timers};
use crate::sync::wake_queue::WakeQueue;

/// Why a wait for the socket ended without what it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The peer has closed its side.
    Closed,
    /// The deadline passed.
    Timeout,
    /// The connection is broken.
    Broken,
    /// Somebody asked the connection to look around.
    Woken,
}

/// A descriptor on the poll list. It doesn't own it: `CoIo` closes what it owns
/// before it takes it off the list, and in between the number can become
/// somebody else's.
pub(crate) struct Polled(RawFd);

impl AsRawFd for Polled {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

/// A place on the poll list for a socket, which must outlive it.
pub(crate) fn poll(socket: &impl AsRawFd) -> io::Result<CoIo<Polled>> {
    CoIo::new(Polled(socket.as_raw_fd())).map_err(io::Error::other)
}

pub(crate) struct Socket {
    /// Dropped before the stream: off the list, then closed.
    polled: CoIo<Polled>,
    seat: TimerSlot,
    waker: Waker,
    run_queues: Arc<RunQueues>,
    /// A read may find something.
    readable: bool,
    /// The peer has closed or broken its side: read to the end.
    hung_up: bool,
    stream: TcpStream,
}

impl Socket {
    /// Makes a socket of an accepted stream; `None` if there is no seat.
    ///
    /// # Errors
    /// When the stream can't be polled.
    pub(crate) fn new(
        stream: TcpStream,
        timers: &Arc<Timers>,
        run_queues: &Arc<RunQueues>,
    ) -> io::Result<Option<Self>> {
        let polled = poll(&stream)?;
        let task_waker = run_queues.io_waker(stream.as_raw_fd(), polled.waker());
        let Some(seat) = timers.take(task_waker.clone()) else {
            return Ok(None);
        };
        Ok(Some(Self {
            polled,
            seat,
            waker: task_waker.into(),
            run_queues: run_queues.clone(),
            readable: true,
            hung_up: false,
            stream,
        }))
    }

    /// What wakes this connection's coroutine.
    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Whether the peer was seen to have closed its side.
    pub(crate) fn is_hung_up(&self) -> bool {
        self.hung_up
    }

    /// Parks until an event, the waker or (about) the deadline; several may
    /// have come, and it may be none of them.
    pub(crate) fn park(&mut self, until: Option<Instant>) {
        if let Some(until) = until {
            self.seat.arm(until);
        }
        let events = EventFlags::from_bits_retain(self.polled.wait_io() as u32);
        let gone = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        self.hung_up |= events.intersects(gone);
        self.readable |= events.intersects(gone | EventFlags::IN);
    }

    /// Lets the other connections of this thread have their turn: parks until
    /// the thread has polled once more.
    pub(crate) fn give_way(&mut self) {
        self.waker.wake_by_ref();
        self.run_queues.flush();
        self.park(None);
    }

    /// Appends what has arrived to `buffer`, as far as its spare capacity
    /// goes, waiting for the first byte until `until`. `look` is asked after
    /// each wake-up whether to go on.
    pub(crate) fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        until: Instant,
        look: impl Fn() -> bool,
    ) -> Result<(), Ended> {
        debug_assert!(
            buffer.len() < buffer.capacity(),
            "an empty read looks like the end"
        );
        loop {
            if self.readable {
                match rustix::io::read(&self.stream, spare_capacity(buffer)) {
                    Ok(0) => return Err(Ended::Closed),
                    Ok(_) => {
                        self.readable = self.hung_up || buffer.len() == buffer.capacity();
                        return Ok(());
                    }
                    Err(Errno::INTR) => continue,
                    Err(Errno::AGAIN) => self.readable = false,
                    Err(_) => return Err(Ended::Broken),
                }
            }
            self.park(Some(until));
            if !self.readable {
                if Instant::now() >= until {
                    return Err(Ended::Timeout);
                }
                if !look() {
                    return Err(Ended::Woken);
                }
            }
        }
    }

    /// Writes all of `bytes`, waiting at most `timeout` for the peer to take
    /// them. After an error some may be out: nothing may be written any more.
    pub(crate) fn write(&mut self, mut bytes: &[u8], timeout: Duration) -> Result<(), Ended> {
        let mut until = None; // nearly always all of it goes at once
        while !bytes.is_empty() {
            match send(&self.stream, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let now = Instant::now();
                    let until = *until.get_or_insert(now + timeout);
                    if now >= until {
                        return Err(Ended::Timeout);
                    }
                    self.park(Some(until));
                }
                Err(_) => return Err(Ended::Broken),
            }
        }
        Ok(())
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }
}
