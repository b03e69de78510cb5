//! A client that is a script: what it sends, in which pieces, and how it takes
//! the replies. For what must hold whatever a client does, without a socket and
//! a scheduler.
//!
//! Events are edge-triggered as the system's are (epoll(7)): one says that
//! bytes have arrived, that there is space again, or that the client has ended
//! its side. When nothing has happened and nothing will, a wait would last
//! forever: that is a panic here.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::time::Instant;

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;

use crate::http::runtime::run_queue::RunQueues;
use crate::http::runtime::timers::Timers;
use crate::http::server::socket::Socket;
use crate::http::server::socket::stream::SystemStream;

/// What happens at a client, one step for each wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many more of its bytes arrive.
    Arrive(usize),
    /// The same, and the wait is over before the event comes.
    ArriveUnannounced(usize),
    /// Nothing, but the wait is over.
    Pause,
    /// The connection breaks.
    Reset,
}

/// A connection's client.
pub(crate) struct Script {
    input: Vec<u8>,
    read: usize,
    arrived: usize,
    /// What happens next. Behind the last, all that is left arrives, and the
    /// client ends its side.
    steps: VecDeque<Step>,
    /// Bytes that a client takes before it is waited for.
    window: usize,
    output: Vec<u8>,
    /// Of the window, and whether a call has found it full.
    sent: usize,
    is_full: bool,
    has_ended: bool,
    is_broken: bool,
    /// The server has ended its side.
    is_finished: bool,
    surroundings: Box<dyn FnMut() -> bool>,
}

impl Script {
    pub(crate) fn new(
        input: Vec<u8>,
        steps: impl IntoIterator<Item = Step>,
        window: usize,
        surroundings: impl FnMut() -> bool + 'static,
    ) -> Self {
        Self {
            input,
            read: 0,
            arrived: 0,
            steps: steps.into_iter().collect(),
            window: window.max(1),
            output: Vec::new(),
            sent: 0,
            is_full: false,
            has_ended: false,
            is_broken: false,
            is_finished: false,
            surroundings: Box::new(surroundings),
        }
    }

    /// What the server has sent, and whether it has said that this was all.
    pub(crate) fn received(&self) -> (&[u8], bool) {
        (&self.output, self.is_finished)
    }

    /// Lets the rest of the process do something; whether it did.
    pub(crate) fn work(&mut self) -> bool {
        (self.surroundings)()
    }

    fn wait(&mut self) -> EventFlags {
        if self.is_full {
            self.is_full = false;
            self.sent = 0;
            return EventFlags::OUT;
        }
        if self.work() {
            return EventFlags::empty();
        }
        match self.steps.pop_front() {
            Some(Step::Pause) => EventFlags::empty(),
            Some(Step::Reset) => {
                self.is_broken = true;
                EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR
            }
            Some(Step::ArriveUnannounced(bytes)) => {
                self.arrived = self.input.len().min(self.arrived.saturating_add(bytes));
                EventFlags::empty()
            }
            Some(Step::Arrive(bytes)) if self.arrived < self.input.len() => {
                self.arrived = self.input.len().min(self.arrived.saturating_add(bytes));
                EventFlags::IN
            }
            Some(Step::Arrive(_)) | None => {
                assert!(!self.has_ended, "a wait for nothing");
                self.arrived = self.input.len();
                self.has_ended = true;
                EventFlags::IN | EventFlags::RDHUP
            }
        }
    }

    fn is_readable(&self) -> bool {
        self.is_broken || self.has_ended || self.read < self.arrived
    }

    fn read(&mut self, bytes_max: usize) -> Result<&[u8], Errno> {
        if self.is_broken {
            return Err(Errno::CONNRESET);
        }
        let arrived = &self.input[self.read..self.arrived];
        if arrived.is_empty() && !self.has_ended {
            return Err(Errno::AGAIN);
        }
        let bytes = &arrived[..arrived.len().min(bytes_max)];
        self.read += bytes.len();
        Ok(bytes)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        assert!(!self.is_finished, "sent behind the end");
        if self.is_broken {
            return Err(Errno::PIPE);
        }
        let sent = bytes.len().min(self.window - self.sent);
        if sent == 0 {
            self.is_full = true;
            return Err(Errno::AGAIN);
        }
        self.output.extend_from_slice(&bytes[..sent]);
        self.sent += sent;
        Ok(sent)
    }
}

