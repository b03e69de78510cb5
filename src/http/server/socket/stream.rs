//! What a socket stands on: the system's calls, and what wakes its coroutine.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use may::io::{CoIo, WaitIo};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};

use crate::http::runtime::run_queue::{RunQueues, TaskWaker};
use crate::http::runtime::timers::{TimerSlot, Timers};
use crate::http::server::polled::{PolledFd, poll};

/// An accepted stream, its events and its timer. Remembers nothing of either.
pub(super) struct SystemStream {
    /// Dropped before the stream: off the poll list, then closed.
    polled: CoIo<PolledFd>,
    timer: TimerSlot,
    waker: Waker,
    task_waker: Arc<TaskWaker>,
    stream: TcpStream,
}

impl SystemStream {
    /// `None` if no timer slot is free.
    ///
    /// # Errors
    /// When the stream can't be polled.
    pub(super) fn new(
        stream: TcpStream,
        timers: &Arc<Timers>,
        run_queues: &Arc<RunQueues>,
    ) -> io::Result<Option<Self>> {
        let polled = poll(&stream)?;
        let task_waker = run_queues.io_waker(stream.as_raw_fd(), polled.waker());
        let Some(timer) = timers.take(task_waker.clone()) else {
            return Ok(None);
        };
        Ok(Some(Self {
            polled,
            timer,
            waker: task_waker.clone().into(),
            task_waker,
            stream,
        }))
    }

    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Makes sure that a wait is over at `until`, or before.
    pub(super) fn arm(&self, until: Instant) {
        self.timer.arm(until);
    }

    pub(super) fn wake_in_turn(&self) {
        self.task_waker.wake_in_turn();
    }

    pub(super) fn awaits_turn(&self) -> bool {
        self.task_waker.awaits_turn()
    }

    /// Parks until an event, the waker or the timer.
    pub(super) fn wait(&self) -> EventFlags {
        EventFlags::from_bits_retain(self.polled.wait_io() as u32)
    }

    /// Whether a read would find something: bytes, the end, or an error.
    pub(super) fn is_readable(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        !matches!(
            recv(&self.stream, &mut [0; 1], flags),
            Err(Errno::AGAIN | Errno::INTR)
        )
    }

    /// Appends to `buffer`, as far as its spare capacity goes.
    pub(super) fn read(&self, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
        rustix::io::read(&self.stream, spare_capacity(buffer))
    }

    pub(super) fn read_into(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::read(&self.stream, buffer)
    }

    pub(super) fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        send(&self.stream, bytes, SendFlags::NOSIGNAL)
    }

    pub(super) fn send_vectored(&self, slices: &[io::IoSlice<'_>]) -> Result<usize, Errno> {
        let mut none = SendAncillaryBuffer::default();
        sendmsg(&self.stream, slices, &mut none, SendFlags::NOSIGNAL)
    }

    pub(super) fn finish(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }
}