/// The system's stream, or a script.
pub(super) enum Stream {
    System(SystemStream),
    Scripted(ScriptedStream),
}

pub(super) struct ScriptedStream {
    script: Rc<RefCell<Script>>,
    waker: Waker,
    awaits_turn: Cell<bool>,
}

/// The script goes on at each wait, called or not.
#[derive(Default)]
struct Called(AtomicBool);

impl Wake for Called {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Socket {
    pub(crate) fn scripted(script: Rc<RefCell<Script>>) -> Self {
        Self::over(Stream::Scripted(ScriptedStream {
            script,
            waker: Arc::new(Called::default()).into(),
            awaits_turn: Cell::new(false),
        }))
    }
}

impl Stream {
    pub(super) fn new(
        stream: TcpStream,
        timers: &Arc<Timers>,
        run_queues: &Arc<RunQueues>,
    ) -> io::Result<Option<Self>> {
        let stream = SystemStream::new(stream, timers, run_queues)?;
        Ok(stream.map(Self::System))
    }

    pub(super) fn waker(&self) -> &Waker {
        match self {
            Self::System(stream) => stream.waker(),
            Self::Scripted(stream) => &stream.waker,
        }
    }

    pub(super) fn arm(&self, until: Instant) {
        match self {
            Self::System(stream) => stream.arm(until),
            Self::Scripted(_) => {}
        }
    }

    pub(super) fn wake_in_turn(&self) {
        match self {
            Self::System(stream) => stream.wake_in_turn(),
            Self::Scripted(stream) => stream.awaits_turn.set(true),
        }
    }

    /// A script's turn comes with the first wait.
    pub(super) fn awaits_turn(&self) -> bool {
        match self {
            Self::System(stream) => stream.awaits_turn(),
            Self::Scripted(stream) => stream.awaits_turn.get(),
        }
    }

    pub(super) fn wait(&self) -> EventFlags {
        match self {
            Self::System(stream) => stream.wait(),
            Self::Scripted(stream) if stream.awaits_turn.take() => EventFlags::empty(),
            Self::Scripted(stream) => stream.script.borrow_mut().wait(),
        }
    }

    pub(super) fn is_readable(&self) -> bool {
        match self {
            Self::System(stream) => stream.is_readable(),
            Self::Scripted(stream) => stream.script.borrow().is_readable(),
        }
    }

    pub(super) fn read(&self, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
        match self {
            Self::System(stream) => stream.read(buffer),
            Self::Scripted(stream) => {
                let mut script = stream.script.borrow_mut();
                let bytes = script.read(buffer.capacity() - buffer.len())?;
                buffer.extend_from_slice(bytes);
                Ok(bytes.len())
            }
        }
    }

    pub(super) fn read_into(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::System(stream) => stream.read_into(buffer),
            Self::Scripted(stream) => {
                let mut script = stream.script.borrow_mut();
                let bytes = script.read(buffer.len())?;
                buffer[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            }
        }
    }

    pub(super) fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match self {
            Self::System(stream) => stream.send(bytes),
            Self::Scripted(stream) => stream.script.borrow_mut().send(bytes),
        }
    }

    pub(super) fn send_vectored(&self, slices: &[io::IoSlice<'_>]) -> Result<usize, Errno> {
        match self {
            Self::System(stream) => stream.send_vectored(slices),
            Self::Scripted(_) => self.send(slices.first().map_or(&[], |slice| slice)),
        }
    }

    pub(super) fn finish(&self) -> io::Result<()> {
        match self {
            Self::System(stream) => stream.finish(),
            Self::Scripted(stream) => {
                stream.script.borrow_mut().is_finished = true;
                Ok(())
            }
        }
    }
}
